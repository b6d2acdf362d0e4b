/* Rules: who may join, who may send what, who gets it, and in which form. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard, plain }
	from './lib/clients.mjs';
import { socketio, Ws } from './lib/wire.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: jwt + `
limits { rooms_per_session = 20 }
namespace "/chat" {
    auth = required
    room "open:{x}"    { join = open }
    room "course:{id}" { join = claim:courses }
    room "pair:{a}:{b}" { join = claim:pairs }
    room "dm:{a}:{b}"  { join = "self:a,b" }
    room "own:{a}:{b}" { join = "self:b" }
    room "staff"       { join = server }
    event "message"  { to = room:room  ack = delivered
        check = {"room: string", "content: string 1..20", "page?: integer 0..9",
            "tags?: array ..3", "urgent?: boolean", "score?: number 0.5..",
            "extra?: object"} }
    event "typing"   { to = room:room volatile = true }
    event "pair"     { to = room:room args = 2 }
    event "triple"   { to = room:room args = 3 }
    event "shout"    { to = room:room member = off ack = accepted }
    event "announce" { to = namespace roles = {"teacher", "admin"} ack = delivered }
    event "all"      { to = namespace self = true }
    event "dm"       { to = user:to confirm = "dm:sent" as = "dm:new" ack = delivered }
    event "small"    { to = sender max_bytes = 20B ack = accepted }
    event "echo"     { to = sender ack = echo }
    event "plain"    { to = room:room meta = off as = "PLAIN" }
    event "lost"     { to = nowhere error = "not any more" }
    event "hole"     { to = nowhere ack = accepted }
    event "*"        { to = nowhere error = "unknown event" }
}
namespace "/feed" {
    auth = none
    room "track:{id}" { join = server }
    event "message" { to = room:room member = off }
}
namespace "/any" { auth = none
    event "*" { to = namespace ack = delivered } }
route "/ws/comments/{track_id}" { namespace = "/feed" join = "track:{track_id}" format = bare }
route "/ws/tracks/{a}/{b}" { namespace = "/feed" join = "track:{b}" }
route "/ws/admin" { namespace = "/chat" roles = {"admin"} }
` });
});
after(() => d.stop());

const chat = (name, claims = {}, opts = {}) =>
	connect(d, '/chat', { auth: { token: user(name, claims) }, ...opts });
const join = (s, room) => ask(s, 'room:join', { room });
const closeAll = (...l) => l.forEach((s) => s.close());

/* --- joining -------------------------------------------------------------- */

const joins = [
	['open', {}, 'open:x', true],
	['open', {}, 'open:', false],
	['a parameter stops at a colon', {}, 'open:a:b', false],
	['no rule', {}, 'elsewhere', false],
	['claim array', { courses: ['c1', 'c2'] }, 'course:c2', true],
	['claim string', { courses: 'c1' }, 'course:c1', true],
	['claim number', { courses: [7] }, 'course:7', true],
	['not in the claim', { courses: ['c1'] }, 'course:c3', false],
	['a prefix of a claimed value', { courses: ['c10'] }, 'course:c1', false],
	['no such claim', {}, 'course:c1', false],
	['claim of the whole room', { pairs: ['pair:x:y'] }, 'pair:x:y', true],
	['claim of parts of the room', { pairs: ['x', 'y'] }, 'pair:x:y', false],
	['self, first', {}, 'dm:ann:ben', true],
	['self, second', {}, 'dm:ben:ann', true],
	['not self', {}, 'dm:ben:cid', false],
	['only the second may be self', {}, 'own:ann:ben', false],
	['the second is self', {}, 'own:ben:ann', true],
	['server only', {}, 'staff', false],
];
for (const [what, claims, room, ok] of joins) {
	test(`join: ${what}: ${room} ${ok ? 'yes' : 'no'}`, async () => {
		const s = await chat('ann', claims);
		const a = await join(s, room);
		if (ok)
			assert.deepEqual(a, { room });
		else
			assert.equal(codeOf(a), 'forbidden');
		s.close();
	});
}

