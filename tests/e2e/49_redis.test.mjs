/*
 * Rooms that keep a history, on several hosts with one Redis: the same events at
 * the same places everywhere, whoever is cut off, and whatever Redis does.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, sleep, slow, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard } from './lib/clients.mjs';
import { stopTime } from './lib/conf.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { cutsOfHosts } from '../history/hosts.mjs';

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const space = (url, { store = '', room = '', redis = '' } = {}) => `
drain_time = 2s
${stopTime}
limits { message_bytes = 100KB }
redis { url = "${url}" ${redis} }
store { ${store} }
api { key "backend" { sha256 = "${sha}" allow = {"publish", "history"} } }
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 5000 }
    room "few:{id}" { join = open history = 5 }
    room "brief:{id}" { join = open history = 1000 keep = 1s }
    room "plain:{id}" { join = open }
    room "s:{id}" { join = open history = 100 }
    ${room}
    event "say" { to = room:room self = true ack = accepted member = off }
    event "tell" { to = room:room ack = delivered } }
namespace "/k:s" { auth = none
    room "{id}" { join = open history = 100 }
    event "say" { to = room:room self = true ack = accepted } }
route "/ws/k" { namespace = "/k" }
`;
let redis, cli, a, b, all, rooms = 0;
before(async () => {
	all = await hosts(space, [2, 1]);
	({ redis, cli, list: [a, b] } = all);
});
after(() => unhost(all));

const fresh = (kind = 'k') => `${kind}:${++rooms}`;
const range = (x, y) => [...Array(y - x + 1).keys()].map((i) => i + x);
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const say = (s, room, i, more = {}) => ask(s, 'say', { room, i, ...more });
const numbers = (s) => gotten(s, 'say').map(([x]) => x.i);
const offsets = (s) => gotten(s, 'say').map(([, m]) => m.offset);
const epochs = (s) => [...new Set(gotten(s, 'say').map(([, m]) => m.epoch))];
const closeAll = (...l) => l.forEach((s) => s.close());
async function sayAll(s, room, from, to, more) {
	const acks = await Promise.all(range(from, to).map((i) =>
	    say(s, room, i, more)));
	assert.deepEqual(acks.map(codeOf), acks.map(() => undefined));
	return acks;
}
/* A member of that room on each of these hosts. */
async function members(room, ...list) {
	const l = await Promise.all(list.map((d) => connect(d, '/k')));
	for (const s of l)
		assert.equal((await join(s, room)).room, room);
	return l;
}
async function api(d, path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), {
		method: body === undefined ? 'GET' : 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { status: r.status, body: await r.json() };
}
const publish = (d, room, i, more = {}) => api(d, 'publish', {
	namespace: 'k', event: 'say', room, data: { i }, ...more });

test('one order on all hosts, and pages of it', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const acks = (await Promise.all([sayAll(x, room, 1, 20),
		sayAll(y, room, 101, 120)])).flat();
	for (const s of [x, y]) {
		await heard(s, 'say', 40);
		assert.deepEqual(offsets(s), range(1, 40));
	}
	assert.deepEqual(numbers(x), numbers(y));
	assert.deepEqual(epochs(x), epochs(y));
	assert.equal(epochs(x).length, 1);
	assert.deepEqual(acks.map((r) => r.offset).sort((p, q) => p - q),
	    range(1, 40));
	for (const [d, s] of [[a, x], [b, y]]) {
		const page = await ask(s, 'history:get', { room, limit: 15 });
		assert.deepEqual(page.events.map((e) => e.args[0].i),
		    numbers(x).slice(25));
		assert.equal(page.epoch, epochs(x)[0]);
		const http = await api(d, `history/k/${room}`);
		assert.deepEqual(http.body.events.map((e) => e.offset),
		    range(1, 40));
	}
	closeAll(x, y);
});

