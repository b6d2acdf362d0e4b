/*
 * Rooms that keep a history in Redis, of each kind that there is: a Cluster,
 * shards, one with a user that may do no more than the manual says, one whose
 * replica takes over; sealed entries; with servers of Socket.IO beside; and a
 * long history.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon, tempdir, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard } from './lib/clients.mjs';
import { Cluster } from './lib/cluster.mjs';
import { stopTime } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { acquainted, monitored } from './lib/sentinel.mjs';
import { emitter, server } from './lib/servers.mjs';

const space = (redis, store = '') => `
drain_time = 2s
${stopTime}
redis { ${redis} }
store { room_bytes = 64MB ${store} }
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 200000 }
    event "say" { to = room:room self = true ack = accepted member = off } }
`;
const range = (x, y) => [...Array(y - x + 1).keys()].map((i) => i + x);
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const say = (s, room, i, more = {}) => ask(s, 'say', { room, i, ...more });
const numbers = (s) => gotten(s, 'say').map(([x]) => x.i);
const offsets = (s) => gotten(s, 'say').map(([, m]) => m.offset);
const epochs = (s) => [...new Set(gotten(s, 'say').map(([, m]) => m.epoch))];

/* f gets the daemons of these configurations. */
async function using(confs, f) {
	const list = [];
	try {
		for (const conf of confs)
			list.push(await Daemon.start({ workers: 1, conf }));
		for (const d of list)
			await connected(d);
		await f(...list);
	} finally {
		for (const d of list)
			await d.stop();
	}
}

/* Several rooms, each in one order on both hosts. */
async function order(a, b, rooms) {
	const all = [];
	for (const room of rooms) {
		const [x, y] = [await connect(a, '/k'), await connect(b, '/k')];
		for (const s of [x, y])
			assert.equal((await join(s, room)).room, room);
		all.push([room, x, y]);
	}
	await Promise.all(all.flatMap(([room, x, y]) => range(1, 10).flatMap(
	    (i) => [say(x, room, i), say(y, room, i + 100)])));
	for (const [room, x, y] of all) {
		for (const s of [x, y]) {
			await heard(s, 'say', 20, 15000);
			assert.deepEqual(offsets(s), range(1, 20));
		}
		assert.deepEqual(numbers(x), numbers(y));
		const z = await connect(b, '/k');
		assert.equal((await join(z, room, { epoch: epochs(x)[0],
			offset: 15 })).recovered, true);
		assert.deepEqual(offsets(z), range(16, 20));
		for (const s of [x, y, z])
			s.close();
	}
}
const rooms = range(1, 12).map((i) => `k:${i}`);

test('a Cluster: state, stream and channel of a room are in one slot', async () => {
	const cluster = await Cluster.start({ masters: 3 });
	try {
		await using([0, 1].map((i) => space(`url = "redis://${
			cluster.nodes[i].address}"`)), (a, b) =>
			order(a, b, rooms));
		let at = 0;
		for (const n of cluster.masters) {
			const keys = await n.cli.do('KEYS', 'roost:*history:*');
			assert.ok(keys.every((k) =>
				/^roost:\{\d+\}history:k:k:\d+$/.test(k)), keys.join());
			at += keys.length > 0;
		}
		assert.ok(at >= 2, `${at} nodes`);
	} finally {
		await cluster.kill();
	}
});

test('shards: a room is kept where its channel is', async () => {
	const shards = [];
	for (let i = 0; i < 3; i++)
		shards.push(await Redis.start({ port: await freePort() }));
	const list = shards.map((s) => `"redis://127.0.0.1:${s.port}"`);
	try {
		await using([list, [list[0], list[2], list[1]]].map((l) =>
			space(`shards = {${l.join(', ')}}`)), (a, b) =>
			order(a, b, rooms));
		let at = 0;
		for (const s of shards) {
			const c = await s.client();
			at += (await c.do('KEYS', 'roost:history:*')).length > 0;
			c.close();
		}
		assert.ok(at >= 2, `${at} shards`);
	} finally {
		for (const s of shards)
			await s.kill();
	}
});

test('a user with the rights of the manual; without them it is refused',
    async () => {
	const redis = await Redis.start(), cli = await redis.client();
	const page = fs.readFileSync(new URL('../../man/roost.conf.5',
	    import.meta.url), 'utf8');
	const of = (re) => page.match(re)[0].replace(/\\e\n/g, ' ')
	    .split(/\s+/).slice(4).map((w) => w.replace(/^'|'$/g, ''));
	const base = of(/redis-cli ACL SETUSER roostd on [^]*?'\+client\|setname'/);
	const more = of(/redis-cli ACL SETUSER roostd '~roost:\*' \+eval \+evalsha [^]*?\+persist/);
	try {
		await cli.do('ACL', 'SETUSER', 'roostd', ...base);
		await using([space(`url = "unix:${redis.path}?user=roostd" ` +
		    `socketio_prefix = ""`)].map((c) => c.replace(
			/url = "unix:[^"]*"/, `url = "unix://roostd:PASSWORD@${
			    redis.path}"`)), async (d) => {
			const s = await connect(d, '/k');
			assert.equal((await join(s, 'k:1')).room, 'k:1');
			assert.equal(codeOf(await say(s, 'k:1', 1)), 'unavailable');
			await d.logged(/histories_refused/);
			await cli.do('ACL', 'SETUSER', 'roostd', ...more);
			await until(async () => (await say(s, 'k:1', 2)).offset,
			    'it to be kept');
			await heard(s, 'say', 1);
			s.close();
		});
	} finally {
		cli.close();
		await redis.kill();
	}
});

