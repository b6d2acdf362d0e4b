/*
 * HTTP at its edges: one byte more or less, one piece or two, one letter that
 * stands elsewhere.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { Polling } from './lib/polling.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: `${echo}
limits { handshake_timeout = 1s }
api { key "k" { sha256 = "${sha('key')}" allow = {"publish"} } }\n` });
});
after(() => d.stop());

const get = (target, more = '', line = 'HTTP/1.1') =>
	`GET ${target} ${line}\r\nHost: x\r\n${more}\r\n`;
/* The answer to these bytes, and whether the connection goes on. */
async function answer(bytes, port = d.port) {
	const r = await raw(port, bytes);
	r.stays = r.headers.connection === 'keep-alive';
	if (r.stays) {
		r.sock.send(get('/livez'));
		assert.equal((await r.sock.response()).status, 200);
	} else {
		assert.equal((await r.sock.end()).length, 0);
	}
	r.sock.close();
	return r;
}

/* --- heads ---------------------------------------------------------------- */

test('half a head is answered 408, silence by nothing', async () => {
	for (const half of ['G', 'GET /livez HTTP/1.1\r\n',
		'GET /livez HTTP/1.1\r\nHost: x\r\n']) {
		const s = await Sock.open(d.port);
		s.send(half);
		const r = await s.response();
		assert.equal(r.status, 408, half);
		assert.equal(JSON.parse(r.body).error.code, 'timeout');
		assert.equal((await s.end()).length, 0);
	}
	const silent = await Sock.open(d.port);
	assert.equal((await silent.end()).length, 0);
});

test('a head of exactly the limit is taken, one byte more is 431', async () => {
	const head = (n) => {
		const rest = get('/livez', 'A: \r\n').length;
		return get('/livez', `A: ${'b'.repeat(n - rest)}\r\n`);
	};
	assert.equal(head(16384).length, 16384);
	assert.equal((await answer(head(16384))).status, 200);
	assert.equal((await answer(head(16383))).status, 200);
	assert.equal((await answer(head(16385))).status, 431);
	/* so long and no end: nothing is waited for, which would end in 408 */
	assert.equal((await answer(head(16389).slice(0, 16384))).status, 431);
	const s = await Sock.open(d.port);
	s.send(head(16388).slice(0, 16383));
	assert.equal((await s.response()).status, 408);
	s.close();
});

test('a request line of exactly the limit is taken, one more is 414', async () => {
	const line = (n) => get(`/livez?${'x'.repeat(
	    n - 'GET /livez? HTTP/1.1'.length)}`);
	assert.equal(line(8192).indexOf('\r\n'), 8192);
	assert.equal((await answer(line(8192))).status, 200);
	assert.equal((await answer(line(8193))).status, 414);
});

for (const [what, bytes, status] of [
	['HTTP/1-1', 'GET /livez HTTP/1-1\r\nHost: x\r\n\r\n', 400],
	['HTTP/1.12', 'GET /livez HTTP/1.12\r\nHost: x\r\n\r\n', 400],
	['HTTP/1.x', 'GET /livez HTTP/1.x\r\nHost: x\r\n\r\n', 400],
	['HTTP/x.1', 'GET /livez HTTP/x.1\r\nHost: x\r\n\r\n', 400],
	['HTTP/1.2', 'GET /livez HTTP/1.2\r\nHost: x\r\n\r\n', 505],
	['HTTP/2.0', 'GET /livez HTTP/2.0\r\nHost: x\r\n\r\n', 505],
	['http/1.1', 'GET /livez http/1.1\r\nHost: x\r\n\r\n', 400],
	['Host: zoo.example', 'GET /livez HTTP/1.1\r\nHost: zoo.example\r\n\r\n',
		200],
	['Host: ZOO.example', 'GET /livez HTTP/1.1\r\nHost: ZOO.example\r\n\r\n',
		200],
	['Host: {', 'GET /livez HTTP/1.1\r\nHost: {\r\n\r\n', 400],
	['Host: @', 'GET /livez HTTP/1.1\r\nHost: @\r\n\r\n', 400],
	['a DEL in a field', get('/livez', 'A: \x7f\r\n'), 400],
	['a ~ in a field', get('/livez', 'A~: ~\r\n'), 200],
])
	test(`HTTP: ${what}: ${status}`, async () => {
		assert.equal((await answer(bytes)).status, status);
	});

