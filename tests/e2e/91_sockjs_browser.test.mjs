/*
 * sockjs-client in Debian's Chromium: each of its transports, from a page of the
 * same origin and from one of another.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { Daemon, here, tempdir, until } from './lib/daemon.mjs';

const script = path.join(here, 'node_modules/sockjs-client/dist/sockjs.min.js');
const profile = tempdir();
let d, context;

before(async () => {
	d = await Daemon.start({ workers: 2, conf: `
hosts = {"127.0.0.1", "localhost"}
allowed_origins = {"http://localhost:*", "http://127.0.0.1:*"}
sockjs { client_url = "http://127.0.0.1/sockjs.min.js" response_bytes = 4KiB }
namespace "/k" { auth = none sockjs = true
    event "say" { to = sender meta = off } }` });
	context = await chromium.launchPersistentContext(profile, {
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
		headless: true,
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
			'--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync'],
	});
	/* what the iframe page asks for */
	await context.route('**/sockjs.min.js', (r) => r.fulfill({ path: script,
		contentType: 'text/javascript' }));
});
after(async () => {
	await context?.close();
	await d?.stop();
	fs.rmSync(profile, { recursive: true, force: true });
});

/* 100 messages there and back, of each kind of text. */
async function talk(page, transport) {
	await page.evaluate(([url, t]) => {
		window.got = [];
		window.open = window.end = undefined;
		const s = new window.SockJS(url, null, { transports: [t],
			timeout: 20000 });
		s.onopen = () => {
			window.open = s.transport;
			for (let i = 0; i < 100; i++)
				s.send(JSON.stringify({ event: 'say', data: { i,
					text: 'ä \u2028 </script> \\ "'.repeat(5) } }));
		};
		s.onmessage = (e) => {
			window.got.push(JSON.parse(e.data).data);
			if (window.got.length === 100)
				s.close();
		};
		s.onclose = (e) => { window.end = e.code; };
	}, [d.url('/ws/k'), transport]);
	await until(() => page.evaluate(() => window.end), `the end on ${transport}`,
	    30000);
	const { got, open, end } = await page.evaluate(() => ({ got: window.got,
		open: window.open, end: window.end }));
	assert.deepEqual([open, end], [transport, 1000]);
	assert.deepEqual(got.map((m) => m.i), [...Array(100).keys()]);
	assert.ok(got.every((m) => m.text ===
	    'ä \u2028 </script> \\ "'.repeat(5)));
}

for (const [host, transports] of [
	['127.0.0.1', ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling']],
	['localhost', ['websocket', 'xhr-streaming', 'xhr-polling',
		'iframe-eventsource', 'iframe-htmlfile', 'iframe-xhr-polling']]])
	for (const t of transports)
		test(`${t}, from a page of ${host}`, async () => {
			const page = await context.newPage();
			await page.goto(`http://${host}:${d.port}/`);
			await page.addScriptTag({ path: script });
			await talk(page, t);
			await page.close();
		});
