/*
 * How a connection ends, and what socket.io-client makes of it on both
 * transports: its reason, whether it comes back, and what is counted here.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { Daemon, halt, sleep, slow, until, within } from './lib/daemon.mjs';
import { ask, connect, io, once } from './lib/clients.mjs';
import { Polling, request, taken } from './lib/polling.mjs';
import { Sock, Ws } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const key = 'end-of-the-line';
const api = `api { key "k" { sha256 = "${createHash('sha256').update(key)
    .digest('hex')}" allow = {"publish", "disconnect"} } }\n`;
const conf = `${echo}${api}
limits { message_bytes = 20000B close_timeout = 500ms }
socketio { connect_timeout = 1s }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 1, conf }); });
after(() => d.stop());

const transports = ['polling', 'websocket'];
const closed = (e, reason) =>
	e.metric('clients_closed', `reason="${reason}"`);

/* A client that tries again soon. */
const open = (e, transport, o = {}) => connect(e, '/', {
	transports: [transport], reconnection: true, reconnectionDelay: 20,
	reconnectionDelayMax: 50, randomizationFactor: 0, timeout: 5000 * slow,
	...o });

/* POST /api/v1/disconnect of one socket. */
async function disconnect(s, how = {}) {
	const r = await fetch(d.url('/api/v1/disconnect'), { method: 'POST',
		headers: { authorization: `Bearer ${key}`,
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: '', sid: s.id, ...how }) });
	assert.equal(r.status, 200, await r.text());
}

/* Send what no stock client sends, as an Engine.IO packet of this client. */
function inject(s, packet) {
	const e = s.io.engine;
	if (e.transport.name === 'websocket')
		e.transport.ws.send(packet);
	else
		request(d.port, 'POST', `/socket.io/?EIO=4&transport=polling&sid=${
		    e.id}`, { body: packet });
}

/*
 * Ends s by act(); what the client says, what is counted, and whether it
 * comes back by itself.
 */
async function ends(s, act, { why, reason, back, e = d }) {
	const before = await closed(e, reason);
	const gone = once(s, 'disconnect', 10000);
	await act(s);
	const [said] = await gone;
	assert.ok([why].flat().includes(said), `${said}, not ${why}`);
	assert.equal(s.active, back);
	if (back)
		await once(s, 'connect', 10000);
	await until(async () => await closed(e, reason) === before + 1,
	    `clients_closed{reason="${reason}"}`);
	if (!back) {
		await sleep(150);	/* thrice its delay */
		assert.equal(s.connected, false);
	}
	s.close();
}

/* One row of the table each: [what, act, { why, reason, back }]. */
const cut = (s) => s.io.engine.transport.name === 'websocket' ?
	s.io.engine.transport.ws._socket.destroy() : null;
const rows = [
	['41 by the server', (s) => disconnect(s, { close: true }),
		{ why: 'io server disconnect', reason: 'kicked', back: false }],
	['closed without 41', (s) => disconnect(s, { reconnect: true }),
		{ why: ['transport close', 'transport error'],
			reason: 'reconnect', back: true }],
	['a bad Socket.IO packet', (s) => inject(s, '4x'),
		{ why: 'transport close', reason: 'sio_parse', back: true }],
	['a bad Engine.IO packet', (s) => inject(s, 'x'),
		{ why: 'transport close', reason: 'eio_parse', back: true }],
	['a ping of the client', (s) => inject(s, '2'),
		{ why: 'transport close', reason: 'eio_parse', back: true }],
	['disconnect() by the client', (s) => s.disconnect(),
		{ why: 'io client disconnect', reason: 'client_close',
			back: false }],
];
for (const transport of transports)
	for (const [what, act, want] of rows)
		test(`${transport}: ${what}`, async () => {
			await ends(await open(d, transport), act, want);
		});

