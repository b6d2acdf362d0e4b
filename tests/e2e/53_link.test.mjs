/*
 * The connections to Redis: another password while they are up, a server that
 * falls silent, one that lets us do little, one that throws us out.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { reload } from '../handover/fleet.mjs';
import { Daemon, tempdir, until } from './lib/daemon.mjs';
import { connect, gotten, heard } from './lib/clients.mjs';
import { connected, health } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';
import { echo } from './lib/conf.mjs';

const conf = (url, more = '') => `
redis { url = "${url}" ${more} }
namespace "/feed" { auth = none
    room "r:{id}" { join = open }
    event "say" { to = room:room self = true ack = delivered } }
${echo}`;
const logged = (d, what, n = 1, ms = 10000) => until(() =>
	(d.log.match(new RegExp(what, 'g'))?.length ?? 0) >= n,
`the log to say ${what}`, ms);

/* A daemon, a Redis, an administrator of it; and the end of all three. */
async function withRedis(work, { args = [], more = '', url, acl } = {}) {
	const redis = await Redis.start({ args });
	const admin = await redis.client();
	if (acl)
		await admin.do('ACL', 'SETUSER', ...acl);
	const d = await Daemon.start({ workers: 1,
		conf: conf(url?.(redis) ?? redis.url, more) });
	try {
		await connected(d);
		await work(d, admin, redis);
	} finally {
		admin.close();
		await d.stop();
		await redis.kill();
	}
}

const ours = async (admin) => (await admin.do('CLIENT', 'LIST'))
	.split('\n').filter((l) => l.includes('name=roostd-'))
	.map((l) => l.match(/^id=(\d+)/)[1]).sort().join();

test('HUP: the new password is told, and no subscription is lost',
async () => {
	const file = `${tempdir()}/password`;
	fs.writeFileSync(file, 'one\n');
	await withRedis(async (d, admin) => {
		const s = await connect(d, '/feed');
		const before = await ours(admin);
		let n = 0, stop = false;
		const stream = (async () => {
			for (; !stop; n++)
				await admin.do('PUBLISH', 'roost:publish',
				    JSON.stringify({ namespace: 'feed',
					event: 'n', data: n }));
		})();
		stream.catch(() => {});	/* after what failed before it */
		/* from now on only the new one is right */
		await admin.do('ACL', 'SETUSER', 'roostd', '<one', '>two');
		fs.writeFileSync(file, 'two\n');
		await reload(d);
		await logged(d, 'redis_password_renewed', 2);
		await d.counts('redis_renewals', 2);
		/* one that is refused: told, and nothing else happens */
		fs.writeFileSync(file, 'three\n');
		await reload(d);	/* meanwhile another would tell it twice */
		await logged(d, 'redis_password_not_renewed.*WRONGPASS', 2);
		fs.unlinkSync(file);
		await reload(d);
		await logged(d, 'redis_password_not_renewed.*No such file', 2);
		await d.counts('redis_renewals_failed', 4);
		stop = true;
		await stream;
		await heard(s, 'n', n);
		assert.deepEqual(gotten(s, 'n').map(([v]) => v),
		    [...Array(n).keys()]);
		assert.equal(await ours(admin), before);
		await d.counts('redis_gaps', 0);
		assert.equal(d.log.match(/redis_trouble/g), null);
		assert.ok(!/said=.*(one|two|three)\b/.test(d.log));
		/* what is made anew needs the right one, and finds it */
		await admin.do('CLIENT', 'KILL', 'USER', 'roostd');
		await logged(d, 'redis_trouble');
		fs.writeFileSync(file, 'two\n');
		await connected(d);
		s.close();
	}, { acl: ['roostd', 'on', '>one', 'allchannels', '+@all'],
		url: (r) => `unix://roostd@${r.path}`,
		more: `password_file = "${file}"` });
});

test('HUP without a password, or without Redis, does nothing', async () => {
	await withRedis(async (d, admin) => {
		const before = await ours(admin);
		process.kill(d.pid, 'SIGHUP');
		await logged(d, 'reloading');
		const s = await connect(d, '/feed');
		await admin.do('PUBLISH', 'roost:publish',
		    '{"namespace":"feed","event":"on"}');
		await heard(s, 'on');
		s.close();
		assert.equal(await ours(admin), before);
		await d.counts('redis_renewals', 0);
	});
	const alone = await Daemon.start({ conf: echo });
	process.kill(alone.pid, 'SIGHUP');
	await logged(alone, ' turned ');
	assert.equal((await health(alone)).status, 'healthy');
	await alone.stop();
});
