/* Processes die by kill -9 under load: what others lose, and how it heals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Daemon, halt, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard, once } from './lib/clients.mjs';
import { Sock } from './lib/wire.mjs';
import { sioOn } from './lib/spread.mjs';

const conf = `
limits { send_queue_bytes = 64MB }
namespace "/c" { auth = none
    room "{r}" { join = open }
    event "n"    { to = room:room }
    event "sync" { ack = echo }
    event "sure" { to = room:room ack = accepted }
    event "ask"  { to = room:room ack = delivered } }
`;
const KILLS = sanitized ? 5 : 10;
const upTo = (n) => Array.from({ length: n }, (_, i) => i);
const closeAll = (...l) => l.forEach((s) => s.close());

/* numbered events into a room until told to stop; how many were sent */
function talk(s, room) {
	const t = { sent: 0, stop: false };
	t.done = (async () => {
		while (!t.stop) {
			for (let k = 0; k < 20; k++)
				s.emit('n', { room, i: t.sent++ });
			await ask(s, 'sync', 0);
			await sleep(5);	/* others have a share */
		}
		return t.sent;
	})();
	return t;
}

test(`a worker killed ${KILLS} times: the other's clients lose nothing`, async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const [a, b] = [await sioOn(d, [1], '/c'), await sioOn(d, [1], '/c')].flat();
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'safe' });
	/* clients that live on the worker to be killed, and come back by themselves */
	const victims = [];
	const back = { reconnection: true, reconnectionDelay: 50,
		reconnectionDelayMax: 200 };
	while (victims.length < 10) {
		const s = await connect(d, '/c', back);
		if ((await ask(s, 'roost:ping')).worker === 2)
			victims.push(s);
		else
			s.close();
	}
	const load = talk(a, 'safe');
	for (let k = 0; k < KILLS; k++) {
		const old = d.worker(2);
		const at = await Promise.all(victims.map(async (s) =>
			(await ask(s, 'roost:ping')).worker));
		const hit = victims.filter((s, i) => at[i] === 2)
		    .map((s) => once(s, 'disconnect'));
		process.kill(old.pid, 'SIGKILL');
		await until(() => (d.worker(2) ?? old).pid !== old.pid,
		    'a new worker', 12000);
		await Promise.all(hit);		/* they have noticed */
		await Promise.all(victims.map((s) => connected(s)));
		/* they go on, wherever they are now */
		await Promise.all(victims.map((s) => ask(s, 'room:join',
		    { room: 'victims' })));
		const { delivered } = await ask(victims[k % 10], 'ask',
		    { room: 'victims' });
		assert.equal(delivered, victims.length - 1);
		/* some of them on the new worker again, for the next kill */
		for (let i = 0; i < 40; i++) {
			const s = await connect(d, '/c', back);
			const { worker } = await ask(s, 'roost:ping');
			if (worker === 2) {
				victims.shift().close();
				victims.push(s);
				break;
			}
			s.close();
		}
		/* at once, and after a while of traffic */
		const mark = load.sent;
		await until(() => k < 3 || load.sent >= mark + 200, 'traffic');
	}
	load.stop = true;
	const sent = await load.done;
	const got = await heard(b, 'n', sent, 20000);
	assert.deepEqual(got.map((x) => x[0].i), upTo(sent));
	assert.ok(a.connected && b.connected);
	assert.equal((await d.metric('children_died')) >= KILLS, true);
	closeAll(a, b, ...victims);
	await until(async () => await d.metric('sessions') === 0,
	    'no ghost sessions in the counters');
	await d.stop();
});

test('a connection that has said nothing outlives the worker', async () => {
	const d = await Daemon.start({ workers: 1, conf });
	d.mayDie = true;
	for (let k = 0; k < 3; k++) {
		const [old, ...socks] = await Promise.all([
			until(() => d.worker(1), 'a worker'),
			...upTo(20).map(() => Sock.open(d.port))]);
		process.kill(old.pid, 'SIGKILL');
		await until(() => {
			const now = d.worker(1);
			return now && now.pid !== old.pid;
		}, 'a new worker');
		for (const s of socks)
			s.send('GET /livez HTTP/1.1\r\nHost: x\r\n' +
			    'Connection: close\r\n\r\n');
		for (const s of socks)
			assert.equal((await s.response()).status, 200);
	}
	await d.stop();
});

test('the relay killed: only what crosses in the gap is lost', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const [a, b] = await sioOn(d, [1, 2], '/c');
	const [c] = await sioOn(d, [1], '/c');
	for (const s of [a, b, c])
		await ask(s, 'room:join', { room: 'r' });
	for (let k = 0; k < KILLS; k++) {
		const load = talk(a, 'r');
		await until(() => load.sent >= 100, 'some load');
		const old = d.relay();
		process.kill(old.pid, 'SIGKILL');
		await until(() => (d.relay() ?? old).pid !== old.pid,
		    'a new relay', 12000);
		/* the way is open again when a question to both workers counts two */
		await until(async () => (await ask(b, 'ask', { room: 'r' }))
		    .delivered === 2, 'both workers joined');
		const mark = load.sent;
		await until(() => load.sent >= mark + 100, 'more load');
		load.stop = true;
		const sent = await load.done;
		/* here: all; over there: in order, none twice, none after the gap */
		const here = await heard(c, 'n', sent, 20000);
		assert.deepEqual(here.map((x) => x[0].i), upTo(sent));
		await until(() => gotten(b, 'n').at(-1)?.[0].i === sent - 1, 'the last');
		const there = gotten(b, 'n').map((x) => x[0].i);
		for (let i = 1; i < there.length; i++)
			assert.ok(there[i] > there[i - 1], 'order, and none twice');
		assert.deepEqual(there.filter((i) => i >= mark + 40),
		    upTo(sent).filter((i) => i >= mark + 40), 'exact behind the gap');
		b.got.length = c.got.length = 0;
		/* at once, and after a while of quiet */
		await sleep(k < 3 ? 0 : 200);
	}
	closeAll(a, b, c);
	await d.stop();
});

