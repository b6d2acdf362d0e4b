/*
 * Handshakes that are more than the host may have in a second: refused early,
 * each with a time to come back, and those who were here before come first.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';
import tls from 'node:tls';

import { Daemon, sanitized, sleep, until, within } from './lib/daemon.mjs';
import { connect, io, plain } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { jwt, listenTls } from './lib/conf.mjs';

const open = 'namespace "/" { auth = none event "q" { ack = echo } }\n';
const limit = (n) => `limits { handshakes_per_second = ${n} }\n`;
const POLL = '/socket.io/?EIO=4&transport=polling';
const upgrade = { connection: 'Upgrade', upgrade: 'websocket',
	'sec-websocket-version': '13',
	'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };

/* From an address of the loopback network: the response's status, head. */
const from = (port, localAddress, target, headers = {}) => within(
    new Promise((ok, no) => {
	const r = http.request({ host: '127.0.0.1', port, localAddress,
		path: target, headers, agent: false });
	r.on('response', (m) => m.resume().on('end', () => ok({
		status: m.statusCode, headers: m.headers })));
	r.on('upgrade', (m, s) => { s.destroy(); ok({ status: 101 }); });
	r.on('error', no);
	r.end();
    }), 'an answer');

test('beyond the limit: 503, and when to come back', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${open}${jwt}
${limit(1)}rate "auth_failures" { allow = 100/1m }
route "/engine" { namespace = "/" format = engine }\n` });
	const p = await Polling.open(d.port);	/* what may come at once */
	const w = await plain(d, '/ws');
	let refused = 0, bad = 0;
	const bearer = { authorization: 'Bearer not.a.token' };
	for (const [target, headers] of [[POLL, {}], [POLL, bearer],
		['/engine/?EIO=4&transport=polling', bearer],
		[POLL.replace('polling', 'websocket'), upgrade],
		['/engine/?EIO=4&transport=websocket', upgrade],
		['/ws', { ...upgrade, ...bearer }]]) {
		for (let i = 0; i < 3; i++) {
			const r = await request(d.port, 'GET', target,
			    { headers: { ...headers } }).catch(() => null);
			if (r === null || r.status !== 503) {
				/* its second has come round */
				bad++;
				continue;
			}
			refused++;
			assert.equal(JSON.parse(r.body).error.code,
			    'unavailable');
			assert.match(r.headers['retry-after'], /^\d+$/);
			const s = Number(r.headers['retry-after']);
			assert.ok(s >= 1 && s <= 30, `${s} s`);
			assert.equal(r.headers.connection, 'close');
		}
	}
	assert.ok(refused >= 10 && bad <= 8, `${refused} refused`);
	/* who is in goes on: polls, a POST, an upgrade, pages, the API */
	await p.connect('/');
	assert.equal((await p.post('420["q",7]')).body, 'ok');
	assert.deepEqual(await p.packets(), ['430[7]']);
	assert.equal((await from(d.port, '127.0.0.1', p.ws, upgrade)).status,
	    101);
	assert.equal((await w.ask('q', 8)).data, 8);
	for (const page of ['/health', '/metrics', '/readyz'])
		assert.equal((await request(d.port, 'GET', page)).status, 200);
	assert.equal((await request(d.port, 'POST', '/api/v1/publish',
	    { body: '{}' })).status, 401);
	await d.counts('connections_refused', refused, 'storm');
	await d.counts('storms', 1);
	await d.counts('handshakes_admitted', (n) => n >= 2);
	assert.equal(d.log.match(/ storm_begin handshakes_per_second=1$/gm)
	    .length, 1);
	w.close();
	await until(() => / storm_end refused=\d+ ms=\d+$/m.test(d.log),
	    'its end', 20000);
	await d.logged(new RegExp(` storm_end refused=${refused} `));
	await d.stop();
});

test('one budget for all workers', async () => {
	const d = await Daemon.start({ workers: 4, conf: open + limit(100) });
	const t0 = performance.now();
	const all = await Promise.all(Array.from({ length: 600 }, () =>
		request(d.port, 'GET', POLL)));
	const s = (performance.now() - t0) / 1000;
	const n = (status) => all.filter((r) => r.status === status).length;
	assert.ok(n(200) >= 5 && n(200) <= 11 + 100 * s,
	    `${n(200)} in ${s} s`);
	assert.equal(n(200) + n(503), 600);
	/* each at a time of its own */
	const told = all.filter((r) => r.status === 503)
	    .map((r) => Number(r.headers['retry-after']));
	for (const at of new Set(told))
		assert.ok(told.filter((x) => x === at).length <= 130, `${at} s`);
	assert.ok(new Set(told).size >= Math.floor(told.length / 130));
	await d.stop();
});

/* kB of the workers, without what they share with others */
const memory = (d) => d.children().filter((c) => c.role === 'worker')
    .reduce((n, c) => n + Number(fs.readFileSync(
	`/proc/${c.pid}/smaps_rollup`, 'utf8').match(/^Pss:\s+(\d+)/m)[1]), 0);

test('memory is back at its level when a crowd has gone', async () => {
	const d = await Daemon.start({ workers: 2, conf: listenTls() });
	const CROWD = 2000, AT_ONCE = 100;
	const head = `GET ${POLL.replace('polling', 'websocket')
	    } HTTP/1.1\r\nHost: x\r\n${Object.entries(upgrade)
		.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`;
	const one = () => within(new Promise((ok, no) => {
		const s = tls.connect({ host: '127.0.0.1', port: d.ports[1],
			rejectUnauthorized: false }, () => s.write(head));
		s.on('error', no);
		s.once('data', () => ok(s));
	}), 'an answer', 20000);
	const levels = [memory(d)];
	for (let k = 0; k < 2; k++) {
		const all = [];
		while (all.length < CROWD)
			all.push(...await Promise.all(Array.from(
			    { length: AT_ONCE }, one)));
		const full = memory(d);
		all.forEach((s) => s.destroy());
		await until(async () => await d.metric('connections_open') <= 1,
		    'all gone', 20000);
		levels.push(full);
		if (sanitized)	/* another heap */
			continue;
		await until(() => memory(d) - levels[0] <
		    (full - levels[0]) / 4, `memory as before: ${levels}, ${
		    memory(d)}`, 10000);
	}
	assert.ok(levels[2] < levels[1] * 1.1 + 2000, `${levels}`);
	await d.stop();
});

test('0 is no limit', async () => {
	const d = await Daemon.start({ workers: 2, conf: open + limit(0) });
	const all = await Promise.all(Array.from({ length: 300 }, () =>
		request(d.port, 'GET', POLL)));
	assert.ok(all.every((r) => r.status === 200));
	await d.counts('connections_refused', 0, 'storm');
	await d.stop();
});

test('an address that is too fast has no part in the budget', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${open}${limit(2)}
rate "connects" { per = address allow = 1/1h burst = 2 }\n` });
	const of = async (at) => (await from(d.port, at, POLL)).status;
	assert.equal(await of('127.0.0.1'), 200);
	/* refused for the host's sake, which is not charged to the address:
	 * two are let in, however often it asks */
	let got = 0, status;
	while ((status = await of('127.0.0.2')) !== 429) {
		got += status === 200;
		await sleep(20);	/* a pace */
	}
	assert.equal(got, 2);
	await d.counts('connections_refused', (n) => n > 2, 'storm');
	for (let i = 0; i < 20; i++)
		assert.equal(await of('127.0.0.2'), 429);
	/* ... and twenty of these took nothing */
	await until(async () => await of('127.0.0.1') === 200, 'the other one');
	await d.stop();
});

