/*
 * Tokens as text, there and back: everything here is done to bytes nobody
 * has vouched for yet.
 */
#include "proto/token_text.h"

#include "base/digest.h"
#include "base/key/pkey.h"
#include "proto/json.h"
#include "proto/token_keys.h"

#include <stdio.h>

static bool
text_is_base64url(uint8_t c)
{
	return ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '_');
}

bool
token_split(struct slice token, struct token_parts *parts)
{
	size_t dot[2] = { 0, 0 }, dots = 0, i;

	for (i = 0; i < token.n; i++) {
		if (text_is_base64url(token.p[i]))
			continue;
		if (token.p[i] != '.' || dots == nitems(dot))
			return (false);
		dot[dots++] = i;
	}
	if (dots < nitems(dot) || dot[0] == 0 || dot[1] == dot[0] + 1)
		return (false);
	parts->header = slice_of(token.p, dot[0]);
	parts->payload = slice_of(token.p + dot[0] + 1, dot[1] - dot[0] - 1);
	parts->signature = slice_from(token, dot[1] + 1);
	parts->signed_text = slice_of(token.p, dot[1]);
	return (true);
}

static bool
text_is_object(struct slice text)
{
	struct slice value;

	return (json_value(text, &value) == (ssize_t)text.n &&
	    json_type(value) == JSON_OBJECT);
}

ssize_t
token_object(struct slice digits, uint8_t *out)
{
	ssize_t n = digest_base64url_decode(digits, out);

	if (n > 0 && text_is_object(slice_of(out, (size_t)n)))
		return (n);
	return (-1);
}

static void
text_base64url_append(struct buf *out, struct slice in)
{
	if (buf_reserve(out, 4 * ((in.n + 2) / 3)))
		out->wpos += digest_base64url_encode(in, out->data + out->wpos);
}

static bool
token_mint_with(enum token_alg alg, const struct pkey *key,
    struct slice payload, struct buf *out)
{
	size_t start = out->wpos - out->rpos, n;
	uint8_t mac[PKEY_HMAC_MAX];
	char header[64];

	n = (size_t)snprintf(header, sizeof header,
	    "{\"alg\":\"%s\",\"typ\":\"JWT\"}", token_alg_name(alg));
	text_base64url_append(out, slice_of(header, n));
	buf_byte(out, '.');
	text_base64url_append(out, payload);
	if (out->oom)
		return (false);
	n = pkey_hmac(key, token_algs[alg].digest,
	    slice_from(buf_unread(out), start), mac);
	buf_byte(out, '.');
	text_base64url_append(out, slice_of(mac, n));
	return (n > 0 && !out->oom);
}

int
token_mint(enum token_alg alg, struct slice secret, struct slice payload,
    struct buf *out)
{
	struct pkey *key;
	const char *why;
	bool ok;

	MUST(alg < TOKEN_ALG__MAX);
	if (token_algs[alg].scheme != PKEY_HMAC || !text_is_object(payload))
		return (-1);
	key = pkey_secret(secret, &why);
	if (key == NULL)
		return (-1);
	ok = token_mint_with(alg, key, payload, out);
	pkey_free(&key);
	return (ok ? 0 : -1);
}
