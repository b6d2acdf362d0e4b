/*
 * Who is on other hosts when they die, or Redis is stopped, killed, emptied.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, sleep, until } from './lib/daemon.mjs';
import { connect } from './lib/clients.mjs';
import {
	as, conf, fresh, is, presence, row, said, several, status, updates,
	watching,
} from './lib/people.mjs';

let redis, cli, a, b, c;
before(async () => {
	[redis, cli, a, b, c] = await several([2, 1, 1]);
});
after(async () => {
	cli.close();
	for (const d of [a, b, c])
		await d?.stop();
	await redis.kill();
});

const start = (workers = 1, more = '') =>
	Daemon.start({ workers, conf: conf(redis.url) + more });

test('kill -9 of a whole daemon: its users are gone, each once', async () => {
	const d = await start(2);
	await fresh(d);
	const names = [...Array(40).keys()].map((i) => `k${i}`);
	const w = await watching(b, [...names, 'both']);
	const list = await Promise.all([...names, 'both'].map((n) =>
		connect(d, '/query', as(n))));
	const other = await connect(a, '/query', as('both'));
	for (const n of [...names, 'both'])
		await until(() => said(w, n) === 'online', `${n} online`);
	await until(async () => (await row(cli, 'both')).nodes.length === 2,
	    'both on two nodes');
	for (const pid of [d.child.pid, ...d.children().map((c) => c.pid)])
		process.kill(pid, 'SIGKILL');
	const killed = Date.now();
	for (const n of names)
		await until(() => said(w, n) === 'online offline',
		    `${n} offline`, 12000);
	assert.ok(Date.now() - killed < 12000 || process.env.E2E_SLOW > 1,
	    `within ${Date.now() - killed} ms`);
	console.log(`# gone within ${Date.now() - killed} ms`);
	for (const x of [a, b, c]) {
		await is(x, 'k0', 'offline');
		assert.equal(await status(x, 'both'), 'online');
	}
	assert.equal(said(w, 'both'), 'online');
	await until(async () => await row(cli, 'k0') === null &&
		(await row(cli, 'both')).nodes.length === 1 &&
		(await cli.do('HLEN', 'roost:nodes')) === 3,
	'its remains cleared away', 15000);
	assert.deepEqual((await cli.do('KEYS', 'roost:node:*:*')).length,
	    3 * 4);
	for (const s of [...list, other, w])
		s.close();
});

test('Redis is stopped: stale, not emptied; then one again', async () => {
	const w = await watching(b, ['stan', 'late', 'left']);
	const s = await connect(a, '/query', as('stan'));
	const left = await connect(a, '/query', as('left'));
	await until(() => said(w, 'left') + said(w, 'stan') === 'onlineonline',
	    'two online');
	redis.signal('SIGSTOP');
	await until(async () => (await presence(b, 'query/stan')).stale,
	    'it to be stale', 20000);
	await b.counts('presence_stale', 1);
	assert.equal((await presence(b, 'query')).stale, true);
	const late = await connect(a, '/query', as('late'));
	left.close();
	await is(a, 'left', 'offline');
	assert.equal(await status(b, 'stan'), 'online');
	assert.equal(await status(b, 'left'), 'online');
	assert.equal(await status(b, 'late'), 'offline');
	redis.signal('SIGCONT');
	await fresh(b, 20000);
	await fresh(a, 20000);
	await until(() => said(w, 'late') === 'online', 'late online', 20000);
	await until(() => said(w, 'left') === 'online offline',
	    'left offline', 20000);
	assert.equal(said(w, 'stan'), 'online');
	for (const x of [s, late, w])
		x.close();
});

test('a Redis that comes back empty is filled; nobody is told', async () => {
	const names = ['e1', 'e2', 'e3'];
	const w = await watching(b, names);
	const list = [];
	for (const [i, d] of [a, b, c].entries())
		list.push(await connect(d, '/query', as(names[i])));
	for (const n of names)
		await until(() => said(w, n) === 'online', `${n} online`);
	const before = await a.metric('presence_rewrites');
	cli.close();
	await redis.kill();
	await until(async () => (await presence(a, 'query')).stale, 'stale');
	await redis.again();
	cli = await redis.client();
	for (const d of [a, b, c])
		await fresh(d, 30000);
	await a.counts('presence_rewrites', (n) => n > before);
	for (const n of names)
		await until(async () => (await row(cli, n))?.nodes.length === 1,
		    `${n} in Redis`);
	/* emptied under a connection that lives */
	await cli.do('FLUSHALL');
	for (const n of names)
		await until(async () => (await row(cli, n))?.nodes.length === 1,
		    `${n} in Redis again`, 15000);
	for (const d of [a, b, c])
		await fresh(d, 30000);
	for (const d of [a, b, c])
		for (const n of names)
			assert.equal(await status(d, n), 'online');
	for (const n of names)
		assert.equal(said(w, n), 'online');
	for (const s of [...list, w])
		s.close();
});

