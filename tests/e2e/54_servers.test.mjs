/*
 * Two servers of Socket.IO for Node, with the adapter for Redis, and two
 * daemons: what is broadcast on any of the four reaches the clients of all,
 * once each.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { emitter, link, server } from './lib/servers.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url, more = '') => `
redis { url = "${url}" ${more} }
recovery { window = 10s }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish"} } }
namespace "/" { auth = none room "{any}" { join = open }
    event "say" { to = room:room member = off }
    event "bare" { to = room:room member = off meta = off }
    event "shout" { to = room:room member = off volatile = true }
    event "all" { to = namespace }
    event "user" { to = user:user } }
namespace "/chat" { auth = none room "{any}" { join = open } }
`;

let redis, servers, daemons, all, cli;
before(async () => {
	redis = await Redis.start();
	servers = await Promise.all([1, 2].map(() => server(redis,
	    { namespaces: ['/', '/chat'] })));
	daemons = await Promise.all([2, 1].map((workers) =>
		Daemon.start({ workers, conf: conf(redis.url) })));
	await Promise.all(daemons.map((d) => connected(d)));
	all = [...servers, ...daemons];
	cli = await redis.client();
});
after(async () => {
	cli.close();
	await Promise.all(daemons.map((d) => d.stop()));
	await Promise.all(servers.map((s) => s.close()));
	await redis.kill();
});

async function member(at, rooms = [], nsp = '/') {
	const s = await connect(at, nsp);
	for (const room of [rooms].flat())
		assert.equal((await ask(s, 'room:join', { room })).error,
		    undefined);
	return s;
}
/* Both daemons listen to it: who joins first is answered before Redis is. */
const listened = (nsp, key) => until(async () => (await cli.do('PUBSUB',
    'NUMSUB', `roost:to:${nsp.length}:${nsp}:${key}`))[1] >= 2,
`two hosts at ${key}`);
/* One on each of the four. */
async function members(rooms = [], nsp = '/') {
	const list = await Promise.all(all.map((at) => member(at, rooms, nsp)));
	await listened(nsp, 'n');
	for (const room of [rooms].flat())
		await listened(nsp, `r${room}`);
	return list;
}
/* Without the offset, which daemons write behind all for recovery. */
const bare = (s) => s.got.map((a) => typeof a.at(-1) === 'string' &&
    /^[0-9a-f]+\.\d+\.\d+\.o?/.test(a.at(-1)) ? a.slice(0, -1) : a);
const closeAll = (l) => l.flat().forEach((s) => s.close());
async function api(d, body) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: '/', meta: false, ...body }) });
	assert.equal(r.status, 200);
}
/* What each has said before is heard by all. */
async function settled(list, nsp = '/') {
	for (const [i, s] of servers.entries())
		s.io.of(nsp).emit('end', `server ${i}`);
	for (const [i, d] of daemons.entries())
		await api(d, { namespace: nsp, event: 'end',
			data: `daemon ${i}` });
	await Promise.all(list.flat().map(async (s) => {
		await heard(s, 'end', 4);
		assert.equal(gotten(s, 'end').length, 4);
		s.got = s.got.filter(([name]) => name !== 'end');
	}));
}

