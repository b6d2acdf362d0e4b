/*
 * How a daemon comes and goes on its host: Unix sockets, the background, its
 * user, the service manager, children that hang.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';

import { WebSocket } from 'ws';

import { Daemon, halt, roostd, run, sleep, tempdir, until, within }
	from './lib/daemon.mjs';
import { Inject } from './lib/inject.mjs';
import { datagrams } from './lib/notify.mjs';
import { Ws } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const started = [];
after(() => started.forEach((c) => c.kill('SIGKILL')));

/* --- Unix sockets ---------------------------------------------------------- */

const viaUnix = (socketPath, target, method = 'GET', body = undefined) =>
	within(new Promise((ok, no) => http.request({ socketPath, path: target,
		method, agent: false }, (r) => {
		let text = '';
		r.on('data', (b) => { text += b; });
		r.on('end', () => ok({ status: r.statusCode, body: text }));
	}).on('error', no).end(body)), `${target} over ${socketPath}`);

test('a Unix socket serves HTTP, WebSocket and polling over all workers', async () => {
	const dir = tempdir(), file = `${dir}/s`;
	const d = await Daemon.start({ workers: 3, conf: `listen "unix:${file}" {}
limits { per_address = 1 }
log_level = debug
${echo}` });
	assert.equal((await viaUnix(file, '/livez')).status, 200);
	/* more than one: a Unix socket has no address */
	const all = await Promise.all([...Array(12)].map(() => within(
	    new Promise((ok, no) => {
		const w = new WebSocket(`ws+unix://${file}:/ws/echo`);
		w.on('message', (b) => ok([w, JSON.parse(b.toString())]));
		w.on('error', no);
		w.on('open', () => w.send('{"event":"ask","data":[7],"id":1}'));
	}), 'an answer')));
	for (const [w, m] of all) {
		assert.equal(m.ack, 1);
		assert.deepEqual(m.data, [7]);
		w.close();
	}
	const base = '/socket.io/?EIO=4&transport=polling';
	const { sid } = JSON.parse((await viaUnix(file, base)).body.slice(1));
	for (let i = 0; i < 12; i++) {
		const r = await viaUnix(file, `${base}&sid=${sid}`, 'POST',
		    i === 0 ? '40' : `42["q",${i}]`);
		assert.deepEqual(r, { status: 200, body: 'ok' });
		const got = await viaUnix(file, `${base}&sid=${sid}`);
		assert.match(got.body, i === 0 ? /^40/ : new RegExp(`42\\["q",${i}\\]`));
	}
	await until(() => /conn_gone peer=unix /.test(d.log), 'the name of a peer');
	await d.stop();
	assert.ok(!fs.existsSync(file), 'it goes with the daemon');
});

test('a Unix socket: what is there already', async () => {
	const dir = tempdir(), file = `${dir}/s`, cf = `${dir}/c`;
	const conf = `listen "unix:${file}" {}\n${echo}`;
	fs.writeFileSync(cf, conf);
	/* somebody serves there */
	const s = net.createServer();
	await new Promise((ok) => s.listen(file, ok));
	let r = await run(['-f', '-c', cf, '-w', '1']);
	assert.equal(r.code, 69, r.err);
	assert.match(r.err, /listen 'unix:.*' \(line 1\): .*in use/);
	assert.ok(fs.statSync(file).isSocket());
	await new Promise((ok) => s.close(ok));
	/* no socket at all: it is not ours to remove */
	fs.writeFileSync(file, 'precious');
	r = await run(['-f', '-c', cf, '-w', '1']);
	assert.notEqual(r.code, 0);
	assert.equal(fs.readFileSync(file, 'utf8'), 'precious');
	fs.unlinkSync(file);
	/* one that was left behind */
	execFileSync('python3', ['-c',
	    `import socket; socket.socket(socket.AF_UNIX).bind("${file}")`]);
	const d = await Daemon.start({ conf, dir, workers: 1 });
	assert.equal((await viaUnix(file, '/livez')).status, 200);
	/* one that another made meanwhile is not removed at the end */
	fs.unlinkSync(file);
	fs.writeFileSync(file, 'another');
	await d.stop();
	assert.equal(fs.readFileSync(file, 'utf8'), 'another');
});

