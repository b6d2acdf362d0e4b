/*
 * Sessions over polling outlive the worker that opened them: the next
 * generation has them, with everything that is under way, and whoever is asked
 * for one knows where it is.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';

import { Daemon, sleep, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard, io, once } from
    './lib/clients.mjs';
import { echo, listenTls } from './lib/conf.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Sock, Ws } from './lib/wire.mjs';

const WORKERS = 2;
const conf = `${echo}
namespace "/c" { auth = none
    room "{r}" { join = open }
    event "n" { to = room:room meta = off ack = accepted } }
`;

/* A new generation, and nobody is left of the one before. */
async function reload(d, times = 1) {
	for (let i = 0; i < times; i++) {
		const before = await d.metric('reloads');
		d.child.kill('SIGHUP');
		await until(async () => await d.metric('reloads') > before &&
		    await d.metric('generations') === 1,
		'the next generation to be the only one', 20000);
	}
}
const started = (o = {}) => Daemon.start({ workers: WORKERS, conf, ...o });

/* A GET that waits: { packets }, a promise. */
async function held(d, p) {
	const before = await d.metric('eio_gets');
	const packets = p.packets({ ms: 30000 });
	await until(async () => await d.metric('eio_gets') > before,
	    'the GET to be taken');
	return { packets };
}

/*
 * A client that numbers what it sends: what comes back is complete, in order,
 * and nothing twice.
 */
class Numbered {
	static async start(d, opts) {
		const n = new Numbered();
		n.sent = 0;
		n.acked = [];
		n.failed = [];
		n.s = await connect(d, '/c', opts);
		n.s.on('disconnect', (why) => n.failed.push(why));
		n.s.io.on('reconnect_attempt', () => n.failed.push('again'));
		await ask(n.s, 'room:join', { room: 'r' });
		return n;
	}
	async go(who) {
		while (!this.over) {
			const i = this.sent++;
			await ask(this.s, 'n', { room: 'r', who, i });
			this.acked.push(i);
		}
	}
	check(all, me) {
		assert.deepEqual(this.failed, []);
		assert.deepEqual(this.acked, [...Array(this.sent).keys()]);
		const got = gotten(this.s, 'n').map((a) => a[0]);
		for (const [k, o] of all.entries())
			assert.deepEqual(got.filter((m) => m.who === k)
			    .map((m) => m.i),
			k === me ? [] : [...Array(o.sent).keys()],
			`of ${k}, heard by ${me}`);
	}
}

for (const [name, opts] of [
	['polling', { transports: ['polling'] }],
	['polling, then WebSocket', { transports: ['polling', 'websocket'] }]])
	test(`stock clients under traffic, 10 reloads: ${name}`, async () => {
		const d = await started();
		const all = [];
		for (let i = 0; i < 12; i++)
			all.push(await Numbered.start(d, opts));
		const going = all.map((n, k) => n.go(k));
		await reload(d, 10);
		for (const n of all)
			n.over = true;
		await Promise.all(going);
		for (const n of all)
			await until(() => gotten(n.s, 'n').length >=
			    all.reduce((sum, o) => sum + o.sent, -n.sent),
			'all that was sent');
		for (const [k, n] of all.entries())
			n.check(all, k);
		for (const n of all)
			n.s.disconnect();
		await d.stop();
	});

test('clients that come while generations change', async () => {
	const d = await started();
	let over = false, came = 0;
	const come = async () => {
		while (!over) {
			const s = await connect(d, '/', { transports:
			    came % 2 ? ['polling'] : ['polling', 'websocket'] });
			const i = came++;
			assert.equal(await ask(s, 'ask', i), i);
			s.disconnect();
		}
	};
	const coming = [come(), come(), come()];
	/* as often as it takes for some to have come in between */
	for (let n = 0; n < 5 || (came <= 15 && n < 100); n++)
		await reload(d, 1);
	over = true;
	await Promise.all(coming);
	assert.ok(came > 15);
	await d.stop();
});

/* --- requests by hand ---------------------------------------------------- */

