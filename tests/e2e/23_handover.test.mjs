/*
 * Several workers and no balancer that knows sessions: each request of a
 * polling client may reach another worker than the one before.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { Daemon, halt, sanitized, sleep, slow, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard, io, once } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Sock, Ws } from './lib/wire.mjs';
import { echo, listenTls } from './lib/conf.mjs';

const polling = { transports: ['polling'] };
const both = { transports: ['polling', 'websocket'] };
const conf = echo + `
namespace "/c" { auth = none
    room "{r}" { join = open }
    event "n" { to = room:room meta = off } }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 4, conf }); });
after(() => d.stop());

test('each request over a connection of its own', async () => {
	const p = await (await Polling.open(d.port)).connect();
	for (let i = 0; i < 100; i++) {
		await p.send(`42["q",${i}]`);
		assert.deepEqual(await p.packets(), [`42["q",${i}]`]);
	}
	await d.counts('eio_forwarded', (n) => n > 50);
	await until(async () => await d.metric('connections_handed_in') ===
	    await d.metric('connections_handed_out'), 'both to be counted');
});

test('a request that is passed on is one request', async () => {
	const sum = async () => {
		let n = -await d.metric('http_requests');
		for (const c of ['1xx', '2xx', '3xx', '4xx', '5xx'])
			n += await d.metric('http_responses', `class="${c}"`);
		return n;
	};
	const before = [await sum(), await d.metric('eio_forwarded')];
	const p = await (await Polling.open(d.port)).connect();
	for (let i = 0; i < 20; i++)
		await p.send('3');
	await d.counts('eio_forwarded', (n) => n > before[1]);
	assert.equal(await sum(), before[0]);
});

test('30 clients on polling, all in one room', async () => {
	const all = await Promise.all([...Array(30).keys()].map(() =>
		connect(d, '/c', polling)));
	await Promise.all(all.map((s) => ask(s, 'room:join', { room: 'r' })));
	for (let i = 0; i < 20; i++)
		all.forEach((s, k) => s.emit('n', { room: 'r', k, i }));
	for (const [k, s] of all.entries()) {
		const got = (await heard(s, 'n', 20 * 29, 20000))
		    .map((a) => a[0]);
		assert.equal(got.length, 20 * 29);
		for (let j = 0; j < 30; j++)
			assert.deepEqual(got.filter((m) => m.k === j)
			    .map((m) => m.i), j === k ? [] :
			    [...Array(20).keys()]);
	}
	all.forEach((s) => s.close());
});

test('40 clients upgrade under traffic', async () => {
	await Promise.all([...Array(40).keys()].map(async () => {
		const s = await connect(d, '/', both);
		for (let i = 0; i < 100; i++)
			s.emit('back', i);
		await until(() => gotten(s, 'echo').length >= 100, '100 echoes',
		    20000);
		assert.deepEqual(gotten(s, 'echo').map((a) => a[0]),
		    [...Array(100).keys()]);
		await until(() => s.io.engine.transport.name === 'websocket',
		    'upgrade', 20000);
		s.close();
	}));
});

test('keep-alive: connections move to whom they ask for', async () => {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
	const list = [];
	for (let i = 0; i < 8; i++)
		list.push(await (await Polling.open(d.port, { agent })).connect());
	for (let i = 0; i < 20; i++)
		for (const p of list) {
			await p.send(`42["q",${i}]`);
			assert.deepEqual(await p.packets(), [`42["q",${i}]`]);
		}
	agent.destroy();
});

test('a large body, whose rest comes later', async () => {
	const big = `42["q","${'x'.repeat(700000)}"]`;
	for (let i = 0; i < 8; i++) {
		const p = await (await Polling.open(d.port)).connect();
		const s = await Sock.open(d.port);
		s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${
		    big.length}\r\n\r\n${big.slice(0, 100 + i * 20000)}`);
		await sleep(10);	/* later, and so not in one read */
		s.send(big.slice(100 + i * 20000));
		assert.equal((await s.response()).body, 'ok');
		s.close();
		assert.deepEqual(await p.packets(), [big]);
	}
});