test('socket.io-client comes back by itself', async () => {
	const d = await Daemon.start({ workers: 2, conf: open + limit(20) });
	const clients = [];
	let errors = 0;
	for (let i = 0; i < 60; i++) {
		const s = io(`http://127.0.0.1:${d.port}`, { forceNew: true,
			transports: [i % 2 ? 'websocket' : 'polling'],
			reconnectionDelay: 200, reconnectionDelayMax: 1000 });
		s.on('connect_error', () => { errors++; });
		clients.push(s);
	}
	await until(() => clients.every((s) => s.connected), 'all of them',
	    30000);
	assert.ok(errors > 0);
	await d.counts('connections_refused', errors, 'storm');
	for (const s of clients)
		s.close();
	await d.stop();
});

test('addresses that lost a client come first, nobody starves', async () => {
	const d = await Daemon.start({ workers: 2, conf: open + limit(40) });
	/* one is lost, one leaves by itself, one was never in a namespace */
	const lost = await connect(d, '/', { localAddress: '127.0.0.2' });
	const left = await connect(d, '/', { localAddress: '127.0.0.3' });
	lost.io.engine.transport.ws._socket.resetAndDestroy();
	left.close();
	await from(d.port, '127.0.0.4', POLL.replace('polling', 'websocket'),
	    upgrade);
	await until(async () => await d.metric('eio_sessions') === 0 &&
	    await d.metric('clients_closed', 'client_gone') >= 1, 'their end');
	await sleep(300);	/* in which more might be let in */
	const before = await d.metric('handshakes_known');
	const got = { '127.0.0.2': 0, '127.0.0.3': 0, '127.0.0.4': 0 };
	const end = Date.now() + 3000;
	await Promise.all(Object.keys(got).flatMap((at) =>
		Array.from({ length: 8 }, async () => {
			while (Date.now() < end)
{
				const r = await from(d.port, at, POLL);
				got[at] += r.status === 200;
			}
		})));
	const others = got['127.0.0.3'] + got['127.0.0.4'];
	assert.ok(got['127.0.0.2'] > 2 * others, JSON.stringify(got));
	assert.ok(others >= 25, JSON.stringify(got));
	await d.counts('handshakes_known', before + got['127.0.0.2']);
	await d.stop();
});
