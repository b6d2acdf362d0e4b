/*
 * The service inbox: notifications that are kept, as the stories have them: B3
 * and E3 (lists, counts, marks, preferences, other devices), B6 (who is away), in
 * memory and in Redis, on one host and two.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, deaths, slow, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard, plain }
	from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Group } from './lib/streams.mjs';
import { user } from './lib/token.mjs';
import { Soak } from '../notifications/soak.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = (redis, more = '') => `
${redis ? `redis { url = "${redis}" }` : ''}
${jwt}
${stopTime}
presence { leave_grace = 300ms }
api { key "b" { sha256 = "${sha(KEY)}" allow = {"inbox", "publish"} }
      key "o" { sha256 = "${sha('other')}" allow = {"publish"} } }
namespace "/notifications" { auth = required  presence = query
    inbox = true  inbox_items = 50  inbox_bytes = 64KB
    ${redis ? 'inbox_push = true' : ''} ${more} }
namespace "/short" { auth = required  inbox = true  inbox_keep = 2s }
namespace "/soak" { auth = required  inbox = true  inbox_items = 100 }
namespace "/off" { auth = optional }
route "/ws/bare" { namespace = "/notifications"  format = bare }
`;
const as = (name) => ({ auth: { token: user(name) } });
async function api(d, method, path, body, key = KEY) {
	const r = await fetch(d.url(`/api/v1/inbox/${path}`), { method,
		headers: { Authorization: `Bearer ${key}`,
			...(body ? { 'Content-Type': 'application/json' } : {}) },
		body: body && JSON.stringify(body) });
	return { status: r.status, body: await r.json() };
}
async function create(d, name, body, ns = 'notifications') {
	const r = await api(d, 'POST', `${ns}/${name}`, body);
	assert.equal(r.status, 200, JSON.stringify(r.body));
	return r.body;
}
const on = (d, name, nsp = '/notifications') => connect(d, nsp, as(name));
/* The newest count that a device was told. */
const told = (s) => gotten(s, 'notification:unread_count').map(([c]) => c)
	.reduce((a, b) => (b.version > a.version ? b : a), { version: 0 });
const counts = (s, n) => until(() => told(s).count === n, () =>
	`${n} unread, not ${JSON.stringify(told(s))}`);
let serial = 0;
const fresh = () => `u${++serial}`;

let redis, cli, alone, a, b;
before(async () => {
	redis = await Redis.start();
	[alone, a, b] = await Promise.all([Daemon.start({ workers: 2,
		conf: conf(null) }), ...[2, 1].map((workers) => Daemon.start({
		workers, conf: conf(redis.url) }))]);
	cli = await redis.client();
	await Promise.all([a, b].map((d) => connected(d)));
});
after(async () => {
	cli.close();
	for (const d of [alone, a, b])
		await d.stop();
	await redis.kill();
});

