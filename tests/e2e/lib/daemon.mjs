/*
 * A real roostd for a test: its own directory, listeners on port 0, stopped
 * by TERM with a deadline.  stop() insists on exit code 0, on the absence of
 * sanitizer reports and, unless the test kills children itself, on the
 * absence of deaths and panics in the log.
 */
import assert, { AssertionError } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { DAEMON, logging, started } from './remains.mjs';

export const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const top = path.dirname(path.dirname(here));
export const roostd = process.env.ROOSTD ?? path.join(top, 'build', 'roostd');
/* everything takes longer under sanitizers */
export const slow = Number(process.env.E2E_SLOW ?? 1);
export const sanitized = process.env.E2E_SANITIZED === '1';

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/* Wait until f() is truthy; the value, or an error that says what was awaited:
 * what, or what() by then.  What cannot be looked at, because a process has just
 * ended or does not answer yet, is not so yet; an assertion in f ends it. */
export async function until(f, what, ms = 5000) {
	const end = Date.now() + ms * slow;
	for (let cause; ; await sleep(10)) {
		try {
			const v = await f();
			if (v)
				return v;
			cause = undefined;
		} catch (e) {
			if (e instanceof AssertionError ||
			    e instanceof ReferenceError)
				throw e;
			cause = e;
		}
		if (Date.now() > end)
			throw new Error(`gave up waiting for ${
			    typeof what === 'function' ? what() : what}${
			    cause ? `: ${cause.message}` : ''}`, { cause });
	}
}

/* A promise with a deadline. */
export function within(p, what, ms = 5000) {
	let timer;
	return Promise.race([
		Promise.resolve(p).finally(() => clearTimeout(timer)),
		new Promise((_, no) => {
			timer = setTimeout(
			    () => no(new Error(`no ${what} within ${ms * slow} ms`)),
			    ms * slow);
		}),
	]);
}

/* Does it write what it counts?  Then it holds a lock on a file to which all
 * others add as well. */
const counting = (pid) => fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
	try {
		return /\.gcda$/.test(fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
	} catch {
		return false;		/* closed meanwhile */
	}
});

/*
 * Stop process pid, and return once it has stopped: the signal is taken when it
 * leaves the kernel, and until then a wait of its own may still end with what
 * came after the signal.  In a build that counts its lines, not while others
 * would wait for it.
 */
export async function halt(pid) {
	await until(async () => {
		process.kill(pid, 'SIGSTOP');
		await until(() => {
			const stat = fs.readFileSync(`/proc/${pid}/stat`,
			    'latin1');
			return stat[stat.lastIndexOf(')') + 2] === 'T';
		}, `process ${pid} to stop`);
		if (!counting(pid))
			return true;
		process.kill(pid, 'SIGCONT');
		return false;
	}, `process ${pid} to have counted`);
}

/* A log that comes late, by so many milliseconds: what a test takes for written
 * as soon as something else tells of it comes out. */
const lag = Number(process.env.E2E_SLOW_LOG ?? 0);
const late = (f) => lag === 0 ? f() : setTimeout(f, lag);

const tempdirs = [];
/* A folder that goes with this process. */
export function tempdir() {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'roostd-e2e-'));
	tempdirs.push(dir);
	return dir;
}

