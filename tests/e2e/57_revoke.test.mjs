/*
 * What one host revokes, others refuse, where Redis is several: a Cluster, one
 * of whose masters goes away, and shards.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { connect, once, refused } from './lib/clients.mjs';
import { Cluster, slotOf } from './lib/cluster.mjs';
import { jwt } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { now, user } from './lib/token.mjs';

const KEY = 'a-key-of-the-test';
const conf = (redis) => `${jwt}
redis { ${redis} }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {revoke} } }
namespace "/a" { auth = required event "ask" { ack = echo } }
`;
async function revoke(d, body) {
	const r = await fetch(d.url('/api/v1/revoke'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	assert.equal(r.status, 200);
	return r.json();
}
const old = (sub, more = {}) => user(sub, { iat: now() - 10, ...more });
const enter = (d, token) => connect(d, '/a', { auth: { token } });
const gone = async (s) => {
	if (s.connected)
		await once(s, 'disconnect', 20000);
};
const refuses = (d, token) => until(async () => {
	const s = await connect(d, '/a', { wait: false, auth: { token } });
	const e = await refused(s).catch(() => null);
	s.close();
	return e?.data?.reason === 'revoked';
}, 'it to be refused', 20000);

/* Ordered at the one, it is so on both. */
async function everywhere(a, b, name) {
	const token = old(name, { jti: name });
	const list = [await enter(a, token), await enter(b, token)];
	const r = await revoke(a, name.startsWith('j') ? { jti: name, for: 600 } :
	    { user: name, for: 600 });
	await Promise.all(list.map(gone));
	for (const d of [a, b])
		await refuses(d, token);
	return r;
}

test('a Cluster, and the master that has the key goes away', async () => {
	const cluster = await Cluster.start({ replicas: 1 });
	const start = async (i) => {
		const d = await Daemon.start({ workers: 2, conf: conf(
		    `url = "redis://${cluster.nodes[i].address}"`) });
		await connected(d);
		return d;
	};
	const a = await start(0), b = await start(1);
	assert.equal((await everywhere(a, b, 'ann')).complete, true);
	await everywhere(b, a, 'j-bob');
	const owner = await cluster.ownerOf(slotOf('roost:revoked'));
	const other = cluster.nodes.findIndex((n) => n !== owner);
	await cluster.end(owner);
	/* it is not kept yet, which is said; and told as soon as it can be */
	const r = await everywhere(a, b, 'cat');
	assert.equal(r.complete, false, JSON.stringify(r));
	await until(async () => (await revoke(a, { user: 'dan', for: 600 }))
	    .complete === true, 'a replica to be master', 60000);
	/* and one that starts later */
	const c = await start(other);
	for (const [name, more] of [['ann'], ['x', { jti: 'j-bob' }], ['cat'], ['dan']])
		await refuses(c, old(name, more));
	for (const d of [a, b, c])
		await d.stop();
	await cluster.kill();
});

test('shards: the first has the key', async () => {
	const shards = [];
	for (let i = 0; i < 3; i++)
		shards.push(await Redis.start({ port: await freePort() }));
	const start = async () => {
		const d = await Daemon.start({ workers: 2, conf: conf(`shards = {${
			shards.map((s) => `"redis://127.0.0.1:${s.port}"`).join(', ')}}`) });
		await connected(d);
		return d;
	};
	const a = await start(), b = await start();
	assert.equal((await everywhere(a, b, 'ann')).complete, true);
	await everywhere(b, a, 'j-bob');
	const c = await start();
	for (const [name, more] of [['ann'], ['x', { jti: 'j-bob' }]])
		await refuses(c, old(name, more));
	for (const d of [a, b, c])
		await d.stop();
	for (const s of shards)
		await s.kill();
});
