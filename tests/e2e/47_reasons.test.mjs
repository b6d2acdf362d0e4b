/*
 * Back ends that are told who comes and goes are told why who is gone is gone: by
 * the name that the log and the counters have for it, of his last connection.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, slow, until } from './lib/daemon.mjs';
import { ask, connect, once, plain } from './lib/clients.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Group, checkNumbers, follow } from './lib/streams.mjs';
import { now, secret, user } from './lib/token.mjs';
import { socketio } from './lib/wire.mjs';

const conf = (url, grace = '200ms') => `
redis { url = "${url}" }
jwt { algorithms = {"HS256"} secret = "${secret}" leeway = 0s }
presence { leave_grace = ${grace} }
recovery { window = 1m }
heartbeat { interval = 1s timeout = ${slow}s }
limits { message_bytes = 200KB send_queue_bytes = 128KB
    slow_consumer_timeout = 300ms close_timeout = 300ms }
api { key "all" { sha256 = "${crypto.createHash('sha256').update('all')
    .digest('hex')}" allow = {disconnect, publish, revoke} } }
namespace "/who" { auth = required
    events = {connected, disconnected, joined, left, occupied, vacated}
    room "{id}" { join = open }
    event "flood" { to = sender }
}
namespace "/all" { auth = required
    event "ask" { ack = echo }
}
`;
const as = (name, more) => ({ auth: { token: user(name, more) } });

let redis, cli, a, b, g;
before(async () => {
	redis = await Redis.start();
	cli = await redis.client();
	[a, b] = await Promise.all([2, 1].map((workers) =>
		Daemon.start({ workers, conf: conf(redis.url) })));
	for (const d of [a, b])
		await until(async () => await d.metric('nodes_known') === 1,
		    'the other node', 20000);
	g = await Group.open(cli, 'roost:events:who', 'g');
});
after(async () => {
	cli.close();
	for (const d of [a, b])
		await d.stop();
	await redis.kill();
});

const post = async (d, path, body) => {
	const r = await fetch(d.url(`/api/v1/${path}`), { method: 'POST',
		headers: { Authorization: 'Bearer all',
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	assert.equal(r.status, 200);
	return r.json();
};
/* Somebody is in the room of his name, and told to be there. */
let n = 0;
async function comes(d, more, opts) {
	const name = `u${n++}`;
	const s = await connect(d, '/who', { ...as(name, more), ...opts });
	await ask(s, 'room:join', { room: name });
	await g.until((l) => follow(l).users.has(name) &&
	    follow(l).rooms.get(name)?.has(name));
	return [name, s];
}
const here = (name, group = g) => group.until((l) => follow(l).users.has(name));
const of = (name, type, group = g) => group.list.filter((e) =>
	e.user === name && e.type === type);
/* He is gone: why, as each entry has it. */
async function gone(name, { rooms = true, group = g, ms } = {}) {
	await group.until((l) => !follow(l).users.has(name) &&
	    (!rooms || !follow(l).rooms.has(name)), ms);
	const e = of(name, 'disconnected', group).at(-1);
	for (const x of rooms ? [of(name, 'left', group).at(-1),
		group.list.findLast((y) => y.type === 'vacated' &&
		    y.room === name)] : [])
		assert.deepEqual([x.why, x.reason], [e.why, e.reason], x.type);
	return [e.why, e.reason];
}
const left = (reason) => ['left', reason];

test('who leaves, and who closes, or loses, the connection', async () => {
	const [leaves, s] = await comes(a);
	/* a packet of its own; the connection stays for the other namespace */
	const other = await connect(a, '/all', { ...as(leaves),
		forceNew: false });
	s.disconnect();
	assert.deepEqual(await gone(leaves), left('client_close'));
	other.disconnect();
	const w = await plain(a, `/ws/who?token=${user('plain')}`);
	await here('plain');
	w.close(1000);
	assert.deepEqual(await gone('plain', { rooms: false }),
	    left('client_close'));
	const [lost, t] = await comes(b);
	t.io.engine.transport.ws.terminate();
	const [why, reason] = await gone(lost);
	assert.equal(why, 'left');
	assert.match(reason, /^client_(gone|reset)$/);
	assert.equal(await b.metric('clients_closed', `reason="${reason}"`), 1);
});

test('who does not answer pings', async () => {
	const name = `u${n++}`;
	const w = await socketio(a.port, { nsp: '/who',
		auth: { token: user(name) } });
	await here(name);
	assert.deepEqual(await gone(name, { rooms: false, ms: 10000 }),
	    left('ping_timeout'));
	w.drop();
});

test('whom the application disconnects, or tells to come again', async () => {
	for (const [close, reason] of [[undefined, 'kicked'], [true, 'kicked']]) {
		const [name, s] = await comes(a);
		const r = await post(b, `users/${name}/disconnect`,
		    { namespace: '/who', close, reason: 'so' });
		assert.equal(r.disconnected, 1);
		assert.deepEqual(await gone(name), left(reason));
		s.close();
	}
});

test('whose token expires, or is revoked', async () => {
	const [short] = await comes(a, { exp: now() + 2 });
	const [revoked] = await comes(b, { iat: now() - 10 });
	await post(a, 'revoke', { user: revoked, for: 60 });
	assert.deepEqual(await gone(revoked), left('revoked'));
	assert.deepEqual(await gone(short), left('auth_expired'));
});

