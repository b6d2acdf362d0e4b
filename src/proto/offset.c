/*
 * Ids of publications and offsets of events; see offset.h.  Called by the hub
 * and by the relay, which both make some, and by those who look whose one is.
 */
#include "proto/offset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
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

/* --- references ------------------------------------------------------------ */

/* As sids and ids are made: of no other characters. */
static bool
offset_ref_is_name(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) &&
		    !((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z') &&
		    s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
			return (false);
	return (true);
}

static bool
offset_ref_is_whole(const struct offset_ref *r)
{
	size_t i;

	for (i = 0; i < r->host.n; i++)
		if (ascii_hex(r->host.p[i]) < 0)
			return (false);
	return (r->host.n == OFFSET_REF_HOST && r->sid.n == OFFSET_REF_SID &&
	    offset_ref_is_name(r->sid) && r->id.n > 0 && r->id.n <= OFFSET_REF_ID &&
	    offset_ref_is_name(r->id));
}

size_t
offset_ref_put(char out[OFFSET_REF_MAX], struct slice host, struct slice sid,
    struct slice id)
{
	const struct offset_ref r = { host, sid, id };

	if (!offset_ref_is_whole(&r))
		return (0);
	memcpy(out, host.p, OFFSET_REF_HOST);
	out[OFFSET_REF_HOST] = '.';
	memcpy(out + OFFSET_REF_HOST + 1, sid.p, OFFSET_REF_SID);
	out[OFFSET_REF_HOST + 1 + OFFSET_REF_SID] = '.';
	memcpy(out + OFFSET_REF_HOST + OFFSET_REF_SID + 2, id.p, id.n);
	return (OFFSET_REF_HOST + OFFSET_REF_SID + 2 + id.n);
}

bool
offset_ref_read(struct slice s, struct offset_ref *r)
{
	if (s.n <= OFFSET_REF_HOST + OFFSET_REF_SID + 2 || s.n > OFFSET_REF_MAX ||
	    s.p[OFFSET_REF_HOST] != '.' ||
	    s.p[OFFSET_REF_HOST + 1 + OFFSET_REF_SID] != '.')
		return (false);
	r->host = slice_of(s.p, OFFSET_REF_HOST);
	r->sid = slice_of(s.p + OFFSET_REF_HOST + 1, OFFSET_REF_SID);
	r->id = slice_from(s, OFFSET_REF_HOST + OFFSET_REF_SID + 2);
	return (offset_ref_is_whole(r));
}
