/*
 * Rooms that a namespace puts every client in, and what they have missed there
 * when they come by another transport.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { ask, codeOf, connect, gotten, heard, plain } from './lib/clients.mjs';
import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { Stream } from './lib/sse.mjs';
import { secret, user } from './lib/token.mjs';

const KEY = 'backend-key-of-the-test';
const conf = `
jwt { secret = "${secret}" }
recovery { window = 30s }
api { key "backend" { allow = {"publish"}
    sha256 = "${crypto.createHash('sha256').update(KEY).digest('hex')}" } }
namespace "/matters" { auth = optional poll_room = "all"
    join = {"all", "own:{user}", "hall"}
    room "all" { join = server history = 1000 }
    room "own:{id}" { join = server history = 10 }
    event "say" { to = room:room self = true ack = accepted } }
namespace "/hello" { auth = none join = {"hall"}
    room "hall" { join = server }
    event "connect" { to = joined as = "came" data = {"1"} } }
namespace "/one" { auth = none join = {"all"}
    room "all" { join = server history = 5 } }
route "/bare" { namespace = "/one" format = bare }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const publish = async (namespace, to, ...list) => {
	for (const i of list) {
		const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
			headers: { Authorization: `Bearer ${KEY}`,
				'Content-Type': 'application/json' },
			body: JSON.stringify({ namespace, event: 'e', data: { i },
				...to }) });
		assert.equal(r.status, 200);
	}
};
const poll = async (ns, query) => (await fetch(d.url(
    `/poll/${ns}?${new URLSearchParams(query)}`))).json();
const numbers = (s) => gotten(s, 'e').map(([x]) => x.i);
const envelopes = (w, event) => w.got.filter((m) => m.event === event);

test('who does nothing but listen is in them; a kept one says where it stands',
async () => {
	const ann = await connect(d, '/matters', { auth: { token: user('ann') } });
	const bob = await connect(d, '/matters', { auth: { token: user('bob') } });
	const nobody = await connect(d, '/matters');
	const places = (await heard(ann, 'roost:joined', 2)).map(([x]) => x);
	assert.deepEqual(places.map((p) => [p.room, p.recovered]),
	    [['all', false], ['own:ann', false]]);
	await heard(nobody, 'roost:joined');
	await publish('/matters', { room: 'all' }, 1);
	await publish('/matters', { room: 'own:ann' }, 2);
	await publish('/matters', { room: 'hall' }, 3);
	await heard(ann, 'e', 3);
	for (const s of [bob, nobody])
		await heard(s, 'e', 2);
	assert.deepEqual([ann, bob, nobody].map(numbers),
	    [[1, 2, 3], [1, 3], [1, 3]]);
	assert.equal(gotten(nobody, 'roost:joined').length, 1);
	/* to be in a room is to may speak there; to leave is to be out */
	assert.equal(codeOf(await ask(ann, 'say', { room: 'all' })), undefined);
	await ask(ann, 'room:leave', { room: 'all' });
	assert.equal(codeOf(await ask(ann, 'say', { room: 'all' })),
	    'not_member');
	/* and back one may come, but to no other's */
	assert.equal(codeOf(await ask(ann, 'room:join', { room: 'all' })),
	    undefined);
	assert.equal(codeOf(await ask(ann, 'room:join', { room: 'own:bob' })),
	    'forbidden');
	[ann, bob, nobody].forEach((s) => s.close());
});

test('a poll goes on over Socket.IO, plain WebSocket, and back', async () => {
	await publish('/one', { room: 'all' }, 1, 2);
	const first = await poll('one', { room: 'all', since: 0 });
	let next = first.next;
	await publish('/one', { room: 'all' }, 3);

	const s = await connect(d, '/one', { auth: { since: next } });
	await heard(s, 'roost:joined');
	await publish('/one', { room: 'all' }, 4);
	await heard(s, 'e', 2);
	assert.deepEqual(numbers(s), [3, 4]);
	const [[here]] = gotten(s, 'roost:joined');
	assert.equal(here.recovered, true);
	s.close();

	await publish('/one', { room: 'all' }, 5);
	next = `${here.epoch}:${gotten(s, 'e').at(-1)[1].offset}`;
	const w = await plain(d, `/ws/one?since=${encodeURIComponent(next)}`);
	await until(() => envelopes(w, 'roost:joined').length === 1, 'it is in');
	await publish('/one', { room: 'all' }, 6);
	await until(() => envelopes(w, 'e').length === 2, 'both');
	assert.deepEqual(envelopes(w, 'e').map((m) => m.data.i), [5, 6]);
	w.terminate();

	await publish('/one', { room: 'all' }, 7);
	const last = await poll('one', { room: 'all',
		since: `${here.epoch}:${envelopes(w, 'e').at(-1).meta.offset}` });
	assert.deepEqual(last.events.map((e) => e.data.i), [7]);
	/* as room:join has it */
	const o = await connect(d, '/one', { auth: {
		since: { epoch: here.epoch, offset: last.offset - 2 } } });
	await heard(o, 'e', 2);
	assert.deepEqual(numbers(o), [6, 7]);
	o.close();
});