test('a GET that waits is answered by the heir, with no noop', async () => {
	const d = await started();
	const all = [];
	for (let i = 0; i < 20; i++)
		all.push(await (await Polling.open(d.port)).connect());
	const waits = all.map((p) => p.packets({ ms: 20000 }));
	await until(async () => await d.metric('eio_gets') >= 3 * all.length,
	    'all GETs to wait');
	await reload(d);
	for (const [i, p] of all.entries()) {
		await p.send(`42["q",${i}]`);
		assert.deepEqual(await waits[i], [`42["q",${i}]`]);
	}
	await d.counts('connections_moved_in', (n) => n >= all.length);
	await until(async () => await d.metric('connections_moved_in') ===
	    await d.metric('connections_moved_out'), 'both to be counted');
	await d.counts('eio_polling', all.length);
	await d.counts('eio_sessions', all.length);
	await d.stop();
});

test('a session of three generations ago, nothing was asked since', async () => {
	const d = await started();
	const all = [];
	for (let i = 0; i < 8; i++)
		all.push(await (await Polling.open(d.port)).connect());
	await reload(d, 3);
	for (const [i, p] of all.entries()) {
		await p.send(`42["q",${i}]`);
		assert.deepEqual(await p.packets(), [`42["q",${i}]`]);
	}
	await reload(d, 3);
	for (const [i, p] of all.entries()) {
		await p.send(`42["q",${i}]`, `421["ask",${i}]`);
		assert.deepEqual(await p.collect(2),
		    [`42["q",${i}]`, `431[${i}]`]);
	}
	/* one that nobody has had is unknown as ever */
	const p = all[0];
	p.target = p.target.replace(/sid=(..).*/, 'sid=$1' + 'x'.repeat(22));
	assert.ok(await p.gone());
	await d.stop();
});

test('connections that are kept: each request after a reload', async () => {
	const d = await started();
	const one = { agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) };
	const two = { agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) };
	const p = await Polling.open(d.port, one);
	await p.connect();
	for (let i = 0; i < 6; i++) {
		assert.equal((await p.post(`42["q",${i}]`, two)).body, 'ok');
		await reload(d);
		assert.deepEqual(await p.packets(one), [`42["q",${i}]`]);
	}
	assert.equal(one.agent.totalSocketCount ?? 1, 1);
	one.agent.destroy();
	two.agent.destroy();
	await d.stop();
});

for (const chunked of [false, true])
	test(`a POST whose body comes before and after reloads${
	    chunked ? ', in chunks' : ''}`, async () => {
		const d = await started();
		const p = await (await Polling.open(d.port)).connect();
		const all = [];
		for (let i = 0; i < 40; i++)
			all.push(`42["q","${i} ${'x'.repeat(3000)}"]`);
		const body = all.join('\x1e');
		const s = await Sock.open(d.port);
		s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\n${chunked ?
		    'Transfer-Encoding: chunked' :
		    `Content-Length: ${body.length}`}\r\n\r\n`);
		const waits = await held(d, p);
		for (let at = 0; at < body.length; at += 30000) {
			const part = body.slice(at, at + 30000);
			s.send(chunked ? `${part.length.toString(16)}\r\n${part
			    }\r\n` : part);
			if (at < 90000)
				await reload(d);
		}
		if (chunked)
			s.send('0\r\n\r\n');
		assert.equal((await s.response()).body, 'ok');
		const got = await waits.packets;
		while (got.length < all.length)
			got.push(...await p.packets());
		assert.ok(got.join() === all.join());
		/* and the next one, over the same connection */
		s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\n` +
		    'Content-Length: 9\r\n\r\n42["q",1]');
		assert.equal((await s.response()).body, 'ok');
		assert.deepEqual(await p.packets(), ['42["q",1]']);
		s.close();
		await d.stop();
	});

/* --- upgrades ------------------------------------------------------------ */

for (const step of ['the request', 'the probe', 'the answer to the probe',
    'the release of the GET', 'the upgrade', 'the first message'])
	test(`an upgrade, and a reload behind ${step}`, async () => {
		const d = await started();
		const p = await (await Polling.open(d.port)).connect();
		const at = async (s) => {
			if (s === step)
				await reload(d, 2);
		};
		const waits = await held(d, p);
		const w = await Ws.must(d.port, p.ws);
		await at('the request');
		w.text('2probe');
		await at('the probe');
		assert.equal(await w.message(), '3probe');
		await at('the answer to the probe');
		assert.deepEqual(await waits.packets, ['6']);
		await at('the release of the GET');
		await p.send('42["q",1]');
		w.text('5');
		await at('the upgrade');
		assert.equal(await w.message(), '42["q",1]');
		w.text('42["q",2]');
		assert.equal(await w.message(), '42["q",2]');
		await at('the first message');
		for (let i = 0; i < 3; i++) {
			w.text(`42["q",${i}]`);
			assert.equal(await w.message(), `42["q",${i}]`);
			/* all that is left to say over polling */
			assert.equal(JSON.parse((await p.get()).body).code, 3);
			await reload(d);
		}
		w.s.close();
		await until(() => p.gone(), 'the session to end');
		await d.stop();
	});

