/*
 * One link takes the place of another; see far.h.  What serves alone is made
 * when it begins to serve, and ends with that.
 */
#include "relay/far_int.h"

#include "relay/bridge/bridge.h"
#include "relay/bridge/hosts.h"
#include "relay/bridge/hosts_inquiries.h"
#include "relay/bridge/members.h"
#include "relay/bridge/questions.h"
#include "relay/bridge/requests.h"
#include "relay/bridge/sharded.h"
#include "relay/bridge/socketio.h"
#include "relay/people/people.h"
#include "shm/counters.h"

#define FAR_NEAR_MS	300	/* of a host, between saying the same to servers
				 * of Socket.IO, and here */

const struct conf *
far_section(const struct far *f)
{
	return (f == NULL ? NULL : f->section);
}

struct redis *
far_redis(const struct far *f)
{
	return (f == NULL ? NULL : f->redis);
}

bool
far_is_ready(const struct far *f)
{
	return (f != NULL && f->ready);
}

bool
far_charge(struct far *f, bool replaces, uint64_t keep_ms)
{
	CHECK_MAGIC(f, FAR_MAGIC);
	f->keep_ms = keep_ms;
	f->part = FAR_SERVES;
	if (!far_make_rest(f)) {
		f->part = FAR_COMES;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	f->home.comes = false;
	redis_mark(f->redis);
	/* hosts that are here already were heard as servers of Socket.IO by the
	 * one before: what that brought is on its way here */
	if (replaces && f->place == PLACE_NEAR)
		f->home.near_until.us = UINT64_MAX;
	/* whoever replaces another one tells all that it may have missed */
	f->heard = f->heard || replaces;
	return (true);
}

void
far_interest_late(struct far *f, const struct table_event *e)
{
	if (f != NULL && f->sharded != NULL)
		sharded_interest(f->sharded, e);
}

void
far_mark(struct far *f)
{
	CHECK_MAGIC(f, FAR_MAGIC);
	redis_mark(f->redis);
}

/* For how long nobody can say beforehand: a link, or this process, may stand
 * still. */
bool
far_drains(struct far *f)
{
	struct mono now = loop_now(f->loop);

	CHECK_MAGIC(f, FAR_MAGIC);
	if (redis_drains(f->redis))
		return (true);
	if (f->home.near_until.us == UINT64_MAX)
		f->home.near_until = mono_add_ms(now, FAR_NEAR_MS);
	return (now.us < f->home.near_until.us);
}

bool
far_brings(const struct far *f)
{
	return (f != NULL && redis_drains(f->redis));
}

void
far_meet(struct far *f, bool both)
{
	if (f != NULL)
		f->home.meets = both;
}

void
far_release(struct far *f, bool whole)
{
	if (f != NULL)
		hosts_release(f->hosts, whole);
}

bool
far_is_settled(const struct far *f)
{
	return (f == NULL || hosts_is_settled(f->hosts));
}

void
far_quiet(struct far *f, bool quiet)
{
	if (f == NULL)
		return;
	f->quiet = quiet;
	redis_quiet(f->redis, quiet);
	if (!quiet)
		counter_set(COUNTER_secret_file_bad, f->secret_bad);
}

void
far_step_back(struct far *f, enum far_place place)
{
	CHECK_MAGIC(f, FAR_MAGIC);
	f->part = FAR_GOES;
	sharded_free(&f->sharded);
	requests_free(&f->requests);
	socketio_free(&f->socketio);
	questions_forget(f->questions);
	inquiries_forget(f->inquiries);
	members_free(&f->members);
	far_door_open(f);
	if (f->people != NULL)
		people_step_back(f->people);
	f->home.near = place == PLACE_NEAR;
	f->home.meets = false;
	if (place != PLACE_SAME)
		return;
	f->part = FAR_LEAVES;
	f->home.deaf = true;
	if (f->people != NULL)
		people_hush(f->people);
}

void
far_leave(struct far *f)
{
	CHECK_MAGIC(f, FAR_MAGIC);
	if (f->part == FAR_LEAVES)
		return;
	f->part = FAR_LEAVES;
	if (f->people != NULL)
		people_leave(f->people);
}

void
far_deafen(struct far *f)
{
	CHECK_MAGIC(f, FAR_MAGIC);
	f->home.deaf = true;
}

void
far_hush(struct far *f)
{
	CHECK_MAGIC(f, FAR_MAGIC);
	if (f->people != NULL)
		people_hush(f->people);
}

bool
far_has_left(const struct far *f)
{
	return (f->part == FAR_LEAVES &&
	    (f->people == NULL || people_left(f->people)));
}

/* --- the place --------------------------------------------------------------*/

static bool
far_has_server(const struct conf_redis *r, const struct conf_redis_url *u)
{
	const struct conf_redis_url *v = r->nshards > 0 ? r->shards : &r->url;
	size_t i, n = r->nshards > 0 ? r->nshards : 1;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].shown, u->shown) == 0)
			return (true);
	return (false);
}

