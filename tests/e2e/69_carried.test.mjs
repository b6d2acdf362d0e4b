/*
 * HUP, with connections in the middle of something: it goes on with the next
 * worker, to the byte, and is counted once.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { echo } from './lib/conf.mjs';
import { Daemon, sleep, slow, until } from './lib/daemon.mjs';
import { closePayload, frame, OP, raw, Sock, Ws } from './lib/wire.mjs';

const key = crypto.randomBytes(16).toString('hex');
const digest = crypto.createHash('sha256').update(key).digest('hex');
const conf = `drain_time = 2s
api { key k { sha256 = "${digest}" allow = {publish} } }
${echo}`;
const times = (d, words) => d.log.split(words).length - 1;

/* A reload, from signal to the end of those before. */
async function reload(d) {
	const n = times(d, ' turned ');
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' turned ') > n, 'the others to leave', 15000);
}

const start = (more = '') => Daemon.start({ workers: 2, conf: conf + more });

test('a message in fragments', async () => {
	const d = await start(), w = await Ws.must(d.port, '/ws');
	const text = '{"event":"ask","id":1,"data":"h\u00e9 \u{1f600}"}';
	const bytes = Buffer.from(text), smile = bytes.indexOf(0xf0);
	const f = Buffer.concat([
		frame(OP.text, bytes.subarray(0, smile + 2), { fin: false }),
		frame(OP.ping, 'mid'),
		frame(OP.cont, bytes.subarray(smile + 2)),
	]);
	/* in a header, a character, between frames, before the last byte */
	for (const at of [1, 5, smile + 7, smile + 9, smile + 21, f.length - 1]
	    .map((v, i, all) => [i ? all[i - 1] : 0, v])) {
		w.send(f.subarray(...at));
		await reload(d);
	}
	w.send(f.subarray(f.length - 1));
	assert.equal((await w.next()).opcode, 'pong');
	assert.deepEqual(await w.event(), { ack: 1, data: 'h\u00e9 \u{1f600}' });
	w.send(frame(OP.text, '{"event":"ask', { fin: false }));
	await reload(d);
	w.send(frame(OP.text, 'again', { fin: true }));
	assert.equal((await w.closed()).code, 1002);
	w.drop();
	await d.stop();
});

test('a long frame, and one too many bytes behind it', async () => {
	const d = await start('limits { message_bytes = 64KB }'), w =
	    await Ws.must(d.port, '/ws');
	const data = 'x'.repeat(30000);
	const f = frame(OP.text, JSON.stringify({ event: 'ask', id: 2, data }));
	w.send(f.subarray(0, 9000));
	await reload(d);
	w.send(f.subarray(9000, 29999));
	await reload(d);
	w.send(f.subarray(29999));
	assert.equal((await w.event()).data.length, 30000);
	w.send(frame(OP.text, 'y'.repeat(60000), { fin: false }));
	await reload(d);
	w.send(frame(OP.cont, 'y'.repeat(10000)));
	assert.equal((await w.closed()).code, 1009);
	w.drop();
	await d.stop();
});

test('requests in pieces, on one connection', async () => {
	const d = await start(), s = await Sock.open(d.port);
	const ask = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
	const body = JSON.stringify({ namespace: '/none', event: 'say', data: 1 });
	const post = 'POST /api/v1/publish HTTP/1.1\r\nHost: a\r\n' +
	    `Authorization: Bearer ${key}\r\n`;
	await reload(d);		/* not a byte has come */
	s.send(ask);
	assert.equal((await s.response()).status, 200);
	await reload(d);		/* between two requests */
	s.send(ask.slice(0, 20));
	await reload(d);
	s.send(ask.slice(20));
	assert.equal((await s.response()).status, 200);
	s.send(`${post}Content-Length: ${body.length}\r\n\r\n${
	    body.slice(0, 10)}`);
	await reload(d);
	s.send(body.slice(10, -1));
	await reload(d);
	s.send(body.slice(-1));
	let r = await s.response();
	assert.equal(r.status, 404);
	assert.match(r.body, /no such namespace/);
	s.send(`${post}Transfer-Encoding: chunked\r\n\r\n${
	    body.length.toString(16)};a="b`);
	await reload(d);
	s.send(`c"\r\n${body.slice(0, 7)}`);
	await reload(d);
	s.send(`${body.slice(7)}\r\n0\r\nTrail: er`);
	await reload(d);
	s.send('\r\n\r\n');
	r = await s.response();
	assert.match(r.body, /no such namespace/);
	s.send(ask);
	assert.equal((await s.response()).status, 200);
	s.close();
	await d.stop();
});

