/*
 * By which request a client came: the id that http/trace.h gave it, kept by the
 * client's number for the record of its end, where log_connections asks for
 * one.  Whoever moves to another worker takes its name along.  Bounded by the
 * clients that there are: a name goes with the connection, or the session over
 * polling, that it is of.
 */
#ifndef WORKER_NET_NAMES_H
#define WORKER_NET_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

#define NAMES_LENGTH_MAX	64	/* bytes of one; as of TRACE_ID_MAX */

struct buf;
struct names;
struct state_in;

/* In *np, made with the first one; number 0 is nobody's.  Without memory, or
 * when it is longer, there is none. */
void	names_put(struct names **np, uint32_t number, const char *name);
/* NULL: none.  Valid until it is dropped. */
const char *names_find(const struct names *, uint32_t number);
/* It may be dropped already. */
void	names_drop(struct names *, uint32_t number);
void	names_free(struct names **np);

/* false: bad.  What there is no memory for is left out. */
void	names_save(const struct names *, uint32_t number, struct buf *);
bool	names_load(struct names **np, uint32_t number, struct state_in *)
	    MUST_USE;

#endif
