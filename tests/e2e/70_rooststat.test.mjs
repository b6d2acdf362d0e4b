/* rooststat(1) and the statistics file of a daemon that lives, hangs, dies. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { echo } from './lib/conf.mjs';
import { Daemon, halt, roostd, sleep, tempdir, top, until, within }
	from './lib/daemon.mjs';
import { socketio } from './lib/wire.mjs';

const rooststat = process.env.ROOSTSTAT ??
    path.join(path.dirname(roostd), 'rooststat');

/* A program to its end: { code, out, err }. */
function collect(program, args, ms = 10000) {
	return within(new Promise((ok, no) => {
		const c = spawn(program, args,
		    { stdio: ['ignore', 'pipe', 'pipe'],
			env: { ...process.env, LC_ALL: 'C.UTF-8' } });
		let out = '', err = '';
		c.stdout.on('data', (b) => { out += b; });
		c.stderr.on('data', (b) => { err += b; });
		c.on('error', no);
		c.on('close', (code) => ok({ code, out, err }));
	}), `end of ${program} ${args.join(' ')}`, ms);
}
const stat = (d, ...args) =>
	collect(rooststat, ['-f', path.join(d.dir, 'stats'), ...args]);

/* The program of the manual page, as a reader would copy it. */
function pythonOfManual() {
	const page = fs.readFileSync(path.join(top, 'man/roost-stats.5'), 'utf8');
	const m = page.match(/^\.Bd -literal\n(import [^]*?)^\.Ed$/m);
	assert.ok(m, 'the page has a program');
	assert.ok(m[1].trim().split('\n').length <= 10, 'in ten lines');
	return m[1].replace(/\\-/g, '-');
}

