/*
 * Socket.IO's bridge, made and tied to its channels; see socketio.h.
 */
#include "relay/bridge/socketio_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "relay/bridge/channel.h"
#include "relay/bridge/ledger.h"
#include "relay/redis/redis.h"
#include "shm/interest.h"

struct slice
socketio_uid(const struct socketio *s)
{
	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	return (slice_str(s->uid));
}

struct whom_joins *
socketio_joins(const struct socketio *s)
{
	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	return (s->joins);
}

struct whom
socketio_whom(const struct socketio_namespace *n, struct bus_audience *to)
{
	struct socketio *s = n->s;
	struct whom w = { .interest = s->interest, .joins = s->joins,
		.now = home_now(s->p.home), .ns = n->ns->index, .to = to };

	whom_begin(&w);
	return (w);
}

/* --- channels -------------------------------------------------------------*/

static bool
socketio_listen(struct socketio *s, struct socketio_namespace *n)
{
	const struct conf_redis *conf = &s->p.home->conf->redis;
	struct redis *redis = s->p.home->redis;
	struct slice name;
	bool ok = true;

	name = channel_pattern(&s->channel, conf->socketio_prefix,
	    socketio_nsp(n));
	if (conf_socketio_allows(conf, CONF_SOCKETIO_BROADCAST))
		ok = !s->channel.oom && redis_psubscribe_classic(redis, name,
		    socketio_on_broadcast, n);
	name = channel_name(&s->channel, conf->socketio_prefix,
	    CHANNEL_REQUEST, socketio_nsp(n));
	return (ok && !s->channel.oom && redis_subscribe_classic(redis, name,
	    socketio_on_request, n));
}

static void
socketio_leave(struct socketio *s, struct socketio_namespace *n)
{
	const char *prefix = s->p.home->conf->redis.socketio_prefix;
	struct slice name;

	name = channel_pattern(&s->channel, prefix, socketio_nsp(n));
	if (conf_socketio_allows(&s->p.home->conf->redis,
	    CONF_SOCKETIO_BROADCAST) && !s->channel.oom)
		redis_punsubscribe_classic(s->p.home->redis, name);
	name = channel_name(&s->channel, prefix, CHANNEL_REQUEST,
	    socketio_nsp(n));
	if (!s->channel.oom)
		redis_unsubscribe_classic(s->p.home->redis, name);
}

static bool
socketio_is_on(const struct socketio *s)
{
	const struct conf_redis *conf = &s->p.home->conf->redis;

	return (conf_socketio_allows(conf, CONF_SOCKETIO_ANY) &&
	    conf_socketio_on(conf, CONF_ADAPTER_CLASSIC));
}

/* What channels there are the configuration says. */
static bool
socketio_listen_all(struct socketio *s)
{
	const struct conf *conf = s->p.home->conf;
	struct socketio_namespace *n;
	bool all = true, wanted;
	size_t i;

	for (i = 0; i < conf->ns_room; i++) {
		n = &s->ns[i];
		n->s = s;
		wanted = socketio_is_on(s) &&
		    conf_namespace_at(conf, i) != NULL;
		if (n->listens && !wanted) {
			socketio_leave(s, n);
			n->listens = false;
		}
		n->ns = i < conf->nnamespaces ? &conf->namespaces[i] : NULL;
		if (wanted && !n->listens) {
			n->listens = socketio_listen(s, n);
			all &= n->listens;
		}
	}
	return (all);
}

bool
socketio_conf(struct socketio *s)
{
	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	return (socketio_listen_all(s));
}

bool
socketio_concerns(struct socketio *s, struct slice channel, struct slice *nsp,
    struct bus_audience *to)
{
	const char *prefix = s->p.home->conf->redis.socketio_prefix;
	struct slice room;
	size_t i;

	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	for (i = 0; i < s->p.home->conf->nnamespaces; i++) {
		*nsp = socketio_nsp(&s->ns[i]);
		if (!channel_concerns(&s->channel, channel, prefix, *nsp,
		    &room))
			continue;
		if (room.n != 0) {
			to->rooms[to->nrooms++] = room;
			to->sids[to->nsids++] = room;
		}
		return (true);
	}
	s->channel.oom = false;
	return (false);
}

/* --- birth and death ------------------------------------------------------*/

/* One for the daemons of a configuration (whose channels are the same), and
 * one for this process. */
static bool
socketio_make_uid(struct socketio *s)
{
	static const struct hash_key known;	/* no secret */
	struct buf *head = &s->message;
	uint64_t family;

	family = hash_bytes(&known, slice_str(s->p.home->conf->redis.prefix));
	(void)snprintf(s->uid, sizeof s->uid, "roost-%08" PRIx32 "-%08" PRIx32,
	    (uint32_t)family, s->p.home->ledger->self);
	msgpack_put_array(head, SOCKETIO_PARTS);
	msgpack_put_str(head, slice_str(s->uid));
	if (head->oom || head->wpos > sizeof s->head)
		return (false);
	s->head_n = head->wpos;
	memcpy(s->head, head->data, s->head_n);
	return (true);
}

bool
socketio_is_ours(const struct socketio *s, struct slice payload)
{
	const size_t self = s->head_n - SOCKETIO_SELF;
	const size_t family = self - SOCKETIO_FAMILY;

	if (payload.n < s->head_n || memcmp(payload.p, s->head, family) != 0)
		return (false);
	return (memcmp(payload.p + family, s->head + family,
	    SOCKETIO_FAMILY) == 0 ||
	    memcmp(payload.p + self, s->head + self, SOCKETIO_SELF) == 0);
}

struct socketio *
socketio_new(const struct socketio_params *p)
{
	struct socketio *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = SOCKETIO_MAGIC;
	s->p = *p;
	buf_init(&s->channel);
	buf_init(&s->text);
	buf_init(&s->message);
	s->ns = calloc(p->home->conf->ns_room,
	    sizeof(struct socketio_namespace));
	s->interest = interest_open(p->home->segment, 0);
	s->joins = whom_joins_new();
	if (s->ns == NULL || s->interest == NULL || s->joins == NULL ||
	    !socketio_make_uid(s) || !socketio_listen_all(s))
		socketio_free(&s);
	return (s);
}

void
socketio_free(struct socketio **sp)
{
	struct socketio *s = *sp;
	size_t i;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	for (i = 0; s->ns != NULL && i < s->p.home->conf->ns_room; i++)
		if (s->ns[i].listens)
			socketio_leave(s, &s->ns[i]);
	free(s->ns);
	whom_joins_free(&s->joins);
	if (s->interest != NULL)
		interest_close(&s->interest);
	buf_fini(&s->channel);
	buf_fini(&s->text);
	buf_fini(&s->message);
	s->magic = 0;
	free(s);
}
