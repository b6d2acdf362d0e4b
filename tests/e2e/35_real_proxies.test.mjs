/*
 * Behind nginx, HAProxy, Caddy and Apache, the programs themselves, set up as
 * roost-proxies(7) has them.  Clients have addresses of their own in 127/8; only
 * 127.0.0.1, where the proxies connect from, is trusted.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';

import { ask, connect } from './lib/clients.mjs';
import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { apache, caddy, caddyTls, example, haproxy, haproxyTcp, haproxyTls,
	nginx } from './lib/proxies.mjs';
import { Polling, request } from './lib/polling.mjs';
import { Sock, Ws, engine } from './lib/wire.mjs';
import { echo, siteCertificate } from './lib/conf.mjs';

const CLIENTS = process.env.E2E_LONG === '1' ? 5000 : 500;

const start = (conf = '') => Daemon.start({ workers: 2, conf:
	`listen "127.0.0.1:0" { proxy_protocol = v2 }
trusted_proxies = {"127.0.0.1"} log_connections = end\n${conf}${echo}` });
/* An upgrade by this client, from an address of its own. */
const ws = (port, localAddress, headers = {}) =>
	Ws.open(port, '/ws', { localAddress, headers });

async function addresses(d, port) {
	const all = [];
	for (const [ip, want, headers] of [['127.0.0.5', 101],
		['127.0.0.5', 101], ['127.0.0.5', 429],
		/* what it says itself changes nothing */
		['127.0.0.5', 429, { 'X-Forwarded-For': '192.0.2.9',
			Forwarded: 'for=192.0.2.9' }],
		['127.0.0.6', 101, { 'X-Forwarded-For': '127.0.0.5' }]]) {
		const w = await ws(port, ip, headers);
		assert.equal(w.response.status, want, ip);
		all.push(w);
	}
	all.forEach((w) => w.drop());
	for (const ip of ['5', '6'])
		await until(() => new RegExp(`address=127\\.0\\.0\\.${ip}\\b`)
		    .test(d.log), `a record of ${ip}: ${d.log}`);
	assert.doesNotMatch(d.log, /192\.0\.2\.9/);
}

async function crowd(d, port, clients, meanwhile) {
	const all = [];
	for (let i = 0; i < clients; i += 50)
		all.push(...await Promise.all(Array.from({ length: 50 }, (_, k) =>
			engine(port, { localAddress: `127.0.${1 + (i + k >> 7)}.${
			    1 + (i + k & 127)}` }))));
	await meanwhile?.();
	const said = all.map((w) => {
		w.text('40/echo,');
		return w.message();
	});
	for (const p of said)
		assert.match(await p, /^40\/echo,/);
	await d.counts('ws_open', clients);
	all.forEach((w) => w.drop());
	await until(async () => await d.metric('ws_open') === 0, 'all are gone',
	    20000);
}

for (const proxy of [nginx, haproxy, caddy, apache]) {
	const name = proxy.name;

	test(`${name}: WebSocket and polling, with a stock client`, async () => {
		const d = await start();
		const p = await proxy(d);
		for (const transports of [['websocket'], ['polling'],
			['polling', 'websocket']]) {
			const s = await connect(p, '/echo', { transports });
			for (let i = 0; i < 5; i++)
				assert.equal(await ask(s, 'ask', i), i);
			s.close();
		}
		/* many sessions, each request over any connection of the proxy */
		const sessions = await Promise.all(Array.from({ length: 20 }, () =>
			Polling.open(p.port).then((s) => s.connect('/echo'))));
		assert.equal(sessions.length, 20);
		await p.stop();
		await d.stop();
	});

	test(`${name}: probes, old clients, and other methods`, async () => {
		const d = await start('socketio { cookie = "io" }\n');
		const p = await proxy(d);
		for (const target of ['/readyz', '/livez']) {
			const r = await request(p.port, 'HEAD', target);
			assert.deepEqual([r.status, r.body], [200, '']);
		}
		assert.equal((await request(p.port, 'OPTIONS', '/livez')).status, 204);
		for (const text of ['GET /livez HTTP/1.0\r\n\r\n',
			'GET /livez HTTP/1.0\r\nHost: a\r\n\r\n',
			'HEAD /livez HTTP/1.0\r\n\r\n']) {
			const s = await Sock.open(p.port);
			s.send(text);
			assert.match(await s.wait(() => s.data.length > 15 ?
				s.data.toString() : undefined, 'a response'),
			/^HTTP\/1\.[01] 200/, text);
			s.close();
		}
		/* the page's own host, through the proxy */
		const at = (origin, headers) => Ws.open(p.port, '/ws',
		    { host: 'app.example:81', headers: { Origin: origin,
			...headers } });
		const good = await at('http://app.example:81');
		assert.equal(good.response.status, 101);
		good.drop();
		assert.equal((await at('http://evil.example', { 'X-Forwarded-Host':
		    'evil.example' })).response.status, 403);
		const { headers } = (await Polling.open(p.port, { headers:
		    { 'x-forwarded-proto': 'https' } })).response;
		assert.doesNotMatch(headers['set-cookie'][0], /Secure/);
		await p.stop();
		await d.stop();
	});

	test(`${name}: with hosts, probes are served, and who names none`,
	    async () => {
		const d = await start('hosts = {"app.example.com"}\n');
		const p = await proxy(d);
		/* HAProxy asks /readyz itself: more requests than ours */
		let ours = 0;
		if (proxy === haproxy)
			await until(async () => await d.metric('http_requests') >
			    ours++, 'a probe', 20000);
		for (const [text, status] of [['GET /livez HTTP/1.0', 200],
			['GET /livez HTTP/1.1\r\nHost: app.example.com', 200],
			['GET /livez HTTP/1.1\r\nHost: evil.example', 421]]) {
			const s = await Sock.open(p.port);
			s.send(`${text}\r\nConnection: close\r\n\r\n`);
			assert.equal((await s.response()).status, status, text);
			s.close();
		}
		await d.counts('connections_refused', 1, 'host');
		await p.stop();
		await d.stop();
	});

	test(`${name}: clients have their own addresses`, async () => {
		const d = await start('limits { per_address = 2 }\n');
		const p = await proxy(d);
		await addresses(d, p.port);
		/* who comes by himself is believed nothing */
		const w = await ws(d.port, '127.0.0.9',
		    { 'X-Forwarded-For': '192.0.2.9' });
		w.drop();
		await until(() => /address=127\.0\.0\.9:/.test(d.log), 'a record');
		assert.doesNotMatch(d.log, /192\.0\.2\.9/);
		await p.stop();
		await d.stop();
	});

	const clients = Math.min(CLIENTS, proxy.most ?? CLIENTS);
	test(`${name}: ${clients} clients`, async () => {
		const d = await start();
		const p = await proxy(d);
		await crowd(d, p.port, clients, p.reload && (async () => {
			p.reload();
			/* and those who come now */
			const w = await engine(p.port);
			w.drop();
			await until(async () => await d.metric('ws_open') ===
			    clients, 'the others stay', 20000);
		}));
		await p.stop();
		await d.stop();
	});
}

