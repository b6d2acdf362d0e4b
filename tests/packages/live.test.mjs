/*
 * The package in a Debian system with a real systemd: installed, started,
 * reloaded, upgraded under clients, upgraded to what crashes, removed, purged.
 * Run by `tests/packages/live', which makes that system and says where it is.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';

import { io } from '../e2e/lib/clients.mjs';
import { until } from '../e2e/lib/daemon.mjs';
import { get, good, has, meanwhile, Packages, put, there } from './system.mjs';

const { LIVE_ROOT: root, LIVE_UPPER: upper, LIVE_PID: one,
	LIVE_CLIENTS = '100' } = process.env;
const url = 'http://127.0.0.1:8080';

const show = (what) => good(`systemctl show -P ${what} roostd.service`);
const install = (files) => good(Packages.install(files));
const log = () => good('journalctl -q -o cat --no-pager; true');
const logged = (words) => log().split(words).length - 1;
const status = (path = '/livez') => fetch(url + path).then((r) => r.status,
    () => 0);
const serves = () => until(async () => await status() === 200, 'an answer',
    20000);
const helper = '/usr/libexec/roost/upgrade-running';
const conf = '/etc/roost/roost.conf';

/* Clients that insist on their connection. */
const clients = [];
let lost = 0;
async function connectAll(n, to = url) {
	for (let i = 0; i < n; i++) {
		const s = io(to, { transports: ['websocket'], forceNew: true,
			reconnection: false });
		s.on('disconnect', () => lost++);
		s.on('connect_error', (e) => { s.why = e.message; });
		clients.push(s);
		if (i % 50 === 49)
			await until(() => s.connected, 'a connection', 20000);
	}
	await until(() => clients.every((s) => s.connected), 'all: ' +
	    clients.find((s) => s.why !== undefined)?.why, 30000);
}
const allAnswer = () => Promise.all(clients.map((s, i) =>
	s.timeout(20000).emitWithAck('ask', i)
	    .then((got) => assert.equal(got, i))));
async function nobodyLost() {
	await allAnswer();
	assert.equal(lost, 0);
}
function closeAll() {
	for (const s of clients.splice(0)) {
		s.removeAllListeners('disconnect');
		s.close();
	}
}
/* What it comes to, while all of them talk. */
async function whileTheyTalk(work) {
	let ended = false;
	const talk = (async () => {
		while (!ended)
			await allAnswer();
	})();
	const got = await work;
	ended = true;
	await talk;
	return got;
}
after(() => {
	if (lost > 0)
		console.log(`${lost} lost:\n${log()}`);
	closeAll();
	setTimeout(() => process.exit(), 1000).unref();
});

/* As which AppArmor has it; null: there is none in this kernel. */
function confined(pid) {
	try {
		if (fs.readFileSync('/sys/module/apparmor/parameters/enabled',
		    'utf8').trim() !== 'Y')
			return null;
	} catch {
		return null;
	}
	return good(`cat /proc/${pid}/attr/current`);
}

test('installed: it runs, on loopback, as a user with few rights', async (t) => {
	const out = install(Packages.both);
	assert.doesNotMatch(out, /fail|error|not upgraded/i);
	if (Packages.format === 'rpm')
		good('systemctl start roostd.service');
	await serves();
	assert.equal(show('ActiveState'), 'active');
	assert.equal(good('systemctl is-enabled roostd.service'), 'enabled');
	assert.match(show('StatusText'), /^serving, \d+ of \d+ workers, relay up/);
	const pid = show('MainPID');
	assert.equal(good(`stat -c %U /proc/${pid}`), 'roost');
	/* and so are those who serve, without any capability */
	for (const p of good(`pgrep -P ${pid}`).split('\n')) {
		assert.match(good(`grep -E 'CapEff|NoNewPrivs|Seccomp:' ` +
		    `/proc/${p}/status`), /CapEff:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2/);
		assert.ok([null, 'roostd (enforce)'].includes(confined(p)),
		    confined(p));
	}
	if (confined(pid) === null)
		t.diagnostic('this kernel has no AppArmor');
	for (const l of good('ss -Hltn').split('\n'))	/* one each */
		assert.match(l, / 127\.0\.0\.1:8080 /);
	assert.equal(show('LimitNOFILE'), '1048576');
	good('systemd-analyze verify --man=no roostd.service');
	const security = good('systemd-analyze security --no-pager roostd.service');
	assert.ok(Number(security.match(/Overall exposure level .*: ([\d.]+)/)[1]) <=
	    2.0, security);
	if (Packages.format === 'deb')
		assert.match(good('dpkg-query -W -f \'${Conffiles}\' roostd'),
		    /\/etc\/roost\/roost\.conf /);
	assert.match(good('rooststat -1 | head -n 3'), /\S/);
	assert.match(good('roostctl status'), /roost\.conf/);
	/* the type for the systemd for which it was built */
	const version = Number(good('systemctl --version')
	    .match(/^systemd (\d+)/)[1]);
	assert.equal(show('Type'), version >= 253 ? 'notify-reload' : 'notify');
});

