/*
 * Several Redis, and what is where; see shards.h.
 */
#include "relay/redis/shards.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "relay/redis/spread.h"
#include "sys/log.h"

#define SHARDS_NAME	512	/* more than a host, and than a path */

struct shards {
	unsigned	 magic;
#define SHARDS_MAGIC	0x54a4d500
	struct shards_params p;
	size_t		 n;
	struct site	*sites[CONF_REDIS_SHARDS_MAX];
	struct conf_redis confs[CONF_REDIS_SHARDS_MAX];	/* of each: its url */
	uint64_t	 names[CONF_REDIS_SHARDS_MAX];	/* spread_name() */
};

/* --- how it stands --------------------------------------------------------*/

static void
shards_on_change(void *arg, struct site *s)
{
	struct shards *t = arg;

	(void)s;
	t->p.change(t->p.arg);
}

static void
shards_on_gap(void *arg, struct slice channel, struct mono since)
{
	struct shards *t = arg;

	t->p.gap(t->p.arg, channel, since);
}

bool
shards_up(const struct shards *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (site_can_publish(t->sites[i]))
			return (true);
	return (false);
}

void
shards_count(const struct shards *t, size_t *n, size_t *away,
    enum redis_state *state, uint64_t *which)
{
	size_t i;

	*n = t->n;
	*away = 0;
	*which = 0;
	*state = REDIS_CONNECTED;
	for (i = 0; i < t->n; i++) {
		if (t->sites[i] != NULL &&
		    site_state(t->sites[i]) == REDIS_CONNECTED)
			continue;
		*which |= UINT64_C(1) << i;
		if ((*away)++ == 0)
			*state = t->sites[i] != NULL ?
			    site_state(t->sites[i]) : REDIS_CONNECTING;
	}
}

/* --- what is asked --------------------------------------------------------*/

static struct site *
shards_place(const struct shards *t, enum subscription_kind kind,
    struct slice channel)
{
	return (t->sites[kind == SUB_OURS ?
	    spread_shard(t->names, t->n, channel) : 0]);
}

struct site *
shards_site(const struct shards *t, struct slice channel)
{
	CHECK_MAGIC(t, SHARDS_MAGIC);
	return (shards_place(t, SUB_OURS, channel));
}

void
shards_remove(struct shards *t, enum subscription_kind kind,
    struct slice channel)
{
	size_t i;

	CHECK_MAGIC(t, SHARDS_MAGIC);
	if (kind != SUB_ALL_OURS)
		site_remove(shards_place(t, kind, channel), kind, channel);
	for (i = 0; kind == SUB_ALL_OURS && i < t->n; i++)
		site_remove(t->sites[i], kind, channel);
}

bool
shards_add(struct shards *t, enum subscription_kind kind, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	bool ok = true;
	size_t i;

	CHECK_MAGIC(t, SHARDS_MAGIC);
	if (kind != SUB_ALL_OURS)
		return (site_add(shards_place(t, kind, channel), kind, channel,
		    cb, arg));
	for (i = 0; i < t->n && ok; i++)
		ok = site_add(t->sites[i], kind, channel, cb, arg);
	if (!ok)
		shards_remove(t, kind, channel);
	return (ok);
}

bool
shards_command(struct shards *t, const struct slice *argv, size_t n,
    commands_cb *cb, void *arg)
{
	CHECK_MAGIC(t, SHARDS_MAGIC);
	return (site_send(t->sites[0], argv, n, cb, arg));
}

bool
shards_publish(struct shards *t, enum subscription_kind kind,
    struct slice channel, struct slice payload, commands_cb *cb, void *arg)
{
	struct slice argv[] = { SLICE("PUBLISH"), channel, payload };

	CHECK_MAGIC(t, SHARDS_MAGIC);
	if (kind == SUB_SHARDED)
		argv[0] = SLICE("SPUBLISH");
	return (site_send(shards_place(t, kind, channel), argv, nitems(argv),
	    cb, arg));
}

/* --- time -----------------------------------------------------------------*/

void
shards_beat(struct shards *t)
{
	size_t i;

	CHECK_MAGIC(t, SHARDS_MAGIC);
	for (i = 0; i < t->n; i++)
		site_beat(t->sites[i]);
}

void
shards_flush(struct shards *t)
{
	size_t i;

	CHECK_MAGIC(t, SHARDS_MAGIC);
	for (i = 0; i < t->n; i++)
		site_flush(t->sites[i]);
}

void
shards_mark(struct shards *t)
{
	size_t i;

	CHECK_MAGIC(t, SHARDS_MAGIC);
	for (i = 0; i < t->n; i++)
		site_mark(t->sites[i]);
}

bool
shards_drains(const struct shards *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (site_drains(t->sites[i]))
			return (true);
	return (false);
}

void
shards_renew(struct shards *t)
{
	size_t i;

	CHECK_MAGIC(t, SHARDS_MAGIC);
	for (i = 0; i < t->n; i++)
		site_renew(t->sites[i]);
}

/* --- birth and death ------------------------------------------------------*/

/* By where it is: who else may be there, and how it is spoken to, is no part of
 * it. */
static uint64_t
shards_name(const struct conf_redis_url *url)
{
	char name[SHARDS_NAME];

	if (url->path != NULL)
		(void)snprintf(name, sizeof name, "%s/%u", url->path,
		    url->database);
	else
		(void)snprintf(name, sizeof name, "%s:%u/%u", url->host,
		    url->port, url->database);
	return (spread_name(slice_str(name)));
}

static bool
shards_open(struct shards *t, size_t i)
{
	char pulse[CONF_REDIS_PREFIX_MAX + 32];
	struct site_params p = { .conf = &t->confs[i], .loop = t->p.loop,
		.queue_bytes = t->p.queue_bytes, .hash_key = t->p.hash_key,
		.arg = t, .change = shards_on_change,
		.gap = shards_on_gap };

	t->confs[i] = *t->p.conf;
	t->confs[i].url = t->p.conf->shards[i];
	t->names[i] = shards_name(&t->confs[i].url);
	(void)snprintf(pulse, sizeof pulse, "%spulse:%016" PRIx64,
	    t->p.conf->prefix, t->p.node_id);
	p.pulse = slice_str(pulse);
	t->sites[i] = site_new(&p);
	return (t->sites[i] != NULL);
}

struct shards *
shards_new(const struct shards_params *p)
{
	struct shards *t = calloc(1, sizeof *t);
	size_t i;

	if (t == NULL)
		return (NULL);
	t->magic = SHARDS_MAGIC;
	t->p = *p;
	t->n = p->conf->nshards;
	MUST(t->n > 0 && t->n <= CONF_REDIS_SHARDS_MAX);
	for (i = 0; i < t->n; i++)
		if (!shards_open(t, i)) {
			shards_free(&t);
			return (NULL);
		}
	log_info("redis_shards n=%zu", t->n);
	return (t);
}

void
shards_free(struct shards **tp)
{
	struct shards *t = *tp;
	size_t i;

	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, SHARDS_MAGIC);
	for (i = 0; i < t->n; i++)
		site_free(&t->sites[i]);
	t->magic = 0;
	free(t);
}
