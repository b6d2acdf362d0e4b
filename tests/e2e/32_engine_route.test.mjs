/*
 * Engine.IO without Socket.IO: routes of format = engine, under the stock
 * engine.io-client, on both transports, beside clients of other kinds.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { Socket } from 'engine.io-client';

import { Daemon, slow, until, within } from './lib/daemon.mjs';
import { connect, gotten, heard, plain } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { jwt } from './lib/conf.mjs';
import { mint as token, now } from './lib/token.mjs';
import { Ws } from './lib/wire.mjs';

const key = 'engine-route-key';
const sha = crypto.createHash('sha256').update(key).digest('hex');
const conf = `${jwt.replace('}\n', '  leeway = 0s }\n')}
auth_warning = 0s
socketio { cookie = "io" }
allowed_origins = {"http://app.example"}
cors { origins = {"http://read.example"} }
api { key "t" { sha256 = "${sha}" allow = {"publish"} } }
recovery { window = 10s }
limits { message_bytes = 200KB }
namespace "/" { auth = none event "*" { to = sender meta = off } }
namespace "/echo" { auth = none
    event "message" { to = sender meta = off } }
namespace "/talk" { auth = none presence = query
    room "r:{id}" { join = open }
    event "message" { to = namespace }
    event "many" { to = namespace args = 2 }
    event "say" { to = room:room args = 2 } }
namespace "/only" { auth = required roles = {"teacher"}
    event "message" { to = sender }
    event "connect" { to = sender as = "hello" } }
namespace "/slow" { auth = none
    event "message" { to = sender meta = off rate = "few" } }
rate "few" { per = connection allow = 2/1h }
route "/engine.io" { namespace = "/echo" format = engine }
route "/talk/{room}" { namespace = "/talk" join = "r:{room}" format = engine }
route "/only" { namespace = "/only" format = engine }
route "/pupils" { namespace = "/only" roles = {"pupil"} format = engine }
route "/slow" { namespace = "/slow" format = engine }
`;

let d;
before(async () => { d = await Daemon.start({ workers: 3, conf }); });
after(() => d.stop());

/* A client of the stock library; .got holds strings and Buffers. */
async function eio(path = '/engine.io', { wait = true, ...opts } = {}) {
	const s = new Socket(`http://127.0.0.1:${d.port}`, {
		path, transports: ['websocket'], ...opts });
	s.binaryType = 'nodebuffer';
	s.got = [];
	s.on('message', (m) => s.got.push(m));
	s.on('close', (why, e) => { s.why = `${why} ${e?.description ?? ''}`; });
	if (wait)
		await opened(s);
	return s;
}
const opened = (s) => within(new Promise((ok, no) => {
	s.once('open', ok);
	s.once('close', (why, e) => no(Object.assign(new Error(`closed: ${why}`),
	    { description: e?.description ?? e })));
}), 'open');
const failed = (s) => within(new Promise((ok, no) => {
	s.once('open', () => no(new Error('was opened')));
	s.once('error', ok);
}), 'error');
const gets = async (s, n) => {
	try {
		return await until(() => s.got.length >= n && s.got, 'them');
	} catch {
		throw new Error(`${s.got.length} of ${n} messages: ${s.why}`);
	}
};
const closed = (s) => within(new Promise((ok) => s.once('close', ok)), 'close');

/* an empty text is undefined to that library */
const texts = ['hello', 'b', '0', '1', '{"a":1}', '"quoted"', 'a\nb\tc\\d',
	'\u0000zero', 'gr\u00fc\u00df \u2028 \u{1f600}', 'x'.repeat(70000)];
const binaries = [[], [1, 2, 3, 4], [0, 0x1e, 0xff],
	[...Array(70000).keys()].map((i) => i & 255)];

