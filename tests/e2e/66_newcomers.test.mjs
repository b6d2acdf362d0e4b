/*
 * A worker that is not there for a while, since it crashed again and again or
 * stands still: who connects meanwhile is served by the others at once, and by
 * all of them when it is back.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';

import { ask, connect } from './lib/clients.mjs';
import { echo, listenTls, stopTime } from './lib/conf.mjs';
import { Daemon, halt, slow, until } from './lib/daemon.mjs';
import { putFailing, putRebuilt, Upgradable, usr2 } from './lib/upgrade.mjs';
import { Sock } from './lib/wire.mjs';

const NEWCOMERS = 60;	/* a third of them would come to the one that lacks */
const LONG = slow === 1 ? 3200 : 5000;	/* a pause; they double up to this */
const conf = `drain_time = 2s\n${stopTime}${echo}`;

const times = (d, words) => d.log.split(words).length - 1;
const workers = (d) => d.children().filter((c) => c.role === 'worker');
const pids = (d) => workers(d).map((w) => w.pid);
/* What is none of these. */
const other = (d, those) => workers(d).find((w) => !those.includes(w.pid));

/* One request over a connection of its own. */
const visit = (port, secure) => new Promise((ok, no) => {
	const get = secure ? https.get : http.get;
	get({ host: '127.0.0.1', port, path: '/livez', agent: false,
		rejectUnauthorized: false, headers: { connection: 'close' } },
	(r) => {
		r.resume().on('end', () => ok(r.statusCode)).on('error', no);
	}).on('error', no);
});
async function visits(port, secure = false) {
	const all = await Promise.all([...Array(NEWCOMERS)].map(() =>
		visit(port, secure)));
	assert.deepEqual([...new Set(all)], [200]);
}

/* Each of those processes is connected to. */
async function reaches(d, those) {
	const left = new Set(those);
	await until(async () => {
		const s = await connect(d, '/');
		const { worker } = await ask(s, 'roost:ping');
		s.close();
		left.delete(d.worker(worker)?.pid);
		return left.size === 0;
	}, () => `somebody to come to ${[...left]}`, 20000);
}

/* Kill whoever is not one of these, until the next one has to wait for long. */
async function crash(d, those, ms = LONG) {
	for (;;) {
		const { pid } = await until(() => other(d, those), 'a worker', 20000);
		const before = times(d, 'child_pause');
		process.kill(pid, 'SIGKILL');
		const paused = () => times(d, 'child_pause') > before;
		await until(() => paused() ||
		    ![undefined, pid].includes(other(d, those)?.pid),
		'it to be replaced', 20000);
		const pause = [...d.log.matchAll(/child_pause .*pause_ms=(\d+)/g)]
		    .at(-1)?.[1];
		if (paused() && Number(pause) >= ms)
			return;
	}
}

/* The log says what was done, and is read later than it was: the last word. */
const led = (d, words) => until(() => [...d.log.matchAll(/newcomers_led (.*)/g)]
    .at(-1)?.[1] === words, `newcomers_led ${words}`, 20000);

/* A daemon of three, the second of which is not there. */
async function start(opts = {}, How = Daemon) {
	const d = await How.start({ workers: 3, conf, ...opts });
	d.mayDie = true;
	const two = d.worker(2).pid, those = pids(d).filter((p) => p !== two);
	await crash(d, those);
	await led(d, 'workers=2 of=3 gone=1 stuck=0');
	return { d, those };
}

/* It happens while there is nobody in the place of who lacks. */
async function without(d, those, f) {
	const ready = times(d, 'worker_ready');
	await f();
	assert.deepEqual(pids(d).sort(), those.toSorted());
	assert.equal(times(d, 'worker_ready'), ready);
}

async function back(d, those) {
	await until(() => other(d, those), 'it to be replaced', 20000);
	const n = those.length + 1;
	await led(d, `workers=${n} of=${n}`);
	await reaches(d, pids(d));
}

test('newcomers do not wait for a worker that has to', async () => {
	const { d, those } = await start({ conf: `${conf}${listenTls()}` });
	await without(d, those, async () => {
		await Promise.all([visits(d.ports[0]), visits(d.ports[1], true)]);
		await d.counts('workers_away', 1);
		/* and whoever stays */
		for (let i = 0; i < 5; i++)
			(await connect(d, '/')).close();
	});
	await back(d, those);
	await d.counts('workers_away', 0);
	/* again */
	await crash(d, those);
	await led(d, 'workers=2 of=3 gone=1 stuck=0');
	await without(d, those, () => visits(d.port));
	/* and the others as well: it is the first that is back who serves them */
	those.forEach((p) => process.kill(p, 'SIGKILL'));
	await visits(d.port);
	await until(() => workers(d).length === 3, 'all to be back', 20000);
	await led(d, 'workers=3 of=3');
	await reaches(d, pids(d));
	await d.stop();
});