test('join: what is no room name is a bad request', async () => {
	const s = await chat('ann');
	for (const arg of [undefined, null, 5, {}, { room: 5 }, { room: '' }, [],
	    { room: 'open:' + 'x'.repeat(5000) }]) {
		const a = await ask(s, 'room:join', arg);
		assert.ok(['bad_request', 'invalid'].includes(codeOf(a)),
		    JSON.stringify([arg, a]));
	}
	s.close();
});

test('join: twice is once; leave; leave again is not_member', async () => {
	const a = await chat('ann'), b = await chat('ben');
	for (const s of [a, b, b])
		assert.deepEqual(await join(s, 'open:r'), { room: 'open:r' });
	a.emit('typing', { room: 'open:r' });
	await heard(b, 'typing');
	assert.equal(await ask(b, 'echo', 1), 1);
	assert.equal(gotten(b, 'typing').length, 1);
	assert.deepEqual(await ask(b, 'room:leave', { room: 'open:r' }),
	    { room: 'open:r' });
	assert.equal(codeOf(await ask(b, 'room:leave', { room: 'open:r' })),
	    'not_member');
	a.emit('typing', { room: 'open:r' });
	assert.equal(await ask(a, 'echo', 1), 1);
	assert.equal(await ask(b, 'echo', 1), 1);
	assert.equal(gotten(b, 'typing').length, 1);
	closeAll(a, b);
});

test('join: rooms_per_session is a limit', async () => {
	const s = await chat('ann');
	for (let i = 0; i < 20; i++)
		assert.deepEqual(await join(s, `open:${i}`), { room: `open:${i}` });
	assert.equal(codeOf(await join(s, 'open:20')), 'limit');
	assert.deepEqual(await join(s, 'open:3'), { room: 'open:3' });
	await ask(s, 'room:leave', { room: 'open:3' });
	assert.deepEqual(await join(s, 'open:20'), { room: 'open:20' });
	s.close();
});

/* --- sending -------------------------------------------------------------- */

test('room: members get it, the sender and others do not', async () => {
	const [a, b, c, e] = await Promise.all(
	    ['ann', 'ben', 'cid', 'eve'].map((n) => chat(n)));
	for (const s of [a, b, c])
		await join(s, 'open:m');
	const ack = await ask(a, 'message', { room: 'open:m', content: 'hi' });
	assert.equal(ack.delivered, 2);
	assert.equal(typeof ack.id, 'string');
	assert.ok(Math.abs(ack.ts - Date.now()) < 60000);
	for (const s of [b, c]) {
		const [[data, meta]] = await heard(s, 'message');
		assert.deepEqual(data, { room: 'open:m', content: 'hi' });
		assert.equal(meta.from, 'ann');
		assert.equal(meta.room, 'open:m');
		assert.equal(meta.id, ack.id);
		assert.ok(Math.abs(meta.ts - Date.now()) < 60000);
	}
	assert.equal(await ask(e, 'echo', 1), 1);
	for (const s of [a, e])
		assert.equal(gotten(s, 'message').length, 0);
	closeAll(a, b, c, e);
});

test('room: who is not in it may not send to it; member = off lifts that', async () => {
	const a = await chat('ann'), b = await chat('ben');
	await join(b, 'open:n');
	assert.equal(codeOf(await ask(a, 'message',
	    { room: 'open:n', content: 'x' })), 'not_member');
	const r = await ask(a, 'shout', { room: 'open:n' });
	assert.equal(typeof r.id, 'string');
	await heard(b, 'shout');
	assert.equal(gotten(b, 'message').length, 0);
	closeAll(a, b);
});

