/*
 * Server-Sent Events: streams by fetch, whose every byte is seen, and by curl.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, plain } from './lib/clients.mjs';
import { Stream } from './lib/sse.mjs';
import { mint, now, secret } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = `
jwt { secret = "${secret}" }
store { room_bytes = 64KB }
allowed_origins = {"http://good.example"}
cors { origins = {"http://cors.example"} }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish", "disconnect"} } }
namespace "/k" { auth = none
    room "short:{id}" { join = open history = 5 }
    room "k:{id}" { join = open history = 1000 }
    room "n:{id}" { join = open }
    room "closed" { join = server }
    event "say" { to = room:room self = true ack = accepted member = off }
    event "typing" { to = room:room volatile = true ack = accepted member = off } }
namespace "/user" { auth = required
    room "own:{id}" { join = "self:id" history = 10 }
    room "course:{id}" { join = claim:courses } }
namespace "/off" { auth = none sse = false }
`;
let d, rooms = 0;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const fresh = (kind = 'k') => `${kind}:${++rooms}`;
const url = (ns, named = [], query = '') => d.url(`/sse/${ns}?${
    named.map((r) => `room=${encodeURIComponent(r)}`).join('&')}${query}`);
const open = (ns, named, opts) => Stream.open(url(ns, named), opts);
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
async function publish(body) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: typeof body === 'string' ? body : JSON.stringify(body) });
	assert.equal(r.status, 200, await r.clone().text());
	return r.json();
}
const say = async (room, from, to) => {
	for (const i of range(from, to))
		await publish({ namespace: 'k', room, event: 'say', data: { i } });
};
const numbers = (s) => s.of('say').map((e) => e.json.data.i);

/* --- one stream ------------------------------------------------------------ */

test('the head says what it is, and the first bytes come at once', async () => {
	const s = await open('k', [fresh()]);
	assert.equal(s.status, 200);
	const h = s.response.headers;
	assert.equal(h.get('content-type'), 'text/event-stream');
	assert.equal(h.get('cache-control'), 'no-cache, no-transform');
	assert.equal(h.get('x-accel-buffering'), 'no');
	assert.equal(h.get('content-encoding'), null);
	await until(() => s.retry >= 1000 && s.retry < 3000, 'retry');
	s.close();
});

test('events come with their name, as plain WebSocket has them', async () => {
	const room = fresh('n'), s = await open('k', [room]);
	const w = await plain(d, '/ws/k');
	await w.ask('room:join', { room });
	await s.heard('roost:joined');
	assert.deepEqual(s.of('roost:joined')[0].json.data, { room });
	await publish({ namespace: 'k', room, event: 'news', data: { a: 1 } });
	await publish({ namespace: 'k', room, event: 'many', args: [1, 'two'] });
	await publish({ namespace: 'k', event: 'all', data: null });
	await s.heard('all');
	await until(() => w.got.some((m) => m.event === 'all'), 'all');
	assert.deepEqual(s.got.filter((e) => !e.event.startsWith('roost:'))
	    .map((e) => e.json), w.got.filter((m) => m.event));
	assert.ok(s.got.every((e) => !e.own), 'nothing is kept: no ids');
	s.close();
	w.terminate();
});

test('what would end a line does not', async () => {
	const room = fresh('n'), s = await open('k', [room]);
	await s.heard('roost:joined');
	const name = JSON.stringify('a\nid: 1\r\ndata: x');
	await publish(`{"namespace":"k","room":"${room}","event":"e",
	    "data":{"a":\r\n\r\n"b\\nc"\n,\r"d":[1,\n2]}}`);
	await s.heard('e');
	assert.deepEqual(s.of('e')[0].json.data, { a: 'b\nc', d: [1, 2] });
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: `{"namespace":"k","room":"${room}","event":${name},"data":1}` });
	assert.equal(r.status, 400, 'nor could such a name be published');
	s.close();
});

/* --- ids ------------------------------------------------------------------- */

