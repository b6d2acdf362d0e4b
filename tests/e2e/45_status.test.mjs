/*
 * Status: each connection says its own, the user's is the first of invisible,
 * dnd, busy, online, away that one of them says; it lasts as long as they do,
 * over cuts, reloads of the page and of the daemon, and is exact after a kill.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, slow, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, connected, gotten } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const KEY = 'status-key';
const GRACE = Math.round(600 * slow);
const conf = jwt + `
presence { leave_grace = ${GRACE}ms interval = 50ms count_interval = 200ms }
recovery { window = 30s }
drain_time = 1s
api { key "p" { allow = {"presence"} sha256 = "${
	crypto.createHash('sha256').update(KEY).digest('hex')}" } }
namespace "/q" { auth = required presence = query event "n" { to = sender } }
namespace "/i" { auth = required presence = query idle_after = 1s
    event "n" { to = sender } }
namespace "/r" { auth = required presence = rooms
    room "{r}" { join = open } }
namespace "/many" { auth = required presence = rooms presence_list = 10
    room "{r}" { join = open } }
namespace "/few" { auth = required presence = query presence_watch = 2 }
namespace "/same" { auth = required presence = rooms presence_of = rooms
    room "{r}" { join = open } }
namespace "/claim" { auth = required presence = query presence_of = claim
    presence_claim = "friends" }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const as = (name, more) => ({ auth: { token: user(name, more) } });
const set = (s, status) => ask(s, 'presence:set', { status });
const updates = (s, name) => gotten(s, 'presence:update').map((a) => a[0])
	.filter((u) => u.user === name);
const told = (s, name) => updates(s, name).map((u) => u.status).join(' ');
const says = (s, name, words) => until(() => told(s, name) === words && true,
    `${name}: ${words}`).catch((e) => {
	throw new Error(`${e.message}; was: ${told(s, name)}`);
});
const statusOf = async (s, name) =>
	(await ask(s, 'presence:get', { users: [name] })).users[0];
const becomes = (s, name, status) => until(async () =>
	(await statusOf(s, name)).status === status, `${name} ${status}`);
const closeAll = (...l) => l.forEach((s) => s.close());
async function watcher(nsp, ...users) {
	const w = await connect(d, nsp, as(`w-${crypto.randomUUID()}`));
	await ask(w, 'presence:watch', { users });
	return w;
}
async function http(name, nsp = 'q', k = d) {
	const r = await fetch(k.url(`/api/v1/presence/${nsp}/${name}`),
	    { headers: { authorization: `Bearer ${KEY}` } });
	assert.equal(r.status, 200);
	return r.json();
}
const cut = (s) => s.io.engine.transport.ws._socket.destroy();

test('the user has the first status, in their order, of all devices',
async () => {
	const w = await watcher('/q', 'ann');
	const [a, b] = await sioOn(d, [1, 2], '/q', as('ann'));
	await says(w, 'ann', 'online');
	/* of one device, then of another one, on the other worker */
	let words = 'online';
	for (const [s, status, is] of [
		[a, 'away', ''],		/* b is online */
		[b, 'away', 'away'],
		[a, 'busy', 'busy'],
		[b, 'online', ''],		/* busy comes before */
		[b, 'dnd', 'dnd'],
		[a, 'online', ''],
		[b, 'busy', 'busy'],
		[b, 'online', 'online'],
		[a, 'hidden', ''],
		[b, 'hidden', 'away'],
		[a, 'online', 'online'],
	]) {
		const answer = await set(s, status);
		words += is && ` ${is}`;
		assert.equal(answer.status, words.split(' ').at(-1), status);
		await becomes(w, 'ann', words.split(' ').at(-1));
		await says(w, 'ann', words);
	}
	closeAll(a, b, w);
});

