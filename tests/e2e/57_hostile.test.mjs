/*
 * What answers is no Redis, or means harm: nonsense without end, promises of
 * much, answers to nothing, connections that end at once; and a Sentinel that
 * moves the master all the time.  Clients are served throughout, the relay
 * neither grows nor turns without end, and is back when Redis is.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, deaths, sanitized, sleep, slow, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { held } from './lib/held.mjs';
import { connected, health } from './lib/hosts.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { Liar } from './lib/sentinel.mjs';
import { RELAY, Shortage } from './lib/shortage.mjs';

const MB = 1 << 20;
const namespace = `
namespace "/feed" { auth = none
    room "r:{id}" { join = open }
    event "say" { to = room:room self = true ack = delivered } }
`;

/* In front of Redis: hands on what is said, or says something else. */
class Impostor {
	static async open(to) {
		const h = new Impostor();
		h.path = path.join(tempdir(), 'impostor.sock');
		h.connections = 0;
		h.harm = undefined;	/* (socket, of what connection) */
		h.at = 'greeted';	/* or "once": before anything is said */
		h.open = new Map();	/* sockets, and what they are for */
		h.server = net.createServer((near) => {
			h.connections++;
			near.on('error', () => {});
			h.open.set(near, '');
			near.on('close', () => h.open.delete(near));
			if (h.harm !== undefined && h.at === 'once') {
				h.harm(near);
				near.resume();
				return;
			}
			const far = net.connect(to);
			far.on('error', () => {});
			far.on('close', () => near.destroy());
			near.on('close', () => far.destroy());
			near.on('data', (b) => {
				const is = b.toString('latin1').match(
				    /roostd-(\w+)/)?.[1];
				if (is)
					h.open.set(near, is);
				far.write(b);
			});
			far.on('data', (b) => {
				if (near.destroyed)
					return;
				near.write(b);
				/* the last word of the greeting */
				if (h.harm !== undefined && !near.harmed &&
				    /PONG/.test(b.toString('latin1'))) {
					near.harmed = true;
					far.removeAllListeners('data');
					h.harm(near, h.open.get(near));
				}
			});
		});
		await new Promise((ok) => h.server.listen(h.path, ok));
		return h;
	}
	/* From now on; those that are there end. */
	start(harm, at = 'greeted') {
		this.harm = harm;
		this.at = at;
		for (const s of this.open.keys())
			s.destroy();
	}
	stop() { this.start(undefined); }
	close() {
		this.server.close();
		this.stop();
	}
}

/* As fast as it is taken, as long as the other end is there. */
function flood(s, bytes) {
	const more = () => {
		if (!s.destroyed && s.write(bytes))
			setImmediate(more);
	};
	s.on('drain', more);
	more();
}
function drip(s, bytes) {
	let i = 0;
	const timer = setInterval(() => {
		if (s.destroyed)
			clearInterval(timer);
		else
			s.write(bytes.subarray(i, ++i));
		if (i === bytes.length)
			i = 0;
	}, 1);
}
const text = (s) => Buffer.from(s, 'latin1');

/* of the relay: bytes, and seconds of CPU. */
function cost(d) {
	const { pid } = d.relay();
	const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
	const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
	const [utime, stime] = stat.slice(stat.lastIndexOf(')') + 2)
	    .split(' ').slice(11, 13).map(Number);
	return { pid, rss: Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024,
		cpu: (utime + stime) / 100 };
}

let redis, impostor;
before(async () => {
	redis = await Redis.start();
	impostor = await Impostor.open(redis.path);
});
after(async () => {
	impostor.close();
	await redis.kill();
});
/* A daemon that is connected, so that it has not waited long for Redis yet;
 * run(d, served): served(ms) is that local messages arrive, each soon. */
async function withDaemon(run) {
	const d = await Daemon.start({ workers: 1, conf: `
redis { url = "unix:${impostor.path}" }
${namespace}` });
	const all = [];
	let said = 0;
	const served = async (ms) => {
		const [a, b] = all, end = Date.now() + ms;
		do {
			const i = ++said, begin = Date.now();
			await ask(a, 'say', { room: 'r:1', i });
			await until(() => gotten(b, 'say').at(-1)?.[0].i === i,
			    'the message');
			assert.ok(Date.now() - begin < 1000 * slow,
			    `${Date.now() - begin} ms`);
			await sleep(20);
		} while (Date.now() < end);
	};
	try {
		await connected(d);
		for (let i = 0; i < 2; i++) {
			all.push(await connect(d, '/feed'));
			await ask(all[i], 'room:join', { room: 'r:1' });
		}
		await run(d, served);
		impostor.stop();
		await connected(d);
		await served(0);
	} finally {
		impostor.stop();
		for (const s of all)
			s.close();
		await d.stop();
	}
}

