/*
 * A real redis-server for a test, in a folder of its own, on a Unix socket and
 * on a port of its own; and a connection to it of few words.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { tempdir, until, within } from './daemon.mjs';
import { SERVER, started } from './remains.mjs';

const running = new Set();
process.on('exit', () => {
	for (const r of running)
		try { r.child.kill('SIGKILL'); } catch { /* gone */ }
});

/*
 * A free port, which stays free though nobody listens for a while: it is below
 * those that the kernel gives to connections and to the daemons of other tests.
 */
export async function freePort() {
	for (;;) {
		const port = 12000 + Math.floor(Math.random() * 20000);
		const s = net.createServer();
		const free = await new Promise((ok) => {
			s.once('error', () => ok(false));
			s.listen(port, '127.0.0.1', () => ok(true));
		});
		if (!free)
			continue;
		await new Promise((ok) => s.close(ok));
		return port;
	}
}

/* A key and a certificate of its own, or one signed by another. */
export function certificate(dir, name, signer) {
	const files = { key: `${dir}/${name}.key`, cert: `${dir}/${name}.pem` };
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
	    `/CN=${name}`, ...(signer ? ['-CA', signer.cert, '-CAkey',
		signer.key, '-addext', 'basicConstraints=critical,CA:FALSE',
		'-addext', `subjectAltName=DNS:${name}`] : []),
	    '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
	return files;
}

export class Redis {
	/* args: as of redis-server's command line; port, tls: over TCP too;
	 * command: what comes before it. */
	static async start({ args = [], port = 0, tls = [], dir,
		command = [] } = {}) {
		const r = new Redis();
		r.command = command;
		r.dir = dir ?? tempdir();
		r.path = path.join(r.dir, 'redis.sock');
		r.args = ['--port', String(tls.length ? 0 : port),
		    '--bind', '127.0.0.1', '--unixsocket', r.path,
		    '--dir', r.dir, '--save', '', '--appendonly', 'no',
		    ...tls, ...args];
		r.port = port;
		await r.again();
		return r;
	}
	/* Start, after an end. */
	async again() {
		this.log = '';
		fs.rmSync(this.path, { force: true });
		const [name, ...args] = [...this.command, 'redis-server',
			...this.args];
		this.child = spawn(name, args,
		    { stdio: ['ignore', 'pipe', 'pipe'] });
		running.add(this);
		started(SERVER, () => this.kill());
		const child = this.child;
		this.exited = new Promise((ok) => child.on('close', () => {
			running.delete(this);
			ok();
		}));
		child.on('error', (e) => { this.log += String(e); });
		child.stdout.on('data', (b) => { this.log += b; });
		child.stderr.on('data', (b) => { this.log += b; });
		try {
			await until(() => /eady to accept connections/
			    .test(this.log), 'redis-server', 10000);
		} catch (e) {
			throw new Error(`${e.message}\n${this.log}`);
		}
	}
	get url() { return `unix:${this.path}`; }
	signal(s) { this.child.kill(s); }
	async kill() {
		this.child.kill('SIGCONT');
		this.child.kill('SIGKILL');
		await within(this.exited, 'end of redis-server');
	}
	client(opts) { return Client.open(this.path, opts); }
}

/* A socket that leads to others in turn, from which bytes come back ms late. */
export async function distant(to, ms) {
	let n = 0;
	const at = path.join(tempdir(), 'far.sock'), open = new Set();
	const server = net.createServer((near) => {
		const far = net.connect(to[n++ % to.length]);
		for (const [one, other] of [[near, far], [far, near]]) {
			open.add(one);
			one.on('error', () => {});
			one.on('close', () => {
				open.delete(one);
				other.destroy();
			});
		}
		near.on('data', (b) => far.write(b));
		far.on('data', (b) => setTimeout(() => near.write(b), ms));
	});
	await new Promise((ok) => server.listen(at, ok));
	return { path: at, close() {
		server.close();
		for (const s of open)
			s.destroy();
	} };
}

/* RESP2, as much as tests need: strings, numbers, errors, arrays. */
export class Client {
	static async open(where) {
		const c = new Client();
		c.waiting = [];
		c.buffer = Buffer.alloc(0);
		c.socket = net.connect(where);
		c.socket.on('data', (b) => {
			c.buffer = Buffer.concat([c.buffer, b]);
			for (let v; (v = c.#value(0)) !== undefined;) {
				c.buffer = c.buffer.subarray(v.end);
				c.waiting.shift()?.(v.value);
			}
		});
		c.socket.on('error', () => {});
		c.socket.on('close', () => {
			for (const told of c.waiting.splice(0))
				told(new Error('the connection ended'));
		});
		await within(new Promise((ok) => c.socket.once('connect', ok)),
		    'connection to Redis');
		return c;
	}
	#value(at) {
		const eol = this.buffer.indexOf('\r\n', at);
		if (eol < 0)
			return undefined;
		const line = this.buffer.toString('utf8', at + 1, eol);
		const kind = String.fromCharCode(this.buffer[at]);
		let end = eol + 2;
		if (kind === '+')
			return { value: line, end };
		if (kind === '-')
			return { value: new Error(line), end };
		if (kind === ':')
			return { value: Number(line), end };
		const n = Number(line);
		if (n < 0)
			return { value: null, end };
		if (kind === '$')
			return this.buffer.length < end + n + 2 ? undefined :
			    { value: this.buffer.toString('utf8', end, end + n),
				end: end + n + 2 };
		const list = [];
		for (let i = 0; i < n; i++) {
			const v = this.#value(end);
			if (v === undefined)
				return undefined;
			list.push(v.value);
			end = v.end;
		}
		return { value: list, end };
	}
	/* One command; an error reply rejects. */
	async do(...args) {
		const parts = args.map((a) => Buffer.isBuffer(a) ? a :
		    Buffer.from(String(a)));
		const bytes = [Buffer.from(`*${parts.length}\r\n`)];
		for (const p of parts)
			bytes.push(Buffer.from(`$${p.length}\r\n`), p,
			    Buffer.from('\r\n'));
		const reply = new Promise((ok) => this.waiting.push(ok));
		this.socket.write(Buffer.concat(bytes));
		const v = await within(reply, `reply to ${args[0]}`);
		if (v instanceof Error)
			throw v;
		return v;
	}
	close() { this.socket.destroy(); }
}
