/* TLS listeners: versions, a client that stops half-way, close. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { Daemon, tempdir } from './lib/daemon.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';
import { ask, io } from './lib/clients.mjs';
import { echo } from './lib/conf.mjs';

let d;
const dir = tempdir();
before(async () => {
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
	    '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
	    '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`],
	{ stdio: 'ignore' });
	d = await Daemon.start({ workers: 2, conf: echo + `
listen "127.0.0.1:0" { tls = true
    certificate = "${dir}/cert.pem" key = "${dir}/key.pem" }
limits { handshake_timeout = 1s }
` });
});
after(() => d.stop());
const t = (o = {}) => ({ tlsOptions: { rejectUnauthorized: false, ...o } });

for (const version of ['TLSv1.2', 'TLSv1.3']) {
	test(`${version}: HTTP and WebSocket`, async () => {
		const o = t({ minVersion: version, maxVersion: version });
		const r = await raw(d.ports[1],
		    'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n', o);
		assert.equal(r.status, 200);
		assert.equal(r.sock.sock.getProtocol(), version);
		r.sock.close();
		const w = await Ws.must(d.ports[1], '/ws/echo', o);
		w.json({ event: 'q', data: 'x'.repeat(100000) });
		assert.equal((await w.event()).data.length, 100000);
		await w.bye();
	});
}

test('TLS 1.1 is refused', async () => {
	await assert.rejects(Sock.open(d.ports[1], t({ minVersion: 'TLSv1.1',
		maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' })));
});

test('plain HTTP on the TLS port ends the connection', async () => {
	const s = await Sock.open(d.ports[1]);
	s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	await s.end(3000);
});

test('a TLS handshake that stops half-way ends in time', async () => {
	const s = await Sock.open(d.ports[1]);
	s.send(Buffer.from('16030100', 'hex'));
	await s.end(4000);
});

test('a resumed session works', async () => {
	let session;
	const one = await Sock.open(d.ports[1], t());
	one.sock.on('session', (x) => { session = x; });
	one.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	await one.response();
	await new Promise((ok) => setTimeout(ok, 50));
	one.sock.end();
	assert.ok(session);
	let reused = 0;
	for (let i = 0; i < 8; i++) {
		const s = await Sock.open(d.ports[1], t({ session }));
		reused += s.sock.isSessionReused() ? 1 : 0;
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await s.response()).status, 200);
		s.close();
	}
	assert.ok(reused >= 1, 'tickets are shared by the workers');
});

test('socket.io-client over TLS', async () => {
	const s = io(`https://localhost:${d.ports[1]}`, {
		transports: ['websocket'], rejectUnauthorized: false,
		reconnection: false, forceNew: true });
	await new Promise((ok, no) => {
		s.once('connect', ok);
		s.once('connect_error', no);
	});
	assert.equal(await ask(s, 'q', 'over tls'), 'over tls');
	s.close();
});

test('the handshakes are counted', async () => {
	assert.ok(await d.metric('tls_handshakes') >= 4);
	assert.ok(await d.metric('tls_failed') >= 1);
});
