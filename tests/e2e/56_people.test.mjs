/*
 * Who is on other hosts: three daemons and a Redis between them, whose users
 * are one set; daemons that die, a Redis that is stopped, killed, emptied.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten } from './lib/clients.mjs';
import { Redis } from './lib/redis.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url) => jwt + `
redis { url = "${url}" }
presence { leave_grace = 300ms }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"presence"} } }
namespace "/query" { auth = required presence = query }
namespace "/all"   { auth = required presence = namespace }
namespace "/idle"  { auth = required presence = query idle_after = 4s
    event "n" { to = sender } }
namespace "/rooms" { auth = required presence = rooms
    room "{r}" { join = open } }
`;
const as = (name) => ({ auth: { token: user(name) } });
const updates = (s, name) => gotten(s, 'presence:update').map((a) => a[0])
	.filter((u) => u.user === name);
const said = (s, name) => updates(s, name).map((u) => u.status).join(' ');
async function presence(d, path) {
	const r = await fetch(d.url(`/api/v1/presence/${path}`),
	    { headers: { Authorization: `Bearer ${KEY}` } });
	assert.equal(r.status, 200);
	return r.json();
}
const fresh = (d, ms) => until(async () =>
	(await presence(d, 'query')).stale === undefined,
'presence that is not stale', ms);
const is = (d, name, status, ns = 'query', ms) => until(async () =>
	(await presence(d, `${ns}/${name}`)).status === status,
`${name} to be ${status}`, ms);

let redis, a, b, c, cli;
before(async () => {
	redis = await Redis.start();
	[a, b, c] = await Promise.all([2, 1, 1].map((workers) =>
		Daemon.start({ workers, conf: conf(redis.url) })));
	cli = await redis.client();
	for (const d of [a, b, c]) {
		await fresh(d);
		await until(async () => await d.metric('nodes_known') === 2,
		    'two other nodes');
	}
});
after(async () => {
	cli.close();
	for (const d of [a, b, c])
		await d?.stop();
	await redis.kill();
});

test('who is on one host is online on all: told once', async () => {
	const w = await connect(b, '/query', as('w1'));
	const first = await ask(w, 'presence:watch', { users: ['ann'] });
	assert.equal(first.users[0].status, 'offline');
	const one = await connect(a, '/query', as('ann'));
	await until(() => said(w, 'ann') === 'online', 'ann online');
	assert.equal(updates(w, 'ann')[0].connections, 0);
	assert.equal((await presence(b, 'query/ann')).status, 'online');
	const two = await connect(a, '/query', as('ann'));
	const three = await connect(c, '/query', as('ann'));
	await is(c, 'ann', 'online');
	one.close();
	two.close();
	await until(async () => (await presence(a, 'query/ann'))
		.connections === 0, 'none on a');
	await is(a, 'ann', 'online');
	three.close();
	await until(() => said(w, 'ann') === 'online offline', 'ann offline');
	for (const d of [a, b, c])
		await is(d, 'ann', 'offline');
	assert.ok(updates(w, 'ann')[1].last_seen > Date.now() - 60000);
	w.close();
});

test('rooms: who comes and goes on another host, each told once', async () => {
	const rooms = (s) => gotten(s, 'presence:update').map(([u]) => u)
		.filter((u) => u.room === 'r').map((u) =>
		    `${u.user} ${u.present}`).join(', ');
	const w = await connect(b, '/rooms', as('w'));
	await ask(w, 'room:join', { room: 'r' });
	const one = await connect(a, '/rooms', as('rob'));
	await ask(one, 'room:join', { room: 'r' });
	await until(() => /rob true/.test(rooms(w)), 'rob in the room');
	const { users } = await ask(w, 'presence:get', { room: 'r' });
	assert.deepEqual(users.map((u) => `${u.user} ${u.status}`).sort(),
	    ['rob online', 'w online']);
	const two = await connect(c, '/rooms', as('rob'));
	await ask(two, 'room:join', { room: 'r' });
	await until(async () => (await presence(c, 'rooms?room=r')).users
		.length === 2, 'both in the room');
	const s = await ask(one, 'presence:set', { status: 'busy' });
	assert.equal(s.status, 'busy');
	await until(() => gotten(w, 'presence:update').some(([u]) =>
		u.user === 'rob' && u.status === 'busy'), 'rob busy');
	await ask(one, 'room:leave', { room: 'r' });
	two.close();
	await until(() => /rob false/.test(rooms(w)), 'rob left');
	assert.equal(rooms(w).match(/rob/g).length, 2, rooms(w));
	assert.equal((await presence(c, 'rooms?room=r')).users.length, 1);
	one.close();
	w.close();
});

test('a namespace is told of all hosts', async () => {
	const w = await connect(b, '/all', as('w'));
	const s = await connect(c, '/all', as('nat'));
	await until(() => said(w, 'nat') === 'online', 'nat online');
	assert.deepEqual((await presence(a, 'all')).users.map((u) => u.user)
		.sort(), ['nat', 'w']);
	s.close();
	await until(() => said(w, 'nat') === 'online offline', 'nat offline');
	w.close();
});

test('the last status counts, on whichever host it was set', async () => {
	const w = await connect(c, '/query', as('w2'));
	await ask(w, 'presence:watch', { users: ['sam'] });
	const one = await connect(a, '/query', as('sam'));
	const two = await connect(b, '/query', as('sam'));
	await is(c, 'sam', 'online');
	let told = 'online';
	for (const [s, status] of [[one, 'busy'], [two, 'dnd'], [one, 'away'],
	    [two, 'online'], [one, 'dnd']]) {
		await ask(s, 'presence:set', { status });
		for (const d of [a, b, c])
			await is(d, 'sam', status);
		told += ` ${status}`;
	}
	await until(() => said(w, 'sam') === told, told);
	/* at once, from both: all agree on one of them, in the end */
	for (let i = 0; i < 50; i++)
		await Promise.all([ask(one, 'presence:set', { status: 'busy' }),
		    ask(two, 'presence:set', { status: 'away' })]);
	await until(async () => {
		const all = await Promise.all([a, b, c].map((d) =>
			presence(d, 'query/sam')));
		const row = JSON.parse(await cli.do('HGET',
		    'roost:presence:query', 'sam'));
		return new Set([...all, row].map((u) => u.status)).size === 1;
	}, 'one status everywhere');
	[w, one, two].forEach((s) => s.close());
});

