/*
 * packaging/openapi/roostd.yaml is true: it is valid by itself, its examples are
 * taken, each operation in it gives each of the answers that it tells of and no
 * others, and what its schemas refuse the daemon refuses.  (That no route of the
 * code is missing in it is checked by tests/lint/complete.py.)
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { Backend, SECRET } from './lib/backend.mjs';
import { connect } from './lib/clients.mjs';
import { jwt, stopTime } from './lib/conf.mjs';
import { Daemon, halt, slow, until } from './lib/daemon.mjs';
import { OpenApi } from './lib/openapi.mjs';
import { user } from './lib/token.mjs';
import { raw } from './lib/wire.mjs';

const api = new OpenApi(new URL('../../packaging/openapi/roostd.yaml',
    import.meta.url).pathname);
const sha = (k) => crypto.createHash('sha256').update(k).digest('hex');
const RIGHTS = ['publish', 'presence', 'disconnect', 'rooms', 'revoke',
	'history', 'stats', 'hooks', 'answers', 'inbox',
	'documents'];
const back = await Backend.start(), { port } = back;
const conf = jwt + stopTime + `
limits { message_bytes = 100KB }
store { room_bytes = 64KB }
shm { revocations = 64 }
api { key "all" { sha256 = "${sha('all')}"
          allow = {${RIGHTS.map((r) => `"${r}"`).join(', ')}} }
      key "publisher" { sha256 = "${sha('publish')}" allow = {"publish"} }
      key "reader" { sha256 = "${sha('stats')}" allow = {"stats"} } }
hook "back" { url = "http://127.0.0.1:${port}/"  allow_private = true
    secret = "${SECRET}" }
namespace "/asks" { auth = optional  hook = "back"
    event "order" { to = backend  ack = backend } }
namespace "/chat" { auth = optional presence = rooms
    room "course:{id}" { join = open }
    inbox = true
    room "kept:{id}" { join = open history = 10 }
    room "doc:{id}" { documents = true keys = 20 }
    room "job:{id}" { latest = true } }
namespace "/query" { auth = optional presence = query
    room "course:{id}" { join = open } }
`;
/* Of the same, one that is short of patience. */
const hasty = conf + `
rate "auth_failures" { allow = 1/1m }
`;

let d, quick, clients;
before(async () => {
	[d, quick] = await Promise.all([Daemon.start({ workers: 1, conf }),
		Daemon.start({ workers: 1, conf: hasty.replace('limits {',
		    'limits { handshake_timeout = 500ms ') })]);
	clients = await Promise.all(['ann', 'bob'].map((name) => connect(d,
	    '/chat', { auth: { token: user(name) } })));
	for (const s of clients)
		s.on('ready', (...a) => a.at(-1)(true, Buffer.from([1])));
	await call(op('changeRooms'), { body: { namespace: 'chat', all: true,
		join: ['course:7', 'course:8'] } });
	await call(op('publish'), { body: { namespace: 'chat', room: 'kept:1',
		event: 'message', data: { text: 'Welcome' } } });
	/* those that the examples change */
	for (let i = 1; i <= 12; i++)
		await call(op('publish'), { to: quick, body: { namespace: 'chat',
			room: 'kept:edit', event: 'e', data: i,
			...(i === 11 ? { id: '03f1.1.2.9' } : {}) } });
	for (const room_ of ['kept:edit', 'kept:gone'])
		await call(op('publish'), { body: { namespace: 'chat',
			room: room_, event: 'e' } });
	await call(op('setDocumentKey'), { path: { key: 'there' },
		body: { value: 1 } });
});
after(async () => {
	clients.forEach((s) => s.close());
	await Promise.all([d.stop(), quick.stop()]);
	await back.close();
});

const op = (id) => api.operations.find((o) => o.id === id);
const url = (o, { path = {}, query = {} }) => o.path.replace(/\{(\w+)\}/g,
    (_, name) => encodeURIComponent(path[name] ?? api.resolve(o.parameters
	.find((p) => p.in === 'path' && p.name === name)).example)) +
    (Object.keys(query).length ? '?' + new URLSearchParams(query) : '');

async function call(o, { to = d, key = 'all', type = 'application/json',
	method = o.method, headers = {}, body, ...where } = {}) {
	const r = await fetch(to.url(url(o, where)), { method, headers: {
		...(key ? { Authorization: `Bearer ${key}` } : {}),
		...(body === undefined ? {} : { 'Content-Type': type }),
		...headers },
		body: body === undefined || typeof body === 'string' ? body :
		    JSON.stringify(body) });
	return { status: r.status, headers: r.headers, text: await r.text() };
}

