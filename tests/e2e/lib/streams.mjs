/* A back end that reads a stream with a consumer group, and what it checks. */
import assert from 'node:assert/strict';

import { until } from './daemon.mjs';

export class Group {
	list = [];	/* entries as objects, in order; _id: of Redis */
	/* From the beginning of the stream on. */
	static async open(cli, key, name) {
		const g = new Group();
		Object.assign(g, { cli, key, name });
		await cli.do('XGROUP', 'CREATE', key, name, '0', 'MKSTREAM');
		return g;
	}
	/* What there is now; acknowledged as it is read. */
	async read() {
		for (;;) {
			const r = await this.cli.do('XREADGROUP', 'GROUP',
			    this.name, 'c', 'COUNT', '100', 'STREAMS', this.key,
			    '>');
			const entries = r?.[0]?.[1] ?? [];
			if (entries.length === 0)
				return;
			for (const [_id, f] of entries) {
				const e = { _id };
				for (let i = 0; i < f.length; i += 2)
					e[f[i]] = f[i + 1];
				this.list.push(e);
			}
			await this.cli.do('XACK', this.key, this.name,
			    ...entries.map(([id]) => id));
		}
	}
	until(is, ms) {
		return until(async () => {
			await this.read();
			return is(this.list);
		}, `entries of ${this.key}`, ms);
	}
}

/*
 * Of each epoch of each source the numbers follow each other by one, from the
 * first that is there.  Returns how many are missing, which must be allowed.
 */
export function checkNumbers(list, allowed = false) {
	const last = new Map();
	let missing = 0;
	for (const e of list) {
		const of = `${e.source} ${e.epoch}`, n = Number(e.seq);
		if (last.has(of)) {
			assert.ok(n > last.get(of), `${of}: ${n} again`);
			missing += n - last.get(of) - 1;
		}
		last.set(of, n);
	}
	if (!allowed)
		assert.equal(missing, 0, 'entries are missing');
	return missing;
}

/*
 * What a back end makes of who comes and goes: users that are connected, and in
 * which rooms.  Each change must be one: nobody comes twice.
 */
export function follow(list) {
	const users = new Set(), rooms = new Map();
	for (const e of list.filter((x) => x.source === 'users')) {
		const what = `${e.seq} ${e.type} ${e.user ?? ''} ${e.room ?? ''}`;
		const room = rooms.get(e.room) ?? new Set();
		switch (e.type) {
		case 'begin':
			users.clear();
			rooms.clear();
			break;
		case 'connected':
			assert.ok(!users.has(e.user), what);
			users.add(e.user);
			break;
		case 'disconnected':
			assert.ok(users.delete(e.user), what);
			break;
		case 'occupied':
			assert.ok(!rooms.has(e.room), what);
			rooms.set(e.room, room);
			break;
		case 'joined':
			assert.ok(rooms.has(e.room) && !room.has(e.user), what);
			room.add(e.user);
			break;
		case 'left':
			assert.ok(room.delete(e.user), what);
			break;
		case 'vacated':
			assert.equal(room.size, 0, what);
			assert.ok(rooms.delete(e.room), what);
			break;
		default:
			assert.fail(what);
		}
	}
	return { users, rooms };
}
