/*
 * format = raw: a route whose messages are whatever they are, text or binary.
 * First an echo, by the chapters of the public suites for WebSocket servers;
 * then rooms, with members that speak other protocols.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { Daemon, until } from './lib/daemon.mjs';
import { WebSocket, ask, connect, heard } from './lib/clients.mjs';
import { request } from './lib/polling.mjs';
import { OP, Ws, closePayload, frame } from './lib/wire.mjs';
import { jwt } from './lib/conf.mjs';

const KEY = 'raw-route-key';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const LIMIT = 4 << 20;
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `${jwt}
limits { message_bytes = ${LIMIT}B fragments = 1M send_queue_bytes = 16MB close_timeout = 1s }
websocket { deflate_threshold = 0B }
api { key "t" { sha256 = "${sha}" allow = {"publish"} } }
namespace "/echo" { auth = none
    event "message" { to = sender meta = off } }
namespace "/talk" { auth = optional
    room "r:{id}" { join = open }
    room "kept" { history = 10 join = open }
    event "message" { to = joined ack = delivered }
    event "say" { to = room:room as = "message" } }
rate "few" { per = connection allow = 2/1h }
namespace "/few" { auth = none
    event "message" { to = sender meta = off rate = "few" max_bytes = 100B } }
route "/echo" { namespace = "/echo" format = raw }
route "/bare" { namespace = "/echo" format = bare }
route "/nowhere" { namespace = "/talk" format = raw }
route "/few" { namespace = "/few" format = raw }
route "/r/{id}" { namespace = "/talk" join = "r:{id}" format = raw }
route "/kept" { namespace = "/talk" join = "kept" format = raw }
route "/b/{id}" { namespace = "/talk" join = "r:{id}" format = bare }
` });
});
after(() => d.stop());

const open = (o = {}) => Ws.must(d.port, '/echo', o);
const T = (...a) => frame(OP.text, ...a);
const B = (...a) => frame(OP.binary, ...a);
const C = (...a) => frame(OP.cont, ...a);
const hex = (s) => Buffer.from(s.replaceAll(' ', ''), 'hex');
async function back(w, opcode, data) {
	const f = await w.next('echo', 20000);
	assert.equal(f.opcode, opcode, `${f.code ?? ''} ${f.text.slice(0, 80)}`);
	assert.ok(f.fin && !f.masked);
	assert.ok(f.payload.equals(Buffer.from(data)), `${f.payload.length} bytes`);
}

/* --- 1: framing ----------------------------------------------------------- */

test('1: messages of every length, whole and in pieces of the stream', async () => {
	const w = await open();
	for (const n of [0, 1, 125, 126, 127, 128, 4095, 65535, 65536]) {
		w.send(T('*'.repeat(n)));
		await back(w, 'text', '*'.repeat(n));
		const b = crypto.randomBytes(n);
		w.send(B(b));
		await back(w, 'binary', b);
	}
	const long = B(crypto.randomBytes(65536), { key: Buffer.alloc(4) });
	for (let i = 0; i < long.length; i += 997)
		w.send(long.subarray(i, i + 997));
	await back(w, 'binary', long.subarray(14));
	await w.bye();
});

/* --- 2: pings and pongs --------------------------------------------------- */

test('2: pings are answered, whatever is in them; pongs are not', async () => {
	const w = await open();
	for (const b of ['', 'hello', hex('00 ff fe fd fc fb 00 ff'), Buffer.alloc(125, 0xfe)]) {
		w.ping(b);
		await back(w, 'pong', b);
	}
	w.send(frame(OP.pong, ''));
	w.send(frame(OP.pong, 'unasked'));
	w.ping('a');
	await back(w, 'pong', 'a');
	for (let i = 0; i < 10; i++)
		w.ping(`${i}`);
	for (let i = 0; i < 10; i++)
		await back(w, 'pong', `${i}`);
	w.send(frame(OP.ping, Buffer.alloc(126)));
	assert.equal((await w.closed()).code, 1002);
});

/* --- 3, 4: reserved bits and opcodes -------------------------------------- */

test('3, 4: reserved bits and opcodes end it, behind what was right', async () => {
	for (const bad of [T('x', { rsv: 1 }), T('x', { rsv: 2 }), B('x', { rsv: 3 }),
		T('x', { rsv: 4 }), T('x', { rsv: 7 }), frame(OP.ping, 'x', { rsv: 5 }),
		frame(OP.close, '', { rsv: 6 }), ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
		    .flatMap((op) => [frame(op), frame(op, 'x')])]) {
		const w = await open();
		w.send(Buffer.concat([T('before'), bad, T('behind')]));
		await back(w, 'text', 'before');
		const c = await w.closed();
		assert.equal(c.code, 1002);
		assert.equal(c.before.length, 0);
	}
});

