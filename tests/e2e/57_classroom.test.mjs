/*
 * Story A, row by row, with the configuration as it is installed and
 * socket.io-client as it is: a class of a teacher and 29 students with two tabs
 * each, over one connection for both namespaces, or over two.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ask, codeOf, connect, connected, gotten, heard, io, refused,
} from './lib/clients.mjs';
import { until } from './lib/daemon.mjs';
import { example } from './lib/examples.mjs';
import { CLIENT, started } from './lib/remains.mjs';
import { user } from './lib/token.mjs';

const STUDENTS = 29, TABS = 2;
const session = 'session:42';
const token = (name, role) => user(name, { roles: [role] });

let d, teacher, students;

/* One tab: a socket of each namespace asked for, on one Manager. */
function tab(name, role, nsps, opts = {}) {
	const t = { name };
	let manager;
	for (const nsp of nsps) {
		const s = manager === undefined ?
		    io(d.url(`/${nsp}`), { transports: ['websocket'],
			forceNew: true, reconnectionDelay: 50,
			reconnectionDelayMax: 200, autoConnect: false,
			auth: { token: token(name, role) }, ...opts }) :
		    manager.socket(`/${nsp}`, { auth: { token: token(name, role) } });
		manager = s.io;
		s.got = [];
		s.connects = s.disconnects = s.errors = 0;
		s.onAny((...a) => s.got.push(a));
		s.on('connect', () => s.connects++);
		s.on('disconnect', () => s.disconnects++);
		s.on('connect_error', () => s.errors++);
		t[nsp] = s;
		s.connect();
	}
	t.manager = manager;
	started(CLIENT, () => nsps.forEach((n) => t[n].disconnect()));
	return t;
}
const both = ['sessions', 'guidance'];
const up = (t, nsps = both) => Promise.all(nsps.map((n) => connected(t[n])));
const all = () => [...teacher, ...students.flat()];
const metric = async (name, labels) => {
	const text = await (await fetch(d.url('/metrics'))).text();
	const line = text.split('\n').find((l) =>
		l.startsWith(`roost_${name}{`) &&
		labels.every((x) => l.includes(x)));
	return line === undefined ? undefined : Number(line.split(' ').at(-1));
};
const ns = (name) => `ns="/${name}"`;

before(async () => {
	d = await example('classroom.conf');
	/* a tab with one connection for both, and one with two connections */
	teacher = [tab('t', 'teacher', both), { ...tab('t', 'teacher', ['sessions']),
		guidance: tab('t', 'teacher', ['guidance']).guidance }];
	students = Array.from({ length: STUDENTS }, (_, i) =>
		Array.from({ length: TABS }, () => tab(`s${i}`, 'student',
		    ['sessions'])));
	await Promise.all(teacher.map((t) => up(t)));
	await Promise.all(students.flat().map((t) => up(t, ['sessions'])));
	for (const t of all())
		assert.equal(codeOf(await ask(t.sessions, 'room:join',
		    { room: session })), undefined);
});
after(() => d.stop());

test('A1: both namespaces are open at once, on one connection and on two',
async () => {
	for (const t of teacher)
		for (const s of [t.sessions, t.guidance])
			assert.deepEqual([s.connected, s.connects, s.disconnects,
				s.errors], [true, 1, 0, 0]);
	assert.equal(teacher[0].sessions.io, teacher[0].guidance.io);
	assert.notEqual(teacher[1].sessions.io, teacher[1].guidance.io);
	/* the one is left, and the other goes on */
	const t = tab('t', 'teacher', both);
	await up(t);
	t.guidance.disconnect();
	assert.equal(codeOf(await ask(t.sessions, 'room:join',
	    { room: session })), undefined);
	t.guidance.connect();
	await up(t);
	assert.deepEqual([t.sessions.connects, t.guidance.connects], [1, 2]);
	t.sessions.disconnect();
	t.guidance.disconnect();
	await until(async () => await metric('ns_sockets', [ns('guidance')]) === 2,
	    'the third tab to be gone');
});

