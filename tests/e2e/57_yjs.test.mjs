/*
 * Documents of Yjs, edited by y-websocket's providers as they are: on one host,
 * with the log in the relay's memory.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, afterEach, before, test } from 'node:test';

import { Daemon, sanitized, sleep, until } from './lib/daemon.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { mint, now } from './lib/token.mjs';
import { Editor, Raw, Y, awareness, closeAll, editor, equal, step1, step2,
	update } from './lib/yjs.mjs';

const KEY = 'key-of-documents';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const conf = `${jwt}${stopTime}
api { key "k" { sha256 = "${sha}" allow = {"publish", "history"} } }
limits { yjs_documents = 50 send_queue_bytes = 1MB yjs_bytes = 8MB }
store { bytes = 64MB room_bytes = 8MB }
namespace "/docs" { auth = optional
    room "yjs:small:{doc}" { history = 40 yjs = true }
    room "yjs:{doc*}" { history = 400000 yjs = true } }
namespace "/closed" { auth = required roles = {"member"}
    room "{doc*}" { history = 1000 yjs = true } }
route "/yjs/{doc*}" { namespace = "/docs" join = "yjs:{doc}" format = yjs
    compact = 200000 }
route "/few/{doc}" { namespace = "/docs" join = "yjs:{doc}" format = yjs
    compact = 50 }
route "/small/{doc}" { namespace = "/docs" join = "yjs:small:{doc}"
    format = yjs compact = 20 }
route "/read/{doc*}" { namespace = "/docs" join = "yjs:{doc}" format = yjs
    writers = {"editor"} }
route "/closed/{doc*}" { namespace = "/closed" join = "{doc}" format = yjs
    compact = 100 }
`;
let d, ndocs = 0;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
afterEach(closeAll);
after(() => d.stop());
const fresh = () => `doc${ndocs++}`;
const token = (roles) => ({ token: mint({ sub: 'u', roles,
	exp: now() + 3600 }) });
/* How much a counter has moved since. */
async function since(name) {
	const was = await d.metric(name);
	return async () => await d.metric(name) - was;
}
const moved = async (name, f, by = 1) => {
	const n = await since(name);
	await f();
	await until(async () => await n() >= by, `${name} to move`);
};

test('what one types the other has', async () => {
	const name = fresh();
	let a, b;
	await moved('yjs_opened', async () => {
		a = await editor(d, name);
		b = await editor(d, name);
	}, 2);
	await moved('yjs_update_bytes', async () => a.add('hello'), 5);
	await equal([a, b]);
	assert.equal(b.s, 'hello');
	b.add(' world');
	assert.equal(await equal([a, b]), 'hello world');
});

test('three at once, on both workers, and one that comes late', async () => {
	const name = fresh();
	const all = await Promise.all([1, 2, 3].map(() => editor(d, name)));
	for (let i = 0; i < 50; i++)
		for (const [j, e] of all.entries()) {
			e.add(`${j}`, (i * 7) % (e.s.length + 1));
			if (i % 10 === 0)
				await sleep(1);
		}
	const text = await equal(all);
	assert.equal(text.length, 150);
	/* it is complete as soon as it says so */
	const late = await editor(d, name);
	assert.equal(late.s, text);
});

test('edits while offline are offered, and got', async () => {
	const name = fresh();
	const a = await editor(d, name), b = await editor(d, name);
	a.add('base ');
	await equal([a, b]);
	a.provider.disconnect();
	a.add('offline ', 0);
	b.add('online');
	a.text.delete(8, 5);
	a.provider.connect();
	const text = await equal([a, b]);
	assert.ok(text.includes('offline') && text.includes('online') &&
	    !text.includes('base'), text);
	/* those who were alone, too */
	b.close();
	a.cut();
	await until(() => !a.provider.synced, 'the cut');
	a.add('!');
	await a.synced();
	const c = await editor(d, name);
	await equal([a, c]);
});

test('who comes back is asked for what is missing, not for all', async () => {
	const name = fresh();
	const a = await editor(d, name);
	a.doc.transact(() => a.add('x'.repeat(20000)));
	for (let i = 0; i < 3; i++)
		await moved('yjs_updates', async () => {
			a.cut();
			await until(() => !a.provider.synced, 'the cut');
			a.add('y');
			await a.synced();
		});
	/* at first nothing is known of what is in the log; who comes with nothing
	 * is not asked */
	assert.equal(a.step2Out.length, 3);
	assert.ok(a.step2Out[0] > 20000 && a.step2Out[2] < 200,
	    `${a.step2Out} bytes`);
	const b = await editor(d, name);
	await equal([a, b]);
	/* nothing new: what it says is in the log already */
	await moved('yjs_repeated', async () => {
		a.text.delete(0, 5);
		for (let i = 0; i < 4; i++) {
			await sleep(50);
			a.cut();
			await until(() => !a.provider.synced, 'the cut');
			await a.synced();
		}
	});
});

