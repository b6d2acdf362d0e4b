/*
 * Events that a hook is asked about before they pass: what it says, what becomes
 * of them without an answer, and the order of what waits behind them.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { Daemon, slow, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard, plain } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { checkNumbers } from './lib/streams.mjs';
import { user } from './lib/token.mjs';
import { Upgradable, putRebuilt, upgrade } from './lib/upgrade.mjs';

const conf = (url, more = 'timeout = 10s') => `
hook "back" { url = "${url}"  secret = "${SECRET}"  allow_private = true
    ${more} }
${jwt}
rate tight { allow = 3/10m }
namespace "/app" { auth = optional  hook = "back"
    room "r:{id}" { join = open }
    event "say" { to = room:room  self = true  ask = true  ack = accepted }
    event "sum" { ask = true  ack = backend  args = 4 }
    event "few" { ask = true  ack = backend  rate = tight }
    event "free" { to = sender }
    event "order" { to = backend  ask = true  ack = accepted }
}
`;
const as = (name) => ({ auth: { token: user(name) } });
const json = (r, o) => {
	r.writeHead(200).end(JSON.stringify(o));
};
const isQuestion = (q) => q.headers['x-roost-question'] === 'event';
/* Entries are taken; questions are f's. */
const judge = (f) => (q, r) => (isQuestion(q) ? f(q.json, r) : 200);
const sums = judge((j, r) => json(r, { allow: true, ack: [
	j.event === 'sum' || j.event === 'few' ?
	    j.data.reduce((a, b) => a + b, 0) : 0, { user: j.user }] }));

let b, d;
before(async () => {
	b = await Backend.start();
	d = await Daemon.start({ workers: 2, conf: conf(b.url) });
});
after(async () => {
	await d.stop();
	await b.close();
	b.check();
});
const questions = (back) => back.requests.filter(isQuestion);

test('the hook is asked, and its answer is the acknowledgement', async () => {
	b.answer = sums;
	const ann = await connect(d, '/app', as('ann'));
	const got = await new Promise((ok) => {
		ann.emit('sum', 1, 2, 3, (...args) => ok(args));
	});
	assert.deepEqual(got, [6, { user: 'ann' }]);
	const q = questions(b).at(-1);
	assert.equal(q.json.namespace, '/app');
	assert.equal(q.json.event, 'sum');
	assert.equal(q.json.sid, ann.id);
	assert.deepEqual(q.json.data, [1, 2, 3]);
	assert.equal(q.json.id, undefined);
	await d.counts('verdicts', 1);
	ann.close();
	const w = await plain(d, '/ws/app');
	assert.deepEqual(await w.ask('sum', 4),
	    { ack: 1, data: 4, args: [4, {}] });
	b.answer = judge((j, r) => { r.writeHead(200).end('{"allow":true,"ack":[\n]}'); });
	assert.deepEqual(await w.ask('sum', 4), { ack: 2, data: null });
	w.terminate();
});

test('what it allows passes, what it refuses does not', async () => {
	const [ann, bob] = await Promise.all(['ann', 'bob'].map((n) =>
		connect(d, '/app', as(n))));
	for (const c of [ann, bob])
		await ask(c, 'room:join', { room: 'r:1' });
	b.answer = judge((j, r) => (j.data[0].text.includes('bad') ?
	    json(r, { allow: false, message: 'no "bad" words' }) :
	    json(r, { allow: true })));
	const { id } = await ask(ann, 'say', { room: 'r:1', text: 'fine' });
	assert.ok(id);
	const [[, meta]] = await heard(bob, 'say');
	assert.equal(meta.id, id);
	assert.equal(questions(b).at(-1).json.room, 'r:1');
	const { error } = await ask(ann, 'say', { room: 'r:1', text: 'bad' });
	assert.equal(error.code, 'forbidden');
	assert.equal(error.message, 'no "bad" words');
	await d.counts('verdicts_refused', 1);
	/* nobody is asked about what the rule itself refuses */
	const n = questions(b).length;
	const r = await ask(ann, 'say', { room: 'r:2', text: 'fine' });
	assert.equal(r.error.code, 'not_member');
	assert.equal(questions(b).length, n);
	/* to back ends: asked, then told */
	b.answer = judge(() => 204);
	const o = await ask(ann, 'order', { n: 1 });
	assert.ok(b.entries.some((e) => e.id === o.id));
	ann.close();
	bob.close();
});

