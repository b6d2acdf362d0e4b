/* JSON Web Tokens: signatures, keys, header, times, claims, minting. */
#include "proto/token.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "proto/token_keys.h"
#include "tests/lib/check.h"
#include "tests/lib/signer.h"

#define SECRET	SLICE("0123456789abcdef0123456789abcdef")
#define OTHER	SLICE("another secret of thirty-two byte")
#define NONE	SLICE("")
#define ALL	((1u << TOKEN_ALG__MAX) - 1)
#define NOW	1700000000
#define HS256	"{\"alg\":\"HS256\"}"
#define ALICE	"{\"sub\":\"alice\"}"

enum { RSA2048, P256, P384, P521, ED25519, NKEYS };

static EVP_PKEY *signers[NKEYS];
static struct buf token;		/* what the test is about to present */
static struct token_claims claims;	/* of the last token accepted */

static int
make_signers(void **state)
{
	(void)state;
	signers[RSA2048] = signer_rsa(2048);
	signers[P256] = signer_ec("P-256");
	signers[P384] = signer_ec("P-384");
	signers[P521] = signer_ec("P-521");
	signers[ED25519] = signer_new("ED25519");
	buf_init(&token);
	return (0);
}

static int
free_signers(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NKEYS; i++)
		EVP_PKEY_free(signers[i]);
	token_claims_fini(&claims);
	buf_fini(&token);
	return (0);
}

static EVP_PKEY *
signer_of(enum token_alg alg)
{
	switch (token_algs[alg].scheme) {
	case PKEY_PKCS1:
	case PKEY_PSS:
		return (signers[RSA2048]);
	case PKEY_ECDSA:
		return (alg == TOKEN_ES256 ? signers[P256] :
		    alg == TOKEN_ES384 ? signers[P384] : signers[P521]);
	case PKEY_EDDSA:
		return (signers[ED25519]);
	case PKEY_HMAC:
		break;
	}
	return (NULL);
}

static size_t
hmac_sign(enum token_alg alg, struct slice secret, struct slice data,
    uint8_t *sig)
{
	const char *digest = alg == TOKEN_HS256 ? "SHA256" :
	    alg == TOKEN_HS384 ? "SHA384" : "SHA512";
	size_t n = 0;

	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, secret.p,
	    secret.n, data.p, data.n, sig, SIGNER_MAX, &n));
	return (n);
}

/* header "." payload, with a signature made as alg asks, into token */
static void
sign_with(enum token_alg alg, struct slice secret, struct slice header,
    struct slice payload)
{
	const struct token_alg_info *info = &token_algs[alg];
	uint8_t sig[SIGNER_MAX];
	size_t n;

	buf_reset(&token);
	signer_base64url(&token, header);
	buf_byte(&token, '.');
	signer_base64url(&token, payload);
	if (info->scheme == PKEY_HMAC)
		n = hmac_sign(alg, secret, buf_unread(&token), sig);
	else
		n = signer_sign(signer_of(alg), info->scheme, info->digest,
		    RSA_PSS_SALTLEN_DIGEST, buf_unread(&token), sig);
	buf_byte(&token, '.');
	signer_base64url(&token, slice_of(sig, n));
}

static void
sign(enum token_alg alg, const char *header, const char *payload)
{
	sign_with(alg, SECRET, slice_str(header), slice_str(payload));
}

static const struct token_policy anything;

static enum authfail
verify_at(const struct token_keys *keys, const struct token_policy *policy,
    uint64_t now_s)
{
	struct slice s = buf_unread(&token);
	uint8_t *copy = check_copy(s);
	enum authfail fail;

	token_claims_fini(&claims);
	fail = token_verify(keys, policy, slice_of(copy, s.n),
	    (struct wall){ now_s * 1000 }, &claims);
	free(copy);
	if (fail != AUTH_OK) {
		assert_null(claims.user);
		assert_null(claims.roles);
		assert_null(claims.json);
	}
	return (fail);
}

static enum authfail
verify(const struct token_keys *keys)
{
	return (verify_at(keys, &anything, NOW));
}

static void
expect(const struct token_keys *keys, enum authfail want)
{
	enum authfail got = verify(keys);

	if (got != want)
		check_print(authfail_name(got), buf_unread(&token));
	assert_int_equal(got, want);
}

static void
add_secret(struct token_keys *keys, struct slice kid, struct slice secret)
{
	const char *why;

	assert_int_equal(token_keys_secret(keys, kid, secret, &why), 0);
}

static void
add_pem(struct token_keys *keys, struct slice kid, EVP_PKEY *key)
{
	const char *why;
	struct buf b;

	buf_init(&b);
	signer_pem(key, &b);
	assert_int_equal(token_keys_pem(keys, kid, buf_unread(&b), &why), 0);
	buf_fini(&b);
}

static struct token_keys *
secret_keys(void)
{
	struct token_keys *keys = token_keys_new(ALL);

	assert_non_null(keys);
	add_secret(keys, NONE, SECRET);
	return (keys);
}

/* The key that alg asks for, and no other. */
static struct token_keys *
keys_for(enum token_alg alg)
{
	struct token_keys *keys;

	if (token_algs[alg].scheme == PKEY_HMAC)
		return (secret_keys());
	keys = token_keys_new(ALL);
	assert_non_null(keys);
	add_pem(keys, NONE, signer_of(alg));
	return (keys);
}

static const char *
header_of(enum token_alg alg)
{
	static char header[64];

	(void)snprintf(header, sizeof header, "{\"alg\":\"%s\"}",
	    token_alg_name(alg));
	return (header);
}

/* --- algorithms ---------------------------------------------------------- */

static void
names_of_algorithms_are_exact(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < TOKEN_ALG__MAX; i++)
		assert_int_equal(token_alg_from(slice_str(
		    token_alg_name((enum token_alg)i))), i);
	assert_int_equal(token_alg_from(SLICE("hs256")), -1);
	assert_int_equal(token_alg_from(SLICE("HS256 ")), -1);
	assert_int_equal(token_alg_from(SLICE("HS25")), -1);
	assert_int_equal(token_alg_from(SLICE("HS256\0")), -1);
	assert_int_equal(token_alg_from(SLICE("none")), -1);
	assert_int_equal(token_alg_from(SLICE("EDDSA")), -1);
	assert_int_equal(token_alg_from(NONE), -1);
}

static void
failures_have_names_and_words(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < AUTHFAIL__MAX; i++) {
		assert_true(*authfail_name((enum authfail)i) != '\0');
		assert_true(*authfail_words((enum authfail)i) != '\0');
	}
	assert_string_equal(authfail_name(AUTHFAIL_expired), "expired");
	assert_string_equal(authfail_words(AUTHFAIL_expired), "token expired");
}

static void
every_algorithm_is_accepted(void **state)
{
	struct token_keys *keys;
	int alg;

	(void)state;
	for (alg = 0; alg < TOKEN_ALG__MAX; alg++) {
		keys = keys_for((enum token_alg)alg);
		sign((enum token_alg)alg, header_of((enum token_alg)alg),
		    ALICE);
		expect(keys, AUTH_OK);
		assert_string_equal(claims.user, "alice");
		assert_int_equal(claims.user_len, 5);
		assert_int_equal(claims.exp, 0);
		assert_int_equal(claims.nroles, 0);
		assert_string_equal(claims.json, ALICE);
		assert_int_equal(claims.json_len, sizeof ALICE - 1);
		token_keys_free(&keys);
		assert_null(keys);
	}
}

