/*
 * The HTTP API over three daemons and one Redis: what is asked of one is
 * answered for all of them; who does not answer in time is missing, and that is
 * told.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { ask, connect, gotten } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { until, within } from './lib/daemon.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { user } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const conf = (url) => jwt + `
recovery { window = 1m }
redis { url = "${url}" }
api { key "k" { sha256 = "${sha('key')}" allow = {"publish", "disconnect",
          "rooms", "presence", "stats", "history"} }
      key "one" { sha256 = "${sha('one')}" allow = {"presence"}
          namespaces = {"/other"} } }
namespace "/chat" { auth = optional room "{any}" { join = open } }
namespace "/other" { auth = optional room "{any}" { join = open } }
`;

let redis, list, cli;
before(async () => {
	({ redis, list, cli } = await hosts(conf, [2, 1, 1]));
	await until(async () => (await cli.do('PUBSUB', 'NUMSUB',
	    'roost:asks'))[1] === 3, 'three that listen');
});
after(() => unhost({ redis, list, cli }));

async function call(d, method, path, body, key = 'key') {
	const r = await fetch(d.url(`/api/v1/${path}`), { method,
		body: body === undefined ? undefined : JSON.stringify(body),
		headers: { Authorization: `Bearer ${key}`,
			'Content-Type': 'application/json' } });
	const text = await r.text();
	return { status: r.status, headers: r.headers,
		body: text === '' ? undefined : JSON.parse(text) };
}
async function get(d, path, key) {
	const r = await call(d, 'GET', path, undefined, key);
	assert.equal(r.status, 200, JSON.stringify(r.body));
	return r.body;
}
async function post(d, path, body) {
	const r = await call(d, 'POST', path, body);
	assert.equal(r.status, 200, JSON.stringify(r.body));
	return r.body;
}
async function member(d, room, { nsp = '/chat', name, ...opts } = {}) {
	const s = await connect(d, nsp, { ...opts,
		auth: name && { token: user(name) } });
	if (room !== undefined)
		assert.deepEqual(await post(d, 'rooms', { namespace: nsp,
			sid: s.id, join: room }), { sessions: 1, complete: true });
	return s;
}
const closeAll = (l) => l.forEach((s) => s.close());
const left = (s) => within(new Promise((ok) => s.once('disconnect', ok)),
    'disconnect');
const idOf = async (d) => (await get(d, 'stats')).host;
const calm = () => Promise.all(list.map((d) => d.counts('far_asks_open', 0)));

test('a user is disconnected, and moved, on all hosts: and counted', async () => {
	for (const d of list) {
		const ann = await Promise.all([...list, list[0]].map((h) =>
			member(h, 'r', { name: 'ann' })));
		const [bob] = [await member(list[1], 'r')];
		assert.deepEqual(await post(d, 'users/ann/rooms', {
			namespace: 'chat', join: 'x', leave: 'r' }),
		{ sessions: 4, complete: true });
		assert.deepEqual(await post(d, 'rooms', { namespace: 'chat',
			room: 'x', join: 'y' }), { sessions: 4, complete: true });
		assert.deepEqual(await post(d, 'rooms', { namespace: 'chat',
			sid: bob.id, join: 'y' }), { sessions: 1, complete: true });
		const gone = ann.map(left);
		assert.deepEqual(await post(d, 'users/ann/disconnect', {}),
			{ disconnected: 4, complete: true });
		await Promise.all(gone);
		assert.deepEqual(await post(d, 'users/ann/disconnect', {}),
			{ disconnected: 0, complete: true });
		assert.ok(bob.connected);
		closeAll([...ann, bob]);
	}
	await calm();
});

test('a publication is acknowledged by clients of all hosts', async () => {
	for (const [i, d] of list.entries()) {
		const all = await Promise.all(list.map((h) =>
			member(h, 'q', { name: 'ann' })));
		for (const [k, s] of all.entries())
			s.on('sum', (data, meta, done) => done(data.a + k, i));
		const r = await post(d, 'publish', { namespace: 'chat',
			room: 'q', event: 'sum', data: { a: 10 }, ack: true });
		assert.equal(r.asked, 3);
		assert.equal(r.answered, 3);
		assert.equal(r.complete, true, JSON.stringify(r));
		assert.deepEqual(r.answers.map((x) => x.args[0]).sort(),
		    [10, 11, 12]);
		assert.deepEqual(new Set(r.answers.map((x) => x.sid)),
		    new Set(all.map((s) => s.id)));
		for (const s of all)
			assert.equal(gotten(s, 'sum').length, 1);
		closeAll(all);
	}
	/* nobody is there */
	assert.deepEqual((({ asked, answered, complete }) =>
		({ asked, answered, complete }))(await post(list[1], 'publish',
	{ namespace: 'chat', room: 'nobody', event: 'e', ack: true })),
	{ asked: 0, answered: 0, complete: true });
	await calm();
});

