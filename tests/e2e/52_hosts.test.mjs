/*
 * Two daemons and a Redis between them: what is published at one reaches the
 * clients of both, once each and in the order of its sender.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url) => jwt + `
redis { url = "${url}" }
presence { leave_grace = 100ms }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish", "disconnect",
    "rooms"} } }
namespace "/chat" { auth = optional
    room "{any}" { join = open }
    room "x:{any}" { join = open }
    event "say" { to = room:room ack = delivered }
    event "all" { to = namespace }
    event "user" { to = user:user }
    event "blob" { to = room:room } }
namespace "/chat:r" { auth = none room "{any}" { join = open } }
`;

let redis, a, b, cli;
before(async () => {
	({ redis, list: [a, b], cli } = await hosts(conf, [2, 1]));
});
after(() => unhost({ redis, list: [a, b], cli }));

const channel = (key, nsp = '/chat') => `roost:to:${nsp.length}:${nsp}:${key}`;
const listeners = async (key, nsp) =>
	(await cli.do('PUBSUB', 'NUMSUB', channel(key, nsp)))[1];
const listened = (key, n, nsp) => until(async () =>
	await listeners(key, nsp) === n, `${n} hosts at ${key}`);
async function member(d, room, opts = {}) {
	const s = await connect(d, '/chat', opts);
	if (room !== undefined)
		assert.equal((await ask(s, 'room:join', { room })).error,
		    undefined);
	return s;
}
const closeAll = (l) => l.forEach((s) => s.close());
async function order(d, path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), {
		method: 'POST', body: JSON.stringify(body),
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' } });
	assert.equal(r.status, 200);
	return r.json();
}
async function api(d, body) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: 'chat', ...body }) });
	assert.equal(r.status, 200);
	return r.json();
}

test('a room, both ways: once each, meta included', async () => {
	const list = [await member(a, 'r'), await member(a, 'r'),
		await member(a, 'other'), await member(b, 'r'),
		await member(b, 'other'), await member(b)];
	await listened('rr', 2);
	list[0].emit('say', { room: 'r', n: 1 });
	await heard(list[1], 'say', 1);
	await heard(list[3], 'say', 1);
	list[3].emit('say', { room: 'r', n: 2 });
	for (const s of [list[0], list[1]])
		await heard(s, 'say', s === list[0] ? 1 : 2);
	list[5].emit('all', 'end');
	for (const s of list.slice(0, 5))
		await heard(s, 'all');
	assert.deepEqual(list.map((s) => gotten(s, 'say').map(([x]) => x.n)),
	    [[2], [1, 2], [], [1], [], []]);
	assert.equal(gotten(list[3], 'say')[0][1].room, 'r');
	await a.counts('far_sent', (n) => n > 0);
	await b.counts('far_received', (n) => n > 0);
	assert.equal(gotten(list[3], 'say')[0][1].id,
	    gotten(list[1], 'say')[0][1].id);
	closeAll(list);
});

test('audiences of several channels arrive once', async () => {
	const s = await member(a, 'x'), other = await member(a, 'y');
	await ask(s, 'room:join', { room: 'z' });
	const here = await member(b, 'x');
	await listened('rx', 2);
	await listened('ry', 1);
	await listened('rz', 1);
	const copies = await a.metric('far_copies');
	/* to the host of one worker: that of two may take each by another */
	await api(b, { event: 'e', data: 1, rooms: ['x', 'z'],
		sid: s.id });
	await api(b, { event: 'e', data: 2, rooms: ['x', 'y'],
		except: [s.id] });
	await api(b, { event: 'e', data: 3, sid: other.id });
	await api(b, { event: 'end' });
	for (const c of [s, other, here])
		await heard(c, 'end');
	assert.deepEqual([s, other, here].map((c) =>
		gotten(c, 'e').map(([x]) => x)), [[1], [2, 3], [1, 2]]);
	/* x, z and the namespace; x and y */
	await a.counts('far_copies', copies + 3);
	closeAll([s, other, here]);
});

