/*
 * SockJS by hand: requests whose responses are seen byte by byte, as they come.
 */
import crypto from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

import { until, within } from './daemon.mjs';
import { CLIENT, started } from './remains.mjs';

export const session = () => `/000/${crypto.randomUUID()}`;

/* A response whose body goes on: .text grows, .ended at its end. */
class Body {
	constructor(r) {
		Object.assign(this, { r, status: r.statusCode, headers: r.headers,
			text: '', ended: false, broken: false });
		r.setEncoding('utf8');
		r.on('data', (s) => { this.text += s; });
		r.on('end', () => { this.ended = true; });
		r.on('error', () => { this.broken = true; });
		r.on('close', () => { this.broken ||= !this.ended; });
	}
	/* All that has come is that. */
	async says(wanted, ms = 5000) {
		await until(() => this.text.length >= wanted.length,
		    () => `${JSON.stringify(wanted.slice(-200))}, not ${
			JSON.stringify(this.text.slice(-200))}`, ms);
		if (this.text !== wanted)
			throw new Error(`${JSON.stringify(this.text.slice(-300))
			    } is not ${JSON.stringify(wanted.slice(-300))}`);
	}
	end(ms) { return until(() => this.ended, 'the end of the response', ms); }
	close() { this.r.destroy(); }
}

/* The head of the response has come.  agent: false, a connection of its own. */
export function begin(url, { method = 'GET', headers = {}, body, agent = false } = {}) {
	return within(new Promise((ok, no) => {
		/* a certificate that nobody has signed will do */
		const rq = (url.startsWith('https:') ? https : http).request(url,
		    { method, headers, agent, rejectUnauthorized: false });
		rq.on('response', (r) => {
			const b = new Body(r);
			started(CLIENT, () => b.close());
			ok(b);
		});
		rq.on('error', no);
		rq.end(body ?? (method === 'POST' ? '' : undefined));
	}), `response to ${method} ${url}`, 10000);
}
/* ... and all of it. */
export async function ask(url, opts) {
	const b = await begin(url, opts);
	await b.end(10000);
	return b;
}
export const post = (url, opts) => ask(url, { method: 'POST', ...opts });
export const send = (url, messages, headers = {}) => post(`${url}/xhr_send`, {
	headers: { 'content-type': 'text/plain', ...headers },
	body: typeof messages === 'string' ? messages :
	    JSON.stringify(messages),
});
