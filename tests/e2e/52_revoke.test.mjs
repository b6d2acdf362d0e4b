/*
 * What one host revokes, others refuse: at once, after they have started, and
 * after they or Redis were away.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, once, refused } from './lib/clients.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { jwt } from './lib/conf.mjs';
import { Redis } from './lib/redis.mjs';
import { now, user } from './lib/token.mjs';

const KEY = 'a-key-of-the-test';
const conf = (url) => jwt + `
redis { url = "${url}" }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {revoke} } }
namespace "/a" { auth = required event "ask" { ack = echo } }
`;
let redis, a, b, cli;
before(async () => {
	({ redis, list: [a, b], cli } = await hosts(conf, [2, 2]));
});
after(() => unhost({ redis, list: [a, b], cli }));

async function revoke(d, body) {
	const r = await fetch(d.url('/api/v1/revoke'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	const got = await r.json();
	assert.equal(r.status, 200, JSON.stringify(got));
	return got;
}
/* issued before all that this file revokes */
const began = now();
const old = (sub, more = {}) => user(sub, { iat: began - 10, ...more });
const enter = (d, token) => connect(d, '/a', { auth: { token } });
const gone = async (s) => {
	if (s.connected)
		await once(s, 'disconnect', 15000);
};
const why = async (d, token) => {
	const s = await connect(d, '/a', { wait: false, auth: { token } });
	const e = await refused(s);
	s.close();
	return e.data?.reason;
};
const members = () => cli.do('ZRANGE', 'roost:revoked', '0', '-1');
/* Until that host refuses: every worker of it. */
async function refuses(d, token) {
	await until(async () => {
		const s = await connect(d, '/a', { wait: false, auth: { token } });
		return new Promise((ok) => {
			s.once('connect', () => { s.close(); ok(false); });
			s.once('connect_error', (e) => {
				s.close();
				ok(e.data?.reason === 'revoked');
			});
		});
	}, 'it to be refused', 20000);
	for (let i = 0; i < 5; i++)
		assert.equal(await why(d, token), 'revoked');
}

test('a user of several hosts', async () => {
	const token = old('ann'), list = [await enter(a, token),
		await enter(a, token), await enter(b, token), await enter(b, token)];
	const r = await revoke(a, { user: 'ann', for: 600, reason: 'left' });
	assert.equal(r.disconnected, 2);
	assert.equal(r.hosts, 2);
	assert.equal(r.complete, true);
	await Promise.all(list.map(gone));
	for (const s of list)
		assert.deepEqual(s.got.find((g) => g[0] ===
		    'roost:disconnect')[1], { reason: 'left' });
	await refuses(a, token);
	await refuses(b, token);
	const s = await enter(b, user('ann', { iat: now() + 2 }));
	assert.equal(await ask(s, 'ask', 1), 1);
	s.close();
	assert.equal((await members()).length, 1);
	await b.counts('revocations_heard', 1);
	await a.counts('revocations_told', 1);
});

test('a token, of which others of the user know nothing', async () => {
	const one = old('bob', { jti: 'one' }), two = old('bob', { jti: 'two' });
	const list = [await enter(a, one), await enter(b, one)];
	const kept = [await enter(a, two), await enter(b, two)];
	const r = await revoke(b, { jti: 'one', exp: now() + 3600 });
	assert.equal(r.disconnected, 1);
	assert.equal(r.hosts, 2);
	await Promise.all(list.map(gone));
	await refuses(a, one);
	for (const s of kept) {
		assert.equal(await ask(s, 'ask', 1), 1);
		s.close();
	}
});

test('two hosts revoke the same at once, and agree', async () => {
	const token = old('eve'), list = [await enter(a, token),
		await enter(b, token)];
	const [x, y] = await Promise.all([revoke(a, { user: 'eve', for: 100 }),
		revoke(b, { user: 'eve', for: 5000 })]);
	await Promise.all(list.map(gone));
	assert.ok(y.until > x.until || y.until === x.until);
	await until(async () => (await revoke(a, { user: 'eve', for: 1 })).until
	    === y.until && (await revoke(b, { user: 'eve', for: 1 })).until ===
	    y.until, 'both to say the same');
	await refuses(a, token);
	await refuses(b, token);
});

