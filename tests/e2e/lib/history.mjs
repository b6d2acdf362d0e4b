/*
 * Clients of rooms that keep a history, which remember the last place that they
 * have seen, come back to it, and know what is missing, doubled or reordered:
 * each has every event of its room once and in the same order, or was told of a
 * gap.
 */
import { parseArgs } from 'node:util';

import { frame, OP, Ws } from './wire.mjs';

/* What was said where, as all tell it. */
export class Ledger {
	constructor() {
		this.places = new Map();
		this.wrong = [];
		this.events = this.gaps = this.replayed = this.recovered =
		    this.joins = this.refused = this.kept = 0;
	}
	/* One place has one event, whoever tells of it; what fills it is nothing. */
	note(room, epoch, offset, full, who) {
		const text = full.replace(/x+$/, '');
		const place = `${room} ${epoch}:${offset}`;
		const was = this.places.get(place);
		if (was !== undefined && was !== text)
			this.say(`${place} is ${text} for ${who}, and was ${was}`);
		this.places.set(place, text);
	}
	say(words) {
		if (this.wrong.length < 50)
			this.wrong.push(words);
	}
}

/* What a client does to what it hears, so that those who check must notice. */
const breaks = {
	lose: (take, m) => { if (Math.random() > 0.01) take(m); },
	double: (take, m) => { take(m); if (Math.random() < 0.01) take(m); },
	swap(take, m) {
		if (this.held !== undefined) {
			take(m);
			take(this.held);
			this.held = undefined;
		} else if (Math.random() < 0.01)
			this.held = m;
		else
			take(m);
	},
};

/* take(m), as a client does that is broken in the way of one of breaks. */
export const broken = (client, take, m) =>
	(breaks[client.broken]?.bind(client) ?? ((f, e) => f(e)))(take, m);

/* A program that cuts, by its arguments: f() as cuts(), which says how long and how
 * many where they do not.  Prints what happened, and what was wrong. */
export async function program(f, { seconds, clients }) {
	const { values } = parseArgs({ options: {
		seconds: { type: 'string' }, clients: { type: 'string' },
		kinds: { type: 'string' }, break: { type: 'string' },
		still: { type: 'string' } } });
	const r = await f({ seconds: Number(values.seconds ?? seconds),
		clients: Number(values.clients ?? clients), broken: values.break,
		...(values.still ? { still: Number(values.still) } : {}),
		...(values.kinds ? { kinds: values.kinds.split(',') } : {}) });
	console.log(JSON.stringify(r.counts));
	for (const words of r.wrong)
		console.log(words);
	process.exit(r.wrong.length === 0 ? 0 : 1);
}

let ids = 0;

/* A plain WebSocket client of one room.  broken: one of breaks, or deaf: it does
 * not hear that something is missing. */
export class Member {
	constructor(d, ledger, room, { broken } = {}) {
		Object.assign(this, { d, ledger, room, broken, id: ++ids,
			said: 0, asks: 0, acks: new Map(), over: false });
	}
	get alive() { return this.ws !== undefined && !this.ws.s.ended; }
	async come() {
		if (this.busy || this.over)
			return;
		this.busy = true;
		this.joined = false;
		this.acks.clear();
		try {
			const ws = await Ws.must(this.d.port, '/ws/cut');
			this.ws = ws;
			ws.s.wake = () => this.read(ws);
			this.join();
			this.read(ws);
		} catch {
			this.again();
		}
		this.busy = false;
		if (this.over)
			this.ws?.s.close();
	}
	again() {
		if (!this.over)
			setTimeout(() => this.come(), 20 + Math.random() * 80);
	}
	ask(event, data, f) {
		const id = ++this.asks;
		this.acks.set(id, f);
		this.ws.json({ event, data, id });
	}
	join() {
		const { room, since } = this;
		this.jumped = undefined;
		this.ask('room:join', { room, since }, (r) => {
			const at = this.since;
			this.joined = true;
			this.ledger.joins++;
			this.ledger.recovered += r.recovered === true;
			if (r.recovered && this.jumped)
				this.ledger.say(`${this.id}: ${this.jumped
				    }, and it was recovered`);
			if (r.recovered && (at?.epoch !== r.epoch ||
			    at.offset !== r.offset))
				this.ledger.say(`${this.id} was recovered to ${
				    r.epoch}:${r.offset}, and is at ${
				    at?.epoch}:${at?.offset}`);
			if (!r.recovered)
				this.lose();
			if (r.epoch !== undefined && this.broken !== 'deaf') {
				this.since = { epoch: r.epoch, offset: r.offset };
				this.told = false;
			}
		});
	}
	/* It is told that something is missing: what comes next is behind it. */
	lose() {
		if (this.broken === 'deaf')
			return;
		this.ledger.gaps++;
		this.told = true;
	}
	speak(more = '') {
		if (!this.alive || !this.joined)
			return;
		const text = `${this.id}.${++this.said}${more}`;
		this.ask('n', { room: this.room, text }, (r) => {
			if (r.offset === undefined)
				this.ledger.refused++;
			else {
				this.ledger.kept++;
				this.ledger.note(this.room, r.epoch, r.offset,
				    text, 'its sender');
			}
		});
	}
	cut() { this.ws?.s.reset(); }
	read(ws) {
		if (ws !== this.ws)
			return;
		for (let f; (f = ws.take()) !== undefined;) {
			if (f.opcode === 'ping')
				ws.send(frame(OP.pong, f.payload));
			if (f.opcode === 'text')
				this.hear(JSON.parse(f.text));
		}
		if (ws.s.ended) {
			this.ws = undefined;
			this.joined = false;
			this.again();
		}
	}
	hear(m) {
		const take = (e) => this.take(e.data.text, e.meta);
		if (m.ack !== undefined) {
			this.acks.get(m.ack)?.(m.data ?? {});
			this.acks.delete(m.ack);
		} else if (m.event === 'roost:gap')
			this.lose();
		else if (m.event === 'n')
			broken(this, take, m);
	}
	/* While it joins, what jumps is told by the answer, which follows. */
	jump(words) {
		if (!this.joined)
			this.jumped ??= words;
		else if (!this.told)
			this.ledger.say(`${this.id}: ${words}, and was not told`);
	}
	take(text, { epoch, offset }) {
		const { ledger, since } = this;
		ledger.events++;
		ledger.replayed += !this.joined;
		ledger.note(this.room, epoch, offset, text, this.id);
		if (since === undefined)
			this.jump(`${epoch}:${offset} is the first`);
		else if (since.epoch !== epoch) {
			if (offset !== 1)
				this.jump(`${epoch}:${offset} is behind ${
				    since.epoch}`);
		} else if (offset <= since.offset)
			ledger.say(`${this.id} has ${epoch}:${offset
			    } again, behind ${since.offset}`);
		else if (offset !== since.offset + 1)
			this.jump(`${epoch}:${offset} is behind ${since.offset}`);
		this.told = false;
		this.since = { epoch, offset };
	}
	end() {
		this.over = true;
		this.ws?.s.close();
	}
}
