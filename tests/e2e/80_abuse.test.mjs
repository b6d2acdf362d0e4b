/*
 * Clients that read slowly, flood, lie or stop half-way: they are cut off or
 * told so, and the others do not notice.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Daemon, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, connect, heard } from './lib/clients.mjs';
import { OP, Sock, Ws, engine, frame, raw, socketio } from './lib/wire.mjs';

let d, a, b;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `
limits { send_queue_bytes = 256KB slow_consumer_timeout = 1s close_timeout = 1s
    message_bytes = 200KB handshake_timeout = 2s rooms_per_session = 1000
    failed_connects = 1000 }
namespace "/" { auth = none
    room "{r}" { join = open }
    event "n"   { to = room:room }
    event "v"   { to = room:room volatile = true }
    event "q"   { to = sender meta = off ack = echo }
    event "ask" { to = room:room ack = delivered } }
` });
	a = await connect(d);
	b = await connect(d);
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'quiet' });
});
after(async () => {
	a.close();
	b.close();
	await until(async () => await d.metric('sessions') === 0, 'no ghosts');
	await d.stop();
});
/* whatever was tried, the two well-behaved clients go on as if nothing was */
let turn = 0;
afterEach(async () => {
	assert.ok(a.connected && b.connected);
	turn++;
	a.emit('n', { room: 'quiet', turn });
	const got = await heard(b, 'n', turn);
	assert.equal(got.at(-1)[0].turn, turn);
});

test('a slow reader is dropped; the others get everything', async () => {
	const slow = await socketio(d.port);
	slow.text('42["room:join",{"room":"flood"}]');
	const [s, r] = [await connect(d), await connect(d)];
	for (const x of [s, r])
		await ask(x, 'room:join', { room: 'flood' });
	await slow.alive();
	slow.s.sock.pause();
	const text = 'x'.repeat(50000);
	let sent = 0;
	const count = () => d.metric('connections_closed', 'slow_consumer');
	const before = await count();
	await until(async () => {
		for (let k = 0; k < 10; k++)
			s.emit('n', { room: 'flood', i: sent++, text });
		await ask(s, 'q', 0);
		return await count() > before;
	}, 'the slow reader to be dropped', 20000);
	const got = await heard(r, 'n', sent, 20000);
	assert.ok(got.every((x, i) => x[0].i === i), 'order, none lost');
	slow.drop();
	s.close();
	r.close();
});

test('volatile messages are dropped for a slow reader, not queued', async () => {
	const slow = await socketio(d.port);
	slow.text('42["room:join",{"room":"vol"}]');
	const s = await connect(d);
	await ask(s, 'room:join', { room: 'vol' });
	await slow.alive();
	slow.s.sock.pause();
	const text = 'x'.repeat(50000);
	for (let k = 0; k < 60; k++) {
		for (let i = 0; i < 10; i++)
			s.emit('v', { room: 'vol', text });
		await ask(s, 'q', 0);
	}
	await d.counts('deliveries_dropped', (n) => n > 0, 'volatile');
	slow.drop();
	s.close();
});

test('a flood of pings that are never read back', async () => {
	const w = await socketio(d.port);
	w.s.sock.pause();
	const burst = Buffer.concat(Array.from({ length: 2000 }, () =>
	    frame(OP.ping, 'x'.repeat(125))));
	for (let i = 0; i < 50 && !w.s.ended; i++) {
		w.send(burst);
		await sleep(2);	/* a pace, not one heap */
	}
	await until(async () => await d.metric('send_queue_bytes') < 600000,
	    'a bounded queue');
	w.drop();
});

test('a flood of pings that is read', async () => {
	const w = await socketio(d.port);
	w.send(Buffer.concat(Array.from({ length: 5000 }, (_, i) =>
	    frame(OP.ping, String(i)))));
	let n = 0;
	try {
		for (;;) {
			const f = await w.next('pong', 500);
			if (f.opcode === 'close') {
				assert.equal(f.code, 1008);
				break;
			}
			n++;
		}
	} catch { /* no more, still open */ }
	assert.ok(n > 0);
	w.drop();
});

test('a thousand half frames, each on its connection', async () => {
	const list = [];
	for (let i = 0; i < (sanitized ? 200 : 1000); i++) {
		const w = await Ws.must(d.port, '/socket.io/?EIO=4&transport=websocket');
		w.send(frame(OP.text, 'x'.repeat(60000)).subarray(0, 20000));
		list.push(w);
	}
	assert.equal(await ask(a, 'q', 1), 1);
	list.forEach((w, i) => (i % 2 ? w.drop() : w.s.reset()));
	await until(async () => await d.metric('connections_open') < 20,
	    'all gone', 10000);
});

