/*
 * Connections go from worker to worker, and giver, heir, relay or master is
 * killed, or stands still, at each step: the numbers that clients send each
 * other have no gap, none comes twice, and lost is what one process had alone.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { ask, connect } from './lib/clients.mjs';
import { Daemon, slow, sleep, until } from './lib/daemon.mjs';
import { held } from './lib/held.mjs';
import { Crowd, rules, STOP, Strike } from './lib/strike.mjs';

const CLIENTS = 40, KEY = 'k'.repeat(32);
const digest = (s) => createHash('sha256').update(s).digest('hex');

/* --- the daemon ------------------------------------------------------------ */

const workers = (d) => d.children().filter((c) => c.role === 'worker');
const files = (d) => ({ master: held(d.pid), relay: held(d.relay().pid),
	workers: workers(d).map((w) => held(w.pid)) });
const times = (d, words) => d.log.split(words).length - 1;

/* As many as there are to be, and none of those before. */
const turned = (d, old) => until(() => d.children().length === 3 &&
    !workers(d).some((w) => old.includes(w.pid)), 'new workers only', 20000);

async function reload(d) {
	const old = workers(d).map((w) => w.pid);
	process.kill(d.pid, 'SIGHUP');
	return old;
}

const conf = `worker_timeout = 60s
drain_time = 30s
stop_time = ${5 * slow}s
${rules}`;

const strike = new Strike();
const start = () => Daemon.start({ workers: 2, conf, env: strike.env });
let d;
before(async () => {
	d = await start();
	d.mayDie = true;
});
after(async () => { await d.stop(); });

/* A reload in which a process is struck; then there are two workers again.
 * Where in the log it began. */
async function round(crowd, step, how = {}) {
	const old = workers(d).map((w) => w.pid), n = d.log.length;
	strike.arm(step, how);
	process.kill(d.pid, 'SIGHUP');
	await strike.hit(step);
	await how.then?.(strike.struck);
	await turned(d, old);
	strike.disarm();
	if (how.signal === undefined)
		await until(() => /child_died/.test(d.log.slice(n)), 'a death');
	return n;
}

/* --- tests ------------------------------------------------------------------ */

test('nobody is killed: nobody notices', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (let i = 0; i < 5; i++) {
		await turned(d, await reload(d));
		assert.equal(crowd.ended, 0);
	}
	await crowd.settled();
	assert.deepEqual(crowd.wrong, []);
	assert.equal(crowd.gaps, 0);
	const m = await d.metrics();
	const sum = (name) => [...m].filter(([k]) => k.replace(/\{.*|_total/g,
	    '') === name).reduce((a, [, v]) => a + v, 0);
	assert.equal(sum('connections_moved_in'), 5 * CLIENTS);
	assert.equal(sum('connections_moved_out'), 5 * CLIENTS);
	assert.equal(sum('clients_moved_in'), 5 * CLIENTS);
	assert.equal(sum('clients_moved_out'), 5 * CLIENTS);
	assert.ok(sum('cuts') >= 10);
	assert.ok(m.get('move_seconds_count') >= 2 * sum('cuts'));
	assert.equal(sum('moves_refused'), 0);
});

const giver = ['after-PREPARE', 'got-GO', 'before-STATE', 'after-STATE',
	'got-LOADED', 'before-COMMIT', 'after-COMMIT', 'got-TAKEN'];
const heir = ['got-PREPARE', 'before-GO', 'after-GO', 'got-STATE',
	'before-LOADED', 'after-LOADED', 'got-COMMIT', 'before-TAKEN',
	'after-TAKEN'];

/* What the giver had and the heir did not; at least those who were elsewhere
 * are left. */
test('the giver is killed at each step', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of giver) {
		const n = await round(crowd, step);
		assert.ok(crowd.ended < CLIENTS, `${step}: some are left`);
		if (step === 'got-LOADED' || step === 'before-COMMIT')
			await until(() => /handover_inherited/.test(d.log
			    .slice(n)), `${step}: the heir to inherit`);
		await crowd.settled(step);
		assert.deepEqual(crowd.wrong, [], step);
		assert.equal(crowd.gaps, 0, step);
		await crowd.fill(CLIENTS);
	}
});

