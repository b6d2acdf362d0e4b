/* What the README shows is run as it stands there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, here, run, tempdir, top, until, within }
	from './lib/daemon.mjs';
import { freePort, Redis } from './lib/redis.mjs';

const text = fs.readFileSync(path.join(top, 'README.md'), 'utf8');
const blocks = (kind) => [...text.matchAll(new RegExp('```' + kind +
    '\\n([^]*?)```', 'g'))].map((m) => m[1]);
/* The block of this kind in which there is such a text. */
function block(kind, part = '') {
	const found = blocks(kind).filter((b) => b.includes(part));
	assert.equal(found.length, 1, `one block of ${kind} with ${part}`);
	return found[0];
}

/* What packaging/quickstart starts, with the same variables. */
const secret = crypto.randomBytes(24).toString('hex');
const key = crypto.randomBytes(16).toString('hex');
const quickstart = (more = {}) => Daemon.start({ listen: false, stats: false, workers: 2,
	conf: fs.readFileSync(path.join(top, 'packaging', 'examples',
	    'demo.conf'), 'utf8').replace('127.0.0.1:8080', '127.0.0.1:0'),
	env: {
		ROOST_DEMO_SECRET: secret,
		ROOST_DEMO_API_SHA256: crypto.createHash('sha256').update(key)
		    .digest('hex'),
		ROOST_DEMO_PAGE: path.join(top, 'packaging', 'www', 'demo.html'),
		...more,
	} });

/* A program of the README, at this daemon: { out, child, ended }. */
function start(d, program, args, env = {}) {
	const child = spawn(program, args.map((a) =>
	    a.replaceAll('127.0.0.1:8080', `127.0.0.1:${d?.port}`)),
	{ cwd: here, env: { ...process.env, ...env },
		stdio: ['ignore', 'pipe', 'inherit'] });
	const p = { child, out: '' };
	child.stdout.on('data', (b) => { p.out += b; });
	p.ended = within(new Promise((ok) => child.on('close', ok)), 'end', 15000);
	return p;
}
const node = (js, ...args) => ['--input-type=module', '-e', js, '--', ...args];
async function output(...args) {
	const p = start(...args);
	assert.equal(await p.ended, 0, p.out);
	return p.out.trim();
}

test('the first client prints what the README says', async () => {
	const d = await quickstart();
	const out = await output(d, process.execPath,
	    node(block('js', 'setTimeout')));
	assert.equal(out, 'hello sent by null');
	assert.ok(text.includes(`\`${out}\``));
	await d.stop();
});

test('token, client and each curl line work against the quickstart', async () => {
	const d = await quickstart();
	/* as in a script, argv[2] is the name */
	const token = await output(null, process.execPath,
	    node(block('js', 'createHmac').replace('process.argv[2]',
		'process.argv[1]'), 'carol'), { JWT_SECRET: secret });
	const chat = start(d, process.execPath, node(block('js', 'TOKEN')),
	    { TOKEN: token });
	await until(() => /delivered to \d/.test(chat.out), 'delivery', 10000);
	const lines = block('sh', 'api/v1/publish')
	    .concat(block('sh', '/rooms'))
	    .split(/(?=^curl )/m);
	assert.equal(lines.length, 3);
	const run = (line) => output(d, 'sh', ['-c', line.replace('curl ',
	    'curl -sS ')], { API_KEY: key });
	assert.match(await run(lines[0]), /^\{"id":"[^"]+"\}$/);
	await until(() => chat.out.includes('back end: hi'), 'hi', 10000);
	assert.match(await run(lines[1]), /^\{"sessions":1,/);
	assert.match(await run(lines[2]), /^\{"disconnected":1,/);
	/* nothing more for lobby: left, and gone */
	await run(lines[0]);
	chat.child.kill();
	await chat.ended.catch(() => {});
	assert.equal(chat.out.match(/back end: hi/g).length, 1);
	await d.stop();
});

test('redis-cli and the emitter reach clients of two hosts', async () => {
	const redis = await Redis.start({ port: await freePort() });
	const url = `redis://127.0.0.1:${redis.port}`;
	const hosts = await Promise.all([0, 1].map(() =>
	    quickstart({ REDIS_URL: url })));
	const token = await output(null, process.execPath,
	    node(block('js', 'createHmac').replace('process.argv[2]',
		'process.argv[1]'), 'carol'), { JWT_SECRET: secret });
	const chats = [];
	for (const d of hosts) {
		await until(async () => (await (await fetch(d.url('/health')))
		    .json()).redis.connected, 'redis', 10000);
		chats.push(start(d, process.execPath, node(block('js', 'TOKEN')),
		    { TOKEN: token }));
		await until(() => /delivered to \d/.test(chats.at(-1).out),
		    'delivery', 10000);
	}
	const at = (text) => text.replace('redis://127.0.0.1:6379', url)
	    .replace('redis-cli ', `redis-cli -u ${url} `);
	const heard = (what) => until(() => chats.every((c) =>
	    c.out.includes(`back end: ${what}`)), what, 10000);
	await output(null, 'sh', ['-c', at(block('sh', 'redis-cli'))]);
	await heard('hi');
	await output(null, process.execPath, node(at(block('js', 'Emitter'))));
	await heard('emitted');
	for (const c of chats) {
		assert.equal(c.out.match(/back end: /g).length, 2);
		c.child.kill();
		await c.ended.catch(() => {});
	}
	await Promise.all(hosts.map((d) => d.stop()));
	await redis.kill();
});

test('the quickstart prints what the examples need', () => {
	const script = fs.readFileSync(path.join(top, 'packaging',
	    'quickstart'), 'utf8');
	assert.match(script, /export JWT_SECRET=\$secret API_KEY=\$api_key/);
});

test('the digest of a key is what the configuration takes', async () => {
	const sh = block('sh', 'sha256sum');
	const out = await output(null, 'sh', ['-c', `${sh}echo "$API_KEY"`]);
	const [digest, made] = [out.match(/^[0-9a-f]{64}/m)[0],
		out.split('\n').at(-1)];
	assert.equal(digest, crypto.createHash('sha256').update(made)
	    .digest('hex'));
});

test('the configuration is accepted', async () => {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, block('conf'));
	const r = await run(['-t', '-c', file], { env: {
		JWT_SECRET: 'x'.repeat(32), API_KEY_SHA256: 'a'.repeat(64) } });
	assert.equal(r.code, 0, r.err);
});

test('every example configuration is accepted', async () => {
	const dir = path.join(top, 'packaging', 'examples');
	for (const name of fs.readdirSync(dir).filter((f) => f.endsWith('.conf'))) {
		const r = await run(['-t', '-c', path.join(dir, name)], { env: {
			REDIS_URL: 'redis://127.0.0.1',
			JWT_SECRET: 'x'.repeat(32), ROOST_API_SHA256: 'a'.repeat(64),
			ROOST_DEMO_SECRET: 'x'.repeat(32),
			ROOST_DEMO_API_SHA256: 'a'.repeat(64),
			ROOST_DEMO_PAGE: path.join(top, 'packaging', 'www', 'demo.html'),
		} });
		assert.equal(r.code, 0, `${name}: ${r.out}${r.err}`);
	}
});
