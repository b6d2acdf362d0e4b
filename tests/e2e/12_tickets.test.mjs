/*
 * TLS sessions are resumed: on any worker, after a reload and an upgrade, on
 * other hosts, for as long as ticket_lifetime says and no longer.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { echo, listenTls } from './lib/conf.mjs';
import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { Upgradable, usr2 } from './lib/upgrade.mjs';
import { Sock } from './lib/wire.mjs';

const quick = 'drain_time = 1s\n';
const dir = tempdir();
const page = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
const versions = ['TLSv1.2', 'TLSv1.3'];
const o = (version, more = {}) => ({ tlsOptions: { rejectUnauthorized: false,
	minVersion: version, maxVersion: version, ...more } });

/* A connection that has been answered; what came with it: a ticket, or none. */
async function open(port, version, session) {
	const s = await Sock.open(port, o(version, session ? { session } : {}));
	s.sock.on('session', (x) => { s.ticket = x; });
	s.ticket = s.sock.getSession();
	s.reused = s.sock.isSessionReused();
	s.send(page);
	assert.equal((await s.response()).status, 200);
	return s;
}
async function begun(port, version) {
	const s = await open(port, version);
	assert.equal(s.reused, false);
	s.close();
	return s.ticket;
}
async function reused(port, version, session) {
	const s = await open(port, version, session);
	s.close();
	return s.reused;
}

const workers = (d) => d.children().filter((c) => c.role === 'worker')
    .map((c) => c.pid);
const sockets = (pid) => fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => {
	try {
		return fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
		    .startsWith('socket:');
	} catch {
		return false;
	}
}).length;

let d;
before(async () => {
	d = await Daemon.start({ workers: 4, conf: `${quick}${echo}${listenTls()}` });
});
after(() => d.stop());

for (const version of versions)
	test(`${version}: a session is resumed by each of four workers`,
	    async () => {
		const session = await begun(d.ports[1], version);
		const was = workers(d).map(sockets);
		const n = await d.metric('tls_resumed'), all = [];
		for (let i = 0; i < 32; i++)
			all.push(await open(d.ports[1], version, session));
		assert.ok(all.every((s) => s.reused));
		const now = workers(d).map(sockets);
		assert.ok(now.every((x, i) => x > was[i]), `${was} ${now}`);
		await d.counts('tls_resumed', n + 32);
		for (const s of all)
			s.close();
	});

test('openssl s_client -reconnect: five of five', () => {
	const text = execFileSync('openssl', ['s_client', '-connect',
		`127.0.0.1:${d.ports[1]}`, '-tls1_2', '-reconnect'],
	{ input: '', encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
	assert.equal(text.match(/^New, /gm).length, 1);
	assert.equal(text.match(/^Reused, /gm).length, 5);
});

test('openssl s_client: no early data, and none is needed', () => {
	const s = (...a) => execFileSync('openssl', ['s_client', '-connect',
		`127.0.0.1:${d.ports[1]}`, '-tls1_3', '-ign_eof', ...a],
	{ input: 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
		encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
	assert.match(s('-sess_out', `${dir}/session`), /Max Early Data: 0/);
	fs.writeFileSync(`${dir}/early`, page);
	const text = s('-sess_in', `${dir}/session`, '-early_data',
	    `${dir}/early`);
	assert.match(text, /Reused, TLSv1\.3/);
	assert.match(text, /Early data was not sent/);
	assert.match(text, /HTTP\/1\.1 200/);
});

test('a session is resumed after a reload', async () => {
	const sessions = [];
	for (const v of versions)
		sessions.push(await begun(d.ports[1], v));
	fs.appendFileSync(d.file, 'heartbeat { interval = 7s }\n');
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.includes(' turned '), 'the next', 15000);
	for (const [i, v] of versions.entries())
		assert.equal(await reused(d.ports[1], v, sessions[i]), true, v);
});

test('a session is resumed after an upgrade', async () => {
	const e = await Upgradable.start({ workers: 2,
		conf: `${quick}binary_timeout = 2s\n${echo}${listenTls()}` });
	const session = await begun(e.ports[1], 'TLSv1.3');
	usr2(e);
	await until(() => e.log.includes(' upgraded '), 'the upgrade', 15000);
	assert.equal(await reused(e.ports[1], 'TLSv1.3', session), true);
	await e.stop();
});

/* --- secrets of a file ---------------------------------------------------- */

const secret = (c) => `${c.repeat(32)}\n`;
const withFile = (file, more = '') => ({ workers: 2, conf: `${quick}${echo}
${listenTls()} tls { ticket_file = "${file}" ${more} }
` });

test('hosts with the same ticket_file resume each other\'s sessions',
    async () => {
	const file = `${dir}/shared`;
	fs.writeFileSync(file, secret('a'));
	fs.writeFileSync(`${dir}/other`, secret('b'));
	const one = await Daemon.start(withFile(file));
	const two = await Daemon.start(withFile(file));
	const three = await Daemon.start(withFile(`${dir}/other`));
	for (const v of versions) {
		const session = await begun(one.ports[1], v);
		assert.equal(await reused(two.ports[1], v, session), true, v);
		assert.equal(await reused(three.ports[1], v, session), false, v);
		assert.equal(await reused(d.ports[1], v, session), false, v);
	}
	for (const x of [one, two, three])
		await x.stop();
});

test('a secret is replaced: the first seals, the others open', async () => {
	const file = `${dir}/turns`;
	fs.writeFileSync(file, secret('a'));
	const e = await Daemon.start(withFile(file));
	const next = async (text) => {
		const n = e.log.split(' turned ').length;
		fs.writeFileSync(file, text);
		process.kill(e.pid, 'SIGHUP');
		await until(() => e.log.split(' turned ').length > n, 'a reload',
		    15000);
	};
	const before = await begun(e.ports[1], 'TLSv1.2');
	await next(secret('b') + secret('a'));
	const s = await open(e.ports[1], 'TLSv1.2', before);
	assert.equal(s.reused, true);
	s.close();
	await next(secret('b'));
	/* it was sealed anew when it was used; the one before is over */
	assert.equal(await reused(e.ports[1], 'TLSv1.2', s.ticket), true);
	assert.equal(await reused(e.ports[1], 'TLSv1.2', before), false);
	await e.stop();
});

test('-t: a ticket_file that holds no secrets', async () => {
	for (const [text, why] of [
		[null, /No such file/], ['', /it is empty/],
		['short\n', /a secret has less than 16 bytes/],
		[secret('x').repeat(5), /more than 4 secrets/],
	]) {
		fs.rmSync(`${dir}/bad`, { force: true });
		if (text !== null)
			fs.writeFileSync(`${dir}/bad`, text);
		fs.writeFileSync(`${dir}/t.conf`,
		    `tls {\nticket_file = "${dir}/bad" }\n`);
		const r = await run(['-t', '-c', `${dir}/t.conf`]);
		assert.equal(r.code, 1);
		assert.match(r.err, /t\.conf:2: tls: ticket_file ".*bad": /);
		assert.match(r.err, why);
	}
});

test('a session is over when its time is, on all workers', async () => {
	const e = await Daemon.start({ workers: 2, conf: `${echo}${listenTls()}
tls { ticket_lifetime = 1s }
` });
	for (const v of versions) {
		const session = await begun(e.ports[1], v);
		await until(async () => !await reused(e.ports[1], v, session),
		    'its end');
		/* and then there are others, for those who are quick */
		await until(async () => await reused(e.ports[1], v,
		    await begun(e.ports[1], v)), 'another');
	}
	await e.stop();
});
