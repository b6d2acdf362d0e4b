/*
 * The way of an envelope to other workers: its head, which says who sent it,
 * what it belongs to and whom it is for.  Called by whatever speaks to other
 * workers; what the envelope says is theirs.
 */
#ifndef HUB_PUBLISH_POST_H
#define HUB_PUBLISH_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct audience;
struct bus_audience;
struct bus_envelope;
struct hub;

/* ref: which question of the one who asked.  false: not sent (ports.h). */
bool	post_send(struct hub *, const uint64_t slots[2], uint32_t ref,
	    struct bus_envelope *);
/* slot 0: the relay itself, which has asked. */
bool	post_to(struct hub *, unsigned slot, uint32_t ref,
	    struct bus_envelope *);
/* The workers that live, without this one. */
void	post_others(struct hub *, uint64_t slots[2]);

/* For whom there it is: to say so, and as it was said; the latter points into
 * the envelope. */
void	post_audience(struct bus_audience *, const struct audience *);
struct audience post_whom(const struct bus_audience *);
/* One list of an envelope: at most BUS_LIST_MAX.  Returns n. */
size_t	post_list(struct slice *to, const struct slice *from, size_t n);

#endif
