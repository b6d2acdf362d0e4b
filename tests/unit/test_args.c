/* How many arguments an event takes, and where the server writes. */
#include "pair.h"
#include "hub/queue/args.h"
#include "shm/counters.h"

#define CONF \
	"namespace \"/c\" { auth = optional\n" \
	"  event \"one\" { to = namespace }\n" \
	"  event \"three\" { to = namespace args = 3 confirm = \"sent\" }\n" \
	"  event \"off\" { to = namespace meta = off }\n" \
	"  event \"off2\" { to = namespace meta = off args = 2 }\n" \
	"  event \"hole\" { ack = echo }\n" \
	"  event \"small\" { to = namespace max_bytes = 50 }\n" \
	"  event \"back\" { confirm = \"done\" }\n" \
	"  event \"to\" { to = user:to args = 2 check = {\"n?: integer\"} }\n" \
	"  event \"*\" { to = namespace } }\n"

struct fixture {
	PAIR;
	struct fake_conn *a, *b, *c;	/* a sends; b and c on the other */
};

static int
setup(void **state)
{
	struct fixture *x = pair_new(sizeof *x, CONF "jwt { secret = \""
	    FAKE_SECRET "\" algorithms = {\"HS256\"} }\n");
	struct refusal r;

	x->a = fake_enter(x->f, "/c", fake_token("{\"sub\":\"ann\"}"));
	x->b = fake_enter(x->g, "/c", fake_token("{\"sub\":\"bob\"}"));
	x->c = fake_plain(x->g, "/c", NULL, &r);
	*state = x;
	return (0);
}

/* The next text starts so, and has the server's meta right behind. */
static void
vouched(struct fake_conn *c, const char *start)
{
	const char *got = fake_next(c);

	if (strncmp(got, start, strlen(start)) != 0 ||
	    strncmp(got + strlen(start), "{\"id\":\"23456789.", 16) != 0 ||
	    strstr(got + strlen(start), "\"from\":\"ann\"") == NULL)
		assert_string_equal(got, start);
}

static void
nobody_writes_where_meta_stands(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "42/c,1[\"one\",{},{\"from\":\"boss\"}]");
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\",\"message\":"
	    "\"more than 1 argument\"}}]");
	fake_say(x->f, x->a, "42/c,1[\"other\",1,[2],\"3\"]");
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\"");
	fake_say(x->f, x->a, "42/c,1[\"three\",1,2,3,4]");
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\",\"message\":"
	    "\"more than 3 arguments\"}}]");
	fake_say(x->f, x->a, "42/c,1[\"back\",1,{\"from\":\"boss\"}]");
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\"");
	fake_hears(x->b, "");
	fake_hears(x->c, "");
	assert_int_equal(counter_get(COUNTER_rejected_invalid), 4);
}

static void
meta_has_its_place_when_arguments_are_missing(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "42/c,[\"one\"]");
	vouched(x->b, "42/c,[\"one\",null,");
	vouched(x->c, "{\"event\":\"one\",\"data\":null,\"meta\":");
	fake_say(x->f, x->a, "42/c,[\"one\" , {\"a\":[1,2]} ]");
	vouched(x->b, "42/c,[\"one\",{\"a\":[1,2]},");
	vouched(x->c, "{\"event\":\"one\",\"data\":{\"a\":[1,2]},\"meta\":");
	fake_say(x->f, x->a, "42/c,[\"three\"]");
	vouched(x->b, "42/c,[\"three\",null,null,null,");
	vouched(x->c, "{\"event\":\"three\",\"data\":null,"
	    "\"args\":[null,null,null],\"meta\":");
	vouched(x->a, "42/c,[\"sent\",null,null,null,");
	fake_say(x->f, x->a, "42/c,[\"three\",\"x,y\", [1,{}]]");
	vouched(x->b, "42/c,[\"three\",\"x,y\", [1,{}],null,");
	vouched(x->c, "{\"event\":\"three\",\"data\":\"x,y\","
	    "\"args\":[\"x,y\", [1,{}],null],\"meta\":");
	vouched(x->a, "42/c,[\"sent\",\"x,y\", [1,{}],null,");
	fake_say(x->f, x->a, "42/c,[\"three\",1,2,3]");
	vouched(x->b, "42/c,[\"three\",1,2,3,");
	fake_say(x->f, x->a, "42/c,[\"to\",{\"to\":\"bob\",\"n\":1}]");
	vouched(x->b, "42/c,[\"to\",{\"to\":\"bob\",\"n\":1},null,");
	fake_say(x->f, x->a, "42/c,[\"back\"]");
	(void)fake_next(x->a);
	vouched(x->a, "42/c,[\"done\",null,");
}