test('who goes takes his status along, after the grace', async () => {
	const w = await watcher('/q', 'gus');
	const [a, b] = await sioOn(d, [1, 2], '/q', as('gus'));
	await says(w, 'gus', 'online');
	await set(a, 'busy');
	await says(w, 'gus', 'online busy');
	a.close();
	await says(w, 'gus', 'online busy online');
	/* the one that is left is away: so is the user, after the grace */
	const c = await connect(d, '/q', as('gus'));
	await set(b, 'away');
	await ask(w, 'roost:ping');
	assert.equal((await statusOf(w, 'gus')).status, 'online');
	c.close();
	await says(w, 'gus', 'online busy online away');
	b.close();
	await says(w, 'gus', 'online busy online away offline');
	w.close();
});

test('a hidden tab is away, and never offline', async () => {
	const w = await watcher('/q', 'hal');
	const a = await connect(d, '/q', as('hal'));
	await says(w, 'hal', 'online');
	assert.equal((await set(a, 'hidden')).status, 'away');
	await says(w, 'hal', 'online away');
	assert.equal((await statusOf(w, 'hal')).connections, 1);
	await set(a, 'online');
	await says(w, 'hal', 'online away online');
	closeAll(a, w);
});

test('who is invisible is offline to others, in all that they can ask',
async () => {
	const w = await connect(d, '/r', as('iw'));
	await ask(w, 'presence:watch', { users: ['ian'] });
	await ask(w, 'room:join', { room: 'i' });
	const [a, b] = await sioOn(d, [1, 2], '/r', as('ian'));
	await ask(a, 'room:join', { room: 'i' });
	await until(() => updates(w, 'ian').length === 2, 'ian in the room');
	const mine = await set(a, 'invisible');
	assert.deepEqual([mine.status, mine.connections], ['invisible', 2]);
	/* as a watcher, and as a member of the room */
	await until(() => updates(w, 'ian').length === 4, 'twice offline');
	for (const u of updates(w, 'ian').slice(2))
		assert.deepEqual([u.status, u.connections, u.last_seen],
		    ['offline', 0, null]);
	/* the other device is online, and does not betray it; nor do rooms */
	await ask(b, 'room:join', { room: 'i' });
	await set(b, 'busy');
	const seen = await statusOf(w, 'ian');
	assert.deepEqual(seen, { user: 'ian', status: 'offline', connections: 0,
		last_seen: null });
	const { users } = await ask(w, 'presence:get', { room: 'i' });
	assert.deepEqual(users.map((u) => u.user), ['iw']);
	/* who comes to watch now is told the same */
	const late = await connect(d, '/r', as('il'));
	const first = await ask(late, 'presence:watch', { users: ['ian'] });
	assert.deepEqual(first.users[0], seen);
	/* oneself, and back ends, know it */
	assert.equal((await statusOf(b, 'ian')).status, 'invisible');
	assert.deepEqual(await http('ian', 'r'), { user: 'ian',
		status: 'offline', connections: 2, last_seen: null,
		invisible: true });
	/* to go is no news */
	closeAll(a, b);
	await until(async () => (await http('ian', 'r')).invisible !== true,
	    'ian to be gone');
	const c = await connect(d, '/r', as('eve'));
	await ask(c, 'room:join', { room: 'i' });
	await until(() => updates(w, 'eve').length > 0, 'eve');
	assert.equal(updates(w, 'ian').length, 4);
	assert.equal(updates(late, 'ian').length, 0);
	closeAll(w, c, late);
});

test('silence makes a device away, any event of it online again', async () => {
	const w = await watcher('/i', 'jim');
	const [a, b] = await sioOn(d, [1, 2], '/i', as('jim'));
	await says(w, 'jim', 'online');
	/* b is not silent, so jim is not */
	const beat = setInterval(() => b.emit('n'), 200);
	await new Promise((ok) => setTimeout(ok, 2000));
	assert.equal(told(w, 'jim'), 'online');
	clearInterval(beat);
	await says(w, 'jim', 'online away');
	a.emit('n');
	await says(w, 'jim', 'online away online');
	await says(w, 'jim', 'online away online away');
	/* who is busy stays busy */
	await set(a, 'busy');
	await says(w, 'jim', 'online away online away busy');
	await new Promise((ok) => setTimeout(ok, 1500));
	assert.equal(told(w, 'jim'), 'online away online away busy');
	closeAll(a, b, w);
});

