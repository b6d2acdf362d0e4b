/*
 * Many light clients in one process: bare sockets that join one room and
 * check that what arrives is numbered 0, 1, 2 ...  Reports to its parent.
 * usage: crowd.mjs PORT COUNT socketio|plain [OPTIONS]
 * OPTIONS, JSON, of socketio: { nsp, token }: there, with it, and in no room.
 */
import net from 'node:net';

import { OP, Ws, frame } from './wire.mjs';

const [port, count, kind] = [Number(process.argv[2]), Number(process.argv[3]),
	process.argv[4]];
const { nsp = '/crowd', token } = JSON.parse(process.argv[5] ?? '{}');
const state = { joined: 0, got: 0, bad: 0, lost: 0 };
let changed = false;
const sio = kind === 'socketio';
const hello = Buffer.from(Ws.request(sio ?
    '/socket.io/?EIO=4&transport=websocket' : '/ws/crowd'));
const text = (t) => frame(OP.text, t, { key: Buffer.alloc(4) });
const connectPacket = text(`40${nsp},${token ?
    JSON.stringify({ token }) : ''}`);
const join = text(sio ? '42/crowd,0["room:join",{"room":"all"}]' :
    '{"event":"room:join","data":{"room":"all"},"id":1}');

function onText(c, t) {
	if (c.step === 0 && sio) {
		c.sock.write(connectPacket);
		c.step = 1;
	} else if (c.step === 1 && sio && token !== undefined) {
		state[t.startsWith(`40${nsp},{"sid"`) ? 'joined' : 'bad']++;
		c.step = 3;
	} else if (c.step === 1 && sio) {
		c.sock.write(join);
		c.step = 2;
	} else if (c.step === 2) {
		if (/"room":"all"/.test(t)) {
			state.joined++;
			c.step = 3;
		} else {
			state.bad++;
		}
	} else if (t === '2') {
		c.sock.write(text('3'));
		return;
	} else {
		if (Number(t.match(/"i":(\d+)/)?.[1]) === c.next++)
			state.got++;
		else
			state.bad++;
	}
	changed = true;
}

function onData(c, b) {
	let data = c.rest ? Buffer.concat([c.rest, b]) : b;
	if (!c.open) {
		const i = data.indexOf('\r\n\r\n');
		if (i < 0) {
			c.rest = data;
			return;
		}
		c.open = true;
		data = data.subarray(i + 4);
		if (!sio) {
			c.sock.write(join);
			c.step = 2;
		}
	}
	while (data.length >= 2) {
		let n = data[1] & 0x7f, at = 2;
		if (n === 126) {
			if (data.length < 4)
				break;
			n = data.readUInt16BE(2);
			at = 4;
		}
		if (data.length < at + n)
			break;
		const body = data.toString('utf8', at, at + n);
		const op = data[0] & 15;
		data = data.subarray(at + n);
		if (op === OP.text)
			onText(c, body);
		else if (op === OP.ping)
			c.sock.write(frame(OP.pong, body));
	}
	c.rest = data.length ? Buffer.from(data) : null;
}

function start() {
	const c = { step: 0, next: 0, rest: null, open: false };
	c.sock = net.connect({ port, host: '127.0.0.1' }, () => c.sock.write(hello));
	c.sock.on('data', (b) => onData(c, b));
	c.sock.on('close', () => { state.lost++; changed = true; });
	c.sock.on('error', () => {});
}

/* not all at once: a listen queue holds a few hundred */
let made = 0;
const ramp = setInterval(() => {
	for (let i = 0; i < 50 && made < count; i++, made++)
		start();
	if (made === count)
		clearInterval(ramp);
}, 10);
setInterval(() => {
	if (changed)
		process.send(state);
	changed = false;
}, 20);
process.on('disconnect', () => process.exit());
