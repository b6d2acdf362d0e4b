/*
 * JSON Web Tokens.  The order of things is the defence: the token is taken
 * apart without looking inside, its header may name an algorithm and a kid
 * and is otherwise ignored, the signature is checked with a key of our own
 * table, and only then are the claims read, through libjwt, and judged.  The
 * text itself is token_text.c's, the keys are token_keys.c's.  Short memory
 * reads as a token that is malformed or lacks claims.
 */
#include "proto/token.h"

#include "base/digest.h"
#include "base/number_js.h"
#include "base/utf8.h"
#include "proto/token_keys.h"
#include "proto/token_text.h"

#include <jansson.h>
#ifndef HAVE_JWT_CHECKER_NEW
#include <jwt.h>
#endif

#include <stdio.h>
#include <stdlib.h>

#define USER_MAX	255		/* bytes of a user id */
#define DATE_MAX	(1LL << 53)	/* NumericDate: exact as a double too */

static const struct {
	const char	*name;
	const char	*words;
} authfails[AUTHFAIL__MAX] = {
	[AUTH_OK] = { "ok", "token accepted" },
#define AUTHFAIL(name, words) [AUTHFAIL_##name] = { #name, words },
#include "proto/authfail.def"
#undef AUTHFAIL
};

const char *
authfail_name(enum authfail fail)
{
	MUST(fail < AUTHFAIL__MAX);
	return (authfails[fail].name);
}

const char *
authfail_words(enum authfail fail)
{
	MUST(fail < AUTHFAIL__MAX);
	return (authfails[fail].words);
}

void
token_claims_fini(struct token_claims *c)
{
	size_t i;

	for (i = 0; i < c->nroles; i++)
		free(c->roles[i]);
	free(c->roles);
	free(c->user);
	free(c->jti);
	free(c->json);
	memset(c, 0, sizeof *c);
}

/* A JSON string's bytes: jansson refuses \u0000, so the first NUL ends them. */
static struct slice
token_string_of(const json_t *value)
{
	return (slice_str(json_string_value(value)));
}

/* --- header and signature ------------------------------------------------ */

static json_t *
token_header_parse(struct slice header)
{
	uint8_t text[TOKEN_DECODED(TOKEN_MAX)];
	ssize_t n = token_object(header, text);

	if (n < 0)
		return (NULL);
	/* RFC 7515, 4: the Header Parameter names MUST be unique */
	return (json_loadb((const char *)text, (size_t)n,
	    JSON_REJECT_DUPLICATES, NULL));
}

/*
 * "alg" and "kid" are all that is looked at; keys inside of tokens or behind
 * addresses in them ("jwk", "jku", "x5c", "x5u") are nobody's keys.
 */
static enum authfail
token_header_read(const json_t *header, enum token_alg *alg, struct slice *kid)
{
	const json_t *value = json_object_get(header, "alg");
	int known;

	if (!json_is_string(value))
		return (AUTHFAIL_malformed);
	known = token_alg_from(token_string_of(value));
	if (known < 0)
		return (AUTHFAIL_algorithm);
	*alg = (enum token_alg)known;
	/* RFC 7515, 4.1.11: what is not understood must be refused */
	if (json_object_get(header, "crit") != NULL)
		return (AUTHFAIL_crit);
	value = json_object_get(header, "kid");
	if (value != NULL && !json_is_string(value))
		return (AUTHFAIL_malformed);
	*kid = token_string_of(value);
	return (AUTH_OK);
}

static enum authfail
token_signature_check(const struct token_keys *keys,
    const struct token_parts *parts)
{
	uint8_t sig[TOKEN_DECODED(TOKEN_MAX)];
	enum token_alg alg;
	enum authfail fail;
	struct slice kid;
	json_t *header;
	ssize_t n;

	n = digest_base64url_decode(parts->signature, sig);
	if (n < 0)
		return (AUTHFAIL_malformed);
	header = token_header_parse(parts->header);
	if (header == NULL)
		return (AUTHFAIL_malformed);
	fail = token_header_read(header, &alg, &kid);
	if (fail == AUTH_OK)
		fail = token_keys_verify(keys, alg, kid, parts->signed_text,
		    slice_of(sig, (size_t)n));
	json_decref(header);
	return (fail);
}

/* --- claims -------------------------------------------------------------- */

