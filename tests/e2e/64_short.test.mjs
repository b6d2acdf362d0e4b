/*
 * Short of memory: every n-th allocation of workers or of the relay fails
 * while clients of all kinds come, talk and go.  Nobody dies, somebody counts
 * it, and when there is memory again all is as before.  And what is too large
 * for it is refused, or its connection ends: nobody waits in vain.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, deaths, sanitized, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, heard, io } from './lib/clients.mjs';
import { jwt, listenTls } from './lib/conf.mjs';
import { Polling, request } from './lib/polling.mjs';
import { RELAY, Shortage, WORKER } from './lib/shortage.mjs';
import { user } from './lib/token.mjs';
import { OP, Sock, Ws, closePayload, frame } from './lib/wire.mjs';

const KEY = 'short';
const conf = `${jwt}
limits { per_user = 60000 per_address = 60000 }
heartbeat { interval = 300ms timeout = 2s }
recovery { window = 1m }
demo_page = "/dev/null"
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish", "presence", "disconnect", "rooms"} } }
namespace "/s" { auth = optional presence = rooms
    room "{r}" { join = open }
    event "n" { to = room:room ack = delivered }
    event "q" { ack = echo } }
route "/ws/bare" { namespace = "/s" join = "bare" format = bare }
`;
/* What becomes of these is not asked: they come, talk, and go. */
const quietly = (p) => p.catch(() => {});
async function clientsOfAllKinds(d, round) {
	const api = (method, target, body) => quietly(request(d.port, method,
	    `/api/v1/${target}`, { ms: 3000, body: body && JSON.stringify(body),
		headers: { authorization: `Bearer ${KEY}`,
			'content-type': 'application/json' } }));
	const each = [];
	for (const transport of ['websocket', 'polling'])
		for (let i = 0; i < 3; i++) {
			const c = io(`http://127.0.0.1:${d.port}/s`, {
				transports: transport === 'polling' && i ?
				    ['polling', 'websocket'] : [transport],
				forceNew: true, reconnectionDelay: 20,
				reconnectionDelayMax: 60, timeout: 2000,
				auth: i ? { token: user(`u${round % 3}`) } : {} });
			c.on('n', (...a) => {
				if (typeof a.at(-1) === 'function')
					a.at(-1)('heard');
			});
			c.emit('room:join', { room: 'r' });
			c.emit('presence:watch', { users: ['u0', 'u1'] });
			c.emit('presence:get', { users: ['u0'] }, () => {});
			c.emit('presence:set', { status: 'away' });
			c.emit('q', 'x'.repeat(3000), () => {});
			c.emit('q', Buffer.from('bytes'), () => {});
			c.emit('n', { room: 'r', text: 'y'.repeat(500) }, () => {});
			each.push(c);
		}
	const wait = [];
	for (const target of ['/livez', '/', '/metrics', '/health', '/demo',
	    '/socket.io/?EIO=4&transport=polling&sid=none'])
		wait.push(quietly(request(d.port, 'GET', target, { ms: 3000,
			headers: { 'accept-encoding': 'gzip' } })));
	wait.push(api('POST', 'publish', { namespace: 's', event: 'e', room: 'r',
		data: { a: 1 }, id: `id${round}` }));
	wait.push(api('POST', 'publish', { namespace: 's', event: 'n', data: 1,
		ack: true, timeout: 500 }));
	wait.push(api('POST', 'batch', [{ namespace: 's', event: 'e' }]));
	wait.push(api('POST', 'users/u1/rooms', { namespace: 's', join: ['z'] }));
	wait.push(api('GET', 'presence/s/u1'));
	wait.push(quietly((async () => {
		const w = await Ws.open(d.port, '/ws/s');
		w.json({ event: 'room:join', data: { room: 'r' }, id: 1 });
		w.json({ event: 'n', data: { room: 'r' }, id: 2 });
		w.send(frame(OP.text, '{"event":', { fin: false }));
		w.send(frame(OP.cont, '"q","data":1,"id":3}'));
		await w.event(500);
		w.send(frame(OP.close, closePayload(1000)));
		w.drop();
	})()));
	wait.push(quietly((async () => {
		const w = await Ws.open(d.port, '/ws/bare');
		w.text('{"n":1}');
		await w.message('echo', 200);
		w.drop();
	})()));
	wait.push(quietly((async () => {
		const s = await Sock.open(d.ports[1],
		    { tlsOptions: { rejectUnauthorized: false } });
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		await s.response({ ms: 1000 });
		s.close();
	})()));
	await Promise.all(wait);
	/* cut off half of them: they come back with what they have */
	each.forEach((c, i) => i % 2 && c.io.engine?.transport?.ws?._socket
	    ?.destroy());
	await api('POST', 'publish', { namespace: 's', event: 'e', room: 'r' });
	await quietly(until(() => each.every((c) => c.connected), 'back', 300));
	await api('POST', 'disconnect', { namespace: 's', user: 'u1' });
	each.forEach((c) => c.close());
}

