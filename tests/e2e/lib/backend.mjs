/*
 * A back end that hooks speak to: it checks each signature, keeps what it is
 * told, and answers as the test says.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

import { until } from './daemon.mjs';

export const SECRET = 'a secret of hooks, 32 bytes or more';

/* As roost-protocol(7) shows it. */
export function verify(secret, header, body, now = Date.now()) {
	const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header ?? '');
	if (!m || Math.abs(now / 1000 - Number(m[1])) > 300)
		return false;
	const sum = crypto.createHmac('sha256', secret)
	    .update(`${m[1]}.`).update(body).digest();
	return crypto.timingSafeEqual(sum, Buffer.from(m[2], 'hex'));
}

export class Backend {
	requests = [];	/* { headers, text, json, at } */
	entries = [];	/* of those that were taken */
	/* What becomes of a request: a status, or a function of it, the response
	 * and the request's number that answers by itself (undefined) or returns
	 * a status. */
	answer = 200;
	static async start({ tls, port = 0, secret = SECRET } = {}) {
		const b = new Backend();
		b.secret = secret;
		const serve = (q, r) => b.serve(q, r);
		b.server = tls ? https.createServer(tls, serve) :
		    http.createServer(serve);
		b.connections = 0;
		b.server.on('connection', () => { b.connections++; });
		await new Promise((ok, no) => {
			b.server.once('error', no);
			b.server.listen(port, '127.0.0.1', ok);
		});
		b.port = b.server.address().port;
		b.url = `http${tls ? 's' : ''}://127.0.0.1:${b.port}/roost`;
		return b;
	}
	serve(q, r) {
		const parts = [];
		q.on('data', (p) => parts.push(p));
		q.on('end', () => {
			const body = Buffer.concat(parts);
			const one = { method: q.method, url: q.url,
				headers: q.headers, text: body.toString(),
				at: Date.now(), n: this.requests.length + 1 };
			this.requests.push(one);
			one.good = verify(this.secret,
			    q.headers['x-roost-signature'], body);
			if (!one.good) {
				r.writeHead(401).end();
				return;
			}
			one.json = JSON.parse(one.text);
			const a = typeof this.answer === 'function' ?
			    this.answer(one, r) : this.answer;
			if (a === undefined)
				return;
			one.status = a;
			if (a >= 200 && a < 300)
				this.take(one);
			r.writeHead(a).end();
		});
	}
	take(one) {
		const { source, epoch, namespace, entries } = one.json;
		for (const e of entries ?? [])
			this.entries.push({ source, epoch, namespace, ...e });
	}
	until(is, ms) {
		return until(() => is(this.entries), () => `entries of a hook: ${
		    JSON.stringify(this.entries.slice(-3))}, the last answer ${
		    this.requests.at(-1)?.status}`, ms);
	}
	async close() {
		this.server.closeAllConnections();
		await new Promise((ok) => this.server.close(ok));
	}
	/* Nothing was asked without a good signature. */
	check() {
		assert.ok(this.requests.every((q) => q.good), 'a signature is wrong');
	}
}
