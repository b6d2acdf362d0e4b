/*
 * Notifications of 200 users with three devices each, on two hosts with a Redis,
 * while connections are cut, workers and relays killed, and Redis is paused or
 * loses its listeners.  Every half a minute all of it settles: each device's count
 * must be the store's.
 *
 * usage: node tests/notifications/cuts.mjs [--seconds N] [--users N] [--break]
 * Five minutes by default, or NOTIFICATIONS_SECONDS; ROOSTD names the daemon.
 * With --break the devices do wrong to what they hear, which must be noticed.
 */
import crypto from 'node:crypto';

import { Daemon } from '../e2e/lib/daemon.mjs';
import { jwt, stopTime } from '../e2e/lib/conf.mjs';
import { connected } from '../e2e/lib/hosts.mjs';
import { Redis } from '../e2e/lib/redis.mjs';
import { Soak } from './soak.mjs';

const option = (name, def) => {
	const i = process.argv.indexOf(`--${name}`);
	return i < 0 ? def : Number(process.argv[i + 1]);
};
const KEY = 'backend-key-of-the-test';
const seconds = option('seconds',
    Number(process.env.NOTIFICATIONS_SECONDS ?? 300));
const users = option('users', 200);
const broken = process.argv.includes('--break');

const redis = await Redis.start();
const conf = `
redis { url = "${redis.url}" }
${jwt}
${stopTime}
api { key "b" { sha256 = "${crypto.createHash('sha256').update(KEY)
	.digest('hex')}" allow = {"inbox"} } }
namespace "/n" { auth = required  inbox = true  inbox_items = 100 }
`;
const hosts = await Promise.all([2, 2].map((workers) =>
	Daemon.start({ workers, conf })));
for (const d of hosts)
	d.mayDie = true;
await Promise.all(hosts.map((d) => connected(d)));

async function api(d, method, path, body) {
	const r = await fetch(d.url(`/api/v1/inbox/${path}`), { method,
		headers: { Authorization: `Bearer ${KEY}`,
			...(body ? { 'Content-Type': 'application/json' } : {}) },
		body: body && JSON.stringify(body) });
	return { status: r.status, body: await r.json() };
}
const any = (l) => l[Math.floor(Math.random() * l.length)];
const strikes = [
	() => process.kill(any(hosts).worker(any([1, 2])).pid, 'SIGKILL'),
	() => process.kill(any(hosts).relay().pid, 'SIGKILL'),
	() => {
		redis.signal('SIGSTOP');
		setTimeout(() => redis.signal('SIGCONT'), 200 + 3000 * Math.random());
	},
	async () => {
		const cli = await redis.client();
		await cli.do('CLIENT', 'KILL', 'TYPE', any(['pubsub', 'normal']))
		    .catch(() => {});
		cli.close();
	},
	() => process.kill(any(hosts).pid, 'SIGHUP'),
];

const soak = new Soak({ hosts, nsp: '/n', api, users, devices: 3, redis,
	broken });
await soak.open();
let failed = null;
const end = Date.now() + seconds * 1000;
while (Date.now() < end && !failed) {
	await soak.run(Math.min(30000, Math.max(1000, end - Date.now())),
	    () => any(strikes)(), 2000);
	await soak.settle(broken ? 5000 : 60000).catch((e) => { failed = e; });
	console.log(`${soak}`);
}
soak.close();
for (const d of hosts)
	await d.stop();
await redis.kill();
if (failed)
	console.log(String(failed.message));
if (broken && !failed)
	console.log('what the devices did wrong was not noticed');
process.exit((failed !== null) === broken ? 0 : 1);
