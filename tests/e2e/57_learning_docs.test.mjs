/*
 * Documents and the newest of each key, as a learning platform has them: annotations
 * that many change at once, progress of jobs that a back end tells.  Stock
 * socket.io-client, unmodified; a daemon with two workers.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard, plain } from './lib/clients.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { sioOn } from './lib/spread.mjs';
import { secret, user as token } from './lib/token.mjs';

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const conf = `
jwt { algorithms = {"HS256"} secret = "${secret}" }
api { key "backend" { sha256 = "${sha}"
    allow = {"publish", "history", "documents"} } }
namespace "/collaboration" { auth = optional
    room "doc:{id}" { join = open documents = true }
    room "few:{id}" { join = open documents = true keys = 3 history = 2
        value_bytes = 100B }
    room "ruled:{id}" { join = open documents = true
        key "annotation:{id}" { write = owner max_bytes = 200B
            check = {"text: string 1..20"} }
        key "grade" { roles = {"teacher"} }
        key "summary" { write = server } }
    room "closed:{id}" { documents = true }
    room "tight:{id}" { join = open documents = true keys_bytes = 1KB }
    room "brief:{id}" { join = open documents = true keep = 1s }
    room "chat:{id}" { join = open history = 10 } }
namespace "/analytics" { auth = none sse = true poll = true
    room "job:{id}" { join = open latest = true history = 5 }
    room "brief:{id}" { latest = true keep = 3s history = 1000 } }
route "/ws/analytics" { namespace = "/analytics" }
`;
let d, redis, docs = 0;
const engines = ['memory', 'Redis'];
before(async () => { redis = await Redis.start(); });
after(() => redis.kill());

const NS = '/collaboration';
async function api(method, path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), { method,
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { status: r.status, ...await r.json() };
}
const fresh = (kind = 'doc') => `${kind}:${++docs}`;
const both = () => sioOn(d, [1, 2], NS);
const closeAll = (...l) => l.forEach((s) => s.close());
const open = (s, doc, since) => ask(s, 'doc:open', { doc, since });
const set = (s, doc, key, base, value) =>
	ask(s, 'doc:set', { doc, key, base, value });
const del = (s, doc, key, base) => ask(s, 'doc:delete', { doc, key, base });
const changes = (s) => gotten(s, 'doc:change').map(([c]) => c);
const snapshots = (s) => gotten(s, 'doc:snapshot').map(([p]) => p);
const entries = (s) => snapshots(s).flatMap((p) => p.entries);
/* Each with either of the engines that keep. */
const tests = [];
const told = (name, f) => tests.push([name, f]);

told('E4: an annotation is made, changed and deleted; all who have the document open hear of it, in order', async () => {
	const [a, b] = await both(), doc = fresh();
	const first = await open(a, doc);
	assert.equal(first.doc, doc);
	assert.equal(first.rev, 0);
	assert.equal(first.keys, 0);
	assert.match(first.epoch, /^[0-9a-z]{1,32}$/);
	assert.deepEqual(snapshots(a), [{ doc, epoch: first.epoch, reset: true,
		entries: [] }]);
	await open(b, doc);
	const one = await set(a, doc, 'annotation:1', 0, { text: 'a' });
	assert.equal(one.rev, 1);
	assert.equal(one.epoch, first.epoch);
	assert.equal((await set(b, doc, 'annotation:1', 1, { text: 'b' })).rev, 2);
	assert.equal((await del(a, doc, 'annotation:1', 2)).rev, 3);
	for (const s of [a, b]) {
		await heard(s, 'doc:change', 3);
		assert.deepEqual(changes(s).map(({ ts, ...c }) => c), [
			{ rev: 1, key: 'annotation:1', value: { text: 'a' },
				from: null, doc },
			{ rev: 2, key: 'annotation:1', value: { text: 'b' },
				from: null, doc },
			{ rev: 3, key: 'annotation:1', deleted: true,
				from: null, doc }]);
		assert.ok(gotten(s, 'doc:change').every(([c, m]) =>
			m.offset === c.rev && m.epoch === first.epoch &&
			m.room === doc));
	}
	closeAll(a, b);
});