/* What the worker finds when it wakes up comes in one turn, in this order. */
test('polling: requests that come in the turn of the close', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const [order, post, get] = await Promise.all([0, 1, 2].map(() =>
		Sock.open(d.port)));
	for (const s of [order, post, get]) {
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await s.response()).status, 200);
	}
	const body = JSON.stringify({ namespace: '', sid: p.id,
		reconnect: true });
	const { pid } = d.children().find((c) => c.role === 'worker');
	await halt(pid);
	order.send(`POST /api/v1/disconnect HTTP/1.1\r\nHost: x\r\n` +
	    `Authorization: Bearer ${key}\r\n` +
	    'Content-Type: application/json\r\n' +
	    `Content-Length: ${body.length}\r\n\r\n${body}`);
	post.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\n` +
	    'Content-Length: 11\r\n\r\n42["ask",1]');
	get.send(`GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`);
	await Promise.all([order, post, get].map((s) =>
		new Promise((ok) => { s.sock.write('', ok); })));
	process.kill(pid, 'SIGCONT');
	assert.equal((await order.response()).status, 200);
	assert.equal((await get.response()).status, 503);
	assert.equal((await post.response()).body, 'ok');
	assert.ok(await p.gone());
	[order, post, get].forEach((s) => s.close());
});

test('websocket: the connection is cut', async () => {
	await ends(await open(d, 'websocket'), cut, { why: 'transport close',
		reason: 'client_gone', back: true });
});

test('websocket: a message that is too large', async () => {
	await ends(await open(d, 'websocket'),
	    (s) => s.emit('ask', 'x'.repeat(30000)),
	    { why: 'transport close', reason: 'ws_too_big', back: true });
});

test('polling: a message that is too large', async () => {
	const s = await open(d, 'polling');
	const gone = once(s, 'disconnect');
	s.emit('ask', 'x'.repeat(30000));
	assert.equal((await gone)[0], 'transport error');
	assert.equal(s.active, true);
	s.close();
});

for (const transport of transports) {
	test(`${transport}: one namespace less is not the end`, async () => {
		const s = await open(d, transport);
		const other = s.io.socket('/echo');
		await until(() => other.connected, '/echo');
		const gone = once(s, 'disconnect');
		await disconnect(s);
		assert.equal((await gone)[0], 'io server disconnect');
		assert.equal(s.active, false);
		assert.equal(await ask(other, 'ask', 1), 1);
		other.close();
	});

	test(`${transport}: CONNECT_ERROR is not retried`, async () => {
		const s = await connect(d, '/nowhere', { wait: false,
			transports: [transport], reconnection: true,
			reconnectionDelay: 20 });
		const [error] = await once(s, 'connect_error');
		assert.equal(error.message, 'Invalid namespace');
		assert.equal(s.active, false);
		s.close();
	});

	test(`${transport}: shutdown`, async () => {
		const e = await Daemon.start({ conf });
		const s = io(e.url('/'), { forceNew: true,
			transports: [transport], reconnectionDelay: 20 });
		let done = 0;	/* GETs that were answered */
		s.io.engine.transport.on('pollComplete', () => done++);
		await once(s, 'connect');
		await ask(s, 'ask', 1);
		if (transport === 'polling')
			await until(async () => await e.metric('eio_gets') ===
			    done + 1, 'the next GET');
		const gone = once(s, 'disconnect');
		await e.stop();
		assert.equal((await gone)[0], transport === 'polling' ?
		    'transport error' : 'transport close');
		assert.equal(s.active, true);
		const [error] = await once(s.io, 'reconnect_error');
		assert.match(error.message, /xhr poll error|websocket error/);
		s.close();
	});

	test(`${transport}: a client that does not answer pings`, async () => {
		const e = await Daemon.start({ conf: `${conf}
