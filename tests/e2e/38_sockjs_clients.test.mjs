/*
 * sockjs-client as it is, in Node: each of its transports, several workers
 * without stickiness, proxies that block the better ones, workers that come and
 * go.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import SockJS from 'sockjs-client';

import { ask as askSocket, connect } from './lib/clients.mjs';
import { listenTls } from './lib/conf.mjs';
import { Daemon, slow, until } from './lib/daemon.mjs';
import { CLIENT, SERVER, started } from './lib/remains.mjs';
import { post, send, session } from './lib/sockjs.mjs';
import { putRebuilt, upgrade, Upgradable } from './lib/upgrade.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
const conf = `
log_connections = end
drain_time = ${Math.min(slow, 4)}s
sockjs { response_bytes = 4KiB }
api { key "b" { sha256 = "${sha(KEY)}" allow = {"publish"} } }
namespace "/matters" { auth = none sockjs = true
    room "m:{id}" { join = open history = 1000 }
    event "say" { to = room:room self = true member = off ack = accepted } }
`;
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const times = (d, words) => d.log.split(words).length - 1;
async function reload(d) {
	const n = times(d, ' turned ');
	fs.appendFileSync(d.file, '\n# another\n');
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' turned ') > n, 'the reload', 20000);
}

/* A client; got: messages, said: numbers, end: its close event. */
class Client {
	constructor(url, transports = TRANSPORTS) {
		this.s = new SockJS(url, null, { transports, timeout: 10000 * slow });
		this.got = [];
		this.beats = 0;
		this.id = 0;
		this.s.onopen = () => { this.open = this.s.transport; };
		this.s.onmessage = (e) => this.got.push(JSON.parse(e.data));
		this.s.onheartbeat = () => { this.beats++; };
		this.s.onclose = (e) => { this.end = { code: e.code,
			reason: e.reason }; };
		started(CLIENT, () => this.s.close());
	}
	static async open(url, transports) {
		const c = new Client(url, transports);
		await until(() => c.open || c.end, 'open', 20000);
		assert.equal(c.end, undefined, JSON.stringify(c.end));
		return c;
	}
	async ask(event, data, ms = 10000) {
		const id = ++this.id;
		this.s.send(JSON.stringify({ event, data, id }));
		const a = await until(() => this.got.find((m) => m.ack === id),
		    () => `${event}, of ${JSON.stringify(this.end)}`, ms);
		assert.equal(a.error, undefined);
		return a.data;
	}
	say(room, i) {
		this.s.send(JSON.stringify({ event: 'say', data: { room, i,
			text: 'x'.repeat(100) }, id: ++this.id }));
	}
	said() {
		return this.got.filter((m) => m.event === 'say').map((m) => m.data.i);
	}
	hears(n, ms = 20000) {
		return until(() => this.said().length >= n,
		    () => `${n}, not ${this.said().length}, on ${this.s.transport} ${
			JSON.stringify(this.end)}`, ms);
	}
	async close() {
		this.s.close();
		await until(() => this.end, 'close');
		assert.equal(this.end.code, 1000);
	}
}

test('each transport: both ways, in order, acknowledged', async () => {
	const d = await Daemon.start({ workers: 4, conf });
	const w = await connect(d, '/matters');
	await Promise.all(TRANSPORTS.map(async (t, n) => {
		const room = `m:${n}`, c = await Client.open(d.url('/ws/matters'), [t]);
		assert.equal(c.open, t);
		await c.ask('room:join', { room });
		await askSocket(w, 'room:join', { room });
		for (const i of range(1, 100))
			c.say(room, i);
		await c.hears(100);
		for (const i of range(101, 150))
			await askSocket(w, 'say', { room, i });
		await c.hears(150);
		assert.deepEqual(c.said(), range(1, 150), t);
		/* what it missed, by the place of the last one */
		const last = c.got.filter((m) => m.event === 'say').at(-1).meta;
		await c.close();
		await askSocket(w, 'say', { room, i: 151 });
		const back = await Client.open(d.url('/ws/matters'), [t]);
		const a = await back.ask('room:join', { room,
			since: { epoch: last.epoch, offset: last.offset } });
		assert.equal(a.recovered, true);
		await back.hears(1);
		assert.deepEqual(back.said(), [151]);
		await back.close();
	}));
	assert.ok(await d.metric('sockjs_forwarded') > 0);
	assert.ok(await d.metric('sockjs_renewed') > 0);
	w.close();
	await d.counts('sockjs_open', 0);
	await d.logged('conn_end kind=sockjs ');
	await d.stop();
});

/* Passes requests on, but those whose path matches; upgrades if that may be. */
async function proxy(d, blocked, upgrades) {
	const server = http.createServer((q, a) => {
		if (blocked?.test(q.url)) {
			a.writeHead(502).end();
			return;
		}
		const on = http.request({ host: '127.0.0.1', port: d.port,
			path: q.url, method: q.method, headers: q.headers,
			agent: false }, (r) => {
			a.writeHead(r.statusCode, r.headers);
			r.pipe(a);
		});
		on.on('error', () => a.destroy());
		a.on('close', () => on.destroy());
		q.pipe(on);
	});
	server.on('upgrade', (q, socket) => {
		assert.ok(!upgrades);
		socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
	});
	await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
	started(SERVER, () => server.close());
	return server;
}

