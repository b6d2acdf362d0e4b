/* The machine is short of descriptors, or of the kernel's memory. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, run, sleep, tempdir, until } from './lib/daemon.mjs';
import { CALL, ERROR, Inject, ROLE } from './lib/inject.mjs';
import { ask, connect } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Sock, Ws } from './lib/wire.mjs';
import { echo, listenTls } from './lib/conf.mjs';
import { sioOn } from './lib/spread.mjs';

const conf = echo + `
namespace "/c" { auth = none
    room "{r}" { join = open }
    event "ask"  { to = room:room ack = delivered } }
`;
const GET = (p) => `GET ${p} HTTP/1.1\r\nHost: x\r\n\r\n`;

/* As many as come in; the others are refused, and told so. */
async function crowd(d, n) {
	const inside = [], refused = [];
	await Promise.all([...Array(n).keys()].map(async () => {
		const w = await Ws.open(d.ports[0], '/ws/echo').catch((e) => {
			refused.push(String(e));
		});
		if (w?.refused)
			refused.push(w.refused.status);
		else if (w)
			inside.push(w);
	}));
	return { inside, refused };
}
/* The way from worker to worker is there. */
const joined = (a) => until(async () => (await ask(a, 'ask', { room: 'r' })
    .catch(() => ({}))).delivered === 1, 'the other worker to be reached', 20000);

test('ulimit -n 200: 500 connections, status pages answer', async () => {
	const d = await Daemon.start({ workers: 1, conf: conf +
	    'listen "127.0.0.1:0" {}\n', first: 'ulimit -n 200' });
	const { inside, refused } = await crowd(d, 500);
	assert.equal(inside.length + refused.length, 500);
	assert.ok(inside.length >= 100, `${inside.length} in`);
	/* by an answer, not by a reset */
	assert.deepEqual(refused.filter((r) => r !== 503), []);
	for (let i = 0; i < 20; i++) {
		/* one that is silent must not be in the way */
		const s = await Sock.open(d.ports[1]);
		for (const p of ['/livez', '/readyz', '/healthz', '/health',
			'/metrics']) {
			const r = await request(d.ports[1], 'GET', p);
			assert.equal(r.status, 200, p);
		}
		s.close();
	}
	/* on the first listener too, while the second is full of silence */
	const silent = await Promise.all([...Array(30).keys()].map(() =>
		Sock.open(d.ports[1])));
	const r = await request(d.ports[0], 'GET', '/livez');
	assert.equal(r.status, 200);
	await d.logged(/accept_short/);
	await d.logged(/host_short what=descriptors found="200" needed="100\d{4}" /);
	silent.forEach((s) => s.close());
	for (const w of inside)
		await w.alive();
	/* room again */
	inside.splice(0, 20).forEach((w) => w.drop());
	await until(async () => {
		const w = await Ws.open(d.ports[0], '/ws/echo');
		w.drop();
		return !w.refused;
	}, 'room for one more');
	await until(() => /accept_recovered/.test(d.log), 'the word');
	inside.forEach((w) => w.drop());
	await d.stop();
});

test('at the limit, who comes and goes is not told each time', async () => {
	const d = await Daemon.start({ workers: 1, conf,
		first: 'ulimit -n 200' });
	const { inside } = await crowd(d, 250);
	const begun = Date.now();
	for (let i = 0; i < 40; i++) {
		inside.shift().drop();
		await until(async () => {
			const w = await Ws.open(d.port, '/ws/echo');
			if (!w.refused)
				inside.push(w);
			return !w.refused;
		}, 'room for one');
		assert.ok((await Ws.open(d.port, '/ws/echo')).refused);
	}
	await d.logged(/accept_short/);
	const told = d.log.match(/accept_(short|recovered)/g).length;
	assert.ok(told <= 2 * ((Date.now() - begun) / 1000 + 3),
	    `${told} lines in ${Date.now() - begun} ms`);
	inside.forEach((w) => w.drop());
	await d.stop();
});

