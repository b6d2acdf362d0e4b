/*
 * Rooms that end, as the answer of a model does that comes piece by piece: who
 * loads the page again reads it from the start, in the midst of it or behind its
 * end.  In memory, in Redis with two hosts, in a Cluster, with a journal.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { ask, codeOf, connect, gotten, heard, plain } from
	'./lib/clients.mjs';
import { Cluster } from './lib/cluster.mjs';
import { Daemon, until } from './lib/daemon.mjs';
import { onHosts } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { upgrade, Upgradable } from './lib/upgrade.mjs';

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const conf = (more = '', ns = '') => `
${more}
api { key "backend" { sha256 = "${sha}" allow = {"publish", "history"} } }
namespace "/ai" { auth = none ${ns}
    room "answer:{id}" { join = open history = 1000 keep = 1h }
    room "brief:{id}" { join = open history = 1000 keep = 1s }
    room "plain:{id}" { join = open }
    event "say" { to = room:room member = off self = true ack = accepted }
    event "typing" { to = room:room member = off volatile = true ack = accepted } }
`;
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const START = { offset: 0 };
async function call(d, path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), {
		method: body === undefined ? 'GET' : 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { status: r.status, ...await r.json() };
}
const token = (d, room, i, more = {}) => call(d, 'publish', { namespace: 'ai',
	room, event: 'token', data: { i }, ...more });
async function tokens(d, room, from, to) {
	for (let i = from; i <= to; i++)
		assert.equal((await token(d, room, i)).offset, i);
}
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const numbers = (s) => gotten(s, 'token').map(([x]) => x.i);
const marks = (s) => gotten(s, 'token').filter(([, m]) => m.finished)
    .map(([, m]) => m.offset);
const closeAll = (...l) => l.forEach((s) => s.close());

/* a and b may be one daemon. */
async function stream(a, b, room = 'answer:1') {
	const first = await connect(a, '/ai');
	const here = await join(first, room);
	assert.deepEqual([here.offset, here.finished], [0, undefined]);
	await tokens(a, room, 1, 5);
	/* the page is loaded again, in the midst: all of it from the start */
	const again = await connect(b, '/ai');
	const midst = await join(again, room, START);
	assert.deepEqual([midst.recovered, midst.finished], [true, undefined]);
	assert.ok(midst.offset >= 5, `${midst.offset}`);
	await tokens(b, room, 6, 9);
	const end = await token(a, room, 10, { finish: true, id: `end-${room}` });
	assert.deepEqual([end.status, end.offset], [200, 10]);
	for (const s of [first, again]) {
		await heard(s, 'token', 10);
		assert.deepEqual(numbers(s), range(1, 10));
		assert.deepEqual(marks(s), [10]);
		assert.equal(gotten(s, 'token').at(-1)[1].room, room);
	}
	/* the same once more is what it was; everything else is too late */
	assert.equal((await token(a, room, 10, { finish: true,
		id: `end-${room}` })).duplicate, true);
	for (const d of [a, b]) {
		for (const more of [{}, { finish: true }, { id: 'late' }]) {
			const r = await token(d, room, 11, more);
			assert.deepEqual([r.status, r.error.code],
			    [409, 'finished']);
		}
		const { results } = await call(d, 'batch', [{ namespace: 'ai', room,
			event: 'token', data: { i: 12 } }]);
		assert.equal(results.length, 1);
	}
	for (const s of [first, again])
		assert.equal(codeOf(await ask(s, 'say', { room })), 'finished');
	/* behind its end: all from the start, on each host, and that it is all */
	for (const d of [a, b]) {
		const late = await connect(d, '/ai');
		const all = await join(late, room, START);
		assert.deepEqual(all, { room, epoch: end.epoch, offset: 10,
			finished: true, recovered: true });
		assert.deepEqual(numbers(late), range(1, 10));
		assert.deepEqual(marks(late), [10]);
		/* where others are already, and with a place */
		const some = await connect(d, '/ai');
		assert.equal((await join(some, room, { epoch: end.epoch,
			offset: 7 })).finished, true);
		assert.deepEqual(numbers(some), [8, 9, 10]);
		const none = await connect(d, '/ai');
		assert.deepEqual(await join(none, room), { room, epoch: end.epoch,
			offset: 10, finished: true, recovered: false });
		assert.equal((await join(none, room)).finished, true);
		const page = await ask(none, 'history:get', { room, limit: 3 });
		assert.deepEqual([page.finished, page.more, page.events.at(-1).meta
			.finished], [true, false, true]);
		const w = await plain(d, '/ws/ai');
		assert.equal((await w.ask('room:join', { room, since: START })).data
			.finished, true);
		assert.deepEqual(w.got.filter((m) => m.event === 'token')
		    .map((m) => m.data.i), range(1, 10));
		closeAll(late, some, none, w);
		const h = await call(d, `history/ai/${room}?limit=4`);
		assert.deepEqual([h.finished, h.events.map((e) => e.offset)],
		    [true, [7, 8, 9, 10]]);
	}
	for (const s of [first, again])
		assert.equal(numbers(s).length, 10);
	/* what has no place among them goes on */
	await ask(first, 'typing', { room });
	await heard(again, 'typing');
	closeAll(first, again);
}

