/*
 * Behind a proxy: whose request it is, by what trusted_proxies lets it say.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { Daemon, roostd, tempdir, until, within } from './lib/daemon.mjs';
import { Polling, request, taken } from './lib/polling.mjs';
import { Sock, Ws, engine } from './lib/wire.mjs';
import { echo, jwt } from './lib/conf.mjs';

const ours = 'trusted_proxies = {"127.0.0.0/8", "10.0.0.0/8"}\n';
const from = (list, more = {}) => ({ headers: { 'x-forwarded-for': list,
	...more } });
const start = (conf, opts = {}) => Daemon.start({ workers: 1,
	conf: conf + echo, ...opts });
const ws = (d, opts) => Ws.open(d.port, '/ws', opts);

test('per_address counts clients, not the proxy', async () => {
	const d = await start(`${ours}limits { per_address = 2 }\n`);
	const all = [];
	for (const list of ['192.0.2.1', '9.9.9.9, 192.0.2.1',
		'[2001:db8::1]:99', '2001:db8::2', '192.0.2.2, 10.0.0.7',
		'192.0.2.2:5'])
		all.push(await engine(d.port, from(list)));
	for (const list of ['192.0.2.1', '2001:db8::3', 'a, 192.0.2.2']) {
		const w = await ws(d, from(list));
		assert.equal(w.refused?.status, 429, list);
	}
	await d.counts('connections_refused', 3, 'address');
	await all.shift().bye();
	await until(async () => {
		const w = await ws(d, from('192.0.2.1'));
		if (!w.refused)
			all.push(w);
		return !w.refused;
	}, 'there is room again');
	all.forEach((w) => w.drop());
	await d.stop();
});

test('a connection of the proxy brings the requests of many', async () => {
	const d = await start(`${ours}limits { per_address = 1 }\n`);
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	for (let i = 0; i < 30; i++)
		assert.equal((await request(d.port, 'GET', '/livez', { agent,
			...from(`192.0.2.${i % 3}`) })).status, 200);
	/* idle ones are nobody's */
	const idle = [];
	for (let i = 0; i < 4; i++) {
		const s = await Sock.open(d.port);
		s.send('GET /livez HTTP/1.1\r\nHost: a\r\n' +
		    'X-Forwarded-For: 192.0.2.1\r\n\r\n');
		assert.equal((await s.response()).status, 200);
		idle.push(s);
	}
	/* three clients' polls at once over their own, all in one address */
	const polls = [];
	for (const i of [1, 2, 3]) {
		const p = await Polling.open(d.port, { agent,
			...from(`192.0.2.${i}`) });
		polls.push(p);
	}
	await assert.rejects(Polling.open(d.port, { agent,
		...from('192.0.2.1') }), /429/);
	await d.counts('eio_polling', 3);
	agent.destroy();
	idle.forEach((s) => s.close());
	await d.stop();
});

test('who is not trusted is believed nothing', async () => {
	const d = await start('trusted_proxies = {"10.0.0.0/8", "unix:"}\n' +
	    'limits { per_address = 2 }\n' +
	    'socketio { cookie = "io" }\n');
	const all = [];
	for (let i = 0; i < 2; i++)
		all.push(await engine(d.port, from(`192.0.2.${i}`)));
	assert.equal((await ws(d, from('192.0.2.9'))).refused?.status, 429);
	all.forEach((w) => w.drop());
	await until(async () => await d.metric('connections_open') <= 1, 'gone');
	const { headers } = (await Polling.open(d.port, from('192.0.2.1',
	    { 'x-forwarded-proto': 'https' }))).response;
	assert.doesNotMatch(headers['set-cookie'][0], /Secure/);
	assert.equal((await ws(d, { host: 'b.example', ...from('192.0.2.1',
	    { 'X-Forwarded-Host': 'a.example',
		Origin: 'http://a.example' }) })).refused?.status, 403);
	assert.match(await until(() => d.log.match(/refused what=origin .*/)?.[0],
	    'a line'), /address=127\.0\.0\.1:\d+ .*host="b\.example"/);
	await d.stop();
});

test('rates by address are the clients\'', async () => {
	const d = await start(`${ours}${jwt}
rate connects { allow = 1/1h burst = 2 }
rate auth_failures { allow = 1/1h burst = 1 }
api { key "a" { sha256 = "${'0'.repeat(64)}" allow = {publish} } }\n`);
	for (const [who, statuses] of [['192.0.2.1', [101, 101, 429]],
		['192.0.2.2', [101, 101, 429]]])
		for (const status of statuses) {
			const w = await ws(d, from(who));
			assert.equal(w.response.status, status);
			w.drop();
		}
	const guess = async (who) => (await request(d.port, 'POST',
	    '/api/v1/publish', { body: '{}', headers: {
		    authorization: 'Bearer x', 'x-forwarded-for': who } })).status;
	assert.equal(await guess('192.0.2.1'), 401);
	assert.equal(await guess('192.0.2.1'), 429);
	assert.equal(await guess('192.0.2.2'), 401);
	await d.logged(/refused what=key address=192\.0\.2\.1 /);
	await d.stop();
});

