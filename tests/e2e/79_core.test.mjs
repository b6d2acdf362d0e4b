/*
 * What a process that crashes leaves: nothing, or, where that is asked for, a
 * core with registers and no memory, or one with all secrets in it.  Where this
 * host gives cores to a program, only what it would be given is looked at.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';

import { connect } from './lib/clients.mjs';
import { Daemon, sanitized, tempdir, until } from './lib/daemon.mjs';
import { freePort, Redis } from './lib/redis.mjs';
import { secret, user } from './lib/token.mjs';

const pattern = fs.readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
/* into the working directory of who crashes, or there */
const here = !/^[|@]/.test(pattern);
const root = process.getuid() === 0;
const password = 'the-password-of-this-redis', key = 'rk_the-key-of-a-back-end';
const seal = 'a-secret-by-which-messages-are-sealed';
/* a sanitizer would end the process itself, and allow no core */
const env = { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ??
    ''}:handle_segv=0:disable_coredump=0` };
const quick = 'shm { users = 64 rooms = 64 rates = 64 publish_ids = 64 }\n';

let redis;
before(async () => {
	redis = await Redis.start({ port: await freePort(),
		args: ['--requirepass', password] });
});
after(() => redis.kill());

/* The certificate's private key: the number itself, either end first. */
function pair(dir) {
	const k = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const pem = k.privateKey.export({ type: 'pkcs8', format: 'pem' });
	const d = Buffer.from(k.privateKey.export({ format: 'jwk' }).d,
	    'base64url');
	fs.writeFileSync(`${dir}/key.pem`, pem, { mode: 0o644 });
	return { d, pem: pem.split('\n')[1] };
}

/* A daemon that has all of them, and what they are. */
async function secrets(how, more = '', first = '') {
	const dir = tempdir();
	fs.chmodSync(dir, 0o777);
	fs.writeFileSync(`${dir}/password`, `${password}\n`, { mode: 0o644 });
	fs.writeFileSync(`${dir}/seal`, `${seal}\n`, { mode: 0o644 });
	const { d: number, pem } = pair(dir);
	execFileSync('openssl', ['req', '-x509', '-key', `${dir}/key.pem`,
	    '-days', '2', '-subj', '/CN=localhost', '-out', `${dir}/cert.pem`],
	{ stdio: 'ignore' });
	const d = await Daemon.start({ dir, env, first: `cd ${dir}
ulimit -c unlimited${first}`, conf: `${how}\n${more}${quick}
listen "127.0.0.1:0" { tls = true certificate = "${dir}/cert.pem"
    key = "${dir}/key.pem" }
jwt { algorithms = {"HS256"} secret = "${secret}" }
redis { url = "redis://127.0.0.1:${redis.port}" password_file = "${dir}/password"
    secret_file = "${dir}/seal" }
api { key "back" { allow = {publish}
    sha256 = "${crypto.createHash('sha256').update(key).digest('hex')}" } }
namespace "/" { auth = required room "{r}" { join = open }
    event "ask" { ack = echo } }
