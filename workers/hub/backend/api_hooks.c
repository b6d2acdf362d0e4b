/*
 * Hooks of this host, for operators: how they stand, and what they did not take;
 * see api.h.  Called by the worker with a request whose key was checked; the
 * relay knows (relay/hooks/hooks_operate.c).
 */
#include "hub/backend/api_int.h"

#include "hub/backend/ask.h"
#include "hub/stream/inquire.h"
#include "proto/error.h"
#include "proto/json.h"

static int
api_hooks_refuse(struct buf *out, int status, const char *code, const char *why)
{
	error_encode(out, code, why);
	return (status);
}

/* Its body is JSON, or empty: nobody is called so. */
static void
hooks_said(struct hub *h, uint32_t ref, const struct bus_envelope *e)
{
	bool ok = e != NULL && e->page.result == BUS_STORE_OK;
	int status = !ok ? 503 : e->page.frames.n == 0 ? 404 : 200;
	struct buf b;

	buf_init(&b);
	if (status == 200)
		buf_slice(&b, e->page.frames);
	else
		(void)api_hooks_refuse(&b, status, ok ? "not_found" :
		    "unavailable", ok ? "there is no such hook" :
		    "hooks cannot be asked now");
	ask_stored(h, ref, status, &b);
	buf_fini(&b);
}

static int
api_hooks_ask(struct hub *h, struct bus_envelope *e, void *asker, struct buf *out,
    struct ask **later)
{
	struct ask *a = ask_store(h, asker);

	if (a != NULL && inquire(h, e, ask_ref(a), hooks_said)) {
		*later = a;
		return (0);
	}
	ask_forget(&a);
	return (api_hooks_refuse(out, 503, "unavailable",
	    "hooks cannot be asked now"));
}

/* They are of all namespaces. */
static bool
hooks_may_ask(struct hub *h, struct buf *out)
{
	if (!api_is_limited(h))
		return (true);
	error_encode(out, "forbidden", "this key is for some namespaces only, "
	    "and hooks are of all");
	return (false);
}

int
api_hooks(struct hub *h, const struct api_hooks *q, void *asker,
    struct buf *out, struct ask **later)
{
	struct bus_envelope e;
	struct bus_hooks *b = bus_hooks(&e, q->name.n == 0 ? BUS_HOOKS_LIST :
	    BUS_HOOKS_PAGE);

	*later = NULL;
	if (!hooks_may_ask(h, out))
		return (403);
	b->hook = q->name;
	b->since = q->cursor;
	b->limit = q->limit;
	return (api_hooks_ask(h, &e, asker, out, later));
}

/* "ids": numbers, to 8 bytes each; false: they are none. */
static bool
hooks_read_ids(struct slice body, uint64_t *ids, struct slice *packed)
{
	struct json_iter i;
	struct slice list, key, v;
	int64_t id;
	size_t n = 0;

	if (!json_get(body, SLICE("ids"), &list) ||
	    json_type(list) != JSON_ARRAY || !json_enter(list, &i))
		return (false);
	while (json_next(&i, &key, &v)) {
		if (n == API_LETTERS_MAX || json_type(v) != JSON_NUMBER ||
		    !json_int(v, &id) || id <= 0)
			return (false);
		ids[n++] = (uint64_t)id;
	}
	*packed = slice_of(ids, n * sizeof *ids);
	return (n > 0);
}

/* {"ids":[...]} or {"all":true} */
static bool
hooks_read(struct api_order *o, struct slice text, uint64_t *ids,
    struct slice *packed)
{
	static const struct slice known[] = { SLICE("ids"), SLICE("all") };
	struct slice body, v;
	bool all;

	if (text.n == 0 || json_value(text, &body) != (ssize_t)text.n)
		return (api_order_bad(o, "bad_request",
		    "the body is not valid JSON"));
	if (!api_order_known(o, body, known, nitems(known)))
		return (false);
	all = json_get(body, SLICE("all"), &v);
	if (all && json_type(v) != JSON_TRUE)
		return (api_order_bad(o, "bad_request", "all is true, or "
		    "not there"));
	*packed = slice_of(NULL, 0);
	if (all == json_get(body, SLICE("ids"), &v) ||
	    (!all && !hooks_read_ids(body, ids, packed)))
		return (api_order_bad(o, "bad_request", "which letters: ids, "
		    "1 to 1000 numbers, or all"));
	return (true);
}

int
api_hooks_order(struct hub *h, const struct api_hooks *q, struct slice body,
    void *asker, struct buf *out, struct ask **later)
{
	static uint64_t ids[API_LETTERS_MAX];	/* large; one at a time */
	struct bus_envelope e;
	struct bus_hooks *b = bus_hooks(&e, q->forget ? BUS_HOOKS_FORGET :
	    BUS_HOOKS_RETRY);
	struct api_order o = { .code = NULL };
	int status;
	bool ok;

	*later = NULL;
	if (!hooks_may_ask(h, out))
		return (403);
	if (!api_order_init(&o, body))
		return (api_order_end(&o, false, out));
	ok = hooks_read(&o, body, ids, &b->ids);
	b->hook = q->name;
	status = api_order_end(&o, ok, out);
	return (ok ? api_hooks_ask(h, &e, asker, out, later) : status);
}
