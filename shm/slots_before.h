/*
 * Slots of a segment that follows another one, of another layout, while
 * children that were born there go on: who is who is known in both.  Their slots
 * are taken here too, so that nobody else gets them, and ours are taken there,
 * so that they see us; what they are looked up by (rows, heirs, and the bit by
 * which a slot is given whatever is published) is all that the two have in
 * common.  The master keeps it so; the workers and the relay know nothing of it.
 *
 * What a segment is followed by may be of a later version, so rows and heirs do
 * not change: a program that has others cannot follow.
 */
#ifndef SHM_SLOTS_BEFORE_H
#define SHM_SLOTS_BEFORE_H

#include "shm/slots.h"

/* Where they are, in bytes from the beginning. */
struct slots_rows {
	uint64_t	 rows, heirs, overflow;
	uint32_t	 row_bytes, nslots;
};

void	slots_rows(const struct segment *, struct slots_rows *);
/* Can a segment that was made so be followed by one of ours? */
bool	slots_rows_known(const struct slots_rows *,
	    const struct segment_params *);

/*
 * From now on seg follows the segment in fd, of which nobody in seg is yet;
 * fd is not kept.  -1 + errno.
 */
int	slots_before_open(struct segment *seg, int fd,
	    const struct slots_rows *) MUST_USE;
void	slots_before_close(struct segment *); /* before segment_free() */
bool	slots_before(const struct segment *);	/* it follows one */
/* The slot is of a child from there: as it is there, and nobody else's. */
void	slots_before_take(struct segment *, unsigned slot);
bool	slots_before_has(const struct segment *, unsigned slot);
bool	slots_before_any(const struct segment *); /* has one still */
/* Now, beside where slots change: heartbeats, notes.  Does nothing where none is
 * followed. */
void	slots_before_meet(struct segment *);

#endif
