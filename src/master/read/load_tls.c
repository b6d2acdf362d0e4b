/*
 * Certificates and keys, read and looked at in full: what a handshake would
 * trip over is an error before any worker is started with it, what it will,
 * soon, is said.
 */
#include <stdlib.h>

#include "base/key/certificate.h"
#include "base/key/identity.h"
#include "base/key/ocsp.h"
#include "base/secrets.h"
#include "conf/conf.h"
#include "conf/read/line.h"
#include "master/read/load_int.h"
#include "sys/log.h"

#define LOAD_DAY_S	86400
#define LOAD_SOON_S	(14 * LOAD_DAY_S)

/* Where one of them is named. */
struct load_place {
	const char	*name;		/* "": for all other names */
	const char	*certificate, *key, *ocsp; /* files */
	int		 line;
};

static struct identity_terms
load_terms(const struct conf *conf)
{
	return ((struct identity_terms){ .ciphers = conf->tls_ciphers,
		.curves = conf->tls_curves,
		.only_1_3 = conf->tls_min_version == CONF_TLS_1_3,
		.ktls = conf->tls_ktls });
}

/* --- what they have in common --------------------------------------------*/

static bool
load_list_bad(const struct load_context *c, const char *what,
    const char *(*bad)(const char *, char *), const char *list)
{
	char unknown[IDENTITY_NAME_MAX];
	const char *why = bad(list, unknown);

	if (why != NULL)
		conf_error(c->errors, c->file, conf_line(c->conf, what),
		    "%s: %s%s%s%s", what,
		    unknown[0] == '\0' ? "" : "\"", unknown,
		    unknown[0] == '\0' ? "" : "\" ", why);
	return (why != NULL);
}

static bool
load_terms_bad(const struct load_context *c, const struct conf *conf)
{
	bool bad = load_list_bad(c, "tls: ciphers", identity_ciphers_bad,
	    conf->tls_ciphers);

	return (load_list_bad(c, "tls: curves", identity_curves_bad,
	    conf->tls_curves) || bad);
}

/* Of tickets. */
static void
load_tickets(const struct load_context *c, const char *path, struct load *load)
{
	int line = conf_line(c->conf, "tls: ticket_file");
	const char *what = "tls: ticket_file", *why;
	struct secrets s;

	if (path[0] == '\0' ||
	    !load_named(c, line, what, path, &load->ticket_secrets))
		return;
	why = secrets_split(&s, buf_unread(&load->ticket_secrets));
	if (why != NULL)
		conf_error(c->errors, c->file, line, "%s \"%s\": %s", what, path,
		    why);
}

/* --- one ------------------------------------------------------------------*/

static void
load_say_soon(const struct load_place *p, const struct certificate_view *v)
{
	int64_t left = v->until_s - (int64_t)(wall_now().ms / 1000);

	if (left < LOAD_SOON_S)
		log_warnx(left < 0 ? "certificate_expired file=%s days=%lld" :
		    "certificate_expires file=%s days=%lld", p->certificate,
		    (long long)(left / LOAD_DAY_S));
}

/* As a worker will do it. */
static void
load_try(const struct load_context *c, const struct load_place *p,
    const struct heritage_certificate *h, const struct identity_terms *terms)
{
	struct ssl_ctx_st *ssl;
	const char *why;

	ssl = identity_new(h->certificate, h->key, terms, &why);
	if (ssl == NULL)
		conf_error(c->errors, c->file, p->line, "certificate \"%s\": %s",
		    p->certificate, why);
	identity_free(&ssl);
}

static void
load_look(const struct load_context *c, const struct load_place *p,
    const struct heritage_certificate *h, const struct identity_terms *terms,
    struct load *load)
{
	struct certificate_view v;

	if (h->certificate.n == 0 || h->key.n == 0)
		return;		/* it has been said why */
	certificate_look(h->certificate, h->key, &v);
	if (v.why_certificate != NULL)
		conf_error(c->errors, c->file, p->line, "certificate \"%s\": %s",
		    p->certificate, v.why_certificate);
	if (v.why_key != NULL)
		conf_error(c->errors, c->file, p->line, "key \"%s\": %s",
		    p->key, v.why_key);
	if (v.disordered)
		log_warnx("certificate_order file=%s "
		    "why=\"leaf first, each signed by the next\"",
		    p->certificate);
	if (v.why_certificate != NULL || v.why_key != NULL)
		return;
	load_say_soon(p, &v);
	if (load->tls_until_s == 0 || v.until_s < load->tls_until_s)
		load->tls_until_s = v.until_s;
	if (p->name[0] != '\0' &&
	    !certificate_serves(h->certificate, p->name))
		log_warnx("certificate_name file=%s host=%s "
		    "why=\"it is not for that name\"", p->certificate, p->name);
	if (terms != NULL)
		load_try(c, p, h, terms);
}

/* One that is over is as good as none: clients would mind it. */
static void
load_ocsp(const struct load_context *c, const struct load_place *p,
    struct heritage_certificate *h, struct buf *text, struct load *load)
{
	struct ocsp_view v;
	int64_t left;

