/*
 * What waits in Redis for users who are away, when something goes wrong just as
 * it is taken.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard, plain } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { user } from './lib/token.mjs';

const conf = (url, more = '') => `
redis { url = "${url}" }
${jwt}
presence { leave_grace = 300ms }
namespace "/dm" { auth = required  presence = query
    event "msg" { to = user:to  offline = queue  ack = delivered }
    ${more}
}
namespace "/dm:b" { auth = required  presence = query
    event "msg" { to = user:to  offline = queue  ack = delivered }
}
`;
const as = (name) => ({ auth: { token: user(name) } });
const range = (a, b) => Array.from({ length: b - a }, (_, i) => a + i);
const numbers = (s, event = 'msg') => gotten(s, event).map(([x]) => x.i);

let redis, d, cli;
before(async () => {
	redis = await Redis.start();
	d = await Daemon.start({ workers: 2, conf: conf(redis.url) });
	cli = await redis.client();
	await connected(d);
});
after(async () => {
	cli.close();
	await d.stop();
	await redis.kill();
});

/* So many wait for this user. */
async function waits(from, to, n) {
	for (let i = 0; i < n; i++)
		assert.equal((await ask(from, 'msg', { to, i })).queued, true);
}

test('names with colons have inboxes of their own', async () => {
	const ann = await connect(d, '/dm', as('ann'));
	const other = await connect(d, '/dm:b', as('ann'));
	await waits(ann, 'b:c', 3);
	const c = await connect(d, '/dm:b', as('c'));
	await ask(other, 'msg', { to: 'c', i: 7 });
	await heard(c, 'msg');
	assert.deepEqual(numbers(c), [7]);
	const bc = await connect(d, '/dm', as('b:c'));
	await heard(bc, 'msg', 3);
	assert.deepEqual(numbers(bc), range(0, 3));
	for (const s of [ann, other, c, bc])
		s.close();
});

test('what a relay that died had taken comes as soon as it may', async () => {
	const ann = await connect(d, '/dm', as('ann'));
	await waits(ann, 'dan', 3);
	const key = (await cli.do('KEYS', 'roost:inbox:*dan'))[0];
	const [s, us] = await cli.do('TIME');
	const now = Number(s) * 1000 + Math.floor(Number(us) / 1000);
	await cli.do('HSET', key, 'l', 'dead.1', 'u', now + 1500);
	const dan = await connect(d, '/dm', as('dan'));
	await heard(dan, 'msg', 3);
	assert.deepEqual(numbers(dan), range(0, 3));
	for (const x of [ann, dan])
		x.close();
});

test('a clock that was set back keeps nobody from it', async () => {
	const ann = await connect(d, '/dm', as('ann'));
	await waits(ann, 'eve', 3);
	const key = (await cli.do('KEYS', 'roost:inbox:*eve'))[0];
	await cli.do('HSET', key, 'l', 'dead.1', 'u', Date.now() + 3600000);
	const eve = await connect(d, '/dm', as('eve'));
	await heard(eve, 'msg', 3);
	assert.deepEqual(numbers(eve), range(0, 3));
	for (const x of [ann, eve])
		x.close();
});

test('a Redis that answers too late loses nothing', async () => {
	const ann = await connect(d, '/dm', as('ann'));
	await waits(ann, 'fay', 10);
	const unheard = await d.metric('inbox_unheard');
	redis.signal('SIGSTOP');
	const fay = await connect(d, '/dm', as('fay'));
	await d.counts('inbox_unheard', (n) => n > unheard);
	redis.signal('SIGCONT');
	await heard(fay, 'msg', 10);
	assert.deepEqual(numbers(fay), range(0, 10));
	for (const x of [ann, fay])
		x.close();
});

test('who is there when the relay is killed gets it from the next one', async () => {
	const ann = await connect(d, '/dm', as('ann'));
	await waits(ann, 'kim', 10);
	redis.signal('SIGSTOP');
	const kim = await connect(d, '/dm', as('kim'));
	d.mayDie = true;
	const { pid } = d.relay();
	process.kill(pid, 'SIGKILL');
	await until(() => (d.relay()?.pid ?? pid) !== pid, 'another relay', 20000);
	redis.signal('SIGCONT');
	await heard(kim, 'msg', 10, 20000);
	/* once more, if the first one had it taken */
	assert.deepEqual(numbers(kim).slice(0, 10), range(0, 10));
	for (const x of [ann, kim])
		x.close();
});

test('what a worker that is killed has not written comes with the next '
    + 'connection', async () => {
	const ann = await connect(d, '/dm', as('ann'));
	await waits(ann, 'gil', 10);
	ann.close();
	const pids = [1, 2].map((slot) => d.worker(slot).pid);
	redis.signal('SIGSTOP');
	const gil = await connect(d, '/dm', as('gil'));
	for (const pid of pids)
		process.kill(pid, 'SIGSTOP');
	redis.signal('SIGCONT');
	await until(async () => await cli.do('HEXISTS', 'roost:inbox:dm#gil',
	    'l') === 1, 'them to be taken');
	for (const pid of pids)
		process.kill(pid, 'SIGKILL');
	await until(() => [1, 2].every((slot) => d.worker(slot) &&
	    !pids.includes(d.worker(slot).pid)), 'other workers', 20000);
	gil.close();
	const again = await connect(d, '/dm', as('gil'));
	await heard(again, 'msg', 10);
	assert.deepEqual(numbers(again), range(0, 10));
	assert.equal(gotten(gil, 'msg').length, 0);
	again.close();
});

test('what comes for a user who reads slowly waits its turn', async (t) => {
	const o = await Daemon.start({ conf: `${conf(redis.url,
	    'offline_bytes = 64MB')}
	    limits { send_queue_bytes = 1MB }`
	    .replace('redis {', 'redis { prefix = "slow:"') });
	t.after(() => o.stop());
	await connected(o);
	const ann = await connect(o, '/dm', as('ann'));
	const text = 'x'.repeat(200000), n = 100;
	for (let i = 0; i < n; i++)
		await ask(ann, 'msg', { to: 'hal', i, text });
	const hal = await plain(o, `/ws/dm?token=${user('hal')}`);
	hal.pause();
	await o.counts('inbox_delivered', (x) => x > 0);
	for (let i = n; i < n + 3; i++)
		assert.equal((await ask(ann, 'msg', { to: 'hal', i })).queued,
		    true);
	/* by then it would have come */
	for (let round = 0; round < 40; round++)
		await Promise.all(range(0, 50).map((i) =>
			ask(ann, 'msg', { to: 'ida', i })));
	assert.ok(await o.metric('inbox_delivered') < n);
	hal.resume();
	await until(() => hal.got.length === n + 3, 'all of it', 20000);
	assert.deepEqual(hal.got.map((m) => m.data.i), range(0, n + 3));
	hal.close();
	ann.close();
});
