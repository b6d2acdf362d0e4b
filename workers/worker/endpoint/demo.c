/*
 * The demo page and its policy.
 */
#include "worker/endpoint/demo.h"

#include "base/digest.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/worker.h"

/* The next open...close in *rest; false: none. */
static bool
demo_next(struct slice *rest, struct slice open, struct slice close,
    struct slice *inner)
{
	const uint8_t *from, *to;

	from = memmem(rest->p, rest->n, open.p, open.n);
	if (from == NULL)
		return (false);
	*rest = slice_from(*rest, (size_t)(from - rest->p) + open.n);
	to = memmem(rest->p, rest->n, close.p, close.n);
	if (to == NULL)
		return (false);
	*inner = slice_of(rest->p, (size_t)(to - rest->p));
	*rest = slice_from(*rest, inner->n + close.n);
	return (true);
}

static void
demo_digests(struct buf *b, struct slice page, struct slice open,
    struct slice close)
{
	uint8_t digest[32], text[44];
	struct slice inner;
	bool any = false;

	while (demo_next(&page, open, close, &inner)) {
		digest_sha256(inner, digest);
		buf_str(b, " 'sha256-");
		buf_append(b, text, digest_base64_encode(
		    slice_of(digest, sizeof digest), text));
		buf_byte(b, '\'');
		any = true;
	}
	if (!any)
		buf_str(b, " 'none'");
}

void
demo_policy(struct buf *b, struct slice page)
{
	buf_str(b, "Content-Security-Policy: default-src 'none'; script-src");
	demo_digests(b, page, SLICE("<script>"), SLICE("</script>"));
	buf_str(b, "; style-src");
	demo_digests(b, page, SLICE("<style>"), SLICE("</style>"));
	buf_str(b, "; connect-src 'self'; img-src data:; base-uri 'none'; "
	    "form-action 'none'; frame-ancestors 'none'\r\n");
}

void
demo_serve(struct request *rq)
{
	const struct heritage *h = rq->w->h;

	if (h->demo_page.n == 0)
		reply_error(rq, 404, "not_found", "no demo page configured");
	else if (rq->match.route == ROUTE_DEMO_MOVED)
		reply_send(rq, 308, NULL, slice_of(NULL, 0),
		    "Location: /demo/\r\n");
	else
		reply_send(rq, 200, "text/html; charset=utf-8",
		    h->demo_page, rq->w->demo_extra);
}
