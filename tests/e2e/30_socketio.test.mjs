/* Stock socket.io-client on WebSocket: connect, events, acks, namespaces. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, connected, gotten, heard, once, refused }
	from './lib/clients.mjs';
import { engine, socketio } from './lib/wire.mjs';
import { echo, jwt } from './lib/conf.mjs';
import { mint, now, user } from './lib/token.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: jwt + echo + `
limits { namespaces_per_connection = 5 }
namespace "/members" { event "q" { to = sender meta = off ack = echo } }
namespace "/guidance" { roles = {"teacher"} event "q" { ack = echo } }
namespace "/maybe" { auth = optional event "q" { to = sender ack = echo } }
` });
});
after(() => d.stop());

test('connects and gets a sid that is not the engine\'s', async () => {
	const s = await connect(d);
	assert.match(s.id, /^[A-Za-z0-9_-]{20}$/);
	assert.notEqual(s.id, s.io.engine.id);
	s.close();
});

test('default transports: polling is refused, websocket first works', async () => {
	const s = await connect(d, '/', { transports: ['websocket', 'polling'] });
	assert.equal(s.io.engine.transport.name, 'websocket');
	s.close();
});

test('arguments of every shape come back as they went', async () => {
	const s = await connect(d);
	for (const args of [[], [null], [1.5, 0, -0, 1e21], ['"\\\u001e\u2028 é 😀'],
	    [{ a: [1, { b: null }], '': true }], [[], [[]]], ['x'.repeat(100000)],
	    [{ __proto__x: 1, constructor: 'y' }]]) {
		const back = once(s, 'q');
		s.emit('q', ...args);
		assert.deepEqual(await back, args.map((a) =>
		    (Object.is(a, -0) ? 0 : a)));
	}
	s.close();
});

test('acks: with arguments, without, in order and interleaved', async () => {
	const s = await connect(d);
	assert.deepEqual(await ask(s, 'q', { n: 1 }), { n: 1 });
	const all = await Promise.all(Array.from({ length: 200 }, (_, i) =>
	    ask(s, 'ask', i)));
	assert.deepEqual(all, Array.from({ length: 200 }, (_, i) => i));
	s.close();
});

test('ack of several arguments', async () => {
	const s = await connect(d);
	const got = await new Promise((ok) =>
	    s.emit('ask', 1, 'b', [3], (...a) => ok(a)));
	assert.deepEqual(got, [1, 'b', [3]]);
	s.close();
});

test('an unknown event is answered: by ack, else by event "error"', async () => {
	const s = await connect(d);
	const a = await ask(s, 'nothing-like-it', 1);
	assert.equal(codeOf(a), 'unknown_event');
	assert.equal(typeof a.error.message, 'string');
	s.emit('nothing-like-it', 1);
	const [e] = await once(s, 'error');
	assert.equal(e.code, 'unknown_event');
	assert.equal(e.event, 'nothing-like-it');
	assert.ok(s.connected);
	s.close();
});

test('roost:ping tells time and worker', async () => {
	const s = await connect(d);
	const { ts, worker } = await ask(s, 'roost:ping');
	assert.ok(Math.abs(ts - Date.now()) < 60000);
	assert.ok([1, 2].includes(worker));
	s.close();
});

test('several namespaces on one connection are independent', async () => {
	const token = user('ann', { roles: ['teacher'] });
	const a = await connect(d, '/');
	const m = a.io;
	const b = m.socket('/echo');
	const c = m.socket('/members', { auth: { token } });
	await connected(b);
	await connected(c);
	assert.equal(new Set([a.id, b.id, c.id]).size, 3);
	assert.equal(await ask(a, 'q', 'a'), 'a');
	assert.equal(await ask(b, 'q', 'b'), 'b');
	assert.equal(await ask(c, 'q', 'c'), 'c');
	b.disconnect();
	assert.equal(await ask(a, 'q', 'still'), 'still');
	b.connect();
	await connected(b);
	assert.equal(await ask(b, 'q', 'again'), 'again');
	m._close();
});

test('an event of one namespace is not seen in another', async () => {
	const a = await connect(d, '/'), b = await connect(d, '/echo');
	let seen = false;
	b.onAny(() => { seen = true; });
	const c = await connect(d, '/');
	a.emit('say', 'secret');
	assert.equal((await once(c, 'say'))[0], 'secret');
	assert.equal(await ask(b, 'ask', 1), 1);
	assert.ok(!seen);
	for (const s of [a, b, c])
		s.close();
});

/* --- CONNECT_ERROR -------------------------------------------------------- */

