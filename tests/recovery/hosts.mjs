/*
 * Sessions that any host recovers, of a namespace with rooms that keep a history and
 * rooms that do not: three daemons and 60 Socket.IO clients that are cut by chance,
 * and come back to any of the hosts, as tests/history/hosts.mjs does it.
 *
 * As long as it is the same session a client has every event of its two rooms once,
 * and in the one order of the namespace, or is told of a gap; behind one, what a room
 * has kept may come later than in its turn.
 *
 * usage: node tests/recovery/hosts.mjs [--seconds N] [--clients N]
 *            [--kinds connections,workers,relays,daemons,redis,failover,
 *            slow,full,flush,evict,reload,upgrade]
 *            [--still MS] [--break lose|double|swap]
 * Five minutes by default, or RECOVERY_HOSTS_SECONDS; ROOSTD names the daemon.
 * With --break the clients do wrong to what they hear, which must be noticed.
 */
import { fileURLToPath } from 'node:url';

import { sleep, slow, until } from '../e2e/lib/daemon.mjs';
import { stopTime } from '../e2e/lib/conf.mjs';
import { broken, program } from '../e2e/lib/history.mjs';
import { connected } from '../e2e/lib/hosts.mjs';
import { acquainted, monitored } from '../e2e/lib/sentinel.mjs';
import { frame, OP, Ws } from '../e2e/lib/wire.mjs';
import { Cutter, Hosts } from '../history/hosts.mjs';

const ROOMS = 6, STILL_MS = 3000;
const any = (list) => list[Math.floor(Math.random() * list.length)];
const conf = (m) => `
worker_timeout = 60s
drain_time = 5s
${stopTime}
redis { sentinels = {${m.sentinels.map((s) =>
	`"redis://127.0.0.1:${s.port}"`).join(', ')}} master = "${m.name}" }
store { bytes = 256MB room_bytes = 64MB }
recovery { window = 1m packets = 10000 bytes = 16MB }
heartbeat { interval = 5s timeout = 5s }
limits { send_queue_bytes = 16MB }
namespace "/r" { auth = none recovery = store
    room "k:{r}" { join = open history = 100000 }
    room "p:{r}" { join = open }
    event "n" { to = room:room self = true ack = accepted } }
`;

/* "EPOCH:PLACE" */
function split(offset) {
	const at = offset.lastIndexOf(':');
	return [offset.slice(0, at), Number(offset.slice(at + 1))];
}

/* What was said, and its place.  What is told later than in its turn says where the
 * journal stood then, to most of a room if they are on the host that filled a hole:
 * so a place that can be no other's is that one's, and what is left is vague. */
class Book {
	constructor() {
		Object.assign(this, { texts: new Map(), kept: new Map(), wrong: [],
			lives: [], n: { events: 0, gaps: 0, fresh: 0, recovered: 0,
				kept: 0, refused: 0 } });
	}
	say(words) {
		if (this.wrong.length < 50)
			this.wrong.push(words);
	}
	note(text, room, offset, meta, who) {
		const t = this.texts.get(text) ?? { room, told: new Map() };
		this.texts.set(text, t);
		t.told.set(offset, (t.told.get(offset) ?? 0) + 1);
		if (meta?.offset === undefined)
			return;
		t.kept = true;
		const key = `${room} ${meta.epoch}:${meta.offset}`;
		const text2 = this.kept.get(key) ?? text;
		if (text2 !== text)
			this.say(`${key} is ${text} for ${who}, and was ${text2}`);
		this.kept.set(key, text);
	}
	/* Who has which place: first those of which only one was told. */
	places() {
		const sure = new Map();
		let left = [...this.texts.values()];
		for (let n = -1; n !== left.length;) {
			n = left.length;
			const more = left.map((t) => ({ t, may: [...t.told].filter(
			    ([o]) => !sure.has(o)) }));
			left = [];
			for (const { t, may } of more) {
				if (may.length === 1 && !sure.has(may[0][0]))
					sure.set(t.offset = may[0][0], t);
				else
					left.push(t);
			}
		}
		for (const t of left) {
			t.vague = true;
			[t.offset] = [...t.told].reduce((x, y) => y[1] > x[1] ? y : x);
			const other = sure.get(t.offset);
			if (other !== undefined && other.kept)
				other.vague = true;
		}
	}
	/* All that happened in a room in an epoch of the journal, in its order. */
	order() {
		const all = new Map();
		this.places();
		for (const t of this.texts.values())
			[t.epoch, t.place] = split(t.offset);
		for (const [text, { room, epoch, place, vague }] of this.texts) {
			const key = `${room} ${epoch}`;
			if (!all.has(key))
				all.set(key, []);
			all.get(key).push({ text, place, vague });
		}
		for (const l of all.values())
			l.sort((x, y) => x.place - y.place);
		return all;
	}
	/* A stretch of a session without a gap has everything that is between its
	 * first of a room and its last of all, in the order of the places. */
	checkStretch(life, told, order, gap) {
		let last;
		const stretch = told.map(([text]) => text);
		const first = new Map(), has = new Set(stretch);
		for (const [text, offset] of told) {
			const t = this.texts.get(text);
			if (gap && offset !== `${t.epoch}:${t.place}`)
				continue;
			if (t.vague)
				continue;
			if (last?.epoch === t.epoch && t.place < last.place)
				this.say(`${life.who}: ${text} at ${t.place} comes behind ${last.text} at ${last.place} of ${t.epoch}`);
			last = { text, ...t };
		}
		for (const text of stretch) {
			const t = this.texts.get(text);
			if (t.vague)
				continue;
			const key = `${t.room} ${t.epoch}`;
			first.set(key, Math.min(first.get(key) ?? t.place, t.place));
		}
		/* of an epoch that it has seen to its end, all there is */
		const end = new Map();
		for (const text of stretch) {
			const { epoch, place, vague } = this.texts.get(text);
			if (vague)
				continue;
			for (const e of end.keys())
				if (e !== epoch)
					end.set(e, Infinity);
			if (end.get(epoch) !== Infinity)
				end.set(epoch, Math.max(end.get(epoch) ?? 0, place));
		}
		for (const [key, from] of first) {
			const to = end.get(key.slice(key.indexOf(' ') + 1));
			for (const { text, place, vague } of order.get(key))
				if (place >= from && place <= to && !has.has(text) &&
				    !(vague && (place === from || place === to)))
					this.say(`${life.who}: ${text} at ${key}:${place
					    } is missing, it has ${from} to ${to}`);
		}
	}
	check() {
		const order = this.order();
		for (const life of this.lives) {
			const seen = new Map();
			for (const [i, stretch] of life.stretches.entries()) {
				for (const [text, offset, how] of stretch) {
					if (seen.has(text))
						this.say(`${life.who} has ${text} twice, \
at ${seen.get(text)}, and ${offset} ${how}`);
					seen.set(text, `${offset} ${how}`);
				}
				this.checkStretch(life, stretch, order, i > 0);
			}
		}
	}
}

