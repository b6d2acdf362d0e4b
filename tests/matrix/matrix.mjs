/*
 * Real clients of several versions (socket.io-client, and engine.io-client on
 * a route) against one daemon, over a network that cuts them off: all versions
 * × websocket, polling, upgrade × Node, Chromium, in a few rooms where events
 * are published steadily.  Nobody may miss, see twice or see swapped what his
 * session should have seen (ledger.mjs says what that is).
 *
 *	publishers ──HTTP, websocket──► roostd ◄──── cutter ◄──── members
 *	     │                       workers, relay   resets, FIN,   Node processes,
 *	     └► ledger ◄── what each member saw ───── half-open      Chromium pages
 *
 * usage: ROOSTD=... node matrix.mjs [--clients N] [--seconds N] [--kills]
 *	[--no-browser] [--workers N]
 */
import crypto from 'node:crypto';
import { fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Daemon, sleep, slow, until } from '../e2e/lib/daemon.mjs';
import { Ledger } from './ledger.mjs';
import { Pages } from './pages.mjs';
import { Publishers } from './publishers.mjs';

export const versions = ['socket.io-client-4.0', 'socket.io-client-4.4',
	'socket.io-client-4.6', 'socket.io-client', 'engine.io-client'];
const ways = {
	websocket: ['websocket'],
	polling: ['polling'],
	upgrade: ['polling', 'websocket'],
};
const key = 'matrix';
const conf = `
recovery { window = 2m packets = 1000 bytes = 1MB }
heartbeat { interval = 8s timeout = 6s }
allowed_origins = {"*"}
cors { origins = {"*"} }
api { key "backend" { sha256 = "${crypto.createHash('sha256').update(key)
    .digest('hex')}" allow = {"publish"} } }
namespace "/m" { auth = none
    room "{r}" { join = open }
    event "n" { to = room:room meta = off ack = accepted } }
route "/stream/{room}" { namespace = "/m" join = "{room}" format = engine }
`;

/* A process of ours, asked and answered. */
class Child {
	constructor(name, args = []) {
		const file = fileURLToPath(new URL(name, import.meta.url));
		this.p = fork(file, args.map(String), { serialization: 'advanced' });
		this.asked = new Map();
		this.hello = new Promise((ok) => { this.ok = ok; });
		this.p.on('message', (m) => {
			if (m.re === undefined)
				this.ok(m);
			else
				this.asked.get(m.re)(m);
		});
		this.p.on('exit', (code) => {
			if (code && !this.ended)
				console.error(`${path.basename(file)}: ${code}`);
		});
	}
	send(m) { this.p.send(m); }
	ask(m) {
		const id = this.asked.size;
		return new Promise((ok) => {
			this.asked.set(id, ok);
			this.p.send({ ...m, id });
		});
	}
	async start(specs) { this.send({ specs }); }
	state() { return this.ask({ state: true }); }
	async hush() { this.send({ hush: true }); }
	async report() { return (await this.ask({ report: true })).report; }
	async end() {
		this.ended = true;
		if (this.p.connected)
			this.p.disconnect();
	}
}

/* Which member is of which kind, where; evenly. */
function makeSpecs(o, ports) {
	const cells = [];
	for (const browser of o.browser ? [false, true] : [false])
		for (const version of versions)
			for (const way of Object.keys(ways))
				cells.push({ browser, version, way });
	const kinds = versions.length * Object.keys(ways).length;
	const count = (c) => Math.ceil(c.browser ? o.pageClients / kinds :
	    (o.clients - (o.browser ? o.pageClients : 0)) / kinds);
	let n = 0;
	return cells.flatMap((c) => Array.from({ length: count(c) }, () => {
		n++;
		return { ...c, client: `${c.version.replace('socket.io-client',
		    'v')}-${c.way}-${c.browser ? 'page' : 'node'}-${n}`,
		room: `r${n % o.rooms}`, nsp: '/m', transports: ways[c.way],
		speak: o.speak,
		/* a browser has few connections for each host */
		url: `http://${ports[n % ports.length]}` };
	}));
}

