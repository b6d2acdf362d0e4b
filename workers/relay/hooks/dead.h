/*
 * Dead letters: entries that were given up, as many of each hook as it keeps,
 * for operators to read, and to send again or to forget.  By the hook's name:
 * they outlive a configuration without it.  Memory only.
 */
#ifndef RELAY_HOOKS_DEAD_H
#define RELAY_HOOKS_DEAD_H

#include <sys/queue.h>

#include "relay/stream/entry.h"

#define DEAD_BOXES	128u	/* hooks that have some, at most */
#define DEAD_WHY	128u	/* bytes */
#define DEAD_COST	256u	/* of a letter, beside its entry */

struct dead_letter {
	TAILQ_ENTRY(dead_letter) next;
	uint64_t	 id;		/* later ones have greater ones; from 1 */
	uint64_t	 at_ms;		/* unix: it was given up */
	char		*nsp;
	char		 why[DEAD_WHY];
	struct entry	*entry;		/* its number and epoch as it had them */
};

TAILQ_HEAD(dead_letters, dead_letter);

struct dead_box {
	TAILQ_ENTRY(dead_box) next;
	char		*hook;
	struct dead_letters letters;
	unsigned	 n;
	size_t		 bytes;
};

struct dead {
	TAILQ_HEAD(, dead_box) boxes;
	unsigned	 nboxes;
	uint64_t	 id;		/* the last one given */
};

struct dead_bounds {
	unsigned	 letters;
	uint64_t	 bytes;
};

struct dead_what {
	const char	*hook, *nsp, *why;
	uint64_t	 at_ms;
};

void	dead_init(struct dead *);
void	dead_fini(struct dead *);
/* It takes the entry, in place of the oldest ones if there is no room. */
void	dead_add(struct dead *, const struct dead_what *,
	    const struct dead_bounds *, struct entry *);
/* Other bounds: the oldest go. */
void	dead_narrow(struct dead_box *, const struct dead_bounds *);
/* NULL: there are none of this hook. */
struct dead_box *dead_find(const struct dead *, struct slice hook);
/* The one with this id, or the next one behind it; NULL: none. */
struct dead_letter *dead_from(const struct dead_box *, uint64_t id);
/* It is none any more: its entry, which is the caller's. */
struct entry *dead_take(struct dead_box *, struct dead_letter *) MUST_USE;
/* One with the id that it has, behind those that are there; takes the entry.
 * false: no memory, or not in order. */
bool	dead_restore(struct dead *, const struct dead_what *, uint64_t id,
	    struct entry *) MUST_USE;
unsigned dead_count(const struct dead *);

#endif