test('a back end by Redis reaches each client once', async () => {
	const list = [await member(a), await member(a), await member(b)];
	for (let i = 0; i < 100; i++)
		await cli.do('PUBLISH', 'roost:publish', JSON.stringify(
		    { namespace: 'chat', event: 'be', data: i }));
	await api(a, { event: 'end' });
	await api(b, { event: 'end' });
	for (const s of list) {
		await heard(s, 'end', 2);
		await heard(s, 'be', 100);
		assert.deepEqual(gotten(s, 'be').map(([x]) => x),
		    [...Array(100).keys()]);
	}
	closeAll(list);
});

test('an id is delivered once, whichever hosts are asked', async () => {
	const list = [await member(a, 'ids'), await member(b, 'ids')];
	await listened('rids', 2);
	const say = (d, id, n, more = {}) => api(d, { event: 'once', id,
		room: 'ids', data: n, ...more });
	assert.equal((await say(a, 'one', 1)).duplicate, undefined);
	for (const s of list)
		await heard(s, 'once');
	assert.equal((await say(b, 'one', 2)).duplicate, true);
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({ event: 'once',
		namespace: 'chat', id: 'one', room: 'ids', data: 3 }));
	/* meta off, and several channels */
	await say(b, 'two', 4, { meta: false });
	for (const s of list)
		await heard(s, 'once', 2);
	await say(a, 'two', 5, { rooms: ['ids', 'no'], room: undefined });
	/* at the same time: whoever is first */
	await Promise.all([...Array(20).keys()].flatMap((i) =>
		[say(a, `both${i}`, i), say(b, `both${i}`, i)]));
	await api(a, { event: 'end' });
	await api(b, { event: 'end' });
	for (const s of list) {
		await heard(s, 'end', 2);
		await heard(s, 'once', 22);
		assert.deepEqual(gotten(s, 'once').slice(0, 2)
		    .map(([x]) => x), [1, 4]);
		assert.deepEqual(gotten(s, 'once').slice(2).map(([x]) => x)
		    .sort((x, y) => x - y), [...Array(20).keys()]);
	}
	closeAll(list);
});

test('orders of back ends reach every host', async () => {
	const u = (d, name) => member(d, undefined,
	    { auth: { token: user(name) } });
	const [here, there, twice, bob] = [await u(a, 'eve'), await u(b, 'eve'),
		await u(b, 'eve'), await u(b, 'bob')];
	await listened('ueve', 2);
	await listened('ubob', 1);
	assert.deepEqual(await order(a, 'users/eve/rooms',
	    { namespace: 'chat', join: ['vip'], leave: ['none'] }),
	    { sessions: 3, complete: true });
	await listened('rvip', 2);
	await api(a, { event: 'to-vip', room: 'vip', data: 1 });
	for (const s of [here, there, twice])
		await heard(s, 'to-vip');
	assert.equal(gotten(bob, 'to-vip').length, 0);
	await order(b, 'rooms', { namespace: 'chat', sid: here.id,
		leave: 'vip' });
	await listened('rvip', 1);
	/* the end, in one namespace and in all */
	const ended = (s) => until(() => !s.connected, 'an end');
	assert.equal((await order(a, 'disconnect', { namespace: 'chat',
		sid: bob.id, reason: 'by order' })).disconnected, 1);
	await ended(bob);
	assert.deepEqual(gotten(bob, 'roost:disconnect').map(([x]) => x),
	    [{ reason: 'by order' }]);
	assert.equal((await order(a, 'users/eve/disconnect',
	    { close: true })).disconnected, 3);
	for (const s of [here, there, twice])
		await ended(s);
	/* once each: who is back stays */
	const again = await u(b, 'eve');
	await api(a, { event: 'end' });
	await heard(again, 'end');
	assert.ok(again.connected);
	again.close();
	/* Redis does not take it: counted */
	const lost = await a.metric('far_orders_lost');
	await cli.do('ACL', 'SETUSER', 'default', '-publish');
	assert.deepEqual(await order(a, 'users/eve/disconnect', {}),
	    { disconnected: 0, complete: false });
	await until(async () => await a.metric('far_orders_lost') > lost,
	    'a lost order');
	await cli.do('ACL', 'SETUSER', 'default', '+publish');
	await connected(a);
	await connected(b);
});

