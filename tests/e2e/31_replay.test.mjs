/*
 * Captured exchanges between the reference server and its clients, played
 * against roostd.  The table names every capture: how roostd is configured to
 * stand in for the application code that ran then, or why it is left out.
 * The captures are looked for in FIXTURES (../shared/fixtures).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon } from './lib/daemon.mjs';
import { cases, fixtures, load, playCase, replay, replayPolling,
} from './lib/replay.mjs';

const ns = (name, rules = '') => `namespace "${name}" { auth = none\n${rules} }\n`;
const quiet = 'event "*" { to = namespace }';
const echoAck = 'event "*" { to = nowhere ack = echo }';

const polling = 'moment by moment in 21_polling';
const upgrade = 'moment by moment in 22_upgrade';
const binary = 'binary events are not accepted yet';
const recovery = 'connection state recovery is not offered yet';
const redis = 'Redis is not connected yet';
const app = 'shows decisions of application code';
const client = 'shows a client against another kind of server';
const api = 'the HTTP API cannot disconnect clients yet';

/* server events that application code sent on connection */
const said = (...names) => (e) => e.dir === 's2c' &&
	names.includes(e.data.match(/^42(?:\/[^,]*,)?\d*\["([^"]*)"/)?.[1]);

const table = {
	'connect-invalid-namespace': { conf: ns('/') },
	'connect-timeout': { conf: ns('/'), only: [1] },
	'disconnect-by-client-websocket': { conf: ns('/') },
	'disconnect-by-tcp-reset': { conf: ns('/'), only: [2] },
	'disconnect-by-engine-close-websocket': { conf: ns('/'), only: [2] },
	'acks-and-disconnect': { conf: ns('/', quiet), only: [2] },
	'client-retries-and-buffer': { conf: ns('/', quiet), only: [1] },
	'event-ack': {
		/* no question from the server: its client's answer is ignored */
		conf: ns('/', 'event "start" { to = namespace }\n' + echoAck) +
		    ns('/n', 'event "start" { to = namespace }\n' + echoAck),
		skip: said('sq', 'done'),
		expect: (t) => t.replace('["r",5]', '[5]'),
	},
	'event-basic': {
		/* `as` renames; it does not make an argument of the old name */
		conf: ns('/', 'event "*" { to = sender meta = off as = "echo" }') +
		    ns('/a-b_c', 'event "*" { to = sender meta = off as = "echo" }'),
		expect: (t) => t.replace(
		    /^(42(?:\/[^,]*,)?\["echo"),(?:"[^"]*"|\d+)(,|\])/, '$1$2'),
	},
	'heartbeat-timeout-extended': { conf: ns('/', quiet), pace: 100 },
	'heartbeat-timeout-server': { conf: ns('/') },
	'heartbeat-websocket': { conf: ns('/') },
	'multiplex-disconnect-one': {
		conf: ns('/a') + ns('/b', echoAck),
		skip: (e) => /bye|^41\/a,/.test(e.data),
		expect: (t) => t.replace('["still"]', '[]'),
	},
	'namespace-connect-auth': {
		conf: ns('/', quiet) + ns('/chat', quiet),
		skip: said('auth-seen', 'root'),
	},
	'oversized-payload': { conf: ns('/', quiet), only: [7] },
	'reconnect-namespace-same-connection': {
		conf: ns('/'), closeCodes: [1000, 1002, 1005],
	},
	'root-namespace-explicit': {
		conf: ns('/', echoAck), skip: said('auth-seen'),
		expect: (t) => t.replace('437[1]', '437[]'),
	},
	'server-shutdown-websocket': {
		conf: ns('/'), only: [1], shutdown: true,
	},
	'websocket-connect': {
		conf: ns('/', 'event "hi" { to = sender meta = off as = "hi-back" }'),
		skip: said('welcome'),
	},
	'websocket-fragmented-and-control': {
		conf: ns('/', echoAck),
		expect: (t) => t.replace('430[1]', '430[]'),
	},
	'malformed-engineio': 'played below, case by case',
	'malformed-socketio': 'played below, case by case',
	'bad-eio-version': 'refused before the 101 on purpose: 20_engineio',
	'bad-requests': 'request by request in 20_engineio',
	'middleware-event-reject': 'roostd says why an event is refused',
	'broadcast-room': app,
	'connect-error-middleware': app,
	'forbidden-allowRequest': app,
	'disconnect-by-server-close-websocket': api,
	'disconnect-by-server-namespace-websocket': api,
	'client-backoff': client,
	'client-connect-errors': client,
	'client-reactions': client,
	'heartbeat-timeout-client': client,
	'static-client': 'file by file in 21_polling',
	'binary-ack': binary,
	'binary-event-websocket': binary,
};
/* the same over HTTP polling; see replayPolling() */
const app1 = (...names) => (p) =>
	names.includes(p.match(/^42(?:\/[^,]*,)?\d*\["([^"]*)"/)?.[1]);
const any = 'allowed_origins = {"*"}\n';
const overPolling = {
	'cors-credentials': { conf: any + ns('/') + `cors {
	    origins = {"http://app.example"} methods = {"GET", "POST"}
	    credentials = true }\n` },
	'cors-off': { conf: any + ns('/') },
	'cors-wildcard': { conf: any + ns('/') + 'cors { origins = {"*"} }\n' },
	'cookie-and-path': { conf: ns('/') +
	    'socketio { path = "/rt" cookie = "io" }\n',
		/* a path without its slash is served, see 20_engineio */
		skip: (e) => e.target.startsWith('/rt?') },
	'binary-event-polling': { conf: ns('/',
	    'event "bin" { to = sender meta = off as = "bin-back" }') },
	'disconnect-by-client-polling': { conf: ns('/') },
	'disconnect-by-engine-close-polling': { conf: ns('/'),
		session: (n) => n === 1 },
	'event-ack-polling': {
		conf: ns('/', 'event "start" { to = namespace }\n' + echoAck),
		drop: app1('sq', 'done'),
		expect: (t) => t.replace('["r",5]', '[5]'),
	},
	'event-polling': { conf: ns('/', quiet), drop: app1('a', 'b', 'c') },
	'heartbeat-polling': { conf: ns('/') },
	'heartbeat-timeout-polling': { conf: ns('/') },
	'keep-alive': { conf: ns('/'), drop: app1('e') },
	'malformed-engineio-polling': { conf: ns('/', quiet) },
	'oversized-polling-client': { conf: ns('/', quiet) },
	'polling-connect': { conf: ns('/',
	    'event "hi" { to = sender meta = off as = "hi-back" }'),
		drop: app1('welcome') },
	'unknown-sid': { conf: ns('/') },
};
for (const n of Object.keys(overPolling))
	table[n] = 'played below, over polling';
for (const n of ['aborted-poll', 'client-reactions-polling',
    'disconnect-by-server-close-polling',
    'disconnect-by-server-namespace-polling',
    'overlap-get', 'overlap-post', 'server-shutdown-polling', 'volatile'])
	table[n] = polling;
for (const n of ['upgrade', 'upgrade-failed-probe', 'upgrade-noop-release',
    'upgrade-with-traffic'])
	table[n] = upgrade;
for (const n of ['disconnect-by-server-close-polling',
    'disconnect-by-server-namespace-polling'])
	table[n] = api;
table['client-reactions-polling'] = client;
table['volatile'] = 'unpolled sessions keep volatile events up to a limit';
table['http-compression'] = 'played in 24_compression';

function options(o = {}) {
	const h = [];
	if (o.pingInterval)
		h.push(`interval = ${o.pingInterval}ms`);
	if (o.pingTimeout)
		h.push(`timeout = ${o.pingTimeout}ms`);
	return (h.length ? `heartbeat { ${h.join(' ')} }\n` : '') +
	    (o.connectTimeout ?
		`socketio { connect_timeout = ${o.connectTimeout}ms }\n` : '') +
	    `limits { message_bytes = ${o.maxHttpBufferSize ?? 1000000}B }\n`;
}

test('every capture is played or left out for a reason', () => {
	const all = fs.readdirSync(path.join(fixtures, 'socketio'))
	    .filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5));
	assert.ok(all.length > 0, `no captures in ${fixtures}`);
	for (const n of all) {
		if (n.startsWith('recovery-'))
			table[n] ??= recovery;
		if (n.startsWith('redis-'))
			table[n] ??= redis;
		assert.ok(table[n], `${n} is not in the table`);
	}
});

for (const [name, how] of Object.entries(table)) {
	if (typeof how === 'string')
		continue;
	test(`captured: ${name}`, async () => {
		const f = load(name);
		const d = await Daemon.start({ workers: 1,
			conf: options(f.server_options) + how.conf });
		let ended;
		const n = await replay(d, f, { ...how, beforeClose: async () => {
			if (how.shutdown)
				ended = d.stop();
		} });
		assert.ok(n > 2, `${n} compared`);
		await (ended ?? d.stop());
	});
}

for (const [name, how] of Object.entries(overPolling))
	test(`captured: ${name}`, async () => {
		const f = load(name);
		const d = await Daemon.start({ workers: 2,
			conf: options(f.server_options) + how.conf });
		const n = await replayPolling(d, f, how);
		assert.ok(n > 2, `${n} compared`);
		await d.stop();
	});

/* Where roostd is stricter or kinder than the reference, as the protocol
 * notes allow: a number too large for an id, a blank before the JSON, the
 * close packet on WebSocket, an event that races the answer to CONNECT. */
const stricter = ['"4299999999999999999999[\\"a\\"]"', '"42 [\\"a\\"]"',
	'frame "1"'];
const kinder = ['event sent immediately after CONNECT in the same tick'];
/* what announces attachments: refused until binary events are there */
const binaryCase = /^"4(5|6)|attachment|BINARY/;

for (const name of ['malformed-engineio', 'malformed-socketio']) {
	let d;
	const start = async () => {
		d ??= await Daemon.start({ workers: 1, conf: options() +
		    ns('/', quiet) });
		return d;
	};
	const list = cases(load(name));
	list.forEach((c, i) => {
		test(`${name} ${i + 1}: ${c.note}`, async () => {
			const code = await playCase(await start(), c);
			let open = [c.open];
			if (stricter.includes(c.note) || binaryCase.test(c.note))
				open = [c.open, false];
			if (kinder.includes(c.note))
				open = [true, false];
			assert.ok(open.includes(code === null),
			    code === null ? 'stayed open' : `closed ${code}`);
			if (code !== null)
				assert.ok([1000, 1002, 1003, 1005, 1007, 1008]
				    .includes(code), `code ${code}`);
		});
	});
	test(`${name}: the daemon took no harm`, async () => {
		await d.stop();
	});
}
