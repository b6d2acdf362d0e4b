/*
 * Processes of a daemon that are killed, or stopped, at a step (strike.c), and
 * clients that number what they say to each other, which know what is lost,
 * doubled or reordered.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { slow, tempdir, until } from './daemon.mjs';
import { frame, OP, Ws } from './wire.mjs';

const ROOMS = 8, EVERY_MS = 4;
export const KILL = 9, STOP = 19;

/* --- strikes --------------------------------------------------------------- */

/* Of packets between giver and heir; between master and child; of frames. */
const TYPES = [
	{ HELLO: 1, PREPARE: 2, GO: 3, STATE: 4, LOADED: 5, COMMIT: 6,
		TAKEN: 7, ABORT: 8 },
	{ BUS: 1, READY: 6, HEIR: 9, LEGATOR: 10, GIVEN: 11, BUS_END: 15 },
	{ CUT: 17, MARK: 18, LEAVE: 19, REVOKE: 20 },
];
const LOG = 3;
const WHEN = { before: 1, after: 2, got: 3 };

/*
 * "before-COMMIT": the process that is about to say so gets the signal; or
 * "relay-got-BUS_END": only where it is the relay; or "master-after- turned ",
 * what it logs.
 */
export class Strike {
	constructor() {
		const dir = tempdir(), library = path.join(dir, 'strike.so');
		execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1',
		    '-o', library, fileURLToPath(new URL('../../handover/strike.c',
			import.meta.url)), '-ldl']);
		this.file = path.join(dir, 'steer');
		this.library = library;
		fs.writeFileSync(this.file, Buffer.alloc(104));
		this.env = { LD_PRELOAD: library, STRIKE: this.file,
			ASAN_OPTIONS: `verify_asan_link_order=0:${
			    process.env.ASAN_OPTIONS ?? ''}` };
	}
	#write(words, at) {
		const b = Buffer.alloc(4 * words.length);
		words.forEach((v, i) => b.writeUInt32LE(v, 4 * i));
		const fd = fs.openSync(this.file, 'r+');
		fs.writeSync(fd, b, 0, b.length, at);
		fs.closeSync(fd);
	}
	arm(step, { signal = KILL, whom = 0, nth = 1 } = {}) {
		const [, role, when, what] = step.match(
		    /^(?:(master|relay|worker)-)?(before|after|got)-(.*)$/);
		let kind = TYPES.findIndex((t) => what in t);
		const text = Buffer.alloc(64);
		if (kind === -1) {
			kind = LOG;
			text.write(what, 'latin1');
		}
		this.disarm();
		this.#write([WHEN[when], nth, whom, 0, 0, 0, signal, kind,
			role?.charCodeAt(0) ?? 0, ...new Uint32Array(
			    text.buffer, text.byteOffset, 16)], 4);
		this.#write([kind === LOG ? 1 : TYPES[kind][what]], 0);
	}
	disarm() { this.#write(new Array(26).fill(0), 0); }
	#told(at) { return fs.readFileSync(this.file).readUInt32LE(at); }
	get struck() { return this.#told(16); }
	/* That the one who was killed had. */
	get sockets() { return this.#told(20); }
	/* Processes of any daemon that it was put before. */
	get processes() {
		return fs.readdirSync('/proc').filter((p) => /^\d+$/.test(p) &&
		    this.#has(p)).map(Number);
	}
	#has(pid) {
		try {
			return fs.readFileSync(`/proc/${pid}/maps`, 'latin1')
			    .includes(this.library);
		} catch {
			return false;
		}
	}
	/* d: whose log is told when it is not. */
	async hit(what, d) {
		try {
			await until(() => this.struck, `${what} to be reached`,
			    10000);
		} catch (e) {
			throw new Error(`${e.message}\n${d?.log ?? ''}`);
		}
	}
}

/* --- clients that number what they say ------------------------------------- */

let ids = 0, rooms = 0;

export class Crowd {
	/* Closed when the test ends. */
	static async make(t, d, n) {
		const c = new Crowd();
		t.after(() => c.close());
		c.room = `r${++rooms}`;
		c.d = d;
		c.list = [];
		c.wrong = [];
		c.gaps = 0;
		await c.fill(n);
		c.timer = setInterval(() => c.say(), EVERY_MS * slow);
		return c;
	}
	async fill(n) {
		this.list = this.list.filter((m) => !m.ws.s.ended);
		while (this.list.length < n) {
			const m = { id: ++ids, said: 0, from: new Map() };
			m.room = `${this.room}.${m.id % ROOMS}`;
			m.ws = await Ws.must(this.d.port, '/ws/cut');
			m.ws.json({ event: 'room:join', data: { room: m.room },
			    id: 0 });
			await m.ws.event();
			m.ws.s.wake = () => this.read(m);
			this.list.push(m);
			this.read(m);
		}
	}
	say() {
		const m = this.list[Math.floor(Math.random() *
		    this.list.length)];
		if (m !== undefined && !m.ws.s.ended)
			this.speak(m);
	}
	speak(m) {
		m.said++;
		m.ws.json({ event: 'n', id: m.said,
		    data: { room: m.room, from: m.id, i: m.said } });
	}
	read(m) {
		for (;;) {
			const f = m.ws.take();
			if (f === undefined)
				return;
			if (f.opcode === 'ping')
				m.ws.send(frame(OP.pong, f.payload));
			if (f.opcode === 'close')
				m.ws.send(frame(OP.close, f.payload));
			if (f.opcode !== 'text')
				continue;
			const e = JSON.parse(f.text);
			if (e.ack !== undefined)
				this.hear(m, 0, e.ack, 'ack');
			else if (e.event === 'n')
				this.hear(m, e.data.from, e.data.i, 'event');
		}
	}
	hear(m, from, i, what) {
		const was = m.from.get(from);
		if (was !== undefined && i <= was)
			this.wrong.push(`${what} ${i} of ${from} behind ${was
			    } at ${m.id}`);
		/* acks begin at 1, others when this one has come */
		if (i !== (was ?? (what === 'ack' ? 0 : i - 1)) + 1)
			this.gaps++;
		m.from.set(from, i);
	}
	get ended() { return this.list.filter((m) => m.ws.s.ended).length; }
	/* All that the living have said is heard by the living. */
	async settled(what = '') {
		clearInterval(this.timer);
		const alive = this.list.filter((m) => !m.ws.s.ended);
		for (const m of alive)
			this.speak(m);
		const left = () => alive.filter((m) => !m.ws.s.ended);
		const missing = () => left().flatMap((m) => left().filter(
		    (s) => s.room === m.room &&
			m.from.get(s === m ? 0 : s.id) !== s.said)
		    .map((s) => `${m.id} of ${s.id}: ${m.from.get(s === m ?
			0 : s.id)} of ${s.said}`));
		await until(() => missing().length === 0, 'all numbers', 10000)
		    .catch((e) => { throw new Error(`${what}: ${e.message}: ${
			missing().slice(0, 9).join(', ')}`); });
		this.timer = setInterval(() => this.say(), EVERY_MS * slow);
	}
	close() {
		clearInterval(this.timer);
		for (const m of this.list)
			m.ws.drop();
	}
}

/* What they need. */
/* Who strikes kills others, which no worker may. */
export const rules = `seccomp = off
namespace "/cut" { auth = none
    room "{r}" { join = open }
    event "n" { to = room:room meta = off ack = accepted } }
`;
