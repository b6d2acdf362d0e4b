/*
 * Pointers of 20 people, 60 events a second in all, to 1,000 receivers: once when
 * all of them read, and once with one that does not.  Prints how long the others
 * wait (p50, p99) and what the worker holds; and what the one that did not read gets
 * when it reads again: of each pointer the newest.
 *
 * usage: cursors.mjs [--receivers N] [--seconds N]
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { ask, connect } from '../e2e/lib/clients.mjs';
import { Daemon, sleep, until } from '../e2e/lib/daemon.mjs';
import { Ws } from '../e2e/lib/wire.mjs';

const SAMPLE = 25;		/* one of so many is timed */
const clock = () => performance.timeOrigin + performance.now();

/* --- receivers, in a thread of their own ----------------------------------- */

async function receive({ port, n }) {
	let late = [], events = 0;
	for (let i = 0; i < n; i++) {
		const w = await Ws.must(port, '/ws/c');
		await w.ack({ event: 'room:join', data: { room: 'r' }, id: 1 });
		const { sock } = w.s;
		sock.removeAllListeners('data');
		sock.on('data', (bytes) => {
			if (i % SAMPLE !== 0)
				return;
			const now = clock();
			for (const [, t] of bytes.toString('latin1')
			    .matchAll(/"t":([0-9.]+)/g)) {
				events++;
				late.push(now - Number(t));
			}
		});
	}
	parentPort.on('message', () => {
		late.sort((a, b) => a - b);
		const at = (q) => late[Math.floor(q * (late.length - 1))];
		parentPort.postMessage({ events, p50: at(0.5), p99: at(0.99) });
		late = [];
		events = 0;
	});
	parentPort.postMessage('ready');
}

/* --- the measurement -------------------------------------------------------- */

async function measure() {
	const { values } = parseArgs({ options: {
		receivers: { type: 'string', default: '1000' },
		seconds: { type: 'string', default: '10' } } });
	const n = Number(values.receivers), seconds = Number(values.seconds);
	const d = await Daemon.start({ workers: 1, conf: `
limits { message_bytes = 200KB send_queue_bytes = 1MB
    slow_consumer_timeout = 10m }
websocket { deflate = false }
namespace "/c" { auth = none
    room "r" { join = open }
    event "at" { to = room:room meta = off volatile = true conflate = who }
    event "say" { to = room:room meta = off }
    event "sync" { ack = echo } }
` });
	const pid = d.children().find((c) => c.role === 'worker').pid;
	const rss = () => Number(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
	    .match(/^Pss:\s+(\d+)/m)[1]);
	const thread = new Worker(new URL(import.meta.url), { workerData:
	    { port: d.port, n } });
	const said = () => new Promise((ok, no) => {
		thread.once('message', ok);
		thread.once('error', no);
	});
	await said();
	const p = await connect(d, '/c');
	await ask(p, 'room:join', { room: 'r' });
	let i = 0;
	const round = async () => {
		const end = clock() + seconds * 1000;
		const began = clock();
		for (let k = 0; clock() < end; k++) {
			p.emit('at', { room: 'r', who: `w${i++ % 20}`, i,
				t: clock() });
			await sleep(Math.max(0, began + (k + 1) * 1000 / 60 -
			    clock()));
		}
		await ask(p, 'sync', 0);
		await sleep(200);	/* what is under way comes */
		const answer = said();
		thread.postMessage(0);
		return answer;
	};
	const show = (what, r, kib) => console.log(`${what}: ${r.events * SAMPLE /
	    seconds | 0} deliveries/s, p50 ${r.p50.toFixed(2)} ms, p99 ${
	    r.p99.toFixed(2)} ms, worker ${kib} KiB`);
	await round();			/* warm */
	const all = await round(), before = rss();
	show('all read', all, before);

	const one = await Ws.must(d.port, '/ws/c');
	await one.ack({ event: 'room:join', data: { room: 'only' }, id: 1 })
	    .catch(() => 0);
	await one.ack({ event: 'room:join', data: { room: 'r' }, id: 2 });
	one.s.sock.pause();
	const was = await d.metric('write_blocked');
	await until(async () => {
		p.emit('say', { room: 'r', fill: 'x'.repeat(100000) });
		await ask(p, 'sync', 0);
		return await d.metric('write_blocked') > was;
	}, 'its socket to be full', 30000);
	await round();
	const others = await round(), after = rss();
	show('one does not', others, after);
	const last = new Map();
	for (let k = i - 20; k < i; k++)
		last.set(`w${k % 20}`, k + 1);
	one.s.sock.resume();
	const got = new Map();
	await until(async () => {
		const m = await one.event();
		if (m.event === 'at')
			got.set(m.data.who, m.data.i);
		return got.size === 20 && [...last].every(([who, k]) =>
		    got.get(who) === k);
	}, 'the newest of each', 30000);
	console.log(`it got the newest of each of ${got.size}; conflated: ${
	    await d.metric('events_conflated')}`);
	assert.ok(others.events > 0.9 * all.events, 'the others miss some');
	one.drop();
	p.close();
	await thread.terminate();
	await d.stop();
}

if (isMainThread)
	await measure();
else
	await receive(workerData);