test('it falls back as far as proxies make it', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	const without = TRANSPORTS.filter((t) => t !== 'eventsource');
	/* an event source that is refused tries again until its time is over */
	for (const [blocked, transport, may] of [[null, 'xhr-streaming'],
		[/xhr_streaming/, 'eventsource'],
		[/xhr_streaming/, 'xhr-polling', without]]) {
		const p = await proxy(d, blocked);
		const c = await Client.open(
		    `http://127.0.0.1:${p.address().port}/ws/matters`, may);
		assert.equal(c.open, transport);
		await c.ask('room:join', { room: 'm:1' });
		c.say('m:1', 7);
		await c.hears(1);
		await c.close();
		p.close();
	}
	/* nothing is left */
	const p = await proxy(d, /xhr/);
	const c = new Client(`http://127.0.0.1:${p.address().port}/ws/matters`,
	    without);
	await until(() => c.end, 'close', 20000);
	assert.equal(c.end.code, 2000);
	p.close();
	await d.stop();
});

test('reloads and an upgrade in the middle: nobody notices', async () => {
	const d = await Upgradable.start({ workers: 2, conf });
	const all = await Promise.all(range(0, 7).map((n) =>
	    Client.open(d.url('/ws/matters'), [TRANSPORTS[n % 4]])));
	await Promise.all(all.map((c) => c.ask('room:join', { room: 'm:1' })));
	let n = 0, stop = false;
	const sender = (async () => {
		while (!stop) {
			await all[n % all.length].ask('say', { room: 'm:1', i: ++n });
			await new Promise((ok) => setTimeout(ok, 5));
		}
	})();
	await reload(d);
	await until(() => n >= 100, 'messages', 20000);
	putRebuilt(d);
	await upgrade(d);
	stop = true;
	await sender;
	for (const c of all) {
		await c.hears(n);
		assert.equal(c.end, undefined);
		assert.deepEqual(c.said(), range(1, n), c.open);
	}
	assert.ok(await d.metric('clients_moved_in') > 0);
	await Promise.all(all.map((c) => c.close()));
	await d.counts('sockjs_open', 0);
	await d.stop();
});

test('over TLS a session goes on at the worker that comes after', async () => {
	const d = await Daemon.start({ workers: 2, listen: false,
		conf: `listen "127.0.0.1:0" {}\n${listenTls()}${conf}` });
	const base = `https://127.0.0.1:${d.ports[1]}/ws/matters`;
	for (const t of ['xhr', 'xhr_streaming']) {
		const url = base + session(), frames = [];
		let stop = false;
		const receiving = (async () => {
			while (!stop)
				frames.push(...(await post(`${url}/${t}`)).text.split('\n')
				    .filter((f) => f !== '' && !f.startsWith('hh')));
		})();
		const say = (i) => send(url, [JSON.stringify({ event: 'say',
			data: { room: 'm:1', i } })]);
		await until(async () => (await send(url, [JSON.stringify({
			event: 'room:join', data: { room: 'm:1' } })])).status === 204,
		'a session');
		assert.equal((await say(1)).status, 204);
		await reload(d);
		assert.equal((await say(2)).status, 204);
		assert.equal((await say(3)).status, 204);
		stop = true;
		/* one that waits ends with the next message, or as it is full */
		await until(async () => {
			await send(url, [JSON.stringify({ event: 'say', data: {
				room: 'm:1', i: 4, text: 'x'.repeat(4096) } })]);
			return Promise.race([receiving.then(() => true),
				new Promise((ok) => setTimeout(ok, 200))]);
		}, 'the end');
		assert.equal(frames[0], 'o');
		const said = frames.filter((f) => f.startsWith('a'))
		    .flatMap((f) => JSON.parse(f.slice(1))).map((m) => JSON.parse(m))
		    .filter((m) => m.event === 'say').map((m) => m.data.i);
		assert.deepEqual(said.slice(0, 3), [1, 2, 3]);
		assert.ok(!frames.some((f, i) => i > 0 && /^[oc]/.test(f)),
		    JSON.stringify(frames.map((f) => f.slice(0, 50))));
	}
	assert.ok(await d.metric('clients_moved_in') > 0);
	await d.stop();
});

test('a killed worker\'s clients are told, and come back', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const url = d.url('/ws/matters');
	const all = await Promise.all(TRANSPORTS.map((t) => Client.open(url, [t])));
	const before = d.children().filter((c) => c.role === 'worker');
	before.forEach((c) => process.kill(c.pid, 'SIGKILL'));
	await Promise.all(before.map((c) => d.next(c.pid, c.slot, 20000)));
	/* in Node it does not see that a response breaks off, but by sending */
	for (const c of all) {
		c.say('m:1', 1);
		await until(() => c.end, `the end of ${c.open}`, 20000);
		assert.equal(c.end.code, 1006);
	}
	for (const t of TRANSPORTS) {
		const c = await Client.open(url, [t]);
		await c.ask('room:join', { room: 'm:1' });
		await c.close();
	}
	await d.stop();
});

test('who leaves says so', async () => {
	const d = await Daemon.start({ workers: 1, conf });
	const all = await Promise.all(TRANSPORTS.map((t) =>
	    Client.open(d.url('/ws/matters'), [t])));
	await d.end({ signal: 'SIGQUIT' });
	for (const c of all) {
		await until(() => c.end, `the end of ${c.open}`);
		assert.deepEqual(c.end, { code: 1012,
			reason: 'server restarts, reconnect' }, c.open);
	}
});

test('heartbeats', async () => {
	const d = await Daemon.start({ workers: 1,
		conf: `heartbeat { interval = 200ms timeout = ${2 * slow}s }${conf}` });
	const all = await Promise.all(TRANSPORTS.map((t) =>
	    Client.open(d.url('/ws/matters'), [t])));
	for (const c of all)
		await until(() => c.beats >= 3, `heartbeats on ${c.open}`);
	assert.ok(await d.metric('sockjs_heartbeats') >= 12);
	await Promise.all(all.map((c) => c.close()));
	await d.stop();
});
