/* The demo page in Debian's Chromium: two panes, two workers, one room. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { Daemon, slow, tempdir, top, until } from './lib/daemon.mjs';

const secret = crypto.randomBytes(24).toString('hex');
const key = 'demo-api-key';
const profile = tempdir();
/* where pictures go when somebody wants to look at them */
const shots = process.env.E2E_SCREENSHOTS;
let d, context, page;
const trouble = [];

before(async () => {
	const conf = fs.readFileSync(path.join(top, 'packaging', 'examples',
	    'demo.conf'), 'utf8').replace('127.0.0.1:8080', '127.0.0.1:0');
	d = await Daemon.start({ listen: false, stats: false, workers: 2, conf,
		env: {
			ROOST_DEMO_SECRET: secret,
			ROOST_DEMO_API_SHA256: crypto.createHash('sha256')
			    .update(key).digest('hex'),
			ROOST_DEMO_PAGE: path.join(top, 'packaging', 'www', 'demo.html'),
		} });
	context = await chromium.launchPersistentContext(profile, {
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
		headless: true,
		viewport: { width: 1100, height: 760 },
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
			'--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync'],
	});
	page = context.pages()[0] ?? await context.newPage();
	page.on('console', (m) => {
		if (['error', 'warning'].includes(m.type()))
			trouble.push(m.text());
	});
	page.on('pageerror', (e) => trouble.push(String(e)));
	page.on('request', (r) => {
		if (!/^(data:|blob:)/.test(r.url()) && new URL(r.url()).host !==
		    `127.0.0.1:${d.port}`)
			trouble.push(`request to ${r.url()}`);
	});
});
after(async () => {
	await context?.close();
	await d?.stop();
	fs.rmSync(profile, { recursive: true, force: true });
});

const pane = (n) => page.locator('.pane').nth(n);
const shot = async (name) => {
	if (shots)
		await page.screenshot({ path: path.join(shots, `${name}.png`) });
};
const open = (n) => pane(n).and(page.locator('[data-state="open"]'))
    .waitFor({ timeout: 10000 * slow });
async function say(n, text) {
	await pane(n).locator('input').fill(text);
	await pane(n).locator('button').click();
}
const seen = (n, text) => pane(n).locator('.log .text', { hasText: text })
    .waitFor({ timeout: 5000 * slow });

test('both panes connect, each says its worker, and they differ', async () => {
	await page.goto(`http://127.0.0.1:${d.port}/demo/#secret=${secret}`);
	await open(0);
	await open(1);
	const worker = (n) => pane(n).locator('.worker').textContent();
	await until(async () => {
		const [a, b] = await Promise.all([worker(0), worker(1)]);
		return /worker \d/.test(a) && /worker \d/.test(b) && a !== b;
	}, 'two workers', 10000);
	/* both have said so by then; the page sums it up when they are open */
	await page.locator('#summary', {
		hasText: /alice is on worker \d, bob on worker \d/,
	}).waitFor({ timeout: 10000 * slow });
	await shot('1-connected');
});

test('an empty pane says what to do, and names its worker\'s process',
	async () => {
		for (const [n, other] of [[0, 'bob'], [1, 'alice']]) {
			const hint = pane(n).locator('.log .hint');
			const slot = Number((await pane(n).locator('.worker')
			    .textContent()).match(/\d+/)[0]);
			await until(async () => (await hint.textContent())
			    .includes(`kill -9 ${d.worker(slot).pid}`), 'the pid');
			assert.ok((await hint.textContent()).includes(other));
		}
		await page.setViewportSize({ width: 320, height: 568 });
		await shot('1-connected-320x568');
		assert.equal(await page.evaluate(() =>
		    [...document.querySelectorAll('.log')].filter((e) =>
			e.scrollHeight > e.clientHeight).length), 0,
		'the whole of it');
		await page.setViewportSize({ width: 1100, height: 760 });
	});

test('what one writes both see, with sender and delivery', async () => {
	await say(0, 'Hello bob, from another process!');
	await seen(1, 'Hello bob');
	await seen(0, 'Hello bob');
	assert.match(await pane(1).locator('.log .theirs .meta').last()
	    .textContent(), /^alice · /);
	/* the other one: the sender is no receiver */
	await until(async () => /delivered to 1 other$/.test(await pane(0)
	    .locator('.log .mine .meta').last().textContent()), 'delivery');
	assert.equal(await page.locator('.log .hint').count(), 0);
	await say(1, 'Hi alice. <b>No markup</b> & "quotes" 😀');
	await seen(0, '<b>No markup</b> & "quotes" 😀');
	await shot('2-chat');
});

