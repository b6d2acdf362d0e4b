/* Responses in a content coding: which, when, for whom; request bodies in one. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { Daemon, here, until } from './lib/daemon.mjs';
import { connect, heard } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { load } from './lib/replay.mjs';
import { raw } from './lib/wire.mjs';
import { echo, listenTls } from './lib/conf.mjs';

const bundle = path.join(here, 'node_modules/socket.io-client/dist');
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `${echo}
client_bundle = "${bundle}"
${listenTls()}
` });
});
after(() => d.stop());

const takes = (v) => ({ headers: { 'accept-encoding': v } });
const event = (n, c = 'a') => `42["q","${c.repeat(n - 10)}"]`;
const decode = {
	gzip: zlib.gunzipSync,
	deflate: zlib.inflateSync,
	undefined: (b) => b,
};
const text = (r) =>
	decode[r.headers['content-encoding']](r.bytes).toString();

/* A session, and n bytes of response waiting for it. */
async function waiting(n, { port = d.port, body = event(n), ...o } = {}) {
	const p = await (await Polling.open(port, o)).connect();
	await p.send(body);
	return p;
}

test('as captured: http-compression', async () => {
	const f = load('http-compression');
	const [get, post, poll, ws] = f.events.filter((e) =>
		e.layer === 'http' && e.dir === 'c2s');
	const want = f.events.find((e) => e.headers?.['content-encoding']);
	const headers = { 'accept-encoding': poll.headers['accept-encoding'] };
	const r = await request(d.port, get.method, get.target, { headers });
	assert.equal(r.headers['content-encoding'], undefined);
	const sid = JSON.parse(r.body.slice(1)).sid;
	const target = post.target.replace(/sid=.*/, `sid=${sid}`);
	assert.equal((await request(d.port, 'POST', target,
	    { body: post.data })).body, 'ok');
	const big = '42["back","' + 'a'.repeat(3000) + '"]';
	assert.equal((await request(d.port, 'POST', target,
	    { body: big })).body, 'ok');
	const got = await request(d.port, 'GET', target, { headers });
	const plain = (b) => zlib.gunzipSync(b).toString()
	    .replace(/"sid":"[^"]*"/, '"sid":""').replace('"echo"', '"big"');
	assert.equal(got.status, want.status);
	for (const h of ['content-type', 'content-encoding', 'cache-control'])
		assert.equal(got.headers[h], want.headers[h], h);
	assert.equal(plain(got.bytes), plain(Buffer.from(want.data, 'base64')));
	/* where the server that was captured declined permessage-deflate */
	const up = await raw(d.port, `GET ${ws.target} HTTP/1.1\r\n${
	    Object.entries(ws.headers).map(([k, v]) => `${k}: ${v}\r\n`)
		.join('')}\r\n`);
	assert.equal(up.status, 101);
	assert.match(up.headers['sec-websocket-extensions'],
	    /^permessage-deflate; server_no_context_takeover/);
	up.sock.close();
});

for (const [accept, coding] of [
	['gzip', 'gzip'], ['gzip, deflate, br', 'gzip'], ['deflate', 'deflate'],
	['gzip;q=0.5, deflate;q=0.8', 'deflate'], ['*', 'gzip'],
	['gzip;q=0', undefined], ['identity', undefined], ['', undefined],
	['br', undefined], ['gzip;q=nonsense', undefined],
	['identity;q=0, gzip', 'gzip'], ['*;q=0', undefined],
]) {
	test(`Accept-Encoding "${accept}": ${coding ?? 'plain'}`, async () => {
		const p = await waiting(2000);
		const r = await p.get(takes(accept));
		assert.equal(r.headers['content-encoding'], coding);
		assert.equal(r.headers.vary, 'Accept-Encoding');
		assert.equal(Number(r.headers['content-length']),
		    r.bytes.length);
		assert.equal(text(r), event(2000));
	});
}

test('the threshold: 1023 bytes plain, 1024 not', async () => {
	for (const [n, coding, vary] of [[1023, undefined, undefined],
	    [1024, 'gzip', 'Accept-Encoding']]) {
		const p = await waiting(n);
		const r = await p.get(takes('gzip'));
		assert.equal(text(r).length, n);
		assert.equal(r.headers['content-encoding'], coding);
		assert.equal(r.headers.vary, vary);
	}
});

