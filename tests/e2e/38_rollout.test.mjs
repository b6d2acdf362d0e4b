/*
 * A rollout: WebSocket and event streams for a share of the users, the same ones
 * at each host; the others are told where to poll.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Socket } from 'engine.io-client';

import { Daemon, slow, until } from './lib/daemon.mjs';
import { ask, connect, refused } from './lib/clients.mjs';
import { CLIENT, started } from './lib/remains.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Stream } from './lib/sse.mjs';
import { user } from './lib/token.mjs';
import { Ws } from './lib/wire.mjs';

const conf = `${jwt}${stopTime}
drain_time = ${Math.min(slow, 4)}s
namespace "/part" { rollout = 50 poll_room = "news"
    room "news" { join = open history = 10 }
    event "ask" { ack = echo } }
namespace "/none" { rollout = 0 poll = false }
namespace "/guest" { auth = optional rollout = 0 poll_room = "news"
    room "news" { join = open history = 10 } }
namespace "/all" { event "ask" { ack = echo } }
route "/eio" { namespace = "/part" format = engine }
`;
let d, e;
const users = [...Array(40).keys()].map((i) => `user-${i}`);
const inside = [], outside = [];
const bearer = (u) => ({ Authorization: `Bearer ${user(u)}` });
const upgrade = async (h, path, headers) => {
	const w = await Ws.open(h.port, path, { headers });
	if (w.refused === undefined)
		w.drop();
	return w.refused;
};
before(async () => {
	[d, e] = await Promise.all([1, 2].map((workers) =>
		Daemon.start({ workers, conf })));
});
after(async () => {
	await d.stop();
	await e.stop();
});

test('a share of the users, the same at two hosts; the others poll', async () => {
	for (const u of users) {
		const [a, b] = await Promise.all([d, e].map((h) =>
			upgrade(h, '/ws/part', bearer(u))));
		assert.equal(a?.status, b?.status);
		(a === undefined ? inside : outside).push(u);
		if (a === undefined)
			continue;
		assert.equal(a.status, 403);
		assert.deepEqual(JSON.parse(a.body), { error: { code: 'rollout',
			message: 'not yet for you: poll', poll: '/poll/part' } });
	}
	assert.ok(inside.length >= 8 && outside.length >= 8,
	    `${inside.length} of ${users.length}`);
	await d.counts('ns_rollout', inside.length, 'group="in"');
	await d.counts('ns_rollout', outside.length, 'group="out"');
	await d.counts('transports_opened', inside.length, 'websocket');
	/* where they are told to go they are let in */
	const { poll } = JSON.parse((await upgrade(d, '/ws/part',
	    bearer(outside[0]))).body).error;
	const r = await fetch(d.url(poll), { headers: bearer(outside[0]) });
	assert.equal(r.status, 200);
	assert.deepEqual((await r.json()).events, []);
});

test('who is nobody is his address; a namespace without polls names none',
    async () => {
	const guest = await upgrade(d, '/ws/guest', {});
	assert.equal(guest.status, 403);
	assert.equal(JSON.parse(guest.body).error.poll, '/poll/guest');
	assert.equal((await fetch(d.url('/poll/guest'))).status, 200);
	const none = await upgrade(d, '/ws/none', bearer('ann'));
	assert.equal(none.status, 403);
	assert.deepEqual(JSON.parse(none.body).error, { code: 'rollout',
		message: 'not yet for you: poll' });
	/* a token is asked for first */
	assert.equal((await upgrade(d, '/ws/none', {})).status, 401);
});

test('event streams likewise', async () => {
	const url = d.url('/sse/part?room=news');
	const s = await Stream.open(url, { headers: bearer(inside[0]) });
	assert.equal(s.status, 200);
	s.close();
	const r = await fetch(url, { headers: bearer(outside[0]) });
	assert.equal(r.status, 403);
	assert.equal((await r.json()).error.poll, '/poll/part');
});

const token = (u) => ({ auth: { token: user(u) } });

