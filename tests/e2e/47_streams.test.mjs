/*
 * What back ends read in Redis with a consumer group: events that rules send
 * there, numbered, so that whoever reads them sees what is missing.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, sleep, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard, once } from './lib/clients.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Group, checkNumbers, follow } from './lib/streams.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const conf = (url, more = '') => `
redis { url = "${url}" ${more} }
${jwt}
namespace "/app" { auth = optional
    room "r:{id}" { join = open }
    event "say" { to = room:room  self = true  forward = true  ack = accepted }
    event "order" { to = backend  ack = accepted  as = "placed" }
    event "tell" { to = backend  args = 3 }
    event "quiet" { to = room:room  self = true }
}
presence { leave_grace = 300ms }
namespace "/who" { auth = optional
    events = {connected, disconnected, joined, left, occupied, vacated}
    room "r:{id}" { join = open }
}
namespace "/some" { auth = optional  presence = query  events = {connected} }
`;
const as = (name) => ({ auth: { token: user(name) } });

let redis, d, cli;
before(async () => {
	redis = await Redis.start();
	d = await Daemon.start({ workers: 2, conf: conf(redis.url) });
	cli = await redis.client();
	await connected(d);
});
after(async () => {
	cli.close();
	await d.stop();
	await redis.kill();
});

test('a rule forwards to the stream what it sends to a room', async () => {
	const g = await Group.open(cli, 'roost:events:app', 'one');
	const ann = await connect(d, '/app', as('ann'));
	await ask(ann, 'room:join', { room: 'r:1' });
	const { id } = await ask(ann, 'say', { room: 'r:1', text: 'é"\u2028' });
	await heard(ann, 'say');
	await g.until((l) => l.some((e) => e.event === 'say'));
	const e = g.list.find((x) => x.event === 'say');
	assert.equal(e.type, 'event');
	assert.equal(e.id, id);
	assert.equal(e.user, 'ann');
	assert.equal(e.sid, ann.id);
	assert.equal(e.room, 'r:1');
	assert.deepEqual(JSON.parse(e.data), [{ room: 'r:1', text: 'é"\u2028' }]);
	assert.ok(Math.abs(Number(e.ts) - Date.now()) < 60000);
	checkNumbers(g.list);
	ann.emit('quiet', { room: 'r:1' });
	await heard(ann, 'quiet');
	await ask(ann, 'say', { room: 'r:1', text: 'last' });
	await g.until((l) => l.filter((x) => x.event === 'say').length === 2);
	assert.ok(!g.list.some((x) => x.event === 'quiet'));
	ann.close();
});

test('what goes to back ends alone is acknowledged when they can read it',
    async () => {
	const g = await Group.open(cli, 'roost:events:app', 'two');
	const bob = await connect(d, '/app');
	const ack = await ask(bob, 'order', { n: 1 }, 'more', [2]);
	const all = await cli.do('XREVRANGE', 'roost:events:app', '+', '-',
	    'COUNT', '1');
	assert.ok(all[0][1].includes(ack.id));
	await g.until((l) => l.some((e) => e.id === ack.id));
	const e = g.list.find((x) => x.id === ack.id);
	assert.equal(e.event, 'placed');
	assert.equal(e.user, undefined);
	assert.equal(e.room, undefined);
	assert.deepEqual(JSON.parse(e.data), [{ n: 1 }, 'more', [2]]);
	bob.emit('tell', Buffer.from('bytes'), 1);
	await g.until((l) => l.some((x) => x.event === 'tell'));
	const t = g.list.find((x) => x.event === 'tell');
	assert.equal(t.attachment0, 'bytes');
	assert.equal(JSON.parse(t.data)[0]._placeholder, true);
	bob.close();
});

const words = (list) => list.filter((e) => e.event === 'say')
	.map((e) => JSON.parse(e.data)[0].i);
const range = (a, b) => Array.from({ length: b - a }, (_, i) => a + i);

/* A Redis and a daemon of its own: both are hurt. */
async function own(t, more = '', workers = 1, rest = '') {
	const r = await Redis.start();
	const own = await Daemon.start({ workers, conf: conf(r.url, more) + rest });
	const c = await r.client();
	t.after(async () => {
		c.close();
		await own.stop();
		await r.kill();
	});
	await connected(own);
	return [r, own, c];
}

