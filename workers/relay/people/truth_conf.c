/*
 * Namespaces that begin, or cease, to tell who is there, while users are kept
 * in Redis; see truth.h.  All is written anew then, and of a namespace that
 * ceases nothing stays: other hosts would take it for something that they
 * cannot read.
 */
#include "relay/people/truth_int.h"

#include <stdlib.h>

#include "relay/redis/redis.h"
#include "shm/counters.h"

static void
truth_stays(struct truth *t, size_t ns)
{
	if (t->leaving[ns] != NULL)
		free(t->leaving[ns]->name);
	free(t->leaving[ns]);
	t->leaving[ns] = NULL;
}

void
truth_stay(struct truth *t)
{
	size_t i;

	for (i = 0; t->leaving != NULL && i < t->p.conf->ns_room; i++)
		truth_stays(t, i);
	free(t->leaving);
	t->leaving = NULL;
}

/* Without memory it stays in Redis until this host is gone. */
static void
truth_leaves(struct truth *t, const struct conf_namespace *ns)
{
	struct conf_namespace *copy = calloc(1, sizeof *copy);

	truth_stays(t, ns->index);
	if (copy != NULL)
		copy->name = strdup(ns->name);
	if (copy == NULL || copy->name == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		free(copy);
		return;
	}
	copy->name_len = ns->name_len;
	copy->index = ns->index;
	copy->tells = ns->tells;	/* who was told of is gone */
	t->leaving[ns->index] = copy;
}

static void
truth_on_left(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	(void)truth_failed(t, o);
}

void
truth_left(struct truth *t, size_t ns)
{
	struct slice argv[] = { SLICE("DEL"), SLICE("") };
	struct buf name;
	struct keys k;

	if (t->leaving[ns] == NULL)
		return;
	buf_init(&name);
	k = truth_keys(t, t->leaving[ns]);
	argv[1] = keys_of_node(&name, &k);
	if (!name.oom && redis_command(t->p.redis, argv[1], argv,
	    nitems(argv), truth_on_left, t)) {
		t->flight++;
		truth_stays(t, ns);
	} else
		truth_spoiled(t);
	buf_fini(&name);
}

void
truth_conf(struct truth *t, const struct conf *conf)
{
	const struct conf_namespace *was, *is;
	bool changed = false;
	size_t i;

	CHECK_MAGIC(t, TRUTH_MAGIC);
	for (i = 0; i < conf->ns_room; i++) {
		was = truth_namespace(t, i);
		is = conf_namespace_at(conf, i);
		if (!truth_keeps(t, is))
			is = NULL;
		if (was != NULL && is == NULL)
			truth_leaves(t, was);
		if (is != NULL)
			truth_stays(t, i);
		changed |= (was != NULL) != (is != NULL);
	}
	t->p.conf = conf;
	if (!changed)
		return;
	truth_drop_changes(t);
	truth_spoiled(t);
	t->begun.us = 0;	/* no need to wait */
}
