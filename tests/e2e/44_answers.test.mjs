/*
 * Events that ask: publish with ack: true collects what clients acknowledge,
 * whatever their transport and worker; ids that are published once.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { Daemon, slow, until, within } from './lib/daemon.mjs';
import { connect, gotten, heard, once, plain } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const conf = `
api { key "k" { sha256 = "${sha('backend-key')}" allow = {"publish"} } }
namespace "/" { auth = none  room "r:{id}" { join = open }
    event "never" { to = nowhere } }
`;
let d;
before(async () => { d = await Daemon.start({ workers: 3, conf }); });
after(() => d.stop());

/* A POST on a connection of its own, so that any worker may get it. */
function publish(body, { to = d, path = 'publish', agent = false } = {}) {
	let req;
	const answer = new Promise((ok, no) => {
		req = http.request(to.url(`/api/v1/${path}`), { method: 'POST',
			agent, headers: {
				Authorization: 'Bearer backend-key' } },
		(res) => {
			let text = '';
			res.on('data', (b) => { text += b; });
			res.on('end', () => ok({ status: res.statusCode,
				headers: res.headers, body: JSON.parse(text) }));
			res.on('error', no);
		});
		req.on('error', no);
		req.end(JSON.stringify({ namespace: '/', ...body }));
	});
	answer.abort = () => req.destroy();
	return answer;
}
const bySid = (r) => Object.fromEntries(r.body.answers.map((a) => [a.sid, a.args]));
let room = 0;
async function inRoom(...clients) {
	const name = `r:${++room}`;
	for (const c of clients)
		await c.timeout(5000 * slow).emitWithAck('room:join', name);
	return name;
}

test('answers come from every worker, transport and form of callback', async () => {
	const ws = await sioOn(d, [1, 2, 3], '/');
	const poll = await sioOn(d, [1, 2, 3], '/', { transports: ['polling'] });
	const clients = [...ws, ...poll];
	clients.forEach((c, i) => c.on('vote', (q, cb) => {
		assert.deepEqual(q, { n: 1 });
		cb('yes', i);
	}));
	const name = await inRoom(...clients);
	for (let i = 0; i < 6; i++) {
		const r = await publish({ event: 'vote', data: { n: 1 },
			meta: false, room: name, ack: true });
		assert.equal(r.status, 200);
		assert.equal(r.body.asked, 6);
		assert.equal(r.body.answered, 6);
		assert.equal(r.body.complete, true);
		const got = bySid(r);
		clients.forEach((c, j) => assert.deepEqual(got[c.id], ['yes', j]));
	}
	clients.forEach((c) => c.close());
});

test('one socket is asked by its sid; meta comes before the callback', async () => {
	const [a, b] = [await connect(d), await connect(d)];
	a.on('q', (x, meta, cb) => {
		assert.equal(typeof meta.id, 'string');
		cb(x + 1, null, [meta.id]);
	});
	b.on('q', () => assert.fail('not asked'));
	const r = await publish({ event: 'q', data: 41, sid: a.id, ack: true });
	assert.deepEqual(r.body.answers, [{ sid: a.id, user: null,
		args: [42, null, [r.body.id]] }]);
	[a, b].forEach((c) => c.close());
});

test('binary goes out and comes back on both transports', async () => {
	const clients = [await connect(d), await connect(d, '/', { transports: ['polling'] })];
	const name = await inRoom(...clients);
	for (const c of clients)
		c.on('blob', (o, cb) => cb({ len: o.b.length,
			back: Buffer.from(o.b).reverse() }));
	const r = await publish({ event: 'blob', room: name, ack: true, meta: false,
		data: { b: { _placeholder: true, num: 0 } },
		attachments: [Buffer.from([1, 2, 3, 250]).toString('base64')] });
	assert.equal(r.body.answered, 2, JSON.stringify(r.body));
	for (const a of r.body.answers) {
		assert.deepEqual(a.args, [{ len: 4, back: { _placeholder: true, num: 0 } }]);
		assert.deepEqual([...Buffer.from(a.attachments[0], 'base64')],
		    [250, 3, 2, 1]);
	}
	clients.forEach((c) => c.close());
});

test('attachments may be base64 with line breaks, or without padding', async () => {
	for (const [text, want] of [['AQID\n', [1, 2, 3]], ['AQ', [1]],
		['AQ\r\nI=', [1, 2]]]) {
		const s = await connect(d, '/');
		const got = once(s, 'lines');
		const r = await publish({ sid: s.id, meta: false,
			event: 'lines', data: { _placeholder: true, num: 0 },
			attachments: [text] });
		assert.equal(r.status, 200, JSON.stringify(r.body));
		assert.deepEqual([...(await got)[0]], want);
		s.close();
	}
});

