#include "check.h"
#include "fake_host.h"

#define CONF \
	"namespace \"/n\" { auth = none room \"{r}\" { join = open } }\n" \
	"namespace \"/\" { auth = none }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f, *g;
	struct fake_conn *a, *b, *c;	/* a, b here, c on the other worker */
	char	 sid[3][21];
	struct buf out;
};

static struct fake_conn *
join(struct fake_host *f, char sid[21], const char *room)
{
	struct fake_conn *c = fake_engine(f, NULL);
	char text[64];

	fake_text(f, c, "40/n,");
	(void)snprintf(text, sizeof text, "42/n,[\"room:join\",\"%s\"]", room);
	fake_text(f, c, text);
	fake_turn(f->world);
	(void)fake_next(c);
	memcpy(sid, fake_next(c) + strlen("40/n,{\"sid\":\""), 20);
	return (c);
}

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	x->a = join(x->f, x->sid[0], "r1");
	x->b = join(x->f, x->sid[1], "r2");
	x->c = join(x->g, x->sid[2], "r1");
	buf_init(&x->out);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	buf_fini(&x->out);
	fake_world_free(&x->w);
	free(x);
	return (0);
}

static void
post(struct fixture *x, int status, const char *body)
{
	struct ask *later;

	buf_reset(&x->out);
	assert_int_equal(status, api_publish(x->f->hub, slice_str(body), x,
	    &x->out, &later));
	assert_null(later);
	fake_turn(x->w);
}

static void
heard(struct fake_conn *c, const char *start)
{
	const char *got = fake_next(c);

	if (*start == '\0' || strncmp(got, start, strlen(start)) != 0)
		assert_string_equal(start, got);
}

static void
publishes_to_a_room_on_every_worker(void **state)
{
	struct fixture *x = *state;

	post(x, 200, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"r1\","
	    "\"data\":{\"a\":1e999}}");
	assert_true(slice_starts(buf_unread(&x->out),
	    SLICE("{\"id\":\"23456789.1.1.")));
	heard(x->a, "42/n,[\"e\",{\"a\":1e999},{\"id\":");
	heard(x->b, "");
	heard(x->c, "42/n,[\"e\",{\"a\":1e999},{\"id\":");
}

static void
rooms_are_a_union_and_except_is_taken_away(void **state)
{
	struct fixture *x = *state;
	char text[256];

	post(x, 200, "{\"namespace\":\"n\",\"event\":\"e\","
	    "\"rooms\":[\"r1\",\"r2\",\"r1\"],\"args\":[1, \"x\"]}");
	heard(x->a, "42/n,[\"e\",1, \"x\",{");
	heard(x->a, "");
	heard(x->b, "42/n,[\"e\",1, \"x\",{");
	heard(x->c, "42/n,[\"e\",1, \"x\",{");
	post(x, 200, "{\"namespace\":\"n\",\"event\":\"f\","
	    "\"except\":\"r1\"}");
	heard(x->a, "");
	heard(x->b, "42/n,[\"f\",{\"id\":");
	heard(x->c, "");
	(void)snprintf(text, sizeof text, "{\"namespace\":\"n\","
	    "\"event\":\"g\",\"except\":[\"%s\",\"%s\"]}", x->sid[0],
	    x->sid[2]);
	post(x, 200, text);
	heard(x->a, "");
	heard(x->b, "42/n,[\"g\",");
	heard(x->c, "");
}

static void
without_meta_the_arguments_are_all(void **state)
{
	struct fixture *x = *state;

	post(x, 200, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"r1\","
	    "\"args\":[1,\"x\"],\"meta\":false}");
	heard(x->a, "42/n,[\"e\",1,\"x\"]");
	heard(x->c, "42/n,[\"e\",1,\"x\"]");
}

static void
a_sid_is_found_on_another_worker(void **state)
{
	struct fixture *x = *state;
	char text[256];

	(void)snprintf(text, sizeof text,
	    "{\"namespace\":\"/n\",\"event\":\"e\",\"sid\":\"%s\"}",
	    x->sid[2]);
	post(x, 200, text);
	heard(x->a, "");
	heard(x->c, "42/n,[\"e\",");
}

static void
bad_bodies_are_refused_and_reach_nobody(void **state)
{
	static const struct {
		int status;
		const char *body;
	} cases[] = {
		{ 400, "" }, { 400, "[]" }, { 400, "{" }, { 400, "{}" },
		{ 400, "{\"namespace\":\"n\"}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"\"}" },
		{ 400, "{\"namespace\":\"n\",\"event\":7}" },
		{ 400, "{\"namespace\":7,\"event\":\"e\"}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"connect\"}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"dis\\u0063onnect\"}" },
		{ 404, "{\"namespace\":\"zzz\",\"event\":\"e\"}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":[]}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"\"}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":[1]}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"e\",\"args\":1}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"e\",\"args\":[],"
		    "\"data\":1}" },
		{ 400, "{\"namespace\":\"n\",\"event\":\"e\",\"rom\":\"x\"}" },
	};
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		post(x, cases[i].status, cases[i].body);
		assert_true(slice_starts(buf_unread(&x->out),
		    SLICE("{\"error\":{\"code\":\"")));
	}
	heard(x->a, "");
	heard(x->c, "");
}

