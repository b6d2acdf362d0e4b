/*
 * What it costs to carry messages between hosts: two daemons and a Redis, 128
 * bytes a message, at a fixed rate in pieces of 64, to 1 room and to 100.  In
 * the same run a program with hiredis and nothing else listens to the same
 * channels.  Then the same from one Socket.IO server to another by
 * @socket.io/redis-adapter.
 *
 *	node throughput.mjs LISTENER [MESSAGES]
 *
 * Prints CPU time by message; fails when a client misses one, or has one twice.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { Daemon, until } from '../e2e/lib/daemon.mjs';
import { Redis } from '../e2e/lib/redis.mjs';
import { OP, Ws, frame } from '../e2e/lib/wire.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const WebSocket = require('ws');
const { io } = require('socket.io-client');

const [listener, count] = process.argv.slice(2);
const TOTAL = Number(count ?? 100000), BURST = 64, RATE = 10000;
const pad = 'x'.repeat(96);

/* --- time ----------------------------------------------------------------- */

const cpu = (pid) => fs.readdirSync(`/proc/${pid}/task`).reduce((sum, t) =>
	sum + Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8')
	    .split(' ')[0]), 0) / 1000;
/* Microseconds that each of these spends while f() runs. */
async function spent(pids, f) {
	const before = pids.map(cpu), started = process.hrtime.bigint();

	await f();
	return { us: pids.map((p, i) => cpu(p) - before[i]),
		seconds: Number(process.hrtime.bigint() - started) / 1e9 };
}
/* BURST calls of send at once, at RATE in a second. */
async function pace(send) {
	const start = performance.now();

	for (let n = 0; n < TOTAL; n += BURST) {
		const due = start + n / RATE * 1000;

		while (performance.now() < due)
			await new Promise((ok) => setTimeout(ok, 1));
		send(n, Math.min(BURST, TOTAL - n));
	}
}

/* --- what arrives ----------------------------------------------------------*/

class Seen {
	constructor() {
		this.bits = new Uint8Array(TOTAL);
		this.n = this.twice = 0;
		this.ended = new Promise((_, no) => { this.end = (why) =>
			no(new Error(why)); });
		this.ended.catch(() => {});
	}
	one(i) {
		if (this.bits[i]++)
			this.twice++;
		else
			this.n++;
	}
	async all() {
		await Promise.race([this.ended, until(() => this.n === TOTAL,
		    'all messages', 30000)]);
		if (this.twice > 0)
			throw new Error(`${this.twice} messages came twice`);
	}
}

/* --- roostd ----------------------------------------------------------------*/

const conf = (url) => `
redis { url = "${url}" }
namespace "/bench" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room member = off } }
`;
const child = (d, name) => d.child.pid && Number(fs.readdirSync('/proc').find(
    (p) => /^\d+$/.test(p) && (() => {
	try {
		const stat = fs.readFileSync(`/proc/${p}/stat`, 'utf8');

		return stat.slice(stat.lastIndexOf(')')).split(' ')[2] ===
		    String(d.child.pid) && fs.readFileSync(
		    `/proc/${p}/cmdline`, 'utf8').includes(name);
	} catch {
		return false;			/* gone meanwhile */
	}
    })()));

async function listening(path, channels) {
	const c = spawn(listener, [path, ...channels],
	    { stdio: ['pipe', 'pipe', 'inherit'] });

	c.said = '';
	c.stdout.on('data', (b) => { c.said += b; });
	c.ended = new Promise((ok) => c.on('close', ok));
	await until(() => /ready/.test(c.said), 'the listener');
	return c;
}

