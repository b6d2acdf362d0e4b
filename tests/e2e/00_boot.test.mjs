/* Starting, testing a configuration, stopping, and losing processes. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, run, slow, tempdir, until } from './lib/daemon.mjs';

import { Ws, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

function conf(text) {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, text);
	return file;
}
const alive = (pid) => {
	try {
		return fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
		    .replace(/^.*\) /s, '')[0] !== 'Z';
	} catch {
		return false;
	}
};

test('-V prints name and version', async () => {
	const r = await run(['-V']);
	assert.equal(r.code, 0);
	assert.match(r.out + r.err, /^roostd \d+\.\d+\.\d+/);
});

test('an unknown option ends with EX_USAGE and the usage', async () => {
	const r = await run(['-Z']);
	assert.equal(r.code, 64);
	assert.match(r.err, /usage:/i);
});

test('a missing file is an error that names it', async () => {
	const r = await run(['-t', '-c', '/nonexistent/roost.conf']);
	assert.notEqual(r.code, 0);
	assert.match(r.err, /\/nonexistent\/roost\.conf/);
});

test('-t accepts a good configuration', async () => {
	const r = await run(['-t', '-c',
	    conf('listen "127.0.0.1:0" {}\n' + echo)]);
	assert.equal(r.code, 0, r.err);
});

test('-t stops at the first error of syntax and says where', async () => {
	const file = conf('workers = 1\nlisten "127.0.0.1:0" {\nworkers = = 2\n');
	const r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	const lines = (r.out + r.err).trim().split('\n')
	    .filter((l) => l.includes(file));
	assert.equal(lines.length, 1, r.err);
	assert.match(lines[0], new RegExp(`${file}:3: `));
});

test('-t reports all errors of meaning, each with its line', async () => {
	const file = conf([
		'listen "127.0.0.1:0" {}',
		'limits { message_bytes = 0 }',
		'no_such_directive = 1',
		'namespace "/a" { auth = sometimes }',
		'route "/ws/x" { namespace = "/gone" }',
	].join('\n') + '\n');
	const r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	const text = r.out + r.err;
	for (const line of [2, 4, 5])
		assert.match(text, new RegExp(`${file}:${line}: `), text);
});

test('an unknown directive is an error with its line', async () => {
	const file = conf('listen "127.0.0.1:0" {}\nno_such_directive = 1\n');
	const r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	assert.match(r.out + r.err, new RegExp(`${file}:2: .*no_such_directive`));
});

test('a short JWT secret is refused', async () => {
	const r = await run(['-t', '-c', conf('listen "127.0.0.1:0" {}\n' +
	    'jwt { algorithms = {"HS256"} secret = "short" }\n')]);
	assert.notEqual(r.code, 0);
	assert.match(r.out + r.err, /secret/);
});

test('-n prints every default, without secrets, and parses again', async () => {
	const secret = 'never-print-this-secret-0123456789abcdef';
	const r = await run(['-n', '-c', conf('listen "127.0.0.1:0" {}\n' +
	    `jwt { algorithms = {"HS256"} secret = "${secret}" }\n` + echo)]);
	assert.equal(r.code, 0, r.err);
	assert.match(r.out, /message_bytes = 1MB/);
	assert.match(r.out, /handshake_timeout = 10s/);
	assert.ok(!r.out.includes(secret));
	const again = await run(['-n', '-c', conf(r.out.replace(
	    /secret = "[^"]*"/, `secret = "${secret}"`))]);
	assert.equal(again.code, 0, again.err);
	assert.equal(again.out, r.out);
});

test('-o overrides one directive', async () => {
	const file = conf('listen "127.0.0.1:0" {}\n' + echo);
	const r = await run(['-n', '-c', file, '-o', 'limits.message_bytes=2KB']);
	assert.equal(r.code, 0, r.err);
	assert.match(r.out, /message_bytes = 2KB/);
	const bad = await run(['-t', '-c', file, '-o', 'limits.nothing=1']);
	assert.notEqual(bad.code, 0);
	assert.match(bad.err, /limits\.nothing|nothing/);
});

test('${VAR} comes from the environment; an unset one is an error', async () => {
	const file = conf('listen "127.0.0.1:0" {}\n' +
	    'limits { message_bytes = ${E2E_BYTES} }\n');
	const r = await run(['-n', '-c', file], { env: { E2E_BYTES: '3KB' } });
	assert.equal(r.code, 0, r.err);
	assert.match(r.out, /message_bytes = 3KB/);
	const bad = await run(['-t', '-c', file]);
	assert.notEqual(bad.code, 0);
	assert.match(bad.out + bad.err, new RegExp(`${file}:2: .*E2E_BYTES`));
});

test('-t names a file for Redis that is not there; a start does without',
    async () => {
	const text = echo + 'redis { url = "redis://127.0.0.1:1" ' +
	    'secret_file = "/no/file" }\n';
	const file = conf('listen "127.0.0.1:0" {}\n' + text);
	const r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	const line = 1 + fs.readFileSync(file, 'utf8').split('\n')
	    .findIndex((l) => l.startsWith('redis {'));
	assert.equal(r.err, `${file}:${line}: redis: secret_file ` +
	    '"/no/file": No such file or directory\n');
	const d = await Daemon.start({ workers: 1, conf: text });
	await d.stop();
});

test('a port in use ends the start with a message about it', async () => {
	const other = net.createServer().listen(0, '127.0.0.1');
	await new Promise((ok) => other.once('listening', ok));
	const { port } = other.address();
	const r = await run(['-f', '-c',
	    conf(`listen "127.0.0.1:${port}" {}\n` + echo)]);
	other.close();
	assert.notEqual(r.code, 0);
	assert.match(r.err, new RegExp(`127\\.0\\.0\\.1:${port}`));
	assert.match(r.err, /in use/);
});

test('a second start with the same pidfile is refused', async () => {
	const dir = tempdir();
	const pidfile = `pidfile = "${dir}/roostd.pid"\n`;
	const d = await Daemon.start({ conf: pidfile + echo });
	assert.equal(Number(fs.readFileSync(`${dir}/roostd.pid`, 'utf8')), d.pid);
	const r = await run(['-f', '-c',
	    conf('listen "127.0.0.1:0" {}\n' + pidfile + echo)]);
	assert.notEqual(r.code, 0);
	assert.match(r.err, new RegExp(String(d.pid)));
	await d.stop();
	assert.ok(!fs.existsSync(`${dir}/roostd.pid`), 'pidfile is removed');
});

test('what a pidfile that is a link points to is not written', async () => {
	for (const link of [fs.symlinkSync, fs.linkSync]) {
		const dir = tempdir();
		fs.writeFileSync(`${dir}/victim`, 'precious');
		link(`${dir}/victim`, `${dir}/roostd.pid`);
		const r = await run(['-f', '-c', conf(
		    `listen "127.0.0.1:0" {}\npidfile = "${dir}/roostd.pid"\n` +
		    echo)]);
		assert.equal(r.code, 73);
		assert.match(r.err, /pidfile/);
		assert.equal(fs.readFileSync(`${dir}/victim`, 'utf8'),
		    'precious');
	}
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) {
	test(`${signal} closes clients properly and exits 0`, async () => {
		const d = await Daemon.start({ workers: 2,
			conf: 'stop_time = 10m\ndrain_time = 1s\n' + echo });
		const kids = d.children();
		assert.equal(kids.filter((c) => c.role === 'worker').length, 2);
		assert.equal(kids.filter((c) => c.role === 'relay').length, 1);
		const a = await socketio(d.port);
		const b = await Ws.must(d.port, '/ws/echo');
		const end = d.stop({ signal });
		const codes = (await Promise.all([a.closed(), b.closed()]))
		    .map((c) => c.code);
		for (const c of codes)
			assert.ok([1001, 1012].includes(c), `code ${c}`);
		await end;
		await until(() => !kids.some((k) => alive(k.pid)),
		    'end of all children');
	});
}

test('a client that does not answer Close delays the exit by stop_time only',
async () => {
	/* a part of it is the relay's, which needs some under a sanitizer */
	const d = await Daemon.start({
		conf: `stop_time = ${2 * slow}s\n` +
		    'limits { close_timeout = 1m }\n' + echo });
	const a = await socketio(d.port);
	await d.stop();
	assert.ok(d.took < 60000, `took ${d.took} ms`);
	a.drop();
});

