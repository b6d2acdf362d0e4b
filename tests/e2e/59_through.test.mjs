/*
 * Three daemons, and what 54_three sends through one Redis: through a Cluster
 * whose slot moves all the time, and through Sentinels that make another master
 * in the middle.  Each message once, in the order of its sender, or told of by
 * roost:gap.  HOSTS_LONG=1: 100,000 messages (tests/run --long hosts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Cluster, slotOf } from './lib/cluster.mjs';
import { Daemon, sleep, slow, until } from './lib/daemon.mjs';
import { Flow } from './lib/flow.mjs';
import { connected } from './lib/hosts.mjs';
import { acquainted, monitored } from './lib/sentinel.mjs';

const long = process.env.HOSTS_LONG === '1';
const MESSAGES = long ? 100000 : 4000;
const RATE = long ? 2000 : 800 / slow;

const conf = (redis) => `
limits { bus_queue_bytes = 64MB send_queue_bytes = 64MB }
redis { ${redis} }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
`;
async function three(...redis) {
	const list = await Promise.all([0, 1, 2].map((i) => Daemon.start({
		workers: 2, conf: conf(redis[i % redis.length]) })));
	await Promise.all(list.map((d) => connected(d)));
	return list;
}
/* Each host listens once what one client says reaches all others. */
const acquaint = (flow) => until(() => flow.settle(500).then(() => true,
    () => false), 'each to hear each', 20000);

/* Where nobody listened yet is no loss: what was said then is forgotten. */
function forget(flow) {
	for (const c of flow.clients) {
		c.from = c.sent.length;
		c.gaps.length = 0;
	}
}
function check(t, flow) {
	const missing = flow.account().filter((m) => m.i >= m.from.from);
	const untold = missing.filter((m) => m.acked && !m.told);
	const said = flow.clients.reduce((n, c) => n + c.sent.length - c.from, 0);
	t.diagnostic(`${said} said, ${missing.length} missing, ${untold.length
	    } not told`);
	assert.ok(said >= MESSAGES);
	assert.deepEqual(untold.slice(0, 5).map((m) => ({ from: m.from.k,
		to: m.to.k, i: m.i, at: m.at, gaps: m.to.gaps })), []);
	assert.equal(missing.filter((m) =>
		m.acked && m.from.daemon === m.to.daemon).length, 0);
	return missing;
}

test(`${MESSAGES} through a Cluster whose slot moves`, async (t) => {
	const cluster = await Cluster.start({});
	const list = await three(...cluster.nodes.map((n) =>
		`url = "redis://${n.address}"`));
	const flow = await Flow.open(list);
	await acquaint(flow);
	forget(flow);
	const plain = 'to:5:/flow:rall';
	const channel = (await cluster.channels()).flat().find((s) =>
		s.endsWith(plain));
	const slot = slotOf(channel);
	let moves = 0, running = true;
	flow.measure = true;
	const done = flow.run(RATE, MESSAGES).then(() => { running = false; });
	while (running) {
		const from = await cluster.ownerOf(slot);
		await cluster.migrate(slot, cluster.masters[
		    (cluster.masters.indexOf(from) + 1) % 3]);
		moves++;
		await sleep(1000);	/* of traffic, from move to move */
	}
	await done;
	await flow.settle();
	const missing = check(t, flow);
	t.diagnostic(`${moves} moves; across hosts: p50 ${
	    flow.quantile(0.5).toFixed(1)} ms, p99 ${
	    flow.quantile(0.99).toFixed(1)} ms`);
	assert.ok(moves > 1);
	/* who publishes waits a moment for those who listen */
	assert.ok(missing.length <= 20 * moves, `${missing.length} missing`);
	flow.close();
	await Promise.all(list.map((d) => d.stop()));
	await cluster.kill();
});

test(`${MESSAGES} through a failover of Sentinels`, async (t) => {
	const m = await monitored();
	const list = await three(`sentinels = {${m.sentinels.map((s) =>
		`"127.0.0.1:${s.port}"`)}} master = "${m.name}"`);
	await acquainted(m);
	const flow = await Flow.open(list);
	await acquaint(flow);
	forget(flow);
	flow.measure = true;
	const done = flow.run(RATE, MESSAGES);
	await until(() => flow.clients[0].sent.length > flow.clients[0].from +
	    MESSAGES / flow.clients.length / 4, 'a quarter', 60000);
	const c = await m.sentinels[0].client();
	await c.do('SENTINEL', 'FAILOVER', m.name);
	c.close();
	await Promise.all(list.map(async (d) => {
		await until(async () => await d.metric('redis_switches') === 1,
		    'the switch', 40000);
		await connected(d);
	}));
	await done;
	/* all hosts listen at the new one */
	await acquaint(flow);
	await flow.settle();
	check(t, flow);
	t.diagnostic(`across hosts: p50 ${flow.quantile(0.5).toFixed(1)
	    } ms, p99 ${flow.quantile(0.99).toFixed(1)} ms`);
	flow.close();
	await Promise.all(list.map((d) => d.stop()));
	await m.kill();
});
