/*
 * SockJS by hand, as its protocol's own tests (sockjs-protocol 0.3.3) look at a
 * server: cases of the same names, for an application whose messages are JSON.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { connect, plain } from './lib/clients.mjs';
import { Daemon, until, within } from './lib/daemon.mjs';
import { mint, now, secret } from './lib/token.mjs';
import { ask, begin, post, send, session } from './lib/sockjs.mjs';

const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const KEY = 'backend-key-of-the-test';
const SCRIPT = 'https://cdn.example/sockjs.min.js';
const conf = (more) => `
jwt { secret = "${secret}" cookie = "token" }
allowed_origins = {"http://test.example", "null"}
sockjs { response_bytes = 4KiB disconnect_delay = 700ms ${more} }
api { key "b" { sha256 = "${sha(KEY)}" allow = {"publish", "disconnect"} } }
namespace "/" { auth = none sockjs = true event "message" { to = sender meta = off } }
namespace "/chat" { auth = optional sockjs = true
    room "r:{id}" { join = open }
    event "say" { to = room:room self = true member = off ack = accepted } }
namespace "/user" { auth = required sockjs = true
    event "me" { to = sender } }
namespace "/off" { auth = none }
route "/echo" { namespace = "/" format = bare sockjs = true }
route "/plain" { namespace = "/" format = bare }
route "/in/{room}" { namespace = "/chat" join = "r:{room}" sockjs = true }
`;
let d, other;
before(async () => {
	[d, other] = await Promise.all([
		Daemon.start({ workers: 3, conf: conf(`client_url = "${SCRIPT}"`) }),
		Daemon.start({ conf: conf('cookie = true websocket = false') })]);
});
after(() => Promise.all([d.stop(), other.stop()]));

const base = (p = '/echo') => d.url(p);
const fresh = (p) => base(p) + session();
const NOT_CACHED = 'no-store, no-cache, no-transform, must-revalidate, max-age=0';
function notCached(r) {
	assert.equal(r.headers['cache-control'], NOT_CACHED);
	assert.ok(!r.headers.expires && !r.headers['last-modified']);
}
const type = (r, t) => assert.equal(
    r.headers['content-type']?.replaceAll(' ', ''), t);
function cors(r, origin) {
	assert.equal(r.headers['access-control-allow-origin'], origin);
	assert.equal(r.headers['access-control-allow-credentials'], 'true');
}
const says = async (p, text) => {
	const r = await p;
	assert.equal(r.status, 200);
	assert.equal(r.text, text);
};
/* What a session gets: as many messages as are wanted. */
async function gets(url, n) {
	const got = [];
	while (got.length < n) {
		const r = await post(`${url}/xhr`);
		assert.match(r.text, /^a\[.*\]\n$/);
		got.push(...JSON.parse(r.text.slice(1)));
	}
	return got;
}
async function options(url, allowed) {
	for (const origin of ['http://test.example', 'null']) {
		const r = await ask(url, { method: 'OPTIONS', headers: {
			Origin: origin, 'Access-Control-Request-Method': allowed } });
		assert.equal(r.status, 204);
		assert.match(r.headers['cache-control'], /public, max-age=[1-9]\d{6}/);
		assert.ok(Date.parse(r.headers.expires) > Date.now() + 1e10);
		assert.ok(Number(r.headers['access-control-max-age']) > 1e6);
		assert.equal(r.headers['access-control-allow-methods'], allowed);
		cors(r, origin);
	}
}
const kick = (ns) => fetch(d.url('/api/v1/disconnect'), { method: 'POST',
	headers: { Authorization: `Bearer ${KEY}`,
		'Content-Type': 'application/json' },
	body: JSON.stringify({ namespace: ns, all: true }) });

/* --- pages ----------------------------------------------------------------- */

test('BaseUrlGreeting', async () => {
	for (const url of [base(), base('/echo/'), base('/ws/chat'), base('/ws'),
		base('/in/1')]) {
		const r = await ask(url);
		type(r, 'text/plain;charset=UTF-8');
		assert.equal(r.text, 'Welcome to SockJS!\n');
		assert.equal(r.headers['set-cookie'], undefined);
	}
	for (const end of ['/a', '/a.html', '//', '///', '/a/a', '/a/a/', '/a/'])
		assert.equal((await ask(base() + end)).status, 404, end);
});