test('an id names the place, and by it nothing is missed', async () => {
	const room = fresh();
	let s = await open('k', [room]);
	const joined = (await s.heard('roost:joined'))[0];
	assert.equal(joined.json.data.recovered, false);
	assert.equal(joined.id, `${joined.json.data.epoch}:0`);
	await say(room, 1, 3);
	await s.heard('say', 3);
	assert.deepEqual(s.of('say').map((e) => e.id),
	    range(1, 3).map((i) => `${joined.json.data.epoch}:${i}`));
	s.close();
	await say(room, 4, 9);
	const lastId = s.lastId;
	s = await open('k', [room], { lastId });
	const back = (await s.heard('roost:joined'))[0];
	assert.equal(back.json.data.recovered, true);
	assert.deepEqual(numbers(s), range(4, 9));
	await say(room, 10, 10);
	await s.heard('say', 7);
	assert.equal(s.of('roost:gap').length, 0);
	s.close();
	/* the same in the query; the header is newer */
	const q = `&last_event_id=${encodeURIComponent(lastId)}`;
	const t = await Stream.open(url('k', [room], q));
	await t.heard('say', 7);
	assert.deepEqual(numbers(t), range(4, 10));
	t.close();
	const u = await Stream.open(url('k', [room], q), { lastId: s.lastId });
	assert.equal((await u.heard('roost:joined'))[0].json.data.recovered, true);
	assert.deepEqual(numbers(u), []);
	u.close();
});

test('the id of a stream of several rooms tells of all', async () => {
	const [a, b, c] = [fresh(), fresh(), fresh('n')];
	let s = await open('k', [a, c, b]);
	await s.heard('roost:joined', 3);
	await say(a, 1, 2);
	await say(b, 11, 13);
	await say(c, 21, 21);
	await s.heard('say', 6);
	assert.match(s.lastId, /^[0-9a-zA-Z]+:2,,[0-9a-zA-Z]+:3$/);
	const { lastId } = s;
	s.close();
	await say(b, 14, 15);
	await say(a, 3, 5);
	await say(c, 22, 22);
	s = await open('k', [a, c, b], { lastId });
	await s.heard('roost:joined', 3);
	assert.deepEqual(numbers(s).filter((i) => i < 10), range(3, 5));
	assert.deepEqual(numbers(s).filter((i) => i > 10), [14, 15]);
	assert.match(s.lastId, /^[0-9a-zA-Z]+:5,,[0-9a-zA-Z]+:5$/);
	s.close();
});

test('a gap is told before what is behind it', async () => {
	const room = fresh('short');
	let s = await open('k', [room]);
	await s.heard('roost:joined');
	await say(room, 1, 1);
	await s.heard('say');
	const { lastId } = s, [epoch] = lastId.split(':');
	s.close();
	await say(room, 2, 9);
	s = await open('k', [room], { lastId });
	await s.heard('roost:joined');
	assert.deepEqual(s.got.map((e) => e.event), ['roost:gap',
		...Array(5).fill('say'), 'roost:joined']);
	assert.deepEqual(s.got[0].json.data, { room, epoch, offset: 1 });
	assert.deepEqual(numbers(s), range(5, 9));
	assert.equal(s.of('roost:joined')[0].json.data.recovered, false);
	s.close();
	/* another server's id, or that of other rooms */
	for (const odd of ['17', 'x:y', `${lastId},${lastId}`]) {
		s = await open('k', [room], { lastId: odd });
		await s.heard('roost:joined');
		assert.deepEqual(s.got.map((e) => e.event),
		    ['roost:gap', 'roost:joined'], odd);
		assert.deepEqual(s.got[0].json.data, { room });
		s.close();
	}
});

test('events that are not kept have no id', async () => {
	const room = fresh(), s = await open('k', [room]);
	const w = await plain(d, '/ws/k');
	await s.heard('roost:joined');
	await w.ask('typing', { room });
	await w.ask('say', { room, i: 1 });
	await s.heard('say');
	assert.deepEqual(s.got.map((e) => [e.event, e.own]),
	    [['roost:joined', true], ['typing', false], ['say', true]]);
	assert.equal(s.of('say')[0].json.meta.offset, 1);
	s.close();
	w.terminate();
});

/* --- from one transport to another ----------------------------------------- */

