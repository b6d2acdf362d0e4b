/*
 * Names that are answered, keys for some namespaces, and what the log says of
 * those who were refused.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard, refused } from './lib/clients.mjs';
import { request } from './lib/polling.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';
import { echo, jwt } from './lib/conf.mjs';
import { mint, now, user } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');

/* --- hosts ---------------------------------------------------------------- */

let d;
before(async () => { d = await Daemon.start({ workers: 2, conf: `${echo}
hosts = {"app.example", "*.apps.example", "LOCALHOST"}
api { key "k" { sha256 = "${sha('key')}" allow = {"publish"} } }
listen "127.0.0.1:0" {}
` }); });
after(() => d.stop());

const as = (host, path = '/livez', more = '') =>
	`GET ${path} HTTP/1.1\r\n${host === null ? 'Host:\r\n' :
	    `Host: ${host}\r\n`}${more}\r\n`;
const status = async (bytes) => {
	const r = await raw(d.port, bytes);
	r.sock.close();
	return r.status;
};

for (const [host, ok] of [
	['app.example', true], ['APP.example:8080', true],
	['app.example.', true], ['app.example.:80', true],
	['a.apps.example', true], ['a.b.apps.example', true],
	['localhost', true], ['localhost:1', true],
	['127.0.0.1', true], ['[::1]:8080', true], [null, true],
	['evil.example', false], ['apps.example', false],
	['app.example.evil.example', false], ['xapp.example', false],
	['evilapps.example', false], ['1.2.3.4.evil.example', false],
	['127.0.0.1.example', false], ['app.example..', false],
])
	test(`hosts: Host: ${host}: ${ok ? 200 : 421}`, async () => {
		assert.equal(await status(as(host)), ok ? 200 : 421);
	});

test('hosts: everything is refused to other names, and counted', async () => {
	const evil = 'Origin: http://evil.example\r\n';
	const before = await d.metric('connections_refused', 'why="host"');
	const paths = ['/livez', '/readyz', '/healthz', '/health', '/metrics', '/',
		'/socket.io/?EIO=4&transport=polling', '/api/v1/presence/x',
		'/nothing'];
	for (const path of paths)
		assert.equal(await status(as('evil.example', path, evil)), 421, path);
	for (const path of ['/ws/', '/socket.io/?EIO=4&transport=websocket']) {
		const w = await Ws.open(d.port, path, { host: 'evil.example',
			headers: { Origin: 'http://evil.example' } });
		assert.equal(w.response.status, 421, path);
		assert.equal(JSON.parse(w.response.body).error.code, 'misdirected');
	}
	/* a target with its own host replaces the field */
	assert.equal(await status('GET http://evil.example/livez HTTP/1.1\r\n' +
	    'Host: app.example\r\n\r\n'), 421);
	await d.counts('connections_refused',
	    before + paths.length + 3, 'why="host"');
	await d.logged(/refused what=host address=127\.0\.0\.1:\d+ request="[0-9a-f]{32}" host="evil\.example" directive=hosts/);
});

/* A socket that is closed answers the first byte with a reset, so that the
 * second fails. */
test('hosts: what comes behind a refused request is read', async () => {
	const s = await Sock.open(d.port, { halfOpen: true });
	const written = (b) => new Promise((ok) => s.sock.write(b, ok));
	s.send(as('evil.example', '/', 'Connection: close\r\n'));
	assert.equal((await s.response()).status, 421);
	assert.equal((await s.end()).length, 0);
	for (let i = 0; i < 2; i++)
		assert.ifError(await written('x'));
	assert.equal(s.error, undefined);
	s.close();
});

test('hosts: HTTP/1.0 without a Host is no browser', async () => {
	assert.equal(await status('GET /livez HTTP/1.0\r\n\r\n'), 200);
});

test('without hosts every name is answered', async () => {
	const e = await Daemon.start({ conf: echo });
	const r = await raw(e.port, as('evil.example'));
	assert.equal(r.status, 200);
	r.sock.close();
	await e.stop();
});

