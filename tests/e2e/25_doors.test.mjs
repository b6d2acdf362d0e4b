/* What a handshake may look like: cookie, query, path; listeners without status. */
import assert from 'node:assert/strict';
import https from 'node:https';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { WebSocket, ask, connect, io, once, refused } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Ws, raw } from './lib/wire.mjs';
import { echo, listenTls } from './lib/conf.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 3, conf: `${echo}
socketio { cookie = "io" }
cors { origins = {"http://app.example"} }
${listenTls('status = false')}
listen "127.0.0.1:0" { status = false }
` });
});
after(() => d.stop());
const tls = { rejectUnauthorized: false };
const polling = { transports: ['polling'] };
const both = { transports: ['polling', 'websocket'] };

/* --- cookie --------------------------------------------------------------- */

test('a cookie goes with the handshake over polling, and only there', async () => {
	const p = await Polling.open(d.port);
	assert.deepEqual(p.response.headers['set-cookie'],
	    [`io=${p.sid}; Path=/; HttpOnly; SameSite=Lax`]);
	await p.connect();
	for (const r of [await p.post('42["q",1]'), await p.get()])
		assert.equal(r.headers['set-cookie'], undefined);
	const w = await Ws.open(d.port, '/socket.io/?EIO=4&transport=websocket');
	assert.equal(w.response.status, 101);
	assert.equal(w.response.headers['set-cookie'], undefined);
	w.drop();
	const bad = await request(d.port, 'GET', '/socket.io/?transport=polling');
	assert.equal(bad.headers['set-cookie'], undefined);
});

test('beside the lines of CORS', async () => {
	const p = await Polling.open(d.port,
	    { headers: { origin: 'http://app.example' } });
	const h = p.response.headers;
	assert.equal(h['access-control-allow-origin'], 'http://app.example');
	assert.equal(h['cache-control'], 'no-store');
	assert.match(h['set-cookie'][0], new RegExp(`^io=${p.sid};`));
});

test('Secure over TLS, also on a connection that another worker has', async () => {
	const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...tls });
	const o = { tls, agent, port: d.ports[1] };
	const forwarded = () => d.metric('eio_forwarded');
	const before = await forwarded();
	for (let i = 0; i < 30; i++) {	/* its requests go to whoever opened */
		const p = await Polling.open(d.ports[1], i % 2 ? o : { tls });
		assert.deepEqual(p.response.headers['set-cookie'],
		    [`io=${p.sid}; Path=/; HttpOnly; Secure; SameSite=Lax`]);
		await p.post('40', o);
	}
	assert.ok(await forwarded() > before);
	agent.destroy();
});

test('socket.io-client does not mind it, nor that it comes back', async () => {
	const s = io(`http://127.0.0.1:${d.port}/`, { ...both, forceNew: true,
		withCredentials: true });
	await once(s, 'connect');
	await until(() => s.io.engine.transport.name === 'websocket', 'upgrade');
	assert.equal(await ask(s, 'ask', 1), 1);
	s.io.engine.close();
	await once(s, 'connect');
	assert.equal(await ask(s, 'ask', 2), 2);
	s.close();
});

/* --- query ---------------------------------------------------------------- */

const open = (query) => request(d.port, 'GET', `/socket.io/?${query}`);

for (const [what, query] of [
	['parameters of the application', 'a=1&EIO=4&b&transport=polling&c=%26'],
	['a parameter named like a member', '__proto__=1&EIO=4&transport=polling'],
	['empty ones', '&&EIO=4&&=&transport=polling&'],
	['encoded names and values', '%45IO=%34&transpor%74=p%6flling'],
	['duplicates, of which the last counts',
		'EIO=3&transport=x&EIO=4&transport=polling'],
	['a sid taken back', 'EIO=4&transport=polling&sid=x&sid='],
	['t, and b64 that is not 1', 'EIO=4&transport=polling&t=P9%2B_x&b64=2'],
	['values that are no good, elsewhere',
		'EIO=4&transport=polling&x=%zz&y=%00'],
	['7,000 characters of something', `EIO=4&transport=polling&x=${
	    'y'.repeat(7000)}`],
]) {
	test(`query: ${what}`, async () => {
		const r = await open(query);
		assert.equal(r.status, 200, r.body);
		assert.equal(r.body[0], '0');
	});
}

