/*
 * USR2 to a binary whose shared memory has another layout: for a while two
 * segments are there, and nobody outside can tell.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { ask, connect, gotten, io, once } from './lib/clients.mjs';
import { echo, jwt, listenTls, stopTime } from './lib/conf.mjs';
import { Daemon, sleep, slow, until, within } from './lib/daemon.mjs';
import { held, links } from './lib/held.mjs';
import { as, conf as people, said } from './lib/people.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Redis } from './lib/redis.mjs';
import { user } from './lib/token.mjs';
import { apart, crossfire, fails, next, putFailing, putRelaid, relaid, say,
	times, upgrade, Upgradable, usr2, version } from './lib/upgrade.mjs';

/* who is not ready in time, or has not given all, is slow, perhaps */
const timeout = `${stopTime}binary_timeout = ${Math.min(2 * slow, 5)}s\n`;
const quick = `drain_time = ${Math.min(slow, 4)}s\n${timeout}`;
const exe = (pid) => fs.readlinkSync(`/proc/${pid}/exe`);
const workers = (d) => d.children().filter((c) => c.role === 'worker');
/* The segments that anybody has, mapped or open, by inode. */
function segments(d) {
	const all = new Set();
	for (const pid of [d.pid, ...d.children().map((c) => c.pid)]) {
		const maps = fs.readFileSync(`/proc/${pid}/maps`, 'latin1');
		for (const m of maps.matchAll(/ (\d+) +\/memfd:roostd /g))
			all.add(m[1]);
		for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
			const at = `/proc/${pid}/fd/${fd}`;
			try {
				if (/^\/memfd:roostd /.test(fs.readlinkSync(at)))
					all.add(String(fs.statSync(at).ino));
			} catch { /* it has just been closed */ }
		}
	}
	return [...all];
}
const one = (d) => until(() => segments(d).length === 1,
    () => `one segment: ${segments(d)}`);

test('it takes its place, and clients stay', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const pid = d.pid, before = d.children().map((c) => c.pid);
	const s = await connect(d, '/'), ended = [];
	s.on('disconnect', (why) => ended.push(why));
	await ask(s, 'ask', 1);
	const was = { accepted: await d.metric('connections_accepted'),
		events: await d.metric('ns_events_in', 'ns="/"'),
		started: await d.metric('children_started') };
	const first = segments(d);
	putRelaid(d);
	await upgrade(d);
	await d.logged(/ upgrade_layout users=\d+ why="/);
	await d.logged(new RegExp(
	    ` upgraded version=${next} before=${version}\n`));
	await one(d);
	assert.notDeepEqual(segments(d), first);
	assert.equal(d.pid, pid);
	for (const c of [{ pid }, ...d.children()])
		assert.equal(exe(c.pid), d.bin);
	assert.ok(d.children().every((c) => !before.includes(c.pid)));
	assert.equal(d.children().length, 3);
	assert.equal(await ask(s, 'ask', 2), 2);
	assert.deepEqual(ended, []);
	await d.counts('connections_accepted', (n) => n >= was.accepted);
	await d.counts('ns_events_in', was.events + 1, 'ns="/"');
	await d.counts('children_started', was.started + 3);
	await d.counts('upgrades', 1);
	await d.counts('upgrades_failed', 0);
	await d.counts('generations', 1);
	s.close();
	await d.stop();
});

test('nothing is lost, doubled or reordered, to it and back', async () => {
	const d = await Upgradable.start({ workers: 2, conf: quick + say });
	const [a, b] = await apart(d);
	const ended = [];
	for (const s of [a, b])
		s.on('disconnect', (why) => ended.push(why));
	const cease = await crossfire(d, a, b);
	putRelaid(d);
	await upgrade(d);
	fs.copyFileSync(d.spare, `${d.bin}.new`);
	fs.renameSync(`${d.bin}.new`, d.bin);
	await upgrade(d);
	await sleep(300);	/* of traffic behind the last */
	await cease();
	assert.deepEqual(ended, []);
	assert.equal(times(d, ' upgrade_layout '), 2);
	await d.counts('bus_lost_bytes', 0);
	await d.counts('bus_dropped', 0);
	await d.counts('gaps_told', 0);
	await one(d);
	a.close();
	b.close();
	await d.stop();
});

