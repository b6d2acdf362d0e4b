/*
 * Taking; see take.h.
 */
#include "worker/handover/take.h"

#include <stdlib.h>
#include <unistd.h>

#include "shm/counters.h"
#include "sys/log.h"

static int
take_say(struct take *t, enum wire_type type, uint64_t bits)
{
	struct wire_msg m;

	wire_init(&m, type, t->batch);
	m.bits = bits;
	return (wire_send(t->sock, &m));
}

struct take *
take_new(const struct take_calls *up, struct stand *stand, int sock,
    unsigned slot, unsigned giver)
{
	struct take *t = calloc(1, sizeof *t);

	if (t == NULL) {
		(void)close(sock);
		return (NULL);
	}
	t->magic = TAKE_MAGIC;
	t->up = up;
	t->stand = stand;
	t->sock = sock;
	t->slot = slot;
	t->giver = giver;
	if (take_say(t, WIRE_HELLO, (uint64_t)WIRE_VERSION_MIN << 32 |
	    WIRE_VERSION_MAX) != 1)
		t->state = TAKE_OVER;
	return (t);
}

/* --- the fate of a batch -------------------------------------------------- */

static void
take_forget(struct take *t)
{
	t->nitems = 0;
	t->bits = 0;
	t->owes_taken = false;
	t->state = TAKE_IDLE;
}

/* They are ours, and go on. */
static void
take_activate(struct take *t, bool inherited)
{
	unsigned i;

	for (i = 0; i < t->nitems; i++)
		if (t->items[i].what != NULL) {
			t->taken++;
			t->up->activate(t->up->arg, &t->items[i], inherited);
		}
	take_forget(t);
}

/* They are the giver's. */
static void
take_unload(struct take *t)
{
	unsigned i;

	for (i = 0; i < t->nitems; i++)
		if (t->items[i].what != NULL)
			t->up->unload(t->up->arg, &t->items[i]);
	take_forget(t);
}

/* The giver keeps them as long as it has not heard this: said before anything
 * is done with them.  What cannot be said yet is not done yet. */
static void
take_commit(struct take *t)
{
	t->owes_taken = take_say(t, WIRE_TAKEN, t->bits) == 0;
	if (!t->owes_taken)
		take_activate(t, false);
}

/* The giver is gone without another word: whoever could say that they are not
 * ours is no more. */
static void
take_inherit(struct take *t)
{
	if (t->nitems > 0)
		log_info("handover_inherited slot=%u connections=%u", t->giver,
		    t->nitems);
	take_activate(t, true);
	t->state = TAKE_OVER;
}

/* --- what the giver says -------------------------------------------------- */

/* A batch is over, or begins.  False: it is neither. */
static bool
take_word(struct take *t, const struct wire_msg *m)
{
	if (m->type == WIRE_PREPARE) {
		/* what it had not told us of the last one: it was not */
		take_unload(t);
		t->batch = m->batch;
		t->state = TAKE_ASKED;
		return (true);
	}
	if (m->batch != t->batch)
		return (false);
	if (m->type == WIRE_COMMIT && t->bits != 0)
		take_commit(t);
	else if (m->type == WIRE_ABORT)
		take_unload(t);
	else
		return (false);
	return (true);
}

void
take_read(struct take *t)
{
	struct wire_msg m;
	int r = 0;

	CHECK_MAGIC(t, TAKE_MAGIC);
	while (t->state != TAKE_OVER && (r = wire_recv(t->sock, &m)) == 1) {
		if (m.type == WIRE_HELLO &&
		    ((uint32_t)(m.bits >> 32) > WIRE_VERSION_MAX ||
		    (uint32_t)m.bits < WIRE_VERSION_MIN)) {
			log_warnx("handover_versions slot=%u", t->giver);
			t->state = TAKE_OVER;
		} else
			(void)take_word(t, &m);
		wire_close(&m);
	}
	if (t->state != TAKE_OVER && r == -2)
		take_inherit(t);
}

enum take_heard {
	TAKE_STATE,	/* a batch, in m */
	TAKE_WORD,	/* there is no batch any more */
	TAKE_GONE,	/* nor a giver */
	TAKE_SILENCE
};

/* What the giver says, until then. */
static enum take_heard
take_wait(struct take *t, unsigned ms, struct wire_msg *m)
{
	int r;

	for (;;) {
		r = wire_recv(t->sock, m);
		if (r == -2)
			return (TAKE_GONE);
		if (r == 1 && m->type == WIRE_STATE && m->batch == t->batch)
			return (TAKE_STATE);
		if (r == 1) {
			wire_close(m);
			if (take_word(t, m))
				return (TAKE_WORD);
			continue;
		}
		if (stand_is_over(t->stand, ms))
			return (TAKE_SILENCE);
		stand_wait(t->stand, t->sock, ms);
	}
}

/* --- a batch -------------------------------------------------------------- */

/* The next item: its kind, and its own, of the descriptors that are left.  With
 * a full table fewer have come: those who would have the missing ones, and all
 * behind them, have none. */