test('who says nothing on another host is told as missing', async () => {
	const quiet = await member(list[2], 'quiet');
	const prompt = await member(list[0], 'quiet');
	prompt.on('e', (...a) => a.at(-1)());
	const r = await post(list[0], 'publish', { namespace: 'chat',
		room: 'quiet', event: 'e', ack: true, timeout: 300 });
	assert.equal(r.asked, 2);
	assert.equal(r.answered, 1);
	assert.equal(r.complete, false);
	closeAll([quiet, prompt]);
});

test('a repeated id is asked once, whichever host is asked', async () => {
	const s = await member(list[2], 'once');
	s.on('e', (...a) => a.at(-1)(1));
	const body = { namespace: 'chat', room: 'once', event: 'e', id: 'same',
		ack: true };
	assert.equal((await post(list[0], 'publish', body)).answered, 1);
	assert.equal((await post(list[2], 'publish', body)).duplicate, true);
	assert.equal(gotten(s, 'e').length, 1);
	s.close();
});

test('rooms of all hosts, with how many are in them, in pages', async () => {
	const all = [];
	for (const [i, d] of list.entries())
		for (const room of ['everywhere', `of ${i}`, 'q"uote/\u00fc'])
			all.push(await member(d, room));
	const whole = [
		{ room: 'everywhere', sessions: 3 }, { room: 'of 0', sessions: 1 },
		{ room: 'of 1', sessions: 1 }, { room: 'of 2', sessions: 1 },
		{ room: 'q"uote/\u00fc', sessions: 3 }];
	for (const d of list) {
		assert.deepEqual(await get(d, 'rooms/chat'),
		    { rooms: whole, complete: true });
		const rooms = [];
		let cursor = '', pages = 0;
		do {
			const r = await get(d, `rooms/chat?limit=2&cursor=${
			    encodeURIComponent(cursor)}`);
			assert.equal(r.complete, true);
			assert.ok(r.rooms.length <= 2);
			rooms.push(...r.rooms);
			cursor = r.next;
			pages++;
		} while (cursor !== undefined);
		assert.deepEqual(rooms, whole);
		assert.equal(pages, 3);
	}
	assert.deepEqual(await get(list[1], 'rooms/other'),
	    { rooms: [], complete: true });
	closeAll(all);
	await until(async () => (await get(list[0], 'rooms/chat')).rooms
	    .length === 0, 'nobody');
});

test('rooms that come and go do not hide those that stay', async () => {
	const stay = [];
	for (let i = 0; i < 60; i++)
		stay.push(`s${String(i).padStart(3, '0')}`);
	const members = await Promise.all(list.map((d) => member(d)));
	for (const [i, room] of stay.entries())
		await ask(members[i % 3], 'room:join', { room });
	let busy = true;
	const churn = (async () => {
		for (let i = 0; busy; i++) {
			const room = `s${String(i % 60).padStart(3, '0')}x${i}`;
			await ask(members[i % 3], 'room:join', { room });
			await ask(members[i % 3], 'room:leave', { room });
		}
	})();
	for (const limit of [1, 7, 60]) {
		const seen = [];
		let cursor = '';
		do {
			const r = await get(list[0], `rooms/chat?limit=${limit}&` +
			    `cursor=${encodeURIComponent(cursor)}`);
			seen.push(...r.rooms.map((x) => x.room));
			cursor = r.next;
		} while (cursor !== undefined);
		assert.deepEqual(seen.filter((r) => stay.includes(r)), stay);
		assert.deepEqual(seen, [...seen].sort());
	}
	busy = false;
	await churn;
	closeAll(members);
});

test('who is in a room: sessions, users and hosts, in pages', async () => {
	const all = [await member(list[0], 'a/b', { name: 'ann' }),
		await member(list[1], 'a/b'),
		await member(list[2], 'a/b', { name: 'ann' })];
	const ids = await Promise.all(list.map(idOf));
	assert.equal(new Set(ids).size, 3);
	const want = all.map((s, i) => ({ sid: s.id, user: i === 1 ? null : 'ann',
		host: ids[i] })).sort((x, y) => x.sid < y.sid ? -1 : 1);
	for (const d of list) {
		assert.deepEqual(await get(d, 'rooms/chat/a%2Fb'),
		    { room: 'a/b', sessions: want, complete: true });
		assert.deepEqual(await get(d, 'rooms/chat/a/b?limit=2'),
		    { room: 'a/b', sessions: want.slice(0, 2),
			next: want[1].sid, complete: true });
		assert.deepEqual(await get(d, 'rooms/chat/a/b?limit=2&cursor=' +
		    want[1].sid), { room: 'a/b', sessions: want.slice(2),
			complete: true });
	}
	closeAll(all);
});

