/*
 * roostctl: what it is told to do is done when it ends, or it says why not.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { connect, once } from './lib/clients.mjs';
import { echo, listenTls, stopTime } from './lib/conf.mjs';
import { Daemon, roostd, sleep, slow, tempdir, until, within }
	from './lib/daemon.mjs';
import { next as nextVersion, put, putFailing, putRebuilt, Upgradable, version }
	from './lib/upgrade.mjs';

const roostctl = path.join(path.dirname(roostd), 'roostctl');
const quick = `drain_time = 1s\n${stopTime}`;

/* Run it to its end: { code, out, err }. */
function ctl(args, { env = {}, input = '', ms = 70000, ...options } = {}) {
	const c = spawn(roostctl, args, {
		env: { ...process.env, ROOST_API_KEY: '', JWT_SECRET: '', ...env },
		stdio: ['pipe', 'pipe', 'pipe'], ...options });
	c.stdin.on('error', () => {});
	c.stdin.end(input);
	return within(new Promise((ok, no) => {
		let out = '', err = '';
		c.stdout.on('data', (b) => { out += b; });
		c.stderr.on('data', (b) => { err += b; });
		c.on('error', no);
		c.on('close', (code) => ok({ code, out, err }));
	}), `end of roostctl ${args.join(' ')}`, ms);
}
/* About this daemon; it is done. */
async function tell(d, ...args) {
	const r = await ctl(['-p', String(d.pid), ...args]);
	assert.equal(r.code, 0, `${args.join(' ')}: ${JSON.stringify(r)}`);
	return r.out;
}
const rewrite = (d, f) => fs.writeFileSync(d.file,
    f(fs.readFileSync(d.file, 'utf8')));

test('the daemon is found by its process, pidfile or configuration', async () => {
	const a = await Daemon.start({ conf: echo });
	const c = await Daemon.start({ conf: `pidfile = "${a.dir}/c.pid"\n${echo}` });
	let r = await ctl(['status']);
	assert.equal(r.code, 64);
	assert.match(r.err, /more than one roostd is running: name one/);
	assert.match(await tell(a, 'status'),
	    new RegExp(`^process +${a.pid}\n`, 'm'));
	r = await ctl(['-p', `${a.dir}/c.pid`, 'status']);
	assert.equal(r.code, 0);
	assert.match(r.out, new RegExp(`^process +${c.pid}\n`, 'm'));
	assert.match(r.out, new RegExp(`configuration +${c.file}\n`));
	assert.match(r.out, new RegExp(`listening on +127.0.0.1:${c.port}\n`));
	assert.match(r.out, /workers +1 of 1\n/);
	r = await ctl(['-c', c.file, 'status']);
	assert.match(r.out, new RegExp(`^process +${c.pid}\n`, 'm'));
	await c.stop();
	r = await ctl(['-c', c.file, 'status']);
	assert.equal(r.code, 66);	/* the file went with it */
	fs.writeFileSync(`${a.dir}/other.conf`, '');
	r = await ctl(['-c', `${a.dir}/other.conf`, 'status']);
	assert.equal(r.code, 69);
	assert.match(r.err, /no roostd is running with \S*other.conf\n/);
	await a.stop();
});

test('where there is no daemon it says so', async () => {
	let r = await ctl(['-p', String(process.pid), 'reload']);
	assert.equal(r.code, 69);
	assert.match(r.err, /process \d+ is no roostd\n/);
	r = await ctl(['-p', '/nowhere/x.pid', 'stop']);
	assert.equal(r.code, 69);
	assert.match(r.err, /x.pid: No such file/);
	const file = `${tempdir()}/empty.pid`;
	fs.writeFileSync(file, 'x');
	r = await ctl(['-p', file, 'stop']);
	assert.equal(r.code, 65);
});

