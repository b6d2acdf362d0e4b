/*
 * A decoder in the middle of a message, as bytes; see ws.h.  What was read of
 * the message is written down as the frames that it could have been: the
 * fragments that are whole as one with a mask of zero, then the frame that is
 * on its way, with the mask that its rest still has.  To load is to decode.
 */
#include "base/state.h"
#include "proto/ws_int.h"

#define WS_SAVE_TAG	0x5753
#define WS_SAVE_VERSION	1

STATE_FIELDS(ws, 8);
STATE_FIELDS(ws_slow, 136);

static void
ws_save_header(struct buf *b, bool fin, unsigned opcode, uint64_t n,
    const uint8_t key[4])
{
	uint8_t header[WS_HEADER_MAX];
	size_t size = ws_encode_header(header, opcode, n);

	if (!fin)
		header[0] &= 0x7f;
	header[1] |= 0x80;
	buf_append(b, header, size);
	buf_append(b, key, 4);
}

/* RSV1, beside an opcode.  Who does not know it refuses the bytes. */
static unsigned
ws_save_packed(const struct ws_slow *s)
{
	return (s->packed ? 0x40 : 0);
}

/* The frame that is on its way, as it came. */
static void
ws_save_partial(struct buf *b, const struct ws_slow *s)
{
	size_t i, n = (size_t)(s->length - s->frame_left);
	const uint8_t *p;

	MUST(s->frame_left <= s->length && n <= s->message.wpos);
	ws_save_header(b, s->fin, s->opcode | (s->frames == 1 ?
	    ws_save_packed(s) : 0), s->length, s->key);
	if (n == 0 || !buf_reserve(b, n))
		return;
	p = s->message.data + (s->message.wpos - n);
	for (i = 0; i < n; i++)
		b->data[b->wpos++] = p[i] ^ s->key[i & 3];
}

static void
ws_save_slow(struct buf *b, const struct ws_slow *s)
{
	static const uint8_t zero[4];
	uint64_t before = s->announced;
	bool partial = s->frame_left > 0;

	CHECK_MAGIC(s, WS_SLOW_MAGIC);
	if (partial)
		before -= s->length;
	MUST(before <= s->message.wpos);
	if (s->frames > (partial ? 1u : 0u)) {
		ws_save_header(b, false, (s->text ? WS_OP_TEXT :
		    WS_OP_BINARY) | ws_save_packed(s), before, zero);
		buf_append(b, s->message.data, (size_t)before);
	}
	if (partial)
		ws_save_partial(b, s);
}

void
ws_save(const struct ws *ws, struct buf *b)
{
	size_t at = state_open(b, WS_SAVE_TAG, WS_SAVE_VERSION);

	state_put_u32(b, ws->slow == NULL ? 0 : ws->slow->frames);
	if (ws->slow != NULL)
		ws_save_slow(b, ws->slow);
	state_close(b, at);
}

/* These bytes begin a message, and do not end it. */
static bool
ws_load_frames(struct ws *ws, struct ws_pool *pool, uint8_t *p, size_t n)
{
	/* they were judged as they came, and count for what comes */
	static const struct ws_limits none = { UINT32_MAX, UINT32_MAX, true, false };
	struct ws_event ev;
	ssize_t used;

	for (; n > 0; p += used, n -= (size_t)used) {
		used = ws_decode(ws, pool, &none, p, n, &ev);
		if (used <= 0 || ev.type != WS_NONE)
			return (false);
	}
	return (true);
}

/* So many frames may have been written down like this. */
static bool
ws_load_is_so(const struct ws_slow *s, uint32_t frames)
{
	if (s->frames > (s->frame_left > 0 ? 1u : 0u))
		return (frames >= s->frames);
	return (frames == s->frames);	/* none is whole */
}

static bool
ws_load_slow(struct ws *ws, struct ws_pool *pool, struct slice s,
    uint32_t frames)
{
	struct buf b;
	bool ok;

	buf_init(&b);
	buf_slice(&b, s);
	ok = !b.oom && ws_load_frames(ws, pool, b.data, b.wpos) &&
	    ws->slow != NULL && ws_load_is_so(ws->slow, frames);
	buf_fini(&b);
	if (ok)
		ws->slow->frames = frames;
	else
		ws_fini(ws, pool);
	return (ok);
}

bool
ws_load(struct ws *ws, struct ws_pool *pool, struct state_in *in)
{
	struct state_in body;
	uint16_t version;
	uint32_t frames;
	struct slice s;

	MUST(ws->slow == NULL);
	if (!state_section(in, WS_SAVE_TAG, &version, &body) ||
	    version != WS_SAVE_VERSION)
		return (false);
	frames = state_get_u32(&body);
	if (body.bad)
		return (false);
	s = slice_of(body.p, (size_t)(body.end - body.p));
	return (frames == 0 ? s.n == 0 : ws_load_slow(ws, pool, s, frames));
}
