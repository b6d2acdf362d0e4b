/*
 * Three daemons and one Redis: what clients of all say reaches clients of all,
 * each exactly once and in the order of its sender; and what does not, while
 * Redis or a process is away, is told.  HOSTS_LONG=1: 100,000 messages, and
 * troubles of 20 seconds (tests/run --long hosts).
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, sleep, slow, tempdir, until } from './lib/daemon.mjs';
import { Flow } from './lib/flow.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';

const long = process.env.HOSTS_LONG === '1';
const MESSAGES = long ? 100000 : 6000;
const RATE = long ? 3000 : 1500 / slow;
const AWAY = long ? 20000 : 1500;	/* ms, of Redis */
const TROUBLE_RATE = long ? 2000 : 300;
const KILLS = long ? 5 : 1;

const conf = (url) => `
limits { bus_queue_bytes = 64MB send_queue_bytes = 64MB }
redis { url = "${url}" }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
`;

/* A way to Redis on which everything can stop without an end. */
async function way(to) {
	const at = path.join(tempdir(), 'way.sock'), open = new Set();
	/* as where packets are lost: they come later, in order, or never */
	const w = { path: at, held: false, hold(is) {
		w.held = is;
		open.forEach((s) => is ? s.pause() : s.resume());
	} };
	const server = net.createServer((near) => {
		const far = net.connect(to);
		if (w.held)
			queueMicrotask(() => { near.pause(); far.pause(); });
		for (const [one, other] of [[near, far], [far, near]]) {
			open.add(one);
			one.on('error', () => {});
			one.on('data', (b) => other.write(b));
			one.on('close', () => {
				open.delete(one);
				other.destroy();
			});
		}
	});
	await new Promise((ok) => server.listen(at, ok));
	w.close = () => {
		server.close();
		for (const s of open)
			s.destroy();
	};
	return w;
}

let redis, third, daemons, cli;
before(async () => {
	redis = await Redis.start();
	third = await way(redis.path);
	daemons = await Promise.all([redis.url, redis.url,
	    `unix:${third.path}`].map((url) =>
		Daemon.start({ workers: 2, conf: conf(url) })));
	await Promise.all(daemons.map((d) => connected(d)));
	cli = await redis.client();
});
after(async () => {
	cli.close();
	for (const d of daemons)
		await d.stop();
	third.close();
	await redis.kill();
});
const listened = (n) => until(async () => (await cli.do('PUBSUB', 'NUMSUB',
    'roost:to:5:/flow:rall'))[1] === n, `${n} hosts that listen`, 20000);
const sum = async (name) => (await Promise.all(daemons.map((d) =>
	d.metric(name)))).reduce((a, b) => a + b);

const said = (flow) => flow.clients.reduce((n, c) => n + c.sent.length, 0);

/* What is missing was told; what was said between two of one host is none. */
function check(t, flow, { local = true } = {}) {
	const missing = flow.account();
	const untold = missing.filter((m) => m.acked && !m.told);
	t.diagnostic(`${said(flow)} said, ${missing.length} missing, ${
	    untold.length} not told`);
	assert.deepEqual(untold.slice(0, 5).map((m) => ({ from: m.from.k,
		to: m.to.k, i: m.i, at: m.at, gaps: m.to.gaps })), []);
	if (local)
		assert.equal(missing.filter((m) =>
			m.acked && m.from.daemon === m.to.daemon).length, 0);
	return missing;
}

test(`${MESSAGES} from all sides: each once, in order`, async (t) => {
	const flow = await Flow.open(daemons);
	await listened(3);
	flow.measure = true;
	await flow.run(RATE, MESSAGES);
	await flow.settle();
	assert.equal(check(t, flow).length, 0);
	for (const c of flow.clients)
		assert.deepEqual(c.gaps, []);
	t.diagnostic(`across hosts: p50 ${flow.quantile(0.5).toFixed(1)
	    } ms, p99 ${flow.quantile(0.99).toFixed(1)} ms, at ${RATE
	    } messages a second`);
	if (long)
		assert.ok(flow.quantile(0.99) < 100 * slow);
	flow.close();
});

/*
 * Traffic, the trouble and its end, and traffic.  again: the trouble, and once
 * more, until all MESSAGES are said.
 */
async function through(t, trouble, { again = false, ...options } = {}) {
	const flow = await Flow.open(daemons, { each: long ? 4 : 2 });
	await listened(3);
	const done = flow.run(TROUBLE_RATE);
	await flow.more();
	await trouble(flow);
	while (again && long && said(flow) < MESSAGES)
		await trouble(flow);
	await Promise.all(daemons.map((d) => connected(d)));
	/* all that have a client left */
	await listened(new Set(flow.clients.filter((c) => !c.ended)
	    .map((c) => c.daemon)).size);
	await flow.more();
	flow.stop();
	await done;
	await flow.settle();
	const missing = check(t, flow, options);
	flow.close();
	return missing;
}

test('Redis ends, twice, in the middle', async (t) => {
	const lost = await sum('far_lost');
	const missing = await through(t, async () => {
		for (let i = 0; i < 2; i++) {
			cli.close();
			await redis.kill();
			await sleep(AWAY);
			await redis.again();
			cli = await redis.client();
			await Promise.all(daemons.map((d) => connected(d)));
			await sleep(500);
		}
	});
	assert.ok(missing.length > 0);
	assert.ok(await sum('far_lost') > lost);
});

test('Redis stands still', async (t) => {
	await through(t, async () => {
		redis.signal('SIGSTOP');
		/* until it is noticed, at least */
		await connected(daemons[0], false);
		await sleep(long ? 12000 : 500);
		redis.signal('SIGCONT');
	});
});

test('nothing gets through between one host and Redis', async (t) => {
	await through(t, async () => {
		third.hold(true);
		await connected(daemons[2], false);
		await sleep(long ? 12000 : 500);
		third.hold(false);
	});
});

test('relays killed: what they had is told', async (t) => {
	await through(t, async () => {
		for (const d of Array(KILLS).fill(daemons).flat()) {
			d.mayDie = true;
			const { pid } = d.relay();
			process.kill(pid, 'SIGKILL');
			await until(() => (d.relay()?.pid ?? pid) !== pid,
			    'another relay');
			await connected(d);
			await sleep(200);
		}
	}, { again: true, local: false }); /* between two workers, too */
});

test('workers killed: only what they alone had is missing', async (t) => {
	let killed = 0;
	await through(t, async (flow) => {
		/* one of each host: who is on the others goes on */
		if (killed++ > 0)
			return sleep(1000);
		for (const d of daemons) {
			d.mayDie = true;
			const { pid } = d.worker(1);
			process.kill(pid, 'SIGKILL');
			await until(() => (d.worker(1)?.pid ?? pid) !== pid ||
			    d.children().filter((c) => c.role === 'worker')
				.length === 2, 'another worker');
			await sleep(long ? 10000 : 200);
		}
		assert.ok(flow.clients.some((c) => !c.ended));
	}, { again: true });
});