test('who comes back on another host has what was missed, once', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	await sayAll(x, room, 1, 10);
	await heard(y, 'say', 10);
	const epoch = epochs(y)[0];
	y.close();
	await sayAll(x, room, 11, 20);
	const z = await connect(a, '/k');
	assert.deepEqual(await join(z, room, { epoch, offset: 10 }),
	    { room, epoch, offset: 20, recovered: true });
	assert.deepEqual(numbers(z), range(11, 20));
	/* on the host that has nobody in this room, and nothing at hand */
	const w = await connect(b, '/k');
	const r = await join(w, room, { epoch, offset: 4 });
	assert.deepEqual(r, { room, epoch, offset: 20, recovered: true });
	assert.deepEqual(numbers(w), range(5, 20));
	await sayAll(x, room, 21, 21);
	for (const s of [z, w])
		await until(() => numbers(s).at(-1) === 21, 'the last');
	assert.deepEqual((await join(await connect(b, '/k'), room,
	    { epoch: 'another', offset: 4 })).recovered, false);
	closeAll(x, z, w);
});

test('events of both hosts while members come', async () => {
	const room = fresh(), x = (await members(room, a))[0];
	let on = true, n = 0;
	const talk = async (s, add) => {
		while (on)
			assert.ok((await say(s, room, add + ++n)).offset > 0);
	};
	const other = await connect(b, '/k');
	const both = [talk(x, 0), talk(other, 10000)], came = [];
	for (let i = 0; i < 10; i++) {
		const s = await connect(b, '/k');
		const r = await join(s, room);
		assert.equal(r.room, room);
		came.push([s, r.offset]);
		await sleep(30);
	}
	on = false;
	await Promise.all(both);
	const { offset: top } = await say(x, room, 0);
	for (const [s, from] of came) {
		await until(() => offsets(s).at(-1) === top, 'the last');
		assert.deepEqual(offsets(s), range(from + 1, top));
		assert.deepEqual(gotten(s, 'roost:gap'), []);
	}
	closeAll(x, other, ...came.map(([s]) => s));
});

test('one who does not hear: it is read once, and nobody misses it', async () => {
	const room = fresh(), [x, y, z] = await members(room, a, b, b);
	await sayAll(x, room, 1, 3);
	await heard(y, 'say', 3);
	const fetched = await b.metric('store_fetched');
	const names = (await cli.do('CLIENT', 'LIST')).split('\n')
	    .filter((l) => l.includes('name=roostd-subscriber'))
	    .map((l) => l.match(/^id=(\d+)/)[1]);
	await cli.do('CLIENT', 'PAUSE', 300, 'WRITE');
	for (const id of names)
		await cli.do('CLIENT', 'KILL', 'ID', id);
	await sayAll(x, room, 4, 60);
	for (const s of [x, y, z]) {
		await heard(s, 'say', 60, 15000);
		assert.deepEqual(offsets(s), range(1, 60));
	}
	assert.equal(epochs(y).length, 1);
	await connected(a);
	await connected(b);
	await b.counts('store_looks', (n) => n > 0);
	await b.counts('store_heard', (n) => n > 0);
	await b.counts('store_fetched', (n) => n >= fetched);
	closeAll(x, y, z);
});

test('an id is kept once, whichever host is given it', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const id = crypto.randomUUID();
	const first = await publish(a, room, 1, { id });
	assert.deepEqual([first.status, first.body.id, first.body.offset],
	    [200, id, 1]);
	const again = await publish(b, room, 1, { id });
	assert.deepEqual([again.body.offset, again.body.epoch],
	    [1, first.body.epoch]);
	/* both at once */
	const both = crypto.randomUUID();
	const r = await Promise.all([publish(a, room, 2, { id: both }),
		publish(b, room, 2, { id: both })]);
	assert.deepEqual(r.map((q) => q.body.offset), [2, 2]);
	await sayAll(x, room, 3, 3);
	for (const s of [x, y]) {
		await heard(s, 'say', 3);
		assert.deepEqual(numbers(s), [1, 2, 3]);
	}
	assert.ok(await a.metric('store_repeated') +
	    await b.metric('store_repeated') >= 2);
	closeAll(x, y);
});

