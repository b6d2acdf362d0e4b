/*
 * Rights that change on one host bite on the others: a later token is wanted, or
 * somebody is taken out of a room.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { ask, codeOf, connect, gotten, heard, refused } from
	'./lib/clients.mjs';
import { until } from './lib/daemon.mjs';
import { hosts, unhost } from './lib/hosts.mjs';
import { jwt } from './lib/conf.mjs';
import { now, user } from './lib/token.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url) => `${jwt}
redis { url = "${url}" }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {revoke, rooms} } }
namespace "/a" { auth = required
    room "doc:{id}" { join = claim:docs history = 100 }
    event "say" { to = room:room self = true ack = accepted } }
`;
let all, a, b;
before(async () => {
	all = await hosts(conf, [2, 2]);
	[a, b] = all.list;
});
after(() => unhost(all));

const began = now();
const token = (sub, iat, ...docs) => user(sub, { iat, docs });
async function api(d, path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	const got = await r.json();
	assert.equal(r.status, 200, JSON.stringify(got));
	return got;
}
const member = async (d, auth) => {
	const s = await connect(d, '/a', { auth: { token: auth } });
	assert.equal((await ask(s, 'room:join', { room: 'doc:1' })).room, 'doc:1');
	return s;
};

test('a later token is wanted of who is on another host', async () => {
	const was = token('ann', began - 10, '1');
	const [x, y, z] = [await member(a, was), await member(b, was),
		await member(b, was)];
	const r = await api(a, 'revoke', { user: 'ann', for: 600, grace: 300 });
	assert.deepEqual([r.expiring, r.hosts], [1, 2]);
	for (const s of [x, y, z])
		assert.ok((await heard(s, 'auth:expiring'))[0][0].in > 290);
	for (const d of [a, b]) {
		const s = await connect(d, '/a', { wait: false,
			auth: { token: was } });
		assert.equal((await refused(s)).data.reason, 'revoked');
		s.close();
	}
	assert.ok((await ask(y, 'auth:refresh', { token: token('ann', now(),
	    '2') })).exp);
	assert.equal((await heard(y, 'room:left'))[0][0].room, 'doc:1');
	assert.equal(codeOf(await ask(y, 'say', { room: 'doc:1' })), 'not_member');
	assert.ok((await ask(z, 'say', { room: 'doc:1' })).id);
	await heard(x, 'say');
	assert.equal(gotten(y, 'say').length, 0);
	/* and at last without */
	assert.equal((await api(b, 'revoke', { user: 'ann', iat: now() + 1 }))
	    .disconnected, 2);
	for (const s of [x, y, z])
		await until(() => !s.connected, 'the end');
});

test('who is taken out of a room on another host is told', async () => {
	const s = await member(b, token('bob', now() + 1, '1'));
	await api(a, 'users/bob/rooms', { namespace: 'a', leave: 'doc:1' });
	assert.deepEqual((await heard(s, 'room:left'))[0][0], { room: 'doc:1',
		reason: 'a back end has taken you out of this room' });
	assert.equal(codeOf(await ask(s, 'say', { room: 'doc:1' })), 'not_member');
	s.close();
});
