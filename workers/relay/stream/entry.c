/*
 * Entries of streams; see entry.h.  Called by stream.c and lane.c.
 */
#include "relay/stream/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bug.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "proto/offset.h"

/* --- made -------------------------------------------------------------------*/

static void
entry_put_size(struct buf *b, size_t n)
{
	uint32_t size = (uint32_t)n;

	buf_append(b, &size, sizeof size);
}

static void
entry_put_part(struct entry_parts *p, struct slice s)
{
	MUST(p->n++ < ENTRY_PARTS_MAX);
	entry_put_size(&p->bytes, s.n);
	buf_slice(&p->bytes, s);
}

void
entry_put(struct entry_parts *p, const char *name, struct slice value)
{
	entry_put_part(p, slice_str(name));
	entry_put_part(p, value);
}

void
entry_begin(struct entry_parts *p, struct slice type, uint64_t ts_ms)
{
	char text[24];

	buf_reset(&p->bytes);
	p->n = 0;
	(void)snprintf(text, sizeof text, "%" PRIu64, ts_ms);
	entry_put(p, "type", type);
	entry_put(p, "ts", slice_str(text));
}

/* Plain, as the client has it. */
static void
entry_put_text(struct entry_parts *p, const char *name, struct slice raw)
{
	size_t n = json_plain_size(raw, 0);

	entry_put_part(p, slice_str(name));
	MUST(p->n++ < ENTRY_PARTS_MAX);
	entry_put_size(&p->bytes, n);
	if (buf_reserve(&p->bytes, n))
		p->bytes.wpos = (size_t)(json_plain_to(p->bytes.data +
		    p->bytes.wpos, raw, 0) - p->bytes.data);
}

/* All arguments, as one array. */
static void
entry_put_args(struct entry_parts *p, struct slice args)
{
	entry_put_part(p, SLICE("data"));
	MUST(p->n++ < ENTRY_PARTS_MAX);
	entry_put_size(&p->bytes, args.n + 2);
	buf_byte(&p->bytes, '[');
	buf_slice(&p->bytes, args);
	buf_byte(&p->bytes, ']');
}

void
entry_put_event(struct entry_parts *p, const struct bus_publish *e)
{
	char name[40];
	size_t i;

	entry_put(p, "id", e->once);
	if (e->to.nusers != 0)
		entry_put(p, "user", e->to.users[0]);
	if (e->to.nsids != 0)
		entry_put(p, "sid", e->to.sids[0]);
	if (e->to.nrooms != 0)
		entry_put(p, "room", e->to.rooms[0]);
	if (e->meta.n != 0)
		entry_put(p, "handshake", e->meta);
	if (e->trace.n != 0)
		entry_put(p, "trace", e->trace);
	entry_put_text(p, "event", e->event);
	entry_put_args(p, e->args);
	for (i = 0; i < e->nattach; i++) {
		(void)snprintf(name, sizeof name, "attachment%zu", i);
		entry_put(p, name, e->attachments[i]);
	}
}

void
entry_put_forwarded(struct entry_parts *p, const struct bus_publish *e,
    const char *source)
{
	char ref[OFFSET_REF_MAX];
	size_t n = e->kept != FORWARD_WAITS || e->to.nsids == 0 ? 0 :
	    offset_ref_put(ref, slice_str(source), e->to.sids[0], e->once);

	if (n != 0)
		entry_put(p, "ref", slice_of(ref, n));
	entry_put_event(p, e);
}

struct entry *
entry_new(struct entry_parts *p)
{
	struct slice all = buf_unread(&p->bytes);
	struct entry *e = p->bytes.oom ? NULL : malloc(sizeof *e + all.n);

	p->bytes.oom = false;
	if (e == NULL)
		return (NULL);
	*e = (struct entry){ .nparts = p->n, .n = all.n };
	memcpy(e->bytes, all.p, all.n);
	return (e);
}

/* Names and values, of which the last ends where the bytes do. */
static bool
entry_is_whole(struct slice bytes, unsigned nparts)
{
	size_t at = 0;
	uint32_t n;
	unsigned i;

	for (i = 0; i < nparts; i++) {
		if (bytes.n - at < sizeof n)
			return (false);
		memcpy(&n, bytes.p + at, sizeof n);
		at += sizeof n;
		if (bytes.n - at < n)
			return (false);
		at += n;
	}
	return (at == bytes.n);
}

struct entry *
entry_restore(struct slice bytes, unsigned nparts, bool *bad)
{
	struct entry *e;

	*bad = nparts < 2 || nparts > ENTRY_PARTS_MAX || nparts % 2 != 0 ||
	    !entry_is_whole(bytes, nparts);
	e = *bad ? NULL : malloc(sizeof *e + bytes.n);
	if (e == NULL)
		return (NULL);
	*e = (struct entry){ .nparts = nparts, .n = bytes.n };
	memcpy(e->bytes, bytes.p, bytes.n);
	return (e);
}

void
entry_epoch(char out[ENTRY_EPOCH], uint64_t epoch)
{
	(void)snprintf(out, ENTRY_EPOCH, "%016" PRIx64, epoch);
}

/* --- read -------------------------------------------------------------------*/

struct slice
entry_part(const struct entry *e, size_t *at)
{
	uint32_t n;
	size_t begin = *at + sizeof n;

	memcpy(&n, e->bytes + *at, sizeof n);
	*at = begin + n;
	return (slice_of(e->bytes + begin, n));
}

struct slice
entry_field(const struct entry *e, const char *name)
{
	struct slice is, value;
	unsigned i;
	size_t at = 0;

	for (i = 0; i + 1 < e->nparts; i += 2) {
		is = entry_part(e, &at);
		value = entry_part(e, &at);
		if (slice_eq(is, slice_str(name)))
			return (value);
	}
	return (slice_of(NULL, 0));
}
