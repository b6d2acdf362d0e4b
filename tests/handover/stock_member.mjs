/*
 * A stock client, unmodified, in a group of ten: says something now and then,
 * notes what it hears and whenever it is cut off or recovered.  In Node and in
 * a browser; ledger.mjs judges.
 */
const now = () => performance.timeOrigin + performance.now();

export class Member {
	/* spec: url, id, user, token, room, transports, say (ms), options */
	constructor(io, spec) {
		Object.assign(this, spec, { said: [], heard: {}, cuts: [],
			back: [], errors: [], presence: [], wrong: [],
			worst: 0, joined: false });
		this.socket = io(`${this.url}/f`, { transports: this.transports,
			auth: { token: this.token }, forceNew: true,
			reconnectionDelay: 100, reconnectionDelayMax: 1000,
			...this.options });
		const s = this.socket;
		s.on('connect', () => this.connected());
		s.on('disconnect', (why, d) => this.cuts.push({ at: now(), why,
			code: d?.description?.code ?? d?.description }));
		s.on('connect_error', (e) => this.errors.push(e.message));
		s.on('say', (m) => this.hear(m));
		s.on('presence:update', (u) => {
			if (this.strict)
				this.presence.push(u);
		});
		s.on('roost:gap', (g) => this.wrong.push(`gap ${
		    JSON.stringify(g)}`));
		s.on('error', (e) => this.wrong.push(JSON.stringify(e)));
	}
	connected() {
		if (this.joined) {
			this.back.push({ at: now(),
				recovered: this.socket.recovered });
			if (this.socket.recovered)
				return;
		}
		this.socket.emit('room:join', { room: this.room }, (a) => {
			if (a?.error)
				this.wrong.push(`join: ${a.error.code}`);
			this.joined = true;
		});
	}
	/* Everybody is here: from now on everything counts. */
	run() {
		this.strict = true;
		this.timer = setTimeout(() => this.speak(),
		    this.say * Math.random());
	}
	speak() {
		this.timer = setTimeout(() => this.speak(),
		    this.say * (0.8 + 0.4 * Math.random()));
		const m = { i: this.said.length, t: now(), acks: 0 };
		/* with an ack that is lost, nobody knows */
		m.certain = this.socket.connected;
		this.said.push(m);
		this.socket.emit('say', { room: this.room, k: this.id, i: m.i,
			t: m.t, b: m.i % 4 === 3 ? new Uint8Array([m.i & 255,
				this.id & 255]) : null }, (a) => {
			m.acks++;
			m.delivered = a?.delivered;
			this.worst = Math.max(this.worst, now() - m.t);
		});
	}
	hear(m) {
		(this.heard[m.k] ??= []).push(m.i);
		this.worst = Math.max(this.worst, now() - m.t);
		if (m.i % 4 === 3) {
			const b = new Uint8Array(m.b);
			if (b.length !== 2 || b[0] !== (m.i & 255) ||
			    b[1] !== (m.k & 255))
				this.wrong.push(`attachment ${m.k} ${m.i}`);
		}
	}
	hush() { clearTimeout(this.timer); }
	mark() {
		const w = this.worst;
		this.worst = 0;
		return w;
	}
	report() {
		const { id, user, room, said, heard, cuts, back, errors, presence,
			wrong } = this;
		return { id, user, room, said, heard, cuts, back, errors,
			presence, wrong, up: this.socket.connected,
			transport: this.socket.io.engine?.transport?.name };
	}
}

/* Those of one process or page. */
export class Members {
	constructor(io, specs) {
		this.all = specs.map((s) => new Member(io, s));
	}
	here() { return this.all.filter((m) => m.joined).length; }
	run() { this.all.forEach((m) => m.run()); }
	hush() { this.all.forEach((m) => m.hush()); }
	mark() { return this.all.map((m) => m.mark()); }
	report() { return this.all.map((m) => m.report()); }
	end() { this.all.forEach((m) => m.socket.disconnect()); }
}
