/*
 * Names of requests; see trace.h.
 */
#include "worker/http/trace.h"

#include "base/ascii.h"
#include "base/hash.h"
#include "proto/json.h"
#include "shm/segment.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define TRACE_PARENT	55u	/* bytes that each version of it has */

/* What stands in a log line and a header without quotes. */
static bool
trace_is_id(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) &&
		    !((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z') &&
		    (s.p[i] == '\0' || strchr("-._:+/=@", s.p[i]) == NULL))
			return (false);
	return (s.n > 0 && s.n <= TRACE_ID_MAX);
}

/* Lower case, and not all zeros. */
static bool
trace_is_hex(struct slice s)
{
	bool any = false;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (ascii_hex(s.p[i]) < 0 || (s.p[i] >= 'A' && s.p[i] <= 'F'))
			return (false);
		any = any || ascii_hex(s.p[i]) > 0;
	}
	return (any);
}

/* "00-TRACE-PARENT-01", later versions with more behind it: the trace. */
static bool
trace_of_parent(struct slice s, struct slice *id)
{
	if (s.n < TRACE_PARENT || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-' ||
	    (slice_starts(s, SLICE("00")) ? s.n != TRACE_PARENT :
	    !trace_is_hex(slice_of(s.p, 2)) || slice_starts(s, SLICE("ff")) ||
	    (s.n > TRACE_PARENT && s.p[TRACE_PARENT] != '-')) || ascii_hex(s.p[53]) < 0 ||
	    ascii_hex(s.p[54]) < 0 || !trace_is_hex(slice_of(s.p + 36, 16)))
		return (false);
	*id = slice_of(s.p + 3, 32);
	return (trace_is_hex(*id));
}

static bool
trace_keeps(struct request *rq)
{
	struct slice s;

	if (!rq->from.proxied)
		return (false);
	if (http_field(&rq->head, "X-Request-ID", &s) != 1 || !trace_is_id(s)) {
		if (http_field(&rq->head, "traceparent", &s) != 1 ||
		    !trace_of_parent(s, &s))
			return (false);
	}
	memcpy(rq->trace.id, s.p, s.n);
	rq->trace.id[s.n] = '\0';
	return (true);
}

/* No other request of this host has it. */
static void
trace_make(struct request *rq)
{
	struct worker *w = rq->w;
	struct hash_key key = segment_key(w->h->segment);
	uint64_t from[] = { w->wall.ms, w->requests++,
		(uint64_t)w->h->slot << 32 | w->h->generation };
	uint64_t a = hash_bytes(&key, slice_of(from, sizeof from));

	ascii_put_hex(rq->trace.id, a);
	from[0] = a;
	ascii_put_hex(rq->trace.id + 16, hash_bytes(&key, slice_of(from, 16)));
	rq->trace.id[32] = '\0';
}

void
trace_find(struct request *rq)
{
	rq->trace.kept = trace_keeps(rq);
	if (!rq->trace.kept)
		trace_make(rq);
}

void
trace_put(const struct request *rq, struct buf *b)
{
	struct slice id, parent, trace;
	bool has_id, has_parent;

	if (!rq->trace.kept)
		return;
	has_id = http_field(&rq->head, "X-Request-ID", &id) == 1 &&
	    trace_is_id(id);
	has_parent = http_field(&rq->head, "traceparent", &parent) == 1 &&
	    trace_of_parent(parent, &trace);
	if (!has_id && !has_parent)
		return;
	buf_byte(b, '{');
	if (has_id) {
		buf_str(b, "\"request_id\":");
		json_escape(b, id);
	}
	if (has_parent) {
		buf_str(b, has_id ? ",\"traceparent\":" :
		    "\"traceparent\":");
		json_escape(b, slice_of(parent.p, TRACE_PARENT));
	}
	buf_byte(b, '}');
}

const char *
trace_line(const struct trace *t, char out[TRACE_LINE_MAX])
{
	static const char name[] = "X-Request-ID: ";
	size_t n = strlen(t->id), at = sizeof name - 1;

	if (n == 0)
		return ("");
	memcpy(out, name, at);
	memcpy(out + at, t->id, n);
	memcpy(out + at + n, "\r\n", sizeof "\r\n");
	return (out);
}
