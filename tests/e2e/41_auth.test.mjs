/* Who is there: keys of every kind, forgeries, expiry on a live connection. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, run, sleep, slow, tempdir, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, once, plain, refused }
	from './lib/clients.mjs';
import { Sock, Ws, engine } from './lib/wire.mjs';
import { jwk, keypair, mint, now, pem, secret, user } from './lib/token.mjs';

const rules = `
namespace "/chat" { event "echo" { to = sender meta = off ack = echo }
    event "who" { to = sender } }
namespace "/other" { event "echo" { ack = echo } }
namespace "/admin" { auth = required roles = {"admin"}
    room "doc:{id}" { join = claim:docs } event "echo" { ack = echo } }
namespace "/open" { auth = none event "echo" { ack = echo } }
`;
const dir = tempdir();
const keys = {};
let hs, pk;
before(async () => {
	for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])
		keys[alg] = keypair(alg);
	keys.jwks = keypair('ES256');
	for (const alg of ['RS256', 'ES256', 'EdDSA'])
		fs.writeFileSync(`${dir}/${alg}.pem`, pem(keys[alg].publicKey));
	fs.writeFileSync(`${dir}/jwks.json`, JSON.stringify({ keys: [
		jwk(keys.PS256.publicKey, 'set-ps', 'PS256'),
		jwk(keys.ES384.publicKey, 'set-384', 'ES384'),
		jwk(keys.jwks.publicKey, 'set-es', 'ES256'),
		{ kty: 'EC', crv: 'P-256', kid: 'enc', use: 'enc', x: 'AA', y: 'AA' },
	] }));
	hs = await Daemon.start({ workers: 1, conf: rules + `
auth_warning = 2s
jwt { algorithms = {"HS256"} secret = "${secret}" issuer = "idp" audience = "app"
      leeway = 0s cookie = "session" }
` });
	pk = await Daemon.start({ workers: 1, conf: rules + `
jwt { algorithms = {"RS256", "PS256", "ES256", "ES384", "EdDSA"}
      key "rsa" { file = "${dir}/RS256.pem" }
      key "ec"  { file = "${dir}/ES256.pem" }
      key "ed"  { file = "${dir}/EdDSA.pem" }
      jwks_file = "${dir}/jwks.json" }
` });
});
after(async () => {
	await hs.stop();
	await pk.stop();
});

const good = { sub: 'ann', iss: 'idp', aud: 'app', exp: now() + 3600 };
const part = (x) => Buffer.from(x).toString('base64url');

/* what is refused, and how it is counted */
function forgeries() {
	const t = mint(good);
	const [h, p, s] = t.split('.');
	const rsa = keys.RS256;
	const header = (x) => `${part(JSON.stringify(x))}.${p}`;
	return [
		['a changed payload', `${h}.${part(JSON.stringify({ ...good, sub: 'root' }))}.${s}`, 'signature'],
		['a changed signature', `${h}.${p}.${s.slice(0, -2)}${s.endsWith('AA') ? 'BB' : 'AA'}`, 'signature'],
		['no signature', `${h}.${p}.`, 'signature'],
		['two parts', `${h}.${p}`, 'malformed'],
		['four parts', `${t}.x`, 'malformed'],
		['foreign bytes in the signature', `${h}.${p}.!${s}`, 'malformed'],
		['alg none', mint(good, { alg: 'none' }), 'algorithm'],
		['alg None', `${header({ alg: 'None', typ: 'JWT' })}.`, 'algorithm'],
		['alg hs256', `${header({ alg: 'hs256', typ: 'JWT' })}.${s}`, 'algorithm'],
		['alg HS384 when HS256 is allowed', mint(good, { alg: 'HS384' }), 'algorithm'],
		['RS256 when only a secret is known', mint(good, { alg: 'RS256', key: rsa.privateKey }), 'algorithm'],
		['an empty key', mint(good, { key: '' }), 'signature'],
		['another key', mint(good, { key: 'y'.repeat(40) }), 'signature'],
		['expired', mint({ ...good, exp: now() - 10 }), 'expired'],
		['not valid yet', mint({ ...good, nbf: now() + 100 }), 'not_yet_valid'],
		['exp as text', mint({ ...good, exp: String(now() + 100) }), 'times'],
		['exp beyond 63 bits', mint(JSON.stringify(good).replace(/"exp":\d+/, '"exp":9223372036854775808')), 'claims'],
		['exp negative', mint({ ...good, exp: -1 }), 'expired'],
		['another issuer', mint({ ...good, iss: 'x' }), 'issuer'],
		['no issuer', mint({ ...good, iss: undefined }), 'issuer'],
		['another audience', mint({ ...good, aud: ['x', 'y'] }), 'audience'],
		['no user', mint({ ...good, sub: undefined }), 'user_missing'],
		['an empty user', mint({ ...good, sub: '' }), 'user_missing'],
		['a user with control bytes', mint({ ...good, sub: 'a\nb' }), 'user_control'],
		['a user of 256 bytes', mint({ ...good, sub: 'a'.repeat(256) }), 'user_long'],
		['a number that JavaScript rounds', mint(JSON.stringify(good).replace('"ann"', '9007199254740993')), 'user_rounded'],
		['roles that are a number', mint({ ...good, roles: 7 }), 'roles'],
		['a user that is an object', mint({ ...good, sub: {} }), 'user_type'],
		['a critical extension', mint(good, { header: { crit: ['x'], x: 1 } }), 'crit'],
		['a payload that is no object', mint('[1]'), ['claims', 'malformed']],
		['a payload that is no JSON', mint('{'), ['claims', 'malformed']],
	];
}
test('forgeries: each is a 401, a CONNECT_ERROR, and counted', async () => {
	for (const [what, token, reason] of forgeries()) {
		const reasons = [reason].flat();
		const before = await Promise.all(reasons.map((r) =>
		    hs.metric('auth_failed', `reason="${r}"`)));
		const w = await Ws.open(hs.port,
		    `/ws/chat?token=${encodeURIComponent(token)}`);
		assert.equal(w.response.status, 401, what);
		const s = await connect(hs, '/chat', { wait: false, auth: { token } });
		const e = await refused(s);
		assert.equal(e.data.code, 'unauthorized', what);
		assert.ok(reasons.includes(e.data.reason),
		    `${what}: ${e.data.reason}`);
		s.close();
		const now2 = await Promise.all(reasons.map((r) =>
		    hs.metric('auth_failed', `reason="${r}"`)));
		assert.ok(now2.some((n, i) => n >= before[i] + 2),
		    `${what}: counted as ${reasons}`);
	}
});

