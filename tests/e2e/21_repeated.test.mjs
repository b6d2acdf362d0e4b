/*
 * The same polling request once more: browsers and proxies send it again when
 * its connection broke.  What was answered is over, whatever "t" says.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, halt, until } from './lib/daemon.mjs';
import { Polling, request, taken } from './lib/polling.mjs';
import { Sock } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: echo });
});
after(() => d.stop());

const open = async () => (await Polling.open(d.port)).connect();
const get = (p, t) => request(d.port, 'GET', `${p.target}&t=${t}`);
const post = (p, t, body) => request(d.port, 'POST', `${p.target}&t=${t}`,
    { body });

/* By hand, so that it is the same to the byte. */
const GET = (p, t) => `GET ${p.target}&t=${t} HTTP/1.1\r\nHost: x\r\n\r\n`;
const POST = (p, t, body, n = body.length) => `POST ${p.target}&t=${t
} HTTP/1.1\r\nHost: x\r\nContent-Length: ${n}\r\n\r\n${body}`;
async function once(text) {
	const s = await Sock.open(d.port);
	s.send(text);
	const r = await s.response();
	s.close();
	return r;
}
/* The worker sees the POST and its connection's end in one turn: what it
 * answers can't be written. */
async function lost(text) {
	const s = await Sock.open(d.port), { pid } = d.worker(1);
	await until(async () => await d.metric('connections_open') >= 2, 'it');
	const before = await d.metric('http_requests');
	await halt(pid);
	s.send(text);
	await new Promise((ok) => s.sock.write('', ok));
	s.reset();
	process.kill(pid, 'SIGCONT');
	/* each look is one more */
	let looks = 0;
	await until(async () => await d.metric('http_requests') - before -
	    ++looks >= 1, 'the request');
}

test('seconds for "t": every POST is done, every GET has its own answer',
    async () => {
	const p = await open();
	for (let i = 0; i < 5; i++)
		assert.equal((await post(p, 'T', '42["q",1]')).body, 'ok');
	assert.deepEqual((await get(p, 'T')).body.split('\x1e'),
	    Array(5).fill('42["q",1]'));
	for (let i = 0; i < 5; i++) {
		assert.equal((await post(p, 'T', `42["q",${i}]`)).body, 'ok');
		assert.equal((await get(p, 'T')).body, `42["q",${i}]`);
	}
	/* nothing is there, so it waits */
	const waits = await taken(d, 'eio_gets');
	const last = get(p, 'T');
	await waits();
	await post(p, 'T', '42["q","end"]');
	assert.equal((await last).body, '42["q","end"]');
	await d.counts('eio_repeated', 0);
});

test('the same again on one connection is no repeat', async () => {
	const p = await open();
	const s = await Sock.open(d.port);
	s.send(POST(p, 'T', '42["q",1]').repeat(3));
	for (let i = 0; i < 3; i++)
		assert.equal((await s.response()).body, 'ok');
	s.close();
	assert.deepEqual(await p.packets(), Array(3).fill('42["q",1]'));
	await d.counts('eio_repeated', 0);
});

for (const cut of [false, true]) {
	test(`an answer that is not written in full is given again, once (${
	    cut ? 'cut' : 'stuck'})`, async () => {
		const e = await Daemon.start({ workers: 1, conf: `${echo}
limits { message_bytes = 16MB send_queue_bytes = 64MB }\n` });
		const p = await (await Polling.open(e.port)).connect();
		const event = `42["q","${'x'.repeat(12e6)}"]`;
		const s = await Sock.open(e.port), t = await Sock.open(e.port);
		s.sock.pause();
		for (let i = 0; i < 2; i++) {
			await p.send(event);
			const n = await e.metric('write_blocked');
			const u = i ? await Sock.open(e.port) : s;
			u.sock.pause();
			u.send(GET(p, 'a'));
			await until(async () => await e.metric('write_blocked') > n,
			    'a block');
			if (cut) {
				const gone = await e.metric('connections_closed');
				u.reset();
				await until(async () =>
				    await e.metric('connections_closed') > gone,
				'its end');
			}
			/* another one with the same "t" is not that */
			t.send(i ? GET(p, 'a').replace('Host: x', 'Host: y') :
			    GET(p, 'a'));
			if (i)
				await p.send('42["q",2]');
			const r = await t.response({ ms: 20000 });
			assert.ok(r.body === (i ? '42["q",2]' : event),
			    r.body.slice(0, 100));
			await e.counts('eio_repeated', 1);
			u.close();
		}
		await p.send('42["q",3]');
		t.send(GET(p, 'a'));
		assert.equal((await t.response()).body, '42["q",3]');
		t.close();
		await e.stop();
	});
}

