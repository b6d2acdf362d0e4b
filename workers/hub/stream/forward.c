/*
 * To back ends; see forward.h.  Called by rule.c.
 */
#include "hub/stream/forward.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/publish/post.h"
#include "hub/session/handshake.h"
#include "hub/session/principal.h"
#include "hub/session/refuse.h"
#include "hub/store/waiter.h"
#include "hub/stream/stream_int.h"

struct forwarded {
	struct question wait;
	struct waiter	 waiter;
	uint64_t	 ts;
	uint8_t		 id_len;
	char		 id[64];
	uint8_t		 bytes[];
};

/* Without memory back ends see nothing of the handshake. */
static struct slice
forward_handshake(const struct session *s)
{
	struct buf *b = &s->hub->text;

	handshake_put(s, b);
	if (!b->oom)
		return (buf_unread(b));
	b->oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (slice_of(NULL, 0));
}

void
forward_fill(const struct session *s, const struct forward *f,
    struct bus_envelope *e)
{
	struct bus_publish *b = bus_forward(e);

	b->nsp = slice_of(s->ns->name, s->ns->name_len);
	b->event = f->event;
	b->args = f->args;
	b->once = f->id;
	b->meta = forward_handshake(s);
	if (!handshake_value(s, slice_of(NULL, 0), SLICE("trace"), &b->trace))
		b->trace = slice_of(NULL, 0);
	b->sent_us = s->hub->wall.ms;
	b->nattach = f->nattach;
	if (f->nattach != 0)
		memcpy(b->attachments, f->attachments,
		    f->nattach * sizeof *f->attachments);
	if (s->who != NULL)
		b->to.users[b->to.nusers++] = principal_user(s->who);
	b->to.sids[b->to.nsids++] = session_sid(s);
	if (f->room.n != 0)
		b->to.rooms[b->to.nrooms++] = f->room;
}

bool
forward_send(struct session *s, const struct forward *f)
{
	struct bus_envelope e;

	forward_fill(s, f, &e);
	if (post_to(s->hub, 0, 0, &e)) {
		counter_add(COUNTER_forwards, 1);
		return (true);
	}
	counter_add(COUNTER_forwards_refused, 1);
	return (false);
}

/* --- those that wait -------------------------------------------------------- */

const char *
forward_why(enum bus_store result)
{
	return (result == BUS_STORE_TOO_LARGE ?
	    "larger than what may wait for back ends" :
	    "it could not be kept for back ends, or whether it was is not "
	    "known");
}

static void
forward_tell(struct session *s, const struct forwarded *f,
    enum bus_store result)
{
	struct inbound in = { .ack = f->waiter.ack };
	char text[160];
	int n;

	if (result != BUS_STORE_OK) {
		refuse(s, &in, result == BUS_STORE_TOO_LARGE ?
		    REFUSED_TOO_LARGE : REFUSED_UNAVAILABLE, "%s",
		    forward_why(result));
		return;
	}
	n = snprintf(text, sizeof text, "{\"id\":\"%.*s\",\"ts\":%llu}",
	    f->id_len, f->id, (unsigned long long)f->ts);
	MUST((size_t)n < sizeof text);
	session_ack(s, &f->waiter.ack, slice_of(text, (size_t)n));
}

static void
forward_over(struct hub *h, struct question *w,
    const struct bus_envelope *e)
{
	struct forwarded *f = container_of(w, struct forwarded, wait);
	enum bus_store result = e == NULL ? BUS_STORE_UNAVAILABLE :
	    (enum bus_store)e->page.result;
	struct session *s = waiter_session(h, &f->waiter);

	if (result != BUS_STORE_OK)
		counter_add(COUNTER_forwards_failed, 1);
	waiter_end(h, &f->waiter);
	if (s != NULL)
		forward_tell(s, f, result);
	free(f);
}

bool
forward_for(struct session *s, const struct ack *ack, const struct forward *p)
{
	struct forwarded *f = p->id.n > sizeof f->id ? NULL :
	    calloc(1, sizeof *f + ack->raw.n);
	struct bus_envelope e;

	if (f == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	f->wait.over = forward_over;
	f->ts = s->hub->wall.ms;
	f->id_len = (uint8_t)p->id.n;
	memcpy(f->id, p->id.p, p->id.n);
	forward_fill(s, p, &e);
	if (!question_ask_for(s->hub, &e, &f->wait, s->ns->hook == NULL ?
	    STREAM_TIMEOUT_MS : s->ns->hook->timeout_ms)) {
		counter_add(COUNTER_forwards_refused, 1);
		free(f);
		return (false);
	}
	counter_add(COUNTER_forwards, 1);
	waiter_begin(&f->waiter, WAITER_STREAM, s, ack, f->bytes);
	return (true);
}
