/*
 * Back ends that are told over HTTP: the entries of streams in signed batches,
 * in order, again until they are taken.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Backend, SECRET, verify } from './lib/backend.mjs';
import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, heard } from './lib/clients.mjs';
import { jwt, ownCertificate } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { checkNumbers, follow } from './lib/streams.mjs';
import { user } from './lib/token.mjs';

const hook = (url, more = '', timeout = '10s') => `
hook "back" { url = "${url}"  secret = "${SECRET}"  allow_private = true
    timeout = ${timeout}  ${more} }
`;
const rules = `
${jwt}
namespace "/app" { auth = optional  hook = "back"
    room "r:{id}" { join = open }
    event "say" { to = room:room  self = true  forward = true  ack = accepted }
    event "order" { to = backend  ack = accepted  as = "placed" }
    event "tell" { to = backend  args = 3 }
}
`;
const as = (name) => ({ auth: { token: user(name) } });

let b, d;
before(async () => {
	b = await Backend.start();
	d = await Daemon.start({ workers: 2, conf: hook(b.url) + rules });
});
after(async () => {
	await d.stop();
	await b.close();
	b.check();
});

const said = (list, name) => list.filter((e) => e.event === name);
const numbers = (list) => said(list, 'tell').map((e) => e.data[0].i);
const range = (a, n) => Array.from({ length: n - a }, (_, i) => a + i);

/* A daemon and a back end of its own: both are hurt. */
async function own(t, more = '', workers = 1, timeout = undefined) {
	const back = await Backend.start();
	const o = await Daemon.start({ workers,
		conf: hook(back.url, more, timeout) + rules });
	t.after(async () => {
		await o.stop();
		await back.close();
		back.check();
	});
	await back.until((l) => l.length > 0);	/* begin */
	return [back, o];
}

test('a hook is told what rules forward, signed, in order', async () => {
	const ann = await connect(d, '/app', as('ann'));
	await ask(ann, 'room:join', { room: 'r:1' });
	const { id } = await ask(ann, 'say', { room: 'r:1', text: 'é"\u2028' });
	await heard(ann, 'say');
	await b.until((l) => said(l, 'say').length === 1);
	const [e] = said(b.entries, 'say');
	assert.equal(e.namespace, '/app');
	assert.equal(e.type, 'event');
	assert.equal(e.id, id);
	assert.equal(e.user, 'ann');
	assert.equal(e.sid, ann.id);
	assert.equal(e.room, 'r:1');
	assert.deepEqual(e.data, [{ room: 'r:1', text: 'é"\u2028' }]);
	assert.ok(Math.abs(e.ts - Date.now()) < 60000);
	assert.equal(b.entries[0].type, 'begin');
	assert.equal(b.entries[0].seq, 1);
	checkNumbers(b.entries);
	const q = b.requests.at(-1);
	assert.equal(q.method, 'POST');
	assert.equal(q.url, '/roost');
	assert.equal(q.headers['content-type'], 'application/json');
	/* what the signature is of */
	const sign = q.headers['x-roost-signature'];
	assert.ok(!verify('another secret', sign, q.text));
	assert.ok(!verify(SECRET, sign, `${q.text} `));
	assert.ok(!verify(SECRET, sign, q.text, Date.now() + 3600e3));
	ann.close();
});

test('what goes to back ends alone is acknowledged when they have it',
    async () => {
	const bob = await connect(d, '/app');
	const ack = await ask(bob, 'order', { n: 1 }, 'more', [2]);
	const e = b.entries.find((x) => x.id === ack.id);
	assert.equal(e.event, 'placed');
	assert.equal(e.user, undefined);
	assert.deepEqual(e.data, [{ n: 1 }, 'more', [2]]);
	bob.emit('tell', Buffer.from('bytes'), 1, Buffer.from([0, 255]));
	await b.until((l) => said(l, 'tell').some((x) => x.attachments));
	const t = said(b.entries, 'tell').find((x) => x.attachments);
	assert.deepEqual(t.attachments, [Buffer.from('bytes')
	    .toString('base64'), 'AP8=']);
	assert.deepEqual(t.data[0], { _placeholder: true, num: 0 });
	bob.close();
});

