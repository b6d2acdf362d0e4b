/*
 * The status of a user with devices on several hosts, as each of them tells it,
 * as back ends read it in Redis, and as it is after a host has died.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect } from './lib/clients.mjs';
import { as, conf, is, row, said, several, status, watching } from
	'./lib/people.mjs';

let redis, cli, a, b;
before(async () => {
	[redis, cli, a, b] = await several([2, 1]);
});
after(async () => {
	cli.close();
	for (const d of [a, b])
		await d?.stop();
	await redis.kill();
});
const set = (s, status) => ask(s, 'presence:set', { status });
const everywhere = (hosts, name, status) => Promise.all(hosts.map((d) =>
	is(d, name, status)));

test('the first status of all devices counts on every host', async () => {
	const [wa, wb] = await Promise.all([a, b].map((d) =>
		watching(d, ['ann'])));
	const here = await connect(a, '/query', as('ann'));
	await everywhere([a, b], 'ann', 'online');
	const there = await connect(b, '/query', as('ann'));
	await until(async () => (await row(cli, 'ann')).nodes.length === 2,
	    'both in Redis');
	let words = 'online';
	for (const [s, what, now] of [
		[here, 'away', 'online'], [there, 'away', 'away'],
		[here, 'busy', 'busy'], [there, 'dnd', 'dnd'],
		[here, 'online', 'dnd'], [there, 'online', 'online'],
	]) {
		await set(s, what);
		await everywhere([a, b], 'ann', now);
		if (!words.endsWith(` ${now}`) && words !== now)
			words += ` ${now}`;
		for (const w of [wa, wb])
			await until(() => said(w, 'ann') === words,
			    `${words}`);
		await until(async () => (await row(cli, 'ann')).status === now,
		    `${now} in Redis`);
	}
	/* one host's is away, and the other one's goes */
	await set(here, 'away');
	there.close();
	await everywhere([a, b], 'ann', 'away');
	for (const w of [wa, wb])
		await until(() => said(w, 'ann') === `${words} away`, 'away');
	[here, wa, wb].forEach((s) => s.close());
});

test('who is invisible on one host is offline on all', async () => {
	const wb = await watching(b, ['ian']);
	const here = await connect(a, '/query', as('ian'));
	const there = await connect(b, '/query', as('ian'));
	await until(() => said(wb, 'ian') === 'online', 'online');
	await set(here, 'invisible');
	await until(() => said(wb, 'ian') === 'online offline', 'offline');
	await everywhere([a, b], 'ian', 'offline');
	await until(async () => {
		const r = await row(cli, 'ian');
		return r.invisible === true && r.status === 'offline' &&
			r.last_seen === null;
	}, 'Redis to say so');
	const { users: [seen] } = await ask(wb, 'presence:get',
	    { users: ['ian'] });
	assert.deepEqual([seen.status, seen.last_seen], ['offline', null]);
	await set(here, 'online');
	await until(() => said(wb, 'ian') === 'online offline online', 'back');
	[here, there, wb].forEach((s) => s.close());
});

test('kill -9 of a host takes what its devices have said', async () => {
	const k = await Daemon.start({ workers: 1, conf: conf(redis.url) });
	k.mayDie = true;
	await until(async () => await a.metric('nodes_known') === 2 &&
		await b.metric('nodes_known') === 2, 'the third');
	const [wa, wb] = await Promise.all([a, b].map((d) =>
		watching(d, ['kim', 'kai'])));
	const here = await connect(a, '/query', as('kim'));
	const dies = await connect(k, '/query', as('kim'));
	const more = await connect(b, '/query', as('kai'));
	const dies2 = await connect(k, '/query', as('kai'));
	await set(here, 'away');
	await set(dies, 'dnd');
	await set(more, 'away');
	await everywhere([a, b, k], 'kim', 'dnd');
	await everywhere([a, b, k], 'kai', 'online');
	for (const pid of [...k.children().map((c) => c.pid), k.pid])
		process.kill(pid, 'SIGKILL');
	await everywhere([a, b], 'kim', 'away', 'query', 15000);
	await Promise.all([a, b].flatMap((d) => ['kim', 'kai'].map((n) =>
		is(d, n, 'away', 'query', 15000))));
	for (const w of [wa, wb])
		for (const n of ['kim', 'kai'])
			await until(() => said(w, n).endsWith('away'), n);
	await until(async () => {
		const r = await row(cli, 'kim');
		return r.status === 'away' && r.nodes.length === 1;
	}, 'Redis to know', 15000);
	assert.equal(await status(b, 'kim'), 'away');
	[here, dies, more, dies2, wa, wb].forEach((s) => s.close());
	await k.exited;
});
