/* The counters: a page that Prometheus reads, each fact counted once. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { Daemon, sleep, until, within } from './lib/daemon.mjs';
import { ask, connect, heard, plain } from './lib/clients.mjs';
import { listenTls } from './lib/conf.mjs';
import { Scraper, parseMetrics, sum } from './lib/metrics.mjs';
import { Polling } from './lib/polling.mjs';
import { sioOn } from './lib/spread.mjs';
import { Ws } from './lib/wire.mjs';

const conf = `
limits { connections = 40 send_queue_bytes = 8MB slow_consumer_timeout = 1m }
namespace "/c" { auth = none
    room "{r}" { join = open }
    event "say" { to = room:room ack = delivered }
    event "q"   { to = sender meta = off ack = echo } }
namespace "/ö-2" { auth = none }
`;
let d, s;
before(async () => {
	d = await Daemon.start({ workers: 1, conf });
	s = new Scraper(d);
});
after(async () => {
	s.close();
	await d.stop();
});

const head = '# HELP a_total x\n# TYPE a_total counter\n';
for (const [what, page] of [
	['no end', 'a 1'],
	['no TYPE', '# HELP a x\na 1\n'],
	['an unknown TYPE', '# HELP a x\n# TYPE a number\na 1\n'],
	['TYPE behind a sample', `${head}a_total 1\n# TYPE a_total counter\n`],
	['a series twice', `${head}a_total{x="1"} 1\na_total{x="1"} 2\n`],
	['a family in two pieces', `${head}a_total 1\n# HELP b x\n# TYPE b gauge\n` +
	    'b 1\na_total{x="1"} 1\n'],
	['no number', `${head}a_total one\n`],
	['a bare label', `${head}a_total{x=1} 1\n`],
	['an open quote', `${head}a_total{x="1} 1\n`],
	['a label twice', `${head}a_total{x="1",x="2"} 1\n`],
	['an odd escape', `${head}a_total{x="\\t"} 1\n`],
	['a negative counter', `${head}a_total -1\n`],
	['a histogram that falls', '# HELP h x\n# TYPE h histogram\n' +
	    'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'],
	['a histogram without its end', '# HELP h x\n# TYPE h histogram\n' +
	    'h_bucket{le="1"} 2\nh_sum 1\nh_count 2\n'],
])
	test(`the reader refuses ${what}`, () => {
		assert.throws(() => parseMetrics(page));
	});

test('the page is what Prometheus reads, by the letter', async () => {
	const { text, status, type } = await s.page();
	assert.equal(status, 200);
	assert.match(type, /^text\/plain; version=0\.0\.4(; charset=utf-8)?$/);
	const families = parseMetrics(text);
	assert.ok(families.size > 80, `${families.size} families`);
	for (const f of families.values()) {
		assert.match(f.name, /^roost_/);
		assert.equal(f.type === 'counter', f.name.endsWith('_total'), f.name);
		assert.doesNotMatch(f.name, /_(us|ms)$/);
	}
	const names = new Set(families.get('roost_ns_sockets').samples
	    .map((x) => x.labels.ns));
	assert.ok(names.has('/c') && names.has('/ö-2'), [...names].join());
});

if (process.env.E2E_LONG === '1')
	test('promtool has nothing to say', async () => {
		const { text } = await s.page();
		const r = spawnSync('promtool', ['check', 'metrics'],
		    { input: text, encoding: 'utf8' });
		assert.equal(r.error, undefined);
		/* it takes ns, the namespace, for nanoseconds */
		const said = (r.stdout + r.stderr).split('\n').filter((l) => l &&
		    !/^roost_(\w+_)?ns_\w+ .*abbreviated units$/.test(l));
		assert.deepEqual(said, []);
	});

/* what is counted all the time, and sizes that a test need not know */
const noise = /^(loop_|timers_|read_calls|write_calls|bytes_|ns_bytes_|shm_|presence_nodes|interest_nodes|count_nodes|delivery_|handshake_|rtt_|bus_|build|uptime|start|up|children_|generation|relay_|workers_|write_blocked|ws_frames_out|send_queue|http_requests|http_responses\{class=2xx\}|process_|master_|slot_|heartbeat)/;

/* Do it; what has changed, exactly. */
async function counts(what, want) {
	const was = await s.read();
	await what();
	let diff;
	const look = async () => {
		const is = await s.read();
		diff = {};
		for (const [k, v] of is)
			if (!noise.test(k) && v !== (was.get(k) ?? 0))
				diff[k] = v - (was.get(k) ?? 0);
		return JSON.stringify(Object.entries(diff).sort()) ===
		    JSON.stringify(Object.entries(want).sort());
	};
	try {
		await until(look, 'the counters', 2000);
	} catch {
		assert.deepEqual(diff, want);
	}
	/* and it stays so */
	await sleep(30);
	await look();
	assert.deepEqual(diff, want);
}

