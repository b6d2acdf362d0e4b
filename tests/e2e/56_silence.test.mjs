/*
 * Redis falls silent: packets to it or from it are lost on the way, or the
 * relay itself does not read.  It is found within 10 seconds, clients of one
 * host reach each other throughout, and what others missed they are told.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, halt, sleep, slow, until } from './lib/daemon.mjs';
import { Flow } from './lib/flow.mjs';
import { connected, health } from './lib/hosts.mjs';
import { Network } from './lib/network.mjs';
import { Redis, freePort } from './lib/redis.mjs';

const RATE = 200 / slow;

const conf = (url) => `
redis { url = "${url}" }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
`;
const lines = (d, what) => d.log.match(new RegExp(what, 'g'))?.length ?? 0;

let net, redis, cli, port;
before(async () => {
	net = Network.open(2);
	port = await freePort();
	redis = await Redis.start({ port, command: net.command, args: [
	    '--bind', ...net.there, '--protected-mode', 'no'] });
	cli = await redis.client();
});
after(async () => {
	cli.close();
	await redis.kill();
	net.close();
});
const listened = (c, n) => until(async () => (await c.do('PUBSUB',
    'NUMSUB', 'roost:to:5:/flow:rall'))[1] === n, `${n} hosts that listen`,
30000);
/* What is missing was told, and nothing of it was said on the same host. */
function check(t, flow, begin) {
	const missing = flow.account();
	const untold = missing.filter((m) => m.acked && !m.told);
	t.diagnostic(`${flow.clients.reduce((n, c) => n + c.sent.length, 0)
	    } said, ${missing.length} missing, ${untold.length} not told`);
	assert.deepEqual(untold.slice(0, 5).map((m) => ({ from: m.from.k,
		to: m.to.k, i: m.i, at: m.at, gaps: m.to.gaps })), []);
	assert.equal(missing.filter((m) =>
		m.from.daemon === m.to.daemon).length, 0);
	assert.equal(missing.filter((m) => m.i >= begin).length, 0);
	return missing;
}
/* Messages after the trouble, and the end of the traffic. */
async function onwards(flow, done) {
	await flow.more();
	const begin = Math.max(...flow.clients.map((c) => c.sent.length));
	await until(() => flow.clients.every((c) => c.sent.length > begin + 10),
	    'messages after it', 20000);
	flow.stop();
	await done;
	await flow.settle();
	return begin;
}

for (const [what, how] of [['are lost both ways', 'lost'],
	['from Redis are lost', 'back'], ['have no carrier', 'cable']])
	test(`packets ${what}: found, told, and back`, async (t) => {
		const list = await Promise.all(net.there.map((host) =>
			Daemon.start({ workers: 1,
				conf: conf(`redis://${host}:${port}`) })));
		let flow;
		try {
			for (const d of list)
				await connected(d);
			flow = await Flow.open(list);
			await listened(cli, 2);
			const done = flow.run(RATE);
			await sleep(500);	/* of traffic */
			const [d] = list, cut = Date.now();
			net.cut(0, how);
			await until(async () =>
				(await health(d)).status === 'degraded',
			'the silence to be found', 15000);
			const took = Date.now() - cut;
			t.diagnostic(`found after ${took} ms`);
			/* 10 s, and what a busy machine adds to it */
			assert.ok(took <= 10000 + 2000 * slow, `${took} ms`);
			await sleep(1000);	/* attempts that lead nowhere */
			net.mend(0);
			await connected(d);
			assert.equal(lines(d, 'redis_trouble '), 1);
			await d.logged('redis_connected .* after_ms=');
			assert.equal(lines(d, 'redis_connected .* after_ms='), 1);
			await listened(cli, 2);
			const begin = await onwards(flow, done);
			assert.ok(check(t, flow, begin).length > 0);
			for (const c of flow.clients)
				assert.ok(c.gaps.length > 0, `client ${c.k}`);
			await d.counts('redis_gaps', (n) => n > 0);
			await d.counts('far_lost', (n) => n > 0);
			assert.ok((await health(list[1])).redis.connected);
			await list[1].counts('redis_gaps', 0);
		} finally {
			net.mend(0);
			flow?.close();
			for (const d of list)
				await d.stop();
		}
	});

test('the relay stands still and Redis throws it out: told, and back',
async (t) => {
	const own = await Redis.start({ args: ['--client-output-buffer-limit',
	    'pubsub 256kb 128kb 2'] });
	const admin = await own.client();
	const list = [];
	let flow;
	try {
		for (let i = 0; i < 2; i++)
			list.push(await Daemon.start({ workers: 1,
				conf: conf(own.url) }));
		const [d, e] = list;
		for (const one of list)
			await connected(one);
		flow = await Flow.open(list);
		await listened(admin, 2);
		/* large ones: the kernel's buffers take the most of them */
		const text = JSON.stringify({ namespace: 'flow', room: 'all',
			event: 'filler', data: 'x'.repeat(20000) });
		const done = flow.run(RATE);
		await flow.more();
		const { pid } = d.relay();
		await halt(pid);
		const begin = Date.now();
		while (Date.now() < begin + 5000) {
			await admin.do('PUBLISH', 'roost:publish', text);
			await sleep(10);	/* a pace */
		}
		assert.equal((await admin.do('CLIENT', 'LIST')).match(
		    /name=roostd-subscriber/g).length, 1);
		process.kill(pid, 'SIGCONT');
		await until(async () => await d.metric('redis_gaps') === 1,
		    'the gap', 15000);
		await connected(d);
		await listened(admin, 2);
		const after = await onwards(flow, done);
		assert.ok(check(t, flow, after).length > 0);
		for (const c of flow.clients.filter((x) => x.daemon === d))
			assert.ok(c.gaps.length > 0, `client ${c.k}`);
		/* the same relay */
		assert.equal(d.relay().pid, pid);
		await e.counts('redis_gaps', 0);
	} finally {
		flow?.close();
		for (const one of list)
			await one.stop();
		admin.close();
		await own.kill();
	}
});
