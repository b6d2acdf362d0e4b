/*
 * What the server that socket.io-client is tested with does for its clients: said
 * by rules alone, and, where it takes a program, by a small back end that hooks
 * ask and that publishes.  Not among it: binary constants, for which the back
 * end has no bytes.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, connected, gotten, heard, refused } from './lib/clients.mjs';

const words = ['てすと', 'Я Б Г Д Ж Й', 'Ä ä Ü ü ß', 'utf8 — string', 'utf8 — string'];
const mixed = `check = {"hello: one of lol", "message: object",
            "message._placeholder: one of true", "goodbye: one of gotcha"}`;
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `
namespace "/" { auth = none
    event "hi"    { to = sender  meta = off }
    event "echo"  { ack = echo }
    event "false" { to = sender  meta = off  data = false }
    event "getUtf8" { to = nowhere
        ${words.map((w, i) => `then "${i}" { to = sender  as = "takeUtf8"  meta = off
            data = '"${w}"' }`).join('\n        ')} }
    event "getId" { ack = echo  data = '{}'  set = "id: sid" }
    event "buffa" { to = nowhere  then "buffack" { to = sender  meta = off  data = 0 } }
    event "jsonbuff" { to = nowhere  ${mixed}
        then "jsonbuff-ack" { to = sender  meta = off  data = 0 } }
    event "abuff1" { to = nowhere }
    event "abuff2" { to = nowhere  then "abuff2-ack" { to = sender  meta = off  data = 0 } }
}
namespace "/abc" { auth = none
    keep_query = {b, "+"}  keep_headers = {user-agent}
    event "connect" { to = sender  as = "handshake"  meta = off  data = '{}'
        set = {"b: query:b", "+: query:+", "address: address", "agent: header:user-agent"} }
}
namespace "/no" { auth = required }
jwt { secret = "0123456789abcdef0123456789abcdef"  algorithms = {"HS256"} }
` });
});
after(() => d.stop());

test('events and answers', async () => {
	const s = await connect(d, '/');
	s.emit('hi');
	assert.deepEqual(await heard(s, 'hi'), [[]]);
	assert.equal(await ask(s, 'echo', 123), 123);
	s.emit('false');
	assert.deepEqual(await heard(s, 'false'), [[false]]);
	s.emit('getUtf8');
	assert.deepEqual((await heard(s, 'takeUtf8', 5)).flat(), words);
	assert.deepEqual(await ask(s, 'getId'), { id: s.id });
	s.close();
});

test('binary arguments, and their order', async () => {
	const s = await connect(d, '/');
	const message = Buffer.from('howdy');
	s.emit('buffa', message);
	s.emit('jsonbuff', { hello: 'lol', message, goodbye: 'gotcha' });
	s.emit('abuff1', message);
	s.emit('abuff2', 'please arrive second');
	await heard(s, 'abuff2-ack');
	assert.deepEqual(s.got.map(([name]) => name),
	    ['buffack', 'jsonbuff-ack', 'abuff2-ack']);
	for (const wrong of [{ hello: 'lol', message: 'x', goodbye: 'gotcha' },
	    { hello: 'no', message, goodbye: 'gotcha' }])
		assert.equal(codeOf(await ask(s, 'jsonbuff', wrong)), 'invalid');
	assert.equal(gotten(s, 'jsonbuff-ack').length, 1);
	s.close();
});

test('the handshake, and a namespace that refuses', async () => {
	const s = await connect(d, '/abc', { query: { b: 'c', '+': '&=bar' },
		extraHeaders: { 'User-Agent': 'me' } });
	assert.deepEqual(await heard(s, 'handshake'), [[{ b: 'c', '+': '&=bar',
		address: '127.0.0.1', agent: 'me' }]]);
	await assert.rejects(connect(d, '/no'), /connect_error/);
	s.close();
});

/* --- with a back end ------------------------------------------------------------ */

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');

