/* Cut off and back: the same session, nothing lost, doubled or swapped. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, connect, connected, gotten, heard } from './lib/clients.mjs';
import { sioOn } from './lib/spread.mjs';
import { engine } from './lib/wire.mjs';
import { jwt } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

let d;
const WORKERS = 3;
before(async () => {
	d = await Daemon.start({ workers: WORKERS, conf: jwt + `
recovery { window = 1m packets = 5000 bytes = 4MB }
limits { send_queue_bytes = 16MB }
namespace "/r" { auth = optional presence = query
    room "{r}" { join = open }
    event "n"    { to = room:room meta = off }
    event "sync" { ack = echo } }
` });
});
after(() => d.stop());

const back = { reconnection: true, reconnectionDelay: 10,
	reconnectionDelayMax: 50, randomizationFactor: 0.5 };
/* the TCP connection dies as if a cable was pulled: no Close frame */
const cut = (s) => s.io.engine.transport.ws._socket.destroy();
const numbers = (s) => gotten(s, 'n').map((a) => a[0].i);
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

test('a client that was cut off goes on as the same session', async () => {
	const [p] = await sioOn(d, [1], '/r');
	const s = await connect(d, '/r', { ...back, auth: { token: user('u') } });
	await ask(s, 'room:join', { room: 'a' });
	await ask(p, 'room:join', { room: 'a' });
	p.emit('n', { room: 'a', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	assert.equal(s.recovered, false);
	s.io.reconnection(false);
	cut(s);
	await until(() => !s.connected, 'cut');
	for (let i = 1; i < 20; i++)
		p.emit('n', { room: 'a', i });
	await ask(p, 'sync', 0);
	s.connect();
	await connected(s);
	assert.equal(s.recovered, true);
	assert.equal(s.id, id);
	/* what was missed follows; and what its worker has yet to hear of */
	await until(() => numbers(s).length >= 20, 'what it missed');
	assert.deepEqual(numbers(s), upTo(20));
	p.emit('n', { room: 'a', i: 20 });
	await until(() => numbers(s).length === 21, 'one more');
	s.close();
	p.close();
});

test('cut a hundred times under load: exactly once, in order', async () => {
	const N = 12, CUTS = sanitized ? 40 : 100;
	const [p, q] = await sioOn(d, [1, 2], '/r');
	const all = [];
	for (let i = 0; i < N; i++)
		all.push(await connect(d, '/r', back));
	for (const s of [p, q, ...all])
		await ask(s, 'room:join', { room: 'load' });
	let recovered = 0, fresh = 0;
	for (const s of all)
		s.on('connect', () => {
			if (s.recovered)
				recovered++;
			else
				fresh++;
		});
	const sent = { p: 0, q: 0 };
	let stop = false;
	const talk = (s, name) => (async () => {
		while (!stop) {
			for (let k = 0; k < 5; k++)
				s.emit('n', { room: 'load', from: name,
					i: sent[name]++ });
			await ask(s, 'sync', 0);
		}
	})();
	const talking = [talk(p, 'p'), talk(q, 'q')];
	for (let k = 0; k < CUTS; k++) {
		const s = all[k % N];
		await until(() => s.connected, 'connected again', 20000);
		const seen = gotten(s, 'n').length;
		await until(() => gotten(s, 'n').length > seen, 'traffic', 20000);
		cut(s);
	}
	/* the last one cut does not know it yet */
	await until(() => recovered + fresh === CUTS, 'all back', 20000);
	stop = true;
	await Promise.all(talking);
	assert.equal(fresh, 0, 'every one was recovered');
	assert.equal(recovered, CUTS);
	for (const s of all)
		for (const name of ['p', 'q']) {
			const of = () => gotten(s, 'n').map((a) => a[0])
			    .filter((e) => e.from === name).map((e) => e.i);
			await until(() => of().length >= sent[name],
			    'the last one', 20000);
			assert.deepEqual(of(), upTo(sent[name]));
		}
	for (const s of [p, q, ...all])
		s.close();
});

/* Comes back as somebody new: awayFor() is what happens meanwhile. */
async function comesBackNew(recovery, awayFor) {
	/* one worker: what it has acknowledged, it has kept for all */
	const k = await Daemon.start({ workers: 1, conf: `
recovery { ${recovery} }
namespace "/r" { auth = none room "{r}" { join = open }
    event "n" { to = room:room meta = off } event "sync" { ack = echo } }
` });
	const p = await connect(k, '/r');
	const s = await connect(k, '/r', { ...back, reconnection: false });
	for (const c of [p, s])
		await ask(c, 'room:join', { room: 'a' });
	p.emit('n', { room: 'a', i: 0 });
	await heard(s, 'n');
	const { id } = s;
	cut(s);
	await until(() => !s.connected, 'cut');
	await awayFor(p, k);
	const failed = await k.metric('recovery_failed');
	s.connect();
	await connected(s);
	assert.equal(s.recovered, false);
	assert.notEqual(s.id, id);
	await k.counts('recovery_failed', failed + 1);
	assert.deepEqual(numbers(s), [0]);
	p.close();
	s.close();
	await k.stop();
}

test('who missed too much is told so', async () => {
	await comesBackNew('window = 1m packets = 10', async (p) => {
		for (let i = 1; i < 50; i++) {
			p.emit('n', { room: 'a', i });
			await ask(p, 'sync', 0);	/* a turn of its own */
		}
	});
});

test('who is away too long is told so', async () => {
	await comesBackNew('window = 300ms packets = 100', () => sleep(600));
});

test('what is kept for those who are away is bounded, and counts', async () => {
	const k = await Daemon.start({ workers: 1, conf: jwt + `
recovery { window = 1m user_bytes = 50KB worker_bytes = 200KB }
limits { per_user = 4 }
namespace "/r" { auth = optional event "n" { to = sender meta = off } }
` });
	/* gone with so many bytes that it may not have had */
	const away = async (token, bytes) => {
		const w = await engine(k.port);
		w.text(`40/r,${token ? JSON.stringify({ token }) : ''}`);
		const { pid } = JSON.parse((await w.message()).slice(5));
		w.text(`42/r,["n","${'x'.repeat(bytes)}"]`);
		await w.message();
		w.drop();
		return pid;
	};
	const back = async (pid, token) => {
		const w = await engine(k.port);
		w.text(`40/r,${JSON.stringify({ pid, token })}`);
		for (;;) {
			const t = await w.message();
			if (t.startsWith('42'))
				continue;
			w.text('41/r,');
			w.drop();
			return JSON.parse(t.slice(5)).pid === pid;
		}
	};
	const parked = (n) => until(async () =>
	    await k.metric('recovery_parked') === n, `${n} away`);
	const ann = [];
	for (let i = 0; i < 3; i++)
		ann.push(await away(user('ann'), 20000));
	await parked(2);
	for (let i = 0; i < 6; i++)
		await away(user('bob'), 10);
	await parked(2 + 4);
	await k.counts('recovery_evicted', 1 + 2);
	assert.equal(await back(ann[1], user('ann')), true);
	assert.equal(await back(ann[0], user('ann')), false);
	for (let i = 0; i < 30; i++)
		await away(undefined, 10000);
	await until(async () => await k.metric('recovery_evicted') > 10, 'evicted');
	const held = await k.metric('recovery_held_bytes');
	assert.ok(held > 100000 && held <= 200 * 1024, `${held} bytes`);
	await k.stop();
});
