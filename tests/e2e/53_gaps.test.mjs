/*
 * What does not reach clients is told to them: roost:gap, after Redis, a
 * connection to it, a relay or a worker was away, or a worker did not read.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, sleep, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard, plain } from './lib/clients.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url) => `
redis { url = "${url}" }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish"} } }
namespace "/chat" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = delivered }
    event "may" { to = room:room volatile = true } }
namespace "/other" { auth = none }
route "/ws/bare" { namespace = "/chat" format = bare }
`;

let redis, a, b, cli;
before(async () => {
	({ redis, list: [a, b], cli } = await hosts(conf, [1, 2]));
});
after(() => unhost({ redis, list: [a, b], cli }));

const listened = (key, n, ms) => until(async () => (await cli.do('PUBSUB',
    'NUMSUB', `roost:to:5:/chat:${key}`))[1] === n, `${n} hosts at ${key}`,
ms);
async function publish(d, body) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	assert.equal(r.status, 200);
}
async function member(d, room) {
	const s = await connect(d, '/chat');
	assert.equal((await ask(s, 'room:join', { room })).error, undefined);
	return s;
}
const gaps = (s) => gotten(s, 'roost:gap').map(([g]) => g);
const closeAll = (l) => l.forEach((s) => s.close());
/* The connections of one daemon, by what they are for. */
const connections = async (what) => (await cli.do('CLIENT', 'LIST'))
	.split('\n').filter((l) => l.includes(`name=roostd-${what}`))
	.map((l) => l.match(/^id=(\d+)/)[1]);

test('the connection that listens lost: all here are told, once', async () => {
	const here = await member(b, 'r'), other = await connect(b, '/other');
	const raw = await plain(b, '/ws/bare');
	await listened('rr', 1);
	const was = Date.now(), n = await b.metric('redis_gaps');
	const m = await a.metric('redis_gaps');
	for (const id of await connections('subscriber'))
		await cli.do('CLIENT', 'KILL', 'ID', id);
	for (const s of [here, other]) {
		const [[g]] = await heard(s, 'roost:gap', 1, 15000);
		assert.deepEqual(Object.keys(g), ['from', 'to']);
		assert.ok(g.from < was && g.to >= was && g.to <= Date.now());
	}
	await b.counts('redis_gaps', n + 1);
	await a.counts('redis_gaps', m + 1);
	await connected(a);
	await connected(b);
	await listened('rr', 1);
	const from = await member(a, 'x');
	await ask(from, 'room:join', { room: 'r' });
	from.emit('say', { room: 'r', n: 1 });
	await heard(here, 'say');
	assert.equal(gaps(here).length, 1);
	assert.equal(gaps(other).length, 1);
	/* who sees no names of events is not given what he could not tell */
	assert.ok(!raw.got.some((x) => 'from' in x));
	raw.close();
	closeAll([here, other, from]);
});

test('publications that were not sent: told to their rooms elsewhere',
async () => {
	const [r, q, from, s2] = [await member(b, 'r'), await member(b, 'q'),
		await member(a, 'r'), await member(a, 'r')];
	await ask(from, 'room:join', { room: 'q' });
	await listened('rr', 2);
	await listened('rq', 2);
	/* commands fail; what listens goes on */
	await cli.do('ACL', 'SETUSER', 'default', '-publish');
	const was = Date.now(), lost = await a.metric('far_lost');
	for (let i = 0; i < 5; i++)
		assert.equal((await ask(from, 'say', { room: 'r', i }))
		    .error, undefined);
	from.emit('may', { room: 'q' });
	await heard(s2, 'say', 5);
	await until(async () => await a.metric('far_lost') === lost + 5,
	    'the loss to be counted');
	await cli.do('ACL', 'SETUSER', 'default', '+publish');
	const [[g]] = await heard(r, 'roost:gap', 1, 20000);
	assert.deepEqual(Object.keys(g), ['room', 'from', 'to']);
	assert.equal(g.room, 'r');
	assert.ok(g.from >= was - 1 && g.to <= Date.now() && g.from <= g.to);
	await connected(a);
	await connected(b);
	from.emit('say', { room: 'r', i: 'after' });
	from.emit('say', { room: 'q', i: 'after' });
	await heard(q, 'say');
	await heard(r, 'say');
	assert.equal(gotten(r, 'say').length, 1);
	assert.equal(gaps(r).length, 1);
	/* nothing of theirs was lost; volatile events are not missed */
	for (const s of [q, from, s2])
		assert.deepEqual(gaps(s), []);
	closeAll([r, q, from, s2]);
});