test('many entries go in batches, in order, by few connections', async () => {
	const n = b.requests.length, before = b.connections;
	const cat = await connect(d, '/app');
	for (let i = 0; i < 500; i++)
		cat.emit('tell', { i });
	await b.until((l) => numbers(l).filter((x) => x !== undefined)
	    .length === 500);
	assert.deepEqual(numbers(b.entries).filter((x) => x !== undefined),
	    range(0, 500));
	checkNumbers(b.entries);
	assert.ok(b.requests.length - n < 100, 'no batches');
	assert.ok(b.connections - before <= 1, 'connections are not kept');
	await d.counts('hook_waiting', 0);
	await d.counts('hook_waiting_bytes', 0);
	assert.equal(await d.metric('hook_requests'), b.requests.length);
	assert.equal(await d.metric('hook_entries'), b.entries.length);
	cat.close();
});

test('a back end that is away gets all when it is back, and who waits is told '
    + 'at once', async (t) => {
	const [back, o] = await own(t);
	const ann = await connect(o, '/app');
	const { port } = back;
	await back.close();
	ann.emit('tell', { i: 0 });
	await o.logged('hook_fails hook="back" namespace="/app"');
	const t0 = Date.now();
	const r = await ask(ann, 'order', {});
	assert.equal(r.error.code, 'unavailable');
	assert.ok(Date.now() - t0 < 1000, 'it waited');
	for (let i = 1; i < 50; i++)
		ann.emit('tell', { i });
	await o.counts('hook_waiting', 50);
	await o.counts('hook_waiting_bytes', (n) => n > 50 * 20);
	await o.counts('hook_refused', 1);
	const again = await Backend.start({ port });
	t.after(() => again.close());
	await again.until((l) => numbers(l).length === 50, 10000);
	assert.deepEqual(numbers(again.entries), range(0, 50));
	checkNumbers([...back.entries, ...again.entries]);
	await o.logged('hook_works hook="back"');
	ann.close();
});

test('errors are tried again, floods and redirects are not followed',
    async (t) => {
	const [back, o] = await own(t, '', 1, '1s');
	const ann = await connect(o, '/app');
	let n = 0;
	const other = await Backend.start();
	t.after(() => other.close());
	const ways = [
		() => 500,
		(q, r) => { r.socket.destroy(); },
		() => undefined,		/* it never answers */
		(q, r) => { r.writeHead(307, { location: other.url }).end(); },
		(q, r) => {			/* no end of headers */
			for (let i = 0; i < 2000; i++)
				r.appendHeader(`x-${i}`, 'y'.repeat(100));
			r.writeHead(500).end();
		},
		() => 429,
	];
	back.answer = (q, r) => (n < ways.length ? ways[n++](q, r) : 200);
	for (let i = 0; i < 10; i++)
		ann.emit('tell', { i });
	await back.until((l) => numbers(l).length === 10, 10000);
	assert.deepEqual(numbers(back.entries), range(0, 10));
	checkNumbers(back.entries);
	assert.equal(n, ways.length);
	assert.equal(other.requests.length, 0, 'a redirect was followed');
	/* but for the one that a connection that was kept has brought */
	await o.counts('hook_failures', (k) => k >= ways.length - 1);
	assert.ok(await o.metric('hook_timeouts') >= 1);
	/* a flood in the answer: what was taken was taken */
	back.answer = (q, r) => {
		back.take(q);
		r.writeHead(200);
		const more = () => {
			if (!r.destroyed)
				r.write(Buffer.alloc(1 << 16), more);
		};
		more();
	};
	ann.emit('tell', { i: 10 });
	await back.until((l) => numbers(l).length === 11);
	await o.counts('hook_waiting', 0);
	back.answer = 200;
	ann.emit('tell', { i: 11 });
	await back.until((l) => numbers(l).length === 12);
	assert.deepEqual(numbers(back.entries), range(0, 12));
	ann.close();
});

