/*
 * How the daemon leaves: QUIT, first seen by balancers, then by clients, each
 * of which comes back elsewhere; and every further signal on the way.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';

import { Daemon, halt, roostd, sleep, slow, tempdir, until, within }
	from './lib/daemon.mjs';
import { ask, connect, gotten, once, plain } from './lib/clients.mjs';
import { links } from './lib/held.mjs';
import { datagrams } from './lib/notify.mjs';
import { Polling } from './lib/polling.mjs';
import { sioOn } from './lib/spread.mjs';
import { Sock } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const get = async (d, p) => {
	const r = await fetch(d.url(p));
	return { status: r.status, body: await r.text(),
		connection: r.headers.get('connection') };
};
const refused = async (d) => within(new Promise((ok) => {
	const s = net.connect(d.port, '127.0.0.1');
	s.on('connect', () => { s.destroy(); ok(false); });
	s.on('error', (e) => ok(e.code === 'ECONNREFUSED'));
}), 'an answer');
const quit = (d) => d.child.kill('SIGQUIT');
const said = (d, what) => until(() => d.log.includes(what), what);

test('drain_delay: balancers see it first, and everybody is served', async () => {
	const d = await Daemon.start({ workers: 2, conf: `drain_delay = 4s
drain_time = 1s
${echo}` });
	const s = await connect(d);
	const w = await plain(d, '/ws/echo');
	let gone = false;
	s.on('disconnect', () => { gone = true; });
	const kept = await Sock.open(d.port);
	const ask1 = async () => {
		kept.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		return kept.response();
	};
	assert.equal((await ask1()).headers.connection, 'keep-alive');
	assert.equal((await get(d, '/readyz')).status, 200);
	await d.counts('leaving', 0);
	const ended = d.stop({ signal: 'SIGQUIT', ms: 20000 });
	/* by every worker */
	await until(() => (d.log.match(/ leave connections=\d+ in_ms=4000/g) ?? [])
	    .length === 2, 'both workers');
	for (let i = 0; i < 8; i++) {
		const r = await get(d, '/readyz');
		assert.equal(r.status, 503);
		assert.equal(r.body, 'draining\n');
		assert.equal(r.connection, 'close');
	}
	assert.equal((await get(d, '/healthz')).status, 503);
	assert.equal((await get(d, '/livez')).status, 200);
	const h = JSON.parse((await get(d, '/health')).body);
	assert.equal(h.status, 'degraded');
	assert.equal(h.reason, 'draining');
	await d.counts('leaving', 1);
	/* a connection that was kept is let go by its next answer */
	assert.equal((await ask1()).headers.connection, 'close');
	await kept.end();
	/* who comes now is served like all others */
	for (const transport of ['websocket', 'polling']) {
		const c = await connect(d, '/', { transports: [transport] });
		assert.equal(await ask(c, 'ask', transport), transport);
		c.close();
	}
	const p = await Polling.open(d.port);
	assert.equal(p.response.headers.connection, 'close');
	assert.equal(await ask(s, 'ask', 1), 1);
	assert.deepEqual((await w.ask('ask', [2])).data, [2]);
	assert.equal(gone, false);
	assert.ok(!d.log.includes(' draining within_ms='));
	const why = [once(s, 'disconnect', 10000), once(w, 'close', 10000)];
	await said(d, 'draining within_ms=1000');
	assert.equal((await why[0])[0], 'transport close');
	assert.equal((await why[1])[0], 1012);
	await ended;
});

test('drain_delay: sessions over polling keep their connections', async () => {
	const d = await Daemon.start({ conf: `drain_delay = 1h\n${echo}` });
	const { sid } = await Polling.open(d.port);
	const c = await Sock.open(d.port);
	const poll = async (method, body) => {
		c.send(`${method} /socket.io/?EIO=4&transport=polling&sid=${sid
		    } HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length
		    }\r\n\r\n${body}`);
		return (await c.response()).headers.connection;
	};
	quit(d);
	await said(d, ' leave connections=');
	assert.equal(await poll('POST', '40'), 'keep-alive');
	assert.equal(await poll('GET', ''), 'keep-alive');
	await d.stop();
});

