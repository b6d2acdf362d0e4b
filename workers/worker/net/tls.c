/*
 * TLS over OpenSSL: connections.  Buffers are released while one is idle.
 */
#include "worker/net/tls_int.h"

#include <openssl/err.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "role.h"
#include "worker/net/subject.h"

/* struct tls is OpenSSL's own object: one allocation less per connection. */
static SSL *
tls_ssl(struct tls *t)
{
	return ((SSL *)(void *)t);
}

struct tls *
tls_new(struct tls_ctx *ctx, int fd)
{
	SSL *ssl;

	CHECK_MAGIC(ctx, TLS_CTX_MAGIC);
	ssl = SSL_new(ctx->ssl);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return (NULL);
	}
	SSL_set_accept_state(ssl);
	return ((struct tls *)(void *)ssl);
}

void
tls_free(struct tls **tp)
{
	struct tls *t;

	t = *tp;
	if (t == NULL)
		return;
	*tp = NULL;
	SSL_free(tls_ssl(t));
	ERR_clear_error();
}

/*
 * What the first error of TLS says; the first is nearest to the cause.  What
 * stands before it is of the parts below, as a signature that does not fit.
 */
static enum tls_failure
tls_failure_of_queue(void)
{
	unsigned long e;
	int reason;

	do
		e = ERR_get_error();
	while (e != 0 && ERR_GET_LIB(e) != ERR_LIB_SSL);
	if (e == 0)
		return (TLS_FAILURE_OTHER);
	reason = ERR_GET_REASON(e);
	if (reason >= SSL_AD_REASON_OFFSET)
		return (TLS_FAILURE_ALERT);
	switch (reason) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return (TLS_FAILURE_HTTP);
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return (TLS_FAILURE_VERSION);
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
		return (TLS_FAILURE_CIPHER);
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return (TLS_FAILURE_CLIENT);
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return (TLS_FAILURE_GONE);
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_BAD_RECORD_TYPE:
	case SSL_R_UNEXPECTED_MESSAGE:
	case SSL_R_UNEXPECTED_RECORD:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_RECORD_LENGTH_MISMATCH:
	case SSL_R_LENGTH_MISMATCH:
	case SSL_R_LENGTH_TOO_SHORT:
	case SSL_R_BAD_EXTENSION:
		return (TLS_FAILURE_GARBAGE);
	default:
		return (TLS_FAILURE_OTHER);
	}
}

enum tls_failure
tls_failure(const struct tls *t)
{
	uintptr_t kept = (uintptr_t)SSL_get_app_data((const SSL *)(const void *)
	    t);

	return ((enum tls_failure)kept);
}

const char *
tls_client_wrong(const struct tls *t)
{
	long r = SSL_get_verify_result((const SSL *)(const void *)t);

	return (r == X509_V_OK ? "there is none" :
	    X509_verify_cert_error_string(r));
}

/* What a result <= 0 means; the error queue is left empty. */
static int
tls_trouble(SSL *ssl, int result, int sysfail)
{
	int err;

	err = SSL_get_error(ssl, result);
	if (err == SSL_ERROR_SSL)
		(void)SSL_set_app_data(ssl,
		    (void *)(uintptr_t)tls_failure_of_queue());
	ERR_clear_error();
	switch (err) {
	case SSL_ERROR_WANT_READ:
		return (TLS_WANT_READ);
	case SSL_ERROR_WANT_WRITE:
		return (TLS_WANT_WRITE);
	case SSL_ERROR_ZERO_RETURN:
		return (TLS_GONE);
	case SSL_ERROR_SYSCALL:
		return (sysfail);
	default:
		return (TLS_FAILED);
	}
}

int
tls_handshake(struct tls *t)
{
	int r;

	r = SSL_do_handshake(tls_ssl(t));
	if (r == 1)
		return (1);
	r = tls_trouble(tls_ssl(t), r, TLS_GONE);
	return (r == TLS_FAILED && tls_failure(t) == TLS_FAILURE_GONE ?
	    TLS_GONE : r);
}

bool
tls_resumed(const struct tls *t)
{
	return (SSL_session_reused((const SSL *)(const void *)t) == 1);
}

bool
tls_has_client(const struct tls *t)
{
	const SSL *ssl = (const SSL *)(const void *)t;

	return (SSL_get0_peer_certificate(ssl) != NULL &&
	    SSL_get_verify_result(ssl) == X509_V_OK);
}

bool
tls_client(const struct tls *t, struct buf *b)
{
	const SSL *ssl = (const SSL *)(const void *)t;
	const struct tls_ctx *ctx;

	if (!tls_has_client(t))
		return (false);
	ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	subject_claims(SSL_get0_peer_certificate(ssl), ctx->client_user, b);
	return (true);
}

ssize_t
tls_read(struct tls *t, void *p, size_t n)
{
	int r;

	r = SSL_read(tls_ssl(t), p, n > INT_MAX ? INT_MAX : (int)n);
	if (r > 0)
		return (r);
	return (tls_trouble(tls_ssl(t), r, TLS_GONE));
}

ssize_t
tls_write(struct tls *t, const void *p, size_t n)
{
	int r;

	r = SSL_write(tls_ssl(t), p, n > INT_MAX ? INT_MAX : (int)n);
	if (r > 0)
		return (r);
	return (tls_trouble(tls_ssl(t), r, TLS_GONE));
}

void
tls_shutdown(struct tls *t)
{
	if (SSL_is_init_finished(tls_ssl(t)))
		(void)SSL_shutdown(tls_ssl(t));
	ERR_clear_error();
}
