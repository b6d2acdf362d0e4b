/*
 * Tokens that have an id (jti), and what is revoked: whether somebody's token
 * counts, and whose here came with one.  Called with each token that is good,
 * and with whoever comes in, or over from elsewhere, by one that was.
 */
#ifndef HUB_SESSION_TOKENS_H
#define HUB_SESSION_TOKENS_H

#include "base/buf.h"
#include "base/slice.h"

struct hub;
struct principal;
struct segment;
struct tokens;

/* NULL: no memory.  To be freed when nobody is there any more. */
struct tokens *tokens_new(const struct segment *) MUST_USE;
void	tokens_free(struct hub *);

/* It has this id, of which the hub keeps a keyed hash; false: no memory. */
bool	tokens_name(struct hub *, struct principal *, struct slice jti)
	    MUST_USE;
/* It is here; harmless when that is known. */
void	tokens_add(struct hub *, struct principal *);
/* Is it, or its user, revoked?  NULL: nobody is not.  A load as a rule. */
bool	tokens_revoked(const struct hub *, const struct principal *) MUST_USE;
/* Something may be revoked of which nobody has told us, or may have: all is to
 * be looked at once more, a piece at a time. */
void	tokens_look(struct hub *);
/* The same, if shared memory says so. */
void	tokens_look_if_asked(struct hub *);
/* There is something to look at. */
bool	tokens_looks(const struct hub *) MUST_USE;
/* The next that is revoked, in so many places of the table, which become those
 * that are left; false: none in these. */
struct revoked_entry;
bool	tokens_look_next(struct hub *, uint32_t *places,
	    struct revoked_entry *) MUST_USE;
/* The users who are here with this one (shm/table_revoked.h), each once: length, a
 * byte, and name. */
void	tokens_users(const struct hub *, uint64_t id, struct buf *);

#endif
