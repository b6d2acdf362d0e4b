/* How many sessions over polling there may be, and what is left of them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import { Daemon, sanitized, until } from './lib/daemon.mjs';
import { Polling, request } from './lib/polling.mjs';
import { OP, Sock, Ws, frame } from './lib/wire.mjs';
import { echo, jwt } from './lib/conf.mjs';

const handshake = '/socket.io/?EIO=4&transport=polling';
const code = (r) => JSON.parse(r.body).error.code;

test('sessions count per address, whatever connection opens them', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${jwt}${echo}
limits { connections = 1000 per_address = 5 }\n` });
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	const list = [];
	for (let i = 0; i < 5; i++)
		list.push(await Polling.open(d.port, { agent }));
	for (let i = 1; i <= 3; i++) {
		/* before anything is known of who asks: no token is looked at */
		const r = await request(d.port, 'GET', handshake, { agent,
			headers: { authorization: 'Bearer x.y.z' } });
		assert.deepEqual([r.status, code(r)], [429, 'limit']);
		assert.ok(Number(r.headers['retry-after']) > 0);
		await d.counts('connections_refused', i, 'address');
	}
	await d.counts('auth_failed', 0);
	/* connections are counted by themselves */
	const s = await Sock.open(d.port);
	/* one goes: the next may come, and no other */
	await list[0].send('1');
	await until(() => list[0].gone(), 'its end');
	list[0] = await Polling.open(d.port, { agent });
	assert.equal((await request(d.port, 'GET', handshake, { agent })).status,
	    429);
	/* one that is upgraded is a connection */
	const w = await Ws.must(d.port, list[1].ws);
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	w.send(frame(OP.text, '5'));
	await until(async () => await d.metric('eio_upgrades') === 1, 'an upgrade');
	await Polling.open(d.port, { agent });
	assert.equal((await request(d.port, 'GET', handshake, { agent })).status,
	    429);
	w.drop();
	s.close();
	agent.destroy();
	await d.stop();
});

test('... in the whole host, and what a killed worker had is free', async () => {
	const d = await Daemon.start({ workers: 2, conf: `${echo}
limits { per_address = 6 }\n` });
	const list = [];
	for (let i = 0; i < 6; i++)
		list.push(await Polling.open(d.port));
	for (let i = 0; i < 4; i++)
		assert.equal((await request(d.port, 'GET', handshake)).status, 429);
	d.mayDie = true;
	const { pid } = d.worker(1);
	process.kill(pid, 'SIGKILL');
	await until(() => (d.worker(1)?.pid ?? pid) !== pid, 'the next one');
	let mine = 0;
	await until(async () => {
		const r = await request(d.port, 'GET', handshake)
		    .catch(() => ({ status: 0 }));
		mine += r.status === 200;
		return r.status === 429;
	}, 'the limit');
	let left = 0;
	for (const p of list)
		left += (await p.post('3').catch(() => ({}))).status === 200;
	assert.equal(left + mine, 6);
	await d.stop();
});

test('exactly as many as there may be, then 503', async () => {
	const d = await Daemon.start({ workers: 1, conf: `${echo}
limits { connections = 7 }\n` });
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	const list = [];
	for (let i = 0; i < 7; i++)
		list.push(await Polling.open(d.port, { agent }));
	await d.counts('connections_refused', 0, 'limit');
	for (let i = 1; i <= 2; i++) {
		const r = await request(d.port, 'GET', handshake, { agent });
		assert.deepEqual([r.status, code(r)], [503, 'unavailable']);
		await d.counts('connections_refused', i, 'limit');
	}
	await list[3].send('1');
	await until(() => list[3].gone(), 'its end');
	await Polling.open(d.port, { agent });
	assert.equal((await request(d.port, 'GET', handshake, { agent })).status,
	    503);
	agent.destroy();
	await d.stop();
});

test('20,000 that nobody polls leave no memory behind', async () => {
	const N = 20000;
	const d = await Daemon.start({ workers: 1, conf: `${echo}
heartbeat { interval = 1s timeout = 500ms }
socketio { connect_timeout = 10s }\n` });
	const rss = () => Number(fs.readFileSync(
	    `/proc/${d.worker(1).pid}/status`, 'utf8')
	    .match(/VmRSS:\s+(\d+)/)[1]) / 1024;
	const before = rss();
	const s = await Sock.open(d.port);
	s.sock.removeAllListeners('data');
	s.sock.resume();
	const get = `GET ${handshake} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(200);
	for (let i = 0; i < N; i += 200) {
		s.send(get);
		await until(async () => await d.metric('eio_opened') >= i + 200,
		    'answers', 20000);
	}
	await until(async () => await d.metric('eio_sessions') === 0, 'their end',
	    20000);
	if (!sanitized)
		assert.ok(rss() - before < 4, `${rss() - before} MB`);
	s.close();
	await d.stop();
});
