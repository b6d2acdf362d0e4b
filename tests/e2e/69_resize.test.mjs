/*
 * TTIN, TTOU, WINCH, and another number of workers on reload: clients go from
 * worker to worker, and notice nothing.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';

import { ask, connect, gotten, plain } from './lib/clients.mjs';
import { echo, stopTime } from './lib/conf.mjs';
import { Daemon, sleep, until } from './lib/daemon.mjs';
import { held } from './lib/held.mjs';

const times = (d, words) => d.log.split(words).length - 1;
const quick = `drain_time = 2s\n${stopTime}`;
const conf = `${quick}${echo}
route "/ws/echo" { namespace = "/echo" }\n`;
const health = async (d) => (await fetch(d.url('/health'))).json();
const shares = async (d) => (await health(d)).workers
    .map((w) => w.connections);

/* Clients that talk all the time, of both kinds; and what they have noticed. */
class Crowd {
	static async come(d, n) {
		const c = new Crowd();
		c.cut = 0;
		c.socks = await Promise.all([...Array(n)].map(() =>
			connect(d, '/', { reconnection: false })));
		c.plains = await Promise.all([...Array(n)].map(() =>
			plain(d, '/ws/echo')));
		for (const s of c.socks)
			s.on('disconnect', () => c.cut++);
		for (const w of c.plains)
			w.on('close', () => c.cut++);
		c.room = c.socks.slice(0, 4);
		for (const s of c.room)
			await ask(s, 'room:join', { room: 'x' });
		c.talking = c.talk();
		return c;
	}
	async talk() {
		this.sent = 0;
		this.answers = 0;
		while (!this.stop) {
			const i = this.sent++;
			const all = [ask(this.room[0], 'tell', { room: 'x', i })];
			for (const s of this.socks)
				all.push(ask(s, 'ask', i).then((v) => {
					assert.equal(v, i);
					this.answers++;
				}));
			for (const w of this.plains)
				all.push(w.ask('ask', i).then(() => {
					this.answers++;
				}));
			await Promise.all(all);
			await sleep(2);		/* a pace */
		}
	}
	async end() {
		this.stop = true;
		await this.talking;
		const cut = this.cut;
		await until(() => this.room.slice(1).every((s) =>
			gotten(s, 'tell').length >= this.sent), 'all of it');
		for (const s of this.room.slice(1))
			assert.deepEqual(gotten(s, 'tell').map(([m]) => m.i),
			    [...Array(this.sent).keys()]);
		for (const s of this.socks)
			s.close();
		for (const w of this.plains)
			w.close();
		assert.equal(cut, 0, 'nobody is disconnected');
	}
}

async function turned(d, f) {
	const n = times(d, ' turned ');
	f();
	await until(() => times(d, ' turned ') > n, 'the turn', 20000);
}
const signal = (d, name) => () => process.kill(d.pid, `SIG${name}`);
const even = (list) => Math.max(...list) - Math.min(...list) <=
    2 + Math.max(...list) / 4;

test('one more, and one less', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	const c = await Crowd.come(d, 20), before = held(d.pid);
	await turned(d, signal(d, 'TTIN'));
	let list = await shares(d);
	assert.equal(list.length, 3);
	assert.ok(even(list), `${list}`);
	await d.logged(/resized workers=3 before=2/);
	/* it is connected to */
	const slot = (await health(d)).workers.map((w) => w.slot).at(-1);
	await until(async () => {
		const s = await connect(d, '/');
		const on = (await ask(s, 'roost:ping')).worker;
		s.close();
		return on === slot;
	}, 'a client on the new one');
	await turned(d, signal(d, 'TTOU'));
	list = await shares(d);
	assert.equal(list.length, 2);
	await c.end();
	await until(() => held(d.pid) === before, 'all to be closed');
	await d.stop();
});

test('down to one, and no further; up to where there is room', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	const c = await Crowd.come(d, 8);
	await turned(d, signal(d, 'TTOU'));
	assert.equal((await shares(d)).length, 1);
	process.kill(d.pid, 'SIGTTOU');
	await until(() => /resize_refused workers=0/.test(d.log), 'a word');
	const room = 4;		/* twice, or one per CPU if these are more */
	for (let i = 1; i < room; i++)
		await turned(d, signal(d, 'TTIN'));
	assert.equal((await shares(d)).length, room);
	await c.end();
	await d.stop();
});