/* Each key against tokens that claim each algorithm, truly so signed. */
static void
a_key_answers_for_its_own_algorithms_only(void **state)
{
	struct token_keys *keys;
	int alg, key;
	bool own;

	(void)state;
	for (key = 0; key < TOKEN_ALG__MAX; key++) {
		keys = keys_for((enum token_alg)key);
		for (alg = 0; alg < TOKEN_ALG__MAX; alg++) {
			own = signer_of((enum token_alg)alg) ==
			    signer_of((enum token_alg)key);
			sign((enum token_alg)alg,
			    header_of((enum token_alg)alg), ALICE);
			expect(keys, own ? AUTH_OK : AUTHFAIL_algorithm);
		}
		token_keys_free(&keys);
	}
}

static void
only_allowed_algorithms_are_accepted(void **state)
{
	struct token_keys *keys;
	const char *why;
	int alg;

	(void)state;
	keys = token_keys_new(1u << TOKEN_HS384);
	add_secret(keys, NONE, SECRET);
	for (alg = TOKEN_HS256; alg <= TOKEN_HS512; alg++) {
		sign((enum token_alg)alg, header_of((enum token_alg)alg),
		    ALICE);
		expect(keys, alg == TOKEN_HS384 ? AUTH_OK :
		    AUTHFAIL_algorithm);
	}
	token_keys_free(&keys);
	keys = token_keys_new(1u << TOKEN_RS256);
	assert_int_equal(token_keys_secret(keys, NONE, SECRET, &why), -1);
	assert_string_equal(why,
	    "none of the allowed algorithms can use this key");
	assert_int_equal(token_keys_count(keys), 0);
	token_keys_free(&keys);
}

static void
unsigned_tokens_are_refused(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\"}", "{\"alg\":\"None\"}",
		"{\"alg\":\"NONE\"}", "{\"alg\":\"nOnE\"}",
		"{\"alg\":\"\"}", "{\"alg\":\"HS\"}", "{\"alg\":\"hs256\"}",
		"{\"alg\":\"HS256\\u0000\"}", "{\"alg\":null}", "{\"alg\":0}",
		"{\"alg\":[\"HS256\"]}", "{}",
	};
	struct token_keys *keys = secret_keys();
	enum authfail fail;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(headers); i++) {
		sign(TOKEN_HS256, headers[i], ALICE);
		fail = verify(keys);
		assert_true(fail == AUTHFAIL_algorithm ||
		    fail == AUTHFAIL_malformed);
		token.wpos -= 43;		/* now without signature */
		assert_int_equal(verify(keys), fail);
		if (i < 4)
			assert_int_equal(fail, AUTHFAIL_algorithm);
	}
	sign(TOKEN_HS256, HS256, ALICE);
	token.wpos -= 43;
	expect(keys, AUTHFAIL_signature);
	token_keys_free(&keys);
}

/* The public key's text as an HMAC secret, with and without its last line. */
static void
public_keys_are_no_secrets(void **state)
{
	struct token_keys *keys;
	const char *why;
	struct buf b;
	int i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < NKEYS; i++) {
		keys = token_keys_new(ALL);
		buf_reset(&b);
		signer_pem(signers[i], &b);
		assert_int_equal(token_keys_pem(keys, NONE, buf_unread(&b),
		    &why), 0);
		sign_with(TOKEN_HS256, buf_unread(&b), SLICE(HS256),
		    SLICE(ALICE));
		expect(keys, AUTHFAIL_algorithm);
		sign_with(TOKEN_HS256, slice_of(b.data, b.wpos - 1),
		    SLICE(HS256), SLICE(ALICE));
		expect(keys, AUTHFAIL_algorithm);
		assert_int_equal(token_keys_secret(keys, NONE, buf_unread(&b),
		    &why), -1);
		buf_reset(&b);
		signer_der(signers[i], &b);
		sign_with(TOKEN_HS256, buf_unread(&b), SLICE(HS256),
		    SLICE(ALICE));
		expect(keys, AUTHFAIL_algorithm);
		/* a secret beside it changes nothing */
		add_secret(keys, NONE, SECRET);
		expect(keys, AUTHFAIL_signature);
		token_keys_free(&keys);
	}
	buf_fini(&b);
}

static void
an_empty_secret_signs_nothing(void **state)
{
	struct token_keys *keys = keys_for(TOKEN_RS256);
	const char *why;

	(void)state;
	sign_with(TOKEN_HS256, SLICE("\0"), SLICE(HS256), SLICE(ALICE));
	expect(keys, AUTHFAIL_algorithm);
	token_keys_free(&keys);
	keys = secret_keys();
	expect(keys, AUTHFAIL_signature);
	assert_int_equal(token_keys_secret(keys, NONE, NONE, &why), -1);
	assert_int_equal(token_keys_secret(keys, NONE, SLICE("short"), &why),
	    -1);
	assert_string_equal(why, "secret is shorter than 32 bytes");
	token_keys_free(&keys);
}

/* --- the text ------------------------------------------------------------ */

/* Every byte of the text changed in one bit, and the last one's spare bits. */
static void
every_changed_byte_is_noticed(void **state)
{
	static const enum token_alg algs[] = {
		TOKEN_HS256, TOKEN_RS256, TOKEN_ES256, TOKEN_EDDSA
	};
	struct token_keys *keys;
	enum authfail fail;
	size_t i, at;
	unsigned bit;

	(void)state;
	for (i = 0; i < nitems(algs); i++) {
		keys = keys_for(algs[i]);
		sign(algs[i], header_of(algs[i]), ALICE);
		expect(keys, AUTH_OK);
		for (at = 0; at < token.wpos; at++)
			for (bit = 0; bit < 8; bit++) {
				token.data[at] ^= (uint8_t)(1u << bit);
				fail = verify(keys);
				assert_true(fail == AUTHFAIL_signature ||
				    fail == AUTHFAIL_malformed ||
				    fail == AUTHFAIL_algorithm);
				token.data[at] ^= (uint8_t)(1u << bit);
			}
		expect(keys, AUTH_OK);
		token_keys_free(&keys);
	}
}

static void
every_cut_and_every_inserted_byte_is_noticed(void **state)
{
	static const char inserted[] = "A.=+/- \n\t%\"\x80";
	struct token_keys *keys = secret_keys();
	size_t at, i, whole;

	(void)state;
	sign(TOKEN_HS256, HS256, ALICE);
	whole = token.wpos;
	for (token.wpos = 0; token.wpos < whole; token.wpos++)
		assert_true(verify(keys) != AUTH_OK);
	for (i = 0; i < sizeof inserted; i++)
		for (at = 0; at <= whole; at++) {
			sign(TOKEN_HS256, HS256, ALICE);
			buf_byte(&token, 0);
			memmove(token.data + at + 1, token.data + at,
			    whole - at);
			token.data[at] = (uint8_t)inserted[i];
			assert_true(verify(keys) != AUTH_OK);
		}
	token_keys_free(&keys);
}

static void
text_that_is_no_token_is_malformed(void **state)
{
	static const char *const texts[] = {
		".", "..", "...", "a", "a.b", "a.b.c", "a..", ".a.", "..a",
		"e30.e30", "e30.e30.", "e30.e30.AA.", ".e30.e30.AA",
		"e30.e30.A", "e30.e30.AB", "e30..AA", "e30.e30.A==",
		"eyJhbGciOiJIUzI1NiJ9=.e30.AA", "eyJhbGciOiJIUzI1NiJ9.e30 .AA",
		"W10.e30.AA", "IiI.e30.AA", "MQ.e30.AA", "bnVsbA.e30.AA",
		"a.b.c.d.e",
	};
	struct token_keys *keys = secret_keys();
	size_t i;

	(void)state;
	buf_reset(&token);
	expect(keys, AUTHFAIL_missing);
	for (i = 0; i < nitems(texts); i++) {
		buf_reset(&token);
		buf_str(&token, texts[i]);
		expect(keys, AUTHFAIL_malformed);
	}
	token_keys_free(&keys);
}

