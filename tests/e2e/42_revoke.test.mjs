/*
 * A back end revokes a user, or a token: sessions end on every worker, and what
 * was revoked is refused at every door.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, roostd, sleep, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, once, plain, refused } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { Polling } from './lib/polling.mjs';
import { sioOn } from './lib/spread.mjs';
import { now, user } from './lib/token.mjs';
import { engine } from './lib/wire.mjs';

const key = (name, more) => `key "${name}" { sha256 = "${crypto
    .createHash('sha256').update(name).digest('hex')}" ${more} }\n`;
export const conf = `${jwt}
recovery { window = 1m }
shm { revocations = 64 }
api { ${key('all', 'allow = {revoke, publish}')}
${key('other', 'allow = {disconnect, publish}')}
${key('limited', 'allow = {revoke} namespaces = {"/a"}')} }
namespace "/a" { auth = optional event "ask" { ack = echo } }
namespace "/b" { auth = required event "ask" { ack = echo } }
route "/engine" { namespace = "/b" format = engine }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 3, conf }); });
after(() => d.stop());

const post = async (body, { bearer = 'all', at = d } = {}) => {
	const r = await fetch(at.url('/api/v1/revoke'), { method: 'POST',
		headers: { Authorization: `Bearer ${bearer}`,
			'Content-Type': 'application/json' },
		body: typeof body === 'string' ? body : JSON.stringify(body) });
	return { status: r.status, ...await r.json() };
};
const revoke = async (body, o) => {
	const r = await post(body, o);
	assert.equal(r.status, 200, JSON.stringify(r));
	return r;
};
/* Issued a moment ago, which is before anything that follows. */
/* issued before all that this file revokes */
const began = now();
const old = (sub, more = {}) => user(sub, { iat: began - 10, ...more });
const gone = async (s) => {
	if (s.connected)
		await once(s, 'disconnect');
};
const entry = (s) => s.got.find((g) => g[0] === 'roost:disconnect');
const tries = async (nsp, token, auth) => {
	const s = await connect(d, nsp, { wait: false, ...(auth ?
	    { auth: { token } } : { extraHeaders: {
		Authorization: `Bearer ${token}` } }) });
	const e = await refused(s);
	s.close();
	return e;
};

test('who may: a key with the right, of all namespaces', async () => {
	for (const [bearer, status] of [['other', 403], ['limited', 403],
		['nobody', 401]]) {
		const r = await post({ user: 'x' }, { bearer });
		assert.equal(r.status, status, bearer);
	}
	assert.equal((await post({ user: 'x' }, { bearer: 'limited' })).error
	    .message, 'revoke is for keys of all namespaces');
});

test('bodies that are none', async () => {
	for (const body of ['', '{', [], {}, { user: 'a', jti: 'b' },
		{ user: '' }, { user: 5 }, { user: null }, { user: ['a'] },
		{ user: 'x'.repeat(256) }, { user: 'a\u0000b' },
		{ user: 'a', until: now() - 1 }, { user: 'a', until: 'x' },
		{ user: 'a', until: now() + 9, for: 9 }, { user: 'a', for: 0 },
		{ user: 'a', until: now() + 9, exp: now() + 9 },
		{ user: 'a', for: 1e15 }, { user: 'a', until: 1e12 },
		{ user: 'a', reason: 5 }, { user: 'a', namespace: '/a' }]) {
		const r = await post(body);
		assert.equal(r.status, 400, JSON.stringify(body));
		assert.equal(r.error.code, 'bad_request');
	}
	await d.counts('revocations_refused', 0);
});

test('a user: all sessions on all workers, and no way back', async () => {
	const token = old('ann', { iat: now() - 5 });
	const list = [...await sioOn(d, [1, 2, 3], '/a', { auth: { token } }),
		...await sioOn(d, [1, 2, 3], '/b', { auth: { token } })];
	const w = await plain(d, `/ws/a?token=${token}`), closes = [];
	w.on('close', (code, why) => closes.push([code, String(why)]));
	const bob = await connect(d, '/b', { auth: { token: old('bob') } });
	const before = now();
	const r = await revoke({ user: 'ann', for: 60, reason: 'left' });
	assert.equal(r.disconnected, 7);
	assert.equal(r.hosts, 1);
	assert.equal(r.complete, true);
	assert.ok(r.until >= before + 65 && r.until <= now() + 66, r.until);
	await Promise.all(list.map(gone));
	for (const s of list)
		assert.deepEqual(entry(s)[1], { reason: 'left' });
	await until(() => closes.length, 'the plain one to end');
	assert.deepEqual(closes, [[1008, 'token revoked']]);
	for (let i = 0; i < 6; i++) {
		for (const auth of [true, false]) {
			const e = await tries('/b', token, auth);
			assert.equal(e.data.code, 'unauthorized');
			assert.equal(e.data.reason, 'revoked');
		}
		await assert.rejects(plain(d, `/ws/b?token=${token}`),
		    { status: 401 });
		await assert.rejects(plain(d, `/engine/?EIO=4&transport=websocket` +
		    `&token=${token}`), /refused 4/);
	}
	/* one that does not say when it was issued */
	assert.equal((await tries('/b', user('ann'), true)).data.reason,
	    'revoked');
	/* a new one */
	const s = await connect(d, '/b', { auth: { token: user('ann',
	    { iat: now() + 1 }) } });
	assert.equal(await ask(s, 'ask', 1), 1);
	assert.equal(await ask(bob, 'ask', 2), 2);
	s.close();
	bob.close();
	await d.counts('auth_failed', (n) => n >= 25, 'reason="revoked"');
	await d.counts('revoked_sessions', 7);
	await d.counts('clients_closed', (n) => n >= 4, 'reason="revoked"');
	await until(async () => await d.metric('revocations') === 1, 'the gauge');
});

