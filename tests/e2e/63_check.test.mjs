/* Is the host large enough?  roostctl check, and what the daemon says itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, roostd, run, tempdir, until } from './lib/daemon.mjs';
import { echo } from './lib/conf.mjs';

const roostctl = path.join(path.dirname(roostd), 'roostctl');
/* A host of paper on which that process runs; other files, or undefined. */
function host(pid, other = {}) {
	const root = tempdir();
	for (const [name, text] of Object.entries({
		[`proc/${pid}/limits`]: 'Max file size    unlimited unlimited bytes\n' +
		    'Max open files   60000  60000  files\n',
		[`proc/${pid}/status`]: 'Cpus_allowed:\tff\n',
		[`proc/${pid}/cgroup`]: '0::/roost\n',
		'proc/sys/fs/nr_open': '1048576\n',
		'proc/sys/fs/file-max': '1000000\n',
		'proc/sys/net/core/somaxconn': '4096\n',
		'proc/sys/net/ipv4/ip_local_port_range': '1024 65535\n',
		'proc/sys/net/ipv4/tcp_mem': '1 2 200000\n',
		'proc/sys/vm/overcommit_memory': '0\n',
		'proc/meminfo': 'MemTotal: 8000000 kB\n', ...other })) {
		fs.mkdirSync(path.dirname(`${root}/${name}`), { recursive: true });
		fs.writeFileSync(`${root}/${name}`, text);
	}
	return root;
}
function check(d, ...args) {
	const r = spawnSync(roostctl, ['-p', String(d.pid), 'check', ...args],
	    { encoding: 'utf8' });
	return { code: r.status, out: r.stdout, err: r.stderr };
}
const conf = `limits { connections = 50000 }
trusted_proxies = {"127.0.0.1"}
${echo}`;

test('roostctl check: a line each, what mends it, and the exit code', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	let r = check(d, '-r', host(d.pid));
	assert.equal(r.code, 0, JSON.stringify(r));
	for (const what of ['descriptors', 'nr_open', 'file_max', 'backlog', 'ports',
		'tcp_memory', 'memory', 'shared_memory', 'overcommit', 'cpus',
		'huge_pages'])
		assert.match(r.out, new RegExp(`^ok   ${what} +\\S.*, needed: \\S`,
		    'm'));
	assert.match(r.out, /^ok   descriptors +60000, needed: 25\d{3}$/m);
	r = check(d, '-r', host(d.pid, {
		[`proc/${d.pid}/limits`]: 'Max open files   1024  4096  files\n',
		'proc/sys/net/core/somaxconn': '128\n',
		'sys/fs/cgroup/roost/memory.max': '104857600\n',
		'sys/fs/cgroup/roost/cpu.max': '100000 100000\n' }));
	assert.equal(r.code, 71);
	assert.match(r.out, /^LESS descriptors +1024, needed: (\d+)\n +mend: LimitNOFILE=\1 in the unit, or ulimit -n \1$/m);
	assert.match(r.out, /^LESS backlog +128, needed: 4096\n +mend: sysctl -w net.core.somaxconn=4096$/m);
	assert.match(r.out, /^LESS memory +100 MB, needed: \d+ MB\n +mend: limits \{ connections = \d+ \}, or a higher MemoryMax/m);
	assert.match(r.out, /^LESS cpus +1, needed: 2\n +mend: workers = 1, /m);
	assert.match(r.out, /^ok   ports /m);
	const j = check(d, '-j', '-r', host(d.pid, {
		'proc/sys/net/core/somaxconn': '128\n' }));
	assert.equal(j.code, 71);
	const list = JSON.parse(j.out);
	assert.deepEqual(list.filter((f) => !f.ok), [{ what: 'backlog', ok: false,
		found: '128', needed: '4096',
		mend: 'sysctl -w net.core.somaxconn=4096' }]);
	assert.ok(list.length > 8);
	/* of this host, whatever it has */
	r = check(d);
	assert.ok([0, 71].includes(r.code), JSON.stringify(r));
	assert.match(r.out, /^(ok  |LESS) descriptors +\d+, needed: 25\d{3}$/m);
	await d.stop();
});

test('roostctl check: other workers, other limits, none at all', async () => {
	const d = await Daemon.start({ workers: 1, conf });
	const needed = () => Number(check(d, '-r', host(d.pid)).out
	    .match(/descriptors +\d+, needed: (\d+)/)[1]);
	assert.ok(needed() > 50000);
	fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
	    .replace('connections = 50000', 'connections = 100'));
	d.child.kill('SIGHUP');
	await until(() => needed() < 300, 'the limit of the next configuration');
	for (const args of [['x'], ['-r'], ['-q']])
		assert.equal(check(d, ...args).code, 64, args);
	const pid = d.pid;
	await d.stop();
	const r = check({ pid });
	assert.equal(r.code, 69);
	assert.match(r.err, /roostd -t/);
});

test('the daemon says so itself: at its start, by a reload, and with -t', async () => {
	const few = { workers: 1, conf: `limits { connections = 150 }\n${echo}`,
		first: 'ulimit -n 200' };
	let d = await Daemon.start(few);
	await d.stop();
	d = await Daemon.start({ ...few, conf: few.conf.replace('150', '100') });
	assert.doesNotMatch(d.log, /host_short what=descriptors/);
	fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
	    .replace('connections = 100', 'connections = 10000'));
	d.child.kill('SIGHUP');
	await until(() => /reloaded /.test(d.log), 'the next configuration');
	assert.match(d.log, /host_short what=descriptors found="200" needed="10\d{3}" mend="LimitNOFILE=(10\d{3}) in the unit, or ulimit -n \1"/);
	await d.stop();
	const dir = tempdir(), file = `${dir}/roost.conf`;
	fs.writeFileSync(file, `listen "127.0.0.1:0" {}\n${
	    few.conf.replace('150', '10000')}`);
	const r = await run(['-t', '-w', '1', '-c', file], { first: 'ulimit -n 200' });
	assert.equal(r.code, 0);
	assert.match(r.err, /^roostd: .*roost\.conf is valid$/m);
	assert.match(r.err, /^roostd: this host has too little: descriptors 200, needed: (10\d{3}): LimitNOFILE=\1 /m);
	const enough = await run(['-t', '-w', '1', '-c', file], { first: 'ulimit -n 20000' });
	assert.equal(enough.code, 0);
	assert.doesNotMatch(enough.err, /descriptors/);
});
