/*
 * Every captured packet through the codecs: what clients sent is decoded,
 * with the verdict of the capture's observations; what servers sent is built
 * again by our encoders from its meaning and compared byte for byte.  The
 * codecs are asked through tests/vectors/vectors, which is built beside
 * roostd.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { roostd } from './lib/daemon.mjs';
import { byConnection, cases, fixtures, load, payload } from './lib/replay.mjs';

const build = path.dirname(roostd);
const filter = path.join(build, 'tests', 'vectors', 'vectors');
const hex = (s) => Buffer.from(s).toString('hex');
const unhex = (s) => Buffer.from(s ?? '', 'hex').toString();
const all = fs.readdirSync(path.join(fixtures, 'socketio'))
    .filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5));
const count = { decoded: 0, refused: 0, encoded: 0, fromRedis: 0 };

before(() => execFileSync('make', ['-s', '-C', build,
	'tests/vectors/vectors'], { stdio: ['ignore', 'ignore', 'inherit'] }));
after(() => console.log(`${Object.values(count).reduce((a, b) => a + b)} ` +
    `vectors: ${count.decoded} decoded, ${count.refused} refused as they ` +
    `must be, ${count.encoded} encoded, ${count.fromRedis} out of Redis`));

/* [[what, ...fields]] -> answers */
function ask(questions) {
	const input = questions.map(([what, ...f]) =>
	    `${what} ${f.map(hex).join(' ')}\n`).join('');
	const lines = execFileSync(filter, { input, maxBuffer: 1 << 26 })
	    .toString().split('\n').slice(0, -1);
	assert.equal(lines.length, questions.length);
	return lines;
}

const raw = ['client-reactions', 'client-reactions-polling'];
const shown = (e) => !e.body_truncated && e.body_omitted === undefined &&
    e.encoding === 'utf8';

/* The text packets of a capture in one direction, of both transports. */
function packets(f, dir) {
	const found = [], bodies = [];
	for (const list of byConnection(f.events).values()) {
		const upgrades = list.some((e) => e.headers?.upgrade);
		const http = list.filter((e) => e.layer === 'http');
		http.forEach((e, i) => {
			const q = e.dir === 'c2s' ? e : http[i - 1];
			if (e.dir !== dir || !shown(e) || e.data === '')
				return;
			if (dir === 'c2s' ? e.method === 'POST' &&
			    e.headers['content-type'] !==
			    'application/octet-stream' :
			    e.status === 200 && q?.method === 'GET' &&
			    q.target.includes('polling') &&
			    !e.headers['content-encoding'])
				bodies.push(e.data);
		});
		if (!upgrades)
			continue;
		let whole = true;
		for (const e of list.filter((x) => x.layer === 'ws' &&
		    x.dir === dir)) {
			if (e.opcode === 'text' && e.fin !== false && whole &&
			    e.encoding === 'utf8' && !e.rsv1)
				found.push(payload(e).toString());
			whole = e.opcode !== 'text' || e.fin !== false;
		}
	}
	const answers = ask(bodies.map((b) => ['S', b]));
	bodies.forEach((b, i) => {
		assert.deepEqual(answers[i].split(' ').map(unhex),
		    b.split('\x1e'));
		found.push(...b.split('\x1e'));
	});
	return found;
}

/* Servers, and our encoders, leave the root namespace out. */
const short = (p) => p.replace(/^(4\d(?:\d+-)?)\/,/, '$1');

/* The answer to D: decoded, and, but for CONNECT, the same when encoded. */
function isDecoded(p, answer) {
	const [kind, a, b] = answer.split(' ');
	if (kind === 'eio') {
		assert.equal(a, p[0]);
		assert.equal(unhex(b), p[0] === 'b' ?
		    Buffer.from(p.slice(1), 'base64').toString() : p.slice(1));
	} else if (kind === 'connect') {
		const m = p.match(/^40(?:(\/[^,]*),?)?(.*)$/s);
		assert.equal(unhex(a), m[1] ?? '/', p);
		assert.equal(unhex(b), m[2], p);
	} else if (kind !== 'empty') {
		assert.equal(kind, 'sio', `${p}: ${answer}`);
		assert.equal(unhex(a), short(p));
	}
	count.decoded++;
}

