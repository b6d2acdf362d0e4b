/*
 * Rooms that keep a history in Redis, three daemons, and 200 clients that are cut
 * by chance: their connections, workers, relays, whole daemons; Redis stands still
 * for 20 seconds, or another one becomes the master.  Each client comes back to
 * any of the hosts, and ends with every event of its room once and in the same
 * order as all others, or was told of a gap.
 *
 * usage: node tests/history/hosts.mjs [--seconds N] [--clients N]
 *            [--kinds connections,workers,relays,daemons,redis,failover]
 *            [--still MS] [--break lose|double|swap|deaf]
 * Ten minutes by default, or HISTORY_CUTS_SECONDS; ROOSTD names the daemon.
 * With --break the clients do wrong to what they hear, which must be noticed.
 */
import { fileURLToPath } from 'node:url';

import { Daemon, sleep, slow, until } from '../e2e/lib/daemon.mjs';
import { stopTime } from '../e2e/lib/conf.mjs';
import { connected } from '../e2e/lib/hosts.mjs';
import { Ledger, Member, program } from '../e2e/lib/history.mjs';
import { acquainted, monitored } from '../e2e/lib/sentinel.mjs';

const ROOMS = 20, HOSTS = 3, STILL_MS = 20000;
const any = (list) => list[Math.floor(Math.random() * list.length)];
const conf = (m) => `
worker_timeout = 60s
drain_time = 5s
${stopTime}
redis { sentinels = {${m.sentinels.map((s) =>
	`"redis://127.0.0.1:${s.port}"`).join(', ')}} master = "${m.name}" }
store { bytes = 256MB room_bytes = 64MB }
namespace "/cut" { auth = none
    room "k:{r}" { join = open history = 100000 }
    event "n" { to = room:room self = true ack = accepted } }
route "/ws/cut" { namespace = "/cut" }
`;

/* Some that there are always three of. */
export class Hosts {
	static async start(m, made = conf) {
		const h = new Hosts();
		Object.assign(h, { m, made });
		h.logs = '';
		h.list = await Promise.all([...Array(HOSTS)].map(() => h.one()));
		await Promise.all(h.list.map((d) => connected(d)));
		return h;
	}
	async one() {
		const d = await Daemon.start({ workers: 2,
			conf: this.made(this.m) });
		d.mayDie = true;
		return d;
	}
	get port() { return any(this.list).port; }
	/* Without a word, as when the machine is switched off. */
	async replace() {
		const i = Math.floor(Math.random() * HOSTS), d = this.list[i];
		const pids = [d.pid, ...d.children().map((c) => c.pid)];
		for (const pid of pids)
			try {
				process.kill(pid, 'SIGKILL');
			} catch { /* it has gone by itself */ }
		await d.exited;
		this.list[i] = await this.one();
	}
	async stop() {
		for (const d of this.list)
			await d.stop();
	}
}

export class Cutter {
	constructor(hosts, members, kinds, still) {
		Object.assign(this, { hosts, members, kinds, still, count: {} });
	}
	kill(child) {
		if (child !== undefined)
			try {
				process.kill(child.pid, 'SIGKILL');
			} catch { /* it has gone by itself */ }
	}
	/* The master does not answer: shorter than Sentinels notice, or longer. */
	async stand() {
		const { servers, sentinels } = this.hosts.m;
		for (const s of sentinels)
			s.signal('SIGSTOP');
		for (const s of servers)
			s.signal('SIGSTOP');
		await sleep(this.still);
		for (const s of [...servers, ...sentinels])
			s.signal('SIGCONT');
	}
	async failover() {
		const { sentinels, name } = this.hosts.m;
		const c = await sentinels[0].client();
		const r = await c.do('SENTINEL', 'FAILOVER', name)
		    .catch((e) => e.message);
		c.close();
		if (r !== 'OK')
			this.count.refused = (this.count.refused ?? 0) + 1;
	}
	async one() {
		const kind = any(this.kinds), d = any(this.hosts.list);
		const workers = d.children().filter((c) => c.role === 'worker');
		this.count[kind] = (this.count[kind] ?? 0) + 1;
		switch (kind) {
		case 'connections':
			for (let i = 0; i < 10; i++)
				any(this.members).cut();
			return sleep(100);
		case 'workers':
			this.kill(any(workers));
			return sleep(1500 * slow);
		case 'relays':
			this.kill(d.relay());
			return sleep(1500 * slow);
		case 'daemons':
			await this.hosts.replace();
			return sleep(1000 * slow);
		case 'redis':
			await this.stand();
			return sleep(3000 * slow);
		case 'failover':
			await this.failover();
			return sleep(5000 * slow);
		}
	}
	/* Each kind at least once, the rest by chance. */
	async run(ms) {
		const end = Date.now() + ms, all = this.kinds;
		for (const kind of new Set(all)) {
			this.kinds = [kind];
			await this.one();
		}
		this.kinds = all;
		while (Date.now() < end)
			await this.one();
	}
}

