/*
 * Events for users who are away: they wait in Redis until the user is back, on
 * whichever host, and back ends hear of them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Group, checkNumbers } from './lib/streams.mjs';
import { user } from './lib/token.mjs';

const conf = (url, more = '') => `
redis { url = "${url}" }
${jwt}
presence { leave_grace = 300ms }
namespace "/dm" { auth = required  presence = query
    event "msg" { to = user:to  offline = queue  ack = delivered }
    event "both" { to = user:to  offline = {queue, push}  ack = accepted }
    event "ring" { to = user:to  offline = push }
    event "hint" { to = user:to }
    ${more}
}
`;
const as = (name) => ({ auth: { token: user(name) } });
const range = (a, b) => Array.from({ length: b - a }, (_, i) => a + i);
const numbers = (s, event = 'msg') => gotten(s, event).map(([x]) => x.i);

let redis, a, b, cli;
before(async () => {
	redis = await Redis.start();
	[a, b] = await Promise.all([2, 1].map((workers) =>
		Daemon.start({ workers, conf: conf(redis.url) })));
	cli = await redis.client();
	for (const d of [a, b]) {
		await connected(d);
		await until(async () => await d.metric('nodes_known') === 1,
		    'the other node', 20000);
	}
});
after(async () => {
	cli.close();
	await a.stop();
	await b.stop();
	await redis.kill();
});

test('what is sent to a user who is away comes with the next connection, once '
    + 'and in order, on any host', async () => {
	const ann = await connect(a, '/dm', as('ann'));
	for (let i = 0; i < 20; i++) {
		const ack = await ask(ann, 'msg', { to: 'bob', i });
		assert.equal(ack.queued, true);
		assert.equal(ack.delivered, 0);
		assert.ok(ack.id && ack.ts);
	}
	const bob = await connect(b, '/dm', as('bob'));
	await heard(bob, 'msg', 20);
	assert.deepEqual(numbers(bob), range(0, 20));
	const [, meta] = gotten(bob, 'msg')[0];
	assert.equal(meta.from, 'ann');
	assert.equal(await cli.do('EXISTS', 'roost:inbox:dm#bob'), 0);
	/* live: on this host, and on the other one */
	await ask(ann, 'msg', { to: 'bob', i: 20 });
	await heard(bob, 'msg', 21);
	const cid = await connect(b, '/dm', as('cid'));
	assert.deepEqual([(await ask(cid, 'msg', { to: 'bob', i: 21 })).queued],
	    [undefined]);
	await heard(bob, 'msg', 22);
	bob.close();
	await a.counts('inbox_queued', (n) => n >= 21);
	const again = await connect(a, '/dm', as('bob'));
	await ask(ann, 'msg', { to: 'bob', i: 0 });
	await heard(again, 'msg', 1);
	assert.deepEqual(numbers(again), [0]);
	again.close();
	ann.close();
	cid.close();
	await b.counts('inbox_delivered', (n) => n >= 20);
});

test('two connections of a user that is on another host get what is sent', async () => {
	const ann = await connect(a, '/dm', as('ann'));
	const one = await connect(b, '/dm', as('dan'));
	const two = await connect(b, '/dm', as('dan'));
	for (let i = 0; i < 10; i++)
		await ask(ann, 'msg', { to: 'dan', i });
	await heard(one, 'msg', 10);
	await heard(two, 'msg', 10);
	assert.deepEqual(numbers(one), range(0, 10));
	assert.deepEqual(numbers(two), range(0, 10));
	for (const s of [ann, one, two])
		s.close();
});

test('of two connections that come at once each event goes to one', async () => {
	const ann = await connect(a, '/dm', as('ann'));
	for (let i = 0; i < 100; i++)
		await ask(ann, 'msg', { to: 'eve', i });
	const both = await Promise.all([a, b].map((d) =>
		connect(d, '/dm', as('eve'))));
	await until(() => both.flatMap((s) => numbers(s)).length === 100,
	    'all of them');
	assert.deepEqual(both.flatMap((s) => numbers(s)).sort((x, y) => x - y),
	    range(0, 100));
	for (const s of [ann, ...both])
		s.close();
});

test('bounds hold: the oldest go, what is too large is refused', async (t) => {
	const d = await Daemon.start({ conf: conf(redis.url,
	    'offline_events = 10  offline_bytes = 20KB')
	    .replace('redis {', 'redis { prefix = "x:"') });
	t.after(() => d.stop());
	await connected(d);
	const ann = await connect(d, '/dm', as('ann'));
	for (let i = 0; i < 25; i++)
		await ask(ann, 'msg', { to: 'fay', i });
	await d.counts('inbox_displaced', (n) => n === 15);
	const large = 'x'.repeat(9000);
	for (let i = 25; i < 28; i++)
		await ask(ann, 'msg', { to: 'fay', i, large });
	assert.equal(codeOf(await ask(ann, 'msg', { to: 'fay',
		large: large.repeat(3) })), 'too_large');
	await d.counts('inbox_refused', (n) => n > 0);
	const fay = await connect(d, '/dm', as('fay'));
	await heard(fay, 'msg', 2);
	assert.deepEqual(numbers(fay), [26, 27]);
	/* one that has waited for too long */
	const old = await connect(d, '/dm', as('gil'));
	old.close();
	await until(async () => (await ask(ann, 'msg', { to: 'gil', i: 1 }))
		.queued, 'gil to be away');
	await ask(ann, 'msg', { to: 'gil', i: 2 });
	const key = 'x:inbox:dm#gil', first = await cli.do('HGET', key, 'h');
	const e = await cli.do('HGET', key, first);
	await cli.do('HSET', key, first, e.replace(/^\d+/, '1000000000000'));
	const gil = await connect(d, '/dm', as('gil'));
	await heard(gil, 'msg');
	assert.deepEqual(numbers(gil), [2]);
	await d.counts('inbox_expired', 1);
	for (const s of [ann, fay, gil])
		s.close();
});

