/*
 * A log of what was sent, from one worker to another; see sentlog.h.  Called
 * for engines, and for sessions that wait for their client.
 */
#include "hub/queue/sentlog.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/queue/book.h"
#include "hub/queue/pack.h"
#include "proto/eio.h"
#include "proto/ws.h"

/* max_* are the configuration's; refs and parked are made again. */
STATE_FIELDS(sentlog, 88);

#define SENTLOG_TAG	0x4c53		/* "SL" */
#define SENTLOG_VERSION	1
#define SENTLOG_REFS	(1u << 24)

/* --- whole packets -------------------------------------------------------- */

/* A binary message as base64. */
static bool
sentlog_is_base64(struct slice s)
{
	uint8_t *to = malloc(s.n + 1);
	bool ok = to != NULL && digest_base64_decode(s, to) >= 0;

	free(to);
	return (ok);
}

/* The first packet's size; 0: it is none. */
static size_t
sentlog_polled_size(struct slice in)
{
	const uint8_t *end = memchr(in.p, EIO_SEPARATOR, in.n);
	size_t n;

	if (end == NULL)
		return (0);
	n = (size_t)(end - in.p);
	if (n > 0 && in.p[0] == EIO_BINARY &&
	    !sentlog_is_base64(slice_of(in.p + 1, n - 1)))
		return (0);
	return (n + 1);
}

static size_t
sentlog_framed_size(struct slice in)
{
	size_t head = 2, i, n;

	if (in.n < head)
		return (0);
	n = in.p[1];
	if (n >= 126) {
		head = n == 126 ? 4 : 10;
		if (n > 127 || in.n < head)
			return (0);
		for (n = 0, i = 2; i < head; i++)
			n = n << 8 | in.p[i];
	}
	if (n > in.n - head)
		return (0);
	/* what is in a compressed one is looked at when it is inflated */
	if (n > 0 && !pack_is_packed(in) && (in.p[0] & 15) == WS_OP_TEXT && in.p[head] == EIO_BINARY &&
	    !sentlog_is_base64(slice_of(in.p + head + 1, n - 1)))
		return (0);
	return (head + n);
}

bool
sentlog_is_whole(struct slice run, enum wire w)
{
	size_t n;

	while (run.n > 0) {
		n = wire_is_polling(w) ? sentlog_polled_size(run) :
		    sentlog_framed_size(run);
		if (n == 0)
			return (false);
		run = slice_from(run, n);
	}
	return (true);
}

/* --- save and load -------------------------------------------------------- */

void
sentlog_save(const struct sentlog *l, const struct msg *scratch,
    struct book *k, struct buf *b)
{
	size_t at = state_open(b, SENTLOG_TAG, SENTLOG_VERSION);
	uint32_t i;

	state_put_u32(b, l->partial);
	state_put_u64(b, l->ignore);
	state_put_u64(b, l->first);
	state_put_u64(b, l->pos);
	state_put_u64(b, l->proven);
	state_put_u64(b, l->mark);
	state_put_u32(b, l->n);
	for (i = 0; i < l->n; i++)
		book_put(k, scratch, &l->v[(l->head + i) & (l->cap - 1)], b);
	state_close(b, at);
}

static bool
sentlog_load_refs(struct sentlog *l, enum wire w, struct book *k,
    struct state_in *in)
{
	uint32_t n = state_get_u32(in), i;
	uint64_t pos = l->first;
	struct out_ref r;

	if (in->bad || n > SENTLOG_REFS)
		return (false);
	for (i = 0; i < n; i++) {
		if (!book_get(k, in, &r))
			return (false);
		pos += r.end - r.off;
		if (!sentlog_is_whole(slice_of(r.m->data + r.off, r.end -
		    r.off), w) || !sentlog_append(l, &r)) {
			msg_unref(&r.m);
			return (false);
		}
	}
	return (pos == l->pos);
}

struct sentlog *
sentlog_load(uint32_t max_refs, uint64_t max_bytes, enum wire w,
    struct book *k, struct state_in *in)
{
	struct sentlog *l;
	struct state_in body;
	uint16_t version;

	if (!state_section(in, SENTLOG_TAG, &version, &body) ||
	    version != SENTLOG_VERSION)
		return (NULL);
	l = sentlog_new(max_refs, max_bytes);
	if (l == NULL)
		return (NULL);
	l->partial = state_get_u32(&body);
	l->ignore = state_get_u64(&body);
	l->first = state_get_u64(&body);
	l->pos = state_get_u64(&body);
	l->proven = state_get_u64(&body);
	l->mark = state_get_u64(&body);
	if (body.bad || l->first > l->pos || l->pos > UINT64_MAX / 2 ||
	    l->ignore > UINT32_MAX || l->proven > UINT64_MAX / 2 ||
	    l->mark > UINT64_MAX / 2 || !sentlog_load_refs(l, w, k, &body) ||
	    !state_end(&body))
		sentlog_unref(&l);
	return (l);
}