/* --- ended before it began -------------------------------------------------- */

for (const signals of ['TERM', 'INT', 'QUIT', 'TERM TERM', 'QUIT TERM'])
	test(`${signals} during the start: nothing is left behind`, async () => {
		for (let i = 0; i < 5; i++) {
			const dir = tempdir();
			fs.writeFileSync(`${dir}/c`, `listen "unix:${dir}/s" {}
pidfile = "${dir}/pid"
stats { file = "${dir}/stats" }
${echo}`);
			const c = spawn(roostd, ['-f', '-c', `${dir}/c`, '-w', '2'],
			    { stdio: ['ignore', 'ignore', 'pipe'] });
			started.push(c);
			const ended = new Promise((ok) => c.on('exit',
			    (code, signal) => ok({ code, signal })));
			let log = '';
			c.stderr.on('data', (b) => {
				if (log === '')	/* it has just said "starting" */
					for (const s of signals.split(' '))
						c.kill(`SIG${s}`);
				log += b;
			});
			assert.deepEqual(await within(ended, 'the end'),
			    { code: 0, signal: null }, log);
			assert.deepEqual(fs.readdirSync(dir).sort(),
			    ['c', 'stats'], log);
		}
	});

/* --- the background --------------------------------------------------------- */

const alive = (pid) => {
	try {
		return !/\) Z/.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
	} catch {
		return false;
	}
};

test('without -f: it leaves when it serves, and logs to syslog', async () => {
	const dir = tempdir(), inject = new Inject();
	const log = await datagrams(`${dir}/log`);
	fs.writeFileSync(`${dir}/c`, `pidfile = "${dir}/pid"
listen "unix:${dir}/s" {}\n${echo}`);
	const r = await run(['-c', `${dir}/c`, '-w', '1'],
	    { env: { ...inject.env, DEVLOG: `${dir}/log` } });
	assert.equal(r.code, 0, r.err);
	assert.match(r.err, /ready workers=1 relay=1/);
	const pid = Number(fs.readFileSync(`${dir}/pid`, 'utf8'));
	try {
		/* a session of its own, nothing of the terminal */
		const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
		const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		assert.equal(Number(f[3]), pid, 'session');
		assert.equal(Number(f[4]), 0, 'no terminal');
		for (const n of [0, 1, 2])
			assert.equal(fs.readlinkSync(`/proc/${pid}/fd/${n}`),
			    '/dev/null');
		assert.equal((await viaUnix(`${dir}/s`, '/livez')).status, 200);
		await until(() => log.all.some((l) =>
			/<30>\w+ +\d+ [\d:]+ roostd\[\d+\]: master info: ready workers=1/
			    .test(l)), 'a line of the master');
		/* what a child writes to stderr becomes lines of the log */
		inject.say(true);
		assert.equal((await viaUnix(`${dir}/s`, '/livez')).status, 200);
		inject.say(false);
		await until(() => /<28>.*child_says role=worker slot=1 text="one\?line/
		    .test(log.all.join('\n')), 'the words of a child');
		/* half a line comes when the child has gone */
		const d = Object.create(Daemon.prototype, {
			child: { value: { pid } } });
		const old = d.worker(1);
		process.kill(old.pid, 'SIGKILL');
		await until(() => /child_says role=worker slot=1 text="half a line/
		    .test(log.all.join('\n')), 'the last words of a child');
		/* the relay and the next worker log there, too */
		await until(() => (d.worker(1) ?? old).pid !== old.pid,
		    'a new worker');
		await until(() => log.all.filter((l) =>
			/worker\/1 info: worker_ready/.test(l)).length >= 1,
		    'a worker in the log');
	} finally {
		process.kill(pid, 'SIGTERM');
	}
	await until(() => !alive(pid), 'the end');
	assert.ok(!fs.existsSync(`${dir}/pid`));
	await until(() => /master info: ended exit=0/.test(log.all.join('\n')),
	    'the last line');
	log.stop();
	inject.close();
});

