/*
 * Captured exchanges between the reference server and its clients, played
 * against roostd.  The table has a row for each capture: how roostd is
 * configured, what the application code of the capture did (the player does
 * it as a back end), and where roostd differs on purpose: the index of the
 * event, what comes instead, and why.  All of it is asserted.
 * The captures are looked for in FIXTURES (tests/fixtures).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';

import { io } from './lib/clients.mjs';
import { Daemon, here, until, within } from './lib/daemon.mjs';
import { Player, backend } from './lib/player.mjs';
import { cases, fixtures, load, playCase } from './lib/replay.mjs';
import { Sock, Ws } from './lib/wire.mjs';

const bundle = path.join(here, 'node_modules', 'socket.io-client', 'dist');

const ns = (name, rules = '') => `namespace "${name}" { auth = none\n${rules} }\n`;
const quiet = ns('/', 'event "*" { to = nowhere }');
const echoAck = 'event "*" { to = nowhere ack = echo }';
const any = 'allowed_origins = {"*"}\n';
const recovery = (window = '10s') => `recovery { window = ${window} }\n`;

/* reasons that are given more than once */
const codes = 'roostd says in the Close why; to clients it is all the same';
const echo = 'an acknowledgement is made by a rule, which can echo';
const raw = 'a server made for the capture does what no server should';
const back = [{ status: 503, body: '{"error":{"code":"unavailable",' +
    '"message":"come back"}}' }, 'some clients stay away after a 1'];
const nothing = (why) => [null, why];
const close = (code, why = codes) => [{ code }, why];
const none = (why, ...is) => Object.fromEntries(is.map((i) =>
    [i, nothing(why)]));

/* what the socket of a connection is told to do */
const disconnect = (conn, how = {}, nsp = '/') => (p) =>
	p.api('disconnect', { namespace: nsp, sid: p.sid(conn, nsp), ...how });