/* --- many requests at once ------------------------------------------------ */

test('requests on their way to a worker that leaves are answered', async () => {
	const d = await started();
	const all = [];
	for (let i = 0; i < 10; i++)
		all.push(await (await Polling.open(d.port)).connect());
	let over = false, n = 0;
	const going = all.map(async (p, k) => {
		for (let i = 0; !over; i++) {
			const text = `42["q","${k}.${i}"]`;
			await p.send(text);
			assert.deepEqual(await p.collect(1), [text]);
			n++;
		}
	});
	await reload(d, 10);
	over = true;
	await Promise.all(going);
	assert.ok(n > 100);
	await d.counts('eio_unknown_sid', 0);
	await d.stop();
});

/* --- recovery ------------------------------------------------------------ */

for (const transport of ['polling', 'websocket'])
	test(`cut before a reload, back after it: ${transport}`, async () => {
		const d = await started({ conf: `${conf}
recovery { window = 2m }\n` });
		const opts = { transports: [transport] };
		const s = await connect(d, '/c', opts);
		const o = await connect(d, '/c', opts);
		for (const one of [s, o])
			await ask(one, 'room:join', { room: 'r' });
		await ask(o, 'n', { room: 'r', i: 0 });
		await heard(s, 'n', 1);
		const { id } = s;
		const parked = () => d.metric('recovery_parked');
		/* lost, not closed; a GET that breaks would be sent again */
		const { transport: t } = s.io.engine;
		if (transport === 'websocket')
			t.ws._socket.destroy();
		else {
			await until(() => t.pollXhr, 'a GET');
			t.pollXhr.abort();
			t.onError('cut');
		}
		await until(() => !s.connected, 'the client to know');
		await until(async () => await parked() === 1,
		    'the session to wait');
		await ask(o, 'n', { room: 'r', i: 1 });
		await reload(d);
		assert.equal(await parked(), 1);
		await ask(o, 'n', { room: 'r', i: 2 });
		await reload(d, 2);
		assert.equal(await parked(), 1);
		await ask(o, 'n', { room: 'r', i: 3 });
		s.connect();
		await connected(s);
		assert.equal(s.recovered, true);
		assert.equal(s.id, id);
		await ask(o, 'n', { room: 'r', i: 4 });
		assert.deepEqual((await heard(s, 'n', 5)).map((a) => a[0].i),
		    [0, 1, 2, 3, 4]);
		assert.equal(await parked(), 0);
		for (const one of [s, o])
			one.disconnect();
		await d.stop();
	});

/* --- TLS ------------------------------------------------------------------ */

test('over TLS: the session goes, its client does not notice', async () => {
	const d = await started({ conf: conf + listenTls() });
	const agent = new https.Agent({ rejectUnauthorized: false,
		keepAlive: true });
	const s = io(`https://127.0.0.1:${d.ports[1]}/c`, {
		transports: ['polling'], forceNew: true, reconnection: false,
		agent, rejectUnauthorized: false });
	s.got = [];
	s.onAny((...a) => s.got.push(a));
	await connected(s);
	const lost = [];
	s.on('disconnect', (why) => lost.push(why));
	await ask(s, 'room:join', { room: 'r' });
	const o = await connect(d, '/c', { transports: ['polling'] });
	await ask(o, 'room:join', { room: 'r' });
	for (let i = 0; i < 5; i++) {
		await reload(d);
		await ask(o, 'n', { room: 'r', i });
		await ask(s, 'n', { room: 'r', i });
	}
	for (const one of [s, o])
		assert.deepEqual((await heard(one, 'n', 5)).map((a) => a[0].i),
		    [0, 1, 2, 3, 4]);
	assert.deepEqual(lost, []);
	s.disconnect();
	o.disconnect();
	agent.destroy();
	await d.stop();
});
