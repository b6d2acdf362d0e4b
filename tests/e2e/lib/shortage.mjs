/*
 * Allocations of a daemon that fail when a test wants it: short.c, loaded into
 * it, and steered by a file.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { here, roostd, tempdir } from './daemon.mjs';

/* Bits of the roles in which they fail. */
export const RELAY = 2, WORKER = 4;

export class Shortage {
	constructor() {
		const dir = tempdir(), library = path.join(dir, 'short.so');
		execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1',
		    '-o', library, path.join(here, 'lib', 'short.c')]);
		this.file = path.join(dir, 'steer');
		fs.writeFileSync(this.file, Buffer.alloc(4096));
		this.fd = fs.openSync(this.file, 'r+');
		this.env = { LD_PRELOAD: library, SHORTAGE: this.file,
			...this.gcov() };
	}
	/* a build that counts its lines has the counting within it */
	gcov() {
		const r = spawnSync('nm', [roostd], { encoding: 'utf8' });
		const at = [...(r.stdout ?? '').matchAll(
		    /^([0-9a-f]+) [tT] \w*gcov_\w*$/gm)]
		    .map((m) => parseInt(m[1], 16));
		return at.length === 0 ? {} : { SHORTAGE_NOT: `${
		    Math.min(...at).toString(16)}-${
		    (Math.max(...at) + 4096).toString(16)}` };
	}
	/* ... of so many bytes or more */
	every(n, roles, least = 0) {
		const b = Buffer.alloc(12);
		b.writeUInt32LE(n);
		b.writeUInt32LE(roles, 4);
		b.writeUInt32LE(least, 8);
		fs.writeSync(this.fd, b, 8, 4, 12);
		fs.writeSync(this.fd, b, 0, 8, 0);
	}
	get failed() {
		const b = Buffer.alloc(4);
		fs.readSync(this.fd, b, 0, 4, 8);
		return b.readUInt32LE();
	}
}
