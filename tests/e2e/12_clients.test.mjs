/* TLS: certificates of clients, and who they make of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { ask, io, refused } from './lib/clients.mjs';
import { jwt, listenTls } from './lib/conf.mjs';
import { Daemon, run, tempdir, until, within } from './lib/daemon.mjs';
import { user } from './lib/token.mjs';
import { Sock, Ws } from './lib/wire.mjs';

const dir = tempdir();
const openssl = (...a) => execFileSync('openssl', a, { stdio: 'pipe' });
function authority(name, file = name) {
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', '60', '-subj',
	    `/CN=${name}`, '-keyout', `${dir}/${file}.key`, '-out',
	    `${dir}/${file}.pem`);
}
/* One of these names, signed by ca. */
function client(file, subject, { ca = 'ca', san = '', days = '30', more = [] } = {}) {
	openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
	    '-nodes', '-subj', subject, '-utf8', '-keyout', `${dir}/${file}.key`,
	    '-out', `${dir}/${file}.csr`);
	fs.writeFileSync(`${dir}/${file}.ext`, `${san === '' ? '' :
		`subjectAltName=${san}`}\n`);
	openssl('x509', '-req', '-in', `${dir}/${file}.csr`, '-CA',
	    `${dir}/${ca}.pem`, '-CAkey', `${dir}/${ca}.key`,
	    '-CAcreateserial', '-days', days, '-extfile', `${dir}/${file}.ext`,
	    '-out', `${dir}/${file}.pem`, ...more);
}
const shows = (file, more = {}) => ({ rejectUnauthorized: false,
	cert: fs.readFileSync(`${dir}/${file}.pem`),
	key: fs.readFileSync(`${dir}/${file}.key`), ...more });
const nobody = { rejectUnauthorized: false };

const ca = (verify, more = '') =>
	listenTls(`client_ca = "${dir}/ca.pem" client_verify = ${verify} ${more}`);
const rules = `${jwt}
api { key "k" { sha256 = "${crypto.createHash('sha256').update('k')
    .digest('hex')}" allow = {revoke} } }
namespace "/" { auth = required
    event "q" { to = sender ack = echo }
    room "self:{a}" { join = "self:a" }
    room "dns:{a}" { join = claim:certificate.dns }
}
namespace "/open" { auth = none event "q" { to = sender meta = off ack = echo } }
namespace "/maybe" { auth = optional event "q" { to = sender ack = echo } }
`;
const MUST = 1, MAY = 2, DNS = 3, PLAIN = 4, NAMED = 5;
let d;
before(async () => {
	authority('ca');
	authority('other');
	authority('ca', 'namesake');
	client('ann', '/CN=ann/O=Example', {
		san: 'DNS:a.example,DNS:b.example,email:ann@example,URI:spiffe://x/ann' });
	client('umlaut', '/CN=ä ö');
	client('alien', '/CN=ann', { ca: 'other' });
	client('shop', '/CN=shop');
	client('forged', '/CN=ann', { ca: 'namesake' });
	client('nameless', '/O=Example');
	client('server', '/CN=ann', { san: 'DNS:ann\nextendedKeyUsage=serverAuth' });
	client('control', '/CN=a\u0001b');
	d = await Daemon.start({ workers: 2, conf: `drain_time = 1s
${rules}${ca('required')}${ca('optional')}${ca('required', 'client_user = dns')}
${listenTls()}${ca('required', `host "shop.example" {
    certificate = "${dir}/shop.pem" key = "${dir}/shop.key" }`)}` });
});
after(() => d.stop());

const open = (port, path, tls) => Ws.open(port, path, { tlsOptions: tls });
/* Who the server says has sent what came. */
async function who(port, tls, path = '/ws') {
	const w = await Ws.must(port, path, { tlsOptions: tls });
	w.json({ event: 'q', data: 1 });
	const e = await w.event();
	await w.bye();
	return e.meta.from ?? e.meta.user;
}

