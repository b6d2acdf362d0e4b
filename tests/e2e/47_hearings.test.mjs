/*
 * Clients, and joins, that a hook is asked about: over every transport, with
 * what it says, without an answer, and while workers come and go.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';

import { EventSource } from 'eventsource';
import SockJS from 'sockjs-client';

import { Backend, SECRET } from './lib/backend.mjs';
import { WebSocket, ask, codeOf, connect, connected, gotten, heard, plain, refused }
	from './lib/clients.mjs';
import { jwt, listenTls } from './lib/conf.mjs';
import { Daemon, slow, until, within } from './lib/daemon.mjs';
import { Polling } from './lib/polling.mjs';
import { CLIENT, started } from './lib/remains.mjs';
import { post, session } from './lib/sockjs.mjs';
import { Stream } from './lib/sse.mjs';
import { user } from './lib/token.mjs';
import { Upgradable, putRebuilt, upgrade } from './lib/upgrade.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = (url, more = 'timeout = 10s') => `
hook "back" { url = "${url}"  secret = "${SECRET}"  allow_private = true
    ${more} }
${jwt}
recovery { window = 1m }
api { key "b" { sha256 = "${sha(KEY)}"  allow = {"publish", "revoke"} } }
namespace "/app" { auth = optional  hook = "back"  ask = true  sockjs = true
    keep_query = {seat}  keep_headers = {x-team}  keep_claims = {plan}
    room "r:{id}" { join = open }
    room "k:{id}" { join = open  history = 10 }
    room "q:{id}" { join = ask }
    event "who" { to = sender  meta = off  data = '{}'  set = {"user: user", "sid: sid"} }
    event "echo" { ack = echo }
    event "edit" { roles = {"editor"}  ack = echo }
    event "say" { to = room:room  self = true  meta = off }
    event "sum" { ask = true  ack = backend  args = 4 }
}
namespace "/open" { auth = optional  hook = "back"  poll_room = "q:1"  sockjs = true
    room "o:{id}" { join = open }
    room "q:{id}" { join = ask  history = 10 }
    room "p:{id}" { join = ask }
    event "say" { to = room:room  self = true  meta = off }
    event "echo" { ack = echo }
}
route "/seats/{id}" { namespace = "/open"  join = "p:{id}" }
route "/engine/{id}" { namespace = "/open"  join = "p:{id}"  format = engine }
`;
const as = (name, more) => ({ auth: { token: user(name, more) } });
const json = (r, o) => { r.writeHead(200).end(JSON.stringify(o)); };
const kind = (q) => q.headers['x-roost-question'];
/* Entries are taken; questions of a kind are what says[kind] says, or allowed. */
const judge = (says) => (q, r) => {
	if (kind(q) === 'entries')
		return 200;
	const a = says[kind(q)]?.(q.json, r, q) ?? { allow: true };
	if (a !== judge.later)
		json(r, a);
	return undefined;
};
judge.later = Symbol('it answers by itself');
const questions = (back, of) => back.requests.filter((q) => kind(q) === of);
/* Those that are held, to be answered later. */
const holding = (of) => {
	const held = [];
	const says = { [of]: (j, r) => {
		held.push({ j, say: (o) => json(r, o) });
		return judge.later;
	} };
	return { held, answer: judge(says) };
};

let b, d;
before(async () => {
	b = await Backend.start();
	d = await Daemon.start({ workers: 2, conf: conf(b.url) });
});
beforeEach(() => { b.answer = judge({}); });
after(async () => {
	await d.stop();
	await b.close();
	b.check();
});
const url = (path) => `http://127.0.0.1:${d.port}${path}`;

/* --- Socket.IO -------------------------------------------------------------- */

