/* The HTTP API for back ends: keys, publish, batch. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { Daemon, halt, slow, until, within } from './lib/daemon.mjs';
import { ask, connect, gotten, heard, plain } from './lib/clients.mjs';
import { request } from './lib/polling.mjs';
import { Sock, Ws, raw } from './lib/wire.mjs';
import { sioOn } from './lib/spread.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const conf = jwt + `
limits { message_bytes = 100KB }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish"} }
      key "warden" { sha256 = "${sha('the-warden')}" allow = {"disconnect"} }
      key "usher" { sha256 = "${sha('the-usher')}" allow = {"rooms"} }
      key "reader" { sha256 = "${sha('reader')}" allow = {"presence"} } }
namespace "/matters" { auth = optional
    room "case:{id}" { join = open }
    event "mark" { ack = accepted } }
namespace "/feed" { auth = none room "track:{id}" { join = server } }
route "/ws/comments/{id}" { namespace = "/feed" join = "track:{id}" format = bare }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 2, conf }); });
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
	/* by one connection, so by one worker: only then what comes after
	 * another is heard after it */
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	const put = async (body) => {
		const r = await request(d.port, 'POST', '/api/v1/publish', {
			agent, body: JSON.stringify({ namespace: 'matters', ...body }),
			headers: { authorization: `Bearer ${KEY}` } });
		assert.equal(r.status, 200, r.body);
	};
	await put({ event: 'room', data: 1, room: 'case:1' });
	await put({ event: 'user', data: 1, user: 'ann' });
	await put({ event: 'sid', data: 1, sid: e.id });
	await put({ event: 'both', data: 1, room: 'case:1', user: 'ann' });
	await put({ event: 'except', data: 1, except: [a.id, 'case:1'] });
	await put({ event: 'end' });
	for (const s of [a, b, c, e])
		await heard(s, 'end');
	const names = (s) => s.got.map((x) => x[0]);
	assert.deepEqual(names(a), ['room', 'user', 'both', 'end']);
	assert.deepEqual(names(b), ['user', 'both', 'except', 'end']);
	assert.deepEqual(names(c), ['room', 'both', 'end']);
	assert.deepEqual(names(e), ['sid', 'except', 'end']);
	closeAll(a, b, c, e);
	agent.destroy();
});

test('null is no target, and no absence of one', async () => {
	const s = await connect(d, '/matters');
	for (const body of [{ room: null }, { user: null }, { sid: null },
	    { room: null, ack: true }, { except: null }, { rooms: [null] }]) {
		const r = await publish({ event: 'wide', ...body });
		assert.equal(r.status, 400, JSON.stringify(body));
	}
	await publish({ event: 'narrow' });
	await heard(s, 'narrow');
	assert.deepEqual(gotten(s, 'wide'), []);
	s.close();
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
	await d.counts('api_requests', (n) => n > 100);
	await d.counts('api_publishes', (n) => n > 200);
	await d.counts('api_failures', (n) => n > 10);
});

/* --- orders to sessions ---------------------------------------------------- */

const warden = { key: 'the-warden' }, usher = { key: 'the-usher' };
const left = (s) => within(new Promise((ok) => s.once('disconnect', ok)),
    'disconnect');

test('rights: disconnect and rooms are not publish, nor each other', async () => {
	for (const [path, opts] of [['disconnect', usher], ['rooms', warden],
	    ['disconnect', {}], ['users/ann/rooms', {}]]) {
		const r = await api(path, { namespace: 'matters', all: true },
		    opts);
		assert.equal(r.status, 403, path);
	}
	assert.equal((await publish({ event: 'e' }, warden)).status, 403);
	assert.equal((await api('users/ann/disconnect', undefined,
	    { ...warden, method: 'GET' })).status, 405);
});

test('a user is disconnected on both workers and stays away', async () => {
	const name = 'a/b \u00fc';
	const opts = { auth: { token: user(name) }, reconnection: true };
	const [a, b] = await sioOn(d, [1, 2], '/matters', opts);
	const [c] = await sioOn(d, [1], '/matters',
	    { auth: { token: user('bob') } });
	const gone = [left(a), left(b)];
	const r = await api(`users/${encodeURIComponent(name)}/disconnect`,
	    { namespace: 'matters', reason: 'enough' }, warden);
	assert.equal(r.status, 200);
	assert.deepEqual(r.body, { disconnected: 2, complete: true });
	assert.deepEqual(await Promise.all(gone),
	    ['io server disconnect', 'io server disconnect']);
	for (const s of [a, b]) {
		const [[data]] = await heard(s, 'roost:disconnect');
		assert.deepEqual(data, { reason: 'enough' });
		assert.equal(s.active, false);	/* no reconnection */
	}
	assert.ok(c.connected);
	closeAll(a, b, c);
});

test('close ends the connection, reconnect brings clients back', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/matters',
	    { reconnection: true });
	let gone = left(a);
	let r = await api('disconnect', { namespace: 'matters', sid: a.id,
		close: true }, warden);
	assert.equal(r.status, 200);
	assert.equal(await gone, 'io server disconnect');
	assert.equal(a.active, false);
	gone = left(b);
	const id = b.id;
	const back = within(new Promise((ok) => b.once('connect', ok)),
	    'reconnection', 10000);
	r = await api('disconnect', { namespace: 'matters', sid: id,
		reconnect: true }, warden);
	assert.equal(r.status, 200);
	assert.equal(await gone, 'transport close');
	await back;
	assert.notEqual(b.id, id);
	closeAll(a, b);
});