test('drain_delay: a worker that dies meanwhile; its heir knows', async () => {
	const d = await Daemon.start({ conf: `drain_delay = 1h\n${echo}` });
	d.mayDie = true;
	quit(d);
	await said(d, ' leave connections=');
	const old = d.worker(1).pid;
	process.kill(old, 'SIGKILL');
	await until(() => (d.worker(1)?.pid ?? old) !== old, 'another');
	/* from its first answer on */
	const r = await get(d, '/readyz');
	assert.equal(r.status, 503);
	const c = await connect(d);
	assert.equal(await ask(c, 'ask', 1), 1);
	c.close();
	await d.stop();
});

for (const [signals, log] of [
	['QUIT', ['draining within_ms=1000']],
	['QUIT QUIT', ['draining within_ms=1000', 'leaving_already']],
	['QUIT TERM', ['draining within_ms=1000', 'stopping within_ms=']],
	['TERM', ['stopping within_ms=']],
	['INT', ['stopping within_ms=']],
	['INT INT', ['stopping within_ms=', 'killing why=']],
	['TERM QUIT', ['stopping within_ms=', 'leaving_already']],
])
	test(`drain_delay, and then ${signals}`, async () => {
		const d = await Daemon.start({ workers: 2,
			conf: `drain_delay = 1h\ndrain_time = 1s\n${echo}` });
		d.mayDie = signals === 'INT INT';
		/* one that does not answer keeps its worker a while */
		const c = await Sock.open(d.port);
		c.send('GET /ws/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n' +
		    'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
		    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
		await c.response();
		quit(d);
		await said(d, ' leave connections=');
		const list = signals.split(' ');
		for (const [i, s] of list.entries()) {
			d.child.kill(`SIG${s}`);
			await said(d, log[i]);
		}
		await until(() => refused(d), 'a refusal');
		await within(d.exited, 'the end', 10000);
		d.check();
		for (const l of log)
			assert.ok(d.log.includes(l), l);
		c.close();
	});

test('QUIT during the start: nobody waits for balancers', async () => {
	const dir = tempdir();
	fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:0" {}
drain_delay = 1h
${echo}`);
	const c = spawn(roostd, ['-f', '-c', `${dir}/c`, '-w', '2'],
	    { stdio: ['ignore', 'ignore', 'pipe'] });
	const ended = new Promise((ok) => c.on('exit', ok));
	c.stderr.once('data', () => c.kill('SIGQUIT'));
	try {
		assert.equal(await within(ended, 'the end'), 0);
	} finally {
		c.kill('SIGKILL');
	}
});

test('QUIT: clients go evenly over drain_time', async () => {
	const N = 90;
	const d = await Daemon.start({ workers: 2,
		conf: `drain_time = 3s\n${echo}` });
	const all = await Promise.all([...Array(N)].map(
	    () => plain(d, '/ws/echo')));
	const at = [];
	for (const w of all)
		w.on('close', (code) => at.push([performance.now(), code]));
	const t0 = performance.now();
	await d.stop({ signal: 'SIGQUIT' });
	await until(() => at.length === N, 'all are gone');
	assert.deepEqual([...new Set(at.map((a) => a[1]))], [1012]);
	/* by thirds of the time: a third each, more or less */
	const thirds = [0, 0, 0];
	for (const [t] of at)
		thirds[Math.min(2, Math.floor((t - t0) / 1000))]++;
	if (slow === 1)
		for (const n of thirds)
			assert.ok(n >= N / 6 && n <= N / 2, `${thirds}`);
	assert.ok(thirds[0] < N * 2 / 3, `${thirds}`);
});

test('QUIT: the relay is there until the last client has gone', async () => {
	const d = await Daemon.start({ workers: 2,
		conf: `drain_time = 1h\n${echo}` });
	d.mayDie = true;
	const [a, b] = await sioOn(d, [1, 2], '/');
	for (const s of [a, b])
		assert.ok((await ask(s, 'room:join', { room: 'x' })).room);
	quit(d);
	await until(() => (d.log.match(/ drain connections=/g) ?? []).length === 2,
	    'the drain');
	const old = d.relay().pid;
	process.kill(old, 'SIGKILL');
	await until(() => (d.relay()?.pid ?? old) !== old, 'another relay');
	/* what goes from worker to worker gets through again */
	await until(async () => {
		a.emit('tell', { room: 'x', n: 1 });
		await sleep(20);	/* in which it comes, or is said again */
		return gotten(b, 'tell').length > 0;
	}, 'a word from the other worker');
	await d.stop();
	assert.ok(!d.relay());
});

/* more than a turn accepts */
test('QUIT: who waits in the queue of a listener is answered', async () => {
	const d = await Daemon.start({ conf: `drain_time = 1s\n${echo}` });
	await halt(d.worker(1).pid);
	const all = await Promise.all([...Array(400)].map(async () => {
		const s = await Sock.open(d.port);
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		return s;
	}));
	quit(d);
	await said(d, 'draining within_ms=');
	process.kill(d.worker(1).pid, 'SIGCONT');
	for (const s of all) {
		const r = await s.response();
		assert.equal(r.status, 200);
		assert.equal(r.headers.connection, 'close');
		s.close();
	}
	await within(d.exited, 'the end', 10000);
	d.check();
});

test('USR1: the log goes to a new file, from all processes', async () => {
	const dir = tempdir(), log = `${dir}/logs/roostd.log`;
	const text = (f) => { try { return fs.readFileSync(f, 'utf8'); } catch {
		return ''; } };
	fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:0" {}
log_file = "${log}"
log_level = debug
drain_time = 0s
${echo}`);
	const d = spawn(roostd, ['-f', '-c', `${dir}/c`, '-w', '2'],
	    { stdio: 'ignore' });
	const ended = new Promise((ok) => d.on('exit', ok));
	try {
		await until(() => /ready workers=2/.test(text(log)), 'ready');
		const c = { port: text(log).match(/addr=127\.0\.0\.1:(\d+)/)[1] };
		fs.renameSync(log, `${log}.1`);
		d.kill('SIGUSR1');
		const kids = fs.readFileSync(`/proc/${d.pid}/task/${d.pid}/children`,
		    'utf8').trim().split(' ');
		await until(() => / master info: reopened/.test(text(log)) &&
		    kids.every((pid) => !links(pid).includes(`${log}.1`)),
		'the new file');
		/* one that can't be made: the old one stays */
		fs.renameSync(`${dir}/logs`, `${dir}/away`);
		d.kill('SIGUSR1');
		await until(() => /log_not_reopened file=/.test(
		    text(`${dir}/away/roostd.log`)), 'a word');
		fs.renameSync(`${dir}/away`, `${dir}/logs`);
		const n = text(`${log}.1`).length;
		const w = await plain(c, '/ws/echo');
		assert.ok(w);
		d.kill('SIGQUIT');
		assert.equal(await within(ended, 'the end'), 0);
		for (const who of ['master', 'worker/1', 'worker/2'])
			assert.match(text(log), new RegExp(` ${who} info: `));
		assert.equal(text(`${log}.1`).length, n);
		assert.equal(fs.statSync(log).mode & 0o777 & ~0o640, 0);
	} finally {
		d.kill('SIGKILL');
	}
});

test('the service manager waits as long as clients have', async () => {
	const name = `${tempdir()}/n`;
	const n = await datagrams(name);
	const d = await Daemon.start({ env: { NOTIFY_SOCKET: name },
		conf: `drain_delay = 2s\ndrain_time = 2s\n${echo}` });
	const w = await plain(d, '/ws/echo');
	assert.ok(!n.all.some((m) => /EXTEND/.test(m)));
	await d.stop({ signal: 'SIGQUIT' });
	w.close();
	const all = n.all.filter((m) => !/WATCHDOG|serving/.test(m));
	n.stop();
	const extend = '\'EXTEND_TIMEOUT_USEC=10000000\'';
	const i = all.indexOf('\'STOPPING=1\\nSTATUS=leaving, still accepting\'');
	const k = all.indexOf('\'STOPPING=1\\nSTATUS=draining\'');
	assert.ok(i >= 0 && k > i, `${all}`);
	/* at once, and each second of both */
	assert.ok(all.slice(i, k).filter((m) => m === extend).length >= 2, `${all}`);
	assert.ok(all.slice(k).filter((m) => m === extend).length >= 1, `${all}`);
});
