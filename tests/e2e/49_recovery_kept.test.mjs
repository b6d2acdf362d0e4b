/*
 * Sessions that any host recovers, of a namespace with rooms that keep a history
 * beside rooms that do not: what a room keeps has its place there and in the
 * journal, so all of the namespace is in one order for everybody.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Cluster } from './lib/cluster.mjs';
import { connected as linked, hosts, unhost } from './lib/hosts.mjs';
import { user } from './lib/token.mjs';
import { cutsOfSessions } from '../recovery/hosts.mjs';

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const space = (url, { recovery = 'store' } = {}) => `
drain_time = 2s
${stopTime}${jwt}
redis { url = "${url}" }
recovery { window = 1m packets = 5000 bytes = 4MB }
api { key "backend" { sha256 = "${sha}" allow = {"publish"} } }
namespace "/r" { auth = optional recovery = ${recovery}
    room "k:{r}" { join = open history = 1000 }
    room "c:{id}" { join = claim:courses history = 1000 }
    room "{r}"   { join = open }
    event "n"    { to = room:room ack = accepted }
    event "all"  { to = namespace self = true }
    event "me"   { to = sender meta = off }
    event "sync" { ack = echo } }
`;
let all, a, b, cli, redis;
before(async () => {
	all = await hosts(space, [2, 2]);
	({ redis, cli, list: [a, b] } = all);
	for (const d of [a, b]) {
		d.mayDie = true;
		await journals(d);
	}
});
after(() => unhost(all));

/* A session that began before its host knew the journal, and has got nothing yet,
 * is not recovered. */
async function journals(d) {
	const s = await connect(d, '/r');
	s.emit('me', { i: 0 });
	await heard(s, 'me');
	s.close();
}
const cut = (s) => s.io.engine?.transport?.ws?._socket?.destroy();
const numbers = (s) => gotten(s, 'n').map((x) => x[0].i);
const upTo = (n) => Array.from({ length: n }, (_, i) => i);
async function back(s, d) {
	await until(() => !s.connected, 'cut');
	s.io.uri = `http://127.0.0.1:${d.port}/r`;
	s.connect();
	await connected(s);
}
async function member(d, rooms, options) {
	const s = await connect(d, '/r', options);
	for (const room of rooms)
		await ask(s, 'room:join', { room });
	return s;
}
const closed = (...list) => list.forEach((s) => s.close());

test('cut off on one host it goes on at another one, with both kinds of rooms',
    async () => {
	const rooms = ['k:a', 'a', 'k:a2'];
	const p = await member(a, rooms), q = await member(b, rooms);
	const s = await member(a, rooms, { auth: { token: user('u') } });
	let n = 0;
	const say = (c) => ask(c, 'n', { room: rooms[n % 3], i: n++ });
	const first = await say(p);
	assert.equal(first.offset, 1);
	assert.match(first.epoch, /^\w+$/);
	await heard(s, 'n');
	const { id } = s;
	for (const d of [b, a, b, b, a]) {
		cut(s);
		for (let i = 0; i < 7; i++)
			await say(i % 2 ? p : q);
		await back(s, d);
		assert.equal(s.recovered, true);
		assert.equal(s.id, id);
		await say(q);
		await until(() => numbers(s).length >= n, 'all of it');
	}
	assert.deepEqual(numbers(s), upTo(n));
	/* each room's are in its own places, too */
	for (const room of ['k:a', 'k:a2']) {
		const places = gotten(s, 'n').filter((x) => x[0].room === room)
		    .map((x) => x[1].offset);
		assert.deepEqual(places, upTo(places.length).map((i) => i + 1));
	}
	/* twice without traffic */
	for (const d of [b, a]) {
		cut(s);
		await back(s, d);
		assert.equal(s.recovered, true);
	}
	await say(p);
	await until(() => numbers(s).length >= n, 'the last');
	await ask(s, 'sync', 0);
	assert.deepEqual(numbers(s), upTo(n));
	closed(p, q, s);
});