test('every form of broadcast of a server for Node', async () => {
	const r = await members('r'), q = await members(['r', 'q']);
	const none = await members(), chat = await members('r', '/chat');
	const { io } = servers[0];
	io.emit('emit', 1, 'é', { a: [null] });
	io.to('r').emit('to');
	io.in('q').emit('in');
	io.to('r').to('q').emit('to to');
	io.to(['nobody', 'q']).emit('list');
	io.except('q').emit('except');
	io.to('r').except('q').emit('to except');
	io.compress(false).to('r').emit('compress');
	io.local.emit('local');
	io.to('r').emit('bin', Buffer.from([1, 2]), { b: Buffer.alloc(0) });
	io.sockets.send('sent');
	io.of('/chat').to('r').emit('chat');
	for (const s of r)
		io.to(s.id).emit('direct', s.id);
	io.sockets.sockets.get(q[0].id).to('q').emit('from q');
	io.sockets.sockets.get(q[0].id).broadcast.emit('broadcast');
	await settled([r, q, none]);
	await settled(chat, '/chat');
	const bin = ['bin', Buffer.from([1, 2]), { b: Buffer.alloc(0) }];
	const emit = ['emit', 1, 'é', { a: [null] }];
	for (const [i, s] of r.entries())
		assert.deepEqual(bare(s), [emit, ['to'], ['to to'], ['except'],
			['to except'], ['compress'],
			...(i === 0 ? [['local']] : []), bin,
			['message', 'sent'], ['direct', s.id], ['broadcast']]);
	for (const [i, s] of q.entries())
		assert.deepEqual(bare(s), [emit, ['to'], ['in'], ['to to'],
			['list'], ['compress'],
			...(i === 0 ? [['local']] : []), bin,
			['message', 'sent'],
			...(i === 0 ? [] : [['from q'], ['broadcast']])]);
	for (const [i, s] of none.entries())
		assert.deepEqual(bare(s), [emit, ['except'],
			...(i === 0 ? [['local']] : []), ['message', 'sent'],
			['broadcast']]);
	for (const s of chat)
		assert.deepEqual(bare(s), [['chat']]);
	io.volatile.to('q').emit('volatile');	/* alone: all can take it */
	await Promise.all(q.map((s) => heard(s, 'volatile')));
	closeAll([r, q, none, chat]);
});

test('what clients and back ends of a daemon publish', async () => {
	const r = await members('r'), q = await members(['r', 'q']);
	const none = await members(), chat = await members('r', '/chat');
	const [d] = daemons, from = r[2];
	const blob = crypto.randomBytes(3000);
	from.emit('bare', { room: 'r', n: 1, é: ['é', 1.5, null, -7] }, 'two');
	from.emit('bare', { room: 'r', blob, more: [Buffer.alloc(0)] });
	from.emit('say', { room: 'r' });
	from.emit('user', { user: 'ann' });
	await ask(from, 'roost:ping');
	/* another worker may publish what follows */
	await Promise.all([...r, ...q].filter((s) => s !== from)
	    .map((s) => heard(s, 'bare', 2)));
	await api(d, { event: 'all', args: [1, [], {}] });
	await api(d, { event: 'rooms', rooms: ['r', 'q'] });
	await api(d, { event: 'except', except: 'q' });
	await api(d, { event: 'but', room: 'r', except: [r[0].id, 'q'] });
	await api(d, { event: 'user', user: 'ann' });
	for (const s of none)
		await api(d, { event: 'direct', sid: s.id });
	await api(d, { namespace: 'chat', event: 'chat', room: 'r' });
	await settled([r, q, none]);
	await settled(chat, '/chat');
	const said = [['bare', { room: 'r', n: 1, é: ['é', 1.5, null, -7] },
	    'two'], ['bare', { room: 'r', blob, more: [Buffer.alloc(0)] }]];
	const plain = (s) => bare(s).filter(([name]) =>
		name !== 'say');
	const all = ['all', 1, [], {}];
	for (const [i, s] of r.entries())
		assert.deepEqual(plain(s), [...(s === from ? [] : said), all,
			['rooms'], ['except'], ...(i === 0 ? [] : [['but']])]);
	for (const s of q)
		assert.deepEqual(plain(s), [...said, all, ['rooms']]);
	for (const s of none)
		assert.deepEqual(plain(s), [all, ['except'], ['direct']]);
	for (const s of chat)
		assert.deepEqual(bare(s), [['chat']]);
	/* the meta is the same for all */
	const metas = [...r, ...q].filter((s) => s !== from)
	    .map((s) => gotten(s, 'say'));
	for (const [[data, meta], ...more] of metas) {
		assert.deepEqual(data, { room: 'r' });
		assert.equal(meta.id, metas[0][0][1].id);
		assert.equal(meta.room, 'r');
		assert.equal(more.length, 0);
	}
	from.emit('shout', { room: 'q' });
	await Promise.all(q.map((s) => heard(s, 'shout')));
	await api(d, { event: 'volatile', room: 'q', volatile: true });
	await Promise.all(q.map((s) => heard(s, 'volatile')));
	closeAll([r, q, none, chat]);
});

