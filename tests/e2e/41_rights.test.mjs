/*
 * Rights that change bite at once: a token that says less, a back end that wants a
 * later one or takes somebody out of a room, a reload; whatever was begun with the
 * rights from before.  Stock clients.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { Daemon, until } from './lib/daemon.mjs';
import { ask, codeOf, connect, connected, gotten, heard, once, plain, refused }
	from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { sioOn } from './lib/spread.mjs';
import { Stream } from './lib/sse.mjs';
import { now, user } from './lib/token.mjs';

const key = (name, more) => `key "${name}" { sha256 = "${crypto
    .createHash('sha256').update(name).digest('hex')}" ${more} }\n`;
const conf = (url) => `${jwt.replace(/}\n/, 'leeway = 1s }')}
drain_time = 2s
${stopTime}
recovery { window = 1m }
api { ${key('all', 'allow = {revoke, publish, rooms, disconnect, history}')} }
hook "back" { url = "${url}" secret = "${SECRET}" allow_private = true
    timeout = 10s }
namespace "/a" { auth = required presence = rooms hook = "back"
    room "doc:{id}" { join = claim:docs history = 1000 }
    room "fast:{id}" { join = claim:docs }
    room "open:{id}" { join = open history = 1000 }
    event "say" { to = room:room self = true ack = accepted }
    event "far" { to = room:room member = off ack = accepted }
    event "rule" { roles = {"staff"} to = room:room self = true ask = true
        ack = accepted }
    event "echo" { ack = echo } }
namespace "/staff" { auth = required roles = {"staff"}
    room "{r}" { join = open } event "echo" { ack = echo } }
`;
let b, d;
before(async () => {
	b = await Backend.start();
	d = await Daemon.start({ workers: 2, conf: conf(b.url) });
});
after(async () => {
	await d.stop();
	await b.close();
});

const began = now();
const old = (sub, more = {}) => user(sub, { iat: began - 10, ...more });
const docs = (...list) => ({ docs: list });
const enter = (nsp, token, more = {}) => connect(d, nsp, { auth: { token },
	...more });
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const closeAll = (...l) => l.forEach((s) => s.close());
async function api(path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), { method: 'POST',
		headers: { Authorization: 'Bearer all',
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	return { status: r.status, ...await r.json() };
}
const revoke = async (body) => {
	const r = await api('revoke', body);
	assert.equal(r.status, 200, JSON.stringify(r));
	return r;
};
const leave = (user_, room) => api(`users/${user_}/rooms`, { namespace: 'a',
	leave: room });
const why = async (token, nsp = '/a') => {
	const s = await enter(nsp, token, { wait: false });
	const e = await refused(s);
	s.close();
	return e.data?.reason;
};
const refresh = (s, token) => ask(s, 'auth:refresh', { token });

/* --- a later token is wanted -------------------------------------------------- */

test('revoked with grace: who shows a later token stays, with what that says',
async () => {
	const token = old('ann', { roles: ['staff'], ...docs('1', '2') });
	const [x, y] = await sioOn(d, [1, 2], '/a', { auth: { token } });
	const staff = x.io.socket('/staff', { auth: { token } });
	staff.got = [];
	staff.onAny((...a) => staff.got.push(a));
	await connected(staff);
	const bob = await enter('/a', old('bob'));
	for (const s of [x, y])
		for (const room of ['doc:1', 'doc:2', 'open:1'])
			assert.equal((await join(s, room)).room, room);
	const r = await revoke({ user: 'ann', for: 600, grace: 300 });
	assert.deepEqual([r.expiring, r.disconnected, r.complete],
	    [3, undefined, true]);
	for (const s of [x, y, staff]) {
		const [[e]] = await heard(s, 'auth:expiring');
		assert.ok(e.in > 290 && e.in <= 300, `${e.in}`);
	}
	/* all that it has goes on; it opens nothing more */
	assert.equal(await ask(x, 'echo', 1), 1);
	assert.equal(await ask(staff, 'echo', 1), 1);
	for (let i = 0; i < 4; i++)
		assert.equal(await why(token), 'revoked');
	assert.equal(codeOf(await refresh(x, token)), 'unauthorized');
	await d.counts('revoked_put_off', 3);
	await d.counts('revoked_sessions', 0);
	/* one that says less, of the very second */
	assert.ok((await refresh(x, user('ann', { iat: now(),
		...docs('2') }))).exp > now() + 1000);
	assert.deepEqual((await heard(x, 'room:left'))[0][0], { room: 'doc:1',
		reason: 'your token does not allow it' });
	await until(() => !staff.connected, 'the namespace to end');
	assert.deepEqual(gotten(staff, 'roost:disconnect')[0][0],
	    { reason: 'your role is not admitted here' });
	assert.equal(codeOf(await ask(x, 'say', { room: 'doc:1' })), 'not_member');
	assert.equal(codeOf(await ask(x, 'history:get', { room: 'doc:1' })),
	    'not_member');
	assert.equal(codeOf(await ask(x, 'presence:get', { room: 'doc:1' })),
	    'not_member');
	assert.equal(codeOf(await join(x, 'doc:1', { offset: 0 })), 'forbidden');
	await ask(bob, 'far', { room: 'doc:1', i: 1 });
	await ask(bob, 'far', { room: 'doc:2', i: 2 });
	await heard(y, 'far', 2);
	await heard(x, 'far');
	assert.deepEqual(gotten(x, 'far').map(([m]) => m.i), [2]);
	closeAll(x, y, staff, bob);
});

