/*
 * Messages of back ends that wait in a stream of Redis, and seals of those who
 * may speak.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { Daemon, halt, sleep, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, gotten, heard } from './lib/clients.mjs';
import { Cluster, slotOf } from './lib/cluster.mjs';
import { connected, hosts, unhost } from './lib/hosts.mjs';
import { Redis } from './lib/redis.mjs';

const conf = (url, more = 'stream = 1000') => `
redis { url = "${url}" ${more} }
limits { message_bytes = 100KB }
namespace "/feed" { auth = none
    room "{any}" { join = open }
    event "say" { to = namespace ack = accepted } }
`;

let redis, a, b, cli;
before(async () => {
	({ redis, list: [a, b], cli } = await hosts(conf, [1, 2]));
});
after(() => unhost({ redis, list: [a, b], cli }));
const add = (body, ...more) => cli.do('XADD', 'roost:publish', ...more, '*',
	'body', typeof body === 'string' ? body :
	    JSON.stringify({ namespace: 'feed', ...body }));
const numbers = (s, event = 'n') => gotten(s, event).map(([x]) => x);
const upTo = (n, from = 0) => Array.from({ length: n }, (_, i) => from + i);

test('XADD reaches the clients of every host, once and in order', async () => {
	const list = [await connect(a, '/feed'), await connect(b, '/feed'),
		await connect(b, '/feed')];
	await Promise.all(upTo(500).map((i) => add({ event: 'n', data: i })));
	for (const s of list) {
		await heard(s, 'n', 500, 20000);
		assert.deepEqual(numbers(s), upTo(500));
	}
	/* kept within bounds: "about", in nodes of Redis */
	for (let i = 0; i < 10; i++) {
		await Promise.all(upTo(100).map(() => add({ event: 'm' })));
		await heard(list[1], 'm', 100 * (i + 1));
	}
	await until(async () => await cli.do('XLEN', 'roost:publish') < 1200,
	    'the stream to be trimmed');
	await until(async () => await a.metric('stream_entries') === 1500,
	    'the other to have them');
	await a.counts('stream_gaps', 0);
	await a.counts('stream_errors', 0);
	list.forEach((s) => s.close());
});

test('kept while a relay is away: nothing missing, nothing twice', async () => {
	const s = await connect(b, '/feed');
	b.mayDie = true;
	for (let round = 0; round < 3; round++) {
		const { pid } = b.relay();
		const adding = Promise.all(upTo(40, 40 * round)
		    .map((i) => add({ event: 'n', data: i })));
		await sleep(20 * round);	/* some moment of it */
		process.kill(pid, 'SIGKILL');
		await adding;
		await until(() => (b.relay()?.pid ?? pid) !== pid, 'a relay');
		/* what the dead one had taken only it had, and that is told */
		await heard(s, 'roost:gap', round + 1, 20000);
		await connected(b);
	}
	await add({ event: 'n', data: 120 });
	await until(() => numbers(s).at(-1) === 120, 'the last', 20000);
	const got = numbers(s);
	assert.deepEqual(got, [...new Set(got)].sort((x, y) => x - y));
	s.close();
	/* while only Redis' connections are lost nothing is missing at all */
	const t = await connect(b, '/feed');
	for (let i = 0; i < 5; i++) {
		await cli.do('CLIENT', 'KILL', 'TYPE', 'normal');
		for (let k = 0; k < 20; k++)
			await add({ event: 'n', data: 20 * i + k });
		await connected(b);
	}
	await until(() => numbers(t).length >= 100, 'all', 20000);
	assert.deepEqual(numbers(t), upTo(100));
	t.close();
});

test('a host that comes later begins where the others are', async () => {
	await add({ event: 'n', data: 'before' });
	await until(async () => {
		const last = (await cli.do('XREVRANGE', 'roost:publish', '+',
		    '-', 'COUNT', 1))[0][0];
		return (await cli.do('GET', 'roost:publish:at'))
		    .split(' ')[0] === last;
	}, 'their place');
	const late = await Daemon.start({ conf: conf(redis.url) });
	const s = await connect(late, '/feed');
	await connected(late);
	await add({ event: 'n', data: 'after' });
	await heard(s, 'n');
	assert.deepEqual(numbers(s), ['after']);
	s.close();
	await late.stop();
});

