/*
 * What this folder keeps in Redis: names of keys, fields, values, and the
 * scripts that change them.
 *
 *	PREFIXpresence:NS	hash, user to {"user","status","last_seen",
 *				"nodes":[ID,...]}: of all hosts, for back ends
 *	PREFIXnode:ID:{PREFIXpresence:NS}
 *				hash, of one host: "u" and a user, "r", room,
 *				NUL and a user, to epoch, status and times;
 *				"=" to its epoch and how many batches of that
 *				were written
 *
 * Where back ends are told of changes (namespace { events }), the same once more,
 * beside the stream in which they are told: the script that changes who is there
 * in the cluster adds what that means, so that neither is without the other.
 *
 *	PREFIXevents:NS		the stream
 *	PREFIXnow:{PREFIXevents:NS}
 *				hash, of all hosts: "u" and a user, "r", room,
 *				NUL and a user, to IDs with a comma behind each;
 *				"n" and a room to how many users are in it; "="
 *				to an epoch and the number of the last entry
 *	PREFIXnode:ID:{PREFIXevents:NS}
 *				as above
 *
 * NS is without its slash.  All keys of a namespace that a script uses are in one
 * slot of a cluster.  A batch is written only if the one before it was: one that is
 * lost, or comes late, is noticed.
 */
#ifndef RELAY_PEOPLE_KEYS_H
#define RELAY_PEOPLE_KEYS_H

#include "relay/people/batch.h"
#include "relay/people/field.h"
#include "relay/redis/commands.h"

struct conf;
struct conf_namespace;
struct redis;

/* A namespace of a node in Redis, of which epoch. */
struct keys {
	const struct conf *conf;
	struct redis	*redis;
	const struct conf_namespace *ns;
	uint64_t	 node, epoch;
	bool		 tells;		/* those beside the stream */
	bool		 lost;		/* who goes has not left by itself */
	const char	*why;		/* of who goes where no batch says it;
					 * NULL: nobody does */
};

/* What replaces the contents of b. */
struct slice keys_of_all(struct buf *b, const struct keys *);
struct slice keys_of_node(struct buf *b, const struct keys *);

/* What "=" has; false: no epoch. */
bool	keys_epoch_get(struct slice value, uint64_t *epoch) MUST_USE;

/*
 * Each sends one command, or two; false: it was not sent, and no call will
 * come.  The reply of a script is "-" if the epoch is another one, or if a
 * batch is missing.
 */
/* The first: a new epoch, of which nothing was written.  Any reply. */
bool	keys_begin(const struct keys *, commands_cb *, void *arg);
/* The batch of that number, from 1 on. */
bool	keys_write(const struct keys *, uint64_t number, const struct batch *,
	    commands_cb *, void *arg);
/*
 * Neither ends by itself for a while; number: of the last batch.  Some of both
 * are compared: "-" also if somebody should be in the hash of all and is not;
 * who should not be is taken out.  The reply is where to go on, next time; at
 * first cursors is empty.
 */
#define KEYS_CURSORS	48u	/* of a reply, with NUL */
bool	keys_renew(const struct keys *, uint64_t number, struct slice cursors,
	    commands_cb *, void *arg);
/*
 * Some of the node's fields go, and its users from the hash of all unless other
 * nodes have them: all fields, or those of other epochs (stale).  The reply is
 * the next cursor, "0": that was all.
 */
bool	keys_sweep(const struct keys *, bool stale, struct slice cursor,
	    commands_cb *, void *arg);
/* The same, of a node whose own hash is gone (epoch 0): some of the hash of all
 * are looked at. */
bool	keys_strays(const struct keys *, struct slice cursor, commands_cb *,
	    void *arg);
/* { what "=" has or "", { cursor, { field, value, ... } } } */
bool	keys_scan(const struct keys *, struct slice cursor, commands_cb *,
	    void *arg);

#endif
