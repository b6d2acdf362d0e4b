/*
 * The emitter of Socket.IO for Redis, unmodified, and clients of roostd: each
 * form of its API does to them what it does to clients of a server for Node,
 * and what they get is the same to the byte.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, here, until, within } from './lib/daemon.mjs';
import { ask, connect, heard, once, WebSocket } from './lib/clients.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { emitter, link, server } from './lib/servers.mjs';

const conf = (url, more = '') => `
redis { url = "${url}" ${more} }
${['/', '/chat', '/chat-[ab]'].map((n) => `namespace "${n}" { auth = none
    room "{any}" { join = open } }`).join('\n')}
`;

let redis, d, io, e;
before(async () => {
	redis = await Redis.start();
	d = await Daemon.start({ workers: 2, conf: conf(redis.url) });
	await connected(d);
	io = await emitter(redis);
	e = io.emitter;
});
after(async () => {
	await io.close();
	await d.stop();
	await redis.kill();
});

async function member(rooms = [], nsp = '/', at = d) {
	const s = await connect(at, nsp);
	for (const room of [rooms].flat())
		assert.equal((await ask(s, 'room:join', { room })).error,
		    undefined);
	return s;
}
const names = (s) => s.got.map(([name]) => name);
const closeAll = (l) => l.forEach((s) => s.close());
/* All have heard all that was emitted before. */
async function settled(list, nsp = '/') {
	const end = `end ${Math.random()}`;
	e.of(nsp).emit(end);
	await Promise.all(list.map((s) => heard(s, end)));
	for (const s of list)
		s.got = s.got.filter(([name]) => name !== end);
}

test('to, in, several rooms, except, namespaces', async () => {
	const a = await member('a'), b = await member('b');
	const ab = await member(['a', 'b']), none = await member();
	const chat = await member('a', '/chat');
	const all = [a, b, ab, none];
	e.emit('all');
	e.to('a').emit('to a');
	e.in('b').emit('in b');
	e.to(['a', 'b']).emit('a and b');
	e.to('a').to('b').emit('a, b');
	e.except('a').emit('not a');
	e.to('a').except('b').emit('a, not b');
	e.to('nobody').emit('nobody');
	e.to(['nobody', 'b']).emit('nobody, b');
	e.of('/chat').to('a').emit('chat a');
	e.of('/chat').emit('chat');
	await settled(all);
	await settled([chat], '/chat');
	assert.deepEqual(all.map(names), [
		['all', 'to a', 'a and b', 'a, b', 'a, not b'],
		['all', 'in b', 'a and b', 'a, b', 'not a', 'nobody, b'],
		['all', 'to a', 'in b', 'a and b', 'a, b', 'nobody, b'],
		['all', 'not a'],
	]);
	assert.deepEqual(names(chat), ['chat a', 'chat']);
	closeAll([...all, chat]);
});

test('one client by its id, and all but one', async () => {
	const a = await member('r'), b = await member('r'), c = await member();
	e.to(a.id).emit('a');
	e.to([a.id, 'r']).emit('a or r');
	e.except(b.id).emit('not b');
	e.to('r').except([b.id, c.id]).emit('r, not b');
	await settled([a, b, c]);
	assert.deepEqual([a, b, c].map(names), [
		['a', 'a or r', 'not b', 'r, not b'], ['a or r'], ['not b']]);
	closeAll([a, b, c]);
});

test('rooms that are numbers, or hold the sign of channels', async () => {
	const n = await member('7'), s = await member('a#b#');
	e.to(7).emit('seven');
	e.to([7, 8]).emit('seven, eight');
	e.to('a#b#').emit('sign');
	e.to('a#b').emit('other');
	await settled([n, s]);
	assert.deepEqual([n, s].map(names),
	    [['seven', 'seven, eight'], ['sign']]);
	closeAll([n, s]);
});

test('a namespace whose name is a pattern is that one', async () => {
	const root = await member();
	const s = root.io.socket('/chat-[ab]');	/* no URL has that */
	s.got = [];
	s.onAny((...a) => s.got.push(a));
	await within(new Promise((ok) => s.once('connect', ok)), 'connect');
	await ask(s, 'room:join', { room: 'r' });
	e.of('/chat-a').emit('wrong');
	e.of('/chat-[ab]').to('r').emit('right');
	await settled([s], '/chat-[ab]');
	assert.deepEqual(names(s), ['right']);
	closeAll([s, root]);
});