test('all of the namespace hear one order, whoever says it where', async () => {
	const rooms = ['k:b', 'b', 'k:b2'], N = sanitized ? 30 : 100;
	const list = await Promise.all([a, a, b, b].map((d) => member(d, rooms)));
	await Promise.all(list.map(async (s, who) => {
		for (let i = 0; i < N; i++) {
			const answers = rooms.map((room) => ask(s, 'n',
			    { room, i: `${who}.${i}.${room}` }));
			s.emit('all', { i: `${who}.${i}` });
			await Promise.all(answers);
			if (i === N / 2)
				cut(s);
			if (!s.connected || i === N / 2)
				await back(s, i % 3 ? a : b);
		}
	}));
	const order = (s) => s.got.map((x) => x[1].i);
	await until(() => list.every((s) => gotten(s, 'all').length ===
	    list.length * N), 'all');
	const heardBy = list.map((s) => order(s));
	/* who has said it does not hear it */
	for (const [x, one] of heardBy.entries())
		for (const [y, other] of heardBy.entries()) {
			if (x >= y)
				continue;
			const of = (l, set) => l.filter((i) => set.has(i));
			assert.deepEqual(of(one, new Set(other)),
			    of(other, new Set(one)), `${x} and ${y}`);
		}
	for (const one of heardBy) {
		assert.equal(new Set(one).size, one.length);
		assert.equal(one.length, list.length * N + 3 * (list.length - 1) * N);
	}
	closed(...list);
});

/* All processes of a daemon at once, as when its machine fails. */
async function killHost(d) {
	const pids = [d.relay().pid, d.pid];
	for (let slot = 1; d.worker(slot) !== undefined; slot++)
		pids.push(d.worker(slot).pid);
	/* nobody sees that another one is dead */
	for (const pid of pids)
		process.kill(pid, 'SIGSTOP');
	for (const pid of pids)
		process.kill(pid, 'SIGKILL');
	await until(() => pids.every((pid) => {
		try {
			process.kill(pid, 0);
			return false;
		} catch { return true; }
	}), 'the host to be dead');
}
const places = (s) => gotten(s, 'n').filter((x) => x[1].offset)
    .map((x) => x[1].offset);

test('its worker was killed meanwhile, or its host', async () => {
	const c = await Daemon.start({ workers: 1, conf: space(redis.url) });
	await linked(c);
	await journals(c);
	c.mayDie = true;
	const rooms = ['k:c', 'c'], p = await member(b, rooms);
	const s = await member(a, rooms), t = await member(c, rooms);
	let n = 0;
	const say = () => ask(p, 'n', { room: rooms[n % 2], i: n++ });
	for (let i = 0; i < 3; i++)
		await say();
	await until(() => [s, t].every((m) => numbers(m).length === n), 'them');
	const ids = [s.id, t.id], { worker } = await ask(s, 'roost:ping');
	await until(async () => await cli.do('EXISTS',
	    `roost:session:r:${t._pid}`) === 1, 'it is written');
	await c.counts('sessions_written', (x) => x >= 2);
	process.kill(a.worker(worker).pid, 'SIGKILL');
	await killHost(c);
	for (let i = 0; i < 5; i++)
		await say();
	await Promise.all([back(s, b), back(t, b)]);
	assert.deepEqual([s.recovered, t.recovered], [true, true]);
	assert.deepEqual([s.id, t.id], ids);
	await say();
	for (const m of [s, t]) {
		await until(() => numbers(m).length >= n, 'all');
		assert.deepEqual(numbers(m), upTo(n));
		assert.deepEqual(places(m), [1, 2, 3, 4, 5]);
	}
	closed(p, s, t);
	await c.stop().catch(() => {});
});

test('what a room has kept is told to who comes later, and not again', async () => {
	const p = await member(a, ['k:d']), s = await member(b, ['d']);
	for (let i = 0; i < 3; i++)
		await ask(p, 'n', { room: 'k:d', i });
	const { epoch } = await ask(p, 'room:join', { room: 'k:d' });
	await ask(p, 'n', { room: 'k:d', i: 3 });
	const r = await ask(s, 'room:join', { room: 'k:d',
		since: { epoch, offset: 1 } });
	assert.deepEqual(r, { room: 'k:d', epoch, offset: 4, recovered: true });
	await ask(p, 'n', { room: 'k:d', i: 4 });
	await heard(s, 'n', 4);
	for (const d of [a, b]) {
		cut(s);
		await back(s, d);
		assert.equal(s.recovered, true);
	}
	/* and at a host where nobody was in it */
	const h = await ask(s, 'history:get', { room: 'k:d' });
	assert.deepEqual(h.events.map((e) => e.args[0].i), upTo(5));
	await ask(p, 'n', { room: 'k:d', i: 5 });
	await heard(s, 'n', 5);
	await ask(s, 'sync', 0);
	assert.deepEqual(numbers(s), [1, 2, 3, 4, 5]);
	assert.deepEqual(places(s), [2, 3, 4, 5, 6]);
	closed(p, s);
});

