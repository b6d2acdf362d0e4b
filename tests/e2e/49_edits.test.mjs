/*
 * What is kept of a room is changed by a back end, or its data taken away: who is
 * there hears of it in order, who comes later reads what it is now.  In memory, over
 * reloads, in Redis with two hosts, in a Cluster, with a journal.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { ask, connect, connected as back, gotten, heard, once, plain } from
	'./lib/clients.mjs';
import { Cluster } from './lib/cluster.mjs';
import { Daemon, roostd, until } from './lib/daemon.mjs';
import { onHosts } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Stream } from './lib/sse.mjs';
import { upgrade, Upgradable } from './lib/upgrade.mjs';

const key = (name, more) => `key "${name}" { sha256 = "${crypto
    .createHash('sha256').update(name).digest('hex')}" ${more} }\n`;
const conf = (more = '', ns = '') => `
${more}
store { room_bytes = 600KB }
limits { message_bytes = 1MB }
api { ${key('all', 'allow = {"publish", "history"}')}
${key('reader', 'allow = {"history"}')}
${key('other', 'allow = {"publish"} namespaces = {"/o"}')}
${key('say', 'allow = {"publish"} events = {"tell"}')} }
namespace "/k" { auth = none ${ns} check_publishes = true
    room "few:{id}" { join = open history = 5 }
    room "{id}" { join = open history = 1000 keep = 1h }
    event "say" { to = room:room self = true ack = accepted
        check = {"room: string 1..128"} }
    event "bare" { to = room:room self = true meta = off ack = accepted } }
namespace "/o" { auth = none room "{id}" { join = open } }
route "/ws/bare/{id}" { namespace = "/k" format = bare join = "{id}" }
`;
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const START = { offset: 0 };
async function call(d, path_, body, bearer = 'all') {
	const r = await fetch(d.url(`/api/v1/${path_}`), {
		method: body === undefined ? 'GET' : 'POST',
		headers: { Authorization: `Bearer ${bearer}`,
			'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
	return { status: r.status, ...await r.json() };
}
const page = (d, room, query = '') => call(d, `history/k/${room}${query}`);
const change = (d, room, body, bearer) => call(d, `history/k/${room}`, body,
    bearer);
async function changed(d, room, body) {
	const r = await change(d, room, body);
	assert.equal(r.status, 200, JSON.stringify(r));
	return r;
}
const refused = async (d, room, body, status, code, bearer) => {
	const r = await change(d, room, body, bearer);
	assert.deepEqual([r.status, r.error?.code], [status, code],
	    JSON.stringify([body, r]));
	return r.error.message;
};
const numbers = (s) => gotten(s, 'say').map(([x]) => x.i);
const offsets = (s) => s.got.map((g) => g.slice(2).find((x) => x?.ts)?.offset)
    .filter((n) => n !== undefined);
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const closeAll = (...l) => l.forEach((s) => s.close());
async function says(s, room, from, to) {
	for (const i of range(from, to))
		assert.equal((await ask(s, 'say', { room, i, secret: `s${i}` }))
		    .offset > 0, true);
}

/* a and b may be one daemon. */
async function edits(a, b, room = 'r1') {
	const [x, y] = [await connect(a, '/k'), await connect(b, '/k')];
	const { epoch } = await join(x, room);
	await join(y, room);
	await says(x, room, 1, 5);
	/* who has not got one yet gets what it is by then */
	for (const s of [x, y])
		await heard(s, 'say', 5);
	const id = (n) => gotten(y, 'say')[n - 1][1].id;
	/* by its place */
	const r = await changed(b, room, { offset: 3, data: { room, i: 33 } });
	assert.deepEqual([r.edited, r.offset, r.epoch, typeof r.id],
	    [3, 6, epoch, 'string']);
	for (const s of [x, y]) {
		const [[e, meta]] = await heard(s, 'history:edited');
		assert.deepEqual([e.room, e.epoch, e.offset, e.event, e.id, e.data],
		    [room, epoch, 3, 'say', id(3), { room, i: 33 }]);
		assert.deepEqual([meta.offset, meta.room, meta.from, meta.id],
		    [6, room, null, r.id]);
		assert.ok(e.meta.edited > e.meta.ts - 1000);
		assert.deepEqual([e.meta.id, e.meta.offset], [id(3), 3]);
	}
	/* by the id that its meta has; all arguments */
	const by = await changed(a, room, { id: id(4), epoch,
		args: [{ room, i: 44 }, 'more'] });
	assert.deepEqual([by.edited, by.offset], [4, 7]);
	for (const s of [x, y])
		assert.deepEqual((await heard(s, 'history:edited', 2))[1][0].args,
		    [{ room, i: 44 }, 'more']);
	/* no data any more, but a place */
	const gone = await changed(b, room, { offset: 2, epoch, redact: true });
	assert.deepEqual([gone.redacted, gone.offset], [2, 8]);
	for (const s of [x, y]) {
		const [[e]] = await heard(s, 'history:redacted');
		assert.deepEqual(e, { room, epoch, offset: 2, event: 'say',
			id: id(2) });
	}
	await says(y, room, 6, 6);
	for (const s of [x, y]) {
		await heard(s, 'say', 6);
		assert.deepEqual(offsets(s), range(1, 9));
		assert.deepEqual(numbers(s), range(1, 6));
	}
	/* who comes later reads what it is now, and where that is said */
	for (const d of [a, b]) {
		const late = await connect(d, '/k');
		assert.deepEqual(await join(late, room, START),
		    { room, epoch, offset: 9, recovered: true });
		assert.deepEqual(numbers(late), [1, 33, 44, 5, 6]);
		assert.deepEqual(late.got.map((g) => g[0]), ['say',
			'history:redacted', 'say', 'say', 'say',
			'history:edited', 'history:edited', 'history:redacted',
			'say']);
		assert.deepEqual(offsets(late), range(1, 9));
		assert.ok(!JSON.stringify(late.got).includes('"s2"'));
		/* who was away and has what it was hears of it, too */
		const away = await connect(d, '/k');
		await join(away, room, { epoch, offset: 5 });
		assert.deepEqual(away.got.map((g) => g[0]), ['history:edited',
			'history:edited', 'history:redacted', 'say']);
		for (const all of [await ask(late, 'history:get', { room }),
			await page(d, room), await page(d, room,
			    `?since=${epoch}:0`)]) {
			assert.deepEqual(all.events.map((e) => e.offset),
			    range(1, 9));
			assert.deepEqual(all.events[3].args, [{ room, i: 44 },
				'more']);
			assert.equal(all.events[1].event, 'history:redacted');
			assert.ok(all.events[1].meta.redacted > 0);
			assert.equal(all.events[1].meta.id, id(2));
			assert.ok(all.events[2].meta.edited > 0);
			assert.ok(!JSON.stringify(all).includes('"s2"'));
			assert.deepEqual([all.more, all.gap], [false, false]);
		}
		/* some of it, from both sides of what was changed */
		assert.deepEqual((await page(d, room, '?limit=7')).events.map(
		    (e) => e.offset), range(3, 9));
		assert.deepEqual((await page(d, room,
		    `?since=${epoch}:1&limit=2`)).events.map((e) => e.event),
		['history:redacted', 'say']);
		closeAll(late, away);
	}
	/* once more; and what is not changed */
	await changed(a, room, { offset: 3, data: { room, i: 333 } });
	const again = (await page(b, room)).events[2];
	assert.equal(again.args[0].i, 333);
	assert.equal(JSON.stringify(again).match(/"edited"/g).length, 1);
	const data = { room, i: 0 };
	for (const d of [a, b]) {
		await refused(d, room, { offset: 2, data }, 409, 'conflict');
		await refused(d, room, { offset: 2, redact: true }, 409, 'conflict');
		await refused(d, room, { offset: 6, redact: true }, 409, 'conflict');
		await refused(d, room, { offset: 99, data }, 404, 'not_found');
		await refused(d, room, { id: 'nobodys', data }, 404, 'not_found');
		await refused(d, room, { offset: 3, epoch: 'other1', data }, 404,
		    'not_found');
		await refused(d, room, { offset: 3, data: { room,
			x: 'x'.repeat(700000) } }, 413, 'too_large');
		assert.match(await refused(d, room, { offset: 3, data: { i: 1 } },
		    400, 'invalid'), /room/);
	}
	assert.equal((await page(a, room)).offset, 10);
	/* by the id that a back end gave */
	const own = await call(b, 'publish', { namespace: 'k', room, event: 'say',
		data: { room, i: 7 }, id: `own-${room}` });
	assert.equal(own.offset, 11);
	assert.equal((await changed(a, room, { id: `own-${room}`,
		data: { room, i: 77 } })).edited, 11);
	assert.equal((await page(b, room)).events[10].args[0].i, 77);
	closeAll(x, y);
}