const table = {
	/* --- Engine.IO --- */
	'websocket-connect': { conf: ns('/',
	    'event "hi" { to = sender meta = off as = "hi-back" }'),
		app: ['welcome'] },
	'polling-connect': { conf: ns('/',
	    'event "hi" { to = sender meta = off as = "hi-back" }'),
		app: ['welcome'] },
	'keep-alive': { conf: quiet, app: ['e'] },
	'heartbeat-websocket': { conf: quiet },
	'heartbeat-timeout-server': { conf: quiet, closes: { 6: 1001 } },
	'heartbeat-timeout-extended': { conf: quiet, pace: 100,
		closes: { 8: 1001 } },
	'aborted-poll': { conf: quiet },
	'overlap-get': { conf: quiet },
	'overlap-post': { conf: quiet, acts: { 9: async (p) => {
		/* it was there before, and was never completed */
		const e = p.f.events.find((x) => x.event === 'partial-message');
		p.sock = await Sock.open(p.d.port);
		p.sock.send(p.vars.live(e.data));
	}, 12: (p) => p.sock.end() } },
	'upgrade': { conf: ns('/',
	    'event "hi" { to = sender meta = off as = "hi-back" }') },
	'upgrade-failed-probe': { conf: ns('/',
	    'event "hi" { to = sender meta = off as = "hi-back" }'),
		closes: { 6: 1002, 27: 1002 } },
	'upgrade-noop-release': { conf: quiet, app: ['n'], differs: {
		18: ['6', 'a GET left open at "5" is answered 6, as allowed'] } },
	'upgrade-with-traffic': { conf: quiet, app: ['n'] },
	'volatile': { conf: quiet, app: ['kept', 'live'] },
	'bad-requests': { conf: quiet, differs: {
		34: [{ status: 200, body: /^0\{/ },
		    'the path is served without its last slash, too'],
		37: [{ status: 404, body: '{"error":{"code":"not_found",' +
		    '"message":"there is nothing here"}}' },
		    'roostd has words for it'],
		43: [{ status: 400, body: 'Bad request' },
		    'told before the 101'],
		...none('there is no WebSocket then', 44) } },
	'bad-eio-version': { conf: quiet, differs: {
		10: [{ status: 400, body: 'Unsupported protocol version' },
		    'looked at before the 101'],
		16: [{ status: 400, body: 'Unsupported protocol version' },
		    'looked at before the 101'],
		...none('there is no WebSocket then', 11, 17) } },
	'connect-timeout': { conf: quiet, closes: { 3: 1001 } },
	'oversized-payload': { conf: quiet },
	'forbidden-allowRequest': { conf: quiet, few: true,
		origin: 'http://evil.example', differs: {
			1: [{ status: 200, body: /^0\{/ }, 'there is no hook; ' +
			    'polling is for pages that CORS lets read'],
			4: [{ status: 400, body: 'Forbidden' },
			    'allowed_origins stands for the hook'] } },
	/* this and the next: what comes after the end is nobody's */
	'server-shutdown-websocket': { conf: quiet, until: 8,
		closes: { 5: 1001 },
		acts: { 5: (p) => { p.ended = p.d.stop(); } } },
	'server-shutdown-polling': { conf: quiet, until: 12,
		differs: { 10: back },
		acts: { 10: (p) => { p.ended = p.d.stop(); } } },

	/* --- Socket.IO --- */
	'connect-invalid-namespace': { conf: quiet },
	'connect-error-middleware': { conf:
	    'jwt { secret = "0123456789abcdef0123456789abcdef" }\n' +
	    'namespace "/" { auth = required }\n',
		differs: Object.fromEntries([4, 12, 14].map((i) => [i,
		    ['44{"message":"authentication required","data":{"code":' +
		    '"unauthorized","reason":"missing"}}',
		    'the words are roostd\'s, and it always gives a code']])) },
	'namespace-connect-auth': { conf: quiet + ns('/chat',
	    'event "*" { to = nowhere }'), app: ['auth-seen', 'root'] },
	'root-namespace-explicit': { conf: ns('/', echoAck),
		app: ['auth-seen'], differs: { 7: ['437[]', echo] } },
	'reconnect-namespace-same-connection': { conf: quiet,
		closes: { 10: 1002 } },
	'websocket-fragmented-and-control': { conf: ns('/', echoAck),
		differs: { 7: ['430[]', echo] } },
	'event-basic': { conf: quiet + ns('/a-b_c',
	    'event "*" { to = nowhere }'), app: ['echo'] },
	'event-polling': { conf: quiet, app: ['a', 'b', 'c'] },
	'event-ack': { conf: ns('/', echoAck) + ns('/n', echoAck),
		app: ['done'], differs: { 6: ['430[5]', echo],
			23: ['43/n,0[5]', echo] }, asks: { 10: 11, 27: 28 } },
	'event-ack-polling': { conf: ns('/', echoAck), app: ['done'],
		differs: { 12: ['430[5]', echo] }, asks: { 18: 22 } },
	'acks-and-disconnect': { conf: quiet },
	'client-retries-and-buffer': { conf: quiet,
		differs: { 18: nothing(echo) } },
	'middleware-event-reject': { conf: ns('/'), extra: { 8: [
	    '430[{"error":{"code":"unknown_event","message":' +
	    '"unknown event"}}]'] },
		why: 'who asked is told why an event is refused' },
	'binary-event-websocket': { conf: ns('/',
	    'event "bin" { to = sender meta = off as = "bin-back" }') + ns('/n',
	    'event "bin" { to = sender meta = off as = "bin-back" }') },
	'binary-ack': { conf: ns('/', echoAck) + ns('/n', echoAck),
		app: ['done'], asks: { 11: 13, 32: 34 },
		differs: { 7: ['461-0[{"_placeholder":true,"num":0}]', echo],
			28: ['461-/n,0[{"_placeholder":true,"num":0}]', echo],
			...none(echo, 9, 30) } },
	'broadcast-room': { conf: quiet, acts: {
		5: (p) => p.api('rooms', { namespace: '/', sid: p.sid('conn 1'),
			join: 'r1' }),
		10: (p) => p.api('rooms', { namespace: '/', sid: p.sid('conn 2'),
			join: 'r1' }),
		16: async (p) => {
			const [a, , c] = ['conn 1', 'conn 2', 'conn 3']
			    .map((x) => p.sid(x));
			await p.publish('/', 'm1', '', { room: 'r1' });
			await p.publish('/', 'm2', '', { room: 'r1',
				except: a });
			await p.publish('/', 'm3', '', { except: 'r1' });
			await p.publish('/', 'm4');
			await p.publish('/', 'm5', '', { room: 'r1', sid: c });
		} } },

	/* --- recovery --- */
	'recovery-success': { conf: recovery() + quiet, app: ['e'],
		notApp: [11, 12], acts: {
			5: (p) => p.api('rooms', { namespace: '/',
				sid: p.sid('conn 1'), join: 'r1' }),
			7: async (p) => {
				await p.publish('/', 'e', '2', { room: 'r1' });
				await p.publish('/', 'e', '3');
				await p.publish('/', 'e', '99', { room: 'other' });
				await p.publish('/', 'e', '98', { volatile: true });
				await p.publish('/', 'e', '97', { except: 'r1' });
			} } },
	'recovery-success-ack-and-binary': { conf: recovery() +
	    ns('/', echoAck), app: ['bin', 'acked'], asks: { 7: 8 },
		differs: { 11: ['430[]', echo] } },
	'recovery-polling': { conf: recovery() + quiet, app: ['e'],
		acts: { 14: (p) => p.publish('/', 'e', '2') }, notApp: [21] },
	'recovery-no-offset': { conf: recovery() + quiet, differs: {
		10: ['40{"sid":"ssT6Eq486znJAsiqAAAC",' +
		    '"pid":"V_MdKiHyJOAw65ZRAAAD"}',
		    'who saw nothing yet is recovered, too'] } },
	'recovery-failed-expired': { conf: recovery('200ms') + quiet,
		app: ['e'] },
	'recovery-failed-unknown': { conf: recovery() + quiet, app: ['e'] },
	'recovery-after-client-disconnect': { conf: recovery() + quiet,
		app: ['e'] },
	'recovery-trap-last-string': { conf: recovery() + quiet,
		app: ['e', 'v'], vars: { OFFSET_8: '?8', OFFSET_9: '?9' },
		differs: {
			6: ['42["v","hello","?8"]', 'an offset on volatile ' +
			    'events, too: so the last string is one'],
			14: ['42["v","hello","?9"]', 'as before'] } },
	'recovery-with-auth-and-middleware': { conf: recovery() + quiet,
		app: ['e'] },

	/* --- disconnection --- */
	'disconnect-by-client-websocket': { conf: quiet },
	'disconnect-by-tcp-reset': { conf: quiet },
	'disconnect-by-engine-close-websocket': { conf: quiet,
		acts: { 5: disconnect('conn 1', { reconnect: true }) },
		closes: { 5: 1012 } },
	'disconnect-by-engine-close-polling': { conf: quiet,
		differs: { 10: back },
		acts: { 10: disconnect('65LYiW5qi0RybvI7AAAh',
		    { reconnect: true }) } },
	'disconnect-by-server-namespace-websocket': { conf: quiet,
		acts: { 5: disconnect('conn 1') } },
	'disconnect-by-server-namespace-polling': { conf: quiet,
		acts: { 10: disconnect('uU9fCZvnosE9F2VuAAAf') } },
	'disconnect-by-server-close-websocket': { conf: quiet,
		acts: { 5: disconnect('conn 1', { close: true }) },
		closes: { 6: 1008 } },
	'disconnect-by-server-close-polling': { conf: quiet,
		acts: { 10: disconnect('6_xdT-BqOvMXk7XwAAAg',
		    { close: true }) } },
	'multiplex-disconnect-one': { conf: ns('/a',
	    'event "*" { to = nowhere }') + ns('/b', echoAck),
		acts: { 8: disconnect('conn 1', {}, '/a') },
		differs: { 10: ['43/b,0[]', echo] } },

	/* --- requests and limits --- */
	'cors-credentials': { conf: any + quiet + `cors {
	    origins = {"http://app.example"} methods = {"GET", "POST"}
	    credentials = true }\n` },
	'cors-off': { conf: any + quiet },
	'cors-wildcard': { conf: any + quiet + 'cors { origins = {"*"} }\n' },
	'unknown-sid': { conf: quiet },
	'cookie-and-path': { conf: quiet +
	    'socketio { path = "/rt" cookie = "io" }\n',
		differs: { 25: [{ status: 200, body: /^0\{/ },
		    'the path is served without its last slash, too'] } },
	'heartbeat-polling': { conf: quiet },
	'heartbeat-timeout-polling': { conf: quiet },
	'malformed-engineio-polling': { conf: quiet },
	'oversized-polling-client': { conf: quiet },
	'binary-event-polling': { conf: ns('/',
	    'event "bin" { to = sender meta = off as = "bin-back" }') },
	'disconnect-by-client-polling': { conf: quiet },
	'static-client': { conf: quiet + `client_bundle = "${bundle}"\n`,
		also: { ...Object.fromEntries([1, 4, 7, 10].map((i) =>
		    [i, { vary: 'Accept-Encoding' }])),
			7: { 'cache-control': 'public, max-age=0',
				vary: 'Accept-Encoding' } },
		why: 'an entity tag is of the file, not of the release; ' +
		    'all is said to depend on Accept-Encoding' },

	/* --- what clients make of servers: the capture's server was made to
	 * misbehave; roostd does what it can be told to, and not the rest --- */
	'client-connect-errors': { conf: quiet },
	'client-reactions': { conf: quiet, rebind: true, acts: {
		...Object.fromEntries([5, 22, 39, 56, 73].map((i) => [i,
		    disconnect('conn 1', { reconnect: true })])),
		161: disconnect('conn 1'),
		170: disconnect('conn 1', { close: true }) },
		differs: { ...Object.fromEntries([5, 22, 39, 56, 73].map((i) =>
		    [i, close(1012, 'it closes with 1012 to be come back to')])),
		171: close(1008),
		...none(raw, 105, 115, 125, 143, 179, 188, 198, 208, 226, 244),
		} },
	'client-reactions-polling': { conf: quiet, rebind: true, differs: {
		...Object.fromEntries([1, 16, 33, 47, 64, 79, 96, 116, 128]
		    .map((i) => [i, [{ status: 200,
			body: load('client-reactions-polling').events[i].data
			    .replace('"upgrades":[]', '"upgrades":["websocket"]') },
		    'upgrades are on']])),
		...none(raw, 10, 73, 105),
		125: back,
		44: [{ status: 400, body: '{"code":1,"message":' +
		    '"Session ID unknown"}' }, 'it went with its GET'] },
		acts: { 125: disconnect('AAAAAAAAAAAAAAAAAAAA',
		    { reconnect: true }) } },
};

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

for (const [name, how] of Object.entries(table)) {
	test(`captured: ${name}`, async () => {
		const f = load(name);
		const d = await Daemon.start({ workers: 1, conf:
		    options(f.server_options) + backend + how.conf });
		const p = new Player(d, f, how);
		const n = await p.play();
		assert.ok(n > 2 || how.few, `${n} compared`);
		await (p.ended ?? d.stop());
	});
}

/*
 * Malformed packets, a connection for each: does it stay open?  As captured,
 * but for these.
 */
const verdicts = {
	'frame "1"': 'the close packet is taken on WebSocket, too',
	'"4299999999999999999999[\\"a\\"]"': 'a number too large for an id',
	'event sent immediately after CONNECT in the same tick':
		'CONNECT is done at once, so that it is no error',
};

const started = {};
for (const name of ['malformed-engineio', 'malformed-socketio']) {
	const list = cases(load(name));
	list.forEach((c, i) => {
		test(`${name} ${i + 1}: ${c.note}`, async () => {
			const d = started[name] ??= await Daemon.start({
				workers: 1, conf: options() + quiet });
			const code = await playCase(d, c);
			const open = c.note in verdicts ? !c.open : c.open;
			assert.equal(code === null, open,
			    code === null ? 'stayed open' : `closed ${code}`);
			if (code !== null)
				assert.ok([1000, 1002, 1003, 1005, 1007, 1008]
				    .includes(code), `code ${code}`);
		});
	});
	test(`${name}: the daemon took no harm`, async () => {
		await started[name].stop();
	});
}

/*
 * Captures that show no exchange.
 */
/* A proxy that can fall silent in one direction. */
async function mute(port) {
	const p = { silent: false };
	p.server = net.createServer((c) => {
		const s = net.connect(port, '127.0.0.1');
		c.on('data', (b) => s.write(b));
		s.on('data', (b) => p.silent || c.write(b));
		for (const [a, b] of [[c, s], [s, c]]) {
			a.on('error', () => {});
			a.on('close', () => b.destroy());
		}
	});
	await new Promise((ok) => p.server.listen(0, '127.0.0.1', ok));
	return p;
}

const alone = {
	'heartbeat-timeout-client': ['the client is the real one, and finds ' +
	    'roostd silent', async () => {
		const d = await Daemon.start({ workers: 1, conf: quiet +
		    'heartbeat { interval = 1s timeout = 1s }\n' });
		const proxy = await mute(d.port);
		const s = io(`http://127.0.0.1:${proxy.server.address().port}`, {
			transports: ['websocket'], reconnectionDelay: 50 });
		const event = (n) => within(new Promise((ok) => s.once(n, ok)),
		    n, 10000);
		await event('connect');
		const before = s.id;
		proxy.silent = true;
		assert.equal(await event('disconnect'), 'ping timeout');
		proxy.silent = false;
		await event('connect');
		assert.notEqual(s.id, before);
		s.close();
		proxy.server.close();
		await d.stop();
	}],
	'client-backoff': ['roostd refuses before the handshake, so that ' +
	    'clients back off', async () => {
		const d = await Daemon.start({ workers: 1, conf: quiet +
		    'limits { connections = 1 }\n' });
		const w = await Ws.must(d.port,
		    '/socket.io/?EIO=4&transport=websocket');
		const s = io(`http://127.0.0.1:${d.port}`, {
			transports: ['websocket'], reconnectionDelay: 100,
			randomizationFactor: 0 });
		const at = [];
		s.io.on('reconnect_attempt', () => at.push(Date.now()));
		await until(() => at.length >= 4, 'attempts', 10000);
		/* 100, 200, 400: the counter is not reset */
		assert.ok(at[3] - at[2] >= 350, `${at.map((t) => t - at[0])}`);
		w.drop();
		s.close();
		await d.stop();
	}],
};
for (const [name, [why, f]] of Object.entries(alone))
	test(`captured: ${name} (${why})`, f);

/* --- nothing is left out -------------------------------------------------- */

/* by other files, with what only they know */
const elsewhere = {
	'http-compression': '24_compression',
};
/* there is no Redis bridge: what is published there is Socket.IO packets,
 * which tests/unit/test_vectors encodes and decodes */
const vectors = fs.readdirSync(path.join(fixtures, 'socketio'))
    .filter((f) => f.startsWith('redis-')).map((f) => f.slice(0, -5));

test('every capture is played', () => {
	const all = fs.readdirSync(path.join(fixtures, 'socketio'))
	    .filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5));
	assert.ok(all.length > 0, `no captures in ${fixtures}`);
	const played = [...Object.keys(table), ...Object.keys(alone),
		'malformed-engineio', 'malformed-socketio'];
	const others = [...Object.keys(elsewhere), ...vectors];
	assert.deepEqual([...played, ...others].sort(), all.sort());
});

after(() => {
	const rows = Object.entries(table);
	const differ = rows.filter(([, h]) => h.differs || h.why || h.closes);
	console.log(`${rows.length + 4} captures played, ${
		differ.length + 4} of them with stated differences; ${
		vectors.length} as vectors, ${
		Object.keys(elsewhere).length} in other files`);
	for (const [n, h] of differ)
		console.log(`  ${n}: ${[...new Set([
			...Object.entries(h.differs ?? {})
			    .map(([i, [, why]]) => `${i}: ${why}`),
			...Object.keys(h.closes ?? {}).map((i) =>
			    `${i}: ${codes}`), ...(h.why ? [h.why] : [])])]
			.join('; ')}`);
	for (const [n, [why]] of Object.entries(alone))
		console.log(`  ${n}: ${why}`);
	for (const [n, why] of Object.entries(verdicts))
		console.log(`  malformed: ${n}: ${why}`);
	for (const n of vectors)
		console.log(`  ${n}: as vectors; nothing here speaks Redis`);
	for (const [n, where] of Object.entries(elsewhere))
		console.log(`  ${n}: in ${where}`);
});
