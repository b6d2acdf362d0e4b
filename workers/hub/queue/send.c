/*
 * To one client alone; see send.h.  Called by session.c for answers, and by
 * whoever speaks the client's protocol.
 */
#include "hub/queue/send.h"

#include "hub/queue/pack.h"
#include "proto/ws.h"
#include "shm/counters.h"

void
send_lost(struct out *o, struct outq *q)
{
	if (q->dead)
		return;
	counter_add(COUNTER_memory_failures, 1);
	q->lossy = true;
	(void)outq_touch(o, q);
}

static void
send_count(enum wire w)
{
	counter_add(COUNTER_ws_frames_out, wire_is_framed(w));
}

/* Compressed; false: it goes as it is. */
static bool
send_packed(struct out *o, struct outq *q, enum wire w, unsigned opcode,
    struct slice s)
{
	struct slice frame;

	if (likely(wire_window(w) == DEFLATE_NONE) ||
	    !pack_frame(o->pack, w, opcode, s, &frame))
		return (false);
	if (out_bytes(o, q, frame))
		send_count(w);
	else
		send_lost(o, q);
	return (true);
}

void
send_text(struct out *o, struct outq *q, enum wire w, const struct buf *b)
{
	struct slice s = buf_unread(b);
	uint8_t *to = NULL;

	if (unlikely(!b->oom && send_packed(o, q, w, WS_OP_TEXT, s)))
		return;
	if (likely(!b->oom))
		to = out_direct(o, q, wire_text_size(w, s));
	if (unlikely(to == NULL)) {
		send_lost(o, q);
		return;
	}
	wire_text_put(w, s, to);
	send_count(w);
}

void
send_binary(struct out *o, struct outq *q, enum wire w, struct slice s)
{
	uint8_t *to;

	if (!wire_is_base64(w) && send_packed(o, q, w, WS_OP_BINARY, s))
		return;
	to = out_direct(o, q, wire_binary_size(w, s.n));
	if (unlikely(to == NULL)) {
		send_lost(o, q);
		return;
	}
	wire_binary_put(w, s, to);
	send_count(w);
}
