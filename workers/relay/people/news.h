/*
 * What daemons tell each other about themselves and about who is with them:
 * a message in the channel PREFIXnodes.  Words are little-endian.
 *
 *	"ROOSTN1" 0, u8 kind, u8 ready, u64 node, u64 epoch, u64 number
 *	changes:  u8 length, namespace, then entries up to the end:
 *	          u8 flags (1 in a room, 2 present), u8 status, u64 set at,
 *	          u64 last seen (both ms), u16 length, key
 *
 * A key is a user's name, or that of a room, NUL, user.  An epoch is one
 * account of a node's users from its first to its last change; the number
 * grows by one with each message of changes, so that who misses one knows.
 * Pure.
 */
#ifndef RELAY_PEOPLE_NEWS_H
#define RELAY_PEOPLE_NEWS_H

#include "base/buf.h"

enum news_kind {
	NEWS_BEAT = 'b',		/* still here */
	NEWS_HELLO = 'h',		/* the same; who else is? */
	NEWS_BYE = 'e',
	NEWS_CHANGES = 'c',
};

struct news {
	enum news_kind	 kind;
	bool		 ready;		/* all of the epoch is in Redis */
	uint64_t	 node;		/* who says it */
	uint64_t	 epoch, number;
	struct slice	 ns;		/* of changes; with its slash */
	struct slice	 entries;
};

struct news_entry {
	bool		 room;
	bool		 present;
	uint8_t		 code;		/* enum status: of the user there */
	uint8_t		 all;		/* of the user everywhere; in no message */
	uint64_t	 set_ms;	/* of the status; 0: never set */
	uint64_t	 seen_ms;
	uint8_t		 why;		/* who is not present is gone, shm/why.h;
					 * in no message */
	struct slice	 key;
};

/* What comes before the entries; it replaces what is in b.  (n->entries are
 * not put.) */
void	news_put(struct buf *, const struct news *);
void	news_entry_put(struct buf *, const struct news_entry *);
/* False: not one of ours, or not whole; entries are checked as well. */
bool	news_get(struct slice, struct news *) MUST_USE;
/* The next of the entries of a message that news_get() has found good. */
bool	news_entry_next(struct slice *entries, struct news_entry *) MUST_USE;
/* Such a key, status and time can be. */
bool	news_entry_good(const struct news_entry *);

/* Words, as in the messages. */
void	news_word_put(struct buf *, uint64_t);
uint64_t news_word(const uint8_t *);

#endif
