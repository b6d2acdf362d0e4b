/*
 * Another configuration: who has a hook now, and which targets go; see hooks.h.
 */
#include "relay/hooks/hooks_int.h"

#include "shm/counters.h"

struct dead_bounds
hooks_dead_bounds(const struct hooks *k, struct slice hook)
{
	const struct conf_hook *h = hooks_named(k, hook);

	return (h == NULL ? (struct dead_bounds){ HOOKS_DEAD,
	    HOOKS_DEAD_BYTES } : (struct dead_bounds){ h->dead,
	    h->dead_bytes });
}

const struct conf_hook *
hooks_named(const struct hooks *k, struct slice name)
{
	size_t i;

	for (i = 0; i < k->conf->nhooks; i++)
		if (slice_eq(slice_str(k->conf->hooks[i].name), name))
			return (&k->conf->hooks[i]);
	return (NULL);
}

unsigned
hooks_share(const struct conf *conf)
{
	MUST(conf->nhooks > 0 && conf->nhooks <= conf->hook_connections);
	return (conf->hook_connections / (unsigned)conf->nhooks);
}

static void
hooks_narrow(struct hooks *k)
{
	struct dead_bounds most;
	struct dead_box *b;

	TAILQ_FOREACH(b, &k->dead.boxes, next) {
		most = hooks_dead_bounds(k, slice_str(b->hook));
		dead_narrow(b, &most);
	}
}

/* Who reads it knows from the beginning on that there is another epoch. */
static void
hooks_begin(struct hooks *k)
{
	const struct conf_namespace *ns;
	struct courier *c;
	size_t i;

	for (i = 0; i < k->conf->nnamespaces; i++) {
		ns = &k->conf->namespaces[i];
		if (!ns->gone && ns->hook != NULL) {
			c = hooks_courier(k, ns);
			if (c != NULL)
				(void)courier_name(c, ns->hook->name);
		} else if (k->couriers[i].nsp != NULL)
			courier_drop(&k->couriers[i]);
	}
}

/* The target of before that a hook still means, or NULL. */
static struct target *
hooks_same(struct hooks *k, const struct conf_hook *hook)
{
	struct target *t;
	size_t i;

	for (i = 0; i < k->ntargets; i++) {
		t = k->targets[i];
		if (t != NULL && target_is(t, hook)) {
			k->targets[i] = NULL;
			return (t);
		}
	}
	return (NULL);
}

/* What is under way to a target that goes is sent again. */
static void
hooks_leave(struct hooks *k, struct target **t)
{
	unsigned i;

	if (*t != NULL)
		verdicts_leave(&k->verdicts, *t);
	for (i = 0; *t != NULL && i < k->ncouriers; i++)
		if (k->couriers[i].nsp != NULL &&
		    k->couriers[i].post.target == *t)
			courier_stop(&k->couriers[i]);
	target_free(t);
}

static void
hooks_targets(struct hooks *k, const struct conf *conf)
{
	struct target **targets = calloc(conf->nhooks + 1, sizeof *targets);
	size_t i;

	MUST(targets != NULL || conf->nhooks == 0);
	for (i = 0; i < conf->nhooks; i++)
		targets[i] = hooks_same(k, &conf->hooks[i]);
	for (i = 0; i < k->ntargets; i++)
		hooks_leave(k, &k->targets[i]);
	for (i = 0; i < conf->nhooks; i++)
		if (targets[i] != NULL)
			target_limit(targets[i], hooks_share(conf));
	free(k->targets);
	k->targets = targets;
	k->ntargets = conf->nhooks;
}

void
hooks_conf(struct hooks *k, const struct conf *conf)
{
	CHECK_MAGIC(k, HOOKS_MAGIC);
	hooks_targets(k, conf);
	k->conf = conf;
	verdicts_conf(&k->verdicts, conf);
	hooks_begin(k);
	hooks_narrow(k);
	guests_conf(&k->guests, conf);
	hooks_count(k);
}
