/* Engine.IO over HTTP polling, by hand: what happens at the edges. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, halt, until } from './lib/daemon.mjs';
import { Polling, request, taken } from './lib/polling.mjs';
import { Sock, Ws, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: echo + `
namespace "/c" { auth = none
    room "{r}" { join = open } event "m" { to = room:room meta = off } }
limits { message_bytes = 200KB send_queue_bytes = 64KB }
cors { origins = {"http://app.example"} credentials = true }
` });
});
after(() => d.stop());
const open = async () => (await Polling.open(d.port)).connect();
const head = (method, p, more = '') => `${method} ${p.target} HTTP/1.1\r\n` +
    `Host: x\r\nOrigin: http://app.example\r\n${more}\r\n`;
const POST = (p, body, more = '') => head('POST', p,
    `Content-Length: ${body.length}\r\n${more}`) + body;

/* What f() sends is there before the worker looks again.  It meets connections
 * in the order in which they were written to, new ones in the next turn. */
async function atOnce(f) {
	const { pid } = d.worker(1);
	await halt(pid);
	const socks = await f();
	await Promise.all(socks.map((s) =>
		new Promise((ok) => s.sock.write('', ok))));
	process.kill(pid, 'SIGCONT');
}
const told = '{"code":1,"message":"Session ID unknown"}';

/* --- a POST that closes --------------------------------------------------- */

test('a closing POST without a GET: ok, with the heads of others', async () => {
	const p = await open(), s = await Sock.open(d.port);
	s.send(POST(p, '1'));
	const r = await s.response();
	assert.equal(r.status, 200);
	assert.equal(r.body, 'ok');
	assert.equal(r.headers['content-type'], 'text/html');
	assert.equal(r.headers['content-length'], '2');
	assert.equal(r.headers['cache-control'], 'no-store');
	assert.equal(r.headers['access-control-allow-origin'],
	    'http://app.example');
	assert.equal(r.headers['access-control-allow-credentials'], 'true');
	assert.equal(r.headers.vary, 'Origin');
	assert.equal(r.headers.connection, 'keep-alive');
	/* the connection goes on, the session does not */
	s.send(head('GET', p));
	assert.equal((await s.response()).body, told);
	s.send(POST(p, '3'));
	assert.equal((await s.response()).body, told);
	s.close();
});

test('a GET that is a turn late gets the 6, then the POST its ok', async () => {
	const p = await open(), s = await Sock.open(d.port);
	let t;
	await atOnce(async () => {
		s.send(POST(p, '42["q",1]\x1e1'));
		t = await Sock.open(d.port);
		t.send(head('GET', p));
		return [s, t];
	});
	assert.equal((await t.response()).body, '42["q",1]');
	assert.equal((await s.response()).body, 'ok');
	assert.ok(await p.gone());
	const q = await open();
	await atOnce(async () => {
		s.send(POST(q, '1'));
		t = await Sock.open(d.port);
		t.send(head('GET', q));
		return [s, t];
	});
	assert.equal((await t.response()).body, '6');
	assert.equal((await s.response()).body, 'ok');
	s.close();
	t.close();
});

test('a second POST behind a closing one: error 1, the first is ok',
    async () => {
	const p = await open(), s = await Sock.open(d.port);
	let t;
	await atOnce(async () => {
		s.send(POST(p, '1'));
		t = await Sock.open(d.port);
		t.send(POST(p, '42["q",1]'));
		return [s, t];
	});
	const r = await t.response();
	assert.deepEqual([r.status, r.body], [400, told]);
	assert.equal((await s.response()).body, 'ok');
	s.close();
	t.close();
});

test('a closing POST whose connection goes: the session is over', async () => {
	const p = await open(), s = await Sock.open(d.port);
	await atOnce(async () => {
		s.send(POST(p, '1'));
		await new Promise((ok) => s.sock.write('', ok));
		s.reset();
		return [];
	});
	await until(() => p.gone(), 'its end');
});

/* --- what waits for a GET ------------------------------------------------- */

