/*
 * RFC 7692, permessage-deflate: what is agreed on, messages both ways on every
 * kind of WebSocket, what is compressed and what is not, and what is too much.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { Daemon, until, within } from './lib/daemon.mjs';
import { WebSocket, ask, connect, connected, heard, plain } from './lib/clients.mjs';
import { OP, Ws, engine, frame, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const LIMIT = 65536, LEAST = 300;
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const OFFER = 'permessage-deflate';
const BOTH = `${OFFER}; server_no_context_takeover; client_no_context_takeover`;

let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: `${echo}
limits { message_bytes = ${LIMIT}B fragments = 100 close_timeout = 1s }
websocket { deflate_threshold = ${LEAST}B }
recovery { window = 1m }
namespace "/off" { auth = none deflate = false
    event "q" { to = sender meta = off ack = echo } }
namespace "/raw" { auth = none event "message" { to = sender meta = off } }
route "/lws" { namespace = "/raw" format = raw }
listen "127.0.0.1:0" { deflate = false }
` });
});
after(() => d.stop());

/* A message as RFC 7692, 7.2.1 makes it of one. */
const pack = (data, options = {}) => {
	const b = zlib.deflateRawSync(Buffer.from(data),
	    { finishFlush: zlib.constants.Z_SYNC_FLUSH, ...options });
	return b.subarray(0, b.length - 4);
};
const unpack = (b, windowBits = 15) => zlib.inflateRawSync(
    Buffer.concat([b, TAIL]),
    { finishFlush: zlib.constants.Z_SYNC_FLUSH, windowBits }).toString();
const packed = (data, o = {}) => frame(OP.text, data, { rsv: 4, ...o });
const envelope = (data) => JSON.stringify({ event: 'q', data });
/* Text that gets smaller, of n bytes. */
const words = (n) => 'the quick brown fox jumps over the lazy dog, and '
    .repeat(Math.ceil(n / 49)).slice(0, n);
const noise = (n) => Buffer.from(Array.from({ length: n }, () =>
	Math.random() * 256)).toString('base64').slice(0, n);

const open = (offer = OFFER, path = '/ws/echo', o = {}) =>
	Ws.must(d.port, path, { headers: { 'Sec-WebSocket-Extensions': offer }, ...o });
const accepted = (w) => w.response.headers['sec-websocket-extensions'];
/* What comes back of it. */
async function back(w, data, bytes = packed(pack(envelope(data)))) {
	w.send(bytes);
	const f = await w.next('echo');
	assert.equal(f.opcode, 'text', `${f.code ?? ''} ${f.text}`);
	const text = f.rsv === 4 ? unpack(f.payload) : f.text;
	assert.deepEqual(JSON.parse(text), { event: 'q', data });
	return f;
}

/* --- the offer (section 7) ------------------------------------------------ */

for (const [offer, want] of [
	[OFFER, BOTH],
	[`${OFFER}; client_max_window_bits`, BOTH],
	[`${OFFER}; client_max_window_bits=9`, BOTH],
	[`${OFFER}; client_max_window_bits="10"`, BOTH],
	[`${OFFER};server_no_context_takeover;client_no_context_takeover`, BOTH],
	[`${OFFER}; server_max_window_bits=15`, `${BOTH}; server_max_window_bits=12`],
	[`${OFFER}; server_max_window_bits=12`, `${BOTH}; server_max_window_bits=12`],
	[`${OFFER}; server_max_window_bits=11`, `${BOTH}; server_max_window_bits=9`],
	[`${OFFER}; server_max_window_bits=9`, `${BOTH}; server_max_window_bits=9`],
	/* a later one, where the first is none for us */
	[`${OFFER}; server_max_window_bits=8, ${OFFER}`, BOTH],
	[`x-webkit-deflate-frame, foo; a="b";c, ${OFFER}`, BOTH],
	[`, ,${OFFER} ; x=1 ,${OFFER}; server_max_window_bits=10`, `${BOTH}; server_max_window_bits=9`],
	/* declined */
	[`${OFFER}; server_max_window_bits=8`, undefined],
	[`${OFFER}; server_max_window_bits`, undefined],
	[`${OFFER}; server_max_window_bits=16`, undefined],
	[`${OFFER}; server_max_window_bits=7`, undefined],
	[`${OFFER}; server_max_window_bits=012`, undefined],
	[`${OFFER}; server_max_window_bits=ten`, undefined],
	[`${OFFER}; client_max_window_bits=16`, undefined],
	[`${OFFER}; client_max_window_bits=7`, undefined],
	[`${OFFER}; server_no_context_takeover=1`, undefined],
	[`${OFFER}; client_no_context_takeover=true`, undefined],
	[`${OFFER}; client_max_window_bits; client_max_window_bits`, undefined],
	[`${OFFER}; unknown`, undefined],
	['permessage-bzip2', undefined],
	['Permessage-Deflate-2', undefined],
]) {
	test(`offer: ${offer}: ${want ? want.slice(OFFER.length + 56) || 'yes' : 'no'}`, async () => {
		const w = await open(offer);
		assert.equal(accepted(w), want);
		if (want)
			await back(w, words(1000));
		else {
			w.send(packed(pack(envelope('x'))));
			assert.equal((await w.closed()).code, 1002);
		}
		w.drop();
	});
}