test('another number on reload', async () => {
	const d = await Daemon.start({ workers: null,
		conf: `workers = 2\n${conf}` });
	const c = await Crowd.come(d, 16);
	const number = (n) => () => {
		fs.writeFileSync(d.file, fs.readFileSync(d.file, 'utf8')
		    .replace(/workers = \d+/, `workers = ${n}`));
		process.kill(d.pid, 'SIGHUP');
	};
	await turned(d, number(4));
	let list = await shares(d);
	assert.equal(list.length, 4);
	assert.ok(even(list), `${list}`);
	await turned(d, number(1));
	assert.equal((await shares(d)).length, 1);
	await turned(d, number(3));
	assert.equal((await shares(d)).length, 3);
	number(50)();
	await until(() => /config_refused at="[^"]*" what="workers"/.test(d.log), 'a word');
	/* TTIN stays, as long as the configuration asks for the same */
	await turned(d, number(3));
	await turned(d, signal(d, 'TTIN'));
	await turned(d, signal(d, 'HUP'));
	assert.equal((await shares(d)).length, 4);
	await c.end();
	await d.stop();
});

test('who asks without a pause goes too', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	const on = async (s) => (await ask(s, 'roost:ping')).worker;
	const s = await connect(d, '/', { reconnection: false });
	const home = await on(s), others = [];
	/* somebody on the other worker has to say that it got it */
	await until(async () => {
		others.push(await connect(d, '/', { reconnection: false }));
		return await on(others.at(-1)) !== home;
	}, 'a client of the other worker');
	for (const o of [s, others.at(-1)])
		await ask(o, 'room:join', { room: 'x' });
	let cut = 0, stop = false, n = 0;
	s.on('disconnect', () => cut++);
	/* one after the other, in so many chains that one always waits */
	const chains = [...Array(40)].map(async () => {
		while (!stop && cut === 0)
			assert.equal((await ask(s, 'tell',
			    { room: 'x', i: n++ })).delivered, 1);
	});
	for (let i = 0; i < 3; i++)
		await turned(d, signal(d, 'HUP'));
	stop = true;
	await Promise.all(chains);
	assert.equal(cut, 0);
	await until(() => gotten(others.at(-1), 'tell').length >= n, 'the last');
	assert.deepEqual(gotten(others.at(-1), 'tell').map(([m]) => m.i),
	    [...Array(n).keys()]);
	for (const o of [s, ...others])
		o.close();
	await d.stop();
});

test('after a crash all have the same again', async () => {
	const d = await Daemon.start({ workers: 2, conf });
	d.mayDie = true;
	const all = await Promise.all([...Array(40)].map(() =>
		connect(d, '/', { reconnection: true, reconnectionDelay: 100 })));
	let cut = 0;
	for (const s of all)
		s.on('disconnect', () => cut++);
	const on = await Promise.all(all.map((s) => ask(s, 'roost:ping')));
	const lost = on.filter((v) => v.worker === 2).length;
	const dead = d.worker(2).pid;
	process.kill(dead, 'SIGKILL');
	await d.next(dead, 2);
	await until(() => cut === lost && all.every((s) => s.connected), 'all');
	cut = 0;
	await turned(d, signal(d, 'WINCH'));
	await d.logged(/evened in_time=yes/);
	const list = await shares(d);
	assert.ok(even(list), `${list}`);
	for (const s of all)
		assert.equal(await ask(s, 'ask', 7), 7);
	assert.equal(cut, 0);
	for (const s of all)
		s.close();
	await d.stop();
});

test('nobody who connects meanwhile is refused', async () => {
	const d = await Daemon.start({ workers: 3, conf });
	let stop = false, n = 0;
	const failed = [];
	const visit = () => new Promise((ok) => {
		const s = net.connect(d.port, '127.0.0.1', () =>
			s.write('GET /livez HTTP/1.1\r\nHost: x\r\n' +
			    'Connection: close\r\n\r\n'));
		let text = '';
		s.on('data', (b) => { text += b; });
		s.on('error', (e) => { failed.push(e.message); });
		s.on('close', () => {
			n++;
			if (!text.startsWith('HTTP/1.1 200'))
				failed.push(`"${text.slice(0, 20)}"`);
			ok();
		});
	});
	const visitors = [...Array(8)].map(async () => {
		while (!stop)
			await visit();
	});
	for (const name of ['TTOU', 'TTIN', 'HUP', 'TTOU', 'HUP', 'TTIN'])
		await turned(d, signal(d, name));
	stop = true;
	await Promise.all(visitors);
	assert.ok(n > 100);
	assert.deepEqual(failed, []);
	await d.stop();
});
