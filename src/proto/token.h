/*
 * JSON Web Tokens (RFC 7519, RFC 7515): text and keys in, claims out.  The
 * only user of libjwt.  Keys are loaded once; the key's type pins the
 * algorithms it may be used with, never the token's header.  Verification
 * allocates only what it returns.  Time is an argument.
 */
#ifndef PROTO_TOKEN_H
#define PROTO_TOKEN_H

#include "base/clock.h"
#include "proto/codec.h"

enum authfail {
	AUTH_OK = 0,
#define AUTHFAIL(name, words) AUTHFAIL_##name,
#include "proto/authfail.def"
#undef AUTHFAIL
	AUTHFAIL__MAX
};
const char *authfail_name(enum authfail);
const char *authfail_words(enum authfail);

enum token_alg {
	TOKEN_HS256, TOKEN_HS384, TOKEN_HS512,
	TOKEN_RS256, TOKEN_RS384, TOKEN_RS512,
	TOKEN_PS256, TOKEN_PS384, TOKEN_PS512,
	TOKEN_ES256, TOKEN_ES384, TOKEN_ES512,
	TOKEN_EDDSA, TOKEN_ALG__MAX
};
/* "HS256" ... "EdDSA", exact case; -1 unknown */
int	token_alg_from(struct slice name);
const char *token_alg_name(enum token_alg);

#define TOKEN_MAX	8192	/* bytes of a token */

struct token_keys;		/* keys by kid, and the allowed algorithms */
struct token_keys *token_keys_new(uint32_t allowed) MUST_USE; /* 1 << alg */
void	token_keys_free(struct token_keys **);
/*
 * Add a key; kid may be empty (used for tokens without kid, and, when it is
 * the only key, for any).  The only key also serves tokens without kid,
 * whatever its own.  Keys that share a kid are tried in turn.  0, or -1 with
 * *why set to a static text: secret shorter than 32 bytes, RSA below 2048
 * bits, unknown format, none of the allowed algorithms can use it, ...
 */
int	token_keys_secret(struct token_keys *, struct slice kid,
	    struct slice secret, const char **why) MUST_USE;
/* PEM text: a public key or a certificate. */
int	token_keys_pem(struct token_keys *, struct slice kid, struct slice pem,
	    const char **why) MUST_USE;
/* A JWK Set (RFC 7517): RSA, EC (P-256, 384, 521), OKP (Ed25519), oct. Keys
 * with use other than sig, or that no allowed algorithm can use, are skipped;
 * so is one that is no good, which is told, by its place in the set, to bad
 * (NULL: nobody).  Returns the number added, or -1: no set, or no memory. */
int	token_keys_jwks(struct token_keys *, struct slice json,
	    void (*bad)(void *arg, unsigned at, const char *why), void *arg,
	    const char **why) MUST_USE;
unsigned token_keys_count(const struct token_keys *);

struct token_policy {	/* all zero: the defaults in the comments */
	struct slice	 issuer;	/* empty: any */
	struct slice	 audience;	/* empty: any */
	/* "sub", "roles"; "a.b" is the member b of a, unless one is named so */
	struct slice	 user_claim, roles_claim;
	uint64_t	 leeway_s;
};

struct token_claims {
	char		*user;		/* heap, NUL-terminated, valid UTF-8,
					 * 1..255 bytes, no control characters;
					 * a number as JavaScript writes it */
	size_t		 user_len;
	char		**roles;	/* heap, each and all; a string claim
					 * is split at spaces, an array stands
					 * as it is, null is no roles */
	size_t		 nroles;
	int64_t		 exp;		/* unix seconds; 0: never expires */
	int64_t		 iat;		/* unix seconds; INT64_MIN: it does not
					 * say */
	char		*jti;		/* heap, its id; NULL: it has none, or
					 * one that nobody can name */
	size_t		 jti_len;
	char		*json;		/* heap: the whole payload as JSON text
					 * (for claim: join rules) */
	size_t		 json_len;
};
void	token_claims_fini(struct token_claims *);

/* Verify everything; AUTH_OK fills claims (then call token_claims_fini). */
enum authfail token_verify(const struct token_keys *,
	    const struct token_policy *, struct slice token, struct wall now,
	    struct token_claims *) MUST_USE;

/* The claims of an object that somebody else vouches for: "sub", "roles", "exp",
 * without leeway. */
enum authfail token_vouched(struct slice json, struct wall now,
	    struct token_claims *) MUST_USE;

/* Mint an HS256/384/512 token over a payload, a JSON object, appended to out:
 * for development tools.  -1: other algorithm, no object, secret too short or
 * the text of a key, no memory. */
int	token_mint(enum token_alg, struct slice secret, struct slice payload,
	    struct buf *out) MUST_USE;

#endif
