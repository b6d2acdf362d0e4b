/*
 * HUP: a configuration is read again and takes effect, in full or not at all.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { ask, connect, heard, once, plain, refused } from './lib/clients.mjs';
import { echo, listenTls, stopTime } from './lib/conf.mjs';
import { Daemon, halt, run, sanitized, sleep, slow, tempdir, until, within }
	from './lib/daemon.mjs';
import { held } from './lib/held.mjs';
import { CALL, ERROR, Inject, ROLE } from './lib/inject.mjs';
import { datagrams } from './lib/notify.mjs';
import { STOP, Strike } from './lib/strike.mjs';

const pids = (d) => d.children().filter((c) => c.role === 'worker')
    .map((c) => c.pid);
const times = (d, words) => d.log.split(words).length - 1;
const rewrite = (d, f) => fs.writeFileSync(d.file,
    f(fs.readFileSync(d.file, 'utf8')));
const hup = (d) => process.kill(d.pid, 'SIGHUP');

/* A reload that takes effect, from signal to the end of those before. */
async function reload(d) {
	const n = times(d, ' reloaded '), m = times(d, ' turned ');
	const before = pids(d);
	hup(d);
	await until(() => times(d, ' reloaded ') > n, 'the reload');
	await until(() => times(d, ' turned ') > m, 'the others to leave', 15000);
	assert.equal(pids(d).filter((p) => before.includes(p)).length, 0);
}

/* One that does not; what is logged. */
async function failing(d, what = ' reload_failed ') {
	const before = pids(d), at = d.log.length;
	hup(d);
	await until(() => d.log.slice(at).includes(what), what, 15000);
	await until(() => d.children().length === before.length + 1,
	    'the others to end');
	assert.deepEqual(pids(d), before);
	return d.log.slice(at);
}

const quick = `drain_time = ${Math.min(slow, 4)}s\n${stopTime}`;

test('a configuration that is another one takes effect', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}` });
	await d.counts('generation', 1);
	assert.equal((await refused(await connect(d, '/more',
	    { wait: false }))).message, 'Invalid namespace');
	rewrite(d, (t) => `${t}
namespace "/more" { auth = none event "ask" { ack = echo } }
heartbeat { interval = 7s }`);
	await reload(d);
	await d.logged(/config_added what="namespace '\/more'"/);
	await d.logged(
	    /config_changed what="heartbeat: interval" before="25s" after="7s"/);
	await d.logged(/config_read \S+ changes=2 refused=0/);
	const s = await connect(d, '/more');
	assert.equal(await ask(s, 'ask', 5), 5);
	assert.equal(s.io.engine.pingInterval ?? s.io.engine._pingInterval, 7000);
	s.close();
	await d.counts('reloads', 1);
	await d.counts('reloads_failed', 0);
	await d.counts('generation', 2);
	await d.counts('generations', 1);
	await until(async () => await d.metric('last_reload_seconds') > 0.001,
	    'how long it took');
	await d.stop();
});

test('the level of the log is the new one in all processes', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${quick}${echo}` });
	rewrite(d, (t) => `${t}log_level = debug\n`);
	await reload(d);
	for (const who of ['master', 'relay', 'worker/2']) {
		await until(async () => {
			await fetch(d.url('/livez'));
			return d.log.includes(` ${who} debug: `);
		}, `a word of ${who}`);
	}
	rewrite(d, (t) => t.replace('log_level = debug', 'log_level = error'));
	for (let n = 2, at; n < 4; n++) {
		at = d.log.length;
		hup(d);
		await until(async () => await d.metric('reloads') === n &&
		    pids(d).length === 1, `reload ${n}`);
		if (n === 3)
			assert.doesNotMatch(d.log.slice(at), / (debug|info): /);
		else	/* the last words of one that still said all */
			await until(() => / worker\/2 info: worker_exit/
			    .test(d.log), 'its end to be read');
	}
	await d.stop();
});

test('namespaces may go, and come in another order', async () => {
	const ns = (n) => `namespace "${n}" { auth = none presence = rooms
    room "{r}" { join = open } event "ask" { ack = echo } }\n`;
	const d = await Daemon.start({ workers: 2, conf: quick +
	    ns('/a') + ns('/b') });
	const users = async () => (await (await fetch(d.url('/health'))).json())
	    .namespaces;
	(await connect(d, '/b')).close();
	rewrite(d, (t) => t.replace(ns('/a') + ns('/b'), ns('/c') + ns('/b')));
	await reload(d);
	const [b, c] = [await connect(d, '/b'), await connect(d, '/c')];
	await until(async () => (await users()).b?.sockets === 1, 'one in /b');
	assert.deepEqual(Object.keys(await users()).sort(), ['b', 'c']);
	await d.counts('ns_admitted', 2, 'ns="/b"');
	b.close();
	c.close();
	await d.stop();
});

