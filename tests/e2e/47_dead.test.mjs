/*
 * What hooks did not take, and what waits for them: an operator reads it, has it
 * sent again or forgets it, and an upgrade loses none of it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { ask, connect, gotten } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Daemon, roostd, until } from './lib/daemon.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { checkNumbers, Group } from './lib/streams.mjs';
import { user } from './lib/token.mjs';
import { putRebuilt, Upgradable, upgrade } from './lib/upgrade.mjs';

const KEY = 'a key of an operator';
const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const conf = (url, more = '', hook = '') => `${jwt}${stopTime}${more}
api { key "ops" { sha256 = "${sha(KEY)}"  allow = {"hooks"} }
      key "some" { sha256 = "${sha('some')}"  allow = {"hooks"}
          namespaces = {"/app"} }
      key "none" { sha256 = "${sha('none')}"  allow = {"publish"} } }
hook "back" { url = "${url}"  secret = "${SECRET}"  allow_private = true
    timeout = 10s  batch_delay = 0s  ${hook} }
namespace "/app" { auth = optional  hook = "back"
    event "tell" { to = backend  args = 3 }
    event "order" { to = backend  ack = accepted }
}
`;

async function get(d, where, { key = KEY, ...opts } = {}) {
	const r = await fetch(d.url(`/api/v1/hooks${where}`), { ...opts,
		headers: { Authorization: `Bearer ${key}`,
			'Content-Type': 'application/json' } });
	return { status: r.status, json: await r.json() };
}
const post = (d, where, body, opts) => get(d, where, { method: 'POST',
	body: JSON.stringify(body), ...opts });
const ok = async (p) => {
	const { status, json } = await p;
	assert.equal(status, 200, JSON.stringify(json));
	return json;
};
const numbers = (list) => list.filter((e) => e.event === 'tell')
    .map((e) => e.data[0].i);
const range = (a, n) => Array.from({ length: n - a }, (_, i) => a + i);

let b, d, ann;
before(async () => {
	b = await Backend.start();
	d = await Daemon.start({ workers: 2, conf: conf(b.url, '', 'dead = 5') });
	ann = await connect(d, '/app');
});
after(async () => {
	ann.close();
	await d.stop();
	await b.close();
	b.check();
});

test('how a hook stands: idle, failing, and idle again', async () => {
	await b.until((l) => l.length > 0);
	const one = async () => (await ok(get(d, ''))).hooks[0];
	await until(async () => (await one()).state === 'idle', 'it to be idle');
	const idle = await one();
	assert.equal(idle.hook, 'back');
	assert.equal(idle.dead, 0);
	assert.ok(Math.abs(idle.last_success - Date.now()) < 60000);
	assert.equal(idle.last_error, undefined);
	assert.equal(idle.namespaces[0].namespace, '/app');
	assert.equal(idle.namespaces[0].seq, 1);
	assert.match((await ok(get(d, ''))).host, /^[0-9a-f]{16}$/);
	b.answer = 503;
	ann.emit('tell', { i: 0 });
	await until(async () => (await one()).state === 'failing',
	    'it to fail');
	const bad = await one();
	assert.equal(bad.last_error.why, 'status 503');
	assert.ok(Math.abs(bad.last_error.ts - Date.now()) < 60000);
	assert.equal(bad.waiting, 1);
	assert.ok(bad.waiting_bytes > 20);
	assert.equal(bad.namespaces[0].state, 'failing');
	b.answer = 200;
	await b.until((l) => numbers(l).length === 1, 10000);
	await until(async () => (await one()).state === 'idle',
	    'it to be idle again');
});

/* Events that are refused for good, at once. */
async function bury(back, daemon, client, list) {
	const dead = await daemon.metric('hook_dead');
	back.answer = 410;
	for (const i of list)
		client.emit('tell', typeof i === 'object' ? i : { i });
	await daemon.counts('hook_dead', dead + list.length);
	back.answer = 200;
}

