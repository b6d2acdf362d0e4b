/*
 * Servers and emitters of Socket.IO for Node, unmodified, on a Redis of
 * lib/redis.mjs: with whom roostd shares clients.
 */
import http from 'node:http';

import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { Emitter } from '@socket.io/redis-emitter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

export async function link(redis) {
	const c = createClient({ socket: { path: redis.path } });
	c.on('error', () => {});
	await c.connect();
	return c;
}

/* { emitter, close } */
export async function emitter(redis, opts) {
	const c = await link(redis);
	return { emitter: new Emitter(c, opts), close: () => c.quit() };
}

/*
 * A server whose clients may join rooms by room:join, as with roostd; .port is
 * as of a daemon.  Its adapter is there once it listens.
 */
export async function server(redis, { sharded = false, namespaces = ['/'],
	...opts } = {}) {
	const pub = await link(redis), sub = pub.duplicate();
	sub.on('error', () => {});
	await sub.connect();
	const web = http.createServer();
	const io = new Server(web, { adapter: sharded ?
	    createShardedAdapter(pub, sub, opts) :
	    createAdapter(pub, sub, opts) });
	for (const name of namespaces)
		io.of(name).on('connection', (s) => {
			s.on('room:join', ({ room }, ack) => {
				s.join(room);
				ack({ room });
			});
		});
	await new Promise((ok) => web.listen(0, '127.0.0.1', ok));
	return { io, port: web.address().port, async close() {
		await new Promise((ok) => io.close(ok));
		await pub.quit();
		await sub.quit();
	} };
}
