/*
 * Each counter moves when that happens which it counts, and only by what
 * happens: those that no other test asks for.  tests/lint/moved.sh knows
 * which rows of the tables nobody asks for.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { Daemon, halt, roostd, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, connected, heard, refused }
	from './lib/clients.mjs';
import { listenTls, jwt, stopTime } from './lib/conf.mjs';
import { parseMetrics } from './lib/metrics.mjs';
import { Polling, request } from './lib/polling.mjs';
import { sioOn } from './lib/spread.mjs';
import { now, user } from './lib/token.mjs';
import { OP, Sock, Ws, closePayload, engine, frame, raw, socketio }
	from './lib/wire.mjs';

const KEY = 'it-moves';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const demo = `${tempdir()}/demo.html`;
fs.writeFileSync(demo, '<!DOCTYPE html><title>x</title>');
const conf = `${jwt}
auth_warning = 0s
demo_page = "${demo}"
limits { connections = 60 message_bytes = 20KB send_queue_bytes = 64KB
    handshake_timeout = 400ms keepalive_timeout = 1s fragments = 8
    slow_consumer_timeout = 400ms close_timeout = 400ms per_user = 2
    rooms_per_session = 3 }
heartbeat { interval = 300ms timeout = 20s }
socketio { connect_timeout = 500ms upgrade_timeout = 400ms
    http_compression_threshold = 100B }
recovery { window = 1m }
api { key "k" { sha256 = "${sha}" allow = {"publish"} } }
rate "few" { per = address allow = "3/1m" }
rate "strict" { per = connection allow = "2/1m" strikes = 3 }
namespace "/m" { auth = optional presence = query
    room "{r}" { join = open }
    room "own:{id}" { join = self:id }
    event "say"  { to = room:room ack = delivered }
    event "all"  { to = namespace meta = off }
    event "q"    { to = sender meta = off ack = echo }
    event "few"  { ack = echo rate = "few" }
    event "hard" { ack = echo rate = "strict" } }
namespace "/closed" { event "e" {} }
route "/ws/bare" { namespace = "/m" format = bare }
`;
const listeners = `listen "127.0.0.1:0" {}\n${listenTls()}
listen "127.0.0.1:0" { proxy_protocol = any }
trusted_proxies = {"192.0.2.1"}\n`;

const rooststat = process.env.ROOSTSTAT ??
    path.join(path.dirname(roostd), 'rooststat');

/*
 * All series, "name{label=value}" -> number, from the statistics file: a page
 * asked for would be counted.
 */
function read(e) {
	const flat = new Map();
	/* it says so when the daemon has ended */
	const { stdout: page } = spawnSync(rooststat,
	    ['-p', '-f', `${e.dir}/stats`], { encoding: 'utf8' });
	for (const f of parseMetrics(page).values())
		for (const s of f.samples) {
			const labels = Object.entries(s.labels)
			    .map(([k, v]) => `${k}=${v}`).join(',');
			flat.set(s.name.replace(/^roost_|_total$/g, '') +
			    (labels && `{${labels}}`), s.value);
		}
	return flat;
}

/* Do it: each of these series grows by so much, or more. */
async function moved(e, want, act) {
	const was = read(e);
	for (const k of Object.keys(want))
		assert.ok(was.has(k), `${k} is not on the page`);
	const result = await act();
	let short;
	await until(async () => {
		const is = read(e);
		short = Object.entries(want).filter(([k, n]) =>
		    is.get(k) - was.get(k) < n);
		return short.length === 0;
	}, 'counters').catch(() => assert.fail(`not moved: ${short.map(
	    ([k, n]) => `${k} by ${n}`).join(', ')}`));
	return result;
}

let d, two;
const hung = { pid: 0 };
before(async () => {
	d = await Daemon.start({ workers: 1, conf: listeners + conf,
		listen: false });
	two = await Daemon.start({ workers: 2, conf });
	two.mayDie = true;
	/* for the last test: the master waits 10 seconds */
	hung.d = await Daemon.start({ workers: 1, conf: 'namespace "/" { auth = none }' });
	hung.d.mayDie = true;
	hung.pid = hung.d.relay().pid;
	await halt(hung.pid);
});
after(async () => {
	await d.stop();
	await two.stop();
	await hung.d.stop();
});