/* A payload of n bytes, all of them one claim. */
static void
sign_payload_of(size_t n)
{
	char *payload = malloc(n + 1);

	assert_non_null(payload);
	memset(payload, 'x', n);
	payload[n] = '\0';
	memcpy(payload, "{\"sub\":\"alice\",\"x\":\"", 20);
	memcpy(payload + n - 2, "\"}", 2);
	sign(TOKEN_HS256, HS256, payload);
	free(payload);
}

/* The whole of the header is pasted into a field for the token alone. */
static void
a_token_with_bearer_in_front_is_told_so(void **state)
{
	static const char *const rows[] = { "Bearer a.b.c", "bearer ",
		"BEARER x" };
	struct token_keys *keys = token_keys_new(UINT32_MAX);
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		buf_reset(&token);
		buf_str(&token, rows[i]);
		expect(keys, AUTHFAIL_bearer);
	}
	buf_reset(&token);
	buf_str(&token, "Bearer.b.c");
	assert_false(verify(keys) == AUTHFAIL_bearer);
	token_keys_free(&keys);
}

static void
tokens_have_a_longest_length(void **state)
{
	struct token_keys *keys = secret_keys();
	size_t n = 6000;

	(void)state;
	do
		sign_payload_of(++n);
	while (token.wpos < TOKEN_MAX);
	assert_int_equal(token.wpos, TOKEN_MAX);
	expect(keys, AUTH_OK);
	sign_payload_of(n + 1);
	assert_true(token.wpos > TOKEN_MAX);
	expect(keys, AUTHFAIL_too_long);
	sign_payload_of(1 << 20);
	expect(keys, AUTHFAIL_too_long);
	token_keys_free(&keys);
}

/* --- header -------------------------------------------------------------- */

static void
strange_headers_are_refused(void **state)
{
	static const struct {
		const char	*header;
		enum authfail	 want;
	} rows[] = {
		{ "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", AUTH_OK },
		{ " {\n\"typ\":\"x\",\r\n\t\"alg\" : \"HS256\" } ", AUTH_OK },
		{ "{\"alg\":\"HS256\",\"b64\":true,\"x\":{}}", AUTH_OK },
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", AUTHFAIL_crit },
		{ "{\"alg\":\"HS256\",\"crit\":[]}", AUTHFAIL_crit },
		{ "{\"alg\":\"HS256\",\"crit\":null}", AUTHFAIL_crit },
		{ "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}",
		    AUTHFAIL_crit },
		{ "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
		    AUTHFAIL_malformed },
		{ "{\"alg\":\"none\",\"alg\":\"HS256\"}", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
		    AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\",\"x\":1,\"x\":2}", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\",\"kid\":1}", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\",\"kid\":null}", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\",\"kid\":[\"\"]}", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\"}x", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\"", AUTHFAIL_malformed },
		{ "{'alg':'HS256'}", AUTHFAIL_malformed },
		{ "{\"alg\":\"HS256\",\"x\":\"\xff\"}", AUTHFAIL_malformed },
		{ "\xef\xbb\xbf{\"alg\":\"HS256\"}", AUTHFAIL_malformed },
		{ "[\"alg\",\"HS256\"]", AUTHFAIL_malformed },
	};
	struct token_keys *keys = secret_keys();
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		sign(TOKEN_HS256, rows[i].header, ALICE);
		expect(keys, rows[i].want);
	}
	sign_with(TOKEN_HS256, SECRET, SLICE(HS256 "\0"), SLICE(ALICE));
	expect(keys, AUTHFAIL_malformed);
	token_keys_free(&keys);
}

/* The attacker's own key in or behind the header is not looked at. */
static void
keys_in_headers_are_ignored(void **state)
{
	EVP_PKEY *mine = signer_ec("P-256"), *theirs = signers[P256];
	struct token_keys *keys = keys_for(TOKEN_ES256);
	struct buf header;

	(void)state;
	buf_init(&header);
	buf_str(&header, "{\"alg\":\"ES256\",\"jku\":\"https://evil.example/\","
	    "\"x5u\":\"https://evil.example/\",\"jwk\":");
	signer_jwk(mine, "", &header);
	buf_str(&header, "}");
	signers[P256] = mine;
	sign_with(TOKEN_ES256, NONE, buf_unread(&header), SLICE(ALICE));
	signers[P256] = theirs;
	expect(keys, AUTHFAIL_signature);
	sign_with(TOKEN_ES256, NONE, buf_unread(&header), SLICE(ALICE));
	expect(keys, AUTH_OK);
	buf_fini(&header);
	EVP_PKEY_free(mine);
	token_keys_free(&keys);
}

/* --- which key ----------------------------------------------------------- */

#define KID(k)	"{\"alg\":\"HS256\",\"kid\":\"" k "\"}"