test('awareness: who is there, and who is not any more', async () => {
	const name = fresh();
	const a = await editor(d, name), b = await editor(d, name);
	await moved('yjs_awareness', async () => {
		a.user('ann');
		b.user('bob');
	}, 2);
	await until(() => a.users.length === 2 && b.users.length === 2, 'both');
	/* a newcomer is told, whichever worker has it */
	for (let i = 0; i < 4; i++) {
		const c = await editor(d, name);
		await until(() => c.users.length >= 2, 'those who are there');
		assert.deepEqual(c.users.slice(0, 2), ['ann', 'bob']);
		c.close();
	}
	b.provider.disconnect();
	await until(() => a.users.length === 1, 'bob to be gone');
	b.provider.connect();
	await b.synced();
	b.user('bob');
	await until(() => a.users.length === 2, 'bob to be back');
	/* one that says nothing any more */
	b.provider.shouldConnect = false;
	b.cut();
	await until(() => a.users.length === 1, 'bob to be gone again');
});

test('awareness comes back to its sender, as a sign of life', async () => {
	const r = await Raw.open(d, `/yjs/${fresh()}`);
	r.send(step1(), awareness([7, 1, { user: 'x' }]));
	await r.next([0, 1]);
	const m = awareness([7, 2, { user: 'y' }]);
	r.send(m);
	await until(async () => (await r.next([1])).equals(m), 'the echo');
	/* an old one is no news; what is asked for is answered */
	r.send(awareness([7, 1, { user: 'z' }]), Buffer.from([3]));
	assert.ok((await r.next([1])).equals(m));
	/* too many, and too large */
	await moved('yjs_awareness_refused', async () => {
		r.send(awareness(...[...Array(100).keys()].map(
		    (i) => [1000 + i, 1, {}])));
		r.send(awareness([8, 1, 'x'.repeat(70000)]));
	}, 2);
	r.w.s.close();
});

test('messages by hand: steps, strange ones, and what overruns', async () => {
	const name = fresh();
	const r = await Raw.open(d, `/yjs/${name}`);
	await moved('yjs_ignored', async () => {
		r.send(Buffer.from([9, 1, 2]), Buffer.from([0, 7, 0]),
		    Buffer.from([0, 2, 200]), Buffer.from([]),
		    Buffer.from([2, 0, 1, 65]), Buffer.from([0, 0, 2, 1, 1]),
		    Buffer.from([0, 2, 0]));
		r.w.text('text');
	}, 8);
	r.send(step1([1, 5, 9]));
	assert.deepEqual([...await r.next([0, 1])], [0, 1, 2, 0, 0]);
	assert.deepEqual([...await r.next([0, 0])], [0, 0, 1, 0]);
	/* an update is opaque, and goes round as it is */
	const o = await Raw.open(d, `/yjs/${name}`);
	o.send(step1());
	await o.next([0, 1]);
	r.send(update(Buffer.from('opaque')), step2(), update([0, 0]));
	assert.ok((await o.next([0, 2])).equals(update(Buffer.from('opaque'))));
	/* asked again, it is answered again, and not asked */
	o.send(step1([1, 5, 9]));
	assert.deepEqual([...await o.next([0])], [0, 1, 2, 0, 0]);
	const late = await Raw.open(d, `/yjs/${name}`);
	late.send(step1());
	assert.ok((await late.next([0])).equals(update(Buffer.from('opaque'))));
	assert.deepEqual([...await late.next([0])], [0, 1, 2, 0, 0]);
	[r, o, late].forEach((x) => x.w.s.close());
});

test('names have slashes, and what is encoded', async () => {
	for (const [one, other] of [['a/b/c', 'a/b/c'],
		['caf%C3%A9%20x', 'caf\u00e9 x'], ['a:b', 'a%3Ab']]) {
		const a = await editor(d, one), b = await editor(d, other);
		a.add(one);
		assert.equal(await equal([a, b]), one);
	}
	const c = await editor(d, 'a/b');
	assert.equal(c.s, '');
});

