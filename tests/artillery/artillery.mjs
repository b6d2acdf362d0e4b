/*
 * Virtual users of Artillery, by its engines for Socket.IO and for WebSocket, in an
 * application as matters.conf has it: each connects, asks, hears what a back end
 * publishes meanwhile, asks again and goes.  None may fail.
 *
 * usage: artillery.mjs [--seconds N] [--rate N]
 *	--seconds	for how long users come, by default 20
 *	--rate		so many each second, by default 100
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { Daemon, top, until } from '../e2e/lib/daemon.mjs';
import { secret, user } from '../e2e/lib/token.mjs';

const { runner: { runner } } = createRequire(import.meta.url)(
    '@artilleryio/int-core');
const { values } = parseArgs({ options: {
	seconds: { type: 'string', default: '20' },
	rate: { type: 'string', default: '100' } } });
const seconds = Number(values.seconds), rate = Number(values.rate);
const KEY = 'the-key-of-a-back-end';

/* A function of a scenario: it ends with what f resolves to. */
const step = (f) => (context, events, done) => {
	f(context).then(() => done(), (e) => {
		events.emit('error', e.message);
		done(e);
	});
};
const hears = (on, off, has) => new Promise((ok, no) => {
	const slow = setTimeout(() => no(new Error('heard nothing')), 10000);
	const listen = (...a) => {
		if (!has(...a))
			return;
		clearTimeout(slow);
		off(listen);
		ok();
	};
	on(listen);
});
const processor = {
	hearsSocket: step(({ sockets: { '': s } }) => hears(
	    (f) => s.on('matter_updated', f), (f) => s.off('matter_updated', f),
	    (data, meta) => data.matterId > 0 && meta.offset > 0)),
	hearsPlain: step(({ ws }) => hears((f) => ws.on('message', f),
	    (f) => ws.off('message', f), (text) => {
		const m = JSON.parse(text);
		return m.event === 'matter_updated' && m.meta.offset > 0;
	})),
	asksPlain: step(async ({ ws }) => {
		const id = crypto.randomInt(1e9);
		const answer = hears((f) => ws.on('message', f),
		    (f) => ws.off('message', f), (text) => {
			const m = JSON.parse(text);
			return m.ack === id && m.data.room === 'all';
		});
		ws.send(JSON.stringify({ event: 'history:get', id,
			data: { room: 'all', limit: 5 } }));
		await answer;
	}),
};
const asks = { emit: ['history:get', { room: 'all', limit: 5 }],
	acknowledge: { match: { json: '$.0.room', value: 'all' } } };

const d = await Daemon.start({ listen: false, stats: false, workers: 2,
	conf: fs.readFileSync(path.join(top, 'packaging', 'examples',
	    'matters.conf'), 'utf8')
	    .replace(/127\.0\.0\.1:(8080|9090)/g, '127.0.0.1:0'),
	env: { JWT_SECRET: secret, REDIS_URL: '', ROOST_API_SHA256:
	    crypto.createHash('sha256').update(KEY).digest('hex') } });
const tokens = [...Array(200).keys()].map((i) => user(`u${i}`));
const socketio = (transports) => ({ transports, forceNew: true,
	reconnection: false, auth: { token: '{{ token }}' } });
const script = {
	config: {
		target: d.url('/matters'), timeout: 10, processor,
		variables: { token: tokens },
		phases: [{ duration: seconds, arrivalRate: rate }],
	},
	scenarios: [
		{ name: 'Socket.IO', engine: 'socketio', weight: 2,
			socketio: socketio(['websocket']),
			flow: [asks, { think: 1 }, { function: 'hearsSocket' },
				asks] },
		{ name: 'plain WebSocket', engine: 'ws', weight: 1,
			flow: [{ connect: { target:
			    d.ws('/ws/matters?token={{ token }}') } },
			{ function: 'asksPlain' }, { think: 1 },
			{ function: 'hearsPlain' }, { function: 'asksPlain' }] },
	],
};

/* What a back end publishes meanwhile. */
let matterId = 0, ended = false;
async function publishes() {
	while (!ended) {
		const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
			headers: { Authorization: `Bearer ${KEY}`,
				'Content-Type': 'application/json' },
			body: JSON.stringify({ namespace: '/matters',
				room: 'all', event: 'matter_updated',
				data: { matterId: ++matterId } }) });
		assert.equal(r.status, 200, await r.text());
		await new Promise((ok) => { setTimeout(ok, 50); });
	}
}
const publisher = publishes();
const run = await runner(script, null, {});
const totals = await new Promise((ok) => {
	run.on('done', ok);
	run.run();
});
ended = true;
await publisher;
await run.stop();
await until(async () => (await (await fetch(
    `http://127.0.0.1:${d.ports[1]}/health`)).json())
    .namespaces.matters.sockets === 0, 'everybody to be gone', 20000);
await d.stop();

const counters = Object.fromEntries(Object.entries(totals.counters)
    .filter(([name]) => /^(vusers|errors)/.test(name)));
console.log(JSON.stringify(counters, null, 1));
console.log(`session ms: ${JSON.stringify(Object.fromEntries(['min', 'max',
	'count'].map((k) => [k, totals.histograms['vusers.session_length'][k]])))}`);
assert.equal(counters['vusers.failed'], 0);
assert.equal(counters['vusers.completed'], counters['vusers.created']);
assert.ok(counters['vusers.created'] >= seconds * rate * 0.9);
assert.deepEqual(Object.keys(counters).filter((k) => k.startsWith('errors')), []);
