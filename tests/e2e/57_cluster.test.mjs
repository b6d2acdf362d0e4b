/*
 * A Redis Cluster between two daemons: it is recognised by itself, what is
 * listened to and published is where its slot is, while slots move and nodes
 * come and go; strangers reach it by any node.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { createShardedAdapter } from '@socket.io/redis-adapter';
import { createCluster } from 'redis';
import { Server } from 'socket.io';

import { Daemon, sleep, slow, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Cluster, slotOf } from './lib/cluster.mjs';
import { Flow } from './lib/flow.mjs';
import { connected, health } from './lib/hosts.mjs';
import { as, conf as withPeople, fresh, is } from './lib/people.mjs';
import { emitter, server } from './lib/servers.mjs';

const MESSAGES = 3000;
const RATE = 1000 / slow;
const TROUBLE_RATE = 300 / slow;

const KEY = 'a-key-of-the-test';
const conf = (url, more = '') => `
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish"} } }
limits { bus_queue_bytes = 64MB send_queue_bytes = 64MB }
redis { url = "${url}" ${more} }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
namespace "/chat" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room } }
`;

let cluster, daemons;
before(async () => {
	cluster = await Cluster.start({ replicas: 1 });
	daemons = await Promise.all([0, 1].map((i) => Daemon.start({ workers: 2,
		conf: conf(`redis://${cluster.nodes[i].address}`) })));
	await Promise.all(daemons.map((d) => connected(d)));
});
after(async () => {
	for (const d of daemons)
		await d.stop();
	await cluster.kill();
});

const times = (d, words) => d.log.split(words).length - 1;
const sum = async (name) => (await Promise.all(daemons.map((d) =>
	d.metric(name)))).reduce((a, b) => a + b);
/* What a channel of a room is called in the Cluster. */
async function channelOf(nsp, room) {
	const plain = `to:${nsp.length}:${nsp}:r${room}`;
	const is = (s) => s.startsWith('roost:{') &&
	    s.slice(s.indexOf('}') + 1) === plain;
	return until(async () => (await cluster.channels()).flat().find(is),
	    `the channel of ${room}`, 20000);
}
const listeners = async (channel) => {
	const n = await cluster.ownerOf(slotOf(channel));
	return (await n.cli.do('PUBSUB', 'SHARDNUMSUB', channel))[1];
};
const listened = (channel, n) => until(async () =>
	await listeners(channel) === n, `${n} hosts at ${channel}`, 20000);

function check(t, flow) {
	const missing = flow.account();
	const untold = missing.filter((m) => m.acked && !m.told);
	t.diagnostic(`${flow.clients.reduce((n, c) => n + c.sent.length, 0)
	    } said, ${missing.length} missing, ${untold.length} not told`);
	assert.deepEqual(untold.slice(0, 5).map((m) => ({ from: m.from.k,
		to: m.to.k, i: m.i, at: m.at, gaps: m.to.gaps })), []);
	assert.equal(missing.filter((m) =>
		m.acked && m.from.daemon === m.to.daemon).length, 0);
	return missing;
}
/* Traffic, the trouble and its end, and traffic. */
async function through(t, room, trouble) {
	const flow = await Flow.open(daemons, { room });
	const channel = await channelOf('/flow', room);
	await listened(channel, 2);
	const done = flow.run(TROUBLE_RATE);
	await flow.more();
	await trouble(channel, flow);
	await Promise.all(daemons.map((d) => connected(d)));
	await listened(channel, 2);
	await flow.more();
	flow.stop();
	await done;
	await flow.settle();
	const missing = check(t, flow);
	flow.close();
	return missing;
}

test('it is recognised: each node has its part of the channels', async () => {
	const list = [];
	for (let i = 0; i < 60; i++) {
		const s = await connect(daemons[i % 2], '/chat');
		assert.equal((await ask(s, 'room:join', { room: `part${i}` }))
			.error, undefined);
		list.push(s);
	}
	const parts = await until(async () => {
		const l = await cluster.channels('roost:*:rpart*');
		return l.flat().length === 60 && l;
	}, '60 channels');
	for (const [i, l] of parts.entries()) {
		assert.ok(l.length > 0, `node ${i} has none`);
		for (const channel of l)
			assert.equal(await cluster.ownerOf(slotOf(channel)),
			    cluster.masters[i]);
	}
	/* classic ones of ours are none; and each node is connected once */
	for (const n of cluster.masters) {
		assert.deepEqual(await n.cli.do('PUBSUB', 'CHANNELS',
		    'roost:to:*'), []);
		for (const what of ['subscriber', 'commands'])
			await until(async () => (await n.cli.do('CLIENT',
			    'LIST')).split('name=roostd-' + what).length === 3,
			`one connection of each host for ${what}`);
	}
	const h = await health(daemons[0]);
	assert.equal(h.redis.nodes, 3);
	assert.equal(h.redis.away, 0);
	await daemons[0].counts('redis_nodes', 3);
	list.forEach((s) => s.close());
	await until(async () => (await cluster.channels('roost:*:rpart*')).flat()
		.length === 0, 'no channels', 20000);
});

