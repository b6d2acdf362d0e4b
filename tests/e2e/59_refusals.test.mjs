/*
 * Redis answers with errors that pass: out of memory, busy with a script,
 * loading, a replica without its master.  Clients are served as ever, what is
 * refused is asked again or told, and each trouble has a begin and an end in
 * the log.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Daemon, slow, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Flow } from './lib/flow.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const conf = (url) => `${jwt}
redis { url = "${url}" }
namespace "/feed" { auth = none }
namespace "/who" { auth = required presence = namespace
    room "{r}" { join = open }
    event "say" { to = room:room self = true ack = delivered } }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
`;
const health = async (d) => (await fetch(d.url('/health'))).json();
const why = (d, words, ms = 20000) => until(async () => {
	const h = await health(d);
	return words === undefined ? h.status === 'healthy' :
	    h.status === 'degraded' && h.reason.includes(words);
}, `/health to say ${words ?? 'healthy'}`, ms);
const lines = (d, what) => d.log.match(new RegExp(what, 'g'))?.length ?? 0;
const as = (name) => ({ auth: { token: user(name) } });

async function withTwo(redis, run) {
	const list = [], admin = await redis.client();
	try {
		for (let i = 0; i < 2; i++)
			list.push(await Daemon.start({ workers: 1,
				conf: conf(redis.url) }));
		for (const d of list)
			await why(d);
		await run(...list, admin, redis);
	} finally {
		for (const d of list)
			await d.stop();
		admin.close();
		await redis.kill();
	}
}

test('out of memory: told, messages flow, and who is here is written later',
async () => withTwo(await Redis.start(), async (a, b, admin) => {
	const w = await connect(b, '/who', as('watcher'));
	await ask(w, 'room:join', { room: 'r' });
	await admin.do('CONFIG', 'SET', 'maxmemory', '1');
	const s = await connect(a, '/who', as('ann'));
	await ask(s, 'room:join', { room: 'r' });
	await why(a, 'Redis refuses commands');
	assert.ok((await health(a)).redis.connected);
	/* it takes publications */
	await until(async () => {
		await ask(s, 'say', { room: 'r' });
		return gotten(w, 'say').length > 0;
	}, 'a message from host to host');
	await a.logged('redis_refuses url=.* said="OOM ');
	assert.equal(lines(a, 'redis_refuses '), 1);
	await a.counts('redis_refusing', 1);
	/* asked again, but not all the time */
	const begin = Date.now(), n = await a.metric('redis_refusals');
	assert.ok(n > 0);
	await until(async () => await a.metric('redis_refusals') > n,
	    'another attempt', 20000);
	await until(() => Date.now() - begin > 3000, 'time');
	assert.ok(await a.metric('redis_refusals') - n <=
	    20 * (Date.now() - begin) / 1000);
	await admin.do('CONFIG', 'SET', 'maxmemory', '0');
	await until(() => gotten(w, 'presence:update').some(([u]) =>
		u.user === 'ann' && u.status === 'online'), 'ann online', 40000);
	await why(a, undefined, 40000);
	assert.equal(lines(a, 'redis_refuses '), 1);
	await a.logged('redis_takes_again ');
	assert.equal(lines(a, 'redis_takes_again '), 1);
	await a.counts('redis_refusing', 0);
	await a.counts('redis_gaps', 0);
	s.close();
	w.close();
}));

test('busy with a script: told, nothing twice, and back', async (t) => withTwo(
    await Redis.start({ args: ['--busy-reply-threshold', '50'] }),
    async (a, b, admin, redis) => {
	const flow = await Flow.open([a, b]);
	await until(async () => (await admin.do('PUBSUB', 'NUMSUB',
	    'roost:to:5:/flow:rall'))[1] === 2, 'both to listen');
	const done = flow.run(100 / slow);
	const other = await redis.client();
	void other.do('EVAL', 'while true do end', '0').catch(() => {});
	await why(a, 'Redis');
	await until(async () => await a.metric('far_lost') > 0, 'a loss');
	await admin.do('SCRIPT', 'KILL');
	await why(a, undefined, 40000);
	await why(b, undefined, 40000);
	flow.stop();
	await done;
	await flow.settle();
	const missing = flow.account();
	const untold = missing.filter((m) => m.acked && !m.told);
	t.diagnostic(`${missing.length} missing, ${untold.length} not told`);
	assert.deepEqual(untold.slice(0, 3).map((m) => ({ from: m.from.k,
		to: m.to.k, i: m.i })), []);
	assert.equal(missing.filter((m) =>
		m.from.daemon === m.to.daemon).length, 0);
	for (const d of [a, b]) {
		assert.ok(lines(d, 'redis_refuses ') <= 1);
		const n = lines(d, 'redis_trouble ');
		if (n > 0)
			await d.logged('redis_connected .* after_ms=', n);
		assert.equal(lines(d, 'redis_connected .* after_ms='), n);
	}
	flow.close();
	other.close();
}));

test('loading: said, and connected when it has', async () => {
	const redis = await Redis.start();
	const admin = await redis.client();
	for (let i = 0; i < 60; i++)
		await admin.do('SET', `k${i}`, 'x'.repeat(2000));
	await admin.do('SAVE');
	admin.close();
	await redis.kill();
	redis.args.push('--key-load-delay', '50000',
	    '--loading-process-events-interval-bytes', '1024');
	const ready = redis.again();
	const d = await Daemon.start({ workers: 1, conf: conf(redis.url) });
	try {
		await why(d, 'Redis answers with errors');
		await until(() => lines(d, 'redis_trouble .*LOADING') > 0,
		    'the log to say so');
		await ready;
		await why(d);
		const trouble = lines(d, 'redis_trouble ');
		assert.ok(trouble <= 2, `${trouble} lines`);
		await d.logged('redis_connected ');
		assert.equal(lines(d, 'redis_connected '), 1);
	} finally {
		await d.stop();
		await ready;
		await redis.kill();
	}
});

test('a replica without its master is none: looked at again', async () => {
	const redis = await Redis.start({ args: ['--replicaof',
	    `127.0.0.1 ${await freePort()}`, '--replica-serve-stale-data', 'no'] });
	const d = await Daemon.start({ workers: 1, conf: conf(redis.url) });
	const admin = await redis.client();
	try {
		await why(d, 'replica');
		await d.logged(/redis_trouble .*MASTERDOWN/);
		await admin.do('REPLICAOF', 'NO', 'ONE');
		await why(d);
		const s = await connect(d, '/feed');
		await admin.do('PUBLISH', 'roost:publish',
		    '{"namespace":"feed","event":"there"}');
		await heard(s, 'there');
		s.close();
		assert.equal(lines(d, 'redis_trouble '), 1);
	} finally {
		await d.stop();
		admin.close();
		await redis.kill();
	}
});
