/*
 * Shares of a turn; see work.h.
 */
#include "hub/work.h"

void
work_init(struct work *w, uint64_t bytes)
{
	if (bytes > WORK_BYTES)
		bytes = WORK_BYTES;
	w->unit_bytes = (uint32_t)(bytes / WORK_SHARE);
	if (w->unit_bytes == 0)
		w->unit_bytes = 1;
	work_turn(w);
}

void
work_turn(struct work *w)
{
	w->spent = w->coming = 0;
	work_begin(w);
}

void
work_begin(struct work *w)
{
	uint32_t left = w->spent < WORK_TURN ? WORK_TURN - w->spent : 0;

	if (left > WORK_SHARE)
		left = WORK_SHARE;
	w->end = w->spent + (left > WORK_LEAST ? left : WORK_LEAST);
}