for (const [name, opts] of Object.entries({
	'polling only': { transports: ['polling'] },
	'websocket only': {},
	'upgrading': { transports: ['polling', 'websocket'] },
	'websocket, base64': { forceBase64: true },
	'upgrading, base64': { transports: ['polling', 'websocket'],
		forceBase64: true },
	'no trailing slash': { transports: ['polling', 'websocket'],
		addTrailingSlash: false },
})) {
	test(`text and binary pass unchanged: ${name}`, async () => {
		const s = await eio('/engine.io', opts);
		const sent = [...texts,
			...binaries.map((b) => Buffer.from(b))];
		for (const m of sent)
			s.send(m);
		await gets(s, sent.length);
		sent.forEach((m, i) => assert.deepEqual(s.got[i], m));
		if (opts.transports?.length === 2) {
			await until(() => s.transport.name === 'websocket',
			    'upgrade');
			s.send('after');
			s.send(Buffer.from('bin'));
			await gets(s, sent.length + 2);
			assert.equal(s.got.at(-2), 'after');
			assert.deepEqual(s.got.at(-1), Buffer.from('bin'));
		}
		s.close();
		await until(() => s.readyState === 'closed', 'close');
	});
}

test('upgrades under traffic lose, double and reorder nothing', async () => {
	const N = 300;
	await Promise.all([...Array(12).keys()].map(async () => {
		const s = await eio('/engine.io',
		    { transports: ['polling', 'websocket'] });
		for (let i = 0; i < N; i++) {
			s.send(i % 5 ? `${i}` : Buffer.from(`${i}`));
			if (i % 20 === 0)
				await new Promise((ok) => setImmediate(ok));
		}
		await gets(s, N);
		assert.deepEqual(s.got.map(String),
		    [...Array(N).keys()].map(String));
		s.got.forEach((m, i) => assert.equal(Buffer.isBuffer(m),
		    i % 5 === 0));
		await until(() => s.transport.name === 'websocket', 'upgrade');
		s.close();
	}));
});

test('one room: engine over both transports, Socket.IO, plain, HTTP', async () => {
	const room = `r:${crypto.randomUUID()}`, path = `/talk/${room.slice(2)}`;
	const a = await eio(path);
	const b = await eio(`${path}/`, { transports: ['polling'] });
	const s = await connect(d, '/talk');
	await s.emitWithAck('room:join', { room });
	const p = await plain(d, '/ws/talk');
	await p.ask('room:join', { room });
	p.removeAllListeners('message');
	p.on('message', (m, binary) => !binary &&
	    p.got.push(JSON.parse(m.toString())));
	s.emit('say', { room, n: 1 });
	for (const e of [a, b])
		assert.deepEqual(JSON.parse((await gets(e, 1))[0]), { room, n: 1 });
	s.emit('say', { room }, Buffer.from('xyz'));
	for (const e of [a, b])
		assert.deepEqual(JSON.parse((await gets(e, 2))[1]), { room });
	const publish = (data, more) => fetch(d.url('/api/v1/publish'), {
		method: 'POST', headers: { authorization: `Bearer ${key}`,
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: '/talk', room, event: 'news',
			...more, ...(more?.args ? {} : { data }) }) });
	assert.equal((await publish('from outside')).status, 200);
	/* the next request may come to another worker, and is in no order */
	for (const e of [a, b])
		await gets(e, 3);
	assert.equal((await publish({ an: 'object' })).status, 200);
	for (const e of [a, b]) {
		await gets(e, 4);
		assert.deepEqual(e.got.slice(2),
		    ['from outside', '{"an":"object"}']);
	}
	/* what an engine client says is the event `message` */
	a.send('to all');
	await heard(s, 'message');
	const [text, meta] = gotten(s, 'message')[0];
	assert.equal(text, 'to all');
	assert.equal(meta.from, null);
	const m = await until(() => p.got.find((x) => x.event === 'message'),
	    'message');
	assert.equal(m.data, 'to all');
	assert.equal((await gets(b, 5))[4], 'to all');
	b.send(Buffer.from([9, 8]));
	await heard(s, 'message', 2);
	assert.deepEqual(gotten(s, 'message')[1][0], Buffer.from([9, 8]));
	assert.deepEqual((await gets(a, 5))[4], Buffer.from([9, 8]));
	for (const c of [a, b, s, p])
		c.close();
});