told('E4: of two edits of one key at once one has it, and the other hears what is there', async () => {
	const [a, b] = await both(), doc = fresh();
	await open(a, doc);
	await open(b, doc);
	await set(a, doc, 'k', 0, 0);
	const both2 = await Promise.all([set(a, doc, 'k', 1, 'a'),
		set(b, doc, 'k', 1, 'b')]);
	const won = both2.findIndex((r) => r.rev !== undefined);
	const lost = both2[1 - won];
	assert.equal(both2[won].rev, 2);
	assert.equal(codeOf(lost), 'conflict');
	const { ts, ...current } = lost.error.current;
	assert.deepEqual(current, { rev: 2, key: 'k', value: 'ab'[won],
		from: null });
	assert.ok(ts > 1e12);
	assert.match(lost.error.epoch, /^[0-9a-z]+$/);
	/* and it tries again from there */
	assert.equal((await set([a, b][1 - won], doc, 'k', 2, 'both')).rev, 3);
	await heard(a, 'doc:change', 3);
	assert.deepEqual(changes(a).map((c) => c.value), [0, 'ab'[won], 'both']);
	await d.counts('documents_opened', (n) => n >= 2);
	await d.counts('documents_changes', (n) => n >= 4);
	await d.counts('documents_conflicts', (n) => n >= 1);
	await d.counts('events_rejected', (n) => n >= 1, 'conflict');
	await d.counts('store_state_reads', (n) => n >= 1);
	closeAll(a, b);
});

told('E4: who was away cannot bring back what was deleted', async () => {
	const [a, b] = await both(), doc = fresh();
	await open(a, doc);
	await open(b, doc);
	await set(a, doc, 'k', 0, 1);
	await del(a, doc, 'k', 1);
	for (const base of [0, 1]) {
		const r = await set(b, doc, 'k', base, 'stale');
		assert.equal(codeOf(r), 'conflict');
		assert.equal(r.error.current.rev, 2);
		assert.equal(r.error.current.deleted, true);
	}
	assert.equal((await set(b, doc, 'k', 2, 'anew')).rev, 3);
	/* of another epoch nothing is known */
	const r = await ask(b, 'doc:set', { doc, key: 'k', base: 3, value: 1,
		epoch: 'another' });
	assert.equal(codeOf(r), 'conflict');
	assert.equal(r.error.current.rev, 3);
	/* whatever is there */
	assert.equal((await set(b, doc, 'k', null, 'last')).rev, 4);
	/* never was there */
	const none = await set(b, doc, 'never', 4, 1);
	assert.equal(codeOf(none), 'conflict');
	assert.deepEqual(none.error.current, { key: 'never', rev: 0, deleted: true });
	closeAll(a, b);
});

told('E4: who opens is given what is there, then each change once', async () => {
	const [a, b] = await both(), doc = fresh();
	const { epoch } = await open(a, doc);
	for (let i = 0; i < 40; i++)
		await set(a, doc, `k${i % 20}`, null, i);
	await del(a, doc, 'k19', 40);
	const r = await open(b, doc);
	assert.deepEqual(r, { doc, epoch, rev: 41, keys: 19, recovered: false });
	assert.deepEqual(entries(b).filter((e) => !e.deleted).map((e) =>
		[e.key, e.value, e.rev, e.doc]), [...Array(19).keys()].map((i) =>
		[`k${i}`, i + 20, i + 21, undefined]));
	assert.deepEqual(changes(b), []);
	await set(a, doc, 'k0', 21, 'new');
	await heard(b, 'doc:change');
	assert.deepEqual(changes(b).map((c) => [c.key, c.rev]), [['k0', 42]]);
	closeAll(a, b);
});

told('E5: who comes back to a document has what it missed, once, or begins anew', async () => {
	const [a, b] = await both(), doc = fresh('few');
	const { epoch } = await open(a, doc);
	await set(a, doc, 'x', null, 0);
	await open(b, doc, { epoch, rev: 0 });
	for (let i = 1; i <= 9; i++)
		await set(a, doc, 'xyz'[i % 3], null, i);
	/* the history keeps two: the newest of each key is all that matters */
	const c = await connect(d, NS);
	const r = await open(c, doc, { epoch, rev: 6 });
	assert.deepEqual(r, { doc, epoch, rev: 10, keys: 3, recovered: true });
	assert.deepEqual(entries(c).map((e) => [e.key, e.value, e.rev]),
	    [['y', 7, 8], ['z', 8, 9], ['x', 9, 10]]);
	assert.ok(snapshots(c).every((p) => p.reset === undefined));
	const again = await open(c, doc, { epoch, rev: 10 });
	assert.deepEqual(again, { doc, epoch, rev: 10, keys: 0, recovered: true });
	const n = snapshots(c).length;
	const odd = await open(c, doc, { epoch: 'another', rev: 3 });
	assert.equal(odd.recovered, false);
	assert.equal(snapshots(c)[n].reset, true);
	assert.deepEqual(snapshots(c)[n].entries.map((e) => e.key), ['y', 'z', 'x']);
	closeAll(a, b, c);
});