/* The payload's text, which must be one JSON object, into c->json. */
static bool
token_payload_decode(struct slice payload, struct token_claims *c)
{
	ssize_t n;

	c->json = malloc(TOKEN_DECODED(payload.n) + 1);
	if (c->json == NULL)
		return (false);
	n = token_object(payload, (uint8_t *)c->json);
	if (n < 0)
		return (false);
	c->json[n] = '\0';
	c->json_len = (size_t)n;
	return (true);
}

#ifdef HAVE_JWT_CHECKER_NEW
/* libjwt 3 has no call that reads claims without checking a signature. */
static json_t *
token_claims_parse(struct slice payload, struct slice json)
{
	(void)payload;
	return (json_loadb((const char *)json.p, json.n, 0, NULL));
}
#else
/*
 * The claims of a payload whose signature has been checked.  libjwt gets it
 * under a header that says just that ({"alg":"none"}): which algorithms it
 * knows depends on its version.
 */
static json_t *
token_claims_parse(struct slice payload, struct slice json)
{
	static const char header[] = "eyJhbGciOiJub25lIn0.";
	char text[sizeof header + TOKEN_MAX + 1];
	size_t n = sizeof header - 1;
	json_t *claims = NULL;
	char *grants = NULL;
	jwt_t *jwt = NULL;

	(void)json;
	memcpy(text, header, n);
	memcpy(text + n, payload.p, payload.n);
	n += payload.n;
	text[n++] = '.';
	text[n] = '\0';
	if (jwt_decode(&jwt, text, NULL, 0) == 0)
		grants = jwt_get_grants_json(jwt, NULL);
	if (grants != NULL)
		claims = json_loads(grants, 0, NULL);
	free(grants);
	jwt_free(jwt);
	return (claims);
}
#endif

static const json_t *
token_member_of(const json_t *object, struct slice name)
{
	json_t *borrowed = (json_t *)(uintptr_t)object;
	const char *key;
	json_t *value;

	json_object_foreach (borrowed, key, value)
		if (slice_eq(slice_str(key), name))
			return (value);
	return (NULL);
}

/* The claim of that name, else, where it has dots, the way they show: first
 * "realm_access.roles", then the "roles" of "realm_access". */
static const json_t *
token_claim_get(const json_t *claims, struct slice name)
{
	const json_t *value = token_member_of(claims, name);
	const uint8_t *dot;
	size_t n;

	while (value == NULL && claims != NULL && name.n > 0) {
		dot = memchr(name.p, '.', name.n);
		if (dot == NULL)
			break;
		n = (size_t)(dot - name.p);
		claims = token_member_of(claims, slice_of(name.p, n));
		name = slice_from(name, n + 1);
		value = token_member_of(claims, name);
	}
	return (value);
}

/* NumericDate (RFC 7519, 2): 1 found, 0 absent, -1 no number of seconds. */
static int
token_date_get(const json_t *claims, const char *name, int64_t *out)
{
	const json_t *value = json_object_get(claims, name);
	double real;

	if (value == NULL)
		return (0);
	if (json_is_integer(value)) {
		*out = json_integer_value(value);
		return (*out >= -DATE_MAX && *out <= DATE_MAX ? 1 : -1);
	}
	if (!json_is_real(value))
		return (-1);
	real = json_real_value(value);
	if (!(real >= -(double)DATE_MAX && real <= (double)DATE_MAX))
		return (-1);
	*out = (int64_t)real;
	return (1);
}

/* RFC 7519, 4.1.4 to 4.1.6 */
static enum authfail
token_times_check(const json_t *claims, uint64_t leeway_s, struct wall now,
    struct token_claims *c)
{
	uint64_t now_s = now.ms / 1000;
	uint64_t early = now_s > leeway_s ? now_s - leeway_s : 0;
	uint64_t late = leeway_s < UINT64_MAX - now_s ? now_s + leeway_s :
	    UINT64_MAX;
	int64_t nbf;
	int has_exp = token_date_get(claims, "exp", &c->exp);
	int has_nbf = token_date_get(claims, "nbf", &nbf);
	int has_iat = token_date_get(claims, "iat", &c->iat);

