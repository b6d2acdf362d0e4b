/*
 * Those who give and take, and queues that are no client's; see hub/move.h.
 * Called by the host.
 */
#include "hub/move/move_int.h"

#include <stdlib.h>

#include "hub/backend/ask.h"
#include "hub/publish/pending.h"
#include "hub/store/store.h"

struct hub_move *
hub_move_new(struct hub *h, bool giving, uint16_t peer)
{
	struct hub_move *m = calloc(1, sizeof *m);

	CHECK_MAGIC(h, HUB_MAGIC);
	if (m == NULL)
		return (NULL);
	m->book = book_new(giving);
	if (m->book == NULL) {
		free(m);
		return (NULL);
	}
	m->magic = HUB_MOVE_MAGIC;
	m->hub = h;
	m->giving = giving;
	m->part = MOVE_HOSTS;
	m->peer = peer;
	return (m);
}

void
hub_move_free(struct hub_move **mp)
{
	struct hub_move *m = *mp;

	if (m == NULL)
		return;
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	*mp = NULL;
	book_free(&m->book);
	m->magic = 0;
	free(m);
}

void
hub_move_failed(struct hub_move *m)
{
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	book_renew(m->book);
}

const char *
hub_move_part(struct hub_move *m)
{
	const char *part = m->part;

	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	m->part = MOVE_HOSTS;
	return (part);
}

bool
hub_pending_acks(const struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (pending_any(h) || store_any(h));
}

bool
hub_has_questions(const struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (ask_any(h));
}

/* --- queues --------------------------------------------------------------- */

bool
hub_move_queue_save(struct hub_move *m, const struct outq *q, struct buf *b)
{
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	book_open(m->book, b);
	outq_save(&m->hub->out, q, m->book, b);
	return (!b->oom);
}

bool
hub_move_queue_load(struct hub_move *m, struct state_in *in, struct outq *q)
{
	uint32_t partial;

	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	return (book_open_in(m->book, in) &&
	    outq_load(&m->hub->out, q, m->book, in, &partial));
}

void
hub_move_ref_put(struct hub_move *m, const struct out_ref *r, struct buf *b)
{
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	book_open(m->book, b);
	book_put(m->book, m->hub->out.scratch, r, b);
}

bool
hub_move_ref_get(struct hub_move *m, struct state_in *in, struct out_ref *r)
{
	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	return (book_open_in(m->book, in) && book_get(m->book, in, r));
}
