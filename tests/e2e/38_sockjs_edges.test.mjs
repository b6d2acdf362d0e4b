/*
 * SockJS at its edges: messages that wait to be done as workers come and go,
 * requests that are given up, readers that stand still.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { ask, connect } from './lib/clients.mjs';
import { Daemon, until } from './lib/daemon.mjs';
import { post, send, session } from './lib/sockjs.mjs';
import { Sock, Ws } from './lib/wire.mjs';

const conf = `
limits { send_queue_bytes = 64KiB message_bytes = 256KiB }
namespace "/" { auth = none sockjs = true event "message" { to = sender meta = off } }
route "/echo" { namespace = "/" format = bare sockjs = true }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
after(() => d.stop());

const open = async () => {
	const url = d.url('/echo') + session();
	assert.equal((await post(`${url}/xhr`)).text, 'o\n');
	return url;
};
async function reload() {
	const times = () => d.log.split(' turned ').length - 1, n = times();
	fs.appendFileSync(d.file, '\n# another\n');
	process.kill(d.pid, 'SIGHUP');
	await until(() => times() > n, 'the reload', 20000);
}
const large = (n) => JSON.stringify('x'.repeat(n));

/* What is queued keeps the request from its answer; nothing is left of its
 * body, or a last one, which has been read anyway. */
for (const [name, body] of [
	['one', (m) => JSON.stringify(m)],
	['the last of an array', (m) => JSON.stringify([m])],
	['the last but for a space', (m) => `[${JSON.stringify(m)} ]`],
	['the last but one', (m) => JSON.stringify([m, '1'])],
]) {
	test(`a body that is done but for its answer goes over: ${name}`, async () => {
		const url = await open(), m = large(50000);
		const paused = await d.metric('input_paused');
		const sent = send(url, body(m));
		await d.counts('input_paused', (n) => n > paused);
		await reload();
		assert.equal((await post(`${url}/xhr`)).text,
		    `a[${JSON.stringify(m)}]\n`);
		assert.equal((await sent).status, 204);
		await d.counts('sockjs_open', (n) => n > 0);
	});
}

/* Under ASan: what was to be said with the answer is not kept. */
test('requests that are given up as their messages wait', async () => {
	const url = await open(), m = large(50000);
	for (let i = 0; i < 3; i++) {
		const paused = await d.metric('input_paused');
		const gone = new AbortController();
		const sent = fetch(`${url}/xhr_send`, { method: 'POST',
			body: JSON.stringify([m, '1']), signal: gone.signal });
		await d.counts('input_paused', (n) => n > paused);
		gone.abort();
		await assert.rejects(sent);
		let got = '';
		await until(async () => {
			const t = (await post(`${url}/xhr`)).text;
			if (t.startsWith('a'))
				got += t;
			return got.includes('"1"');
		}, 'both');
	}
});

/* As browsers are: they offer it always. */
for (const path of ['/echo', '/ws']) {
	test(`who has compressed messages over WebSocket goes over: ${path}`, async () => {
		const w = await Ws.must(d.port, `${path}${session()}/websocket`, {
			headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
		assert.match(w.response.headers['sec-websocket-extensions'],
		    /^permessage-deflate/);
		assert.equal((await w.next()).text, 'o');
		await reload();
		const m = path === '/echo' ? '1' :
		    JSON.stringify({ event: 'message', data: 1 });
		w.json([m]);
		assert.equal((await w.next()).text, `a[${JSON.stringify(m)}]`);
		w.drop();
	});
}

test('whose socket is full gets the newest of what may be left out', async () => {
	const e = await Daemon.start({ conf: `
limits { message_bytes = 200KB send_queue_bytes = 4MB slow_consumer_timeout = 1m }
sockjs { response_bytes = 16MB }
namespace "/c" { auth = none
    room "{any}" { join = open }
    event "at" { to = room:room meta = off volatile = true conflate = who }
    event "say" { to = room:room meta = off }
    event "sync" { ack = echo } }
route "/r/{id}" { namespace = "/c" join = "{id}" format = bare sockjs = true }
` });
	const p = await connect(e, '/c');
	for (const [n, t] of ['xhr_streaming', 'eventsource', 'htmlfile?c=x'].entries()) {
		const room = `r${n}`, s = await Sock.open(e.port);
		s.send(`${n ? 'GET' : 'POST'} /r/${room}${session()}/${t} HTTP/1.1\r\nHost: a\r\n\r\n`);
		await e.counts('sockjs_open', n + 1);
		await ask(p, 'room:join', { room });
		s.sock.pause();
		const blocked = await e.metric('write_blocked');
		await until(async () => {
			p.emit('say', { room, fill: 'x'.repeat(190000) });
			await ask(p, 'sync', 0);
			return await e.metric('write_blocked') > blocked;
		}, 'a socket that is full', 15000);
		p.emit('say', { room, fill: 'y' });
		await ask(p, 'sync', 0);
		for (let i = 0; i < 100; i++)
			p.emit('at', { room, who: i % 5, i });
		await ask(p, 'sync', 0);
		p.emit('say', { room, last: 1 });
		s.sock.resume();
		const got = await s.wait(() => {
			const all = [...s.data.toString().matchAll(/"[^"i]*i\\+":(\d+)/g)];
			return /last/.test(s.data) && all.some((m) => m[1] === '99') ?
			    all.map((m) => Number(m[1])) : undefined;
		}, 'the newest', 10000);
		assert.deepEqual(got, [95, 96, 97, 98, 99], t);
	}
	p.close();
	await e.stop();
});
