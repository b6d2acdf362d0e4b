/*
 * media.conf as it is installed: plain WebSockets, and three replicas on one Redis
 * that act as one, while it comes and goes.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { plain, WebSocket } from './lib/clients.mjs';
import { slow, until, within } from './lib/daemon.mjs';
import { api, example } from './lib/examples.mjs';
import { Redis } from './lib/redis.mjs';
import { user } from './lib/token.mjs';

const status = async (d, where) => (await fetch(
    `http://127.0.0.1:${d.ports[1]}${where}`)).text();
const health = async (d) => JSON.parse(await status(d, '/health'));
/* The sum of a metric's values, of the listener for operators. */
const metric = async (d, name) => (await status(d, '/metrics')).split('\n')
    .filter((l) => new RegExp(`^roost_${name}(_total)?[{ ]`).test(l))
    .reduce((sum, l) => sum + Number(l.split(' ').at(-1)), 0);
const at = (d, where, name = 'u', more = {}) => plain(d,
    `${where}?token=${user(name, more)}`);

const publish = (d, namespace, data, to = {}) => api(d, 'publish',
    { namespace, event: 'message', data, ...to });

let redis, hosts, cli;
before(async () => {
	redis = await Redis.start();
	hosts = await Promise.all([1, 2, 3].map(() =>
	    example('media.conf', { REDIS_URL: redis.url })));
	for (const d of hosts)
		await until(async () => (await health(d)).redis.connected, 'Redis',
		    20000);
	cli = await redis.client();
});
after(async () => {
	cli.close();
	await Promise.all(hosts.map((d) => d.stop()));
	await redis.kill();
});

/* Each host listens at a channel. */
const listened = (...keys) => until(async () => {
	const r = await cli.do('PUBSUB', 'NUMSUB', ...keys.map(([nsp, key]) =>
		`roost:to:${nsp.length}:${nsp}:${key}`));
	return r.every((v, i) => i % 2 === 0 || Number(v) >= 3);
}, 'three hosts to listen');
const ends = (list) => list.forEach((w) => w.terminate());

test('D1: each endpoint, as it is called; messages are the bare JSON', async () => {
	const [d] = hosts, token = user('ann', { roles: ['creator'] });
	const rows = [
		['/ws/broadcasts', '/broadcasts', {}],
		['/ws/comments/7', '/comments', { room: 'track:7' }],
		['/ws/comments/a%20b%C3%A9', '/comments', { room: 'track:a bé' }],
		['/ws/forum/t-1', '/forum', { room: 'thread:t-1' }],
		['/ws/book-requests', '/book-requests', { user: 'ann' }],
		['/ws/book-requests/admin', '/book-requests', { room: 'admin' }],
	];
	const json = ['{"a":[1,null,{"b":"\\u2028"}]}', '[1,2]', '"text"', '7',
		'true', 'null', '""'];
	for (const [where, namespace, to] of rows) {
		const w = new WebSocket(`${d.ws(where)}?token=${token}`);
		const got = [];
		w.on('message', (b, binary) => got.push([b.toString(), binary]));
		await within(new Promise((ok) => { w.once('open', ok); }), 'open');
		for (const text of json)
			await publish(d, namespace, JSON.parse(text), to);
		await until(() => got.length === json.length, `${where}: ${got}`);
		assert.deepEqual(got.map(([text, binary]) => [JSON.parse(text),
			binary]), json.map((text) => [JSON.parse(text), false]));
		w.terminate();
	}
});

test('D2: to a whole endpoint, to one track or thread, to one user', async () => {
	const [d] = hosts;
	const [all, seven, eight, forum, ann, bob] = await Promise.all([
		at(d, '/ws/broadcasts'), at(d, '/ws/comments/7'),
		at(d, '/ws/comments/8'), at(d, '/ws/forum/7'),
		at(d, '/ws/comments/8', 'ann'), at(d, '/ws/comments/8', 'bob')]);
	await publish(d, '/comments', 'all');
	await publish(d, '/comments', 'seven', { room: 'track:7' });
	await publish(d, '/comments', 'ann', { user: 'ann' });
	await publish(d, '/forum', 'thread', { room: 'thread:7' });
	await publish(d, '/broadcasts', 'cast');
	for (const [w, want] of [[all, ['cast']], [seven, ['all', 'seven']],
	    [eight, ['all']], [forum, ['thread']], [ann, ['all', 'ann']],
	    [bob, ['all']]]) {
		await until(() => w.got.length >= want.length, `${want}`);
		assert.deepEqual(w.got, want);
	}
	ends([all, seven, eight, forum, ann, bob]);
});

test('D3: clients of three hosts get what is published through any, once, at once',
    async () => {
	const list = await Promise.all(hosts.map((d) => at(d, '/ws/forum/1')));
	await listened(['/forum', 'rthread:1']);
	const late = [];
	list.forEach((w) => w.on('message', (b) => late.push(Date.now() -
	    JSON.parse(b).at)));
	for (let i = 0; i < 60; i++)
		await publish(hosts[i % 3], '/forum', { i, at: Date.now() },
		    { room: 'thread:1' });
	for (const w of list) {
		await until(() => w.got.length >= 60, 'all of it', 10000);
		assert.deepEqual(w.got.map((m) => m.i).sort((a, b) => a - b),
		    Array.from({ length: 60 }, (_, i) => i));
	}
	/* not each of them: others work here, too */
	late.sort((a, b) => a - b);
	assert.ok(late[late.length >> 1] < 100 * slow, `${late}`);
	ends(list);
});

