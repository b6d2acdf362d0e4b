/*
 * Another section redis takes effect with a reload, by a new link beside the
 * old one: stock clients stay, who is there stays, and what they say arrives
 * once, or they are told of a gap.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { ask, connect, gotten } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Daemon, sleep, slow, until } from './lib/daemon.mjs';
import { CALL, ERROR, Inject, ROLE } from './lib/inject.mjs';
import { distant, freePort, Redis } from './lib/redis.mjs';
import { user } from './lib/token.mjs';

const section = (s) => s === '' ? '' : `redis { ${s} linger = 20s }\n`;
const at = (redis, more = '') => section(`url = "${redis.url}" ${more}`);
const conf = (redis) => `drain_time = 1s
${stopTime}${jwt}
${redis}presence { leave_grace = 200ms }
namespace "/chat" { auth = optional presence = namespace
    room "{any}" { join = open }
    event "say" { to = room:room }
    event "tell" { to = room:room ack = delivered } }
`;
const health = async (d) => (await fetch(d.url('/health'))).json();
const times = (d, words) => d.log.split(words).length - 1;

let one, two, cli1, cli2;
before(async () => {
	[one, two] = await Promise.all([Redis.start(), Redis.start()]);
	[cli1, cli2] = await Promise.all([one.client(), two.client()]);
});
after(async () => {
	cli1.close();
	cli2.close();
	await one.kill();
	await two.kill();
});

async function start(redis, workers = 2) {
	const d = await Daemon.start({ workers, conf: conf(redis) });
	if (redis !== '')
		await until(async () => await d.metric('redis_connected') === 1,
		    'Redis to be connected', 10000);
	return d;
}
/* Until the others have left; the relay stays. */
async function reload(d, was, is) {
	const n = times(d, ' reloaded '), m = times(d, ' turned ');
	const text = fs.readFileSync(d.file, 'utf8'), pid = d.relay().pid;
	assert(text.includes(was));
	fs.writeFileSync(d.file, text.replace(was, is));
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' reloaded ') > n, 'the reload', 15000);
	await until(() => times(d, ' turned ') > m, 'the others to leave', 20000);
	assert.equal(d.relay().pid, pid);
}
const changed = (d, n = 1) => until(async () =>
	await d.metric('redis_changes') >= n, 'another link', 15000);

/* A client that may not be disconnected, in the room. */
async function member(d, name) {
	const s = await connect(d, '/chat', { reconnection: true,
		auth: { token: user(name) } });
	s.ends = 0;
	s.on('disconnect', () => s.ends++);
	assert.equal((await ask(s, 'room:join', { room: 'r' })).error,
	    undefined);
	return s;
}
/* So many hosts listen to the room. */
const listened = (cli, n, prefix = 'roost:') => until(async () =>
	Number((await cli.do('PUBSUB', 'NUMSUB', `${prefix}to:5:/chat:rr`))[1])
	=== n, `${n} hosts to listen`, 10000);
const numbers = (s, from) => gotten(s, 'say').map(([x]) => x)
    .filter((x) => x.from === from).map((x) => x.i);
const gaps = (s) => gotten(s, 'roost:gap').length;
const said = (s, name) => gotten(s, 'presence:update').map((a) => a[0])
    .filter((u) => u.user === name)
    .map((u) => (u.room ? u.present ?? u.status : u.status));
const left = (s, name) => said(s, name).some((x) => x === 'offline' ||
    x === false);

/* Each says numbered events, as many as this machine passes on without falling
 * behind, until stopped; how many. */
function talk(list) {
	let on = true;
	const flows = list.map(async ([s, from]) => {
		let i = 0;
		for (; on; i++) {
			s.emit('say', { room: 'r', from, i });
			if (i % 5 === 4)
				await sleep(2 * slow);	/* a pace */
		}
		return i;
	});
	return async () => {
		on = false;
		return Promise.all(flows);
	};
}
const all = (n) => [...Array(n).keys()];
/* In order, once each; and all, or there was a gap. */
function orderly(s, from, n) {
	const got = numbers(s, from);
	assert.deepEqual(got, [...new Set(got)].sort((a, b) => a - b),
	    'once, in order');
	if (got.length < n)
		assert.ok(gaps(s) > 0, `${got.length} of ${n}, without a gap`);
	return got.length === n;
}