test('a user: sessions, rooms and hosts', async () => {
	const all = [await member(list[0], 'x', { name: 'cyd' }),
		await member(list[2], 'y', { name: 'cyd', nsp: '/other' })];
	const ids = await Promise.all(list.map(idOf));
	const want = [{ sid: all[0].id, namespace: '/chat', host: ids[0],
		rooms: ['x'] }, { sid: all[1].id, namespace: '/other',
		host: ids[2], rooms: ['y'] }].sort((x, y) =>
		x.sid < y.sid ? -1 : 1);
	for (const d of list)
		assert.deepEqual(await get(d, 'users/cyd'), { user: 'cyd',
			hosts: want.map((w) => w.host), sessions: want,
			complete: true });
	/* of a key for one namespace no more than that */
	assert.deepEqual(await get(list[1], 'users/cyd', 'one'), { user: 'cyd',
		hosts: [ids[2]], sessions: want.filter((w) =>
			w.namespace === '/other'), complete: true });
	assert.deepEqual(await get(list[1], 'users/nobody/'), { user: 'nobody',
		hosts: [], sessions: [], complete: true });
	closeAll(all);
});

test('a host that hangs is not waited for longer than 2 seconds', async () => {
	const s = await member(list[2], 'stuck', { name: 'eve' });
	const { pid } = list[2].worker(1);
	process.kill(pid, 'SIGSTOP');
	try {
		for (const [method, path, body, want] of [
		    ['POST', 'users/eve/rooms', { namespace: 'chat', join: 'z' },
			    { sessions: 0, complete: false }],
		    ['GET', 'rooms/chat/stuck', undefined, { room: 'stuck',
			    sessions: [], complete: false }],
		    ['GET', 'users/eve', undefined, { user: 'eve', hosts: [],
			    sessions: [], complete: false }]]) {
			const r = await call(list[0], method, path, body);
			assert.equal(r.status, 200);
			assert.deepEqual(r.body, want);
		}
	} finally {
		process.kill(pid, 'SIGCONT');
	}
	await until(async () => (await get(list[0], 'rooms/chat/stuck'))
	    .complete, 'all answer again', 20000);
	const n = await list[0].counts('far_asks_partly', (v) => v >= 3);
	assert.ok(n === undefined || n >= 3);
	s.close();
	await calm();
});

test('a host that is killed is missing until the others know that it is gone',
    async (t) => {
	const own = await hosts((url) => conf(url).replaceAll('auth = optional',
	    'auth = optional presence = query'), [1, 1]);
	const [a, b] = own.list;
	t.after(() => unhost({ ...own, list: [a] }));
	for (const d of own.list)
		await d.counts('nodes_known', 1);
	const s = await connect(b, '/chat');
	await post(b, 'rooms', { namespace: '/chat', sid: s.id, join: 'gone' });
	assert.deepEqual((await get(a, 'rooms/chat')),
	    { rooms: [{ room: 'gone', sessions: 1 }], complete: true });
	b.check = () => {};
	for (const pid of [b.pid, ...b.children().map((x) => x.pid)])
		process.kill(pid, 'SIGKILL');
	await until(async () => (await own.cli.do('PUBSUB', 'NUMSUB',
	    'roost:asks'))[1] === 1, 'its link to end');
	assert.equal((await get(a, 'rooms/chat')).complete, false);
	await until(async () => await a.metric('nodes_known') === 0,
	    'it to be forgotten', 30000);
	assert.deepEqual(await get(a, 'rooms/chat'),
	    { rooms: [], complete: true });
	s.close();
});

test('without Redis nobody waits, and the answer is not complete', async () => {
	await Promise.all(list.map((d) => connected(d)));
	const s = await member(list[0], 'here', { name: 'fay' });
	s.on('e', (...a) => a.at(-1)('yes'));
	await redis.kill();
	await connected(list[0], false);
	assert.deepEqual(await get(list[0], 'users/fay').then((r) =>
		[r.sessions.length, r.complete]), [1, false]);
	const r = await post(list[0], 'publish', { namespace: 'chat',
		room: 'here', event: 'e', ack: true });
	assert.deepEqual([r.asked, r.answered, r.complete], [1, 1, false]);
	assert.deepEqual(await post(list[0], 'users/fay/disconnect', {}),
	    { disconnected: 1, complete: false });
	await redis.again();
	await Promise.all(list.map((d) => connected(d)));
	await until(async () => (await get(list[0], 'users/fay')).complete,
	    'all of them again', 20000);
	s.close();
});

test('HEAD has the length of the answer, and no body', async () => {
	for (const path of ['rooms/chat', 'rooms/chat/x', 'users/ann', 'stats',
	    'presence/chat']) {
		const g = await call(list[0], 'GET', path);
		const h = await call(list[0], 'HEAD', path);
		assert.equal(h.status, 200, path);
		assert.equal(h.body, undefined);
		if (path !== 'stats')
			assert.equal(h.headers.get('content-length'),
			    g.headers.get('content-length'), path);
	}
	/* and what follows is heard */
	await get(list[0], 'rooms/chat');
});
