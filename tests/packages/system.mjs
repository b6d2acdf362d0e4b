/*
 * The system that `tests/packages/live' has made, its packages, .deb or .rpm
 * (LIVE_FORMAT), and what is done to them there.  Used by live.test.mjs.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';

const { LIVE_ROOT: root, LIVE_PID: one, LIVE_PACKAGES: folder,
	LIVE_FORMAT: format = 'deb' } = process.env;

const enter = (script) => ['-t', one, '-m', '-p', '-C', 'env', '-i',
	'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/root',
	'DEBIAN_FRONTEND=noninteractive', 'SYSTEMD_PAGER=', 'sh', '-c', script];

/* A command in that system: { code, out } */
export function there(script) {
	const r = spawnSync('nsenter', enter(script), { encoding: 'utf8',
		input: '' });
	return { code: r.status, out: r.stdout + r.stderr };
}
/* Its output; it succeeds. */
export function good(script) {
	const r = there(script);
	assert.equal(r.code, 0, `${script}: ${r.out}`);
	return r.out.trim();
}
/* The same, while this one goes on: Promise of { code, out }. */
export function meanwhile(script) {
	const c = spawn('nsenter', enter(script), { stdio: ['ignore', 'pipe',
		'pipe'] });
	let out = '';
	for (const s of [c.stdout, c.stderr])
		s.on('data', (b) => { out += b; });
	return new Promise((ok) => c.on('close', (code) => ok({ code, out })));
}
export const put = (path, text) => fs.writeFileSync(`${root}${path}`, text);
export const get = (path) => fs.readFileSync(`${root}${path}`, 'utf8');
export const has = (path) => fs.existsSync(`${root}${path}`);

const file = (name) => fs.readdirSync(folder).find((f) =>
	(format === 'deb' ? new RegExp(`^${name}_[^_]*_[^_]*\\.deb$`) :
	    new RegExp(`^${name}-[0-9].*(?<!src)\\.rpm$`)).test(f));
const version = (name) => (format === 'deb' ? name.split('_')[1] :
	name.match(/-(\d[\d.]*-\d+)\./)[1]);

const deb = {
	/* the indexes of others are not brought up to date: this takes long */
	install: (files, more = '--force-confold') =>
		`dpkg --no-triggers ${more} -i ${files}`,
	remove: 'dpkg --no-triggers -r roostd',
	database: '/var/lib/dpkg',
};
const rpm = {
	/* it knows nothing of what is installed here by others */
	install: (files) => `rpm --oldpackage --nodeps --nosignature -U --replacepkgs ${files}`,
	remove: 'rpm --nodeps -e roostd',
	database: '/var/lib/rpm',
};

export const Packages = {
	format,
	...format === 'deb' ? deb : rpm,
	first: version(file('roostd')),
	both: ['roostd', 'roost-tools'].map((n) => `/run/packages/${file(n)}`)
	    .join(' '),
	daemon: `/run/packages/${file('roostd')}`,
	/* The package as the nth version after it, of a kind that `next' knows:
	 * its name there. */
	made(n, kind) {
		const v = this.first.replace(/\d+-/, `${n}-`);
		const name = `/root/roostd_${v}.${format}`;
		const r = spawnSync(new URL('next', import.meta.url).pathname,
		    [`${folder}/${file('roostd')}`, v, `${root}${name}`,
		    ...kind === undefined ? [] : [kind]], { encoding: 'utf8' });
		assert.equal(r.status, 0, r.stderr);
		return name;
	},
	/* What `roostctl status' says of it. */
	is: (n) => new RegExp(`^version +${Packages.first.replace(/-.*/, '')
	    .replace(/\d+$/, n).replaceAll('.', '\\.')}$`, 'm'),
};
