/*
 * What the manual tells to write is taken literally: configurations are checked,
 * commands for Redis are given to one, programs run.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import vm from 'node:vm';

import WebSocket from 'ws';

import { Daemon, run, tempdir, top, until } from './lib/daemon.mjs';
import { Client, Redis, freePort } from './lib/redis.mjs';
import { echo, jwt, siteCertificate } from './lib/conf.mjs';
import { user } from './lib/token.mjs';

/* Literal blocks of a page, as they are read. */
function blocks(page) {
	const text = fs.readFileSync(path.join(top, 'man', page), 'utf8');
	return [...text.matchAll(/^\.Bd -literal.*\n([^]*?)^\.Ed$/gm)].map((m) =>
		({ text: m[1].replaceAll('\\e', '\\').replaceAll('\\(dq', '"')
		    .replaceAll("\\'", "'").replaceAll('\\&', ''),
		line: text.slice(0, m.index).split('\n').length }));
}

const begins = /^#|^(listen|trusted_proxies|allowed_origins|limits|namespace|jwt|redis|rate|route|api|stats|event) ["{=]/;

/* Files that they name, by ones that are there. */
function own(text) {
	const dir = tempdir(), pem = siteCertificate();
	fs.writeFileSync(`${dir}/secret`, 'a secret of many characters\n');
	return text.replace(/"\/etc\/roost\/[^"]*\.pem"/g, `"${pem}"`)
	    .replace(/"\/etc\/roost\/[^"]*"/g, `"${dir}/secret"`);
}

const env = { JWT_SECRET: 'x'.repeat(40), API_SHA256: '0'.repeat(64),
	REDIS_URL: 'redis://127.0.0.1' };

for (const page of ['roost.conf.5', 'roost-proxies.7'])
	test(`${page}: its configurations are good`, async () => {
		const file = `${tempdir()}/roost.conf`;
		let n = 0;
		for (const { text, line } of blocks(page)) {
			if (!begins.test(text))
				continue;
			n++;
			fs.writeFileSync(file, own(/^event/.test(text) ?
			    `namespace "/" { auth = none\n${text}}\n` : text));
			const { code, err } = await run(['-t', '-c', file], { env });
			assert.equal(code, 0, `${page}:${line}: ${err}`);
		}
		assert.ok(n >= 3, `${n} configurations`);
	});

test('roost.conf.5: the user for Redis may do what is needed', async () => {
	const port = await freePort(), redis = await Redis.start({ port });
	const dir = tempdir();
	for (const { text } of blocks('roost.conf.5')) {
		if (!/^redis-cli ACL SETUSER/.test(text) || /NEW/.test(text))
			continue;
		const out = execFileSync('sh', ['-ec', text.replaceAll('redis-cli',
		    `redis-cli -p ${port}`)], { encoding: 'utf8' });
		assert.match(out, /^(OK\n)+$/, text);
	}
	fs.writeFileSync(`${dir}/password`, 'PASSWORD\n');
	const d = await Daemon.start({ workers: 1, conf: `
redis { url = "redis://roostd@127.0.0.1:${port}" stream = 100
    password_file = "${dir}/password" }
${jwt}
namespace "/chat" { auth = optional presence = rooms
    room "{name}" { join = open } event "say" { to = room:room } }\n` });
	await until(() => /redis_connected/.test(d.log), `Redis in ${d.log}`,
	    20000);
	const ws = new WebSocket(`ws://127.0.0.1:${d.port}/ws/chat?token=${
		user('ann')}`);
	await new Promise((ok, no) => { ws.on('open', ok); ws.on('error', no); });
	ws.send('{"event":"room:join","data":{"room":"lobby"},"id":1}');
	const asks = await Client.open(redis.path);
	await until(async () => await asks.do('HLEN', 'roost:presence:chat') >= 1,
	    'a user in Redis', 20000);
	ws.send('{"event":"say","data":{"room":"lobby"}}');
	await until(async () => await d.metric('far_sent') > 0, 'a message', 20000);
	assert.doesNotMatch(d.log, /redis_denied|redis_trouble|not_written/);
	await d.counts('redis_errors', 0);
	ws.close();
	asks.close();
	await d.stop();
	await redis.kill();
});

test('roost-protocol.7: a plain WebSocket, in a browser', async () => {
	const { text } = blocks('roost-protocol.7').find((b) =>
		/new WebSocket\(/.test(b.text));
	const d = await Daemon.start({ workers: 1, conf: `
${jwt}
namespace "/chat" { auth = required room "{name}" { join = open }
    event "message" { to = room:room self = true ack = accepted } }\n` });
	const said = [];
	const context = { WebSocket, JSON, console: { log: (m) => said.push(m) },
		token: user('ann') };
	vm.runInNewContext(text.replace('wss://host', `ws://127.0.0.1:${d.port}`) +
	    '\nthis.ws = ws;', context);
	await until(() => said.length >= 3, 'three answers', 10000);
	assert.deepEqual(said.map(({ ack, event }) => event ?? ack).sort(),
	    [1, 2, 'message'].sort());
	assert.ok(said.every((m) => m.error === undefined), JSON.stringify(said));
	context.ws.close();
	await d.stop();
});

test('roost-protocol.7: messages with a seal, from a shell', async () => {
	const port = await freePort(), redis = await Redis.start({ port });
	const cwd = tempdir();
	fs.writeFileSync(`${cwd}/roost.secret`, 'a secret of many characters\n');
	const d = await Daemon.start({ workers: 1, conf: `
redis { url = "redis://127.0.0.1:${port}" secret_file = "${cwd}/roost.secret" }
namespace "/chat" { auth = none }\n${echo}` });
	await until(() => /redis_connected/.test(d.log), 'Redis', 20000);
	const { text } = blocks('roost-protocol.7').find((b) =>
		/openssl dgst/.test(b.text));
	execFileSync('sh', ['-ec', text.replace('redis-cli',
	    `redis-cli -p ${port}`)], { cwd });
	await until(async () => await d.metric('redis_publishes') === 1,
	    'the message', 10000);
	await d.counts('redis_unsealed', 0);
	await d.stop();
	await redis.kill();
});