test('plain WebSocket to an event stream and back, amid 1,000 events', async () => {
	const room = fresh(), got = [];
	const sender = await connect(d, '/k');
	const sending = (async () => {
		for (let i = 1; i <= 1000; i++)
			await ask(sender, 'say', { room, i });
	})();
	let place;
	for (let turn = 0; got.at(-1) !== 1000; turn++) {
		const target = Math.min(1000, got.length + 60);
		if (turn % 2 === 0) {
			const w = await plain(d, '/ws/k');
			const joined = await w.ask('room:join', { room,
				since: place });
			assert.ok(place === undefined || joined.data.recovered);
			const all = () => w.got.filter((m) => m.event === 'say');
			if (place === undefined && joined.data.offset > 0)
				place = { epoch: joined.data.epoch, offset: 0 };
			else
				await until(() => got.length + all().length >= target,
				    'events', 20000);
			w.terminate();
			if (place?.offset === 0 && got.length === 0)
				continue;
			got.push(...all().map((m) => m.data.i));
			const last = all().at(-1)?.meta ?? joined.data;
			place = { epoch: last.epoch, offset: last.offset };
		} else {
			const s = await open('k', [room],
			    { lastId: `${place.epoch}:${place.offset}` });
			await until(() => got.length + s.of('say').length >= target,
			    'events', 20000);
			s.close();
			got.push(...numbers(s));
			assert.equal(s.of('roost:gap').length, 0);
			const [epoch, offset] = s.lastId.split(':');
			place = { epoch, offset: Number(offset) };
		}
	}
	await sending;
	assert.deepEqual(got, range(1, 1000));
	sender.close();
});

/* --- who may --------------------------------------------------------------- */

test('what may not be is refused before there is a stream', async () => {
	const of = async (u, headers) => {
		const r = await fetch(u, { headers });
		return [r.status, (await r.json()).error.code];
	};
	assert.deepEqual(await of(url('nowhere')), [404, 'not_found']);
	assert.deepEqual(await of(url('off')), [404, 'not_found']);
	assert.deepEqual(await of(url('k', ['closed'])), [403, 'forbidden']);
	assert.deepEqual(await of(url('k', ['no such'])), [403, 'forbidden']);
	assert.deepEqual(await of(url('k', ['n:1', 'n:1'])), [400, 'bad_request']);
	assert.deepEqual(await of(url('k', [''])), [400, 'bad_request']);
	assert.deepEqual(await of(url('k', [], 'room=%00')), [400, 'bad_request']);
	assert.deepEqual(await of(url('k', range(1, 33).map((i) => `n:${i}`))),
	    [400, 'bad_request']);
	assert.deepEqual(await of(url('k', ['k:1'], '&last_event_id=x')),
	    [400, 'bad_request']);
	assert.deepEqual(await of(url('user')), [401, 'unauthorized']);
	assert.deepEqual(await of(url('k'), { Origin: 'http://evil.example' }),
	    [403, 'origin']);
});

test('a token comes in the header, the query, and its rights count', async () => {
	const token = mint({ sub: 'carol', exp: now() + 3600, courses: ['go'] });
	const bearer = { Authorization: `Bearer ${token}` };
	const s = await open('user', ['own:carol', 'course:go'], { headers: bearer });
	await s.heard('roost:joined', 2);
	s.close();
	const t = await Stream.open(url('user', ['own:carol'], `&token=${token}`));
	await t.heard('roost:joined');
	t.close();
	const u = await open('user', ['own:dave'], { headers: bearer });
	assert.equal(u.status, 403);
});

test('the end of a token is told before it comes', async () => {
	const token = mint({ sub: 'carol', exp: now() + 2 });
	const s = await open('user', ['own:carol'],
	    { headers: { Authorization: `Bearer ${token}` } });
	await s.heard('auth:expiring');
	await s.end(20000);
	assert.deepEqual(s.got.at(-1).event, 'roost:close');
	assert.equal(s.got.at(-1).json.code, 1008);
	const again = await open('user', ['own:carol'],
	    { headers: { Authorization: `Bearer ${token}` } });
	assert.equal(again.status, 401);
});

test('pages of listed origins may read it', async () => {
	const s = await open('k', [], { headers: { Origin: 'http://cors.example' } });
	assert.equal(s.status, 200);
	assert.equal(s.response.headers.get('access-control-allow-origin'),
	    'http://cors.example');
	s.close();
	const r = await fetch(url('k'), { method: 'OPTIONS', headers: {
		Origin: 'http://cors.example', 'Access-Control-Request-Method': 'GET',
		'Access-Control-Request-Headers': 'authorization' } });
	assert.equal(r.status, 204);
	assert.match(r.headers.get('access-control-allow-headers'), /authorization/i);
});
