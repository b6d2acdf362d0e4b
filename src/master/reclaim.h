/*
 * What the master does in shared memory beside its rounds (shm/sweep.h): it
 * cleans up behind a dead child, and counts users.  Runs in the master only.
 */
#ifndef MASTER_RECLAIM_H
#define MASTER_RECLAIM_H

#include <stdbool.h>

#include "base/clock.h"

struct conf;
struct segment;
struct stats;
struct sweep;

/* The note of a panic, if there is one, fit for the log in quotes. */
bool	reclaim_note(const struct segment *, unsigned slot, char note[128]);
/*
 * A child that waitpid(2) has returned: log the note of its panic, if it left
 * one, repair what it held, close in the statistics what it had open, and
 * free its slot.
 */
void	reclaim_child(struct segment *, struct sweep *, struct stats *,
	    unsigned slot, const char *title);
/* Once a second: counts users per namespace into the master's column. */
void	reclaim_tally(const struct segment *, const struct conf *);

#endif