test('limits.connections reached: status pages answer', async () => {
	const d = await Daemon.start({ workers: 1, conf: conf +
	    'limits { connections = 10 }\n' });
	assert.doesNotMatch(d.log, /host_short what=descriptors/);
	const { inside, refused } = await crowd(d, 40);
	assert.equal(inside.length, 10);
	assert.deepEqual(refused, Array(30).fill(503));
	const before = await d.metric('connections_refused', 'why="limit"');
	assert.equal(before, 30);
	/* one request each */
	const s = await Sock.open(d.port);
	s.send(GET('/livez') + GET('/livez'));
	assert.equal((await s.response()).status, 200);
	assert.equal((await s.end()).length, 0);
	/* who says nothing is told all the same */
	const t = await Sock.open(d.port);
	assert.equal((await t.response()).status, 503);
	inside.forEach((w) => w.drop());
	await d.stop();
});

test('ulimit -n 200, workers full, the relay killed twice: nobody is lost',
    async () => {
	const d = await Daemon.start({ workers: 2, conf, first: 'ulimit -n 200' });
	d.mayDie = true;
	const [a, b] = await sioOn(d, [1, 2], '/c');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'r' });
	let { inside } = await crowd(d, 600);
	for (let k = 0; k < 2; k++) {
		const old = d.relay();
		process.kill(old.pid, 'SIGKILL');
		/* more come meanwhile */
		inside = inside.concat((await crowd(d, 50)).inside);
		await until(() => (d.relay() ?? old).pid !== old.pid,
		    'a new relay', 12000);
		await joined(a);
	}
	assert.ok(a.connected && b.connected);
	for (const w of inside)
		await w.alive();
	assert.doesNotMatch(d.log, /master_gone/);
	await d.logged(/child_died/, 2);
	assert.equal(d.log.match(/child_died/g).length, 2);
	inside.forEach((w) => w.drop());
	a.close();
	b.close();
	await d.stop();
});

for (const [who, roles, victim] of [['worker', ROLE.worker, (d) => d.relay()],
	['relay', ROLE.relay, (d) => d.worker(2)]]) {
	test(`a ${who} that cannot take its new stream gets another`, async () => {
		const inject = new Inject();
		const d = await Daemon.start({ workers: 2, conf, env: inject.env });
		d.mayDie = true;
		const [a] = await sioOn(d, [1], '/c');
		await ask(a, 'room:join', { room: 'r' });
		inject.arm(CALL.recvmsg, ERROR.lost, { roles });
		const old = victim(d);
		process.kill(old.pid, 'SIGKILL');
		await until(() => (victim(d) ?? old).pid !== old.pid, 'another');
		await until(() => /bus_renewed slot=/.test(d.log), 'a new stream');
		inject.disarm();
		const [b] = await sioOn(d, [2], '/c');
		await ask(b, 'room:join', { room: 'r' });
		await joined(b);
		await d.counts('files_lost', 1);
		assert.ok(a.connected);
		a.close();
		b.close();
		await d.stop();
		inject.close();
	});
}

/* No process can be made: what there is to stop? */
for (const [what, conf1] of [
	['fork', CALL.fork], ['socketpair', CALL.socketpair],
]) {
	test(`start without ${what}: ends with its exit code`, async () => {
		const inject = new Inject();
		/* those before the first child are for handovers: 4 pairs */
		inject.arm(conf1, ERROR.EAGAIN, { times: 255 });
		const file = path.join(tempdir(), 'roost.conf');
		fs.writeFileSync(file, conf + 'listen "127.0.0.1:0" {}\n');
		const r = await run(['-f', '-c', file, '-w', '2'],
		    { env: inject.env });
		assert.equal(r.code, 71, r.err);
		inject.close();
	});
}

test('ulimit -n too small for the children: ends with its exit code', async () => {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, conf + 'listen "127.0.0.1:0" {}\n');
	/* enough for handovers, listeners; not for 64 workers' streams */
	for (const n of [250, 345, 360]) {
		const r = await run(['-f', '-c', file, '-w', '64'],
		    { first: `ulimit -n ${n}`, ms: 20000 });
		assert.equal(r.code, 71, `ulimit -n ${n}: ${r.err}`);
	}
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) {
	test(`${signal} while no child lives`, async () => {
		const inject = new Inject();
		const d = await Daemon.start({ workers: 2, conf, env: inject.env });
		d.mayDie = true;
		inject.arm(CALL.fork, ERROR.EAGAIN, { times: 255 });
		for (const c of d.children())
			process.kill(c.pid, 'SIGKILL');
		await until(() => d.children().length === 0 &&
		    /child_not_started role=relay/.test(d.log) &&
		    /child_not_started role=worker/.test(d.log), 'no child');
		await d.stop({ signal, ms: 2000 });
		inject.close();
	});
}

