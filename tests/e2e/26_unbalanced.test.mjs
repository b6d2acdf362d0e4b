/*
 * Real clients on polling, four workers and nothing that balances by session:
 * each request goes over a connection of its own, to any worker.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Daemon, sanitized, sleep, slow, until } from './lib/daemon.mjs';
import { connect } from './lib/clients.mjs';
import { echo } from './lib/conf.mjs';

const opts = { transports: ['polling'], reconnection: false };
const CLIENTS = 40;
const REQUESTS = sanitized ? 2000 : 10000;

/* A client that asks on and on until it is lost or may stop. */
async function talk(d, run) {
	const pids = run.pids;	/* as they were: who answers may be killed since */
	const s = await connect(d, '/', opts).catch(() => null);
	if (s === null)
		return;		/* its handshake was in the dead one's hands */
	s.offAny();
	/* the sid names its worker */
	const slot = (Buffer.from(s.io.engine.id, 'base64url')[0] & 0x7f) + 1;
	const c = { slot, pid: pids?.get(slot) };
	s.on('disconnect', (why, x) => {
		if (why !== 'io client disconnect')
			run.lost.push({ ...c, why, status: x?.context?.status,
				text: x?.context?.responseText });
	});
	while (!run.stop && s.connected && run.asks-- > 0)
		await s.timeout(5000 * slow).emitWithAck('ask', 1).then((a) => {
			assert.equal(a, 1);
			run.answers++;
		}, () => {});
	s.close();
}

test(`${REQUESTS} requests: every one finds its session`, async () => {
	const d = await Daemon.start({ workers: 4, conf: echo });
	const run = { asks: REQUESTS / 2, answers: 0, lost: [], stop: false };
	await Promise.all(Array.from({ length: CLIENTS }, () => talk(d, run)));
	run.stop = true;
	assert.deepEqual(run.lost, []);
	assert.equal(run.answers, REQUESTS / 2);
	await d.counts('http_requests', (n) => n >= REQUESTS);
	await d.counts('eio_forwarded', (n) => n > REQUESTS / 2);
	await d.counts('eio_unknown_sid', 0);
	await d.stop();
});

test('workers killed at random: only their sessions are lost', async (t) => {
	const d = await Daemon.start({ workers: 4, conf: echo });
	d.mayDie = true;
	const KILLS = sanitized ? 3 : 8;
	const run = { asks: Infinity, answers: 0, lost: [], stop: false };
	const workers = () => d.children().filter((c) => c.role === 'worker');
	const look = () => { run.pids = new Map(workers()
	    .map((w) => [w.slot, w.pid])); };
	look();
	/* whoever is lost is followed by another one */
	const all = Array.from({ length: CLIENTS }, async () => {
		while (!run.stop)
			await talk(d, run);
	});
	const dead = new Set();
	for (let k = 0; k < KILLS; k++) {
		/* some moment of the traffic */
		await sleep(200 + Math.random() * 400);
		const list = workers();
		const { pid, slot } = list[Math.floor(Math.random() * list.length)];
		dead.add(pid);
		const before = run.answers;
		process.kill(pid, 'SIGKILL');
		await until(() => workers().some((w) => w.slot === slot &&
		    w.pid !== pid), 'a new worker', 20000);
		look();
		await until(() => run.answers > before + CLIENTS, 'answers', 20000);
	}
	run.stop = true;
	await Promise.all(all);
	/* others: their request was with the dead worker; never an unknown sid */
	const others = run.lost.filter((l) => !dead.has(l.pid));
	for (const l of others)
		assert.notEqual(l.status, 400, JSON.stringify(l));
	assert.ok(run.lost.length > KILLS, `${run.lost.length} lost`);
	/* a quarter of the requests are one worker's share */
	assert.ok(others.length <= KILLS * CLIENTS / 4, `${others.length} others lost`);
	t.diagnostic(`${run.answers} answers, ${run.lost.length} lost, ${
	    others.length} of them of workers that lived`);
	await d.stop();
});
