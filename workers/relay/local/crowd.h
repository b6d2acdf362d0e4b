/*
 * How many users are in rooms, in namespaces where a room with many is told no
 * names but how many they are (presence_list): the first time at once, then at
 * most once in an interval, the last number.  As told: a user counts from what
 * the table has told to what it tells.
 */
#ifndef LOCAL_CROWD_H
#define LOCAL_CROWD_H

#include <sys/queue.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/hashtab.h"
#include "base/slice.h"

struct conf_namespace;

struct crowd_room {
	struct hashtab_link link;
	uint64_t	 hash;
	uint64_t	 next_us;	/* not told before, monotonic */
	TAILQ_ENTRY(crowd_room) due;	/* while it is to be told */
	uint32_t	 users;
	uint16_t	 ns;
	uint16_t	 len;
	bool		 is_due;
	bool		 large;		/* as its members were told */
	uint8_t		 name[];
};

struct crowd {
	struct hashtab	 rooms;
	struct hash_key	 key;
	TAILQ_HEAD(crowd_list, crowd_room) due;	/* in their order */
};

/* False: there is no randomness. */
bool	crowd_init(struct crowd *) MUST_USE;
void	crowd_fini(struct crowd *);
/* Nobody is in any room. */
void	crowd_empty(struct crowd *);
/*
 * One user more is in the room, or one fewer; the room, NULL: nobody is in it
 * any more, or there is no memory (nobody is counted then).
 */
struct crowd_room *crowd_move(struct crowd *, uint16_t ns, struct slice room,
	    bool in);
/* What crowd_move() would count: NULL and the same. */
struct crowd_room *crowd_find(const struct crowd *, uint16_t ns,
	    struct slice room);
/* It is to be told how many are there. */
void	crowd_due(struct crowd *, struct crowd_room *, struct mono now);
/* The first that is to be told now, NULL: none is. */
struct crowd_room *crowd_next(const struct crowd *, struct mono now);
/* It was; again after interval at the earliest.  It may be freed. */
void	crowd_told(struct crowd *, struct crowd_room *, struct mono now,
	    uint64_t interval_ms, bool large);
/* When crowd_next() will have one, UINT64_MAX: never. */
uint64_t crowd_next_us(const struct crowd *);

#endif
