/*
 * Stock clients of socket.io 4.8, in Node and in pages of Chromium, while the
 * daemon is reloaded, resized and upgraded: none is cut off.  With TLS all are
 * cut off, evenly, and recovered.
 *
 * usage: ROOSTD=... node stock.mjs [OPTION ...]
 *	--clients N	in Node (500)	--pages N	clients in Chromium (0)
 *	--reloads N	(5)		--resizes N	(2)
 *	--upgrades N	(0)		--tls		with TLS
 */
import { fork } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { listenTls } from '../e2e/lib/conf.mjs';
import { Daemon, sleep, slow, tempdir, until } from '../e2e/lib/daemon.mjs';
import { user } from '../e2e/lib/token.mjs';
import { reload, resize, rules, upgrade } from './fleet.mjs';
import { judge, spread } from './stock_ledger.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, '..', 'e2e', 'node_modules');
const DRAIN_MS = 4000;
const ways = [['polling', 'websocket'], ['websocket'], ['polling']];

/* Members in a process of their own. */
class Crowd {
	constructor() {
		this.p = fork(path.join(here, 'stock_crowd.mjs'));
		this.asked = [];
		this.p.on('message', ({ n, value }) => this.asked[n](value));
	}
	ask(what, arg) {
		return new Promise((ok) => {
			this.p.send({ n: this.asked.push(ok) - 1, what, arg });
		});
	}
	async end() {
		await this.ask('end');
		this.p.disconnect();
	}
}

/* ... in a page, whose origin is another one. */
class Pages {
	static async open() {
		const { chromium } = createRequire(path.join(modules, '..',
		    'package.json'))('playwright-core');
		const b = new Pages();
		b.server = http.createServer((req, res) => {
			const js = req.url.endsWith('js');
			res.writeHead(200, { 'Content-Type': js ?
				'text/javascript' : 'text/html' });
			res.end(req.url === '/stock_member.mjs' ?
				fs.readFileSync(path.join(here, 'stock_member.mjs')) :
				js ? fs.readFileSync(path.join(modules,
				    'socket.io-client/dist/socket.io.min.js')) :
				'<!doctype html><script src="/io.js"></script>');
		});
		await new Promise((ok) => b.server.listen(0, '127.0.0.1', ok));
		b.context = await chromium.launchPersistentContext(tempdir(), {
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
			headless: true, ignoreHTTPSErrors: true,
			args: ['--headless', '--no-sandbox', '--disable-gpu',
				'--disable-quic', '--no-first-run',
				'--disable-background-networking',
				'--disable-background-timer-throttling',
				'--disable-renderer-backgrounding',
				'--disable-component-update', '--disable-sync'],
		});
		b.page = await b.context.newPage();
		await b.page.goto(`http://127.0.0.1:${b.server.address().port}/`);
		return b;
	}
	async ask(what, arg) {
		return JSON.parse(await this.page.evaluate(async ([w, a]) => {
			if (w === 'start') {
				const m = await import('/stock_member.mjs');
				globalThis.members = new m.Members(globalThis.io, a);
				return 'null';
			}
			return JSON.stringify(globalThis.members[w]() ?? null);
		}, [what, arg]));
	}
	async end() {
		await this.ask('end');
		await this.context.close();
		this.server.closeAllConnections();
		this.server.close();
	}
}

/* Ten in a room; a browser has few connections for each host by polling. */
function specs(o, d) {
	const n = o.clients + o.pages;
	return Array.from({ length: n }, (_, i) => {
		const page = i % Math.max(1, Math.floor(n / o.pages)) === 0 &&
		    i / Math.floor(n / o.pages) < o.pages;
		return { page, id: i, user: `u${i}`, token: user(`u${i}`),
			room: `g${Math.floor(i / 10)}`, say: o.say * slow,
			transports: page ? (i % 25 === 0 ? ways[0] : ways[1]) :
			    /* in Node each request is a handshake of TLS */
			    o.tls ? ways[i % 10 === 0 ? 2 : i % 2] : ways[i % 3],
			options: { rejectUnauthorized: false },
			url: o.tls ? `https://127.0.0.1:${d.ports[1]}` :
			    `http://127.0.0.1:${d.port}` };
	});
}

const all = async (crowds, what) => (await Promise.all(crowds.map((c) =>
	c.ask(what)))).flat();