test('IframePage', async () => {
	let tag;
	for (const name of ['/iframe.html', '/iframe-a.html', '/iframe-.html',
		'/iframe-0.1.2abc-dirty.2144.html', '/iframe-a.html?t=12']) {
		const r = await ask(base() + name);
		assert.equal(r.status, 200, name);
		type(r, 'text/html;charset=UTF-8');
		assert.match(r.headers['cache-control'], /public, max-age=[1-9]\d{6}/);
		assert.ok(r.headers.expires && r.headers.etag);
		assert.ok(r.text.includes(`<script src="${SCRIPT}"></script>`));
		assert.match(r.text, /^<!DOCTYPE html>[^]*SockJS.bootstrap_iframe\(\);[^]*<\/html>$/);
		tag = r.headers.etag;
	}
	const r = await ask(`${base()}/iframe.html`,
	    { headers: { 'If-None-Match': tag } });
	assert.equal(r.status, 304);
	assert.equal(r.text + (r.headers['content-type'] ?? ''), '');
	for (const name of ['/iframe.htm', '/iframe', '/IFRAME.HTML', '/iframe.HTML',
		'/iframe.xml', '/iframe-/.html'])
		assert.equal((await ask(base() + name)).status, 404, name);
	assert.equal((await ask(other.url('/echo/iframe.html'))).status, 404,
	    'no script is known');
});

test('InfoTest', async () => {
	const r = await ask(`${base()}/info`,
	    { headers: { Origin: 'http://test.example' } });
	type(r, 'application/json;charset=UTF-8');
	notCached(r);
	cors(r, 'http://test.example');
	const info = JSON.parse(r.text);
	assert.deepEqual({ ...info, entropy: 0 }, { websocket: true,
		cookie_needed: false, origins: ['*:*'], entropy: 0 });
	assert.ok(Number.isInteger(info.entropy));
	assert.notEqual(JSON.parse((await ask(`${base()}/info`)).text).entropy,
	    info.entropy);
	await options(`${base()}/info`, 'OPTIONS, GET');
	const off = JSON.parse((await ask(other.url('/ws/chat/info'))).text);
	assert.equal(off.websocket, false);
	assert.equal(off.cookie_needed, true);
	assert.equal((await ask(`${base('/ws/off')}/info`)).status, 404);
	assert.equal((await ask(`${base('/plain')}/info`)).status, 404);
});

/* --- sessions -------------------------------------------------------------- */

test('SessionURLs', async () => {
	let r = crypto.randomUUID();
	for (const s of [`/a/a${r}`, `/_/_${r}`, `/1/${r}`,
		`/abcdefgh_i-j%20/abcdefg_i-j%20${r}`])
		await says(post(`${base() + s}/xhr`), 'o\n');
	for (const s of ['//', '/a./a', '/a/a.', '/./.', '/', '///']) {
		const u = `${base() + s}/xhr`;
		/* as it is written, dots and all */
		for (const method of ['GET', 'POST']) {
			const { port } = new URL(base());
			const res = await within(new Promise((ok) => http.request({
				port, host: '127.0.0.1', method, agent: false,
				path: u.slice(new URL(u).origin.length) }, (x) => {
				x.resume();
				ok(x);
			}).end()), 'response');
			assert.equal(res.statusCode, 404, `${method} ${s}`);
		}
	}
	/* the first part is for balancers alone */
	r = crypto.randomUUID();
	await says(post(`${base()}/000/${r}/xhr`), 'o\n');
	assert.equal((await send(`${base()}/000/${r}`, ['"a"'])).status, 204);
	await says(post(`${base()}/999/${r}/xhr`), 'a["\\"a\\""]\n');
});

test('Protocol', async () => {
	const url = fresh();
	await says(post(`${url}/xhr`), 'o\n');
	const sent = await send(url, ['"a"']);
	assert.equal(sent.status, 204);
	assert.equal(sent.text, '');
	await says(post(`${url}/xhr`), 'a["\\"a\\""]\n');
	assert.equal((await send(`${base()}/000/bad_session`, ['"a"'])).status, 404);
	const before = await d.metric('sockjs_receives');
	const waits = begin(`${url}/xhr`, { method: 'POST' });
	await d.counts('sockjs_receives', (n) => n > before);
	await until(async () => (await post(`${url}/xhr`)).text ===
	    'c[2010,"Another connection still open"]\n', 'a second one');
	assert.equal((await send(url, ['1'])).status, 204);
	const r = await waits;
	await r.end();
	assert.equal(r.text, 'a["1"]\n');
});

