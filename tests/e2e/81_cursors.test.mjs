/*
 * Who reads a kept room slowly is not closed for it: it reads on in the store,
 * all and once each and in order, until it is where the others are.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Daemon, sleep, slow, until } from './lib/daemon.mjs';
import { ask, connect, gotten } from './lib/clients.mjs';
import { stopTime } from './lib/conf.mjs';
import { Polling } from './lib/polling.mjs';
import { Sock, Ws, socketio } from './lib/wire.mjs';

const KEY = 'a-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const conf = `${stopTime}
drain_time = ${Math.min(slow, 4)}s
limits { message_bytes = 200KB send_queue_bytes = 256KB
    slow_consumer_timeout = ${60 * slow}s }
heartbeat { interval = ${20 * slow}s timeout = ${60 * slow}s }
store { room_bytes = 256MB bytes = 512MB }
api { key "k" { sha256 = "${sha}" allow = {"publish"} } }
namespace "/k" { auth = none
    room "few:{any}" { join = open history = 20 }
    room "{any}" { join = open history = 100000 }
    event "n" { to = room:room meta = off }
    event "own" { to = room:room self = true meta = off }
    event "sync" { ack = echo } }
route "/bare/{room}" { namespace = "/k" join = "few:{room}" format = bare }
`;
let d, p, nrooms = 0;
before(async () => {
	d = await Daemon.start({ workers: 1, conf });
	p = await connect(d, '/k');
});
after(async () => {
	p.close();
	await d.stop();
});
const fresh = (kind = 'r') => `${kind}${nrooms++}`;
const join = (s, room) => ask(s, 'room:join', { room });
const text = 'x'.repeat(20000);
/* So many more of them, numbered on. */
async function say(from, room, first, n, event = 'n') {
	for (let i = first; i < first + n; i++) {
		from.emit(event, { room, i, text });
		if (i % 20 === 0)
			await ask(from, 'sync', 0);
	}
	await ask(from, 'sync', 0);
	return first + n;
}
/* Until somebody reads on in the store, for a while: how much that takes is the
 * kernel's. */
async function behind(from, room, n) {
	const open = async () => await d.metric('cursors_open') === 1;
	await until(async () => {
		n = await say(from, room, n, 50);
		return await open() && !await sleep(400) && open();
	}, 'a cursor', 20000);
	return say(from, room, n, 50);
}
const speakers = {
	'Socket.IO': async (room, e = d) => {
		const w = await socketio(e.port, { nsp: '/k' });
		w.text(`42/k,1["room:join",{"room":"${room}"}]`);
		await w.message();
		w.sock = w.s.sock;
		w.hear = async () => {
			let m;
			while ((m = await w.message('event', 20000)) === '2')
				w.text('3');
			const [event, data] = JSON.parse(m.slice('42/k,'.length));
			return { event, data };
		};
		return w;
	},
	'plain WebSocket': async (room, e = d) => {
		const w = await Ws.must(e.port, '/ws/k');
		await w.ack({ event: 'room:join', data: { room }, id: 1 });
		w.sock = w.s.sock;
		w.hear = () => w.event(20000);
		return w;
	},
	'an event stream': async (room, e = d) => {
		const s = await Sock.open(e.port);
		s.send(`GET /sse/k?room=${room} HTTP/1.1\r\nHost: x\r\n\r\n`);
		s.drop = () => s.close();
		const take = () => {
			const at = s.data.indexOf('\n\n');
			if (at < 0)
				return undefined;
			const t = s.data.subarray(0, at).toString();
			s.data = s.data.subarray(at + 2);
			return t;
		};
		s.hear = async () => {
			for (;;) {
				const t = await s.wait(take, 'event', 20000);
				const m = t.match(/^event: (.*)$/m)?.[1];
				if (m === undefined || m === 'roost:joined')
					continue;
				const id = t.match(/^id: (.*)$/m)?.[1];
				return { id, ...JSON.parse(
				    t.match(/^data: (.*)$/m)[1]), event: m };
			}
		};
		await s.wait(() => (s.data.includes('roost:joined') ? true :
		    undefined), 'joined');
		return s;
	},
};
async function all(w, from, to) {
	for (let i = from; i < to; i++) {
		const e = await w.hear();
		assert.equal(e.event === 'n' || e.event === 'own', true,
		    JSON.stringify(e).slice(0, 100));
		assert.equal(e.data.i, i);
	}
}

