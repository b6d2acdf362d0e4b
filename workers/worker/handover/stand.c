/*
 * Standing still; see stand.h.
 */
#include "worker/handover/stand.h"

#include "shm/counters.h"

void
stand_init(struct stand *s, const struct stand_calls *up)
{
	*s = (struct stand){ .up = up };
}

static struct mono
stand_now(const struct stand *s)
{
	return (s->up->now(s->up->arg));
}

void
stand_begin(struct stand *s, uint64_t heir_us)
{
	s->since = s->zero = stand_now(s);
	if (heir_us != 0 && heir_us < s->since.us)
		s->zero.us = heir_us;
}

bool
stand_is_over(const struct stand *s, unsigned ms)
{
	return (stand_now(s).us >= mono_add_ms(s->zero, ms).us);
}

bool
stand_cut(struct stand *s, unsigned giver, unsigned heir, uint64_t batch)
{
	return (s->up->cut(s->up->arg, giver, heir, batch));
}

enum stand_result
stand_mark(struct stand *s, int sock)
{
	const struct mono until = mono_add_ms(s->zero, STAND_MARK_MS);
	enum stand_mark mark;

	while ((mark = s->up->marked(s->up->arg)) == STAND_UNMARKED) {
		if (stand_now(s).us >= until.us)
			return (STAND_FAILED);
		switch (s->up->pump(s->up->arg, true, sock, until)) {
		case PUMP_ON:
			break;
		case PUMP_SOCK:
			return (STAND_SOCK);
		case PUMP_LOST:
			return (STAND_FAILED);
		}
	}
	if (mark == STAND_REFUSED)
		return (STAND_FAILED);
	s->up->turn_end(s->up->arg);
	return (STAND_BEHIND);
}

void
stand_wait(struct stand *s, int sock, unsigned ms)
{
	(void)s->up->pump(s->up->arg, false, sock, mono_add_ms(s->zero, ms));
}

void
stand_end(struct stand *s)
{
	uint64_t took_us = stand_now(s).us - s->since.us;

	histogram_add(HISTOGRAM_move_us, took_us);
	s->up->release(s->up->arg);
	s->rested = (struct mono){ stand_now(s).us + took_us };
}

bool
stand_is_rested(const struct stand *s)
{
	return (stand_now(s).us >= s->rested.us);
}