test('who is online stays so, with a status, and nobody is told', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${jwt}
presence { leave_grace = 0s }
namespace "/q" { auth = required presence = query }
namespace "/r" { auth = required presence = rooms
    room "{r}" { join = open } }\n` });
	const as = (name) => ({ auth: { token: user(name) } });
	const names = Array.from({ length: 12 }, (_, i) => `u${i}`);
	const all = [];
	for (const n of names) {
		const q = await connect(d, '/q', as(n));
		const r = await connect(d, '/r', as(n));
		await ask(q, 'presence:set', { status: 'busy' });
		await ask(r, 'room:join', { room: 'x' });
		all.push(q, r);
	}
	const w = await connect(d, '/q', as('watcher'));
	await ask(w, 'presence:watch', { users: names });
	await until(async () => (await ask(w, 'presence:get',
	    { users: names })).users.every((u) => u.status === 'busy'),
	'all to be busy');
	const heard = () => [w, ...all].map((s) => [
		...gotten(s, 'presence:update'), ...gotten(s, 'presence:join'),
		...gotten(s, 'presence:leave')].length);
	/* in the room each hears of itself and of those who came later */
	const n = [0, ...names.flatMap((_, i) => [0, names.length - i])];
	await until(() => heard().every((k, i) => k === n[i]),
	    () => `all that is told of them: ${heard()}`);
	let asked = 0, on = true;
	const wrong = [];
	/* 1: a worker of the program before does not see those who have gone
	 * over already */
	const stage = () => times(d, ' upgraded ') + times(d, ' turned ');
	/* the log comes by another way, a moment later perhaps */
	const stays = async (at) => {
		await sleep(200 * slow);
		return at === stage();
	};
	const look = (async () => {
		while (on) {
			const at = stage();
			const { users } = await ask(w, 'presence:get',
			    { users: names });
			asked++;
			const bad = users.filter((u) => u.status !== 'busy' ||
			    u.connections < 1);
			if (at !== 1 && bad.length > 0 && await stays(at))
				wrong.push(...bad);
			await sleep(10);
		}
	})();
	putRelaid(d);
	await upgrade(d);
	await sleep(500);	/* in which somebody might be told */
	on = false;
	await look;
	assert.ok(asked > 20, `asked ${asked} times`);
	assert.deepEqual(wrong.slice(0, 3), []);
	assert.deepEqual(heard(), n);
	await d.logged(/ shared_memory_follows users=(\d\d) lost=0/);
	/* and who leaves now is seen to leave */
	all[0].close();
	await until(() => gotten(w, 'presence:update').at(-1)?.[0].status ===
		'offline', 'the leave');
	assert.deepEqual((await ask(w, 'presence:get', { users: ['u1'] }))
	    .users.map((u) => [u.status, u.connections]), [['busy', 1]]);
	[w, ...all].forEach((s) => s.close());
	await d.stop();
});

test('one who leaves in between is told to have left', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${jwt}
presence { leave_grace = 3s }
namespace "/q" { auth = required presence = query }\n` });
	const as = (name) => ({ auth: { token: user(name) } });
	const w = await connect(d, '/q', as('watcher'));
	const gone = await connect(d, '/q', as('gone'));
	const soon = await connect(d, '/q', as('soon'));
	await ask(w, 'presence:watch', { users: ['gone', 'soon'] });
	const told = (name) => gotten(w, 'presence:update').filter(([u]) =>
		u.user === name).map(([u]) => u.status);
	gone.close();	/* the relay waits before it says so */
	await until(async () => (await ask(w, 'presence:get', { users:
	    ['gone'] })).users[0].connections === 0, 'the leave');
	putRelaid(d);
	usr2(d);
	await until(() => d.log.includes(' shared_memory_follows '), 'it');
	soon.close();
	await until(() => d.log.includes(' turned '), 'the upgrade', 15000);
	await until(() => told('gone').at(-1) === 'offline' &&
		told('soon').at(-1) === 'offline',
	() => `both leaves: ${told('gone')} ${told('soon')}`, 10000);
	w.close();
	await d.stop();
});

