/* max_connection_age: each kind of client is sent away, comes back, and has
 * missed nothing. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, slow, sleep, until, within } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, once, plain }
	from './lib/clients.mjs';
import { Sock } from './lib/wire.mjs';
import { echo, jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const key = 'as old as the hills';
const AGE = 2000;
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `max_connection_age = ${AGE}ms
recovery { window = 1m }
api { key "k" { sha256 = "${createHash('sha256').update(key).digest('hex')}"
    allow = {"publish"} } }
${jwt}${echo}
namespace "/r" { auth = optional presence = namespace
    room "{r}" { join = open } event "ask" { ack = echo } }
` });
});
after(() => d.stop());

const back = { reconnection: true, reconnectionDelay: 10,
	reconnectionDelayMax: 50, randomizationFactor: 0.5 };
/* Its connection is old at some time, too: as any back end, it tries again, and
 * the id sees to it that this is no second one. */
async function publish(event, data) {
	const call = { method: 'POST',
		headers: { authorization: `Bearer ${key}`,
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: '/r', event, data,
			id: randomUUID() }) };
	const r = await fetch(d.url('/api/v1/publish'), call)
	    .catch(() => fetch(d.url('/api/v1/publish'), call));
	assert.equal(r.status, 200, await r.text());
}
const sessions = () => d.metric('clients_closed', 'reason="aged"');
/* up to a tenth less or more, from before there was a connection; and the rest
 * is the machine's */
const early = AGE * 0.9 - 20, late = AGE * 1.1 + 1000 * slow;
const inTime = (t) => assert.ok(t > early && t < late, `after ${t} ms`);

for (const [transport, why] of [['websocket', 'transport close'],
	['polling', 'transport error']])
	test(`socket.io-client, ${transport}: back as the same session`, async () => {
		const before = await sessions();
		const t0 = performance.now();
		const s = await connect(d, '/r', { ...back,
			transports: [transport] });
		const { id } = s;
		await publish('n', 0);
		await until(() => gotten(s, 'n').length === 1, 'the first');
		const [said] = await once(s, 'disconnect', 2 * AGE);
		inTime(performance.now() - t0);
		assert.equal(said, why);
		assert.equal(s.active, true);
		await connected(s);
		assert.equal(s.recovered, true);
		assert.equal(s.id, id);
		assert.ok(await sessions() > before);
		s.close();
	});

test('a session that was upgraded has the age of its WebSocket', async () => {
	const t0 = performance.now();
	const s = await connect(d, '/r', { ...back, transports: undefined });
	await until(() => s.io.engine.transport.name === 'websocket', 'upgrade');
	assert.equal((await once(s, 'disconnect', 2 * AGE))[0],
	    'transport close');
	inTime(performance.now() - t0);
	await connected(s);
	s.close();
});

test('plain WebSocket: 1001 and why', async () => {
	const before = await d.metric('connections_closed', 'reason="aged"');
	const t0 = performance.now();
	const w = await plain(d, '/ws/echo');
	const [code, words] = await once(w, 'close', 2 * AGE);
	inTime(performance.now() - t0);
	assert.equal(code, 1001);
	assert.equal(words.toString(), 'connected for long enough, reconnect');
	await d.counts('connections_closed',
	    (n) => n > before, 'reason="aged"');
});

test('HTTP: idle it is closed, in use its next response is the last', async () => {
	const head = async (s) => {
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		return (await s.response()).headers.connection;
	};
	const t0 = performance.now(), idle = await Sock.open(d.port);
	assert.equal(await head(idle), 'keep-alive');
	const idles = idle.end(2 * AGE).then(() => inTime(performance.now() - t0));
	/* never idle for long; if it was when its time came, one that is not */
	for (let said, n = 1; said !== 'close'; n++) {
		const t1 = performance.now(), busy = await Sock.open(d.port);
		said = 'keep-alive';
		while (said === 'keep-alive' && await sleep(1) === undefined) /* a pace */
			said = await head(busy).catch((e) => {
				assert.ok(busy.ended && n < 10, e.message);
			});
		inTime(performance.now() - t1);
		await busy.end();
	}
	await idles;
});

/* How far apart they go who came together. */
async function apart() {
	const at = (await Promise.all([...Array(80)].map(async () => {
		const t0 = performance.now();
		const w = await plain(d, '/ws/echo');
		await once(w, 'close', 2 * AGE);
		return performance.now() - t0;
	}))).sort((a, b) => a - b);
	inTime(at[0]);
	inTime(at.at(-1));
	let gap = 0;
	for (let i = 1; i < at.length; i++)
		gap = Math.max(gap, at[i] - at[i - 1]);
	return { at, gap, most: at[70] - at[10] };
}

test('who came together does not go together', async () => {
	/* over a fifth of the age, and not in one piece; where the machine stood
	 * still, many went at once: once more */
	let r;
	for (let tries = 0; tries < 3; tries++) {
		r = await apart();
		if (r.most > AGE / 10 && r.gap < AGE / 8 * slow)
			return;
	}
	assert.fail(`a gap of ${r.gap} ms: ${r.at}`);
});

test('events are neither missed nor doubled, and nobody has left', async () => {
	const list = await Promise.all(['websocket', 'polling'].map((t) =>
		connect(d, '/r', { ...back, transports: [t],
			auth: { token: user(t) } })));
	const [watch] = list;
	let n = 0, gone = 0;
	for (const s of list)
		s.on('disconnect', () => gone++);
	let over = false;
	const enough = until(() => gone >= 4, 'each to go twice', 5 * AGE)
	    .finally(() => { over = true; });
	enough.catch(() => {});		/* told below */
	while (!over) {
		await publish('i', n++);
		await sleep(10);	/* a pace */
	}
	await enough;
	for (const s of list) {
		await until(() => gotten(s, 'i').length >= n, 'the last');
		/* those by two workers are in no order */
		assert.deepEqual(gotten(s, 'i').map((a) => a[0])
		    .sort((x, y) => x - y), [...Array(n).keys()]);
	}
	const left = gotten(watch, 'presence:update')
	    .filter(([u]) => u.status === 'offline');
	assert.deepEqual(left, []);
	list.forEach((s) => s.close());
});

test('max_connection_age = 0: nobody is old', async () => {
	const e = await Daemon.start({ conf: echo });
	const s = await Sock.open(e.port);
	for (let i = 0; i < 3; i++) {
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.equal((await s.response()).headers.connection,
		    'keep-alive');
	}
	await within(e.stop(), 'the end');
	s.close();
});
