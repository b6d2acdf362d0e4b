/*
 * What a listener shows: certificates by name, with what their authority says of
 * them, and tickets, which are sealed with keys that every worker has (ticket.h), so
 * that any opens what any of them sealed; nothing is cached here.  See tls.h.
 */
#include "worker/net/tls_int.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#include "base/key/identity.h"
#include "role.h"
#include "worker/net/ticket.h"

#define TLS_NAME_MAX	253	/* bytes of a host's name */

/* --- contexts ------------------------------------------------------------ */

/*
 * Seal or open a ticket (RFC 5077, section 4): AES-256-CBC and HMAC-SHA256.
 * 1 ok; 2 ok, and the client gets another one; 0 a key that is not ours, or
 * too old: full handshake; -1 trouble.
 */
static int
tls_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_ctx *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct ticket_key *key, *now = tickets_seal(t->tickets, *t->now);
	OSSL_PARAM params[3];
	uint8_t hmac_key[32];

	key = seal ? now : tickets_open(t->tickets, *t->now, name);
	if (key == NULL)
		return (0);
	if (seal) {
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return (-1);
		memcpy(name, key->name, 16);
	}
	memcpy(hmac_key, key->hmac, sizeof hmac_key);
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
	    hmac_key, sizeof hmac_key);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    (char[]){ "SHA256" }, 0);
	params[2] = OSSL_PARAM_construct_end();
	if (EVP_MAC_CTX_set_params(mac, params) != 1 ||
	    EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		key->aes, iv, seal) != 1)
		return (-1);
	return (key == now ? 1 : 2);
}

/*
 * A ticket was opened, or was not.  One of a client's certificate is good for as
 * long as that: who comes later has a full handshake, and is asked for another.
 */
static SSL_TICKET_RETURN
tls_on_session(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t n, SSL_TICKET_STATUS status, void *arg)
{
	const struct tls_ctx *t = arg;
	time_t now = (time_t)(t->now->ms / 1000);
	const X509 *client;

	(void)ssl;
	(void)name;
	(void)n;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return (SSL_TICKET_RETURN_IGNORE_RENEW);
	client = SSL_SESSION_get0_peer(session);
	if (client != NULL &&
	    X509_cmp_time(X509_get0_notAfter(client), &now) != 1)
		return (SSL_TICKET_RETURN_IGNORE_RENEW);
	return (status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE :
	    SSL_TICKET_RETURN_USE_RENEW);
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

/* What the authority says of the certificate, for who asks (RFC 6066, section
 * 8), as long as it counts. */
static int
tls_on_status(SSL *ssl, void *arg)
{
	const struct tls_staple *s = arg;
	unsigned char *copy;

	if (s->until_s <= (int64_t)(s->ctx->now->ms / 1000))
		return (SSL_TLSEXT_ERR_NOACK);
	copy = OPENSSL_memdup(s->der, s->n);
	if (copy == NULL ||
	    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->n) != 1) {
		OPENSSL_free(copy);
		return (SSL_TLSEXT_ERR_NOACK);
	}
	return (SSL_TLSEXT_ERR_OK);
}

static bool
tls_ctx_staple(struct tls_ctx *t, SSL_CTX *ssl,
    const struct heritage_certificate *c)
{
	struct tls_staple *s;

	if (c->ocsp.n == 0)
		return (true);
	s = malloc(sizeof *s + c->ocsp.n);
	if (s == NULL)
		return (false);
	*s = (struct tls_staple){ .next = t->staples, .ctx = t,
		.until_s = c->ocsp_until_s, .n = c->ocsp.n };
	memcpy(s->der, c->ocsp.p, c->ocsp.n);
	t->staples = s;
	(void)SSL_CTX_set_tlsext_status_cb(ssl, tls_on_status);
	(void)SSL_CTX_set_tlsext_status_arg(ssl, s);
	return (true);
}

static void
tls_ctx_dress(struct tls_ctx *t, SSL_CTX *ssl)
{
	(void)SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ssl, tls_alpn, NULL);
	/* it is there for as long as a connection that asks for it */
	(void)SSL_CTX_set_app_data(ssl, t);
	(void)SSL_CTX_set_timeout(ssl,
	    (long)(tickets_period_ms(t->tickets) / 1000));
	(void)SSL_CTX_set_num_tickets(ssl, 1);
	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, tls_ticket);
	(void)SSL_CTX_set_session_ticket_cb(ssl, NULL, tls_on_session, t);
}

/* --- names --------------------------------------------------------------- */

static int
tls_host_order(const void *a, const void *b)
{
	const struct tls_host *x = a, *y = b;

	return (strcmp(x->name, y->name));
}

static SSL_CTX *
tls_host_find(const struct tls_ctx *t, char *name)
{
	const struct tls_host key = { .name = name }, *found;

	found = bsearch(&key, t->hosts, t->nhosts, sizeof key, tls_host_order);
	return (found == NULL ? NULL : found->ssl);
}

