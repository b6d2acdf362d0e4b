/*
 * The master, the relay, giver or heir is killed, at each step of a hand-over,
 * of an upgrade, and of the relay's replacement: lost is what one process had
 * alone, nothing comes twice or in another order, and nothing is left behind.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, sleep, tempdir, until } from './lib/daemon.mjs';
import { held } from './lib/held.mjs';
import { Crowd, rules, Strike } from './lib/strike.mjs';
import { put, putRebuilt, putRelaid, times, Upgradable } from
    './lib/upgrade.mjs';

const CLIENTS = 40;
const conf = `worker_timeout = 60s
drain_time = 30s
stop_time = 2s
binary_timeout = 5s
${rules}`;

const strike = new Strike();
const workers = (d) => d.children().filter((c) => c.role === 'worker');
const files = (d) => ({ master: held(d.pid), relay: held(d.relay().pid),
	workers: Math.max(...workers(d).map((w) => held(w.pid))) });
const begin = (o = {}) => Upgradable.start({ workers: 2, conf,
	env: strike.env, ...o });

let d, first;
before(async () => {
	d = await begin();
	d.mayDie = true;
	first = files(d);
});
after(async () => { await d.stop(); });

/* Three children, none of those before, and no more of an upgrade to come. */
const turned = (old, n) => until(async () => d.children().length === 3 &&
    !workers(d).some((w) => old.includes(w.pid)) && d.relay() !== undefined &&
    times(d, ' turned ') > n && await d.metric('generations') === 1,
() => `new workers only: ${d.children().map((c) => c.title)}`, 30000);

/* A reload or upgrade in which a process is struck; who is cut off is no more
 * than it had. */
async function round(crowd, step, { signal = 'SIGHUP', ...how } = {}) {
	const old = workers(d).map((w) => w.pid), n = times(d, ' turned ');
	strike.arm(step, how);
	process.kill(d.pid, signal);
	await strike.hit(step, d);
	await turned(old, n);
	const had = how.whom ? 0 : strike.sockets;
	strike.disarm();
	assert.ok(crowd.ended <= had,
	    `${step}: ${crowd.ended} cut off, it had ${had}`);
	assert.deepEqual(crowd.wrong, [], step);
}

/* What the dead relay had is lost: it is told, and all that comes then comes. */
async function anew(crowd, step) {
	await sleep(100);
	crowd.gaps = 0;
	for (const m of crowd.list)
		m.from.clear();
	await crowd.settled(step, true);
	await crowd.fill(CLIENTS);
}

/* --- giver and heir ---------------------------------------------------------- */

test('a giver that has given all has nothing to lose', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of ['worker-before-GIVEN', 'worker-after-GIVEN']) {
		const old = workers(d).map((w) => w.pid);
		const n = times(d, ' turned ');
		strike.arm(step);
		process.kill(d.pid, 'SIGHUP');
		await strike.hit(step);
		await turned(old, n);
		strike.disarm();
		assert.equal(crowd.ended, 0, step);
		await crowd.settled(step);
		assert.deepEqual([crowd.wrong, crowd.gaps], [[], 0], step);
	}
});

test('those who do not know each other yet are killed', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of ['before-HELLO', 'after-HELLO', 'got-HELLO',
		'worker-got-HEIR', 'worker-got-LEGATOR', 'before-PREPARE']) {
		await round(crowd, step);
		await crowd.settled(step);
		assert.equal(crowd.gaps, 0, step);
		await crowd.fill(CLIENTS);
	}
});

/* --- the relay --------------------------------------------------------------- */

test('the relay is killed in the middle of a cut', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const [step, nth] of [['relay-before-MARK', 1],
		['relay-after-MARK', 1], ['relay-before-MARK', 2],
		['relay-after-MARK', 2]]) {
		await round(crowd, step, { nth });
		assert.equal(crowd.ended, 0, step);
		await anew(crowd, step);
	}
	for (const step of ['worker-before-CUT', 'worker-after-CUT',
		'got-PREPARE', 'before-GO', 'after-STATE', 'got-STATE',
		'before-LOADED', 'before-COMMIT', 'before-TAKEN', 'after-TAKEN',
		'worker-before-LEAVE', 'worker-after-LEAVE']) {
		await round(crowd, step, { whom: d.relay().pid });
		await anew(crowd, step);
	}
});

test('the relay is killed in the middle of its replacement', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const binary of [putRebuilt, putRelaid])
		for (const [step, whose] of [['relay-got-BUS_END'],
			['relay-before-BUS_END'], ['relay-after-BUS_END'],
			['worker-got-BUS_END', 'relay'],
			['master-before- relay_renewed ', 'relay'],
			['master-after- relay_renewed ', 'relay'],
			['relay-before-READY'], ['relay-after-READY']]) {
			binary(d);
			const relay = d.relay().pid;
			const n = times(d, ' relay_renewed ');
			await round(crowd, step, { signal: 'SIGUSR2',
				whom: whose ? relay : 0 });
			assert.equal(crowd.ended, 0, step);
			await until(() => times(d, ' relay_renewed ') > n &&
				(d.relay()?.pid ?? relay) !== relay,
			'the next relay', 20000);
			await anew(crowd, step);
		}
});

