/*
 * Socket.IO packets; see sio.h.  Decoding takes the packet apart from left to
 * right, then one row per type says what its JSON must be.  The JSON is
 * checked once and kept verbatim.
 */
#include "proto/sio.h"

#include "base/ascii.h"
#include "base/number.h"
#include "base/reserved.h"
#include "base/utf8.h"
#include "proto/eio.h"
#include "proto/json.h"

/* --- decoding: the header ------------------------------------------------ */

/* Each step takes its part off *in; why it cannot, or NULL. */

static const char *
sio_take_type(struct slice *in, struct sio_packet *pkt)
{
	if (in->n == 0)
		return ("empty packet");
	if (in->p[0] < '0' || in->p[0] > '0' + SIO_BINARY_ACK)
		return ("unknown packet type");
	pkt->type = (enum sio_type)(in->p[0] - '0');
	*in = slice_from(*in, 1);
	return (NULL);
}

static const char *
sio_take_attachments(struct slice *in, struct sio_packet *pkt)
{
	unsigned n = 0;
	size_t i;

	if (pkt->type != SIO_BINARY_EVENT && pkt->type != SIO_BINARY_ACK)
		return (NULL);
	for (i = 0; i < in->n && i < 3 && ascii_digit(in->p[i]); i++)
		n = n * 10 + (in->p[i] - '0' + 0u);
	if (i == 0 || i == in->n || in->p[i] != '-')
		return ("bad attachment count");
	if (n < 1 || n > SIO_ATTACHMENTS_MAX)
		return ("attachment count out of range");
	pkt->nattach = n;
	*in = slice_from(*in, i + 1);
	return (NULL);
}

static const char *
sio_take_namespace(struct slice *in, struct sio_packet *pkt)
{
	const uint8_t *comma;
	size_t n;

	pkt->nsp = SLICE("/");
	if (in->n == 0 || in->p[0] != '/')
		return (NULL);
	comma = memchr(in->p, ',', in->n);
	n = comma == NULL ? in->n : (size_t)(comma - in->p);
	if (n > SIO_NAMESPACE_MAX)
		return ("namespace too long");
	pkt->nsp = slice_of(in->p, n);
	if (!utf8_name(pkt->nsp))
		return ("namespace is no name");
	*in = slice_from(*in, comma == NULL ? n : n + 1);
	return (NULL);
}

static const char *
sio_take_id(struct slice *in, struct sio_packet *pkt)
{
	uint64_t id = 0, digit;
	size_t i;

	for (i = 0; i < in->n && ascii_digit(in->p[i]); i++) {
		digit = in->p[i] - '0' + 0u;
		if (id > (UINT64_MAX - digit) / 10)
			return ("ack id out of range");
		id = id * 10 + digit;
	}
	pkt->has_id = i > 0;
	pkt->id = id;
	*in = slice_from(*in, i);
	return (NULL);
}

static const char *
sio_take_json(struct slice *in, struct sio_packet *pkt)
{
	ssize_t n;

	if (in->n == 0)
		return (NULL);
	n = json_value(*in, &pkt->data);
	if (n < 0 || (size_t)n != in->n)	/* blanks around it pass */
		return ("bad JSON");
	return (NULL);
}

/* --- decoding: what the JSON must be ------------------------------------- */

/* A name that the reference keeps for itself, however it is spelt. */
static bool
sio_reserved_event(struct slice raw)
{
	uint8_t name[RESERVED_SOCKETIO_MAX];
	ssize_t n = json_name(raw, name, sizeof name);

	return (n > 0 && reserved_by_socketio(slice_of(name, (size_t)n)));
}

