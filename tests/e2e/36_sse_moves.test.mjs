/*
 * Event streams that end, move, and come back: EventSource, TLS, reloads,
 * upgrades, proxies, readers that are slow or gone.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';

import { EventSource } from 'eventsource';

import { ask, connect, plain } from './lib/clients.mjs';
import { listenTls } from './lib/conf.mjs';
import { Daemon, slow, until } from './lib/daemon.mjs';
import { hosts, unhost } from './lib/hosts.mjs';
import { nginx } from './lib/proxies.mjs';
import { CLIENT, SERVER, started } from './lib/remains.mjs';
import { Stream } from './lib/sse.mjs';
import { putRebuilt, upgrade, Upgradable } from './lib/upgrade.mjs';

const quick = `log_connections = end
drain_time = ${Math.min(slow, 4)}s\n`;
const space = `
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 1000 }
    event "say" { to = room:room self = true ack = accepted member = off } }
`;
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const times = (d, words) => d.log.split(words).length - 1;
const numbers = (s) => s.of('say').map((e) => e.json.data.i);
const say = async (s, room, from, to) => {
	for (const i of range(from, to))
		await ask(s, 'say', { room, i });
};
async function reload(d) {
	const n = times(d, ' turned ');
	fs.appendFileSync(d.file, '\n# another\n');
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' turned ') > n, 'the reload', 20000);
}

/* An EventSource as browsers have it, with what it has heard. */
function source(url, opts) {
	const s = new EventSource(url, opts);
	started(CLIENT, () => s.close());
	s.got = [];
	s.joins = [];
	s.gaps = 0;
	s.opens = 0;
	s.onopen = () => { s.opens++; };
	s.addEventListener('say', (e) => s.got.push(JSON.parse(e.data).data.i));
	s.addEventListener('roost:joined', (e) => s.joins.push(e));
	s.addEventListener('roost:gap', () => { s.gaps++; });
	return s;
}
const has = (s, n, ms = 20000) => until(() => s.got.length >= n,
    `${n} events`, ms);

test('a plain stream goes on at the worker that comes after', async () => {
	const d = await Daemon.start({ workers: 2, conf: quick + space });
	const all = await Promise.all(range(1, 6).map(() =>
	    Stream.open(d.url('/sse/k?room=k:1&room=k:2'))));
	for (const s of all)
		await s.heard('roost:joined', 2);
	let sender = await connect(d, '/k');
	await say(sender, 'k:1', 1, 3);
	sender.close();
	await d.counts('sse_open', 6);
	await reload(d);
	await d.counts('sse_open', 6);
	sender = await connect(d, '/k');
	await say(sender, 'k:2', 11, 12);
	await say(sender, 'k:1', 4, 5);
	for (const s of all) {
		await s.heard('say', 7);
		assert.deepEqual(numbers(s), [1, 2, 3, 11, 12, 4, 5]);
		assert.equal(s.ended, false, 'the same connection');
		assert.equal(s.of('roost:gap').length, 0);
		assert.match(s.lastId, /^[0-9a-zA-Z]+:5,[0-9a-zA-Z]+:2$/);
	}
	sender.close();
	all.forEach((s) => s.close());
	await d.counts('sse_open', 0);
	await d.stop();
});

test('over TLS it ends, comes back, and misses nothing', async () => {
	const d = await Daemon.start({ workers: 2, listen: false,
		conf: `listen "127.0.0.1:0" {}\n${listenTls()}${quick}${space}` });
	const unchecked = (url, init) => new Promise((ok, no) => {
		/* as fetch, but for a certificate that nobody has signed */
		import('node:https').then(({ default: https }) => {
			const q = https.get(url, { rejectUnauthorized: false,
				headers: Object.fromEntries(new Headers(init.headers)),
				signal: init.signal, agent: false }, (r) => ok({
				status: r.statusCode, url: String(url),
				redirected: false, body: new ReadableStream({
					start(c) {
						r.on('data', (b) => c.enqueue(b));
						r.on('end', () => c.close());
						r.on('error', (e) => c.error(e));
					} }),
				headers: new Headers(r.headers) }));
			q.on('error', no);
		});
	});
	const s = source(`https://127.0.0.1:${d.ports[1]}/sse/k?room=k:1`,
	    { fetch: unchecked });
	await until(() => s.joins.length === 1, 'the join');
	let sender = await connect(d, '/k');
	await say(sender, 'k:1', 1, 5);
	await has(s, 5);
	sender.close();
	await reload(d);
	sender = await connect(d, '/k');
	await say(sender, 'k:1', 6, 10);
	await has(s, 10);
	assert.deepEqual(s.got, range(1, 10));
	assert.equal(s.gaps, 0);
	await until(() => s.opens >= 2, 'another connection');
	s.close();
	sender.close();
	await d.stop();
});