/* What to ask for what a server said, from its meaning. */
function meaning(p) {
	let m;
	if (p[0] === '0') {
		const o = JSON.parse(p.slice(1));
		return ['O', o.sid, `${o.upgrades.length}`, `${o.pingInterval}`,
			`${o.pingTimeout}`, `${o.maxPayload}`];
	}
	if ((m = p.match(/^40(?:(\/[^,]*),)?(\{.*)$/))) {
		const o = JSON.parse(m[2]);
		return ['C', m[1] ?? '/', o.sid, o.pid ?? ''];
	}
	if ((m = p.match(/^44(?:(\/[^,]*),)?(\{.*)$/))) {
		const o = JSON.parse(m[2]);
		return ['X', m[1] ?? '/', o.message, 'data' in o ?
		    JSON.stringify(o.data) : ''];
	}
	return ['D', p];
}

for (const name of all) {
	if (name.startsWith('redis-') || name.startsWith('malformed-'))
		continue;
	test(`vectors: ${name}`, () => {
		const f = load(name);
		const sent = packets(f, 'c2s');
		ask(sent.map((p) => ['D', p])).forEach((a, i) =>
		    isDecoded(sent[i], a));
		const said = raw.includes(name) ?
		    packets(f, 's2c').filter((p) => /^(0|40|41$)/.test(p)) :
		    packets(f, 's2c');
		const questions = said.map(meaning);
		ask(questions).forEach((a, i) => {
			if (questions[i][0] === 'D') {
				isDecoded(said[i], a);
				count.decoded--;
			} else
				assert.equal(unhex(a), said[i]);
			count.encoded++;
		});
	});
}

/* Refused by a decoder: then the capture shows a close, but for these. */
const stricter = ['4299999999999999999999["a"]'];
/* What means the same and is written otherwise. */
const same = { '42 ["a"]': '42["a"]' };
for (const name of ['malformed-engineio', 'malformed-socketio'])
	test(`vectors: ${name}`, () => {
		for (const c of cases(load(name))) {
			const sent = c.events.filter((e) => e.dir === 'c2s' &&
			    e.opcode === 'text' && e.fin !== false)
			    .map((e) => payload(e).toString());
			ask(sent.map((p) => ['D', p])).forEach((a, i) => {
				if (!a.startsWith('bad')) {
					isDecoded(same[sent[i]] ?? sent[i], a);
					return;
				}
				count.refused++;
				assert.ok(!c.open || stricter.includes(sent[i]),
				    `${c.note}: ${sent[i]} ${a}`);
			});
		}
	});

test('vectors: malformed-engineio-polling', () => {
	let n = 0;
	for (const o of load('malformed-engineio-polling').observations) {
		const m = o.note.match(/^(".*?") \u2192 POST .*reason=([a-z ]+)/);
		if (!m)
			continue;
		const body = JSON.parse(m[1]);
		const list = ask([['S', body]])[0].split(' ').map(unhex);
		assert.deepEqual(list, body.split('\x1e'));
		const bad = ask(list.map((p) => ['D', p]))
		    .filter((a) => a.startsWith('bad'));
		if (m[2] === 'parse error')
			assert.notEqual(bad.length, 0, o.note);
		count.refused += bad.length;
		count.decoded += list.length - bad.length;
		n++;
	}
	assert.ok(n > 5, `${n} observations`);
});

for (const name of all.filter((n) => n.startsWith('redis-')))
	test(`vectors: ${name}`, (t) => {
		/* the Socket.IO packets in what is published */
		const found = [];
		const look = (v, nsp) => {
			if (v === null || typeof v !== 'object')
				return;
			if (Array.isArray(v.data) && [2, 5].includes(v.type) &&
			    typeof v.data[0] === 'string')
				found.push({ nsp: v.nsp ?? nsp ?? '/',
					data: v.data });
			for (const x of Object.values(v))
				look(x, v.nsp ?? nsp);
		};
		for (const e of load(name).events)
			look(e.decoded);
		t.diagnostic(`${name}: ${found.length} packets; nothing here ` +
		    'speaks Redis yet');
		const text = (p) => JSON.stringify(p.data);
		const questions = found.map((p) => ['E', p.nsp,
			JSON.stringify(p.data[0]), p.data.slice(1)
			    .map((x) => JSON.stringify(x)).join(','), '0']);
		ask(questions).forEach((a, i) => {
			const p = found[i];
			assert.equal(unhex(a), `42${p.nsp === '/' ? '' :
			    `${p.nsp},`}${text(p)}`);
			count.fromRedis++;
		});
	});
