/*
 * What a key does to the view.  Pure.
 */
#ifndef ROOSTSTAT_KEYS_H
#define ROOSTSTAT_KEYS_H

#include "tools/rooststat/view.h"

/* Keys beyond the bytes a terminal sends, from 256 on. */
enum keys_special {
	KEYS_UP = 256, KEYS_DOWN, KEYS_PAGE_UP, KEYS_PAGE_DOWN, KEYS_HOME,
	KEYS_END, KEYS_NEXT, KEYS_BACKSPACE, KEYS_ENTER, KEYS_ESCAPE
};

enum keys_action {
	KEYS_REDRAW,
	KEYS_QUIT,
	KEYS_INTERVAL,		/* interval_ms is another */
	KEYS_CONTINUE,		/* no longer paused */
};

#define KEYS_INTERVAL_MIN	100u		/* ms */
#define KEYS_INTERVAL_MAX	3600000u

enum keys_action keys_press(struct view *, unsigned key);
/* Seconds, with decimals or not, as milliseconds; 0: not a fit number. */
unsigned keys_interval(const char *);

#endif