async function killWorkers(d, o, figures) {
	while (!o.stopping) {
		await sleep(o.killEvery);
		const list = d.children().filter((c) => c.role === 'worker');
		if (o.stopping || list.length < o.workers)
			continue;
		process.kill(list[Math.floor(Math.random() * list.length)].pid,
		    'SIGKILL');
		figures.kills++;
	}
}

/* Until everybody is where it should be. */
async function allReady(groups, what, ms) {
	let left = [];
	await until(async () => {
		const states = await Promise.all(groups.map((g) => g.state()));
		left = states.flatMap((s) => s.unready);
		return left.length === 0 && states.every((s) => s.made);
	}, what, ms).catch((e) => {
		throw new Error(`${e.message}: ${left.length} are not there: ${
		    left.slice(0, 10)}`);
	});
}

/* What all have to say, and what is wrong with it. */
async function hear(groups, ledger, wanted) {
	const all = (await Promise.all(groups.map((g) => g.report()))).flat();
	for (const m of all)
		for (const [p, e] of Object.entries(m.published))
			ledger.add(p, e);
	const bad = ledger.judge(all.flatMap((m) => m.sessions));
	if (all.length !== wanted)
		bad.push(`${all.length} clients of ${wanted}`);
	for (const m of all)
		bad.push(...m.wrong.map((w) => `${m.client}: ${w}`));
	return { all, bad };
}

function sumUp(figures, all, ledger) {
	Object.assign(figures, { clients: all.length, begun: ledger.begun,
		certain: ledger.certain, received: 0, polling: 0, websocket: 0,
		sessions: 0, recovered: 0, fresh: 0, reasons: {}, errors: {},
		byVersion: {} });
	for (const m of all) {
		figures.polling += m.on.polling;
		figures.websocket += m.on.websocket;
		figures.sessions += m.sessions.length;
		figures.recovered += m.recovered;
		figures.fresh += m.fresh - 1;
		const v = figures.byVersion[m.client.replace(/-\d+$/, '')] ??=
		    { recovered: 0, fresh: 0 };
		v.recovered += m.recovered;
		v.fresh += m.fresh - 1;
		for (const s of m.sessions)
			figures.received += s.events;
		for (const k of ['reasons', 'errors'])
			for (const [why, n] of Object.entries(m[k]))
				figures[k][why] = (figures[k][why] ?? 0) + n;
	}
	figures.worst = Math.max(...all.map((m) => m.fresh + m.recovered - 1));
}

async function counters(d) {
	const names = ['recovered', 'recovery_failed', 'eio_forwarded',
		'eio_unknown_sid', 'eio_repeated', 'eio_upgrades',
		'bus_dropped', 'memory_failures'];
	const list = {};
	for (const n of names)
		list[n] = await d.metric(n);
	return list;
}

/*
 * o:	clients, pageClients (of them), rooms, seconds, cutEvery (ms), workers,
 *	publishEvery and speak (ms), browser, killEvery (ms, 0: none), fault;
 *	it takes longer than seconds while fewer than kills and recoveries are
 * The figures; { bad }: what is wrong, in sentences.
 */
