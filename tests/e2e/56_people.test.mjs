/*
 * Who is on other hosts: three daemons and a Redis between them, whose users
 * are one set.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, gotten } from './lib/clients.mjs';
import { Redis } from './lib/redis.mjs';
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

/* A node of the test's own: no daemon, but what one says and writes. */
class Pretender {
	id = crypto.randomBytes(8).toString('hex');
	epoch = crypto.randomBytes(8).toString('hex');
	number = 0n;
	word(hex) { return Buffer.from(hex, 'hex').reverse(); }
	key(ns = 'query') {
		return `roost:node:${this.id}:{roost:presence:${ns}}`;
	}
	async say(kind, number, rest = Buffer.alloc(0)) {
		const n = Buffer.alloc(8);
		n.writeBigUInt64LE(number);
		await cli.do('PUBLISH', 'roost:nodes', Buffer.concat([
			Buffer.from(`ROOSTN1\0${kind}\x01`),
			this.word(this.id), this.word(this.epoch), n, rest]));
	}
	async beat() {
		await cli.do('SET', `roost:node:${this.id}`, JSON.stringify({
			id: this.id, epoch: this.epoch, ready: true }),
		'PX', 8000);
		await this.say('b', this.number);
	}
	/* name has set its status code, or is gone. */
	async change(name, { code = 0, set = 0, seen = 0, present = true }) {
		const ns = Buffer.from('/query'), e = Buffer.alloc(20);
		e[0] = present ? 2 : 0;
		e[1] = code;
		e.writeBigUInt64LE(BigInt(set), 2);
		e.writeBigUInt64LE(BigInt(seen), 10);
		e.writeUInt16LE(name.length, 18);
		await this.say('c', ++this.number, Buffer.concat([
			Buffer.from([ns.length]), ns, e, Buffer.from(name)]));
	}
	async write(names) {
		const v = Buffer.concat([Buffer.from(this.epoch),
			Buffer.alloc(17)]);
		await cli.do('HSET', this.key(), '=', this.epoch + '0');
		for (let i = 0; i < names.length; i += 1000)
			await cli.do('HSET', this.key(), ...names
				.slice(i, i + 1000).flatMap((n) =>
				[`u${n}`, v]));
	}
}

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

