/*
 * EventSource of Debian's Chromium: eight tabs, of which each misses nothing
 * while workers end.  A browser has six connections to a host over HTTP/1.1, so
 * they use two names of it.  And its WebSocket, compressed.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { ask, connect } from './lib/clients.mjs';
import { Daemon, tempdir, top, until } from './lib/daemon.mjs';
import { mint, now, secret } from './lib/token.mjs';

const profile = tempdir();
const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = `
hosts = {"127.0.0.1", "localhost"}
jwt { secret = "${secret}" query = token }
auth_warning = 30s
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish"} } }
namespace "/chat" { auth = required
    room "own:{id}" { join = "self:id" history = 100 }
    room "board" { join = open history = 100 } }
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 1000 }
    event "say" { to = room:room self = true ack = accepted member = off } }
namespace "/raw" { auth = none
    event "message" { to = sender meta = off } }
route "/raw" { namespace = "/raw" format = raw }`;
let d, context;

before(async () => {
	d = await Daemon.start({ workers: 2, conf });
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
	await d?.stop();
	fs.rmSync(profile, { recursive: true, force: true });
});

const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
async function tab(host) {
	const page = await context.newPage();
	await page.goto(`http://${host}:${d.port}/`);
	await page.evaluate(() => {
		window.got = [];
		window.joins = window.gaps = 0;
		const s = new EventSource('/sse/k?room=k:1');
		s.addEventListener('say',
		    (e) => window.got.push(JSON.parse(e.data).data.i));
		s.addEventListener('roost:joined', () => { window.joins++; });
		s.addEventListener('roost:gap', () => { window.gaps++; });
	});
	return page;
}
const all = (tabs, f, what) => Promise.all(tabs.map((page) =>
	until(() => page.evaluate(f.f, f.arg), what, 30000)));
async function say(from, to) {
	const s = await until(() => connect(d, '/k').catch(() => false),
	    'a worker', 20000);
	for (const i of range(from, to))
		await ask(s, 'say', { room: 'k:1', i });
	s.close();
}

test('eight tabs hear all, in order, through the death of workers', async () => {
	const tabs = [];
	for (const host of ['127.0.0.1', 'localhost'])
		for (let i = 0; i < 4; i++)
			tabs.push(await tab(host));
	await all(tabs, { f: () => window.joins === 1 }, 'the join');
	await d.counts('sse_open', 8);
	await say(1, 20);
	await all(tabs, { f: () => window.got.length === 20 }, '20 events');
	d.mayDie = true;
	d.children().filter((c) => c.role === 'worker')
	    .forEach((c) => process.kill(c.pid, 'SIGKILL'));
	await say(21, 40);
	await all(tabs, { f: () => window.got.length >= 40 }, '40 events');
	for (const page of tabs) {
		assert.deepEqual(await page.evaluate(() => window.got),
		    range(1, 40));
		assert.equal(await page.evaluate(() => window.gaps), 0);
		await page.close();
	}
	await d.counts('sse_open', 0);
});

/* --- what the manual shows ------------------------------------------------- */

const manual = fs.readFileSync(`${top}/man/roost-protocol.7`, 'utf8');
/* The example behind this line, as it is read. */
function example(line) {
	const text = manual.slice(manual.indexOf(line));
	assert.ok(text.startsWith(line), `the manual says "${line}"`);
	return text.slice(text.indexOf('\n', text.indexOf('\n.Bd ') + 1),
	    text.indexOf('\n.Ed')).replaceAll('\\e', '\\');
}
async function publish(room, i) {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: 'chat', room,
			event: 'notice', data: i }) });
	assert.equal(r.status, 200);
}