test('closeSession', async () => {
	const url = fresh('/in/close'), c = 'c[1008,"disconnected by the application"]\n';
	await says(post(`${url}/xhr`), 'o\n');
	const before = await d.metric('sockjs_receives');
	const waits = post(`${url}/xhr`);
	await d.counts('sockjs_receives', (n) => n > before);
	await kick('/chat');
	const r = await waits;
	const text = r.text.startsWith('a') ? (await post(`${url}/xhr`)).text : r.text;
	assert.equal(text, c);
	await says(post(`${url}/xhr`), c);
	assert.equal((await send(url, ['1'])).status, 404);
});

test('XhrPolling', async () => {
	await options(`${base()}/abc/abc/xhr`, 'OPTIONS, POST');
	await options(`${base()}/abc/abc/xhr_send`, 'OPTIONS, POST');
	const headers = { Origin: 'http://test.example' }, url = fresh();
	let r = await post(`${url}/xhr`, { headers });
	assert.equal(r.text, 'o\n');
	type(r, 'application/javascript;charset=UTF-8');
	cors(r, headers.Origin);
	notCached(r);
	r = await send(url, ['"x"'], headers);
	assert.equal(r.status, 204);
	type(r, 'text/plain;charset=UTF-8');
	cors(r, headers.Origin);
	notCached(r);
	r = await post(`${url}/xhr`, { headers });
	assert.equal(r.text, 'a["\\"x\\""]\n');
	cors(r, headers.Origin);
	assert.equal((await send(fresh(), ['"x"'])).status, 404);
	assert.equal((await ask(`${url}/xhr`)).status, 405);
	assert.equal((await ask(`${url}/xhr`)).headers.allow, 'OPTIONS, POST');
});

test('test_invalid_json', async () => {
	const url = fresh();
	await says(post(`${url}/xhr`), 'o\n');
	for (const [body, words] of [['["x', 'Broken JSON encoding.'],
		['', 'Payload expected.'], ['[1]', 'Broken JSON encoding.'],
		['{"a":"b"}', 'Broken JSON encoding.']]) {
		const r = await send(url, body);
		assert.equal(r.status, 500);
		assert.equal(r.text, words);
	}
	assert.equal((await send(url, ['"a"'])).status, 204);
	await says(post(`${url}/xhr`), 'a["\\"a\\""]\n');
});

test('test_content_types, test_sending_empty_frame', async () => {
	const url = fresh(), types = ['text/plain', 'T', 'application/json',
		'application/xml', '', 'application/json; charset=utf-8'];
	await says(post(`${url}/xhr`), 'o\n');
	assert.equal((await send(url, [])).status, 204);
	for (const t of types)
		assert.equal((await send(url, ['1'], { 'content-type': t })).status,
		    204, t);
	await says(post(`${url}/xhr`), `a[${types.map(() => '"1"')}]\n`);
	/* one message need not stand in an array */
	assert.equal((await send(url, '"2"')).status, 204);
	await says(post(`${url}/xhr`), 'a["2"]\n');
});

test('test_request_headers_cors', async () => {
	for (const [h, echo] of [['a, b, c', 'a, b, c'], ['', undefined]]) {
		const r = await ask(`${fresh()}/xhr`, { method: 'OPTIONS', headers: {
			Origin: 'http://test.example',
			'Access-Control-Request-Method': 'POST',
			'Access-Control-Request-Headers': h } });
		assert.equal(r.headers['access-control-allow-headers'], echo);
		cors(r, 'http://test.example');
	}
});

