/*
 * Announcements of presence; see announce.h.  Called by relay.c for each
 * event that the table reports.
 */
#include "relay/local/announce.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/offset.h"
#include "proto/status.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/table_relay.h"

struct announce {
	unsigned	 magic;
#define ANNOUNCE_MAGIC	0xa440c3ce
	const struct conf *conf;
	struct segment	*segment;
	struct exchange	*exchange;
	uint64_t	 crowded[2];	/* slots that had no room */
	struct offset_origin origin;	/* of what is told, for recovery */
	uint64_t	 seq;
	struct interest	*interest;
	struct presence	*presence;
	/* status last told of each node, + 1: who comes back within the grace
	 * changes the node but is no news */
	uint8_t		*told;
	uint32_t	 ntold;
	struct buf	 args;
	struct buf	 frame;
};

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
	offset_origin(&a->origin, h->node_id, 0, h->generation);
	a->interest = interest_open(h->segment, 0);
	a->presence = presence_open(h->segment, 0);
	buf_init(&a->args);
	buf_init(&a->frame);
	if (a->interest == NULL || a->presence == NULL)
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
static void
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
}

/* From the relay, about nothing in particular. */
static struct bus_publish *
announce_envelope(struct bus_envelope *e)
{
	struct bus_publish *p = bus_publish(e);

	slotset_clear(e->slots);
	e->from = e->generation = 0;
	e->ref = 0;
	return (p);
}

/* All those who are to hear of it, or none. */
static bool
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

static void
announce_fill_entry(struct announce *a, const struct conf_namespace *ns,
    struct slice user, struct status_entry *entry)
{
	struct presence_info info;

	entry->user = user;
	if (!presence_get(a->presence, ns->index, user, &info))
		return;
	entry->online = info.online;
	entry->code = info.status;
	entry->connections = info.connections;
	entry->last_seen_ms = info.last_seen_ms;
}

/* Where the status last told of a node stands, + 1; NULL: no memory. */
static uint8_t *
announce_told_of(struct announce *a, uint32_t node)
{
	uint32_t n = a->ntold == 0 ? 1024 : a->ntold;
	uint8_t *v;

	if (node >= a->ntold) {
		while (n <= node)
			n *= 2;
		v = realloc(a->told, n);
		if (v == NULL)
			return (NULL);
		memset(v + a->ntold, 0, n - a->ntold);
		a->told = v;
		a->ntold = n;
	}
	return (a->told + node);
}

/* Who is on this host, then on another one, was here all the time. */
static bool
announce_is_level(const struct table_event *t)
{
	return (t->repeat || (t->was != 0) != (t->is != 0));
}

/* A user of the namespace: those who watch, or everybody. */
static bool
announce_user(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t)
{
	struct bus_envelope e;
	struct bus_publish *p = announce_envelope(&e);
	struct status_entry entry = { .user = t->key };
	uint8_t *told = announce_told_of(a, t->node);
	uint8_t code;

	announce_fill_entry(a, ns, t->key, &entry);
	code = (uint8_t)(entry.code + 1);
	/* who came and went between two looks was never told to be here */
	if (!announce_is_level(t) && ((told != NULL && *told == code) || t->is == 0)) {
		if (told != NULL)
			*told = code;
		return (true);
	}
	/* what is told is what happened, though it may be over by now */
	entry.online = t->is != 0;
	if (!entry.online)
		entry.connections = 0;
	buf_reset(&a->args);
	status_encode(&a->args, &entry);
	if (ns->presence == CONF_PRESENCE_NAMESPACE) {
		announce_who(a, t->ns, INTEREST_NAMESPACE, slice_of(NULL, 0),
		    e.slots);
	} else {
		e.flags = BUS_WATCHERS;
		p->to.users[p->to.nusers++] = t->key;
		announce_who(a, t->ns, INTEREST_WATCH, t->key, e.slots);
	}
	if (!announce_tell(a, &e, ns))
		return (false);
	if (told != NULL)
		*told = code;
	return (true);
}

/* A user in a room: those who are in it. */
static bool
announce_in_room(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t)
{
	struct bus_envelope e;
	struct bus_publish *p = announce_envelope(&e);
	struct status_entry entry = { .present = t->is != 0 };
	struct slice user;

	if (!status_room_split(t->key, &entry.room, &user))
		return (true);
	announce_fill_entry(a, ns, user, &entry);
	buf_reset(&a->args);
	status_encode(&a->args, &entry);
	p->to.rooms[p->to.nrooms++] = entry.room;
	announce_who(a, ns->index, INTEREST_ROOM, entry.room, e.slots);
	return (announce_tell(a, &e, ns));
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
