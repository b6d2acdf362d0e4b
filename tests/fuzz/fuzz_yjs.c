/*
 * Any bytes as a message of y-websocket: what is accepted is written as it was,
 * vectors merge to vectors that know as much, and lists end.
 */
#include "proto/yjs/yjs.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
again(const struct yjs_message *m)
{
	struct yjs_message got;
	struct buf b;

	if (m->kind == YJS_UNKNOWN)
		return;
	buf_init(&b);
	yjs_put(&b, m->kind, m->body);
	MUST(yjs_decode(buf_unread(&b), &got) == (ssize_t)b.wpos);
	MUST(got.kind == m->kind && slice_eq(got.body, m->body));
	buf_fini(&b);
}

static void
merge(struct slice v)
{
	struct buf once, twice;

	if (!yjs_vector_is_good(v))
		return;
	buf_init(&once);
	buf_init(&twice);
	MUST(yjs_vector_merge(&once, v, v, SIZE_MAX));
	MUST(yjs_vector_is_good(buf_unread(&once)));
	/* a client's clocks are in order, so a merge changes it no more */
	MUST(yjs_vector_merge(&twice, buf_unread(&once), v, SIZE_MAX));
	MUST(slice_eq(buf_unread(&once), buf_unread(&twice)));
	buf_fini(&once);
	buf_fini(&twice);
}

static void
states(struct slice in)
{
	struct yjs_state s;
	uint64_t n;

	if (!yjs_states(&in, &n))
		return;
	while (n-- > 0 && yjs_state_next(&in, &s))
		MUST(s.client <= YJS_NUMBER_MAX && s.clock <= YJS_NUMBER_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	struct yjs_message m;
	struct yjs_note note;

	if (yjs_decode(in, &m) == CODEC_BAD)
		MUST(m.kind == YJS_UNKNOWN);
	again(&m);
	merge(m.body);
	merge(in);
	states(m.body);
	states(in);
	if (yjs_note_read(in, &note))
		MUST(yjs_vector_is_good(note.vector));
	return (0);
}