test('without -f: the exit code of a start that fails', async () => {
	const dir = tempdir();
	const s = net.createServer();
	await new Promise((ok) => s.listen(0, '127.0.0.1', ok));
	const { port } = s.address();
	fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:${port}" {}\n${echo}`);
	const taken = await run(['-c', `${dir}/c`, '-w', '1']);
	assert.equal(taken.code, 69);
	assert.match(taken.err, /in use/);
	s.close();
	/* children that cannot start */
	const inject = new Inject();
	inject.arm(128, 11, { times: 255, roles: 1 });
	fs.writeFileSync(`${dir}/c`, `listen "unix:${dir}/s" {}\n${echo}`);
	const r = await run(['-c', `${dir}/c`, '-w', '1'], { env: inject.env });
	assert.notEqual(r.code, 0);
	inject.close();
	const gone = await run(['-c', `${dir}/c`, '-w', '64'],
	    { first: 'ulimit -n 330' });
	assert.equal(gone.code, 71, gone.err);
	assert.match(gone.err, /start_failed exit=71/);
});

/* --- rights ------------------------------------------------------------------ */

test('user: children have the rights of that user and no others', async () => {
	const dir = tempdir();
	fs.chmodSync(dir, 0o755);
	const conf = `user = "nobody"\nlisten "unix:${dir}/s" { mode = 0600 }
${echo}`;
	const d = await Daemon.start({ conf, dir, workers: 2 });
	if (process.getuid() !== 0) {
		await d.logged(/user_ignored why="not started as root"/);
		await d.stop();
		return;
	}
	const uid = Number(execFileSync('id', ['-u', 'nobody']));
	const gid = Number(execFileSync('id', ['-g', 'nobody']));
	const groups = execFileSync('id', ['-G', 'nobody']).toString().trim()
	    .split(' ').sort();
	const all = d.children();
	assert.equal(all.length, 3);
	for (const c of all) {
		const status = fs.readFileSync(`/proc/${c.pid}/status`, 'utf8');
		const row = (k) => status.match(new RegExp(`^${k}:\\s*(.*)$`, 'm'))[1]
		    .trim().split(/\s+/);
		assert.deepEqual(row('Uid'), Array(4).fill(String(uid)));
		assert.deepEqual(row('Gid'), Array(4).fill(String(gid)));
		assert.deepEqual(row('Groups').filter((g) => g !== '').sort(),
		    groups);
		assert.deepEqual(row('CapEff'), ['0000000000000000']);
	}
	for (const f of [`${dir}/s`, `${dir}/stats`]) {
		const st = fs.statSync(f);
		assert.deepEqual([st.uid, st.gid], [uid, gid], f);
	}
	assert.equal(fs.statSync(`${dir}/stats`).mode & 0o777, 0o640);
	/* also of one that is made again, and of a worker that comes later */
	fs.unlinkSync(`${dir}/stats`);
	const old = d.worker(1);
	d.mayDie = true;
	process.kill(old.pid, 'SIGKILL');
	await until(() => (d.worker(1) ?? old).pid !== old.pid, 'a new worker');
	await until(() => fs.existsSync(`${dir}/stats`), 'a new file');
	await until(() => fs.statSync(`${dir}/stats`).uid === uid, 'its owner');
	await until(() => /^Uid:\s+(\d+)\s+\1\s+\1\s+\1$/m.exec(fs.readFileSync(
	    `/proc/${d.worker(1).pid}/status`, 'utf8'))?.[1] === String(uid),
	'its user');
	/* still there when the master goes: killed with it */
	const pids = d.children().map((c) => c.pid);
	d.child.kill('SIGKILL');
	await until(() => !pids.some(alive), 'the children\'s end');
});