test('a worker is killed: EventSource goes on where it was', async () => {
	const d = await Daemon.start({ workers: 2, conf: space });
	d.mayDie = true;
	const s = source(d.url('/sse/k?room=k:1'));
	await until(() => s.joins.length === 1, 'the join');
	let sender = await connect(d, '/k');
	await say(sender, 'k:1', 1, 5);
	await has(s, 5);
	sender.close();
	d.children().filter((c) => c.role === 'worker')
	    .forEach((c) => process.kill(c.pid, 'SIGKILL'));
	sender = await until(() => connect(d, '/k').catch(() => false), 'a worker',
	    20000);
	await say(sender, 'k:1', 6, 9);
	await has(s, 9);
	assert.deepEqual(s.got, range(1, 9));
	assert.equal(s.gaps, 0);
	s.close();
	sender.close();
	await d.stop();
});

test('whoever leaves is told, and QUIT waits for nobody', async () => {
	const d = await Daemon.start({ workers: 1, conf: quick + space });
	const s = await Stream.open(d.url('/sse/k?room=k:1'));
	await s.heard('roost:joined');
	await d.end({ signal: 'SIGQUIT' });
	await s.end();
	assert.equal(s.got.at(-1).event, 'roost:close');
	assert.equal(s.got.at(-1).json.code, 1012);
	assert.match(d.log, /conn_end kind=sse by=us reason=restart /);
});

test('comments come while nothing else does', async () => {
	const d = await Daemon.start({ workers: 1,
		conf: `heartbeat { interval = 1s timeout = 1s }${space}` });
	const s = await Stream.open(d.url('/sse/k'));
	await until(() => s.comments >= 3, 'comments', 20000);
	assert.ok(await d.metric('sse_comments') >= 3);
	await d.counts('sse_opened', 1);
	s.close();
	await d.counts('sse_open', 0);
	await d.stop();
});

/* A request over a socket of our own, of which nothing is read at first. */
function raw(d, lines) {
	const s = net.connect(d.port, '127.0.0.1');
	started(CLIENT, () => s.destroy());
	s.on('error', () => {});
	s.text = '';
	s.write(lines.join('\r\n') + '\r\n\r\n');
	return s;
}
const reading = (s) => {
	s.on('data', (b) => { s.text += b; });
	return s;
};

test('HTTP/1.0, HEAD and curl', async () => {
	const d = await Daemon.start({ workers: 1, conf: space });
	const old = reading(raw(d, ['GET /sse/k HTTP/1.0', 'Host: x']));
	await until(() => /retry: \d+\n\n$/.test(old.text), 'the stream');
	assert.match(old.text, /^HTTP\/1\.1 200 /);
	assert.match(old.text, /\r\nConnection: close\r\n/);
	assert.doesNotMatch(old.text, /Transfer-Encoding|Content-Length/i);
	old.destroy();
	const head = reading(raw(d, ['HEAD /sse/k?room=k:1 HTTP/1.1', 'Host: x']));
	await until(() => head.readableEnded, 'the end of HEAD');
	assert.match(head.text, /^HTTP\/1\.1 200 [^]*text\/event-stream[^]*\r\n\r\n$/);
	const post = await fetch(d.url('/sse/k'), { method: 'POST', body: 'x' });
	assert.equal(post.status, 405);
	await d.counts('sse_open', 0);
	const curl = spawn('curl', ['-sN', d.url('/sse/k?room=k:1')]);
	started(SERVER, () => curl.kill());
	let text = '';
	curl.stdout.on('data', (b) => { text += b; });
	await until(() => text.includes('roost:joined'), 'curl to join');
	const sender = await connect(d, '/k');
	await say(sender, 'k:1', 1, 1);
	await until(() => /\nid: \w+:1\nevent: say\ndata: \{.*\}\n\n$/.test(text),
	    'an event');
	curl.kill();
	sender.close();
	await d.counts('sse_open', 0);
	await d.stop();
});