for (const [what, come] of Object.entries(speakers))
	test(`${what}: all of it, in order, and then what comes`, async () => {
		const room = fresh(), w = await come(room);
		await join(p, room);
		const r = await connect(d, '/k');
		await join(r, room);
		const closed = await d.metric('clients_closed', 'slow_consumer');
		const [begun, done] = [await d.metric('cursors'),
			await d.metric('cursors_done')];
		w.sock.pause();
		let n = await behind(p, room, 0);
		w.sock.resume();
		await all(w, 0, 100);
		/* while it reads on more comes, faster than it reads */
		w.sock.pause();
		n = await say(p, room, n, 200);
		w.sock.resume();
		await all(w, 100, n);
		await d.counts('cursors_open', 0);
		await d.counts('cursors', (v) => v > begun);
		await d.counts('cursors_done', (v) => v > done);
		await d.counts('cursor_pages', (v) => v > 10);
		p.emit('n', { room, i: n, text });
		await all(w, n, n + 1);
		await until(() => gotten(r, 'n').length === n + 1, 'the others');
		assert.deepEqual(gotten(r, 'n').map(([m]) => m.i),
		    [...Array(n + 1).keys()]);
		await d.counts('clients_closed', closed, 'slow_consumer');
		w.drop();
		r.close();
		await ask(p, 'room:leave', { room });
	});

test('over polling as well', async () => {
	const room = fresh();
	await join(p, room);
	const q = await (await Polling.open(d.port)).connect('/k');
	await q.send(`42/k,${JSON.stringify(['room:join', { room }])}`);
	const n = await behind(p, room, 0);
	const got = [];
	await until(async () => {
		for (const t of await q.packets()) {
			if (t === '2')
				await q.send('3');
			else if (t.startsWith('42/k,["n"'))
				got.push(JSON.parse(t.slice(5))[1].i);
		}
		return got.length >= n;
	}, 'all of them', 30000);
	assert.deepEqual(got, [...Array(n).keys()]);
	await d.counts('cursors_open', 0);
	await ask(p, 'room:leave', { room });
});

/* n of each room, in order.  Until the next poll it is queued. */
async function polled(q, rooms, n) {
	const got = new Map(rooms.map((room) => [room, []]));
	await until(async () => {
		for (const t of await q.packets()) {
			if (t === '2')
				await q.send('3');
			else if (t.startsWith('42/k,["n"')) {
				const [, { room, i }] = JSON.parse(t.slice(5));
				got.get(room).push(i);
			}
		}
		await sleep(60);
		return [...got.values()].every((v) => v.length >= n);
	}, () => `all of them, not ${[...got.values()].map((v) => v.length)}`,
	30000);
	for (const v of got.values())
		assert.deepEqual(v, [...Array(n).keys()]);
}

test('of many rooms at once: no more is read than a queue holds', async () => {
	const rooms = [...Array(16)].map(() => fresh());
	const q = await (await Polling.open(d.port)).connect('/k');
	for (const room of rooms) {
		await q.send(`42/k,${JSON.stringify(['room:join', { room }])}`);
		await join(p, room);
	}
	const closed = await d.metric('clients_closed', 'slow_consumer');
	for (const room of rooms)
		await say(p, room, 0, 8);
	await d.counts('cursors_open', (v) => v >= rooms.length - 2);
	await polled(q, rooms, 8);
	await d.counts('cursors_open', 0);
	await d.counts('clients_closed', closed, 'slow_consumer');
	for (const room of rooms)
		await ask(p, 'room:leave', { room });
});

