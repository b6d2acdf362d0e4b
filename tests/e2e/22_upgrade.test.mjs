/* From polling to WebSocket: the probe, the switch, and what goes wrong. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon, halt, sleep, slow, until } from './lib/daemon.mjs';
import { ask, connect, gotten, once } from './lib/clients.mjs';
import { Polling, request, taken } from './lib/polling.mjs';
import { OP, Sock, Ws, closePayload, frame, socketio } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

let d;
before(async () => {
	d = await Daemon.start({ workers: 1, conf: echo +
	    'limits { close_timeout = 500ms }\n' });
});
after(() => d.stop());

const open = async (o, e = d) => (await Polling.open(e.port, o)).connect();
async function probe(p, e = d) {
	const w = await Ws.must(e.port, p.ws);
	w.text('2probe');
	assert.equal(await w.message('probe'), '3probe');
	return w;
}
async function upgraded(p, e = d) {
	const w = await probe(p, e);
	w.text('5');
	return w;
}

test('the default client upgrades and goes on', async () => {
	const s = await connect(d, '/', { transports: ['polling', 'websocket'] });
	await until(() => s.io.engine.transport.name === 'websocket', 'upgrade');
	assert.equal(await ask(s, 'ask', 1), 1);
	s.close();
});

test('40 clients upgrade under traffic: nothing lost, doubled, reordered', async () => {
	const e = await Daemon.start({ workers: 1, conf: echo }), N = 200;
	await Promise.all([...Array(40).keys()].map(async (k) => {
		const s = await connect(e, '/',
		    { transports: ['polling', 'websocket'] });
		for (let i = 0; i < N; i++) {
			s.emit('back', i);
			if (i % 10 === k % 10)
				await sleep(2);
		}
		await until(() => gotten(s, 'echo').length >= N, `${N} echoes`,
		    20000);
		assert.deepEqual(gotten(s, 'echo').map((a) => a[0]),
		    [...Array(N).keys()]);
		await until(() => s.io.engine.transport.name === 'websocket',
		    'upgrade');
		s.close();
	}));
	await e.counts('eio_upgrades', (n) => n >= 40);
	await e.stop();
});

test('from others, too: a room speaks all the time', async () => {
	const w = await socketio(d.port);
	w.text('421["room:join",{"room":"x"}]');
	await w.message();
	let n = 0, stop = false;
	const talk = (async () => {
		while (!stop) {
			for (let k = 0; k < 5; k++)
				w.text(`42["tell",{"room":"x","n":${n++}}]`);
			await sleep(1);
		}
	})();
	for (let k = 0; k < 10; k++) {
		const s = await connect(d, '/',
		    { transports: ['polling', 'websocket'] });
		await ask(s, 'room:join', { room: 'x' });
		await until(() => s.io.engine.transport.name === 'websocket',
		    'upgrade', 10000);
		const last = gotten(s, 'tell').length;
		await until(() => gotten(s, 'tell').length > last + 50, 'more');
		const ns = gotten(s, 'tell').map((a) => a[0].n);
		assert.deepEqual(ns, ns.map((_, i) => ns[0] + i));
		s.close();
	}
	stop = true;
	await talk;
	w.drop();
});

test('a GET that waits is released by the probe at once', async () => {
	const p = await open();
	const waits = await taken(d, 'eio_gets');
	const get = p.packets();
	await waits();
	const w = await probe(p);
	assert.deepEqual(await get, ['6']);
	w.drop();
});

test('until "5" everything goes by polling, GETs are held a little', async () => {
	const p = await open();
	const w = await probe(p);
	const t0 = Date.now();
	assert.deepEqual(await p.packets(), ['6']);
	assert.ok(Date.now() - t0 >= 40, 'held');
	await p.send('42["q",1]');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
	await w.silent();
	await p.send('42["q",2]');
	w.text('5');
	w.text('42["q",3]');
	assert.equal(await w.message(), '42["q",2]');
	assert.equal(await w.message(), '42["q",3]');
	w.drop();
});

test('binary that waited for a poll leaves as frames', async () => {
	const p = await open();
	const w = await probe(p);
	await p.send('451-["q",{"_placeholder":true,"num":0}]', 'bAQID');
	w.text('5');
	assert.equal(await w.message(),
	    '451-["q",{"_placeholder":true,"num":0}]');
	const f = await w.next();
	assert.equal(f.opcode, 'binary');
	assert.deepEqual([...f.payload], [1, 2, 3]);
	w.drop();
});

test('b64=1 stays with text frames', async () => {
	const p = await Polling.open(d.port, {});
	p.target += '&b64=1';
	const q = await request(d.port, 'GET',
	    '/socket.io/?EIO=4&transport=polling&b64=1');
	p.sid = JSON.parse(q.body.slice(1)).sid;
	p.target = `${p.base}&sid=${p.sid}`;
	p.ws = p.target.replace('=polling', '=websocket');
	await p.connect();
	const w = await upgraded(p);
	w.text('451-["q",{"_placeholder":true,"num":0}]');
	w.text('bAQID');
	await w.message();
	assert.equal(await w.message(), 'bAQID');
	w.drop();
});

test('a GET left open at "5" is answered 6', async () => {
	const p = await open();
	const w = await probe(p);
	const waits = await taken(d, 'eio_gets');
	const get = p.packets();
	await waits();
	w.text('5');
	assert.deepEqual(await get, ['6']);
	await w.alive();
	w.drop();
});

test('a POST under way at "5" still counts', async () => {
	const p = await open();
	const w = await probe(p);
	const begun = await taken(d, 'eio_posts');
	const post = p.post(undefined, { hold: true,
		headers: { 'content-length': 9 } });
	post.req.write('42["q"');
	await begun();
	w.text('5');
	await w.alive();
	post.req.end(',7]');
	assert.equal((await post).body, 'ok');
	assert.equal(await w.message(), '42["q",7]');
	w.drop();
});

test('afterwards polling is a bad request, another candidate is closed', async () => {
	const p = await open();
	const w = await upgraded(p);
	await w.alive();
	for (const r of [await p.get(), await p.post('42["q",1]')])
		assert.deepEqual([r.status, r.body],
		    [400, '{"code":3,"message":"Bad request"}']);
	const second = await Ws.must(d.port, p.ws);
	await second.closed();
	await w.alive();
	await w.bye();
	await until(() => p.gone(), 'error 1 once it has ended');
});

test('one candidate at a time', async () => {
	const p = await open();
	const w = await probe(p);
	const second = await Ws.must(d.port, p.ws);
	second.text('2probe');
	await second.closed();
	w.text('5');
	w.text('42["q",1]');
	assert.equal(await w.message(), '42["q",1]');
	w.drop();
});

for (const [what, send] of [
	['an event first', (w) => w.text('42["x"]')],
	['"5" without a probe', (w) => w.text('5')],
	['another probe', (w) => { w.text('2probe'); w.text('2probe'); }],
	['an event after the probe', (w) => { w.text('2probe'); w.text('42["x"]'); }],
	['a ping without probe', (w) => w.text('2')],
	['binary', (w) => w.send(frame(OP.binary, 'x'))],
	['a close frame', (w) => w.send(frame(OP.close, ''))],
	['a bad frame', (w) => w.send(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]))],
	['a reset', (w) => w.s.reset()],
	['nothing for too long', () => {}],
]) {
	test(`the candidate sends ${what}: it is closed, the session lives`, async () => {
		const own = what === 'nothing for too long';
		/* the next one has as much time */
		const e = own ? await Daemon.start({ conf: `${echo}socketio {
		    upgrade_timeout = ${700 * slow}ms }\n` }) : d;
		const p = await open(undefined, e);
		const w = await Ws.must(e.port, p.ws);
		send(w);
		if (what !== 'a reset')
			await w.closed();
		await p.send('42["q",1]');
		assert.deepEqual(await p.packets(), ['42["q",1]']);
		const again = await upgraded(p, e);
		again.text('42["q",2]');
		assert.equal(await again.message(), '42["q",2]');
		again.drop();
		if (own)
			await e.stop();
	});
}