/* --- bodies --------------------------------------------------------------- */

test('Content-Length: 0 keeps the connection', async () => {
	const r = await answer(get('/livez', 'Content-Length: 0\r\n'));
	assert.deepEqual([r.status, r.stays], [200, true]);
	const none = await answer(get('/nothing', 'Content-Length: 0\r\n'));
	assert.deepEqual([none.status, none.stays], [404, true]);
	/* a body that nobody reads does not */
	const body = await raw(d.port, get('/livez', 'Content-Length: 1\r\n') + 'x');
	assert.equal(body.headers.connection, 'close');
	body.sock.close();
});

test('a compressed body is refused with 415 and what is taken', async () => {
	const r = await answer('POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    'Authorization: Bearer key\r\nContent-Encoding: gzip\r\n' +
	    'Content-Length: 0\r\n\r\n');
	assert.equal(r.status, 415);
	assert.equal(r.headers['accept-encoding'], 'identity');
	assert.equal(JSON.parse(r.body).error.code, 'unsupported_media_type');
	/* identity is no coding */
	const plain = await answer('POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    'Authorization: Bearer key\r\nContent-Encoding: identity\r\n' +
	    'Content-Length: 2\r\n\r\n{}');
	assert.equal(plain.status, 400);
});

/* Closed at once, what it goes on sending would reset the answer away: so do
 * proxies that speak HTTP/1.0, and clients that keep no connection. */
async function onTheWay(head, piece) {
	const s = await Sock.open(d.port);
	s.sock.pause();		/* it reads when it has sent all */
	s.send(head);
	for (let i = 0; i < 3; i++) {
		await answer(get('/livez'));
		s.send(piece);
	}
	await answer(get('/livez'));
	s.sock.resume();
	const r = await s.response();
	assert.equal((await s.end()).length, 0);
	assert.equal(s.error, undefined);
	s.close();
	return r;
}

for (const [what, line, more, status] of [
	['a wrong key', 'POST /api/v1/publish HTTP/1.0', '', 401],
	['a wrong key, 1.1', 'POST /api/v1/publish HTTP/1.1',
		'Connection: close\r\n', 401],
	['too large', 'POST /api/v1/publish HTTP/1.0',
		'Authorization: Bearer key\r\n', 413],
	['a wrong path', 'POST /nothing HTTP/1.0', '', 404],
	['a wrong method', 'PUT /livez HTTP/1.0', '', 405],
	['no session', 'POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.0',
		'', 400],
	['a body nobody wants', 'GET /livez HTTP/1.0', '', 200],
])
	test(`refused with its body on the way: ${what}`, async () => {
		const r = await onTheWay(`${line}\r\nHost: x\r\n${more}` +
		    'Content-Length: 1048577\r\n\r\n', Buffer.alloc(4096));
		assert.deepEqual([r.status, r.headers.connection], [status, 'close']);
	});

test('refused with its body on the way: chunks', async () => {
	const r = await onTheWay('POST /nothing HTTP/1.1\r\nHost: x\r\n' +
	    'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n',
	    '1\r\nx\r\n');
	assert.equal(r.status, 404);
});

test('HTTP/1.0: a POST in two pieces', async () => {
	const p = await (await Polling.open(d.port)).connect();
	for (const cut of [0, 1, 8, 9]) {
		const body = '42["q",1]', s = await Sock.open(d.port);
		s.send(`POST ${p.target} HTTP/1.0\r\nContent-Length: 9\r\n\r\n` +
		    body.slice(0, cut));
		/* it has come when the next one is answered */
		await answer(get('/livez'));
		s.send(body.slice(cut));
		const r = await s.response();
		assert.deepEqual([r.status, r.body], [200, 'ok']);
		assert.equal(r.headers.connection, 'close');
		assert.equal((await s.end()).length, 0);
		assert.deepEqual(await p.packets(), ['42["q",1]']);
	}
});

