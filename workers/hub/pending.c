/*
 * Delivery counts under way; see pending.h.  Called by rule.c to ask, by
 * hub.c when an answer comes and for the time.
 */
#include "hub/pending.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/session/client.h"
#include "proto/bus.h"

struct pending {
	TAILQ_ENTRY(pending) link;
	uint32_t	 ref;
	uint64_t	 bits[2];	/* workers that have not answered */
	uint64_t	 count;
	uint64_t	 deadline_us;
	uint64_t	 ts;
	struct ack	 ack;		/* raw points behind */
	uint32_t	 client;	/* who asked: its serial */
	char		 sid[SESSION_SID_LEN];
	uint8_t		 id_len;
	char		 id[64];
	uint8_t		 raw_bytes[];
};

void
pending_init(struct pending_table *t)
{
	memset(t, 0, sizeof *t);
	TAILQ_INIT(&t->oldest);
}

static void
pending_free(struct pending_table *t, struct pending *p)
{
	TAILQ_REMOVE(&t->oldest, p, link);
	t->by_index[p->ref % PENDING_MAX] = NULL;
	t->count--;
	free(p);
}

void
pending_fini(struct pending_table *t)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&t->oldest)) != NULL)
		pending_free(t, p);
}

uint32_t
pending_ref(struct hub *h)
{
	struct pending_table *t = &h->pending;

	if (t->count >= PENDING_MAX / 2)
		return (0);
	do
		t->next++;
	while (t->next == 0 || t->by_index[t->next % PENDING_MAX] != NULL);
	return (t->next);
}

void
pending_answer(struct session *s, const struct ack *ack, struct slice id,
    uint64_t ts, uint64_t count)
{
	struct buf b;

	buf_init(&b);
	buf_str(&b, "{\"id\":\"");
	buf_slice(&b, id);
	buf_str(&b, "\",\"ts\":");
	buf_u64(&b, ts);
	buf_str(&b, ",\"delivered\":");
	buf_u64(&b, count);
	buf_byte(&b, '}');
	if (!b.oom)
		session_ack(s, ack, buf_unread(&b));
	else
		counter_add(COUNTER_memory_failures, 1);
	buf_fini(&b);
}

/* The asker may have left meanwhile, or be back on another connection, whose
 * own acks may have the same numbers. */
static void
settle(struct hub *h, struct pending *p)
{
	struct session *s = sid_find(h, slice_of(p->sid, sizeof p->sid));

	if (s != NULL && s->client != NULL && s->client->serial == p->client)
		pending_answer(s, &p->ack, slice_of(p->id, p->id_len), p->ts,
		    p->count);
	pending_free(&h->pending, p);
}

static struct pending *
pending_new(struct hub *h, uint32_t ref, const struct session *s,
    const struct ack *ack, struct slice id)
{
	struct pending *p;

	if (ref == 0 || id.n > sizeof p->id)
		return (NULL);
	p = calloc(1, sizeof *p + ack->raw.n);
	if (p == NULL)
		return (NULL);
	p->ref = ref;
	p->ts = h->wall.ms;
	p->deadline_us = h->now.us + PENDING_TIMEOUT_MS * UINT64_C(1000);
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
pending_wait(struct hub *h, uint32_t ref, const struct session *s,
    const struct ack *ack, struct slice id, uint32_t count,
    const uint64_t bits[2])
{
	struct pending *p = NULL;

	if (!slotset_empty(bits))
		p = pending_new(h, ref, s, ack, id);
	if (p == NULL) {
		pending_answer((struct session *)(uintptr_t)s, ack, id,
		    h->wall.ms, count);
		return;
	}
	p->count = count;
	slotset_copy(p->bits, bits);
	h->pending.by_index[ref % PENDING_MAX] = p;
	h->pending.count++;
	TAILQ_INSERT_TAIL(&h->pending.oldest, p, link);
}

/* BUS_COUNT of a worker. */
void
pending_bus(struct hub *h, const struct bus_envelope *e)
{
	struct pending *p = h->pending.by_index[e->ref % PENDING_MAX];

	if (p == NULL || p->ref != e->ref || !slotset_has(p->bits, e->from))
		return;		/* too late, or not ours */
	slotset_drop(p->bits, e->from);
	p->count += e->count.receivers;
	if (slotset_empty(p->bits))
		settle(h, p);
}

void
pending_tick(struct hub *h)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&h->pending.oldest)) != NULL &&
	    p->deadline_us <= h->now.us) {
		counter_add(COUNTER_acks_timed_out, 1);
		settle(h, p);
	}
}

void
pending_lost(struct hub *h)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&h->pending.oldest)) != NULL)
		settle(h, p);
}
