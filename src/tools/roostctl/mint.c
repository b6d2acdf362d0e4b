/*
 * Tokens, keys, hashes; see mint.h.
 */
#include "tools/roostctl/mint.h"

#include <sys/random.h>

#include <inttypes.h>

#include "base/digest.h"
#include "proto/json.h"

static void
mint_base64(struct buf *b, struct slice s)
{
	if (buf_reserve(b, 4 * ((s.n + 2) / 3)))
		b->wpos += digest_base64url_encode(s, b->data + b->wpos);
}

/* What comes later in an object counts: claims may say it otherwise. */
static bool
mint_claims(struct buf *b, const struct mint_token *t)
{
	struct slice whole = t->claims, inner;
	size_t i;

	buf_str(b, "{\"sub\":");
	json_escape(b, slice_str(t->user));
	buf_printf(b, ",\"iat\":%" PRIu64 ",\"exp\":%" PRIu64, t->now_s,
	    t->now_s + t->seconds);
	for (i = 0; i < t->nroles; i++) {
		buf_str(b, i == 0 ? ",\"roles\":[" : ",");
		json_escape(b, slice_str(t->roles[i]));
	}
	if (t->nroles > 0)
		buf_byte(b, ']');
	if (whole.n != 0) {
		if (!json_valid(whole) || json_value(whole, &whole) < 0 ||
		    json_type(whole) != JSON_OBJECT)
			return (false);
		inner = slice_of(whole.p + 1, whole.n - 2);
		while (inner.n > 0 && strchr(" \t\r\n", inner.p[0]) != NULL)
			inner = slice_from(inner, 1);
		if (inner.n > 0)
			buf_byte(b, ',');
		buf_slice(b, inner);
	}
	buf_byte(b, '}');
	return (true);
}

bool
mint_token(struct buf *b, const struct mint_token *t)
{
	struct slice signed_part;
	uint8_t mac[32];
	struct buf claims;
	size_t from = b->wpos;
	bool ok;

	buf_init(&claims);
	ok = mint_claims(&claims, t);
	mint_base64(b, SLICE("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
	buf_byte(b, '.');
	mint_base64(b, buf_unread(&claims));
	signed_part = slice_of(b->data + from, b->wpos - from);
	digest_hmac_sha256(t->secret, &signed_part, 1, mac);
	buf_byte(b, '.');
	mint_base64(b, slice_of(mac, sizeof mac));
	b->oom |= claims.oom;
	buf_fini(&claims);
	return (ok);
}

void
mint_hash(struct buf *b, struct slice key)
{
	uint8_t hash[32];
	size_t i;

	digest_sha256(key, hash);
	for (i = 0; i < sizeof hash; i++)
		buf_printf(b, "%02x", hash[i]);
}

bool
mint_key(struct buf *b)
{
	uint8_t bytes[32];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return (false);
	mint_base64(b, slice_of(bytes, sizeof bytes));
	return (true);
}