test('XhrStreaming', async () => {
	await options(`${base()}/abc/abc/xhr_streaming`, 'OPTIONS, POST');
	const url = fresh(), r = await begin(`${url}/xhr_streaming`, {
		method: 'POST', headers: { Origin: 'http://test.example' } });
	type(r, 'application/javascript;charset=UTF-8');
	cors(r, 'http://test.example');
	notCached(r);
	assert.equal(r.headers['transfer-encoding'], 'chunked');
	let all = `${'h'.repeat(2048)}\no\n`;
	await r.says(all);
	assert.equal((await send(url, ['"x"'])).status, 204);
	await r.says(all += 'a["\\"x\\""]\n');
	/* 4 KiB, and the next one is asked for */
	const msg = JSON.stringify('x'.repeat(126));
	for (let i = 0; i < 32 && !r.ended; i++) {
		assert.equal((await send(url, [msg])).status, 204);
		await r.says(all += `a[${JSON.stringify(msg)}]\n`);
	}
	await r.end();
	const next = await begin(`${url}/xhr_streaming`, { method: 'POST' });
	await next.says(`${'h'.repeat(2048)}\n`);
	assert.equal((await send(url, ['"x"'])).status, 204);
	await next.says(`${'h'.repeat(2048)}\na["\\"x\\""]\n`);
	next.close();
});

test('EventSource', async () => {
	const url = fresh(), r = await begin(`${url}/eventsource`);
	type(r, 'text/event-stream');
	notCached(r);
	let all = '\r\ndata: o\r\n\r\n';
	await r.says(all);
	await send(url, ['"x"']);
	await r.says(all += 'data: a["\\"x\\""]\r\n\r\n');
	await send(url, ['"  \\u0000\\n\\r "']);
	await r.says(all += 'data: a["\\"  \\\\u0000\\\\n\\\\r \\""]\r\n\r\n');
	const msg = JSON.stringify('x'.repeat(4096));
	await send(url, [msg]);
	await r.says(all += `data: a[${JSON.stringify(msg)}]\r\n\r\n`);
	await r.end();
});

test('HtmlFile', async () => {
	const url = fresh(), r = await begin(`${url}/htmlfile?c=%63allback`);
	type(r, 'text/html;charset=UTF-8');
	notCached(r);
	await until(() => r.text.includes('p("o")'), 'o');
	const [head, rest] = r.text.split('\r\n\r\n');
	assert.match(head, /^<!doctype html>\n<html>[^]*var c = parent\.callback;\n/);
	assert.ok(head.length > 1024);
	assert.equal(rest, '<script>\np("o");\n</script>\r\n');
	let all = r.text;
	await send(url, ['"x"']);
	await r.says(all += '<script>\np("a[\\"\\\\\\"x\\\\\\"\\"]");\n</script>\r\n');
	/* what a stranger wrote does not end the script */
	await send(url, ['"</script><b>"', '2']);
	await until(() => r.text.length > all.length, 'more');
	const text = r.text.slice(all.length);
	const js = text.match(/^<script>\np\((".*")\);\n<\/script>\r\n$/)[1];
	assert.ok(!js.includes('<'));
	assert.deepEqual(JSON.parse(JSON.parse(js).slice(1)),
	    ['"</script><b>"', '2']);
	await send(url, [JSON.stringify('x'.repeat(4096))]);
	await r.end();
	for (const [q, words] of [['', '"callback" parameter required'],
		['?c=%20', 'invalid "callback" parameter'], ['?c=*', 'invalid'],
		['?c=abc(', 'invalid'], ['?c=abc%28', 'invalid']]) {
		const bad = await ask(`${base()}/a/a/htmlfile${q}`);
		assert.equal(bad.status, 500);
		assert.ok(bad.text.includes(words));
	}
});

test('JsonPolling is none of ours', async () => {
	for (const p of ['/jsonp?c=x', '/jsonp_send'])
		assert.equal((await post(fresh() + p, { body: 'd=%5B%5D' })).status, 404);
	assert.equal((await ask(`${fresh()}/jsonp?c=x`)).status, 404);
});

test('JsessionidCookie', async () => {
	const url = () => other.url('/echo') + session();
	for (const [p, method] of [['/xhr', 'POST'], ['/xhr_streaming', 'POST'],
		['/eventsource', 'GET'], ['/htmlfile?c=x', 'GET']]) {
		let r = await begin(url() + p, { method });
		assert.deepEqual(r.headers['set-cookie'], ['JSESSIONID=dummy; Path=/']);
		r.close();
		r = await begin(url() + p, { method,
			headers: { Cookie: 'JSESSIONID=abcdef' } });
		assert.deepEqual(r.headers['set-cookie'], ['JSESSIONID=abcdef; Path=/']);
		r.close();
	}
	assert.equal((await ask(other.url('/echo/info'))).headers['set-cookie'],
	    undefined);
	const s = url();
	await post(`${s}/xhr`);
	assert.deepEqual((await send(s, [])).headers['set-cookie'],
	    ['JSESSIONID=dummy; Path=/']);
	for (const p of ['/websocket', '/0/0/websocket'])
		assert.equal((await ask(other.url(`/echo${p}`))).status, 404);
});

