/*
 * What a worker has written goes to whom it is for: from its peer to the
 * exchange.
 */
#ifndef LOCAL_FEED_H
#define LOCAL_FEED_H

#include "relay/local/exchange.h"
#include "relay/local/peer.h"

/* Read once and route what came. */
enum peer_result feed_read(struct exchange *, struct peer *) MUST_USE;
/*
 * The worker is gone, or its stream: route what it has still written, unless
 * it is nonsense, and count what is cut off, or was queued for it.  To be
 * freed then.
 */
void	feed_finish(struct exchange *, struct peer *, enum peer_result why);

#endif
