/*
 * HTTP and WebSocket by hand: sockets that send exactly the bytes a test
 * wants, right or wrong, and report exactly what came back.
 */
import crypto from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';

import { slow, within } from './daemon.mjs';

/* So many ms are left, of as many that a slow machine has more of: frames that
 * are passed over, as pings, do not begin them anew. */
function clock(ms) {
	const end = Date.now() + ms * slow;
	return () => Math.max(0, end - Date.now()) / slow;
}

/* A TCP (or TLS) connection that remembers what it received. */
export class Sock {
	/* halfOpen: the peer's end is not answered with ours;
	 * localAddress: of ours, in 127/8 */
	static async open(port, { tlsOptions, halfOpen = false,
		localAddress } = {}) {
		const s = new Sock();
		s.data = Buffer.alloc(0);
		s.ended = false;
		s.wake = () => {};
		s.sock = tlsOptions ?
		    tls.connect({ host: '127.0.0.1', port, ...tlsOptions }) :
		    net.connect({ host: '127.0.0.1', port, localAddress,
			allowHalfOpen: halfOpen });
		s.sock.setNoDelay(true);
		s.sock.on('data', (b) => {
			s.data = Buffer.concat([s.data, b]);
			s.wake();
		});
		const end = () => { s.ended = true; s.wake(); };
		s.sock.on('end', end);
		s.sock.on('close', end);
		await within(new Promise((ok, no) => {
			s.sock.once(tlsOptions ? 'secureConnect' : 'connect', ok);
			s.sock.once('error', no);
		}), 'connection');
		s.sock.on('error', (e) => { s.error = e; end(); });
		return s;
	}
	send(data) { this.sock.write(data); }
	close() { this.sock.destroy(); }
	reset() { this.sock.resetAndDestroy?.() ?? this.sock.destroy(); }

	/* Wait until f() finds what it wants in this.data, or the peer ends. */
	async wait(f, what, ms = 5000) {
		const end = Date.now() + ms * slow;
		for (;;) {
			const v = f();
			if (v !== undefined)
				return v;
			if (this.ended)
				throw new Error(`connection ended, waiting for ${what
				    }; got ${JSON.stringify(
				    this.data.toString('latin1').slice(0, 300))}`);
			const left = end - Date.now();
			if (left <= 0)
				throw new Error(`no ${what} within ${ms * slow} ms; got ${
				    JSON.stringify(this.data.toString('latin1')
				    .slice(0, 300))}`);
			await new Promise((ok) => {
				const t = setTimeout(ok, left);
				this.wake = () => { clearTimeout(t); ok(); };
			});
		}
	}
	/* The peer closes: all bytes that were not taken before. */
	async end(ms = 5000) {
		await this.wait(() => (this.ended ? true : undefined),
		    'end of connection', ms);
		return this.data;
	}
	/* One HTTP response: { status, headers, body, head }. */
	async response({ ms = 5000, head = false } = {}) {
		const at = await this.wait(() => {
			const i = this.data.indexOf('\r\n\r\n');
			return i < 0 ? undefined : i;
		}, 'response head', ms);
		const text = this.data.subarray(0, at).toString('latin1');
		const [line, ...rest] = text.split('\r\n');
		const headers = {};
		for (const l of rest) {
			const i = l.indexOf(':');
			headers[l.slice(0, i).toLowerCase()] = l.slice(i + 1).trim();
		}
		const status = Number(line.split(' ')[1]);
		const bodyless = head || status === 101 || status === 204 ||
		    status === 304;
		const n = bodyless ? 0 : Number(headers['content-length'] ?? 0);
		await this.wait(() => (this.data.length >= at + 4 + n ?
		    true : undefined), 'response body', ms);
		const body = this.data.subarray(at + 4, at + 4 + n).toString();
		this.data = this.data.subarray(at + 4 + n);
		return { status, headers, body, head: text };
	}
}

