/* TLS: certificates by the name that clients ask for, and what all share. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { before, after, test } from 'node:test';
import tls from 'node:tls';

import { echo, stopTime } from './lib/conf.mjs';
import { Daemon, run, tempdir, until, within } from './lib/daemon.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';

const dir = tempdir();
/* A certificate for these names, whose common name is the file's. */
function make(file, names, ...more) {
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', '60', '-subj',
	    `/CN=${file}`, '-addext',
	    `subjectAltName=${names.map((n) => `DNS:${n}`).join(',')}`,
	    '-keyout', `${dir}/${file}.key`, '-out', `${dir}/${file}.pem`,
	    ...more], { stdio: 'ignore' });
}
const pair = (f) => `certificate = "${dir}/${f}.pem" key = "${dir}/${f}.key"`;
const many = 64;
let d;
before(async () => {
	make('usual', ['usual.example']);
	make('shop', ['shop.example']);
	make('wild', ['*.wild.example']);
	make('one', ['one.wild.example']);
	d = await Daemon.start({ workers: 2, conf: `${echo}
drain_time = 1s
${stopTime}listen "127.0.0.1:0" {
    tls = true ${pair('usual')}
    host "Shop.Example." { ${pair('shop')} }
    host "*.wild.example" { ${pair('wild')} }
    host "one.wild.example" { ${pair('one')} }
    ${Array.from({ length: many }, (_, i) =>
		`host "n${i}.example" { ${pair('one')} }`).join('\n')}
}
` });
});
after(() => d.stop());

/* The common name of what it shows to who asks for this name. */
async function shown(port, servername, o = {}) {
	const s = tls.connect({ host: '127.0.0.1', port, servername,
		rejectUnauthorized: false, ...o });
	await within(new Promise((ok, no) => {
		s.once('secureConnect', ok);
		s.once('error', no);
	}), 'a handshake');
	const name = s.getPeerCertificate().subject.CN;
	s.destroy();
	return name;
}

for (const version of ['TLSv1.2', 'TLSv1.3'])
	test(`${version}: the certificate is that of the name asked for`,
	    async () => {
		const o = { minVersion: version, maxVersion: version };
		for (const [asked, cn] of [
			['shop.example', 'shop'], ['SHOP.example', 'shop'],
			['a.wild.example', 'wild'], ['one.wild.example', 'one'],
			['ONE.wild.Example', 'one'],
			/* a wild card stands for one label, and not for none */
			['a.b.wild.example', 'usual'], ['wild.example', 'usual'],
			['other.example', 'usual'], ['localhost', 'usual'],
			['n0.example', 'one'], [`n${many - 1}.example`, 'one'],
			[`n${many}.example`, 'usual'], [undefined, 'usual'],
		])
			assert.equal(await shown(d.ports[1], asked, o), cn, asked);
	});

/* A ClientHello of TLS 1.2 with these bytes as its server_name extension. */
function hello(extension) {
	const u16 = (n) => Buffer.from([n >> 8, n & 255]);
	const block = (b) => Buffer.concat([u16(b.length), b]);
	const ext = (type, b) => Buffer.concat([u16(type), block(b)]);
	const body = Buffer.concat([u16(0x0303), Buffer.alloc(32, 7),
		Buffer.from([0]), block(Buffer.from('c02bc02fc02c', 'hex')),
		Buffer.from([1, 0]), block(Buffer.concat([
			...extension === null ? [] : [ext(0, extension)],
			ext(10, block(u16(23))), ext(11, Buffer.from([1, 0])),
			ext(13, block(u16(0x0403)))]))]);
	const message = Buffer.concat([Buffer.from([1, 0]), block(body)]);
	return Buffer.concat([Buffer.from('160301', 'hex'), block(message)]);
}
const names = (...n) => {
	const list = Buffer.concat(n.map((x) => Buffer.concat([
		Buffer.from([0, x.length >> 8, x.length & 255]), x])));
	return Buffer.concat([Buffer.from([list.length >> 8,
		list.length & 255]), list]);
};

/* The first record that comes back: 22 is a handshake, 21 an alert; its
 * bytes. */
async function answer(bytes) {
	const s = await Sock.open(d.ports[1]);
	s.send(bytes);
	await until(() => s.data.length > 0 || s.ended, 'an answer');
	const got = s.data;
	s.close();
	return got;
}