test('a token: its sessions, and no others of the user', async () => {
	const one = old('cat', { jti: 'one' }), two = old('cat', { jti: 'two' });
	const list = [...await sioOn(d, [1, 2, 3], '/a', { auth: { token: one } }),
		await connect(d, '/b', { auth: { token: one } })];
	const kept = [...await sioOn(d, [1, 2, 3], '/a', { auth: { token: two } }),
		await connect(d, '/a', { auth: { token: old('cat') } })];
	const exp = now() + 50;
	const r = await revoke({ jti: 'one', exp });
	assert.equal(r.disconnected, 4);
	assert.equal(r.until, exp + 5);
	await Promise.all(list.map(gone));
	for (let i = 0; i < 6; i++)
		assert.equal((await tries('/b', one, i % 2 === 0)).data.reason,
		    'revoked');
	for (const s of kept) {
		assert.equal(await ask(s, 'ask', 1), 1);
		s.close();
	}
	/* of the same user, issued before */
	(await connect(d, '/b', { auth: { token: two } })).close();
	/* what is no text has no id */
	(await connect(d, '/b', { auth: { token: old('cat', { jti: 5 }) } })).close();
	assert.equal((await revoke({ jti: 'one', until: exp - 20 })).until, exp + 5);
	assert.equal((await revoke({ jti: 'nobody', for: 1 })).disconnected, 0);
});

test('a handshake before, and CONNECT after', async () => {
	const token = old('dot');
	const w = await engine(d.port, { query: `&token=${token}` });
	const p = await Polling.open(d.port, { headers: {
		Authorization: `Bearer ${token}` } });
	await revoke({ user: 'dot', for: 60 });
	for (const nsp of ['/a', '/b']) {
		w.text(`40${nsp},`);
		assert.match(await w.message('the answer'), new RegExp(`^44${nsp
		    },.*"code":"unauthorized","reason":"revoked"`));
	}
	await p.send('40/b,');
	assert.match((await p.collect(1))[0], /^44\/b,.*"revoked"/);
	w.destroy?.();
});

test('auth:refresh: not with what is revoked, and out of its reach', async () => {
	const s = await connect(d, '/b', { auth: { token: old('eli') } });
	await revoke({ jti: 'eli-1', for: 60 });
	const r = await ask(s, 'auth:refresh', { token: old('eli',
	    { jti: 'eli-1' }) });
	assert.equal(codeOf(r), 'unauthorized');
	assert.equal(r.error.message, 'the token, or its user, was revoked');
	/* a newer one is not of those that were issued before */
	await ask(s, 'auth:refresh', { token: user('eli', { iat: now() + 5 }) });
	assert.equal((await revoke({ user: 'eli', for: 60 })).disconnected, 0);
	assert.equal(await ask(s, 'ask', 1), 1);
	/* the token that it has now is the one that is ended */
	await ask(s, 'auth:refresh', { token: user('eli', { iat: now() + 5,
		jti: 'eli-2' }) });
	assert.equal((await revoke({ jti: 'eli-2', for: 60 })).disconnected, 1);
	await gone(s);
});

