/*
 * Redis: what back ends publish there reaches clients, and whatever happens to
 * it, clients here are served.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import {
	Daemon, halt, run, sleep, slow, tempdir, until,
} from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { connected, health } from './lib/hosts.mjs';
import { certificate, distant, freePort, Redis } from './lib/redis.mjs';
import { echo } from './lib/conf.mjs';

const conf = (url, more = '') => `
redis { url = "${url}" ${more} }
limits { message_bytes = 100KB }
namespace "/feed" { auth = none
    room "r:{id}" { join = open }
    event "say" { to = room:room self = true ack = delivered } }
${echo}`;
const why = (d, text, ms) => until(async () => {
	const h = await health(d);
	return h.status === 'degraded' && h.reason?.includes(text);
}, `/health to say ${text}`, ms);
/* The log comes by a pipe: later, perhaps, than what else tells of the same. */
const logged = (d, what, n = 1, ms = 5000) => until(() =>
	(d.log.match(new RegExp(what, 'g'))?.length ?? 0) >= n,
`the log to say ${what}`, ms);
const troubles = (d) => d.log.match(/redis_trouble/g)?.length ?? 0;
const mended = (d) => d.log.match(/redis_connected/g)?.length ?? 0;

/* Local clients are answered, at once, whatever there is with Redis. */
async function alive(d) {
	const a = await connect(d, '/feed'), b = await connect(d, '/feed');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'r:local' });
	const begin = Date.now();
	for (let i = 0; i < 20; i++)
		await ask(a, 'say', { room: 'r:local', i });
	const took = Date.now() - begin;
	await heard(b, 'say', 20);
	assert.deepEqual(gotten(b, 'say').map(([x]) => x.i),
	    [...Array(20).keys()]);
	a.close();
	b.close();
	return took;
}

let redis, d, cli;
before(async () => {
	redis = await Redis.start();
	d = await Daemon.start({ workers: 2, conf: conf(redis.url) });
	cli = await redis.client();
	await connected(d);
});
after(async () => {
	cli.close();
	await d.stop();
	await redis.kill();
});
const publish = (body) => cli.do('PUBLISH', 'roost:publish',
	typeof body === 'string' ? body : JSON.stringify(body));

test('PUBLISH roost:publish reaches clients as POST publish does', async () => {
	const list = [];
	for (let i = 0; i < 4; i++)
		list.push(await connect(d, '/feed'));
	await ask(list[0], 'room:join', { room: 'r:1' });
	await ask(list[3], 'room:join', { room: 'r:1' });
	assert.equal(await publish({ namespace: 'feed', event: 'all',
		data: { n: 1, s: 'ü"\\' } }), 1);
	assert.equal(await publish({ namespace: 'feed', event: 'room',
		room: 'r:1', args: [1, [2]] }), 1);
	assert.equal(await publish({ namespace: 'feed', event: 'one',
		sid: list[1].id, data: 'x' }), 1);
	for (const s of list) {
		const [[data, meta]] = await heard(s, 'all');
		assert.deepEqual(data, { n: 1, s: 'ü"\\' });
		assert.equal(meta.from, null);
		assert.match(meta.id, /./);
	}
	const [[one, two]] = await heard(list[3], 'room');
	assert.deepEqual([one, two], [1, [2]]);
	await heard(list[0], 'room');
	await heard(list[1], 'one');
	await d.counts('redis_publishes', 3);
	assert.equal(gotten(list[2], 'room').length, 0);
	assert.equal(gotten(list[2], 'one').length, 0);
	list.forEach((s) => s.close());
});

test('an id is delivered once, by Redis and HTTP alike', async () => {
	const s = await connect(d, '/feed');
	for (let i = 0; i < 3; i++)
		await publish({ namespace: '/feed', event: 'once', data: i,
			id: 'the-id' });
	await publish({ namespace: '/feed', event: 'end' });
	await heard(s, 'end');
	assert.deepEqual(gotten(s, 'once').map(([v]) => v), [0]);
	await d.counts('api_duplicates', 2);
	s.close();
});

