/*
 * Another configuration for what is connected already, and who is where, which
 * may begin to matter; see far.h.
 */
#include "relay/far_int.h"

#include "relay/bridge/hosts.h"
#include "relay/bridge/seal.h"
#include "relay/bridge/sharded.h"
#include "relay/bridge/socketio.h"
#include "relay/people/people.h"
#include "shm/counters.h"
#include "shm/table_relay.h"

/* --- people ---------------------------------------------------------------*/

static bool
far_seal(void *arg, struct slice name, struct buf *b)
{
	const struct far *f = arg;

	return (seal_put(f->seal, name, b));
}

static bool
far_unseal(void *arg, struct slice name, struct slice *message)
{
	const struct far *f = arg;

	return (seal_take(f->seal, name, message));
}

bool
far_make_people(struct far *f)
{
	struct people_params w = { .conf = f->home.conf, .loop = f->loop,
		.redis = f->redis, .segment = f->h->segment,
		.node_id = f->h->node_id, .keep_ms = f->keep_ms, .arg = f,
		.seal = far_seal, .unseal = far_unseal };

	if (f->people == NULL && (conf_presence_on(f->home.conf) ||
	    conf_tells(f->home.conf))) {
		f->people = people_new(&w);
		if (f->people == NULL)
			return (false);
		if (f->presence != NULL)
			people_table(f->people, f->presence);
	}
	return (true);
}

bool
far_busy(const struct far *f)
{
	return (f != NULL && f->people != NULL && people_busy(f->people));
}

void
far_mirror(struct far *f, struct table_relay *presence)
{
	if (f != NULL)
		f->presence = presence;
	if (f != NULL && f->people != NULL)
		people_table(f->people, presence);
	else if (f == NULL || f->part == FAR_SERVES)
		table_inherit_end(presence);
}

void
far_presence(struct far *f, const struct table_event *e)
{
	if (f != NULL && f->people != NULL)
		people_event(f->people, e);
}

/* --- another configuration ------------------------------------------------*/

static void
far_take(struct far *f)
{
	bool due = f->socketio != NULL && !socketio_conf(f->socketio);

	if (f->sharded != NULL && !sharded_conf(f->sharded))
		due = true;
	if (!far_make_journals(f) ||
	    (f->part == FAR_SERVES && !far_make_people(f)))
		due = true;
	f->conf_due = due;
	if (f->conf_due)
		counter_add(COUNTER_memory_failures, 1);
}

void
far_take_conf(struct far *f, const struct conf *conf)
{
	struct conf *next = &f->confs[f->force ^ 1];

	*next = *conf;
	next->redis = f->section->redis;
	f->force ^= 1;
	f->home.conf = next;
}

void
far_conf(struct far *f, const struct conf *conf)
{
	if (f == NULL)
		return;
	far_take_conf(f, conf);
	hosts_conf(f->hosts);
	if (f->people != NULL)
		people_conf(f->people, f->home.conf);
	far_take(f);
}

void
far_try_again(struct far *f)
{
	if (f->conf_due)
		far_take(f);
}