test('what was given up is read, sent again, and is none any more', async () => {
	await bury(b, d, ann, [1, 2, 3]);
	const all = await ok(get(d, '/back/dead'));
	assert.equal(all.hook, 'back');
	assert.equal(all.next, undefined);
	assert.deepEqual(all.letters.map((l) => l.entry.data[0].i), [1, 2, 3]);
	const [l] = all.letters;
	assert.equal(l.namespace, '/app');
	assert.equal(l.why, 'status 410');
	assert.match(l.epoch, /^[0-9a-f]{16}$/);
	assert.equal(l.epoch, b.entries[0].epoch);
	assert.equal(l.entry.type, 'event');
	assert.equal(l.entry.sid, ann.id);
	assert.ok(l.size > 20);
	assert.equal(await d.metric('hook_dead_kept'), 3);
	assert.equal((await ok(get(d, ''))).hooks[0].dead, 3);
	/* page by page */
	const ids = [];
	for (let cursor = 0; cursor !== undefined;) {
		const p = await ok(get(d, `/back/dead?limit=2&cursor=${cursor}`));
		ids.push(...p.letters.map((x) => x.id));
		cursor = p.next;
	}
	assert.deepEqual(ids, all.letters.map((x) => x.id));
	/* one, which is a new entry with the id that it had */
	const last = b.entries.length;
	const r = await ok(post(d, '/back/dead/retry', { ids: [ids[1], 9999] }));
	assert.deepEqual([r.retried, r.left], [1, 2]);
	await b.until((e) => e.length === last + 1);
	const again = b.entries.at(-1);
	assert.equal(again.id, all.letters[1].entry.id);
	assert.ok(again.seq > all.letters[2].entry.seq);
	/* then the others */
	const rest = await ok(post(d, '/back/dead/retry', { all: true }));
	assert.deepEqual([rest.retried, rest.left], [2, 0]);
	await b.until((e) => e.length === last + 3);
	assert.deepEqual(numbers(b.entries), [0, 2, 1, 3]);
	assert.equal(checkNumbers(b.entries, true), 3);
	assert.equal(await d.metric('hook_retried'), 3);
	assert.equal(await d.metric('hook_dead_kept'), 0);
});

test('the oldest go, and what is large is shown without what it says',
    async () => {
	await bury(b, d, ann, [10, 11, { i: 12, text: 'x'.repeat(20000) }, 13, 14,
		15, 16]);
	const { letters } = await ok(get(d, '/back/dead'));
	assert.equal(letters.length, 5);
	assert.equal(await d.metric('hook_dead_displaced'), 2);
	assert.deepEqual(letters.map((l) => l.entry.data?.[0].i),
	    [undefined, 13, 14, 15, 16]);
	assert.equal(letters[0].truncated, true);
	assert.equal(letters[0].entry.event, 'tell');
	assert.ok(letters[0].size > 20000);
	const f = await ok(post(d, '/back/dead/forget', { ids: [letters[1].id] }));
	assert.deepEqual([f.forgotten, f.left], [1, 4]);
	/* it is whole, whatever is shown */
	const r = await ok(post(d, '/back/dead/retry', { ids: [letters[0].id] }));
	assert.deepEqual([r.retried, r.left], [1, 3]);
	await b.until((l) => l.some((e) => e.data?.[0].text?.length === 20000));
});

test('roostctl does the same', async () => {
	const ctl = (...args) => new Promise((done) => execFile(path.join(
	    path.dirname(roostd), 'roostctl'), ['-u', d.url(''), 'hooks',
	    ...args], { env: { ...process.env, ROOST_API_KEY: KEY } },
	    (e, out, err) => done({ code: e?.code ?? 0, out, err })));
	const read = async (...args) => {
		const r = await ctl(...args);
		assert.equal(r.code, 0, r.err);
		return JSON.parse(r.out);
	};
	assert.equal((await read()).hooks[0].dead, 3);
	const { letters } = await read('-l', '2', 'back');
	assert.equal(letters.length, 2);
	const { next } = await read('-l', '2', 'back');
	assert.equal((await read('-c', `${next}`, 'back')).letters.length, 1);
	assert.equal((await read('-r', 'back', `${letters[0].id}`)).retried, 1);
	assert.equal((await read('-f', 'back')).forgotten, 2);
	assert.match((await ctl('nobody')).err, /there is no such hook/);
	for (const args of [['-f'], ['-r'], ['-f', '-r', 'back'],
	    ['back', '7'], ['-l', '5'], ['-r', 'back', 'x'], ['-x'],
	    ['-l', '5', '-f', 'back']]) {
		const r = await ctl(...args);
		assert.equal(r.code, 64, `${args}: ${r.out}`);
		assert.match(r.err, /usage: roostctl/);
	}
});

test('who may: keys with the word hooks, for all namespaces', async () => {
	for (const [key, status] of [['none', 403], ['some', 403], ['x', 401]]) {
		assert.equal((await get(d, '', { key })).status, status);
		assert.equal((await get(d, '/back/dead', { key })).status, status);
		assert.equal((await post(d, '/back/dead/forget', { all: true },
		    { key })).status, status);
	}
	const none = await get(d, '/nobody/dead');
	assert.equal(none.status, 404);
	assert.equal(none.json.error.code, 'not_found');
	assert.equal((await post(d, '/nobody/dead/retry', { all: true })).status,
	    404);
});