static void
a_kid_chooses_among_several_keys(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);

	(void)state;
	add_secret(keys, SLICE("old"), OTHER);
	add_secret(keys, SLICE("new"), SECRET);
	add_pem(keys, SLICE("pub"), signers[RSA2048]);
	assert_int_equal(token_keys_count(keys), 3);
	sign(TOKEN_HS256, KID("new"), ALICE);
	expect(keys, AUTH_OK);
	sign(TOKEN_HS256, KID("old"), ALICE);
	expect(keys, AUTHFAIL_signature);
	sign(TOKEN_HS256, KID("pub"), ALICE);
	expect(keys, AUTHFAIL_algorithm);
	sign(TOKEN_HS256, KID("ne"), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	sign(TOKEN_HS256, KID("new "), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	sign(TOKEN_HS256, KID("../../../dev/null"), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	sign(TOKEN_HS256, KID("' OR 1=1 --"), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	sign(TOKEN_HS256, HS256, ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	sign(TOKEN_HS256, KID(""), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	sign(TOKEN_RS256, "{\"alg\":\"RS256\",\"kid\":\"pub\"}", ALICE);
	expect(keys, AUTH_OK);
	token_keys_free(&keys);
}

static void
the_only_key_may_go_without_kid(void **state)
{
	struct token_keys *keys = secret_keys();

	(void)state;
	sign(TOKEN_HS256, KID("whatever"), ALICE);
	expect(keys, AUTH_OK);
	token_keys_free(&keys);

	keys = token_keys_new(ALL);
	add_secret(keys, SLICE("main"), SECRET);
	sign(TOKEN_HS256, HS256, ALICE);
	expect(keys, AUTH_OK);
	sign(TOKEN_HS256, KID("main"), ALICE);
	expect(keys, AUTH_OK);
	sign(TOKEN_HS256, KID("other"), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	token_keys_free(&keys);
}

static void
keys_without_kid_are_tried_in_turn(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);

	(void)state;
	add_pem(keys, NONE, signers[P256]);
	add_secret(keys, NONE, OTHER);
	add_secret(keys, NONE, SECRET);
	sign(TOKEN_HS256, HS256, ALICE);
	expect(keys, AUTH_OK);
	sign_with(TOKEN_HS256, OTHER, SLICE(HS256), SLICE(ALICE));
	expect(keys, AUTH_OK);
	sign(TOKEN_ES256, "{\"alg\":\"ES256\"}", ALICE);
	expect(keys, AUTH_OK);
	sign(TOKEN_RS256, "{\"alg\":\"RS256\"}", ALICE);
	expect(keys, AUTHFAIL_algorithm);
	sign(TOKEN_HS256, KID("x"), ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	token_keys_free(&keys);
}

static void
without_keys_nothing_is_accepted(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);

	(void)state;
	sign(TOKEN_HS256, HS256, ALICE);
	expect(keys, AUTHFAIL_unknown_key);
	token_keys_free(&keys);
	keys = token_keys_new(0);
	expect(keys, AUTHFAIL_algorithm);
	token_keys_free(&keys);
	token_keys_free(&keys);
}

/* --- key sets ------------------------------------------------------------ */

/* {"keys":[ every key, kid "0" to "4", and an oct "oct" ]} */
static void
write_set(struct buf *b)
{
	char extra[32];
	int i;

	buf_str(b, "{\"keys\":[");
	for (i = 0; i < NKEYS; i++) {
		(void)snprintf(extra, sizeof extra, ",\"kid\":\"%d\"", i);
		signer_jwk(signers[i], extra, b);
		buf_str(b, ",");
	}
	buf_str(b, "{\"kty\":\"oct\",\"kid\":\"oct\",\"k\":\"");
	signer_base64url(b, SECRET);
	buf_str(b, "\"}]}");
}

static void
a_key_set_serves_every_algorithm(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);
	char header[64];
	const char *why;
	struct buf b;
	int alg, i;

	(void)state;
	buf_init(&b);
	write_set(&b);
	assert_int_equal(token_keys_jwks(keys, buf_unread(&b), NULL, NULL, &why),
	    NKEYS + 1);
	assert_int_equal(token_keys_count(keys), NKEYS + 1);
	for (alg = 0; alg < TOKEN_ALG__MAX; alg++) {
		for (i = 0; i < NKEYS; i++)
			if (signers[i] == signer_of((enum token_alg)alg))
				break;
		if (i == NKEYS)
			(void)snprintf(header, sizeof header,
			    "{\"alg\":\"%s\",\"kid\":\"oct\"}",
			    token_alg_name((enum token_alg)alg));
		else
			(void)snprintf(header, sizeof header,
			    "{\"alg\":\"%s\",\"kid\":\"%d\"}",
			    token_alg_name((enum token_alg)alg), i);
		sign((enum token_alg)alg, header, ALICE);
		expect(keys, AUTH_OK);
	}
	token_keys_free(&keys);
	buf_fini(&b);
}

static void
on_one_bad(void *arg, unsigned at, const char *why)
{
	assert_int_equal(at, 0);
	assert_non_null(why);
	*(int *)arg = -1;
}

/* Keys added by a set of one member; -1: it is told to be bad. */
static int
load_one(struct token_keys *keys, const char *jwk)
{
	const char *why = NULL;
	struct buf b;
	int n, bad = 0;

	buf_init(&b);
	buf_printf(&b, "{\"keys\":[%s]}", jwk);
	n = token_keys_jwks(keys, buf_unread(&b), on_one_bad, &bad, &why);
	buf_fini(&b);
	assert_true(n >= 0 && (n == 0 || bad == 0));
	return (bad == 0 ? n : bad);
}

#define OCT	"\"kty\":\"oct\",\"k\":" \
	"\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\""

static void
keys_for_other_purposes_are_passed_over(void **state)
{
	static const struct {
		const char	*jwk;
		int		 want;
	} rows[] = {
		{ "{" OCT "}", 1 },
		{ "{" OCT ",\"use\":\"sig\"}", 1 },
		{ "{" OCT ",\"use\":\"enc\"}", 0 },
		{ "{" OCT ",\"use\":1}", 0 },
		{ "{" OCT ",\"key_ops\":[\"sign\",\"verify\"]}", 1 },
		{ "{" OCT ",\"key_ops\":[\"encrypt\"]}", 0 },
		{ "{" OCT ",\"key_ops\":[]}", 0 },
		{ "{" OCT ",\"alg\":\"HS256\"}", 1 },
		{ "{" OCT ",\"alg\":\"A256GCM\"}", 0 },
		{ "{" OCT ",\"alg\":\"RS256\"}", 0 },
		{ "{" OCT ",\"alg\":\"none\"}", 0 },
		{ "{\"kty\":\"unheard-of\"}", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"\"}", 0 },
		{ "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"\"}", 0 },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"\"}", 0 },
		{ "{}", -1 },
		{ "{\"kty\":7}", -1 },
		{ "\"key\"", -1 },
		{ "{" OCT ",\"kid\":7}", -1 },
		{ "{" OCT ",\"alg\":7}", -1 },
		{ "{\"kty\":\"oct\"}", -1 },
		{ "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}", -1 },
		{ "{\"kty\":\"oct\",\"k\":\"MDEy MzQ1\"}", -1 },
		{ "{\"kty\":\"oct\",\"k\":7}", -1 },
		{ "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", -1 },
		{ "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", -1 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\","
		    "\"y\":\"AA\"}", -1 },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}", -1 },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", -1 },
	};
	struct token_keys *keys;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		keys = token_keys_new(ALL);
		assert_row(load_one(keys, rows[i].jwk) == rows[i].want,
		    slice_str(rows[i].jwk));
		assert_int_equal(token_keys_count(keys), rows[i].want == 1);
		token_keys_free(&keys);
	}
	keys = token_keys_new(1u << TOKEN_RS256);
	assert_int_equal(load_one(keys, "{" OCT "}"), 0);
	token_keys_free(&keys);
}

static void
the_alg_of_a_jwk_narrows_its_use(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);

	(void)state;
	assert_int_equal(load_one(keys, "{" OCT ",\"alg\":\"HS512\"}"), 1);
	sign(TOKEN_HS256, HS256, ALICE);
	expect(keys, AUTHFAIL_algorithm);
	sign(TOKEN_HS512, "{\"alg\":\"HS512\"}", ALICE);
	expect(keys, AUTH_OK);
	token_keys_free(&keys);
}

static void
a_bad_set_adds_nothing(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "7", "\"\"", "null", "{}", "{\"keys\":{}}",
		"{\"keys\":null}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}",
		"-----BEGIN PUBLIC KEY-----",
	};
	struct token_keys *keys = secret_keys();
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		why = NULL;
		assert_int_equal(token_keys_jwks(keys, slice_str(texts[i]),
		    NULL, NULL, &why), -1);
		assert_non_null(why);
		assert_int_equal(token_keys_count(keys), 1);
	}
	assert_int_equal(token_keys_jwks(keys, SLICE("{\"keys\":[]}"),
	    NULL, NULL, &why),
	    0);
	sign(TOKEN_HS256, HS256, ALICE);
	expect(keys, AUTH_OK);
	token_keys_free(&keys);
}

static unsigned bad_jwks;

static void
on_bad_jwk(void *arg, unsigned at, const char *why)
{
	assert_ptr_equal(arg, &bad_jwks);
	assert_non_null(why);
	bad_jwks |= 1u << at;
}