test('what every host hears is kept once', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	for (const i of [1, 1, 2, 1])
		await cli.do('PUBLISH', 'roost:publish', JSON.stringify({
			namespace: 'k', event: 'say', room, data: { i } }));
	await heard(x, 'say', 4);
	await sayAll(x, room, 3, 3);
	for (const s of [x, y]) {
		await heard(s, 'say', 5);
		assert.deepEqual(offsets(s), range(1, 5));
		assert.deepEqual(numbers(s).slice().sort(), [1, 1, 1, 2, 3]);
	}
	assert.deepEqual(numbers(x), numbers(y));
	closeAll(x, y);
});

test('a namespace with a colon is not another one', async () => {
	const id = fresh('s').slice(2), other = await connect(b, '/k:s');
	assert.equal((await join(other, id)).offset, 0);
	const [p, q] = [await publish(a, `s:${id}`, 1),
		await say(other, id, 2)];
	assert.equal(p.status, 200);
	assert.equal(q.offset, 1);
	assert.equal((await publish(b, `s:${id}`, 3)).body.offset, 2);
	assert.equal((await say(other, id, 4)).offset, 2);
	await heard(other, 'say', 2);
	assert.deepEqual(numbers(other), [2, 4]);
	assert.equal(await cli.do('EXISTS', `roost:history:k%3as:${id}`), 1);
	other.close();
});

test('bounds: events, bytes, age', async () => {
	const few = fresh('few'), [x] = await members(few, a);
	await sayAll(x, few, 1, 60);
	const page = (await api(b, `history/k/${few}`)).body;
	assert.deepEqual(page.events.map((e) => e.offset), range(56, 60));
	assert.ok(await cli.do('XLEN', `roost:history:k:${few}`) < 25);
	const s = await connect(b, '/k');
	const r = await join(s, few, { epoch: page.epoch, offset: 10 });
	assert.deepEqual([r.offset, r.recovered], [60, false]);
	assert.deepEqual(offsets(s), range(56, 60));
	const brief = fresh('brief');
	await sayAll(x, brief, 1, 3);
	assert.equal((await api(b, `history/k/${brief}`)).body.events.length, 3);
	await until(async () => (await api(b, `history/k/${brief}`)).body
	    .events.length === 0, 'all to be too old');
	assert.equal((await api(b, `history/k/${brief}?since=:0`)).body.gap,
	    true);
	const before = await connect(b, '/k');
	assert.deepEqual(await join(before, brief, { offset: 0 }).then((r) =>
		[r.recovered, r.offset]), [false, 3]);
	const { offset, epoch } = await say(x, brief, 4);
	assert.equal(offset, 4);
	await heard(before, 'say');	/* the other host has it */
	const later = await join(s, brief, { epoch, offset: 1 });
	assert.deepEqual([later.recovered, later.offset], [false, 4]);
	assert.ok(await cli.do('PTTL', `roost:history:k:${brief}`) > 3000000);
	assert.ok(await cli.do('PTTL', `roost:history-state:k:${brief}`) >
	    3000000);
	closeAll(x, s, before);
});

test('a Redis that is flushed, or throws keys out: another epoch', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	await sayAll(x, room, 1, 3);
	await heard(y, 'say', 3);
	let was = epochs(y)[0];
	const drops = [() => cli.do('FLUSHALL'),
		() => cli.do('DEL', `roost:history:k:${room}`),
		() => cli.do('DEL', `roost:history-state:k:${room}`),
		() => cli.do('XTRIM', `roost:history:k:${room}`, 'MAXLEN', 1)];
	for (const [i, drop] of drops.entries()) {
		await sayAll(x, room, 10 * i, 10 * i + 1);
		for (const m of [x, y])
			await until(() => numbers(m).includes(10 * i + 1),
			    'all before it');
		await drop();
		const [r] = await sayAll(y, room, 10 * i + 2, 10 * i + 2);
		assert.notEqual(r.epoch, was);
		assert.equal(r.offset, 1);
		const s = await connect(a, '/k');
		const j = await join(s, room, { epoch: was, offset: 2 });
		assert.deepEqual([j.recovered, j.epoch, j.offset],
		    [false, r.epoch, 1]);
		was = r.epoch;
		for (const m of [x, y])
			await until(() => numbers(m).at(-1) === 10 * i + 2,
			    'the first of the new epoch');
		s.close();
	}
	closeAll(x, y);
});