test('who does not read is dropped, and others lose nothing', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${quick}
limits { send_queue_bytes = 64KB slow_consumer_timeout = 1s }
store { room_bytes = 1MB }${space}` });
	const s = raw(d, ['GET /sse/k?room=k:1 HTTP/1.1', 'Host: x']);
	s.pause();
	const good = await Stream.open(d.url('/sse/k?room=k:1'));
	await good.heard('roost:joined');
	await d.counts('sse_open', 2);
	const sender = await connect(d, '/k'), fill = 'x'.repeat(30000);
	let n = 0;
	await until(async () => {
		await ask(sender, 'say', { room: 'k:1', i: ++n, fill });
		return /conn_end kind=sse by=us reason=slow_consumer/.test(d.log);
	}, 'its end', 30000);
	await until(() => good.of('say').length === n, 'the other', 20000);
	assert.deepEqual(numbers(good), range(1, n));
	await d.counts('sse_open', 1);
	sender.close();
	s.destroy();
	good.close();
	await d.stop();
});

test('limits of users and addresses are those of others', async () => {
	const d = await Daemon.start({ workers: 1, conf:
	    `${space} namespace "/two" { auth = none sessions = 2 }` });
	const two = await Promise.all([1, 2].map(() =>
	    Stream.open(d.url('/sse/two'))));
	for (const s of two)
		assert.equal(s.status, 200);
	const r = await fetch(d.url('/sse/two'));
	assert.equal(r.status, 429);
	assert.equal((await r.json()).error.code, 'limit');
	/* one that comes back may find room, and never would after a 429 */
	const told = await Stream.open(d.url('/sse/two'),
	    { headers: { Accept: 'text/event-stream' } });
	assert.equal(told.status, 200);
	await told.end();
	assert.equal(told.got[0].json.data.code, 'limit');
	assert.ok(told.retry >= 1000);
	two.forEach((s) => s.close());
	await d.stop();
});

test('a server that is full tells an event source to come back', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${space}
limits { connections = 4 }
cors { origins = {"http://cors.example"} }` });
	const ws = [];
	for (let i = 0; i < 4; i++)
		ws.push(await plain(d, '/ws/k'));
	const told = await Stream.open(d.url('/sse/k?room=k:1'), { headers: {
		Accept: 'text/event-stream', Origin: 'http://cors.example' } });
	assert.equal(told.status, 200);
	assert.equal(told.response.headers.get('access-control-allow-origin'),
	    'http://cors.example');
	await told.end();
	assert.equal(told.got[0].json.data.code, 'unavailable');
	assert.ok(told.retry >= 1000);
	const s = source(d.url('/sse/k?room=k:1'));
	await until(() => s.opens === 1, 'it to be told');
	ws.forEach((w) => w.terminate());
	await until(() => s.joins.length === 1, 'the join', 20000);
	assert.ok(await d.metric('connections_refused', 'limit') >= 2);
	s.close();
	await d.stop();
});