let ids = 0;

/* A Socket.IO client of one room of each kind. */
class Member {
	constructor(hosts, book, i, broken) {
		Object.assign(this, { hosts, book, broken, id: ++ids, said: 0,
			rooms: [`k:${i % ROOMS}`, `p:${i % ROOMS}`], acks: new Map(),
			asks: 0, over: false, joined: false });
	}
	get alive() { return this.ws !== undefined && !this.ws.s.ended; }
	async come() {
		if (this.busy || this.over)
			return;
		this.busy = true;
		this.acks.clear();
		this.up = false;
		this.early = [];
		try {
			const ws = await Ws.must(this.hosts.port,
			    '/socket.io/?EIO=4&transport=websocket');
			this.ws = ws;
			ws.s.wake = () => this.read(ws);
			const { pid, offset } = this;
			this.comes = `from ${offset}`;
			ws.text(`40/r,${JSON.stringify(pid ? { pid, offset } : {})}`);
			this.read(ws);
		} catch {
			this.again();
		}
		this.busy = false;
	}
	again() {
		if (!this.over)
			setTimeout(() => this.come(), 20 + Math.random() * 200);
	}
	read(ws) {
		if (ws !== this.ws)
			return;
		for (let f; (f = ws.take()) !== undefined;) {
			if (f.opcode === 'ping')
				ws.send(frame(OP.pong, f.payload));
			if (f.opcode === 'text')
				this.packet(f.text);
		}
		if (ws.s.ended) {
			this.ws = undefined;
			this.up = false;
			this.again();
		}
	}
	packet(text) {
		if (text === '2')
			return this.ws.text('3');
		const m = text.match(/^4([0-4])\/r,(\d*)(.*)$/s);
		if (m === null)
			return;
		if (m[1] === '0')
			this.reply(JSON.parse(m[3]));
		else if (m[1] === '4' || m[1] === '1')
			this.ws.s.reset();	/* once more, from the start */
		else if (m[1] === '3') {
			this.acks.get(Number(m[2]))?.(JSON.parse(m[3])[0] ?? {});
			this.acks.delete(Number(m[2]));
		} else if (this.up)
			this.event(JSON.parse(m[3]));
		else
			this.early.push(JSON.parse(m[3]));
	}
	reply({ sid, pid }) {
		const { book } = this, { n } = book;
		if (sid === this.sid && pid === this.pid)
			n.recovered++;
		else {
			n.fresh++;
			Object.assign(this, { sid, pid, offset: undefined,
				joined: false, life: { who: `${this.id} (${sid})`,
					stretches: [[]] } });
			book.lives.push(this.life);
			if (this.early.length > 0)
				book.say(`${this.id}: a new session was told what it missed`);
		}
		this.up = true;
		this.how = `come back ${this.comes}`;
		for (const e of this.early)
			this.event(e);
		this.how = `there ${this.comes}`;
		this.join();
	}
	ask(event, data, f) {
		const id = ++this.asks;
		this.acks.set(id, f);
		this.ws.text(`42/r,${id}${JSON.stringify([event, data])}`);
	}
	async join() {
		if (this.joined)
			return;
		let left = this.rooms.length;
		for (const room of this.rooms)
			this.ask('room:join', { room }, (r) => {
				if (r.error)
					setTimeout(() => this.alive && this.ws.s.reset(),
					    200);
				else if (--left === 0)
					this.joined = true;
			});
	}
	speak() {
		if (!this.alive || !this.joined || !this.up)
			return;
		const text = `${this.id}.${++this.said}`;
		this.ask('n', { room: any(this.rooms), text }, (r) => {
			this.book.n[r.error ? 'refused' : 'kept']++;
		});
	}
	event(a) {
		const offset = a.at(-1);
		if (typeof offset === 'string')
			this.offset = offset;
		if (a[0] === 'roost:gap') {
			this.book.n.gaps++;
			this.life.stretches.push([]);
		} else if (a[0] === 'n')
			broken(this, (e) => this.take(e, offset), a);
	}
	take([, { room, text }, meta], offset) {
		const { book } = this;
		book.n.events++;
		book.note(text, room, offset, meta, this.id);
		this.last = { ...this.last, [room]: text };
		if (text.startsWith('last'))
			return;
		/* what came while it joined may begin in one room later */
		if (this.joined)
			this.life.stretches.at(-1).push([text, offset,
				`${this.how} ${room} ${meta.epoch}:${meta.offset}`]);
	}
	cut() { this.ws?.s.reset(); }
	end() {
		this.over = true;
		this.ws?.s.close();
	}
}

