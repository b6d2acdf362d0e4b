/*
 * A client's certificate, in DER, whoever signed it: its claims are an object
 * that a token could have, whatever its names are.
 */
#include "worker/net/subject.h"

#include <openssl/x509.h>

#include "proto/token.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
claims(const X509 *x, enum conf_client_user which)
{
	struct token_claims c;
	enum authfail f;
	struct buf b;

	buf_init(&b);
	subject_claims(x, which, &b);
	f = token_vouched(buf_unread(&b), (struct wall){ 0 }, &c);
	MUST(f == AUTH_OK || f == AUTHFAIL_user_missing ||
	    f == AUTHFAIL_user_long || f == AUTHFAIL_user_control ||
	    f == AUTHFAIL_expired);
	if (f == AUTH_OK) {
		MUST(c.user_len > 0 && c.exp > 0 && c.nroles == 0);
		token_claims_fini(&c);
	}
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const unsigned char *p = data;
	X509 *x = d2i_X509(NULL, &p, (long)n);
	int i;

	if (x == NULL)
		return (0);
	for (i = 0; i < CONF_CLIENT_USER__MAX; i++)
		claims(x, (enum conf_client_user)i);
	X509_free(x);
	return (0);
}
