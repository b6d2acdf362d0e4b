/*
 * Headers of the PROXY protocol, as proxies send them, and as they should not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import tls from 'node:tls';

import { Daemon, sleep, until, within } from './lib/daemon.mjs';
import { Sock, Ws } from './lib/wire.mjs';
import { echo, listenTls } from './lib/conf.mjs';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const v1 = (ip = '192.0.2.1') =>
	Buffer.from(`PROXY TCP4 ${ip} 127.0.0.1 51234 80\r\n`);
function v2(ip = '192.0.2.1', { command = 0x21, family = 0x11, more = '' } = {}) {
	const rest = Buffer.concat([family !== 0x11 ? Buffer.alloc(0) :
	    Buffer.from([...ip.split('.').map(Number), 127, 0, 0, 1,
		    0xc8, 0x22, 0, 80]), Buffer.from(more, 'hex')]);
	const head = Buffer.from([command, family, rest.length >> 8,
		rest.length & 255]);
	return Buffer.concat([signature, head, rest]);
}
const trust = 'trusted_proxies = {"127.0.0.1", "198.51.100.0/24"}\n';
const start = (kind, conf = '', limits = '', some = 1) => Daemon.start({ workers: 1,
	conf: `listen "127.0.0.1:0" { proxy_protocol = ${kind} }
${trust}log_connections = end
limits { per_address = ${some} ${limits} }
${conf}${echo}` });
const says = (d, what) => until(() => what.test(d.log), `${what} in
${d.log}`);
const asks = (headers = {}) => Ws.request('/ws', { headers });

/* The status of an upgrade behind these bytes; 0: it was closed. */
async function opens(d, header, request = asks(), split = false) {
	const s = await Sock.open(d.ports[1]);
	const all = Buffer.concat([header, Buffer.from(request)]);
	if (split)
		for (const b of all.subarray(0, header.length + 3)) {
			s.send(Buffer.from([b]));
			await sleep(1);
		}
	s.send(split ? all.subarray(header.length + 3) : all);
	const status = await s.response().then((r) => r.status, () => 0);
	return { s, status };
}

for (const [kind, header] of [['v1', v1], ['v2', v2], ['any', v1],
	['any', v2]])
	test(`${kind}: ${header.name}, whole and byte by byte`, async () => {
		const d = await start(kind);
		const all = [];
		for (const [ip, split, want] of [['192.0.2.1', false, 101],
			['192.0.2.1', false, 429], ['192.0.2.2', true, 101],
			['192.0.2.2', true, 429], ['192.0.2.3', true, 101]]) {
			const { s, status } = await opens(d, header(ip), asks(),
			    split);
			assert.equal(status, want, ip);
			all.push(s);
		}
		await d.counts('connections_refused', 2, 'address');
		all.forEach((s) => s.close());
		await until(() => /address=192\.0\.2\.3:51234/.test(d.log),
		    'a record');
		await d.counts('proxy_failed', 0);
		await d.stop();
	});