test('nor of those that somebody comes back into', async () => {
	const rooms = [...Array(6)].map(() => fresh());
	const closed = await d.metric('clients_closed', 'slow_consumer');
	for (const room of rooms) {
		await join(p, room);
		await say(p, room, 0, 15);	/* more than a queue holds */
		await ask(p, 'room:leave', { room });
	}
	const q = await (await Polling.open(d.port)).connect('/k');
	for (const room of rooms)
		await q.send(`42/k,${JSON.stringify(['room:join',
			{ room, since: { offset: 0 } }])}`);
	await polled(q, rooms, 15);
	await d.counts('clients_closed', closed, 'slow_consumer');
});

test('what it has sent itself is not told it, and nobody is told twice',
    async () => {
	const room = fresh(), w = await speakers['plain WebSocket'](room);
	await join(p, room);
	const mine = async (i) => {
		w.json({ event: i % 2 ? 'own' : 'n', data: { room, i, text } });
	};
	w.sock.pause();
	const n = await behind(p, room, 0);
	w.sock.resume();	/* while it reads on, it is heard */
	for (let i = 1000; i < 1010; i++)
		await mine(i);
	const got = [];
	while (got.length < n + 5)
		got.push((await w.hear()).data.i);
	await until(() => gotten(p, 'own').filter(([m]) => m.room === room)
	    .length === 5, 'its own');
	assert.deepEqual(got.filter((i) => i < 1000), [...Array(n).keys()]);
	assert.deepEqual(got.filter((i) => i >= 1000),
	    [1001, 1003, 1005, 1007, 1009]);
	w.drop();
	await ask(p, 'room:leave', { room });
});

test('what is not kept any more is a gap that is told', async () => {
	const room = fresh('few:'), w = await speakers['Socket.IO'](room);
	await join(p, room);
	const gaps = await d.metric('cursor_gaps');
	w.sock.pause();
	const n = await behind(p, room, 0);
	w.sock.resume();
	const got = [];
	let told = 0;
	while (got.at(-1) !== n - 1) {
		const e = await w.hear();
		if (e.event === 'roost:gap') {
			told++;
			assert.equal(e.data.room, room);
			assert.ok(e.data.from <= e.data.to);
			got.gap = true;
			continue;
		}
		if (!got.gap)
			assert.equal(e.data.i, got.length === 0 ? 0 :
			    got.at(-1) + 1);
		else
			assert.ok(e.data.i > got.at(-1));
		got.gap = false;
		got.push(e.data.i);
	}
	assert.ok(got.length < n);
	assert.ok(told > 0);
	await d.counts('cursor_gaps', gaps + told);
	w.drop();
	await ask(p, 'room:leave', { room });
});

test('who sees no names of events cannot be told of a gap, and is closed',
    async () => {
	const name = fresh(), room = `few:${name}`;
	const w = await Ws.must(d.port, `/bare/${name}`);
	await join(p, room);
	const closed = await d.metric('clients_closed', 'slow_consumer');
	const open = async () => await d.metric('cursors_open') === 1;
	const over = async () =>
		await d.metric('clients_closed', 'slow_consumer') > closed;
	w.s.sock.pause();
	await until(async () => {
		await say(p, room, 0, 50);
		return await over() || await open() && !await sleep(400) &&
		    open();
	}, 'a cursor', 20000);
	await say(p, room, 0, 50);
	w.s.sock.resume();
	await d.counts('clients_closed', closed + 1, 'slow_consumer');
	await d.counts('cursors_open', 0);
	w.drop();
	await ask(p, 'room:leave', { room });
});