test(`${MESSAGES} from both sides: each once, in order`, async (t) => {
	const flow = await Flow.open(daemons, { each: 3 });
	await listened(await channelOf('/flow', 'all'), 2);
	flow.measure = true;
	await flow.run(RATE, MESSAGES);
	await flow.settle();
	assert.equal(check(t, flow).length, 0);
	for (const c of flow.clients)
		assert.deepEqual(c.gaps, []);
	t.diagnostic(`across hosts: p50 ${flow.quantile(0.5).toFixed(1)
	    } ms, p99 ${flow.quantile(0.99).toFixed(1)} ms`);
	flow.close();
});

test('a slot moves from node to node under traffic', async (t) => {
	const moved = await sum('redis_moved');
	const missing = await through(t, 'moves', async (channel) => {
		for (let i = 0; i < 6; i++) {
			const slot = slotOf(channel);
			const from = await cluster.ownerOf(slot);
			const to = cluster.masters[
			    (cluster.masters.indexOf(from) + 1) % 3];
			await cluster.migrate(slot, to);
			await listened(channel, 2);
			await sleep(400);	/* of traffic */
		}
	});
	assert.ok(await sum('redis_moved') >= moved + 12);
	/* who publishes waits a moment for those who listen */
	assert.ok(missing.length < 20 * slow, `${missing.length} missing`);
	await cluster.whole();
});

async function publish(d, body) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: 'chat', ...body }) });
	assert.equal(r.status, 200);
}
async function member(d, room, nsp = '/chat') {
	const s = await connect(d, nsp);
	assert.equal((await ask(s, 'room:join', { room })).error, undefined);
	return s;
}

/* One host speaks and does not listen: nobody tells it that the slot moves. */
test('what is published to where a slot was comes once', async () => {
	const [a, b] = daemons, s = await member(b, 'quiet');
	const channel = await channelOf('/chat', 'quiet'), slot = slotOf(channel);
	await listened(channel, 1);
	const before = await a.metric('redis_routed');
	for (let i = 0; i < 3; i++) {
		const routed = await a.metric('redis_routed');
		const maps = times(a, ' redis_cluster ');
		const from = await cluster.ownerOf(slot);
		await cluster.migrate(slot, cluster.masters[
		    (cluster.masters.indexOf(from) + 1) % 3]);
		for (const n of [2 * i, 2 * i + 1])
			await publish(a, { room: 'quiet', event: 'say',
				data: n });
		/* unless the map that each host asks for now and then came first */
		await until(async () => times(a, ' redis_cluster ') > maps ||
		    await a.metric('redis_routed') > routed,
		    'the node to say where the slot is');
		/* who speaks waits a moment for those who listen: a host that
		 * is too busy by then knows that it may have missed something */
		await heard(s, 'say', 2 * i + 2).catch(() =>
			assert.ok(gotten(s, 'roost:gap').length > 0,
			    'lost, and not told'));
	}
	await a.counts('redis_routed', (n) => n > before);
	const got = gotten(s, 'say').map(([n]) => n);
	assert.deepEqual(got, [0, 1, 2, 3, 4, 5].filter((n) => got.includes(n)));
	s.close();
	await cluster.whole();
});

/* Between one host and the other, and from each node. */
let calls = 0;
async function strangers(node) {
	/* what one node says to another may come when the next has begun */
	const id = ++calls, of = (s, event) => gotten(s, event).filter(([v]) =>
		(v?.n ?? v) === id);
	const come = (s, event, n = 1) => until(() => of(s, event).length >= n,
	    `${n} × ${event}`);
	const list = await Promise.all(daemons.map((d) => member(d, 'strange')));
	const e = await emitter(node), node1 = await server(node, {
		namespaces: ['/chat'] });
	const far = await member({ port: node1.port }, 'strange');
	const all = [...list, far];
	/* who hears whom is known a moment later than who is there */
	await until(async () => {
		node1.io.of('/chat').emit('probe', 1);
		return list.every((s) => gotten(s, 'probe').length > 0);
	}, 'the servers to hear each other', 20000);
	for (const n of cluster.masters.filter((m) => !m.dead))
		await n.cli.do('PUBLISH', 'roost:publish', JSON.stringify({
			namespace: 'chat', room: 'strange', event: 'back',
			data: id }));
	e.emitter.of('/chat').to('strange').emit('emitted', id);
	node1.io.of('/chat').to('strange').emit('node', id);
	list[0].emit('say', { room: 'strange', n: id });
	const back = cluster.masters.filter((m) => !m.dead).length;
	for (const s of all) {
		await come(s, 'emitted');
		await come(s, 'node');
		if (s !== list[0])
			await come(s, 'say');
		if (s !== far)
			await come(s, 'back', back);
	}
	await publish(daemons[0], { room: 'strange', event: 'end', data: id });
	for (const s of all) {
		await come(s, 'end');
		for (const [event, n] of [['emitted', 1], ['node', 1],
			['say', s === list[0] ? 0 : 1],
			['back', s === far ? 0 : back]])
			assert.equal(of(s, event).length, n,
			    `${event} ${all.indexOf(s)} of ${
				JSON.stringify(s.got)}`);
	}
	all.forEach((s) => s.close());
	await node1.close();
	await e.close();
}
test('strangers reach all clients by any node, once', async () => {
	for (const n of cluster.masters)
		await strangers(n);
});

