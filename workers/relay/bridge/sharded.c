/*
 * The sharded adapter, made and tied to its channels; see sharded.h.
 */
#include "relay/bridge/sharded_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "proto/json.h"
#include "relay/bridge/ledger.h"
#include "relay/redis/redis.h"
#include "shm/interest.h"
#include "shm/table_relay.h"

/* --- channels -------------------------------------------------------------*/

struct slice
sharded_channel(struct sharded *s, struct slice nsp, struct slice room)
{
	struct buf *b = &s->channel;

	buf_reset(b);
	b->oom = false;
	buf_str(b, s->p.home->conf->redis.socketio_prefix);
	buf_byte(b, '#');
	buf_slice(b, nsp);
	buf_byte(b, '#');
	if (room.n != 0) {
		buf_slice(b, room);
		buf_byte(b, '#');
	}
	return (buf_unread(b));
}

void
sharded_put_tail(const struct sharded *s, struct buf *b, struct slice nsp)
{
	buf_str(b, ",\"uid\":\"");
	buf_str(b, s->uid);
	buf_str(b, "\",\"nsp\":");
	json_escape(b, nsp);
	buf_byte(b, '}');
}

static bool
sharded_listen(struct sharded *s, struct sharded_namespace *n)
{
	struct slice channel = sharded_channel(s, sharded_nsp(n->ns),
	    slice_of(NULL, 0));

	n->listens = !s->channel.oom && redis_ssubscribe_raw(s->p.home->redis,
	    channel, sharded_on_message, n);
	return (n->listens);
}

static void
sharded_leave(struct sharded *s, struct sharded_namespace *n)
{
	struct slice channel = sharded_channel(s, sharded_nsp(n->ns),
	    slice_of(NULL, 0));

	if (!s->channel.oom)
		redis_sunsubscribe_raw(s->p.home->redis, channel);
	n->listens = false;
}

/* What channels there are the configuration says. */
static bool
sharded_listen_all(struct sharded *s)
{
	const struct conf *conf = s->p.home->conf;
	struct sharded_namespace *n;
	bool all = true, wanted;
	size_t i;

	for (i = 0; i < conf->ns_room; i++) {
		n = &s->ns[i];
		n->s = s;
		wanted = conf_namespace_at(conf, i) != NULL;
		if (n->listens && !wanted)
			sharded_leave(s, n);
		n->ns = i < conf->nnamespaces ? &conf->namespaces[i] : NULL;
		if (wanted && !n->listens)
			all &= sharded_listen(s, n);
	}
	return (all);
}

bool
sharded_conf(struct sharded *s)
{
	CHECK_MAGIC(s, SHARDED_MAGIC);
	return (sharded_listen_all(s));
}

/* Rooms whose names are not whole here are of long names, which have no
 * channels: their servers are asked to broadcast to all. */
void
sharded_interest(struct sharded *s, const struct table_event *e)
{
	struct sharded_namespace *n;
	struct slice channel;

	CHECK_MAGIC(s, SHARDED_MAGIC);
	if (!e->whole || e->key.n < 2 || e->key.p[0] != INTEREST_ROOM ||
	    conf_namespace_at(s->p.home->conf, e->ns) == NULL ||
	    (e->was & ANN_L) == (e->is & ANN_L))
		return;
	n = &s->ns[e->ns];
	channel = sharded_channel(s, sharded_nsp(n->ns),
	    slice_from(e->key, 1));
	if ((e->is & ANN_L) == 0)
		redis_sunsubscribe_raw(s->p.home->redis, channel);
	else if (s->channel.oom || !redis_ssubscribe_raw(s->p.home->redis,
	    channel, sharded_on_message, n))
		counter_add(COUNTER_memory_failures, 1);
}

/* --- birth and death ------------------------------------------------------*/

static void
sharded_make_uid(struct sharded *s)
{
	static const struct hash_key known;	/* no secret */
	uint64_t family;

	family = hash_bytes(&known, slice_str(s->p.home->conf->redis.prefix));
	(void)snprintf(s->uid, sizeof s->uid, "%08" PRIx32 "%08" PRIx32,
	    (uint32_t)family, s->p.home->ledger->self);
}

struct sharded *
sharded_new(const struct sharded_params *p)
{
	struct sharded *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = SHARDED_MAGIC;
	s->p = *p;
	buf_init(&s->channel);
	buf_init(&s->text);
	buf_init(&s->names);
	buf_init(&s->frame);
	buf_init(&s->message);
	s->ns = calloc(p->home->conf->ns_room,
	    sizeof(struct sharded_namespace));
	s->interest = interest_open(p->home->segment, 0);
	sharded_make_uid(s);
	if (s->ns == NULL || s->interest == NULL || !sharded_listen_all(s))
		sharded_free(&s);
	return (s);
}

/* Channels of rooms go with redis, which is freed next. */
void
sharded_free(struct sharded **sp)
{
	struct sharded *s = *sp;
	size_t i;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, SHARDED_MAGIC);
	for (i = 0; s->ns != NULL && i < s->p.home->conf->ns_room; i++)
		if (s->ns[i].listens)
			sharded_leave(s, &s->ns[i]);
	free(s->ns);
	if (s->interest != NULL)
		interest_close(&s->interest);
	buf_fini(&s->channel);
	buf_fini(&s->text);
	buf_fini(&s->names);
	buf_fini(&s->frame);
	buf_fini(&s->message);
	s->magic = 0;
	free(s);
}
