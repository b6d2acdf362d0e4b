/*
 * Connections from worker to worker at each byte that their client sends, and
 * at all of them: what the client is sent is the same to the byte.  Each worker
 * is a whole one.
 */
#include "tests/lib/check.h"
#include "tests/lib/small_worker.h"
#include "tests/lib/ws_reader.h"

#include "hub/api.h"
#include "hub/move.h"

#define FIN	0x80

/* "key" is the key */
#define CONF \
	"heartbeat { interval = 10m }\n" /* none, however slow we are */ \
	"limits { message_bytes = 256KB send_queue_bytes = 256KB " \
	"fragments = 8 }\n" \
	"api { key k { sha256 = " \
	"\"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683\"" \
	" allow = {publish} } }\n" \
	"namespace \"/\" { auth = none\n" \
	"  event \"q\" { to = sender meta = off ack = echo }\n" \
	"  event \"n\" { to = namespace meta = off } }\n"

#define ALL	SIZE_MAX	/* bytes */

static struct stage {
	struct small_world world;
	struct small_worker *at, *other; /* who has it */
	unsigned	 moves;
	struct buf	 in;		/* what the client sends */
	struct buf	 heard;		/* what it was sent */
} x;

static int
setup(void **state)
{
	(void)state;
	memset(&x, 0, sizeof x);
	small_world_init(&x.world, CONF);
	x.at = small_worker_new(&x.world, NULL);
	x.other = small_worker_new(&x.world, NULL);
	buf_init(&x.in);
	buf_init(&x.heard);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	small_worker_free(&x.at);
	small_worker_free(&x.other);
	buf_fini(&x.in);
	buf_fini(&x.heard);
	small_world_fini(&x.world);
	return (0);
}

/* --- moving ---------------------------------------------------------------- */

/* Frozen, and at the other one. */
static struct conn *
carry(struct conn *c)
{
	struct hub_move *give = hub_move_new(x.at->w->hub, true,
	    (uint16_t)x.other->h.slot);
	struct hub_move *take = hub_move_new(x.other->w->hub, false,
	    (uint16_t)x.at->h.slot);
	struct state_in in;
	struct conn *to;
	struct buf b;

	assert_true(give != NULL && take != NULL);
	buf_init(&b);
	conn_freeze(c);
	assert_true(conn_save(c, give, &b));
	in = state_in(buf_unread(&b));
	to = conn_load(x.other->w, take, &in, dup(c->io.fd));
	assert_non_null(to);
	assert_true(state_end(&in));
	buf_fini(&b);
	hub_move_free(&give);
	hub_move_free(&take);
	return (to);
}

/* Those that are there, and may. */
static void
move(void)
{
	struct conn *c = TAILQ_FIRST(&x.at->w->conns), *to;
	struct small_worker *was = x.at;

	if (c == NULL || !conn_may_move(c))
		return;
	to = carry(c);
	conn_moved(c);
	conn_activate(to);
	x.at = x.other;
	x.other = was;
	x.moves++;
	small_turns(was);
	assert_int_equal(was->w->nconns, 0);
}

/* Somebody says something in the namespace, to those of this worker. */
static void
tell(struct small_worker *s)
{
	struct ask *later = NULL;
	struct buf b;

	buf_init(&b);
	api_asks(s->w->hub, NULL);
	assert_int_equal(api_publish(s->w->hub, SLICE("{\"namespace\":\"/\","
	    "\"event\":\"n\",\"data\":7}"), NULL, &b, &later), 200);
	buf_fini(&b);
	small_turns(s);
}

/* --- exchanges --------------------------------------------------------------- */

/* What is never the same twice. */
static void
note(const char *text)
{
	static const char *const marks[] = { "Date: ", "\"sid\":\"",
		"X-Request-ID: " };
	const char *end, *next;
	size_t i;

	while (*text != '\0') {
		next = text + 1;
		for (i = 0; i < nitems(marks); i++)
			if (strncmp(text, marks[i], strlen(marks[i])) == 0) {
				end = strpbrk(text + strlen(marks[i]), "\r\"");
				next = end == NULL ? text + strlen(text) : end;
				buf_str(&x.heard, marks[i]);
				break;
			}
		if (i == nitems(marks))
			buf_byte(&x.heard, (uint8_t)*text);
		text = next;
	}
}