test('what one publisher sends stays in order', async () => {
	const s = await connect(d, '/feed');
	const all = [];
	for (let i = 0; i < 2000; i++)
		all.push(publish({ namespace: 'feed', event: 'n', data: i }));
	await Promise.all(all);
	await heard(s, 'n', 2000, 20000);
	assert.deepEqual(gotten(s, 'n').map(([v]) => v),
	    [...Array(2000).keys()]);
	s.close();
});

test('what is refused is counted, by its code', async () => {
	const code = (c) => d.metric('redis_publishes_refused', `code="${c}"`);
	const was = { bad_request: await code('bad_request'),
		not_found: await code('not_found'),
		too_large: await code('too_large') };
	const bad = ['', '{', 'null', '[]', '"x"', '{"namespace":"feed"}',
	    '{"namespace":"feed","event":"e","odd":1}',
	    '{"namespace":"feed","event":"e","ack":true}',
	    '{"namespace":"feed","event":"connect"}',
	    '{"namespace":"feed","event":"e"} x', '\xff\xfe',
	    '['.repeat(10000)];
	for (const b of bad)
		await publish(b);
	await publish({ namespace: 'no-such', event: 'e' });
	await publish({ namespace: 'feed', event: 'e',
		data: 'x'.repeat(100000) });
	await until(async () => await code('bad_request') ===
	    was.bad_request + bad.length &&
	    await code('not_found') === was.not_found + 1 &&
	    await code('too_large') === was.too_large + 1,
	'the counters of what was refused');
	/* one line a second, with the reason */
	const line = (why) => until(() => d.log.includes(why), why);
	await line('redis_publish_refused code=bad_request ' +
	    'why="the body is not valid JSON" unsaid=0');
	await sleep(1100);	/* another second */
	await publish({ namespace: 'no-such', event: 'e' });
	await line('redis_publish_refused code=not_found ' +
	    `why="no such namespace" unsaid=${bad.length}`);
	await sleep(1100);	/* another second */
	await publish({ namespace: 'feed', event: 'e', 'a"b c': 1 });
	await line('why="a member is not known: ');
	assert.ok(d.log.match(/redis_publish_refused code/g).length < 9);
	/* and the next one is served */
	const s = await connect(d, '/feed');
	await publish({ namespace: 'feed', event: 'after' });
	await heard(s, 'after');
	s.close();
});

test('many messages leave and arrive by few calls', async () => {
	const begin = Date.now();
	const writes = await d.metric('redis_writes');
	const messages = await d.metric('redis_messages');
	const s = await connect(d, '/feed');
	for (let i = 0; i < 200; i++)
		await publish({ namespace: 'feed', event: 'few', data: i });
	await heard(s, 'few', 200);
	await d.counts('redis_messages', (n) => n >= messages + 200);
	/* listening takes no writes but those of heartbeats */
	const seconds = (Date.now() - begin) / 1000;
	await d.counts('redis_writes', (n) => n - writes < 100 + 5 * seconds);
	s.close();
});

test('killed and restarted: one line at the begin, one at the end',
async () => {
	const [began, ended] = [troubles(d), mended(d)];
	const gaps = await d.metric('redis_gaps');
	cli.close();
	await redis.kill();
	await why(d, 'Redis');
	assert.equal((await fetch(d.url('/livez'))).status, 200);
	assert.equal((await fetch(d.url('/readyz'))).status, 200);
	assert.ok(await alive(d) < 4000 * slow);
	await d.counts('redis_connected', 0);
	await d.counts('redis_state', (n) => n > 2);
	await redis.again();
	await connected(d);
	cli = await redis.client();
	const s = await connect(d, '/feed');
	await publish({ namespace: 'feed', event: 'back' });
	await heard(s, 'back');
	s.close();
	await logged(d, 'redis_connected', ended + 1);
	assert.equal(troubles(d), began + 1);
	assert.equal(mended(d), ended + 1);
	await d.counts('redis_gaps', gaps + 1);
	await until(async () => (await health(d)).status === 'healthy', 'health');
});

test('stopped by SIGSTOP: found within 10 s, and back by itself', async () => {
	redis.signal('SIGSTOP');
	const begin = Date.now();
	const serving = alive(d);
	await why(d, 'Redis', 15000);
	/* 10 s, and what a busy machine adds to it */
	const took = Date.now() - begin;
	assert.ok(took <= 10000 + 2000 * slow, `${took} ms`);
	await serving;
	await alive(d);
	redis.signal('SIGCONT');
	await connected(d);
	const s = await connect(d, '/feed');
	await publish({ namespace: 'feed', event: 'awake' });
	await heard(s, 'awake');
	s.close();
});