/* --- the file -------------------------------------------------------------- */

test('the file is valid OpenAPI 3.1', async () => {
	assert.deepEqual(await api.wrong(), undefined);
	assert.match(api.doc.openapi, /^3\.1\./);
	const ids = api.operations.map((o) => o.id);
	assert.equal(new Set(ids).size, ids.length);
	for (const o of api.operations) {
		assert.ok(o.op.summary, o.id);
		assert.ok(o.op.responses.default, o.id);
	}
});

test('its examples are what its schemas say', () => {
	let n = 0;
	for (const e of api.examples()) {
		assert.equal(api.errors(e.at, e.value), null,
		    `${e.at.join(' ')}: ${e.name}`);
		n++;
	}
	assert.ok(n > 20, `${n} examples`);
});

test('the daemon takes each example of a request', async () => {
	for (const o of api.operations)
		for (const [name, e] of Object.entries(api.resolve(o.op
		    .requestBody)?.content['application/json'].examples ?? {})) {
			const r = await call(o, { body: e.value, to: quick,
				...(o.id === 'editHistory' ? edited : {}) });
			assert.equal(r.status, 200, `${o.id} ${name}: ${r.text}`);
			assert.deepEqual(api.answerErrors(o, r), [], o.id);
		}
});

/* --- what is answered ------------------------------------------------------ */

const REF = '0123456789abcdef.KZGaJiYwfs_kqvmBAABJ.1';
/* A request of each operation that is taken. */
const room = { room: 'course:7' };
const edited = { path: { room: 'kept:edit' } };
const good = {
	editHistory: { ...edited, body: { offset: 1, data: { i: 2 } } },
	publish: { body: { namespace: 'chat', ...room, event: 'e', data: null } },
	batch: { body: [{ namespace: 'chat', event: 'e', ...room }] },
	disconnect: { body: { namespace: 'chat', room: 'nobody' } },
	disconnectUser: { body: { namespace: 'chat' }, path: { user: 'nobody' } },
	changeRooms: { body: { namespace: 'chat', ...room, join: 'x' } },
	changeRoomsOfUser: { body: { namespace: '/chat', leave: ['y'] } },
	revoke: { body: { jti: 'one', for: 60 } },
	/* of an event that is sent for it */
	answer: { body: { namespace: 'asks', ref: REF, ack: [1] } },
	listPresence: { query: { limit: 1 } },
	getPresence: {}, listRooms: { query: { limit: 1 } },
	listMembers: { query: { limit: 1 } }, getUser: { query: { limit: 1 } },
	getHistory: { path: { room: 'kept:1' } }, getStats: {},
	getHooks: {}, listDead: { query: { limit: 1, cursor: 7 } },
	retryDead: { body: { ids: [1, 2] } }, forgetDead: { body: { all: true } },
	notifyUsers: { body: { users: ['ann'], title: 'T' } },
	listNotifications: { query: { limit: 1 } },
	notifyUser: { body: { title: 'T' } },
	markNotifications: { body: { ids: ['x'] } },
	deleteNotifications: { body: { ids: ['x'] } },
	deleteNotification: {}, getNotificationPreferences: {},
	setNotificationPreferences: { body: { muted: [] } },
	getDocument: {}, getDocumentKey: { path: { key: 'there' } },
	setDocumentKey: { body: { value: { pages: 3 } } },
	deleteDocumentKey: { body: {}, path: { key: 'gone' } },
	getHealth: {}, getHealthWebsocket: {}, getApiHealthWebsocket: {},
	getLive: {}, getReady: {}, getHealthz: {}, getMetrics: {},
};
/* Others that are answered with 200, in another form. */
const alike = {
	publish: [
		{ namespace: 'chat', ...room, event: 'ready', ack: true },
		{ namespace: 'chat', ...room, event: 'e', id: 'again' },
		{ namespace: 'chat', ...room, event: 'e', id: 'again' },
		{ namespace: 'chat', room: 'kept:1', event: 'e' },
		{ namespace: 'chat', room: 'kept:1', event: 'e', ack: true },
		{ namespace: 'chat', rooms: ['kept:1', 'kept:2'], event: 'e' },
		{ namespace: 'chat', room: 'kept:over', event: 'e', finish: true },
		{ namespace: 'chat', room: 'job:1', event: 'e', key: 'p',
		    version: 4 },
		{ namespace: 'chat', user: ['ann'], event: 'e', args: [1, 'two'],
		    except: [], volatile: true, meta: false },
	].map((body) => ({ body })),
	batch: [{ body: { publish: [{ namespace: 'chat', event: 'e' },
		{ namespace: 'nope', event: 'e' }, { namespace: 'chat',
		event: 'e', id: 'b' }, { namespace: 'chat', event: 'e',
		id: 'b' }] } }],
	disconnect: [{ body: { namespace: 'query', all: true } }],
	listPresence: [{ query: { room: 'course:7' } }, { query: {} }],
	getPresence: [{ path: { user: 'nobody' } }, { path: { user: 'ann' } }],
	listRooms: [{}, { query: { cursor: 'course:7' } },
		{ path: { namespace: '/query' } }],
	listMembers: [{}, { path: { room: 'no/body' } }],
	getUser: [{}, { path: { user: 'no\u00fc/body' } }],
	editHistory: [{ ...edited, body: { offset: 1, args: [1, 2] } },
		{ ...edited, body: { offset: 1, redact: true } }],
	getHistory: [{ path: { room: 'kept:1' }, query: { limit: 1 } },
		{ path: { room: 'kept:1' }, query: { since: 'x:1' } },
		{ path: { room: 'kept:over' }, query: { since: ':0' } },
		{ path: { room: 'kept:never' } }],
	notifyUsers: [{ body: { user: 'bob', id: 'same' } },
		{ body: { users: ['bob', 'cid'], id: 'same', data: null } }],
	notifyUser: [{ path: { user: 'no\u00fc/body' }, body: { id: 'a',
		type: 't', title: 'T', message: 'M', category: 'c',
		priority: 'urgent', data: [1], expires: 4000000000000,
		collapse: 'k' } }, { body: {} }],
	listNotifications: [{}, { path: { user: 'no\u00fc/body' } },
		{ query: { unread: true, cursor: 1 } },
		{ query: { category: 'c' } }],
	markNotifications: [{ body: { all: true } },
		{ body: { all: true, category: 'c' } },
		{ body: { notificationId: 'x' } }],
	deleteNotifications: [{ body: { all: true } }],
	setNotificationPreferences: [{ body: {} }, { body: {
		quiet_hours: null, least_priority: 'high' } }, { body: {
		muted: ['a'], quiet_hours: { from: '22:00', to: '07:00',
			utc_offset: -300, deliver: 'count' } } }],
	getNotificationPreferences: [{}, { path: { user: 'nobody' } }],
	getDocument: [{ query: { limit: 1 } }, { path: { document: 'doc:new' } }],
	setDocumentKey: [{ body: { value: null, base: 0 },
		path: { key: 'a/b' } }],
};
const long = 'x'.repeat(257);
/* Bodies that neither the daemon nor the schema takes. */
const audience = [{ room: [] }, { room: null }, { user: 5 }, { sid: [''] },
	{ rooms: [long] }, { unknown: 1 }, { users: Array(65).fill('u') }];