test('children killed into their back-off, then TERM', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	await until(() => {
		for (const c of d.children())
			try {
				process.kill(c.pid, 'SIGKILL');
			} catch { /* the last one took it already */ }
		return /pause_ms=[1-9]\d{3}/.test(d.log) &&
		    d.children().length === 0;
	}, 'a pause', 20000);
	await d.stop({ ms: 2000 });
});

test('a start that nobody can serve is tried again later', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ workers: 1, conf, env: inject.env });
	d.mayDie = true;
	inject.arm(CALL.fork, ERROR.EAGAIN, { times: 255 });
	process.kill(d.worker(1).pid, 'SIGKILL');
	await until(() => /child_not_started role=worker/.test(d.log), 'a failure');
	inject.disarm();
	await until(() => d.worker(1), 'a worker', 10000);
	await d.stop();
	inject.close();
});

/* Everything that asks for a descriptor while the daemon runs. */
async function stir(d) {
	const some = [...Array(8).keys()];
	/* connections, polling that is passed on, over TLS too */
	for (let k = 0; k < 3; k++)
		await Promise.all(some.map(async () => {
			try {
				const p = await Polling.open(d.ports[k % 2], k % 2 ?
				    { tls: { rejectUnauthorized: false } } : {});
				await p.post('40');
				await p.get();
			} catch { /* it may fail; the daemon may not */ }
		}));
	for (const who of [() => d.relay(), () => d.worker(2), () => d.relay()]) {
		const old = await until(who, 'someone to kill');
		process.kill(old.pid, 'SIGKILL');
		await until(() => {
			const now = d.children();
			return now.length === 3 &&
			    !now.some((c) => c.pid === old.pid);
		}, 'three children', 20000);
	}
}

for (const [what, calls, errors] of [
	['recvmsg', CALL.recvmsg, ['lost', 'ENOBUFS', 'ENOMEM', 'EMFILE',
		'garbled', 'short']],
	['accept', CALL.accept, ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']],
	['socketpair', CALL.socketpair, ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']],
	['open', CALL.open, ['EMFILE', 'ENFILE', 'ENOMEM']],
	['sendmsg', CALL.sendmsg, ['ENOBUFS', 'ENOMEM', 'EAGAIN']],
	['recv', CALL.recv, ['ENOBUFS', 'ENOMEM']],
	['epoll_ctl', CALL.watch, ['ENOMEM', 'ENOSPC']],
	['fork', CALL.fork, ['EAGAIN', 'ENOMEM']],
]) {
	test(`${what} fails once at each place: ${errors.join(', ')}`, async () => {
		const inject = new Inject();
		const d = await Daemon.start({ workers: 2, conf: conf + listenTls(),
			env: inject.env });
		d.mayDie = true;
		for (const e of errors) {
			/* a client of worker 1, which nobody kills */
			const [a] = await sioOn(d, [1], '/c');
			await ask(a, 'room:join', { room: 'r' });
			inject.arm(calls, ERROR[e]);
			await stir(d);
			const hits = inject.hits;
			inject.disarm();
			assert.ok(hits > 0, `${e}: nothing failed`);
			const [b] = await sioOn(d, [2], '/c');
			await ask(b, 'room:join', { room: 'r' });
			await joined(b);
			if (what !== 'recv') /* that is clients' as well */
				assert.ok(a.connected, `${e}: a bystander is lost`);
			if (e === 'lost')
				await d.counts('files_lost', (n) => n > 0);
			if (e === 'short')
				await d.counts('control_bad', (n) => n > 0);
			a.close();
			b.close();
			await sleep(1100);	/* they have lived: no back-off */
		}
		assert.doesNotMatch(d.log, /master_gone/);
		assert.doesNotMatch(d.log, /signal=(?!9)/);
		await d.stop();
		inject.close();
	});
}
