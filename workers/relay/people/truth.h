/*
 * Who is on this host, kept in Redis: for the other hosts, which read it when
 * they come or have missed something, and for back ends.
 *
 *	PREFIXpresence:NS	hash, user to {"user","status","last_seen",
 *				"nodes":[ID,...]}: of all hosts, for back ends
 *	PREFIXnode:ID:{PREFIXpresence:NS}
 *				hash, this host's: "=" to its epoch, "u" and a
 *				user, "r", room, NUL and a user to a value
 *
 * NS is without its slash.  Both keys of a namespace are in one slot of a
 * cluster.  All is written anew, under a new epoch, whenever Redis is there
 * again or has forgotten it; in between each change that the relay tells is
 * written and, in the same breath, said to the other nodes.
 */
#ifndef RELAY_PEOPLE_TRUTH_H
#define RELAY_PEOPLE_TRUTH_H

#include "base/clock.h"
#include "relay/people/nodes.h"
#include "relay/redis/commands.h"

struct conf_namespace;
struct segment;
struct table_event;
struct table_relay;
struct truth;

struct truth_params {
	const struct conf *conf;
	struct redis	*redis;
	struct nodes	*nodes;
	struct segment	*segment;
	uint64_t	 node_id;
};

struct truth *truth_new(const struct truth_params *) MUST_USE;
void	truth_free(struct truth **);
/* The presence table; before anything of it is told. */
void	truth_table(struct truth *, const struct table_relay *);
void	truth_ready(struct truth *);
void	truth_lost(struct truth *);
/* What Redis has is not what was written: again, all of it. */
void	truth_spoiled(struct truth *);
/* What the workers are being told. */
void	truth_event(struct truth *, const struct table_event *);
void	truth_beat(struct truth *, struct mono now);
/* The end of a turn; true: there is more to do at once. */
bool	truth_turn(struct truth *);

/* --- what is there, for who reads it --------------------------------------*/

struct slice truth_key_of_all(struct buf *, const struct conf *,
	    const struct conf_namespace *);
struct slice truth_key_of_node(struct buf *, const struct conf *,
	    const struct conf_namespace *, uint64_t id);
/* A field and its value; false: neither a user nor a room. */
bool	truth_field_get(struct slice field, struct slice value,
	    struct news_entry *) MUST_USE;

/*
 * Some of a node's fields go, and its users from the hash of all unless others
 * have them: all fields, or those of other epochs (stale).  epoch: what it
 * must have.  The reply is the next cursor, "0": that was all, "-": another
 * epoch.
 */
struct truth_sweep {
	const struct conf *conf;
	struct redis	*redis;
	const struct conf_namespace *ns;
	uint64_t	 id, epoch;
	bool		 stale;
	struct slice	 cursor;
};
bool	truth_sweep(const struct truth_sweep *, commands_cb *, void *arg);

#endif