test('the relay killed: sessions stay, and it listens again', async () => {
	const s = await connect(d, '/feed');
	d.mayDie = true;
	const { pid } = d.relay();
	process.kill(pid, 'SIGKILL');
	await until(() => (d.relay()?.pid ?? pid) !== pid, 'another relay');
	/* what Redis and the counters say may be of the dead one yet */
	await until(async () => {
		await publish({ namespace: 'feed', event: 'still' });
		return gotten(s, 'still').length > 0;
	}, 'its subscription', 15000);
	await connected(d);
	assert.ok(s.connected);
	s.close();
});

test('our names in Redis: a client for each connection', async () => {
	let list;
	/* of the dead relay's it may have to hear yet */
	await until(async () => {
		list = await cli.do('CLIENT', 'LIST');
		return list.match(/name=roostd-/g)?.length === 2;
	}, 'two clients');
	assert.match(list, /name=roostd-commands/);
	assert.match(list, /name=roostd-subscriber/);
});

/* --- daemons of their own -------------------------------------------------- */

/* A daemon with this section, its work, and the end of both. */
async function withDaemon(text, work, opts = {}) {
	const one = await Daemon.start({ conf: text, ...opts });
	try {
		await work(one);
	} finally {
		await one.stop();
	}
}

test('down at start: served at once, connected when it comes', async () => {
	const dir = tempdir();
	await withDaemon(conf(`unix:${dir}/redis.sock`), async (one) => {
		await why(one, 'cannot be reached');
		await alive(one);
		await logged(one, 'redis_trouble');
		const late = await Redis.start({ dir });
		try {
			await connected(one);
			await logged(one, 'redis_connected');
			assert.equal(troubles(one), 1);
			assert.equal(mended(one), 1);
		} finally {
			await late.kill();
		}
	});
});

test('password: wrong, then right in password_file, without a restart',
async () => {
	const port = await freePort();
	const dir = tempdir(), file = `${dir}/password`;
	const own = await Redis.start({ port,
		args: ['--requirepass', 'the right one'] });
	fs.writeFileSync(file, 'the wrong one\n');
	try {
		await withDaemon(conf(`redis://127.0.0.1:${port}`,
		    `password_file = "${file}"`), async (one) => {
			await why(one, 'password');
			await alive(one);
			assert.equal((await health(one)).redis.connected,
			    false);
			fs.writeFileSync(file, 'the right one\n');
			await connected(one);
			assert.ok(!one.log.includes('the right one'));
			assert.ok(!one.log.includes('the wrong one'));
		});
		/* a name instead of an address; in the URL, escaped */
		await withDaemon(
		    conf(`valkey://:the%20right%20one@localhost:${port}`),
		    (one) => connected(one));
		await withDaemon(conf(`redis://127.0.0.1:${port}`),
		    (one) => why(one, 'password'));
	} finally {
		await own.kill();
	}
});

test('an ACL user with just what the manual lists', async () => {
	const own = await Redis.start();
	const admin = await own.client();
	/* a pattern is allowed where it stands as it is */
	const servers = ['/feed', '/echo', '/'].flatMap((n) => [
		`&socket.io#${n}#*`, `&socket.io-request#${n}#`,
		`&socket.io-response#${n}#`]);
	try {
		await admin.do('ACL', 'SETUSER', 'roostd', 'on', '>pw',
		    'resetchannels', '&roost:*', ...servers, '-@all', '+ping',
		    '+publish', '+subscribe', '+unsubscribe', '+psubscribe',
		    '+punsubscribe');
		await withDaemon(conf(`unix://roostd:pw@${own.path}`),
		    async (one) => {
			await connected(one);
			const s = await connect(one, '/feed');
			await admin.do('PUBLISH', 'roost:publish',
			    '{"namespace":"feed","event":"acl"}');
			await heard(s, 'acl');
			s.close();
		});
		/* one channel less: its name is in the log */
		await admin.do('ACL', 'SETUSER', 'roostd', 'resetchannels',
		    '&roost:pulse:*', ...servers);
		await withDaemon(conf(`unix://roostd:pw@${own.path}`),
		    async (one) => {
			await why(one, 'denies');
			await logged(one,
			    'redis_trouble.*roost:(publish|revocations|asks|answers:).*NOPERM');
			await alive(one);
			await admin.do('ACL', 'SETUSER', 'roostd',
			    'allchannels');
			await connected(one);
		});
	} finally {
		admin.close();
		await own.kill();
	}
});

