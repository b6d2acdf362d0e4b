/*
 * Six clients come and go on three workers by chance: they connect, are cut,
 * come back with a pid (their own, somebody else's, none that is) and an
 * offset (the last one, an old one, none, nonsense), several at once with the
 * same, while three publishers count and a back end moves and ends them.
 *
 * No worker may die, and who behaves gets each number once and in order
 * through all its connections, or is told that it is new.  At the end nothing
 * is left.
 *
 * usage: node tests/recovery/fuzz.mjs [--seconds N] [--seed N]
 * Ten minutes by default, or RECOVERY_FUZZ_SECONDS; ROOSTD names the daemon.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { Daemon, deaths, sleep, until } from '../e2e/lib/daemon.mjs';
import { frame, OP, Ws } from '../e2e/lib/wire.mjs';
import { jwt } from '../e2e/lib/conf.mjs';
import { user } from '../e2e/lib/token.mjs';

const CLIENTS = 6, WORKERS = 3, KEY = 'backend';
const WINDOW_MS = 2000;
const conf = jwt + `
api { key "backend" {
    sha256 = "${crypto.createHash('sha256').update(KEY).digest('hex')}"
    allow = {"publish", "rooms", "disconnect"} } }
recovery { window = ${WINDOW_MS}ms packets = 300 bytes = 60KB
    user_bytes = 100KB worker_bytes = 400KB }
heartbeat { interval = 400ms timeout = 2s }
limits { send_queue_bytes = 8MB per_user = 5 }
` + ['/', '/n'].map((n) => `
namespace "${n}" { auth = optional presence = rooms
    room "{r}" { join = open }
    event "m"    { to = room:room meta = off }
    event "v"    { to = room:room meta = off volatile = true self = true }
    event "b"    { to = sender meta = off }
    event "sync" { ack = echo } }
`).join('');

/* a chance that can be had again (what the kernel does cannot) */
function chance(seed) {
	let a = seed >>> 0;
	const next = () => {
		a = (a + 0x6d2b79f5) | 0;
		let t = Math.imul(a ^ (a >>> 15), 1 | a);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
	return { next, below: (n) => Math.floor(next() * n),
		one: (list) => list[Math.floor(next() * list.length)],
		in: (p) => next() < p };
}

/*
 * What is known of a session, by its sid: who had it last, and the number that
 * each publisher is at.  sound: nobody else has had it, and it said what it
 * saw last when it came back.
 */
class Known {
	constructor(pid, owner) {
		Object.assign(this, { pid, owner, at: new Map(), last: undefined,
			offsets: [], sound: true, joined: false });
	}
}

class Fuzz {
	constructor(d, rnd) {
		Object.assign(this, { d, rnd, known: new Map(), open: new Set(),
			stop: false, wrong: undefined });
		this.n = { connections: 0, asked: 0, recovered: 0, fresh: 0,
			events: 0, cuts: 0, checked: 0 };
	}
	fail(why) { this.wrong ??= why; this.stop = true; }
	/* any session that somebody has, or had a moment ago */
	pid() {
		const l = [...this.known.values()];
		return l.length ? this.rnd.one(l.slice(-12)) : undefined;
	}
}

/* One connection of a client. */
class Conn {
	static async open(f, owner) {
		const c = new Conn();
		Object.assign(c, { f, owner, by: new Map(), wanted: new Map(),
			early: new Map(), acks: new Map(), gone: false });
		c.w = await Ws.must(f.d.port,
		    '/socket.io/?EIO=4&transport=websocket' +
		    (f.rnd.in(0.2) ? '&b64=1' : ''));
		f.n.connections++;
		f.open.add(c);
		c.w.s.wake = () => c.read();
		c.read();
		return c;
	}
	read() {
		let p;
		if (this.gone)
			return;
		while ((p = this.w.take()) !== undefined)
			if (p.opcode === 'text')
				this.packet(p.text);
		if (this.w.s.ended)
			this.end();
	}
	end() {
		this.gone = true;
		this.f.open.delete(this);
	}
	say(t) {
		if (!this.gone)
			this.w.text(t);
	}
	packet(t) {
		if (t === '2') {
			if (!this.deaf)
				this.say('3');
			return;
		}
		const m = t.match(/^4([0-5])(?:\d+-)?(?:(\/n),)?(\d*)(.*)$/s);
		if (!m)
			return;
		const nsp = m[2] ?? '/';
		if (m[1] === '0')
			this.reply(nsp, JSON.parse(m[4]));
		else if (m[1] === '1' || m[1] === '4')
			this.by.delete(nsp);
		else if (m[1] === '2')
			this.event(nsp, JSON.parse(m[4]));
	}
	/* CONNECT: what was missed has come before this */
	reply(nsp, { sid, pid }) {
		const f = this.f, want = this.wanted.get(nsp);
		let k = f.known.get(sid);
		if (k === undefined) {
			k = new Known(pid, this);
			f.known.set(sid, k);
			f.n.fresh++;
			if (this.early.get(nsp)?.length)
				f.fail(`a new session was told what it missed`);
		} else {
			f.n.recovered++;
			if (k.pid !== pid)
				f.fail('another pid for the same sid');
			k.sound &&= want?.honest === k && k.owner.gone &&
			    k.owner.owner === this.owner;
			k.owner = this;
			if (!k.sound)
				k.at.clear();
		}
		this.by.set(nsp, k);
		for (const a of this.early.get(nsp) ?? [])
			this.count(k, a);
		this.early.delete(nsp);
		if (!k.joined) {
			k.joined = true;
			this.say(`42${nsp === '/' ? '' : `${nsp},`
			    }["room:join",{"room":"all"}]`);
		}
	}
	event(nsp, a) {
		const k = this.by.get(nsp);
		if (k === undefined) {
			if (!this.early.has(nsp))
				this.early.set(nsp, []);
			this.early.get(nsp).push(a);
		} else if (k.owner === this)
			this.count(k, a);
	}
	count(k, [event, data, ...rest]) {
		const f = this.f, offset = rest.at(-1);
		f.n.events++;
		if (typeof offset === 'string') {
			k.last = offset;
			k.offsets.push(offset);
			if (k.offsets.length > 50)
				k.offsets.shift();
		}
		if (event !== 'm' || data.room !== 'all')
			return;
		const want = k.at.get(data.p);
		if (want !== undefined && k.sound) {
			f.n.checked++;
			if (want !== data.i)
				f.fail(`number ${data.i} of ${data.p}, not ${want}`);
		}
		k.at.set(data.p, data.i + 1);
	}
	/* CONNECT with what chance gives */
	ask(nsp, mine) {
		const { rnd, n } = this.f;
		const auth = {}, honest = mine.get(nsp);
		n.asked++;
		switch (rnd.below(honest ? 8 : 3)) {
		case 0:
			break;
		case 1: {		/* somebody's, or nobody's */
			const k = this.f.pid();
			auth.pid = rnd.in(0.2) || !k ? 'A'.repeat(20) : k.pid;
			if (k)
				k.sound = false;
			if (rnd.in(0.5))
				auth.offset = rnd.one([k?.offsets[0], k?.last,
					'x', '', 'y'.repeat(300)]);
			break;
		}
		case 2:
			auth.token = user(`u${rnd.below(3)}`);
			break;
		case 3:			/* an old offset, or none */
			auth.pid = honest.pid;
			honest.sound = false;
			if (rnd.in(0.7) && honest.offsets.length)
				auth.offset = rnd.one(honest.offsets);
			break;
		default:
			auth.pid = honest.pid;
			if (honest.last !== undefined)
				auth.offset = honest.last;
			this.wanted.set(nsp, { honest });
		}
		this.say(`40${nsp === '/' ? '' : `${nsp},`}${
		    Object.keys(auth).length ? JSON.stringify(auth) : ''}`);
	}
	chatter() {
		const { rnd } = this.f, nsp = rnd.one(['/', '/n']);
		const p = nsp === '/' ? '' : `${nsp},`, r = `r${rnd.below(4)}`;
		if (!this.by.has(nsp))
			return;		/* that would end the connection */
		switch (rnd.below(7)) {
		case 0: this.say(`42${p}["room:join","${r}"]`); break;
		case 1: this.say(`42${p}["room:leave","${r}"]`); break;
		case 2: this.say(`42${p}["v",{"room":"${r}"}]`); break;
		case 3:
			this.say(`42${p}["b","${'x'.repeat(rnd.one([1, 130, 9000]))
			    }"]`);
			break;
		case 4:
			if (this.gone)
				break;
			this.say(`451-${p}["b",{"_placeholder":true,"num":0}]`);
			this.w.send(frame(OP.binary,
			    Buffer.alloc(rnd.one([0, 3, 200]))));
			break;
		case 5: this.say(`42${p}7["sync",1]`); break;
		case 6:
			if (rnd.in(0.2)) {
				this.say(`41${p}`);
				this.by.delete(nsp);
			}
			break;
		}
	}
	cut() {
		this.f.n.cuts++;
		switch (this.f.rnd.below(5)) {
		case 0: this.w.s.reset(); break;
		case 1: this.w.s.sock.end(); break;
		case 2: this.say('41'); this.w.s.close(); break;
		default: this.w.s.close(); break;
		}
		this.end();
	}
}

/* One of the six: what it thinks is its own, by namespace. */
async function client(f, owner) {
	const { rnd } = f, mine = new Map();
	while (!f.stop) {
		const several = rnd.in(0.25) ? 1 + rnd.below(3) : 1, list = [];
		for (let i = 0; i < several; i++)
			list.push(await Conn.open(f, owner));
		for (const c of list)
			for (const nsp of rnd.in(0.5) ? ['/'] : rnd.in(0.5) ?
			    ['/n'] : ['/', '/n']) {
				if (several > 1 && mine.has(nsp))
					mine.get(nsp).sound = false;
				c.ask(nsp, mine);
			}
		for (let i = rnd.below(6); i > 0 && !f.stop; i--) {
			await sleep(rnd.one([0, 1, 3, 10, 40, 150]));
			for (const c of list)
				c.chatter();
		}
		if (rnd.in(0.05)) {
			list[0].deaf = true;	/* until its pong is overdue */
			await sleep(300);
		}
		for (const c of list) {
			for (const [nsp, k] of c.by)
				if (k.owner === c)
					mine.set(nsp, k);
			/* half open: the next one comes before it is known */
			if (rnd.in(0.15)) {
				for (const k of c.by.values())
					k.sound = false;
				/* it may come back on this one yet */
				for (const w of c.wanted.values())
					w.honest.sound = false;
				setTimeout(() => c.cut(), rnd.below(500)).unref();
			} else
				c.cut();
		}
		if (rnd.in(0.02))
			await sleep(WINDOW_MS + 200);
	}
}

async function publisher(f, name) {
	let i = 0, c;
	while (!f.stop) {
		if (!c || c.gone) {
			c = await Conn.open(f, name);
			for (const p of ['', '/n,'])
				c.say(`40${p}`);
			await until(() => c.by.size === 2 || c.gone, 'publisher');
			await sleep(5);
			i += 1000000;	/* what was on its way may be lost */
			for (const k of f.known.values())
				k.at.delete(name);
		}
		for (const p of ['', '/n,'])
			c.say(`42${p}["m",{"room":"all","p":"${name}","i":${i},"x":"${
			    'x'.repeat(f.rnd.one([0, 0, 90, 200]))}"}]`);
		i++;
		await sleep(f.rnd.one([1, 4, 10]));
	}
}

async function backEnd(f) {
	const post = (path, body) => fetch(f.d.url(`/api/v1/${path}`), {
		method: 'POST', body: JSON.stringify(body),
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
	}).then((r) => r.text()).catch((e) => { if (!f.stop) throw e; });
	while (!f.stop) {
		const { rnd } = f;
		const sid = [...f.known.keys()].slice(-12)[rnd.below(12)];
		const namespace = rnd.one(['/', '/n']);
		const room = `r${rnd.below(4)}`;
		switch (rnd.below(4)) {
		case 0:
			await post('publish', { namespace, room, event: 'x',
				data: 'x'.repeat(rnd.one([1, 200])) });
			break;
		case 1:
			if (sid)
				await post('rooms', { namespace, sid, join: [room],
					leave: [`r${rnd.below(4)}`] });
			break;
		case 2:
			if (sid)
				await post('publish', { namespace, sid, event: 'y' });
			break;
		case 3:
			if (sid && rnd.in(0.1)) {
				f.known.get(sid).sound = false;
				await post('disconnect', { namespace, sid });
			}
			break;
		}
		await sleep(rnd.one([5, 20, 60]));
	}
}

const gauges = ['sessions', 'memberships', 'rooms', 'eio_sessions',
	'recovery_parked', 'recovery_held_bytes'];

/* Throws when something is wrong; what was done. */
export async function fuzz({ seconds, seed = Date.now() & 0x7fffffff }) {
	const d = await Daemon.start({ workers: WORKERS, conf });
	const f = new Fuzz(d, chance(seed));
	const all = [];
	const run = (p) => all.push(p.catch((e) => f.fail(e.stack)));
	for (let i = 0; i < CLIENTS; i++)
		run(client(f, `c${i}`));
	for (let i = 0; i < 3; i++)
		run(publisher(f, `p${i}`));
	run(backEnd(f));
	const end = Date.now() + seconds * 1000;
	while (Date.now() < end && !f.stop) {
		await sleep(100);
		for (const [sid, k] of f.known)		/* long over */
			if (k.owner.gone && f.known.size > 500)
				f.known.delete(sid);
		if (deaths.test(d.log) || /AddressSanitizer|MUST\(/.test(d.log))
			f.fail('a worker died');
	}
	f.stop = true;
	await Promise.all(all);
	for (const c of [...f.open])
		c.cut();
	try {
		assert.equal(f.wrong, undefined, `seed ${seed}`);
		await until(async () => {
			const m = await Promise.all(gauges.map((g) => d.metric(g)));
			return m.every((v) => v === 0);
		}, 'nothing is left', WINDOW_MS + 10000);
		assert.ok(f.n.recovered > 0 && f.n.checked > 0, 'nothing was tried');
	} catch (e) {
		e.message += `\n--- log\n${d.log}`;
		await d.stop().catch(() => {});
		throw e;
	}
	await d.stop();
	return { seed, ...f.n };
}

const option = (name) => {
	const i = process.argv.indexOf(`--${name}`);
	return i < 0 ? undefined : Number(process.argv[i + 1]);
};
if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const done = await fuzz({ seed: option('seed'), seconds:
	    option('seconds') ?? Number(process.env.RECOVERY_FUZZ_SECONDS ?? 600) });
	console.log(Object.entries(done).map(([k, v]) => `${k} ${v}`).join(', '));
	process.exit(0);
}