test('the session closes: so does the candidate', async () => {
	const p = await open();
	const w = await probe(p);
	assert.equal((await p.post('1')).body, 'ok');
	await w.closed();
	assert.ok(await p.gone());
	const late = await Ws.open(d.port, p.ws);
	assert.equal(late.response.status, 400);
	assert.equal(late.response.body, 'Session ID unknown');
});

test('"5" and the close of the session at the same moment', async () => {
	for (let i = 0; i < 20; i++) {
		const p = await open();
		const w = await probe(p);
		const post = p.post('1');
		w.text('5');
		await post;
		w.drop();
		await until(() => p.gone(), 'error 1');
	}
});

/* The worker finds both when it wakes up, in this order. */
const cuts = [
	['reset', 'client_reset', async (get) => {
		const gone = new Promise((ok) => { get.sock.once('close', ok); });
		get.reset();
		await gone;
	}],
	['too much behind it', 'http_bad', (get) =>
		new Promise((ok) => { get.sock.write('x'.repeat(17000), ok); })],
];
for (const [what, reason, cut] of cuts)
	for (const last of ['', frame(OP.close, closePayload(1000))])
		test(`a GET that ends in the turn of "5"${
		    last && ' and a Close'}: ${what}`, async () => {
			const { pid } = d.worker(1);
			const label = `reason="${reason}"`;
			const before = await d.metric('clients_closed', label);
			const p = await open(), get = await Sock.open(d.port);
			const w = await Ws.must(d.port, p.ws);
			const held = await taken(d, 'eio_gets');
			get.send(`GET ${p.target} HTTP/1.1\r\nHost: x\r\n\r\n`);
			await held();
			await halt(pid);
			await cut(get);
			w.send(Buffer.concat([frame(OP.text, '2probe'),
				frame(OP.text, '5'), Buffer.from(last)]));
			await new Promise((ok) => { w.s.sock.write('', ok); });
			process.kill(pid, 'SIGCONT');
			await w.s.end();
			assert.ok(await p.gone());
			await until(async () => await d.metric('clients_closed',
			    label) === before + 1, `clients_closed{${label}}`);
			assert.equal(d.worker(1).pid, pid);
			get.close();
		});

