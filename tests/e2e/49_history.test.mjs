/*
 * Rooms that keep a history: places, joins that tell what was missed, pages.
 * Stock socket.io-client and plain WebSocket, a daemon with two workers.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard, plain } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = `
limits { message_bytes = 300KB }
store { room_bytes = 128KB }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish", "history"} }
      key "writer" { sha256 = "${sha('writer')}" allow = {"publish"} } }
namespace "/k" { auth = none
    room "short:{id}" { join = open history = 5 }
    room "k:{id}" { join = open history = 1000 }
    room "n:{id}" { join = open }
    event "say"  { to = room:room ack = accepted args = 1 }
    event "self" { to = room:room self = true ack = accepted member = off }
    event "tell" { to = room:room ack = delivered member = off }
    event "bare" { to = room:room self = true meta = off ack = accepted }
    event "once" { to = room:room history = off ack = accepted }
    event "typing" { to = room:room volatile = true ack = accepted } }
namespace "/none" { auth = none
    room "k:{id}" { join = open }
    event "say" { to = room:room ack = accepted } }
route "/ws/k" { namespace = "/k" }
`;
let d, rooms = 0;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const fresh = (kind = 'k') => `${kind}:${++rooms}`;
const both = () => sioOn(d, [1, 2], '/k');
const closeAll = (...l) => l.forEach((s) => s.close());
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const numbers = (s, event = 'self') => gotten(s, event).map(([x]) => x.i);
const offsets = (s, event = 'self') => gotten(s, event).map(([, m]) => m.offset);
async function say(s, room, from, to, event = 'self') {
	const acks = [];
	for (let i = from; i <= to; i++)
		acks.push(ask(s, event, { room, i }));
	return Promise.all(acks);
}
async function api(path, body, { key = KEY, method = 'POST' } = {}) {
	const r = await fetch(d.url(`/api/v1/${path}`), { method,
		headers: { Authorization: `Bearer ${key}`,
			'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { status: r.status, body: await r.json() };
}

/* --- places ---------------------------------------------------------------- */

test('an event gets its place: the ack, and all members, name it', async () => {
	const [a, b] = await both(), room = fresh();
	const first = await join(a, room);
	assert.deepEqual(Object.keys(first).sort(),
	    ['epoch', 'offset', 'recovered', 'room']);
	assert.equal(first.room, room);
	assert.equal(first.offset, 0);
	assert.equal(first.recovered, false);
	assert.match(first.epoch, /^[0-9a-zA-Z]{1,32}$/);
	await join(b, room);
	const acks = await say(a, room, 1, 3);
	assert.deepEqual(acks.map((x) => x.offset), [1, 2, 3]);
	assert.ok(acks.every((x) => x.epoch === first.epoch && x.id && x.ts));
	await say(b, room, 4, 6);
	for (const s of [a, b]) {
		await heard(s, 'self', 6);
		assert.deepEqual(numbers(s), range(1, 6));
		assert.deepEqual(offsets(s), range(1, 6));
		assert.ok(gotten(s, 'self').every(([, m]) =>
			m.epoch === first.epoch && m.room === room));
	}
	assert.equal((await join(b, room)).offset, 6);
	closeAll(a, b);
});

test('who joins with since is told what it missed, then is a member', async () => {
	const [a, b] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await say(a, room, 1, 20);
	for (const since of [{ epoch, offset: 7 }, { epoch, offset: 20 },
		{ epoch, offset: 0 }]) {
		const c = await connect(d, '/k');
		const r = await join(c, room, since);
		assert.deepEqual(r, { room, epoch, offset: 20, recovered: true });
		assert.deepEqual(numbers(c), range(since.offset + 1, 20));
		c.close();
	}
	await join(b, room, { epoch, offset: 18 });
	await say(a, room, 21, 22);
	await heard(b, 'self', 4);
	assert.deepEqual(numbers(b), range(19, 22));
	/* not asked for: nothing is told */
	const n = await connect(d, '/k');
	assert.deepEqual(await join(n, room),
	    { room, epoch, offset: 22, recovered: false });
	assert.deepEqual(numbers(n), []);
	closeAll(a, b, n);
});

