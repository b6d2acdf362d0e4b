/*
 * USR2: another binary takes the place of the running one, in the same process,
 * or it does not and nothing has changed.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { ask, connect, heard, plain } from './lib/clients.mjs';
import { echo, stopTime } from './lib/conf.mjs';
import { roostd, run, slow, tempdir, until, within } from './lib/daemon.mjs';
import { held, links } from './lib/held.mjs';
import { datagrams } from './lib/notify.mjs';
import { another, apart, crossfire, fails, next, put, putFailing, putRebuilt, say,
	times, upgrade, Upgradable, usr2, version } from './lib/upgrade.mjs';

const quick = `drain_time = 1s\n${stopTime}binary_timeout = ${
	Math.min(2 * slow, 5)}s\n`;
const exe = (pid) => fs.readlinkSync(`/proc/${pid}/exe`);
const workers = (d) => d.children().filter((c) => c.role === 'worker')
    .map((c) => c.pid);

/* It serves, by the binary that it began with. */
async function unchanged(d, s, { before, after }) {
	assert.deepEqual(after, before);
	assert.equal(await ask(s, 'ask', 5), 5);
	const other = await connect(d, '/');
	assert.equal(await ask(other, 'ask', 6), 6);
	other.close();
}

test('a rebuilt binary takes its place', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const pid = d.pid, before = d.children().map((c) => c.pid);
	const s = await connect(d, '/');
	assert.equal(await ask(s, 'ask', 1), 1);
	const was = { accepted: await d.metric('connections_accepted'),
		events: await d.metric('ns_events_in', 'ns="/"'),
		started: await d.metric('children_started') };
	putRebuilt(d);
	await upgrade(d);
	assert.match(d.log, new RegExp(
	    ` upgraded version=${next} before=${version}\n`));
	assert.equal(d.pid, pid);
	assert.equal(exe(pid), d.bin);
	for (const c of d.children()) {
		assert.ok(!before.includes(c.pid), `${c.title} is another`);
		assert.equal(exe(c.pid), d.bin);
	}
	assert.equal(d.children().length, 3);
	const t = await connect(d, '/');
	assert.equal(await ask(t, 'ask', 2), 2);
	/* what was counted goes on */
	await d.counts('connections_accepted', (n) => n > was.accepted);
	await d.counts('ns_events_in', was.events + 1, 'ns="/"');
	await d.counts('children_started', was.started + 3);
	await d.counts('upgrades', 1);
	await d.counts('upgrades_failed', 0);
	await d.counts('generation', 2);
	await d.counts('generations', 1);
	const stats = fs.readFileSync(`${d.dir}/stats`);
	assert.ok(stats.includes(next), 'the file says who writes it');
	s.close();
	t.close();
	await d.stop();
});

test('the service manager is told', async () => {
	const name = `@roostd-upgrade-${process.pid}`;
	const seen = await datagrams(name);
	const d = await Upgradable.start({ workers: 1, conf: `${quick}${echo}`,
		env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '3000000' } });
	await until(() => seen.all.some((t) => /READY=1/.test(t)), 'READY=1');
	const at = seen.all.length;
	putRebuilt(d);
	await upgrade(d);
	const told = () => seen.all.slice(at).join('\n');
	await until(() => new RegExp(`RELOADING=1[^]*READY=1\\\\nMAINPID=${d.pid}`)
	    .test(told()), 'RELOADING and READY');
	/* by the new one, too */
	const then = seen.all.length;
	await until(() => seen.all.slice(then).some((t) =>
		/WATCHDOG=1/.test(t)), 'WATCHDOG=1');
	put(d, 'nonsense');
	await fails(d);
	await d.stop();
	await until(() => /STOPPING=1/.test(told()), 'STOPPING=1');
	seen.stop();
});

test('a socket file goes with the last of them', async () => {
	const dir = tempdir(), at = path.join(dir, 'sock');
	const d = await Upgradable.start({ workers: 2, listen: false,
		conf: `listen "127.0.0.1:0" {}
listen "unix:${at}" {}\n${quick}${echo}` });
	const ino = fs.statSync(at).ino;
	putRebuilt(d);
	await upgrade(d);
	assert.equal(fs.statSync(at).ino, ino);
	const r = await new Promise((ok, no) => http.get({ socketPath: at,
		path: '/health' }, ok).on('error', no));
	assert.equal(r.statusCode, 200);
	r.resume();
	await d.stop();
	assert.ok(!fs.existsSync(at));
});