test('the relay is killed: mirrors stay, who left meanwhile goes', async () => {
	const d = await start();
	d.mayDie = true;
	await fresh(d);
	const w = await watching(d, ['stays', 'leaves']);
	const stays = await connect(a, '/query', as('stays'));
	const leaves = await connect(a, '/query', as('leaves'));
	for (const n of ['stays', 'leaves'])
		await until(() => said(w, n) === 'online', `${n} online`);
	const { pid } = d.relay();
	process.kill(pid, 'SIGSTOP');
	leaves.close();
	await is(a, 'leaves', 'offline');
	await until(async () => await row(cli, 'leaves') === null, 'it in Redis');
	process.kill(pid, 'SIGKILL');
	await until(() => (d.relay()?.pid ?? pid) !== pid, 'another relay');
	assert.equal(await status(d, 'stays'), 'online');
	await fresh(d, 20000);
	await until(() => said(w, 'leaves') === 'online offline',
	    'who left to be gone', 20000);
	assert.equal(await status(d, 'stays'), 'online');
	assert.equal(said(w, 'stays'), 'online');
	/* what came of it to the others: nothing */
	const w2 = await watching(a, ['there']);
	const there = await connect(d, '/query', as('there'));
	await until(() => said(w2, 'there') === 'online', 'there online');
	const again = d.relay().pid;
	process.kill(again, 'SIGKILL');
	await d.next(again);
	await fresh(d, 20000);
	await fresh(a, 20000);
	assert.equal(said(w2, 'there'), 'online');
	there.close();
	await until(() => said(w2, 'there') === 'online offline',
	    'there offline');
	for (const s of [stays, w, w2])
		s.close();
	await d.stop();
});

test('by chance, Redis cut and emptied: no event twice, none missing', async () => {
	const seed = Number(process.env.PEOPLE_SEED ??
	    crypto.randomInt(1 << 30));
	console.log(`# PEOPLE_SEED=${seed}`);
	let x = seed;
	const roll = (n) => {		/* xorshift: the same for a seed */
		x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
		return (x >>> 0) % n;
	};
	const names = [...Array(12).keys()].map((i) => `r${i}`);
	const all = [a, b, c];
	const ws = await Promise.all(all.map((d) => watching(d, names)));
	const open = new Map(names.map((n) => [n, []]));
	for (let i = 0; i < 240; i++) {
		const list = open.get(names[roll(names.length)]);
		const name = names[[...open.values()].indexOf(list)];
		if (list.length > 0 && roll(2) === 0)
			list.splice(roll(list.length), 1)[0].close();
		else if (list.length < 3)
			list.push(await connect(all[roll(3)], '/query',
			    as(name)));
		if (i % 60 === 20)
			await cli.do('CLIENT', 'KILL', 'TYPE',
			    roll(2) ? 'pubsub' : 'normal', 'SKIPME', 'yes');
		if (i % 60 === 50)
			await cli.do('FLUSHALL');
		await new Promise((ok) => setTimeout(ok, roll(40)));
	}
	for (const d of all)
		await fresh(d, 30000);
	for (const n of names) {
		const now = open.get(n).length ? 'online' : 'offline';
		for (const d of all)
			await is(d, n, now, 'query', 15000);
		await until(async () => (await row(cli, n) !== null) ===
			(now === 'online'), `${n} in Redis: ${now}`, 15000);
		for (const w of ws) {
			await until(() => updates(w, n).length === 0 ?
				now === 'offline' :
				updates(w, n).at(-1).status === now,
			`${n} told: ${now}`, 15000);
			/* one after the other: online, offline, online */
			updates(w, n).forEach((u, i) => assert.equal(u.status,
			    i % 2 ? 'offline' : 'online', said(w, n)));
		}
	}
	for (const s of [...ws, ...[...open.values()].flat()])
		s.close();
});