const get = (path, e = d) => request(e.port, 'GET', path);
const api = (body, e = d) => request(e.port, 'POST', '/api/v1/publish', {
	body: JSON.stringify({ namespace: 'm', ...body }),
	headers: { authorization: `Bearer ${KEY}`,
		'content-type': 'application/json' } });

test('responses, by class', async () => {
	await moved(d, { 'http_responses{class=2xx}': 2, 'http_requests': 2 },
	    async () => { await get('/livez'); await get('/livez'); });
	await moved(d, { 'http_responses{class=3xx}': 1 }, async () => {
		assert.equal(Math.floor((await get('/demo')).status / 100), 3);
	});
	await moved(d, { 'http_responses{class=4xx}': 1 },
	    () => get('/nowhere'));
	const e = await Daemon.start({ workers: 1, conf:
	    'limits { connections = 4 }\nnamespace "/" { auth = none }' });
	await moved(e, { 'http_responses{class=5xx}': 1,
		'connections_refused{why=limit}': 1 }, () => until(async () =>
		(await get('/socket.io/?EIO=4&transport=polling', e)).status ===
		    503, 'the limit of sessions'));
	await e.stop();
});

test('compressed responses: bytes before and after', async () => {
	await moved(d, { 'http_compressed': 1, 'http_compressed_in_bytes': 2000,
		'http_compressed_out_bytes': 20 }, async () => {
		const p = await (await Polling.open(d.port)).connect('/m');
		await p.send(`42/m,["q","${'y'.repeat(3000)}"]`);
		const { headers } = await p.get(
		    { headers: { 'accept-encoding': 'gzip' } });
		assert.equal(headers['content-encoding'], 'gzip');
		await p.send('1');
	});
});

test('calls, bytes, frames, events, turns', async () => {
	const c = await connect(d, '/m', { perMessageDeflate: false });
	await moved(d, { 'ws_frames_out': 5, 'ws_frames_in': 5, 'bytes_out': 5000,
		'bytes_in': 5000, 'read_calls': 5, 'write_calls': 5,
		'loop_turns': 5, 'loop_events': 5, 'acks_out': 5,
		'loop_turn_seconds_count': 5, 'ns_bytes_in{ns=/m}': 5000,
		'ns_events_out{ns=/m}': 5, 'ns_bytes_out{ns=/m}': 5000,
		'deliveries': 5, 'encodings': 5 }, async () => {
		for (let i = 0; i < 5; i++)
			await ask(c, 'q', 'x'.repeat(1000));
	});
	/* its pings are answered */
	await moved(d, { 'rtt_seconds_count': 2, 'timers_fired': 2 }, () => {});
	c.close();
});