told('E4: a document has bounds, which are said', async () => {
	const [a] = await both(), doc = fresh('few');
	await open(a, doc);
	for (const k of 'abc')
		assert.ok((await set(a, doc, k, 0, 1)).rev);
	assert.equal(codeOf(await set(a, doc, 'd', 0, 1)), 'limit');
	await d.counts('store_refused', (n) => n >= 1, 'keys');
	/* a deleted one makes room */
	await del(a, doc, 'a', 1);
	assert.equal((await set(a, doc, 'd', 0, 1)).rev, 5);
	assert.equal(codeOf(await set(a, doc, 'd', 5, 'x'.repeat(100))),
	    'too_large');
	assert.equal(codeOf(await set(a, doc, 'k'.repeat(257), 0, 1)),
	    'bad_request');
	for (const wrong of [undefined, 'x', -1, 1.5])
		assert.equal(codeOf(await set(a, doc, 'd', wrong, 1)),
		    'bad_request');
	assert.equal(codeOf(await ask(a, 'doc:set', { doc, key: 'd', base: 5 })),
	    'bad_request');
	assert.equal(codeOf(await open(a, doc, { epoch: 7 })), 'bad_request');
	assert.equal(codeOf(await open(a, 'chat:1')), 'forbidden');
	assert.equal(codeOf(await open(a, 'closed:1')), 'forbidden');
	assert.equal(codeOf(await open(a, 'nothing')), 'forbidden');
	assert.equal(codeOf(await set(a, 'doc:other', 'k', 0, 1)), 'not_member');
	assert.deepEqual(await ask(a, 'doc:close', { doc }), { doc });
	assert.equal(codeOf(await set(a, doc, 'd', 5, 1)), 'not_member');
	assert.equal(codeOf(await ask(a, 'doc:close', { doc })), 'not_member');
	closeAll(a);
});

/* --- rules of keys --------------------------------------------------------- */

const user = (sub, roles = []) => connect(d, NS,
    { auth: { token: token(sub, { roles }) } });

told('E4: who may change a key is a rule of its name', async () => {
	const doc = fresh('ruled');
	const [ann, bob, tea] = await Promise.all([user('ann'), user('bob'),
		user('tea', ['teacher'])]);
	for (const s of [ann, bob, tea])
		await open(s, doc);
	const key = 'annotation:1';
	assert.equal((await set(ann, doc, key, 0, { text: 'a' })).rev, 1);
	assert.equal(codeOf(await set(bob, doc, key, 1, { text: 'b' })),
	    'forbidden');
	assert.equal(codeOf(await del(bob, doc, key, 1)), 'forbidden');
	/* what it has not seen is a conflict first */
	assert.equal(codeOf(await set(bob, doc, key, 0, { text: 'b' })),
	    'conflict');
	assert.equal(codeOf(await set(ann, doc, key, null, { text: 'b' })),
	    'bad_request');
	assert.equal((await set(ann, doc, key, 1, { text: 'b' })).rev, 2);
	const wrong = await set(ann, doc, key, 2, { text: '' });
	assert.equal(codeOf(wrong), 'invalid');
	assert.match(wrong.error.message, /text/);
	assert.equal(codeOf(await set(ann, doc, key, 2, { text: 'a',
		more: 'x'.repeat(200) })), 'too_large');
	assert.equal((await del(ann, doc, key, 2)).rev, 3);
	assert.equal((await set(bob, doc, key, 3, { text: 'mine now' })).rev, 4);
	assert.equal(codeOf(await set(ann, doc, 'grade', 0, 1)), 'forbidden');
	assert.equal((await set(tea, doc, 'grade', 0, 1)).rev, 5);
	assert.equal(codeOf(await set(tea, doc, 'summary', 0, 1)), 'forbidden');
	assert.equal(codeOf(await set(tea, doc, 'other', 0, 1)), 'forbidden');
	await heard(bob, 'doc:change', 5);
	assert.deepEqual(changes(bob).map((c) => c.from),
	    ['ann', 'ann', 'ann', 'bob', 'tea']);
	closeAll(ann, bob, tea);
});

/* --- back ends ------------------------------------------------------------- */