/* What goes with newer ones goes with what it has become. */
async function few(a, b, room = 'few:1') {
	const s = await connect(a, '/k');
	await join(s, room);
	await says(s, room, 1, 4);
	await changed(b, room, { offset: 2, data: { room, i: 22 } });
	await changed(a, room, { offset: 3, redact: true });
	const list = async (d) => (await page(d, room)).events.map((e) => [e.offset,
		e.event, e.args[0].i]);
	for (const d of [a, b])
		assert.deepEqual(await list(d), [[2, 'say', 22],
			[3, 'history:redacted', undefined], [4, 'say', 4],
			[5, 'history:edited', undefined],
			[6, 'history:redacted', undefined]]);
	await refused(b, room, { offset: 1, redact: true }, 404, 'not_found');
	/* the oldest one, which goes with what tells of it */
	await changed(b, room, { offset: 2, redact: true });
	await says(s, room, 5, 30);
	for (const d of [a, b])
		assert.deepEqual((await list(d)).map((e) => e[2]), range(26, 30));
	closeAll(s);
}

/* A room that is finished is changed yet, and finished all the same. */
async function finished(a, b, room = 'done1') {
	const s = await connect(a, '/k');
	await join(s, room);
	await says(s, room, 1, 2);
	assert.equal((await call(a, 'publish', { namespace: 'k', room,
		event: 'say', data: { room, i: 3 }, finish: true })).offset, 3);
	assert.equal((await changed(b, room, { offset: 1, redact: true })).offset,
	    4);
	assert.equal((await changed(a, room, { offset: 3,
		data: { room, i: 33 } })).offset, 5);
	await heard(s, 'history:edited');
	assert.deepEqual(s.got.filter((g) => g[2].finished).map((g) => g[2].offset),
	    [3, 4, 5]);
	for (const d of [a, b]) {
		const all = await page(d, room);
		assert.deepEqual([all.finished, all.events.map((e) => e.offset)],
		    [true, range(1, 5)]);
		assert.deepEqual([all.events[2].args[0].i,
			all.events[2].meta.finished], [33, true]);
		assert.equal((await call(d, 'publish', { namespace: 'k', room,
			event: 'say', data: { room } })).error.code, 'finished');
		const late = await connect(d, '/k');
		assert.deepEqual(await join(late, room, START), { room,
			epoch: all.epoch, offset: 5, finished: true,
			recovered: true });
		closeAll(late);
	}
	closeAll(s);
}