test('LOCAL and UNKNOWN are the peer itself, a unix client nobody', async () => {
	const d = await start('any');
	for (const header of [v2('', { command: 0x20, family: 0 }),
		v2('192.0.2.1', { command: 0x20 }),
		Buffer.from('PROXY UNKNOWN\r\n'),
		Buffer.concat([signature, Buffer.from([0x21, 0x31, 0, 216]),
			Buffer.alloc(216)])]) {
		const { s, status } = await opens(d, header,
		    'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
		assert.equal(status, 200);
		s.close();
	}
	/* X-Forwarded-For of a proxy behind the proxy */
	for (const [ip, want] of [['198.51.100.7', 'address=192\\.0\\.2\\.77 '],
		['198.51.101.7', 'address=198\\.51\\.101\\.7:51234']]) {
		const { s, status } = await opens(d, v1(ip),
		    asks({ 'X-Forwarded-For': '192.0.2.77' }));
		assert.equal(status, 101);
		s.close();
		await until(() => new RegExp(want).test(d.log), want);
	}
	await d.stop();
});

test('what has no header, or a bad one, ends with its reason', async () => {
	const d = await start('any', '', 'handshake_timeout = 2s');
	const bad = [Buffer.from(''), Buffer.from('PROXY TCP4 x\r\n'),
		Buffer.alloc(120, 'PROXY UNKNOWN '), v2('192.0.2.1',
		    { family: 0x12 }), v2('192.0.2.1', { more: '0300040badbad0' }),
		v2('192.0.2.1', { more: '010002' }),
		Buffer.concat([signature, Buffer.from([0x21, 0x11, 0xff, 0xff])])];
	for (const header of bad)
		assert.equal((await opens(d, header)).status, 0);
	await d.counts('proxy_failed', bad.length);
	await d.counts('connections_closed', bad.length, 'proxy_failed');
	await says(d, /refused what=proxy address=127\.0\.0\.1:\d+ why="no PROXY header" directive=listen\.proxy_protocol/);
	/* cut short, and never */
	const half = await Sock.open(d.ports[1], { halfOpen: true });
	half.send('PROXY TCP4 ');
	half.sock.end();
	await until(async () => await d.metric('proxy_failed') ===
	    bad.length + 1, 'cut short');
	const late = await Sock.open(d.ports[1]);
	late.send(signature);
	await within(new Promise((ok) => late.sock.on('close', ok)), 'its end');
	await d.counts('connections_closed', 1, 'handshake_timeout');
	await d.stop();
});

test('one version is not taken for the other', async () => {
	const d = await start('v1', `listen "127.0.0.1:0" { proxy_protocol = v2 }\n`);
	assert.equal((await opens(d, v2())).status, 0);
	const e = { ports: [0, d.ports[2]] };
	assert.equal((await opens(e, v1())).status, 0);
	await d.counts('proxy_failed', 2);
	await d.stop();
});

/* As a balancer that ends TLS says it (2.2.6), the version with it. */
const overTls = '20000f0100000000210007544c5376312e33';
const overPlain = '2000050000000000';
const opening = (headers = '') => `GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r
Host: app.example\r\n${headers}\r\n`;
const isSecure = (r) => /; Secure/.test(r.headers['set-cookie']);

test('over TLS, as the header tells: cookies and origins', async () => {
	const d = await start('v2', 'socketio { cookie = "io" }\n', '', 0);
	for (const [more, ip, headers, want] of [
		[overTls, '192.0.2.1', '', true],
		[overPlain, '192.0.2.1', '', false],
		['', '192.0.2.1', '', false],
		/* what the client says itself changes nothing, */
		[overTls, '192.0.2.1', 'X-Forwarded-Proto: http\r\n', true],
		[overPlain, '192.0.2.1', 'X-Forwarded-Proto: https\r\n', false],
		/* but it may be a proxy, which knows better */
		[overTls, '198.51.100.7', 'X-Forwarded-Proto: http\r\n', false],
		[overTls, '198.51.100.7', '', true]]) {
		const s = await Sock.open(d.ports[1]);
		s.send(Buffer.concat([v2(ip, { more }),
			Buffer.from(opening(headers))]));
		const r = await s.response();
		assert.equal(r.status, 200);
		assert.equal(isSecure(r), want, `${more} ${ip} ${headers}`);
		s.close();
	}
	/* the page's own origin has the scheme that its client sees */
	for (const [more, scheme, want] of [[overTls, 'https', 101],
		[overTls, 'http', 403], [overPlain, 'http', 101]]) {
		const { s, status } = await opens(d, v2('192.0.2.1', { more }),
		    asks({ Host: 'app.example', Origin: `${scheme}://app.example` }));
		assert.equal(status, want, `${scheme} ${more}`);
		s.close();
	}
	await d.counts('proxy_failed', 0);
	await d.stop();
});

test('that a client speaks TLS goes with its connection', async () => {
	const d = await start('v2', 'socketio { cookie = "io" }\n', '', 0);
	const s = await Sock.open(d.ports[1]);
	s.send(Buffer.concat([v2('192.0.2.1', { more: overTls }),
		Buffer.from(opening())]));
	assert.ok(isSecure(await s.response()));
	d.child.kill('SIGHUP');
	await says(d, /info: turned /);
	await d.counts('connections_moved_in', (n) => n > 0);
	s.send(opening());
	assert.ok(isSecure(await s.response()));
	s.close();
	await d.stop();
});

test('... to the worker that has its session', async () => {
	const d = await Daemon.start({ workers: 3, conf:
	    `listen "127.0.0.1:0" { proxy_protocol = v2 }
${trust}socketio { cookie = "io" }\n${echo}` });
	const all = [];
	for (let i = 0; i < 16; i++) {
		const s = await Sock.open(d.ports[1]);
		s.send(Buffer.concat([v2('192.0.2.1', { more: overTls }),
			Buffer.from(opening())]));
		s.sid = JSON.parse(String((await s.response()).body).slice(1)).sid;
		all.push(s);
	}
	/* each asks for the next one's session, then for one of its own */
	for (const [i, s] of all.entries()) {
		const { sid } = all[(i + 1) % all.length];
		s.send(`POST /socket.io/?EIO=4&transport=polling&sid=${sid
		    } HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n40`);
		assert.equal((await s.response()).status, 200);
		s.send(opening());
		assert.ok(isSecure(await s.response()));
	}
	await d.counts('connections_handed_in', (n) => n > 0);
	all.forEach((s) => s.close());
	await d.stop();
});

test('a header of a Network Load Balancer, as it was seen', async () => {
	const d = await start('v2');
	const header = Buffer.concat([signature, Buffer.from(
	    '21110054ac1f0771ac1f0a1fc8f20050030004e8d6892dea001701', 'hex'),
	Buffer.from('vpce-08d2bf15fac5001c9'), Buffer.from([4, 0, 36]),
	Buffer.alloc(36)]);
	const { s, status } = await opens(d, header, asks(), true);
	assert.equal(status, 101);
	s.close();
	await says(d, /address=172\.31\.7\.113:51442/);
	await d.counts('proxy_failed', 0);
	await d.stop();
});

test('who is not trusted may not even say so', async () => {
	const d = await Daemon.start({ workers: 1, conf: `
listen "127.0.0.1:0" { proxy_protocol = any }
trusted_proxies = {"192.0.2.0/24"}\n${echo}` });
	assert.equal((await opens(d, v1())).status, 0);
	await says(d, /what=proxy .*why="not one of trusted_proxies"/);
	await d.stop();
});

test('the header stands before TLS', async () => {
	const conf = listenTls('proxy_protocol = v2');
	const d = await Daemon.start({ workers: 1, conf: `${conf}
${trust}limits { per_address = 1 }\n${echo}` });
	const over = async (ip) => {
		const { sock } = await Sock.open(d.ports[1]);
		const header = v2(ip);
		sock.write(header.subarray(0, 20));
		await sleep(20);
		sock.write(header.subarray(20));
		const t = tls.connect({ socket: sock, rejectUnauthorized: false });
		return new Promise((ok) => {
			t.on('error', () => ok([t, 0]));
			t.on('secureConnect', () => t.write(asks()));
			t.once('data', (b) => ok([t, Number(String(b)
			    .split(' ')[1])]));
			t.on('close', () => ok([t, 0]));
		});
	};
	const all = [];
	for (const [ip, want] of [['192.0.2.1', 101], ['192.0.2.1', 0],
		['192.0.2.2', 101]]) {
		const [t, status] = await within(over(ip), 'an answer');
		assert.equal(status, want, ip);
		all.push(t);
	}
	all.forEach((t) => t.destroy());
	await d.stop();
});
