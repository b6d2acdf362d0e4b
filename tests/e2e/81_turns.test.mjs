/*
 * One client sends as much at once as it may: it is handled turn by turn, in
 * order, others don't notice, and what is queued for it stays bounded.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, halt, sanitized, until } from './lib/daemon.mjs';
import { ask, connect } from './lib/clients.mjs';
import { Polling, taken } from './lib/polling.mjs';
import { OP, Sock, Ws, frame, socketio } from './lib/wire.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const USERS = 250;
const conf = `${jwt}
limits { send_queue_bytes = 1MB namespaces_per_connection = 4 }
namespace "/" { auth = none
    event "q" { to = sender meta = off } event "ask" { ack = echo } }
namespace "/n" { auth = none event "q" { to = sender meta = off } }
namespace "/p" { auth = required presence = rooms
    room "{r}" { join = open } }
`;
let d, crowd;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: conf });
	crowd = await Promise.all(Array.from({ length: USERS }, async (_, i) => {
		const w = await socketio(d.port, { nsp: '/p',
			auth: { token: user(`${i}`.padStart(90, 'u')) } });
		w.text('42/p,1["room:join",{"room":"r"}]');
		assert.match(await w.message(), /^43\/p,1/);
		return w;
	}));
});
after(async () => {
	crowd.forEach((w) => w.drop());
	await d.stop();
});

const deferred = () => d.metric('input_deferred');
/*
 * While f() runs another client asks without a pause.  Returns how often the
 * rest of somebody's input was left to a later turn meanwhile: so often others
 * had theirs, whatever the machine's speed.
 */
async function turns(f) {
	const s = await connect(d), before = await deferred();
	let on = true;
	const asking = (async () => {
		while (on)
			await ask(s, 'ask', 1);
	})();
	await f();
	on = false;
	await asking;
	s.close();
	return await deferred() - before;
}
function rss() {
	const status = fs.readFileSync(`/proc/${d.worker(1).pid}/status`, 'utf8');
	return Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

test('a POST of small packets: many turns, in order, ok at the end',
    async () => {
	const p = await (await Polling.open(d.port)).connect();
	const N = 20000, before = await deferred();
	let get = p.packets();
	const post = p.send(...Array.from({ length: N }, (_, i) => `42["q",${i}]`));
	const got = [];
	while (got.length < N) {
		for (const t of await get)
			if (t !== '2')
				got.push(t);
		if (got.length < N)
			get = p.packets();
	}
	await post;
	assert.ok(got.every((t, i) => t === `42["q",${i}]`), 'order');
	await d.counts('input_deferred', (n) => n - before >= N / 512 - 1);
});

test('a POST of nothing but pongs', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const n = await turns(() => p.post('3\x1e'.repeat(490000) + '3'));
	assert.ok(n > 400, `${n} turns`);
	await p.send('42["q",1]');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
});

test('a POST of nothing but separators ends its session', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const r = await p.post('\x1e'.repeat(1000000));
	assert.deepEqual([r.status, r.body], [400, '']);
	assert.ok(await p.gone());
});

/* A question of 40 bytes that is answered with 40 KB. */
const question = '42/p,2["presence:get",{"room":"r"}]';
async function asker() {
	const p = await Polling.open(d.port);
	await p.connect('/p', JSON.stringify({ token: user('asker') }));
	await p.send('42/p,1["room:join",{"room":"r"}]');
	assert.match((await p.collect(1))[0], /^43\/p,1/);
	return p;
}

test('a POST of questions with large answers, polled for', async () => {
	const p = await asker(), N = 500;
	const before = rss();
	let top = 0;
	const turned = await turns(async () => {
		const post = p.send(...Array(N).fill(question));
		for (let n = 0; n < N;) {
			n += (await p.packets()).filter((t) =>
				t.startsWith('43/p,2')).length;
			top = Math.max(top, rss());
		}
		await post;
	});
	assert.ok(turned > 100, `${turned} turns`);
	if (!sanitized)
		assert.ok(top - before < 32, `${top - before} MB`);
});

test('... and not polled for: the queue stays bounded, nothing is lost',
    async () => {
	const p = await asker(), N = 2000;
	const before = rss(), paused = await d.metric('input_paused');
	/* it is answered though the rest waits */
	const turned = await turns(() => p.send(...Array(N).fill(question)));
	assert.ok(turned >= 3, `${turned} turns`);
	await d.counts('input_paused', (n) => n > paused);
	if (!sanitized)
		assert.ok(rss() - before < 16, `${rss() - before} MB`);
	/* the next one comes behind it, and waits */
	const next = p.post('42/p,3["presence:get",{"room":"r"}]');
	let n = 0, last = false;
	while (!last)
		for (const t of await p.packets())
			if (t.startsWith('43/p,2')) {
				assert.ok(!last);
				n++;
			} else if (t.startsWith('43/p,3'))
				last = true;
	assert.equal(n, N);
	assert.equal((await next).body, 'ok');
});

