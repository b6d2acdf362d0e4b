/*
 * The text of a JSON Web Token (RFC 7515, 3.1: JWS Compact Serialization)
 * without its meaning: three base64url parts and two dots.  token_mint, in
 * token.h, is the other direction.  No allocation.
 */
#ifndef PROTO_TOKEN_TEXT_H
#define PROTO_TOKEN_TEXT_H

#include "proto/codec.h"

/* A token taken apart; slices of the token, still base64url. */
struct token_parts {
	struct slice	 header;	/* not empty */
	struct slice	 payload;	/* not empty */
	struct slice	 signature;
	struct slice	 signed_text;	/* header "." payload (RFC 7515, 5.1) */
};

/* Exactly two dots, else nothing but the base64url alphabet. */
bool	token_split(struct slice token, struct token_parts *) MUST_USE;

#define TOKEN_DECODED(n) (3 * ((n) / 4) + 2)	/* bytes out of n digits */

/*
 * A header's or payload's base64url into out, which has room for
 * TOKEN_DECODED(digits.n).  Bytes written, or -1 if that is not exactly one
 * JSON object in UTF-8 and no deeper than json.h allows.
 */
ssize_t	token_object(struct slice digits, uint8_t *out) MUST_USE;

#endif