test('Redis away: either side is told when it is back', async () => {
	const list = [await member(a, 'r'), await member(b, 'r')];
	await listened('rr', 2);
	cli.close();
	await redis.kill();
	await connected(a, false);
	await connected(b, false);
	const late = await member(a, 'r');
	for (const [i, s] of list.entries())
		assert.equal((await ask(s, 'say', { room: 'r', i })).error,
		    undefined);
	await heard(late, 'say');
	await redis.again();
	cli = await redis.client();
	for (const s of [...list, late])
		await heard(s, 'roost:gap', 1, 20000);
	await connected(a);
	await connected(b);
	await listened('rr', 2);
	list[0].emit('say', { room: 'r', i: 2 });
	await heard(list[1], 'say');
	assert.deepEqual(gotten(list[1], 'say').map(([x]) => x.i), [2]);
	closeAll([...list, late]);
});

test('a relay killed: clients here and elsewhere are told', async () => {
	const list = [await member(a, 'r'), await member(b, 'r')];
	await listened('rr', 2);
	a.mayDie = true;
	const { pid } = a.relay();
	process.kill(pid, 'SIGKILL');
	for (const s of list)
		await heard(s, 'roost:gap', 1, 20000);
	await until(() => (a.relay()?.pid ?? pid) !== pid, 'another relay');
	await a.counts('relay_starts', 2);
	await connected(a);
	await listened('rr', 2);
	list[0].emit('say', { room: 'r', i: 1 });
	await heard(list[1], 'say');
	closeAll(list);
});

test('a channel that was denied for a while: its members are told',
async () => {
	const was = Date.now();
	await cli.do('ACL', 'SETUSER', 'default', '-subscribe');
	const [here, from] = [await member(b, 'dn'), await member(a, 'dn')];
	const others = [await connect(b, '/chat'), await connect(b, '/other')];
	await connected(b, false);
	assert.equal((await ask(from, 'say', { room: 'dn', n: 1 })).error,
	    undefined);
	await cli.do('ACL', 'SETUSER', 'default', '+subscribe');
	await listened('rdn', 2, 15000);	/* it is asked for now and then */
	await connected(b);
	from.emit('say', { room: 'dn', n: 2 });
	await heard(here, 'say');
	assert.deepEqual(gotten(here, 'say').map(([x]) => x.n), [2]);
	const g = await until(() => gaps(here).find((x) => x.room === 'dn'),
	    'its members to be told', 15000);
	assert.ok(g.from <= Date.now() && g.to >= was);
	/* and nobody else: what is told now is told behind it */
	await publish(a, { namespace: 'chat', event: 'end' });
	await publish(a, { namespace: 'other', event: 'end' });
	for (const s of others) {
		await heard(s, 'end');
		/* of what was before, they may be told only now */
		assert.deepEqual(gaps(s).filter((x) => x.from >= was), []);
	}
	closeAll([here, from, ...others]);
});

test('a channel of Socket.IO that was denied: its namespace is told',
async () => {
	const own = await Redis.start(), adm = await own.client();
	const all = ['resetchannels', '&roost:*', '&socket.io*#/other#',
		'&socket.io#/other#*'];
	await adm.do('ACL', 'SETUSER', 'roostd', 'on', '>pw', '+@all', '~*',
	    ...all, '&socket.io*#/chat#', '&socket.io#/chat#*');
	const d = await Daemon.start({ conf: conf(
	    `unix://roostd:pw@${own.path}`) });
	const s = await connect(d, '/chat'), t = await connect(d, '/other');
	await connected(d);
	await publish(d, { namespace: 'chat', event: 'begin' });
	await publish(d, { namespace: 'other', event: 'begin' });
	await heard(s, 'begin');
	await heard(t, 'begin');
	const before = [gaps(s).length, gaps(t).length];
	/* Redis ends the connection, and the next one lacks a channel */
	await adm.do('ACL', 'SETUSER', 'roostd', ...all);
	await until(() => gaps(s).length === before[0] + 1 &&
	    gaps(t).length === before[1] + 1, 'that gap', 15000);
	await adm.do('ACL', 'SETUSER', 'roostd', '&socket.io*#/chat#',
	    '&socket.io#/chat#*');
	await connected(d);
	await heard(s, 'roost:gap', before[0] + 2, 15000);
	await publish(d, { namespace: 'other', event: 'end' });
	await heard(t, 'end');
	assert.equal(gaps(t).length, before[1] + 1);
	assert.equal(gaps(s).at(-1).room, undefined);
	s.close();
	t.close();
	adm.close();
	await d.stop();
	await own.kill();
});

