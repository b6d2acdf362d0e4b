/*
 * Sessions that are recovered from the store: their worker may be killed, and
 * they go on all the same, nothing lost, doubled or swapped.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

let d;
const WORKERS = 3;
before(async () => {
	d = await Daemon.start({ workers: WORKERS, conf: jwt + `
recovery { window = 1m packets = 5000 bytes = 4MB }
limits { send_queue_bytes = 16MB }
api { key "test" { sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    allow = {"publish", "disconnect", "rooms"} } }
namespace "/r" { auth = optional presence = query recovery = store
    room "kept:{r}" { join = open history = 100 }
    room "{r}" { join = open }
    event "n"    { to = room:room meta = off ack = accepted }
    event "all"  { to = namespace meta = off self = true }
    event "dm"   { to = user:to meta = off }
    event "me"   { to = sender meta = off }
    event "sync" { ack = echo } }
namespace "/m" { auth = none }
` });
	d.mayDie = true;
});
after(() => d.stop());

const back = { reconnection: true, reconnectionDelay: 10,
	reconnectionDelayMax: 50, randomizationFactor: 0.5 };
const cut = (s) => s.io.engine?.transport?.ws?._socket?.destroy();
const numbers = (s, name = 'n') => gotten(s, name).map((a) => a[0].i);
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

async function killWorker(slot) {
	const old = d.worker(slot);
	process.kill(old.pid, 'SIGKILL');
	await until(() => (d.worker(slot) ?? old).pid !== old.pid, 'a new worker',
	    10000);
}

test('a client whose worker was killed goes on as the same session', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const [s] = await sioOn(d, [2], '/r',
	    { auth: { token: user('u') } });
	await ask(s, 'room:join', { room: 'a' });
	await ask(p, 'room:join', { room: 'a' });
	p.emit('n', { room: 'a', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	await killWorker(2);
	await until(() => !s.connected, 'cut');
	for (let i = 1; i < 20; i++)
		p.emit('n', { room: 'a', i });
	await ask(p, 'sync', 0);
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	await until(() => numbers(s).length >= 20, 'what it missed');
	p.emit('n', { room: 'a', i: 20 });
	await until(() => numbers(s).length === 21, 'one more');
	assert.deepEqual(numbers(s), upTo(21));
	/* once more, without traffic: nothing comes twice */
	cut(s);
	await until(() => !s.connected, 'cut');
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	await ask(s, 'sync', 0);
	p.emit('n', { room: 'a', i: 21 });
	await until(() => numbers(s).length >= 22, 'one more');
	assert.deepEqual(numbers(s), upTo(22));
	s.close();
	p.close();
});

test('over polling, and beside a namespace whose sessions are in memory', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const s = await connect(d, '/r', { transports: ['polling'] });
	const [t] = await sioOn(d, [2], '/r', back);
	const m = t.io.socket('/m');	/* connects by itself */
	await connected(m);
	for (const c of [p, s, t])
		await ask(c, 'room:join', { room: 'p' });
	p.emit('n', { room: 'p', i: 0 });
	await heard(s, 'n');
	await heard(t, 'n');
	const ids = [s.id, t.id, m.id];
	const { worker } = await ask(s, 'roost:ping');
	await killWorker(2);
	if (worker !== 2 && worker !== 1)
		await killWorker(worker);
	/* one whose session is on the worker that stays cannot be cut */
	if (worker === 1)
		s.io.engine.close();
	await until(() => !s.connected, 'cut');
	p.emit('n', { room: 'p', i: 1 });
	s.connect();
	await connected(s);
	await until(() => t.connected, 'back', 20000);
	await until(() => m.connected && m.id !== ids[2], 'the other one back');
	assert.equal(s.recovered, true);
	assert.equal(t.recovered, true);
	assert.equal(m.recovered, false);
	assert.deepEqual([s.id, t.id], ids.slice(0, 2));
	assert.notEqual(m.id, ids[2]);
	await until(() => numbers(s).length >= 2 && numbers(t).length >= 2,
	    'what they missed');
	assert.deepEqual(numbers(s), [0, 1]);
	assert.deepEqual(numbers(t), [0, 1]);
	for (const c of [p, s, t, m])
		c.close();
});

