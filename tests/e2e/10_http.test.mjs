/* HTTP as strict as RFC 9112 lets a server be, and its limits. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { Sock, Ws, raw, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

let d, bystander;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: echo +
	    'limits { handshake_timeout = 1s keepalive_timeout = 1s ' +
	    'connections = 50 }\n' });
	bystander = await socketio(d.port);
});
after(async () => {
	await bystander.alive();
	bystander.drop();
	await d.stop();
});

const get = (target, more = '', line = 'HTTP/1.1') =>
	`GET ${target} ${line}\r\nHost: x\r\n${more}\r\n`;

/* name, the bytes, the statuses that are right, and whether the connection
 * must be closed behind the answer */
const table = [
	['GET of an unknown path', get('/nothing'), [404], false],
	['a lower-case method', 'get / HTTP/1.1\r\nHost: x\r\n\r\n', [400, 404, 405, 501], false],
	['bare LF as line end', 'GET /livez HTTP/1.1\nHost: x\n\n', [400], true],
	['LF after a CRLF line', 'GET /livez HTTP/1.1\r\nHost: x\n\r\n', [400], true],
	['CR alone in a value', get('/livez', 'A: b\rc\r\n'), [400], true],
	['NUL in a value', get('/livez', 'A: b\0c\r\n'), [400], true],
	['a folded header line', get('/livez', 'A: b\r\n c\r\n'), [400], true],
	['a space before the colon', get('/livez', 'A : b\r\n'), [400], true],
	['a header without colon', get('/livez', 'nonsense\r\n'), [400], true],
	['an empty header name', get('/livez', ': b\r\n'), [400], true],
	['no Host', 'GET /livez HTTP/1.1\r\n\r\n', [400], true],
	['two Hosts', get('/livez', 'Host: y\r\n'), [400], true],
	['HTTP/2.0', get('/livez', '', 'HTTP/2.0'), [400, 505], true],
	['HTTP/1.2', get('/livez', '', 'HTTP/1.2'), [200, 400, 505], false],
	['no version', 'GET /livez\r\n\r\n', [400, 505], true],
	['two spaces in the request line', 'GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n', [400], true],
	['a control byte in the target', get('/li\x01vez'), [400], true],
	['a target that is no path', get('livez'), [400], true],
	['Content-Length twice', get('/livez', 'Content-Length: 0\r\nContent-Length: 1\r\n'), [400], true],
	['Content-Length list', get('/livez', 'Content-Length: 0, 0\r\n'), [400], true],
	['Content-Length with a sign', get('/livez', 'Content-Length: +0\r\n'), [400], true],
	['Content-Length beyond 64 bits', get('/livez', 'Content-Length: 99999999999999999999\r\n'), [400, 413], true],
	['Content-Length and chunked', get('/livez', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'), [400], true],
	['an unknown transfer coding', get('/livez', 'Transfer-Encoding: xchunked\r\n'), [400, 501], true],
	['chunked not last', get('/livez', 'Transfer-Encoding: chunked, gzip\r\n'), [400, 501], true],
	['chunked in HTTP/1.0', get('/livez', 'Transfer-Encoding: chunked\r\n', 'HTTP/1.0'), [400], true],
	['a request line of 9000 bytes', get('/' + 'a'.repeat(9000)), [414], true],
	['a request line without end', 'GET /' + 'a'.repeat(20000), [414], true],
	['100 header fields', get('/livez', 'A: b\r\n'.repeat(99)), [200], false],
	['101 header fields', get('/livez', 'A: b\r\n'.repeat(100)), [431], true],
	['10,000 header fields', get('/livez', 'A: b\r\n'.repeat(10000)), [431], true],
	['a header of 17,000 bytes', get('/livez', `A: ${'b'.repeat(17000)}\r\n`), [431], true],
	['percent-encoded NUL in the path', get('/livez%00'), [400, 404], false],
	['dot segments', get('/demo/../../../etc/passwd'), [400, 404], false],
	['encoded dot segments', get('/demo/%2e%2e/%2e%2e/etc/passwd'), [400, 404], false],
	['bad percent encoding in a query', get('/socket.io/?EIO=%zz&transport=websocket'), [400], false],
	['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', [204], false],
	['a Host with half a bracket', 'GET /livez HTTP/1.1\r\nHost: [::1\r\n\r\n', [400], true],
	['a Host with two ports', 'GET /livez HTTP/1.1\r\nHost: x:80:90\r\n\r\n', [400], true],
	['a Host whose port is a word', 'GET /livez HTTP/1.1\r\nHost: x:abc\r\n\r\n', [400], true],
	['a Host with a z', 'GET /livez HTTP/1.1\r\nHost: zoo.example\r\n\r\n', [200], false],
	['a Host in brackets', 'GET /livez HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n', [200], false],
	['TRACE', 'TRACE / HTTP/1.1\r\nHost: x\r\n\r\n', [404, 405, 501], false],
	['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + 'x'.repeat(100) + '\r\n\r\n', [400], true],
	['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 505], true],
	['h2c upgrade', get('/livez', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'), [200], false],
];
for (const [name, bytes, statuses, closes] of table) {
	test(`HTTP: ${name}: ${statuses.join(' or ')}`, async () => {
		const s = await Sock.open(d.port);
		s.send(Buffer.from(bytes, 'latin1'));
		const r = await s.response();
		assert.ok(statuses.includes(r.status), `${r.status}: ${r.body}`);
		assert.equal(r.headers['x-content-type-options'], 'nosniff');
		assert.doesNotMatch(r.headers['content-type'] ?? '', /html/);
		if (closes) {
			assert.equal((await s.end()).length, 0,
			    'nothing behind the answer');
		} else if (r.headers.connection !== 'close') {
			s.send(get('/livez'));
			assert.equal((await s.response()).status, 200);
		}
		s.close();
	});
}

test('an error answer has a JSON body and a length', async () => {
	const r = await raw(d.port, get('/nothing'));
	assert.match(r.headers['content-type'], /^application\/json/);
	assert.equal(typeof JSON.parse(r.body).error.code, 'string');
	assert.ok(r.headers.date);
	r.sock.close();
});

test('no CORS header is sent unasked', async () => {
	const r = await raw(d.port, get('/livez', 'Origin: http://evil.example\r\n'));
	assert.ok(!Object.keys(r.headers)
	    .some((h) => h.startsWith('access-control')));
	r.sock.close();
});

/* --- what is where -------------------------------------------------------- */

const ask = async (method, target, headers = '', body = '') => {
	const s = await Sock.open(d.port);
	s.send(`${method} ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n${body}`);
	const r = await s.response({ head: method === 'HEAD' });
	s.close();
	return r;
};

test('GET / says what is there', async () => {
	const r = await ask('GET', '/');
	assert.equal(r.status, 200);
	assert.match(r.headers['content-type'], /^text\/plain/);
	for (const [, path] of r.body.matchAll(/^(\/[a-z]\S*)/gm)) {
		const there = await ask('GET', path.replace(/,$/, ''));
		assert.notEqual(there.status, 404 + path.includes('NAMESPACE'));
	}
	assert.match(r.body, /^\/socket\.io /m);
	assert.match(r.body, /^\/livez, \/readyz /m);
	assert.equal((await ask('HEAD', '/')).headers['content-length'],
	    String(r.body.length));
	assert.equal((await ask('POST', '/')).status, 405);
});

test('OPTIONS and HEAD on health, probes, /, API and WebSocket', async () => {
	for (const [path, allow] of [['/', 'GET, HEAD, OPTIONS'],
		['*', 'GET, HEAD, OPTIONS'], ['/health', 'GET, HEAD, OPTIONS'],
		['/livez', 'GET, HEAD, OPTIONS'],
		['/metrics', 'GET, HEAD, OPTIONS'],
		['/api/v1/presence/x', 'GET, HEAD, OPTIONS'],
		['/api/v1/publish', 'POST, OPTIONS'], ['/ws/', 'GET, OPTIONS']]) {
		const r = await ask('OPTIONS', path);
		assert.equal(r.status, 204, path);
		assert.equal(r.headers.allow, allow, path);
	}
	for (const path of ['/', '/health', '/health/websocket', '/livez',
		'/readyz', '/healthz', '/metrics']) {
		const r = await ask('HEAD', path);
		assert.equal(r.status, 200, path);
		assert.ok(Number(r.headers['content-length']) > 0, path);
	}
	assert.equal((await ask('OPTIONS', '/nothing')).status, 404);
	assert.equal((await ask('PUT', '/livez')).headers.allow,
	    'GET, HEAD, OPTIONS');
});

test('a slash at the end of a path', async () => {
	for (const path of ['/livez/', '/health/', '/metrics/',
		'/health/websocket/'])
		assert.equal((await ask('GET', path)).status, 200, path);
	for (const path of ['/api/v1/publish/', '/api/v1/users/u/rooms/'])
		assert.equal((await ask('POST', path)).status, 401, path);
	assert.equal((await ask('GET', '/api/v1/presence/x/')).status, 401);
	for (const path of ['/ws/echo', '/ws/echo/', '/ws', '/ws/']) {
		const w = await Ws.open(d.port, path);
		assert.equal(w.response.status, 101, path);
		w.drop();
	}
	assert.equal((await Ws.open(d.port, '/ws/echo//')).response.status, 404);
	for (const path of ['/livez//', '/api/v1/publish//'])
		assert.equal((await ask('POST', path)).status, 404, path);
});

/* --- chunks --------------------------------------------------------------- */

const chunks = async (body) => {
	const o = await ask('GET', '/socket.io/?EIO=4&transport=polling');
	const { sid } = JSON.parse(o.body.slice(1));
	return ask('POST', `/socket.io/?EIO=4&transport=polling&sid=${sid}`,
	    'Transfer-Encoding: chunked\r\n', body);
};
for (const [what, body, status] of [
	['an extension', '2;a=b;c="d;\\" e"\r\n40\r\n0\r\n\r\n', 200],
	['a trailer', '2\r\n40\r\n0\r\nX: y\r\n\r\n', 200],
	['a ~ in an extension', '2;~=~\r\n40\r\n0;~\r\n\r\n', 200],
	['a DEL in an extension', '2;a="\x7f"\r\n40\r\n0\r\n\r\n', 400],
	['a blank behind its size', '2 \r\n40\r\n0\r\n\r\n', 400],
	['a tab behind its size', '2\t\r\n40\r\n0\r\n\r\n', 400],
	['a value that does not end', '2;a="\r\n40\r\n0\r\n\r\n', 400],
	['a trailer line without colon', '2\r\n40\r\n0\r\nX\r\n\r\n', 400],
	['more announced than may come', 'F4241\r\n', 413],
	['more announced than may come, in two', '2\r\n40\r\nF423F\r\n', 413],
	['far more announced', 'fffffffffffffff\r\n', 413],
	['more announced than has a number', 'ffffffffffffffff\r\n', 413],
	['more announced, and what is no size', 'ffffff \r\n', 413],
	['little announced at great length', '0000000000000002\r\n40\r\n', 400],
])
	test(`chunked: ${what}: ${status}`, async () => {
		assert.equal((await chunks(body)).status, status);
	});

test('HEAD answers like GET without a body', async () => {
	const s = await Sock.open(d.port);
	s.send('HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	const r = await s.response({ head: true });
	assert.equal(r.status, 200);
	s.send(get('/livez'));
	assert.equal((await s.response()).status, 200);
	s.close();
});

test('keep-alive, then Connection: close', async () => {
	const s = await Sock.open(d.port);
	for (let i = 0; i < 3; i++) {
		s.send(get('/livez'));
		assert.equal((await s.response()).status, 200);
	}
	s.send(get('/livez', 'Connection: close\r\n'));
	const r = await s.response();
	assert.equal(r.headers.connection, 'close');
	await s.end();
});

test('HTTP/1.0 closes unless asked to keep alive', async () => {
	const s = await Sock.open(d.port);
	s.send(get('/livez', '', 'HTTP/1.0'));
	assert.equal((await s.response()).status, 200);
	await s.end();
});

test('20 pipelined requests are answered in order', async () => {
	const s = await Sock.open(d.port);
	let bytes = '';
	for (let i = 0; i < 20; i++)
		bytes += get(i % 2 ? '/livez' : '/nothing');
	s.send(bytes);
	for (let i = 0; i < 20; i++)
		assert.equal((await s.response()).status, i % 2 ? 200 : 404);
	s.close();
});

test('a request arriving byte by byte is understood', async () => {
	const s = await Sock.open(d.port);
	for (const c of get('/livez')) {
		s.send(c);
		await new Promise((ok) => setImmediate(ok));
	}
	assert.equal((await s.response()).status, 200);
	s.close();
});

test('bytes behind a refused upgrade are no request', async () => {
	const s = await Sock.open(d.port);
	s.send(Ws.request('/ws/echo', { headers: {
	    'Sec-WebSocket-Version': '99' } }) + get('/metrics'));
	const r = await s.response();
	assert.equal(r.status, 426);
	assert.equal(r.headers['sec-websocket-version'], '13');
	assert.equal((await s.end()).length, 0);
});

test('a request that is never finished ends after handshake_timeout', async () => {
	const s = await Sock.open(d.port);
	s.send('GET /livez HTTP/1.1\r\nHost: x\r\nA: ');
	const t0 = Date.now();
	/* a byte now and then does not extend it */
	const drip = setInterval(() => s.send('b'), 200);
	await s.end(4000);
	clearInterval(drip);
	assert.ok(Date.now() - t0 >= 800, `${Date.now() - t0} ms`);
	s.close();
});

test('a silent connection ends after handshake_timeout', async () => {
	const s = await Sock.open(d.port);
	await s.end(4000);
});

test('an idle keep-alive connection ends after keepalive_timeout', async () => {
	const s = await Sock.open(d.port);
	s.send(get('/livez'));
	await s.response();
	await s.end(4000);
});

test('a body that never comes ends the connection', async () => {
	const s = await Sock.open(d.port);
	s.send('POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    'Content-Length: 100\r\n\r\n{');
	await s.end(5000);
});

test('a POST without a key gets 401 and never a hang', async () => {
	const r = await raw(d.port, 'POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    'Content-Length: 2\r\n\r\n{}');
	assert.ok([401, 404].includes(r.status), r.head);
	r.sock.close();
});

test('a body above the limit gets 413 from its length alone', async () => {
	const r = await raw(d.port, 'POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    'Authorization: Bearer x\r\nContent-Length: 999999999\r\n\r\n');
	assert.ok([401, 404, 413].includes(r.status), r.head);
	await r.sock.end();
});

test('health, readiness and metrics answer', async () => {
	for (const p of ['/livez', '/readyz', '/healthz'])
		assert.equal((await fetch(d.url(p))).status, 200, p);
	for (const p of ['/health', '/health/websocket', '/api/health/websocket']) {
		const r = await fetch(d.url(p));
		assert.equal(r.status, 200, p);
		assert.match(r.headers.get('content-type'), /application\/json/);
		const h = await r.json();
		assert.equal(h.status, 'healthy', p);
		assert.equal(typeof h.uptime, 'number');
		assert.equal(typeof h.namespaces.echo.sockets, 'number');
	}
	const m = await fetch(d.url('/metrics'));
	assert.match(m.headers.get('content-type'), /^text\/plain/);
	const text = await m.text();
	assert.match(text, /^# HELP roost_connections_accepted_total /m);
	assert.match(text, /^# TYPE roost_connections_open gauge$/m);
	/* every sample belongs to a family that was declared before */
	const seen = new Set();
	for (const l of text.split('\n')) {
		const t = l.match(/^# TYPE (\S+) /);
		if (t)
			seen.add(t[1]);
		else if (l && !l.startsWith('#'))
			assert.ok(seen.has(l.replace(/[{ ].*/, '')) || seen.has(
			    l.replace(/(_bucket|_sum|_count)?[{ ].*/, '')), l);
	}
});

test('sockets are counted per namespace in health', async () => {
	const a = await socketio(d.port, { nsp: '/echo' });
	await until(async () => (await (await fetch(d.url('/health'))).json())
	    .namespaces.echo.sockets === 1, 'sockets = 1');
	a.drop();
	await until(async () => (await (await fetch(d.url('/health'))).json())
	    .namespaces.echo.sockets === 0, 'sockets = 0');
});

test('above limits.connections: 503 with Retry-After, others go on', async () => {
	/* where nobody is sent away for being idle meanwhile */
	const e = await Daemon.start({ workers: 1,
		conf: echo + 'limits { connections = 50 }\n' });
	const other = await socketio(e.port);
	const open = [];
	let refused;
	for (let i = 0; i < 70; i++) {
		const s = await Sock.open(e.port);
		s.send(get('/nothing'));	// status pages have a reserve
		open.push(s);
		const r = await s.response().catch(() => null);
		if (r?.status !== 404) {
			refused = r;
			break;
		}
	}
	assert.equal(refused?.status, 503);
	assert.match(refused.headers['retry-after'], /^\d+$/);
	await other.alive();
	for (const s of open)
		s.close();
	await until(async () => {
		const s = await Sock.open(e.port);
		s.send(get('/livez', 'Connection: close\r\n'));
		const r = await s.response().catch(() => ({}));
		s.close();
		return r.status === 200;
	}, 'service again');
	await e.counts('connections_refused', (n) => n >= 1, 'why="limit"');
	other.drop();
	await e.stop();
});
