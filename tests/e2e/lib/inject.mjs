/*
 * Makes calls of a daemon fail: inject.c put before it, and the file by which
 * that is steered.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { here, tempdir } from './daemon.mjs';

export const CALL = { recvmsg: 1, accept: 2, socketpair: 4, open: 8, pipe: 16,
	sendmsg: 32, watch: 64, fork: 128, recv: 256, write: 512 };
export const ROLE = { master: 1, relay: 2, worker: 4, all: 7 };
/* errno on Linux; lost: a message comes without its descriptor; garbled: of no
 * known type; short: a byte of it */
export const ERROR = { lost: 0, EAGAIN: 11, ENOMEM: 12, ENFILE: 23, EMFILE: 24,
	ENOSPC: 28, ENOBUFS: 105, garbled: 1000, short: 1001 };

let library;
export class Inject {
	constructor() {
		const dir = tempdir();
		if (!library) {
			library = path.join(dir, 'inject.so');
			execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1',
			    '-o', library, path.join(here, 'lib', 'inject.c'), '-ldl']);
		}
		this.file = path.join(dir, 'steer');
		this.round = 0;
		fs.writeFileSync(this.file, Buffer.alloc(40 + 8 * 1024));
		this.fd = fs.openSync(this.file, 'r+');
		this.env = { LD_PRELOAD: library, INJECT: this.file,
			ASAN_OPTIONS: `verify_asan_link_order=0:${
			    process.env.ASAN_OPTIONS ?? ''}` };
	}
	write(at, v) {
		const b = Buffer.alloc(4);
		b.writeUInt32LE(v);
		fs.writeSync(this.fd, b, 0, 4, at);
	}
	/* From now on each place fails `times` times. */
	arm(calls, error, { roles = ROLE.all, times = 1 } = {}) {
		this.disarm();
		this.write(4, roles);
		this.write(8, error);
		this.write(12, times);
		this.write(16, 0);
		this.write(20, ++this.round);
		this.write(0, calls);
	}
	disarm() { this.write(0, 0); }
	/* The time of day is so many seconds later. */
	clock(seconds) { this.write(24, seconds); }
	/* So many milliseconds have passed. */
	pass(ms) { this.write(28, this.passed = (this.passed ?? 0) + ms); }
	/* Workers that accept write a line and a half to stderr. */
	say(on) { this.write(32, on ? 1 : 0); }
	/* The next worker that accepts does so for ever. */
	spin() { this.write(36, 1); }
	/* How many calls failed since then. */
	get hits() {
		const b = Buffer.alloc(4);
		fs.readSync(this.fd, b, 0, 4, 16);
		return b.readUInt32LE();
	}
	close() { fs.closeSync(this.fd); }
}