test('what is not kept any more is said', async () => {
	const [a, b] = await both(), room = fresh('short');
	const { epoch } = await join(a, room);
	await say(a, room, 1, 12);
	assert.deepEqual(await join(b, room, { epoch, offset: 3 }),
	    { room, epoch, offset: 12, recovered: false });
	assert.deepEqual(numbers(b), range(8, 12));
	const c = await connect(d, '/k');
	const r = await join(c, room, { epoch: 'other1', offset: 3 });
	assert.deepEqual([r.epoch, r.offset, r.recovered], [epoch, 12, false]);
	const e = await connect(d, '/k');
	assert.equal((await join(e, room, { epoch, offset: 99 })).recovered, false);
	closeAll(a, b, c, e);
});

test('acks: delivered counts all who got it, on whichever worker', async () => {
	const [a, b] = await both(), room = fresh();
	const c = await connect(d, '/k'), e = await connect(d, '/k');
	for (const s of [a, b, c, e])
		await join(s, room);
	const r = await ask(a, 'tell', { room, i: 1 });
	assert.deepEqual([r.delivered, r.offset], [3, 1]);
	assert.ok(r.epoch && r.id);
	assert.equal((await ask(a, 'tell', { room: fresh(), i: 1 })).delivered, 0);
	const far = await ask(b, 'tell', { room, i: 2 });
	assert.deepEqual([far.delivered, far.offset], [3, 2]);
	for (const s of [c, e])
		await heard(s, 'tell', 2);
	await heard(a, 'tell', 1);
	assert.deepEqual(numbers(a, 'tell'), [2]);
	assert.deepEqual(numbers(b, 'tell'), [1]);
	closeAll(a, b, c, e);
});

test('without meta nothing is written into events; once and volatile are not kept', async () => {
	const [a, b] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await join(b, room);
	assert.equal((await ask(a, 'bare', { room, i: 1 })).offset, 1);
	assert.deepEqual(Object.keys(await ask(a, 'once', { room, i: 2 })).sort(),
	    ['id', 'ts']);
	assert.deepEqual(Object.keys(await ask(a, 'typing', { room, i: 3 })).sort(),
	    ['id', 'ts']);
	await heard(b, 'typing');
	assert.deepEqual(gotten(b, 'bare'), [[{ room, i: 1 }]]);
	assert.equal(gotten(b, 'once')[0][1].offset, undefined);
	const page = await ask(b, 'history:get', { room });
	assert.deepEqual(page, { room, epoch, offset: 1, more: false, gap: false,
		events: [{ offset: 1, event: 'bare', args: [{ room, i: 1 }] }] });
	closeAll(a, b);
});

test('a namespace that keeps nothing has no places', async () => {
	const a = await connect(d, '/none'), room = fresh();
	assert.deepEqual(await join(a, room, { epoch: 'x', offset: 1 }), { room });
	assert.deepEqual(Object.keys(await ask(a, 'say', { room })).sort(),
	    ['id', 'ts']);
	assert.equal(codeOf(await ask(a, 'history:get', { room })),
	    'unknown_event');
	const b = await connect(d, '/k'), plainRoom = fresh('n');
	assert.deepEqual(await join(b, plainRoom), { room: plainRoom });
	assert.equal(codeOf(await ask(b, 'history:get', { room: plainRoom })),
	    'invalid');
	assert.deepEqual(Object.keys(await ask(b, 'say', { room: plainRoom })).sort(),
	    ['id', 'ts']);
	closeAll(a, b);
});

/* --- pages ----------------------------------------------------------------- */

