/*
 * A Socket.IO server with @socket.io/redis-adapter, for throughput.mjs: clients
 * join rooms and say something to one.
 *
 *	node socketio.mjs SOCKET	sends its port to its parent
 */
import { createRequire } from 'node:module';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { createClient } = require('redis');
const { createAdapter } = require('@socket.io/redis-adapter');
const { Server } = require('socket.io');

const pub = createClient({ socket: { path: process.argv[2] } });
const sub = pub.duplicate();

await Promise.all([pub.connect(), sub.connect()]);
const io = new Server(0, { adapter: createAdapter(pub, sub),
	transports: ['websocket'] });

io.on('connection', (socket) => {
	socket.on('join', async (room, ack) => {
		await socket.join(room);
		ack();
	});
	socket.on('say', (m) => io.to(m.room).emit('say', m));
});
process.on('disconnect', () => process.exit());
process.send(io.httpServer.address().port);