static void
a_bad_key_of_a_set_is_told_and_passed_over(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);
	const char *why;

	(void)state;
	bad_jwks = 0;
	assert_int_equal(token_keys_jwks(keys, SLICE("{\"keys\":[{\"kty\":"
	    "\"oct\"},{" OCT "},7,{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"},"
	    "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"},{\"kty\":\"strange\"},"
	    "{\"kty\":\"oct\",\"kid\":7},{" OCT ",\"kid\":\"b\"}]}"),
	    on_bad_jwk, &bad_jwks, &why), 2);
	assert_int_equal(bad_jwks, 1u << 0 | 1u << 2 | 1u << 3 | 1u << 4 |
	    1u << 6);
	assert_int_equal(token_keys_count(keys), 2);
	sign(TOKEN_HS256, "{\"alg\":\"HS256\",\"kid\":\"b\"}", ALICE);
	expect(keys, AUTH_OK);
	token_keys_free(&keys);
}

static void
a_bare_key_is_a_set_of_one(void **state)
{
	struct token_keys *keys = token_keys_new(ALL);
	const char *why;
	struct buf b;

	(void)state;
	buf_init(&b);
	signer_jwk(signers[ED25519], ",\"d\":\"not looked at\"", &b);
	assert_int_equal(token_keys_jwks(keys, buf_unread(&b), NULL, NULL, &why), 1);
	sign(TOKEN_EDDSA, "{\"alg\":\"EdDSA\"}", ALICE);
	expect(keys, AUTH_OK);
	buf_fini(&b);
	token_keys_free(&keys);
}

/* --- times --------------------------------------------------------------- */

static void
expect_time(const char *payload, uint64_t leeway_s, uint64_t now_s,
    enum authfail want)
{
	struct token_policy policy = { .leeway_s = leeway_s };
	struct token_keys *keys = secret_keys();
	enum authfail got;

	sign(TOKEN_HS256, HS256, payload);
	got = verify_at(keys, &policy, now_s);
	token_keys_free(&keys);
	assert_row(got == want, slice_str(payload));
}

static void
tokens_expire_to_the_second(void **state)
{
	static const char *const exp = "{\"sub\":\"a\",\"exp\":1000}";

	(void)state;
	expect_time(exp, 0, 0, AUTH_OK);
	expect_time(exp, 0, 999, AUTH_OK);
	assert_int_equal(claims.exp, 1000);
	expect_time(exp, 0, 1000, AUTHFAIL_expired);
	expect_time(exp, 0, 1001, AUTHFAIL_expired);
	expect_time(exp, 5, 1004, AUTH_OK);
	expect_time(exp, 5, 1005, AUTHFAIL_expired);
	expect_time(exp, 2000, 1500, AUTH_OK);
	expect_time(exp, UINT64_MAX, UINT64_MAX / 1000, AUTH_OK);
}

static void
tokens_become_valid_to_the_second(void **state)
{
	static const char *const nbf = "{\"sub\":\"a\",\"nbf\":1000}";

	(void)state;
	expect_time(nbf, 0, 999, AUTHFAIL_not_yet_valid);
	expect_time(nbf, 0, 1000, AUTH_OK);
	assert_int_equal(claims.exp, 0);
	expect_time(nbf, 5, 994, AUTHFAIL_not_yet_valid);
	expect_time(nbf, 5, 995, AUTH_OK);
	expect_time(nbf, UINT64_MAX, 0, AUTH_OK);
	expect_time(nbf, 600, 300, AUTHFAIL_not_yet_valid);
	expect_time("{\"sub\":\"a\",\"nbf\":-1}", 0, 0, AUTH_OK);
	expect_time("{\"sub\":\"a\",\"nbf\":999.5}", 0, 999, AUTH_OK);
	expect_time("{\"sub\":\"a\",\"nbf\":1000,\"exp\":1000}", 0, 1000,
	    AUTHFAIL_expired);
}

static void
a_fraction_of_now_does_not_count(void **state)
{
	struct token_keys *keys = secret_keys();

	(void)state;
	sign(TOKEN_HS256, HS256, "{\"sub\":\"a\",\"exp\":1000}");
	assert_int_equal(token_verify(keys, &anything, buf_unread(&token),
	    (struct wall){ 999999 }, &claims), AUTH_OK);
	token_claims_fini(&claims);
	assert_int_equal(token_verify(keys, &anything, buf_unread(&token),
	    (struct wall){ 1000000 }, &claims), AUTHFAIL_expired);
	token_keys_free(&keys);
}

static void
times_are_numbers_of_seconds(void **state)
{
	static const struct {
		const char	*value;
		enum authfail	 want;
	} rows[] = {
		{ "2000000000", AUTH_OK },
		{ "2000000000.75", AUTH_OK },
		{ "2e9", AUTH_OK },
		{ "9007199254740992", AUTH_OK },
		{ "0", AUTHFAIL_expired },
		{ "0.5", AUTHFAIL_expired },
		{ "-1", AUTHFAIL_expired },
		{ "-2e9", AUTHFAIL_expired },
		{ "\"2000000000\"", AUTHFAIL_times },
		{ "true", AUTHFAIL_times },
		{ "null", AUTHFAIL_times },
		{ "[2000000000]", AUTHFAIL_times },
		{ "{}", AUTHFAIL_times },
		{ "9007199254740993", AUTHFAIL_times },
		{ "9223372036854775807", AUTHFAIL_times },
		{ "9223372036854775808", AUTHFAIL_claims },
		{ "-9223372036854775809", AUTHFAIL_claims },
		{ "1e300", AUTHFAIL_times },
		{ "-1e300", AUTHFAIL_times },
		{ "1e999", AUTHFAIL_claims },
	};
	char payload[96];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(payload, sizeof payload,
		    "{\"sub\":\"a\",\"exp\":%s}", rows[i].value);
		expect_time(payload, 0, NOW, rows[i].want);
		if (rows[i].want != AUTHFAIL_claims &&
		    rows[i].want != AUTHFAIL_times)
			continue;
		(void)snprintf(payload, sizeof payload,
		    "{\"sub\":\"a\",\"nbf\":%s}", rows[i].value);
		expect_time(payload, 0, NOW, rows[i].want);
		(void)snprintf(payload, sizeof payload,
		    "{\"sub\":\"a\",\"iat\":%s}", rows[i].value);
		expect_time(payload, 0, NOW, rows[i].want);
	}
	expect_time("{\"sub\":\"a\",\"iat\":1999999999}", 0, NOW, AUTH_OK);
}

/* --- other claims -------------------------------------------------------- */

static void
expect_policy(const struct token_policy *policy, const char *payload,
    enum authfail want)
{
	struct token_keys *keys = secret_keys();
	enum authfail got;

	sign(TOKEN_HS256, HS256, payload);
	got = verify_at(keys, policy, NOW);
	token_keys_free(&keys);
	assert_row(got == want, slice_str(payload));
}

