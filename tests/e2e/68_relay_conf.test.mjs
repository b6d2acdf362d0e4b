/*
 * The relay goes on by another configuration: no link to Redis is touched,
 * nothing of what flows is lost, and what is new counts.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { ask, connect, gotten } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Daemon, sleep, until } from './lib/daemon.mjs';
import { Redis } from './lib/redis.mjs';
import { user } from './lib/token.mjs';

const conf = (more = '') => `drain_time = 3s
${stopTime}${jwt}
redis { url = "${redis.url}" }
${more}
namespace "/chat" { auth = optional presence = rooms
    room "{any}" { join = open }
    event "say" { to = room:room } }
`;
const extra = `namespace "/more" { auth = optional presence = namespace
    room "{any}" { join = open }
    event "say" { to = room:room } }
`;

let redis, cli;
before(async () => {
	redis = await Redis.start();
	cli = await redis.client();
});
after(async () => {
	cli.close();
	await redis.kill();
});

const start = async (more, opts = {}) => {
	const d = await Daemon.start({ workers: 2, conf: conf(more), ...opts });
	await until(async () => await d.metric('redis_connected') === 1,
	    'Redis to be connected', 10000);
	return d;
};
/* All connections but the test's own, as Redis knows them. */
const links = async () => {
	const own = String(await cli.do('CLIENT', 'ID'));
	return (await cli.do('CLIENT', 'LIST')).split('\n')
	    .map((l) => l.match(/^id=(\d+)/)?.[1])
	    .filter((id) => id !== undefined && id !== own).sort();
};
const channels = async () => (await cli.do('PUBSUB', 'CHANNELS', '*'))
    .map(String);

/* Another configuration in place of this text; those before may still leave. */
async function reload(d, was, is) {
	const n = d.log.split(' configuration_taken').length;
	const m = d.log.split(' reloaded ').length;
	const pid = d.relay().pid, ids = await links();
	const text = fs.readFileSync(d.file, 'utf8');
	assert(text.includes(was));
	fs.writeFileSync(d.file, text.replace(was, is));
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.split(' configuration_taken').length > n &&
	    d.log.split(' reloaded ').length > m, 'the reload', 15000);
	assert.equal(d.relay().pid, pid);
	assert.deepEqual(await links(), ids);
}
/* Connected to who has the new configuration. */
const connectTo = (d, nsp, opts) => until(() =>
	connect(d, nsp, opts).catch(() => false), `namespace ${nsp}`, 15000);
const as = (name) => ({ auth: { token: user(name) } });
const said = (s, name) => gotten(s, 'presence:update').map((a) => a[0])
    .filter((u) => u.user === name)
    .map((u) => (u.room ? u.present ?? u.status : u.status));

test('a leave is told by the new grace, also one that waits', async () => {
	const d = await start('presence { leave_grace = 10m }\n');
	const s = await connect(d, '/chat', as('ann'));
	const t = await connect(d, '/chat', as('bob'));
	for (const c of [s, t])
		await ask(c, 'room:join', { room: 'r' });
	await until(() => said(s, 'bob').length > 0, 'bob to be there');
	const n = gotten(s, 'presence:update').length;
	t.close();
	await until(async () => await d.metric('ns_users', 'ns="/chat"') === 1 ||
	    await d.metric('sessions') === 1, 'bob to be gone');
	await sleep(300);	/* in which somebody might be told */
	assert.equal(gotten(s, 'presence:update').length, n);
	await reload(d, 'leave_grace = 10m', 'leave_grace = 0s');
	await until(() => gotten(s, 'presence:update').length > n,
	    'who waited to be told');
	s.close();
	await d.stop();
});