test('while Redis is away events wait, within bounds, and senders that wait '
    + 'are told', async (t) => {
	const [r, o, c] = await own(t, 'events_buffer = 100KB');
	const ann = await connect(o, '/app', as('ann'));
	await ask(ann, 'room:join', { room: 'r:1' });
	await ask(ann, 'order', {});
	c.close();
	await r.kill();
	await connected(o, false);
	assert.equal(codeOf(await ask(ann, 'order', {})), 'unavailable');
	for (let i = 0; i < 200; i++)
		await ask(ann, 'say', { room: 'r:1', i });
	await o.counts('backend_dropped', 0);
	await o.counts('backend_waiting', (n) => n >= 200);
	await o.counts('backend_waiting_bytes', (n) => n > 200 * 50);
	/* 60 of 4 KB are too many */
	const text = 'x'.repeat(4000);
	for (let i = 200; i < 260; i++)
		await ask(ann, 'say', { room: 'r:1', i, text });
	let dropped;
	await until(async () => (dropped = await o.metric('backend_dropped')) +
	    await o.metric('backend_waiting') === 260, 'all to be counted');
	await o.counts('backend_dropped', (n) => n >= 30 && n < 60);
	await o.logged('events_dropped why="Redis is away"');
	await r.again();
	await connected(o);
	await until(async () => !codeOf(await ask(ann, 'order', {})),
	    'an order to be taken');
	const again = await r.client();
	t.after(() => again.close());
	const g = await Group.open(again, 'roost:events:app', 'g');
	await g.until((l) => l.some((e) => e.event === 'placed'));
	assert.deepEqual(words(g.list), range(0, 260 - dropped));
	assert.equal(checkNumbers(g.list, true), dropped);
	await o.counts('backend_refused', (n) => n > 0);
	await o.counts('forwards_failed', (n) => n > 0);
	await o.counts('backend_waiting', 0);
	ann.close();
});

test('what Redis refuses is told to who waits, and told again for the others',
    async (t) => {
	const [, o, c] = await own(t);
	const g = await Group.open(c, 'roost:events:app', 'g');
	const ann = await connect(o, '/app', as('ann'));
	await ask(ann, 'room:join', { room: 'r:1' });
	await ask(ann, 'order', {});
	await c.do('CONFIG', 'SET', 'maxmemory', '1');
	assert.equal(codeOf(await ask(ann, 'order', {})), 'unavailable');
	for (let i = 0; i < 20; i++)
		await ask(ann, 'say', { room: 'r:1', i });
	await o.logged('events_refused stream="roost:events:app" said="OOM');
	await o.counts('backend_errors', (n) => n > 0);
	await c.do('CONFIG', 'SET', 'maxmemory', '0');
	await g.until((l) => words(l).length === 20);
	assert.deepEqual(words(g.list), range(0, 20));
	await o.logged('events_taken stream="roost:events:app"');
	assert.equal(codeOf(await ask(ann, 'order', {})), undefined);
	ann.close();
});

test('the stream is bounded', async (t) => {
	const [, o, c] = await own(t, 'events = 100');
	const ann = await connect(o, '/app', as('ann'));
	for (let i = 0; i < 1000; i++)
		ann.emit('order', { i });
	await o.counts('forwards', (n) => n >= 1000);
	await o.counts('backend_events', (n) => n >= 1001);
	assert.ok(await c.do('XLEN', 'roost:events:app') < 400);
	ann.close();
});

