/*
 * Arguments of an event; see args.h.  Called by rule.c for what a rule
 * takes, by fanout.c and inbound.c for how much there is.
 */
#include "hub/queue/args.h"

#include "proto/json.h"

unsigned
args_count(struct slice args, unsigned max, struct slice *first)
{
	struct json_iter it = { args };
	struct slice key, value;
	unsigned n = 0;

	*first = slice_of(NULL, 0);
	while (n <= max && json_next(&it, &key, &value))
		if (n++ == 0)
			*first = value;
	return (n);
}

size_t
args_bytes(struct slice args, const struct slice *attachments, unsigned n)
{
	size_t bytes = args.n;
	unsigned i;

	for (i = 0; i < n; i++)
		bytes += attachments[i].n;
	return (bytes);
}

bool
args_fill(struct buf *scratch, struct slice *args, unsigned n, unsigned want)
{
	if (n >= want)
		return (true);
	if (n == 0 && want == 1) {
		*args = SLICE("null");
		return (true);
	}
	buf_reset(scratch);
	if (n != 0)
		buf_slice(scratch, *args);
	for (; n < want; n++)
		buf_str(scratch, n == 0 ? "null" : ",null");
	*args = buf_unread(scratch);
	return (!scratch->oom);
}
