/*
 * Engine.IO over HTTP polling, by hand.  Each request goes over a connection
 * of its own (so it may reach any worker) unless an agent is given.
 */
import http from 'node:http';
import https from 'node:https';

import { slow, until, within } from './daemon.mjs';

/* { status, headers, body, bytes } ; .abort() cuts the connection. */
export function request(port, method, target, {
	body, headers = {}, agent = false, tls, ms = 5000, hold = false,
} = {}) {
	let req;
	const p = within(new Promise((ok, no) => {
		req = (tls ? https : http).request({ host: '127.0.0.1', port,
			method, path: target, agent,
			headers: { ...(agent ? {} : { connection: 'close' }),
				...headers }, ...tls }, (r) => {
			const parts = [];
			r.on('data', (b) => parts.push(b));
			r.on('end', () => {
				const bytes = Buffer.concat(parts);
				ok({ status: r.statusCode, headers: r.headers,
					body: bytes.toString(), bytes });
			});
			r.on('error', no);
		});
		req.on('error', no);
		if (hold)
			req.flushHeaders();
		else
			req.end(body);
	}), `${method} ${target}`, ms);
	p.catch(() => {});
	return Object.assign(p, { req, abort: () => req.destroy() });
}

/*
 * Once the sessions of daemon d have taken n more GETs, or POSTs: what waits
 * then, waits there.  To be called before they are sent.
 */
export async function taken(d, what, n = 1) {
	const before = await d.metric(what);
	return () => until(async () => await d.metric(what) >= before + n,
	    `${n} ${what} are taken`);
}

export class Polling {
	static async open(port, opts = {}) {
		const p = new Polling();
		Object.assign(p, { port, opts, base: `${opts.path ?? '/socket.io'
		    }/?EIO=4&transport=polling` });
		p.response = await request(port, 'GET', p.base, opts);
		if (p.response.status !== 200)
			throw new Error(`handshake: ${p.response.status} ${
			    p.response.body}`);
		p.open = JSON.parse(p.response.body.slice(1));
		p.sid = p.open.sid;
		p.target = `${p.base}&sid=${p.sid}`;
		p.ws = p.target.replace('=polling', '=websocket');
		return p;
	}
	get(o = {}) {
		return request(this.port, 'GET', this.target,
		    { ...this.opts, ...o });
	}
	post(body, o = {}) {
		return request(this.port, 'POST', this.target,
		    { ...this.opts, body, ...o });
	}
	/* ... that must be taken */
	async send(...packets) {
		const r = await this.post(packets.join('\x1e'));
		if (r.status !== 200 || r.body !== 'ok')
			throw new Error(`POST: ${r.status} ${r.body}`);
	}
	async packets(o) {
		const r = await this.get(o);
		if (r.status !== 200)
			throw new Error(`GET: ${r.status} ${r.body}`);
		return r.body.split('\x1e');
	}
	/* Poll until n packets came, answering pings. */
	async collect(n, ms = 5000) {
		const got = [];
		const end = Date.now() + ms * slow;
		while (got.length < n) {
			if (Date.now() > end)
				throw new Error(`${got.length} of ${n}: ${got}`);
			for (const p of await this.packets())
				if (p === '2')
					await this.send('3');
				else
					got.push(p);
		}
		return got;
	}
	async connect(nsp = '/', auth = '') {
		const p = nsp === '/' ? '' : `${nsp},`;
		await this.send(`40${p}${auth}`);
		const [reply] = await this.collect(1);
		if (!reply.startsWith(`40${p}{`))
			throw new Error(`CONNECT: ${reply}`);
		this.id = JSON.parse(reply.slice(2 + p.length)).sid;
		return this;
	}
	/* Error 1, in the reference's words. */
	async gone() {
		const r = await this.get();
		return r.status === 400 && r.body ===
		    '{"code":1,"message":"Session ID unknown"}';
	}
}