/* A session in the room that does not poll, and somebody who speaks there. */
async function listener() {
	const p = await (await Polling.open(d.port)).connect('/c');
	const room = p.sid;
	await p.send(`42/c,1["room:join",{"room":"${room}"}]`);
	assert.match((await p.collect(1))[0], /^43\/c,1/);
	const w = await socketio(d.port, { nsp: '/c' });
	w.text(`42/c,1["room:join",{"room":"${room}"}]`);
	await w.message();
	/* of n bytes as it waits, the separator included */
	const say = async (n) => {
		const t = `42/c,["m",{"room":"${room}","x":""}]`;
		w.text(t.replace('"x":""', `"x":"${'x'.repeat(n - 1 - t.length)}"`));
		await w.alive();	/* in a turn of its own */
	};
	return { p, say, w };
}
const slowOnes = () => d.metric('clients_closed', 'slow_consumer');

test('one large message survives without a GET', async () => {
	const { p, say, w } = await listener();
	await say(150000);
	const [m] = await p.packets();
	assert.equal(m.length, 150000 - 1);
	w.drop();
});

test('two up to the limit survive, a byte more is the end', async () => {
	const before = await slowOnes();
	let { p, say, w } = await listener();
	await say(32000);
	await say(32000);
	assert.deepEqual((await p.packets()).map((m) => m.length),
	    [31999, 31999]);
	w.drop();
	({ p, say, w } = await listener());
	await say(32000);
	await say(32001);
	await until(() => p.gone(), 'its end');
	assert.equal(await slowOnes(), before + 1);
	w.drop();
});

test('one above the limit survives, with what comes behind it', async () => {
	const before = await slowOnes();
	let { p, say, w } = await listener();
	for (const n of [100000, 32000, 32000])
		await say(n);
	assert.deepEqual((await p.packets()).map((m) => m.length),
	    [99999, 31999, 31999]);
	w.drop();
	({ p, say, w } = await listener());
	for (const n of [100000, 32000, 32001])
		await say(n);
	await until(() => p.gone(), 'its end');
	assert.equal(await slowOnes(), before + 1);
	w.drop();
});

/* --- while a WebSocket probes --------------------------------------------- */

test('one noop for the GET that waits, and none with an event', async () => {
	const p = await open();
	const w = await Ws.must(d.port, p.ws);
	const s = await Sock.open(d.port);
	let waits = await taken(d, 'eio_gets');
	s.send(head('GET', p));
	await waits();
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	assert.equal((await s.response()).body, '6');
	/* the next one is held for a moment, and gets one */
	const t0 = performance.now();
	s.send(head('GET', p));
	assert.equal((await s.response()).body, '6');
	assert.ok(performance.now() - t0 >= 60);
	/* "5" with a GET that waits */
	waits = await taken(d, 'eio_gets');
	s.send(head('GET', p));
	await waits();
	w.text('5');
	assert.equal((await s.response()).body, '6');
	w.text('42["q",2]');
	assert.equal(await w.message(), '42["q",2]');
	/* what waits goes alone; without a GET nobody is told */
	const q = await open(), v = await Ws.must(d.port, q.ws);
	await q.send('42["q",1]');
	v.text('2probe');
	assert.equal(await v.message(), '3probe');
	assert.deepEqual(await q.packets(), ['42["q",1]']);
	s.close();
	w.drop();
	v.drop();
});

/* --- refused --------------------------------------------------------------- */

for (const [what, before, text, status] of [
	['a second GET', (p) => head('GET', p), (p) => head('GET', p), 400],
	['a second POST', (p) => POST(p, '42["q",1]').slice(0, -3),
		(p) => POST(p, '3'), 400],
	['octet-stream', null, (p) => POST(p, '3',
	    'Content-Type: application/octet-stream\r\n'), 400],
	['a body that is too large', null, (p) => head('POST', p,
	    'Content-Length: 200001\r\n'), 413],
	['a compressed body', null, (p) => POST(p, '3',
	    'Content-Encoding: gzip\r\n'), 415],
]) {
	test(`refused, ${what}: answered, and its connection ends`, async () => {
		const p = await open();
		const s = await Sock.open(d.port), t = await Sock.open(d.port);
		if (before) {
			const met = await taken(d, /GET/.test(what) ? 'eio_gets' :
			    'eio_posts');
			s.send(before(p));
			await met();
		}
		t.send(text(p));
		const r = await t.response();
		assert.deepEqual([r.status, r.body], [status, '']);
		assert.equal(r.headers.connection, 'close');
		assert.equal(r.headers['access-control-allow-origin'],
		    'http://app.example');
		assert.equal((await t.end()).length, 0);
		/* too large, or compressed, is no harm to the session */
		assert.equal((await request(d.port, 'POST', p.target,
		    { body: '3' })).status, status === 400 ? 400 : 200);
		s.close();
	});
}
