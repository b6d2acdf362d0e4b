/*
 * What a hook gives to one whom it lets in: who he is.  Rooms and words are
 * given once he has a session (hub/rule/door.h).
 */
#ifndef HUB_STREAM_GRANTED_H
#define HUB_STREAM_GRANTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct hub;
struct principal;
struct verdict;

/* *who, a reference or NULL, becomes whom the verdict says, if it does: as of
 * when the hook was asked, where no token says when.  false: no memory, which
 * is counted. */
bool	granted_who(struct hub *, const struct verdict *, uint64_t asked_ms,
	    struct principal **who) MUST_USE;

#endif
