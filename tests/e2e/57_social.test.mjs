/*
 * social.conf as it is installed: an application whose chat, presence and
 * notifications were gateways of its own back end.  Two hosts with one Redis;
 * stock clients, one connection with all namespaces.  Notifications and what
 * waits for users who are away: 57_notifications.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { ask, codeOf, connect, connected, gotten, heard, io, refused }
	from './lib/clients.mjs';
import { here, sanitized, until } from './lib/daemon.mjs';
import { api, as, channel, example, health, listened, whole }
	from './lib/examples.mjs';
import { Redis } from './lib/redis.mjs';
import { server } from './lib/servers.mjs';
import { user } from './lib/token.mjs';

const names = ['/realtime', '/messaging', '/notifications'];
let redis, cli, hosts;
before(async () => {
	redis = await Redis.start();
	cli = await redis.client();
	hosts = await Promise.all([0, 1].map(() =>
	    example('social.conf', { REDIS_URL: redis.url })));
	await Promise.all(hosts.map(whole));
});
after(async () => {
	await Promise.all(hosts.map((d) => d.stop()));
	cli.close();
	await redis.kill();
});

/* One connection with all namespaces: { '/realtime': socket, ... } */
async function person(d, name) {
	const all = {};
	let manager;
	for (const nsp of names) {
		all[nsp] = manager === undefined ?
		    io(`http://127.0.0.1:${d.port}${nsp}`, {
			transports: ['websocket'], reconnection: false,
			forceNew: true, ...as(name) }) :
		    manager.socket(nsp, as(name));
		manager = all[nsp].io;
		all[nsp].got = [];
		all[nsp].onAny((...a) => all[nsp].got.push(a));
		all[nsp].connect();
	}
	for (const nsp of names)
		await connected(all[nsp]);
	return all;
}
/* What the operator's listener tells, by series. */
const parsed = async (d) => new Map((await (await fetch(
    `http://127.0.0.1:${d.ports[1]}/metrics`)).text()).split('\n')
    .map((l) => l.match(/^roost_(\S+) (\S+)$/)).filter((m) => m)
    .map(([, k, v]) => [k, Number(v)]));
const leave = (p) => names.forEach((nsp) => p[nsp].disconnect());

test('B1: three namespaces over one connection of one client manager',
async () => {
	const [d] = hosts;
	const open = async () => (await parsed(d)).get('connections_open');
	const before = await open();
	const p = await person(d, 'amy');
	assert.equal(await open(), before + 1);
	assert.equal(new Set(names.map((nsp) => p[nsp].id)).size, 3);
	await api(d, 'publish', { namespace: '/realtime', user: 'amy',
		event: 'a', data: 1 });
	await heard(p['/realtime'], 'a');
	assert.deepEqual([...gotten(p['/messaging'], 'a'),
		...gotten(p['/notifications'], 'a')], []);
	/* one goes, the others stay */
	p['/messaging'].disconnect();
	await api(d, 'publish', { namespace: '/realtime', user: 'amy',
		event: 'b', data: 1 });
	await heard(p['/realtime'], 'b');
	assert.ok(p['/notifications'].connected);
	leave(p);
});

test('B2: a back end reaches every connection of a user on any host, over HTTP ' +
    'and Redis', async () => {
	const [a, b] = hosts;
	const ann = await person(a, 'ann'), bob = await person(b, 'bob');
	const phone = await person(a, 'bob');
	await listened(cli, [channel('/realtime', 'ubob')], 2);
	await listened(cli, [channel('/realtime', 'uann')], 1);
	await api(a, 'publish', { namespace: '/realtime', user: 'bob',
		event: 'connection:accepted', data: { by: 'ann' } });
	await api(b, 'publish', { namespace: '/realtime', user: 'ann',
		event: 'connection:accepted', data: { by: 'bob' } });
	for (const p of [ann, bob, phone])
		await heard(p['/realtime'], 'connection:accepted');
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({
		namespace: '/realtime', user: 'bob', event: 'from:redis',
		data: { n: 1 }, id: 'r1' }));
	for (const p of [bob, phone])
		await heard(p['/realtime'], 'from:redis');
	for (const p of [ann, bob, phone]) {
		assert.equal(gotten(p['/realtime'], 'connection:accepted').length,
		    1);
		leave(p);
	}
	assert.deepEqual(gotten(ann['/realtime'], 'from:redis'), []);
});

