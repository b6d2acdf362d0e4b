/*
 * What this node says of itself, to Redis and to the others; see nodes.h.
 * Called by nodes.c, and by truth.c.
 */
#include "relay/people/nodes_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "conf/conf.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "sys/log.h"

/* --- names ----------------------------------------------------------------*/

void
nodes_name(char out[NODES_NAME], uint64_t id)
{
	(void)snprintf(out, NODES_NAME, "%016" PRIx64, id);
}

struct slice
nodes_key(struct buf *b, const struct conf *conf, uint64_t id)
{
	buf_reset(b);
	buf_printf(b, "%snode:%016" PRIx64, conf->redis.prefix, id);
	return (buf_unread(b));
}

bool
nodes_id(struct slice name, uint64_t *id)
{
	unsigned digit;
	size_t i;

	*id = 0;
	for (i = 0; i < name.n; i++) {
		if (name.p[i] >= '0' && name.p[i] <= '9')
			digit = name.p[i] - '0';
		else if (name.p[i] >= 'a' && name.p[i] <= 'f')
			digit = name.p[i] - 'a' + 10u;
		else
			return (false);
		*id = *id << 4 | digit;
	}
	return (name.n == NODES_NAME - 1 && *id != 0);
}

/* --- what we say ----------------------------------------------------------*/

static bool
nodes_publish(struct nodes *s, const struct news *n)
{
	struct buf *b = &s->message;

	news_put(b, n);
	buf_slice(b, n->entries);
	if (!s->p.seal(s->p.arg, slice_str(s->channel), b) || b->oom) {
		if (b->oom)
			counter_add(COUNTER_memory_failures, 1);
		b->oom = false;
		return (false);
	}
	return (redis_publish(s->p.redis, slice_str(s->channel),
	    buf_unread(b), NULL, NULL));
}

void
nodes_say(struct nodes *s, enum news_kind kind)
{
	struct news n = { .kind = kind, .ready = s->ready,
		.node = s->p.node_id, .epoch = s->epoch,
		.number = s->number };

	if (nodes_publish(s, &n) && kind != NEWS_BYE)
		s->beaten = mono_now();
}

void
nodes_tell(struct nodes *s, struct slice ns, struct slice entries)
{
	struct news n = { .kind = NEWS_CHANGES, .ready = s->ready,
		.node = s->p.node_id, .epoch = s->epoch,
		.number = ++s->number, .ns = ns, .entries = entries };

	CHECK_MAGIC(s, NODES_MAGIC);
	if (!s->left)
		(void)nodes_publish(s, &n);
}

static struct slice
nodes_value(struct nodes *s)
{
	char name[NODES_NAME];

	nodes_name(name, s->p.node_id);
	buf_reset(&s->value);
	buf_printf(&s->value, "{\"id\":\"%s\",\"epoch\":\"%016" PRIx64
	    "\",\"ready\":%s,\"started\":%" PRIu64 "}", name, s->epoch,
	    s->ready ? "true" : "false", s->started_ms);
	return (buf_unread(&s->value));
}

bool
nodes_command(struct nodes *s, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb, void *arg)
{
	if (s->key.oom || s->value.oom) {
		s->key.oom = s->value.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	return (redis_command(s->p.redis, key, argv, n, cb, arg));
}

/* The key, and our place in the list. */
void
nodes_write(struct nodes *s)
{
	char name[NODES_NAME], ms[16];
	struct slice key = nodes_key(&s->key, s->p.conf, s->p.node_id);
	struct slice value = nodes_value(s), list = slice_str(s->channel);
	struct slice set[] = { SLICE("SET"), key, value, SLICE("PX"),
		SLICE("") };
	struct slice hset[] = { SLICE("HSET"), list, SLICE(""), value };

	(void)snprintf(ms, sizeof ms, "%u", NODES_TTL_MS);
	set[4] = slice_str(ms);
	(void)nodes_command(s, key, set, nitems(set), NULL, NULL);
	nodes_name(name, s->p.node_id);
	hset[2] = slice_str(name);
	(void)nodes_command(s, list, hset, nitems(hset), NULL, NULL);
}

void
nodes_epoch(struct nodes *s, uint64_t epoch, bool ready)
{
	CHECK_MAGIC(s, NODES_MAGIC);
	if (epoch != s->epoch)
		s->epoch_before = s->epoch;
	s->epoch = epoch;
	s->ready = ready;
	if (!s->up)
		return;
	nodes_write(s);
	nodes_say(s, NEWS_BEAT);
}

/* We were silent for too long, or all is gone. */
static void
nodes_on_expire(void *arg, const struct reply *o)
{
	struct nodes *s = arg;

	if (o == NULL || o->type != REPLY_INTEGER || o->integer != 0)
		return;
	log_info("node_expired");
	nodes_write(s);
	if (s->up)
		s->p.emptied(s->p.arg);
}

void
nodes_renew(struct nodes *s)
{
	struct slice argv[] = { SLICE("PEXPIRE"), SLICE(""), SLICE("") };
	char ms[16];

	(void)snprintf(ms, sizeof ms, "%u", NODES_TTL_MS);
	argv[1] = nodes_key(&s->key, s->p.conf, s->p.node_id);
	argv[2] = slice_str(ms);
	(void)nodes_command(s, argv[1], argv, nitems(argv), nodes_on_expire,
	    s);
	nodes_say(s, NEWS_BEAT);
}
