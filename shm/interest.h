/*
 * Which workers of this host hold members of a room or user channel.  One
 * instance of shm/table.h; a sender asks it whom to hand an envelope.
 *
 * Keys may have any length up to 65535 bytes.  Those longer than the
 * segment's interest_key_max are kept as a prefix and a 128-bit keyed digest:
 * routing stays exact; only the relay can't read their name (event.whole).
 *
 * When the table is full the handle keeps the key in private memory and sets
 * its slot's overflow bit first, which every sender ORs in: delivery stays
 * right, routing gets wider.
 */
#ifndef SHM_INTEREST_H
#define SHM_INTEREST_H

#include "base/bug.h"
#include "base/slice.h"
#include "shm/segment.h"

struct interest;

/* Whose key it is: the first byte; the name follows. */
enum interest_kind {
	INTEREST_NAMESPACE = 'n', INTEREST_ROOM = 'r', INTEREST_USER = 'u',
	INTEREST_WATCH = 'w'	/* those who watch a user's presence */
};
#define INTEREST_NAME_MAX	256	/* bytes */
#define INTEREST_KEY_MAX	(1 + INTEREST_NAME_MAX)

/* In out; name is not longer than INTEREST_NAME_MAX. */
static inline struct slice
interest_key(char out[INTEREST_KEY_MAX], enum interest_kind kind,
    struct slice name)
{
	MUST(name.n <= INTEREST_NAME_MAX);
	out[0] = (char)kind;
	if (name.n != 0)
		memcpy(out + 1, name.p, name.n);
	return (slice_of(out, name.n + 1));
}

/*
 * One per process, after fork, by the owner of the slot (0: the relay, which
 * may look up but not join).  NULL + errno when memory is short.
 */
struct interest *interest_open(struct segment *, unsigned slot) MUST_USE;
/* Leaves nothing: private keys are dropped, joined nodes are for reclaim. */
void	interest_close(struct interest **);

/*
 * This slot has (one more) reason to hear of key.  Returns the node, valid
 * until as many leaves as joins, or 0: kept in the private overflow list.
 */
uint32_t interest_join(struct interest *, uint16_t ns, struct slice key);
/* node as returned by join (0 too); ns and key as given to it. */
void	interest_leave(struct interest *, uint32_t node, uint16_t ns,
	    struct slice key);
/*
 * Worker slots that may hold members, own included: worker slot s is bit
 * (s - 1) % 64 of bits[(s - 1) / 64].
 */
void	interest_who(struct interest *, uint16_t ns, struct slice key,
	    uint64_t bits[2]);
/*
 * The same for a node that this slot holds: a few loads, no look-up.  Node 0
 * (overflow) answers with every worker slot there is; use interest_who().
 */
void	interest_peek(struct interest *, uint32_t node, uint64_t bits[2]);
/* The node of a key this slot has joined, 0 if private or not joined. */
uint32_t interest_find(struct interest *, uint16_t ns, struct slice key);
/* Does another host hold it, as far as the relay's mirror knows? */
bool	interest_remote(struct interest *, uint32_t node);
/* About once a second: moves private keys into the table if there is room. */
void	interest_retry(struct interest *, struct mono now);
/* Keys in the private list now. */
uint32_t interest_untracked(const struct interest *);
/* The bits of all slots that keep private keys. */
void	interest_overflow(const struct segment *, uint64_t bits[2]);

#endif
