/*
 * A packet whose attachments have not all come, as a thing; see engine.h.  What
 * comes into it is socketio.c's.
 */
#include <stdlib.h>

#include "hub/dialect/engine.h"
#include "base/state.h"
#include "proto/sio.h"

STATE_FIELDS(assembly, 184);

#define ASSEMBLY_TAG	0x5341		/* "AS" */
#define ASSEMBLY_VERSION 1

void
assembly_free(struct assembly **ap)
{
	struct assembly *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	buf_fini(&a->text);
	buf_fini(&a->bytes);
	free(a);
}

void
assembly_save(const struct assembly *a, struct buf *b)
{
	size_t at = state_open(b, ASSEMBLY_TAG, ASSEMBLY_VERSION);
	unsigned i;

	state_put_slice(b, buf_unread(&a->text));
	state_put_slice(b, buf_unread(&a->bytes));
	state_put_u32(b, a->want);
	state_put_u32(b, a->got);
	for (i = 0; i < a->got; i++)
		state_put_u64(b, a->ends[i]);
	state_put_u64(b, a->deadline_us);
	state_close(b, at);
}

/* What socketio.c relies on. */
static bool
assembly_is_good(const struct assembly *a)
{
	struct sio_packet p;
	size_t end = 0;
	unsigned i;

	for (i = 0; i < a->got; i++) {
		if (a->ends[i] < end)
			return (false);
		end = a->ends[i];
	}
	return (end == a->bytes.wpos && a->got < a->want &&
	    a->want <= SIO_ATTACHMENTS_MAX && a->want <= nitems(a->ends) &&
	    sio_decode(buf_unread(&a->text), &p) > 0 &&
	    p.nattach == a->want);
}

static bool
assembly_load_fields(struct assembly *a, struct state_in *in)
{
	unsigned i;

	buf_slice(&a->text, state_get_slice(in));
	buf_slice(&a->bytes, state_get_slice(in));
	a->want = state_get_u32(in);
	a->got = state_get_below(in, nitems(a->ends));
	for (i = 0; i < a->got; i++)
		a->ends[i] = state_get_u64(in);
	a->deadline_us = state_get_u64(in);
	return (state_end(in) && !a->text.oom && !a->bytes.oom &&
	    assembly_is_good(a));
}

struct assembly *
assembly_load(struct state_in *in)
{
	struct assembly *a;
	struct state_in body;
	uint16_t version;

	if (!state_section(in, ASSEMBLY_TAG, &version, &body) ||
	    version != ASSEMBLY_VERSION)
		return (NULL);
	a = calloc(1, sizeof *a);
	if (a == NULL)
		return (NULL);
	buf_init(&a->text);
	buf_init(&a->bytes);
	if (!assembly_load_fields(a, &body))
		assembly_free(&a);
	return (a);
}
