/*
 * What is to wait for users; see inbox.h.  Called by rule.c.
 */
#include "hub/stream/inbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/session/refuse.h"
#include "hub/store/waiter.h"
#include "hub/stream/stream_int.h"

/* One that waits to be told that it is queued. */
struct inbox_sent {
	struct question wait;
	struct waiter	 waiter;
	uint64_t	 ts;
	uint8_t		 id_len;
	char		 id[64];
	uint8_t		 bytes[];
};

static void
inbox_fill(struct hub *h, const struct conf_namespace *ns, struct slice user,
    const struct publication *p, struct slice id, unsigned what,
    struct bus_envelope *e)
{
	struct bus_publish *b = bus_queue(e);

	publish_fill(e, b, p);
	e->flags = 0;
	b->nsp = slice_of(ns->name, ns->name_len);
	b->offset = slice_of(NULL, 0);
	b->once = id;
	b->sent_us = h->wall.ms;
	b->kept = what;
	b->to.users[b->to.nusers++] = user;
}

bool
inbox_send(struct hub *h, const struct conf_namespace *ns, struct slice user,
    const struct publication *p, struct slice id, unsigned what)
{
	struct bus_envelope e;

	inbox_fill(h, ns, user, p, id, what, &e);
	return (post_to(h, 0, 0, &e));
}

const char *
inbox_why(void)
{
	return ("the user is away, and it could not be queued, or whether it "
	    "was is not known");
}

static void
inbox_sent_over(struct hub *h, struct question *w,
    const struct bus_envelope *e)
{
	struct inbox_sent *q = container_of(w, struct inbox_sent, wait);
	struct inbound in = { .ack = q->waiter.ack };
	struct session *s = waiter_session(h, &q->waiter);
	char text[192];
	int n;

	waiter_end(h, &q->waiter);
	if (s == NULL)
		;		/* nobody is there to be told */
	else if (e == NULL || e->page.result != BUS_STORE_OK)
		refuse(s, &in, e != NULL &&
		    e->page.result == BUS_STORE_TOO_LARGE ?
		    REFUSED_TOO_LARGE : REFUSED_UNAVAILABLE, "%s",
		    inbox_why());
	else {
		n = snprintf(text, sizeof text, "{\"id\":\"%.*s\",\"ts\":%llu,"
		    "\"delivered\":0,\"queued\":true}", q->id_len, q->id,
		    (unsigned long long)q->ts);
		MUST((size_t)n < sizeof text);
		session_ack(s, &q->waiter.ack, slice_of(text, (size_t)n));
	}
	free(q);
}

bool
inbox_send_for(struct session *s, const struct ack *ack, struct slice user,
    const struct publication *p, struct slice id, unsigned what)
{
	struct inbox_sent *q = id.n > sizeof q->id ? NULL :
	    calloc(1, sizeof *q + ack->raw.n);
	struct bus_envelope e;

	if (q == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	q->wait.over = inbox_sent_over;
	q->ts = s->hub->wall.ms;
	q->id_len = (uint8_t)id.n;
	memcpy(q->id, id.p, id.n);
	inbox_fill(s->hub, s->ns, user, p, id, what, &e);
	if (!question_ask(s->hub, &e, &q->wait)) {
		free(q);
		return (false);
	}
	waiter_begin(&q->waiter, WAITER_STREAM, s, ack, q->bytes);
	return (true);
}
