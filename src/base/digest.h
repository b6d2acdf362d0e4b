/*
 * Digests and base64, by OpenSSL's libcrypto (with base/key/pkey.h and
 * base/key/certificate.h its only home outside TLS).  Any process; no I/O.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

void	digest_sha1(struct slice, uint8_t out[20]);
void	digest_sha256(struct slice, uint8_t out[32]);
/* HMAC of the parts, one behind the other.          RFC 2104 */
void	digest_hmac_sha256(struct slice key, const struct slice *parts,
	    size_t n, uint8_t out[32]);
/* Same length and bytes, in time that does not depend on the bytes. */
bool	digest_equal(struct slice, struct slice);

/*
 * base64 with padding (RFC 4648 section 4) and base64url without (section 5).
 * encode: out has room for 4 * ((n + 2) / 3) bytes; returns bytes written.
 * decode: strict (alphabet, length, zero trailing bits); out has room for
 * 3 * (n / 4) + 2; returns bytes written or -1.  No NUL is added.
 */
size_t	digest_base64_encode(struct slice, uint8_t *out);
ssize_t	digest_base64_decode(struct slice, uint8_t *out) MUST_USE;
/*
 * As clients write it: blanks and line breaks anywhere, padding or not.  out
 * may be in.p itself.
 */
ssize_t	digest_base64_decode_loose(struct slice, uint8_t *out) MUST_USE;
size_t	digest_base64url_encode(struct slice, uint8_t *out);
ssize_t	digest_base64url_decode(struct slice, uint8_t *out) MUST_USE;

#endif
