/*
 * Has a worker or the relay ask for system calls: calls.c put before a daemon,
 * and the file by which that is steered.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { here, tempdir, until } from './daemon.mjs';

const WHAT = { execve: 1, fork: 2, inet: 3, netlink: 4, mkdir: 5, create: 6,
	mmap: 7, mprotect: 8, kill: 9, thread: 10, resolve: 11, ptrace: 12,
	read: 13, tgkill: 14, blocked: 15 };
const ROLE = { relay: 1, worker: 2 };
export const EPERM = 1, EAGAIN = 11, EAFNOSUPPORT = 97, ENOSYS = 38;

let library;
export class Calls {
	constructor() {
		const dir = tempdir();
		if (!library) {
			library = path.join(dir, 'calls.so');
			execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1',
			    '-o', library, path.join(here, 'lib', 'calls.c'),
			    '-lpthread']);
		}
		this.file = path.join(dir, 'steer');
		this.order = 0;
		fs.writeFileSync(this.file, Buffer.alloc(4096));
		this.fd = fs.openSync(this.file, 'r+');
		this.env = { LD_PRELOAD: library, CALLS: this.file };
	}
	put(at, v) {
		const b = Buffer.alloc(4);
		b.writeUInt32LE(v);
		fs.writeSync(this.fd, b, 0, 4, at);
	}
	get(at) {
		const b = Buffer.alloc(4);
		fs.readSync(this.fd, b, 0, 4, at);
		return b.readInt32LE();
	}
	/* Nobody waits for it: its process may not live to tell. */
	send(role, what) {
		this.put(0, ROLE[role]);
		this.put(4, WHAT[what]);
		this.put(8, ++this.order);
	}
	/* errno of the call; 0: it was done. */
	async ask(role, what) {
		this.send(role, what);
		await until(() => this.get(12) === this.order,
		    `${role} has tried ${what}`);
		return this.get(20);
	}
	close() { fs.closeSync(this.fd); }
}
