/*
 * What is revoked outlives whoever wrote it, or was about to tell of it; and is
 * there after a reload and an upgrade, as are the tokens that clients have.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { ask, connect, once, refused } from './lib/clients.mjs';
import { jwt } from './lib/conf.mjs';
import { Daemon, sleep, until } from './lib/daemon.mjs';
import { sioOn } from './lib/spread.mjs';
import { Strike } from './lib/strike.mjs';
import { now, user } from './lib/token.mjs';
import { putRebuilt, putRelaid, times, Upgradable, upgrade } from
    './lib/upgrade.mjs';

const KEY = 'a-key-of-the-test';
const conf = `${jwt}
drain_time = 5s
stop_time = 2s
binary_timeout = 5s
recovery { window = 1m }
api { key "k" { sha256 = "${crypto.createHash('sha256').update(KEY)
    .digest('hex')}" allow = {revoke} } }
namespace "/a" { auth = required event "ask" { ack = echo } }
`;
const strike = new Strike();
let d;
before(async () => {
	d = await Daemon.start({ workers: 3, conf, env: strike.env });
	d.mayDie = true;
});
after(() => d.stop());

const post = async (body, at = d) => {
	const r = await fetch(at.url('/api/v1/revoke'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	assert.equal(r.status, 200);
	return r.json();
};
/* issued before all that this file revokes */
const began = now();
const old = (sub, more = {}) => user(sub, { iat: began - 10, ...more });
const gone = async (s) => {
	if (s.connected)
		await once(s, 'disconnect', 15000);
};
async function refuses(token, at = d) {
	for (let i = 0; i < 8; i++) {
		const s = await connect(at, '/a', { wait: false, auth: { token } });
		assert.equal((await refused(s)).data?.reason, 'revoked');
		s.close();
	}
}

for (const [step, kept] of [['worker-before-REVOKE', 1],
	['worker-after-REVOKE', 1], ['relay-before-REVOKE', 0],
	['relay-after-REVOKE', 0]])
	test(`${step}: nothing is lost`, async () => {
		const token = old(step, { jti: step });
		const list = await sioOn(d, [1, 2, 3], '/a', { auth: { token } });
		const died = await d.metric('children_died');
		strike.arm(step);
		const order = post({ user: step, for: 600 }).catch(() => null);
		await strike.hit(step, d);
		strike.disarm();
		const r = await order;
		if (kept)
			assert.equal(r, null);
		await Promise.all(list.map(gone));
		await until(async () => await d.metric('children_died') ===
		    died + 1 && d.children().length === 4, 'another one', 15000);
		await refuses(token);
		await until(async () => await d.metric('revocations') >= 1,
		    'the gauge');
	});

test('a reload: it is refused, and a session knows its token', async () => {
	const s = await connect(d, '/a', { auth: { token: old('re', { jti: 're-1' }) } });
	const t = await connect(d, '/a', { auth: { token: old('ro') } });
	const u = await connect(d, '/a', { auth: { token: user('ri',
	    { iat: now() + 60 }) } });
	const n = times(d, ' turned ');
	process.kill(d.pid, 'SIGHUP');
	await until(() => times(d, ' turned ') > n, 'the reload', 20000);
	for (const x of [s, t, u])
		assert.equal(await ask(x, 'ask', 1), 1);
	await refuses(old('worker-before-REVOKE'));
	assert.equal((await post({ jti: 're-1', for: 600 })).disconnected, 1);
	assert.equal((await post({ user: 'ro', for: 600 })).disconnected, 1);
	assert.equal((await post({ user: 'ri', for: 600 })).disconnected, 0);
	await gone(s);
	await gone(t);
	assert.equal(await ask(u, 'ask', 1), 1);
	u.close();
	await until(async () => await d.metric('revocations') === 4 + 3,
	    'the gauge', 20000);
});

test('while clients are handed over', async () => {
	const all = [];
	for (let i = 0; i < 30; i++) {
		const token = old(`m${i}`, { jti: `m${i}` });
		all.push({ i, token, s: await connect(d, '/a', { auth: { token } }) });
	}
	const n = times(d, ' turned ');
	process.kill(d.pid, 'SIGHUP');
	for (const { i } of all)
		await until(() => post(i % 2 ? { user: `m${i}`, for: 600 } :
		    { jti: `m${i}`, for: 600 }).then(() => true, () => false),
		'the order to be taken');
	await until(() => times(d, ' turned ') > n, 'the reload', 20000);
	await Promise.all(all.map(({ s }) => gone(s)));
	for (const { token } of all.slice(0, 6))
		await refuses(token);
});

for (const [what, put, relaid] of [['the same', putRebuilt, false],
	['another', putRelaid, true]])
	test(`an upgrade to ${what} layout`, async () => {
		const e = await Upgradable.start({ workers: 2, conf });
		const s = await connect(e, '/a', { auth: { token: old('up',
		    { jti: 'up-1' }) } });
		const t = await connect(e, '/a', { auth: { token: old('down') } });
		await post({ user: 'out', for: 600 }, e);
		await post({ jti: 'out-1', for: 600 }, e);
		await post({ user: 'soon', for: 1 }, e);
		put(e);
		await upgrade(e);
		assert.equal(/ upgrade_layout /.test(e.log), relaid);
		for (const x of [s, t])
			assert.equal(await ask(x, 'ask', 1), 1);
		await refuses(old('out'), e);
		await refuses(old('x', { jti: 'out-1' }), e);
		assert.equal((await post({ jti: 'up-1', for: 600 }, e))
		    .disconnected, 1);
		assert.equal((await post({ user: 'down', for: 600 }, e))
		    .disconnected, 1);
		await gone(s);
		await gone(t);
		await until(async () => await e.metric('revocations') === 4,
		    'the gauge', 20000);
		await e.stop();
	});

test('ordered while an upgrade to another layout is on', async () => {
	const e = await Upgradable.start({ workers: 2, conf });
	const all = [], taken = [];
	for (let i = 0; i < 20; i++) {
		const token = old(`o${i}`, { jti: `o${i}` });
		all.push({ i, token, s: await connect(e, '/a', { auth: { token } }) });
	}
	putRelaid(e);
	let ended = false;
	/* from before it until after it */
	const orders = (async () => {
		for (let i = 0; !ended || i < 20; i++, await sleep(10))
			taken.push(await post({ [i % 2 ? 'user' : 'jti']: `o${i}`,
				for: 600 }, e).then(() => i));
	})();
	await upgrade(e);
	ended = true;
	await orders;
	await Promise.all(all.map(({ s }) => gone(s)));
	for (const i of taken) {
		const s = await connect(e, '/a', { wait: false, auth: { token:
		    old(`o${i}`, { jti: `o${i}` }) } });
		assert.equal((await refused(s)).data?.reason, 'revoked',
		    `o${i} of ${taken.length}`);
		s.close();
	}
	await e.stop();
});