test('connection churn: handshakes that end at every step', async () => {
	const request = Buffer.from(Ws.request('/socket.io/?EIO=4&transport=websocket'));
	const rest = Buffer.concat([frame(OP.text, '40'),
	    frame(OP.text, '42["q",1]')]);
	const all = Buffer.concat([request, rest]);
	for (let i = 0; i < 600; i++) {
		const s = await Sock.open(d.port);
		s.send(all.subarray(0, (i * 37) % all.length));
		if (i % 3 === 0)
			s.reset();
		else
			setImmediate(() => s.close());
	}
	await until(async () => await d.metric('connections_open') < 20, 'all gone',
	    10000);
});

test('a CONNECT/DISCONNECT ping-pong', async () => {
	const w = await engine(d.port);
	const both = Buffer.concat([frame(OP.text, '40'), frame(OP.text, '41')]);
	w.send(Buffer.concat(Array.from({ length: 2000 }, () => both)));
	for (let i = 0; i < 2000; i++)
		assert.match(await w.message(), /^40\{"sid":/);
	w.drop();
});

test('JSON nested deep is refused, wherever it stands', async () => {
	const deep = '['.repeat(90000) + ']'.repeat(90000);
	let w = await socketio(d.port);
	w.text(`42["q",${deep}]`);
	assert.ok([1002, 1003, 1007, 1008, 1009].includes((await w.closed()).code));
	w = await engine(d.port);
	w.text(`40{"token":${deep}}`);
	assert.ok([1002, 1003, 1007, 1008, 1009].includes((await w.closed()).code));
});

test('100,000 namespaces that do not exist leave nothing behind', async () => {
	const N = sanitized ? 10000 : 100000;
	let got = 0;
	for (let i = 0; i < N; i += 1000) {
		const w = await engine(d.port);
		w.send(Buffer.concat(Array.from({ length: 1000 }, (_, k) =>
		    frame(OP.text, `40/no-${i + k},`, { key: Buffer.alloc(4) }))));
		for (let k = 0; k < 1000; k++, got++)
			assert.match(await w.message(), /^44\/no-\d+,/);
		assert.equal((await w.closed()).code, 1008);
		w.drop();
	}
	assert.equal(got, N);
	const m = await d.metrics();
	assert.ok(![...m.keys()].some((k) => k.includes('no-1')));
});

test('a thousand rooms of one session vanish with it', async () => {
	const s = await connect(d);
	for (let i = 0; i < 1000; i += 100)
		await Promise.all(Array.from({ length: 100 }, (_, k) =>
		    ask(s, 'room:join', { room: `r${i + k}` })));
	s.close();
	await until(async () => await d.metric('memberships') <=
	    await d.metric('sessions') * 3 + 4, 'rooms gone');
});

test('names of prototypes are names like others', async () => {
	const s = await connect(d);
	for (const n of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
		assert.deepEqual(await ask(s, 'room:join', { room: n }), { room: n });
		assert.equal((await ask(s, n, 1)).error.code, 'unknown_event');
	}
	s.close();
});

test('reserved event names end the connection', async () => {
	for (const n of ['connect', 'disconnect', 'connect_error', 'newListener']) {
		const w = await socketio(d.port);
		w.text(`42["${n}",1]`);
		await w.closed();
	}
});

test('slowloris: 200 half requests do not keep others out', async () => {
	const list = [];
	for (let i = 0; i < 200; i++) {
		const s = await Sock.open(d.port);
		s.send('GET / HTTP/1.1\r\nHost: x\r\nA');
		list.push(s);
	}
	const r = await raw(d.port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	assert.equal(r.status, 200);
	r.sock.close();
	await Promise.all(list.map((s) => s.end(6000)));
	await until(async () => await d.metric('connections_closed',
	    'handshake_timeout') >= 200, 'the counter');
});

test('a listener that runs out of descriptors serves on', async () => {
	const e = await Daemon.start({ workers: 1, conf: `
limits { connections = 20 handshake_timeout = 500ms }
namespace "/" { auth = none event "q" { ack = echo } }
` });
	const s = await connect(e);
	const held = [];
	for (let i = 0; i < 100; i++)
		held.push(await Sock.open(e.port).catch(() => null));
	assert.equal(await ask(s, 'q', 1), 1);
	for (const x of held)
		x?.close();
	await until(async () => (await connect(e).then((c) => {
		c.close();
		return true;
	}, () => false)), 'service again');
	s.close();
	await e.stop();
});

test('a storm of clients leaves the state as it was', async () => {
	for (let k = 0; k < 3; k++) {
		const list = await Promise.all(Array.from({ length: 200 }, () =>
		    connect(d)));
		await Promise.all(list.map((s) => ask(s, 'q', 'x'.repeat(10000))));
		for (const s of list)
			s.close();
	}
	await until(async () => await d.metric('send_queue_bytes') === 0 &&
	    await d.metric('sessions') === 2, 'the state before');
});
