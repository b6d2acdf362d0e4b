/*
 * Chat of an application for courses, with packaging/examples/learning.conf as it is
 * installed and unmodified clients: the rows of its story that /chat is about.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ask, codeOf, connect, gotten, heard, once, plain, refused } from
	'./lib/clients.mjs';
import { until } from './lib/daemon.mjs';
import { KEY, api as ordered, example } from './lib/examples.mjs';
import { Stream } from './lib/sse.mjs';
import { now, user } from './lib/token.mjs';

let d;
before(async () => {
	d = await example('learning.conf');
});
after(() => d.stop());

const token = (name, courses = ['7'], more = {}) => user(name, { courses,
	...more });
const enter = (name, courses, more = {}, opts = {}) => connect(d, '/chat',
    { auth: { token: token(name, courses, more) }, ...opts });
const join = async (s, room, since) => {
	const r = await ask(s, 'room:join', { room, since });
	assert.equal(codeOf(r), undefined, JSON.stringify(r));
	return r;
};
const say = (s, room, content) => ask(s, 'message', { room, content });
const contents = (s) => gotten(s, 'message').map(([m]) => m.content);
const closeAll = (...l) => l.forEach((s) => s.close());
let rooms = 100;
const course = () => String(++rooms);
const api = (call, body) => ordered(d, call, body);

/* --- E2 ---------------------------------------------------------------------- */

test('E2: course rooms are for who has the claim, private chats for the two',
async () => {
	const c = course(), room = `course:${c}`;
	const [ann, bob, eve] = await Promise.all([enter('ann', [c]),
		enter('bob', [c]), enter('eve', ['8'])]);
	for (const s of [ann, bob])
		await join(s, room);
	assert.equal(codeOf(await ask(eve, 'room:join', { room })), 'forbidden');
	assert.equal(codeOf(await say(eve, room, 'x')), 'not_member');
	await join(ann, 'dm:ann:bob');
	await join(bob, 'dm:ann:bob');
	for (const dm of ['dm:ann:bob', 'dm:bob:ann'])
		assert.equal(codeOf(await ask(eve, 'room:join', { room: dm })),
		    'forbidden');
	await say(ann, 'dm:ann:bob', 'between us');
	await heard(bob, 'message');
	assert.equal(gotten(bob, 'message')[0][1].from, 'ann');
	assert.equal(gotten(eve, 'message').length, 0);
	closeAll(ann, bob, eve);
});

test('E2: presence in rooms, and typing, which nobody keeps', async () => {
	const c = course(), room = `course:${c}`;
	const ann = await enter('ann', [c]), bob = await enter('bob', [c]);
	await join(ann, room);
	await join(bob, room);
	await until(() => gotten(ann, 'presence:update').some(([u]) =>
		u.user === 'bob' && u.room === room && u.present), 'bob to come');
	const { users } = await ask(ann, 'presence:get', { room });
	assert.deepEqual(users.map((u) => u.user).sort(), ['ann', 'bob']);
	await ask(bob, 'presence:set', { status: 'busy' });
	await until(() => gotten(ann, 'presence:update').some(([u]) =>
		u.user === 'bob' && u.status === 'busy'), 'bob to be busy');
	bob.emit('typing', { room });
	const [[, meta]] = await heard(ann, 'typing');
	assert.deepEqual([meta.from, meta.offset], ['bob', undefined]);
	assert.deepEqual((await ask(ann, 'history:get', { room })).events, []);
	closeAll(ann, bob);
});

test('E2: history sync: pages, what was missed, and what follows, once each',
async () => {
	const c = course(), room = `course:${c}`, ann = await enter('ann', [c]);
	const bob = await enter('bob', [c]);
	const { epoch } = await join(ann, room);
	await join(bob, room);
	for (let i = 1; i <= 30; i++)
		await say(ann, room, `m${i}`);
	await heard(bob, 'message', 30);
	const [, { offset }] = gotten(bob, 'message').at(-1);
	bob.close();
	for (let i = 31; i <= 40; i++)
		await say(ann, room, `m${i}`);
	const back = await enter('bob', [c]);
	const r = await join(back, room, { epoch, offset });
	assert.deepEqual([r.recovered, r.offset], [true, 40]);
	await say(ann, room, 'm41');
	await heard(back, 'message', 11);
	assert.deepEqual(contents(back), [...Array(11).keys()].map((i) =>
		`m${31 + i}`));
	const all = [];
	for (let since = { epoch, offset: 0 }, page; page?.more !== false;) {
		page = await ask(back, 'history:get', { room, since, limit: 15 });
		all.push(...page.events.map((e) => e.args[0].content));
		since = { epoch, offset: page.events.at(-1).offset };
	}
	assert.deepEqual(all, [...Array(41).keys()].map((i) => `m${1 + i}`));
	/* a place that nobody knows: it is told to begin anew */
	const late = await enter('cyd', [c]);
	assert.equal((await join(late, room, { epoch: 'gone', offset: 3 }))
	    .recovered, false);
	closeAll(ann, back, late);
});

