/*
 * Rooms are kept in the Redis of a link that serves; see far.h.
 */
#include "relay/far_int.h"

#include "proto/bus.h"
#include "relay/bridge/hosts.h"
#include "relay/bridge/seal.h"
#include "relay/store/keep.h"
#include "relay/store/remote.h"
#include "shm/interest.h"

/* As other hosts listen to it: a long name is heard by the namespace. */
static struct slice
keep_channel(void *arg, struct buf *b, const struct store_key *k)
{
	struct far *f = arg;
	char key[INTEREST_KEY_MAX];
	struct slice prefix = slice_str(f->section->redis.prefix), name;

	name = interest_key(key, INTEREST_ROOM, k->room);
	if (!hosts_has_channel(k->room))
		name = interest_key(key, INTEREST_NAMESPACE,
		    slice_of(NULL, 0));
	return (hosts_channel(b, prefix, k->nsp, name));
}

static bool
keep_seal(void *arg, struct buf *b)
{
	const struct far *f = arg;

	return (seal_put(f->seal, slice_str(f->section->redis.prefix), b));
}

static bool
keep_unseal(void *arg, struct slice *frame)
{
	const struct far *f = arg;

	return (seal_take(f->seal, slice_str(f->section->redis.prefix),
	    frame));
}

static struct slice
keep_offset(void *arg, uint8_t out[OFFSET_MAX])
{
	struct far *f = arg;

	return (home_offset(&f->home, out));
}

static bool
keep_fits(void *arg, const struct bus_envelope *e)
{
	(void)arg;
	return (hosts_fits(e));
}

void
far_keep(struct far *f)
{
	struct remote_link link = { .redis = f->redis,
		.prefix = f->section->redis.prefix,
		.node_id = f->h->node_id, .arg = f, .channel = keep_channel,
		.seal = keep_seal, .unseal = keep_unseal,
		.offset = keep_offset, .fit = keep_fits };

	CHECK_MAGIC(f, FAR_MAGIC);
	keep_serve(f->keep, &link);
}