test('who does not read', async () => {
	const name = `u${n++}`;
	const w = await socketio(b.port, { nsp: '/who',
		auth: { token: user(name) } });
	await here(name);
	w.s.sock.pause();
	const text = 'x'.repeat(100000);
	const before = await b.metric('clients_closed', 'slow_consumer');
	await until(async () => {
		for (let i = 0; i < 10; i++)
			await post(a, 'publish', { namespace: '/who', user: name,
				event: 'flood', data: text });
		return await b.metric('clients_closed', 'slow_consumer') > before;
	}, 'its end', 15000);
	assert.deepEqual(await gone(name, { rooms: false }),
	    left('slow_consumer'));
	w.s.sock.destroy();
});

test('the last connection of several counts, on whichever host', async () => {
	const [name, one] = await comes(a);
	const two = await connect(b, '/who', as(name));
	const three = await connect(b, '/who', as(name));
	await ask(three, 'room:join', { room: name });
	await until(async () => (await cli.do('HGET',
	    'roost:now:{roost:events:who}', `u${name}`)).split(',').length === 3,
	'both hosts to have said so');
	/* the first is kicked by its sid, and is not news */
	await post(a, 'disconnect', { namespace: '/who', sid: one.id });
	two.disconnect();
	const [, bob] = await comes(a);
	bob.disconnect();
	await gone(`u${n - 1}`);
	assert.equal(of(name, 'disconnected').length, 0);
	three.io.engine.transport.ws.terminate();
	assert.match((await gone(name))[1], /^client_(gone|reset)$/);
	one.close();
});

/* A daemon on a Redis of its own, which keeps what it has; both are hurt. */
async function own(t, workers, grace) {
	const r = await Redis.start({ args: ['--appendonly', 'yes',
		'--appendfsync', 'always'] });
	const d = await Daemon.start({ workers, conf: conf(r.url, grace) });
	let c = await r.client();
	t.after(async () => {
		c.close();
		await d.stop();
		await r.kill();
	});
	await connected(d);
	const group = await Group.open(c, 'roost:events:who', 'g');
	return { d, group, async away() {
		c.close();
		await r.kill();
		await connected(d, false);
	}, async back() {
		await r.again();
		group.cli = c = await r.client();
		await connected(d);
	} };
}

test('of several ends within the grace the last one counts', async (t) => {
	const { d, group } = await own(t, 2, '1s');
	const come = async () => {
		const s = await connect(d, '/who', { ...as('ann'),
			reconnection: true, reconnectionDelay: 10,
			reconnectionDelayMax: 20 });
		await here('ann', group);
		return s;
	};
	const loses = (s) => {
		s.io.engine.transport.ws.terminate();
		return once(s, 'disconnect');
	};
	/* recovered in its window: no news */
	const s = await come();
	for (let i = 0; i < 2; i++) {
		await loses(s);
		await until(() => s.connected && s.recovered, 'it to be back');
	}
	/* away, waiting to be recovered, and another one is kicked */
	s.io.reconnection(false);
	await loses(s);
	const two = await come();
	await post(d, 'users/ann/disconnect', { namespace: '/who' });
	assert.deepEqual(await gone('ann', { rooms: false, group }),
	    left('kicked'));
	assert.equal(of('ann', 'connected', group).length, 1);
	two.close();
	/* the window goes on when the grace is over: its end is no news */
	const three = await come();
	three.io.reconnection(false);
	await loses(three);
	assert.match((await gone('ann', { rooms: false, group }))[1],
	    /^client_(gone|reset)$/);
	const r = await post(d, 'users/ann/disconnect', { namespace: '/who' });
	assert.equal(r.disconnected, 1);
	const last = await come();
	assert.equal(of('ann', 'disconnected', group).length, 2);
	checkNumbers(group.list);
	last.close();
});

test('whose worker is killed', async (t) => {
	const { d, group } = await own(t, 2);
	d.mayDie = true;
	const all = Array.from({ length: 8 }, (_, i) => `v${i}`);
	for (const name of all)
		await ask(await connect(d, '/who', as(name)), 'room:join',
		    { room: name });
	await group.until((l) => follow(l).users.size === 8 &&
	    follow(l).rooms.size === 8);
	for (const i of [1, 2])
		process.kill(d.worker(i).pid, 'SIGKILL');
	for (const name of all)
		assert.deepEqual(await gone(name, { group, ms: 10000 }),
		    left('worker_died'));
	checkNumbers(group.list);
});

test('who leaves while there is no relay, or no Redis', async (t) => {
	const o = await own(t, 1), { d, group } = o;
	d.mayDie = true;
	const ann = await connect(d, '/who', as('ann'));
	const bob = await connect(d, '/who', as('bob'));
	const cid = await connect(d, '/who', as('cid'));
	for (const name of ['ann', 'bob', 'cid'])
		await here(name, group);
	const { pid } = d.relay();
	process.kill(pid, 'SIGSTOP');
	ann.disconnect();
	await d.counts('sessions', 2);
	process.kill(pid, 'SIGKILL');
	assert.deepEqual(await gone('ann', { rooms: false, group, ms: 20000 }),
	    left('client_close'));
	await connected(d);
	await o.away();
	await post(d, 'users/bob/disconnect', {});
	await d.counts('sessions', 1);
	await o.back();
	assert.deepEqual(await gone('bob', { rooms: false, group, ms: 20000 }),
	    left('kicked'));
	assert.deepEqual([...follow(group.list).users], ['cid']);
	checkNumbers(group.list);
	bob.close();
	cid.close();
});

/* (and whose host is lost: 47_streams) */
test('whose host is stopped', async () => {
	const d = await Daemon.start({ workers: 1, conf: conf(redis.url) });
	await until(async () => await d.metric('nodes_known') === 2,
	    'the other nodes', 20000);
	const [name] = await comes(d);
	await d.stop();
	assert.deepEqual(await gone(name, { ms: 20000 }), ['lost', 'shutdown']);
	checkNumbers(g.list);
});