/* --- keys ----------------------------------------------------------------- */

const keys = `api {
    key "all" { sha256 = "${sha('all')}"
	allow = {"publish", "presence", "disconnect", "rooms"} }
    key "chat" { sha256 = "${sha('chat')}"
	allow = {"publish", "presence", "disconnect", "rooms"}
	namespaces = {"/chat"} }
    key "two" { sha256 = "${sha('two')}" allow = {"publish"}
	namespaces = {"/", "/chat"} } }
rate "auth_failures" { allow = 5/1m }
`;
const rules = ['/', '/chat', '/other'].map((n) =>
	`namespace "${n}" { auth = optional presence = query }\n`).join('');

async function withKeys(f) {
	const e = await Daemon.start({ conf: `${jwt}${rules}${keys}` });
	const api = async (key, method, path, body) => {
		const r = await request(e.port, method, `/api/v1/${path}`, {
			headers: { ...(key === null ? {} :
			    { authorization: `Bearer ${key}` }),
				'content-type': 'application/json' },
			body: body && JSON.stringify(body) });
		return [r.status, JSON.parse(r.body), r.headers];
	};
	try {
		await f(api, e);
	} finally {
		await e.stop();
	}
}

test('keys: namespaces limits what a key may do to these', async () => {
	await withKeys(async (api, e) => {
		const s = await connect(e, '/chat', { auth: { token: user('ann') } });
		const o = await connect(e, '/other', { auth: { token: user('ann') } });
		for (const [ns, want] of [['chat', 200], ['/chat', 200], ['', 403],
			['other', 403], ['nothing', 403]]) {
			for (const [method, path, body] of [
				['POST', 'publish', { namespace: ns, event: 'e' }],
				['POST', 'rooms', { namespace: ns, user: 'ann',
					join: 'r' }],
				['POST', 'users/ann/rooms', { namespace: ns,
					leave: 'r' }],
				['GET', `presence/${encodeURIComponent(ns)}`],
				['GET', `presence/${encodeURIComponent(ns)}/ann`],
			]) {
				if (method === 'GET' && ns === '')
					continue;
				const [status, r] = await api('chat', method, path,
				    body);
				assert.equal(status, want, `${path} ${ns} ${
				    JSON.stringify(r)}`);
				if (want === 403)
					assert.equal(r.error.code, 'forbidden');
			}
		}
		await heard(s, 'e', 2);
		assert.equal(gotten(o, 'e').length, 0);
		const [, { results }] = await api('chat', 'POST', 'batch', [
			{ namespace: 'chat', event: 'b' },
			{ namespace: 'other', event: 'b' }]);
		assert.ok(results[0].id);
		assert.equal(results[1].error.code, 'forbidden');
		assert.equal((await api('two', 'POST', 'publish',
		    { namespace: '', event: 'e' }))[0], 200);
		assert.equal((await api('two', 'POST', 'publish',
		    { namespace: 'other', event: 'e' }))[0], 403);
		assert.equal((await api('all', 'POST', 'publish',
		    { namespace: 'other', event: 'e' }))[0], 200);
		assert.equal((await api('all', 'POST', 'publish',
		    { namespace: 'nothing', event: 'e' }))[0], 404);
		await heard(o, 'e', 1);
		s.close();
		o.close();
	});
});

test('keys: a limited one ends sessions of its namespaces, no more', async () => {
	await withKeys(async (api, e) => {
		const s = await connect(e, '/chat', { auth: { token: user('ann') } });
		const o = s.io.socket('/other', { auth: { token: user('ann') } });
		await until(() => o.connected, 'the other namespace');
		for (const body of [{ namespace: 'chat', close: true },
			{ namespace: 'chat', reconnect: true }])
			assert.equal((await api('chat', 'POST',
			    'users/ann/disconnect', body))[0], 403);
		assert.equal((await api('chat', 'POST', 'users/ann/disconnect',
		    { namespace: 'other' }))[0], 403);
		/* anywhere is not its namespaces */
		assert.equal((await api('chat', 'POST', 'users/ann/disconnect',
		    {}))[0], 400);
		const [status, r] = await api('chat', 'POST',
		    'users/ann/disconnect', { namespace: 'chat' });
		assert.deepEqual([status, r.disconnected], [200, 1]);
		await until(() => !s.connected, 'its end');
		assert.equal(o.connected, true);
		o.close();
		s.close();
	});
});

