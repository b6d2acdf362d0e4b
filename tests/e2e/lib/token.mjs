/* JSON Web Tokens as an identity provider would mint them; and forgeries. */
import crypto from 'node:crypto';

export const secret = 'e2e-secret-of-more-than-thirty-two-bytes';
const b64 = (x) => Buffer.from(x).toString('base64url');

const hash = (alg) => 'sha' + alg.slice(2);

function sign(alg, key, data) {
	if (alg === 'none')
		return '';
	if (/^HS/.test(alg))
		return crypto.createHmac(hash(alg), key).update(data)
		    .digest('base64url');
	if (alg === 'EdDSA')
		return crypto.sign(null, Buffer.from(data), key)
		    .toString('base64url');
	const opts = { key };
	if (/^ES/.test(alg))
		opts.dsaEncoding = 'ieee-p1363';
	if (/^PS/.test(alg)) {
		opts.padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
		opts.saltLength = crypto.constants.RSA_PSS_SALTLEN_DIGEST;
	}
	return crypto.sign(hash(alg), Buffer.from(data), opts)
	    .toString('base64url');
}

export const now = () => Math.floor(Date.now() / 1000);

export function mint(payload, { alg = 'HS256', key = secret, header = {} } = {}) {
	const head = b64(JSON.stringify({ alg, typ: 'JWT', ...header }));
	const body = b64(typeof payload === 'string' ? payload :
	    JSON.stringify(payload));
	return `${head}.${body}.${sign(alg, key, `${head}.${body}`)}`;
}

/* The everyday token: user, roles, valid for an hour. */
export const user = (sub, more = {}, opts = {}) =>
	mint({ sub, exp: now() + 3600, ...more }, opts);

export function keypair(alg) {
	if (/^(RS|PS)/.test(alg))
		return crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
	if (alg === 'EdDSA')
		return crypto.generateKeyPairSync('ed25519');
	const curve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg];
	return crypto.generateKeyPairSync('ec', { namedCurve: curve });
}
export const pem = (k) => k.export({ type: 'spki', format: 'pem' });
export const jwk = (k, kid, alg) =>
	({ ...k.export({ format: 'jwk' }), kid, alg, use: 'sig' });
