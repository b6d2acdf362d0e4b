/*
 * Around frames; see sockjs_text.h.
 */
#include "worker/sockjs/sockjs_text.h"

#include "proto/json_sockjs.h"

#define SCRIPT	"application/javascript; charset=UTF-8"

#define TEXT_HS		2048	/* browsers wait for so much of a stream */
#define TEXT_PAGE	1100	/* ... and for more than a KiB of a page */

const struct sockjs_text sockjs_texts[] = {
	[SOCKJS_XHR] = { SCRIPT, SLICE(""), SLICE("\n"), SLICE("a["),
		SLICE("]\n"), COUNTER_sockjs_xhr },
	[SOCKJS_STREAMING] = { SCRIPT, SLICE(""), SLICE("\n"), SLICE("a["),
		SLICE("]\n"), COUNTER_sockjs_streaming },
	[SOCKJS_EVENTSOURCE] = { "text/event-stream", SLICE("data: "),
		SLICE("\r\n\r\n"), SLICE("data: a["), SLICE("]\r\n\r\n"),
		COUNTER_sockjs_eventsource },
	[SOCKJS_HTMLFILE] = { "text/html; charset=UTF-8",
		SLICE("<script>\np(\""), SLICE("\");\n</script>\r\n"),
		SLICE("<script>\np(\"a["), SLICE("]\");\n</script>\r\n"),
		COUNTER_sockjs_htmlfile },
};

static void
text_fill(struct buf *b, size_t n, uint8_t c)
{
	while (b->wpos < n && !b->oom)
		buf_byte(b, c);
}

/* The page runs in a frame of the client's page, whose function it calls. */
static void
text_page(struct buf *b, struct slice callback)
{
	buf_str(b, "<!doctype html>\n<html><head>\n"
	    "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
	    "  <meta http-equiv=\"Content-Type\" content=\"text/html; "
	    "charset=UTF-8\" />\n"
	    "</head><body><h2>Don't panic!</h2>\n  <script>\n"
	    "    document.domain = document.domain;\n    var c = parent.");
	buf_slice(b, callback);
	buf_str(b, ";\n    c.start();\n"
	    "    function p(d) {c.message(d);};\n"
	    "    window.onload = function() {c.stop();};\n  </script>");
	text_fill(b, TEXT_PAGE, ' ');
	buf_str(b, "\r\n\r\n");
}

void
sockjs_text_prelude(struct buf *b, enum sockjs_transport t,
    struct slice callback)
{
	switch (t) {
	case SOCKJS_XHR:
		break;
	case SOCKJS_STREAMING:
		text_fill(b, b->wpos + TEXT_HS, 'h');
		buf_byte(b, '\n');
		break;
	case SOCKJS_EVENTSOURCE:
		buf_str(b, "\r\n");
		break;
	case SOCKJS_HTMLFILE:
		text_page(b, callback);
		break;
	}
}

void
sockjs_text_frame(struct buf *b, enum sockjs_transport t, struct slice frame)
{
	buf_slice(b, sockjs_texts[t].before);
	if (t == SOCKJS_HTMLFILE)
		sockjs_encode_script(b, frame);
	else
		buf_slice(b, frame);
	buf_slice(b, sockjs_texts[t].behind);
}
