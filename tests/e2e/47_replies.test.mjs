/*
 * Back ends that read events in the stream, or are told by a hook, and acknowledge
 * them later: POST answers, at whichever host.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { codeOf, connect, plain } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Daemon, slow, until } from './lib/daemon.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Group } from './lib/streams.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const conf = (redis, more = '') => `${jwt}${stopTime}
${redis ? `redis { url = "${redis}"  answer_timeout = 3s }` : ''}
api { key "all" { sha256 = "${sha('all')}"  allow = {"answers"} }
      key "other" { sha256 = "${sha('other')}"  allow = {"answers"}
          namespaces = {"/other"} }
      key "none" { sha256 = "${sha('none')}"  allow = {"publish"} } }
${more}
namespace "/app" { auth = optional  ${more ? 'hook = "back"' : ''}
    event "order" { to = backend  ack = backend }
    event "tell" { to = backend  ack = accepted }
}
namespace "/other" { auth = optional }
`;

const emit = (s, ...args) => s.timeout(8000 * slow).emitWithAck(...args);
async function answer(d, body, key = 'all') {
	const r = await fetch(d.url('/api/v1/answers'), { method: 'POST',
		headers: { Authorization: `Bearer ${key}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: '/app', ...body }) });
	return { status: r.status, json: await r.json() };
}
/* The reference of what was sent last, as the back end reads it. */
async function refOf(g, n) {
	await g.until((l) => l.some((e) => e.event === 'order' &&
	    JSON.parse(e.data)[0] === n));
	return g.list.find((e) => e.event === 'order' &&
	    JSON.parse(e.data)[0] === n).ref;
}

let r, hosts, c, g, n = 0;
before(async () => {
	r = await Redis.start();
	hosts = await Promise.all([1, 2].map(() => Daemon.start({ workers: 2,
		conf: conf(r.url) })));
	await Promise.all(hosts.map((d) => connected(d)));
	c = await r.client();
	await until(async () => (await c.do('PUBSUB', 'NUMSUB', 'roost:asks'))[1]
	    === 2, 'both to hear what is asked', 20000);
	g = await Group.open(c, 'roost:events:app', 'g');
});
after(async () => {
	c.close();
	await Promise.all(hosts.map((d) => d.stop()));
	await r.kill();
});

test('a back end that reads the stream answers, at either host, and any worker',
    async () => {
	for (const d of hosts)
		for (let i = 0; i < 4; i++) {	/* one worker, or the other */
			const s = await connect(d, '/app'), k = ++n;
			const ack = emit(s, 'order', k, 'more');
			const ref = await refOf(g, k);
			const e = g.list.find((x) => x.ref === ref);
			assert.equal(ref, `${e.source}.${s.id}.${e.id}`);
			const where = i % 2 ? d : hosts.find((x) => x !== d);
			const a = await answer(where, { ref,
				ack: [{ k }, 'two', null] });
			assert.deepEqual(a, { status: 200,
				json: { answered: true } });
			/* its client's library gives the first one */
			assert.deepEqual(await ack, { k });
			/* nobody waits any more */
			const again = await answer(where, { ref, ack: [] });
			assert.equal(again.status, 410);
			assert.equal(again.json.error.code, 'gone');
			s.close();
		}
	for (const d of hosts) {
		assert.equal(await d.metric('awaited'), 4);
		assert.equal(await d.metric('awaited_answered'), 4);
	}
	assert.equal(await hosts[0].metric('awaited_late') +
	    await hosts[1].metric('awaited_late'), 8);
});

test('plain WebSockets, too; a refusal has the words of the back end', async () => {
	const w = await plain(hosts[0], '/ws/app');
	let k = ++n;
	const ok = w.ask('order', k);
	assert.equal((await answer(hosts[1], { ref: await refOf(g, k),
		ack: [{ k }] })).status, 200);
	assert.deepEqual((await ok).data, { k });
	k = ++n;
	const no = w.ask('order', k);
	assert.equal((await answer(hosts[0], { ref: await refOf(g, k),
		allow: false, message: 'sold \u201cout\u201d' })).status, 200);
	assert.deepEqual((await no).error, { code: 'forbidden',
		message: 'sold \u201cout\u201d' });
	k = ++n;
	const bare = w.ask('order', k);
	await answer(hosts[0], { ref: await refOf(g, k), allow: false });
	assert.equal((await bare).error.message, 'the back end refuses it');
	w.terminate();
});

