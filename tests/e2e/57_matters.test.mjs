/*
 * matters.conf as it is installed: an application that leaves polling, a client at
 * a time, with a back end that publishes over HTTP.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { after, before, test } from 'node:test';

import SockJS from 'sockjs-client';

import { codeOf, ask, connect, gotten, heard, plain, refused }
	from './lib/clients.mjs';
import { Daemon, slow, top, until } from './lib/daemon.mjs';
import { Scraper } from './lib/metrics.mjs';
import { CLIENT, started } from './lib/remains.mjs';
import { Stream } from './lib/sse.mjs';
import { secret, user } from './lib/token.mjs';

const KEY = 'the-key-of-a-back-end';
const start = ({ port = 0, workers = 2, env = {} } = {}) => Daemon.start({ listen: false,
	stats: false, workers, conf: fs.readFileSync(path.join(top, 'packaging',
	    'examples', 'matters.conf'), 'utf8')
	    .replace(/127\.0\.0\.1:8080/g, `127.0.0.1:${port}`)
	    .replace(/127\.0\.0\.1:9090/g, '127.0.0.1:0'),
	env: { JWT_SECRET: secret, REDIS_URL: '', ROOST_API_SHA256:
	    crypto.createHash('sha256').update(KEY).digest('hex'), ...env } });
let d;
before(async () => { d = await start(); });
after(() => d.stop());

const auth = (name) => ({ auth: { token: user(name) } });
/* as a back end that is no Node does it */
async function curl(body) {
	const { stdout } = await promisify(execFile)('curl', ['-sS', '-m', '10',
		d.url('/api/v1/publish'), '-H', `Authorization: Bearer ${KEY}`,
		'-H', 'Content-Type: application/json', '-d',
		JSON.stringify(body)]);
	const answer = JSON.parse(stdout);
	assert.equal(answer.error, undefined, stdout);
	return answer;
}
let n = 0;
const matter = (event = 'matter_updated', more = {}) => curl({ ...more,
	namespace: '/matters', room: 'all', event, data: { matterId: ++n } });
const poll = async (query, name = 'ann', path = 'matters') => (await fetch(
    d.url(`/poll/${path}?${new URLSearchParams(query)}`),
    { headers: { Authorization: `Bearer ${user(name)}` } })).json();
const ids = (list) => list.map((x) => x.matterId);

for (const transports of [['websocket', 'polling'], ['polling', 'websocket']])
	test(`C1, C2: a stock client, ${transports[0]} first, hears what is ` +
	    'created, updated, deleted', async () => {
		const s = await connect(d, '/matters', { transports,
			...auth('ann') });
		await heard(s, 'roost:joined');
		const names = ['matter_created', 'matter_updated',
			'matter_deleted'];
		for (const event of names)
			await matter(event);
		await heard(s, 'matter_deleted');
		assert.deepEqual(s.got.map(([event]) => event)
		    .filter((event) => event !== 'roost:joined'), names);
		await until(() => s.io.engine.transport.name === 'websocket',
		    'a WebSocket');
		assert.equal(codeOf(await ask(s, 'matter_updated', {})),
		    'unknown_event');
		s.close();
	});

test('C1: it comes back after its server was started again', async () => {
	const first = await start();
	const port = first.port;
	const s = await connect(first, '/matters', { reconnection: true,
		reconnectionDelay: 50, reconnectionDelayMax: 200,
		...auth('ann') });
	await first.stop();
	await until(() => !s.connected, 'it is cut');
	const again = await start({ port });
	await until(() => s.connected, 'it is back', 20000);
	s.close();
	await again.stop();
});

test('C1: without a token, or with a foreign one, nobody hears', async () => {
	for (const token of [undefined, 'x', user('ann', {}, { key: 'another' })]) {
		const s = await connect(d, '/matters', { wait: false,
			auth: { token } });
		assert.equal((await refused(s)).data.code, 'unauthorized');
		s.close();
	}
	assert.equal((await fetch(d.url('/poll/matters'))).status, 401);
});

test('C2: the same id again is not delivered again', async () => {
	const s = await connect(d, '/matters', auth('ann'));
	await heard(s, 'roost:joined');
	for (let i = 0; i < 3; i++)
		await matter('matter_updated', { id: 'a-7-3' });
	const last = n;
	await matter('matter_deleted');
	await heard(s, 'matter_deleted');
	assert.deepEqual(ids(gotten(s, 'matter_updated').map(([x]) => x)),
	    [last - 2]);
	s.close();
});

