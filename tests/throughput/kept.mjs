/*
 * What a room that keeps its history in Redis costs beside one that does not: two
 * daemons and a Redis, 100 bytes a message, a fixed number of them between sender
 * and receiver, in 1 room and in 100; then pages of 100 events, read by a daemon
 * that has heard nothing of the room.  The commands that the relay has sent for
 * it are then sent by a program with hiredis and nothing else, one and 16 at a
 * time.
 *
 *	node kept.mjs REPLAY [MESSAGES]
 *
 * Prints messages or pages in a second and CPU time for each; fails when a
 * client misses one, has one twice or in another order.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';

import { Daemon, until, within } from '../e2e/lib/daemon.mjs';
import { connected } from '../e2e/lib/hosts.mjs';
import { Client, Redis } from '../e2e/lib/redis.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const WebSocket = require('ws');

const [replay, count] = process.argv.slice(2);
const TOTAL = Number(count ?? 40000), BETWEEN = 512, PAGE = 100;
const pad = 'x'.repeat(40);

const conf = (url) => `
limits { send_queue_bytes = 64MB  bus_queue_bytes = 64MB }
redis { url = "${url}" }
namespace "/bench" { auth = none
    room "k:{any}" { join = open  history = 100000 }
    room "p:{any}" { join = open }
    event "say" { to = room:room  self = true  member = off } }
`;

/* --- time ----------------------------------------------------------------- */

const cpu = (pid) => fs.readdirSync(`/proc/${pid}/task`).reduce((sum, t) =>
	sum + Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8')
	    .split(' ')[0]), 0) / 1000;
/* How often in a second f() did it, and what each time cost these. */
async function spent(pids, times, f) {
	const before = pids.map(cpu), started = process.hrtime.bigint();
	await f();
	const seconds = Number(process.hrtime.bigint() - started) / 1e9;
	return { rate: times / seconds,
		us: pids.map((p, i) => (cpu(p) - before[i]) / times) };
}

/* --- clients -----------------------------------------------------------------*/

async function client(d) {
	const w = new WebSocket(`ws://127.0.0.1:${d.port}/ws/bench`,
	    { perMessageDeflate: false });
	await within(once(w, 'open'), 'connection');
	w.answers = new Map();
	w.on('message', (m) => {
		const o = JSON.parse(m);
		w.answers.get(o.ack)?.(o);
		w.answers.delete(o.ack);
	});
	let n = 0;
	w.ask = (event, data) => within(new Promise((ok) => {
		w.answers.set(++n, ok);
		w.send(JSON.stringify({ event, data, id: n }));
	}), `answer to ${event}`);
	return w;
}

/* TOTAL messages from b to members at a: of each room in order, each once. */
async function flow(a, b, redis, kind, rooms) {
	const names = [...Array(rooms).keys()].map((i) => `${kind}:${i}`);
	const next = new Map(names.map((r, i) => [r, i]));
	let heard = 0, wrong, go = () => {};
	const members = await Promise.all(names.map(async (room) => {
		const w = await client(a);
		await w.ask('room:join', { room });
		w.on('message', (m) => {
			const o = JSON.parse(m);
			if (o.event !== 'say')
				return;
			if (o.data.n !== next.get(o.data.room))
				wrong ??= `${o.data.n} after ${next.get(o.data.room)}`;
			next.set(o.data.room, o.data.n + rooms);
			heard++;
			go();
		});
		return w;
	}));
	const from = await client(b);
	const cli = await redis.client();
	await until(async () => (await cli.do('PUBSUB', 'NUMSUB', ...names.map(
	    (r) => `roost:to:6:/bench:r${r}`))).every((n, i) =>
		i % 2 === 0 || n > 0), 'a to listen', 10000);
	cli.close();
	const pids = [b.relay().pid, a.relay().pid, a.worker(1).pid,
		redis.child.pid];
	const r = await spent(pids, TOTAL, async () => {
		for (let n = 0; n < TOTAL; n++) {
			while (n - heard >= BETWEEN)
				await within(new Promise((ok) => { go = ok; }),
				    'messages', 30000);
			from.send(JSON.stringify({ event: 'say', data: { n, pad,
				room: names[n % rooms] } }));
		}
		await until(() => heard >= TOTAL, 'all messages', 30000);
	});
	if (wrong || heard !== TOTAL)
		throw new Error(wrong ?? `${heard} of ${TOTAL}`);
	for (const w of [...members, from])
		w.terminate();
	return r;
}