test('requests behind each other, for sessions of several workers', async () => {
	const list = [];
	for (let i = 0; i < 6; i++)
		list.push(await (await Polling.open(d.port)).connect());
	const s = await Sock.open(d.port);
	const post = (p, t) => `POST ${p.target} HTTP/1.1\r\nHost: x\r\n` +
	    `Content-Length: ${t.length}\r\n\r\n${t}`;
	s.send(list.map((p, i) => post(p, `42["q",${i}]`) +
	    'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n').join(''));
	for (let i = 0; i < list.length; i++) {
		assert.equal((await s.response()).body, 'ok');
		assert.equal((await s.response()).status, 200);
	}
	s.close();
	for (const [i, p] of list.entries())
		assert.deepEqual(await p.packets(), [`42["q",${i}]`]);
});

test('frames sent together with the upgrade request go along', async () => {
	for (let i = 0; i < 8; i++) {
		const p = await (await Polling.open(d.port)).connect();
		const w = await Ws.open(d.port, p.ws, { extra: undefined });
		assert.equal(w.response.status, 101);
		w.text('2probe');
		assert.equal(await w.message(), '3probe');
		w.text('5');
		w.text(`42["q",${i}]`);
		assert.equal(await w.message(), `42["q",${i}]`);
		w.drop();
	}
});

test('sids of slots that nobody has, and of earlier generations', async () => {
	const p = await Polling.open(d.port);
	const id = Buffer.from(p.sid, 'base64url');
	const before = await d.metric('eio_forwarded');
	for (const [slot, generation] of [[0, 0], [9, id[1]], [255, 255],
	    [id[0], id[1] + 1], [id[0] % 4 + 1, 200]]) {
		const sid = Buffer.from(id);
		sid[0] = slot;
		sid[1] = generation;
		for (let i = 0; i < 4; i++) {
			const r = await request(d.port, 'GET', `${p.base}&sid=${
			    sid.toString('base64url')}`);
			assert.deepEqual([r.status, r.body], [400,
				'{"code":1,"message":"Session ID unknown"}']);
		}
	}
	await d.counts('eio_forwarded', before);
});

test('limits: connections that were passed along are counted once', async () => {
	const e = await Daemon.start({ workers: 4, conf: conf +
	    'limits { per_address = 30 connections = 40 }\n' });
	const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
	const list = await Promise.all([...Array(10).keys()].map(async () =>
		(await Polling.open(e.port, { agent })).connect()));
	for (let i = 0; i < 20; i++)
		await Promise.all(list.map((p) => p.send('42["q",1]')));
	agent.destroy();
	await until(async () => await e.metric('connections_open') <= 2,
	    'all closed');
	const socks = [];
	for (let i = 0; i < 29; i++)
		socks.push(await Sock.open(e.port));
	/* all are accepted, and served */
	for (const s of socks)
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	for (const s of socks)
		assert.equal((await s.response()).status, 200);
	await e.counts('connections_refused', 0, 'address');
	socks.forEach((s) => s.close());
	await e.stop();
});

/* TLS stays with the worker that accepted it: plain bytes go to the owner. */
test('TLS: requests, large bodies both ways, upgrades', async () => {
	const e = await Daemon.start({ workers: 4, conf: conf + listenTls() });
	const tls = { rejectUnauthorized: false };
	for (let i = 0; i < 10; i++) {
		const p = await (await Polling.open(e.ports[1], { tls })).connect();
		for (let k = 0; k < 5; k++) {
			await p.send(`42["q",${k}]`);
			assert.deepEqual(await p.packets(), [`42["q",${k}]`]);
		}
		const big = `42["q","${'x'.repeat(900000)}"]`;
		await p.send(big);
		assert.deepEqual(await p.packets(), [big]);
		const w = await Ws.must(e.ports[1], p.ws, { tlsOptions: tls });
		w.text('2probe');
		assert.equal(await w.message(), '3probe');
		w.text('5');
		w.text(big);
		assert.equal(await w.message(), big);
		await w.bye();
		await until(() => p.gone(), 'error 1');
	}
	const all = await Promise.all([...Array(12).keys()].map(() => {
		const s = io(`https://127.0.0.1:${e.ports[1]}/c`, { ...both, ...tls,
			forceNew: true, reconnection: false });
		s.got = [];
		s.onAny((...a) => s.got.push(a));
		return connected(s).then(() => s);
	}));
	await Promise.all(all.map((s) => ask(s, 'room:join', { room: 'r' })));
	all.forEach((s, k) => s.emit('n', { room: 'r', k }));
	for (const s of all)
		await heard(s, 'n', 11, 20000);
	await until(() => all.every((s) =>
		s.io.engine.transport.name === 'websocket'), 'upgrades', 20000);
	await e.counts('eio_forwarded', (n) => n > 50);
	/* aborted on this side: the session on the other one ends */
	const p = await (await Polling.open(e.ports[1], { tls })).connect();
	const gets = await e.metric('eio_gets'), get = p.get();
	await until(async () => await e.metric('eio_gets') > gets, 'it is held');
	get.abort();
	await until(() => p.gone(), 'error 1');
	/* half of them leave, half are there when the daemon stops */
	all.slice(6).forEach((s) => s.close());
	const why = Promise.all(all.slice(0, 6).map((s) => once(s, 'disconnect')));
	await e.stop();
	assert.deepEqual((await why).map(([r]) => r), Array(6)
	    .fill('transport close'));
});