test('wrong arguments are refused', async () => {
	for (const args of [[], ['fly'], ['-t', '0', 'status'], ['-x'],
	    ['reload', 'x'], ['status', 'x'], ['why'], ['workers'], ['hash-key', 'x'], ['stop', '-x'],
	    ['token'], ['token', '-e', 'x', '-e', '5', 'u']]) {
		const r = await ctl(args, { env: { ROOST_API_KEY: 'k',
			JWT_SECRET: 's' } });
		assert.equal(r.code, 64, args.join(' '));
		assert.notEqual(r.err, '', args.join(' '));
	}
	for (const args of [['publish', '/'], ['presence'], ['disconnect'],
	    ['history'], ['history', '/'], ['history', '-x', '/', 'r'],
	    ['rooms'], ['rooms', '-x', '/'], ['user'], ['user', 'a', 'b'],
	    ['join', '/', 'r'], ['join', '-U', 'u', '/'],
	    ['leave', '-a', '-U', 'u', '/', 'r'],
	    ['disconnect', '-n', '/'], ['disconnect', '-r', 'x', '-U', 'u']]) {
		const r = await ctl(['-u', '127.0.0.1:1', ...args],
		    { env: { ROOST_API_KEY: 'k' } });
		assert.equal(r.code, 64, args.join(' '));
		assert.match(r.err, /^usage: roostctl/m);
	}
	assert.equal((await ctl(['-V'])).out, 'roostctl 0.1.0\n');
	assert.match((await ctl(['-h'])).out, /rebalance/);
});

test('what is told and cannot be written is no success', async () => {
	const d = await Daemon.start({ conf: quick + echo });
	const w = await connect(d, '/');
	const me = ['-p', String(d.pid)];
	const full = fs.openSync('/dev/full', 'w');
	for (const args of [['-h'], ['-V'], [...me, 'status'],
	    [...me, 'why', 'address:127.0.0.1'], ['hash-key', '-g'],
	    ['token', 'x']]) {
		const r = await new Promise((ok) => {
			const c = spawn(roostctl, args, { stdio: ['ignore', full,
				'pipe'], env: { ...process.env, JWT_SECRET: 's' } });
			let err = '';
			c.stderr.on('data', (b) => { err += b; });
			c.on('close', (code) => ok({ code, err }));
		});
		assert.deepEqual(r, { code: 74,
			err: 'roostctl: the output cannot be written\n' },
		    args.join(' '));
	}
	fs.closeSync(full);
	w.disconnect();
	await d.stop();
});

test('a reload is over when it ends', async () => {
	const d = await Daemon.start({ conf: `${quick}${echo}` });
	rewrite(d, (t) => `${t}namespace "/more" { auth = none }\n`);
	let out = await tell(d, 'reload');
	assert.match(out, /^added namespace '\/more'\n/);
	(await connect(d, '/more')).close();
	await d.counts('reloads', 1);
	/* two at a time: each has an outcome */
	rewrite(d, (t) => `${t}heartbeat { interval = 7s }\n`);
	await Promise.all([tell(d, 'reload'), tell(d, 'reload')]);
	await until(async () => {
		const s = await connect(d, '/');
		const ms = s.io.engine.pingInterval ?? s.io.engine._pingInterval;
		s.close();
		return ms === 7000;
	}, 'the new heartbeat');
	out = await tell(d, 'status');
	assert.match(out, /reloads +\d, 0 failed\n/);
	assert.match(out, /last task +reload, done in \d+ ms/);
	await d.stop();
});

test('who connects after a reload is served by what was read', async () => {
	const d = await Daemon.start({ conf: `${quick}${echo}` });
	const before = fs.readFileSync(d.file, 'utf8');
	for (let i = 0; i < 8; i++) {
		fs.writeFileSync(d.file,
		    `${before}namespace "/more${i}" { auth = none }\n`);
		await tell(d, 'reload');
		for (const s of await Promise.all([0, 1, 2]
		    .map(() => connect(d, `/more${i}`))))
			s.close();
	}
	await d.stop();
});