test('history:get: the newest, pages behind a place, to the end', async () => {
	const [a, b] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	assert.equal(codeOf(await ask(b, 'history:get', { room })), 'not_member');
	await say(a, room, 1, 250);
	const last = await ask(a, 'history:get', { room });
	assert.deepEqual(last.events.map((e) => e.offset), range(151, 250));
	const all = [];
	for (let since = { epoch, offset: 0 }, more = true; more;) {
		const p = await ask(a, 'history:get', { room, since, limit: 60 });
		assert.equal(p.gap, false);
		assert.equal(p.offset, 250);
		all.push(...p.events);
		since = { epoch: p.epoch, offset: p.events.at(-1).offset };
		more = p.more;
	}
	assert.deepEqual(all.map((e) => e.args[0].i), range(1, 250));
	assert.ok(all.every((e) => e.event === 'self' &&
		e.meta.offset === e.offset && e.meta.epoch === epoch));
	assert.equal((await ask(a, 'history:get',
	    { room, since: { epoch: 'zz9', offset: 1 } })).gap, true);
	closeAll(a, b);
});

test('what is asked wrongly is refused', async () => {
	const a = await connect(d, '/k'), room = fresh();
	await join(a, room);
	for (const since of [1, 'x', [], {}, { offset: -1, epoch: 'a' },
		{ offset: 'a', epoch: 'a' }, { offset: 1 }, { offset: 1, epoch: '' },
		{ offset: 1, epoch: 'a"b' }, { offset: 1, epoch: 'a'.repeat(33) },
		{ offset: 1.5, epoch: 'a' }, { epoch: 'a' }]) {
		for (const event of ['room:join', 'history:get'])
			assert.equal(codeOf(await ask(a, event, { room, since })),
			    'bad_request', `${event} ${JSON.stringify(since)}`);
	}
	for (const limit of [0, -1, 1001, 'x', 1.5])
		assert.equal(codeOf(await ask(a, 'history:get', { room, limit })),
		    'bad_request', `limit ${limit}`);
	assert.equal(codeOf(await ask(a, 'self', { room, s: 'x'.repeat(150000) })),
	    'too_large');
	a.close();
});

test('plain WebSocket and HTTP see the same events', async () => {
	const [a] = await both(), room = fresh();
	const { epoch } = await join(a, room);
	await say(a, room, 1, 5);
	const w = await plain(d, '/ws/k');
	const j = await w.ask('room:join', { room, since: { epoch, offset: 2 } });
	assert.deepEqual(j.data, { room, epoch, offset: 5, recovered: true });
	assert.deepEqual(w.got.filter((m) => m.event === 'self')
	    .map((m) => [m.data.i, m.meta.offset]), [[3, 3], [4, 4], [5, 5]]);
	const said = await w.ask('self', { room, i: 6 });
	assert.deepEqual([said.data.offset, said.data.epoch], [6, epoch]);
	const p = await w.ask('history:get', { room, limit: 2 });
	assert.deepEqual(p.data.events.map((e) => [e.offset, e.event, e.data.i]),
	    [[5, 'self', 5], [6, 'self', 6]]);
	const h = await api(`history/k/${encodeURIComponent(room)}?since=${epoch
	}:2&limit=2`, undefined, { method: 'GET' });
	assert.equal(h.status, 200);
	assert.deepEqual(h.body.events.map((e) => [e.offset, e.args[0].i]),
	    [[3, 3], [4, 4]]);
	assert.equal(h.body.more, true);
	const rest = await api(`history/k/${encodeURIComponent(room)}?since=${
	    epoch}:4`, undefined, { method: 'GET' });
	assert.deepEqual(rest.body.events.map((e) => e.offset), [5, 6]);
	assert.equal(rest.body.more, false);
	a.close();
	w.close();
});

