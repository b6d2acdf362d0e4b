/* The HTTP API for back ends: keys, publish, batch. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, until } from './lib/daemon.mjs';
import { ask, connect, heard, plain } from './lib/clients.mjs';
import { Ws, raw } from './lib/wire.mjs';
import { sioOn } from './lib/spread.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: jwt + `
limits { message_bytes = 100KB }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish"} }
      key "reader" { sha256 = "${sha('reader')}" allow = {"presence"} } }
namespace "/matters" { auth = optional
    room "case:{id}" { join = open }
    event "mark" { ack = accepted } }
namespace "/feed" { auth = none room "track:{id}" { join = server } }
route "/ws/comments/{id}" { namespace = "/feed" join = "track:{id}" format = bare }
` });
});
after(() => d.stop());

async function api(path, body, { key = KEY, method = 'POST', headers = {} } = {}) {
	const r = await fetch(d.url(`/api/v1/${path}`), {
		method,
		headers: { ...(key ? { Authorization: `Bearer ${key}` } : {}),
			'Content-Type': 'application/json', ...headers },
		body: body === undefined ? undefined :
		    typeof body === 'string' ? body : JSON.stringify(body),
	});
	const text = await r.text();
	return { status: r.status, body: text ? JSON.parse(text) : null,
		headers: r.headers };
}
const publish = (body, opts) => api('publish', { namespace: 'matters', ...body }, opts);
const closeAll = (...l) => l.forEach((s) => s.close());

test('keys: none, wrong, too long, of another right', async () => {
	for (const key of [null, 'wrong', 'x'.repeat(5000), KEY + 'x', KEY.slice(0, -1)]) {
		const r = await publish({ event: 'e' }, { key });
		assert.equal(r.status, 401, `key ${key}`);
		assert.equal(r.body.error.code, 'unauthorized');
	}
	const r = await publish({ event: 'e' }, { key: 'reader' });
	assert.equal(r.status, 403);
	assert.equal(r.body.error.code, 'forbidden');
});

test('publish to the whole namespace reaches both workers once', async () => {
	const both = await sioOn(d, [1, 2], '/matters');
	const r = await publish({ event: 'matter_created', data: { id: 7 } });
	assert.equal(r.status, 200);
	assert.equal(typeof r.body.id, 'string');
	for (const s of both) {
		const [[data, meta]] = await heard(s, 'matter_created');
		assert.deepEqual(data, { id: 7 });
		assert.equal(meta.id, r.body.id);
		assert.equal(meta.from, null);
		await ask(s, 'mark', 1);
		assert.equal(s.got.length, 1);
	}
	closeAll(...both);
});

test('publish to a room, a user, a sid, and except', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/matters',
	    { auth: { token: user('ann') } });
	const [c, e] = await sioOn(d, [1, 2], '/matters');
	for (const s of [a, c])
		await ask(s, 'room:join', { room: 'case:1' });
	await publish({ event: 'room', data: 1, room: 'case:1' });
	await publish({ event: 'user', data: 1, user: 'ann' });
	await publish({ event: 'sid', data: 1, sid: e.id });
	await publish({ event: 'both', data: 1, room: 'case:1', user: 'ann' });
	await publish({ event: 'except', data: 1, except: [a.id, 'case:1'] });
	await publish({ event: 'end' });
	for (const s of [a, b, c, e])
		await heard(s, 'end');
	const names = (s) => s.got.map((x) => x[0]);
	assert.deepEqual(names(a), ['room', 'user', 'both', 'end']);
	assert.deepEqual(names(b), ['user', 'both', 'except', 'end']);
	assert.deepEqual(names(c), ['room', 'both', 'end']);
	assert.deepEqual(names(e), ['sid', 'except', 'end']);
	closeAll(a, b, c, e);
});

test('args travel as arguments; data as one', async () => {
	const s = await connect(d, '/matters');
	await publish({ event: 'many', args: [1, 'two', [3]] });
	await publish({ event: 'none' });
	assert.deepEqual((await heard(s, 'many'))[0].slice(0, 3), [1, 'two', [3]]);
	await heard(s, 'none');
	const w = await plain(d, '/ws/matters');
	await publish({ event: 'plain', data: { a: 1 } });
	const m = await until(() => w.got.find((x) => x.event === 'plain'), 'plain');
	assert.deepEqual(m.data, { a: 1 });
	s.close();
	w.close();
});

test('bare clients get exactly the JSON that was published', async () => {
	const w = await Ws.must(d.port, '/ws/comments/42');
	const other = await Ws.must(d.port, '/ws/comments/43');
	const data = '{"b":1,  "a":[1e2,"\\u00e9"],"big":12345678901234567890}';
	const r = await api('publish',
	    `{"namespace":"feed","event":"comment","room":"track:42","data":${data}}`);
	assert.equal(r.status, 200, JSON.stringify(r.body));
	assert.equal(await w.message(), data);
	await other.silent();
	w.drop();
	other.drop();
});

for (const [what, body, status] of [
	['no JSON', '{', 400],
	['an array', '[]', 400],
	['no namespace', { event: 'e', namespace: undefined }, 400],
	['an unknown namespace', { event: 'e', namespace: 'nope' }, 404],
	['no event', {}, 400],
	['an empty event', { event: '' }, 400],
	['a numeric event', { event: 5 }, 400],
	['data and args', { event: 'e', data: 1, args: [] }, 400],
	['args that are no list', { event: 'e', args: 1 }, 400],
	['a room that is a number', { event: 'e', room: 5 }, 400],
	['an empty list of rooms', { event: 'e', room: [] }, 400],
	['a member that is not built', { event: 'e', offline: 'queue' }, 400],
]) {
	test(`publish refuses ${what}: ${status}`, async () => {
		const r = typeof body === 'string' ? await api('publish', body) :
		    await publish(body);
		assert.equal(r.status, status, JSON.stringify(r.body));
		assert.equal(typeof r.body.error.code, 'string');
		assert.equal(typeof r.body.error.message, 'string');
	});
}

test('methods and paths that are not there', async () => {
	const g = await api('publish', undefined, { method: 'GET' });
	assert.equal(g.status, 405);
	const n = await api('nothing', {});
	assert.equal(n.status, 404);
});

test('a body above message_bytes is 413', async () => {
	const r = await raw(d.port, 'POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    `Authorization: Bearer ${KEY}\r\nContent-Length: 99999999\r\n\r\n`);
	assert.equal(r.status, 413);
	r.sock.close();
});

test('a chunked body, and one sent byte by byte', async () => {
	const s = await connect(d, '/matters');
	const body = JSON.stringify({ namespace: '/matters', event: 'chunk', data: 'é' });
	const bytes = Buffer.from(body);
	let text = 'POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
	    `Authorization: Bearer ${KEY}\r\nTransfer-Encoding: chunked\r\n\r\n`;
	const parts = [Buffer.from(text)];
	for (let i = 0; i < bytes.length; i += 7) {
		const p = bytes.subarray(i, i + 7);
		parts.push(Buffer.from(`${p.length.toString(16)};x=y\r\n`), p,
		    Buffer.from('\r\n'));
	}
	parts.push(Buffer.from('0\r\n\r\n'));
	const r = await raw(d.port, Buffer.concat(parts));
	assert.equal(r.status, 200, r.body);
	r.sock.close();
	assert.equal((await heard(s, 'chunk'))[0][0], 'é');
	s.close();
});

test('batch: an answer for each, in order; the bad ones alone fail', async () => {
	const s = await connect(d, '/matters');
	const list = [];
	for (let i = 0; i < 100; i++)
		list.push({ namespace: 'matters', event: 'b', data: i });
	list.splice(50, 0, { namespace: 'nope', event: 'b' });
	const r = await api('batch', { publish: list });
	assert.equal(r.status, 200);
	assert.equal(r.body.results.length, 101);
	assert.equal(r.body.results[50].error.code, 'not_found');
	assert.equal(new Set(r.body.results.map((x) => x.id)).size, 101);
	const got = await heard(s, 'b', 100);
	assert.deepEqual(got.map((x) => x[0]), Array.from({ length: 100 }, (_, i) => i));
	s.close();
});

test('100 requests on one connection, pipelined', async () => {
	const s = await connect(d, '/matters');
	let text = '';
	for (let i = 0; i < 100; i++) {
		const body = `{"namespace":"matters","event":"p","data":${i}}`;
		text += 'POST /api/v1/publish HTTP/1.1\r\nHost: x\r\n' +
		    `Authorization: Bearer ${KEY}\r\nContent-Length: ${
		    body.length}\r\n\r\n${body}`;
	}
	const r = await raw(d.port, text);
	assert.equal(r.status, 200);
	for (let i = 1; i < 100; i++)
		assert.equal((await r.sock.response()).status, 200);
	const got = await heard(s, 'p', 100);
	assert.deepEqual(got.map((x) => x[0]), Array.from({ length: 100 }, (_, i) => i));
	r.sock.close();
	s.close();
});

test('what is asked is counted', async () => {
	assert.ok(await d.metric('api_requests') > 100);
	assert.ok(await d.metric('api_publishes') > 200);
	assert.ok(await d.metric('api_failures') > 10);
});