test('B5: the events of the old clients, between two hosts', async () => {
	const [a, b] = hosts;
	const cid = await person(a, 'cid'), dan = await person(b, 'dan');
	const phone = await person(a, 'dan');
	await listened(cli, [channel('/messaging', 'udan')], 2);
	await listened(cli, [channel('/messaging', 'ucid')], 1);

	/* to each connection of the receiver, and a word to the sender */
	const ack = await ask(cid['/messaging'], 'NEW_MESSAGE',
	    { receiverId: 'dan', content: 'hi' });
	assert.equal(codeOf(ack), undefined);
	for (const p of [dan, phone]) {
		const [[data, meta]] = await heard(p['/messaging'], 'NEW_MESSAGE');
		assert.deepEqual([data.content, meta.from], ['hi', 'cid']);
	}
	await heard(cid['/messaging'], 'MESSAGE_SENT');
	dan['/messaging'].emit('TYPING_START', { receiverId: 'cid' });
	dan['/messaging'].emit('TYPING_STOP', { receiverId: 'cid' });
	await heard(cid['/messaging'], 'USER_TYPING', 2);
	dan['/messaging'].emit('MESSAGE_READ',
	    { senderId: 'cid', messageId: 'm1' });
	const [[read]] = await heard(cid['/messaging'], 'MESSAGE_READ_UPDATE');
	assert.equal(read.messageId, 'm1');
	assert.equal(codeOf(await ask(cid['/messaging'], 'NEW_MESSAGE',
	    { receiverId: 'dan' })), 'invalid');
	assert.equal(codeOf(await ask(cid['/messaging'], 'ANYTHING', {})),
	    'unknown_event');
	[cid, dan, phone].forEach(leave);
});

test('B6: who is away gets it with the next connection, on any host, once',
async () => {
	const [a, b] = hosts;
	const hal = await person(a, 'hal');
	const ack = await ask(hal['/messaging'], 'NEW_MESSAGE',
	    { receiverId: 'zoe', content: 'later' });
	assert.equal(codeOf(ack), undefined, JSON.stringify(ack));
	/* a back end sends it to her telephone */
	await until(async () => JSON.stringify(await cli.do('XRANGE',
	    'roost:offline', '-', '+')).includes('zoe'), 'the push');
	const zoe = await person(b, 'zoe');
	const [[data, meta]] = await heard(zoe['/messaging'], 'NEW_MESSAGE');
	assert.deepEqual([data.content, meta.from], ['later', 'hal']);
	leave(zoe);
	const again = await person(a, 'zoe');
	await ask(again['/messaging'], 'roost:ping');
	assert.deepEqual(gotten(again['/messaging'], 'NEW_MESSAGE'), []);
	[hal, again].forEach(leave);
});

test('B7: limits and origins come from the environment', async () => {
	const d = await example('social.conf', {
		REDIS_URL: 'unix:/nowhere/redis.sock',
		ALLOWED_ORIGIN: 'https://app.example',
		RATE_LIMIT_MESSAGES_PER_MINUTE: '5' });
	await until(async () => (await health(d)).status === 'degraded',
	    'Redis to be known to be away');
	const from = (origin) => connect(d, '/messaging', { wait: false,
		...as('ann'), extraHeaders: { origin } });
	await refused(await from('https://other.example'));
	const s = await from('https://app.example');
	await connected(s);
	const peer = await connect(d, '/messaging', { ...as('bob'),
		extraHeaders: { origin: 'https://app.example' } });
	/* Redis is not there, and nobody here notices */
	const codes = [];
	for (let i = 0; i < 8; i++)
		codes.push(codeOf(await ask(s, 'NEW_MESSAGE',
		    { receiverId: 'bob', content: `${i}` })));
	assert.equal(codes[0], undefined);
	assert.equal(codes.at(-1), 'rate_limited');
	assert.equal((await health(d)).status, 'degraded');
	assert.equal((await heard(peer, 'NEW_MESSAGE',
	    codes.filter((c) => c === undefined).length))[0][0].content, '0');
	peer.close();
	s.close();
	await d.stop();
});

