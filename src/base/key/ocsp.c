/*
 * OCSP responses by OpenSSL; see ocsp.h.  Called by the master's load_tls.c.
 */
#include "base/key/ocsp.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"

/* By its number and the name of who signed it, whose key the chain may not
 * hold. */
static bool
ocsp_is_of(const OCSP_SINGLERESP *one, const X509 *leaf)
{
	OCSP_CERTID *id =
	    (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(one);
	uint8_t issuer[EVP_MAX_MD_SIZE];
	ASN1_OCTET_STRING *name;
	ASN1_INTEGER *serial;
	ASN1_OBJECT *alg;
	const EVP_MD *md;
	unsigned n;

	if (OCSP_id_get0_info(&name, &alg, NULL, &serial, id) != 1 ||
	    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0)
		return (false);
	md = EVP_get_digestbyobj(alg);
	return (md != NULL && X509_NAME_digest(X509_get_issuer_name(leaf), md,
	    issuer, &n) == 1 && slice_eq(slice_of(issuer, n),
	    slice_of(ASN1_STRING_get0_data(name),
	    (size_t)ASN1_STRING_length(name))));
}

static OCSP_SINGLERESP *
ocsp_find(OCSP_BASICRESP *basic, const X509 *leaf)
{
	OCSP_SINGLERESP *one;
	int i;

	for (i = 0; i < OCSP_resp_count(basic); i++) {
		one = OCSP_resp_get0(basic, i);
		if (ocsp_is_of(one, leaf))
			return (one);
	}
	return (NULL);
}

static int64_t
ocsp_end_of(const ASN1_GENERALIZEDTIME *next)
{
	struct tm tm;

	memset(&tm, 0, sizeof tm);
	if (next == NULL)
		return (INT64_MAX);
	return (ASN1_TIME_to_tm(next, &tm) == 1 ? (int64_t)timegm(&tm) : 0);
}

static const char *
ocsp_look_at(OCSP_RESPONSE *response, const X509 *leaf, struct ocsp_view *v)
{
	ASN1_GENERALIZEDTIME *next = NULL;
	OCSP_BASICRESP *basic;
	OCSP_SINGLERESP *one;

	if (response == NULL)
		return ("no OCSP response in DER");
	if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return ("the authority says that it has no answer");
	basic = OCSP_response_get1_basic(response);
	if (basic == NULL)
		return ("an OCSP response of an unknown kind");
	one = leaf == NULL ? NULL : ocsp_find(basic, leaf);
	if (one != NULL) {
		v->revoked = OCSP_single_get0_status(one, NULL, NULL, NULL,
		    &next) != V_OCSP_CERTSTATUS_GOOD;
		v->until_s = ocsp_end_of(next);
	}
	OCSP_BASICRESP_free(basic);
	return (one == NULL ? "it is not of this certificate" : NULL);
}

void
ocsp_look(struct slice der, struct slice certificate, struct ocsp_view *v)
{
	const unsigned char *p = der.p;
	OCSP_RESPONSE *response;
	X509 *leaf = NULL;
	BIO *bio;

	memset(v, 0, sizeof *v);
	MUST(der.n <= INT_MAX && certificate.n <= INT_MAX);
	bio = BIO_new_mem_buf(certificate.p, (int)certificate.n);
	if (bio != NULL)
		leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	response = der.n == 0 ? NULL :
	    d2i_OCSP_RESPONSE(NULL, &p, (long)der.n);
	v->why = ocsp_look_at(response, leaf, v);
	OCSP_RESPONSE_free(response);
	X509_free(leaf);
	BIO_free(bio);
	ERR_clear_error();
}