test('volatile reaches who can take it', async () => {
	const s = await member('r');
	e.volatile.to('r').emit('v', 1);
	e.volatile.emit('v', 2);
	e.compress(false).emit('v', 3);
	await heard(s, 'v', 3);
	s.close();
});

/* What comes in a WebSocket, behind CONNECT; a binary message as a Buffer. */
async function raw(at) {
	const w = new WebSocket(
	    `ws://127.0.0.1:${at.port}/socket.io/?EIO=4&transport=websocket`);
	w.frames = [];
	w.on('message', (data, binary) => {
		const text = data.toString();
		if (!binary && text[0] === '0')
			w.send('40');
		else if (!binary && text === '2')
			w.send('3');
		else if (binary || !text.startsWith('40'))
			w.frames.push(binary ? data : text);
		else
			w.joined = true;
	});
	await until(() => w.joined, 'CONNECT');
	return w;
}

test('clients get what a server for Node sends, to the byte', async () => {
	const node = await server(redis);
	const theirs = await raw(node), ours = await raw(d);
	const deep = JSON.parse('['.repeat(40) + '1' + ']'.repeat(40));
	const rows = [
		['hello', 1, 'é', { a: [true, null] }], ['x'],
		['numbers', 0, 127, 128, 255, 256, 65535, 65536, -1, -33, -129,
			1.5, -0.1, 1e21, 1e-7, 5e-324, 2 ** 40, -(2 ** 40),
			2 ** 53, NaN, Infinity, -0],
		['undefined', undefined, new Date(0), new Date(NaN),
			new Date(-1), new Date(1.7e12)],
		['text', '', '\0\x1e"\\/\u2028\n', '😀', 'a'.repeat(300)],
		['lists', [], {}, [[]], [...Array(20).keys()], deep],
		['keys', { '': 1, 'a b': 2, é: 3, 7: 4, _placeholder: 5 }],
		['binary', Buffer.from([1, 2, 3])],
		['binaries', { b: [Buffer.alloc(0), { x: Buffer.alloc(300, 7) }] },
			Buffer.alloc(70000, 1), 'between', new Uint8Array([9])],
		[5, 'a number for a name'],
		['last'],
	];
	for (const args of rows)
		e.emit(...args);
	const done = (w) => until(() => w.frames.includes('42["last"]'),
	    'the last');
	await done(theirs);
	await done(ours);
	assert.deepEqual(ours.frames, theirs.frames);
	assert.ok(ours.frames.length > rows.length);
	theirs.close();
	ours.close();
	await node.close();
});

test('clients join and leave rooms, and are in them at once', async () => {
	const r = await member('r'), q = await member(['r', 'q']);
	const other = await member();
	e.in('r').socketsJoin(['x', 'y']);
	e.to('x').emit('x1');
	e.to('y').emit('y1');
	e.to(['x', 'nobody']).emit('x2');
	e.except('y').emit('not y');
	e.in('r').except('q').socketsLeave('x');
	e.to('x').emit('x3');
	e.in(other.id).socketsJoin('z');
	e.to('z').emit('z1');
	e.socketsJoin('everybody');
	e.to('everybody').emit('all');
	await settled([r, q, other]);
	assert.deepEqual([r, q, other].map(names), [
		['x1', 'y1', 'x2', 'all'],
		['x1', 'y1', 'x2', 'x3', 'all'],
		['not y', 'z1', 'all']]);
	closeAll([r, q, other]);
});

test('clients are disconnected, with and without their connection',
async () => {
	const a = await member('gone'), b = await member('gone');
	const stays = await member();
	const chat = await member('gone', '/chat');
	const both = a.io.socket('/chat');	/* on one connection */
	both.got = [];
	both.onAny((...x) => both.got.push(x));
	await within(new Promise((ok) => both.once('connect', ok)), 'connect');
	const why = once(a, 'disconnect');
	e.in('gone').except(b.id).disconnectSockets();
	assert.equal((await why)[0], 'io server disconnect');
	await settled([b, stays]);
	await settled([both, chat], '/chat');
	const closed = within(new Promise((ok) =>
		b.io.engine.once('close', ok)), 'close');
	e.in('gone').disconnectSockets(true);
	await closed;
	await settled([stays]);
	await settled([chat], '/chat');
	assert.ok(stays.connected && chat.connected);
	closeAll([a, b, stays, chat, both]);
});

