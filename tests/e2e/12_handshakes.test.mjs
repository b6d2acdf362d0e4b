/*
 * TLS handshakes that come to nothing, each kind counted; and so many at once
 * that they would stall who is there, if they were not done by and by.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import tls from 'node:tls';

import { echo, listenTls } from './lib/conf.mjs';
import { Daemon, sanitized, until, within } from './lib/daemon.mjs';
import { Sock, Ws } from './lib/wire.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: `${echo}${listenTls()}
limits { handshake_timeout = 2s }
` });
});
after(() => d.stop());
const page = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
const o = (more = {}) => ({ tlsOptions: { rejectUnauthorized: false,
	...more } });

/* While f is done, one more handshake fails, of this kind and in all. */
async function counted(why, f) {
	const all = await d.metric('tls_failed');
	const n = await d.metric('tls_failures', `why="${why}"`);
	const got = await f();
	await until(async () => await d.metric('tls_failures',
	    `why="${why}"`) === n + 1, `a handshake that failed: ${why}`);
	await d.counts('tls_failed', all + 1);
	return got;
}
async function sent(bytes, ms = 4000) {
	const s = await Sock.open(d.ports[1]);
	s.send(bytes);
	return s.end(ms);
}

test('plain HTTP is told that this is TLS', async () => {
	const got = await counted('http', () => sent(page));
	assert.match(got.toString(), /^HTTP\/1\.1 400 .*this is a TLS port/s);
	const out = execFileSync('curl', ['-s', '--max-time', '10', '-X', 'POST',
		'-d', 'x'.repeat(3000), `http://127.0.0.1:${d.ports[1]}/x`],
	{ encoding: 'utf8' });
	assert.match(out, /this is a TLS port/);
});