for (const [what, query, code] of [
	['a transport that is encoded twice', 'EIO=4&transport=p%256flling', 0],
	['a last transport that is none', 'EIO=4&transport=polling&transport=x', 0],
	['names are told apart by case', 'EIO=4&Transport=polling', 0],
	['a last EIO that is another', 'EIO=4&transport=polling&EIO=3', 5],
	['EIO with more behind it', 'EIO=4x&transport=polling', 5],
	['a last sid that nobody has', 'EIO=4&transport=polling&sid=&sid=x', 1],
]) {
	test(`query: ${what}: error ${code}`, async () => {
		const r = await open(query);
		assert.equal(r.status, 400);
		assert.equal(JSON.parse(r.body).code, code);
	});
}

test('socket.io-client with a query of its own', async () => {
	const query = { room: 'a&b=c', EIO: '3', transport: 'x', 'ü %': 'ß+ ' };
	for (const o of [polling, { transports: ['websocket'] }, both]) {
		const s = await connect(d, '/echo', { ...o, query });
		assert.deepEqual(await ask(s, 'ask', { a: 1 }), { a: 1 });
		s.close();
	}
});

test('a session that WebSocket opened is not polled for: error 3', async () => {
	for (let i = 0; i < 10; i++) {	/* whichever worker is asked */
		const w = await Ws.must(d.port,
		    '/socket.io/?EIO=4&transport=websocket');
		const { sid } = JSON.parse((await w.next('open')).text.slice(1));
		for (const method of ['GET', 'POST']) {
			const r = await request(d.port, method,
			    `/socket.io/?EIO=4&transport=polling&sid=${sid}`);
			assert.deepEqual([r.status, r.body],
			    [400, '{"code":3,"message":"Bad request"}']);
		}
		await w.alive();
		w.drop();
	}
});

test('a session that WebSocket opened takes no other: accepted, closed', async () => {
	for (let i = 0; i < 10; i++) {
		const w = await Ws.must(d.port,
		    '/socket.io/?EIO=4&transport=websocket');
		const { sid } = JSON.parse((await w.next('open')).text.slice(1));
		const target = `/socket.io/?EIO=4&transport=websocket&sid=${sid}`;
		const second = await Ws.must(d.port, target);
		second.text('2probe');
		await second.closed();
		/* what is none is told so before the 101 */
		const old = await Ws.open(d.port, target.replace('EIO=4', 'EIO=3'));
		assert.deepEqual([old.response.status, old.response.body],
		    [400, 'Bad request']);
		const get = await request(d.port, 'GET', target);
		assert.deepEqual([get.status, get.body],
		    [400, '{"code":3,"message":"Bad request"}']);
		await w.alive();
		w.drop();
	}
});

/* --- path ----------------------------------------------------------------- */

test('path, with and without its slash, with the real client', async () => {
	const e = await Daemon.start({ workers: 2, conf: `${echo}
socketio { path = "/rt/v1/" }\n` });
	for (const o of [polling, { transports: ['websocket'] }, both])
		for (const path of ['/rt/v1', '/rt/v1/'])
			for (const addTrailingSlash of [true, false]) {
				const s = await connect(e, '/',
				    { ...o, path, addTrailingSlash });
				assert.equal(await ask(s, 'ask', 7), 7);
				if (o === both)
					await until(() => s.io.engine.transport
					    .name === 'websocket', 'upgrade');
				s.close();
			}
	const refused = io(`http://127.0.0.1:${e.port}/`,
	    { ...polling, forceNew: true, reconnection: false });
	const [error] = await once(refused, 'connect_error');
	assert.equal(error.message, 'xhr poll error');
	assert.equal(error.description, 404);
	for (const p of ['/rt', '/rt/v', '/rt/v1x', '/socket.io/'])
		assert.equal((await request(e.port, 'GET',
		    `${p}?EIO=4&transport=polling`)).status, 404, p);
	await e.stop();
});