/* In a folder of that user the name may be a link by the time we look again. */
test('user: the mode of a socket is nobody else\'s', async () => {
	if (process.getuid() !== 0)
		return;
	const top = tempdir(), dir = `${top}/d`, victim = `${top}/v`;
	fs.chmodSync(top, 0o755);
	fs.mkdirSync(dir);
	fs.chmodSync(dir, 0o777);
	fs.writeFileSync(victim, 'x', { mode: 0o600 });
	fs.writeFileSync(`${top}/r.c`, `
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>
int main(int n, char **a) {
	struct stat st;

	if (setuid(65534) == -1 || n != 4)
		return (1);
	for (;;)
		if (lstat(a[1], &st) == 0 && S_ISSOCK(st.st_mode) &&
		    rename(a[1], a[2]) == 0 && symlink(a[3], a[1]) == 0) {
			usleep(3000);	/* it stands there for a while */
			(void)unlink(a[1]);
		}
}
`);
	execFileSync('cc', ['-O2', '-o', `${top}/r`, `${top}/r.c`]);
	const racer = spawn(`${top}/r`, [`${dir}/s`, `${dir}/t`, victim],
	    { stdio: 'ignore' });
	started.push(racer);
	fs.writeFileSync(`${top}/c`, `user = "nobody"
listen "unix:${dir}/s" { mode = 0666 }
pidfile = "${top}/run/pid"
${echo}`);
	for (let i = 0; i < 40; i++) {
		const c = spawn(roostd, ['-f', '-c', `${top}/c`, '-w', '1'],
		    { stdio: ['ignore', 'ignore', 'pipe'] });
		let log = '';
		c.stderr.on('data', (b) => { log += b; });
		started.push(c);
		const ended = new Promise((ok) => c.on('exit', ok));
		/* the racer moves away each socket that it sees; one that was
		 * late with the last has removed this one */
		await until(() => fs.existsSync(`${dir}/t`) ||
		    c.exitCode !== null || (/ ready workers=/.test(log) &&
			!fs.existsSync(`${dir}/s`)), 'a socket');
		await sleep(20);	/* in which it might be misled */
		c.kill('SIGTERM');
		await within(ended, 'the end');
		assert.equal(fs.statSync(victim).mode & 0o777, 0o600);
		fs.rmSync(`${dir}/s`, { force: true });
		fs.rmSync(`${dir}/t`, { force: true });
	}
	racer.kill('SIGKILL');
	/* what we write to is not in a folder of theirs */
	assert.equal(fs.statSync(`${top}/run`).uid, 0);
});

test('user: one that there is not', async () => {
	const dir = tempdir();
	fs.writeFileSync(`${dir}/c`, `user = "no-such-user-here"
listen "127.0.0.1:0" {}\n${echo}`);
	const r = await run(['-f', '-c', `${dir}/c`]);
	assert.equal(r.code, 67);
	assert.match(r.err, /user_unknown user="no-such-user-here" why="no such user"/);
});

/* --- the service manager ------------------------------------------------------- */

for (const kind of ['a path', 'an abstract name']) {
	test(`notify and watchdog: ${kind}`, async () => {
		const dir = tempdir();
		const name = kind === 'a path' ? `${dir}/n` :
		    `@roost-test-${process.pid}`;
		const n = await datagrams(name);
		const d = await Daemon.start({ workers: 2, conf: echo, env: {
			NOTIFY_SOCKET: name, WATCHDOG_USEC: '300000' } });
		d.mayDie = true;
		const ready = await until(() => n.all.find((m) => /READY/.test(m)),
		    'a word');
		assert.match(ready, new RegExp(
		    `^'READY=1\\\\nMAINPID=${d.pid}\\\\nSTATUS=serving, 2 of 2 workers, relay up'`));
		await until(() => n.all.filter((m) => m === '\'WATCHDOG=1\'')
		    .length >= 5, 'five signs of life', 3000);
		process.kill(d.worker(2).pid, 'SIGKILL');
		await until(() => n.all.includes(
		    '\'STATUS=serving, 1 of 2 workers, relay up\''), 'one less');
		await until(() => n.all.includes(
		    '\'STATUS=serving, 2 of 2 workers, relay up\''), 'two again');
		process.kill(d.relay().pid, 'SIGKILL');
		await until(() => n.all.includes(
		    '\'STATUS=serving, 2 of 2 workers, relay down\''), 'no relay');
		await d.stop();
		assert.ok(n.all.includes('\'STOPPING=1\\nSTATUS=stopping\''));
		n.stop();
	});
}

