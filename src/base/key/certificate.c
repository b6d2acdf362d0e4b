/*
 * Certificates by OpenSSL; see certificate.h.  Called by the master for each
 * listener with TLS, before anything is started.
 */
#include "base/key/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"

#define CHAIN_MAX	32

/* An encrypted key is refused: nobody is there to be asked. */
static int
cert_no_password(char *to, int size, int writing, void *arg)
{
	bool *asked = arg;

	(void)to;
	(void)size;
	(void)writing;
	*asked = true;
	return (-1);
}

static int64_t
cert_end_of(const X509 *x)
{
	struct tm tm;

	memset(&tm, 0, sizeof tm);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return (0);
	return ((int64_t)timegm(&tm));
}

/* The leaf; NULL: why is set. */
static X509 *
cert_look_at_chain(BIO *bio, struct certificate_view *v)
{
	X509 *leaf = NULL, *x, *above = NULL;
	unsigned long e;

	while (v->chain < CHAIN_MAX &&
	    (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (v->chain++ == 0 || cert_end_of(x) < v->until_s)
			v->until_s = cert_end_of(x);
		if (leaf == NULL) {
			leaf = x;
		} else {
			if (X509_NAME_cmp(X509_get_issuer_name(above == NULL ?
			    leaf : above), X509_get_subject_name(x)) != 0)
				v->disordered = true;
			X509_free(above);
			above = x;
		}
	}
	X509_free(above);
	e = ERR_peek_last_error();
	if (leaf == NULL)
		v->why_certificate = "no certificate in it";
	else if (ERR_GET_LIB(e) != ERR_LIB_PEM ||
	    ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		v->why_certificate = "a certificate of the chain is damaged";
	return (leaf);
}

static void
cert_look_at_key(BIO *bio, const X509 *leaf, struct certificate_view *v)
{
	bool asked = false;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, cert_no_password,
	    &asked);

	if (key == NULL)
		v->why_key = asked ? "the key is encrypted" :
		    "no private key in it";
	else if (leaf != NULL && X509_check_private_key(leaf, key) != 1)
		v->why_key = "the key is not the certificate's";
	EVP_PKEY_free(key);
}

void
certificate_look(struct slice certificate, struct slice key,
    struct certificate_view *v)
{
	BIO *chain, *secret;
	X509 *leaf = NULL;

	memset(v, 0, sizeof *v);
	MUST(certificate.n <= INT_MAX && key.n <= INT_MAX);
	ERR_clear_error();
	chain = BIO_new_mem_buf(certificate.p, (int)certificate.n);
	secret = BIO_new_mem_buf(key.p, (int)key.n);
	if (chain == NULL || secret == NULL) {
		v->why_certificate = "out of memory";
	} else {
		leaf = cert_look_at_chain(chain, v);
		cert_look_at_key(secret, leaf, v);
	}
	X509_free(leaf);
	BIO_free(chain);
	BIO_free(secret);
	ERR_clear_error();
}

bool
certificate_serves(struct slice certificate, const char *host)
{
	char below[256];
	X509 *leaf = NULL;
	bool serves;
	BIO *bio;

	MUST(certificate.n <= INT_MAX);
	if (strncmp(host, "*.", 2) == 0) {
		(void)snprintf(below, sizeof below, "any%s", host + 1);
		host = below;
	}
	bio = BIO_new_mem_buf(certificate.p, (int)certificate.n);
	if (bio != NULL)
		leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	serves = leaf == NULL || X509_check_host(leaf, host, strlen(host), 0,
	    NULL) == 1;
	X509_free(leaf);
	BIO_free(bio);
	ERR_clear_error();
	return (serves);
}