test('offers on two lines are one list', async () => {
	const w = await open(`${OFFER}; nonsense\r\nSec-WebSocket-Extensions: ${OFFER}`);
	assert.equal(accepted(w), BOTH);
	w.drop();
});

for (const offer of [`${OFFER};`, `${OFFER}; =1`, `${OFFER} client`, `${OFFER}; a="`,
	`${OFFER}; a=`, '@', `${OFFER}; a="b c"`]) {
	test(`a field that is none is refused: ${offer}`, async () => {
		const w = await Ws.open(d.port, '/ws/echo',
		    { headers: { 'Sec-WebSocket-Extensions': offer } });
		assert.equal(w.response.status, 400, w.response.head);
	});
}

test('who does not offer it gets nothing compressed', async () => {
	const w = await Ws.must(d.port, '/ws/echo');
	assert.equal(accepted(w), undefined);
	w.text(envelope(words(2000)));
	assert.equal((await w.next()).rsv, 0);
	w.send(packed(pack(envelope('x'))));
	assert.equal((await w.closed()).code, 1002);
	w.drop();
});

test('a namespace and a listener without it decline', async () => {
	const w = await open(OFFER, '/ws/off');
	assert.equal(accepted(w), undefined);
	w.drop();
	const port = d.ports.find((p) => p !== d.port);
	const v = await Ws.must(port, '/ws/echo',
	    { headers: { 'Sec-WebSocket-Extensions': OFFER } });
	assert.equal(accepted(v), undefined);
	v.drop();
});

/* --- messages ------------------------------------------------------------- */

test('what is long enough and gets smaller is compressed, the rest is not', async () => {
	const w = await open();
	assert.equal((await back(w, 'short')).rsv, 0);
	const f = await back(w, words(4000));
	assert.equal(f.rsv, 4);
	assert.ok(f.payload.length < 400, f.payload.length);
	assert.equal((await back(w, words(LEAST - 40))).rsv, 0);
	w.text(envelope(words(1000)));
	assert.equal((await w.next()).rsv, 4);
	await d.counts('ws_inflated', (n) => n >= 3);
	await d.counts('ws_deflated', (n) => n >= 2);
	const [before_, after_] = [await d.metric('ws_deflated_in_bytes'),
		await d.metric('ws_deflated_out_bytes')];
	assert.ok(after_ > 0 && after_ < before_, `${before_} ${after_}`);
	w.drop();
});

test('a reader with a window of 9 bits reads all', async () => {
	const w = await open(`${OFFER}; server_max_window_bits=9`);
	const text = Array.from({ length: 400 }, (_, i) => `${i * 7919 % 1000} ${
	    words(40)}`).join('');
	w.text(envelope(text));
	const f = await w.next();
	assert.equal(f.rsv, 4);
	assert.equal(JSON.parse(unpack(f.payload, 9)).data, text);
	w.drop();
});

test('every way to write a message is read', async () => {
	const w = await open(), data = words(900), m = envelope(data);
	for (const level of [0, 1, 9])
		await back(w, data, packed(pack(m, { level })));
	for (const strategy of [zlib.constants.Z_FIXED, zlib.constants.Z_HUFFMAN_ONLY])
		await back(w, data, packed(pack(m, { strategy })));
	/* 7.2.3.4: a final block, and a byte behind it; without it, as some do */
	await back(w, data, packed(Buffer.concat([zlib.deflateRawSync(m),
		Buffer.from([0])])));
	await back(w, data, packed(zlib.deflateRawSync(m)));
	/* 7.2.3.5: two blocks; empty ones between and behind them */
	const two = Buffer.concat([pack(m.slice(0, 400)), TAIL, Buffer.from([0]), TAIL,
		pack(m.slice(400)), TAIL, Buffer.from([0])]);
	await back(w, data, packed(two));
	/* one that ends a stream, and another stream */
	await back(w, data, packed(Buffer.concat([zlib.deflateRawSync(m.slice(0, 50)),
		pack(m.slice(50))])));
	w.drop();
});

