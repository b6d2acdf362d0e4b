/*
 * Which engine keeps, and other hosts, with which the one in Redis shares what
 * is kept; see keep.h.
 */
#include "relay/store/keep_int.h"

#include "base/slotset.h"
#include "conf/conf.h"
#include "relay/store/keep_journal.h"
#include "relay/store/keep_sessions_far.h"
#include "relay/store/memory.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/table_relay.h"

/* --- for the engine -------------------------------------------------------*/

static void
keep_far_place(void *arg, const struct store_key *key,
    const struct store_asker *from, struct buf *frame)
{
	static const struct store_asker nobody;
	struct keep *k = arg;
	uint64_t slots[2];

	if (slice_eq(key->room, JOURNAL_ROOM)) {
		journal_place_far(k, key->nsp, from == NULL ? &nobody : from,
		    frame);
		return;
	}
	keep_who(k, key->nsp, key->room, slots);
	keep_route(k, from == NULL ? &nobody : from, frame, slots);
}

static void
keep_far_stands(void *arg, const struct store_key *key, struct slice epoch,
    uint64_t top)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct keep *k = arg;
	struct bus_publish *p = bus_publish(&e);
	uint64_t slots[2];

	if (slice_eq(key->room, JOURNAL_ROOM)) {
		journal_stands_far(k, key->nsp, epoch, top);
		return;
	}
	keep_who(k, key->nsp, key->room, slots);
	if (slotset_empty(slots))
		return;
	e.flags = BUS_NUMBERED;
	slotset_copy(e.slots, slots);
	e.from = e.generation = 0;
	e.ref = 0;
	p->nsp = key->nsp;
	p->epoch = epoch;
	p->kept = top;
	p->to.rooms[p->to.nrooms++] = key->room;
	buf_reset(&k->frame);
	if (bus_encode(&k->frame, &e))
		(void)exchange_route(k->x, buf_unread(&k->frame), slots,
		    e.flags);
	else {
		k->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
	}
}

static bool
keep_far_any(void *arg, const struct store_key *key)
{
	uint64_t slots[2];

	/* who comes to this host may have been on another one */
	if (slice_eq(key->room, JOURNAL_ROOM))
		return (true);
	keep_who(arg, key->nsp, key->room, slots);
	return (!slotset_empty(slots));
}

static bool
keep_far_is_journal(void *arg, struct slice nsp)
{
	const struct keep *k = arg;
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);

	return (ns != NULL && ns->journals);
}

static bool
keep_far_takes(void *arg, unsigned slot)
{
	return (keep_takes(arg, slot));
}

/* --- the engine -----------------------------------------------------------*/

bool
keep_is_off(const struct conf *conf)
{
	return (conf_redis_on(&conf->redis) &&
	    conf->store_engine == CONF_STORE_MEMORY);
}

static struct remote_bounds
keep_far_bounds(const struct conf *conf)
{
	return ((struct remote_bounds){ .bytes = conf->store_bytes,
		.wait_bytes = conf->store_outage_bytes,
		.wait_events = conf->store_outage_events,
		.refuse = conf->store_on_outage == CONF_OUTAGE_REFUSE });
}

static bool
keep_far_make(struct keep *k)
{
	struct remote_params p = { .wheel = k->wheel, .now_ms = keep_now_ms,
		.bounds = keep_far_bounds(k->conf), .arg = k, .judge = keep_judge,
		.place = keep_far_place, .stands = keep_far_stands, .any = keep_far_any,
		.journals = keep_far_is_journal, .takes = keep_far_takes };
	struct remote *m = remote_new(&p);

	if (m == NULL)
		return (false);
	k->remote = m;
	k->store = remote_store(m);
	remote_serve(m, &k->link);
	return (true);
}

static bool
keep_far_not(struct keep *k)
{
	struct memory_params p = { .wheel = k->wheel, .now_ms = keep_now_ms,
		.bytes = k->conf->store_bytes, .judge = keep_judge, .arg = k };
	struct store *s = memory_new(&p);

	if (s == NULL)
		return (false);
	k->remote = NULL;
	k->store = s;
	return (true);
}

bool
keep_choose(struct keep *k)
{
	struct store *before = k->store;
	struct remote_bounds bounds;
	bool far = conf_redis_on(&k->conf->redis) &&
	    k->conf->store_engine != CONF_STORE_MEMORY;

	if (before != NULL && far == (k->remote != NULL)) {
		bounds = keep_far_bounds(k->conf);
		if (far)
			remote_bound(k->remote, &bounds);
		return (true);
	}
	if (!(far ? keep_far_make(k) : keep_far_not(k)))
		return (false);
	if (before != NULL) {
		before->does->free(before->engine);
		journals_free(k);
	}
	return (true);
}

/* Journals are heard whoever is here. */
void
keep_far_journals(struct keep *k)
{
	const struct conf_namespace *ns;
	struct store_key key = { .room = JOURNAL_ROOM };
	size_t i;

	for (i = 0; k->remote != NULL && i < k->conf->nnamespaces; i++) {
		ns = &k->conf->namespaces[i];
		if (ns->gone || !ns->journals)
			continue;
		key.nsp = slice_of(ns->name, ns->name_len);
		remote_interest(k->remote, &key, true);
	}
}

/* --- from the link --------------------------------------------------------*/

void
keep_serve(struct keep *k, const struct remote_link *link)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	k->link = link == NULL ? (struct remote_link){ 0 } : *link;
	if (k->remote != NULL)
		remote_serve(k->remote, link);
	if (link != NULL) {
		keep_far_journals(k);
		sessions_far_missed(k);
	}
}

void
keep_forget(struct keep *k, const struct redis *redis)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	if (k->link.redis == redis)
		keep_serve(k, NULL);
	sessions_far_forget(k, redis);
	if (k->remote != NULL)
		remote_forget(k->remote, redis);
}

void
keep_missed(struct keep *k, struct slice nsp, struct slice room)
{
	struct store_key key = { nsp, room };

	CHECK_MAGIC(k, KEEP_MAGIC);
	if (nsp.n == 0)
		sessions_far_missed(k);
	if (k->remote != NULL)
		remote_missed(k->remote, nsp.n == 0 || room.n == 0 ? NULL :
		    &key);
}

bool
keep_hear(struct keep *k, struct slice payload)
{
	CHECK_MAGIC(k, KEEP_MAGIC);
	return (k->remote == NULL || remote_hear(k->remote, payload, NULL));
}

bool
keep_hear_journal(struct keep *k, struct slice nsp, struct slice payload)
{
	struct store_key key = { nsp, JOURNAL_ROOM };

	CHECK_MAGIC(k, KEEP_MAGIC);
	if (slice_starts(payload, SLICE(SESSIONS_MARK)))
		return (sessions_far_hear(k, nsp, payload));
	return (k->remote == NULL || remote_hear(k->remote, payload, &key));
}

void
keep_interest(struct keep *k, const struct table_event *e)
{
	const struct conf_namespace *ns;
	struct store_key key;

	CHECK_MAGIC(k, KEEP_MAGIC);
	if (k->remote == NULL || !e->whole || e->key.n < 2 ||
	    e->key.p[0] != INTEREST_ROOM || (e->was & ANN_L) == (e->is & ANN_L))
		return;
	ns = conf_namespace_at(k->conf, e->ns);
	if (ns == NULL || !ns->keeps)
		return;
	key = (struct store_key){ slice_of(ns->name, ns->name_len),
		slice_from(e->key, 1) };
	remote_interest(k->remote, &key, (e->is & ANN_L) != 0);
}