test('relays and workers are killed: what is missing the numbers say, nothing '
    + 'is there twice', async (t) => {
	const [, o, c] = await own(t, '', 2);
	o.mayDie = true;
	const g = await Group.open(c, 'roost:events:app', 'g');
	let i = 0, ended = false;
	const acked = new Set();
	const talk = async (name) => {
		const s = await connect(o, '/app', { ...as(name),
			reconnection: true, reconnectionDelay: 10,
			reconnectionDelayMax: 50 });
		while (!ended) {
			const n = i++;
			try {
				const a = await s.timeout(4000)
				    .emitWithAck('order', { i: n });
				if (a.id)
					acked.add(a.id);
			} catch { /* it is connected again */ }
		}
		s.close();
	};
	const talkers = ['ann', 'bob', 'cid'].map(talk);
	for (const who of ['relay', 1, 'relay', 2, 'relay']) {
		const n = acked.size;
		await until(() => acked.size > n + 50, 'orders', 20000);
		const { pid } = who === 'relay' ? o.relay() : o.worker(who);
		process.kill(pid, 'SIGKILL');
		await until(() => (who === 'relay' ? o.relay() : o.worker(who))
			?.pid !== pid, `another ${who}`, 20000);
	}
	const n = acked.size;
	await until(() => acked.size > n + 50, 'orders', 20000);
	ended = true;
	await Promise.all(talkers);
	await g.until((l) => {
		const ids = new Set(l.map((e) => e.id));
		return [...acked].every((id) => ids.has(id));
	}, 10000);
	checkNumbers(g.list, true);
	const ids = g.list.filter((e) => e.type === 'event').map((e) => e.id);
	assert.equal(new Set(ids).size, ids.length, 'one is there twice');
	const begins = g.list.filter((e) => e.type === 'begin');
	assert.equal(begins.length, 4);
	assert.ok(begins.every((e) => e.seq === '1'));
	assert.ok(begins.every((e, k) => k === 0 ||
	    e.epoch > begins[k - 1].epoch));
});

test('a worker that dies with events is told of in the stream', async (t) => {
	const [, o, c] = await own(t, '', 1,
	    'limits { bus_queue_bytes = 100KB }');
	o.mayDie = true;
	const g = await Group.open(c, 'roost:events:app', 'g');
	const ann = await connect(o, '/app', as('ann'));
	await ask(ann, 'order', {});
	process.kill(o.relay().pid, 'SIGSTOP');
	const { pid } = o.worker(1), text = 'x'.repeat(10000);
	let i = 0;
	await until(async () => {
		for (let k = 0; k < 50; k++, i++)
			ann.emit('tell', { i, text });
		/* in a turn that has ended: what it could write is written */
		await until(async () => await o.metric('forwards') +
			await o.metric('forwards_refused') >= i + 1,
		'all events to be on their way');
		return await o.metric('forwards_refused') > 0 &&
		    await o.metric('bus_queue_bytes') > 0;
	}, 'the way to the relay to be full', 10000);
	await o.counts('forwards_refused', (n) => n > 0);
	process.kill(pid, 'SIGKILL');
	await until(() => o.worker(1)?.pid !== pid, 'another worker');
	process.kill(o.relay().pid, 'SIGCONT');
	await g.until((l) => l.some((e) => e.type === 'lost'), 20000);
	checkNumbers(g.list);
	assert.ok(g.list.filter((e) => e.event === 'tell').length < i);
	ann.close();
});

test('what is too large for the way to Redis is refused', async (t) => {
	const [, o, c] = await own(t, '', 1,
	    'limits { bus_queue_bytes = 300KB message_bytes = 1MB }');
	const g = await Group.open(c, 'roost:events:app', 'g');
	const ann = await connect(o, '/app', as('ann'));
	const large = 'x'.repeat(295000);
	assert.equal(codeOf(await ask(ann, 'order', large)), 'too_large');
	assert.equal(codeOf(await ask(ann, 'order', large.slice(30000))),
	    undefined);
	await g.until((l) => l.some((e) => e.event === 'placed'));
	checkNumbers(g.list);
	ann.close();
});

/* --- who comes and goes ----------------------------------------------------- */

/* So many daemons on a Redis of their own. */
async function several(t, n, workers = 1) {
	const r = await Redis.start();
	const list = await Promise.all(Array.from({ length: n }, () =>
		Daemon.start({ workers, conf: conf(r.url) })));
	const c = await r.client();
	t.after(async () => {
		c.close();
		for (const o of list)
			await o.stop();
		await r.kill();
	});
	for (const o of list)
		await until(async () => await o.metric('nodes_known') ===
			list.length - 1, 'the other nodes', 20000);
	return [list, c, await Group.open(c, 'roost:events:who', 'g')];
}
const types = (list, about) => list.filter((e) => e.user === about ||
    e.room === about).map((e) => e.type).join(' ');

