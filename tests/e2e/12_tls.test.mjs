/* TLS listeners: versions, a client that stops half-way, close. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { CALL, ERROR, Inject, ROLE } from './lib/inject.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';
import { ask, io } from './lib/clients.mjs';
import { echo, listenTls } from './lib/conf.mjs';

let d;
const dir = tempdir();
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `${echo}${listenTls()}
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
	await until(() => session, 'a ticket');
	one.sock.end();
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
	const s = io(`https://127.0.0.1:${d.ports[1]}`, {
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
	await d.counts('tls_handshakes', (n) => n >= 4);
	await d.counts('tls_failed', (n) => n >= 1);
});

test('ALPN: http/1.1 where it is offered, nothing where it is not', async () => {
	for (const [offer, chosen] of [[['h2', 'http/1.1'], 'http/1.1'],
		[['http/1.1'], 'http/1.1'], [['h2'], false], [[], false]]) {
		const r = await raw(d.ports[1],
		    'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n',
		    t(offer.length ? { ALPNProtocols: offer } : {}));
		assert.equal(r.status, 200, `${offer}`);
		assert.equal(r.sock.sock.alpnProtocol, chosen, `${offer}`);
		r.sock.close();
	}
});

/* Each socket is full at first, in the handshake and after it. */
test('TLS writes that the kernel does not take go on later', async () => {
	const inject = new Inject();
	const e = await Daemon.start({ workers: 1, conf: `${echo}${listenTls()}`,
		env: inject.env });
	for (const version of ['TLSv1.2', 'TLSv1.3']) {
		inject.arm(CALL.write, ERROR.EAGAIN, { roles: ROLE.worker });
		const w = await Ws.must(e.ports[1], '/ws/echo',
		    t({ minVersion: version, maxVersion: version }));
		assert.ok(inject.hits >= 1);
		for (const size of [1, 16384, 100000]) {
			inject.arm(CALL.write, ERROR.EAGAIN, { roles: ROLE.worker });
			w.json({ event: 'q', data: 'x'.repeat(size) });
			assert.equal((await w.event()).data.length, size);
			assert.ok(inject.hits >= 1);
		}
		await w.bye();
	}
	await e.stop();
	inject.close();
});

test('a client over TLS that does not read for a while gets all, in order',
    async () => {
	const e = await Daemon.start({ workers: 1, conf: `${echo}${listenTls()}
limits { send_queue_bytes = 64MB }
` });
	const w = await Ws.must(e.ports[1], '/ws/echo', t());
	w.s.sock.pause();
	const n = 200, text = 'y'.repeat(60000);
	for (let i = 0; i < n; i++)
		w.json({ event: 'q', data: [i, text] });
	await until(async () => await e.metric('write_blocked') > 0, 'a full socket');
	w.s.sock.resume();
	for (let i = 0; i < n; i++) {
		const { data } = await w.event();
		assert.equal(data[0], i);
		assert.equal(data[1].length, text.length);
	}
	await w.bye();
	await e.stop();
});

test('bad PEM ends a start with its exit code', async () => {
	const here = tempdir();
	fs.writeFileSync(`${here}/bad.pem`, '-----BEGIN CERTIFICATE-----\n' +
	    'bm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n');
	fs.writeFileSync(`${here}/c`, `listen "127.0.0.1:0" { tls = true
    certificate = "${here}/bad.pem" key = "${here}/bad.pem" }\n${echo}`);
	const r = await run(['-f', '-c', `${here}/c`]);
	assert.equal(r.code, 78);
	assert.match(r.err, /bad\.pem/);
});

/* --- what -t finds ------------------------------------------------------- */

const openssl = (...a) => execFileSync('openssl', a, { stdio: 'pipe' });
function pair(name, ...more) {
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-subj', `/CN=${name}`, '-keyout',
	    `${dir}/${name}.key`, '-out', `${dir}/${name}.pem`, ...more);
}
async function look(cert, key) {
	const file = `${dir}/t.conf`;
	fs.writeFileSync(file, `
listen "127.0.0.1:0" { tls = true certificate = "${dir}/${cert}" key = "${dir}/${key}" }
`);
	return run(['-t', '-c', file]);
}

test('-t: a key that is not the certificate\'s', async () => {
	pair('a', '-nodes', '-days', '60');
	pair('b', '-nodes', '-days', '60');
	assert.equal((await look('a.pem', 'a.key')).code, 0);
	const r = await look('a.pem', 'b.key');
	assert.equal(r.code, 1);
	assert.match(r.err, /t\.conf:2: key ".*b\.key": the key is not the certificate's/);
});

test('-t: an encrypted key is refused, and nobody is asked for a password', async () => {
	pair('c', '-passout', 'pass:secret', '-days', '60');
	const r = await look('c.pem', 'c.key');
	assert.equal(r.code, 1);
	assert.match(r.err, /the key is encrypted/);
});

test('-t: files that hold something else, or are cut', async () => {
	fs.writeFileSync(`${dir}/empty`, '');
	fs.writeFileSync(`${dir}/text`, 'hello\n');
	const pem = fs.readFileSync(`${dir}/a.pem`, 'latin1');
	fs.writeFileSync(`${dir}/cut.pem`, pem + pem.slice(0, 300));
	for (const [cert, key, why] of [
		['empty', 'a.key', /empty/], ['text', 'a.key', /no certificate in it/],
		['a.key', 'a.key', /no certificate in it/],
		['a.pem', 'text', /no private key in it/],
		['a.pem', 'a.pem', /no private key in it/],
		['cut.pem', 'a.key', /damaged/],
	]) {
		const r = await look(cert, key);
		assert.equal(r.code, 1, `${cert} ${key}`);
		assert.match(r.err, why);
	}
});

test('-t: an end that is near, or a chain in disorder, is said', async () => {
	pair('soon', '-nodes', '-days', '3');
	let r = await look('soon.pem', 'soon.key');
	assert.equal(r.code, 0);
	assert.match(r.err, /certificate_expires file=\S+soon\.pem days=[23]/);
	fs.writeFileSync(`${dir}/two.pem`, fs.readFileSync(`${dir}/a.pem`, 'latin1') +
	    fs.readFileSync(`${dir}/b.pem`, 'latin1'));
	r = await look('two.pem', 'a.key');
	assert.equal(r.code, 0);
	assert.match(r.err, /certificate_order file=\S+two\.pem/);
});