/* Who comes over TLS, which the proxy ends: cookies and origins know it. */
async function overTls(port, headers = {}) {
	const tls = { servername: 'app.example.com', rejectUnauthorized: false };
	const { response } = await Polling.open(port, { tls,
		headers: { ...headers, host: 'app.example.com' } });
	assert.match(response.headers['set-cookie'][0], /Secure/);
	for (const [scheme, want] of [['https', 101], ['http', 403]]) {
		const w = await Ws.open(port, '/ws', { tlsOptions: tls,
			host: 'app.example.com', headers: {
				Origin: `${scheme}://app.example.com` } });
		assert.equal(w.response.status, want, scheme);
		w.drop();
	}
}

test('Caddy, which ends TLS', async () => {
	const d = await start('socketio { cookie = "io" }\n');
	const p = await caddyTls(d);
	await overTls(p.port, { 'x-forwarded-proto': 'http' });
	await p.stop();
	await d.stop();
});

test('HAProxy without HTTP, which ends TLS', async () => {
	const d = await start('socketio { cookie = "io" }\n');
	const p = await haproxyTls(d, siteCertificate());
	await overTls(p.port);
	await d.counts('proxy_failed', 0);
	await p.stop();
	await d.stop();
});

test('Network Load Balancer: roostd has what it asks for', async () => {
	const dir = tempdir(), at = `${dir}/roost.conf`;
	fs.writeFileSync(at, example('nlb') + echo);
	const { code, err } = await run(['-t', '-c', at]);
	assert.equal(code, 0, err);
	/* ... and probes of it are answered */
	const d = await Daemon.start({ workers: 1, conf: `${example('nlb',
	    [['*:8443', '127.0.0.1:0'], ['*:8081', '127.0.0.1:0']])}\n${echo}` });
	assert.equal((await request(d.ports[2], 'GET', '/readyz')).status, 200);
	await d.stop();
});

/* What ingress-nginx documents, of what is used. */
const annotations = { 'proxy-read-timeout': /^\d+$/, 'proxy-send-timeout': /^\d+$/,
	'proxy-buffering': /^(on|off)$/, affinity: /^cookie$/ };

test('Kubernetes: it can be read, and probes are answered', async () => {
	const yaml = (text) => JSON.parse(execFileSync('python3', ['-c',
		'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))'],
	{ input: text }));
	const { kind, apiVersion, metadata, spec } = yaml(example('ingress'));
	assert.deepEqual([kind, apiVersion], ['Ingress', 'networking.k8s.io/v1']);
	for (const [name, value] of Object.entries(metadata.annotations)) {
		const [prefix, word] = name.split('/');
		assert.equal(prefix, 'nginx.ingress.kubernetes.io');
		assert.equal(typeof value, 'string', name);
		assert.match(value, annotations[word], name);
	}
	const [{ host, http: { paths: [path] } }] = spec.rules;
	assert.equal(typeof host, 'string');
	assert.equal(path.pathType, 'Prefix');
	const { number } = path.backend.service.port;
	const box = yaml(example('probes'));
	assert.equal(box.ports[0].containerPort, number);
	const d = await start();
	for (const probe of ['readinessProbe', 'livenessProbe']) {
		const { httpGet } = box[probe];
		assert.equal(httpGet.port, number);
		assert.equal((await request(d.port, 'GET', httpGet.path)).status, 200);
	}
	await d.stop();
});

test('HAProxy without HTTP: addresses by the PROXY protocol', async () => {
	const d = await start('limits { per_address = 2 }\n');
	const p = await haproxyTcp(d);
	await addresses(d, p.port);
	await d.counts('proxy_failed', 0);
	await p.stop();
	await d.stop();
});
