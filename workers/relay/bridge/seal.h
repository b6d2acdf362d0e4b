/*
 * redis { secret_file }: who knows the secret may speak in our channels.  A
 * seal is the HMAC-SHA256 of a message and the name of where it is said;
 * without a secret there are none, and nothing is asked for.  It hides
 * nothing, and says nothing of when: what was recorded is taken again, unless
 * it has a number (hosts.h) or an id.
 *
 * Of several secrets (base/secrets.h) the first makes seals.  Pure, but for the
 * file.
 */
#ifndef RELAY_BRIDGE_SEAL_H
#define RELAY_BRIDGE_SEAL_H

#include "base/buf.h"

#define SEAL_BYTES	32
#define SEAL_HEX	(2 * SEAL_BYTES + 1)	/* in text: hex digits, blank */

struct seal;

/* path: "" asks for no seals.  NULL: no memory. */
struct seal *seal_new(const char *path) MUST_USE;
void	seal_free(struct seal **);
/* Read the file, first or again.  NULL, or what is wrong with it: what was
 * read before stays, and as long as there is nothing all is refused. */
const char *seal_read(struct seal *) MUST_USE;
/* Messages have to have one. */
bool	seal_is_asked_for(const struct seal *);

/* Of bytes: appended to b, whose unread bytes are sealed.  False: there is no
 * secret, or no memory. */
bool	seal_put(const struct seal *, struct slice name, struct buf *b)
	    MUST_USE;
/* ... taken off the end.  false: it is missing, or wrong; counted. */
bool	seal_take(const struct seal *, struct slice name,
	    struct slice *message) MUST_USE;
/* Of text: HEX " " TEXT.  Taken off the front; false: as above. */
bool	seal_take_text(const struct seal *, struct slice name,
	    struct slice *text) MUST_USE;

#endif
