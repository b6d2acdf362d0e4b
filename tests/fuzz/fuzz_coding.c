/*
 * A value of Accept-Encoding: the choice is one that was offered, and the same
 * when a list comes in two fields.
 */
#include "proto/coding.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static enum coding
choose(struct slice a, struct slice b, bool *must)
{
	static struct http_request rq;

	rq.nfields = 2;
	rq.fields[0] = (struct http_field){ SLICE("Accept-Encoding"), a };
	rq.fields[1] = (struct http_field){ SLICE("accept-encoding"), b };
	return (coding_choose(&rq, must));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice all = slice_of(p, n), none = { NULL, 0 };
	enum coding c, d;
	bool must, also;
	size_t i;

	c = choose(all, none, &must);
	MUST(c < CODING__MAX);
	if (c != CODING_IDENTITY)
		MUST(memchr(p, 'z', n) != NULL || memchr(p, 'Z', n) != NULL ||
		    memchr(p, 'd', n) != NULL || memchr(p, 'D', n) != NULL ||
		    memchr(p, '*', n) != NULL);
	if (must)
		MUST(memchr(p, '0', n) != NULL);
	for (i = 0; i < n; i++)
		if (p[i] == ',') {
			d = choose(slice_of(p, i), slice_from(all, i + 1),
			    &also);
			MUST(d == c && also == must);
		}
	return (0);
}
