/*
 * What subscriptions.c (asking and hearing) and subscriptions_table.c (which
 * channels there are, and how each stands) share; for nobody else.
 */
#ifndef RELAY_REDIS_SUBSCRIPTIONS_INT_H
#define RELAY_REDIS_SUBSCRIPTIONS_INT_H

#include <sys/queue.h>

#include "base/buf.h"
#include "relay/redis/subscriptions.h"

#define SUBSCRIPTIONS_CHANNEL	4096	/* bytes of a channel's name */

enum subscription_state { SUB_OFF, SUB_ASKED, SUB_ON, SUB_DENIED };

struct subscription {
	struct subscription *next;	/* in its bucket */
	TAILQ_ENTRY(subscription) asked;	/* SUB_ASKED: in order */
	enum subscription_kind kind;
	uint8_t		 state;		/* enum subscription_state */
	bool		 wanted;	/* false: to be given up when answered */
	uint8_t		 stale;		/* moved, but still heard; beats ago */
	subscriptions_cb *cb;
	void		*arg;
	struct mono	 deaf;		/* not heard since then, though we had
					 * wanted; 0: it is */
	uint64_t	 hash;
	size_t		 n;
	uint8_t		 channel[];
};

struct subscriptions {
	unsigned	 magic;
#define SUBSCRIPTIONS_MAGIC 0x5b5c41be
	struct subscriptions_params p;
	struct link	*link;
	struct subscription **buckets;	/* a power of two */
	size_t		 cap, n;
	size_t		 non, ndenied, nstale;
	bool		 ready;		/* told, for this link */
	bool		 all;		/* SUB_ALL_OURS is SUB_ON */
	struct mono	 pinged, again;
	struct buf	 wire, plain;	/* a channel with, without its tag */
	TAILQ_HEAD(, subscription) asked;
};

static inline struct slice
sub_channel(const struct subscription *s)
{
	return (slice_of(s->channel, s->n));
}

bool	subscriptions_table_open(struct subscriptions *) MUST_USE;
void	subscriptions_table_close(struct subscriptions *);
/* Where it is or would be; to be looked for anew after any change. */
struct subscription **subscriptions_place(struct subscriptions *,
	    enum subscription_kind, struct slice channel);
/* A new one at its place, SUB_OFF.  NULL: no memory. */
struct subscription *subscriptions_insert(struct subscriptions *,
	    struct subscription **at, enum subscription_kind,
	    struct slice channel) MUST_USE;
/* The only place that changes a state: it counts them. */
void	subscription_enter(struct subscriptions *, struct subscription *,
	    enum subscription_state);
void	subscription_drop(struct subscriptions *, struct subscription *);
/* All of them; what is called may drop the one that it gets. */
void	subscriptions_each(struct subscriptions *, void (*)(
	    struct subscriptions *, struct subscription *, void *arg),
	    void *arg);

#endif