test('a client that refuses identity gets no other, however short', async () => {
	const p = await waiting(20);
	const r = await p.get(takes('gzip, identity;q=0'));
	assert.equal(r.headers['content-encoding'], 'gzip');
	assert.equal(text(r), event(20));
});

test('many packets, by reference and of several messages', async () => {
	const p = await waiting(0, { body: [...Array(100).keys()]
		.map((i) => `42["q",${i}]`).concat(event(5000)).join('\x1e') });
	const r = await p.get(takes('gzip'));
	assert.equal(r.headers['content-encoding'], 'gzip');
	assert.deepEqual(text(r).split('\x1e'),
	    [...[...Array(100).keys()].map((i) => `42["q",${i}]`),
		event(5000)]);
});

test('beside CORS there are two lines of Vary, or one list', async () => {
	const e = await Daemon.start({ conf: `${echo}
cors { origins = {"http://app.example"} }\n` });
	const p = await waiting(2000, { port: e.port });
	const r = await p.get({ headers: { 'accept-encoding': 'gzip',
		origin: 'http://app.example' } });
	assert.equal(r.headers['access-control-allow-origin'],
	    'http://app.example');
	assert.deepEqual(r.headers.vary.split(/, */).sort(),
	    ['Accept-Encoding', 'Origin']);
	assert.equal(text(r), event(2000));
	await e.stop();
});

test('what gets no smaller, or is too large, goes out as it is', async () => {
	const before = await d.metric('http_not_compressed');
	let noise = '';
	while (noise.length < 2000)
		noise += String.fromCharCode(0x4e00 + Math.random() * 20000);
	for (const body of [event(300000), `42["q","${noise}"]`]) {
		const p = await waiting(0, { body });
		const r = await p.get(takes('gzip'));
		if (body.length > 100000) {
			assert.equal(r.headers['content-encoding'], undefined);
			assert.equal(r.headers.vary, 'Accept-Encoding');
		}
		assert.equal(text(r), body);
	}
	await d.counts('http_not_compressed', (n) => n > before);
});

test('it is counted, with bytes before and after', async () => {
	const names = ['http_compressed', 'http_compressed_in_bytes',
		'http_compressed_out_bytes'];
	const look = async () => Promise.all(names.map((n) => d.metric(n)));
	const old = await look();
	const p = await waiting(50000);
	const r = await p.get(takes('gzip'));
	const now = await look();
	assert.deepEqual(now.map((v, i) => v - old[i]),
	    [1, 50000, r.bytes.length]);
	assert.ok(r.bytes.length < 1000);
});

test('over TLS', async () => {
	const tls = { rejectUnauthorized: false };
	const p = await waiting(3000, { port: d.ports[1], tls });
	const r = await p.get(takes('gzip'));
	assert.equal(r.headers['content-encoding'], 'gzip');
	assert.equal(text(r), event(3000));
});

test('through whichever worker the request came', async () => {
	const before = await d.metric('eio_forwarded');
	const p = await (await Polling.open(d.port)).connect();
	for (let i = 0; i < 30; i++) {
		await p.send(event(1500 + i));
		const r = await p.get(takes('gzip'));
		assert.equal(r.headers['content-encoding'], 'gzip');
		assert.equal(text(r), event(1500 + i));
	}
	await d.counts('eio_forwarded', (n) => n > before);
});

test('socket.io-client takes it', async () => {
	const s = await connect(d, '/', { transports: ['polling'],
		extraHeaders: { 'accept-encoding': 'identity' } });
	for (let i = 0; i < 20; i++)
		s.emit('back', 'x'.repeat(3000), i);
	assert.deepEqual((await heard(s, 'echo', 20)).map((a) => a[1]),
	    [...Array(20).keys()]);
	s.close();
});

