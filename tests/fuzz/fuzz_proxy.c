/*
 * A header of the PROXY protocol, whole and cut once: what a beginning says is
 * final, and nothing but the header is used.
 */
#include <stdlib.h>

#include "proto/proxy.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
cut(struct slice in, enum proxy_version takes)
{
	struct proxy whole, part;
	size_t n = in.n / 2;
	uint8_t *p = malloc(n == 0 ? 1 : n);
	ssize_t r, s;

	MUST(p != NULL);
	if (n > 0)
		memcpy(p, in.p, n);
	r = proxy_decode(in, takes, &whole);
	s = proxy_decode(slice_of(p, n), takes, &part);
	free(p);
	MUST(r >= CODEC_BAD && r <= PROXY_MAX && r <= (ssize_t)in.n);
	MUST(in.n < PROXY_MAX || r != CODEC_MORE);
	if (r == CODEC_BAD)
		MUST(whole.why != NULL);
	if (s != CODEC_MORE)
		MUST(s == r && part.port == whole.port &&
		    memcmp(part.address, whole.address, 16) == 0 &&
		    part.tls == whole.tls);
	MUST(r <= 0 || whole.known || !whole.tls);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cut(slice_of(data, n), PROXY_V1);
	cut(slice_of(data, n), PROXY_V2);
	cut(slice_of(data, n), PROXY_ANY);
	return (0);
}
