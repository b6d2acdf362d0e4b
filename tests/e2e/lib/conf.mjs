/* Configuration fragments that several tests share. */
import { execFileSync } from 'node:child_process';

import { tempdir } from './daemon.mjs';
import { secret } from './token.mjs';

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

/* A listener that speaks TLS as localhost, with a certificate of its own. */
export function listenTls(more = '') {
	const dir = tempdir();
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
	    '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
	    '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`],
	{ stdio: 'ignore' });
	return `
listen "127.0.0.1:0" { tls = true certificate = "${dir}/cert.pem"
    key = "${dir}/key.pem" ${more} }
`;
}
