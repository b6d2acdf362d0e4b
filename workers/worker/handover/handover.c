/*
 * A worker's part in hand-overs; see handover.h.  To several heirs it gives one
 * after the other; of several givers one is served at a time.
 */
#include "worker/handover/handover.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/slotset.h"
#include "hub/hub.h"
#include "hub/move.h"
#include "proto/bus.h"
#include "shm/slots.h"
#include "sys/log.h"
#include "worker/handover/estate.h"
#include "worker/handover/give.h"
#include "worker/handover/take.h"
#include "worker/net/accept.h"
#include "worker/net/bus_port.h"
#include "worker/worker.h"

#define HANDOVER_SETTLE_MS 20u	/* for what other workers are asked */
#define HANDOVER_TURNS	50u	/* until nothing is half done */
#define HANDOVER_HEIRLESS_MS 2000u	/* then who leaves drains */

struct giving {
	TAILQ_ENTRY(giving) link;
	struct handover	*h;
	struct loop_fd	 io;
	struct handover_heir heir;
	struct estate	 estate;
	struct give_calls calls;
	struct give	*give;
	bool		 told;		/* CONTROL_GIVEN */
};

struct taking {
	TAILQ_ENTRY(taking) link;
	struct handover	*h;
	struct loop_fd	 io;
	struct estate	 estate;
	struct take_calls calls;
	struct take	*take;
};

struct handover {
	unsigned	 magic;
#define HANDOVER_MAGIC	0x6a0d0e12
	struct worker	*w;
	const struct handover_calls *up;
	struct stand_calls calls;
	struct stand	 stand;
	TAILQ_HEAD(, giving) giving;
	TAILQ_HEAD(, taking) taking;
	struct mono	 leave_at;	/* the heir of all is gone, and nobody
					 * comes in its place; 0: not so */
	uint64_t	 leave_ms;
};

/* --- standing still ------------------------------------------------------- */

static struct mono
handover_now(void *arg)
{
	(void)arg;
	return (mono_now());
}

static bool
handover_cut(void *arg, unsigned giver, unsigned heir, uint64_t batch)
{
	struct handover *h = arg;
	struct worker *w = h->w;
	struct bus_envelope e;

	bus_cut(&e, giver, heir, batch);
	slotset_clear(e.slots);
	e.from = (uint16_t)w->h->slot;
	e.generation = (uint16_t)w->h->generation;
	e.ref = 0;
	if (!bus_port_up(w->bus) || !bus_port_send(w->bus, &e))
		return (false);
	bus_port_hold(w->bus, batch);
	bus_port_flush(w->bus);
	return (true);
}

static enum stand_mark
handover_marked(void *arg)
{
	struct handover *h = arg;

	switch (bus_port_marked(h->w->bus)) {
	case BUS_PORT_UNMARKED:
		break;
	case BUS_PORT_MARKED:
		return (STAND_MARKED);
	case BUS_PORT_REFUSED:
		return (STAND_REFUSED);
	}
	return (STAND_UNMARKED);
}

static int
handover_wait_ms(struct mono until)
{
	uint64_t now_us = mono_now().us;

	return (until.us <= now_us ? 0 :
	    (int)((until.us - now_us + 999) / 1000));
}

static enum stand_pump
handover_pump(void *arg, bool bus, int sock, struct mono until)
{
	struct handover *h = arg;
	struct bus_port *b = h->w->bus;
	struct pollfd p[2] = {
		{ .fd = sock, .events = POLLIN },
		{ .fd = bus ? bus_port_fd(b) : -1,
		    .events = bus_port_events(b) },
	};

	(void)poll(p, nitems(p), handover_wait_ms(until));
	if (bus && p[1].revents != 0)
		bus_port_pump(b);
	if (bus && bus_port_fd(b) == -1)
		return (PUMP_LOST);
	return (p[0].revents != 0 ? PUMP_SOCK : PUMP_ON);
}

/* Lists of sessions for other hosts are written in several turns: each session
 * is to be in one worker's. */
static void
handover_end_turn(void *arg)
{
	struct handover *h = arg;
	unsigned i;

	for (i = 0; i == 0 || (i < HANDOVER_TURNS && hub_busy(h->w->hub)); i++)
		h->up->turn_end(h->w);
}

static void
handover_release(void *arg)
{
	struct handover *h = arg;

	if (h->w->bus->held)
		bus_port_release(h->w->bus);
}

/* Whose acks are to say how many got it waits for these workers' word: no
 * client is read meanwhile, so soon nobody waits. */
static void
handover_settle(void *arg)
{
	struct handover *h = arg;
	struct mono until = mono_add_ms(mono_now(), HANDOVER_SETTLE_MS);

	while (hub_pending_acks(h->w->hub) && mono_now().us < until.us)
		if (handover_pump(h, true, -1, until) == PUMP_LOST)
			break;
	h->up->turn_end(h->w);
}

/* --- birth and death ------------------------------------------------------ */

