/*
 * WebSocket, the server's side; see ws.h.
 *
 * Every frame's header is read here.  A control frame is at most 131 bytes:
 * it is waited for and handled whole, wherever it stands.  A final data frame
 * that is whole in the caller's bytes is unmasked there.  What remains, the
 * fragments and the long partial frames, is fed to a lent wslay context,
 * never more than the bytes of one frame, so that wslay holds nothing back
 * and is at a frame boundary whenever we are.  wslay keeps the order of
 * fragments and checks their UTF-8; our sums keep the limits, because its own
 * counts single frames only; our buffer grows with the bytes that came, not
 * with those that were announced.
 */
#include "proto/ws.h"

#include <stdlib.h>
#include <wslay/wslay.h>

#include "base/utf8.h"

/* --- lent contexts ------------------------------------------------------- */

#define POOL_MAX	32		/* idle contexts kept */
#define KEEP_BYTES	16384		/* message buffer an idle one keeps */

struct ws_slow {
	unsigned	 magic;
#define WS_SLOW_MAGIC	0x5107c0de
	wslay_event_context_ptr wslay;
	const uint8_t	*in;		/* fed and not yet read by wslay */
	size_t		 n;
	uint64_t	 frame_left;	/* bytes of this frame not yet fed,
					 * header included */
	bool		 fin;		/* this frame ends the message */
	bool		 text;
	uint32_t	 frames;	/* of this message so far */
	uint64_t	 announced;	/* payload bytes of those frames */
	struct buf	 message;
	uint8_t		 close[8];	/* begin of the Close it would send */
	size_t		 close_n;
	struct ws_slow	*next;		/* in the pool */
};

struct ws_pool {
	unsigned	 magic;
#define WS_POOL_MAGIC	0x3b9001aa
	struct ws_slow	*idle;		/* POOL_MAX at most */
	unsigned	 nidle;
	unsigned	 nlent;
	struct ws_slow	*last;		/* holds the message given out last */
};

static ssize_t
ws_on_recv(wslay_event_context_ptr ctx, uint8_t *out, size_t n, int flags,
    void *arg)
{
	struct ws_slow *s = arg;

	(void)flags;
	if (s->n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return (-1);
	}
	if (n > s->n)
		n = s->n;
	memcpy(out, s->in, n);
	s->in += n;
	s->n -= n;
	return ((ssize_t)n);
}

/* Nothing of wslay's is sent; what it would say tells why it gave up. */
static ssize_t
ws_on_send(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags,
    void *arg)
{
	struct ws_slow *s = arg;
	size_t i;

	(void)ctx;
	(void)flags;
	for (i = 0; i < n && s->close_n < sizeof s->close; i++)
		s->close[s->close_n++] = p[i];
	return ((ssize_t)n);
}

static void
ws_on_chunk(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct ws_slow *s = arg;

	(void)ctx;
	buf_append(&s->message, chunk->data, chunk->data_length);
}

static void
ws_slow_free(struct ws_slow **sp)
{
	struct ws_slow *s = *sp;

	CHECK_MAGIC(s, WS_SLOW_MAGIC);
	*sp = NULL;
	wslay_event_context_free(s->wslay);
	buf_fini(&s->message);
	s->magic = 0;
	free(s);
}

static struct ws_slow *
ws_slow_new(void)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = ws_on_recv,
		.send_callback = ws_on_send,
		.on_frame_recv_chunk_callback = ws_on_chunk
	};
	struct ws_slow *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	if (wslay_event_context_server_init(&s->wslay, &callbacks, s) != 0) {
		free(s);
		return (NULL);
	}
	wslay_event_config_set_no_buffering(s->wslay, 1);
	s->magic = WS_SLOW_MAGIC;
	buf_init(&s->message);
	return (s);
}

/* Ready for another message, of whatever connection. */
static void
ws_slow_reset(struct ws_slow *s)
{
	buf_reset(&s->message);
	if (s->message.cap > KEEP_BYTES) {
		buf_fini(&s->message);
		buf_init(&s->message);
	}
	s->frames = 0;
	s->announced = 0;
	s->frame_left = 0;
}

struct ws_pool *
ws_pool_new(void)
{
	struct ws_pool *pool = calloc(1, sizeof *pool);

	if (pool != NULL)
		pool->magic = WS_POOL_MAGIC;
	return (pool);
}