test('what is refused for good is given up: one by one, or at once by 410',
    async (t) => {
	const [back, o] = await own(t);
	const ann = await connect(o, '/app');
	const poison = (q) => q.json.entries.some((e) => e.data?.[0].i === 3);
	back.answer = (q) => (poison(q) ? 422 : 200);
	for (let i = 0; i < 6; i++)
		ann.emit('tell', { i });
	await back.until((l) => numbers(l).length === 5, 10000);
	assert.deepEqual(numbers(back.entries), [0, 1, 2, 4, 5]);
	assert.equal(checkNumbers(back.entries, true), 1);
	assert.equal(await o.metric('hook_dead'), 1);
	await o.logged('hook_dead_letters hook="back" namespace="/app" '
	    + 'first=\\d+ number=1 why="status 422"');
	const asked = back.requests.length;
	back.answer = 410;
	const r = await ask(ann, 'order', {});
	assert.equal(r.error.code, 'unavailable');
	assert.equal(back.requests.length, asked + 1);
	assert.equal(await o.metric('hook_dead'), 2);
	/* who asks next is not told that it is away still */
	back.answer = 200;
	assert.ok((await ask(ann, 'order', {})).id);
	ann.close();
});

test('queues are bounded, and what is too old is given up', async (t) => {
	const [back, o] = await own(t, 'queue = 20  retry_time = 1s');
	const ann = await connect(o, '/app');
	back.answer = 503;
	for (let i = 0; i < 50; i++)
		ann.emit('tell', { i });
	await o.counts('hook_dropped', 30);
	await o.counts('hook_dead', 20);
	await o.logged('hook_entries_dropped');
	back.answer = 200;
	ann.emit('tell', { i: 50 });
	await back.until((l) => numbers(l).length === 1);
	assert.equal(checkNumbers(back.entries, true), 50);
	ann.close();
});

test('private addresses are refused, by name and by number', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	for (const host of ['127.0.0.1', 'localhost', '[::1]',
	    '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433']) {
		const o = await Daemon.start({ workers: 1, conf: `
hook "back" { url = "http://${host}:${back.port}/"  secret = "${SECRET}" }
${rules}` });
		await o.logged('hook_fails .*why="(its address is private|'
		    + 'Name or service)');
		if (host !== '2130706433')
			await o.counts('hook_private', (n) => n > 0);
		await o.stop();
	}
	assert.equal(back.connections, 0);
});

test('TLS is verified: by the authority that is given, and the name',
    async (t) => {
	const file = ownCertificate(tempdir());
	const tls = { cert: fs.readFileSync(file), key: fs.readFileSync(file) };
	const back = await Backend.start({ tls });
	t.after(() => back.close());
	const at = (host) => `https://${host}:${back.port}/`;
	for (const [url, more] of [
		[at('127.0.0.1'), `ca = "${file}"`],	/* not its name */
		[at('localhost'), ''],			/* nobody we trust */
	]) {
		const o = await Daemon.start({ conf: hook(url, more) + rules });
		await o.logged('hook_fails .*why="SSL (peer )?certif');
		await o.stop();
	}
	assert.equal(back.requests.length, 0);
	const o = await Daemon.start({ conf: hook(at('localhost'),
	    `ca = "${file}"`) + rules });
	await back.until((l) => l.length === 1);
	await o.stop();
});

const told = `hook = "back"
    events = {connected, disconnected, joined, left, occupied, vacated}`;
const who = `
presence { leave_grace = 100ms }
namespace "/who" { auth = optional  ${told}
    room "r:{id}" { join = open }
}
namespace "/some" { auth = optional  hook = "back"  events = {connected} }
`;
/* What a back end makes of it, since the relay that tells now has begun. */
const there = (back, nsp) => {
	const l = back.entries.filter((e) => e.namespace === nsp), { epoch } =
	    l.at(-1) ?? {};
	const { users, rooms } = follow(l.filter((e) => e.epoch === epoch)
	    .map((e) => ({ ...e, source: 'users' })));
	return JSON.stringify([[...users].sort(), [...rooms].map(([r, u]) =>
		[r, [...u].sort()]).sort()]);
};
const is = (back, users, rooms = []) => until(() => there(back, '/who') ===
    JSON.stringify([users, rooms]), () => `${JSON.stringify([users, rooms])
}, it is ${there(back, '/who')}`, 10000);