test('errors of Redis: the sender is told, and nothing hangs', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const [{ epoch }] = await sayAll(x, room, 1, 3);
	await cli.do('CONFIG', 'SET', 'maxmemory', '1');
	assert.equal(codeOf(await say(x, room, 4)), 'unavailable');
	const http = await publish(b, room, 4, { id: 'oom' });
	assert.equal(http.status, 503);
	/* pages are there, and joins */
	const s = await connect(a, '/k');
	const r = await join(s, room, { epoch, offset: 1 });
	assert.deepEqual([r.recovered, r.offset], [true, 3]);
	assert.equal((await api(b, `history/k/${fresh()}`)).status, 503);
	await b.counts('store_reads_failed', (n) => n > 0);
	await cli.do('CONFIG', 'SET', 'maxmemory', '0');
	await until(async () => (await say(x, room, 5)).offset === 4,
	    'it to be taken again');
	await until(async () => (await publish(b, room, 4, { id: 'oom' }))
	    .body.offset === 5, 'that, too');
	await until(() => numbers(y).at(-1) === 4, 'the last');
	assert.deepEqual(numbers(y), [1, 2, 3, 5, 4]);
	await a.counts('store_refused', (n) => n > 0, 'why="redis"');
	await a.logged(/histories_refused said="OOM/);
	await a.logged(/histories_taken_again/);
	closeAll(x, y, s);
});

test('a relay that is killed: the rooms go on', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const [{ epoch }] = await sayAll(x, room, 1, 5);
	a.mayDie = true;
	const old = a.relay().pid;
	process.kill(old, 'SIGKILL');
	await a.next(old);
	await sayAll(y, room, 6, 10);
	await until(async () => (await say(x, room, 11)).epoch === epoch,
	    'a place from the new one');
	const { offset: top } = await say(y, room, 12);
	for (const s of [x, y]) {
		await until(() => offsets(s).at(-1) === top, 'the last', 15000);
		assert.deepEqual(offsets(s), range(1, top));
	}
	const s = await connect(a, '/k');
	assert.deepEqual(await join(s, room, { epoch, offset: 2 }),
	    { room, epoch, offset: top, recovered: true });
	assert.deepEqual(offsets(s), range(3, top));
	closeAll(x, y, s);
});

test('many come back at once: Redis is asked a few times', async () => {
	const room = fresh(), [x] = await members(room, a), n = 150;
	const [{ epoch }] = await sayAll(x, room, 1, 500);
	const asked = await b.metric('store_reads_redis');
	const all = await Promise.all(range(1, n).map(() => connect(b, '/k')));
	const acks = await Promise.all(all.map((s, i) =>
	    join(s, room, { epoch, offset: 100 + i })));
	assert.ok(acks.every((r) => r.recovered && r.offset === 500),
	    JSON.stringify(acks.find((r) => !r.recovered)));
	for (const [i, s] of all.entries())
		assert.deepEqual(numbers(s), range(101 + i, 500));
	const now = await b.metric('store_reads_redis') - asked;
	assert.ok(now < n / 3, `${now} questions`);
	await b.counts('store_reads_redis', (n) => n > 0);
	await b.counts('store_read_at_hand', (c) => c > n / 2);
	closeAll(x, ...all);
});

test('a room without members, read page by page on a host that has nothing of it',
    async () => {
	const room = fresh(), x = await connect(a, '/k');
	await sayAll(x, room, 1, 120, { text: 'x'.repeat(5000) });
	let got = [], since = ':0';
	for (let more = true; more;) {
		const { body: p } = await api(b,
		    `history/k/${room}?since=${since}&limit=70`);
		got = got.concat(p.events.map((e) => e.offset));
		since = `${p.epoch}:${got.at(-1)}`;
		({ more } = p);
		assert.equal(p.gap, false);
	}
	assert.deepEqual(got, range(1, 120));
	const last = await api(b, `history/k/${room}?limit=3`);
	assert.deepEqual(last.body.events.map((e) => e.offset),
	    [118, 119, 120]);
	const some = await api(b, `history/k/${room}?since=${
	    last.body.epoch}:117`);
	assert.deepEqual(some.body.events.map((e) => e.offset),
	    [118, 119, 120]);
	x.close();
});

