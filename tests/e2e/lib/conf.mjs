/* Configuration fragments that several tests share. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

import { slow, tempdir } from './daemon.mjs';
import { secret } from './token.mjs';

/* As short as it may be: it is for those who never end. */
export const stopTime = `stop_time = ${Math.round(1000 * slow)}ms\n`;

export const jwt = `jwt { algorithms = {"HS256"} secret = "${secret}" }\n`;

/* Without tokens: "/" answers acks with what it got; "/echo" the same. */
const echoRules = (name) => `
namespace "${name}" {
    auth = none
    room "{name}" { join = open }
    event "q"    { to = sender meta = off ack = echo }
    event "ask"  { ack = echo }
    event "ping" { to = sender ack = accepted }
    event "say"  { to = namespace ack = delivered }
    event "tell" { to = room:room ack = delivered }
    event "back" { to = sender meta = off as = "echo" }
}
`;
export const echo = echoRules('/') + echoRules('/echo');

const ownKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/* A certificate and its key, in one file. */
export function ownCertificate(dir, more = ['-subj', '/CN=localhost',
	'-addext', 'subjectAltName=DNS:localhost']) {
	const file = `${dir}/site.pem`;
	execFileSync('openssl', ['req', '-x509', ...ownKey, '-nodes', '-days', '2',
		...more, '-keyout', file, '-out', `${dir}/cert.pem`],
	{ stdio: 'ignore' });
	fs.appendFileSync(file, fs.readFileSync(`${dir}/cert.pem`));
	return file;
}
export const siteCertificate = () => ownCertificate(tempdir(),
    ['-subj', '/CN=app.example.com']);

/* A listener that speaks TLS as localhost, with a certificate of its own. */
export function listenTls(more = '', key = ownKey) {
	const dir = tempdir();
	execFileSync('openssl', ['req', '-x509', ...key, '-nodes', '-days', '2', '-subj',
	    '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
	    '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`],
	{ stdio: 'ignore' });
	return `
listen "127.0.0.1:0" { tls = true certificate = "${dir}/cert.pem"
    key = "${dir}/key.pem" ${more} }
`;
}
