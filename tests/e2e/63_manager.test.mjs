/*
 * What a service manager sees: RELOADING and READY for whatever it asks for, a
 * watchdog that is fed as long as all are alive, sockets that it has made, and a
 * daemon that is process 1.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon, halt, roostd, run, slow, sleep, tempdir, until, within }
	from './lib/daemon.mjs';
import { freePort } from './lib/redis.mjs';
import { connect } from './lib/clients.mjs';
import { echo, stopTime } from './lib/conf.mjs';
import { datagrams } from './lib/notify.mjs';
import { fails, put, putFailing, putRebuilt, Upgradable, usr2 }
	from './lib/upgrade.mjs';

const short = `drain_time = 1s\n${stopTime}binary_timeout = ${
	Math.min(2 * slow, 5)}s\n`;
const rewrite = (d, f) => fs.writeFileSync(d.file,
    f(fs.readFileSync(d.file, 'utf8')));
const hup = (d) => process.kill(d.pid, 'SIGHUP');

/* RELOADING and READY alone, in order, as letters; and the last status. */
const reports = (n, at = 0) => n.all.slice(at).map((m) =>
	/^['"]RELOADING=1\\nMONOTONIC_USEC=\d+\\nSTATUS=/.test(m) ? 'r' :
	/^['"]READY=1\\nMAINPID=\d+\\nSTATUS=/.test(m) ? 'R' : '').join('');
const status = (n) => n.all.findLast((m) => /STATUS=/.test(m))
    .match(/STATUS=(.*).$/)[1];

async function managed({ workers = 1, times = short, conf = '', env = {},
	kind = Daemon } = {}) {
	const name = `${tempdir()}/n`;
	const n = await datagrams(name);
	const d = await kind.start({ workers, conf: `${times}${conf}${echo}`,
		env: { NOTIFY_SOCKET: name, ...env } });
	await until(() => reports(n) === 'R', 'READY');
	d.told = n;
	return d;
}

/* --- reloads, upgrades ---------------------------------------------------- */

test('each reload is RELOADING and READY, refused or not', async () => {
	const d = await managed(), n = d.told;
	const good = fs.readFileSync(d.file, 'utf8');
	const each = async (want) => {
		const at = n.all.length;
		hup(d);
		await until(() => reports(n, at) === 'rR', 'RELOADING, READY');
		assert.match(status(n), want);
		await until(() => !/leaving/.test(status(n)), 'the end', 15000);
	};
	await each(/^serving, 1 of 1 workers, relay up/);
	assert.doesNotMatch(status(n), /refused/);
	rewrite(d, () => `${good}\nnonsense`);
	await each(/; the last reload was refused: .*roost.conf:\d+: /);
	rewrite(d, () => good.replace('1s\n', '1s\nshm { rooms = 2000 }\n'));
	await each(/; the last reload was refused: .*: shm: rooms: takes /);
	rewrite(d, () => `listen "203.0.113.7:1" {}\n${good}`);
	await each(/; the last reload failed: listen '203\.0\.113\.7:1' \(line /);
	rewrite(d, () => good);
	await each(/^serving, 1 of 1 workers, relay up(, the ones .*)?$/);
	await d.stop();
	n.stop();
});

test('a reload that waits is told at once, and several end once', async () => {
	const d = await managed({ times: 'drain_time = 10m\n',
		conf: 'worker_timeout = 1m\nmax_connection_age = 1h\n' });
	const n = d.told;
	/* one over TLS or a slow one would hold it; here a worker that stands
	 * still does not leave */
	const old = d.worker(1).pid;
	const at = n.all.length;
	await halt(old);
	hup(d);
	await until(() => reports(n, at) === 'rR', 'the first');
	hup(d);
	await until(() => reports(n, at) === 'rRr', 'RELOADING for the second');
	assert.match(status(n), /a reload waits for those who leave/);
	hup(d);
	await until(() => reports(n, at) === 'rRrr', 'RELOADING for the third');
	await until(() => n.all.slice(at).includes(
	    '\'EXTEND_TIMEOUT_USEC=10000000\''), 'more time asked for');
	process.kill(old, 'SIGCONT');
	/* begun anew, and over */
	await until(() => reports(n, at) === 'rRrrrR', 'READY', 15000);
	await d.stop();
	n.stop();
});

test('an upgrade that fails, is rolled back, or is one: READY', async () => {
	const d = await managed({ kind: Upgradable }), n = d.told;
	const each = async (f, want) => {
		const at = n.all.length;
		await f();
		await until(() => /^r+R$/.test(reports(n, at)), 'READY', 20000);
		assert.match(n.all.slice(at).find((m) => /RELOADING/.test(m)),
		    /upgrading/);
		assert.match(n.all.slice(at).find((m) => /READY/.test(m)), want);
		assert.match(n.all.slice(at).find((m) => /READY/.test(m)),
		    new RegExp(`MAINPID=${d.pid}\\b`));
		await sleep(300);	/* in which it might say more */
		assert.match(reports(n, at), /^r+R$/);
	};
	await each(async () => {
		put(d, 'nonsense');
		await fails(d);
	}, /; the last upgrade failed: /);
	await each(() => {
		putFailing(d, 'start-aborts');
		usr2(d);
	}, /; the last upgrade failed: it crashed: ABRT/);
	await until(() => !/leaving/.test(status(n)), 'the end', 15000);
	await each(() => {
		putRebuilt(d);
		usr2(d);
	}, /workers, relay up/);
	assert.doesNotMatch(status(n), /failed/);
	await d.stop();
	n.stop();
});

/* --- the watchdog --------------------------------------------------------- */

for (const who of ['worker', 'relay'])
	test(`the watchdog starves while a ${who} stands still`, async () => {
		const d = await managed({ workers: 2,
			conf: `worker_timeout = ${6 * slow}s\n`,
			env: { WATCHDOG_USEC: '900000' } });
		const n = d.told, pid = who === 'relay' ? d.relay().pid :
		    d.worker(2).pid;
		const fed = () => n.all.filter((m) => m === '\'WATCHDOG=1\'')
		    .length;
		await until(() => fed() > 3, 'food');
		await halt(pid);
		await d.logged(new RegExp(`watchdog_not_fed role=${who} ` +
		    `slot=${who === 'relay' ? 0 : 2} `), 1, 15000);
		await n.caughtUp();
		const at = fed();
		await sleep(600);	/* twice as long as between two */
		await n.caughtUp();
		assert.equal(fed(), at);
		process.kill(pid, 'SIGCONT');
		await until(() => fed() > at + 3, 'food again');
		await until(() => d.log.includes('watchdog_fed'), 'the end');
		d.mayDie = true;
		await d.stop();
		n.stop();
	});

/* --- sockets that are there ------------------------------------------------ */

/* argv: what to listen on, as JSON; then the program, with these as 3, 4... */
const giver = `
import json, os, socket, sys
given = []
for at in json.loads(sys.argv[1]):
    if at["kind"] == "unix":
        s = socket.socket(socket.AF_UNIX)
        s.bind(at["path"])
    elif at["kind"] == "dual":
        s = socket.socket(socket.AF_INET6)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", at["port"]))
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM
            if at["kind"] == "udp" else socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", at["port"]))
    if at["kind"] != "udp":
        s.listen(64)
    given.append(s)
n = len(given)
high = [os.dup(s.fileno()) for s in given]
while min(high) < 3 + n:
    high = [os.dup(h) for h in high]
for i, h in enumerate(high):
    os.dup2(h, 3 + i, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(n),
    LISTEN_FDNAMES=":".join(at.get("name", "roostd.socket")
    for at in json.loads(sys.argv[1])))
os.closerange(3 + n, 256)
os.execv(sys.argv[2], sys.argv[2:])
`;
const giving = (sockets, bin = '"$0"') => `exec python3 -c '${giver}' ` +
    `'${JSON.stringify(sockets)}' ${bin} "$@"`;
const inode = (pid, fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`);

test('sockets of the manager: each to its section, by address', async () => {
	const port = await freePort(), file = `${tempdir()}/s`;
	const d = await Daemon.start({ workers: 2, listen: false,
		conf: `listen "127.0.0.1:0" {}\nlisten "unix:${file}" {}
listen "127.0.0.1:${port}" {}\n${short}${echo}`,
		first: giving([{ kind: 'tcp', port, name: 'web' },
			{ kind: 'unix', path: file, name: 'local' }]) });
	await d.logged(new RegExp(
	    `socket_given addr="127\\.0\\.0\\.1:${port}" name="web"`));
	await d.logged(new RegExp(
	    `socket_given addr="unix:${file}" name="local"`));
	const was = inode(d.pid, 3);
	const alive = async () => {
		assert.equal((await fetch(`http://127.0.0.1:${port}/livez`))
		    .status, 200);
		assert.equal(execFileSync('curl', ['-sS', '-o', '/dev/null', '-w',
			'%{http_code}', '--unix-socket', file,
			'http://x/livez']).toString(), '200');
	};
	await alive();
	/* a reload keeps them, and does not let go of one */
	for (const workers of [1, 3]) {
		rewrite(d, (t) => `${t}# ${workers}\n`);
		process.kill(d.pid, workers === 1 ? 'SIGTTOU' : 'SIGTTIN');
		await until(() => d.log.includes(`resized workers=${workers}`) ||
		    d.log.includes('resized workers=2'), 'another number');
	}
	await until(() => d.log.match(/ turned /g)?.length >= 2, 'the end', 15000);
	hup(d);
	await until(() => d.log.includes(' reloaded '), 'a reload', 15000);
	await alive();
	await until(() => d.log.match(/ turned /g).length >= 3, 'the end', 15000);
	rewrite(d, (t) => t.replace(/listen "127.0.0.1:[1-9].*\n/, ''));
	hup(d);
	await until(() => d.log.includes('reload_failed'), 'a refusal');
	await d.logged(/not_listening why="listen '127\.0\.0\.1:\d+': its socket is the service manager's, and leaves with a new start only"/);
	await alive();
	assert.equal(inode(d.pid, 3), was);
	await d.stop();
	/* the manager's file is the manager's */
	assert.ok(fs.existsSync(file));
});

test('one socket of both families serves a section of both', async () => {
	const port = await freePort();
	const d = await Daemon.start({ workers: 2, listen: false,
		conf: `listen "127.0.0.1:0" {}\nlisten "*:${port}" {}\n${short}${echo}`,
		first: giving([{ kind: 'dual', port }]) });
	const alive = async () => {
		for (const host of ['127.0.0.1', '[::1]'])
			assert.equal((await fetch(`http://${host}:${port}/livez`))
			    .status, 200);
	};
	await alive();
	hup(d);
	await until(() => d.log.includes(' reloaded '), 'a reload');
	await alive();
	await d.stop();
});

test('sockets of the manager go on through an upgrade', async () => {
	const port = await freePort();
	const d = await Upgradable.start({ workers: 2, listen: false,
		conf: `listen "127.0.0.1:0" {}\nlisten "127.0.0.1:${port}" {}
${short}${echo}`, giving: (bin) => giving([{ kind: 'tcp', port }], bin) });
	const was = inode(d.pid, 3);
	const s = await connect(d, '/');
	putRebuilt(d);
	usr2(d);
	await until(() => d.log.includes(' upgraded '), 'the upgrade', 15000);
	await until(() => d.log.includes(' turned '), 'the end', 15000);
	assert.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200);
	assert.ok(fs.readdirSync(`/proc/${d.pid}/fd`)
	    .some((fd) => inode(d.pid, fd) === was));
	/* it still knows that it is not ours */
	rewrite(d, (t) => t.replace(/listen "127.0.0.1:[1-9].*\n/, ''));
	hup(d);
	await until(() => d.log.includes('leaves with a new start only'),
	    'a refusal', 15000);
	await d.stop();
});

test('sockets that nobody asked for, or that cannot be: no start', async () => {
	const dir = tempdir(), port = await freePort(), other = await freePort();
	fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:${port}" {}\n${echo}`);
	const start = (sockets) => run(['-f', '-c', `${dir}/c`],
	    { first: giving(sockets) });
	let r = await start([{ kind: 'tcp', port },
		{ kind: 'tcp', port: other, name: 'web' }]);
	assert.equal(r.code, 78);
	assert.match(r.err, new RegExp(
	    `not_listening why="socket 'web' at port ${other} is for no listen section"`));
	r = await start([{ kind: 'udp', port }]);
	assert.equal(r.code, 78);
	assert.match(r.err, /socket_bad fd=3 name="roostd.socket"/);
	/* those of another process are not ours */
	const d = await Daemon.start({ conf: echo, env: { LISTEN_PID: '1',
		LISTEN_FDS: '1' } });
	await d.stop();
});

/* --- process 1 -------------------------------------------------------------- */

test('as process 1 it reaps whoever is left to it', async () => {
	if (process.getuid() !== 0)
		throw new Error('this needs root: a name space of processes');
	const dir = tempdir();
	fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:0" {}\n${short}${echo}`);
	const c = spawn('unshare', ['--pid', '--fork', '--mount-proc',
		'--kill-child', roostd, '-f', '-w', '2', '-c', `${dir}/c`],
	    { stdio: ['ignore', 'ignore', 'pipe'] });
	let log = '';
	c.stderr.on('data', (b) => { log += b; });
	const ended = new Promise((ok) => c.on('exit', ok));
	await until(() => log.includes(' ready '), 'ready');
	const children = (pid) => fs.readFileSync(
	    `/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
	    .filter((p) => p !== '').map(Number);
	const [one] = children(c.pid);
	assert.match(fs.readFileSync(`/proc/${one}/status`, 'utf8'),
	    /^NSpid:\t\d+\t1$/m);
	const own = children(one).length;
	/* an orphan of a shell that is run in the container */
	for (let i = 0; i < 5; i++)
		execFileSync('nsenter', ['-t', one, '-p', '-m', 'sh', '-c',
			'sleep 1 & sleep 0.1 & true'], { stdio: 'ignore' });
	await until(() => children(one).length > own, 'orphans');
	await until(() => children(one).length === own, 'none of them');
	assert.match(log, /ready workers=2 relay=1/);
	assert.doesNotMatch(log, /child_died/);
	process.kill(one, 'SIGTERM');
	assert.equal(await within(ended, 'the end', 10000 * slow), 0);
});

/* --- rights ----------------------------------------------------------------- */

test('children of a master with a capability have none', async () => {
	if (process.getuid() !== 0)
		throw new Error('this needs root: another user with a capability');
	const dir = fs.mkdtempSync('/tmp/roostd-e2e-caps-');
	try {
		fs.chmodSync(dir, 0o755);
		fs.copyFileSync(roostd, `${dir}/roostd`);
		fs.chmodSync(`${dir}/roostd`, 0o755);
		fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:81" {}\n${echo}`);
		const c = spawn('unshare', ['--net', 'sh', '-c',
			'ip link set lo up && exec setpriv --reuid 65534 ' +
			'--regid 65534 --clear-groups ' +
			'--inh-caps +net_bind_service ' +
			`--ambient-caps +net_bind_service ${dir}/roostd -f ` +
			`-w 2 -c ${dir}/c`], { stdio: ['ignore', 'ignore', 'pipe'] });
		let log = '';
		c.stderr.on('data', (b) => { log += b; });
		const ended = new Promise((ok) => c.on('exit', ok));
		await until(() => log.includes(' ready ') ||
		    c.exitCode !== null, 'ready');
		assert.match(log, / ready /);
		const caps = (pid) => [...fs.readFileSync(`/proc/${pid}/status`,
		    'utf8').matchAll(/^(Cap(?:Prm|Eff|Amb)|NoNewPrivs):\t(\S+)$/mg)]
		    .map((m) => Number(`0x${m[2]}`));
		assert.deepEqual(caps(c.pid), [0x400, 0x400, 0x400, 0]);
		const children = fs.readFileSync(
		    `/proc/${c.pid}/task/${c.pid}/children`, 'utf8').trim()
		    .split(' ').map(Number);
		assert.equal(children.length, 3);
		for (const pid of children)
			assert.deepEqual(caps(pid), [0, 0, 0, 1]);
		c.kill('SIGTERM');
		assert.equal(await within(ended, 'the end'), 0);
	} finally {
		fs.rmSync(dir, { recursive: true });
	}
});