test('a killed worker and a killed relay are replaced', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	d.mayDie = true;
	for (const role of ['worker', 'relay']) {
		const old = d.children().find((c) => c.role === role);
		process.kill(old.pid, 'SIGKILL');
		await until(() => !alive(old.pid) && d.children().filter(
		    (c) => c.role === role && c.pid !== old.pid).length ===
		    (role === 'worker' ? 2 : 1), `a new ${role}`);
	}
	/* both workers serve again */
	await until(async () => {
		const list = await Promise.all(Array.from({ length: 8 }, () =>
		    socketio(d.port).catch(() => null)));
		for (const c of list)
			c?.drop();
		return list.every((c) => c);
	}, 'service');
	await d.stop();
});

test('when the master is killed its children end', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	const kids = d.children();
	assert.equal(kids.length, 3);
	d.child.kill('SIGKILL');
	await until(() => !kids.some((k) => alive(k.pid)), 'end of all children');
});

test('the processes are named after their roles', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	const titles = d.children().map((c) => c.title);
	assert.ok(titles.some((t) => /^roostd: relay/.test(t)), titles.join());
	assert.ok(titles.some((t) => /^roostd: worker 1/.test(t)), titles.join());
	assert.ok(titles.some((t) => /^roostd: worker 2/.test(t)), titles.join());
	assert.match(fs.readFileSync(`/proc/${d.pid}/cmdline`, 'latin1'),
	    /^roostd: master/);
	await d.stop();
});

test('secrets and tokens are never logged', async () => {
	const d = await Daemon.start({ conf: 'log_level = debug\n' + echo +
	    'jwt { algorithms = {"HS256"}\n' +
	    ' secret = "do-not-log-this-secret-0123456789abcdef" }\n' });
	const w = await Ws.open(d.port, '/ws/echo?token=aaaa.bbbb.cccc-visible');
	w.drop();
	await d.stop();
	assert.ok(!d.log.includes('do-not-log-this'));
	assert.ok(!d.log.includes('cccc-visible'));
});

/* Other tests rely on it. */
test('a death that a test does not mean fails it', async () => {
	const d = await Daemon.start({ workers: 1, conf: echo });
	const { pid } = d.worker(1);
	process.kill(pid, 'SIGKILL');
	await until(() => (d.worker(1) ?? { pid }).pid !== pid, 'another');
	await assert.rejects(d.stop(), /child_died role=worker/);
});
