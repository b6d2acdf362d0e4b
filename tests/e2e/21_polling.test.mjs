/* Engine.IO over HTTP polling: packets, one GET and one POST at a time, ends. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, here, slow, until } from './lib/daemon.mjs';
import { ask, connect, heard } from './lib/clients.mjs';
import { Polling, request, taken } from './lib/polling.mjs';
import { Sock, raw, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const bundle = path.join(here, 'node_modules/socket.io-client/dist');
let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: echo + `
namespace "/c" { auth = none
    room "{r}" { join = open }
    event "m" { to = room:room meta = off } }
limits { message_bytes = 1000B send_queue_bytes = 64KB }
socketio { connect_timeout = 1s }
heartbeat { interval = 5s timeout = 1s }
` });
});
after(() => d.stop());
const polling = { transports: ['polling'] };

/* --- stock clients -------------------------------------------------------- */

test('socket.io-client on polling: events, acks, order', async () => {
	const s = await connect(d, '/', polling);
	assert.deepEqual(await ask(s, 'ask', { a: 1 }, 'ü\u2028😀'),
	    { a: 1 });
	for (let i = 0; i < 300; i++)
		s.emit('back', i);
	const got = await heard(s, 'echo', 300);
	assert.deepEqual(got.map((a) => a[0]), got.map((_, i) => i));
	assert.equal(s.io.engine.transport.name, 'polling');
	s.close();
});

test('binary events both ways', async () => {
	const s = await connect(d, '/', polling);
	const bytes = Buffer.from([0, 1, 0x1e, 255, 254, 0x30]);
	s.emit('back', bytes, 'x', { b: Buffer.alloc(0) });
	const [[a, x, o]] = await heard(s, 'echo');
	assert.deepEqual(Buffer.from(a), bytes);
	assert.equal(x, 'x');
	assert.equal(Buffer.from(o.b).length, 0);
	s.close();
});

test('namespaces share a session; leaving one keeps the other', async () => {
	const s = await connect(d, '/', { ...polling });
	const e = s.io.socket('/echo');
	await until(() => e.connected, '/echo');
	s.disconnect();
	assert.deepEqual(await ask(e, 'ask', 7), 7);
	e.disconnect();
	s.close();
});

test('rooms reach clients on polling and on WebSocket alike', async () => {
	const all = await Promise.all([0, 1, 2, 3].map((i) => connect(d, '/c',
	    i % 2 ? polling : {})));
	for (const s of all)
		await ask(s, 'room:join', { room: 'r' });
	for (let i = 0; i < 50; i++)
		all[i % 4].emit('m', { room: 'r', i });
	/* each sends 12 or 13 of the 50 and gets the others' */
	for (const [k, s] of all.entries()) {
		const mine = [...Array(50).keys()].filter((i) => i % 4 === k);
		const got = await heard(s, 'm', 50 - mine.length);
		const ids = got.map((a) => a[0].i);
		assert.equal(new Set(ids).size, ids.length);
		assert.equal(ids.length, 50 - mine.length);
		for (let j = 0; j < 4; j++) { /* per sender, in order */
			const of = ids.filter((i) => i % 4 === j);
			assert.deepEqual(of, [...of].sort((x, y) => x - y));
		}
	}
	all.forEach((s) => s.close());
});

/* --- packets -------------------------------------------------------------- */

test('the handshake: open packet, head, upgrades', async () => {
	const p = await Polling.open(d.port);
	assert.deepEqual({ ...p.open, sid: '' }, { sid: '',
		upgrades: ['websocket'], pingInterval: 5000, pingTimeout: 1000,
		maxPayload: 1000 });
	assert.match(p.sid, /^[\w-]{24}$/);
	const h = p.response.headers;
	assert.equal(h['content-type'], 'text/plain; charset=UTF-8');
	assert.equal(h['cache-control'], 'no-store');
	assert.equal(h['set-cookie'], undefined);
	assert.ok(!Object.keys(h).some((k) => k.startsWith('access-control')));
});

test('a POST is answered ok, after its packets were taken', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const r = await p.post('42["q",1]\x1e42["q",2]\x1e3\x1e42["q","ü"]');
	assert.equal(r.body, 'ok');
	assert.equal(r.headers['content-type'], 'text/html');
	assert.equal(r.headers['content-length'], '2');
	assert.deepEqual(await p.packets(),
	    ['42["q",1]', '42["q",2]', '42["q","ü"]']);
});

test('a GET waits, and takes all that is queued then', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const waits = await taken(d, 'eio_gets');
	const get = p.packets();
	await waits();
	await p.send('42["q",1]', '42["q",2]');
	assert.deepEqual(await get, ['42["q",1]', '42["q",2]']);
});

