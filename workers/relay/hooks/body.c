/*
 * Bodies of requests to hooks; see body.h.  Called by courier.c.
 */
#include "relay/hooks/body.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/digest.h"
#include "proto/json.h"

/* How a field is written. */
enum body_form { BODY_TEXT, BODY_RAW, BODY_BYTES };

static enum body_form
body_form(struct slice name)
{
	static const char *const raw[] = { "ts", "data", "meta",
		"handshake", "trace" };
	size_t i;

	for (i = 0; i < nitems(raw); i++)
		if (slice_eq(name, slice_str(raw[i])))
			return (BODY_RAW);
	return (slice_starts(name, SLICE("attachment")) ? BODY_BYTES :
	    BODY_TEXT);
}

static void
body_put_base64(struct buf *b, struct slice bytes)
{
	buf_byte(b, '"');
	if (buf_reserve(b, 4 * ((bytes.n + 2) / 3)))
		b->wpos += digest_base64_encode(bytes, b->data + b->wpos);
	buf_byte(b, '"');
}

static void
body_put_field(struct buf *b, struct slice name, struct slice value)
{
	buf_byte(b, ',');
	json_escape(b, name);
	buf_byte(b, ':');
	if (body_form(name) == BODY_RAW)
		buf_slice(b, value);
	else
		json_escape(b, value);
}

/* What an event says, as large as its client likes. */
static bool
body_is_said(struct slice name)
{
	return (slice_eq(name, SLICE("data")) ||
	    body_form(name) == BODY_BYTES);
}

/* Behind a first member.  Attachments are the last of an entry's fields. */
static void
body_put_fields(struct buf *b, const struct entry *e, bool whole)
{
	struct slice name, value;
	unsigned i, nattach = 0;
	size_t at = 0;

	for (i = 0; i + 1 < e->nparts; i += 2) {
		name = entry_part(e, &at);
		value = entry_part(e, &at);
		if (!whole && body_is_said(name))
			continue;
		if (body_form(name) != BODY_BYTES) {
			if (value.n > 0)	/* a question has no id */
				body_put_field(b, name, value);
			continue;
		}
		buf_str(b, nattach++ == 0 ? ",\"attachments\":[" : ",");
		body_put_base64(b, value);
	}
	buf_str(b, nattach > 0 ? "]}" : "}");
}

void
body_put_entry(struct buf *b, const struct entry *e, bool whole)
{
	buf_printf(b, "{\"seq\":%" PRIu64, e->number);
	body_put_fields(b, e, whole);
}

void
body_put_question(struct buf *b, struct slice nsp, const struct entry *e)
{
	buf_str(b, "{\"namespace\":");
	json_escape(b, nsp);
	body_put_fields(b, e, true);
}

void
body_put(struct buf *b, const struct body_source *s, const struct entry *e,
    unsigned n)
{
	unsigned i;

	buf_str(b, "{\"namespace\":");
	json_escape(b, s->nsp);
	buf_printf(b, ",\"source\":\"%s\",\"epoch\":\"%s\",\"entries\":[",
	    s->source, s->epoch);
	for (i = 0; i < n; i++, e = STAILQ_NEXT(e, next)) {
		if (i > 0)
			buf_byte(b, ',');
		body_put_entry(b, e, true);
	}
	buf_str(b, "]}");
}

void
body_sign(char out[BODY_SIGNATURE], struct slice secret, uint64_t unix_s,
    struct slice body)
{
	char time[24];
	struct slice parts[3];
	uint8_t sum[32];
	size_t i;
	int n;

	n = snprintf(time, sizeof time, "%" PRIu64, unix_s);
	parts[0] = slice_of(time, (size_t)n);
	parts[1] = SLICE(".");
	parts[2] = body;
	digest_hmac_sha256(secret, parts, nitems(parts), sum);
	n = snprintf(out, BODY_SIGNATURE, "t=%s,v1=", time);
	for (i = 0; i < sizeof sum; i++)
		(void)snprintf(out + n + 2 * i, 3, "%02x", sum[i]);
}