test('cut off, it comes back to whichever worker', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const s = await connect(d, '/r', { auth: { token: user('w') } });
	await ask(s, 'room:join', { room: 'b' });
	await ask(p, 'room:join', { room: 'b' });
	const { id } = s;
	const workers = new Set();
	let n = 0;
	for (let k = 0; k < 12; k++) {
		cut(s);
		await until(() => !s.connected, 'cut');
		p.emit('n', { room: 'b', i: n++ });
		s.connect();
		await connected(s);
		assert.equal(s.recovered, true);
		assert.equal(s.id, id);
		workers.add((await ask(s, 'roost:ping')).worker);
		p.emit('n', { room: 'b', i: n++ });
		await until(() => numbers(s).length >= n, 'all');
	}
	assert.ok(workers.size > 1, 'on several workers');
	assert.deepEqual(numbers(s), upTo(n));
	s.close();
	p.close();
});

test('what each may get is told again: room, user, namespace, sender', async () => {
	const [p] = await sioOn(d, [1], '/r', { auth: { token: user('sue') } });
	const [s] = await sioOn(d, [2], '/r', { auth: { token: user('tom') } });
	const [o] = await sioOn(d, [2], '/r', { auth: { token: user('olaf') } });
	await ask(s, 'room:join', { room: 'c' });
	await ask(s, 'room:join', { room: 'kept:c' });
	for (const room of ['c', 'd', 'kept:c'])
		await ask(p, 'room:join', { room });
	await ask(o, 'room:join', { room: 'e' });
	const { id } = s;
	await killWorker(2);
	await until(() => !s.connected && !o.connected, 'cut');
	p.emit('n', { room: 'c', i: 0 });
	p.emit('n', { room: 'd', i: 'not his' });
	p.emit('dm', { to: 'tom', i: 1 });
	p.emit('all', { i: 2 });
	p.emit('n', { room: 'kept:c', i: 3 });
	p.emit('dm', { to: 'olaf', i: 'not his' });
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { authorization: 'Bearer test',
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: 'r', event: 'n', sid: id,
			args: [{ i: 4 }], meta: false }) });
	assert.equal(r.status, 200, await r.text());
	p.emit('me', { i: 9 });
	await heard(p, 'me');
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	await until(() => s.got.length >= 5, 'all');
	await ask(s, 'sync', 0);
	assert.deepEqual(s.got.map((a) => a[1].i), [0, 1, 2, 3, 4]);
	for (const c of [s, p, o])
		c.close();
});

test('a room that was left, or joined meanwhile, is told of only so far', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const [s] = await sioOn(d, [2], '/r');
	for (const room of ['f', 'g'])
		await ask(p, 'room:join', { room });
	await ask(s, 'room:join', { room: 'f' });
	p.emit('n', { room: 'g', i: 'before' });
	p.emit('n', { room: 'f', i: 0 });
	await heard(s, 'n');
	await ask(p, 'n', { room: 'g', i: 'before' });
	await ask(s, 'room:join', { room: 'g' });
	await ask(s, 'room:leave', { room: 'f' });
	await ask(s, 'sync', 0);
	await killWorker(2);
	await until(() => !s.connected, 'cut');
	p.emit('n', { room: 'f', i: 'behind' });
	p.emit('n', { room: 'g', i: 1 });
	await ask(p, 'sync', 0);
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	p.emit('n', { room: 'g', i: 2 });
	await until(() => numbers(s).length >= 3, 'all');
	assert.deepEqual(numbers(s), [0, 1, 2]);
	s.close();
	p.close();
});

test('two who say that they are the same one: one of them is', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const [s] = await sioOn(d, [2], '/r');
	await ask(p, 'room:join', { room: 'h' });
	await ask(s, 'room:join', { room: 'h' });
	p.emit('n', { room: 'h', i: 0 });
	await heard(s, 'n');
	const { id } = s, auth = { pid: s._pid, offset: s._lastOffset };
	const two = await Promise.all([1, 2].map(async () => {
		const c = await connect(d, '/r', { auth });
		return c;
	}));
	/* the first one is another; or it is he, until the second one takes it
	 * over */
	const he = () => [s, ...two].filter((c) => c.connected && c.id === id);
	await until(() => !s.connected && he().length === 1, 'one of them');
	p.emit('n', { room: 'h', i: 1 });
	await heard(he()[0], 'n');
	await ask(p, 'sync', 0);
	assert.equal(he().length, 1);
	for (const c of [...two, s, p])
		c.close();
});

test('who is not he does not become he', async () => {
	const [s] = await sioOn(d, [2], '/r', { auth: { token: user('ann') } });
	const { id } = s, auth = { pid: s._pid, offset: s._lastOffset };
	for (const token of [user('bob'), undefined]) {
		const c = await connect(d, '/r', { auth: { ...auth, token } });
		assert.notEqual(c.id, id);
		c.close();
	}
	assert.equal(s.connected, true);
	s.close();
});

