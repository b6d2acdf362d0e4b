/*
 * Digests through OpenSSL's EVP; base64 is ours because OpenSSL's block
 * functions neither know the URL alphabet nor refuse sloppy input.
 */
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static void
digest_run(const EVP_MD *md, struct slice in, uint8_t *out)
{
	MUST(EVP_Digest(in.n == 0 ? "" : (const void *)in.p, in.n, out, NULL,
	    md, NULL) == 1);
}

void
digest_sha1(struct slice in, uint8_t out[20])
{
	digest_run(EVP_sha1(), in, out);
}

void
digest_sha256(struct slice in, uint8_t out[32])
{
	digest_run(EVP_sha256(), in, out);
}

/* Of a block that the key was put over, and what follows it. */
static void
digest_keyed(const uint8_t key[64], uint8_t pad, const struct slice *parts,
    size_t n, uint8_t out[32])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t block[64];
	size_t i;

	for (i = 0; i < sizeof block; i++)
		block[i] = key[i] ^ pad;
	MUST(c != NULL && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(c, block, sizeof block) == 1);
	for (i = 0; i < n; i++)
		if (parts[i].n != 0)
			MUST(EVP_DigestUpdate(c, parts[i].p, parts[i].n) == 1);
	MUST(EVP_DigestFinal_ex(c, out, NULL) == 1);
	EVP_MD_CTX_free(c);
	OPENSSL_cleanse(block, sizeof block);
}

void
digest_hmac_sha256(struct slice key, const struct slice *parts, size_t n,
    uint8_t out[32])
{
	uint8_t k[64] = { 0 }, inner[32];
	struct slice rest = slice_of(inner, sizeof inner);

	if (key.n > sizeof k)
		digest_sha256(key, k);
	else if (key.n != 0)
		memcpy(k, key.p, key.n);
	digest_keyed(k, 0x36, parts, n, inner);
	digest_keyed(k, 0x5c, &rest, 1, out);
	OPENSSL_cleanse(k, sizeof k);
}

bool
digest_equal(struct slice a, struct slice b)
{
	return (a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

static const char std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t
digest_encode(struct slice in, uint8_t *out, const char *abc, bool pad)
{
	uint8_t *o = out;
	size_t i;
	uint32_t v;

	for (i = 0; i + 3 <= in.n; i += 3) {
		v = (uint32_t)in.p[i] << 16 | (uint32_t)in.p[i + 1] << 8 |
		    in.p[i + 2];
		*o++ = (uint8_t)abc[v >> 18];
		*o++ = (uint8_t)abc[v >> 12 & 63];
		*o++ = (uint8_t)abc[v >> 6 & 63];
		*o++ = (uint8_t)abc[v & 63];
	}
	if (i == in.n)
		return ((size_t)(o - out));
	v = (uint32_t)in.p[i] << 16;
	if (i + 1 < in.n)
		v |= (uint32_t)in.p[i + 1] << 8;
	*o++ = (uint8_t)abc[v >> 18];
	*o++ = (uint8_t)abc[v >> 12 & 63];
	if (i + 1 < in.n)
		*o++ = (uint8_t)abc[v >> 6 & 63];
	else if (pad)
		*o++ = '=';
	if (pad)
		*o++ = '=';
	return ((size_t)(o - out));
}

/* Value of a digit, or 64. */
static uint32_t
digest_digit(uint8_t c, const char *abc)
{
	if (c >= 'A' && c <= 'Z')
		return (c - 'A' + 0u);
	if (c >= 'a' && c <= 'z')
		return (c - 'a' + 26u);
	if (c >= '0' && c <= '9')
		return (c - '0' + 52u);
	if (c == (uint8_t)abc[62])
		return (62);
	return (c == (uint8_t)abc[63] ? 63 : 64);
}

/* in without padding */
static ssize_t
digest_decode(struct slice in, uint8_t *out, const char *abc)
{
	uint8_t *o = out;
	uint32_t v = 0, d;
	size_t i;

	if (in.n % 4 == 1)
		return (-1);
	for (i = 0; i < in.n; i++) {
		d = digest_digit(in.p[i], abc);
		if (d == 64)
			return (-1);
		v = v << 6 | d;
		if (i % 4 == 3) {
			*o++ = (uint8_t)(v >> 16);
			*o++ = (uint8_t)(v >> 8);
			*o++ = (uint8_t)v;
			v = 0;
		}
	}
	if (in.n % 4 == 2) {
		if (v & 15)
			return (-1);
		*o++ = (uint8_t)(v >> 4);
	} else if (in.n % 4 == 3) {
		if (v & 3)
			return (-1);
		*o++ = (uint8_t)(v >> 10);
		*o++ = (uint8_t)(v >> 2);
	}
	return (o - out);
}

size_t
digest_base64_encode(struct slice in, uint8_t *out)
{
	return (digest_encode(in, out, std, true));
}

size_t
digest_base64url_encode(struct slice in, uint8_t *out)
{
	return (digest_encode(in, out, url, false));
}

ssize_t
digest_base64_decode(struct slice in, uint8_t *out)
{
	size_t pad = 0;

	if (in.n % 4 != 0)
		return (-1);
	while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
		pad++;
	return (digest_decode(slice_of(in.p, in.n - pad), out, std));
}

ssize_t
digest_base64url_decode(struct slice in, uint8_t *out)
{
	return (digest_decode(in, out, url));
}

static bool
digest_is_space(uint8_t c)
{
	return (c == ' ' || (c >= '\t' && c <= '\r'));
}

ssize_t
digest_base64_decode_loose(struct slice in, uint8_t *out)
{
	size_t i, digits = 0, pads = 0;
	uint8_t *o = out;
	uint32_t v = 0, d;

	for (i = 0; i < in.n; i++) {
		if (digest_is_space(in.p[i]))
			continue;
		if (in.p[i] == '=') {
			pads++;
			continue;
		}
		d = digest_digit(in.p[i], std);
		if (d == 64 || pads > 0)
			return (-1);
		v = v << 6 | d;
		/* a byte is whole with the second, third and fourth digit */
		if (digits++ % 4 != 0)
			*o++ = (uint8_t)(v >> (6 - 2 * ((digits - 1) % 4)));
	}
	if (digits % 4 == 1 || pads > (4 - digits % 4) % 4)
		return (-1);
	return (o - out);
}
