/*
 * Whose place is empty for more than an instant: the listening sockets of a
 * worker outlive it, and who connects to them would wait for its replacement;
 * see children.h.
 *
 * For an instant that is what is wanted: all who were connected to it come back
 * at once, and without it the others alone would share them, while the one that
 * takes its place begins with none.
 */
#include "master/children_int.h"

#define AWAY_INSTANT_MS	200	/* a start takes about a tenth of it */

static bool
away_accepts(const struct seat *s)
{
	return (s->state == SEAT_READY && s->killed.us == 0 && !s->stuck);
}

/* Nobody accepts here now: will it be long? */
static bool
away_is_long(const struct seat *s, struct mono now)
{
	if (s->state == SEAT_READY)
		return (true);	/* killed, or stands still */
	if (s->gone.us == 0)
		return (false);	/* nobody has served yet */
	return ((s->state == SEAT_EMPTY && s->retry_at.us > now.us) ||
	    now.us >= mono_add_ms(s->gone, AWAY_INSTANT_MS).us);
}

/* One who is to serve by the next configuration has the same sockets, and
 * accepts already. */
static bool
away_is_stood_in(const struct seat *s)
{
	const struct seat *next = seats_find(s->all, s->worker, SEAT_COMING);

	return (next != NULL && away_accepts(next));
}

static void
away_step(struct seat *s, struct mono now)
{
	if (away_accepts(s) || away_is_stood_in(s))
		s->away = false;
	else if (!s->away)	/* once, it is until somebody accepts */
		s->away = away_is_long(s, now);
}

void
children_away(struct children *c, struct mono now, struct children_away *away)
{
	struct seat *s;

	CHECK_MAGIC(c, CHILDREN_MAGIC);
	*away = (struct children_away){ .of = c->now.nworkers };
	SEATS_FOREACH_WORKER(s, c->seats) {
		if (s->standing != SEAT_SERVING)
			continue;
		away_step(s, now);
		if (!s->away)
			continue;
		away->workers |= UINT64_C(1) << s->worker;
		away->n++;
		away->stuck += s->state == SEAT_READY;
	}
}
