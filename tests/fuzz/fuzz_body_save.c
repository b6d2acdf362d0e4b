/*
 * Bodies on their way, out of bytes that may be anything: what loads saves as
 * itself.
 */
#include "base/state.h"
#include "worker/http/body.h"
#include "worker/http/route.h"
#include "worker/worker.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
take(struct request *rq, struct slice body)
{
	(void)rq;
	(void)body;
}

static const struct route_row rows[ROUTE__MAX] = {
	[ROUTE_PUBLISH] = { .body = take },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf_api_key key = { .sha256 = "key" };
	static const struct conf conf = { .api_keys = &key, .napi_keys = 1 };
	static const struct worker w = { .conf = &conf, .routes = rows };
	struct state_in in = state_in(slice_of(data, n));
	struct http_body *b;
	struct buf again;

	b = body_load(&w, &in);
	if (b == NULL)
		return (0);
	buf_init(&again);
	MUST(body_save(b, &again));
	MUST(slice_eq(buf_unread(&again), slice_of(data,
	    n - (size_t)(in.end - in.p))));
	buf_fini(&again);
	body_free(&b);
	return (0);
}
