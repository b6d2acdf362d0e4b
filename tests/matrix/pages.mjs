/*
 * Members in Chromium: a page for each version, which loads that version's
 * own browser bundle.  The pages come from a small server of ours, so all
 * that they do with the daemon is cross-origin.
 */
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { tempdir } from '../e2e/lib/daemon.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, '..', 'e2e', 'node_modules');

function serve(req, res) {
	const [, kind, name] = req.url.split('/');
	const type = { 'Content-Type': 'text/javascript' };
	if (kind === 'page') {
		res.writeHead(200, { 'Content-Type': 'text/html' });
		res.end('<!doctype html><title>matrix</title>' +
		    `<script src="/bundle/${name}"></script>`);
	} else if (kind === 'bundle') {
		res.writeHead(200, type);
		res.end(fs.readFileSync(path.join(modules, name, 'dist',
		    name === 'engine.io-client' ? 'engine.io.min.js' :
		    'socket.io.min.js')));
	} else if (/^(member|ledger)\.mjs$/.test(kind)) {
		res.writeHead(200, type);
		res.end(fs.readFileSync(path.join(here, kind)));
	} else {
		res.writeHead(404).end();
	}
}

class Page {
	constructor(page) {
		this.page = page;
	}
	start(specs) {
		return this.page.evaluate(async (list) => {
			const { Members } = await import('/member.mjs');
			globalThis.members = new Members(() => globalThis.io ??
			    function f(...a) { return globalThis.eio(...a); },
			list);
		}, specs);
	}
	state() { return this.page.evaluate(() => globalThis.members.state()); }
	hush() { return this.page.evaluate(() => globalThis.members.hush()); }
	/* as text: sockets do not come along, and it is quicker */
	async report() {
		return JSON.parse(await this.page.evaluate(() =>
			JSON.stringify(globalThis.members.report())));
	}
	end() { return this.page.evaluate(() => globalThis.members.end()); }
}

export class Pages {
	static async open(versions) {
		const { chromium } = createRequire(path.join(modules, '..',
		    'package.json'))('playwright-core');
		const b = new Pages();
		b.profile = tempdir();
		b.server = http.createServer(serve);
		await new Promise((ok) => b.server.listen(0, '127.0.0.1', ok));
		b.context = await chromium.launchPersistentContext(b.profile, {
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
			headless: true,
			args: ['--headless', '--no-sandbox', '--disable-gpu',
				'--disable-quic', '--no-first-run',
				'--disable-background-networking',
				'--disable-background-timer-throttling',
				'--disable-renderer-backgrounding',
				'--disable-backgrounding-occluded-windows',
				'--disable-component-update', '--disable-sync'],
		});
		b.pages = new Map();
		for (const v of versions) {
			const page = await b.context.newPage();
			await page.goto(`http://127.0.0.1:${b.server.address().port
			    }/page/${v}`);
			b.pages.set(v, new Page(page));
		}
		return b;
	}
	async close() {
		await this.context.close();
		this.server.closeAllConnections();
		this.server.close();
		fs.rmSync(this.profile, { recursive: true, force: true });
	}
}