test('who comes back far behind a busy room of which little is at hand',
    async () => {
	const d = await Daemon.start({ workers: 1,
		conf: space(redis.url, { store: 'bytes = 64KB' }) });
	await connected(d);
	const room = fresh(), [x, y] = await members(room, a, d);
	const text = 'x'.repeat(1500);
	const [{ epoch }] = await sayAll(x, room, 1, 100, { text });
	await heard(y, 'say', 100);
	let on = true, i = 100;
	const talk = (async () => {
		for (; on; await sleep(5))
			await sayAll(x, room, ++i, ++i, { text });
	})();
	const came = [];
	for (let since = 0; since < 25; since++) {
		const s = await connect(d, '/k');
		const r = await join(s, room, { epoch, offset: since });
		assert.equal(r.recovered, true);
		came.push([s, since]);
	}
	on = false;
	await talk;
	const { offset: top } = await say(x, room, 0);
	for (const [s, since] of [[y, 0], ...came]) {
		await until(() => offsets(s).at(-1) === top, 'the last', 15000);
		assert.deepEqual(offsets(s), range(since + 1, top));
	}
	assert.ok(await d.metric('store_reads_redis') > 0);
	closeAll(x, y, ...came.map(([s]) => s));
	await d.stop();
});

/* --- outages --------------------------------------------------------------- */

/* Redis does not answer, and does not know that it does not. */
async function frozen(f) {
	redis.signal('SIGSTOP');
	try {
		return await f();
	} finally {
		redis.signal('SIGCONT');
	}
}
const away = async () => {
	for (const d of [a, b])
		await connected(d, false);
};
const back = async () => {
	for (const d of [a, b])
		await connected(d);
};

test('Redis stands still: what was accepted comes once, in order', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const [{ epoch }] = await sayAll(x, room, 1, 3);
	for (const s of [x, y])
		await heard(s, 'say', 3);
	const acks = await frozen(async () => {
		const l = await Promise.all([...range(4, 8).map((i) =>
			say(x, room, i)), ...range(104, 108).map((i) =>
			say(y, room, i))]);
		await away();
		/* joins are answered by what is here */
		const s = await connect(a, '/k');
		const r = await join(s, room, { epoch, offset: 1 });
		assert.deepEqual([r.recovered, r.offset], [true, 3]);
		s.close();
		return [...l, await say(x, room, 9), await say(y, room, 109)];
	});
	assert.deepEqual(acks.map(codeOf), acks.map(() => undefined));
	await back();
	for (const s of [x, y]) {
		await until(() => numbers(s).includes(9) &&
		    numbers(s).includes(109), 'all', 15000);
		assert.deepEqual(offsets(s), range(1, offsets(s).length));
		assert.deepEqual(numbers(s).filter((i) => i < 100), range(1, 9));
		assert.deepEqual(numbers(s).filter((i) => i > 100),
		    range(104, 109));
	}
	assert.deepEqual(numbers(x), numbers(y));
	assert.deepEqual(epochs(x), [epoch]);
	await a.counts('store_waited', (n) => n > 0);
	await a.counts('store_waiting', 0);
	await a.logged(/histories_wait/);
	await a.logged(/histories_caught_up events=/);
	closeAll(x, y);
});