const total = async (crowds) => (await all(crowds, 'here'))
    .reduce((a, b) => a + b, 0);

async function pauses(name, crowds) {
	const w = (await all(crowds, 'mark')).sort((a, b) => a - b);
	const at = (q) => w[Math.ceil(q * w.length) - 1].toFixed(1);
	console.log(`${name}: longest pause of each client: p50 ${at(0.5)
	    } p99 ${at(0.99)} worst ${at(1)} ms`);
}

/*
 * o: clients, pages, reloads, resizes, upgrades, tls, say (ms), base (ms).
 * What is wrong.
 */
export async function stock(o) {
	const n = o.clients + o.pages, crowds = [];
	const d = await Daemon.start({ workers: 2, listen: false, conf:
`listen "127.0.0.1:0" {}\n${o.tls ? listenTls() : ''}
allowed_origins = {"*"}
cors { origins = {"*"} }
recovery { window = 2m }
drain_time = ${DRAIN_MS}ms
${rules(5000)}` });
	const bad = [];
	try {
		const list = specs(o, d);
		for (const part of [0, 1]) {
			crowds.push(new Crowd());
			await crowds[part].ask('start', list.filter((s) =>
				!s.page && s.id % 2 === part));
		}
		if (o.pages > 0) {
			crowds.push(await Pages.open());
			await crowds[2].ask('start', list.filter((s) => s.page));
		}
		await until(async () => await total(crowds) === n, 'all', 60000);
		await sleep(1500);
		await all(crowds, 'run');
		await sleep(o.base);
		await pauses('base', crowds);
		for (let i = 0; i < o.reloads; i++) {
			const since = Date.now();
			await reload(d);
			await sleep(1500);
			if (!o.tls)
				continue;
			const s = spread(await all(crowds, 'report'), since,
			    DRAIN_MS);
			console.log(`cut off: ${s.n} over ${Math.round(s.ms)
			    } ms, ${Math.round(s.most * 100)} % of them in a ${
			    ''}tenth of ${DRAIN_MS} ms`);
			if (s.n < n / 2 || s.most > 0.4 || s.ms < DRAIN_MS / 2)
				bad.push('cut off, but not evenly');
		}
		await pauses(`${o.reloads} reloads`, crowds);
		for (let i = 0; i < o.resizes; i++) {
			await resize(d, i % 2 === 0 ? 'SIGTTIN' : 'SIGTTOU');
			await sleep(1000);
		}
		await pauses(`${o.resizes} resizes`, crowds);
		for (let i = 0; i < o.upgrades; i++) {
			await upgrade(d);
			await sleep(1000);
		}
		await pauses(`${o.upgrades} upgrades`, crowds);
		await all(crowds, 'hush');
		let wrong;
		await until(async () => {
			wrong = judge(await all(crowds, 'report'), { cut: o.tls });
			return wrong.length === 0;
		}, 'the last events', 10000).catch(() => {});
		bad.push(...wrong);
		const reports = await all(crowds, 'report');
		const sum = (f) => reports.reduce((a, m) => a + f(m), 0);
		console.log(`${n} clients, ${o.pages} in pages: ${sum((m) =>
			m.said.length)} said, ${sum((m) => Object.values(m.heard)
			.reduce((a, l) => a + l.length, 0))} heard; ${sum((m) =>
			m.cuts.length)} times cut off, ${sum((m) => m.back
			.filter((b) => b.recovered).length)} times recovered; ${
			bad.length} wrong`);
	} finally {
		await Promise.allSettled(crowds.map((c) => c.end()));
		await d.stop().catch((e) => bad.push(e.message));
	}
	return bad;
}

async function main(args) {
	const o = { clients: 500, pages: 0, reloads: 5, resizes: 2, upgrades: 0,
		say: 2000, base: 5000, tls: false };
	for (let a; (a = args.shift()?.slice(2)) !== undefined;)
		if (a === 'tls')
			o.tls = true;
		else if (a in o)
			o[a] = Number(args.shift());
		else
			throw new Error(`what is --${a}?`);
	const bad = await stock(o);
	for (const b of bad.slice(0, 50))
		console.log(`WRONG: ${b}`);
	process.exit(bad.length ? 1 : 0);
}
if (process.argv[1] === fileURLToPath(import.meta.url))
	await main(process.argv.slice(2));