test('plain clients are closed with 1008, and 1012 to reconnect', async () => {
	for (const [how, code] of [[{}, 1008], [{ close: true }, 1008],
	    [{ reconnect: true }, 1012]]) {
		const w = await Ws.must(d.port, '/ws/comments/9');
		const r = await api('disconnect', { namespace: 'feed',
			room: 'track:9', ...how }, warden);
		assert.equal(r.status, 200);
		const f = await w.next('Close');
		assert.equal(f.opcode, 'close');
		assert.equal(f.code, code);
		w.drop();
	}
});

test('rooms are changed on both workers', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/matters',
	    { auth: { token: user('cyd') } });
	const [c] = await sioOn(d, [1], '/matters');
	/* have a and b heard of a publication to the room, once all is done? */
	const reaches = async () => {
		for (const s of [a, b, c])
			s.got.length = 0;
		await publish({ event: 'x', room: 'server only' });
		await publish({ event: 'end' });
		await Promise.all([a, b, c].map((s) => heard(s, 'end')));
		return [a, b, c].map((s) => s.got.length - 1).join('');
	};
	let r = await api('users/cyd/rooms', { namespace: 'matters',
		join: ['server only'] }, usher);
	assert.equal(r.status, 200);
	assert.deepEqual(r.body, { sessions: 2, complete: true });
	/* told when it is done */
	assert.equal(await reaches(), '110');
	r = await api('rooms', { namespace: 'matters', room: 'server only',
		leave: 'server only' }, usher);
	assert.deepEqual(r.body, { sessions: 2, complete: true });
	assert.equal(await reaches(), '000');
	closeAll(a, b, c);
});

/* An agent whose one connection is with this worker. */
async function agentOn(k, slot) {
	for (let agent;;) {
		agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		const r = await order(k, agent, 'publish', { namespace:
		    'matters', event: 'who' }, KEY);
		if (r.body.id.split('.')[1] === `${slot}`)
			return agent;
		agent.destroy();
	}
}
function order(k, agent, path, body, key = 'the-warden') {
	return within(new Promise((ok, no) => {
		http.request(k.url(`/api/v1/${path}`), { method: 'POST', agent,
			headers: { Authorization: `Bearer ${key}` } }, (res) => {
			let text = '';
			res.on('data', (b) => { text += b; });
			res.on('end', () => ok({ status: res.statusCode,
				body: JSON.parse(text) }));
		}).on('error', no).end(JSON.stringify(body));
	}), path);
}

test('the host counts as one, whichever worker is asked', async () => {
	const k = await Daemon.start({ workers: 3, conf });
	const opts = { auth: { token: user('eve') } };
	const eves = [...await sioOn(k, [1, 2, 3], '/matters', opts),
		await connect(k, '/matters', opts)];
	const [bob] = await sioOn(k, [2], '/matters');
	for (const slot of [1, 2, 3]) {
		const agent = await agentOn(k, slot);
		const to = (path, body) => order(k, agent, path, { namespace:
		    'matters', ...body }, 'the-usher');
		const all = { status: 200,
			body: { sessions: 4, complete: true } };
		assert.deepEqual(await to('users/eve/rooms',
		    { join: 'x' }), all);
		assert.deepEqual(await to('rooms',
		    { room: 'x', join: 'y', leave: 'x' }), all);
		assert.deepEqual(await to('rooms', { sid: bob.id, join: 'z' }),
		    { status: 200, body: { sessions: 1, complete: true } });
		agent.destroy();
	}
	const agent = await agentOn(k, 2);
	const r = await Promise.all([1, 2].map(() =>
		order(k, agent, 'users/eve/disconnect', {})));
	/* one after the other, by their connection */
	assert.deepEqual(r.map((x) => x.body.disconnected), [4, 0]);
	assert.ok(bob.connected);
	agent.destroy();
	closeAll(bob, ...eves);
	await k.stop();
});

test('of a killed worker nothing is known, and it is not waited for', async () => {
	const k = await Daemon.start({ workers: 2, conf });
	const [a, b] = await sioOn(k, [1, 2], '/matters');
	const agent = await agentOn(k, 1);
	const { pid } = k.worker(2);
	const gone = left(a);
	await halt(pid);	/* it has been asked, and says nothing */
	const t0 = Date.now();
	const r = order(k, agent, 'disconnect', { namespace: 'matters',
		all: true });
	await gone;
	k.mayDie = true;
	process.kill(pid, 'SIGKILL');
	assert.deepEqual((await r).body, { disconnected: 1, complete: false });
	const took = Date.now() - t0;
	assert.ok(took < 1900 * slow, `${took} ms`);
	await until(() => (k.worker(2)?.pid ?? pid) !== pid, 'a new worker');
	b.close();
	const [c] = await sioOn(k, [2], '/matters');
	assert.deepEqual((await order(k, agent, 'disconnect', {
		namespace: 'matters', sid: c.id })).body,
	{ disconnected: 1, complete: true });
	await k.counts('asks_incomplete', 1);
	await k.counts('asks_open', 0);
	agent.destroy();
	closeAll(a, c);
	await k.stop();
});

test('a body in pieces keeps the name in its path', async () => {
	const [a] = await sioOn(d, [1], '/matters',
	    { auth: { token: user('dora') } });
	const gone = left(a);
	const body = '{"namespace":"matters"}';
	const s = await Sock.open(d.port);
	s.send('POST /api/v1/users/dora/disconnect HTTP/1.1\r\nHost: x\r\n' +
	    'Authorization: Bearer the-warden\r\nExpect: 100-continue\r\n' +
	    `Content-Length: ${body.length}\r\n\r\n`);
	assert.equal((await s.response()).status, 100);
	s.send(body);
	assert.equal((await s.response()).status, 200);
	assert.equal(await gone, 'io server disconnect');
	s.close();
	closeAll(a);
});