test('check: what passes and what does not', async () => {
	const s = await chat('ann');
	await join(s, 'open:c');
	const ok = { room: 'open:c', content: 'x' };
	for (const more of [{}, { content: 'é'.repeat(20) }, { content: '😀'.repeat(20) },
	    { page: 0 }, { page: 9 }, { tags: [] }, { tags: [1, 2, 3] },
	    { urgent: false }, { score: 0.5 }, { score: 1e3 }, { extra: {} },
	    { other: [1] }]) {
		const a = await ask(s, 'message', { ...ok, ...more });
		assert.equal(a.delivered, 0, JSON.stringify([more, a]));
	}
	for (const more of [{ content: '' }, { content: 'x'.repeat(21) }, { content: 5 },
	    { content: null }, { page: null }, { content: undefined }, { room: 5 }, { page: -1 },
	    { page: 10 }, { page: 1.5 }, { page: '1' }, { tags: [1, 2, 3, 4] },
	    { tags: {} }, { urgent: 0 }, { score: 0.4 }, { extra: [] }]) {
		const a = await ask(s, 'message', { ...ok, ...more });
		assert.equal(codeOf(a), 'invalid', JSON.stringify([more, a]));
	}
	for (const arg of [undefined, null, 'x', 5, [ok]])
		assert.equal(codeOf(await ask(s, 'message', arg)), 'invalid');
	s.close();
});

test('roles of an event', async () => {
	const t = await chat('tess', { roles: ['teacher'] });
	const s = await chat('stu', { roles: 'student reader' });
	const n = await chat('none');
	const a = await ask(t, 'announce', 'now');
	assert.ok(a.delivered >= 2);
	await heard(s, 'announce');
	assert.equal(codeOf(await ask(s, 'announce', 'me too')), 'forbidden');
	assert.equal(codeOf(await ask(n, 'announce', 'me too')), 'forbidden');
	closeAll(t, s, n);
});

test('roles_claim as a string of words', async () => {
	const t = await chat('tess', { roles: 'reader teacher' });
	assert.ok((await ask(t, 'announce', 1)).delivered >= 0);
	t.close();
});

test('self = true includes the sender', async () => {
	const a = await chat('ann'), b = await chat('ben');
	a.emit('all', 1);
	assert.equal((await heard(a, 'all'))[0][0], 1);
	assert.equal((await heard(b, 'all'))[0][0], 1);
	closeAll(a, b);
});

test('user: every connection of that user, confirm to the sender, renamed', async () => {
	const a = await chat('ann');
	const b = await Promise.all([1, 2, 3].map(() => chat('ben')));
	const c = await chat('cid');
	const ack = await ask(a, 'dm', { to: 'ben', text: 'psst' });
	assert.equal(ack.delivered, 3);
	for (const s of b) {
		const [[data, meta]] = await heard(s, 'dm:new');
		assert.equal(data.text, 'psst');
		assert.equal(meta.from, 'ann');
	}
	const [[back]] = await heard(a, 'dm:sent');
	assert.equal(back.text, 'psst');
	assert.equal(await ask(c, 'echo', 1), 1);
	assert.equal(gotten(c, 'dm:new').length + gotten(c, 'dm:sent').length, 0);
	assert.equal((await ask(a, 'dm', { to: 'nobody' })).delivered, 0);
	assert.equal(codeOf(await ask(a, 'dm', { to: 5 })), 'invalid');
	closeAll(a, c, ...b);
});

test('max_bytes', async () => {
	const s = await chat('ann');
	assert.equal(typeof (await ask(s, 'small', 'x'.repeat(18))).id, 'string');
	assert.equal(codeOf(await ask(s, 'small', 'x'.repeat(19))), 'too_large');
	s.close();
});

test('nowhere: with its error, without, by "*"', async () => {
	const s = await chat('ann');
	const a = await ask(s, 'lost', 1);
	assert.equal(a.error.message, 'not any more');
	assert.equal(typeof (await ask(s, 'hole', 1)).id, 'string');
	const b = await ask(s, 'whatever', 1);
	assert.equal(codeOf(b), 'unknown_event');
	assert.equal(b.error.message, 'unknown event');
	s.close();
});