/* --- 5: fragments --------------------------------------------------------- */

test('5: fragments, with control frames between', async () => {
	const w = await open();
	w.send(Buffer.concat([T('a', { fin: false }), frame(OP.ping, '1'), C('b', { fin: false }),
		frame(OP.ping, '2'), C('c')]));
	await back(w, 'pong', '1');
	await back(w, 'pong', '2');
	await back(w, 'text', 'abc');
	w.send(Buffer.concat([B('', { fin: false }), C('', { fin: false }), C('')]));
	await back(w, 'binary', '');
	w.send(Buffer.concat([B('\xff', { fin: false }), C('middle', { fin: false }), C('')]));
	await back(w, 'binary', '\xffmiddle');
	await w.bye();
	for (const bad of [[C('x')], [C('x', { fin: false })], [T('a', { fin: false }), T('b')],
		[T('a', { fin: false }), B('b')], [T('a'), C('b')],
		[frame(OP.ping, 'x', { fin: false })], [frame(OP.pong, 'x', { fin: false })]]) {
		const v = await open();
		v.send(Buffer.concat(bad));
		assert.equal((await v.closed()).code, 1002);
	}
});

/* --- 6: UTF-8 ------------------------------------------------------------- */

const good = ['', 'κόσμε', '\u0000', '\u0080', '\u0800', '\u{10000}', '\u007f', '\u07ff', '\uffff',
	'\ud7ff', '\ue000', '\ufffd', '\u{10ffff}', '\ufdd0', '\u{1fffe}', '"\\\b\f\n\r\t\u0001\u001e',
	'Hello-µ@ßöäüàá-UTF-8!!', '\u2028\u2029', '{"_placeholder":true,"num":0}', 'null', '5', '\\u0041'];
const wrong = ['80', 'bf', 'c0', 'fe', 'ff', 'c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af',
	'fc 80 80 80 80 af', 'c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'ed a0 80', 'ed bf bf',
	'ed a0 80 ed b0 80', 'f4 90 80 80', 'f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf',
	'ce', 'e2 82', 'f0 9f 98', 'ce ba e1 bd', 'ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90 80 80 65'];

test('6: text is UTF-8, and comes back byte by byte', async () => {
	const w = await open();
	for (const s of good) {
		w.send(T(s));
		await back(w, 'text', s);
		const b = Buffer.from(s);
		w.send(Buffer.concat([T('', { fin: false }), ...[...b].map((c) =>
			C([c], { fin: false })), C('')]));
		await back(w, 'text', b);
	}
	await w.bye();
});
test('6: other text ends it with 1007, in one frame or in several', async () => {
	for (const s of wrong) {
		const b = hex(s);
		for (const bytes of [T(b), Buffer.concat([T('x', { fin: false }), ...[...b]
		    .map((c) => C([c], { fin: false })), C('')])]) {
			const w = await open();
			w.send(bytes);
			assert.equal((await w.closed()).code, 1007, s);
		}
		const w = await open();
		w.send(B(b));
		await back(w, 'binary', b);
		w.drop();
	}
});
test('6: it ends as soon as it is wrong', async () => {
	const w = await open();
	w.send(T(Buffer.concat([Buffer.from('κόσμε'), hex('f4 90 80 80')]), { fin: false }));
	assert.equal((await w.closed()).code, 1007);
	const v = await open();
	v.send(T(Buffer.concat([Buffer.from('κόσμε'), hex('f4 90')]), { length: 20 }));
	assert.equal((await v.closed()).code, 1007);
});

/* --- 7: closing ----------------------------------------------------------- */

test('7: a Close is answered with its code, and nothing comes behind it', async () => {
	for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
		3000, 3999, 4000, 4999]) {
		const w = await open();
		w.send(Buffer.concat([T('last'), frame(OP.close, closePayload(code, 'so')), T('late'),
			frame(OP.ping, 'late')]));
		await back(w, 'text', 'last');
		const c = await w.closed();
		assert.deepEqual([c.code, c.before.length], [code, 0]);
		await w.s.end();
	}
	const w = await open();
	w.send(frame(OP.close, ''));
	assert.equal((await w.closed()).code, 1005);
	for (const [payload, code] of [['x', 1002], [closePayload(1000, 'x'.repeat(124)), 1002],
		[Buffer.concat([closePayload(1000), hex('ce ba e1')]), 1007],
		...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535].map((c) =>
		    [closePayload(c), 1002])]) {
		const v = await open();
		v.send(frame(OP.close, payload));
		assert.equal((await v.closed()).code, code);
	}
});

