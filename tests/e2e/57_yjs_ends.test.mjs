/*
 * Documents of Yjs while processes end: workers and relays that are killed,
 * reload, upgrade, storms; and two hosts with a Redis.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { afterEach, test } from 'node:test';

import { Daemon, halt, slow, sleep, until } from './lib/daemon.mjs';
import { stopTime } from './lib/conf.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { putRebuilt, upgrade, Upgradable } from './lib/upgrade.mjs';
import { Editor, closeAll, editor, equal } from './lib/yjs.mjs';

const conf = (more = '') => `${stopTime}${more}
drain_time = ${Math.min(slow, 4)}s
store { bytes = 64MB room_bytes = 8MB }
namespace "/docs" { auth = none
    room "yjs:{doc*}" { history = 100000 yjs = true } }
route "/yjs/{doc*}" { namespace = "/docs" join = "yjs:{doc}" format = yjs
    compact = 100 }
`;
afterEach(closeAll);

/* Types on while f goes; the text of all at its end, with nothing missing. */
async function typing(list, f) {
	let on = true, n = 0;
	const types = (async () => {
		while (on) {
			for (const [i, e] of list.entries())
				e.add(String.fromCharCode(97 + i),
				    Math.floor(e.s.length / 2));
			n++;
			await sleep(5);
		}
	})();
	await f(() => {
		const then = n + 10;
		return until(() => n >= then, 'more to be typed');
	});
	on = false;
	await types;
	const text = await equal(list, 30000);
	for (let i = 0; i < list.length; i++)
		assert.equal(text.split(String.fromCharCode(97 + i)).length - 1,
		    n);
	return text;
}
const three = (d, name = 'd') => Promise.all([1, 2, 3].map(
    () => editor(d, name)));

test('workers and relay are killed while three type', async () => {
	const d = await Daemon.start({ workers: 2, conf: conf() });
	d.mayDie = true;
	const all = await three(d);
	await typing(all, async (more) => {
		for (const slot of [1, 2]) {
			await more();
			const w = d.worker(slot);
			process.kill(w.pid, 'SIGKILL');
			await d.next(w.pid, slot, 20000);
		}
		await until(() => all.every((e) => e.provider.synced), 'all');
		const r = d.relay();
		process.kill(r.pid, 'SIGKILL');
		await d.next(r.pid, undefined, 20000);
		await more();
	});
	/* what the relay's memory had is offered anew */
	const late = await editor(d, 'd');
	await equal([...all, late], 20000);
	await d.stop();
});

test('the relay is killed while nobody types', async () => {
	const d = await Daemon.start({ workers: 2, conf: conf() });
	d.mayDie = true;
	const a = await editor(d, 'd');
	a.add('kept by its editor');
	await equal([a, await editor(d, 'd')]);
	const r = d.relay();
	process.kill(r.pid, 'SIGKILL');
	await d.next(r.pid, undefined, 20000);
	const late = new Editor(d, 'd');
	await until(() => late.s === 'kept by its editor', 'the text', 20000);
	await until(async () => await d.metric('yjs_anew') > 0, 'a new log');
	await d.counts('clients_closed', (n) => n > 0, 'reason="document_anew"');
	await d.stop();
});

test('a relay that stands still: who comes, and who types, comes again', async () => {
	const d = await Daemon.start({ workers: 1, conf: conf() });
	const a = await editor(d, 'd');
	const pid = d.relay().pid;
	await halt(pid);
	const b = new Editor(d, 'd', { path: '/yjs' });
	a.add('typed meanwhile');
	await until(() => a.closes.length > 0 && b.closes.length > 0,
	    'both to be closed', 20000);
	process.kill(pid, 'SIGCONT');
	assert.deepEqual([a.closes[0], b.closes[0]], [1013, 1013]);
	assert.ok(await d.metric('yjs_unheard') > 0);
	assert.ok(await d.metric('yjs_refused_store') > 0);
	assert.ok(await d.metric('clients_closed',
	    'reason="document_unavailable"') >= 2);
	await equal([a, b], 20000);
	assert.equal(b.s, 'typed meanwhile');
	await d.stop();
});

test('reload and upgrade while three type: nobody is closed', async () => {
	const d = await Upgradable.start({ workers: 2, conf: conf() });
	const all = await three(d);
	all.forEach((e, i) => e.user(`u${i}`));
	await typing(all, async (more) => {
		const before = d.children().map((c) => c.pid);
		await more();
		fs.appendFileSync(d.file, '\n# another\n');
		process.kill(d.pid, 'SIGHUP');
		await d.logged(' turned ', 1, 20000);
		putRebuilt(d);
		await upgrade(d);
		assert.ok(d.children().every((c) => !before.includes(c.pid)));
		await more();
	});
	await until(() => all.every((e) => e.users.length === 3), 'awareness');
	assert.deepEqual(all.map((e) => e.nsockets), [1, 1, 1]);
	const late = await editor(d, 'd');
	await equal([...all, late]);
	await d.stop();
});

