/*
 * Users and tokens that a back end has revoked, until when: what every worker
 * of the host holds a token against.  A user's counts against the tokens that
 * were issued up to a moment, a token's against that one.  Orders only add, and
 * two about the same are merged to the later of each, so that it does not
 * matter how often, by whom and in what order they are told.
 *
 *	id	keyed hash of kind and name; or who is just writing it; 0: free
 *	when	until << 32 | moment, unix seconds; 0: it is being freed
 *	told	of it, what the relay has told other hosts
 *	name	as it was ordered, for other hosts and a segment that follows
 *
 * Written in private and made visible by the store of id; changed by a
 * compare-and-swap of when; freed by the master alone, when it is over.
 */
#ifndef SHM_TABLE_REVOKED_H
#define SHM_TABLE_REVOKED_H

#include "base/slice.h"
#include "shm/segment.h"

#define REVOKED_NAME_MAX	255	/* bytes of a user's id, or a token's */
/* iat of a token that does not say. */
#define REVOKED_NO_IAT		INT64_MIN

enum revoked_kind { REVOKED_USER = 1, REVOKED_TOKEN };

struct revocation {
	enum revoked_kind kind;
	struct slice	 name;		/* 1..REVOKED_NAME_MAX bytes */
	uint32_t	 moment;	/* TOKEN: 0 */
	uint32_t	 until;		/* and with it; unix seconds */
};

/* What a user, or a token, is known by; never 0. */
uint64_t revoked_id(const struct segment *, enum revoked_kind, struct slice);
/* Anything at all?  One load. */
bool	revoked_any(const struct segment *) MUST_USE;
/* Is what has this id revoked now, issued then?  (TOKEN: at 0.) */
bool	revoked_is(const struct segment *, uint64_t id, int64_t iat,
	    uint64_t now_s) MUST_USE;

enum revoked_put {
	REVOKED_NEW,		/* or longer, or later, than it was */
	REVOKED_KNOWN,		/* nothing has changed */
	REVOKED_FULL		/* no room: counted, and nothing is revoked */
};
/* In the name of this slot; r becomes what is now in force. */
enum revoked_put revoked_put(struct segment *, unsigned slot,
	    struct revocation *r, uint64_t now_s) MUST_USE;

/* One that is in force. */
struct revoked_entry {
	struct revocation r;		/* name points behind */
	bool		 told;
	uint8_t		 name[REVOKED_NAME_MAX + 1];
};
/* The next one from *at on, which is 0 at first; false: no more. */
bool	revoked_next(const struct segment *, uint32_t *at, uint64_t now_s,
	    struct revoked_entry *) MUST_USE;
/* The same in so many *places of the table, for who does it by and by: in a
 * circle, *places become those that are left.  false: none in these. */
bool	revoked_next_in(const struct segment *, uint32_t *at,
	    uint32_t *places, uint64_t now_s, struct revoked_entry *) MUST_USE;
/* Of a circle. */
uint32_t revoked_places(const struct segment *);
/* Relay: other hosts have it as it is here; nothing is known of any. */
void	revoked_tell(struct segment *, const struct revocation *);
void	revoked_untell(struct segment *);

/* Not all may have been told of what is there: each worker shall look, which it
 * knows by a number that changes.  Asked for when somebody dies, too. */
void	revoked_ask_look(struct segment *);
uint64_t revoked_looks(const struct segment *);

/* Master: what a dead slot was writing goes; those that are over, in so many
 * entries behind what `pass` (zeroed at first) has got to. */
struct revoked_pass {
	uint32_t	 at, n, live;
	uint64_t	 used;
};
void	revoked_reclaim(struct segment *, unsigned slot);
void	revoked_sweep(struct segment *, struct revoked_pass *, uint32_t n,
	    uint64_t now_s);
/* So many can be held. */
uint32_t revoked_room(const struct segment *);

/* To a segment that follows; load: in the name of nobody.  -1: bad; *lost: for
 * want of room. */
struct buf;
struct state_in;
void	revoked_save(const struct segment *, uint64_t now_s, struct buf *);
int	revoked_load(struct segment *, uint64_t now_s, struct state_in *,
	    uint32_t *lost) MUST_USE;

/*
 * Workers go on in the former segment, where they are ordered more.  open: behind
 * load, by the same state; fd is of that segment and is not kept.  *: NULL, which
 * all take, if it is of a version that does not say where; -1 + errno.
 * meet: what was ordered there since is in force here; how much that was.
 */
struct revoked_before;
int	revoked_before_open(int fd, struct state_in *,
	    struct revoked_before **) MUST_USE;
uint32_t revoked_before_meet(struct segment *, struct revoked_before *,
	    uint64_t now_s);
void	revoked_before_close(struct revoked_before **);

#endif
