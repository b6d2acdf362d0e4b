/* Stock clients, unmodified: socket.io-client on WebSocket, ws. */
import { io } from 'socket.io-client';
import WebSocket from 'ws';

import { slow, until, within } from './daemon.mjs';
import { CLIENT, started } from './remains.mjs';

export { io, WebSocket };

/* A socket.io-client socket; connected unless { wait: false }. */
export async function connect(d, nsp = '/', { wait = true, ...opts } = {}) {
	const s = io(`http://127.0.0.1:${d.port}${nsp}`, {
		transports: ['websocket'], forceNew: true, reconnection: false,
		...opts,
	});
	started(CLIENT, () => s.close());
	s.got = [];
	s.onAny((...a) => s.got.push(a));
	if (wait)
		await connected(s);
	return s;
}
export function connected(s) {
	return within(new Promise((ok, no) => {
		if (s.connected)
			ok();
		s.once('connect', ok);
		s.once('connect_error', (e) => no(Object.assign(
		    new Error(`connect_error: ${e.message}`), { data: e.data })));
	}), 'connect');
}
/* The CONNECT_ERROR that comes instead. */
export function refused(s) {
	return within(new Promise((ok, no) => {
		s.once('connect', () => no(new Error('was connected')));
		s.once('connect_error', ok);
	}), 'connect_error');
}
export const ask = (s, ...args) => s.timeout(5000 * slow).emitWithAck(...args);
export const once = (s, event, ms = 5000) =>
	within(new Promise((ok) => s.once(event, (...a) => ok(a))), event, ms);
export const gotten = (s, event) =>
	s.got.filter((a) => a[0] === event).map((a) => a.slice(1));
export const heard = (s, event, n = 1, ms = 5000) =>
	until(() => gotten(s, event).length >= n && gotten(s, event),
	    `${n} × ${event}`, ms);

/* A plain client on `ws`: messages collected as parsed JSON in .got. */
export async function plain(d, path, { protocols = [], ...opts } = {}) {
	const w = new WebSocket(`ws://127.0.0.1:${d.port}${path}`, protocols, opts);
	started(CLIENT, () => w.terminate());
	w.got = [];
	w.on('message', (b) => w.got.push(JSON.parse(b.toString())));
	w.ids = 0;
	w.ask = (event, data) => {
		const id = ++w.ids;
		w.send(JSON.stringify({ event, data, id }));
		return until(() => w.got.find((m) => m.ack === id),
		    `ack of ${event}`);
	};
	w.emit1 = (event, data) => w.send(JSON.stringify({ event, data }));
	await within(new Promise((ok, no) => {
		w.once('open', ok);
		w.once('error', no);
		w.once('unexpected-response', (_, r) =>
		    no(Object.assign(new Error(`refused ${r.statusCode}`),
			{ status: r.statusCode })));
	}), 'open');
	return w;
}
/* Ack errors have one form. */
export const codeOf = (ack) => ack?.error?.code;