test('back ends are told once of each event for a user who is nowhere', async () => {
	const g = await Group.open(cli, 'roost:offline', 'g');
	const ann = await connect(a, '/dm', as('ann'));
	const hal = await connect(b, '/dm', as('hal'));
	await until(async () => (await cli.do('HEXISTS',
	    'roost:presence:dm', 'hal')) === 1, 'hal to be known');
	await until(async () => await a.metric('presence_mirrored') > 0,
	    'hal to be known to the other host');
	for (let i = 0; i < 5; i++) {
		await ask(ann, 'both', { to: 'hal', i });
		ann.emit('ring', { to: 'hal', i });
		await ask(ann, 'both', { to: 'ida', i });
		ann.emit('ring', { to: 'ida', i });
	}
	await g.until((l) => l.filter((e) => e.type === 'push').length === 10);
	const l = g.list.filter((e) => e.type === 'push');
	assert.ok(l.every((e) => e.room === undefined && e.user === 'ida' &&
	    e.namespace === 'dm'));
	for (const event of ['both', 'ring'])
		assert.deepEqual(l.filter((e) => e.event === event).map((e) =>
			JSON.parse(e.data)[0].i), range(0, 5));
	assert.equal(JSON.parse(l[0].meta).from, 'ann');
	checkNumbers(g.list);
	await heard(hal, 'both', 5);
	await heard(hal, 'ring', 5);
	const ida = await connect(b, '/dm', as('ida'));
	await heard(ida, 'both', 5);
	assert.equal(gotten(ida, 'ring').length, 0);
	for (const s of [ann, hal, ida])
		s.close();
});

test('a thousand users who are away get twenty events each when they are back',
    async () => {
	const n = 1000, each = 20;
	const ann = await connect(a, '/dm', as('ann'));
	for (let i = 0; i < each; i++)
		await Promise.all(range(0, n).map((u) =>
			ask(ann, 'msg', { to: `w${u}`, i })));
	const list = [];
	for (let k = 0; k < n; k += 100)
		list.push(...await Promise.all(range(k, k + 100).map((u) =>
			connect(u % 2 ? a : b, '/dm', as(`w${u}`)))));
	await until(() => list.every((s) => gotten(s, 'msg').length >= each),
	    'all of it', 60000);
	for (const s of list)
		assert.deepEqual(numbers(s), range(0, each));
	for (const s of [ann, ...list])
		s.close();
});

test('who has left before it comes gets it the next time', async () => {
	const ann = await connect(b, '/dm', as('ann'));
	for (let i = 0; i < 10; i++)
		await ask(ann, 'msg', { to: 'leo', i });
	const { pid } = b.relay();
	process.kill(pid, 'SIGSTOP');
	const short = await connect(b, '/dm', as('leo'));
	short.close();
	await b.counts('ns_sockets', 1, 'ns="/dm"');
	process.kill(pid, 'SIGCONT');
	await b.counts('inbox_returned', (n) => n === 10);
	const leo = await connect(b, '/dm', as('leo'));
	await heard(leo, 'msg', 10);
	assert.deepEqual(numbers(leo), range(0, 10));
	assert.equal(gotten(short, 'msg').length, 0);
	ann.close();
	leo.close();
});

test('without Redis the sender is told', async (t) => {
	const r = await Redis.start();
	const d = await Daemon.start({ conf: conf(r.url) });
	t.after(() => d.stop());
	await connected(d);
	const ann = await connect(d, '/dm', as('ann'));
	assert.equal((await ask(ann, 'msg', { to: 'kim' })).queued, true);
	await r.kill();
	await connected(d, false);
	assert.equal(codeOf(await ask(ann, 'msg', { to: 'kim' })),
	    'unavailable');
	const kim = await connect(d, '/dm', as('kim'));
	/* once it is known that nobody can say what waits */
	await until(async () => !codeOf(await ask(ann, 'msg',
	    { to: 'kim', i: 1 })), 'kim to get it');
	await heard(kim, 'msg');
	assert.deepEqual(numbers(kim), [1]);
	await d.counts('inbox_unheard', (x) => x > 0);
	ann.close();
	kim.close();
});

test('what is sent while a user comes is not left behind', async () => {
	const ann = await connect(a, '/dm', as('ann'));
	const cid = await connect(b, '/dm', as('cid'));
	let i = 0;
	for (let round = 0; round < 20; round++) {
		const from = i, sent = [];
		for (let k = 0; k < 10; k++)
			sent.push(ask(ann, 'msg', { to: 'max', i: i++ }));
		const coming = connect(round % 2 ? a : b, '/dm', as('max'));
		for (let k = 0; k < 10; k++)
			sent.push(ask(k % 2 ? ann : cid, 'msg',
			    { to: 'max', i: i++ }));
		for (const ack of await Promise.all(sent))
			assert.equal(codeOf(ack), undefined);
		const max = await coming;
		await heard(max, 'msg', 20);
		assert.deepEqual(numbers(max).sort((x, y) => x - y),
		    range(from, i));
		max.close();
		/* the next ones wait */
		for (const d of [a, b])
			await d.counts('ns_sockets', 1, 'ns="/dm"');
	}
	ann.close();
	cid.close();
});
