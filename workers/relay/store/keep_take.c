/*
 * What workers publish into rooms that keep it, and have done away with; see
 * keep_int.h.
 */
#include "relay/store/keep_int.h"

#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/store/edit.h"
#include "relay/store/keep_journal.h"
#include "shm/counters.h"

/* It was not appended: how the key is. */
static void
keep_conflict(struct keep *k, const struct store_kept *kept)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_kept *a = bus_kept(&e, BUS_STORE_CONFLICT);

	a->epoch = kept->epoch;
	a->kept = kept->kept;
	a->version = kept->version;
	(void)keep_answer(k, &kept->asker, &e);
}

void
keep_count_refused(const struct keep *k, enum bus_store result)
{
	switch (result) {
	case BUS_STORE_TOO_LARGE:
		counter_add(COUNTER_store_refused_too_large, 1);
		break;
	case BUS_STORE_FINISHED:
		counter_add(COUNTER_store_refused_finished, 1);
		break;
	case BUS_STORE_UNAVAILABLE:
		if (k->remote != NULL)
			break;		/* it has counted why */
		counter_add(COUNTER_store_refused_memory, 1);
		counter_add(COUNTER_memory_failures, 1);
		break;
	case BUS_STORE_CONFLICT:
		counter_add(COUNTER_store_conflicts, 1);
		break;
	case BUS_STORE_FULL:
		counter_add(COUNTER_store_refused_keys, 1);
		break;
	case BUS_STORE_GAP:	/* what was to be changed is not there */
	case BUS_STORE_EPOCH:
		counter_add(COUNTER_store_edits_missed, 1);
		break;
	case BUS_STORE_OK:
		break;
	}
}

void
keep_count_kept(const struct store_kept *kept)
{
	if (kept->asker.flags & BUS_EDIT)
		counter_add(COUNTER_store_edits, 1);
	else if (kept->asker.flags & BUS_FINISH)
		counter_add(COUNTER_store_finished, 1);
}

static void
keep_on_kept(void *arg, const struct store_kept *kept)
{
	struct keep *k = arg;
	uint64_t slots[2];

	if (kept->result != BUS_STORE_OK) {
		keep_count_refused(k, kept->result);
		if (kept->result == BUS_STORE_CONFLICT) {
			keep_conflict(k, kept);
			return;
		}
		keep_refuse(k, &kept->asker, kept->result);
		return;
	}
	slotset_clear(slots);
	if (kept->frame != NULL || kept->later) {
		counter_add(COUNTER_store_appends, 1);
		keep_count_kept(kept);
		keep_who(k, kept->key.nsp, kept->key.room, slots);
	}
	keep_say(k, &kept->asker, BUS_STORE_OK, kept->epoch, kept->kept,
	    slots);
	if (kept->frame != NULL)
		keep_route(k, &kept->asker, kept->frame, slots);
}

/* A worker that has an older configuration, or a newer one, takes the room for
 * one with a history, or there are other hosts: it is a publication as any
 * other. */
static void
keep_pass(struct keep *k, const struct store_asker *from,
    struct bus_envelope *e)
{
	uint64_t slots[2];

	keep_who(k, e->publish.nsp, e->publish.to.rooms[0], slots);
	keep_say(k, from, BUS_STORE_OK, slice_of(NULL, 0), 0, slots);
	e->kind = BUS_PUBLISH;
	e->flags &= (uint16_t)~BUS_FINISH;
	e->publish.timeout_ms = e->publish.sent_us = 0;
	e->publish.epoch = slice_of(NULL, 0);
	e->publish.kept = e->publish.keyed = e->publish.base = 0;
	e->publish.key = e->publish.based = slice_of(NULL, 0);
	buf_reset(&k->frame);
	if (!bus_encode(&k->frame, e)) {
		k->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	keep_give(k, from, &k->frame, slots);
	if ((from->flags & BUS_FAR) && k->x->far != NULL)
		k->x->far(k->x->arg, buf_unread(&k->frame));
}

bool
keep_bounds(const struct keep *k, const struct conf_namespace *ns,
    struct slice room, struct store_bounds *b)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *c;

	if (slice_eq(room, JOURNAL_ROOM))
		return (journal_bounds(k->conf, ns, b));
	/* what other hosts publish would be kept nowhere: nobody could say what
	 * is missing */
	if (keep_is_off(k->conf))
		return (false);
	c = conf_room_find(ns, room, values);
	if (c == NULL || c->history == 0)
		return (false);
	b->events = c->history;
	b->bytes = k->conf->store_room_bytes;
	b->keep_ms = c->keep_ms;
	b->stays = c->document;
	if (c->document) {	/* the worker refuses earlier: a snapshot has room */
		b->events *= 2;
		b->bytes *= 2;
	}
	b->keys = c->documents || c->latest ? c->keys : 0;
	b->keys_bytes = c->keys_bytes;
	return (true);
}

bool
keep_judge(void *arg, const struct store_key *key, struct store_bounds *b)
{
	const struct keep *k = arg;
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    key->nsp);

	return (ns != NULL && keep_bounds(k, ns, key->room, b));
}

struct store_asker
keep_asker(const struct bus_envelope *e)
{
	return ((struct store_asker){ .slot = e->from,
		.generation = e->generation, .flags = e->flags,
		.ref = e->ref });
}

void
keep_take(struct keep *k, struct bus_envelope *e)
{
	struct bus_publish *p = &e->publish;
	struct store_append a = { .asker = keep_asker(e),
		.key = { p->nsp, p->to.rooms[0] }, .e = e,
		.done = keep_on_kept, .arg = k };
	const struct conf_namespace *ns = conf_namespace_find(k->conf, p->nsp);

	a.asker.timeout_ms = p->timeout_ms;
	a.asker.sent_us = p->sent_us;
	if (ns == NULL || a.key.room.n > INTEREST_NAME_MAX ||
	    p->key.n > STORE_KEY_MAX) {
		counter_add(COUNTER_store_refused_unknown, 1);
		keep_refuse(k, &a.asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (ns->journals && k->remote != NULL)
		journal_take(k, e);	/* the worker does not know of it yet */
	else if (keep_bounds(k, ns, a.key.room, &a.bounds))
		k->store->does->append(k->store->engine, &a);
	else if (edit_is(&a))
		keep_refuse(k, &a.asker, BUS_STORE_GAP);
	else
		keep_pass(k, &a.asker, e);
}

/* --- trimming -------------------------------------------------------------*/

void
keep_trim(struct keep *k, const struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;
	const struct conf_namespace *ns = conf_namespace_find(k->conf, p->nsp);
	struct store_trim t = { .key = { p->nsp, p->to.rooms[0] },
		.epoch = p->epoch, .place = p->kept };

	if (ns != NULL && t.key.room.n <= INTEREST_NAME_MAX &&
	    keep_bounds(k, ns, t.key.room, &t.bounds))
		k->store->does->trim(k->store->engine, &t);
}