test('the first status counts, on whichever host it was set', async () => {
	const w = await connect(c, '/query', as('w2'));
	await ask(w, 'presence:watch', { users: ['sam'] });
	const one = await connect(a, '/query', as('sam'));
	const two = await connect(b, '/query', as('sam'));
	await is(c, 'sam', 'online');
	let told = 'online';
	for (const [s, status, now] of [[one, 'busy', 'busy'],
	    [two, 'dnd', 'dnd'], [one, 'away', 'dnd'], [two, 'away', 'away'],
	    [two, 'online', 'online'], [one, 'dnd', 'dnd']]) {
		await ask(s, 'presence:set', { status });
		for (const d of [a, b, c])
			await is(d, 'sam', now);
		told += told.endsWith(now) ? '' : ` ${now}`;
		await until(() => said(w, 'sam') === told, told);
	}
	/* at once, from both: all agree, in the end */
	for (let i = 0; i < 50; i++)
		await Promise.all([ask(one, 'presence:set', { status: 'busy' }),
		    ask(two, 'presence:set', { status: i % 2 ? 'away' : 'dnd' })]);
	await until(async () => {
		const all = await Promise.all([a, b, c].map((d) =>
			presence(d, 'query/sam')));
		const row = JSON.parse(await cli.do('HGET',
		    'roost:presence:query', 'sam'));
		return [...all, row].every((u) => u.status === 'busy');
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

test('back ends read it from Redis', async () => {
	const name = 'q"uo\\te,"nodes":["x"]}';
	const one = await connect(a, '/query', as(name));
	await until(async () => (await row(cli, name))?.nodes.length === 1,
	    'one node');
	const two = await connect(b, '/query', as(name));
	await until(async () => (await row(cli, name)).nodes.length === 2,
	    'two nodes');
	await ask(two, 'presence:set', { status: 'busy' });
	await until(async () => (await row(cli, name)).status === 'busy', 'busy');
	const r = await row(cli, name);
	assert.equal(r.user, name);
	assert.ok(Math.abs(r.last_seen - Date.now()) < 60000);
	for (const id of r.nodes)
		assert.ok((await cli.do('HKEYS', 'roost:nodes')).includes(id));
	one.close();
	await until(async () => (await row(cli, name)).nodes.length === 1,
	    'one node left');
	assert.ok(r.nodes.includes((await row(cli, name)).nodes[0]));
	two.close();
	await until(async () => await row(cli, name) === null, 'nobody left');
	assert.ok(await cli.do('PTTL', 'roost:presence:all') !== -1);
});

test('a host that comes reads who is there; one that stops says so', async () => {
	const list = [];
	for (let i = 0; i < 300; i++)
		list.push(await connect(i % 2 ? a : b, '/query', as(`n${i}`)));
	const d = await start();
	await fresh(d);
	await d.counts('nodes_known', 3);
	await d.counts('presence_loads', (n) => n >= 3);
	for (const i of [0, 1, 298, 299])
		assert.equal(await status(d, `n${i}`), 'online');
	await d.counts('presence_mirrored', (n) => n >= 300);
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
	await a.counts('nodes_known', (n) => n <= known);
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
		    '+hget', '+hkeys', '+hlen', '+hscan', '+hset', '+pexpire', '+set',
		    '+zadd', '+zremrangebyscore', '+zrevrangebyscore');
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
		await one.logged(/presence_not_written.*NOPERM/);
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

test('clocks that differ do not matter', async () => {
	const p = new Pretender(), hour = 3600e3;
	await p.write(['tim', 'tom']);
	const beats = setInterval(() => p.beat(), 500);
	await p.beat();
	await is(a, 'tim', 'online');
	await fresh(a);
	const one = await connect(a, '/query', as('tim'));
	/* an hour ahead: what is set here counts beside it all the same */
	await p.change('tim', { code: 3, set: Date.now() + hour,
		seen: Date.now() + hour });
	await is(a, 'tim', 'busy');
	const told = await ask(one, 'presence:set', { status: 'dnd' });
	assert.equal(told.status, 'dnd');
	for (const d of [a, b, c])
		await is(d, 'tim', 'dnd');
	/* behind, and less than what is said here */
	await p.change('tim', { code: 2, set: Date.now() - hour });
	await p.change('tom', { seen: Date.now() + hour });
	await until(async () =>
		(await presence(a, 'query/tom')).last_seen > 0, 'tom seen');
	assert.equal(await status(a, 'tim'), 'dnd');
	assert.ok((await presence(a, 'query/tom')).last_seen <= Date.now());
	one.close();
	await p.change('tim', { present: false, seen: Date.now() + hour });
	await is(a, 'tim', 'offline');
	assert.ok((await presence(a, 'query/tim')).last_seen <= Date.now());
	clearInterval(beats);
	await is(a, 'tom', 'offline', 'query', 15000);
});

test('another daemon with the same id is told of', async () => {
	const d = await start(), p = new Pretender();
	await fresh(d);
	const ids = await cli.do('HKEYS', 'roost:nodes');
	const of = async (id) => JSON.parse(await cli.do('HGET',
	    'roost:nodes', id)).started;
	const started = await Promise.all(ids.map(of));
	p.id = ids[started.indexOf(Math.max(...started))];
	const beats = setInterval(() => p.say('b', 0n), 500);
	await until(() => new RegExp(`node_twin node=${p.id}`).test(d.log),
	    'a line in the log', 15000);
	await until(async () => (await presence(d, 'query')).stale, 'stale');
	await d.counts('nodes_twin', (n) => n >= 2);
	await a.counts('nodes_twin', 0);
	clearInterval(beats);
	await until(() => /node_twin_gone/.test(d.log), 'the end of it', 30000);
	await fresh(d);
	await d.stop();
});

test('what is thrown out of Redis, or changed there, is written again', async () => {
	const s = await connect(a, '/query', as('thea'));
	await until(async () => (await row(cli, 'thea'))?.nodes.length === 1,
	    'thea in Redis');
	const back = () => until(async () =>
		(await row(cli, 'thea'))?.nodes.length === 1, 'thea again', 15000);
	await cli.do('DEL', 'roost:presence:query');
	await back();
	const [id] = (await row(cli, 'thea')).nodes;
	const own = `roost:node:${id}:{roost:presence:query}`;
	await cli.do('DEL', own, 'roost:presence:query');
	await back();
	/* a batch that was lost on its way, or with a master */
	const lose = async () => {
		const at = await cli.do('HGET', own, '=');
		await cli.do('HSET', own, '=', at.slice(0, 16) + '99');
		return at.slice(0, 16);
	};
	const epoch = await lose();
	await until(async () => !(await cli.do('HGET', own, '='))
	    .startsWith(epoch), 'another epoch', 15000);
	for (const d of [a, b, c])
		await fresh(d, 15000);
	await lose();
	const t = await connect(a, '/query', as('theo'));
	await is(b, 'theo', 'online', 'query', 15000);
	await until(async () => (await row(cli, 'theo'))?.nodes.length === 1,
	    'theo in Redis', 15000);
	for (const d of [a, b, c])
		await fresh(d, 15000);
	s.close();
	t.close();
});

test('some of it thrown out of Redis: back ends are not told wrong', async () => {
	const s = await connect(a, '/query', as('lea'));
	await until(async () => (await row(cli, 'lea'))?.nodes.length === 1,
	    'lea in Redis');
	/* another host makes the hash of all again, and it is all there */
	await cli.do('DEL', 'roost:presence:query');
	const t = await connect(b, '/query', as('leo'));
	await until(async () => (await row(cli, 'leo'))?.nodes.length === 1,
	    'leo in Redis');
	await until(async () => (await row(cli, 'lea'))?.nodes.length === 1,
	    'lea again', 15000);
	/* who leaves while his host's own hash is gone leaves that of all */
	const [id] = (await row(cli, 'lea')).nodes;
	await cli.do('DEL', `roost:node:${id}:{roost:presence:query}`);
	s.close();
	await is(a, 'lea', 'offline');
	await until(async () => await row(cli, 'lea') === null,
	    'lea gone from Redis', 20000);
	t.close();
});

test('a host ends whose own hash was thrown out: nobody stays', async () => {
	const d = await start();
	await fresh(d);
	const s = await connect(d, '/query', as('zoe'));
	await until(async () => (await row(cli, 'zoe'))?.nodes.length === 1,
	    'zoe in Redis');
	const [id] = (await row(cli, 'zoe')).nodes;
	await cli.do('DEL', `roost:node:${id}:{roost:presence:query}`);
	d.child.kill('SIGKILL');
	s.close();
	await is(a, 'zoe', 'offline', 'query', 15000);
	await until(async () => await row(cli, 'zoe') === null,
	    'zoe gone from Redis', 20000);
});

test('what cannot be cleared away does not keep the rest there', async () => {
	const own = await Redis.start(), admin = await own.client();
	const ids = ['00000000000000b1', '00000000000000b2'];
	const key = (id) => `roost:node:${id}:{roost:presence:query}`;
	const leave = async (id) => {
		await admin.do('SET', key(id), 'no hash');
		await admin.do('HSET', 'roost:nodes', id, '{}');
	};
	await leave(ids[0]);
	const d = await Daemon.start({ workers: 1, conf: conf(own.url) });
	try {
		await fresh(d);
		await leave(ids[1]);
		const listed = async () => admin.do('HKEYS', 'roost:nodes');
		/* tried, and so looked at: its age begins anew */
		let most = 0;
		await until(async () => {
			const age = await admin.do('OBJECT', 'IDLETIME',
			    key(ids[1]));
			const looked = age < most;
			most = Math.max(most, age);
			return looked;
		}, 'the second to be tried', 40000);
		assert.equal((await listed()).length, 3);
		await admin.do('DEL', key(ids[0]));
		await until(async () => !(await listed()).includes(ids[0]),
		    'the first to be cleared away', 15000);
		await admin.do('DEL', key(ids[1]));
		await until(async () => (await listed()).length === 1,
		    'the second to be cleared away', 15000);
	} finally {
		admin.close();
		await d.stop();
		await own.kill();
	}
});

test('with a secret, others are not believed', async () => {
	const own = await Redis.start(), admin = await own.client();
	const file = path.join(tempdir(), 'secret');
	fs.writeFileSync(file, 'a secret that is long enough\n');
	const list = [];
	try {
		for (let i = 0; i < 2; i++)
			list.push(await Daemon.start({ conf: conf(own.url,
			    `secret_file = "${file}"`) }));
		const [one, two] = list;
		await fresh(two);
		await until(async () => await two.metric('nodes_known') === 1,
		    'the other node');
		const s = await connect(one, '/query', as('ann'));
		await is(two, 'ann', 'online');
		const p = new Pretender(), n = Buffer.alloc(8);
		await admin.do('PUBLISH', 'roost:nodes', Buffer.concat([
			Buffer.from('ROOSTN1\0b\x01'), p.word(p.id),
			p.word(p.epoch), n]));
		await until(async () => await two.metric(
		    'redis_unsealed') === 1, 'it to be counted');
		await two.counts('nodes_known', 1);
		s.close();
		await is(two, 'ann', 'offline');
	} finally {
		admin.close();
		for (const d of list)
			await d.stop();
		await own.kill();
	}
});

test('changes alone: nothing is read or written a second time', async () => {
	const list = await Promise.all([...Array(12).keys()].map((i) =>
		connect(a, '/query', as(`busy${i}`))));
	await is(b, 'busy11', 'online');
	await fresh(b);
	const loads = await b.metric('presence_loads');
	const rewrites = await a.metric('presence_rewrites');
	const end = Date.now() + 6000;
	await Promise.all(list.map(async (s) => {
		for (let i = 0; Date.now() < end; i++)
			await ask(s, 'presence:set',
			    { status: i % 2 ? 'busy' : 'away' });
		await ask(s, 'presence:set', { status: 'dnd' });
	}));
	for (let i = 0; i < 12; i++)
		await is(b, `busy${i}`, 'dnd');
	await b.counts('presence_loads', loads);
	await a.counts('presence_rewrites', rewrites);
	for (const s of list)
		s.close();
});

test('20,000 on this host: written in pieces, nobody waits', async () => {
	const more = 'limits { rooms_per_session = 1000 }\n';
	const d = await start(1, more), far = await start(1, more);
	await fresh(d);
	const list = await Promise.all([...Array(20).keys()].map((i) =>
		connect(d, '/rooms', as(`m${i}`))));
	for (const s of list)
		for (let i = 0; i < 1000; i += 100)
			await Promise.all([...Array(100).keys()].map((k) =>
				ask(s, 'room:join', { room: `m${i + k}` })));
	const all = async () => await far.metric('presence_mirrored') >= 20000;
	await until(all, 'all of them on the other host', 20000);
	const one = await connect(d, '/query', as('asks'));
	const rewrites = await d.metric('presence_rewrites');
	await cli.do('FLUSHALL');
	let slowest = 0;
	await until(async () => {
		const t = Date.now();
		await ask(one, 'presence:get', { users: ['m1'] });
		slowest = Math.max(slowest, Date.now() - t);
		const sizes = await Promise.all((await cli.do('KEYS',
		    'roost:node:*:{roost:presence:rooms}')).map((k) =>
			cli.do('HLEN', k)));
		return await d.metric('presence_rewrites') > rewrites &&
			sizes.reduce((x, y) => x + y, 0) > 20000 &&
			await far.metric('presence_stale') === 0;
	}, 'all to be written again', 30000);
	console.log(`# ${slowest} ms at most`);
	assert.ok(await all());
	for (const s of list)
		s.close();
	await until(async () => await far.metric('presence_mirrored') < 20000,
	    'them to be gone', 20000);
	await d.stop();
	await far.stop();
});