/* --- 9: limits ------------------------------------------------------------ */

test('9: large messages, in one frame, in fragments, and in small reads', async () => {
	const w = await open();
	for (const n of [1 << 18, LIMIT]) {
		const b = crypto.randomBytes(n), t = 'é'.repeat(n / 2);
		w.send(B(b));
		await back(w, 'binary', b);
		w.send(T(t));
		await back(w, 'text', t);
		const parts = [B('', { fin: false })];
		for (let i = 0; i < n; i += 4096)
			parts.push(C(b.subarray(i, i + 4096), { fin: false }));
		w.send(Buffer.concat([...parts, C('')]));
		await back(w, 'binary', b);
	}
	w.send(B(Buffer.alloc(LIMIT + 1)));
	assert.equal((await w.closed()).code, 1009);
});

test('9: many small messages, sent at once, come back in order', async () => {
	const w = await open(), all = [...Array(2000)].map((_, i) => `${i}`);
	w.send(Buffer.concat(all.map((s) => T(s))));
	for (const s of all)
		await back(w, 'text', s);
	await w.bye();
});

/* --- 12, 13: compression -------------------------------------------------- */

const samples = {
	text: (n) => [...Array(n)].map((_, i) => 'the quick brown fox '[i * 7 % 20]).join(''),
	json: (n) => JSON.stringify([...Array(Math.ceil(n / 20))].map((_, id) =>
	    ({ id, v: id * 7919 % 1e6 }))).slice(0, n),
	noise: (n) => crypto.randomBytes(n),
};
for (const [name, perMessageDeflate] of [
	['any window', { threshold: 0 }],
	['windows of 9 bits', { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 }],
	['no context, 12 bits', { threshold: 0, serverMaxWindowBits: 12, serverNoContextTakeover: true,
		clientNoContextTakeover: true, zlibDeflateOptions: { level: 1, memLevel: 1 } }],
]) {
	test(`12, 13: compressed messages of every size, ${name}`, async () => {
		const w = new WebSocket(d.ws('/echo'), { perMessageDeflate });
		const got = [];
		w.on('message', (b, binary) => got.push([b, binary]));
		await until(() => w.readyState === 1, 'open');
		assert.match(w.extensions, /permessage-deflate/);
		let n = 0;
		for (const make of Object.values(samples))
			for (const size of [0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768,
				65536, 131072, 1 << 20]) {
				const b = Buffer.from(make(size)), binary = make === samples.noise;
				w.send(binary ? b : b.toString());
				await until(() => got.length > n, 'echo', 20000);
				assert.equal(got[n][1], binary);
				assert.ok(got[n++][0].equals(b), `${size}`);
			}
		/* fragments are one message */
		w.send(Buffer.alloc(3000, 'a'), { fin: false });
		w.send(Buffer.alloc(3000, 'b'), { fin: false });
		w.send('', { fin: true });
		await until(() => got.length > n, 'echo');
		assert.equal(got[n][0].length, 6000);
		w.terminate();
	});
}

test('12: of the largest size, inflated, and a byte more', async () => {
	const w = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
	const z = (n) => B(zlib.deflateRawSync(Buffer.alloc(n, 'a')), { rsv: 4 });
	w.send(z(LIMIT));
	const f = await w.next('echo', 20000);
	assert.equal(f.payload.length, LIMIT);
	w.send(z(LIMIT + 1));
	assert.equal((await w.closed()).code, 1009);
});

/* --- rooms ---------------------------------------------------------------- */

/* A member; .got has texts, and Buffers. */
async function member(path) {
	const w = new WebSocket(d.ws(path));
	w.got = [];
	w.on('message', (b, binary) => w.got.push(binary ? b : b.toString()));
	w.on('close', (code) => { w.code = code; });
	await until(() => w.readyState === 1, 'open');
	return w;
}
const gets = (w, want) => until(() => w.got.length >= want.length, `${want.length} messages`)
    .then(() => assert.deepEqual(w.got.splice(0), want));
const bytes = hex('00 01 fe ff');

test('a message goes to the room of the route, of its type, and to no other', async () => {
	const [a, b, c, other] = await Promise.all(['/r/1', '/r/1', '/r/1', '/r/2'].map(member));
	a.send('hello');
	a.send(bytes);
	a.send('{"a":1}');
	for (const w of [b, c])
		await gets(w, ['hello', bytes, '{"a":1}']);
	other.send('x');
	c.send('last');
	await gets(a, ['last']);
	assert.deepEqual(other.got, []);
	[a, b, c, other].forEach((w) => w.terminate());
});

