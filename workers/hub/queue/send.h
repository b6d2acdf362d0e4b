/*
 * One message for one client: put into its wire form, behind all that is
 * queued for it.
 */
#ifndef HUB_QUEUE_SEND_H
#define HUB_QUEUE_SEND_H

#include "base/buf.h"
#include "hub/queue/out.h"

/* A text packet or message from a scratch buffer. */
void	send_text(struct out *, struct outq *, enum wire, const struct buf *);
/* A binary message. */
void	send_binary(struct out *, struct outq *, enum wire, struct slice);

#endif
