/*
 * Messages that come compressed (RFC 7692, section 6.2); see ws_int.h.  Each is
 * whole before it is inflated, so what a worker needs for that it has once, and
 * no more of the result is made than a message may have.
 */
#include "base/utf8.h"
#include "proto/ws_int.h"

#define PLAIN_KEPT	(64u << 10)

ssize_t
ws_inflate(struct ws_pool *pool, const struct ws_limits *lim,
    struct slice packed, ssize_t used, struct ws_event *ev)
{
	static const uint8_t reasons[] = {
		[INFLATE_BAD] = REASON_ws_inflate,
		[INFLATE_TOO_BIG] = REASON_ws_too_big,
		[INFLATE_MEMORY] = REASON_memory
	};
	struct buf *b = &pool->plain;
	enum inflated r;

	ev->packed = packed.n == 0 ? 1 : packed.n;
	if (lim->dropped) {
		ev->n = 0;
		return (used);
	}
	if (pool->inflater == NULL)
		pool->inflater = inflater_new();
	if (pool->inflater == NULL)
		return (ws_bad(ev, REASON_memory));
	r = inflate_message(pool->inflater, packed, lim->message_bytes, b);
	if (r != INFLATED)
		return (ws_bad(ev, (enum reason)reasons[r]));
	if (!buf_reserve(b, 1))		/* the byte that ws.h promises */
		return (ws_bad(ev, REASON_memory));
	ev->data = b->data;
	ev->n = b->wpos;
	if (ev->type == WS_TEXT && !utf8_valid(slice_of(ev->data, ev->n)))
		return (ws_bad(ev, REASON_ws_utf8));
	return (used);
}

void
ws_inflate_recycle(struct ws_pool *pool)
{
	if (pool->plain.cap <= PLAIN_KEPT)
		return;
	buf_fini(&pool->plain);
	buf_init(&pool->plain);
}

void
ws_inflate_fini(struct ws_pool *pool)
{
	inflater_free(&pool->inflater);
	buf_fini(&pool->plain);
}
