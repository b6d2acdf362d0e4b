/* Who is there: asked, set, watched; in rooms and namespaces; after a kill. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard, plain } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

let d;
const conf = jwt + `
presence { leave_grace = 300ms }
namespace "/off"   { auth = required }
namespace "/query" { auth = required presence = query }
namespace "/all"   { auth = required presence = namespace }
namespace "/idle"  { auth = required presence = query idle_after = 1s
    event "n" { to = sender } }
namespace "/rooms" { auth = required presence = rooms
    room "{r}" { join = open } }
`;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const as = (name) => ({ auth: { token: user(name) } });
const updates = (s, name) => gotten(s, 'presence:update').map((a) => a[0])
	.filter((u) => u.user === name);
const closeAll = (...l) => l.forEach((s) => s.close());

test('presence that is off has no events', async () => {
	const s = await connect(d, '/off', as('ann'));
	assert.equal(codeOf(await ask(s, 'presence:get', { users: ['ann'] })),
	    'unknown_event');
	s.close();
});

test('who asks is told, across workers', async () => {
	const [a] = await sioOn(d, [1], '/query', as('q-ann'));
	const [b, b2] = await sioOn(d, [1, 2], '/query', as('q-bob'));
	const { users } = await ask(a, 'presence:get',
	    { users: ['q-bob', 'q-nobody'] });
	assert.equal(users[0].user, 'q-bob');
	assert.equal(users[0].status, 'online');
	assert.equal(users[0].connections, 2);
	assert.ok(Math.abs(users[0].last_seen - Date.now()) < 60000);
	assert.deepEqual(users[1], { user: 'q-nobody', status: 'offline',
		connections: 0, last_seen: null });
	for (const bad of [{}, { users: 'x' }, { users: [1] }, { users: [''] }])
		assert.equal(codeOf(await ask(a, 'presence:get', bad)),
		    'bad_request', JSON.stringify(bad));
	closeAll(a, b, b2);
});

test('a watcher sees each come, status and go exactly once', async () => {
	const [w] = await sioOn(d, [1], '/query', as('watcher'));
	const first = await ask(w, 'presence:watch', { users: ['w-bob'] });
	assert.equal(first.users[0].status, 'offline');
	const [b, b2] = await sioOn(d, [2, 1], '/query', as('w-bob'));
	await until(() => updates(w, 'w-bob').length === 1, 'bob online');
	assert.equal(updates(w, 'w-bob')[0].status, 'online');
	const set = await ask(b, 'presence:set', { status: 'busy' });
	assert.equal(set.status, 'busy');
	await until(() => updates(w, 'w-bob').length === 2, 'bob busy');
	assert.equal(updates(w, 'w-bob')[1].status, 'busy');
	assert.equal(codeOf(await ask(b, 'presence:set', { status: 'odd' })),
	    'invalid');
	b2.close();	/* one connection fewer is no news */
	await until(async () => (await ask(w, 'presence:get',
	    { users: ['w-bob'] })).users[0].connections === 1, 'one left');
	b.close();
	await until(() => updates(w, 'w-bob').length === 3, 'bob offline');
	assert.equal(updates(w, 'w-bob')[2].status, 'offline');
	assert.equal(updates(w, 'w-bob').length, 3);
	await ask(w, 'presence:unwatch', { users: ['w-bob'] });
	const [c] = await sioOn(d, [2], '/query', as('w-bob'));
	await ask(w, 'presence:watch', { users: ['w-cy'] });
	const [cy] = await sioOn(d, [2], '/query', as('w-cy'));
	await until(() => updates(w, 'w-cy').length === 1, 'cy online');
	assert.equal(updates(w, 'w-bob').length, 3, 'unwatched');
	closeAll(c, cy, w);
});

test('a page reload makes no leave and join', async () => {
	const [w] = await sioOn(d, [1], '/query', as('watcher'));
	await ask(w, 'presence:watch', { users: ['r-bob', 'r-end'] });
	const e = await connect(d, '/query', as('r-end'));
	let b = await connect(d, '/query', as('r-bob'));
	await until(() => updates(w, 'r-bob').length === 1, 'bob online');
	for (let i = 0; i < 5; i++) {
		b.close();
		b = await connect(d, '/query', as('r-bob'));
	}
	/* a leave that began later is told later */
	e.close();
	await until(() => updates(w, 'r-end').length === 2, 'end offline');
	assert.deepEqual(updates(w, 'r-bob').map((u) => u.status), ['online']);
	closeAll(b, w);
});