const target = [{}, { ...room, all: true }, { all: false }];
const wrong = {
	publish: [...audience, { event: undefined }, { event: 5 }, { event: '' },
		{ event: long }, { namespace: undefined }, { data: 1, args: [] },
		{ args: 1 }, { attachments: Array(11).fill('') }, { id: '' },
		{ id: 'a b' }, { id: 'a"' }, { id: 'x'.repeat(65) }, { ack: 1 },
		{ timeout: 5 }, { ack: true, timeout: 0 },
		{ ack: true, timeout: 60001 }, { volatile: null }, { meta: 'x' },
		{ finish: 1 }, { version: 1 }, { room: 'job:1', key: '' },
		{ room: 'job:1', key: 'k', version: 0 },
	].map((b) => ({ namespace: 'chat', event: 'e', ...b })),
	batch: [{}, { publish: 1 }, { publish: [], more: 1 }, 'x', 5],
	disconnect: [...audience, ...target, { ...room, namespace: undefined },
		{ ...room, reason: 5 }, { ...room, close: true, reconnect: true },
		{ ...room, close: 1 }, { ...room, reason: 'x'.repeat(511) },
	].map((b) => ({ namespace: 'chat', ...b })),
	disconnectUser: [{ user: 'bob' }, { all: true }, { reason: 1 },
		{ close: true, reconnect: true }, []],
	changeRooms: [...audience, ...target, { ...room, join: undefined },
		{ ...room, join: [''] }, { ...room, join: long },
		{ ...room, reason: 'x' },
	].map((b) => ({ namespace: 'chat', join: 'x', ...b })),
	changeRoomsOfUser: [{}, { join: 5 }, { join: null },
		{ leave: Array(65).fill('r') }, { join: 'x', user: 'bob' },
	].map((b) => ({ namespace: 'chat', ...b })),
	editHistory: [{}, { offset: 1 }, { data: 1 }, { offset: 0, data: 1 },
		{ offset: 'x', data: 1 }, { offset: 1, id: 'x', data: 1 },
		{ offset: 1, data: 1, args: [] }, { offset: 1, args: 1 },
		{ offset: 1, redact: false }, { id: '', redact: true },
		{ id: 'x'.repeat(65), redact: true },
		{ id: 'x', epoch: '', redact: true },
		{ id: 'x', redact: true, data: 1 },
		{ id: 'x', redact: true, unknown: 1 }],
	setDocumentKey: [{}, { value: 1, base: -1 }, { value: 1, more: 1 },
		{ value: 1, base: 1, epoch: 5 }],
	deleteDocumentKey: [{ base: 'x' }, { value: 1 }],
	revoke: [{}, { user: 'a', jti: 'b' }, { user: 'a', grace: 0 },
		{ user: 'a', grace: 3601 }, { jti: 'a', grace: 5 },
		{ user: '' }, { user: 5 },
		{ jti: 'a', iat: 5 }, { user: 'a', for: 0 },
		{ user: 'a', until: 4000000000, for: 5 },
		{ user: 'a', until: 4000000000, exp: 4000000000 },
		{ user: 'a', until: 'x' }, { user: 'a', reason: 1 },
		{ user: 'a', unknown: 1 }, { user: 'x'.repeat(256) }],
	answer: [{}, { ref: 5 }, { ack: 1 }, { allow: 1 },
		{ message: 'x' }, { allow: false, ack: [] },
		{ allow: false, message: 'x'.repeat(201) }, { more: 1 },
		{ namespace: undefined },
	].map((b, i) => ({ namespace: 'asks', ...(i > 0 && { ref: REF }),
		...b })),
	...Object.fromEntries(['retryDead', 'forgetDead'].map((id) => [id, [{},
		{ ids: [] }, { ids: [0] }, { ids: ['1'] }, { ids: 1 },
		{ ids: [1.5] }, { all: false }, { all: true, ids: [1] },
		{ all: true, more: 1 }, { ids: Array(1001).fill(1) }, []]])),
	notifyUsers: [{ title: 'T' }, { users: [] }, { users: ['a'], more: 1 },
		{ users: Array(65).fill('u') }],
	notifyUser: [{ title: 5 }, { id: '' }, { id: long }, { priority: 'x' },
		{ category: null }, { expires: 0 }, { collapse: '' }, { to: 1 }],
	markNotifications: [{}, { ids: [] }, { ids: 'x' }, { all: false },
		{ ids: Array(101).fill('x') }, { all: 1 }, { more: 1 }],
	deleteNotifications: [{}, { category: 'c' }, { ids: [5] }],
	setNotificationPreferences: [{ muted: 'a' }, { muted: [''] },
		{ muted: Array(33).fill('m') }, { least_priority: 'x' },
		{ quiet_hours: {} }, { quiet_hours: { from: '24:00',
			to: '01:00' } }, { quiet_hours: { from: '22:00',
			to: '01:00', utc_offset: 900 } }, { more: 1 }],
};
const bad = {
	...Object.fromEntries(Object.entries(wrong).map(([id, [b]]) => [id,
		{ body: b }])),
	listPresence: { query: { limit: 0 } },
	getPresence: { path: { user: long } },
	listRooms: { query: { limit: 1001 } },
	listMembers: { path: { room: long } },
	getUser: { query: { cursor: long } },
	getHistory: { path: { room: 'kept:1' }, query: { since: 'x' } },
	listDead: { query: { cursor: 'x' } },
	listNotifications: { query: { limit: 0 } },
	deleteNotification: { path: { notification: long } },
	getNotificationPreferences: { path: { user: long } },
	getDocument: { query: { limit: 0 } },
	getDocumentKey: { path: { key: long } },
};
/* In a namespace, or of a hook, that is not there. */
const elsewhere = (o) => o.path.includes('{hook}') ?
    { ...good[o.id], path: { hook: 'nope' } } :
    o.path.includes('{namespace}') ?
    { ...good[o.id], path: { ...good[o.id].path, namespace: 'nope' } } :
    { ...good[o.id], body: { ...good[o.id].body, namespace: 'nope' } };