/* --- WebSocket ------------------------------------------------------------- */

/* got: texts; code: of the end. */
function socket(url, opts) {
	const w = new WebSocket(url.replace('http', 'ws'), opts);
	w.got = [];
	w.on('message', (m) => w.got.push(m.toString()));
	w.on('close', (code, why) => { w.code = code; w.why = why.toString(); });
	w.on('error', (e) => { w.error = e; });
	w.heard = (...all) => until(() => w.got.length >= all.length,
	    () => `${all}, not ${w.got}`).then(() => assert.deepEqual(w.got, all));
	return w;
}

test('WebsocketHttpErrors', async () => {
	assert.equal((await ask(`${base()}/0/0/websocket`)).status, 400);
	assert.equal((await post(`${base()}/0/0/websocket`)).status, 405);
	const raw = net.connect(d.port, '127.0.0.1');
	raw.write('GET /echo/0/0/websocket HTTP/1.1\r\nHost: x\r\n' +
	    'Upgrade: WebSocket\r\nConnection: close\r\n\r\n');
	let text = '';
	raw.on('data', (b) => { text += b; });
	await until(() => /^HTTP\/1.1 400/.test(text), '400');
	raw.destroy();
});

test('Websocket', async () => {
	const url = `${fresh()}/websocket`;
	const w = socket(url);
	await w.heard('o');
	for (const m of ['', '[]', '["1"]', '"2"'])
		w.send(m);
	await w.heard('o', 'a["1"]', 'a["2"]');
	/* the same id once more is another session */
	const again = socket(url);
	await again.heard('o');
	again.send('["3"]');
	await again.heard('o', 'a["3"]');
	w.close();
	again.close();
	const bad = socket(`${fresh()}/websocket`);
	await bad.heard('o');
	bad.send('["a');
	await until(() => bad.code, 'close');
	assert.deepEqual([bad.code, bad.got[1]],
	    [1007, 'c[1007,"message is not a valid envelope"]']);
	const k = socket(`${fresh('/in/k')}/websocket`);
	await k.heard('o');
	await kick('/chat');
	await until(() => k.code, 'close');
	assert.equal(k.got.at(-1), 'c[1008,"disconnected by the application"]');
});

test('RawWebsocket', async () => {
	const w = socket(`${base()}/websocket`);
	await until(() => w.readyState === 1, 'open');
	w.send('"Hello world!\uffff"');
	await w.heard('"Hello world!\uffff"');
	w.close();
	const c = await plain(d, '/ws/chat/websocket');
	assert.deepEqual(await c.ask('room:join', { room: 'r:1' }),
	    (await (await plain(d, '/ws/chat')).ask('room:join', { room: 'r:1' })));
	c.terminate();
});

/* --- text ------------------------------------------------------------------ */

const codes = (...ranges) => ranges.map(([a, b]) => [...Array(b - a + 1).keys()]
    .map((i) => String.fromCharCode(a + i)).join('')).join('');
