/* What the host does to a daemon: its files, its streams, its start. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Daemon, roostd, run, tempdir, until, within } from './lib/daemon.mjs';
import { Inject } from './lib/inject.mjs';
import { freePort } from './lib/redis.mjs';
import { Ws } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const rooststat = path.join(path.dirname(roostd), 'rooststat');
/* The value of one metric, as the file has it. */
async function filed(d, name) {
	const r = await promisify(execFile)(rooststat,
	    ['-f', `${d.dir}/stats`, '-p']).catch(() => ({ stdout: '' }));
	const m = r.stdout.match(new RegExp(`^roost_${name} (\\d+)$`, 'm'));
	return m ? Number(m[1]) : undefined;
}

test('the stats file is cut, removed, replaced: it is made again', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	const file = `${d.dir}/stats`;
	const w = await Ws.must(d.port, '/ws/echo');
	const inode = () => fs.statSync(file, { throwIfNoEntry: false })?.ino;
	for (const [what, harm, gone] of [
		['cut to nothing', () => fs.truncateSync(file, 0), 0],
		['cut to a page', () => fs.truncateSync(file, 4096), 0],
		['removed', () => fs.unlinkSync(file), 1],
		['replaced', () => {
			fs.writeFileSync(`${file}.new`, 'other');
			fs.renameSync(`${file}.new`, file);
		}, 2],
	]) {
		harm();
		/* all count on, and are counted */
		const { id, ...ack } = await w.ack({ event: 'ask', data: 1, id: 1 });
		assert.ok(ack);
		await until(async () => await filed(d, 'messages_in_total') ===
		    await d.metric('messages_in'), `${what}: the file is there`);
		/* counted when it is there, a moment later */
		await until(async () => await d.metric('stats_remade') >= gone,
		    `${what}: counted`);
		await d.counts('stats_remade', gone);
		assert.ok(inode() !== undefined);
	}
	await d.logged(/stats_made_again file=".*"/);
	/* where it can't be made, the daemon serves and says so once */
	fs.unlinkSync(file);
	fs.mkdirSync(file);
	await until(() => /stats_not_written file=".*"/.test(d.log), 'a word');
	await w.ack({ event: 'ask', data: 1, id: 2 });
	fs.rmdirSync(file);
	await until(async () => await filed(d, 'messages_in_total') ===
	    await d.metric('messages_in'), 'the file is there again');
	assert.equal(d.log.match(/stats_not_written/g).length, 1);
	w.drop();
	await d.stop();
});

for (const closed of ['<&-', '>&-', '2>&-', '<&- >&-', '<&- 2>&-',
	'<&- >&- 2>&-']) {
	test(`started with ${closed}`, async () => {
		const dir = tempdir();
		const port = await freePort();
		fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:${port}" {}
pidfile = "${dir}/pid"
stats { file = "${dir}/stats" }
${echo}`);
		const c = spawn('/bin/sh', ['-c', `exec "$0" "$@" ${closed}`,
			roostd, '-f', '-c', `${dir}/c`, '-w', '1'],
		{ stdio: ['ignore', 'ignore', 'ignore'] });
		const ended = once(c, 'exit');
		try {
			await until(async () => {
				assert.equal(c.exitCode, null, 'it ended');
				return (await fetch(`http://127.0.0.1:${port}/livez`)
				    .catch(() => null))?.status === 200;
			}, 'an answer');
			assert.equal(fs.readFileSync(`${dir}/pid`, 'utf8').trim(),
			    String(c.pid));
			/* what it writes to has not become another file */
			const fds = [0, 1, 2].map((n) =>
				fs.readlinkSync(`/proc/${c.pid}/fd/${n}`));
			assert.deepEqual(fds, Array(3).fill('/dev/null'));
		} finally {
			c.kill('SIGTERM');
		}
		assert.equal((await within(ended, 'exit'))[0], 0);
	});
}