test('who is silent on one host and not on another is not away', async () => {
	const w = await connect(c, '/idle', as('w3'));
	await ask(w, 'presence:watch', { users: ['ida'] });
	const busy = await connect(a, '/idle', as('ida'));
	const silent = await connect(b, '/idle', as('ida'));
	for (let i = 0; i < 28; i++) {
		busy.emit('n', i);
		await new Promise((ok) => setTimeout(ok, 250));
		assert.equal((await presence(a, 'idle/ida')).status, 'online');
	}
	await is(c, 'ida', 'online', 'idle');
	await is(c, 'ida', 'away', 'idle', 10000);
	await is(a, 'ida', 'away', 'idle', 10000);
	silent.emit('n', 1);
	for (const d of [a, b, c])
		await is(d, 'ida', 'online', 'idle');
	[w, busy, silent].forEach((s) => s.close());
});

const row = async (name, ns = 'query') => {
	const v = await cli.do('HGET', `roost:presence:${ns}`, name);
	return v && JSON.parse(v);
};

test('back ends read it from Redis', async () => {
	const name = 'q"uo\\te,"nodes":["x"]}';
	const one = await connect(a, '/query', as(name));
	await until(async () => (await row(name))?.nodes.length === 1,
	    'one node');
	const two = await connect(b, '/query', as(name));
	await until(async () => (await row(name)).nodes.length === 2,
	    'two nodes');
	await ask(two, 'presence:set', { status: 'busy' });
	await until(async () => (await row(name)).status === 'busy', 'busy');
	const r = await row(name);
	assert.equal(r.user, name);
	assert.ok(Math.abs(r.last_seen - Date.now()) < 60000);
	for (const id of r.nodes)
		assert.ok((await cli.do('HKEYS', 'roost:nodes')).includes(id));
	one.close();
	await until(async () => (await row(name)).nodes.length === 1,
	    'one node left');
	assert.ok(r.nodes.includes((await row(name)).nodes[0]));
	two.close();
	await until(async () => await row(name) === null, 'nobody left');
	assert.ok(await cli.do('PTTL', 'roost:presence:all') !== -1);
});

