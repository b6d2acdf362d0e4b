/*
 * Ids of publications and offsets of events; see offset.h.  Called by the hub
 * and by the relay, which both make some, and by those who look whose one is.
 */
#include "proto/offset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/number.h"

#define OFFSET_NODE	9	/* NODE and its dot */

void
offset_origin(struct offset_origin *o, uint64_t node_id, unsigned slot,
    unsigned generation)
{
	int n = snprintf(o->text, sizeof o->text, "%08" PRIx64 ".%u.%u.",
	    node_id & UINT32_MAX, slot, generation);

	MUST(n > OFFSET_NODE && (size_t)n < sizeof o->text);
	o->n = (size_t)n;
	o->marks = slot != 0;
}

uint8_t *
offset_id_put(uint8_t *out, const struct offset_origin *o, uint64_t n)
{
	memcpy(out, o->text, o->n);
	return (number_put(out + o->n, n, 16));
}

struct slice
offset_make(uint8_t out[OFFSET_MAX], const struct offset_origin *o, uint64_t n)
{
	uint8_t *p = out;

	*p++ = '"';
	memcpy(p, o->text, o->n);
	p += o->n;
	if (o->marks)
		*p++ = 'o';
	p = number_put(p, n, 16);
	*p++ = '"';
	return (slice_of(out, (size_t)(p - out)));
}

bool
offset_is_ours(struct slice raw, const struct offset_origin *o)
{
	return (raw.n > 1 + OFFSET_NODE && raw.p[0] == '"' &&
	    memcmp(raw.p + 1, o->text, OFFSET_NODE) == 0);
}