test('what is not there any more is told, before what is', async () => {
	await publish('/one', { room: 'all' }, 1, 2, 3, 4, 5, 6, 7, 8);
	const { next } = await poll('one', { room: 'all', since: 0 });
	const epoch = next.split(':')[0];
	for (const since of [`${epoch}:1`, 'x:1', 'nonsense', 7, { offset: -1 }]) {
		const s = await connect(d, '/one', { auth: { since } });
		await heard(s, 'roost:joined');
		const [[gap]] = gotten(s, 'roost:gap');
		assert.equal(gap.room, 'all', JSON.stringify(since));
		assert.equal(gotten(s, 'roost:joined')[0][0].recovered, false);
		if (since === `${epoch}:1`)
			assert.deepEqual(numbers(s), [4, 5, 6, 7, 8]);
		s.close();
	}
	const w = await plain(d, '/ws/one?since=%zz');
	await until(() => envelopes(w, 'roost:joined').length === 1, 'it is in');
	assert.equal(envelopes(w, 'roost:gap').length, 1);
	w.terminate();
});

test('an event stream that names no room is of these', async () => {
	const s = await Stream.open(d.url(`/sse/matters?token=${user('eve')}`));
	await s.heard('roost:joined', 3);
	assert.deepEqual(s.of('roost:joined').map((e) => e.json.data.room).sort(),
	    ['all', 'hall', 'own:eve']);
	await publish('/matters', { room: 'all' }, 1);
	await publish('/matters', { room: 'own:eve' }, 2);
	await s.heard('e', 2);
	s.close();
	await publish('/matters', { room: 'own:eve' }, 3);
	await publish('/matters', { room: 'all' }, 4);
	const back = await Stream.open(d.url(`/sse/matters?token=${user('eve')}`),
	    { lastId: s.lastId });
	await back.heard('e', 2);
	assert.deepEqual(back.of('e').map((e) => e.json.data.i).sort(), [3, 4]);
	back.close();
	/* nobody has no room of their own */
	const nobody = await Stream.open(d.url('/sse/matters'));
	await nobody.heard('roost:joined', 2);
	nobody.close();
	/* what it names is all that it is in */
	const one = await Stream.open(d.url('/sse/matters?room=hall'));
	await one.heard('roost:joined', 1);
	await publish('/matters', { room: 'all' }, 5);
	await publish('/matters', { room: 'hall' }, 6);
	await one.heard('e');
	assert.deepEqual(one.of('e').map((e) => e.json.data.i), [6]);
	one.close();
});

test('the rule for connect finds everybody there, whoever comes', async () => {
	const s = await connect(d, '/hello');
	const w = await plain(d, '/ws/hello');
	await heard(s, 'came');
	w.terminate();
	s.close();
});

test('where events have no names nothing but events comes', async () => {
	const w = await plain(d, '/bare');
	await publish('/one', { room: 'all' }, 'x');
	await until(() => w.got.length > 0, 'it');
	assert.deepEqual(w.got, [{ i: 'x' }]);
	w.terminate();
});

test('a session that is recovered is in them once', async () => {
	const s = await connect(d, '/one', { reconnection: true,
		reconnectionDelay: 20, reconnectionDelayMax: 50 });
	await heard(s, 'roost:joined');
	await publish('/one', { room: 'all' }, 1);
	await heard(s, 'e');
	const back = new Promise((ok) => { s.io.once('reconnect', ok); });
	s.io.engine.close();
	await publish('/one', { room: 'all' }, 2);
	await back;
	await publish('/one', { room: 'all' }, 3);
	await heard(s, 'e', 3);
	assert.equal(s.recovered, true);
	assert.deepEqual(numbers(s), [1, 2, 3]);
	assert.equal(gotten(s, 'roost:joined').length, 1);
	s.close();
});

test('what cannot be is said when it is configured', async () => {
	const wrong = [
		['join = {"a:{x}"}', 'only {user} can stand in it'],
		['join = {"a", "a"}', 'is there twice'],
		['join = {""}', 'is empty'],
		['join = {"a{"}', '"{" without "}"'],
		[`join = {"${'a'.repeat(129)}"}`, 'is longer than 128 bytes'],
		['join = {"1","2","3","4","5","6","7","8","9"}',
			'more than 8 rooms'],
		['join = {"own:{user}"}',
			'nobody is a {user} for join with auth = none'],
	];
	const file = path.join(tempdir(), 'roost.conf');
	for (const [text, why] of wrong) {
		fs.writeFileSync(file,
		    `namespace "/a" { auth = none ${text} }\n`);
		const r = await run(['-t', '-c', file]);
		assert.notEqual(r.code, 0, text);
		assert.ok(r.err.includes(why), `${text}: ${r.err}`);
	}
});