test('who begins to watch within the grace is not left behind', async () => {
	const [w0] = await sioOn(d, [1], '/query', as('g-watch'));
	await ask(w0, 'presence:watch', { users: ['g-bob', 'g-end'] });
	const e = await connect(d, '/query', as('g-end'));
	let b = await connect(d, '/query', as('g-bob'));
	await until(() => updates(w0, 'g-bob').length === 1, 'bob online');
	b.close();
	await until(async () => (await ask(w0, 'presence:get',
	    { users: ['g-bob'] })).users[0].status === 'offline', 'bob is gone');
	/* his leave is not told yet, and will not be */
	const [w] = await sioOn(d, [2], '/query', as('g-late'));
	const first = await ask(w, 'presence:watch',
	    { users: ['g-bob', 'g-end'] });
	b = await connect(d, '/query', as('g-bob'));
	/* a leave that began later is told later */
	e.close();
	await until(() => updates(w, 'g-end').length === 1, 'end offline');
	const told = updates(w, 'g-bob').map((u) => u.status);
	assert.equal([first.users[0].status, ...told].at(-1), 'online');
	assert.deepEqual(updates(w0, 'g-bob').at(-1).status, 'online');
	closeAll(b, w, w0);
});

test('a namespace may tell everybody', async () => {
	const [a] = await sioOn(d, [1], '/all', as('n-ann'));
	const [b] = await sioOn(d, [2], '/all', as('n-bob'));
	await until(() => updates(a, 'n-bob').length >= 1, 'bob online');
	assert.equal(updates(a, 'n-bob')[0].status, 'online');
	b.close();
	await until(() => updates(a, 'n-bob').at(-1).status === 'offline',
	    'bob offline');
	a.close();
});

test('a room is told who comes and goes, and can be asked', async () => {
	const [a] = await sioOn(d, [1], '/rooms', as('o-ann'));
	const [x] = await sioOn(d, [1], '/rooms', as('o-elsewhere'));
	const [b, b2] = await sioOn(d, [2, 1], '/rooms', as('o-bob'));
	await ask(a, 'room:join', { room: 'r1' });
	await ask(x, 'room:join', { room: 'r2' });
	await ask(b, 'room:join', { room: 'r1' });
	await ask(b2, 'room:join', { room: 'r1' });
	await until(() => updates(a, 'o-bob').length === 1, 'bob in r1');
	assert.equal(updates(a, 'o-bob')[0].room, 'r1');
	assert.equal(updates(a, 'o-bob')[0].present, true);
	const list = await ask(a, 'presence:get', { room: 'r1' });
	assert.deepEqual(list.users.map((u) => u.user).sort(),
	    ['o-ann', 'o-bob']);
	assert.equal(codeOf(await ask(a, 'presence:get', { room: 'r2' })),
	    'not_member');
	for (const s of [b, b2])
		await ask(s, 'presence:set', { status: 'away' });
	await until(() => updates(a, 'o-bob').length === 2, 'bob away');
	assert.equal(updates(a, 'o-bob')[1].status, 'away');
	await ask(b, 'room:leave', { room: 'r1' });
	b2.close();
	await until(() => updates(a, 'o-bob').length === 3, 'bob left r1');
	assert.equal(updates(a, 'o-bob')[2].present, false);
	assert.equal(updates(x, 'o-bob').length, 0);
	closeAll(a, b, x);
});

test('silence makes away, an event makes online', async () => {
	const [w] = await sioOn(d, [1], '/idle', as('i-watch'));
	await ask(w, 'presence:watch', { users: ['i-bob'] });
	const [b] = await sioOn(d, [2], '/idle', as('i-bob'));
	await until(() => updates(w, 'i-bob').some((u) => u.status === 'away'),
	    'bob away');
	b.emit('n');
	await until(() => updates(w, 'i-bob').at(-1).status === 'online',
	    'bob online again');
	closeAll(w, b);
});

test('after kill -9 of a worker every leave is told once, no ghost stays',
    async () => {
	const k = await Daemon.start({ workers: 2, conf });
	k.mayDie = true;
	const [w] = await sioOn(k, [1], '/rooms', as('k-watch'));
	await ask(w, 'room:join', { room: 'r' });
	const names = Array.from({ length: 40 }, (_, i) => `k-${i}`);
	await ask(w, 'presence:watch', { users: names });
	const on = new Map();
	for (const n of names) {
		const s = await connect(k, '/rooms', as(n));
		await ask(s, 'room:join', { room: 'r' });
		on.set(n, (await ask(s, 'roost:ping')).worker);
	}
	await until(() => names.every((n) => updates(w, n).length === 2),
	    'all are there');
	const victim = (await k.children()).find((c) => c.slot === 2);
	process.kill(victim.pid, 'SIGKILL');
	const gone = names.filter((n) => on.get(n) === 2);
	assert.ok(gone.length > 5);
	await until(() => gone.every((n) => updates(w, n).length === 4),
	    'every leave');
	await until(async () => (await ask(w, 'presence:get', { users: names }))
	    .users.every((u) => (u.status === 'offline') ===
		gone.includes(u.user)), 'the truth');
	for (const n of names)
		assert.equal(updates(w, n).length, gone.includes(n) ? 4 : 2, n);
	const room = (await ask(w, 'presence:get', { room: 'r' })).users;
	assert.equal(room.length, names.length - gone.length + 1);
	w.close();
	await k.stop();
});