/* It had what it had taken, and no more: nothing before its first TAKEN. */
test('the heir is killed at each step', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of heir) {
		await round(crowd, step);
		if (step !== 'after-TAKEN')
			assert.equal(crowd.ended, 0, step);
		assert.ok(crowd.ended <= 32, step);
		await crowd.settled(step);
		assert.deepEqual(crowd.wrong, [], step);
		assert.equal(crowd.gaps, 0, step);
		await crowd.fill(CLIENTS);
	}
	await d.counts('moves_broken', (n) => n > 0);
	await d.counts('cut_timeouts', (n) => n > 0);
});

/* What it had is lost; nobody is cut off, and nothing comes twice. */
test('the relay is killed at each step', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of ['after-PREPARE', 'after-GO', 'got-GO',
		'before-STATE', 'got-LOADED', 'after-COMMIT', 'got-TAKEN']) {
		await round(crowd, step, { whom: d.relay().pid });
		assert.equal(crowd.ended, 0, step);
		assert.deepEqual(crowd.wrong, [], step);
		await until(() => d.relay() !== undefined, 'a relay');
	}
	crowd.gaps = 0;
	for (const m of crowd.list)
		m.from.clear();
});

/* Why connections were closed, all in all. */
const closed = async () => [...await d.metrics()].filter(([k, n]) => n > 0 &&
	k.startsWith('connections_closed')).join(' ');

/* Longer than anybody waits for it: the others go on meanwhile. */
const stood = async (crowd, pid, then) => {
	await sleep(300 + 100 * slow);
	const acked = () => crowd.list.reduce((a, m) => a +
	    (m.from.get(0) ?? 0), 0);
	const n = acked();
	await until(() => acked() > n + 20, 'the others to go on');
	process.kill(pid, then);
};

test('a giver stands still: the heir goes on, and has them or not', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of ['got-GO', 'before-STATE', 'got-LOADED',
		'before-COMMIT', 'after-COMMIT'])
		for (const then of ['SIGCONT', 'SIGKILL']) {
			const what = `${step} ${then}`;
			await round(crowd, step, { signal: STOP,
				then: (pid) => stood(crowd, pid, then) });
			if (then === 'SIGCONT')
				assert.equal(crowd.ended, 0, `${what}: ${
				    await closed()}`);
			await crowd.settled(what);
			assert.deepEqual(crowd.wrong, [], what);
			assert.equal(crowd.gaps, 0, what);
			await crowd.fill(CLIENTS);
		}
});

test('an heir stands still: the giver goes on, and keeps them or not', async (t) => {
	const crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of ['got-PREPARE', 'after-GO', 'got-STATE',
		'after-LOADED', 'got-COMMIT', 'before-TAKEN'])
		for (const then of ['SIGCONT', 'SIGKILL']) {
			const what = `${step} ${then}`;
			await round(crowd, step, { signal: STOP,
				then: (pid) => stood(crowd, pid, then) });
			assert.equal(crowd.ended, 0, what);
			await crowd.settled(what);
			assert.deepEqual(crowd.wrong, [], what);
			assert.equal(crowd.gaps, 0, what);
			await crowd.fill(CLIENTS);
		}
});

/* The heir's word that it has the client, and its client's answer, are read by
 * the giver at once, and a publication before both. */
