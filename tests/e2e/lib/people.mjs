/*
 * Daemons that share a Redis, for tests of who is present on which.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';

import { Daemon, until } from './daemon.mjs';
import { ask, connect, gotten } from './clients.mjs';
import { Redis } from './redis.mjs';
import { jwt } from './conf.mjs';
import { user } from './token.mjs';

const KEY = 'a-key-of-the-test';
export const conf = (url, more = '') => jwt + `
redis { url = "${url}" ${more} }
presence { leave_grace = 300ms }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"presence"} } }
namespace "/query" { auth = required presence = query }
namespace "/all"   { auth = required presence = namespace }
namespace "/idle"  { auth = required presence = query idle_after = 4s
    event "n" { to = sender } }
namespace "/rooms" { auth = required presence = rooms
    room "{r}" { join = open } }
`;
export const as = (name) => ({ auth: { token: user(name) } });
export const updates = (s, name) => gotten(s, 'presence:update').map((a) => a[0])
	.filter((u) => u.user === name);
export const said = (s, name) => updates(s, name).map((u) => u.status).join(' ');
export async function presence(d, path) {
	const r = await fetch(d.url(`/api/v1/presence/${path}`),
	    { headers: { Authorization: `Bearer ${KEY}` } });
	assert.equal(r.status, 200);
	return r.json();
}
export const fresh = (d, ms) => until(async () =>
	(await presence(d, 'query')).stale === undefined,
'presence that is not stale', ms);
export const is = (d, name, status, ns = 'query', ms) => until(async () =>
	(await presence(d, `${ns}/${name}`)).status === status,
`${name} to be ${status}`, ms);
/* n daemons that know each other, their Redis, and a connection to it. */
export async function several(workers) {
	const redis = await Redis.start();
	const list = await Promise.all(workers.map((n) =>
		Daemon.start({ workers: n, conf: conf(redis.url) })));
	for (const d of list) {
		await fresh(d);
		await until(async () => await d.metric('nodes_known') ===
			list.length - 1, 'the other nodes');
	}
	return [redis, await redis.client(), ...list];
}
/* What back ends read. */
export async function row(cli, name, ns = 'query') {
	const v = await cli.do('HGET', `roost:presence:${ns}`, name);
	return v && JSON.parse(v);
}
export const status = async (d, name, ns = 'query') =>
	(await presence(d, `${ns}/${name}`)).status;
export const watching = async (d, users) => {
	const w = await connect(d, '/query', as(`w-${crypto.randomUUID()}`));
	await ask(w, 'presence:watch', { users });
	return w;
};