test('reload: taken, or refused with a word', async () => {
	put(conf, `${get(conf)}
stop_time = 2s
drain_time = 2s
namespace "/" { auth = none event "ask" { ack = echo } }
`);
	good('systemctl reload roostd.service');
	assert.doesNotMatch(show('StatusText'), /refused/);
	await connectAll(3);
	await allAnswer();
	const text = get(conf);
	put(conf, `${text}\nnonsense\n`);
	const r = there('systemctl reload roostd.service');
	assert.equal(r.code === 0, show('Type') === 'notify-reload', r.out);
	assert.match(show('StatusText'),
	    /the last reload was refused: \/etc\/roost\/roost\.conf:\d+: unknown/);
	assert.equal(show('ActiveState'), 'active');
	put(conf, text);
	good('systemctl reload roostd.service');
	await nobodyLost();
});

test(`another version under ${LIVE_CLIENTS} clients: all stay`, async () => {
	await connectAll(Number(LIVE_CLIENTS));
	const pid = show('MainPID'), file = Packages.made(1);
	const { code, out } = await whileTheyTalk(meanwhile(
	    Packages.install(file)));
	assert.equal(code, 0, out);
	assert.match(out, /roostd: upgraded while it runs: clients stay connected/);
	assert.equal(show('MainPID'), pid);
	assert.equal(show('NRestarts'), '0');
	assert.match(good('roostctl status'), Packages.is(1));
	await nobodyLost();
});

/* The one before goes on, in which the clients are, and dpkg says why. */
async function refused(n, kind, why, before) {
	const pid = show('MainPID');
	const out = install(Packages.made(n, kind));
	assert.match(out, /THE RUNNING DAEMON WAS NOT UPGRADED/);
	assert.match(out, why);
	assert.equal(show('MainPID'), pid);
	assert.equal(show('ActiveState'), 'active');
	assert.match(good('roostctl status'), Packages.is(before));
	assert.match(show('StatusText'), /the last upgrade failed/);
	await nobodyLost();
}

test('one that crashes at its start: the one before goes on', async () => {
	await refused(2, 'crash',
	    /roostd: \/usr\/sbin\/roostd: it died of signal 11/, 1);
});

test('one whose workers end: the one before is there again', async () => {
	const pid = show('MainPID');
	const children = () => good(`pgrep -P ${pid} || :`).split('\n').map(Number);
	const before = children();
	const done = meanwhile(Packages.install(Packages.made(3)));
	const came = await until(() => {
		const c = children().filter((p) => !before.includes(p));
		return logged(' upgrading_from ') > 1 && c.length > 0 && c;
	}, 'its workers', 20000);
	good(`kill -9 ${came.at(-1)}`);
	const r = await done;
	assert.equal(r.code, 0, r.out);
	assert.match(r.out, /THE RUNNING DAEMON WAS NOT UPGRADED/);
	assert.equal(show('MainPID'), pid);
	assert.match(good('roostctl status'), Packages.is(1));
	await nobodyLost();
	assert.match(good(helper), /upgraded while it runs/);
	assert.match(good('roostctl status'), Packages.is(3));
	assert.equal(show('MainPID'), pid);
	await nobodyLost();
});

test('one that lacks a directive: it is named, and the one before goes on',
    async () => {
	const at = get(conf).split('\n')
	    .findIndex((l) => l.startsWith('stop_time =')) + 1;
	await refused(4, 'removed', new RegExp('correct it and reload, then ' +
	    `upgrade:\nroostd: /etc/roost/roost\\.conf:${at}: ` +
	    'unknown directive stop_time'), 3);
	/* as it was said */
	put(conf, get(conf).replace(/^stop_time = .*$/m, ''));
	good('roostctl reload');
	assert.match(good('roostctl upgrade'), /version 0\.1\.4/);
	assert.match(install(Packages.made(5)), /upgraded while it runs/);
	assert.doesNotMatch(show('StatusText'), /failed/);
	await nobodyLost();
});