test('anything may follow the path and a slash', async () => {
	for (const p of ['/socket.io/', '/socket.io', '/socket.io/extra/x.y'])
		assert.equal((await request(d.port, 'GET',
		    `${p}?EIO=4&transport=polling`)).status, 200, p);
});

/* --- status --------------------------------------------------------------- */

const paths = ['/metrics', '/health', '/health/websocket',
	'/api/health/websocket', '/livez', '/readyz', '/healthz'];

test('status = false: no health, probes or metrics on that address', async () => {
	for (const p of paths) {
		assert.equal((await request(d.port, 'GET', p)).status, 200, p);
		for (const [port, o] of [[d.ports[1], { tls }], [d.ports[2], {}]]) {
			const r = await request(port, 'GET', p, o);
			assert.equal(r.status, 404, p);
			assert.equal(JSON.parse(r.body).error.code, 'not_found');
			assert.equal((await request(port, 'POST', p, o)).status,
			    404, p);
		}
	}
	const p = await (await Polling.open(d.ports[2])).connect();
	await p.send('42["q",1]');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
});

test('... and / says what is there, without them', async () => {
	for (const [port, o] of [[d.ports[1], { tls }], [d.ports[2], {}]]) {
		const r = await request(port, 'GET', '/', o);
		assert.equal(r.status, 200);
		assert.match(r.body, /^\/socket\.io +Socket\.IO$/m);
		assert.doesNotMatch(r.body, /health|livez|metrics/);
	}
	assert.match((await request(d.port, 'GET', '/')).body, /^\/metrics +/m);
});

test('nor through a worker to whom the connection was passed', async () => {
	for (let i = 0; i < 10; i++) {
		const p = await Polling.open(d.ports[2]);
		const r = await raw(d.ports[2], `POST ${p.target} HTTP/1.1\r\n` +
		    'Host: x\r\nContent-Length: 2\r\n\r\n40');
		assert.equal(r.status, 200);
		r.sock.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await r.sock.response()).status, 404);
		r.sock.close();
	}
});

test('transports and upgrades that are off', async () => {
	const ns = 'namespace "/" { auth = none }\n';
	const open = async (x) => JSON.parse((await (await fetch(x.url(
	    '/socket.io/?EIO=4&transport=polling'))).text()).slice(1));
	const p = await Daemon.start({ conf: ns + 'socketio { transports = {"polling"} }\n' });
	let s = await connect(p, '/', { transports: ['polling', 'websocket'] });
	assert.equal(s.io.engine.transport.name, 'polling');
	assert.deepEqual((await open(p)).upgrades, []);
	s.close();
	s = await connect(p, '/', { wait: false });
	assert.match((await refused(s)).message, /websocket error/);
	s.close();
	await p.stop();
	const w = await Daemon.start({ conf: ns + 'socketio { transports = {"websocket"} }\n' });
	s = await connect(w);
	s.close();
	const r = await fetch(w.url('/socket.io/?EIO=4&transport=polling'));
	assert.deepEqual([r.status, await r.json()],
	    [400, { code: 0, message: 'Transport unknown' }]);
	await w.stop();
	const u = await Daemon.start({ conf: ns + 'socketio { allow_upgrades = false }\n' });
	s = await connect(u, '/', { transports: ['polling', 'websocket'] });
	assert.deepEqual((await open(u)).upgrades, []);
	const c = new WebSocket(`${u.ws('/socket.io/')}?EIO=4&transport=websocket&sid=${s.io.engine.id}`);
	await once(c, 'close');
	assert.ok(s.connected);
	s.close();
	await u.stop();
});
