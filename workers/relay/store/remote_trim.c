/*
 * What is not needed any more of a room: a later event says the same.  See
 * remote.h.  A trim that is lost does no harm: the next one takes what it left.
 */
#include "relay/store/remote_int.h"

#include "relay/redis/reply.h"
#include "shm/counters.h"

static void
trim_ask(struct remote_room *r, struct slice epoch, uint64_t place, bool whole)
{
	struct remote_ask *a = remote_ask_new(r, REMOTE_TRIM);

	if (a == NULL)
		return;
	a->whole = whole;
	a->place = place;
	MUST(epoch.n <= sizeof a->epoch);
	if (epoch.n != 0)
		memcpy(a->epoch, epoch.p, epoch.n);
	a->epoch_n = (uint8_t)epoch.n;
	if (!remote_ask_trim(a))
		counter_add(COUNTER_store_trims_failed, 1);
}

void
remote_trim(void *engine, const struct store_trim *t)
{
	struct remote *m = engine;
	struct remote_room *r;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	if (t->epoch.n == 0 || t->epoch.n > STORE_EPOCH_MAX)
		return;
	r = remote_up(m) ? remote_get(m, &t->key, &t->bounds) : NULL;
	if (r == NULL) {
		counter_add(COUNTER_store_trims_failed, 1);
		return;
	}
	counter_add(COUNTER_store_trims, 1);
	trim_ask(r, t->epoch, t->place, false);
}

void
remote_trim_answer(struct remote_ask *a, const struct reply *o)
{
	struct remote_room *r = a->room;
	struct remote_ask was = *a;
	struct slice epoch = slice_of(was.epoch, was.epoch_n);

	remote_ask_free(a);
	if (o != NULL && reply_is_error(o, SLICE("NOSCRIPT")) && !was.whole)
		trim_ask(r, epoch, was.place, true);
	else if (o == NULL || o->type != REPLY_INTEGER)
		counter_add(COUNTER_store_trims_failed, 1);
	else if (o->integer > 0)
		trim_ask(r, epoch, was.place, false);
	else if (r->known && slice_eq(epoch, remote_epoch(r)) &&
	    was.place < r->top)
		remote_trimmed(r, was.place);
	remote_show(r->m);
}
