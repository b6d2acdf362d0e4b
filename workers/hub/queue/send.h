/*
 * One message for one client: put into its wire form, behind all that is
 * queued for it.  Who has no memory for what it must say says so by the queue,
 * which is lossy then: its owner ends the connection, instead of leaving a
 * client to wait for an answer that never comes.
 */
#ifndef HUB_QUEUE_SEND_H
#define HUB_QUEUE_SEND_H

#include "base/buf.h"
#include "hub/queue/out.h"

/* A text packet or message; one that has no memory (oom) is lost as above. */
void	send_text(struct out *, struct outq *, enum wire, const struct buf *);
/* What it is owed could not be made: it is lost as above. */
void	send_lost(struct out *, struct outq *);
/* A binary message. */
void	send_binary(struct out *, struct outq *, enum wire, struct slice);

#endif