test('what waits for a slow reader', async () => {
	const d = await start('limits { send_queue_bytes = 8MB ' +
	    'message_bytes = 1MB }');
	const w = await Ws.must(d.port, '/ws');
	const data = (i) => `${i}`.padStart(7, '.').repeat(100000);
	w.s.sock.pause();
	for (let i = 0; i < 8; i++)
		w.json({ event: 'ask', id: i, data: data(i) });
	await until(async () => await d.metric('send_queue_bytes') > 0,
	    'a queue');
	for (let i = 0; i < 3; i++)
		await reload(d);
	await d.counts('send_queue_bytes', (n) => n > 0);
	w.s.sock.resume();
	for (let i = 0; i < 8; i++)
		assert.deepEqual(await w.event(20000), { ack: i, data: data(i) });
	await until(async () => await d.metric('send_queue_bytes') === 0,
	    'an empty queue');
	await w.bye();
	await d.stop();
});

test('a close on its way', async () => {
	const d = await start(), w = await Ws.must(d.port, '/ws');
	/* ours is out, the peer's is not here */
	w.send(frame(OP.binary, 'no'));
	const f = await w.next();
	assert.equal(f.opcode, 'close');
	await reload(d);
	w.send(frame(OP.close, closePayload(f.code)));
	await w.s.end();
	await d.stop();
});

test('each is counted once, everywhere', async () => {
	const d = await start('limits { per_address = 6 }');
	const ws = [], idle = [];
	for (let i = 0; i < 3; i++) {
		ws.push(await Ws.must(d.port, '/ws'));
		idle.push(await Sock.open(d.port));
		idle[i].send('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
		await idle[i].response();
	}
	for (let i = 0; i < 3; i++)
		await reload(d);
	const refused = await raw(d.port, 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
	assert.equal(refused.status, 429);
	refused.sock.close();
	idle[0].send('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
	const { body } = await idle[0].response();
	const metric = (name) => body.split('\n').filter((l) => l.startsWith(
	    `roost_${name}{`) || l.startsWith(`roost_${name} `))
	    .reduce((sum, l) => sum + Number(l.split(' ').at(-1)), 0);
	assert.equal(metric('ws_open'), 3);
	assert.equal(metric('ws_handshakes_total'), 3);
	assert.equal(metric('connections_accepted_total') -
	    metric('connections_refused_total'), 6);
	assert.ok(metric('connections_moved_in_total') >= 18);
	assert.equal(metric('connections_moved_in_total'),
	    metric('connections_moved_out_total'));
	idle[1].close();
	await until(async () => {
		const r = await raw(d.port,
		    'GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
		r.sock.close();
		return r.status === 200;
	}, 'room for one more');
	for (const w of ws)
		await w.alive();
	for (const s of [...ws, idle[0], idle[2]])
		(s.s ?? s).close();
	await until(async () => await d.metric('ws_open') === 0, 'their end');
	await d.stop();
});

test('whose time is over meanwhile', async () => {
	const d = await start('limits { handshake_timeout = 3s ' +
	    'keepalive_timeout = 4s }');
	const half = await Sock.open(d.port), idle = await Sock.open(d.port);
	half.send('GET / HT');
	idle.send('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
	await idle.response();
	const began = Date.now();
	while (Date.now() - began < 2000) {
		await reload(d);
		await sleep(100);	/* a pace */
	}
	/* no reload is a new begin */
	assert.equal((await half.response({ ms: 10000 })).status, 408);
	assert.ok(Date.now() - began < 6000 * slow);
	await idle.end(10000);
	assert.ok(Date.now() - began < 8000 * slow);
	await d.stop();
});