test('a namespace that comes is heard on other hosts; one that goes is not',
    async () => {
	const [a, b] = [await start(), await start()];
	await reload(a, '', extra);
	await reload(b, '', extra);
	const [s, t] = [await connectTo(a, '/more', as('ann')),
		await connectTo(b, '/more', as('bob'))];
	for (const c of [s, t])
		assert.equal((await ask(c, 'room:join', { room: 'r' })).error,
		    undefined);
	await until(async () => (await channels()).filter((c) =>
	    c.endsWith(':/more:rr')).length === 1 &&
	    Number((await cli.do('PUBSUB', 'NUMSUB', 'roost:to:5:/more:rr'))[1])
	    === 2, 'both to listen');
	assert((await channels()).includes('socket.io-request#/more#'));
	for (let i = 0; i < 100; i++) {
		s.emit('say', { room: 'r', i });
		t.emit('say', { room: 'r', i });
	}
	for (const c of [s, t])
		await until(() => gotten(c, 'say').length === 100, 'all of it');
	assert.deepEqual(gotten(s, 'say').map((x) => x[0].i),
	    [...Array(100).keys()]);
	/* who is there is one set, too */
	await until(() => said(s, 'bob').includes('online'), 'bob on the other',
	    20000);
	await reload(a, extra, '');
	await until(async () => Number((await cli.do('PUBSUB', 'NUMSUB',
	    'roost:to:5:/more:rr'))[1]) === 1, 'one to listen');
	assert.equal(Number((await cli.do('PUBSUB', 'NUMSUB',
	    'socket.io-request#/more#'))[1]), 1);
	/* its users are not there any more, on any host */
	await until(() => said(t, 'ann').includes('offline'), 'ann to be gone',
	    30000);
	await until(async () => (await cli.do('KEYS', 'roost:node:*/more*'))
	    .length + (await cli.do('KEYS', 'roost:node:*presence:more*'))
	    .length === 1, 'the hash to be gone', 20000);
	await a.counts('far_bad', 0);
	/* and comes again where it was */
	await reload(a, '', extra);
	const u = await connectTo(a, '/more', as('cleo'));
	await ask(u, 'room:join', { room: 'r' });
	await until(() => said(t, 'cleo').includes('online'), 'cleo', 20000);
	t.emit('say', { room: 'r', i: -1 });
	await until(() => gotten(u, 'say').length === 1, 'what the other says');
	for (const c of [s, t, u])
		c.close();
	await a.stop();
	await b.stop();
});

test('messages flow while the configuration changes: none is lost', async () => {
	const d = await start('limits { message_bytes = 2KB }\n');
	const s = await connect(d, '/chat', { reconnection: true });
	const body = (i, n = 0) => JSON.stringify({ namespace: '/chat',
		event: 'n', data: { i, pad: 'x'.repeat(n) } });
	let sent = 0, on = true;
	const flow = (async () => {
		while (on) {
			await cli.do('PUBLISH', 'roost:publish', body(sent++));
			if (sent % 20 === 0)
				await sleep(1);		/* a pace */
		}
	})();
	await cli.do('PUBLISH', 'roost:publish', body(-1, 3000));
	await until(async () => await d.metric('redis_refused',
	    'why="size"') === 1 || /larger than message_bytes/.test(d.log),
	    'one to be refused');
	await until(() => sent > 200, 'some');
	for (let kb = 2; kb < 12; kb++)
		await reload(d, `message_bytes = ${kb}KB`,
		    `message_bytes = ${kb + 1}KB`);
	const at = sent;
	await until(() => sent > at + 200, 'more');
	on = false;
	await flow;
	await cli.do('PUBLISH', 'roost:publish', body(-2, 3000));
	await until(() => gotten(s, 'n').at(-1)?.[0].i === -2, 'the last');
	assert.deepEqual(gotten(s, 'n').map((a) => a[0].i),
	    [...Array(sent).keys(), -2]);
	s.close();
	await d.stop();
});

test('presence may begin while Redis is there, and end', async () => {
	const off = 'presence = rooms', on = 'presence = namespace';
	await cli.do('FLUSHALL');
	const d = await start();
	const kept = async () =>
		(await cli.do('KEYS', 'roost:node:*presence:chat*')).length;
	await until(async () => await kept() === 1, 'it to be written');
	await reload(d, off, 'presence = off');
	await until(async () => await kept() === 0, 'nothing to be left');
	await reload(d, 'presence = off', on);
	const s = await connectTo(d, '/chat', as('ann'));
	await until(async () => (await cli.do('KEYS', 'roost:presence:chat'))
	    .length === 1, 'ann in Redis', 20000);
	s.close();
	await d.stop();
	/* of none at all to the first */
	const e = await start('', { conf: conf().replace(off, 'presence = off') });
	await reload(e, 'presence = off', on);
	const t = await connectTo(e, '/chat', as('zoe'));
	await until(async () => (await cli.do('HEXISTS', 'roost:presence:chat',
	    'zoe')) === 1, 'zoe in Redis', 20000);
	await until(async () => await e.metric('presence_stale') === 0,
	    'the others to be known');
	t.close();
	await e.stop();
});