test('meta: off leaves the arguments as they came, under another name', async () => {
	const a = await chat('ann'), b = await chat('ben');
	for (const s of [a, b])
		await join(s, 'open:p');
	a.emit('plain', { room: 'open:p' }, 2, 'three');
	assert.deepEqual(await heard(b, 'PLAIN'), [[{ room: 'open:p' }, 2, 'three']]);
	closeAll(a, b);
});

test('meta: has its place, and cannot be forged', async () => {
	const a = await chat('ann'), b = await chat('ben');
	const p = await chat('pol', {}, { transports: ['polling'] });
	const w = await plain(d, `/ws/chat?token=${user('eve')}`);
	for (const s of [a, b, p])
		await join(s, 'open:f');
	const forged = { id: '1', from: 'root', ts: 1 };
	const bytes = Buffer.from('xyz');
	/* one more argument is one too many, binary or not */
	for (const args of [[forged], [bytes], [bytes, forged]])
		for (const s of [a, p])
			assert.equal(codeOf(await ask(s, 'typing',
			    { room: 'open:f' }, ...args)), 'invalid');
	assert.equal(codeOf(await ask(a, 'pair', { room: 'open:f' }, 2, forged)),
	    'invalid');
	assert.deepEqual(b.got, []);
	await w.ask('room:join', { room: 'open:f' });
	/* the sender's own words stay */
	a.emit('typing', { room: 'open:f', meta: forged });
	const [args] = await heard(b, 'typing');
	assert.equal(args.length, 2);
	assert.equal(args[0].meta.from, 'root');
	assert.equal(args[1].from, 'ann');
	w.send(JSON.stringify({ event: 'typing', data: { room: 'open:f' },
		args: [{}, forged], meta: forged }));
	assert.equal((await heard(b, 'typing', 2))[1][1].from, 'eve');
	w.close();
	/* what is missing is null, and attachments are arguments */
	a.emit('pair', { room: 'open:f' });
	p.emit('pair', { room: 'open:f', bytes }, bytes);
	const [one, two] = await heard(b, 'pair', 2);
	assert.equal(one.length, 3);
	assert.equal(one[1], null);
	assert.equal(one[2].from, 'ann');
	assert.deepEqual([two[0].bytes, two[1]], [bytes, bytes]);
	assert.equal(two[2].from, 'pol');
	closeAll(a, b, p);
});

test('the server\'s own event names cannot be sent, nor reached by "*"', async () => {
	const s = await connect(d, '/any'), o = await connect(d, '/any');
	for (const e of ['room:x', 'presence:update', 'history:get', 'notification:new',
	    'doc:set', 'auth:expiring', 'roost:x'])
		assert.equal(codeOf(await ask(s, e, 1)), 'unknown_event', e);
	/* who hears it takes it for a refusal of his own */
	const forged = { code: 'forbidden', message: 'x' };
	assert.equal(codeOf(await ask(s, 'error', forged)), 'unknown_event');
	assert.equal((await ask(s, 'fine', 1)).delivered, 1);
	await heard(o, 'fine');
	assert.equal(o.got.length, 1);
	const p = await plain(d, '/ws/any');
	assert.equal(codeOf(await p.ask('error', forged)), 'unknown_event');
	p.send('{"event":"\\u0065rror","id":"e"}');
	assert.equal(codeOf(await until(() => p.got.find((m) => m.ack === 'e'),
	    'ack')), 'unknown_event');
	p.terminate();
	closeAll(s, o);
});

test('what a user with odd names and ids sends arrives whole', async () => {
	const name = 'Ünï "quoted" \\ 😀';
	const a = await chat(name), b = await chat('ben');
	for (const s of [a, b])
		await join(s, 'open:ü');
	a.emit('typing', { room: 'open:ü' });
	const [[, meta]] = await heard(b, 'typing');
	assert.equal(meta.from, name);
	assert.equal(meta.room, 'open:ü');
	closeAll(a, b);
});

/* --- plain clients --------------------------------------------------------- */