for (const [name, header, proto, host, both] of [
	['X-Forwarded-*', 'x_forwarded_for', { 'x-forwarded-proto': 'https' },
		{ 'x-forwarded-host': 'a.example' },
		{ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.example' }],
	['Forwarded', 'forwarded', { forwarded: 'for=192.0.2.1;proto=https' },
		{ forwarded: 'for="[2001:db8::1]:5";host=a.example' },
		{ forwarded: 'for=192.0.2.1;proto=https;host="a.example"' }],
])
	test(`${name}: scheme and host are the client's`, async () => {
		const d = await start(`${ours}proxy_header = ${header}
hosts = {"a.example"}
socketio { cookie = "io" }\n`);
		const cookie = async (headers) => (await Polling.open(d.port,
		    { headers })).response.headers['set-cookie'][0];
		assert.match(await cookie(proto), /; Secure/);
		assert.doesNotMatch(await cookie({}), /Secure/);
		const asks = async (headers, origin, at = 'backend') =>
			(await ws(d, { host: at, headers: { ...headers,
				...(origin ? { Origin: origin } : {}) } }))
			    .response.status;
		assert.equal(await asks({}), 421);
		assert.equal(await asks(host), 101);
		assert.equal(await asks(host, 'http://a.example'), 101);
		assert.equal(await asks(host, 'http://b.example'), 403);
		assert.equal(await asks(both, 'https://a.example'), 101);
		/* over TLS only a page over TLS is the same */
		assert.equal(await asks(both, 'http://a.example'), 403);
		await d.stop();
	});

test('who comes over a Unix socket is a proxy by unix:', async () => {
	const dir = tempdir();
	const at = `${dir}/roost.sock`;
	const d = await start(`listen "unix:${at}" {}
trusted_proxies = {"unix:"}
limits { per_address = 1 }\n`);
	const upgrade = (list) => new Promise((ok, no) => {
		const s = net.connect(at, () => s.write(Ws.request('/ws',
		    from(list))));
		s.on('error', no);
		s.once('data', (b) => ok([s, Number(String(b).split(' ')[1])]));
	});
	const all = [];
	for (const [list, want] of [['192.0.2.1', 101], ['192.0.2.1', 429],
		['192.0.2.2', 101]]) {
		const [s, status] = await within(upgrade(list), 'an answer');
		assert.equal(status, want, list);
		all.push(s);
	}
	all.forEach((s) => s.destroy());
	await d.stop();
});

/* What roostctl tells of an address, once that is like this. */
async function why(d, address, like) {
	let out = '';
	await until(async () => {
		out = await new Promise((ok) => execFile(path.join(
		    path.dirname(roostd), 'roostctl'), ['-p', String(d.pid),
			'why', `address:${address}`], (e, text) => ok(text)));
		return like.test(out);
	}, `why ${address} to say ${like}`).catch((e) => {
		throw new Error(`${e.message}\n${out}`);
	});
	return out;
}

test('what is told of a client has its address', async () => {
	const d = await start(`listen "127.0.0.1:0" { proxy_protocol = v1 }
${ours}log_connections = both
limits { per_address = 1 }\n`);
	const w = await engine(d.port, from('192.0.2.1'));
	const p = await Polling.open(d.port, from('192.0.2.2:77'));
	await p.post('40', from('192.0.2.2:78'));
	for (const like of [/conn_open kind=websocket .*address=192\.0\.2\.1 /,
		/conn_open kind=polling .*address=192\.0\.2\.2:77 /])
		await until(() => like.test(d.log), `${like}: ${d.log}`);
	/* each of those who are refused, one after the other */
	for (const i of [1, 3, 4])
		assert.equal((await ws(d, from(`192.0.2.${i}`, i === 1 ? {} :
			{ Origin: 'http://evil.example' }))).response.status,
		i === 1 ? 429 : 403);
	await assert.rejects(Polling.open(d.port, from('192.0.2.2')), /429/);
	w.drop();
	await p.post('1');
	await until(() => /conn_end kind=websocket .*address=192\.0\.2\.1 /
	    .test(d.log), 'its end');
	await until(() => /conn_end kind=polling .*address=192\.0\.2\.2:77 /
	    .test(d.log), 'the end of the session');
	await why(d, '192.0.2.1', /opened, websocket.* from 192\.0\.2\.1 \([^]* refused: limit[^]*closed by/);
	await why(d, '192.0.2.2', /opened, polling.* from 192\.0\.2\.2:77 [^]* refused: limit[^]*closed by/);
	/* a connection that ends with its last answer */
	assert.equal((await Ws.open(d.port, '/socket.io/?EIO=3&transport=websocket',
	    from('192.0.2.5'))).response.status, 400);
	await until(() => /conn_end kind=http .*reason=http_bad .*address=192\.0\.2\.5$/m
	    .test(d.log), `its end: ${d.log}`);
	/* refused before it could ask */
	const all = [];
	for (const status of [101, 429]) {
		const s = await Sock.open(d.ports[1]);
		s.send(`PROXY TCP4 192.0.2.6 192.0.2.7 5 6\r\n${
		    Ws.request('/ws')}`);
		assert.equal((await s.response()).status, status);
		all.push(s);
	}
	await why(d, '192.0.2.6', / refused: limit from 192\.0\.2\.6:5 /);
	all.forEach((s) => s.close());
	for (const i of [3, 4])
		await why(d, `192.0.2.${i}`, / refused: origin from 192\.0\.2\.\d \(/);
	assert.doesNotMatch(await why(d, '127.0.0.1', /(?:)/), /from/);
	await d.stop();
});

test('clients keep their addresses over a reload', async () => {
	const d = await start(`${ours}limits { per_address = 2 }
rate messages { allow = 1/1h burst = 3 per = address }\n`);
	const w = await engine(d.port, from('192.0.2.1'));
	const p = await Polling.open(d.port, from('192.0.2.2'));
	const come = await taken(d, 'eio_gets');
	const held = p.get({ ms: 20000 });
	await come();
	process.kill(d.pid, 'SIGHUP');
	/* in the middle of it a client is counted by both for a moment */
	await until(() => / turned /.test(d.log), 'the turn');
	const other = await engine(d.port, from('192.0.2.1'));
	assert.equal((await ws(d, from('192.0.2.1'))).refused?.status, 429);
	assert.equal((await ws(d, from('192.0.2.3'))).response.status, 101);
	w.drop();
	other.drop();
	held.abort();
	await d.stop();
});

test('a proxy that is not trusted is told of, once', async () => {
	for (const [conf, froms, told] of [
		['limits { per_address = 1000 }', ['1'], 1],
		['rate messages { allow = 99/1s per = address }', ['1'], 1],
		['', ['1'], 0],
		['limits { per_address = 1000 } trusted_proxies = {"10.0.0.1"}',
			['1'], 0],
		['limits { per_address = 1000 }', ['1', '2'], 0]]) {
		const d = await start(`${conf}\n`);
		for (let i = 0; i < 45; i++)
			(await Ws.must(d.port, '/ws', { localAddress:
			    `127.0.0.${froms[i % froms.length]}` })).drop();
		await d.stop();
		assert.equal(d.log.split('proxy_not_trusted').length - 1, told,
		    conf);
		if (told)
			await d.logged(/proxy_not_trusted address=127\.0\.0\.1 handshakes=20 .*directive=trusted_proxies/);
	}
});

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
test('the name of a request: a trusted proxy\'s, or one made here', async () => {
	const d = await start(`${ours}log_connections = both
api { key "a" { sha256 = "${'0'.repeat(64)}" allow = {publish} } }\n`);
	const made = /^[0-9a-f]{32}$/;
	const seen = new Set();
	for (const [headers, want] of [
		[{}, made], [{ 'x-request-id': 'Ab-1_2.3:4+5/6=@' },
			/^Ab-1_2\.3:4\+5\/6=@$/],
		[{ 'x-request-id': 'x'.repeat(64) }, /^x{64}$/],
		[{ 'x-request-id': 'x'.repeat(65) }, made],
		[{ 'x-request-id': 'a b' }, made], [{ 'x-request-id': '"' }, made],
		[{ 'x-request-id': ['a', 'b'] }, made],
		[{ traceparent: `00-${trace}-00f067aa0ba902b7-01` },
			new RegExp(`^${trace}$`)],
		[{ 'x-request-id': 'a', traceparent: `00-${trace}-00f067aa0ba902b7-01` },
			/^a$/],
		[{ traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` }, made],
		[{ traceparent: `00-${trace}-0000000000000000-01` }, made],
		[{ traceparent: `ff-${trace}-00f067aa0ba902b7-01` }, made],
		[{ traceparent: `00-${trace}-00f067aa0ba902b7-01-x` }, made],
		[{ traceparent: `00-${trace.toUpperCase()}-00f067aa0ba902b7-01` },
			made]]) {
		const r = await request(d.port, 'GET', '/livez', { headers });
		const id = r.headers['x-request-id'];
		assert.match(id, want, JSON.stringify(headers));
		assert.ok(!seen.has(id) || id === trace);
		seen.add(id);
	}
	const named = (id) => ({ headers: { 'X-Request-ID': id } });
	const w = await ws(d, named('upgraded'));
	assert.match(w.response.head, /\r\nX-Request-ID: upgraded(\r\n|$)/);
	w.drop();
	await until(() => /conn_open .*request="upgraded"/.test(d.log), 'a record');
	assert.equal((await ws(d, { headers: { 'X-Request-ID': 'refused',
		Origin: 'http://evil.example' } })).response.status, 403);
	await until(() => /what=origin .*request="refused"/.test(d.log), 'a line');
	/* responses that come later */
	const p = await Polling.open(d.port, named('opened'));
	assert.equal(p.response.headers['x-request-id'], 'opened');
	const held = p.get(named('held'));
	const r = await p.post('40', named('posted'));
	assert.equal(r.headers['x-request-id'], 'posted');
	assert.equal((await held).headers['x-request-id'], 'held');
	await d.stop();
	const e = await start('');
	assert.match((await request(e.port, 'GET', '/livez', named('a')))
	    .headers['x-request-id'], made);
	await e.stop();
});
