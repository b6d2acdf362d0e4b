/*
 * The example configurations as they are installed, and what the tests of each
 * one's rows need: a daemon, tokens, the back end, who listens where.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { Daemon, top, until } from './daemon.mjs';
import { secret, user } from './token.mjs';

export const KEY = 'the-key-of-a-back-end';
const env = {
	JWT_SECRET: secret,
	ROOST_API_SHA256: crypto.createHash('sha256').update(KEY).digest('hex'),
};

/* The example, on ports of the kernel; without REDIS_URL: on its own.  edit: what
 * takes too long for a test. */
export function example(name, more = {}, edit = (text) => text) {
	return Daemon.start({ listen: false, stats: false, workers: 2,
		conf: edit(fs.readFileSync(path.join(top, 'packaging', 'examples',
		    name), 'utf8')
		    .replace(/127\.0\.0\.1:(8080|9090)/g, '127.0.0.1:0')),
		env: { ...env, ...more } });
}

/* What only operators see is on the second listener. */
export const health = async (d) => (await fetch(
    `http://127.0.0.1:${d.ports[1]}/health`)).json();
export const whole = (d) => until(async () =>
    (await health(d)).redis.connected, 'Redis', 10000);

export const as = (name, more) => ({ auth: { token: user(name, more) } });

/* As the back end. */
export async function api(d, call, body) {
	const r = await fetch(d.url(`/api/v1/${call}`), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: JSON.stringify(body) });
	assert.equal(r.status, 200, await r.clone().text());
	return r.json();
}

/* Both hosts listen for what goes to this user there. */
export const listened = (cli, channels, n) => until(async () => {
	const r = await cli.do('PUBSUB', 'NUMSUB', ...channels);
	return r.every((v, i) => i % 2 === 0 || Number(v) >= n);
}, `${n} hosts at ${channels}`);
export const channel = (nsp, key) => `roost:to:${nsp.length}:${nsp}:${key}`;
