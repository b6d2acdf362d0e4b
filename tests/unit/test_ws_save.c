/* WebSocket decoders that go on in another process, at every byte. */
#include "proto/ws.h"

#include "tests/lib/check.h"
#include "tests/lib/ws_reader.h"

#define FIN	0x80
#define LIMIT	20000
#define FRAMES	5

/* --- streams ------------------------------------------------------------- */

static void
put_long(struct buf *b, uint8_t first, size_t n)
{
	struct buf payload;
	size_t i;

	buf_init(&payload);
	/* two bytes each, so that most cuts are inside a character */
	for (i = 0; i < n / 2; i++)
		buf_append(&payload, (uint8_t[2]){ 0xc3,
		    (uint8_t)(0x80 + i % 64) }, 2);
	ws_put_frame(b, first, buf_unread(&payload));
	buf_fini(&payload);
}

static void
stream_small(struct buf *b)
{
	ws_put_frame(b, FIN | WS_OP_TEXT, SLICE("alone"));
	ws_put_frame(b, WS_OP_TEXT, SLICE("\xf0\x9f"));
	ws_put_frame(b, FIN | WS_OP_PING, SLICE("mid"));
	ws_put_frame(b, WS_OP_CONTINUATION, SLICE(""));
	ws_put_frame(b, FIN | WS_OP_PONG, SLICE(""));
	ws_put_frame(b, WS_OP_CONTINUATION, SLICE("\x98"));
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE("\x80 and so on"));
	ws_put_frame(b, WS_OP_BINARY, SLICE(""));
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE(""));
	ws_put_frame(b, WS_OP_BINARY, SLICE("\xff\0\x80 0123456789"));
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE("x"));
	buf_append(b, "\x01\x83\0\0\0\0abc\x80\x81\0\0\0\0d", 16);
	ws_put_frame(b, WS_OP_TEXT, SLICE("left open"));
	ws_put_frame(b, FIN | WS_OP_CLOSE, SLICE("\x03\xe8"));
}

static void
stream_long(struct buf *b)
{
	put_long(b, FIN | WS_OP_TEXT, 4200);
	put_long(b, WS_OP_BINARY, 300);
	ws_put_frame(b, FIN | WS_OP_PING, SLICE("mid"));
	put_long(b, WS_OP_CONTINUATION, 130);
	put_long(b, FIN | WS_OP_CONTINUATION, 700);
	put_long(b, FIN | WS_OP_BINARY, 5000);
}

/* Compressed: whole, in fragments, and in one that is too short for its rest. */
static void
stream_packed(struct buf *b)
{
	static const uint8_t hello[] = { 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07,
		0x00 };
	struct slice z = slice_of(hello, sizeof hello);

	ws_put_frame(b, FIN | 0x40 | WS_OP_TEXT, z);
	ws_put_frame(b, 0x40 | WS_OP_BINARY, slice_of(hello, 1));
	ws_put_frame(b, FIN | WS_OP_PING, SLICE("mid"));
	ws_put_frame(b, WS_OP_CONTINUATION, slice_of(hello + 1, 2));
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, slice_from(z, 3));
	ws_put_frame(b, FIN | WS_OP_TEXT, SLICE("plain"));
	ws_put_frame(b, 0x40 | WS_OP_TEXT, z);
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE("\xff\xff"));
}

static void
stream_flood(struct buf *b)
{
	unsigned i;

	ws_put_frame(b, WS_OP_TEXT, SLICE("a"));
	for (i = 0; i < FRAMES; i++)
		ws_put_frame(b, WS_OP_CONTINUATION, SLICE("b"));
}

static void
stream_too_big(struct buf *b)
{
	ws_put_frame(b, WS_OP_BINARY, SLICE("a"));
	put_long(b, WS_OP_CONTINUATION, 200);
	buf_append(b, "\x80\xfe\x4d\x80zzzz", 8);	/* 19840 more */
}

static void
stream_bad_text(struct buf *b)
{
	ws_put_frame(b, WS_OP_TEXT, SLICE("ok \xe2\x82"));
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE("\xc3"));
}

static void
stream_cut_text(struct buf *b)
{
	ws_put_frame(b, WS_OP_TEXT, SLICE("ok \xe2\x82"));
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE(""));
}

static void
stream_wrong_order(struct buf *b)
{
	ws_put_frame(b, WS_OP_TEXT, SLICE("a"));
	ws_put_frame(b, FIN | WS_OP_TEXT, SLICE("b"));
}

/* What wslay has not judged yet does not change what is there. */
static void
stream_wrong_kind(struct buf *b)
{
	ws_put_frame(b, WS_OP_BINARY, SLICE("\xff"));
	ws_put_frame(b, FIN | WS_OP_TEXT, SLICE("b"));
}

static void
stream_second_part(struct buf *b)
{
	ws_put_frame(b, FIN | WS_OP_CONTINUATION, SLICE("b"));
}

static void (*const streams[])(struct buf *) = { stream_small, stream_long, stream_packed,
	stream_packed, stream_flood, stream_too_big, stream_bad_text, stream_cut_text,
	stream_wrong_order, stream_wrong_kind, stream_second_part };

/* --- going on ------------------------------------------------------------ */

/* Moved before byte at, and before each after it that is `each` further. */
static void
read_moved(struct ws_reader *r, struct slice in, size_t at, size_t each)
{
	ws_reader_init(r, LIMIT, FRAMES);
	r->lim.deflate = true;
	while (in.n > 0 && !r->over) {
		if (at > in.n)
			at = in.n;
		if (at > 0)
			ws_reader_feed(r, slice_of(in.p, at));
		in = slice_from(in, at);
		at = each;
		if (!r->over)
			ws_reader_move(r);
	}
}