/* The same in memory, and by two hosts with a Redis. */
for (const [where, one, two] of [['in memory', () => alone, () => alone],
	['in Redis', () => a, () => b]]) {
	test(`B3: a notification reaches all devices, and each sees it read: ${
	    where}`, async () => {
		const u = fresh();
		const x = await on(one(), u), y = await on(two(), u);
		await counts(x, 0);
		await counts(y, 0);
		const made = await create(two(), u, { title: 'T', message: 'M',
			type: 'like', priority: 'high', data: { k: [1, 'é'] } });
		assert.equal(made.created, true);
		assert.equal(made.count, 1);
		for (const s of [x, y]) {
			const [[n]] = await heard(s, 'notification:new');
			assert.deepEqual({ ...n, ts: 0 }, { id: made.id, type: 'like',
				title: 'T', message: 'M', priority: 'high',
				data: { k: [1, 'é'] }, ts: 0, read: false });
			assert.ok(Math.abs(n.ts - Date.now()) < 60000);
			await counts(s, 1);
		}
		const got = await ask(x, 'notification:get_unread_count');
		assert.equal(got.count, 1);
		assert.ok(got.version >= told(x).version);
		const read = await ask(x, 'notification:mark_read',
		    { notificationId: made.id });
		assert.deepEqual([read.count, read.ids], [0, [made.id]]);
		for (const s of [x, y]) {
			const [[r]] = await heard(s, 'notification:read');
			assert.deepEqual(r, { ids: [made.id] });
			await counts(s, 0);
		}
		/* again: nothing changes, and nobody is told */
		assert.deepEqual((await ask(y, 'notification:mark_read',
		    { ids: [made.id, 'none'] })).ids, []);
		x.close();
		y.close();
		/* it survives reconnects, and is known of on other devices */
		await create(one(), u, { title: 'two' });
		const z = await on(two(), u);
		await counts(z, 1);
		const l = await ask(z, 'notification:list', {});
		assert.deepEqual(l.notifications.map((n) => [n.title, n.read]),
		    [['two', false], ['T', true]]);
		assert.equal(l.unread, 1);
		z.close();
	});

	test(`B3: pages, filters, marks of all, deletions: ${where}`, async () => {
		const u = fresh(), x = await on(one(), u), y = await on(two(), u);
		for (let i = 0; i < 12; i++)
			await create(i % 2 ? one() : two(), u, { id: `i${i}`,
				title: `${i}`, category: i % 3 ? 'b' : 'a' });
		await counts(x, 12);
		await counts(y, 12);
		let cursor = 0;
		const all = [];
		do {
			const p = await ask(x, 'notification:list',
			    { cursor, limit: 5 });
			assert.ok(p.notifications.length <= 5);
			all.push(...p.notifications.map((n) => n.id));
			cursor = p.next;
		} while (cursor);
		assert.deepEqual(all, [...Array(12).keys()].reverse()
			.map((i) => `i${i}`));
		assert.deepEqual((await ask(y, 'notification:list',
		    { category: 'a' })).notifications.map((n) => n.id),
		['i9', 'i6', 'i3', 'i0']);
		const marked = await ask(y, 'notification:mark_all_read',
		    { category: 'a' });
		assert.equal(marked.count, 8);
		assert.deepEqual(marked.ids.sort(), ['i0', 'i3', 'i6', 'i9']);
		await counts(x, 8);
		assert.equal((await ask(x, 'notification:list', { unread: true }))
			.notifications.length, 8);
		const gone = await ask(x, 'notification:delete',
		    { ids: ['i0', 'i1', 'no'] });
		assert.deepEqual(gone.ids.sort(), ['i0', 'i1']);
		const [[d]] = await heard(y, 'notification:deleted');
		assert.deepEqual(d.ids.sort(), ['i0', 'i1']);
		await counts(y, 7);
		assert.equal((await ask(y, 'notification:mark_all_read')).count, 0);
		await counts(x, 0);
		assert.equal((await ask(x, 'notification:list', { limit: 50 }))
			.notifications.length, 10);
		x.close();
		y.close();
	});

	test(`back ends: once by its id, many users, all that clients may: ${
	    where}`, async () => {
		const u = fresh(), v = fresh(), x = await on(one(), u);
		await counts(x, 0);
		for (let i = 0; i < 3; i++)
			assert.equal((await create(i ? one() : two(), u,
			    { id: 'same', title: 'T' })).created, i === 0);
		await counts(x, 1);
		const many = await api(one(), 'POST', 'notifications',
		    { users: [u, v], title: 'both', data: null });
		assert.equal(many.status, 200);
		assert.deepEqual(many.body.results.map((r) => [r.user, r.created,
			r.count]), [[u, true, 2], [v, true, 1]]);
		await counts(x, 2);
		let l = await api(two(), 'GET', `notifications/${u}?limit=1`);
		assert.equal(l.body.count, 2);
		assert.equal(l.body.notifications[0].title, 'both');
		l = await api(two(), 'GET',
		    `notifications/${u}?limit=1&cursor=${l.body.next}`);
		assert.equal(l.body.notifications[0].id, 'same');
		assert.equal(l.body.next, undefined);
		const read = await api(two(), 'POST', `notifications/${u}/read`,
		    { ids: ['same'] });
		assert.deepEqual([read.body.count, read.body.ids], [1, ['same']]);
		await counts(x, 1);
		assert.deepEqual((await api(one(), 'DELETE',
		    `notifications/${u}/same`)).body.ids, ['same']);
		assert.deepEqual((await api(one(), 'POST',
		    `notifications/${u}/read`, { all: true })).body.count, 0);
		await counts(x, 0);
		x.close();
	});

	test(`a newer one takes the place of one with its collapse key: ${where}`,
	    async () => {
		const u = fresh(), x = await on(one(), u);
		await create(one(), u, { id: '1', title: 'a', collapse: 'k' });
		await ask(x, 'notification:mark_read', { ids: ['1'] });
		await create(two(), u, { id: '2', title: 'b', collapse: 'k' });
		await create(two(), u, { id: '3', title: 'c', collapse: 'k' });
		await create(two(), u, { id: '4', title: 'd' });
		await counts(x, 2);
		assert.deepEqual((await ask(x, 'notification:list'))
			.notifications.map((n) => [n.id, n.read]),
		[['4', false], ['3', false]]);
		x.close();
	});

	test(`E3: muted categories, least priority, quiet hours: ${where}`,
	    async () => {
		const u = fresh(), x = await on(one(), u), y = await on(two(), u);
		assert.deepEqual(await ask(x, 'notification:preferences'), {
			muted: [], least_priority: 'low', quiet_hours: null });
		const p = { muted: ['ads'], least_priority: 'normal',
			quiet_hours: null };
		assert.deepEqual(await ask(x, 'notification:preferences', p), p);
		assert.deepEqual((await heard(y, 'notification:preferences'))[0],
		    [p]);
		await create(one(), u, { id: 'ad', category: 'ads',
			priority: 'urgent' });
		await create(two(), u, { id: 'low', priority: 'low' });
		await create(one(), u, { id: 'yes', category: 'x' });
		await heard(x, 'notification:new');
		await counts(x, 1);
		await counts(y, 1);
		assert.deepEqual(gotten(x, 'notification:new').map(([n]) => n.id),
		    ['yes']);
		/* all are listed; reading what is not counted changes no count */
		assert.deepEqual((await ask(x, 'notification:list'))
			.notifications.map((n) => n.id), ['yes', 'low', 'ad']);
		assert.equal((await ask(x, 'notification:mark_read',
		    { ids: ['ad'] })).count, 1);
		/* now, in this hour */
		const h = new Date(), at = (m) => {
			const t = new Date(h.getTime() + m * 60000);
			return t.toISOString().slice(11, 16);
		};
		const quiet = { from: at(-60), to: at(60), utc_offset: 0,
			deliver: 'silent' };
		await ask(y, 'notification:preferences', { quiet_hours: quiet });
		await create(one(), u, { id: 'hush' });
		const [, [hush]] = await heard(x, 'notification:new', 2);
		assert.equal(hush.silent, true);
		await counts(x, 2);
		await ask(y, 'notification:preferences', { quiet_hours: {
			from: at(60), to: at(120), utc_offset: 90,
			deliver: 'count' } });
		await create(one(), u, { id: 'held' });
		await counts(x, 3);
		assert.equal(gotten(x, 'notification:new').length, 2);
		assert.deepEqual((await api(two(), 'GET',
		    `notifications/${u}/preferences`)).body.quiet_hours.deliver,
		'count');
		x.close();
		y.close();
	});

	test(`bounds: the oldest that are read go first; what is too old, too: ${
	    where}`, async () => {
		const u = fresh(), x = await on(one(), u);
		for (let i = 0; i < 50; i++)
			await create(one(), u, { id: `i${i}` });
		await ask(x, 'notification:mark_read', { ids: ['i7', 'i9'] });
		for (let i = 50; i < 53; i++)
			await create(two(), u, { id: `i${i}` });
		const l = await ask(x, 'notification:list', { limit: 100 });
		const ids = l.notifications.map((n) => n.id);
		assert.equal(ids.length, 50);
		assert.deepEqual(['i0', 'i1', 'i7', 'i9'].map((i) =>
			ids.includes(i)), [false, true, false, false]);
		await counts(x, 50);
		/* bytes: 64 KB of all, one may have half of it */
		const big = 'x'.repeat(20000);
		for (let i = 0; i < 5; i++)
			await create(one(), u, { id: `b${i}`, message: big });
		const r = await ask(x, 'notification:list', { limit: 100 });
		assert.equal(r.notifications.filter((n) => n.message).length, 3);
		assert.equal((await api(one(), 'POST', `notifications/${u}`,
		    { message: big + big })).status, 413);
		x.close();
		/* by time: the count changes by itself, and devices hear of it */
		const z = await on(one(), u, '/short');
		await create(two(), u, { id: 'e', expires: Date.now() + 1200 },
		    'short');
		await counts(z, 1);
		await counts(z, 0);
		await create(two(), u, { id: 'k' }, 'short');
		await counts(z, 1);
		await counts(z, 0);
		assert.deepEqual((await ask(z, 'notification:list'))
			.notifications, []);
		z.close();
	});
}

