/*
 * A server's identity by OpenSSL; see identity.h.  Called by net/tls.c of
 * each worker, and by the master's load_tls.c.
 */
#include "base/key/identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <limits.h>
#include <string.h>

#include "base/digest.h"

/* --- what is agreed to ----------------------------------------------------*/

/* Each name of the list that is of TLS 1.3, or is not; a name that is longer
 * than any there is stands whole.  to has room for the list. */
static void
identity_pick(const char *list, bool of_1_3, char *to)
{
	size_t n, at = 0;

	for (; *list != '\0'; list += n) {
		list += strspn(list, ": ,");
		n = strcspn(list, ": ,");
		if (n == 0 || (strncmp(list, "TLS_", 4) == 0) != of_1_3)
			continue;
		if (at > 0)
			to[at++] = ':';
		memcpy(to + at, list, n);
		at += n;
	}
	to[at] = '\0';
}

static bool
identity_set_ciphers(SSL_CTX *ssl, const char *list)
{
	char *some;
	bool ok;

	if (list[0] == '\0')
		return (true);
	some = OPENSSL_malloc(strlen(list) + 1);
	if (some == NULL)
		return (false);
	identity_pick(list, false, some);
	ok = some[0] == '\0' || SSL_CTX_set_cipher_list(ssl, some) == 1;
	identity_pick(list, true, some);
	ok = ok && (some[0] == '\0' || SSL_CTX_set_ciphersuites(ssl, some) == 1);
	OPENSSL_free(some);
	return (ok);
}

/* The macro takes the const away: it is read only. */
static bool
identity_set_curves(SSL_CTX *ssl, const char *list)
{
	char *groups = (char *)(uintptr_t)list;

	return (list[0] == '\0' || SSL_CTX_set1_groups_list(ssl, groups) == 1);
}

/*
 * OpenSSL takes a list in which it knows one name, and says nothing of the
 * others: so they are tried one by one, and then all.
 */
static const char *
identity_list_bad(const char *list, bool (*set)(SSL_CTX *, const char *),
    const char *skip, char unknown[IDENTITY_NAME_MAX])
{
	const char *why = NULL, *at = list;
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	size_t n;

	unknown[0] = '\0';
	if (ssl == NULL)
		why = "out of memory";
	for (; why == NULL && *at != '\0'; at += n) {
		at += strspn(at, ": ,");
		n = strcspn(at, ": ,");
		if (n >= IDENTITY_NAME_MAX) {
			why = "has a name that is too long";
		} else if (n > 0 && strchr(skip, *at) == NULL) {
			memcpy(unknown, at, n);
			unknown[n] = '\0';
			if (!set(ssl, unknown))
				why = "is not known to OpenSSL";
		}
	}
	if (why == NULL) {
		unknown[0] = '\0';
		if (!set(ssl, list))
			why = "leaves nothing";
	}
	SSL_CTX_free(ssl);
	ERR_clear_error();
	return (why);
}

const char *
identity_ciphers_bad(const char *list, char unknown[IDENTITY_NAME_MAX])
{
	return (identity_list_bad(list, identity_set_ciphers, "!-+@",
	    unknown));
}

const char *
identity_curves_bad(const char *list, char unknown[IDENTITY_NAME_MAX])
{
	return (identity_list_bad(list, identity_set_curves, "", unknown));
}

static const char *
identity_agree(SSL_CTX *ssl, const struct identity_terms *t)
{
	if (SSL_CTX_set_min_proto_version(ssl, t->only_1_3 ? TLS1_3_VERSION :
	    TLS1_2_VERSION) != 1)
		return ("this version of TLS is not available");
	if (!identity_set_ciphers(ssl, t->ciphers))
		return ("the ciphers are not available");
	if (!identity_set_curves(ssl, t->curves))
		return ("the curves are not available");
#ifdef SSL_OP_ENABLE_KTLS
	/* tried for each connection: a kernel without it says so */
	if (t->ktls)
		(void)SSL_CTX_set_options(ssl, SSL_OP_ENABLE_KTLS);
#endif
	return (NULL);
}

/* --- clients' certificates -------------------------------------------------*/

