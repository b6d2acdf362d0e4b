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
    event "both" { to = sender data = {'"one"', 'null', '[2]'} as = "got" }
}
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
