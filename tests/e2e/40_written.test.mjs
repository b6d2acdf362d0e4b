/* Rules that write: arguments and members that are the server's, not the client's. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, heard, once, plain } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { Stream } from './lib/sse.mjs';
import { user } from './lib/token.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: jwt + `
namespace "/w" {
    auth = optional
    poll = true
    room "open:{x}" { join = open }
    room "kept:{x}" { join = open history = 10 }
    event "connect" { to = sender as = "welcome" meta = off
        data = '{"version": 3, "you": 1}' set = {"you: user", "id: sid"} }
    event "say" { to = room:room ack = delivered meta = off
        set = {"author: claim:name.first", "by: user", "role: text:student",
            "sid: sid", "tags: [1, {}]"} }
    event "mine" { to = room:room member = off meta = off ack = accepted
        set = {"room: claim:room"} }
    event "date" { data = {'{"unit": "s"}', 7} ack = echo }
    event "near" { to = joined ack = delivered meta_sid = true }
    event "order" { to = room:room member = off ack = accepted meta = off
        then "thanks" { to = sender data = {'"you"', 2} meta = off }
        then "cook" { to = user:cook meta = off set = {"by: user", "sid: sid"} }
        then "again" { as = "thanks" to = joined data = '{}'
            set = {"who: user"} meta = off } }
    event "both" { to = sender data = {'"one"', 'null', '[2]'} as = "got" }
}
namespace "/track" {
    auth = none
    room "track:{id}" { join = server history = 10 }
    event "connect" { to = joined as = "came" meta = off data = '{}'
        set = "id: sid"
        then "hello" { to = sender data = '"hello"' meta = off } }
    event "message" { to = joined }
}
route "/ws/track/{id}" { namespace = "/track" join = "track:{id}" }
route "/bare/{id}" { namespace = "/track" join = "track:{id}" format = bare }
` });
});
after(() => d.stop());

const claims = { name: { first: 'Ann' }, room: 'open:hers' };
const token = (name, more = {}) => user(name, { ...claims, ...more });
const forged = { room: 'kept:1', text: 'hi', author: 'eve', by: 'eve',
	role: 'teacher', sid: 'x', tags: [] };

test('who connects is greeted with what the server says', async () => {
	const s = await connect(d, '/w', { wait: false, auth: { token: token('ann') } });
	const [hello] = await once(s, 'welcome');
	assert.deepEqual(hello, { version: 3, you: 'ann', id: s.id });
	const w = await plain(d, '/ws/w');
	const m = await until(() => w.got[0], 'greeting');
	assert.equal(m.event, 'welcome');
	assert.equal(m.data.version, 3);
	assert.equal(m.data.you, null);
	assert.match(m.data.id, /^[\w-]{20}$/);
	const e = await Stream.open(`http://127.0.0.1:${d.port}/sse/w?room=open:1`);
	const g = await until(() => e.got.find((x) => x.json?.event === 'welcome'),
	    'greeting');
	assert.equal(g.json.data.version, 3);
	s.close();
	w.terminate();
	e.close();
});

test('members cannot be forged, whoever hears them', async () => {
	const a = await connect(d, '/w', { auth: { token: token('ann') } });
	const b = await connect(d, '/w');
	const p = await connect(d, '/w', { transports: ['polling'] });
	const w = await plain(d, '/ws/w');
	for (const s of [a, b, p])
		await ask(s, 'room:join', 'kept:1');
	await w.ask('room:join', { room: 'kept:1' });
	const e = await Stream.open(`http://127.0.0.1:${d.port}/sse/w?room=kept:1`);
	await until(() => e.got.length > 0, 'stream');
	const ack = await ask(a, 'say', forged);
	assert.equal(ack.delivered, 4, JSON.stringify(ack));
	const want = { author: 'Ann', by: 'ann', role: 'student', sid: a.id,
		tags: [1, {}], room: 'kept:1', text: 'hi' };
	for (const s of [b, p])
		assert.deepEqual((await heard(s, 'say'))[0][0], want);
	const said = (l, pick) => until(() => l.map(pick).find((m) =>
	    m?.event === 'say'), 'say');
	assert.deepEqual((await said(w.got, (m) => m)).data, want);
	assert.deepEqual((await said(e.got, (m) => m.json)).data, want);
	const poll = await (await fetch(`http://127.0.0.1:${d.port}` +
	    '/poll/w?room=kept:1&since=0')).json();
	assert.deepEqual(poll.events[0].data, want);
	/* from a plain client, without a token */
	w.emit1('say', forged);
	const got = (await heard(b, 'say', 2))[1][0];
	assert.equal(got.by, null);
	assert.equal(got.author, null);
	assert.equal(got.role, 'student');
	for (const s of [a, b, p])
		s.close();
	w.terminate();
	e.close();
});

test('what is no object cannot have members', async () => {
	const a = await connect(d, '/w'), w = await plain(d, '/ws/w');
	for (const args of [[], [5], ['x'], [null], [[{}]], [Buffer.from('b')]])
		assert.equal(codeOf(await ask(a, 'say', ...args)), 'invalid',
		    JSON.stringify(args));
	assert.equal((await w.ask('mine', 5)).error.code, 'invalid');
	/* the claim is not there, so that the room has no name */
	assert.equal(codeOf(await ask(a, 'mine', { room: 'open:1' })), 'invalid');
	a.close();
	w.terminate();
});

