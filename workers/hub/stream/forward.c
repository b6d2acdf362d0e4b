/*
 * To back ends; see forward.h.  Called by rule.c.
 */
#include "hub/stream/forward.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
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

/* By which an answer may be kept for him: another token, other roles or other
 * claims are another one.  Until the next call. */
static struct slice
forward_identity(const struct hub *h, const struct principal *who)
{
	static char text[40];
	int n;

	n = snprintf(text, sizeof text, "%016llx.%016llx",
	    (unsigned long long)hash_bytes(&h->key, principal_all(who)),
	    (unsigned long long)(who->token == NULL ? 0 : who->token->id));
	return (slice_of(text, (size_t)n));
}

void
forward_fill_from(const struct hub *h, const struct forward_from *from,
    const struct forward *f, struct bus_envelope *e)
{
	struct bus_publish *b = bus_forward(e);

	b->nsp = slice_of(from->ns->name, from->ns->name_len);
	b->event = f->event;
	b->args = f->args;
	b->once = f->id;
	b->meta = from->handshake;
	b->sent_us = h->wall.ms;
	b->nattach = f->nattach;
	b->kept = f->kind;
	if (f->nattach != 0)
		memcpy(b->attachments, f->attachments,
		    f->nattach * sizeof *f->attachments);
	if (from->who != NULL) {
		b->to.users[b->to.nusers++] = principal_user(from->who);
		if (f->kind != 0)
			b->epoch = forward_identity(h, from->who);
	}
	if (from->sid.n != 0)
		b->to.sids[b->to.nsids++] = from->sid;
	if (f->room.n != 0)
		b->to.rooms[b->to.nrooms++] = f->room;
}

void
forward_fill(const struct session *s, const struct forward *f,
    struct bus_envelope *e)
{
	const struct forward_from from = { .ns = s->ns, .who = s->who,
		.sid = session_sid(s), .handshake = forward_handshake(s) };

	forward_fill_from(s->hub, &from, f, e);
	if (!handshake_value(s, slice_of(NULL, 0), SLICE("trace"),
	    &e->publish.trace))
		e->publish.trace = slice_of(NULL, 0);
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
