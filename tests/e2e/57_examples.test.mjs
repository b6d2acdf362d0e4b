/*
 * learning.conf as it is installed, with the clients and the back end that the
 * application has.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ask, codeOf, connect, gotten, heard } from './lib/clients.mjs';
import { KEY, api, as, example } from './lib/examples.mjs';

const learner = (d, nsp, name, courses = []) => connect(d, nsp,
    as(name, { courses }));
const join = async (s, room, since) => {
	const r = await ask(s, 'room:join', { room, since });
	assert.equal(codeOf(r), undefined, JSON.stringify(r));
	return r;
};
const say = (s, room, content) => ask(s, 'message', { room, content });

test('E5: a course is chatted in, and what was missed comes in order',
async () => {
	const d = await example('learning.conf');
	const [ann, bob, eve] = await Promise.all([learner(d, '/chat', 'ann',
	    ['7']), learner(d, '/chat', 'bob', ['7']), learner(d, '/chat', 'eve',
	    ['8'])]);
	const room = 'course:7';
	assert.equal(codeOf(await ask(eve, 'room:join', { room })), 'forbidden');
	for (const s of [ann, bob])
		await join(s, room);
	assert.equal((await say(ann, room, 'one')).delivered, 2);
	const [[, meta]] = await heard(bob, 'message');
	assert.deepEqual([meta.from, meta.offset], ['ann', 1]);
	assert.equal(codeOf(await ask(ann, 'message', { room })), 'invalid');
	bob.emit('typing', { room });
	await heard(ann, 'typing');
	bob.emit('read', { room, offset: 1 });
	const [[read]] = await heard(ann, 'read');
	assert.equal(read.offset, 1);

	/* bob is away for three of them */
	bob.close();
	for (const text of ['two', 'three', 'four'])
		await say(ann, room, text);
	const back = await learner(d, '/chat', 'bob', ['7']);
	const where = await join(back, room, { epoch: meta.epoch, offset: 2 });
	assert.deepEqual([where.recovered, where.offset], [true, 5]);
	assert.deepEqual(gotten(back, 'message').map(([m]) => m.content),
	    ['two', 'three', 'four']);
	await say(ann, room, 'five');
	await heard(back, 'message', 4);
	assert.deepEqual(gotten(back, 'message').map(([, m]) => m.offset),
	    [3, 4, 5, 6]);
	/* one that was never there is told that it has to begin anew */
	const late = await learner(d, '/chat', 'cyd', ['7']);
	assert.equal((await join(late, room, { epoch: 'x', offset: 9 }))
	    .recovered, false);
	const page = await ask(late, 'history:get', { room, limit: 2 });
	assert.deepEqual([page.events.map((e) => e.args[0].content), page.more],
	    [['four', 'five'], false]);
	/* as the back end reads it */
	const r = await fetch(d.url(`/api/v1/history/chat/${
	    encodeURIComponent(room)}?limit=1000`),
	{ headers: { Authorization: `Bearer ${KEY}` } });
	assert.deepEqual((await r.json()).events.map((e) => e.event),
	    ['message', 'read', 'message', 'message', 'message', 'message']);

	/* between two */
	const dm = 'dm:ann:bob';
	await join(ann, dm);
	await join(back, dm);
	assert.equal(codeOf(await ask(eve, 'room:join', { room: dm })),
	    'forbidden');
	await say(back, dm, 'hi');
	await heard(ann, 'message', 6);
	[ann, eve, back, late].forEach((s) => s.close());
	await d.stop();
});

test('learning: progress of a job, notifications, annotations', async () => {
	const d = await example('learning.conf');
	/* who comes later gets the latest value, and each one after it */
	const tell = (version, done, more) => api(d, 'publish', {
		namespace: '/analytics', room: 'job:1', event: 'progress',
		key: 'progress', version, data: { done }, ...more });
	await tell(1, 10);
	await tell(3, 20);
	const s = await learner(d, '/analytics', 'ann');
	await join(s, 'job:1');
	assert.deepEqual(gotten(s, 'progress').map(([x]) => x.done), [20]);
	await tell(4, 30);
	const [, [now, meta]] = await heard(s, 'progress', 2);
	assert.deepEqual([now.done, meta.offset], [30, 3]);
	/* the job is done; an answer of a model is read again from its start */
	await tell(5, 100, { finish: true });
	assert.equal((await heard(s, 'progress', 3))[2][1].finished, true);
	for (const text of ['It', ' is', ' so.'])
		await api(d, 'publish', { namespace: '/analytics',
			room: 'answer:1', event: 'token', data: { text },
			finish: text.endsWith('.') });
	const again = await ask(s, 'room:join', { room: 'answer:1',
		since: { offset: 0 } });
	assert.deepEqual([again.recovered, again.finished], [true, true]);
	assert.equal(gotten(s, 'token').map(([t]) => t.text).join(''),
	    'It is so.');

	const n = await learner(d, '/notifications', 'ann');
	await api(d, 'publish', { namespace: '/notifications', user: 'ann',
		event: 'notification:new', data: { category: 'grades' } });
	await heard(n, 'notification:new');

	/* all come to the same, and no edit is lost unseen */
	const pens = await Promise.all(['ann', 'bob'].map((name) => connect(d,
	    '/collaboration', as(name, { documents: ['1'] }))));
	const doc = 'doc:1';
	assert.equal(codeOf(await ask(pens[0], 'doc:open', { doc: 'doc:2' })),
	    'forbidden');
	for (const p of pens)
		assert.equal((await ask(p, 'doc:open', { doc })).rev, 0);
	const made = await Promise.all(Array.from({ length: 20 }, (_, i) =>
		ask(pens[i % 2], 'doc:set', { doc, key: `annotation:${i >> 1}`,
			base: 0, value: { by: i % 2 } })));
	assert.equal(made.filter((r) => codeOf(r) === 'conflict').length, 10);
	const seen = await Promise.all(pens.map(async (p) =>
	    (await heard(p, 'doc:change', 10)).map(([c]) =>
		[c.rev, c.key, c.value.by, c.from])));
	assert.deepEqual(seen[0], seen[1]);
	assert.ok(seen[0].every(([, , by, from]) => from === ['ann', 'bob'][by]));
	pens[0].emit('cursor', { room: doc, user: 'ann', at: 5 });
	await heard(pens[1], 'cursor');
	[s, n, ...pens].forEach((x) => x.close());
	await d.stop();
});