const versions = ['TLSv1.2', 'TLSv1.3'];
const of = (version) => ({ minVersion: version, maxVersion: version });

/* Of a connection that was served. */
async function sessionOf(port, tls) {
	const s = await Sock.open(port, { tlsOptions: tls });
	let session = s.sock.getSession();
	s.sock.on('session', (x) => { session = x; });
	s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
	await s.response();
	s.close();
	return session;
}

/* It is told in TLS 1.2 in the handshake, in TLS 1.3 when it reads. */
async function turnedAway(port, tls, sessions = {}) {
	const n = await d.metric('tls_failures', 'why="client"');
	for (const version of versions) {
		try {
			const s = await Sock.open(port, { tlsOptions: { ...tls,
				...of(version), session: sessions[version] } });
			s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
			await s.end();
			assert.equal(s.data.length, 0);
		} catch (e) {
			assert.match(`${e.code ?? e}`, /ALERT|ECONNRESET|SSL/);
		}
	}
	await until(async () => await d.metric('tls_failures',
	    'why="client"') === n + 2, 'both to be counted');
}

test('required: who has none, one of others or of a server, is turned away',
    async () => {
	await turnedAway(d.ports[MUST], nobody);
	await turnedAway(d.ports[MUST], shows('alien'));
	await turnedAway(d.ports[MUST], shows('server'));
	await turnedAway(d.ports[MUST], shows('forged'));
});

test('the log says whose certificate is not taken, and why', async () => {
	/* a worker says it once a second: a daemon for each */
	for (const [tls, why] of [[nobody, 'there is none'],
		[shows('alien'), 'unable to get local issuer certificate'],
		/* OpenSSL 3.5 sees that another key of that name has signed it */
		[shows('forged'), '(certificate signature failure|' +
			'unable to get local issuer certificate)'],
		[shows('server'), 'un\\w+ certificate purpose']]) {
		const e = await Daemon.start({ workers: 1,
			conf: `${rules}${ca('required')}` });
		const s = await Sock.open(e.ports[1], { tlsOptions: {
			...tls, ...of('TLSv1.3') } });
		const from = s.sock.localPort;
		await until(() => e.log.includes(' refused what=certificate '),
		    'the line');
		assert.match(e.log, new RegExp('info: refused what=certificate ' +
		    `address=127\\.0\\.0\\.1:${from} why="${why}" ` +
		    'directive=listen\\.client_verify unsaid=0'));
		s.close();
		await e.stop();
	}
});

test('required: the common name is the user', async () => {
	const n = await d.metric('certificates_taken');
	assert.equal(await who(d.ports[MUST], shows('ann')), 'ann');
	assert.equal(await who(d.ports[MUST], shows('umlaut')), 'ä ö');
	await d.counts('certificates_taken', n + 2);
});

test('client_user: another name of it is', async () => {
	assert.equal(await who(d.ports[DNS], shows('ann')), 'a.example');
});

test('its names are claims, by which rooms are joined', async () => {
	const s = io(`https://127.0.0.1:${d.ports[MUST]}`, { forceNew: true,
		transports: ['websocket'], reconnection: false, ...shows('ann') });
	await within(new Promise((ok, no) => {
		s.once('connect', ok);
		s.once('connect_error', no);
	}), 'a connection');
	for (const [room, ok] of [['self:ann', true], ['self:bob', false],
		['dns:a.example', true], ['dns:b.example', true],
		['dns:c.example', false]])
		assert.equal((await ask(s, 'room:join', { room })).room === room,
		    ok, room);
	s.close();
});

test('a token says otherwise; where none is asked for, nobody is known',
    async () => {
	assert.equal(await who(d.ports[MUST], shows('ann'),
	    `/ws?token=${user('bob')}`), 'bob');
	assert.equal(await who(d.ports[MUST], shows('ann'), '/ws/maybe'), 'ann');
	const w = await Ws.must(d.ports[MUST], '/ws/open',
	    { tlsOptions: shows('ann') });
	await w.bye();
});