const KILLS = sanitized ? 3 : 6;
test(`a worker killed ${KILLS} times: only its own sessions are lost`, async (t) => {
	const e = await Daemon.start({ workers: 4, conf });
	e.mayDie = true;
	const slotOf = (s) =>
	    (Buffer.from(s.io.engine.id, 'base64url')[0] & 0x7f) + 1;
	/* the fourth worker stays: ten sessions are his, at least */
	const all = [];
	while (all.filter((s) => slotOf(s) === 4).length < 10)
		all.push(...await Promise.all([...Array(8).keys()].map(() =>
			connect(e, '/', { ...polling, reconnection: false }))));
	let stop = false;
	const lost = new Map();
	const loops = all.map(async (s) => {
		s.slot = slotOf(s);
		s.on('disconnect', (why, x) => lost.set(s,
		    { why, status: x?.context?.status, text:
			x?.context?.responseText }));
		while (!stop && s.connected) {
			try {
				assert.equal(await ask(s, 'ask', 1), 1);
			} catch {
				break;
			}
		}
	});
	for (let k = 0; k < KILLS; k++) {
		await sleep(300);	/* of traffic, from kill to kill */
		const slot = k % 3 + 1;
		const old = await until(() => e.worker(slot), 'a worker');
		process.kill(old.pid, 'SIGKILL');
		all.filter((s) => s.slot === slot).forEach((s) => {
			s.doomed = true;
		});
		await until(() => all.every((s) => !s.doomed || !s.connected),
		    'its sessions are lost', 20000);
		await until(() => {
			const now = e.worker(slot);
			return now && now.pid !== old.pid;
		}, 'a new worker', 20000);
	}
	await sleep(300);	/* of traffic behind the last */
	stop = true;
	await Promise.all(loops);
	/* others only by a request that was in the dead one's hands: its
	 * connection broke; how many, is chance */
	const others = [...lost].filter(([s]) => !s.doomed);
	for (const [, how] of others)
		assert.equal(how.status, 0, JSON.stringify(how));
	const alive = all.filter((s) => !s.doomed);
	assert.ok(alive.some((s) => s.connected),
	    `${others.length} lost of ${alive.length}`);
	t.diagnostic(`${others.length} of ${alive.length} lost a request`);
	/* and whoever comes now is served */
	const s = await connect(e, '/', polling);
	assert.equal(await ask(s, 'ask', 2), 2);
	s.close();
	all.forEach((c) => c.close());
	await connected(await connect(e, '/', polling)).then((c) => c?.close());
	await e.stop();
});

/*
 * A worker is stopped while hundreds of requests come for its sessions: the
 * sessions of others go on, through whichever worker their requests come.
 */
