/*
 * Rooms that keep a history, and 200 clients that are cut by chance: their
 * connections, the workers, the relay, reloads, more and fewer workers.  Some
 * stop to read for a while, so long that they read on in the store.  Each
 * client ends with every event of its room once and in the same order as all
 * others, or was told of a gap.
 *
 * usage: node tests/history/cuts.mjs [--seconds N] [--clients N]
 *            [--kinds connections,workers,relay,reloads,numbers,slow]
 *            [--break lose|double|swap|deaf]
 * Ten minutes by default, or HISTORY_CUTS_SECONDS; ROOSTD names the daemon.
 * With --break the clients do wrong to what they hear, which must be noticed.
 */
import { fileURLToPath } from 'node:url';

import { Daemon, sleep, slow, until } from '../e2e/lib/daemon.mjs';
import { stopTime } from '../e2e/lib/conf.mjs';
import { Ledger, Member, program } from '../e2e/lib/history.mjs';

const ROOMS = 20, WORKERS = 3;
const conf = `
worker_timeout = 60s
drain_time = 10s
${stopTime}
limits { send_queue_bytes = 64KB slow_consumer_timeout = 60s }
store { bytes = 256MB room_bytes = 64MB }
namespace "/cut" { auth = none
    room "k:{r}" { join = open history = 100000 }
    event "n" { to = room:room self = true ack = accepted } }
route "/ws/cut" { namespace = "/cut" }
`;
const any = (list) => list[Math.floor(Math.random() * list.length)];

class Cutter {
	constructor(d, members, kinds) {
		Object.assign(this, { d, members, kinds, cuts: 0, count: {} });
	}
	workers() {
		return this.d.children().filter((c) => c.role === 'worker');
	}
	kill(child) {
		try {
			process.kill(child.pid, 'SIGKILL');
		} catch { /* it has gone by itself */ }
	}
	async one() {
		const kind = any(this.kinds);
		const { d } = this;
		this.count[kind] = (this.count[kind] ?? 0) + 1;
		switch (kind) {
		case 'connections':
			for (let i = 0; i < 10; i++)
				any(this.members).cut();
			return sleep(100);
		case 'slow':
			this.slow();
			return sleep(50);
		case 'workers':
			if (this.workers().length > 1)
				this.kill(any(this.workers()));
			return sleep(1500 * slow);
		case 'relay':
			if (d.relay())
				this.kill(d.relay());
			return sleep(1500 * slow);
		case 'reloads':
			process.kill(d.pid, 'SIGHUP');
			return sleep(700 * slow);
		case 'numbers':
			process.kill(d.pid, this.workers().length > WORKERS ?
			    'SIGTTOU' : 'SIGTTIN');
			return sleep(700 * slow);
		}
	}
	/* It does not read while much is said in its room. */
	slow() {
		const m = any(this.members);
		if (!m.alive || !m.joined || m.ws.s.sock.isPaused())
			return;
		const { sock } = m.ws.s;
		const others = this.members.filter((o) => o.room === m.room &&
		    o !== m);
		sock.pause();
		for (let i = 0; i < 40 && others.length > 0; i++)
			any(others).speak('x'.repeat(20000));
		setTimeout(() => sock.resume(), 1500 + Math.random() * 1500);
	}
	async run(ms) {
		const end = Date.now() + ms;
		while (Date.now() < end)
			await this.one();
	}
}

/* Everybody is back, and hears the last event of its room. */
async function settle(members) {
	const missing = () => members.filter((m) => !m.alive || !m.joined);
	await until(() => missing().length === 0, () => `all to be back: ${
	    missing().length} are not`, 60000);
	await sleep(2500 * slow);	/* acks that nobody gives */
	const last = new Map();
	for (const m of members)
		if (!last.has(m.room)) {
			last.set(m.room, undefined);
			m.ask('n', { room: m.room, text: 'last' }, (r) => {
				last.set(m.room, r);
			});
		}
	await until(() => [...last.values()].every((r) => r !== undefined),
	    'the last acks', 20000);
	const behind = () => members.filter((m) => {
		const r = last.get(m.room);
		return m.since?.epoch !== r.epoch || m.since.offset !== r.offset;
	});
	/* who hears nothing new for a while hears no more */
	const places = () => members.map((m) => m.since?.offset).join();
	let was = '', since = Date.now();
	return until(() => {
		if (places() !== was) {
			was = places();
			since = Date.now();
		}
		return behind().length === 0 ||
		    Date.now() - since > 3000 * slow;
	}, '', 20000).then(() => {
		if (behind().length > 0)
			throw new Error('they stay');
	}).then(() => [], () => behind().map((m) => `${m.id} stays at ${
		m.since?.epoch}:${m.since?.offset}, and not at ${
		JSON.stringify(last.get(m.room))}`));
}

/* What was wrong, and what happened. */
export async function cuts({ seconds = 600, clients = 200, broken,
	kinds = ['connections', 'connections', 'workers', 'relay', 'reloads',
		'numbers', 'slow', 'slow'] } = {}) {
	const d = await Daemon.start({ workers: WORKERS, conf });
	d.mayDie = true;
	const ledger = new Ledger();
	const members = [...Array(clients).keys()].map((i) => new Member(d,
	    ledger, `k:${i % ROOMS}`, { broken }));
	const cutter = new Cutter(d, members, kinds);
	let timer;
	try {
		for (const m of members)
			await m.come();
		timer = setInterval(() => {
			for (let i = 0; i < 4; i++)
				any(members).speak();
		}, 5 * slow);
		await cutter.run(seconds * 1000);
		clearInterval(timer);
		for (const words of await settle(members))
			ledger.say(words);
		const cursors = await d.metric('cursors_done');
		const { wrong, events, gaps, replayed, recovered, joins, refused,
			kept } = ledger;
		return { wrong, counts: { events, cursors, kept, refused, joins, recovered,
			replayed, gaps, ...cutter.count } };
	} finally {
		clearInterval(timer);
		for (const m of members)
			m.end();
		await d.stop();
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await program(cuts, { clients: 200,
		seconds: process.env.HISTORY_CUTS_SECONDS ?? 600 });
