/*
 * Several Redis as shards between two daemons: channels are spread over them,
 * one that is away takes its own along, and is named.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Flow } from './lib/flow.mjs';
import { connected, health } from './lib/hosts.mjs';
import { as, conf as withPeople, fresh, is } from './lib/people.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { emitter } from './lib/servers.mjs';

const N = 3;
const conf = (urls) => `
limits { bus_queue_bytes = 64MB send_queue_bytes = 64MB }
redis { shards = {${urls.map((u) => `"${u}"`).join(', ')}} }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
namespace "/chat" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room } }
`;

let shards, daemons;
const shown = (n) => `redis://127.0.0.1:${n.port}`;
before(async () => {
	shards = [];
	for (let i = 0; i < N; i++) {
		shards.push(await Redis.start({ port: await freePort() }));
		shards[i].cli = await shards[i].client();
	}
	daemons = [];
	/* in whatever order the others are listed */
	for (const order of [[0, 1, 2], [0, 2, 1]])
		daemons.push(await Daemon.start({ workers: 2,
			conf: conf(order.map((i) => shown(shards[i]))) }));
	await Promise.all(daemons.map((d) => connected(d)));
});
after(async () => {
	for (const d of daemons)
		await d.stop();
	for (const s of shards) {
		s.cli.close();
		await s.kill();
	}
});

const channelOf = (room, nsp = '/flow') =>
	`roost:to:${nsp.length}:${nsp}:r${room}`;
const numsub = async (s, channel) =>
	(await s.cli.do('PUBSUB', 'NUMSUB', channel))[1];
/* The shard at which a room is listened to, by so many hosts. */
const shardOf = (room, n = 2, nsp) => until(async () => {
	for (const s of shards)
		if (!s.dead && await numsub(s, channelOf(room, nsp)) === n)
			return s;
	return undefined;
}, `${n} hosts at ${room}`, 20000);

test('channels are spread, and both hosts agree', async () => {
	const list = [], at = new Map(shards.map((s) => [s, 0]));
	for (let i = 0; i < 60; i++)
		for (const d of daemons) {
			const s = await connect(d, '/chat');
			assert.equal((await ask(s, 'room:join',
			    { room: `s${i}` })).error, undefined);
			list.push(s);
		}
	for (let i = 0; i < 60; i++) {
		const s = await shardOf(`s${i}`, 2, '/chat');
		at.set(s, at.get(s) + 1);
		for (const other of shards)
			if (other !== s)
				assert.equal(await numsub(other, channelOf(
				    `s${i}`, '/chat')), 0);
	}
	for (const n of at.values())
		assert.ok(n >= 8, `${[...at.values()]}`);
	const h = await health(daemons[0]);
	assert.equal(h.redis.nodes, N);
	assert.equal(h.redis.away, 0);
	assert.equal(h.status, 'healthy');
	for (const [i, s] of list.entries())
		s.emit('say', { room: `s${i >> 1}`, n: i });
	for (const s of list)
		await heard(s, 'say', 1);
	list.forEach((s) => s.close());
});

test('from both sides: each once, in order', async (t) => {
	const flows = [];
	for (const room of ['a', 'b', 'c', 'd'])
		flows.push(await Flow.open(daemons, { room, each: 1 }));
	for (const f of flows)
		await shardOf(f.room);
	await Promise.all(flows.map((f) => f.run(200, 500)));
	for (const f of flows) {
		await f.settle();
		assert.deepEqual(f.account(), []);
		f.close();
	}
});

test('strangers are at the first', async () => {
	const list = await Promise.all(daemons.map((d) => connect(d, '/chat')));
	for (const s of list)
		await ask(s, 'room:join', { room: 'x' });
	await shards[0].cli.do('PUBLISH', 'roost:publish', JSON.stringify({
		namespace: 'chat', room: 'x', event: 'back', data: 1 }));
	const e = await emitter(shards[0]);
	e.emitter.of('/chat').to('x').emit('emitted', 1);
	for (const s of list) {
		await heard(s, 'back');
		await heard(s, 'emitted');
	}
	await e.close();
	for (const s of shards.slice(1))
		assert.deepEqual(await s.cli.do('PUBSUB', 'CHANNELS',
		    'roost:publish'), []);
	list.forEach((s) => s.close());
});

