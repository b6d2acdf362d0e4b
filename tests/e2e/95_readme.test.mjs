/* What the README shows is run as it stands there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, here, run, tempdir, top, within } from './lib/daemon.mjs';

const text = fs.readFileSync(path.join(top, 'README.md'), 'utf8');
const block = (kind) => {
	const m = text.match(new RegExp('```' + kind + '\\n([^]*?)```'));
	assert.ok(m, `a block of ${kind}`);
	return m[1];
};

test('the five lines of socket.io-client say what the README says', async () => {
	const conf = fs.readFileSync(path.join(top, 'packaging', 'examples',
	    'demo.conf'), 'utf8').replace('127.0.0.1:8080', '127.0.0.1:0');
	const d = await Daemon.start({ listen: false, stats: false, workers: 2, conf,
		env: {
			ROOST_DEMO_SECRET: crypto.randomBytes(24).toString('hex'),
			ROOST_DEMO_API_SHA256: '0'.repeat(64),
			ROOST_DEMO_PAGE: path.join(top, 'packaging', 'www', 'demo.html'),
		} });
	const js = block('js');
	assert.equal(js.trim().split('\n').length, 5);
	const c = spawn(process.execPath, ['--input-type=module', '-e',
	    js.replace('127.0.0.1:8080', `127.0.0.1:${d.port}`)],
	{ cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
	let out = '';
	c.stdout.on('data', (b) => { out += b; });
	await within(new Promise((ok) => c.on('close', ok)), 'end', 15000);
	assert.equal(out.trim(), 'hello sent by null');
	assert.ok(text.includes(`\`${out.trim()}\``));
	await d.stop();
});

test('the configuration is accepted', async () => {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, block('conf'));
	const r = await run(['-t', '-c', file], { env: {
		JWT_SECRET: 'x'.repeat(32), API_KEY_SHA256: 'a'.repeat(64) } });
	assert.equal(r.code, 0, r.err);
});

test('the curl line publishes', async () => {
	const key = 'readme-key';
	const d = await Daemon.start({ listen: false,
		conf: block('conf').replace('127.0.0.1:8080', '127.0.0.1:0'),
		env: { JWT_SECRET: 'x'.repeat(32), API_KEY_SHA256: crypto
		    .createHash('sha256').update(key).digest('hex') } });
	const line = [...text.matchAll(/```sh\n([^]*?)```/g)].map((m) => m[1])
	    .find((b) => b.startsWith('curl'));
	const c = spawn('sh', ['-c', line.replace('127.0.0.1:8080',
	    `127.0.0.1:${d.port}`)], { env: { ...process.env, API_KEY: key },
		stdio: ['ignore', 'pipe', 'ignore'] });
	let out = '';
	c.stdout.on('data', (b) => { out += b; });
	await within(new Promise((ok) => c.on('close', ok)), 'end', 10000);
	assert.match(out, /^\{"id":"[^"]+"\}$/);
	await d.stop();
});

test('every example configuration is accepted', async () => {
	const dir = path.join(top, 'packaging', 'examples');
	for (const name of fs.readdirSync(dir).filter((f) => f.endsWith('.conf'))) {
		const r = await run(['-t', '-c', path.join(dir, name)], { env: {
			JWT_SECRET: 'x'.repeat(32), ROOST_API_SHA256: 'a'.repeat(64),
			ROOST_DEMO_SECRET: 'x'.repeat(32),
			ROOST_DEMO_API_SHA256: 'a'.repeat(64),
			ROOST_DEMO_PAGE: path.join(top, 'packaging', 'www', 'demo.html'),
		} });
		assert.equal(r.code, 0, `${name}: ${r.out}${r.err}`);
	}
});
