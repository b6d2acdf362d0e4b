/*
 * EventSource of Debian's Chromium: eight tabs, of which each misses nothing
 * while workers end.  A browser has six connections to a host over HTTP/1.1, so
 * they use two names of it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { ask, connect } from './lib/clients.mjs';
import { Daemon, tempdir, until } from './lib/daemon.mjs';

const profile = tempdir();
const conf = `
hosts = {"127.0.0.1", "localhost"}
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 1000 }
    event "say" { to = room:room self = true ack = accepted member = off } }`;
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