test('a storm of reconnects', async () => {
	const d = await Daemon.start({ workers: 2, conf: conf() });
	const all = await Promise.all([...Array(12).keys()].map(
	    () => editor(d, 'd')));
	for (let round = 0; round < 4; round++) {
		for (const [i, e] of all.entries()) {
			e.add(String.fromCharCode(97 + i));
			e.cut();
			e.add(String.fromCharCode(65 + i));
		}
		await until(() => all.every((e) => e.provider.synced), 'all',
		    20000);
	}
	const text = await equal(all, 20000);
	assert.equal(text.length, 12 * 4 * 2);
	await d.stop();
});

test('two hosts with a Redis', async () => {
	const { redis, list: [a, b], cli } = await hosts(
	    (url) => conf(`\nredis { url = "${url}" }`), [2, 1]);
	const all = [...await three(a), ...await three(b)];
	all.forEach((e, i) => e.user(`u${i}`));
	await until(() => all.every((e) => e.users.length === 6), 'awareness');
	a.mayDie = true;
	const text = await typing(all, async (more) => {
		await until(async () => await a.metric('yjs_compactions') +
		    await b.metric('yjs_compactions') > 0, 'a snapshot', 20000);
		const r = a.relay();
		process.kill(r.pid, 'SIGKILL');
		await a.next(r.pid, undefined, 20000);
		await connected(a);
		await more();
	});
	/* what it has kept is there: nobody begins anew */
	assert.equal(await a.metric('yjs_anew'), 0);
	const late = await Promise.all([editor(a, 'd'), editor(b, 'd')]);
	assert.equal(await equal([...all, ...late]), text);
	await until(async () => await a.metric('store_trims') +
	    await b.metric('store_trims') > 0, 'a trim', 40000);
	/* what is in Redis is what they have, for a host that knows nothing */
	closeAll();
	for (const d of [a, b])
		await d.counts('sessions', 0);
	const kept = await cli.do('XLEN', 'roost:history:docs:yjs:d');
	const e = await editor(b, 'd');
	assert.equal(e.s, text);
	assert.ok(kept < text.length, `${kept} entries of ${text.length}`);
	await unhost({ redis, list: [a, b], cli });
});

test('a room of which something was changed, and that becomes a document, is trimmed', async () => {
	const sha = crypto.createHash('sha256').update('k').digest('hex');
	const redis = await Redis.start(), cli = await redis.client();
	const begin = async (text) => {
		const d = await Daemon.start({ conf: `redis { url = "${redis.url}" }
api { key "k" { sha256 = "${sha}" allow = {"publish", "history"} } }
${text}` });
		await connected(d);
		return d;
	};
	const call = async (d, path, body) => (await fetch(d.url(
	    `/api/v1/${path}`), { method: 'POST', headers: {
		Authorization: 'Bearer k', 'Content-Type': 'application/json' },
	body: JSON.stringify(body) })).status;
	let d = await begin(conf().replace('yjs = true', '')
	    .replace(/^route[^]*/m, ''));
	try {
		for (let i = 0; i < 3; i++)
			assert.equal(await call(d, 'publish', { namespace: 'docs',
				room: 'yjs:d', event: 'note', data: i }), 200);
		assert.equal(await call(d, `history/docs/${
		    encodeURIComponent('yjs:d')}`, { offset: 2, data: 'x' }), 200);
		await d.stop();
		d = await begin(conf());
		const list = await three(d), edits = 'roost:history-edits:docs:yjs:d';
		assert.equal(await cli.do('HLEN', edits), 1);
		await typing(list, () => until(async () =>
			await d.metric('store_trims') > 0, 'a trim', 40000));
		await until(async () => await cli.do('HLEN', edits) === 0,
		    'what was changed to go, too');
		/* the last of what was typed may come between the two */
		await until(async () => {
			const [n, f, left] = await cli.do('HMGET',
			    'roost:history-state:docs:yjs:d', 'n', 'f', 'd');
			assert.equal(left, '0');
			assert.ok(f > 4);
			return await cli.do('XLEN', 'roost:history:docs:yjs:d') ===
			    n - f + 1;
		}, 'as many as are counted');
	} finally {
		await d.stop();
		cli.close();
		await redis.kill();
	}
});