static void
hear(int fd)
{
	const char *text;

	small_turns(x.at);
	while (*(text = small_read(fd)) != '\0') {
		note(text);
		if (strstr(text, "EOF") != NULL)
			break;
		small_turns(x.at);
	}
}

static void
say(int fd, struct slice s)
{
	ssize_t n;

	while (s.n > 0) {
		n = send(fd, s.p, s.n, MSG_NOSIGNAL);
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(n > 0 || errno == EAGAIN);
		if (n > 0)
			s = slice_from(s, (size_t)n);
		small_turns(x.at);
	}
}

/* Once: all that it sends, and a move before byte at; ALL: before each. */
static void
exchange(size_t at)
{
	struct slice s = buf_unread(&x.in);
	int fd = small_connect(x.at);
	size_t i;

	buf_reset(&x.heard);
	x.moves = 0;
	if (at == ALL) {
		for (i = 0; i < s.n; i++) {
			move();
			say(fd, slice_of(s.p + i, 1));
		}
		move();
	} else {
		say(fd, slice_of(s.p, at));
		if (at < s.n)
			move();
		say(fd, slice_from(s, at));
	}
	hear(fd);
	(void)close(fd);
	small_turns(x.at);
	assert_int_equal(x.at->w->nconns, 0);
}

/* Unmoved, moved at every byte (or at those of a stride), and again and again.
 * What comes is judged by its end. */
static void
check_exchange(size_t stride, const char *want)
{
	struct buf whole;
	size_t at;

	exchange(x.in.wpos);
	assert_int_equal(x.moves, 0);
	buf_init(&whole);
	buf_slice(&whole, buf_unread(&x.heard));
	assert_non_null(memmem(whole.data, whole.wpos, want, strlen(want)));
	for (at = 0; at < x.in.wpos; at += stride) {
		exchange(at);
		assert_slices(buf_unread(&x.heard), buf_unread(&whole));
	}
	exchange(ALL);
	assert_true(x.moves > 10);
	assert_slices(buf_unread(&x.heard), buf_unread(&whole));
	buf_fini(&whole);
}

static void
put_upgrade(const char *path)
{
	buf_printf(&x.in, "GET %s HTTP/1.1\r\nHost: a.example\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n", path);
}

static void
requests_one_behind_the_other(void **state)
{
	static const char body[] = "{\"namespace\":\"/none\","
	    "\"event\":\"n\",\"data\":[1,2,345]}";

	(void)state;
	buf_str(&x.in, "GET /livez HTTP/1.1\r\nHost: a.example\r\n\r\n");
	buf_printf(&x.in, "POST /api/v1/publish HTTP/1.1\r\n"
	    "Host: a.example\r\nAuthorization: Bearer key\r\n"
	    "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	buf_str(&x.in, "POST /api/v1/publish HTTP/1.1\r\nHost: a.example\r\n"
	    "Authorization: Bearer key\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5;x=\"y\"\r\n{\"ns\"\r\n6\r\n: 1  }\r\n0\r\nT: u\r\n\r\n"
	    "GET /nothing HTTP/1.1\r\nHost: a.example\r\n\r\n"
	    "GET /livez HTTP/1.1\r\nHost: a.example\r\n"
	    "Connection: close\r\n\r\n");
	check_exchange(1, "no such namespace");
}

static void
what_is_no_request(void **state)
{
	(void)state;
	buf_str(&x.in, "GET /livez HTTP/1.1\r\nHost: a.example\r\n\r\n"
	    "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n");
	check_exchange(1, "400 Bad Request");
}

