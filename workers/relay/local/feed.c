/*
 * From a peer to the exchange; see feed.h.
 */
#include "relay/local/feed.h"

#define FEED_LAST	64		/* reads at the end: more than fits a
					 * stream whose writer is gone */

enum peer_result
feed_read(struct exchange *x, struct peer *p)
{
	enum peer_result res;
	struct slice got;
	ssize_t n;

	res = peer_read(p, &got);
	if (res != PEER_OK || got.n == 0)
		return (res);
	n = exchange_feed(x, got);
	return (n < 0 ? PEER_BAD : peer_keep(p, got, (size_t)n));
}

void
feed_finish(struct exchange *x, struct peer *p, enum peer_result why)
{
	unsigned i;

	for (i = 0; why != PEER_BAD && i < FEED_LAST; i++)
		if (feed_read(x, p) != PEER_OK)
			break;
	peer_lose(p);
}