test('sealed: what has no seal is not heard, nor read', async () => {
	const redis = await Redis.start(), cli = await redis.client();
	const file = `${tempdir()}/secret`;
	fs.writeFileSync(file, `${'s'.repeat(40)}\n`);
	const url = `url = "${redis.url}"`;
	try {
		await using([0, 1].map(() => space(
		    `${url} secret_file = "${file}"`)), async (a, b) => {
			await order(a, b, rooms.slice(0, 2));
			await using([space(url)], async (c) => {
				const s = await connect(c, '/k');
				const x = await connect(a, '/k');
				await join(x, 'k:9');
				assert.ok((await say(s, 'k:9', 1)).offset > 0);
				await say(x, 'k:9', 2);
				await until(() => numbers(x).includes(2), 'its own');
				assert.deepEqual(numbers(x), [2]);
				await a.counts('redis_unsealed', (n) => n > 0);
				s.close();
				x.close();
			});
		});
	} finally {
		cli.close();
		await redis.kill();
	}
});

test('servers of Socket.IO get what is kept; what they say has no place',
    async () => {
	const redis = await Redis.start();
	const io = await server(redis, { namespaces: ['/k'] });
	const em = await emitter(redis);
	try {
		await using([0, 1].map(() => space(`url = "${redis.url}"`)),
		    async (a, b) => {
			const x = await connect(a, '/k'), y = await connect(b, '/k');
			const z = await connect(io, '/k');
			for (const s of [x, y, z])
				await join(s, 'k:1');
			await say(x, 'k:1', 1);
			await say(y, 'k:1', 2);
			for (const s of [x, y, z])
				await heard(s, 'say', 2);
			em.emitter.of('/k').to('k:1').emit('say', { i: 3 });
			io.io.of('/k').to('k:1').emit('say', { i: 4 });
			for (const s of [x, y]) {
				await heard(s, 'say', 4);
				const none = gotten(s, 'say').filter(([e]) => e.i > 2);
				assert.deepEqual(none.map(([, m]) => m?.offset),
				    [undefined, undefined]);
			}
			await heard(z, 'say', 4);
			assert.deepEqual(numbers(z).slice().sort(), [1, 2, 3, 4]);
			const p = await ask(x, 'history:get', { room: 'k:1' });
			assert.deepEqual(p.events.map((e) => e.args[0].i), [1, 2]);
			for (const s of [x, y, z])
				s.close();
		});
	} finally {
		await em.close();
		await io.close();
		await redis.kill();
	}
});

test('a replica takes over: another epoch, and all that is there', async () => {
	const m = await monitored();
	await acquainted(m);
	try {
		await using([0, 1].map(() => space(`sentinels = {${m.sentinels.map(
		    (s) => `"redis://127.0.0.1:${s.port}"`).join(', ')}} master = "${
			m.name}"`)), async (a, b) => {
			const x = await connect(a, '/k'), y = await connect(b, '/k');
			for (const s of [x, y])
				await join(s, 'k:1');
			for (const i of range(1, 5))
				await say(x, 'k:1', i);
			await heard(y, 'say', 5);
			const [epoch] = epochs(y);
			const c = await m.sentinels[0].client();
			await c.do('SENTINEL', 'FAILOVER', m.name);
			c.close();
			let n = 5;
			/* without a place, it may have been the old one's last */
			await until(async () => (await say(y, 'k:1', ++n)).epoch
			    ?.localeCompare(epoch), 'the new master', 40000);
			for (const s of [x, y]) {
				await until(() => numbers(s).includes(n), 'the last',
				    20000);
				await heard(s, 'roost:gap', 1, 20000);
				assert.equal(epochs(s).length, 2);
			}
			const p = await ask(x, 'history:get', { room: 'k:1',
				limit: 1000 });
			assert.notEqual(p.epoch, epoch);
			assert.deepEqual(p.events.slice(0, 5).map((e) =>
				e.args[0].i), range(1, 5));
			assert.deepEqual(p.events.map((e) => e.offset),
			    range(1, p.offset));
			const r = await join(await connect(b, '/k'), 'k:1',
			    { epoch, offset: 3 });
			assert.deepEqual([r.recovered, r.epoch], [false, p.epoch]);
			x.close();
			y.close();
		});
	} finally {
		await m.kill();
	}
});

test('100,000 events, page by page, while others speak', async () => {
	const redis = await Redis.start();
	try {
		await using([0, 1].map(() => space(`url = "${redis.url}"`)),
		    async (a, b) => {
			const x = await connect(a, '/k');
			const many = 100000;
			for (let i = 0; i < many; i += 2000)
				await Promise.all(range(i + 1, i + 2000).map((k) =>
					say(x, 'k:1', k)));
			const y = await connect(b, '/k');
			await join(y, 'k:2');
			const s = await connect(b, '/k');
			const { epoch } = await join(s, 'k:1');
			let on = true, said = 0;
			const talk = (async () => {
				while (on)
					await say(y, 'k:2', ++said);
			})();
			const z = await connect(b, '/k');
			const r = await join(z, 'k:1', { epoch, offset: 0 });
			assert.deepEqual([r.recovered, r.offset], [true, many]);
			on = false;
			await talk;
			assert.deepEqual(offsets(z), range(1, many));
			/* who speaks does not wait for all pages */
			assert.ok(said > 2, `${said}`);
			for (const c of [x, y, s, z])
				c.close();
		});
	} finally {
		await redis.kill();
	}
});
