/*
 * Rooms that keep a history when something is missing: the relay, a worker, the
 * client's connection, its attention; and while workers hand clients over.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, connected, gotten, heard, once, plain }
	from './lib/clients.mjs';
import { stopTime } from './lib/conf.mjs';
import { sioOn } from './lib/spread.mjs';
import { cuts } from '../history/cuts.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = `
worker_timeout = 60s
drain_time = 5s
${stopTime}
limits { message_bytes = 100KB send_queue_bytes = 1MB rooms_per_session = 20 }
store { room_bytes = 8MB }
recovery { window = 30s }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish", "history"} } }
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 5000 }
    event "self" { to = room:room self = true ack = accepted member = off }
    event "say"  { to = room:room ack = accepted }
    event "tell" { to = room:room ack = delivered }
    event "mute" { to = room:room self = true member = off } }
route "/ws/k" { namespace = "/k" }
`;
let d, rooms = 0;
before(async () => {
	d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
});
after(() => d.stop());

const fresh = () => `k:${++rooms}`;
const both = () => sioOn(d, [1, 2], '/k');
const closeAll = (...l) => l.forEach((s) => s.close());
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const numbers = (s, event = 'self') => gotten(s, event).map(([x]) => x.i);
async function say(s, room, from, to, event = 'self') {
	const acks = [];
	for (let i = from; i <= to; i++)
		acks.push(ask(s, event, { room, i }));
	return Promise.all(acks);
}
const times = (words) => d.log.split(words).length - 1;
async function reload(signal = 'SIGHUP') {
	const m = times(' turned ');
	process.kill(d.pid, signal);
	await until(() => times(' turned ') > m, 'the workers to turn', 20000);
}
async function api(path, body, method = 'POST') {
	const r = await fetch(d.url(`/api/v1/${path}`), { method,
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { status: r.status, body: await r.json() };
}
/* While the relay says nothing. */
async function silently(f) {
	const { pid } = d.relay();
	process.kill(pid, 'SIGSTOP');
	try {
		return await f();
	} finally {
		process.kill(pid, 'SIGCONT');
	}
}

/* --- the relay ------------------------------------------------------------- */

test('a relay that says nothing: joins, errors, and no room is left', async () => {
	const [a, b] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await say(a, room, 1, 3);
	await silently(async () => {
		const answers = await Promise.all([
			join(b, room, { epoch, offset: 1 }),
			ask(a, 'self', { room, i: 4 }),
			ask(a, 'history:get', { room }),
			api('publish', { namespace: 'k', event: 'self', room,
				data: { i: 5 }, id: 'again' }),
			api(`history/k/${room}`, undefined, 'GET'),
		]);
		assert.deepEqual(answers[0], { room, recovered: false });
		assert.equal(codeOf(answers[1]), 'unavailable');
		assert.equal(codeOf(answers[2]), 'unavailable');
		for (const r of answers.slice(3)) {
			assert.equal(r.status, 503);
			assert.equal(r.body.error.code, 'unavailable');
		}
	});
	/* what was not known to be kept may be brought again */
	await until(async () => (await api('publish', { namespace: 'k',
		event: 'self', room, data: { i: 6 }, id: 'again' })).body.offset,
	'the relay to keep again');
	await heard(b, 'self', 1);
	const last = await ask(a, 'self', { room, i: 7 });
	await until(() => numbers(b).at(-1) === 7 && numbers(a).at(-1) === 7,
	    'the last');
	/* both have all, in the same order */
	assert.deepEqual(gotten(a, 'self').map(([, m]) => m.offset),
	    range(1, last.offset));
	assert.deepEqual(gotten(b, 'self').map(([, m]) => m.offset),
	    range(4, last.offset));
	closeAll(a, b);
	await until(async () => await d.metric('rooms') === 0, 'no room');
});

test('who leaves while the relay is asked is forgotten', async () => {
	const [a] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await say(a, room, 1, 3);
	await silently(async () => {
		const s = await connect(d, '/k');
		s.emit('room:join', { room, since: { epoch, offset: 0 } });
		s.emit('history:get', { room });
		const w = await plain(d, '/ws/k');
		w.emit1('room:join', { room: fresh() });
		await ask(s, 'roost:ping');
		await w.ask('roost:ping');
		s.close();
		w.terminate();
		const r = new AbortController();
		const gone = fetch(d.url(`/api/v1/history/k/${room}`), {
			signal: r.signal,
			headers: { Authorization: `Bearer ${KEY}` } });
		await sleep(50);	/* in which it is asked, as a rule */
		r.abort();
		await assert.rejects(gone);
	});
	assert.equal((await join(a, room)).offset, 3);
	a.close();
	await until(async () => await d.metric('rooms') === 0, 'no room');
});

