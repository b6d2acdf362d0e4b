/*
 * Too many handshakes; see handshakes.h.
 */
#include "worker/http/handshakes.h"

#include <inttypes.h>

#include "sys/log.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

/* A number that nobody need not guess, another one for each handshake. */
static uint32_t
handshakes_any(const struct conn *c)
{
	return ((uint32_t)((c->since_us ^ c->port) * UINT32_C(2654435769)) >>
	    8);
}

static unsigned
handshakes_refuse(const struct conn *c)
{
	struct worker *w = c->w;
	unsigned seconds;
	bool begins;

	seconds = storm_refuse(w->h->segment, &w->storm, w->now,
	    handshakes_any(c), &begins);
	if (begins) {
		counter_add(COUNTER_storms, 1);
		log_warnx("storm_begin handshakes_per_second=%u",
		    w->conf->limit_handshakes);
	}
	return (seconds);
}

unsigned
handshakes_wait(const struct conn *c, uint64_t address)
{
	struct worker *w = c->w;
	enum storm_lane lane;

	if (w->conf->limit_handshakes == 0)
		return (0);
	lane = storm_lane(w->h->segment, address, w->now);
	if (!storm_admit(w->h->segment, &w->storm, lane, w->now))
		return (handshakes_refuse(c));
	counter_add(COUNTER_handshakes_admitted, 1);
	counter_add(COUNTER_handshakes_known, lane == STORM_KNOWN);
	return (0);
}

void
handshakes_second(struct worker *w)
{
	struct storm_sum sum;

	if (storm_ends(w->h->segment, w->now, &sum))
		log_info("storm_end refused=%" PRIu64 " ms=%" PRIu64,
		    sum.refused, sum.ms);
}
