/*
 * One client of the matrix: joins a room, watches what arrives, now and then
 * says something itself, and comes back when it is cut off.  Runs in Node and
 * in a browser: it is given its library's io(), or Socket.
 */
import { Watch } from './ledger.mjs';

export class Member {
	/*
	 * client   its name           room, nsp   where it is
	 * url      of the cutter      transports  as io() takes them
	 * speak    ms between its own events, on average
	 */
	constructor(io, spec) {
		Object.assign(this, spec, { sessions: [], session: null,
			epoch: 0, published: {}, early: [],
			recovered: 0, fresh: 0, errors: {}, reasons: {},
			on: { polling: 0, websocket: 0 }, wrong: [] });
		this.connect(io);
		this.timer = setTimeout(() => this.say(),
		    this.speak * (0.5 + Math.random()));
	}
	connect(io) {
		this.socket = io(this.url + this.nsp, {
			transports: this.transports, forceNew: true,
			reconnectionDelay: 100, reconnectionDelayMax: 1000,
			timeout: 10000,
		});
		this.socket.on('connect', () => this.connected());
		this.socket.on('disconnect', (why) => this.gone(why));
		this.socket.on('connect_error', (e) => {
			this.errors[e.message] = (this.errors[e.message] ?? 0) + 1;
		});
		this.socket.on('n', (e) => this.event(e));
	}

	connected() {
		this.epoch++;
		if (this.socket.recovered && this.session) {
			this.recovered++;
			this.session.recoveries++;
			if (this.socket.id !== this.session.sid)
				this.wrong.push('recovered with another sid');
		} else {
			this.fresh++;
			if (this.session)
				this.session.ended = this.why;
			this.session = new Watch({ client: this.client,
				room: this.room, n: this.sessions.length,
				sid: this.socket.id });
			this.sessions.push(this.session);
		}
		/* a recovered client is told what it missed before this */
		for (const e of this.early.splice(0))
			this.session.see(e.p, e.i);
		this.here = true;
		if (this.session.joined === null)
			this.join(this.session);
	}
	join(session) {
		this.socket.emit('room:join', { room: this.room }, (a) => {
			if (a?.error)
				this.wrong.push(`join: ${a.error.code}`);
			else
				session.joined ??= Date.now();
		});
	}
	gone(why) {
		this.here = false;
		this.why = why;
		this.reasons[why] = (this.reasons[why] ?? 0) + 1;
		if (/^io|parse/.test(why))
			this.wrong.push(`disconnected: ${why}`);
	}
	event(e) {
		const { name } = this.socket.io.engine.transport;
		this.on[name]++;
		if (this.here)
			this.session.see(e.p, e.i);
		else
			this.early.push(e);
	}
	get ready() {
		return this.here && this.session.joined !== null;
	}
	say() {
		this.timer = setTimeout(() => this.say(),
		    this.speak * (0.5 + Math.random()));
		if (!this.ready || this.quiet)
			return;
		const p = `${this.client}.${this.epoch}`;
		const mine = this.published[p] ??=
		    { room: this.room, t: [], ok: [] };
		const i = mine.t.length;
		mine.t.push(Date.now());
		mine.ok.push(false);
		this.socket.emit('n', { room: this.room, p, i }, (a) => {
			if (a?.error)
				this.wrong.push(`n: ${a.error.code}`);
			else
				mine.ok[i] = true;
		});
	}
	hush() {
		this.quiet = true;
	}
	/* What it has to tell. */
	report() {
		const { client, sessions, published, recovered, fresh, errors,
			reasons, on, wrong } = this;
		return { client, sessions, published, recovered, fresh, errors,
			reasons, on, wrong };
	}
	end() {
		clearTimeout(this.timer);
		this.socket.close();
	}
}

/*
 * A client of engine.io-client on a route of format = engine.  There is no
 * recovery: each connection is a session, in its room as soon as it is open.
 * It only listens.
 */
class EngineMember extends Member {
	connect(Socket) {
		this.socket = new Socket(this.url, { path: `/stream/${this.room}`,
			transports: this.transports });
		this.socket.on('open', () => {
			this.fresh++;
			this.here = true;
			this.session = Object.assign(new Watch({
				client: this.client, room: this.room,
				n: this.sessions.length, sid: this.socket.id }),
			{ joined: Date.now() });
			this.sessions.push(this.session);
		});
		this.socket.on('message', (m) => {
			const e = JSON.parse(m);
			this.on[this.socket.transport.name]++;
			this.session.see(e.p, e.i);
		});
		this.socket.on('close', (why) => {
			this.reasons[why] = (this.reasons[why] ?? 0) + 1;
			if (this.here)
				this.session.ended = why;
			this.here = false;
			this.again = setTimeout(() => this.connect(Socket),
			    100 + Math.random() * 400);
		});
		this.socket.on('error', () => {});
	}
	say() {}
	end() {
		this.socket.off('close');
		clearTimeout(this.again);
		super.end();
	}
}

/* Many of them; the same in a process of its own and in a page. */
export class Members {
	constructor(ioOf, specs) {
		this.all = [];
		const ramp = setInterval(() => {
			for (let k = 0; k < 5 && specs.length; k++) {
				const s = specs.shift();
				this.all.push(s.version === 'engine.io-client' ?
				    new EngineMember(ioOf(s.version), s) :
				    new Member(ioOf(s.version), s));
			}
			if (!specs.length)
				clearInterval(ramp);
			this.made = !specs.length;
		}, 50);
	}
	state() {
		return { made: this.made, unready: this.all
		    .filter((m) => !m.ready).map((m) => m.client) };
	}
	hush() { this.all.forEach((m) => m.hush()); }
	report() { return this.all.map((m) => m.report()); }
	end() { this.all.forEach((m) => m.end()); }
}
