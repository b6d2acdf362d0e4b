/*
 * E4: documents converge: five clients on three hosts change one document, while
 * connections, workers, relays and Redis are cut by chance; with --long in a
 * thousand schedules.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, sleep } from './lib/daemon.mjs';
import { converge } from './lib/converge.mjs';
import { hosts, unhost } from './lib/hosts.mjs';

const long = process.env.E2E_LONG === '1';
const spaces = `
recovery { window = 0s }
limits { handshake_timeout = 10s }
namespace "/c" { auth = none
    room "doc:{id}" { join = open documents = true history = 8 } }
`;
let all, alone;
before(async () => {
	all = await hosts((url) => `redis { url = "${url}" }\n${spaces}`,
	    [2, 2, 2]);
	alone = await Daemon.start({ workers: 2, conf: spaces });
	[...all.list, alone].forEach((d) => { d.mayDie = true; });
});
after(async () => {
	await unhost(all);
	await alone.stop();
});

const pick = (list, rnd) => list[rnd(list.length)];
const kill = (pid) => { try { process.kill(pid, 'SIGKILL'); } catch { /* gone */ } };
async function killOne(list, role, rnd) {
	const d = pick(list, rnd);
	const c = pick(d.children().filter((x) => x.role === role), rnd);
	if (c !== undefined)
		kill(c.pid);
}
/* What may happen where there is a Redis. */
const strikes = [
	(rnd) => killOne(all.list, 'worker', rnd),
	(rnd) => killOne(all.list, 'relay', rnd),
	async (rnd) => {
		process.kill(all.redis.child.pid, 'SIGSTOP');
		await sleep(20 + rnd(150));
		process.kill(all.redis.child.pid, 'SIGCONT');
	},
];
const strike = (rnd) => pick(strikes, rnd)(rnd);
const good = (r, n) => {
	assert.deepEqual(r.wrong, [], JSON.stringify(r));
	assert.ok(r.sets > n && r.conflicts > 0 && r.opens >= 5 * n,
	    JSON.stringify({ ...r, wrong: 0 }));
};

test('E4: schedules of five clients on three hosts converge, whatever is cut', async () => {
	const n = long ? 1000 : 12;
	good(await converge(all.list, '/c', { n, at: 12, strike }), n);
});

test('E4: the same on one host, in memory', async () => {
	const n = long ? 200 : 6;
	good(await converge([alone], '/c', { n, at: 6, seed: 5000, forgets: true,
		strike: (rnd) => killOne([alone], pick(['worker', 'relay'], rnd),
		    rnd) }), n);
});

test('E4: a client that ignores conflicts, or loses changes, is noticed', async () => {
	for (const broken of ['overwrite', 'lose']) {
		const r = await converge(all.list, '/c', { n: 6, at: 6,
			seed: 9000, broken });
		assert.notEqual(r.wrong.length, 0, broken);
	}
});
