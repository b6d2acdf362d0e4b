/*
 * Values that the manual names, each used once by a real daemon: what is only
 * parsed by a unit test may still do something else, or nothing.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, roostd, run, tempdir, until, within } from './lib/daemon.mjs';
import { ask, codeOf, connect, plain } from './lib/clients.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Ws } from './lib/wire.mjs';
import { echo, jwt, listenTls } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

/* Run f with a daemon of that configuration. */
async function daemon(opts, f) {
	const d = await Daemon.start(opts);
	try {
		return await f(d);
	} finally {
		await d.stop();
	}
}
/* Does nobody listen there? */
const free = (host, port) => new Promise((ok) => {
	const s = net.createServer();
	s.once('error', () => ok(false));
	s.listen({ host, port, ipv6Only: true }, () => s.close(() => ok(true)));
});
/* Does a request to host:port get an answer of ours? */
const answers = async (host, port) => {
	try {
		const r = await fetch(`http://${host}:${port}/livez`);
		return r.status === 200 && await r.text() === 'ok\n';
	} catch {
		return false;
	}
};

/* --- listen --------------------------------------------------------------- */

for (const [address, v4, v6] of [
	['*', true, true],
	['', true, true],
	['localhost', true, true],
	['0.0.0.0', true, false],
	['127.0.0.1', true, false],
	['[::]', false, true],
	['[::1]', false, true],
]) {
	test(`listen "${address}:0" answers where it says`, async () => {
		const conf = `listen "${address}:0" {}\n${echo}`;
		const one = (n) => daemon({ conf, listen: false, workers: 2 },
		async (d) => {
			/* its port in the other family may be somebody's */
			if (n > 1 && !(v4 && v6) &&
			    !await free(v4 ? '::1' : '127.0.0.1', d.port))
				return true;
			/* several connections: each worker has its sockets */
			for (let i = 0; i < 8; i++) {
				assert.equal(await answers('127.0.0.1', d.port), v4);
				assert.equal(await answers('[::1]', d.port), v6);
			}
			const lines = d.log.match(/listening addr=\S+/g);
			assert.equal(lines.length, v4 && v6 ? 2 : 1, d.log);
			return false;
		});
		for (let n = 5; await one(n); n--)
			;
	});
}

test('listen: of localhost, other addresses are not served', async () => {
	const other = Object.values(os.networkInterfaces()).flat()
	    .find((i) => i.family === 'IPv4' && !i.internal)?.address ??
	    '127.0.0.2';
	await daemon({ conf: `listen "localhost:0" {}\n${echo}`,
		listen: false }, async (d) => {
		assert.equal(await answers(other, d.port), false);
		assert.equal(await answers('localhost', d.port), true);
	});
});

test('listen "*": one taken kind is an error that names the section', async () => {
	const taken = net.createServer();
	await new Promise((ok) => taken.listen(0, '127.0.0.1', ok));
	const { port } = taken.address();
	const file = path.join(tempdir(), 'roost.conf');
	for (const name of ['localhost', '*', '']) {
		fs.writeFileSync(file, `listen "${name}:${port}" {}\n${echo}`);
		const r = await run(['-f', '-c', file]);
		assert.equal(r.code, 69, r.err);
		assert.match(r.err, new RegExp(
		    `listen '${name.replace('*', '\\*')}:${port}' \\(line 1\\): .*in use`));
	}
	taken.close();
});

const overUnix = (socketPath) => within(new Promise((ok, no) => {
	http.get({ socketPath, path: '/livez' }, (r) => {
		r.resume();
		r.on('end', () => ok(r.statusCode));
	}).on('error', no);
}), 'answer over the unix socket');

for (const mode of ['0600', '0660', '0777']) {
	test(`listen "unix:" with mode = ${mode}`, async () => {
		const file = path.join(tempdir(), 'http.sock');
		const conf = `listen "unix:${file}" { mode = ${mode} }\n${echo}`;
		await daemon({ conf, workers: 2 }, async () => {
			const st = fs.statSync(file);
			assert.ok(st.isSocket());
			assert.equal(st.mode & 0o777, parseInt(mode, 8));
			for (let i = 0; i < 8; i++)
				assert.equal(await overUnix(file), 200);
		});
		assert.ok(!fs.existsSync(file));
	});
}

/* --- words ---------------------------------------------------------------- */

for (const [word, on] of [['true', 1], ['yes', 1], ['on', 1], ['TRUE', 1],
	['false', 0], ['no', 0], ['off', 0]]) {
	test(`a boolean may be ${word}`, async () => {
		await daemon({ conf: `listen "127.0.0.1:0" { status = ${word} }
${echo}`, listen: false }, async (d) => {
			const r = await request(d.port, 'GET', '/livez');
			assert.equal(r.status, on ? 200 : 404);
		});
	});
}

test('workers = auto is one per usable CPU', async () => {
	await daemon({ conf: echo, args: ['-o', 'workers=auto'],
		workers: 'auto' }, async (d) => {
		assert.equal(d.children().filter((c) => c.role === 'worker').length,
		    os.availableParallelism());
	});
});

