/*
 * Giving; see give.h.
 */
#include "worker/handover/give.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/state.h"
#include "role.h"
#include "shm/counters.h"
#include "sys/log.h"

#define GIVE_BYTES	(2u << 20)	/* of a batch; one may be larger */
#define GIVE_SULK	10u		/* so often nothing was taken: rarer */
#define GIVE_SULK_MS	1000u

static struct mono
give_now(const struct give *g)
{
	return (g->stand->up->now(g->stand->up->arg));
}

static void
give_pause(struct give *g, unsigned ms)
{
	g->next_at = mono_add_ms(give_now(g), ms);
}

static void
give_over(struct give *g)
{
	g->state = GIVE_OVER;
	g->done = true;
}

/* What it means that it is not sent is the caller's affair. */
static int
give_say(struct give *g, enum wire_type type, uint64_t bits)
{
	struct wire_msg m;

	wire_init(&m, type, g->batch);
	m.bits = bits;
	return (wire_send(g->sock, &m));
}

struct give *
give_new(const struct give_calls *up, struct stand *stand, int sock,
    unsigned slot, uint32_t generation, unsigned heir, uint64_t share)
{
	struct give *g = calloc(1, sizeof *g);

	if (g == NULL) {
		(void)close(sock);
		return (NULL);
	}
	g->magic = GIVE_MAGIC;
	g->up = up;
	g->stand = stand;
	g->sock = sock;
	g->slot = slot;
	g->heir = heir;
	g->share = share;
	g->batch = (uint64_t)generation << 32;
	g->most = WIRE_ITEMS_MAX;
	buf_init(&g->bytes);
	give_pause(g, GIVE_ASK_MS * 10);
	if (give_say(g, WIRE_HELLO, (uint64_t)WIRE_VERSION_MIN << 32 |
	    WIRE_VERSION_MAX) != 1)
		give_over(g);
	return (g);
}

/* --- the fate of a batch -------------------------------------------------- */

/* Those in bits are the heir's, the others stay. */
static void
give_settle(struct give *g, uint64_t bits)
{
	const struct give_item *item;
	unsigned i, n = 0;

	for (i = 0; i < g->nitems; i++) {
		item = &g->items[i];
		if ((bits >> i & 1) == 0) {
			g->up->thaw(g->up->arg, item);
			continue;
		}
		n++;
		g->up->moved(g->up->arg, item);
	}
	g->moved += n;
	g->want -= n < g->want ? n : g->want;
	g->nitems = 0;
	g->state = GIVE_IDLE;
}

/* The batch is not; the heir is told, unless it is gone. */
static void
give_up(struct give *g)
{
	counter_add(COUNTER_moves_broken, 1);
	if (g->nitems > 0)
		g->up->failed(g->up->arg);
	give_settle(g, 0);
	/* it would take our end for a word that they are its own */
	g->owes_abort = give_say(g, WIRE_ABORT, 0) == 0;
	give_pause(g, GIVE_PAUSE_MS);
}

/* The heir is gone, and has not taken any. */
static void
give_lost(struct give *g)
{
	if (g->nitems > 0)
		counter_add(COUNTER_moves_broken, 1);
	give_settle(g, 0);
	give_over(g);
	g->lost = true;
}

/* --- what the heir says --------------------------------------------------- */

static void
give_hello(struct give *g, uint64_t versions)
{
	uint32_t lowest = (uint32_t)(versions >> 32);
	uint32_t highest = (uint32_t)versions;

	if (g->state != GIVE_GREETING)
		return;
	if (lowest > WIRE_VERSION_MAX || highest < WIRE_VERSION_MIN) {
		log_warnx("handover_versions slot=%u lowest=%u highest=%u",
		    g->heir, lowest, highest);
		counter_add(COUNTER_moves_refused, 1);
		give_over(g);
		return;
	}
	g->want = g->share >= CONTROL_SHARE_ALL ? SIZE_MAX :
	    (size_t)(g->up->left(g->up->arg) * g->share / CONTROL_SHARE_ALL);
	g->state = GIVE_IDLE;
	g->next_at = give_now(g);
}

/* Not in a batch. */
static void
give_heard(struct give *g, const struct wire_msg *m)
{
	if (m->type == WIRE_HELLO) {
		give_hello(g, m->bits);
		return;
	}
	if (m->batch != g->batch)
		return;		/* of one that was given up */
	if (m->type == WIRE_GO && g->state == GIVE_ASKED) {
		g->state = GIVE_GOING;
		g->go_us = m->bits;
	} else if (m->type == WIRE_TAKEN && g->state == GIVE_DOUBT)
		give_settle(g, m->bits);
	else if (m->type == WIRE_ABORT && (g->state == GIVE_ASKED ||
	    g->state == GIVE_GOING || g->state == GIVE_DOUBT)) {
		g->up->failed(g->up->arg);
		give_settle(g, 0);
		give_pause(g, GIVE_PAUSE_MS);
	}
}