test('unknown namespace: "Invalid namespace", the connection lives', async () => {
	const a = await connect(d);
	const b = a.io.socket('/nope');
	const e = await refused(b);
	assert.equal(e.message, 'Invalid namespace');
	assert.equal(b.active, false);
	assert.equal(await ask(a, 'q', 1), 1);
	a.close();
});

for (const [name, token, reason] of [
	['no token', undefined, 'missing'],
	['a token that is none', 'gibberish', 'malformed'],
	['an expired token', user('ann', { exp: now() - 60 }), 'expired'],
	['a token of another key', user('ann', {}, { key: 'x'.repeat(40) }), 'signature'],
	['alg none', mint({ sub: 'ann', exp: now() + 60 }, { alg: 'none' }), 'algorithm'],
]) {
	test(`CONNECT_ERROR for ${name}: unauthorized, ${reason}`, async () => {
		const s = await connect(d, '/members',
		    { wait: false, auth: { token } });
		const e = await refused(s);
		assert.equal(e.data.code, 'unauthorized');
		if (token !== undefined)
			assert.equal(e.data.reason, reason);
		assert.ok(e.message.length > 0);
		s.close();
	});
}

test('teachers only: a student is refused and told why', async () => {
	const s = await connect(d, '/guidance', { wait: false,
		auth: { token: user('ben', { roles: ['student'] }) } });
	const e = await refused(s);
	assert.equal(e.data.code, 'forbidden');
	assert.match(e.message, /role/);
	s.close();
	const t = await connect(d, '/guidance', {
		auth: { token: user('tess', { roles: ['teacher'] }) } });
	assert.equal(await ask(t, 'q', 1), 1);
	t.close();
});

test('after a refusal the same connection may try again', async () => {
	const s = await connect(d, '/members', { wait: false,
		auth: (cb) => cb({ token: s?.good ? user('ann') : 'bad' }) });
	await refused(s);
	s.good = true;
	s.connect();
	await connected(s);
	s.close();
});

test('auth = optional: nobody, somebody; a bad token is refused', async () => {
	const anon = await connect(d, '/maybe');
	anon.emit('q', 1);
	const [, m1] = await once(anon, 'q');
	assert.equal(m1.from, null);
	anon.close();
	const ann = await connect(d, '/maybe', { auth: { token: user('ann') } });
	ann.emit('q', 1);
	const [, m2] = await once(ann, 'q');
	assert.equal(m2.from, 'ann');
	ann.close();
	const bad = await connect(d, '/maybe',
	    { wait: false, auth: { token: 'bad' } });
	assert.equal((await refused(bad)).data.code, 'unauthorized');
	bad.close();
});

test('the token may come as query parameter or header of the handshake', async () => {
	const q = await connect(d, '/members', { query: { token: user('ann') } });
	assert.equal(await ask(q, 'q', 1), 1);
	q.close();
	const h = await connect(d, '/members', {
		extraHeaders: { Authorization: `Bearer ${user('ann')}` } });
	assert.equal(await ask(h, 'q', 1), 1);
	h.close();
});