test('what is left of a POST goes with its session', async () => {
	for (const how of ['1', '41/p,', 'x']) {
		const p = await asker();
		const r = await p.post([...Array(50).fill(question), how,
			...Array(50).fill(question)].join('\x1e'));
		assert.equal(r.body, 'ok');
		for (let n = 0; ;) {
			const g = await p.get();
			if (g.status !== 200)
				break;
			n += g.body.split('43/p,2').length - 1;
			assert.ok(n <= 50);
		}
		assert.ok(await p.gone());
	}
	/* cut off while it is done */
	const p = await asker();
	await p.send(...Array(2000).fill(question));
	const waits = await taken(d, 'eio_gets');
	const s = await Sock.open(d.port);
	s.send(`GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`);
	await waits();
	s.reset();
	await s.end().catch(() => {});
	const t = await Sock.open(d.port);
	t.sock.pause();
	t.send(`GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(2));
	t.reset();
});

/* Like the one that waits, but for its body: there may be one at a time. */
test('two bodies are kept at the most', async () => {
	const p = await asker();
	await p.send(...Array(2000).fill(question));
	const post = async (end) => {
		const s = await Sock.open(d.port);
		const body = '3\x1e'.repeat(499999) + end;
		s.send(`POST ${p.target}&t=1 HTTP/1.1\r\nHost: x\r\nContent-Length: ${
		    body.length}\r\n\r\n${body}`);
		return s;
	};
	const waits = await taken(d, 'eio_posts');
	const first = await post('3');
	await waits();
	const again = await taken(d, 'eio_repeated');
	const same = await post('3');	/* nothing is done for it */
	await again();
	await first.end();
	const other = await post('6');
	assert.equal((await other.response()).status, 400);
	assert.ok(await p.gone());
	await same.end();
	other.close();
});

test('a POST whose connection breaks is done all the same', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port), { pid } = d.worker(1);
	const body = Array.from({ length: 5000 }, (_, i) => `42["q",${i}]`)
	    .join('\x1e');
	s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${
	    body.length}\r\n\r\n`);
	await halt(pid);
	s.send(body);
	await new Promise((ok) => s.sock.write('', ok));
	s.reset();
	process.kill(pid, 'SIGCONT');
	assert.deepEqual(await p.collect(5000), body.split('\x1e'));
});

