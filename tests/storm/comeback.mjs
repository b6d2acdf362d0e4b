/*
 * 10,000 clients are cut off at once and come back: how long until all are back,
 * with a budget of handshakes and without; whether the budget holds; what those
 * notice who are connected; whether memory is back at its level.
 *
 * usage: node comeback.mjs COMEBACK [CLIENTS [BUDGET]], ROOSTD in the environment
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import readline from 'node:readline';

import { Daemon, sleep, until } from '../e2e/lib/daemon.mjs';

const [program, clients = '10000', budget = '1000'] = process.argv.slice(2);
const N = Number(clients), ROUNDS = 3;

const pss = (d) => d.children().filter((c) => c.role === 'worker')
    .reduce((n, c) => n + Number(fs.readFileSync(
	`/proc/${c.pid}/smaps_rollup`, 'utf8').match(/^Pss:\s+(\d+)/m)[1]), 0);

/*
 * Handshakes that were let in, as the daemon counts them, while f() lasts: the
 * most in a second or more, where its clock cannot be doubted.
 */
async function rate(d, f) {
	const seen = [];
	let on = true;
	const look = (async () => {
		while (on) {
			const from = performance.now();
			const n = await d.metric('handshakes_admitted');
			seen.push({ from, to: performance.now(), n });
			await sleep(100);
		}
	})();
	const r = await f();
	on = false;
	await look;
	let most = 0, i = 0;
	for (const s of seen) {
		while (s.to - seen[i + 1]?.from >= 1000)
			i++;
		if (s.to - seen[i].from >= 1000)
			most = Math.max(most, (s.n - seen[i].n) * 1000 /
			    (s.to - seen[i].from));
	}
	return Object.assign(r, { rate: Math.round(most) });
}

/* Upper bounds of the histogram of turns. */
async function turns(d) {
	const all = [];
	for (const [k, v] of await d.metrics()) {
		const m = k.match(/^loop_turn_seconds_bucket\{le="([\d.e+-]+)"\}/);
		if (m)
			all.push([Number(m[1]), v]);
	}
	return all.sort((a, b) => a[0] - b[0]);
}
const since = (now, before) => {
	const n = now.map(([le, v], i) => [le, v - (before[i]?.[1] ?? 0)]);
	const total = n.at(-1)[1];
	const at = (share) => n.find(([, v]) => v >= total * share)[0] * 1000;
	return { turns: total, p99_ms: at(0.99), max_ms: at(1) };
};

async function run(limit, manners) {
	const d = await Daemon.start({ workers: 2, conf: `
limits { handshakes_per_second = ${limit} }
heartbeat { interval = 5m timeout = 5m }
namespace "/c" { auth = none event "q" { ack = echo } }\n` });
	const empty = pss(d);
	const c = spawn(program, [String(d.port), clients, manners],
	    { stdio: ['pipe', 'pipe', 'inherit'] });
	const lines = readline.createInterface({ input: c.stdout })
	    [Symbol.asyncIterator]();
	const next = async () => JSON.parse((await lines.next()).value);
	const first = await next();
	assert.equal(first.here, N);
	const full = pss(d);
	const results = [];
	for (let i = 0; i < ROUNDS; i++) {
		const before = await turns(d);
		c.stdin.write('cut\n');
		const r = await rate(d, next);
		Object.assign(r, { turn: since(await turns(d), before) });
		results.push(r);
		console.log(`budget ${limit} ${manners}: all ${N} back in ${
		    (r.all_ms / 1000).toFixed(2)} s, half in ${
		    (r.half_ms / 1000).toFixed(2)} s; at most ${r.rate
		    } let in a second; ${r.refused} refusals, up to ${r.in_a_row
		    } in a row, ${r.bare} without Retry-After; ${r.errors
		    } errors; an answer took ${r.ask_p50_us} us, p99 ${
		    r.ask_p99_us}, worst ${r.ask_max_us}; turns p99 ${
		    r.turn.p99_ms} ms, longest ${r.turn.max_ms} ms`);
		assert.equal(r.here, N);
		assert.equal(r.bare, 0);
		if (limit > 0)
			assert.ok(r.rate <= limit * 1.25 + 1,
			    `${r.rate} in a second`);
	}
	await sleep(3000);	/* refusals that linger */
	const again = pss(d);
	c.stdin.write('leave\n');
	await next();
	await until(async () => await d.metric('connections_open') <= 2, 'all gone');
	await sleep(3000);
	const left = pss(d);
	console.log(`budget ${limit} ${manners}: PSS of the workers ${empty
	    } KiB empty, ${full} with all, ${again} after ${ROUNDS
	    } storms, ${left} when all have left`);
	assert.ok(again < full * 1.05 + 2048, 'back at its level');
	c.kill();
	await d.stop();
	return results;
}

await run(0, 'polite');
await run(Number(budget), 'polite');
if (Number(budget)) await run(Number(budget), 'stock');
process.exit(0);
