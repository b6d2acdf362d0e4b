/*
 * Long polls: what a kept room has behind a place, at once or when it comes; and
 * from one transport to another.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, run, slow, tempdir, until, within } from './lib/daemon.mjs';
import { ask, connect, plain } from './lib/clients.mjs';
import { Stream } from './lib/sse.mjs';
import { mint, now, secret } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const api = { Authorization: `Bearer ${KEY}`,
	'Content-Type': 'application/json' };
const conf = `
drain_time = ${Math.min(slow, 4)}s
jwt { secret = "${secret}" }
cors { origins = {"http://cors.example"} }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish", "revoke"} } }
namespace "/matters" { auth = none poll_room = "all"
    room "all" { join = open history = 1000 }
    room "short:{id}" { join = open history = 5 }
    room "k:{id}" { join = open history = 1000 }
    room "n:{id}" { join = open }
    room "closed" { join = server history = 5 }
    event "say" { to = room:room self = true ack = accepted member = off } }
namespace "/user" { auth = required
    room "own:{id}" { join = "self:id" history = 10 } }
namespace "/off" { auth = none poll = false room "k" { join = open history = 5 } }
`;
let d, rooms = 0;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const fresh = (kind = 'k') => `${kind}:${++rooms}`;
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
async function poll(ns, query = {}, { headers = {}, method = 'GET' } = {}) {
	const r = await fetch(d.url(`/poll/${ns}?${new URLSearchParams(query)}`),
	    { headers, method });
	const text = await r.text();
	return { status: r.status, headers: r.headers, text,
		body: text === '' ? undefined : JSON.parse(text) };
}
async function publish(room, from, to, namespace = 'matters') {
	for (const i of range(from, to)) {
		const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
			headers: api,
			body: JSON.stringify({ namespace, room, event: 'say',
				data: { i } }) });
		assert.equal(r.status, 200);
	}
}
const numbers = (a) => a.body.events.map((e) => e.data.i);

test('without a place it is the newest, with one what is behind it', async () => {
	const room = fresh();
	const none = await poll('matters', { room });
	assert.equal(none.status, 200);
	assert.equal(none.headers.get('content-type'), 'application/json');
	assert.equal(none.headers.get('cache-control'), 'private, no-cache');
	assert.deepEqual(none.body, { room, epoch: none.body.epoch, offset: 0,
		events: [], more: false, gap: false,
		next: `${none.body.epoch}:0` });
	await publish(room, 1, 7);
	assert.deepEqual(numbers(await poll('matters', { room,
		since: none.body.next })), range(1, 7));
	const { epoch } = (await poll('matters', { room })).body;
	assert.deepEqual(numbers(await poll('matters', { room })), range(1, 7));
	assert.deepEqual(numbers(await poll('matters', { room, limit: 2 })),
	    [6, 7]);
	const behind = await poll('matters', { room, since: `${epoch}:4` });
	assert.deepEqual(numbers(behind), [5, 6, 7]);
	assert.equal(behind.body.next, `${epoch}:7`);
	assert.equal(behind.headers.get('etag'), `"${epoch}:7"`);
	assert.equal(behind.body.events[0].event, 'say');
	assert.deepEqual(numbers(await poll('matters', { room, since: 0 })),
	    range(1, 7));
	/* in pages */
	const got = [];
	let since = 0, page;
	do {
		page = await poll('matters', { room, since, limit: 3 });
		got.push(...numbers(page));
		since = page.body.next;
	} while (page.body.more);
	assert.deepEqual(got, range(1, 7));
});

test('story C4: a namespace has a room for those who name none', async () => {
	await publish('all', 1, 3);
	const all = await poll('matters', { since: 0 });
	assert.equal(all.body.room, 'all');
	assert.deepEqual(numbers(all), [1, 2, 3]);
});

test('it waits for what comes, and is then answered', async () => {
	const room = fresh(), { next } = (await poll('matters', { room })).body;
	const waiting = range(1, 5).map(() =>
	    poll('matters', { room, since: next, wait: 60 }));
	await until(async () => await d.metric('longpolls_waiting') === 5,
	    'them to wait');
	await publish(room, 1, 1);
	for (const a of await within(Promise.all(waiting), 'answers')) {
		assert.deepEqual(numbers(a), [1]);
		assert.equal(a.body.next, a.body.epoch + ':1');
		assert.equal(a.body.events[0].offset, 1);
	}
	await d.counts('longpolls_waiting', 0);
	assert.ok(await d.metric('longpolls') >= 6);
	await d.counts('longpolls_unheard', 0);
});

test('when nothing comes it says so in the end', async () => {
	const room = fresh(), { next } = (await poll('matters', { room })).body;
	const a = await poll('matters', { room, since: next, wait: 1 });
	assert.equal(a.status, 200);
	assert.deepEqual([a.body.events, a.body.next], [[], next]);
});