test('through Redis, as a publication', async () => {
	const token = old('dan'), list = [await enter(a, token),
		await enter(b, token)];
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({ revoke: {
		user: 'dan', for: 600, iat: now(), reason: 'told' } }));
	await Promise.all(list.map(gone));
	for (const s of list)
		assert.deepEqual(s.got.find((g) => g[0] ===
		    'roost:disconnect')[1], { reason: 'told' });
	await refuses(a, token);
	await refuses(b, token);
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({ revoke: {} }));
	await until(async () => await a.metric('redis_publishes_refused',
	    'code="bad_request"') === 1, 'one refused');
});

test('a host that starts later learns it', async () => {
	const c = await Daemon.start({ workers: 2, conf: conf(redis.url) });
	await connected(c);
	await refuses(c, old('ann'));
	await refuses(c, old('bob', { jti: 'one' }));
	const s = await enter(c, old('bob', { jti: 'two' }));
	s.close();
	await c.counts('revocations_told', 0);
	await c.stop();
});

test('members that are none, and what is over', async () => {
	const bad = await b.metric('far_bad');
	for (const m of ['', 'u', 'x 1 2 a', 'u 1 2', `u 1 ${now() + 9}`,
		`u 1 ${now() + 9} `, 'u 99999999999 1 a', `t 5 ${now() + 9} a`,
		`u 1 ${now() + 9} a\nb`, `u 1 ${now() + 9} ${'x'.repeat(256)}`])
		await cli.do('PUBLISH', 'roost:revocations', m);
	await cli.do('PUBLISH', 'roost:revocations', 'u 1 2 fred');
	await until(async () => await b.metric('far_bad') === bad + 10,
	    'them to be counted');
	const s = await enter(b, old('fred'));
	s.close();
});

test('more than a page of them, and more than there is room for', async () => {
	const own = await Redis.start(), admin = await own.client();
	for (let i = 0; i < 1300; i += 100)
		await admin.do('ZADD', 'roost:revoked', ...Array.from({
			length: 100 }, (_, j) => [String(now() + 600 + i + j),
			`u ${now()} ${now() + 600 + i + j} n${i + j}`]).flat());
	/* the same, of another host, and what is over */
	await admin.do('ZADD', 'roost:revoked', String(now() + 5000),
	    `u ${now()} ${now() + 5000} n7`, String(now() - 9999),
	    `u ${now()} ${now() - 9999} n8`);
	const c = await Daemon.start({ workers: 1, conf: conf(own.url) });
	await connected(c);
	await until(async () => await c.metric('revocations') === 1300,
	    'all of them', 20000);
	for (const n of ['n0', 'n7', 'n1299'])
		await refuses(c, old(n));
	await c.counts('revocations_told', 0);
	await c.stop();
	const small = await Daemon.start({ workers: 1, conf:
	    `${conf(own.url)}shm { revocations = 64 }` });
	await connected(small);
	await until(() => / revocations_full /.test(small.log), 'the line');
	await small.counts('revocations_refused', (n) => n > 0);
	await until(async () => await small.metric('revocations') === 64 &&
	    await small.metric('revocations_full') === 1, 'a full table', 20000);
	/* those that are over last */
	await refuses(small, old('n7'));
	await small.stop();
	admin.close();
	await own.kill();
});

/* A way to Redis that can be closed. */
async function gate(to) {
	const at = path.join(tempdir(), 'gate.sock'), open = new Set();
	let server;
	const g = { url: `unix:${at}`,
		open: () => new Promise((ok) => {
			server = net.createServer((near) => {
				const far = net.connect(to);
				for (const [one, other] of [[near, far], [far, near]]) {
					open.add(one);
					one.on('error', () => {});
					one.on('close', () => {
						open.delete(one);
						other.destroy();
					});
					one.pipe(other);
				}
			});
			server.listen(at, ok);
		}),
		close() {
			server.close();
			for (const s of open)
				s.destroy();
		} };
	await g.open();
	return g;
}

test('a host that was cut off learns it, and tells what it knows', async () => {
	const g = await gate(redis.path);
	const c = await Daemon.start({ workers: 2, conf: conf(g.url) });
	await connected(c);
	const hal = old('hal'), ivy = old('ivy', { jti: 'ivy' });
	const list = [await enter(a, hal), await enter(c, hal),
		await enter(a, ivy), await enter(c, ivy)];
	g.close();
	await connected(c, false);
	const r = await revoke(a, { user: 'hal', for: 600 });
	assert.equal(r.hosts, 2);
	assert.equal(r.complete, true);
	const t = await revoke(c, { jti: 'ivy', for: 600 });
	assert.equal(t.hosts, 1);
	assert.equal(t.complete, false);
	await gone(list[0]);
	await gone(list[3]);
	assert.equal(await ask(list[1], 'ask', 1), 1);
	assert.equal(await ask(list[2], 'ask', 1), 1);
	await g.open();
	await connected(c);
	await gone(list[1]);
	await gone(list[2]);
	await refuses(c, hal);
	await refuses(a, ivy);
	await refuses(b, ivy);
	g.close();
	await c.stop();
});

