/*
 * Editors of a document: a Y.Doc each, and y-websocket's provider as it is.
 */
import * as Y from 'yjs';
import { WebsocketProvider } from 'y-websocket';
import { WebSocket } from 'ws';

import { Ws, frame, OP } from './wire.mjs';
import { until, within } from './daemon.mjs';

export { Y };
const open = new Set();

/* A socket that can be cut, and counts what comes and what it answers. */
function socket(editor) {
	return class extends WebSocket {
		constructor(...args) {
			super(...args);
			editor.socket = this;
			editor.nsockets++;
			this.on('message', () => { editor.messagesIn++; });
			this.on('error', () => {});
		}
		send(data, ...rest) {
			const b = Buffer.from(data.buffer ?? data,
			    data.byteOffset, data.byteLength);
			if (b[0] === 0 && b[1] === 1)
				editor.step2Out.push(b.length);
			super.send(data, ...rest);
		}
	};
}

export class Editor {
	/* at: a daemon, or a URL; path: where its documents are. */
	constructor(at, name, { path = '/yjs', params = {}, doc, connect = true,
		...opts } = {}) {
		this.doc = doc ?? new Y.Doc();
		this.text = this.doc.getText('t');
		this.messagesIn = this.nsockets = 0;
		this.step2Out = [];
		this.closes = [];
		this.provider = new WebsocketProvider(
		    typeof at === 'string' ? at : at.ws(path), name, this.doc, {
			WebSocketPolyfill: socket(this), disableBc: true,
			params, connect, maxBackoffTime: 500, ...opts });
		this.provider.on('connection-close', (e) => {
			if (e)
				this.closes.push(e.code);
		});
		this.provider.on('closed', () => { this.closed = true; });
		open.add(this);
	}
	/* Until it has all that is there. */
	synced(ms = 10000) {
		return until(() => this.provider.synced, 'sync', ms)
		    .then(() => this);
	}
	add(s, at = this.text.length) { this.text.insert(at, s); }
	get s() { return this.text.toString(); }
	get vector() {
		return Buffer.from(Y.encodeStateVector(this.doc)).toString('hex');
	}
	get states() { return this.provider.awareness.getStates(); }
	user(name) {
		this.provider.awareness.setLocalStateField('user', name);
	}
	get users() {
		return [...this.states.values()].map((s) => s.user)
		    .filter((u) => u !== undefined).sort();
	}
	/* As when the network goes. */
	cut() { this.socket.terminate(); }
	close() {
		open.delete(this);
		this.provider.destroy();
		this.doc.destroy();
	}
}
export const editor = (at, name, opts) => new Editor(at, name, opts).synced();
export const closeAll = () => [...open].forEach((e) => e.close());

/* They all have the same, text and all. */
export async function equal(list, ms = 10000) {
	await until(() => list.every((e) => e.provider.synced &&
	    e.vector === list[0].vector && e.s === list[0].s),
	    () => `equal texts: ${list.map((e) => `${e.s.length}${
		e.provider.synced ? '' : '?'}`)}`, ms);
	return list[0].s;
}

/* --- messages by hand ------------------------------------------------------- */

export function number(v) {
	const out = [];
	for (; v > 127; v = Math.floor(v / 128))
		out.push(v % 128 + 128);
	return Buffer.from([...out, v]);
}
export const bytes = (b) => Buffer.concat([number(b.length), Buffer.from(b)]);
export const step1 = (v = [0]) => Buffer.concat([Buffer.from([0, 0]), bytes(v)]);
export const step2 = (u = [0, 0]) => Buffer.concat([Buffer.from([0, 1]),
	bytes(u)]);
export const update = (u) => Buffer.concat([Buffer.from([0, 2]), bytes(u)]);
export const awareness = (...states) => Buffer.concat([Buffer.from([1]),
	bytes(Buffer.concat([number(states.length), ...states.map(
	    ([id, clock, s]) => Buffer.concat([number(id), number(clock),
		bytes(Buffer.from(s === null ? 'null' : JSON.stringify(s)))]))]))]);
export const binary = (b) => frame(OP.binary, b);

/* A connection without a provider; what comes is one message after the other. */
export class Raw {
	static async open(d, path, opts) {
		const r = new Raw();
		r.w = await Ws.must(d.port, path, opts);
		return r;
	}
	send(...list) { this.w.send(Buffer.concat(list.map(binary))); }
	/* The next message of this kind: [type] or [0, step]. */
	async next(kind, ms = 10000) {
		for (;;) {
			const f = await this.w.next('a message', ms);
			if (f.opcode === 'ping')
				continue;
			if (f.opcode !== 'binary')
				throw new Error(`${f.opcode} ${f.code ?? ''}`);
			if (kind.every((k, i) => f.payload[i] === k))
				return f.payload;
		}
	}
	async closed() { return this.w.closed(); }
}