test('a token above 8 KB is refused as too long', async () => {
	const s = await connect(hs, '/chat', { wait: false,
		auth: { token: mint({ ...good, x: 'y'.repeat(9000) }) } });
	assert.equal((await refused(s)).data.reason, 'too_long');
	s.close();
});

test('good ones: aud as list, a numeric user, without exp', async () => {
	for (const claims of [{ ...good, aud: ['x', 'app'] }, { ...good, sub: 12 },
	    { ...good, exp: undefined }, { ...good, sub: 1.5 },
	    { ...good, sub: 1e21 }, { ...good, sub: 'u'.repeat(255) }]) {
		const s = await connect(hs, '/chat', { auth: { token: mint(claims) } });
		s.emit('who', 1);
		const [, meta] = await once(s, 'who');
		assert.equal(meta.from, String(claims.sub));
		s.close();
	}
});

test('a user of 255 bytes is whole in presence, beside its like', async () => {
	const crypto = await import('node:crypto');
	const sha = crypto.createHash('sha256').update('key').digest('hex');
	const e = await Daemon.start({ workers: 2, conf: `
jwt { secret = "${secret}" }
api { key "k" { sha256 = "${sha}" allow = {"presence"} } }
namespace "/chat" { presence = namespace }\n` });
	const users = ['a', 'b'].map((x) => 'u'.repeat(254) + x);
	const list = [];
	for (const u of users)
		list.push(await connect(e, '/chat', { auth: { token: user(u) } }));
	const seen = async () => {
		const r = await fetch(e.url('/api/v1/presence/chat'),
		    { headers: { authorization: 'Bearer key' } });
		return (await r.json()).users.map((x) => x.user).sort();
	};
	await until(async () => (await seen()).length === 2, 'both');
	assert.deepEqual(await seen(), users);
	/* the first hears of the second, by its whole name */
	await until(() => list[0].got.some((a) => a[0] === 'presence:update' &&
	    a[1].user === users[1]), 'its coming');
	list.forEach((s) => s.close());
	await e.stop();
});