test('A2: a teacher runs the session, groups work, all see their status',
async () => {
	const [lead] = teacher;
	const many = all().length;
	let r = await ask(lead.sessions, 'session_updated',
	    { room: session, state: 'started' });
	assert.equal(r.delivered, many);
	r = await ask(students[0][0].sessions, 'session_updated',
	    { room: session, state: 'ended' });
	assert.equal(codeOf(r), 'forbidden');
	/* a group's room: five of them, with all their tabs */
	const red = students.slice(0, 5);
	for (const t of red.flat())
		await ask(t.sessions, 'room:join', { room: 'group:42:red' });
	r = await ask(red[0][0].sessions, 'group_message',
	    { room: 'group:42:red', text: 'hi' });
	assert.equal(r.delivered, 5 * TABS - 1);
	r = await ask(students[9][0].sessions, 'group_message',
	    { room: 'group:42:red', text: 'from outside' });
	assert.equal(codeOf(r), 'not_member');
	/* its status is everybody's, once in each tab */
	r = await ask(red[0][0].sessions, 'group_status_changed',
	    { room: session, group: 'red', status: 'done' });
	assert.equal(r.delivered, many);
	for (const t of all()) {
		const [[told, meta]] = await heard(t.sessions,
		    'group_status_changed');
		assert.deepEqual([told.status, meta.from], ['done', 's0']);
	}
	for (const t of all()) {
		assert.equal(gotten(t.sessions, 'group_status_changed').length, 1);
		assert.equal(gotten(t.sessions, 'session_updated').length, 1);
		assert.equal(gotten(t.sessions, 'group_message').length,
		    red.flat().includes(t) && t !== red[0][0] ? 1 : 0);
	}
});

test('A2: who is there is known by user, however many tabs each has',
async () => {
	const s = teacher[0].sessions;
	const { users } = await ask(s, 'presence:get', { room: session });
	assert.deepEqual(users.map((u) => u.user).sort(), ['t',
		...students.map(([t]) => t.name)].sort());
	assert.ok(users.every((u) => u.status === 'online' &&
	    u.connections === 2));
	/* a tab says so, and the other one does not make up for it */
	const told = (name) => gotten(s, 'presence:update').map(([u]) => u)
	    .filter((u) => u.user === name && u.room === undefined)
	    .map((u) => u.status);
	const set = (t, status) => ask(t.sessions, 'presence:set', { status });
	const [one, two] = students[3];
	await set(one, 'busy');
	await until(() => told('s3').at(-1) === 'busy', 'busy');
	/* hidden tabs are away, when both are */
	await set(one, 'hidden');
	await until(() => told('s3').at(-1) === 'online', 'online');
	await set(two, 'hidden');
	await until(() => told('s3').at(-1) === 'away', 'away');
	await set(two, 'online');
	await until(() => told('s3').at(-1) === 'online', 'online');
	assert.deepEqual(told('s3'), ['busy', 'online', 'away', 'online']);
	/* nobody is seen by who is in no room with him */
	const stranger = await connect(d, '/sessions', { auth: {
		token: token('x', 'student') } });
	assert.equal(codeOf(await ask(stranger, 'presence:get',
	    { users: ['s3'] })), 'forbidden');
	stranger.close();
});

test('A3: guidance is for teachers, each connection has what it asked for',
async () => {
	const s = await connect(d, '/guidance', { wait: false,
		auth: { token: token('s1', 'student') } });
	const e = await refused(s);
	assert.equal(e.data.code, 'forbidden');
	assert.match(e.message, /role/);
	s.close();
	const nobody = await connect(d, '/guidance', { wait: false, auth: {} });
	assert.notEqual((await refused(nobody)).message, e.message);
	nobody.close();
	/* refused there, and the session of the same connection stays */
	const t = tab('s1', 'student', both, { reconnection: false });
	await refused(t.guidance);
	await connected(t.sessions);
	assert.equal(t.sessions.disconnects, 0);
	t.sessions.disconnect();

	const [one, two] = teacher;
	const room = 'prompts:42', prompt = { room, promptId: 'p1' };
	await ask(one.guidance, 'room:join', { room });
	const does = { ...prompt, action: 'used' };
	assert.equal(codeOf(await ask(two.guidance, 'prompt_interaction', does)),
	    'not_member');
	assert.equal((await ask(one.guidance, 'prompt_interaction', does))
	    .delivered, 1);
	await ask(two.guidance, 'room:join', { room });
	one.guidance.emit('prompt_shown', prompt);
	await heard(two.guidance, 'prompt_shown');
	assert.equal(gotten(two.guidance, 'prompt_interaction').length, 0);
});