test('what could not be sent is told though a channel is denied', async () => {
	const [here, from] = [await member(b, 'out'), await member(a, 'out')];
	await listened('rout', 2);
	await cli.do('ACL', 'SETUSER', 'default', '-subscribe');
	const deaf = await member(a, 'deaf');
	await connected(a, false);
	await cli.do('ACL', 'SETUSER', 'default', '-publish');
	const lost = await a.metric('far_lost');
	from.emit('say', { room: 'out', n: 1 });
	await until(async () => await a.metric('far_lost') > lost, 'a loss');
	assert.deepEqual(gaps(here), []);
	await cli.do('ACL', 'SETUSER', 'default', '+publish');
	const [[g]] = await heard(here, 'roost:gap', 1, 15000);
	assert.equal(g.room, 'out');
	await cli.do('ACL', 'SETUSER', 'default', '+subscribe');
	await connected(a);
	closeAll([here, from, deaf]);
});

test('a channel that may not be published to: told once, later', async () => {
	const own = await Redis.start(), adm = await own.client();
	/* all but rooms */
	const some = ['resetchannels', '&roost:pulse:*', '&roost:publish',
		'&roost:to:*:n', '&roost:revocations', '&roost:asks',
		'&roost:answers:*', '&socket.io-re*', '&socket.io#/chat#*',
		'&socket.io#/other#*'];
	await adm.do('ACL', 'SETUSER', 'roostd', 'on', '>pw', '+@all', '~*',
	    'allchannels');
	const [x, y] = await Promise.all([`unix://roostd:pw@${own.path}`,
		own.url].map((url) => Daemon.start({ conf: conf(url) })));
	await connected(x);
	await connected(y);
	const to = await connect(y, '/chat');
	const say = (n) => publish(x, { namespace: 'chat', room: 'r',
		event: 'say', data: n });
	await ask(to, 'room:join', { room: 'r' });
	await until(async () => (await adm.do('PUBSUB', 'NUMSUB',
	    'roost:to:5:/chat:rr'))[1] === 1, 'it to be listened to');
	await adm.do('ACL', 'SETUSER', 'roostd', ...some);
	await connected(x);
	const was = gaps(to).length;
	await say(1);
	await until(async () => await x.metric('far_lost') > 0, 'a loss');
	await until(() => /far_refused namespace="\/chat" name="r" said="NOPERM/
	    .test(x.log), 'words');
	const [noted, told] = [await x.metric('gaps_noted'),
		await x.metric('gaps_told')];
	const errors = await x.metric('redis_errors');
	await sleep(5000);	/* in which more might be counted */
	await x.counts('far_lost', 1);
	await x.counts('gaps_noted', noted);
	await x.counts('gaps_told', told);
	/* after 1, 2, 4 seconds ... */
	await x.counts('redis_errors', (n) => n - errors <= 4);
	assert.equal(gaps(to).length, was);
	await adm.do('ACL', 'SETUSER', 'roostd', 'allchannels');
	await heard(to, 'roost:gap', was + 1, 15000);
	assert.equal(gaps(to).at(-1).room, 'r');
	await x.counts('gaps_told', told + 1);
	await say(2);
	await heard(to, 'say');
	assert.equal(gaps(to).length, was + 1);
	to.close();
	adm.close();
	await x.stop();
	await y.stop();
	await own.kill();
});