/* A room that is finished goes with its last event, and begins anew. */
async function brief(a, b, room = 'brief:1') {
	await tokens(a, room, 1, 2);
	const end = await token(b, room, 3, { finish: true });
	assert.equal(end.offset, 3);
	const r = await until(async () => {
		const x = await token(a, room, 1);
		return x.status === 200 && x;
	}, 'the room to begin anew', 15000);
	assert.notEqual(r.epoch, end.epoch);
	assert.equal(r.offset, 1);
	const s = await connect(b, '/ai');
	const all = await join(s, room, START);
	assert.deepEqual([all.epoch, all.finished], [r.epoch, undefined]);
	closeAll(s);
}

/* --- one host ---------------------------------------------------------------- */

test('in memory: a stream is read again from the start; its end is one', async () => {
	const d = await Daemon.start({ workers: 2, conf: conf() });
	await stream(d, d);
	await d.counts('store_finished', 1);
	await brief(d, d);
	await d.counts('store_finished', 2);
	await d.counts('store_refused', (n) => n >= 10, 'why="finished"');
	await d.stop();
});

test('with a journal: the room ends, its namespace does not', async () => {
	const d = await Daemon.start({ workers: 2, conf: conf(
	    'recovery { window = 1m }', 'recovery = store') });
	await stream(d, d);
	await stream(d, d, 'answer:2');
	await d.stop();
});

test('what cannot end is refused', async () => {
	const d = await Daemon.start({ workers: 1, conf: conf() });
	const room = 'answer:1';
	for (const [more, says] of [[{ room: 'plain:1' }, 'history'],
		[{ room: [room, 'plain:1'] }, 'history'],
		[{ room: undefined }, 'history'], [{ user: 'ann' }, 'history'],
		[{ volatile: true }, 'volatile'], [{ finish: 1 }, 'true or false']]) {
		const r = await token(d, room, 1, { finish: true, ...more });
		assert.deepEqual([r.status, r.error.code], [400, 'bad_request']);
		assert.ok(r.error.message.includes(says), r.error.message);
	}
	/* several at once end; one that has is told of by itself */
	const two = await token(d, [room, 'answer:2'], 1, { finish: true });
	assert.deepEqual(two.kept.map((k) => k.offset), [1, 1]);
	const mixed = await token(d, [room, 'answer:3'], 1);
	assert.deepEqual(mixed.kept.map((k) => k.error?.code),
	    ['finished', undefined]);
	assert.equal((await token(d, 'answer:4', 1, { finish: true, ack: true,
		timeout: 1000 })).offset, 1);
	assert.equal((await token(d, 'answer:4', 2, { ack: true })).error.code,
	    'finished');
	await d.stop();
});

test('an upgrade keeps the end', async () => {
	const d = await Upgradable.start({ workers: 2, conf: conf() });
	const room = 'answer:1', s = await connect(d, '/ai');
	await join(s, room);
	await tokens(d, room, 1, 3);
	await token(d, room, 4, { finish: true });
	await heard(s, 'token', 4);
	await upgrade(d);
	assert.equal((await token(d, room, 5)).error.code, 'finished');
	assert.equal(codeOf(await ask(s, 'say', { room })), 'finished');
	const late = await connect(d, '/ai');
	assert.deepEqual(await join(late, room, START).then((r) =>
		[r.offset, r.finished, r.recovered]), [4, true, true]);
	assert.deepEqual(numbers(late), range(1, 4));
	closeAll(s, late);
	await d.stop();
});

/* --- two hosts --------------------------------------------------------------- */

const pair = (urls, f) => onHosts(conf, urls, f);

test('in Redis: on two hosts, and by what both are told', async () => {
	const redis = await Redis.start();
	try {
		await pair([redis.url, redis.url], async (a, b) => {
			await stream(a, b);
			await brief(a, b);
			const cli = await redis.client(), room = 'answer:9';
			const s = await connect(b, '/ai');
			await join(s, room);
			for (const i of [1, 2, 3])
				await cli.do('PUBLISH', 'roost:publish', JSON.stringify({
					namespace: 'ai', room, event: 'token',
					data: { i }, finish: i === 2 }));
			await heard(s, 'token', 2);
			await until(async () => (await call(a, `history/ai/${room}`))
			    .finished, 'the end');
			const h = await call(b, `history/ai/${room}`);
			assert.deepEqual(h.events.map((e) => e.args[0].i), [1, 2]);
			assert.deepEqual(marks(s), [2]);
			cli.close();
			closeAll(s);
		});
	} finally {
		await redis.kill();
	}
});

test('in a Cluster', async () => {
	const cluster = await Cluster.start({ masters: 3 });
	try {
		await pair([0, 1].map((i) => `redis://${cluster.nodes[i].address}`),
		    async (a, b) => {
			for (const i of range(1, 3))
				await stream(a, b, `answer:${i}`);
			await brief(a, b);
		});
	} finally {
		await cluster.kill();
	}
});
