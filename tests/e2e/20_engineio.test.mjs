/* Engine.IO: the handshake and its errors, heartbeat, timeouts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, slow } from './lib/daemon.mjs';
import { OP, Ws, engine, frame, raw, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

/* hasty: who says nothing is not waited for; a busy machine is */
const patience = 600 * slow;
let d, hasty;
before(async () => {
	const conf = (times) => `${echo}${times}
limits { message_bytes = 1000B close_timeout = 500ms }\n`;
	d = await Daemon.start({ workers: 2, conf: conf(
	    'heartbeat { interval = 400ms timeout = 1m }') });
	hasty = await Daemon.start({ workers: 2, conf: conf(
	    `heartbeat { interval = 400ms timeout = ${patience}ms }
socketio { connect_timeout = ${patience}ms }`) });
});
after(async () => {
	await d.stop();
	await hasty.stop();
});

test('the open packet has its five fields and nothing else', async () => {
	const w = await engine(d.port);
	const { sid, ...rest } = w.handshake;
	assert.match(sid, /^[A-Za-z0-9_-]{24}$/);
	assert.deepEqual(rest, { upgrades: [], pingInterval: 400,
		pingTimeout: 60000, maxPayload: 1000 });
	w.drop();
});

test('session ids do not repeat nor resemble each other', async () => {
	const sids = new Set();
	const tails = new Set();
	for (let i = 0; i < 200; i++) {
		const w = await engine(d.port);
		sids.add(w.handshake.sid);
		tails.add(w.handshake.sid.slice(4, 12));
		w.drop();
	}
	assert.equal(sids.size, 200);
	assert.equal(tails.size, 200);
});

/* --- errors, all before the 101 ------------------------------------------ */

const E = (code, message) => ({ code, message });
const unknown = E(0, 'Transport unknown');
const version = E(5, 'Unsupported protocol version');
const method = E(2, 'Bad handshake method');
const request = E(3, 'Bad request');
const session = E(1, 'Session ID unknown');
const S = 'AAAAAAAAAAAAAAAAAAAAAAAA';
for (const [what, query, wanted, verb] of [
	['another transport', '?EIO=4&transport=carrier-pigeon', unknown],
	['no transport', '?EIO=4', unknown],
	['no query', '', unknown],
	['an array-like transport', '?EIO=4&transport[]=websocket', unknown],
	['websocket by plain GET', '?EIO=4&transport=websocket', request],
	['POST to open', '?EIO=4&transport=websocket', [method, request], 'POST'],
	['a prototype name as sid', '?EIO=4&transport=websocket&sid=__proto__', [session, request]],
	['an unknown sid', `?EIO=4&transport=websocket&sid=${S}`, [session, request]],
]) {
	test(`plain HTTP: ${what}`, async () => {
		const r = await raw(d.port, `${verb ?? 'GET'} /socket.io/${query
		    } HTTP/1.1\r\nHost: x\r\n${
		    verb === 'POST' ? 'Content-Length: 0\r\n' : ''}\r\n`);
		assert.equal(r.status, 400, r.head);
		assert.match(r.headers['content-type'], /^application\/json/);
		const body = JSON.parse(r.body);
		assert.ok([wanted].flat().some((x) => x.code === body.code &&
		    x.message === body.message), r.body);
		r.sock.close();
	});
}
for (const [what, query, words] of [
	['EIO 3', '?EIO=3&transport=websocket', version.message],
	['EIO 5', '?EIO=5&transport=websocket', version.message],
	['no EIO', '?transport=websocket', version.message],
	['EIO as text', '?EIO=four&transport=websocket', version.message],
	['EIO=04', '?EIO=04&transport=websocket', version.message],
	['an array-like EIO', '?EIO[]=4&transport=websocket', version.message],
	['an unknown sid', `?EIO=4&transport=websocket&sid=${S}`, session.message],
	['a sid of another form', '?EIO=4&transport=websocket&sid=constructor', session.message],
	['an unknown transport', '?EIO=4&transport=x', unknown.message],
]) {
	test(`upgrade: ${what}: 400 before any 101`, async () => {
		const w = await Ws.open(d.port, `/socket.io/${query}`);
		assert.equal(w.response.status, 400, w.response.head);
		assert.ok(w.response.body.includes(words), w.response.body);
		await w.s.end(3000);
	});
}

test('parameters may be percent-encoded and repeated', async () => {
	for (const q of ['?transport=%77ebsocket&EIO=%34',
	    '?EIO=3&EIO=4&transport=polling&transport=websocket',
	    '?EIO=4&transport=websocket&sid=&t=abc&x=%F0%9F%98%80&a&b=']) {
		const w = await Ws.open(d.port, `/socket.io/${q}`);
		assert.equal(w.response.status, 101, q);
		w.drop();
	}
});

