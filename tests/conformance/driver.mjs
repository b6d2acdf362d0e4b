/*
 * Runs the protocol test suites of socketio/socket.io against a roostd of its
 * own, in Node.js and in Chromium.  The suites are read where they are, and
 * copied to a temporary directory with the address of their server changed:
 * nothing of them is kept.  usage: see ./run
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const here = path.dirname(fileURLToPath(import.meta.url));
const top = path.dirname(path.dirname(here));
const roostd = process.env.ROOSTD ?? path.join(top, 'build', 'roostd');
const suites = [
	{ name: 'Engine.IO 4', dir: 'engine.io-protocol/v4-test-suite' },
	{ name: 'Socket.IO 5', dir: 'socket.io-protocol/v5-test-suite' },
];
const address = 'const URL = "http://localhost:3000";';
const DEADLINE_MS = 120000;	/* of one suite */

function usage(why) {
	console.error(`conformance: ${why}
The suites are not part of this repository.  Get a checkout of
https://github.com/socketio/socket.io and name its folder docs:
	tests/conformance/run /path/to/socket.io/docs
or set PROTOCOL_SUITES to it for tests/run conformance.`);
	process.exit(64);
}

function options() {
	let args;
	try {
		args = parseArgs({ allowPositionals: true, options: {
			workers: { type: 'string', short: 'w', default: '1,4' },
			times: { type: 'string', short: 'n', default: '1' },
			node: { type: 'boolean', default: false } } });
	} catch (e) {
		usage(e.message);
	}
	const dir = args.positionals[0] ?? process.env.PROTOCOL_SUITES;
	if (!dir)
		usage('no directory given, and PROTOCOL_SUITES is not set');
	for (const s of suites)
		if (!fs.existsSync(path.join(dir, s.dir, 'test-suite.js')))
			usage(`there is no ${s.dir}/test-suite.js in ${dir}`);
	return { dir, workers: args.values.workers.split(',').map(Number),
		times: Number(args.values.times),
		hosts: args.values.node ? ['node'] : ['node', 'chromium'] };
}

const within = (promise, what, ms) => {
	let timer;
	return Promise.race([promise.finally(() => clearTimeout(timer)),
		new Promise((_, no) => {
			timer = setTimeout(() => no(new Error(
			    `${what}: nothing within ${ms} ms`)), ms);
		})]);
};

/* --- the daemon ----------------------------------------------------------- */

async function start(workers) {
	const child = spawn(roostd, ['-f', '-c', path.join(here, 'roost.conf'),
		'-w', String(workers)], { stdio: ['ignore', 'pipe', 'pipe'] });
	const d = { child, log: '' };
	d.exited = new Promise((ok) => child.on('close',
	    (code, signal) => ok(`${code ?? signal}`)));
	d.exited.then((how) => { d.ended = how; });
	try {
		await within(new Promise((ok, no) => {
			const take = (b) => {
				d.log += b;
				if (/ready workers=/.test(d.log))
					ok();
			};
			child.stdout.on('data', take);
			child.stderr.on('data', take);
			child.on('error', no);
			d.exited.then((how) => no(new Error(
			    `roostd ended: ${how}\n${d.log}`)));
		}), 'roostd', 10000);
	} catch (e) {
		child.kill('SIGKILL');
		throw e;
	}
	d.port = Number(d.log.match(/listening addr=\S+:(\d+)/)[1]);
	return d;
}

