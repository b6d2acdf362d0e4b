/*
 * Who publishes without being cut: a back end over HTTP, one connection for
 * each room, and a client for each room.  When a connection breaks (its
 * worker was killed) another publisher takes its place.
 */
import http from 'node:http';
import { createRequire } from 'node:module';

import { sleep } from '../e2e/lib/daemon.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { io } = require('socket.io-client');

class Publisher {
	constructor(o, kind, room) {
		Object.assign(this, o, { kind, room, generation: 0, waiting: 0 });
		this.renew();
	}
	/* The next connection, so the next numbering. */
	renew() {
		this.p = `${this.kind}-${this.room}.${++this.generation}`;
		this.book = this.ledger.publisher(this.p, this.room);
	}
	next() {
		const i = this.book.t.length;
		this.book.t.push(Date.now());
		this.book.ok.push(false);
		return { p: this.p, room: this.room, i };
	}
	async run() {
		await sleep(Math.random() * this.every);
		while (!this.stopping) {
			await this.publish();
			await sleep(this.every * (0.5 + Math.random()));
		}
	}
}

class Backend extends Publisher {
	constructor(o, room) {
		super(o, 'http', room);
		this.connect();
	}
	connect() {
		this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	}
	post(body) {
		return new Promise((ok) => {
			let fresh = false;
			const r = http.request({ host: '127.0.0.1', port: this.port,
				agent: this.agent, method: 'POST',
				path: '/api/v1/publish', headers: {
					authorization: `Bearer ${this.key}`,
					'content-type': 'application/json' } },
			(res) => {
				res.resume();
				res.on('end', () => ok({ fresh,
					ok: res.statusCode === 200 }));
				res.on('error', () => ok({ fresh, ok: false }));
			});
			r.on('socket', () => { fresh = !r.reusedSocket; });
			r.on('error', () => ok({ fresh, ok: false }));
			r.end(JSON.stringify(body));
		});
	}
	/* One at a time; what goes over another connection has another name. */
	async publish() {
		const { book } = this, e = this.next();
		const r = await this.post({ namespace: this.nsp, event: 'n',
			room: this.room, data: e });
		book.ok[e.i] = r.ok;
		if (!r.ok || (r.fresh && e.i > 0)) {
			this.agent.destroy();
			this.connect();
			this.renew();
		}
	}
	close() { this.agent.destroy(); }
}

class Client extends Publisher {
	constructor(o, room) {
		super(o, 'client', room);
		this.socket = io(`http://127.0.0.1:${this.port}${this.nsp}`, {
			transports: ['websocket'], forceNew: true,
			reconnectionDelay: 50, reconnectionDelayMax: 500 });
		this.socket.on('connect', () => this.connected());
		this.socket.on('disconnect', () => { this.joined = false; });
	}
	connected() {
		if (this.book.t.length)
			this.renew();
		this.socket.emit('room:join', { room: this.room }, (a) => {
			this.joined = !a?.error;
		});
	}
	/* Three behind each other. */
	async publish() {
		const { book } = this;
		for (let k = 0; k < 3 && this.joined; k++) {
			const e = this.next();
			this.waiting++;
			this.socket.timeout(10000).emit('n', e, (error, a) => {
				this.waiting--;
				book.ok[e.i] = !error && !a?.error;
			});
		}
	}
	close() { this.socket.close(); }
}

export class Publishers {
	/* o: { port, nsp, key, ledger, every } */
	constructor(o, rooms) {
		this.all = rooms.flatMap((r) => [new Backend(o, r),
			new Client({ ...o, every: o.every * 2 }, r)]);
		this.running = this.all.map((p) => p.run());
	}
	async stop() {
		for (const p of this.all)
			p.stopping = true;
		await Promise.all(this.running);
		while (this.all.some((p) => p.waiting))
			await sleep(20);
	}
	close() { this.all.forEach((p) => p.close()); }
}
