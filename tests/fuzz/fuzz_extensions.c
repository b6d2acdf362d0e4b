/*
 * A value of Sec-WebSocket-Extensions: what is chosen was offered, and it is the
 * same when the list comes in two fields.
 */
#include "proto/ws.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
offered(struct slice a, struct slice b, struct ws_deflate *d)
{
	static struct http_request rq;

	rq.nfields = 2;
	rq.fields[0] = (struct http_field){
	    SLICE("Sec-WebSocket-Extensions"), a };
	rq.fields[1] = (struct http_field){
	    SLICE("sec-websocket-extensions"), b };
	return (ws_deflate_offered(&rq, d));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char name[] = "permessage-deflate";
	struct slice all = slice_of(p, n), none = { NULL, 0 };
	struct ws_deflate d, e;
	bool good = offered(all, none, &d);
	struct buf b;
	size_t i;

	if (d.window != DEFLATE_NONE) {
		MUST(d.window < DEFLATE__MAX);
		for (i = 0; i + sizeof name - 1 <= n; i++)
			if (memcmp(p + i, name, sizeof name - 1) == 0)
				break;
		MUST(i + sizeof name - 1 <= n);
		buf_init(&b);
		ws_deflate_encode(&b, &d);
		MUST(!b.oom && b.wpos < 200);
		buf_fini(&b);
	}
	for (i = 0; i < n; i++)
		if (p[i] == ',' && good) {	/* it is in no quotes */
			MUST(offered(slice_of(p, i),
			    slice_from(all, i + 1), &e));
			MUST(e.window == d.window && e.tell == d.tell);
		}
	return (0);
}
