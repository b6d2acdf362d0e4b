/* RFC 6455: the opening handshake, frames right and wrong, closing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon } from './lib/daemon.mjs';
import { OP, Sock, Ws, closePayload, frame, raw } from './lib/wire.mjs';
import { plain } from './lib/clients.mjs';
import { echo, jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const LIMIT = 65536;
let d, bystander;
before(async () => {
	d = await Daemon.start({ conf: jwt + echo + `
limits { message_bytes = ${LIMIT}B fragments = 100 close_timeout = 1s }
namespace "/private" { auth = required
    event "q" { to = sender meta = off ack = echo } }
namespace "/raw" { auth = none
    event "message" { to = sender meta = off } }
route "/bare" { namespace = "/raw" format = bare }
` });
	bystander = await Ws.must(d.port, '/ws/echo');
});
after(async () => {
	await bystander.silent('bystander');
	bystander.drop();
	await d.stop();
});

/* --- opening handshake (section 4.2.1) ----------------------------------- */

const H = (headers) => Ws.request('/ws/echo', { headers });
const handshakes = [
	['POST instead of GET', H({}).replace('GET', 'POST'), [400, 405]],
	['HTTP/1.0', H({}).replace('HTTP/1.1', 'HTTP/1.0'), [400, 426, 505]],
	['version 8', H({ 'Sec-WebSocket-Version': '8' }), [426]],
	['version 99', H({ 'Sec-WebSocket-Version': '99' }), [426]],
	['no version', H({ 'Sec-WebSocket-Version': null }), [400, 426]],
	['no key', H({ 'Sec-WebSocket-Key': null }), [400]],
	['a key of 15 bytes', H({ 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAA' }), [400]],
	['a key that is no base64', H({ 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }), [400]],
	['a key with pad bits', H({ 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZR==' }), [101]],
	['two keys', H({}).replace('\r\n\r\n', '\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'), [400]],
	['no Upgrade', H({ Upgrade: null }), [400, 426]],
	['Upgrade to something else', H({ Upgrade: 'h2c' }), [400, 426]],
	['no Connection: Upgrade', H({ Connection: 'keep-alive' }), [400, 426]],
	['an unknown namespace', Ws.request('/ws/none'), [404]],
	['a foreign path', Ws.request('/elsewhere'), [404]],
	['more headers than allowed before Upgrade', H({ Upgrade: null, Connection: null }).replace('\r\n\r\n', '\r\n' + 'A: b\r\n'.repeat(101) + 'Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n'), [431]],
];
for (const [name, bytes, statuses] of handshakes) {
	test(`handshake: ${name}: ${statuses.join(' or ')}`, async () => {
		const r = await raw(d.port, bytes);
		assert.ok(statuses.includes(r.status), r.head);
		if (bytes.startsWith('GET') && r.status !== 101)
			await r.sock.end(3000);
		r.sock.close();
	});
}

test('the accept key is that of RFC 6455 section 1.3', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	assert.equal(w.response.headers['sec-websocket-accept'],
	    's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
	assert.equal(w.response.headers['sec-websocket-protocol'], undefined);
	assert.equal(w.response.headers['sec-websocket-extensions'], undefined);
	w.drop();
});

for (const [name, headers] of [
	['Upgrade in mixed case', { Upgrade: 'WebSocket' }],
	['Connection with a list', { Connection: 'keep-alive, uPgrade' }],
	['unknown extensions', { 'Sec-WebSocket-Extensions': 'constructor, __proto__; x=1' }],
	['a broken deflate offer', { 'Sec-WebSocket-Extensions': 'permessage-deflate; server_max_window_bits=99; server_max_window_bits=9' }],
	['only commas as subprotocols', { 'Sec-WebSocket-Protocol': ' , , ,' }],
	['blanks as subprotocol', { 'Sec-WebSocket-Protocol': 'a' + ' '.repeat(7000) + 'b' }],
]) {
	test(`handshake: ${name} does no harm`, async () => {
		const w = await Ws.open(d.port, '/ws/echo', { headers });
		assert.ok([101, 400].includes(w.response.status), w.response.head);
		if (w.response.status === 101) {
			const ext = w.response.headers['sec-websocket-extensions'];
			assert.ok(!ext || !/constructor|proto|99/.test(ext), ext);
			await w.alive();
		}
		w.drop();
	});
}

test('subprotocol roost.v1 is chosen, others are not', async () => {
	const w = await Ws.must(d.port, '/ws/echo',
	    { protocols: ['foo', 'roost.v1', 'bar'] });
	assert.equal(w.response.headers['sec-websocket-protocol'], 'roost.v1');
	w.drop();
	const v = await Ws.open(d.port, '/ws/echo', { protocols: ['foo'] });
	assert.equal(v.response.headers['sec-websocket-protocol'], undefined);
	v.drop();
});

test('a token may come as subprotocol bearer.TOKEN and is never echoed', async () => {
	const token = user('ann');
	const w = await Ws.must(d.port, '/ws/private',
	    { protocols: ['roost.v1', `bearer.${token}`] });
	assert.equal(w.response.headers['sec-websocket-protocol'], 'roost.v1');
	assert.ok(!w.response.head.includes(token));
	w.drop();
});

for (const [name, opts, path] of [
	['as Authorization', (t) => ({ headers: { Authorization: `Bearer ${t}` } }), () => '/ws/private'],
	['as query parameter', () => ({}), (t) => `/ws/private?token=${t}`],
]) {
	test(`a token may come ${name}`, async () => {
		const t = user('ann');
		const w = await Ws.must(d.port, path(t), opts(t));
		w.drop();
	});
}

test('frames right behind the handshake request are served', async () => {
	const s = await Sock.open(d.port);
	const w = new Ws();
	w.s = s;
	s.send(Buffer.concat([Buffer.from(Ws.request('/ws/echo')),
	    frame(OP.text, '{"event":"q","data":1,"id":1}')]));
	assert.equal((await s.response()).status, 101);
	assert.deepEqual(await w.event(), { event: 'q', data: 1 });
	assert.deepEqual(await w.event(), { ack: 1, data: 1 });
	w.drop();
});

/* --- frames: what must end one connection, and only that one -------------- */

const T = (...a) => frame(OP.text, ...a);
const utf8 = (...bytes) => Buffer.from(bytes);
const q = (n) => `{"event":"q","data":"${'x'.repeat(n)}"}`;
const bad = [
	['an unmasked frame', T('x', { mask: false }), 1002],
	['RSV1 without deflate', T('x', { rsv: 4 }), 1002],
	['RSV2', T('x', { rsv: 2 }), 1002],
	['RSV3', T('x', { rsv: 1 }), 1002],
	['RSV1 on a ping', frame(OP.ping, 'x', { rsv: 4 }), 1002],
	...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((op) =>
	    [`reserved opcode ${op}`, frame(op, 'x'), 1002]),
	['a continuation without a start', frame(OP.cont, 'x'), 1002],
	['a new message inside a message', Buffer.concat([T('a', { fin: false }), T('b')]), 1002],
	['a fragmented ping', frame(OP.ping, 'x', { fin: false }), 1002],
	['a fragmented close', frame(OP.close, closePayload(1000), { fin: false }), 1002],
	['a ping of 126 bytes', frame(OP.ping, 'x'.repeat(126)), 1002],
	['a close of 126 bytes', frame(OP.close, closePayload(1000, 'x'.repeat(124))), 1002],
	['a length of 5 in 16 bits', T('xxxxx', { encoding: 16 }), 1002],
	['a length of 200 in 64 bits', T('x'.repeat(200), { encoding: 64 }), 1002],
	['a 64-bit length with the top bit', T('', { encoding: 64, length: 0x8000000000000001n }), [1002, 1009]],
	['a length of 2^64-1', T('', { encoding: 64, length: 0xffffffffffffffffn }), [1002, 1009]],
	['a length of 2^63-1', T('', { encoding: 64, length: 0x7fffffffffffffffn }), 1009],
	['one byte above message_bytes, by its header alone', T('', { length: LIMIT + 1, encoding: 64 }), 1009],
	['fragments that sum up above message_bytes', Buffer.concat([T('x'.repeat(40000), { fin: false }), frame(OP.cont, 'x'.repeat(40000))]), 1009],
	['more fragments than allowed', Buffer.concat([T('x', { fin: false }), ...Array.from({ length: 200 }, () => frame(OP.cont, 'x', { fin: false }))]), 1008],
	['endless empty fragments', Buffer.concat([T('', { fin: false }), ...Array.from({ length: 200 }, () => frame(OP.cont, '', { fin: false }))]), 1008],
	['a lone continuation byte as text', T(utf8(0x80)), 1007],
	['an overlong encoding', T(utf8(0x22, 0xc0, 0xaf, 0x22)), 1007],
	['a surrogate in UTF-8', T(utf8(0xed, 0xa0, 0x80)), 1007],
	['a code point above U+10FFFF', T(utf8(0xf4, 0x90, 0x80, 0x80)), 1007],
	['a cut code point', T(utf8(0x22, 0xe2, 0x82)), 1007],
	['bad UTF-8 over two fragments', Buffer.concat([T(utf8(0xe2), { fin: false }), frame(OP.cont, utf8(0x28, 0xa1))]), 1007],
	['a close of one byte', frame(OP.close, 'x'), 1002],
	...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535].map((c) =>
	    [`close code ${c}`, frame(OP.close, closePayload(c)), 1002]),
	['bad UTF-8 in a close reason', frame(OP.close, Buffer.concat([closePayload(1000), utf8(0xc3, 0x28)])), 1007],
	['binary on an envelope endpoint', frame(OP.binary, 'x'), 1003],
];
for (const [name, bytes, code] of bad) {
	test(`frames: ${name}: ${code}`, async () => {
		const w = await Ws.must(d.port, '/ws/echo');
		w.send(bytes);
		const c = await w.closed();
		assert.ok([code].flat().includes(c.code),
		    `closed with ${c.code} ${c.reason}`);
		await w.s.end(4000);
		await bystander.silent('bystander');
	});
}

/* --- messages that are no envelope: said so, and nothing more ------------- */

for (const [name, bytes] of [
	['text that is no JSON', T('hello')],
	['JSON that is no envelope', T('[1,2]')],
	['an envelope without event', T('{"data":1}')],
	['an event that is no string', T('{"event":{},"data":1}')],
	['an empty event name', T('{"event":"","data":1}')],
	['an id that is an object', T('{"event":"q","id":{}}')],
	['JSON nested 100,000 deep', T(`{"event":"q","data":${'['.repeat(30000)}`)],
	['a NUL byte in JSON', T('{"event":"q",\0"data":1}')],
	['a broken escape', T('{"event":"q","data":"\\x"}')],
	['a half number', T('{"event":"q","data":1.}')],
]) {
	test(`envelope: ${name}: error bad_request`, async () => {
		const w = await Ws.must(d.port, '/ws/echo');
		w.send(bytes);
		const m = await w.event();
		assert.equal(m.event, 'error');
		assert.equal(m.data.code, 'bad_request');
		w.json({ event: 'q', data: 1 });
		assert.deepEqual(await w.event(), { event: 'q', data: 1 });
		await w.bye();
	});
}

/* --- frames: what must work ----------------------------------------------- */

async function echoed(w, bytes, data) {
	w.send(bytes);
	assert.deepEqual(await w.event(), { event: 'q', data });
}
const good = [
	['one frame', (e) => T(e)],
	['mask key zero', (e) => T(e, { key: Buffer.alloc(4) })],
	['two fragments', (e) => Buffer.concat([T(e.slice(0, 7), { fin: false }), frame(OP.cont, e.slice(7))])],
	['a fragment per byte', (e) => Buffer.concat([T('', { fin: false }), ...[...Buffer.from(e)].map((b) => frame(OP.cont, Buffer.from([b]), { fin: false })), frame(OP.cont, '')])],
	['empty fragments at both ends', (e) => Buffer.concat([T('', { fin: false }), frame(OP.cont, e, { fin: false }), frame(OP.cont, '')])],
];
for (const [name, f] of good) {
	test(`frames: ${name} is one message`, async () => {
		const w = await Ws.must(d.port, '/ws/echo');
		await echoed(w, f('{"event":"q","data":"é😀"}'), 'é😀');
		await w.bye();
	});
}

test('frames: any split of the bytes gives the same message', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	const bytes = Buffer.concat([T('{"event":"q","data":"é"}'),
	    frame(OP.ping, 'p')]);
	for (let i = 1; i < bytes.length; i++) {
		w.send(bytes.subarray(0, i));
		/* two reads, most of the time; one is right, too */
		await new Promise((ok) => setTimeout(ok, 2));
		w.send(bytes.subarray(i));
		assert.deepEqual(await w.event(), { event: 'q', data: 'é' });
		assert.equal((await w.next()).opcode, 'pong');
	}
	await w.bye();
});

test('frames: control frames between fragments are answered at once', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(T('{"event":"q",', { fin: false }));
	for (let i = 0; i < 3; i++) {
		w.ping(`p${i}`);
		const f = await w.next();
		assert.equal(f.opcode, 'pong');
		assert.equal(f.text, `p${i}`);
	}
	await echoed(w, frame(OP.cont, '"data":7}'), 7);
	await w.bye();
});

test('frames: message sizes around each length encoding', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	const over = q(0).length;
	for (const n of [0, 1, 125 - over, 126 - over, 127 - over, 65535 - over,
	    LIMIT - over])
		if (n >= 0)
			await echoed(w, T(q(n)), 'x'.repeat(n));
	await w.bye();
});

test('frames: 500 messages in one write are answered in order', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(Buffer.concat(Array.from({ length: 500 }, (_, i) =>
	    T(`{"event":"q","data":${i}}`))));
	for (let i = 0; i < 500; i++)
		assert.deepEqual(await w.event(), { event: 'q', data: i });
	await w.bye();
});

test('frames: payload bytes travel unchanged', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	for (const json of ['-0', '1e+21', '1E400', '123456789012345678901234567890',
	    '"\\ud83d\\ude00"', '"\\u0000"', '"\u2028"', '{"a":1,"a":2}', 'null',
	    '{"__proto__":{"x":1},"constructor":2}', ' [ 1 , 2 ] ']) {
		w.text(`{"event":"q","data":${json}}`);
		const t = await w.message();
		assert.ok(t.includes(`"data":${json.trim()}`), t);
	}
	await w.bye();
});

