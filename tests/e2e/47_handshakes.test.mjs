/* What rules and back ends see of the handshake, which goes with the client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { until } from './lib/daemon.mjs';
import { ask, connect, heard, plain } from './lib/clients.mjs';
import { stopTime } from './lib/conf.mjs';
import { connected } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { Stream } from './lib/sse.mjs';
import { Group } from './lib/streams.mjs';
import { putRebuilt, upgrade, Upgradable } from './lib/upgrade.mjs';

const conf = (url) => `
drain_time = 1s
${stopTime}
redis { url = "${url}" }
recovery { window = 1m }
namespace "/h" { auth = none
    keep_query = {v, "user name"}  keep_headers = {User-Agent, X-Way}
    room "r:{x}" { join = open }
    event "connect" { to = sender as = "hello" meta = off data = '{}'
        set = {"v: query:v", "name: query:user name", "way: header:X-WAY",
            "ip: address"}
        then "came" { to = backend data = '{}' set = {"way: header:x-way"} } }
    event "me" { ack = echo set = {"v: query:v", "way: header:x-way",
        "ip: address"} }
    event "order" { to = backend ack = accepted }
}
namespace "/other" { auth = none  keep_query = {w}
    event "me" { ack = echo set = {"w: query:w"} }
}
`;

let redis, d, cli;
before(async () => {
	redis = await Redis.start();
	d = await Upgradable.start({ workers: 2, conf: conf(redis.url) });
	cli = await redis.client();
	await connected(d);
});
after(async () => {
	cli.close();
	await d.stop();
	await redis.kill();
});

const query = { v: '3 é"', 'user name': 'Ann', secret: 'x' };
const extraHeaders = { 'X-Way': 'up\\"', Other: 'x' };
const want = { v: '3 é"', name: 'Ann', way: 'up\\"', ip: '127.0.0.1' };
const search = new URLSearchParams(query);

test('every transport has them', async () => {
	for (const transport of ['websocket', 'polling']) {
		const s = await connect(d, '/h', { transports: [transport], query,
			extraHeaders });
		assert.deepEqual((await heard(s, 'hello'))[0][0], want);
		s.close();
	}
	const w = await plain(d, `/ws/h?${search}`, { headers: extraHeaders });
	await until(() => w.got.length > 0, 'hello');
	assert.deepEqual(w.got[0].data, want);
	const e = await Stream.open(`http://127.0.0.1:${d.port}/sse/h?room=r:1&${search}`,
	    { headers: extraHeaders });
	const g = await until(() => e.got.find((x) => x.json?.event === 'hello'),
	    'hello');
	assert.deepEqual(g.json.data, want);
	w.terminate();
	e.close();
});

test('what is not there, or too long, is null', async () => {
	const s = await connect(d, '/h', { extraHeaders: { 'X-Way': 'y'.repeat(1025) } });
	assert.deepEqual(await ask(s, 'me', { v: 'forged', z: 1 }),
	    { v: null, way: null, ip: '127.0.0.1', z: 1 });
	await d.counts('handshake_values_dropped', 1);
	s.close();
	const w = await plain(d, '/ws/h?v=%ff');
	assert.equal((await w.ask('me', {})).data.v, null);
	await d.counts('handshake_values_dropped', 2);
	w.terminate();
});

test('back ends see what the namespace keeps', async () => {
	const g = await Group.open(cli, 'roost:events:h', 'one');
	const s = await connect(d, '/h', { query: { ...query, w: 'not theirs' },
		extraHeaders });
	await ask(s, 'order', 1);
	await g.until((l) => l.some((e) => e.event === 'order' && e.sid === s.id));
	const mine = g.list.filter((e) => e.sid === s.id);
	assert.deepEqual(mine.map((e) => e.event), ['came', 'order']);
	assert.deepEqual(JSON.parse(mine[0].data), [{ way: 'up\\"' }]);
	const { headers, query: q, ...rest } = JSON.parse(mine[1].handshake);
	assert.deepEqual(q, { v: '3 é"', 'user name': 'Ann' });
	assert.equal(headers['x-way'], 'up\\"');
	assert.deepEqual(rest, {});
	const o = await connect(d, '/other', { query: { v: 'x', w: 'y' } });
	assert.deepEqual(await ask(o, 'me', {}), { w: 'y' });
	o.close();
	s.close();
});

test('they stay through an upgrade, and a recovery has those of now', async () => {
	const opts = { query, extraHeaders };
	const s = await connect(d, '/h', { ...opts, reconnection: true,
		reconnectionDelay: 10 });
	const p = await connect(d, '/h', { ...opts, transports: ['polling'] });
	const w = await plain(d, `/ws/h?${search}`, { headers: extraHeaders });
	putRebuilt(d);
	await upgrade(d);
	const me = { v: want.v, way: want.way, ip: want.ip };
	for (const c of [s, p])
		assert.deepEqual(await ask(c, 'me', {}), me);
	assert.deepEqual((await w.ask('me', {})).data, me);
	assert.equal((await heard(s, 'hello')).length, 1);
	s.io.opts.query.v = '4';
	s.io.engine.close();
	await until(() => s.connected && s.recovered, 'recovered');
	assert.deepEqual(await ask(s, 'me', {}), { ...me, v: '4' });
	s.close();
	p.close();
	w.terminate();
});