/* Standard error is a pipe of which the test reads as much as it likes. */
test('stderr that nobody reads stops no worker', async () => {
	const dir = tempdir();
	execFileSync('mkfifo', [`${dir}/err`]);
	const fifo = fs.openSync(`${dir}/err`,
	    fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
	const read = () => {
		const b = Buffer.alloc(1 << 16);
		try {
			return b.toString('latin1', 0, fs.readSync(fifo, b));
		} catch {
			return '';
		}
	};
	fs.writeFileSync(`${dir}/c`, `log_level = debug
listen "127.0.0.1:0" {}
${echo}`);
	const c = spawn('/bin/sh', ['-c', `exec "$0" "$@" 2>"${dir}/err"`, roostd,
		'-f', '-c', `${dir}/c`, '-w', '2'], { stdio: 'ignore' });
	const ended = once(c, 'exit');
	let log = '';
	const more = () => { log += read(); return log; };
	try {
		const port = Number((await until(() => / ready workers=/.test(more()) &&
		    log.match(/addr=127.0.0.1:(\d+)/), 'ready'))[1]);
		const d = { url: (p) => `http://127.0.0.1:${port}${p}` };
		const metric = async (name) => Number((await (await fetch(
		    d.url('/metrics'))).text()).match(
		    new RegExp(`^roost_${name}_total (\\d+)$`, 'm'))[1]);
		/* some lines for each connection, and nobody reads */
		await until(async () => {
			await Promise.all([...Array(50)].map(async () => {
				const w = await Ws.must(port, '/ws/echo');
				await w.bye();
			}));
			return await metric('log_lost') > 1000;
		}, 'many lines lost', 60000);
		assert.ok(await metric('log_lost') > 1000);
		assert.equal(c.exitCode, null);
		/* read again: it tells, and lines come as before */
		await until(() => /log lines_lost=\d+/.test(more()), 'the word');
		assert.doesNotMatch(log, /hangs|child_died/);
	} finally {
		c.kill('SIGTERM');
	}
	assert.equal((await within(ended, 'exit'))[0], 0);
	fs.closeSync(fifo);
});

test('stderr on a full disk: what is lost is counted', async () => {
	const port = await freePort(), dir = tempdir();
	fs.writeFileSync(`${dir}/c`, `listen "127.0.0.1:${port}" {}\n${echo}`);
	const c = spawn('/bin/sh', ['-c', 'exec "$0" "$@" 2>/dev/full', roostd,
		'-f', '-c', `${dir}/c`, '-w', '1'], { stdio: 'ignore' });
	const ended = once(c, 'exit');
	try {
		await until(async () => {
			const r = await fetch(`http://127.0.0.1:${port}/metrics`)
			    .catch(() => null);
			return r && Number((await r.text()).match(
			    /^roost_log_lost_total (\d+)$/m)[1]) > 0;
		}, 'lines that are lost');
	} finally {
		c.kill('SIGTERM');
	}
	assert.equal((await within(ended, 'exit'))[0], 0);
});

test('a limit of the size of files: the start says so', async () => {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, `listen "127.0.0.1:0" {}\n${echo}`);
	const r = await run(['-f', '-c', file, '-w', '1'],
	    { first: 'ulimit -c 0; ulimit -f 8' });
	assert.equal(r.signal, null);
	assert.equal(r.code, 71);
	assert.match(r.err, /error: .*"File too large"/);
});

/* A job in the background of a terminal that stops those who write to it. */
test('a terminal with tostop stops nobody', async () => {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, `listen "127.0.0.1:0" {}\n${echo}`);
	const { stdout } = await within(promisify(execFile)('python3', ['-c', `
import os, pty, select, signal, subprocess, sys, termios, time
shell, fd = pty.fork()
if shell == 0:
    a = termios.tcgetattr(0)
    a[3] |= termios.TOSTOP
    termios.tcsetattr(0, termios.TCSANOW, a)
    m = subprocess.Popen(sys.argv[1:], preexec_fn=lambda: os.setpgid(0, 0))
    time.sleep(float(os.environ.get("E2E_SLOW", "1")) * 2)
    os.kill(m.pid, signal.SIGTERM)
    os.kill(m.pid, signal.SIGCONT)
    try:
        m.wait(8)
    finally:
        m.kill()
    os._exit(0)
out = b""
while True:
    try:
        b = os.read(fd, 65536)
    except OSError:
        break
    if not b:
        break
    out += b
sys.stdout.write(out.decode())
`, roostd, '-f', '-c', file, '-w', '2']), 'the end', 20000);
	assert.match(stdout, / ready workers=2 relay=1/);
	assert.match(stdout, /worker\/2 info: worker_ready/);
	assert.match(stdout, /ended exit=0/);
});

test('uptime does not follow the time of day', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ conf: echo, env: inject.env });
	const health = async () => (await (await fetch(d.url('/health'))).json());
	for (const jump of [86400, 10 * 86400]) {
		inject.clock(jump);
		assert.ok((await health()).uptime < 60);
	}
	inject.clock(0);
	assert.ok((await health()).uptime < 60);
	await d.stop();
	inject.close();
});

test('-t looks the user up', async () => {
	const file = path.join(tempdir(), 'roost.conf');
	fs.writeFileSync(file, `user = "no-such-user-here"\n${echo}`);
	const r = await run(['-t', '-c', file]);
	assert.equal(r.code, 1);
	assert.match(r.err, /roost.conf:1: user "no-such-user-here": no such user/);
	fs.writeFileSync(file, `user = "nobody"\n${echo}`);
	assert.equal((await run(['-t', '-c', file])).code, 0);
});