test('the id that the log tells is the one in Redis', async () => {
	const own = await Redis.start();
	const admin = await own.client();
	try {
		await withDaemon('namespace "/q" { auth = none presence = query }\n' +
		    `redis { url = "unix:${own.path}" }\n`, async (one) => {
			const [, id] = one.log.match(
			    /ready workers=\d+ relay=1 node=([0-9a-f]{16})\n/);
			await until(async () => (await admin.do('HKEYS',
			    'roost:nodes')).includes(id), 'our id');
		});
	} finally {
		admin.close();
		await own.kill();
	}
});

test('commands that are denied are named, each once', async () => {
	const own = await Redis.start();
	const admin = await own.client();
	const lines = (d, name) => d.log.match(new RegExp(
	    `redis_denied command=${name} said="NOPERM`, 'g'))?.length ?? 0;
	try {
		await admin.do('ACL', 'SETUSER', 'roostd', 'on', '>pw', '~*',
		    '&*', '+@all', '-hkeys', '-set');
		await withDaemon('redis { socketio_prefix = "" url = ' +
		    `"unix://roostd:pw@${own.path}" }\n` +
		    'namespace "/q" { auth = none presence = query }\n',
		async (one) => {
			await until(() => lines(one, 'HKEYS') === 1 &&
			    lines(one, 'SET') === 1, 'both to be named');
			const errors = await one.metric('redis_errors');
			await until(async () => await one.metric(
			    'redis_errors') > errors + 2, 'more errors', 20000);
			await admin.do('CLIENT', 'KILL', 'USER', 'roostd');
			await until(() => lines(one, 'HKEYS') === 2 &&
			    lines(one, 'SET') === 2, 'both once more');
		});
	} finally {
		admin.close();
		await own.kill();
	}
});

test('a database, and a prefix', async () => {
	const own = await Redis.start();
	const admin = await own.client();
	try {
		await withDaemon(conf(`unix:${own.path}?db=3`,
		    'prefix = "app7:"'), async (one) => {
			await connected(one);
			assert.match(await admin.do('CLIENT', 'LIST'),
			    / db=3 /);
			const s = await connect(one, '/feed');
			assert.equal(await admin.do('PUBLISH', 'roost:publish',
			    '{}'), 0);
			assert.equal(await admin.do('PUBLISH', 'app7:publish',
			    '{"namespace":"feed","event":"own"}'), 1);
			await heard(s, 'own');
			s.close();
		});
		await withDaemon(conf(`unix:${own.path}?db=1000`),
		    (one) => why(one, 'errors'));
	} finally {
		admin.close();
		await own.kill();
	}
});