test('who may only read reads, and changes nothing', async () => {
	const name = fresh();
	const w = await editor(d, name, { path: '/read',
		params: token(['editor']) });
	const r = await editor(d, name, { path: '/read',
		params: token(['viewer']) });
	w.add('written');
	await equal([w, r]);
	await moved('yjs_read_only', async () => r.add(' by a reader'));
	r.user('reader');
	await until(() => w.users.includes('reader'), 'its awareness');
	const late = await editor(d, name, { path: '/read' });
	assert.equal(late.s, 'written');
	assert.equal(w.s, 'written');
});

test('who is not admitted is told, and does not come back', async () => {
	await moved('yjs_denied', async () => {
		for (const [params, code] of [[{}, 4401], [{ token: 'bad' }, 4401],
			[token(['stranger']), 4403]]) {
			const e = new Editor(d, fresh(), { path: '/closed', params });
			await until(() => e.closes.length > 0, 'the close');
			assert.equal(e.closes[0], code);
			await until(() => e.closed, 'the end');
			assert.equal(e.nsockets, 1);
		}
	}, 3);
	await d.counts('connections_closed', 2, 'reason="document_unauthorized"');
	await d.counts('connections_closed', 1, 'reason="document_forbidden"');
	const e = await editor(d, fresh(), { path: '/closed',
		params: token(['member']) });
	e.add('in');
});

test('a snapshot takes the place of updates, under edits', async () => {
	const name = fresh(), o = { path: '/few' };
	const trimmed = await since('store_trimmed');
	const a = await editor(d, name, o), b = await editor(d, name, o);
	for (let i = 0; i < 200; i++) {
		a.add('a', 0);
		b.add('b');
		if (i % 10 === 0)
			await sleep(2);
		if (i % 50 === 0)
			a.text.delete(0, 10);
	}
	await until(async () => await d.metric('yjs_compactions') > 0,
	    'a snapshot');
	/* another one that has read it: what it covers goes */
	const c = await editor(d, name, o);
	await until(async () => await trimmed() > 50, 'the trim', 40000);
	c.add('c');
	const text = await equal([a, b, c]);
	const late = await editor(d, name, o);
	assert.equal(late.s, text);
	await equal([a, b, c, late]);
	/* it is short, for who comes then */
	await until(async () => {
		const e = await editor(d, name, o);
		const n = e.messagesIn;
		e.close();
		return n < 100;
	}, 'a short log', 20000);
});

test('a snapshot that lacks what it should have is not believed', async () => {
	const name = fresh();
	const a = await editor(d, name, { path: '/few' });
	for (let i = 0; i < 40; i++)
		a.doc.transact(() => a.add('0123456789'.repeat(20)));
	await equal([a, await editor(d, name, { path: '/few' })]);
	const text = a.s;
	closeAll();
	const r = await Raw.open(d, `/few/${name}`);
	r.send(step1());
	await r.next([0, 1]);
	await moved('yjs_compactions_small', async () => {
		for (let i = 0; i < 30; i++)
			r.send(update(Buffer.from([0, 1, 1, 0])));
		for (;;) {
			const m = await r.next([0, 0]);
			if (m.length === 4 && m[3] === 0)
				break;
		}
		r.send(step2(Buffer.from([0, 0])));
	});
	r.w.s.close();
	const b = await editor(d, name);
	assert.equal(b.s, text);
});

test('a snapshot that does not come is given up', async () => {
	const r = await Raw.open(d, `/few/${fresh()}`);
	r.send(step1());
	await r.next([0, 1]);
	await moved('yjs_compactions_given_up', async () => {
		for (let i = 0; i < 60; i++)
			r.send(update(Buffer.from([0, 1, 1, 0])));
		await r.next([0, 0]);
		r.w.s.close();
	});
});

test('a document that is full refuses, and loses nothing', async () => {
	const name = fresh();
	const r = await Raw.open(d, `/small/${name}`);
	r.send(step1([1, 5, 9]));
	await r.next([0, 0]);
	/* it never answers, so there is no snapshot */
	await moved('yjs_refused_full', async () => {
		const closed = r.closed();
		for (let i = 0; i < 45; i++) {
			r.send(update(Buffer.from([0, 0, i])));
			await sleep(5);
		}
		const c = await closed;
		assert.equal(c.code, 1013);
	});
	await d.counts('clients_closed', 1, 'reason="document_full"');
	/* who can give one makes room, and what it has is in it */
	const e = await editor(d, name, { path: '/small' });
	e.add('there is room');
	await e.synced();
	const f = await editor(d, name, { path: '/small' });
	await until(() => f.s === 'there is room', 'the text', 20000);
});

