/*
 * Row B4 of the stories, with social.conf as it is installed: who is online, as
 * clients, back ends over HTTP and back ends in Redis ask; status; idle; two
 * hosts.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ask, connect, gotten } from './lib/clients.mjs';
import { until } from './lib/daemon.mjs';
import { KEY, as, example, whole } from './lib/examples.mjs';
import { Redis } from './lib/redis.mjs';

let redis, cli, a, b;

/* as it is, but for ports, and for five minutes of silence */
const start = () => example('social.conf', { REDIS_URL: redis.url }, (text) =>
    text.replace('idle_after = 5m', 'idle_after = 2s'));

before(async () => {
	redis = await Redis.start();
	cli = await redis.client();
	[a, b] = await Promise.all([start(), start()]);
	await Promise.all([a, b].map(whole));
});
after(async () => {
	cli.close();
	await Promise.all([a, b].map((d) => d.stop()));
	await redis.kill();
});

const on = (d, name) => connect(d, '/realtime', as(name));
const told = (s, name) => gotten(s, 'presence:update').map(([u]) => u)
	.filter((u) => u.user === name).map((u) => u.status).join(' ');
const says = (s, name, words) => until(() => told(s, name) === words,
    `${name}: ${words}`, 10000);
const http = async (d, name) => (await fetch(d.url(
    `/api/v1/presence/realtime/${name}`),
{ headers: { authorization: `Bearer ${KEY}` } })).json();
const inRedis = async (name) => JSON.parse(await cli.do('HGET',
    'roost:presence:realtime', name) ?? 'null');

test('B4: a user is online to clients, over HTTP, and in Redis', async () => {
	const ann = await on(a, 'ann');
	const first = await ask(ann, 'presence:watch', { users: ['bob'] });
	assert.deepEqual(first.users, [{ user: 'bob', status: 'offline',
		connections: 0, last_seen: null }]);
	assert.equal((await http(b, 'bob')).status, 'offline');
	assert.equal(await inRedis('bob'), null);
	const bob = await on(b, 'bob');
	await says(ann, 'bob', 'online');
	for (const d of [a, b])
		assert.equal((await http(d, 'bob')).status, 'online');
	const { users: [u] } = await ask(ann, 'presence:get', { users: ['bob'] });
	assert.ok(Math.abs(Date.now() - u.last_seen) < 60000);
	await until(async () => (await inRedis('bob'))?.status === 'online',
	    'bob in Redis');
	bob.close();
	await says(ann, 'bob', 'online offline');
	assert.equal((await http(a, 'bob')).status, 'offline');
	await until(async () => await inRedis('bob') === null,
	    'bob to leave Redis');
	ann.close();
});

test('B4: status of all devices, silence, and who is invisible', async () => {
	const ann = await on(a, 'ann');
	await ask(ann, 'presence:watch', { users: ['cyd'] });
	const phone = await on(b, 'cyd'), desk = await on(a, 'cyd');
	await says(ann, 'cyd', 'online');
	await ask(desk, 'presence:set', { status: 'busy' });
	await says(ann, 'cyd', 'online busy');
	await ask(desk, 'presence:set', { status: 'online' });
	await until(() => told(ann, 'cyd').startsWith('online busy online'),
	    'online again');
	/* both are silent; then one is not */
	await says(ann, 'cyd', 'online busy online away');
	phone.emit('presence:get', { users: ['ann'] });
	await says(ann, 'cyd', 'online busy online away online');
	await ask(phone, 'presence:set', { status: 'invisible' });
	await until(() => told(ann, 'cyd').endsWith('offline'), 'offline');
	assert.equal((await http(a, 'cyd')).status, 'offline');
	assert.equal((await http(a, 'cyd')).invisible, true);
	await until(async () => (await inRedis('cyd')).status === 'offline',
	    'the same in Redis');
	const { users: [u] } = await ask(ann, 'presence:get', { users: ['cyd'] });
	assert.deepEqual(u, { user: 'cyd', status: 'offline', connections: 0,
		last_seen: null });
	/* who does not watch is told nothing */
	const eve = await on(b, 'eve');
	await ask(desk, 'roost:ping');
	assert.equal(gotten(eve, 'presence:update').length, 0);
	[ann, phone, desk, eve].forEach((s) => s.close());
});