test('E2: delivery is confirmed, and read receipts reach all devices', async () => {
	const c = course(), room = `course:${c}`;
	const [ann, phone, desk] = [await enter('ann', [c]),
		await enter('bob', [c]), await enter('bob', [c])];
	for (const s of [ann, phone])
		await join(s, room);
	const sent = await say(ann, room, 'read me');
	assert.deepEqual([sent.delivered, sent.offset], [2, 1]);
	assert.ok(sent.id && sent.epoch);
	assert.equal(gotten(phone, 'message')[0]?.[1].id ??
	    (await heard(phone, 'message'))[0][1].id, sent.id);
	phone.emit('read', { room, offset: sent.offset });
	const [[read, by]] = await heard(ann, 'read');
	assert.deepEqual([read.offset, by.from], [1, 'bob']);
	/* the other device was not in the room yet */
	await join(desk, room, { epoch: sent.epoch, offset: 1 });
	assert.deepEqual((await heard(desk, 'read')).map(([x, m]) => [x.offset,
		m.from]), [[1, 'bob']]);
	closeAll(ann, phone, desk);
});

test('E2: a message is moderated: changed, and taken away, for all', async () => {
	const c = course(), room = `course:${c}`;
	const [ann, bob] = [await enter('ann', [c]), await enter('bob', [c])];
	for (const s of [ann, bob])
		await join(s, room);
	const one = await say(ann, room, 'with a typo'), two = await say(ann, room,
	    'offensive');
	await api(`history/chat/${encodeURIComponent(room)}`, { id: one.id,
		data: { room, content: 'without' } });
	await api(`history/chat/${encodeURIComponent(room)}`,
	    { offset: two.offset, redact: true });
	for (const s of [ann, bob]) {
		const [[e]] = await heard(s, 'history:edited');
		assert.deepEqual([e.id, e.data.content], [one.id, 'without']);
		const [[r]] = await heard(s, 'history:redacted');
		assert.equal(r.id, two.id);
	}
	const late = await enter('cyd', [c]);
	await join(late, room, { offset: 0 });
	assert.deepEqual(contents(late), ['without']);
	assert.ok(!JSON.stringify(late.got).includes('offensive'));
	closeAll(ann, bob, late);
});

/* --- E6 ---------------------------------------------------------------------- */

test('E6: over HTTP polling alone, by event streams, and by long polls',
async () => {
	const c = course(), room = `course:${c}`, auth = token('pat', [c]);
	const ann = await enter('ann', [c]);
	const pat = await connect(d, '/chat', { auth: { token: auth },
		transports: ['polling'], upgrade: false });
	const { epoch } = await join(ann, room);
	await join(pat, room);
	const headers = { Authorization: `Bearer ${auth}` };
	const q = encodeURIComponent(room);
	const stream = await Stream.open(d.url(`/sse/chat?room=${q}`), { headers });
	await until(() => stream.got.length > 0, 'the stream');
	const poll = fetch(d.url(`/poll/chat?room=${q}&since=${epoch}:0&wait=20`),
	    { headers }).then((r) => r.json());
	assert.equal((await say(pat, room, 'by polling')).delivered, 3);
	await heard(ann, 'message');
	await heard(pat, 'message');
	assert.equal(pat.io.engine.transport.name, 'polling');
	assert.equal((await poll).events[0].data.content, 'by polling');
	await until(() => stream.got.some((e) => e.event === 'message'),
	    'the stream to hear');
	stream.close();
	closeAll(ann, pat);
});

test('E6: a live connection gets a later token, with what that allows', async () => {
	const c = course(), other = course();
	const s = await enter('ann', [c], { exp: now() + 30 });
	await join(s, `course:${c}`);
	await heard(s, 'auth:expiring');	/* in less than auth_warning */
	const r = await ask(s, 'auth:refresh', { token: token('ann', [other]) });
	assert.ok(r.exp > now() + 1000);
	assert.deepEqual((await heard(s, 'room:left'))[0][0], { room:
	    `course:${c}`, reason: 'your token does not allow it' });
	assert.equal(codeOf(await say(s, `course:${c}`, 'x')), 'not_member');
	await join(s, `course:${other}`);
	assert.equal((await say(s, `course:${other}`, 'x')).delivered, 1);
	/* of somebody else: nothing changes */
	assert.equal(codeOf(await ask(s, 'auth:refresh', { token: token('bob',
	    [c]) })), 'unauthorized');
	assert.equal((await say(s, `course:${other}`, 'y')).delivered, 1);
	closeAll(s);
});

