/*
 * Fragments and long partial frames; see ws_int.h.  They are fed to a lent
 * wslay context, never more than the bytes of one frame, so that wslay holds
 * nothing back and is at a frame boundary whenever we are.  wslay keeps the
 * order of fragments and checks their UTF-8; our sums keep the limits, because
 * its own counts single frames only; our buffer grows with the bytes that came,
 * not with those that were announced.  A compressed message is binary for
 * wslay: what it says is looked at when it is whole, and inflated.
 */
#include "proto/ws_int.h"

#include <stdlib.h>
#include <wslay/wslay.h>

/* --- lent contexts ------------------------------------------------------- */

#define POOL_MAX	32		/* idle contexts kept */
#define KEEP_BYTES	16384		/* message buffer an idle one keeps */

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
	s->packed = false;
}

struct ws_pool *
ws_pool_new(void)
{
	struct ws_pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL)
		return (NULL);
	pool->magic = WS_POOL_MAGIC;
	buf_init(&pool->plain);
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
	ws_inflate_fini(pool);
	pool->magic = 0;
	free(pool);
}

unsigned
ws_pool_lent(const struct ws_pool *pool)
{
	CHECK_MAGIC(pool, WS_POOL_MAGIC);
	return (pool->nlent);
}

void
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
    const struct ws_frame *f, const uint8_t *in, struct ws_event *ev)
{
	if (s->frames >= lim->fragments)
		return (ws_bad(ev, REASON_ws_flood));
	s->frames++;
	s->announced += f->length;
	s->length = f->length;
	memcpy(s->key, in + f->header - sizeof s->key, sizeof s->key);
	s->opcode = f->opcode;
	s->fin = f->fin;
	if (s->frames == 1) {
		s->text = f->opcode == WS_OP_TEXT;
		s->packed = f->packed;
	}
	s->frame_left = f->header + f->length;
	return (0);
}

/* The message is whole; one byte of room behind it as ws.h promises. */
static ssize_t
ws_slow_end(struct ws *ws, struct ws_pool *pool, const struct ws_limits *lim,
    struct ws_event *ev, size_t fed)
{
	struct ws_slow *s = ws->slow;

	if (!buf_reserve(&s->message, 1))
		return (ws_bad(ev, REASON_memory));
	ev->type = s->text ? WS_TEXT : WS_BINARY;
	ev->data = s->message.data;
	ev->n = s->message.wpos;
	ws_pool_take_back(pool, ws);
	if (s->packed)
		return (ws_inflate(pool, lim, slice_of(ev->data, ev->n),
		    (ssize_t)fed, ev));
	return ((ssize_t)fed);
}

/* What belongs to this frame. */
ssize_t
ws_slow_feed(struct ws *ws, struct ws_pool *pool, const struct ws_limits *lim,
    const uint8_t *in, size_t n, struct ws_event *ev)
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
	return (ws_slow_end(ws, pool, lim, ev, n));
}

ssize_t
ws_slow_decode(struct ws *ws, struct ws_pool *pool, const struct ws_limits *lim,
    const struct ws_frame *f, uint8_t *in, size_t n, struct ws_event *ev)
{
	if (ws->slow == NULL) {
		ws->slow = ws_pool_lend(pool);
		if (ws->slow == NULL)
			return (ws_bad(ev, REASON_memory));
	}
	if (ws_slow_begin(ws->slow, lim, f, in, ev) < 0)
		return (CODEC_BAD);
	if (f->packed)
		in[0] = (uint8_t)((in[0] & 0x80) | WS_OP_BINARY);
	return (ws_slow_feed(ws, pool, lim, in, n, ev));
}