test('a user is found on every host', async () => {
	const u = (d) => member(d, undefined,
	    { auth: { token: user('ann') } });
	const list = [await u(a), await u(b), await member(b)];
	await listened('uann', 2);
	list[2].emit('user', { user: 'ann', n: 1 });
	await heard(list[0], 'user');
	await heard(list[1], 'user');
	await api(a, { event: 'end' });
	await heard(list[2], 'end');
	assert.equal(gotten(list[2], 'user').length, 0);
	assert.equal(gotten(list[0], 'user').length, 1);
	closeAll(list);
});

test('binary attachments cross as they are', async () => {
	const s = await member(b, 'bin'), from = await member(a);
	await ask(from, 'room:join', { room: 'bin' });
	await listened('rbin', 2);
	const bytes = crypto.randomBytes(5000);
	from.emit('blob', { room: 'bin', bytes });
	const [[data]] = await heard(s, 'blob');
	assert.ok(bytes.equals(data.bytes));
	closeAll([s, from]);
});

test('thousands from both sides: each once, in order per sender', async () => {
	const n = 2000;
	const list = [await member(a, 'big'), await member(a, 'big'),
		await member(b, 'big'), await member(b, 'big')];
	await listened('rbig', 2);
	for (let i = 0; i < n; i++)
		for (const [k, s] of list.entries())
			s.emit('say', { room: 'big', k, i });
	for (const s of list)
		await heard(s, 'say', 3 * n, 60000);
	for (const [me, s] of list.entries())
		for (const k of list.keys())
			assert.deepEqual(gotten(s, 'say')
			    .filter(([x]) => x.k === k).map(([x]) => x.i),
			me === k ? [] : [...Array(n).keys()]);
	closeAll(list);
});

test('channels follow membership; names share nothing', async () => {
	const s = await member(a, 'x:y');
	await listened('rx:y', 1);
	const t = await connect(b, '/chat:r');
	await ask(t, 'room:join', { room: 'y' });
	await listened('ry', 1, '/chat:r');
	assert.equal(await listeners('rx:y'), 1);
	/* a long name has no channel of its own */
	const long = 'l'.repeat(200);
	const u = await member(b, long);
	const v = await member(a);
	await listened('n', 2);
	await ask(v, 'room:join', { room: long });
	v.emit('say', { room: long, n: 1 });
	await heard(u, 'say');
	assert.equal(gotten(u, 'say').length, 1);
	closeAll([s, t, u, v]);
	await listened('rx:y', 0);
	await listened('ry', 0, '/chat:r');
});

test('strangers in our channels: dropped and counted', async () => {
	const s = await member(a, 'poison');
	await listened('rpoison', 1);
	const bad = await a.metric('far_bad');
	const head = (n) => 'ROOST1\0\0' + '\x01'.repeat(8) + '\0'.repeat(8) +
		String.fromCharCode(n) + '\0'.repeat(7);
	for (const p of ['', 'x', '{}', head(1), `${head(2)}\x20\0\0\0\x01\x02`,
		`${head(3)}${'A'.repeat(40)}`])
		await cli.do('PUBLISH', channel('rpoison'), p);
	await until(async () => await a.metric('far_bad') === bad + 6,
	    'far_bad');
	await api(b, { event: 'fine', room: 'poison' });
	await heard(s, 'fine');
	s.close();
});

/* A publication of another daemon, as hosts.h and bus.h have it. */
function publication({ node, epoch, number, room, data }) {
	const words = [node, epoch, number].map((v) => {
		const b = Buffer.alloc(8);
		b.writeBigUInt64LE(BigInt(v));
		return b;
	});
	const fields = [[1, '/chat'], [2, '"crafted"'], [3, JSON.stringify(data)],
	    [5, room]].map(([tag, text]) => {
		const b = Buffer.alloc(5 + text.length);
		b[0] = tag;
		b.writeUInt32LE(text.length, 1);
		b.write(text, 5);
		return b;
	});
	const frame = Buffer.alloc(32);
	frame.writeUInt32LE(32 + Buffer.concat(fields).length, 0);
	frame[4] = 1;
	frame[5] = 2;
	return Buffer.concat([Buffer.from('ROOST1\0\0'), ...words, frame,
	    ...fields]);
}