test('clients stay, but for those who have no place any more', async () => {
	const ns = (n) => `namespace "${n}" { auth = none
    room "a:{x}" { join = open } room "b:{x}" { join = open }
    event "ask" { ack = echo } event "tell" { to = room:room } }
route "/ws${n}" { namespace = "${n}" }\n`;
	const d = await Daemon.start({ workers: 2, conf: quick +
	    ns('/stay') + ns('/go') });
	const opts = { reconnection: false };
	const [a, b, polls, go] = await Promise.all([
		connect(d, '/stay', opts), connect(d, '/stay', opts),
		connect(d, '/stay', { ...opts, transports: ['polling'] }),
		connect(d, '/go', opts)]);
	const [w, gone] = await Promise.all([plain(d, '/ws/stay'),
		plain(d, '/ws/go')]);
	for (const s of [a, b, polls])
		for (const room of ['a:1', 'b:1'])
			await ask(s, 'room:join', { room });
	let cut = 0;
	for (const s of [a, b, polls])
		s.on('disconnect', () => cut++);
	w.on('close', () => cut++);
	const ended = Promise.all([once(go, 'disconnect'),
		once(gone, 'close')]);
	/* a namespace, a room and an event are no more; another one is there */
	rewrite(d, (t) => t.replace(ns('/go'), '').replace('room "b:{x}" ' +
	    '{ join = open }', 'room "c:{x}" { join = open }')
	    .replace('event "ask" { ack = echo }',
		'event "ask" { ack = echo } event "more" { ack = echo }'));
	await reload(d);
	await within(ended, 'the end of those');
	assert.equal(cut, 0);
	for (const s of [a, b, polls]) {
		assert.equal(await ask(s, 'ask', 3), 3);
		assert.equal(await ask(s, 'more', 4), 4);
		assert.equal((await ask(s, 'room:join', { room: 'c:1' })).ok ??
		    true, true);
	}
	a.emit('tell', { room: 'a:1', n: 1 });
	for (const s of [b, polls])
		await heard(s, 'tell');
	assert.equal((await ask(a, 'tell', { room: 'b:1', n: 2 })).error !==
	    undefined, true);
	assert.equal((await w.ask('ask', 5)).data, 5);
	assert.equal(cut, 0);
	await d.counts('connections_moved_in', (n) => n >= 4);
	for (const c of [a, b, polls, w])
		c.close();
	await d.stop();
});

test('who waits for other workers hears from all of them', async () => {
	const d = await Daemon.start({ workers: 2, conf: `drain_time = 5s
namespace "/" { auth = none room "{r}" { join = open }
    event "tell" { to = room:room ack = delivered } }` });
	const all = await Promise.all([...Array(24)].map(() => connect(d)));
	let over = false, slowest = 0, asked = 0;
	const wrong = [];
	for (const s of all) {
		s.on('disconnect', (why) => over || wrong.push(why));
		await ask(s, 'room:join', { room: 'r' });
	}
	const telling = all.map(async (s) => {
		while (!over) {
			const t0 = Date.now();
			const { delivered } = await ask(s, 'tell',
			    { room: 'r' });
			slowest = Math.max(slowest, Date.now() - t0);
			asked++;
			if (delivered !== all.length - 1)
				wrong.push(delivered);
		}
	});
	for (let i = 0; i < 6; i++) {
		const n = asked;
		await reload(d);
		await until(() => asked > n + 100, 'answers');
	}
	over = true;
	await Promise.all(telling);
	/* of those who have gone by, too: what they counted stays */
	await d.counts('acks_timed_out', 0);
	assert.deepEqual(wrong, []);
	assert.ok(slowest < 1500 * slow, `${slowest} ms`);
	for (const s of all)
		s.close();
	await d.stop();
});