test('HTTP: keys, names and queries', async () => {
	const get = (path, o) => api(`history/${path}`, undefined,
	    { method: 'GET', ...o });
	assert.equal((await get('k/k:1', { key: 'writer' })).status, 403);
	assert.equal((await get('k/k:1', { key: 'nobody' })).status, 401);
	assert.equal((await get('nowhere/k:1')).status, 404);
	assert.equal((await get('k/n:1')).status, 404);
	for (const q of ['k', 'k/', 'k/k:1?since=x', 'k/k:1?since=a:b',
		'k/k:1?since=:5', 'k/k:1?limit=0', 'k/k:1?limit=1001'])
		assert.equal((await get(q)).status, 400, q);
	const empty = await get('k/k:nobody');
	assert.deepEqual([empty.status, empty.body.events, empty.body.offset],
	    [200, [], 0]);
});

/* --- back ends ------------------------------------------------------------- */

test('POST publish into kept rooms: places, members, pages', async () => {
	const [a, b] = await both(), room = fresh(), other = fresh();
	const { epoch } = await join(a, room);
	const o = await join(b, other);
	await join(b, room);
	const post = (body, opts) => api('publish', { namespace: 'k', event: 'self',
		...body }, opts);
	const one = await post({ room, data: { i: 1 } });
	assert.deepEqual(one, { status: 200, body: { id: one.body.id, epoch,
		offset: 1 } });
	const two = await post({ rooms: [room, other], data: { i: 2 }, id: 'x1' });
	assert.deepEqual(two.body, { id: 'x1', kept: [
		{ room, epoch, offset: 2 }, { room: other, epoch: o.epoch, offset: 1 }] });
	assert.deepEqual((await post({ room, data: { i: 2 }, id: 'x1' })).body,
	    { id: 'x1', duplicate: true });
	const mixed = fresh('n');
	await join(a, mixed);
	assert.equal((await post({ rooms: [mixed, room], data: { i: 3 } })).body
	    .offset, 3);
	const but = await post({ room, except: a.id, data: { i: 4 } });
	assert.equal(but.body.offset, 4);
	assert.equal((await api('batch', [1, 2].map((i) => ({ namespace: 'k',
		event: 'self', room, data: { i: 4 + i } })))).body.results.length, 2);
	/* b is in both rooms, a in n as well: who is in two gets it twice */
	await heard(b, 'self', 7);
	/* which room a place is of says meta, in each of several rooms */
	for (const [, m] of gotten(b, 'self'))
		assert.equal(m.room, m.epoch === epoch ? room : other);
	assert.deepEqual(gotten(b, 'self').filter(([, m]) => m.epoch === epoch)
	    .map(([x, m]) => [x.i, m.offset]),
	[[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 6]]);
	await heard(a, 'self', 6);
	assert.deepEqual(gotten(a, 'self').filter(([, m]) => m.offset)
	    .map(([x]) => x.i), [1, 2, 3, 5, 6]);
	const large = await post({ room, data: 'x'.repeat(150000), id: 'x2' });
	assert.deepEqual([large.status, large.body.error.code], [413, 'too_large']);
	const v = await post({ room, volatile: true, data: { i: 9 } });
	assert.deepEqual(Object.keys(v.body), ['id']);
	/* attachments as in POST publish */
	await post({ room, args: [{ _placeholder: true, num: 0 }],
		attachments: ['AQID'] });
	const page = await ask(a, 'history:get', { room, limit: 1 });
	assert.deepEqual(page.events[0].attachments, ['AQID']);
	assert.deepEqual(page.events[0].args, [{ _placeholder: true, num: 0 }]);
	const c = await connect(d, '/k');
	await join(c, room, { epoch, offset: 6 });
	assert.deepEqual(gotten(c, 'self')[0][0], Buffer.from([1, 2, 3]));
	closeAll(a, b, c);
});

/* --- back ends that ask ---------------------------------------------------- */

