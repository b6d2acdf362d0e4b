/*
 * A head: whoever asks, and by what way, is found within it, and what stands to
 * the left of a stranger changes nothing.
 */
#include "proto/http_forwarded.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Mapped IPv4 addresses that begin with a 1. */
static bool
trusts(const void *arg, const uint8_t a[16])
{
	(void)arg;
	return (a[0] == 0 && a[10] == 0xff && a[12] < 2);
}

static void
inside(struct slice in, struct slice part)
{
	MUST(part.n == 0 || (part.p >= in.p && slice_end(part) <=
	    slice_end(in)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct http_request r;
	struct slice in = slice_of(data, n);
	unsigned i;

	if (http_decode_request(in, &r) <= 0)
		return (0);
	for (i = 0; i < 2; i++) {
		struct forwarded f = { .address = { [10] = 0xff, [11] = 0xff,
		    1 }, .port = 1 };

		(i == 0 ? forwarded_x : forwarded_read)(&r, trusts, NULL, &f);
		inside(in, f.proto);
		inside(in, f.host);
		MUST(http_valid_host(f.host));
	}
	return (0);
}