test('Redis restarts with nothing: what waits is kept in another epoch',
    async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const [{ epoch }] = await sayAll(x, room, 1, 3);
	for (const s of [x, y])		/* what only Redis has is gone with it */
		await heard(s, 'say', 3);
	await redis.kill();
	try {
		await away();
		const acks = await Promise.all(range(4, 8).map((i) =>
		    say(x, room, i)));
		assert.ok(acks.every((r) => r.id && r.offset === undefined));
		await a.counts('store_waiting', 5);
		await a.counts('store_waiting_bytes', (n) => n > 500);
	} finally {
		cli.close();
		await redis.again();
		all.cli = cli = await redis.client();
	}
	await back();
	await say(y, room, 9);
	for (const s of [x, y]) {
		await until(() => numbers(s).includes(9) &&
		    numbers(s).includes(8), 'the last', 15000);
		assert.deepEqual(numbers(s).filter((i) => i <= 8), range(1, 8));
		assert.equal(epochs(s).length, 2);
	}
	const s = await connect(b, '/k');
	assert.equal((await join(s, room, { epoch, offset: 3 })).recovered,
	    false);
	await b.counts('store_anew', (n) => n > 0);
	closeAll(x, y, s);
});

test('on_outage = refuse: refused at once, and what was lost is not known',
    async () => {
	const d = await Daemon.start({ workers: 1, conf: space(redis.url,
	    { store: 'on_outage = refuse' }) });
	await connected(d);
	const room = fresh(), [x] = await members(room, d);
	await sayAll(x, room, 1, 3);
	await frozen(async () => {
		const t0 = Date.now();
		assert.equal(codeOf(await say(x, room, 4)), 'unavailable');
		assert.ok(Date.now() - t0 < 3000 * slow);
		await connected(d, false);
		const l = await Promise.all(range(5, 9).map((i) =>
		    say(x, room, i)));
		assert.ok(l.every((r) => codeOf(r) === 'unavailable'));
		assert.equal((await publish(d, room, 5)).status, 503);
	});
	await connected(d);
	await until(async () => (await say(x, room, 10)).offset > 0, 'a place');
	await until(() => numbers(x).at(-1) === 10, 'the last');
	await d.counts('store_refused', (n) => n >= 6, 'why="away"');
	assert.deepEqual(numbers(x).filter((i) => i !== 4), [1, 2, 3, 10]);
	x.close();
	await d.stop();
});

test('what waits is bounded, and goes to the next relay', async () => {
	const d = await Daemon.start({ workers: 2, conf: space(redis.url,
	    { store: 'outage_events = 20' }) });
	await connected(d);
	const room = fresh(), [x] = await members(room, d);
	await sayAll(x, room, 1, 3);
	await heard(x, 'say', 3);
	await frozen(async () => {
		await connected(d, false);
		const l = await Promise.all(range(4, 33).map((i) =>
		    say(x, room, i)));
		assert.equal(l.filter((r) => r.id).length, 20);
		assert.equal(l.filter((r) => codeOf(r) === 'unavailable').length,
		    10);
		await d.counts('store_refused', 10, 'why="waiting"');
		const old = await until(() => d.relay()?.pid, 'the relay');
		process.kill(d.pid, 'SIGUSR2');
		await until(() => (d.relay()?.pid ?? old) !== old,
		    'another relay', 20000);
	});
	await connected(d);
	await until(async () => (await api(d, `history/k/${room}`)).body.offset ===
	    23, 'all to be kept', 20000);
	const { body } = await api(d, `history/k/${room}`);
	assert.deepEqual(body.events.map((e) => e.args[0].i), range(1, 23));
	await until(() => numbers(x).length === 23 ||
	    gotten(x, 'roost:gap').length > 0, 'all, or a gap', 20000);
	assert.deepEqual(numbers(x), [...new Set(numbers(x))]
	    .sort((p, q) => p - q));
	x.close();
	await d.stop();
});

/* --- strangers ------------------------------------------------------------- */

