/*
 * Clients of several versions, cut off at random: the small edition of
 * tests/matrix, and the proof that its judge notices each kind of fault.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Ledger, Watch } from '../matrix/ledger.mjs';
import { matrix, small } from '../matrix/matrix.mjs';

/* --- the judge ----------------------------------------------------------------- */

/* One publisher's n events, begun at 10, 20 ...; `but` were not acknowledged. */
function published(n, but = []) {
	const l = new Ledger(), e = l.publisher('p', 'r');
	for (let i = 0; i < n; i++) {
		e.t.push(10 * i + 10);
		e.ok.push(!but.includes(i));
	}
	return l;
}
function session(seen, { joined = 5, ended = null, p = 'p' } = {}) {
	const w = new Watch({ client: 'c', room: 'r', n: 0, sid: 's' });
	seen.forEach((i) => w.see(p, i));
	return Object.assign(w, { joined, ended });
}
const count = (l, s) => l.judge([s]).length;

test('the judge: what may be', () => {
	assert.equal(count(published(4), session([0, 1, 2, 3])), 0);
	/* not there before, or not any more */
	assert.equal(count(published(4), session([2, 3], { joined: 25 })), 0);
	assert.equal(count(published(4), session([1, 2, 3], { joined: 25 })), 0);
	assert.equal(count(published(4), session([0, 1], { ended: 'x' })), 0);
	assert.equal(count(published(4), session([], { ended: 'x' })), 0);
	/* not acknowledged: may have come or not */
	assert.equal(count(published(4, [2]), session([0, 1, 3])), 0);
	assert.equal(count(published(4, [2]), session([0, 1, 2, 3])), 0);
});

test('the judge: what may not be', () => {
	for (const s of [session([0, 1, 3]), session([1, 2, 3]),
	    session([0, 1, 2]), session([]), session([0, 1, 1, 2, 3]),
	    session([0, 2, 1, 3]), session([0, 1, 2, 3, 0]),
	    session([0, 2], { ended: 'x' }), session([1], { ended: 'x' }),
	    session([0, 2, 3], { joined: 35 }), session([0, 1, 2, 3, 4])])
		assert.ok(count(published(4), s) > 0, JSON.stringify(s.by));
	assert.ok(count(published(4, [2]), session([0, 1, 2, 2, 3])) > 0);
	assert.ok(count(published(4), session([0], { p: 'nobody' })) > 0);
});

test('the judge: one fault is one, wherever it is', () => {
	for (const seen of [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2],
	    [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3], [0, 2, 3], [0, 1, 2]])
		assert.equal(count(published(4), session(seen)), 1, `${seen}`);
});

/* --- in earnest ---------------------------------------------------------------- */

for (const fault of ['drop', 'repeat', 'swap'])
	test(`one event of thousands, harmed on its way, is noticed: ${fault}`,
	    async () => {
		const f = await matrix({ ...small, clients: 12, rooms: 1,
			publishEvery: 100, seconds: 1, cutEvery: 0, fault });
		assert.equal(f.faults, 1);
		assert.equal(f.bad.length, 1, f.bad.join('\n'));
	});

for (const [what, o] of [['cut off', {}],
    ['cut off, and workers killed', { killEvery: 1500, kills: 2 }]])
	test(`versions 4.0 to 4.8, all transports, ${what}`, async (t) => {
		const f = await matrix({ ...small, recoveries: 12, ...o });
		assert.deepEqual(f.bad, []);
		assert.equal(f.clients, small.clients);
		assert.ok(f.received > 1000, `${f.received} received`);
		assert.ok(f.recovered > 5, `${f.recovered} recovered`);
		assert.ok(f.fresh > 5, `${f.fresh} fresh`);
		if (o.killEvery)
			assert.ok(f.kills > 1, `${f.kills} killed`);
		t.diagnostic(`${f.certain} events, ${f.received} received, ${
		    JSON.stringify(f.cuts)}, ${f.recovered} recovered, ${
		    f.fresh} anew`);
	});