test('more namespaces than allowed are refused with "limit"', async () => {
	const w = await engine(d.port);
	const names = ['', '/echo,', '/maybe,'];
	for (const n of names) {
		w.text(`40${n}`);
		assert.match(await w.message(), /^40/);
	}
	w.drop();
	const e = await Daemon.start({ conf: echo +
	    'limits { namespaces_per_connection = 1 }\n' });
	/* beyond what a byte counts */
	const many = [...Array(301).keys()];
	const f = await Daemon.start({ conf: many.map((i) =>
		`namespace "/n${i}" { auth = none event "q" { ack = echo } }\n`)
	    .join('') + 'limits { namespaces_per_connection = 300 }\n' });
	const m = await engine(f.port);
	for (const i of many.slice(0, 300)) {
		m.text(`40/n${i},`);
		assert.match(await m.message(), /^40/, `${i}`);
	}
	m.text('40/n300,');
	assert.match(await m.message(), /^44\/n300,.*"limit"/);
	m.text('41/n7,');
	m.text('40/n300,');
	assert.match(await m.message(), /^40\/n300,/);
	m.text('42/n299,1["q",5]');
	assert.equal(await m.message(), '43/n299,1[5]');
	m.drop();
	await f.stop();
	const one = await socketio(e.port);
	one.text('40/echo,');
	assert.match(await one.message(), /^44\/echo,.*"limit"/);
	await one.alive();
	one.drop();
	await e.stop();
});

/* --- disconnection, reconnection ------------------------------------------ */

test('disconnect() leaves at once, and the counts fall', async () => {
	const before = await d.metric('sessions');
	const s = await connect(d);
	await until(async () => await d.metric('sessions') === before + 1, 'one more');
	s.disconnect();
	await until(async () => await d.metric('sessions') === before, 'as before');
});

test('the client reconnects after its connection was cut', async () => {
	const s = await connect(d, '/', { reconnection: true,
		reconnectionDelay: 50, randomizationFactor: 0 });
	const first = s.id;
	s.io.engine.transport.ws._socket.destroy();
	const [reason] = await once(s, 'disconnect');
	assert.equal(reason, 'transport close');
	await connected(s);
	assert.notEqual(s.id, first);
	assert.equal(await ask(s, 'q', 1), 1);
	s.close();
});

test('it reconnects when the daemon is restarted on the same port', async () => {
	const e = await Daemon.start({ conf: echo });
	const s = await connect(e, '/', { reconnection: true,
		reconnectionDelay: 100, reconnectionDelayMax: 200 });
	const port = e.port;
	const gone = once(s, 'disconnect');
	await e.stop();
	assert.equal((await gone)[0], 'transport close');
	const f = await Daemon.start({ listen: false,
		conf: `listen "127.0.0.1:${port}" {}\n` + echo });
	await connected(s);
	assert.equal(await ask(s, 'q', 1), 1);
	s.close();
	await f.stop();
});

test('events buffered before connect arrive in order', async () => {
	const s = await connect(d, '/', { wait: false });
	for (let i = 0; i < 50; i++)
		s.emit('q', i);
	await heard(s, 'q', 50);
	assert.deepEqual(gotten(s, 'q').map((a) => a[0]),
	    Array.from({ length: 50 }, (_, i) => i));
	s.close();
});

test('timeouts of the client: a rule without ack never answers', async () => {
	const s = await connect(d);
	await assert.rejects(s.timeout(200).emitWithAck('back', 1));
	assert.ok(s.connected);
	s.close();
});

test('100 namespaces named by strangers cost their sender a refusal each',
async () => {
	const w = await engine(d.port);
	for (const n of ['__proto__', 'constructor', 'a'.repeat(200), 'é', '..']) {
		w.text(`40/${n},`);
		assert.equal(await w.message(),
		    `44/${n},{"message":"Invalid namespace"}`);
	}
	w.text(`40/${'a'.repeat(10000)},`);
	const reply = await w.next();
	assert.ok(reply.opcode === 'close' || /^44/.test(reply.text));
	w.drop();
});
