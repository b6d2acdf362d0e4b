/* WebSocket: the opening handshake, frames in every cut, limits, the pool. */
#include "proto/ws.h"

#include "tests/lib/check.h"
#include "tests/lib/ws_reader.h"

/* --- opening handshake --------------------------------------------------- */

static const char good_request[] =
    "GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: chat, superchat\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

/* The request with one part replaced: 0 or the status of the refusal. */
static int
offer_status(const char *from, const char *to, struct ws_offer *o)
{
	const char *at = strstr(good_request, from);
	struct http_request r;
	struct buf b;
	int rc;

	assert_non_null(at);
	buf_init(&b);
	buf_append(&b, good_request, (size_t)(at - good_request));
	buf_str(&b, to);
	buf_str(&b, at + strlen(from));
	assert_true(http_decode_request(buf_unread(&b), &r) > 0);
	rc = ws_check_request(&r, o);
	if (rc == CODEC_BAD)
		assert_non_null(o->why);
	buf_fini(&b);
	return (rc == CODEC_BAD ? o->status : 0);
}

static void
the_example_of_the_rfc_is_accepted(void **state)
{
	struct http_request r;
	struct ws_offer o;
	struct buf b;

	(void)state;
	assert_true(http_decode_request(slice_str(good_request), &r) > 0);
	assert_int_equal(ws_check_request(&r, &o), 0);
	assert_slice(slice_of(o.accept, sizeof o.accept),
	    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	buf_init(&b);
	ws_encode_accept(&b, &o, SLICE("chat"), "Server: x\r\n");
	assert_buf(&b, "HTTP/1.1 101 Switching Protocols\r\n"
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		       "Sec-WebSocket-Protocol: chat\r\nServer: x\r\n\r\n");
	ws_encode_accept(&b, &o, slice_of(NULL, 0), NULL);
	assert_buf(&b, "HTTP/1.1 101 Switching Protocols\r\n"
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		       "\r\n");
	buf_fini(&b);
}

static void
wrong_handshakes_are_refused_with_their_status(void **state)
{
	static const struct {
		const char *from, *to;
		int status;
	} rows[] = {
		{ "GET", "POST", 405 },
		{ "HTTP/1.1", "HTTP/1.0", 400 },
		{ "websocket", "h2c", 426 },
		{ "websocket", "h2c, WebSocket", 0 },
		{ "keep-alive, Upgrade", "keep-alive", 426 },
		{ "keep-alive, Upgrade", "upgrade", 0 },
		{ "Version: 13", "Version: 8", 426 },
		{ "Version: 13", "Version: 99", 426 },
		{ "Version: 13", "Version: 013", 426 },
		{ "Sec-WebSocket-Version: 13\r\n", "", 400 },
		{ "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13",
		    400 },
		{ "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE=", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", 0 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j//==", 0 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j/-==", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=A", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ===", 400 },
		{ "dGhlIHNhbXBsZSBub25jZQ==", "dGhl*HNhbXBsZSBub25jZQ==", 400 },
		{ "Key: ", "Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			   "Sec-WebSocket-Key: ", 400 },
		{ "Host:", "Content-Length: 3\r\nHost:", 400 },
		{ "Host:", "Content-Length: 0\r\nHost:", 0 },
		{ "Host:", "Transfer-Encoding: chunked\r\nHost:", 400 }
	};
	struct ws_offer o;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(offer_status(rows[i].from, rows[i].to, &o) ==
		    rows[i].status, slice_str(rows[i].to));
}

/* --- frames, in every cut ------------------------------------------------ */

#define FIN	0x80
#define LIMIT	70000
#define FRAMES	4

/* Events of the input cut into pieces of step bytes, the first being head. */
static void
check_cut(struct slice in, size_t head, size_t step, struct slice want)
{
	struct ws_reader r;
	size_t n = head;

	ws_reader_init(&r, LIMIT, FRAMES);
	while (in.n > 0 && !r.over) {
		if (n > in.n)
			n = in.n;
		if (n > 0)
			ws_reader_feed(&r, slice_of(in.p, n));
		in = slice_from(in, n);
		n = step;
	}
	assert_slices(buf_unread(&r.events), want);
	assert_true(r.kept_max < WS_TAIL_MAX);
	ws_reader_fini(&r);
}

/* The same events whole, byte by byte, at every split. */
static void
check_frames(struct slice in, struct slice want)
{
	size_t i, stride = in.n > 1000 ? in.n / 97 : 1;

	check_cut(in, in.n, 1, want);
	check_cut(in, 1, in.n > 1000 ? 811 : 1, want);
	for (i = 0; i < in.n; i += stride)
		check_cut(in, i, in.n, want);
}

#define assert_frames(b, want) do {				\
	check_frames(buf_unread(b), SLICE(want));		\
	buf_reset(b);						\
} while (0)

static void
whole_messages_arrive_in_order(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE("hello"));
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE(""));
	ws_put_frame(&b, FIN | WS_OP_BINARY, SLICE("\0\xff\x80"));
	ws_put_frame(&b, FIN | WS_OP_PING, SLICE("p"));
	ws_put_frame(&b, FIN | WS_OP_PONG, SLICE(""));
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE("caf\xc3\xa9 "
							"\xf0\x9f\x98\x80"));
	ws_put_frame(&b, FIN | WS_OP_BINARY, SLICE(""));
	assert_frames(&b, "T5:hello. T0:. B3:\0\xff\x80. i1:p. o0:. "
			  "T10:caf\xc3\xa9 \xf0\x9f\x98\x80. B0:. ");
	buf_fini(&b);
}