test('removed before it was read: counted, and told', async () => {
	const s = await connect(a, '/feed');
	const gaps = await a.metric('stream_gaps');
	const { pid } = a.relay();
	await halt(pid);
	for (let i = 0; i < 10; i++)
		await add({ event: 'n', data: i }, 'MAXLEN', 2);
	process.kill(pid, 'SIGCONT');
	await heard(s, 'roost:gap', 1, 20000);
	await heard(s, 'n', 2);
	assert.deepEqual(numbers(s), [8, 9]);
	await sleep(500);	/* in which it might be told again */
	await a.counts('stream_gaps', gaps + 1);
	assert.equal(gotten(s, 'roost:gap').length, 1);
	s.close();
});

test('entries that cannot be used are counted and passed by', async () => {
	const s = await connect(a, '/feed');
	const code = (c) => a.metric('redis_publishes_refused', `code="${c}"`);
	const [bad, large] = [await code('bad_request'), await code('too_large')];
	await cli.do('XADD', 'roost:publish', '*', 'text', '{}');
	await add('{');
	await add({ event: 'n', data: 'x'.repeat(100000) });
	await add({ event: 'n', data: 'x'.repeat(3000000) });
	await add({ event: 'n', data: 'fine' });
	await heard(s, 'n');
	assert.deepEqual(numbers(s), ['fine']);
	assert.equal(await code('bad_request'), bad + 2);
	assert.equal(await code('too_large'), large + 2);
	/* no stream at all: an error, until there is one */
	const errors = await a.metric('stream_errors');
	await cli.do('DEL', 'roost:publish');
	await cli.do('SET', 'roost:publish', 'x');
	await until(async () => await a.metric('stream_errors') > errors,
	    'an error');
	await a.logged(/stream_trouble said="WRONGTYPE .*" unsaid=0/);
	await cli.do('DEL', 'roost:publish');
	await add({ event: 'n', data: 'again' });
	await heard(s, 'n', 2, 20000);
	s.close();
});

test('an id counts for the stream as well', async () => {
	const s = await connect(a, '/feed');
	await add({ event: 'n', data: 1, id: 'stream-id' });
	await heard(s, 'n');
	await cli.do('PUBLISH', 'roost:publish', JSON.stringify({ event: 'n',
		namespace: 'feed', data: 2, id: 'stream-id' }));
	await add({ event: 'n', data: 3, id: 'stream-id' });
	await add({ event: 'end' });
	await heard(s, 'end');
	assert.deepEqual(numbers(s), [1]);
	s.close();
});

test('another stream under the same name: told, and read on', async () => {
	const s = await connect(a, '/feed');
	const gaps = (n) => heard(s, 'roost:gap', n, 20000);
	await add({ event: 'n', data: 1 });
	await heard(s, 'n');
	/* gone, as all is that a Redis had which starts anew */
	await cli.do('DEL', 'roost:publish');
	await gaps(1);
	await add({ event: 'n', data: 2 });
	await heard(s, 'n', 2);
	/* its ids are behind our place: nothing is taken for new that may be
	 * old, and what comes then is */
	await cli.do('EVAL', `redis.call('DEL', KEYS[1])
	    redis.call('XADD', KEYS[1], '5-1', 'body', ARGV[1])`, 1,
	    'roost:publish', JSON.stringify({ namespace: 'feed', event: 'n',
		data: 'old' }));
	await gaps(2);
	await cli.do('XADD', 'roost:publish', '5-2', 'body', JSON.stringify(
	    { namespace: 'feed', event: 'n', data: 3 }));
	await heard(s, 'n', 3);
	assert.deepEqual(numbers(s), [1, 2, 3]);
	assert.equal(gotten(s, 'roost:gap').length, 2);
	s.close();
	await cli.do('DEL', 'roost:publish');
});