test('another server, one host after the other: all is heard', async () => {
	const [a, b] = [await start(at(one)), await start(at(one))];
	const s = [await member(a, 'ann'), await member(a, 'amy'),
		await member(a, 'al')];
	const t = [await member(b, 'bob'), await member(b, 'bea')];
	for (const [x, name] of [[s[0], 'bob'], [s[0], 'bea'], [s[0], 'amy']])
		await until(() => said(x, name).includes('online'), name, 20000);
	await listened(cli1, 2);
	const stop = talk([[s[0], 'ann'], [s[1], 'amy'], [t[0], 'bob']]);
	await until(() => numbers(t[1], 'ann').length > 50 &&
	    numbers(s[2], 'bob').length > 50, 'the beginning');
	await reload(a, one.url, two.url);
	await changed(a);
	await a.counts('redis_links', 2);
	/* both hear of each other by the old one */
	const at1 = numbers(t[1], 'ann').length, at2 = numbers(s[2], 'bob').length;
	await until(() => numbers(t[1], 'ann').length > at1 + 50 &&
	    numbers(s[2], 'bob').length > at2 + 50, 'more');
	await reload(b, one.url, two.url);
	await changed(b);
	await until(() => numbers(t[1], 'ann').length > at1 + 200 &&
	    numbers(s[2], 'bob').length > at2 + 200, 'even more');
	await until(async () => (await health(a)).status === 'healthy' &&
	    (await health(b)).status === 'healthy', 'both to know of each other',
	20000);
	/* the old ones are left, and nothing stays there */
	await reload(a, 'linger = 20s', 'linger = 0s');
	await reload(b, 'linger = 20s', 'linger = 0s');
	await until(async () => (await cli1.do('KEYS', '*')).length === 0,
	    'nothing to be left', 20000);
	const at3 = numbers(t[1], 'ann').length;
	await until(() => numbers(t[1], 'ann').length > at3 + 50, 'the end');
	const [ann, amy, bob] = await stop();
	await until(() => numbers(s[2], 'bob').at(-1) === bob - 1 &&
	    numbers(t[1], 'ann').at(-1) === ann - 1 &&
	    numbers(t[1], 'amy').at(-1) === amy - 1, 'the last', 15000);
	await until(() => numbers(s[2], 'ann').at(-1) === ann - 1 &&
	    numbers(s[2], 'amy').at(-1) === amy - 1 &&
	    numbers(t[1], 'bob').at(-1) === bob - 1, 'the last here');
	/* on the own host nothing is lost, whatever happens */
	assert.deepEqual(numbers(s[2], 'ann'), all(ann));
	assert.deepEqual(numbers(s[2], 'amy'), all(amy));
	assert.deepEqual(numbers(t[1], 'bob'), all(bob));
	for (const [x, from, n] of [[s[0], 'bob', bob], [s[1], 'bob', bob],
		[s[2], 'bob', bob], [t[0], 'ann', ann], [t[1], 'ann', ann],
		[t[1], 'amy', amy]])
		orderly(x, from, n);
	assert.deepEqual(numbers(t[1], 'ann'), all(ann));
	assert.deepEqual(numbers(s[2], 'bob'), all(bob));
	for (const x of [...s, ...t]) {
		assert.equal(x.ends, 0);
		assert.ok(gaps(x) > 0);		/* they may have missed some */
		for (const name of ['ann', 'amy', 'al', 'bob', 'bea'])
			assert.equal(left(x, name), false, name);
		x.close();
	}
	await a.stop();
	await b.stop();
});

