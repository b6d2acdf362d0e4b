/* Keys of back ends, and addresses, that are not for everything. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { echo, listenTls } from './lib/conf.mjs';
import { Daemon, tempdir, until } from './lib/daemon.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';

const key = (name, more) => `key "${name}" { sha256 = "${crypto
    .createHash('sha256').update(name).digest('hex')}" ${more} }\n`;
const sock = `${tempdir()}/api`;
const all = 'allow = {publish, presence, disconnect, rooms}';
const ALL = 0, CLIENTS = 1, API = 2, STATUS = 3, TLS = 4;
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `${echo}
listen "127.0.0.1:0" { serve = clients }
listen "127.0.0.1:0" { serve = api }
listen "127.0.0.1:0" { serve = status }
${listenTls('serve = {clients, status}')}
listen "unix:${sock}" { serve = api }
api { ${key('everything', all)}
${key('orders', `${all} events = {"order:*", "note"}`)}
${key('none', `${all} events = {}`)}
${key('inside', `${all} networks = {"10.0.0.0/8", "::1"}`)}
${key('here', `${all} networks = {"127.0.0.0/8"}`)}
${key('socket', `${all} networks = {"unix:"}`)}
}
` });
});
after(() => d.stop());

const post = (bearer, body, path = 'publish', port = API) => raw(d.ports[port],
    `POST /api/v1/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer
    }\r\nContent-Length: ${JSON.stringify(body).length}\r\n` +
    `Connection: close\r\n\r\n${JSON.stringify(body)}`);
const publish = async (bearer, event) => {
	const r = await post(bearer, { namespace: '/', event, data: 1, room: 'r' });
	return [r.status, JSON.parse(r.body).error?.message ?? ''];
};

test('events: a key publishes those that it names', async () => {
	for (const [bearer, event, status] of [
		['everything', 'order:new', 200], ['everything', 'x', 200],
		['orders', 'order:new', 200], ['orders', 'order:', 200],
		['orders', 'note', 200], ['orders', 'order', 403],
		['orders', 'notes', 403], ['orders', 'not', 403],
		['orders', 'Order:new', 403], ['none', 'note', 403],
	]) {
		const [got, why] = await publish(bearer, event);
		assert.equal(got, status, `${bearer} ${event}`);
		if (status === 403)
			assert.equal(why, 'this key may not publish this event');
	}
});

test('events: in a batch, each by itself; spelt otherwise, the same', async () => {
	const one = (event) => ({ namespace: '/', event, data: 1, room: 'r' });
	const r = await post('orders', { publish: [one('note'), one('other')] },
	    'batch');
	assert.match(r.body, /may not publish this event/);
	const text = JSON.stringify(one('X')).replace('X', '\\u006eote');
	const s = await Sock.open(d.ports[API]);
	s.send(`POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: ` +
	    `Bearer orders\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
	assert.equal((await s.response()).status, 200);
	s.close();
});

test('networks: a key from elsewhere is refused, and logged', async () => {
	let [status, why] = await publish('inside', 'x');
	assert.equal(status, 403);
	assert.equal(why, 'this key may not be used from here');
	/* one line in a while, whatever was refused */
	await until(async () => (await publish('inside', 'x'))[0] === 403 &&
	    /refused what=key key="inside" address=127\.0\.0\.1\S* .*directive=api\.key\.networks/
		.test(d.log), 'a line');
	assert.equal((await publish('here', 'x'))[0], 200);
	assert.equal((await publish('socket', 'x'))[0], 403);
	/* a field that anybody can write is nobody's address */
	const r = await raw(d.ports[API], 'GET /api/v1/presence/ HTTP/1.1\r\n' +
	    'Host: x\r\nX-Forwarded-For: 10.1.2.3\r\nAuthorization: Bearer ' +
	    'inside\r\n\r\n');
	assert.equal(r.status, 403);
	r.sock.close();
});

test('networks: unix: is who comes over a unix socket', async () => {
	const http = await import('node:http');
	for (const [bearer, status] of [['socket', 200], ['here', 403],
		['everything', 200]])
		assert.equal(await new Promise((ok, no) => {
			const q = http.request({ socketPath: sock, method: 'POST',
				path: '/api/v1/publish', headers: {
					authorization: `Bearer ${bearer}` } },
			    (r) => { r.resume(); ok(r.statusCode); });
			q.once('error', no);
			q.end(JSON.stringify({ namespace: '/', event: 'x', data: 1,
				room: 'r' }));
		}), status, bearer);
});

/* --- addresses ------------------------------------------------------------- */

const get = async (port, path, o = {}) => {
	const r = await raw(d.ports[port],
	    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, o);
	r.sock.close();
	return r.status;
};
const status = ['/livez', '/readyz', '/healthz', '/health', '/metrics',
	'/health/websocket', '/api/health/websocket'];
const clients = ['/', '/socket.io/?EIO=4&transport=polling'];
const tls = { tlsOptions: { rejectUnauthorized: false } };

test('serve: an address has what it is for, and nothing else', async () => {
	for (const [port, o, has] of [[ALL, {}, 'cas'], [CLIENTS, {}, 'c'],
		[API, {}, 'a'], [STATUS, {}, 's'], [TLS, tls, 'cs']]) {
		for (const p of status)
			assert.equal(await get(port, p, o),
			    has.includes('s') ? 200 : 404, `${port} ${p}`);
		for (const p of clients)
			assert.equal(await get(port, p, o),
			    has.includes('c') ? 200 : 404, `${port} ${p}`);
		assert.equal(await get(port, '/api/v1/presence/', o),
		    has.includes('a') ? 401 : 404, `${port}`);
		const w = await Ws.open(d.ports[port], '/ws/echo', o);
		assert.equal(w.refused?.status ?? 101,
		    has.includes('c') ? 101 : 404, `${port}`);
		await w.bye?.();
	}
	assert.equal((await post('everything', {}, 'publish', CLIENTS)).status, 404);
	assert.equal((await post('everything', {}, 'publish', STATUS)).status, 404);
});

test('serve: a request that another worker answers is no way around it',
    async () => {
	const s = await Sock.open(d.ports[CLIENTS]);
	for (let i = 0; i < 20; i++) {
		s.send('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n' +
		    'Host: x\r\n\r\n');
		const sid = JSON.parse((await s.response()).body.slice(1)).sid;
		/* on a connection that may be another worker's */
		const t = await Sock.open(d.ports[CLIENTS]);
		t.send(`POST /socket.io/?EIO=4&transport=polling&sid=${sid
		    } HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40`);
		assert.equal((await t.response()).status, 200);
		t.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await t.response()).status, 404);
		t.close();
	}
	s.close();
	await d.counts('connections_handed_out', (n) => n > 0);
});