test('one away: its rooms alone are degraded, and it is named', async (t) => {
	const flows = new Map();
	for (let i = 0; flows.size < N; i++) {
		const f = await Flow.open(daemons, { room: `w${i}`, each: 1 });
		const s = await shardOf(f.room);
		if (flows.has(s))
			f.close();
		else
			flows.set(s, f);
	}
	/* strangers are at the first, and one has the namespace as a whole */
	let victim;
	for (const s of shards.slice(1))
		if ((await s.cli.do('PUBSUB', 'CHANNELS', 'roost:to:5:/flow:*'))
		    .every((c) => /^roost:to:5:.flow:r/.test(c)))
			victim = s;
	const done = [...flows.values()].map((f) => f.run(60));
	await Promise.all([...flows.values()].map((f) => f.more()));
	victim.dead = true;
	victim.cli.close();
	await victim.kill();
	for (const d of daemons) {
		await connected(d, false);
		const h = await health(d);
		assert.equal(h.status, 'degraded');
		assert.match(h.reason, new RegExp(`^1 of 3: .*, ${
			shown(victim)}$`));
		assert.equal(h.redis.away, 1);
		await d.counts('redis_shards_away', (n) => n > 0);
		await until(() => d.log.includes(`redis_trouble url=${
			shown(victim)}`), 'a line in the log');
	}
	/* the rest flows meanwhile */
	const counts = () => [...flows].map(([s, f]) => [s,
		f.clients.reduce((n, c) => n + [...c.got.values()].reduce(
		    (a, l) => a + l.length, 0), 0)]);
	const before = new Map(counts());
	await until(() => counts().every(([s, n]) => s === victim ||
	    n > before.get(s) + 40), 'the others to go on');
	await victim.again();
	victim.cli = await victim.client();
	victim.dead = false;
	await Promise.all(daemons.map((d) => connected(d)));
	await shardOf(flows.get(victim).room);
	await Promise.all([...flows.values()].map((f) => f.more()));
	for (const f of flows.values())
		f.stop();
	await Promise.all(done);
	for (const [s, f] of flows) {
		await f.settle();
		const missing = f.account();
		t.diagnostic(`${shown(s)}: ${missing.length} missing`);
		assert.equal(missing.filter((m) => m.acked && !m.told).length,
		    0);
		if (s === victim) {
			assert.ok(missing.length > 0);
			for (const c of f.clients)
				assert.ok(c.gaps.length > 0);
		} else {
			assert.equal(missing.length, 0);
			for (const c of f.clients)
				assert.deepEqual(c.gaps, []);
		}
		f.close();
	}
	for (const d of daemons)
		await until(async () => (await health(d)).status === 'healthy',
		    'health');
});

test('one away from the start does not keep the others', async () => {
	const away = `redis://127.0.0.1:${await freePort()}`;
	const two = await Promise.all([0, 1].map(() => Daemon.start({
		conf: conf([shown(shards[0]), shown(shards[1]), away]) })));
	const list = [];
	for (let i = 0; i < 20; i++)
		for (const d of two) {
			const s = await connect(d, '/chat');
			await ask(s, 'room:join', { room: `z${i}` });
			list.push(s);
		}
	let there = 0;
	await until(async () => {
		there = 0;
		for (let i = 0; i < 20; i++)
			for (const s of shards.slice(0, 2))
				there += await numsub(s, channelOf(`z${i}`,
				    '/chat')) === 2;
		return there >= 8 && there < 20;
	}, 'the channels of two');
	for (let i = 0; i < 20; i++)
		list[2 * i].emit('say', { room: `z${i}`, n: i });
	await until(() => list.filter((s, i) => i % 2 === 1 &&
	    gotten(s, 'say').length === 1).length === there,
	'all that have a shard');
	list.forEach((s) => s.close());
	for (const d of two)
		await d.stop();
});

test('a user who may do what the manual lists, at each; then less', async () => {
	for (const s of shards) {
		await s.cli.do('ACL', 'SETUSER', 'roostd', 'on', '>pw',
		    'resetchannels', '&roost:*', '-@all', '+ping', '+publish',
		    '+subscribe', '+unsubscribe', '+client|setname');
		await s.cli.do('ACL', 'SETUSER', 'roostd', 'resetkeys',
		    '~roost:*', '+del', '+eval', '+exists', '+get', '+hdel',
		    '+hget', '+hkeys', '+hlen', '+hscan', '+hset', '+pexpire',
		    '+set', '+zadd', '+zremrangebyscore', '+zrevrangebyscore');
	}
	const urls = shards.map((s) => shown(s).replace('//', '//roostd:pw@'));
	const two = await Promise.all([0, 1].map(() => Daemon.start({
		conf: withPeople('x', 'socketio_prefix = ""').replace(
		    'url = "x"', `shards = {${urls.map((u) => `"${u}"`)
			.join(', ')}}`) })));
	try {
		for (const d of two)
			await fresh(d, 20000);
		const list = [];
		for (let i = 0; i < 12; i++)
			list.push(await connect(two[i % 2], '/query',
			    as(`u${i}`)));
		for (let i = 0; i < 12; i++)
			await is(two[(i + 1) % 2], `u${i}`, 'online');
		for (const d of two)
			assert.equal((await health(d)).status, 'healthy');
		for (const s of shards)
			assert.deepEqual(await s.cli.do('ACL', 'LOG'), []);
		/* what is denied at one of them is named with it */
		await shards[2].cli.do('ACL', 'SETUSER', 'roostd',
		    'resetchannels', '&roost:pulse:*');
		await shards[2].cli.do('CLIENT', 'KILL', 'TYPE', 'pubsub');
		for (const d of two)
			await until(() => new RegExp(`redis_trouble url=\\S*${
				shards[2].port} .*said="roost:\\S+: NOPERM`)
				.test(d.log), `the channel in ${d.log}`,
			20000);
		list.forEach((s) => s.close());
	} finally {
		for (const d of two)
			await d.stop();
	}
});
