/*
 * Sessions that are recovered from the store, on several hosts with one Redis:
 * their client may come back to any of them, whichever worker, or host, that had
 * them was killed.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { connected as linked, hosts, unhost } from './lib/hosts.mjs';
import { sioOn } from './lib/spread.mjs';
import { user } from './lib/token.mjs';

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const space = (url, { recovery = 'window = 1m', more = '' } = {}) => `
drain_time = 2s
${stopTime}${jwt}
redis { url = "${url}" }
recovery { ${recovery} packets = 5000 bytes = 4MB }
limits { send_queue_bytes = 16MB }
api { key "backend" { sha256 = "${sha}"
    allow = {"publish", "disconnect", "rooms"} } }
namespace "/r" { auth = optional presence = query recovery = store
    room "{r}" { join = open }
    event "n"    { to = room:room meta = off ack = accepted }
    event "all"  { to = namespace meta = off self = true }
    event "dm"   { to = user:to meta = off }
    event "me"   { to = sender meta = off }
    event "sync" { ack = echo } }
namespace "/m" { auth = none }
${more}
`;
let all, a, b, cli, redis;
before(async () => {
	all = await hosts(space, [2, 2]);
	({ redis, cli, list: [a, b] } = all);
	for (const d of [a, b]) {
		d.mayDie = true;
		await journals(d);
	}
});
after(() => unhost(all));

const cut = (s) => s.io.engine?.transport?.ws?._socket?.destroy();
const numbers = (s, name = 'n') => gotten(s, name).map((x) => x[0].i);
const upTo = (n) => Array.from({ length: n }, (_, i) => i);
const moveTo = (s, d) => { s.io.uri = `http://127.0.0.1:${d.port}/r`; };

/* A session that began before its host knew the journal, and has got nothing yet,
 * is not recovered. */
async function journals(d) {
	const s = await connect(d, '/r');
	s.emit('me', { i: 0 });
	await heard(s, 'me');
	s.close();
}

/* It comes back there. */
async function back(s, d) {
	await until(() => !s.connected, 'cut');
	moveTo(s, d);
	s.connect();
	await connected(s);
}