const asks = (id) => id.includes('otif');


/* A head, and no more. */
async function head(to, o, lines) {
	const r = await raw(to.port, `${o.method} ${url(o, good[o.id])} HTTP/1.1\r\n` +
	    `Host: x\r\nAuthorization: Bearer all\r\n${lines}\r\n`);
	r.sock.close();
	return { status: r.status, text: r.body.toString(),
		headers: new Headers(r.headers) };
}
/* While the relay stands still. */
async function still(f) {
	const { pid } = d.relay();
	await halt(pid);
	try {
		return await f();
	} finally {
		process.kill(pid, 'SIGCONT');
	}
}
/* All of them at once: each waits until its time is over. */
let hooks;
async function withoutHooks(o) {
	const all = api.operations.filter((x) => x.path.startsWith('/api/v1/hooks'));
	hooks ??= still(() => Promise.all(all.map((x) => call(x, good[x.id]))));
	return (await hooks)[all.indexOf(o)];
}
async function answered(o) {
	const s = await connect(d, '/asks'), n = back.entries.length;
	const ack = s.timeout(5000 * slow).emitWithAck('order', 1);
	await back.until((l) => l.slice(n).some((e) => e.ref));
	const { ref } = back.entries.findLast((e) => e.ref);
	const r = await call(o, { body: { namespace: '/asks', ref, ack: [7] } });
	assert.equal(await ack, 7);
	s.close();
	return r;
}
async function leaving(o) {
	const k = await Daemon.start({ workers: 1,
		conf: 'drain_delay = 30s\n' + stopTime });
	process.kill(k.pid, 'SIGQUIT');
	const r = await until(async () => {
		const x = await call(o, { to: k });
		return x.status === 503 && x;
	}, `${o.id} to be 503`);
	await k.stop('SIGTERM');
	return r;
}
async function full(o) {
	for (let i = 0; ; i++) {
		const r = await call(o, { body: { jti: `n${i}`, for: 600 } });
		if (r.status !== 200)
			return r;
		assert.ok(i < 100, 'there is room for more than 64');
	}
}

