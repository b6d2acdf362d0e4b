/*
 * Thousands of clients with traffic, of every kind, while the daemon is
 * reloaded, resized and upgraded: none may notice more than a short pause.
 *
 * usage: ROOSTD=... node handover.mjs [OPTION ...]
 *	--connections N	about so many (20000)	--workers N	(3)
 *	--processes N	of the fleet (2)	--say MS	of a client (10000)
 *	--base SECONDS	without any signal, first (20)
 *	--reloads N	HUP (20)		--resizes N	TTIN, TTOU (5)
 *	--upgrades N	USR2 (2)		--crashes N	to a binary that dies (1)
 *	--broken N	HUP, broken file (1)	--bursts N	50 HUPs in 10 s (1)
 *	--other ROOSTD	another build, that upgrades go to and back from
 *	--log FILE	the daemon's log
 */
import fs from 'node:fs';
import path from 'node:path';
import os from 'node:os';

/* The binary is replaced by others: it is a copy. */
const bin = fs.mkdtempSync(path.join(os.tmpdir(), 'roostd-bin-'));
process.on('exit', () => fs.rmSync(bin, { recursive: true }));
const first = process.env.ROOSTD, program = path.join(bin, 'roostd');
function install(from) {
	fs.copyFileSync(from, `${program}.new`);
	fs.chmodSync(`${program}.new`, 0o755);
	fs.renameSync(`${program}.new`, program);
}
install(first);
process.env.ROOSTD = program;

const { Daemon, sleep } = await import('../e2e/lib/daemon.mjs');
const { Fleet, reload, resize, rules, settled, upgrade, words, workersOf } =
    await import('./fleet.mjs');

const PING_MS = 8000;

function options(args) {
	const o = { connections: 20000, workers: 3, processes: 2, say: 10000,
		base: 20, reloads: 20, resizes: 5, upgrades: 2, crashes: 1,
		broken: 1, bursts: 1, other: '', log: '' };
	while (args.length > 0) {
		const name = args.shift().replace(/^--/, '');
		if (!(name in o) || args.length === 0)
			throw new Error(`what is --${name}?`);
		const value = args.shift();
		o[name] = typeof o[name] === 'number' ? Number(value) : value;
	}
	return o;
}

/* Who of how many: a twentieth over polling, each with two connections. */
function crew(n) {
	const polling = Math.round(n / 20), few = Math.ceil(n / 200);
	const quick = few, slow = few, askers = few * 2, climbers = few;
	return { polling, quick, slow, askers, climbers, newcomers: 30,
		groups: Math.round((n - polling - quick - slow - askers -
		    climbers * 2) / 10) };
}

const pss = (pid) => {
	try {
		return Number(fs.readFileSync(`/proc/${pid}/smaps_rollup`,
		    'latin1').match(/^Pss: +(\d+) kB/m)[1]);
	} catch {
		return 0;		/* it has just ended */
	}
};
const memory = (d) => workersOf(d).reduce((n, c) => n + pss(c.pid), 0);
const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
const held = (d) => ({ master: descriptors(d.pid),
	relay: descriptors(d.relay().pid), segments: fs.readFileSync(
	    `/proc/${d.pid}/maps`, 'latin1').match(/memfd|stats/g)?.length });

/*
 * While f() lasts: the most memory, KiB, and the most connections that went
 * from one worker to another in half a second or more, in a second.
 */
async function most(d, f) {
	let on = true, top = memory(d), rate = 0;
	const seen = [];
	const look = (async () => {
		while (on) {
			const n = await d.metric('connections_moved_out') ?? 0;
			const at = performance.now();
			seen.push({ at, n });
			top = Math.max(top, memory(d));
			while (seen.length > 2 && at - seen[1].at >= 500)
				seen.shift();
			if (at - seen[0].at >= 500)
				rate = Math.max(rate, (n - seen[0].n) * 1000 /
				    (at - seen[0].at));
			await sleep(100);
		}
	})();
	await f();
	on = false;
	await look;
	return { top, rate: Math.round(rate) };
}

/*
 * times rounds of it, and what the clients saw.  once(i) returns when it is
 * done; only that is counted for what is handed over in a second.
 */