test('who shows none is gone when the time is over', async () => {
	const token = old('cat'), s = await enter('/a', token);
	const w = await plain(d, `/ws/a?token=${token}`);
	const stream = await Stream.open(d.url(`/sse/a?room=open:2&token=${token}`));
	await until(() => stream.got.length > 0, 'the stream');
	const codes = [];
	w.on('close', (code) => codes.push(code));
	const r = await revoke({ user: 'cat', grace: 1 });
	assert.equal(r.expiring, 3);
	await until(() => stream.got.some((e) => e.event === 'auth:expiring'),
	    'the stream to be told');
	await until(() => !s.connected && codes.length && stream.ended, 'the end',
	    15000);
	assert.deepEqual(codes, [1008]);
	assert.equal(await why(token), 'revoked');
	await d.counts('clients_closed', (n) => n >= 2, 'reason="auth_expired"');
});

test('who is away does not come back with the rights from before', async () => {
	const token = old('dan', docs('1'));
	const auth = { token };
	const s = await connect(d, '/a', { auth: (f) => f(auth),
		reconnection: true, reconnectionDelay: 50 });
	await join(s, 'doc:1');
	await ask(s, 'say', { room: 'doc:1' });	/* an offset to come back to */
	await heard(s, 'say');
	const cut = async () => {
		const lost = once(s, 'disconnect');
		s.io.engine.close();
		await lost;
	};
	await cut();
	await revoke({ user: 'dan', for: 600, grace: 300 });
	auth.token = user('dan', { iat: now(), ...docs('1') });
	await connected(s);
	assert.equal(s.recovered, true);
	const { id } = s;
	await cut();
	auth.token = user('dan', { iat: now(), ...docs('2') });
	await connected(s);
	assert.equal(s.recovered, false);
	assert.notEqual(s.id, id);
	assert.equal(codeOf(await ask(s, 'say', { room: 'doc:1' })), 'not_member');
	closeAll(s);
});

test('grace that is none', async () => {
	for (const body of [{ user: 'x', grace: 0 }, { user: 'x', grace: -1 },
		{ user: 'x', grace: '5' }, { user: 'x', grace: 3601 },
		{ jti: 'x', grace: 5 }]) {
		const r = await api('revoke', body);
		assert.deepEqual([r.status, r.error.code], [400, 'bad_request']);
	}
});

test('revoked once more, without grace: it ends now', async () => {
	const s = await enter('/a', old('eve'));
	assert.equal((await revoke({ user: 'eve', grace: 300 })).expiring, 1);
	await heard(s, 'auth:expiring');
	assert.equal((await revoke({ user: 'eve', iat: now() + 1 }))
	    .disconnected, 1);
	await until(() => !s.connected, 'the end');
});

/* --- taken out of a room ------------------------------------------------------ */

