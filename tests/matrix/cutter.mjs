/*
 * A TCP proxy between clients and daemon that harms what goes through it, in
 * a process of its own.
 * usage: cutter.mjs DAEMON-PORT ADDRESSES
 * Listens on 127.0.1.1, .2, ... and reports { ports }.  Takes
 *	{ every: MS }	cut one random connection every MS; 0: stop, and end
 *			those that are silent
 *	{ fault: KIND }	drop, repeat or swap one event, unseen by both ends: for
 *			the proof that this is noticed
 *	{ report }	{ cuts: { kind: n }, faults, links }
 *
 * A browser sends a GET again, to the byte, when its connection breaks before
 * the response, and says nothing of it.  If the daemon had written the response
 * in full by then, what was in it is lost, and the session goes on: nobody can
 * know better.  So where a browser polls, the daemon is told first, by a FIN; what
 * it wrote until it ended is passed on, and only without it is the page cut off.
 */
import net from 'node:net';

const [port, addresses] = process.argv.slice(2).map(Number);
const live = new Set(), silent = new Set();
const cuts = {};
const faults = { wanted: null, done: 0 };
const HOLD_MS = 25000;
const MARK = Buffer.from('["n",{');

/* --- what can happen to a connection ----------------------------------------- */

function hold(l) {
	silent.add(l);
	setTimeout(() => end(l), HOLD_MS).unref();
}
function end(l) {
	silent.delete(l);
	l.client.destroy();
	l.server.destroy();
}
/* client and server are the cutter's own ends towards them */
const kinds = {
	fin: { weight: 30, f: (l) => {
		l.client.end();
		l.server.end();
		setTimeout(() => end(l), 1000).unref();
	} },
	rst: { weight: 40, f: (l) => {
		l.server.resetAndDestroy();
		l.client.resetAndDestroy();
	} },
	/* the client knows, the daemon does not */
	clientGone: { weight: 15, f: (l) => {
		l.client.resetAndDestroy();
		hold(l);
	} },
	/* the daemon knows, the client does not */
	serverGone: { weight: 5, f: (l) => {
		l.server.resetAndDestroy();
		hold(l);
	} },
	silence: { weight: 10, f: hold },
};
function pickKind() {
	let n = Math.random() * 100;
	for (const k of Object.keys(kinds)) {
		n -= kinds[k].weight;
		if (n < 0)
			return k;
	}
	return 'rst';
}
function make(l, kind) {
	live.delete(l);
	l.cut = true;
	l.client.pause();
	l.server.pause();
	kinds[kind].f(l);
	cuts[kind] = (cuts[kind] ?? 0) + 1;
}
function cut() {
	const now = Date.now();
	const list = [...live].filter((l) => now - l.born > 50);
	if (!list.length)
		return;
	const l = list[Math.floor(Math.random() * list.length)];
	const kind = pickKind();
	if (l.again)
		gently(l, kind);
	else
		make(l, kind);
}
function gently(l, kind) {
	const { answers } = l;
	live.delete(l);
	cuts[kind] = (cuts[kind] ?? 0) + 1;
	l.ended = () => {
		l.ended = () => {};
		if (l.answers !== answers || kind === 'fin') {
			l.client.end();
			return;
		}
		l.cut = true;
		if (kind === 'serverGone' || kind === 'silence') {
			l.client.pause();
			hold(l);
		} else
			l.client.resetAndDestroy();
	};
	l.server.end();
}
/* Of a browser that polls? */
function look(l, b) {
	if (l.again === undefined) {
		const head = b.toString('latin1', 0, 2000);
		l.again = /^\S+ \S*transport=polling/.test(head) &&
		    /^User-Agent: Mozilla/im.test(head);
	}
	return b;
}

/* --- faults ------------------------------------------------------------------- */

