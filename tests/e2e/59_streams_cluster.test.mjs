/*
 * Streams for back ends, what waits for users who are away, and notifications,
 * through a Redis Cluster: what a script uses is in one slot.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Cluster, slotOf } from './lib/cluster.mjs';
import { jwt } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Group, checkNumbers, follow } from './lib/streams.mjs';
import { user } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const conf = (url) => `
redis { url = "${url}" }
${jwt}
presence { leave_grace = 300ms }
api { key "b" { sha256 = "${sha('key')}" allow = {"inbox"} } }
namespace "/i" { auth = required  inbox = true }
namespace "/c" { auth = required  presence = query
    events = {connected, disconnected, joined, left, occupied, vacated}
    room "r:{id}" { join = open }
    event "order" { to = backend  ack = accepted }
    event "msg" { to = user:to  offline = {queue, push}  ack = delivered }
}
`;
const as = (name) => ({ auth: { token: user(name) } });

let cluster, a, b;
before(async () => {
	cluster = await Cluster.start();
	[a, b] = await Promise.all([0, 1].map((i) => Daemon.start({
		conf: conf(`redis://${cluster.nodes[i].address}`) })));
	for (const d of [a, b]) {
		await connected(d);
		await until(async () => await d.metric('nodes_known') === 1,
		    'the other node', 40000);
	}
});
after(async () => {
	await a.stop();
	await b.stop();
	await cluster.kill();
});
const group = async (key) => Group.open((await cluster.ownerOf(slotOf(key))).cli,
    key, 'g');

test('back ends read events, and who comes and goes', async () => {
	const g = await group('roost:events:c');
	const ann = await connect(a, '/c', as('ann'));
	const bob = await connect(b, '/c', as('bob'));
	for (const s of [ann, bob])
		await ask(s, 'room:join', { room: 'r:1' });
	for (let i = 0; i < 20; i++)
		await ask(i % 2 ? ann : bob, 'order', { i });
	await g.until((l) => l.filter((e) => e.event === 'order').length === 20 &&
	    follow(l).rooms.get('r:1')?.size === 2);
	ann.close();
	bob.close();
	await g.until((l) => follow(l).users.size === 0 &&
	    follow(l).rooms.size === 0, 10000);
	checkNumbers(g.list);
});

test('what waits for users comes on any host', async () => {
	const g = await group('roost:offline');
	const ann = await connect(a, '/c', as('ann'));
	const names = Array.from({ length: 30 }, (_, i) => `u${i}`);
	for (let i = 0; i < 5; i++)
		for (const to of names)
			assert.equal((await ask(ann, 'msg', { to, i })).queued,
			    true);
	const list = await Promise.all(names.map((n, i) =>
		connect(i % 2 ? a : b, '/c', as(n))));
	for (const s of list) {
		await heard(s, 'msg', 5);
		assert.deepEqual(gotten(s, 'msg').map(([x]) => x.i),
		    [0, 1, 2, 3, 4]);
	}
	await g.until((l) => l.filter((e) => e.type === 'push').length === 150);
	/* live, to another host */
	await ask(ann, 'msg', { to: 'u0', i: 5 });
	await heard(list[0], 'msg', 6);
	checkNumbers(g.list);
	for (const s of [ann, ...list])
		s.close();
});

test('notifications are where their users are, and both hosts hear of them',
    async () => {
	const names = Array.from({ length: 20 }, (_, i) => `n${i}`);
	const on = (d) => Promise.all(names.map((n) => connect(d, '/i', as(n))));
	const [one, two] = [await on(a), await on(b)];
	const newest = (s) => gotten(s, 'notification:unread_count')
	    .map(([c]) => c).reduce((x, y) => (y.version > x.version ? y : x));
	const counted = (n) => until(() => [...one, ...two].every((s) =>
		gotten(s, 'notification:unread_count').length > 0 &&
		newest(s).count === n), `all to have ${n}`);
	await counted(0);
	for (const [i, n] of names.entries()) {
		const r = await fetch((i % 2 ? a : b).url(`/api/v1/inbox/i/${n}`), {
			method: 'POST', body: JSON.stringify({ id: 'x', title: n }),
			headers: { Authorization: 'Bearer key',
				'Content-Type': 'application/json' } });
		assert.equal(r.status, 200, await r.text());
	}
	await counted(1);
	for (const s of one)
		assert.deepEqual((await ask(s, 'notification:mark_read',
		    { notificationId: 'x' })).ids, ['x']);
	await counted(0);
	for (const [i, s] of two.entries())
		assert.deepEqual((await ask(s, 'notification:list'))
			.notifications.map((n) => [n.title, n.read]),
		[[names[i], true]]);
	for (const s of [...one, ...two])
		s.close();
});
