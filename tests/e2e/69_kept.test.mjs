/*
 * What clients keep over a reload, and what it takes from them: rights under
 * another configuration, sessions that wait, questions that are open, the
 * heartbeat that they were told.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';

import { ask, connect, connected, gotten, heard, once, plain }
	from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Daemon, sleep, until, within } from './lib/daemon.mjs';
import { user } from './lib/token.mjs';

const times = (d, words) => d.log.split(words).length - 1;

async function reload(d, f = (t) => `${t}# again\n`) {
	const n = times(d, ' reloaded '), m = times(d, ' turned ');
	fs.writeFileSync(d.file, f(fs.readFileSync(d.file, 'utf8')));
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' reloaded ') > n, 'the reload');
	await until(() => times(d, ' turned ') > m, 'the others to leave', 15000);
}

/* All clients that workers have given to others. */
const moved = (d) => [...d.log.matchAll(/ given heir=.* moved=(\d+)/g)]
    .reduce((sum, [, n]) => sum + Number(n), 0);

const quick = `drain_time = 1s\n${stopTime}`;
const rules = `
    event "q" { to = sender meta = off ack = echo }
    event "m" { to = room:room self = true meta = off }`;

test('what a new configuration does not allow ends, and says why', async () => {
	const n = (roles, room) => `namespace "/n" { auth = optional ${roles}
    ${room} ${rules} }\n`;
	const o = `namespace "/o" { auth = none ${rules} }\n`;
	const route = 'route "/ws/{r}" { namespace = "/p" join = "{r}" }\n';
	const rest = `namespace "/p" { auth = none ${rules} }
route "/p" { namespace = "/p" }\n`;
	const open = 'room "{r}" { join = open }';
	const before = quick + jwt + n('', open) + o + route + rest;
	const d = await Daemon.start({ workers: 2, conf: before });
	const admin = user('ann', { roles: ['admin'] });
	const a = await connect(d, '/n', { auth: { token: admin } });
	const b = await connect(d, '/n', { auth: { token: user('bob') } });
	const ao = a.io.socket('/o');
	const w = await plain(d, '/ws/x'), p = await plain(d, '/p');
	const closed = within(new Promise((ok) => w.once('close',
	    (code, why) => ok([code, why.toString()]))), 'the close', 15000);
	await connected(ao);
	await ask(a, 'room:join', 'keep');
	await ask(a, 'room:join', 'lose');
	await ask(b, 'room:join', 'keep');
	const gone = once(ao, 'disconnect', 15000);
	const out = once(b, 'disconnect', 15000);
	await reload(d, (t) => t.replace(n('', open), n('roles = {"admin"}',
	    'room "keep" { join = open }')).replace(o, '').replace(route, ''));
	assert.equal((await gone)[0], 'io server disconnect');
	assert.equal((await out)[0], 'io server disconnect');
	assert.deepEqual(gotten(b, 'roost:disconnect'),
	    [[{ reason: 'your role is not admitted here' }]]);
	assert.deepEqual(await closed, [1008, 'not admitted here any more']);
	const [[left]] = await heard(a, 'room:left');
	assert.deepEqual(left, { room: 'lose', reason: 'it is no longer allowed' });
	/* the others go on, under the new rules */
	assert.equal(await ask(a, 'q', 1), 1);
	a.emit('m', { room: 'keep', i: 1 });
	assert.deepEqual(await heard(a, 'm'), [[{ room: 'keep', i: 1 }]]);
	assert.equal((await p.ask('q', 3)).data, 3);
	assert.ok((await ask(a, 'room:join', 'lose')).error);
	assert.equal(a.io.engine.readyState, 'open');
	a.close();
	p.close();
	await d.stop();
});

test('a client that was away comes back as the same session', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}
recovery { window = 1m }
namespace "/r" { auth = none room "{r}" { join = open } ${rules} }` });
	const s = await connect(d, '/r'), t = await connect(d, '/r');
	await ask(s, 'room:join', 'a');
	await ask(t, 'room:join', 'a');
	t.emit('m', { room: 'a', i: 0 });
	await heard(s, 'm');
	const { id } = s;
	s.io.engine.transport.ws._socket.destroy();
	await until(() => !s.connected, 'cut');
	t.emit('m', { room: 'a', i: 1 });
	await heard(t, 'm', 2);
	await reload(d);
	t.emit('m', { room: 'a', i: 2 });
	await heard(t, 'm', 3);
	await reload(d);
	t.emit('m', { room: 'a', i: 3 });
	await heard(t, 'm', 4);
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	assert.deepEqual((await heard(s, 'm', 4)).map((a) => a[0].i),
	    [0, 1, 2, 3]);
	s.close();
	t.close();
	await d.stop();
});

test('nobody hears that users go to another worker', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${quick}${jwt}
namespace "/p" { auth = optional presence = namespace
    room "{r}" { join = open } ${rules} }` });
	const watcher = await connect(d, '/p');
	const users = [];
	for (let i = 0; i < 8; i++) {
		users.push(await connect(d, '/p', { auth: { token: user(`u${i}`) } }));
		await ask(users[i], 'room:join', 'a');
	}
	await ask(watcher, 'presence:watch', { users: ['u0', 'u1'] });
	await until(async () => (await d.metric('ns_sockets', 'ns="/p"')) === 9,
	    'all of them');
	await until(async () => (await ask(watcher, 'presence:get',
	    { users: ['u0', 'u1'] })).users.every((u) => u.status === 'online'),
	'them to have come, and that to be told');
	const told = watcher.got.length;
	const joined = await d.metric('joins'), came = await d.metric('ns_admitted',
	    'ns="/p"');
	for (let i = 0; i < 3; i++)
		await reload(d);
	await sleep(1500);		/* longer than a grace */
	assert.deepEqual(watcher.got.slice(told), []);
	const { users: [u0] } = await ask(watcher, 'presence:get',
	    { users: ['u0'] });
	assert.equal(u0.status, 'online');
	assert.equal(u0.connections ?? 1, 1);
	await d.counts('ns_sockets', 9, 'ns="/p"');
	await d.counts('joins', joined);
	await d.counts('ns_admitted', came, 'ns="/p"');
	users.forEach((u) => u.close());
	watcher.close();
	await d.stop();
});

