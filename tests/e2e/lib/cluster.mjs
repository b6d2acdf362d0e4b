/*
 * A Redis Cluster for a test: real servers on ports of their own, its slots
 * dealt out by hand, so that nothing else has to be installed.
 */
import path from 'node:path';

import { tempdir, until } from './daemon.mjs';
import { Client, Redis, freePort } from './redis.mjs';

const SLOTS = 16384;
const LAST = '127.0.0.1';

function crc16(bytes) {
	let crc = 0;
	for (const b of bytes) {
		crc ^= b << 8;
		for (let i = 0; i < 8; i++)
			crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff :
			    crc << 1 & 0xffff;
	}
	return crc;
}
/* As redis.io's specification says, whatever roostd makes of it. */
export function slotOf(key) {
	const m = /^[^{]*\{([^}]+)\}/.exec(key);
	return crc16(Buffer.from(m ? m[1] : key)) % SLOTS;
}

export class Cluster {
	/* Masters, each with so many replicas. */
	static async start({ masters = 3, replicas = 0, args = [],
		timeout = 1500 } = {}) {
		const c = new Cluster();
		c.nodes = [];
		for (let i = 0; i < masters * (1 + replicas); i++)
			c.nodes.push(await c.#node(args, timeout));
		c.masters = c.nodes.slice(0, masters);
		await c.#meet();
		for (const [i, n] of c.masters.entries())
			await n.cli.do('CLUSTER', 'ADDSLOTSRANGE',
			    Math.floor(i * SLOTS / masters),
			    Math.floor((i + 1) * SLOTS / masters) - 1);
		for (const [i, n] of c.nodes.slice(masters).entries()) {
			n.of = c.masters[i % masters];
			await until(() => n.cli.do('CLUSTER', 'REPLICATE',
			    n.of.id).catch(() => false), 'a replica', 20000);
		}
		await c.whole();
		return c;
	}
	async #node(args, timeout) {
		const port = await freePort(), bus = await freePort();
		const dir = tempdir();
		const n = await Redis.start({ port, dir, args: [
		    '--cluster-enabled', 'yes', '--cluster-config-file',
		    path.join(dir, 'nodes.conf'), '--cluster-port', String(bus),
		    '--cluster-node-timeout', String(timeout),
		    '--cluster-announce-ip', LAST,
		    '--repl-diskless-sync-delay', '0', ...args] });
		n.bus = bus;
		n.address = `${LAST}:${port}`;
		n.cli = await n.client();
		n.id = await n.cli.do('CLUSTER', 'MYID');
		return n;
	}
	async #meet() {
		for (const [i, n] of this.nodes.entries()) {
			await n.cli.do('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
			if (n !== this.nodes[0])
				await this.nodes[0].cli.do('CLUSTER', 'MEET',
				    LAST, n.port, n.bus);
		}
		await until(async () => (await Promise.all(this.nodes.map((n) =>
			n.cli.do('CLUSTER', 'NODES')))).every((s) =>
			s.trim().split('\n').length === this.nodes.length &&
			!/handshake/.test(s)), 'the nodes to meet', 20000);
	}
	get live() { return this.nodes.filter((n) => !n.dead); }
	/* All agree, and serve all slots. */
	async whole(ms = 30000) {
		await until(async () => {
			const maps = await Promise.all(this.live.map((n) =>
				n.cli.do('CLUSTER', 'SLOTS')));
			const infos = await Promise.all(this.live.map((n) =>
				n.cli.do('CLUSTER', 'INFO')));
			const owners = maps.map((m) => JSON.stringify(m.map((r) =>
				[r[0], r[1], r[2][1]]).sort((x, y) =>
				x[0] - y[0])));
			return infos.every((s) => /cluster_state:ok/.test(s)) &&
			    owners.every((s) => s === owners[0]);
		}, 'the Cluster to be whole', ms);
	}
	async ownerOf(slot) {
		for (const [first, last, [, port]] of
		    await this.live[0].cli.do('CLUSTER', 'SLOTS'))
			if (first <= slot && slot <= last)
				return this.nodes.find((n) => n.port === port);
		return undefined;
	}
	/* As redis-cli does it; there are no keys. */
	async migrate(slot, to) {
		const from = await this.ownerOf(slot);
		await to.cli.do('CLUSTER', 'SETSLOT', slot, 'IMPORTING',
		    from.id);
		await from.cli.do('CLUSTER', 'SETSLOT', slot, 'MIGRATING',
		    to.id);
		for (const n of [to, from, ...this.live.filter((l) =>
			l !== to && l !== from && !l.of)])
			await n.cli.do('CLUSTER', 'SETSLOT', slot, 'NODE',
			    to.id);
		return from;
	}
	/* It and its connection: the others find out. */
	async end(node) {
		node.dead = true;
		node.cli.close();
		await node.kill();
	}
	async again(node) {
		await node.again();
		node.cli = await node.client();
		node.dead = false;
	}
	/* Channels of SSUBSCRIBE at each master, whoever listens. */
	async channels(pattern = '*') {
		return Promise.all(this.masters.map((n) => n.dead ? [] :
			n.cli.do('PUBSUB', 'SHARDCHANNELS', pattern)));
	}
	get url() { return `redis://${this.nodes[0].address}`; }
	async kill() {
		for (const n of this.live)
			n.cli.close();
		await Promise.all(this.live.map((n) => n.kill()));
	}
}
export const client = (n) => Client.open({ port: n.port, host: LAST });
