/*
 * The terminal (ncurses): draws pages, reads keys, and puts everything back.
 */
#ifndef ROOSTSTAT_SCREEN_H
#define ROOSTSTAT_SCREEN_H

#include "tools/rooststat/view.h"

/* False: no such terminal, or none at all. */
bool	screen_open(void) MUST_USE;
void	screen_close(void);	/* again: ignored */
void	screen_draw(struct view *, const struct model *);
/*
 * The next key (see keys.h), 0 when ms have passed or the size has
 * changed, -1 when the terminal is gone or a signal asks for the end.
 */
int	screen_key(uint64_t ms);

#endif
