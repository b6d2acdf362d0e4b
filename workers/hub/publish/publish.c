/*
 * The way out of a worker and back in; see publish.h.  Called by rule.c, by
 * what back ends ask (api_publish.c, members.c) and by presence.c; hub.c
 * hands in what comes from the relay.
 */
#include "hub/publish/publish.h"

#include "base/number.h"
#include "hub/hub_int.h"
#include "hub/publish/post.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "shm/interest.h"

/* --- who else has members ------------------------------------------------- */

static void
publish_remote_bits(struct hub *h, uint16_t ns, const struct room *local,
    enum room_kind kind, struct slice name, uint64_t bits[2])
{
	char key[INTEREST_KEY_MAX];

	if (local != NULL && local->node != 0)
		interest_peek(h->interest, local->node, bits);
	else
		interest_who(h->interest, ns, interest_key(key,
		    (enum interest_kind)kind, name), bits);
	slotset_drop(bits, h->slot);
}

void
publish_fill(struct bus_envelope *e, struct bus_publish *b,
    const struct publication *p)
{
	if (p->is_volatile)
		e->flags |= BUS_VOLATILE;
	if (p->finish)
		e->flags |= BUS_FINISH;
	if (p->named)
		e->flags |= BUS_NAMED;
	b->nsp = p->nsp;
	b->event = p->event;
	b->args = p->args;
	b->meta = p->meta;
	b->offset = p->offset;
	b->once = p->once;
	b->conflate = p->conflate;
	b->key = p->key;
	b->keyed = p->keyed;
	b->base = p->base;
	b->based = p->based;
	b->sent_us = p->sent_us;
	b->nattach = p->nattach;
	if (p->nattach != 0)
		memcpy(b->attachments, p->attachments,
		    p->nattach * sizeof *p->attachments);
}

static void
publish_add_name(struct bus_audience *to, enum room_kind kind,
    struct slice name)
{
	if (kind == ROOM_NAMED)
		to->rooms[to->nrooms++] = name;
	else if (kind == ROOM_USER)
		to->users[to->nusers++] = name;
}

bool
publish_is_far(const struct hub *h, const struct publication *p)
{
	return (!p->near && conf_redis_on(&h->conf->redis));
}

/* --- out ------------------------------------------------------------------ */

uint32_t
publish_room(struct hub *h, const struct conf_namespace *ns,
    enum room_kind kind, struct slice name, const struct publication *p,
    const struct session *except, struct publish_question *ask)
{
	struct room *r = room_find(h, ns->index, kind, name);
	struct publication with;
	struct bus_envelope e;
	uint64_t bits[2];
	uint32_t got = 0, ref = 0;

	counter_add(COUNTER_publications, 1);
	if (name.n > ROOM_NAME_MAX)
		return (0);
	p = fanout_offset(h, ns, p, &with);
	if (r != NULL)
		got = fanout_room(h, r, p, except == NULL ? NULL : except->out);
	if (got > 0)
		latency_queued(&h->latency, h->now);
	publish_remote_bits(h, ns->index, r, kind, name, bits);
	if (slotset_empty(bits) && !publish_is_far(h, p))
		return (got);
	publish_fill(&e, bus_publish(&e), p);
	publish_add_name(&e.publish.to, kind, name);
	if (publish_is_far(h, p))
		e.flags |= BUS_FAR;
	if (!slotset_empty(bits) && ask != NULL && ask->ref != 0) {
		e.flags |= BUS_WANT_COUNT;
		ref = ask->ref;
	}
	if (post_send(h, bits, ref, &e) && ask != NULL)
		slotset_copy(ask->bits, bits);
	return (got);
}

void
publish_workers(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, uint64_t all[2])
{
	uint64_t bits[2];
	size_t i;

	slotset_clear(all);
	for (i = 0; i < a->nrooms + a->nusers; i++) {
		if (i < a->nrooms)
			publish_remote_bits(h, ns->index, NULL, ROOM_NAMED,
			    a->rooms[i], bits);
		else
			publish_remote_bits(h, ns->index, NULL, ROOM_USER,
			    a->users[i - a->nrooms], bits);
		slotset_join(all, bits);
	}
	if (a->nsids == 0 && a->nrooms + a->nusers != 0)
		return;
	/* whose worker a sid is on nobody knows: ask all of the namespace */
	publish_remote_bits(h, ns->index, NULL, ROOM_NAMESPACE,
	    slice_of(NULL, 0), bits);
	slotset_join(all, bits);
}

/* To the workers that have some of them. */
static void
publish_send(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct publication *p,
    struct publish_question *ask)
{
	struct bus_envelope e;
	struct bus_publish *b;
	uint64_t bits[2];
	uint32_t ref = 0;

	publish_workers(h, ns, a, bits);
	if (slotset_empty(bits) && !publish_is_far(h, p))
		return;
	b = bus_publish(&e);
	publish_fill(&e, b, p);
	post_audience(&b->to, a);
	if (publish_is_far(h, p))
		e.flags |= BUS_FAR;
	if (ask != NULL && ask->timeout_ms != 0) {
		e.flags |= BUS_WANT_ANSWERS;
		ref = ask->ref;
		b->timeout_ms = ask->timeout_ms;
	} else if (ask != NULL && ask->ref != 0 && !slotset_empty(bits)) {
		e.flags |= BUS_WANT_COUNT;
		ref = ask->ref;
	}
	if (!post_send(h, bits, ref, &e)) {
		if (ask != NULL)
			ask->unheard = true;
	} else if (ask != NULL) {
		slotset_copy(ask->bits, bits);
		ask->far = (e.flags & BUS_FAR) != 0;
	}
}

