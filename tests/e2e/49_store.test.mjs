/*
 * What the relay keeps of rooms, while that changes around it: the relay is
 * replaced by an upgrade, with its shared memory, or is killed; bounds change
 * by a reload; many come back at once.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { stopTime } from './lib/conf.mjs';
import { Daemon, slow, until } from './lib/daemon.mjs';
import { sioOn } from './lib/spread.mjs';
import { another, putRebuilt, putRelaid, upgrade, Upgradable } from
    './lib/upgrade.mjs';

const quick = `drain_time = 1s\n${stopTime}binary_timeout = ${
	Math.min(2 * slow, 5)}s\n`;
const space = (history = 1000, store = '') => `${quick}
store { ${store} }
namespace "/k" { auth = none
    room "k:{id}" { join = open history = ${history} }
    event "say" { to = room:room self = true ack = accepted member = off } }
`;
const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const join = (s, room, since) => ask(s, 'room:join', { room, since });
const numbers = (s) => gotten(s, 'say').map(([x]) => x.i);
const offsets = (s) => gotten(s, 'say').map(([, m]) => m.offset);
const say = (s, room, i) => ask(s, 'say', { room, i });
async function sayAll(s, room, from, to) {
	const acks = await Promise.all(range(from, to).map((i) =>
	    say(s, room, i)));
	assert.deepEqual(acks.map((a) => a.ok), acks.map(() => undefined));
	return acks;
}

for (const [what, relay] of [['another binary', putRebuilt],
	['another binary with another layout', putRelaid]])
	test(`${what}: rooms go on where they were`, async () => {
		const d = await Upgradable.start({ workers: 2,
			conf: space('1M', 'bytes = 1GB room_bytes = 1GB') });
		const [a, b] = await sioOn(d, [1, 2], '/k'), room = 'k:1';
		const { epoch } = await join(a, room);
		await join(b, room);
		await sayAll(a, room, 1, 5);
		/* and while it happens */
		let on = true, sent = 5;
		const talk = (async () => {
			while (on)
				await say(a, room, ++sent);
		})();
		relay(d);
		await upgrade(d);
		await until(() => sent > 20, 'more events');
		on = false;
		await talk;
		for (const s of [a, b]) {
			await heard(s, 'say', sent, 20000);
			assert.deepEqual(offsets(s), range(1, sent));
			assert.deepEqual(numbers(s), range(1, sent));
			assert.ok(gotten(s, 'say').every(([, m]) =>
				m.epoch === epoch));
		}
		const c = await connect(d, '/k');
		const from = sent - 10;
		assert.deepEqual(await join(c, room, { epoch, offset: from }),
		    { room, epoch, offset: sent, recovered: true });
		assert.deepEqual(numbers(c), range(from + 1, sent));
		for (const s of [a, b, c])
			s.close();
		await d.stop();
	});

test('a relay killed: rooms begin anew, and it is said', async () => {
	const d = await Daemon.start({ workers: 2, conf: space() });
	d.mayDie = true;
	const [a, b] = await sioOn(d, [1, 2], '/k'), room = 'k:1';
	const { epoch } = await join(a, room);
	await join(b, room);
	await sayAll(a, room, 1, 5);
	await heard(b, 'say', 5);
	const old = d.relay().pid;
	process.kill(old, 'SIGKILL');
	await another(d, old);
	for (const s of [a, b])
		await heard(s, 'roost:gap', 1, 15000);
	let ack;
	await until(async () => {
		ack = await say(a, room, 6);
		return ack.offset !== undefined;
	}, 'an event to be kept');
	assert.notEqual(ack.epoch, epoch);
	const c = await connect(d, '/k');
	const r = await join(c, room, { epoch, offset: 5 });
	assert.equal(r.recovered, false);
	assert.equal(r.epoch, ack.epoch);
	for (const s of [a, b, c])
		s.close();
	await d.stop();
});

test('other bounds by a reload', async () => {
	const d = await Daemon.start({ workers: 2, conf: space() });
	const [a] = await sioOn(d, [1], '/k'), room = 'k:1';
	const { epoch } = await join(a, room);
	await sayAll(a, room, 1, 9);
	const reload = async (conf) => {
		const turned = () => d.log.split(' turned ').length;
		const n = turned();
		fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
		    .replace(/^drain_time [^]*/m, conf));
		process.kill(d.pid, 'SIGHUP');
		await until(() => turned() > n, 'the reload', 20000);
	};
	await reload(space(4));
	await until(async () => await d.metric('store_events') === 4,
	    'four events');
	const c = await connect(d, '/k');
	const r = await join(c, room, { epoch, offset: 2 });
	assert.deepEqual([r.epoch, r.offset, r.recovered], [epoch, 9, false]);
	assert.deepEqual(numbers(c), range(6, 9));
	await reload(space(0));
	await until(async () => await d.metric('store_rooms') === 0, 'no rooms');
	await reload(space(10));
	const e = await connect(d, '/k');
	assert.notEqual((await join(e, room)).epoch, epoch);
	for (const s of [a, c, e])
		s.close();
	await d.stop();
});

test('many come back at once: each once, in order, all of it', async () => {
	const d = await Daemon.start({ workers: 2, conf: space(1000) });
	const [a] = await sioOn(d, [1], '/k'), room = 'k:1', n = 150;
	const { epoch } = await join(a, room);
	for (let i = 0; i < 1000; i += 50)
		await sayAll(a, room, i + 1, i + 50);
	const all = await Promise.all(range(1, n).map(() => connect(d, '/k')));
	let on = true, sent = 1000;
	const talk = (async () => {
		while (on)
			await say(a, room, ++sent);
	})();
	const acks = await Promise.all(all.map((s, i) =>
	    join(s, room, { epoch, offset: 500 + i })));
	on = false;
	await talk;
	assert.ok(acks.every((r) => r.recovered && r.epoch === epoch),
	    JSON.stringify(acks.find((r) => !r.recovered)));
	for (const [i, s] of all.entries()) {
		await heard(s, 'say', sent - 500 - i, 20000);
		assert.deepEqual(offsets(s), range(501 + i, sent));
		s.close();
	}
	a.close();
	await d.stop();
});