test('plain: envelope, ack, error, meta; both kinds meet in a room', async () => {
	const w = await plain(d, `/ws/chat?token=${user('pia')}`,
	    { protocols: ['roost.v1'] });
	const s = await chat('sam');
	assert.deepEqual((await w.ask('room:join', { room: 'open:w' })).data,
	    { room: 'open:w' });
	await join(s, 'open:w');
	const a = await w.ask('message', { room: 'open:w', content: 'from plain' });
	assert.equal(a.data.delivered, 1);
	const [[data, meta]] = await heard(s, 'message');
	assert.equal(data.content, 'from plain');
	assert.equal(meta.from, 'pia');
	s.emit('message', { room: 'open:w', content: 'from sio' });
	const m = await until(() => w.got.find((x) => x.event === 'message'), 'message');
	assert.deepEqual(Object.keys(m).sort(), ['data', 'event', 'meta']);
	assert.equal(m.data.content, 'from sio');
	assert.equal(m.meta.from, 'sam');
	const e = await w.ask('message', { room: 'open:w' });
	assert.equal(e.error.code, 'invalid');
	w.emit1('nothing', 1);
	const err = await until(() => w.got.find((x) => x.event === 'error'), 'error');
	assert.equal(err.data.code, 'unknown_event');
	assert.equal(err.data.event, 'nothing');
	w.close();
	s.close();
});

test('plain: several arguments arrive as args', async () => {
	const w = await plain(d, `/ws/chat?token=${user('pia')}`);
	const s = await chat('sam');
	await w.ask('room:join', { room: 'open:v' });
	await join(s, 'open:v');
	s.emit('triple', { room: 'open:v' }, 2, [3]);
	const m = await until(() => w.got.find((x) => x.event === 'triple'), 'triple');
	assert.deepEqual(m.data, { room: 'open:v' });
	assert.deepEqual(m.args, [{ room: 'open:v' }, 2, [3]]);
	w.close();
	s.close();
});

test('plain: ids are numbers or strings and come back as they were', async () => {
	const w = await Ws.must(d.port, `/ws/chat?token=${user('pia')}`);
	for (const id of [0, 7, -1, 9007199254740991, '', 'x', 'é"']) {
		if (id === '')
			continue;
		const a = await w.ack({ event: 'echo', data: [1], id });
		assert.deepEqual(a.data, [1]);
	}
	w.drop();
});

test('plain: no token where one is needed is 401, a wrong role 403', async () => {
	let w = await Ws.open(d.port, '/ws/chat');
	assert.equal(w.response.status, 401);
	assert.equal(JSON.parse(w.response.body).error.code, 'unauthorized');
	w = await Ws.open(d.port, `/ws/chat?token=${user('x')}x`);
	assert.equal(w.response.status, 401);
	w = await Ws.open(d.port, `/ws/admin?token=${user('x')}`);
	assert.equal(w.response.status, 403);
	assert.equal(JSON.parse(w.response.body).error.code, 'forbidden');
	w = await Ws.open(d.port, `/ws/admin?token=${user('x', { roles: ['admin'] })}`);
	assert.equal(w.response.status, 101);
	w.drop();
});

test('routes: a parameter fills the room; bare clients get the data alone', async () => {
	const a = await Ws.must(d.port, '/ws/comments/42');
	const b = await Ws.must(d.port, '/ws/tracks/x/42');
	const c = await Ws.must(d.port, '/ws/comments/43');
	a.text('{"room":"track:42","text":"hello"}');
	const m = await b.event();
	assert.equal(m.event, 'message');
	assert.equal(m.data.text, 'hello');
	assert.equal(m.meta.room, 'track:42');
	b.json({ event: 'message', data: { room: 'track:42', text: 'back' } });
	assert.equal(await a.message(), '{"room":"track:42","text":"back"}');
	await c.silent();
	for (const w of [a, b, c])
		w.drop();
});

