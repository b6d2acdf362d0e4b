/*
 * The first byte chooses: a request head, decoded whole and with one split,
 * and everything that looks at it; or a chunked body in two cuts.
 */
#include <stdlib.h>

#include "proto/http.h"
#include "proto/ws.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
look(const struct http_request *r)
{
	uint8_t *out = malloc(HTTP_HEAD_MAX);
	struct ws_offer offer;
	struct http_list l;
	struct slice s;
	size_t i;

	MUST(out != NULL);
	MUST(r->nfields <= HTTP_FIELDS_MAX);
	for (i = 0; i < r->nfields; i++)
		MUST(memchr(r->fields[i].name.p, ':', r->fields[i].name.n) ==
		    NULL);
	if (http_cookie(r, SLICE("a"), &s))
		MUST(http_field(r, "cookie", &s));
	MUST(http_query_get(r->query, "sid", out) <= (ssize_t)r->query.n);
	MUST(http_path_decode(r->path, out) <= (ssize_t)r->path.n);
	MUST(http_query_filled(r->query, "sid", out) <= (ssize_t)r->query.n);
	if (ws_check_request(r, &offer) == 0)
		MUST(offer.why == NULL);
	for (l = http_list(r, "a"); http_list_next(&l, &s); )
		MUST(s.n > 0);
	if (http_bearer(r, &s) > 0)
		MUST(s.n > 0);
	free(out);
}

static void
fuzz_request(struct slice in, size_t split)
{
	static struct http_request whole, part;
	ssize_t n, m;
	uint8_t *p;

	if (split > in.n)
		split = in.n;
	n = http_decode_request(in, &whole);
	p = malloc(split == 0 ? 1 : split);
	MUST(p != NULL);
	if (split > 0)
		memcpy(p, in.p, split);
	m = http_decode_request(slice_of(p, split), &part);
	free(p);
	/* What a beginning says is final. */
	if (m != CODEC_MORE)
		MUST(m == n && (m > 0 || part.status == whole.status));
	if (n == CODEC_BAD)
		MUST(whole.status >= 400 && whole.why != NULL);
	if (n > 0) {
		MUST((size_t)n <= in.n && n <= HTTP_HEAD_MAX);
		look(&whole);
	}
}

/* Body bytes into b; what is left behind the end, or -1. */
static ssize_t
chunked(struct slice in, size_t step, struct buf *b)
{
	struct http_chunked c = { 0, 0, 0, 0 };
	struct slice data;
	bool end = false;
	ssize_t n;

	while (in.n > 0 && !end) {
		n = http_decode_chunked(&c, slice_of(in.p, in.n < step ? in.n :
		    step), &data, &end);
		if (n == CODEC_BAD)
			return (-1);
		MUST(n > 0);
		buf_slice(b, data);
		in = slice_from(in, (size_t)n);
	}
	return ((ssize_t)in.n + end);
}

static void
fuzz_chunked(struct slice in, size_t step)
{
	struct buf a, b;
	ssize_t n;

	buf_init(&a);
	buf_init(&b);
	n = chunked(in, SIZE_MAX, &a);
	MUST(chunked(in, step + 1, &b) == n);
	MUST(slice_eq(buf_unread(&a), buf_unread(&b)));
	buf_fini(&a);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return (0);
	if (data[0] == 'c')
		fuzz_chunked(slice_of(data + 2, n - 2), data[1]);
	else
		fuzz_request(slice_of(data + 2, n - 2), data[1]);
	return (0);
}