test('keys: wrong ones count for auth_failures, as tokens do', async () => {
	await withKeys(async (api, e) => {
		const order = ['POST', 'publish', { namespace: 'chat', event: 'e' }];
		/* none at all is no attempt */
		for (let i = 0; i < 8; i++)
			assert.equal((await api(null, ...order))[0], 401);
		for (let i = 0; i < 5; i++)
			assert.equal((await api('wrong', ...order))[0], 401);
		await until(() => /refused what=key address=127\.0\.0\.1:\d+ request="\w+" directive=api\.key/.test(e.log),
		    'a line in the log');
		const [status, r, headers] = await api('wrong', ...order);
		assert.equal(status, 429);
		assert.equal(r.error.code, 'rate_limited');
		assert.ok(Number(headers['retry-after']) > 0);
		assert.equal((await api('all', ...order))[0], 429);
		assert.equal((await api('all', 'GET', 'presence/chat'))[0], 429);
		const s = await connect(e, '/chat', { wait: false,
			auth: { token: user('ann') } });
		assert.equal((await refused(s)).data.code, 'rate_limited');
		s.close();
	});
});

/* --- what the log says ---------------------------------------------------- */

test('one line a second says what was refused, and which directive', async () => {
	const e = await Daemon.start({ conf: `${jwt}${rules}
allowed_origins = {"https://app.example"}
namespace "/closed" {}
` });
	const line = (rx) => until(() => e.log.split('\n').find((l) =>
		/ refused /.test(l) && rx.test(l)), `${rx}`);
	const origin = { headers: { Origin: 'https://evil.example\\"' } };
	await request(e.port, 'GET', '/socket.io/?EIO=3&transport=polling');
	assert.match(await line(/what=version/), /eio="3" .*served=4/);
	for (let i = 0; i < 20; i++)
		await Ws.open(e.port, '/ws/', origin);
	assert.match(await line(/what=origin/),
	    /origin="https:\/\/evil\.example\\x5c\\x22" .*directive=allowed_origins /);
	await request(e.port, 'GET', '/socket.io/?EIO=4&transport=polling',
	    { headers: { origin: 'http://x' } });
	for (const [token, reason, directive] of [
		[mint({ sub: 'a', exp: now() - 100 }), 'expired', 'jwt.leeway'],
		[mint({ sub: 'a' }, { key: 'x'.repeat(40) }), 'signature',
			'jwt.secret,'],
		[mint({ exp: now() + 100 }), 'user_missing', 'jwt.user_claim'],
		[undefined, 'missing', 'namespace.auth'],
	]) {
		const s = await connect(e, '/closed', { wait: false,
			auth: { token } });
		assert.equal((await refused(s)).data.reason, reason);
		s.close();
		assert.match(await line(new RegExp(`what=token reason=${reason}`)),
		    new RegExp(`directive=${directive}`));
		assert.ok(token === undefined || !e.log.includes(token));
	}
	/* at most one a second of each kind */
	assert.ok(e.log.split('\n').filter((l) => /what=origin/.test(l)).length <= 3);
	await e.stop();
});

test('a token refused at a refresh is told, too', async () => {
	const e = await Daemon.start({ conf: `${jwt}${rules}` });
	const s = await connect(e, '/chat', { auth: { token: user('ann') } });
	await ask(s, 'auth:refresh', { token: user('bob') });
	await until(() => /refused what=token reason=subject/.test(e.log), 'line');
	s.close();
	await e.stop();
});