told('E4: back ends read and change documents', async () => {
	const doc = fresh('ruled'), a = await connect(d, NS);
	await open(a, doc);
	const path = `documents/collaboration/${encodeURIComponent(doc)}`;
	const made = await api('PUT', `${path}/summary`, { value: { of: 1 } });
	assert.deepEqual([made.status, made.key, made.rev], [200, 'summary', 1]);
	const [c] = (await heard(a, 'doc:change'))[0];
	assert.deepEqual([c.key, c.value, c.from, c.doc],
	    ['summary', { of: 1 }, null, doc]);
	const got = await api('GET', `${path}/summary`);
	assert.deepEqual([got.status, got.value, got.rev, got.epoch],
	    [200, { of: 1 }, 1, made.epoch]);
	assert.equal((await api('GET', `${path}/none`)).status, 404);
	const stale = await api('PUT', `${path}/summary`, { value: 2, base: 9 });
	assert.deepEqual([stale.status, stale.error.code, stale.error.rev],
	    [409, 'conflict', 1]);
	assert.equal((await api('PUT', `${path}/summary`,
	    { value: 2, base: 1, epoch: made.epoch })).rev, 2);
	for (let i = 0; i < 5; i++)
		await api('PUT', `${path}/k%2F${i}`, { value: i });
	let page = await api('GET', `${path}?limit=4`), seen = [];
	assert.equal(page.doc, doc);
	for (; ; page = await api('GET', `${path}?limit=4&cursor=${page.next}`)) {
		seen = [...seen, ...page.entries.map((e) => [e.key, e.value])];
		if (page.next === undefined)
			break;
	}
	assert.deepEqual(seen, [['summary', 2], ['k/0', 0], ['k/1', 1],
		['k/2', 2], ['k/3', 3], ['k/4', 4]]);
	assert.equal(page.rev, 7);
	assert.equal((await api('DELETE', `${path}/k%2F0`, { base: 1 })).status,
	    409);
	assert.equal((await api('DELETE', `${path}/k%2F0`)).rev, 8);
	assert.equal((await api('GET', `${path}/k%2F0`)).status, 404);
	for (const [method, p, body] of [['PUT', `${path}/x`, {}],
		['PUT', `${path}/x`, { value: 1, more: 1 }], ['GET', `${path}?limit=0`], ['PUT',
			`${path}/x`, { value: 1, base: 'x' }]])
		assert.equal((await api(method, p, body)).status, 400,
		    `${method} ${p}`);
	assert.equal((await api('PUT', path, { value: 1 })).status, 405);
	assert.equal((await api('GET', 'documents/collaboration/chat:1')).status,
	    404);
	assert.equal((await api('GET', 'documents/nothing/doc:1')).status, 404);
	/* a body that comes in pieces */
	const big = await api('PUT', `${path}/big`, { value: 'x'.repeat(100000) });
	assert.equal(big.rev, 9);
	a.close();
});

/* --- the newest of each key ------------------------------------------------ */

const tell = (room, key, version, data, more) => api('POST', 'publish',
    { namespace: 'analytics', event: 'progress', room, key, version, data,
	...more });
const progress = (s) => gotten(s, 'progress').map(([x]) => x);

told('E1: who comes later has the latest of each at once, and each one after it', async () => {
	const room = fresh('job');
	const a = await connect(d, '/analytics');
	await ask(a, 'room:join', { room });
	for (let i = 1; i <= 9; i++)
		await tell(room, 'progress', i, { percent: 10 * i });
	await tell(room, 'milestone:half', 1, { half: true });
	const b = await connect(d, '/analytics');
	const r = await ask(b, 'room:join', { room });
	assert.equal(r.offset, 10);
	assert.deepEqual(progress(b), [{ percent: 90 }, { half: true }]);
	assert.equal(gotten(b, 'progress')[0][1].offset, 9);
	await tell(room, 'progress', 10, { percent: 100 });
	await heard(b, 'progress', 3);
	assert.deepEqual(progress(b).at(-1), { percent: 100 });
	/* at first, from what was kept: each, or what is the newest by then */
	await until(() => progress(a).at(-1)?.percent === 100, 'the last');
	/* who has seen some gets what came since, each as it is now */
	const c = await connect(d, '/analytics');
	assert.equal((await ask(c, 'room:join', { room,
		since: { epoch: r.epoch, offset: 3 } })).recovered, true);
	assert.deepEqual(progress(c), [{ half: true }, { percent: 100 }]);
	closeAll(a, b, c);
});