static bool
sio_is_space(uint8_t c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

static const char *
sio_check_event(struct sio_packet *pkt)
{
	struct json_iter it;
	struct slice key;

	if (json_type(pkt->data) != JSON_ARRAY)
		return ("event is not an array");
	if (!json_enter(pkt->data, &it) ||
	    !json_next(&it, &key, &pkt->event))
		return ("event without a name");
	if (json_type(pkt->event) == JSON_STRING) {
		if (sio_reserved_event(pkt->event))
			return ("reserved event name");
	} else if (json_type(pkt->event) != JSON_NUMBER) {
		return ("event name is no string or number");
	}
	pkt->args = json_trim(it.rest);
	if (pkt->args.n > 0)		/* the comma */
		pkt->args = json_trim(slice_from(pkt->args, 1));
	return (NULL);
}

static const char *
sio_check_ack(struct sio_packet *pkt)
{
	struct json_iter it;

	if (json_type(pkt->data) != JSON_ARRAY ||
	    !json_enter(pkt->data, &it))
		return ("ack is not an array");
	pkt->args = json_trim(it.rest);
	return (NULL);
}

static const char *
sio_check_connect(struct sio_packet *pkt)
{
	if (json_type(pkt->data) != JSON_OBJECT)
		return ("connect data is not an object");
	return (NULL);
}

static const char *
sio_check_disconnect(struct sio_packet *pkt)
{
	(void)pkt;
	return ("disconnect with data");
}

/* What is known of an object while the walk is inside it. */
struct level {
	bool		 object;
	bool		 placeholder;	/* "_placeholder":true */
	bool		 num_ok;	/* "num": an integer in range */
};

struct walk {
	struct level	 levels[JSON_DEPTH_MAX + 1];
	size_t		 depth;
	unsigned	 nattach;
	struct slice	 key;		/* of the value that comes next */
};

/* A member of the innermost object: as in JavaScript, the last one wins. */
static void
sio_walk_member(struct walk *w, struct slice value)
{
	struct level *l = &w->levels[w->depth];
	int64_t num;

	if (json_string_eq(w->key, SLICE("_placeholder")))
		l->placeholder = json_type(value) == JSON_TRUE;
	else if (json_string_eq(w->key, SLICE("num")))
		l->num_ok = json_int(value, &num) && num >= 0 &&
		    num < (int64_t)w->nattach;
	w->key = slice_of(NULL, 0);
}

/* A string, number or literal at the start of in: its size, or 0. */
static size_t
sio_walk_scalar(struct walk *w, struct slice in)
{
	struct slice value;
	ssize_t n = json_value(in, &value);

	if (n <= 0)
		return (0);
	if (!w->levels[w->depth].object)
		return ((size_t)n);
	if (w->key.n > 0)
		sio_walk_member(w, value);
	else
		w->key = value;
	return ((size_t)n);
}

/* A bracket opens: whatever the key was, its value is no true and no num. */
static void
sio_walk_open(struct walk *w, bool object)
{
	if (w->key.n > 0)
		sio_walk_member(w, SLICE("["));
	w->depth++;
	MUST(w->depth < nitems(w->levels));
	w->levels[w->depth] = (struct level){ object, false, false };
}

bool
sio_placeholders(struct slice json, unsigned nattach)
{
	struct walk w = { .depth = 0, .nattach = nattach };
	size_t i = 0, n;

	while (i < json.n) {	/* one pass, whatever the nesting */
		uint8_t c = json.p[i];

		if (c == '{' || c == '[') {
			sio_walk_open(&w, c == '{');
			n = 1;
		} else if (c == '}' || c == ']') {
			if (w.levels[w.depth].placeholder &&
			    !w.levels[w.depth].num_ok)
				return (false);
			w.depth--;
			n = 1;
		} else if (sio_is_space(c) || c == ',' || c == ':') {
			n = 1;
		} else {
			n = sio_walk_scalar(&w, slice_from(json, i));
			MUST(n > 0);
		}
		i += n;
	}
	return (true);
}

/* clang-format off */
static const struct {
	bool	 empty;		/* may stand without JSON and is then ignored */
	bool	 bare;		/* may stand without JSON and counts */
	const char *(*check)(struct sio_packet *);	/* with JSON */
} rules[] = {
	[SIO_CONNECT]      = { false, true,  sio_check_connect },
	[SIO_DISCONNECT]   = { false, true,  sio_check_disconnect },
	[SIO_EVENT]        = { true,  false, sio_check_event },
	[SIO_ACK]          = { true,  false, sio_check_ack },
	[SIO_BINARY_EVENT] = { false, false, sio_check_event },
	[SIO_BINARY_ACK]   = { false, false, sio_check_ack }
};
/* clang-format on */

static const char *
sio_check_data(struct sio_packet *pkt)
{
	const char *why;

	if (pkt->type == SIO_CONNECT_ERROR)
		return ("connect error from a client");
	if (pkt->data.n == 0) {
		pkt->empty = rules[pkt->type].empty;
		return (pkt->empty || rules[pkt->type].bare ? NULL :
		    "binary packet without JSON");
	}
	why = rules[pkt->type].check(pkt);
	if (why == NULL && pkt->nattach > 0)
		why = sio_placeholders(pkt->data, pkt->nattach) ? NULL :
		    "placeholder out of range";
	return (why);
}

ssize_t
sio_decode(struct slice in, struct sio_packet *pkt)
{
	struct slice rest = in;

	memset(pkt, 0, sizeof *pkt);
	pkt->why = sio_take_type(&rest, pkt);
	if (pkt->why == NULL)
		pkt->why = sio_take_attachments(&rest, pkt);
	if (pkt->why == NULL)
		pkt->why = sio_take_namespace(&rest, pkt);
	if (pkt->why == NULL)
		pkt->why = sio_take_id(&rest, pkt);
	if (pkt->why == NULL)
		pkt->why = sio_take_json(&rest, pkt);
	if (pkt->why == NULL)
		pkt->why = sio_check_data(pkt);
	return (pkt->why == NULL ? (ssize_t)in.n : CODEC_BAD);
}

/* --- encoding ------------------------------------------------------------ */

static bool
sio_is_root(struct slice nsp)
{
	return (nsp.n == 0 || (nsp.n == 1 && nsp.p[0] == '/'));
}

/* EIO message, packet type, namespace. */
static void
sio_encode_start(struct buf *b, enum sio_type type, unsigned nattach,
    struct slice nsp)
{
	buf_byte(b, EIO_MESSAGE);
	buf_byte(b, (uint8_t)('0' + type));
	if (nattach > 0) {
		buf_u64(b, nattach);
		buf_byte(b, '-');
	}
	if (sio_is_root(nsp))
		return;
	buf_slice(b, nsp);
	buf_byte(b, ',');
}

void
sio_encode_connect(struct buf *b, struct slice nsp, struct slice sid,
    struct slice pid)
{
	sio_encode_start(b, SIO_CONNECT, 0, nsp);
	buf_str(b, "{\"sid\":");
	json_escape(b, sid);
	if (pid.n != 0) {
		buf_str(b, ",\"pid\":");
		json_escape(b, pid);
	}
	buf_byte(b, '}');
}

void
sio_encode_connect_error(struct buf *b, struct slice nsp, struct slice message,
    struct slice data)
{
	sio_encode_start(b, SIO_CONNECT_ERROR, 0, nsp);
	buf_str(b, "{\"message\":");
	json_escape(b, message);
	if (data.n > 0) {
		buf_str(b, ",\"data\":");
		buf_slice(b, data);
	}
	buf_byte(b, '}');
}

void
sio_encode_disconnect(struct buf *b, struct slice nsp)
{
	sio_encode_start(b, SIO_DISCONNECT, 0, nsp);
}

void
sio_encode_ack(struct buf *b, struct slice nsp, uint64_t id, struct slice args,
    unsigned nattach)
{
	sio_encode_start(b, nattach > 0 ? SIO_BINARY_ACK : SIO_ACK, nattach,
	    nsp);
	buf_u64(b, id);
	buf_byte(b, '[');
	buf_slice(b, args);
	buf_byte(b, ']');
}

size_t
sio_event_size(const struct sio_event *ev)
{
	size_t n = 2 + 2 + ev->event.n;	/* "42", brackets */

	if (!sio_is_root(ev->nsp))
		n += ev->nsp.n + 1;
	if (ev->has_id)
		n += number_size(ev->id, 10);
	if (ev->args.n > 0)
		n += 1 + ev->args.n;
	if (ev->meta.n > 0)
		n += 1 + ev->meta.n;
	if (ev->offset.n > 0)
		n += 1 + ev->offset.n;
	if (ev->nattach > 0)
		n += number_size(ev->nattach, 10) + 1;
	return (n);
}

static inline uint8_t *
sio_put(uint8_t *out, struct slice s)
{
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	return (out + s.n);
}

uint8_t *
sio_event_put(uint8_t *out, const struct sio_event *ev)
{
	*out++ = EIO_MESSAGE;
	*out++ = ev->nattach > 0 ? '0' + SIO_BINARY_EVENT : '0' + SIO_EVENT;
	if (ev->nattach > 0) {
		out = number_put(out, ev->nattach, 10);
		*out++ = '-';
	}
	if (!sio_is_root(ev->nsp)) {
		out = sio_put(out, ev->nsp);
		*out++ = ',';
	}
	if (ev->has_id)
		out = number_put(out, ev->id, 10);
	*out++ = '[';
	out = sio_put(out, ev->event);
	if (ev->args.n > 0) {
		*out++ = ',';
		out = sio_put(out, ev->args);
	}
	if (ev->meta.n > 0) {
		*out++ = ',';
		out = sio_put(out, ev->meta);
	}
	if (ev->offset.n > 0) {
		*out++ = ',';
		out = sio_put(out, ev->offset);
	}
	*out++ = ']';
	return (out);
}

/* --- looking at what was written ------------------------------------------ */

/* An unsigned number at the start of *in, taken off; false: no digit. */
static bool
sio_skip_number(struct slice *in, uint64_t *v)
{
	size_t i;

	*v = 0;
	for (i = 0; i < in->n && ascii_digit(in->p[i]); i++)
		*v = *v * 10 + (in->p[i] - '0' + 0u);
	*in = slice_from(*in, i);
	return (i > 0);
}

static bool
sio_skip_byte(struct slice *in, uint8_t c)
{
	if (in->n == 0 || in->p[0] != c)
		return (false);
	*in = slice_from(*in, 1);
	return (true);
}

/* The namespace that is written there, is it this one?  The root is not. */
static bool
sio_skip_namespace(struct slice *in, struct slice nsp)
{
	if (sio_is_root(nsp))
		return (in->n > 0 && in->p[0] != '/');
	if (!slice_starts(*in, nsp))
		return (false);
	*in = slice_from(*in, nsp.n);
	return (sio_skip_byte(in, ','));
}

bool
sio_peek(struct slice packet, struct slice nsp, struct sio_head *head)
{
	uint64_t number = 0;

	*head = (struct sio_head){ 0, false };
	if (!sio_skip_byte(&packet, EIO_MESSAGE))
		return (false);
	if (sio_skip_byte(&packet, '0' + SIO_BINARY_EVENT)) {
		if (!sio_skip_number(&packet, &number) ||
		    !sio_skip_byte(&packet, '-'))
			return (false);
	} else if (!sio_skip_byte(&packet, '0' + SIO_EVENT))
		return (false);
	head->nattach = (unsigned)number;
	if (!sio_skip_namespace(&packet, nsp))
		return (false);
	head->has_id = sio_skip_number(&packet, &number);
	return (sio_skip_byte(&packet, '['));
}

bool
sio_has_offset(struct slice event, struct slice offset)
{
	const uint8_t *last;

	if (offset.n == 0 || event.n <= offset.n + 2)
		return (false);
	last = slice_end(event) - 1 - offset.n;
	return (last[offset.n] == ']' && last[-1] == ',' &&
	    memcmp(last, offset.p, offset.n) == 0);
}