test('an upgrade loses nothing that waits, and nothing that was given up: '
    + 'numbers and order hold, and nothing is there twice', async (t) => {
	const back = await Backend.start();
	const o = await Upgradable.start({ workers: 2, conf: conf(back.url) });
	t.after(async () => {
		await o.stop();
		await back.close();
		back.check();
	});
	const bob = await connect(o, '/app', { reconnection: true,
		reconnectionDelay: 10 });
	await back.until((l) => l.length > 0);
	await bury(back, o, bob, [100, 101]);
	const { letters } = await ok(get(o, '/back/dead'));
	/* some are taken; then it is away, and others wait */
	for (let i = 0; i < 20; i++)
		bob.emit('tell', { i });
	await back.until((l) => numbers(l).length === 20);
	back.answer = 503;
	for (let i = 20; i < 120; i++)
		bob.emit('tell', { i });
	await o.counts('hook_waiting', 100);
	const epoch = back.entries.at(-1).epoch;
	for (let n = 0; n < 2; n++) {		/* and once more */
		putRebuilt(o);
		await upgrade(o);
		await o.counts('hook_waiting', (k) => k >= 101);
		assert.deepEqual((await ok(get(o, '/back/dead'))).letters, letters);
	}
	if (!bob.connected)
		await until(() => bob.connected, 'bob to be back');
	bob.emit('tell', { i: 120 });
	await o.counts('hook_waiting', (k) => k >= 103);
	back.answer = 200;
	await back.until((l) => numbers(l).length === 121, 20000);
	assert.deepEqual(numbers(back.entries), range(0, 121));
	/* those that were given up have numbers that nobody got */
	assert.equal(checkNumbers(back.entries, true), 2);
	const waited = back.entries.filter((e) => e.data?.[0].i >= 20 &&
	    e.data[0].i < 120);
	assert.ok(waited.every((e) => e.epoch === epoch), 'another epoch');
	const begins = back.entries.filter((e) => e.type === 'begin');
	assert.equal(begins.length, 3);
	assert.ok(begins.every((e, i) => e.seq === 1 &&
	    (i === 0 || e.epoch > begins[i - 1].epoch)));
	assert.ok(!o.log.includes('hook_entries_not_left'));
	const r = await ok(post(o, '/back/dead/retry', { all: true }));
	assert.equal(r.retried, 2);
	await back.until((l) => numbers(l).slice(-2).join() === '100,101');
	bob.close();
});