test('C2: what is for a user is on all their devices, and waits there',
async () => {
	const laptop = await connect(d, '/users', auth('ann'));
	const other = await connect(d, '/users', auth('bob'));
	const bell = await connect(d, '/notifications', auth('ann'));
	const [[{ epoch }]] = await heard(laptop, 'roost:joined');
	const phone = await plain(d, `/ws/users?token=${user('ann')}`);
	await until(() => phone.got.length > 0, 'it is in');
	await curl({ namespace: '/users', room: 'user:ann', event: 'profile',
		data: { v: 1 } });
	await curl({ namespace: '/notifications', user: 'ann', event: 'n',
		data: {} });
	await heard(laptop, 'profile');
	await heard(bell, 'n');
	await until(() => phone.got.some((m) => m.event === 'profile'), 'both');
	assert.equal(gotten(other, 'profile').length, 0);
	/* the phone is off for a while */
	const { meta } = phone.got.find((m) => m.event === 'profile');
	phone.terminate();
	await curl({ namespace: '/users', room: 'user:ann', event: 'profile',
		data: { v: 2 } });
	const on = await plain(d, `/ws/users?token=${user('ann')}&since=${
	    epoch}:${meta.offset}`);
	await until(() => on.got.some((m) => m.event === 'roost:joined'), 'all');
	assert.deepEqual(on.got.filter((m) => m.event === 'profile')
	    .map((m) => m.data.v), [2]);
	on.terminate();
	[laptop, other, bell].forEach((s) => s.close());
});

test('C3: SockJS hears the same, by each of its transports', async () => {
	for (const transport of ['websocket', 'xhr-streaming', 'xhr-polling']) {
		const s = new SockJS(d.url(`/ws/matters?token=${user('ann')}`),
		    null, { transports: transport });
		const got = [];
		s.onmessage = ({ data }) => got.push(JSON.parse(data));
		started(CLIENT, () => s.close());
		await until(() => got.some((m) => m.event === 'roost:joined'),
		    `it is in by ${transport}`);
		await matter();
		await until(() => got.some((m) => m.event === 'matter_updated' &&
		    m.data.matterId === n), `a matter by ${transport}`);
		s.close();
	}
});

test('C5: of 100 users as many have WebSocket as the rollout says; the others ' +
    'poll, and are counted', async () => {
	const few = await start({ env: { MATTERS_ROLLOUT: '30' } });
	const names = [...Array(100).keys()].map((i) => `user${i}`);
	const admitted = [], told = [];
	for (const name of names) {
		const s = await connect(few, '/matters', { wait: false,
			...auth(name) });
		await new Promise((ok) => {
			s.once('connect', () => { admitted.push(name); ok(); });
			s.once('connect_error', (e) => {
				told.push(e.data);
				ok();
			});
		});
		s.close();
	}
	assert.ok(admitted.length > 10 && admitted.length < 50,
	    `${admitted.length} of 100`);
	for (const data of told)
		assert.deepEqual([data.code, data.poll],
		    ['rollout', '/poll/matters']);
	/* who may has not changed */
	for (const name of admitted.slice(0, 3))
		(await connect(few, '/matters', auth(name))).close();
	/* the others lose nothing */
	const left = names.find((name) => !admitted.includes(name));
	const r = await fetch(few.url('/poll/matters'), { headers: {
		Authorization: `Bearer ${user(left)}` } });
	assert.equal(r.status, 200);
	const text = await (await fetch(
	    `http://127.0.0.1:${few.ports[1]}/metrics`)).text();
	const value = (group) => Number(text.match(new RegExp(
	    `roost_ns_rollout_total\\{ns="/matters",group="${group}"\\} (\\d+)`))[1]);
	assert.equal(value('in') , admitted.length + 3);
	assert.equal(value('out'), told.length);
	await few.stop();
});

