/*
 * Announcements of presence; see announce.h.  Called by relay.c for each
 * event that the table reports.
 */
#include "relay/local/announce_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "shm/counters.h"
#include "shm/slots.h"

struct announce *
announce_new(const struct heritage *h, struct exchange *x)
{
	struct announce *a = calloc(1, sizeof *a);

	if (a == NULL)
		return (NULL);
	a->magic = ANNOUNCE_MAGIC;
	a->conf = h->conf;
	a->segment = h->segment;
	a->exchange = x;
	a->due_us = UINT64_MAX;
	offset_origin(&a->origin, h->node_id, 0, h->generation);
	a->interest = interest_open(h->segment, 0);
	a->presence = presence_open(h->segment, 0);
	buf_init(&a->args);
	buf_init(&a->frame);
	if (!crowd_init(&a->crowd) || a->interest == NULL || a->presence == NULL)
		announce_free(&a);
	return (a);
}

void
announce_free(struct announce **ap)
{
	struct announce *a = *ap;

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	*ap = NULL;
	if (a->interest != NULL)
		interest_close(&a->interest);
	if (a->presence != NULL)
		presence_close(&a->presence);
	free(a->told);
	crowd_fini(&a->crowd);
	buf_fini(&a->args);
	buf_fini(&a->frame);
	a->magic = 0;
	free(a);
}

void
announce_conf(struct announce *a, const struct conf *conf)
{
	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	a->conf = conf;
}

/* Workers with an audience of that kind. */
void
announce_who(struct announce *a, uint16_t ns, enum interest_kind kind,
    struct slice name, uint64_t bits[2])
{
	char key[INTEREST_KEY_MAX];

	slotset_clear(bits);
	if (name.n <= INTEREST_NAME_MAX)
		interest_who(a->interest, ns, interest_key(key, kind, name),
		    bits);
}

/* Not now: its queue is long, or its stream is still to come. */
static bool
announce_has_no_room(const struct announce *a, unsigned slot)
{
	enum slot_state state;

	if (exchange_peer(a->exchange, slot) != NULL)
		return (exchange_crowded(a->exchange, slot));
	if (slot >= segment_nslots(a->segment))
		return (false);
	state = slot_state(a->segment, slot);
	return (state == SLOT_ASSIGNED || state == SLOT_LIVE);
}

/* Those among slots that have no room; false: there are none. */
static bool
announce_find_crowded(const struct announce *a, const uint64_t slots[2],
    uint64_t out[2])
{
	uint64_t left[2] = { slots[0], slots[1] };
	unsigned slot;

	slotset_clear(out);
	while ((slot = slotset_take(left)) != 0)
		if (announce_has_no_room(a, slot))
			slotset_add(out, slot);
	return (!slotset_empty(out));
}

bool
announce_relieved(struct announce *a)
{
	uint64_t now[2];

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	(void)announce_find_crowded(a, a->crowded, now);
	return (now[0] != a->crowded[0] || now[1] != a->crowded[1]);
}

void
announce_again(struct announce *a)
{
	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	slotset_clear(a->crowded);
	a->due_us = UINT64_MAX;
}

uint64_t
announce_due(const struct announce *a)
{
	uint64_t counts_us = crowd_next_us(&a->crowd);

	return (counts_us < a->due_us ? counts_us : a->due_us);
}

/* From the relay, about nothing in particular. */
struct bus_publish *
announce_envelope(struct bus_envelope *e)
{
	struct bus_publish *p = bus_publish(e);

	slotset_clear(e->slots);
	e->from = e->generation = 0;
	e->ref = 0;
	return (p);
}

/* All those who are to hear of it, or none. */
bool
announce_tell(struct announce *a, struct bus_envelope *e,
    const struct conf_namespace *ns)
{
	struct bus_publish *p = &e->publish;
	uint64_t crowded[2];
	uint8_t offset[OFFSET_MAX];

	if (slotset_empty(e->slots))
		return (true);
	if (announce_find_crowded(a, e->slots, crowded)) {
		slotset_join(a->crowded, crowded);
		return (false);
	}
	p->nsp = slice_of(ns->name, ns->name_len);
	if (p->event.n == 0)
		p->event = SLICE("\"presence:update\"");
	p->args = buf_unread(&a->args);
	/* where there is a journal the worker says where that stands */
	if (a->conf->recovery_window_ms != 0 && !ns->journals)
		p->offset = offset_make(offset, &a->origin, ++a->seq);
	buf_reset(&a->frame);
	if (a->args.oom || !bus_encode(&a->frame, e)) {
		counter_add(COUNTER_memory_failures, 1);
		a->args.oom = a->frame.oom = false;
		return (false);		/* the beat tries again */
	}
	(void)exchange_route(a->exchange, buf_unread(&a->frame), e->slots,
	    e->flags);
	return (true);
}

bool
announce_presence(void *arg, const struct table_event *t)
{
	struct announce *a = arg;
	const struct conf_namespace *ns;

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	ns = conf_namespace_at(a->conf, t->ns);
	if (!t->whole || ns == NULL || ns->presence == CONF_PRESENCE_OFF)
		return (true);
	if (t->ns == ns->index)
		return (announce_user(a, ns, t));
	return (!announce_is_level(t) || announce_in_room(a, ns, t));
}