test('routes: parameters are percent-decoded; odd ones are refused', async () => {
	const a = await Ws.must(d.port, '/ws/comments/a%20b%C3%A9');
	const b = await Ws.must(d.port, '/ws/tracks/x/a%20b%C3%A9');
	b.json({ event: 'message', data: { room: 'track:a bé' } });
	assert.equal(JSON.parse(await a.message()).room, 'track:a bé');
	for (const p of ['/ws/comments/', '/ws/comments/a/b', '/ws/comments/%00',
	    '/ws/comments/%zz', '/ws/comments/%ff', '/ws/comments/5%3Aeditors',
	    '/ws/comments/5%2Feditors', '/ws/comments/5%0a', '/ws/tracks/x%2Fy',
	    '/ws/tracks/x/5%3Aeditors', '/ws/tracks/x/%7f']) {
		const w = await Ws.open(d.port, p);
		assert.ok([400, 403, 404].includes(w.response.status), p);
	}
	a.drop();
	b.drop();
});

const spelled = (s) => [...s].map((c) =>
	`\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

test('rules are found whatever the spelling of a name', async () => {
	const a = await connect(d, '/any'), w = await Ws.must(d.port, '/ws/any');
	const b = await socketio(d.port, { nsp: '/any' });
	const fate = async (event) => {
		b.text(`42/any,1[${event},1]`);
		return (await b.message()).slice(9);
	};
	for (const event of [`"${spelled('roost:abcdefghijklmnopqrstuvwxyz0123456789')}"`,
	    '"room:\\ud800"', '"\\u0072oom:x"', '5.5', '"a\\u0000"', '""',
	    `"${'x'.repeat(257)}"`])
		assert.match(await fate(event), /"code":"unknown_event"/, event);
	await w.silent();
	const long = 'e'.repeat(256);
	assert.match(await fate(`"${spelled(long)}"`), /"delivered":2/);
	assert.equal((await w.event()).event, long);
	assert.equal((await heard(a, long)).length, 1);
	a.close();
	b.drop();
	w.drop();
});

test('half a surrogate pair is no part of a name, and replaced in a text', async () => {
	const a = await chat('ann'), b = await chat('ben');
	for (const s of [a, b])
		await join(s, 'open:h');
	assert.equal(codeOf(await join(a, 'open:\ud800')), 'bad_request');
	assert.equal(codeOf(await join(a, 'open:\ufffd')), 'bad_request');
	a.emit('typing', { room: 'open:h', text: 'cut \ud83d', '\udfff': 1 });
	const [[data]] = await heard(b, 'typing');
	assert.deepEqual(data, { room: 'open:h', text: 'cut \ufffd', '\ufffd': 1 });
	closeAll(a, b);
});

test('a room of 256 bytes is one for joining and for sending', async () => {
	const room = `open:${'r'.repeat(251)}`;
	const w = await Ws.must(d.port, `/ws/chat?token=${user('ann')}`);
	const s = await chat('ben');
	w.text(`{"event":"room:join","id":1,"data":{"room":"${spelled(room)}"}}`);
	assert.equal((await w.event()).data.room, room);
	assert.deepEqual(await join(s, room), { room });
	assert.equal((await ask(s, 'message', { room, content: 'x' })).delivered, 1);
	assert.equal((await w.event()).data.room, room);
	assert.equal(codeOf(await join(s, `${room}r`)), 'bad_request');
	s.close();
	w.drop();
});

test('ack id and ts of accepted', async () => {
	const s = await chat('ann');
	const a = await ask(s, 'shout', { room: 'open:q' });
	assert.deepEqual(Object.keys(a).sort(), ['id', 'ts']);
	const b = await ask(s, 'shout', { room: 'open:q' });
	assert.notEqual(a.id, b.id);
	s.close();
});

test('refusals are counted by code, in total and per namespace', async () => {
	for (const code of ['unknown_event', 'invalid', 'forbidden', 'too_large',
	    'not_member']) {
		await d.counts('events_rejected',
		    (n) => n > 0, `code="${code}"`);
		const m = await d.metrics();
		const row = [...m.keys()].find((k) => k.startsWith('ns_errors') &&
		    k.includes('chat') && k.includes(`code="${code}"`));
		assert.ok(row && m.get(row) > 0, `ns_errors ${code}`);
	}
});