/* --- one host ---------------------------------------------------------------- */

let d;
before(async () => { d = await Daemon.start({ workers: 2, conf: conf() }); });
after(() => d.stop());

test('in memory: changed in its place, and all are told', async () => {
	await edits(d, d);
	await few(d, d);
	await finished(d, d);
	await d.counts('store_edits', 10);
	await d.counts('api_edits', 10);
	assert.equal(await d.metric('keeps_failed'), 0);
});

test('what goes while it is changed is missed, and nothing is changed', async () => {
	const room = 'few:missed', s = await connect(d, '/k');
	await join(s, room);
	/* the first one puts it out, by what tells of it */
	await until(async () => {
		await says(s, room, 1, 5);
		const [{ offset }] = (await page(d, room)).events;
		await Promise.all(range(1, 10).map((i) => change(d, room,
		    { offset, data: { room, i } })));
		return await d.metric('store_edits_missed') > 0;
	}, 'two at once', 20000);
	await d.counts('store_edits_missed', (n) => n > 0);
	assert.equal((await page(d, room)).events.length, 5);
	closeAll(s);
});

test('bodies and paths that are none, and who may', async () => {
	const data = {}, room = 'bad1';
	for (const body of [{}, [], { offset: 1 }, { data }, { offset: 0, data },
		{ offset: '1', data }, { offset: 1, id: 'x', data },
		{ offset: 1, data, args: [] }, { offset: 1, data, redact: true },
		{ offset: 1, redact: false }, { offset: 1, args: {} },
		{ id: '', data }, { id: 5, data }, { id: 'x'.repeat(65), data },
		{ offset: 1, epoch: 5, data }, { offset: 1, epoch: 'a:b', data },
		{ offset: 1, data, namespace: 'k' }])
		await refused(d, room, body, 400, 'bad_request');
	await refused(d, room, { offset: 1, data }, 404, 'not_found');
	assert.equal((await call(d, 'history/k/', { offset: 1, data })).status, 400);
	assert.equal((await call(d, 'history/o/x', { offset: 1, data })).status, 404);
	assert.equal((await call(d, 'history/nope/x', { offset: 1, data })).status,
	    404);
	const s = await connect(d, '/k');
	await join(s, room);
	await says(s, room, 1, 1);
	const one = { offset: 1, redact: true };
	for (const bearer of ['reader', 'other', 'say'])
		await refused(d, room, one, 403, 'forbidden', bearer);
	assert.equal((await change(d, room, one, 'nobody')).status, 401);
	const r = await fetch(d.url(`/api/v1/history/k/${room}`),
	    { method: 'DELETE' });
	assert.deepEqual([r.status, r.headers.get('allow')],
	    [405, 'GET, HEAD, POST, OPTIONS']);
	assert.equal((await page(d, room)).events[0].event, 'say');
	closeAll(s);
});

