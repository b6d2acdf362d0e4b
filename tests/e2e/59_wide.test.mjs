/*
 * More rooms than the table of rooms has places for: the relay does not know
 * their names, and listens to all of them by a pattern, as long as that is so.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Cluster } from './lib/cluster.mjs';
import { connected, health } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';

const FEW = 64, MANY = 200;
const conf = (url, rooms, more = '') => `
redis { url = "${url}" socketio_prefix = "" ${more} }
shm { rooms = ${rooms} users = 64 }
limits { rooms_per_session = 1000 }
namespace "/chat" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room member = off } }
`;

let redis, cli;
before(async () => {
	redis = await Redis.start();
	cli = await redis.client();
});
after(async () => {
	cli.close();
	await redis.kill();
});
const patterns = () => cli.do('PUBSUB', 'NUMPAT');
const gaps = (s) => gotten(s, 'roost:gap').map(([g]) => g);
const rooms = Array.from({ length: MANY }, (_, i) => `w${i}`);

/* One client of a host with a small table, in many rooms. */
async function crowd(d) {
	const s = await connect(d, '/chat');
	for (const room of rooms)
		assert.equal((await ask(s, 'room:join', { room })).error,
		    undefined);
	return s;
}
/* Two hosts, the second with a small table; each ends with f. */
async function two(url, f, more) {
	const list = await Promise.all([65536, FEW].map((n) =>
		Daemon.start({ workers: 2, conf: conf(url, n, more) })));
	try {
		await Promise.all(list.map((d) => connected(d)));
		await f(...list);
	} finally {
		for (const d of list)
			await d.stop();
	}
}

test('all rooms are heard, each once, and the pattern ends', async () => {
	await two(redis.url, async (a, b) => {
		assert.equal(await patterns(), 0);
		const far = await connect(a, '/chat'), s = await crowd(b);
		await b.counts('interest_untracked', (n) => n > 0);
		await until(async () => await patterns() === 1, 'a pattern',
		    10000);
		await b.counts('redis_wide', 1);
		await a.counts('redis_wide', 0);
		await b.logged(/redis_wide_begin/);
		/* they came between the table and the pattern, perhaps */
		await until(() => gaps(s).length > 0, 'the gap to be told');
		for (let n = 0; n < 2; n++)
			for (const room of rooms)
				far.emit('say', { room, n });
		await heard(s, 'say', 2 * MANY, 20000);
		/* one by one again: members of most rooms leave */
		for (const room of rooms.slice(8)) {
			await ask(s, 'room:leave', { room });
			far.emit('say', { room: 'w0', n: 2 });
			far.emit('say', { room: 'w7', n: 2 });
		}
		const calm = async () => await b.metric('redis_wide') === 0;
		let n = 2;
		await until(async () => {
			n++;
			for (const room of rooms.slice(0, 8))
				far.emit('say', { room, n });
			return calm();
		}, 'the end of the pattern', 40000);
		assert.equal(await patterns(), 0);
		n++;
		for (const room of rooms.slice(0, 8))
			far.emit('say', { room, n });
		const all = 2 * MANY + 2 * (MANY - 8) + 8 * (n - 2);
		await heard(s, 'say', all, 20000);
		assert.equal(gotten(s, 'say').length, all);
		const last = new Map();
		for (const [{ room, n: i }] of gotten(s, 'say')) {
			assert.ok(!(last.get(room) > i), `${room}: ${i}`);
			last.set(room, i);
		}
		await b.logged(/redis_wide_end/);
		s.close();
		far.close();
	});
});

test('where no pattern is allowed, that is named, and told', async () => {
	await cli.do('ACL', 'SETUSER', 'roostd', 'on', '>secret',
	    'resetchannels', '&roost:*', 'allkeys', '-@all', '+ping',
	    '+publish', '+subscribe', '+unsubscribe', '+client|setname');
	const url = `unix://roostd:secret@${redis.path}`;
	await two(url, async (a, b) => {
		const s = await crowd(b);
		await until(() => /redis_trouble .*roost:\*: NOPERM/.test(
		    b.log), 'the log to name it', 10000);
		await until(async () => /denies/.test((await health(b)).reason),
		    'the reason');
		assert.equal((await health(b)).status, 'degraded');
		/* allowed meanwhile: the gap ends, without a restart */
		await cli.do('ACL', 'SETUSER', 'roostd', '+psubscribe',
		    '+punsubscribe');
		await connected(b);
		await until(() => gaps(s).length > 0, 'the gap to be told');
		const far = await connect(a, '/chat');
		for (const room of rooms)
			far.emit('say', { room, n: 1 });
		await heard(s, 'say', MANY, 20000);
		assert.equal(gotten(s, 'say').length, MANY);
		far.close();
		s.close();
	});
});

test('a Cluster has no such pattern: counted, named and told', async () => {
	const cluster = await Cluster.start();
	try {
		await two(cluster.url, async (a, b) => {
			const s = await crowd(b);
			await until(async () => await b.metric(
			    'redis_unheard') === 1, 'it to be counted', 10000);
			await b.logged(/redis_rooms_unheard .*no pattern/);
			for (const room of rooms)
				await ask(s, 'room:leave', { room });
			await until(() => gaps(s).length > 0,
			    'the gap to be told', 40000);
			s.close();
		});
	} finally {
		await cluster.kill();
	}
});