/* All of a room, page by page, by a host that must ask Redis for each. */
async function pages(d, redis) {
	const w = await client(d);
	const { data: at } = await w.ask('room:join', { room: 'k:0' });
	let since = { epoch: at.epoch, offset: 0 }, n = 0;
	const reads = await d.metric('store_reads_redis');
	const r = await spent([d.relay().pid, d.worker(1).pid, redis.child.pid],
	    1, async () => {
		for (let more = true; more; n++) {
			const { data, error } = await w.ask('history:get',
			    { room: 'k:0', since, limit: PAGE });
			if (error)
				throw new Error(`a page: ${JSON.stringify(error)}`);
			({ more } = data);
			since = { epoch: data.epoch,
				offset: data.events.at(-1)?.offset ?? 0 };
		}
	});
	w.terminate();
	return { n, reads: await d.metric('store_reads_redis') - reads,
		rate: r.rate * n, us: r.us.map((u) => u / n) };
}

/* --- the same by hiredis ------------------------------------------------------*/

/* An argument as MONITOR writes it. */
const bytes = (s) => Buffer.from(s.replace(
    /\\(x[0-9a-f]{2}|.)/g, (_, c) => (c.length === 3 ?
	String.fromCharCode(parseInt(c.slice(1), 16)) :
	{ n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }[c] ?? c)), 'latin1');
/* The last EVALSHA of which f() is the cause, as RESP. */
async function seen(redis, f, fits) {
	const m = await Client.open(redis.path);
	let text = '';
	await m.do('MONITOR');
	m.socket.removeAllListeners('data');
	m.socket.on('data', (b) => { text += b.toString('latin1'); });
	await f();
	const line = await until(() => text.split('\r\n').findLast((l) =>
		/"EVALSHA"/.test(l) && fits(l)), 'the command', 10000);
	m.close();
	const args = [...line.slice(line.indexOf('"')).matchAll(
	    /"((?:\\.|[^"\\])*)"/g)].map(([, s]) => bytes(s));
	return Buffer.concat([Buffer.from(`*${args.length}\r\n`),
		...args.map((a) => Buffer.concat([Buffer.from(`$${a.length}\r\n`),
		    a, Buffer.from('\r\n')]))]);
}
async function bare(redis, command, times, underway) {
	const c = spawn(replay, [redis.path, times, underway],
	    { stdio: ['pipe', 'pipe', 'inherit'] });
	const before = cpu(redis.child.pid), t0 = process.hrtime.bigint();
	let said = '';
	c.stdout.on('data', (b) => { said += b; });
	const ended = once(c, 'close');
	c.stdin.end(command);
	const used = spawnUsage(c);
	await within(ended, 'end of replay', 120000);
	const seconds = Number(process.hrtime.bigint() - t0) / 1e9;
	if (said !== 'done\n')
		throw new Error('replay failed');
	return { rate: times / seconds, us: [used() / times,
		(cpu(redis.child.pid) - before) / times] };
}
/* What a child has used, looked at as long as it is there. */
function spawnUsage(c) {
	let last = 0;
	const timer = setInterval(() => {
		try {
			last = cpu(c.pid);
		} catch { /* it has ended */ }
	}, 5);
	c.on('exit', () => clearInterval(timer));
	return () => last;
}

/* --- the table --------------------------------------------------------------*/

const row = (what, { rate, us }, names) => console.log(what.padEnd(30) +
	rate.toFixed(0).padStart(8) + '/s  ' + us.map((u, i) =>
	`${names[i]} ${u.toFixed(2)}`).join('  '));
const redis = await Redis.start();
const d = await Promise.all([0, 1, 2].map(() => Daemon.start({ workers: 1,
	conf: conf(redis.url) })));
await Promise.all(d.map((x) => connected(x)));
const [a, b, c] = d;
console.log(`${TOTAL} messages, ${BETWEEN} under way; us of CPU each`);
for (const [kind, what] of [['p', 'not kept'], ['k', 'kept']])
	for (const rooms of [1, 100])
		row(`${what}, ${rooms} room${rooms > 1 ? 's' : ''}`,
		    await flow(a, b, redis, kind, rooms),
		    ['sender\'s relay', 'relay', 'worker', 'Redis']);
const append = await seen(redis, async () => {
	const w = await client(b);
	await w.ask('room:join', { room: 'k:x' });
	const heard = once(w, 'message');
	w.send(JSON.stringify({ event: 'say', data: { n: 0, pad, room: 'k:x' } }));
	await within(heard, 'it');
	w.terminate();
}, (l) => l.includes('bench:k:x'));
for (const n of [1, 16])
	row(`kept, by hiredis, ${n} at a time`, await bare(redis, append, TOTAL, n),
	    ['client', 'Redis']);
const all = await pages(c, redis);
row(`${all.n} pages of ${PAGE}, ${all.reads} asked`, all,
    ['relay', 'worker', 'Redis']);
const read = await seen(redis, async () => {
	const w = await client(c);
	await w.ask('room:join', { room: 'k:1' });
	await w.ask('history:get', { room: 'k:1', limit: PAGE });
	w.terminate();
}, (l) => l.includes('bench:k:1'));
for (const n of [1, 16])
	row(`pages, by hiredis, ${n} at a time`, await bare(redis, read, all.n, n),
	    ['client', 'Redis']);
for (const x of d)
	await x.stop();
await redis.kill();
process.exit(0);