test('later events of the client wait, in order, and others do not',
    async () => {
	const ann = await connect(d, '/app', as('ann'));
	const bob = await connect(d, '/app', as('bob'));
	const held = [];
	b.answer = judge((j, r) => { held.push([j, r]); });
	const order = [];
	const sum = (...a) => ann.emit('sum', ...a, (x) => order.push(x));
	ann.on('free', ({ i }) => order.push(`free ${i}`));
	sum(1);
	ann.emit('free', { i: 1 });
	sum(2);
	ann.emit('free', { i: 2 });
	ann.emit('room:join', { room: 'r:9' }, () => order.push('joined'));
	await until(() => held.length === 1, 'a question');
	bob.emit('free', { i: 7 });
	await heard(bob, 'free');
	assert.deepEqual(order, []);
	assert.equal(held.length, 1);
	json(held[0][1], { allow: true, ack: ['one'] });
	await until(() => held.length === 2, 'another question');
	await until(() => order.length === 2, 'what was behind the first');
	assert.deepEqual(order, ['one', 'free 1']);
	json(held[1][1], { allow: true, ack: ['two'] });
	await until(() => order.length === 5, 'all');
	assert.deepEqual(order, ['one', 'free 1', 'two', 'free 2', 'joined']);
	await d.counts('verdicts_behind', 4);
	ann.close();
	bob.close();
});

test('without an answer nobody waits longer than the timeout', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Daemon.start({ conf: conf(back.url, 'timeout = 1s') });
	t.after(() => o.stop());
	const ann = await connect(o, '/app', as('ann'));
	const ways = [
		() => undefined,
		() => 500,
		() => 403,
		(j, r) => { r.socket.destroy(); },
		(j, r) => { r.writeHead(200).end('{"allow":1}'); },
		(j, r) => { r.writeHead(200).end('[true]'); },
		(j, r) => { r.writeHead(200).end('{"allow":true,"ack":3}'); },
		(j, r) => { r.writeHead(200).end(Buffer.alloc(1 << 20, 32)); },
		(j, r) => { r.writeHead(302, { location: back.url }).end(); },
	];
	for (const way of ways) {
		back.answer = judge(way);
		const t0 = Date.now();
		const { error } = await ask(ann, 'sum', 1);
		assert.equal(error.code, 'unavailable', String(way));
		assert.ok(Date.now() - t0 < 1000 + 1500 * slow, 'it waited');
	}
	await o.counts('verdicts_failed', ways.length);
	ann.close();
});

test('a client that leaves meanwhile, and one that sends too much', async () => {
	const held = [];
	b.answer = judge((j, r) => { held.push(r); });
	const ann = await connect(d, '/app', as('ann'));
	ann.emit('sum', 1);
	ann.emit('free', { i: 1 });
	await until(() => held.length === 1, 'a question');
	ann.close();
	json(held[0], { allow: true });
	const bob = await connect(d, '/app', as('bob'));
	bob.emit('sum', 1);
	await until(() => held.length === 2, 'another one');
	const codes = [];
	for (let i = 0; i < 140; i++)
		bob.emit('sum', 1, (a) => codes.push(a?.error?.code));
	await until(() => codes.length === 12, 'those that are too many');
	assert.ok(codes.every((c) => c === 'limit'));
	await d.counts('verdicts_overrun', 12);
	b.answer = sums;
	json(held[1], { allow: true });
	await until(() => codes.length === 140, 'all others', 10000);
	bob.close();
});

test('many clients at once, each with its own answer', async () => {
	b.answer = sums;
	const all = await Promise.all(Array.from({ length: 40 }, (_, i) =>
		connect(d, '/app', as(`u${i}`))));
	const got = await Promise.all(all.flatMap((c, i) => [1, 2, 3].map((k) =>
		ask(c, 'sum', i, k))));
	assert.deepEqual(got, all.flatMap((_, i) => [i + 1, i + 2, i + 3]));
	for (const c of all)
		c.close();
});

test('a rate is charged once', async () => {
	b.answer = sums;
	const ann = await connect(d, '/app', as('rated'));
	for (let i = 0; i < 3; i++)
		assert.equal(await ask(ann, 'few', i), i);
	assert.equal((await ask(ann, 'few', 4)).error.code, 'rate_limited');
	ann.close();
});

