/*
 * The ways in which a client ends, each brought about as it happens: what is
 * told of it, by whomever, is to be true of all of them.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';

import { until } from './daemon.mjs';
import { jwt } from './conf.mjs';
import { now, user } from './token.mjs';
import { OP, Sock, Ws, closePayload, frame } from './wire.mjs';

const key = 'the-end-of-it-all';
const basic = `${jwt}
log_connections = both
api { key "k" { sha256 = "${createHash('sha256').update(key).digest('hex')}"
    allow = {"publish", "disconnect", "revoke"} } }
# by bytes, not by time: it has been slow before
limits { message_bytes = 20000B send_queue_bytes = 64KB close_timeout = 300ms
    slow_consumer_timeout = 1m handshake_timeout = 2s }
rate "strict" { per = connection allow = 1/1m strikes = 2 }
`;
const space = (more = '') => `namespace "/s" { auth = optional ${more}
    room "flood" { join = open }
    event "n" { to = room:room meta = off self = true }
    event "slowly" { to = sender rate = strict } }
`;
export const conf = basic + space();
const with_ = (s) => conf.replace('limits {', `${s}\nlimits {`);

/* Another configuration, which takes effect. */
export async function reload(d, text) {
	const times = () => d.log.split(' reloaded ').length;
	const before = times();
	const own = fs.readFileSync(d.file, 'utf8')
	    .match(/^(listen|stats) .*\n/gm).slice(0, 2).join('');
	fs.writeFileSync(d.file, own + text);
	d.child.kill('SIGHUP');
	await until(() => times() > before, 'the reload');
}

export const enter = (d, name, claims = {}) => Ws.must(d.port,
    `/ws/s?token=${user(name, claims)}`);

async function api(d, what, body) {
	const r = await fetch(d.url(`/api/v1/${what}`), { method: 'POST',
		headers: { authorization: `Bearer ${key}`,
			'content-type': 'application/json' },
		body: JSON.stringify(what === 'revoke' ? body :
		    { namespace: 's', ...body }) });
	if (r.status !== 200)
		throw new Error(await r.text());
}

async function flood(d, w) {
	await w.ack({ event: 'room:join', data: { room: 'flood' }, id: 1 });
	w.s.sock.pause();
	const dead = () => w.s.sock.destroyed;
	const before = await d.metric('clients_closed', 'slow_consumer');
	/* Megabytes, until the kernel takes no more; and then less at a time
	 * than half of what may wait, beyond which it is slow. */
	const some = () => Promise.all([1, 2, 3].map(() => api(d, 'publish',
	    { room: 'flood', event: 'n', data: 'x'.repeat(10000) })));
	await until(async () => {
		await some();
		return dead() || await d.metric('clients_closed',
		    'slow_consumer') > before;
	}, 'slow consumer', 60000);
}

/*
 * name	of the end, and of the user
 * conf	of its own daemon; absent: the usual one, which serves several
 * act(d, w) ends it; kills: the daemon may not mind
 * want	what is told: reason, by, code
 */
export const ends = [
	{ name: 'close', act: (d, w) => w.send(frame(OP.close,
	    closePayload(1000))),
		want: { by: 'client', reason: 'client_close', code: '1000' } },
	{ name: 'close-away', act: (d, w) => w.send(frame(OP.close,
	    closePayload(1001))),
		want: { by: 'client', reason: 'client_close', code: '1001' } },
	{ name: 'reset', act: (d, w) => w.s.reset(),
		want: { by: 'network', reason: 'client_reset', code: '1006' } },
	{ name: 'fin', act: (d, w) => w.s.sock.end(),
		want: { by: 'client', reason: 'client_gone', code: '1006' } },
	{ name: 'silent', conf: with_('heartbeat { interval = 1s timeout = 1s }'),
		act: () => {},
		want: { by: 'us', reason: 'ping_timeout', code: '1001' } },
	{ name: 'slow', act: flood,
		conf: with_('heartbeat { interval = 5m timeout = 5m }'),
		want: { by: 'us', reason: 'slow_consumer', code: '1006' } },
	{ name: 'large', act: (d, w) => w.text(JSON.stringify({ event: 'n',
		data: { room: 'flood', text: 'x'.repeat(30000) } })),
		want: { by: 'us', reason: 'ws_too_big', code: '1009' } },
	{ name: 'protocol', act: (d, w) => w.send(frame(3, 'x')),
		want: { by: 'us', reason: 'ws_protocol', code: '1002' } },
	{ name: 'rate', act: (d, w) => {
		for (let i = 0; i < 4; i++)
			w.json({ event: 'slowly', data: { i } });
	}, want: { by: 'us', reason: 'too_many_requests', code: '1008' } },
	{ name: 'kicked', act: (d) => api(d, 'disconnect', { user: 'kicked',
		close: true }),
		want: { by: 'us', reason: 'kicked', code: '1008' } },
	{ name: 'revoked', act: (d) => api(d, 'revoke', { user: 'revoked',
		for: 60 }),
		want: { by: 'us', reason: 'revoked', code: '1008' } },
	{ name: 'expired', claims: () => ({ exp: now() + 1 }), conf:
	    with_('auth_warning = 0s').replace('jwt {', 'jwt { leeway = 0s'),
		act: () => {},
		want: { by: 'us', reason: 'auth_expired', code: '1008' } },
	{ name: 'rights', conf, act: (d) => reload(d, basic +
	    space('roles = {"teacher"}')),
		want: { by: 'us', reason: 'rights_lost', code: '1008' } },
	{ name: 'old', conf: with_('max_connection_age = 1s'), act: () => {},
		want: { by: 'us', reason: 'aged', code: '1001' } },
	{ name: 'shutdown', conf, last: true, act: (d) => d.stop(),
		want: { by: 'us', reason: 'shutdown', code: '1001' } },
	{ name: 'drain', conf: with_('drain_time = 1s'), last: true,
		act: (d) => d.stop({ signal: 'SIGQUIT' }),
		want: { by: 'us', reason: 'restart', code: '1012' } },
	{ name: 'killed', conf, killed: true, act: (d) => {
		d.mayDie = true;
		process.kill(d.worker(1).pid, 'SIGKILL');
	}, want: { by: 'us', reason: 'worker_died' } },
];

/* No client yet: the request never ends. */
export async function dawdle(d) {
	const s = await Sock.open(d.port);
	s.send('GET /ws/s HTTP/1.1\r\nHost: x\r\n');
	await s.end();
}

/* The lines of the log about an event: [{ event, key: value ... }]. */
export const records = (log, event) => log.split('\n')
    .map((l) => l.match(new RegExp(`: (${event}( .*)?)$`))?.[1])
    .filter((l) => l !== undefined)
    .map((l) => Object.fromEntries([['event', event],
	...[...l.matchAll(/ ([a-z_]+)=(?:"([^"]*)"|(\S+))/g)]
	    .map((m) => [m[1], m[2] ?? m[3]])]));