test('what comes behind the next connection of its sender is passed by, told',
async () => {
	const s = await member(a, 'late');
	await listened('rlate', 1);
	const [stale, copies] = [await a.metric('far_stale'),
		await a.metric('far_copies')];
	const send = (epoch, number, data) => cli.do('PUBLISH',
	    channel('rlate'), publication({ node: 77, epoch, number, data,
		room: 'late' }));
	await send(1, 0, 1);
	await send(1, 5, 2);
	await send(1, 4, 3);
	await send(1, 5, 'copy');
	await send(2, 0, 4);
	await send(1, 0, 'late');
	await send(1, 6, 'late');
	await send(2, 6, 5);
	await heard(s, 'crafted', 5);
	const [[gap]] = await heard(s, 'roost:gap');
	assert.equal(gap.room, 'late');
	assert.deepEqual(gotten(s, 'crafted').map(([x]) => x), [1, 2, 3, 4, 5]);
	await a.counts('far_stale', stale + 2);
	await a.counts('far_copies', copies + 1);
	s.close();
});

test('an order says whether other hosts were told of it', async () => {
	const move = (d) => order(d, 'rooms', { namespace: 'chat', all: true,
		join: ['hall'] });
	const s = await member(a), t = await member(b);
	assert.deepEqual(await move(a), { sessions: 2, complete: true });
	await listened('rhall', 2);
	/* it says nothing; it is not there */
	redis.signal('SIGSTOP');
	assert.deepEqual(await move(a), { sessions: 1, complete: false });
	redis.signal('SIGCONT');
	await redis.kill();
	await connected(a, false);
	assert.deepEqual(await move(a), { sessions: 1, complete: false });
	assert.deepEqual(await order(a, 'disconnect', { namespace: 'chat',
		sid: s.id }), { disconnected: 1, complete: false });
	cli.close();
	await redis.again();
	cli = await redis.client();
	await connected(a);
	await connected(b);
	assert.deepEqual(await move(b), { sessions: 1, complete: true });
	closeAll([s, t]);
});

test('Redis killed: local goes on, and healed nothing comes twice',
async () => {
	const list = [await member(a, 'h'), await member(a, 'h'),
		await member(b, 'h')];
	await listened('rh', 2);
	cli.close();
	await redis.kill();
	await connected(a, false);
	await connected(b, false);
	for (let i = 0; i < 10; i++)
		await ask(list[0], 'say', { room: 'h', n: i });
	await heard(list[1], 'say', 10);
	await redis.again();
	cli = await redis.client();
	await connected(a);
	await connected(b);
	await listened('rh', 2);
	list[0].emit('say', { room: 'h', n: 'after' });
	await until(() => gotten(list[2], 'say').some(([x]) => x.n === 'after'),
	    'what is said after');
	await heard(list[1], 'say', 11);
	assert.equal(gotten(list[1], 'say').length, 11);
	assert.equal(gotten(list[2], 'say').length, 1);
	closeAll(list);
});

test('the relay killed: it listens to the rooms that were there', async () => {
	const s = await member(b, 'kept'), t = await member(a, 'kept');
	await listened('rkept', 2);
	const subscribers = async () => (await cli.do('CLIENT', 'LIST', 'TYPE',
	    'pubsub')).match(/^id=\d+/gm) ?? [];
	const were = await subscribers();
	b.mayDie = true;
	const { pid } = b.relay();
	process.kill(pid, 'SIGKILL');
	await until(() => (b.relay()?.pid ?? pid) !== pid, 'another relay');
	/* the dead one's are no longer counted */
	await until(async () => {
		const are = await subscribers();
		return were.some((id) => !are.includes(id));
	}, 'Redis to know of the death');
	await listened('rkept', 2);
	await connected(b);
	t.emit('say', { room: 'kept', n: 1 });
	await heard(s, 'say');
	s.emit('say', { room: 'kept', n: 2 });
	await heard(t, 'say');
	assert.equal(gotten(s, 'say').length, 1);
	closeAll([s, t]);
});