/* Payloads at the sizes where the header changes, and long partial ones. */
static void
every_size_is_unmasked(void **state)
{
	static const size_t sizes[] = { 1, 7, 8, 9, 31, 32, 33, 63, 125, 126,
		127, 255, 4000, 4087, 4088, 4089, 4096, 5000, 65535, 65536,
		LIMIT };
	struct buf b, payload, want;
	size_t i, j;

	(void)state;
	buf_init(&b);
	buf_init(&payload);
	buf_init(&want);
	for (i = 0; i < nitems(sizes); i++) {
		for (j = 0; j < sizes[i]; j++)
			buf_byte(&payload, (uint8_t)('a' + j % 26));
		ws_put_frame(&b, FIN | WS_OP_TEXT, buf_unread(&payload));
		ws_put_frame(&b, FIN | WS_OP_BINARY, SLICE("end"));
		buf_printf(&want, "T%zu:", sizes[i]);
		buf_slice(&want, buf_unread(&payload));
		buf_str(&want, ". B3:end. ");
		check_frames(buf_unread(&b), buf_unread(&want));
		buf_reset(&b);
		buf_reset(&payload);
		buf_reset(&want);
	}
	buf_fini(&b);
	buf_fini(&payload);
	buf_fini(&want);
}

static void
fragments_are_joined_with_control_frames_between(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, WS_OP_TEXT, SLICE("4"));
	ws_put_frame(&b, FIN | WS_OP_PING, SLICE("mid"));
	ws_put_frame(&b, WS_OP_CONTINUATION, SLICE(""));
	ws_put_frame(&b, FIN | WS_OP_PONG, SLICE(""));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("2[\"a\"]"));
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE("next"));
	ws_put_frame(&b, WS_OP_BINARY, SLICE("\1"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("\2"));
	ws_put_frame(&b, WS_OP_TEXT, SLICE(""));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE(""));
	assert_frames(&b, "i3:mid. o0:. T7:42[\"a\"]. T4:next. B2:\1\2. T0:. ");
	ws_put_frame(&b, WS_OP_TEXT, SLICE("unfinished"));
	ws_put_frame(&b, FIN | WS_OP_CLOSE, SLICE("\x03\xe8"));
	assert_frames(&b, "C1000:. ");
	buf_fini(&b);
}

