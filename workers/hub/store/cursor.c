/*
 * Places of several rooms; see cursor.h.  Called by who speaks to streams.
 */
#include "hub/store/cursor.h"

#include "base/ascii.h"
#include "base/number.h"

size_t
cursor_put(char out[CURSOR_MAX], const struct since *v, size_t n)
{
	uint8_t *start = (uint8_t *)out, *to = start;
	size_t i;

	MUST(n <= CURSOR_ROOMS_MAX);
	for (i = 0; i < n; i++) {
		if (i > 0)
			*to++ = ',';
		if (!v[i].given)
			continue;
		memcpy(to, v[i].epoch, v[i].epoch_len);
		to += v[i].epoch_len;
		*to++ = ':';
		to = number_put(to, v[i].offset, 10);
	}
	return ((size_t)(to - start));
}

bool
cursor_parse(struct since *v, size_t n, struct slice text)
{
	struct slice one;
	size_t i, commas = 0;

	for (i = 0; i < text.n; i++)
		commas += text.p[i] == ',';
	if (n == 0 || commas != n - 1)
		return (false);
	for (i = 0; i < n; i++) {
		one = ascii_take(&text, ',');
		v[i] = (struct since){ .given = false };
		if (one.n != 0 && !since_parse(&v[i], one))
			return (false);
	}
	return (true);
}