test('who may not be in the room any more is told nothing of it', async () => {
	const auth = (courses) => ({ auth: { token: user('u', { courses }) } });
	const p = await member(a, ['c:1'], auth(['1']));
	const s = await member(a, ['c:1'], auth(['1']));
	await ask(p, 'n', { room: 'c:1', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	cut(s);
	await ask(p, 'n', { room: 'c:1', i: 1 });
	s.auth = { token: user('u', { courses: [] }) };
	await back(s, b);
	assert.equal(s.recovered, false);
	assert.notEqual(s.id, id);
	await ask(p, 'n', { room: 'c:1', i: 2 });
	await ask(s, 'sync', 0);
	assert.deepEqual(numbers(s), [0]);
	closed(p, s);
});

test('a room ends, and its namespace goes on', async () => {
	const publish = (room, i, more) => fetch(b.url('/api/v1/publish'), {
		method: 'POST', headers: { authorization: `Bearer ${KEY}`,
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: 'r', room, event: 'n',
			args: [{ i }], ...more }) });
	const s = await member(a, ['k:e', 'e']);
	assert.equal((await (await publish('k:e', 0)).json()).offset, 1);
	await heard(s, 'n');
	cut(s);
	const last = await publish('k:e', 1, { finish: true, id: 'last' });
	assert.deepEqual([last.status, (await last.json()).offset], [200, 2]);
	assert.equal((await publish('k:e', 2)).status, 409);
	const again = await publish('k:e', 1, { finish: true, id: 'last' });
	assert.equal((await again.json()).duplicate, true);
	assert.equal((await publish('e', 3)).status, 200);
	await back(s, b);
	assert.equal(s.recovered, true);
	await heard(s, 'n', 2);
	assert.deepEqual(numbers(s), [0, 1, 3]);
	assert.equal(gotten(s, 'n')[1][1].finished, true);
	closed(s);
});

test('a Cluster: what a room keeps is where the journal is', async () => {
	const cluster = await Cluster.start({ masters: 3 }), list = [];
	try {
		for (const i of [0, 1])
			list.push(await Daemon.start({ workers: 1, conf: space(
			    `redis://${cluster.nodes[i].address}`) }));
		for (const d of list) {
			await linked(d);
			await journals(d);
		}
		const rooms = ['k:1', 'k:2', 'k:3', 'x'], [x, y] = list;
		const p = await member(y, rooms), s = await member(x, rooms);
		let n = 0;
		const say = () => Promise.all(rooms.map((room) => ask(p, 'n',
		    { room, i: n++ })));
		await say();
		await heard(s, 'n', 4);
		for (const d of [y, x]) {
			cut(s);
			await say();
			await back(s, d);
			assert.equal(s.recovered, true);
			await say();
			await until(() => numbers(s).length >= n, 'all');
		}
		assert.deepEqual(numbers(s), upTo(n));
		const keys = (await Promise.all(cluster.masters.map((m) =>
			m.cli.do('KEYS', 'roost:{*history*')))).flat();
		const journal = (await Promise.all(cluster.masters.map((m) =>
			m.cli.do('KEYS', 'roost:{*}journal:r')))).flat();
		const tag = /\{\d+\}/.exec(journal[0])[0];
		assert.equal(keys.length, 6, keys.join(' '));
		assert.ok(keys.every((k) => k.includes(tag)), keys.join(' '));
		closed(p, s);
	} finally {
		for (const d of list)
			await d.stop();
		await cluster.kill();
	}
});

test('three hosts, clients cut by chance: each event once, in one order, or a gap',
    async () => {
	const r = await cutsOfSessions({ seconds: 3, clients: 30,
		kinds: ['connections', 'workers', 'relays'] });
	assert.deepEqual(r.wrong, [], JSON.stringify(r.counts));
	assert.ok(r.counts.kept > 0 && r.counts.recovered > 0,
	    JSON.stringify(r.counts));
});

test('... and what is done wrong there is noticed', async () => {
	const r = await cutsOfSessions({ seconds: 2, clients: 20,
		broken: 'double', kinds: ['connections'] });
	assert.notEqual(r.wrong.length, 0, JSON.stringify(r.counts));
});