uint32_t
publish_audience(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct publication *p,
    struct publish_question *ask)
{
	struct publication with;
	uint32_t got;

	counter_add(COUNTER_publications, 1);
	p = fanout_offset(h, ns, p, &with);
	got = fanout_audience(h, ns, a, p);
	if (got > 0)
		latency_queued(&h->latency, h->now);
	publish_send(h, ns, a, p, ask);
	return (got);
}

uint32_t
publish_ask(struct hub *h, const struct conf_namespace *ns,
    const struct audience *a, const struct publication *p,
    struct publish_question *ask, void (*sent)(void *arg, struct session *),
    void *arg)
{
	uint32_t got;

	counter_add(COUNTER_publications, 1);
	got = fanout_ask(h, ns, a, p, sent, arg);
	if (got > 0)
		latency_queued(&h->latency, h->now);
	publish_send(h, ns, a, p, ask);
	return (got);
}

static uint8_t *
publish_put(uint8_t *to, struct slice s)
{
	if (s.n != 0)
		memcpy(to, s.p, s.n);
	return (to + s.n);
}

/* Written by hand: it is part of each message. */
struct slice
publish_meta(struct hub *h, struct slice from, struct slice sid,
    struct slice room, struct slice *id)
{
	struct buf *b = &h->meta;
	struct slice given = *id;
	uint8_t *to, *at;

	*id = slice_of(NULL, 0);
	buf_reset(b);
	if (!buf_reserve(b, 128 + OFFSET_MAX + given.n + from.n + sid.n +
	    room.n)) {
		counter_add(COUNTER_memory_failures, 1);
		return (*id);
	}
	at = to = publish_put(b->data, SLICE("{\"id\":\""));
	if (given.n != 0)
		to = publish_put(to, given);
	else
		to = offset_id_put(to, &h->origin, ++h->seq);
	*id = slice_of(at, (size_t)(to - at));
	to = publish_put(to, SLICE("\",\"from\":"));
	to = publish_put(to, from.n == 0 ? SLICE("null") : from);
	if (sid.n != 0) {
		to = publish_put(to, SLICE(",\"sid\":\""));
		to = publish_put(to, sid);
		*to++ = '"';
	}
	if (room.n != 0) {
		to = publish_put(to, SLICE(",\"room\":"));
		to = publish_put(to, room);
	}
	to = publish_put(to, SLICE(",\"ts\":"));
	to = number_put(to, h->wall.ms, 10);
	*to++ = '}';
	b->wpos = (size_t)(to - b->data);
	return (buf_unread(b));
}

struct slice
publish_meta_api(struct hub *h, struct slice room, struct slice *id)
{
	struct slice none = slice_of(NULL, 0);

	buf_reset(&h->text);
	if (room.n == 0)
		return (publish_meta(h, none, none, none, id));
	json_escape(&h->text, room);
	if (h->text.oom) {
		h->text.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		*id = none;
		return (none);
	}
	return (publish_meta(h, none, none, buf_unread(&h->text), id));
}

/* --- in ------------------------------------------------------------------- */

void
publish_answer_count(struct hub *h, const struct bus_envelope *q, uint32_t got)
{
	struct bus_envelope e;

	bus_count(&e, got);
	e.flags |= q->flags & BUS_NUMBERED;
	if (q->flags & BUS_SHADOW)
		bus_had(&e, q->slots);
	(void)post_to(h, q->from, q->ref, &e);
}

static void
publish_to_watchers(struct hub *h, const struct conf_namespace *ns,
    const struct bus_audience *to, const struct publication *p)
{
	struct room *r;
	size_t i;

	for (i = 0; i < to->nusers; i++) {
		r = room_find(h, ns->index, ROOM_WATCH, to->users[i]);
		if (r != NULL)
			(void)fanout_room(h, r, p, NULL);
	}
}

struct audience
publish_receivers(const struct bus_envelope *e)
{
	return (post_whom(&e->publish.to));
}

struct publication
publish_received(const struct bus_envelope *e)
{
	const struct bus_publish *b = &e->publish;

	return ((struct publication){ .nsp = b->nsp, .event = b->event,
	    .args = b->args, .meta = b->meta, .offset = b->offset,
	    .room = b->to.nrooms == 1 ? b->to.rooms[0] : slice_of(NULL, 0),
	    .epoch = b->epoch, .kept = b->kept, .conflate = b->conflate,
	    .key = b->key,
	    .is_volatile = (e->flags & BUS_VOLATILE) != 0,
	    .named = (e->flags & BUS_NAMED) != 0,
	    .sent_us = b->sent_us, .attachments = b->attachments,
	    .nattach = (unsigned)b->nattach });
}

void
publish_bus(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_publish *b = &e->publish;
	const struct conf_namespace *ns = conf_namespace_find(h->conf, b->nsp);
	struct publication p = publish_received(e);
	struct audience a = publish_receivers(e);
	uint32_t got = 0;

	if (ns != NULL && (e->flags & BUS_WATCHERS) != 0)
		publish_to_watchers(h, ns, &b->to, &p);
	else if (ns != NULL)
		got = fanout_audience(h, ns, &a, &p);
	if (b->sent_us != 0)
		latency_queued(&h->latency, (struct mono){ b->sent_us });
	if (e->flags & BUS_WANT_COUNT)
		publish_answer_count(h, e, got);
}
