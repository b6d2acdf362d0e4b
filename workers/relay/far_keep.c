/*
 * Rooms are kept in the Redis of a link that serves; see far.h.
 */
#include "relay/far_int.h"

#include <stdlib.h>

#include "proto/bus.h"
#include "relay/bridge/hosts.h"
#include "relay/bridge/seal.h"
#include "relay/store/keep.h"
#include "relay/store/remote.h"
#include "shm/counters.h"
#include "shm/interest.h"

/* As other hosts listen to it: a long name is heard by the namespace. */
static struct slice
keep_channel(void *arg, struct buf *b, const struct store_key *k)
{
	struct far *f = arg;
	char key[INTEREST_KEY_MAX];
	struct slice prefix = slice_str(f->section->redis.prefix), name;

	if (slice_eq(k->room, JOURNAL_ROOM))
		return (far_journal_channel(f, b, k->nsp));
	name = interest_key(key, INTEREST_ROOM, k->room);
	if (!hosts_has_channel(k->room))
		name = interest_key(key, INTEREST_NAMESPACE,
		    slice_of(NULL, 0));
	return (hosts_channel(b, prefix, k->nsp, name));
}

/* --- journals -------------------------------------------------------------*/

struct slice
far_journal_channel(const struct far *f, struct buf *b, struct slice nsp)
{
	buf_reset(b);
	buf_str(b, f->section->redis.prefix);
	buf_str(b, "journal:");
	buf_slice(b, nsp);
	return (buf_unread(b));
}

bool
far_is_journal(const struct far *f, struct slice channel, struct slice *nsp)
{
	size_t n = strlen(f->section->redis.prefix);

	if (channel.n <= n || !slice_starts(channel,
	    slice_str(f->section->redis.prefix)))
		return (false);
	*nsp = slice_from(channel, n);
	if (!slice_starts(*nsp, SLICE("journal:")))
		return (false);
	*nsp = slice_from(*nsp, sizeof "journal:" - 1);
	return (true);
}

static void
far_on_journal(void *arg, struct slice channel, struct slice payload)
{
	struct far *f = arg;
	struct slice nsp;

	if (f->part != FAR_SERVES || !far_is_journal(f, channel, &nsp) ||
	    keep_hear_journal(f->keep, nsp, payload))
		return;
	counter_add(COUNTER_far_bad, 1);
	home_say(&f->home, HOME_BAD, channel);
}

/* Another one is listened to, or no more.  false: no memory. */
static bool
far_journal(struct far *f, const struct conf_namespace *ns)
{
	bool want = !ns->gone && ns->journals;
	struct slice channel;

	if (want == f->journals[ns->index])
		return (true);
	channel = far_journal_channel(f, &f->journal, slice_of(ns->name,
	    ns->name_len));
	if (f->journal.oom) {
		f->journal.oom = false;
		return (false);
	}
	if (!want)
		redis_unsubscribe(f->redis, channel);
	else if (!redis_subscribe(f->redis, channel, far_on_journal, f))
		return (false);
	f->journals[ns->index] = want;
	return (true);
}

bool
far_make_journals(struct far *f)
{
	const struct conf *conf = f->home.conf;
	size_t i;

	if (f->journals == NULL)
		f->journals = calloc(conf->ns_room + 1,
		    sizeof *f->journals);
	if (f->journals == NULL)
		return (false);
	for (i = 0; i < conf->nnamespaces; i++)
		if (!far_journal(f, &conf->namespaces[i]))
			return (false);
	return (true);
}

/* --- what the store asks --------------------------------------------------*/

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
keep_offset(void *arg, struct slice nsp, uint8_t out[OFFSET_MAX])
{
	struct far *f = arg;

	return (home_offset(&f->home, nsp, out));
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