test('of two GETs at once the second waits on', async () => {
	const p = await open();
	const [s, t] = [await Sock.open(d.port), await Sock.open(d.port)];
	let waits = await taken(d, 'eio_gets');
	s.send(GET(p, 'a'));
	await waits();
	waits = await taken(d, 'eio_gets');
	t.send(GET(p, 'a'));
	await waits();
	await s.end();
	await p.send('42["q",4]');
	assert.equal((await t.response()).body, '42["q",4]');
	t.close();
});

test('a POST whose "ok" could not be written is done once', async () => {
	const p = await open();
	const before = await d.metric('eio_repeated');
	await lost(POST(p, 'a', '42["q",1]'));
	assert.equal((await once(POST(p, 'a', '42["q",1]'))).body, 'ok');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
	await d.counts('eio_repeated', before + 1);
	/* that was the answer */
	assert.equal((await once(POST(p, 'a', '42["q",1]'))).body, 'ok');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
	/* the same "t" and length, but not the same */
	await lost(POST(p, 'b', '42["q",2]'));
	assert.equal((await once(POST(p, 'b', '42["q",3]'))).body, 'ok');
	assert.deepEqual(await p.collect(2), ['42["q",2]', '42["q",3]']);
	await d.counts('eio_repeated', before + 1);
});

test('the same over two connections at once, both answered: both are done',
    async () => {
	const p = await open(), { pid } = d.worker(1);
	const before = await d.metric('eio_repeated');
	const s = await Sock.open(d.port), t = await Sock.open(d.port);
	await until(async () => await d.metric('connections_open') >= 3, 'both');
	await halt(pid);
	for (const x of [s, t]) {
		x.send(POST(p, 'a', '42["q",1]'));
		await new Promise((ok) => x.sock.write('', ok));
	}
	process.kill(pid, 'SIGCONT');
	for (const x of [s, t])
		assert.equal((await x.response()).body, 'ok');
	assert.deepEqual(await p.collect(2), ['42["q",1]', '42["q",1]']);
	await d.counts('eio_repeated', before);
	s.close();
	t.close();
});

test('a POST that stopped on its way is done when it comes again', async () => {
	const p = await open();
	const before = await d.metric('eio_repeated');
	let begun = await taken(d, 'eio_posts');
	const s = await Sock.open(d.port);
	s.send(POST(p, 'c', '42[', 9));
	await begun();
	assert.equal((await once(POST(p, 'c', '42["q",3]'))).body, 'ok');
	await s.end();
	await d.counts('eio_repeated', before + 1);
	await p.send('42["q",4]');
	assert.deepEqual(await p.collect(2), ['42["q",3]', '42["q",4]']);
	/* one that goes on differently is another one: one at a time */
	begun = await taken(d, 'eio_posts');
	const t = await Sock.open(d.port);
	t.send(POST(p, 'd', '42[', 9));
	await begun();
	const r = await once(POST(p, 'd', '41["q",3]'));
	assert.deepEqual([r.status, r.body], [400, '']);
	assert.equal((await t.end()).length, 0);
	assert.ok(await p.gone());
});

test('a client whose "t" never changes is not taken for that', async () => {
	const base = '/socket.io/?EIO=4&transport=polling&t=1';
	const r = await request(d.port, 'GET', base);
	const p = { target: `${base}&sid=${JSON.parse(r.body.slice(1)).sid}` };
	assert.equal((await once(POST(p, 1, '40'))).body, 'ok');
	assert.match((await once(GET(p, 1))).body, /^40/);
	await lost(POST(p, 1, '42["q",1]'));
	assert.equal((await once(POST(p, 1, '42["q",1]'))).body, 'ok');
	assert.equal((await once(GET(p, 1))).body,
	    '42["q",1]\x1e42["q",1]');
});