test('plain WebSocket clients have the same; on a bare route the notification alone',
    async () => {
	const u = fresh(), t = user(u);
	const w = await plain(alone, `/ws/notifications?token=${t}`);
	const bare = await plain(alone, `/ws/bare?token=${t}`);
	await until(() => w.got.some((m) => m.event ===
	    'notification:unread_count' && m.data.count === 0), 'the count');
	await create(alone, u, { id: 'w', title: 'T' });
	await until(() => w.got.some((m) => m.event === 'notification:new'),
	    'it');
	const r = await w.ask('notification:mark_read', { notificationId: 'w' });
	assert.equal(r.data.count, 0);
	await create(alone, u, { id: 'x' });
	await until(() => bare.got.length >= 2, 'both');
	assert.deepEqual(bare.got.map((m) => m.id), ['w', 'x']);
	w.close();
	bare.close();
});

test('what is wrong is refused, with words', async () => {
	const u = fresh(), x = await on(alone, u);
	for (const [event, arg] of [
		['list', { limit: 0 }], ['list', { limit: 101 }],
		['list', { cursor: 'x' }], ['list', { unread: 1 }],
		['list', { category: 7 }], ['mark_read', {}],
		['mark_read', { ids: [] }], ['mark_read', { ids: [1] }],
		['mark_read', { ids: 'i' }], ['delete', { notificationId: '' }],
		['mark_read', { ids: Array(101).fill('i') }],
		['mark_all_read', { category: '' }],
		['preferences', { muted: 'a' }],
		['preferences', { least_priority: 'most' }],
		['preferences', { quiet_hours: { from: '24:00', to: '01:00' } }],
		['preferences', { quiet_hours: { from: '2:00', to: '01:00' } }],
		['preferences', { quiet_hours: { from: '22:00', to: '07:00',
			deliver: 'never' } }],
	])
		assert.equal(codeOf(await ask(x, `notification:${event}`, arg)),
		    'bad_request', `${event} ${JSON.stringify(arg)}`);
	assert.equal(codeOf(await ask(x, 'notification:nothing')),
	    'unknown_event');
	const off = await on(alone, u, '/off');
	assert.equal(codeOf(await ask(off, 'notification:list')),
	    'unknown_event');
	for (const [path, body, status] of [
		[`notifications/${u}`, { titel: 'x' }, 400],
		[`notifications/${u}`, { title: 7 }, 400],
		[`notifications/${u}`, { priority: 'most' }, 400],
		[`notifications/${u}`, { expires: 1 }, 400],
		[`notifications/${u}`, { id: '' }, 400],
		['notifications', { title: 'x' }, 400],
		['notifications', { users: [], title: 'x' }, 400],
		[`notifications/${u}/read`, {}, 400],
		[`notifications/${u}/read/x`, {}, 404],
		[`none/${u}`, { title: 'x' }, 404],
		[`off/${u}`, { title: 'x' }, 404],
	])
		assert.equal((await api(alone, 'POST', path, body)).status,
		    status, `${path} ${JSON.stringify(body)}`);
	assert.equal((await api(alone, 'GET', `notifications/${u}?limit=0`))
		.status, 400);
	assert.equal((await api(alone, 'POST', `notifications/${u}`,
	    { title: 'x' }, 'other')).status, 403);
	x.close();
	off.close();
});