test('fragments of a compressed message, and control frames between', async () => {
	const w = await open(), data = words(3000), z = pack(envelope(data));
	const cut = [1, 7, z.length - 3];
	w.send(frame(OP.text, z.subarray(0, cut[0]), { fin: false, rsv: 4 }));
	w.ping('between');
	w.send(frame(OP.cont, z.subarray(cut[0], cut[1]), { fin: false }));
	w.send(frame(OP.cont, '', { fin: false }));
	w.send(frame(OP.cont, z.subarray(cut[1], cut[2]), { fin: false }));
	assert.equal((await w.next()).text, 'between');
	await back(w, data, frame(OP.cont, z.subarray(cut[2])));
	/* plain fragments still are */
	const m = envelope('plain');
	w.send(frame(OP.text, m.slice(0, 5), { fin: false }));
	await back(w, 'plain', frame(OP.cont, m.slice(5)));
	/* a frame in pieces, byte by byte at its begin */
	const bytes = packed(z);
	for (let i = 0; i < 12; i++)
		w.send(bytes.subarray(i, i + 1));
	await back(w, data, bytes.subarray(12));
	w.drop();
});

for (const [name, bytes, code] of [
	['RSV1 on a continuation', () => [frame(OP.text, 'a', { fin: false }), frame(OP.cont, 'b', { rsv: 4 })], 1002],
	['RSV1 on a continuation of a compressed message', () => [packed('a', { fin: false }), frame(OP.cont, 'b', { rsv: 4 })], 1002],
	['RSV1 on a ping', () => [frame(OP.ping, '', { rsv: 4 })], 1002],
	['RSV1 on a Close', () => [frame(OP.close, '', { rsv: 4 })], 1002],
	['RSV2', () => [frame(OP.text, '{}', { rsv: 2 })], 1002],
	['RSV3', () => [frame(OP.text, '{}', { rsv: 1 })], 1002],
	['RSV1 and RSV2', () => [packed(pack('{}'), { rsv: 6 })], 1002],
	['what is no DEFLATE', () => [packed(Buffer.from('ffffffff', 'hex'))], 1007],
	['a block that is cut off', () => [packed(pack(envelope(words(900))).subarray(0, 20))], 1007],
	['a stored block that is cut off', () => [packed(pack(envelope(words(900)), { level: 0 }).subarray(0, 200))], 1007],
	['a reference to what was before', () => [packed(Buffer.from([0x02, 0x13, 0, 0]))], 1007],
	['text that is no UTF-8, inflated', () => [packed(pack(Buffer.from([0x22, 0xff, 0xfe, 0x22])))], 1007],
	['too large, inflated', () => [packed(pack(envelope(words(LIMIT))))], 1009],
	['a bomb', () => [packed(pack(Buffer.alloc(60 << 20)))], 1009],
	['a bomb in fragments', () => {
		const z = pack(Buffer.alloc(16 << 20));
		return [packed(z.subarray(0, 100), { fin: false }), frame(OP.cont, z.subarray(100))];
	}, 1009],
	['streams without an end', () => [packed(Buffer.alloc(8000, Buffer.from([0x03, 0x00])))], 1007],
]) {
	test(`${name}: ${code}`, async () => {
		const w = await open();
		for (const b of bytes())
			w.send(b);
		const c = await w.closed();
		assert.equal(c.code, code, c.reason);
		w.drop();
	});
}

test('bombs are counted, and what is no DEFLATE', async () => {
	await d.counts('ws_inflate_too_big', (n) => n >= 3);
	await d.counts('connections_closed', (n) => n >= 4, 'reason="ws_inflate"');
});

test('the largest message there may be comes through, at any level', async () => {
	const w = await open(), data = noise(LIMIT - envelope('').length);
	for (const level of [0, 1, 9])
		await back(w, data, packed(pack(envelope(data), { level })));
	w.drop();
});