async function roost(redis, rooms) {
	const [a, b] = await Promise.all([0, 1].map(() =>
		Daemon.start({ workers: 1, conf: conf(redis.url) })));
	const seen = new Seen(), members = [];
	const names = [...Array(rooms).keys()].map((i) => `r${i}`);
	const channels = names.map((r) => `roost:to:6:/bench:r${r}`);
	const bare = await listening(redis.path, channels);
	const cli = await redis.client();

	for (const d of [a, b])
		await until(async () => (await (await fetch(d.url('/health')))
		    .json()).redis.connected, 'Redis');
	for (const room of names) {
		const w = new WebSocket(`ws://127.0.0.1:${a.port}/ws/bench`);

		await once(w, 'open');
		w.send(JSON.stringify({ event: 'room:join', data: { room },
			id: 1 }));
		await once(w, 'message');
		w.on('message', (m) => {
			const i = /"n":(\d+)/.exec(m);

			if (i !== null)
				seen.one(Number(i[1]));
		});
		w.on('close', (code) => seen.end(`a client was closed: ${code}`));
		members.push(w);
	}
	await until(async () => (await cli.do('PUBSUB', 'NUMSUB', ...channels))
	    .every((n, i) => i % 2 === 0 || n === 2), 'subscriptions', 10000);
	const from = await Ws.must(b.port, '/ws/bench');
	const pids = [child(a, 'relay'), child(a, 'worker'), child(b, 'relay'),
		bare.pid, redis.child.pid];
	const calls = await a.metric('write_calls');
	const r = await spent(pids, async () => {
		await pace((n, burst) => {
			from.send(Buffer.concat([...Array(burst).keys()].map(
			    (i) => frame(OP.text, JSON.stringify({ event: 'say',
				data: { n: n + i, pad, room: names[n / BURST %
				    rooms] } })))));
		});
		await seen.all();
	});
	const writes = await a.metric('write_calls') - calls;

	bare.stdin.end();
	await bare.ended;
	const heard = Number(bare.said.trim().split('\n').pop());

	if (heard !== TOTAL)
		throw new Error(`the listener heard ${heard} of ${TOTAL}`);
	members.forEach((w) => w.terminate());
	from.drop();
	cli.close();
	await a.stop();
	await b.stop();
	const [relay, worker, out, hiredis, server] =
	    r.us.map((us) => us / TOTAL);
	return { rooms, rate: TOTAL / r.seconds, relay, worker, out, hiredis,
		server, writes: TOTAL / writes };
}

/* --- socket.io --------------------------------------------------------------*/

async function socketio(redis, rooms) {
	const server = fileURLToPath(new URL('socketio.mjs', import.meta.url));
	const [a, b] = await Promise.all([0, 1].map(() => {
		const c = fork(server, [redis.path]);

		return new Promise((ok) => c.once('message',
		    (port) => ok({ c, port })));
	}));
	const seen = new Seen(), sockets = [];
	const names = [...Array(rooms).keys()].map((i) => `r${i}`);

	for (const room of names) {
		const s = io(`http://127.0.0.1:${a.port}`,
		    { transports: ['websocket'], forceNew: true });

		s.on('say', (m) => seen.one(m.n));
		await new Promise((ok) => s.on('connect', ok));
		await s.emitWithAck('join', room);
		sockets.push(s);
	}
	const from = io(`http://127.0.0.1:${b.port}`,
	    { transports: ['websocket'], forceNew: true });

	await new Promise((ok) => from.on('connect', ok));
	const r = await spent([a.c.pid, b.c.pid, redis.child.pid], async () => {
		await pace((n, burst) => {
			for (let i = n; i < n + burst; i++)
				from.emit('say', { n: i, pad, room:
				    names[n / BURST % rooms] });
		});
		await seen.all();
	});
	for (const s of [...sockets, from])
		s.close();
	for (const { c } of [a, b])
		c.kill();
	const [receiver, sender] = r.us.map((us) => us / TOTAL);
	return { rooms, rate: TOTAL / r.seconds, receiver, sender };
}

/* --- the table --------------------------------------------------------------*/

const us = (v) => v.toFixed(2).padStart(7);
const redis = await Redis.start();
let ok = true;

console.log(`${TOTAL} messages, ${RATE} in a second, us of CPU each`);
console.log('roostd     rooms   in/s  relay  worker  sender\'s relay  ' +
    'hiredis  relay/hiredis  messages/write');
for (const rooms of [1, 100])
	try {
		const r = await roost(redis, rooms);

		console.log(`           ${String(rooms).padStart(5)}` +
		    `${r.rate.toFixed(0).padStart(7)}${us(r.relay)}` +
		    `${us(r.worker)}${us(r.out).padStart(16)}` +
		    `${us(r.hiredis).padStart(9)}` +
		    `${(r.relay / r.hiredis).toFixed(2).padStart(15)}` +
		    `${r.writes.toFixed(1).padStart(16)}`);
	} catch (e) {
		ok = false;
		console.log(`           ${rooms}: ${e.message}`);
	}
console.log('socket.io  rooms   in/s  receiver  sender');
for (const rooms of [1, 100])
	try {
		const r = await socketio(redis, rooms);

		console.log(`           ${String(rooms).padStart(5)}` +
		    `${r.rate.toFixed(0).padStart(7)}` +
		    `${us(r.receiver).padStart(10)}${us(r.sender)}`);
	} catch (e) {
		ok = false;
		console.log(`           ${rooms}: ${e.message}`);
	}
await redis.kill();
process.exit(ok ? 0 : 1);
