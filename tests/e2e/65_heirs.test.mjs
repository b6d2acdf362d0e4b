/*
 * What waits for a worker that dies belongs to the next one: connections in the
 * queue of its listening sockets, and requests that others have passed to it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { Daemon, halt, sanitized, sleep, tempdir, until, within }
	from './lib/daemon.mjs';
import { ask, connected, io } from './lib/clients.mjs';
import { listenTls } from './lib/conf.mjs';
import { Polling } from './lib/polling.mjs';
import { Sock } from './lib/wire.mjs';

const rules = 'namespace "/" { auth = none event "q" { ack = echo } }\n';
const upTo = (n) => Array.from({ length: n }, (_, i) => i);
const HELLO = 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n' +
    'Host: x\r\nConnection: close\r\n\r\n';

async function killed(d, slot, pid) {
	process.kill(pid, 'SIGKILL');
	await until(() => {
		const now = d.worker(slot);
		return now && now.pid !== pid;
	}, 'a new worker', 20000);
}

/* Over any socket that is connected, or connecting: the response's status. */
const answer = (s, text) => within(new Promise((ok, no) => {
	let got = '';
	s.on('data', (b) => { got += b; });
	s.on('error', no);
	s.on('close', () => {
		const m = got.match(/^HTTP\/1.1 (\d+) /);
		if (m)
			ok(Number(m[1]));
		else
			no(new Error(`closed with "${got}"`));
	});
	s.write(text);
}), 'an answer', 20000);

/* Connections of 127.0.0.1 that nobody has accepted yet. */
const queued = (port) => fs.readFileSync('/proc/net/tcp', 'latin1')
    .split('\n').map((line) => line.trim().split(/[ :]+/))
    .filter((f) => f[2] === port.toString(16).toUpperCase().padStart(4, '0') &&
	f[5] === '0A')
    .reduce((sum, f) => sum + parseInt(f[7], 16), 0);

test('a worker is stopped, then killed: who waited for it is served', async () => {
	const unix = path.join(tempdir(), 's');
	const d = await Daemon.start({ workers: 1, conf: `${rules}${listenTls()}
listen "unix:${unix}" { mode = "0600" }\n` });
	d.mayDie = true;
	for (let k = 0; k < 3; k++) {
		const { pid } = d.worker(1);
		await halt(pid);
		/* whole requests, half ones, none yet, TLS, Unix, stock ones */
		const sockets = [];
		const asks = (s) => {
			sockets.push(s);
			return answer(s, HELLO);
		};
		const whole = upTo(100).map(() =>
			asks(net.connect(d.port, '127.0.0.1')));
		const half = await Promise.all(upTo(20).map(() =>
			Sock.open(d.port)));
		half.slice(10).forEach((s) => s.send(HELLO.slice(0, 30)));
		const secure = upTo(20).map(() => asks(tls.connect({
			host: '127.0.0.1', port: d.ports[1],
			rejectUnauthorized: false })));
		const local = upTo(20).map(() =>
			asks(net.connect({ path: unix })));
		let errors = 0;
		const stock = upTo(10).map((i) => {
			const s = io(d.url(), { forceNew: true, transports:
			    [i % 2 ? 'websocket' : 'polling'] });
			s.on('connect_error', () => { errors++; });
			return s;
		});
		await until(() => sockets.every((s) => !s.connecting) &&
		    queued(d.port) >= 100 + half.length + stock.length,
		'all to be in the queues');
		await killed(d, 1, pid);
		half.forEach((s, i) => s.send(i < 10 ? HELLO : HELLO.slice(30)));
		for (const s of half)
			assert.equal((await s.response()).status, 200);
		for (const status of await Promise.all(
		    [...whole, ...secure, ...local]))
			assert.equal(status, 200);
		await Promise.all(stock.map((d) => connected(d)));
		assert.equal(await ask(stock[0], 'q', k), k);
		assert.equal(errors, 0);
		stock.forEach((s) => s.close());
	}
	await d.stop();
});

/* One that dies again and again is not replaced at once. */
test('who comes while the next worker is waited for is served', async () => {
	const d = await Daemon.start({ workers: 1, conf: rules });
	d.mayDie = true;
	const all = [];
	while (!/child_pause role=worker/.test(d.log)) {
		const one = await until(() => d.worker(1), 'a worker', 20000);
		process.kill(one.pid, 'SIGKILL');
		await until(() => d.worker(1)?.pid !== one.pid, 'its end');
		if (all.length < 200)
			all.push(...upTo(20).map(() =>
				answer(net.connect(d.port, '127.0.0.1'),
				    HELLO).catch((e) => e)));
	}
	/* ... and by those that die meanwhile, what they had in hand is lost */
	const late = upTo(50).map(() =>
		answer(net.connect(d.port, '127.0.0.1'), HELLO));
	assert.ok((await Promise.all(late)).every((r) => r === 200));
	for (const r of await Promise.all(all))
		assert.ok(r === 200 || /ECONNRESET|closed with ""/
		    .test(`${r.code} ${r.message}`), `${r}`);
	await d.stop();
});