test('typing is shown on the other side and goes away', async () => {
	await pane(1).locator('input').pressSequentially('hmm');
	await pane(0).locator('.typing', { hasText: 'bob is typing' })
	    .waitFor({ timeout: 5000 * slow });
	await shot('3-typing');
	assert.equal(await pane(1).locator('.typing').textContent(), '');
	await until(async () => await pane(0).locator('.typing')
	    .textContent() === '', 'silence');
	await pane(1).locator('input').fill('');
});

test('a back end publishes to both panes', async () => {
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${key}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify({ namespace: 'demo', event: 'message',
			room: 'lobby', data: { text: 'from the back end' } }) });
	assert.equal(r.status, 200);
	await seen(0, 'from the back end');
	await seen(1, 'from the back end');
	assert.match(await pane(0).locator('.log .theirs .meta').last()
	    .textContent(), /^back end · /);
});

test('a pane whose worker is killed says so and comes back', async () => {
	d.mayDie = true;
	const slot = Number((await pane(1).locator('.worker').textContent())
	    .match(/\d+/)[0]);
	process.kill(d.worker(slot).pid, 'SIGKILL');
	await pane(1).locator('.log .event', { hasText: 'connection closed' })
	    .waitFor({ timeout: 5000 * slow });
	await open(1);
	await say(0, 'still there?');
	await seen(1, 'still there?');
	await shot('4-after-a-crash');
});

test('it reads well in the dark', async () => {
	await page.emulateMedia({ colorScheme: 'dark' });
	await shot('5-dark');
	await page.emulateMedia({ colorScheme: 'light' });
});

test('both panes are wholly visible on telephones', async () => {
	for (const [width, height] of [[390, 800], [360, 640], [320, 568],
	    [667, 375], [844, 390]]) {
		await page.setViewportSize({ width, height });
		await shot(`6-telephone-${width}x${height}`);
		const [wide, high, boxes] = await page.evaluate(() => [
			document.documentElement.scrollWidth,
			document.documentElement.scrollHeight,
			[...document.querySelectorAll('.pane, .pane form, .pane .log')]
			    .map((e) => e.getBoundingClientRect().toJSON()),
		]);
		assert.ok(wide <= width, `no sideways scrolling at ${width}`);
		assert.ok(high <= height, `no scrolling at ${width}x${height}`);
		for (const b of boxes)
			assert.ok(b.top >= 0 && b.bottom <= height &&
			    b.left >= 0 && b.right <= width && b.height > 40,
			    `${width}x${height}: ${JSON.stringify(b)}`);
	}
	await page.setViewportSize({ width: 1100, height: 760 });
});

test('a round trip that the clock does not see is "< 0.1 ms"', async () => {
	const other = await context.newPage();
	await other.addInitScript(() => { performance.now = () => 5; });
	await other.goto(`http://127.0.0.1:${d.port}/demo/#secret=${secret}`);
	await other.locator('.rtt', { hasText: '< 0.1 ms round trip' }).first()
	    .waitFor({ timeout: 10000 * slow });
	await other.close();
});

test('every control has a name', async () => {
	const unnamed = await page.evaluate(() =>
	    [...document.querySelectorAll('input, button, [role=log]')]
		.filter((e) => !(e.labels?.[0]?.textContent || e.textContent ||
		    e.getAttribute('aria-label'))).length);
	assert.equal(unnamed, 0);
});

test('without the secret the page says what is missing', async () => {
	const other = await context.newPage();
	await other.goto(`http://127.0.0.1:${d.port}/demo/`);
	await other.locator('.note', { hasText: 'not complete' }).waitFor();
	await other.close();
});

test('a page of an earlier start says so, and a new address is taken', async () => {
	const other = await context.newPage();
	await other.setViewportSize({ width: 390, height: 800 });
	await other.goto(`http://127.0.0.1:${d.port}/demo/#secret=${
	    crypto.randomBytes(24).toString('hex')}`);
	await other.locator('.note', { hasText: 'earlier start' })
	    .waitFor({ timeout: 10000 * slow });
	await other.locator('.pane[data-state="refused"]').nth(1)
	    .waitFor({ timeout: 10000 * slow });
	assert.equal(await other.locator('.note').count(), 1);
	if (shots)
		await other.screenshot({ path: path.join(shots, '7-earlier.png') });
	await other.goto(`http://127.0.0.1:${d.port}/demo/#secret=${secret}`);
	await other.locator('.pane[data-state="open"]').nth(1)
	    .waitFor({ timeout: 10000 * slow });
	assert.equal(await other.locator('.note').count(), 0);
	await other.close();
});

test('nothing was loaded from elsewhere, nothing complained', () => {
	const real = trouble.filter((t) => !/WebSocket/.test(t));
	assert.deepEqual(real, []);
});