test('two upgrades at once: both end well', async () => {
	const before = logged(' upgraded ');
	for (const r of await whileTheyTalk(Promise.all([meanwhile(helper),
	    meanwhile(helper), meanwhile(Packages.install(Packages.made(6)))])))
		assert.deepEqual([r.code, /upgraded while it runs/.test(r.out)],
		    [0, true], r.out);
	assert.ok(logged(' upgraded ') > before);
	assert.match(good('roostctl status'), Packages.is(6));
	await nobodyLost();
});

/* Of dpkg, what it keeps its knowledge in; rpm looks at the whole disk first. */
function fill() {
	const at = Packages.database;
	if (Packages.format === 'deb') {
		good(`mkdir /run/full && size=$(du -sk ${at} | cut -f 1) &&
		    mount -t tmpfs -o size=$((size * 2 + 1024))k full /run/full &&
		    cp -a ${at}/. /run/full && mount --bind /run/full ${at}
		    dd if=/dev/zero of=${at}/filler bs=4k 2>/dev/null; df ${at}`);
		return {
			freed: () => good(`rm ${at}/filler`),
			ended: () => good(`umount ${at} &&
			    find ${at} -mindepth 1 -delete &&
			    cp -a /run/full/. ${at} && umount /run/full &&
			    rmdir /run/full`),
		};
	}
	const size = (n) => assert.equal(spawnSync('mount', ['-o',
		`remount,size=${n}`, path.dirname(root)]).status, 0);
	const { blocks, bfree, bsize } = fs.statfsSync(root);
	size((blocks - bfree) * bsize);
	return { freed: () => size(blocks * bsize), ended: () => {} };
}

test('the disk is full: the one before goes on, and is upgraded later',
    async () => {
	const pid = show('MainPID'), file = Packages.made(7);
	const disk = fill();
	const r = there(Packages.install(file));
	assert.notEqual(r.code, 0, r.out);
	assert.match(r.out, /No space left|disk is full|disk full|more space/i);
	assert.equal(show('MainPID'), pid);
	assert.match(good('roostctl status'), Packages.is(6));
	await nobodyLost();
	disk.freed();
	assert.match(install(file), /upgraded while it runs/);
	assert.match(good('roostctl status'), Packages.is(7));
	assert.equal(show('MainPID'), pid);
	await nobodyLost();
	disk.ended();
});

test('its own roost.conf has changed as well: the operator\'s stays',
    async () => {
	const text = get(conf), file = Packages.made(8, 'conffile');
	if (Packages.format === 'deb') {
		/* nobody is there to be asked: it is not done, nor harmed */
		assert.notEqual(there(Packages.install(file, '')).code, 0);
		assert.match(good('roostctl status'), Packages.is(7));
		await nobodyLost();
	}
	assert.match(install(file), /upgraded while it runs/);
	assert.match(good('roostctl status'), Packages.is(8));
	assert.equal(get(conf), text);
	good(`rm ${conf}.*`);		/* .dpkg-dist, .rpmnew */
	await nobodyLost();
});

if (Packages.format === 'deb')
	test('needrestart: an upgrade in place', async (t) => {
		const before = logged(' upgraded ');
		good('/etc/needrestart/restart.d/roostd.service');
		assert.equal(logged(' upgraded '), before + 1);
		await nobodyLost();
		if (!has('/usr/sbin/needrestart')) {
			t.diagnostic('there is no needrestart here');
			return;
		}
		/* the same library, another file */
		good('f=$(readlink -f /usr/lib/*/libssl.so.3) && cp $f $f.new && ' +
		    'mv $f.new $f');
		const pid = show('MainPID');
		const r = await whileTheyTalk(meanwhile('needrestart -r a -l'));
		assert.match(r.out, /roostd/);
		assert.equal(logged(' upgraded '), before + 2, r.out);
		assert.equal(show('MainPID'), pid);
		await nobodyLost();
	});

test('one that was started by hand beside it: upgraded as well', async () => {
	put('/etc/roost/hand.conf', `${get(conf)}
user = roost
pidfile = "/run/roost/hand.pid"
`.replace('127.0.0.1:8080', '127.0.0.1:8090')
	    .replace('/run/roost/stats', '/run/roost/hand'));
	good('cd / && roostd -c /etc/roost/hand.conf');
	await connectAll(2, url.replace('8080', '8090'));
	const pid = good('cat /run/roost/hand.pid');
	const out = install(Packages.made(9));
	assert.equal(out.match(/upgraded while it runs/g)?.length, 2, out);
	for (const p of [pid, show('MainPID')]) {
		assert.match(out, new RegExp(`roostd: process ${p}:`));
		assert.match(good(`roostctl -p ${p} status`), Packages.is(9));
	}
	await nobodyLost();
	/* somebody else's program is his */
	good('cp /usr/sbin/roostd /root/own && roostctl -p ' +
	    `/run/roost/hand.pid stop && sed -i /^user/d /etc/roost/hand.conf &&
	    setpriv --reuid roost --regid roost --clear-groups \
	    cp /usr/sbin/roostd /run/roost/own && cd / &&
	    /run/roost/own -c /etc/roost/hand.conf`);
	closeAll();
	lost = 0;
	assert.equal(good(helper).match(/upgraded while it runs/g).length, 1);
	assert.equal(logged('/run/roost/own'), 0);
	good(`roostctl -p /run/roost/hand.pid stop
	    rm -f /etc/roost/hand.conf /run/roost/own /root/own`);
});