test('one join of a room at a time, and no more rooms than allowed', async () => {
	const a = await connect(d, '/k'), room = fresh();
	await silently(async () => {
		const first = join(a, room);
		assert.equal(codeOf(await join(a, room)), 'limit');
		const many = range(1, 25).map(() => join(a, fresh()));
		assert.equal((await first).room, room);
		const codes = (await Promise.all(many)).map(codeOf);
		assert.equal(codes.filter((c) => c === 'limit').length, 6);
		assert.equal(codes.filter((c) => c === undefined).length, 19);
	});
	a.close();
});

test('a relay that is killed: another epoch, members are told', async () => {
	const [a, b] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await join(b, room);
	await say(a, room, 1, 5);
	await heard(b, 'self', 5);
	const old = d.relay().pid;
	process.kill(old, 'SIGKILL');
	await d.next(old);
	await heard(b, 'roost:gap', 1, 10000);
	const first = await until(async () => {
		const r = await ask(a, 'self', { room, i: 6 });
		return r.offset && r;
	}, 'a place', 10000);
	assert.notEqual(first.epoch, epoch);
	await until(() => numbers(b).includes(6), 'the sixth');
	const c = await connect(d, '/k');
	const r = await join(c, room, { epoch, offset: 3 });
	assert.deepEqual([r.epoch, r.recovered], [first.epoch, false]);
	assert.deepEqual(numbers(b).slice(0, 5), range(1, 5));
	const again = await join(await connect(d, '/k'), room,
	    { epoch: first.epoch, offset: 0 });
	assert.equal(again.recovered, true);
	closeAll(a, b, c);
});

/* --- a worker's queue ------------------------------------------------------ */

test('a worker that did not read is given what is missing, in order', async () => {
	const h = await Daemon.start({ workers: 2, conf: conf.replace('limits {',
	    'limits { bus_queue_bytes = 256KB') });
	try {
		const [a, b] = await sioOn(h, [1, 2], '/k');
		const room = fresh(), quiet = fresh(), text = 'x'.repeat(4000);
		await join(a, room);
		await join(b, room);
		await join(a, quiet);
		await join(b, quiet);
		const { pid } = h.worker(2);
		process.kill(pid, 'SIGSTOP');
		for (let i = 1; i <= 1500; i += 20)
			await Promise.all(range(i, i + 19).map((k) => ask(a, 'self',
			    { room, i: k, text })));
		/* the last of this room is among what is lost */
		await ask(a, 'self', { room: quiet, i: 1 });
		process.kill(pid, 'SIGCONT');
		await until(() => gotten(b, 'self').length === 1501, 'all', 20000)
		    .catch(async (e) => { throw new Error(`${e.message}: ${
			gotten(b, 'self').length} ${JSON.stringify(gotten(b,
			'roost:gap'))} ${JSON.stringify([...await
			h.metrics()].filter(([k]) => /history|gaps|bus_dro|keeps/
			.test(k)))} ${b.connected}`); });
		const of = (name) => gotten(b, 'self').filter(([x]) =>
			x.room === name).map(([, m]) => m.offset);
		assert.deepEqual(of(room), range(1, 1500));
		assert.deepEqual(of(quiet), [1]);
		assert.deepEqual(gotten(b, 'roost:gap'), []);
		await h.counts('history_holes', (n) => n > 0);
		await h.counts('history_healed', (n) => n > 0);
		closeAll(a, b);
	} finally {
		await h.stop();
	}
});

/* --- clients --------------------------------------------------------------- */

test('a client that reads slowly gets all, and the others do not wait', async () => {
	const [a, b] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await join(b, room);
	const text = 'x'.repeat(2000);
	for (let i = 0; i < 2000; i += 100) {
		const acks = [];
		for (let k = 1; k <= 100; k++)
			acks.push(ask(a, 'self', { room, i: i + k, text }));
		await Promise.all(acks);
	}
	/* what is small fits into the socket */
	const s = await connect(d, '/k', { perMessageDeflate: false });
	const tcp = s.io.engine.transport.ws._socket;
	tcp.pause();
	let done;
	const joined = join(s, room, { epoch, offset: 0 }).then((r) => done = r);
	/* its socket is full, and there is more */
	await d.counts('send_queue_bytes', (n) => n > 0);
	assert.equal((await ask(a, 'say', { room })).offset, 2001);
	await heard(b, 'say', 1);
	assert.equal(done, undefined);
	tcp.resume();
	await joined;
	assert.equal(done.recovered, true);
	await until(() => gotten(s, 'say').length === 1, 'the last');
	assert.deepEqual(numbers(s), range(1, 2000));
	assert.equal(await d.metric('connections_closed', 'slow_consumer'), 0);
	closeAll(a, b, s);
});