static bool
take_item(struct take *t, struct state_in *in, struct wire_msg *m,
    unsigned *at)
{
	struct take_item *item = &t->items[t->nitems];
	struct state_in body;
	uint16_t version;
	unsigned n;

	if (!state_section(in, WIRE_ITEM, &version, &body) || version != 1)
		return (false);
	item->kind = state_get_u8(&body);
	n = state_get_u8(&body);
	item->nfds = (uint8_t)n;
	item->what = NULL;
	if (n > m->got - *at)
		while (m->got > *at)
			(void)close(m->fds[--m->got]);
	else if (!body.bad) {
		item->what = t->up->load(t->up->arg, item->kind, &body,
		    m->fds + *at, n);
		*at += n;
	}
	if (item->what != NULL)
		t->bits |= UINT64_C(1) << t->nitems;
	t->nitems++;
	return (true);
}

/* All that can be; what cannot stays where it was. */
static void
take_load(struct take *t, struct wire_msg *m)
{
	struct state_in in;
	struct buf b;
	unsigned at = 1;	/* the first one is the state */

	buf_init(&b);
	if (m->got > 0 && wire_state_get(m->fds[0], m->bytes, &b)) {
		in = state_in(buf_unread(&b));
		while (t->nitems < m->items && take_item(t, &in, m, &at))
			continue;
	}
	if (m->got < m->nfds)
		counter_add(COUNTER_files_lost, m->nfds - m->got);
	while (m->got > at)
		(void)close(m->fds[--m->got]);
	if (m->got > 0)
		(void)close(m->fds[0]);
	m->got = 0;
	buf_fini(&b);
}

static void
take_state(struct take *t, struct wire_msg *m)
{
	take_load(t, m);
	if (take_say(t, WIRE_LOADED, t->bits) == 0) {
		/* it waits for nothing longer than its time */
		take_unload(t);
		return;
	}
	if (t->bits == 0) {
		take_unload(t);
		return;
	}
	t->state = TAKE_DOUBT;
	switch (take_wait(t, STAND_MS + STAND_WORD_MS, m)) {
	case TAKE_STATE:	/* twice: nonsense */
		wire_close(m);
		take_unload(t);
		break;
	case TAKE_GONE:
		take_inherit(t);
		break;
	case TAKE_WORD:
	case TAKE_SILENCE:
		break;
	}
}

/* Up to the mark.  What the giver says meanwhile may be its batch, which is
 * faster: kept in m. */
static enum stand_result
take_mark(struct take *t, struct wire_msg *m)
{
	enum stand_result r;
	int sock = t->sock;

	while ((r = stand_mark(t->stand, sock)) == STAND_SOCK) {
		switch (take_wait(t, 0, m)) {
		case TAKE_STATE:
			sock = -1;
			break;
		case TAKE_WORD:
			return (STAND_SOCK);
		case TAKE_GONE:
			take_inherit(t);
			return (STAND_SOCK);
		case TAKE_SILENCE:
			break;
		}
	}
	return (r);
}

static void
take_fail(struct take *t)
{
	counter_add(COUNTER_moves_broken, 1);
	take_unload(t);
	(void)take_say(t, WIRE_ABORT, 0); /* else it waits for its time */
}

/* Behind the mark: the batch itself. */
static void
take_await(struct take *t, struct wire_msg *m)
{
	switch (take_wait(t, STAND_MS, m)) {
	case TAKE_STATE:
		take_state(t, m);
		break;
	case TAKE_WORD:
		break;
	case TAKE_GONE:
		take_inherit(t);
		break;
	case TAKE_SILENCE:
		take_fail(t);
		break;
	}
}

static void
take_batch(struct take *t)
{
	struct wire_msg m;

	wire_init(&m, 0, 0);
	stand_begin(t->stand, 0);
	if (!stand_cut(t->stand, t->giver, t->slot, t->batch)) {
		take_fail(t);
	} else if (take_say(t, WIRE_GO, t->stand->since.us) != 1) {
		take_unload(t);		/* its end is read soon */
	} else {
		switch (take_mark(t, &m)) {
		case STAND_BEHIND:
			if (m.type != WIRE_STATE) {
				take_await(t, &m);
				break;
			}
			take_state(t, &m);
			break;
		case STAND_FAILED:
			take_fail(t);
			break;
		case STAND_SOCK:
			break;
		}
	}
	wire_close(&m);
	stand_end(t->stand);
}

bool
take_turn_end(struct take *t)
{
	CHECK_MAGIC(t, TAKE_MAGIC);
	if (t->owes_taken)
		take_commit(t);
	if (t->state != TAKE_ASKED || !stand_is_rested(t->stand) ||
	    !t->up->ready(t->up->arg))
		return (false);
	take_batch(t);
	return (true);
}

void
take_free(struct take **tp)
{
	struct take *t = *tp;

	if (t == NULL)
		return;
	CHECK_MAGIC(t, TAKE_MAGIC);
	*tp = NULL;
	take_unload(t);
	(void)close(t->sock);
	t->magic = 0;
	free(t);
}
