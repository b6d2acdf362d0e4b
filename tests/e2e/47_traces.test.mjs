/*
 * Names that a trusted proxy gave the request by which a client came, in what back
 * ends get of its events.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { ask, connect } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { Daemon } from './lib/daemon.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Group } from './lib/streams.mjs';

const conf = (url, more = '') => `${jwt}${more}
hook "back" { url = "${url}"  secret = "${SECRET}"  allow_private = true
    timeout = 10s  batch_delay = 0s }
namespace "/app" { auth = optional  hook = "back"
    event "order" { to = backend  ack = accepted } }
`;

const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const named = { extraHeaders: { 'X-Forwarded-For': '192.0.2.7',
	'X-Request-ID': 'req-1', traceparent: parent } };

test('the names that a proxy gave the handshake are in what hooks get',
    async (t) => {
	const back = await Backend.start();
	const o = await Daemon.start({ workers: 2, conf: conf(back.url,
	    'trusted_proxies = {"127.0.0.1"}\n') });
	t.after(async () => {
		await o.stop();
		await back.close();
	});
	const say = async (opts, to = o) => {
		const c = await connect(to, '/app', opts);
		const { id } = await ask(c, 'order', {});
		c.close();
		return back.entries.find((e) => e.id === id).trace;
	};
	assert.deepEqual(await say(named), { request_id: 'req-1',
		traceparent: parent });
	assert.deepEqual(await say({ ...named, transports: ['polling'] }),
	    { request_id: 'req-1', traceparent: parent });
	assert.deepEqual(await say({ extraHeaders: { traceparent: parent,
		'X-Forwarded-For': '192.0.2.7', 'X-Request-ID': 'not "good"' } }),
	{ traceparent: parent });
	assert.equal(await say({ extraHeaders: { 'X-Forwarded-For':
	    '192.0.2.7' } }), undefined);
	assert.equal(await say({}), undefined);
	const trusts = await Daemon.start({ conf: conf(back.url) });
	t.after(() => trusts.stop());		/* nobody */
	assert.equal(await say(named, trusts), undefined);
});

test('... and in the stream in Redis', async (t) => {
	const r = await Redis.start();
	const o = await Daemon.start({ conf: `${jwt}
trusted_proxies = {"127.0.0.1"}
redis { url = "${r.url}" }
namespace "/app" { auth = optional
    event "order" { to = backend  ack = accepted } }
` });
	const c = await r.client();
	t.after(async () => {
		c.close();
		await o.stop();
		await r.kill();
	});
	await connected(o);
	const g = await Group.open(c, 'roost:events:app', 'g');
	const list = [];
	for (const opts of [named, {}]) {
		const s = await connect(o, '/app', opts);
		list.push((await ask(s, 'order', {})).id);
		s.close();
	}
	await g.until((l) => l.length >= 3);
	const trace = (id) => g.list.find((e) => e.id === id).trace;
	assert.deepEqual(JSON.parse(trace(list[0])), { request_id: 'req-1',
		traceparent: parent });
	assert.equal(trace(list[1]), undefined);
});