test('a request body in a coding: 415, and the session does not mind', async () => {
	const p = await (await Polling.open(d.port)).connect();
	for (const coding of ['gzip', 'deflate', 'br', 'identity, gzip']) {
		const r = await p.post(zlib.gzipSync('42["q",1]'),
		    { headers: { 'content-encoding': coding } });
		assert.deepEqual([r.status, r.body], [415, '']);
		assert.equal(r.headers['accept-encoding'], 'identity');
	}
	assert.equal((await p.post('42["q",2]',
	    { headers: { 'content-encoding': 'identity' } })).body, 'ok');
	assert.deepEqual(await p.packets(), ['42["q",2]']);
});

test('the client bundle was compressed once', async () => {
	const t = '/socket.io/socket.io.min.js';
	const file = fs.readFileSync(path.join(bundle, 'socket.io.min.js'));
	const plain = await request(d.port, 'GET', t);
	assert.deepEqual(plain.bytes, file);
	assert.equal(plain.headers.vary, 'Accept-Encoding');
	const count = await d.metric('http_compressed');
	const r = await request(d.port, 'GET', t, takes('gzip'));
	assert.equal(r.headers['content-encoding'], 'gzip');
	assert.equal(r.headers.vary, 'Accept-Encoding');
	assert.equal(r.headers.etag, `W/${plain.headers.etag}`);
	assert.ok(r.bytes.length < file.length / 2);
	assert.deepEqual(zlib.gunzipSync(r.bytes), file);
	const head = await request(d.port, 'HEAD', t, takes('gzip'));
	assert.deepEqual([head.headers['content-length'], head.body],
	    [String(r.bytes.length), '']);
	for (const tag of [plain.headers.etag, r.headers.etag])
		assert.equal((await request(d.port, 'GET', t, { headers: {
			'accept-encoding': 'gzip', 'if-none-match': tag,
		} })).status, 304);
	await d.counts('http_compressed', count);
});

test('/metrics, for who asks', async () => {
	const r = await request(d.port, 'GET', '/metrics', takes('gzip'));
	assert.equal(r.headers['content-encoding'], 'gzip');
	assert.equal(r.headers.vary, 'Accept-Encoding');
	assert.match(text(r), /^roost_connections_accepted_total \d+$/m);
});

test('http_compression = false, and another threshold', async () => {
	const off = await Daemon.start({ conf: `${echo}
client_bundle = "${bundle}"\nsocketio { http_compression = false }\n` });
	for (const r of [
	    await (await waiting(5000, { port: off.port })).get(takes('gzip')),
	    await request(off.port, 'GET', '/socket.io/socket.io.js',
		takes('gzip')),
	    await request(off.port, 'GET', '/metrics', takes('gzip'))]) {
		assert.equal(r.status, 200);
		assert.equal(r.headers['content-encoding'], undefined);
		assert.equal(r.headers.vary, undefined);
	}
	await off.stop();
	const low = await Daemon.start({ conf: `${echo}
socketio { http_compression_threshold = 100B }\n` });
	const r = await (await waiting(100, { port: low.port }))
	    .get(takes('gzip'));
	assert.equal(r.headers['content-encoding'], 'gzip');
	assert.equal(text(r), event(100));
	await low.stop();
});

test('many large ones in one turn: some plain, all whole', async () => {
	const e = await Daemon.start({ conf: `namespace "/" { auth = none
	    room "{r}" { join = open } event "m" { to = room:room meta = off } }
	limits { send_queue_bytes = 8MB }\n` });
	const list = await Promise.all([...Array(20).keys()].map(async () => {
		const p = await (await Polling.open(e.port)).connect();
		await p.send('42["room:join",{"room":"r"}]');
		return p;
	}));
	const gets = list.map((p) => p.get(takes('gzip')));
	await until(async () => await e.metric('connections_open') > 20, 'GETs');
	const s = await connect(e, '/', {});
	await s.emitWithAck('room:join', { room: 'r' });
	const m = { room: 'r', x: 'y'.repeat(200000) };
	s.emit('m', m);
	const got = await Promise.all(gets);
	for (const r of got)
		assert.equal(text(r), `42["m",${JSON.stringify(m)}]`);
	const coded = got.filter((r) => r.headers['content-encoding']).length;
	assert.ok(coded >= 1 && coded < 20, `${coded} of 20`);
	s.close();
	await e.stop();
});
