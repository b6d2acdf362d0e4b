/*
 * What the log says of connections: one record when a client has ended, which
 * tells who ended it and why, whichever way it went and wherever it has been
 * meanwhile.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, slow, until } from './lib/daemon.mjs';
import { connect } from './lib/clients.mjs';
import { conf, dawdle, ends, enter, records, reload } from './lib/ends.mjs';
import { Polling } from './lib/polling.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';
import { user } from './lib/token.mjs';

let d;
before(async () => { d = await Daemon.start({ workers: 1, conf }); });
after(() => d.stop());

const of = (e, name, event = 'conn_end') => records(e.log, event)
    .filter((r) => r.user === name);
const told = (e, name) => until(() => of(e, name)[0], `the end of ${name}`,
    10000);
const as = (name) => ({ headers: { authorization: `Bearer ${user(name)}` } });
const all = [];

for (const end of ends.filter((e) => !e.killed))
	test(`${end.name}: ${end.want.reason}`, async () => {
		const e = end.conf === undefined ? d :
		    await Daemon.start({ workers: 1, conf: end.conf });
		const w = await enter(e, end.name, end.claims?.());
		await end.act(e, w);
		const r = await told(e, end.name);
		for (const [k, v] of Object.entries(end.want))
			assert.equal(r[k], v, `${k} of ${JSON.stringify(r)}`);
		assert.equal(r.kind, 'websocket');
		assert.equal(r.ns, '/s');
		assert.match(r.address, /^127\.0\.0\.1:\d+$/);
		assert.ok(Number(r.bytes_in) > 100 && Number(r.bytes_out) > 100);
		/* it may have waited for a while to be accepted */
		assert.ok(Number(r.last_in_ms) <= Number(r.age_ms) + 1000 * slow);
		assert.ok(Number(r.rtt_us) > 0);
		const [open] = of(e, end.name, 'conn_open');
		assert.equal(open.client, r.client);
		assert.equal(open.address, r.address);
		w.drop();
		if (e !== d)
			await e.stop();
		assert.equal(of(e, end.name).length, 1, 'told once');
		all.push(`${r.by} ${r.reason} ${r.code}`);
	});

test('who was lost has an age', async () => {
	await d.counts('lost_age_seconds_count', (n) => n >= 2);
});

test('no two of them look the same', () => {
	assert.ok(all.length >= 12);
	assert.equal(new Set(all).size, all.length, all.join('\n'));
});

test('who ends before being a client', async () => {
	await dawdle(d);
	const r = await until(() => records(d.log, 'conn_end').find((x) =>
		x.reason === 'handshake_timeout'), 'handshake_timeout');
	assert.equal(r.kind, 'http');
	assert.equal(r.by, 'us');
	assert.equal(r.user, undefined);
	assert.equal(r.code, undefined);
});

