/*
 * Processes of the daemon are killed, or stand still, in the middle of reloads:
 * lost is at most what that process had alone.  Those cut off are no more than
 * the sockets that it had; what others miss they are told of; nobody's presence
 * flickers; and no descriptor is left behind.
 *
 * usage: ROOSTD=... node kills.mjs [OPTION ...]
 *	--rounds N	of each kind (3)	--groups N	of ten clients (60)
 *	--only KIND	old, new, relay, master, halt, steps or none
 *	--step NAME	of the steps those that begin so: giver-after-COMMIT
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Daemon, sleep, slow, tempdir, until } from '../e2e/lib/daemon.mjs';
import { Fleet, rules, settled, words, workersOf } from './fleet.mjs';

const WORKERS = 2;
const TIMEOUT_MS = 3000;	/* worker_timeout */
const kinds = ['none', 'old', 'new', 'relay', 'halt', 'master'];

/*
 * The steps of a hand-over, by the packets between giver and heir (strike.c),
 * and who is killed there; nth: which batch of those that follow each other.
 */
const TYPES = { PREPARE: 2, GO: 3, STATE: 4, LOADED: 5, COMMIT: 6, TAKEN: 7 };
const WHEN = { before: 1, after: 2, got: 3 };
const steps = [
	...['before-PREPARE', 'after-PREPARE', 'got-GO', 'before-STATE',
		'after-STATE', 'got-LOADED', 'before-COMMIT', 'after-COMMIT',
		'got-TAKEN'].map((s) => `giver-${s}`),
	...['got-PREPARE', 'before-GO', 'after-GO', 'got-STATE',
		'before-LOADED', 'after-LOADED', 'got-COMMIT', 'before-TAKEN',
		'after-TAKEN'].map((s) => `heir-${s}`),
	...['after-PREPARE', 'got-GO', 'before-STATE', 'got-LOADED',
		'after-COMMIT'].map((s) => `relay-${s}`),
];
/* Where the other one has, or keeps, what is under way. */
const safe = /^(giver-(got-LOADED|.*COMMIT|got-TAKEN)|heir-(got-STATE|.*LOADED|got-COMMIT|before-TAKEN))$/;

class Strike {
	constructor() {
		const dir = tempdir();
		const library = path.join(dir, 'strike.so');
		execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1',
		    '-o', library, fileURLToPath(new URL('strike.c',
			import.meta.url)), '-ldl']);
		this.file = path.join(dir, 'steer');
		fs.writeFileSync(this.file, Buffer.alloc(28));
		this.env = { LD_PRELOAD: library, STRIKE: this.file,
			ASAN_OPTIONS: `verify_asan_link_order=0:${
			    process.env.ASAN_OPTIONS ?? ''}` };
	}
	/* step: "giver-after-COMMIT"; pid: whom, unless it is giver or heir */
	arm(step, nth, pid) {
		const [, when, type] = step.split('-');
		const fd = fs.openSync(this.file, 'r+');
		[WHEN[when] ?? 0, nth, pid, 0, 0, 0].forEach((v, i) =>
			this.#put(fd, 4 + 4 * i, v));
		this.#put(fd, 0, TYPES[type] ?? 0);
		fs.closeSync(fd);
	}
	#put(fd, at, v) {
		const b = Buffer.alloc(4);
		b.writeInt32LE(v);
		fs.writeSync(fd, b, 0, 4, at);
	}
	get told() {
		const b = fs.readFileSync(this.file);
		return { struck: b.readUInt32LE(16), sockets: b.readUInt32LE(20),
			batch: b.readUInt32LE(24) };
	}
}