test('what is no binary that could take over is refused', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const s = await connect(d, '/'), n = held(d.pid);
	const cases = [
		['these are no instructions\n', 0o755, /Exec format/],
		['#!/bin/sh\nexit 0\n', 0o755, /is no roostd/],
		['#!/bin/sh\nkill -SEGV $$\n', 0o755, /signal 11/],
		['#!/bin/sh\nexec sleep 1000\n', 0o755, /not ready in time/],
		['#!/bin/sh\necho roostd: yes\nexit 7\n', 0o755, /code 7/],
		[fs.readFileSync(roostd), 0o644, /Permission/],
		/* of a machine that this one is not */
		[Buffer.concat([fs.readFileSync('/bin/true').subarray(0, 18),
			Buffer.from([0xf3, 0]),
			fs.readFileSync('/bin/true').subarray(20)]), 0o755,
		/Exec format/],
	];
	for (const [content, mode, why] of cases) {
		put(d, content, mode);
		const r = await fails(d);
		assert.match(r.log, why);
		await unchanged(d, s, r);
	}
	fs.unlinkSync(d.bin);
	const r = await fails(d);
	assert.match(r.log, /No such file/);
	await d.counts('upgrades_failed', cases.length + 1);
	await d.counts('upgrades', 0);
	await until(() => held(d.pid) === n, 'descriptors to be closed');
	/* and one that can is taken after all */
	putRebuilt(d);
	await upgrade(d);
	s.close();
	await d.stop();
});

test('a configuration that it cannot have is refused', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const s = await connect(d, '/'), good = fs.readFileSync(d.file, 'utf8');
	putRebuilt(d);
	fs.writeFileSync(d.file, `${good}\nlimits { conections = 5 }\n`);
	let r = await fails(d);
	assert.match(r.log, /child_says role=trial .*conections/);
	await unchanged(d, s, r);
	fs.writeFileSync(d.file, `${good}\npidfile = "${d.dir}/pid"\n`);
	r = await fails(d);
	assert.match(r.log, /child_says role=trial .*pidfile.*new start only/);
	await unchanged(d, s, r);
	/* and one that it can have comes into force with it */
	fs.writeFileSync(d.file, `${good}
namespace "/more" { auth = none event "ask" { ack = echo } }\n`);
	await upgrade(d);
	const t = await connect(d, '/more');
	assert.equal(await ask(t, 'ask', 5), 5);
	t.close();
	s.close();
	await d.stop();
});

for (const [how, why] of [
	['start-crashes', 'it crashed: SEGV'],
	['start-aborts', 'it crashed: ABRT'],
	['start-ends', 'it ended'],
	['start-hangs', 'it hung'],
	['late-crashes', 'it crashed: SEGV'],
	['soon-aborts', 'it crashed: ABRT'],
	['wsoon-aborts', 'one of them ended, or could not be started'],
	['worker-aborts', 'one of them ended, or could not be started'],
	['worker-ends', 'one of them ended, or could not be started'],
	['worker-hangs', 'not ready in time'],
]) {
	test(`one that does not do (${how}) is left for the one before`,
	    async () => {
		const d = await Upgradable.start({ workers: 2,
			conf: `${quick}${echo}` });
		d.mayDie = /^w/.test(how);
		const pid = d.pid, s = await connect(d, '/');
		putFailing(d, how);
		const r = await fails(d, 20000);
		assert.match(r.log, new RegExp(
		    ` upgrade_rolled_back version=${version} why="${why}"`));
		assert.equal(d.pid, pid);
		await unchanged(d, s, r);
		await d.counts('upgrades', 0);
		await d.counts('upgrades_failed', 1);
		/* nothing is left of it, and it is not tried again */
		const n = held(pid);
		const again = await fails(d, 20000);
		assert.deepEqual(again.after, r.before);
		await until(() => held(pid) <= n,
		    () => `no more: ${held(pid)} of ${n} descriptors`);
		assert.equal(times(d, ' upgrade_rolled_back '), 2);
		/* the one before reloads, and gives its place to a better one */
		putRebuilt(d);
		await upgrade(d);
		await d.counts('upgrades', 1);
		s.close();
		await d.stop();
	});
}

/* What the master had to do about those who have gone is done. */
async function atRest(d) {
	const n = times(d, ' reopened');
	process.kill(d.pid, 'SIGUSR1');
	await until(() => times(d, ' reopened') > n, 'another turn');
}

test('five in a row leave nothing behind', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	const memory = () => Number(fs.readFileSync(`/proc/${d.pid}/smaps_rollup`,
	    'latin1').match(/^Pss_Anon:\s+(\d+)/m)?.[1] ?? 0);
	let n, m;
	for (let i = 0; i < 5; i++) {
		await upgrade(d);
		await atRest(d);
		n ??= held(d.pid);
		m ??= memory();
		await until(() => held(d.pid) === n,
		    () => `${n} descriptors: ${links(d.pid)}`);
		for (const c of d.children())
			assert.ok(held(c.pid) <= 60, `${c.title}: ${held(c.pid)}`);
	}
	assert.ok(memory() < m + 2048, `${memory()} KiB, ${m} at first`);
	await d.counts('upgrades', 5);
	assert.equal(d.children().length, 3);
	await d.stop();
});