test('each error of a configuration is told, and nothing changes', async () => {
	const d = await Daemon.start({ conf: `${quick}${echo}` });
	/* whatever is logged */
	rewrite(d, (t) => `log_level = error\n${t}`);
	assert.match(await tell(d, 'reload'), /^changed log_level: 'info' -> 'error'\n/);
	const good = fs.readFileSync(d.file, 'utf8');
	rewrite(d, (t) => `${t}namespace "/x" { auth = none nonsense = 1 }
limits { message_bytes = 1XB }\n`);
	let r = await ctl(['-p', String(d.pid), 'reload']);
	assert.equal(r.code, 78);
	const lines = good.split('\n').length;
	assert.match(r.err, new RegExp(`^${d.file}:${lines}: `));
	assert.match(r.err, new RegExp(`\n${d.file}:${lines + 1}: .*1XB`));
	assert.match(r.err, /\nroostctl: the reload failed; nothing has changed\n$/);
	fs.writeFileSync(d.file, `${good}shm {\n\tusers = 1000\n}\n`);
	r = await ctl(['-p', String(d.pid), 'reload']);
	assert.equal(r.code, 78);
	assert.match(r.err, new RegExp(`^${d.file}:${lines + 1
	}: shm: users: takes effect with a new start only\n`));
	/* what could have changed has not, and is not told as if it had */
	fs.writeFileSync(d.file, `${good}pidfile = "x.pid"
heartbeat { interval = 7s }\n`);
	r = await ctl(['-p', String(d.pid), 'reload']);
	assert.equal(r.code, 78);
	assert.equal(r.out, '');
	assert.match(r.err, new RegExp(`^${d.file}:${lines
	}: pidfile: takes effect with a new start only\n`));
	/* an address that somebody else has */
	const taken = net.createServer().listen(0, '127.0.0.1');
	await new Promise((ok) => taken.once('listening', ok));
	const { port } = taken.address();
	fs.writeFileSync(d.file, `${good}listen "127.0.0.1:${port}" {}\n`);
	r = await ctl(['-p', String(d.pid), 'reload']);
	assert.equal(r.code, 78);
	assert.equal(r.out, '');
	assert.match(r.err, new RegExp(`^listen '127\\.0\\.0\\.1:${port}' `
	    + `\\(line ${lines}\\): .*in use\n`));
	await new Promise((ok) => taken.close(ok));
	fs.rmSync(d.file);
	r = await ctl(['-p', String(d.pid), 'reload']);
	assert.equal(r.code, 78);
	assert.match(r.err, /No such file/);
	fs.writeFileSync(d.file, good);
	assert.equal(await tell(d, 'reload'), '');
	await d.counts('reloads_failed', 5);
	await d.stop();
});