test('thousands from all sides: each once, in order per sender', async () => {
	const n = 1000, list = await members('big');
	for (let i = 0; i < n; i++) {
		for (const [k, s] of servers.entries())
			s.io.to('big').emit('n', { k, i });
		for (const k of [2, 3])
			list[k].emit('bare', { room: 'big', k, i });
	}
	const want = [...Array(n).keys()];
	for (const [me, s] of list.entries()) {
		await heard(s, 'n', 2 * n, 30000);
		await heard(s, 'bare', me < 2 ? 2 * n : n, 30000);
	}
	await settled(list);
	for (const [me, s] of list.entries())
		for (const k of list.keys())
			assert.deepEqual(s.got.filter(([, x]) => x.k === k)
			    .map(([, x]) => x.i), k === me && k > 1 ? [] : want);
	const [a, b] = daemons;
	await a.counts('socketio_own', (n) => n > 0);
	await b.counts('socketio_sent', (x) => x >= n);
	closeAll(list);
});

test('an emitter reaches the clients of all four', async () => {
	const e = await emitter(redis), list = await members('r');
	e.emitter.emit('all');
	e.emitter.to('r').emit('room', Buffer.from('b'));
	e.emitter.in('r').socketsJoin('j');
	e.emitter.to('j').emit('joined');
	e.emitter.in('j').socketsLeave('r');
	e.emitter.to('r').emit('nobody');
	await Promise.all(list.map((s) => heard(s, 'joined')));
	await settled(list);
	/* and who has asked a daemon for a room is told that it is out of it */
	for (const s of list)
		assert.deepEqual(bare(s).filter(([name]) => name !== 'room:left'),
		    [['all'], ['room', Buffer.from('b')], ['joined']]);
	const gone = list.map((s) => new Promise((ok) =>
		s.once('disconnect', ok)));
	e.emitter.in('j').disconnectSockets(true);
	for (const why of await Promise.all(gone))
		assert.equal(why, 'io server disconnect');
	await e.close();
});

test('what is captured between servers reaches clients here', async () => {
	const { load } = await import('./lib/replay.mjs');
	const c = await link(redis), d = daemons[1];
	const r1 = await member(d, 'r1'), none = await member(d);
	for (const e of load('redis-adapter-broadcast').events)
		if (e.command === 'PUBLISH' && e.channel.startsWith(
		    'socket.io#/'))
			await c.publish(e.channel,
			    Buffer.from(e.body_base64, 'base64'));
	await settled([r1, none]);
	const names = (s) => s.got.map(([name]) => name);
	assert.deepEqual([names(r1), names(none)], [
		['all', 'r', 'rr', 'b', 'sr', 'v', 'bin'],
		['all', 'b', 'no', 'v', 'bin']]);
	closeAll([r1, none]);
	await c.quit();
});

test('a daemon that does not send; Redis gone and back', async () => {
	const quiet = await Daemon.start({ workers: 1,
		conf: conf(redis.url, 'socketio_send = false') });
	await connected(quiet);
	const list = [...await members('r'), await member(quiet, 'r')];
	await api(quiet, { event: 'quiet', room: 'r' });
	await settled(list);
	assert.deepEqual(list.map((s) => gotten(s, 'quiet').length),
	    [0, 0, 1, 1, 1]);
	await quiet.counts('socketio_sent', 0);
	await redis.kill();
	await Promise.all([...daemons, quiet].map((d) => connected(d, false)));
	list[4].emit('bare', { room: 'r', n: 'while away' });
	await ask(list[4], 'roost:ping');
	await redis.again();
	await Promise.all([...daemons, quiet].map((d) => connected(d)));
	const e = await emitter(redis);
	await until(async () => {
		e.emitter.to('r').emit('back');
		return list.every((s) => gotten(s, 'back').length > 0);
	}, 'all to be back', 15000);
	for (const s of list)
		assert.equal(gotten(s, 'quiet').length <= 1, true);
	await e.close();
	closeAll(list);
	await quiet.stop();
});