test('a page that is reloaded twenty times makes no event', async () => {
	const w = await watcher('/q', 'kim', 'kit', 'end');
	const [other] = await sioOn(d, [1], '/q', as('kit'));
	await says(w, 'kit', 'online');
	await set(other, 'away');
	await says(w, 'kit', 'online away');
	const end = await connect(d, '/q', as('end'));
	const pages = { kim: await connect(d, '/q', as('kim')),
		kit: await connect(d, '/q', as('kit')) };
	await says(w, 'kit', 'online away online');
	await says(w, 'kim', 'online');
	await set(pages.kim, 'busy');
	await says(w, 'kim', 'online busy');
	for (let i = 0; i < 20; i++)
		for (const name of ['kim', 'kit']) {
			pages[name].close();
			pages[name] = await connect(d, '/q', as(name));
		}
	/* what began to go later is told later */
	end.close();
	await says(w, 'end', 'online offline');
	assert.equal(told(w, 'kim'), 'online busy');
	assert.equal(told(w, 'kit'), 'online away online');
	assert.equal((await statusOf(w, 'kim')).status, 'busy');
	closeAll(w, other, ...Object.values(pages));
});

test('who begins to watch meanwhile is told what the others were', async () => {
	const w = await watcher('/q', 'lou');
	const [one, two] = await sioOn(d, [1, 2], '/q', as('lou'));
	await says(w, 'lou', 'online');
	await set(one, 'away');
	await says(w, 'lou', 'online');
	two.close();
	await becomes(w, 'lou', 'away');
	/* not told yet */
	const late = await connect(d, '/q', as('late'));
	const first = await ask(late, 'presence:watch', { users: ['lou'] });
	const back = await connect(d, '/q', as('lou'));
	await becomes(w, 'lou', 'online');
	await new Promise((ok) => setTimeout(ok, GRACE * 1.5));
	assert.equal([first.users[0].status, ...updates(late, 'lou')
	    .map((u) => u.status)].at(-1), 'online');
	assert.equal(told(w, 'lou').split(' ').at(-1), 'online');
	closeAll(w, late, one, back);
});

test('many changes at once are told as a few, the last one is right',
async () => {
	const w = await watcher('/q', 'max');
	const a = await connect(d, '/q', as('max'));
	await says(w, 'max', 'online');
	for (let i = 0; i < 100; i++) {
		a.emit('presence:set', { status: 'busy' });
		a.emit('presence:set', { status: 'online' });
	}
	await set(a, 'dnd');
	await until(() => told(w, 'max').endsWith('dnd'), 'dnd');
	assert.ok(updates(w, 'max').length < 40, told(w, 'max'));
	await d.counts('presence_coalesced', (n) => n > 0);
	closeAll(a, w);
});

test('a status survives a cut and a reload of the daemon', async () => {
	const w = await watcher('/q', 'ned');
	const s = await connect(d, '/q', { ...as('ned'), reconnection: true,
		reconnectionDelay: 10, reconnectionDelayMax: 50 });
	await says(w, 'ned', 'online');
	await set(s, 'dnd');
	await says(w, 'ned', 'online dnd');
	/* recovered here, or by another worker, and later than the grace */
	for (let i = 0; i < 4; i++) {
		s.io.reconnection(false);
		cut(s);
		await until(() => !s.connected, 'the cut');
		if (i === 0)
			await until(() => told(w, 'ned').endsWith('offline'),
			    'ned to be told as gone');
		s.connect();
		await connected(s);
		assert.equal(s.recovered, true);
		assert.equal((await statusOf(s, 'ned')).status, 'dnd');
	}
	await says(w, 'ned', 'online dnd offline dnd');
	s.io.reconnection(true);
	const n = d.log.split(' turned ').length;
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.split(' turned ').length > n, 'the reload', 15000);
	await until(() => s.connected && w.connected, 'both');
	await becomes(w, 'ned', 'dnd');
	await set(s, 'online');
	await until(() => told(w, 'ned').endsWith('online'), 'online');
	assert.equal(told(w, 'ned'), 'online dnd offline dnd online');
	closeAll(s, w);
});

