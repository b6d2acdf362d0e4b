/*
 * What is kept of handshakes; see handshake.h.  Taken from an admission, by
 * client.c, or from the state of a client that moves; asked by rules and for
 * back ends.
 */
#include "hub/session/handshake.h"

#include <stdlib.h>

#include "hub/client.h"
#include "hub/hub_int.h"
#include "hub/session/principal.h"
#include "proto/json.h"

struct handshake {
	struct hashtab_link link;	/* first */
	uint32_t	 serial;	/* of its client */
	uint32_t	 n;
	char		 json[];
};

struct handshakes {
	struct hashtab	 by_serial;
};

/* Serials follow each other. */
static uint64_t
handshake_hash_of(const void *arg, const struct hashtab_link *link)
{
	(void)arg;
	return (((const struct handshake *)(const void *)link)->serial);
}

struct handshakes *
handshakes_new(void)
{
	struct handshakes *t = calloc(1, sizeof *t);

	if (t != NULL)
		hashtab_init(&t->by_serial, handshake_hash_of, NULL);
	return (t);
}

void
handshakes_free(struct hub *h)
{
	if (h->handshakes != NULL)
		hashtab_fini(&h->handshakes->by_serial);
	free(h->handshakes);
	h->handshakes = NULL;
}

struct handshake *
handshake_new(struct slice json)
{
	struct handshake *k = malloc(sizeof *k + json.n);

	MUST(json.n != 0 && json.n <= HANDSHAKE_MAX);
	if (k == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	*k = (struct handshake){ .n = (uint32_t)json.n };
	memcpy(k->json, json.p, json.n);
	return (k);
}

void
handshake_free(struct handshake **kp)
{
	free(*kp);
	*kp = NULL;
}

void
handshake_give(struct client *c, struct handshake **kp)
{
	struct handshake *k = *kp;

	*kp = NULL;
	if (k == NULL)
		return;
	k->serial = c->serial;
	hashtab_insert(&c->hub->handshakes->by_serial, k->serial, &k->link);
	c->kept = true;
}

static struct handshake *
handshake_find(const struct client *c)
{
	struct hashtab_link *l = hashtab_chain(&c->hub->handshakes->by_serial,
	    c->serial);
	struct handshake *k;

	for (;; l = l->next) {
		MUST(l != NULL);
		k = container_of(l, struct handshake, link);
		if (k->serial == c->serial)
			return (k);
	}
}

void
handshake_drop(struct client *c)
{
	struct handshake *k;

	if (!c->kept)
		return;
	k = handshake_find(c);
	hashtab_remove(&c->hub->handshakes->by_serial, k->serial, &k->link);
	c->kept = false;
	free(k);
}

struct slice
handshake_of_client(const struct client *c)
{
	const struct handshake *k = c->kept ? handshake_find(c) : NULL;

	return (k == NULL ? slice_of(NULL, 0) : slice_of(k->json, k->n));
}

static bool
handshake_find_value(struct slice json, struct slice part, struct slice name,
    struct slice *value)
{
	return (json.n != 0 && (part.n == 0 || json_get(json, part, &json)) &&
	    json_get(json, name, value));
}

bool
handshake_value(const struct session *s, struct slice part, struct slice name,
    struct slice *value)
{
	return (s->client != NULL && handshake_find_value(
	    handshake_of_client(s->client), part, name, value));
}

static void
handshake_open(struct buf *b, const char *part)
{
	buf_byte(b, b->wpos == 0 ? '{' : ',');
	buf_byte(b, '"');
	buf_str(b, part);
	buf_str(b, "\":");
}

static void
handshake_put_member(struct buf *b, bool *first, const char *name,
    struct slice value)
{
	buf_str(b, *first ? "" : ",");
	json_escape(b, slice_str(name));
	buf_byte(b, ':');
	buf_slice(b, value);
	*first = false;
}

static void
handshake_put_part(struct slice json, struct buf *b, const char *part,
    char *const *names, size_t n)
{
	bool first = true;
	struct slice value;
	size_t i;

	handshake_open(b, part);
	buf_byte(b, '{');
	for (i = 0; i < n; i++)
		if (handshake_find_value(json, slice_str(part),
		    slice_str(names[i]), &value))
			handshake_put_member(b, &first, names[i], value);
	buf_byte(b, '}');
}

void
handshake_put(const struct session *s, struct buf *b)
{
	const struct conf_namespace *ns = s->ns;
	struct slice json;

	buf_reset(b);
	if (s->client == NULL || !s->client->kept ||
	    ns->nkeep_query + ns->nkeep_headers == 0)
		return;
	json = handshake_of_client(s->client);
	handshake_put_part(json, b, "query", ns->keep_query, ns->nkeep_query);
	handshake_put_part(json, b, "headers", ns->keep_headers,
	    ns->nkeep_headers);
	buf_byte(b, '}');
}

void
handshake_put_all(const struct conf_namespace *ns, struct slice json,
    const struct principal *who, struct buf *b)
{
	struct slice value;
	bool first = true;
	size_t i;

	buf_reset(b);
	if (handshake_find_value(json, slice_of(NULL, 0), SLICE("address"),
	    &value)) {
		handshake_open(b, "address");
		buf_slice(b, value);
	}
	handshake_put_part(json, b, "query", ns->keep_query, ns->nkeep_query);
	handshake_put_part(json, b, "headers", ns->keep_headers,
	    ns->nkeep_headers);
	handshake_open(b, "claims");
	buf_byte(b, '{');
	for (i = 0; i < ns->nkeep_claims; i++)
		if (principal_claim(who, ns->keep_claims[i], &value))
			handshake_put_member(b, &first, ns->keep_claims[i],
			    value);
	buf_str(b, "}}");
}