test('who is asked while it moves has answered when its heir says so', async (t) => {
	const e = await Daemon.start({ workers: 2, env: strike.env,
		conf: `${conf}api { key "k" { sha256 = "${digest(KEY)}"
		    allow = {"publish"} } }` });
	e.mayDie = true;
	t.after(() => e.stop());
	const post = (more, ms) => fetch(e.url('/api/v1/publish'), {
		method: 'POST', signal: AbortSignal.timeout(ms * slow),
		headers: { authorization: `Bearer ${KEY}`,
			'content-type': 'application/json' },
		body: JSON.stringify({ namespace: 'cut', room: 'q', data: 1,
			...more }) });
	const c = await connect(e, '/cut');
	t.after(() => c.close());
	await ask(c, 'room:join', { room: 'q' });
	let answer;
	c.on('please', (x, ...more) => { answer = more.at(-1); });
	/* without the answer this is over late, and not complete */
	const asked = post({ event: 'please', ack: true, timeout: 60000 },
	    90000);
	await until(() => answer, 'the question');
	const old = workers(e).map((w) => w.pid);
	/* one that has nobody may have gone */
	const signal = (name) => workers(e).filter((w) => old.includes(w.pid))
	    .forEach((w) => process.kill(w.pid, name));
	strike.arm('got-COMMIT', { signal: STOP });
	process.kill(e.pid, 'SIGHUP');
	await strike.hit('COMMIT');
	await sleep(500 * slow);	/* the giver goes on, in doubt, */
	signal('SIGSTOP');		/*   until now */
	/* another new worker has the publication, or comes to it */
	await until(() => post({ event: 'n' }, 300).then((r) => r.ok,
	    () => false), 'a publication', 10000);
	await sleep(200 * slow);
	process.kill(strike.struck, 'SIGCONT');
	answer('yes');
	await sleep(500 * slow);
	signal('SIGCONT');
	const told = await (await asked).json();
	assert.deepEqual([told.asked, told.answered, told.complete],
	    [1, 1, true]);
	await turned(e, old);
	strike.disarm();
});

test('no descriptor is left by all of that', async (t) => {
	await until(() => d.children().length === 3, 'two workers', 20000);
	await turned(d, await reload(d));
	await until(async () => await d.metric('connections_open') === 1,
	    'all to be gone');
	const one = files(d), crowd = await Crowd.make(t, d, CLIENTS);
	for (const step of [...giver, ...heir]) {
		await round(crowd, step);
		await crowd.fill(CLIENTS);
	}
	crowd.close();
	await turned(d, await reload(d));
	/* a request for figures may be open in one of them */
	const more = (now) => now.master > one.master ||
	    now.relay > one.relay || now.workers.some((n) =>
		n > Math.max(...one.workers));
	await until(() => !more(files(d)), 'no more than before')
	    .catch((e) => { throw new Error(`${e.message}: ${
		JSON.stringify(one)}, now ${JSON.stringify(files(d))}`); });
});

/* Stop orders in the middle: all are told, and it ends in time. */
test('TERM while a batch is under way', async (t) => {
	for (const step of ['got-GO', 'before-COMMIT', 'after-COMMIT',
		'after-LOADED', 'before-TAKEN']) {
		const e = await start();
		const crowd = await Crowd.make(t, e, 10);
		strike.arm(step, { signal: STOP });
		process.kill(e.pid, 'SIGHUP');
		await strike.hit(step);
		const pid = strike.struck;
		const stopped = e.stop();
		await sleep(300);
		process.kill(pid, 'SIGCONT');
		strike.disarm();
		await stopped;
		await until(() => crowd.ended === 10, 'all to be told');
		assert.deepEqual(crowd.wrong, []);
	}
});

test('the master is killed: nobody stays behind', async (t) => {
	for (const step of ['got-GO', 'before-STATE', 'after-COMMIT']) {
		const e = await start();
		const crowd = await Crowd.make(t, e, 10);
		e.mayDie = true;
		strike.arm(step, { whom: e.pid });
		const pids = e.children().map((c) => c.pid);
		process.kill(e.pid, 'SIGHUP');
		await strike.hit(step);
		await e.exited;
		await until(() => crowd.ended === 10, 'all to be cut off');
		await until(() => !pids.some((p) => fs.existsSync(
		    `/proc/${p}`)), 'the children to end', 10000);
		strike.disarm();
	}
});