const status = async (d, name, ns = 'query') =>
	(await presence(d, `${ns}/${name}`)).status;
const start = (workers = 1, more = '') =>
	Daemon.start({ workers, conf: conf(redis.url) + more });
const watching = async (d, users) => {
	const w = await connect(d, '/query', as(`w-${crypto.randomUUID()}`));
	await ask(w, 'presence:watch', { users });
	return w;
};

test('a host that comes reads who is there; one that stops says so', async () => {
	const list = [];
	for (let i = 0; i < 300; i++)
		list.push(await connect(i % 2 ? a : b, '/query', as(`n${i}`)));
	const d = await start();
	await fresh(d);
	assert.equal(await d.metric('nodes_known'), 3);
	assert.equal(await d.metric('presence_loads') >= 3, true);
	for (const i of [0, 1, 298, 299])
		assert.equal(await status(d, `n${i}`), 'online');
	assert.ok(await d.metric('presence_mirrored') >= 300);
	const w = await watching(a, ['quentin']);
	await connect(d, '/query', as('quentin'));
	await until(() => said(w, 'quentin') === 'online', 'quentin online');
	const gone = await a.metric('nodes_gone');
	await d.stop();
	await until(() => said(w, 'quentin') === 'online offline',
	    'quentin offline', 2000);
	await until(async () => await a.metric('nodes_gone') === gone + 1,
	    'the node gone');
	await until(async () => (await cli.do('HLEN', 'roost:nodes')) === 3,
	    'its remains cleared away', 15000);
	for (const s of [...list, w])
		s.close();
});

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
	await until(async () => (await row('both')).nodes.length === 2,
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
	await until(async () => await row('k0') === null &&
		(await row('both')).nodes.length === 1 &&
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
	assert.equal(await b.metric('presence_stale'), 1);
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
	assert.ok(await a.metric('presence_rewrites') > before);
	for (const n of names)
		await until(async () => (await row(n))?.nodes.length === 1,
		    `${n} in Redis`);
	/* emptied under a connection that lives */
	await cli.do('FLUSHALL');
	for (const n of names)
		await until(async () => (await row(n))?.nodes.length === 1,
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
	await until(async () => await row('leaves') === null, 'it in Redis');
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
	await until(() => (d.relay()?.pid ?? again) !== again, 'a third relay');
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
	const seed = Number(process.env.PRESENCE_SEED ??
	    crypto.randomInt(1 << 30));
	console.log(`# PRESENCE_SEED=${seed}`);
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
		await until(async () => (await row(n) !== null) ===
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

/* A node of the test's own: no daemon, but what one says and writes. */
class Pretender {
	id = crypto.randomBytes(8).toString('hex');
	epoch = crypto.randomBytes(8).toString('hex');
	number = 0n;
	word(hex) { return Buffer.from(hex, 'hex').reverse(); }
	key(ns = 'query') {
		return `roost:node:${this.id}:{roost:presence:${ns}}`;
	}
	async beat() {
		await cli.do('SET', `roost:node:${this.id}`, JSON.stringify({
			id: this.id, epoch: this.epoch, ready: true }),
		'PX', 8000);
		const n = Buffer.alloc(8);
		n.writeBigUInt64LE(this.number);
		await cli.do('PUBLISH', 'roost:nodes', Buffer.concat([
			Buffer.from('ROOSTN1\0b\x01'), this.word(this.id),
			this.word(this.epoch), n]));
	}
	async write(names) {
		const v = Buffer.concat([Buffer.from(this.epoch),
			Buffer.alloc(17)]);
		await cli.do('HSET', this.key(), '=', this.epoch);
		for (let i = 0; i < names.length; i += 1000)
			await cli.do('HSET', this.key(), ...names
				.slice(i, i + 1000).flatMap((n) =>
				[`u${n}`, v]));
	}
}

test('100,000 users of another host: all there, then none', async () => {
	const p = new Pretender(), d = await start();
	await fresh(d);
	const names = [...Array(100000).keys()].map((i) => `big${i}`);
	const w = await watching(d, ['big7', 'big99999']);
	const others = await d.metric('presence_mirrored');
	const one = await connect(d, '/idle', as('one'));
	await p.write(names);
	const beats = setInterval(() => p.beat(), 1000);
	await p.beat();
	const began = Date.now();
	let slowest = 0, asked = 0;
	await until(async () => {
		const t = Date.now();
		await ask(one, 'presence:get', { users: ['big1'] });
		slowest = Math.max(slowest, Date.now() - t);
		asked++;
		return await d.metric('presence_mirrored') >= 100000;
	}, '100,000 users', 30000);
	console.log(`# read within ${Date.now() - began} ms; asked ${asked}` +
	    ` times, ${slowest} ms at most`);
	await until(() => said(w, 'big7') + said(w, 'big99999') ===
		'onlineonline', 'both told');
	await fresh(d, 30000);
	clearInterval(beats);
	for (const n of ['big7', 'big99999'])
		await until(() => said(w, n) === 'online offline',
		    `${n} offline`, 15000);
	await until(async () => await d.metric('presence_mirrored') <= others,
	    'none', 15000);
	await until(async () => await cli.do('EXISTS', p.key()) === 0,
	    'its remains cleared away', 60000);
	w.close();
	one.close();
	await d.stop();
});

test('no room for others is said: stale, counted', async () => {
	const p = new Pretender();
	const d = await start(1, 'shm { users = 200 }\n');
	await fresh(d);
	await p.write([...Array(2000).keys()].map((i) => `f${i}`));
	await p.beat();
	await until(async () => await d.metric('presence_not_mirrored') > 0,
	    'some without room');
	await until(async () => await d.metric('presence_stale') === 1,
	    'that it is said');
	assert.equal((await presence(d, 'query')).stale, true);
	const s = await connect(d, '/query', as('own'));
	assert.equal(await status(d, 'own'), 'online');
	s.close();
	await d.stop();
});

test('nonsense in the channel of nodes is counted and dropped', async () => {
	const bad = await a.metric('far_bad');
	const known = await a.metric('nodes_known');
	for (const m of ['', 'x', 'ROOSTN1\0', `ROOSTN1\0c${'\0'.repeat(25)}`,
	    `ROOSTN1\0z\0${'\x01'.repeat(24)}`])
		await cli.do('PUBLISH', 'roost:nodes', m);
	await until(async () => await a.metric('far_bad') === bad + 5,
	    'five bad ones');
	assert.ok(await a.metric('nodes_known') <= known);
});

test('a user of Redis with just what the manual lists, then less', async () => {
	const own = await Redis.start();
	const admin = await own.client();
	const list = [];
	try {
		await admin.do('ACL', 'SETUSER', 'roostd', 'on', '>pw',
		    'resetchannels', '&roost:*', '-@all', '+ping', '+publish',
		    '+subscribe', '+unsubscribe', '+client|setname');
		await admin.do('ACL', 'SETUSER', 'roostd', 'resetkeys',
		    '~roost:*', '+del', '+eval', '+exists', '+get', '+hdel',
		    '+hget', '+hkeys', '+hscan', '+hset', '+pexpire', '+set');
		const url = `unix://roostd:pw@${own.path}`;
		for (let i = 0; i < 2; i++)
			list.push(await Daemon.start({ workers: 1,
				conf: conf(url).replace('redis {',
				    'redis { socketio_prefix = ""') }));
		const [one, two] = list;
		const s = await connect(one, '/query', as('ann'));
		await is(two, 'ann', 'online');
		await fresh(two);
		const health = async () =>
			(await fetch(two.url('/health'))).json();
		assert.equal((await health()).status, 'healthy');
		s.close();
		await is(two, 'ann', 'offline');
		assert.deepEqual(await admin.do('ACL', 'LOG'), []);
		await admin.do('ACL', 'SETUSER', 'roostd', '-eval');
		const t = await connect(one, '/query', as('bob'));
		await is(one, 'bob', 'online');
		await until(async () => (await presence(two, 'query')).stale,
		    'it to be stale');
		assert.match((await health()).reason, /users on other hosts/);
		assert.match(one.log, /presence_not_written.*NOPERM/);
		await admin.do('ACL', 'SETUSER', 'roostd', '+eval');
		await is(two, 'bob', 'online', 'query', 40000);
		await fresh(two, 40000);
		t.close();
	} finally {
		admin.close();
		for (const d of list)
			await d.stop();
		await own.kill();
	}
});