test('binary: header in one POST, attachments in the next', async () => {
	const p = await (await Polling.open(d.port)).connect();
	await p.send('452-["q",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
	await p.send('bAQID', 'b');
	assert.deepEqual(await p.collect(3),
	    ['452-["q",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
		'bAQID', 'b']);
});

for (const [what, body] of [
	['a line feed at its end, as from Android', 'bAQID\n'],
	['lines', 'bAQ\r\nID\r\n'],
	['blanks', 'b A Q I D '],
]) {
	test(`binary: base64 with ${what}`, async () => {
		const p = await (await Polling.open(d.port)).connect();
		await p.send('451-["q",{"_placeholder":true,"num":0}]', body);
		assert.deepEqual(await p.collect(2),
		    ['451-["q",{"_placeholder":true,"num":0}]', 'bAQID']);
	});
}

test('binary: base64 without its padding', async () => {
	const p = await (await Polling.open(d.port)).connect();
	await p.send('452-["q",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
	    'bAQI', 'bAQ=');
	assert.deepEqual(await p.collect(3),
	    ['452-["q",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
		'bAQI=', 'bAQ==']);
});

for (const [what, body, before, last] of [
	['an unknown packet type', 'x', [], '1'],
	['an empty payload', '', [], '1'],
	['an empty last packet', '42["q",1]\x1e', ['42["q",1]'], '1'],
	['a bad packet behind a good one', '42["q",1]\x1ex\x1e42["q",2]',
		['42["q",1]'], '1'],
	['a ping', '2', [], '1'],
	['bad base64', 'b!!!!', [], '1'],
	['one digit of base64', 'bA', [], '1'],
	['an attachment that nobody announced', 'bAQID', [], '1'],
	['a broken event', '42["q"', [], '1'],
	['a close', '1', [], '6'],
	['a close, and more behind it', '1\x1e42["q",1]', [], '6'],
]) {
	test(`POST of ${what} ends the session`, async () => {
		const p = await (await Polling.open(d.port)).connect();
		const waits = await taken(d, 'eio_gets');
		const get = p.packets();
		await waits();
		assert.equal((await p.post(body)).body, 'ok');
		const got = await get;
		/* the GET may have had the first answers already */
		if (got.length === before.length + 1 || before.length === 0)
			assert.deepEqual(got, [...before, last]);
		else
			assert.deepEqual(got, before);
		assert.ok(await p.gone());
	});
}

test('octet-stream is refused, and ends the session', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const r = await p.post('42["q",1]',
	    { headers: { 'content-type': 'application/octet-stream' } });
	assert.deepEqual([r.status, r.body], [400, '']);
	assert.ok(await p.gone());
});

/* --- sizes ---------------------------------------------------------------- */

const event = (n) => `42["q","${'x'.repeat(n - 10)}"]`;
test('maxPayload is taken, one byte more is 413 and no harm', async () => {
	const p = await (await Polling.open(d.port)).connect();
	assert.equal(event(1000).length, 1000);
	assert.equal((await p.post(event(1000))).status, 200);
	assert.deepEqual(await p.packets(), [event(1000)]);
	const r = await p.post(event(1001));
	assert.deepEqual([r.status, r.body], [413, '']);
	await p.send('42["q",1]');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
});

test('413 comes from Content-Length alone', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port);
	s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${
	    2 ** 40}\r\n\r\n4`);
	assert.equal((await s.response()).status, 413);
	await s.end();
	await p.send('3');
});

test('chunked bodies are taken, and counted', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const chunks = (t, n) => t.match(new RegExp(`.{1,${n}}`, 'gs')).map((c) =>
		`${c.length.toString(16)}\r\n${c}\r\n`).join('') + '0\r\n\r\n';
	for (const [size, status] of [[1000, 200], [1001, 413]]) {
		const s = await Sock.open(d.port);
		s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\n` +
		    `Transfer-Encoding: chunked\r\n\r\n${chunks(event(size), 100)}`);
		assert.equal((await s.response()).status, status);
		s.close();
	}
	assert.deepEqual(await p.packets(), [event(1000)]);
});

/* --- one at a time -------------------------------------------------------- */

test('a second GET: 400, the first gets 1, the session is over', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const waits = await taken(d, 'eio_gets');
	const first = p.get();
	await waits();
	const second = await p.get();
	assert.deepEqual([second.status, second.body], [400, '']);
	assert.equal((await first).body, '1');
	assert.ok(await p.gone());
});