test('another prefix: nothing stays under the old one', async () => {
	await cli1.do('FLUSHALL');
	const [a, b] = [await start(at(one)), await start(at(one))];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	const here = await member(a, 'amy');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	const prefix = (d) => reload(d, `url = "${one.url}"`,
	    `url = "${one.url}" prefix = "other:"`);
	await prefix(a);
	await prefix(b);
	await changed(a);
	await changed(b);
	const n = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > n + 100, 'more');
	for (const d of [a, b])
		await reload(d, 'linger = 20s', 'linger = 0s');
	const keys = (p) => cli1.do('KEYS', `${p}*`);
	await until(async () => (await keys('roost:presence')).length +
	    (await keys('roost:node')).length === 0, 'the old keys to go', 20000);
	for (const d of [a, b]) {
		await until(async () => await d.metric('redis_links') === 1,
		    'one link', 10000);
		await d.logged(/redis_left url=/);
	}
	assert.equal((await cli1.do('PUBSUB', 'CHANNELS', 'roost:*')).length, 0);
	await until(async () => (await cli1.do('HLEN', 'other:presence:chat'))
	    === 3, 'all in the new one', 20000);
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1, 'the last', 15000);
	/* by Socket.IO's channels in between */
	orderly(s, 'bob', bob);
	orderly(t, 'ann', ann);
	await until(() => numbers(here, 'ann').at(-1) === ann - 1, 'all here');
	assert.deepEqual(numbers(here, 'ann'), all(ann));
	for (const x of [s, t, here]) {
		assert.equal(x.ends, 0);
		assert.ok(!left(x, 'ann') && !left(x, 'bob'));
		x.close();
	}
	await a.stop();
	await b.stop();
});

/* What the new link brings comes long after the same has come by the old one,
 * from hosts that have changed already. */