/* rooststat -1 as a Map "name{labels}" -> [value, rate]. */
function lines(text) {
	const m = new Map();
	for (const l of text.split('\n')) {
		const f = l.match(/^([^#\s].*?)\s+(-?\d+|-)\s+(\d+\.\d\d|-)  /);
		if (f)
			m.set(f[1], [Number(f[2]), Number(f[3])]);
	}
	return m;
}

/*
 * The live screen, in a terminal that script(1) makes.  ncurses writes what
 * differs only, so a test asks for all of it again (Ctrl-L) and looks there.
 */
class Screen {
	constructor(d, args = '', [columns, rows] = [80, 24]) {
		this.text = '';
		this.child = spawn('script', ['-qefc',
			`stty cols ${columns} rows ${rows}; ` +
			`exec ${rooststat} -f ${d.dir}/stats ${args}`,
			'/dev/null'], {
			stdio: ['pipe', 'pipe', 'inherit'],
			env: { ...process.env, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
		});
		process.on('exit', () => this.child.kill());
		this.child.stdout.on('data', (b) => { this.text += b; });
		this.ended = new Promise((ok) =>
			this.child.on('close', (code) => ok(code)));
	}
	type(keys) { this.child.stdin.write(keys); }
	shows(what, ms) {
		return until(async () => {
			this.text = '';
			this.type('\f');
			await sleep(100);	/* the screen is drawn */
			// eslint-disable-next-line no-control-regex
			return this.text.replace(/\x1b(\[[?0-9;]*[A-Za-z]|[()].)/g,
			    ' ').match(what);
		}, `${what} on the screen`, ms);
	}
	async quit() {
		this.type('q');
		assert.equal(await within(this.ended, 'end of rooststat'), 0);
	}
}

test('-h says what there is', async () => {
	const r = await collect(rooststat, ['-h']);
	assert.equal(r.code, 0);
	assert.equal(r.err, '');
	for (const option of '1fhjpVw')
		assert.match(r.out, new RegExp(`^  -${option}  `, 'm'));
});

test('a name that no metric has is named', async () => {
	const d = await Daemon.start({ conf: echo });
	for (const mode of ['-1', '-j', '-p']) {
		const r = await stat(d, mode, 'no_such*');
		assert.equal(r.code, 64);
		assert.match(r.err, /no metric matches "no_such\*"/);
		assert.equal(r.out, '');
		/* one of two is told, the other one shown */
		const both = await stat(d, mode, 'no_such', 'bytes_in');
		assert.equal(both.code, 0);
		assert.match(both.err, /no metric matches "no_such"/);
		assert.match(both.out, /bytes_in/);
	}
	await d.stop();
});

test('a high screen shows histories, and what each process takes', async () => {
	const d = await Daemon.start({ conf: echo, workers: 2 });
	const s = new Screen(d, '-w 0.2', [200, 50]);
	await s.shows(/deliveries\/s {2}now .* max/);
	await s.shows(/memory of all processes {2}now [\d.]+[kM] {2}max/);
	/* busy%, cpu%, mem, fds, turn99 */
	await s.shows(
	    /worker 2 .*\s<?[\d.]+\s+<?[\d.]+\s+[\d.]+[kM]\s+\d+\s+(-|[\d.]+[um]?s)/);
	await s.quit();
	await d.stop();
});

test('-V, -w and unknown options', async () => {
	const v = await collect(rooststat, ['-V']);
	assert.equal(v.code, 0);
	assert.match(v.out, /^rooststat \d/);
	for (const args of [['-Z'], ['-w', '0'], ['-w', 'x'], ['-j', '-p'],
	    ['-p', '-w', '1']]) {
		const r = await collect(rooststat, args);
		assert.equal(r.code, 64, args.join(' '));
		assert.notEqual(r.err, '');
	}
});

test('files that are missing, foreign, cut or damaged are refused', async () => {
	const dir = tempdir();
	const d = await Daemon.start({ conf: echo, dir });
	const good = fs.readFileSync(`${dir}/stats`);
	await d.stop();
	const file = path.join(dir, 'x');
	const refused = async (bytes, code, words) => {
		fs.writeFileSync(file, bytes);
		for (const mode of ['-1', '-j', '-p']) {
			const r = await collect(rooststat, [mode, '-f', file]);
			assert.equal(r.code, code, r.err);
			assert.match(r.err, words);
			assert.ok(r.err.startsWith(`rooststat: ${file}: `), r.err);
			assert.equal(r.out, '');
		}
	};
	const changed = (at, ...bytes) => {
		const b = Buffer.from(good);
		b.set(bytes, at);
		return b;
	};
	const none = await collect(rooststat, ['-1', '-f', `${dir}/none`]);
	assert.equal(none.code, 66);
	assert.match(none.err, /none: No such file.*stats \{ file/);
	await refused('', 65, /not a statistics file/);
	await refused('hello\n'.repeat(1000), 65, /not a statistics file/);
	await refused(changed(0, 0x58), 65, /not a statistics file/);
	await refused(changed(12, 2), 65, /another version/);
	await refused(changed(56, 0), 75, /not finished/);
	await refused(changed(84, 0xff), 65, /damaged/);	/* descriptors */
	await refused(changed(72, 0xff, 0xff, 0xff), 65, /damaged/);
	await refused(good.subarray(0, good.length / 2), 65, /cut short/);
	const folder = await collect(rooststat, ['-1', '-f', dir]);
	assert.equal(folder.code, 65);
	fs.rmSync(dir, { recursive: true });
});

test('damage anywhere in the tables never crashes the reader', async () => {
	const dir = tempdir();
	const d = await Daemon.start({ conf: echo, dir });
	const good = fs.readFileSync(`${dir}/stats`);
	await d.stop();
	const file = path.join(dir, 'x');
	let seed = 7;
	const random = (n) => {
		seed = (seed * 1103515245 + 12345) % 2147483648;
		return seed % n;
	};
	for (let i = 0; i < 60; i++) {
		const b = Buffer.from(good);
		for (let j = 0; j < 40; j++)
			b[(j % 2 ? 256 : 14) + random(j % 2 ? 60000 : 240)] =
			    random(256);
		fs.writeFileSync(file, b);
		const r = await collect(rooststat, ['-1', '-f', file]);
		assert.ok([0, 65, 69, 71, 75].includes(r.code),
		    `run ${i}: ${r.code} ${r.err}`);
		assert.doesNotMatch(r.err, /Sanitizer|runtime error/);
	}
	fs.rmSync(dir, { recursive: true });
});

test('the three forms and the program of the manual agree', async () => {
	const d = await Daemon.start({ conf: echo, workers: 2 });
	const a = await socketio(d.port);
	const file = path.join(d.dir, 'reader.py');
	fs.writeFileSync(file, pythonOfManual());
	/* the file is written ten times a second */
	await until(async () => /^roost_sessions 1$/m.test(
	    (await stat(d, '-p')).out), 'the session in the file');
	const once = await stat(d, '-1');
	assert.equal(once.code, 0, once.err);
	assert.match(once.out,
	    /^# roostd \d\S* +pid \d+ +up \S+ +2 of 2 workers\n# HEALTHY /);
	const values = lines(once.out);
	assert.equal(values.get('connections_open')[0], 1);
	assert.equal(values.get('sessions')[0], 1);
	assert.equal(values.get('ns_sockets{ns="/"}')[0], 1);

	const json = JSON.parse((await stat(d, '-j')).out);
	assert.equal(json.state, 'live');
	const open = json.metrics.find((m) =>
		m.name === 'roost_connections_open');
	assert.equal(open.value, 1);
	assert.equal(Object.values(open.slots).reduce((x, y) => x + y), 1);
	assert.deepEqual(json.processes.map((p) => p.role).sort(),
	    ['master', 'relay', 'worker', 'worker']);

	const prom = (await stat(d, '-p')).out;
	assert.match(prom, /^roost_connections_open 1$/m);

	const py = await collect('python3', [file, `${d.dir}/stats`]);
	assert.equal(py.code, 0, py.err);
	const seen = new Map(py.out.trim().split('\n').map((l) => {
		const m = l.match(/^(\S+) (.*) (\d+)$/);
		return [m[1] + (m[2] ? `{${m[2]}}` : ''), Number(m[3])];
	}));
	for (const k of ['connections_open', 'connections_accepted', 'sessions',
	    'ns_sockets{ns="/"}', 'ws_handshakes', 'children_started'])
		assert.equal(seen.get(k), values.get(k)[0], k);
	for (const k of values.keys())
		assert.ok(seen.has(k) || /_us|_age_ms/.test(k), k);
	a.drop();
	await d.stop();
});

test('patterns choose, in every form', async () => {
	const d = await Daemon.start({ conf: echo });
	const once = await stat(d, '-1', 'connections_*', 'roost_rooms');
	assert.ok(lines(once.out).has('connections_open'));
	assert.ok(lines(once.out).has('rooms'));
	assert.ok(!lines(once.out).has('sessions'));
	const json = JSON.parse((await stat(d, '-j', '*{why="limit"}')).out);
	assert.deepEqual(json.metrics.map((m) => m.name),
	    ['roost_connections_refused_total']);
	const prom = (await stat(d, '-p', 'sessions')).out;
	assert.match(prom, /^roost_sessions 0$/m);
	assert.doesNotMatch(prom, /^roost_rooms/m);
	for (const mode of ['-1', '-j', '-p']) {
		const none = await stat(d, mode, 'no_such_thing');
		assert.equal(none.code, 64);
		assert.match(none.err, /no metric/);
	}
	await d.stop();
});

test('-1 -w measures rates; -j -w prints an object each time', async () => {
	const d = await Daemon.start({ conf: echo });
	const a = await socketio(d.port);
	const timer = setInterval(() => a.text('42["q",1]'), 20);
	const r = lines((await stat(d, '-1', '-w', '0.5', 'messages_in')).out);
	assert.ok(r.get('messages_in')[1] > 5, String(r.get('messages_in')));
	clearInterval(timer);
	const c = spawn(rooststat, ['-j', '-w', '0.1', '-f', `${d.dir}/stats`,
		'sessions'], { stdio: ['ignore', 'pipe', 'inherit'] });
	let out = '';
	c.stdout.on('data', (b) => { out += b; });
	await until(() => out.split('\n').length > 3, 'three objects');
	c.kill();
	for (const l of out.split('\n').slice(0, 3))
		assert.equal(JSON.parse(l).metrics[0].value, 1);
	a.drop();
	await d.stop();
});

test('a stopped daemon is called that, and its numbers are still shown',
async () => {
	const d = await Daemon.start({ conf: echo, workers: 2 });
	d.mayDie = true;
	const pids = [d.pid, ...d.children().map((c) => c.pid)];
	for (const p of pids)
		await halt(p);
	try {
		const r = await until(async () => {
			const x = await stat(d, '-1');
			return x.code === 69 && x;
		}, 'silence', 10000);
		assert.match(r.out, new RegExp(
		    `^# DOWN  master ${d.pid} is stopped \\(SIGSTOP\\)`, 'm'));
		assert.match(r.out, /no worker serves$/m);
		assert.match(r.err, /last heard of \d+s ago/);
		assert.ok(lines(r.out).has('connections_open'));
	} finally {
		for (const p of pids)
			process.kill(p, 'SIGCONT');
	}
	await until(async () => (await stat(d, '-1')).code === 0, 'life');
	await d.stop();
});

test('a daemon that ended leaves its last numbers', async () => {
	const dir = tempdir();
	const d = await Daemon.start({ conf: echo, dir });
	const a = await socketio(d.port);
	a.drop();
	await d.stop();
	const r = await stat(d, '-1');
	assert.equal(r.code, 69);
	assert.match(r.out, /^# DOWN  roostd ended \d+s ago/m);
	assert.ok(lines(r.out).get('connections_accepted')[0] >= 1);
	assert.match((await stat(d, '-p')).out,
	    /^roost_connections_accepted_total [1-9]/m);
	assert.equal(JSON.parse((await stat(d, '-j')).out).state, 'ended');
	fs.rmSync(dir, { recursive: true });
});

test('workers die under the reader: no counter falls, no torn answer',
async () => {
	const d = await Daemon.start({ conf: echo, workers: 2 });
	d.mayDie = true;
	const before = new Map();
	for (let i = 0; i < 20; i++) {
		if (i % 5 === 2)
			process.kill(d.children()
			    .find((c) => c.role === 'worker').pid, 'SIGKILL');
		const r = await stat(d, '-j');
		assert.equal(r.code, 0, r.err);
		for (const m of JSON.parse(r.out).metrics) {
			if (m.type !== 'counter')
				continue;
			const k = m.name + JSON.stringify(m.labels);
			assert.ok(m.value >= (before.get(k) ?? 0), k);
			before.set(k, m.value);
		}
		await sleep(20);	/* from reading to reading */
	}
	const r = await stat(d, '-1', 'children_died');
	assert.match(r.out, /worker \d replaced \d+s ago|HEALTHY|no worker|died/);
	await d.stop();
});

test('the screen: pages, filter, another interval, end', async () => {
	const d = await Daemon.start({ conf: echo, workers: 2 });
	const s = new Screen(d, '-w 0.2');
	await s.shows(/HEALTHY/);
	await s.shows(/worker 2/);
	await s.shows(/every 0\.2s/);
	s.type('v');
	await s.shows(/\[counters\]/);
	s.type('/children_st\r');
	await s.shows(/filter: children_st/);
	await s.shows(/Children started\./);
	s.type('w0.1\r');
	await s.shows(/every 0\.1s/);
	s.type(' ');
	await s.shows(/PAUSED/);
	s.type(' 5');
	await s.shows(/\[relay\]/);
	s.type('\x1b');		/* no filter */
	await s.shows(/Redis: not configured/);
	s.type('3h');
	await s.shows(/sort by the next column/);
	await s.quit();
	await d.stop();
});

test('the screen survives the daemon and finds the next one', async () => {
	const dir = tempdir();
	const d = await Daemon.start({ conf: echo, dir });
	const s = new Screen(d, '-w 0.2', [60, 14]);
	await s.shows(/HEALTHY/);
	await d.stop();
	await s.shows(/DOWN/);
	await s.shows(/ended/);
	const next = await Daemon.start({ conf: echo, dir });
	await s.shows(/started anew/);
	await s.quit();
	await next.stop();
	fs.rmSync(dir, { recursive: true });
});

test('a file that is cut under the screen ends it politely', async () => {
	const dir = tempdir();
	const d = await Daemon.start({ conf: echo, dir });
	await d.stop();
	const s = new Screen(d, '-w 0.2');
	await s.shows(/DOWN/);
	fs.truncateSync(`${dir}/stats`, 0);
	assert.equal(await within(s.ended, 'end of rooststat'), 65);
	assert.match(s.text, /the file was cut short/);
	fs.rmSync(dir, { recursive: true });
});

test('a terminal that is not known is an error with a way out', async () => {
	const d = await Daemon.start({ conf: echo });
	const s = new Screen(d, '');
	await s.quit();
	/* ncurses itself loses memory when it does not find the terminal */
	const c = spawn('script', ['-qefc',
		`TERM=nonsense exec ${rooststat} -f ${d.dir}/stats`, '/dev/null'],
	    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env,
		ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0` } });
	let out = '';
	c.stdout.on('data', (b) => { out += b; });
	assert.equal(await within(new Promise((ok) => c.on('close', ok)),
	    'end'), 78);
	assert.match(out, /"nonsense" is not known; -1 needs none/);
	await d.stop();
});
