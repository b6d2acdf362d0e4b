/*
 * What is kept in Redis, or comes by a channel, as frames; see remote_int.h.
 */
#include "relay/store/remote_int.h"

#include "relay/store/number.h"
#include "shm/counters.h"

static bool
number_is_fit(const struct remote *m, struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;
	uint16_t last = e->flags & (BUS_FINISH | BUS_EDIT);
	bool good;

	e->flags &= (uint16_t)~last;	/* no other publication has these */
	good = e->kind == BUS_PUBLISH && (e->flags & ~BUS_NAMED) == 0 &&
	    e->from == 0 && p->nsp.n > 0 && p->nsp.p[0] == '/' &&
	    p->once.n == 0 && p->epoch.n == 0 && p->instead.n == 0 &&
	    p->key.n <= STORE_KEY_MAX &&
	    (p->edits != 0) == ((last & BUS_EDIT) != 0) &&
	    m->link.fit(m->link.arg, e);
	e->flags |= last;
	return (good);
}

/* What is for that one; a journal has all that is for its namespace. */
static bool
number_is_of(const struct remote_room *r, const struct bus_publish *p)
{
	if (r != NULL && !slice_eq(p->nsp, remote_nsp(r)))
		return (false);
	if (r != NULL && r->journal)
		return (true);
	return (p->to.nrooms == 1 && p->to.nusers + p->to.nsids == 0 &&
	    (r == NULL || slice_eq(p->to.rooms[0], remote_name(r))));
}

bool
remote_number(struct remote *m, const struct remote_room *r,
    struct slice entry, struct slice epoch, uint64_t place, bool strange,
    const struct remote_twin *twin, struct store_key *key)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct store_append a = { .e = &e,
		.journal = r != NULL && r->journal };
	struct number_place at = { epoch, place }, room = { .kept = 0 };
	uint8_t offset[OFFSET_MAX];
	struct remote_twin said;
	struct slice frame;
	bool good;

	good = remote_entry(entry, &frame, &said) &&
	    m->link.unseal(m->link.arg, &frame) &&
	    bus_whole(frame, &e) &&
	    (!strange || number_is_fit(m, &e)) && number_is_of(r, &e.publish);
	if (good && twin != NULL)
		said = *twin;
	if (good && said.epoch.n != 0) {
		room = (struct number_place){ said.epoch, said.place };
		good = a.journal && number_is_of(NULL, &e.publish);
	}
	if (!good) {
		counter_add(COUNTER_store_bad, 1);
		return (false);
	}
	if (key != NULL && !a.journal)
		*key = (struct store_key){ e.publish.nsp,
			e.publish.to.rooms[0] };
	a.asker.flags = e.flags;
	if (!a.journal)		/* there it is the place */
		e.publish.offset = m->link.offset(m->link.arg,
		    e.publish.nsp, offset);
	if (number_frame(&a, &at, room.kept == 0 ? NULL : &room, &m->meta,
	    &m->frame)) {
		m->twice = room.kept != 0;
		return (true);
	}
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}