test('E6: an expired token loses access, on whatever transport', async () => {
	/* its leeway is 5 s: a second is left */
	const short = token('eve', ['7'], { exp: now() - 4 });
	const s = await connect(d, '/chat', { auth: { token: short } });
	const p = await connect(d, '/chat', { auth: { token: short },
		transports: ['polling'], upgrade: false });
	const w = await plain(d, `/ws/chat?token=${short}`);
	const closes = [];
	w.on('close', (code) => closes.push(code));
	for (const x of [s, p])
		if (x.connected)
			await once(x, 'disconnect', 10000);
	await until(() => closes.length > 0, 'the plain one to end');
	assert.deepEqual(closes, [1008]);
	const again = await connect(d, '/chat', { wait: false,
		auth: { token: short } });
	const e = await refused(again);
	assert.deepEqual([e.data.code, e.data.reason], ['unauthorized', 'expired']);
	const r = await fetch(d.url('/poll/chat?room=course:7'),
	    { headers: { Authorization: `Bearer ${short}` } });
	assert.equal(r.status, 401);
	closeAll(s, p, again);
});

/* --- E7 ---------------------------------------------------------------------- */

test('E7: what has no shape, or too much of it, nobody sees', async () => {
	const c = course(), room = `course:${c}`;
	const ann = await enter('ann', [c]), bob = await enter('bob', [c]);
	for (const s of [ann, bob])
		await join(s, room);
	for (const [event, data, code] of [
		['message', { room }, 'invalid'],
		['message', { room, content: '' }, 'invalid'],
		['message', { room, content: 5 }, 'invalid'],
		['message', { room, content: 'x'.repeat(4001) }, 'invalid'],
		['message', { room: 5, content: 'x' }, 'invalid'],
		['message', 'text', 'invalid'],
		['read', { room, offset: 'x' }, 'invalid'],
		['read', { room, offset: 0 }, 'invalid'],
		['nothing', { room }, 'unknown_event'],
		['room:left', { room }, 'unknown_event']])
		assert.equal(codeOf(await ask(ann, event, data)), code,
		    JSON.stringify([event, data]).slice(0, 80));
	assert.equal((await say(ann, room, 'x'.repeat(4000))).delivered, 2);
	await heard(bob, 'message');
	assert.deepEqual(bob.got.map((g) => g[0]).filter((e) =>
		e !== 'presence:update'), ['message']);
	closeAll(ann, bob);
});

test('E7: each namespace says who may', async () => {
	for (const nsp of ['/analytics', '/chat', '/notifications',
		'/collaboration']) {
		const s = await connect(d, nsp, { wait: false });
		assert.equal((await refused(s)).data.code, 'unauthorized', nsp);
		s.close();
	}
	const c = course(), room = `course:${c}`;
	const ann = await enter('ann', [c]);
	const tea = await enter('tea', [c], { roles: ['teacher'] });
	for (const s of [ann, tea])
		await join(s, room);
	const news = { room, content: 'an exam' };
	assert.equal(codeOf(await ask(ann, 'announce', news)), 'forbidden');
	assert.equal((await ask(tea, 'announce', news)).delivered, 2);
	assert.equal((await heard(ann, 'announce'))[0][1].from, 'tea');
	/* and not any more, by the token that is shown next */
	assert.ok((await ask(tea, 'auth:refresh', { token: token('tea', [c]) }))
	    .exp);
	assert.equal(codeOf(await ask(tea, 'announce', news)), 'forbidden');
	closeAll(ann, tea);
});

test('E7: who publishes too much is told to wait, and others go on', async () => {
	const c = course(), room = `course:${c}`;
	const many = await enter('many', [c]), bob = await enter('bob', [c]);
	for (const s of [many, bob])
		await join(s, room);
	const acks = await Promise.all([...Array(300)].map((_, i) =>
		say(many, room, `m${i}`)));
	const out = acks.filter((a) => codeOf(a) === 'rate_limited');
	assert.ok(out.length > 50 && out.length < 120, `${out.length}`);
	assert.equal((await say(bob, room, 'me')).delivered, 2);
	await heard(bob, 'message', 300 - out.length + 1);
	assert.equal(contents(bob).length, 300 - out.length + 1);
	/* which is acknowledged only where it is refused */
	const typed = [];
	for (let i = 0; i < 80; i++)
		bob.emit('typing', { room }, (a) => typed.push(codeOf(a)));
	await until(() => typed.length > 0, 'a refusal');
	assert.deepEqual([...new Set(typed)], ['rate_limited']);
	closeAll(many, bob);
});