test('text: half a surrogate pair is replaced, whoever hears it', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	const b = await Ws.must(d.port, '/bare');
	for (const [half, whole] of [['\\ud800', '\\ufffd'],
	    ['\\uDFFFx', '\\ufffdx'], ['\\ud83d\\ud83d\\ude00', '\\ufffd\\ud83d\\ude00'],
	    ['\\\\ud800', '\\\\ud800'], ['\\ud83d\\\\ude00', '\\ufffd\\\\ude00']]) {
		w.text(`{"event":"q","data":{"${half}":["${half}"]}}`);
		assert.ok((await w.message()).includes(
		    `"data":{"${whole}":["${whole}"]}`), half);
		b.text(`"${half}"`);
		assert.equal(await b.message(), `"${whole}"`);
	}
	await w.bye();
	await b.bye();
});

test('text: bad UTF-8 fails as it comes, in short frames and long ones', async () => {
	for (const n of [20, 125, 126, 4000, 4088, 4100, 8000]) {
		const w = await Ws.must(d.port, '/ws/echo');
		const whole = T(Buffer.concat([Buffer.from('"\xff', 'latin1'),
			Buffer.alloc(n - 2, 'x')]));
		w.send(whole.subarray(0, whole.length - 10));
		assert.equal((await w.closed()).code, 1007, `${n} bytes`);
		w.drop();
	}
	/* the beginning of a character is none yet */
	const w = await Ws.must(d.port, '/ws/echo');
	const whole = T(`{"event":"q","data":"${'é'.repeat(1000)}"}`);
	for (let i = 0; i < whole.length; i += 101) {
		w.send(whole.subarray(i, i + 101));
		await new Promise((ok) => setImmediate(ok));
	}
	assert.equal((await w.event()).data, 'é'.repeat(1000));
	await w.bye();
});