/* A host that dies, and comes again as another one. */
class Host {
	clients = new Set();
	get workers() {
		return this.d.children().filter((c) => c.role === 'worker');
	}
	async up() {
		this.d = await start(1 + Math.round(Math.random()));
		this.d.mayDie = true;
	}
	/* The whole of it, in one moment as far as it knows. */
	async kill() {
		const pids = [this.d.child.pid,
			...this.d.children().map((c) => c.pid)];
		for (const pid of pids)
			process.kill(pid, 'SIGSTOP');
		for (const pid of pids)
			process.kill(pid, 'SIGKILL');
		await until(() => this.d.child.exitCode !== null ||
			this.d.child.signalCode !== null, 'its end');
		this.clients.clear();
	}
}

test('by chance, hosts, relays, workers killed: each is where he is', async () => {
	const seed = Number(process.env.PEOPLE_SEED ??
	    crypto.randomInt(1, 1 << 30));
	console.log(`# PEOPLE_SEED=${seed}`);
	let x = seed;
	const roll = (n) => {
		x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
		return (x >>> 0) % n;
	};
	const names = [...Array(16).keys()].map((i) => `x${i}`);
	const hosts = [new Host(), new Host()];
	await Promise.all(hosts.map((h) => h.up()));
	const fixed = new Host();
	fixed.d = a;		/* lives, so that somebody sees it all */
	const all = [...hosts, fixed];
	/* on two that live, and on one that lives but for its relay */
	const ws = await Promise.all([a, b, c].map((d) => watching(d, names)));
	c.mayDie = true;
	for (const d of [a, b, c, ...hosts.map((h) => h.d)])
		await fresh(d, 15000);
	const come = async (h) => {
		const name = names[roll(names.length)];
		try {
			const s = await connect(h.d, '/query', as(name));
			s.name = name;
			h.clients.add(s);
			s.on('disconnect', () => h.clients.delete(s));
		} catch {
			/* it was being killed: nobody has come */
		}
	};
	const go = (h) => {
		const s = [...h.clients][roll(h.clients.size || 1)];
		h.clients.delete(s);
		s?.close();
	};
	const endRelay = (d) => {
		const relay = d.relay();
		if (relay)
			process.kill(relay.pid, 'SIGKILL');
	};
	const ends = [
		async (h) => { await h.kill(); await h.up(); },
		(h) => endRelay(h.d),
		() => endRelay(c),
		(h) => {
			const list = h.workers;
			if (list.length > 0)
				process.kill(list[roll(list.length)].pid,
				    'SIGKILL');
		},
		() => cli.do('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes'),
		() => cli.do('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
		() => cli.do('FLUSHALL'),
	];
	const rounds = Number(process.env.PEOPLE_ROUNDS ?? 6);
	for (let round = 0; round < rounds; round++) {
		for (let i = 0; i < 30; i++) {
			const h = all[roll(all.length)];
			await (roll(5) < 3 ? come(h) : go(h));
			await sleep(roll(30));	/* some moment */
		}
		/* in the middle of what they do */
		const churn = Promise.all([...Array(8)].map(() =>
			come(all[roll(all.length)])));
		await ends[round === 2 ? 0 : roll(ends.length)](
		    hosts[roll(hosts.length)]);
		await churn;
	}
	for (const h of hosts)
		await until(() => h.d.relay() && h.workers.length > 0,
		    'all of it to be back');
	for (const d of [a, b, c, ...hosts.map((h) => h.d)])
		await fresh(d, 40000);
	const there = (n) => all.filter((h) => [...h.clients].some((s) =>
		s.name === n && s.connected));
	for (const n of names) {
		const now = () => there(n).length > 0 ? 'online' : 'offline';
		for (const d of [a, b, c, ...hosts.map((h) => h.d)])
			await until(async () => await status(d, n) === now(),
			    `${n} to be ${now()}`, 20000);
		await until(async () => ((await row(cli, n))?.nodes.length ?? 0)
			=== there(n).length, `${n} in Redis`, 20000);
		for (const w of ws) {
			await until(() => (updates(w, n).at(-1)?.status ??
				'offline') === now(), `${n} told: ${now()}`,
			    20000);
			updates(w, n).forEach((u, i) => assert.equal(u.status,
			    i % 2 ? 'offline' : 'online', said(w, n)));
		}
	}
	for (const s of [...ws, ...all.flatMap((h) => [...h.clients])])
		s.close();
	for (const h of hosts)
		await h.d.stop();
});
