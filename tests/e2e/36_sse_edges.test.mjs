/*
 * Event streams and long polls where something happens in between: a relay that
 * says nothing for a while, a back end that is faster, a reload that takes the
 * streams away.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, halt, roostd, until, within } from './lib/daemon.mjs';
import { Stream } from './lib/sse.mjs';
import { mint, now, secret } from './lib/token.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const api = { Authorization: `Bearer ${KEY}`,
	'Content-Type': 'application/json' };
const conf = `
drain_time = 60s
jwt { secret = "${secret}" }
api { key "backend" { sha256 = "${sha(KEY)}" allow = {"publish", "rooms"} } }
namespace "/k" { auth = none
    room "k:{id}" { join = open history = 100 } }
namespace "/user" { auth = required
    room "own:{id}" { join = "self:id" }
    room "u:{id}" { join = open history = 100 } }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 1, conf }); });
after(() => d.stop());

const range = (a, b) => [...Array(b - a + 1).keys()].map((i) => i + a);
const numbers = (s) => s.of('say').map((e) => e.json.data.i);
const poll = (query, init) => fetch(d.url(`/poll/k?${
    new URLSearchParams(query)}`), init);
async function call(path, body) {
	const r = await fetch(d.url(`/api/v1/${path}`), { method: 'POST',
		headers: api, body: JSON.stringify(body) });
	assert.equal(r.status, 200, await r.text());
}
async function publish(namespace, room, from, to) {
	for (const i of range(from, to))
		await call('publish', { namespace, room, event: 'say',
			data: { i } });
}
/* While f is done the relay says nothing. */
async function unheard(f) {
	const { pid } = d.relay();
	d.mayDie = true;
	await halt(pid);
	try {
		return await f();
	} finally {
		process.kill(pid, 'SIGCONT');
	}
}
async function reload(change) {
	fs.writeFileSync(d.file, change(fs.readFileSync(d.file, 'utf8')));
	const n = d.log.split(' drain connections=').length;
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.split(' drain connections=').length > n,
	    'a worker to drain', 20000);
}

test('a back end is faster than the pages: a stream is told of a gap', async () => {
	const token = mint({ sub: 'dave', exp: now() + 3600 });
	const open = (opts) => Stream.open(
	    d.url(`/sse/user?room=u:1&token=${token}`), opts);
	let s = await open();
	await s.heard('roost:joined');
	await publish('user', 'u:1', 1, 1);
	await s.heard('say');
	const { lastId } = s, [epoch] = lastId.split(':');
	s.close();
	await d.counts('sse_open', 0);
	await publish('user', 'u:1', 2, 3);
	await unheard(async () => {
		const asks = await d.metric('history_asks');
		s = await open({ lastId });
		await d.counts('history_asks', asks + 1);
		/* its answer is for all hosts, and waits for the relay */
		const told = fetch(d.url('/api/v1/users/dave/rooms'), {
			method: 'POST', headers: api, body: JSON.stringify({
				namespace: 'user', join: ['u:1'] }) });
		await until(async () => (await (await fetch(d.url(
		    '/health'))).json()).status !== undefined, 'the worker');
		return { told };
	}).then(({ told }) => told);
	await s.heard('roost:joined');
	await publish('user', 'u:1', 4, 4);
	await until(() => numbers(s).includes(4), 'what came then');
	if (numbers(s).includes(2))
		assert.deepEqual(numbers(s), [2, 3, 4]);
	else
		assert.deepEqual(s.of('roost:gap').map((e) => e.json.data),
		    [{ room: 'u:1', epoch, offset: 1 }]);
	s.close();
});

test('whoever is about to wait at a worker that goes is answered', async (t) => {
	const one = d;
	d = await Daemon.start({ workers: 1, conf });
	t.after(() => { d = one; });
	const { next } = await (await poll({ room: 'k:1' })).json();
	const asks = await d.metric('history_asks');
	const asking = await unheard(async () => {
		const all = range(1, 4).map(() => poll({ room: 'k:1',
			since: next, wait: 60 }));
		await d.counts('history_asks', asks + 4);
		d.child.kill('SIGQUIT');
		await d.logged(/ drain connections=/);
		return { all };
	});
	for (const r of await within(Promise.all(asking.all), 'answers'))
		assert.equal((await r.json()).next, next);
	await d.stop();
});

test('why tells of a user who may not join', async () => {
	const why = (whom) => new Promise((ok) => {
		execFile(path.join(path.dirname(roostd), 'roostctl'),
		    ['-p', String(d.pid), 'why', whom], (e, out) => ok(out));
	});
	const token = mint({ sub: 'mallory', exp: now() + 3600 });
	const r = await fetch(d.url(`/sse/user?room=own:dave&token=${token}`));
	assert.equal((await r.json()).error.code, 'forbidden');
	await until(async () => /refused: forbidden as mallory /.test(
	    await why('user:mallory')), 'why to tell of it');
});

test('a reload that takes the streams away ends them', async () => {
	const s = await Stream.open(d.url('/sse/k?room=k:2'));
	const t = await Stream.open(d.url(
	    `/sse/user?token=${mint({ sub: 'x', exp: now() + 3600 })}`));
	await s.heard('roost:joined');
	await reload((text) => text.replace('"/k" { auth = none',
	    '"/k" { auth = none sse = false poll = false'));
	await s.end(20000);
	assert.deepEqual(s.got.map((e) => e.event),
	    ['roost:joined', 'roost:disconnect', 'roost:close']);
	assert.equal(s.got.at(-1).json.code, 1008);
	assert.equal((await fetch(d.url('/sse/k'))).status, 404);
	assert.equal((await poll({ room: 'k:2' })).status, 404);
	assert.equal(t.ended, false);
	await d.counts('sse_open', 1);
	t.close();
	await d.counts('sse_open', 0);
});