	if (has_exp < 0 || has_nbf < 0 || has_iat < 0)
		return (AUTHFAIL_times);
	if (!has_iat)
		c->iat = INT64_MIN;
	if (has_exp && (c->exp <= 0 || (uint64_t)c->exp <= early))
		return (AUTHFAIL_expired);
	if (has_nbf && nbf > 0 && (uint64_t)nbf > late)
		return (AUTHFAIL_not_yet_valid);
	return (AUTH_OK);
}

static bool
token_string_is(const json_t *value, struct slice text)
{
	return (json_is_string(value) && slice_eq(token_string_of(value),
	    text));
}

/* RFC 7519, 4.1.3: "aud" is a string or an array of strings. */
static bool
token_audience_has(const json_t *aud, struct slice audience)
{
	size_t i;

	for (i = 0; i < json_array_size(aud); i++)
		if (token_string_is(json_array_get(aud, i), audience))
			return (true);
	return (token_string_is(aud, audience));
}

/* No C0, DEL or C1 control characters: names end up in logs and pages. */
static bool
token_is_printable(struct slice text)
{
	size_t i;

	for (i = 0; i < text.n; i++) {
		if (text.p[i] < 0x20 || text.p[i] == 0x7f)
			return (false);
		if (text.p[i] == 0xc2 && i + 1 < text.n && text.p[i + 1] < 0xa0)
			return (false);
	}
	return (true);
}

/* A copy as a C string: neither longer than max nor with odd characters. */
static char *
token_name_copy(struct slice text, size_t max)
{
	if (text.n > max || !token_is_printable(text))
		return (NULL);
	return (strndup((const char *)text.p, text.n));
}

/*
 * A number as JavaScript has it.  false: it would be another one there, and
 * two users might be one.
 */
static bool
token_number_text(const json_t *value, char out[NUMBER_JS_MAX],
    struct slice *text)
{
	long long whole = json_integer_value(value);
	char exact[sizeof "-9223372036854775808"];

	*text = slice_of(out, number_js(json_number_value(value), out));
	(void)snprintf(exact, sizeof exact, "%lld", whole);
	return (!json_is_integer(value) || slice_eq(*text, slice_str(exact)));
}

static enum authfail
token_user_read(const json_t *value, struct token_claims *c)
{
	struct slice text = token_string_of(value);
	char digits[NUMBER_JS_MAX];

	if (value == NULL || json_is_null(value))
		return (AUTHFAIL_user_missing);
	if (json_is_number(value)) {
		if (!token_number_text(value, digits, &text))
			return (AUTHFAIL_user_rounded);
	} else if (!json_is_string(value))
		return (AUTHFAIL_user_type);
	if (text.n == 0)
		return (AUTHFAIL_user_missing);
	if (text.n > USER_MAX)
		return (AUTHFAIL_user_long);
	/* nobody could name him in an order or an event */
	if (!token_is_printable(text) || utf8_lossy(text))
		return (AUTHFAIL_user_control);
	c->user = token_name_copy(text, USER_MAX);
	c->user_len = text.n;
	return (c->user == NULL ? AUTHFAIL_memory : AUTH_OK);
}

/* RFC 7519, 4.1.7 */
static bool
token_id_read(const json_t *value, struct token_claims *c)
{
	struct slice text;

	if (!json_is_string(value))
		return (true);
	text = token_string_of(value);
	if (text.n == 0 || text.n > USER_MAX || !token_is_printable(text) ||
	    utf8_lossy(text))
		return (true);
	c->jti = token_name_copy(text, USER_MAX);
	c->jti_len = text.n;
	return (c->jti != NULL);
}

static bool
token_role_add(struct token_claims *c, struct slice role)
{
	c->roles[c->nroles] = token_name_copy(role, TOKEN_MAX);
	if (c->roles[c->nroles] == NULL)
		return (false);
	c->nroles++;
	return (true);
}

/* "admin teacher", as OAuth writes a scope (RFC 6749, 3.3) */
static bool
token_roles_split(struct slice text, struct token_claims *c)
{
	size_t spaces = 0, from, to;

	for (from = 0; from < text.n; from++)
		spaces += text.p[from] == ' ';
	c->roles = calloc(spaces + 1, sizeof *c->roles);
	if (c->roles == NULL)
		return (false);
	for (from = 0; from < text.n; from = to + 1) {
		for (to = from; to < text.n && text.p[to] != ' '; to++)
			continue;
		if (to > from &&
		    !token_role_add(c, slice_of(text.p + from, to - from)))
			return (false);
	}
	return (true);
}

