/*
 * Tokens and key sets from strangers.  The first byte says what the rest is:
 *
 *	t	a token, shown to one key of each type
 *	p	a payload; it is signed first, so that its claims are read
 *	h	a header; it is signed first, over a good payload
 *	j	a JWK Set
 *	k	PEM text
 *	s	a secret
 */
#include "proto/token.h"

#include "base/digest.h"
#include "base/key/pkey.h"
#include "base/utf8.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define SECRET	SLICE("0123456789abcdef0123456789abcdef")
#define ALL	((1u << TOKEN_ALG__MAX) - 1)
#define NOW	((struct wall){ 1700000000000 })

/* Public keys of RFC 7515, A.2 and A.3, and RFC 8037, A.2. */
static const char set[] = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"rsa\","
    "\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp"
    "-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690"
    "r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7W"
    "TBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DW"
    "NmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\","
    "\"e\":\"AQAB\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

/* One key of each type; made once. */
static const struct token_keys *
keys(void)
{
	static struct token_keys *all;
	const char *why;

	if (all != NULL)
		return (all);
	all = token_keys_new(ALL);
	MUST(token_keys_jwks(all, SLICE(set), NULL, NULL, &why) == 3);
	MUST(token_keys_secret(all, SLICE(""), SECRET, &why) == 0);
	return (all);
}

static bool
is_clean(const char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			return (false);
	return (text[n] == '\0' && utf8_valid(slice_of(text, n)));
}

/* What token.h promises of claims. */
static void
check_claims(const struct token_claims *c)
{
	size_t i;

	MUST(c->user_len >= 1 && c->user_len <= 255);
	MUST(is_clean(c->user, c->user_len));
	for (i = 0; i < c->nroles; i++)
		MUST(is_clean(c->roles[i], strlen(c->roles[i])));
	MUST(c->exp == 0 || (uint64_t)c->exp > NOW.ms / 1000);
	MUST(c->json[c->json_len] == '\0');
	MUST(strlen(c->json) == c->json_len);
	MUST(utf8_valid(slice_of(c->json, c->json_len)));
}

static enum authfail
show(struct slice token)
{
	static const struct token_policy lax;
	static const struct token_policy strict = {
		.issuer = { (const uint8_t *)"joe", 3 },
		.audience = { (const uint8_t *)"chat", 4 },
		.user_claim = { (const uint8_t *)"iss", 3 },
		.leeway_s = 5,
	};
	struct token_claims c;
	enum authfail fail;

	fail = token_verify(keys(), &strict, token, NOW, &c);
	if (fail == AUTH_OK)
		check_claims(&c);
	else
		MUST(c.user == NULL && c.json == NULL && c.nroles == 0);
	token_claims_fini(&c);
	fail = token_verify(keys(), &lax, token, NOW, &c);
	if (fail == AUTH_OK)
		check_claims(&c);
	token_claims_fini(&c);
	return (fail);
}

static void
show_payload(struct slice payload)
{
	enum authfail fail;
	struct buf token;

	buf_init(&token);
	if (token_mint(TOKEN_HS256, SECRET, payload, &token) == 0) {
		fail = show(buf_unread(&token));
		MUST(fail != AUTHFAIL_signature && fail != AUTHFAIL_malformed);
		MUST(fail != AUTHFAIL_unknown_key);
	}
	buf_fini(&token);
}

static void
append(struct buf *b, struct slice in)
{
	if (in.n == 0)
		return;
	MUST(buf_reserve(b, 4 * ((in.n + 2) / 3)));
	b->wpos += digest_base64url_encode(in, b->data + b->wpos);
}

static void
show_header(struct slice header)
{
	uint8_t mac[PKEY_HMAC_MAX];
	struct pkey *key;
	struct buf token;
	const char *why;
	size_t n;

	key = pkey_secret(SECRET, &why);
	buf_init(&token);
	append(&token, header);
	buf_str(&token, ".");
	append(&token, SLICE("{\"sub\":\"alice\"}"));
	n = pkey_hmac(key, PKEY_SHA256, buf_unread(&token), mac);
	MUST(n == 32);
	buf_str(&token, ".");
	append(&token, slice_of(mac, n));
	(void)show(buf_unread(&token));
	buf_fini(&token);
	pkey_free(&key);
}

/* Whatever is loaded, a token that it cannot have signed does not pass. */
static void
load(int how, struct slice in)
{
	static const char token[] = "eyJhbGciOiJIUzI1NiJ9."
	    "eyJzdWIiOiJhbGljZSJ9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	static const struct token_policy lax;
	struct token_keys *own = token_keys_new(ALL);
	struct token_claims c;
	const char *why = NULL;
	int got;

	MUST(own != NULL);
	if (how == 'j')
		got = token_keys_jwks(own, in, NULL, NULL, &why);
	else if (how == 'k')
		got = token_keys_pem(own, SLICE("kid"), in, &why);
	else
		got = token_keys_secret(own, SLICE("kid"), in, &why);
	MUST(got >= 0 || (why != NULL && token_keys_count(own) == 0));
	MUST(how != 'j' || got < 0 || token_keys_count(own) == (unsigned)got);
	MUST(token_verify(own, &lax, SLICE(token), NOW, &c) != AUTH_OK);
	token_keys_free(&own);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size == 0)
		return (0);
	in = slice_from(in, 1);
	switch (data[0]) {
	case 't':
		(void)show(in);
		break;
	case 'p':
		show_payload(in);
		break;
	case 'h':
		show_header(in);
		break;
	case 'j':
	case 'k':
	case 's':
		load(data[0], in);
		break;
	}
	return (0);
}