test('another host sees nobody leave, and hears', async () => {
	const redis = await Redis.start();
	const shared = people(redis.url) + `namespace "/say" { auth = none
	    event "say" { to = namespace meta = off } }\n`;
	const d = await Upgradable.start({ workers: 2, conf: quick + shared });
	const far = await Daemon.start({ workers: 1, conf: shared });
	for (const x of [d, far])
		await until(async () => await x.metric('nodes_known') === 1,
		    'the other node', 20000);
	const w = await connect(far, '/query', as('w'));
	const names = ['a', 'b', 'c', 'd'];
	await ask(w, 'presence:watch', { users: names });
	const all = [];
	for (const n of names)
		all.push(await connect(d, '/query', as(n)));
	await until(() => names.every((n) => said(w, n) === 'online'), 'all');
	const here = await connect(d, '/query', as('here'));
	await ask(here, 'presence:watch', { users: ['w'] });
	const [x, y] = [await connect(d, '/say'), await connect(far, '/say')];
	putRelaid(d);
	await upgrade(d);
	await sleep(1000);	/* in which one might be said to have left */
	await until(() => {	/* a relay has to find its Redis first */
		x.emit('say', [1]);
		y.emit('say', [2]);
		return gotten(x, 'say').some(([a]) => a[0] === 2) &&
			gotten(y, 'say').some(([a]) => a[0] === 1);
	}, 'both to hear each other');
	for (const n of names)
		assert.doesNotMatch(said(w, n), /offline/, n);
	assert.doesNotMatch(said(here, 'w'), /offline/);
	/* nor this one as a whole: a relay that is replaced says no good bye */
	assert.doesNotMatch(far.log, /node_gone/);
	all[0].close();
	await until(() => /offline$/.test(said(w, 'a')), 'the leave', 10000);
	for (const s of [w, here, x, y, ...all])
		s.close();
	await d.stop();
	await far.stop();
	await redis.kill();
});

test('sessions over polling are found, of former generations too',
    async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const all = [], ended = [];
	const more = async (n) => {
		for (let i = 0; i < n; i++) {
			const s = await connect(d, '/',
			    { transports: ['polling'] });
			s.on('disconnect', (why) => ended.push(why));
			all.push(s);
		}
	};
	await more(4);
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' turned ') === 1, 'the reload', 15000);
	await more(4);
	let on = true;
	const busy = all.map(async (s) => {
		for (let i = 0; on; i++) {
			assert.equal(await ask(s, 'ask', i), i);
			await sleep(20);	/* a pace */
		}
	});
	putRelaid(d);
	await upgrade(d);
	await sleep(300);	/* of traffic behind it */
	on = false;
	await Promise.all(busy);
	assert.deepEqual(ended, []);
	await one(d);
	all.forEach((s) => s.close());
	await d.stop();
});

test('nobody who connects is refused', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	let on = true, n = 0;
	const come = Array.from({ length: 3 }, async () => {
		while (on) {
			const s = await connect(d, '/');
			assert.equal(await ask(s, 'ask', 5), 5);
			s.close();
			const r = await request(d.port, 'GET', '/livez');
			assert.equal(r.status, 200);
			n++;
		}
	});
	putRelaid(d);
	await upgrade(d);
	await until(() => n > 50, 'many to have come', 20000);
	on = false;
	await Promise.all(come);
	await d.stop();
});

test('those over TLS come back, and hear all until then', async () => {
	const d = await Upgradable.start({ workers: 2, listen: false,
		conf: `drain_time = 4s\n${timeout}` + listenTls() +
		    'listen "127.0.0.1:0" {}\n' + say });
	d.port = d.ports[1];
	const over = [], left = [];
	for (let i = 0; i < 8; i++) {
		const s = io(`https://127.0.0.1:${d.ports[0]}/`, {
			transports: ['websocket'], forceNew: true,
			rejectUnauthorized: false, reconnectionDelay: 50 });
		s.n = [];
		s.on('say', ([n]) => s.n.push(n));
		s.on('disconnect', () => left.push(s));
		await once(s, 'connect');
		over.push(s);
	}
	const p = await connect(d, '/');
	p.on('disconnect', () => left.push(p));
	putRelaid(d);
	usr2(d);
	await until(() => d.log.includes(' given '), 'the plain one to move',
	    15000);
	/* those who are there still are heard, and hear */
	const here = over.filter((s) => s.connected && !left.includes(s));
	assert.ok(here.length > 0, 'somebody is not given');
	p.emit('say', [1]);
	here[0].emit('say', [2]);
	await until(() => gotten(p, 'say').some(([a]) =>
		a[0] === 2), 'to be heard by who was given');
	await until(() => here.every((s) => s.n.includes(1) ||
		left.includes(s)), 'to hear who was given');
	await until(() => times(d, ' turned ') === 1, 'the drain', 15000);
	await until(() => over.every((s) => s.connected), 'all to come back',
	    10000);
	assert.ok(!left.includes(p));
	assert.equal(left.length, over.length);
	await one(d);
	[p, ...over].forEach((s) => s.close());
	await d.stop();
});

