/*
 * Notifications under chance: users with several devices each, on hosts that share
 * a Redis (or one without); notifications are made, read, deleted, devices cut off,
 * workers and relays killed, Redis paused.  Once all of it has settled, every
 * device's count is the store's, and what the store lists is what was asked for.
 *
 * A device keeps the count with the greatest version, as roost-protocol(7) says.
 */
import assert from 'node:assert/strict';

import { sleep, slow, until } from '../e2e/lib/daemon.mjs';
import { connect } from '../e2e/lib/clients.mjs';
import { user as token } from '../e2e/lib/token.mjs';

const pick = (l) => l[Math.floor(Math.random() * l.length)];

export class Device {
	constructor(soak, name, host) {
		Object.assign(this, { soak, name, host, count: null, version: 0 });
	}
	async open() {
		const s = await connect(this.host, this.soak.nsp, {
			auth: { token: token(this.name) }, wait: false,
			reconnection: true, reconnectionDelay: 50,
			reconnectionDelayMax: 500 });
		this.s = s;
		s.got = { push() {} };		/* it keeps none of them */
		s.on('connect', () => { this.deaf = this.soak.broken && this.count !== null; });
		s.on('notification:unread_count', (c) => this.told(c));
	}
	told({ count, version }) {
		if (this.deaf)
			this.deaf = false;
		else if (version > this.version) {
			this.count = count;
			this.version = version;
		}
	}
	ask(event, arg) {
		return this.s.timeout(4000 * slow).emitWithAck(event, arg)
		    .catch(() => ({ error: { code: 'timeout' } }));
	}
	/* As a network would. */
	cut() { this.s.io.engine?.close(); }
}

export class Soak {
	/* broken: devices do not listen to what they are told when they are back: that
	 * must be noticed */
	constructor({ hosts, nsp, api, users, devices, redis, broken = false }) {
		Object.assign(this, { hosts, nsp, api, redis, broken });
		this.users = [...Array(users).keys()].map((u) => `s${u}`);
		this.list = [];
		this.made = this.marked = this.gone = this.cuts = this.kills = 0;
		this.ids = new Map(this.users.map((u) => [u, []]));
		for (const u of this.users)
			for (let i = 0; i < devices; i++)
				this.list.push(new Device(this, u, hosts[i % hosts.length]));
	}
	async open() {
		for (let i = 0; i < this.list.length; i += 50)
			await Promise.all(this.list.slice(i, i + 50)
				.map((d) => d.open()));
		await until(() => this.list.every((d) => d.count !== null),
		    'each device to be told its count', 30000);
	}
	close() {
		for (const d of this.list)
			d.s?.close();
	}
	async create(u) {
		const id = `n${this.made++}`;
		/* whether it was made is known when it is settled */
		this.ids.get(u).push(id);
		return this.api(pick(this.hosts), 'POST', `${this.nsp.slice(1)}/${u}`,
		    { id, title: `t${id}`, category: pick(['a', 'b']),
			...(Math.random() < 0.2 ? { collapse: 'c' } : {}),
			...(Math.random() < 0.05 ?
			    { expires: Date.now() + 1500 } : {}) })
			.catch(() => {});
	}
	async step() {
		const d = pick(this.list), r = Math.random();
		const ids = this.ids.get(d.name);
		if (r < 0.5)
			return this.create(d.name);
		if (r < 0.75 && ids.length) {
			this.marked++;
			return d.ask('notification:mark_read',
			    { notificationId: pick(ids) });
		}
		if (r < 0.8)
			return d.ask('notification:mark_all_read',
			    Math.random() < 0.5 ? { category: 'a' } : {});
		if (r < 0.9 && ids.length) {
			this.gone++;
			return d.ask('notification:delete', { ids: [pick(ids)] });
		}
		if (r < 0.95) {
			this.cuts++;
			return d.cut();
		}
		return d.ask('notification:list', { limit: 5 });
	}
	/* f: now and then, with what may be done to hosts. */
	async run(ms, strike, every = 1500) {
		const end = Date.now() + ms;
		let next = Date.now() + every;
		const lane = async () => {
			while (Date.now() < end)
				await this.step();
		};
		const strikes = async () => {
			while (strike && Date.now() < end) {
				await sleep(Math.max(0, next - Date.now()));
				next = Date.now() + every;
				if (Date.now() < end) {
					this.kills++;
					await Promise.resolve().then(strike)
					    .catch(() => {});
				}
			}
		};
		await Promise.all([strikes(), ...Array(16).fill().map(lane)]);
	}
	/* What the store says now. */
	async truth(u) {
		const all = [];
		let page, cursor = 0, count;
		do {
			page = await this.api(this.hosts[0], 'GET',
			    `${this.nsp.slice(1)}/${u}?limit=100&cursor=${cursor}`);
			assert.equal(page.status, 200);
			all.push(...page.body.notifications);
			count = page.body.count;
			cursor = page.body.next;
		} while (cursor);
		return { count, all };
	}
	async differs() {
		const wrong = [];
		for (const u of this.users) {
			const { count, all } = await this.truth(u);
			if (all.filter((n) => !n.read).length !== count)
				wrong.push(`${u}: the store counts ${count} of ${
				    all.filter((n) => !n.read).length} unread`);
			for (const d of this.list.filter((x) => x.name === u))
				if (d.count !== count)
					wrong.push(`${u}: ${d.count} instead of ${
					    count}`);
		}
		return wrong;
	}
	async settle(ms = 30000) {
		let wrong = [];
		/* all are away while something is made, and must hear of it */
		for (const d of this.list)
			d.cut();
		for (const u of this.users)
			await until(async () => (await this.create(u))?.status === 200,
			    'one more for each', 60000);
		await until(() => this.list.every((d) => d.s.connected),
		    'all devices to be back', 60000);
		await until(async () => {
			wrong = await this.differs().catch((e) => [String(e)]);
			return wrong.length === 0;
		}, () => `counts: ${wrong.length} differ: ${wrong.slice(0, 5)
		    .join('; ')}`, ms);
	}
	toString() {
		return `${this.users.length} users, ${this.list.length} devices, ${
		    this.made} made, ${this.marked} marked, ${this.gone} deleted, ${
		    this.cuts} cuts, ${this.kills} strikes`;
	}
}
