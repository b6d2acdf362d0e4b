/*
 * The way of a request to the worker that has its session; see owner.h.
 */
#include "worker/engineio/owner.h"

static bool
owner_same(struct heirs_name a, struct heirs_name b)
{
	return (a.slot == b.slot && a.generation == b.generation);
}

bool
owner_ask(const struct segment *seg, struct heirs_name self,
    struct heirs_name owner, bool inherited, struct owner_way *way)
{
	struct heirs_name at = self;

	if (!inherited && !heirs_living(seg, owner, &at))
		return (false);
	way->inherited = owner_same(at, self);
	if (way->inherited && (!heirs_find(seg, self, &at) ||
	    !heirs_living(seg, at, &at) || owner_same(at, self)))
		return (false);
	way->slot = at.slot;
	return (true);
}
