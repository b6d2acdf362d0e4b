/*
 * Between the files of the sharded adapter: what comes (sharded_in.c), what
 * goes out (sharded_out.c).
 */
#ifndef RELAY_BRIDGE_SHARDED_INT_H
#define RELAY_BRIDGE_SHARDED_INT_H

#include "base/buf.h"
#include "base/slotset.h"
#include "conf/conf.h"
#include "relay/bridge/home.h"
#include "relay/bridge/sharded.h"
#include "shm/counters.h"

struct interest;

#define SHARDED_UID	16	/* hexadecimal digits */
#define SHARDED_FAMILY	8	/* of them, the same for all daemons of ours */

/* Types of messages; the others are answers to questions, which we have none
 * of, and heartbeats of other adapters. */
enum sharded_type {
	SHARDED_BROADCAST = 3, SHARDED_JOIN, SHARDED_LEAVE, SHARDED_DISCONNECT,
	SHARDED_FETCH, SHARDED_FETCHED, SHARDED_EVENT, SHARDED_EVENT_DONE,
	SHARDED_COUNT, SHARDED_ACK
};

struct sharded_namespace {
	struct sharded	*s;
	const struct conf_namespace *ns;	/* NULL: there is none yet */
	bool		 listens;
};

struct sharded {
	unsigned	 magic;
#define SHARDED_MAGIC	0x5a4a2ded
	struct sharded_params p;
	struct interest	*interest;
	struct sharded_namespace *ns;	/* as in the configuration */
	char		 uid[SHARDED_UID + 1];
	struct buf	 channel, text, names, frame, message; /* scratch */
};

static inline struct slice
sharded_nsp(const struct conf_namespace *ns)
{
	return (slice_of(ns->name, ns->name_len));
}

/* Replaces what is in b: of the namespace, or of a room or uid in it. */
struct slice sharded_channel(struct sharded *, struct slice nsp,
	    struct slice room);
/* What stands behind the data of each message: ,"uid":...,"nsp":...} */
void	sharded_put_tail(const struct sharded *, struct buf *,
	    struct slice nsp);

void	sharded_on_message(void *arg, struct slice channel,
	    struct slice payload);

#endif
