/*
 * What an event stream's request says: values of its query within its bytes, and
 * an id that, once read, is written as one that reads the same.
 */
#include "hub/store/cursor.h"
#include "proto/http.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
one_id(struct slice text, size_t rooms)
{
	struct since v[CURSOR_ROOMS_MAX], again[CURSOR_ROOMS_MAX];
	char out[CURSOR_MAX];
	size_t i, n;

	if (!cursor_parse(v, rooms, text))
		return;
	n = cursor_put(out, v, rooms);
	MUST(n <= text.n && cursor_parse(again, rooms, slice_of(out, n)));
	for (i = 0; i < rooms; i++)
		MUST(v[i].given == again[i].given && (!v[i].given ||
		    (v[i].offset == again[i].offset &&
		    slice_eq(since_epoch(&v[i]), since_epoch(&again[i])))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t out[HTTP_LINE_MAX];
	struct slice query = slice_of(data, n);
	size_t commas = 0, i;
	ssize_t r;

	if (n > sizeof out)
		return (0);
	for (i = 0; i < n; i++)
		commas += data[i] == ',';
	if (commas < CURSOR_ROOMS_MAX)
		one_id(query, commas + 1);
	while ((r = http_query_next(&query, "room", out)) != -1)
		MUST(r <= (ssize_t)n);
	return (0);
}