test('on one host it goes on as the same session', async () => {
	const p = await connect(a, '/r');
	const s = await connect(a, '/r', { auth: { token: user('u') } });
	for (const c of [p, s])
		await ask(c, 'room:join', { room: 'a' });
	p.emit('n', { room: 'a', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	cut(s);
	for (let i = 1; i < 20; i++)
		p.emit('n', { room: 'a', i });
	await ask(p, 'sync', 0);
	await back(s, a);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	await until(() => numbers(s).length >= 20, 'what it missed');
	p.emit('n', { room: 'a', i: 20 });
	await until(() => numbers(s).length === 21, 'one more');
	assert.deepEqual(numbers(s), upTo(21));
	for (const c of [p, s])
		c.close();
});

test('cut off on one host it goes on at another one, and back', async () => {
	const p = await connect(a, '/r'), q = await connect(b, '/r');
	const s = await connect(a, '/r', { auth: { token: user('u') } });
	for (const c of [p, q, s])
		await ask(c, 'room:join', { room: 'b' });
	p.emit('n', { room: 'b', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	let n = 1;
	for (const d of [b, a, b, b, a]) {
		cut(s);
		p.emit('n', { room: 'b', i: n++ });
		await ask(p, 'sync', 0);
		await back(s, d);
		assert.equal(s.recovered, true);
		assert.equal(s.id, id);
		q.emit('n', { room: 'b', i: n++ });
		await until(() => numbers(s).length >= n, 'all of it');
		await ask(s, 'room:join', { room: `b${n}` });
	}
	assert.deepEqual(numbers(s), upTo(n));
	assert.ok(await b.metric('sessions_fetched') > 0);
	for (const c of [p, q, s])
		c.close();
});

test('its worker was killed meanwhile', async () => {
	const p = await connect(b, '/r'), s = await connect(a, '/r');
	for (const c of [p, s])
		await ask(c, 'room:join', { room: 'c' });
	p.emit('n', { room: 'c', i: 0 });
	await heard(s, 'n');
	const { id } = s, { worker } = await ask(s, 'roost:ping');
	process.kill(a.worker(worker).pid, 'SIGKILL');
	p.emit('n', { room: 'c', i: 1 });
	await ask(p, 'sync', 0);
	await back(s, b);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	p.emit('n', { room: 'c', i: 2 });
	await until(() => numbers(s).length >= 3, 'all of it');
	assert.deepEqual(numbers(s), upTo(3));
	for (const c of [p, s])
		c.close();
});

/* All processes of a daemon at once, as when its machine fails. */
async function killHost(d) {
	const pids = [d.relay().pid, d.pid];
	for (let slot = 1; d.worker(slot) !== undefined; slot++)
		pids.push(d.worker(slot).pid);
	/* nobody sees that another one is dead */
	for (const pid of pids)
		process.kill(pid, 'SIGSTOP');
	for (const pid of pids)
		process.kill(pid, 'SIGKILL');
	await until(() => pids.every((pid) => {
		try {
			process.kill(pid, 0);
			return false;
		} catch { return true; }
	}), 'the host to be dead');
}

test('its host was killed meanwhile', async () => {
	const c = await Daemon.start({ workers: 1, conf: space(redis.url) });
	await linked(c);
	await journals(c);
	c.mayDie = true;
	const p = await connect(b, '/r'), all = [];
	for (const room of ['d', 'd2'])
		await ask(p, 'room:join', { room });
	for (let i = 0; i < 20; i++) {
		const s = await connect(c, '/r', { auth: { token: user(`k${i}`) } });
		await ask(s, 'room:join', { room: i % 2 ? 'd' : 'd2' });
		all.push(s);
	}
	const ids = all.map((s) => s.id);
	p.emit('n', { room: 'd', i: 0 });
	await until(() => all.every((s, i) => numbers(s).length === i % 2), 'one');
	await until(async () => (await cli.do('KEYS', 'roost:session:r:*'))
	    .length >= 20, 'they are written');
	await c.counts('sessions_written', (n) => n >= 20);
	await killHost(c);
	p.emit('n', { room: 'd', i: 1 });
	await ask(p, 'sync', 0);
	await Promise.all(all.map((s) => back(s, b)));
	assert.deepEqual(all.map((s) => s.recovered), all.map(() => true));
	assert.deepEqual(all.map((s) => s.id), ids);
	p.emit('n', { room: 'd', i: 2 });
	p.emit('n', { room: 'd2', i: 3 });
	await until(() => all.every((s) => numbers(s).length > 0 &&
	    numbers(s).at(-1) >= 2), 'the last');
	for (const [i, s] of all.entries())
		assert.deepEqual(numbers(s), i % 2 ? [0, 1, 2] : [3]);
	assert.equal(await b.metric('sessions_forced'), 20);
	for (const s of [p, ...all])
		s.close();
	await c.stop().catch(() => {});
});

test('over polling', async () => {
	const p = await connect(b, '/r');
	const s = await connect(a, '/r', { transports: ['polling'] });
	for (const c of [p, s])
		await ask(c, 'room:join', { room: 'e' });
	p.emit('n', { room: 'e', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	s.io.engine.close();
	p.emit('n', { room: 'e', i: 1 });
	await ask(p, 'sync', 0);
	await back(s, b);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	p.emit('n', { room: 'e', i: 2 });
	await until(() => numbers(s).length >= 3, 'all of it');
	assert.deepEqual(numbers(s), upTo(3));
	for (const c of [p, s])
		c.close();
});

const order = (d, path, body) => fetch(d.url(`/api/v1/${path}`), {
	method: 'POST', headers: { authorization: `Bearer ${KEY}`,
		'content-type': 'application/json' },
	body: JSON.stringify(body) });

test('what each may get is told again, and nothing else', async () => {
	const p = await connect(b, '/r', { auth: { token: user('sue') } });
	const s = await connect(a, '/r', { auth: { token: user('tom') } });
	const o = await connect(a, '/r', { auth: { token: user('olaf') } });
	for (const room of ['f', 'f2', 'f3'])
		await ask(p, 'room:join', { room });
	for (const room of ['f', 'f3'])
		await ask(s, 'room:join', { room });
	/* what comes to his host when he is in the room is for him */
	await ask(o, 'room:join', { room: 'f2' });
	p.emit('n', { room: 'f2', i: 'before' });
	await heard(o, 'n');
	await ask(s, 'room:join', { room: 'f2' });
	await ask(s, 'room:leave', { room: 'f3' });
	await ask(o, 'room:join', { room: 'f3' });
	const { id } = s;
	cut(s);
	await until(() => !s.connected, 'cut');
	p.emit('n', { room: 'f', i: 0 });
	p.emit('n', { room: 'f3', i: 'behind' });
	p.emit('dm', { to: 'tom', i: 1 });
	p.emit('all', { i: 2 });
	p.emit('n', { room: 'f2', i: 3 });
	p.emit('dm', { to: 'olaf', i: 'not his' });
	await ask(p, 'sync', 0);
	const r = await order(b, 'publish', { namespace: 'r', event: 'n',
		sid: id, args: [{ i: 4 }], meta: false });
	assert.equal(r.status, 200, await r.text());
	p.emit('me', { i: 9 });
	await heard(p, 'me');
	await back(s, b);
	assert.equal(s.recovered, true);
	await until(() => s.got.length >= 5, 'all');
	await ask(s, 'sync', 0);
	assert.deepEqual(s.got.map((x) => x[1].i), [0, 1, 2, 3, 4]);
	for (const c of [s, p, o])
		c.close();
});

test('who is not he does not become he, on no host', async () => {
	const s = await connect(a, '/r', { auth: { token: user('ann') } });
	await ask(s, 'room:join', { room: 'g' });
	s.emit('me', { i: 0 });
	await heard(s, 'me');
	const { id } = s, auth = { pid: s._pid, offset: s._lastOffset };
	for (const token of [user('bob'), undefined]) {
		const c = await connect(b, '/r', { auth: { ...auth, token } });
		assert.equal(c.recovered, false);
		assert.notEqual(c.id, id);
		c.close();
	}
	assert.equal(s.connected, true);
	await back((cut(s), s), b);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	s.close();
});

test('its client thinks that it is cut, its host does not', async () => {
	const s = await connect(a, '/r'), p = await connect(b, '/r');
	for (const c of [s, p])
		await ask(c, 'room:join', { room: 'h' });
	p.emit('n', { room: 'h', i: 0 });
	await heard(s, 'n');
	const { id } = s, auth = { pid: s._pid, offset: s._lastOffset };
	const t = await connect(b, '/r', { auth });
	assert.equal(t.id, id);
	await until(() => !s.connected, 'the first one to be closed');
	p.emit('n', { room: 'h', i: 1 });
	await heard(t, 'n');
	assert.deepEqual(numbers(t), [1]);
	/* on both hosts at once: one of them has it in the end */
	const again = { pid: auth.pid, offset: t._lastOffset };
	const two = await Promise.all([a, b].map((d) =>
		connect(d, '/r', { auth: again })));
	const he = () => [t, ...two].filter((c) => c.connected && c.id === id);
	await until(() => he().length === 1, 'one of them');
	p.emit('n', { room: 'h', i: 2 });
	await heard(he()[0], 'n');
	await ask(p, 'sync', 0);
	assert.equal(he().length, 1);
	for (const c of [...two, s, t, p])
		c.close();
});

test('what back ends order at one host reaches who is away from another', async () => {
	const p = await connect(b, '/r'), away = {}, ids = {};
	await ask(p, 'room:join', { room: 'i' });
	const before = await a.metric('sessions_away');
	for (const name of ['ines', 'jan', 'kim']) {
		const s = await connect(a, '/r', { auth: { token: user(name) } });
		await ask(s, 'room:join', { room: 'i' });
		s.emit('me', { i: -1 });
		await heard(s, 'me');
		away[name] = s;
		ids[name] = s.id;
		cut(s);
	}
	await a.counts('sessions_away', before + 3);
	let r = await order(b, 'users/jan/rooms', { namespace: 'r', leave: ['i'] });
	assert.equal(r.status, 200, await r.text());
	r = await order(b, 'users/ines/disconnect', { namespace: 'r' });
	assert.equal(r.status, 200, await r.text());
	await a.counts('sessions_away', before + 2);
	await ask(p, 'n', { room: 'i', i: 0 });
	for (const s of Object.values(away))
		await back(s, b);
	assert.deepEqual(Object.entries(away).map(([n, s]) => s.id === ids[n]),
	    [false, true, true]);
	assert.equal(away.ines.recovered, false);
	await heard(away.kim, 'n');
	p.emit('n', { room: 'i', i: 1 });
	await until(() => numbers(away.kim).length >= 2, 'both');
	await ask(away.jan, 'sync', 0);
	assert.deepEqual(numbers(away.kim), [0, 1]);
	assert.deepEqual(numbers(away.jan), []);
	assert.deepEqual(numbers(away.ines), []);
	for (const s of [p, ...Object.values(away)])
		s.close();
});

test('who has left, or stays away too long, is another one', async () => {
	const l = await hosts((url) => space(url, { recovery: 'window = 1s' }),
	    [1, 1]);
	const [x, y] = l.list;
	for (const d of l.list)
		await journals(d);
	const s = await connect(x, '/r'), t = await connect(x, '/r');
	const left = { pid: t._pid, offset: '' };
	t.disconnect();
	const keys = () => l.cli.do('KEYS', 'roost:session:r:*');
	const states = async () => (await Promise.all((await keys()).map((k) =>
		l.cli.do('HGET', k, 's')))).sort().join('');
	await until(async () => await states() === 'eeeh', 'it is written');
	const u = await connect(y, '/r', { auth: left });
	assert.equal(u.recovered, false);
	cut(s);
	await until(async () => await states() === 'aeeeh', 'that it is away');
	await until(async () => await states() === 'eeeh', 'it expires');
	await back(s, y);
	assert.equal(s.recovered, false);
	for (const c of [s, u])
		c.close();
	await unhost(l);
});

test('Redis is away: who comes back is another one at once', async () => {
	const l = await hosts(space, [1, 1]);
	const [x, y] = l.list;
	for (const d of l.list)
		await journals(d);
	const s = await connect(x, '/r'), p = await connect(y, '/r');
	for (const c of [s, p])
		await ask(c, 'room:join', { room: 'j' });
	p.emit('n', { room: 'j', i: 0 });
	await heard(s, 'n');
	await l.redis.kill();
	await linked(y, false);
	cut(s);
	await back(s, y);
	assert.equal(s.recovered, false);
	await l.redis.again();
	await Promise.all(l.list.map((d) => linked(d)));
	/* and goes on from there: Redis has forgotten all */
	await ask(s, 'room:join', { room: 'j' });
	p.emit('n', { room: 'j', i: 1 });
	await until(() => numbers(s).at(-1) === 1, 'the next');
	const { id } = s;
	cut(s);
	await ask(p, 'n', { room: 'j', i: 2 });
	await back(s, x);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	await until(() => numbers(s).at(-1) === 2, 'what it missed');
	for (const c of [s, p])
		c.close();
	await unhost({ ...l, cli: { close() {} } });
});

test('clients go from host to host under load, workers and a host are killed',
    async () => {
	const N = 12, ROUNDS = sanitized ? 12 : 30, rooms = ['x', 'y'];
	let c = await Daemon.start({ workers: 2, conf: space(redis.url) });
	await linked(c);
	await journals(c);
	c.mayDie = true;
	/* the one who is never cut is on a worker that stays */
	const w = (await sioOn(b, [1], '/r'))[0];
	const talkers = [(await sioOn(b, [1], '/r'))[0],
		(await sioOn(a, [1], '/r'))[0]];
	const all = [], on = () => [a, b, c][Math.floor(Math.random() * 3)];
	for (const s of [w, ...talkers])
		for (const room of rooms)
			await ask(s, 'room:join', { room });
	const room = (i) => rooms[i % 2];
	let fresh = 0, stop = false, sent = 0;
	for (let i = 0; i < N; i++) {
		const s = await connect(on(), '/r', { auth: { token:
			user(`c${i}`) } });
		s.lives = [[]];
		for (const e of ['n', 'all'])
			s.on(e, (x) => s.lives.at(-1).push(`${e}${x.i}`));
		s.on('connect', () => {
			if (s.recovered)
				return;
			fresh++;
			s.lives.push([]);
		});
		await ask(s, 'room:join', { room: room(i) });
		all.push(s);
	}
	const order = [];
	w.on('n', (x) => order.push([`n${x.i}`, x.room]));
	w.on('all', (x) => order.push([`all${x.i}`]));
	const talk = async (s) => {
		while (!stop) {
			for (const room of rooms)
				s.emit('n', { room, i: sent++ });
			s.emit('all', { i: sent++ });
			await ask(s, 'sync', 0);
			await sleep(5);
		}
	};
	const talking = talkers.map(talk);
	await until(() => all.every((s) => s.lives[0].length > 0), 'begun');
	for (let k = 0; k < ROUNDS; k++) {
		const some = all.filter(() => Math.random() < 0.3);
		for (const s of some)
			cut(s);
		if (k % 5 === 2)
			process.kill([a, b, c][k % 3].worker(2)?.pid, 'SIGKILL');
		if (k === Math.floor(ROUNDS / 2)) {
			await killHost(c);
			const old = c;
			c = await Daemon.start({ workers: 2,
				conf: space(redis.url) });
			await linked(c);
			await journals(c);
			c.mayDie = true;
			await old.stop().catch(() => {});
		}
		await sleep(20);
		for (const s of all.filter((s) => !s.connected)) {
			for (;;) {
				moveTo(s, on());
				s.connect();
				const up = await connected(s).then(() => true,
				    () => false);
				if (up)
					break;
				s.disconnect();
				await sleep(20);
			}
		}
	}
	stop = true;
	await Promise.all(talking);
	talkers[0].emit('all', { i: 'last' });
	await until(() => order.at(-1)?.[0] === 'alllast', 'the last one', 20000);
	for (const [i, s] of all.entries()) {
		if (!s.connected)
			await back(s, a);
		await until(() => s.lives.at(-1).at(-1) === 'alllast',
		    'the last one', 20000);
		const his = order.filter(([, r]) => !r || r === room(i))
		    .map(([e]) => e);
		for (const life of s.lives.filter((l) => l.length)) {
			const at = his.indexOf(life[0]);
			assert.deepEqual(life, his.slice(at, at + life.length));
		}
	}
	assert.equal(fresh, 0, 'every one was recovered');
	assert.ok(order.length > 100);
	for (const s of [w, ...talkers, ...all])
		s.close();
	await c.stop().catch(() => {});
});

test('Redis takes no more: sessions are written when it does again', async () => {
	await cli.do('CONFIG', 'SET', 'maxmemory', '1');
	const s = await connect(a, '/r');
	await a.counts('sessions_unwritten', (n) => n > 0);
	await cli.do('CONFIG', 'SET', 'maxmemory', '0');
	const { id } = s;
	await until(async () => (await cli.do('KEYS',
	    `roost:session:r:${s._pid}`)).length > 0, 'it is written', 10000);
	cut(s);
	await back(s, b);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	s.close();
});

test('reloaded and upgraded, hosts have their sessions yet', async () => {
	const s = await connect(a, '/r'), t = await connect(a, '/r');
	const p = await connect(b, '/r'), ids = [s.id, t.id];
	for (const c of [s, t, p])
		await ask(c, 'room:join', { room: 'k' });
	p.emit('n', { room: 'k', i: 0 });
	for (const c of [s, t])
		await heard(c, 'n');
	const before = await a.metric('sessions_away');
	cut(t);
	await a.counts('sessions_away', before + 1);
	p.emit('n', { room: 'k', i: 1 });
	await heard(s, 'n', 2);
	const relay = a.relay().pid;
	process.kill(a.pid, 'SIGUSR2');
	await until(() => (a.relay() ?? { pid: relay }).pid !== relay,
	    'another relay', 20000);
	await a.logged('upgraded', 1, 20000);
	await back(t, b);
	cut(s);
	await back(s, b);
	assert.deepEqual([s.recovered, t.recovered], [true, true]);
	assert.deepEqual([s.id, t.id], ids);
	await ask(p, 'n', { room: 'k', i: 2 });
	for (const c of [s, t]) {
		await until(() => numbers(c).length >= 3, 'all');
		assert.deepEqual(numbers(c), upTo(3));
	}
	for (const c of [s, t, p])
		c.close();
});

test('its relay was killed: who has had all since is recovered', async () => {
	const s = await connect(a, '/r'), t = await connect(a, '/r');
	const p = await connect(b, '/r'), ids = [s.id, t.id];
	await ask(s, 'room:join', { room: 'l' });
	await ask(t, 'room:join', { room: 'l2' });
	for (const room of ['l', 'l2'])
		await ask(p, 'room:join', { room });
	await ask(p, 'n', { room: 'l', i: 0 });
	await heard(s, 'n');
	await ask(p, 'n', { room: 'l2', i: 0 });
	await heard(t, 'n');
	const relay = a.relay().pid;
	process.kill(relay, 'SIGKILL');
	await until(() => (a.relay() ?? { pid: relay }).pid !== relay,
	    'another relay', 20000);
	await linked(a);
	await journals(a);
	await until(async () => (await a.metric('sessions_stored')) >= 2,
	    'its workers to tell it', 10000);
	await ask(p, 'n', { room: 'l', i: 1 });
	await heard(s, 'n', 2);
	for (const c of [s, t])
		cut(c);
	for (const room of ['l', 'l2'])
		await ask(p, 'n', { room, i: 2 });
	for (const c of [s, t])
		await back(c, b);
	assert.equal(s.recovered, true);
	assert.equal(s.id, ids[0]);
	await until(() => numbers(s).length >= 3, 'what it missed');
	assert.deepEqual(numbers(s), upTo(3));
	/* what came before is not known of the other one: it is told so, or told
	 * all */
	assert.equal(t.recovered, t.id === ids[1]);
	await ask(t, 'sync', 0);
	if (t.recovered)
		await until(() => numbers(t).length >= 2, 'what it missed');
	assert.deepEqual(numbers(t), t.recovered ? [0, 2] : [0]);
	for (const c of [s, t, p])
		c.close();
});

test('the store is not in Redis: sessions are in their workers, and the log says so',
    async () => {
	const d = await Daemon.start({ workers: 1, conf: space(redis.url, {
	    more: 'store { engine = memory }' }) });
	await d.logged('sessions_not_stored namespace="/r"');
	await d.stop();
});