test('a hook is asked who comes, and with what', async () => {
	const before = await d.metric('verdicts_connects');
	const s = await connect(d, '/app', { ...as('ann', { plan: 'gold', x: 1 }),
		query: { seat: '7', other: 'x' }, extraHeaders: { 'X-Team': 'red' } });
	const q = questions(b, 'connect').at(-1).json;
	assert.equal(q.type, 'connect');
	assert.equal(q.namespace, '/app');
	assert.equal(q.user, 'ann');
	assert.equal(q.sid, s.id);
	assert.deepEqual(q.handshake, { address: '127.0.0.1', query: { seat: '7' },
		headers: { 'x-team': 'red' }, claims: { plan: 'gold' } });
	assert.deepEqual(Object.keys(q.data[0]), ['token']);
	assert.ok(await d.metric('verdicts_connects') > before);
	s.close();
});

test('it refuses with words and data of its own', async () => {
	const data = { seats: [1, 2], why: 'full' };
	b.answer = judge({ connect: () => ({ allow: false, code: 'no_seat',
		message: 'all seats are taken', data }) });
	const s = await connect(d, '/app', { wait: false });
	const e = await refused(s);
	assert.equal(e.message, 'all seats are taken');
	assert.deepEqual(e.data, data);
	b.answer = judge({ connect: () => ({ allow: false, code: 'no_seat' }) });
	s.connect();
	const f = await refused(s);
	assert.equal(f.message, 'the back end refuses it');
	assert.deepEqual(f.data, { code: 'no_seat' });
	b.answer = judge({});
	s.connect();
	await connected(s);
	assert.equal(await ask(s, 'echo', 1), 1);
	s.close();
});

test('it says who he is, what he may, where he is, and a word', async () => {
	b.answer = judge({ connect: (j) => j.data[0]?.name && { allow: true,
		user: j.data[0].name, roles: ['editor'], rooms: ['r:1', 'k:1'],
		event: 'hello', data: { n: 1 } } });
	const [s, t] = await Promise.all(['guest ä', 'other'].map((name) =>
		connect(d, '/app', { auth: { name } })));
	assert.deepEqual((await heard(s, 'hello'))[0][0], { n: 1 });
	assert.equal(await ask(s, 'edit', 2), 2);
	s.emit('who');
	assert.deepEqual((await heard(s, 'who'))[0][0], { user: 'guest ä', sid: s.id });
	s.emit('say', { room: 'r:1', i: 1 });
	assert.deepEqual((await heard(t, 'say'))[0][0], { room: 'r:1', i: 1 });
	t.emit('say', { room: 'k:1', i: 2 });
	await heard(s, 'say', 2);
	const u = await connect(d, '/app');
	assert.equal(codeOf(await ask(u, 'edit', 2)), 'forbidden');
	for (const x of [s, t, u])
		x.close();
});