static void
plain_frames(void **state)
{
	(void)state;
	put_upgrade("/ws");
	ws_put_frame(&x.in, FIN | WS_OP_TEXT,
	    SLICE("{\"event\":\"q\",\"data\":\"one\",\"id\":1}"));
	ws_put_frame(&x.in, WS_OP_TEXT, SLICE("{\"event\":\"q\",\"data\":\""));
	ws_put_frame(&x.in, FIN | WS_OP_PING, SLICE("mid"));
	ws_put_frame(&x.in, WS_OP_CONTINUATION, SLICE("two \xf0\x9f"));
	ws_put_frame(&x.in, WS_OP_CONTINUATION, SLICE(""));
	ws_put_frame(&x.in, FIN | WS_OP_PONG, SLICE(""));
	ws_put_frame(&x.in, FIN | WS_OP_CONTINUATION,
	    SLICE("\x98\x80\",\"id\":2}"));
	ws_put_frame(&x.in, FIN | WS_OP_CLOSE, SLICE("\x0f\xa1""bye"));
	check_exchange(1, "two \xf0\x9f\x98\x80");
}

static void
long_frames(void **state)
{
	struct buf b;
	unsigned i;

	(void)state;
	buf_init(&b);
	put_upgrade("/ws");
	buf_str(&b, "{\"event\":\"q\",\"id\":3,\"data\":\"");
	for (i = 0; i < 5000; i++)
		buf_printf(&b, "%u \xc3\xa4,", i % 10);
	buf_str(&b, "\"}");
	ws_put_frame(&x.in, FIN | WS_OP_TEXT, buf_unread(&b));
	ws_put_frame(&x.in, FIN | WS_OP_CLOSE, SLICE(""));
	check_exchange(211, "\"ack\":3");
	buf_fini(&b);
}

static void
text_that_is_none(void **state)
{
	(void)state;
	put_upgrade("/ws");
	ws_put_frame(&x.in, WS_OP_TEXT, SLICE("{\"event\":\"q\xe2\x82"));
	ws_put_frame(&x.in, FIN | WS_OP_CONTINUATION, SLICE("\xc3"));
	check_exchange(1, "text is not UTF-8");
}

static void
too_many_fragments(void **state)
{
	unsigned i;

	(void)state;
	put_upgrade("/ws");
	for (i = 0; i < 10; i++)
		ws_put_frame(&x.in, i == 0 ? WS_OP_TEXT : WS_OP_CONTINUATION,
		    SLICE("x"));
	check_exchange(1, "fragments");
}

static void
socketio_with_attachments(void **state)
{
	(void)state;
	put_upgrade("/socket.io/?EIO=4&transport=websocket");
	ws_put_frame(&x.in, FIN | WS_OP_TEXT, SLICE("40"));
	ws_put_frame(&x.in, FIN | WS_OP_TEXT, SLICE("421[\"q\",{\"a\":1}]"));
	ws_put_frame(&x.in, WS_OP_TEXT, SLICE("452-2[\"q\",{\"_placeholder\":"
	    "true,\"num\":0},{\"_placeholder\""));
	ws_put_frame(&x.in, FIN | WS_OP_CONTINUATION, SLICE(":true,\"num\":1}]"));
	ws_put_frame(&x.in, FIN | WS_OP_BINARY, SLICE("\1\2\3"));
	ws_put_frame(&x.in, WS_OP_BINARY, SLICE("\4"));
	ws_put_frame(&x.in, FIN | WS_OP_CONTINUATION, SLICE("\5"));
	ws_put_frame(&x.in, FIN | WS_OP_TEXT, SLICE("41"));
	ws_put_frame(&x.in, FIN | WS_OP_CLOSE, SLICE("\x03\xe8"));
	check_exchange(1, "43");
}

/* --- slow readers ---------------------------------------------------------- */