test('ack: the event has its place, and its clients of both workers answer', async () => {
	const [a, b] = await both(), room = fresh();
	for (const s of [a, b]) {
		await join(s, room);
		s.on('sum', (data, meta, done) => done(data + meta.offset));
	}
	for (let i = 1; i <= 3; i++) {
		const r = await api('publish', { namespace: 'k', room,
			event: 'sum', data: 10 * i, ack: true });
		assert.equal(r.status, 200, JSON.stringify(r.body));
		assert.deepEqual([r.body.asked, r.body.answered, r.body.complete,
			r.body.offset, typeof r.body.epoch],
		[2, 2, true, i, 'string']);
		assert.deepEqual(r.body.answers.map((x) => x.args),
		    [[11 * i], [11 * i]]);
		assert.deepEqual(new Set(r.body.answers.map((x) => x.sid)),
		    new Set([a.id, b.id]));
	}
	/* it was kept like any other */
	const page = await api(`history/k/${room}`, undefined, { method: 'GET' });
	assert.deepEqual(page.body.events.map((e) => e.args),
	    [[10], [20], [30]]);
	for (const s of [a, b])
		assert.deepEqual(gotten(s, 'sum').map(([x]) => x), [10, 20, 30]);
	closeAll(a, b);
});

test('ack: clients that may come back are asked as well', async () => {
	const r = await Daemon.start({ workers: 2,
		conf: `recovery { window = 1m }\n${conf}` });
	const two = await sioOn(r, [1, 2], '/k');
	for (const s of two) {
		await join(s, 'k:1');
		s.on('sum', (...a) => a.at(-1)(a[0]));
	}
	const answer = await fetch(r.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: 'k', room: 'k:1', event: 'sum',
			data: 7, ack: true }) });
	const { answers, complete, offset } = await answer.json();
	assert.deepEqual([answers.map((x) => x.args), complete, offset],
	    [[[7], [7]], true, 1]);
	closeAll(...two);
	await r.stop();
});

test('ack: nobody is there, somebody is silent, once for an id', async () => {
	const room = fresh();
	const put = (body) => api('publish', { namespace: 'k', room, event: 'e',
		ack: true, ...body });
	let r = (await put({})).body;
	assert.deepEqual([r.asked, r.answered, r.complete, r.offset],
	    [0, 0, true, 1]);
	const [a, b] = await both();
	for (const s of [a, b])
		await join(s, room);
	a.on('e', (...args) => args.at(-1)('yes'));
	r = (await put({ timeout: 200, id: 'kept-once' })).body;
	assert.deepEqual([r.asked, r.answered, r.complete, r.offset],
	    [2, 1, false, 2]);
	assert.deepEqual(r.answers.map((x) => x.args), [['yes']]);
	assert.deepEqual((await put({ id: 'kept-once' })).body,
	    { id: 'kept-once', duplicate: true });
	assert.equal(gotten(b, 'e').length, 1);
	/* each has answers of its own: one such room, and nobody else */
	for (const more of [{ rooms: [fresh()] }, { user: 'ann' }]) {
		r = await put(more);
		assert.deepEqual([r.status, r.body.error.code],
		    [400, 'bad_request']);
	}
	r = await put({ data: 'x'.repeat(129 * 1024) });
	assert.deepEqual([r.status, r.body.error.code], [413, 'too_large']);
	await d.counts('asks_open', 0);
	closeAll(a, b);
});

test('ack: the relay killed meanwhile: unavailable, or not complete', async () => {
	const k = await Daemon.start({ workers: 1, conf });
	const { pid } = k.relay();
	k.mayDie = true;
	process.kill(pid, 'SIGSTOP');
	const r = fetch(k.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: 'k', room: 'k:gone', event: 'e',
			ack: true, id: 'again' }) });
	await k.counts('asks_open', 1);
	process.kill(pid, 'SIGKILL');
	const answer = await r;
	assert.equal(answer.status, 503);
	assert.equal((await answer.json()).error.code, 'unavailable');
	await k.counts('asks_open', 0);
	await k.stop();
});
