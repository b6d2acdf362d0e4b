/*
 * Who does not read is dropped, whatever he speaks; whoever reads gets all,
 * and the worker has its memory back.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';

import { Daemon, until, within } from './lib/daemon.mjs';
import { ask, connect, gotten } from './lib/clients.mjs';
import { listenTls } from './lib/conf.mjs';
import { Polling, taken } from './lib/polling.mjs';
import { Ws, engine, frame, OP, socketio } from './lib/wire.mjs';

const conf = `listen "127.0.0.1:0" {}\n${listenTls()}
limits { message_bytes = 200KB send_queue_bytes = 128KB
    slow_consumer_timeout = 500ms close_timeout = 500ms }
namespace "/s" { auth = none
    room "flood" { join = open }
    event "n" { to = room:room meta = off }
    event "sync" { ack = echo } }
route "/ws/bare"   { namespace = "/s" join = "flood" format = bare }
route "/ws/engine" { namespace = "/s" join = "flood" format = engine }
`;
let d, p, r;
before(async () => {
	d = await Daemon.start({ workers: 1, conf, listen: false });
	p = await connect(d, '/s');
	r = await connect(d, '/s');
	for (const c of [p, r])
		await ask(c, 'room:join', { room: 'flood' });
});
after(() => {
	p.close();
	r.close();
	return d.stop();
});

const join = '["room:join",{"room":"flood"}]';
/* A client that is in the room and stops to read; its socket, or none. */
const speakers = {
	'Socket.IO': async () => {
		const w = await socketio(d.port, { nsp: '/s' });
		w.text(`42/s,1${join}`);
		await w.message();
		return w.s.sock;
	},
	'Socket.IO over TLS': async () => {
		const w = await socketio(d.ports[1], { nsp: '/s',
			tlsOptions: { rejectUnauthorized: false } });
		w.text(`42/s,1${join}`);
		await w.message();
		return w.s.sock;
	},
	'Socket.IO, having been upgraded': async () => {
		const q = await (await Polling.open(d.port)).connect('/s');
		await q.send(`42/s,${join}`);
		const w = await Ws.must(d.port, q.ws);
		w.text('2probe');
		assert.equal(await w.message(), '3probe');
		w.text('5');
		await w.alive();
		return w.s.sock;
	},
	'plain WebSocket': async () => {
		const w = await Ws.must(d.port, '/ws/s');
		await w.ack({ event: 'room:join', data: { room: 'flood' }, id: 1 });
		return w.s.sock;
	},
	'a bare route': async () => (await Ws.must(d.port, '/ws/bare')).s.sock,
	'a route of Engine.IO': async () =>
		(await engine(d.port, { path: '/ws/engine' })).s.sock,
	'Socket.IO over polling': async () => {
		const q = await (await Polling.open(d.port)).connect('/s');
		await q.send(`42/s,${join}`);
		return null;
	},
	'a route of Engine.IO over polling': async () => {
		await Polling.open(d.port, { path: '/ws/engine' });
		return null;
	},
};

const text = 'x'.repeat(50000);
let sent = 0;
for (const [what, come] of Object.entries(speakers))
	test(`${what}: who does not read is dropped, the others get all`,
	    async () => {
		const sock = await come();
		const count = () => d.metric('clients_closed', 'slow_consumer');
		const before = await count();
		sock?.pause();
		await until(async () => {
			for (let i = 0; i < 10; i++)
				p.emit('n', { room: 'flood', i: sent++, text });
			await ask(p, 'sync', 0);
			return await count() > before;
		}, 'its end', 15000);
		assert.equal(await count(), before + 1);
		sock?.destroy();
		await until(() => gotten(r, 'n').length === sent, 'all of them');
		assert.deepEqual(gotten(r, 'n').map(([m]) => m.i),
		    [...Array(sent).keys()]);
		await until(async () => await d.metric('send_queue_bytes') === 0,
		    'no queue');
		await until(async () => await d.metric('sessions') === 2,
		    'nobody else');
	});

test('who reads again in time keeps his connection and misses nothing',
    async () => {
	const w = await Ws.must(d.port, '/ws/s');
	await w.ack({ event: 'room:join', data: { room: 'flood' }, id: 1 });
	const before = await d.metric('clients_closed', 'slow_consumer');
	for (let round = 0; round < 3; round++) {
		w.s.sock.pause();
		const first = sent;
		p.emit('n', { room: 'flood', i: sent++, text });
		p.emit('n', { room: 'flood', i: sent++, text });
		await ask(p, 'sync', 0);
		w.s.sock.resume();
		for (let i = first; i < sent; i++)
			assert.equal((await w.event()).data.i, i);
	}
	await d.counts('clients_closed', before, 'slow_consumer');
	w.send(frame(OP.close, Buffer.from([3, 232])));
	w.drop();
});

/*
 * A large answer to readers of a slow link: 80 KB/s, through a small window.
 * Each takes some of it all the time, but for longer than the timeout not as
 * much as makes room in the daemon's kernel.  Then the rest.
 */
