/*
 * A master, its replicas and Sentinels for a test, all of them real and on
 * ports of their own.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';

import { tempdir, until, within } from './daemon.mjs';
import { SERVER, started } from './remains.mjs';
import { Client, Redis, freePort } from './redis.mjs';

const running = new Set();
process.on('exit', () => {
	for (const c of running)
		try { c.kill('SIGKILL'); } catch { /* gone */ }
});

/* One Sentinel: conf: lines of its configuration, which it changes. */
class Sentinel {
	static async start(tls, conf) {
		const s = new Sentinel();
		s.port = await freePort();
		s.file = `${tempdir()}/sentinel.conf`;
		fs.writeFileSync(s.file, [...(tls.length === 0 ?
		    [`port ${s.port}`] : ['port 0', `tls-port ${s.port}`, ...tls]),
		    'bind 127.0.0.1', ...conf, ''].join('\n'));
		await s.again();
		return s;
	}
	async again() {
		this.log = '';
		const child = spawn('redis-server', [this.file, '--sentinel'],
		    { stdio: ['ignore', 'pipe', 'pipe'] });
		this.child = child;
		running.add(child);
		started(SERVER, () => this.kill());
		this.exited = new Promise((ok) => child.on('close', () => {
			running.delete(child);
			ok();
		}));
		child.stdout.on('data', (b) => { this.log += b; });
		child.stderr.on('data', (b) => { this.log += b; });
		try {
			await until(() => /monitor master/.test(this.log),
			    'a Sentinel', 10000);
		} catch (e) {
			throw new Error(`${e.message}\n${this.log}`);
		}
	}
	client() { return Client.open({ port: this.port, host: '127.0.0.1' }); }
	signal(s) { this.child.kill(s); }
	async kill() {
		this.child.kill('SIGCONT');
		this.child.kill('SIGKILL');
		await within(this.exited, 'end of a Sentinel');
	}
}

/*
 * { servers, sentinels, name }: servers[0] is the master, the other one its
 * replica; n Sentinels watch over them, two of whom have to agree.  server,
 * sentinel: more arguments and lines of configuration for each.
 */
export async function monitored({ n = 3, server = [], sentinel = [],
	tls = [], name = 'the-master' } = {}) {
	const servers = [], sentinels = [];
	for (let i = 0; i < 2; i++) {
		const port = await freePort();
		servers.push(await Redis.start({ port, args: [
		    '--repl-diskless-sync-delay', '0',
		    '--repl-ping-replica-period', '1', ...server,
		    ...(i > 0 ? ['--replicaof',
			`127.0.0.1 ${servers[0].port}`] : [])] }));
	}
	for (let i = 0; i < n; i++)
		sentinels.push(await Sentinel.start(tls, [
		    `sentinel monitor ${name} 127.0.0.1 ${servers[0].port} ${
			Math.min(n, 2)}`,
		    `sentinel down-after-milliseconds ${name} 1000`,
		    `sentinel failover-timeout ${name} 4000`,
		    `sentinel parallel-syncs ${name} 1`,
		    ...sentinel.map((l) => l.replace('NAME', name))]));
	return { servers, sentinels, name, async kill() {
		for (const one of [...sentinels, ...servers])
			await one.kill();
	} };
}

/* Each knows the replica and the other Sentinels: a failover is possible. */
export async function acquainted({ sentinels, name }) {
	for (const s of sentinels) {
		const c = await s.client();
		await until(async () => {
			const l = await c.do('SENTINEL', 'MASTER', name);
			const of = (k) => l[l.indexOf(k) + 1];
			return of('num-slaves') === '1' &&
			    of('num-other-sentinels') ===
			    String(sentinels.length - 1) &&
			    of('flags') === 'master';
		}, 'the Sentinels to know each other', 30000);
		c.close();
	}
}

/* A Sentinel that says what a test wants: of one master, host, port, epoch. */
export class Liar {
	static async start(says) {
		const l = new Liar();
		l.says = says;		/* { host, port, epoch } */
		l.asked = 0;
		l.open = new Set();
		l.server = net.createServer((s) => {
			l.open.add(s);
			s.on('error', () => {});
			s.on('close', () => l.open.delete(s));
			s.on('data', (b) => {
				s.listens ||= /\r\nSUBSCRIBE/.test(b);
				s.write(l.#answers(b.toString()));
			});
		});
		await new Promise((ok) => l.server.listen(0, '127.0.0.1', ok));
		l.port = l.server.address().port;
		return l;
	}
	/* Each command in a write of its own turn, whole: it is short. */
	#answers(text) {
		let out = '';
		const word = (w) => `$${w.length}\r\n${w}\r\n`;
		for (const c of text.split(/(?=\*\d+\r\n)/)) {
			if (/SENTINEL/.test(c)) {
				this.asked++;
				const list = Object.entries({ ip: this.says.host,
					port: String(this.says.port),
					'config-epoch': String(this.says.epoch)
				}).flat();
				out += `*${list.length}\r\n` +
				    list.map(word).join('');
			} else if (/\r\nSUBSCRIBE/.test(c))
				out += `*3\r\n${word('subscribe')}${
					word('+switch-master')}:1\r\n`;
			else if (/HELLO/.test(c))
				out += '-ERR unknown command\r\n';
			else
				out += '+OK\r\n';
		}
		return out;
	}
	/* To those who listen, as often as it is taken. */
	flood(said) {
		const w = (x) => `$${x.length}\r\n${x}\r\n`;
		const bytes = `*3\r\n${w('message')}${w('+switch-master')}${
			w(said)}`.repeat(500);
		for (const s of this.open) {
			if (!s.listens)
				continue;
			const more = () => {
				if (!s.destroyed && s.write(bytes))
					setImmediate(more);
			};
			s.on('drain', more);
			more();
		}
	}
	/* All connections end; others may be made. */
	drop() {
		for (const s of this.open)
			s.destroy();
	}
	async kill() {
		this.server.close();
		this.drop();
	}
}
