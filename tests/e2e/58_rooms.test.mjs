/*
 * Many rooms on a host, and many messages at once: what is subscribed follows
 * who is there, and what arrives together leaves together.  HOSTS_LONG=1:
 * 50,000 rooms (tests/run --long hosts).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { ask, connect, gotten } from './lib/clients.mjs';
import { Daemon, halt, until } from './lib/daemon.mjs';
import { Redis } from './lib/redis.mjs';

const ROOMS = process.env.HOSTS_LONG === '1' ? 50000 : 5000;
const EACH = 1000;		/* rooms of one client */
const conf = (url) => `
redis { url = "${url}" socketio_prefix = "" }
shm { rooms = 100k }
presence { leave_grace = 100ms }
limits { rooms_per_session = ${EACH} }
namespace "/" { auth = none room "{any}" { join = open } }
`;

let redis, cli, d;
before(async () => {
	redis = await Redis.start();
	cli = await redis.client();
	d = await Daemon.start({ workers: 2, conf: conf(redis.url) });
	await until(async () => (await (await fetch(d.url('/health'))).json())
	    .redis.connected, 'Redis');
});
after(async () => {
	cli.close();
	await d.stop();
	await redis.kill();
});

const channel = (room) => `roost:to:1:/:r${room}`;
/* How many of these rooms' channels this one host listens to. */
async function listened(rooms) {
	let n = 0;
	for (let i = 0; i < rooms.length; i += 1000) {
		const r = await cli.do('PUBSUB', 'NUMSUB',
		    ...rooms.slice(i, i + 1000).map(channel));
		for (let j = 1; j < r.length; j += 2) {
			assert.ok(r[j] <= 1, `${r[j - 1]}: ${r[j]}`);
			n += r[j];
		}
	}
	return n;
}
/* Bytes that these processes have for themselves. */
const memory = (role) => d.children().filter((c) => c.role === role)
    .reduce((sum, c) => sum + 1024 * Number(fs.readFileSync(
	`/proc/${c.pid}/smaps_rollup`, 'utf8').match(/Private_Dirty: +(\d+)/)[1]),
    0);
const rooms = Array.from({ length: ROOMS }, (_, i) => `room-${i}`);

test(`${ROOMS} rooms: subscriptions follow membership`, async (t) => {
	const list = [];
	const part = (k) => rooms.slice(k * EACH, (k + 1) * EACH);
	for (let k = 0; k < ROOMS / EACH; k++)
		list.push(await connect(d, '/'));
	const was = { relay: memory('relay'), worker: memory('worker') };
	for (const [k, s] of list.entries())
		for (const r of await Promise.all(part(k).map((room) =>
			ask(s, 'room:join', { room }))))
			assert.equal(r.error, undefined);
	await until(async () => await listened(rooms) === ROOMS,
	    'a subscription of each room', 30000);
	for (const role of ['relay', 'worker'])
		t.diagnostic(`${role}: ${Math.round((memory(role) - was[role]) /
		    ROOMS)} bytes a room`);
	assert.equal(await d.metric('redis_channels'),
	    (await cli.do('PUBSUB', 'CHANNELS', '*')).length);

	/* left by the odd ones, and half of the clients are cut off */
	const odd = (i) => i % 2 === 1, third = (i) => i % 3 === 0;
	const cut = (i) => odd(Math.floor(i / EACH));
	const each = (what, of) => Promise.all(list.flatMap((s, k) =>
		part(k).map((room, i) => of(k * EACH + i) ?
		    ask(s, what, { room }) : undefined)));
	const held = (name, of) => until(async () => await listened(
	    rooms.filter((_, i) => of(i))) === rooms.filter((_, i) =>
		of(i)).length && await listened(rooms.filter((_, i) =>
		!of(i))) === 0, name, 30000);
	await each('room:leave', odd);
	list.filter((_, k) => odd(k)).forEach((s) => s.close());
	await held('what was not left', (i) => !odd(i) && !cut(i));

	/* some are joined again, then all are cut off */
	await each('room:join', (i) => odd(i) && third(i) && !cut(i));
	await held('some of them again', (i) =>
	    (!odd(i) || third(i)) && !cut(i));
	list.forEach((s) => s.close());
	await held('none', () => false);
});

test('a relay killed in between subscribes the same again', async () => {
	const s = await connect(d, '/');
	const mine = rooms.slice(0, EACH);
	await Promise.all(mine.map((room) => ask(s, 'room:join', { room })));
	await until(async () => await listened(mine) === EACH, 'all');
	d.mayDie = true;
	process.kill(d.relay().pid, 'SIGKILL');
	/* those who leave meanwhile, too */
	await Promise.all(mine.slice(0, 100).map((room) =>
		ask(s, 'room:leave', { room })));
	await until(async () => await listened(mine.slice(100)) === EACH - 100 &&
	    await listened(mine.slice(0, 100)) === 0, 'as before', 20000);
	s.close();
});

test('64 messages that arrive together leave as one write per client',
async () => {
	const clients = [];
	for (let i = 0; i < 20; i++) {
		clients.push(await connect(d, '/'));
		await ask(clients[i], 'room:join', { room: 'burst' });
	}
	await until(async () => await listened(['burst']) === 1, 'the room');
	const relay = d.relay().pid;
	const before = await d.metric('write_calls');
	await halt(relay);
	await Promise.all(Array.from({ length: 64 }, (_, i) =>
		cli.do('PUBLISH', 'roost:publish', JSON.stringify({
			namespace: '/', room: 'burst', event: 'b',
			data: { i, text: 'x'.repeat(50) } }))));
	process.kill(relay, 'SIGCONT');
	await until(() => clients.every((s) => gotten(s, 'b').length === 64),
	    '64 messages each');
	for (const s of clients)
		assert.deepEqual(gotten(s, 'b').map(([{ i }]) => i),
		    Array.from({ length: 64 }, (_, i) => i));
	/* one of them was the answer with the number before */
	const writes = await d.metric('write_calls') - before - 1;
	assert.equal(writes, clients.length);
	clients.forEach((s) => s.close());
});
