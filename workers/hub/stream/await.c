/*
 * Events that wait for what a back end says; see await.h.  Called by the rules,
 * by stream.c, and for replies.
 */
#include "hub/stream/await.h"

#include <stdlib.h>

#include "hub/audience/sids.h"
#include "hub/session/refuse.h"
#include "hub/store/waiter.h"
#include "hub/stream/stream_int.h"
#include "proto/json.h"

#define AWAIT_WORDS	200u	/* bytes of a back end's message */
#define AWAIT_ID	64u	/* of an event's id */

struct awaited {
	struct question	 kept;		/* the relay is to say that it has it; */
	bool		 asked;		/* ... and has not */
	struct wait	 wait;		/* for the reply */
	struct waiter	 waiter;
	uint8_t		 id_len;
	char		 id[AWAIT_ID];
	uint8_t		 bytes[];	/* the ack's */
};

static struct awaited *
await_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct awaited, wait));
}

/* Its session, which it is to be told; NULL: it has left. */
static struct session *
await_end(struct hub *h, struct awaited *a)
{
	struct session *s = waiter_session(h, &a->waiter);

	if (a->asked)
		waits_remove(&h->stream->waits, &a->kept.wait);
	waits_remove(&h->stream->awaits, &a->wait);
	waiter_end(h, &a->waiter);
	return (s);
}

static void
await_refuse(struct hub *h, struct awaited *a, enum refused why,
    const char *words)
{
	struct inbound in = { .ack = a->waiter.ack };
	struct session *s = await_end(h, a);

	if (s != NULL)
		refuse(s, &in, why, "%s", words);
	free(a);
}

/* --- the relay --------------------------------------------------------------*/

/* What it has not said nobody knows: a back end may have it, and reply. */
static void
await_on_kept(struct hub *h, struct question *w, const struct bus_envelope *e)
{
	struct awaited *a = container_of(w, struct awaited, kept);
	enum bus_store result = e == NULL ? BUS_STORE_OK :
	    (enum bus_store)e->page.result;

	a->asked = false;
	if (result == BUS_STORE_OK)
		return;
	counter_add(COUNTER_forwards_failed, 1);
	await_refuse(h, a, result == BUS_STORE_TOO_LARGE ?
	    REFUSED_TOO_LARGE : REFUSED_UNAVAILABLE, forward_why(result));
}

static uint64_t
await_ms(const struct session *s)
{
	return (s->ns->hook != NULL ? s->ns->hook->timeout_ms :
	    s->hub->conf->redis.answer_ms);
}

static bool
await_send(struct session *s, struct awaited *a, const struct forward *f)
{
	struct waits *t = &s->hub->stream->awaits;
	uint32_t ref = waits_ref(t);
	struct bus_envelope e;

	if (ref == 0)
		return (false);
	forward_fill(s, f, &e);
	e.publish.kept = FORWARD_WAITS;
	if (!question_ask_for(s->hub, &e, &a->kept, await_ms(s)))
		return (false);
	waits_add(t, &a->wait, ref, s->hub->now.us + await_ms(s) * 1000);
	return (true);
}

bool
await_for(struct session *s, const struct ack *ack, const struct forward *f)
{
	struct awaited *a = f->id.n > AWAIT_ID ? NULL :
	    calloc(1, sizeof *a + ack->raw.n);

	if (a == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	a->kept.over = await_on_kept;
	a->asked = true;
	a->id_len = (uint8_t)f->id.n;
	memcpy(a->id, f->id.p, f->id.n);
	if (!await_send(s, a, f)) {
		counter_add(COUNTER_forwards_refused, 1);
		free(a);
		return (false);
	}
	counter_add(COUNTER_forwards, 1);
	counter_add(COUNTER_awaited, 1);
	waiter_begin(&a->waiter, WAITER_AWAIT, s, ack, a->bytes);
	return (true);
}

/* --- replies ----------------------------------------------------------------*/

/* NULL: nobody waits for that. */
static struct awaited *
await_find(struct hub *h, const struct session *s, struct slice id)
{
	struct awaited *a;
	struct waiter *w = NULL;

	while ((w = waiter_of(h, s->client->serial, w)) != NULL) {
		if (w->kind != WAITER_AWAIT ||
		    memcmp(w->sid, s->sid, sizeof w->sid) != 0)
			continue;
		a = container_of(w, struct awaited, waiter);
		if (slice_eq(slice_of(a->id, a->id_len), id))
			return (a);
	}
	return (NULL);
}

static void
await_refused(struct hub *h, struct awaited *a, struct slice raw)
{
	uint8_t words[AWAIT_WORDS + 1];
	size_t n = raw.n == 0 ? 0 : json_plain_size(raw, 0);

	if (n == 0 || n > AWAIT_WORDS) {
		await_refuse(h, a, REFUSED_FORBIDDEN,
		    "the back end refuses it");
		return;
	}
	*json_plain_to(words, raw, 0) = '\0';
	await_refuse(h, a, REFUSED_FORBIDDEN, (const char *)words);
}

uint32_t
await_reply(struct hub *h, const struct bus_publish *p)
{
	struct session *s = sid_find(h, p->to.sids[0]);
	struct awaited *a;

	if (s == NULL || s->client == NULL || !slice_eq(p->nsp,
	    slice_of(s->ns->name, s->ns->name_len)) ||
	    (a = await_find(h, s, p->once)) == NULL)
		return (0);
	counter_add(COUNTER_awaited_answered, 1);
	if (p->kept != 0) {
		await_refused(h, a, p->meta);
		return (1);
	}
	s = await_end(h, a);
	if (s != NULL)
		session_ack_binary(s, &a->waiter.ack, p->args, NULL, 0);
	free(a);
	return (1);
}

/* --- the clock --------------------------------------------------------------*/

void
await_tick(struct hub *h)
{
	struct awaited *a;

	while ((a = await_of(waits_over(&h->stream->awaits, h->now.us))) !=
	    NULL) {
		counter_add(COUNTER_awaited_unanswered, 1);
		await_refuse(h, a, REFUSED_UNAVAILABLE,
		    "the back end has not answered in time");
	}
}

void
await_free(struct hub *h)
{
	struct awaited *a;

	while ((a = await_of(waits_first(&h->stream->awaits))) != NULL) {
		(void)await_end(h, a);
		free(a);
	}
}