async function phase(o, d, fleet, name, times, once) {
	if (times === 0)
		return;
	const before = await d.metrics(), m0 = memory(d), h0 = held(d);
	let ms = 0, longest = 0;
	const { top, rate } = await most(d, async () => {
		for (let i = 0; i < times; i++) {
			const t0 = performance.now();
			await once(i);
			const took = performance.now() - t0;
			ms += took;
			longest = Math.max(longest, took);
			await sleep(1000);
		}
	});
	const after = await d.metrics();
	const moved = (k) => [...after].filter(([n]) => n.startsWith(k))
	    .reduce((s, [n, v]) => s + v - (before.get(n) ?? 0), 0);
	const f = await fleet.mark(name), out = moved('connections_moved_out');
	console.log(words(f, o.before));
	console.log(`    ${times} in ${(ms / 1000).toFixed(1)} s, the longest ${
	    (longest / 1000).toFixed(1)} s; handed over ${out}, taken ${
	    moved('connections_moved_in')}, refused ${moved('moves_refused')
	    }, batches given up ${moved('moves_broken')}, acks late ${
	    moved('acks_timed_out')}; ${rate} connections in a second at most
    memory of the workers ${m0} KiB before, at most ${top}, ${memory(d)
	    } after; descriptors ${JSON.stringify(h0)}, then ${
	    JSON.stringify(held(d))}`);
	o.before = f;
	if (fleet.wrong !== '') {
		console.log(fleet.wrong);
		fleet.wrong = '';
	}
}

const sizes = ['SIGTTIN', 'SIGTTOU', 'SIGTTOU', 'SIGTTIN', 'SIGTTIN'];

/* As many as can be: what comes during one is done once, after it. */
async function burst(d) {
	const n = workersOf(d).length;
	for (let i = 0; i < 50; i++) {
		process.kill(d.pid, 'SIGHUP');
		await sleep(200);
	}
	await settled(d, n);
	await sleep(500);
	await settled(d, n);
}
async function broken(d) {
	const good = fs.readFileSync(d.file);
	fs.appendFileSync(d.file, '\nnamespace "/f" { nonsense = 1 }\n');
	await reload(d, { failed: true });
	fs.writeFileSync(d.file, good);
}
/* A binary that dies: at once, or once it is more than tried. */
function cripple(i) {
	fs.writeFileSync(`${program}.new`, i % 2 === 0 ?
	    '#!/bin/sh\nkill -SEGV $$\n' :
	    `#!/bin/sh\n[ -n "$ROOSTD_TRIAL" ] && exec ${first} "$@"\n` +
	    'kill -SEGV $$\n', { mode: 0o755 });
	fs.renameSync(`${program}.new`, program);
}
async function main() {
	const o = options(process.argv.slice(2));
	const d = await Daemon.start({ workers: o.workers,
		conf: rules(PING_MS) });
	d.mayDie = o.crashes > 0;
	const fleet = await Fleet.start(d, { ...crew(o.connections),
		processes: o.processes, say: o.say, per: 2500, ping: PING_MS, ms: 200000 });
	console.log(`${fleet.connections} connections, ${await d.metric(
	    'connections_open')} by the daemon's count`);
	await sleep(3000);
	await fleet.run();
	await sleep(o.say);
	o.before = await fleet.mark('warm');
	let all;
	try {
		await phase(o, d, fleet, 'base', o.base > 0 ? 1 : 0,
		    () => sleep(o.base * 1000));
		await phase(o, d, fleet, 'reloads', o.reloads, () => reload(d));
		await phase(o, d, fleet, 'resizes', o.resizes,
		    (i) => resize(d, sizes[i % sizes.length]));
		await phase(o, d, fleet, 'bursts of 50 HUPs', o.bursts,
		    () => burst(d));
		await phase(o, d, fleet, 'broken files', o.broken,
		    () => broken(d));
		await phase(o, d, fleet, 'upgrades', o.upgrades, (i) => {
			install(i % 2 === 0 && o.other ? o.other : first);
			return upgrade(d);
		});
		await phase(o, d, fleet, 'binaries that die', o.crashes, (i) => {
			cripple(i);
			return upgrade(d, { failed: true });
		});
		all = await fleet.settle();
		console.log(words(all, o.before));
		await fleet.end();
	} finally {
		console.log(fleet.wrong);
		if (o.log)
			fs.writeFileSync(o.log, d.log);
	}
	await d.stop({ ms: 60000 });
	console.log(`wrong in all: ${all.bad}`);
	process.exit(all.bad > 0 ? 1 : 0);
}
main().catch((e) => {
	console.log(e);
	process.exit(1);
});