heartbeat { interval = 200ms timeout = 300ms }\n` });
		const s = await open(e, transport);
		const engine = s.io.engine;
		const send = engine._sendPacket;
		engine._sendPacket = function(type, ...rest) {
			if (type !== 'pong')
				send.call(this, type, ...rest);
		};
		await ends(s, () => {}, { e, why: 'transport close',
			reason: 'ping_timeout', back: true });
		await e.counts('heartbeats_missed', (n) => n >= 1);
		await e.stop();
	});

	test(`${transport}: pings come on time on a busy connection`, async () => {
		const e = await Daemon.start({ conf: `${conf}
heartbeat { interval = 300ms timeout = 1m }\n` });
		const s = await open(e, transport);
		const at = [];
		s.io.engine.on('ping', () => at.push(Date.now()));
		while (at.length < 6)
			await ask(s, 'ask', 1);
		for (let i = 1; i < at.length; i++) {
			assert.ok(at[i] - at[i - 1] >= 250, `${at}`);
		}
		s.close();
		await e.stop();
	});
}

test('silence of the server: ping timeout', async () => {
	const proxied = new Set();
	let deaf = false;
	const proxy = net.createServer((c) => {
		const s = net.connect(d2.port, '127.0.0.1');
		for (const x of [c, s])
			proxied.add(x.on('error', () => {}));
		c.on('data', (b) => s.write(b));
		s.on('data', (b) => deaf || c.write(b));
	});
	const d2 = await Daemon.start({ conf: `${conf}
heartbeat { interval = 300ms timeout = ${300 * slow}ms }\n` });
	await new Promise((ok) => proxy.listen(0, '127.0.0.1', ok));
	const s = await connect({ port: proxy.address().port }, '/',
	    { reconnection: true });
	const gone = once(s, 'disconnect');
	deaf = true;
	assert.equal((await gone)[0], 'ping timeout');
	assert.equal(s.active, true);
	s.close();
	for (const x of proxied)
		x.destroy();
	proxy.close();
	await d2.stop();
});

const LATE = 600 * slow;
/* Any packet but the pong moves the deadline once: then it is over. */
test('a pong that is late behind others: one extension for each ping', async () => {
	const e = await Daemon.start({ conf: `${conf}
heartbeat { interval = 300ms timeout = ${LATE}ms }\n` });
	const w = await Ws.must(e.port, '/socket.io/?EIO=4&transport=websocket');
	await w.next('open');
	w.text('40');
	await w.next('40');
	assert.equal((await w.next('ping')).text, '2');
	const t0 = Date.now();
	let left = false;
	(async () => {
		while (!left) {
			w.text('42["tell"]');
			await sleep(100);	/* talks on */
		}
	})();
	await until(async () => await closed(e, 'ping_timeout') === 1,
	    'ping_timeout', 10000);
	left = true;
	const took = Date.now() - t0;
	assert.ok(took >= LATE, `${took} ms: no extension`);
	w.drop();
	await e.stop();
});

/* --- load is shed before the handshake ------------------------------------- */

/* How many attempts a client makes in ms; it must back off. */
async function attempts(e, transport, ms) {
	const s = io(`http://127.0.0.1:${e.port}/`, { forceNew: true,
		transports: [transport], reconnectionDelay: 100,
		reconnectionDelayMax: 2000, randomizationFactor: 0 });
	const errors = [];
	let connects = 0;
	s.on('connect', () => connects++);
	s.io.on('error', (x) => errors.push(x));
	await sleep(ms);	/* the time they are counted in */
	s.close();
	assert.equal(connects, 0);
	return errors;
}

for (const transport of transports) {
	test(`${transport}: limits connections: 503 early, and back-off`, async () => {
		const e = await Daemon.start({ conf: `${echo}
limits { connections = 2 }\n` });
		const held = await Promise.all([0, 1].map(() => connect(e)));
		const errors = await attempts(e, transport, 2000);
		assert.ok(errors.length >= 2 && errors.length <= 8,
		    `${errors.length} attempts`);
		for (const x of errors) {
			assert.match(x.message, /xhr poll error|websocket error/);
			if (transport === 'polling')
				assert.equal(x.description, 503);
			else
				assert.match(x.description.message, /503/);
		}
		held.forEach((s) => s.close());
		await until(async () => (await request(e.port, 'GET', '/metrics')
		    .catch(() => ({}))).status === 200, 'room again');
		await e.counts('connections_refused', (n) => n >= 2, 'limit');
		await e.counts('eio_opened', 2);
		await e.stop();
	});
}