/* RFC 7692: any split gives the same, and what is none is said so. */
static void
compressed_messages_are_inflated_when_they_are_whole(void **state)
{
#define HELLO	"\xf2\x48\xcd\xc9\xc9\x07\0"
#define PACKED	0x40
	static const struct {
		uint8_t first[2];	/* the second: 0, alone */
		struct slice payload[2];
		const char *events;
	} rows[] = {
		{ { FIN | PACKED | WS_OP_TEXT }, { SLICE(HELLO) },
		    "T5:Hello. " },
		{ { FIN | PACKED | WS_OP_BINARY }, { SLICE("") }, "B0:. " },
		{ { PACKED | WS_OP_TEXT, FIN | WS_OP_CONTINUATION },
		    { SLICE("\xf2\x48"), SLICE("\xcd\xc9\xc9\x07\0") },
		    "T5:Hello. " },
		{ { PACKED | WS_OP_TEXT, FIN | PACKED | WS_OP_CONTINUATION },
		    { SLICE("\xf2\x48"), SLICE("\xcd\xc9\xc9\x07\0") },
		    "!ws_protocol. " },
		{ { WS_OP_TEXT, FIN | PACKED | WS_OP_TEXT },
		    { SLICE("a"), SLICE(HELLO) }, "!ws_protocol. " },
		{ { FIN | PACKED | WS_OP_PING }, { SLICE("") },
		    "!ws_protocol. " },
		{ { FIN | 0x60 | WS_OP_TEXT }, { SLICE(HELLO) },
		    "!ws_protocol. " },
		{ { FIN | PACKED | WS_OP_TEXT }, { SLICE("\xff\xff") },
		    "!ws_inflate. " },
		/* "\xff" and "\xff" as a stored block */
		{ { FIN | PACKED | WS_OP_TEXT },
		    { SLICE("\0\1\0\xfe\xff\xff\0") }, "!ws_utf8. " },
		{ { FIN | PACKED | WS_OP_BINARY },
		    { SLICE("\0\1\0\xfe\xff\xff\0") }, "B1:\xff. " },
	};
	struct ws_reader r;
	struct buf b;
	size_t i, at;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		buf_reset(&b);
		ws_put_frame(&b, rows[i].first[0], rows[i].payload[0]);
		if (rows[i].first[1] != 0)
			ws_put_frame(&b, rows[i].first[1], rows[i].payload[1]);
		for (at = 0; at < b.wpos; at++) {
			ws_reader_init(&r, 1000, 10);
			r.lim.deflate = true;
			ws_reader_feed(&r, slice_of(b.data, at));
			ws_reader_feed(&r, slice_of(b.data + at, b.wpos - at));
			assert_text(buf_unread(&r.events), rows[i].events);
			ws_reader_fini(&r);
		}
		ws_reader_init(&r, 4, 10);	/* four bytes at most */
		r.lim.deflate = true;
		ws_reader_feed(&r, buf_unread(&b));
		if (strcmp(rows[i].events, "T5:Hello. ") == 0)
			assert_text(buf_unread(&r.events), "!ws_too_big. ");
		ws_reader_fini(&r);
		if (!(rows[i].first[0] & PACKED))
			continue;
		ws_reader_init(&r, 1000, 10);	/* nothing was agreed on */
		ws_reader_feed(&r, buf_unread(&b));
		assert_text(buf_unread(&r.events), "!ws_protocol. ");
		ws_reader_fini(&r);
	}
	buf_fini(&b);
}

/* A bomb costs nothing, and is told apart from what follows it. */
static void
compressed_messages_that_are_dropped_are_not_inflated(void **state)
{
	struct ws_reader r;
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, FIN | PACKED | WS_OP_BINARY, SLICE("no DEFLATE"));
	ws_put_frame(&b, PACKED | WS_OP_TEXT, SLICE("\xff"));
	ws_put_frame(&b, FIN | WS_OP_PING, SLICE("mid"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("\xff"));
	ws_put_frame(&b, FIN | PACKED | WS_OP_TEXT, SLICE(HELLO));
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE("plain"));
	ws_put_frame(&b, FIN | WS_OP_CLOSE, SLICE("\x03\xe8"));
	ws_reader_init(&r, 100, 10);
	r.lim.deflate = r.lim.dropped = true;
	ws_reader_feed(&r, buf_unread(&b));
	assert_text(buf_unread(&r.events),
	    "B0:. i3:mid. T0:. T0:. T5:plain. C1000:. ");
	ws_reader_fini(&r);
	buf_fini(&b);
}

