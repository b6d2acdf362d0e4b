/*
 * Rates and caps: users as one over all workers, handshakes and bad tokens of
 * an address, strikes; connections of the host, of a user, from an address,
 * exact with three workers and after one was killed.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, sleep, until } from './lib/daemon.mjs';
import { WebSocket, ask, codeOf, connect, gotten, heard, once, plain,
	refused } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';
import { Sock } from './lib/wire.mjs';

const as = (name) => ({ auth: { token: user(name) } });
const closeAll = (l) => l.forEach((s) => s.close());

/* The worker that an engine lives on is in its id: asking would be a message. */
const slotOf = (s) =>
	(Buffer.from(s.io.engine.id, 'base64url')[0] & 0x7f) + 1;

async function onEach(d, slots, nsp, opts) {
	const found = new Map();
	for (let i = 0; found.size < slots.length; i++) {
		assert.ok(i < 500, `nobody on each of ${slots}`);
		const s = await connect(d, nsp, opts);
		if (slots.includes(slotOf(s)) && !found.has(slotOf(s)))
			found.set(slotOf(s), s);
		else
			s.close();
	}
	return slots.map((n) => found.get(n));
}

/* Status and headers of a plain WebSocket's handshake, which stays open. */
const shake = (d, path, opts = {}) => new Promise((ok, no) => {
	const w = new WebSocket(`ws://127.0.0.1:${d.port}${path}`, [], opts);
	w.once('open', () => ok({ status: 101, w, headers: {} }));
	w.once('unexpected-response', (_, r) => {
		r.resume();
		ok({ status: r.statusCode, headers: r.headers, w });
	});
	w.once('error', (e) => {
		if (!/Unexpected server response|closed before/.test(e.message))
			no(e);
	});
});

/* --- messages ------------------------------------------------------------- */

let d;
before(async () => {
	d = await Daemon.start({ workers: 3, conf: jwt + `
rate "messages" { per = user allow = 12/1m burst = 200 }
rate "twice" { per = user allow = 2/1m }
rate "strict" { per = connection allow = 2/1m strikes = 5 }
limits { per_user = 5 }
namespace "/chat" { auth = optional
    event "m" { to = sender meta = off }
    event "a" { ack = echo }
    event "two" { rate = "twice" ack = echo }
    event "strict" { rate = "strict" ack = echo } }
` });
});
after(() => d.stop());

test('200 messages at once are a user\'s, whichever worker', async () => {
	const ann = await onEach(d, [1, 2, 3], '/chat', as('ann'));
	const [bob] = await onEach(d, [1], '/chat', as('bob'));
	const t0 = Date.now();
	for (let i = 0; i < 100; i++)
		ann.forEach((s) => s.emit('m', i));
	for (let i = 0; i < 50; i++)
		bob.emit('m', i);
	const all = (e) => ann.reduce((n, s) => n + gotten(s, e).length, 0);
	await until(() => all('m') + all('error') === 300, '300 answers');
	const earned = Math.ceil((Date.now() - t0) / 5000);
	/* whoever met another worker has left again, which counts, too */
	assert.ok(all('m') >= 180 && all('m') <= 200 + earned,
	    `${all('m')} passed`);
	/* one may have been earned meanwhile */
	const spent = (s) => until(async () => {
		const answer = await ask(s, 'a', 1);
		return codeOf(answer) === 'rate_limited' && answer;
	}, 'that nothing is left');
	for (const s of ann)
		await spent(s);
	const [e] = ann.flatMap((s) => gotten(s, 'error'))[0];
	assert.equal(e.code, 'rate_limited');
	assert.equal(e.event, 'm');
	assert.ok(e.retry_after_ms > 0 && e.retry_after_ms <= 5001);
	await heard(bob, 'm', 50);
	assert.equal(gotten(bob, 'error').length, 0);
	/* the time that was told is right */
	const ack = await spent(ann[0]);
	await sleep(ack.error.retry_after_ms);
	assert.equal(await ask(ann[1], 'a', 1), 1);
	await d.counts('events_rejected', (n) => n >= 50, 'rate_limited');
	closeAll([...ann, bob]);
});

test('an event may have a rate of its own', async () => {
	const [s, w] = await Promise.all([connect(d, '/chat', as('cy')),
		plain(d, `/ws/chat?token=${user('cy')}`)]);
	assert.equal(await ask(s, 'two', 1), 1);
	assert.equal((await w.ask('two', 2)).data, 2);
	const { error } = await w.ask('two', 3);
	assert.equal(error.code, 'rate_limited');
	assert.ok(error.retry_after_ms > 20000 && error.retry_after_ms <= 30001);
	assert.equal(await ask(s, 'a', 4), 4);
	closeAll([s, w]);
});