	if (h->certificate.n == 0 ||
	    !load_named(c, p->line, "ocsp", p->ocsp, text))
		return;
	ocsp_look(buf_unread(text), h->certificate, &v);
	if (v.why != NULL) {
		conf_error(c->errors, c->file, p->line, "ocsp \"%s\": %s",
		    p->ocsp, v.why);
		return;
	}
	h->ocsp = buf_unread(text);
	h->ocsp_until_s = v.until_s;
	if (v.until_s != INT64_MAX &&
	    (load->ocsp_until_s == 0 || v.until_s < load->ocsp_until_s))
		load->ocsp_until_s = v.until_s;
	left = v.until_s - (int64_t)(wall_now().ms / 1000);
	if (v.revoked)
		log_warnx("ocsp_revoked file=%s "
		    "why=\"the certificate is not good any more\"", p->ocsp);
	if (left < 0)
		log_warnx("ocsp_expired file=%s seconds=%lld", p->ocsp,
		    (long long)-left);
}

static void
load_pair(const struct load_context *c, const struct load_place *p,
    const struct identity_terms *terms, struct load *load)
{
	struct heritage_certificate *h =
	    &load->certificates[load->ncertificates];
	struct buf *texts = &load->texts[3 * load->ncertificates++];

	h->name = p->name;
	h->certificate = load_pem(c, p->line, "certificate", p->certificate,
	    &texts[0]);
	h->key = load_pem(c, p->line, "key", p->key, &texts[1]);
	load_look(c, p, h, terms, load);
	if (p->ocsp[0] != '\0')
		load_ocsp(c, p, h, &texts[2], load);
}

/* --- all ------------------------------------------------------------------*/

/* false: they cannot be used; it has been told why. */
static bool
load_client_ca(const struct load_context *c, const struct conf_listen *l,
    struct buf *text, struct slice *pem)
{
	const char *why;

	*pem = slice_of(NULL, 0);
	if (l->client_verify == CONF_CLIENT_OFF)
		return (true);
	*pem = load_pem(c, l->line, "client_ca", l->client_ca, text);
	if (pem->n == 0)
		return (false);
	why = identity_clients_bad(*pem);
	if (why != NULL)
		conf_error(c->errors, c->file, l->line, "client_ca \"%s\": %s",
		    l->client_ca, why);
	return (why == NULL);
}

/* usual is NULL when these are wrong. */
static void
load_listener(const struct load_context *c, const struct conf_listen *l,
    const struct identity_terms *usual, struct load *load,
    struct heritage_tls *row)
{
	struct load_place p = { "", l->certificate, l->key, l->ocsp,
		l->line };
	const struct identity_terms *terms = NULL;
	const struct conf_listen_host *h;
	struct identity_terms own;

	if (load_client_ca(c, l, &load->client_cas[row - load->tls],
	    &row->client_ca) && usual != NULL) {
		own = *usual;
		own.client_ca = row->client_ca;
		own.client_must = l->client_verify == CONF_CLIENT_REQUIRED;
		terms = &own;
	}
	row->certificates = &load->certificates[load->ncertificates];
	row->ncertificates = 1 + l->ntls_hosts;
	load_pair(c, &p, terms, load);
	for (h = l->tls_hosts; h < l->tls_hosts + l->ntls_hosts; h++) {
		p = (struct load_place){ h->name, h->certificate, h->key,
			h->ocsp, h->line };
		load_pair(c, &p, terms, load);
	}
}

void
load_tls(const struct load_context *c, const struct conf *conf,
    struct load *load)
{
	const struct identity_terms terms = load_terms(conf);
	bool bad = load_terms_bad(c, conf);
	size_t i;

	load_tickets(c, conf->tls_ticket_file, load);
	for (i = 0; i < conf->nlistens; i++)
		if (conf->listens[i].tls)
			load_listener(c, &conf->listens[i],
			    bad ? NULL : &terms, load, &load->tls[i]);
}

bool
load_tls_room(struct load *load, const struct conf *conf)
{
	size_t i, n = 0;

	for (i = 0; i < conf->nlistens; i++)
		n += 1 + conf->listens[i].ntls_hosts;
	buf_init(&load->ticket_secrets);
	load->tls = calloc(conf->nlistens + 1, sizeof *load->tls);
	load->certificates = calloc(n + 1, sizeof *load->certificates);
	load->texts = calloc(3 * n + 1, sizeof *load->texts);
	load->client_cas = calloc(conf->nlistens + 1, sizeof *load->client_cas);
	if (load->tls == NULL || load->certificates == NULL ||
	    load->texts == NULL || load->client_cas == NULL)
		return (false);
	load->nlistens = conf->nlistens;
	for (i = 0; i < conf->nlistens; i++)
		buf_init(&load->client_cas[i]);
	for (i = 0; i < 3 * n; i++)
		buf_init(&load->texts[i]);
	return (true);
}

static void
load_wipe(struct buf *b)
{
	if (b->cap > 0)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

void
load_tls_free(struct load *load)
{
	size_t i;

	for (i = 0; i < 3 * load->ncertificates; i++)
		load_wipe(&load->texts[i]);
	for (i = 0; i < load->nlistens; i++)
		buf_fini(&load->client_cas[i]);
	load_wipe(&load->ticket_secrets);
	free(load->client_cas);
	free(load->texts);
	free(load->certificates);
	free(load->tls);
}