/* However much of its memory the message fills. */
static void
a_joined_message_has_a_byte_of_room_behind_it(void **state)
{
	static uint8_t bytes[4096];
	struct ws_reader r;
	struct ws_event ev;
	struct buf b;
	size_t n, at;
	ssize_t used;

	(void)state;
	buf_init(&b);
	for (n = 2; n <= sizeof bytes; n += n < 600 ? 1 : 8) {
		ws_reader_init(&r, 1u << 20, 10);
		buf_reset(&b);
		ws_put_frame(&b, WS_OP_BINARY, slice_of(bytes, n - 1));
		ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("x"));
		at = 0;
		do {
			used = ws_decode(&r.ws, r.pool, &r.lim, b.data + at,
			    b.wpos - at, &ev);
			assert_true(used > 0);
			at += (size_t)used;
		} while (ev.type == WS_NONE);
		assert_int_equal(ev.type, WS_BINARY);
		assert_int_equal(ev.n, n);
		assert_int_equal(ev.data[n - 1], 'x');
		ev.data[n] = '\0';	/* a sanitizer knows */
		ws_reader_fini(&r);
	}
	buf_fini(&b);
}

static void
wrong_order_of_fragments_is_an_error(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("x"));
	assert_frames(&b, "!ws_protocol. ");
	ws_put_frame(&b, WS_OP_CONTINUATION, SLICE("x"));
	assert_frames(&b, "!ws_protocol. ");
	ws_put_frame(&b, WS_OP_TEXT, SLICE("x"));
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE("y"));
	assert_frames(&b, "!ws_protocol. ");
	ws_put_frame(&b, WS_OP_TEXT, SLICE("x"));
	ws_put_frame(&b, WS_OP_BINARY, SLICE(""));
	assert_frames(&b, "!ws_protocol. ");
	ws_put_frame(&b, WS_OP_TEXT, SLICE("x"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("y"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("z"));
	assert_frames(&b, "T2:xy. !ws_protocol. ");
	buf_fini(&b);
}

static void
malformed_headers_are_errors(void **state)
{
	static const struct slice rows[] = {
		SLICE("\x81\x05hello"),			/* not masked */
		SLICE("\x89\x00"),
		SLICE("\xc1\x80zzzz"), SLICE("\xa1\x80zzzz"),	/* RSV */
		SLICE("\x91\x80zzzz"), SLICE("\xc9\x80zzzz"),
		SLICE("\x83\x80zzzz"), SLICE("\x87\x80zzzz"),	/* reserved */
		SLICE("\x8b\x80zzzz"), SLICE("\x8f\x80zzzz"),
		SLICE("\x09\x80zzzz"), SLICE("\x08\x80zzzz"),	/* no FIN */
		SLICE("\x89\xfe\x00\x7ezzzz"), SLICE("\x88\xff"), /* long */
		SLICE("\x81\xfe\x00\x7dzzzz"), SLICE("\x81\xfe\x00\x00zzzz"),
		SLICE("\x81\xff\0\0\0\0\0\0\xff\xffzzzz"), /* not minimal */
		SLICE("\x81\xff\0\0\0\0\0\0\0\x7dzzzz"),
		SLICE("\x82\xff\x80\0\0\0\0\0\0\0zzzz"),	/* top bit */
		SLICE("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffzzzz")
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		check_frames(rows[i], SLICE("!ws_protocol. "));
}

static void
the_mask_key_may_be_zero(void **state)
{
	(void)state;
	check_frames(SLICE("\x81\x83\0\0\0\0abc"), SLICE("T3:abc. "));
}

static void
text_must_be_utf8_also_over_fragments(void **state)
{
	static const struct slice bad[] = { SLICE("\xff"), SLICE("a\xc3"),
		SLICE("\xed\xa0\x80"), SLICE("\xc0\x80"),
		SLICE("0123456789012345678901234567890123456789\x80"),
		SLICE("\xf4\x90\x80\x80") };
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(bad); i++) {
		ws_put_frame(&b, FIN | WS_OP_TEXT, bad[i]);
		assert_frames(&b, "!ws_utf8. ");
		ws_put_frame(&b, WS_OP_TEXT, SLICE("ok"));
		ws_put_frame(&b, FIN | WS_OP_CONTINUATION, bad[i]);
		assert_frames(&b, "!ws_utf8. ");
	}
	ws_put_frame(&b, WS_OP_TEXT, SLICE("\xf0"));
	ws_put_frame(&b, WS_OP_CONTINUATION, SLICE("\x9f\x98"));
	ws_put_frame(&b, FIN | WS_OP_PING, SLICE("\xff"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("\x80"));
	assert_frames(&b, "i1:\xff. T4:\xf0\x9f\x98\x80. ");
	ws_put_frame(&b, WS_OP_TEXT, SLICE("\xf0\x9f"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE(""));
	assert_frames(&b, "!ws_utf8. ");
	ws_put_frame(&b, WS_OP_BINARY, SLICE("\xff"));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("\xc3"));
	assert_frames(&b, "B2:\xff\xc3. ");
	buf_fini(&b);
}

/* Bad text is refused while the message is still on its way. */
static void
bad_text_fails_before_the_message_ends(void **state)
{
	struct ws_reader r;
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, WS_OP_TEXT, SLICE("\xff"));
	ws_reader_init(&r, LIMIT, FRAMES);
	ws_reader_feed(&r, buf_unread(&b));
	assert_slice(buf_unread(&r.events), "!ws_utf8. ");
	ws_reader_fini(&r);
	buf_fini(&b);
}

/* Of frames that come in pieces: with the first bad byte. */
static void
text_that_is_not_utf8_ends_with_its_first_bad_byte(void **state)
{
	static const size_t sizes[] = { 3, 100, 126, 4000, 4088, 4089, 8000 };
	struct ws_reader r;
	struct slice whole;
	uint8_t text[8000];
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(sizes); i++) {
		memset(text, 'x', sizeof text);
		memcpy(text, "\xc3\xff", 2);
		buf_reset(&b);
		ws_put_frame(&b, FIN | WS_OP_TEXT, slice_of(text, sizes[i]));
		whole = buf_unread(&b);
		ws_reader_init(&r, LIMIT < 8000 ? 8000 : LIMIT, FRAMES);
		/* header and half a character, then the bad one */
		ws_reader_feed(&r, slice_of(whole.p, whole.n - sizes[i] + 1));
		assert_false(r.over);
		ws_reader_feed(&r, slice_of(whole.p + whole.n - sizes[i] + 1,
		    1));
		assert_slice(buf_unread(&r.events), "!ws_utf8. ");
		ws_reader_fini(&r);
	}
	buf_fini(&b);
}

