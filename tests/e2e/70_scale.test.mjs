/*
 * Five thousand clients on two workers, one room, a broadcast each second:
 * everybody gets everything.  The clients live in processes of their own
 * (lib/crowd.mjs); what an idle connection costs is printed, not asserted.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, here, sanitized, sleep, until } from './lib/daemon.mjs';
import { ask, connect } from './lib/clients.mjs';

const CLIENTS = Number(process.env.E2E_CLIENTS ?? (sanitized ? 1000 : 5000));
const CROWDS = 2;
const ROUNDS = 6;

const conf = `
namespace "/crowd" { auth = none
    room "all" { join = open }
    event "tick" { to = room:room ack = delivered } }
`;
const rss = (pid) => Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8')
    .match(/RssAnon:\s+(\d+)/)[1]);

function crowd(port, count, kind) {
	const c = fork(path.join(here, 'lib', 'crowd.mjs'),
	    [String(port), String(count), kind]);
	c.state = { joined: 0, got: 0, bad: 0, lost: 0 };
	c.on('message', (m) => Object.assign(c.state, m));
	return c;
}

for (const kind of ['socketio', 'plain']) {
	test(`${CLIENTS} ${kind} clients, ${ROUNDS} broadcasts: all receive all`,
	async (t) => {
		const d = await Daemon.start({ workers: 2, conf,
			ms: 20000 });
		const workers = d.children().filter((c) => c.role === 'worker');
		const base = workers.map((w) => rss(w.pid));
		const crowds = Array.from({ length: CROWDS }, () =>
		    crowd(d.port, CLIENTS / CROWDS, kind));
		const sum = (k) => crowds.reduce((n, c) => n + c.state[k], 0);
		await until(() => sum('joined') === CLIENTS,
		    () => `all joined`, 30000);
		const spread = workers.map((w, i) => rss(w.pid) - base[i]);
		t.diagnostic(`private memory per idle ${kind} connection: ${Math.round(
		    spread.reduce((a, b) => a + b) * 1024 / CLIENTS)} bytes`);
		const s = await connect(d, '/crowd');
		await ask(s, 'room:join', { room: 'all' });
		for (let i = 0; i < ROUNDS; i++) {
			const t0 = Date.now();
			const a = await ask(s, 'tick', { room: 'all', i });
			assert.equal(a.delivered, CLIENTS);
			await until(() => sum('got') === CLIENTS * (i + 1),
			    `broadcast ${i} at everybody (${sum('got')})`, 10000);
			t.diagnostic(`broadcast ${i}: ${Date.now() - t0} ms`);
			/* two a second */
			await sleep(Math.max(0, 500 - (Date.now() - t0)));
		}
		assert.equal(sum('bad') + sum('lost'), 0);
		s.close();
		for (const c of crowds)
			c.kill();
		await until(async () => await d.metric('connections_open') <= 1,
		    'all gone', 10000);
		await d.counts('sessions', 0);
		await d.stop();
	});
}