test('an event source that cannot be served now is told to come back', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${space}
rate "connects" { per = address allow = 1/2s burst = 1 }` });
	const open = (headers) => Stream.open(d.url('/sse/k?room=k:1'),
	    { headers });
	const first = await open();
	await first.heard('roost:joined');
	const refused = await open();
	assert.equal(refused.status, 429);
	assert.ok(Number(refused.response.headers.get('retry-after')) >= 1);
	const told = await open({ Accept: 'text/event-stream' });
	assert.equal(told.status, 200);
	await told.end();
	assert.ok(told.retry >= 1000, String(told.retry));
	assert.equal(told.got[0].event, 'roost:error');
	assert.equal(told.got[0].json.data.code, 'rate_limited');
	const s = source(d.url('/sse/k?room=k:1'));
	await until(() => s.joins.length === 1, 'the join', 20000);
	s.close();
	first.close();
	await d.stop();
});

const has_nginx = (() => {
	try {
		execFileSync('nginx', ['-v'], { stdio: 'ignore' });
		return true;
	} catch {
		return false;
	}
})();

/* As it comes: buffers on, HTTP/1.0 towards us, gzip for what it knows. */
const stock = (d) => nginx(d, `
upstream roost { server 127.0.0.1:8080; }
gzip on;
server { listen 80; location / { proxy_pass http://roost; } }`);

for (const [name, start] of [['as its manual page says', (d) => nginx(d)],
	['with its stock configuration', stock]])
	test(`behind nginx, ${name}: an event comes when it was sent`,
	    { skip: !has_nginx && 'no nginx' }, async () => {
		const d = await Daemon.start({ workers: 1, conf: space });
		const p = await start(d);
		const s = await Stream.open(
		    `http://127.0.0.1:${p.port}/sse/k?room=k:1`,
		    { headers: { 'Accept-Encoding': 'gzip' } });
		/* each is here before the next is sent */
		await s.heard('roost:joined');
		assert.equal(s.response.headers.get('content-encoding'), null);
		const sender = await connect(d, '/k');
		for (const i of range(1, 5)) {
			await say(sender, 'k:1', i, i);
			await s.heard('say', i);
		}
		s.close();
		sender.close();
		await d.counts('sse_open', 0);
		await p.stop();
		await d.stop();
	});

test('a stream goes on behind an upgrade', async () => {
	const d = await Upgradable.start({ workers: 2, conf: quick + space });
	const s = await Stream.open(d.url('/sse/k?room=k:1'));
	await s.heard('roost:joined');
	let sender = await connect(d, '/k');
	await say(sender, 'k:1', 1, 3);
	sender.close();
	putRebuilt(d);
	await upgrade(d);
	sender = await connect(d, '/k');
	await say(sender, 'k:1', 4, 6);
	await s.heard('say', 6);
	assert.deepEqual(numbers(s), range(1, 6));
	assert.equal(s.ended, false);
	assert.equal(s.of('roost:gap').length, 0);
	await d.counts('sse_open', 1);
	sender.close();
	s.close();
	await d.stop();
});

test('streams and polls go on at another host', async () => {
	const all = await hosts((url) => `redis { url = "${url}" }\n${space}`,
	    [1, 1]);
	const { list: [a, b] } = all;
	const sender = await connect(a, '/k');
	let s = await Stream.open(a.url('/sse/k?room=k:1&room=k:2'));
	await s.heard('roost:joined', 2);
	await say(sender, 'k:1', 1, 3);
	await say(sender, 'k:2', 11, 12);
	await s.heard('say', 5);
	const { lastId } = s;
	s.close();
	const at = lastId.split(',')[0];
	const poll = (d, wait) => fetch(d.url(
	    `/poll/k?room=k:1&since=${at}&wait=${wait}`)).then((r) => r.json());
	const waits = poll(b, 60);
	await until(async () => await b.metric('longpolls_waiting') === 1,
	    'the poll to wait');
	await say(sender, 'k:1', 4, 5);
	await say(sender, 'k:2', 13, 13);
	assert.equal((await waits).events[0].data.i, 4);
	assert.deepEqual((await poll(a, 0)).events.map((e) => e.data.i), [4, 5]);
	s = await Stream.open(b.url('/sse/k?room=k:1&room=k:2'), { lastId });
	await s.heard('roost:joined', 2);
	await say(sender, 'k:1', 6, 6);
	await s.heard('say', 4);
	assert.deepEqual(numbers(s).filter((i) => i < 10), [4, 5, 6]);
	assert.deepEqual(numbers(s).filter((i) => i > 10), [13]);
	assert.equal(s.of('roost:gap').length, 0);
	s.close();
	sender.close();
	await unhost(all);
});