const nest = text('*1\r\n'.repeat(1 << 16));
const harms = [
	['lists in lists', (s) => flood(s, nest)],
	['a map of 2^32 - 1', (s) => s.write('%4294967295\r\n')],
	['maps in maps of 2^32 - 1', (s) =>
		flood(s, text('%4294967295\r\n'.repeat(1000)))],
	['a list of 2^31 - 1', (s) => s.write('*2147483647\r\n')],
	['a list of 2^63', (s) => s.write('*9223372036854775808\r\n')],
	['a list of less than none', (s) => s.write('*-2\r\n')],
	['a push of 2^31', (s) => s.write('>2147483648\r\n')],
	['a string of 2^40', (s) => {
		s.write('*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1099511627776\r\n');
		flood(s, Buffer.alloc(MB, 'x'));
	}],
	['a string of less than none', (s) => s.write('$-2\r\n')],
	['a line without end', (s) => flood(s, Buffer.alloc(MB, '+'))],
	['an error without end', (s) => {
		s.write('-ERR ');
		flood(s, Buffer.alloc(MB, 'x'));
	}],
	['HTTP', (s) => s.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
	['zeros', (s) => flood(s, Buffer.alloc(MB))],
	['chance', (s) => flood(s, crypto.randomBytes(65536))],
	['answers to no question', (s) => flood(s, text(':1\r\n'.repeat(10000))),
	    'may stay'],
	['+OK to no question', (s) => flood(s, text('+OK\r\n'.repeat(10000))),
	    'may stay'],
	['errors to no question', (s) =>
		flood(s, text('-ERR no\r\n'.repeat(10000)))],
	['messages of channels that nobody asked for', (s) => flood(s, text(
	    '*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$1\r\nx\r\n'.repeat(5000))),
	'may stay'],
	['a list of one text', (s) => s.write('*1\r\n$3\r\nfoo\r\n'.repeat(9))],
	['a byte at a time', (s) => drip(s, text('+' + 'x'.repeat(100000))),
	    'may stay'],
	['an end at once', (s) => s.destroy()],
];
for (const [what, harm, stays] of harms)
	test(`${what}: served as ever, and back`, (t) => withDaemon(
	    async (d, served) => {
		const was = cost(d), connections = impostor.connections;
		const begin = Date.now();
		let harmed = 0;
		impostor.start((s, name) => {
			harmed++;
			harm(s, name);
		});
		await Promise.all([served(2500), until(() => harmed >= 2,
		    'both connections to meet it'),
		stays ? undefined : connected(d, false)]);
		const now = cost(d), s = (Date.now() - begin) / 1000;
		const made = impostor.connections - connections;
		t.diagnostic(`${made} connections, ${
			((now.rss - was.rss) / MB).toFixed(1)} MB more, ${
			((now.cpu - was.cpu) / s * 100).toFixed(0)} % CPU`);
		assert.equal(now.pid, was.pid);
		/* 50 ms, 100 ms, ... for each of two connections */
		assert.ok(made <= 40, `${made} connections`);
		if (!sanitized)
			assert.ok(now.rss - was.rss < 160 * MB);
	}));

test('an end before the greeting, for a while: later and later',
(t) => withDaemon(async (d, served) => {
	const begin = impostor.connections;
	const failures = await d.metric('redis_failures');
	impostor.start((s) => s.destroy(), 'once');
	await served(6000);
	const made = impostor.connections - begin;
	t.diagnostic(`${made} connections in 6 s`);
	assert.ok(made >= 4 && made <= 40, `${made} connections`);
	await d.counts('redis_failures', (n) => n > failures);
}));

test('HUP again and again while it is connected: nothing stays behind',
async () => {
	const dir = tempdir(), file = `${dir}/password`;
	const own = await Redis.start({ args: ['--requirepass', 'right'] });
	const between = await Impostor.open(own.path);
	fs.writeFileSync(file, 'right\n');
	const one = await Daemon.start({ workers: 1, conf: `
redis { url = "unix:${between.path}" password_file = "${file}" }
${namespace}` });
	try {
		await connected(one);
		const fds = () => held(one.relay().pid);
		const n = fds();
		/* a file that is right, wrong, empty, not there */
		for (let i = 0; i < 60; i++) {
			if (i % 4 === 3)
				fs.rmSync(file, { force: true });
			else
				fs.writeFileSync(file,
				    ['right\n', 'wrong\n', ''][i % 4]);
			one.child.kill('SIGHUP');
			if (i % 3 === 0)
				between.start(i % 2 ? (s) => s.destroy() :
				    undefined);
			await sleep(i % 5 * 15);
		}
		fs.writeFileSync(file, 'right\n');
		between.stop();
		await connected(one);
		one.child.kill('SIGHUP');
		await until(async () => await one.metric('redis_renewals') > 0,
		    'the password told');
		await connected(one);
		await until(() => fds() <= n + 1,
		    () => `no more descriptors: ${fds()}, ${n} before`);
		const s = await connect(one, '/feed');
		const c = await own.client();
		await c.do('AUTH', 'right');
		await c.do('PUBLISH', 'roost:publish',
		    '{"namespace":"feed","event":"there"}');
		await heard(s, 'there');
		s.close();
		c.close();
	} finally {
		await one.stop();
		between.close();
		await own.kill();
	}
});

test('a Sentinel that moves the master all the time: now and then is enough',
async (t) => {
	const servers = [];
	for (let i = 0; i < 2; i++)
		servers.push(await Redis.start({ port: await freePort() }));
	let epoch = 0;
	const liar = await Liar.start({});
	/* another at each question, and a word of it as often as it can be */
	Object.defineProperty(liar, 'says', { get: () => ({ host: '127.0.0.1',
		port: servers[++epoch % 2].port, epoch }) });
	const one = await Daemon.start({ workers: 1, conf: `
redis { sentinels = {"127.0.0.1:${liar.port}"} master = "m" }
${namespace}` });
	try {
		const s = await connect(one, '/feed');
		await ask(s, 'room:join', { room: 'r:1' });
		await until(() => liar.asked > 0, 'a question');
		const was = cost(one), asked = liar.asked;
		const begin = Date.now();
		const switches = await one.metric('redis_switches');
		liar.flood('m 127.0.0.1 1 127.0.0.1 2');
		for (let i = 0; Date.now() < begin + 5000; i++) {
			await ask(s, 'say', { room: 'r:1', i });
			await sleep(50);
		}
		const n = await one.metric('redis_switches') - switches;
		const time = (Date.now() - begin) / 1000;
		t.diagnostic(`${liar.asked - asked} questions, ${n} switches, ${
			((cost(one).cpu - was.cpu) / time * 100).toFixed(0)
		} % CPU`);
		assert.ok(n <= time * 1.5 + 1, `${n} switches`);
		assert.ok(liar.asked - asked <= time * 6 + 2,
		    `${liar.asked - asked} questions`);
		s.close();
	} finally {
		await one.stop();
		await liar.kill();
		for (const r of servers)
			await r.kill();
	}
});

/* a sanitizer has a malloc of its own */
if (!sanitized)
	test('every n-th allocation fails while all of them come and go',
	async () => {
		const shortage = new Shortage();
		const server = await Redis.start({ port: await freePort(),
			args: ['--requirepass', 'right'] });
		const liar = await Liar.start({ host: '127.0.0.1',
			port: server.port, epoch: 1 });
		const file = path.join(tempdir(), 'password');
		fs.writeFileSync(file, 'right');
		/* a name, so that it is resolved */
		const one = await Daemon.start({ workers: 1,
			env: shortage.env, conf: `
redis { sentinels = {"localhost:${liar.port}", "127.0.0.1:${liar.port}"}
    master = "m" password_file = "${file}" }
${namespace}` });
		const c = await server.client();
		await c.do('AUTH', 'right');
		try {
			await connected(one);
			const s = await connect(one, '/feed');
			for (const n of [7, 2, 5, 1, 3, 4]) {
				shortage.every(n, RELAY);
				for (let i = 0; i < 6; i++) {
					await c.do('CLIENT', 'KILL', 'TYPE',
					    ['normal', 'pubsub'][i % 2],
					    'SKIPME', 'yes');
					if (i % 3 === 0)
						liar.drop();
					one.child.kill('SIGHUP');
					await c.do('PUBLISH', 'roost:publish',
					    '{"namespace":"feed","event":"x"}');
					await ask(s, 'room:join',
					    { room: `r:${n}${i}` });
					await sleep(60);
				}
				shortage.every(0, 0);
				await until(async () => {
					await c.do('PUBLISH', 'roost:publish',
					    JSON.stringify({ namespace: 'feed',
						event: `after${n}` }));
					return gotten(s, `after${n}`).length > 0;
				}, 'service as before', 20000);
				await connected(one);
			}
			assert.ok(shortage.failed > 10,
			    `${shortage.failed} failed`);
			assert.doesNotMatch(one.log, deaths);
			s.close();
		} finally {
			shortage.every(0, 0);
			await one.stop();
			c.close();
			await liar.kill();
			await server.kill();
		}
	});

test('what a Sentinel calls a host is one, or is not believed', async () => {
	const server = await Redis.start({ port: await freePort() });
	const liar = await Liar.start({ host: '127.0.0.1\nforged level=err',
		port: server.port, epoch: 1 });
	const one = await Daemon.start({ workers: 1, conf: `
redis { sentinels = {"127.0.0.1:${liar.port}"} master = "m" }
${namespace}` });
	try {
		for (const host of [undefined, '127.0.0.1 x="y"', '', '\x1b[2J',
			'a'.repeat(300), '/etc/passwd', '-x\0']) {
			if (host !== undefined)
				liar.says = { ...liar.says, host };
			const { asked } = liar;
			await until(() => liar.asked >= asked + 2, 'a question',
			    20000);
			assert.equal((await health(one)).redis.connected, false);
		}
		await until(async () => /no Sentinel/
		    .test((await health(one)).reason), 'the reason');
		liar.says = { ...liar.says, host: '127.0.0.1' };
		await connected(one);
		assert.doesNotMatch(one.log, /forged|\x1b|x="y"/);
	} finally {
		await one.stop();
		await liar.kill();
		await server.kill();
	}
});
