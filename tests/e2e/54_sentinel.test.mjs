/*
 * Sentinel: the master is where the Sentinels say, and when it is another one
 * both connections go there, though the old one still answers.  Whatever clients
 * of two daemons say meanwhile arrives once, or is told of by roost:gap.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon, sleep, slow, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, heard } from './lib/clients.mjs';
import { Flow } from './lib/flow.mjs';
import { connected, health } from './lib/hosts.mjs';
import { certificate } from './lib/redis.mjs';
import { Liar, acquainted, monitored } from './lib/sentinel.mjs';

const RATE = 200 / slow;

/* sentinels: ports of more, before the real ones. */
const conf = (m, more = '', sentinels = []) => `
redis { sentinels = {${[...sentinels, ...m.sentinels.map((s) => s.port)]
	.map((p) => `"127.0.0.1:${p}"`)}}
    master = "${m.name}" ${more} }
namespace "/feed" { auth = none
    room "r:{id}" { join = open }
    event "say" { to = room:room self = true ack = delivered } }
namespace "/flow" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room ack = accepted meta = off } }
`;
const why = (d, text, ms = 20000) => until(async () => {
	const h = await health(d);
	return h.status === 'degraded' && h.reason?.includes(text);
}, `/health to say ${text}`, ms);
const lines = (d, what) => d.log.match(new RegExp(what, 'g'))?.length ?? 0;
const logged = (d, what, n = 1, ms = 20000) => until(() =>
	lines(d, what) >= n, `the log to say ${what}`, ms);

/* A command to this server, by a connection of its own; a Sentinel ends those
 * of a server that it changes. */
async function once(server, ...command) {
	for (let i = 0;; i++) {
		const c = await server.client();
		try {
			return await c.do(...command);
		} catch (e) {
			if (i === 9 || !/connection ended/.test(e.message))
				throw e;
			await sleep(50);	/* it comes back */
		} finally {
			c.close();
		}
	}
}
/* How many of our connections this server has. */
const ours = async (server) => (await once(server, 'CLIENT', 'LIST'))
	.match(/name=roostd-(commands|subscriber)/g)?.length ?? 0;
const role = async (server) => (await once(server, 'ROLE'))[0];
/* What is published at this server reaches a client. */
async function reaches(d, server, event) {
	const s = await connect(d, '/feed');
	await once(server, 'PUBLISH', 'roost:publish',
	    JSON.stringify({ namespace: 'feed', event }));
	await heard(s, event);
	s.close();
}
const listened = (server, n) => until(async () => (await once(server,
    'PUBSUB', 'NUMSUB', 'roost:to:5:/flow:rall'))[1] === n,
`${n} hosts that listen`, 30000);

/*
 * Two daemons and traffic between their clients; trouble(daemons) ends when
 * they are connected to the new master, servers[1].
 */
async function through(t, m, trouble, of = () => m) {
	const list = [];
	let flow;
	try {
		for (let i = 0; i < 2; i++)
			list.push(await Daemon.start({ workers: 1,
				conf: conf(of(i)) }));
		for (const d of list)
			await connected(d);
		assert.equal(await ours(m.servers[0]), 4);
		if (!(m.sentinels[0] instanceof Liar))
			await acquainted(m);
		flow = await Flow.open(list);
		await listened(m.servers[0], 2);
		const done = flow.run(RATE);
		await flow.more();
		await trouble(list);
		await listened(m.servers[1], 2);
		assert.equal(await ours(m.servers[1]), 4);
		const begin = flow.clients[0].sent.length;
		await until(() => flow.clients[0].sent.length > begin + 20,
		    'messages after it');
		flow.stop();
		await done;
		await flow.settle();
		const missing = flow.account();
		const untold = missing.filter((x) => x.acked && !x.told);
		t.diagnostic(`${flow.clients.reduce((n, c) => n + c.sent.length,
		    0)} said, ${missing.length} missing, ${untold.length
		} not told`);
		assert.deepEqual(untold.slice(0, 5).map((x) => ({
			from: x.from.k, to: x.to.k, i: x.i, at: x.at,
			gaps: x.to.gaps })), []);
		assert.equal(missing.filter((x) =>
			x.from.daemon === x.to.daemon).length, 0);
		/* all that was said to the new one alone has come */
		assert.equal(missing.filter((x) => x.i >= begin).length, 0);
		for (const c of flow.clients)
			assert.ok(c.gaps.length > 0);
		for (const d of list)
			await d.counts('redis_switches', 1);
	} finally {
		flow?.close();
		for (const d of list)
			await d.stop();
		await m.kill();
	}
}
const switched = (list) => Promise.all(list.map(async (d) => {
	await until(async () => await d.metric('redis_switches') === 1,
	    'the switch', 40000);
	await connected(d);
}));