test('notify: a manager that is behind hears READY later', async () => {
	const name = `${tempdir()}/n`;
	/* its queue is full until it is told to read */
	const c = spawn('python3', ['-u', '-c', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
f = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
f.setblocking(False)
try:
    while True:
        f.sendto(b"filler", sys.argv[1])
except BlockingIOError:
    print("full")
sys.stdin.readline()
while True:
    print(repr(s.recv(65536).decode()))
`, name], { stdio: ['pipe', 'pipe', 'inherit'] });
	started.push(c);
	let text = '';
	c.stdout.on('data', (b) => { text += b; });
	await until(() => text === 'full\n', 'a full queue');
	const d = await Daemon.start({ conf: echo, env: { NOTIFY_SOCKET: name } });
	c.stdin.write('\n');
	await until(() => /'READY=1\\n/.test(text), 'READY');
	await sleep(300);	/* in which it might say so again */
	assert.equal(text.match(/READY=1/g).length, 1);
	await d.stop();
	c.kill('SIGKILL');
});

test('watchdog: another process\'s is not ours; draining is told', async () => {
	const dir = tempdir();
	const n = await datagrams(`${dir}/n`);
	const d = await Daemon.start({ conf: echo, env: {
		NOTIFY_SOCKET: `${dir}/n`, WATCHDOG_USEC: '300000',
		WATCHDOG_PID: '1' } });
	await sleep(500);	/* longer than the watchdog's time */
	assert.ok(!n.all.includes('\'WATCHDOG=1\''));
	await d.stop({ signal: 'SIGQUIT' });
	assert.ok(n.all.includes('\'STOPPING=1\\nSTATUS=draining\''));
	n.stop();
});

/* --- children that hang ---------------------------------------------------------- */

test('a child that hangs is killed and replaced', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ workers: 2, conf: echo, env: inject.env });
	d.mayDie = true;
	for (const who of [() => d.worker(2), () => d.relay()]) {
		const old = who(), others = d.children()
		    .filter((c) => c.pid !== old.pid).map((c) => c.pid);
		await halt(old.pid);
		/* half a minute, in steps that are no sleep of the master */
		for (let i = 0; i < 9; i++) {
			inject.pass(3500);
			await sleep(250);
		}
		await until(() => (who() ?? old).pid !== old.pid, 'another');
		assert.deepEqual(d.children().map((c) => c.pid)
		    .filter((p) => others.includes(p)).sort(), others.sort());
		await d.logged(new RegExp(
		    `child_hangs role=${old.role} slot=${old.slot}`));
	}
	await d.counts('children_hung', 2);
	await d.stop();
	inject.close();
});

test('the host slept: nobody has hung', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ workers: 2, conf: echo, env: inject.env });
	const before = d.children().map((c) => c.pid);
	for (let i = 0; i < 3; i++) {
		inject.pass(3600 * 1000);
		await sleep(300);	/* a beat, and more, of the master */
	}
	assert.deepEqual(d.children().map((c) => c.pid), before);
	await d.counts('children_hung', 0);
	await d.stop();
	inject.close();
});

/* --- IPv6 --------------------------------------------------------------------------- */

test('IPv6 peers: their names, and a WebSocket', async () => {
	const d = await Daemon.start({ listen: false, conf: `log_level = debug
listen "[::1]:0" {}\n${echo}` });
	const w = await within(new Promise((ok, no) => {
		const s = new WebSocket(`ws://[::1]:${d.port}/ws/echo`);
		s.on('open', () => ok(s));
		s.on('error', no);
	}), 'open');
	w.close();
	await until(() => /conn_gone peer=\[::1\]:\d+ /.test(d.log),
	    'the name of a peer');
	await d.stop();
});