test('new workers that are killed are replaced, and inherit', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}` });
	d.mayDie = true;
	const all = await Promise.all([...Array(60)].map(() => connect(d, '/',
	    { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 })));
	const before = held(d.pid);
	for (let i = 0; i < 3; i++) {
		/* who was killed has been replaced: one that comes is new */
		await until(() => pids(d).length === 2, 'two workers');
		const old = pids(d);
		const n = times(d, ' turned ');
		hup(d);
		const one = await until(() => pids(d).find((p) =>
			!old.includes(p)), 'one that comes');
		await until(() => times(d, ' reloaded ') > i, 'the reload');
		process.kill(one, 'SIGKILL');
		/* and one that leaves, if it is there still */
		try { process.kill(old[0], 'SIGKILL'); } catch { /* gone */ }
		await until(() => times(d, ' turned ') > n, 'the turn', 15000);
		await until(() => all.every((s) => s.connected), 'all back');
	}
	/* who has not noticed yet that it was cut off comes back, too */
	for (const s of all)
		await until(() => ask(s, 'ask', 1).then((v) => v === 1,
		    () => false), 'an answer');
	await until(() => pids(d).length === 2, 'two workers');
	await d.counts('generations', 1);
	/* the configuration for the relay is kept */
	await until(() => held(d.pid) <= before + 1,
	    () => `no more: ${held(d.pid)}, ${before}`);
	for (const s of all)
		s.close();
	await d.stop();
});

test('what is wrong changes nothing, and each error is logged', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}` });
	const s = await connect(d, '/'), good = fs.readFileSync(d.file, 'utf8');
	rewrite(d, (t) => `${t}\nlimits { conections = 5 }\nstop_time = x\n`);
	let log = await failing(d);
	assert.match(log, /config_bad what="[^"]*conections/);
	assert.match(log, /config_bad what="[^"]*stop_time/);
	/* files are read by then, too */
	fs.writeFileSync(d.file, `${good}\ndemo_page = "/nonexistent"`);
	log = await failing(d);
	assert.match(log, new RegExp(`config_bad what="${d.file}:${
	    good.split('\n').length + 1}: demo_page[^"]*No such file`));
	fs.unlinkSync(d.file);
	log = await failing(d);
	assert.match(log, /config_bad what="[^"]*No such file/);
	/* by name: what takes effect with a new start only, and all of it */
	fs.writeFileSync(d.file, `${good}\nshm { users = 1000 }
pidfile = "${d.dir}/pid"\nlimits { per_user = 3 }\nlog_level = debug`);
	log = await failing(d);
	const at = (n) => `at="${d.file}:${
	    good.split('\n').length + n}"`;
	assert.match(log, new RegExp(`config_refused ${at(1)
	    } what="shm: users" why=`));
	assert.match(log, new RegExp(`config_refused ${at(2)
	    } what="pidfile" why=`));
	assert.match(log, new RegExp(`config_refused ${at(3)
	    } what="per_address, per_user, `));
	assert.doesNotMatch(log, / debug: /);
	await d.counts('reloads_failed', 4);
	await d.counts('reloads', 0);
	await d.counts('generation', 1);
	assert.equal(await ask(s, 'ask', 1), 1);
	assert.equal(s.connected, true);
	s.close();
	fs.writeFileSync(d.file, good);
	await reload(d);
	await d.stop();
});

test('addresses come, stay and go', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}`
	    + 'listen "127.0.0.1:0" { status = false }\n' });
	/* by a new connection: one that was kept may be another worker's by now */
	const at = (port) => fetch(`http://127.0.0.1:${port}/livez`,
	    { headers: { connection: 'close' } }).then((r) => r.status);
	assert.equal(await at(d.ports[0]), 200);
	await reload(d);
	const taken = net.createServer().listen(0, '127.0.0.1');
	await new Promise((ok) => taken.once('listening', ok));
	const { port } = taken.address(), sock = path.join(d.dir, 'sock');
	const good = fs.readFileSync(d.file, 'utf8');
	rewrite(d, (t) => `${t}listen "unix:${sock}" {}
listen "127.0.0.1:${port}" {}\n`);
	const before = held(d.pid);
	let log = await failing(d);
	assert.match(log, new RegExp(`not_listening why="listen '127\\.0\\.0\\.1:${
	    port}' \\(line \\d+\\): [^"]*in use"`));
	assert.equal(fs.existsSync(sock), false);
	await until(() => held(d.pid) === before, 'all to be closed');
	await new Promise((ok) => taken.close(ok));
	await reload(d);
	assert.equal(await at(port), 200);
	assert.equal(await at(d.ports[0]), 200);
	assert.ok(fs.statSync(sock).isSocket());
	/* one that we have, by a name that means more */
	fs.writeFileSync(d.file, `${good}listen "unix:${sock}" { mode = 0600 }
listen "0.0.0.0:${port}" {}\n`);
	await reload(d);
	assert.equal(await at(port), 200);
	assert.equal(fs.statSync(sock).mode & 0o777, 0o600);
	fs.writeFileSync(d.file, good);
	await reload(d);
	await d.logged(/listening_no_more addr=\S+sock/);
	assert.equal(fs.existsSync(sock), false);
	await assert.rejects(at(port));
	assert.equal(await at(d.ports[0]), 200);
	/* and what the relay was told */
	await until(() => held(d.pid) === before + 1, 'all to be closed');
	await d.stop();
});

