/*
 * CONNECT, DISCONNECT and tokens before anybody is known: they cost something,
 * and not many are refused before the connection ends.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, slow, tempdir, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, refused } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Sock, engine } from './lib/wire.mjs';
import { jwt } from './lib/conf.mjs';
import { mint, now, user } from './lib/token.mjs';

const rooms = 'namespace "/a" { auth = none event "q" { ack = echo } }\n' +
    'namespace "/b" { auth = none }\n' +
    'namespace "/t" { auth = required event "q" { ack = echo } }\n';

test('a POST of bad signatures: a few are looked at, then it ends', async () => {
	const dir = tempdir();
	const keys = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const other = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
	fs.writeFileSync(path.join(dir, 'ec.pem'),
	    keys.publicKey.export({ type: 'spki', format: 'pem' }));
	const d = await Daemon.start({ workers: 1, conf: `${rooms}
jwt { algorithms = {"ES256"} key "ec" { file = "${dir}/ec.pem" } }\n` });
	const bad = mint({ sub: 'x', exp: now() + 60 }, { alg: 'ES256',
		key: other.privateKey, header: { kid: 'ec' } });
	const p = await Polling.open(d.port);
	const s = await connect(d, '/a');
	let worst = 0, on = true;
	const asking = (async () => {
		while (on) {
			const t0 = performance.now();
			await ask(s, 'q', 1);
			worst = Math.max(worst, performance.now() - t0);
		}
	})();
	const body = Array(3000).fill(`40/t,{"token":"${bad}"}`).join('\x1e');
	assert.equal((await p.post(body)).body, 'ok');
	on = false;
	await asking;
	/* how many were looked at is what tells; a busy machine is slow */
	assert.ok(worst < 250 * slow, `${worst} ms`);
	await d.counts('auth_failed', 20, 'signature');
	await d.counts('connects_exhausted', 1);
	const got = await p.packets();
	assert.equal(got.length, 20);
	assert.ok(got.every((t) => t.startsWith('44/t,')));
	assert.equal((await p.get()).body, '1');
	assert.ok(await p.gone());
	s.close();
	await d.stop();
});

test('CONNECTs that are refused for any reason end a connection', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${jwt}${rooms}
limits { failed_connects = 4 namespaces_per_connection = 1 }\n` });
	const w = await engine(d.port);
	for (const [packet, reply] of [['40/none,', /^44\/none,.*Invalid/],
		['40/t,', /^44\/t,.*missing/], ['40/a,', /^40\/a,/],
		['40/b,', /^44\/b,.*limit/], ['42/a,1["q",1]', /^43\/a,1\[1\]/],
		['40/t,{"token":5}', /^44\/t,/]]) {
		w.text(packet);
		assert.match(await w.message(), reply);
	}
	const end = await w.closed();
	assert.equal(end.code, 1008);
	await d.counts('connects_exhausted', 1);
	await d.counts('clients_closed', 1, 'too_many_requests');
	await d.stop();
});

test('CONNECT, DISCONNECT and refresh count for messages', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${jwt}${rooms}
rate messages { allow = 1/1h burst = 4 strikes = 3 }\n` });
	const w = await engine(d.port);
	for (const packet of ['40/a,', '41/a,', '40/a,', '41/a,', '40/a,'])
		w.text(packet);
	assert.match(await w.message(), /^40\/a,/);
	assert.match(await w.message(), /^40\/a,/);
	const told = JSON.parse((await w.message()).slice(5));
	assert.equal(told.data.code, 'rate_limited');
	assert.ok(told.data.retry_after_ms > 1000000);
	/* strikes are for them, too */
	w.text('40/b,');
	assert.match(await w.message(), /^44\/b,.*rate_limited/);
	w.text('40/b,');
	assert.match(await w.message(), /^44\/b,.*rate_limited/);
	assert.equal((await w.closed()).code, 1008);
	const token = user('ann'), s = await connect(d, '/t', { auth: { token } });
	for (let i = 0; i < 4; i++)
		assert.ok((await ask(s, 'auth:refresh', { token })).exp);
	assert.equal(codeOf(await ask(s, 'auth:refresh', { token })),
	    'rate_limited');
	s.close();
	await d.stop();
});

test('every token that is no good counts for auth_failures', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${jwt}${rooms}
rate auth_failures { allow = 6/1h }\n` });
	const s = await connect(d, '/t', { auth: { token: user('ann') } });
	const try1 = async (token) => codeOf(await ask(s, 'auth:refresh',
	    { token }));
	assert.equal(await try1('x.y.z'), 'unauthorized');
	assert.equal(await try1(user('bob')), 'unauthorized', 'of another user');
	assert.equal(await try1(mint({ sub: 'ann', exp: now() - 999 })),
	    'unauthorized');
	/* ... malformed in a CONNECT, too long, in a handshake */
	for (const token of [5, 'x'.repeat(20000)]) {
		const t = await connect(d, '/t', { wait: false, auth: { token } });
		assert.equal((await refused(t)).data.code, 'unauthorized');
		t.close();
	}
	const h = await request(d.port, 'GET',
	    '/socket.io/?EIO=4&transport=polling',
	    { headers: { authorization: 'Bearer x.y.z' } });
	assert.equal(h.status, 200);
	/* that was it, for good ones, too */
	assert.equal(await try1(user('ann')), 'rate_limited');
	const t = await connect(d, '/t', { wait: false,
		auth: { token: user('ann') } });
	assert.equal((await refused(t)).data.code, 'rate_limited');
	t.close();
	assert.equal(await ask(s, 'q', 1), 1);
	s.close();
	await d.stop();
});

test('a bad token at a route over polling ends its connection', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${jwt}${rooms}
route "/r" { namespace = "/t" format = engine }\n` });
	const s = await Sock.open(d.port);
	s.send(('GET /r/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n' +
	    'Authorization: Bearer x.y.z\r\n\r\n').repeat(50));
	assert.equal((await s.response()).status, 403);
	await s.end();
	await until(async () => await d.metric('connections_open') <= 1, 'its end');
	await d.counts('auth_failed', 1, 'malformed');
	await d.stop();
});