test('so many workers', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}` });
	const n = () => d.children().filter((c) => c.role === 'worker').length;
	assert.equal(await tell(d, 'workers', '2'), '');
	assert.equal(await tell(d, 'workers', '4'), '2 workers before, 4 now\n');
	assert.equal(n(), 4);
	assert.match(await tell(d, 'status'), /workers +4 of 4\n/);
	assert.equal(await tell(d, 'workers', '1'), '4 workers before, 1 now\n');
	await until(() => n() === 1, 'the others to leave', 20000);
	const r = await ctl(['-p', String(d.pid), 'workers', '99']);
	assert.equal(r.code, 64);
	assert.match(r.err, /workers 99: too large \(1 to \d+, until a new start\)/);
	await tell(d, 'rebalance');
	await d.stop();
});

test('an upgrade is over when it ends', async () => {
	const d = await Upgradable.start({ workers: 2,
	    conf: `binary_timeout = 2s\n${quick}${echo}` });
	const s = await connect(d, '/');
	put(d, '#!/bin/sh\necho roostd: no >&2\nexit 7\n', 0o755);
	let r = await ctl(['-p', String(d.pid), 'upgrade']);
	assert.equal(r.code, 70);
	assert.match(r.err, /^roostd: no\n\/\S+: .*code 7\n(.*\n)*roostctl: the upgrade failed\n$/);
	putFailing(d, 'start-crashes');
	r = await ctl(['-p', String(d.pid), 'upgrade']);
	assert.equal(r.code, 70, JSON.stringify(r));
	assert.match(r.err, /roostctl: the upgrade failed\n$/);
	putRebuilt(d);
	assert.match(await tell(d, 'upgrade'),
	    new RegExp(`version ${nextVersion}, ${version} before\n`));
	assert.match(await tell(d, 'status'), new RegExp(`version +${nextVersion}\n`));
	/* ... and its configuration is none that was reloaded */
	rewrite(d, (t) => `${t}\nnamespace "/later" { auth = none }`);
	assert.match(await tell(d, 'reload'), /^added namespace '\/later'\n/m);
	s.close();
	await d.stop();
});

test('it is found while it becomes another program', async () => {
	const d = await Upgradable.start({ conf: `${quick}${echo}` });
	fs.renameSync(d.spare, `${d.bin}.spare`);
	put(d, `#!/bin/sh
case $ROOSTD_UPGRADE in
on:*) sleep 0.3 ;;
esac
exec ${d.bin}.spare "$@"
`);
	const found = async () => {
		let ended = false;
		const first = tell(d, 'upgrade').finally(() => { ended = true; });
		for (let n = 0; !ended || n < 10; n++)
			assert.match(await tell(d, 'status'),
			    /^workers +1 of 1\b/m);
		await first;
	};
	await found();
	put(d, fs.readFileSync(`${d.bin}.spare`));
	/* and two at once are two */
	await Promise.all([0, 150, 300].map((ms) => sleep(ms)
	    .then(() => tell(d, 'upgrade'))));
	/* it is there, and has not told yet what it is */
	putFailing(d, 'start-rests', `${d.bin}.spare`);
	await found();
	await d.stop();
});

test('who does not answer is not waited for', async () => {
	const d = await Daemon.start({ conf: echo });
	process.kill(d.pid, 'SIGSTOP');
	const at = Date.now();
	const r = await ctl(['-p', String(d.pid), '-t', '1', 'reload']);
	assert.equal(r.code, 75);
	assert.match(r.err, /the reload is not over within 1 seconds: it has not/);
	assert(Date.now() - at < 10000 * slow);
	/* what it told before is there yet */
	assert.match((await ctl(['-p', String(d.pid), 'status'])).out,
	    new RegExp(`^process +${d.pid}\n`, 'm'));
	process.kill(d.pid, 'SIGCONT');
	await until(async () => await d.metric('reloads') === 1, 'the reload');
	await d.stop();
});

test('the log is opened again', async () => {
	const dir = tempdir();
	const log = path.join(dir, 'sub', 'log');
	fs.mkdirSync(path.dirname(log));
	fs.writeFileSync(`${dir}/conf`, `workers = 1