test('messages that are compressed, both ways', async () => {
	const text = 'x'.repeat(1000);
	const c = await connect(d, '/m', { perMessageDeflate: { threshold: 0 } });
	await moved(d, { 'ws_deflated': 2, 'ws_deflated_in_bytes': 2000,
		'ws_deflated_out_bytes': 20, 'ws_inflated': 2,
		'ws_inflated_in_bytes': 20, 'ws_inflated_out_bytes': 2000 },
	async () => {
		await ask(c, 'q', text);
		await ask(c, 'q', text);
	});
	await moved(d, { 'ws_not_deflated': 1 },
	    () => ask(c, 'q', crypto.randomBytes(1000)));
	c.close();
	await moved(d, { 'ws_deflate_handshakes': 1, 'ws_inflate_too_big': 1 },
	    async () => {
		const w = await Ws.must(d.port, '/ws/m', { headers:
		    { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
		w.send(frame(OP.text, zlib.deflateRawSync(Buffer.alloc(4 << 20)),
		    { rsv: 4 }));
		assert.equal((await w.closed()).code, 1009);
		w.drop();
	});
});

test('how long it takes to come in, and to be told', async () => {
	const before = read(d);
	await moved(two, { 'delivery_seconds_count': 1 }, async () => {
		const [a, b] = await sioOn(two, [1, 2], '/m');
		a.emit('all', 1);
		await heard(b, 'all');
		a.close();
		b.close();
	});
	const [a, b] = [await connect(d, '/m'), await connect(d, '/m')];
	await moved(d, { 'publications': 1, 'deliveries': 1,
		'ns_events_out{ns=/m}': 1 }, async () => {
		a.emit('all', 1);
		await heard(b, 'all');
	});
	const is = read(d);
	assert.ok(is.get('handshake_seconds_count') >=
	    before.get('handshake_seconds_count') + 2);
	assert.ok(is.get('handshake_seconds_sum') >
	    before.get('handshake_seconds_sum'));
	a.close();
	b.close();
});

test('who is refused: namespace, token, user, join, handshake', async () => {
	await moved(d, { 'ns_refusals': 1, 'ns_refused{ns=/closed}': 1,
		'auth_failed{reason=missing}': 1,
		'ns_errors{ns=/closed,code=connect}': 1 }, async () => {
		const s = await connect(d, '/closed', { wait: false });
		await refused(s);
		s.close();
	});
	const c = await connect(d, '/m', { auth: { token: user('ann') } });
	await moved(d, { 'tokens_verified': 1 }, async () => {
		const t = await connect(d, '/m', { auth: { token: user('tim') } });
		t.close();
	});
	await moved(d, { 'auth_failed{reason=subject}': 1 }, () => ask(c,
	    'auth:refresh', { token: user('bob', { exp: now() + 99 }) }));
	await moved(d, { 'joins_refused': 1, 'events_rejected{code=forbidden}': 1 },
	    () => ask(c, 'room:join', { room: 'own:bob' }));
	for (const room of ['1', '2', '3'])
		await ask(c, 'room:join', { room });
	await moved(d, { 'joins_refused': 1, 'events_rejected{code=other}': 1 },
	    () => ask(c, 'room:join', { room: '4' }));
	const c2 = await connect(d, '/m', { auth: { token: user('ann') } });
	await moved(d, { 'connections_refused{why=user}': 1, 'ns_refusals': 1 },
	    async () => {
		const s = await connect(d, '/m', { wait: false,
			auth: { token: user('ann') } });
		await refused(s);
		s.close();
	});
	await moved(d, { 'connections_refused{why=handshake}': 2,
		'eio_unknown_sid': 1 }, async () => {
		await raw(d.port, Ws.request(
		    '/socket.io/?EIO=4&transport=websocket&sid=nobody'));
		await raw(d.port, Ws.request('/ws/m',
		    { headers: { 'Sec-WebSocket-Version': '7' } }));
	});
	c.close();
	c2.close();
});

test('rates: events of a namespace, too many for one client', async () => {
	const c = await connect(d, '/m');
	await moved(d, { 'rate_limited': 2, 'ns_rate_limited{ns=/m}': 2,
		'events_rejected{code=rate_limited}': 2 }, async () => {
		for (let i = 0; i < 5; i++)
			await ask(c, 'few', i);
	});
	await moved(d, { 'clients_closed{reason=too_many_requests}': 1,
		'connections_closed{reason=too_many_requests}': 1 }, () => {
		for (let i = 0; i < 6; i++)
			c.emit('hard', i);
	});
	c.close();
});

test('an acknowledgement, on time', async () => {
	const c = await connect(d, '/m');
	c.on('please', (x, ...more) => more.at(-1)('yes'));
	await moved(d, { 'acks_in': 1, 'asks': 1 }, async () => {
		const r = await api({ event: 'please', data: 1,
			ack: true });
		assert.equal(r.status, 200, r.body);
	});
	c.close();
});

test('a session that comes back', async () => {
	const c = await connect(d, '/m');
	await ask(c, 'room:join', { room: 'r' });
	c.emit('all', 1);
	const other = await connect(d, '/m');
	other.emit('all', 2);
	await heard(c, 'all');
	await moved(d, { 'recovered': 1, 'ns_recovered{ns=/m}': 1,
		'ns_reconnections{ns=/m}': 1,
		'connections_closed{reason=client_gone}': 1 }, async () => {
		const parked = await d.metric('recovery_parked');
		c.io.engine.transport.ws._socket.destroy();
		await until(() => !c.connected, 'cut');
		/* its worker has seen it go */
		await d.counts('recovery_parked', (n) => n > parked);
		c.connect();
		await connected(c);
		assert.equal(c.recovered, true);
	});
	/* and one that comes back before it has gone */
	const w = await engine(d.port);
	w.text('40/m,');
	const { pid } = JSON.parse((await w.message()).slice(5));
	other.emit('all', 3);
	const [, offset] = JSON.parse((await w.message()).slice(5)).slice(1);
	await moved(d, { 'clients_closed{reason=taken_over}': 1 }, async () => {
		const again = await engine(d.port);
		again.text(`40/m,${JSON.stringify({ pid, offset })}`);
		assert.match(await again.message(), /^40\/m,/);
		again.drop();
	});
	w.drop();
	other.close();
	c.close();
});

/* Each ends one connection in its own way: [reason, act, what it counts in]. */
const say = async (bytes, o) => {
	const s = await Sock.open(d.port, o);
	s.send(bytes);
	return s;
};
const http = (target, more = '') =>
	`GET ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
const onPlain = async (bytes, at = '/ws/m') => {
	const w = await Ws.must(d.port, at);
	w.send(bytes);
	return w;
};
const endings = [
	['client_gone', async () => (await Ws.must(d.port, '/ws/m')).drop()],
	['client_reset', async () => (await Ws.must(d.port, '/ws/m')).s.reset()],
	['http_done', () => say(http('/livez', 'Connection: close\r\n'))],
	['http_bad', () => say('rubbish\r\n\r\n')],
	['handshake_timeout', () => say('GET / HT')],
	['idle_timeout', () => say(http('/livez'))],
	['ws_protocol', () => onPlain(frame(3, 'x'))],
	['ws_utf8', () => onPlain(frame(OP.text, Buffer.from([0xff])))],
	['ws_too_big', () => onPlain(frame(OP.text, 'x', { length: 30000 }))],
	['ws_flood', () => onPlain(Buffer.concat([
		frame(OP.text, '"', { fin: false }),
		...Array(9).fill(frame(OP.cont, 'x', { fin: false }))]))],
	['raw_parse', () => onPlain(frame(OP.text, '{'), '/ws/bare')],
	['unsupported_data', () => onPlain(frame(OP.binary, 'x'))],
	['client_close', () => onPlain(frame(OP.close, closePayload(1000)))],
	['eio_parse', async () => (await engine(d.port)).text('x')],
	['sio_parse', async () => (await engine(d.port)).text('4x')],
	['connect_timeout', () => engine(d.port)],
	['upgrade_failed', async () => {
		const p = await (await Polling.open(d.port)).connect('/m');
		(await Ws.must(d.port, p.ws)).text('5');
	}],
	/* leeway is 5 s: two or three are left */
	['auth_expired', () => Ws.must(d.port, `/ws/m?token=${user('ex',
		{ exp: now() - 2 })}`)],
	['proxy_failed', async () => {
		(await Sock.open(d.ports[2])).send('x');
	}],
	['tls_failed', async () => {
		const s = await Sock.open(d.ports[1]);
		s.send('GET / HTTP/1.1\r\n\r\n');
	}],
];
for (const [reason, act] of endings)
	test(`a connection that ends: ${reason}`, async () => {
		await moved(d, { [`connections_closed{reason=${reason}}`]: 1 },
		    act);
	});

test('who answers no ping, who was told all over polling', async () => {
	const e = await Daemon.start({ workers: 1, conf:
	    'heartbeat { interval = 200ms timeout = 200ms }\n' +
	    'namespace "/" { auth = none }' });
	await moved(e, { 'heartbeats_missed': 1,
		'ns_errors{ns=/,code=timeout}': 1,
		'clients_closed{reason=ping_timeout}': 1 },
	    () => socketio(e.port));
	await moved(e, { 'eio_posts': 2, 'eio_gets': 2 }, async () => {
		const p = await (await Polling.open(e.port)).connect();
		await p.send('1');
	});
	await e.stop();
});

test('too many bad tokens of one address', async () => {
	const e = await Daemon.start({ workers: 1, conf: `${jwt}
rate "auth_failures" { per = address allow = 2/1m }
namespace "/" {}\n` });
	await moved(e, { 'auth_failed{reason=malformed}': 2,
		'auth_failed{reason=rate_limited}': 1 }, async () => {
		for (let i = 0; i < 4; i++)
			await raw(e.port, Ws.request('/ws/?token=x'));
	});
	await e.stop();
});

test('who reads slowly: blocked writes, dropped events, the end', async () => {
	const w = await socketio(d.port, { nsp: '/m' });
	w.s.sock.pause();
	const text = 'x'.repeat(15000);
	await moved(d, { 'write_blocked': 1,
		'connections_closed{reason=slow_consumer}': 1,
		'clients_closed{reason=slow_consumer}': 1 }, () => {
		for (let i = 0; i < 1000; i++)
			w.text(`42/m,["q","${text}"]`);
	});
	w.drop();
});

test('a TLS session that is resumed', async () => {
	const open = (session) => new Promise((ok, no) => {
		const c = tls.connect({ port: d.ports[1], host: '127.0.0.1',
			rejectUnauthorized: false, session,
			maxVersion: 'TLSv1.2' }, () => {
			c.write(http('/livez'));
			c.once('data', () => {
				ok({ reused: c.isSessionReused(),
					session: c.getSession() });
				c.destroy();
			});
		});
		c.on('error', no);
	});
	const first = await open();
	await moved(d, { 'tls_resumed': 1, 'tls_handshakes': 1 }, async () => {
		assert.equal((await open(first.session)).reused, true);
	});
});

test('the processes: workers, relay, bus', async () => {
	const is = read(two);
	assert.equal(is.get('workers_running'), 2);
	assert.equal(is.get('relay_peers'), 2);
	assert.ok(is.get('generation') >= 1);
	assert.ok(is.get('children_started') >= 3);
	const list = await sioOn(two, [1, 2], '/m');
	for (const c of list)
		await ask(c, 'room:join', { room: 'r' });
	/* by the worker that sends, by the relay, by the worker that gets */
	await moved(two, { 'bus_units_in': 4, 'bus_units_out': 4,
		'bus_envelopes_in': 4, 'bus_envelopes_out': 4,
		'bus_bytes_in': 8000, 'bus_bytes_out': 8000 }, async () => {
		for (let i = 1; i < 3; i++) {
			await ask(list[0], 'say', { room: 'r', t: 'x'.repeat(2000) });
			await heard(list[1], 'say', i);
		}
	});
	await until(() => read(two).get('interest_nodes') >= 1,
	    'interest_nodes');
	const old = two.relay().pid;
	await moved(two, { 'bus_reconnects': 2, 'children_died': 1,
		'children_started': 1 }, async () => {
		process.kill(old, 'SIGKILL');
		await until(() => (two.relay()?.pid ?? old) !== old, 'a relay');
	});
	const pid = two.worker(2).pid;
	await moved(two, { 'shm_reclaimed': 1, 'children_died': 1,
		'connections_closed{reason=worker_died}': 1 },
	    () => process.kill(pid, 'SIGKILL'));
	list.forEach((c) => c.close());
});

test('users that are there, and counted', async () => {
	const list = [];
	for (let i = 0; i < 5; i++)
		list.push(await connect(d, '/m', { auth: { token: user(`u${i}`) } }));
	await until(() => read(d).get('count_nodes') >= 5, 'count_nodes');
	await until(() => read(d).get('presence_nodes') >= 5, 'presence_nodes');
	await until(() => read(d).get('ns_users{ns=/m}') >= 5, 'ns_users');
	list.forEach((c) => c.close());
});

test('no descriptor is free', async () => {
	const e = await Daemon.start({ workers: 1, conf: `limits {
    handshake_timeout = 1m }\nnamespace "/" { auth = none }` });
	const [{ pid }] = e.children().filter((c) => c.role === 'worker');
	const open = fs.readdirSync(`/proc/${pid}/fd`).length;
	const first = await Ws.must(e.port, '/ws/');
	execFileSync('prlimit', ['--pid', String(pid), `--nofile=${open + 4}:`]);
	const list = [], before = read(e).get('connections_accepted');
	await moved(e, { 'accept_failed': 1,
		'connections_refused{why=memory}': 1 }, async () => {
		for (let i = 0; i < 12; i++)
			list.push(await Sock.open(e.port));
	});
	await first.alive();
	/* all are answered, and nobody else comes */
	await until(() => read(e).get('connections_accepted') +
	    read(e).get('connections_refused{why=memory}') >= before + 12,
	'all to be answered');
	list.forEach((s) => s.close());
	await e.logged('accept_recovered');
	first.drop();
	await e.stop();
});

test('a descriptor that is passed and cannot be taken', async () => {
	const e = await Daemon.start({ workers: 2, conf:
	    'namespace "/" { auth = none }' });
	const limit = (slot, n) => execFileSync('prlimit', ['--pid',
		String(e.worker(slot).pid), `--nofile=${n}:`]);
	const list = await Promise.all(Array.from({ length: 64 },
	    () => Polling.open(e.port).then((p) => p.connect())));
	await until(() => read(e).get('connections_open') === 0, 'all to end');
	/* worker 2 may keep what it has, and the reserve it gives up */
	const { pid } = e.worker(2);
	const open = fs.readdirSync(`/proc/${pid}/fd`).length;
	await moved(e, { 'files_lost': 1 }, async () => {
		limit(2, open - 1);
		/* a quarter comes to worker 1 and belongs to worker 2, more
		 * than there are gaps among its descriptors */
		await Promise.allSettled(list.map((p) => p.get({ ms: 1000 })));
		limit(2, 500);
	});
	await e.stop();
});

test('a worker that leaves: refused, told to reconnect', async () => {
	const dir = tempdir();
	const e = await Daemon.start({ workers: 1, dir, conf:
	    `${stopTime}drain_time = 2s\n${conf}` });
	const idle = await Promise.all([...Array(6).keys()].map(async () => {
		const s = await Sock.open(e.port);
		s.send(http('/livez'));
		await s.response();
		return s;
	}));
	const w = await Ws.must(e.port, '/ws/m');
	const stopped = e.stop({ signal: 'SIGQUIT' });
	await until(() => /drain connections/.test(e.log), 'drain');
	for (const s of idle)
		s.send(http('/socket.io/?EIO=4&transport=polling'));
	await until(() => read(e).get('connections_refused{why=draining}') >= 1,
	    'connections_refused{why=draining}');
	await until(() => read(e).get('connections_closed{reason=restart}') >= 1,
	    'connections_closed{reason=restart}');
	await stopped;
	w.drop();
});

test('TERM: those that are there are counted with it', async () => {
	const dir = tempdir();
	const e = await Daemon.start({ workers: 1, dir, conf:
	    `stop_time = 3s\n${conf}` });
	/* it does not answer the Close, so that the worker waits */
	const w = await Ws.must(e.port, '/ws/m');
	const stopped = e.stop();
	await until(() => read(e).get('connections_closed{reason=shutdown}') >= 1,
	    'connections_closed{reason=shutdown}');
	await stopped;
	w.drop();
});

test('a child that hangs is killed, and counted', async () => {
	await until(() => read(hung.d).get('children_hung') === 1,
	    'children_hung', 60000);
	await until(() => (hung.d.relay() ?? { pid: hung.pid }).pid !==
	    hung.pid, 'another relay');
});
