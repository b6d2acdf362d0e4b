/*
 * A string on the heap, or NULL, as bytes: lines of a response that comes later,
 * a path.  To another worker.
 */
#ifndef WORKER_NET_TEXT_SAVE_H
#define WORKER_NET_TEXT_SAVE_H

#include <stdbool.h>

#include "base/bug.h"

struct buf;
struct state_in;

void	text_save(struct buf *, const char *);
/* false: bad, or no memory, and *text is NULL. */
bool	text_load(struct state_in *, char **text) MUST_USE;

#endif