` });
	d.mayDie = true;
	await until(() => /redis_connected/.test(d.log), 'Redis');
	const token = user('ann');
	const s = await connect(d, '/', { auth: { token } });
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { authorization: `Bearer ${key}`,
			'content-type': 'application/json' }, body: JSON.stringify({
			namespace: '/', event: 'e', data: 1, room: 'r' }) });
	assert.equal(r.status, 200);
	const t = tls.connect({ port: d.ports[1], rejectUnauthorized: false });
	t.on('error', () => {});	/* its worker dies */
	await new Promise((ok) => t.once('secureConnect', ok));
	return { d, s, t, dir, known: {
		'the secret of tokens': secret, 'a token': token,
		'its signature': token.split('.')[2],
		'the id of a session': s.id,
		'the password of Redis': password,
		'the secret of hosts': seal,
		'a key of the API': key,
		'the key of TLS': number,
		'... as the processor has it': Buffer.from(number).reverse(),
		'... as text': pem,
	} };
}
/* The core of pid; undefined: there is none. */
function core(dir, pid) {
	for (const name of fs.readdirSync(dir))
		if (name === 'core' || name === `core.${pid}`)
			return path.join(dir, name);
	if (pattern.startsWith('/') && fs.existsSync(path.dirname(pattern)))
		for (const name of fs.readdirSync(path.dirname(pattern)))
			if (name.includes(String(pid)))
				return path.join(path.dirname(pattern), name);
	return undefined;
}
/* Of the memory in it: how much, and which of them are there. */
function look(file, known) {
	const b = fs.readFileSync(file);
	assert.equal(b.toString('latin1', 1, 4), 'ELF');
	const at = Number(b.readBigUInt64LE(32)), each = b.readUInt16LE(54);
	const memory = Array.from({ length: b.readUInt16LE(56) }, (_, i) => {
		const p = b.subarray(at + i * each);
		const from = Number(p.readBigUInt64LE(8));
		return p.readUInt32LE(0) === 1 /* PT_LOAD */ ? b.subarray(from,
		    from + Number(p.readBigUInt64LE(32))) : Buffer.alloc(0);
	});
	return { size: memory.reduce((n, p) => n + p.length, 0),
		secrets: Object.keys(known).filter((k) =>
			memory.some((p) => p.includes(known[k]))) };
}
const limit = (pid) => fs.readFileSync(`/proc/${pid}/limits`, 'latin1')
    .match(/Max core file size\s+(\S+)/)[1];
const filter = (pid) => Number.parseInt(fs.readFileSync(
    `/proc/${pid}/coredump_filter`, 'latin1'), 16);
/* It dies, and leaves this. */
async function crash(x, role, pid) {
	process.kill(pid, 'SIGSEGV');
	if (role === 'master')
		await x.d.exited;
	else
		await until(() => new RegExp(`child_died role=${role} .* pid=${pid
		    } signal=11 core=(yes|no) `).test(x.d.log), `${role} dies`);
	const file = core(x.dir, pid);
	const has = file && look(file, x.known);
	if (file)
		fs.rmSync(file);
	return has;
}
const pidOf = (d, role) => role === 'master' ? d.pid : d[role](1).pid;
function leave(x) {
	x.s.close();
	x.t.destroy();
}

const roles = ['worker', 'relay', 'master'];

test('core_dumps = off: nothing is left, by any process', async () => {
	const x = await secrets('');
	for (const role of roles) {
		assert.equal(filter(pidOf(x.d, role)), 0x10, role);
		/* less is no limit for a program that gets it */
		assert.equal(limit(pidOf(x.d, role)), '1', role);
	}
	for (const role of roles) {
		await until(() => role === 'master' || x.d[role](1), role);
		assert.equal(await crash(x, role, pidOf(x.d, role)), undefined);
		assert.ok(role === 'master' || x.d.log.match(
		    new RegExp(`child_died role=${role} .* core=no `)));
	}
	leave(x);
});

test('core_dumps = bare: no memory, no secret in it', async (t) => {
	const x = await secrets('core_dumps = bare');
	for (const role of roles) {
		assert.equal(filter(pidOf(x.d, role)), 0x10, role);
		assert.equal(limit(pidOf(x.d, role)), 'unlimited', role);
	}
	for (const role of here ? roles : []) {
		await until(() => role === 'master' || x.d[role](1), role);
		const left = await crash(x, role, pidOf(x.d, role));
		assert.ok(left, `${role} leaves something`);
		assert.deepEqual(left.secrets, [], role);
		/* a page of each program and library */
		assert.ok(left.size < 1 << 20, `${role}: ${left.size} bytes`);
		t.diagnostic(`${role}: ${left.size} bytes`);
	}
	leave(x);
	if (!here)
		await x.d.stop();
});

test('core_dumps = full, after a reload: the same look finds them', async (t) => {
	const x = await secrets('core_dumps = off', '', '\necho 0x33 ' +
	    '>/proc/self/coredump_filter');
	const before = x.d.worker(1).pid;
	fs.writeFileSync(x.d.file, fs.readFileSync(x.d.file, 'utf8')
	    .replace('core_dumps = off', 'core_dumps = full'));
	x.d.child.kill('SIGHUP');
	/* its TLS client goes at some time of drain_time */
	await until(() => x.d.worker(1)?.pid !== before && x.d.children()
	    .every((c) => c.pid !== before), 'another worker', 40000);
	await until(() => /reloaded /.test(x.d.log), 'reloaded');
	const pid = x.d.children().find((c) => c.role === 'worker').pid;
	assert.equal(filter(pid), 0x33);
	assert.equal(filter(x.d.pid), 0x33);
	assert.equal(limit(pid), 'unlimited');
	/* it has what there was before it was made, and the client's session */
	if (here) {
		const left = await crash(x, 'worker', pid);
		assert.ok(left, 'it leaves something');
		for (const what of ['the secret of tokens', 'the id of a session'])
			assert.ok(left.secrets.includes(what), `${what}: ${
			    left.secrets}`);
		assert.ok(left.secrets.some((k) => /TLS|processor|text/.test(k)));
		t.diagnostic(`${left.size} bytes: ${left.secrets.join(', ')}`);
	}
	leave(x);
	await x.d.stop();
});

if (root && here && !sanitized) {

test('who has changed its user leaves nothing, or all if it is asked for',
	async () => {
		for (const [how, some] of [['off', false], ['full', true]]) {
			const x = await secrets(`core_dumps = ${how}`,
			    'user = "nobody"\n');
			const left = await crash(x, 'worker', x.d.worker(1).pid);
			assert.equal(left !== undefined && left.secrets.length > 0,
			    some, how);
			leave(x);
			await x.d.stop();
		}
	});

}