test('after kill -9 of a worker the status is that of who is left', async () => {
	const k = await Daemon.start({ workers: 2, conf });
	k.mayDie = true;
	const [w] = await sioOn(k, [1], '/q', as('kw'));
	const names = ['busy', 'dnd', 'invisible', 'online'];
	await ask(w, 'presence:watch', { users: names });
	const left = [];
	for (const status of names) {
		/* what is said on the worker that dies, the other one is away */
		const [one, two] = await sioOn(k, [1, 2], '/q', as(status));
		await set(one, 'away');
		await set(two, status);
		await becomes(w, status, status === 'invisible' ? 'offline' :
		    status);
		left.push(one);
	}
	process.kill(k.worker(2).pid, 'SIGKILL');
	for (const name of names) {
		await becomes(w, name, 'away');
		await until(() => told(w, name).endsWith('away'), `${name} away`);
	}
	closeAll(w, ...left);
	await k.stop();
});

test('a client watches no more than presence_watch users', async () => {
	const w = await connect(d, '/few', as('fw'));
	await ask(w, 'presence:watch', { users: ['a', 'b', 'a'] });
	assert.equal(codeOf(await ask(w, 'presence:watch', { users: ['c'] })),
	    'limit');
	await ask(w, 'presence:unwatch', { users: ['a'] });
	assert.equal(codeOf(await ask(w, 'presence:watch', { users: ['c'] })),
	    undefined);
	await d.counts('presence_watches_refused', 1);
	w.close();
});

test('presence_of: whom one may see', async () => {
	const [a, b] = await Promise.all(['ann', 'bob'].map((n) =>
		connect(d, '/same', as(n))));
	for (const what of ['presence:get', 'presence:watch'])
		assert.equal(codeOf(await ask(a, what, { users: ['bob'] })),
		    'forbidden');
	assert.equal((await statusOf(a, 'ann')).status, 'online');
	await ask(a, 'room:join', { room: 'x' });
	await ask(b, 'room:join', { room: 'x' });
	assert.equal((await statusOf(a, 'bob')).status, 'online');
	closeAll(a, b);

	const c = await connect(d, '/claim', as('cyd', { friends: ['dan'] }));
	assert.equal((await statusOf(c, 'dan')).status, 'offline');
	await ask(c, 'presence:watch', { users: ['dan'] });
	assert.equal(codeOf(await ask(c, 'presence:get',
	    { users: ['dan', 'eve'] })), 'forbidden');
	/* another token, and no friend any more */
	await ask(c, 'auth:refresh', { token: user('cyd', { friends: ['eve'] }) });
	const e = await connect(d, '/claim', as('eve'));
	await ask(c, 'presence:watch', { users: ['eve'] });
	const dan = await connect(d, '/claim', as('dan'));
	e.close();
	await until(() => told(c, 'eve').endsWith('offline'), 'eve');
	assert.equal(updates(c, 'dan').length, 0);
	await d.counts('presence_forbidden', 3);
	closeAll(c, dan);
});

