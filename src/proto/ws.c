/*
 * WebSocket, the server's side; see ws.h.
 *
 * Every frame's header is read here.  A control frame is at most 131 bytes:
 * it is waited for and handled whole, wherever it stands.  A final data frame
 * that is whole in the caller's bytes is unmasked there.  What remains, the
 * fragments and the long partial frames, is ws_slow.c's.
 */
#include "base/utf8.h"
#include "proto/ws_int.h"

/* --- frame headers (section 5.2) ----------------------------------------- */

/* A length in its shortest form, section 5.2 "Payload length". */
static bool
ws_frame_length(const uint8_t *in, struct ws_frame *f)
{
	unsigned i, bytes = (in[1] & 0x7f) == 126 ? 2 : 8;

	f->length = 0;
	for (i = 0; i < bytes; i++)
		f->length = f->length << 8 | in[2 + i];
	return (bytes == 2 ? f->length >= 126 :
	    f->length > UINT16_MAX && f->length >> 63 == 0);
}

/*
 * Header size, CODEC_MORE or CODEC_BAD.  Each byte is judged as soon as it is
 * there, and none of it later in another way.
 */
static inline int
ws_frame_decode(const uint8_t *in, size_t n, bool deflate, struct ws_frame *f)
{
	unsigned len;

	if (n < 1)
		return (CODEC_MORE);
	f->fin = in[0] & 0x80;
	f->opcode = in[0] & 0x0f;
	f->packed = false;
	if (unlikely(in[0] & 0x70)) {	/* RSV: of extensions */
		/* RFC 7692, 6: RSV1 on the first frame of a message */
		if (!deflate || (in[0] & 0x70) != 0x40 ||
		    (f->opcode != WS_OP_TEXT && f->opcode != WS_OP_BINARY))
			return (CODEC_BAD);
		f->packed = true;
	}
	if ((f->opcode & 7) > 2)	/* 3-7, 11-15 are reserved */
		return (CODEC_BAD);
	if (n < 2)
		return (CODEC_MORE);
	len = in[1] & 0x7f;
	if ((in[1] & 0x80) == 0)	/* section 5.1: clients mask */
		return (CODEC_BAD);
	if (f->opcode & 8 && (len > 125 || !f->fin))
		return (CODEC_BAD);
	f->header = len < 126 ? 6 : len == 126 ? 8 : 14;
	f->length = len;
	if (n < f->header)
		return (CODEC_MORE);
	if (len >= 126 && !ws_frame_length(in, f))
		return (CODEC_BAD);
	return ((int)f->header);
}

/* --- whole frames -------------------------------------------------------- */

/*
 * XOR with the mask key, in place (section 5.3).  Returns the OR of all
 * bytes, eight lanes wide: no top bit in it means ASCII.
 */
static inline uint64_t
ws_unmask(uint8_t *p, size_t n, const uint8_t *key)
{
	uint64_t k, w, w2, w3, w4, all = 0;
	uint32_t k4;

	memcpy(&k4, key, 4);
	k = (uint64_t)k4 << 32 | k4;
	for (; n >= 32; n -= 32, p += 32) {
		memcpy(&w, p, 8);
		memcpy(&w2, p + 8, 8);
		memcpy(&w3, p + 16, 8);
		memcpy(&w4, p + 24, 8);
		w ^= k;
		w2 ^= k;
		w3 ^= k;
		w4 ^= k;
		all |= w | w2 | w3 | w4;
		memcpy(p, &w, 8);
		memcpy(p + 8, &w2, 8);
		memcpy(p + 16, &w3, 8);
		memcpy(p + 24, &w4, 8);
	}
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		w ^= k;
		all |= w;
		memcpy(p, &w, 8);
	}
	for (; n > 0; n--, p++, k >>= 8) {
		*p ^= (uint8_t)k;
		all |= *p;
	}
	return (all);
}

#define ALL_HIGH	UINT64_C(0x8080808080808080)

/*
 * Codes a peer may send (section 7.4 and the IANA registry): not those that
 * only stand for "none", "abnormal" or "TLS failed".  1012 to 1014 came after
 * the RFC; a client echoes 1012 when we restart.
 */
static bool
ws_close_code_valid(unsigned code)
{
	return ((code >= 1000 && code <= 1003) ||
	    (code >= 1007 && code <= 1014) ||
	    (code >= 3000 && code <= 4999));
}

#define CODE_NONE	1005

/* Section 5.5.1; the event's data is what stands behind the code. */
static ssize_t
ws_take_close(struct ws_event *ev, ssize_t consumed)
{
	ev->code = CODE_NONE;
	if (ev->n == 0)
		return (consumed);
	if (ev->n == 1)
		return (ws_bad(ev, REASON_ws_protocol));
	ev->code = (uint16_t)(ev->data[0] << 8 | ev->data[1]);
	if (!ws_close_code_valid(ev->code))
		return (ws_bad(ev, REASON_ws_protocol));
	ev->data += 2;
	ev->n -= 2;
	if (!utf8_valid(slice_of(ev->data, ev->n)))
		return (ws_bad(ev, REASON_ws_utf8));
	return (consumed);
}