void
give_read(struct give *g)
{
	struct wire_msg m;
	int r = 0;

	CHECK_MAGIC(g, GIVE_MAGIC);
	while (g->state != GIVE_OVER && (r = wire_recv(g->sock, &m)) == 1) {
		give_heard(g, &m);
		wire_close(&m);
	}
	if (g->state != GIVE_OVER && r == -2)
		give_lost(g);
}

/* In a batch: the next word of the heir about it, which may be that one has to
 * wait no more (ABORT), until then.  -2: it is gone. */
static int
give_wait(struct give *g, unsigned ms, struct wire_msg *m)
{
	int r;

	for (;;) {
		r = wire_recv(g->sock, m);
		if (r == -2)
			return (-2);
		if (r == 1) {
			wire_close(m);
			if (m->batch == g->batch && m->type != WIRE_GO)
				return (1);
			continue;
		}
		if (stand_is_over(g->stand, ms))
			return (0);
		stand_wait(g->stand, g->sock, ms);
	}
}

/* --- a batch -------------------------------------------------------------- */

/* One more; false: there is none, or no memory. */
static bool
give_add(struct give *g)
{
	struct give_item *item = &g->items[g->nitems];
	size_t before = buf_unread(&g->bytes).n, at;

	if (!g->up->next(g->up->arg, 1 + WIRE_FDS_MAX - g->nfds, item))
		return (false);
	MUST(item->nfds <= 1 + WIRE_FDS_MAX - g->nfds);
	at = state_open(&g->bytes, WIRE_ITEM, 1);
	state_put_u8(&g->bytes, item->kind);
	state_put_u8(&g->bytes, item->nfds);
	if (g->bytes.oom || !g->up->save(g->up->arg, item, &g->bytes,
	    g->fds + g->nfds)) {
		g->bytes.wpos = g->bytes.rpos + before;
		g->bytes.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	state_close(&g->bytes, at);
	g->nfds += item->nfds;
	g->nitems++;
	return (true);
}

static void
give_collect(struct give *g)
{
	unsigned most = g->most;

	if (most > g->want)
		most = (unsigned)g->want;
	buf_reset(&g->bytes);
	g->nfds = 1;
	g->up->begin(g->up->arg);
	while (g->nitems < most && g->nfds <= WIRE_FDS_MAX &&
	    buf_unread(&g->bytes).n < GIVE_BYTES && give_add(g))
		continue;
}

/* 1 sent; 0 not this one, but a smaller one may pass; -1 the heir is gone. */
static int
give_send(struct give *g)
{
	struct slice s = buf_unread(&g->bytes);
	struct wire_msg m;
	int r, error;

	if (s.n > WIRE_STATE_MAX)
		return (0);
	g->fds[0] = wire_state_put(s);
	if (g->fds[0] == -1)
		return (0);
	wire_init(&m, WIRE_STATE, g->batch);
	m.items = g->nitems;
	m.bytes = (uint32_t)s.n;
	m.nfds = g->nfds;
	memcpy(m.fds, g->fds, g->nfds * sizeof *g->fds);
	r = wire_send(g->sock, &m);
	error = errno;
	(void)close(g->fds[0]);
	return (r == 1 ? 1 : r == -1 && (error == EPIPE ||
	    error == ECONNRESET) ? -1 : 0);
}

/* All of them, or fewer the next time. */
static bool
give_state(struct give *g)
{
	int r = give_send(g);

	if (r == 1) {
		g->most = WIRE_ITEMS_MAX;
		return (true);
	}
	if (r == -1) {
		give_lost(g);
		return (false);
	}
	g->most = g->nitems > 1 ? g->nitems / 2 : 1;
	give_up(g);
	return (false);
}

/* What the heir does not have stays; in a while it may take more. */
static void
give_note_refusals(struct give *g, uint64_t bits)
{
	unsigned loaded = (unsigned)__builtin_popcountll(bits);

	if (loaded == g->nitems) {
		g->refusals = 0;
		return;
	}
	counter_add(COUNTER_moves_refused, g->nitems - loaded);
	g->failed += g->nitems - loaded;
	g->refusals = loaded == 0 ? g->refusals + 1 : 0;
	g->up->failed(g->up->arg);
	g->up->refused(g->up->arg, &g->items[__builtin_ctzll(~bits)]);
	give_pause(g, g->refusals > GIVE_SULK ? GIVE_SULK_MS : GIVE_PAUSE_MS);
}

/* The heir has those: from the word that is sent now on they are its own, if it
 * lives to say so. */
static void
give_commit(struct give *g, uint64_t bits)
{
	struct wire_msg m;

	bits &= g->nitems == 64 ? UINT64_MAX : (UINT64_C(1) << g->nitems) - 1;
	give_note_refusals(g, bits);
	if (bits == 0) {
		give_settle(g, 0);
		return;
	}
	switch (give_say(g, WIRE_COMMIT, bits)) {
	case 1:
		break;
	case 0:
		give_up(g);	/* no room, or memory, for that word */
		return;
	default:
		give_lost(g);	/* its end is read, it has not taken any */
		return;
	}
	g->state = GIVE_DOUBT;
	g->committed = bits;
	switch (give_wait(g, STAND_MS + STAND_WORD_MS, &m)) {
	case 1:
		give_heard(g, &m);
		break;
	case -2:
		give_lost(g);
		break;
	}
}

static void
give_hand_over(struct give *g)
{
	struct wire_msg m;

	if (!stand_is_over(g->stand, STAND_MS))
		give_collect(g);
	if (g->nitems == 0) {
		give_up(g);
		return;
	}
	if (!give_state(g))
		return;
	switch (give_wait(g, STAND_MS, &m)) {
	case 1:
		if (m.type == WIRE_LOADED)
			give_commit(g, m.bits);
		else
			give_up(g);
		break;
	case 0:
		give_up(g);
		break;
	case -2:
		give_lost(g);
		break;
	}
}

/* Not now. */
static void
give_withdraw(struct give *g)
{
	g->owes_abort = give_say(g, WIRE_ABORT, 0) == 0;
	g->state = GIVE_IDLE;
	give_pause(g, GIVE_PAUSE_MS);
}

/* Nobody could go. */
static void
give_miss(struct give *g)
{
	if (++g->misses >= GIVE_MISSES || g->up->left(g->up->arg) == 0)
		g->done = true;
	give_pause(g, GIVE_PAUSE_MS);
}

/* A client that asks without a pause is never seen without a question: those
 * that are on their way are waited for while nobody is read.  false: there is
 * nobody to give, though. */
static bool
give_settles(struct give *g)
{
	if (g->misses > 0 || g->soon)
		g->up->settle(g->up->arg);
	if (!g->soon || g->up->any(g->up->arg) == GIVE_SOME)
		return (true);
	give_withdraw(g);
	give_miss(g);
	return (false);
}

/* The heir stands still and waits for our cut. */
static void
give_batch(struct give *g)
{
	g->nitems = 0;
	stand_begin(g->stand, g->go_us);
	g->next_at = give_now(g);
	if (!give_settles(g)) {
		stand_end(g->stand);
		return;
	}
	if (!stand_cut(g->stand, g->slot, g->heir, g->batch)) {
		give_up(g);
	} else {
		switch (stand_mark(g->stand, g->sock)) {
		case STAND_BEHIND:
			give_hand_over(g);
			break;
		case STAND_SOCK:	/* ABORT, or its end: read later */
		case STAND_FAILED:
			give_up(g);
			break;
		}
	}
	stand_end(g->stand);
	buf_fini(&g->bytes);
	buf_init(&g->bytes);
}

/* --- turns ---------------------------------------------------------------- */

static void
give_ask(struct give *g, bool soon)
{
	g->soon = soon;
	g->batch++;
	if (give_say(g, WIRE_PREPARE, 0) != 1) {
		give_pause(g, GIVE_PAUSE_MS);
		return;
	}
	g->state = GIVE_ASKED;
	give_pause(g, GIVE_ASK_MS);
}

static void
give_look(struct give *g)
{
	if (g->want == 0) {
		g->done = true;
		return;
	}
	if (!stand_is_rested(g->stand))
		return;
	switch (g->up->any(g->up->arg)) {
	case GIVE_SOME:
		give_ask(g, false);
		break;
	case GIVE_SOON:
		give_ask(g, true);
		break;
	case GIVE_NONE:
		give_miss(g);
		break;
	case GIVE_LOOKING:
		break;
	}
}

bool
give_turn_end(struct give *g)
{
	unsigned moved = g->moved;
	bool due;

	CHECK_MAGIC(g, GIVE_MAGIC);
	due = g->next_at.us <= give_now(g).us;
	switch (g->state) {
	case GIVE_IDLE:
		if (g->owes_abort)
			g->owes_abort = give_say(g, WIRE_ABORT, 0) == 0;
		if (due && !g->owes_abort)
			give_look(g);
		break;
	case GIVE_ASKED:
		if (due)
			give_withdraw(g);
		break;
	case GIVE_GOING:
		give_batch(g);
		if (g->moved > moved)
			g->misses = 0;
		return (true);
	case GIVE_GREETING:
		if (due)
			give_over(g);
		break;
	case GIVE_DOUBT:
	case GIVE_OVER:
		break;
	}
	return (false);
}

bool
give_is_eager(const struct give *g)
{
	return (g->state == GIVE_IDLE && !g->done &&
	    g->next_at.us <= give_now(g).us);
}

void
give_free(struct give **gp)
{
	struct give *g = *gp;

	if (g == NULL)
		return;
	CHECK_MAGIC(g, GIVE_MAGIC);
	*gp = NULL;
	if (g->nitems > 0)
		give_settle(g, g->state == GIVE_DOUBT ? g->committed : 0);
	(void)close(g->sock);
	buf_fini(&g->bytes);
	g->magic = 0;
	free(g);
}