static void
messages_are_limited_by_the_length_field_alone(void **state)
{
	uint8_t *most = calloc(1, LIMIT - 1);
	struct buf b;

	(void)state;
	assert_non_null(most);
	buf_init(&b);
	ws_put_frame(&b, WS_OP_BINARY, slice_of(most, LIMIT - 1));
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("yz"));
	assert_frames(&b, "!ws_too_big. ");
	free(most);
	buf_fini(&b);
	/* headers only */
	check_frames(SLICE("\x82\xff\0\0\0\0\0\1\x11\x71zzzz"),
	    SLICE("!ws_too_big. "));
	check_frames(SLICE("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffzzzz"),
	    SLICE("!ws_too_big. "));
	check_frames(SLICE("\x01\x81\0\0\0\0x\x00\xff\x7f\xff\xff\xff\xff\xff"
			   "\xff\xff\0\0\0\0"), SLICE("!ws_too_big. "));
}

static void
fragments_are_limited_in_number(void **state)
{
	struct buf b;
	int i;

	(void)state;
	buf_init(&b);
	ws_put_frame(&b, WS_OP_TEXT, SLICE(""));
	for (i = 0; i < FRAMES - 2; i++) {
		ws_put_frame(&b, WS_OP_CONTINUATION, SLICE(""));
		ws_put_frame(&b, FIN | WS_OP_PONG, SLICE(""));
	}
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("x"));
	assert_frames(&b, "o0:. o0:. T1:x. ");
	ws_put_frame(&b, WS_OP_TEXT, SLICE(""));
	for (i = 0; i < FRAMES; i++)
		ws_put_frame(&b, WS_OP_CONTINUATION, SLICE(""));
	assert_frames(&b, "!ws_flood. ");
	buf_fini(&b);
}