test('an upgrade loses none of hooks, notifications, kept rooms and sessions at once',
    async (t) => {
	const back = await Backend.start();
	const o = await Upgradable.start({ workers: 2, conf: `${jwt}${stopTime}
recovery { window = 1m  packets = 5000  bytes = 4MB }
api { key "ops" { sha256 = "${sha(KEY)}"
    allow = {"hooks", "inbox"} } }
hook "back" { url = "${back.url}"  secret = "${SECRET}"
    allow_private = true  timeout = 10s  batch_delay = 0s }
namespace "/app" { auth = optional  hook = "back"  inbox = true
    recovery = store
    room "kept:{a}" { join = open  history = 50 }
    event "tell" { to = backend  args = 3 }
    event "n" { to = room:room  meta = off  ack = accepted }
    event "me" { to = sender  meta = off } }
` });
	t.after(async () => {
		await o.stop();
		await back.close();
		back.check();
	});
	const api = (method, where, body) => fetch(o.url(`/api/v1/${where}`), {
		method, body: body && JSON.stringify(body), headers: {
			Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' } })
	    .then((r) => r.json());
	const bob = await connect(o, '/app', { reconnection: true,
		reconnectionDelay: 10 });
	const eve = await connect(o, '/app', { auth: { token: user('eve') } });
	await back.until((l) => l.length > 0);
	await bury(back, o, bob, [100, 101]);
	const { letters } = await ok(get(o, '/back/dead'));
	for (const s of [bob, eve])
		await ask(s, 'room:join', { room: 'kept:a' });
	back.answer = 503;
	for (let i = 0; i < 30; i++)
		bob.emit('tell', { i });
	await o.counts('hook_waiting', (k) => k >= 30);
	for (let i = 0; i < 10; i++) {
		await ask(bob, 'n', { room: 'kept:a', i });
		await api('POST', `inbox/app/u${i % 3}`, { id: `i${i}` });
	}
	await until(() => gotten(eve, 'n').length === 10, 'eve to have them');
	const { id } = eve;
	eve.io.engine.transport.ws._socket.destroy();
	await until(() => !eve.connected, 'eve to be cut off');
	await o.counts('sessions_away', 1);
	await ask(bob, 'n', { room: 'kept:a', i: 10 });
	for (let n = 0; n < 2; n++) {		/* and once more */
		putRebuilt(o);
		await upgrade(o);
		await o.counts('hook_waiting', (k) => k >= 30);
		assert.deepEqual((await ok(get(o, '/back/dead'))).letters, letters);
		const l = await api('GET', 'inbox/app/u0');
		assert.deepEqual(l.notifications.map((i) => i.id),
		    ['i9', 'i6', 'i3', 'i0']);
		await o.counts('sessions_away', 1);
	}
	await until(() => bob.connected, 'bob to be back');
	await ask(bob, 'n', { room: 'kept:a', i: 11 });
	eve.connect();
	await until(() => gotten(eve, 'n').length >= 12, 'eve to have all');
	assert.deepEqual([eve.recovered, eve.id], [true, id]);
	assert.deepEqual(gotten(eve, 'n').map(([e]) => e.i), range(0, 12));
	assert.doesNotMatch(o.log, /not_read|not_left|not_saved/);
	back.answer = 200;
	await back.until((l) => numbers(l).length === 30, 20000);
	assert.deepEqual(numbers(back.entries), range(0, 30));
	bob.close();
	eve.close();
});

test('an upgrade while Redis is away loses nothing of a stream, and what Redis had '
    + 'is not there twice', async (t) => {
	const r = await Redis.start();
	const o = await Upgradable.start({ workers: 2, conf: `${jwt}${stopTime}
redis { url = "${r.url}" }
namespace "/app" { auth = optional
    event "tell" { to = backend }
    event "order" { to = backend  ack = accepted } }
` });
	t.after(async () => {
		await o.stop();
		await r.kill();
	});
	await connected(o);
	const s = await connect(o, '/app', { reconnection: true,
		reconnectionDelay: 10 });
	await ask(s, 'order', { i: -1 });
	await r.kill();
	await connected(o, false);
	for (let i = 0; i < 100; i++)
		s.emit('tell', { i });
	await o.counts('backend_waiting', 100);
	for (let n = 0; n < 2; n++) {
		putRebuilt(o);
		await upgrade(o);
		await o.counts('backend_waiting', 101 + n);
	}
	await until(() => s.connected, 'the client to be back');
	s.emit('tell', { i: 100 });
	await o.counts('backend_waiting', 103);
	await r.again();
	await connected(o);
	const c = await r.client();
	const g = await Group.open(c, 'roost:events:app', 'g');
	const is = (l) => l.filter((e) => e.event === 'tell')
	    .map((e) => JSON.parse(e.data)[0].i);
	await g.until((l) => is(l).length >= 101, 20000);
	assert.deepEqual(is(g.list), range(0, 101));
	checkNumbers(g.list);
	/* what was there before is of the same epoch; two have begun since */
	assert.equal(new Set(g.list.map((e) => e.epoch)).size, 3);
	assert.equal(g.list.filter((e) => e.type === 'begin' &&
	    e.seq === '1').length, 2);
	assert.ok(!o.log.includes('events_not_left'));
	c.close();
	s.close();
});

test('no more connections than hook_connections, whoever waits', async (t) => {
	const back = await Backend.start();
	const o = await Daemon.start({ workers: 2, conf: conf(back.url,
	    'limits { hook_connections = 64 }\n') + `
namespace "/ask" { auth = optional  hook = "back"
    event "q" { to = sender  ask = true  ack = backend } }
` });
	t.after(async () => {
		await o.stop();
		await back.close();
	});
	const all = await Promise.all(Array.from({ length: 80 }, () => connect(o,
	    '/ask')));
	await o.counts('hook_waiting', 0);
	const held = [];
	let most = 0;
	back.answer = (q, r) => {
		if (q.headers['x-roost-question'] === 'entries')
			return 200;
		held.push(r);
		most = Math.max(most, held.length);
	};
	const acks = all.map((s) => s.timeout(9000).emitWithAck('q'));
	await until(() => held.length === 64, 'as many as there may be');
	await o.counts('hook_crowded', (n) => n >= 16);
	await o.counts('hook_connections', 64);
	const yes = (r) => r.writeHead(200).end('{"allow":true,"ack":[7]}');
	held.splice(0).forEach(yes);
	await until(() => held.length === 16, 'the others');
	held.splice(0).forEach(yes);
	assert.deepEqual(await Promise.all(acks), all.map(() => 7));
	assert.equal(most, 64);
	all.forEach((s) => s.close());
});