export async function matrix(o) {
	const figures = { kills: 0 };
	const ledger = new Ledger();
	const d = await Daemon.start({ conf, workers: o.workers });
	d.mayDie = Boolean(o.killEvery);
	const cutter = new Child('cutter.mjs', [d.port, o.browser ? 100 : 1]);
	const groups = [];
	let pages, publishers;
	try {
		const { ports } = await cutter.hello;
		const specs = makeSpecs(o, ports), made = specs.length;
		for (let i = 0; i < o.processes; i++) {
			groups.push(new Child('crowd.mjs'));
			await groups[i].start(specs.filter((s, n) => !s.browser &&
			    n % o.processes === i));
		}
		if (o.browser) {
			pages = await Pages.open(versions);
			for (const [v, page] of pages.pages) {
				await page.start(specs.filter((s) => s.browser &&
				    s.version === v));
				groups.push(page);
			}
		}
		await allReady(groups, 'all to join', 60000);
		publishers = new Publishers({ port: d.port, nsp: '/m', key,
			ledger, every: o.publishEvery },
		Array.from({ length: o.rooms }, (_, i) => `r${i}`));
		cutter.send({ every: o.cutEvery });
		const killer = o.killEvery ? killWorkers(d, o, figures) : null;
		if (o.fault) {
			await sleep(200);
			cutter.send({ fault: o.fault });
			await until(async () => (await cutter.ask({
				report: true })).faults === 1, 'the fault', 30000);
		}
		await sleep(o.seconds * 1000);
		await until(async () => figures.kills >= o.kills &&
		    await d.metric('recovered') >= o.recoveries,
		`${o.recoveries} to come back, ${o.kills} killed`, 30000);
		o.stopping = true;
		await killer;
		cutter.send({ every: 0 });
		await Promise.all(groups.map((g) => g.hush()));
		await publishers.stop();
		await allReady(groups, 'all to be back', 45000);
		let heard;
		await until(async () => {
			heard = await hear(groups, ledger, made);
			return heard.bad.length === (o.fault ? 1 : 0);
		}, 'the last events', 20000).catch(() => {});
		sumUp(figures, heard.all, ledger);
		const { cuts, faults } = await cutter.ask({ report: true });
		return { ...figures, cuts, faults, counters: await counters(d),
			bad: heard.bad };
	} finally {
		o.stopping = true;
		publishers?.stop().then(() => publishers.close());
		await Promise.allSettled(groups.map((g) => g.end()));
		await pages?.close();
		await cutter.end();
		await d.stop();
	}
}

export const small = { clients: 60, pageClients: 0, rooms: 3, seconds: 6,
	cutEvery: 100, workers: 3, publishEvery: 300, speak: 3000,
	browser: false, processes: 1, killEvery: 0, kills: 0, recoveries: 0 };
export const large = { clients: 1000, pageClients: 195, rooms: 20,
	seconds: 300, cutEvery: 30, workers: 4, publishEvery: 4000,
	speak: 80000, browser: true, processes: 3, killEvery: 0, kills: 0,
	recoveries: 0 };

export function print(f) {
	const pairs = (x) => Object.entries(x).map(([k, n]) => `${k} ${n}`)
	    .join(', ');
	console.log(`clients     ${f.clients}, most connections of one ${f.worst
	    }
events      ${f.begun} begun, ${f.certain} acknowledged, ${f.received
	    } received (${f.polling} by polling, ${f.websocket} by websocket)
cuts        ${pairs(f.cuts)}; workers killed ${f.kills}
came back   ${f.recovered} recovered, ${f.fresh} as new sessions
reasons     ${pairs(f.reasons)}
errors      ${pairs(f.errors)}
counters    ${pairs(f.counters)}`);
	for (const [k, v] of Object.entries(f.byVersion))
		console.log(`    ${k}: ${pairs(v)}`);
	for (const b of f.bad.slice(0, 50))
		console.log(`WRONG: ${b}`);
	console.log(`${f.bad.length} wrong`);
}

async function main(args) {
	const o = { ...large };
	for (let a; (a = args.shift());)
		if (a === '--clients')
			o.clients = Number(args.shift());
		else if (a === '--seconds')
			o.seconds = Number(args.shift());
		else if (a === '--workers')
			o.workers = Number(args.shift());
		else if (a === '--kills')
			o.killEvery = 20000;
		else if (a === '--no-browser')
			Object.assign(o, { browser: false, pageClients: 0 });
		else
			throw new Error(`what is ${a}?`);
	const f = await matrix(o);
	print(f);
	process.exit(f.bad.length ? 1 : 0);
}
if (process.argv[1] === fileURLToPath(import.meta.url))
	await main(process.argv.slice(2));