test('optional: with one, without one, and with one of others', async () => {
	assert.equal(await who(d.ports[MAY], shows('ann')), 'ann');
	const w = await open(d.ports[MAY], '/ws', nobody);
	assert.equal(w.refused.status, 401);
	assert.equal(await who(d.ports[MAY], nobody, `/ws?token=${user('bob')}`),
	    'bob');
	await turnedAway(d.ports[MAY], shows('alien'));
});

test('whatever name of the server is asked for, it is the same', async () => {
	for (const servername of ['shop.example', 'x.example']) {
		const o = { servername };
		assert.equal(await who(d.ports[NAMED], shows('ann', o)), 'ann');
		await turnedAway(d.ports[NAMED], { ...nobody, ...o });
		await turnedAway(d.ports[NAMED], shows('alien', o));
		const all = {};
		for (const version of versions)
			all[version] = await sessionOf(d.ports[PLAIN],
			    { ...nobody, ...o, ...of(version) });
		await turnedAway(d.ports[NAMED], { ...nobody, ...o }, all);
	}
});

test('a name that is none is no user', async () => {
	const n = await d.metric('auth_failed', 'reason="user_missing"');
	assert.equal((await open(d.ports[MUST], '/ws',
	    shows('nameless'))).refused.status, 401);
	assert.equal((await open(d.ports[DNS], '/ws',
	    shows('umlaut'))).refused.status, 401);
	assert.equal((await open(d.ports[MUST], '/ws',
	    shows('control'))).refused.status, 401);
	await d.counts('auth_failed', n + 2, 'reason="user_missing"');
	await d.counts('auth_failed', 1, 'reason="user_control"');
	/* as with a token that has no user */
	assert.equal((await open(d.ports[MUST], '/ws/maybe',
	    shows('nameless'))).refused.status, 401);
	await (await Ws.must(d.ports[MUST], '/ws/open',
	    { tlsOptions: shows('nameless') })).bye();
	assert.match(d.log, /refused what=certificate reason=user_control .* directive=listen\.client_user /);
	assert.doesNotMatch(d.log, /refused what=token reason=user_/);
});

test('a session of a client without certificate is not resumed where one is needed',
    async () => {
	for (const from of [PLAIN, MAY]) {
		const all = {};
		for (const version of versions) {
			const o = { ...nobody, ...of(version) };
			const session = await sessionOf(d.ports[from], o);
			const again = await Sock.open(d.ports[from], {
				tlsOptions: { ...o, session } });
			assert.equal(again.sock.isSessionReused(), true);
			again.close();
			for (const port of [MUST, MAY]) {
				if (port === from)
					continue;
				const x = await Sock.open(d.ports[port], {
					tlsOptions: { ...shows('ann'),
					...of(version), session } });
				assert.equal(x.sock.isSessionReused(), false,
				    version);
				x.close();
			}
			all[version] = session;
		}
		await turnedAway(d.ports[MUST], nobody, all);
	}
});

test('a resumed session knows its client still', async () => {
	const session = await sessionOf(d.ports[MUST], shows('ann'));
	const n = await d.metric('tls_resumed');
	assert.equal(await who(d.ports[MUST], { rejectUnauthorized: false,
		session }), 'ann');
	await d.counts('tls_resumed', n + 1);
});

test('polling knows it too, on whatever worker', async () => {
	for (let i = 0; i < 6; i++) {
		const s = io(`https://127.0.0.1:${d.ports[MUST]}`, {
			forceNew: true, transports: ['polling'],
			reconnection: false, ...shows('ann') });
		await within(new Promise((ok, no) => {
			s.once('connect', ok);
			s.once('connect_error', no);
		}), 'a connection');
		assert.equal(await ask(s, 'q', i), i);
		s.close();
	}
	const s = io(`https://127.0.0.1:${d.ports[MAY]}`, { forceNew: true,
		transports: ['polling'], reconnection: false,
		rejectUnauthorized: false });
	assert.match((await refused(s)).message, /authentication required/);
	s.close();
});