test('streams, polls, plain WebSocket, and those that see no names', async () => {
	const room = 'kinds';
	const s = await connect(d, '/k'), w = await plain(d, '/ws/k');
	const { epoch } = await join(s, room);
	await w.ask('room:join', { room });
	const bare = await plain(d, `/ws/bare/${room}`);
	const sse = await Stream.open(d.url(`/sse/k?room=${room}`));
	await until(() => sse.got.length === 1, 'the stream to be in it');
	await says(s, room, 1, 1);
	await changed(d, room, { offset: 1, data: { room, i: 11 } });
	await changed(d, room, { offset: 1, redact: true });
	await ask(s, 'bare', { room, i: 4 });
	await until(() => bare.got.length === 2, 'both');
	assert.deepEqual(bare.got.map((m) => m.i), [1, 4]);
	await until(() => w.got.some((m) => m.event === 'bare'), 'all of it');
	assert.deepEqual(w.got.filter((m) => m.event).map((m) => m.event),
	    ['say', 'history:edited', 'history:redacted', 'bare']);
	assert.equal(w.got.find((m) => m.event === 'history:edited').data.data.i, 11);
	await until(() => sse.got.length === 5, 'the stream to have all');
	assert.deepEqual(sse.got.map((e) => e.event).slice(2, 4),
	    ['history:edited', 'history:redacted']);
	const poll = await (await fetch(d.url(
	    `/poll/k?room=${room}&since=${epoch}:0`))).json();
	assert.deepEqual(poll.events.map((e) => e.event), ['history:redacted',
		'history:edited', 'history:redacted', 'bare']);
	/* one that has no meta */
	await changed(d, room, { offset: 4, data: { room, i: 5 } });
	assert.deepEqual((await page(d, room)).events[3], { offset: 4,
		event: 'bare', args: [{ room, i: 5 }] });
	sse.close();
	closeAll(s, w, bare);
});

test('an id far behind the newest is found', async () => {
	const room = 'deep', s = await connect(d, '/k');
	await join(s, room);
	const { id } = await ask(s, 'say', { room, i: 1 });
	/* a page is of 256 KiB at most */
	for (let i = 0; i < 20; i++)
		await Promise.all(range(1, 20).map(() => ask(s, 'say',
		    { room, x: 'x'.repeat(1000) })));
	assert.equal((await changed(d, room, { id, redact: true })).redacted, 1);
	closeAll(s);
});

test('roostctl shows what was changed', async () => {
	const room = 'ctl', s = await connect(d, '/k');
	await join(s, room);
	await says(s, room, 1, 2);
	await changed(d, room, { offset: 1, redact: true });
	await changed(d, room, { offset: 2, data: { room, i: 22 } });
	const { stdout } = await promisify(execFile)(path.join(path.dirname(roostd),
	    'roostctl'), ['-u', `127.0.0.1:${d.port}`, 'history', 'k', room],
	{ env: { ROOST_API_KEY: 'all' } });
	assert.match(stdout, /history:redacted/);
	assert.match(stdout, /"i":22/);
	assert.match(stdout, /"edited":/);
	assert.doesNotMatch(stdout, /"s1"/);
	closeAll(s);
});