test('Socket.IO: on WebSocket an error that says where, on polling it stays',
    async () => {
	const s = await connect(d, '/part', token(inside[0]));
	assert.equal(await ask(s, 'ask', 1), 1);
	s.close();
	/* websocket first, as a stock client that falls back does it */
	const out = await connect(d, '/part', { wait: false,
		...token(outside[0]) });
	const error = await refused(out);
	assert.deepEqual(error.data, { code: 'rollout', poll: '/poll/part' });
	out.io.opts.transports = ['polling', 'websocket'];
	out.io.engine.close();
	out.connect();
	await until(() => out.connected, 'polling');
	const held = await d.metric('eio_rollout_held');
	assert.equal(await ask(out, 'ask', 2), 2);
	await d.counts('eio_rollout_held', (n) => n >= Math.max(1, held));
	await d.counts('eio_upgrades_failed', (n) => n >= 1);
	assert.equal(out.io.engine.transport.name, 'polling');
	assert.equal(await ask(out, 'ask', 3), 3);
	/* the others of his connections, in other namespaces, upgrade */
	const all = await connect(d, '/all', {
		transports: ['polling', 'websocket'], ...token(outside[0]) });
	await until(() => all.io.engine.transport.name === 'websocket',
	    'the upgrade');
	all.close();
	out.close();
	await d.counts('eio_polling_ended', (n) => n >= 1);
	await d.counts('transports_opened', 2, 'eio_websocket');
	await d.counts('transports_opened', (n) => n >= 2, 'eio_polling');
});

test('who is out and came by a probe before his CONNECT stays on polling',
    async () => {
	const p = await Polling.open(d.port);
	const w = await Ws.must(d.port, p.ws);
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	await p.send(`40/part,${JSON.stringify({ token: user(outside[0]) })}`);
	w.text('5');
	await w.s.end();
	assert.ok((await p.packets()).some((t) => t.startsWith('40/part,')));
});

test('a route of Engine.IO: the stock client falls back by itself', async () => {
	const s = new Socket(`ws://127.0.0.1:${d.port}`, { path: '/eio',
		addTrailingSlash: false, upgrade: false,
		transports: ['websocket', 'polling'], tryAllTransports: true,
		extraHeaders: bearer(outside[1]) });
	started(CLIENT, () => s.close());
	await until(() => s.readyState === 'open', 'open');
	assert.equal(s.transport.name, 'polling');
	s.close();
	const r = await upgrade(d, '/eio?EIO=4&transport=websocket',
	    bearer(outside[1]));
	assert.equal(r.status, 403);
	assert.equal(JSON.parse(r.body).error.code, 'rollout');
	assert.equal((await request(d.port, 'GET', '/eio?EIO=4&transport=polling',
	    { headers: bearer(outside[1]) })).status, 200);
});

test('/health tells who is on what, and how many never left polling',
    async () => {
	const t = (await (await fetch(d.url('/health'))).json()).transports;
	assert.ok(t.fallback_rate > 0 && t.fallback_rate < 1,
	    JSON.stringify(t));
	assert.deepEqual(Object.keys(t), ['websocket', 'polling', 'sse',
		'longpoll', 'fallback_rate']);
});

test('by a reload more are let in, and nobody is put out', async () => {
	const set = async (n) => {
		const before = d.log.split(' reloaded ').length;
		fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
		    .replace(/("\/part" \{ rollout = )\d+/, `$1${n}`));
		process.kill(d.pid, 'SIGHUP');
		await until(() => d.log.split(' reloaded ').length > before,
		    'the reload', 10000);
	};
	const now = async (u) =>
		await upgrade(d, '/ws/part', bearer(u)) === undefined;
	const s = await connect(d, '/part', token(inside[0]));
	await set(80);
	for (const u of inside)
		assert.ok(await now(u), u);
	let more = 0;
	for (const u of outside)
		more += await now(u);
	assert.ok(more > 0, 'more');
	await set(0);
	assert.equal(await now(inside[0]), false);
	assert.equal(await ask(s, 'ask', 4), 4);
	s.close();
});