told('E1: an update that comes late does not take the place of a newer one', async () => {
	const room = fresh('job');
	const a = await connect(d, '/analytics');
	await ask(a, 'room:join', { room });
	assert.equal((await tell(room, 'p', 5, 'five')).offset, 1);
	const late = await tell(room, 'p', 4, 'four');
	assert.deepEqual([late.status, late.error.code, late.error.version,
		late.error.offset], [409, 'conflict', 5, 1]);
	assert.equal((await tell(room, 'p', 5, 'again')).status, 409);
	assert.equal((await tell(room, 'p', 6, 'six')).offset, 2);
	assert.equal((await tell(room, 'p', undefined, 'any')).offset, 3);
	await heard(a, 'progress', 3);
	assert.deepEqual(progress(a), ['five', 'six', 'any']);
	await d.counts('store_conflicts', (n) => n >= 2);
	for (const wrong of [{ version: 0 }, { version: 1.5 }, { key: '' },
		{ key: 7 }, { key: undefined }, { volatile: true },
		{ user: 'ann' }])
		assert.equal((await tell(room, 'p', 7, 1, wrong)).status, 400,
		    JSON.stringify(wrong));
	assert.equal((await api('POST', 'publish', { namespace: 'collaboration',
		event: 'x', room: 'chat:1', key: 'p', data: 1 })).status, 400);
	a.close();
});

told('a key that was deleted first comes back where another one that was has room', async () => {
	const s = await connect(d, NS), doc = fresh('tight');
	await open(s, doc);
	for (const k of ['a', 'b'])
		await set(s, doc, k, 0, 1);
	assert.equal((await del(s, doc, 'a', 1)).rev, 3);
	assert.equal((await del(s, doc, 'b', 2)).rev, 4);
	/* it grows, until what is left of b has to go for it */
	let base = 3, size = 0, r;
	const left = async () => (await api('GET',
	    `documents/collaboration/${doc}`)).entries.map((e) => e.key);
	while (size < 1000) {
		r = await set(s, doc, 'a', base, 'x'.repeat(size += 20));
		assert.ok(r.rev > base, JSON.stringify([size, r]));
		if ((await left()).length === 1)
			break;
		base = (await del(s, doc, 'a', r.rev)).rev;
		/* it is the first of those that were deleted again */
		const b = await set(s, doc, 'b', null, 1);
		assert.ok(b.rev, JSON.stringify(b));
		await del(s, doc, 'b', b.rev);
	}
	assert.deepEqual(await left(), ['a']);
	s.close();
});

told('what is kept of a room with keys is as old as its newest', async () => {
	const room = fresh('brief'), began = Date.now();
	let n = 0;
	await until(async () => {
		assert.equal((await tell(room, 'p', undefined, ++n))
		    .offset, n);
		return Date.now() - began > 3500;
	}, 'longer than keep', 10000);
	const { epoch } = await api('GET', `history/analytics/${room}`);
	const { events } = await api('GET',
	    `history/analytics/${room}?since=${epoch}:0&limit=2`);
	assert.deepEqual(events.map((e) => e.args[0]), [1, 2]);
});

told('what is kept of a room with keys is not changed beside them', async () => {
	const room = fresh('job'), doc = fresh();
	assert.equal((await tell(room, 'p', 1, 1)).status, 200);
	assert.equal((await api('PUT', `documents/collaboration/${doc}/k`,
	    { value: 1 })).status, 200);
	for (const path of [`analytics/${room}`, `collaboration/${doc}`])
		for (const body of [{ offset: 1, redact: true },
			{ offset: 1, data: 2 }]) {
			const r = await api('POST', `history/${path}`, body);
			assert.deepEqual([r.status, r.error.code],
			    [409, 'conflict']);
		}
	assert.equal((await api('GET', `documents/collaboration/${doc}/k`))
	    .value, 1);
});

told('E1: versions are large: microseconds, and up to 2^53', async () => {
	const room = fresh('job');
	for (const v of [99999999999999, 999999999999998, 1732964356000001,
		Number.MAX_SAFE_INTEGER - 1]) {
		assert.equal((await tell(room, 'p', v, 1)).status, 200, v);
		for (const n of [v - 1, v]) {
			const r = await tell(room, 'p', n, 1);
			assert.deepEqual([r.status, r.error.code, r.error.version],
			    [409, 'conflict', v]);
		}
		assert.equal((await tell(room, 'p', v + 1, 1)).status, 200, v);
	}
});

