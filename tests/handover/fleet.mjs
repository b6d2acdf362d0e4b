/*
 * The fleet (fleet.h) for tests: the program is built, the daemon gets the
 * rules that the fleet's clients need, and words are given and figures taken.
 */
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

import { jwt } from '../e2e/lib/conf.mjs';
import { slow, tempdir, until, within } from '../e2e/lib/daemon.mjs';
import { user } from '../e2e/lib/token.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const KEY = 'key-of-the-fleet';

/* ping: milliseconds between two heartbeats */
export const rules = (ping) => `${jwt}
limits { handshakes_per_second = 0 }
heartbeat { interval = ${ping}ms timeout = 30s }
socketio { upgrade_timeout = 60s }
presence { leave_grace = 0s }
shm { users = 200k }
api { key "fleet" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {"publish", "presence"} } }
namespace "/f" { auth = required presence = rooms
    room "{r}" { join = open }
    event "say"  { to = room:room meta = off ack = delivered }
    event "bin"  { to = room:room meta = off ack = delivered }
    event "tell" { to = user:to meta = off ack = accepted } }
namespace "/x" { auth = none
    room "{r}" { join = open }
    event "q"    { ack = echo }
    event "feed" { to = room:room member = false meta = off } }
`;

let program;
export function build() {
	if (program)
		return program;
	program = path.join(tempdir(), 'fleet');
	execFileSync(process.env.CC ?? 'cc', ['-D_GNU_SOURCE', '-g', '-O2',
	    '-o', program, ...fs.readdirSync(here)
		.filter((f) => f.endsWith('.c') && f !== 'strike.c').map((f) => path.join(here, f))]);
	return program;
}

/* What figures say, for people: what happened since those of before. */
export function words(f, before = {}) {
	const n = (k) => f[k] - (before[k] ?? 0);
	const h = (x) => `p50 ${x.p50} p99 ${x.p99} p999 ${x.p999} worst ${
	    x.worst} ms`;
	const bad = Object.entries(f.wrong).filter(([k, v]) =>
		v > (before.wrong?.[k] ?? 0));
	return `${f.name}: ${n('heard')} heard, ${n('told')} told, ${n('acked')
	    } acked, ${n('attachments')} attachments, ${n('slow')} slow, ${
	    n('fed')} fed, ${n('climbed')} climbed (${n('resting')} rests), ${
	    n('midway')} in pieces, ${n('newcomers')} newcomers, ${
	    n('requests') + n('halves')} requests, ${n('asks')} questions (${
	    n('answers')} answers), ${n('pings')} pings, ${n('reopened')
	    } reopened${f.ended + f.missing + f.unacked ? `, ${n('ended')
	    } ended, ${n('missing')} missing, ${n('unacked')} without ack` : ''}
    late: ${h(f.late)}
    longest pause of each client: ${h(f.worst_of_each)}
    asked every 25 ms: ${h(f.quick)}; of each: ${h(f.quick_worst_of_each)}
    newcomers: ${h(f.newcomer)}; heartbeats at most ${f.ping_gap_ms} ms apart
    wrong: ${bad.length === 0 ? 'nothing' : bad.map(([k, v]) =>
	`${v - (before.wrong?.[k] ?? 0)} ${k}`).join(', ')}`;
}

export const workersOf = (d) => d.children().filter((c) => c.role === 'worker');

/* One generation, of so many workers; and no child of it ends any more. */
export const settled = (d, n, ms = 60000) => until(async () =>
	(await d.metric('generations') ?? 1) === 1 &&
	workersOf(d).length === n, `${n} workers of one generation`, ms);

/* HUP, and wait until it has been done. */
export async function reload(d, { ms = 60000, failed = false } = {}) {
	const what = failed ? 'reloads_failed' : 'reloads';
	const before = await d.metric(what), n = workersOf(d).length;
	process.kill(d.pid, 'SIGHUP');
	if (before === undefined)
		return;
	await until(async () => await d.metric(what) === before + 1,
	    what, ms);
	await settled(d, n, ms);
}

/* TTIN or TTOU, and wait until it has been done. */
export async function resize(d, signal) {
	const n = workersOf(d).length + (signal === 'SIGTTIN' ? 1 : -1);
	process.kill(d.pid, signal);
	await settled(d, n);
}

/* USR2, and wait until it has been done, or has failed. */
export async function upgrade(d, { failed = false } = {}) {
	const what = failed ? 'upgrades_failed' : 'upgrades';
	const before = await d.metric(what), n = workersOf(d).length;
	process.kill(d.pid, 'SIGUSR2');
	await until(async () => await d.metric(what) === before + 1, what,
	    60000);
	await settled(d, n);
}

export class Fleet {
	/* groups of ten, ...: struct options of fleet.h */
	static async start(d, { groups = 20, processes = 1, polling = 20,
		quick = 10, slow: slows = 5, climbers = 10, askers = 15,
		newcomers = 20, say = 1000, ping = 2500, lossy = false, per = 2000,
		ms = 60000 } = {}) {
		const f = new Fleet();
		const tokens = path.join(tempdir(), 'tokens');
		fs.writeFileSync(tokens, Array.from({ length: groups * 10 },
		    (_, i) => `${user(`u${i}`)}\n`).join(''));
		/* members, their second connections, and the others */
		f.connections = groups * 10 + polling + quick + slows + askers +
		    climbers * 2 + processes;
		f.wrong = '';
		f.child = spawn(build(), Object.entries({ port: d.port,
			processes, groups, polling, quick, slow: slows,
			climbers, askers, newcomers, per_second: per,
			say_ms: Math.round(say * slow), ping_ms: ping, tokens,
			key: KEY, lossy: lossy ? 1 : 0 })
		    .map(([k, v]) => `${k}=${v}`),
		{ stdio: ['pipe', 'pipe', 'pipe'] });
		f.child.stderr.on('data', (b) => { f.wrong += b; });
		f.child.stdin.on('error', () => {});
		f.ended = new Promise((ok) => f.child.on('close', ok));
		process.on('exit', () => f.child.kill('SIGKILL'));
		f.lines = readline.createInterface({ input: f.child.stdout })
		    [Symbol.asyncIterator]();
		f.here = await f.#next('the fleet to be here', ms);
		return f;
	}
	async #next(what, ms) {
		const { value, done } = await within(this.lines.next(), what,
		    ms).catch((e) => {
			throw new Error(`${e.message}\n${this.wrong}`);
		});
		if (done)
			throw new Error(`the fleet has ended\n${this.wrong}`);
		return JSON.parse(value);
	}
	say(word, ms = 120000) {
		this.child.stdin.write(`${word}\n`);
		return this.#next(word, ms);
	}
	run() { return this.say('run'); }
	mark(name) { return this.say(`mark ${name}`); }
	/* All that is under way is awaited; what has not come is told. */
	async settle() {
		await this.say('hush');
		return this.say('check');
	}
	async end() {
		this.child.stdin.end('end\n');
		await within(this.ended, 'end of the fleet', 20000)
		    .catch(() => this.child.kill('SIGKILL'));
	}
}
