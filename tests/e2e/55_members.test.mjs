/*
 * Two daemons among two servers for Node with the adapter of Socket.IO for
 * Redis, classic or sharded: broadcasts go all ways, and what one of the
 * servers asks all of them is answered by the daemons as by servers.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import crypto from 'node:crypto';
import { describe, after, before, test } from 'node:test';

import { Daemon, halt, slow, until, within } from './lib/daemon.mjs';
import { ask, connect, gotten, heard, once } from './lib/clients.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { jwt } from './lib/conf.mjs';
import { link, server } from './lib/servers.mjs';
import { user } from './lib/token.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url, more = '') => jwt + `
redis { url = "${url}" ${more} }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish"} } }
namespace "/" { auth = optional room "{any}" { join = open }
    event "say" { to = room:room meta = off } }
namespace "/empty" { auth = none }
namespace "/ours" { auth = none }
namespace "/crowd" { auth = none room "{any}" { join = open } }
`;
async function publish(d, body) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: '/', meta: false, ...body }) });
	assert.equal(r.status, 200);
}
const sorted = (l) => [...l].sort();
const ids = (l) => sorted(l.map((s) => s.id));
const closeAll = (l) => l.forEach((s) => s.close());

for (const sharded of [false, true])
describe(sharded ? 'sharded' : 'classic', () => {
	let redis, d, io, cli;
	before(async () => {
		redis = await Redis.start();
		const more = sharded ? 'socketio_adapter = sharded' : '';
		d = await Promise.all([2, 1].map((workers) => Daemon.start(
		    { workers, conf: conf(redis.url, more) })));
		await Promise.all(d.map((d) => connected(d)));
		cli = await redis.client();
		io = [];
		for (let i = 0; i < 2; i++)
			io.push(await server(redis, { sharded,
				namespaces: ['/', '/empty', '/crowd'] }));
		await members(4);
	});
	after(async () => {
		for (const s of io)
			await s.close();
		cli.close();
		for (const x of d)
			await x.stop();
		await redis.kill();
	});
	const channel = (nsp) => sharded ? `socket.io#${nsp}#` :
	    `socket.io-request#${nsp}#`;
	const members = (n, nsp = '/') => until(async () => (await cli.do(
	    'PUBSUB', sharded ? 'SHARDNUMSUB' : 'NUMSUB', channel(nsp)))[1] ===
	    n, `${n} members of ${nsp}`);
	/* One client at each: daemons, then servers; all in the rooms. */
	async function everywhere(rooms = [], nsp = '/', opts = {}) {
		const list = [];
		for (const at of [...d, ...io]) {
			const s = await connect(at, nsp, opts);
			for (const room of rooms)
				assert.equal((await ask(s, 'room:join',
				    { room })).error, undefined);
			list.push(s);
		}
		/* who joins first is answered before Redis is */
		for (const key of ['n', ...rooms.map((r) => `r${r}`)])
			await until(async () => (await cli.do('PUBSUB',
			    'NUMSUB', `roost:to:${nsp.length}:${nsp}:${key}`))
			    [1] >= 2, `two hosts at ${key}`);
		return list;
	}

	test('each daemon is one member, in each namespace', async () => {
		for (const nsp of ['/', '/empty', '/crowd'])
			await members(4, nsp);
		assert.equal(await io[0].io.of('/').adapter.serverCount(), 4);
	});

	test('broadcasts go from each to all', async () => {
		const list = await everywhere(['r']);
		const other = await connect(d[0]);
		io[0].io.to('r').emit('room', 1, { a: [2.5, 'x'] });
		io[1].io.except('r').emit('except');
		io[1].io.emit('all', Buffer.from([1, 2, 3]));
		await publish(d[0], { event: 'api', args: [1, 'é'], room: 'r' });
		await publish(d[1], { event: 'api', args: [2] });
		await publish(d[1], { event: 'bin', room: 'r', args: [
			{ _placeholder: true, num: 0 }],
		attachments: ['AQID'] });
		list[0].emit('say', { room: 'r', n: 1 });
		for (const s of list) {
			await heard(s, 'api', 2);
			await heard(s, 'bin');
			await heard(s, 'all');
			await heard(s, 'room');
			if (s !== list[0])
				await heard(s, 'say');
		}
		await heard(other, 'except');
		for (const s of list) {
			assert.deepEqual(gotten(s, 'room'),
			    [[1, { a: [2.5, 'x'] }]]);
			assert.deepEqual(sorted(gotten(s, 'api').map(String)),
			    ['1,é', '2']);
			for (const [b] of [gotten(s, 'all')[0],
				gotten(s, 'bin')[0]])
				assert.ok(Buffer.from([1, 2, 3]).equals(b));
			assert.equal(gotten(s, 'all').length, 1);
			assert.equal(gotten(s, 'bin').length, 1);
			assert.equal(gotten(s, 'except').length, 0);
			assert.deepEqual(gotten(s, 'say'), s === list[0] ? [] :
			    [[{ room: 'r', n: 1 }]]);
		}
		closeAll([...list, other]);
	});

	test('fetchSockets lists all, with rooms and data', async () => {
		const list = await everywhere(['f', 'g h']);
		const ann = await connect(d[0], '/', { auth: {
			token: user('ann', { roles: ['x', 'y'] }) },
		extraHeaders: { Cookie: 'secret=1' } });
		for (const { io: from } of io) {
			const all = await from.fetchSockets();
			assert.deepEqual(ids(all), ids([...list, ann]));
			const a = all.find((s) => s.id === ann.id);
			assert.deepEqual(a.data, { user: 'ann',
				roles: ['x', 'y'] });
			assert.deepEqual([...a.rooms], [ann.id]);
			assert.deepEqual(a.handshake, { headers: {}, query: {},
				auth: {} });
			const [one] = await from.in(list[1].id).fetchSockets();
			assert.deepEqual(sorted(one.rooms),
			    sorted([list[1].id, 'f', 'g h']));
			assert.deepEqual(one.data, {});
			assert.deepEqual(ids(await from.in('g h')
			    .fetchSockets()), ids(list));
			assert.deepEqual(ids(await from.except('f')
			    .fetchSockets()), [ann.id]);
			assert.deepEqual(await from.in('nobody')
			    .fetchSockets(), []);
		}
		closeAll([...list, ann]);
	});

	test('a namespace without clients answers', async () => {
		const begin = Date.now();
		assert.deepEqual(await io[0].io.of('/empty').fetchSockets(), []);
		assert.deepEqual(await io[1].io.of('/empty').timeout(1000)
		    .emitWithAck('q'), []);
		assert.ok(Date.now() - begin < 4000 * slow);
	});

	test('remote sockets join, leave, emit, disconnect', async () => {
		const list = await everywhere();
		for (const [k, s] of list.entries()) {
			const [remote] = await io[k % 2].io.in(s.id)
			    .fetchSockets();
			remote.join(['one', 'two']);
			await until(async () => ids(await io[0].io.in('two')
			    .fetchSockets()).includes(s.id), 'join');
			remote.leave('two');
			await until(async () => !ids(await io[1].io.in('two')
			    .fetchSockets()).includes(s.id), 'leave');
			remote.emit('direct', k);
			await heard(s, 'direct');
			assert.deepEqual(gotten(s, 'direct'), [[k]]);
			const gone = once(s, 'disconnect');
			remote.disconnect(k % 2 === 0);
			assert.equal((await gone)[0], 'io server disconnect');
		}
		assert.deepEqual(await io[0].io.fetchSockets(), []);
	});

	test('socketsJoin, socketsLeave, disconnectSockets', async () => {
		const list = await everywhere(['base']);
		io[0].io.in('base').socketsJoin('later');
		for (const { io: from } of io)
			await until(async () => (await from.in('later')
			    .fetchSockets()).length === 4, 'all of them');
		io[1].io.in('later').socketsLeave('base');
		await until(async () => (await io[0].io.in('base')
		    .fetchSockets()).length === 0, 'nobody');
		const gone = list.map((s) => once(s, 'disconnect'));
		io[1].io.in('later').disconnectSockets();
		await Promise.all(gone);
	});

	test('a broadcast gathers the acknowledgements of all', async () => {
		const list = await everywhere(['q']);
		for (const [k, s] of list.entries())
			s.on('q', (x, bytes, ack) => ack(k === 0 ?
			    { k, bytes } : `${k}:${x}`, 'ignored'));
		const answers = await io[0].io.to('q').timeout(3000 * slow)
		    .emitWithAck('q', 7, Buffer.from([9, 8]));
		assert.equal(answers.length, 4);
		const first = answers.find((a) => a.k === 0);
		assert.ok(Buffer.from([9, 8]).equals(first.bytes));
		assert.deepEqual(sorted(answers.filter((a) => a !== first)),
		    ['1:7', '2:7', '3:7']);
		/* one that has nothing to say, one that says nothing */
		for (const [k, s] of list.entries()) {
			s.on('r', (ack) => k === 0 ? ack() : k === 1 ? 0 :
			    ack(k));
		}
		const [err, some] = await new Promise((ok) => io[1].io.to('q')
		    .timeout(1000 * slow).emit('r', (...a) => ok(a)));
		assert.match(err.message, /timed out/);
		assert.deepEqual(sorted(some.map(String)), ['2', '3', 'null']);
		closeAll(list);
	});

	test('serverSideEmit is answered, once by each', async () => {
		io[1].io.once('hi', (x, ack) => ack(`hi ${x}`));
		const answers = await io[0].io.serverSideEmitWithAck('hi', 1);
		assert.deepEqual(sorted(answers.map(String)),
		    ['hi 1', 'null', 'null']);
		io[1].io.once('plain', (x) => io[1].io.emit('was', x));
		const s = await connect(d[0]);
		io[0].io.serverSideEmit('plain', 5);
		await heard(s, 'was');
		s.close();
	});

	if (!sharded)
	test('allRooms are those of all', async () => {
		const list = await everywhere();
		for (const [k, s] of list.entries())
			await ask(s, 'room:join', { room: `of ${k}` });
		const rooms = await io[0].io.of('/').adapter.allRooms();
		for (const [k, s] of list.entries()) {
			assert.ok(rooms.has(`of ${k}`));
			assert.ok(rooms.has(s.id));
		}
		assert.equal(rooms.size, 8);
		closeAll(list);
	});

	if (!sharded)
	test('what cannot be understood is answered with nobody', async () => {
		/* in a namespace that servers do not have: it ends them */
		const sub = await redis.client(), got = [];
		sub.socket.on('data', (b) => got.push(b.toString()));
		await sub.do('SUBSCRIBE', 'socket.io-response#/ours#');
		const bad = await d[0].metric('requests_bad');
		const say = (o) => cli.do('PUBLISH', channel('/ours'),
		    typeof o === 'string' ? o : JSON.stringify(o));
		await say({ uid: 'x', requestId: 'i1', type: 5,
			opts: { rooms: 7 } });
		await say({ uid: 'x', requestId: 'i2', type: 7,
			packet: { type: 2, data: ['disconnect'] },
			opts: { rooms: [], except: [] } });
		await say({ uid: 'x', requestId: 'i3', type: 0, rooms: [] });
		await say({ uid: 'x', requestId: 'i4', type: 1 });
		await say({ uid: 'x', requestId: 5, type: 5 });
		await say({ uid: 'x', requestId: 'y'.repeat(100), type: 5 });
		await say('{');
		await say('\x81');
		await until(() => got.join('').match(/"i4"/g)?.length === 2,
		    'answers');
		const text = got.join('');
		assert.match(text, /{"requestId":"i1","sockets":\[\]}/);
		assert.match(text,
		    /{"requestId":"i2","type":8,"clientCount":0}/);
		assert.match(text, /{"requestId":"i3","sockets":\[\]}/);
		assert.match(text, /{"requestId":"i4","rooms":\[\]}/);
		assert.doesNotMatch(text, /yyy/);
		await d[0].counts('requests_bad', bad + 2);
		sub.close();
	});

	test('half a pair of surrogates is a sign, as in JavaScript', async () => {
		const s = await connect(d[0]);
		await ask(s, 'room:join', { room: 'half' });
		const data = ['half', 'a\ud800b'];
		const opts = { rooms: ['half'], except: [], flags: {} };
		await cli.do(sharded ? 'SPUBLISH' : 'PUBLISH', channel('/'),
		    JSON.stringify(sharded ? { uid: 'x', nsp: '/', type: 3,
			data: { requestId: 'h', packet: { type: 2, data },
			    opts } } : { uid: 'x', requestId: 'h', type: 7,
			packet: { type: 2, data, nsp: '/' }, opts }));
		await heard(s, 'half');
		assert.equal(gotten(s, 'half')[0][0], 'a\ufffdb');
		s.close();
	});

	test('what was exchanged is counted', async () => {
		const s = await connect(d[0]);
		io[0].io.to('nobody here').emit('x');
		io[0].io.emit('y');
		await heard(s, 'y');
		for (const kind of ['broadcast', 'join', 'leave', 'disconnect',
			'event'])
			await d[0].counts('socketio_received',
			    (n) => n > 0, kind);
		await d[0].counts('socketio_received',
		    (n) => n > 0, 'broadcast');
		await d[0].counts('socketio_received', (n) => n > 0, 'leave');
		await d[0].counts('socketio_received',
		    (n) => n > 0, 'disconnect');
		await d[0].counts('socketio_received', (n) => n > 0, 'event');
		if (!sharded)
			await d[0].counts('socketio_received',
			    (n) => n > 0, 'question');
		await d[0].counts('requests', (n) => n > 0);
		await d[0].counts('member_answers', (n) => n > 0);
		await d[0].counts('socketio_sent', (n) => n > 0);
		/* the other daemon has published, too */
		await d[0].counts('socketio_own', (n) => n > 0);
		if (!sharded)
			await d[0].counts('socketio_elsewhere', (n) => n > 0);
		s.close();
	});

	if (!sharded)
	test('a value that nobody knows is null, and counted', async () => {
		const s = await connect(d[0]), c = await link(redis);
		await c.publish('socket.io#/#', Buffer.from('\x93\xa7emitter' +
			'\x83\xa4type\x02\xa4data\x92\xa1x\xd4\x05\x00' +
			'\xa3nsp\xa1/\x80', 'latin1'));
		await heard(s, 'x');
		assert.deepEqual(gotten(s, 'x'), [[null]]);
		await d[0].counts('socketio_strange', 1);
		s.close();
		await c.quit();
	});

	test('what is not allowed is answered with nobody, at once',
	    async () => {
		const o = await Daemon.start({ workers: 1, conf: conf(redis.url,
		    `socketio = {"join"} socketio_adapter = ${sharded ?
		    'sharded' : 'classic'}`) });
		await connected(o);
		await members(5);
		const list = [await connect(o), await connect(io[1])];
		for (const s of list) {
			await ask(s, 'room:join', { room: 'n' });
			s.on('q', (x, ack) => ack(x));
		}
		assert.deepEqual(await io[0].io.to('n').timeout(3000 * slow)
		    .emitWithAck('q', 5), [5]);
		io[1].io.once('hi', (ack) => ack('hi'));
		const said = await io[0].io.serverSideEmitWithAck('hi');
		assert.deepEqual(sorted(said.map(String)),
		    ['hi', 'null', 'null', 'null']);
		io[0].io.to('n').emit('plain');
		await heard(list[1], 'plain');
		await ask(list[0], 'roost:ping');
		assert.deepEqual(gotten(list[0], 'q'), []);
		assert.deepEqual(gotten(list[0], 'plain'), []);
		const refused = sharded ? 3 : 2;
		await until(async () => await o.metric('socketio_refused',
		    'code="off"') === refused, 'refusals');
		await o.counts('socketio_received', 0, 'kind="event"');
		closeAll(list);
		await o.stop();
		await members(4);
	});

	test('a silent worker: its part is missing, in time', async () => {
		const list = await everywhere();
		const more = [];
		/* until both workers of the first have some */
		for (let i = 0; i < 20; i++)
			more.push(await connect(d[0]));
		const partly = await d[0].metric('member_answers_partly');
		const pid = d[0].worker(1).pid;
		await halt(pid);
		const begin = Date.now();
		const found = ids(await io[0].io.fetchSockets());
		const ms = Date.now() - begin;
		process.kill(pid, 'SIGCONT');
		assert.ok(ms >= 2500 && ms < 5000, `${ms} ms`);
		for (const s of list.slice(1))
			assert.ok(found.includes(s.id));
		assert.ok(found.length < 24 && found.length > 3);
		await d[0].counts('member_answers_partly', partly + 1);
		assert.equal(ids(await io[0].io.fetchSockets()).length, 24);
		closeAll([...list, ...more]);
	});

	test('a killed worker: its part is missing, at once', async () => {
		const list = await everywhere();
		const more = [];
		for (let i = 0; i < 20; i++)
			more.push(await connect(d[0]));
		d[0].mayDie = true;
		const pid = d[0].worker(1).pid;
		await halt(pid);
		const begin = Date.now();
		const asked = await d[1].metric('requests');
		const fetched = io[0].io.fetchSockets();
		/* of the other daemon: the one halted may have the page */
		await until(async () => await d[1].metric('requests') > asked,
		    'the question');
		process.kill(pid, 'SIGKILL');
		const found = ids(await fetched);
		assert.ok(Date.now() - begin < 2500 * slow);
		assert.ok(found.length < 24 && found.length >= 3);
		await until(() => (d[0].worker(1)?.pid ?? pid) !== pid,
		    'another worker');
		closeAll([...list, ...more]);
	});

	test('the relay killed: there is one member again', async () => {
		const list = await everywhere(['k']);
		const { pid } = d[0].relay();
		d[0].mayDie = true;
		process.kill(pid, 'SIGKILL');
		await until(() => (d[0].relay()?.pid ?? pid) !== pid,
		    'another relay');
		await connected(d[0]);
		await members(4);
		assert.deepEqual(ids(await io[0].io.in('k').fetchSockets()),
		    ids(list));
		closeAll(list);
	});

	test('10,000 sockets are told whole, and hold up nobody', {
		timeout: 120000 * slow }, async () => {
		const n = 10000;
		const crowd = fork(new URL('./lib/crowd.mjs', import.meta.url),
		    [String(d[1].port), String(n), 'socketio']);
		let state = {};
		crowd.on('message', (m) => { state = m; });
		await until(() => state.joined === n, 'the crowd', 60000);
		const s = await connect(d[1]);
		let worst = 0, pings = 0, over = false;
		const pinging = (async () => {
			while (!over) {
				const begin = performance.now();
				await ask(s, 'room:leave', { room: 'x' });
				worst = Math.max(worst,
				    performance.now() - begin);
				pings++;
			}
		})();
		const begin = Date.now();
		const found = await within(io[0].io.of('/crowd').fetchSockets(),
		    'all of them', 20000);
		const ms = Date.now() - begin;
		over = true;
		await pinging;
		assert.equal(found.length, n);
		assert.equal(new Set(ids(found)).size, n);
		assert.ok(pings > 3);
		console.log(`# ${n} in ${ms} ms, ${pings} answers meanwhile, ` +
		    `the slowest after ${worst.toFixed(1)} ms`);
		crowd.kill();
		await within(new Promise((ok) => crowd.once('exit', ok)),
		    'end of the crowd');
		s.close();
	});
});
