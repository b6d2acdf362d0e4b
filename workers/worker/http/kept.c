/*
 * What is kept of a handshake; see kept.h.  Called by admit.c.
 */
#include "worker/http/kept.h"

#include "base/address.h"
#include "base/utf8.h"
#include "hub/client.h"
#include "proto/json.h"
#include "worker/http/request.h"
#include "worker/worker.h"

#define KEPT_VALUE_MAX	1024	/* bytes of one value */
#define KEPT_ENDS	3	/* "}}" and a comma's */

/* "NAME":"VALUE", unless that is too much, or no text. */
static void
kept_put(struct buf *b, bool *first, const char *name, struct slice value)
{
	size_t n = json_escape_size(slice_str(name)) + 1 +
	    json_escape_size(value) + !*first;

	if (value.n > KEPT_VALUE_MAX || !utf8_valid(value) ||
	    b->wpos + n + KEPT_ENDS > HANDSHAKE_MAX) {
		counter_add(COUNTER_handshake_values_dropped, 1);
		return;
	}
	buf_str(b, *first ? "" : ",");
	json_escape(b, slice_str(name));
	buf_byte(b, ':');
	json_escape(b, value);
	*first = false;
}

/* Opens a member that is an object; false: not even that fits. */
static bool
kept_open(struct buf *b, const char *name)
{
	if (b->wpos + 16 + KEPT_ENDS > HANDSHAKE_MAX)
		return (false);
	buf_byte(b, b->wpos == 0 ? '{' : ',');
	json_escape(b, slice_str(name));
	buf_str(b, ":{");
	return (true);
}

static void
kept_query(struct request *rq, struct buf *b, const struct conf_names *names)
{
	struct buf *value = &rq->w->body;	/* there is no answer yet */
	bool first = true;
	ssize_t n;
	size_t i;

	buf_reset(value);
	if (names->n == 0 || !buf_reserve(value, rq->head.query.n + 1) ||
	    !kept_open(b, "query"))
		return;
	for (i = 0; i < names->n; i++) {
		n = http_query_get(rq->head.query, names->v[i], value->data);
		if (n == -2)
			counter_add(COUNTER_handshake_values_dropped, 1);
		if (n >= 0)
			kept_put(b, &first, names->v[i],
			    slice_of(value->data, (size_t)n));
	}
	buf_byte(b, '}');
}

static void
kept_headers(const struct request *rq, struct buf *b,
    const struct conf_names *names)
{
	bool first = true;
	struct slice value;
	size_t i;

	if (names->n == 0 || !kept_open(b, "headers"))
		return;
	for (i = 0; i < names->n; i++)
		if (http_field(&rq->head, names->v[i], &value) > 0)
			kept_put(b, &first, names->v[i], value);
	buf_byte(b, '}');
}

static void
kept_address(const struct request *rq, struct buf *b)
{
	char text[ADDRESS_TEXT_MAX];

	if (from_key(rq) == 0)
		return;		/* a Unix socket */
	buf_str(b, b->wpos == 0 ? "{\"address\":" : ",\"address\":");
	json_escape(b, slice_str(address_text(rq->from.address, 0, text)));
}

static void
kept_trace(const struct request *rq, struct buf *b)
{
	size_t begin;

	buf_str(b, "{\"trace\":");
	begin = b->wpos;
	trace_put(rq, b);
	if (b->wpos == begin)
		buf_reset(b);
}

struct slice
kept_of(struct request *rq)
{
	const struct conf *conf = rq->w->conf;
	struct buf *b = &rq->w->kept;

	if (likely(!conf->keeps_handshakes))
		return (slice_of(NULL, 0));
	buf_reset(b);
	if (conf->keeps_trace)
		kept_trace(rq, b);
	if (conf->keeps_address)
		kept_address(rq, b);
	kept_query(rq, b, &conf->query);
	kept_headers(rq, b, &conf->headers);
	if (b->wpos != 0)
		buf_byte(b, '}');
	if (!b->oom)
		return (buf_unread(b));
	b->oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (slice_of(NULL, 0));
}
