/* Bodies of requests that go on in another worker, at every byte. */
#include "base/state.h"
#include "worker/http/body.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"

#include "tests/lib/check.h"

static struct world {
	struct conf	 conf[2];
	struct worker	*w[2];
	struct buf	 got;		/* what the route's body was given */
	unsigned	 refused;
} t;

static void
take(struct request *rq, struct slice body)
{
	buf_printf(&t.got, "%s%s%s ", rq->w == t.w[1] ? "heir:" : "",
	    rq->keep_alive ? "" : "last:", rq->head.minor ? "" : "old:");
	buf_slice(&t.got, rq->match.ns_name);
	buf_byte(&t.got, '=');
	if (rq->key != NULL)
		buf_str(&t.got, rq->key->name);
	buf_str(&t.got, rq->lines == NULL ? "-" : rq->lines);
	buf_byte(&t.got, '=');
	buf_slice(&t.got, body);
	rq->c->state = CONN_IDLE;	/* it was answered */
}

static void
refuse(struct request *rq, int status, const char *lines)
{
	(void)rq;
	(void)lines;
	assert_int_equal(status, 413);
	t.refused++;
}

static const struct route_row rows[ROUTE__MAX] = {
	[ROUTE_PUBLISH] = { .body = take, .refused = refuse },
	[ROUTE_ENGINE] = { .body = take, .refused = refuse },
};

static struct conf_api_key keys[2] = {
	{ .name = (char *)(uintptr_t)"first", .sha256 = "1" },
	{ .name = (char *)(uintptr_t)"second", .sha256 = "2" },
};

static int
setup(void **state)
{
	unsigned i;

	(void)state;
	memset(&t, 0, sizeof t);
	buf_init(&t.got);
	for (i = 0; i < 2; i++) {
		t.w[i] = calloc(1, sizeof *t.w[i]);
		assert_non_null(t.w[i]);
		t.w[i]->routes = rows;
		t.w[i]->conf = &t.conf[i];
		t.w[i]->loop = loop_new();
		t.w[i]->wheel = loop_wheel(t.w[i]->loop);
		t.conf[i].message_bytes = 100;
		t.conf[i].handshake_timeout_ms = 1000;
		t.conf[i].api_keys = keys;
		t.conf[i].napi_keys = 2;
	}
	return (0);
}

static int
teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		loop_free(&t.w[i]->loop);
		free(t.w[i]);
	}
	buf_fini(&t.got);
	return (0);
}

/* A POST whose body is wanted, and begins with these bytes. */
static void
begin(struct conn *c, struct slice part, bool chunked, int64_t length)
{
	struct request rq = { .w = t.w[0], .c = c, .rest = part,
		.row = &rows[ROUTE_PUBLISH], .key = &keys[1],
		.lines = "X: y\r\n" };

	memset(c, 0, sizeof *c);
	c->magic = CONN_MAGIC;
	c->w = t.w[0];
	c->state = CONN_HTTP;
	rq.match.route = ROUTE_PUBLISH;
	rq.match.ns_name = SLICE("user");
	rq.head.minor = 1;
	rq.head.keep_alive = true;
	rq.head.chunked = chunked;
	rq.head.content_length = length;
	body_want(&rq);
}

/* To the other worker. */
static void
move(struct conn *c)
{
	struct state_in in;
	struct buf b;

	buf_init(&b);
	assert_true(body_save(c->body, &b));
	body_free(&c->body);
	timer_stop(c->w->wheel, &c->timer);
	c->w = t.w[1];
	in = state_in(buf_unread(&b));
	c->body = body_load(c->w, &in);
	assert_non_null(c->body);
	assert_true(state_end(&in));
	buf_fini(&b);
}

static void
feed(struct conn *c, struct slice s)
{
	uint8_t *p = check_copy(s);
	size_t used = 0, n;

	while (used < s.n && c->body != NULL) {
		n = body_input(c, p + used, s.n - used);
		assert_true(n > 0);
		used += n;
	}
	free(p);
}

static void
a_body_goes_on_wherever_it_is_cut(void **state)
{
	static const struct {
		struct slice text;
		bool chunked;
	} bodies[] = {
		{ SLICE("hello, world"), false },
		{ SLICE("5;a=\"b\\\"c\"\r\nhello\r\n7\r\n, world\r\n"
			"0\r\nTrailer: x\r\n\r\n"), true },
	};
	struct slice s;
	struct conn c;
	size_t i, at;

	(void)state;
	for (i = 0; i < nitems(bodies); i++) {
		s = bodies[i].text;
		for (at = 0; at < s.n; at++) {
			begin(&c, slice_of(s.p, 0), bodies[i].chunked,
			    bodies[i].chunked ? -1 : (int64_t)s.n);
			feed(&c, slice_of(s.p, at));
			move(&c);
			feed(&c, slice_from(s, at));
			assert_null(c.body);
			assert_buf(&t.got, "heir: user=secondX: y\r\n="
			    "hello, world");
		}
	}
}

/* A limit that is lower now does not end what was let in; nor is it anything
 * else than a limit for what comes. */
static void
a_lower_limit_counts_for_what_comes(void **state)
{
	struct conn c;

	(void)state;
	t.conf[1].message_bytes = 4;
	begin(&c, SLICE(""), false, 10);
	feed(&c, SLICE("hello"));
	move(&c);
	feed(&c, SLICE("world"));
	assert_buf(&t.got, "heir: user=secondX: y\r\n=helloworld");
	begin(&c, SLICE(""), true, -1);
	feed(&c, SLICE("5\r\nhello\r\n"));
	move(&c);
	feed(&c, SLICE("0\r\n\r\n"));
	assert_buf(&t.got, "heir: user=secondX: y\r\n=hello");
	begin(&c, SLICE(""), true, -1);
	feed(&c, SLICE("5\r\nhello\r\n"));
	move(&c);
	assert_int_equal(t.refused, 0);
	feed(&c, SLICE("1\r\n"));
	assert_int_equal(t.refused, 1);
	assert_int_equal(t.got.wpos, 0);
}

static bool
loads(struct slice s)
{
	struct state_in in = state_in(s);
	struct http_body *b;

	b = body_load(t.w[1], &in);
	if (b == NULL)
		return (false);
	body_free(&b);
	return (true);
}

static void
what_is_no_body_is_not_loaded(void **state)
{
	struct conn c;
	struct buf b;
	uint8_t *p;
	size_t i;

	(void)state;
	buf_init(&b);
	begin(&c, SLICE(""), true, -1);
	feed(&c, SLICE("5\r\nhel"));
	assert_true(body_save(c.body, &b));
	timer_stop(c.w->wheel, &c.timer);
	body_free(&c.body);
	assert_true(loads(buf_unread(&b)));
	for (i = 0; i < b.wpos; i++) {
		p = check_copy(slice_of(b.data, i));
		assert_false(loads(slice_of(p, i)));
		free(p);
	}
	for (i = 0; i < b.wpos * 8; i++) {
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		(void)loads(buf_unread(&b));
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	t.conf[1].napi_keys = 1;	/* its key is none any more */
	assert_false(loads(buf_unread(&b)));
	t.conf[1].napi_keys = 2;
	b.data[8] = ROUTE_PLAIN;	/* has no bodies */
	assert_false(loads(buf_unread(&b)));
	buf_fini(&b);
}

#define body_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		body_test(a_body_goes_on_wherever_it_is_cut),
		body_test(a_lower_limit_counts_for_what_comes),
		body_test(what_is_no_body_is_not_loaded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