test('who leaves the room, or goes, reads on no more', async () => {
	const room = fresh(), w = await speakers['plain WebSocket'](room);
	await join(p, room);
	w.sock.pause();
	await behind(p, room, 0);
	w.json({ event: 'room:leave', data: { room }, id: 9 });
	await d.counts('cursors_open', 0);
	w.drop();
	const v = await speakers['Socket.IO'](room);
	v.sock.pause();
	await behind(p, room, 0);
	v.drop();
	await d.counts('cursors_open', 0);
	await ask(p, 'room:leave', { room });
});

test('who joins once more meanwhile is told where it stands', async () => {
	const room = fresh(), w = await speakers['plain WebSocket'](room);
	await join(p, room);
	w.sock.pause();
	const n = await behind(p, room, 0);
	w.json({ event: 'room:join', data: { room }, id: 7 });
	w.sock.resume();
	let got = 0, at;
	while (got < n || at === undefined) {
		const m = JSON.parse((await w.message('event', 20000)));
		if (m.ack === 7)
			at = { got, ...m.data };
		else if (m.event === 'n')
			assert.equal(m.data.i, got++);
	}
	/* what is before that place has come */
	assert.ok(at.offset === undefined || at.offset <= at.got,
	    JSON.stringify(at));
	w.drop();
	await ask(p, 'room:leave', { room });
});

test('a room that was thrown out meanwhile is a gap, and then all there is',
    async () => {
	const e = await Daemon.start({ workers: 1, conf: conf.replace(
	    /store .*/, 'store { room_bytes = 16MB bytes = 16MB }') });
	const q = await connect(e, '/k');
	await join(q, 'r');
	const w = await speakers['plain WebSocket']('r', e);
	w.sock.pause();
	let n = 0;
	await until(async () => {
		n = await say(q, 'r', n, 50);
		return await e.metric('cursors_open') === 1 &&
		    !await sleep(400) && await e.metric('cursors_open') === 1;
	}, 'a cursor', 20000);
	n = await say(q, 'r', n, 50);
	await join(q, 'other');
	await say(q, 'other', 0, 800);
	const end = await say(q, 'r', n, 10);
	w.sock.resume();
	const got = [];
	let gaps = 0;
	while (got.at(-1) !== end - 1) {
		const m = await w.hear();
		if (m.event === 'roost:gap')
			gaps++;
		else
			got.push(m.data.i);
	}
	assert.equal(gaps, 1);
	assert.deepEqual(got.slice(-10), [...Array(10).keys()].map((i) => n + i));
	await e.counts('cursors_open', 0);
	w.drop();
	q.close();
	await e.stop();
});

test('it goes on behind a reload', async () => {
	const room = fresh(), w = await speakers['Socket.IO'](room);
	await join(p, room);
	w.sock.pause();
	let n = await behind(p, room, 0);
	const turned = d.log.split(' turned ').length;
	process.kill(d.pid, 'SIGHUP');
	await until(() => d.log.split(' turned ').length > turned, 'the reload',
	    15000);
	await d.counts('cursors_open', 1);
	n = await say(p, room, n, 100);
	w.sock.resume();
	await all(w, 0, n);
	await d.counts('cursors_open', 0);
	p.emit('n', { room, i: n, text });
	await all(w, n, n + 1);
	w.drop();
	await ask(p, 'room:leave', { room });
});

test('slow_kept = close: as slow consumers of other rooms', async () => {
	const e = await Daemon.start({ workers: 1,
		conf: conf.replace('limits {', 'limits { slow_kept = close') });
	const q = await connect(e, '/k'), room = fresh();
	await join(q, room);
	const w = await speakers['plain WebSocket'](room, e);
	w.sock.pause();
	await until(async () => {
		await say(q, room, 0, 50);
		return await e.metric('clients_closed', 'slow_consumer') === 1;
	}, 'its end', 20000);
	assert.equal(await e.metric('cursors'), 0);
	w.drop();
	q.close();
	await e.stop();
});