test('certificates and keys are read again', async () => {
	const listen = listenTls();
	const d = await Daemon.start({ listen: false, conf: quick + listen +
	    'listen "127.0.0.1:0" {}\n' + echo });
	d.port = d.ports[1];
	const shown = () => new Promise((ok, no) => {
		const c = tls.connect({ port: d.ports[0], rejectUnauthorized:
		    false }, () => {
			ok(c.getPeerX509Certificate().serialNumber);
			c.destroy();
		}).on('error', no);
	});
	/* who was here before need not prove as much again */
	const session = await new Promise((ok, no) => {
		const c = tls.connect({ port: d.ports[0], rejectUnauthorized:
		    false }).on('error', no).once('session', (s) => {
			ok(s);
			c.destroy();
		});
		c.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	});
	await reload(d);
	assert.equal(await new Promise((ok, no) => {
		const c = tls.connect({ port: d.ports[0], session,
			rejectUnauthorized: false }, () => {
			ok(c.isSessionReused());
			c.destroy();
		}).on('error', no);
	}), true);
	const serial = await shown();
	const file = listen.match(/certificate = "([^"]*)"/)[1];
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
	    '/CN=other', '-keyout', path.join(path.dirname(file), 'key.pem'),
	    '-out', file], { stdio: 'ignore' });
	assert.equal(await shown(), serial);
	await reload(d);
	assert.notEqual(await shown(), serial);
	fs.writeFileSync(file, 'no certificate');
	assert.match(await failing(d), /config_bad what="[^"]*certificate/);
	await d.stop();
});

test('in the background: options, environment, relative paths', async () => {
	const dir = tempdir(), file = path.join(dir, 'r.conf');
	const text = `pidfile = "pid"\nlog_file = "log"\n${quick}
stats { file = "stats" }\nlisten "127.0.0.1:0" {}\n${echo}
demo_page = "demo"\nmax_connection_age = \${AGE}\n`;
	fs.writeFileSync(path.join(dir, 'demo'), 'one');
	fs.writeFileSync(file, text.replace('"log"', `"${dir}/log"`));
	const r = await run(['-c', 'r.conf', '-w', '2', '-o',
	    'drain_time=500ms'], { cwd: dir, env: { AGE: '1h' } });
	assert.equal(r.code, 0, r.err);
	const d = { pid: Number(fs.readFileSync(path.join(dir, 'pid'))),
		get log() {
			return fs.readFileSync(path.join(dir, 'log'), 'utf8');
		} };
	try {
		const port = d.log.match(/listening addr=\S*:(\d+)/)[1];
		assert.equal(times(d, ' ready '), 1);
		const demo = async () => (await fetch(
		    `http://127.0.0.1:${port}/demo/`)).text();
		assert.equal(await demo(), 'one');
		fs.writeFileSync(path.join(dir, 'demo'), 'two');
		hup(d);
		await until(() => times(d, ' turned ') === 1, 'the reload', 15000);
		assert.equal(await demo(), 'two');
		assert.match(d.log, /config_read \S+ changes=0 refused=0/);
		assert.equal(fs.readlinkSync(`/proc/${d.pid}/cwd`), '/');
	} finally {
		process.kill(d.pid, 'SIGTERM');
		await until(() => !fs.existsSync(`/proc/${d.pid}`), 'its end');
	}
	assert.match(d.log, /ended exit=0/);
});

test('the service manager is told', async () => {
	const name = `@roostd-reload-${process.pid}`;
	const n = await datagrams(name);
	const d = await Daemon.start({ conf: `${quick}${echo}`,
		env: { NOTIFY_SOCKET: name } });
	const said = (words) => n.all.filter((t) => t.includes(words)).length;
	await until(() => said('READY=1') === 1, 'ready');
	await reload(d);
	await until(() => said('READY=1') === 2, 'ready again');
	assert.match(n.all.find((t) => t.includes('RELOADING=1')),
	    /MONOTONIC_USEC=\d+/);
	rewrite(d, (t) => `${t} nonsense`);
	await failing(d);
	await until(() => said('READY=1') === 3, 'ready as before');
	assert.equal(said('RELOADING=1'), 2);
	await d.stop();
	n.stop();
});

