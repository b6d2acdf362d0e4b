/*
 * Sessions that wait for their client; see hub/move.h.  Called by the host.
 */
#include "hub/move/move_int.h"

#include "hub/recover/recover.h"

size_t
hub_parked(const struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (recover_parked(h));
}

bool
hub_has_parked(const struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (recover_has_parked(h));
}

struct recover *
parked_first(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (recover_family_first(h));
}

struct recover *
parked_next(struct recover *r)
{
	return (recover_family_next(r));
}

bool
parked_save(struct hub_move *m, struct recover *r, struct buf *b)
{
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	if (!recover_family_save(r, m->book, b))
		return (false);
	recover_family_freeze(r);
	return (true);
}

void
parked_thaw(struct recover *r)
{
	recover_family_thaw(r);
}

struct recover *
parked_load(struct hub_move *m, struct state_in *in, bool *none)
{
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	return (recover_family_load(m->hub, m->book, in, none));
}

void
parked_activate(struct recover *r)
{
	recover_family_thaw(r);
}

void
parked_moved(struct recover **rp)
{
	recover_family_give(rp);
}

void
parked_unload(struct recover **rp)
{
	recover_family_give(rp);
}