test('what makes no sense in Redis is counted, and nobody hears it', async () => {
	const room = fresh(), [x, y] = await members(room, a, b);
	const [{ epoch }] = await sayAll(x, room, 1, 2);
	for (const s of [x, y])
		await heard(s, 'say', 2);
	const channel = `roost:to:2:/k:r${room}`;
	const bad = await a.metric('store_bad');
	const entry = Buffer.alloc(44);
	entry.writeUInt32LE(40);
	for (const words of ['ROOSTK1 ', 'ROOSTK1 t e x\n', 'ROOSTK1 t e 1\n',
		Buffer.concat([Buffer.from('ROOSTK1 t e 3\n'), entry])])
		await cli.do('PUBLISH', channel, words);
	await a.counts('store_bad', (n) => n > bad);
	await a.counts('far_bad', (n) => n >= 4);
	/* a place that nobody has kept something at */
	await cli.do('DEL', `roost:history:k:${room}`);
	for (let i = 1; i <= 2; i++)
		await cli.do('XADD', `roost:history:k:${room}`, `${i}-0`, 't', 1,
		    'd', 'nonsense');
	const page = await api(a, `history/k/${room}`);
	assert.equal(page.status, 200);
	await sayAll(y, room, 3, 4);
	for (const s of [x, y])
		await until(() => numbers(s).at(-1) === 4, 'the last');
	assert.deepEqual(numbers(x), range(1, 4));
	closeAll(x, y);
	/* who would need it is told that it is not all, by a host that has had
	 * nothing of it at hand */
	const d = await Daemon.start({ workers: 1, conf: space(redis.url) });
	await connected(d);
	const z = await connect(d, '/k');
	assert.deepEqual(await join(z, room, { epoch, offset: 1 }),
	    { room, epoch, offset: 4, recovered: false });
	assert.deepEqual(numbers(z), [3, 4]);
	z.close();
	await d.stop();
});

test('engine = memory: nothing is kept, and all hosts hear it', async () => {
	const conf = space(redis.url, { store: 'engine = memory' });
	const [d, e] = await Promise.all([2, 1].map((n) =>
		Daemon.start({ workers: n, conf })));
	await Promise.all([connected(d), connected(e)]);
	const room = fresh(), [x, y] = await members(room, d, e);
	const acks = await sayAll(x, room, 1, 5);
	assert.ok(acks.every((r) => r.id && r.offset === undefined));
	assert.equal((await publish(e, room, 6)).status, 200);
	for (const s of [x, y]) {
		await heard(s, 'say', 6);
		assert.deepEqual(numbers(s).sort(), range(1, 6));
	}
	await d.logged(/histories_not_kept/);
	closeAll(x, y);
	await Promise.all([d.stop(), e.stop()]);
});

test('history by a reload: some hosts have it, others not yet', async () => {
	const list = await Promise.all([2, 1].map((n) =>
		Daemon.start({ workers: n, conf: space(redis.url) })));
	await Promise.all(list.map((d) => connected(d)));
	const room = fresh(), [x, y] = await members(room, ...list);
	let on = true, i = 0, j = 0;
	const talk = (s, name) => (async () => {
		for (; on; await sleep(2))
			assert.equal(codeOf(await say(s, room, name())),
			    undefined);
	})();
	const both = [talk(x, () => ++i), talk(y, () => 10000 + ++j)];
	for (const s of [x, y])
		await heard(s, 'say', 40);
	for (const history of ['', ' history = 7', '', ' history = 5000'])
		for (const d of list) {
			fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
			    .replace(/(room "k:{id}" { join = open).*}/,
				`$1${history} }`));
			const reloads = d.log.match(/reloaded/g)?.length ?? 0;
			process.kill(d.pid, 'SIGHUP');
			await until(() => d.log.match(/reloaded/g)?.length >
			    reloads, 'the reload');
			const n = i;
			await until(() => i > n + 20, 'some more');
		}
	on = false;
	await Promise.all(both);
	const all = [...range(1, i), ...range(10001, 10000 + j)];
	for (const s of [x, y]) {
		await until(() => numbers(s).includes(i) &&
		    numbers(s).includes(10000 + j), 'the last', 15000);
		if (gotten(s, 'roost:gap').length === 0)
			assert.deepEqual(numbers(s).sort((p, q) => p - q), all);
	}
	closeAll(x, y);
	await Promise.all(list.map((d) => d.stop()));
});

