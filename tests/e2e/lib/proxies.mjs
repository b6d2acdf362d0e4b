/*
 * nginx, HAProxy, Caddy and Apache, as the manual page roost-proxies(7) sets them
 * up.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';

import { tempdir, top, until, within } from './daemon.mjs';
import { freePort } from './redis.mjs';
import { SERVER, started } from './remains.mjs';

const page = fs.readFileSync(path.join(top, 'man', 'roost-proxies.7'), 'utf8');
const running = new Set();
/* With its workers, which would outlive it: each has a group of its own. */
process.on('exit', () => running.forEach((p) => {
	try {
		process.kill(-p.child.pid, 'SIGKILL');
	} catch { /* gone, or never there */ }
}));

function placed(text, places, name) {
	return places.reduce((t, [from, to]) => {
		if (!t.includes(from))
			throw new Error(`${name}: no ${from}`);
		return t.replace(from, to);
	}, text);
}
/* An example, with these in the place of its addresses. */
export function example(name, places = []) {
	const [, text] = page.match(new RegExp(
	    `begin ${name}\\n\\.Bd .*\\n([^]*?)\\n\\.Ed\\n\\.\\\\" end ${name}\\n`));
	return placed(text, places, name);
}

export class Proxy {
	static async start(command, args, file, text, env = {}) {
		const p = new Proxy();
		p.file = file;
		fs.writeFileSync(file, text);
		p.log = '';
		p.child = spawn(command, args, { detached: true,
			env: { ...process.env, ...env },
			stdio: ['ignore', 'pipe', 'pipe'] });
		running.add(p);
		started(SERVER, () => running.has(p) && p.stop());
		p.child.on('error', (e) => { p.log += String(e); });
		for (const s of [p.child.stdout, p.child.stderr])
			s.on('data', (b) => { p.log += b; });
		p.exited = new Promise((ok) => p.child.on('close', () => {
			running.delete(p);
			ok();
		}));
		return p;
	}
	async up(port) {
		this.port = port;
		await until(() => new Promise((ok) => {
			const s = net.connect({ host: '127.0.0.1', port });
			s.on('connect', () => { s.destroy(); ok(true); });
			s.on('error', () => ok(false));
		}), `the proxy: ${this.log}`, 10000);
		return this;
	}
	async stop() {
		this.child.kill('SIGTERM');
		await within(this.exited, 'end of the proxy', 10000);
	}
}

/* text: in the place of the example */
export async function nginx(d, own) {
	const dir = tempdir(), port = await freePort();
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) =>
		`${n}_temp_path ${dir}/${n};`).join('\n');
	const text = `daemon off; pid ${dir}/pid; error_log stderr warn;
${process.getuid() === 0 ? 'user root;' : ''} worker_processes 2;
worker_rlimit_nofile 16000;
events { worker_connections 12000; }
http { access_log off; ${temp}
${placed(own ?? example('nginx'),
	    [['listen 80;', `listen 127.0.0.1:${port} backlog=4096;`],
		['127.0.0.1:8080', `127.0.0.1:${d.port}`]], 'nginx')}
}\n`;
	const args = ['-p', dir, '-e', 'stderr', '-c', `${dir}/nginx.conf`];
	const p = await Proxy.start('nginx', args, `${dir}/nginx.conf`, text);
	p.reload = () => execFileSync('nginx', [...args, '-s', 'reload'],
	    { stdio: 'ignore' });
	return p.up(port);
}

async function haproxyOf(name, places, port) {
	const dir = tempdir();
	const p = await Proxy.start('haproxy', ['-db', '-f', `${dir}/haproxy.cfg`],
	    `${dir}/haproxy.cfg`, `global\n    maxconn 6000\n${
	    example(name, places)}\n`);
	return p.up(port);
}
export async function haproxy(d) {
	const port = await freePort();
	return haproxyOf('haproxy', [['bind :80', `bind 127.0.0.1:${port}`],
		['127.0.0.1:8080', `127.0.0.1:${d.port}`]], port);
}
/* ... with the PROXY protocol, to the daemon's second listener */
export async function haproxyTcp(d) {
	const port = await freePort();
	return haproxyOf('haproxy-tcp', [['bind :443', `bind 127.0.0.1:${port}`],
		['127.0.0.1:8443', `127.0.0.1:${d.ports[1]}`]], port);
}
/* ... where it ends TLS, with this certificate and key in one file */
export async function haproxyTls(d, pem) {
	const port = await freePort();
	return haproxyOf('haproxy-tls', [['bind :443', `bind 127.0.0.1:${port}`],
		['/etc/haproxy/site.pem', pem],
		['127.0.0.1:8443', `127.0.0.1:${d.ports[1]}`]], port);
}

async function caddyAt(d, site, own) {
	const dir = tempdir(), port = await freePort();
	const text = `{\n\tadmin off\n\tskip_install_trust\n\tauto_https ${own}\n}\n${
		example('caddy', [['app.example.com {', site(port)],
			['127.0.0.1:8080', `127.0.0.1:${d.port}`]])}\n`;
	const p = await Proxy.start('caddy', ['run', '--config',
		`${dir}/Caddyfile`, '--adapter', 'caddyfile'], `${dir}/Caddyfile`,
	text, { XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir, HOME: dir });
	return p.up(port);
}
export const caddy = (d) => caddyAt(d, (port) =>
	`http://:${port} {\n    bind 127.0.0.1`, 'off');
/* as it is there: with TLS, but a certificate of its own */
export async function caddyTls(d) {
	const p = await caddyAt(d, (port) => `https://app.example.com:${port
	} {\n    bind 127.0.0.1\n    tls internal`, 'disable_redirects');
	/* it says that it has one before it shows it */
	await until(() => new Promise((ok) => {
		const s = tls.connect({ port: p.port, host: '127.0.0.1',
			servername: 'app.example.com', rejectUnauthorized: false },
		() => { s.destroy(); ok(true); });
		s.on('error', () => ok(false));
	}), 'a certificate of Caddy', 20000);
	return p;
}

export async function apache(d) {
	const dir = tempdir(), port = await freePort();
	const modules = ['mpm_event', 'authz_core', 'headers', 'proxy', 'proxy_http'];
	const text = `ServerRoot ${dir}
${modules.map((m) => `LoadModule ${m}_module /usr/lib/apache2/modules/mod_${m}.so`)
		.join('\n')}
PidFile ${dir}/pid
DefaultRuntimeDir ${dir}
ErrorLog ${dir}/error.log
${process.getuid() === 0 ? 'User nobody\nGroup nogroup' : ''}
Listen 127.0.0.1:${port}
ServerName app.example.com
ServerLimit 12
ThreadsPerChild 64
MaxRequestWorkers 768
<VirtualHost *:${port}>
${example('apache', [['127.0.0.1:8080', `127.0.0.1:${d.port}`]])}
</VirtualHost>\n`;
	const p = await Proxy.start('apache2', ['-DFOREGROUND', '-f',
		`${dir}/httpd.conf`], `${dir}/httpd.conf`, text);
	p.reload = () => p.child.kill('SIGUSR1');
	return p.up(port);
}
apache.most = 500;	/* each is a thread */