test('TLS: authority, name and client certificate are verified', async () => {
	const dir = tempdir(), port = await freePort();
	const ca = certificate(dir, 'authority');
	const other = certificate(dir, 'another');
	const server = certificate(dir, 'localhost', ca);
	const client = certificate(dir, 'client', ca);
	const own = await Redis.start({ tls: ['--tls-port', String(port),
	    '--tls-cert-file', server.cert, '--tls-key-file', server.key,
	    '--tls-ca-cert-file', ca.cert, '--tls-auth-clients', 'yes'] });
	const url = `rediss://localhost:${port}`;
	const mine = `certificate = "${client.cert}" key = "${client.key}"`;
	const admin = await own.client();
	try {
		await withDaemon(conf(url, `ca = "${ca.cert}" ${mine}`),
		    async (one) => {
			await connected(one);
			const s = await connect(one, '/feed');
			const big = 'y'.repeat(90000);
			await admin.do('PUBLISH', 'roost:publish',
			    JSON.stringify({ namespace: 'feed', event: 'tls',
				data: big }));
			assert.equal((await heard(s, 'tls'))[0][0], big);
			s.close();
			/* the same, after another start of Redis */
			await own.kill();
			await why(one, 'Redis');
			await own.again();
			await connected(one);
		});
		await withDaemon(conf(url, `ca = "${other.cert}" ${mine}`),
		    async (one) => {
			await why(one, 'TLS');
			await logged(one, 'redis_trouble.*certificate');
			await alive(one);
		});
		/* an address is no name of the certificate's, unless told */
		const numeric = `rediss://127.0.0.1:${port}`;
		await withDaemon(conf(numeric, `ca = "${ca.cert}" ${mine}`),
		    (one) => why(one, 'TLS'));
		await withDaemon(conf(numeric, `ca = "${ca.cert}" ${mine}
		    server_name = "localhost"`), (one) => connected(one));
		/* no client certificate: refused by the server */
		await withDaemon(conf(url, `ca = "${ca.cert}"`),
		    async (one) => {
			await why(one, 'TLS with Redis fails');
			await until(async () => await one.metric(
			    'redis_failures') > 4, 'more attempts', 30000);
			assert.equal(troubles(one), one.log.match(
			    /why="TLS with Redis fails" said=.*certificate/g)
			    .length, one.log);
		});
		/* no TLS to a port that speaks it, and the reverse */
		await withDaemon(conf(`redis://localhost:${port}`),
		    (one) => why(one, 'Redis'));
	} finally {
		admin.close();
		await own.kill();
	}
});

test('no worker is there to take it: counted', async () => {
	const own = await Redis.start();
	const admin = await own.client();
	try {
		await withDaemon(conf(own.url), async (one) => {
			await connected(one);
			one.mayDie = true;
			const { pid } = one.worker(1);
			await halt(one.pid);	/* nobody makes another one */
			process.kill(pid, 'SIGKILL');
			await until(() => !one.worker(1), 'its end');
			for (let i = 0; i < 50; i++) {
				await admin.do('PUBLISH', 'roost:publish',
				    '{"namespace":"feed","event":"e"}');
				await sleep(10);	/* a pace */
			}
			process.kill(one.pid, 'SIGCONT');
			await until(() => (one.worker(1)?.pid ?? pid) !== pid,
			    'another worker');
			await until(async () => await one.metric(
			    'redis_publishes_refused', 'code="unavailable"')
			    > 0, 'the count');
		});
	} finally {
		admin.close();
		await own.kill();
	}
});

test('thrown out for its output buffer: a gap, and back', async () => {
	const own = await Redis.start({ args: ['--client-output-buffer-limit',
	    'pubsub 64kb 64kb 1'] });
	const admin = await own.client();
	try {
		await withDaemon(conf(own.url), async (one) => {
			await connected(one);
			const { pid } = one.relay();
			process.kill(pid, 'SIGSTOP');
			const big = JSON.stringify({ namespace: 'feed',
				event: 'big', data: 'x'.repeat(50000) });
			for (let i = 0; i < 200; i++)
				await admin.do('PUBLISH', 'roost:publish', big);
			process.kill(pid, 'SIGCONT');
			await until(async () =>
			    await one.metric('redis_gaps') === 1, 'the gap',
			15000);
			await connected(one);
		});
	} finally {
		admin.close();
		await own.kill();
	}
});

test('two that are not one: our heartbeat does not come back', async () => {
	const own = await Redis.start(), other = await Redis.start();
	const far = await distant([own.path, other.path], 0);
	try {
		await withDaemon(conf(`unix:${far.path}`), async (one) => {
			await connected(one);
			await logged(one, 'redis_trouble.*heartbeat', 1, 20000);
			/* the third connection meets the first */
			await connected(one);
			await one.counts('redis_gaps', 1);
		});
	} finally {
		far.close();
		await own.kill();
		await other.kill();
	}
});

test('rooms that come all the time: our heartbeat is not missed', async () => {
	const own = await Redis.start();
	const far = await distant([own.path], 300);
	try {
		await withDaemon(conf(`unix:${far.path}`), async (one) => {
			await connected(one);
			const s = await connect(one, '/feed');
			/* there is always a channel asked for, not answered */
			const end = Date.now() + 11000;
			for (let i = 0; Date.now() < end; i++) {
				await ask(s, 'room:join', { room: `r:${i}` });
				await ask(s, 'room:leave', { room: `r:${i}` });
				await sleep(50);	/* a pace */
			}
			await sleep(3000);	/* beats that find it quiet */
			await one.counts('redis_gaps', 0);
			assert.equal(troubles(one), 0);
			s.close();
		});
	} finally {
		far.close();
		await own.kill();
	}
});