/* A worker is killed under it: what of that, and of the start, is logged? */
for (const [level, info, warn] of [['debug', true, true], ['info', true, true],
	['warn', false, true], ['error', false, false]]) {
	test(`log_level = ${level}`, async () => {
		const dir = tempdir(), sock = path.join(dir, 's');
		const file = path.join(dir, 'roost.conf');
		fs.writeFileSync(file, `log_level = ${level}
listen "unix:${sock}" {}\n${echo}`);
		const c = spawn(roostd, ['-f', '-c', file, '-w', '1'],
		    { stdio: ['ignore', 'pipe', 'pipe'] });
		let log = '';
		c.stderr.on('data', (b) => { log += b; });
		c.stdout.on('data', (b) => { log += b; });
		const d = Object.create(Daemon.prototype, {
			child: { value: c } });
		const served = () => overUnix(sock).then((s) => s === 200,
		    () => false);
		await until(served, 'the first worker');
		const { pid } = d.worker(1);
		process.kill(pid, 'SIGKILL');
		await until(() => (d.worker(1)?.pid ?? pid) !== pid &&
		    served(), 'the second worker');
		const closed = new Promise((ok) => c.on('close', ok));
		c.kill('SIGTERM');
		assert.equal(await within(closed, 'end'), 0);
		assert.equal(/ready workers=/.test(log), info, log);
		assert.equal(/child_died/.test(log), warn, log);
	});
}

/* --- origins -------------------------------------------------------------- */

test('allowed_origins: exact, any port, any first label, everything', async () => {
	const shake = async (d, origin) => {
		const w = await Ws.open(d.port,
		    '/socket.io/?EIO=4&transport=websocket',
		    { headers: { Origin: origin } });
		w.drop();
		return w.response.status === 101;
	};
	await daemon({ conf: `${echo} allowed_origins = {
"https://app.example", "http://localhost:*", "https://*.apps.example" }`,
	}, async (d) => {
		for (const [origin, ok] of [
			['https://app.example', true],
			['https://app.example:443', true],
			['http://app.example', false],
			['http://localhost', true],
			['http://localhost:3000', true],
			['https://localhost:3000', false],
			['https://a.apps.example', true],
			['https://a.b.apps.example', true],
			['https://apps.example', false],
			['https://eapps.example', false],
			['null', false],
		])
			assert.equal(await shake(d, origin), ok, origin);
	});
	await daemon({ conf: `${echo} allowed_origins = {"*"}` }, async (d) => {
		for (const origin of ['https://any.example', 'null', 'file://'])
			assert.equal(await shake(d, origin), true, origin);
	});
});

test('without allowed_origins, TLS takes pages that came over TLS', async () => {
	const shake = async (port, origin, tlsOptions) => {
		const w = await Ws.open(port,
		    '/socket.io/?EIO=4&transport=websocket',
		    { tlsOptions, host: 'a.example',
			headers: { Origin: origin } });
		w.drop();
		return w.response.status;
	};
	await daemon({ conf: `${echo} ${listenTls()}` }, async (d) => {
		const tls = { rejectUnauthorized: false };
		for (const [origin, plain, secure] of [
			['http://a.example', 101, 400],
			['https://a.example', 101, 101],	/* by a proxy */
			['https://b.example', 400, 400],
			['null', 400, 400],
		]) {
			assert.equal(await shake(d.ports[0], origin), plain, origin);
			assert.equal(await shake(d.ports[1], origin, tls), secure,
			    origin);
		}
	});
});

test('allowed_origins: null and file:// let in what has no host', async () => {
	await daemon({ conf: `${echo} allowed_origins = {"null", "file://"}
cors { origins = {"null"} }` }, async (d) => {
		for (const [origin, status, names] of [['null', 200, 'null'],
			['file://', 200], ['file:///', 403],
			['http://127.0.0.1', 403]]) {
			const r = await request(d.port, 'GET',
			    '/socket.io/?EIO=4&transport=polling',
			    { headers: { origin } });
			assert.equal(r.status, status, origin);
			assert.equal(r.headers['access-control-allow-origin'],
			    names, origin);
		}
	});
});

/* --- addresses ------------------------------------------------------------ */

