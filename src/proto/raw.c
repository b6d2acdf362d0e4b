/*
 * The plain WebSocket protocol's envelopes; see raw.h.  What a client sends
 * is taken apart without copying; what goes out is put together from parts.
 */
#include "proto/raw.h"

#include "base/ascii.h"
#include "base/number.h"
#include "proto/json.h"

#define ID_MAX	64	/* bytes of an id: of a string, unescaped */

/* Each member that matters; a repeated one replaces the former. */
static void
raw_take_member(struct raw_message *m, struct slice key, struct slice value,
    struct slice *ack)
{
	if (json_string_eq(key, SLICE("event")))
		m->event = value;
	else if (json_string_eq(key, SLICE("data")))
		m->data = value;
	else if (json_string_eq(key, SLICE("id")))
		m->id = value;
	else if (json_string_eq(key, SLICE("ack")))
		*ack = value;
}

/* An event that has a member of that name is an event. */
static const char *
raw_check_ack(struct raw_message *m, struct slice ack)
{
	int64_t id;

	if (!json_int(ack, &id) || id < 0)
		return ("ack is no id");
	m->is_ack = true;
	m->ack = (uint64_t)id;
	return (NULL);
}

/* As numbers of JSON are, or digits up to 2^64 - 1 as in Socket.IO. */
static bool
raw_is_integer(struct slice value)
{
	uint64_t id = 0, digit;
	int64_t any;
	size_t i;

	if (value.n > ID_MAX)
		return (false);
	for (i = 0; i < value.n && ascii_digit(value.p[i]); i++) {
		digit = value.p[i] - '0' + 0u;
		if (id > (UINT64_MAX - digit) / 10)
			return (false);
		id = id * 10 + digit;
	}
	return (i == value.n || json_int(value, &any));
}

static const char *
raw_check_message(const struct raw_message *m)
{
	if (m->event.n == 0)
		return ("no event");
	if (json_type(m->event) != JSON_STRING || m->event.n == 2)
		return ("event is not a name");
	return (NULL);
}

static const char *
raw_check_id(struct slice id)
{
	if (id.n == 0)
		return (NULL);
	if (json_type(id) == JSON_STRING)
		return (json_plain_size(id, 0) <= ID_MAX ? NULL :
		    "id too long");
	return (raw_is_integer(id) ? NULL : "id is no integer or string");
}

ssize_t
raw_decode(struct slice in, struct raw_message *m)
{
	struct slice object, key, value, ack = { NULL, 0 };
	struct json_iter it;
	ssize_t n;

	memset(m, 0, sizeof *m);
	n = json_value(in, &object);
	if (n < 0 || (size_t)n != in.n) {
		m->why = "bad JSON";
		return (CODEC_BAD);
	}
	if (json_type(object) != JSON_OBJECT || !json_enter(object, &it)) {
		m->why = "not an object";
		return (CODEC_BAD);
	}
	while (json_next(&it, &key, &value))
		raw_take_member(m, key, value, &ack);
	m->why = raw_check_id(m->id);
	if (m->why != NULL)
		m->id = slice_of(NULL, 0);
	else
		m->why = m->event.n == 0 && ack.n != 0 ? raw_check_ack(m, ack) :
		    raw_check_message(m);
	return (m->why == NULL ? n : CODEC_BAD);
}

#define EVENT	SLICE("{\"event\":")
#define DATA	SLICE(",\"data\":")
#define ARGS	SLICE(",\"args\":[")
#define META	SLICE(",\"meta\":")
#define ID	SLICE(",\"id\":")

/* More arguments than the first: a comma stands behind it. */
static bool
raw_many(const struct raw_event *ev)
{
	const uint8_t *p, *end;

	if (ev->first.n == 0 || ev->args.n <= ev->first.n)
		return (false);
	end = slice_end(ev->args);
	for (p = slice_end(ev->first); p < end; p++)
		if (*p == ',')
			return (true);
	return (false);
}

static struct slice
raw_or_null(struct slice s)
{
	return (s.n > 0 ? s : SLICE("null"));
}

size_t
raw_event_size(const struct raw_event *ev)
{
	size_t n = EVENT.n + ev->event.n + DATA.n +
	    raw_or_null(ev->first).n + 1;

	if (raw_many(ev))
		n += ARGS.n + ev->args.n + 1;
	if (ev->meta.n > 0)
		n += META.n + ev->meta.n;
	if (ev->has_id)
		n += ID.n + number_size(ev->id, 10);
	return (n);
}

size_t
raw_event_sum(const struct raw_event *ev, size_t (*of)(struct slice))
{
	size_t n = of(EVENT) + of(ev->event) + of(DATA) +
	    of(raw_or_null(ev->first));

	if (raw_many(ev))
		n += of(ARGS) + of(ev->args) + of(SLICE("]"));
	if (ev->meta.n > 0)
		n += of(META) + of(ev->meta);
	if (ev->has_id)
		n += of(ID);
	return (n + of(SLICE("}")));
}

static inline uint8_t *
raw_put(uint8_t *out, struct slice s)
{
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	return (out + s.n);
}

uint8_t *
raw_event_put(uint8_t *out, const struct raw_event *ev)
{
	out = raw_put(out, EVENT);
	out = raw_put(out, ev->event);
	out = raw_put(out, DATA);
	out = raw_put(out, raw_or_null(ev->first));
	if (raw_many(ev)) {
		out = raw_put(out, ARGS);
		out = raw_put(out, ev->args);
		*out++ = ']';
	}
	if (ev->meta.n > 0) {
		out = raw_put(out, META);
		out = raw_put(out, ev->meta);
	}
	if (ev->has_id)
		out = number_put(raw_put(out, ID), ev->id, 10);
	*out++ = '}';
	return (out);
}

void
raw_encode_ack(struct buf *b, struct slice id, struct slice args,
    struct slice first)
{
	struct raw_event many = { .args = args, .first = first };

	buf_str(b, "{\"ack\":");
	buf_slice(b, id);
	buf_str(b, ",\"data\":");
	buf_slice(b, raw_or_null(first));
	if (raw_many(&many)) {
		buf_slice(b, ARGS);
		buf_slice(b, args);
		buf_byte(b, ']');
	}
	buf_byte(b, '}');
}

void
raw_encode_ack_error(struct buf *b, struct slice id, const char *code,
    struct slice message, struct slice data, struct slice more)
{
	buf_str(b, "{\"ack\":");
	buf_slice(b, id);
	buf_str(b, ",\"error\":{\"code\":");
	json_escape(b, slice_str(code));
	buf_str(b, ",\"message\":");
	json_escape(b, message);
	if (data.n != 0) {
		buf_str(b, ",\"data\":");
		buf_slice(b, data);
	}
	buf_slice(b, more);
	buf_str(b, "}}");
}
