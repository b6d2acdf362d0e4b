/*
 * TLS over OpenSSL.  Buffers are released while a connection is idle; session
 * tickets are sealed with a key that the master made, so that every worker of
 * the daemon opens what any of them sealed; nothing is cached here.
 */
#include "worker/net/tls.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct tls_ctx {
	unsigned	 magic;
#define TLS_CTX_MAGIC	0x715c7701
	SSL_CTX		*ssl;
	const uint8_t	*ticket_key;	/* borrowed; TLS_TICKET_KEY bytes */
};

/* struct tls is OpenSSL's own object: one allocation less per connection. */
static SSL *
tls_ssl(struct tls *t)
{
	return ((SSL *)(void *)t);
}

/* --- contexts ------------------------------------------------------------ */

/*
 * Seal or open a ticket (RFC 5077, section 4): AES-256-CBC and HMAC-SHA256.
 * 1 ok; 0 a key that is not ours: full handshake; -1 trouble.
 */
static int
tls_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_ctx *t;
	OSSL_PARAM params[3];
	uint8_t hmac_key[32];

	t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	CHECK_MAGIC(t, TLS_CTX_MAGIC);
	if (seal) {
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return (-1);
		memcpy(name, t->ticket_key, 16);
	} else if (memcmp(name, t->ticket_key, 16) != 0)
		return (0);
	memcpy(hmac_key, t->ticket_key + 16, sizeof hmac_key);
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
	    hmac_key, sizeof hmac_key);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    (char[]){ "SHA256" }, 0);
	params[2] = OSSL_PARAM_construct_end();
	if (EVP_MAC_CTX_set_params(mac, params) != 1 ||
	    EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		t->ticket_key + 48, iv, seal) != 1)
		return (-1);
	return (1);
}

static bool
tls_ctx_certificate(SSL_CTX *ssl, struct slice pem)
{
	X509 *x;
	BIO *bio;
	bool ok;

	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		return (false);
	x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	ok = x != NULL && SSL_CTX_use_certificate(ssl, x) == 1;
	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ssl, x) != 1) {
			X509_free(x);
			ok = false;
		}
	BIO_free(bio);
	ERR_clear_error();	/* "no start line" ends the chain */
	return (ok);
}

/* Nobody is there to be asked for a password. */
static int
tls_no_password(char *to, int size, int writing, void *arg)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)arg;
	return (-1);
}

static bool
tls_ctx_key(SSL_CTX *ssl, struct slice pem)
{
	EVP_PKEY *key;
	BIO *bio;
	bool ok;

	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		return (false);
	key = PEM_read_bio_PrivateKey(bio, NULL, tls_no_password, NULL);
	ok = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
	    SSL_CTX_check_private_key(ssl) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return (ok);
}

/* HTTP/1.1 is all that we speak (RFC 7301). */
static int
tls_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, ours, sizeof ours - 1, in,
	    inlen) != OPENSSL_NPN_NEGOTIATED)
		return (SSL_TLSEXT_ERR_NOACK);
	*out = chosen;
	return (SSL_TLSEXT_ERR_OK);
}

static const char *
tls_ctx_setup(struct tls_ctx *t, struct slice certificate, struct slice key)
{
	static const unsigned char id[] = "roostd";

	if (SSL_CTX_set_min_proto_version(t->ssl, TLS1_2_VERSION) != 1)
		return ("TLS 1.2 is not available");
	(void)SSL_CTX_set_options(t->ssl, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_mode(t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_session_id_context(t->ssl, id, sizeof id - 1);
	SSL_CTX_set_alpn_select_cb(t->ssl, tls_alpn, NULL);
	(void)SSL_CTX_set_app_data(t->ssl, t);
	if (t->ticket_key == NULL) {
		(void)SSL_CTX_set_options(t->ssl, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(t->ssl, 0);
	} else {
		(void)SSL_CTX_set_num_tickets(t->ssl, 1);
		(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(t->ssl, tls_ticket);
	}
	if (certificate.n > INT_MAX || key.n > INT_MAX)
		return ("PEM text too long");
	if (!tls_ctx_certificate(t->ssl, certificate))
		return ("no usable certificate in the PEM text");
	if (!tls_ctx_key(t->ssl, key))
		return ("no private key that fits the certificate");
	return (NULL);
}

struct tls_ctx *
tls_ctx_new(struct slice certificate, struct slice key,
    const uint8_t *ticket_key, const char **why)
{
	struct tls_ctx *t;

	*why = "out of memory";
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return (NULL);
	t->magic = TLS_CTX_MAGIC;
	t->ticket_key = ticket_key;
	t->ssl = SSL_CTX_new(TLS_server_method());
	if (t->ssl != NULL)
		*why = tls_ctx_setup(t, certificate, key);
	ERR_clear_error();
	if (*why != NULL)
		tls_ctx_free(&t);
	return (t);
}

void
tls_ctx_free(struct tls_ctx **tp)
{
	struct tls_ctx *t;

	t = *tp;
	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, TLS_CTX_MAGIC);
	SSL_CTX_free(t->ssl);
	t->magic = 0;
	free(t);
}

/* --- connections --------------------------------------------------------- */

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

/* What a result <= 0 means; the error queue is left empty. */
static int
tls_trouble(SSL *ssl, int result, int sysfail)
{
	int err;

	err = SSL_get_error(ssl, result);
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
	return (tls_trouble(tls_ssl(t), r, TLS_GONE));
}

bool
tls_resumed(const struct tls *t)
{
	return (SSL_session_reused((const SSL *)(const void *)t) == 1);
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