static void
without_meta_arguments_go_out_as_they_came(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "42/c,[\"off\",1,2, {\"from\":\"boss\"}]");
	fake_hears(x->b, "42/c,[\"off\",1,2, {\"from\":\"boss\"}]");
	fake_say(x->f, x->a, "42/c,[\"off\"]");
	fake_hears(x->b, "42/c,[\"off\"]");
	fake_say(x->f, x->a, "42/c,[\"off2\",1]");
	fake_hears(x->b, "42/c,[\"off2\",1]");
	fake_say(x->f, x->a, "42/c,1[\"off2\",1,2,3]");
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\"");
	/* nobody is sent anything: nothing to vouch for */
	fake_say(x->f, x->a, "42/c,1[\"hole\",1,2,3]");
	fake_hears(x->a, "43/c,1[1,2,3]");
	fake_hears(x->b, "");
}

static void
attachments_are_arguments_too(void **state)
{
	struct fixture *x = *state;
	uint8_t bytes[2] = { 'h', 'i' };

	fake_text(x->f, x->a, "451-/c,1[\"one\",{},"
	    "{\"_placeholder\":true,\"num\":0}]");
	client_binary(x->a->client, bytes, sizeof bytes);
	fake_turn(x->w);
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\"");
	fake_hears(x->b, "");
	fake_text(x->f, x->a, "451-/c,[\"three\",{},"
	    "{\"_placeholder\":true,\"num\":0}]");
	client_binary(x->a->client, bytes, sizeof bytes);
	fake_turn(x->w);
	vouched(x->b, "451-/c,[\"three\",{},"
	    "{\"_placeholder\":true,\"num\":0},null,");
	fake_text(x->f, x->a, "451-/c,[\"one\","
	    "{\"_placeholder\":true,\"num\":0}]");
	client_binary(x->a->client, bytes, sizeof bytes);
	fake_turn(x->w);
	buf_consume(&x->b->got, 4);	/* the attachment */
	vouched(x->b, "451-/c,[\"one\",{\"_placeholder\":true,\"num\":0},");
}

/* 39 bytes of argument: the attachment decides. */
static void
max_bytes_includes_attachments(void **state)
{
	struct fixture *x = *state;
	uint8_t bytes[16];
	uint64_t in, out = counter_ns_get(0, NS_bytes_out);
	size_t n;

	for (n = 11; n <= 12; n++) {
		in = counter_ns_get(0, NS_bytes_in);
		memset(bytes, 'x', n);
		fake_text(x->f, x->a, "451-/c,1[\"small\","
		    "{\"_placeholder\":true,    \"num\":0      }]");
		client_binary(x->a->client, bytes, n);
		fake_turn(x->w);
		assert_int_equal(counter_ns_get(0, NS_bytes_in) - in, 39 + n);
		if (n == 12)
			fake_starts(x->a, "43/c,1[{\"error\":{\"code\":"
			    "\"too_large\",\"message\":\"more than 50 bytes");
		else
			vouched(x->b, "451-/c,[\"small\","
			    "{\"_placeholder\":true,    \"num\":0      },");
		x->b->got.rpos = x->b->got.wpos;
	}
	assert_int_equal(counter_ns_get(0, NS_bytes_out) - out, 2 * 50);
	fake_hears(x->b, "");
}

static void
arguments_are_counted_up_to_a_limit(void **state)
{
	static const struct {
		const char *args;
		unsigned max, n;
		const char *first;
	} rows[] = {
		{ "", 3, 0, "" },
		{ " ", 3, 0, "" },
		{ "1", 3, 1, "1" },
		{ "\"a,b\",2", 3, 2, "\"a,b\"" },
		{ " [1,2] , {\"a\":1,\"b\":2} ", 3, 2, "[1,2]" },
		{ "1,2,3", 3, 3, "1" },
		{ "1,2,3,4", 3, 4, "1" },
		{ "1,2,3,4,5,6", 3, 4, "1" },
	};
	struct slice first, args;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(rows[i].n, args_count(
		    slice_str(rows[i].args), rows[i].max, &first));
		assert_text(first, rows[i].first);
	}
	buf_init(&b);
	args = SLICE("1");
	assert_true(args_fill(&b, &args, 1, 1));
	assert_slice(args, "1");
	assert_true(args_fill(&b, &args, 1, 4));
	assert_slice(args, "1,null,null,null");
	args = slice_of(NULL, 0);
	assert_true(args_fill(&b, &args, 0, 1));
	assert_slice(args, "null");
	args = slice_of(NULL, 0);
	assert_true(args_fill(&b, &args, 0, 2));
	assert_slice(args, "null,null");
	buf_fini(&b);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, pair_free)
	const struct CMUnitTest tests[] = {
		T(nobody_writes_where_meta_stands),
		T(meta_has_its_place_when_arguments_are_missing),
		T(without_meta_arguments_go_out_as_they_came),
		T(attachments_are_arguments_too),
		T(max_bytes_includes_attachments),
		cmocka_unit_test(arguments_are_counted_up_to_a_limit),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
