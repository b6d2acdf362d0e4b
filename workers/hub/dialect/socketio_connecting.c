/*
 * CONNECTs that wait; see socketio_connecting.h.  Called by socketio.c.
 */
#include "hub/dialect/socketio_connecting.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "hub/audience/sids.h"
#include "hub/hub_int.h"
#include "hub/session/handshake.h"
#include "hub/session/principal.h"
#include "hub/stream/forward.h"
#include "hub/stream/stream_int.h"

/* A packet that waits; its slices are in bytes. */
struct packet {
	STAILQ_ENTRY(packet) next;
	struct sio_packet p;
	struct slice	 attachments[SIO_ATTACHMENTS_MAX];
	unsigned	 nattach;
	size_t		 n;
	uint8_t		 bytes[];
};

struct connecting {
	struct hashtab_link link;	/* of connectings, by client */
	struct question	 question;
	const struct connecting_calls *calls;
	struct client	*client;	/* NULL: it has gone */
	const struct conf_namespace *ns;
	struct principal *who;
	struct buf	 auth, granted;
	char		 sid[SESSION_SID_LEN];
	uint64_t	 asked_ms;	/* unix */
	bool		 asked;		/* the answer is to come */
	bool		 ended;		/* on the list of those */
	TAILQ_ENTRY(connecting) next;
	STAILQ_HEAD(, packet) behind;
	unsigned	 nbehind;
	size_t		 bytes;		/* of these */
};

struct connectings {
	struct hashtab	 by_client;
	TAILQ_HEAD(, connecting) ended;	/* in this turn */
};

static struct connecting *
connecting_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct connecting, link));
}

static uint64_t
connecting_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (connecting_of(l)->client->serial);
}

struct connectings *
connectings_new(void)
{
	struct connectings *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	hashtab_init(&t->by_client, connecting_hash_of, NULL);
	TAILQ_INIT(&t->ended);
	return (t);
}

void
connectings_free(struct hub *h)
{
	if (h->connectings == NULL)
		return;
	hashtab_fini(&h->connectings->by_client);
	free(h->connectings);
	h->connectings = NULL;
}

/* The first of this client, or the one behind it. */
static struct connecting *
connecting_next(const struct client *c, const struct connecting *before)
{
	const struct hashtab *t = &c->hub->connectings->by_client;
	const struct hashtab_link *l;

	if (likely(c->hub->nconnecting == 0))
		return (NULL);
	l = before == NULL ? hashtab_chain(t, c->serial) : before->link.next;
	while (l != NULL && connecting_of(l)->client != c)
		l = l->next;
	return (l == NULL ? NULL : connecting_of(l));
}

struct connecting *
connecting_find(const struct client *c, struct slice nsp)
{
	struct connecting *x = NULL;

	while ((x = connecting_next(c, x)) != NULL)
		if (slice_eq(slice_of(x->ns->name, x->ns->name_len), nsp))
			return (x);
	return (NULL);
}

unsigned
connecting_count(const struct client *c)
{
	struct connecting *x = NULL;
	unsigned n = 0;

	while ((x = connecting_next(c, x)) != NULL)
		n++;
	return (n);
}

/* --- packets that wait ------------------------------------------------------*/

static struct slice
connecting_copy(struct packet *x, struct slice s)
{
	uint8_t *to = x->bytes + x->n;

	if (s.n != 0)
		memcpy(to, s.p, s.n);
	x->n += s.n;
	return (slice_of(to, s.n));
}

static size_t
connecting_bytes(const struct sio_packet *p, const struct slice *attachments,
    unsigned n)
{
	size_t bytes = p->nsp.n + p->data.n + p->event.n + p->args.n;
	unsigned i;

	for (i = 0; i < n; i++)
		bytes += attachments[i].n;
	return (bytes);
}

bool
connecting_hold(struct connecting *c, const struct sio_packet *p,
    const struct slice *attachments, unsigned n)
{
	size_t bytes = connecting_bytes(p, attachments, n);
	struct packet *x;
	unsigned i;

	if (c->nbehind == CONNECTING_BEHIND ||
	    c->bytes + bytes > CONNECTING_BEHIND_BYTES) {
		counter_add(COUNTER_verdicts_overrun, 1);
		return (false);
	}
	x = malloc(sizeof *x + bytes);
	if (x == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	MUST(n <= SIO_ATTACHMENTS_MAX);
	x->n = 0;
	x->p = *p;
	x->p.nsp = connecting_copy(x, p->nsp);
	x->p.data = connecting_copy(x, p->data);
	x->p.event = connecting_copy(x, p->event);
	x->p.args = connecting_copy(x, p->args);
	x->nattach = n;
	for (i = 0; i < n; i++)
		x->attachments[i] = connecting_copy(x, attachments[i]);
	counter_add(COUNTER_verdicts_behind, 1);
	STAILQ_INSERT_TAIL(&c->behind, x, next);
	c->nbehind++;
	c->bytes += x->n;
	return (true);
}

/* --- life -------------------------------------------------------------------*/

static void
connecting_free(struct connecting *x)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&x->behind)) != NULL) {
		STAILQ_REMOVE_HEAD(&x->behind, next);
		free(p);
	}
	principal_unref(&x->who);
	buf_fini(&x->auth);
	buf_fini(&x->granted);
	free(x);
}

