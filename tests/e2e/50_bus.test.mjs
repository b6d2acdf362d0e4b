/* Two workers are one server: nothing lost, nothing doubled, order kept. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { sioOn, plainOn } from './lib/spread.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const EVENTS = sanitized ? 3000 : 10000;
const KEY = 'bus-test-key';
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: jwt + `
limits { send_queue_bytes = 64MB bus_queue_bytes = 64MB }
api { key "k" { allow = {"publish"} sha256 = "${
    crypto.createHash('sha256').update(KEY).digest('hex')}" } }
namespace "/bus" { auth = optional
    room "{r}" { join = open }
    event "n"    { to = room:room }
    event "ask"  { to = room:room ack = delivered }
    event "dm"   { to = user:to ack = delivered }
    event "all"  { to = namespace ack = delivered }
    event "sync" { ack = echo } }
` });
});
after(async () => {
	await d.counts('bus_dropped', 0);
	await d.counts('bus_bad', 0);
	await d.stop();
});

/* meta.id is node.slot.generation.sequence, in hexadecimal */
const slotOf = (meta) => parseInt(meta.id.split('.')[1], 16);
const closeAll = (...l) => l.forEach((s) => s.close());
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

test('meta.id names the worker that took the event', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/bus');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'ids' });
	a.emit('n', { room: 'ids' });
	b.emit('n', { room: 'ids' });
	assert.equal(slotOf((await heard(b, 'n'))[0][1]), 1);
	assert.equal(slotOf((await heard(a, 'n'))[0][1]), 2);
	closeAll(a, b);
});

test(`${EVENTS} events each way between workers: exact order`, async () => {
	const [a, b] = await sioOn(d, [1, 2], '/bus');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'x' });
	for (let i = 0; i < EVENTS; i++) {
		a.emit('n', { room: 'x', i });
		b.emit('n', { room: 'x', i });
		if (i % 500 === 499)
			await Promise.all([ask(a, 'sync', i), ask(b, 'sync', i)]);
	}
	for (const [s, slot] of [[a, 2], [b, 1]]) {
		const got = await heard(s, 'n', EVENTS, 30000);
		assert.deepEqual(got.map((x) => x[0].i), upTo(EVENTS));
		assert.ok(got.every((x) => slotOf(x[1]) === slot));
	}
	await ask(a, 'sync', 0);
	assert.equal(gotten(a, 'n').length, EVENTS, 'none doubled');
	closeAll(a, b);
});

test('the same between Socket.IO and plain clients', async () => {
	const n = EVENTS / 2;
	const [a] = await sioOn(d, [1], '/bus');
	const [w] = await plainOn(d, [2], '/ws/bus');
	await ask(a, 'room:join', { room: 'y' });
	await w.ask('room:join', { room: 'y' });
	for (let i = 0; i < n; i++) {
		a.emit('n', { room: 'y', i });
		w.emit1('n', { room: 'y', i });
		if (i % 500 === 499)
			await ask(a, 'sync', i);
	}
	assert.deepEqual((await heard(a, 'n', n, 30000)).map((x) => x[0].i), upTo(n));
	const mine = () => w.got.filter((m) => m.event === 'n');
	await until(() => mine().length >= n, 'plain events', 30000);
	assert.deepEqual(mine().map((m) => m.data.i), upTo(n));
	closeAll(a, w);
});

test('delivered counts both workers', async () => {
	const one = await sioOn(d, [1, 2], '/bus', { auth: { token: user('u') } });
	const two = await sioOn(d, [1, 2], '/bus', { auth: { token: user('u') } });
	for (const s of [...one, ...two])
		await ask(s, 'room:join', { room: 'count' });
	assert.equal((await ask(one[0], 'ask', { room: 'count' })).delivered, 3);
	assert.equal((await ask(one[1], 'dm', { to: 'u' })).delivered, 3,
	    'the sender is left out');
	const all = await Promise.all(upTo(50).map((i) =>
	    ask(one[i % 2], 'ask', { room: 'count', i })));
	assert.ok(all.every((x) => x.delivered === 3));
	closeAll(...one, ...two);
});

test('a room whose last member on a worker leaves is not asked again', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/bus');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'gone' });
	assert.equal((await ask(a, 'ask', { room: 'gone' })).delivered, 1);
	await ask(b, 'room:leave', { room: 'gone' });
	const before = await d.metric('bus_envelopes_out');
	assert.equal((await ask(a, 'ask', { room: 'gone' })).delivered, 0);
	await d.counts('bus_envelopes_out', before);
	closeAll(a, b);
});

test('clients that come and go while others talk', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/bus');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'churn' });
	let stop = false;
	const churn = (async () => {
		while (!stop) {
			const c = await connect(d, '/bus');
			await ask(c, 'room:join', { room: 'churn' });
			c.close();
		}
	})();
	for (let i = 0; i < 2000; i++) {
		a.emit('n', { room: 'churn', i });
		if (i % 50 === 49)
			await ask(a, 'sync', i);
	}
	const got = await heard(b, 'n', 2000, 20000);
	stop = true;
	await churn;
	assert.deepEqual(got.map((x) => x[0].i), upTo(2000));
	closeAll(a, b);
});

test('HTTP publish through any worker reaches both, in order', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/bus');
	for (let k = 0; k < 20; k++) {
		const list = upTo(50).map((i) => ({ namespace: 'bus', event: 'h',
			data: k * 50 + i }));
		const r = await fetch(d.url('/api/v1/batch'), { method: 'POST',
			headers: { Authorization: `Bearer ${KEY}`, Connection: 'close',
			    'Content-Type': 'application/json' },
			body: JSON.stringify({ publish: list }) });
		assert.equal(r.status, 200);
		for (const s of [a, b])
			await heard(s, 'h', 50 * (k + 1));
	}
	for (const s of [a, b])
		assert.deepEqual(gotten(s, 'h').map((x) => x[0]), upTo(1000));
	closeAll(a, b);
});

test('large messages cross too', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/bus');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'large' });
	const text = 'é'.repeat(300000);
	for (let i = 0; i < 20; i++)
		a.emit('n', { room: 'large', i, text });
	const got = await heard(b, 'n', 20, 20000);
	assert.ok(got.every((x, i) => x[0].i === i && x[0].text === text));
	closeAll(a, b);
});