test('B6: back ends are told of what comes for users who are away', async () => {
	const u = fresh(), g = await Group.open(cli, 'roost:offline', 'g');
	const x = await on(b, u);
	await until(async () => (await cli.do('HEXISTS',
	    'roost:presence:notifications', u)) === 1, 'the user to be known');
	await until(async () => await a.metric('presence_mirrored') > 0,
	    'the user to be known to the other host');
	await create(a, u, { id: 'here', title: 'T', collapse: 'k' });
	await heard(x, 'notification:new');
	const away = fresh();
	await create(a, away, { id: 'away', title: 'T', collapse: 'k' });
	await g.until((l) => l.some((i) => i.user === away));
	const [e, ...more] = g.list.filter((i) => i.user === away);
	assert.deepEqual([e.event, e.user, e.namespace],
	    ['notification:new', away, 'notifications']);
	const [n] = JSON.parse(e.data);
	assert.deepEqual([n.id, n.collapse], ['away', 'k']);
	assert.equal(more.length, 0);
	assert.ok(!g.list.some((i) => i.user === u));
	await a.counts('notices_pushed', (n) => n > 0);
	/* and it waits for the user */
	const y = await on(b, away);
	await counts(y, 1);
	x.close();
	y.close();
});

test('PUBLISH roost:publish makes one, once on all hosts', async () => {
	const u = fresh(), x = await on(a, u);
	await counts(x, 0);
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({ inbox: {
		namespace: 'notifications', users: [u], id: 'p1', title: 'T' } }));
	await heard(x, 'notification:new');
	await counts(x, 1);
	const refused = 'code="bad_request"';
	const was = await a.metric('redis_publishes_refused', refused);
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({ inbox: {
		namespace: 'notifications', users: [u], title: 'T' } }));
	await a.counts('redis_publishes_refused', (n) => n > was, refused);
	assert.equal((await ask(x, 'notification:list')).notifications.length, 1);
	x.close();
});

