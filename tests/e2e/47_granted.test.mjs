/*
 * Whom a hook makes somebody, while that one's rights end: over every transport,
 * revoked before the question and after it; and who asks once more.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { ask, connect, connected, plain } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { Daemon, until } from './lib/daemon.mjs';
import { post, session } from './lib/sockjs.mjs';
import { Stream } from './lib/sse.mjs';
import { now, user } from './lib/token.mjs';

const KEY = 'backend-key-of-the-test';
let b, d, held;
before(async () => {
	b = await Backend.start();
	d = await Daemon.start({ workers: 2, conf: `
hook "back" { url = "${b.url}" secret = "${SECRET}" allow_private = true
    timeout = 10s }
${jwt}
api { key "b" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"revoke"} } }
namespace "/app" { auth = optional hook = "back" ask = true sockjs = true
    poll_room = "r:1"
    room "r:{id}" { join = open history = 10 }
    event "echo" { ack = echo }
    event "who" { to = sender meta = off data = '{}' set = {"user: user"} } }
namespace "/open" { auth = optional event "echo" { ack = echo } }
` });
});
beforeEach(() => {
	held = [];
	b.answer = (q, r) => {
		if (q.headers['x-roost-question'] !== 'connect')
			return 200;
		held.push({ json: q.json, say: (o) => r.writeHead(200)
		    .end(JSON.stringify(o)) });
		return undefined;
	};
});
after(async () => {
	await d.stop();
	await b.close();
	b.check();
});

const sioSays = (s) => connected(s).then(() => 'in', (e) => e.data);
/* What each door says, with this token or none. */
const doors = async (token) => {
	const q = token ? `token=${token}` : '';
	const sio = await connect(d, '/app', { wait: false, auth: { token } });
	return [
		plain(d, `/ws/app?${q}`).then(() => 101, (e) => e.status),
		Stream.open(d.url(`/sse/app?room=r:1&${q}`)).then((s) => s.status),
		fetch(d.url(`/poll/app?${q}`)).then((r) => r.status),
		post(d.url(`/ws/app${session()}/xhr?${q}`)).then((r) => r.status),
		sioSays(sio),
	];
};
const revoke = async (name) => {
	const r = await fetch(d.url('/api/v1/revoke'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ user: name, for: 600 }) });
	assert.equal(r.status, 200);
};
const out = { code: 'unauthorized', reason: 'revoked' };

test('nobody becomes one who was revoked, with a token of before', async () => {
	await revoke('bob');
	const all = await doors(user('ann', { iat: now() - 10 }));
	await until(() => held.length === 5, 'the questions');
	for (const h of held)
		h.say({ allow: true, user: 'bob' });
	assert.deepEqual(await Promise.all(all), [401, 401, 401, 401, out]);
	/* by a later one he is a later one */
	const later = plain(d, `/ws/app?token=${user('ann', { iat: now() + 60 })}`);
	await until(() => held.length === 6, 'another question');
	held[5].say({ allow: true, user: 'bob' });
	const w = await later;
	w.emit1('who');
	await until(() => w.got.some((m) => m.data?.user === 'bob'), 'bob');
	w.terminate();
});

test('nor one who is revoked while the hook thinks about it', async () => {
	const all = await doors();
	await until(() => held.length === 5, 'the questions');
	await revoke('cat');
	/* it holds against what was issued in the same second */
	const t = now();
	await until(() => now() > t, 'another second');
	for (const h of held)
		h.say({ allow: true, user: 'cat' });
	assert.deepEqual(await Promise.all(all), [401, 401, 401, 401, out]);
});

/* --- who asks once more ------------------------------------------------------- */

test('a client that gives up and comes again meanwhile is in by the later CONNECT',
async () => {
	const o = await connect(d, '/open');
	const s = o.io.socket('/app', { auth: { n: 1 } });
	await until(() => held.length === 1, 'a question');
	s.disconnect();
	s.auth = { n: 2 };
	s.connect();
	await until(() => held.length === 2, 'another one');
	assert.deepEqual(held.map((h) => h.json.data[0].n), [1, 2]);
	/* what is said of the first is not about the second */
	held[0].say({ allow: true, user: 'one' });
	assert.equal(await ask(o, 'echo', 1), 1);
	assert.equal(s.connected, false);
	held[1].say({ allow: true, user: 'two' });
	await connected(s);
	assert.equal(s.id, held[1].json.sid);
	assert.equal(await ask(s, 'echo', 2), 2);
	assert.equal(o.connected, true);
	o.close();
});

test('... as often as one may be refused', async () => {
	const before = held.length;
	const w = await connect(d, '/open');
	const gone = new Promise((ok) => w.once('disconnect', ok));
	const s = w.io.socket('/app');
	for (let i = 0; i < 200; i++)
		s.disconnect().connect();
	await gone;
	assert.ok(held.length - before < 100, `${held.length}`);
	for (const h of held)
		h.say({ allow: true });
	s.close();
	w.close();
});
