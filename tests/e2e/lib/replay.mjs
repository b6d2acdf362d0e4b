/*
 * Replay of a captured exchange against a live daemon: what the client sent
 * is sent again byte for byte, what the server sent is compared byte for
 * byte, after the random values (session ids) were bound from the live
 * answers.  Order is kept per connection, as the captures define it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { sleep, top, until } from './daemon.mjs';
import { request } from './polling.mjs';
import { OP, Ws, closePayload, frame } from './wire.mjs';

export const fixtures = process.env.FIXTURES ??
	path.join(top, '..', 'shared', 'fixtures');

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

class Vars {
	constructor(vars) {
		this.names = Object.entries(vars ?? {});
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
				rx += '([A-Za-z0-9_-]{20})';
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

const payload = (e) => Buffer.from(e.data, e.encoding);

function toFrame(e, vars) {
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
 * options
 *	only		connections to replay; all
 *	skip(event)	true: leave it out (what application code did)
 *	expect(text)	what roostd says instead of the captured text
 *	closeCodes	codes that may stand for a captured close without status
 *	beforeClose()	called where the server closes first in the capture
 *	pace		keep pauses of the capture longer than so many ms
 * Returns how many frames and responses were compared.
 */
export async function replay(d, fixture, {
	only, skip = () => false, expect = (t) => t,
	closeCodes = [1005, 1000, 1001], beforeClose = async () => {},
	pace = 250,
} = {}) {
	const vars = new Vars(fixture.vars);
	let compared = 0;
	for (const [conn, events] of byConnection(fixture.events)) {
		if (only && !only.includes(conn))
			continue;
		let w = null, closing = null, last = events[0].t;
		for (const e of events) {
			if (skip(e))
				continue;
			const at = `${fixture.name}, connection ${conn}, ${
			    e.dir} ${e.opcode ?? e.layer} ${e.data}`;
			const pause = e.t - last;
			last = e.t;
			if (e.layer === 'http' && e.dir === 'c2s') {
				w = await Ws.open(d.port, e.target);
			} else if (e.layer === 'http') {
				assert.equal(w.response.status, e.status, at);
				compared++;
			} else if (e.layer === 'tcp') {
				if (e.dir === 's2c')
					await w.s.end();
				w.s.close();
			} else if (e.dir === 'c2s') {
				if (e.opcode === 'close' && closing === 'server')
					continue;	/* was answered below */
				if (e.opcode === 'close')
					closing = 'client';
				else if (pause > pace)
					await sleep(pause);
				w.send(toFrame(e, vars));
			} else if (e.opcode === 'close') {
				if (!closing)
					await beforeClose();
				const f = await w.next(at);
				assert.equal(f.opcode, 'close', `${at}: ${f.text}`);
				if (e.code)
					assert.equal(f.code, e.code, at);
				else
					assert.ok(closeCodes.includes(f.code),
					    `${at}: code ${f.code}`);
				if (!closing) {
					closing = 'server';
					w.send(frame(OP.close,
					    f.payload.subarray(0, 2)));
				}
				compared++;
			} else {
				const f = await w.next(at);
				assert.equal(f.opcode, e.opcode,
				    `${at}: got ${f.code ?? ''} ${f.text}`);
				vars.match(expect(payload(e).toString()),
				    f.text, at);
				compared++;
			}
		}
		w?.s.close();
	}
	return compared;
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
		const shape = (t) => t.replace(/"sid":"[^"]{20}"/, '"sid":"S"')
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

/* --- HTTP polling ---------------------------------------------------------- */

const sidOf = (e) => e.target.match(/[?&]sid=([^&]*)/)?.[1];

/*
 * One session over polling.  Its GETs are ours: which packets share a response
 * is a matter of moments, their order is not.
 */
class Session {
	constructor(d, sid, path) {
		Object.assign(this, { d, sid, path, got: [], want: [],
			ended: false });
		this.pump = this.poll();
	}
	async poll() {
		for (;;) {
			const q = request(this.d.port, 'GET', `${this.path}?${
			    'EIO=4&transport=polling'}&sid=${this.sid}`,
			{ ms: 30000 });
			this.sent = new Promise((ok) => {
				q.req.once('finish', ok).once('close', ok);
			});
			const r = await q.catch((e) => ({ status: e.message }));
			if (r.status !== 200) {
				this.ended = r;
				return;
			}
			this.got.push(...r.body.split('\x1e'));
		}
	}
	/* All that the capture has shown so far has come, and the next GET is
	 * on its way: one worker takes connections in their order. */
	async reached(what) {
		await until(() => this.got.length >= this.want.length ||
		    this.ended, `${what}: want ${this.want}, got ${this.got}`);
		await this.sent;
	}
}

const replyHeaders = (h) => Object.fromEntries(Object.entries(h)
    .filter(([k]) => k === 'vary' || k === 'content-type' ||
	k === 'cache-control' || k.startsWith('access-control-')));

/*
 * options
 *	session(n)	false: leave the n-th session of the capture out
 *	skip(event)	true: leave this request out
 *	drop(packet)	true: the server's application sent it
 *	expect(text)	as above
 * Returns how many responses and packets were compared.
 */
export async function replayPolling(d, fixture, {
	session = () => true, skip = () => false, drop = () => false,
	expect = (t) => t,
} = {}) {
	const vars = new Vars(fixture.vars);
	const sessions = new Map(), left = new Set();
	/* requests and answers of a connection go together in order */
	const pairs = new Map();
	for (const list of byConnection(fixture.events).values()) {
		const http = list.filter((e) => e.layer === 'http');
		const answers = http.filter((e) => e.dir === 's2c');
		http.filter((e) => e.dir === 'c2s').forEach((q, i) => {
			pairs.set(q, answers[i]);
			pairs.set(answers[i], q);
		});
	}
	let compared = 0, n = 0;
	const check = (e, reply, r, what) => {
		assert.equal(r.status, reply.status, `${what}: ${r.body}`);
		vars.match(payload(reply).toString(), r.body, what);
		assert.deepEqual(replyHeaders(r.headers),
		    replyHeaders(reply.headers), what);
		assert.equal(r.headers['set-cookie']?.[0],
		    reply.headers['set-cookie'] &&
		    vars.live(reply.headers['set-cookie']), what);
		compared++;
	};
	for (const e of fixture.events) {
		const what = `${fixture.name}: ${e.dir} ${e.conn} ${e.method ?? ''
		} ${e.target ?? e.status} ${e.data}`;
		if (e.layer !== 'http')
			continue;
		if (e.dir === 's2c') {	/* packets of a GET */
			const q = pairs.get(e);
			const s = sessions.get(sidOf(q));
			if (s && q.method === 'GET' && e.status === 200)
				s.want.push(...payload(e).toString().split('\x1e')
				    .filter((p) => !drop(p)).map(expect));
			continue;
		}
		const sid = sidOf(e), reply = pairs.get(e);
		if (!reply || left.has(sid) || e.headers.upgrade || skip(e))
			continue;
		const s = sessions.get(sid);
		if (s && e.method === 'GET' && reply.status === 200)
			continue;
		if (s)
			await s.reached(what);
		const r = await request(d.port, e.method, vars.live(e.target), {
			body: vars.live(payload(e).toString()),
			headers: { ...e.headers, host: 'x',
				connection: 'close' } });
		if (!sid && reply.status === 200 && !session(n++)) {
			left.add(JSON.parse(reply.data.slice(1)).sid);
			continue;
		}
		check(e, reply, r, what);
		if (!sid && r.status === 200)
			sessions.set(JSON.parse(reply.data.slice(1)).sid,
			    new Session(d, JSON.parse(r.body.slice(1)).sid,
				e.target.replace(/\?.*/, '')));
	}
	for (const s of sessions.values()) {
		await s.reached(fixture.name);
		assert.ok(s.got.length >= s.want.length,
		    `${fixture.name}: want ${s.want}, got ${s.got}`);
		/* more, where the capture polled no further */
		if (['1', '6'].includes(s.want.at(-1)))
			assert.equal(s.got.length, s.want.length,
			    `${fixture.name}: want ${s.want}, got ${s.got}`);
		s.want.forEach((p, i) => vars.match(p, s.got[i],
		    `${fixture.name}, packet ${i}`));
		compared += s.want.length;
	}
	return compared;
}