/* Some clients (python-socketio) take a "1" for final and stay away. */
for (const signal of ['SIGTERM', 'SIGQUIT'])
	test(`polling: after ${signal} a poll is answered 503, and no 1`, async () => {
		const e = await Daemon.start({ workers: 2,
			conf: `${echo}drain_time = 1s\n` });
		const all = await Promise.all([...Array(4)].map(async () =>
			(await Polling.open(e.port)).connect()));
		const waits = await taken(e, 'eio_gets', all.length);
		const gets = all.map((p) => p.get());
		await waits();
		const s = await open(e, 'polling');
		const gone = once(s, 'disconnect', 10000);
		const stopped = e.stop({ signal });
		for (const g of gets) {
			const { status, body } = await g;
			assert.equal(status, 503);
			assert.equal(JSON.parse(body).error.code, 'unavailable');
		}
		assert.equal((await gone)[0], 'transport error');
		assert.equal(s.active, true);	/* it tries to come back */
		s.close();
		await stopped;
	});

test('polling: sent back with events unread, they come first', async () => {
	const p = await (await Polling.open(d.port)).connect();
	await p.send('42["q",1]');
	const r = await fetch(d.url('/api/v1/disconnect'), { method: 'POST',
		headers: { authorization: `Bearer ${key}`,
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: '', sid: p.id,
			reconnect: true }) });
	assert.equal(r.status, 200);
	assert.equal((await p.get()).body, '42["q",1]');
	assert.equal((await p.get()).status, 400);
});

for (const signal of ['SIGTERM', 'SIGQUIT'])
	test(`after ${signal} who comes anew is refused at once`, async () => {
		const e = await Daemon.start({ workers: 2,
			conf: `${echo}drain_time = 3s\n` });
		/* one that does not answer the close keeps the worker */
		const w = await Ws.must(e.port, '/ws/echo');
		const stopped = e.stop({ signal });
		await until(() => /(drain|stop) connections/.test(e.log), 'the end');
		await until(async () => {
			const s = net.connect(e.port, '127.0.0.1');
			const r = await within(new Promise((ok) => {
				s.on('connect', () => ok('in'));
				s.on('error', (err) => ok(err.code));
			}), 'an answer');
			s.destroy();
			return r === 'ECONNREFUSED';
		}, 'a refusal', 1000);
		assert.equal(e.ended, undefined);
		w.drop();
		await stopped;
	});

test('while it drains, connections it has are told 503', async () => {
	const e = await Daemon.start({ conf: `${echo}drain_time = 2s\n` });
	const p = await (await Polling.open(e.port)).connect();
	const list = await Promise.all([...Array(8).keys()].map(async () => {
		const s = await Sock.open(e.port);
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await s.response()).status, 200);
		return s;
	}));
	const waits = await taken(e, 'eio_gets');
	const get = p.get();
	await waits();
	const stopped = e.stop({ signal: 'SIGQUIT' });
	await until(() => /drain connections/.test(e.log), 'drain');
	let told = 0;
	for (const s of list) {		/* some have been let go already */
		s.send('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n' +
		    'Host: x\r\n\r\n');
		const r = await s.response().catch(() => null);
		if (r) {
			assert.equal(r.status, 503);
			assert.ok(Number(r.headers['retry-after']) > 0);
			told++;
		}
		s.close();
	}
	assert.ok(told > 0);
	assert.equal((await get).status, 503);
	await stopped;
});
