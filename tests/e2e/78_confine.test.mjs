/* System calls: what workers and the relay may ask the kernel for. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Calls, EAFNOSUPPORT, EAGAIN, ENOSYS, EPERM } from './lib/calls.mjs';
import { Daemon, roostd, sanitized, until } from './lib/daemon.mjs';
import { echo } from './lib/conf.mjs';
import { Ws } from './lib/wire.mjs';

const roostctl = path.join(path.dirname(roostd), 'roostctl');
/* of /proc/PID/status: 0 none, 2 a filter */
const filter = (pid) => Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8')
    .match(/^Seccomp:\s+(\d)$/m)[1]);
const status = (d) => execFileSync(roostctl, ['-p', String(d.pid), 'status'])
    .toString();
const alive = async (d) => {
	const w = await Ws.must(d.port, '/ws/echo');
	assert.ok(await w.ack({ event: 'ask', data: 1, id: 1 }));
	w.s.close();
};
/* a sanitizer's own library asks for more: there is no filter then */
const on = sanitized ? 'absent' : 'on';
const filtered = sanitized ? 0 : 2;

test('workers and the relay are filtered, the master is not', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	await d.logged(new RegExp(`starting .* seccomp=${on} `));
	assert.equal(filter(d.pid), 0);
	for (const c of d.children())
		assert.equal(filter(c.pid), filtered, c.title);
	await d.counts('calls_filtered', sanitized ? 0 : 3);
	assert.match(status(d), sanitized ? /^seccomp +absent$/m :
	    /^seccomp +on, in 3 processes$/m);
	await alive(d);
	await d.stop();
});

test('seccomp = off and log, and reloads from one to another', async () => {
	const d = await Daemon.start({ conf: `seccomp = off\n${echo}` });
	const say = (how) => fs.writeFileSync(d.file,
	    fs.readFileSync(d.file, 'utf8').replace(/seccomp = \w+/,
		`seccomp = ${how}`));
	const reload = () => execFileSync(roostctl, ['-p', String(d.pid),
	    'reload']);
	for (const c of d.children())
		assert.equal(filter(c.pid), 0, c.title);
	assert.match(status(d), sanitized ? /^seccomp +absent$/m :
	    /^seccomp +off$/m);
	say('on');
	reload();
	await until(() => d.children().length === 2, 'the former worker is gone');
	assert.equal(filter(d.children().find((c) => c.role === 'worker').pid),
	    filtered);
	assert.equal(filter(d.relay().pid), 0, 'the relay is who it was');
	say('log');
	reload();
	await until(async () => await d.metric('calls_filtered') === 0,
	    'nobody denies anything');
	await alive(d);
	await d.stop();
});

if (!sanitized) {

test('a worker that would become another program ends, and is named', async () => {
	/* newer C libraries block all signals in fork() */
	const clone = '(: clone|, made with signals blocked, as by fork)';
	for (const [role, what, name] of [['worker', 'execve', ': execve'],
		['worker', 'fork', clone], ['worker', 'ptrace', ': ptrace'],
		['worker', 'blocked', ', made with signals blocked, as by fork'],
		['relay', 'execve', ': execve'], ['relay', 'fork', clone]]) {
		const c = new Calls();
		const d = await Daemon.start({ conf: echo, env: c.env });
		d.mayDie = true;
		await alive(d);
		const before = d[role](1).pid;
		c.send(role, what);
		await until(() => new RegExp(`child_died role=${role} .* ` +
		    'signal=31 ').test(d.log), `${role} ends by ${what}`);
		c.put(8, c.get(12));	/* its successor is not asked */
		await until(() => new RegExp(`panic role=${role} .* ` +
		    `note="a forbidden system call${name}"`).test(d.log),
		    `${role}: ${what} is named`);
		await until(() => d[role](1) && d[role](1).pid !== before,
		    'another is there');
		await alive(d);
		d.log = '';		/* it has "panic" in it */
		await d.stop();
		c.close();
	}
});

test('what a worker has no need of is refused, counted and logged once', async () => {
	const c = new Calls();
	const d = await Daemon.start({ conf: echo, env: c.env });
	const w = await Ws.must(d.port, '/ws/echo');
	for (const [what, error] of [['inet', EPERM], ['netlink', EPERM],
		['mkdir', ENOSYS], ['create', EPERM], ['mmap', EPERM],
		['mprotect', EPERM], ['kill', EPERM], ['tgkill', EPERM]])
		assert.equal(await c.ask('worker', what), error, what);
	/* as where there are too many */
	assert.equal(await c.ask('worker', 'thread'), EAGAIN);
	await d.counts('calls_denied', 8);
	assert.equal(await c.ask('worker', 'mkdir'), ENOSYS);
	await d.counts('calls_denied', 9);
	assert.ok(!fs.existsSync('/tmp/roostd-e2e-never'));
	for (const name of ['mkdir', 'socket', 'openat', 'mmap', 'mprotect',
		'kill', 'tgkill'])
		await until(() => new RegExp(`worker/1 warn: call_denied ` +
		    `call=${name} number=\\d+ times=[12] `).test(d.log), name);
	assert.equal(d.log.match(/call_denied call=mkdir /g).length, 1);
	/* what it needs, it has; and it is the same worker */
	assert.equal(await c.ask('worker', 'read'), 0);
	assert.ok(await w.ack({ event: 'ask', data: 1, id: 2 }));
	w.s.close();
	d.mayDeny = true;
	await d.stop();
	c.close();
});

test('the relay looks up names and speaks to Redis, no more', async () => {
	const c = new Calls();
	const d = await Daemon.start({ conf: echo, env: c.env });
	for (const [what, error] of [['resolve', 0], ['thread', 0],
		['inet', 0], ['read', 0], ['netlink', EAFNOSUPPORT]])
		assert.equal(await c.ask('relay', what), error, what);
	await d.counts('calls_denied', 0);
	for (const [what, error] of [['mkdir', ENOSYS], ['create', EPERM],
		['mmap', EPERM], ['kill', EPERM]])
		assert.equal(await c.ask('relay', what), error, what);
	await until(() => /relay warn: call_denied call=mkdir /.test(d.log), 'told');
	d.mayDeny = true;
	await d.stop();
	c.close();
});

test('seccomp = log lets everything pass', async () => {
	const c = new Calls();
	const d = await Daemon.start({ conf: `seccomp = log\n${echo}`,
		env: c.env });
	assert.equal(filter(d.worker(1).pid), 2);
	assert.equal(await c.ask('worker', 'inet'), 0);
	assert.equal(await c.ask('worker', 'thread'), 0);
	await d.counts('calls_denied', 0);
	await d.stop();
	c.close();
});

}