test('who only looks is told when there is nothing new', async () => {
	const room = fresh();
	await publish(room, 1, 2);
	const first = await poll('matters', { room });
	const tag = first.headers.get('etag');
	const same = await poll('matters', { room },
	    { headers: { 'If-None-Match': tag } });
	assert.equal(same.status, 304);
	assert.equal(same.text, '');
	assert.equal(same.headers.get('etag'), tag);
	assert.equal(same.headers.get('content-length'), null);
	const waited = poll('matters', { room, wait: 60 },
	    { headers: { 'If-None-Match': `W/${tag}` } });
	await until(async () => await d.metric('longpolls_waiting') === 1,
	    'it to wait');
	await publish(room, 3, 3);
	assert.deepEqual(numbers(await waited), [1, 2, 3]);
	const late = await poll('matters', { room, wait: 1, since: `${
	    first.body.epoch}:3` }, { headers: {
		'If-None-Match': `"${first.body.epoch}:3"` } });
	assert.equal(late.status, 304);
	const head = await poll('matters', { room }, { method: 'HEAD' });
	assert.equal(head.status, 200);
	assert.ok(Number(head.headers.get('content-length')) > 0);
	assert.equal(head.text, '');
});

test('what a tag stands for is left out once, and nothing else', async () => {
	const room = fresh();
	await publish(room, 1, 2);
	const { next } = (await poll('matters', { room, since: 0, limit: 1 })).body;
	/* a page that is loaded anew asks as before, and its browser adds the
	 * tag of what was answered then: 2 has not been heard of by now */
	const query = { room, since: next, wait: 60 };
	const first = await poll('matters', query);
	assert.deepEqual(numbers(first), [2]);
	const tag = { 'If-None-Match': first.headers.get('etag') };
	const again = range(1, 3).map(() => poll('matters', query,
	    { headers: tag }));
	await d.counts('longpolls_waiting', 3);
	const asks = await d.metric('history_asks');
	await publish(room, 3, 3);
	for (const a of await within(Promise.all(again), 'answers'))
		assert.deepEqual(numbers(a), [2, 3]);
	assert.ok(await d.metric('history_asks') - asks <= 3,
	    'those of one worker read it together');
	/* a page behind which there is more does not change */
	const full = { room, since: 0, limit: 2, wait: 60 };
	const etag = (await poll('matters', full)).headers.get('etag');
	const same = await within(poll('matters', full,
	    { headers: { 'If-None-Match': etag } }), 'an answer');
	assert.equal(same.status, 304);
});

test('a gap is told', async () => {
	const room = fresh('short');
	await publish(room, 1, 9);
	const { epoch } = (await poll('matters', { room })).body;
	for (const since of [`${epoch}:1`, 0]) {
		const a = await poll('matters', { room, since, wait: 60 });
		assert.equal(a.body.gap, true);
		assert.deepEqual(numbers(a), range(5, 9));
	}
	const other = await poll('matters', { room, since: 'another:3', wait: 60 });
	assert.equal(other.body.gap, true);
	assert.equal(other.body.next, `${epoch}:9`);
});

test('behind the end of a room nobody waits', async () => {
	const room = fresh(), { next } = (await poll('matters', { room })).body;
	const waiting = poll('matters', { room, since: next, wait: 60 });
	await until(async () => await d.metric('longpolls_waiting') === 1,
	    'it to wait');
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: api, body: JSON.stringify({ namespace: 'matters', room,
			event: 'say', data: { i: 1 }, finish: true }) });
	assert.equal(r.status, 200, await r.text());
	const last = await within(waiting, 'the last one');
	assert.deepEqual([numbers(last), last.body.finished], [[1], true]);
	const after = await within(poll('matters', { room, wait: 60,
		since: last.body.next }), 'an answer');
	assert.deepEqual([numbers(after), after.body.finished], [[], true]);
});

test('what may not be is refused', async () => {
	const of = async (...a) => {
		const r = await poll(...a);
		return [r.status, r.body.error.code];
	};
	const room = 'k:1';
	assert.deepEqual(await of('nowhere', { room }), [404, 'not_found']);
	assert.deepEqual(await of('off', { room: 'k' }), [404, 'not_found']);
	assert.deepEqual(await of('matters', { room: 'n:1' }), [404, 'not_found']);
	assert.deepEqual(await of('matters', { room: 'closed' }),
	    [403, 'forbidden']);
	assert.deepEqual(await of('user', { room: 'own:x' }),
	    [401, 'unauthorized']);
	for (const q of [{ room, since: 'x' }, { room, since: '17' },
		{ room, wait: 61 }, { room, wait: 'x' }, { room, limit: 0 },
		{ room: '' }, [['room', 'k:1'], ['room', 'k:2']]])
		assert.deepEqual(await of('matters', q), [400, 'bad_request'],
		    JSON.stringify(q));
	assert.deepEqual(await of('matters', { room },
	    { headers: { Origin: 'http://evil.example' } }), [403, 'origin']);
	const page = await poll('matters', { room },
	    { headers: { Origin: 'http://cors.example' } });
	assert.equal(page.status, 200);
	assert.equal(page.headers.get('access-control-allow-origin'),
	    'http://cors.example');
});

