/*
 * Clients of a kept room that all come back to one host at once, which has heard
 * nothing of the room for as long as they were away: how long it takes until each
 * has what it missed, how often Redis is asked for it, and what those notice who
 * talk in another room meanwhile.
 *
 * usage: node tests/history/storm.mjs [--clients N]; ROOSTD names the daemon.
 *
 * Fails when a client misses an event, has one twice or in another order, or when
 * Redis is asked as if each asked for itself.  10,000 clients by default.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Daemon, sleep, until, within } from '../e2e/lib/daemon.mjs';
import { connected } from '../e2e/lib/hosts.mjs';
import { Redis } from '../e2e/lib/redis.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const WebSocket = require('ws');

const MISSED = 50, BEFORE = 250, PROBE_MS = 10, ROOM = 'k:hot';
const conf = (url) => `
limits { handshakes_per_second = 0 }
heartbeat { interval = 5m timeout = 5m }
redis { url = "${url}" }
namespace "/storm" { auth = none
    room "k:{r}" { join = open history = 1000 }
    event "say" { to = room:room self = true ack = accepted } }
`;
const open = async (port) => {
	const w = new WebSocket(`ws://127.0.0.1:${port}/ws/storm`,
	    { perMessageDeflate: false });
	await once(w, 'open');
	return w;
};
const ask = (w, event, data) => {
	const id = w.asked = (w.asked ?? 0) + 1;
	const answer = new Promise((ok) => {
		const f = (m) => {
			const o = JSON.parse(m);
			if (o.ack !== id)
				return;
			w.off('message', f);
			ok(o.data);
		};
		w.on('message', f);
	});
	w.send(JSON.stringify({ event, data, id }));
	return within(answer, `answer to ${event}`, 60000);
};

/* --- the crowd, in a process of its own -----------------------------------*/

/* One that was at that place: what it gets, until it has all. */
function comeBack(port, since) {
	return new Promise((ok) => {
		const w = new WebSocket(`ws://127.0.0.1:${port}/ws/storm`,
		    { perMessageDeflate: false });
		const got = [];
		let joined;
		w.on('open', () => w.send(JSON.stringify({ event: 'room:join',
			data: { room: ROOM, since }, id: 1 })));
		w.on('message', (m) => {
			const o = JSON.parse(m);
			if (o.ack === 1)
				joined = o;
			else if (o.event === 'say')
				got.push(o.data.i);
			if (joined && got.length >= MISSED)
				ok(joined.data?.recovered === true &&
				    got.every((i, k) => i === BEFORE + 1 + k) ?
				    undefined : `${JSON.stringify(joined)} ${got}`);
		});
		w.on('error', (e) => ok(String(e)));
		w.on('close', (code) => ok(`closed: ${code}`));
	});
}
if (process.send) {
	process.on('message', async ({ port, since, n }) => {
		const t0 = performance.now();
		const said = await Promise.all([...Array(n).keys()].map(() =>
		    comeBack(port, since)));
		process.send({ ms: performance.now() - t0,
			wrong: said.filter((s) => s !== undefined) });
	});
	await once(process, 'disconnect');
	process.exit(0);
}

/* --- the others -------------------------------------------------------------*/

/* How long from a to b, while f lasts: ms, sorted. */
async function delays(x, y, f) {
	const list = [];
	const hear = (m) => {
		const o = JSON.parse(m);
		if (o.event === 'say')
			list.push(performance.now() - o.data.at);
	};
	let on = true;
	y.on('message', hear);
	const probe = (async () => {
		while (on) {
			x.send(JSON.stringify({ event: 'say', data: {
				room: 'k:other', at: performance.now() } }));
			await sleep(PROBE_MS);
		}
	})();
	const r = await f();
	on = false;
	await probe;
	y.off('message', hear);
	return { r, list: list.sort((p, q) => p - q) };
}
const at = (list, share) => (list[Math.min(list.length - 1,
    Math.floor(list.length * share))] ?? NaN).toFixed(2);
/* Upper bounds of what turns have taken, and how many. */
const turns = async (d) => [...await d.metrics()].flatMap(([k, v]) => {
	const m = k.match(/^loop_turn_seconds_bucket\{.*le="([\d.e+-]+)"/);
	return m ? [[Number(m[1]), v]] : [];
}).sort((p, q) => p[0] - q[0]);
const longest = (now, before) => 1000 * (now.find(([, v], i) =>
    v - before[i][1] >= now.at(-1)[1] - before.at(-1)[1])?.[0] ?? NaN);

const { values: { clients } } = parseArgs({ options: {
	clients: { type: 'string', default: '10000' } } });
const N = Number(clients);
const redis = await Redis.start();
const [a, b] = await Promise.all([0, 1].map(() => Daemon.start({ workers: 2,
	conf: conf(redis.url) })));
await Promise.all([a, b].map((d) => connected(d)));
const teller = await open(a.port);
const { epoch } = await ask(teller, 'room:join', { room: ROOM });
for (let i = 1; i <= BEFORE + MISSED; i++)
	await ask(teller, 'say', { room: ROOM, i });
const [x, y] = [await open(a.port), await open(b.port)];
for (const w of [x, y])
	await ask(w, 'room:join', { room: 'k:other' });
const crowd = fork(fileURLToPath(import.meta.url));
const quiet = await delays(x, y, () => sleep(3000));
const reads = await b.metric('store_reads_redis'), before = await turns(b);
const { r, list } = await delays(x, y, async () => {
	crowd.send({ port: b.port, since: { epoch, offset: BEFORE }, n: N });
	return (await within(once(crowd, 'message'), 'all to be back', 300000))[0];
});
const asked = await b.metric('store_reads_redis') - reads;
console.log(`${N} clients have ${MISSED} events each after ${
    (r.ms / 1000).toFixed(1)} s, ${r.wrong.length} wrong; Redis was asked ${
    asked} times; longest turn at most ${
    longest(await turns(b), before)} ms`);
console.log(`another room, ms: before p50 ${at(quiet.list, 0.5)} p99 ${
    at(quiet.list, 0.99)}, meanwhile p50 ${at(list, 0.5)} p99 ${
    at(list, 0.99)}`);
for (const w of r.wrong.slice(0, 5))
	console.log(w);
crowd.disconnect();
await once(crowd, 'exit');
for (const w of [teller, x, y])
	w.terminate();
await a.stop();
await b.stop();
await redis.kill();
process.exit(r.wrong.length === 0 && asked <= 20 ? 0 : 1);