test('a room that keeps nothing any more loses what waits', async () => {
	const conf = space(redis.url);
	const d = await Daemon.start({ workers: 1, conf });
	await connected(d);
	const room = fresh(), [x] = await members(room, d);
	await sayAll(x, room, 1, 1);
	await frozen(async () => {
		await connected(d, false);
		assert.ok((await say(x, room, 2)).id);
		fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
		    .replace('room "k:{id}" { join = open history = 5000 }',
			'room "k:{id}" { join = open }'));
		process.kill(d.pid, 'SIGHUP');
		await d.counts('store_lost', 1);
	});
	await d.logged(/histories_lost events=1/);
	x.close();
	await d.stop();
});

test('another Redis by a reload: rooms are kept there, and none before',
    async () => {
	const other = await Redis.start();
	const d = await Daemon.start({ workers: 2, conf: space(redis.url,
	    { redis: 'linger = 0s' }) });
	try {
		await connected(d);
		const room = fresh(), [x] = await members(room, d);
		const [{ epoch }] = await sayAll(x, room, 1, 3);
		await heard(x, 'say', 3);
		const reload = async (f) => {
			const n = d.log.split(' turned ').length;
			fs.writeFileSync(d.file, f(fs.readFileSync(d.file, 'utf8')));
			process.kill(d.pid, 'SIGHUP');
			await until(() => d.log.split(' turned ').length > n,
			    'the reload', 20000);
		};
		await reload((c) => c.replace(redis.url, other.url));
		await d.logged('redis_changed');
		const r = await until(async () => {
			const ack = await say(x, room, 4);
			return ack.epoch && ack.epoch !== epoch && ack;
		}, 'a place there', 20000);
		await until(() => offsets(x).at(-1) >= r.offset &&
		    epochs(x).includes(r.epoch), 'the new one');
		const c = await other.client();
		assert.equal(await c.do('EXISTS', `roost:history:k:${room}`), 1);
		/* without a section: in the relay's memory */
		await reload((t) => t.replace(/^redis \{.*\}$/m, ''));
		await until(async () => {
			const ack = await say(x, room, 5);
			return ack.epoch && ack.epoch !== r.epoch;
		}, 'a place in memory', 20000);
		const n = await c.do('XLEN', `roost:history:k:${room}`);
		await sayAll(x, room, 6, 6);
		assert.equal(await c.do('XLEN', `roost:history:k:${room}`), n);
		/* and there again: what they have of it is not told again */
		await until(() => numbers(x).at(-1) === 6, 'the last');
		const before = numbers(x);
		await reload((t) => `${t}redis { url = "${other.url}" }\n`);
		const z = await until(async () => {
			const ack = await say(x, room, 7);
			return ack.epoch === r.epoch && ack;
		}, 'a place there', 20000);
		await until(() => numbers(x).at(-1) === 7 &&
		    offsets(x).at(-1) === z.offset, 'it');
		assert.deepEqual(numbers(x).filter((i) => i < 7), before);
		c.close();
		x.close();
	} finally {
		await d.stop();
		await other.kill();
	}
});

/* --- by chance ------------------------------------------------------------- */

test('three hosts, clients cut by chance: each event once, in order, or a gap',
    async () => {
	const r = await cutsOfHosts({ seconds: 10, clients: 60, still: 3000,
		kinds: ['connections', 'workers', 'relays', 'redis', 'failover'] });
	assert.deepEqual(r.wrong, [], JSON.stringify(r.counts));
	assert.ok(r.counts.kept > 0 && r.counts.joins > 60,
	    JSON.stringify(r.counts));
});

test('... and what is done wrong there is noticed', async () => {
	/* it is the tool that is tried: once for all builds */
	for (const broken of sanitized ? ['double'] : ['lose', 'double', 'swap',
		'deaf']) {
		const r = await cutsOfHosts({ seconds: 3, clients: 40, broken,
			kinds: ['connections', 'relays'] });
		assert.notEqual(r.wrong.length, 0,
		    `${broken}: ${JSON.stringify(r.counts)}`);
	}
});
