/*
 * A daemon whose binary is a file of its own, so that another one can be put in
 * its place: the same with another version in it, or a script that does what a
 * test wants when it is tried, or when it is to be the master.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';

import { connect } from './clients.mjs';
import { Daemon, here, roostd, sleep, tempdir, until } from './daemon.mjs';

/* The version of the binary under test, and one more, of the same length. */
export const version = execFileSync(roostd, ['-V'], { encoding: 'utf8' })
    .trim().split(' ')[1];
export const next = version.replace(/.$/, (c) => c === '9' ? '8' : '9');

/* The same program, but that it says another version.  ROOSTD_NEXT: another
 * build, for what only such a one shows. */
function rebuilt() {
	if (process.env.ROOSTD_NEXT)
		return fs.readFileSync(process.env.ROOSTD_NEXT);
	const b = fs.readFileSync(roostd);
	const from = Buffer.from(`\0${version}\0`);
	for (let at = 0; (at = b.indexOf(from, at)) !== -1; at += from.length)
		b.write(next, at + 1, 'latin1');
	return b;
}

/* The same, but that its shared memory has another layout: by a magic of its
 * own, which is part of what the layout's hash is of. */
export function relaid() {
	if (process.env.ROOSTD_LAYOUT)
		return fs.readFileSync(process.env.ROOSTD_LAYOUT);
	return otherMagic(rebuilt());
}
/* Of any program of ours. */
export function otherMagic(b) {
	const from = Buffer.from('ROOSTSH1');
	let n = 0;
	for (let at = 0; (at = b.indexOf(from, at)) !== -1; n++)
		b.write('ROOSTSH2', at, 'latin1');
	if (n === 0)
		throw new Error('it has no magic');
	return b;
}

let library;
/* What makes a binary that was leapt to fail; see fail.c. */
function failing() {
	if (!library) {
		library = path.join(tempdir(), 'fail.so');
		execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1',
		    '-o', library, path.join(here, 'lib', 'fail.c'), '-ldl']);
	}
	return library;
}

export class Upgradable {
	/* giving: how the binary is to be started by a shell, if it is special */
	static async start({ args = [], giving, ...opts } = {}) {
		const dir = tempdir(), bin = path.join(dir, 'roostd');
		fs.copyFileSync(roostd, bin);
		fs.chmodSync(bin, 0o755);
		const d = await Daemon.start({ ...opts, args,
			first: giving ? giving(bin) : `exec ${bin} "$@"` });
		d.bin = bin;
		d.spare = path.join(dir, 'spare');
		fs.copyFileSync(roostd, d.spare);
		fs.chmodSync(d.spare, 0o755);
		return d;
	}
}

/* As a package does it: another file gets the name. */
export function put(d, content, mode = 0o755) {
	const tmp = `${d.bin}.new`;
	fs.writeFileSync(tmp, content, { mode });
	fs.chmodSync(tmp, mode);
	fs.renameSync(tmp, d.bin);
}
export const putRebuilt = (d) => put(d, rebuilt());
export const putRelaid = (d) => put(d, relaid());
/* It fails once it is the master: how, is in fail.c. */
export const putFailing = (d, how, spare = d.spare) => put(d, `#!/bin/sh
case $ROOSTD_UPGRADE in
on:*) export LD_PRELOAD=${failing()} FAIL=${how} \
	ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" ;;
esac
exec ${spare} "$@"
`);

export const times = (d, words) => d.log.split(words).length - 1;
export const usr2 = (d) => process.kill(d.pid, 'SIGUSR2');

/* A relay that is not that process. */
export const another = (d, pid) => until(() => {
	const now = d.relay()?.pid;
	return now !== undefined && now !== pid;
}, 'another relay', 15000);

/* An upgrade that is one, to the end of those before, and of their relay. */
export async function upgrade(d) {
	const was = [' upgraded ', ' turned ', ' relay_renewed ']
	    .map((w) => [w, times(d, w)]);
	const relay = d.relay()?.pid;
	usr2(d);
	for (const [words, n] of was)
		await until(() => times(d, words) > n, words, 15000);
	await another(d, relay);
}

/* One that changes nothing: what was logged. */
export async function fails(d, ms = 15000) {
	const at = d.log.length, before = d.children().map((c) => c.pid);
	usr2(d);
	await until(() => d.log.slice(at).includes(' upgrade_failed '),
	    'the upgrade to fail', ms);
	await until(() => d.children().length === before.length,
	    'the others to end');
	return { log: d.log.slice(at), before,
		after: d.children().map((c) => c.pid) };
}

const AHEAD = 1000;	/* events on their way from one to the other */

/* Numbered events from each to the other, as fast as they are taken. */
export async function crossfire(d, a, b) {
	for (const s of [a, b]) {
		s.seen = 0;
		s.sent = 0;
		s.wrong = [];
		s.on('say', ([who, n]) => {
			if (who === s.id)
				return;
			if (n !== s.seen)
				s.wrong.push(`${n} after ${s.seen - 1}`);
			s.seen = n + 1;
		});
	}
	let on = true;
	const fire = (async () => {
		while (on) {
			for (const [s, to] of [[a, b], [b, a]])
				for (let i = 0; i < 20 &&
				    s.sent - to.seen < AHEAD; i++)
					s.emit('say', [s.id, s.sent++]);
			await sleep(2);
		}
	})();
	return async () => {
		on = false;
		await fire;
		await until(() => a.seen === b.sent && b.seen === a.sent,
		    'all', 20000).catch(() => { /* told below */ });
		assert.deepEqual([a.wrong.slice(0, 3), b.wrong.slice(0, 3)],
		    [[], []]);
		assert.deepEqual([a.seen, b.seen], [b.sent, a.sent]);
		assert.ok(a.sent > 100, `${a.sent} sent`);
	};
}
export const say = `namespace "/" { auth = none
    event "say" { to = namespace meta = off } }\n`;

/* Two clients at two workers. */
export async function apart(d) {
	const list = [];
	for (;;) {
		const s = await connect(d, '/');
		const at = Buffer.from(s.io.engine.id, 'base64url');
		list.push([s, (at[0] << 8 | at[1])]);
		const two = list.find(([, w]) => w !== list[0][1]);
		if (two) {
			for (const [x] of list)
				if (x !== list[0][0] && x !== two[0])
					x.close();
			return [list[0][0], two[0]];
		}
	}
}