for (const [how, why] of [
	['start-crashes', 'it crashed: SEGV'],
	['start-hangs', 'it hung'],
	['late-crashes', 'it crashed: SEGV'],
	['soon-aborts', 'it crashed: ABRT'],
	['wsoon-aborts', 'one of them ended, or could not be started'],
	['worker-ends', 'one of them ended, or could not be started'],
	['worker-hangs', 'not ready in time'],
]) {
	test(`one that does not do (${how}) is left for the one before`,
	    async () => {
		const d = await Upgradable.start({ workers: 2,
			conf: `${quick}${say}` });
		d.mayDie = /^w/.test(how);
		const first = segments(d), [a, b] = await apart(d);
		const cease = await crossfire(d, a, b);
		const other = `${d.bin}.relaid`;
		fs.writeFileSync(other, relaid(), { mode: 0o755 });
		putFailing(d, how, other);
		const r = await fails(d, 20000);
		assert.match(r.log, / upgrade_layout /);
		assert.match(r.log, new RegExp(
		    ` upgrade_rolled_back version=${version} why="${why}"`));
		assert.deepEqual(r.after, r.before);
		assert.deepEqual(segments(d), first);
		await sleep(300);	/* of traffic behind it */
		await cease();
		const n = held(d.pid);
		await fails(d, 20000);
		await until(() => held(d.pid) <= n,
		    () => `no more: ${held(d.pid)} of ${n} descriptors`);
		assert.deepEqual(segments(d), first);
		/* slots that the other had taken are free again */
		putRelaid(d);
		await upgrade(d);
		await d.counts('upgrades', 1);
		await one(d);
		a.close();
		b.close();
		await d.stop();
	});
}

test('four in a row leave nothing behind', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const other = relaid(), same = fs.readFileSync(d.spare);
	let n;
	for (let i = 0; i < 4; i++) {
		fs.writeFileSync(`${d.bin}.new`, i % 2 ? same : other,
		    { mode: 0o755 });
		fs.chmodSync(`${d.bin}.new`, 0o755);
		fs.renameSync(`${d.bin}.new`, d.bin);
		await upgrade(d);
		await one(d);
		await d.counts('generations', 1);
		n ??= held(d.pid);
		await until(() => held(d.pid) <= n,
		    () => `${n} descriptors: ${links(d.pid)}`);
		for (const c of d.children())
			assert.ok(held(c.pid) <= 60, `${c.title}: ${held(c.pid)}`);
	}
	assert.equal(times(d, ' upgrade_layout '), 4);
	assert.equal(d.children().length, 3);
	await d.stop();
});

for (const who of ['relay', 'worker'])
	test(`a former ${who} that dies meanwhile is replaced`, async () => {
		const d = await Upgradable.start({ workers: 2,
			conf: `${quick}${say}` });
		d.mayDie = true;
		const before = d.children().map((c) => c.pid);
		putRelaid(d);
		usr2(d);
		await until(() => d.log.includes(' upgrading_from '), 'it');
		process.kill(who === 'relay' ? d.relay().pid :
		    workers(d)[0].pid, 'SIGKILL');
		await until(() => times(d, ' turned ') === 1, 'the upgrade',
		    20000);
		await until(() => d.children().length === 3 &&
			d.children().every((c) => !before.includes(c.pid) &&
			    exe(c.pid) === d.bin), 'all to be of it');
		const [a, b] = await apart(d);
		for (const [x, y] of [[a, b], [b, a]]) {
			const got = new Promise((ok) => y.on('say',
			    ([n]) => n === 7 && ok()));
			x.emit('say', [7]);
			await within(got, 'the event');
		}
		await one(d);
		a.close();
		b.close();
		await d.stop();
	});

for (const who of ['relay', 'worker'])
	test(`a former ${who} that dies is of no harm to the way back`,
	    async () => {
		const d = await Upgradable.start({ workers: 2,
			conf: `${quick}${say}` });
		d.mayDie = true;
		const other = `${d.bin}.relaid`, first = segments(d);
		fs.writeFileSync(other, relaid(), { mode: 0o755 });
		putFailing(d, 'worker-hangs', other);
		usr2(d);
		await until(() => d.log.includes(' upgrading_from '), 'it');
		process.kill(who === 'relay' ? d.relay().pid :
		    workers(d)[0].pid, 'SIGKILL');
		await until(() => d.log.includes(' upgrade_rolled_back '),
		    'the way back', 20000);
		await until(() => d.children().length === 3 &&
			d.children().every((c) => exe(c.pid) !== other),
		'all to be of the one before', 10000);
		await until(async () => await d.metric('workers_running') === 2,
		    'both workers');
		const [a, b] = await apart(d);
		const cease = await crossfire(d, a, b);
		await sleep(200);	/* of traffic */
		await cease();
		assert.deepEqual(segments(d), first);
		a.close();
		b.close();
		await d.stop();
	});