test('a claim may say which room it is', async () => {
	const a = await connect(d, '/w', { auth: { token: token('ann') } });
	const b = await connect(d, '/w'), c = await connect(d, '/w');
	await ask(b, 'room:join', 'open:hers');
	await ask(c, 'room:join', 'open:other');
	assert.ok((await ask(a, 'mine', { room: 'open:other', n: 1 })).id);
	assert.deepEqual(await heard(b, 'mine'), [[{ room: 'open:hers', n: 1 }]]);
	assert.equal(c.got.filter((g) => g[0] === 'mine').length, 0);
	for (const s of [a, b, c])
		s.close();
});

test('constants, as answers and as events', async () => {
	const s = await connect(d, '/w'), w = await plain(d, '/ws/w');
	const answer = await new Promise((ok) => s.emit('date', 'mine', Buffer.from('x'),
	    (...a) => ok(a)));
	assert.deepEqual(answer, [{ unit: 's' }, 7]);
	const { data, args } = await w.ask('date', 1);
	assert.deepEqual(data, { unit: 's' });
	assert.deepEqual(args, answer);
	s.emit('both', { not: 'this' });
	const got = (await heard(s, 'got'))[0];
	assert.deepEqual(got.slice(0, 3), ['one', null, [2]]);
	assert.equal(got.length, 4);
	assert.match(got[3].id, /\./);
	s.close();
	w.terminate();
});

test('to = joined: all who share a room, each once', async () => {
	const [a, b, c, e] = await Promise.all([1, 2, 3, 4].map(() => connect(d, '/w')));
	const p = await connect(d, '/w', { transports: ['polling'] });
	assert.equal(codeOf(await ask(a, 'near', 1)), 'not_member');
	for (const [s, ...rooms] of [[a, 'x1', 'x2', 'x3'], [b, 'x1', 'x2'],
	    [c, 'x3', 'x4'], [p, 'x2', 'x1'], [e, 'x4']])
		for (const room of rooms)
			await ask(s, 'room:join', `open:${room}`);
	assert.equal((await ask(a, 'near', { n: 1 })).delivered, 3);
	for (const s of [b, c, p]) {
		const [[data, meta]] = await heard(s, 'near');
		assert.deepEqual(data, { n: 1 });
		assert.equal(meta.sid, a.id);
		assert.equal(meta.from, null);
		assert.equal(meta.room, undefined);
	}
	/* who has no name is answered by the session */
	assert.equal((await ask(b, 'near', { n: 2 })).delivered, 2);
	await heard(p, 'near', 2);
	for (const s of [b, c, p])
		assert.ok(s.got.filter((g) => g[0] === 'near').length <= 2);
	assert.equal(e.got.filter((g) => g[0] === 'near').length, 0);
	for (const s of [a, b, c, e, p])
		s.close();
});

test('one event causes several, in order, or none', async () => {
	const a = await connect(d, '/w', { auth: { token: token('ann') } });
	const k = await connect(d, '/w', { auth: { token: token('kim') } });
	const b = await connect(d, '/w');
	for (const s of [a, b])
		await ask(s, 'room:join', 'open:table');
	await ask(b, 'room:join', 'open:more');
	const what = { room: 'open:table', cook: 'kim', dish: 7 };
	assert.ok((await ask(a, 'order', what)).id);
	assert.deepEqual(await heard(a, 'thanks'), [['you', 2]]);
	assert.deepEqual((await heard(k, 'cook'))[0],
	    [{ ...what, by: 'ann', sid: a.id }]);
	await heard(b, 'thanks');
	assert.deepEqual(b.got.filter((g) => g[0] !== 'welcome'),
	    [['order', what], ['thanks', { who: 'ann' }]]);
	assert.equal(codeOf(await ask(a, 'order', { room: 'open:table' })), 'invalid');
	assert.equal(codeOf(await ask(k, 'order', what)), 'not_member');
	assert.deepEqual(await ask(a, 'date'), { unit: 's' });
	assert.equal(b.got.filter((g) => g[0] === 'order').length, 1);
	assert.equal(k.got.filter((g) => g[0] === 'cook').length, 1);
	for (const s of [a, b, k])
		s.close();
});

test('a route says which room, and who is there hears who comes', async () => {
	const a = await plain(d, '/ws/track/7'), b = await plain(d, '/ws/track/7');
	const other = await plain(d, '/ws/track/8'), bare = await plain(d, '/bare/7');
	const of = (w, event) => w.got.filter((m) => m.event === event);
	await until(() => of(a, 'came').length === 2 && of(b, 'came').length === 1,
	    'came');
	assert.match(of(a, 'came')[0].data.id, /^[\w-]{20}$/);
	assert.deepEqual(other.got.map((m) => m.event), ['hello']);
	assert.deepEqual(bare.got, ['hello']);
	bare.send(JSON.stringify({ text: 'hi' }));
	for (const w of [a, b]) {
		const m = await until(() => of(w, 'message')[0], 'message');
		assert.deepEqual(m.data, { text: 'hi' });
		assert.equal(m.meta.room, 'track:7');
		assert.equal(m.meta.offset, 4);	/* three came before */
	}
	assert.equal(of(other, 'message').length, 0);
	for (const w of [a, b, other, bare])
		w.terminate();
});