test('D4: Redis dies: local delivery goes on, health says so; it returns: all is '
    + 'as before, and nothing comes twice', async () => {
	const list = await Promise.all(hosts.map((d) => at(d, '/ws/comments/1')));
	const to = { room: 'track:1' };
	await listened(['/comments', 'rtrack:1']);
	await redis.kill();
	for (const d of hosts) {
		await until(async () => (await health(d)).status === 'degraded',
		    'it to be degraded', 10000);
		assert.match((await health(d)).reason, /Redis/i);
		assert.equal((await fetch(`http://127.0.0.1:${d.ports[1]}/readyz`))
		    .status, 200);
	}
	for (const [i, d] of hosts.entries())
		await publish(d, '/comments', { own: i }, to);
	for (const [i, w] of list.entries())
		await until(() => w.got.some((m) => m.own === i), 'its own');
	await redis.again();
	cli.close();
	cli = await redis.client();
	for (const d of hosts)
		await until(async () => (await health(d)).status === 'healthy',
		    'it to be healthy', 40000);
	await listened(['/comments', 'rtrack:1']);
	for (const [i, d] of hosts.entries())
		await publish(d, '/comments', { again: i }, to);
	for (const [i, w] of list.entries()) {
		await until(() => w.got.filter((m) => 'again' in m).length >= 3,
		    'what comes after', 10000);
		const seen = w.got.map((m) => JSON.stringify(m));
		assert.equal(new Set(seen).size, seen.length, 'one came twice');
		assert.ok(seen.includes(`{"own":${i}}`));
	}
	ends(list);
});

test('D5: nobody without a token; the admins\' endpoint has its roles', async () => {
	const answer = (where, token) => within(new Promise((ok) => {
		const w = new WebSocket(`${hosts[0].ws(where)}${token ?
			`?token=${token}` : ''}`);
		w.once('open', () => { w.terminate(); ok(101); });
		w.once('unexpected-response', (_, r) => { r.resume();
			ok(r.statusCode); });
		w.once('error', () => ok(0));
	}), 'an answer');
	const admin = '/ws/book-requests/admin';
	for (const where of ['/ws/broadcasts', '/ws/comments/1', '/ws/forum/1',
	    '/ws/book-requests', admin])
		for (const token of [undefined, 'x', user('x', {},
		    { key: 'another secret, of 32 bytes or so' }),
		    user('x', { exp: 1 })])
			assert.equal(await answer(where, token), 401, where);
	for (const [roles, want] of [[['creator'], 101], [['admin'], 101],
	    [['reader'], 403], [[], 403]])
		assert.equal(await answer(admin, user('x', { roles })), want);
});

test('D6: the bridge is counted, and the log tells what became of it', async () => {
	const [a, b, c] = hosts;
	const w = await at(b, '/ws/broadcasts');
	const own = await Promise.all([at(a, '/ws/broadcasts'),
		at(c, '/ws/broadcasts')]);
	await listened(['/broadcasts', 'n']);
	const names = ['far_sent', 'redis_publishes', 'redis_commands'];
	const was = await Promise.all(names.map((n) => metric(a, n)));
	const heard = await metric(b, 'far_received');
	const messages = await metric(b, 'redis_messages');
	for (let i = 0; i < 10; i++)
		await publish(a, '/broadcasts', { i });
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({
		namespace: '/broadcasts', event: 'message', data: 'redis' }));
	await until(() => w.got.length === 11, 'all of it');
	/* out of one, into the other; queues are empty, and bounded */
	await until(async () => await metric(a, 'far_sent') >= was[0] + 10,
	    'what went out');
	await until(async () => await metric(b, 'far_received') >= heard + 10,
	    'what came in');
	assert.ok(await metric(b, 'redis_messages') >= messages + 10);
	assert.ok(await metric(a, 'redis_commands') > was[2]);
	let published = 0;
	for (const d of hosts)
		published += await metric(d, 'redis_publishes');
	assert.ok(published >= 1, 'what a back end published by Redis');
	await until(async () => await metric(a, 'redis_queue_bytes') === 0,
	    'an empty queue');
	/* ends and reconnects, as they were: D4 */
	for (const d of hosts) {
		assert.equal(await metric(d, 'redis_connected'), 1);
		assert.ok(await metric(d, 'redis_connects') >= 2);
		assert.ok(await metric(d, 'redis_failures') >= 1);
		/* the last error, in words: here, and as long as it lasts in
		 * the reason of /health */
		assert.match(d.log, /redis_trouble url=\S+ why="[^"]+"/);
		assert.match(d.log, /redis_connected url=\S+ after_ms=/);
		assert.equal(await metric(d, 'redis_state'), 1);
	}
	ends([w, ...own]);
});