/* One request on a connection of its own, exactly as given. */
export async function raw(port, text, opts = {}) {
	const s = await Sock.open(port, opts);
	s.send(text);
	const r = await s.response(opts);
	r.sock = s;
	return r;
}

export const OP = { cont: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };
const opname = { 0: 'continuation', 1: 'text', 2: 'binary', 8: 'close',
	9: 'ping', 10: 'pong' };

/* A client frame; each rule of RFC 6455 section 5 can be broken by an option. */
export function frame(opcode, payload = '', {
	fin = true, rsv = 0, mask = true, key = crypto.randomBytes(4), length,
	encoding,
} = {}) {
	const data = Buffer.from(payload);
	const n = length ?? data.length;
	let bits = encoding;
	if (bits === undefined)
		bits = n < 126 ? 7 : n < 65536 ? 16 : 64;
	const head = Buffer.alloc(bits === 7 ? 2 : bits === 16 ? 4 : 10);
	head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
	if (bits === 7) {
		head[1] = Number(n);
	} else if (bits === 16) {
		head[1] = 126;
		head.writeUInt16BE(Number(n), 2);
	} else {
		head[1] = 127;
		head.writeBigUInt64BE(BigInt(n), 2);
	}
	if (!mask)
		return Buffer.concat([head, data]);
	head[1] |= 0x80;
	const out = Buffer.from(data);
	for (let i = 0; i < out.length; i++)
		out[i] ^= key[i & 3];
	return Buffer.concat([head, key, out]);
}

export const closePayload = (code, reason = '') => {
	const b = Buffer.alloc(2 + Buffer.byteLength(reason));
	b.writeUInt16BE(code, 0);
	b.write(reason, 2);
	return b;
};

/* A WebSocket client over Sock. */
export class Ws {
	static request(path, { headers = {}, protocols, key, host } = {}) {
		const h = {
			Host: host ?? '127.0.0.1', Upgrade: 'websocket',
			Connection: 'Upgrade',
			'Sec-WebSocket-Key': key ?? 'dGhlIHNhbXBsZSBub25jZQ==',
			'Sec-WebSocket-Version': '13',
			...(protocols ? { 'Sec-WebSocket-Protocol':
			    protocols.join(', ') } : {}),
			...headers,
		};
		return `GET ${path} HTTP/1.1\r\n` + Object.entries(h)
		    .filter(([, v]) => v !== null)
		    .map(([k, v]) => `${k}: ${v}\r\n`).join('') + '\r\n';
	}
	/* The answer when it is not 101: { refused: response }. */
	static async open(port, path, opts = {}) {
		const w = new Ws();
		w.s = await Sock.open(port, opts);
		w.s.send(Ws.request(path, opts));
		w.response = await w.s.response();
		if (w.response.status !== 101) {
			w.s.close();
			w.refused = w.response;
		}
		return w;
	}
	static async must(port, path, opts) {
		const w = await Ws.open(port, path, opts);
		if (w.refused)
			throw new Error(`upgrade refused: ${w.refused.head}\n${
			    w.refused.body}`);
		return w;
	}
	send(data) { this.s.send(data); }
	text(t) { this.s.send(frame(OP.text, t)); }
	json(v) { this.text(JSON.stringify(v)); }
	ping(t = '') { this.s.send(frame(OP.ping, t)); }