static void
close_frames_are_judged_whole(void **state)
{
	static const struct {
		struct slice payload, want;
	} rows[] = {
		{ SLICE(""), SLICE("C1005:. ") },
		{ SLICE("\x03"), SLICE("!ws_protocol. ") },
		{ SLICE("\x03\xe8"), SLICE("C1000:. ") },
		{ SLICE("\x03\xe8""bye \xc3\xa9"),
		    SLICE("C1000:bye \xc3\xa9. ") },
		{ SLICE("\x03\xe8\xff"), SLICE("!ws_utf8. ") },
		{ SLICE("\x03\xe8""123456789\xc3"), SLICE("!ws_utf8. ") }
	};
	static const struct {
		uint16_t from, to;
		bool ok;
	} codes[] = {
		{ 0, 999, false }, { 1000, 1003, true }, { 1004, 1006, false },
		{ 1007, 1014, true }, { 1015, 2999, false },
		{ 3000, 4999, true }, { 5000, 65535, false }
	};
	struct buf b, want;
	uint8_t code[2];
	size_t i;
	unsigned c;

	(void)state;
	buf_init(&b);
	buf_init(&want);
	for (i = 0; i < nitems(rows); i++) {
		ws_put_frame(&b, FIN | WS_OP_CLOSE, rows[i].payload);
		check_frames(buf_unread(&b), rows[i].want);
		buf_reset(&b);
	}
	for (i = 0; i < nitems(codes); i++)
		for (c = codes[i].from; c <= codes[i].to; c++) {
			code[0] = (uint8_t)(c >> 8);
			code[1] = (uint8_t)c;
			ws_put_frame(&b, FIN | WS_OP_CLOSE, slice_of(code, 2));
			if (codes[i].ok)
				buf_printf(&want, "C%u:. ", c);
			else
				buf_str(&want, "!ws_protocol. ");
			check_cut(buf_unread(&b), b.wpos, 1,
			    buf_unread(&want));
			buf_reset(&b);
			buf_reset(&want);
		}
	buf_fini(&b);
	buf_fini(&want);
}

/* --- the pool ------------------------------------------------------------ */

static void
contexts_are_lent_only_inside_messages(void **state)
{
	struct ws_reader r;
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_reader_init(&r, LIMIT, FRAMES);
	ws_put_frame(&b, FIN | WS_OP_TEXT, SLICE("whole"));
	ws_reader_feed(&r, buf_unread(&b));
	assert_int_equal(ws_pool_lent(r.pool), 0);
	ws_reader_feed(&r, slice_of(b.data, 8));	/* short partial */
	assert_int_equal(ws_pool_lent(r.pool), 0);
	ws_reader_feed(&r, slice_of(b.data + 8, b.wpos - 8));
	buf_reset(&b);
	ws_put_frame(&b, WS_OP_TEXT, SLICE("a"));
	ws_reader_feed(&r, buf_unread(&b));
	assert_int_equal(ws_pool_lent(r.pool), 1);
	buf_reset(&b);
	ws_put_frame(&b, FIN | WS_OP_CONTINUATION, SLICE("b"));
	ws_reader_feed(&r, buf_unread(&b));
	assert_int_equal(ws_pool_lent(r.pool), 0);
	assert_null(r.ws.slow);
	assert_slice(buf_unread(&r.events), "T5:whole. T5:whole. T2:ab. ");
	buf_fini(&b);
	ws_reader_fini(&r);
}

/* Connections take turns in mid-message; none sees another's bytes. */
static void
many_connections_share_the_pool(void **state)
{
	enum { N = 80, ROUNDS = 3 };
	struct ws_limits lim = { LIMIT, FRAMES, false, false };
	struct ws_pool *pool = ws_pool_new();
	struct ws conns[N] = { { NULL } };
	struct ws_event ev;
	struct buf b;
	uint8_t letter;
	unsigned i;
	int round;

	(void)state;
	assert_non_null(pool);
	buf_init(&b);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < N; i++) {
			letter = (uint8_t)('0' + i);
			ws_put_frame(&b, WS_OP_BINARY, slice_of(&letter, 1));
			assert_int_equal(ws_decode(&conns[i], pool, &lim,
			    b.data, b.wpos, &ev), b.wpos);
			assert_int_equal(ev.type, WS_NONE);
			buf_reset(&b);
		}
		assert_int_equal(ws_pool_lent(pool), N);
		for (i = 0; i < N; i++) {
			letter = (uint8_t)('0' + i);
			if (round == 1 && i % 3 == 0) {
				ws_fini(&conns[i], pool);
				continue;
			}
			ws_put_frame(&b, FIN, slice_of(&letter, 1));
			assert_int_equal(ws_decode(&conns[i], pool, &lim,
			    b.data, b.wpos, &ev), b.wpos);
			assert_int_equal(ev.type, WS_BINARY);
			assert_int_equal(ev.n, 2);
			assert_int_equal(ev.data[0], letter);
			assert_int_equal(ev.data[1], letter);
			ev.data[ev.n] = 0;	/* the byte promised */
			buf_reset(&b);
		}
		assert_int_equal(ws_pool_lent(pool), 0);
	}
	for (i = 0; i < N; i++)
		ws_fini(&conns[i], pool);
	buf_fini(&b);
	ws_pool_free(&pool);
	assert_null(pool);
}