const sha = crypto.createHash('sha256').update('key').digest('hex');
const asking = `api { key "k" { sha256 = "${sha}" allow = {"publish"} } }
namespace "/" { auth = none room "{r}" { join = open } }`;

/* All of a room are asked: { answer, callbacks }. */
async function question(d, room, clients) {
	const asked = clients.map((c) => new Promise((ok) => c.once('vote',
	    (...args) => ok(args.at(-1)))));
	const answer = fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: 'Bearer key',
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: '/', room, event: 'vote',
			data: 1, ack: true, timeout: 20000 }) })
	    .then((r) => r.json());
	const callbacks = await within(Promise.all(asked), 'all are asked');
	return { answer: within(answer, 'the answer', 20000), callbacks };
}

async function members(d, room, n) {
	const clients = [];
	for (let i = 0; i < n; i++) {
		clients.push(await connect(d));
		await ask(clients[i], 'room:join', room);
	}
	return clients;
}

test('a question that is open is answered by who has moved', async () => {
	/* workers that go wait for so long */
	const d = await Daemon.start({ workers: 2, conf:
	    `drain_time = 10s\n${asking}` });
	const clients = await members(d, 'a', 6);
	const { answer, callbacks } = await question(d, 'a', clients);
	callbacks[0]('before');
	const reloaded = reload(d);
	await until(() => moved(d) === 6, 'all to have moved');
	callbacks.slice(1).forEach((cb, i) => cb(`after ${i}`));
	const body = await answer;
	assert.equal(body.asked, 6);
	assert.equal(body.answered, 6);
	assert.equal(body.complete, true);
	assert.deepEqual(body.answers.map((a) => a.args[0]).sort(),
	    ['after 0', 'after 1', 'after 2', 'after 3', 'after 4', 'before']);
	await reloaded;
	clients.forEach((c) => c.close());
	await d.stop();
});

/* Who takes them sits where another worker has just got up. */
test('so is one that is open when an older worker has gone', async () => {
	const d = await Daemon.start({ workers: 1, conf:
	    `drain_time = 15s\n${asking}` });
	const [last] = await members(d, 'b', 1);
	const clients = await members(d, 'a', 4);
	const older = await question(d, 'b', [last]);	/* holds the first */
	const n = times(d, ' reloaded '), left = times(d, ' turned ');
	process.kill(d.pid, 'SIGHUP');
	await until(() => / given heir=.* moved=[1-9]/.test(d.log), 'the move');
	const { answer, callbacks } = await question(d, 'a', clients);
	process.kill(d.pid, 'SIGHUP');
	await until(() => / turn_waits /.test(d.log), 'the signal');
	older.callbacks[0]('now');
	assert.equal((await older.answer).complete, true);
	await until(() => times(d, ' reloaded ') === n + 2, 'the next');
	/* all five twice: the older one is waited for no more */
	await until(() => moved(d) === 10, 'the second move');
	callbacks.forEach((cb, i) => cb(`${i}`));
	const body = await answer;
	assert.deepEqual([body.asked, body.answered, body.complete],
	    [4, 4, true]);
	await until(() => times(d, ' turned ') === left + 2, 'all to be done',
	    15000);
	clients.concat(last).forEach((c) => c.close());
	await d.stop();
});

test('clients are pinged as they were told', async () => {
	const rest = 'namespace "/" { auth = none }';
	const d = await Daemon.start({ workers: 2, conf: `${quick}
heartbeat { interval = 400ms timeout = 1m }
${rest}` });
	const s = await connect(d);
	let pings = 0;
	s.io.on('ping', () => pings++);
	await until(() => pings > 1, 'pings');
	await reload(d, (t) => t.replace('400ms timeout = 1m',
	    '30s timeout = 1m'));
	const at = pings;
	await until(() => pings > at + 4, 'pings, as before');
	assert.equal(s.connected, true);
	s.close();
	await d.stop();
});