test('a token that ends or is revoked meanwhile is worth nothing', async () => {
	for (const [sub, exp] of [['carol', 2], ['dave', 3600]]) {
		const room = `own:${sub}`, token = mint({ sub, exp: now() + exp });
		const headers = { Authorization: `Bearer ${token}` };
		const { next } = (await poll('user', { room }, { headers })).body;
		const waiting = poll('user', { room, since: next, wait: 60 },
		    { headers });
		await until(async () => await d.metric('longpolls_waiting') === 1,
		    'it to wait');
		if (sub === 'dave') {
			const r = await fetch(d.url('/api/v1/revoke'), {
				method: 'POST', body: '{"user":"dave"}',
				headers: api });
			assert.equal(r.status, 200);
		} else
			await until(() => now() > JSON.parse(Buffer.from(
			    token.split('.')[1], 'base64url')).exp + 5,
			    'its end and the leeway', 20000);
		await publish(room, 1, 1, 'user');
		assert.equal((await waiting).status, 401);
	}
});

test('polling to WebSocket, event stream and back, amid 1,000 events', async () => {
	const room = fresh(), got = [];
	let next = (await poll('matters', { room })).body.next;
	const sender = await connect(d, '/matters');
	const sending = (async () => {
		for (let i = 1; i <= 1000; i++)
			await ask(sender, 'say', { room, i });
	})();
	for (let turn = 0; got.length < 1000; turn++) {
		const target = Math.min(1000, got.length + 50);
		if (turn % 3 === 0) {
			while (got.length < target) {
				const a = await poll('matters', { room, since: next,
					wait: 30 });
				assert.equal(a.body.gap, false);
				got.push(...numbers(a));
				next = a.body.next;
			}
		} else if (turn % 3 === 1) {
			const w = await plain(d, '/ws/matters');
			const [epoch, offset] = next.split(':');
			const joined = await w.ask('room:join', { room,
				since: { epoch, offset: Number(offset) } });
			assert.equal(joined.data.recovered, true);
			const all = () => w.got.filter((m) => m.event === 'say');
			await until(() => got.length + all().length >= target,
			    'events', 20000);
			w.terminate();
			const { meta } = all().at(-1) ??
			    { meta: { epoch, offset } };
			got.push(...all().map((m) => m.data.i));
			next = `${meta.epoch}:${meta.offset}`;
		} else {
			const s = await Stream.open(d.url(`/sse/matters?room=${room}`),
			    { lastId: next });
			await until(() => got.length + s.of('say').length >= target,
			    'events', 20000);
			s.close();
			assert.equal(s.of('roost:gap').length, 0);
			got.push(...s.of('say').map((e) => e.json.data.i));
			next = s.lastId;
		}
	}
	await sending;
	assert.deepEqual(got, range(1, 1000));
	sender.close();
});

test('whoever waits at a worker that goes is answered', async () => {
	const room = fresh(), { next } = (await poll('matters', { room })).body;
	const waiting = range(1, 4).map(() =>
	    poll('matters', { room, since: next, wait: 60 }));
	await until(async () => await d.metric('longpolls_waiting') === 4,
	    'them to wait');
	fs.appendFileSync(d.file, '\n# another\n');
	process.kill(d.pid, 'SIGHUP');
	for (const a of await within(Promise.all(waiting), 'answers', 20000)) {
		assert.equal(a.status, 200);
		assert.equal(a.body.next, next);
	}
	await until(() => d.log.includes(' turned '), 'the reload', 20000);
	await publish(room, 1, 2);
	assert.deepEqual(numbers(await poll('matters', { room, since: next })),
	    [1, 2]);
});

test('without a relay it says so', async () => {
	const room = fresh(), { next } = (await poll('matters', { room })).body;
	d.mayDie = true;
	process.kill(d.relay().pid, 'SIGSTOP');
	const a = await poll('matters', { room, since: next });
	assert.equal(a.status, 503);
	assert.equal(a.body.error.code, 'unavailable');
	assert.equal(a.headers.get('retry-after'), '1');
	await d.counts('longpolls_unheard', 1);
	process.kill(d.relay().pid, 'SIGCONT');
	await until(async () => (await poll('matters', { room, since: next }))
	    .status === 200, 'the relay', 20000);
});

test('poll_room is a room that keeps a history', async () => {
	const file = `${tempdir()}/roost.conf`;
	fs.writeFileSync(file, `listen "127.0.0.1:0" {}
namespace "/x" { auth = none poll_room = "n" room "n" { join = open } }`);
	const r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	assert.match(r.err, /poll_room is no room that keeps a history/);
});