/* Of each member of the API null is refused; of data it is a value. */
static void
null_is_not_absence(void **state)
{
	static const char *const names[] = { "room", "rooms", "user", "users",
		"sid", "except", "args", "attachments", "volatile", "meta",
		"id", "ack", "timeout" };
	static const char *const orders[] = { "rooms", "user", "users", "sid",
		"except", "all", "namespace", "room", "leave", "join", "close",
		"reconnect", "reason" };
	static const char *const batches[] = { "{\"publish\":null}", "null",
		"{}", "{\"publish\":[],\"room\":\"r1\"}",
		("{\"publish\":[{\"namespace\":\"n\",\"event\":\"e\"}],"
		"\"rooms\":[\"r1\"]}"),
		("{\"publish\":[{\"namespace\":\"n\",\"event\":\"e\"}],"
		"\"rom\":\"r1\"}"),
		"{\"publish\":[],\"publish\":null}", };
	struct fixture *x = *state;
	struct slice got;
	struct ask *later;
	char text[256];
	size_t i;

	for (i = 0; i < nitems(names); i++) {
		(void)snprintf(text, sizeof text, "{\"namespace\":\"n\","
		    "\"event\":\"e\",\"%s\":null}", names[i]);
		post(x, 400, text);
		(void)snprintf(text, sizeof text, "{\"namespace\":\"n\","
		    "\"event\":\"e\",\"ack\":true,\"%s\":null}", names[i]);
		post(x, 400, text);
		(void)snprintf(text, sizeof text, "[{\"namespace\":\"n\","
		    "\"event\":\"e\",\"%s\":null}]", names[i]);
		buf_reset(&x->out);
		assert_int_equal(200, api_batch(x->f->hub, slice_str(text),
		    &x->out));
		got = buf_unread(&x->out);
		assert_non_null(memmem(got.p, got.n, "[{\"error\":", 10));
	}
	for (i = 0; i < nitems(orders); i++) {
		(void)snprintf(text, sizeof text, "{\"namespace\":\"n\","
		    "\"room\":\"r1\",\"join\":\"x\",\"%s\":null}", orders[i]);
		buf_reset(&x->out);
		assert_int_equal(400, api_rooms(x->f->hub, slice_of(NULL, 0),
		    slice_str(text), x, &x->out, &later));
		(void)snprintf(text, sizeof text, "{\"namespace\":\"n\","
		    "\"room\":\"r1\",\"%s\":null}", orders[i]);
		buf_reset(&x->out);
		assert_int_equal(400, api_disconnect(x->f->hub,
		    slice_of(NULL, 0), slice_str(text), x, &x->out, &later));
	}
	buf_reset(&x->out);
	assert_int_equal(400, api_disconnect(x->f->hub, SLICE("u"),
	    SLICE("{\"namespace\":null}"), x, &x->out, &later));
	for (i = 0; i < nitems(batches); i++) {
		buf_reset(&x->out);
		assert_int_equal(400, api_batch(x->f->hub,
		    slice_str(batches[i]), &x->out));
	}
	buf_reset(&x->out);
	assert_int_equal(200, api_batch(x->f->hub,
	    SLICE("{\"namespace\":\"n\",\"p\\u0075blish\":[]}"), &x->out));
	post(x, 400, "{\"namespace\":null,\"event\":\"e\"}");
	post(x, 400, "{\"namespace\":\"n\",\"event\":null}");
	fake_turn(x->w);
	heard(x->a, "");
	heard(x->b, "");
	heard(x->c, "");
	post(x, 200, "{\"namespace\":\"n\",\"event\":\"e\","
	    "\"room\":\"r1\",\"data\":null}");
	heard(x->a, "42/n,[\"e\",null,");
	heard(x->b, "");
}

static void
a_batch_answers_each(void **state)
{
	struct fixture *x = *state;
	struct slice got;

	assert_int_equal(200, api_batch(x->f->hub, SLICE("{\"publish\":["
	    "{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"r1\"},"
	    "{\"namespace\":\"n\"}]}"), &x->out));
	fake_turn(x->w);
	got = buf_unread(&x->out);
	assert_true(slice_starts(got, SLICE("{\"results\":[{\"id\":")));
	assert_non_null(memmem(got.p, got.n, ",{\"error\":", 10));
	heard(x->a, "42/n,[\"e\",");
	heard(x->c, "42/n,[\"e\",");
	buf_reset(&x->out);
	assert_int_equal(400, api_batch(x->f->hub, SLICE("7"), &x->out));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(publishes_to_a_room_on_every_worker),
		T(rooms_are_a_union_and_except_is_taken_away),
		T(without_meta_the_arguments_are_all),
		T(a_sid_is_found_on_another_worker),
		T(bad_bodies_are_refused_and_reach_nobody),
		T(null_is_not_absence),
		T(a_batch_answers_each),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