/* The server's program, as far as it says something. */
class Program {
	static async start() {
		const p = new Program();
		p.back = await Backend.start();
		p.back.answer = (q, r) => p.serve(q, r);
		p.d = await Daemon.start({ workers: 2, conf: `
hook "program" { url = "${p.back.url}"  secret = "${SECRET}"  allow_private = true
    timeout = 10s  batch_delay = 0s }
api { key "b" { sha256 = "${sha}"  allow = {"publish", "disconnect"} } }
namespace "/" { auth = none  hook = "program"  ask = true  keep_query = {fail, room}
    events = {connected}
    room "{any}" { join = server }
    event "getAckDate" { ask = true  ack = backend  args = 1 }
    event "getDate" { to = backend }
    event "getId" { ask = true  ack = backend }
    event "add" { ask = true  ack = backend  args = 8 }
    event "ack" { to = backend }
    event "room" { to = joined  self = true  meta = off }
    event "enter" { ask = true  ack = backend }
}
namespace "/no" { auth = none  hook = "program"  ask = true }
namespace "/abc" { auth = none  hook = "program"  ask = true  keep_query = {b} }
namespace "/private" { auth = none  hook = "program"
    room "of:{user}" { join = ask }
    event "say" { to = room:room  self = true  meta = off }
}
` });
		return p;
	}
	serve(q, r) {
		const { namespace: ns, entries } = q.json;
		if (entries) {
			for (const e of entries)
				this.told(ns, e);
			return 200;
		}
		r.writeHead(200).end(JSON.stringify(this.says(q.json)));
		return undefined;
	}
	/* io.use(), io.of().use(), and on("connection") */
	connect({ namespace: ns, handshake: { query }, data }) {
		if (ns === '/no')
			return { allow: false, message: 'Auth failed (custom namespace)',
				data: { a: 1, b: [] } };
		if (query.fail)
			return { allow: false, message: 'Auth failed (main namespace)' };
		if (ns === '/abc')
			return { allow: true, event: 'handshake',
				data: { query, auth: data[0] ?? {} } };
		return { allow: true, rooms: query.room ? [query.room] : [],
			event: 'auth', data: data[0] ?? {} };
	}
	says(j) {
		if (j.type === 'connect')
			return this.connect(j);
		if (j.type === 'join')
			return j.room === 'of:me' ? { allow: true } : { allow: false,
				code: 'private', message: 'not yours', data: [j.room] };
		switch (j.event) {
		case 'getAckDate': return { allow: true, ack: [new Date()] };
		case 'getId': return { allow: true, ack: [j.sid] };
		case 'add': return { allow: true,
			ack: [j.data.reduce((a, x) => a + x, 0)] };
		default: return { allow: false, message: 'unknown' };
		}
	}
	post(what, body) {
		return fetch(this.d.url(`/api/v1/${what}`), { method: 'POST',
			headers: { Authorization: `Bearer ${KEY}`,
				'Content-Type': 'application/json' },
			body: JSON.stringify({ namespace: '/', ...body }) })
		    .then((r) => r.json());
	}
	/* socket.on(...) of what has no answer of its own */
	async told(ns, e) {
		if (e.event === 'getDate')
			await this.post('publish', { sid: e.sid, event: 'takeDate',
				args: [new Date()] });
		if (e.event !== 'ack')
			return;
		/* socket.emit("ack", (a, b) => ...) */
		const r = await this.post('publish', { sid: e.sid, event: 'ack',
			args: [], ack: true, timeout: 5000 });
		this.answer = r;
		const [a, x] = r.answers?.[0]?.args ?? r.answers?.[0]?.data ?? [];
		if (a === 5 && x.test)
			await this.post('publish', { sid: e.sid, event: 'got it',
				args: [] });
	}
	async stop() {
		await this.d.stop();
		await this.back.close();
		this.back.check();
	}
}

let p;
before(async () => { p = await Program.start(); });
after(() => p.stop());