test('a stopped worker makes no other worker refuse', async () => {
	const k = await Daemon.start({ workers: 3, conf });
	k.mayDie = true;
	const slotOf = (p) => Buffer.from(p.sid, 'base64url')[0] + 1;
	const owned = new Map();
	while (owned.size < 3) {
		const p = await (await Polling.open(k.port)).connect();
		owned.set(slotOf(p), p);
	}
	/* connections that are with worker 1: they have opened sessions there */
	const one = [];
	while (one.length < 12) {
		const s = await Sock.open(k.port);
		s.send(`GET ${owned.get(1).base} HTTP/1.1\r\nHost: x\r\n\r\n`);
		const { sid } = JSON.parse((await s.response()).body.slice(1));
		if (slotOf({ sid }) === 1)
			one.push(s);
		else
			s.close();
	}
	const post = (p, text) => `POST ${p.target} HTTP/1.1\r\nHost: x\r\n` +
	    `Content-Length: ${text.length}\r\n\r\n${text}`;
	const echo = async (s, p, i) => {
		s.send(post(p, `42["q",${i}]`));
		assert.equal((await s.response()).status, 200);
	};
	const pid = k.worker(2).pid;
	await halt(pid);
	/* more than there is room for on the way to it, in memory or kernel */
	const big = post(owned.get(2), '4' + 'x'.repeat(8000));
	const flood = [];
	for (let i = 0; i < 1500; i++) {
		const s = await Sock.open(k.port);
		s.send(big);
		flood.push(s);
	}
	for (let i = 0; i < 4; i++)
		await echo(one.pop(), owned.get(3), i);
	/* soon what is for it is refused at once, and counted */
	await until(async () => {
		const s = one.pop();
		s.send(post(owned.get(2), '3'));
		const r = await Promise.race([s.response(),
			sleep(700 * slow).then(() => ({ status: 0 }))]);
		return r.status === 503;
	}, 'an early refusal');
	for (let i = 4; i < 6; i++)
		await echo(one.pop() ?? assert.fail('too few'), owned.get(3), i);
	process.kill(pid, 'SIGCONT');
	await k.counts('handovers_refused', (n) => n > 0);
	assert.deepEqual(await owned.get(3).collect(6),
	    [0, 1, 2, 3, 4, 5].map((i) => `42["q",${i}]`));
	await until(async () => slotOf(await Polling.open(k.port)) === 2,
	    'it serves again');
	assert.equal(k.worker(2).pid, pid);
	for (const s of [...flood, ...one])
		s.close();
	await k.stop();
});

/* As when the whole host was away: nobody takes the others for stopped. */
test('workers that were all stopped at once refuse nothing', async () => {
	const k = await Daemon.start({ workers: 3, conf });
	k.mayDie = true;
	const list = [];
	for (let i = 0; i < 12; i++)
		list.push(await (await Polling.open(k.port)).connect());
	const pids = [1, 2, 3].map((slot) => k.worker(slot).pid);
	await Promise.all(pids.map(halt));
	const began = Date.now();
	const all = [];
	for (let n = 0; n < 20; n++)
		for (const p of list)
			all.push(p.post(`42["q",${n}]`));
	await until(() => Date.now() - began > 2600, 'longer than the limit');
	pids.forEach((pid) => process.kill(pid, 'SIGCONT'));
	const got = (await Promise.all(all)).map((r) => r.status);
	assert.deepEqual(got.filter((x) => x !== 200), []);
	await k.counts('handovers_refused', 0);
	await k.stop();
});

/* What waits for a slow worker is not dropped by one that has nothing else to
 * do and leaves. */
test('QUIT: a request on its way to a slow worker is answered', async () => {
	const k = await Daemon.start({ workers: 2, conf });
	k.mayDie = true;
	const slotOf = (sid) => Buffer.from(sid, 'base64url')[0] + 1;
	const post = (target, text) => `POST ${target} HTTP/1.1\r\nHost: x\r\n` +
	    `Content-Length: ${text.length}\r\n\r\n${text}`;
	let p, s, sid;
	while (!p || slotOf(p.sid) !== 2) {
		await p?.post('1');
		p = await (await Polling.open(k.port)).connect();
	}
	while (!sid || slotOf(sid) !== 1) {
		s?.close();
		s = await Sock.open(k.port);
		s.send(`GET ${p.base} HTTP/1.1\r\nHost: x\r\n\r\n`);
		({ sid } = JSON.parse((await s.response()).body.slice(1)));
	}
	/* worker 1 has no session, only this connection */
	s.send(post(`${p.base}&sid=${sid}`, '1'));
	assert.equal((await s.response()).status, 200);
	const one = k.worker(1).pid, two = k.worker(2).pid;
	await halt(two);
	await sleep(1000);	/* longer than it is sent anything */
	s.send(post(p.target, '42["q",1]'));
	/* it is on its way, to one that is stopped and tells nothing */
	await sleep(200);
	k.child.kill('SIGQUIT');
	await until(() => k.log.includes(`[${one}] worker/1 info: drain`),
	    'the drain');
	await sleep(300);	/* in which one might have gone */
	process.kill(two, 'SIGCONT');
	assert.equal((await s.response()).status, 200);
	s.close();
	k.child.kill('SIGTERM');
	await k.stop();
});