/* When it was issued, and its id: by which it can be revoked. */
static void
what_a_token_is_revoked_by(void **state)
{
	static const struct {
		const char	*more;
		int64_t		 iat;
		const char	*jti;
	} rows[] = {
		{ "", INT64_MIN, NULL },
		{ ",\"iat\":1999999999", 1999999999, NULL },
		{ ",\"iat\":1999999999.9", 1999999999, NULL },
		{ ",\"iat\":0", 0, NULL },
		{ ",\"iat\":-5", -5, NULL },
		{ ",\"jti\":\"a-b:c\"", INT64_MIN, "a-b:c" },
		{ ",\"jti\":\"\\u00e9\",\"iat\":7", 7, "\xc3\xa9" },
		{ ",\"jti\":\"\"", INT64_MIN, NULL },
		{ ",\"jti\":5", INT64_MIN, NULL },
		{ ",\"jti\":null", INT64_MIN, NULL },
		{ ",\"jti\":[\"a\"]", INT64_MIN, NULL },
		{ ",\"jti\":\"a\\n\"", INT64_MIN, NULL },
	};
	char payload[400], longest[257];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(payload, sizeof payload, "{\"sub\":\"u\"%s}",
		    rows[i].more);
		expect_policy(&anything, payload, AUTH_OK);
		assert_true(claims.iat == rows[i].iat);
		if (rows[i].jti == NULL) {
			assert_null(claims.jti);
			continue;
		}
		assert_string_equal(claims.jti, rows[i].jti);
		assert_int_equal(claims.jti_len, strlen(rows[i].jti));
	}
	memset(longest, 'x', sizeof longest);
	longest[256] = '\0';
	(void)snprintf(payload, sizeof payload, "{\"sub\":\"u\",\"jti\":"
	    "\"%s\"}", longest);
	expect_policy(&anything, payload, AUTH_OK);
	assert_null(claims.jti);
	(void)snprintf(payload, sizeof payload, "{\"sub\":\"u\",\"jti\":"
	    "\"%s\"}", longest + 1);
	expect_policy(&anything, payload, AUTH_OK);
	assert_int_equal(claims.jti_len, 255);
}

static void
expect_claims(const char *payload, enum authfail want)
{
	expect_policy(&anything, payload, want);
}

static void
the_issuer_must_be_ours(void **state)
{
	struct token_policy policy = { .issuer = SLICE("https://id.example") };
	size_t i;
	static const char *const wrong[] = {
		"{\"sub\":\"a\"}",
		"{\"sub\":\"a\",\"iss\":\"https://id.example/\"}",
		"{\"sub\":\"a\",\"iss\":\"https://id.exampl\"}",
		"{\"sub\":\"a\",\"iss\":\"\"}",
		"{\"sub\":\"a\",\"iss\":null}",
		"{\"sub\":\"a\",\"iss\":1}",
		"{\"sub\":\"a\",\"iss\":[\"https://id.example\"]}",
	};

	(void)state;
	expect_policy(&policy,
	    "{\"sub\":\"a\",\"iss\":\"https://id.example\"}", AUTH_OK);
	expect_policy(&policy,
	    "{\"sub\":\"a\",\"iss\":\"https:\\/\\/id.ex\\u0061mple\"}",
	    AUTH_OK);
	for (i = 0; i < nitems(wrong); i++) {
		expect_policy(&policy, wrong[i], AUTHFAIL_issuer);
		expect_claims(wrong[i], AUTH_OK);
	}
}

static void
the_audience_must_hold_us(void **state)
{
	struct token_policy policy = { .audience = SLICE("chat") };
	static const char *const wrong[] = {
		"{\"sub\":\"a\"}",
		"{\"sub\":\"a\",\"aud\":\"cha\"}",
		"{\"sub\":\"a\",\"aud\":\"chat2\"}",
		"{\"sub\":\"a\",\"aud\":\"api chat\"}",
		"{\"sub\":\"a\",\"aud\":[]}",
		"{\"sub\":\"a\",\"aud\":[\"api\",\"chat2\"]}",
		"{\"sub\":\"a\",\"aud\":[[\"chat\"]]}",
		"{\"sub\":\"a\",\"aud\":{\"chat\":\"chat\"}}",
		"{\"sub\":\"a\",\"aud\":null}",
		"{\"sub\":\"a\",\"aud\":7}",
	};
	size_t i;

	(void)state;
	expect_policy(&policy, "{\"sub\":\"a\",\"aud\":\"chat\"}", AUTH_OK);
	expect_policy(&policy, "{\"sub\":\"a\",\"aud\":[\"chat\"]}", AUTH_OK);
	expect_policy(&policy, "{\"sub\":\"a\",\"aud\":[\"api\",\"chat\"]}",
	    AUTH_OK);
	for (i = 0; i < nitems(wrong); i++) {
		expect_policy(&policy, wrong[i], AUTHFAIL_audience);
		expect_claims(wrong[i], AUTH_OK);
	}
	/* however short it is */
	policy.audience = SLICE("c");
	expect_policy(&policy, "{\"sub\":\"a\",\"aud\":\"c\"}", AUTH_OK);
	expect_policy(&policy, "{\"sub\":\"a\",\"aud\":\"d\"}",
	    AUTHFAIL_audience);
	policy = (struct token_policy){ .issuer = SLICE("i") };
	expect_policy(&policy, "{\"sub\":\"a\",\"iss\":\"i\"}", AUTH_OK);
	expect_policy(&policy, "{\"sub\":\"a\",\"iss\":\"j\"}",
	    AUTHFAIL_issuer);
}

static void
the_user_is_a_text_or_a_number(void **state)
{
	static const struct {
		const char	*value;
		const char	*user;	/* NULL: refused */
		enum authfail	 fail;
	} rows[] = {
		{ "\"alice\"", "alice", AUTH_OK },
		{ "\"Zo\xc3\xab \xe2\x82\xac\"", "Zo\xc3\xab \xe2\x82\xac", AUTH_OK },
		{ "\"Zo\\u00eb\"", "Zo\xc3\xab", AUTH_OK },
		{ "\"auth0|5f7c\"", "auth0|5f7c", AUTH_OK },
		/* as JavaScript has them */
		{ "42", "42", AUTH_OK },
		{ "0", "0", AUTH_OK },
		{ "-0.0", "0", AUTH_OK },
		{ "-7", "-7", AUTH_OK },
		{ "42.0", "42", AUTH_OK },
		{ "1e3", "1000", AUTH_OK },
		{ "42.5", "42.5", AUTH_OK },
		{ "0.000001", "0.000001", AUTH_OK },
		{ "1e-7", "1e-7", AUTH_OK },
		{ "1e17", "100000000000000000", AUTH_OK },
		{ "1e21", "1e+21", AUTH_OK },
		{ "-1.25e300", "-1.25e+300", AUTH_OK },
		{ "9007199254740992", "9007199254740992", AUTH_OK },
		{ "9007199254740994", "9007199254740994", AUTH_OK },
		{ "9007199254740993", NULL, AUTHFAIL_user_rounded },
		{ "123456789012345678", NULL, AUTHFAIL_user_rounded },
		{ "9223372036854775807", NULL, AUTHFAIL_user_rounded },
		{ "9223372036854775808", NULL, AUTHFAIL_claims },
		{ "\"\"", NULL, AUTHFAIL_user_missing },
		{ "null", NULL, AUTHFAIL_user_missing },
		{ "true", NULL, AUTHFAIL_user_type },
		{ "[\"alice\"]", NULL, AUTHFAIL_user_type },
		{ "{\"id\":1}", NULL, AUTHFAIL_user_type },
		{ "\"a\\u0000b\"", NULL, AUTHFAIL_claims },
		{ "\"\\ud800\"", NULL, AUTHFAIL_claims },
		{ "\"a\\nb\"", NULL, AUTHFAIL_user_control },
		{ "\"a\\u001b[31m\"", NULL, AUTHFAIL_user_control },
		{ "\"a\\u001f\"", NULL, AUTHFAIL_user_control },
		{ "\"a\\u007f\"", NULL, AUTHFAIL_user_control },
		{ "\"a\\u0085b\"", NULL, AUTHFAIL_user_control },
		{ "\"\\u009b31m\"", NULL, AUTHFAIL_user_control },
		{ "\"a\\ufffd\"", NULL, AUTHFAIL_user_control },
		{ "\"\xef\xbf\xbd\"", NULL, AUTHFAIL_user_control },
		{ "\"\\ufffc\"", "\xef\xbf\xbc", AUTH_OK },
	};
	char payload[96];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(payload, sizeof payload, "{\"sub\":%s}",
		    rows[i].value);
		expect_claims(payload, rows[i].fail);
		if (rows[i].user == NULL)
			continue;
		assert_string_equal(claims.user, rows[i].user);
		assert_int_equal(claims.user_len, strlen(rows[i].user));
	}
	expect_claims("{}", AUTHFAIL_user_missing);
	expect_claims("{\"Sub\":\"alice\"}", AUTHFAIL_user_missing);
}