listen "127.0.0.1:0" {}
log_file = "${log}"\n`);
	const e = spawn(roostd, ['-f', '-c', `${dir}/conf`], { stdio: 'ignore' });
	const ended = new Promise((ok) => e.on('close', ok));
	try {
		await until(() => fs.existsSync(log) &&
		    fs.readFileSync(log, 'utf8').includes(' ready '), 'ready');
		fs.renameSync(log, `${log}.1`);
		assert.equal((await ctl(['-p', String(e.pid), 'reopen'])).code, 0);
		assert.match(fs.readFileSync(log, 'utf8'), / reopened/);
		fs.rmSync(path.dirname(log), { recursive: true });
		const r = await ctl(['-p', String(e.pid), 'reopen']);
		assert.equal(r.code, 70);
		assert.match(r.err, /log: No such file or directory\n/);
		assert.equal((await ctl(['-p', String(e.pid), 'stop'])).code, 0);
		assert.equal(await within(ended, 'the end'), 0);
	} finally {
		e.kill('SIGKILL');
	}
});

test('it waits for the end', async () => {
	const d = await Daemon.start({ conf: `${quick}${echo}` });
	await tell(d, 'stop');
	assert.deepEqual(await within(d.exited, 'the end', 1000),
	    { code: 0, signal: null });
	const e = await Daemon.start({ conf: `${quick}${echo}` });
	const s = await connect(e, '/');
	const at = Date.now();
	await tell(e, 'stop', '-d');
	assert(Date.now() - at > 100);
	s.close();
	await e.logged(/ draining /);
	const r = await ctl(['-p', String(e.pid), 'stop']);
	assert.equal(r.code, 69);
	await e.stop();
});

test('who leaves does not reload', async () => {
	const d = await Daemon.start({ conf: `drain_time = 20s\n${stopTime}${echo}` });
	const s = await connect(d, '/');
	process.kill(d.pid, 'SIGQUIT');
	await until(() => d.log.includes(' draining '), 'draining');
	const r = await ctl(['-p', String(d.pid), 'reload']);
	assert.equal(r.code, 78);
	assert.match(r.err, /it lets its clients go, and ends then\n/);
	assert.equal((await ctl(['-p', String(d.pid), 'status'])).code, 75);
	s.close();
	await d.stop();
});

test('another user may not', { skip: process.getuid() !== 0 }, async () => {
	const d = await Daemon.start({ conf: echo });
	const r = await ctl(['-p', String(d.pid), 'reload'],
	    { uid: 65534, gid: 65534, cwd: '/' }).catch((e) => e);
	assert.equal(r.code, 77);
	assert.match(r.err, /another user's: only that user and root/);
	await d.stop();
});

/* --- the HTTP API ---------------------------------------------------------*/

const api = (sha256) => `${quick}
namespace "/chat" { auth = none presence = query
    room "kept:{r}" { join = open history = 10 }
    room "{r}" { join = open } event "*" { to = nowhere } }
jwt { secret = "0123456789abcdef0123456789abcdef" user_claim = "sub" }
namespace "/in" { auth = required presence = query roles = {"staff"} }
api { key "k" { sha256 = "${sha256}" allow = {"publish", "presence",
    "disconnect", "history", "rooms"} } }