test('what is sent meanwhile waits, in order; other namespaces do not', async () => {
	const { held, answer } = holding('connect');
	b.answer = answer;
	const w = new WebSocket(`ws://127.0.0.1:${d.port}/socket.io/?EIO=4&transport=websocket`);
	started(CLIENT, () => w.terminate());
	const got = [];
	w.on('message', (m) => got.push(m.toString()));
	await within(new Promise((ok) => w.once('open', ok)), 'open');
	w.send('40/app,');
	for (let i = 0; i < 3; i++)
		w.send(`42/app,${i}["echo",${i}]`);
	w.send('451-/app,3["echo",{"_placeholder":true,"num":0}]');
	w.send(Buffer.from('bin'));
	w.send('40/open,');
	w.send('42/open,9["echo","other"]');
	await until(() => got.includes('43/open,9["other"]'), 'the other one');
	await until(() => held.length === 1, 'a question');
	assert.ok(!got.some((m) => m.includes('/app')));
	held[0].say({ allow: true });
	await until(() => got.some((m) => m.startsWith('461-/app,3')), 'all of it');
	const mine = got.filter((m) => m.includes('/app'));
	assert.match(mine[0], /^40\/app,{"sid":/);
	assert.deepEqual(mine.slice(1), ['43/app,0[0]', '43/app,1[1]', '43/app,2[2]',
		'461-/app,3[{"_placeholder":true,"num":0}]']);
	/* too much of it ends the connection */
	const x = new WebSocket(`ws://127.0.0.1:${d.port}/socket.io/?EIO=4&transport=websocket`);
	started(CLIENT, () => x.terminate());
	const closed = new Promise((ok) => x.once('close', (c) => ok(c)));
	await within(new Promise((ok) => x.once('open', ok)), 'open');
	x.send('40/app,');
	for (let i = 0; i < 129; i++)
		x.send('42/app,["echo",1]');
	assert.equal(await within(closed, 'close'), 1008);
	await d.counts('verdicts_overrun', (n) => n >= 1);
	held[1]?.say({ allow: true });
	w.terminate();
});

test('over polling, and a client that goes before the answer', async () => {
	const { held, answer } = holding('connect');
	b.answer = answer;
	const s = await connect(d, '/app', { wait: false, transports: ['polling'] });
	await until(() => held.length === 1, 'a question');
	held[0].say({ allow: true, event: 'hello', data: 1 });
	await connected(s);
	assert.equal((await heard(s, 'hello'))[0][0], 1);
	const t = await connect(d, '/app', { wait: false });
	await until(() => held.length === 2, 'another one');
	t.close();
	held[1].say({ allow: true });
	assert.equal(await ask(s, 'echo', 3), 3);
	s.close();
});

test('a session that is recovered is asked about, too', async () => {
	const names = { connect: () => ({ allow: true, user: 'rec', rooms: ['r:rec'] }) };
	b.answer = judge(names);
	const s = await connect(d, '/app', { reconnection: true, reconnectionDelay: 50,
		reconnectionDelayMax: 50 });
	const t = await connect(d, '/app');
	s.emit('say', { room: 'r:rec', i: 0 });
	await heard(s, 'say');
	const id = s.id, n = questions(b, 'connect').length;
	s.io.engine.close();
	t.emit('say', { room: 'r:rec', i: 1 });
	await until(() => gotten(s, 'say').length === 2, 'what it missed', 10000);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	assert.equal(questions(b, 'connect').length, n + 1);
	assert.equal(await ask(s, 'echo', 5), 5);
	b.answer = judge({ connect: () => ({ allow: false, message: 'no more' }) });
	s.io.engine.close();
	assert.equal((await refused(s)).message, 'no more');
	s.close();
	t.close();
});

/* --- plain WebSocket, event streams, polls, SockJS ------------------------------ */

const status = (path, opts) => within(new Promise((ok, no) => {
	const w = new WebSocket(`ws://127.0.0.1:${d.port}${path}`, [], opts);
	started(CLIENT, () => w.terminate());
	w.once('open', () => ok({ status: 101, w }));
	w.once('error', no);
	w.once('unexpected-response', (_, r) => {
		let text = '';
		r.on('data', (x) => { text += x; });
		r.on('end', () => ok({ status: r.statusCode, text }));
	});
}), 'an answer');

test('plain WebSocket: let in as somebody, or refused', async () => {
	b.answer = judge({ connect: () => ({ allow: true, user: 'plain',
		rooms: ['r:2'], data: 'hi' }) });
	const w = await plain(d, '/ws/app?seat=3', { headers: { 'X-Team': 'blue' } });
	const q = questions(b, 'connect').at(-1).json;
	assert.deepEqual(q.handshake, { address: '127.0.0.1', query: { seat: '3' },
		headers: { 'x-team': 'blue' }, claims: {} });
	await until(() => w.got.some((m) => m.event === 'roost:welcome' &&
	    m.data === 'hi'), 'a welcome');
	w.emit1('who');
	const who = await until(() => w.got.find((m) => m.event === 'who'), 'who');
	assert.deepEqual(who.data, { user: 'plain', sid: q.sid });
	w.emit1('say', { room: 'r:2', i: 1 });
	await until(() => w.got.some((m) => m.event === 'say'), 'its room');
	w.terminate();
	b.answer = judge({ connect: () => ({ allow: false, code: 'no_seat',
		message: 'full', status: 409, data: [1] }) });
	const r = await status('/ws/app');
	assert.equal(r.status, 409);
	assert.deepEqual(JSON.parse(r.text), { error: { code: 'no_seat',
		message: 'full', data: [1] } });
	b.answer = judge({ connect: () => ({ allow: false }) });
	assert.equal((await status('/ws/app')).status, 403);
});

test('event streams: the client, and each room that it names', async () => {
	b.answer = judge({ connect: () => ({ allow: true, user: 'sse', data: 1 }),
		join: (j) => (j.room === 'q:2' ? { allow: false, code: 'not_yours',
			message: 'it is not yours', data: { room: j.room } } :
			undefined) });
	const s = await Stream.open(url('/sse/app?room=r:9&room=q:1&room=q:3'));
	assert.equal(s.status, 200);
	await until(() => s.got.filter((e) => e.event === 'roost:joined').length === 3,
	    'three rooms');
	assert.ok(s.got.some((e) => e.event === 'roost:welcome' && e.json?.data === 1));
	const asked = questions(b, 'join').slice(-2).map((q) => q.json);
	assert.deepEqual(asked.map((j) => j.room).sort(), ['q:1', 'q:3']);
	assert.ok(asked.every((j) => j.user === 'sse' && j.type === 'join'));
	s.close();
	const r = await fetch(url('/sse/app?room=q:1&room=q:2'));
	assert.equal(r.status, 403);
	assert.deepEqual(await r.json(), { error: { code: 'not_yours',
		message: 'it is not yours', data: { room: 'q:2' } } });
	/* a stock client: one is open, one is refused for good */
	const source = (path) => within(new Promise((ok) => {
		const e = new EventSource(url(path));
		started(CLIENT, () => e.close());
		e.onopen = () => ok('open');
		e.onerror = (x) => ok(`${x.code} ${e.readyState}`);
	}), 'an event source');
	assert.equal(await source('/sse/app?room=q:1'), 'open');
	assert.equal(await source('/sse/app?room=q:2'), '403 2');
	b.answer = judge({ connect: () => ({ allow: false, message: 'no' }) });
	assert.equal((await fetch(url('/sse/app?room=r:1'))).status, 403);
});

test('long polls', async () => {
	b.answer = judge({ join: (j) => ({ allow: j.room === 'q:1' }) });
	const poll = (q) => fetch(url(`/poll/open?${new URLSearchParams(q)}`));
	const r = await poll({});
	assert.equal(r.status, 200);
	assert.deepEqual((await r.json()).events, []);
	const q = questions(b, 'join').at(-1).json;
	assert.equal(q.room, 'q:1');
	assert.equal(q.sid, undefined);
	assert.equal((await poll({ room: 'q:2' })).status, 403);
});

test('SockJS: each transport', async () => {
	b.answer = judge({ connect: () => ({ allow: true, user: 'sockjs', data: 'hi' }) });
	for (const t of ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']) {
		const s = new SockJS(url('/ws/app'), null, { transports: [t],
			timeout: 10000 * slow });
		started(CLIENT, () => s.close());
		const got = [];
		s.onmessage = (e) => got.push(JSON.parse(e.data));
		s.onopen = () => s.send(JSON.stringify({ event: 'who' }));
		await until(() => got.some((m) => m.event === 'who' &&
		    m.data.user === 'sockjs'), t);
		assert.ok(got.some((m) => m.event === 'roost:welcome'), t);
		s.close();
	}
	b.answer = judge({ connect: () => ({ allow: false, code: 'no_seat',
		message: 'full', data: 5 }) });
	const r = await post(url(`/ws/app${session()}/xhr`));
	assert.equal(r.status, 403);
	assert.deepEqual(JSON.parse(r.text).error, { code: 'no_seat',
		message: 'full', data: 5 });
});

test('routes: the room that a path names', async () => {
	b.answer = judge({ join: (j) => ({ allow: j.room === 'p:1', code: 'no' }) });
	const w = await plain(d, '/seats/1');
	w.emit1('say', { room: 'p:1', i: 1 });
	await until(() => w.got.some((m) => m.event === 'say'), 'its room');
	w.terminate();
	assert.equal(JSON.parse((await status('/seats/2')).text).error.code, 'no');
	assert.ok((await Polling.open(d.port, { path: '/engine/1' })).sid);
	const r = await fetch(url('/engine/2/?EIO=4&transport=polling'));
	assert.equal(r.status, 403);
});

test('a request that waits is not read on, and what follows it is answered', async () => {
	const { held, answer } = holding('join');
	b.answer = answer;
	const two = fetch(url('/poll/open?room=q:1'));
	await until(() => held.length === 1, 'a question');
	assert.equal((await fetch(url('/poll/open?room=q:1&limit=x'))).status, 400);
	held[0].say({ allow: true });
	assert.equal((await two).status, 200);
	/* pipelined, over one connection */
	const { default: net } = await import('node:net');
	const c = net.connect(d.port, '127.0.0.1');
	started(CLIENT, () => c.destroy());
	let text = '';
	c.on('data', (x) => { text += x; });
	const get = (p) => `GET ${p} HTTP/1.1\r\nHost: 127.0.0.1:${d.port}\r\n\r\n`;
	c.write(get('/poll/open?room=q:1') + get('/livez'));
	await until(() => held.length === 2, 'another one');
	assert.equal(text, '');
	held[1].say({ allow: true });
	await until(() => text.split('HTTP/1.1 200').length === 3, 'both');
	assert.ok(text.indexOf('"events"') > 0);
	c.destroy();
});

/* --- joins ------------------------------------------------------------------ */

test('room:join of a room whose rule asks', async () => {
	b.answer = judge({ join: (j) => (j.room === 'q:1' ? undefined : { allow: false,
		code: 'not_yours', message: 'it is ann\'s', data: { owner: 'ann' } }) });
	const ann = await connect(d, '/open', as('ann'));
	assert.equal((await ask(ann, 'room:join', { room: 'q:1' })).room, 'q:1');
	const q = questions(b, 'join').at(-1).json;
	assert.deepEqual([q.type, q.user, q.sid, q.room, q.event, q.data],
	    ['join', 'ann', ann.id, 'q:1', 'room:join', [{ room: 'q:1' }]]);
	const n = questions(b, 'join').length;
	assert.equal((await ask(ann, 'room:join', { room: 'q:1' })).room, 'q:1');
	assert.equal(questions(b, 'join').length, n, 'who is in it is not asked about');
	assert.deepEqual(await ask(ann, 'room:join', { room: 'q:2' }), { error: {
		code: 'not_yours', message: 'it is ann\'s', data: { owner: 'ann' } } });
	/* by a later token it stays */
	assert.equal((await ask(ann, 'auth:refresh', { token: user('ann') })).error,
	    undefined);
	ann.emit('say', { room: 'q:1', i: 1 });
	await heard(ann, 'say');
	const w = await plain(d, '/ws/open');
	assert.deepEqual((await w.ask('room:join', { room: 'q:2' })).error,
	    { code: 'not_yours', message: 'it is ann\'s', data: { owner: 'ann' } });
	/* in order with what follows */
	await d.counts('verdicts_joins', (n) => n >= 3);
	const { held, answer } = holding('join');
	b.answer = answer;
	const order = [];
	w.ask('room:join', { room: 'p:5' }).then(() => order.push('joined'));
	w.ask('echo', 1).then(() => order.push('echo'));
	await until(() => held.length === 1, 'a question');
	assert.deepEqual(order, []);
	held[0].say({ allow: true });
	await until(() => order.length === 2, 'both');
	assert.deepEqual(order, ['joined', 'echo']);
	w.terminate();
	ann.close();
});

test('an event is refused with data, too', async () => {
	b.answer = judge({ event: () => ({ allow: false, code: 'too_sad',
		message: 'smile', data: { level: 2 } }) });
	const s = await connect(d, '/app');
	assert.deepEqual(await ask(s, 'sum', 1), { error: { code: 'too_sad',
		message: 'smile', data: { level: 2 } } });
	s.emit('sum', 1);
	const [[e]] = await heard(s, 'error');
	assert.deepEqual(e, { code: 'too_sad', message: 'smile', data: { level: 2 },
		event: 'sum' });
	s.close();
});

/* --- answers that hold --------------------------------------------------------- */

test('an answer holds for as long as it says, for the same one', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Daemon.start({ workers: 2, conf: conf(back.url,
	    'cache = 1h  cache_bytes = 64KB') });
	t.after(() => o.stop());
	back.answer = judge({ connect: () => ({ allow: true, cache: 60 }),
		join: (j) => ({ allow: j.room === 'q:1', cache: 60 }),
		event: (j) => ({ allow: true, ack: [j.data[0]], cache: 60 }) });
	const token = { auth: { token: user('ann') } };
	const s = await connect(o, '/app', token);
	for (let i = 0; i < 3; i++) {
		(await connect(o, '/app', token)).close();
		await ask(s, 'room:join', { room: 'q:1' });
		await ask(s, 'room:leave', { room: 'q:1' });
		assert.equal(codeOf(await ask(s, 'room:join', { room: 'q:2' })),
		    'forbidden');
		assert.equal(await ask(s, 'sum', 7 + i), 7);
	}
	const counts = (of) => questions(back, of).length;
	assert.deepEqual(['connect', 'join', 'event'].map(counts), [1, 2, 1]);
	await o.counts('verdict_cache_hits', 3 + 2 + 2 + 2);
	await o.counts('verdict_cache_misses', 4);
	await o.counts('verdict_cache_entries', 4);
	/* others, and nobody, are asked about */
	(await connect(o, '/app', as('bob'))).close();
	(await connect(o, '/app', as('ann', { roles: ['x'] }))).close();
	(await connect(o, '/app')).close();
	(await connect(o, '/app')).close();
	assert.equal(counts('connect'), 5);
	/* a user who is revoked */
	const r = await fetch(o.url('/api/v1/revoke'), { method: 'POST', headers: {
		Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
	body: JSON.stringify({ user: 'ann', for: 60 }) });
	assert.equal(r.status, 200);
	const later = { auth: { token: user('ann', { iat: Math.floor(Date.now() / 1000) + 60 }) } };
	(await connect(o, '/app', later)).close();
	(await connect(o, '/app', later)).close();
	assert.equal(counts('connect'), 7, 'an answer of before held');
	/* a reload */
	const bob = as('bob');
	(await connect(o, '/app', bob)).close();
	const n = counts('connect');
	fs.appendFileSync(o.file, '\n# another\n');
	process.kill(o.pid, 'SIGHUP');
	await o.logged(' turned ', 1);
	(await connect(o, '/app', bob)).close();
	assert.equal(counts('connect'), n + 1, 'it held over a reload');
	/* too many */
	const long = 'x'.repeat(20);
	const big = { allow: false, message: long, data: 'y'.repeat(20000), cache: 60 };
	back.answer = judge({ join: () => big });
	const u = await connect(o, '/app', bob);
	for (let i = 10; i < 16; i++)
		assert.equal((await ask(u, 'room:join', { room: `q:${i}` })).error.message,
		    long);
	await o.counts('verdict_cache_evictions', (k) => k >= 3);
	/* what is no answer is not kept */
	back.answer = (q, x) => { x.writeHead(200).end('{"allow":1,"cache":60}'); };
	for (let i = 0; i < 2; i++)
		assert.equal(codeOf(await ask(u, 'room:join', { room: 'q:99' })),
		    'unavailable');
	assert.equal(questions(back, 'join').filter((q) => q.json.room === 'q:99').length,
	    2);
	u.close();
});

/* --- what is counted, and TLS ---------------------------------------------------- */

test('a handshake is charged once; TLS waits likewise; the relay dies', async (t) => {
	const o = await Daemon.start({ workers: 1, conf: `${conf(b.url)}${listenTls()}
rate "connects" { per = address  allow = 4/10m }
` });
	t.after(() => o.stop());
	const { held, answer } = holding('connect');
	b.answer = answer;
	const w = new WebSocket(`wss://127.0.0.1:${o.ports[1]}/ws/app`,
	    { rejectUnauthorized: false });
	started(CLIENT, () => w.terminate());
	const open = new Promise((ok, no) => {
		w.once('open', ok);
		w.once('error', no);
	});
	await until(() => held.length === 1, 'a question');
	assert.equal(w.readyState, WebSocket.CONNECTING);
	held[0].say({ allow: true, data: 1 });
	await within(open, 'open');
	b.answer = judge({});
	for (let i = 0; i < 2; i++)
		(await plain(o, '/ws/app')).terminate();
	b.answer = answer;
	const lost = plain(o, '/ws/app');
	await until(() => held.length === 2, 'another one');
	await assert.rejects(plain(o, '/ws/app'), { status: 429 });
	/* who asks is told so when the relay dies */
	o.mayDie = true;
	const { pid } = o.relay();
	process.kill(pid, 'SIGKILL');
	await assert.rejects(lost, { status: 503 });
	await o.next(pid);
	w.terminate();
});

/* --- without an answer --------------------------------------------------------- */

test('on_failure, and nobody waits longer than the timeout', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	for (const way of ['refuse', 'allow']) {
		const o = await Daemon.start({ workers: 1, conf: conf(back.url,
		    `timeout = 500ms  on_failure = ${way}`) });
		t.after(() => o.stop());
		const ok = way === 'allow';
		let t0 = Date.now();
		back.answer = (q, r) => (kind(q) === 'entries' ? 200 : undefined);
		const s = await connect(o, '/app', { wait: false });
		if (ok)
			await connected(s);
		else {
			const e = await refused(s);
			assert.equal(e.message, 'the back end cannot be asked');
			assert.equal(e.data.code, 'unavailable');
		}
		assert.ok(Date.now() - t0 < 500 + 1500 * slow, 'it waited');
		s.close();
		t0 = Date.now();
		const r = await Stream.open(o.url('/sse/app?room=q:1'));
		assert.equal(r.status, ok ? 200 : 503);
		r.close();
		assert.ok(Date.now() - t0 < 1000 + 2500 * slow, 'it waited');
		const u = await connect(o, '/open');
		const j = await ask(u, 'room:join', { room: 'p:1' });
		assert.equal(codeOf(j), ok ? undefined : 'unavailable');
		u.close();
		assert.ok(await o.metric('verdicts_failed') >= (ok ? 4 : 3));
	}
});

