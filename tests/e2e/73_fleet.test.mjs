/*
 * Three hundred connections of every kind, with traffic in both directions,
 * while the daemon is reloaded: no client is cut off, misses, sees twice or
 * sees swapped, no newcomer is refused, nobody's presence flickers.  The same
 * with 20,000: tests/run --long handover.  And handshakes of TLS that are under
 * way meanwhile.
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import tls from 'node:tls';

import { Fleet, reload, rules, words } from '../handover/fleet.mjs';
import { listenTls } from './lib/conf.mjs';
import { Daemon, sanitized, sleep, slow, until, within } from './lib/daemon.mjs';

test('three reloads under three hundred clients', { timeout: 300000 },
    async (t) => {
	const d = await Daemon.start({ workers: 2, conf: rules(2500) });
	const fleet = await Fleet.start(d);
	await sleep(500);	/* all have come to rest */
	await fleet.run();
	await sleep(1500);	/* of traffic, to compare with */
	const base = await fleet.mark('base');
	for (let i = 0; i < 3; i++) {
		await reload(d);
		await sleep(500);	/* of traffic, from one to the next */
	}
	const after = await fleet.mark('reloads');
	for (const line of words(after, base).split('\n'))
		t.diagnostic(line.trim());
	const all = await fleet.settle();
	await fleet.end();
	assert.equal(fleet.wrong, '');
	assert.equal(all.bad, 0, words(all));
	await until(async () => {
		const moved = await d.metric('connections_moved_in');
		return moved > 3 * 250 &&
		    await d.metric('connections_moved_out') === moved;
	}, 'all that was given to be taken');
	for (const k of ['heard', 'told', 'acked', 'attachments', 'slow', 'fed',
		'resting', 'midway', 'newcomers', 'requests', 'halves',
		'answers', 'pings'])
		assert.ok(after[k] > base[k], `${k}: ${after[k]}`);
	if (!sanitized)
		/* as far as this machine lets anybody */
		assert.ok(after.quick.worst < Math.max(250 * slow,
		    4 * base.quick.worst), words(after, base));
	await d.stop();
});

/* A way to port on which the first bytes go, and the rest when it is told. */
function slowly(port, first) {
	const s = net.connect(port, '127.0.0.1');
	let open, rest;
	const opened = new Promise((ok) => { open = ok; });
	const way = new Duplex({
		read() {},
		write(b, _, done) {
			if (rest) {
				s.write(b, done);
				return;
			}
			rest = b.subarray(first);
			s.write(b.subarray(0, first), async () => {
				await opened;
				s.write(rest, done);
			});
		},
	});
	s.on('data', (b) => way.push(b));
	s.on('close', () => way.push(null));
	s.on('error', () => {});
	return { way, open, end: () => s.destroy() };
}

test('a handshake of TLS goes on at a worker that gives', async () => {
	const d = await Daemon.start({ workers: 1, listen: false,
		conf: `drain_time = 3s\n${listenTls()}listen "127.0.0.1:0" {}` });
	const { way, open, end } = slowly(d.ports[0], 20);
	const c = tls.connect({ socket: way, rejectUnauthorized: false });
	c.on('error', () => {});
	const done = within(new Promise((ok) => c.once('secureConnect', ok)),
	    'a handshake', 10000);
	d.port = d.ports[1];
	await until(async () => await d.metric('connections_open') >= 2,
	    'its first bytes to be there');
	const reloaded = reload(d);
	await until(() => / reloaded /.test(d.log), 'the old one to give');
	await sleep(200);	/* longer than it would take to give it */
	open();
	await done;
	await reloaded;
	end();
	await d.stop();
});