test('a Socket.IO attachment as first argument is a binary message', async () => {
	const a = await eio('/talk/x');
	const s = await connect(d, '/talk');
	s.emit('many', Buffer.from([1, 2]), 'more');
	s.emit('message', { deep: Buffer.from([3]) });
	s.emit('many', '\u{1f600}\ud800', 1);
	s.emit('message');
	s.emit('message', '');
	await gets(a, 5);
	assert.deepEqual(a.got[0], Buffer.from([1, 2]));
	assert.deepEqual(JSON.parse(a.got[1]),
	    { deep: { _placeholder: true, num: 0 } });
	assert.equal(a.got[2], '\u{1f600}\ufffd');
	assert.equal(a.got[3], 'null');
	assert.equal(a.got[4], undefined);	/* that library's empty text */
	a.close();
	s.close();
});

test('a separator in a text makes no packets of it', async () => {
	const p = await Polling.open(d.port, { path: '/talk/sep' });
	const s = await connect(d, '/talk');
	s.emit('message', 'x\x1e1\x1e4y');
	assert.deepEqual(await p.collect(1), ['4x\ufffd1\ufffd4y']);
	s.emit('message', 'and on');
	assert.deepEqual(await p.collect(1), ['4and on']);
	await p.send('1');
	s.close();
});

test('who may not come is told so in Engine.IO\'s words', async () => {
	const get = (path, headers) => request(d.port, 'GET',
	    `${path}/?EIO=4&transport=polling`, { headers });
	const no = async (r, status, message, code = 4) => assert.deepEqual(
	    [(await r).status, JSON.parse((await r).body)],
	    [status, { code, message }]);
	await no(get('/only'), 403, 'authentication required');
	await no(get('/only', { authorization: 'Bearer a.b.c' }), 403,
	    'not a JSON Web Token');
	await no(get('/only', { authorization: `Bearer ${
	    token({ sub: 'x' })}` }), 403, 'your role is not admitted here');
	await no(get('/pupils', { authorization: `Bearer ${
	    token({ sub: 'x', roles: ['teacher'] })}` }), 403,
	'your role is not admitted here');
	await no(get(`/talk/${'x'.repeat(300)}`), 400, 'room name too long', 3);
	await no(get('/talk/%zz'), 400, 'Bad request', 3);
	await no(get('/engine.io', { origin: 'http://evil.example' }), 403,
	    'Forbidden');
	const w = await Ws.open(d.port, '/only/?EIO=4&transport=websocket');
	assert.equal(w.response.status, 400);
	w.s?.close();
	const e = await eio('/only', { wait: false, transports: ['polling'] });
	await failed(e);
	e.close();
	const t = await eio('/only', { query: {
	    token: token({ sub: 't', roles: ['teacher'] }) },
	transports: ['polling', 'websocket'] });
	t.send('me');
	assert.deepEqual(await gets(t, 2), ['{}', 'me']);
	t.close();
});

test('the words of the handshake are Engine.IO\'s', async () => {
	for (const [query, code] of [['', 0], ['?EIO=4', 0],
	    ['?EIO=4&transport=abc', 0], ['?transport=polling', 5],
	    ['?EIO=3&transport=polling', 5],
	    ['?EIO=4&transport=polling&sid=nope', 1]]) {
		const r = await request(d.port, 'GET', `/engine.io/${query}`);
		assert.equal(r.status, 400);
		assert.equal(JSON.parse(r.body).code, code, query);
	}
	const r = await request(d.port, 'POST', '/engine.io/?EIO=4&transport=polling');
	assert.deepEqual(JSON.parse(r.body),
	    { code: 2, message: 'Bad handshake method' });
	assert.equal((await request(d.port, 'GET', '/engine.io/x')).status, 404);
	assert.equal((await request(d.port, 'GET', '/engine.io//')).status, 404);
	const c = await request(d.port, 'GET', '/engine.io/?EIO=4&transport=polling',
	    { headers: { origin: 'http://read.example' } });
	assert.equal(c.headers['access-control-allow-origin'],
	    'http://read.example');
});

