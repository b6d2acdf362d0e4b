/*
 * roost(7) against a daemon that runs: processes, the descriptors of each, and the
 * parts of shared memory with their sizes.  Lists are marked in the page.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, tempdir, top, until } from './lib/daemon.mjs';
import { Redis, freePort } from './lib/redis.mjs';
import { engine } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const page = fs.readFileSync(path.join(top, 'man', 'roost.7'), 'utf8');

/* Behind .It of each item of the list that is marked so. */
function items(kind) {
	const begin = page.indexOf(`.\\" every ${kind}\n`);
	assert.notEqual(begin, -1, kind);
	const list = page.slice(begin, page.indexOf('.El\n', begin));
	return [...list.matchAll(/^\.It (.*)$/gm)].map((m) => m[1]);
}
const names = (kind) => items(kind).flatMap((i) => i.split(' , '));

/* By inode, each socket of this host: what it is. */
function sockets() {
	const all = new Map();
	for (const f of ['tcp', 'tcp6'])
		for (const line of fs.readFileSync(`/proc/net/${f}`, 'utf8')
		    .split('\n').slice(1)) {
			const w = line.trim().split(/\s+/);
			all.set(w[9], w[3] === '0A' ? 'listening TCP socket' :
			    'TCP socket');
		}
	const types = { '0001': 'STREAM socket', '0002': 'DGRAM socket',
		'0005': 'SEQPACKET socket' };
	for (const line of fs.readFileSync('/proc/net/unix', 'utf8').split('\n')
	    .slice(1)) {
		const w = line.trim().split(/\s+/);
		all.set(w[6], w[3] === '00010000' ? 'listening Unix socket' :
		    types[w[4]]);
	}
	return all;
}

/* How many descriptors of each kind this process has. */
function descriptors(pid, files) {
	const at = `/proc/${pid}/fd`, known = sockets(), count = {};
	const given = fs.readdirSync('/proc/self/fd').map((fd) => {
		try {
			return fs.readlinkSync(`/proc/self/fd/${fd}`);
		} catch { /* that of the reading itself */ }
	}).filter((is) => /^pipe:/.test(is));
	for (const fd of fs.readdirSync(at)) {
		const is = fs.readlinkSync(`${at}/${fd}`);
		/* what it was started with is not its own */
		if (given.includes(is) || (fd <= 2 && !(is in files) &&
		    is !== '/dev/null'))
			continue;
		const [, inode] = is.match(/^socket:\[(\d+)\]$/) ?? [];
		const [, anon] = is.match(/^anon_inode:\[?(\w+)\]?$/) ?? [];
		const [, memory] = is.match(/^\/(memfd:\S+)/) ?? [];
		const kind = inode ? known.get(inode) : anon ?? memory ??
		    files[is] ?? is;
		count[kind] = (count[kind] ?? 0) + 1;
	}
	return count;
}

test('roost(7): processes and their descriptors', async () => {
	const dir = tempdir(), port = await freePort();
	const redis = await Redis.start({ port });
	/* what it logs is to be seen here, too */
	const first = `touch ${dir}/log; tail -s 0.1 --pid=$$ -n +1 -F ${dir
	}/log 2>/dev/null &`;
	const d = await Daemon.start({ workers: 2, first, conf: `
listen "unix:${dir}/http.sock" {}
pidfile = "${dir}/pid" log_file = "${dir}/log"
redis { url = "redis://127.0.0.1:${port}" }\n${echo}` });
	const files = { [`${d.dir}/stats`]: 'statistics file', [`${dir}/pid`]: 'pidfile',
		[`${dir}/log`]: 'log file' };
	const all = [d.pid, ...d.children().filter((c) => c.role)
	    .map((c) => c.pid)];
	const shown = all.map((pid) => `${fs.readFileSync(`/proc/${pid}/comm`,
	    'utf8').trim()} ${fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
	    .replace(/\0.*$/s, '')}`);
	const told = items('process').map((i) => i.replace(/^Li (\S+) , Qq /, '$1 '));
	assert.deepEqual(shown.filter((s) => !/worker ?2/.test(s)).sort(),
	    told.sort());
	assert.equal(shown.length, 4);

	/* a client of each kind, so that each has all that it may have */
	const clients = await Promise.all(Array.from({ length: 8 }, () =>
		engine(d.port)));
	const of = (title) => all[shown.findIndex((s) => s.includes(title))];
	await until(() => descriptors(of('relay'), files)['TCP socket'] === 2,
	    'both connections to Redis', 20000);
	const master = descriptors(of('master'), files);
	const relay = descriptors(of('relay'), files);
	const workers = ['worker 1', 'worker 2'].map((w) => descriptors(of(w),
	    files));
	const own = (count) => Object.keys(count).filter((k) =>
		k !== '/dev/null').sort();
	assert.deepEqual(own(master), names('descriptor of the master').sort());
	assert.deepEqual(own(relay), names('descriptor of the relay')
	    .filter((n) => n !== '/dev/null').sort());
	for (const w of workers)
		assert.deepEqual(own(w), names('descriptor of a worker')
		    .filter((n) => n !== '/dev/null').sort());
	/* how many, as the page says */
	const places = (master['SEQPACKET socket'] - 3) / 2;
	assert.ok(Number.isInteger(places) && places >= 4, `${places} places`);
	assert.deepEqual([master.eventfd, master['listening TCP socket'],
		master['listening Unix socket']], [2, 2, 1]);
	for (const w of workers) {
		assert.deepEqual([w['listening TCP socket'],
			w['listening Unix socket'], w['STREAM socket'],
			w['SEQPACKET socket'], w['/dev/null']],
		[1, 1, 1, places + 1, 2]);
	}
	assert.equal(workers[0]['TCP socket'] + workers[1]['TCP socket'], 8);
	assert.deepEqual([relay['SEQPACKET socket'], relay['STREAM socket'],
		relay['/dev/null']], [1, 2, 1]);
	clients.forEach((c) => c.drop());
	await d.stop();
	await redis.kill();
});