test('users come and go in the whole cluster, and are told of once', async (t) => {
	const [[a, b], c, g] = await several(t, 2);
	const some = await Group.open(c, 'roost:events:some', 'g');
	const one = await connect(a, '/who', as('ann'));
	await g.until((l) => types(l, 'ann') === 'connected');
	const two = await connect(b, '/who', as('ann'));
	const bob = await connect(b, '/who', as('bob'));
	await ask(one, 'room:join', { room: 'r:1' });
	await g.until((l) => types(l, 'r:1') === 'occupied joined');
	await ask(two, 'room:join', { room: 'r:1' });
	await ask(bob, 'room:join', { room: 'r:1' });
	await g.until((l) => types(l, 'r:1') === 'occupied joined joined');
	one.close();
	const cid = await connect(a, '/who', as('cid'));
	await ask(cid, 'room:join', { room: 'r:2' });
	await g.until((l) => types(l, 'r:2') === 'occupied joined');
	cid.close();
	await g.until((l) => types(l, 'cid').endsWith('disconnected') ||
	    types(l, 'cid').includes('disconnected left'));
	/* by now the first of ann's would have been told, too */
	assert.equal(types(g.list, 'ann'), 'connected joined');
	two.close();
	bob.close();
	await g.until((l) => types(l, 'r:1').endsWith('vacated') &&
	    types(l, 'ann').includes('disconnected') &&
	    types(l, 'bob').includes('disconnected') &&
	    types(l, 'r:2').endsWith('vacated'));
	const { users, rooms } = follow(g.list);
	assert.deepEqual([users.size, rooms.size], [0, 0]);
	checkNumbers(g.list);
	const e = g.list.find((x) => x.type === 'joined' && x.user === 'ann');
	assert.equal(e.room, 'r:1');
	assert.match(e.host, /^[0-9a-f]{16}$/);
	assert.ok(g.list.filter((x) => x.why).every((x) => x.why === 'left'));
	const dan = await connect(a, '/some', as('dan'));
	await some.until((l) => types(l, 'dan') === 'connected');
	dan.close();
	const eve = await connect(a, '/some', as('eve'));
	await some.until((l) => types(l, 'eve') === 'connected');
	assert.ok(!some.list.some((x) => x.type === 'disconnected'));
	eve.close();
});

test('what a reload tells no more is told as gone, and comes again', async (t) => {
	const [[a], , g] = await several(t, 1);
	const on = fs.readFileSync(a.file, 'utf8');
	const reload = async (text) => {
		const n = a.log.split(' reloaded ').length;
		fs.writeFileSync(a.file, text);
		process.kill(a.pid, 'SIGHUP');
		await until(() => a.log.split(' reloaded ').length > n,
		    'the reload');
	};
	const ann = await connect(a, '/who', { ...as('ann'),
		reconnection: true, reconnectionDelay: 10 });
	await ask(ann, 'room:join', { room: 'r:1' });
	await g.until((l) => follow(l).rooms.get('r:1')?.size === 1);
	await reload(on.replace(/events = {connected, disconnected[^}]*}/, ''));
	await g.until((l) => follow(l).users.size === 0 &&
	    follow(l).rooms.size === 0);
	assert.equal(types(g.list, 'r:1'), 'occupied joined left vacated');
	/* they are there all the same */
	assert.ok(g.list.every((e) => !('reason' in e)));
	await reload(on);
	await g.until((l) => follow(l).users.has('ann') &&
	    follow(l).rooms.get('r:1')?.size === 1);
	assert.equal(g.list.filter((e) => e.type === 'begin').length, 1);
	checkNumbers(g.list);
	ann.close();
});

test('who comes back within the grace is no news', async (t) => {
	const [[a], , g] = await several(t, 1);
	const ann = await connect(a, '/who', as('ann'));
	await g.until((l) => types(l, 'ann') === 'connected');
	ann.close();
	const again = await connect(a, '/who', as('ann'));
	const bob = await connect(a, '/who', as('bob'));
	/* who has gone before it is told was never there */
	await g.until((l) => types(l, 'bob') === 'connected');
	bob.close();
	await g.until((l) => types(l, 'bob') === 'connected disconnected');
	assert.equal(types(g.list, 'ann'), 'connected');
	again.close();
});