test('members of Socket.IO and others get it, and are heard', async () => {
	const raw = await member('/r/3'), bare = await member('/b/3');
	const s = await connect(d, '/talk'), e = await member('/ws/talk');
	await ask(s, 'room:join', { room: 'r:3' });
	e.send('{"event":"room:join","data":{"room":"r:3"},"id":1}');
	await until(() => e.got.splice(0).length, 'its answer');
	raw.send('text');
	raw.send(bytes);
	const got = await heard(s, 'message', 2);
	assert.equal(got[0][0], 'text');
	assert.equal(got[0][1].room, 'r:3');
	assert.deepEqual(got[1][0], bytes);
	await gets(bare, ['"text"', '{"_placeholder":true,"num":0}', bytes]);
	await until(() => e.got.length === 3, 'envelopes');
	assert.equal(JSON.parse(e.got[0]).data, 'text');
	assert.deepEqual([JSON.parse(e.got[1]).data, e.got[2]],
	    [{ _placeholder: true, num: 0 }, bytes]);
	/* and back */
	await ask(s, 'message', 'from socket.io');
	await ask(s, 'message', Buffer.from('binary'));
	await ask(s, 'message', { an: 'object' });
	s.emit('say', { room: 'r:3', n: 5 });
	await gets(raw, ['from socket.io', Buffer.from('binary'), '{"an":"object"}',
		'{"room":"r:3","n":5}']);
	bare.got.length = 0;
	bare.send('"json"');
	bare.send(bytes);
	await gets(raw, ['json', bytes]);
	e.send(JSON.stringify({ event: 'message', data: 'from plain' }));
	await gets(raw, ['from plain']);
	s.close();
	[raw, bare, e].forEach((w) => w.terminate());
});

test('back ends publish text and binary', async () => {
	const w = await member('/r/4');
	const publish = (body) => request(d.port, 'POST', '/api/v1/publish', {
		body: JSON.stringify({ namespace: '/talk', event: 'message',
			room: 'r:4', ...body }),
		headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' } });
	for (const body of [{ data: 'a text' }, { data: { _placeholder: true, num: 0 },
		attachments: [bytes.toString('base64')] }, { data: [1, 'x'] }]) {
		const r = await publish(body);
		assert.equal(r.status, 200, r.body);
	}
	await gets(w, ['a text', bytes, '[1,"x"]']);
	w.terminate();
});

test('who is in no room is told so; what is for several goes to each', async () => {
	const w = await member('/nowhere');
	w.send('x');
	await until(() => w.got.length, 'an error');
	assert.equal(JSON.parse(w.got[0]).code, 'not_member');
	w.terminate();
	const s = await connect(d, '/talk');
	for (const room of ['r:5', 'r:6'])
		await ask(s, 'room:join', { room });
	const others = [await member('/r/5'), await member('/r/6')];
	assert.equal((await ask(s, 'message', 'x')).error, undefined);
	for (const one of others) {
		await gets(one, ['x']);
		one.terminate();
	}
	await ask(s, 'room:leave', { room: 'r:6' });
	assert.equal((await ask(s, 'message', 'x')).error, undefined);
	s.close();
});

test('limits hold, and are told as JSON', async () => {
	const w = await member('/few');
	w.send(Buffer.alloc(101));
	await until(() => w.got.length === 1, 'too large');
	assert.equal(JSON.parse(w.got[0]).code, 'too_large');
	w.send('one');
	await until(() => w.got.length === 2, 'one');
	w.send('two');
	await until(() => w.got.length === 3, 'rate');
	assert.equal(JSON.parse(w.got[2]).code, 'rate_limited');
	w.terminate();
});

test('an envelope still takes no binary', async () => {
	const w = await member('/ws/echo');
	w.send(bytes);
	await until(() => w.code, 'the end');
	assert.equal(w.code, 1003);
});

test('a reload: members go on, of their types', async () => {
	const all = await Promise.all(['/r/7', '/r/7', '/kept'].map(member));
	const old = d.children().filter((c) => c.role === 'worker').map((c) => c.pid);
	process.kill(d.pid, 'SIGHUP');
	await until(() => {
		const now = d.children().filter((c) => c.role === 'worker');
		return now.length === 2 && !now.some((c) => old.includes(c.pid));
	}, 'other workers', 20000);
	all[0].send('over');
	all[0].send(bytes);
	await gets(all[1], ['over', bytes]);
	const late = await member('/kept');
	all[2].send('kept');
	all[2].send(bytes);
	await gets(late, ['kept', bytes]);
	all.forEach((w) => w.terminate());
	late.terminate();
});