test('without an answer in time the sender is told, and the answer is late',
    async () => {
	const s = await connect(hosts[0], '/app'), k = ++n, t0 = Date.now();
	assert.equal(codeOf(await emit(s, 'order', k)), 'unavailable');
	assert.ok(Date.now() - t0 >= 2900);
	const ref = await refOf(g, k);
	for (const d of hosts)
		assert.equal((await answer(d, { ref })).status, 410);
	assert.equal(await hosts[0].metric('awaited_unanswered'), 1);
	/* one who has left */
	const gone = ++n;
	s.emit('order', gone, () => {});
	const other = await refOf(g, gone);
	s.close();
	await hosts[0].counts('sessions', 0);
	assert.equal((await answer(hosts[0], { ref: other })).status, 410);
});

test('who waits for nothing has no reference, nor do other events', async () => {
	const s = await connect(hosts[0], '/app'), k = ++n;
	s.emit('order', k);
	assert.equal(await refOf(g, k), undefined);
	const { id } = await emit(s, 'tell', {});
	await g.until((l) => l.some((e) => e.id === id));
	assert.equal(g.list.find((e) => e.id === id).ref, undefined);
	s.close();
});

test('what is no reference is 404; keys are for namespaces', async () => {
	const s = await connect(hosts[0], '/app'), k = ++n;
	const ack = emit(s, 'order', k), ref = await refOf(g, k);
	for (const bad of ['x', `${ref}\u00e9`, ref.replace('.', ':'), ref.slice(1)])
		assert.equal((await answer(hosts[0], { ref: bad })).status, 404,
		    bad);
	assert.equal((await answer(hosts[0], { ref, namespace: 'nope' })).status,
	    404);
	assert.equal((await answer(hosts[0], { ref }, 'none')).status, 403);
	assert.equal((await answer(hosts[0], { ref }, 'other')).status, 403);
	/* nor may it be of another namespace than it says */
	for (const d of hosts)
		assert.equal((await answer(d, { ref, namespace: '/other' },
		    'other')).status, 410);
	assert.equal((await answer(hosts[0], { ref: `0${ref.slice(1)}` }))
	    .status, ref[0] === '0' ? 200 : 410);
	if (ref[0] !== '0')
		assert.equal((await answer(hosts[0], { ref, ack: [1] })).status,
		    200);
	await ack;
	s.close();
});

test('many at once, each its own', async () => {
	const s = await connect(hosts[1], '/app'), first = n + 1;
	const acks = Array.from({ length: 100 }, () => emit(s, 'order', ++n));
	await refOf(g, n);
	const list = g.list.filter((e) => e.event === 'order' &&
	    JSON.parse(e.data)[0] >= first);
	assert.equal(new Set(list.map((e) => e.ref)).size, 100);
	const done = await Promise.all(list.reverse().map((e) => answer(hosts[1],
	    { ref: e.ref, ack: [JSON.parse(e.data)[0]] })));
	assert.ok(done.every((a) => a.status === 200));
	assert.deepEqual(await Promise.all(acks), Array.from({ length: 100 },
	    (_, i) => first + i));
	s.close();
});

test('a relay that ends meanwhile takes nothing with it: the answer comes',
    async () => {
	const [d] = hosts;
	d.mayDie = true;
	const s = await connect(d, '/app'), k = ++n;
	const ack = emit(s, 'order', k), ref = await refOf(g, k);
	const { pid } = d.relay();
	process.kill(pid, 'SIGKILL');
	await d.next(pid);
	assert.equal((await answer(d, { ref, ack: [k] })).status, 200);
	assert.equal(await ack, k);
	s.close();
});

test('entries that a hook gets have one as well', async (t) => {
	const back = await Backend.start();
	const d = await Daemon.start({ workers: 2, conf: conf('', `
hook "back" { url = "${back.url}"  secret = "${SECRET}"  allow_private = true
    timeout = 2s  batch_delay = 0s }`) });
	t.after(async () => {
		await d.stop();
		await back.close();
	});
	const s = await connect(d, '/app');
	const ack = emit(s, 'order', 5);
	await back.until((l) => l.some((e) => e.ref));
	const { ref } = back.entries.find((e) => e.ref);
	assert.equal((await answer(d, { ref, ack: ['yes'] })).status, 200);
	assert.equal(await ack, 'yes');
	/* of a host that is not there */
	assert.equal((await answer(d, { ref: `${ref[0] === '1' ? 2 : 1}${
	    ref.slice(1)}` })).status, 410);
	back.answer = 410;
	assert.equal(codeOf(await emit(s, 'order', 6)), 'unavailable');
	s.close();
});