/* --- many receivers ------------------------------------------------------- */

test('a broadcast is compressed once for each window', async () => {
	const offers = [...Array(6).fill(OFFER), ...Array(4).fill(
	    `${OFFER}; server_max_window_bits=9`), ...Array(3).fill('foo')];
	const all = await Promise.all(offers.map((o) => open(o)));
	for (const w of all)
		await w.ack({ event: 'room:join', data: { room: 'many' }, id: 1 });
	const from = await open('foo');
	await from.ack({ event: 'room:join', data: { room: 'many' }, id: 1 });
	const names = ['ws_deflated', 'encodings'];
	const read = () => Promise.all(names.map((n) => d.metric(n)));
	const was = await read();
	for (let i = 0; i < 3; i++)
		await from.ack({ event: 'tell', data: { room: 'many', i,
			text: words(1500) }, id: i + 2 });
	const is = await read();
	assert.deepEqual(is.map((n, i) => n - was[i]), [3 * 2, 3 * 3]);
	for (const [k, w] of all.entries())
		for (let i = 0; i < 3; i++) {
			const f = await w.next('tell');
			assert.equal(f.rsv, k < 10 ? 4 : 0);
			const text = f.rsv ? unpack(f.payload, k < 6 ? 12 : 9) : f.text;
			assert.equal(JSON.parse(text).data.i, i);
			assert.equal(JSON.parse(text).data.text, words(1500));
		}
	[...all, from].forEach((w) => w.drop());
});

/* --- clients -------------------------------------------------------------- */

test('ws, with its parameters', async () => {
	for (const perMessageDeflate of [{ threshold: 0 },
		{ threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 9 },
		{ serverNoContextTakeover: true, clientNoContextTakeover: true,
			threshold: 0 }, { clientMaxWindowBits: true, threshold: 0 }]) {
		const w = await plain(d, '/ws/echo', { perMessageDeflate });
		assert.match(w.extensions, /^permessage-deflate/);
		for (let i = 0; i < 20; i++)
			assert.deepEqual((await w.ask('q', words(i * 97))).data,
			    words(i * 97));
		w.terminate();
	}
	const w = await plain(d, '/ws/echo', { perMessageDeflate: false });
	assert.equal(w.extensions, '');
	w.terminate();
});

test('socket.io-client: texts and attachments, from the start and after an upgrade', async () => {
	for (const transports of [['websocket'], ['polling', 'websocket']]) {
		const s = await connect(d, '/', { transports,
			perMessageDeflate: { threshold: 100 } });
		await until(() => s.io.engine.transport.name === 'websocket', 'upgrade');
		assert.match(s.io.engine.transport.ws.extensions, /^permessage-deflate/);
		const was = await d.metric('ws_deflated');
		assert.equal(await ask(s, 'q', words(3000)), words(3000));
		const bytes = [Buffer.alloc(2000, 'ab'), Buffer.from(noise(1000))];
		const got = await ask(s, 'q', { t: words(600), a: bytes[0], b: bytes[1] });
		assert.deepEqual(got, { t: words(600), a: bytes[0], b: bytes[1] });
		assert.ok(await d.metric('ws_deflated') >= was + 4);
		s.close();
	}
});

test('Socket.IO in a namespace without it: what is sent there is plain', async () => {
	const w = await socketio(d.port, { nsp: '/off', headers:
	    { 'Sec-WebSocket-Extensions': OFFER } });
	assert.equal(accepted(w), BOTH);
	w.text(`42/off,["q","${words(2000)}"]`);
	assert.equal((await w.next()).rsv, 0);
	w.text('40');
	await w.message();
	w.text(`42["q","${words(2000)}"]`);
	assert.equal((await w.next()).rsv, 4);
	w.drop();
});

test('who was cut off is told what it missed, as it has it now', async () => {
	const want = [1, 2, 3, 4].map((i) => ({ room: 'back', i, t: words(700 + i) }));
	for (const again of [{}, { perMessageDeflate: false },
		{ transports: ['polling'] }]) {
		const from = await connect(d, '/'), got = [];
		const s = await connect(d, '/', { reconnection: false });
		await ask(s, 'room:join', { room: 'back' });
		await ask(from, 'room:join', { room: 'back' });
		s.on('tell', (m) => got.push(m));
		await ask(from, 'tell', want[0]);
		await until(() => got.length === 1, 'the first');
		/* two that it is sent and does not read, and two that wait */
		const ws = s.io.engine.transport.ws;
		ws._socket.pause();
		await ask(from, 'tell', want[1]);
		await ask(from, 'tell', want[2]);
		ws._socket.destroy();
		await until(() => !s.connected, 'the end');
		await ask(from, 'tell', want[3]);
		Object.assign(s.io.opts, again);
		s.connect();
		await connected(s);
		assert.equal(s.recovered, true);
		await until(() => got.length >= 4, 'what it missed');
		assert.deepEqual(got, want);
		s.close();
		from.close();
	}
});