test('nothing can come behind a POST in two pieces: nobody waits for it',
    async () => {
	const done = () => d.metric('connections_closed', 'reason="http_done"');
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port, { halfOpen: true });
	s.send(`POST ${p.target} HTTP/1.0\r\nContent-Length: 1\r\n\r\n`);
	await answer(get('/livez'));
	const before = await done();
	s.send('3');
	assert.equal((await s.response()).body, 'ok');
	await s.end();
	/* before its end was told */
	assert.equal(await done(), before + 1);
	s.close();
});

test('HTTP/1.0 that asks to stay does, also behind a POST', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port);
	for (let i = 0; i < 2; i++) {
		s.send(`POST ${p.target} HTTP/1.0\r\nConnection: keep-alive\r\n` +
		    'Content-Length: 1\r\n\r\n');
		s.send('3');
		const r = await s.response();
		assert.deepEqual([r.status, r.headers.connection],
		    [200, 'keep-alive']);
	}
	s.close();
});

/* 8,192 bytes may stand around the data: extensions and trailers together. */
test('chunks: overhead at its limit, and one byte more', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const post = (body) => answer(`POST ${p.target} HTTP/1.1\r\nHost: x\r\n` +
	    `Transfer-Encoding: chunked\r\n\r\n${body}`);
	const n = 8192 - 1;
	for (const body of [
		`1;${'a'.repeat(n)}\r\n3\r\n0\r\n\r\n`,
		`1\r\n3\r\n0;${'a'.repeat(n)}\r\n\r\n`,
		`1\r\n3\r\n0\r\nT:${'a'.repeat(n - 1)}\r\n\r\n`,
		`1;${'a'.repeat(n - 3)}\r\n3\r\n0\r\nT:a\r\n\r\n`,
	])
		assert.equal((await post(body)).status, 200);
	for (const body of [
		`1;${'a'.repeat(n + 1)}\r\n3\r\n0\r\n\r\n`,
		`1;${'a'.repeat(n - 2)}\r\n3\r\n0\r\nT:a\r\n\r\n`,
	]) {
		const q = await (await Polling.open(d.port)).connect();
		assert.equal((await raw(d.port, `POST ${q.target} HTTP/1.1\r\n` +
		    'Host: x\r\nTransfer-Encoding: chunked\r\n\r\n' +
		    body)).status, 400);
	}
});

test('nobody is told to come again for what is not there', async () => {
	const r = await answer(get('/nothing'));
	assert.equal(r.status, 404);
	assert.equal(r.headers['retry-after'], undefined);
});

test('an upgrade with a body is refused, and the body is no request', async () => {
	for (const path of ['/ws/', '/socket.io/?EIO=4&transport=websocket']) {
		const s = await Sock.open(d.port);
		s.send(Ws.request(path).replace('\r\n\r\n',
		    '\r\nContent-Length: 1\r\n\r\n') + get('/livez'));
		const r = await s.response();
		assert.equal(r.status, 400, path);
		assert.equal((await s.end()).length, 0, path);
		const w = await Ws.open(d.port, path,
		    { headers: { 'Content-Length': '0' } });
		assert.equal(w.response.status, 101, path);
		w.drop();
	}
});

/* --- leaving -------------------------------------------------------------- */

test('a worker that leaves answers /livez, and closes behind it', async () => {
	const e = await Daemon.start({ conf: `${echo}drain_time = 2s\n` });
	const list = await Promise.all([...Array(8)].map(async () => {
		const s = await Sock.open(e.port);
		s.send(get('/livez'));
		const r = await s.response();
		assert.equal(r.headers.connection, 'keep-alive');
		return s;
	}));
	const ended = e.stop({ signal: 'SIGQUIT' });
	await until(() => /drain connections/.test(e.log), 'drain');
	let asked = 0;
	for (const s of list) {		/* some have been let go already */
		s.send(get('/livez') + get('/readyz'));
		const r = await s.response().catch(() => null);
		if (r === null)
			continue;
		asked++;
		assert.deepEqual([r.status, r.body, r.headers.connection],
		    [200, 'ok\n', 'close']);
		assert.equal((await s.end()).length, 0);
	}
	assert.ok(asked > 0);
	await ended;
});
