/*
 * A captured exchange, played moment by moment: all connections of it at
 * once, in the order of the capture.  What the client sent is sent again;
 * what the server sent is awaited and compared byte for byte, after random
 * values were bound.  Where application code acted by itself the player acts
 * as roostd's back end, over the HTTP API.  Where roostd differs on purpose
 * the table says what it does instead, and that is what is asserted.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';

import { sleep, until } from './daemon.mjs';
import { request } from './polling.mjs';
import { Vars, payload, replyHeaders, toFrame } from './replay.mjs';
import { OP, Ws, frame } from './wire.mjs';

const KEY = 'the-application-that-ran-then';
/* a configuration in which the player is a back end */
export const backend = `api { key "replay" { sha256 = "${
	crypto.createHash('sha256').update(KEY).digest('hex')
}" allow = {"publish", "disconnect", "rooms"} } }\n`;

const sidOf = (target) => target.match(/[?&]sid=([^&]*)/)?.[1];

/* A Socket.IO event as text: its namespace, name and the rest, raw. */
function parseEvent(text) {
	const m = text.match(
	    /^4(2|5\d+-)(\/[^,]*,)?(\d*)\[("(?:[^"\\]|\\.)*")(?:,(.*))?\]$/s);
	return m && { type: m[1], nsp: m[2]?.slice(0, -1) ?? '/', id: m[3],
		name: JSON.parse(m[4]), raw: m[4], args: m[5] ?? '' };
}

export class Player {
	/*
	 * app		names of events that application code sent
	 * notApp	{ index } events of these names that were not, there
	 * asks		{ index: index of the client's answer }: application code
	 *		asked for an acknowledgement; roostd has ids of its own
	 * acts		{ index: async (player) } before this event is played
	 * differs	{ index: [what roostd does, why] }: a text instead of the
	 *		captured one, { code } instead of a Close, { status, body },
	 *		null: nothing at all
	 * closes	{ index: code } where the capture has no status
	 * extra	{ index: [texts] } that come before it, besides
	 * also		{ index: headers } of an answer, besides
	 * vars		further random values, as in a capture
	 * origin	of all WebSocket handshakes
	 * rebind	ids of the capture are used again and again
	 * until	index of the first event that is not played
	 * pace		pauses longer than so many ms are kept
	 */
	constructor(d, fixture, how) {
		Object.assign(this, { d, f: fixture, app: [], notApp: [], acts: {},
			differs: {}, closes: {}, compared: 0, used: new Set(),
			conns: new Map(), sessions: new Map(), sids: new Map(),
			pace: 250 }, how);
		this.vars = new Vars({ ...fixture.vars, ...how.vars });
	}
	/* --- the back end --- */
	async api(path, body) {
		const r = await fetch(this.d.url(`/api/v1/${path}`), {
			method: 'POST', headers: { Authorization: `Bearer ${KEY}`,
				'Content-Type': 'application/json' },
			body: typeof body === 'string' ? body :
			    JSON.stringify(body) });
		const text = await r.text();
		assert.equal(r.status, 200, `${path} ${text}`);
		return JSON.parse(text);
	}
	/* raw: text of the arguments */
	publish(nsp, event, raw = '', to = {}) {
		const rest = JSON.stringify(to).slice(1, -1);
		return this.api('publish', `{"namespace":"${nsp}","event":${
			JSON.stringify(event)},"args":[${raw}],"meta":false${
			rest ? `,${rest}` : ''}}`);
	}
	/* the live sid of a captured one, or of a connection in a namespace */
	sid(conn, nsp = '/') { return this.sids.get(`${conn} ${nsp}`); }

	/* What application code would have sent: send it. */
	async act(i, owner, text) {
		const e = parseEvent(text);
		if (!e || !this.app.includes(e.name) || this.notApp.includes(i) ||
		    this.differs[i]?.[0] === null)
			return;
		const offsets = this.vars.names.filter(([n]) =>
		    n.startsWith('OFFSET')).map(([, v]) => `"${v}"`);
		const last = offsets.find((o) => e.args.endsWith(o));
		const args = last ? e.args.slice(0, -last.length)
		    .replace(/,$/, '') : e.args;
		await this.publish(e.nsp, e.name, this.vars.live(args),
		    this.whom(i, owner, e));
	}
	/* Indexes of the attachments that belong to this packet. */
	attachments(i, text) {
		const e = this.f.events[i], n = Number(text.match(/^4[56](\d+)-/)?.[1] ?? 0);
		return [...this.f.events.keys()].filter((j) => j > i &&
		    this.f.events[j].conn === e.conn &&
		    this.f.events[j].dir === e.dir &&
		    this.f.events[j].opcode === 'binary').slice(0, n);
	}
	/* ... as the HTTP API has them. */
	base64(i, text) {
		return this.attachments(i, text).map((j) =>
		    payload(this.f.events[j]).toString('base64'));
	}
	whom(i, owner, e) {
		const attachments = this.base64(i, `4${e.type}`);
		return { sid: this.sid(owner, e.nsp),
			...(attachments.length ? { attachments } : {}) };
	}
	/* A question of the application: asked, and its id taken down. */
	async ask(i, owner, text, next, what) {
		const e = parseEvent(text);
		const asked = this.publish(e.nsp, e.name, e.args,
		    { ...this.whom(i, owner, e), ack: true });
		asked.catch(() => {});
		const live = await next();
		const { id, ...rest } = parseEvent(live) ?? {};
		delete e.id;
		assert.deepEqual(rest, e, `${what}: ${live}`);
		assert.match(id, /^\d+$/, what);
		this.answers ??= {};
		this.answers[this.asks[i]] = { asked, id };
		this.compared++;
	}
	/* What the client answers, and that the application is told. */
	answer(i, text) {
		const a = this.answers?.[i];
		if (!a)
			return text;
		const m = text.match(/^(4(?:3|6\d+-)(?:\/[^,]*,)?)\d+(\[.*\])$/s);
		a.args = m[2];
		a.attachments = this.base64(i, text);
		a.last = this.attachments(i, text).at(-1) ?? i;
		return m[1] + a.id + m[2];
	}
	/* i: the last of what the client said. */
	async answered(i, what) {
		const a = Object.values(this.answers ?? {})
		    .find((x) => x.last === i);
		if (!a)
			return;
		const { answers, ...rest } = await a.asked;
		delete rest.id;
		assert.deepEqual(rest, { asked: 1, answered: 1, complete: true },
		    what);
		assert.equal(JSON.stringify(answers[0].args), a.args, what);
		assert.deepEqual(answers[0].attachments ?? [], a.attachments,
		    what);
		this.compared++;
	}
	/* --- comparing --- */
	match(i, captured, live, what) {
		const want = this.wanted(i, captured);
		this.vars.match(want, live, what);
		this.compared++;
	}
	wanted(i, captured) {
		if (!(i in this.differs))
			return captured;
		this.used.add(String(i));
		return this.differs[i][0];
	}
	learn(owner, captured, live) {
		const m = live.match(/^40(\/[^,]*,)?\{"sid":"([^"]*)"/);
		if (m)
			this.sids.set(`${owner} ${m[1]?.slice(0, -1) ?? '/'}`,
			    m[2]);
		void captured;
	}
	/* --- WebSocket --- */
	async wsIn(i, e, c, what) {
		const w = c.w;
		if (w.refused) {
			assert.equal(this.wanted(i, e), null, what);
			return;
		}
		await this.act(i, c.owner, payload(e).toString());
		if (i in this.differs && this.differs[i][0] === null) {
			this.used.add(String(i));
			await w.silent(what);
			return;
		}
		if (e.opcode === 'close')
			return this.wsClose(i, e, c, what);
		if (i in (this.asks ?? {}))
			return this.ask(i, c.owner, payload(e).toString(),
			    () => w.message(what), what);
		await this.besides(i, w, what);
		const f = await w.next(what);
		assert.equal(f.opcode, e.opcode, `${what}: ${f.code ?? ''} ${
			f.text}`);
		if (e.opcode === 'binary') {
			assert.deepEqual(f.payload, payload(e), what);
			this.compared++;
			return;
		}
		if (this.rebind && /^0\{|^40/.test(e.data))
			this.vars.bound.clear();
		this.match(i, payload(e).toString(), f.text, what);
		this.learn(c.owner, e.data, f.text);
	}
	async besides(i, w, what) {
		for (const text of this.extra?.[i] ?? []) {
			this.vars.match(text, await w.message(what), what);
			this.compared++;
		}
	}
	async wsClose(i, e, c, what) {
		await this.besides(i, c.w, what);
		const f = await c.w.next(what);
		assert.equal(f.opcode, 'close', `${what}: ${f.text}`);
		const instead = this.wanted(i, null);
		let codes = e.code ? [e.code] : [1005, 1000];
		if (instead !== null)
			codes = [instead.code];
		else if (this.closes[i])
			codes = [this.closes[i]];
		else if (e.code === null && c.closing !== 'client')
			assert.fail(`${what}: closed with ${f.code}, which the ` +
			    'table does not say');
		assert.ok(codes.includes(f.code), `${what}: code ${f.code}`);
		if (!c.closing) {
			c.closing = 'server';
			c.w.send(frame(OP.close, f.payload.subarray(0, 2)));
		}
		this.compared++;
	}
	async wsOut(i, e, c, what) {
		if (c.w.refused)
			return;
		if (e.opcode === 'close' && c.closing === 'server')
			return;		/* was answered above */
		if (e.opcode === 'close')
			c.closing = 'client';
		c.w.send(toFrame(this.answers?.[i] ? { ...e, data:
		    this.answer(i, e.data) } : e, this.vars));
		await this.answered(i, what);
	}
	/* --- HTTP --- */
	headers(e) {
		const h = { ...e.headers, host: 'x', connection: 'close' };
		delete h['accept-encoding'];
		delete h['content-length'];
		if (h['if-none-match'] && this.etag)
			h['if-none-match'] = this.etag;
		return h;
	}
	send(e) {
		return request(this.d.port, e.method, this.vars.live(e.target), {
			body: this.vars.live(this.answer(
			    this.f.events.indexOf(e), payload(e).toString())),
			headers: this.headers(e), ms: 30000 });
	}
	async httpOut(e, reply) {
		const old = this.conns.get(e.conn);
		if (e.headers.upgrade && reply?.status !== 404) {
			const sid = sidOf(e.target);
			const w = await Ws.open(this.d.port,
			    this.vars.live(e.target),
			    { headers: this.origin ?
				{ Origin: this.origin } : {} });
			this.conns.set(e.conn, { w, closing: null,
				owner: sid ?? `conn ${e.conn}` });
			old?.w?.s.close();
			return;
		}
		const s = this.sessions.get(sidOf(e.target));
		const other = this.differs[this.f.events.indexOf(reply)];
		if (s && e.method === 'GET' && (!reply || reply.status === 200 ||
		    other?.[0] === null)) {
			s.get ??= this.send(e);
			this.conns.set(e.conn, { session: s });
			/* it has arrived before what follows */
			await request(this.d.port, 'GET', '/livez');
			return;
		}
		this.conns.set(e.conn, { answer: this.send(e), request: e });
	}
	/* Packets until as many have come as the capture has shown. */
	async drain(s, what) {
		while (s.got.length <= s.at) {
			s.get ??= request(this.d.port, 'GET',
			    `${s.path}?EIO=4&transport=polling&sid=${s.live}`,
			    { ms: 30000 });
			const r = await s.get;
			s.get = null;
			assert.equal(r.status, 200, `${what}: ${r.body}`);
			s.got.push(...r.body.split('\x1e')
			    .filter((p) => p !== '6'));
		}
		return s.got[s.at++];
	}
	async packets(i, e, s, what) {
		let list = payload(e).toString().split('\x1e');
		if (Array.isArray(this.differs[i]?.[0]))
			list = this.wanted(i);
		for (const p of list) {
			const want = typeof this.differs[i]?.[0] === 'string' ?
			    this.wanted(i, p) : p;
			if (want === null)
				continue;
			if (i in (this.asks ?? {})) {
				await this.ask(i, s.captured, p,
				    () => this.drain(s, what), what);
				continue;
			}
			await this.act(i, s.captured, p);
			if (want === '6') {	/* lets go of a GET, no more */
				if (s.get) {
					const r = await s.get;
					s.get = null;
					s.got.push(...r.body.split('\x1e')
					    .filter((q) => q !== '6'));
				}
				this.compared++;
				continue;
			}
			if (this.rebind && /^40/.test(p))
				this.vars.bound.delete('SIO_SID_1');
			const live = await this.drain(s, what);
			this.vars.match(want, live, what);
			this.learn(s.captured, p, live);
			this.compared++;
		}
	}
	async httpIn(i, e, q, what) {
		const c = this.conns.get(e.conn);
		if (c.w) {
			const instead = this.wanted(i, e);
			assert.equal(c.w.response.status, instead.status,
			    `${what}: ${c.w.response.body}`);
			if (instead.status !== 101)
				assert.equal(c.w.response.body,
				    instead.body ?? e.data, what);
			this.compared++;
			return;
		}
		if (c.session) {
			if (i in this.differs && this.differs[i][0] === null) {
				this.used.add(String(i));
				return;
			}
			if (this.differs[i]?.[0]?.status) {
				const r = await c.session.get;
				c.session.get = null;
				const { status, body } = this.wanted(i);
				assert.deepEqual([r.status, r.body],
				    [status, body], what);
				this.compared++;
				return;
			}
			return this.packets(i, e, c.session, what);
		}
		const r = await c.answer;
		if (this.rebind && !sidOf(q.target))
			this.vars.bound.clear();
		const instead = this.wanted(i, { status: e.status,
			body: payload(e).toString() });
		assert.equal(r.status, instead.status, `${what}: ${r.body}`);
		await this.answered(this.f.events.indexOf(q), what);
		this.etag ??= r.headers.etag;
		if (e.body_omitted !== undefined)
			assert.ok(e.headers['content-encoding'] ||
			    r.bytes.length === e.body_omitted, what);
		else if (instead.body instanceof RegExp)
			assert.match(r.body, instead.body, what);
		else
			this.vars.match(instead.body, r.body, what);
		this.compared++;
		const cookie = e.headers['set-cookie'];
		if (!(i in this.differs))
			assert.equal(r.headers['set-cookie']?.[0],
			    cookie && this.vars.live(cookie), what);
		if (!(i in this.differs) && !this.rebind)
			assert.deepEqual(replyHeaders(r.headers),
			    { ...replyHeaders(e.headers), ...this.also?.[i] },
			    what);
		if (!sidOf(q.target) && e.status === 200 && e.data[0] === '0') {
			const captured = JSON.parse(e.data.slice(1)).sid;
			this.sessions.set(captured, { captured, at: 0, got: [],
				path: q.target.replace(/\?.*/, ''),
				live: JSON.parse(r.body.slice(1)).sid });
		}
	}
	/* The end of a TCP connection, from either side. */
	async tcp(e, what) {
		const c = this.conns.get(e.conn);
		if (!c || e.event !== 'close')
			return;
		if (c.w?.refused)
			return;
		if (c.w && c.closing) {
			if (e.dir === 's2c')
				await c.w.s.end();
			c.w.s.close();
		} else if (c.w)
			await this.cut(() => c.w.s.close(), what);
		else if (c.session?.get && c.session.abortable === e.conn) {
			await this.cut(() => c.session.get.abort(), what);
			c.session.get = null;
		}
	}
	async open() {
		const r = await fetch(this.d.url('/metrics'));
		return Number((await r.text())
		    .match(/^roost_eio_sessions\S* (\d+)/m)[1]);
	}
	/* The connection is lost, and roostd has seen it. */
	async cut(how, what) {
		const before = await this.open();
		how();
		if (before === 0)
			return;		/* it had ended already */
		await until(async () => await this.open() < before, what);
	}
	/* --- the whole --- */
	pairs() {
		const open = new Map(), pairs = new Map();
		for (const e of this.f.events) {
			if (e.layer === 'http' && e.dir === 'c2s')
				open.set(e.conn, e);
			else if (e.layer === 'http') {
				pairs.set(e, open.get(e.conn));
				pairs.set(open.get(e.conn), e);
			} else if (e.layer === 'tcp' && open.has(e.conn) &&
			    !pairs.has(open.get(e.conn)))
				pairs.set(e, open.get(e.conn));	/* cut */
		}
		return pairs;
	}
	async play() {
		const pairs = this.pairs();
		let last = 0;
		for (const [i, e] of this.f.events.entries()) {
			const what = `${this.f.name} ${i}: ${e.dir} ${e.conn} ${
				e.opcode ?? e.method ?? e.layer} ${e.target ?? ''
			} ${e.data ?? ''}`;
			const pause = e.t - last;
			last = e.t;
			if (this.until !== undefined && i >= this.until)
				break;
			if (e.dir === 'c2s' && pause > this.pace)
				await sleep(pause);
			await this.acts[i]?.(this);
			if (e.layer === 'tcp') {
				const q = pairs.get(e);
				const s = q && this.conns.get(e.conn)?.session;
				if (s)
					s.abortable = e.conn;
				await this.tcp(e, what);
			} else if (e.layer === 'http' && e.dir === 'c2s')
				await this.httpOut(e, pairs.get(e));
			else if (e.layer === 'http')
				await this.httpIn(i, e, pairs.get(e), what);
			else if (e.dir === 'c2s')
				await this.wsOut(i, e, this.conns.get(e.conn),
				    what);
			else
				await this.wsIn(i, e, this.conns.get(e.conn),
				    what);
		}
		for (const c of this.conns.values())
			c.w?.s.close();
		for (const s of this.sessions.values()) {
			s.get?.abort();
			assert.equal(s.at, s.got.length,
			    `${this.f.name}: more came: ${s.got.slice(s.at)}`);
		}
		const left = Object.keys(this.differs)
		    .filter((k) => !this.used.has(k));
		assert.deepEqual(left, [], 'differences that were not met');
		return this.compared;
	}
}