const python = `
import asyncio, sys, websockets
from websockets.extensions import permessage_deflate as pd
async def one(n, **k):
    async with websockets.connect(sys.argv[1], max_size=None, **k) as w:
        found = w.extensions if hasattr(w, 'extensions') else w.protocol.extensions
        assert [e.name for e in found] == (['permessage-deflate'] if n else []), found
        for size in (1, 100, 1000, 5000, 20000):
            text = ('words and words %d ' % size) * (size // 16 + 1)
            await w.send('{"event":"q","data":"%s"}' % text)
            assert text in await w.recv(), size
        await w.send(['{"event":"q","da', 'ta":"', 'in pieces"}'])
        assert 'in pieces' in await w.recv()
async def main():
    await one(1)
    await one(0, compression=None)
    for s in (None, 15, 12, 9):
        await one(1, compression=None, extensions=[pd.ClientPerMessageDeflateFactory(
            server_max_window_bits=s, client_max_window_bits=s or True, compress_settings={'memLevel': 5})])
    print('good')
asyncio.run(main())
`;
test('websockets of Python, with its parameters', async () => {
	const out = await within(new Promise((ok) => execFile('/usr/bin/python3',
	    ['-c', python, d.ws('/ws/echo')], (e, a, b) => ok(a + b))), 'python', 20000);
	assert.equal(out, 'good\n');
});

test('the test client of libwebsockets', async () => {
	const was = await d.metric('ws_inflated');
	const c = spawn('libwebsockets-test-client', [d.ws('/lws'), '-d', '15'],
	    { stdio: ['ignore', 'pipe', 'pipe'] });
	let said = '';
	for (const s of [c.stdout, c.stderr])
		s.on('data', (b) => { said += b; });
	const ended = new Promise((ok) => c.on('close', ok));
	c.on('error', (e) => { said += e; });
	try {
		await until(() => /instantiating client ext permessage-deflate/.test(said) &&
		    /CLIENT_ESTABLISHED/.test(said), 'its handshake', 10000);
		await d.counts('ws_inflated', (n) => n >= was + 2);
		assert.doesNotMatch(said, /CLIENT_CONNECTION_ERROR|CLIENT_CLOSED|zlib error/);
	} catch (e) {
		assert.fail(`${e.message}\n${said.slice(-2000)}`);
	} finally {
		c.kill();
		await ended;
	}
});

/* --- another worker ------------------------------------------------------- */

test('a reload: what was agreed on, and a message that is half read, go over', async () => {
	const all = await Promise.all([OFFER, `${OFFER}; server_max_window_bits=9`]
	    .map((o) => open(o)));
	const e = await engine(d.port, { headers: { 'Sec-WebSocket-Extensions': OFFER } });
	e.text('40');
	await e.message();
	const data = words(3000), z = pack(envelope(data));
	for (const w of all) {
		w.send(packed(z.subarray(0, 9), { fin: false }));
		w.send(frame(OP.cont, z.subarray(9, 30), { fin: false }));
		await w.alive();
		w.rest = frame(OP.cont, z.subarray(30));
		w.send(w.rest.subarray(0, 20));
	}
	const old = d.worker(1).pid;
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.children().filter((c) => c.role === 'worker')
	    .every((c) => c.pid !== old), 'another worker', 20000);
	for (const [i, w] of all.entries()) {
		w.send(w.rest.subarray(20));
		const f = await w.next('echo');
		assert.equal(f.rsv, 4, `${f.opcode} ${f.text}`);
		assert.equal(JSON.parse(unpack(f.payload, i ? 9 : 12)).data, data);
		w.drop();
	}
	e.send(packed(pack(`42["q","${data}"]`)));
	const f = await e.next('echo');
	assert.equal(f.rsv, 4);
	assert.ok(unpack(f.payload).startsWith(`42["q","${data}"`));
	e.drop();
});
