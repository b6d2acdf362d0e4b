/*
 * Questions to hooks, and what waits behind them; see consult.h.  Called by
 * rule.c and inbound.c.
 */
#include "hub/stream/consult.h"

#include <stdlib.h>

#include "hub/store/waiter.h"
#include "hub/stream/stream_int.h"
#include "proto/json_verdict.h"

/* An event that waits; its slices are in bytes. */
struct held {
	STAILQ_ENTRY(held) next;
	consult_again	*again;
	struct inbound	 in;
	struct slice	 name;
	struct slice	 attachments[BUS_ATTACHMENTS_MAX];
	size_t		 n;
	uint8_t		 bytes[];
};

STAILQ_HEAD(held_list, held);

struct consult {
	struct question	 wait;
	struct waiter	 waiter;
	enum conf_failure on_failure;
	consult_go	*go;
	struct held	*event;
	struct held_list behind;
	unsigned	 nbehind;
	size_t		 bytes;		/* of these */
};

/* --- events that wait -------------------------------------------------------*/

static struct slice
consult_copy(struct held *x, struct slice s)
{
	uint8_t *to = x->bytes + x->n;

	if (s.n != 0)
		memcpy(to, s.p, s.n);
	x->n += s.n;
	return (slice_of(to, s.n));
}

/* NULL: no memory. */
static struct held *
consult_keep(const struct inbound *in, struct slice name)
{
	struct held *x = malloc(sizeof *x + in->event.n + inbound_bytes(in) +
	    in->ack.raw.n + name.n);
	unsigned i;

	if (x == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	MUST(in->nattach <= BUS_ATTACHMENTS_MAX);
	x->n = 0;
	x->in = *in;
	x->in.event = consult_copy(x, in->event);
	x->in.args = consult_copy(x, in->args);
	x->in.ack.raw = consult_copy(x, in->ack.raw);
	x->in.first = slice_of(NULL, 0);
	for (i = 0; i < in->nattach; i++)
		x->attachments[i] = consult_copy(x, in->attachments[i]);
	x->in.attachments = x->attachments;
	x->name = consult_copy(x, name);
	return (x);
}

static struct consult *
consult_of(const struct session *s)
{
	struct waiter *w = NULL;

	while ((w = waiter_of(s->hub, s->client->serial, w)) != NULL)
		if (w->kind == WAITER_CONSULT &&
		    memcmp(w->sid, s->sid, sizeof w->sid) == 0)
			return (container_of(w, struct consult, waiter));
	return (NULL);
}

bool
consult_holds(struct session *s, const struct inbound *in, struct slice name,
    consult_again *again)
{
	struct consult *c = consult_of(s);
	struct held *x;

	if (c == NULL)
		return (false);
	if (c->nbehind == CONSULT_BEHIND ||
	    c->bytes + inbound_bytes(in) > CONSULT_BEHIND_BYTES) {
		counter_add(COUNTER_verdicts_overrun, 1);
		refuse(s, in, REFUSED_LIMIT, "too many events wait for an "
		    "answer of the back end");
		return (true);
	}
	x = consult_keep(in, name);
	if (x == NULL) {
		refuse(s, in, REFUSED_INTERNAL, "out of memory");
		return (true);
	}
	counter_add(COUNTER_verdicts_behind, 1);
	x->again = again;
	STAILQ_INSERT_TAIL(&c->behind, x, next);
	c->nbehind++;
	c->bytes += x->n;
	return (true);
}

/* They go on, until one of them waits, and the others behind it. */
static void
consult_release(struct hub *h, struct consult *c)
{
	struct consult *other;
	struct session *s;
	struct held *x;

	while ((x = STAILQ_FIRST(&c->behind)) != NULL) {
		s = waiter_session(h, &c->waiter);
		other = s == NULL ? NULL : consult_of(s);
		if (other != NULL) {
			STAILQ_CONCAT(&other->behind, &c->behind);
			other->nbehind += c->nbehind;
			other->bytes += c->bytes;
			return;
		}
		STAILQ_REMOVE_HEAD(&c->behind, next);
		c->nbehind--;
		c->bytes -= x->n;
		if (s != NULL)
			x->again(s, &x->in, x->name);
		free(x);
	}
}

/* --- answers ----------------------------------------------------------------*/

/* Nobody has said anything. */
static void
consult_fail(struct session *s, const struct inbound *in, struct slice name,
    enum conf_failure on_failure, consult_go *go)
{
	counter_add(COUNTER_verdicts_failed, 1);
	switch (on_failure) {
	case CONF_FAILURE_REFUSE:
		refuse(s, in, REFUSED_UNAVAILABLE,
		    "the back end cannot be asked");
		return;
	case CONF_FAILURE_ALLOW:
		go(s, in, name, slice_of(NULL, 0));
		return;
	}
}

static void
consult_over(struct hub *h, struct question *w, const struct bus_envelope *e)
{
	struct consult *c = container_of(w, struct consult, wait);
	struct session *s = waiter_session(h, &c->waiter);
	struct verdict v;
	bool ok = e != NULL && e->page.result == BUS_STORE_OK &&
	    verdict_decode(e->page.frames, &v);

	waiter_end(h, &c->waiter);
	if (s == NULL) {	/* it has left */
		if (!ok)
			counter_add(COUNTER_verdicts_failed, 1);
	} else if (!ok)
		consult_fail(s, &c->event->in, c->event->name, c->on_failure,
		    c->go);
	else if (v.allow)
		c->go(s, &c->event->in, c->event->name, v.ack);
	else {
		counter_add(COUNTER_verdicts_refused, 1);
		refuse_verdict(s, &c->event->in, &v);
	}
	consult_release(h, c);
	free(c->event);
	free(c);
}

static bool
consult_send(struct session *s, const struct inbound *in, struct slice name,
    const struct forward *f, consult_go *go)
{
	static const struct ack none = { .kind = ACK_NONE };
	struct consult *c = calloc(1, sizeof *c);
	struct bus_envelope e;

	if (c != NULL)
		c->event = consult_keep(in, name);
	if (c == NULL || c->event == NULL) {
		free(c);
		return (false);
	}
	c->wait.over = consult_over;
	c->on_failure = s->ns->hook->on_failure;
	c->go = go;
	STAILQ_INIT(&c->behind);
	forward_fill(s, f, &e);
	if (!question_ask_for(s->hub, &e, &c->wait, s->ns->hook->timeout_ms)) {
		free(c->event);
		free(c);
		return (false);
	}
	verdict_count(f->kind);
	waiter_begin(&c->waiter, WAITER_CONSULT, s, &none, NULL);
	return (true);
}

void
consult_ask(struct session *s, const struct inbound *in, struct slice name,
    const struct forward *f, consult_go *go)
{
	if (!consult_send(s, in, name, f, go))
		consult_fail(s, in, name, s->ns->hook->on_failure, go);
}