test('workers that do not start are turned back', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}`,
		env: inject.env });
	await reload(d);
	const s = await connect(d, '/'), before = held(d.pid);
	/* the first of two has been forked by then, or not even that */
	inject.arm(CALL.fork, ERROR.EAGAIN, { roles: ROLE.master });
	let log = await failing(d);
	assert.match(log, /child_not_started role=worker/);
	assert.match(log, /turned_back why="one of them ended/);
	assert.equal(inject.hits, 1);
	await until(() => times(d, ' turned ') === 2, 'their end', 15000);
	await until(() => held(d.pid) === before, 'all to be closed');
	/* it is killed as it starts */
	inject.disarm();
	d.mayDie = true;
	const old = pids(d);
	hup(d);
	const killed = await until(() => pids(d).find((p) => !old.includes(p)),
	    'one that comes');
	process.kill(killed, 'SIGKILL');
	await until(() => times(d, ' turned ') === 3, 'the end', 15000);
	s.close();
	await d.counts('generations', 1);
	await d.stop();
	inject.close();
});

test('one of the new workers hangs: it is not waited for for long',
    async () => {
	const d = await Daemon.start({ workers: 2,
	    conf: `worker_timeout = 2s\n${quick}${echo}` });
	d.mayDie = true;
	const before = pids(d);
	hup(d);
	/* stopped between fork and ready: perhaps it is too late */
	const one = await until(() => pids(d).find((p) => !before.includes(p)),
	    'one that comes');
	process.kill(one, 'SIGSTOP');
	await until(() => times(d, ' turned ') === 1, 'an end of it', 30000);
	await until(() => pids(d).length === 2, 'two');
	await d.counts('generations', 1);
	const s = await connect(d, '/');
	assert.equal(await ask(s, 'ask', 1), 1);
	s.close();
	await d.stop();
});

test('many signals at once', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${echo}` });
	await reload(d);
	const before = held(d.pid);
	const rss = () => Number(fs.readFileSync(`/proc/${d.pid}/statm`, 'latin1')
	    .split(' ')[1]);
	const first = rss();
	let most = 0;
	for (let i = 0; i < 50; i++) {
		hup(d);
		await sleep(200);	/* in the midst of the one before */
		most = Math.max(most, pids(d).length);
	}
	await until(() => times(d, ' turned ') === times(d, ' reloaded '),
	    'the last one', 15000);
	await until(() => pids(d).length === 2, 'two workers');
	assert.ok(most <= 4, `${most} workers at once`);
	/* the last of them may be on its way */
	await until(() => held(d.pid) === before, 'no descriptor more');
	assert.ok(times(d, ' reloaded ') > 10);
	await d.counts('generations', 1);
	/* pages; a sanitizer keeps what was freed */
	assert.ok(sanitized || rss() - first < 300, `${first} became ${rss()}`);
	await d.stop();
});

test('while it starts, and while it ends', async () => {
	const d = await Daemon.start({ conf:
	    `drain_delay = 500ms\ndrain_time = 500ms\n${echo}` });
	process.kill(d.pid, 'SIGQUIT');
	await until(() => d.log.includes(' leaving '), 'leaving');
	hup(d);
	process.kill(d.pid, 'SIGTTIN');
	await until(() => times(d, ' turn_refused ') === 2, 'two refusals');
	await d.stop();
	assert.equal(times(d, ' reloaded '), 0);
	/* told to end with others on their way: nobody has died */
	const e = await Daemon.start({ workers: 2, conf: echo });
	const s = await connect(e, '/');
	hup(e);
	await e.stop();
	s.close();
});

test('told to end before it hears that one of them is ready', async () => {
	const strike = new Strike();
	const d = await Daemon.start({ conf: echo, env: strike.env });
	const steps = [];
	const stopped = async (step) => {
		await until(() => strike.struck !== 0, step);
		steps.push(strike.struck);
		return strike.struck;
	};
	strike.arm('worker-before-READY', { signal: STOP });
	hup(d);
	const pid = await stopped('one that comes');
	await halt(d.pid);
	process.kill(d.pid, 'SIGTERM');
	strike.arm('worker-after-READY', { signal: STOP });
	process.kill(pid, 'SIGCONT');
	await stopped('its word');
	process.kill(d.pid, 'SIGCONT');
	await within(d.exited, 'the end');
	await d.stop();
	assert.deepEqual(steps, [pid, pid]);
	await d.logged(/ turned_back why="told to end"/);
});
