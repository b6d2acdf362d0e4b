/*
 * What was published, what was seen, and whether the two agree.  Pure: no
 * sockets, no clock.  Used by matrix.mjs; 47_versions.test.mjs shows that it
 * notices each kind of fault.
 *
 * A publisher is one connection: its events are numbered 0, 1, 2 ...  Each
 * has the time at which it was begun, and whether it was acknowledged.  What
 * was not (the connection broke) may have arrived or not, but not twice.
 *
 * A session is the time of one Socket.IO sid, recoveries included.  Within
 * it, from each publisher:
 *	- no event twice, none behind a later one;
 *	- between the first and the last that it saw, none is missing;
 *	- none is missing of those begun after its join was acknowledged, up to
 *	  the last it saw, or to the end of the run if it was there then.
 */

export const MARGIN_MS = 2;	/* of the clocks of two processes */

/* One session's eyes; see() returns what is wrong at once, or null. */
export class Watch {
	constructor(about) {
		Object.assign(this, { ...about, joined: null, ended: null,
			recoveries: 0, events: 0, by: {}, wrong: [] });
	}
	see(p, i) {
		const w = this.by[p];
		this.events++;
		if (w === undefined) {
			this.by[p] = { first: i, last: i, missing: [] };
			return;
		}
		if (i > w.last) {
			for (let k = w.last + 1; k < i; k++)
				w.missing.push(k);
			w.last = i;
			return;
		}
		const at = w.missing.indexOf(i);
		if (at >= 0)
			w.missing.splice(at, 1);
		this.wrong.push(at < 0 && i >= w.first ? `${p} ${i} twice` :
		    `${p} ${i} after ${w.last}`);
		if (i < w.first) {	/* late, but seen */
			for (let k = i + 1; k < w.first; k++)
				w.missing.push(k);
			w.first = i;
		}
	}
}

export class Ledger {
	constructor() {
		this.publishers = new Map();
	}
	/* A connection that publishes to a room. */
	publisher(p, room) {
		const e = { room, t: [], ok: [] };
		this.publishers.set(p, e);
		return e;
	}
	add(p, { room, t, ok }) {
		this.publishers.set(p, { room, t, ok });
	}
	get certain() {
		let n = 0;
		for (const e of this.publishers.values())
			n += e.ok.filter(Boolean).length;
		return n;
	}
	get begun() {
		let n = 0;
		for (const e of this.publishers.values())
			n += e.t.length;
		return n;
	}

	/* What one session should have seen of one publisher and did not. */
	gaps(s, e, seen) {
		const list = [];
		const last = s.ended === null ? e.t.length - 1 : seen?.last ?? -1;
		const missing = new Set(seen?.missing);
		for (let i = 0; i <= last; i++) {
			if (!e.ok[i] || (seen && i >= seen.first &&
			    i <= seen.last && !missing.has(i)))
				continue;
			if ((seen && i > seen.first && i < seen.last) ||
			    (s.joined !== null && e.t[i] > s.joined + MARGIN_MS))
				list.push(i);
		}
		return list;
	}
	/* Sentences; none: all is well. */
	judge(sessions) {
		const bad = [], rooms = new Map();
		for (const [p, e] of this.publishers)
			rooms.set(e.room, [...rooms.get(e.room) ?? [], [p, e]]);
		for (const s of sessions) {
			const who = `${s.client} session ${s.n} (${s.sid}, ${
			    s.ended ?? 'there at the end'}, joined ${s.joined})`;
			for (const w of s.wrong)
				bad.push(`${who}: ${w}`);
			for (const [p, seen] of Object.entries(s.by)) {
				const e = this.publishers.get(p);
				if (!e || e.room !== s.room ||
				    seen.last >= e.t.length)
					bad.push(`${who}: ${p} ${seen.last
					    } was never sent to it`);
			}
			for (const [p, e] of rooms.get(s.room) ?? []) {
				if (p.startsWith(`${s.client}.`))
					continue;	/* its own */
				for (const i of this.gaps(s, e, s.by[p]))
					bad.push(`${who}: ${p} ${i} (begun ${e.t[i]
					    }) is missing; it saw ${s.by[p]?.first
					    }..${s.by[p]?.last}`);
			}
		}
		return bad;
	}
}