/* The relay is stopped, so all that a worker publishes is on its way when the
 * worker dies. */
async function dieWithMail(d, events, bytes) {
	const [a, b] = await sioOn(d, [1, 2], '/c');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'mail' });
	const relay = d.relay().pid, old = d.worker(1);
	await halt(relay);
	const text = 'x'.repeat(bytes);
	const said = await Promise.all(upTo(events).map((i) =>
	    ask(a, 'sure', { room: 'mail', i, text })));
	assert.ok(said.every((x) => x.ok !== false));
	process.kill(old.pid, 'SIGKILL');
	await until(() => (d.worker(1) ?? old).pid !== old.pid, 'a new worker',
	    12000);
	process.kill(relay, 'SIGCONT');
	a.close();
	return b;
}

test('what a worker had accepted when it was killed arrives', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const b = await dieWithMail(d, 1500, 10);
	const got = await heard(b, 'sure', 1500, 10000);
	assert.deepEqual(got.map((x) => x[0].i), upTo(1500));
	await d.counts('bus_lost_bytes', 0);
	b.close();
	await d.stop();
});

test('... and what had not left its memory is counted', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const b = await dieWithMail(d, 200, 60000);
	await until(async () => await d.metric('bus_lost_bytes') > 0, 'lost bytes');
	const lost = await d.metric('bus_lost_bytes');
	await until(() => gotten(b, 'sure').length * 60000 + lost >= 200 * 60000,
	    'all that is not lost', 10000);
	const got = gotten(b, 'sure').map((x) => x[0].i);
	assert.ok(got.length > 0 && got.length < 200, `${got.length} arrived`);
	assert.deepEqual(got, upTo(got.length));
	b.close();
	await d.stop();
});

test('what the relay had not read when it was killed is counted', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const [a, b] = await sioOn(d, [1, 2], '/c');
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'mail' });
	const old = d.relay(), before = await d.metric('bus_bytes_out');
	await halt(old.pid);
	await Promise.all(upTo(500).map((i) =>
	    ask(a, 'sure', { room: 'mail', i })));
	const sent = await d.metric('bus_bytes_out') - before;
	assert.ok(sent > 500);
	process.kill(old.pid, 'SIGKILL');
	await until(() => (d.relay() ?? old).pid !== old.pid, 'a new relay',
	    12000);
	await until(async () => await d.metric('bus_lost_bytes') > 0, 'the loss');
	await d.counts('bus_lost_bytes', sent);
	assert.equal(gotten(b, 'sure').length, 0);
	closeAll(a, b);
	await d.stop();
});

test('all children killed at once: everything comes back', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const s = await connect(d, '/c', { reconnection: true,
		reconnectionDelay: 50, reconnectionDelayMax: 200 });
	const old = d.children();
	for (const c of old)
		process.kill(c.pid, 'SIGKILL');
	await until(() => d.children().length === 3 && !d.children().some((c) =>
	    old.some((o) => o.pid === c.pid)), 'three new children');
	await until(() => s.connected, 'reconnection', 10000);
	const [a, b] = await sioOn(d, [1, 2], '/c');
	for (const x of [a, b, s])
		await ask(x, 'room:join', { room: 'r' });
	await until(async () => (await ask(a, 'ask', { room: 'r' })).delivered === 2,
	    'both workers joined');
	closeAll(a, b, s);
	await d.stop();
});

test('a stopped worker is noticed, and does not stop the others', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const [a, c] = [await sioOn(d, [1], '/c'), await sioOn(d, [1], '/c')].flat();
	for (const s of [a, c])
		await ask(s, 'room:join', { room: 'r' });
	const old = d.worker(2);
	await halt(old.pid);
	for (let i = 0; i < 100; i++)
		a.emit('n', { room: 'r', i });
	await heard(c, 'n', 100);
	process.kill(old.pid, 'SIGCONT');
	closeAll(a, c);
	await d.stop();
});

test('who waits for a worker that is killed waits no longer', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const [a, b] = (await sioOn(d, [1, 2], '/c')).flat();
	for (const s of [a, b])
		await ask(s, 'room:join', { room: 'safe' });
	await until(async () => (await ask(a, 'ask', { room: 'safe' }))
	    .delivered === 1, 'both to be there');
	const { pid } = d.worker(2);
	await halt(pid);
	const answer = ask(a, 'ask', { room: 'safe' });
	a.emit('n', { room: 'safe' });
	await ask(a, 'sync', 0);
	process.kill(pid, 'SIGKILL');
	assert.equal((await answer).delivered, 0);
	await d.counts('acks_timed_out', 0);
	closeAll(a, b);
	await d.stop();
});
