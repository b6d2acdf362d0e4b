/*
 * Large binary events: three attachments of 1 MB to a hundred receivers on
 * both transports, with the limits of size as they are by default; what the
 * daemon has in memory afterwards; what is too large, and who is told what.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, until } from './lib/daemon.mjs';
import { ask, connect, once } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';
import { OP, frame, socketio } from './lib/wire.mjs';

const conf = `
# a hundred clients of one process: each waits for all the others
limits { slow_consumer_timeout = 5m }
heartbeat { timeout = 5m }
namespace "/b" { auth = none
    room "{r}" { join = open }
    event "file" { to = room:room meta = off ack = delivered }
    event "sync" { ack = echo } }
`;
const MB = 1000000;
const N = sanitized ? 10 : 50;		/* on each transport */
const ROUNDS = process.env.E2E_LONG === '1' ? 10 : 3;
const SLACK = sanitized ? 1e9 : 4096;	/* KiB; quarantine knows none */
let d;
before(async () => { d = await Daemon.start({ workers: 4, conf }); });
after(() => d.stop());

const digest = (b) => crypto.createHash('sha256').update(b).digest('hex');
/* KiB that the daemon's processes have to themselves, shared parts in parts */
function pss() {
	let n = 0;
	for (const pid of [d.pid, ...d.children().map((c) => c.pid)])
		n += Number(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
		    .match(/^Pss: +(\d+) kB/m)[1]);
	return n;
}
async function receivers(n, transports, room) {
	const all = [];
	for (let i = 0; i < n; i++) {
		const s = await connect(d, '/b', { transports });
		s.offAny();
		s.digests = [];
		s.on('disconnect', (why) => { s.lost = why; });
		s.on('file', (e, ...parts) => s.digests.push([e.i,
			...parts.map(digest)].join()));
		await ask(s, 'room:join', { room });
		all.push(s);
	}
	return all;
}

test(`three attachments of 1 MB, ${2 * N} receivers, ${ROUNDS} times`,
    { timeout: 600000 }, async (t) => {
	const all = [...await receivers(N, ['polling'], 'a'),
		...await receivers(N, ['websocket'], 'a')];
	const s = await connect(d, '/b');
	await ask(s, 'room:join', { room: 'a' });
	const parts = Array.from({ length: 3 }, () => crypto.randomBytes(MB));
	const want = parts.map(digest).join();
	const before = { pss: pss(), encodings: await d.metric('encodings') };
	const levels = [];
	for (let i = 0; i < ROUNDS; i++) {
		const a = await s.timeout(120000).emitWithAck('file',
		    { room: 'a', i }, ...parts);
		assert.equal(a.delivered, all.length);
		await until(() => all.every((r) => {
			assert.equal(r.lost, undefined, `in round ${i}`);
			return r.digests.length > i;
		}), `round ${i}`, 120000);
		for (const r of all)
			assert.equal(r.digests[i], `${i},${want}`);
		await until(async () => await d.metric('send_queue_bytes') === 0,
		    'empty queues', 20000);
		/*
		 * The polling clients' next GETs show that they have the answer,
		 * which is then let go; the heap of each of six processes may
		 * keep some pages (the allocator gives large blocks back at
		 * once, and trims its top in steps of 128 KiB).
		 */
		await until(() => pss() <= (levels[0] ?? before.pss) + SLACK,
		    `memory to come back: ${before.pss}, ${levels}, now ${
			pss()} KiB`, 10000);
		levels.push(pss());
	}
	/* once for each wire form of each worker, however many receive it */
	const encodings = await d.metric('encodings') - before.encodings;
	assert.ok(encodings <= ROUNDS * 2 * 4 + ROUNDS, `${encodings} encodings`);
	await d.counts('bus_dropped', 0);
	t.diagnostic(`PSS ${before.pss} KiB, then ${levels}; ${encodings
	    } encodings`);
	all.forEach((r) => r.close());
	s.close();
});

/* Text, then attachments, until the connection ends: its Close code. */
async function closeOf(port, sizes) {
	const w = await socketio(port, { nsp: '/b' });
	const holes = sizes.map((_, num) => ({ _placeholder: true, num }));
	w.text(`45${sizes.length}-/b,${JSON.stringify(['file', { room: 'a' },
		...holes])}`);
	for (const n of sizes)
		w.send(frame(OP.binary, Buffer.alloc(n)));
	return (await w.closed()).code;
}

test('more than four largest messages in one packet: 1009', async () => {
	const n = await d.metric('connections_closed', 'reason="ws_too_big"');
	assert.equal(await closeOf(d.port, [MB, MB, MB, MB]), 1009);
	assert.equal(await closeOf(d.port, [MB + 1]), 1009);
	await until(async () => await d.metric('connections_closed',
	    'reason="ws_too_big"') === n + 2, 'counter');
});

/* No limit but message_bytes: what goes to other workers is not cut short. */
test('20 MB in one attachment, 24 MB in two, 17 MB of text', {
	timeout: 300000 }, async () => {
	const e = await Daemon.start({ workers: 2, conf:
	    conf.replace('limits {', 'limits { message_bytes = 20MB') });
	const all = [...await sioOn(e, [1, 2], '/b'),
		await connect(e, '/b', { transports: ['polling'] })];
	for (const s of all)
		await ask(s, 'room:join', { room: 'a' });
	for (const args of [[Buffer.alloc(20 * MB, 7)],
	    [Buffer.alloc(12 * MB, 8), Buffer.alloc(12 * MB, 9)],
	    ['x'.repeat(17 * MB)]]) {
		const got = all.slice(1).map((s) => once(s, 'file', 60000));
		const late = await e.metric('acks_timed_out');
		const a = await all[0].timeout(60000).emitWithAck('file',
		    { room: 'a' }, ...args);
		/* a worker that takes seconds for it is not waited for */
		assert.ok(a.delivered === 2 || await
		    e.metric('acks_timed_out') > late, `${a.delivered}`);
		for (const [, ...parts] of await Promise.all(got))
			assert.deepEqual(parts.map((p) => digest(p)),
			    args.map((p) => digest(p)));
	}
	await e.counts('bus_dropped', 0);
	all.forEach((s) => s.close());
	await e.stop();
});
