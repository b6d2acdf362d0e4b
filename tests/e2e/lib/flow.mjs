/*
 * Traffic between clients of several daemons, and what became of it: each
 * message from each sender to each client once, in order, or missing and told
 * of by roost:gap.
 */
import assert from 'node:assert/strict';

import { ask, connect } from './clients.mjs';
import { sleep, slow, until } from './daemon.mjs';

const SLACK = 3000 * slow;	/* of a gap's times; ms */

/*
 * Clients in one room; client k is of daemons[k % daemons.length].  Each logs
 * what it sent, and per sender what it got.
 */
export class Flow {
	static async open(daemons, { each = 2, nsp = '/flow', room = 'all' } = {}) {
		const f = new Flow();
		f.nsp = nsp;
		f.room = room;
		f.clients = [];
		f.latencies = [];
		for (let k = 0; k < each * daemons.length; k++)
			await f.join(daemons[k % daemons.length], k);
		return f;
	}
	async join(daemon, k) {
		const s = await connect(daemon, this.nsp);
		s.offAny();		/* nobody reads s.got: it would grow */
		const c = { s, k, daemon, sent: [], acked: 0, got: new Map(),
			gaps: [], lost: 0, answers: true };
		s.on('say', (m) => {
			const list = c.got.get(m.k) ?? [];
			if (list.length === 0)
				c.got.set(m.k, list);
			list.push(m.i);
			if (this.measure &&
			    this.clients[m.k].daemon !== daemon)
				this.latencies.push(performance.now() - m.t);
		});
		s.on('roost:gap', (g) => c.gaps.push(g));
		s.on('disconnect', () => { c.ended = Date.now(); });
		this.clients[k] = c;
		assert.equal((await ask(s, 'room:join', { room: this.room })).error,
		    undefined);
	}
	/* One message; resolves when the server has it, or the client is cut. */
	say(c) {
		const i = c.sent.length, m = { at: Date.now(), acked: false };
		c.sent.push(m);
		return new Promise((ok) => {
			if (c.ended)
				return ok();
			const end = () => ok();
			c.s.once('disconnect', end);
			c.s.emit('say', { room: this.room, k: c.k, i,
				t: performance.now() }, () => {
				c.s.off('disconnect', end);
				m.acked = true;
				ok();
			});
		});
	}
	/*
	 * n messages from all of them together, so many a second; or, without n,
	 * until stop().  Not more than a few wait for their acknowledgement.
	 */
	async run(perSecond, n = Infinity) {
		this.running = true;
		const share = perSecond / this.clients.length;
		let left = n;
		await Promise.all(this.clients.map(async (c) => {
			const begin = performance.now();
			const open = new Set();
			for (let i = 0; this.running && !c.ended; i++) {
				if (left-- <= 0)
					break;
				const due = begin + i * 1000 / share;
				const wait = due - performance.now();
				if (wait > 1)
					await sleep(wait);
				while (open.size >= 200)
					await Promise.race(open);
				const p = this.say(c);
				open.add(p);
				void p.then(() => open.delete(p));
			}
			await Promise.all(open);
		}));
	}
	/* Everybody who is there has said more, and that was taken. */
	async more(n = 10, ms = 20000) {
		const live = this.clients.filter((c) => !c.ended);
		const begin = new Map(live.map((c) => [c, c.sent.length]));
		await until(() => live.every((c) => c.ended ||
		    c.sent.filter((m, i) => m.acked && i >= begin.get(c))
			.length >= n), `${n} messages of everybody`, ms);
	}
	stop() { this.running = false; }
	/* A last message of each has reached everybody who is still there. */
	async settle(ms = 30000) {
		const end = Date.now() + ms * slow;
		const live = this.clients.filter((c) => !c.ended);
		for (const c of live)
			await this.say(c);
		for (;;) {
			const open = live.flatMap((from) => live.filter((to) =>
				to !== from && (to.got.get(from.k) ?? []).at(-1) !==
				from.sent.length - 1).map((to) => `${from.k}>${to.k}`));
			if (open.length === 0)
				return;
			assert.ok(Date.now() < end, `no end at ${open}`);
			await sleep(20);
		}
	}
	/*
	 * What is missing, once each is in order and nothing came twice.  missing:
	 * [{ from, to, i, at, acked, told }].  Who was cut is no receiver.
	 */
	account() {
		const missing = [];
		for (const to of this.clients.filter((c) => !c.ended))
			for (const from of this.clients.filter((c) => c !== to))
				this.#pair(from, to, missing);
		return missing;
	}
	#pair(from, to, missing) {
		const got = to.got.get(from.k) ?? [];
		for (let i = 1; i < got.length; i++)
			assert.ok(got[i] > got[i - 1],
			    `${from.k}>${to.k}: ${got[i]} behind ${got[i - 1]}`);
		const have = new Set(got);
		for (const [i, m] of from.sent.entries()) {
			if (have.has(i))
				continue;
			missing.push({ from, to, i, ...m, told: to.gaps.some((g) =>
				(g.room === undefined || g.room === this.room) &&
				g.from <= m.at + SLACK && g.to >= m.at - SLACK) });
		}
	}
	/* ms, of what came from another daemon. */
	quantile(q) {
		const l = this.latencies.sort((a, b) => a - b);
		return l[Math.min(l.length - 1, Math.floor(q * l.length))];
	}
	close() {
		for (const c of this.clients)
			c.s.close();
	}
}