/* Of Socket.IO, whose channels are where their own names put them. */
test('servers with the sharded adapter, on the Cluster', async () => {
	const opts = { rootNodes: cluster.masters.map((n) => ({
		url: `redis://${n.address}` })) };
	const pub = createCluster(opts), sub = createCluster(opts);
	for (const c of [pub, sub]) {
		c.on('error', () => {});
		await c.connect();
	}
	const io = new Server();
	io.adapter(createShardedAdapter(pub, sub));
	io.of('/chat').on('connection', (s) => s.on('room:join',
	    ({ room }, ack) => { s.join(room); ack({ room }); }));
	const web = http.createServer();
	io.attach(web);
	await new Promise((ok) => web.listen(0, '127.0.0.1', ok));
	const d = await Daemon.start({ conf: conf(cluster.url,
	    'socketio_adapter = sharded') });
	try {
		await connected(d);
		const far = await member({ port: web.address().port }, 'sh');
		const s = await member(d, 'sh');
		await until(() => {
			io.of('/chat').to('sh').emit('probe', 1);
			return gotten(s, 'probe').length > 0;
		}, 'the server to be heard', 20000);
		await until(() => {
			s.emit('say', { room: 'sh', n: 0 });
			return gotten(far, 'say').length > 0;
		}, 'the daemon to be heard', 20000);
		io.of('/chat').to('sh').emit('node', 1);
		await heard(s, 'node');
		assert.equal(gotten(s, 'node').length, 1);
		s.close();
		far.close();
	} finally {
		await d.stop();
		await new Promise((ok) => io.close(ok));
		await pub.quit();
		await sub.quit();
	}
});

