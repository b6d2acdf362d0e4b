/*
 * What a configuration takes of this host: shared memory, descriptors, room for
 * clients.  For the master when it starts, and for whoever asks whether it
 * could.
 */
#ifndef MASTER_READ_PLAN_H
#define MASTER_READ_PLAN_H

#include "base/bug.h"
#include "conf/model.h"

struct host_needs;
struct segment_params;

#define PLAN_BACKLOG	4096	/* connections that wait at each listen section */

/* Does any limit ask for a count of users, addresses or namespaces? */
bool	plan_counts_keys(const struct conf *) MUST_USE;
/* With that many workers at its start, a daemon may have as many later. */
unsigned plan_room(unsigned workers);
void	plan_segment(const struct conf *, unsigned workers,
	    struct segment_params *);
void	plan_needs(const struct conf *, unsigned workers,
	    struct host_needs *);

#endif
