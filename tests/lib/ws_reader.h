/*
 * A caller of ws_decode as workers are one: keeps what is left over, gives
 * pieces of any size, and writes down the events as text, so that two ways of
 * cutting the same bytes can be compared.
 *
 *	T5:hello. B0:. i3:abc. o0:. C1000:bye. !ws_protocol.
 *
 * It can move to another pool on the way.  Each call gets memory of exactly the size it is told.
 */
#ifndef TESTS_LIB_WS_READER_H
#define TESTS_LIB_WS_READER_H

#include <stdlib.h>

#include "base/state.h"
#include "proto/ws.h"

struct ws_reader {
	struct ws	 ws;
	struct ws_pool	*pool;
	struct ws_limits lim;
	struct buf	 kept;		/* what the decoder wants again */
	struct buf	 events;
	bool		 over;		/* Close or error seen */
	size_t		 kept_max;	/* most bytes kept */
};

static inline void
ws_reader_init(struct ws_reader *r, uint32_t bytes, uint32_t fragments)
{
	memset(r, 0, sizeof *r);
	r->pool = ws_pool_new();
	MUST(r->pool != NULL);
	r->lim = (struct ws_limits){ bytes, fragments, false, false };
	buf_init(&r->kept);
	buf_init(&r->events);
}

static inline void
ws_reader_fini(struct ws_reader *r)
{
	ws_fini(&r->ws, r->pool);
	MUST(r->ws.slow == NULL && ws_pool_lent(r->pool) == 0);
	ws_pool_free(&r->pool);
	buf_fini(&r->kept);
	buf_fini(&r->events);
}

static inline void
ws_reader_note(struct ws_reader *r, const struct ws_event *ev)
{
	static const char letters[] = "?TBioC";

	if (ev->type == WS_NONE)
		return;
	buf_byte(&r->events, (uint8_t)letters[ev->type]);
	buf_u64(&r->events, ev->type == WS_CLOSE ? ev->code : ev->n);
	buf_byte(&r->events, ':');
	buf_append(&r->events, ev->data, ev->n);
	buf_str(&r->events, ". ");
	r->over = ev->type == WS_CLOSE;
}

/* One call; bytes consumed. */
static inline size_t
ws_reader_step(struct ws_reader *r)
{
	struct slice in = buf_unread(&r->kept);
	uint8_t *p = malloc(in.n);
	struct ws_event ev;
	ssize_t n;

	MUST(p != NULL && in.n > 0);
	memcpy(p, in.p, in.n);
	n = ws_decode(&r->ws, r->pool, &r->lim, p, in.n, &ev);
	if (n > 0) {
		MUST((size_t)n <= in.n && (r->lim.deflate || ev.packed == 0));
		ws_reader_note(r, &ev);
	} else if (n == CODEC_BAD) {
		r->over = true;
		buf_byte(&r->events, '!');
		buf_str(&r->events, reason_row(ev.reason)->name);
		buf_str(&r->events, ". ");
	} else {
		MUST(in.n < WS_TAIL_MAX);
	}
	free(p);
	return (n > 0 ? (size_t)n : 0);
}

static inline void
ws_reader_feed(struct ws_reader *r, struct slice piece)
{
	size_t n;

	buf_slice(&r->kept, piece);
	while (!r->over && buf_unread(&r->kept).n > 0) {
		n = ws_reader_step(r);
		if (n == 0)
			break;
		buf_consume(&r->kept, n);
	}
	if (!r->over && buf_unread(&r->kept).n > r->kept_max)
		r->kept_max = buf_unread(&r->kept).n;
}

/* As by another process: saved, loaded into a pool of its own, saved again. */
static inline void
ws_reader_move(struct ws_reader *r)
{
	struct state_in in;
	struct buf b, again;

	buf_init(&b);
	buf_init(&again);
	ws_save(&r->ws, &b);
	MUST(!b.oom);
	ws_fini(&r->ws, r->pool);
	MUST(ws_pool_lent(r->pool) == 0);
	ws_pool_free(&r->pool);
	r->pool = ws_pool_new();
	in = state_in(buf_unread(&b));
	MUST(ws_load(&r->ws, r->pool, &in) && state_end(&in));
	ws_save(&r->ws, &again);
	MUST(slice_eq(buf_unread(&b), buf_unread(&again)));
	buf_fini(&b);
	buf_fini(&again);
}

/* A client's frame; first: FIN, RSV and opcode. */
static inline void
ws_put_frame(struct buf *b, uint8_t first, struct slice payload)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t header[WS_HEADER_MAX];
	size_t i, n = ws_encode_header(header, 0, payload.n);

	header[0] = first;
	header[1] |= 0x80;
	buf_append(b, header, n);
	buf_append(b, key, 4);
	for (i = 0; i < payload.n; i++)
		buf_byte(b, payload.p[i] ^ key[i & 3]);
}

#endif