/* And Redis that is slow, full, or forgets; and configurations. */
class Attacker extends Cutter {
	async redis(f) {
		const { servers } = this.hosts.m;
		for (const s of servers) {
			const c = await s.client();
			if (/role:master/.test(await c.do('INFO', 'replication')))
				await f(c).catch((e) => console.log(e.message));
			c.close();
		}
	}
	async one() {
		const kind = any(this.kinds), d = any(this.hosts.list);
		const tell = (signal) => {
			try {
				process.kill(d.pid, signal);
			} catch { /* it is being replaced */ }
		};
		const does = {
			slow: () => this.redis((c) => c.do('CLIENT', 'PAUSE', '2000',
			    'ALL')),
			full: () => this.redis(async (c) => {
				await c.do('CONFIG', 'SET', 'maxmemory', '1');
				await sleep(700);
				await c.do('CONFIG', 'SET', 'maxmemory', '0');
			}),
			flush: () => this.redis((c) => c.do('FLUSHALL')),
			evict: () => this.redis(async (c) => {
				const keys = await c.do('KEYS', 'roost:*');
				for (let i = 0; i < 3; i++)
					await c.do('DEL', any(keys));
			}),
			reload: () => tell('SIGHUP'),
			upgrade: () => tell('SIGUSR2'),
		}[kind];
		if (does === undefined)
			return super.one();
		this.count[kind] = (this.count[kind] ?? 0) + 1;
		await does();
		for (let i = 0; i < 10; i++)
			any(this.members).cut();
		return sleep(2500 * slow);
	}
}

/* Everybody is back, and hears what is said last in both rooms. */
async function settle(hosts, members, book) {
	const missing = () => members.filter((m) => !m.alive || !m.up || !m.joined);
	for (const d of hosts.list)
		await connected(d, true, 60000);
	await until(() => missing().length === 0, 'all to be back', 60000)
	    .catch(() => book.say(`not back: ${missing().map((m) => m.id)}`));
	await sleep(3000 * slow);
	const rooms = new Map(members.flatMap((m) => m.rooms.map((r) => [r, m])));
	const say = ([room, m]) => m.ask('n', { room, text: `last ${room}` },
	    (r) => r.error && setTimeout(() => say([room, m]), 200));
	for (const one of rooms)
		say(one);
	const deaf = () => members.filter((m) => m.rooms.some((r) =>
		m.last?.[r] !== `last ${r}`));
	await until(() => deaf().length === 0, 'the last', 20000).catch(() => {
		for (const m of deaf())
			book.say(`${m.id} hears no more: ${JSON.stringify(m.last)}`);
	});
}

/* What was wrong, and what happened. */
export async function cutsOfSessions({ seconds = 300, clients = 60, broken,
	still = STILL_MS, kinds = ['connections', 'connections', 'connections',
		'workers', 'workers', 'relays', 'daemons', 'redis'] } = {}) {
	const m = await monitored();
	await acquainted(m);
	const hosts = await Hosts.start(m, conf), book = new Book();
	const members = [...Array(clients).keys()].map((i) => new Member(hosts,
	    book, i, broken));
	const cutter = new Attacker(hosts, members, kinds, still);
	let timer;
	try {
		for (const one of members)
			await one.come();
		timer = setInterval(() => {
			for (let i = 0; i < 3; i++)
				any(members).speak();
		}, 10 * slow);
		await cutter.run(seconds * 1000);
		clearInterval(timer);
		await settle(hosts, members, book);
		book.check();
		return { wrong: book.wrong, counts: { ...book.n, ...cutter.count } };
	} finally {
		clearInterval(timer);
		for (const one of members)
			one.end();
		await hosts.stop();
		await m.kill();
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await program(cutsOfSessions, { clients: 60,
		seconds: process.env.RECOVERY_HOSTS_SECONDS ?? 300 });