struct handover *
handover_new(struct worker *w, const struct handover_calls *up)
{
	struct handover *h = calloc(1, sizeof *h);

	if (h == NULL)
		return (NULL);
	h->magic = HANDOVER_MAGIC;
	h->w = w;
	h->up = up;
	h->calls = (struct stand_calls){ .arg = h, .now = handover_now,
		.cut = handover_cut, .marked = handover_marked,
		.pump = handover_pump, .turn_end = handover_end_turn,
		.release = handover_release };
	stand_init(&h->stand, &h->calls);
	TAILQ_INIT(&h->giving);
	TAILQ_INIT(&h->taking);
	return (h);
}

static void
handover_end_giving(struct giving *g)
{
	loop_del(g->h->w->loop, &g->io);
	TAILQ_REMOVE(&g->h->giving, g, link);
	give_free(&g->give);
	estate_fini(&g->estate);
	free(g);
}

static void
handover_end_taking(struct taking *t)
{
	loop_del(t->h->w->loop, &t->io);
	TAILQ_REMOVE(&t->h->taking, t, link);
	take_free(&t->take);
	estate_fini(&t->estate);
	free(t);
}

void
handover_stop(struct handover *h)
{
	struct giving *g;
	struct taking *t;

	CHECK_MAGIC(h, HANDOVER_MAGIC);
	while ((g = TAILQ_FIRST(&h->giving)) != NULL)
		handover_end_giving(g);
	while ((t = TAILQ_FIRST(&h->taking)) != NULL)
		handover_end_taking(t);
}

void
handover_free(struct handover **hp)
{
	struct handover *h = *hp;

	if (h == NULL)
		return;
	handover_stop(h);
	*hp = NULL;
	h->magic = 0;
	free(h);
}

/* --- giving --------------------------------------------------------------- */

static void
handover_on_give(struct loop_fd *f, unsigned events)
{
	struct giving *g = container_of(f, struct giving, io);

	(void)events;
	give_read(g->give);
}

static bool
handover_start_give(struct giving *g, int sock)
{
	struct worker *w = g->h->w;

	g->give = give_new(&g->calls, &g->h->stand, sock,
	    (unsigned)w->h->slot, w->h->generation, g->heir.slot,
	    g->heir.share);
	return (g->give != NULL && loop_add(w->loop, &g->io, sock, LOOP_IN,
	    handover_on_give) == 0);
}

static struct giving *
handover_new_giving(struct handover *h, const struct handover_heir *heir)
{
	struct giving *g = calloc(1, sizeof *g);

	if (g == NULL)
		return (NULL);
	g->h = h;
	g->heir = *heir;
	g->io.fd = -1;
	if (!estate_init(&g->estate, h->w, true, heir->slot)) {
		free(g);
		return (NULL);
	}
	g->estate.all = (heir->flags & HEIR_ALL_SESSIONS) != 0;
	g->estate.settle = handover_settle;
	g->estate.arg = h;
	g->calls = estate_gives(&g->estate);
	TAILQ_INSERT_TAIL(&h->giving, g, link);
	return (g);
}

/* What is left goes another way. */
static void
handover_tell(struct handover *h, const struct handover_heir *heir,
    size_t moved, size_t failed)
{
	/* it is asked a few times where few are to be moved */
	if (moved + failed == 0)
		log_debug("given heir=%u moved=0 failed=0 left=%zu",
		    heir->slot, h->w->nconns);
	else
		log_info("given heir=%u moved=%zu failed=%zu left=%zu",
		    heir->slot, moved, failed, h->w->nconns);
	h->up->given(h->w, heir->slot, moved, failed, h->w->nconns);
}

static void
handover_leave(struct handover *h, const struct handover_heir *heir)
{
	if (heir->flags & HEIR_LEAVE)
		h->up->leave(h->w, heir->ms);
}

/* The master may have another one. */
static void
handover_heirless(struct handover *h, const struct handover_heir *heir)
{
	if ((heir->flags & HEIR_LEAVE) == 0)
		return;
	h->leave_at = mono_add_ms(h->w->now, HANDOVER_HEIRLESS_MS);
	h->leave_ms = heir->ms > HANDOVER_HEIRLESS_MS ?
	    heir->ms - HANDOVER_HEIRLESS_MS : 0;
}

void
handover_give(struct handover *h, const struct handover_heir *heir, int sock)
{
	struct giving *g;

	CHECK_MAGIC(h, HANDOVER_MAGIC);
	h->leave_at.us = 0;
	if (heir->flags & HEIR_ALL_SESSIONS) {
		accept_close(h->w);
		h->w->succeeded = true;
	}
	g = sock == -1 ? NULL : handover_new_giving(h, heir);
	if (g != NULL && handover_start_give(g, sock))
		return;
	if (g != NULL)
		handover_end_giving(g);
	else if (sock != -1)
		(void)close(sock);
	if (sock != -1) {
		log_warn("give heir=%u", heir->slot);
		counter_add(COUNTER_memory_failures, 1);
	}
	handover_tell(h, heir, 0, 0);
	handover_heirless(h, heir);
}

/* One share after the other.  Those who leave try those that cannot go now until
 * the end. */