test('on_failure = allow, bounded questions, a relay that is killed, a reload',
    async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Daemon.start({ workers: 1, conf: conf(back.url,
	    'timeout = 2s  on_failure = allow  questions = 2') });
	t.after(() => o.stop());
	o.mayDie = true;
	const [ann, bob, cat] = await Promise.all(['ann', 'bob', 'cat'].map((n) =>
		connect(o, '/app', as(n))));
	for (const c of [ann, bob, cat])
		await ask(c, 'room:join', { room: 'r:1' });
	const held = [];
	back.answer = judge((j, r) => { held.push(r); });
	const say = (c, i) => ask(c, 'say', { room: 'r:1', i });
	const one = say(ann, 1), two = say(bob, 2);
	await until(() => held.length === 2, 'two questions');
	const t0 = Date.now();
	assert.ok((await say(cat, 3)).id, 'a third one does not pass');
	assert.ok(Date.now() - t0 < 1500, 'it waited');
	json(held[0], { allow: false });
	assert.equal((await one).error.message, 'the back end refuses it');
	assert.ok((await two).id);		/* at its timeout */
	assert.deepEqual((await heard(ann, 'say', 2)).map((a) => a[0].i),
	    [3, 2]);
	/* the relay dies while one waits */
	const four = say(ann, 4);
	await until(() => held.length === 3, 'another question');
	const { pid } = o.relay();
	process.kill(pid, 'SIGKILL');
	assert.ok((await four).id);
	await o.next(pid);
	/* a reload while an event waits: its client goes over behind it */
	const five = say(ann, 5);
	await until(() => held.length === 4, 'the fourth question');
	fs.writeFileSync(o.file, fs.readFileSync(o.file, 'utf8')
	    .replace('event "say" {', 'event "said" {'));
	process.kill(o.pid, 'SIGHUP');
	await o.logged('worker_ready', 2);
	back.answer = judge((j, r) => json(r, { allow: true }));
	json(held[3], { allow: true });
	assert.ok((await five).id);
	await until(async () => (await ask(ann, 'said', { room: 'r:1', i: 6 })).id,
	    'the next worker');
	for (const c of [ann, bob, cat])
		c.close();
});

test('who cannot be asked about passes as it is', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Daemon.start({ workers: 1, conf: `
limits { bus_queue_bytes = 64KB }
hook "back" { url = "${back.url}"  secret = "${SECRET}"  allow_private = true
    on_failure = allow }
namespace "/app" { auth = none  hook = "back"  keep_query = {a, b, c}
    room "r:{id}" { join = open }
    event "near" { to = joined  self = true  ask = true  ack = accepted }
}
` });
	t.after(() => o.stop());
	const [a, b, c] = ['a', 'b', 'c'].map((x) => x.repeat(1000));
	const all = await Promise.all(Array.from({ length: 8 }, () =>
		connect(o, '/app', { query: { a, b, c } })));
	await Promise.all(all.map((s, i) => ask(s, 'room:join', `r:${i}`)));
	/* the queue to the relay is full when several come in one turn */
	await until(async () => {
		await Promise.all(all.map((s) => ask(s, 'near', 'x'.repeat(70000))));
		return await o.metric('verdicts_failed') > 2;
	}, 'one that cannot be asked about');
	all.forEach((s, i) => {
		for (const [, meta] of gotten(s, 'near'))
			assert.equal(meta.room, `r:${i}`);
		s.close();
	});
});

test('a later token does not wait behind an event', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Daemon.start({ workers: 1, conf: conf(back.url)
	    .replace(jwt, jwt.replace('{ ', '{ leeway = 0s ')) });
	t.after(() => o.stop());
	const held = [];
	back.answer = judge((j, r) => { held.push(r); });
	const exp = Math.floor(Date.now() / 1000) + 2;
	const ann = await connect(o, '/app', { auth: { token: user('ann', { exp }) } });
	const sum = ask(ann, 'sum', 1);
	await until(() => held.length === 1, 'a question');
	assert.equal((await ask(ann, 'auth:refresh', { token: user('ann') })).error,
	    undefined);
	await until(() => Date.now() > (exp + 1) * 1000, 'its first token to be over');
	json(held[0], { allow: true, ack: [7] });
	assert.equal(await sum, 7);
	ann.close();
});

test('an upgrade in the middle: what was acknowledged is there, and who asks is '
    + 'answered', async (t) => {
	const back = await Backend.start();
	t.after(() => back.close());
	const o = await Upgradable.start({ workers: 2, conf: conf(back.url) });
	t.after(() => o.stop());
	back.answer = sums;
	const ann = await connect(o, '/app', as('ann'));
	const bob = await connect(o, '/app', as('bob'));
	let over = false;
	const ids = [], sent = [], refused = [];
	const told = (async () => {
		for (let i = 0; !over || i < 20; i++) {
			const r = await ask(ann, 'order', { i });
			(r.error ? refused : ids).push(r.id ?? r.error.code);
		}
	})();
	const asked = (async () => {
		for (let i = 0; !over || i < 20; i++) {
			const r = await ask(bob, 'sum', i, 1);
			if (r.error)
				refused.push(r.error.code);
			else
				sent.push(r - i);
		}
	})();
	await until(() => ids.length > 5 && sent.length > 5, 'both to begin');
	putRebuilt(o);
	await upgrade(o);
	over = true;
	await Promise.all([told, asked]);
	assert.ok(sent.every((n) => n === 1), 'another one\'s answer');
	assert.ok(refused.every((c) => c === 'unavailable'), String(refused));
	const got = back.entries.filter((e) => e.type === 'event')
	    .map((e) => e.id);
	assert.ok(ids.every((id) => got.includes(id)), 'one is not there');
	assert.equal(new Set(got).size, got.length, 'one is there twice');
	checkNumbers(back.entries, true);
	assert.equal(new Set(back.entries.map((e) => e.epoch)).size, 2);
	ann.close();
	bob.close();
});