/* The unmasked frame that holds what stands at `at`, whole: [from, to]. */
function frameAt(b, at) {
	for (const [head, len] of [[2, (h) => b[h + 1]],
	    [4, (h) => (b[h + 1] === 126 ? b.readUInt16BE(h + 2) : -1)]])
		for (let h = at - head; h >= Math.max(0, at - head - 24); h--)
			if (b[h] === 0x81 && (head === 2) === (b[h + 1] < 126) &&
			    b[h + head] === 0x34 && h + head + len(h) <= b.length &&
			    h + head + len(h) > at)
				return [h, h + head + len(h)];
	return null;
}
const nameOf = (b, at) => b.toString('latin1', at, at + 200)
	.match(/"p":"([^"]*)"/)?.[1];

const harm = {
	/* to an event that nobody listens for, of the same length */
	drop: (l, b, at) => {
		b[at + 2] = 0x78;
		faults.done++;
		return b;
	},
	repeat: (l, b, at) => {
		const f = frameAt(b, at);
		if (!f)
			return null;
		faults.done++;
		return Buffer.concat([b.subarray(0, f[1]), b.subarray(f[0])]);
	},
	/* kept back until the next one of that publisher has passed */
	swap: (l, b, at) => {
		const f = frameAt(b, at);
		if (!f)
			return null;
		l.kept = { frame: Buffer.from(b.subarray(...f)),
			name: nameOf(b, at) };
		return Buffer.concat([b.subarray(0, f[0]), b.subarray(f[1])]);
	},
};
function release(l, b) {
	for (let at = b.indexOf(MARK); at >= 0; at = b.indexOf(MARK, at + 1)) {
		const f = frameAt(b, at);
		if (!f || nameOf(b, at) !== l.kept.name)
			continue;
		const { frame } = l.kept;
		l.kept = null;
		faults.done++;
		return Buffer.concat([b.subarray(0, f[1]), frame,
			b.subarray(f[1])]);
	}
	return b;
}
function passing(l, b) {
	if (l.kept)
		return release(l, b);
	if (!faults.wanted)
		return b;
	const at = b.indexOf(MARK);
	if (at < 0)
		return b;
	const harmed = harm[faults.wanted](l, b, at);
	if (harmed)
		faults.wanted = null;
	return harmed ?? b;
}

/* --- forwarding --------------------------------------------------------------- */

function forward(l, from, to, f) {
	from.on('data', (b) => {
		if (!l.cut && !to.write(f(b)))
			from.pause();
	});
	to.on('drain', () => {
		if (!l.cut)
			from.resume();
	});
	from.on('end', () => {
		if (l.ended && from === l.server)
			l.ended();
		else if (!l.cut)
			to.end();
	});
	from.on('error', () => {});
	from.on('close', () => {
		live.delete(l);
		if (l.ended && from === l.server)
			l.ended();
		else if (!l.cut)
			to.destroy();
	});
}
function accepted(client) {
	const server = net.connect({ port, host: '127.0.0.1', noDelay: true,
		allowHalfOpen: true });
	const l = { client, server, born: Date.now(), cut: false,
		again: undefined, answers: 0, ended: null };
	client.setNoDelay(true);
	live.add(l);
	forward(l, client, server, (b) => look(l, b));
	forward(l, server, client, (b) => {
		l.answers++;
		return passing(l, b);
	});
}

let timer = null;
process.on('message', (m) => {
	if (m.every !== undefined) {
		clearInterval(timer);
		timer = m.every ? setInterval(cut, m.every) : null;
		if (!m.every)
			[...silent].forEach(end);
	}
	if (m.fault)
		faults.wanted = m.fault;
	if (m.report)
		process.send({ re: m.id, cuts, faults: faults.done,
			links: live.size });
});
process.on('disconnect', () => process.exit());

const ports = [];
for (let i = 1; i <= addresses; i++)
	await new Promise((ok) => {
		const s = net.createServer({ allowHalfOpen: true }, accepted);
		s.listen({ port: 0, host: `127.0.1.${i}`, backlog: 1024 }, () => {
			ports.push(`127.0.1.${i}:${s.address().port}`);
			ok();
		});
	});
process.send({ ports });