`;
const key = 'a key';

async function withApi(options, f) {
	const hash = (await ctl(['hash-key'], { input: `${key}\n` })).out.trim();
	assert.match(hash, /^[0-9a-f]{64}$/);
	const d = await Daemon.start({ conf: api(hash), ...options });
	try {
		await f(d, (...args) => ctl(['-p', String(d.pid), ...args],
		    { env: { ROOST_API_KEY: key } }));
	} finally {
		await d.stop();
	}
}

test('clients get what is published', () => withApi({}, async (d, call) => {
	const s = await connect(d, '/chat');
	let got = once(s, 'note');
	let r = await call('publish', '/chat', 'note', '{"n": 1}');
	assert.equal(r.code, 0, r.err);
	assert.match(JSON.parse(r.out).id, /./);
	assert.deepEqual((await got)[0], { n: 1 });
	got = once(s, 'note');
	r = await ctl(['-p', String(d.pid), 'publish', '-s', s.id, 'chat', 'note',
	    '-'], { env: { ROOST_API_KEY: key }, input: '"from stdin"' });
	assert.equal(r.code, 0, r.err);
	assert.deepEqual((await got)[0], 'from stdin');
	r = await call('publish', '/chat', 'note', 'no JSON');
	assert.equal(r.code, 65);
	assert.match(r.err, /the data is not JSON/);
	r = await call('publish', '/nowhere', 'note');
	assert.equal(r.code === 65 || r.code === 77, true, `${r.code}`);
	assert.match(r.err, /^roostctl: ./);
	s.close();
}));

test('a token that it makes is good, and its user is found', () =>
    withApi({}, async (d, call) => {
	const made = await ctl(['token', '-r', 'staff', '-e', '60', 'zoë/1'],
	    { env: { JWT_SECRET: '0123456789abcdef0123456789abcdef' } });
	assert.equal(made.code, 0);
	const s = await connect(d, '/in', { auth: { token: made.out.trim() } });
	let r = await call('presence', '/in');
	assert.deepEqual(JSON.parse(r.out).users.map((u) => u.user), ['zoë/1']);
	r = await call('presence', '/in', 'zoë/1');
	assert.equal(JSON.parse(r.out).connections, 1);
	const gone = new Promise((ok) => s.on('disconnect', ok));
	r = await call('disconnect', '-U', 'zoë/1', 'enough');
	assert.equal(r.code, 0, r.err);
	assert.equal(JSON.parse(r.out).disconnected, 1);
	await within(gone, 'the end of the session');
	s.close();
	const bad = await ctl(['token', 'u', '[]'],
	    { env: { JWT_SECRET: 'x' } });
	assert.equal(bad.code, 65);
	assert.equal((await ctl(['token', 'u'])).code, 66);
}));

test('rooms, who is in them, and who is to be', () =>
    withApi({}, async (d, call) => {
	const s = await connect(d, '/chat');
	const out = async (...args) => {
		const r = await call(...args);
		assert.equal(r.code, 0, r.err);
		return JSON.parse(r.out);
	};
	assert.deepEqual(await out('join', '-s', s.id, '/chat', 'a/b', 'c?'),
	    { sessions: 1, complete: true });
	assert.deepEqual(await out('rooms', '-l', '1', 'chat'), { rooms:
	    [{ room: 'a/b', sessions: 1 }], next: 'a/b', complete: true });
	assert.deepEqual((await out('rooms', '-c', 'a/b', '/chat')).rooms,
	    [{ room: 'c?', sessions: 1 }]);
	const r = await out('rooms', 'chat', 'a/b');
	assert.deepEqual(r.sessions.map((x) => [x.sid, x.user]), [[s.id, null]]);
	assert.deepEqual(await out('user', 'zoë/1'), { user: 'zoë/1', hosts: [],
		sessions: [], complete: true });
	assert.deepEqual(await out('leave', '-r', 'a/b', 'chat', 'a/b', 'c?'),
	    { sessions: 1, complete: true });
	assert.deepEqual((await out('rooms', 'chat')).rooms, []);
	assert.equal((await call('rooms', 'nope')).code, 65);
	assert.equal((await call('rooms', '-l', '0', 'chat')).code, 65);
	s.close();
}));

test('what is kept of a room', () => withApi({}, async (d, call) => {
	for (const n of [1, 2, 3])
		assert.equal((await call('publish', '-r', 'kept:a b?', '/chat',
		    'm', String(n))).code, 0);
	const all = JSON.parse((await call('history', '/chat', 'kept:a b?')).out);
	assert.deepEqual(all.events.map((e) => [e.offset, ...e.args]),
	    [[1, 1], [2, 2], [3, 3]]);
	const r = await call('history', '-l', '1', '-s', `${all.epoch}:1`, 'chat',
	    'kept:a b?');
	const page = JSON.parse(r.out);
	assert.deepEqual([page.events.map((e) => e.offset), page.more],
	    [[2], true]);
	assert.equal((await call('history', '-s', 'x', 'chat', 'kept:a')).code,
	    65);
	assert.equal((await call('history', 'chat', 'not')).code, 65);
	const end = await call('publish', '-f', '-r', 'kept:a b?', 'chat', 'm');
	assert.equal(JSON.parse(end.out).offset, 4);
	const late = await call('publish', '-r', 'kept:a b?', 'chat', 'm');
	assert.equal(late.code, 65);
	assert.match(late.err, /has been finished/);
	assert.equal((await call('publish', '-f', 'chat', 'm')).code, 65);
}));

test('the namespace "/" has rooms and presence, and no room has no name', () =>
    withApi({ conf: `${api(crypto.createHash('sha256').update(key)
	.digest('hex'))}namespace "/" { auth = none  presence = query
	    room "{any}" { join = open } }` }, async (d, call) => {
	const s = await connect(d, '/');
	assert.equal((await call('join', '-s', s.id, '/', 'lobby')).code, 0);
	let r = await call('rooms', '/');
	assert.equal(r.code, 0, r.err);
	assert.deepEqual(JSON.parse(r.out).rooms, [{ room: 'lobby',
		sessions: 1 }]);
	r = await call('rooms', '/', 'lobby');
	assert.equal(JSON.parse(r.out).sessions[0].sid, s.id);
	r = await call('presence', '/', 'nobody');
	assert.equal(JSON.parse(r.out).status, 'offline');
	for (const command of ['rooms', 'presence'])
		assert.equal((await call(command, '/chat', '')).code, 64);
	s.close();
}));

test('keys are in a file, or in the environment, or refused', () =>
    withApi({}, async (d) => {
	const of = (...args) => ctl(['-p', String(d.pid), ...args,
	    'presence', '/chat']);
	fs.writeFileSync(`${d.dir}/key`, `${key}\n`);
	assert.equal((await of('-k', `${d.dir}/key`)).code, 0);
	fs.writeFileSync(`${d.dir}/key`, 'another');
	let r = await of('-k', `${d.dir}/key`);
	assert.equal(r.code, 77);
	r = await of('-k', `${d.dir}/none`);
	assert.equal(r.code, 77);
	assert.match(r.err, /none: No such file/);
	r = await of();
	assert.equal(r.code, 77);
	assert.match(r.err, /set ROOST_API_KEY, or name a file by -k/);
	const made = (await ctl(['hash-key', '-g'])).out
	    .match(/^key {5}(\S{43})\nsha256 {2}([0-9a-f]{64})\n$/);
	assert(made);
	assert.equal((await ctl(['hash-key'], { input: made[1] })).out,
	    `${made[2]}\n`);
}));

test('the API is asked where it is', async () => {
	const hash = (await ctl(['hash-key'], { input: key })).out.trim();
	const dir = tempdir();
	const env = { ROOST_API_KEY: key };
	const d = await Daemon.start({ listen: false,
	    conf: `listen "unix:${dir}/s" {}\n${api(hash)}` });
	let r = await ctl(['-p', String(d.pid), 'presence', 'chat'], { env });
	assert.equal(r.code, 0, r.err);
	r = await ctl(['-u', `unix:${dir}/s`, 'presence', 'chat'], { env });
	assert.equal(r.code, 0, r.err);
	await d.stop();
	r = await ctl(['-u', `unix:${dir}/s`, 'presence', 'chat'], { env });
	assert.equal(r.code, 69);
	const t = await Daemon.start({ listen: false,
	    conf: `${listenTls()}${api(hash)}` });
	r = await ctl(['-p', String(t.pid), 'presence', 'chat'], { env });
	assert.equal(r.code, 69);
	assert.match(r.err, /listens with TLS only: name an address/);
	r = await ctl(['-u', `127.0.0.1:${t.port}`, '-t', '5', 'presence', 'chat'],
	    { env });
	assert.equal(r.code, 65, r.err);	/* 400: it speaks TLS */
	assert.match(r.err, /TLS|status 400/);
	r = await ctl(['-u', 'nonsense', 'presence', 'chat'], { env });
	assert.equal(r.code, 69);
	assert.match(r.err, /is no http:\/\/HOST:PORT, nor unix:PATH/);
	await t.stop();
});
