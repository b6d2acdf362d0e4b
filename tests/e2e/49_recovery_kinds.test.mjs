/*
 * Sessions that other hosts recover, with each kind of Redis that there is: a
 * Cluster, shards, one whose user may do no more than the manual says; sealed;
 * with back ends and servers of Socket.IO beside.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard } from './lib/clients.mjs';
import { Cluster } from './lib/cluster.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { connected as linked } from './lib/hosts.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { emitter } from './lib/servers.mjs';
import { user } from './lib/token.mjs';

const space = (redis) => `
drain_time = 2s
${stopTime}${jwt}
redis { ${redis} }
recovery { window = 1m }
namespace "/r" { auth = optional recovery = store
    room "{r}" { join = open }
    event "n"    { to = room:room meta = off ack = accepted }
    event "me"   { to = sender meta = off }
    event "sync" { ack = echo } }
namespace "/" { auth = none recovery = store
    room "{r}" { join = open }
    event "n"    { to = room:room meta = off ack = accepted }
    event "me"   { to = sender meta = off }
    event "sync" { ack = echo } }
`;
const numbers = (s) => gotten(s, 'n').map((x) => x[0].i);
const range = (x, y) => [...Array(y - x + 1).keys()].map((i) => i + x);

/* f gets the daemons of these configurations. */
async function using(confs, f) {
	const list = [];
	try {
		for (const conf of confs)
			list.push(await Daemon.start({ workers: 1, conf }));
		for (const d of list) {
			await linked(d);
			for (const nsp of ['/', '/r']) {
				const s = await connect(d, nsp);
				s.emit('me', 0);
				await heard(s, 'me');
				s.close();
			}
		}
		await f(...list);
	} finally {
		for (const d of list)
			await d.stop();
	}
}
async function away(s) {
	s.io.engine.transport.ws._socket.destroy();
	await until(() => !s.connected, 'cut');
}
async function back(s, d) {
	s.io.uri = `http://127.0.0.1:${d.port}${s.nsp}`;
	s.connect();
	await connected(s);
}

/* From a to b and back, in both namespaces. */
async function moves(a, b) {
	for (const nsp of ['/', '/r']) {
		const p = await connect(b, nsp), s = await connect(a, nsp,
		    nsp === '/r' ? { auth: { token: user('u') } } : {});
		for (const c of [p, s])
			await ask(c, 'room:join', { room: 'x' });
		const { id } = s;
		let n = 0;
		await ask(p, 'n', { room: 'x', i: n++ });
		await heard(s, 'n');
		for (const d of [b, a]) {
			await away(s);
			await ask(p, 'n', { room: 'x', i: n++ });
			await back(s, d);
			assert.equal(s.recovered, true);
			assert.equal(s.id, id);
			await ask(p, 'n', { room: 'x', i: n++ });
			await until(() => numbers(s).length >= n, 'all');
		}
		assert.deepEqual(numbers(s), range(0, n - 1));
		p.close();
		s.close();
	}
}

test('a Cluster: sessions and journal of a namespace are in one slot', async () => {
	const cluster = await Cluster.start({ masters: 3 });
	try {
		await using([0, 1].map((i) => space(`url = "redis://${
			cluster.nodes[i].address}"`)), moves);
		const keys = (await Promise.all(cluster.masters.map((n) =>
			n.cli.do('KEYS', 'roost:*')))).flat();
		for (const what of ['journal:r', 'journal:', 'journal-state:r',
			'session:r:[\\w-]{20}', 'session::[\\w-]{20}'])
			assert.ok(keys.some((k) => new RegExp(
			    `^roost:\\{\\d+\\}${what}$`).test(k)), `${what}: ${
				keys.join(' ')}`);
	} finally {
		await cluster.kill();
	}
});

test('shards: a namespace is on one of them', async () => {
	const shards = [];
	for (let i = 0; i < 3; i++)
		shards.push(await Redis.start({ port: await freePort() }));
	const list = shards.map((s) => `"redis://127.0.0.1:${s.port}"`);
	try {
		await using([list, [list[0], list[2], list[1]]].map((l) =>
			space(`shards = {${l.join(', ')}}`)), moves);
	} finally {
		for (const s of shards)
			await s.kill();
	}
});

