/*
 * A process that stands still is found, reported and replaced in time, and
 * nobody else notices; who only seems to is left alone.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon, halt, slow, sleep, tempdir, until, within }
	from './lib/daemon.mjs';
import { ask, gotten, once } from './lib/clients.mjs';
import { Inject } from './lib/inject.mjs';
import { sioOn } from './lib/spread.mjs';
import { echo } from './lib/conf.mjs';

const TIMEOUT = 2000;
const conf = `worker_timeout = ${TIMEOUT}ms\n${echo}`;
const field = (d, line, name) => d.log.match(
    new RegExp(`${line} [^\n]*\\b${name}=("[^"]*"|\\S+)`))?.[1];

test('a worker that is stopped under load', async () => {
	const d = await Daemon.start({ workers: 3, conf });
	d.mayDie = true;
	const [lost, a, b] = await sioOn(d, [1, 2, 3], '/');
	for (const s of [lost, a, b])
		await ask(s, 'room:join', { room: 'x' });
	let cut = 0, worst = 0, sent = 0, stop = false;
	a.on('disconnect', () => cut++);
	b.on('disconnect', () => cut++);
	/* both ask, and one tells the other, who is on another worker */
	const talk = async (s) => {
		while (!stop) {
			const t0 = performance.now();
			await ask(s, 'ask', 1);
			worst = Math.max(worst, performance.now() - t0);
			if (s === a)
				s.emit('tell', { room: 'x', i: sent++ });
			await sleep(5);		/* a pace */
		}
	};
	const talking = [talk(a), talk(b)];
	await until(() => gotten(b, 'tell').length > 20, 'traffic');
	const old = d.worker(1).pid, gone = once(lost, 'disconnect', 10000);
	await halt(old);
	const t0 = performance.now();
	/* who comes meanwhile may have to wait, and is served */
	const comers = Promise.all([...Array(30)].map(() =>
		fetch(d.url('/livez')).then((r) => r.status)));
	await until(() => d.log.includes('child_hangs'), 'the report');
	await until(() => ![undefined, old].includes(d.worker(1)?.pid),
	    'another');
	const took = performance.now() - t0;
	assert.ok(took < TIMEOUT * (slow === 1 ? 1.25 : slow), `${took} ms`);
	assert.deepEqual([...new Set(await within(comers, 'the comers'))], [200]);
	await gone;
	const before = gotten(b, 'tell').length;
	await until(() => gotten(b, 'tell').length > before + 20, 'traffic');
	stop = true;
	await Promise.all(talking);
	assert.equal(cut, 0);
	/* a quarter of the time that the other stood still */
	assert.ok(worst < 450 * slow, `an answer took ${worst} ms`);
	await until(() => gotten(b, 'tell').length >= sent, 'all of it');
	assert.deepEqual(gotten(b, 'tell').map(([m]) => m.i),
	    [...Array(sent).keys()]);
	assert.equal(d.log.match(/child_hangs/g).length, 1);
	assert.equal(field(d, 'child_hangs', 'pid'), String(old));
	assert.equal(field(d, 'child_hangs', 'state'), 'T');
	assert.equal(field(d, 'child_hangs', 'cpu_ms'), '0');
	assert.equal(field(d, 'child_hangs', 'connections'), '1');
	assert.equal(field(d, 'child_hangs', 'note'), '""');
	await d.counts('children_hung', 1);
	a.close();
	b.close();
	await d.stop();
});

test('a worker in an endless loop', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ conf, env: inject.env });
	d.mayDie = true;
	const old = d.worker(1).pid;
	inject.spin();
	const answer = fetch(d.url('/livez'));
	await until(() => d.log.includes('child_hangs'), 'the report', 10000);
	/* who had come is served by the next */
	assert.equal((await within(answer, 'an answer')).status, 200);
	assert.notEqual(d.worker(1).pid, old);
	assert.equal(field(d, 'child_hangs', 'state'), 'R');
	assert.equal(field(d, 'child_hangs', 'doing'), '"accepting"');
	/* it had the second half of its time, or what the machine gave */
	assert.ok(Number(field(d, 'child_hangs', 'cpu_ms')) > 0);
	await d.stop();
	inject.close();
});

/* Holds process pid as a debugger does. */
async function tracer(pid) {
	const dir = tempdir();
	fs.writeFileSync(`${dir}/t.c`, `
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int
main(int n, char **a)
{
	pid_t pid = atoi(a[1]);
	int st;

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == -1)
		return (perror("ptrace"), 1);
	(void)waitpid(pid, &st, 0);
	(void)puts("held");
	(void)fflush(stdout);
	(void)getchar();
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return (0);
}
`);
	execFileSync(process.env.CC ?? 'cc', ['-o', `${dir}/t`, `${dir}/t.c`]);
	const c = spawn(`${dir}/t`, [String(pid)],
	    { stdio: ['pipe', 'pipe', 'inherit'] });
	let text = '';
	c.stdout.on('data', (b) => { text += b; });
	await until(() => text !== '', 'it to be held');
	return { end: () => c.stdin.end() };
}

test('a worker that a debugger holds is left alone', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	const old = d.worker(1).pid;
	const t = await tracer(old);
	await until(() => d.log.includes(`child_traced role=worker slot=1 pid=${
	    old}`), 'the word', 10000);
	await sleep(TIMEOUT * 1.5);	/* longer than others may be silent */
	t.end();
	/* and goes on */
	const [s] = await sioOn(d, [1], '/');
	assert.equal(await ask(s, 'ask', 1), 1);
	s.close();
	assert.equal(d.worker(1).pid, old);
	assert.equal(d.log.match(/child_traced/g).length, 1);
	await d.counts('children_hung', 0);
	await d.stop();
});

test('time that passed for the master as well counts for nobody', async () => {
	const inject = new Inject();
	const d = await Daemon.start({ workers: 2, conf, env: inject.env });
	const before = d.children().map((c) => c.pid);
	for (let i = 0; i < 6; i++) {
		inject.pass(TIMEOUT * 0.6);	/* each of its own is a gap */
		await sleep(20);	/* in which it looks */
	}
	await sleep(300);	/* in which one might be killed */
	assert.deepEqual(d.children().map((c) => c.pid), before);
	await d.counts('children_hung', 0);
	await d.stop();
	inject.close();
});

test('a busy host: the master hardly runs either', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	const children = d.children().map((c) => c.pid);
	const each = (sig, list) => list.forEach((p) => process.kill(p, sig));
	let ran = 0;
	/* none of its own gaps is long, but they are longer than the time */
	for (let i = 0; i < 3 && ran < 300; i++) {
		each('SIGSTOP', [d.pid, ...children]);
		await sleep(TIMEOUT * 0.4);	/* nobody runs */
		/* it is first, and finds nobody alive */
		process.kill(d.pid, 'SIGCONT');
		const t0 = performance.now();
		await sleep(30);
		ran += performance.now() - t0;
	}
	each('SIGCONT', children);
	await sleep(300);	/* in which one might be killed */
	assert.deepEqual(d.children().map((c) => c.pid), children);
	assert.ok(!d.log.includes('child_hangs'), d.log);
	await d.stop();
});