/* Everybody is back, and hears the last event of its room.  Who hears nothing new
 * for so long hears no more. */
async function settle(hosts, members, quiet) {
	const missing = () => members.filter((m) => !m.alive || !m.joined);
	for (const d of hosts.list)
		await connected(d, true, 60000);
	await until(() => missing().length === 0, 'all to be back', 60000);
	await sleep(3000 * slow);	/* acks that nobody gives, what waits */
	const last = new Map();
	const say = (m) => m.ask('n', { room: m.room, text: 'last' }, (r) => {
		if (r.offset === undefined)
			setTimeout(() => m.alive && say(m), 200);
		else
			last.set(m.room, r);
	});
	const rooms = new Map(members.map((m) => [m.room, m]));
	for (const m of rooms.values())
		say(m);
	await until(() => last.size === rooms.size, 'the last acks', 30000);
	const behind = () => members.filter((m) => {
		const r = last.get(m.room);
		return m.since?.epoch !== r.epoch || m.since.offset < r.offset;
	});
	const places = () => members.map((m) => m.since?.offset).join();
	let was = '', since = Date.now();
	return until(() => {
		if (places() !== was) {
			was = places();
			since = Date.now();
		}
		return behind().length === 0 || Date.now() - since > quiet * slow;
	}, '', 20000).then(() => {
		if (behind().length > 0)
			throw new Error('they stay');
	}).then(() => [], () => behind().map((m) => `${m.id} stays at ${
		m.since?.epoch}:${m.since?.offset}, and not at ${
		JSON.stringify(last.get(m.room))}`));
}

/* What was wrong, and what happened. */
export async function cutsOfHosts({ seconds = 600, clients = 200, broken,
	still = STILL_MS, kinds = ['connections', 'connections', 'connections',
		'workers', 'workers', 'relays', 'relays', 'daemons', 'redis',
		'failover'] } = {}) {
	const m = await monitored();
	await acquainted(m);
	const hosts = await Hosts.start(m), ledger = new Ledger();
	const members = [...Array(clients).keys()].map((i) => new Member(hosts,
	    ledger, `k:${i % ROOMS}`, { broken }));
	const cutter = new Cutter(hosts, members, kinds, still);
	let timer;
	try {
		for (const one of members)
			await one.come();
		timer = setInterval(() => {
			for (let i = 0; i < 4; i++)
				any(members).speak();
		}, 10 * slow);
		await cutter.run(seconds * 1000);
		clearInterval(timer);
		for (const words of await settle(hosts, members,
		    broken ? 2000 : 8000))
			ledger.say(words);
		const { wrong, events, gaps, replayed, recovered, joins, refused,
			kept } = ledger;
		return { wrong, counts: { events, kept, refused, joins, recovered,
			replayed, gaps, ...cutter.count } };
	} finally {
		clearInterval(timer);
		for (const one of members)
			one.end();
		await hosts.stop();
		await m.kill();
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await program(cutsOfHosts, { clients: 200,
		seconds: process.env.HISTORY_CUTS_SECONDS ?? 600 });