test('users of a host that dies are told of by one of the others', async (t) => {
	const [[a, b, dead], , g] = await several(t, 3);
	const kept = await connect(a, '/who', as('ann'));
	const list = [];
	for (let i = 0; i < 20; i++)
		list.push(await connect(dead, '/who', as(`u${i}`)));
	list.push(await connect(dead, '/who', as('ann')));
	await ask(list[0], 'room:join', { room: 'r:1' });
	await g.until((l) => follow(l).users.size === 21 &&
	    follow(l).rooms.size === 1);
	for (const pid of [dead.pid, ...dead.children().map((x) => x.pid)])
		process.kill(pid, 'SIGKILL');
	dead.check = () => {};
	await g.until((l) => follow(l).users.size === 1 &&
	    follow(l).rooms.size === 0, 30000);
	const gone = g.list.filter((e) => e.type === 'disconnected');
	assert.equal(gone.length, 20);
	assert.ok(gone.every((e) => e.why === 'lost' &&
	    e.reason === 'host_lost'));
	assert.equal(new Set(gone.map((e) => e.host)).size, 1);
	checkNumbers(g.list);
	kept.close();
	await b.stop();
});

test('through kills of relays and workers, and what Redis forgets, a back end '
    + 'knows who is there', async (t) => {
	const [list, c, g] = await several(t, 2, 2);
	for (const o of list)
		o.mayDie = true;
	let ended = false;
	const opts = { reconnection: true, reconnectionDelay: 10,
		reconnectionDelayMax: 50 };
	const stay = await connect(list[0], '/who', { ...as('stay'), ...opts });
	const come = async (name) => {
		for (let i = 0; !ended; i++) {
			const s = await connect(list[i % 2], '/who',
			    { ...as(name), ...opts, wait: false });
			await s.timeout(1000).emitWithAck('room:join',
			    { room: `r:${i % 3}` }).catch(() => {});
			s.close();
			/* away, for less or for more than the grace */
			await sleep(Math.random() * 900);
		}
	};
	const all = Array.from({ length: 8 }, (_, i) => come(`u${i}`));
	for (const who of ['relay', 1, 'relay', 2, 'relay'])
		for (const o of list) {
			const of = () => who === 'relay' ? o.relay() :
				o.worker(who);
			const n = g.list.length;
			await g.until((l) => l.length > n + 30, 20000);
			const { pid } = of();
			process.kill(pid, 'SIGKILL');
			await until(() => (of()?.pid ?? pid) !== pid,
			    `another ${who}`, 20000);
		}
	ended = true;
	await Promise.all(all);
	await g.until((l) => {
		const { users, rooms } = follow(l);
		return users.size === 1 && users.has('stay') &&
			rooms.size === 0;
	}, 30000);
	checkNumbers(g.list);
	assert.equal(g.list.filter((e) => e.source === 'users' &&
	    e.type === 'begin').length, 1);
	/* another epoch says it all again */
	await c.do('DEL', 'roost:now:{roost:events:who}');
	await g.until((l) => l.filter((e) => e.source === 'users' &&
	    e.type === 'begin').length === 2 && follow(l).users.size === 1,
	30000);
	checkNumbers(g.list);
	stay.close();
});

test('links to Redis that are cut lose nothing, and nothing is there twice',
    async (t) => {
	const [, o, c] = await own(t);
	const g = await Group.open(c, 'roost:events:app', 'g');
	const ann = await connect(o, '/app', as('ann'));
	await ask(ann, 'room:join', { room: 'r:1' });
	let i = 0;
	for (let cut = 0; cut < 10; cut++) {
		await connected(o);
		const { length } = g.list;
		for (let k = 0; k < 200; k++)
			ann.emit('say', { room: 'r:1', i: i++ });
		/* some of them are there, others on their way */
		await g.until((l) => l.length > length);
		await c.do('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
	}
	await g.until((l) => words(l).length >= i, 20000);
	assert.deepEqual(words(g.list), range(0, i));
	checkNumbers(g.list);
	ann.close();
});