test('a relay that says nothing: 503, errors, and counts as it is back', async () => {
	const u = fresh(), x = await on(alone, u), { pid } = alone.relay();
	await counts(x, 0);
	process.kill(pid, 'SIGSTOP');
	let y;
	try {
		y = await on(alone, u);
		const answers = await Promise.all([
			api(alone, 'POST', `notifications/${u}`, { id: 'q' }),
			ask(x, 'notification:get_unread_count')]);
		assert.equal(answers[0].status, 503);
		assert.equal(codeOf(answers[1]), 'unavailable');
		assert.equal(told(y).count, undefined);
	} finally {
		process.kill(pid, 'SIGCONT');
	}
	/* what was asked meanwhile was done, though it was not known */
	await counts(x, 1);
	await counts(y, 1);
	await alone.counts('notices_unheard', (n) => n > 0);
	await alone.counts('notices_counts', (n) => n > 0);
	/* one that is killed has lost all: a count that is smaller is the newer one */
	alone.mayDie = true;
	assert.doesNotMatch(alone.log, deaths);
	process.kill(pid, 'SIGKILL');
	await alone.next(pid);
	await counts(x, 0);
	await counts(y, 0);
	x.close();
	y.close();
});

test('in memory they go on in another relay', async () => {
	const u = fresh(), x = await on(alone, u);
	await create(alone, u, { id: '1', title: 'kept', category: 'c' });
	await create(alone, u, { id: '2', collapse: 'k' });
	await ask(x, 'notification:mark_read', { ids: ['1'] });
	await ask(x, 'notification:preferences', { muted: ['m'] });
	const pid = alone.relay().pid, n = alone.log.split(' turned ').length;
	process.kill(alone.pid, 'SIGUSR2');
	await until(() => alone.log.split(' turned ').length > n ||
		alone.relay()?.pid !== pid, 'an upgrade', 20000);
	await until(async () => (await api(alone, 'GET', `notifications/${u}`)
		.catch(() => ({}))).status === 200, 'the relay', 20000);
	const l = await api(alone, 'GET', `notifications/${u}`);
	assert.deepEqual(l.body.notifications.map((i) => [i.id, i.read]),
	    [['2', false], ['1', true]]);
	assert.equal(l.body.count, 1);
	assert.deepEqual((await api(alone, 'GET',
	    `notifications/${u}/preferences`)).body.muted, ['m']);
	assert.equal((await create(alone, u, { id: '1' })).created, false);
	await create(alone, u, { id: '3', collapse: 'k' });
	const y = await on(alone, u);
	await counts(y, 1);
	x.close();
	y.close();
});