/* How each answer is brought about. */
const how = {
	200: (o) => (o.id === 'answer' ? answered(o) : call(o, good[o.id])),
	400: (o) => call(o, bad[o.id]),
	401: (o) => call(o, { ...good[o.id], key: null }),
	403: (o) => call(o, { ...good[o.id], key: o.id === 'getStats' ?
	    'publish' : 'stats' }),
	404: (o) => call(o, elsewhere(o)),
	408: (o) => head(quick, o, 'Content-Length: 10\r\n'),
	410: (o) => call(o, good[o.id]),
	409: async (o) => {
		if (o.id === 'editHistory') {
			const gone = { path: { room: 'kept:gone' },
				body: { offset: 1, redact: true } };
			await call(o, gone);
			return call(o, gone);
		}
		if (o.path.includes('{document}'))
			return call(o, { ...good[o.id], body: { base: 999,
				...good[o.id].body } });
		const body = { namespace: 'chat', room: 'kept:ends', event: 'e' };
		await call(o, { body: { ...body, finish: true } });
		return call(o, { body });
	},
	413: (o) => head(d, o, 'Content-Length: 99999999\r\n'),
	415: (o) => call(o, { ...good[o.id], type: 'text/plain' }),
	429: async (o) => {
		await call(o, { ...good[o.id], to: quick, key: 'wrong' });
		await call(o, { ...good[o.id], to: quick, key: 'wrong' });
		return call(o, { ...good[o.id], to: quick });
	},
	503: (o) => asks(o.id) ? still(() => call(o, good[o.id])) : ({
		publish: () => still(() => call(o, { body: { namespace: 'chat',
			room: 'kept:1', event: 'e' } })),
		getHistory: () => still(() => call(o, good.getHistory)),
		editHistory: () => still(() => call(o, good.editHistory)),
		...Object.fromEntries(['getDocument', 'getDocumentKey',
			'setDocumentKey', 'deleteDocumentKey'].map((id) => [id,
			() => still(() => call(o, good[id]))])),
		revoke: () => full(o),
		getHooks: () => withoutHooks(o), listDead: () => withoutHooks(o),
		retryDead: () => withoutHooks(o), forgetDead: () => withoutHooks(o),
		getReady: () => leaving(o), getHealthz: () => leaving(o),
	})[o.id](),
};
/* Once too many keys were wrong the others are not heard there. */
const order = (a, b) => (a === '429') - (b === '429') || a - b;