test('a ping sent by polling may be answered on the WebSocket', async () => {
	const e = await Daemon.start({ conf: echo +
	    'heartbeat { interval = 300ms timeout = 1m }\n' });
	const p = await (await Polling.open(e.port)).connect();
	const w = await Ws.must(e.port, p.ws);
	w.text('2probe');
	assert.equal(await w.message(), '3probe');
	let got;
	do	/* both may be due in one turn */
		got = (await p.packets()).filter((x) => x !== '6');
	while (got.length === 0);
	assert.deepEqual(got, ['2']);
	w.text('5');
	w.text('3');
	for (let i = 0; i < 3; i++) {
		assert.equal(await w.message(), '2');
		w.text('3');
	}
	w.drop();
	await e.stop();
});

test('origin and version are looked at again', async () => {
	const p = await open();
	const evil = await Ws.open(d.port, p.ws,
	    { headers: { Origin: 'http://evil.example' } });
	assert.equal(evil.response.status, 400);
	assert.equal(evil.response.body, 'Forbidden');
	const old = await Ws.open(d.port, p.ws.replace('EIO=4', 'EIO=3'));
	assert.equal(old.response.body, 'Bad request');
	await p.send('42["q",1]');
	assert.deepEqual(await p.packets(), ['42["q",1]']);
});

test('TERM closes candidates and upgraded sessions alike', async () => {
	const e = await Daemon.start({ conf: echo });
	const p = await (await Polling.open(e.port)).connect();
	const w = await Ws.must(e.port, p.ws);
	const q = await (await Polling.open(e.port)).connect();
	const v = await Ws.must(e.port, q.ws);
	v.text('2probe');
	v.text('5');
	await v.message();
	await v.alive();
	const stopped = e.stop();
	assert.ok((await w.closed()).code !== 1006);
	assert.equal((await v.closed()).code, 1001);
	await stopped;
});

test('a WebSocket of its own is no polling session', async () => {
	const w = await socketio(d.port);
	const r = await request(d.port, 'GET', `/socket.io/?EIO=4&` +
	    `transport=polling&sid=${w.handshake.sid}`);
	assert.equal(r.status, 400);
	assert.ok([1, 3].includes(JSON.parse(r.body).code));
	w.drop();
	const s = await connect(d);
	s.emit('q', 1);
	await once(s, 'q');
	s.close();
});