test('base64 secrets, nested claims, one bad key in a set', async () => {
	const bytes = Buffer.from('a secret of bytes, not of text: \xff\xfe\x00', 'latin1');
	const ec = keypair('ES256');
	fs.writeFileSync(`${dir}/mixed.json`, JSON.stringify({ keys: [
		{ kty: 'RSA', kid: 'broken', n: '!', e: 'AQAB' },
		jwk(ec.publicKey, 'fine', 'ES256'),
		{ kty: 'oct', kid: 'short', k: 'YQ' },
	] }));
	for (const text of [bytes.toString('base64'), bytes.toString('base64url')]) {
		const e = await Daemon.start({ conf: `
jwt { secret = "${text}" secret_encoding = base64
      jwks_file = "${dir}/mixed.json"
      user_claim = "user.id" roles_claim = "realm_access.roles" }
namespace "/staff" { roles = {"admin"} room "r:{id}" { join = "claim:app.rooms" }
    event "who" { to = sender } }\n` });
		const claims = { user: { id: 'ann' }, exp: now() + 100,
			realm_access: { roles: ['admin'] },
			app: { rooms: ['7'] } };
		for (const token of [
			mint(claims, { key: bytes, header: { kid: '' } }),
			mint(claims, { alg: 'ES256', key: ec.privateKey,
				header: { kid: 'fine' } })]) {
			const s = await connect(e, '/staff', { auth: { token } });
			s.emit('who', 1);
			assert.equal((await once(s, 'who'))[1].from, 'ann');
			assert.ok(!codeOf(await ask(s, 'room:join', { room: 'r:7' })));
			assert.equal(codeOf(await ask(s, 'room:join',
			    { room: 'r:8' })), 'forbidden');
			s.close();
		}
		const s = await connect(e, '/staff', { wait: false, auth: { token:
			mint({ ...claims, realm_access: {} }, { key: bytes }) } });
		assert.equal((await refused(s)).data.code, 'forbidden');
		s.close();
		assert.equal(e.log.match(/jwks_file .*key=1 skipped="/g).length, 1);
		assert.equal(e.log.match(/jwks_file .*key=3 skipped="/g).length, 1);
		await e.stop();
	}
});

test('a base64 secret that is none, or short, is refused by -t', async () => {
	for (const [text, why] of [['!'.repeat(40), /not base64/],
		['QUJD'.repeat(10), /32/]]) {
		const file = `${dir}/bad.conf`;
		fs.writeFileSync(file, `jwt { secret = "${text}"
    secret_encoding = base64 }\nnamespace "/" {}\n`);
		const r = await run(['-t', '-c', file]);
		assert.equal(r.code, 1);
		assert.match(r.out + r.err, why);
	}
});

test('the token in a cookie', async () => {
	const w = await Ws.open(hs.port, '/ws/chat', { headers: {
		Cookie: `a=b; session=${mint(good)}; c=d` } });
	assert.equal(w.response.status, 101, w.response.body);
	w.drop();
});

/* --- where a token may be ------------------------------------------------- */

const shake = async (path, headers, protocols) => {
	const w = await Ws.open(hs.port, path, { headers, protocols });
	w.drop();
	return w.response;
};

test('empty credentials are none, and hide no good one', async () => {
	const t = mint(good);
	const q = `token=${t}`;
	for (const [path, headers] of [
		['/ws/chat', { Authorization: `Bearer ${t}` }],
		['/ws/chat', { Authorization: `Bearer   ${t}` }],
		['/ws/chat', { Authorization: `bearer\t${t} ` }],
		['/ws/chat', { Authorization: 'Bearer', Cookie: `session=${t}` }],
		['/ws/chat', { Authorization: 'Bearer  ',
			Cookie: `session=; session=""; session=${t}` }],
		[`/ws/chat?${q}`, { Authorization: 'Bearer', Cookie: 'session=' }],
		[`/ws/chat?${q}`, { Authorization: 'Basic eDp5',
			Cookie: 'session=""' }],
		[`/ws/chat?${q}&token=`, {}],
		[`/ws/chat?token=&${q}`, {}],
		['/ws/chat?token=', { Authorization: 'Bearer ',
			Cookie: 'session=',
			'Sec-WebSocket-Protocol': `bearer.,bearer.${t}` }],
	]) {
		const r = await shake(path, headers);
		assert.equal(r.status, 101, `${path.slice(0, 30)} ${
		    JSON.stringify(headers).replaceAll(t, 'TOKEN')} ${r.body}`);
	}
	/* nothing but empty ones: as if there were none */
	const before = await hs.metric('auth_failed', 'reason="missing"');
	for (const [path, headers] of [
		['/ws/chat?token=', { Authorization: 'Bearer',
			Cookie: 'session=' }],
		['/ws/chat', { 'Sec-WebSocket-Protocol': 'bearer.' }],
	])
		assert.equal((await shake(path, headers)).status, 401);
	await hs.counts('auth_failed', before + 2, 'reason="missing"');
});

test('subprotocols on several lines are one list', async () => {
	const t = mint(good);
	const s = await Sock.open(hs.port);
	s.send(Ws.request('/ws/chat').replace('\r\n\r\n',
	    '\r\nSec-WebSocket-Protocol: other\r\n' +
	    `Sec-WebSocket-Protocol: bearer.${t}\r\n` +
	    'Sec-WebSocket-Protocol: roost.v1\r\n\r\n'));
	const r = await s.response();
	assert.equal(r.status, 101, r.body);
	assert.equal(r.headers['sec-websocket-protocol'], 'roost.v1');
	s.close();
});

test('an empty token in CONNECT leaves the one of the handshake', async () => {
	const token = mint(good);
	for (const auth of [{ token: '' }, { token: null }, {}]) {
		const s = await connect(hs, '/chat', { auth, query: { token } });
		s.emit('who', 1);
		assert.equal((await once(s, 'who'))[1].from, 'ann');
		s.close();
	}
	const s = await connect(hs, '/chat', { auth: { token: '' }, wait: false });
	assert.equal((await refused(s)).data.reason, 'missing');
	s.close();
});

test('a token with "Bearer " in front is told so', async () => {
	const token = `Bearer ${mint(good)}`;
	const s = await connect(hs, '/chat', { auth: { token }, wait: false });
	const e = await refused(s);
	assert.equal(e.data.reason, 'bearer');
	assert.match(e.message, /Bearer/);
	s.close();
	const r = await shake(`/ws/chat?token=${encodeURIComponent(token)}`, {});
	assert.equal(r.status, 401);
	assert.match(JSON.parse(r.body).error.message, /Bearer/);
	const live = await connect(hs, '/chat', { auth: { token: mint(good) } });
	const ack = await ask(live, 'auth:refresh', { token });
	assert.match(ack.error.message, /Bearer/);
	live.close();
});

const kids = { RS256: 'rsa', ES256: 'ec', EdDSA: 'ed', PS256: 'set-ps',
	ES384: 'set-384' };
for (const [alg, kid] of Object.entries(kids)) {
	test(`${alg} by kid "${kid}"`, async () => {
		const token = user('ann', {}, { alg, key: keys[alg].privateKey,
			header: { kid } });
		const s = await connect(pk, '/chat', { auth: { token } });
		assert.equal(await ask(s, 'echo', alg), alg);
		s.close();
	});
}

test('a key of the JWK set', async () => {
	const s = await connect(pk, '/chat', { auth: { token: user('ann', {},
	    { alg: 'ES256', key: keys.jwks.privateKey, header: { kid: 'set-es' } }) } });
	assert.equal(await ask(s, 'echo', 1), 1);
	s.close();
});

test('HS256 signed with the public key\'s text is refused', async () => {
	for (const [alg, kid] of [['RS256', 'rsa'], ['ES256', 'ec'], ['EdDSA', 'ed']]) {
		for (const key of [pem(keys[alg].publicKey),
		    keys[alg].publicKey.export({ type: 'spki', format: 'der' })]) {
			const s = await connect(pk, '/chat', { wait: false, auth: {
				token: user('root', {}, { alg: 'HS256', key,
					header: { kid } }) } });
			const e = await refused(s);
			assert.equal(e.data.code, 'unauthorized');
			assert.ok(['algorithm', 'signature', 'unknown_key']
			    .includes(e.data.reason), e.data.reason);
			s.close();
		}
	}
});

for (const [what, header, key] of [
	['an unknown kid', { kid: 'nobody' }, 'RS256'],
	['a kid that is a path', { kid: '../../../dev/null' }, 'RS256'],
	['a kid of another type of key', { kid: 'ec' }, 'RS256'],
	['no kid among many keys', {}, 'RS256'],
	['a jwk in the header', { kid: 'x', jwk: {} }, 'RS256'],
]) {
	test(`${what} is refused`, async () => {
		const s = await connect(pk, '/chat', { wait: false, auth: {
			token: user('ann', {}, { alg: key,
				key: crypto.generateKeyPairSync('rsa',
				    { modulusLength: 2048 }).privateKey, header }) } });
		assert.equal((await refused(s)).data.code, 'unauthorized');
		s.close();
	});
}

test('ES256 with r = s = 0 is refused', async () => {
	const t = user('ann', {}, { alg: 'ES256', key: keys.ES256.privateKey,
		header: { kid: 'ec' } }).split('.');
	t[2] = Buffer.alloc(64).toString('base64url');
	const s = await connect(pk, '/chat',
	    { wait: false, auth: { token: t.join('.') } });
	assert.equal((await refused(s)).data.reason, 'signature');
	s.close();
});

/* --- expiry on a live connection ------------------------------------------- */

const short = (sec, more = {}) => mint({ ...good, exp: now() + sec, ...more });

test('expiry: auth:expiring, then only that namespace is left', async () => {
	const a = await connect(hs, '/chat', { auth: { token: short(2 + slow) } });
	const b = a.io.socket('/other', { auth: { token: mint(good) } });
	await once(b, 'connect');
	const [{ in: left }] = await once(a, 'auth:expiring');
	assert.ok(left >= 0 && left <= 3, `in ${left}`);
	const [reason] = await once(a, 'disconnect');
	assert.equal(reason, 'io server disconnect');
	assert.equal(await ask(b, 'echo', 1), 1);
	b.close();
});

test('expiry: a plain client is closed with 1008', async () => {
	const w = await Ws.must(hs.port, `/ws/chat?token=${short(2 + slow)}`);
	const c = await w.closed(8000);
	assert.equal(c.code, 1008);
	assert.ok(c.before.some((f) => /auth:expiring/.test(f.text)));
});

test('refresh: extends; of another user or forged: refused, nothing changes', async () => {
	const first = now() + 2 * slow;
	const s = await connect(hs, '/chat', { auth: {
		token: mint({ ...good, exp: first }) } });
	for (const token of [short(100, { sub: 'ben' }), 'bad', short(-5)])
		assert.equal(codeOf(await ask(s, 'auth:refresh', { token })),
		    'unauthorized');
	const exp = now() + 100;
	assert.deepEqual(await ask(s, 'auth:refresh', { token: mint(
	    { ...good, exp }) }), { exp });
	/* the first token has ended */
	await sleep(first * 1000 - Date.now() + 500);
	assert.ok(s.connected);
	assert.equal(await ask(s, 'echo', 1), 1);
	s.close();
	const w = await plain(hs, `/ws/chat?token=${short(3 * slow)}`);
	assert.equal((await w.ask('auth:refresh', { token: short(60) })).data.exp > 0, true);
	w.close();
	await hs.counts('tokens_refreshed', (n) => n >= 2);
});

test('an expired handshake token opens nothing more, in one burst either', async () => {
	const exp = now() + 2 * slow;
	const w = await engine(hs.port, { headers: {
		Authorization: `Bearer ${mint({ ...good, exp })}` } });
	w.text('40/open,');
	assert.match(await w.message(), /^40\/open,/);
	await sleep(exp * 1000 - Date.now() + 100);	/* it is over */
	w.text('40/chat,');
	w.text('40/other,');
	w.text('42/open,1["echo",7]');
	for (const nsp of ['/chat', '/other'])
		assert.match(await w.message(),
		    new RegExp(`^44${nsp},.*"reason":"expired"`));
	assert.equal(await w.message(), '43/open,1[7]');
	await w.bye();
});

test('a refresh is the identity of what is connected after it', async () => {
	const exp = now() + 2 * slow;
	const w = await engine(hs.port, { headers: {
		Authorization: `Bearer ${mint({ ...good, exp })}` } });
	w.text('40/chat,');
	assert.match(await w.message(), /^40\/chat,/);
	w.text(`42/chat,1["auth:refresh",{"token":"${short(60)}"}]`);
	for (;;) {		/* auth:expiring may come first */
		const t = await w.message();
		if (t.startsWith('43/chat,1'))
			break;
		assert.match(t, /auth:expiring/);
	}
	await sleep(exp * 1000 - Date.now() + 100);	/* it is over */
	w.text('40/other,');
	assert.match(await w.message(), /^40\/other,/);
	await w.bye();
});

test('a refresh without the role or the claim takes away what they gave', async () => {
	const has = (more) => short(60, more);
	const a = await connect(hs, '/chat', { auth: { token: has() } });
	const b = a.io.socket('/admin', { auth: { token: has({
		roles: ['admin'], docs: ['1', '2'] }) } });
	await once(b, 'connect');
	for (const room of ['doc:1', 'doc:2'])
		assert.deepEqual(await ask(b, 'room:join', { room }), { room });
	const left = once(b, 'room:left');
	assert.ok((await ask(a, 'auth:refresh', { token: has({
		roles: ['admin'], docs: ['2'] }) })).exp);
	assert.deepEqual((await left)[0], { room: 'doc:1',
		reason: 'your token does not allow it' });
	const told = once(b, 'roost:disconnect'), ended = once(b, 'disconnect');
	assert.ok((await ask(a, 'auth:refresh', { token: has() })).exp);
	assert.deepEqual((await told)[0],
	    { reason: 'your role is not admitted here' });
	assert.equal((await ended)[0], 'io server disconnect');
	assert.equal(await ask(a, 'echo', 1), 1);
	a.close();
	await hs.counts('rights_sessions', 1);
	await hs.counts('rights_rooms', 1);
	/* who has nothing else is closed */
	const w = await Ws.must(hs.port, `/ws/admin?token=${
	    has({ roles: ['admin'] })}`);
	w.json({ event: 'auth:refresh', data: { token: has() }, id: 1 });
	const c = await w.closed();
	assert.deepEqual([c.code, c.reason],
	    [1008, 'not admitted here any more']);
	assert.deepEqual(c.before.map((f) => JSON.parse(f.text)).map((m) =>
	    m.error?.code ?? m.event), ['forbidden', 'roost:disconnect']);
	await until(async () => await hs.metric('connections_closed',
	    'reason="rights_lost"') === 1, 'counted');
});

test('expired tokens are counted out of sessions', async () => {
	await until(async () => await hs.metric('sessions') === 0, 'no session');
});