test('a back end takes somebody out of a room: whoever asked for it is told',
async () => {
	const s = await enter('/a', old('fay', docs('1')));
	const w = await plain(d, `/ws/a?token=${old('fay', docs('1'))}`);
	const stream = await Stream.open(d.url(
	    `/sse/a?room=doc:1&room=open:3&token=${old('fay', docs('1'))}`));
	await until(() => stream.got.filter((e) => e.event === 'roost:joined')
	    .length === 2, 'the stream');
	await join(s, 'doc:1');
	await w.ask('room:join', { room: 'doc:1' });
	assert.equal((await api('users/fay/rooms', { namespace: 'a',
		join: 'back:1' })).sessions, 3);
	assert.equal((await leave('fay', ['doc:1', 'back:1'])).sessions, 3);
	const told = { room: 'doc:1', reason:
	    'a back end has taken you out of this room' };
	assert.deepEqual((await heard(s, 'room:left'))[0][0], told);
	await until(() => w.got.find((m) => m.event === 'room:left'), 'w');
	await until(() => stream.got.find((m) => m.event === 'room:left'),
	    'the stream to hear');
	const bob = await enter('/a', old('bob'));
	await ask(bob, 'far', { room: 'doc:1' });
	await ask(bob, 'far', { room: 'open:3' });
	await until(() => stream.got.some((m) => m.event === 'far'), 'the other');
	assert.equal(stream.got.filter((m) => m.event === 'far').length, 1);
	assert.equal(gotten(s, 'far').length, 0);
	assert.equal(gotten(s, 'room:left').length, 1);
	stream.close();
	closeAll(s, w, bob);
});

test('nor does a join that is under way bring it back', async () => {
	const bob = await enter('/a', old('bob', docs('1')));
	await join(bob, 'doc:1');
	for (let i = 0; i < 500; i += 50)
		await Promise.all([...Array(50)].map(() => ask(bob, 'say',
		    { room: 'doc:1', x: 'x'.repeat(1000) })));
	/* what it missed does not fit into its queue as long as it does not read */
	const s = await enter('/a', old('gus', docs('1')));
	const joined = join(s, 'doc:1', { offset: 0 });
	s.emit('room:leave', { room: 'doc:1' });
	assert.equal(codeOf(await joined), 'not_member');
	assert.equal(codeOf(await ask(s, 'room:leave', { room: 'doc:1' })),
	    'not_member');
	const again = join(s, 'doc:1', { offset: 0 });
	const fast = ask(s, 'room:leave', { room: 'doc:1' });
	assert.deepEqual(await fast, { room: 'doc:1' });
	assert.equal(codeOf(await again), 'not_member');
	assert.equal(codeOf(await ask(s, 'say', { room: 'doc:1' })), 'not_member');
	closeAll(s, bob);
});

/* --- what waits --------------------------------------------------------------- */

test('an event that a hook is asked about needs the role when it passes',
async () => {
	const held = [];
	b.answer = (q, r) => {
		if (q.headers['x-roost-question'] !== 'event')
			return 200;
		held.push(r);
		return undefined;
	};
	const token = (more) => user('hal', { iat: now(), ...more });
	const s = await enter('/a', token({ roles: ['staff'] }));
	await join(s, 'open:4');
	const acked = ask(s, 'rule', { room: 'open:4' });
	await until(() => held.length === 1, 'the question');
	assert.ok((await refresh(s, token({}))).exp);
	held[0].writeHead(200).end('{"allow":true}');
	assert.equal(codeOf(await acked), 'forbidden');
	assert.equal(gotten(s, 'rule').length, 0);
	closeAll(s);
});

/* --- a configuration that allows less ----------------------------------------- */

test('a reload takes a rule, a role and a room away', async () => {
	const token = user('ida', { roles: ['staff'], ...docs('1') });
	const s = await enter('/a', token), staff = await enter('/staff', token);
	const stream = await Stream.open(d.url(
	    `/sse/a?room=doc:1&room=open:5&token=${token}`));
	await until(() => stream.got.filter((e) => e.event === 'roost:joined')
	    .length === 2, 'the stream');
	for (const room of ['doc:1', 'fast:1', 'open:5'])
		await join(s, room);
	fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
	    .replaceAll('join = claim:docs', 'join = server')
	    .replace('auth = required roles = {"staff"}',
		'auth = required roles = {"boss"}')
	    .replace('{ roles = {"staff"} to', '{ roles = {"boss"} to'));
	process.kill(d.pid, 'SIGHUP');
	await heard(s, 'room:left', 2, 20000);
	assert.deepEqual(gotten(s, 'room:left').map(([e]) => e.room).sort(),
	    ['doc:1', 'fast:1']);
	await until(() => stream.got.find((e) => e.event === 'room:left'),
	    'the stream to hear');
	await until(() => !staff.connected, 'the namespace to end');
	assert.equal(codeOf(await ask(s, 'rule', { room: 'open:5' })), 'forbidden');
	assert.equal(codeOf(await ask(s, 'say', { room: 'fast:1' })), 'not_member');
	assert.ok((await ask(s, 'say', { room: 'open:5' })).id);
	stream.close();
	closeAll(s, staff);
});