static const char *
identity_authorities(SSL_CTX *ssl, struct slice pem)
{
	const char *why = NULL;
	unsigned n = 0;
	X509 *x;
	BIO *bio;

	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		return ("out of memory");
	ERR_clear_error();
	while (why == NULL &&
	    (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n++;
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), x) != 1 ||
		    SSL_CTX_add_client_CA(ssl, x) != 1)
			why = "a certificate cannot be used";
		X509_free(x);
	}
	if (why == NULL && n == 0)
		why = "no certificate in it";
	if (why == NULL && (ERR_GET_LIB(ERR_peek_last_error()) != ERR_LIB_PEM ||
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE))
		why = "a certificate is damaged";
	BIO_free(bio);
	ERR_clear_error();
	return (why);
}

/*
 * A session that was begun where clients need no certificate, or one of others,
 * is not resumed where they do: it has the mark of what was asked for.
 */
static bool
identity_mark(SSL_CTX *ssl, const struct identity_terms *t)
{
	uint8_t mark[32];

	digest_hmac_sha256(slice_str(t->client_ca.n == 0 ? "none" :
	    t->client_must ? "must" : "may"), &t->client_ca, 1, mark);
	return (SSL_CTX_set_session_id_context(ssl, mark, sizeof mark) == 1);
}

static const char *
identity_clients(SSL_CTX *ssl, const struct identity_terms *t)
{
	if (!identity_mark(ssl, t))
		return ("out of memory");
	if (t->client_ca.n == 0)
		return (NULL);
	if (t->client_ca.n > INT_MAX)
		return ("PEM text too long");
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | (t->client_must ?
	    SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	return (identity_authorities(ssl, t->client_ca));
}

const char *
identity_clients_bad(struct slice pem)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	const char *why = "out of memory";

	if (ssl != NULL)
		why = pem.n > INT_MAX ? "PEM text too long" :
		    identity_authorities(ssl, pem);
	SSL_CTX_free(ssl);
	return (why);
}

/* --- certificate and key --------------------------------------------------*/

static bool
identity_certificate(SSL_CTX *ssl, struct slice pem)
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
	return (ok);
}

/* Nobody is there to be asked for a password. */
static int
identity_no_password(char *to, int size, int writing, void *arg)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)arg;
	return (-1);
}

static bool
identity_key(SSL_CTX *ssl, struct slice pem)
{
	EVP_PKEY *key;
	BIO *bio;
	bool ok;

	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		return (false);
	key = PEM_read_bio_PrivateKey(bio, NULL, identity_no_password, NULL);
	ok = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
	    SSL_CTX_check_private_key(ssl) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return (ok);
}

static const char *
identity_show(SSL_CTX *ssl, struct slice certificate, struct slice key)
{
	if (certificate.n > INT_MAX || key.n > INT_MAX)
		return ("PEM text too long");
	ERR_clear_error();
	if (!identity_certificate(ssl, certificate))
		return (ERR_GET_REASON(ERR_peek_error()) ==
		    SSL_R_EE_KEY_TOO_SMALL ?
		    "the key of the certificate is too short" :
		    ERR_GET_REASON(ERR_peek_error()) == SSL_R_CA_KEY_TOO_SMALL ?
		    "a key of the chain is too short" :
		    ERR_GET_REASON(ERR_peek_error()) == SSL_R_CA_MD_TOO_WEAK ?
		    "a signature of the chain is too weak" :
		    "no usable certificate in the PEM text");
	ERR_clear_error();	/* "no start line" ends the chain */
	if (!identity_key(ssl, key))
		return ("no private key that fits the certificate");
	return (NULL);
}

SSL_CTX *
identity_new(struct slice certificate, struct slice key,
    const struct identity_terms *terms, const char **why)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	*why = "out of memory";
	if (ssl != NULL)
		*why = identity_agree(ssl, terms);
	if (*why == NULL)
		*why = identity_clients(ssl, terms);
	if (*why == NULL)
		*why = identity_show(ssl, certificate, key);
	ERR_clear_error();
	if (*why != NULL)
		identity_free(&ssl);
	return (ssl);
}

void
identity_free(SSL_CTX **ssl)
{
	SSL_CTX_free(*ssl);
	*ssl = NULL;
}
