/*
 * Who is on other hosts, through a Redis Cluster: while a slot moves, and when
 * a node is lost; and through several Redis.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, sleep, until } from './lib/daemon.mjs';
import { connect } from './lib/clients.mjs';
import { Cluster, slotOf } from './lib/cluster.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import {
	as, conf, fresh, is, presence, said, updates, watching,
} from './lib/people.mjs';

const KEY = 'roost:presence:query';
let cluster, daemons, a, b, c;
before(async () => {
	cluster = await Cluster.start({ replicas: 1 });
	daemons = await Promise.all([0, 1, 2].map((i) => Daemon.start({
		workers: 1,
		conf: conf(`redis://${cluster.nodes[i].address}`) })));
	[a, b, c] = daemons;
	for (const d of daemons)
		await fresh(d, 40000);
});
after(async () => {
	for (const d of daemons)
		await d.stop();
	await cluster.kill();
});

const row = async (name) => {
	const n = await cluster.ownerOf(slotOf(KEY));
	const v = await n.cli.do('HGET', KEY, name);
	return v && JSON.parse(v);
};

/* Users come and go on two hosts until then() is done; c, where nobody is, has
 * it right in the end, and saw each come and go by turns. */
async function churn(prefix, then) {
	const names = [...Array(10).keys()].map((i) => `${prefix}${i}`);
	const w = await watching(c, names);
	const open = new Map(names.map((n) => [n, []]));
	let over = false, i = 0;
	const end = then().finally(() => { over = true; });
	for (; !over || i < 60; i++) {
		const n = names[i * 7 % names.length], list = open.get(n);
		if (list.length > i % 3)
			list.shift().close();
		else
			list.push(await connect(i % 2 ? a : b, '/query', as(n)));
		await sleep(20);	/* a pace */
	}
	await end;
	for (const d of daemons)
		await fresh(d, 60000);
	for (const n of names) {
		const now = open.get(n).length ? 'online' : 'offline';
		for (const d of daemons)
			await is(d, n, now, 'query', 20000);
		await until(async () => (await row(n) !== null) ===
			(now === 'online'), `${n} in Redis: ${now}`, 20000);
		await until(() => (updates(w, n).at(-1)?.status ?? 'offline') ===
			now, `${n} told: ${now}`, 20000);
		updates(w, n).forEach((u, k) => assert.equal(u.status,
		    k % 2 ? 'offline' : 'online', said(w, n)));
	}
	assert.ok(updates(w, names[0]).length > 0);
	for (const s of [w, ...[...open.values()].flat()])
		s.close();
	return i;
}

test('users of one host are online on all; a host has one slot', async () => {
	const s = await connect(a, '/query', as('ann'));
	const t = await connect(b, '/query', as('ann'));
	await is(c, 'ann', 'online');
	await until(async () => (await row('ann'))?.nodes.length === 2,
	    'ann in Redis');
	for (const id of (await row('ann')).nodes)
		assert.equal(slotOf(`roost:node:${id}:{${KEY}}`), slotOf(KEY));
	s.close();
	t.close();
	for (const d of daemons)
		await is(d, 'ann', 'offline');
	await churn('q', () => sleep(500));
	for (const d of daemons)
		await d.counts('presence_rewrites', 1);
});

test('the slot moves, keys and all, while users come and go', async () => {
	await churn('m', async () => {
		const slot = slotOf(KEY), from = await cluster.ownerOf(slot);
		const to = cluster.masters.find((n) => n !== from);
		await sleep(300);	/* they come and go */
		await to.cli.do('CLUSTER', 'SETSLOT', slot, 'IMPORTING',
		    from.id);
		await from.cli.do('CLUSTER', 'SETSLOT', slot, 'MIGRATING',
		    to.id);
		for (;;) {
			const [key] = await from.cli.do('CLUSTER',
			    'GETKEYSINSLOT', slot, 1);
			if (key === undefined)
				break;
			await from.cli.do('MIGRATE', '127.0.0.1', to.port,
			    key, 0, 5000);
			await sleep(100);	/* they come and go */
		}
		for (const n of [to, from, ...cluster.masters.filter((m) =>
			m !== to && m !== from)])
			await n.cli.do('CLUSTER', 'SETSLOT', slot, 'NODE',
			    to.id);
		await cluster.whole();
		await sleep(500);	/* they come and go */
	});
});

test('the node that has them is killed, its replica takes over', async () => {
	await churn('k', async () => {
		await sleep(300);	/* they come and go */
		await cluster.end(await cluster.ownerOf(slotOf(KEY)));
		await cluster.whole(60000);
		await sleep(1000);	/* they come and go */
	});
});

/* The other host hears it beat, where that is said; and knows that it is not
 * all there is. */
test('one of several Redis is away for one host: its users stay', async () => {
	const shards = [];
	for (let i = 0; i < 3; i++) {
		const s = await Redis.start({ port: await freePort() });
		s.cli = await s.client();
		for (const user of ['one', 'two'])
			await s.cli.do('ACL', 'SETUSER', user, 'on', '>pw',
			    '~*', '&*', '+@all');
		shards.push(s);
	}
	const list = [];
	try {
		for (const user of ['one', 'two'])
			list.push(await Daemon.start({ conf: conf('', `
    socketio_prefix = "" shards = {${shards.map((s) =>
	`"redis://${user}:pw@127.0.0.1:${s.port}"`).join(', ')}}`)
			    .replace('url = ""', '') }));
		const [one, two] = list;
		for (const d of list)
			await fresh(d, 20000);
		await until(async () => await two.metric('nodes_known') === 1,
		    'the other host');
		const s = await connect(one, '/query', as('ann'));
		await is(two, 'ann', 'online');
		const t = await connect(one, '/query', as('bob'));
		await is(two, 'bob', 'online');
		const [id] = (await Promise.all(shards.map((x) => x.cli.do('HGET',
		    'roost:presence:query', 'ann')))).filter(Boolean)
		    .flatMap((v) => JSON.parse(v).nodes);
		/* neither its heartbeat nor the list is there */
		let away;
		for (const x of shards)
			if (!await x.cli.do('EXISTS', `roost:node:${id}`) &&
			    !await x.cli.do('EXISTS', 'roost:nodes'))
				away = x;
		await away.cli.do('ACL', 'SETUSER', 'one', 'off');
		await away.cli.do('CLIENT', 'KILL', 'USER', 'one');
		await until(async () => (await presence(two, 'query')).stale,
		    'the other host to know', 20000);
		t.close();
		const end = Date.now() + 12000;
		while (Date.now() < end) {
			assert.equal((await presence(two, 'query/ann')).status,
			    'online');
			await sleep(200);	/* looked at again and again */
		}
		await away.cli.do('ACL', 'SETUSER', 'one', 'on');
		for (const d of list)
			await fresh(d, 40000);
		await is(two, 'ann', 'online');
		await is(two, 'bob', 'offline');
		s.close();
		await is(two, 'ann', 'offline');
	} finally {
		for (const d of list)
			await d.stop();
		for (const x of shards) {
			x.cli.close();
			await x.kill();
		}
	}
});
