/*
 * TLS to Redis over OpenSSL; see secure.h.
 */
#include "relay/redis/secure.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"

struct secure {
	unsigned	 magic;
#define SECURE_MAGIC	0x5ec04e01
	SSL_CTX		*ctx;
	SSL		*ssl;
	char		 why[160];
};

/* --- the context ----------------------------------------------------------*/

static const char *
secure_trust(SSL_CTX *ctx, const struct conf_redis *conf)
{
	if (conf->ca[0] == '\0')
		return (SSL_CTX_set_default_verify_paths(ctx) == 1 ? NULL :
		    "the system's authorities cannot be read");
	return (SSL_CTX_load_verify_file(ctx, conf->ca) == 1 ? NULL :
	    "ca cannot be read");
}

static const char *
secure_identity(SSL_CTX *ctx, const struct conf_redis *conf)
{
	if (conf->certificate[0] == '\0')
		return (NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, conf->certificate) != 1)
		return ("certificate cannot be read");
	if (SSL_CTX_use_PrivateKey_file(ctx, conf->key, SSL_FILETYPE_PEM) !=
	    1 || SSL_CTX_check_private_key(ctx) != 1)
		return ("key cannot be read, or does not fit the certificate");
	return (NULL);
}

/* Nobody is there to be asked for a password. */
static int
secure_no_password(char *to, int size, int writing, void *arg)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)arg;
	return (-1);
}

static const char *
secure_setup(SSL_CTX *ctx, const struct conf_redis *conf)
{
	const char *wrong;

	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return ("TLS 1.2 is not available");
	/* nobody asks for one, and a write would have to wait for a read */
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, secure_no_password);
	wrong = secure_trust(ctx, conf);
	return (wrong != NULL ? wrong : secure_identity(ctx, conf));
}

/* --- the connection -------------------------------------------------------*/

static bool
secure_is_address(const char *name)
{
	uint8_t bytes[16];

	return (inet_pton(AF_INET, name, bytes) == 1 ||
	    inet_pton(AF_INET6, name, bytes) == 1);
}

/* Whom we want to speak to: told to the server (SNI, which is for names), and
 * looked for in its certificate. */
static bool
secure_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (secure_is_address(name))
		return (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1);
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* OpenSSL's macro takes the const away, which clang warns of */
	return (X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
	    SSL_set_tlsext_host_name(ssl, (void *)(uintptr_t)name) == 1);
}

static const char *
secure_open(struct secure *s, const struct conf_redis *conf, const char *host,
    int fd)
{
	const char *name = conf->server_name[0] != '\0' ? conf->server_name :
	    host;
	const char *wrong;

	s->ctx = SSL_CTX_new(TLS_client_method());
	if (s->ctx == NULL)
		return ("out of memory");
	wrong = secure_setup(s->ctx, conf);
	if (wrong != NULL)
		return (wrong);
	s->ssl = SSL_new(s->ctx);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1 ||
	    !secure_name(s->ssl, name))
		return ("out of memory");
	SSL_set_connect_state(s->ssl);
	return (NULL);
}

struct secure *
secure_new(const struct conf_redis *conf, const char *host, int fd,
    const char **why)
{
	struct secure *s = calloc(1, sizeof *s);

	*why = "out of memory";
	if (s == NULL)
		return (NULL);
	s->magic = SECURE_MAGIC;
	*why = secure_open(s, conf, host, fd);
	ERR_clear_error();
	if (*why != NULL)
		secure_free(&s);
	return (s);
}

void
secure_free(struct secure **sp)
{
	struct secure *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, SECURE_MAGIC);
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	ERR_clear_error();
	s->magic = 0;
	free(s);
}

static void
secure_note(struct secure *s)
{
	long verified = SSL_get_verify_result(s->ssl);
	const char *why = ERR_reason_error_string(ERR_peek_error());

	if (verified != X509_V_OK)
		why = X509_verify_cert_error_string(verified);
	(void)snprintf(s->why, sizeof s->why, "%s",
	    why == NULL ? "the handshake failed" : why);
}

/* What a result <= 0 means; the error queue is left empty. */
static int
secure_trouble(struct secure *s, int result)
{
	int err = SSL_get_error(s->ssl, result);

	if (err == SSL_ERROR_SSL)
		secure_note(s);
	ERR_clear_error();
	switch (err) {
	case SSL_ERROR_WANT_READ:
		return (SECURE_WANT_READ);
	case SSL_ERROR_WANT_WRITE:
		return (SECURE_WANT_WRITE);
	case SSL_ERROR_ZERO_RETURN:
	case SSL_ERROR_SYSCALL:
		return (SECURE_GONE);
	default:
		return (SECURE_FAILED);
	}
}

int
secure_handshake(struct secure *s)
{
	int r;

	CHECK_MAGIC(s, SECURE_MAGIC);
	r = SSL_do_handshake(s->ssl);
	return (r == 1 ? 1 : secure_trouble(s, r));
}

const char *
secure_why(const struct secure *s)
{
	return (s->why);
}

ssize_t
secure_read(struct secure *s, void *p, size_t n)
{
	int r;

	r = SSL_read(s->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return (r > 0 ? r : secure_trouble(s, r));
}

bool
secure_pending(const struct secure *s)
{
	return (SSL_has_pending(s->ssl) == 1);
}

ssize_t
secure_write(struct secure *s, const void *p, size_t n)
{
	int r;

	r = SSL_write(s->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return (r > 0 ? r : secure_trouble(s, r));
}