test('JSONEncoding', async () => {
	const url = fresh(), kills = codes([0x200c, 0x200f], [0x2028, 0x202f],
	    [0x2060, 0x206f], [0xfff0, 0xffff]);
	await says(post(`${url}/xhr`), 'o\n');
	assert.equal((await send(url, [`"${kills}"`])).status, 204);
	const esc = [...kills].map((c) =>
	    `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
	await says(post(`${url}/xhr`), `a["\\"${esc}\\""]\n`);
	/* whatever browsers escape comes back the same */
	const all = codes([0, 0x1f], [0x7f, 0x9f], [0xad, 0xad], [0x300, 0x333],
	    [0x600, 0x604], [0x2000, 0x20ff], [0xf900, 0xfa0d], [0xfb1d, 0xfb4e]) +
	    '"\\/😀';
	const one = JSON.stringify(all);
	await send(url, `["${[...one].map((c) => [...c].map((x, i) => i === 0 &&
	    c.length === 1 ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` :
	    c).join('')).join('')}"]`);
	const r = await post(`${url}/xhr`);
	assert.equal(JSON.parse(JSON.parse(r.text.slice(1))[0]), all);
	/* half of a pair cannot be sent on */
	await send(url, '["\\"\\ud800\\""]');
	await says(post(`${url}/xhr`), 'a["\\"\\ufffd\\""]\n');
});

/* --- ends ------------------------------------------------------------------ */

test('HandlingClose', async () => {
	const hs = `${'h'.repeat(2048)}\n`, stream = (u) =>
	    begin(`${u}/xhr_streaming`, { method: 'POST' });
	let url = fresh();
	const first = await stream(url);
	await first.says(`${hs}o\n`);
	const second = await stream(url);
	await second.end();
	assert.equal(second.text, `${hs}c[2010,"Another connection still open"]\n`);
	/* test_abort_xhr_streaming */
	first.close();
	await until(async () => {
		const r = await begin(`${url}/xhr_streaming`, { method: 'POST' });
		await until(() => r.ended || r.text.length > hs.length, 'more');
		return r.text === `${hs}c[1002,"Connection interrupted"]\n`;
	}, 'the end of the session');
	/* test_abort_xhr_polling */
	url = fresh();
	await says(post(`${url}/xhr`), 'o\n');
	const receives = await d.metric('sockjs_receives');
	const rq = http.request(`${url}/xhr`, { method: 'POST', agent: false });
	rq.on('error', () => {});
	rq.end();
	/* or the next one would be it */
	await d.counts('sockjs_receives', (n) => n > receives);
	await until(async () => (await post(`${url}/xhr`)).text.startsWith('c[2010'),
	    'one that waits');
	rq.destroy();
	await until(async () => (await post(`${url}/xhr`)).text ===
	    'c[1002,"Connection interrupted"]\n', 'the end');
	/* test_close_frame */
	url = fresh('/in/z');
	const r1 = await stream(url);
	await r1.says(`${hs}o\n`);
	await kick('/chat');
	await r1.end();
	const c = 'c[1008,"disconnected by the application"]\n';
	assert.ok(r1.text.endsWith(c));
	const r2 = await stream(url);
	await r2.end();
	assert.equal(r2.text, hs + c);
});

test('a session that nobody receives for has ended', async () => {
	const url = fresh();
	await says(post(`${url}/xhr`), 'o\n');
	await until(async () => (await send(url, ['1'])).status === 404, '404');
	await says(post(`${url}/xhr`), 'o\n');
});

test('Http10, Http11', async () => {
	const talk = async (text, end) => {
		const raw = net.connect(d.port, '127.0.0.1');
		let got = '', over = false;
		raw.on('data', (b) => { got += b; });
		raw.on('close', () => { over = true; });
		raw.write(text);
		await until(() => end(got, over), () => `the end of ${got}`);
		raw.destroy();
		return got;
	};
	const u = session();
	const old = await talk(`POST /echo${u}/xhr_streaming HTTP/1.0\r\n` +
	    'Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n',
	    (got) => got.endsWith('o\n'));
	assert.doesNotMatch(old, /transfer-encoding|content-length/i);
	assert.match(old, /\r\n\r\nh{2048}\no\n$/);
	/* two over one connection, one behind the other */
	const two = await talk(
	    `POST /echo${session()}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n` +
	    'GET /echo HTTP/1.1\r\nHost: x\r\n\r\n',
	    (got) => got.endsWith('Welcome to SockJS!\n'));
	assert.match(two, /\r\n\r\no\nHTTP\/1.1 200 OK/);
});

/* --- who may --------------------------------------------------------------- */

test('foreign pages are refused', async () => {
	const headers = { Origin: 'http://evil.example' };
	for (const [p, method] of [['/info', 'GET'], ['/0/a/xhr', 'POST'],
		['/0/a/xhr_streaming', 'POST'], ['/0/a/eventsource', 'GET'],
		['/0/a/htmlfile?c=x', 'GET'], ['/0/a/xhr', 'OPTIONS']]) {
		const r = await ask(base() + p, { method, headers });
		assert.equal(r.status, 403, p);
		assert.equal(r.headers['access-control-allow-origin'], undefined);
	}
	const url = fresh();
	await says(post(`${url}/xhr`), 'o\n');
	assert.equal((await send(url, ['1'], headers)).status, 403);
	const w = socket(`${fresh()}/websocket`, { headers });
	await until(() => w.error, 'refusal');
	assert.match(w.error.message, /403/);
});

test('a session is its user\'s, whoever knows its id', async () => {
	const t = (sub) => mint({ sub, exp: now() + 600 });
	const u = base('/ws/user') + session(), ann = t('ann'), bob = t('bob');
	assert.equal((await post(`${u}/xhr`)).status, 401);
	await says(post(`${u}/xhr?token=${ann}`), 'o\n');
	const say = (q, headers = {}) => post(`${u}/xhr_send${q}`, { headers,
		body: JSON.stringify([JSON.stringify({ event: 'me', data: 1 })]) });
	assert.equal((await say('')).status, 404);
	assert.equal((await say(`?token=${bob}`)).status, 404);
	assert.equal((await say(`?token=${ann}`)).status, 204);
	await says(post(`${u}/xhr?token=${bob}`), 'o\n');
	const r = await post(`${u}/xhr?token=${ann}`);
	assert.equal(JSON.parse(JSON.parse(r.text.slice(1))[0]).meta.from, 'ann');
	/* by the header, and by the cookie */
	assert.equal((await say('', { Authorization: `Bearer ${ann}` })).status, 204);
	assert.equal((await say('', { Cookie: `token=${ann}` })).status, 204);
});

/* --- envelopes ------------------------------------------------------------- */

test('events, acknowledgements and rooms as on plain WebSocket', async () => {
	const url = fresh('/ws/chat'), w = await connect(d, '/chat');
	await says(post(`${url}/xhr`), 'o\n');
	const m = (o) => JSON.stringify(o);
	await send(url, [m({ event: 'room:join', data: { room: 'r:7' }, id: 1 }),
		m({ event: 'say', data: { room: 'r:7', text: 'ä "q" \\' }, id: 'x' }),
		m({ event: 'none', data: 1, id: 2 }), 'no envelope']);
	let got = (await gets(url, 5)).map((x) => JSON.parse(x));
	assert.equal(got.find((x) => x.ack === 1).error, undefined);
	assert.equal(got.find((x) => x.event === 'say').data.text, 'ä "q" \\');
	assert.equal(got.find((x) => x.ack === 'x').error, undefined);
	assert.equal(got.find((x) => x.ack === 2).error.code, 'unknown_event');
	assert.ok(got.find((x) => x.event === 'error'));
	/* binary is text here */
	const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
		headers: { Authorization: `Bearer ${KEY}`,
			'Content-Type': 'application/json' },
		body: m({ namespace: 'chat', room: 'r:7', event: 'bin',
			data: { _placeholder: true, num: 0 },
			attachments: ['AAEC'] }) });
	assert.equal(r.status, 200, await r.text());
	[got] = (await gets(url, 1)).map((x) => JSON.parse(x));
	assert.deepEqual([got.event, got.attachments], ['bin', ['AAEC']]);
	w.close();
});

