/* What a person sees who starts it: help, the first lines, the background. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { echo } from './lib/conf.mjs';
import { Daemon, run, tempdir, top, until } from './lib/daemon.mjs';

/* A folder with roost.conf that names its files relative to it. */
function folder() {
	const dir = fs.realpathSync(tempdir());
	fs.writeFileSync(path.join(dir, 'roost.conf'),
	    'listen "127.0.0.1:0" {}\nworkers = 1\n' +
	    'pidfile = "run/roostd.pid"\nstats { file = "run/stats" }\n' + echo);
	return dir;
}
const children = (pid) => fs.readdirSync('/proc').filter((name) => {
	try {
		return /^\d+$/.test(name) && new RegExp(`^PPid:\t${pid}$`, 'm')
		    .test(fs.readFileSync(`/proc/${name}/status`, 'latin1'));
	} catch {
		return false;
	}
});
const cwd = (pid) => fs.readlinkSync(`/proc/${pid}/cwd`);

test('-h explains every option, and that is no error', async () => {
	const r = await run(['-h']);
	assert.equal(r.code, 0);
	assert.equal(r.err, '');
	const usage = r.out.match(/^usage: roostd \[-(\w+)\]/);
	for (const option of `${usage[1]}cow`)
		assert.match(r.out, new RegExp(`^  -${option}  \\S`, 'm'));
	/* the manual knows the same ones */
	const man = fs.readFileSync(path.join(top, 'man/roostd.8'), 'utf8');
	assert.ok(man.includes(`.Op Fl ${usage[1]}\n`));
	for (const option of `${usage[1]}cow`)
		assert.match(man, new RegExp(`^\\.It Fl ${option}\\b`, 'm'));
	assert.match(r.out, /examples are in \//);
});

test('without a configuration it says where examples are', async () => {
	const r = await run(['-c', '/nonexistent/roost.conf']);
	assert.equal(r.code, 66);
	assert.match(r.err, /examples are in \//);
});

test('the first line names the file and where lines go', async () => {
	const d = await Daemon.start({ conf: echo });
	assert.ok(d.log.includes(`config="${fs.realpathSync(d.file)}" log=stderr`),
	    d.log);
	await d.stop();
});

test('in the background: the same words, files stay, the folder is left',
	async () => {
		const dir = folder();
		const r = await run(['-c', 'roost.conf'], { cwd: dir });
		assert.equal(r.code, 0, r.err);
		assert.ok(r.err.includes(
		    `config="${dir}/roost.conf" log=syslog`), r.err);
		assert.match(r.err, /ready workers=1/);
		assert.ok(r.err.includes(`folder_made path="${dir}/run"`), r.err);
		const pid = Number(fs.readFileSync(`${dir}/run/roostd.pid`));
		try {
			const all = [pid, ...children(pid)];
			assert.equal(all.length, 3);
			for (const p of all)
				assert.equal(cwd(p), '/');
			assert.ok(fs.statSync(`${dir}/run/stats`).size > 0);
		} finally {
			process.kill(pid, 'SIGTERM');
		}
		await until(() => !fs.existsSync(`/proc/${pid}`), 'the end');
		assert.ok(!fs.existsSync(`${dir}/run/roostd.pid`));
		assert.ok(fs.existsSync(`${dir}/run/stats`));
	});

test('in the foreground the folder stays', async () => {
	const d = await Daemon.start({ conf: echo });
	assert.equal(cwd(d.pid), process.cwd());
	await d.stop();
});