const badWords = /AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:|MUST\(|panic/;
/* a system call that its list lacks */
const denials = /call_denied|calls_not_filtered/;
/* what the master says of a child that it did not end */
export const deaths = /child_(died|hangs)/;
const running = new Set();
/* A test that failed may leave clients that reconnect for ever. */
after(() => { setTimeout(() => process.exit(), 2000).unref(); });
process.on('exit', () => {
	for (const d of running) {
		try { d.child.kill('SIGKILL'); } catch { /* gone */ }
	}
	for (const dir of tempdirs)
		try {
			fs.rmSync(dir, { recursive: true, force: true });
		} catch { /* somebody writes there still */ }
});

/* The command line, behind what a shell does first: "ulimit -n 200". */
const shell = (first, args) => first === '' ? [roostd, args] :
	['/bin/sh', ['-c', `${first}\nexec "$0" "$@"`, roostd, ...args]];

/* Run roostd to its end: { code, signal, out, err }. */
export function run(args, { env = {}, cwd, first = '', ms = 10000 } = {}) {
	const c = spawn(...shell(first, args), {
		cwd, env: { ...process.env, ...env },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	return within(new Promise((ok, no) => {
		let out = '', err = '';
		c.stdout.on('data', (b) => { out += b; });
		c.stderr.on('data', (b) => { err += b; });
		c.on('error', no);
		c.on('close', (code, signal) => ok({ code, signal, out, err }));
	}), `end of roostd ${args.join(' ')}`, ms)
	    .finally(() => c.kill('SIGKILL'));
}

export class Daemon {
	/*
	 * conf     configuration text, without listeners unless listen is false
	 * workers  number of them (-w); null: as the configuration says
	 * args     further arguments;  env  further environment
	 * first    shell commands before it, as "ulimit -n 200"
	 */
	static async start({
		conf = '', workers = 1, args = [], env = {}, dir, listen = true,
		stats = true, first = '', ms = 10000,
	} = {}) {
		const d = new Daemon();
		d.dir = dir ?? tempdir();
		d.ownDir = dir === undefined;
		d.file = path.join(d.dir, 'roost.conf');
		d.log = '';
		d.ports = [];
		d.mayDie = d.mayDeny = false;
		fs.writeFileSync(d.file,
		    (listen ? 'listen "127.0.0.1:0" {}\n' : '') +
		    (stats ? `stats { file = "${d.dir}/stats" }\n` : '') + conf);
		d.child = spawn(...shell(first,
		    ['-f', '-c', d.file, ...(workers === null ? [] :
			['-w', String(workers)]), ...args]),
		    { env: { ...process.env, ...env },
			stdio: ['ignore', 'pipe', 'pipe'] });
		running.add(d);
		started(DAEMON, () => d.leave());
		logging(d);
		d.exited = new Promise((ok) => {
			d.child.on('close', (code, signal) => late(() => {
				running.delete(d);
				d.ended = { code, signal };
				ok(d.ended);
			}));
		});
		const take = (b) => late(() => { d.log += b; });
		d.child.stdout.on('data', take);
		d.child.stderr.on('data', take);
		try {
			await until(() => {
				if (d.ended)
					throw new Error(`roostd ended: ${
					    JSON.stringify(d.ended)}\n${d.log}`);
				return /ready workers=/.test(d.log);
			}, 'ready', ms);
		} catch (e) {
			d.child.kill('SIGKILL');
			throw new Error(`${e.message}\n--- log\n${d.log}`);
		}
		/* in the order of the file: listener=1, 2, ... */
		for (const m of d.log.matchAll(
		    /listening addr=(\S+) listener=(\d+)/g)) {
			const port = m[1].match(/:(\d+)$/);
			d.ports[Number(m[2]) - 1] = port ? Number(port[1]) : m[1];
		}
		d.port = d.ports[0];
		if (process.env.E2E_SLOW_RELAY)
			d.slowRelay();
		return d;
	}

	get pid() { return this.child.pid; }
	get name() {
		return `roostd ${this.pid}${this.port ? `, port ${this.port}` : ''}`;
	}
	get over() { return this.ended !== undefined; }
	url(p = '/') { return `http://127.0.0.1:${this.port}${p}`; }
	ws(p = '/') { return `ws://127.0.0.1:${this.port}${p}`; }

	/*
	 * The relay stands still half of the time: what a test takes for the
	 * order of things, and is only usual, comes out.
	 */
	slowRelay() {
		let stopped = false;
		const timer = setInterval(() => {
			const over = this.stopping || this.ended;
			const pid = this.relay()?.pid;
			if (over)
				clearInterval(timer);
			stopped = !over && !stopped;
			try {
				process.kill(pid, stopped ? 'SIGSTOP' : 'SIGCONT');
			} catch { /* there is none now */ }
		}, 25);
		timer.unref();
	}

	/* The daemon's child processes: [{ pid, title, role, slot }]. */
	children() {
		const list = [];
		for (const name of fs.readdirSync('/proc')) {
			if (!/^\d+$/.test(name))
				continue;
			try {
				const stat = fs.readFileSync(
				    `/proc/${name}/stat`, 'latin1');
				const rest = stat.slice(stat.lastIndexOf(')') + 2)
				    .split(' ');
				if (Number(rest[1]) !== this.pid ||
				    rest[0] === 'Z')
					continue;
				const title = fs.readFileSync(
				    `/proc/${name}/cmdline`, 'latin1')
				    .replace(/\0/g, ' ').trim();
				const m = title.match(/(worker|relay)\D*(\d+)?/);
				list.push({ pid: Number(name), title,
				    role: m?.[1], slot: Number(m?.[2] ?? 0) });
			} catch { /* it has just ended */ }
		}
		return list.sort((a, b) => a.slot - b.slot);
	}
	worker(slot) {
		return this.children()
		    .find((c) => c.role === 'worker' && c.slot === slot);
	}
	relay() { return this.children().find((c) => c.role === 'relay'); }
	/* Until another one than pid is the relay, or the worker of that slot. */
	next(pid, slot, ms = 10000) {
		const one = () => slot ? this.worker(slot) : this.relay();
		return until(() => (one()?.pid ?? pid) !== pid,
		    `another ${slot ? `worker ${slot}` : 'relay'} than ${pid}`, ms);
	}

	/*
	 * What the log says: the n-th such line.  It comes by a pipe, and from
	 * several processes: later, perhaps, than what else tells of the same.
	 */
	logged(what, n = 1, ms = 5000) {
		const all = new RegExp(what, 'g');
		return until(() => [...this.log.matchAll(all)][n - 1],
		    `the log to say ${what}`, ms).catch((e) => {
			throw new Error(`${e.message}\n--- log\n${this.log}`);
		});
	}

	/* Prometheus text as a Map "name{labels}" -> number (roost_ removed). */
	async metrics() {
		/* not compressed: that would be counted */
		const get = () => fetch(this.url('/metrics'),
		    { headers: { 'accept-encoding': 'identity' } });
		/* a connection that was kept may end just now */
		const r = await get().catch(get);
		const m = new Map();
		for (const line of (await r.text()).split('\n')) {
			const f = line.match(/^(?:roost_)?([^#\s]\S*) (\S+)$/);
			if (f)
				m.set(f[1], Number(f[2]));
		}
		return m;
	}
	/* Sum over all series of one family whose labels hold the text. */
	async metric(name, labels = '') {
		let sum = 0, found = false;
		for (const [k, v] of await this.metrics()) {
			const n = k.replace(/\{.*/, '');
			if ((n === name || n === `${name}_total`) &&
			    k.includes(labels)) {
				sum += v;
				found = true;
			}
		}
		return found ? sum : undefined;
	}
	/* The metric comes to what is wanted: a number, or a condition.  Other
	 * processes count what they have done after others may have seen it. */
	async counts(name, wanted, labels = '') {
		const end = Date.now() + 5000 * slow;
		const right = typeof wanted === 'function' ? wanted :
		    (n) => n === wanted;
		for (;;) {
			const n = await this.metric(name, labels);
			if (right(n))
				return n;
			if (Date.now() > end)
				assert.fail(`${name} ${labels} is ${n}, not ${
				    wanted}`);
			await sleep(20);
		}
	}

	/* After a test that has failed: politely, so that it leaves nothing with
	 * others; whatever the test has stopped goes on. */
	async leave(ms = 5000) {
		if (this.ended)
			return;
		for (const pid of [this.pid, ...this.children().map((c) => c.pid)])
			try { process.kill(pid, 'SIGCONT'); } catch { /* gone */ }
		this.child.kill('SIGTERM');
		await within(this.exited, 'its end', ms).catch(() => {
			this.child.kill('SIGKILL');
			return within(this.exited, 'its end', ms);
		});
	}

	/* Once, however often it is asked for. */
	stop(opts) {
		this.stopping ??= this.end(opts);
		return this.stopping;
	}
	async end({ signal = 'SIGTERM', ms = 10000, code = 0 } = {}) {
		const t0 = Date.now();
		if (!this.ended)
			this.child.kill(signal);
		try {
			await within(this.exited, `exit after ${signal}`, ms);
		} catch (e) {
			this.child.kill('SIGKILL');
			throw new Error(`${e.message}\n--- log\n${this.log}`);
		}
		this.took = Date.now() - t0;
		this.check(code);
		if (this.ownDir)
			fs.rmSync(this.dir, { recursive: true, force: true });
	}

	check(code = 0) {
		const bad = this.log.split('\n').filter((l) => badWords.test(l));
		assert.equal(bad.length, 0, `in the log:\n${bad.join('\n')}\n` +
		    `--- whole log\n${this.log}`);
		if (!this.mayDeny)
			assert.doesNotMatch(this.log, denials);
		if (!this.mayDie)
			assert.doesNotMatch(this.log, deaths);
		assert.deepEqual(this.ended, { code, signal: null },
		    `exit\n--- log\n${this.log}`);
	}
}