test('a user with the rights of the manual', async () => {
	const redis = await Redis.start(), cli = await redis.client();
	const page = fs.readFileSync(new URL('../../man/roost.conf.5',
	    import.meta.url), 'utf8');
	const of = (re) => page.match(re)[0].replace(/\\e\n/g, ' ')
	    .split(/\s+/).slice(4).map((w) => w.replace(/^'|'$/g, ''));
	const base = of(/redis-cli ACL SETUSER roostd on [^]*?'\+client\|setname'/);
	const more = of(/redis-cli ACL SETUSER roostd '~roost:\*' \+eval \+evalsha [^]*?\+persist/);
	try {
		await cli.do('ACL', 'SETUSER', 'roostd', ...base);
		await cli.do('ACL', 'SETUSER', 'roostd', ...more);
		await using([0, 1].map(() => space(`url = "unix://roostd:PASSWORD@${
			redis.path}" socketio_prefix = ""`)), moves);
	} finally {
		cli.close();
		await redis.kill();
	}
});

test('sealed: what others have written there is nobody\'s', async () => {
	const redis = await Redis.start(), cli = await redis.client();
	const file = `${tempdir()}/secret`;
	fs.writeFileSync(file, `${'s'.repeat(40)}\n`);
	try {
		await using([0, 1].map(() => space(
		    `url = "${redis.url}" secret_file = "${file}"`)),
		async (a, b) => {
			await moves(a, b);
			const s = await connect(a, '/r'), { id, _pid } = s;
			const key = `roost:session:r:${_pid}`;
			await away(s);
			await until(async () => await cli.do('HGET', key, 's') ===
			    'a', 'it is away');
			await cli.do('HSET', key, 'd', 'forged', 'u', '=root');
			const t = await connect(b, '/r', { auth: { pid: _pid,
				token: user('root') } });
			assert.notEqual(t.id, id);
			await b.counts('redis_unsealed', (n) => n > 0);
			t.close();
			s.close();
		});
	} finally {
		cli.close();
		await redis.kill();
	}
});

test('what back ends publish through Redis is told again, once', async () => {
	const redis = await Redis.start(), cli = await redis.client();
	try {
		await using([0, 1].map(() => space(`url = "${redis.url}"`)),
		    async (a, b) => {
			const publish = (to, i) => cli.do('PUBLISH', 'roost:publish',
			    JSON.stringify({ namespace: 'r', event: 'n', ...to,
				args: [{ i }], meta: false }));
			const s = await connect(a, '/r', { auth: {
				token: user('u') } });
			const w = await connect(b, '/r');
			for (const c of [s, w])
				await ask(c, 'room:join', { room: 'x' });
			await publish({ room: 'x' }, 1);
			await heard(s, 'n');
			const { id } = s;
			await away(s);
			/* what is for others is told from what is for him */
			await publish({ room: 'x' }, 2);
			await publish({ room: 'y' }, 2);
			await publish({ user: 'u' }, 2);
			await publish({ user: 'v' }, 2);
			await publish({ sid: id }, 2);
			await publish({}, 3);
			await heard(w, 'n', 3);
			await back(s, b);
			assert.equal(s.recovered, true);
			await publish({}, 4);
			await until(() => numbers(s).includes(4) &&
			    numbers(w).includes(4), 'the last');
			assert.deepEqual(numbers(s), [1, 2, 2, 2, 3, 4]);
			assert.deepEqual(numbers(w), [1, 2, 3, 4]);
			s.close();
			w.close();
		});
	} finally {
		cli.close();
		await redis.kill();
	}
});

test('what an emitter says reaches who is there, and is not told again',
    async () => {
	const redis = await Redis.start(), em = await emitter(redis);
	try {
		await using([0, 1].map(() => space(`url = "${redis.url}"`)),
		    async (a, b) => {
			const s = await connect(a, '/r'), w = await connect(b, '/r');
			for (const c of [s, w])
				await ask(c, 'room:join', { room: 'x' });
			const say = (i) => em.emitter.of('/r').to('x')
			    .emit('n', { i });
			await ask(w, 'n', { room: 'x', i: 0 });
			await heard(s, 'n');
			say(1);
			await heard(s, 'n', 2);
			await heard(w, 'n');
			await away(s);
			say(2);
			await heard(w, 'n', 2);
			await ask(w, 'n', { room: 'x', i: 3 });
			await back(s, b);
			assert.equal(s.recovered, true);
			await until(() => numbers(s).includes(3), 'what is told');
			assert.deepEqual(numbers(s), [0, 1, 3]);
			s.close();
			w.close();
		});
	} finally {
		await em.close();
		await redis.kill();
	}
});