test('a great many messages are done turn by turn, in order', async () => {
	const url = fresh(), n = 20000;
	const r = await begin(`${url}/xhr_streaming`, { method: 'POST' });
	await until(() => r.text.endsWith('o\n'), 'o');
	const done = send(url, [...Array(n).keys()].map(String));
	const got = [], take = (text) => {
		for (const line of text.split('\n'))
			if (line.startsWith('a'))
				got.push(...JSON.parse(line.slice(1)).map(Number));
	};
	await r.end(20000);
	take(r.text);
	while (got.length < n)
		take((await post(`${url}/xhr`)).text);
	assert.deepEqual(got, [...Array(n).keys()]);
	assert.equal((await done).status, 204);
	assert.ok(await d.metric('input_deferred') > 0);
});

test('what was counted', async () => {
	for (const t of ['xhr', 'xhr_streaming', 'eventsource', 'htmlfile',
		'websocket'])
		assert.ok(await d.metric('sockjs_opened', `transport="${t}"`) > 0, t);
	assert.ok(await d.metric('sockjs_forwarded') > 0,
	    'other workers were asked');
	assert.ok(await d.metric('sockjs_sends') > 0);
	assert.ok(await d.metric('sockjs_unknown') > 0);
	assert.ok(await d.metric('sockjs_second') > 0);
	await d.counts('sockjs_open', 0);
});