test('strikes end the connection, Socket.IO and plain', async () => {
	const s = await connect(d, '/chat', as('dan'));
	const over = once(s, 'disconnect');
	for (let i = 0; i < 6; i++)
		s.emit('strict', i);
	assert.equal(codeOf(await ask(s, 'strict')), 'rate_limited');
	assert.equal((await over)[0], 'io server disconnect');
	const w = await plain(d, `/ws/chat?token=${user('dan')}`);
	const closed = once(w, 'close');
	for (let i = 0; i < 7; i++)
		w.emit1('strict', i);
	const [code, why] = await closed;
	assert.equal(code, 1008);
	assert.equal(why.toString(), 'too many requests');
	assert.equal(gotten(s, 'error').length, 4);
	assert.equal(w.got.filter((m) => m.event === 'error').length, 5);
});

test('the environment sets messages when the file does not', async () => {
	const e = await Daemon.start({
		env: { RATE_LIMIT_MESSAGES_PER_MINUTE: '15' },
		conf: 'namespace "/" { auth = none event "a" { ack = echo } }' });
	try {
		const s = await connect(e);
		assert.equal(await ask(s, 'a', 1), 1);
		assert.equal(await ask(s, 'a', 2), 2);
		assert.equal(codeOf(await ask(s, 'a', 3)), 'rate_limited');
		s.close();
	} finally {
		await e.stop();
	}
});

/* --- connections of a user ------------------------------------------------ */

/* count of them at once, plain and Socket.IO in turn: those that are in. */
async function flood(name, count) {
	const token = user(name);
	const all = await Promise.all([...Array(count).keys()].map(async (i) => {
		if (i % 2) {
			const { status, w, headers } = await shake(d,
			    `/ws/chat?token=${token}`);
			assert.ok(status === 101 || status === 429, `${status}`);
			if (status === 429)
				assert.match(headers['retry-after'], /^\d+$/);
			return status === 101 ? w : undefined;
		}
		const s = await connect(d, '/chat', { wait: false, auth: { token } });
		return new Promise((ok) => {
			s.once('connect', () => ok(s));
			s.once('connect_error', (e) => {
				assert.equal(e.data?.code, 'limit');
				s.disconnect();
				ok(undefined);
			});
		});
	}));
	return all.filter((s) => s !== undefined);
}

/* Up to five, however they come: two that meet at the last place step back. */
async function fill(name, have) {
	await until(async () => {
		have.push(...await flood(name, 1));
		return have.length === 5;
	}, `five of ${name}`);
	assert.deepEqual(await flood(name, 10), []);
}

test('a user has five connections and not one more', async () => {
	const ed = await flood('ed', 30);
	assert.ok(ed.length >= 3 && ed.length <= 5, `${ed.length} got in`);
	await fill('ed', ed);
	/* another user is not concerned */
	closeAll(await flood('flo', 2));
	const before = await d.metric('connections_refused', 'why="user"');
	assert.ok(before >= 25, `${before} refused`);
	/* one goes, one comes */
	ed.pop().close();
	await fill('ed', ed);
	closeAll(ed);
});

test('a killed worker\'s share comes back', async () => {
	d.mayDie = true;
	const gus = await flood('gus', 5);
	await fill('gus', gus);
	let alive = 5;
	gus.forEach((s) => s.on(s.io ? 'disconnect' : 'close', () => alive--));
	process.kill(d.worker(2).pid, 'SIGKILL');
	await until(() => d.worker(2), 'worker 2 again');
	await until(async () => {
		const more = await flood('gus', 6);
		gus.push(...more);
		more.forEach((s) => s.on(s.io ? 'disconnect' : 'close',
		    () => alive--));
		alive += more.length;
		assert.ok(alive <= 5, `${alive} of gus`);
		return alive === 5;
	}, 'five of gus again');
	closeAll(gus);
});

/* --- addresses, the host -------------------------------------------------- */

test('handshakes of an address have a rate', async () => {
	const e = await Daemon.start({ workers: 3, conf: jwt + `
rate "connects" { allow = 6/1m }
namespace "/" { auth = none event "a" { ack = echo } }
` });
	try {
		const all = await Promise.all([...Array(20)].map(
		    () => shake(e, '/ws/')));
		const open = all.filter((a) => a.status === 101);
		const shut = all.filter((a) => a.status === 429);
		assert.equal(open.length, 6);
		assert.equal(shut.length, 14);
		for (const { headers } of shut)
			assert.ok(Number(headers['retry-after']) >= 1 &&
			    Number(headers['retry-after']) <= 11);
		const s = await connect(e, '/', { wait: false });
		await refused(s);
		/* who is in stays in, and the rest of HTTP goes on */
		open[0].w.send('{"event":"a","data":1,"id":1}');
		const [m] = await once(open[0].w, 'message');
		assert.equal(m.toString(), '{"ack":1,"data":1}');
		assert.equal((await fetch(e.url('/livez'))).status, 200);
		const other = await shake(e, '/ws/', { localAddress: '127.0.0.2' });
		assert.equal(other.status, 101);
		/* what a client says about its address is not believed */
		const liar = await shake(e, '/ws/', { headers:
		    { 'X-Forwarded-For': '192.0.2.7' } });
		assert.equal(liar.status, 429);
		await e.counts('connections_refused', 16, 'why="rate"');
		closeAll([s, other.w, ...open.map((a) => a.w)]);
	} finally {
		await e.stop();
	}
});