test('back ends read a log, and add to it what is of the protocol', async () => {
	const name = fresh();
	const headers = { Authorization: `Bearer ${KEY}`,
		'Content-Type': 'application/json' };
	const publish = async (body) => (await fetch(d.url('/api/v1/publish'), {
		method: 'POST', headers, body: JSON.stringify({
			namespace: 'docs', room: `yjs:${name}`, ...body }) })).status;
	const a = await editor(d, name);
	a.add('by an editor');
	await equal([a, await editor(d, name)]);
	assert.equal(await publish({ event: 'note', data: 'strange' }), 503);
	const doc = new Y.Doc();
	doc.getText('t').insert(0, 'by a back end, ');
	assert.equal(await publish({ event: 'yjs',
		args: [{ _placeholder: true, num: 0 }], attachments: [update(
		    Y.encodeStateAsUpdate(doc)).toString('base64')] }), 200);
	await until(() => a.s.length === 27, 'its text');
	const page = await (await fetch(d.url(`/api/v1/history/docs/${
	    encodeURIComponent(`yjs:${name}`)}`), { headers })).json();
	const copy = new Y.Doc();
	for (const e of page.events)
		Y.applyUpdate(copy, Buffer.from(e.attachments[0], 'base64')
		    .subarray(3));
	assert.equal(copy.getText('t').toString(), a.s);
	/* what is kept of a document is not changed from outside */
	for (const body of [{ offset: 1, redact: true }, { offset: 1, data: 1 },
		{ id: page.events[0].meta?.id ?? 'x', args: [] }]) {
		const r = await fetch(d.url(`/api/v1/history/docs/${
		    encodeURIComponent(`yjs:${name}`)}`), { method: 'POST', headers,
			body: JSON.stringify(body) });
		assert.equal(r.status, 409);
		assert.equal((await r.json()).error.code, 'conflict');
	}
	assert.equal((await editor(d, name)).s, a.s);
	await editor(d, name);
});

test('one update for a message, whatever its size', async () => {
	const name = fresh();
	const a = await editor(d, name);
	const big = 'x'.repeat(3 << 20);
	a.add(big);
	const b = await editor(d, name);
	await equal([a, b], 20000);
	assert.equal(b.s.length, big.length);
	/* too large for a document: it is closed, and others have what was */
	const r = await Raw.open(d, `/yjs/${name}`);
	r.send(update(Buffer.alloc(9 << 20)));
	assert.equal((await r.closed()).code, 1009);
});

test('50,000 updates of a byte are read at once', async () => {
	const name = fresh();
	const n = sanitized ? 10000 : 50000;
	const a = await editor(d, name);
	const kept = await since('store_appends');
	for (let i = 0; i < n; i++) {
		a.add('x');
		if (i % 2000 === 0)
			await sleep(1);
	}
	const at = Date.now();
	await until(async () => await kept() >= n,
	    'all to be kept', 60000);
	const from = Date.now();
	const r = await Raw.open(d, `/yjs/${name}`);
	r.send(step1());
	let k = 0;
	for (;;) {
		const m = await r.next([0]);
		if (m[1] === 1)
			break;
		k++;
	}
	const raw = Date.now() - from;
	assert.equal(k, n);
	const began = Date.now();
	const e = await editor(d, name);
	assert.equal(e.s.length, n);
	console.log(`# ${n} updates: written ${from - at} ms, read ${raw} ms, ` +
	    `by a provider ${Date.now() - began} ms`);
	r.w.s.close();
});

test('there are so many documents, and no more', async () => {
	const list = [];
	await moved('yjs_refused_documents', async () => {
		for (let i = 0; i < 120; i++) {
			const r = await Raw.open(d, `/yjs/many${i}`);
			list.push(r);
		}
	});
	list.forEach((r) => r.w.s.close());
	await d.counts('yjs_documents', (n) => n < 60);
});

test('opened and closed a hundred times: nothing stays', async () => {
	await d.counts('yjs_open', 0);
	await d.counts('yjs_documents', (n) => n <= 20);
	const rss = () => d.children().filter((c) => c.role === 'worker')
	    .reduce((sum, c) => sum + Number(fs.readFileSync(
		`/proc/${c.pid}/status`, 'latin1').match(/VmRSS:\s*(\d+)/)[1]), 0);
	const round = async (n) => {
		for (let i = 0; i < n; i++) {
			const e = await editor(d, `often${i % 3}`);
			e.user('u');
			e.add('x');
			e.close();
		}
	};
	await round(20);
	const before = rss();
	await round(100);
	await d.counts('yjs_open', 0);
	const grown = rss() - before;
	assert.ok(sanitized || grown < 2048, `${grown} KiB more`);
});