test('ping: an unsolicited pong is ignored', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(frame(OP.pong, 'x'));
	await w.silent();
	await w.bye();
});

test('close: code and reason are echoed, then the server closes TCP', async () => {
	for (const code of [1000, 1001, 1003, 1007, 1011, 3000, 4999]) {
		const w = await Ws.must(d.port, '/ws/echo');
		w.send(frame(OP.close, closePayload(code, 'bye')));
		const f = await w.next();
		assert.equal(f.opcode, 'close');
		assert.ok([code, 1000].includes(f.code), `${f.code}`);
		await w.s.end(3000);
	}
});

test('close: an empty close is answered', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(frame(OP.close));
	assert.equal((await w.next()).opcode, 'close');
	await w.s.end(3000);
});

test('close: data behind a close is ignored', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(Buffer.concat([frame(OP.close, closePayload(1000)),
	    T('{"event":"q","data":1}')]));
	assert.equal((await w.next()).opcode, 'close');
	assert.equal((await w.s.end(3000)).length, 0);
});

test('close: a peer that ignores our Close is cut after close_timeout', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(T('x', { mask: false }));
	const f = await w.next();
	assert.equal(f.code, 1002);
	await w.s.end(4000);
});

test('server frames are unmasked, final and without RSV bits', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.text('{"event":"q","data":1}');
	const f = await w.next();
	assert.deepEqual([f.masked, f.fin, f.rsv], [false, true, 0]);
	await w.bye();
});