test('after too many bad tokens none is looked at', async () => {
	const e = await Daemon.start({ workers: 3, conf: jwt + `
rate "auth_failures" { allow = 5/1m }
namespace "/" { auth = required event "a" { ack = echo } }
` });
	const bad = `/ws/?token=${user('x', {}, { key: 'k'.repeat(40) })}`;
	const good = `/ws/?token=${user('x')}`;
	try {
		const inside = await connect(e, '/', as('y'));
		for (let i = 0; i < 5; i++)
			assert.equal((await shake(e, bad)).status, 401);
		const now = await shake(e, good);
		assert.equal(now.status, 429);
		assert.match(now.headers['retry-after'], /^\d+$/);
		const s = await connect(e, '/', { wait: false, ...as('x') });
		const { data } = await refused(s);
		assert.equal(data.code, 'rate_limited');
		assert.ok(data.retry_after_ms > 0 && data.retry_after_ms <= 12001);
		assert.equal(codeOf(await ask(inside, 'auth:refresh',
		    { token: user('y') })), 'rate_limited');
		assert.equal(await ask(inside, 'a', 1), 1);
		const other = await shake(e, good, { localAddress: '127.0.0.2' });
		assert.equal(other.status, 101);
		await e.counts('auth_failed', 5, 'signature');
		closeAll([s, inside, other.w]);
	} finally {
		await e.stop();
	}
});

/* n sockets at once that ask for a page and stay: how many each status got.
 * One that is nowhere (404): status pages are answered beyond limits. */
async function sockets(port, n) {
	const all = await Promise.all([...Array(n)].map(async () => {
		const s = await Sock.open(port);
		s.send('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n');
		const r = await s.response().catch(() => ({ status: 0 }));
		return { s, status: r.status, headers: r.headers };
	}));
	return all;
}

test('connections from one address have a cap', async () => {
	const e = await Daemon.start({ workers: 3, conf: `
limits { per_address = 8 }
namespace "/" { auth = none }
` });
	try {
		const all = await sockets(e.port, 40);
		const open = all.filter((a) => a.status === 404);
		const shut = all.filter((a) => a.status === 429);
		assert.ok(open.length >= 3 && open.length <= 8,
		    `${open.length} open`);
		assert.equal(open.length + shut.length, 40);
		assert.match(shut[0].headers['retry-after'], /^\d+$/);
		closeAll(all.map((a) => a.s));
		/* all places are free again */
		await until(async () => {
			const again = await sockets(e.port, 8);
			const n = again.filter((a) => a.status === 404).length;
			closeAll(again.map((a) => a.s));
			return n === 8;
		}, 'eight again');
		await until(async () => await e.metric('connections_refused',
		    'why="address"') >= 32, 'their count');
	} finally {
		await e.stop();
	}
});

test('connections of the host are never more than the limit', async () => {
	const e = await Daemon.start({ workers: 3, conf: `
limits { connections = 12 }
namespace "/" { auth = none }
` });
	try {
		for (let round = 0; round < 5; round++) {
			const all = await sockets(e.port, 60);
			const open = all.filter((a) => a.status === 404).length;
			/* racers for the last places may all step back */
			assert.ok(open >= 4 && open <= 12, `${open} open`);
			assert.equal(all.filter((a) => a.status === 503).length,
			    60 - open);
			closeAll(all.map((a) => a.s));
			await until(async () => {
				const one = await sockets(e.port, 12);
				const n = one.filter((a) => a.status === 404)
				    .length;
				closeAll(one.map((a) => a.s));
				return n === 12;
			}, 'all places free');
		}
	} finally {
		await e.stop();
	}
});

test('a namespace takes so many clients, whatever their worker', async () => {
	const k = await Daemon.start({ workers: 3, conf: `
namespace "/small" { auth = none sessions = 8 }
namespace "/large" { auth = none }
` });
	const all = await Promise.allSettled(Array.from({ length: 40 }, () =>
		connect(k, '/small')));
	const ok = all.filter((r) => r.status === 'fulfilled');
	/* racers for the last places may all step back */
	assert.ok(ok.length >= 3 && ok.length <= 8, `${ok.length} let in`);
	while (ok.length < 8) {
		const c = await connect(k, '/small').catch(() => null);
		if (c !== null)
			ok.push({ value: c });
	}
	for (const r of all.filter((x) => x.status === 'rejected')) {
		assert.match(r.reason.message, /too many clients in this namespace/);
		assert.equal(r.reason.data.code, 'limit');
	}
	const p = await plain(k, '/ws/small').catch((e) => e);
	assert.equal(p.status, 429);
	(await connect(k, '/large')).close();
	ok[0].value.close();
	await until(async () => {
		const c = await connect(k, '/small').catch(() => null);
		c?.close();
		return c !== null;
	}, 'a place');
	await k.counts('connections_refused', (n) => n >= 32, 'namespace');
	for (const r of ok)
		r.value.close();
	await k.stop();
});