test('over polling', async () => {
	const p = await Polling.open(d.port);
	await p.connect('/b', JSON.stringify({ token: old('fay') }));
	assert.equal((await revoke({ user: 'fay', for: 60 })).disconnected, 1);
	const got = await p.collect(2);
	assert.match(got[0], /^42\/b,\["roost:disconnect",\{"reason":"token revoked"/);
	assert.equal(got[1], '41/b,');
	await until(() => p.gone(), 'its end');
});

test('a session that waits for its client does not come back', async () => {
	const token = old('gil');
	const s = await connect(d, '/b', { auth: { token } });
	const { id } = s;
	s.io.reconnection(false);
	s.io.engine.transport.ws._socket.destroy();
	await until(() => !s.connected, 'cut');
	await until(async () => await d.metric('recovery_parked') === 1, 'parked');
	assert.equal((await revoke({ user: 'gil', for: 60 })).disconnected, 1);
	/* as the same, with another token, wherever it lands */
	s.auth.token = user('gil', { iat: now() + 5 });
	for (let i = 0; i < 3; i++) {
		s.connect();
		await once(s, 'connect');
		assert.equal(s.recovered, false);
		assert.notEqual(s.id, id);
		s.disconnect();
	}
	s.auth.token = token;
	s.connect();
	assert.equal((await refused(s)).data.reason, 'revoked');
	s.close();
});

test('a moment of the issuer: earlier, or to come', async () => {
	const s = await connect(d, '/b', { auth: {
		token: user('ida', { iat: now() - 10 }) } });
	assert.equal((await revoke({ user: 'ida', for: 60, iat: now() - 30 }))
	    .disconnected, 0);
	assert.equal((await tries('/b', user('ida', { iat: now() - 40 }), true))
	    .data.reason, 'revoked');
	assert.equal((await revoke({ user: 'ida', for: 60, iat: now() + 30 }))
	    .disconnected, 1);
	await gone(s);
	assert.equal((await tries('/b', user('ida'), true)).data.reason,
	    'revoked');
	for (const body of [{ jti: 'x', iat: 1 }, { user: 'x', iat: 'y' },
		{ user: 'x', for: 5, iat: now() + 60 }])
		assert.equal((await post(body)).status, 400);
});

const ctl = (args, bearer = 'all') => new Promise((ok) => {
	execFile(path.join(path.dirname(roostd), 'roostctl'), ['-p',
		String(d.pid), ...args], { env: { ...process.env,
		ROOST_API_KEY: bearer } }, (e, out, err) =>
		ok({ code: e?.code ?? 0, out, err }));
});

test('a token issued in milliseconds is of no moment', async () => {
	const token = user('ivo', { iat: Date.now() });
	const s = await connect(d, '/b', { auth: { token } });
	assert.equal((await revoke({ user: 'ivo', for: 60 })).disconnected, 1);
	await gone(s);
	await tries('/b', token, true);
});

test('roostctl revoke, and why', async () => {
	const token = old('jan');
	const s = await connect(d, '/b', { auth: { token } });
	let r = await ctl(['revoke', '--for', '2m', 'user:jan', 'gone']);
	assert.equal(r.code, 0, r.err);
	let got = JSON.parse(r.out);
	assert.equal(got.disconnected, 1);
	assert.ok(Math.abs(got.until - now() - 125) < 20);
	await gone(s);
	assert.deepEqual(entry(s)[1], { reason: 'gone' });
	r = await ctl(['revoke', '--until', String(now() + 99), 'jti:jan:1']);
	assert.equal(r.code, 0, r.err);
	r = await ctl(['revoke', 'jti:jan:1']);
	got = JSON.parse(r.out);
	assert.ok(Math.abs(got.until - now() - 30 * 86400) < 60);
	assert.equal((await tries('/b', user('jan', { iat: now() + 9,
		jti: 'jan:1' }), true)).data.reason, 'revoked');
	for (const args of [[], ['jan'], ['user:'], ['jti:'], ['--for', 'x', 'user:a'],
		['--for', '0', 'user:a'], ['--for', '1m', '--until', '5', 'user:a'],
		['--until', 'user:a'], ['user:a', 'b', 'c'], ['-x', 'user:a']])
		assert.equal((await ctl(['revoke', ...args])).code, 64, args);
	assert.equal((await ctl(['revoke', 'user:a'], 'other')).code, 77);
	assert.equal((await ctl(['revoke', '--until', '5', 'user:a'])).code, 65);
	await tries('/b', token, true);
	await until(async () => {
		r = await ctl(['why', 'user:jan']);
		return /closed by roostd: revoked \(token revoked\), code 1008/.test(r.out);
	}, 'why it closed');
	await tries('/b', token, false);
	await until(async () => /revoked/.test((await ctl(['why',
		'address:127.0.0.1'])).out.split('\n').filter((l) =>
		/refused/.test(l)).join()), 'why it was refused');
});

test('full: it is said, and nothing is forgotten', async () => {
	const e = await Daemon.start({ workers: 2, conf });
	const at = { at: e };
	const first = old('u0');
	const s = await connect(e, '/b', { auth: { token: old('late') } });
	for (let i = 0; i < 64; i++)
		await revoke({ user: `u${i}`, for: i < 60 ? 600 : 1 }, at);
	const r = await post({ user: 'late', for: 600 }, at);
	assert.equal(r.status, 503);
	assert.equal(r.error.code, 'unavailable');
	assert.equal(await ask(s, 'ask', 1), 1);
	await e.counts('revocations_refused', 1);
	await until(async () => await e.metric('revocations_full') === 1,
	    'the gauge');
	/* one that is there may be longer */
	await revoke({ user: 'u5', for: 700 }, at);
	const t = await connect(e, '/b', { wait: false, auth: { token: first } });
	assert.equal((await refused(t)).data.reason, 'revoked');
	/* those that are over make room */
	await until(async () => (await post({ user: 'late', for: 600 }, at))
	    .status === 200, 'room', 20000);
	await gone(s);
	await until(async () => await e.metric('revocations_full') === 0 &&
	    await e.metric('revocations') === 61, 'the gauges', 20000);
	await e.stop();
});