test('without Redis a hook is told who comes and goes, whatever is killed',
    async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Daemon.start({ workers: 2,
		conf: hook(back.url) + rules + who });
	t.after(() => o.stop());
	o.mayDie = true;
	const ann = await connect(o, '/who', as('ann'));
	const two = await connect(o, '/who', as('ann'));
	const bob = await connect(o, '/who', as('bob'));
	await connect(o, '/who');		/* nobody */
	await is(back, ['ann', 'bob']);
	await ask(ann, 'room:join', { room: 'r:1' });
	await ask(bob, 'room:join', { room: 'r:1' });
	await is(back, ['ann', 'bob'], [['r:1', ['ann', 'bob']]]);
	ann.close();			/* two is there still */
	await is(back, ['ann', 'bob'], [['r:1', ['bob']]]);
	/* who has gone, and how */
	const cyd = await connect(o, '/who', as('cyd'));
	await is(back, ['ann', 'bob', 'cyd'], [['r:1', ['bob']]]);
	cyd.io.engine.transport.ws._socket.destroy();
	await is(back, ['ann', 'bob'], [['r:1', ['bob']]]);
	const last = back.entries.findLast((e) => e.type === 'disconnected');
	assert.deepEqual([last.user, last.why, last.reason],
	    ['cyd', 'left', 'client_gone']);
	await ask(bob, 'room:leave', { room: 'r:1' });
	await is(back, ['ann', 'bob']);
	checkNumbers(back.entries.filter((e) => e.namespace === '/who'));
	/* the next relay begins with who is there, and goes on */
	const { pid } = o.relay();
	process.kill(pid, 'SIGKILL');
	two.close();
	await o.next(pid);
	await is(back, ['bob']);
	await ask(bob, 'room:join', { room: 'r:2' });
	await is(back, ['bob'], [['r:2', ['bob']]]);
	const gone = back.entries.filter((e) => e.type === 'left');
	assert.ok(gone.every((e) => e.why === 'left'));
	const cat = await connect(o, '/some', as('cat'));
	cat.close();
	await back.until((l) => l.some((e) => e.namespace === '/some' &&
	    e.type === 'connected' && e.user === 'cat'));
	/* a reload that takes the hook away, and one that brings it back */
	const text = fs.readFileSync(o.file, 'utf8');
	const reload = async (conf, n) => {
		fs.writeFileSync(o.file, conf);
		process.kill(o.pid, 'SIGHUP');
		await o.logged('relay.*configuration_taken', n);
	};
	await reload(text.replace(told, ''), 1);
	const dan = await connect(o, '/who', as('dan'));
	await reload(text, 2);
	await is(back, ['bob', 'dan'], [['r:2', ['bob']]]);
	dan.close();
	bob.close();
});

test('more who are there than a queue holds are told of as it has room',
    async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const conf = (h) => hook(back.url, 'queue = 20  batch = 5') + rules +
	    (h ? who : who.replace(told, ''));
	const o = await Daemon.start({ conf: conf(false) });
	t.after(() => o.stop());
	const names = Array.from({ length: 100 }, (_, i) => `u${1000 + i}`);
	const all = await Promise.all(names.map((n) => connect(o, '/who',
	    as(n))));
	fs.writeFileSync(o.file, fs.readFileSync(o.file, 'utf8')
	    .replace(conf(false), conf(true)));
	process.kill(o.pid, 'SIGHUP');
	await is(back, names);
	checkNumbers(back.entries.filter((e) => e.namespace === '/who'));
	for (const c of all)
		c.close();
});