test('requests, checks of health and who asks for nothing have none', async () => {
	const n = records(d.log, 'conn_end').length;
	(await raw(d.port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')).sock.close();
	(await Sock.open(d.port)).close();
	(await Sock.open(d.port)).reset();
	const w = await enter(d, 'behind-them');
	w.drop();
	await told(d, 'behind-them');
	assert.equal(records(d.log, 'conn_end').length, n + 1);
});

test('at debug, too, an end is told once', async () => {
	const e = await Daemon.start({ workers: 1,
		conf: `log_level = debug\n${conf}` });
	const w = await enter(e, 'once');
	w.s.reset();
	await until(() => /client_reset/.test(e.log.split(' conn_gone ')[1]),
	    'the connection to be gone');
	assert.equal(records(e.log, 'conn_end').length, 1);
	await e.stop();
});

test('a session over polling is one, on whatever connections', async () => {
	const p = await Polling.open(d.port, as('poller'));
	await p.connect('/s');
	await p.send('42/s,["n",{"room":"flood"}]');
	await p.post('1');
	const r = await told(d, 'poller');
	assert.equal(r.kind, 'polling');
	assert.equal(r.reason, 'client_close');
	assert.equal(r.ns, '/s');
	assert.ok(Number(r.bytes_in) > 20 && Number(r.bytes_out) > 20);
	const [open] = of(d, 'poller', 'conn_open');
	assert.equal(open.client, r.client);
	assert.equal(of(d, 'poller').length, 1);
});

test('who says goodbye to the namespace first is known all the same', async () => {
	const c = await connect(d, '/s', { auth: { token: user('polite') },
		transports: ['websocket'] });
	c.disconnect();
	const r = await told(d, 'polite');
	assert.equal(r.ns, '/s');
	assert.equal(r.by, 'client');
});

test('one that went over to a WebSocket keeps its number', async () => {
	const p = await Polling.open(d.port, as('upgraded'));
	await p.connect('/s');
	const w = await Ws.must(d.port, p.ws);
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	w.text('5');
	await w.alive();
	w.s.reset();
	const r = await told(d, 'upgraded');
	assert.equal(r.kind, 'websocket');
	assert.equal(r.reason, 'client_reset');
	assert.equal(r.client, of(d, 'upgraded', 'conn_open')[0].client);
	assert.equal(of(d, 'upgraded').length, 1);
});

test('the request by which it came is told, wherever it has been', async () => {
	const e = await Daemon.start({ workers: 2,
		conf: `trusted_proxies = {"127.0.0.0/8"}\n${conf}` });
	const by = (name, id) => ({ headers: { ...as(name).headers,
		'X-Request-ID': id } });
	const w = await Ws.must(e.port, `/ws/s`, by('socket', 'by-socket'));
	const p = await Polling.open(e.port, by('poller', 'by-polling'));
	await p.connect('/s');
	const q = await Polling.open(e.port, by('both', 'by-both'));
	await q.connect('/s');
	const v = await Ws.must(e.port, q.ws, by('both', 'probe'));
	v.text('2probe');
	assert.equal(await v.message(), '3probe');
	v.text('5');
	await v.alive();
	for (let i = 0; i < 2; i++)	/* away, and on from there */
		await reload(e, `trusted_proxies = {"127.0.0.0/8"}\n` +
		    conf.replace('20000B', `3000${i}B`));
	await until(async () => await e.metric('connections_moved_in') >= 4,
	    'all to be handed over');
	w.drop();
	v.s.reset();
	await p.post('1');
	assert.equal((await told(e, 'socket')).request, 'by-socket');
	assert.equal((await told(e, 'both')).request, 'by-both');
	assert.equal((await told(e, 'poller')).request, 'by-polling');
	await e.stop();
});

test('one that was handed over is one: its age and bytes go with it', async () => {
	const e = await Daemon.start({ workers: 2, conf });
	const w = await enter(e, 'moved');
	const t0 = Date.now();
	await w.ack({ event: 'room:join', data: { room: 'flood' }, id: 1 });
	await reload(e, conf.replace('20000B', '30000B'));
	await until(async () => await e.metric('connections_moved_in') >= 1,
	    'it to be handed over');
	await w.ack({ event: 'room:leave', data: { room: 'flood' }, id: 2 });
	assert.equal(of(e, 'moved').length, 0);
	const ms = Date.now() - t0;
	w.s.sock.end();
	const r = await told(e, 'moved');
	assert.ok(Number(r.age_ms) >= ms - 1000, `${r.age_ms} of ${ms}`);
	assert.ok(Number(r.bytes_in) > 300);
	const open = of(e, 'moved', 'conn_open');
	assert.equal(open.length, 1);
	assert.equal(open[0].client, r.client);
	await e.stop();
	assert.equal(of(e, 'moved').length, 1);
});

test('a worker that is killed: what is left is told by the master', async () => {
	const end = ends.find((x) => x.killed);
	const e = await Daemon.start({ workers: 1, conf: end.conf });
	const w = await enter(e, end.name);
	await end.act(e, w);
	const r = await until(() => records(e.log, 'reclaimed')[0],
	    'reclaimed');
	assert.equal(r.connections, '1');
	assert.equal(r.reason, 'worker_died');
	assert.equal(r.by, 'us');
	w.drop();
	await e.stop();
});

test('off is the default, and end leaves out who came', async () => {
	const e = await Daemon.start({ workers: 1, conf: conf.replace(
	    'log_connections = both', '') });
	(await enter(e, 'unheard')).drop();
	await until(async () => await e.metric('clients_closed') === 1, 'end');
	await reload(e, conf.replace('= both', '= end'));
	await until(() => / turned /.test(e.log), 'the end of those before');
	(await enter(e, 'heard')).drop();
	await told(e, 'heard');
	await e.stop();
	assert.equal(records(e.log, 'conn_open').length, 0);
	assert.equal(records(e.log, 'conn_end').length, 1);
});
