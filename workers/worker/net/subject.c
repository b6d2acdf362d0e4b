/*
 * A client's certificate as claims; see subject.h.  Names are copied only if
 * they are whole and UTF-8: a certificate for "a\0b" is not one for "a".
 */
#include "worker/net/subject.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <inttypes.h>
#include <time.h>

#include "base/utf8.h"
#include "proto/json.h"

static bool
subject_good(struct slice s)
{
	return (s.n > 0 && memchr(s.p, '\0', s.n) == NULL && utf8_valid(s));
}

/* {"a":["x","y"]}: what stands before the next value of a list. */
static void
subject_put(struct buf *b, const char *list, struct slice value, bool *any)
{
	if (*any)
		buf_byte(b, ',');
	else
		buf_printf(b, ",\"%s\":[", list);
	json_escape(b, value);
	*any = true;
}

static void
subject_end(struct buf *b, bool any)
{
	if (any)
		buf_byte(b, ']');
}

/* The common names, the most specific first: that is the last one. */
static void
subject_common(const X509 *x, struct buf *b, struct slice *first,
    unsigned char **keep)
{
	const X509_NAME *name = X509_get_subject_name(x);
	const X509_NAME_ENTRY *e;
	struct slice value;
	unsigned char *text;
	bool any = false;
	int at, n;

	for (at = X509_NAME_entry_count(name) - 1; at >= 0; at--) {
		e = X509_NAME_get_entry(name, at);
		if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)) !=
		    NID_commonName)
			continue;
		n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(e));
		if (n < 0)
			continue;
		value = slice_of(text, (size_t)n);
		if (subject_good(value)) {
			subject_put(b, "cn", value, &any);
			if (*keep == NULL) {
				*first = value;
				*keep = text;
				continue;
			}
		}
		OPENSSL_free(text);
	}
	subject_end(b, any);
}

/* Alternative names of one kind. */
static void
subject_alternative(const GENERAL_NAMES *names, int kind, const char *list,
    struct buf *b, struct slice *first)
{
	const GENERAL_NAME *name;
	const ASN1_STRING *s;
	struct slice value;
	bool any = false;
	int i, type;

	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		name = sk_GENERAL_NAME_value(names, i);
		s = GENERAL_NAME_get0_value(name, &type);
		if (type != kind)
			continue;
		value = slice_of(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s));
		if (!subject_good(value))
			continue;
		if (first->n == 0)
			*first = value;
		subject_put(b, list, value, &any);
	}
	subject_end(b, any);
}

/* "CN=ann,O=Example", as RFC 2253 writes it, in UTF-8. */
static struct slice
subject_whole(const X509_NAME *name, BIO *bio)
{
	char *text;
	long n;

	if (bio == NULL || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 &
	    ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0)
		return (slice_of(NULL, 0));
	n = BIO_get_mem_data(bio, &text);
	return (slice_of(text, n > 0 ? (size_t)n : 0));
}

static void
subject_member(struct buf *b, const char *member, struct slice value)
{
	if (!subject_good(value))
		return;
	buf_printf(b, ",\"%s\":", member);
	json_escape(b, value);
}

static void
subject_serial(const X509 *x, struct buf *b)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = bn == NULL ? NULL : BN_bn2hex(bn);

	buf_str(b, "\"serial\":");
	json_escape(b, slice_str(hex == NULL ? "" : hex));
	OPENSSL_free(hex);
	BN_free(bn);
}

static int64_t
subject_ends(const X509 *x)
{
	struct tm tm;

	memset(&tm, 0, sizeof tm);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return (1);	/* long ago */
	return ((int64_t)timegm(&tm));
}

void
subject_claims(const X509 *x, enum conf_client_user which, struct buf *b)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL,
	    NULL);
	BIO *subject = BIO_new(BIO_s_mem()), *issuer = BIO_new(BIO_s_mem());
	struct slice users[CONF_CLIENT_USER__MAX];
	unsigned char *common = NULL;

	memset(users, 0, sizeof users);
	buf_str(b, "{\"certificate\":{");
	subject_serial(x, b);
	users[CONF_CLIENT_SUBJECT] = subject_whole(X509_get_subject_name(x),
	    subject);
	subject_member(b, "subject", users[CONF_CLIENT_SUBJECT]);
	subject_member(b, "issuer", subject_whole(X509_get_issuer_name(x),
	    issuer));
	subject_common(x, b, &users[CONF_CLIENT_CN], &common);
	subject_alternative(names, GEN_DNS, "dns", b, &users[CONF_CLIENT_DNS]);
	subject_alternative(names, GEN_EMAIL, "email", b,
	    &users[CONF_CLIENT_EMAIL]);
	subject_alternative(names, GEN_URI, "uri", b, &users[CONF_CLIENT_URI]);
	buf_printf(b, "},\"exp\":%" PRId64, subject_ends(x));
	subject_member(b, "sub", users[which]);
	buf_byte(b, '}');
	OPENSSL_free(common);
	GENERAL_NAMES_free(names);
	BIO_free(subject);
	BIO_free(issuer);
	ERR_clear_error();
}