let wells = 0;
async function allIsWell(d) {
	/* one of its own: who was there before may not have gone yet */
	const room = `well${++wells}`, both = [];
	try {
		for (let i = 0; i < 2; i++) {
			both.push(await connect(d, '/s'));
			await ask(both[i], 'room:join', { room });
		}
		const ack = await ask(both[0], 'n', { room, i: 1 });
		assert.equal(ack.delivered, 1);
		await heard(both[1], 'n');
	} finally {
		both.forEach((c) => c.close());
	}
	const r = await request(d.port, 'GET', '/readyz');
	assert.equal(r.status, 200);
}

/* A moment later: what was refused is asked for again, by timers. */
async function asBefore(d, what) {
	let why;
	await until(() => allIsWell(d).then(() => true, (e) => { why = e; }),
	    () => `service as before, ${what}: ${why?.stack}`, 15000);
}

/* a sanitizer has a malloc of its own; test_short goes through the hub there */
if (!sanitized)
	test('every n-th allocation fails: nobody dies, nothing stays', async () => {
		const shortage = new Shortage();
		const d = await Daemon.start({ workers: 2, listen: false,
			conf: `listen "127.0.0.1:0" {}\n${listenTls()}${conf}`,
			env: shortage.env });
		await clientsOfAllKinds(d, 0);
		const rounds = [5, 3, 11, 2, 7, 19, 4, 6, 13, 1, 9, 31, 8, 5, 23, 3,
			17, 10, 12, 15];
		for (const [i, n] of rounds.entries()) {
			shortage.every(n, WORKER);
			await clientsOfAllKinds(d, i);
			shortage.every(0, 0);
			await asBefore(d, `allocation ${n} of workers`);
		}
		for (const n of [2, 5, 1]) {
			shortage.every(n, RELAY);
			await clientsOfAllKinds(d, n);
			shortage.every(0, 0);
			await asBefore(d, `allocation ${n} of the relay`);
		}
		assert.ok(shortage.failed > 200, `${shortage.failed} failed`);
		await d.counts('memory_failures', (n) => n > 0);
		/* parked sessions may wait for their clients for a minute */
		await until(async () => await d.metric('sessions') === 0,
		    'nobody is left', 30000);
		await until(async () => await d.metric('send_queue_bytes') === 0,
		    'no queues');
		assert.doesNotMatch(d.log, deaths);
		await d.stop();
	});

/* No message of a megabyte can be held or copied; a response's head can. */
const MB = 1 << 20;
async function largeFails() {
	const shortage = new Shortage(), dir = tempdir();
	fs.writeFileSync(path.join(dir, 'page'), 'p'.repeat(2 * MB));
	const d = await Daemon.start({ workers: 1, env: shortage.env, conf: `
demo_page = "${dir}/page"
limits { message_bytes = 16MB send_queue_bytes = 64MB }
namespace "/" { auth = none event "q" { to = sender meta = off } }\n` });
	return { d, shortage, fail: () => shortage.every(1, WORKER, MB),
		end: () => shortage.every(0, 0) };
}