/* Of several servers, those in common are not to be found by one message. */
static bool
far_share_servers(const struct conf_redis *a, const struct conf_redis *b)
{
	const struct conf_redis_url *v = a->nshards > 0 ? a->shards : &a->url;
	size_t i, n = a->nshards > 0 ? a->nshards : 1;

	if ((a->nshards == 0 && b->nshards == 0) || a->nsentinels > 0 ||
	    b->nsentinels > 0)
		return (false);
	for (i = 0; i < n; i++)
		if (far_has_server(b, &v[i]))
			return (true);
	return (false);
}

/* What one of them says to servers of Socket.IO, the other one may hear. */
static bool
far_crosses(const struct conf_redis *a, const struct conf_redis *b)
{
	return (a->socketio_prefix[0] != '\0' &&
	    strcmp(a->socketio_prefix, b->socketio_prefix) == 0 &&
	    a->socketio_adapter == b->socketio_adapter &&
	    ((a->socketio_send && conf_socketio_allows(b,
	    CONF_SOCKETIO_BROADCAST)) || (b->socketio_send &&
	    conf_socketio_allows(a, CONF_SOCKETIO_BROADCAST))));
}

/* Who hears it is the other one: nobody else has a channel of that name. */
static void
far_placed(struct far *f, const struct reply *o, enum far_place heard)
{
	if (o == NULL)
		f->place = PLACE_UNKNOWN;
	else
		f->place = o->type == REPLY_INTEGER && o->integer > 0 ?
		    heard : PLACE_OTHER;
}

static void
far_on_same(void *arg, const struct reply *o)
{
	far_placed(arg, o, PLACE_SAME);
}

static void
far_on_near(void *arg, const struct reply *o)
{
	far_placed(arg, o, PLACE_NEAR);
}

enum far_place
far_place(struct far *f, const struct far *other)
{
	const struct conf_redis *a = &f->section->redis,
	    *b = &other->section->redis;
	bool same;

	CHECK_MAGIC(f, FAR_MAGIC);
	same = strcmp(a->prefix, b->prefix) == 0;
	if (!same && !far_crosses(a, b))
		return (PLACE_OTHER);
	if (far_share_servers(a, b))
		f->place = same ? PLACE_SAME : PLACE_NEAR;
	if (f->place == PLACE_UNKNOWN && redis_publish(f->redis,
	    slice_str(other->name), SLICE(""), same ? far_on_same :
	    far_on_near, f))
		f->place = PLACE_ASKED;
	return (f->place);
}

bool
far_is_named_like(const struct far *f, const struct far *other)
{
	const struct conf_redis *a = &f->section->redis,
	    *b = &other->section->redis;

	if (strcmp(a->prefix, b->prefix) != 0)
		return (false);
	if (a->nsentinels > 0 || b->nsentinels > 0)
		return (a->nsentinels > 0 && b->nsentinels > 0 &&
		    strcmp(a->master, b->master) == 0 &&
		    strcmp(a->sentinels[0].shown, b->sentinels[0].shown) == 0);
	return (far_has_server(a, b->nshards > 0 ? b->shards : &b->url));
}
