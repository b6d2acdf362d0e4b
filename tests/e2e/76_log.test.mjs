/*
 * The log: objects that a program can read, and nothing in it that is a secret,
 * whatever is refused, reloaded or ended.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { conf, ends, enter, reload } from './lib/ends.mjs';
import { Polling } from './lib/polling.mjs';
import { mint, user } from './lib/token.mjs';
import { Sock, Ws, engine, raw } from './lib/wire.mjs';

test('log_format = json: each line is an object', async () => {
	const e = await Daemon.start({ workers: 1, conf });
	await reload(e, `log_format = json\n${conf}`);
	await until(() => /"turned"/.test(e.log), 'the end of those before');
	const w = await enter(e, '42');
	ends.find((x) => x.name === 'close').act(e, w);
	await until(() => /"conn_end"/.test(e.log), 'conn_end');
	w.drop();
	await e.stop();
	const json = e.log.split('\n').filter((l) => /^\{/.test(l))
	    .map((l) => JSON.parse(l));
	for (const o of json) {
		assert.match(o.time, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
		assert.match(o.level, /^(info|warn)$/);
		assert.match(o.process, /^(master|relay|worker\/\d)$/);
		assert.ok(Number.isInteger(o.process_id));
		assert.match(o.event, /^[a-z_]+$/);
		assert.equal(o.cut, undefined);
	}
	const end = json.find((o) => o.event === 'conn_end');
	assert.equal(end.user, '42');
	assert.equal(typeof end.age_ms, 'number');
	assert.equal(end.ns, '/s');
	/* the last word is the master's, in the same form */
	assert.match(e.log.trimEnd().split('\n').at(-1), /^\{.*"event":"ended"/);
});

test('nothing that is a secret stands in the log', async () => {
	const dir = tempdir();
	const secrets = { redis: 'r3d1s-passw0rd', jwt: 'x'.repeat(20) +
	    'jwt-s3cret-of-many-bytes', next: 'y'.repeat(20) +
	    'next-s3cret-of-many-bytes', api: 'ap1-k3y', payload: 'p4yl0ad',
	seal: 's34l-of-hosts-and-back-ends-32-bytes' };
	fs.writeFileSync(`${dir}/seal`, secrets.seal);
	const text = (jwt) => `
log_level = debug
log_connections = both
redis { url = "redis://somebody:${secrets.redis}@127.0.0.1:1/0"
    secret_file = "${dir}/seal" }
jwt { algorithms = {"HS256"} secret = "${jwt}" cookie = "tok" }
api { key "k" { sha256 = "${createHash('sha256').update(secrets.api)
	.digest('hex')}" allow = {"publish"} } }
limits { message_bytes = 20000B }
namespace "/s" { auth = required
    room "r" { join = open }
    event "n" { to = room:room check = {"text: string 1..5"} } }
`;
	const e = await Daemon.start({ workers: 1, conf: text(secrets.jwt) });
	const said = [];
	const token = (more = {}) => {
		const t = user('somebody', more, { key: secrets.jwt });
		said.push(t, t.split('.')[2]);
		return t;
	};
	/* tokens wherever they may be: good, bad, of others */
	const bad = mint({ sub: 'x' }, { key: 'z'.repeat(40) });
	said.push(bad);
	for (const t of [token(), bad, `${token()}x`, 'n0t-a-t0ken']) {
		said.push(t);
		for (const [path, headers] of [[`?token=${t}`, {}],
			['', { Authorization: `Bearer ${t}` }],
			['', { Cookie: `tok=${t}` }],
			['', { 'Sec-WebSocket-Protocol': `bearer.${t}` }]])
			(await Ws.open(e.port, `/ws/s${path}`, { headers }))
			    .drop?.();
		const w = await engine(e.port);
		said.push(w.handshake.sid);
		w.text(`40/s,${JSON.stringify({ token: t })}`);
		const answer = await w.message();
		const m = answer.match(/"sid":"([^"]+)"/);
		if (m)
			said.push(m[1]);
		w.text(`42/s,1["n",{"room":"r","text":"${secrets.payload}"}]`);
		w.text(`4${secrets.payload}`);
		await w.closed();
	}
	const p = await Polling.open(e.port, { headers: { authorization:
	    `Bearer ${token()}` } });
	said.push(p.sid);
	await p.post(secrets.payload);
	/* keys, good and bad; requests that are none */
	for (const key of [secrets.api, `${secrets.api}x`])
		await fetch(e.url('/api/v1/publish'), { method: 'POST',
			headers: { authorization: `Bearer ${key}` },
			body: JSON.stringify({ namespace: 's', event: 'n',
				data: secrets.payload }) });
	await raw(e.port, `GET /nowhere?token=${bad} HTTP/1.1\r\nHost: ${
	    secrets.payload}\r\n\r\n`).catch(() => {});
	const s = await Sock.open(e.port);
	s.send(`${secrets.payload} ${bad}\r\n\r\n`);
	await s.end();
	/* each word of the configuration is another one now; then wrong */
	await reload(e, text(secrets.next));
	const file = fs.readFileSync(e.file, 'utf8');
	fs.writeFileSync(e.file, `${file}\njwt { secret = "${secrets.jwt}" nope = "${
	    secrets.next}" }\n`);
	e.child.kill('SIGHUP');
	await until(() => / reload_failed /.test(e.log), 'reload_failed');
	const t = await run(['-t', '-c', e.file]);
	const n = await run(['-n', '-c', e.file]);
	fs.writeFileSync(e.file, file);
	const good = await run(['-n', '-c', e.file]);
	assert.equal(good.code, 0, good.err);
	await e.stop();
	const log = e.log + t.err + t.out + n.err + n.out + good.out + good.err;
	for (const [what, secret] of [...Object.entries(secrets),
		...said.map((x) => ['said', x])])
		assert.ok(!log.includes(secret), `${what}, ${secret}:\n${
		    log.split('\n').filter((l) => l.includes(secret)).join('\n')}`);
	/* who is let in is named, and why somebody is not */
	assert.match(log, /conn_end .* user="somebody"/);
	assert.match(log, /refused what=token reason=signature/);
	assert.match(log, / unsaid=\d+/);
});
