/*
 * Messages compressed; see pack.h.  Called by fanout.c for what goes to many,
 * by send.c for what goes to one, by sentlog.c for what was sent.
 */
#include "hub/queue/pack.h"

#include <stdlib.h>

#include "base/buf.h"
#include "proto/ws.h"
#include "shm/counters.h"

/* At 200 bytes in a microsecond: 1.3 ms, and 2.6 ms. */
#define PACK_MAX	(256u << 10)	/* bytes of one publication, */
#define PACK_TURN	(512u << 10)	/* and of all in one turn */

struct pack {
	unsigned	 magic;
#define PACK_MAGIC	0x9ac49ac5
	struct pack_conf conf;
	struct deflater	*deflater;	/* NULL: not needed yet */
	struct inflater	*inflater;	/* likewise */
	struct buf	 plain;		/* frames as they are */
	struct buf	 out;		/* ... compressed; or inflated */
	size_t		 turn;		/* bytes looked at in this turn */
};

struct pack *
pack_new(const struct pack_conf *conf)
{
	struct pack *k = calloc(1, sizeof *k);

	if (k == NULL)
		return (NULL);
	k->magic = PACK_MAGIC;
	k->conf = *conf;
	buf_init(&k->plain);
	buf_init(&k->out);
	return (k);
}

void
pack_free(struct pack **kp)
{
	struct pack *k = *kp;

	if (k == NULL)
		return;
	CHECK_MAGIC(k, PACK_MAGIC);
	*kp = NULL;
	deflater_free(&k->deflater);
	inflater_free(&k->inflater);
	buf_fini(&k->plain);
	buf_fini(&k->out);
	k->magic = 0;
	free(k);
}

void
pack_turn(struct pack *k)
{
	CHECK_MAGIC(k, PACK_MAGIC);
	k->turn = 0;
}

/* --- out ------------------------------------------------------------------ */

/* Somebody wants it compressed, and it is of a size for that. */
static bool
pack_wants(const struct pack *k, enum wire w, size_t n)
{
	return (k != NULL && wire_window(w) != DEFLATE_NONE && k->conf.on &&
	    n >= k->conf.threshold);
}

static bool
pack_not(void)
{
	counter_add(COUNTER_ws_not_deflated, 1);
	return (false);
}

/* So many bytes shall be looked at: there is memory, and time. */
static bool
pack_begin(struct pack *k, size_t n)
{
	CHECK_MAGIC(k, PACK_MAGIC);
	if (n > PACK_MAX || n > PACK_TURN - k->turn)
		return (pack_not());
	k->turn += n;
	if (k->deflater == NULL)
		k->deflater = deflater_new(k->conf.level);
	k->plain.oom = k->out.oom = false;
	buf_reset(&k->out);
	if (k->deflater != NULL)
		return (true);
	counter_add(COUNTER_memory_failures, 1);
	return (pack_not());
}

/* One message behind what stands in out, as a frame.  false: it gets no
 * smaller, or there is no memory. */
static bool
pack_message(struct pack *k, enum wire w, unsigned opcode,
    struct slice message)
{
	uint8_t header[WS_HEADER_MAX], *to;
	size_t size;
	ssize_t n;

	if (!buf_reserve(&k->out, WS_HEADER_MAX + message.n)) {
		counter_add(COUNTER_memory_failures, 1);
		return (pack_not());
	}
	to = k->out.data + k->out.wpos;
	/* with the end that is not sent: at least four bytes less */
	n = deflate_message(k->deflater, wire_window(w), message,
	    to + WS_HEADER_MAX, message.n);
	if (n < 0)
		return (pack_not());
	size = ws_encode_header(header, opcode, (uint64_t)n);
	header[0] |= 0x40;		/* RSV1 */
	memcpy(to, header, size);
	memmove(to + size, to + WS_HEADER_MAX, (size_t)n);
	k->out.wpos += size + (size_t)n;
	counter_add(COUNTER_ws_deflated, 1);
	counter_add(COUNTER_ws_deflated_in_bytes, message.n);
	counter_add(COUNTER_ws_deflated_out_bytes, (uint64_t)n);
	return (true);
}

bool
pack_frame(struct pack *k, enum wire w, unsigned opcode, struct slice message,
    struct slice *frame)
{
	if (!pack_wants(k, w, message.n) || !pack_begin(k, message.n) ||
	    !pack_message(k, w, opcode, message))
		return (false);
	*frame = buf_unread(&k->out);
	return (true);
}

/* A frame that was just made: its header's size, its payload. */
static size_t
pack_header(struct slice in, struct slice *payload)
{
	size_t head = 2, n = in.p[1], i;

	if (n >= 126) {
		head = n == 126 ? 4 : 10;
		for (n = 0, i = 2; i < head; i++)
			n = n << 8 | in.p[i];
	}
	MUST(n <= in.n - head);
	*payload = slice_of(in.p + head, n);
	return (head);
}

/* All frames: those that are long enough, compressed; true: there are such. */
static bool
pack_frames(struct pack *k, enum wire w)
{
	struct slice rest = buf_unread(&k->plain), payload;
	bool any = false;
	size_t n;

	while (rest.n > 0) {
		n = pack_header(rest, &payload) + payload.n;
		if (payload.n >= k->conf.threshold &&
		    pack_message(k, w, rest.p[0] & 15, payload))
			any = true;
		else
			buf_append(&k->out, rest.p, n);
		rest = slice_from(rest, n);
	}
	return (any && !k->out.oom);
}

struct wire_plan
pack_plan(struct pack *k, enum wire w, const struct publication *p)
{
	struct wire_plan plan = wire_plan(w, p);

	if (likely(!pack_wants(k, w, plan.total)) ||
	    !pack_begin(k, plan.total))
		return (plan);
	buf_reset(&k->plain);
	if (!buf_reserve(&k->plain, plan.total)) {
		counter_add(COUNTER_memory_failures, 1);
		return (plan);
	}
	wire_put(w, p, &plan, k->plain.data);
	k->plain.wpos = plan.total;
	if (pack_frames(k, w)) {
		plan.packed = k->out.data;
		plan.total = k->out.wpos;
	}
	return (plan);
}

void
pack_put(enum wire w, const struct publication *p,
    const struct wire_plan *plan, uint8_t *out)
{
	if (plan->packed == NULL)
		wire_put(w, p, plan, out);
	else
		memcpy(out, plan->packed, plan->total);
}

/* --- back ----------------------------------------------------------------- */

bool
pack_open(struct pack *k, struct slice payload, struct slice *message)
{
	*message = slice_of(NULL, 0);
	if (k == NULL)
		return (false);
	CHECK_MAGIC(k, PACK_MAGIC);
	if (k->inflater == NULL)
		k->inflater = inflater_new();
	k->out.oom = false;
	if (k->inflater == NULL || inflate_message(k->inflater, payload,
	    PACK_MAX, &k->out) != INFLATED) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	*message = buf_unread(&k->out);
	return (true);
}
