/*
 * Captured exchanges: reading them, and telling what is random in them from
 * what is not.  player.mjs plays them; cases of one packet each are played
 * here.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { top } from './daemon.mjs';
import { OP, Ws, closePayload, frame } from './wire.mjs';

export const fixtures = process.env.FIXTURES ??
	path.join(top, 'tests', 'fixtures');

export function load(name) {
	return JSON.parse(fs.readFileSync(
	    path.join(fixtures, 'socketio', `${name}.json`), 'utf8'));
}

/* Split into connections: { conn: [event] }. */
export function byConnection(events) {
	const m = new Map();
	for (const e of events)
		m.set(e.conn, [...(m.get(e.conn) ?? []), e]);
	return m;
}

export class Vars {
	constructor(vars) {
		/* longer values first: one may begin with another */
		this.names = Object.entries(vars ?? {})
		    .sort(([, a], [, b]) => b.length - a.length);
		this.bound = new Map();
	}
	/* captured text -> what to send */
	live(text) {
		for (const [name, value] of this.names)
			if (this.bound.has(name))
				text = text.replaceAll(value, this.bound.get(name));
		return text;
	}
	/* the captured text, matched with the live one; binds */
	match(captured, live, what) {
		let rx = '', names = [], at = 0;
		while (at < captured.length) {
			let hit = null;
			for (const [name, value] of this.names) {
				const i = captured.indexOf(value, at);
				if (i >= 0 && (hit === null || i < hit.i))
					hit = { i, name, value };
			}
			const end = hit ? hit.i : captured.length;
			rx += captured.slice(at, end)
			    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
			if (!hit)
				break;
			if (this.bound.has(hit.name)) {
				rx += this.bound.get(hit.name);
			} else {
				rx += hit.name.startsWith('OFFSET') ?
				    '([^"]+)' : '([A-Za-z0-9_-]{20,24})';
				names.push(hit.name);
			}
			at = hit.i + hit.value.length;
		}
		const m = live.match(new RegExp(`^${rx}$`, 's'));
		assert.ok(m, `${what}: expected ${captured}\n     got ${live}`);
		names.forEach((n, i) => {
			for (const [, v] of this.bound)
				assert.notEqual(v, m[i + 1], `${n} is new`);
			this.bound.set(n, m[i + 1]);
		});
	}
}

export const payload = (e) => Buffer.from(e.data, e.encoding);

export function toFrame(e, vars) {
	if (e.opcode === 'close')
		return frame(OP.close, e.code === null || e.code === undefined ?
		    '' : closePayload(e.code, e.data));
	const op = { text: OP.text, binary: OP.binary, ping: OP.ping,
		pong: OP.pong, continuation: OP.cont }[e.opcode];
	const data = e.opcode === 'text' ?
	    Buffer.from(vars.live(payload(e).toString())) : payload(e);
	return frame(op, data, { fin: e.fin !== false });
}

/*
 * The malformed-* captures: one case per connection, in the order of the
 * observations: { note, open, events } with the frames in both directions
 * up to the first close.
 */
export function cases(fixture) {
	const conns = [...byConnection(fixture.events).values()];
	return fixture.observations.map((o, i) => {
		const ws = conns[i].filter((e) => e.layer === 'ws');
		const close = ws.findIndex((e) => e.opcode === 'close');
		return {
			note: o.note.replace(/ \u2192 .*/, ''),
			open: ws[close].dir === 'c2s',
			events: ws.slice(0, close),
		};
	});
}

/* Play one of them; the close code, or null when it stays open. */
export async function playCase(d, c) {
	const vars = new Vars({});
	const w = await Ws.must(d.port, '/socket.io/?EIO=4&transport=websocket');
	for (const e of c.events) {
		if (e.dir === 'c2s') {
			w.send(toFrame(e, vars));
			continue;
		}
		const f = await w.next(`${c.note}: ${e.data}`);
		const shape = (t) => t.replace(/"sid":"[^"]{20,24}"/, '"sid":"S"')
		    .replace(/^0\{.*/, '0');
		assert.equal(shape(f.text), shape(e.data), c.note);
	}
	try {
		await w.alive();
		return null;
	} catch (e) {
		if (w.lastCode === undefined)
			throw e;
		return w.lastCode;
	} finally {
		w.drop();
	}
}

/* What is compared of an answer's head. */
export const replyHeaders = (h) => Object.fromEntries(Object.entries(h)
    .filter(([k]) => k === 'vary' || k === 'content-type' ||
	k === 'cache-control' || k.startsWith('access-control-')));