test('B7: two hundred messages a minute unless the environment says otherwise',
async () => {
	const s = await connect(hosts[0], '/messaging', as('quick'));
	const codes = await Promise.all(Array.from({ length: 230 }, (_, i) =>
	    ask(s, 'NEW_MESSAGE', { receiverId: 'nobody', content: `${i}` })));
	const passed = codes.filter((c) => codeOf(c) === undefined).length;
	/* some more may have come free while they were sent */
	assert.ok(passed >= 200 && passed < 230, `${passed}`);
	assert.ok(codes.every((c) => [undefined, 'rate_limited']
	    .includes(codeOf(c))));
	s.close();
});

test('B8: each connection\'s latency, at the client and at the operator\'s',
async () => {
	const s = await connect(hosts[0], '/realtime', as('eli'));
	const sent = Date.now();
	const { ts } = await ask(s, 'roost:ping');
	assert.ok(ts >= sent - 1000 && ts <= Date.now() + 1000, `${ts} ${sent}`);
	assert.ok((await parsed(hosts[0])).has('rtt_seconds_count'));
	s.close();
});

test('B9: what a dashboard shows: who connected, what was delivered, what failed',
async () => {
	const [d] = hosts;
	const told = () => parsed(d);
	const names = ['ns_admitted_total{ns="/realtime"}',
		'ns_events_in_total{ns="/realtime"}',
		'ns_events_out_total{ns="/realtime"}',
		'ns_errors_total{ns="/realtime",code="connect"}',
		'ns_errors_total{ns="/realtime",code="unknown_event"}'];
	const was = await told();
	const bad = await connect(d, '/realtime', { wait: false,
		auth: { token: 'no token' } });
	await refused(bad);
	const s = await connect(d, '/realtime', as('fay'));
	await api(d, 'publish', { namespace: '/realtime', user: 'fay',
		event: 'x', data: {} });
	await heard(s, 'x');
	assert.equal(codeOf(await ask(s, 'no:such', {})), 'unknown_event');
	for (const n of names)
		await until(async () => (await told()).get(n) > was.get(n),
		    `more ${n}`);
	s.close();
});

test('B10: five thousand connections, each gets what is told to all', async (t) => {
	const [d] = hosts;
	const many = sanitized ? 1000 : 5000;
	const crowds = [0, 1].map((i) => {
		const c = fork(path.join(here, 'lib', 'crowd.mjs'), [String(d.port),
			String(many / 2), 'socketio', JSON.stringify({
				nsp: '/realtime', token: user(`crowd${i}`) })]);
		c.state = { joined: 0, got: 0, bad: 0, lost: 0 };
		c.on('message', (m) => Object.assign(c.state, m));
		return c;
	});
	t.after(() => crowds.forEach((c) => c.kill()));
	const sum = (k) => crowds.reduce((n, c) => n + c.state[k], 0);
	await until(() => sum('joined') === many, () => `${sum('joined')} to be there`,
	    60000);
	for (let i = 0; i < 3; i++) {
		await api(d, 'publish', { namespace: '/realtime', event: 'tick',
			data: { i } });
		await until(() => sum('got') === many * (i + 1),
		    () => `tick ${i} at everybody (${sum('got')})`, 20000);
	}
	assert.equal(sum('bad') + sum('lost'), 0);
});

test('B11: servers of Socket.IO on the same Redis, a step at a time',
async () => {
	const [d] = hosts;
	const old = await server(redis, { namespaces: names });
	const gus = await person(d, 'gus');
	const there = await connect(old, '/notifications');
	await listened(cli, ['socket.io-request#/notifications#'], 2);
	old.io.of('/notifications').emit('notice', { n: 1 });
	for (const s of [gus['/notifications'], there])
		assert.deepEqual((await heard(s, 'notice')).map(([x]) => x),
		    [{ n: 1 }]);
	await api(d, 'publish', { namespace: '/notifications',
		event: 'notice', data: { n: 2 } });
	for (const s of [gus['/notifications'], there])
		assert.deepEqual((await heard(s, 'notice', 2)).map(([x]) => x),
		    [{ n: 1 }, { n: 2 }]);
	const all = async () => (await old.io.of('/notifications').fetchSockets())
	    .map((x) => x.id).sort();
	assert.deepEqual(await all(),
	    [gus['/notifications'].id, there.id].sort());
	there.close();
	leave(gus);
	await old.close();
});