test('the feed of the manual goes on when its page is loaded anew', async () => {
	const code = example('A feed that goes on where it was');
	const page = await context.newPage();
	const load = async (claims) => {
		await page.goto(`http://127.0.0.1:${d.port}/`);
		await page.evaluate(([text, token, later]) => {
			window.shown = [];
			window.gaps = window.tokens = 0;
			window.user = 'carol';
			window.token = token;
			window.show = (x) => window.shown.push(x);
			window.reloadAll = () => { window.gaps++; };
			window.newToken = async () => {
				window.tokens++;
				return later;
			};
			eval(`${text}\nopen();`);
		}, [code, mint({ sub: 'carol', ...claims }),
			mint({ sub: 'carol', exp: now() + 3600 })]);
	};
	const shows = (wanted) => until(async () => JSON.stringify(
	    await page.evaluate(() => window.shown)) === JSON.stringify(wanted),
	    `${wanted} to be shown`, 20000);
	const last = (n) => until(async () => new RegExp(`:${n}$`).test(
	    await page.evaluate(() => localStorage.getItem('feed'))),
	    'its place', 20000);
	await load({ exp: now() + 3600 });
	await last(0);
	await publish('own:carol', 1);
	await shows([1]);
	await page.goto('about:blank');
	await publish('own:carol', 2);
	/* the next token is soon over, and another is taken */
	await load({ exp: now() + 3 });
	await shows([2]);
	await until(() => page.evaluate(() => window.tokens === 1), 'a token',
	    20000);
	await publish('own:carol', 3);
	await shows([2, 3]);
	await d.counts('sse_open', 1);
	/* what another version of the page had seen */
	await page.evaluate(() => localStorage.setItem('feed', 'a:1,b:2'));
	await load({ exp: now() + 3600 });
	await last(3);
	assert.equal(await page.evaluate(() => window.gaps), 1);
	await page.close();
	await d.counts('sse_open', 0);
});

test('the board of the manual is drawn when it has changed', async () => {
	const drawn = [];
	let look;
	Function('fetch', 'setInterval', 'token', 'draw',
	    example('the newest of a room every few seconds'))(
	    (url, init) => fetch(url.replace('https://host',
		`http://127.0.0.1:${d.port}`), init),
	    (f) => { look = f; }, mint({ sub: 'x', exp: now() + 3600 }),
	    (x) => drawn.push(x));
	await look();
	await look();
	await publish('board', 1);
	await publish('board', 2);
	await look();
	await look();
	await publish('board', 3);
	await look();
	assert.deepEqual(drawn, [undefined, 2, 3]);
});

test('a page that asks as it did before misses nothing', async () => {
	const page = await context.newPage();
	const ask = (since) => page.evaluate(async ([since, token]) =>
		(await fetch(`/poll/chat?room=own:carol&wait=30&since=${since}`,
		    { headers: { Authorization: `Bearer ${token}` } })).json(),
	[since, mint({ sub: 'carol', exp: now() + 3600 })]);
	const load = () => page.goto(`http://127.0.0.1:${d.port}/`);
	await load();
	const { next } = await ask(0);
	const waits = ask(next);
	await d.counts('longpolls_waiting', 1);
	await publish('own:carol', 11);
	assert.deepEqual((await waits).events.map((e) => e.data), [11]);
	/* before it has written down where it is */
	await load();
	const again = ask(next);
	await d.counts('longpolls_waiting', 1);
	await publish('own:carol', 12);
	assert.deepEqual((await again).events.map((e) => e.data), [11, 12]);
	await page.close();
});

test('its WebSocket agrees on permessage-deflate, and texts and bytes come back', async () => {
	const page = await context.newPage();
	await page.goto(`http://127.0.0.1:${d.port}/`);
	const was = await Promise.all(['ws_inflated', 'ws_deflated'].map((n) => d.metric(n)));
	const got = await page.evaluate(() => new Promise((ok, no) => {
		const ws = new WebSocket(`ws://${location.host}/raw`);
		const sent = ['', 'x', 'é😀'.repeat(5000), 'words and words '.repeat(10000),
			new Uint8Array(100000).fill(7), new Uint8Array([0, 255])];
		const wrong = [];
		let n = 0;
		ws.binaryType = 'arraybuffer';
		ws.onopen = () => sent.forEach((m) => ws.send(m));
		ws.onmessage = ({ data }) => {
			const m = sent[n++];
			const same = typeof m === 'string' ? m === data :
			    m.length === data.byteLength &&
			    new Uint8Array(data).every((b, i) => b === m[i]);
			if (!same)
				wrong.push(n);
			if (n === sent.length)
				ok({ wrong, extensions: ws.extensions });
		};
		ws.onclose = (e) => no(new Error(`closed: ${e.code}`));
	}));
	assert.deepEqual(got.wrong, []);
	assert.match(got.extensions, /^permessage-deflate/);
	await d.counts('ws_inflated', (n) => n >= was[0] + 3);
	await d.counts('ws_deflated', (n) => n >= was[1] + 3);
	await page.close();
});