test('killed in the middle: that is said, and systemd starts it again',
    async () => {
	await connectAll(3);
	const pid = show('MainPID'), before = logged(' upgrading_from ');
	const done = meanwhile(helper);
	await until(() => logged(' upgrading_from ') > before, 'its begin');
	good(`kill -9 ${pid}`);
	const r = await done;
	assert.equal(r.code, 0, r.out);
	assert.match(r.out, new RegExp(`roostd, process ${pid}, has ended`));
	assert.match(r.out, /IT HAS ENDED DURING ITS UPGRADE/);
	assert.match(r.out, /systemd has started it again/);
	assert.doesNotMatch(r.out, /WAS NOT UPGRADED|goes on/);
	assert.notEqual(show('MainPID'), pid);
	await serves();
	assert.equal(show('NRestarts'), '1');
	assert.match(good('roostctl status'), Packages.is(9));
	assert.equal(lost, 3);
	closeAll();
	lost = 0;
	await connectAll(3);
	assert.match(good(helper), /upgraded while it runs/);
	await nobodyLost();
	closeAll();
});

test('who is stopped stays stopped; the log is rotated', async () => {
	good('systemctl stop roostd.service');
	install(Packages.made(1));
	assert.equal(show('ActiveState'), 'inactive');
	assert.equal(await status(), 0);
	put(conf, `log_file = "/var/log/roost/roostd.log"\n${get(conf)}`);
	good('systemctl start roostd.service');
	await serves();
	assert.match(get('/var/log/roost/roostd.log'), / ready /);
	good('logrotate -f /etc/logrotate.d/roostd');
	await until(() => has('/var/log/roost/roostd.log') &&
	    / reopened/.test(get('/var/log/roost/roostd.log')), 'another file');
	assert.match(get('/var/log/roost/roostd.log.1'), / ready /);
	assert.equal(good('stat -c %U /var/log/roost/roostd.log'), 'roost');
	/* nor is what is disabled enabled */
	good('systemctl disable --now roostd.service');
	install(Packages.made(2));
	assert.equal(there('systemctl is-enabled roostd.service').out.trim(),
	    'disabled');
	assert.equal(await status(), 0);
	/* here it is enabled by a link as well, since this system knows few units */
	good('systemctl enable roostd.service; ' +
	    'rm -f /etc/systemd/system/roostd.service');
});

test('systemd: its watchdog, and its sockets', async () => {
	const drop = '/etc/systemd/system/roostd.service.d';
	good(`mkdir ${drop}`);
	put(`${drop}/watchdog.conf`, '[Service]\nWatchdogSec=2s\n');
	good('systemctl daemon-reload; systemctl start roostd.service');
	await serves();
	const pid = show('MainPID'), before = Number(show('NRestarts'));
	/* it is fed */
	await new Promise((ok) => setTimeout(ok, 4000));
	assert.equal(show('MainPID'), pid);
	good(`kill -STOP ${pid}`);
	await until(() => Number(show('NRestarts')) > before, 'another one',
	    40000);
	await serves();
	good(`systemctl stop roostd.service; rm -r ${drop}
	    cp /usr/share/roost/examples/roostd.socket /etc/systemd/system
	    systemctl daemon-reload; systemctl start roostd.socket`);
	assert.equal(show('ActiveState'), 'inactive');
	await connectAll(3);
	await allAnswer();
	assert.match(get('/var/log/roost/roostd.log'), / socket_given /);
	assert.match(good(helper), /upgraded while it runs/);
	await nobodyLost();
	closeAll();
	good(`systemctl stop roostd.socket roostd.service
	    rm /etc/systemd/system/roostd.socket; systemctl daemon-reload
	    systemctl start roostd.service`);
	await serves();
});