test('a failover on demand: both leave the old master', async (t) => {
	const m = await monitored();
	await through(t, m, async (list) => {
		await list[0].counts('redis_sentinels', 3);
		assert.match(list[0].log, new RegExp(
		    `redis_master name=the-master host=127.0.0.1 port=${
			m.servers[0].port} `));
		await once(m.sentinels[0], 'SENTINEL', 'FAILOVER', m.name);
		await switched(list);
		assert.equal(await ours(m.servers[0]), 0);
	});
});

test('the master is killed', async (t) => {
	const m = await monitored();
	await through(t, m, async (list) => {
		await m.servers[0].kill();
		await why(list[0], 'Redis');
		await switched(list);
	});
});

/* Asleep, it does not hear that it is deposed, and answers when it wakes. */
test('the master stops, and comes back as one: nobody goes there',
async (t) => {
	const m = await monitored();
	await through(t, m, async (list) => {
		m.servers[0].signal('SIGSTOP');
		await switched(list);
		m.servers[0].signal('SIGCONT');
		await until(async () => await role(m.servers[0]) === 'slave',
		    'the old one to follow', 30000);
		assert.equal(await ours(m.servers[0]), 0);
	});
});

/*
 * Only the Sentinels say so: the old master knows nothing of it, takes what is
 * published, and keeps its connections.
 */
test('the old master answers as ever: both connections leave it',
async (t) => {
	const m = await monitored({ n: 0 });
	const says = { host: '127.0.0.1', port: m.servers[0].port, epoch: 1 };
	const fakes = [await Liar.start(says), await Liar.start(says)];
	m.sentinels.push(...fakes);
	await through(t, m, async (list) => {
		await once(m.servers[1], 'REPLICAOF', 'NO', 'ONE');
		/* they do not hear of it at the same time, and what one says
		 * to the old one meanwhile the other has missed */
		for (const i of [1, 0]) {
			await sleep(i === 0 ? 9000 : 0);
			fakes[i].says = { ...says, port: m.servers[1].port,
				epoch: 2 };
		}
		await switched(list);
		assert.equal(await role(m.servers[0]), 'master');
		assert.equal(await ours(m.servers[0]), 0);
	}, (i) => ({ ...m, sentinels: [fakes[i]] }));
});

test('demoted behind the Sentinels\' back: not used any more', async () => {
	const m = await monitored({ n: 0 });
	const fake = await Liar.start({ host: '127.0.0.1',
		port: m.servers[0].port, epoch: 1 });
	m.sentinels.push(fake);
	const d = await Daemon.start({ workers: 1, conf: conf(m) });
	try {
		await connected(d);
		await once(m.servers[1], 'REPLICAOF', 'NO', 'ONE');
		await once(m.servers[0], 'REPLICAOF', '127.0.0.1',
		    m.servers[1].port);
		await why(d, 'replica');
		fake.says = { host: '127.0.0.1', port: m.servers[1].port,
			epoch: 2 };
		await connected(d);
		await reaches(d, m.servers[1], 'there');
		assert.equal(await ours(m.servers[0]), 0);
	} finally {
		await d.stop();
		await m.kill();
	}
});

test('a Sentinel that names a replica, or is stale, is not believed',
async () => {
	const m = await monitored();
	/* of the highest epoch, and the first to be asked */
	const liar = await Liar.start({ host: '127.0.0.1',
		port: m.servers[1].port, epoch: 1000 });
	const d = await Daemon.start({ workers: 1,
		conf: conf(m, '', [liar.port]) });
	try {
		await connected(d);
		await until(async () => await d.metric(
		    'redis_masters_refuted') > 0, 'the lie to be found');
		assert.equal(await ours(m.servers[0]), 2);
		await d.counts('redis_sentinels', 4);
		/* the lie goes on and does no harm */
		const gaps = await d.metric('redis_gaps');
		const asked = liar.asked;
		await until(() => liar.asked >= asked + 8, 'more of it', 60000);
		await d.counts('redis_gaps', gaps);
		assert.ok((await health(d)).redis.connected);
		assert.ok(lines(d, 'redis_no_master') <= 1);
		/* one that has slept through a failover is none either */
		liar.says = { host: '127.0.0.1', port: m.servers[0].port,
			epoch: 0 };
		await acquainted(m);
		await once(m.sentinels[0], 'SENTINEL', 'FAILOVER', m.name);
		await until(async () => await ours(m.servers[1]) === 2,
		    'the new one', 30000);
		const later = liar.asked;
		await until(() => liar.asked >= later + 2, 'the stale one');
		assert.equal(await ours(m.servers[1]), 2);
		await reaches(d, m.servers[1], 'there');
	} finally {
		await d.stop();
		await liar.kill();
		await m.kill();
	}
});