test('a sid is known at its own endpoint only', async () => {
	const e = await Polling.open(d.port, { path: '/engine.io' });
	const s = await Polling.open(d.port);
	assert.equal(e.response.headers['set-cookie'], undefined);
	assert.match(`${s.response.headers['set-cookie']}`, /^io=/);
	const unknown = { code: 1, message: 'Session ID unknown' };
	const at = async (path, sid, transport = 'polling') => {
		const r = await request(d.port, 'GET', `${path
		}/?EIO=4&transport=${transport}&sid=${sid}`);
		return [r.status, JSON.parse(r.body)];
	};
	assert.deepEqual(await at('/socket.io', e.sid), [400, unknown]);
	assert.deepEqual(await at('/slow', e.sid), [400, unknown]);
	assert.deepEqual(await at('/engine.io', s.sid), [400, unknown]);
	const w = await Ws.open(d.port,
	    `/socket.io/?EIO=4&transport=websocket&sid=${e.sid}`);
	assert.equal(w.response.status, 400);
	await e.send('4still here');
	assert.deepEqual(await e.collect(1), ['4still here']);
	await s.connect();
});

test('text that is not UTF-8 is refused', async () => {
	const p = await Polling.open(d.port, { path: '/engine.io' });
	const r = await p.post(Buffer.from([0x34, 0xff, 0xfe]));
	assert.equal(r.status, 400);
	assert.ok(await p.gone());
	const w = await Ws.must(d.port, '/engine.io/?EIO=4&transport=websocket');
	await w.message('open');
	w.text(Buffer.from([0x34, 0xc3, 0x28]));
	const f = await w.next('close');
	assert.deepEqual([f.opcode, f.code], ['close', 1007]);
	w.s.close();
});

test('a packet that is none is answered, or the waiting GET is', async () => {
	const p = await Polling.open(d.port, { path: '/engine.io' });
	assert.equal((await p.post('abc')).status, 400);
	assert.ok(await p.gone());
	const q = await Polling.open(d.port, { path: '/engine.io' });
	const get = q.get();
	await until(() => get.req.socket?.bytesWritten > 0, 'GET sent');
	await until(async () => (await d.metric('http_requests')) > 0, 'metrics');
	const r = await q.post('abc');
	if (r.status === 200)	/* it came first */
		assert.equal((await get).body, '1');
	else
		assert.equal((await get).status, 400);
});

const LATE_MS = 100;	/* so long a session that its client closes waits for it */

test('a GET that was sent with its client\'s close is answered', async () => {
	for (let i = 0; i < 20; i++) {
		const p = await Polling.open(d.port, { path: '/engine.io' });
		const sent = Date.now(), close = p.post('1');
		if (i % 2)	/* or at once, or a little later */
			await new Promise((ok) => setTimeout(ok, 3));
		const { body } = await p.get();
		/* what a busy machine brings later is not waited for */
		if (body !== '6')
			assert.ok(Date.now() - sent >= LATE_MS, body);
		assert.equal((await close).body, 'ok');
		assert.ok(await p.gone());
	}
	const p = await Polling.open(d.port, { path: '/engine.io' });
	await p.send('1');
	assert.ok(await p.gone());
});

test('rates count for engine clients', async () => {
	const s = await eio('/slow');
	for (const t of ['1', '2', '3'])
		s.send(t);
	await gets(s, 3);
	assert.deepEqual(s.got.slice(0, 2), ['1', '2']);
	assert.equal(JSON.parse(s.got[2]).code, 'rate_limited');
	s.close();
});

test('a token ends, and with it the session', async () => {
	const of = () => ({ query: { token: token({ sub: 't',
		roles: ['teacher'], exp: now() + 2 * slow }) } });
	const w = await eio('/only', of());
	const p = await eio('/only', { ...of(), transports: ['polling'] });
	w.send('me');
	await gets(w, 2);
	await Promise.all([closed(w), closed(p)]);
	assert.match(w.why, /^transport close/);
	assert.match(p.why, /^transport close/);
});

test('recovery is Socket.IO\'s alone', async () => {
	const a = await eio('/talk/rec'), s = await connect(d, '/talk');
	s.emit('many', 'two', 'more');
	assert.deepEqual(await gets(a, 1), ['two']);
	a.send('one');
	await heard(s, 'message');
	const args = gotten(s, 'message')[0];
	assert.equal(args.length, 3);	/* text, meta, offset */
	a.close();
	s.close();
});

test('a message that is too large ends the session', async () => {
	const s = await eio('/engine.io');
	s.send('x'.repeat(200001));
	await closed(s);
});