/* It is its client's no more. */
static void
connecting_remove(struct connecting *x)
{
	struct client *c = x->client;

	if (x->ended)
		TAILQ_REMOVE(&c->hub->connectings->ended, x, next);
	hashtab_remove(&c->hub->connectings->by_client, c->serial, &x->link);
	c->hub->nconnecting--;
	x->client = NULL;
}

static void
connecting_drop(struct connecting *x)
{
	connecting_remove(x);
	if (!x->asked)			/* else the answer frees it */
		connecting_free(x);
}

bool
connecting_forget(struct connecting *x)
{
	bool asked = x->asked;

	if (asked)
		connecting_drop(x);
	return (asked);
}

void
connecting_cancel(struct client *c)
{
	struct connecting *x;

	while ((x = connecting_next(c, NULL)) != NULL)
		connecting_drop(x);
}

static bool
connecting_has_session(const struct client *c,
    const struct conf_namespace *ns)
{
	const struct session *s = c->sessions;

	while (s != NULL && s->ns != ns)
		s = s->next;
	return (s != NULL);
}

void
connecting_end(struct client *c, const struct conf_namespace *ns)
{
	struct connecting *x = connecting_find(c, slice_of(ns->name,
	    ns->name_len));

	if (x == NULL || x->ended)
		return;
	MUST(!x->asked);
	x->ended = true;
	TAILQ_INSERT_TAIL(&c->hub->connectings->ended, x, next);
}

/* What has waited goes on. */
static void
connecting_release(struct connecting *x)
{
	const struct conf_namespace *ns = x->ns;
	struct client *c = x->client;
	struct packet *p;

	connecting_remove(x);
	STAILQ_FOREACH(p, &x->behind, next) {
		if (c->closing || !connecting_has_session(c, ns))
			break;
		x->calls->again(c, &p->p, p->attachments, p->nattach);
	}
	connecting_free(x);
}

void
connectings_turn(struct hub *h)
{
	struct connecting *x;

	while ((x = TAILQ_FIRST(&h->connectings->ended)) != NULL)
		connecting_release(x);
}

/* --- the question -----------------------------------------------------------*/

static void
connecting_over(struct hub *h, struct question *q,
    const struct bus_envelope *e)
{
	struct connecting *x = container_of(q, struct connecting, question);
	struct verdict v;
	bool ok = e != NULL && e->page.result == BUS_STORE_OK &&
	    verdict_decode(e->page.frames, &v);

	(void)h;
	x->asked = false;
	if (ok) {
		buf_slice(&x->granted, e->page.frames);
		ok = !x->granted.oom && verdict_decode(buf_unread(&x->granted),
		    &v);
	}
	if (!ok) {
		counter_add(COUNTER_verdicts_failed, 1);
		buf_reset(&x->granted);
	}
	if (x->client == NULL)
		connecting_free(x);
	else
		x->calls->said(x, ok ? &v : NULL);
}

static bool
connecting_send(struct connecting *x)
{
	struct hub *h = x->client->hub;
	const struct forward f = { .kind = FORWARD_ASKS_CONNECT,
		.event = SLICE("\"connect\""), .args = buf_unread(&x->auth) };
	struct forward_from from = { .ns = x->ns, .who = x->who,
		.sid = slice_of(x->sid, sizeof x->sid) };
	struct bus_envelope e;

	handshake_put_all(x->ns, handshake_of_client(x->client), x->who,
	    &h->text);
	if (h->text.oom || x->auth.oom) {
		h->text.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	from.handshake = buf_unread(&h->text);
	forward_fill_from(h, &from, &f, &e);
	return (question_ask_for(h, &e, &x->question,
	    x->ns->hook->timeout_ms));
}

bool
connecting_ask(struct client *c, const struct conf_namespace *ns,
    struct principal *who, struct slice auth,
    const struct connecting_calls *calls)
{
	struct connecting *x = calloc(1, sizeof *x);

	if (x == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	x->question.over = connecting_over;
	x->calls = calls;
	x->client = c;
	x->ns = ns;
	x->who = who == NULL ? NULL : principal_ref(who);
	x->asked_ms = c->hub->wall.ms;
	sid_make(c->hub, x->sid);
	STAILQ_INIT(&x->behind);
	buf_init(&x->auth);
	buf_init(&x->granted);
	buf_slice(&x->auth, auth);
	if (!connecting_send(x)) {
		connecting_free(x);
		return (false);
	}
	x->asked = true;
	hashtab_insert(&c->hub->connectings->by_client, c->serial, &x->link);
	c->hub->nconnecting++;
	verdict_count(FORWARD_ASKS_CONNECT);
	return (true);
}

/* --- what is known of it ----------------------------------------------------*/

struct client *
connecting_client(const struct connecting *x)
{
	return (x->client);
}

const struct conf_namespace *
connecting_ns(const struct connecting *x)
{
	return (x->ns);
}

struct principal **
connecting_who(struct connecting *x)
{
	return (&x->who);
}

uint64_t
connecting_asked_ms(const struct connecting *x)
{
	return (x->asked_ms);
}

struct slice
connecting_auth(const struct connecting *x)
{
	return (buf_unread(&x->auth));
}

struct slice
connecting_sid(const struct connecting *x)
{
	return (slice_of(x->sid, sizeof x->sid));
}

struct slice
connecting_granted(const struct connecting *x)
{
	return (buf_unread(&x->granted));
}