const links = (pid) => {
	try {
		return fs.readdirSync(`/proc/${pid}/fd`).map((fd) =>
			fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
	} catch {
		return [];
	}
};
const sockets = (pid) => links(pid).filter((l) => /^socket:/.test(l)).length;

/* What each process has open while nobody is connected. */
const open = (d) => ({ master: links(d.pid).length,
	relay: links(d.relay()?.pid).length,
	workers: workersOf(d).map((w) => links(w.pid).length).sort() });

const whole = (d) => until(() => d.relay() !== undefined, 'a relay', 20000)
    .then(() => settled(d, WORKERS));

/* Stopped first, so that what it has can be counted. */
async function kill(pid, signal = 'SIGKILL') {
	let n = -1;
	try {
		process.kill(pid, 'SIGSTOP');
		n = sockets(pid);
		process.kill(pid, signal);
	} catch { /* it has just ended */ }
	return n;
}

/* Who is to go now: an old worker, a new one, the relay. */
async function victim(d, kind, before) {
	if (kind === 'relay')
		return d.relay()?.pid;
	if (kind === 'halt' || kind === 'old')
		return before[0].pid;
	const fresh = () => workersOf(d).filter((w) =>
		!before.some((b) => b.pid === w.pid))[0]?.pid;
	return await until(fresh, 'a new worker', 2000).catch(() => undefined);
}

async function strikeNow(d, kind, before, delay) {
	await sleep(delay);
	const pid = await victim(d, kind, before);
	return pid === undefined ? 0 :
		kill(pid, kind === 'halt' ? 'SIGSTOP' : 'SIGKILL');
}
/* When it comes to the step; how many connections may be lost. */
async function strikeAt(d, strike, step, bad) {
	await until(() => strike.told.struck, `${step}`, 10000)
	    .catch(() => bad.push(`${step}: is never reached`));
	const { sockets: n, batch } = strike.told;
	return n - (safe.test(step) ? batch : 0);
}

async function round(d, kind, o, delay, strike) {
	const bad = [];
	const fleet = await Fleet.start(d, { groups: o.groups,
		polling: o.groups, lossy: kind !== 'none', ping: 2500 });
	await sleep(300);
	await fleet.run();
	await sleep(2000);
	const f0 = await fleet.mark('before');
	const before = workersOf(d), log = d.log.length;
	if (strike)
		strike.arm(kind, 3, /^relay/.test(kind) ? d.relay().pid : 0);
	process.kill(d.pid, 'SIGHUP');
	let had = 0;
	if (strike)
		had = await strikeAt(d, strike, kind, bad);
	else if (kind !== 'none')
		had = await strikeNow(d, kind, before, delay);
	await sleep(kind === 'halt' ? TIMEOUT_MS * slow + 2000 : 1000);
	await whole(d);
	await sleep(1000);
	const f1 = await fleet.mark(strike ? kind :
	    `${kind} after ${delay} ms`);
	const all = await fleet.settle();
	await fleet.end();
	console.log(`${words(f1, f0)}\n    it had ${had} sockets`);
	if (all.ended > Math.max(had, 0))
		bad.push(`${all.ended} are cut off, it had ${had} sockets`);
	if (kind === 'halt' && had > 0 &&
	    !/child_hangs/.test(d.log.slice(log)))
		bad.push('is not found to stand still');
	if (all.unacked > 0)
		bad.push(`${all.unacked} acks do not come`);
	if (all.bad > 0)
		bad.push(fleet.wrong);
	return bad;
}

async function empty(d) {
	await until(async () => await d.metric('connections_open') <= 1,
	    'all to leave', 20000);
	return open(d);
}

/* All its children end with it, and the next one starts where it was. */
async function withoutMaster(o, delay) {
	const conf = `listen "127.0.0.1:0" {}\n${rules(2500)}`;
	const d = await Daemon.start({ workers: WORKERS, listen: false, conf });
	const fleet = await Fleet.start(d, { groups: o.groups, lossy: true });
	await fleet.run();
	process.kill(d.pid, 'SIGHUP');
	await sleep(delay);
	const children = d.children().map((c) => c.pid);
	process.kill(d.pid, 'SIGKILL');
	const lives = (pid) => {
		try {
			return fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
			    .split(') ')[1][0] !== 'Z';
		} catch {
			return false;
		}
	};
	await until(() => !children.some(lives), 'all children to end', 10000);
	await fleet.end();
	const again = await Daemon.start({ workers: WORKERS, listen: false,
		conf: conf.replace(':0"', `:${d.port}"`) });
	await again.stop();
	console.log(`master after ${delay} ms: ${children.length
	    } children have ended`);
	return [];
}

/* o: rounds, groups, only, step.  What is wrong. */
export async function kills(o) {
	const bad = [], strike = new Strike();
	const d = await Daemon.start({ workers: WORKERS, env: strike.env,
		/* who strikes kills others, which no worker may */
		conf: `seccomp = off\nworker_timeout = ${TIMEOUT_MS}ms\n${rules(2500)}` });
	d.mayDie = true;
	/* once: what is made when it is needed is there then */
	bad.push(...await round(d, 'none', o, 0));
	const before = await empty(d);
	for (let i = 0; i < o.rounds; i++)
		for (const kind of kinds) {
			if ((o.only && o.only !== kind) || kind === 'none')
				continue;
			const delay = Math.floor(Math.random() * 80);
			const wrong = kind === 'master' ?
				await withoutMaster(o, delay) :
				await round(d, kind, o, delay);
			bad.push(...wrong.map((w) => `${kind} after ${delay
			    } ms: ${w}`));
		}
	for (const step of steps) {
		if ((o.only && o.only !== 'steps') || !step.startsWith(
		    o.step))
			continue;
		bad.push(...(await round(d, step, o, 0, strike))
		    .map((w) => `${step}: ${w}`));
		strike.arm('none-none-none', 0, 0);
	}
	const after = await empty(d);
	console.log(`descriptors: ${JSON.stringify(before)}, then ${
	    JSON.stringify(after)}`);
	if (JSON.stringify(before) !== JSON.stringify(after))
		bad.push('descriptors are left');
	if (o.log)
		fs.writeFileSync(o.log, d.log);
	await d.stop({ ms: 30000 });
	return bad;
}

async function main(args) {
	const o = { rounds: 3, groups: 60, only: '', step: '', log: '' };
	for (let a; (a = args.shift()?.slice(2)) !== undefined;)
		if (a in o)
			o[a] = typeof o[a] === 'number' ?
				Number(args.shift()) : args.shift();
		else
			throw new Error(`what is --${a}?`);
	const bad = await kills(o);
	for (const b of bad)
		console.log(`WRONG: ${b}`);
	console.log(`${bad.length} wrong`);
	process.exit(bad.length ? 1 : 0);
}
if (process.argv[1] === fileURLToPath(import.meta.url))
	await main(process.argv.slice(2));
