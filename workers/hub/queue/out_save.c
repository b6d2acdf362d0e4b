/*
 * A queue's unsent bytes from one worker to another; see out.h.  The first
 * reference is whole even if part of it was sent, for the queue's log needs
 * that part (sentlog.h); without a log what was sent is gone.
 */
#include "hub/queue/out_int.h"

#include "hub/queue/book.h"
#include "hub/queue/sentlog.h"

/* All other fields say where the references are, or are the owner's turn. */
STATE_FIELDS(outq, 48);

#define QUEUE_TAG	0x4f51		/* "QO" */
#define QUEUE_VERSION	1
#define QUEUE_REFS	65535u		/* outq.n */

void
outq_save(const struct out *o, const struct outq *q, struct book *k,
    struct buf *b)
{
	size_t at = state_open(b, QUEUE_TAG, QUEUE_VERSION);
	struct out_ref r;
	uint32_t i;

	MUST(q->open == NULL);		/* between turns */
	state_put_bool(b, q->blocked);
	state_put_u32(b, q->log == NULL ? 0 : q->log->partial);
	state_put_u32(b, q->n);
	for (i = 0; i < q->n; i++) {
		r = *ref_at(q, i);
		if (i == 0 && q->log != NULL)
			r.off -= q->log->partial;
		book_put(k, o->scratch, &r, b);
	}
	state_close(b, at);
}

static bool
out_load_refs(struct out *o, struct outq *q, struct book *k,
    struct state_in *in, uint32_t partial)
{
	uint32_t n = state_get_u32(in), i;
	struct out_ref r;
	bool ok;

	if (in->bad || n > QUEUE_REFS || (n == 0 && partial != 0))
		return (false);
	for (i = 0; i < n; i++) {
		if (!book_get(k, in, &r))
			return (false);
		ok = (i > 0 || r.end - r.off > partial) &&
		    out_push(o, q, r.m, i > 0 ? r.off : r.off + partial,
		    r.end);
		msg_unref(&r.m);
		if (!ok)
			return (false);
	}
	return (true);
}

bool
outq_load(struct out *o, struct outq *q, struct book *k, struct state_in *in,
    uint32_t *partial)
{
	struct state_in body;
	uint16_t version;
	bool blocked;

	if (!state_section(in, QUEUE_TAG, &version, &body) ||
	    version != QUEUE_VERSION)
		return (false);
	blocked = state_get_bool(&body);
	*partial = state_get_u32(&body);
	if (!out_load_refs(o, q, k, &body, *partial) || !state_end(&body)) {
		outq_kill(o, q);
		return (false);
	}
	if (blocked)
		outq_block(o, q);
	return (true);
}

bool
outq_skip(struct book *k, struct state_in *in)
{
	struct state_in body;
	struct out_ref r;
	uint16_t version;
	uint8_t before[5];		/* blocked, partial */
	uint32_t n;

	if (!state_section(in, QUEUE_TAG, &version, &body) ||
	    version != QUEUE_VERSION)
		return (false);
	state_get_bytes(&body, before, sizeof before);
	for (n = state_get_u32(&body); n > 0; n--) {
		if (!book_get(k, &body, &r))
			return (false);
		msg_unref(&r.m);
	}
	return (state_end(&body));
}

bool
outq_is_whole(const struct outq *q, enum wire w, uint32_t partial,
    uint64_t ignore)
{
	struct slice run;
	struct out_ref r;
	uint32_t i;

	for (i = 0; i < q->n; i++) {
		r = *ref_at(q, i);
		if (i == 0)
			r.off -= partial;
		run = slice_of(r.m->data + r.off, r.end - r.off);
		if (run.n <= ignore) {
			ignore -= run.n;
			continue;
		}
		if (!sentlog_is_whole(slice_from(run, ignore), w))
			return (false);
		ignore = 0;
	}
	return (true);
}