test('C3, C4: polling, Socket.IO, plain WebSocket, events: 1,000 matters, each ' +
    'once, in order', async () => {
	const from = n + 1, all = [];
	let place = (await poll({})).next;
	let more = true;
	const pump = (async () => {
		while (more && n < from + 999)
			await Promise.all([...Array(10)].map(() => matter()));
	})();
	/* what a client of each kind heard, and the place behind it */
	const kinds = {
		async poll() {
			const r = await poll({ since: place, wait: 5 });
			assert.equal(r.gap, false);
			place = r.next;
			return r.events.map((e) => e.data);
		},
		async socketio() {
			const s = await connect(d, '/matters', { auth: {
				token: user('ann'), since: place } });
			const [[joined]] = await heard(s, 'roost:joined');
			await until(() => gotten(s, 'matter_updated').length > 20 ||
			    all.length + gotten(s, 'matter_updated').length >=
			    1000, 'some of them');
			s.close();
			assert.equal(joined.recovered, true);
			const got = gotten(s, 'matter_updated');
			if (got.length > 0)
				place = `${joined.epoch}:${got.at(-1)[1].offset}`;
			return got.map(([x]) => x);
		},
		async plain() {
			const w = await plain(d, `/ws/matters?token=${user('ann')
			    }&since=${place}`);
			const of = (event) => w.got.filter((m) =>
			    m.event === event);
			await until(() => of('roost:joined').length > 0 &&
			    (of('matter_updated').length > 20 || all.length +
			    of('matter_updated').length >= 1000), 'some of them');
			w.terminate();
			assert.equal(of('roost:joined')[0].data.recovered, true);
			const got = of('matter_updated');
			if (got.length > 0)
				place = `${of('roost:joined')[0].data.epoch}:${
				    got.at(-1).meta.offset}`;
			return got.map((m) => m.data);
		},
		async sse() {
			const s = await Stream.open(d.url('/sse/matters?room=all' +
			    `&token=${user('ann')}&last_event_id=${
			    encodeURIComponent(place)}`));
			const got = () => s.got.filter((e) =>
			    e.event === 'matter_updated');
			await until(() => got().length > 20 || all.length +
			    got().length >= 1000, 'some of them');
			s.close();
			if (got().length > 0)
				place = got().at(-1).id;
			return got().map((e) => e.json.data);
		},
	};
	const order = Object.keys(kinds);
	for (let i = 0; all.length < 1000; i++)
		all.push(...await kinds[order[i % order.length]]());
	more = false;
	await pump;
	assert.deepEqual([...ids(all)].sort((a, b) => a - b),
	    [...Array(1000).keys()].map((i) => from + i));
	/* as they were kept: the back end sent ten at once */
	const kept = [];
	for (let since = 0, r; kept.length < 1000; since = r.next) {
		r = await poll({ since, limit: 1000 });
		kept.push(...r.events.filter((e) => e.data.matterId >= from));
		if (r.events.length === 0)
			break;
	}
	assert.deepEqual(ids(all), ids(kept.map((e) => e.data)));
});

test('C6: who came, by what, and how it went, is counted', async () => {
	const scraper = new Scraper({ url: (where) =>
	    `http://127.0.0.1:${d.ports[1]}${where}` });
	const ns = (name, more = '') => `ns_${name}{ns=/matters${more}}`;
	const was = await scraper.read();
	const s = await connect(d, '/matters', { transports: ['polling'],
		...auth('ann') });
	await heard(s, 'roost:joined');
	await matter();
	await heard(s, 'matter_updated');
	await poll({});
	const bad = await connect(d, '/matters', { wait: false,
		auth: { token: 'x' } });
	await refused(bad);
	bad.close();
	/* each has grown by what was done, one by the client that is there */
	const grown = async (name, by) => {
		const now = await scraper.read();
		return now.has(name) && now.get(name) - was.get(name) >= by;
	};
	for (const [name, by] of [[ns('sockets'), 1], ['eio_polling', 1],
		['longpolls', 1], [ns('events_out'), 1], 
		[ns('errors', ',code=connect'), 1]])
		await until(() => grown(name, by), `${name} to grow by ${by}`);
	s.close();
	/* one that is cut and comes back */
	const t = await connect(d, '/matters', { reconnection: true,
		reconnectionDelay: 20, ...auth('ann') });
	const back = new Promise((ok) => { t.io.once('reconnect', ok); });
	t.io.engine.close();
	await back;
	await until(() => grown(ns('reconnections'), 1), 'a reconnection');
	t.close();
	scraper.close();
});

test('C7: under load what is published is heard in time, by Socket.IO and plain '
    + 'WebSockets', async () => {
	const late = [], seen = new Map();
	const clients = await Promise.all(Array.from({ length: 60 }, (_, i) =>
		i % 2 ? connect(d, '/matters', auth(`u${i}`)) : plain(d,
		    `/ws/matters?token=${user(`u${i}`)}`)));
	const hear = (i, m) => {
		if (m?.at === undefined)
			return;
		late.push(Date.now() - m.at);
		seen.set(i, (seen.get(i) ?? 0) + 1);
	};
	clients.forEach((s, i) => (i % 2 ? s.on('matter_updated', (m) =>
		hear(i, m)) : s.on('message', (b) => hear(i, JSON.parse(b).data))));
	for (const [i, s] of clients.entries())
		await (i % 2 ? heard(s, 'roost:joined') : until(() => s.got.some(
		    (m) => m.event === 'roost:joined'), 'the room'));
	const send = async () => {
		const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
			headers: { Authorization: `Bearer ${KEY}`,
				'Content-Type': 'application/json' },
			body: JSON.stringify({ namespace: '/matters', room: 'all',
				event: 'matter_updated', data: { at: Date.now() } }) });
		assert.equal(r.status, 200);
	};
	for (let i = 0; i < 25; i++)
		await Promise.all([send(), send(), send(), send()]);
	await until(() => seen.size === 60 && [...seen.values()].every((k) =>
		k === 100), 'all of it, by each', 10000);
	/* the median: the clients are of this process, and others work here */
	late.sort((a, b) => a - b);
	assert.ok(late[late.length >> 1] < 100 * slow,
	    `median ${late[late.length >> 1]} ms`);
	clients.forEach((s, i) => (i % 2 ? s.close() : s.terminate()));
});