for (const host of ['::1', '127.0.0.1'])
	test(`limits: per_address holds for ${host}`, async () => {
		await daemon({ conf: `listen "*:0" {}
limits { per_address = 2 }\n${echo}`, listen: false }, async (d) => {
			const open = () => new Promise((ok, no) => {
				const s = net.connect({ host, port: d.port }, () =>
					s.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'));
				s.on('error', no);
				s.once('data', (b) => ok([s,
					Number(String(b).split(' ')[1])]));
			});
			const all = [];
			for (const want of [200, 200, 429]) {
				const [s, status] = await within(open(), 'answer');
				all.push(s);
				assert.equal(status, want);
			}
			all.forEach((s) => s.destroy());
		});
	});

/* --- cookies -------------------------------------------------------------- */

for (const [directives, attributes] of [
	['', 'Path=/; HttpOnly; SameSite=Lax'],
	['cookie_path = "/app"', 'Path=/app; HttpOnly; SameSite=Lax'],
	['cookie_same_site = strict', 'Path=/; HttpOnly; SameSite=Strict'],
	['cookie_same_site = none', 'Path=/; HttpOnly; Secure; SameSite=None'],
	['cookie_same_site = lax', 'Path=/; HttpOnly; SameSite=Lax'],
	['cookie_secure = true', 'Path=/; HttpOnly; Secure; SameSite=Lax'],
	['cookie_secure = false', 'Path=/; HttpOnly; SameSite=Lax'],
	['cookie_secure = auto', 'Path=/; HttpOnly; SameSite=Lax'],
	['cookie_max_age = 1h', 'Max-Age=3600; Path=/; HttpOnly; SameSite=Lax'],
]) {
	test(`socketio: cookie with ${directives || 'nothing else'}`, async () => {
		await daemon({ conf: `${echo} socketio { cookie = "io" ${
		    directives} }` }, async (d) => {
			const p = await Polling.open(d.port);
			assert.deepEqual(p.response.headers['set-cookie'],
			    [`io=${p.sid}; ${attributes}`]);
		});
	});
}

/* --- rates, acks, formats ------------------------------------------------- */

for (const [per, mine, second, other] of [
	['connection', true, false, false],
	['user', true, true, false],
	['address', true, true, true],
]) {
	test(`rate: per = ${per}`, async () => {
		await daemon({ conf: `${jwt}
rate "few" { per = ${per} allow = 2/1h }
namespace "/" { event "e" { ack = accepted rate = "few" } }` }, async (d) => {
			const auth = (id) => ({ auth: { token: user(id) } });
			const a = await connect(d, '/', auth('a'));
			const again = await connect(d, '/', auth('a'));
			const b = await connect(d, '/', auth('b'));
			const limited = async (s) =>
				codeOf(await ask(s, 'e', 1)) === 'rate_limited';
			assert.equal(await limited(a), false);
			assert.equal(await limited(a), false);
			assert.deepEqual([await limited(a), await limited(again),
				await limited(b)], [mine, second, other]);
			for (const s of [a, again, b])
				s.close();
		});
	});
}

test('event: ack = none, and format = envelope', async () => {
	await daemon({ conf: `
namespace "/" { auth = none
    event "quiet" { to = sender meta = off ack = none }
    event "loud" { ack = accepted } }
route "/door" { namespace = "/" format = envelope }` }, async (d) => {
		const w = await plain(d, '/door');
		w.send('{"event":"quiet","data":1,"id":70}');
		const after = await w.ask('loud', 2);
		assert.ok('ack' in after && !('error' in after));
		assert.deepEqual(w.got.filter((m) => m.event === 'quiet'),
		    [{ event: 'quiet', data: 1 }]);
		assert.ok(!w.got.some((m) => m.ack === 70), JSON.stringify(w.got));
		w.close();
	});
});

test('limits: message_bytes from one byte on', async () => {
	await daemon({ conf: `limits { message_bytes = 1B }
namespace "/" { auth = none }\n` }, async (d) => {
		const p = await Polling.open(d.port);
		assert.equal(p.open.maxPayload, 1);
		assert.equal((await p.post('3')).status, 200);
		assert.equal((await p.post('40')).status, 413);
		const w = await Ws.must(d.port,
		    '/socket.io/?EIO=4&transport=websocket');
		await w.next('open');
		w.text('3');
		await w.alive();
		w.text('40');
		assert.equal((await w.closed()).code, 1009);
	});
});

/* --- shm ------------------------------------------------------------------ */

test('shm: the smallest tables still serve, and say what did not fit', async () => {
	const crypto = await import('node:crypto');
	const sha = crypto.createHash('sha256').update('key').digest('hex');
	await daemon({ conf: `${jwt}
shm { users = 64 rooms = 64 rates = 64 publish_ids = 64 }
api { key "k" { sha256 = "${sha}" allow = {"publish"} } }
namespace "/" { presence = query room "{r}" { join = open }
    event "e" { ack = accepted } }` }, async (d) => {
		const s = await connect(d, '/', { auth: { token: user('u') } });
		assert.ok(!codeOf(await ask(s, 'room:join', { room: 'r' })));
		const post = (id) => fetch(d.url('/api/v1/publish'), {
			method: 'POST', headers: { authorization: 'Bearer key',
				'content-type': 'application/json' },
			body: JSON.stringify({ namespace: '', room: 'r',
				event: 'x', data: id, id: `id-${id}` }) });
		for (let i = 0; i < 200; i++)
			assert.equal((await post(i)).status, 200);
		await d.counts('api_ids_forgotten', (n) => n > 0);
		await until(() => s.got.filter((a) => a[0] === 'x').length === 200,
		    'all publications');
		s.close();
	});
});