test('while Redis is away back ends and clients are told; counts come again',
    async () => {
	const u = fresh(), x = await on(a, u), y = await on(b, u);
	await counts(x, 0);
	await counts(y, 0);
	redis.signal('SIGSTOP');
	assert.equal((await api(a, 'POST', `notifications/${u}`, { id: 's' }))
		.status, 503);
	assert.equal(codeOf(await ask(x, 'notification:list')), 'unavailable');
	redis.signal('SIGCONT');
	await cli.do('CLIENT', 'KILL', 'TYPE', 'pubsub');
	await Promise.all([a, b].map((d) => connected(d)));
	await until(async () => (await api(b, 'POST', `notifications/${u}`,
	    { id: 's' })).status === 200, 'Redis to be back', 20000);
	await counts(x, 1);
	await counts(y, 1);
	await a.counts('notices_stale', (n) => n > 0);
	await a.counts('notices_refused', (n) => n > 0);
	x.close();
	y.close();
});

test('what Redis has evicted of a user is not missed for ever', async () => {
	const keys = (u, ...l) => l.map((k) => `roost:inbox:${k}:notifications:${u}`);
	/* which were read: they are unread again, and counted so */
	let u = fresh(), x = await on(a, u);
	for (let i = 0; i < 5; i++)
		await create(a, u, { id: `i${i}` });
	await ask(x, 'notification:mark_read', { ids: ['i0', 'i1', 'i2'] });
	await counts(x, 2);
	assert.equal(await cli.do('DEL', ...keys(u, 'read')), 1);
	assert.equal((await ask(x, 'notification:list')).unread, 5);
	await counts(x, 5);
	assert.equal((await ask(x, 'notification:mark_read',
	    { ids: ['i0', 'i1'] })).count, 3);
	await cli.do('DEL', ...keys(u, 'read'));
	const ids = ['i0', 'i1', 'i2', 'i3', 'i4'];
	assert.deepEqual([(await ask(x, 'notification:delete', { ids })).count,
		(await create(b, u, { id: 'i5' })).count], [0, 1]);
	await counts(x, 1);
	x.close();
	/* each set of keys that may be left */
	for (let set = 1; set < 15; set++) {
		u = fresh();
		x = await on(b, u);
		for (let i = 0; i < 3; i++)
			await create(a, u, { id: `i${i}`, collapse: `c${i}` });
		await ask(x, 'notification:mark_read', { ids: ['i0'] });
		await counts(x, 2);
		await cli.do('DEL', ...keys(u, ...['meta', 'items', 'order',
			'read'].filter((k, i) => set & 1 << i)));
		const { notifications: l, unread } =
		    await ask(x, 'notification:list');
		assert.equal(unread, l.filter((n) => !n.read).length, `${set}`);
		assert.equal((await ask(x, 'notification:get_unread_count'))
			.count, unread, `${set}`);
		const had = l.some((n) => n.id === 'i0');
		const made = await create(b, u, { id: 'i0', collapse: 'c0' });
		assert.deepEqual([made.created, made.count],
		    [!had, unread + (had ? 0 : 1)], `${set}`);
		await create(a, u, { id: 'i9', collapse: 'c1' });
		const now = await ask(x, 'notification:list');
		assert.equal(now.unread, now.notifications.filter((n) => !n.read)
			.length, `${set}`);
		assert.equal((await ask(x, 'notification:delete', { ids: now
			.notifications.map((n) => n.id) })).count, 0, `${set}`);
		x.close();
	}
});

test('the soak: every device has the count of the store', async (t) => {
	const soak = new Soak({ hosts: [a, b], nsp: '/soak', api, users: 12,
		devices: 3, redis });
	t.after(() => soak.close());
	await soak.open();
	for (const d of [a, b]) {
		d.mayDie = true;
		assert.doesNotMatch(d.log, deaths);
	}
	const strikes = [
		async () => process.kill(a.worker(1).pid, 'SIGKILL'),
		async () => process.kill(b.relay().pid, 'SIGKILL'),
		async () => {
			redis.signal('SIGSTOP');
			setTimeout(() => redis.signal('SIGCONT'), 700);
		},
		() => cli.do('CLIENT', 'KILL', 'TYPE', 'pubsub'),
	];
	let k = 0;
	await soak.run(4000 * Math.min(slow, 2), () =>
		strikes[k++ % strikes.length](), 1200);
	await soak.settle();
	t.diagnostic(`${soak}`);
	assert.ok(soak.made > 50 && soak.cuts > 0 && soak.kills > 0);
});