test('names that no room here can have are left out', async () => {
	const s = await member();
	const before = await d.metric('socketio_refused',
	    'code="name"');
	e.socketsJoin(['ok', 'a\nb', '']);
	e.to('ok').emit('ok');
	await settled([s]);
	assert.deepEqual(names(s), ['ok']);
	await d.counts('socketio_refused', before + 2, 'code="name"');
	s.close();
});

test('what cannot be used is dropped, counted, and harms nobody', async () => {
	const c = await link(redis), s = await member('r');
	const { encode } = (await import('notepack.io')).default;
	const all = { rooms: [], except: [], flags: {} };
	const event = (data, nsp = '/') => ({ type: 2, data, nsp });
	const refused = async (code) => await d.metric('socketio_refused',
	    `code="${code}"`);
	const rows = [
		['malformed', Buffer.from('')],
		['malformed', Buffer.from('{}')],
		['malformed', Buffer.from('["emitter",{},{}]')],
		['malformed', Buffer.from([0xc1])],
		['malformed', Buffer.from([0xdd, 255, 255, 255, 255])],
		['malformed', Buffer.alloc(1000, 0x91)],
		['malformed', encode({ uid: 'u', nsp: '/', type: 3 })],
		['malformed', encode(['emitter', event(['x'])])],
		['malformed', encode(['emitter', event(['x']), null])],
		['malformed', encode([null, event(['x']), all])],
		['malformed', encode(['e', null, all])],
		['malformed', encode(['e', { type: 3, data: ['x'] }, all])],
		['malformed', encode(['e', event([]), all])],
		['malformed', encode(['e', event('x'), all])],
		['malformed', encode(['e', event(['x'], '/chat'), all])],
		['malformed', encode(['e', event(['x']), { rooms: 'r' }])],
		['malformed', encode(['e', event(['x', { _placeholder: true,
			num: 7 }, Buffer.from('b')]), all])],
		['event', encode(['e', event(['disconnect']), all])],
		['event', encode(['e', event(['connect_error', 1]), all])],
		['event', encode(['e', event([{ a: 1 }]), all])],
		['too_many', encode(['e', event(['x', ...Array(11).fill(
		    Buffer.from('b'))]), all])],
		['too_large', encode(['e', event(['x', 'a'.repeat(1.1e6)]),
			all])],
		['too_large', encode(['e', event(['x',
			Array(300000).fill(null)]), all])],
	];
	const codes = [...new Set(rows.map(([code]) => code))];
	const were = await Promise.all(codes.map(refused));
	for (const [, body] of rows)
		await c.publish('socket.io#/#', body);
	/* what only looks odd */
	await c.publish('socket.io#/#', encode(['e', { type: 5, data: ['ok', 1],
		more: 1 }, {}, 'later']));
	await c.publish('socket.io#/#', encode(['e', event(['ok', 2]),
		{ rooms: null, except: undefined, flags: null }]));
	await settled([s]);
	assert.deepEqual(s.got, [['ok', 1], ['ok', 2]]);
	for (const [i, code] of codes.entries())
		assert.equal(await refused(code) - were[i],
		    rows.filter(([c]) => c === code).length, code);
	/* and by the channel of requests */
	const orders = ['', 'x', '{', '{}', '[]', '{"type":"2"}',
		'{"type":99}', '{"type":2}', '{"type":2,"opts":1,"rooms":["x"]}',
		'{"type":2,"opts":{"rooms":1},"rooms":["x"]}',
		'{"type":2,"opts":{},"rooms":"x"}', '{"type":4}',
		encode({ type: 2, opts: {}, rooms: 5 }), Buffer.from([0xc1])];
	const bad = await refused('malformed');
	for (const o of orders)
		await c.publish('socket.io-request#/#', o);
	/* as MessagePack it is an order as well */
	await c.publish('socket.io-request#/#', encode({ type: 2,
		opts: { rooms: ['r'], except: [] }, rooms: ['packed'] }));
	e.to('packed').emit('packed');
	await settled([s]);
	assert.deepEqual(names(s).slice(2), ['packed']);
	assert.equal(await refused('malformed') - bad, orders.length);
	s.close();
	await c.quit();
});

