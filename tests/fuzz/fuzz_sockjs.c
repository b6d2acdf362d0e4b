/*
 * Any text as what a client of SockJS sends: each message is a valid string, and,
 * sent on, is again what it was.
 */
#include <stdlib.h>

#include "proto/json_sockjs.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
send_on(struct slice raw)
{
	uint8_t *text = malloc(raw.n), *out, *again;
	size_t n, m;

	MUST(text != NULL && json_valid(raw));
	n = (size_t)(json_plain_to(text, raw, 0) - text);
	m = n + sockjs_escape_more(slice_of(text, n));
	out = malloc(m + 2);
	again = malloc(m + 2);
	MUST(out != NULL && again != NULL);
	/* as the wire does it: from the end of the room to its beginning */
	out[0] = out[m + 1] = '"';
	memcpy(out + 1 + (m - n), text, n);
	MUST(sockjs_escape_to(out + 1, slice_of(out + 1 + (m - n), n)) ==
	    out + 1 + m);
	MUST(json_valid(slice_of(out, m + 2)));
	MUST(slice_eq(slice_of(text, n), slice_of(again,
	    (size_t)(json_plain_to(again, slice_of(out, m + 2), 0) - again))));
	free(text);
	free(out);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sockjs_messages m;
	struct slice raw;
	struct buf b;

	if (sockjs_decode(slice_of(data, n), &m))
		while (sockjs_next(&m, &raw))
			send_on(raw);
	buf_init(&b);
	sockjs_encode_script(&b, slice_of(data, n));
	MUST(b.wpos == 0 || memchr(b.data, '<', b.wpos) == NULL);
	buf_fini(&b);
	MUST(!sockjs_name_is_good(slice_of(data, n)) || n > 0);
	MUST(!sockjs_callback_is_good(slice_of(data, n)) ||
	    memchr(data, '(', n) == NULL);
	return (0);
}