test('each fact is counted once: a plain client', async () => {
	let w;
	await counts(async () => { w = await plain(d, '/ws/c'); }, {
		'connections_accepted': 1, 'connections_open': 1,
		'http_responses{class=1xx}': 1, 'handshakes_admitted': 1,
		'ws_handshakes': 1, 'ws_deflate_handshakes': 1, 'ws_open': 1, 'clients_opened': 1,
		'transports_opened{transport=websocket}': 1,
		'ns_connects': 1, 'sessions': 1,
		'ns_sockets{ns=/c}': 1, 'ns_admitted{ns=/c}': 1,
	});
	await counts(() => w.ask('room:join', { room: 'r' }), {
		'ws_frames_in': 1, 'messages_in': 1, 'events_accepted': 1,
		'joins': 1, 'rooms': 1, 'memberships': 1, 'acks_out': 1,
		'ns_joins{ns=/c}': 1,
		'ns_events_in{ns=/c}': 1,
	});
	await counts(() => w.ask('room:leave', { room: 'r' }), {
		'ws_frames_in': 1, 'messages_in': 1, 'events_accepted': 1,
		'leaves': 1, 'rooms': -1, 'memberships': -1, 'acks_out': 1,
		'ns_leaves{ns=/c}': 1,
		'ns_events_in{ns=/c}': 1,
	});
	await counts(() => w.ask('nothing', 1), {
		'ws_frames_in': 1, 'messages_in': 1,
		'acks_out': 1, 'events_rejected{code=unknown_event}': 1,
		'ns_events_in{ns=/c}': 1,
		'ns_errors{ns=/c,code=unknown_event}': 1,
	});
	await counts(() => w.close(1000), {
		'connections_open': -1, 'connections_closed{reason=client_close}': 1,
		'clients_closed{reason=client_close}': 1,
		'ws_frames_in': 1, 'ws_open': -1,
		'sessions': -1, 'ns_sockets{ns=/c}': -1,
		'ns_disconnects{ns=/c}': 1,
	});
});

test('each fact is counted once: a Socket.IO client, a room', async () => {
	const list = [];
	for (let i = 0; i < 4; i++)
		list.push(await connect(d, '/c'));
	for (const c of list)
		await ask(c, 'room:join', { room: 'all' });
	await counts(async () => {
		const a = await ask(list[0], 'say', { room: 'all' });
		assert.equal(a.delivered, 3);
		await Promise.all(list.slice(1).map((c) => heard(c, 'say')));
	}, {
		'ws_frames_in': 1, 'messages_in': 1,
		'sio_packets_in': 1, 'events_accepted': 1, 'publications': 1,
		'encodings': 1, 'deliveries': 3, 'acks_out': 1,
		'ns_events_in{ns=/c}': 1, 'ns_events_out{ns=/c}': 3,
	});
	await counts(() => list[3].disconnect(), {
		'connections_open': -1, 'connections_closed{reason=client_close}': 1,
		'clients_closed{reason=client_close}': 1,
		'ws_frames_in': 2, 'ws_open': -1,
		'sio_packets_in': 1,
		'sessions': -1, 'memberships': -1, 'eio_sessions': -1,
		'ns_sockets{ns=/c}': -1, 'ns_disconnects{ns=/c}': 1,
		'messages_in': 1, 'leaves': 1, 'ns_leaves{ns=/c}': 1,
	});
	list.forEach((c) => c.close());
});