test('names that are none: the usual certificate, or an alert', async () => {
	const of = (text) => names(Buffer.from(text, 'latin1'));
	for (const [extension, cn] of [
		[null, 'usual'], [of('shop.example'), 'shop'],
		[of('shop.example.'), 'shop'], [of('.'), 'usual'],
		[of('..'), 'usual'], [of('.wild.example'), 'usual'],
		[of('*.wild.example'), 'wild'], [of('\xff\xfe'), 'usual'],
		[of('a'.repeat(253)), 'usual'], [of('a'.repeat(255)), 'usual'],
		[of('x'.repeat(240) + '.wild.example'), 'wild'],
	]) {
		const got = await answer(hello(extension));
		assert.equal(got[0], 22, `${extension}`);
		assert.ok(got.includes(Buffer.from(cn)), `${extension}`);
	}
	for (const extension of [of(''), of('a\0b'), of('a'.repeat(256)),
		names(Buffer.from('a'), Buffer.from('b')), Buffer.alloc(0),
		Buffer.from([0, 9, 0]), Buffer.from([0, 3, 9, 0, 0])]) {
		const got = await answer(hello(extension));
		assert.ok(got.length === 0 || got[0] === 21 || got[0] === 22);
	}
	assert.equal(await shown(d.ports[1], 'shop.example'), 'shop');
});

test('curl and openssl get the certificate of the name', async () => {
	const port = d.ports[1];
	const out = execFileSync('curl', ['-s', '--max-time', '10', '--cacert',
		`${dir}/shop.pem`, '--resolve', `shop.example:${port}:127.0.0.1`,
		`https://shop.example:${port}/livez`], { encoding: 'utf8' });
	assert.match(out, /ok/);
	const text = execFileSync('openssl', ['s_client', '-connect',
		`127.0.0.1:${port}`, '-servername', 'x.wild.example'],
	{ input: '', encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
	assert.match(text, /CN ?= ?wild/);
});

test('a reload shows the new certificate, and those who are there stay',
    async () => {
	const w = await Ws.must(d.ports[1], '/ws/echo', {
		tlsOptions: { rejectUnauthorized: false,
			servername: 'shop.example' } });
	make('newer', ['shop.example']);
	const was = fs.readFileSync(d.file, 'utf8');
	fs.writeFileSync(d.file, was.replace(pair('shop'), pair('newer')));
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.includes(' reloaded '), 'the reload');
	await d.logged(/config_changed what="listen \S+: host 'shop\.example': certificate"/);
	/* one of the others may have had us in its hands already */
	await until(async () => await shown(d.ports[1], 'shop.example') ===
	    'newer', 'the newer one to be shown');
	assert.equal(await shown(d.ports[1], 'usual.example'), 'usual');
	w.json({ event: 'q', data: 1 });
	assert.equal((await w.event()).data, 1);
	await w.bye();
	await until(() => d.log.includes(' turned '), 'the others to leave', 15000);

	/* one that is not its key's: nothing changes */
	fs.writeFileSync(d.file, was.replace(pair('shop'),
	    `certificate = "${dir}/shop.pem" key = "${dir}/one.key"`));
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.includes(' reload_failed '), 'the refusal');
	await d.logged(/the key is not the certificate's/);
	assert.equal(await shown(d.ports[1], 'shop.example'), 'newer');
});

/* --- what all share ------------------------------------------------------- */

async function look(text) {
	const file = `${dir}/t.conf`;
	fs.writeFileSync(file, text);
	return run(['-t', '-c', file]);
}

test('-t: hosts that cannot be, and certificates that are not theirs',
    async () => {
	for (const [more, why] of [
		[`host "a b" { ${pair('shop')} }`, /2: host "a b": not a host name/],
		[`host "a:1" { ${pair('shop')} }`, /without a port/],
		['host "a.example" { }', /host "a\.example" needs certificate/],
		[`host "a.example" { ${pair('shop')} }
		  host "A.example." { ${pair('one')} }`,
		/3: host "a\.example": is there already \(line 2\)/],
		[`host "a.example" { certificate = "${dir}/none" key = "x" }`,
		/2: certificate ".*none": No such file/],
	]) {
		const r = await look(`listen "127.0.0.1:0" { tls = true ${pair('usual')}
${more} }
`);
		assert.equal(r.code, 1, more);
		assert.match(r.err, why);
	}
	let r = await look(`listen "127.0.0.1:0" { host "a" { ${pair('shop')} } }`);
	assert.equal(r.code, 1);
	assert.match(r.err, /host needs tls = true/);
	r = await look(`listen "127.0.0.1:0" { tls = true ${pair('usual')}
host "other.example" { ${pair('shop')} }
host "*.wild.example" { ${pair('wild')} } }`);
	assert.equal(r.code, 0);
	assert.match(r.err, /certificate_name file=\S+shop\.pem host=other\.example/);
	assert.doesNotMatch(r.err, /wild/);
});

test('-t: ciphers, curves and keys that nobody could use', async () => {
	for (const [section, why] of [
		['ciphers = "ECDHE+AESGCM:NONSENSE"', /tls: ciphers: "NONSENSE" is not known/],
		['ciphers = "TLS_NONE_SHA256"', /tls: ciphers: "TLS_NONE_SHA256" is not known/],
		['ciphers = "AES128-SHA:!ALL"', /tls: ciphers: leaves nothing/],
		['curves = "X25519:P-9"', /tls: curves: "P-9" is not known/],
		['min_version = "1.1"', /must be one of 1\.2 \| 1\.3/],
	]) {
		const r = await look(`tls { ${section} }
listen "127.0.0.1:0" { tls = true ${pair('usual')} }`);
		assert.equal(r.code, 1, section);
		assert.match(r.err, why);
	}
	execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:1024', '-nodes',
		'-days', '60', '-subj', '/CN=weak', '-keyout', `${dir}/weak.key`,
		'-out', `${dir}/weak.pem`], { stdio: 'ignore' });
	const r = await look(`listen "127.0.0.1:0" { tls = true ${pair('weak')} }`);
	assert.equal(r.code, 1);
	assert.match(r.err, /weak\.pem": the key of the certificate is too short/);
});