test('each of many who go at once is told, though the bus is narrow', async () => {
	const k = await Daemon.start({ workers: 2, conf: `
limits { bus_queue_bytes = 64KB send_queue_bytes = 64MB }` + conf });
	k.mayDie = true;
	const [w] = await sioOn(k, [1], '/query', as('watcher'));
	const users = [];
	for (let i = 0; users.filter((u) => u.slot === 2).length < 800; i += 50) {
		const some = Array.from({ length: 50 }, (_, j) => `c-${i + j}`);
		users.push(...await Promise.all(some.map(async (name) => {
			const s = await plain(k, '/ws/query', { headers: {
			    Authorization: `Bearer ${user(name)}` } });
			const slot = (await s.ask('roost:ping')).data.worker;
			return { name, slot, s };
		})));
	}
	const gone = users.filter((u) => u.slot === 2).map((u) => u.name);
	const first = await ask(w, 'presence:watch', { users: gone.slice(0, 1000) });
	assert.ok(first.users);
	process.kill(k.worker(2).pid, 'SIGKILL');
	const left = () => gotten(w, 'presence:update').map((a) => a[0])
	    .filter((u) => u.status === 'offline').map((u) => u.user);
	await until(() => left().length >= gone.length, 'every leave', 10000);
	assert.deepEqual(left().sort(), gone.sort());
	await k.counts('bus_dropped', 0);
	closeAll(w, ...users.map((u) => u.s));
	await k.stop();
});

test('back ends ask over HTTP: one user, pages, rooms', async () => {
	const key = 'presence-key';
	const k = await Daemon.start({ workers: 2, conf: conf + `
api { key "p" { allow = {"presence"} sha256 = "${
    crypto.createHash('sha256').update(key).digest('hex')}" } }
` });
	const get = async (path, as = key) => {
		const r = await fetch(k.url('/api/v1/presence/' + path),
		    { headers: { authorization: `Bearer ${as}` } });
		return { status: r.status, ...await r.json() };
	};
	const names = Array.from({ length: 250 }, (_, i) => `h-${i}`);
	const all = await Promise.all(names.map((n) =>
		connect(k, '/rooms', as(n))));
	await ask(all[0], 'room:join', { room: 'rä 1' });
	await ask(all[7], 'room:join', { room: 'rä 1' });
	const one = await get('rooms/h-7');
	assert.equal(one.status, 'online');
	assert.equal(one.connections, 1);
	assert.equal((await get('rooms/nobody')).status, 'offline');
	assert.equal((await get('rooms/n%C3%A9')).user, 'né');
	const long = 'a'.repeat(256);
	assert.equal((await get(`rooms/${long}`)).user, long);
	for (const bad of ['rooms/%ff', 'rooms/a%0d%0ab', '%ff', 'rooms/%c3',
	    'rooms?room=%ff', 'rooms?room=a%0a', 'rooms/%00', 'rooms/a%7f',
	    `rooms/${'a'.repeat(257)}`, `rooms?room=${'%61'.repeat(257)}`])
		assert.equal((await get(bad)).status, 400, bad);
	const seen = [];
	let cursor = 0, pages = 0;
	do {
		const page = await get(`rooms?limit=50&cursor=${cursor}`);
		seen.push(...page.users.map((u) => u.user));
		cursor = page.next ?? 0;
		pages++;
	} while (cursor !== 0);
	assert.deepEqual(seen.sort(), [...names].sort());
	assert.ok(pages >= 1);
	assert.deepEqual((await get('rooms?room=r%C3%A4+1')).users
	    .map((u) => u.user).sort(), ['h-0', 'h-7']);
	assert.equal((await get('nope')).status, 404);
	assert.equal((await get('rooms?limit=0')).status, 400);
	assert.equal((await get('rooms?limit=x')).status, 400);
	assert.equal((await get('rooms', 'wrong')).status, 401);
	closeAll(...all);
	await k.stop();
});

test('presence_key: who has a longer name is not shown', async () => {
	const small = await Daemon.start({ workers: 1, conf: conf +
	    'shm { presence_key = 64 }\n' });
	try {
		const fits = 'f'.repeat(64), long = 'l'.repeat(65);
		const a = await connect(small, '/query', as(fits));
		const b = await connect(small, '/query', as(long));
		const { users } = await ask(a, 'presence:get',
		    { users: [fits, long] });
		assert.deepEqual(users.map((u) => u.status),
		    ['online', 'offline']);
		const text = await (await fetch(small.url('/metrics'))).text();
		assert.match(text, /^roost_presence_too_long_total 1$/m);
		closeAll(a, b);
	} finally {
		await small.stop();
	}
});
