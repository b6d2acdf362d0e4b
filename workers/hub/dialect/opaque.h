/*
 * Messages of strangers, which have no form of ours: each is the event
 * `message`.  What is text is its first argument as a JSON string, what is binary
 * its attachment, with a placeholder as the argument, so that members of every
 * other kind get it as what it is; what goes out has wire forms of its own
 * (wire_is_opaque).
 */
#ifndef HUB_DIALECT_OPAQUE_H
#define HUB_DIALECT_OPAQUE_H

#include "base/slice.h"

struct client;

/* Of a client with one session.  text is UTF-8. */
void	opaque_text(struct client *, struct slice text);
void	opaque_binary(struct client *, struct slice data);

#endif