test('workers killed under load: each has each event once, in one order', async () => {
	const N = 12, KILLS = sanitized ? 6 : 12;
	const [w] = await sioOn(d, [1], '/r');
	const [others] = await sioOn(d, [1], '/r');
	const [p] = await sioOn(d, [3], '/r', back);
	const rooms = ['x', 'y'];
	const all = [];
	for (let i = 0; i < N; i++)
		all.push(await connect(d, '/r', back));
	for (const s of [w, p, others])
		for (const room of rooms)
			await ask(s, 'room:join', { room });
	/* what each has got, in each of its lives */
	const room = (i) => rooms[i % 2];
	let fresh = 0, recovered = 0;
	for (const [i, s] of all.entries()) {
		s.lives = [[]];
		for (const e of ['n', 'all'])
			s.on(e, (a) => s.lives.at(-1).push(`${e}${a.from}${a.i}`));
		s.on('connect', () => {
			if (s.recovered) {
				recovered++;
				return;
			}
			fresh++;
			s.lives.push([]);
		});
		await ask(s, 'room:join', { room: room(i) });
	}
	const order = [];	/* of all, as the one who is never cut sees it */
	w.on('n', (a) => order.push([`n${a.from}${a.i}`, a.room]));
	w.on('all', (a) => order.push([`all${a.from}${a.i}`]));
	let stop = false, sent = 0;
	const talk = async (s, from) => {
		while (!stop) {
			await until(() => s.connected, 'connected', 20000);
			for (const room of rooms)
				s.emit('n', { room, from, i: sent++ });
			s.emit('all', { from, i: sent++ });
			await ask(s, 'sync', 0).catch(() => {});
			await sleep(2);	/* what one misses is bounded */
		}
	};
	const talking = [talk(others, 'o'), talk(p, 'p')];
	for (let k = 0; k < KILLS; k++) {
		const before = recovered + fresh;
		await killWorker(2 + k % 2);
		cut(all[k % N]);
		await until(() => recovered + fresh > before, 'somebody is back',
		    20000);
		await until(() => all.every((s) => s.connected), 'all back', 20000);
	}
	stop = true;
	await Promise.all(talking);
	const last = await connect(d, '/r');
	last.emit('all', { from: 'last', i: 0 });
	await until(() => order.at(-1)?.[0] === 'alllast0', 'the last one', 20000);
	let whole = 0;
	for (const [i, s] of all.entries()) {
		await until(() => s.lives.at(-1).at(-1) === 'alllast0',
		    'the last one', 20000);
		const his = order.filter(([, r]) => !r || r === room(i))
		    .map(([e]) => e);
		for (const life of s.lives) {
			if (life.length === 0)
				continue;
			const at = his.indexOf(life[0]);
			assert.deepEqual(life, his.slice(at, at + life.length));
		}
		whole += s.lives.filter((l) => l.length).length === 1;
	}
	assert.equal(fresh, 0, 'every one was recovered');
	assert.equal(whole, N);
	assert.ok(order.length > 100);
	for (const c of [w, p, others, last, ...all])
		c.close();
});

const order = (path, body, key = 'test') => fetch(d.url(`/api/v1/${path}`), {
	method: 'POST', headers: { authorization: `Bearer ${key}`,
		'content-type': 'application/json' },
	body: JSON.stringify(body) });

test('what back ends order reaches those who are away', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const ids = {};
	const all = {};
	for (const name of ['ines', 'jan', 'kim']) {
		const [s] = await sioOn(d, [2], '/r',
		    { auth: { token: user(name) } });
		await ask(s, 'room:join', { room: 'i' });
		all[name] = s;
		ids[name] = s.id;
	}
	await ask(p, 'room:join', { room: 'i' });
	const before = await d.metric('sessions_away');
	for (const s of Object.values(all))
		cut(s);
	await d.counts('sessions_away', before + 3);
	/* on one connection: when the last is seen, the others have been obeyed */
	let r = await order('users/jan/rooms', { namespace: 'r', leave: ['i'] });
	assert.equal(r.status, 200, await r.text());
	r = await order('users/ines/disconnect', { namespace: 'r' });
	assert.equal(r.status, 200, await r.text());
	await d.counts('sessions_away', before + 2);
	p.emit('n', { room: 'i', i: 0 });
	await ask(p, 'sync', 0);
	for (const s of Object.values(all)) {
		s.connect();
		await connected(s);
		await ask(s, 'sync', 0);
	}
	assert.notEqual(all.ines.id, ids.ines);
	assert.equal(all.jan.id, ids.jan);
	assert.equal(all.kim.id, ids.kim);
	p.emit('n', { room: 'i', i: 1 });
	await until(() => numbers(all.kim).length === 2, 'both');
	await ask(all.jan, 'sync', 0);
	assert.deepEqual(numbers(all.jan), []);
	assert.deepEqual(numbers(all.ines), []);
	for (const s of [p, ...Object.values(all)])
		s.close();
});

