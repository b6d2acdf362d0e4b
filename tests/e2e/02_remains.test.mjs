/*
 * One failure stays one: what a test that failed has started ends with it, and
 * the logs of its daemons are told.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { here, tempdir, until } from './lib/daemon.mjs';

/* A file of tests, run to its end: what is told of it. */
function told(text) {
	const file = path.join(tempdir(), 'x.test.mjs');
	const { NODE_TEST_CONTEXT, ...env } = process.env;
	fs.writeFileSync(file, `import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Daemon } from '${here}/lib/daemon.mjs';
import { connect } from '${here}/lib/clients.mjs';
import { Redis } from '${here}/lib/redis.mjs';
const conf = 'namespace "/" { auth = none }\\n';
${text}`);
	return new Promise((ok) => execFile(process.execPath, ['--test',
		'--test-reporter=tap', file], { env }, (e, out) => ok(out)));
}

test('what a test that failed has started ends, and is told', async () => {
	const out = await told(`
let stays, d, redis, s;
before(async () => { stays = await Daemon.start({ conf }); });
test('this one fails', async () => {
	redis = await Redis.start();
	d = await Daemon.start({ conf });
	d.mayDie = true;
	s = await connect(d, '/', { reconnection: true });
	process.kill(d.worker(1).pid, 'SIGSTOP');
	throw new Error('it fails');
});
test('and the next one', async () => {
	assert.ok(d.ended);
	assert.equal(redis.child.signalCode, 'SIGKILL');
	assert.equal(s.active, false);
	assert.equal(stays.ended, undefined);
	await stays.stop();
});\n`);
	assert.match(out, /^not ok 1 - this one fails$/m);
	assert.match(out, /^ok 2 - and the next one$/m, out);
	const logs = out.split('--- log of roostd').slice(1);
	assert.equal(logs.length, 2);
	assert.doesNotMatch(logs[0], / ready workers=1 /);	/* before it */
	assert.match(logs[1], / ready workers=1 /);
});

test('what one that passed has started is its own', async () => {
	const out = await told(`
let d;
test('one', async () => { d = await Daemon.start({ conf }); });
test('another', () => { throw new Error('it fails'); });
test('a third', async () => { await d.stop(); });\n`);
	assert.match(out, /^ok 1 - one$/m);
	assert.match(out, /^not ok 2 - another$/m);
	assert.match(out, /^ok 3 - a third$/m, out);
});

test('what cannot be looked at yet is waited for; an assertion is not', async () => {
	let n = 0;
	assert.equal(await until(() => (++n < 3 ? undefined.pid : n), 'it'), 3);
	await assert.rejects(until(() => undefined.pid, 'it', 20),
	    /waiting for it: Cannot read/);
	n = 0;
	await assert.rejects(until(() => assert.equal(++n, 2), 'it'), /1 !== 2/);
	assert.equal(n, 1);
});