test('the path with and without its last slash; others are 404', async () => {
	const q = '?EIO=4&transport=websocket';
	for (const p of ['/socket.io/', '/socket.io'])
		assert.ok([101, 404].includes(
		    (await Ws.open(d.port, p + q)).response.status), p);
	for (const p of ['/socket.iox/', '/other/'])
		assert.equal((await Ws.open(d.port, p + q)).response.status, 404, p);
});

test('another path may be configured', async () => {
	const e = await Daemon.start({ conf: echo +
	    'socketio { path = "/rt" }\n' });
	const w = await engine(e.port, { path: '/rt' });
	await w.alive();
	w.drop();
	assert.equal((await Ws.open(e.port,
	    '/socket.io/?EIO=4&transport=websocket')).response.status, 404);
	await e.stop();
});

/* --- life ----------------------------------------------------------------- */

test('heartbeat: 2 is sent each interval while 3 answers', async () => {
	const w = await socketio(d.port);
	const t0 = Date.now();
	for (let i = 0; i < 4; i++) {
		assert.equal(await w.message('ping'), '2');
		w.text('3');
	}
	const ms = Date.now() - t0;
	assert.ok(ms >= 1200, `${ms} ms for 4 pings`);
	w.drop();
});

test('heartbeat: no answer closes after interval and timeout', async () => {
	const w = await socketio(hasty.port);
	assert.equal(await w.message('ping'), '2');
	const t0 = Date.now();
	const c = await w.closed();
	const ms = Date.now() - t0;
	assert.ok([1001, 1005].includes(c.code));
	assert.ok(ms >= patience - 200, `${ms} ms`);
	await hasty.counts('heartbeats_missed', (n) => n >= 1);
});

test('heartbeat: pings come on schedule on a busy connection', async () => {
	const w = await socketio(d.port);
	const stop = setInterval(() => w.text('42["q",1]'), 5);
	let pings = 0;
	while (pings < 3) {		/* each within the time of a message */
		const t = await w.message();
		if (t === '2') {
			pings++;
			w.text('3');
		}
	}
	clearInterval(stop);
	w.drop();
});

test('heartbeat: stray pongs are ignored', async () => {
	const w = await socketio(d.port);
	for (let i = 0; i < 50; i++)
		w.text(i % 2 ? '3' : '3probe');
	await w.alive();
	w.drop();
});

test('heartbeat: plain clients are pinged by WebSocket ping', async () => {
	const w = await Ws.must(hasty.port, '/ws/echo');
	for (let i = 0; i < 3; i++) {
		const f = await w.next('ping', 3000);
		assert.equal(f.opcode, 'ping');
		w.send(frame(OP.pong, f.payload));
	}
	assert.equal((await w.next('ping', 3000)).opcode, 'ping');
	const c = await w.closed(4000);
	assert.equal(c.code, 1001, 'silence ends it');
});

test('connect timeout: no namespace in time closes', async () => {
	const w = await engine(hasty.port);
	const t0 = Date.now();
	const c = await w.closed();
	assert.ok([1001, 1005].includes(c.code));
	assert.ok(Date.now() - t0 >= patience - 200);
});

test('connect timeout: a refused namespace does not stop it', async () => {
	const w = await engine(hasty.port);
	w.text('40/nope,');
	assert.match(await w.message(), /^44\/nope,/);
	const c = await w.closed();
	assert.ok([1001, 1005].includes(c.code));
});

test('maxPayload: exactly that much is taken, one byte more is 1009', async () => {
	const w = await socketio(d.port);
	const fit = `42["q","${'x'.repeat(1000 - 10)}"]`;
	assert.equal(fit.length, 1000);
	w.text(fit);
	assert.equal((await w.message()).length, 1000);
	w.text(fit.replace('x', 'xx'));
	/* without a text, as the reference has it; a plain client is told why */
	const { code, reason } = await w.closed();
	assert.deepEqual([code, reason], [1009, '']);
	const p = await Ws.must(d.port, '/ws/');
	p.text(JSON.stringify({ event: 'q', data: 'x'.repeat(1000) }));
	const plain = await p.closed();
	assert.deepEqual([plain.code, plain.reason], [1009, 'message too big']);
});

test('a client that is gone without a close leaves nothing behind', async () => {
	for (let i = 0; i < 20; i++)
		(await socketio(hasty.port)).s.reset();
	await hasty.counts('eio_sessions', 0);
	await hasty.counts('sessions', 0);
});