test('with Redis each host sends what its clients have sent, once',
    async (t) => {
	const back = await Backend.start(), redis = await Redis.start();
	t.after(() => redis.kill());
	t.after(() => back.close());
	const hosts = await Promise.all([1, 2, 3].map(() => Daemon.start({
		conf: `redis { url = "${redis.url}" }${hook(back.url)}${rules}`,
	})));
	t.after(() => Promise.all(hosts.map((o) => o.stop())));
	await Promise.all(hosts.map((o) => connected(o)));
	const all = await Promise.all(hosts.map((o, i) => connect(o, '/app',
	    as(`u${i}`))));
	for (const c of all)
		await ask(c, 'room:join', { room: 'r:1' });
	const ids = [];
	for (let i = 0; i < 20; i++)
		ids.push(...(await Promise.all(all.map((c) => ask(c, 'say',
		    { room: 'r:1', i })))).map((a) => a.id));
	await back.until((l) => said(l, 'say').length >= ids.length);
	assert.deepEqual(said(back.entries, 'say').map((e) => e.id).sort(),
	    ids.sort());
	assert.equal(new Set(back.entries.map((e) => e.source)).size, 3);
	checkNumbers(back.entries);
	const cli = await redis.client();
	assert.equal(await cli.do('EXISTS', 'roost:events:app'), 0);
	cli.close();
	for (const c of all)
		c.close();
});

test('a relay that is killed shows: another epoch, numbered from 1',
    async (t) => {
	const [back, o] = await own(t, '', 2);
	o.mayDie = true;
	const ann = await connect(o, '/app');
	ann.emit('tell', { i: 0 });
	await back.until((l) => numbers(l).length === 1);
	const { pid } = o.relay();
	process.kill(pid, 'SIGKILL');
	await o.next(pid);
	await back.until((l) => l.filter((e) => e.type === 'begin')
	    .length === 2);
	await until(async () => {
		ann.emit('tell', { i: 1 });
		return numbers(back.entries).includes(1);
	}, 'entries of the next relay');
	checkNumbers(back.entries);
	const [one, two] = new Set(back.entries.map((e) => e.epoch));
	assert.ok(two > one, 'epochs do not grow');
	ann.close();
});

test('a reload brings another URL, and a hook may go', async (t) => {
	const [back, o] = await own(t);
	const ann = await connect(o, '/app');
	back.answer = () => undefined;		/* hangs */
	ann.emit('tell', { i: 0 });
	await until(() => back.requests.at(-1).text.includes('"tell"'),
	    'a request that hangs');
	const next = await Backend.start();
	t.after(() => next.close());
	fs.writeFileSync(o.file, fs.readFileSync(o.file, 'utf8')
	    .replaceAll(back.url, next.url));
	process.kill(o.pid, 'SIGHUP');
	await next.until((l) => numbers(l).length === 1);
	await next.check();
	const { pid } = o.relay();
	assert.ok(pid, 'no relay');
	ann.close();
});

test('what a hook is wrong about is said with its line', async () => {
	const file = `${tempdir()}/c`;
	const check = async (text) => {
		fs.writeFileSync(file, text);
		return (await run(['-t', '-c', file])).err;
	};
	const secret = `secret = "${SECRET}"`;
	for (const [text, words] of [
		[`hook "a" { ${secret} }`, /needs url/],
		['hook "a" { url = "https://a/" }', /needs secret/],
		[`hook "a" { url = "ftp://a/" ${secret} }`, /https:\/\/ or/],
		[`hook "a" { url = "https:///x" ${secret} }`, /no host/],
		[`hook "a" { url = "https://u:p@a/" ${secret} }`, /signed/],
		[`hook "a" { url = "https://a:0/" ${secret} }`, /port is 0/],
		[`hook "a" { url = "https://a:x/" ${secret} }`, /no number/],
		['hook "a" { url = "https://a/" secret = "short" }', /32/],
		['namespace "/a" { auth = none hook = "b" }', /no such hook/],
		[`hook "a" { url = "https://a/" ${secret} }
hook "a" { url = "https://a/" ${secret} }`, /is there already/],
	])
		assert.match(await check(text), words);
});
