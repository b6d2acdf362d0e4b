/*
 * Who is online: one instance of shm/table.h, key = user id of a namespace.
 * A worker joins once per connection; the others, the relay and the HTTP API
 * ask.  Private overflow as in shm/interest.h: a user kept there is seen as
 * online by this process only.
 */
#ifndef SHM_PRESENCE_H
#define SHM_PRESENCE_H

#include "base/slice.h"
#include "shm/segment.h"

struct buf;
struct presence;
struct state_in;

#define PRESENCE_TEXT_MAX 56	/* bytes of status text */
#define PRESENCE_MARKS	4u	/* what can be said of a user; as many: nothing */

/* A user of a namespace; stride: how many namespaces there may be. */
struct presence_user {
	uint16_t	 ns, stride;
	struct slice	 user;
};

struct presence_info {
	bool		 online;	/* here or on another host */
	bool		 local;		/* on this host */
	bool		 tracked;	/* there is a node for this user */
	bool		 told;		/* online, as the relay has told it: a
					 * leave may be waiting for its grace */
	uint32_t	 connections;	/* of this host, all workers */
	uint8_t		 status;	/* code, 0 = never set */
	uint64_t	 set_at_s;	/* unix; of the status */
	uint64_t	 set_ms;	/* the same in ms; 0: never */
	uint64_t	 last_seen_ms;	/* unix; 0 = unknown */
	bool		 settled;	/* all that has changed was told */
	bool		 left;		/* status is what it was before a
					 * connection ended, at set_ms */
	uint8_t		 why;		/* shm/why.h: the last connection of this
					 * host that has ended did */
	uint64_t	 version;	/* of the last change, monotonic us */
	char		 text[PRESENCE_TEXT_MAX + 1]; /* "" if none */
};

struct presence_entry {
	struct slice	 user;		/* borrowed until the next wait */
	bool		 whole;		/* false: a prefix of a long id */
	struct presence_info info;
};

/* One per process, after fork, by the owner of the slot. NULL + errno. */
struct presence *presence_open(struct segment *, unsigned slot) MUST_USE;
void	presence_close(struct presence **);

/* Bytes of the longest user that is kept whole, and so can be listed. */
unsigned presence_key_max(const struct presence *);
/* One more connection of user; the node, or 0: kept privately. */
uint32_t presence_join(struct presence *, uint16_t ns, struct slice user);
/* One connection fewer, why (shm/why.h; 0: that tells nothing); node as returned
 * by join (0 too). */
void	presence_leave(struct presence *, uint32_t node, uint16_t ns,
	    struct slice user, uint8_t why);
/* The same, but it was not seen now: it goes on at another worker. */
void	presence_leave_unseen(struct presence *, uint32_t node, uint16_t ns,
	    struct slice user);
/* Something came from the user now; stored if a second or more newer. */
void	presence_seen(struct presence *, uint32_t node, struct wall now);
/*
 * Status of a user this slot holds; text is cut to 56 bytes at a character
 * boundary, and dropped if the segment has no room for texts.
 */
void	presence_set_status(struct presence *, uint32_t node, uint16_t ns,
	    struct slice user, uint8_t code, struct slice text,
	    struct wall now);
/*
 * A connection of the user ends now, or has in this turn, with which the status
 * may be another one: code is what it was before.  Text and all else stays.
 */
void	presence_set_left(struct presence *, uint32_t node, uint8_t code,
	    struct wall now);
/*
 * Marks: what the connections of a user say, as far as it is not nothing.  A
 * process has one at most of each user, for all of them, and holds it as it
 * holds the user; the relay holds those of other hosts, at ns + stride *
 * (2 + mark).  The one that counts is the greatest that anybody has, and the
 * first (0) if all have it that hold the user; PRESENCE_MARKS: none.  local: on
 * this host.  A mark is looked for only where a status was ever set.
 */
unsigned presence_mark(const struct presence *, struct presence_user,
	    bool local);
bool	presence_marked(const struct presence *, struct presence_user,
	    unsigned mark);
/* Ours is this one from now on; true: it was another one.  Who comes sets it
 * before the join of the user, who leaves after it. */
bool	presence_mark_set(struct presence *, struct presence_user,
	    unsigned mark);
/* What is said of a user whom we hold may be another thing: the relay looks. */
void	presence_touch(struct presence *, uint32_t node);
/* The first slot that holds a node which we hold. */
unsigned presence_first(const struct presence *, uint32_t node);
/* The node of a user, 0: none; to be used in this turn. */
uint32_t presence_find(const struct presence *, uint16_t ns,
	    struct slice user);
/* The same of a node, at once: what info.why would be. */
uint8_t	presence_ended(const struct presence *, uint32_t node);
/* The relay, of a user that it mirrors: as another host has it, which counts
 * for those who are not here, too. */
void	presence_seen_there(struct presence *, uint32_t node, struct wall at);
/*
 * The relay, of a user that it mirrors: what another host says of the status.
 * False: it is not newer than what stands there.
 */
bool	presence_take_status(struct presence *, uint32_t node, uint8_t code,
	    uint64_t set_ms);
/* False: nothing is known of the user, info is zeroed. */
bool	presence_get(struct presence *, uint16_t ns, struct slice user,
	    struct presence_info *);
/*
 * Users of a namespace, who are online or told to be.  *cursor 0 starts; 0
 * afterwards: that was all.  Fills up to max entries and returns how many,
 * perhaps none (it looks at 16384 nodes per call).  Who is there throughout is
 * listed exactly once.
 */
unsigned presence_list(struct presence *, uint16_t ns, uint32_t *cursor,
	    struct presence_entry *out, unsigned max);
/* About once a second: moves private users into the table. */
void	presence_retry(struct presence *, struct mono now);
uint32_t presence_untracked(const struct presence *);

/* Users with a connection on this host, in one namespace: scans the table. */
uint32_t presence_count(const struct segment *, uint16_t ns);
/* Master, once a second: users[i] for the namespaces 0..n-1, exact now. */
void	presence_tally(const struct segment *, uint32_t *users, unsigned n);

/*
 * Master: who is online, and what the world was told of them, for a segment of
 * another layout, in which nobody is yet; *n: how many.  There they are held by
 * the slots that hold them here, which slots_before_take() has taken, until
 * these are reclaimed.  presence_load: -1 + errno, EPROTO where it is told
 * something else; *lost: those that found no room.
 */
void	presence_save(struct segment *, struct buf *, uint32_t *n);
int	presence_load(struct segment *, struct state_in *, uint32_t *n,
	    uint32_t *lost) MUST_USE;

#endif