static bool
token_roles_read(const json_t *value, struct token_claims *c)
{
	size_t i;

	if (value == NULL || json_is_null(value))
		return (true);
	if (json_is_string(value))
		return (token_roles_split(token_string_of(value), c));
	if (!json_is_array(value))
		return (false);
	c->roles = calloc(json_array_size(value) + 1, sizeof *c->roles);
	if (c->roles == NULL)
		return (false);
	for (i = 0; i < json_array_size(value); i++)
		if (!json_is_string(json_array_get(value, i)) ||
		    !token_role_add(c, token_string_of(json_array_get(value,
		    i))))
			return (false);
	return (true);
}

static struct slice
token_name_or(struct slice name, struct slice usual)
{
	return (name.n > 0 ? name : usual);
}

static enum authfail
token_claims_judge(json_t *claims, const struct token_policy *policy,
    struct wall now, struct token_claims *c)
{
	enum authfail fail = token_times_check(claims, policy->leeway_s, now,
	    c);

	if (fail != AUTH_OK)
		return (fail);
	if (policy->issuer.n > 0 &&
	    !token_string_is(json_object_get(claims, "iss"), policy->issuer))
		return (AUTHFAIL_issuer);
	if (policy->audience.n > 0 &&
	    !token_audience_has(json_object_get(claims, "aud"),
	    policy->audience))
		return (AUTHFAIL_audience);
	fail = token_user_read(token_claim_get(claims,
	    token_name_or(policy->user_claim, SLICE("sub"))), c);
	if (fail != AUTH_OK)
		return (fail);
	if (!token_id_read(json_object_get(claims, "jti"), c))
		return (AUTHFAIL_memory);
	return (token_roles_read(token_claim_get(claims,
	    token_name_or(policy->roles_claim, SLICE("roles"))), c) ? AUTH_OK :
	    AUTHFAIL_roles);
}

static enum authfail
token_claims_check(struct slice payload, const struct token_policy *policy,
    struct wall now, struct token_claims *c)
{
	enum authfail fail;
	json_t *claims;

	if (!token_payload_decode(payload, c))
		return (AUTHFAIL_malformed);
	claims = token_claims_parse(payload, slice_of(c->json, c->json_len));
	if (claims == NULL)
		return (AUTHFAIL_claims);
	fail = token_claims_judge(claims, policy, now, c);
	json_decref(claims);
	return (fail);
}

/* What stands in Authorization, whole, where the token alone belongs. */
static bool
token_is_header(struct slice token)
{
	static const struct slice scheme = SLICE("Bearer ");

	return (token.n >= scheme.n &&
	    slice_caseeq(slice_of(token.p, scheme.n), scheme));
}

enum authfail
token_verify(const struct token_keys *keys, const struct token_policy *policy,
    struct slice token, struct wall now, struct token_claims *claims)
{
	enum authfail fail;
	struct token_parts parts;

	memset(claims, 0, sizeof *claims);
	if (token.n == 0)
		return (AUTHFAIL_missing);
	if (token.n > TOKEN_MAX)
		return (AUTHFAIL_too_long);
	if (token_is_header(token))
		return (AUTHFAIL_bearer);
	if (!token_split(token, &parts))
		return (AUTHFAIL_malformed);
	fail = token_signature_check(keys, &parts);
	if (fail == AUTH_OK)
		fail = token_claims_check(parts.payload, policy, now, claims);
	if (fail != AUTH_OK)
		token_claims_fini(claims);
	return (fail);
}

enum authfail
token_vouched(struct slice json, struct wall now, struct token_claims *claims)
{
	static const struct token_policy usual = { .leeway_s = 0 };
	enum authfail fail = AUTHFAIL_memory;
	json_t *tree;

	memset(claims, 0, sizeof *claims);
	tree = json_loadb((const char *)json.p, json.n, 0, NULL);
	if (tree == NULL)
		return (AUTHFAIL_claims);
	claims->json = strndup((const char *)json.p, json.n);
	claims->json_len = json.n;
	if (claims->json != NULL)
		fail = token_claims_judge(tree, &usual, now, claims);
	json_decref(tree);
	if (fail != AUTH_OK)
		token_claims_fini(claims);
	return (fail);
}