test('a reset in the middle of a frame is an ordinary end', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	w.send(T(q(1000)).subarray(0, 500));
	w.s.reset();
	await bystander.silent();
});

test('bare: what is sent is the argument of "message", data comes alone', async () => {
	const w = await Ws.must(d.port, '/bare');
	for (const t of ['{"a":1}', '"x"', '5', '[null]']) {
		w.text(t);
		assert.equal(await w.message(), t);
	}
	w.text('not json');
	assert.equal((await w.closed()).code, 1007);
});

test('the ws client talks to it', async () => {
	const w = await plain(d, '/ws/echo', { protocols: ['roost.v1'] });
	assert.equal(w.protocol, 'roost.v1');
	assert.equal((await w.ask('q', { a: [1, 2] })).data.a[1], 2);
	w.close();
	await new Promise((ok) => w.once('close', (code) => {
		assert.ok([1000, 1005].includes(code));
		ok();
	}));
});

test('origins: same host, no origin; a foreign one is refused', async () => {
	const host = `127.0.0.1:${d.port}`;
	for (const [origin, ok] of [[undefined, true], [`http://${host}`, true],
	    ['http://evil.example', false], ['null', false],
	    [`http://${host}.evil.example`, false],
	    [`http://127.0.0.1:${d.port + 1}`, false]]) {
		const w = await Ws.open(d.port, '/ws/echo', { host,
			headers: origin ? { Origin: origin } : {} });
		assert.equal(w.response.status, ok ? 101 : 403, origin);
		w.drop();
	}
	await d.counts('connections_refused', (n) => n >= 4, 'why="origin"');
});