void
ws_pool_free(struct ws_pool **pp)
{
	struct ws_pool *pool = *pp;
	struct ws_slow *s;

	CHECK_MAGIC(pool, WS_POOL_MAGIC);
	*pp = NULL;
	if (pool->last != NULL)
		ws_slow_free(&pool->last);
	while ((s = pool->idle) != NULL) {
		pool->idle = s->next;
		ws_slow_free(&s);
	}
	pool->magic = 0;
	free(pool);
}

unsigned
ws_pool_lent(const struct ws_pool *pool)
{
	CHECK_MAGIC(pool, WS_POOL_MAGIC);
	return (pool->nlent);
}

/* The message given out last is no longer needed. */
static void
ws_pool_recycle(struct ws_pool *pool)
{
	struct ws_slow *s = pool->last;

	if (s == NULL)
		return;
	pool->last = NULL;
	if (pool->nidle == POOL_MAX) {
		ws_slow_free(&s);
		return;
	}
	ws_slow_reset(s);
	s->next = pool->idle;
	pool->idle = s;
	pool->nidle++;
}

static struct ws_slow *
ws_pool_lend(struct ws_pool *pool)
{
	struct ws_slow *s = pool->idle;

	if (s != NULL) {
		pool->idle = s->next;
		pool->nidle--;
	} else {
		s = ws_slow_new();
	}
	if (s != NULL)
		pool->nlent++;
	return (s);
}

/* A whole message: the context is ours again, its bytes stay a while. */
static void
ws_pool_take_back(struct ws_pool *pool, struct ws *ws)
{
	MUST(pool->last == NULL && pool->nlent > 0);
	pool->last = ws->slow;
	ws->slow = NULL;
	pool->nlent--;
}

/* wslay cannot start anew in the middle: such a context is not kept. */
void
ws_fini(struct ws *ws, struct ws_pool *pool)
{
	CHECK_MAGIC(pool, WS_POOL_MAGIC);
	if (ws->slow == NULL)
		return;
	MUST(pool->nlent > 0);
	pool->nlent--;
	ws_slow_free(&ws->slow);
}

/* --- frame headers (section 5.2) ----------------------------------------- */

struct frame {
	bool		 fin;
	uint8_t		 opcode;
	unsigned	 header;	/* bytes, mask key included */
	uint64_t	 length;	/* payload bytes */
};