test('min_version, ciphers and curves are those of the handshake', async () => {
	const e = await Daemon.start({ workers: 1, conf: `${echo}
listen "127.0.0.1:0" { tls = true ${pair('usual')} host "shop.example" { ${pair('shop')} } }
tls { ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256"
    curves = "P-384" ktls = true }
` });
	for (const servername of ['x', 'shop.example'])
		for (const [version, cipher] of [
			['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
			['TLSv1.3', 'TLS_AES_128_GCM_SHA256']]) {
			const r = await raw(e.ports[1],
			    'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n', { tlsOptions: {
				rejectUnauthorized: false, servername,
				minVersion: version, maxVersion: version } });
			assert.equal(r.status, 200);
			assert.equal(r.sock.sock.getCipher().name, cipher);
			assert.equal(r.sock.sock.getEphemeralKeyInfo().name,
			    'secp384r1');
			r.sock.close();
		}
	await assert.rejects(shown(e.ports[1], 'x', { ecdhCurve: 'X25519' }));
	await e.stop();
	const f = await Daemon.start({ workers: 1, conf: `${echo}
listen "127.0.0.1:0" { tls = true ${pair('usual')} }
tls { min_version = "1.3" }
` });
	await assert.rejects(shown(f.ports[1], 'x', { maxVersion: 'TLSv1.2' }));
	assert.equal(await shown(f.ports[1], 'x'), 'usual');
	await f.stop();
});

/* --- OCSP ------------------------------------------------------------------ */

/* What an authority says of a certificate it has signed, for so many minutes. */
function staple(file, minutes, status = 'V') {
	const end = '300101000000Z';
	const serial = execFileSync('openssl', ['x509', '-in',
		`${dir}/${file}.pem`, '-noout', '-serial'],
	{ encoding: 'utf8' }).trim().split('=')[1];
	fs.writeFileSync(`${dir}/index`, `${status}\t${end}\t${status === 'R' ?
		'200101000000Z' : ''}\t${serial}\tunknown\t/CN=${file}\n`);
	execFileSync('openssl', ['ocsp', '-index', `${dir}/index`, '-CA',
		`${dir}/${file}.pem`, '-rsigner', `${dir}/${file}.pem`, '-rkey',
		`${dir}/${file}.key`, '-issuer', `${dir}/${file}.pem`, '-serial',
		`0x${serial}`, '-respout', `${dir}/${file}.ocsp`, '-noverify',
		'-nmin', String(minutes)], { stdio: 'ignore' });
	return fs.readFileSync(`${dir}/${file}.ocsp`);
}
async function stapled(port, servername, version) {
	const s = tls.connect({ host: '127.0.0.1', port, servername,
		requestOCSP: true, rejectUnauthorized: false,
		minVersion: version, maxVersion: version });
	let got = null;
	s.on('OCSPResponse', (b) => { got = b; });
	await within(new Promise((ok, no) => {
		s.once('secureConnect', ok);
		s.once('error', no);
	}), 'a handshake');
	s.destroy();
	return got;
}
const withOcsp = (f) => `${pair(f)} ocsp = "${dir}/${f}.ocsp"`;

test('OCSP responses are shown with the certificates they are of',
    async () => {
	const one = staple('usual', 60), two = staple('shop', 60);
	const e = await Daemon.start({ workers: 1, conf: `${echo}
listen "127.0.0.1:0" { tls = true ${withOcsp('usual')}
    host "shop.example" { ${withOcsp('shop')} }
    host "one.wild.example" { ${pair('one')} } }
` });
	for (const v of ['TLSv1.2', 'TLSv1.3']) {
		assert.deepEqual(await stapled(e.ports[1], 'x', v), one);
		assert.deepEqual(await stapled(e.ports[1], 'shop.example', v), two);
		assert.ok(!(await stapled(e.ports[1], 'one.wild.example', v))?.length);
	}
	const now = Date.now() / 1000;
	await e.counts('tls_ocsp_expiry', (n) => n > now + 1800);
	await e.counts('tls_ocsp_expiry', (n) => n <= now + 3600);
	const text = execFileSync('openssl', ['s_client', '-connect',
		`127.0.0.1:${e.ports[1]}`, '-status'],
	{ input: '', encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
	assert.match(text, /OCSP Response Status: successful/);
	assert.match(text, /Cert Status: good/);
	await e.stop();
});

test('-t: OCSP responses that are none, of another, revoked or over',
    async () => {
	staple('shop', 60);
	fs.writeFileSync(`${dir}/none.ocsp`, 'nothing');
	fs.writeFileSync(`${dir}/empty.ocsp`, '');
	const of = (file) => look(`listen "127.0.0.1:0" { tls = true ${pair('usual')}
ocsp = "${dir}/${file}.ocsp" }`);
	for (const [file, why] of [['none', /no OCSP response/],
		['empty', /no OCSP response/], ['missing', /No such file/],
		['shop', /it is not of this certificate/]]) {
		const r = await of(file);
		assert.equal(r.code, 1, file);
		assert.match(r.err, /t\.conf:1: ocsp "/);
		assert.match(r.err, why);
	}
	/* two authorities begin to count at the same number */
	for (const twin of ['left', 'right']) {
		execFileSync('openssl', ['req', '-x509', '-newkey', 'ec',
			'-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days',
			'60', '-set_serial', '7', '-subj', `/CN=${twin}`,
			'-keyout', `${dir}/${twin}.key`, '-out',
			`${dir}/${twin}.pem`], { stdio: 'ignore' });
		staple(twin, 60);
	}
	for (const [file, code] of [['left', 0], ['right', 1]]) {
		const t = await look(`listen "127.0.0.1:0" { tls = true
${pair('left')} ocsp = "${dir}/${file}.ocsp" }`);
		assert.equal(t.code, code, file);
		assert.equal(/it is not of this certificate/.test(t.err),
		    code === 1);
	}
	staple('usual', 60, 'R');
	let r = await of('usual');
	assert.equal(r.code, 0);
	assert.match(r.err, /ocsp_revoked file=/);
	/* the third of its times is the last on which it counts */
	let n = 0;
	fs.writeFileSync(`${dir}/usual.ocsp`, Buffer.from(staple('usual', 60)
	    .toString('latin1').replace(/\d{14}Z/g,
		(t) => (++n === 3 ? '20260101000000Z' : t)), 'latin1'));
	r = await of('usual');
	assert.equal(r.code, 0);
	assert.match(r.err, /ocsp_expired file=/);
	/* it is not shown then */
	const e = await Daemon.start({ workers: 1, conf: `${echo}
listen "127.0.0.1:0" { tls = true ${withOcsp('usual')} }` });
	assert.ok(!(await stapled(e.ports[1], 'x', 'TLSv1.3'))?.length);
	await e.stop();
});