test('presence_of = rooms: who is invisible is not told from who is away',
async () => {
	const [w, x, y] = await Promise.all(['ow', 'ox', 'oy'].map((n) =>
		connect(d, '/same', as(n))));
	for (const s of [w, x, y])
		await ask(s, 'room:join', { room: 'o' });
	for (const n of ['ox', 'oy'])
		await becomes(w, n, 'online');
	await set(x, 'invisible');
	y.close();
	for (const what of ['presence:get', 'presence:watch'])
		for (const n of ['ox', 'oy'])
			await until(async () => codeOf(await ask(w, what,
			    { users: [n] })) === 'forbidden', `${what} ${n}`);
	assert.equal((await statusOf(x, 'ox')).status, 'invisible');
	await set(x, 'online');
	await becomes(w, 'ox', 'online');
	/* and in the moment after */
	await set(x, 'invisible');
	x.close();
	await until(async () => (await http('ox', 'same')).connections === 0,
	    'ox to be gone');
	for (let i = 0; i < 5; i++)
		assert.equal(codeOf(await ask(w, 'presence:get',
		    { users: ['ox'] })), 'forbidden');
	w.close();
});

test('a room is asked in pages', async () => {
	const list = await Promise.all(Array.from({ length: 60 }, (_, i) =>
		connect(d, '/r', as(`p-${i}`))));
	await Promise.all(list.map((s) => ask(s, 'room:join', { room: 'p' })));
	const seen = [];
	let cursor = 0;
	do {
		const page = await ask(list[0], 'presence:get',
		    { room: 'p', limit: 20, cursor });
		seen.push(...page.users.map((u) => u.user));
		cursor = page.next ?? 0;
	} while (cursor !== 0);
	assert.deepEqual(seen.sort(), list.map((_, i) => `p-${i}`).sort());
	for (const bad of [{ limit: -1 }, { limit: 'x' }, { cursor: 1.5 },
		{ limit: 1001 }])
		assert.equal(codeOf(await ask(list[0], 'presence:get',
		    { room: 'p', ...bad })), 'bad_request');
	closeAll(...list);
});

test('a large room is told how many it has, not each of them', async () => {
	const w = await connect(d, '/many', as('m-w'));
	const join = async (s, room = 'm') => {
		assert.equal(codeOf(await ask(s, 'room:join', { room })), undefined);
	};
	const named = () => gotten(w, 'presence:update').length;
	const counts = () => gotten(w, 'presence:count').map(([c]) => c.users);
	await join(w);
	const list = await Promise.all(Array.from({ length: 40 }, (_, i) =>
		connect(d, '/many', as(`m-${i}`))));
	for (const s of list.slice(0, 9))
		await join(s);
	await until(() => named() === 10, 'ten names');
	assert.deepEqual(counts(), []);
	const at = Date.now();
	for (const s of list.slice(9))
		await join(s);
	await until(() => counts().at(-1) === 41, 'forty-one');
	assert.equal(named(), 10);
	assert.ok(counts().length <= 2 + (Date.now() - at) / 200,
	    `${counts()} in ${Date.now() - at} ms`);
	assert.deepEqual(gotten(w, 'presence:count')[0][0].room, 'm');
	/* nor of a status; to be asked in pages */
	await set(list[0], 'busy');
	const page = await ask(w, 'presence:get', { room: 'm' });
	assert.equal(page.users.length, 41);
	assert.equal(page.users.find((u) => u.user === 'm-0').status, 'busy');
	/* another connection of somebody is no news */
	const twice = await connect(d, '/many', as('m-1'));
	await join(twice);
	closeAll(twice);
	/* until there are few again, who are named */
	closeAll(...list.slice(9));
	await until(() => counts().at(-1) === 10, 'ten', 10000);
	assert.equal(named(), 10);
	list[8].close();
	await until(() => named() === 11, 'one more');
	assert.deepEqual(gotten(w, 'presence:update').at(-1)[0].present, false);
	await set(list[1], 'dnd');
	await until(() => named() === 12, 'a status');
	assert.equal(counts().at(-1), 10);
	await d.counts('presence_counts', (n) => n > 0);
	closeAll(w, ...list);
});