/* Only what a worker had taken in hand when it died can be lost: a connection
 * that it had accepted, and that ends without an answer. */
test('killed under a stream of clients: nobody fails to connect', async (t) => {
	const d = await Daemon.start({ workers: 2, conf: rules });
	d.mayDie = true;
	const KILLS = sanitized ? 4 : 8, CLIENTS = 16;
	const seen = { answered: 0, cut: 0, other: [] };
	let stop = false;
	const clients = upTo(CLIENTS).map(async () => {
		while (!stop) {
			const s = new net.Socket();
			let open = false;
			s.on('connect', () => { open = true; });
			s.connect(d.port, '127.0.0.1');
			try {
				const status = await answer(s, HELLO);
				if (status === 200)
					seen.answered++;
				else
					seen.other.push(status);
			} catch (e) {
				if (open && /ECONNRESET|closed with ""/
				    .test(`${e.code} ${e.message}`))
					seen.cut++;
				else
					seen.other.push(`${e.code} ${e.message}`);
			}
		}
	});
	for (let k = 0; k < KILLS; k++) {
		/* all of them can have been answered from kill to kill */
		const at = seen.answered;
		await until(() => seen.answered >= at + CLIENTS, 'traffic',
		    20000);
		const slot = k % 2 + 1;
		await killed(d, slot, (await until(() => d.worker(slot),
		    'a worker')).pid);
	}
	stop = true;
	await Promise.all(clients);
	assert.deepEqual(seen.other, []);
	assert.ok(seen.answered > KILLS * CLIENTS / 4, JSON.stringify(seen));
	assert.ok(seen.cut <= KILLS * CLIENTS, JSON.stringify(seen));
	t.diagnostic(`${seen.answered} answered, ${seen.cut} were in the hands of ${
	    KILLS} that died`);
	await d.stop();
});

for (const kind of ['plain', 'TLS'])
	test(`${kind}: requests passed to a worker that dies are answered`,
	async () => {
		const d = await Daemon.start({ workers: 2, conf: rules +
		    listenTls() });
		d.mayDie = true;
		const slotOf = (p) => Buffer.from(p.sid, 'base64url')[0] + 1;
		const sessions = [];
		while (sessions.length < 3) {
			const p = await (await Polling.open(d.port)).connect();
			if (slotOf(p) === 2)
				sessions.push(p);
		}
		const port = d.ports[kind === 'TLS' ? 1 : 0];
		const open = () => Sock.open(port, kind === 'TLS' ?
		    { tlsOptions: { rejectUnauthorized: false } } : {});
		/* with worker 1 by a request that is its own; keep-alive */
		const ours = [];
		while (ours.length < 40) {
			const s = await open();
			s.send(`GET ${sessions[0].base} HTTP/1.1\r\n` +
			    'Host: x\r\n\r\n');
			const { sid } = JSON.parse((await s.response()).body
			    .slice(1));
			if (slotOf({ sid }) === 1)
				ours.push(s);
			else
				s.close();
		}
		const { pid } = d.worker(2);
		const before = await passed(d);
		await halt(pid);
		const body = `42["q","${'x'.repeat(3000)}"]`;
		for (const [i, s] of ours.entries()) {
			s.send(i % 2 ? `GET ${sessions[i % 3].target
			    } HTTP/1.1\r\nHost: x\r\n\r\n` :
			    `POST ${sessions[i % 3].target} HTTP/1.1\r\n` +
			    `Host: x\r\nContent-Length: ${body.length
			    }\r\n\r\n${body}`);
		}
		await until(async () => await passed(d) >= before + ours.length,
		    'all to be passed');
		await killed(d, 2, pid);
		/* its sessions died with it; 503 is for what came when it had
		 * been silent for too long, on a slow machine */
		let gone = 0;
		for (const s of ours) {
			const r = await s.response();
			gone += r.status === 400;
			assert.ok(r.status === 503 ||
			    JSON.parse(r.body).code === 1, r.body);
			s.close();
		}
		assert.ok(gone > 0);
		await d.stop();
	});

/* /metrics, from worker 1: the other one may be stopped. */
async function passed(d) {
	for (;;) {
		const s = await Sock.open(d.port);
		s.send('GET /metrics HTTP/1.1\r\nHost: x\r\n' +
		    'Connection: close\r\n\r\n');
		const r = await Promise.race([s.response().catch(() => null),
			sleep(300)]);
		s.close();
		if (!r)
			continue;
		const count = (name) => Number(r.body.match(
		    new RegExp(`^roost_${name}_total (\\d+)`, 'm'))[1]);
		return count('eio_forwarded') + count('handovers_refused');
	}
}