test('a second POST: 400, the first is cut, the session is over', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const begun = await taken(d, 'eio_posts');
	const s = await Sock.open(d.port);
	s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n42["`);
	await begun();
	const r = await p.post('42["q",1]');
	assert.deepEqual([r.status, r.body], [400, '']);
	assert.equal((await s.end()).length, 0);
	assert.ok(await p.gone());
});

test('a POST is not held up by the GET that waits', async () => {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
	const p = await (await Polling.open(d.port, { agent })).connect();
	for (let i = 0; i < 20; i++) {
		const get = p.packets();
		await p.send(`42["q",${i}]`);
		assert.deepEqual(await get, [`42["q",${i}]`]);
	}
	agent.destroy();
});

test('requests behind a held GET on its connection wait for it', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const waits = await taken(d, 'eio_gets');
	const s = await Sock.open(d.port);
	const get = `GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`;
	s.send(`${get}GET /livez HTTP/1.1\r\nHost: x\r\n\r\n${get}`);
	await waits();
	assert.equal(s.data.length, 0);
	await p.send('42["q",1]');
	assert.equal((await s.response()).body, '42["q",1]');
	assert.equal((await s.response()).status, 200);
	await p.send('42["q",2]');
	assert.equal((await s.response()).body, '42["q",2]');
	s.close();
});

test('so much behind a held GET that it can be no request: closed', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const s = await Sock.open(d.port);
	s.send(`GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`);
	s.send('x'.repeat(200000));
	await s.end();
	assert.ok(await p.gone());
});

/* --- ends ----------------------------------------------------------------- */

for (const how of ['close', 'reset']) {
	test(`an aborted GET (${how}) ends the session at once`, async () => {
		const p = await (await Polling.open(d.port)).connect();
		const waits = await taken(d, 'eio_gets');
		const s = await Sock.open(d.port);
		s.send(`GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`);
		await waits();
		s[how]();
		await until(() => p.gone(), 'error 1', 1000);
	});
}

test('an aborted POST ends the session', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const begun = await taken(d, 'eio_posts');
	const s = await Sock.open(d.port);
	s.send(`POST ${p.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n42`);
	await begun();
	s.close();
	await until(async () => (await p.post('3')).status === 400, 'error 1');
	assert.ok(await p.gone());
});

test('closed by the server with no GET waiting: the next one is told', async () => {
	const p = await Polling.open(d.port);	/* joins no namespace */
	/* one that is younger tells when its time is over, too */
	assert.equal((await (await Polling.open(d.port)).get()).body, '1');
	assert.equal((await p.get()).body, '1');
	assert.ok(await p.gone());
});

test('closed by the server while a GET waits', async () => {
	const p = await Polling.open(d.port);
	assert.equal((await p.get()).body, '1');
	assert.ok(await p.gone());
});

test('nobody polls: the queue has a limit', async () => {
	const p = await (await Polling.open(d.port)).connect('/c');
	await p.send('42/c,["room:join",{"room":"big"}]');
	const w = await socketio(d.port, { nsp: '/c' });
	w.text('42/c,1["room:join",{"room":"big"}]');
	await w.message();
	const m = `42/c,["m",{"room":"big","x":"${'x'.repeat(900)}"}]`;
	for (let i = 0; i < 100; i++)
		w.text(m);
	await w.alive();
	await until(() => p.gone(), 'error 1');
	w.drop();
});

/* --- requests ------------------------------------------------------------- */