test('a middleware refuses by what the handshake says', async () => {
	const s = await connect(p.d, '/', { wait: false, query: { fail: 'true' } });
	assert.equal((await refused(s)).message, 'Auth failed (main namespace)');
	s.close();
	(await connect(p.d, '/')).close();
});

test('a namespace refuses with words and data of its own', async () => {
	const s = await connect(p.d, '/no', { wait: false });
	const e = await refused(s);
	assert.equal(e.message, 'Auth failed (custom namespace)');
	assert.deepEqual(e.data, { a: 1, b: [] });
	s.close();
});

test('the server sends what the client has said of itself', async () => {
	const s = await connect(p.d, '/', { auth: { a: 'b', c: 'd' } });
	assert.deepEqual(await heard(s, 'auth'), [[{ a: 'b', c: 'd' }]]);
	const t = await connect(p.d, '/abc', { query: { b: 'c' },
		auth: (cb) => cb({ e: 'f' }) });
	assert.deepEqual(await heard(t, 'handshake'), [[{ query: { b: 'c' },
		auth: { e: 'f' } }]]);
	s.close();
	t.close();
});

test('the server puts a client in a room as it comes', async () => {
	const [s, t, u] = await Promise.all(['one', 'one', 'two'].map((room) =>
		connect(p.d, '/', { query: { room } })));
	s.emit('room', 'hi');
	assert.deepEqual(await heard(t, 'room'), [['hi']]);
	await heard(s, 'room');
	u.emit('room', 'other');
	await heard(u, 'room');
	assert.deepEqual([s, t, u].map((x) => gotten(x, 'room').length), [1, 1, 1]);
	for (const x of [s, t, u])
		x.close();
});

test('acknowledgements are computed: a date, a sid, a sum', async () => {
	const s = await connect(p.d, '/');
	assert.ok(Math.abs(new Date(await ask(s, 'getAckDate', { test: true })) -
	    Date.now()) < 60000);
	assert.equal(await ask(s, 'getId'), s.id);
	assert.equal(await ask(s, 'add', 1, 2, 39), 42);
	s.close();
});

test('the server sends a date when it is asked', async () => {
	const s = await connect(p.d, '/');
	s.emit('getDate');
	const [[date]] = await heard(s, 'takeDate');
	assert.equal(typeof date, 'string');
	assert.ok(!Number.isNaN(Date.parse(date)));
	s.close();
});

test('the server asks for an answer, and looks at it', async () => {
	const s = await connect(p.d, '/');
	s.on('ack', (...a) => a.at(-1)(5, { test: true }));
	s.emit('ack');
	await until(() => gotten(s, 'got it').length === 1,
	    () => `the word: ${JSON.stringify(p.answer)}`);
	s.close();
});

test('an event is refused, and a room, with data', async () => {
	const s = await connect(p.d, '/');
	assert.deepEqual((await ask(s, 'enter', 1)).error,
	    { code: 'forbidden', message: 'unknown' });
	s.close();
	const t = await connect(p.d, '/private');
	assert.deepEqual(await ask(t, 'room:join', 'of:you'), { error:
		{ code: 'private', message: 'not yours', data: ['of:you'] } });
	await ask(t, 'room:join', 'of:me');
	t.emit('say', { room: 'of:me', i: 1 });
	assert.deepEqual(await heard(t, 'say'), [[{ room: 'of:me', i: 1 }]]);
	t.close();
});

test('a client that comes back is asked about again', async () => {
	const s = await connect(p.d, '/', { auth: { n: 1 }, reconnection: true,
		reconnectionDelay: 20 });
	s.auth = { n: 2 };
	s.io.engine.close();
	await until(() => gotten(s, 'auth').length === 2, 'the second time');
	await connected(s);
	assert.deepEqual(gotten(s, 'auth'), [[{ n: 1 }], [{ n: 2 }]]);
	s.close();
});