/* --- encoding ------------------------------------------------------------ */

static void
headers_use_the_shortest_length(void **state)
{
	static const struct {
		uint64_t n;
		struct slice want;
	} rows[] = {
		{ 0, SLICE("\x81\x00") }, { 125, SLICE("\x81\x7d") },
		{ 126, SLICE("\x81\x7e\x00\x7e") },
		{ 65535, SLICE("\x81\x7e\xff\xff") },
		{ 65536, SLICE("\x81\x7f\0\0\0\0\0\1\0\0") },
		{ UINT64_C(0x0102030405060708),
		    SLICE("\x81\x7f\1\2\3\4\5\6\7\x8") }
	};
	uint8_t out[WS_HEADER_MAX];
	size_t i, n;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		n = ws_encode_header(out, WS_OP_TEXT, rows[i].n);
		assert_slices(slice_of(out, n), rows[i].want);
		assert_int_equal(ws_header_size(rows[i].n), n);
	}
}

static void
close_words_are_cut_at_a_character(void **state)
{
	char words[130];
	struct buf b;

	(void)state;
	buf_init(&b);
	ws_encode_frame(&b, WS_OP_PONG, SLICE("abc"));
	assert_buf(&b, "\x8a\x03""abc");
	ws_encode_close(&b, 0, "ignored");
	assert_buf(&b, "\x88\x00");
	ws_encode_close(&b, 1000, NULL);
	assert_buf(&b, "\x88\x02\x03\xe8");
	ws_encode_close(&b, 1001, "bye");
	assert_buf(&b, "\x88\x05\x03\xe9""bye");
	memset(words, 'w', sizeof words - 1);
	words[sizeof words - 1] = '\0';
	ws_encode_close(&b, 1000, words);
	assert_int_equal(b.wpos, 2 + 125);
	buf_reset(&b);
	memcpy(words + 122, "\xc3\xa9", 2);	/* would be cut in two */
	ws_encode_close(&b, 1000, words);
	assert_int_equal(b.wpos, 2 + 124);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_rfc_is_accepted),
		cmocka_unit_test(
		    wrong_handshakes_are_refused_with_their_status),
		cmocka_unit_test(whole_messages_arrive_in_order),
		cmocka_unit_test(every_size_is_unmasked),
		cmocka_unit_test(
		    fragments_are_joined_with_control_frames_between),
		cmocka_unit_test(
		    compressed_messages_are_inflated_when_they_are_whole),
		cmocka_unit_test(
		    compressed_messages_that_are_dropped_are_not_inflated),
		cmocka_unit_test(a_joined_message_has_a_byte_of_room_behind_it),
		cmocka_unit_test(wrong_order_of_fragments_is_an_error),
		cmocka_unit_test(malformed_headers_are_errors),
		cmocka_unit_test(the_mask_key_may_be_zero),
		cmocka_unit_test(text_must_be_utf8_also_over_fragments),
		cmocka_unit_test(
		    text_that_is_not_utf8_ends_with_its_first_bad_byte),
		cmocka_unit_test(bad_text_fails_before_the_message_ends),
		cmocka_unit_test(
		    messages_are_limited_by_the_length_field_alone),
		cmocka_unit_test(fragments_are_limited_in_number),
		cmocka_unit_test(close_frames_are_judged_whole),
		cmocka_unit_test(contexts_are_lent_only_inside_messages),
		cmocka_unit_test(many_connections_share_the_pool),
		cmocka_unit_test(headers_use_the_shortest_length),
		cmocka_unit_test(close_words_are_cut_at_a_character),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