/* --- memory ------------------------------------------------------------------ */

/* The offsets of shm/layout.h: where each part begins. */
function parts(pid) {
	const at = `/proc/${pid}/fd`;
	const fd = fs.readdirSync(at).find((f) => /^\/memfd:roostd( |$)/.test(
	    fs.readlinkSync(`${at}/${f}`)));
	const h = Buffer.alloc(4096), file = fs.openSync(`${at}/${fd}`, 'r');
	fs.readSync(file, h, 0, 4096, 0);
	fs.closeSync(file);
	assert.equal(h.toString('latin1', 0, 8), 'ROOSTSH1');
	const u64 = (o) => Number(h.readBigUInt64LE(o));
	const begins = [[0, 'header'], [u64(16), 'end']];
	for (const [name, o] of [['users', 256], ['rooms', 352],
		['connections', 480]]) {
		for (let i = 0; i < 7; i++)
			begins.push([u64(o + 24 + 8 * i), name]);
		begins.push([u64(o + 80), 'columns']);
	}
	for (const [name, o] of [['places', 448], ['places', 656], ['rates', 456],
		['rates', 464], ['connections', 576], ['ids', 584], ['rates', 600],
		['known', 608], ['trail', 616], ['places', 632],
		['revoked', 664], ['revoked', 672], ['revoked', 680],
		['revoked', 688]])
		begins.push([u64(o), name]);
	begins.sort((a, b) => a[0] - b[0]);
	const size = {};
	for (let i = 0; i + 1 < begins.length; i++)
		size[begins[i][1]] = (size[begins[i][1]] ?? 0) +
		    begins[i + 1][0] - begins[i][0];
	return { size, slots: h.readUInt32LE(24) };
}

const unit = { KB: 1e3, MB: 1e6 };

test('roost(7): the parts of shared memory, and their sizes', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	const { size, slots } = parts(d.pid);
	const begin = page.indexOf('.\\" every part of the memory\n');
	const rows = [...page.slice(begin, page.indexOf('.El\n', begin))
	    .matchAll(/^\.It (\w+)\n([\d.]+ [KM]B(?: a place)?)/gm)]
	    .map(([, name, words]) => [name, words]);
	assert.deepEqual(rows.map(([name]) => name).sort(),
	    Object.keys(size).sort());
	for (const [name, words] of rows) {
		const [n, u, a] = words.split(' ');
		const want = n * unit[u] * (a === 'a' ? slots : 1);
		/* pages, and what is rounded in the page of the manual */
		assert.ok(Math.abs(size[name] - want) < want * 0.08 + 16384,
		    `${name}: ${size[name]} is not ${words}`);
	}
	await d.stop();
	const counted = await Daemon.start({ workers: 2, conf:
	    `limits { per_user = 5 }\n${echo}` });
	const [, mb] = page.match(/the counts take (\d+) MB/);
	const { size: { connections } } = parts(counted.pid);
	assert.ok(Math.abs(connections / 1e6 - mb) < mb * 0.1,
	    `${connections} bytes of counts`);
	await counted.stop();
});
