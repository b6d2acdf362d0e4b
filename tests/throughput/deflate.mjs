/*
 * What permessage-deflate costs and saves: one worker, a room of 1, 100 and
 * 1,000 plain WebSockets, texts of several sizes, each sent to all.  Receivers
 * that have agreed on it, and receivers that have not.
 *
 *	node deflate.mjs [BROADCASTS [LEVEL]]
 *
 * Prints the worker's CPU time by broadcast, and bytes by delivery; fails when
 * one gets not all.
 */
import fs from 'node:fs';

import { Daemon, until } from '../e2e/lib/daemon.mjs';
import { OP, Ws, frame } from '../e2e/lib/wire.mjs';

const TOTAL = Number(process.argv[2] ?? 400), LEVEL = process.argv[3] ?? '3';
const SIZES = [200, 500, 1000, 4000, 16000], RECEIVERS = [1, 100, 1000];

/* Rows as an application sends them: names that come again, and values that do
 * not. */
const words = `time year people way day man thing woman life child world school
 state family student group country problem hand part place case week company
 system program question work government number night point home water room
 mother area money story fact month lot right study book eye job word business
 issue side kind head house service friend father power hour game line end member
 law car city community name`.split(/\s+/);
let seed = 1;
const random = (n) => (seed = seed * 48271 % 2147483647) % n;
function text(size) {
	const rows = [];

	while (JSON.stringify(rows).length < size)
		rows.push({ id: random(1e9), user: `u${random(1e5)}`,
			at: 1790000000000 + random(1e8),
			text: [...Array(6)].map(() => words[random(words.length)])
			    .join(' ') });
	return JSON.stringify(rows).slice(0, size - 2).replaceAll('\\', '.')
	    .replaceAll('"', "'");
}

const conf = `
websocket { deflate_level = ${LEVEL} deflate_threshold = 0B }
namespace "/bench" { auth = none
    room "{any}" { join = open }
    event "say" { to = room:room member = off meta = off } }
`;
const cpu = (pid) => Number(fs.readFileSync(`/proc/${pid}/schedstat`, 'utf8')
    .split(' ')[0]) / 1000;
const worker = (d) => Number(fs.readdirSync('/proc').find((p) => {
	try {
		return /^\d+$/.test(p) && fs.readFileSync(`/proc/${p}/stat`, 'utf8')
		    .split(') ')[1].split(' ')[1] === String(d.child.pid) &&
		    fs.readFileSync(`/proc/${p}/cmdline`, 'utf8')
			.includes('worker');
	} catch {
		return false;			/* gone meanwhile */
	}
}));

/* Bytes are counted, and dropped: what they say the other tests know. */
async function receiver(d, offer) {
	const w = await Ws.must(d.port, '/ws/bench', { headers: offer ?
	    { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {} });

	await w.ack({ event: 'room:join', data: { room: 'r' }, id: 1 });
	w.bytes = 0;
	w.s.sock.removeAllListeners('data');
	w.s.sock.on('data', (b) => { w.bytes += b.length; });
	return w;
}

async function run(offer, receivers) {
	const d = await Daemon.start({ workers: 1, conf }), all = [], rows = [];
	const from = await Ws.must(d.port, '/ws/bench'), pid = worker(d);

	while (all.length < receivers)
		all.push(...await Promise.all([...Array(Math.min(50, receivers -
		    all.length))].map(() => receiver(d, offer))));
	for (const size of SIZES) {
		const messages = [...Array(TOTAL)].map(() => frame(OP.text,
		    JSON.stringify({ event: 'say', data: { room: 'r',
			t: text(size - 60) } })));
		const before = cpu(pid), had = all[0].bytes;
		const sent = await d.metric('deliveries');

		for (const m of messages) {	/* a turn each */
			from.send(m);
			await new Promise((ok) => setTimeout(ok, receivers / 200));
		}
		await d.counts('deliveries', (n) => n - sent >= TOTAL *
		    receivers);
		await until(() => all.every((w) => w.bytes === all[0].bytes),
		    'all bytes', 20000);
		rows.push({ size, us: (cpu(pid) - before) / TOTAL,
			bytes: (all[0].bytes - had) / TOTAL });
	}
	all.forEach((w) => w.drop());
	from.drop();
	await d.stop();
	return rows;
}

console.log(`${TOTAL} broadcasts each, level ${LEVEL}`);
console.log('receivers  bytes  us plain  us deflate     +us  ' +
    'bytes plain  bytes deflate');
for (const n of RECEIVERS) {
	const plain = await run(false, n), packed = await run(true, n);

	plain.forEach((p, i) => console.log(String(n).padStart(9) +
	    String(p.size).padStart(7) + p.us.toFixed(1).padStart(10) +
	    packed[i].us.toFixed(1).padStart(12) +
	    (packed[i].us - p.us).toFixed(1).padStart(8) +
	    p.bytes.toFixed(0).padStart(13) +
	    packed[i].bytes.toFixed(0).padStart(15)));
}