test('A4: nothing of one namespace is seen in the other', async () => {
	/* a room of the same name, in which the same user is */
	const [one, two] = teacher;
	const room = 'prompts:42';
	assert.equal(codeOf(await ask(one.sessions, 'room:join', { room })),
	    'forbidden');
	const before = one.sessions.got.length;
	one.guidance.emit('prompt_shown', { room, promptId: 'p2' });
	await heard(two.guidance, 'prompt_shown', 2);
	/* behind it, by the same connections */
	const r = await ask(two.sessions, 'session_updated',
	    { room: session, state: 'paused' });
	assert.equal(r.delivered, all().length);
	await heard(one.sessions, 'session_updated', 2);
	for (const t of all())
		for (const name of ['prompt_shown', 'prompt_interaction'])
			assert.equal(gotten(t.sessions, name).length, 0);
	for (const t of teacher)
		for (const name of ['session_updated', 'group_status_changed',
			'group_message', 'presence:update'])
			assert.equal(gotten(t.guidance, name).length, 0);
	assert.ok(one.sessions.got.slice(before).every(([name]) =>
		name === 'session_updated' || name === 'presence:update'));
	const { users } = await ask(one.guidance, 'presence:get',
	    { users: ['t', 's1'] });
	assert.deepEqual(users.map((u) => u.status), ['online', 'offline']);
});

test('A5: after a cut each namespace comes back by itself, and misses nothing',
async () => {
	const [one, two] = teacher;
	const was = [one.sessions.id, one.guidance.id];
	const n = gotten(one.sessions, 'session_updated').length;
	/* the connection breaks, as a network does it */
	one.manager.engine.transport.ws._socket.destroy();
	await until(() => one.sessions.disconnects === 1 &&
	    one.guidance.disconnects === 1, 'the cut');
	await ask(two.sessions, 'session_updated',
	    { room: session, state: 'on' });
	two.guidance.emit('prompt_shown', { room: 'prompts:42', promptId: 'p3' });
	await until(() => one.sessions.connected && one.guidance.connected,
	    'both to be back');
	await heard(one.sessions, 'session_updated', n + 1);
	await until(() => gotten(one.guidance, 'prompt_shown')
	    .some(([p]) => p.promptId === 'p3'), 'the prompt');
	assert.deepEqual([one.sessions.recovered, one.guidance.recovered],
	    [true, true]);
	assert.deepEqual([one.sessions.id, one.guidance.id], was);
	/* of the second tab one connection is cut, and the other is not */
	two.guidance.io.engine.close();
	await until(() => two.guidance.disconnects === 1 &&
	    two.guidance.connected, 'guidance to be back');
	assert.deepEqual([two.sessions.connects, two.sessions.disconnects],
	    [1, 0]);
	/* and none of them goes round in circles */
	assert.deepEqual([one.sessions.connects, one.guidance.connects,
		two.guidance.connects], [2, 2, 2]);
});

test('A6: each namespace has its numbers', async () => {
	const is = (name, labels, least) => until(async () =>
		(await metric(name, labels)) >= least,
	`${name} ${labels} of at least ${least}`);
	const tabs = STUDENTS * TABS + 2;
	await until(async () => await metric('ns_sockets', [ns('sessions')]) ===
	    tabs && await metric('ns_sockets', [ns('guidance')]) === 2, 'sockets');
	await until(async () => await metric('ns_users', [ns('sessions')]) ===
	    STUDENTS + 1 && await metric('ns_users', [ns('guidance')]) === 1,
	'users');
	await is('ns_reconnections_total', [ns('sessions')], 1);
	await is('ns_reconnections_total', [ns('guidance')], 2);
	await is('ns_events_in_total', [ns('sessions')], tabs);
	await is('ns_events_out_total', [ns('sessions')], 2 * tabs);
	await is('ns_events_in_total', [ns('guidance')], 4);
	await is('ns_errors_total', [ns('guidance'), 'code="connect"'], 3);
	await is('ns_errors_total', [ns('sessions'), 'code="not_member"'], 1);
	assert.equal(await metric('ns_errors_total', [ns('sessions'),
		'code="timeout"']), 0);
});

test('A7: health, in the form that monitors know', async () => {
	const want = { sessions: { users: STUDENTS + 1,
		sockets: STUDENTS * TABS + 2 }, guidance: { users: 1, sockets: 2 } };
	for (const where of ['/health/websocket', '/api/health/websocket']) {
		const h = await until(async () => {
			const r = await fetch(d.url(where));
			assert.equal(r.status, 200);
			assert.match(r.headers.get('content-type'),
			    /^application\/json/);
			const j = await r.json();
			return JSON.stringify(j.namespaces) ===
			    JSON.stringify(want) && j;
		}, `${where} to have all`);
		assert.equal(h.status, 'healthy');
		assert.equal(h.redis.connected, false);
		assert.equal(h.redis.configured, false);
		assert.ok(Number.isInteger(h.uptime) && h.uptime >= 0);
	}
});
