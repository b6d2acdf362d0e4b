/*
 * Streams for back ends, and what waits for users who are away, through a Redis
 * Cluster: what a script uses is in one slot.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Cluster, slotOf } from './lib/cluster.mjs';
import { jwt } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Group, checkNumbers, follow } from './lib/streams.mjs';
import { user } from './lib/token.mjs';

const conf = (url) => `
redis { url = "${url}" }
${jwt}
presence { leave_grace = 300ms }
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