test('what had come before waits for its replacement', async () => {
	const { d, those } = await start();
	await back(d, those);
	const next = other(d, those).pid;
	await halt(next);
	/* some of these are in its queue */
	const socks = await Promise.all([...Array(NEWCOMERS)].map(() =>
		Sock.open(d.port)));
	for (const s of socks)
		s.send('GET /livez HTTP/1.1\r\nHost: x\r\n' +
		    'Connection: close\r\n\r\n');
	process.kill(next, 'SIGKILL');
	for (const s of socks)
		assert.equal((await s.response({ ms: 20000 })).status, 200);
	await d.stop();
});

test('while all workers are replaced', async () => {
	const { d } = await start();
	const old = pids(d);
	process.kill(d.pid, 'SIGHUP');
	await d.logged(' reloaded ', 1, 20000);
	await visits(d.port);
	await led(d, 'workers=3 of=3');
	await d.logged(' turned ', 1, 20000);
	const now = pids(d);
	assert.ok(now.every((p) => !old.includes(p)));
	await reaches(d, now);
	/* and one of those is gone */
	const rest = now.slice(1);
	await crash(d, rest);
	await led(d, 'workers=2 of=3 gone=1 stuck=0');
	await without(d, rest, () => visits(d.port));
	await back(d, rest);
	await d.stop();
});

test('while there is one more', async () => {
	const { d, those } = await start();
	process.kill(d.pid, 'SIGTTIN');
	await d.logged(' resized workers=4 ', 1, 20000);
	const all = pids(d);
	assert.equal(all.length, 3, 'the pause goes on');
	await without(d, all, async () => {
		await visits(d.port);
		await reaches(d, all);
	});
	assert.ok(those.every((p) => all.includes(p)));
	await back(d, all);
	await d.stop();
});

test('while there is one less', async () => {
	const { d, those } = await start();
	process.kill(d.pid, 'SIGTTOU');
	await d.logged(' resized workers=2 ', 1, 20000);
	await visits(d.port);
	assert.ok(!other(d, those), 'the pause goes on');
	/* the last one leaves; the other one stays */
	await d.logged(' turned ', 1, 20000);
	const stay = await until(() => {
		const now = pids(d).filter((p) => those.includes(p));
		return now.length === 1 && now;
	}, 'the last one to leave', 20000);
	await back(d, stay);
	await d.stop();
});

test('another binary knows', async () => {
	const { d } = await start({ conf: `binary_timeout = ${
		Math.min(2 * slow, 5)}s\n${conf}` }, Upgradable);
	const was = pids(d);
	putRebuilt(d);
	usr2(d);
	const upgraded = d.logged(' upgraded ', 1, 20000);
	let over = false;
	upgraded.then(() => { over = true; }, () => { over = true; });
	do
		await visits(d.port);
	while (!over);
	await upgraded;
	await d.logged(' relay_renewed ', 1, 20000);
	await until(() => pids(d).length === 3 &&
	    !pids(d).some((p) => was.includes(p)), 'those before to leave', 20000);
	await reaches(d, pids(d));
	/* one that does not do, and the one before again */
	const rest = pids(d).slice(1);
	await crash(d, rest);
	await led(d, 'workers=2 of=3 gone=1 stuck=0');
	putFailing(d, 'worker-ends');
	usr2(d);
	await d.logged(' upgrade_failed ', 1, 20000);
	await until(() => pids(d).length === 3, 'all to be back', 20000);
	await reaches(d, pids(d));
	await d.stop();
});

test('nor for one that stands still', async () => {
	const d = await Daemon.start({ workers: 3,
		conf: `worker_timeout = 8s\n${conf}` });
	const [one, two, three] = pids(d);
	await halt(two);
	await led(d, 'workers=2 of=3 gone=0 stuck=1');
	await visits(d.port);
	assert.doesNotMatch(d.log, /child_hangs/);
	process.kill(two, 'SIGCONT');
	await led(d, 'workers=3 of=3');
	await reaches(d, [one, two, three]);
	await d.stop();
});