const BIG = 6000000;
const reader = `
import socket, ssl, sys, time
port, tls, sleeps, text = sys.argv[1:]
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
s.connect(("127.0.0.1", int(port)))
if tls == "true":
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    s = c.wrap_socket(s)
s.sendall(text.encode())
n = i = 0
while n < ${BIG}:
    b = s.recv(8192)
    if not b:
        break
    n += len(b)
    i += 1
    if i < 64:
        time.sleep(float(sleeps))
    elif i == 64:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4000000)
print(n)
`;
/* What a reader of each kind got; sleeps: seconds behind each of the first.
 * They are stopped after look(). */
async function large(kinds, sleeps, look) {
	const e = await Daemon.start({ workers: 1, listen: false, conf:
	    `listen "127.0.0.1:0" {}\n${listenTls()}
limits { message_bytes = 8MB slow_consumer_timeout = 2s }
namespace "/s" { auth = none
    room "flood" { join = open }
    event "n" { to = room:room meta = off } }
route "/ws/bare" { namespace = "/s" join = "flood" format = bare }` });
	const children = [];
	const read = (text, tls = false) => new Promise((ok) => {
		children.push(execFile('python3', ['-c', reader, String(e.ports[tls ? 1 : 0]),
			String(tls), String(sleeps), text],
		    (error, out) => ok(error ?? Number(out))));
	});
	const get = async (more) => {
		const q = await (await Polling.open(e.port)).connect('/s');
		await q.send(`42/s,${join}`);
		const waits = await taken(e, 'eio_gets');
		const got = read(`GET ${q.target} HTTP/1.1\r\nHost: a\r\n${
		    more}\r\n`);
		await waits();
		return { got };
	};
	const websocket = async (tls) => {
		const open = await e.metric('ws_open');
		const got = read(Ws.request('/ws/bare'), tls);
		await until(async () => await e.metric('ws_open') > open, 'open');
		return { got };
	};
	const come = {
		'GET': () => get(''),
		'GET that closes': () => get('Connection: close\r\n'),
		'WebSocket': () => websocket(false),
		'WebSocket over TLS': () => websocket(true),
	};
	const all = [];
	for (const kind of kinds)
		all.push(await come[kind]());
	const from = await connect(e, '/s');
	await ask(from, 'room:join', { room: 'flood' });
	from.emit('n', { room: 'flood', text: 'x'.repeat(BIG) });
	await look(e, Promise.all(all.map((r) => r.got)));
	children.forEach((c) => c.kill('SIGKILL'));
	from.close();
	await e.stop();
}

test('who reads slowly, but reads, gets all', async () => {
	await large(['GET', 'GET that closes', 'WebSocket',
		'WebSocket over TLS'], 0.1, async (e, got) => {
		for (const n of await within(got, 'end of all', 30000))
			assert.ok(n >= BIG, `${n} of ${BIG} bytes`);
	});
});

test('a last response that nobody reads: slow_consumer', async () => {
	await large(['GET that closes'], 1000, (e) =>
		until(async () => await e.metric('connections_closed',
		    'slow_consumer') === 1, 'its end', 15000));
});

/* The event is larger than send_queue_bytes, and on its way for so long that
 * there are pings, and other events, behind it. */
for (const [what, open] of Object.entries({
	WebSocket: async (port) => socketio(port, { nsp: '/s' }),
	upgraded: async (port) => {
		const q = await (await Polling.open(port)).connect('/s');
		const w = await Ws.must(port, q.ws);
		w.text('2probe');
		assert.equal(await w.message(), '3probe');
		w.text('5');
		return w;
	},
}))
	test(`a large event and what comes behind it, ${what}`, async () => {
		const e = await Daemon.start({ workers: 1, conf: `
limits { message_bytes = 16MB slow_consumer_timeout = 1m }
heartbeat { interval = 100ms timeout = 1m }
namespace "/s" { auth = none
    room "r" { join = open }
    event "n" { to = room:room meta = off ack = delivered } }` });
		const from = await connect(e, '/s'), w = await open(e.port);
		await ask(from, 'room:join', { room: 'r' });
		w.text('42/s,1["room:join",{"room":"r"}]');
		while (!/^43\/s,1/.test(await w.message()))
			continue;
		w.s.sock.pause();
		assert.equal((await ask(from, 'n', { room: 'r',
			text: 'x'.repeat(12e6) })).delivered, 1);
		await until(async () => await e.metric('write_blocked') > 0,
		    'a block');
		/* another one's time for a ping came and came again */
		const other = await socketio(e.port, { nsp: '/s' });
		for (let n = 0; n < 3;)
			if (await other.message() === '2') {
				other.text('3');
				n++;
			}
		other.drop();
		for (let i = 0; i < 10; i++)
			from.emit('n', { room: 'r', i });
		await ask(from, 'n', { room: 'r', i: 10 });
		w.s.sock.resume();
		let large = false;
		for (let i = 0; i <= 10;) {
			const m = await w.message();
			if (m === '2')
				continue;
			if (!large)
				large = m.length > 12e6;
			else
				assert.equal(m, `42/s,["n",{"room":"r","i":${i++}}]`);
		}
		await e.counts('clients_closed', 0, 'slow_consumer');
		w.drop();
		from.close();
		await e.stop();
	});
