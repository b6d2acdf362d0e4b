/*
 * learning.conf as it is installed: where there is no WebSocket, tokens that end
 * and are renewed, and what nobody else may see.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { ask, codeOf, connect, gotten, heard, once, refused }
	from './lib/clients.mjs';
import { here, sanitized, slow, until } from './lib/daemon.mjs';
import { api, example } from './lib/examples.mjs';
import { user } from './lib/token.mjs';

const courses = { courses: ['7'] };
const now = () => Math.floor(Date.now() / 1000);
const token = (name, more = {}) => user(name, { ...courses, ...more });
const learner = (nsp, name, { claims = {}, ...opts } = {}) => connect(d, nsp,
    { auth: { token: token(name, claims) }, ...opts });
const room = 'course:7';
let d;
/* Two whose tokens end while the other tests run: the second renews it in time. */
let ends, over, renews;
const end = now() + 2 * Math.ceil(slow);
before(async () => {
	d = await example('learning.conf');
	[ends, renews] = await Promise.all(['ann', 'ann'].map((name) => learner(
	    '/chat', name, { claims: { exp: end } })));
	over = once(ends, 'disconnect', 60000);
	await ask(ends, 'room:join', { room });
	for (const other of [token('eve'), 'x'])
		assert.equal(codeOf(await ask(renews, 'auth:refresh',
		    { token: other })), 'unauthorized');
	assert.equal(codeOf(await ask(renews, 'auth:refresh', {
		token: token('ann', { exp: end + 600 }) })), undefined);
});
after(() => d.stop());

test('E6: by polling alone all of it works, among others on WebSocket', async () => {
	const polls = await learner('/chat', 'ann', { transports: ['polling'] });
	const ws = await learner('/chat', 'bob');
	for (const s of [polls, ws])
		assert.equal(codeOf(await ask(s, 'room:join', { room })), undefined);
	for (let i = 0; i < 20; i++)
		for (const s of [polls, ws])
			assert.equal(codeOf(await ask(s, 'message', { room,
				content: `${i}` })), undefined);
	for (const s of [polls, ws]) {
		const list = await heard(s, 'message', 40);
		/* the same events, in the same order */
		assert.deepEqual(list.map(([m, meta]) => [m.content, meta.from]),
		    gotten(ws, 'message').map(([m, meta]) => [m.content,
			    meta.from]));
	}
	assert.equal(polls.io.engine.transport.name, 'polling');
	polls.close();
	ws.close();
});

test('E7: what is not as it must be nobody else sees', async () => {
	const [ann, bob] = await Promise.all([learner('/chat', 'ann'),
		learner('/chat', 'bob')]);
	for (const s of [ann, bob])
		await ask(s, 'room:join', { room });
	for (const [data, code] of [
		[{ room }, 'invalid'],
		[{ room, content: '' }, 'invalid'],
		[{ room, content: 5 }, 'invalid'],
		[{ room, content: 'x'.repeat(4001) }, 'invalid'],
		[{ content: 'x' }, 'invalid'],
		['text', 'invalid'],
		[{ room: 'course:8', content: 'x' }, 'not_member'],
	])
		assert.equal(codeOf(await ask(ann, 'message', data)), code,
		    JSON.stringify(data).slice(0, 60));
	assert.equal(codeOf(await ask(ann, 'nothing', { room })), 'unknown_event');
	assert.equal(codeOf(await ask(ann, 'message', { room, content: 'good' })),
	    undefined);
	assert.deepEqual((await heard(bob, 'message')).map(([m]) => m.content),
	    ['good']);
	ann.close();
	bob.close();
});