test('a connection ends with its certificate, and so do its tickets',
    async () => {
	/* openssl ca knows seconds, openssl x509 only days */
	const end = new Date(Date.now() + 6000);
	const text = end.toISOString().replace(/[-:T]|\..*/g, '');
	client('brief', '/CN=brief', { days: '30' });
	fs.writeFileSync(`${dir}/index.txt`, '');
	fs.writeFileSync(`${dir}/ca.conf`, `[ca]\ndefault_ca = a\n[a]
database = ${dir}/index.txt\nnew_certs_dir = ${dir}\nrand_serial = yes
default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n`);
	openssl('ca', '-batch', '-config', `${dir}/ca.conf`, '-in',
	    `${dir}/brief.csr`, '-cert', `${dir}/ca.pem`, '-keyfile',
	    `${dir}/ca.key`, '-enddate', `${text}Z`, '-notext', '-out',
	    `${dir}/brief.pem`);
	const w = await Ws.must(d.ports[MUST], '/ws', { tlsOptions: shows('brief') });
	const sessions = {};
	for (const version of versions)
		sessions[version] = await sessionOf(d.ports[MUST],
		    shows('brief', of(version)));
	const c = await w.closed(20000);
	assert.ok(Date.now() >= end - 1000);
	assert.equal(c.code, 1008);
	await turnedAway(d.ports[MUST], shows('brief'));
	await turnedAway(d.ports[MUST], shows('brief'), sessions);
});

test('-t: authorities that are none, and half of the settings', async () => {
	fs.writeFileSync(`${dir}/none.pem`, 'nothing\n');
	const pem = fs.readFileSync(`${dir}/ca.pem`, 'latin1');
	fs.writeFileSync(`${dir}/cut.pem`, pem + pem.slice(0, 200));
	for (const [more, why] of [
		[`client_ca = "${dir}/none.pem" client_verify = required`,
			/client_ca ".*none\.pem": no certificate in it/],
		[`client_ca = "${dir}/cut.pem" client_verify = required`,
			/client_ca ".*cut\.pem": a certificate is damaged/],
		[`client_ca = "${dir}/missing" client_verify = required`,
			/No such file/],
		[`client_ca = "${dir}/ca.pem"`, /needs client_verify/],
		['client_verify = optional', /client_verify needs client_ca/],
	]) {
		fs.writeFileSync(`${dir}/t.conf`, listenTls(more));
		const r = await run(['-t', '-c', `${dir}/t.conf`]);
		assert.equal(r.code, 1, more);
		assert.match(r.err, why);
	}
	fs.writeFileSync(`${dir}/t.conf`, 'listen "127.0.0.1:0" { client_ca = x ' +
	    'client_verify = required }');
	assert.match((await run(['-t', '-c', `${dir}/t.conf`])).err,
	    /client_verify needs tls = true/);
});

/* Last: nobody has that name any more. */
test('who is revoked is refused, as a certificate does not say when', async () => {
	const w = await Ws.must(d.ports[MUST], '/ws', { tlsOptions: shows('ann') });
	const r = await fetch(`http://127.0.0.1:${d.ports[0]}/api/v1/revoke`, {
		method: 'POST', headers: { Authorization: 'Bearer k',
			'Content-Type': 'application/json' },
		body: JSON.stringify({ user: 'ann', for: 600 }) });
	assert.equal(r.status, 200);
	assert.ok((await r.json()).disconnected >= 1);
	const { code } = await w.closed();
	assert.equal(code, 1008);
	for (const path of ['/ws', '/ws/maybe'])
		assert.equal((await open(d.ports[MUST], path, shows('ann')))
		    .refused?.status, 401);
	assert.equal(await who(d.ports[MUST], shows('umlaut')), '\u00e4 \u00f6');
	const s = io(`https://127.0.0.1:${d.ports[MUST]}`, { forceNew: true,
		transports: ['websocket'], reconnection: false, ...shows('ann') });
	assert.equal((await refused(s)).data.reason, 'revoked');
	s.close();
});
