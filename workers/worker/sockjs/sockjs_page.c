/*
 * What SockJS answers without a session: a greeting, what an endpoint can do,
 * the page in whose frame old browsers put the client, preflights.
 */
#include <bsd/stdlib.h>

#include "base/digest.h"
#include "worker/http/reply.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

#define PAGE_YEAR_S	31536000u
#define PAGE_TEXT	"text/plain; charset=UTF-8"

void
sockjs_page_words(struct request *rq, int status, const char *words)
{
	reply_send(rq, status, PAGE_TEXT, slice_str(words), NULL);
}

void
sockjs_page_greeting(struct request *rq)
{
	reply_send(rq, 200, PAGE_TEXT, SLICE("Welcome to SockJS!\n"), NULL);
}

void
sockjs_page_info(struct request *rq)
{
	const struct conf_sockjs *k = &rq->w->conf->sockjs;
	struct buf *b = &rq->w->body;

	buf_reset(b);
	buf_printf(b, "{\"websocket\":%s,\"cookie_needed\":%s,"
	    "\"origins\":[\"*:*\"],\"entropy\":%u}",
	    k->websocket ? "true" : "false", k->cookie ? "true" : "false",
	    arc4random());
	reply_body(rq, 200, "application/json; charset=UTF-8", NULL);
}

/* For a year, from now. */
static void
page_cached(struct request *rq, struct buf *b)
{
	buf_printf(b, "Cache-Control: public, max-age=%u\r\n", PAGE_YEAR_S);
	http_encode_date(b, "Expires", rq->w->wall.ms / 1000 + PAGE_YEAR_S);
}

/* Lines that were gathered; false: no memory, answered. */
static bool
page_lines(struct request *rq, struct buf *b)
{
	buf_byte(b, '\0');
	if (!b->oom)
		return (true);
	buf_fini(b);
	reply_no_memory(rq);
	return (false);
}

void
sockjs_page_options(struct request *rq, const char *allow)
{
	struct slice headers;
	struct buf b;

	buf_init(&b);
	page_cached(rq, &b);
	buf_printf(&b, "Access-Control-Allow-Methods: %s\r\n"
	    "Access-Control-Max-Age: %u\r\n", allow, PAGE_YEAR_S);
	if (http_field(&rq->head, "Access-Control-Request-Headers",
	    &headers) == 1 && headers.n > 0) {
		buf_str(&b, "Access-Control-Allow-Headers: ");
		buf_slice(&b, headers);
		buf_str(&b, "\r\n");
	}
	if (!page_lines(rq, &b))
		return;
	reply_send(rq, 204, NULL, slice_of(NULL, 0), (const char *)b.data);
	buf_fini(&b);
}

static void
page_iframe_body(struct buf *b, const char *url)
{
	buf_printf(b, "<!DOCTYPE html>\n<html>\n<head>\n"
	    "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
	    "  <meta http-equiv=\"Content-Type\" content=\"text/html; "
	    "charset=UTF-8\" />\n"
	    "  <script src=\"%s\"></script>\n  <script>\n"
	    "    document.domain = document.domain;\n"
	    "    SockJS.bootstrap_iframe();\n  </script>\n</head>\n<body>\n"
	    "  <h2>Don't panic!</h2>\n  <p>This is a SockJS hidden iframe. "
	    "It's used for cross domain magic.</p>\n</body>\n</html>", url);
}

void
sockjs_page_iframe(struct request *rq)
{
	struct buf *page = &rq->w->body, b;
	struct slice seen, tag;
	uint8_t digest[32];
	size_t at;
	bool same;

	buf_reset(page);
	page_iframe_body(page, rq->w->conf->sockjs.client_url);
	digest_sha256(buf_unread(page), digest);
	buf_init(&b);
	page_cached(rq, &b);
	buf_str(&b, "ETag: ");
	at = b.wpos;
	buf_byte(&b, '"');
	if (buf_reserve(&b, 24))
		b.wpos += digest_base64url_encode(slice_of(digest, 16),
		    b.data + b.wpos);
	buf_byte(&b, '"');
	tag = slice_of(b.data + at, b.oom ? 0 : b.wpos - at);
	same = http_field(&rq->head, "If-None-Match", &seen) == 1 &&
	    slice_eq(seen, tag);
	buf_str(&b, "\r\n");
	if (!page_lines(rq, &b))
		return;
	if (same)
		reply_send(rq, 304, NULL, slice_of(NULL, 0),
		    (const char *)b.data);
	else
		reply_body(rq, 200, "text/html; charset=UTF-8",
		    (const char *)b.data);
	buf_fini(&b);
}