test('E7: each namespace has its own rights: rooms by claim, by id, by back ends',
    async () => {
	const ann = await learner('/chat', 'ann');
	assert.equal(codeOf(await ask(ann, 'room:join', { room: 'course:8' })),
	    'forbidden');
	assert.equal(codeOf(await ask(ann, 'room:join', { room: 'dm:bob:cid' })),
	    'forbidden');
	assert.equal(codeOf(await ask(ann, 'room:join', { room: 'dm:ann:bob' })),
	    undefined);
	const c = await learner('/collaboration', 'ann');
	assert.equal(codeOf(await ask(c, 'room:join', { room: 'doc:1' })),
	    'forbidden');
	/* what only back ends say */
	for (const nsp of ['/analytics', '/notifications']) {
		const s = await learner(nsp, 'ann');
		assert.equal((await ask(s, 'message', { room })).error.message,
		    'clients only listen here');
		s.close();
	}
	for (const nsp of ['/analytics', '/chat', '/notifications',
	    '/collaboration']) {
		const s = await connect(d, nsp, { wait: false });
		assert.equal((await refused(s)).data.code, 'unauthorized', nsp);
		s.close();
	}
	ann.close();
	c.close();
});

test('E7: who sends too much is refused, and the others are not', async () => {
	const [mad, bob] = await Promise.all([learner('/chat', 'mad'),
		learner('/chat', 'bob')]);
	for (const s of [mad, bob])
		await ask(s, 'room:join', { room });
	const all = await Promise.all(Array.from({ length: 300 }, () => ask(mad,
	    'message', { room, content: 'x' })));
	const limited = all.filter((r) => codeOf(r) === 'rate_limited');
	assert.ok(limited.length >= 90, `${limited.length} of 300`);
	assert.ok(all.length - limited.length >= 150);
	assert.equal(codeOf(await ask(bob, 'message', { room, content: 'y' })),
	    undefined);
	mad.close();
	bob.close();
});

test('E6: a live connection goes on with a new token, of the same user only',
    async () => {
	const s = renews;
	await over;			/* that of who had the same */
	assert.ok(s.connected);
	assert.equal(codeOf(await ask(s, 'room:join', { room })), undefined);
	s.close();
});

test('E6: a token that has ended is worth nothing: no event, no connection',
    async () => {
	const s = ends, bob = await learner('/chat', 'bob');
	await ask(bob, 'room:join', { room });
	assert.deepEqual((await over)[0], 'io server disconnect');
	await ask(bob, 'message', { room, content: 'after' });
	assert.ok(!gotten(s, 'message').some(([m]) => m.content === 'after'));
	const again = await learner('/chat', 'ann', { claims: { exp: now() - 60 },
		wait: false });
	assert.equal((await refused(again)).data.code, 'unauthorized');
	again.close();
	bob.close();
	s.close();
});

test('E8: a thousand connections beside a stock client: each event reaches all',
async (t) => {
	const many = sanitized ? 400 : 1000, rounds = 5;
	const crowds = [0, 1].map((i) => {
		const c = fork(path.join(here, 'lib', 'crowd.mjs'), [String(d.port),
			String(many / 2), 'socketio', JSON.stringify({
				nsp: '/analytics', token: token(`c${i}`) })]);
		c.state = { joined: 0, got: 0, bad: 0, lost: 0 };
		c.on('message', (m) => Object.assign(c.state, m));
		return c;
	});
	t.after(() => crowds.forEach((c) => c.kill()));
	const sum = (k) => crowds.reduce((n, c) => n + c.state[k], 0);
	await until(() => sum('joined') === many, () => `${sum('joined')} are there`,
	    30000);
	const began = Date.now();
	const s = await learner('/analytics', 'ann');
	t.diagnostic(`connected in ${Date.now() - began} ms`);
	for (let i = 0; i < rounds; i++) {
		const sent = Date.now();
		await api(d, 'publish', { namespace: '/analytics', event: 'tick',
			data: { i } });
		await heard(s, 'tick', i + 1);
		t.diagnostic(`heard in ${Date.now() - sent} ms`);
		await until(() => sum('got') === many * (i + 1),
		    () => `tick ${i} at all (${sum('got')})`, 10000);
	}
	assert.equal(gotten(s, 'tick').length, rounds);
	assert.equal(sum('bad') + sum('lost'), 0);
	s.close();
});