/* As OpenID Connect allows. */
static void
a_user_has_at_most_255_bytes(void **state)
{
	char payload[300];

	(void)state;
	(void)snprintf(payload, sizeof payload, "{\"sub\":\"%0255d\"}", 0);
	expect_claims(payload, AUTH_OK);
	assert_int_equal(claims.user_len, 255);
	(void)snprintf(payload, sizeof payload, "{\"sub\":\"%0256d\"}", 0);
	expect_claims(payload, AUTHFAIL_user_long);
}

static void
a_claim_may_be_inside_another(void **state)
{
	struct token_policy policy = {
		.user_claim = SLICE("user.id"),
		.roles_claim = SLICE("realm_access.roles"),
	};

	(void)state;
	expect_policy(&policy, "{\"user\":{\"id\":\"ann\"},\"realm_access\":"
	    "{\"roles\":[\"admin\"]}}", AUTH_OK);
	assert_string_equal(claims.user, "ann");
	assert_int_equal(claims.nroles, 1);
	assert_string_equal(claims.roles[0], "admin");
	/* a claim whose own name has the dot goes first */
	expect_policy(&policy, "{\"user\":{\"id\":\"ann\"},\"user.id\":\"bob\"}",
	    AUTH_OK);
	assert_string_equal(claims.user, "bob");
	assert_int_equal(claims.nroles, 0);
	expect_policy(&policy, "{\"user\":\"ann\"}", AUTHFAIL_user_missing);
	expect_policy(&policy, "{\"user\":{\"i\":1},\"id\":1}",
	    AUTHFAIL_user_missing);
	policy.user_claim = SLICE("a.b.c");
	expect_policy(&policy, "{\"a\":{\"b\":{\"c\":7}}}", AUTH_OK);
	assert_string_equal(claims.user, "7");
	expect_policy(&policy, "{\"a\":{\"b.c\":8}}", AUTH_OK);
	assert_string_equal(claims.user, "8");
	policy.user_claim = SLICE("a..b.");
	expect_policy(&policy, "{\"a\":{\"b\":1}}", AUTHFAIL_user_missing);
}

static void
claims_may_have_other_names(void **state)
{
	struct token_policy policy = {
		.user_claim = SLICE("user_id"),
		.roles_claim = SLICE("https://example.com/roles"),
	};

	(void)state;
	expect_policy(&policy, "{\"sub\":\"x\",\"roles\":\"y\",\"user_id\":7,"
	    "\"https://example.com/roles\":[\"admin\"]}", AUTH_OK);
	assert_string_equal(claims.user, "7");
	assert_int_equal(claims.nroles, 1);
	assert_string_equal(claims.roles[0], "admin");
	expect_policy(&policy, "{\"sub\":\"x\"}", AUTHFAIL_user_missing);
}

static void
roles_are_a_text_or_an_array_of_texts(void **state)
{
	static const struct {
		const char	*value;
		int		 n;	/* -1: refused */
		const char	*roles[3];
	} rows[] = {
		{ "\"admin\"", 1, { "admin" } },
		{ "\"admin teacher\"", 2, { "admin", "teacher" } },
		{ "\"  admin  teacher \"", 2, { "admin", "teacher" } },
		{ "\"\"", 0, { NULL } },
		{ "\"   \"", 0, { NULL } },
		{ "\"a,b\"", 1, { "a,b" } },
		{ "[]", 0, { NULL } },
		{ "[\"admin\"]", 1, { "admin" } },
		{ "[\"b\",\"a\",\"b c\"]", 3, { "b", "a", "b c" } },
		{ "null", 0, { NULL } },
		{ "7", -1, { NULL } },
		{ "true", -1, { NULL } },
		{ "{\"admin\":true}", -1, { NULL } },
		{ "[\"admin\",7]", -1, { NULL } },
		{ "[[\"admin\"]]", -1, { NULL } },
		{ "[null]", -1, { NULL } },
		{ "[\"a\\nb\"]", -1, { NULL } },
		{ "\"a\\tb\"", -1, { NULL } },
	};
	char payload[96];
	size_t i;
	int j;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(payload, sizeof payload,
		    "{\"sub\":\"a\",\"roles\":%s}", rows[i].value);
		expect_claims(payload, rows[i].n < 0 ? AUTHFAIL_roles :
		    AUTH_OK);
		if (rows[i].n < 0)
			continue;
		assert_int_equal(claims.nroles, rows[i].n);
		for (j = 0; j < rows[i].n; j++)
			assert_string_equal(claims.roles[j], rows[i].roles[j]);
	}
	expect_claims("{\"sub\":\"a\"}", AUTH_OK);
	assert_int_equal(claims.nroles, 0);
}

static void
a_payload_that_is_no_object_is_malformed(void **state)
{
	static const char *const payloads[] = {
		"alice", "\"alice\"", "[]", "[{\"sub\":\"a\"}]", "7", "null",
		"{\"sub\":\"a\"", "{\"sub\":\"a\"}}", "{\"sub\":\"a\"} x",
		"{\"sub\":\"\xff\"}", "{\"sub\":\"\xed\xa0\x80\"}",
		"{\"sub\":\"a\nb\"}", "\xef\xbb\xbf{\"sub\":\"a\"}",
	};
	struct token_keys *keys = secret_keys();
	size_t i;

	(void)state;
	for (i = 0; i < nitems(payloads); i++)
		expect_claims(payloads[i], AUTHFAIL_malformed);
	sign_with(TOKEN_HS256, SECRET, SLICE(HS256), SLICE(ALICE "\0"));
	expect(keys, AUTHFAIL_malformed);
	sign_with(TOKEN_HS256, SECRET, SLICE(HS256), SLICE(ALICE "\0{}"));
	expect(keys, AUTHFAIL_malformed);
	token_keys_free(&keys);
}

static void
deep_claims_are_refused(void **state)
{
	char payload[6000];
	int depth, i, n;

	(void)state;
	for (depth = 8; depth < 2900; depth *= 2) {
		n = snprintf(payload, sizeof payload, "{\"sub\":\"a\",\"x\":");
		for (i = 0; i < depth; i++)
			payload[n++] = '[';
		for (i = 0; i < depth; i++)
			payload[n++] = ']';
		payload[n++] = '}';
		payload[n] = '\0';
		expect_claims(payload, depth < 64 ? AUTH_OK :
		    AUTHFAIL_malformed);
	}
}

static void
the_payload_is_kept_as_it_came(void **state)
{
	static const char odd[] = " { \"sub\" : \"a\" ,\n"
	    "\"courses\":[\"\\u0041\",1.50,1e2] , \"courses\":[] }\t";

	(void)state;
	expect_claims(odd, AUTH_OK);
	assert_int_equal(claims.json_len, sizeof odd - 1);
	assert_string_equal(claims.json, odd);
	/* the last of two wins, here as for whoever reads the text */
	expect_claims("{\"sub\":\"a\",\"sub\":\"b\"}", AUTH_OK);
	assert_string_equal(claims.user, "b");
	expect_claims("{\"sub\":\"b\",\"exp\":1,\"exp\":2000000000}", AUTH_OK);
}