if (!sanitized) {
	test('a page that cannot be copied: its connection ends', async () => {
		const { d, shortage, fail, end } = await largeFails();
		fail();
		const s = await Sock.open(d.port);
		s.send('GET /demo/ HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await s.end()).length, 0);
		assert.ok(shortage.failed > 0);
		await d.counts('connections_closed', 1, 'reason="memory"');
		end();
		const r = await request(d.port, 'GET', '/demo/');
		assert.deepEqual([r.status, r.bytes.length], [200, 2 * MB]);
		await d.stop();
	});

	test('a body that cannot be held: 503, its session ends', async () => {
		const { d, shortage, fail, end } = await largeFails();
		const p = await (await Polling.open(d.port)).connect();
		fail();
		const r = await p.post('6'.repeat(2 * MB));
		assert.equal(r.status, 503);
		assert.equal(JSON.parse(r.body).error.code, 'unavailable');
		assert.ok(shortage.failed > 0);
		end();
		assert.ok(await p.gone());	/* events are lost */
		await d.stop();
	});

	test('an answer that cannot be given again: 503, its session ends',
	    async () => {
		const { d, shortage, fail, end } = await largeFails();
		const p = await (await Polling.open(d.port)).connect();
		const get = `GET ${p.target}&t=a HTTP/1.1\r\nHost: x\r\n\r\n`;
		await p.send(`42["q","${'x'.repeat(12 * MB)}"]`);
		const stuck = await Sock.open(d.port);
		stuck.sock.pause();
		stuck.send(get);
		await until(async () => await d.metric('write_blocked') > 0,
		    'a block');
		fail();
		const s = await Sock.open(d.port);
		s.send(get);
		const r = await s.response();
		assert.deepEqual([r.status, r.body], [503, '']);
		assert.ok(shortage.failed > 0);
		end();
		await d.counts('eio_repeated', 0);
		await d.counts('clients_closed', 1, 'reason="memory"');
		assert.ok(await p.gone());
		stuck.close();
		s.close();
		await d.stop();
	});

	test('a response that would be cut, or lack its lines: 503', async () => {
		const shortage = new Shortage(), dir = tempdir();
		fs.writeFileSync(path.join(dir, 'page'), 'p'.repeat(4096));
		const d = await Daemon.start({ workers: 1, env: shortage.env,
			conf: `demo_page = "${dir}/page"
namespace "/" { auth = none }
cors { origins = {"http://a.example"} }\n` });
		const s = await Sock.open(d.port);
		const ask = async (method, target, more = '') => {
			s.send(`${method} ${target} HTTP/1.1\r\nHost: x\r\n${
			    more}\r\n`);
			return (await s.response()).status;
		};
		const from = 'Origin: http://a.example\r\n';
		const allowed = 'access-control-allow-origin';
		const base = '/socket.io/?EIO=4&transport=polling';
		/* what a response needs in any case is there from now on */
		assert.equal(await ask('GET', '/demo/'), 200);
		shortage.every(1, WORKER);
		assert.equal(await ask('GET', '/'), 503);
		assert.equal(await ask('OPTIONS', base, from), 503);
		shortage.every(0, 0);
		assert.equal(await ask('GET', '/'), 200);
		await d.counts('memory_failures', (n) => n >= 2);
		const p = await Polling.open(d.port, { headers: {
			origin: 'http://a.example' } });
		assert.equal(p.response.headers[allowed], 'http://a.example');
		await p.connect();
		/* a GET whose lines cannot be kept until it is answered: there is
		 * room for the answer in what was got for a small one before */
		const failures = await d.metric('memory_failures');
		assert.equal(await ask('GET', '/livez'), 200);
		shortage.every(1, WORKER);
		assert.equal(await ask('GET', p.target, from), 503);
		shortage.every(0, 0);
		await d.counts('memory_failures', (n) => n > failures);
		await d.counts('clients_closed', 1, 'reason="memory"');
		assert.ok(await p.gone());
		s.close();
		await d.stop();
	});
}