test('attachments that do not fit are refused', async () => {
	const p = { _placeholder: true, num: 1 };
	for (const [body, why] of [
		[{ data: p, attachments: ['AAAA'] }, /placeholder/],
		[{ data: 1, attachments: ['!'] }, /base64/],
		[{ data: 1, attachments: [1] }, /base64/],
		[{ data: 1, attachments: 'AAAA' }, /array/],
		[{ data: 1, attachments: Array(11).fill('') }, /10/],
	]) {
		const r = await publish({ event: 'x', ...body });
		assert.equal(r.status, 400);
		assert.match(r.body.error.message, why);
	}
});

test('silence: the time passes, and what came is told', async () => {
	const [a, b] = await sioOn(d, [1, 2], '/');
	const name = await inRoom(a, b);
	a.on('q', (m, cb) => cb('here'));
	let late;
	b.on('q', (m, cb) => { late = cb; });
	const r = await publish({ event: 'q', args: [], room: name, ack: true, timeout: 300 });
	assert.equal(r.status, 200);
	assert.deepEqual(r.body.answers.map((x) => x.args), [['here']]);
	assert.equal(r.body.asked, 2);
	assert.equal(r.body.complete, false);
	const before = await d.metric('acks_unknown');
	late('too late');
	await until(async () => await d.metric('acks_unknown') > before,
	    'the late answer is counted');
	assert.ok(b.connected);
	[a, b].forEach((c) => c.close());
});

test('who goes is not waited for, by 41, by close and by a cut', async () => {
	const clients = await sioOn(d, [1, 2, 3], '/');
	const name = await inRoom(...clients);
	const hit = clients.map((c) => new Promise((ok) => c.on('q', ok)));
	const r = publish({ event: 'q', room: name, ack: true, timeout: 60000 });
	await within(Promise.all(hit), 'all asked');
	clients[0].disconnect();
	clients[1].io.engine.close();
	clients[2].io.engine.transport.ws._socket.destroy();
	const { body } = await within(r, 'the answer');
	assert.equal(body.asked, 3);
	assert.equal(body.answered, 0);
	assert.equal(body.complete, false);
});

test('nobody there: the answer comes at once', async () => {
	const r = await within(publish({ event: 'q', room: 'r:nobody', ack: true,
		timeout: 60000 }), 'the answer', 1000);
	assert.deepEqual([r.body.answers, r.body.asked, r.body.complete],
	    [[], 0, true]);
});

test('plain clients answer by envelope', async () => {
	const w = await plain(d, '/ws/');
	const s = await connect(d);
	await w.ask('room:join', 'r:plain');
	await s.emitWithAck('room:join', 'r:plain');
	s.on('q', (x, meta, cb) => cb(x));
	w.on('message', (b) => {
		const m = JSON.parse(b.toString());
		if (m.event === 'q' && 'id' in m)
			w.send(JSON.stringify({ ack: m.id, data: { plain: m.data } }));
	});
	const r = await publish({ event: 'q', data: 5, room: 'r:plain', ack: true });
	assert.equal(r.body.answered, 2, JSON.stringify(r.body));
	assert.ok(r.body.answers.some((a) => a.args[0].plain === 5));
	w.close();
	s.close();
});

test('a back end that hangs up leaves nothing behind', async () => {
	const s = await connect(d);
	const hit = new Promise((ok) => s.on('q', (m, cb) => ok(cb)));
	const r = publish({ event: 'q', sid: s.id, ack: true, timeout: 60000 });
	r.catch(() => {});
	const cb = await within(hit, 'asked');
	await d.counts('asks_open', (n) => n > 0);
	r.abort();
	await until(async () => await d.metric('asks_open') === 0,
	    'no question open');
	cb('to nobody');
	await s.timeout(5000 * slow).emitWithAck('roost:ping');
	s.close();
});

test('many questions at once, each with its own answers', async () => {
	const clients = await sioOn(d, [1, 2, 3], '/');
	clients.forEach((c, i) => c.on('sum', (a, b, cb) => cb(a + b, i)));
	const name = await inRoom(...clients);
	const all = await Promise.all(Array.from({ length: 100 }, (_, i) =>
		publish({ event: 'sum', args: [i, 1000], meta: false, room: name,
			ack: true, timeout: 20000 })));
	all.forEach((r, i) => {
		assert.equal(r.body.complete, true);
		assert.deepEqual(r.body.answers.map((a) => a.args[0]),
		    Array(3).fill(i + 1000));
		assert.deepEqual(r.body.answers.map((a) => a.args[1]).sort(), [0, 1, 2]);
	});
	clients.forEach((c) => c.close());
});

