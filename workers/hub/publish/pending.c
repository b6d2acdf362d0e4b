/*
 * Delivery counts under way; see pending.h.  Called by rule.c to ask, by
 * hub.c when an answer comes and for the time.
 */
#include "hub/publish/pending.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/audience/sids.h"
#include "hub/publish/waits.h"
#include "hub/session/client.h"
#include "proto/bus.h"

struct pending {
	struct wait	 wait;
	uint64_t	 count;
	uint64_t	 ts;
	struct ack	 ack;		/* raw points behind */
	uint32_t	 client;	/* who asked: its serial */
	char		 sid[SESSION_SID_LEN];
	uint8_t		 id_len;
	char		 id[64];
	uint8_t		 raw_bytes[];
};

struct pending_table {
	struct waits	 waits;
	struct gone	 gone;
};

struct pending_table *
pending_table_new(const struct hub *h)
{
	struct pending_table *t = calloc(1, sizeof *t);

	if (t != NULL)
		waits_init(&t->waits, PENDING_MAX, h->generation);
	return (t);
}

static struct pending *
pending_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct pending, wait));
}

static void
pending_free(struct hub *h, struct pending *p)
{
	waits_remove(&h->pending->waits, &p->wait);
	free(p);
}

void
pending_table_free(struct hub *h)
{
	struct pending *p;

	if (h->pending == NULL)
		return;
	while ((p = pending_of(waits_first(&h->pending->waits))) != NULL)
		pending_free(h, p);
	waits_fini(&h->pending->waits);
	free(h->pending);
	h->pending = NULL;
}

uint32_t
pending_ref(struct hub *h)
{
	return (waits_ref(&h->pending->waits));
}

void
pending_answer(struct session *s, const struct ack *ack, struct slice id,
    uint64_t ts, uint64_t count)
{
	char text[192];
	int n = snprintf(text, sizeof text,
	    "{\"id\":\"%.*s\",\"ts\":%llu,\"delivered\":%llu}", (int)id.n,
	    (const char *)id.p, (unsigned long long)ts,
	    (unsigned long long)count);

	MUST((size_t)n < sizeof text);
	session_ack(s, ack, slice_of(text, (size_t)n));
}

/* The asker may have left meanwhile, or be back on another connection, whose
 * own acks may have the same numbers. */
static void
pending_settle(struct hub *h, struct pending *p)
{
	struct session *s = sid_find(h, slice_of(p->sid, sizeof p->sid));

	if (s != NULL && s->client != NULL && s->client->serial == p->client)
		pending_answer(s, &p->ack, slice_of(p->id, p->id_len), p->ts,
		    p->count);
	pending_free(h, p);
}

static struct pending *
pending_new(struct hub *h, const struct session *s, const struct ack *ack,
    struct slice id)
{
	struct pending *p;

	if (id.n > sizeof p->id)
		return (NULL);
	p = calloc(1, sizeof *p + ack->raw.n);
	if (p == NULL)
		return (NULL);
	p->ts = h->wall.ms;
	p->ack = *ack;
	p->client = s->client->serial;
	if (ack->raw.n != 0)
		memcpy(p->raw_bytes, ack->raw.p, ack->raw.n);
	p->ack.raw.p = p->raw_bytes;
	memcpy(p->sid, s->sid, sizeof p->sid);
	memcpy(p->id, id.p, id.n);
	p->id_len = (uint8_t)id.n;
	return (p);
}

void
pending_asked(struct hub *h, const uint64_t slots[2], uint64_t reseated[2])
{
	gone_asked(&h->pending->gone, h->segment, slots, reseated);
}

void
pending_wait(struct hub *h, uint32_t ref, const struct session *s,
    const struct ack *ack, struct slice id, uint32_t count,
    const uint64_t slots[2])
{
	struct pending *p = NULL;
	uint64_t reseated[2];

	if (ref != 0 && !slotset_empty(slots))
		p = pending_new(h, s, ack, id);
	if (p == NULL) {
		pending_answer((struct session *)(uintptr_t)s, ack, id,
		    h->wall.ms, count);
		return;
	}
	p->count = count;
	pending_asked(h, slots, reseated);
	waits_for(&p->wait, slots, reseated);
	waits_add(&h->pending->waits, &p->wait, ref,
	    h->now.us + PENDING_TIMEOUT_MS * UINT64_C(1000));
}

bool
pending_any(const struct hub *h)
{
	return (h->pending->waits.n != 0);
}

bool
pending_waits(const struct hub *h, uint32_t serial)
{
	const struct waits *w = &h->pending->waits;
	uint32_t i;

	for (i = 0; i < w->n; i++)
		if (pending_of(w->heap[i])->client == serial)
			return (true);
	return (false);
}

/* BUS_COUNT of a worker. */
void
pending_bus(struct hub *h, const struct bus_envelope *e)
{
	struct pending *p;
	uint64_t reseated[2];

	pending_asked(h, e->had, reseated);
	p = pending_of(waits_heard(&h->pending->waits, e->ref, e->from,
	    e->had, reseated));
	if (p == NULL)
		return;		/* too late, or not ours */
	slotset_drop(p->wait.slots, e->from);
	p->count += e->count.receivers;
	if (slotset_empty(p->wait.slots))
		pending_settle(h, p);
}

void
pending_tick(struct hub *h)
{
	struct pending *p;

	while ((p = pending_of(waits_over(&h->pending->waits,
	    h->now.us))) != NULL) {
		counter_add(COUNTER_acks_timed_out, 1);
		pending_settle(h, p);
	}
}

bool
pending_look(struct hub *h, uint64_t slots[2])
{
	struct pending_table *t = h->pending;
	struct pending *p;

	if (!gone_look(&t->gone, h->segment, h->now.us, slots))
		return (false);
	while ((p = pending_of(waits_gone(&t->waits, slots))) != NULL)
		if (slotset_empty(p->wait.slots))
			pending_settle(h, p);
	return (true);
}

void
pending_lost(struct hub *h)
{
	struct pending *p;

	while ((p = pending_of(waits_first(&h->pending->waits))) != NULL)
		pending_settle(h, p);
}