test('recovery: what is kept comes once and in order, with its place', async () => {
	const [a] = await both(), room = fresh();
	await join(a, room);
	const s = await connect(d, '/k', { reconnection: true,
		reconnectionDelay: 10, reconnectionDelayMax: 50 });
	const { epoch } = await join(s, room, undefined);
	const sid = s.id;
	await say(a, room, 1, 5);
	await heard(s, 'self', 5);
	for (let i = 1; i <= 3; i++) {
		const back = once(s, 'connect', 20000);
		s.io.engine.transport.ws.terminate?.();
		s.io.engine.close();
		await say(a, room, 5 * i + 1, 5 * i + 5);
		await back;
		assert.deepEqual([s.recovered, s.id], [true, sid]);
		await heard(s, 'self', 5 * i + 5);
	}
	/* cut twice without traffic: nothing comes twice */
	for (let i = 0; i < 2; i++) {
		const back = once(s, 'connect', 20000);
		s.io.engine.close();
		await back;
		assert.equal(s.recovered, true);
	}
	await say(a, room, 21, 21);
	await heard(s, 'self', 21);
	assert.deepEqual(numbers(s), range(1, 21));
	assert.deepEqual(gotten(s, 'self').map(([, m]) => [m.epoch, m.offset]),
	    range(1, 21).map((i) => [epoch, i]));
	/* replayed by a join: the client knows where it is */
	const c = await connect(d, '/k', { reconnection: true,
		reconnectionDelay: 10, reconnectionDelayMax: 50 });
	await join(c, room, { epoch, offset: 10 });
	assert.deepEqual(numbers(c), range(11, 21));
	const back = once(c, 'connect', 20000);
	c.io.engine.close();
	await say(a, room, 22, 23);
	await back;
	assert.equal(c.recovered, true);
	await heard(c, 'self', 13);
	assert.deepEqual(numbers(c), range(11, 23));
	closeAll(a, s, c);
});

/* --- hand-overs ------------------------------------------------------------ */

/* Clients join with since, again and again, while others speak and workers turn:
 * each has every event once and in order. */
async function underTurns(turn) {
	const room = fresh(), a = await connect(d, '/k');
	const { epoch } = await join(a, room);
	let said = 0, stop = false, wrong = [], joins = 0;
	const speaker = (async () => {
		while (!stop) {
			const r = await ask(a, 'self', { room, i: said + 1 });
			if (r.offset !== undefined)
				said = r.offset;
			await sleep(1);		/* a pace */
		}
	})();
	const visitor = async () => {
		while (!stop) {
			const from = Math.max(0, said - Math.floor(Math.random() * 50));
			const s = await connect(d, '/k');
			const r = await join(s, room, { epoch, offset: from });
			await until(() => numbers(s).length > r.offset - from + 20 ||
			    stop, 'some more', 20000);
			joins++;
			const got = gotten(s, 'self').map(([, m]) => m.offset);
			if (!r.recovered || got.some((x, i) => x !== from + 1 + i))
				wrong.push([from, r, got]);
			s.close();
		}
	};
	const all = [speaker, ...range(1, 6).map(() => visitor())];
	try {
		await turn();
		await sleep(200);	/* of traffic behind the last */
	} finally {
		stop = true;
		await Promise.all(all);
	}
	assert.deepEqual(wrong, []);
	assert.ok(joins > 6, `${joins} joins`);
	await until(() => numbers(a).length === said, 'the last');
	assert.deepEqual(gotten(a, 'self').map(([, m]) => m.offset),
	    range(1, said));
	a.close();
}

test('reloads under joins: nothing is missing, and nothing comes twice', () =>
	underTurns(async () => {
		for (let i = 0; i < 4; i++)
			await reload();
	}));

test('more and fewer workers under joins', () =>
	underTurns(async () => {
		const n = () => d.children().filter((c) => c.role === 'worker').length;
		for (const [signal, want] of [['SIGTTIN', 3], ['SIGTTOU', 2]]) {
			process.kill(d.pid, signal);
			await until(() => n() === want, `${want} workers`, 20000);
			await sleep(300);	/* of traffic */
		}
	}));

test('upgrades under joins: the histories go on, too', () =>
	underTurns(async () => {
		for (let i = 0; i < 2; i++)
			await reload('SIGUSR2');
	}));

/* --- by chance ------------------------------------------------------------- */

test('200 clients, cut by chance: each event once, in order, or a gap is told',
    async () => {
	const r = await cuts({ seconds: 15 });
	assert.deepEqual(r.wrong, [], JSON.stringify(r.counts));
	assert.ok(r.counts.recovered > 0 && r.counts.replayed > 0,
	    JSON.stringify(r.counts));
});

test('... and what is done wrong there is noticed', async () => {
	/* it is the tool that is tried: once for all builds */
	for (const broken of sanitized ? ['double'] : ['lose', 'double', 'swap',
		'deaf']) {
		const r = await cuts({ seconds: 4, clients: 60, broken,
			kinds: ['connections', 'relay'] });
		assert.notEqual(r.wrong.length, 0,
		    `${broken}: ${JSON.stringify(r.counts)}`);
	}
});