test('a worker is killed in the middle of another relay', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const binary of [putRebuilt, putRelaid])
		for (const step of ['worker-got-BUS_END', 'worker-got-BUS']) {
			binary(d);
			const n = times(d, ' turned ');
			const relay = d.relay().pid;
			/* the first BUS is of a worker that is about to come */
			strike.arm(step);
			process.kill(d.pid, 'SIGUSR2');
			await strike.hit(step, d);
			const had = strike.sockets;
			strike.disarm();
			await until(() => times(d, ' turned ') > n &&
				d.children().length === 3 &&
				(d.relay()?.pid ?? relay) !== relay,
			'the upgrade', 30000);
			assert.ok(crowd.ended <= had,
			    `${step}: ${crowd.ended} of ${had}`);
			assert.deepEqual(crowd.wrong, [], step);
			await anew(crowd, step);
		}
});

test('no descriptor is left by all of that', async () => {
	const old = workers(d).map((w) => w.pid), n = times(d, ' turned ');
	process.kill(d.pid, 'SIGHUP');
	await turned(old, n);
	/* the relay was told of a configuration, and somebody may ask now */
	await until(() => {
		const now = files(d);
		return now.master <= first.master + 1 &&
			now.relay <= first.relay + 1 &&
			now.workers <= first.workers + 1;
	}, () => `as many: ${JSON.stringify([first, files(d)])}`);
	assert.equal(strike.processes.length, 4);
});

/* --- the master -------------------------------------------------------------- */

/* All of it ends with the master, and can be begun again where it was. */
async function over(e, crowd, step, before) {
	await e.exited;
	await until(() => crowd.ended === crowd.list.length, `${step
	    }: all to be cut off`);
	await until(() => strike.processes.every((p) => before.includes(p)),
	    () => `${step}: all to end: ${strike.processes}`, 10000);
	strike.disarm();
	crowd.close();
	const f = await Daemon.start({ workers: 2, conf: e.conf });
	await f.stop();
}

/* With a socket file, which stays behind: a port might be anybody's by then. */
function mortal() {
	const at = `listen "unix:${path.join(tempdir(), 's')}" {}\n${conf}`;
	return begin({ conf: at }).then((e) => Object.assign(e, { conf: at,
		mayDie: true }));
}

test('the master is killed at each step of a hand-over', async (t) => {
	const before = strike.processes;
	for (const step of ['before-HELLO', 'got-HELLO', 'before-PREPARE',
		'got-PREPARE', 'before-GO', 'got-GO', 'worker-after-CUT',
		'relay-after-MARK', 'before-STATE', 'got-STATE',
		'before-LOADED', 'got-LOADED', 'before-COMMIT', 'got-COMMIT',
		'before-TAKEN', 'got-TAKEN', 'worker-before-GIVEN',
		'worker-before-LEAVE']) {
		const e = await mortal();
		const crowd = await Crowd.make(t, e, 10);
		strike.arm(step, { whom: e.pid });
		process.kill(e.pid, 'SIGHUP');
		await strike.hit(step, e);
		await over(e, crowd, step, before);
	}
});

for (const [name, binary] of [['a rebuilt binary', putRebuilt],
	['one with another layout', putRelaid]])
	test(`the master is killed at each step of an upgrade to ${name}`,
	    async (t) => {
		const before = strike.processes;
		for (const step of ['after- upgrading signal',
			...(binary === putRelaid ? ['after- upgrade_layout ']
				: []),
			'before- upgrading_now ', 'after- upgrading_now ',
			...(binary === putRelaid ?
				['after- shared_memory_follows '] : []),
			'after- adopted ', 'after- upgrading_from ',
			'after- config_read ', 'before- relay_renewed ',
			'after- relay_renewed ', 'before- upgraded ',
			'after- upgraded ', 'before-HEIR', 'after-HEIR',
			'before-BUS_END', 'after-BUS_END', 'before-BUS',
			'got-GIVEN', 'after- turned ',
			...(binary === putRelaid ?
				['before- shared_memory_left'] : [])]) {
			const e = await mortal();
			const crowd = await Crowd.make(t, e, 10);
			binary(e);
			strike.arm(`master-${step}`);
			process.kill(e.pid, 'SIGUSR2');
			await strike.hit(step, e);
			await over(e, crowd, step, before);
		}
	});

test('the master is killed while a binary is tried', async (t) => {
	const before = strike.processes, e = await mortal();
	const crowd = await Crowd.make(t, e, 10);
	put(e, '#!/bin/sh\nexec sleep 1000\n');
	process.kill(e.pid, 'SIGUSR2');
	await until(() => strike.processes.some((p) => {
		try {
			return /sleep/.test(fs.readFileSync(
			    `/proc/${p}/cmdline`, 'latin1'));
		} catch {
			return false;	/* it has just ended */
		}
	}), 'the trial');
	process.kill(e.pid, 'SIGKILL');
	await over(e, crowd, 'trial', before);
});

/* The way back, in the middle of which the master cannot be helped. */
test('the master is killed on the way back', async (t) => {
	const before = strike.processes;
	for (const step of ['before- turned_back ', 'before- upgrade_rolls_back ',
		'after- upgrade_rolls_back ', 'after- upgrade_rolled_back ']) {
		const e = await mortal();
		const crowd = await Crowd.make(t, e, 10);
		putRelaid(e);
		strike.arm(`master-${step}`);
		const old = workers(e).map((w) => w.pid);
		process.kill(e.pid, 'SIGUSR2');
		await until(() => workers(e).length === 4, 'those who come',
		    10000);
		process.kill(workers(e).find((w) => !old.includes(w.pid)).pid,
		    'SIGKILL');
		await strike.hit(step, e);
		await over(e, crowd, step, before);
	}
});