static void
a_stream_goes_on_wherever_it_is_cut(void **state)
{
	struct ws_reader whole, moved;
	struct slice in;
	struct buf b;
	size_t i, at;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(streams); i++) {
		buf_reset(&b);
		streams[i](&b);
		in = buf_unread(&b);
		ws_reader_init(&whole, LIMIT, FRAMES);
		whole.lim.deflate = true;
		ws_reader_feed(&whole, in);
		assert_int_not_equal(whole.events.wpos, 0);
		for (at = 0; at <= in.n; at++) {
			read_moved(&moved, in, at, in.n);
			assert_slices(buf_unread(&moved.events),
			    buf_unread(&whole.events));
			ws_reader_fini(&moved);
		}
		/* again and again */
		read_moved(&moved, in, 1, in.n > 1000 ? 37 : 1);
		assert_slices(buf_unread(&moved.events),
		    buf_unread(&whole.events));
		ws_reader_fini(&moved);
		ws_reader_fini(&whole);
	}
	buf_fini(&b);
}

/* A decoder that has read so much of the long stream, as bytes. */
static void
save_part(struct buf *to, size_t n)
{
	struct ws_reader r;
	struct buf b;

	buf_init(&b);
	stream_long(&b);
	ws_reader_init(&r, LIMIT, FRAMES);
	ws_reader_feed(&r, slice_of(b.data, n));
	ws_save(&r.ws, to);
	assert_false(to->oom);
	ws_reader_fini(&r);
	buf_fini(&b);
}

static bool
loads(struct slice s, struct ws_pool *pool)
{
	struct state_in in = state_in(s);
	struct ws ws = { NULL };
	bool ok;

	ok = ws_load(&ws, pool, &in);
	if (!ok)
		assert_null(ws.slow);
	ws_fini(&ws, pool);
	assert_int_equal(ws_pool_lent(pool), 0);
	return (ok);
}

static void
what_is_no_decoder_is_not_loaded(void **state)
{
	struct ws_pool *pool = ws_pool_new();
	struct buf b;
	uint8_t *p;
	size_t n;

	(void)state;
	assert_non_null(pool);
	buf_init(&b);
	/* nothing on its way; or 300 bytes, and then some of the next frame */
	save_part(&b, 0);
	assert_int_equal(b.wpos, 8 + 4);
	assert_true(loads(buf_unread(&b), pool));
	buf_reset(&b);
	save_part(&b, 4208 + 8 + 300 + 9 + 50);
	assert_true(loads(buf_unread(&b), pool));
	for (n = 0; n < b.wpos; n++) {
		p = check_copy(slice_of(b.data, n));
		assert_false(loads(slice_of(p, n), pool));
		free(p);
	}
	/* of another version, another thing, fewer fragments than there are */
	b.data[2]++;
	assert_false(loads(buf_unread(&b), pool));
	b.data[2]--;
	b.data[0]++;
	assert_false(loads(buf_unread(&b), pool));
	b.data[0]--;
	b.data[8] = 1;
	assert_false(loads(buf_unread(&b), pool));
	b.data[8] = 0;
	assert_false(loads(buf_unread(&b), pool));
	b.data[8] = 2;
	assert_true(loads(buf_unread(&b), pool));
	/* more than there can have been: none is whole */
	buf_reset(&b);
	save_part(&b, 4000);
	assert_true(loads(buf_unread(&b), pool));
	b.data[8]++;
	assert_false(loads(buf_unread(&b), pool));
	buf_fini(&b);
	ws_pool_free(&pool);
}

/* They would have been told, or their reader has them. */
static void
whole_messages_are_not_loaded(void **state)
{
	static const struct slice rows[] = {
		SLICE("\x81\x83\0\0\0\0abc"), SLICE("\x89\x80\0\0\0\0"),
		SLICE("\x81\x83\0\0\0\0ab"), SLICE("\x80\x80\0\0\0\0"),
		SLICE("\x01\x80\0\0\0\0\x80\x80\0\0\0\0"),
		SLICE("\x01\x80\0\0\0\0\x89\x80\0\0\0\0"),
		SLICE("\x01\x80\0\0\0\0\x80"), SLICE("\x01\x81\0\0\0\0\xff")
	};
	struct ws_pool *pool = ws_pool_new();
	struct buf b;
	size_t i, at;

	(void)state;
	assert_non_null(pool);
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		at = state_open(&b, 0x5753, 1);
		state_put_u32(&b, 3);
		buf_slice(&b, rows[i]);
		state_close(&b, at);
		assert_row(!loads(buf_unread(&b), pool), rows[i]);
		buf_reset(&b);
	}
	buf_fini(&b);
	ws_pool_free(&pool);
}

/* Its limit is lower where it goes on: it ends, and no more may come. */
static void
a_lower_limit_counts_for_what_comes(void **state)
{
	struct ws_reader r;
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, WS_OP_BINARY, SLICE("0123456789"));
	ws_reader_init(&r, LIMIT, FRAMES);
	ws_reader_feed(&r, slice_of(b.data, b.wpos - 1));
	ws_reader_move(&r);
	r.lim.message_bytes = 9;
	ws_reader_feed(&r, slice_of(b.data + b.wpos - 1, 1));
	assert_false(r.over);
	ws_reader_move(&r);
	buf_reset(&b);
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE(""));
	ws_reader_feed(&r, buf_unread(&b));
	assert_slice(buf_unread(&r.events), "!ws_too_big. ");
	ws_reader_fini(&r);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_goes_on_wherever_it_is_cut),
		cmocka_unit_test(what_is_no_decoder_is_not_loaded),
		cmocka_unit_test(whole_messages_are_not_loaded),
		cmocka_unit_test(a_lower_limit_counts_for_what_comes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