/* As names are compared: lower case, without the root's dot.  false: it is
 * none. */
static bool
tls_host_name(const char *asked, char name[TLS_NAME_MAX + 1])
{
	size_t i, n = strlen(asked);

	if (n > 0 && asked[n - 1] == '.')
		n--;
	if (n == 0 || n > TLS_NAME_MAX)
		return (false);
	for (i = 0; i < n; i++)
		name[i] = (char)(asked[i] | (asked[i] >= 'A' &&
		    asked[i] <= 'Z' ? 0x20 : 0));
	name[n] = '\0';
	return (true);
}

/*
 * The name that the client asks for (RFC 6066, section 3): just that, or the
 * wild card in place of its first label, or else what all get.
 */
static int
tls_on_name(SSL *ssl, int *alert, void *arg)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[TLS_NAME_MAX + 1], *dot;
	const struct tls_ctx *t = arg;
	SSL_CTX *found;

	(void)alert;
	if (asked == NULL || !tls_host_name(asked, name))
		return (SSL_TLSEXT_ERR_NOACK);
	found = tls_host_find(t, name);
	dot = strchr(name, '.');
	if (found == NULL && dot != NULL && dot > name) {
		dot[-1] = '*';
		found = tls_host_find(t, dot - 1);
	}
	if (found == NULL)
		return (SSL_TLSEXT_ERR_NOACK);
	return (SSL_set_SSL_CTX(ssl, found) == NULL ?
	    SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_OK);
}

/* --- all of a listener --------------------------------------------------- */

static void
tls_ctx_gone(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
    void *argp)
{
	struct tls_ctx *t = ptr;
	struct tls_staple *s;
	size_t i;

	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (t == NULL)
		return;
	CHECK_MAGIC(t, TLS_CTX_MAGIC);
	for (i = 0; i < t->nhosts; i++) {
		free(t->hosts[i].name);
		SSL_CTX_free(t->hosts[i].ssl);
	}
	while ((s = t->staples) != NULL) {
		t->staples = s->next;
		free(s);
	}
	free(t->hosts);
	t->magic = 0;
	free(t);
}

static int
tls_ctx_index(void)
{
	static int idx = -1;

	if (idx == -1)
		idx = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL,
		    tls_ctx_gone);
	return (idx);
}

/* NULL, or what is wrong. */
static const char *
tls_ctx_host(struct tls_ctx *t, const struct heritage_certificate *c,
    const struct tls_params *p)
{
	struct tls_host *h = &t->hosts[t->nhosts];
	const char *why;

	h->name = strdup(c->name);
	if (h->name == NULL)
		return ("out of memory");
	h->ssl = identity_new(c->certificate, c->key, p->terms, &why);
	if (h->ssl == NULL) {
		free(h->name);
		return (why);
	}
	tls_ctx_dress(t, h->ssl);
	t->nhosts++;
	return (tls_ctx_staple(t, h->ssl, c) ? NULL : "out of memory");
}

/* It belongs to its first context from here on. */
static struct tls_ctx *
tls_ctx_first(const struct tls_params *p, const char **why)
{
	struct tls_ctx *t = calloc(1, sizeof *t);

	*why = "out of memory";
	if (t == NULL)
		return (NULL);
	t->magic = TLS_CTX_MAGIC;
	t->client_user = p->client_user;
	t->tickets = p->tickets;
	t->now = p->now;
	t->hosts = calloc(p->ncertificates, sizeof *t->hosts);
	if (t->hosts != NULL && tls_ctx_index() != -1)
		t->ssl = identity_new(p->certificates[0].certificate,
		    p->certificates[0].key, p->terms, why);
	if (t->ssl != NULL &&
	    SSL_CTX_set_ex_data(t->ssl, tls_ctx_index(), t) == 1)
		return (t);
	identity_free(&t->ssl);
	free(t->hosts);
	free(t);
	return (NULL);
}

struct tls_ctx *
tls_ctx_new(const struct tls_params *p, const char **why)
{
	struct tls_ctx *t;
	size_t i;

	MUST(p->ncertificates > 0);
	t = tls_ctx_first(p, why);
	if (t == NULL)
		return (NULL);
	*why = tls_ctx_staple(t, t->ssl, &p->certificates[0]) ? NULL :
	    "out of memory";
	tls_ctx_dress(t, t->ssl);
	(void)SSL_CTX_set_tlsext_servername_callback(t->ssl, tls_on_name);
	(void)SSL_CTX_set_tlsext_servername_arg(t->ssl, t);
	for (i = 1; i < p->ncertificates && *why == NULL; i++)
		*why = tls_ctx_host(t, &p->certificates[i], p);
	if (t->nhosts > 0)
		qsort(t->hosts, t->nhosts, sizeof *t->hosts, tls_host_order);
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
	SSL_CTX_free(t->ssl);	/* and with it, or later, the rest */
}