test('POSTs one behind the other on their connection, in order', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port), N = 9000;
	const all = Array.from({ length: N }, (_, i) => `42["q",${i}]`);
	for (let i = 0; i < N; i += 3000) {
		const body = all.slice(i, i + 3000).join('\x1e');
		s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${
		    body.length}\r\n\r\n${body}`);
	}
	for (let i = 0; i < N; i += 3000)
		assert.equal((await s.response()).body, 'ok');
	assert.deepEqual(await p.collect(N), all);
	s.close();
});

test('a POST that is done at once, and long ones behind it', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port);
	const body = (from, n) => Array.from({ length: n }, (_, i) =>
		`42["q",${from + i}]`);
	const bodies = [body(0, 1), body(1, 3000), body(3001, 3000)];
	s.send(bodies.map((b) => b.join('\x1e')).map((b) => `POST ${p.target
	    } HTTP/1.1\r\nHost: x\r\nContent-Length: ${b.length}\r\n\r\n${b}`)
	    .join(''));
	for (const _ of bodies)
		assert.equal((await s.response()).body, 'ok');
	assert.deepEqual(await p.collect(6001), bodies.flat());
	s.close();
});

test('WebSocket: a burst of frames, in order', async () => {
	const w = await socketio(d.port), N = 20000;
	const all = Buffer.concat(Array.from({ length: N }, (_, i) =>
		frame(OP.text, `42["q",${i}]`)));
	const turned = await turns(async () => {
		w.send(all);
		for (let i = 0; i < N; i++)
			assert.equal(await w.message(), `42["q",${i}]`);
	});
	assert.ok(turned > 20, `${turned} turns`);
	w.drop();
});

test('WebSocket: large answers that are not read stop the reading',
    async () => {
	const w = await socketio(d.port, { nsp: '/p',
		auth: { token: user('reader') } });
	w.text('42/p,1["room:join",{"room":"r"}]');
	while (!/^43\/p,1/.test(await w.message()))
		continue;
	const N = 400, before = rss(), paused = await d.metric('input_paused');
	const { sock } = w.s, parts = [];
	sock.pause();
	sock.removeAllListeners('data');
	sock.on('data', (b) => parts.push(b));
	sock.pause();
	const all = Array(N).fill(question).concat(question.replace(',2', ',3'));
	w.send(Buffer.concat(all.map((t) => frame(OP.text, t))));
	await until(async () => await d.metric('input_paused') > paused, 'a pause');
	await turns(() => d.metrics());	// others are answered
	if (!sanitized)
		assert.ok(rss() - before < 16, `${rss() - before} MB`);
	sock.resume();
	await until(() => Buffer.concat(parts.slice(-20)).includes('43/p,3['),
	    'the last answer');
	const text = Buffer.concat(parts).toString('latin1');
	assert.equal(text.split('43/p,2[').length - 1, N);
	w.drop();
});

test('WebSocket: closed by us with frames waiting, the Close is answered',
    async () => {
	const w = await socketio(d.port), N = 5000;
	w.send(Buffer.concat([...Array.from({ length: N }, (_, i) =>
		frame(OP.text, `42["q",${i}]`)), frame(OP.text, 'x'),
	...Array(N).fill(frame(OP.text, '42["q",0]')),
	frame(OP.close, Buffer.from([3, 232]))]));
	for (let i = 0; i < N; i++)
		assert.equal(await w.message(), `42["q",${i}]`);
	const end = await w.closed();
	assert.equal(end.before.length, 0);
	assert.equal(end.code, 1002);
	await w.s.end();
	assert.equal(w.s.error, undefined);
});

test('an upgrade while a POST is done: nothing is lost, in order', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const w = await Ws.must(d.port, p.ws), { pid } = d.worker(1);
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	const N = 4000;
	const s = await Sock.open(d.port);
	const body = Array.from({ length: N }, (_, i) => `42["q",${i}]`)
	    .join('\x1e');
	const begun = await taken(d, 'eio_posts');
	s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${
	    body.length}\r\n\r\n`);
	await begun();
	/* so that all of it is there at once */
	await halt(pid);
	s.send(body);
	w.send(Buffer.concat([frame(OP.text, '5'), frame(OP.text, '42["q","end"]')]));
	await new Promise((ok) => w.s.sock.write('', ok));
	process.kill(pid, 'SIGCONT');
	assert.equal((await s.response()).body, 'ok');
	for (let i = 0; i < N; i++)
		assert.equal(await w.message(), `42["q",${i}]`);
	assert.equal(await w.message(), '42["q","end"]');
	s.close();
	w.drop();
});

test('pipelined requests wait for their answers to be written', async () => {
	const s = await Sock.open(d.port), N = 3000;
	await turns(() => {
		s.send('GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(N));
		return s.wait(() => (s.data.toString('latin1')
		    .split(' 404 ').length > N || undefined), 'responses');
	});
	s.close();
});

/* Their answers are small, so that no connection waits for its own to be
 * written: 12,000 requests are more than a turn has for all. */
test('requests take a share, too', async () => {
	const { pid } = d.worker(1), N = 120;
	const all = await Promise.all(Array.from({ length: 100 },
	    () => Sock.open(d.port)));
	await until(async () => await d.metric('connections_open') > 100 + USERS,
	    'all');
	const before = await deferred();
	await halt(pid);
	await Promise.all(all.map((s) => new Promise((ok) => s.sock.write(
	    'OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(N), ok))));
	process.kill(pid, 'SIGCONT');
	for (const s of all) {
		await s.wait(() => (s.data.toString('latin1')
		    .split(' 204 ').length > N || undefined), 'responses');
		s.close();
	}
	const n = await deferred() - before;
	assert.ok(n > 20, `${n} put off`);
});

/* A turn has whole shares for sixteen; behind them each has the least.  If it
 * were the same sixteen until they are done, they would be at a third of the
 * time that all take. */
test('many at once: each is in front as often as the others', async () => {
	const pid = d.worker(1).pid, N = 48;
	const all = [];
	for (let i = 0; i < N; i++)
		all.push(await (await Polling.open(d.port)).connect());
	await halt(pid);
	const posts = all.map((p) => p.post('3\x1e'.repeat(60000) + '3'));
	await until(() => posts.every((p) => p.req.socket?.connecting === false),
	    'all to be on their way');
	const from = performance.now();
	process.kill(pid, 'SIGCONT');
	const done = await Promise.all(posts.map(async (p) => {
		assert.equal((await p).status, 200);
		return performance.now() - from;
	}));
	const first = Math.min(...done), last = Math.max(...done);
	assert.ok(first > last / 2, `${done.map(Math.round)}`);
});