test('long lists: what nobody here is in does not count', async () => {
	const s = await member('r'), t = await member();
	const many = [...Array(1000).keys()].map((i) => `none ${i}`);
	e.to([...many, 'r']).except(many).emit('some');
	e.except(many).emit('all');
	await settled([s, t]);
	assert.deepEqual([s, t].map(names), [['some', 'all'], ['all']]);
	closeAll([s, t]);
});

test('what is captured of the emitter does what it did', async () => {
	const file = path.join(process.env.FIXTURES ?? path.join(here, '..',
	    'fixtures'), 'socketio', 'redis-emitter.json');
	const { events } = JSON.parse(fs.readFileSync(file, 'utf8'));
	const c = await link(redis);
	const r1 = await member('r1'), r2 = await member(['r1', 'r2']);
	const none = await member(), chat = await member('r1', '/chat');
	const list = [r1, r2, none];
	for (const { command, channel, body_base64: body } of events) {
		if (command !== 'PUBLISH' || !channel.startsWith('socket.io#'))
			continue;
		await c.publish(channel, Buffer.from(body, 'base64'));
	}
	await settled(list);
	await settled([chat], '/chat');
	const l = ['a'.repeat(300), Array(20).fill(1)];
	const n = [0, 127, 128, 255, 256, 65535, 65536, -1, -33, 1.5, 2 ** 40,
		-(2 ** 40), ''];
	const all = [['hello', 1, 'é', { a: [true, null] }]];
	const end = [['n', ...n], ['u', null, '1970-01-01T00:00:00.000Z'],
		['l', ...l]];
	const x = ['x'], bin = ['bin', Buffer.from([1, 2, 3])];
	assert.deepEqual(list.map((s) => s.got), [
		/* r1, [r1, r2], r1 but r2 and r3, volatile, compress */
		[...all, x, x, x, x, x, bin, ...end],
		[...all, x, x, x, x, bin, ...end],
		/* all but r1, compress */
		[...all, x, x, ...end]]);
	assert.deepEqual(chat.got, [['x', 1]]);
	const gone = within(new Promise((ok) => none.once('disconnect', ok)),
	    'disconnect');
	for (const { command, channel, body_base64: body, body_text: text } of
	    events)
		if (command === 'PUBLISH' && channel.startsWith(
		    'socket.io-request#'))
			await c.publish(channel, text ??
			    Buffer.from(body, 'base64'));
	await gone;
	await until(() => !r1.connected && !r2.connected, 'the others as well');
	e.of('/chat').to('z').emit('z');
	await settled([chat], '/chat');
	assert.deepEqual(names(chat), ['x', 'z']);
	closeAll([...list, chat]);
	await c.quit();
});

test('two daemons: each client once; another key is not ours', async () => {
	const b = await Daemon.start({ workers: 1, conf: conf(redis.url) });
	const k = await Daemon.start({ workers: 1, conf: conf(redis.url,
	    'socketio_prefix = "app"') });
	const app = await emitter(redis, { key: 'app' });
	await connected(b);
	await connected(k);
	const list = [await member('r'), await member('r', '/', b),
		await member('r', '/', k)];
	for (let i = 0; i < 100; i++) {
		e.to('r').emit('n', i);
		app.emitter.to('r').emit('app', i);
	}
	await settled(list.slice(0, 2));
	await heard(list[2], 'app', 100);
	const count = (name) => [...Array(100).keys()].map((i) => [name, i]);
	assert.deepEqual(list.map((s) => s.got),
	    [count('n'), count('n'), count('app')]);
	closeAll(list);
	await app.close();
	await b.stop();
	await k.stop();
});

test('what is not allowed is not done, and counted', async () => {
	const off = async (more) => {
		const o = await Daemon.start({ workers: 1,
			conf: conf(redis.url, more) });
		await connected(o);
		return o;
	};
	const some = await off('socketio = {"join"}');
	const none = await off('socketio = {}');
	const list = [await member('r', '/', some), await member('r', '/', none)];
	e.to('r').emit('x');
	e.in('r').socketsJoin('j');
	e.disconnectSockets();
	await until(async () => await some.metric('socketio_refused',
	    'code="off"') === 1, 'a refusal');
	await some.counts('socketio_received', 1, 'kind="join"');
	await none.counts('socketio_received', 0, 'kind="join"');
	for (const s of list) {
		await ask(s, 'roost:ping');
		assert.deepEqual(s.got, []);
	}
	closeAll(list);
	await some.stop();
	await none.stop();
});