/* It ends as told, without a death or a panic in its log. */
async function stop(d) {
	if (!d.ended)
		d.child.kill('SIGTERM');
	try {
		await within(d.exited, 'end of roostd', 10000);
	} catch (e) {
		d.child.kill('SIGKILL');
		throw e;
	}
	assert.equal(d.ended, '0', d.log);
	assert.doesNotMatch(d.log, /Sanitizer|runtime error:|MUST\(|panic|died/);
}

/* --- a suite -------------------------------------------------------------- */

/* A copy that asks this port, beside what it needs. */
function copy(dir, port) {
	const to = fs.mkdtempSync(path.join(os.tmpdir(), 'conformance-'));
	const text = fs.readFileSync(path.join(dir, 'test-suite.js'), 'utf8');
	assert.equal(text.split(address).length, 2,
	    `${dir}/test-suite.js: its server's address is not where it was`);
	fs.writeFileSync(path.join(to, 'test-suite.js'), text.replace(address,
	    `const URL = "http://127.0.0.1:${port}";`));
	for (const f of ['node-imports.js', 'package.json'])
		fs.copyFileSync(path.join(dir, f), path.join(to, f));
	fs.copyFileSync(path.join(here, 'page.html'), path.join(to, 'page.html'));
	fs.symlinkSync(path.join(here, 'node_modules'),
	    path.join(to, 'node_modules'));
	return to;
}

async function inNode(dir) {
	const child = spawn(process.execPath, ['node_modules/mocha/bin/mocha',
		'--reporter', 'json', 'test-suite.js'], { cwd: dir });
	let out = '', err = '';
	child.stdout.on('data', (b) => { out += b; });
	child.stderr.on('data', (b) => { err += b; });
	try {
		await within(new Promise((ok, no) => {
			child.on('error', no);
			child.on('close', ok);
		}), 'mocha', DEADLINE_MS);
	} finally {
		child.kill('SIGKILL');
	}
	const at = out.indexOf('{\n');
	if (at < 0)
		throw new Error(`mocha said no result: ${out}${err}`);
	const r = JSON.parse(out.slice(at));
	return { ...r.stats, failures: r.failures.map((f) =>
		({ title: f.fullTitle, message: f.err.message })) };
}

const types = { '.js': 'text/javascript', '.html': 'text/html' };

/* The files of a suite, for the browser alone. */
function serve(dir) {
	const server = http.createServer((q, r) => {
		const name = path.normalize(new URL(q.url, 'http://x').pathname);
		fs.readFile(path.join(dir, name), (e, body) => {
			r.writeHead(e ? 404 : 200, { 'content-type':
			    types[path.extname(name)] ?? 'text/plain' });
			r.end(e ? '' : body);
		});
	});
	return new Promise((ok) => server.listen(0, '127.0.0.1',
	    () => ok(server)));
}

let browser;
async function inChromium(dir) {
	const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'conformance-'));
	const server = await serve(dir);
	try {
		browser = await chromium.launchPersistentContext(profile, {
			executablePath: process.env.CHROMIUM ??
			    '/usr/bin/chromium', headless: true,
			args: ['--headless', '--no-sandbox', '--disable-gpu',
				'--disable-quic', '--no-first-run',
				'--disable-background-networking',
				'--disable-component-update', '--disable-sync'],
		});
		const page = await browser.newPage();
		const errors = [];
		page.on('pageerror', (e) => errors.push(e.message));
		await page.goto(`http://127.0.0.1:${server.address().port
		}/page.html`);
		const result = await page.waitForFunction(() => window.result,
		    null, { timeout: DEADLINE_MS }).catch((e) => {
			throw new Error(`${e.message} ${errors}`);
		});
		return await result.jsonValue();
	} finally {
		await browser?.close();
		server.close();
		fs.rmSync(profile, { recursive: true, force: true });
	}
}

/* So many tests are written down there. */
const written = (dir) => fs.readFileSync(path.join(dir, 'test-suite.js'),
    'utf8').match(/^\s*it\(/gm).length;

const hosts = { node: inNode, chromium: inChromium };

async function suite(s, host, workers, dir) {
	const d = await start(workers);
	let to, r, all;
	try {
		to = copy(path.join(dir, s.dir), d.port);
		all = written(to);
		r = await hosts[host](to);
	} finally {
		if (to)
			fs.rmSync(to, { recursive: true, force: true });
		await stop(d);
	}
	const good = all > 0 && r.passes === all && r.failures.length === 0 &&
	    r.pending === 0;
	console.log(`${good ? 'ok' : 'NOT OK'} ${s.name}, ${host}, ${workers
	} worker${workers === 1 ? '' : 's'}: ${r.passes} of ${all} passed, ${
	r.failures.length} failed, ${r.pending} skipped`);
	for (const f of r.failures)
		console.log(`    ${f.title}: ${f.message}`);
	return { good, passed: r.passes, failed: all - r.passes };
}

/* --- all ------------------------------------------------------------------ */

const o = options();
let passed = 0, failed = 0, bad = 0;
for (let i = 0; i < o.times; i++)
	for (const workers of o.workers)
		for (const host of o.hosts)
			for (const s of suites) {
				const r = await suite(s, host, workers, o.dir);
				passed += r.passed;
				failed += r.failed;
				bad += !r.good;
			}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = bad === 0 ? 0 : 1;
