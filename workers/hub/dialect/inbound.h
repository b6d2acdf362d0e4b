/*
 * The way of what a client sends, whatever it speaks: whether its token is
 * over, counted, charged; then it is a service's, or its rule decides.
 */
#ifndef HUB_DIALECT_INBOUND_H
#define HUB_DIALECT_INBOUND_H

#include "hub/session/refuse.h"

void	inbound_event(struct session *, const struct inbound *);
/* An acknowledgement, by its id (NULL: it has none).  One that nobody asked
 * for, or not any more, is charged as a message. */
void	inbound_answer(struct session *, const uint64_t *id,
	    struct slice args, const struct slice *attachments, unsigned n);

#endif