/* --- minting ------------------------------------------------------------- */

static void
minted_tokens_verify(void **state)
{
	struct token_keys *keys = secret_keys();
	int alg;

	(void)state;
	for (alg = 0; alg < TOKEN_ALG__MAX; alg++) {
		buf_reset(&token);
		buf_str(&token, "Bearer ");
		buf_consume(&token, 3);
		if (alg > TOKEN_HS512) {
			assert_int_equal(token_mint((enum token_alg)alg,
			    SECRET, SLICE(ALICE), &token), -1);
			continue;
		}
		assert_int_equal(token_mint((enum token_alg)alg, SECRET,
		    SLICE(ALICE), &token), 0);
		assert_slices(slice_of(buf_unread(&token).p, 4), SLICE("rer "));
		buf_consume(&token, 4);
		expect(keys, AUTH_OK);
		assert_string_equal(claims.user, "alice");
	}
	token_keys_free(&keys);
}

static void
minting_refuses_what_verifying_would(void **state)
{
	(void)state;
	assert_int_equal(token_mint(TOKEN_HS256, SLICE("short"), SLICE(ALICE),
	    &token), -1);
	assert_int_equal(token_mint(TOKEN_HS256, SECRET, SLICE("[]"), &token),
	    -1);
	assert_int_equal(token_mint(TOKEN_HS256, SECRET, SLICE("{"), &token),
	    -1);
	assert_int_equal(token_mint(TOKEN_HS256, SECRET, NONE, &token), -1);
}

/* --- examples of the standards ------------------------------------------- */

#define JOE	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9" \
	"leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static const struct example {
	const char	*jwk;
	const char	*token;
} examples[] = {
	/* RFC 7515, A.1 */
	{ "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_"
	    "T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
	  "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
	    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" },
	/* RFC 7515, A.2 */
	{ "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTb"
	    "ji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
	    "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaS"
	    "HSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4"
	    "uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj"
	    "8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}",
	  "eyJhbGciOiJSUzI1NiJ9." JOE
	    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
	    "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4B"
	    "AynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0G"
	    "arZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1"
	    "phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
	    "cN_IoypGlUPQGe77Rw" },
	/* RFC 7515, A.3 */
	{ "{\"kty\":\"EC\",\"crv\":\"P-256\","
	    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
	  "eyJhbGciOiJFUzI1NiJ9." JOE
	    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
	    "pmWQxfKTUJqPP3-Kg6NU1Q" },
	/* RFC 8037, A.4: its payload is no JSON */
	{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
	    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	  "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
	    ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
	    "hVsPt9g7sVvpAr_MuM0KAg" },
};

static void
examples_of_the_standards_verify(void **state)
{
	struct token_policy policy = { .user_claim = SLICE("iss") };
	struct token_keys *keys;
	const char *why;
	bool json;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(examples); i++) {
		json = strstr(examples[i].token, JOE) != NULL;
		keys = token_keys_new(ALL);
		assert_int_equal(token_keys_jwks(keys,
		    slice_str(examples[i].jwk), NULL, NULL, &why), 1);
		buf_reset(&token);
		buf_str(&token, examples[i].token);
		assert_int_equal(verify_at(keys, &policy, 1300819379),
		    json ? AUTH_OK : AUTHFAIL_malformed);
		if (json) {
			assert_string_equal(claims.user, "joe");
			assert_int_equal(claims.exp, 1300819380);
		}
		assert_int_equal(verify_at(keys, &policy, 1300819380),
		    json ? AUTHFAIL_expired : AUTHFAIL_malformed);
		token.data[token.wpos - 2] ^= 2;
		assert_int_equal(verify_at(keys, &policy, 1300819379),
		    AUTHFAIL_signature);
		token_keys_free(&keys);
	}
}

static void
the_error_queue_stays_empty(void **state)
{
	struct token_keys *keys = keys_for(TOKEN_ES256);

	(void)state;
	ERR_clear_error();
	sign(TOKEN_RS256, "{\"alg\":\"RS256\"}", ALICE);
	expect(keys, AUTHFAIL_algorithm);
	sign(TOKEN_ES256, "{\"alg\":\"ES256\"}", ALICE);
	token.data[token.wpos - 3] ^= 1;
	(void)verify(keys);
	assert_true(ERR_peek_error() == 0);
	token_keys_free(&keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_token_is_revoked_by),
		cmocka_unit_test(names_of_algorithms_are_exact),
		cmocka_unit_test(failures_have_names_and_words),
		cmocka_unit_test(every_algorithm_is_accepted),
		cmocka_unit_test(a_key_answers_for_its_own_algorithms_only),
		cmocka_unit_test(only_allowed_algorithms_are_accepted),
		cmocka_unit_test(unsigned_tokens_are_refused),
		cmocka_unit_test(public_keys_are_no_secrets),
		cmocka_unit_test(an_empty_secret_signs_nothing),
		cmocka_unit_test(every_changed_byte_is_noticed),
		cmocka_unit_test(every_cut_and_every_inserted_byte_is_noticed),
		cmocka_unit_test(text_that_is_no_token_is_malformed),
		cmocka_unit_test(a_token_with_bearer_in_front_is_told_so),
		cmocka_unit_test(tokens_have_a_longest_length),
		cmocka_unit_test(strange_headers_are_refused),
		cmocka_unit_test(keys_in_headers_are_ignored),
		cmocka_unit_test(a_kid_chooses_among_several_keys),
		cmocka_unit_test(the_only_key_may_go_without_kid),
		cmocka_unit_test(keys_without_kid_are_tried_in_turn),
		cmocka_unit_test(without_keys_nothing_is_accepted),
		cmocka_unit_test(a_key_set_serves_every_algorithm),
		cmocka_unit_test(keys_for_other_purposes_are_passed_over),
		cmocka_unit_test(the_alg_of_a_jwk_narrows_its_use),
		cmocka_unit_test(a_bad_set_adds_nothing),
		cmocka_unit_test(a_bad_key_of_a_set_is_told_and_passed_over),
		cmocka_unit_test(a_bare_key_is_a_set_of_one),
		cmocka_unit_test(tokens_expire_to_the_second),
		cmocka_unit_test(tokens_become_valid_to_the_second),
		cmocka_unit_test(a_fraction_of_now_does_not_count),
		cmocka_unit_test(times_are_numbers_of_seconds),
		cmocka_unit_test(the_issuer_must_be_ours),
		cmocka_unit_test(the_audience_must_hold_us),
		cmocka_unit_test(the_user_is_a_text_or_a_number),
		cmocka_unit_test(a_user_has_at_most_255_bytes),
		cmocka_unit_test(a_claim_may_be_inside_another),
		cmocka_unit_test(claims_may_have_other_names),
		cmocka_unit_test(roles_are_a_text_or_an_array_of_texts),
		cmocka_unit_test(a_payload_that_is_no_object_is_malformed),
		cmocka_unit_test(deep_claims_are_refused),
		cmocka_unit_test(the_payload_is_kept_as_it_came),
		cmocka_unit_test(minted_tokens_verify),
		cmocka_unit_test(minting_refuses_what_verifying_would),
		cmocka_unit_test(examples_of_the_standards_verify),
		cmocka_unit_test(the_error_queue_stays_empty),
	};

	return (cmocka_run_group_tests(tests, make_signers, free_signers));
}