test('garbage, and a ClientHello that is none', async () => {
	for (const bytes of [Buffer.alloc(300, 0xff), Buffer.from('\r\n\r\n\r\n'),
		Buffer.from('SSH-2.0-OpenSSH_9\r\n'),
		Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n')])
		await counted('garbage', () => sent(bytes));
	/* a record of TLS with something else in it */
	for (const text of ['1603010005ffffffffff', '16030100050200000100',
		'170303000548656c6c6f', '15030100020100', '1603ff0000']) {
		const s = await Sock.open(d.ports[1]);
		s.send(Buffer.from(text, 'hex'));
		await s.end(4000);
	}
});

test('versions and ciphers that we do not have', async () => {
	await counted('version', () => assert.rejects(Sock.open(d.ports[1], o({
		minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1',
		ciphers: 'DEFAULT:@SECLEVEL=0' }))));
	await counted('cipher', () => assert.rejects(Sock.open(d.ports[1], o({
		maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }))));
});

test('a client that does not trust the certificate', async () => {
	await counted('alert', () => assert.throws(() => execFileSync('curl',
	    ['-s', '--max-time', '10', `https://127.0.0.1:${d.ports[1]}/livez`])));
});

/* All bytes of a ClientHello. */
async function hello() {
	const net = await import('node:net');
	const server = net.createServer();
	await new Promise((ok) => { server.listen(0, '127.0.0.1', ok); });
	const c = tls.connect({ port: server.address().port, host: '127.0.0.1',
		rejectUnauthorized: false });
	c.on('error', () => {});
	const bytes = await new Promise((ok) => {
		server.once('connection', (s) => s.once('data', (b) => {
			ok(b);
			s.destroy();
		}));
	});
	c.destroy();
	server.close();
	return bytes;
}

test('half a ClientHello: the client goes, or its time is over', async () => {
	const bytes = await hello();
	await counted('gone', async () => {
		const s = await Sock.open(d.ports[1]);
		s.send(bytes.subarray(0, 100));
		s.sock.end();
		await s.end();
	});
	await counted('gone', async () => (await Sock.open(d.ports[1])).close());
	await counted('gone', async () => {
		const s = await Sock.open(d.ports[1]);
		s.send(bytes.subarray(0, 100));
		s.reset();
	});
	await counted('late', () => sent(bytes.subarray(0, bytes.length - 1),
	    6000));
});

test('a ClientHello that comes byte by byte is one', async () => {
	const bytes = await hello();
	const s = await Sock.open(d.ports[1]);
	for (const b of bytes)
		await new Promise((ok) => { s.sock.write(Buffer.from([b]), ok); });
	await s.wait(() => (s.data[0] === 22 ? true : undefined), 'ServerHello');
	s.close();
});

test('a record that does not decrypt ends the handshake', async () => {
	const bytes = await hello();
	await counted('other', async () => {
		const s = await Sock.open(d.ports[1]);
		s.send(bytes);
		await s.wait(() => (s.data[0] === 22 ? true : undefined),
		    'ServerHello');
		s.send(Buffer.concat([Buffer.from('1703030020', 'hex'),
			Buffer.alloc(32)]));
		await s.end();
	});
});

test('records that are cut or spoilt end an open connection', async () => {
	for (const version of ['TLSv1.2', 'TLSv1.3']) {
		const raw = await Sock.open(d.ports[1]);
		raw.sock.removeAllListeners('data');
		const c = tls.connect({ socket: raw.sock, rejectUnauthorized: false,
			minVersion: version, maxVersion: version });
		await new Promise((ok, no) => {
			c.once('secureConnect', ok);
			c.once('error', no);
		});
		c.on('error', () => {});
		raw.sock.write(Buffer.from('17030300140000000000000000000000000000' +
		    '0000000000', 'hex'));
		await within(new Promise((ok) => { c.once('close', ok); }),
		    'the end');
	}
	assert.equal((await (await Sock.open(d.ports[1], o())).sock
	    .getProtocol()), 'TLSv1.3');
});

test('a client that wants to negotiate again does not', async () => {
	const c = spawn('openssl', ['s_client', '-connect',
		`127.0.0.1:${d.ports[1]}`, '-tls1_2', '-legacy_renegotiation'],
	{ stdio: 'pipe' });
	let text = '';
	c.stdout.on('data', (b) => { text += b; });
	c.stderr.on('data', (b) => { text += b; });
	await until(() => text.includes('Verify return code'), 'a handshake');
	c.stdin.write('R\n');
	await until(() => /no renegotiation/.test(text), 'a refusal');
	c.kill();
	await until(() => c.exitCode !== null || c.signalCode !== null, 'its end');
});

test('the gauge says when the certificate ends', async () => {
	const now = Date.now() / 1000;
	await d.counts('tls_expiry', (n) => n > now + 86400);
	await d.counts('tls_expiry', (n) => n < now + 3 * 86400);
});

/*
 * Full handshakes, as fast as Node makes them, with RSA of 4096 bits: some
 * milliseconds each, so that 16 of them in one turn were 50 and more.
 */
test('a storm of handshakes does not stall who is there', async () => {
	const e = await Daemon.start({ workers: 1, conf: `${echo}${listenTls('',
	    ['-newkey', 'rsa:4096'])}` });
	const w = await Ws.must(e.ports[0], '/ws/echo');
	let going = true, made = 0, next = [];
	const one = () => new Promise((ok) => {
		const s = tls.connect({ host: '127.0.0.1', port: e.ports[1],
			rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
		s.once('secureConnect', () => { made++; s.destroy(); ok(); });
		s.once('error', ok);
	});
	for (let i = 0; i < 40; i++)
		next.push((async () => {
			while (going)
				await one();
		})());
	await until(() => made > 40, 'a storm', 20000);
	for (let i = 0; i < 50; i++) {
		w.json({ event: 'q', data: i });
		assert.equal((await w.event()).data, i);
	}
	going = false;
	await Promise.all(next);
	/* when 16 steps were made in a turn, that was 10 of them; the time of a
	 * turn is no measure where others want the CPU as well */
	const turns = await e.metric('loop_turns');
	if (!sanitized)
		assert.ok(made / turns < 5, `${made} in ${turns} turns`);
	await w.bye();
	await e.stop();
});