test('a connection is refused, closed or open: never two of them', async () => {
	const socks = [];
	const say = (text) => new Promise((ok) => {
		const c = net.connect(d.port, '127.0.0.1', () => c.write(text));
		c.on('error', () => {});
		c.on('data', () => {});
		c.on('close', ok);
		socks.push(c);
	});
	const over = [	/* by itself */
		say('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
		say('rubbish\r\n\r\n'),
	];
	say('G');
	say('GET /ws/c HTTP/1.1\r\n');
	say('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n');
	for (let i = 0; i < 50; i++)
		say('G');
	await within(Promise.all(over), 'an answer, and a refusal');
	await until(async () => (await s.read())
	    .get('connections_refused{why=limit}') > 0, 'the limit');
	socks.forEach((c) => c.destroy());
	await until(async () => {
		const m = await s.read();
		return m.get('connections_open') === 1 &&
		    m.get('connections_accepted') - 1 ===
			sum(m, 'connections_closed');
	}, 'accepted = open + closed');
});

test('what waits for a slow reader is counted, and comes back', async () => {
	const c = await plain(d, '/ws/c');
	c.pause();
	for (let i = 0; i < 12; i++)
		c.emit1('q', 'x'.repeat(500000));
	await until(async () => (await s.read()).get('send_queue_bytes') > 100000,
	    'a queue');
	c.resume();
	await until(async () => (await s.read()).get('send_queue_bytes') === 0,
	    'none');
	c.terminate();
});

test('what is delivered within one worker has its time taken too', async () => {
	const [a, b] = [await connect(d, '/c'), await connect(d, '/c')];
	for (const x of [a, b])
		await ask(x, 'room:join', { room: 'times' });
	const count = async () => (await s.read()).get('delivery_seconds_count');
	const before = await count();
	for (let i = 0; i < 5; i++)
		a.emit('say', { room: 'times' });
	await heard(b, 'say', 5);
	await until(async () => await count() === before + 5, 'five');
	await ask(a, 'q', 1);	/* only an answer */
	assert.equal(await count(), before + 6, 'and to the sender');
	a.emit('say', { room: 'nobody' });
	await ask(a, 'roost:ping');
	assert.equal(await count(), before + 6, 'nobody, no time');
	a.close();
	b.close();
});

test('kill -9: what a worker had open is closed, its gauges are gone',
    async () => {
	const k = await Daemon.start({ workers: 2, conf });
	k.mayDie = true;
	let died = 0;
	for (let round = 1; round <= 3; round++) {
		const list = [];
		for (let i = 0; i < 15; i++)
			list.push(await connect(k, '/c'));
		const on = [];
		for (const c of list) {
			await ask(c, 'room:join', { room: 'r' });
			on.push((await ask(c, 'roost:ping')).worker);
		}
		const old = k.worker(2);
		process.kill(old.pid, 'SIGKILL');
		const left = on.filter((w) => w !== 2).length;
		await until(() => (k.worker(2) ?? old).pid !== old.pid,
		    'a new worker');
		const x = new Scraper(k);
		let m;
		await until(async () => {
			m = await x.read();
			return m.get('sessions') === left;
		}, 'sessions of those who are left');
		assert.equal(m.get('connections_open'), left + 1);
		assert.equal(m.get('ws_open'), left);
		assert.equal(m.get('eio_sessions'), left);
		assert.equal(m.get('memberships'), left);
		assert.equal(m.get('ns_sockets{ns=/c}'), left);
		assert.equal(m.get('connections_accepted') - left - 1,
		    sum(m, 'connections_closed'));
		assert.ok(m.get('connections_closed{reason=worker_died}') >=
		    on.length - left);
		died += on.length - left;
		assert.equal(m.get('clients_closed{reason=worker_died}'), died);
		assert.equal(m.get('clients_opened') - left,
		    sum(m, 'clients_closed'));
		list.forEach((c) => c.close());
		await until(async () => (await x.read()).get('sessions') === 0,
		    'none');
		x.close();
	}
	await k.logged(/reclaimed role=worker slot=2 connections=\d+ nodes=\d+ ms=\d+/);
	const [a] = await sioOn(k, [2], '/c');
	a.close();
	await k.stop();
});

/* TLS stays where it was accepted: what is open from there to the worker that
 * has the session is no connection of anybody. */
test('over TLS a connection is one, whoever answers; kill -9 as well',
    async () => {
	const k = await Daemon.start({ workers: 2, conf: conf + listenTls() });
	const tls = { rejectUnauthorized: false };
	k.mayDie = true;
	const x = new Scraper(k);
	for (let i = 0; i < 5; i++) {
		const p = await (await Polling.open(k.ports[1], { tls }))
		    .connect('/c');
		for (let j = 0; j < 10; j++) {
			await p.send(`42/c,["q",${j}]`);
			assert.deepEqual(await p.packets(), [`42/c,["q",${j}]`]);
		}
	}
	let m;
	const exact = async () => {
		m = await x.read();
		return m.get('connections_accepted') ===
		    m.get('connections_open') + sum(m, 'connections_closed');
	};
	await until(async () => await exact() && m.get('connections_open') === 1,
	    'accepted = open + closed');
	assert.ok(m.get('eio_forwarded') > 10);
	assert.equal(m.get('connections_handed_out'), 0);
	assert.equal(m.get('connections_handed_in'), 0);
	/* what a killed worker had open is not hidden behind them */
	const list = [];
	for (let i = 0; i < 16; i++)
		list.push(await Ws.must(k.ports[1], '/ws/c', { tlsOptions: tls }));
	await until(async () => (await x.read()).get('ws_open') === 16, '16');
	x.close();
	const old = k.worker(2);
	process.kill(old.pid, 'SIGKILL');
	await until(() => (k.worker(2) ?? old).pid !== old.pid, 'a new worker');
	const y = new Scraper(k);
	await until(async () => {
		m = await y.read();
		return m.get('ws_open') < 16 && m.get('ws_open') + 1 ===
		    m.get('connections_open');
	}, 'those who are left');
	const left = m.get('ws_open');
	assert.ok(m.get('connections_closed{reason=worker_died}') >= 16 - left,
	    `${m.get('connections_closed{reason=worker_died}')} of ${16 - left}`);
	await until(exact, 'accepted = open + closed');
	list.forEach((w) => w.s.close());
	y.close();
	await k.stop();
});
