/*
 * Three pages of Debian's Chromium type into one document, by y-websocket as it
 * is, from its modules; one of them is offline meanwhile.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { Daemon, here, sleep, slow, tempdir, until } from './lib/daemon.mjs';

const seconds = process.env.E2E_LONG === '1' ? 60 : 10;
const profile = tempdir();
const modules = path.join(here, 'node_modules');
let d, context, pages;

/* What a bundler would do: the names of all modules that are exported. */
function imports() {
	const map = {};
	for (const name of ['yjs', 'y-websocket', 'y-protocols', 'lib0']) {
		const o = JSON.parse(fs.readFileSync(
		    path.join(modules, name, 'package.json')));
		const pick = (v) => typeof v === 'string' ? v :
		    pick(v.browser ?? v.module ?? v.import ?? v.default);
		for (const [k, v] of Object.entries(o.exports ?? {})) {
			const to = pick(v);
			if (!to || !/js$/.test(to) || k.includes('*'))
				continue;
			map[path.posix.join(name, k)] =
			    `/${path.posix.join(name, to)}`;
		}
	}
	return map;
}
/* A text field that is a text of Yjs. */
const page = () => `<!DOCTYPE html><script type="importmap">${
	JSON.stringify({ imports: imports() })}</script>
<textarea id="t" rows="20" cols="80"></textarea>
<script type="module">
import * as Y from 'yjs';
import { WebsocketProvider } from 'y-websocket';
const doc = new Y.Doc(), text = doc.getText('t'), t = document.all.t;
const p = new WebsocketProvider('ws://127.0.0.1:${d.port}/yjs', 'page/1', doc,
    { disableBc: true, maxBackoffTime: 500 });
t.addEventListener('input', () => {
	const a = text.toString(), b = t.value;
	let i = 0, j = 0;
	while (i < a.length && i < b.length && a[i] === b[i])
		i++;
	while (j < a.length - i && j < b.length - i &&
	    a[a.length - 1 - j] === b[b.length - 1 - j])
		j++;
	doc.transact(() => {
		text.delete(i, a.length - i - j);
		text.insert(i, b.slice(i, b.length - j));
	}, t);
});
text.observe((e, tr) => {
	if (tr.origin === t)
		return;
	const at = t.selectionStart;
	t.value = text.toString();
	t.setSelectionRange(at, at);
});
p.awareness.setLocalStateField('user', location.hash);
Object.assign(window, { p, text, users: () => p.awareness.getStates().size });
</script>`;

before(async () => {
	d = await Daemon.start({ workers: 2, conf: `
allowed_origins = {"http://127.0.0.1:*"}
namespace "/docs" { auth = none
    room "yjs:{doc*}" { history = 100000 yjs = true } }
route "/yjs/{doc*}" { namespace = "/docs" join = "yjs:{doc}" format = yjs
    compact = 100 }` });
	pages = http.createServer((rq, rs) => {
		if (rq.url === '/') {
			rs.setHeader('Content-Type', 'text/html');
			rs.end(page());
			return;
		}
		rs.setHeader('Content-Type', 'text/javascript');
		fs.createReadStream(path.join(modules, rq.url))
		    .on('error', () => rs.writeHead(404).end()).pipe(rs);
	});
	await new Promise((ok) => pages.listen(0, '127.0.0.1', ok));
	context = await chromium.launchPersistentContext(profile, {
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
		headless: true,
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
			'--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync'],
	});
});
after(async () => {
	await context?.close();
	pages?.closeAllConnections();
	pages?.close();
	await d?.stop();
	fs.rmSync(profile, { recursive: true, force: true });
});

test('three pages type into one document, one offline in the middle', async () => {
	const tabs = [];
	for (let i = 0; i < 3; i++) {
		const tab = await context.newPage();
		await tab.goto(`http://127.0.0.1:${pages.address().port}/`);
		tabs.push(tab);
	}
	const all = (f, what) => Promise.all(tabs.map((tab) => until(
	    () => tab.evaluate(f), what, 30000)));
	await all(() => window.p.synced, 'sync');
	await all(() => window.users() === 3, 'each other');
	const end = Date.now() + seconds * 1000;
	const counts = [0, 0, 0];
	const types = tabs.map(async (tab, i) => {
		await tab.focus('#t');
		while (Date.now() < end) {
			await tab.keyboard.type('abc'[i]);
			counts[i]++;
			if (counts[i] % 10 === 0)
				await tab.keyboard.press('Home');
			await sleep(20);
		}
	});
	await sleep(seconds * 300);
	await tabs[2].evaluate(() => window.p.disconnect());
	await sleep(seconds * 300);
	await tabs[2].evaluate(() => window.p.connect());
	await Promise.all(types);
	const text = await until(async () => {
		const list = await Promise.all(tabs.map((tab) => tab.evaluate(
		    () => window.p.synced && window.text.toString() ===
			document.all.t.value && window.text.toString())));
		return list.every((s) => s && s === list[0]) && list[0];
	}, 'identical texts', 20000 * slow);
	for (const [i, n] of counts.entries())
		assert.equal(text.split('abc'[i]).length - 1, n);
	assert.ok(text.length > seconds * 10, `${text.length} typed`);
});