test('nothing is lost, doubled or reordered between workers', async () => {
	const d = await Upgradable.start({ workers: 2, conf: quick + say });
	const [a, b] = await apart(d);
	const ended = [];
	for (const s of [a, b])
		s.on('disconnect', (why) => ended.push(why));
	const cease = await crossfire(d, a, b);
	putRebuilt(d);
	await upgrade(d);
	await upgrade(d);
	const seen = [a.seen, b.seen];
	await until(() => a.seen > seen[0] + 100 && b.seen > seen[1] + 100,
	    'more, by those who came last');
	await cease();
	assert.deepEqual(ended, []);
	await d.counts('upgrades', 2);
	await d.counts('bus_lost_bytes', 0);
	await d.counts('bus_dropped', 0);
	await d.counts('gaps_told', 0);
	a.close();
	b.close();
	await d.stop();
});

/* Two clients, each of which hears the other. */
async function heard2(d) {
	const [a, b] = await apart(d);
	for (const [x, y] of [[a, b], [b, a]]) {
		const got = new Promise((ok) => y.on('say', ([n]) => n === 7 &&
			ok()));
		x.emit('say', [7]);
		await within(got, 'the event');
	}
	a.close();
	b.close();
}

for (const who of ['relay', 'worker'])
	test(`a ${who} that stands still does not hold up another relay`,
	    async () => {
		const d = await Upgradable.start({ workers: 2,
			conf: `worker_timeout = 60s\n${quick}${say}` });
		d.mayDie = true;	/* it is killed, or gives up */
		const renewed = times(d, ' relay_renewed ');
		const relay = d.relay().pid;
		putRebuilt(d);
		usr2(d);
		/* those who came prove themselves; then it is replaced */
		await until(() => times(d, ' worker_ready ') === 4, 'the upgrade',
		    15000);
		const still = who === 'relay' ? relay : workers(d).at(-1);
		process.kill(still, 'SIGSTOP');
		try {
			await until(() => times(d, ' relay_renewed ') > renewed,
			    'the relay to be replaced', 15000);
			await another(d, relay);
		} finally {
			try {
				process.kill(still, 'SIGCONT');
			} catch { /* it was killed */ }
		}
		await until(() => d.children().length === 3, 'all of them');
		await heard2(d);
		await d.stop();
	});

test('signals while it is replaced are not lost', async () => {
	const d = await Upgradable.start({ workers: 2, conf: `${quick}${echo}` });
	/* a reload, and one worker more, are done after it */
	putRebuilt(d);
	usr2(d);
	process.kill(d.pid, 'SIGHUP');
	process.kill(d.pid, 'SIGTTIN');
	await until(() => times(d, ' upgraded ') === 1, 'the upgrade', 20000);
	await until(() => workers(d).length === 3 && times(d, ' turned ') >= 2,
	    'one worker more', 20000);
	await d.stop();
});

test('told to end while it is replaced, it ends', async () => {
	for (const words of [' upgrading ', ' upgrading_now ',
		' upgrading_from ', ' upgraded ']) {
		const d = await Upgradable.start({ workers: 2,
			conf: `${quick}${echo}` });
		d.mayDie = true;	/* who is about to come is killed */
		putRebuilt(d);
		usr2(d);
		await until(() => d.log.includes(words), words);
		await d.stop();
	}
});

test('nobody sets by hand what one binary tells the other', async () => {
	for (const v of ['on:7', 'back:3:no', 'trial:5', '1', '']) {
		const r = await run(['-t', '-c', '/nonexistent'],
		    { env: { ROOSTD_UPGRADE: v } });
		assert.equal(r.code, 64);
		assert.match(r.err,
		    /ROOSTD_UPGRADE: only a running roostd sets it/);
	}
});

test('in the background, its pidfile stays locked', async () => {
	const d = await Upgradable.start({ workers: 1, conf: echo });
	const dir = d.dir, pidfile = path.join(dir, 'pid'),
		log = path.join(dir, 'log'), file = path.join(dir, 'b.conf');
	fs.writeFileSync(file, `listen "127.0.0.1:0" {}
workers = 1 pidfile = "pid" log_file = "${log}" ${quick} ${echo}`);
	const r = spawnSync(d.bin, ['-c', 'b.conf'], { cwd: dir,
		encoding: 'utf8' });
	assert.equal(r.status, 0, r.stderr);
	const pid = Number(fs.readFileSync(pidfile, 'utf8'));
	const text = () => fs.readFileSync(log, 'utf8');
	try {
		putRebuilt(d);
		process.kill(pid, 'SIGUSR2');
		await until(() => / relay_renewed /.test(text()),
		    'the upgrade', 20000);
		assert.match(text(), new RegExp(` upgraded version=${next} `));
		assert.equal(exe(pid), d.bin);
		assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), '/');
		const second = spawnSync(d.bin, ['-c', 'b.conf'], { cwd: dir,
			encoding: 'utf8' });
		assert.equal(second.status, 69, second.stderr);
		assert.equal(Number(fs.readFileSync(pidfile, 'utf8')), pid);
	} finally {
		process.kill(pid, 'SIGTERM');
	}
	await until(() => !fs.existsSync(pidfile), 'the pidfile to go');
	await d.stop();
});