/* A length in its shortest form, section 5.2 "Payload length". */
static bool
ws_frame_length(const uint8_t *in, struct frame *f)
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
ws_frame_decode(const uint8_t *in, size_t n, struct frame *f)
{
	unsigned len;

	if (n < 1)
		return (CODEC_MORE);
	f->fin = in[0] & 0x80;
	f->opcode = in[0] & 0x0f;
	if (in[0] & 0x70)		/* RSV: no extension negotiated */
		return (CODEC_BAD);
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

static ssize_t
ws_bad(struct ws_event *ev, enum reason reason)
{
	ev->type = WS_NONE;
	ev->reason = reason;
	return (CODEC_BAD);
}

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
ws_take_whole(const struct frame *f, uint8_t *in, struct ws_event *ev)
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

/* --- fragments and long frames ------------------------------------------- */

/* Why wslay stopped reading: by the Close that it wants sent. */
static enum reason
ws_slow_verdict(struct ws_slow *s)
{
	unsigned code;

	s->close_n = 0;
	if (wslay_event_send(s->wslay) != 0 || s->close_n < 4)
		return (REASON_ws_protocol);
	code = (unsigned)s->close[2] << 8 | s->close[3];
	if (code == WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA)
		return (REASON_ws_utf8);
	if (code == WSLAY_CODE_MESSAGE_TOO_BIG)
		return (REASON_ws_too_big);
	return (REASON_ws_protocol);
}

/* A frame begins for the context: our limits, then its state. */
static ssize_t
ws_slow_begin(struct ws_slow *s, const struct ws_limits *lim,
    const struct frame *f, struct ws_event *ev)
{
	if (s->frames >= lim->fragments)
		return (ws_bad(ev, REASON_ws_flood));
	s->frames++;
	s->announced += f->length;
	s->fin = f->fin;
	if (f->opcode != WS_OP_CONTINUATION)
		s->text = f->opcode == WS_OP_TEXT;
	s->frame_left = f->header + f->length;
	return (0);
}

/* The message is whole; one byte of room behind it as ws.h promises. */
static ssize_t
ws_slow_end(struct ws *ws, struct ws_pool *pool, struct ws_event *ev,
    size_t fed)
{
	struct ws_slow *s = ws->slow;

	if (!buf_reserve(&s->message, 1))
		return (ws_bad(ev, REASON_memory));
	ev->type = s->text ? WS_TEXT : WS_BINARY;
	ev->data = s->message.data;
	ev->n = s->message.wpos;
	ws_pool_take_back(pool, ws);
	return ((ssize_t)fed);
}

/* Feed what belongs to this frame. */
static ssize_t
ws_slow_feed(struct ws *ws, struct ws_pool *pool, const uint8_t *in, size_t n,
    struct ws_event *ev)
{
	struct ws_slow *s = ws->slow;

	if (n > s->frame_left)
		n = (size_t)s->frame_left;
	s->in = in;
	s->n = n;
	if (wslay_event_recv(s->wslay) != 0)
		return (ws_bad(ev, REASON_ws_protocol));
	if (!wslay_event_get_read_enabled(s->wslay))
		return (ws_bad(ev, ws_slow_verdict(s)));
	if (s->message.oom)
		return (ws_bad(ev, REASON_memory));
	MUST(s->n == 0);
	s->frame_left -= n;
	if (s->frame_left > 0 || !s->fin)
		return ((ssize_t)n);
	return (ws_slow_end(ws, pool, ev, n));
}

/* --- the decoder --------------------------------------------------------- */

/* A data frame that is not whole, or not alone. */
static ssize_t
ws_decode_slow(struct ws *ws, struct ws_pool *pool, const struct ws_limits *lim,
    const struct frame *f, const uint8_t *in, size_t n, struct ws_event *ev)
{
	if (ws->slow == NULL) {
		ws->slow = ws_pool_lend(pool);
		if (ws->slow == NULL)
			return (ws_bad(ev, REASON_memory));
	}
	if (ws_slow_begin(ws->slow, lim, f, ev) < 0)
		return (CODEC_BAD);
	return (ws_slow_feed(ws, pool, in, n, ev));
}

/*
 * What there is of a short text frame is no UTF-8 already: long ones, which
 * wslay checks as they come, end as early.
 */
static bool
ws_partial_is_bad(const struct frame *f, const uint8_t *in, size_t n)
{
	uint8_t plain[WS_TAIL_MAX];

	if (f->opcode != WS_OP_TEXT || n <= f->header)
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
	struct frame f;
	bool fresh;
	int got;

	got = ws_frame_decode(in, n, &f);
	if (unlikely(got <= 0))
		return (got == CODEC_BAD ? ws_bad(ev, REASON_ws_protocol) :
		    CODEC_MORE);
	if (f.opcode & 8) {
		if (n < f.header + f.length)
			return (CODEC_MORE);
		return (ws_take_whole(&f, in, ev));
	}
	if (f.length > lim->message_bytes ||
	    before > lim->message_bytes - f.length)
		return (ws_bad(ev, REASON_ws_too_big));
	fresh = f.fin && f.opcode != WS_OP_CONTINUATION && ws->slow == NULL;
	if (likely(fresh)) {
		if (likely(f.length <= n - f.header))
			return (ws_take_whole(&f, in, ev));
		if (f.length + f.header <= WS_TAIL_MAX)
			return (ws_partial_is_bad(&f, in, n) ?
			    ws_bad(ev, REASON_ws_utf8) : CODEC_MORE);
	}
	return (ws_decode_slow(ws, pool, lim, &f, in, n, ev));
}

ssize_t
ws_decode(struct ws *ws, struct ws_pool *pool, const struct ws_limits *lim,
    uint8_t *in, size_t n, struct ws_event *ev)
{
	CHECK_MAGIC(pool, WS_POOL_MAGIC);
	if (unlikely(pool->last != NULL))
		ws_pool_recycle(pool);
	ev->type = WS_NONE;
	ev->data = NULL;
	ev->n = 0;
	ev->code = 0;
	if (unlikely(n == 0))
		return (CODEC_MORE);
	if (unlikely(ws->slow != NULL && ws->slow->frame_left > 0))
		return (ws_slow_feed(ws, pool, in, n, ev));
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
