/*
 * What the files of hooks know of each other and nobody else does: hooks.c,
 * entries on their way; hooks_conf.c, other configurations; hooks_operate.c, what
 * operators ask and order; hooks_save.c, what another relay goes on with.
 */
#ifndef RELAY_HOOKS_HOOKS_INT_H
#define RELAY_HOOKS_HOOKS_INT_H

#include <stdlib.h>

#include "conf/conf.h"
#include "relay/hooks/courier.h"
#include "relay/hooks/dead.h"
#include "relay/hooks/guests.h"
#include "relay/hooks/hooks.h"
#include "relay/hooks/verdicts.h"
#include "relay/local/exchange.h"
#include "sys/loop.h"

/* Dead letters of a hook that is not in the configuration any more. */
#define HOOKS_DEAD	1000u
#define HOOKS_DEAD_BYTES (4u << 20)

struct hooks {
	unsigned	 magic;
#define HOOKS_MAGIC	0x400c5a11
	const struct conf *conf;
	struct exchange	*x;
	struct loop	*loop;
	struct stream	*stream;
	struct courier_calls calls;
	struct courier	*couriers;	/* by namespace */
	unsigned	 ncouriers;
	struct target	**targets;	/* by hook of conf; NULL: no memory yet */
	size_t		 ntargets;
	struct presence	*presence;
	struct guests	 guests;
	struct verdicts	 verdicts;
	bool		 more;		/* ... who are there are to be told */
	struct timer	 due;		/* the next courier is */
	struct entry_parts parts;	/* scratch */
	bool		 full;		/* a line says so */
	uint64_t	 epoch;		/* of numbers that are given now */
	const char	*source;	/* the stream's, as entries have it */
	struct dead	 dead;
	bool		 saved;		/* what waits is left to another relay */
};

struct bus_envelope;

/* hooks.c: a namespace's, which is made; without its first entry; NULL: no
 * memory. */
struct courier *hooks_courier(struct hooks *, const struct conf_namespace *);
struct courier *hooks_courier_new(struct hooks *,
	    const struct conf_namespace *);
/* An entry that says nothing more than this. */
void	hooks_mark(struct hooks *, struct courier *, struct slice type);
/* Of a namespace by its index: NULL: there is none, and nothing to be sent. */
const struct conf_hook *hooks_of(const struct hooks *, unsigned i);
/* NULL: no memory now. */
struct target *hooks_target(struct hooks *, const struct conf_hook *);
/* courier_calls.dead */
void	hooks_on_dead(void *hooks, const struct courier *, struct entry *,
	    const char *why);
/* The gauges. */
void	hooks_count(struct hooks *);

/* hooks_conf.c: connections that each target may have. */
unsigned hooks_share(const struct conf *);
/* NULL: there is none. */
const struct conf_hook *hooks_named(const struct hooks *, struct slice name);
struct dead_bounds hooks_dead_bounds(const struct hooks *, struct slice hook);

/* hooks_operate.c: BUS_HOOKS. */
void	hooks_operate(struct hooks *, const struct bus_envelope *);

/* hooks_save.c: what a relay before has left; empty: nothing. */
void	hooks_load(struct hooks *, struct slice saved);

#endif