test('a Redis that starts empty; a channel that is denied', async () => {
	const own = await Redis.start();
	const user = async () => {
		const adm = await own.client();
		await adm.do('ACL', 'SETUSER', 'roostd', 'on', '>pw',
		    'resetchannels', '&roost:*', '~roost:*', '-@all', '+ping',
		    '+publish', '+subscribe', '+unsubscribe', '+eval', '+get',
		    '+set', '+xinfo', '+xread', '+xtrim');
		return adm;
	};
	let adm = await user();
	/* Socket.IO's channels are not allowed: it is degraded, all the time */
	const d = await Daemon.start({ conf: conf(
	    `unix://roostd:pw@${own.path}`) });
	const s = await connect(d, '/feed');
	const put = (data) => adm.do('XADD', 'roost:publish', '*', 'body',
	    JSON.stringify({ namespace: 'feed', event: 'n', data }));
	await put(1);
	await heard(s, 'n', 1, 20000);
	/* it is known by now how many there were */
	await until(async () => / 1$/.test(await adm.do('GET',
	    'roost:publish:at')), 'its place');
	await own.kill();
	await own.again();
	adm.close();
	adm = await user();
	await put(2);
	await heard(s, 'n', 2, 20000);
	await put(3);
	await heard(s, 'n', 3);
	assert.deepEqual(numbers(s), [1, 2, 3]);
	await until(async () => await d.metric('stream_gaps') >= 1, 'a gap');
	await d.counts('stream_errors', 0);
	/* its place cannot be kept: counted, said */
	await adm.do('ACL', 'SETUSER', 'roostd', '-set');
	await put(4);
	await heard(s, 'n', 4);
	await until(() => /stream_trouble said="NOPERM/.test(d.log), 'a line');
	await d.counts('stream_errors', (n) => n > 0);
	/* what was removed could not be noticed: nor is the rest read */
	await adm.do('ACL', 'SETUSER', 'roostd', '+set', '-xinfo');
	const errors = await d.metric('stream_errors');
	await until(async () => await d.metric('stream_errors') > errors,
	    'an error', 20000);
	await put(5);
	await adm.do('ACL', 'SETUSER', 'roostd', '+xinfo');
	await heard(s, 'n', 5, 20000);
	assert.equal((await (await fetch(d.url('/health'))).json())
	    .redis.connected, false);
	adm.close();
	s.close();
	await d.stop();
	await own.kill();
});

test('in a Cluster: it is read where its slot is', async () => {
	const cluster = await Cluster.start({ masters: 2 });
	const [x, y] = await Promise.all([0, 1].map((n) => Daemon.start({
		conf: conf(`redis://${cluster.nodes[n].address}`) })));
	await connected(x, true, 40000);
	await connected(y, true, 40000);
	const list = [await connect(x, '/feed'), await connect(y, '/feed')];
	const key = 'roost:publish', slot = slotOf(key);
	const put = async (n) => (await cluster.ownerOf(slot)).cli.do('XADD',
	    key, '*', 'body', JSON.stringify({ namespace: 'feed', event: 'n',
		data: n }));
	const all = (n) => Promise.all(list.map((s) =>
		heard(s, 'n', n, 20000)));
	for (let i = 0; i < 20; i++)
		await put(i);
	await all(20);
	/* it moves, and the place of a host does not */
	const from = await cluster.ownerOf(slot);
	const to = cluster.masters.find((n) => n !== from);
	await to.cli.do('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
	await from.cli.do('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
	await from.cli.do('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS',
	    key);
	for (const n of [to, from])
		await n.cli.do('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
	for (let i = 20; i < 40; i++)
		await put(i);
	await all(40);
	for (const s of list) {
		assert.deepEqual(numbers(s), upTo(40));
		s.close();
	}
	await x.counts('stream_gaps', 0);
	await x.stop();
	await y.stop();
	await cluster.kill();
});

/* --- seals ----------------------------------------------------------------- */

/* What is said on a channel, as bytes. */
async function recorder(at, channel) {
	const socket = net.connect(at), got = [];
	let all = Buffer.alloc(0);
	socket.on('data', (b) => {
		all = Buffer.concat([all, b]);
		for (;;) {
			const head = `$7\r\nmessage\r\n$${channel.length}\r\n${
				channel}\r\n$`, i = all.indexOf(head);
			const eol = i < 0 ? -1 : all.indexOf('\r\n',
			    i + head.length);
			if (eol < 0)
				return;
			const n = Number(all.toString('latin1',
			    i + head.length, eol));
			if (all.length < eol + 2 + n)
				return;
			got.push(all.subarray(eol + 2, eol + 2 + n));
			all = all.subarray(eol + 2 + n);
		}
	});
	socket.write(`SUBSCRIBE ${channel}\r\n`);
	await until(() => all.includes(channel), 'the recorder');
	return { got, close: () => socket.destroy() };
}

const secrets = (...list) => list.map((s) => `${s}\n`).join('');
const hmac = (secret, text) => `${crypto.createHmac('sha256', secret)
	.update(`roost:publish\n${text}`).digest('hex')} ${text}`;
const body = (n) => JSON.stringify({ namespace: 'feed', event: 'n', data: n });

async function sealed(files, f) {
	const own = await Redis.start(), adm = await own.client();
	const list = await Promise.all(files.map((file) =>
		Daemon.start({ conf: conf(own.url,
		    `secret_file = "${file}" stream = 10`) })));
	const clients = [];
	for (const x of list) {
		await connected(x);
		clients.push(await connect(x, '/feed'));
	}
	await until(async () => (await adm.do('PUBSUB', 'NUMSUB',
	    'roost:to:5:/feed:n'))[1] === list.length, 'each to listen');
	await f(adm, list, clients, own);
	clients.forEach((x) => x.close());
	adm.close();
	for (const x of list)
		await x.stop();
	await own.kill();
}

test('with a secret only who knows it is heard', async () => {
	const file = `${tempdir()}/secret`, other = `${tempdir()}/secret`;
	const secret = crypto.randomBytes(24).toString('hex');
	fs.writeFileSync(file, `${secret}\n`);
	fs.writeFileSync(other, crypto.randomBytes(100).toString('base64'));
	await sealed([file, file, other], async (adm, [c, , e], [s, t, u]) => {
		const seal = (text, key = secret) => hmac(key, text);
		const unsealed = await c.metric('redis_unsealed');
		await adm.do('PUBLISH', 'roost:publish', body('none'));
		await adm.do('PUBLISH', 'roost:publish',
		    seal(body('wrong'), 'x'));
		await adm.do('PUBLISH', 'roost:publish',
		    seal(body(1)).replace('1}', '2}'));
		await adm.do('XADD', 'roost:publish', '*', 'body',
		    body('none'));
		await adm.do('XADD', 'roost:publish', '*', 'body',
		    seal(body('two')));
		await heard(s, 'n');
		await adm.do('PUBLISH', 'roost:publish', seal(body('one')));
		await heard(s, 'n', 2);
		await heard(t, 'n', 2);
		assert.deepEqual(numbers(s).sort(), ['one', 'two']);
		await c.counts('redis_unsealed', unsealed + 4);
		await c.logged(
		    /redis_unsealed channel="roost:publish" unsaid=\d/);
		/* hosts among themselves */
		const bad = await e.metric('redis_unsealed');
		await ask(s, 'say', 'hello');
		await heard(t, 'say');
		await until(async () => await e.metric('redis_unsealed') > bad,
		    'the other secret to be noticed');
		assert.equal(gotten(u, 'say').length, 0);
		assert.equal(gotten(u, 'n').length, 0);
	});
});

test('what was recorded is not taken again', async () => {
	const file = `${tempdir()}/secret`;
	fs.writeFileSync(file, crypto.randomBytes(24).toString('hex'));
	await sealed([file, file], async (adm, [, d], [s, t], own) => {
		const channel = (await adm.do('PUBSUB', 'CHANNELS',
		    'roost:to:5:/feed:*'))[0];
		const rec = await recorder(own.path, channel);
		await ask(s, 'say', 1);
		await heard(t, 'say');
		await until(() => rec.got.length > 0, 'a recording');
		const copies = await d.metric('far_copies');
		for (let i = 0; i < 3; i++)
			await adm.do('PUBLISH', channel, rec.got[0]);
		await ask(s, 'say', 2);
		await heard(t, 'say', 2);
		assert.deepEqual(numbers(t, 'say'), [1, 2]);
		await d.counts('far_copies', copies + 3);
		rec.close();
	});
});

test('HUP: a secret is replaced, on one host after the other', async () => {
	const files = [1, 2].map(() => `${tempdir()}/secret`);
	const [old, next] = [1, 2].map(() =>
		crypto.randomBytes(24).toString('hex'));
	files.forEach((f) => fs.writeFileSync(f, secrets(old)));
	await sealed(files, async (adm, list, [s, t]) => {
		let n = 0;
		const hup = async (i, ...text) => {
			fs.writeFileSync(files[i], secrets(...text));
			const lines = list[i].log.split('secrets_read').length;
			process.kill(list[i].pid, 'SIGHUP');
			await until(() => list[i].log.split('secrets_read')
			    .length > lines, 'its line');
		};
		const talk = async () => {
			n++;
			await ask(s, 'say', n);
			await ask(t, 'say', n);
			await heard(s, 'say', n);
			await heard(t, 'say', n);
		};
		await talk();
		for (const text of [[old, next], [next, old], [next]])
			for (const i of [0, 1]) {
				await hup(i, ...text);
				await talk();
			}
		for (const d of list)
			await d.counts('redis_unsealed', 0);
		await adm.do('PUBLISH', 'roost:publish', hmac(old, body(1)));
		await adm.do('PUBLISH', 'roost:publish', hmac(next, body(2)));
		await heard(s, 'n');
		assert.deepEqual(numbers(s), [2]);
		/* a bad file: the one before counts, until it is mended */
		fs.writeFileSync(files[0], 'short');
		process.kill(list[0].pid, 'SIGHUP');
		await until(() => /secret_file_bad file=.* why="a secret has less/
		    .test(list[0].log), 'words');
		const reason = async () => (await (await fetch(
		    list[0].url('/health'))).json()).reason;
		await until(async () => await reason() ===
		    'secret_file of Redis cannot be used', '/health to say so');
		await talk();
		fs.writeFileSync(files[0], secrets(next));
		await until(() => list[0].log.split('secrets_read').length > 4,
		    'it to be read again');
		await until(async () => await reason() === undefined,
		    '/health to be well');
		await talk();
	});
});

test('without its file a relay says nothing, and is told nothing', async () => {
	const files = [1, 2].map(() => `${tempdir()}/secret`);
	const text = secrets(crypto.randomBytes(24).toString('hex'));
	files.forEach((f) => fs.writeFileSync(f, text));
	await sealed(files, async (adm, [c, d], [s, t]) => {
		await ask(s, 'say', 1);
		await heard(t, 'say');
		fs.unlinkSync(files[0]);
		c.mayDie = true;
		const { pid } = c.relay();
		process.kill(pid, 'SIGKILL');
		await until(() => /secret_file_bad file=.* why="No such file/
		    .test(c.log), 'words');
		await connected(c);
		const gaps = gotten(t, 'roost:gap').length;
		const lost = await c.metric('far_lost');
		await ask(s, 'say', 2);		/* here as ever */
		await ask(t, 'say', 3);
		await until(async () => await c.metric('redis_unsealed') > 0 &&
		    await c.metric('far_lost') > lost, 'both to be counted');
		/* once each, however often it is tried to tell of it */
		const once = await c.metric('far_lost');
		await sleep(2500);	/* of attempts */
		await c.counts('far_lost', once);
		assert.deepEqual(numbers(t, 'say'), [1]);
		assert.deepEqual(numbers(s, 'say'), []);
		await d.counts('redis_unsealed', 0);
		/* it comes back by itself, and tells */
		fs.writeFileSync(files[0], text);
		await heard(t, 'roost:gap', gaps + 1, 15000);
		await ask(s, 'say', 4);
		await ask(t, 'say', 5);
		await heard(t, 'say', 2);
		await heard(s, 'say');
		assert.deepEqual(numbers(t, 'say'), [1, 4]);
		assert.deepEqual(numbers(s, 'say'), [5]);
	});
});
