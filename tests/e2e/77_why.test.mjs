/*
 * roostctl why: what happened to a client, told from the memory of the daemon,
 * of each way to end, and after its worker's death.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Daemon, roostd, until } from './lib/daemon.mjs';
import { connect } from './lib/clients.mjs';
import { listenTls } from './lib/conf.mjs';
import { conf, ends, enter, reload } from './lib/ends.mjs';
import { Polling } from './lib/polling.mjs';
import { mint, user } from './lib/token.mjs';
import { otherMagic, putRelaid, Upgradable, usr2 } from './lib/upgrade.mjs';
import { Sock, Ws, engine, socketio } from './lib/wire.mjs';

const roostctl = path.join(path.dirname(roostd), 'roostctl');
const why = (d, whom, ctl = roostctl) => new Promise((ok) => {
	execFile(ctl, ['-p', String(d.pid), 'why', whom],
	    (e, out, err) => ok({ code: e?.code ?? 0, out, err }));
});
/* What it says, once that is like this. */
const says = async (d, whom, like) => {
	let last;
	await until(async () => {
		last = await why(d, whom);
		return like.test(last.out);
	}, `why ${whom} to say ${like}`).catch((e) => {
		throw new Error(`${e.message}\n${JSON.stringify(last)}`);
	});
	return last.out;
};

let d;
before(async () => { d = await Daemon.start({ workers: 1, conf }); });
after(() => d.stop());

for (const end of ends.filter((e) => !e.last))
	test(`${end.name}: ${end.want.reason}`, async () => {
		const e = end.conf === undefined ? d :
		    await Daemon.start({ workers: 1, conf: end.conf });
		const w = await enter(e, end.name, end.claims?.());
		await end.act(e, w);
		const out = await says(e, `user:${end.name}`,
		    new RegExp(end.want.reason));
		assert.match(out, / opened, websocket \/s as /);
		assert.match(out, / from 127\.0\.0\.1:\d+ /);
		if (!end.killed) {
			const by = { us: 'roostd', client: 'the client',
				network: 'the network' }[end.want.by];
			assert.match(out, new RegExp(`closed by ${by}: ${
			    end.want.reason} \\(.*\\), code ${end.want.code}, ` +
			    'after \\d+\\.\\d\\d s; in \\d+ bytes'));
			assert.doesNotMatch(out, /is connected/);
			assert.equal(out.match(/ closed by /g).length, 1);
		} else
			assert.match(out, /ended with worker 1, which died: worker_died/);
		if (end.name === 'rate')
			assert.match(out, /rate limited/);
		if (end.name === 'slow')
			assert.match(out, / slow: \d+ bytes queued/);
		w.drop();
		if (e !== d)
			await e.stop();
	});

/* With the daemon goes its memory: what is told before is told here. */
for (const end of ends.filter((e) => e.last))
	test(`${end.name}: ${end.want.reason}, of one while others stay`,
	    async () => {
		const e = await Daemon.start({ workers: 1, conf: end.conf
		    .replace('drain_time = 1s', 'drain_time = 5s') });
		const w = await enter(e, end.name), v = await enter(e, 'other');
		for (const x of [w, v])
			x.s.sock.on('data', () => {});
		if (end.name === 'drain') {
			e.child.kill('SIGQUIT');
			await until(async () => /closed by roostd: restart/.test(
			    (await why(e, `user:${end.name}`)).out +
			    (await why(e, 'user:other')).out), 'restart');
		} else
			assert.match((await why(e, `user:${end.name}`)).out,
			    /is connected/);
		await e.stop();
		assert.equal((await why(e, `user:${end.name}`)).code, 69);
	});

test('who is there is connected; who never was is unknown', async () => {
	const w = await enter(d, 'here');
	const out = await says(d, 'user:here', /is connected/);
	assert.match(out, /\(worker 1\)/);
	w.drop();
	const r = await why(d, 'user:nobody');
	assert.equal(r.code, 67);
	assert.match(r.err, /nothing is known of user:nobody/);
	assert.equal((await why(d, 'nobody')).code, 64);
	assert.equal((await why(d, 'address:nowhere')).code, 64);
});

test('by address and port, and by session id', async () => {
	const w = await socketio(d.port, { nsp: '/s', auth: { token:
	    user('three') } });
	const { localPort } = w.s.sock;
	for (const whom of [`address:127.0.0.1:${localPort}`, `sid:${w.sid}`,
		`sid:${w.handshake.sid}`, 'user:three']) {
		const out = await says(d, whom, /opened/);
		assert.match(out, / joined \/s as three /, whom);
	}
	assert.match((await why(d, 'address:127.0.0.1')).out, /three/);
	w.s.reset();
	await says(d, `sid:${w.sid}`, /client_reset/);
	await says(d, `address:127.0.0.1:${localPort}`, /client_reset/);
});

test('behind a proxy, which says no port', async () => {
	const e = await Daemon.start({ workers: 1,
		conf: `trusted_proxies = {"127.0.0.0/8"}\n${conf}` });
	for (const [forwarded, whom] of [['203.0.113.9', '203.0.113.9'],
		['2001:db8::9', '[2001:db8::9]']]) {
		const w = await Ws.must(e.port, `/ws/s?token=${user('far')}`,
		    { headers: { 'X-Forwarded-For': forwarded } });
		const out = await says(e, `address:${whom}`, /opened/);
		assert.ok(out.includes(` from ${forwarded} (worker 1)`), out);
		w.drop();
	}
	await e.stop();
});