test('clients move to other workers as it is reloaded, and come back', async () => {
	const [s] = await sioOn(d, [2], '/r');
	await ask(s, 'room:join', { room: 'j' });
	const { id } = s;
	const taken = await d.metric('sessions_taken');
	d.signal?.('SIGHUP') ?? process.kill(d.pid, 'SIGHUP');
	await d.logged('reloaded', 1, 20000);
	assert.equal(s.connected, true);
	const p = await connect(d, '/r');
	await ask(p, 'room:join', { room: 'j' });
	p.emit('n', { room: 'j', i: 0 });
	await heard(s, 'n');
	cut(s);
	await until(() => !s.connected, 'cut');
	p.emit('n', { room: 'j', i: 1 });
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	await until(() => numbers(s).length >= 2, 'both');
	assert.deepEqual(numbers(s), [0, 1]);
	await d.counts('sessions_taken', taken + 1);
	s.close();
	p.close();
});

test('upgraded, it knows those who are here and those who are away', async () => {
	const s = await connect(d, '/r'), t = await connect(d, '/r');
	const p = await connect(d, '/r');
	for (const c of [s, t, p])
		await ask(c, 'room:join', { room: 'k' });
	p.emit('n', { room: 'k', i: 0 });
	await heard(s, 'n');
	await heard(t, 'n');
	const ids = [s.id, t.id], before = await d.metric('sessions_away');
	cut(t);
	await d.counts('sessions_away', before + 1);
	p.emit('n', { room: 'k', i: 1 });
	await heard(s, 'n', 2);
	const relay = d.relay().pid;
	process.kill(d.pid, 'SIGUSR2');
	await until(() => (d.relay() ?? { pid: relay }).pid !== relay,
	    'another relay', 20000);
	await d.logged('upgraded', 1, 20000);
	assert.equal(s.connected, true);
	t.connect();
	await connected(t);
	assert.equal(t.recovered, true);
	cut(s);
	await until(() => !s.connected, 'cut');
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	assert.deepEqual([s.id, t.id], ids);
	await until(() => numbers(t).length >= 2, 'what it missed');
	const q = await connect(d, '/r');
	await ask(q, 'room:join', { room: 'k' });
	q.emit('n', { room: 'k', i: 2 });
	await until(() => numbers(s).length >= 3 && numbers(t).length >= 3,
	    'one more');
	assert.deepEqual(numbers(s), upTo(3));
	assert.deepEqual(numbers(t), upTo(3));
	for (const c of [s, t, p, q])
		c.close();
});

test('the relay was killed: who comes back is told so', async () => {
	const [s, p] = [await connect(d, '/r'), await connect(d, '/r')];
	for (const c of [s, p])
		await ask(c, 'room:join', { room: 'l' });
	p.emit('n', { room: 'l', i: 0 });
	await heard(s, 'n');
	const { id } = s, relay = d.relay().pid;
	const here = await d.metric('sessions_stored') -
	    await d.metric('sessions_away');
	process.kill(relay, 'SIGKILL');
	await until(() => (d.relay() ?? { pid: relay }).pid !== relay,
	    'another relay', 20000);
	await until(() => ask(p, 'room:join', { room: 'l2' }).then(() => true),
	    'it answers');
	await until(async () => await d.metric('sessions_stored') >= here,
	    'its workers to tell it', 10000);
	cut(s);
	await until(() => !s.connected, 'cut');
	s.connect();
	await connected(s);
	assert.equal(s.recovered, false);
	assert.notEqual(s.id, id);
	/* who has got something since is known again, with its rooms */
	const was = p.id;
	await ask(s, 'room:join', { room: 'l' });
	s.emit('n', { room: 'l', i: 1 });
	await heard(p, 'n');
	cut(p);
	await until(() => !p.connected, 'cut');
	s.emit('n', { room: 'l', i: 2 });
	await ask(s, 'sync', 0);
	p.connect();
	await connected(p);
	assert.equal(p.recovered, true);
	assert.equal(p.id, was);
	await until(() => numbers(p).length >= 2, 'both');
	assert.deepEqual(numbers(p), [1, 2]);
	s.close();
	p.close();
});