/* All that was ever written in that system, and is of it. */
const left = () => spawnSync('sh', ['-c', `cd "$1" && find . \\( -name '*roost*' \
    -o -path './etc/roost/*' \\) ! -type c ! -path './root/*' \
    ! -path './etc/roost-live*' ! -path './var/log/journal/*' \
    ! -path './var/cache/man/*' -printf '%p %l\\n' | sort`, 'sh', upper], { encoding: 'utf8' })
    .stdout;

if (Packages.format === 'rpm')
	test('removed: it ends, and leaves what was changed', async () => {
		good('rpm --nodeps -e roostd roost-tools');
		assert.equal(await status(), 0);
		assert.equal(there('systemctl is-active roostd.service').out
		    .trim(), 'inactive');
		/* as rpm does: roost.conf as .rpmsave, and what came beside it */
		assert.match(left(), new RegExp('^(\\./etc/roost \n)?' +
		    '(\\./etc/roost/roost\\.conf\\.rpmnew \n)?' +
		    '\\./etc/roost/roost\\.conf\\.rpmsave \n' +
		    '(\\./var/log/roost.*\n)*$'));
		assert.equal(good('ls /run | grep roost || :'), '');
	});
else
	test('removed: it ends; installed again: it runs; purged: nothing',
	    async () => {
		good(Packages.remove);
		assert.equal(await status(), 0);
		assert.equal(there('systemctl is-active roostd.service').out
		    .trim(), 'inactive');
		assert.ok(has(conf));
		put('/etc/roost/key.pem', 'a secret\n');
		/* its port is another's: that is said, and no more than that */
		const other = net.createServer().listen(8080, '127.0.0.1');
		await once(other, 'listening');
		assert.match(install(Packages.daemon),
		    /roostd: it is installed, but does not run: systemctl/);
		assert.match(log() + get('/var/log/roost/roostd.log'),
		    / not_listening .*8080.* in use/);
		other.close();
		await once(other, 'close');
		good(Packages.remove);
		const out = install(Packages.daemon);
		await serves().catch((e) => {
			throw new Error(`${e.message}: ${out}\n${
				there('systemctl status roostd.service').out}`);
		});
		good('dpkg --no-triggers -P roostd roost-tools');
		assert.equal(await status(), 0);
		assert.equal(there('getent passwd roost; getent group roost')
		    .out, '');
		assert.equal(left(), '');
		assert.ok(!has('/etc/roost'));
		assert.equal(good('ls /run | grep roost || :'), '');
	});

test('without systemd: runit, and an upgrade in place', async () => {
	install(Packages.daemon);
	there('systemctl stop roostd.service');
	const dir = `${root}/root/sv`;
	fs.mkdirSync(dir);
	fs.writeFileSync(`${dir}/run`, '#!/bin/sh\nexec roostd -f 2>&1\n',
	    { mode: 0o755 });
	/* /run as there without it */
	const c = spawn('nsenter', ['-t', one, '-m', '-p', '-C', 'env', '-i',
		'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'unshare', '--mount',
		'--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c',
		'mount -t tmpfs run /run && mkdir /run/roost && ' +
		'cd /root/sv && exec runsv /root/sv'], { stdio: 'inherit' });
	const ended = new Promise((ok) => c.on('exit', ok));
	const child = (pid) => fs.readFileSync(
	    `/proc/${pid}/task/${pid}/children`, 'utf8').trim();
	/* that it may be a process 1 */
	const apart = await until(() => child(c.pid), 'its system');
	try {
		await serves();
		const inside = () => until(() => child(child(apart)), 'roostd');
		const pid = await inside();
		const enter = (script) => spawnSync('nsenter', ['-t', pid, '-m',
			'-p', 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
			'sh', '-c', script], { encoding: 'utf8' });
		const r = enter(helper);
		assert.equal(r.stdout, 'roostd: upgraded while it runs: ' +
		    'clients stay connected\n', r.stderr);
		assert.equal(r.status, 0);
		assert.equal(enter('sv hup /root/sv && sleep 1 && ' +
		    'sv status /root/sv').status, 0);
		await serves();
		assert.equal(await inside(), pid);
		/* down, and up again */
		enter('sv -w 10 down /root/sv');
		await until(async () => await status() === 0, 'the end');
	} finally {
		process.kill(Number(apart), 'SIGKILL');
		await ended;
	}
});

test('neither its own filter nor AppArmor has refused it anything', () => {
	assert.match(log(), / starting .* seccomp=on /);
	assert.doesNotMatch(log(), / call_denied |forbidden system call|calls_not_filtered/);
	if (confined(one) !== null)
		assert.doesNotMatch(good('dmesg'),
		    /apparmor="DENIED".*profile="roostd"/);
});