	take() {
		const b = this.s.data;
		if (b.length < 2)
			return undefined;
		let n = b[1] & 0x7f, at = 2;
		if (n === 126) {
			if (b.length < 4)
				return undefined;
			n = b.readUInt16BE(2);
			at = 4;
		} else if (n === 127) {
			if (b.length < 10)
				return undefined;
			n = Number(b.readBigUInt64BE(2));
			at = 10;
		}
		if (b.length < at + n)
			return undefined;
		const payload = b.subarray(at, at + n);
		const f = { fin: (b[0] & 0x80) !== 0, rsv: (b[0] >> 4) & 7,
			opcode: opname[b[0] & 15] ?? b[0] & 15,
			masked: (b[1] & 0x80) !== 0, payload,
			text: payload.toString() };
		if (f.opcode === 'close') {
			f.code = n >= 2 ? payload.readUInt16BE(0) : 1005;
			f.reason = payload.subarray(2).toString();
			this.lastCode = f.code;
		}
		this.s.data = b.subarray(at + n);
		return f;
	}
	/* The next frame of any kind. */
	next(what = 'frame', ms = 5000) {
		return this.s.wait(() => this.take(), what, ms);
	}
	/* The next data message (pings of Engine.IO count, they are data); what
	 * asks whether we live, on a slow machine, is answered. */
	async message(what = 'message', ms = 5000) {
		const left = clock(ms);
		let f;
		while ((f = await this.next(what, left())).opcode === 'ping')
			this.s.send(frame(OP.pong, f.payload));
		if (f.opcode !== 'text')
			throw new Error(`expected a text frame (${what}), got ${
			    f.opcode} ${f.code ?? ''} ${f.text}`);
		return f.text;
	}
	async event(ms) { return JSON.parse(await this.message('event', ms)); }
	/* Ask and wait for the answer to this id; other messages are kept. */
	async ack(msg, ms = 5000) {
		const left = clock(ms);
		this.kept ??= [];
		this.json(msg);
		for (;;) {
			const m = await this.event(left());
			if (m.ack === msg.id)
				return m;
			this.kept.push(m);
		}
	}
	/* Read until the close frame (data before it is collected). */
	async closed(ms = 5000) {
		const left = clock(12 * ms), before = [];
		for (;;) {
			let f;
			try {
				f = await this.next('close frame', Math.min(ms,
				    left()));
			} catch (e) {
				if (this.s.ended)
					return { code: 1006, reason: '', before };
				throw e;
			}
			if (f.opcode === 'close') {
				this.s.send(frame(OP.close,
				    f.payload.subarray(0, 2)));
				return { code: f.code, reason: f.reason, before };
			}
			before.push(f);
		}
	}
	/* Nothing arrives: proven by a ping whose pong must come next. */
	async silent(what = 'silence') {
		const probe = crypto.randomBytes(8).toString('hex');
		this.ping(probe);
		const f = await this.next(`pong (${what})`);
		if (f.opcode !== 'pong' || f.text !== probe)
			throw new Error(`${what}: got ${f.opcode} ${f.text}`);
	}
	/* The connection serves: a ping is answered (data before is kept). */
	async alive() {
		const probe = crypto.randomBytes(8).toString('hex');
		const left = clock(5000);
		this.ping(probe);
		for (;;) {
			const f = await this.next('pong', left());
			if (f.opcode === 'pong' && f.text === probe)
				return;
			if (f.opcode === 'close')
				throw new Error(`closed: ${f.code} ${f.reason}`);
		}
	}
	async bye() {
		this.s.send(frame(OP.close, closePayload(1000)));
		await this.closed().catch(() => {});
		this.s.close();
	}
	drop() { this.s.close(); }
}

/* Engine.IO on WebSocket, raw: open packet taken and parsed as .handshake. */
export async function engine(port, opts = {}) {
	const w = await Ws.must(port,
	    `${opts.path ?? '/socket.io'}/?EIO=4&transport=websocket${
	    opts.query ?? ''}`, opts);
	const open = await w.message('open packet');
	if (open[0] !== '0')
		throw new Error(`not an open packet: ${open}`);
	w.handshake = JSON.parse(open.slice(1));
	return w;
}
/* ... and one namespace joined; the sid as .sid. */
export async function socketio(port, { nsp = '/', auth, ...opts } = {}) {
	const w = await engine(port, opts);
	const p = nsp === '/' ? '' : `${nsp},`;
	w.text(`40${p}${auth === undefined ? '' : JSON.stringify(auth)}`);
	const reply = await w.message('CONNECT reply');
	if (!reply.startsWith(`40${p}{`))
		throw new Error(`not connected: ${reply}`);
	w.sid = JSON.parse(reply.slice(2 + p.length)).sid;
	return w;
}