test('two nodes that name each other for a slot are asked now and then',
async () => {
	const [d] = daemons, list = await Promise.all(daemons.map((x) =>
		connect(x, '/chat')));
	for (const s of list)
		await ask(s, 'room:join', { room: 'named' });
	const channel = await channelOf('/chat', 'named'), slot = slotOf(channel);
	await listened(channel, 2);
	const from = await cluster.ownerOf(slot);
	const to = cluster.masters.find((n) => n !== from);
	await from.cli.do('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
	const was = await d.metric('redis_commands');
	await sleep(2000);	/* the time in which they are counted */
	const n = await d.metric('redis_commands') - was;
	assert.ok(n < 200, `${n} commands`);
	for (const m of [to, ...cluster.masters.filter((m) => m !== to)])
		await m.cli.do('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
	await cluster.whole();
	await listened(channel, 2);
	list[0].emit('say', { room: 'named', n });
	await until(() => gotten(list[1], 'say').length === 1, 'the message');
	list.forEach((s) => s.close());
});

test('a node is killed, and its replica takes over', async (t) => {
	let victim;
	const missing = await through(t, 'fails', async (channel) => {
		victim = await cluster.ownerOf(slotOf(channel));
		await cluster.end(victim);
		await Promise.all(daemons.map(async (d) => {
			await connected(d, false);
			const h = await health(d);
			assert.equal(h.status, 'degraded');
			assert.equal(h.redis.away, 1);
			await d.counts('redis_nodes_away', 1);
			assert.match(h.reason, /^1 of 3: /);
		}));
		const heir = cluster.nodes.find((n) => n.of === victim);
		await until(async () => await cluster.ownerOf(slotOf(channel)) ===
			heir, 'the replica to be master', 30000);
		cluster.masters[cluster.masters.indexOf(victim)] = heir;
		heir.of = undefined;
		victim.of = heir;
	});
	assert.ok(missing.length > 0);
	await cluster.again(victim);
	await cluster.whole();
});

test('strangers reach all clients when a node was lost', async () => {
	await strangers(cluster.masters[2]);
});

/* The manual's commands, and no other: nobody says CLIENT LIST, CONFIG or
 * SELECT, and nothing is denied. */
test('a user who may do what the manual lists is enough', async () => {
	const channels = ['&roost:*', '&socket.io#/*', '&socket.io-request#/*',
	    '&socket.io-response#/*'];
	for (const n of cluster.live)
		await n.cli.do('ACL', 'SETUSER', 'roostd', 'on', '>secret',
		    'resetchannels', ...channels.slice(0, 1), '-@all', '+ping',
		    '+publish', '+subscribe', '+unsubscribe', '+client|setname',
		    '+ssubscribe', '+sunsubscribe', '+spublish',
		    '+cluster|slots', '+asking');
	const two = await Promise.all([0, 1].map(() => Daemon.start({
		conf: conf(`redis://roostd:secret@${cluster.nodes[0].address}`,
		    'socketio_prefix = ""') })));
	await Promise.all(two.map((d) => connected(d)));
	const s = await member(two[0], 'acl'), other = await member(two[1], 'acl');
	const channel = await channelOf('/chat', 'acl');
	await listened(channel, 2);
	other.emit('say', { room: 'acl', n: 1 });
	await heard(s, 'say');
	const slot = slotOf(channel), from = await cluster.ownerOf(slot);
	await cluster.migrate(slot, cluster.masters[
	    (cluster.masters.indexOf(from) + 1) % 3]);
	await listened(channel, 2);
	other.emit('say', { room: 'acl', n: 2 });
	await heard(s, 'say', 2);
	for (const d of two) {
		await until(async () => (await health(d)).status === 'healthy',
		    'health');
		assert.ok(!/NOPERM|redis_trouble/.test(d.log), d.log);
	}
	for (const n of cluster.live)
		assert.deepEqual(await n.cli.do('ACL', 'LOG'), []);
	s.close();
	other.close();
	for (const d of two)
		await d.stop();

	/* and who may not ask for the slots is told so */
	for (const n of cluster.live)
		await n.cli.do('ACL', 'SETUSER', 'roostd', '-cluster|slots');
	const d = await Daemon.start({ conf: conf(
	    `redis://roostd:secret@${cluster.nodes[0].address}`,
	    'socketio_prefix = ""') });
	await until(() => /redis_trouble .*CLUSTER SLOTS: NOPERM/.test(d.log),
	    'the log to say what is missing');
	assert.equal((await health(d)).status, 'degraded');
	for (const n of cluster.live)
		await n.cli.do('ACL', 'SETUSER', 'roostd', '+cluster|slots');
	await connected(d);
	await d.stop();
});

/* Keys and scripts go to where their slot is, and name no others. */
test('presence and the stream, with the rights of the manual', async () => {
	for (const n of cluster.live) {
		await n.cli.do('ACL', 'SETUSER', 'people', 'on', '>secret',
		    'resetchannels', '&roost:*', '-@all', '+ping', '+publish',
		    '+subscribe', '+unsubscribe', '+client|setname');
		await n.cli.do('ACL', 'SETUSER', 'people', 'resetkeys',
		    '~roost:*', '+del', '+eval', '+exists', '+get', '+hdel',
		    '+hget', '+hkeys', '+hlen', '+hscan', '+hset', '+pexpire',
		    '+set', '+zadd', '+zremrangebyscore', '+zrevrangebyscore');
		await n.cli.do('ACL', 'SETUSER', 'people', '~roost:*', '+eval',
		    '+get', '+set', '+xinfo', '+xread', '+xtrim');
		await n.cli.do('ACL', 'SETUSER', 'people', '+ssubscribe',
		    '+sunsubscribe', '+spublish', '+cluster|slots', '+asking');
		await n.cli.do('ACL', 'LOG', 'RESET');
	}
	const two = await Promise.all(cluster.masters.slice(0, 2).map((n) =>
		Daemon.start({ conf: withPeople(
		    `redis://people:secret@${n.address}`,
		    'socketio_prefix = "" stream = 100') })));
	try {
		for (const d of two)
			await fresh(d, 20000);
		const s = await connect(two[0], '/query', as('ann'));
		const t = await connect(two[1], '/query', as('bob'));
		await is(two[1], 'ann', 'online', 'query', 20000);
		await is(two[0], 'bob', 'online', 'query', 20000);
		const owner = await cluster.ownerOf(slotOf('roost:publish'));
		await owner.cli.do('XADD', 'roost:publish', '*', 'body',
		    JSON.stringify({ namespace: 'query', event: 'kept',
			data: 1 }));
		for (const c of [s, t])
			await heard(c, 'kept', 1, 20000);
		s.close();
		await is(two[1], 'ann', 'offline', 'query', 20000);
		for (const d of two)
			assert.ok(!/NOPERM|redis_trouble/.test(d.log), d.log);
		for (const n of cluster.live)
			assert.deepEqual(await n.cli.do('ACL', 'LOG'), []);
		t.close();
	} finally {
		for (const d of two)
			await d.stop();
	}
});