static bool
handover_give_some(struct handover *h)
{
	struct giving *g = TAILQ_FIRST(&h->giving);
	bool did;

	if (g == NULL)
		return (false);
	did = give_turn_end(g->give);
	if (g->give->done && !g->told) {
		g->told = true;
		handover_tell(h, &g->heir, g->give->moved, g->give->failed);
		if (!g->give->lost)
			handover_leave(h, &g->heir);
	}
	if (g->give->lost && h->w->mode < WORKER_DRAINING)
		handover_heirless(h, &g->heir);
	if (g->give->state == GIVE_OVER ||
	    (g->told && g->give->state == GIVE_IDLE &&
	    (g->heir.flags & HEIR_LEAVE) == 0))
		handover_end_giving(g);
	return (did);
}

void
handover_hear(struct handover *h)
{
	struct giving *g = TAILQ_FIRST(&h->giving);

	if (unlikely(g != NULL && g->give->state == GIVE_DOUBT))
		give_read(g->give);
}

/* --- taking --------------------------------------------------------------- */

static void
handover_on_take(struct loop_fd *f, unsigned events)
{
	struct taking *t = container_of(f, struct taking, io);

	(void)events;
	take_read(t->take);
}

/* Nobody waits for us as well, and one batch at a time is open. */
static bool
handover_ready(void *arg)
{
	struct handover *h = arg;
	const struct giving *g = TAILQ_FIRST(&h->giving);
	const struct taking *t;

	if (h->w->mode >= WORKER_DRAINING || !bus_port_up(h->w->bus))
		return (false);
	TAILQ_FOREACH(t, &h->taking, link)
		if (t->take->state == TAKE_DOUBT)
			return (false);
	return (g == NULL || g->give->state == GIVE_GREETING ||
	    g->give->state == GIVE_IDLE || g->give->state == GIVE_OVER);
}

void
handover_take(struct handover *h, unsigned giver, int sock)
{
	struct taking *t;

	CHECK_MAGIC(h, HANDOVER_MAGIC);
	t = calloc(1, sizeof *t);
	if (t == NULL || !estate_init(&t->estate, h->w, false, giver)) {
		log_warn("take giver=%u", giver);
		counter_add(COUNTER_memory_failures, 1);
		free(t);
		(void)close(sock);	/* the giver finds us gone */
		return;
	}
	t->h = h;
	t->io.fd = -1;
	t->estate.ready = handover_ready;
	t->estate.arg = h;
	t->calls = estate_takes(&t->estate);
	TAILQ_INSERT_TAIL(&h->taking, t, link);
	t->take = take_new(&t->calls, &h->stand, sock, (unsigned)h->w->h->slot,
	    giver);
	if (t->take != NULL && loop_add(h->w->loop, &t->io, sock, LOOP_IN,
	    handover_on_take) == 0)
		return;
	log_warn("take giver=%u", giver);
	counter_add(COUNTER_memory_failures, 1);
	handover_end_taking(t);
}

/* Who was served is the last to be served again. */
static bool
handover_take_some(struct handover *h)
{
	struct taking *t, *next;
	bool did = false;

	for (t = TAILQ_FIRST(&h->taking); t != NULL && !did; t = next) {
		next = TAILQ_NEXT(t, link);
		did = take_turn_end(t->take);
		if (t->take->state == TAKE_OVER) {
			handover_end_taking(t);
		} else if (did) {
			TAILQ_REMOVE(&h->taking, t, link);
			TAILQ_INSERT_TAIL(&h->taking, t, link);
		}
	}
	return (did);
}

/* --- turns ---------------------------------------------------------------- */

bool
handover_turn_end(struct handover *h)
{
	CHECK_MAGIC(h, HANDOVER_MAGIC);
	if (h->leave_at.us != 0 && h->leave_at.us <= h->w->now.us) {
		h->leave_at.us = 0;
		h->up->leave(h->w, h->leave_ms);
	}
	if (TAILQ_EMPTY(&h->giving) && TAILQ_EMPTY(&h->taking))
		return (false);
	slot_does(h->w->row, SLOT_MOVING);
	return (handover_take_some(h) || handover_give_some(h));
}

bool
handover_busy(const struct handover *h)
{
	const struct giving *g = TAILQ_FIRST(&h->giving);
	const struct taking *t;

	TAILQ_FOREACH(t, &h->taking, link)
		if (t->take->state == TAKE_ASKED)
			return (true);
	return (g != NULL && give_is_eager(g->give));
}

bool
handover_gives(const struct handover *h)
{
	return (!TAILQ_EMPTY(&h->giving));
}

bool
handover_waits(const struct handover *h)
{
	const struct giving *g = TAILQ_FIRST(&h->giving);
	const struct taking *t;

	TAILQ_FOREACH(t, &h->taking, link)
		if (t->take->state == TAKE_DOUBT)
			return (true);
	if (g != NULL && (g->give->state == GIVE_DOUBT ||
	    estate_has_waiting(&g->estate)))
		return (true);
	return (false);
}
