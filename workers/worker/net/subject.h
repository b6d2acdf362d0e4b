/*
 * Who a client's certificate says it is, as the claims of a token would: a
 * JSON object with the user's id, when the certificate ends, and its names.
 * Called by tls.c for a certificate that was verified; memory only.
 */
#ifndef WORKER_NET_SUBJECT_H
#define WORKER_NET_SUBJECT_H

#include "base/buf.h"
#include "conf/model.h"

struct x509_st;			/* OpenSSL's X509 */

/* Appended; the user's id is the first name of that kind, and missing without
 * one.  What is no text, or holds a NUL, is no name. */
void	subject_claims(const struct x509_st *, enum conf_client_user,
	    struct buf *);

#endif