/* --- workers that come and go --------------------------------------------------- */

const doors = (o) => {
	const ws = (p) => within(new Promise((ok) => {
		const w = new WebSocket(`ws://127.0.0.1:${o.port}${p}`);
		started(CLIENT, () => w.terminate());
		w.once('open', () => ok(101));
		w.once('error', () => ok(0));
		w.once('unexpected-response', (_, r) => ok(r.statusCode));
	}), 'an answer', 20000);
	return [
		ws('/ws/app'),
		Stream.open(o.url('/sse/app?room=r:1')).then((s) => s.status),
		fetch(o.url('/poll/open?room=q:1')).then((r) => r.status),
		post(o.url(`/ws/app${session()}/xhr`)).then((r) => r.status),
		connect(o, '/app', { wait: false }).then((s) => connected(s))
		    .then(() => 101),
	];
};

test('a reload, and an upgrade, while it is not known who may', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Upgradable.start({ workers: 2, conf: conf(back.url) });
	t.after(() => o.stop());
	const held = [];
	back.answer = (q, r) => {
		if (kind(q) === 'entries')
			return 200;
		held.push({ kind: kind(q), say: (a) => json(r, a) });
		return undefined;
	};
	for (const go of [async () => {
		const n = o.log.split(' turned ').length;
		fs.appendFileSync(o.file, '\n# another\n');
		process.kill(o.pid, 'SIGHUP');
		await until(() => o.log.split(' turned ').length > n, 'the reload',
		    20000);
	}, async () => {
		putRebuilt(o);
		await upgrade(o);
	}]) {
		held.length = 0;
		const all = doors(o);
		await until(() => held.length >= 5, 'five questions');
		const over = go();
		/* those who moved are asked about again; all are answered */
		const saying = setInterval(() => {
			for (const h of held.splice(0))
				h.say({ allow: true });
		}, 50);
		assert.deepEqual(await Promise.all(all), [101, 200, 200, 200, 101]);
		await over;
		clearInterval(saying);
	}
	/* and nobody comes in without */
	back.answer = judge({ connect: () => ({ allow: false }) });
	assert.equal((await fetch(o.url('/sse/app?room=r:1'))).status, 403);
});
