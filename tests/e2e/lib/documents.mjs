/*
 * Clients of documents, as an application has them: each has a copy, changes it by
 * what it knows, and may be cut off at any time; and what all of them have said and
 * heard, by which it is known whether a change was lost, was told twice or differs.
 */
import { connect } from './clients.mjs';
import { sleep } from './daemon.mjs';

/* The same numbers for the same seed. */
export function chance(seed) {
	let x = seed * 2654435761 + 1 >>> 0;
	return (n) => {
		x ^= x << 13; x >>>= 0;
		x ^= x >>> 17;
		x ^= x << 5; x >>>= 0;
		return x % n;
	};
}

/* Changes by epoch and revision, whoever tells of them. */
export class Changes {
	constructor() {
		Object.assign(this, { all: new Map(), wrong: [], sets: 0,
			conflicts: 0, unknown: 0, resets: 0, opens: 0 });
	}
	say(words) {
		if (this.wrong.length < 20)
			this.wrong.push(words);
	}
	note(epoch, { rev, key, value, deleted }, who) {
		const at = `${epoch}:${rev}`;
		const text = JSON.stringify([key, deleted ? null : value]);
		const was = this.all.get(at);
		if (was !== undefined && was.text !== text)
			this.say(`${at} is ${text} for ${who}, and was ${was.text}`);
		this.all.set(at, { ...was, text, epoch, rev, key });
	}
	/* It was acknowledged: its client has written over what it knew. */
	acked(epoch, rev, key, value, base, who) {
		this.note(epoch, { rev, key, value, deleted: value === undefined },
		    who);
		this.all.get(`${epoch}:${rev}`).base = base;
	}
	/* Nothing of the same key is between a change and what it was made of. */
	check() {
		const revs = new Map();
		for (const c of this.all.values()) {
			const k = `${c.epoch} ${c.key}`;
			revs.set(k, [...revs.get(k) ?? [], c.rev]);
		}
		for (const c of this.all.values())
			if (c.base !== undefined && revs.get(`${c.epoch} ${c.key}`)
			    .some((r) => r > c.base && r < c.rev))
				this.say(`${c.key} at ${c.epoch}:${c.rev} has lost what is between ${c.base} and it`);
	}
}

/* Its worker may be killed between two of its steps, of which it does not hear. */
const came = (s) => new Promise((ok) => {
	const timer = setTimeout(() => ok(false), 5000);
	const say = (good) => { clearTimeout(timer); ok(good); };
	s.once('connect', () => say(true));
	s.once('connect_error', () => say(false));
	s.io.once('close', () => say(false));
});

/* broken: what it does wrong, so that those who check must notice. */
export class Writer {
	constructor(hosts, doc, changes, rnd, { nsp, broken, name } = {}) {
		Object.assign(this, { hosts, doc, changes, rnd, nsp, broken, name,
			copy: new Map(), said: 0, over: false });
	}
	get ready() { return this.s?.connected && this.opened; }
	async come() {
		const d = this.hosts[this.rnd(this.hosts.length)];
		this.at = d.port;
		while (!this.over) {
			this.opened = false;
			const s = await connect(d, this.nsp, { wait: false });
			if (!await came(s)) {
				s.close();
				await sleep(50);
				continue;
			}
			this.s = s;
			s.on('doc:snapshot', (p) => this.snapshot(s, p));
			s.on('doc:change', (c, m) => this.change(s, m.epoch, c));
			s.on('roost:gap', () => { this.since = undefined; this.open(s); });
			s.on('disconnect', () => { if (this.s === s) this.again(); });
			if (this.over)
				s.close();
			return this.open(s);
		}
	}
	again() {
		this.opened = false;
		this.s = undefined;
		if (!this.over)
			setTimeout(() => this.come(), 5 + this.rnd(30));
	}
	async open(s) {
		this.opened = false;
		const r = await s.timeout(8000).emitWithAck('doc:open',
		    { doc: this.doc, since: this.since }).catch(() => undefined);
		if (s !== this.s)
			return;
		/* that it could not be read, or where it stands is not known */
		if (r?.epoch === undefined) {
			s.close();
			return;
		}
		this.changes.opens++;
		this.since = { epoch: r.epoch, rev: r.rev };
		this.opened = true;
	}
	snapshot(s, { epoch, reset, entries }) {
		if (s !== this.s)
			return;
		if (reset) {
			this.copy.clear();
			this.changes.resets++;
		}
		for (const e of entries)
			this.take(epoch, e);
	}
	change(s, epoch, c) {
		if (s !== this.s || (this.broken === 'lose' && this.rnd(3) === 0))
			return;
		/* another epoch without a word: it is told when it comes back */
		if (this.since !== undefined && this.since.epoch !== epoch) {
			this.since = undefined;
			this.open(s);
			return;
		}
		if (c.rev <= (this.since?.rev ?? 0))
			this.changes.say(`${this.name} has ${epoch}:${c.rev} again, behind ${this.since.rev}`);
		this.take(epoch, c);
		if (this.opened)
			this.since = { epoch, rev: c.rev };
	}
	take(epoch, c) {
		this.changes.note(epoch, c, this.name);
		if (c.rev > (this.copy.get(c.key)?.rev ?? 0))
			this.copy.set(c.key, c);
	}
	/* It writes over what it knows; of a conflict it takes what is there. */
	async write() {
		if (!this.ready)
			return;
		const { s, doc, changes } = this, key = `k${this.rnd(4)}`;
		const base = this.copy.get(key)?.rev ?? 0, { epoch } = this.since;
		const value = this.rnd(5) === 0 ? undefined :
		    `${this.name}.${++this.said}`;
		const r = await s.timeout(8000).emitWithAck(value === undefined ?
		    'doc:delete' : 'doc:set', { doc, key, base, value, epoch })
		    .catch(() => undefined);
		if (r?.rev !== undefined) {
			changes.sets++;
			changes.acked(r.epoch, r.rev, key, value, base, this.name);
		} else if (r?.error?.code === 'conflict') {
			changes.conflicts++;
			if (this.broken === 'overwrite')	/* whatever is there */
				this.copy.set(key, { key, value, deleted:
					value === undefined, rev: 1e9 });
		} else
			changes.unknown++;
	}
	cut() { this.s?.io.engine.close(); }
	end() {
		this.over = true;
		this.s?.close();
	}
	get text() {
		return JSON.stringify([...this.copy.values()].filter((c) =>
			!c.deleted).map((c) => [c.key, c.rev, c.value]).sort());
	}
}