/* It sends a lot, and reads little at a time; each time it is moved. */
static void
slowly(bool moved)
{
	struct slice s = buf_unread(&x.in);
	int fd = small_connect(x.at), quiet = 0;
	char some[3000];
	ssize_t n;

	buf_reset(&x.heard);
	x.moves = 0;
	while (quiet < 3) {
		quiet++;
		n = s.n == 0 ? 0 : send(fd, s.p, s.n, MSG_NOSIGNAL);
		if (n > 0) {
			s = slice_from(s, (size_t)n);
			quiet = 0;
		}
		if (moved)
			move();
		small_turns(x.at);
		n = recv(fd, some, sizeof some, MSG_DONTWAIT);
		if (n > 0) {
			buf_append(&x.heard, some, (size_t)n);
			quiet = 0;
		}
		if (moved)
			move();
		small_turns(x.at);
	}
	assert_int_equal(s.n, 0);
	(void)close(fd);
	small_turns(x.at);
}

/* The name of the request, which was made for it. */
static void
unname(struct buf *heard)
{
	static const char mark[] = "X-Request-ID: ";
	uint8_t *at = memmem(heard->data, heard->wpos, mark, strlen(mark));

	assert_non_null(at);
	memset(at + strlen(mark), 'x', 32);
}

static void
a_slow_reader_gets_all(void **state)
{
	uint64_t queued = counter_get(COUNTER_send_queue_bytes);
	struct buf whole, b;
	unsigned i, j;

	(void)state;
	buf_init(&b);
	buf_init(&whole);
	put_upgrade("/ws");
	for (i = 0; i < 60; i++) {
		buf_reset(&b);
		buf_printf(&b, "{\"event\":\"q\",\"id\":%u,\"data\":\"", i);
		for (j = 0; j < 5000; j++)
			buf_byte(&b, (uint8_t)('a' + (i + j) % 26));
		buf_str(&b, "\"}");
		ws_put_frame(&x.in, FIN | WS_OP_TEXT, buf_unread(&b));
	}
	ws_put_frame(&x.in, FIN | WS_OP_CLOSE, SLICE(""));
	slowly(false);
	unname(&x.heard);
	assert_true(x.heard.wpos > 60 * 10000);
	buf_slice(&whole, buf_unread(&x.heard));
	slowly(true);
	unname(&x.heard);
	assert_true(x.moves > 200);
	assert_slices(buf_unread(&x.heard), buf_unread(&whole));
	assert_int_equal(counter_get(COUNTER_send_queue_bytes), queued);
	buf_fini(&b);
	buf_fini(&whole);
}

/* --- told meanwhile --------------------------------------------------------- */

/* What others say to it while nobody knows whose it is, it is told once. */
static void
what_is_published_meanwhile_is_told_once(void **state)
{
	const char *got;
	struct conn *c, *to;
	int fd, keep;

	(void)state;
	for (keep = 0; keep < 2; keep++) {
		fd = small_connect(x.at);
		buf_reset(&x.in);
		put_upgrade("/ws");
		say(fd, buf_unread(&x.in));
		(void)small_read(fd);
		c = TAILQ_FIRST(&x.at->w->conns);
		assert_true(conn_may_move(c));
		to = carry(c);
		/* as the relay would give both */
		tell(x.at);
		tell(x.other);
		assert_string_equal(small_read(fd), "");
		if (keep) {
			conn_unload(to);
			conn_thaw(c);
		} else {
			conn_moved(c);
			conn_activate(to);
		}
		small_turns(x.at);
		small_turns(x.other);
		got = small_read(fd);
		assert_non_null(strstr(got, "\"data\":7"));
		assert_null(strstr(strstr(got, "\"data\":7") + 1, "\"data\":7"));
		(void)close(fd);
		small_turns(x.at);
		small_turns(x.other);
	}
}

#define exchange_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		exchange_test(requests_one_behind_the_other),
		exchange_test(what_is_no_request),
		exchange_test(plain_frames),
		exchange_test(long_frames),
		exchange_test(text_that_is_none),
		exchange_test(too_many_fragments),
		exchange_test(socketio_with_attachments),
		exchange_test(a_slow_reader_gets_all),
		exchange_test(what_is_published_meanwhile_is_told_once),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