test('-t and -n: errors name the line, the password is not shown',
async () => {
	const dir = tempdir(), file = `${dir}/r.conf`;
	fs.writeFileSync(file, 'redis {\n    url = "http://x"\n}\n');
	let r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	assert.match(r.err, /r\.conf:2: redis: url: must start with/);
	fs.writeFileSync(file, 'redis { url = "redis://u:hidden@h/1" }\n');
	r = await run(['-n', '-c', file]);
	assert.equal(r.code, 0);
	assert.match(r.out, /url = "redis:\/\/u:\.\.\.@h\/1"/);
	assert.ok(!r.out.includes('hidden'));
	/* files that the relay reads: at a test they have to be there */
	const name = (what) => `${dir}/${what}`;
	const bad = async (what, text, words) => {
		if (text !== null)
			fs.writeFileSync(name(what), text);
		fs.writeFileSync(file, `redis { url = "rediss://h" ${what} = "${
			name(what)}" ${what === 'certificate' ?
			`key = "${name('none')}"` : ''}${
			what === 'sentinel_password_file' ?
			'sentinels = { "s" } master = "m"' : ''} }\n`);
		r = await run(['-t', '-c', file]);
		assert.equal(r.code, 1, what);
		assert.match(r.err, words);
	};
	for (const what of ['password_file', 'sentinel_password_file',
		'secret_file', 'ca', 'certificate']) {
		await bad(what, null, new RegExp(`redis: ${what} ".*": No such`));
		await bad(what, '', new RegExp(`redis: ${what} ".*": .*empty`));
	}
	await bad('password_file', 'x'.repeat(1024), /more than 1023 bytes/);
	await bad('secret_file', 'x\n', /a secret has less than 16 bytes/);
	fs.writeFileSync(name('password_file'), 'x\n');
	fs.writeFileSync(name('secret_file'), '0123456789abcdef\n');
	fs.writeFileSync(file, `redis { url = "redis://h" password_file = "${
		name('password_file')}" secret_file = "${
		name('secret_file')}" }\n`);
	r = await run(['-t', '-c', file]);
	assert.equal(r.code, 0, r.err);
	r = await run(['-n', '-c', '/dev/null'],
	    { env: { REDIS_URL: 'redis://from-env:7' } });
	assert.match(r.out, /url = "redis:\/\/from-env:7"/);
});

test('in the background: its files are where it was started', async () => {
	const own = await Redis.start({ args: ['--requirepass', 'pw'] });
	const dir = tempdir();
	fs.writeFileSync(`${dir}/pw`, 'pw\n');
	fs.writeFileSync(`${dir}/secret`, '0123456789abcdef\n');
	const port = await freePort();
	fs.writeFileSync(`${dir}/c`, `pidfile = "pid"
listen "127.0.0.1:${port}" {}
redis { url = "unix:${own.path}" password_file = "pw"
    secret_file = "secret" }\n${echo}`);
	const r = await run(['-c', 'c', '-w', '1'], { cwd: dir });
	assert.equal(r.code, 0, r.err);
	const pid = Number(fs.readFileSync(`${dir}/pid`, 'utf8'));
	try {
		const metric = async (name) => Number((await (await fetch(
		    `http://127.0.0.1:${port}/metrics`)).text())
		    .match(new RegExp(`^roost_${name} (\\d+)`, 'm'))[1]);
		await until(async () => await metric('redis_connected') === 1,
		    'Redis to be connected');
	} finally {
		process.kill(pid, 'SIGTERM');
	}
	await until(() => !fs.existsSync(`${dir}/pid`), 'its end', 15000);
	await own.kill();
});

test('without redis: /health says so, and nothing is missing', async () => {
	await withDaemon(echo, async (one) => {
		const h = await health(one);
		assert.equal(h.status, 'healthy');
		assert.deepEqual(h.redis,
		    { connected: false, configured: false });
		await one.counts('redis_failures', 0);
	});
});