test('refused: in a batch, a timeout without ack, numbers out of range', async () => {
	for (const body of [{ timeout: 5 }, { ack: true, timeout: 0 },
		{ ack: true, timeout: 60001 }, { ack: 'yes' }, { meta: 1 }]) {
		const r = await publish({ event: 'q', ...body });
		assert.equal(r.status, 400, JSON.stringify(body));
		assert.equal(r.body.error.code, 'bad_request');
	}
	const r = await publish({ publish: [{ namespace: '/', event: 'q', ack: true }] },
	    { path: 'batch' });
	assert.match(r.body.results[0].error.message, /batch/);
});

test('an id is published once, whichever workers are asked', async () => {
	const s = await connect(d);
	const name = await inRoom(s);
	const before = await d.metric('api_duplicates');
	const all = await Promise.all(Array.from({ length: 24 }, (_, i) =>
		publish({ event: 'paid', data: i, room: name, id: 'invoice-17' })));
	assert.ok(all.every((r) => r.status === 200 && r.body.id === 'invoice-17'));
	assert.equal(all.filter((r) => !r.body.duplicate).length, 1);
	await publish({ event: 'paid', data: 'other', room: name, id: 'invoice-18' });
	await heard(s, 'paid', 2);
	const got = gotten(s, 'paid');
	assert.equal(got.length, 2);
	assert.deepEqual(got.map((a) => a[1].id), ['invoice-17', 'invoice-18']);
	await d.counts('api_duplicates', before + 23);
	/* in a batch as well; another namespace has ids of its own */
	const r = await publish([{ namespace: '/', event: 'paid', room: name,
		id: 'invoice-17' }], { path: 'batch' });
	s.close();
});

/* A connection to the worker in this slot: ids name theirs. */
async function agentOf(k, slot) {
	for (;;) {
		const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		const { body } = await publish({ event: 'who' }, { to: k, agent });
		if (body.id.split('.')[1] === slot)
			return agent;
		agent.destroy();
	}
}

test('of a killed worker nothing is known, and it is not waited for', async () => {
	const k = await Daemon.start({ workers: 2, conf });
	const [a, b] = await sioOn(k, [1, 2], '/');
	await a.emitWithAck('room:join', 'r:k');
	await b.emitWithAck('room:join', 'r:k');
	a.on('q', (m, cb) => cb('a'));
	const hit = new Promise((ok) => b.on('q', () => ok()));
	const agent = await agentOf(k, '1');	/* the worker that stays */
	const r = publish({ event: 'q', room: 'r:k', ack: true, timeout: 60000 },
	    { to: k, agent });
	await within(hit, 'asked');
	k.mayDie = true;
	process.kill(k.worker(2).pid, 'SIGKILL');
	const { status, body } = await within(r, 'the answer');
	assert.equal(status, 200);
	assert.equal(body.complete, false);
	assert.deepEqual(body.answers.map((x) => x.args), [['a']]);
	agent.destroy();
	a.close();
	b.close();
	await k.stop();
});

test('what a killed worker asked is not answered to the next', async () => {
	const k = await Daemon.start({ workers: 2, conf });
	k.mayDie = true;
	const [[a], [b]] = [await sioOn(k, [2], '/'), await sioOn(k, [2], '/')];
	const asked = (s) => within(new Promise((ok) => s.once('q', (m, cb) =>
		ok(cb))), 'asked');
	let agent = await agentOf(k, '1'), hit = asked(a);
	publish({ event: 'q', sid: a.id, ack: true, timeout: 20000 },
	    { to: k, agent }).catch(() => {});
	const old = await hit;
	const { pid } = k.worker(1);
	process.kill(pid, 'SIGKILL');
	await k.next(pid, 1);
	agent.destroy();
	agent = await agentOf(k, '1');
	hit = asked(b);
	const r = publish({ event: 'q', sid: b.id, ack: true, timeout: 20000 },
	    { to: k, agent });
	const now = await hit;
	old('old');
	await a.timeout(5000 * slow).emitWithAck('room:join', 'r:k');
	now('new');
	const { body } = await within(r, 'the answer');
	assert.deepEqual([body.asked, body.answered, body.complete],
	    [1, 1, true]);
	assert.deepEqual(body.answers.map((x) => x.args), [['new']]);
	agent.destroy();
	a.close();
	b.close();
	await k.stop();
});

test('a worker that stops tells what it has', async () => {
	const k = await Daemon.start({ workers: 1, conf });
	const s = await connect(k);
	const hit = new Promise((ok) => s.on('q', () => ok()));
	const r = publish({ event: 'q', ack: true, timeout: 60000 }, { to: k });
	await within(hit, 'asked');
	const end = k.stop();
	const { status, body } = await within(r, 'the answer');
	assert.deepEqual([status, body.asked, body.answered, body.complete],
	    [200, 1, 0, false]);
	s.close();
	await end;
});