test('another prefix, by a slow link: nothing comes twice', async () => {
	await cli1.do('FLUSHALL');
	const far = await distant([one.path], 900);
	const [a, b] = [await start(at(one), 1), await start(at(one), 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	await reload(a, `url = "${one.url}"`,
	    `url = "${one.url}" prefix = "other:"`);
	await changed(a);
	await reload(b, `url = "${one.url}"`,
	    `url = "unix:${far.path}" prefix = "other:"`);
	await changed(b);
	const told = gaps(t), n = numbers(t, 'ann').length;
	/* of what may have been lost since then */
	await until(() => gaps(t) > told, 'another gap', 10000);
	await until(() => numbers(t, 'ann').length > n + 100, 'more');
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1, 'the last', 20000);
	orderly(s, 'bob', bob);
	orderly(t, 'ann', ann);
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	await b.stop();
	far.close();
});

/* What has gone by the old link alone, or came by the new one too early, is behind
 * in the old one yet when the new one brings what follows. */
test('another server, from a slow link: nothing overtakes', async () => {
	await cli1.do('FLUSHALL');
	await cli2.do('FLUSHALL');
	const far = await distant([one.path], 900);
	const [a, b] = [await start(at(one), 1),
		await start(at({ url: `unix:${far.path}` }), 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	await until(() => numbers(t, 'ann').length > 50, 'the beginning', 10000);
	/* the one who speaks is there first: it says all by both */
	await reload(a, `url = "${one.url}"`, `url = "${two.url}"`);
	await changed(a);
	await reload(b, `url = "unix:${far.path}"`, `url = "${two.url}"`);
	await changed(b);
	const n = numbers(t, 'ann').length, m = numbers(s, 'bob').length;
	await until(() => numbers(t, 'ann').length > n + 300 &&
	    numbers(s, 'bob').length > m + 300, 'more', 20000);
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1, 'the last', 20000);
	assert.deepEqual(numbers(t, 'ann'), all(ann));
	assert.deepEqual(numbers(s, 'bob'), all(bob));
	await b.counts('far_waited', (k) => k > 10);
	assert.equal(await b.metric('far_unwaited'), 0);
	assert.equal(await b.metric('far_stale'), 0);
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	await b.stop();
	far.close();
});

/* As much waits for that as a queue may have: then it is told as a gap. */
test('another server, from a slow link: what is too much is a gap', async () => {
	await cli1.do('FLUSHALL');
	await cli2.do('FLUSHALL');
	const far = await distant([one.path], 900);
	const [a, b] = [await start(at(one), 1), await start(
	    `limits { bus_queue_bytes = 100KB }\n` +
	    at({ url: `unix:${far.path}` }), 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	await reload(a, `url = "${one.url}"`, `url = "${two.url}"`);
	await changed(a);
	let on = true, ann = 0;
	const flow = (async () => {
		while (on) {
			for (let k = 0; k < 10; k++)
				s.emit('say', { room: 'r', from: 'ann', i: ann++,
					text: 'x'.repeat(3000) });
			await sleep(20);
		}
	})();
	await reload(b, `url = "unix:${far.path}"`, `url = "${two.url}"`);
	await changed(b);
	await b.counts('far_unwaited', (k) => k > 0);
	on = false;
	await flow;
	s.emit('say', { room: 'r', from: 'ann', i: ann++ });
	await until(() => numbers(t, 'ann').at(-1) === ann - 1, 'the last',
	    20000);
	orderly(t, 'ann', ann);
	s.close();
	t.close();
	await a.stop();
	await b.stop();
	far.close();
});

/* What the old link says to servers of Socket.IO is on its way yet when the new
 * one, which has another name among them, begins to listen. */
test('another prefix, from a slow link: nothing comes back', async () => {
	await cli1.do('FLUSHALL');
	const far = await distant([one.path], 900);
	const a = await start(at({ url: `unix:${far.path}` }), 1);
	const s = await member(a, 'ann'), here = await member(a, 'amy');
	await until(async () => (await health(a)).redis.connected,
	    'the slow link', 10000);
	const stop = talk([[s, 'ann']]);
	await until(() => numbers(here, 'ann').length > 100, 'the beginning');
	await reload(a, `url = "unix:${far.path}"`,
	    `url = "${one.url}" prefix = "other:"`);
	await changed(a);
	const own = await a.metric('socketio_own');
	const n = numbers(here, 'ann').length;
	await until(() => numbers(here, 'ann').length > n + 100, 'more');
	await until(async () => await a.metric('socketio_own') > own,
	    'what was on its way', 10000);
	const [ann] = await stop();
	await until(() => numbers(here, 'ann').at(-1) === ann - 1, 'the last');
	assert.deepEqual(numbers(here, 'ann'), all(ann));
	for (const x of [s, here]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	far.close();
});

test('the same Redis, by a slow link: all is heard, once', async () => {
	await cli1.do('FLUSHALL');
	const far = await distant([one.path], 2200);
	const [a, b] = [await start(at(one), 1), await start(at(one), 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	/* always in the same words */
	let n = 0;
	const tick = setInterval(() => {
		n++;
		t.emit('say', { room: 'r', from: 'tick', i: 0 });
	}, 20);
	await reload(a, one.url, `unix:${far.path}`);
	await until(async () => await a.metric('redis_changes') === 1,
	    'another link', 40000);
	await a.logged('same_place=yes');
	const k = numbers(s, 'bob').length;
	await until(() => numbers(s, 'bob').length > k + 100, 'more', 10000);
	await sleep(3000);	/* what is on its way, by now */
	clearInterval(tick);
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1, 'the last', 20000);
	assert.ok(orderly(s, 'bob', bob) && orderly(t, 'ann', ann));
	await until(() => numbers(s, 'tick').length >= n, 'all of them');
	assert.equal(numbers(s, 'tick').length, n);
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	await b.stop();
	far.close();
});

test('back by a slow link, or after none: nothing comes twice', async () => {
	await cli1.do('FLUSHALL');
	const far = await distant([one.path], 1500), slow = `unix:${far.path}`;
	const [a, b] = [await start(at(one), 1), await start(at(one), 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[t, 'bob']]);
	const more = async () => {
		const n = numbers(s, 'bob').length;
		await until(() => numbers(s, 'bob').length > n + 100, 'more',
		    20000);
	};
	/* the one before the last is there yet when it comes */
	await reload(a, one.url, two.url);
	await changed(a);
	await reload(a, two.url, slow);
	await changed(a, 2);
	await more();
	/* what it has is on its way, and its good bye */
	await reload(a, at({ url: slow }), '');
	await a.logged('redis_off');
	await reload(a, 'presence {', `${at(one)}presence {`);
	await changed(a, 3);
	await more();
	await sleep(2000);	/* what is on its way, by now */
	const [bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1, 'the last', 20000);
	orderly(s, 'bob', bob);
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	await b.stop();
	far.close();
});

test('a section that comes, and goes', async () => {
	const [a, b] = [await start(''), await start(at(two), 1)];
	const s = await member(a, 'ann'), here = await member(a, 'amy');
	const t = await member(b, 'bob');
	assert.equal((await health(a)).redis.configured, false);
	const stop = talk([[s, 'ann']]);
	await reload(a, 'presence {', `${at(two)}presence {`);
	await until(async () => (await health(a)).redis.connected, 'Redis');
	await until(() => said(s, 'bob').includes('online') &&
	    said(t, 'ann').includes('online'), 'who is there', 20000);
	await until(() => numbers(t, 'ann').length > 50, 'what they say');
	assert.equal(left(here, 'ann'), false);
	await reload(a, at(two), '');
	assert.equal((await health(a)).redis.configured, false);
	await a.logged(/redis_off before=/);
	/* here he is no more, as he is on another host */
	await until(() => left(s, 'bob') && left(t, 'ann'), 'to be apart', 20000);
	assert.equal(left(here, 'ann'), false);
	await until(async () => await a.metric('redis_links') === 0,
	    'no link', 10000);
	/* who waits for receivers is told of those that there are */
	const last = numbers(t, 'ann').length;
	const ack = await ask(s, 'tell', { room: 'r' });
	assert.equal(ack.error, undefined);
	await sleep(100);	/* in which they might hear */
	assert.equal(numbers(t, 'ann').length, last);
	const [ann] = await stop();
	await until(() => numbers(here, 'ann').at(-1) === ann - 1, 'all here');
	assert.deepEqual(numbers(here, 'ann'), all(ann));
	await until(async () => (await cli2.do('HLEN', 'roost:presence:chat'))
	    === 1, 'one to be there', 20000);
	for (const x of [s, here, t]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	await b.stop();
});

test('one that is not there: the old link serves until it is', async () => {
	const port = await freePort();
	const [a, b] = [await start(at(one)), await start(at(one), 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	await reload(a, one.url, `redis://127.0.0.1:${port}`);
	/* before, it is being connected */
	await until(async () => /Redis cannot be reached/
	    .test((await health(a)).reason), 'it to be told');
	assert.equal((await health(a)).status, 'degraded');
	await a.logged(new RegExp(`redis_trouble url=redis://127.0.0.1:${
	    port} `));
	await a.counts('redis_links', 2);
	await a.counts('redis_changes', 0);
	let n = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > n + 100, 'the old one');
	/* the old one again: as if nothing had been */
	await reload(a, `redis://127.0.0.1:${port}`, one.url);
	await until(async () => (await health(a)).status === 'healthy', 'health');
	await a.counts('redis_links', 1);
	await reload(a, one.url, `redis://127.0.0.1:${port}`);
	assert.deepEqual([gaps(s), gaps(t)], [0, 0]);
	const three = await Redis.start({ port });
	await changed(a);
	await until(async () => (await health(a)).redis.connected, 'Redis');
	n = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > n + 100, 'both');
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1, 'the last', 15000);
	assert.ok(orderly(s, 'bob', bob) && orderly(t, 'ann', ann));
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		assert.ok(!left(x, 'ann') && !left(x, 'bob'));
		x.close();
	}
	await a.stop();
	await b.stop();
	await three.kill();
});

test('another password: one link in the place of the other', async () => {
	const port = await freePort();
	const four = await Redis.start({ port });
	const url = (pw) => `redis://${pw === '' ? '' : `:${pw}@`
	}127.0.0.1:${port}`;
	const [a, b] = [await start(section(`url = "${url('')}"`)),
		await start(section(`url = "${url('')}"`))];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	const cli = await four.client();
	await listened(cli, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	await cli.do('CONFIG', 'SET', 'requirepass', 'secret');
	for (const d of [a, b]) {
		await reload(d, url(''), url('secret'));
		await changed(d);
		await d.logged(/redis_changed \S+ \S+ same_place=yes/);
		assert.doesNotMatch(d.log, /secret/);
		await until(async () => await d.metric('redis_links') === 1,
		    'one link', 10000);
	}
	/* a wrong one is told, and the right one goes on */
	await reload(a, url('secret'), url('wrong'));
	await until(async () => (await health(a)).reason ===
	    'Redis refuses our user or password', 'it to be told');
	const n = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > n + 100, 'more');
	await reload(a, url('wrong'), url('secret'));
	await until(async () => (await health(a)).status === 'healthy', 'health');
	/* the same by another name */
	await reload(a, url('secret'), url('secret').replace('127.0.0.1',
	    'localhost'));
	await changed(a, 2);
	await a.logged('same_place=yes', 2);
	assert.equal(times(a, 'same_place=yes'), 2);
	assert.doesNotMatch(a.log, /node_twin/);
	const m = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > m + 100, 'more');
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1, 'the last', 15000);
	assert.ok(orderly(s, 'bob', bob) && orderly(t, 'ann', ann));
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		assert.ok(gaps(x) > 0);
		assert.ok(!left(x, 'ann') && !left(x, 'bob'));
		x.close();
	}
	cli.close();
	await a.stop();
	await b.stop();
	await four.kill();
});

test('back and forth: no link stays, nobody notices', async () => {
	const d = await start(at(one)), b = await start(at(one));
	const s = await member(d, 'ann'), here = await member(d, 'amy');
	const t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	const stop = talk([[s, 'ann']]);
	for (let i = 0; i < 6; i++) {
		await reload(d, i % 2 ? two.url : one.url,
		    i % 2 ? one.url : two.url);
		await changed(d, i + 1);
	}
	await reload(d, 'linger = 20s', 'linger = 0s');
	await until(async () => await d.metric('redis_links') === 1, 'one link',
	    20000);
	const links = async (cli) => (await cli.do('CLIENT', 'LIST')).split('\n')
	    .filter((l) => / name=roost/.test(l)).length;
	/* those of b, and of d */
	await until(async () => await links(cli1) === 4 &&
	    await links(cli2) === 0, 'four connections', 10000);
	const [ann] = await stop();
	await until(() => numbers(here, 'ann').at(-1) === ann - 1, 'all');
	assert.deepEqual(numbers(here, 'ann'), all(ann));
	orderly(t, 'ann', ann);
	for (const x of [s, here, t]) {
		assert.equal(x.ends, 0);
		assert.ok(!left(x, 'ann') && !left(x, 'bob'));
		x.close();
	}
	await d.stop();
	await b.stop();
});

/* So long a host that has come back may be taken for one that has gone. */
async function stays(cli, names) {
	const there = async () => (await cli.do('HKEYS', 'roost:presence:chat'))
	    .sort().join();
	await until(async () => await there() === names, names, 10000);
	for (const end = Date.now() + 4000; Date.now() < end; await sleep(50))
		assert.equal(await there(), names);
}

test('off and on again, back by another name: all is there', async () => {
	const port = await freePort(), four = await Redis.start({ port });
	const cli = await four.client();
	const url = `redis://127.0.0.1:${port}`;
	const is = section(`url = "${url}"`);
	const [a, b] = [await start(is), await start(is, 1)];
	const s = await member(a, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await reload(a, is, '');
	await reload(a, 'presence {', `${is}presence {`);
	await until(async () => (await health(a)).redis.connected, 'Redis');
	await stays(cli, 'ann,bob');
	await reload(a, url, one.url);
	await changed(a, 2);
	await reload(a, one.url, `redis://localhost:${port}`);
	await changed(a, 3);
	await stays(cli, 'ann,bob');
	for (const x of [s, t]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	cli.close();
	await a.stop();
	await b.stop();
	await four.kill();
});

test('a relay that dies with two links: the next has the new one', async () => {
	const [a, b] = [await start(at(one)), await start(at(one))];
	a.mayDie = true;
	const s = await member(a, 'ann'), here = await member(a, 'amy');
	const t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann'], [t, 'bob']]);
	await reload(a, one.url, two.url);
	await changed(a);
	const n = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > n + 100, 'both');
	await a.counts('redis_links', 2);
	const { pid } = a.relay();
	process.kill(pid, 'SIGKILL');
	await a.next(pid);
	await until(async () => await a.metric('redis_links') === 1 &&
	    (await health(a)).redis.connected, 'the new link', 10000);
	/* apart until the other one comes */
	await until(() => left(s, 'bob'), 'bob to be away', 20000);
	await reload(b, one.url, two.url);
	await changed(b);
	const m = numbers(t, 'ann').length, k = numbers(s, 'bob').length;
	await until(() => numbers(t, 'ann').length > m + 100 &&
	    numbers(s, 'bob').length > k + 100, 'both again', 10000);
	await until(() => said(s, 'bob').at(-1) !== 'offline' &&
	    said(s, 'bob').at(-1) !== false, 'bob', 20000);
	const [ann, bob] = await stop();
	await until(() => numbers(s, 'bob').at(-1) === bob - 1 &&
	    numbers(t, 'ann').at(-1) === ann - 1 &&
	    numbers(here, 'ann').at(-1) === ann - 1, 'the last', 15000);
	/* what the dead one had is lost, and told */
	orderly(s, 'bob', bob);
	orderly(t, 'ann', ann);
	orderly(here, 'ann', ann);
	for (const x of [s, t, here]) {
		assert.equal(x.ends, 0);
		x.close();
	}
	await a.stop();
	await b.stop();
});

test('workers that do not start: the link is as it was', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ workers: 2, conf: conf(at(one)),
		env: inject.env });
	const b = await start(at(one), 1);
	await until(async () => await d.metric('redis_connected') === 1,
	    'Redis to be connected', 10000);
	const s = await member(d, 'ann'), t = await member(b, 'bob');
	await until(() => said(s, 'bob').includes('online'), 'bob', 20000);
	await listened(cli1, 2);
	const stop = talk([[s, 'ann']]);
	fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
	    .replace(one.url, two.url));
	/* the relay has heard of it by then */
	for (let i = 1; i <= 2; i++) {
		inject.arm(CALL.fork, ERROR.EAGAIN, { roles: ROLE.master });
		process.kill(d.pid, 'SIGHUP');
		await until(() => times(d, ' turned ') === i, 'its end', 15000);
		inject.disarm();
		await until(async () => await d.metric('redis_links') === 2 ||
		    await d.metric('redis_changes') % 2 === 0, 'links');
	}
	await d.logged('reload_failed', 2);
	assert.equal(times(d, 'reload_failed'), 2);
	await until(async () => await d.metric('redis_changes') % 2 === 0,
	    'the one before', 15000);
	const n = numbers(t, 'ann').length;
	await until(() => numbers(t, 'ann').length > n + 100, 'more');
	const [ann] = await stop();
	await until(() => numbers(t, 'ann').at(-1) === ann - 1, 'the last');
	orderly(t, 'ann', ann);
	assert.equal(s.ends + t.ends, 0);
	assert.ok(!left(t, 'ann') && !left(s, 'bob'));
	s.close();
	t.close();
	await d.stop();
	await b.stop();
	inject.close();
});