test('a relay that dies keeps nothing to itself', async () => {
	const token = old('joe'), list = [await enter(a, token),
		await enter(b, token)];
	process.kill(a.relay().pid, 'SIGKILL');
	a.mayDie = true;
	const r = await revoke(a, { user: 'joe', for: 600 });
	assert.ok(r.hosts >= 1);
	await Promise.all(list.map(gone));
	await refuses(a, token);
	await refuses(b, token);
});

test('an ACL user with just what the manual lists', async () => {
	const own = await Redis.start(), admin = await own.client();
	await admin.do('ACL', 'SETUSER', 'roostd', 'on', '>pw', 'resetchannels',
	    '&roost:*', '-@all', '+ping', '+publish', '+subscribe',
	    '+unsubscribe', '+client|setname');
	const url = `unix://roostd:pw@${own.path}" socketio_prefix = "`;
	const c = await Daemon.start({ workers: 1, conf: conf(url) });
	await connected(c);
	assert.equal((await revoke(c, { user: 'x', for: 600 })).complete, false);
	assert.match(c.log, /redis_denied command=Z/);
	await c.stop();
	await admin.do('ACL', 'SETUSER', 'roostd', '~roost:*', '+zadd',
	    '+zremrangebyscore', '+zrevrangebyscore');
	const e = await Daemon.start({ workers: 1, conf: conf(url) });
	await connected(e);
	const r = await revoke(e, { user: 'x', for: 600 });
	assert.equal(r.complete, true);
	assert.equal(r.hosts, 1);
	assert.doesNotMatch(e.log, /redis_denied/);
	await e.stop();
	admin.close();
	await own.kill();
});

test('with a secret, only who knows it revokes', async () => {
	const file = path.join(tempdir(), 'secret');
	fs.writeFileSync(file, `${'s'.repeat(40)}\n`, { mode: 0o600 });
	const own = await Redis.start(), admin = await own.client();
	const url = `${own.url}" secret_file = "${file}`;
	const list = await Promise.all([1, 1].map((workers) =>
		Daemon.start({ workers, conf: conf(url) })));
	await Promise.all(list.map((d) => connected(d)));
	const kim = old('kim'), leo = old('leo');
	const s = await enter(list[1], leo);
	await admin.do('PUBLISH', 'roost:revocations', `u ${now()} ${
	    now() + 99} leo`);
	await admin.do('ZADD', 'roost:revoked', String(now() + 99),
	    `u ${now()} ${now() + 99} leo`);
	await until(async () => await list[1].metric('redis_unsealed') >= 1,
	    'it to be dropped');
	assert.equal((await revoke(list[0], { user: 'kim', for: 600 })).hosts, 2);
	await refuses(list[1], kim);
	const c = await Daemon.start({ workers: 1, conf: conf(url) });
	await connected(c);
	await refuses(c, kim);
	(await enter(c, leo)).close();
	assert.equal(await ask(s, 'ask', 1), 1);
	s.close();
	for (const d of [...list, c])
		await d.stop();
	admin.close();
	await own.kill();
});

test('Redis away: it is said, and told when it is back', async () => {
	const token = old('gus'), list = [await enter(a, token),
		await enter(b, token)];
	await redis.kill();
	await connected(a, false);
	await connected(b, false);
	const r = await revoke(a, { user: 'gus', for: 600 });
	assert.equal(r.disconnected, 1);
	assert.equal(r.hosts, 1);
	assert.equal(r.complete, false);
	await gone(list[0]);
	assert.equal(await why(a, token), 'revoked');
	assert.equal(await ask(list[1], 'ask', 1), 1);
	await redis.again();
	await connected(a);
	await connected(b);
	await gone(list[1]);
	await refuses(b, token);
	/* all that were in force, though Redis had lost them */
	cli.close();
	cli = await redis.client();
	await until(async () => (await members()).length >= 4, 'the others',
	    20000);
});