test('refused at the door, and by a namespace', async () => {
	const bad = mint({ sub: 'x' }, { key: 'z'.repeat(40) });
	const w = await Ws.open(d.port, `/ws/s?token=${bad}`);
	assert.equal(w.response.status, 401);
	await says(d, 'address:127.0.0.1', / refused: unauthorized/);
	const s = await socketio(d.port, { nsp: '/s', auth: { token:
	    user('wanderer') } });
	s.text('40/nowhere,');
	await s.message();
	const out = await says(d, 'user:wanderer', / refused: /);
	assert.match(out, /refused: Invalid namespace \/nowhere/);
	s.drop();
});

test('a token in the name of a namespace is not kept', async () => {
	const s = await socketio(d.port, { nsp: '/s', auth: { token:
	    user('forward') } });
	s.text('40/nowhere?token=s3cr3t,');
	await s.message();
	const out = await says(d, 'user:forward', / refused: /);
	assert.match(out, /refused: Invalid namespace \/nowhere from /);
	s.drop();
});

test('turned away over TLS, before a word', async () => {
	const e = await Daemon.start({ workers: 1, listen: false,
		conf: listenTls() + 'listen "127.0.0.1:0" {}\n' +
		    conf.replace('limits {', 'limits { per_address = 1') });
	const w = await Ws.must(e.ports[1], `/ws/s?token=${user('first')}`);
	const s = await Sock.open(e.ports[0]);
	const { localPort } = s.sock;
	await s.end();
	await says(e, `address:127.0.0.1:${localPort}`, / refused: limit from /);
	w.drop();
	await e.stop();
});

test('over polling, then a WebSocket: one story', async () => {
	const p = await Polling.open(d.port, { headers: { authorization:
	    `Bearer ${user('climber')}` } });
	await p.connect('/s');
	const w = await Ws.must(d.port, p.ws);
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	w.text('5');
	await w.alive();
	w.s.reset();
	const out = await says(d, 'user:climber', /client_reset/);
	assert.match(out, /opened, polling as climber[^]*joined \/s[^]*closed/);
	assert.equal(new Set(out.match(/client [0-9a-f]{8}/g)).size, 1);
});

test('handed over: it is where the others are, or died with one', async () => {
	const e = await Daemon.start({ workers: 2, conf });
	const w = await enter(e, 'wanderer');
	await reload(e, conf.replace('20000B', '30000B'));
	await until(() => / turned /.test(e.log), 'the end of those before');
	await w.ack({ event: 'room:join', data: { room: 'flood' }, id: 2 });
	const out = await says(e, 'user:wanderer', /is connected/);
	const slot = Number(out.match(/is connected.*\(worker (\d+)\)/)[1]);
	e.mayDie = true;
	process.kill(e.worker(slot).pid, 'SIGKILL');
	await says(e, 'user:wanderer', new RegExp(
	    `ended with worker ${slot}, which died: worker_died`));
	w.drop();
	await e.stop();
});

test('an upgrade to another layout: who stayed, and who came', async () => {
	/* one over TLS cannot be given to others */
	const e = await Upgradable.start({ workers: 1, listen: false,
		conf: `drain_time = 60s\n${listenTls()}` +
		    `listen "127.0.0.1:0" {}\n${conf}` });
	e.port = e.ports[1];
	const stays = await Ws.must(e.ports[0], `/ws/s?token=${user('stays')}`,
	    { tlsOptions: { rejectUnauthorized: false } });
	putRelaid(e);
	usr2(e);
	await until(() => / upgraded /.test(e.log), 'the upgrade', 15000);
	/* each version's own sees what it can, whatever stands before it */
	const next = path.join(path.dirname(e.bin), 'roostctl');
	fs.writeFileSync(next, otherMagic(fs.readFileSync(roostctl)),
	    { mode: 0o755 });
	const r = await why(e, 'user:stays', roostctl);
	assert.match(r.out, /is connected/, r.err);
	let comes;	/* to the worker before, perhaps, as long as that accepts */
	await until(async () => {
		comes?.drop();
		comes = await enter(e, 'comes');
		return /is connected/.test((await why(e, 'user:comes', next)).out);
	}, 'one who came to the next', 10000);
	stays.drop();
	comes.drop();
	await e.stop();
});

test('one client that errs without end does not drive out the others', async () => {
	const quiet = await enter(d, 'quiet');
	quiet.s.reset();
	await says(d, 'user:quiet', /client_reset/);
	const w = await enter(d, 'noisy');
	const bad = mint({ sub: 'x' }, { key: 'z'.repeat(40) });
	for (let i = 0; i < 300; i++)
		await Ws.open(d.port, `/ws/s?token=${bad}`);
	const { out } = await why(d, 'address:127.0.0.1');
	assert.ok(out.match(/ refused: unauthorized/g).length < 10);
	await says(d, 'user:quiet', /client_reset/);
	w.drop();
});

test('a stock client whose token is bad', async () => {
	const w = await engine(d.port);
	w.text('40/s,{"token":"n0ne"}');
	await w.message();
	w.drop();
	const c = await connect(d, '/s', { auth: { token: user('stock') } });
	c.disconnect();
	await says(d, 'user:stock', /closed by the client/);
	await says(d, 'address:127.0.0.1', /refused: malformed/);
});