/* A whole frame, data or control, at in. */
static inline ssize_t
ws_take_whole(const struct ws_frame *f, uint8_t *in, struct ws_event *ev)
{
	static const uint8_t types[16] = {
		[WS_OP_TEXT] = WS_TEXT, [WS_OP_BINARY] = WS_BINARY,
		[WS_OP_CLOSE] = WS_CLOSE, [WS_OP_PING] = WS_PING,
		[WS_OP_PONG] = WS_PONG
	};
	ssize_t consumed = (ssize_t)(f->header + f->length);
	uint64_t all;

	ev->type = (enum ws_type)types[f->opcode];
	ev->data = in + f->header;
	ev->n = (size_t)f->length;
	all = ws_unmask(ev->data, ev->n, ev->data - 4);
	if (unlikely(f->packed))
		return (consumed);
	if (ev->type == WS_TEXT) {
		if (unlikely(all & ALL_HIGH) &&
		    !utf8_valid(slice_of(ev->data, ev->n)))
			return (ws_bad(ev, REASON_ws_utf8));
		return (consumed);
	}
	if (unlikely(ev->type == WS_CLOSE))
		return (ws_take_close(ev, consumed));
	return (consumed);
}

/* --- the decoder --------------------------------------------------------- */

/*
 * What there is of a short text frame is no UTF-8 already: long ones, which
 * wslay checks as they come, end as early.
 */
static bool
ws_partial_is_bad(const struct ws_frame *f, const uint8_t *in, size_t n)
{
	uint8_t plain[WS_TAIL_MAX];

	if (f->opcode != WS_OP_TEXT || f->packed || n <= f->header)
		return (false);
	n -= f->header;
	MUST(n <= sizeof plain);
	memcpy(plain, in + f->header, n);
	return ((ws_unmask(plain, n, in + f->header - 4) & ALL_HIGH) != 0 &&
	    utf8_feed(UTF8_OK, slice_of(plain, n)) == UTF8_BAD);
}

/* At a frame boundary, with or without a message in progress. */
static ssize_t
ws_decode_frame(struct ws *ws, struct ws_pool *pool,
    const struct ws_limits *lim, uint8_t *in, size_t n, struct ws_event *ev)
{
	uint64_t before = ws->slow == NULL ? 0 : ws->slow->announced;
	struct ws_frame f;
	bool fresh, packed;
	uint64_t most;
	ssize_t used;
	int got;

	got = ws_frame_decode(in, n, lim->deflate, &f);
	if (unlikely(got <= 0))
		return (got == CODEC_BAD ? ws_bad(ev, REASON_ws_protocol) :
		    CODEC_MORE);
	if (f.opcode & 8) {
		if (n < f.header + f.length)
			return (CODEC_MORE);
		return (ws_take_whole(&f, in, ev));
	}
	packed = ws->slow == NULL ? f.packed : ws->slow->packed;
	most = ws_limit(lim, packed);
	if (f.length > most || before > most - f.length)
		return (ws_bad(ev, REASON_ws_too_big));
	fresh = f.fin && f.opcode != WS_OP_CONTINUATION && ws->slow == NULL;
	if (likely(fresh)) {
		if (likely(f.length <= n - f.header)) {
			used = ws_take_whole(&f, in, ev);
			return (likely(!f.packed) ? used : ws_inflate(pool,
			    lim, slice_of(ev->data, ev->n), used, ev));
		}
		if (f.length + f.header <= WS_TAIL_MAX)
			return (ws_partial_is_bad(&f, in, n) ?
			    ws_bad(ev, REASON_ws_utf8) : CODEC_MORE);
	}
	return (ws_slow_decode(ws, pool, lim, &f, in, n, ev));
}

ssize_t
ws_decode(struct ws *ws, struct ws_pool *pool, const struct ws_limits *lim,
    uint8_t *in, size_t n, struct ws_event *ev)
{
	CHECK_MAGIC(pool, WS_POOL_MAGIC);
	if (unlikely(pool->last != NULL))
		ws_pool_recycle(pool);
	if (unlikely(pool->plain.cap != 0))
		ws_inflate_recycle(pool);
	ev->type = WS_NONE;
	ev->data = NULL;
	ev->n = 0;
	ev->packed = 0;
	ev->code = 0;
	if (unlikely(n == 0))
		return (CODEC_MORE);
	if (unlikely(ws->slow != NULL && ws->slow->frame_left > 0))
		return (ws_slow_feed(ws, pool, lim, in, n, ev));
	return (ws_decode_frame(ws, pool, lim, in, n, ev));
}

/* --- encoding ------------------------------------------------------------ */

size_t
ws_header_size(uint64_t n)
{
	return (n < 126 ? 2 : n <= UINT16_MAX ? 4 : 10);
}

size_t
ws_encode_header(uint8_t out[WS_HEADER_MAX], unsigned opcode, uint64_t n)
{
	size_t i, size = ws_header_size(n);

	out[0] = (uint8_t)(0x80 | opcode);
	if (size == 2) {
		out[1] = (uint8_t)n;
		return (2);
	}
	out[1] = size == 4 ? 126 : 127;
	for (i = size; i-- > 2; n >>= 8)
		out[i] = (uint8_t)n;
	return (size);
}

void
ws_encode_frame(struct buf *b, unsigned opcode, struct slice payload)
{
	uint8_t header[WS_HEADER_MAX];
	size_t n = ws_encode_header(header, opcode, payload.n);

	buf_append(b, header, n);
	buf_slice(b, payload);
}

void
ws_encode_close(struct buf *b, uint16_t code, const char *words)
{
	struct slice s = slice_str(words);
	uint8_t payload[125] = { (uint8_t)(code >> 8), (uint8_t)code };

	if (code == 0) {
		ws_encode_frame(b, WS_OP_CLOSE, slice_of(NULL, 0));
		return;
	}
	if (s.n > sizeof payload - 2) {
		s.n = sizeof payload - 2;
		while (s.n > 0 && (s.p[s.n] & 0xc0) == 0x80)
			s.n--;		/* whole characters only */
	}
	if (s.n > 0)
		memcpy(payload + 2, s.p, s.n);
	ws_encode_frame(b, WS_OP_CLOSE, slice_of(payload, s.n + 2));
}