test('mismatches with the session; other methods', async () => {
	const p = await (await Polling.open(d.port)).connect();
	const bad = '{"code":3,"message":"Bad request"}';
	for (const t of [p.ws, p.target.replace('EIO=4', 'EIO=3'),
	    p.target.replace('EIO=4&', '')]) {
		const r = await request(d.port, 'GET', t);
		assert.deepEqual([r.status, r.body], [400, bad], t);
	}
	for (const m of ['PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
		const r = await request(d.port, m, p.target);
		assert.deepEqual([r.status, r.body], [500, ''], m);
	}
	await p.send('42["q",1]');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
});

test('sids that were never given: error 1, whatever they look like', async () => {
	const p = await Polling.open(d.port);
	const last = p.sid[19] === 'A' ? 'E' : 'A';
	for (const sid of ['__proto__', 'A'.repeat(20), `${p.sid}x`,
	    p.sid.slice(1), p.sid.slice(0, 19) + last, p.sid.toLowerCase() + '',
	    '%00'.repeat(20), 'x'.repeat(2000)]) {
		if (sid === p.sid)
			continue;
		const r = await request(d.port, 'GET',
		    `/socket.io/?EIO=4&transport=polling&sid=${sid}`);
		assert.equal(r.status, 400);
		assert.equal(JSON.parse(r.body).code, 1, sid);
	}
	await d.counts('eio_unknown_sid', (n) => n >= 7);
});

test('pages of other origins: polling is refused like WebSocket', async () => {
	const evil = { origin: 'http://evil.example' };
	const r = await request(d.port, 'GET',
	    '/socket.io/?EIO=4&transport=polling', { headers: evil });
	assert.deepEqual([r.status, r.body],
	    [403, '{"code":4,"message":"Forbidden"}']);
	const p = await (await Polling.open(d.port)).connect();
	assert.equal((await p.post('41', { headers: evil })).status, 403);
	assert.equal((await p.get({ headers: evil })).status, 403);
	assert.equal((await p.post('42["q",1]', { headers:
	    { origin: `http://127.0.0.1:${d.port}` } })).status, 200);
});

test('HTTP/1.0, and a head that comes byte by byte', async () => {
	const r = await raw(d.port,
	    'GET /socket.io/?EIO=4&transport=polling HTTP/1.0\r\nHost: x\r\n\r\n');
	assert.equal(r.status, 200);
	await r.sock.end();
	const s = await Sock.open(d.port);
	for (const c of 'GET /socket.io/?transport=polling&EIO=4 HTTP/1.1\r\nHost: x\r\n\r\n')
		s.send(c);
	assert.equal((await s.response()).body[0], '0');
	s.close();
});

/* --- heartbeat, end of the daemon ----------------------------------------- */

test('heartbeat: 2 answers a GET, 3 by POST keeps the session', async () => {
	const e = await Daemon.start({ conf: echo +
	    `heartbeat { interval = 200ms timeout = ${300 * slow}ms }\n` });
	const p = await (await Polling.open(e.port)).connect();
	for (let i = 0; i < 4; i++) {
		assert.deepEqual(await p.packets(), ['2']);
		await p.send('3');
	}
	assert.deepEqual(await p.packets(), ['2']);
	const t0 = Date.now();
	assert.deepEqual(await p.packets(), ['1']);
	assert.ok(Date.now() - t0 >= 150 * slow);
	assert.ok(await p.gone());
	const q = await (await Polling.open(e.port)).connect();
	await until(async () => await e.metric('eio_sessions') === 0, 'its end');
	assert.ok(await q.gone(), 'and one that does not poll');
	await e.stop();
});

test('TERM: a GET that waits gets 503, and the daemon ends in time', async () => {
	const e = await Daemon.start({ workers: 2, conf: `${echo}
stop_time = 10m\n` });
	const list = await Promise.all([0, 1, 2, 3].map(async () =>
		(await Polling.open(e.port)).connect()));
	const wait = await taken(e, 'eio_gets', 3);
	const gets = list.slice(1).map((p) => p.get());
	await wait();
	await e.stop();
	for (const g of gets)
		assert.equal((await g).status, 503);
});

test('QUIT: clients are let go one after the other', async () => {
	const e = await Daemon.start({ workers: 2, conf: echo +
	    'drain_time = 1s\n' });
	const list = await Promise.all([0, 1, 2, 3].map(async () =>
		(await Polling.open(e.port)).connect()));
	const wait = await taken(e, 'eio_gets', 4);
	const gets = list.map((p) => p.get());
	await wait();
	await e.stop({ signal: 'SIGQUIT' });
	for (const g of gets)
		assert.equal((await g).status, 503);
});

/* --- other origins, the browser's client ---------------------------------- */

test('CORS: headers asked for on several lines are one list', async () => {
	const e = await Daemon.start({ conf: echo + 'cors { origins = {"*"} }\n' });
	const pre = await raw(e.port, 'OPTIONS ' +
	    '/socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n' +
	    'Origin: http://app.example\r\n' +
	    'Access-Control-Request-Method: POST\r\n' +
	    'Access-Control-Request-Headers: x-a, x-b\r\n' +
	    'access-control-request-headers:\r\n' +
	    'Access-Control-Request-Headers: x-c\r\n\r\n');
	assert.equal(pre.status, 204);
	assert.equal(pre.headers['access-control-allow-headers'], 'x-a,x-b,x-c');
	pre.sock.close();
	await e.stop();
});

test('CORS: any origin', async () => {
	const e = await Daemon.start({ conf: echo + 'cors { origins = {"*"} }\n' });
	const headers = { origin: 'http://app.example' };
	const pre = await request(e.port, 'OPTIONS',
	    '/socket.io/?EIO=4&transport=polling', { headers: { ...headers,
		'access-control-request-method': 'POST',
		'access-control-request-headers': 'x-custom' } });
	assert.equal(pre.status, 204);
	assert.equal(pre.headers['access-control-allow-origin'], '*');
	assert.equal(pre.headers['access-control-allow-methods'],
	    'GET,HEAD,PUT,PATCH,POST,DELETE');
	assert.equal(pre.headers['access-control-allow-headers'], 'x-custom');
	assert.equal(pre.headers.vary, 'Access-Control-Request-Headers');
	const p = await (await Polling.open(e.port, { headers })).connect();
	for (const r of [p.response, await p.post('42["q",1]'), await p.get(),
	    await p.post('x'.repeat(2000000)),
	    await request(e.port, 'GET', `${p.base}&sid=x`, { headers }),
	    await request(e.port, 'GET', '/socket.io/', { headers })]) {
		assert.equal(r.headers['access-control-allow-origin'], '*',
		    `${r.status}`);
		assert.equal(r.headers.vary, undefined);
	}
	const w = await request(e.port, 'GET', '/health', { headers });
	assert.equal(w.headers['access-control-allow-origin'], undefined);
	await e.stop();
});

test('CORS: a list, with credentials', async () => {
	const e = await Daemon.start({ conf: echo + `cors {
	    origins = {"http://app.example", "http://localhost:*"}
	    methods = {"GET", "POST"} headers = {"X-One", "X-Two"}
	    exposed = {"X-Three"} credentials = true max_age = 1h }\n` });
	const pre = await request(e.port, 'OPTIONS', '/socket.io/?EIO=4',
	    { headers: { origin: 'http://localhost:3000' } });
	assert.equal(pre.status, 204);
	const h = pre.headers;
	assert.equal(h['access-control-allow-origin'], 'http://localhost:3000');
	assert.equal(h['access-control-allow-credentials'], 'true');
	assert.equal(h['access-control-allow-methods'], 'GET,POST');
	assert.equal(h['access-control-allow-headers'], 'X-One,X-Two');
	assert.equal(h['access-control-expose-headers'], 'X-Three');
	assert.equal(h['access-control-max-age'], '3600');
	assert.equal(h.vary, 'Origin');
	const evil = { headers: { origin: 'http://app.example.evil' } };
	const r = await request(e.port, 'GET',
	    '/socket.io/?EIO=4&transport=polling', evil);
	assert.equal(r.status, 403);
	assert.equal(r.headers['access-control-allow-origin'], undefined);
	assert.equal(r.headers.vary, 'Origin');
	await e.stop();
});

test('client_bundle: files, tags, 304; other names are Engine.IO', async () => {
	const e = await Daemon.start({ conf: echo +
	    `client_bundle = "${bundle}"\n` });
	for (const [name, type] of [
	    ['socket.io.js', 'application/javascript; charset=utf-8'],
	    ['socket.io.esm.min.js', 'application/javascript; charset=utf-8'],
	    ['socket.io.min.js.map', 'application/json; charset=utf-8']]) {
		const t = `/socket.io/${name}?x=1`;
		const r = await request(e.port, 'GET', t);
		assert.equal(r.status, 200);
		assert.equal(r.headers['content-type'], type);
		assert.equal(r.headers['cache-control'], 'public, max-age=0');
		assert.equal(r.body, fs.readFileSync(path.join(bundle, name),
		    'utf8'));
		const tag = r.headers.etag;
		assert.match(tag, /^"[0-9a-f]{16}"$/);
		for (const match of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
			const same = await request(e.port, 'GET', t,
			    { headers: { 'if-none-match': match } });
			assert.deepEqual([same.status, same.body], [304, '']);
			assert.equal(same.headers.etag, tag);
		}
		assert.equal((await request(e.port, 'GET', t,
		    { headers: { 'if-none-match': '"other"' } })).status, 200);
	}
	for (const name of ['nothing.js', '../roost.conf', 'package.json'])
		assert.equal((await request(e.port, 'GET',
		    `/socket.io/${name}`)).status, 400);
	await e.stop();
	assert.equal((await request(d.port, 'GET',
	    '/socket.io/socket.io.js')).status, 400, 'off by default');
});

test('sessions that nobody polls leave nothing behind', async () => {
	for (let i = 0; i < 30; i++)
		await Polling.open(d.port);
	await until(async () => await d.metric('eio_sessions') === 0,
	    'eio_sessions = 0', 10000);
	await d.counts('eio_polling', 0);
});