told('of keys all is kept as long as the newest event, and then the room begins anew', async () => {
	const s = await connect(d, NS), doc = fresh('brief');
	const { epoch } = await open(s, doc);
	assert.equal((await set(s, doc, 'a', 0, 1)).rev, 1);
	await until(async () => (await api('GET',
	    `documents/collaboration/${doc}`)).epoch !== epoch, 'its end', 15000);
	const page = await api('GET', `documents/collaboration/${doc}`);
	assert.deepEqual([page.rev, page.entries], [0, []]);
	assert.equal((await api('GET', `documents/collaboration/${doc}/a`)).status,
	    404);
	/* nor does a base of before count */
	assert.equal(codeOf(await set(s, doc, 'a', 1, 2)), 'conflict');
	assert.equal((await set(s, doc, 'a', 0, 3)).rev, 1);
	await until(() => changes(s).length === 2, 'its change');
	assert.equal(changes(s)[1].value, 3);
	s.close();
});

told('E1: by every transport: plain WebSocket, event streams, long polls', async () => {
	const room = fresh('job');
	for (const i of [1, 2])
		await tell(room, 'p', i, { i });
	await tell(room, 'q', 1, { q: 1 });
	const w = await plain(d, '/ws/analytics');
	await w.ask('room:join', { room });
	assert.deepEqual(w.got.filter((m) => m.event === 'progress').map((m) =>
		m.data), [{ i: 2 }, { q: 1 }]);
	w.terminate();
	const poll = await (await fetch(d.url(`/poll/analytics?room=${room}`)))
	    .json();
	assert.deepEqual(poll.events.map((e) => e.data), [{ i: 2 }, { q: 1 }]);
	const later = fetch(d.url(`/poll/analytics?room=${room}&since=${
	    poll.next}&wait=20`)).then((r) => r.json());
	await tell(room, 'p', 3, { i: 3 });
	assert.deepEqual((await later).events.map((e) => e.data), [{ i: 3 }]);
	const stop = new AbortController();
	const stream = await fetch(d.url(`/sse/analytics?room=${room}`),
	    { signal: stop.signal });
	let text = '';
	for await (const piece of stream.body) {
		text += Buffer.from(piece).toString();
		if (text.includes('roost:joined'))
			break;
	}
	const seen = [...text.matchAll(/^data: ?(.*)$/mg)].map((m) =>
		JSON.parse(m[1])).filter((m) => m.data !== undefined)
	    .map((m) => m.data);
	assert.deepEqual(seen.slice(0, 2), [{ q: 1 }, { i: 3 }]);
	stop.abort();
});

for (const engine of engines)
	describe(`kept in ${engine}`, () => {
		before(async () => {
			d = await Daemon.start({ workers: 2, conf: engine === 'Redis' ?
			    `redis { url = "${redis.url}" }\n${conf}` : conf });
			if (engine === 'Redis')
				await connected(d);
		});
		after(() => d.stop());
		for (const [name, f] of tests)
			test(name, f);
	});

/* --- a room that becomes another one --------------------------------------- */

test('what was changed in a room before it had keys is read at its place', async () => {
	const one = (how) => Daemon.start({ conf: `redis { url = "${redis.url}" }
api { key "backend" { sha256 = "${sha}" allow = {"publish", "history"} } }
namespace "/analytics" { auth = none
    room "job:{id}" { join = open history = 100 ${how} } }` });
	const room = fresh('job'), history = `history/analytics/${room}`;
	const tells = async (from, n) => {
		for (let i = from; i < from + n; i++)
			assert.equal((await tell(room, undefined, undefined, i)).offset,
			    i);
	};
	d = await one('');
	try {
		await connected(d);
		await tells(1, 5);
		for (const offset of [2, 4])
			assert.equal((await api('POST', history, { offset,
				data: `new ${offset}` })).status, 200);
		await d.stop();
		d = await one('latest = true');
		await connected(d);
		await tells(8, 2);
		const s = await connect(d, '/analytics');
		const { epoch } = await api('GET', history);
		const r = await ask(s, 'room:join', { room,
			since: { epoch, offset: 1 } });
		assert.equal(r.recovered, true);
		assert.equal(r.offset, 9);
		assert.deepEqual(gotten(s, 'progress').map(([v, m]) =>
			[m.offset, v]), [[2, 'new 2'], [3, 3], [4, 'new 4'], [5, 5],
			[8, 8], [9, 9]]);
		s.close();
	} finally {
		await d.stop();
	}
});