test('what was changed goes over in reloads and upgrades', async () => {
	const u = await Upgradable.start({ workers: 2, conf: conf() });
	await edits(u, u);
	await finished(u, u);
	const was = await page(u, 'r1'), done = await page(u, 'done1');
	await upgrade(u);
	assert.deepEqual(await page(u, 'r1'), was);
	assert.deepEqual(await page(u, 'done1'), done);
	await changed(u, 'r1', { offset: 1, data: { room: 'r1', i: 9 } });
	await refused(u, 'r1', { offset: 2, redact: true }, 409, 'conflict');
	/* bounds that a reload has made narrower, and then wider */
	const hup = async (from, to) => {
		const n = u.log.match(/ reloaded /g)?.length ?? 0;
		fs.writeFileSync(u.file, fs.readFileSync(u.file, 'utf8')
		    .replace(from, to));
		process.kill(u.pid, 'SIGHUP');
		await until(() => (u.log.match(/ reloaded /g)?.length ?? 0) > n,
		    'the reload', 20000);
	};
	await hup('history = 1000 keep = 1h', 'history = 3 keep = 1h');
	await until(async () => (await page(u, 'r1')).events.length === 3,
	    'fewer to be kept');
	assert.deepEqual((await page(u, 'r1')).events.map((e) => e.offset),
	    range(11, 13));
	await refused(u, 'r1', { offset: 1, redact: true }, 404, 'not_found');
	await hup('history = 3 keep = 1h', 'history = 9 keep = 1h');
	await changed(u, 'r1', { offset: 11, redact: true });
	assert.deepEqual((await page(u, 'r1')).events.map((e) => e.offset),
	    range(11, 14));
	await u.stop();
});

/* --- where sessions are recovered from the store ----------------------------- */

test('with a journal: who is back hears of it in its order', async () => {
	const j = await Daemon.start({ workers: 2, conf: conf(
	    'recovery { window = 1m }', 'recovery = store') });
	await edits(j, j);
	await few(j, j);
	await finished(j, j);
	await comesBack(j, j);
	await j.stop();
});

async function comesBack(a, b, room = 'back1') {
	const s = await connect(a, '/k', { reconnection: true,
		reconnectionDelay: 50 });
	await join(s, room);
	await says(s, room, 1, 1);
	await heard(s, 'say');
	const lost = once(s, 'disconnect');
	s.io.engine.close();
	await lost;
	await changed(b, room, { offset: 1, redact: true });
	await back(s);
	assert.equal(s.recovered, true);
	await heard(s, 'history:redacted');
	closeAll(s);
}

/* --- hosts ------------------------------------------------------------------- */

const inRedis = (more, ns) => async () => {
	const redis = await Redis.start();
	try {
		await onHosts((r) => conf(`${r}\n${more}`, ns),
		    [redis.url, redis.url], async (a, b) => {
			const cli = await redis.client();
			await edits(a, b);
			/* nor is it in Redis */
			const raw = JSON.stringify([
				await cli.do('XRANGE', 'roost:history:k:r1', '-', '+'),
				await cli.do('HGETALL', 'roost:history-edits:k:r1')]);
			assert.ok(!raw.includes('s2') && raw.includes('s1'));
			assert.equal(await cli.do('HLEN',
			    'roost:history-edits:k:r1'), 4);
			assert.ok(await cli.do('PTTL',
			    'roost:history-edits:k:r1') > 3600000);
			await few(a, b);
			await few(b, a, 'few:2');
			assert.equal(await cli.do('HLEN',
			    'roost:history-edits:k:few:1'), 0);
			await finished(a, b);
			if (ns)
				await comesBack(a, b);
			/* what says so is gone: the room begins anew, and does not
			 * tell what is not there */
			const was = await page(a, 'r1');
			await cli.do('DEL', 'roost:history-edits:k:r1');
			const s = await connect(b, '/k');
			await join(s, 'r1');
			await until(async () => (await page(b, 'r1')).epoch !==
			    was.epoch, 'another epoch');
			await says(s, 'r1', 1, 2);
			closeAll(s);
			cli.close();
		});
	} finally {
		await redis.kill();
	}
};
test('in Redis: on two hosts', inRedis('', ''));
test('in Redis, with a journal', inRedis('recovery { window = 1m }',
    'recovery = store'));

test('in a Cluster', async () => {
	const cluster = await Cluster.start({ masters: 3 });
	try {
		await onHosts(conf, [0, 1].map((i) =>
			`redis://${cluster.nodes[i].address}`), async (a, b) => {
			for (const i of range(1, 3))
				await edits(a, b, `r${i}`);
			await few(a, b);
			await finished(a, b);
		});
	} finally {
		await cluster.kill();
	}
});