test('without any Sentinel the master stays, and that is told', async () => {
	const m = await monitored();
	const d = await Daemon.start({ workers: 1, conf: conf(m) });
	try {
		await connected(d);
		await until(async () =>
			await d.metric('redis_sentinels') === 3, 'all three');
		for (const one of m.sentinels)
			await one.kill();
		await logged(d, 'sentinel_trouble', 3);
		await logged(d, 'sentinels_lost', 1, 40000);
		await d.counts('redis_sentinels', 0);
		await d.counts('redis_sentinels_lost', 1);
		await reaches(d, m.servers[0], 'still');
		assert.ok((await health(d)).redis.connected);
		/* they come back, and what they know counts */
		for (const one of m.sentinels)
			await one.again();
		await logged(d, 'sentinels_back');
		await logged(d, 'sentinel_answers', 3);
		assert.equal(lines(d, 'sentinels_lost'), 1);
		assert.equal(lines(d, 'sentinels_back'), 1);
		await d.counts('redis_switches', 0);
		await d.counts('redis_gaps', 0);
	} finally {
		await d.stop();
		await m.kill();
	}
});

test('no Sentinel at the start: said, and connected when one is there',
async () => {
	const m = await monitored();
	for (const one of m.sentinels)
		await one.kill();
	const d = await Daemon.start({ workers: 1, conf: conf(m) });
	try {
		await why(d, 'no Sentinel');
		const s = await connect(d, '/feed');
		await ask(s, 'room:join', { room: 'r:1' });
		await ask(s, 'say', { room: 'r:1' });
		s.close();
		await m.sentinels[2].again();
		await connected(d);
		await reaches(d, m.servers[0], 'here');
	} finally {
		await d.stop();
		await m.kill();
	}
});

test('users, passwords and TLS of the Sentinels are their own', async () => {
	const dir = tempdir(), file = `${dir}/password`;
	const ca = certificate(dir, 'authority');
	const own = certificate(dir, 'localhost', ca);
	const m = await monitored({ n: 1,
		server: ['--requirepass', 'of the master', '--masterauth',
		    'of the master'],
		tls: [`tls-cert-file ${own.cert}`, `tls-key-file ${own.key}`,
		    `tls-ca-cert-file ${ca.cert}`, 'tls-auth-clients no'],
		sentinel: ['sentinel auth-pass NAME "of the master"',
		    'user default off',
		    /* as in the manual */
		    'user roostd on >theirs resetchannels &+switch-master ' +
		    '-@all +ping +subscribe +sentinel|master ' +
		    '+client|setname +hello'] });
	const port = m.sentinels[0].port;
	const text = `
redis { sentinels = {"rediss://roostd@localhost:${port}"}
    sentinel_password_file = "${file}"
    master = "${m.name}" ca = "${ca.cert}"
    url = "redis://:of%20the%20master@unused" }
namespace "/feed" { auth = none }`;
	fs.writeFileSync(file, 'wrong\n');
	const d = await Daemon.start({ workers: 1, conf: text });
	try {
		await why(d, 'no Sentinel');
		await logged(d, 'WRONGPASS');
		/* read again for each attempt */
		fs.writeFileSync(file, 'theirs\n');
		await connected(d);
		assert.doesNotMatch(d.log, /not_watched|NOPERM/);
		await until(() => /\+slave /.test(m.sentinels[0].log),
		    'the replica to be known', 30000);
		await m.servers[0].kill();
		await until(async () => await d.metric('redis_switches') === 1,
		    'the switch', 40000);
		await connected(d);
		const c = await m.servers[1].client();
		await c.do('AUTH', 'of the master');
		const s = await connect(d, '/feed');
		await c.do('PUBLISH', 'roost:publish',
		    '{"namespace":"feed","event":"there"}');
		await heard(s, 'there');
		s.close();
		c.close();
	} finally {
		await d.stop();
		await m.kill();
	}
});