for (const o of api.operations)
	for (const code of Object.keys(o.op.responses).sort(order)) {
		if (code === 'default' || code === '429')
			continue;
		test(`${o.method} ${o.path}: ${code}`, async () => {
			const r = await how[code](o);
			assert.equal(`${r.status}`, code, r.text);
			assert.deepEqual(api.answerErrors(o, r), []);
		});
	}

test('what else is answered with 200', async () => {
	for (const o of api.operations)
		for (const request of alike[o.id] ?? []) {
			const r = await call(o, request);
			assert.equal(r.status, 200, r.text);
			assert.deepEqual(api.answerErrors(o, r), [],
			    `${o.id}: ${r.text}`);
		}
});

test('what is taken is what the schemas allow', async () => {
	for (const o of api.operations) {
		const { query = {}, path = {}, body } = good[o.id];
		if (body !== undefined)
			assert.equal(api.bodyErrors(o, body), null, o.id);
		assert.equal(body !== undefined, o.op.requestBody !== undefined,
		    o.id);
		for (const [name, v] of [...Object.entries(query),
		    ...Object.entries(path)]) {
			const p = o.parameters.find((x) => x.name === name);
			assert.ok(p, `${o.id}: ${name}`);
			assert.ok(api.ajv.validate({ $ref: 'file:///api#/components' +
			    '/schemas/Name' }, v) || Number.isInteger(v));
		}
	}
	for (const [id, list] of Object.entries(alike))
		for (const { body } of list)
			if (body !== undefined)
				assert.equal(api.bodyErrors(op(id), body), null,
				    JSON.stringify(body));
});

test('what the schemas do not allow is refused with 400', async () => {
	for (const [id, list] of Object.entries(wrong))
		for (const body of list) {
			const text = JSON.stringify(body);
			assert.notEqual(api.bodyErrors(op(id), JSON.parse(text)),
			    null, `${id}: ${text}`);
			const r = await call(op(id), { body: text });
			assert.equal(r.status, 400, `${id}: ${text}: ${r.text}`);
			assert.deepEqual(api.answerErrors(op(id), r), []);
		}
});

test('other methods: 405 and Allow; OPTIONS; HEAD without a body', async () => {
	const paths = Object.groupBy ? Object.groupBy(api.operations, (o) => o.path) :
	    api.operations.reduce((all, o) => ({ ...all,
		[o.path]: [...all[o.path] ?? [], o] }), {});
	for (const [path, list] of Object.entries(paths)) {
		const methods = list.map((o) => o.method);
		const allow = [...methods, ...(methods.includes('GET') ?
		    ['HEAD'] : []), 'OPTIONS'].sort().join();
		const [o] = list;
		const named = (r) => r.headers.get('allow').split(', ').sort()
		    .join();
		const no = await call(o, { method: 'PATCH' });
		assert.equal(no.status, 405, path);
		assert.equal(named(no), allow, path);
		assert.deepEqual(api.answerErrors(o, no), []);
		const options = await call(o, { method: 'OPTIONS', key: null });
		assert.equal(options.status, 204, path);
		assert.equal(named(options), allow, path);
		if (!methods.includes('GET'))
			continue;
		const h = await call(o, { ...good[o.id], method: 'HEAD' });
		assert.equal(h.status, 200, path);
		assert.equal(h.text, '');
		assert.ok(Number(h.headers.get('content-length')) > 2, path);
	}
});

test('what any request may be told has the one form', async () => {
	const k = await Daemon.start({ workers: 1,
		conf: 'hosts = {"here.example"}\n' + conf });
	for (const o of api.operations) {
		if (o.op.security?.length === 0)
			continue;
		const r = await raw(k.port, `${o.method} ${url(o, {})} HTTP/1.1\r\n` +
		    'Host: there.example\r\nContent-Length: 0\r\n\r\n');
		r.sock.close();
		assert.equal(r.status, 421);
		assert.deepEqual(api.answerErrors(o, { status: r.status,
			text: r.body.toString(), headers: new Headers(r.headers) }),
		[], o.id);
	}
	await k.stop();
});

for (const o of api.operations.filter((x) => x.op.responses['429']))
	test(`${o.method} ${o.path}: 429`, async () => {
		const r = await how[429](o);
		assert.equal(r.status, 429, r.text);
		assert.deepEqual(api.answerErrors(o, r), []);
	});
