/*
 * Questions to the relay on behalf of others: whoever asks is told what it says,
 * by a number of its own, in this order or not at all.
 */
#ifndef HUB_STREAM_INQUIRE_H
#define HUB_STREAM_INQUIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct bus_envelope;
struct hub;

/* What ref has asked: BUS_STREAMED, or NULL: no answer has come in time. */
typedef void inquire_said(struct hub *, uint32_t ref,
	    const struct bus_envelope *);
/* false: it was not sent, no memory, or too many wait. */
bool	inquire(struct hub *, struct bus_envelope *, uint32_t ref,
	    inquire_said *) MUST_USE;

#endif
