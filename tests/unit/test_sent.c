/* What is on its way to other hosts: confirmed, refused, lost, told later. */
#include "relay/bridge/sent.h"

#include "conf/conf.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

#define OUT_MAX	16

static char name_n[] = "/n";
static struct conf_namespace space = { .name = name_n, .name_len = 2 };
static struct conf conf = { .namespaces = &space, .nnamespaces = 1 };
static struct sent *s;
static uint64_t now_ms;
static bool down;
static struct out {		/* given to Redis, oldest first */
	commands_cb	*cb;
	void		*arg;
} out[OUT_MAX];
static size_t nout;
static char said[256];		/* the calls, in order */
static uint64_t before[4];

/* --- instead of Redis -----------------------------------------------------*/

bool
redis_publish(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	assert_null(r);
	assert_slice(channel, "channel");
	assert_slice(payload, "payload");
	if (down)
		return (false);
	assert_true(nout < OUT_MAX);
	out[nout++] = (struct out){ cb, arg };
	return (true);
}

bool
redis_publish_for_all(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	return (redis_publish(r, channel, payload, cb, arg));
}

enum answer { YES, NO, NEVER };

/* To the oldest. */
static void
answer(enum answer what)
{
	static struct reply yes = { .type = REPLY_INTEGER, .integer = 3 },
	    no = { .type = REPLY_ERROR, .text = { NULL, 0 } };
	struct out o = out[0];

	assert_true(nout > 0);
	memmove(out, out + 1, --nout * sizeof *out);
	o.cb(o.arg, what == YES ? &yes : what == NO ? &no : NULL);
}

/* --- who is told ----------------------------------------------------------*/

static uint64_t
the_time(void *arg)
{
	assert_ptr_equal(arg, said);
	return (now_ms);
}

static void
on_refused(void *arg, struct slice nsp, struct slice name,
    const struct reply *o)
{
	assert_ptr_equal(arg, said);
	assert_int_equal(o->type, REPLY_ERROR);
	(void)snprintf(said + strlen(said), sizeof said - strlen(said),
	    "refused:%.*s:%.*s ", (int)nsp.n, (const char *)nsp.p, (int)name.n,
	    (const char *)name.p);
}

static void
on_inquired(void *arg, uint32_t number, uint64_t hearers, bool partly)
{
	assert_ptr_equal(arg, said);
	(void)snprintf(said + strlen(said), sizeof said - strlen(said),
	    "asked:%u:%u:%s ", (unsigned)number, (unsigned)hearers,
	    partly ? "partly" : "all");
}

static const enum counter watched[] = { COUNTER_far_lost, COUNTER_gaps_noted,
	COUNTER_gaps_told, COUNTER_far_orders_lost };

static int
set_up(void **state)
{
	struct sent_params p = { .conf = &conf, .arg = said,
		.now_ms = the_time, .refused = on_refused,
		.inquired = on_inquired };
	size_t i;

	(void)state;
	now_ms = 1000000;
	down = false;
	nout = 0;
	said[0] = '\0';
	for (i = 0; i < nitems(watched); i++)
		before[i] = counter_get(watched[i]);
	s = sent_new(&p);
	return (s == NULL ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	sent_free(&s);
	assert_null(s);
	return (0);
}

static void
assert_counted(uint64_t lost, uint64_t noted, uint64_t told, uint64_t orders)
{
	const uint64_t want[] = { lost, noted, told, orders };
	size_t i;

	for (i = 0; i < nitems(watched); i++)
		assert_int_equal(counter_get(watched[i]) - before[i], want[i]);
}

static struct sent_message
message(void)
{
	return ((struct sent_message){ .channel = SLICE("channel"),
		.payload = SLICE("payload"), .kind = GAP_ROOM,
		.nsp = SLICE("/n"), .name = SLICE("r") });
}

static void
assert_gap(enum gap_kind kind, const char *name, uint64_t from_ms)
{
	const struct gap *g = sent_gap(s);

	assert_non_null(g);
	assert_int_equal(g->kind, kind);
	assert_slice(g->nsp, "/n");
	assert_text(g->name, name);
	assert_int_equal(g->from_ms, from_ms);
}

/* As the owner tells it. */
static bool
tell(void)
{
	const struct gap *g = sent_gap(s);
	struct sent_message m = message();

	m.kind = g->kind;
	m.name = g->name;
	m.from_ms = g->from_ms;
	if (!sent_send(s, &m))
		return (false);
	sent_drop_gap(s);
	return (true);
}

/* --- tests ----------------------------------------------------------------*/

static void
what_redis_has_taken_is_forgotten(void **state)
{
	struct sent_message m = message();

	(void)state;
	assert_true(sent_send(s, &m));
	answer(YES);
	assert_null(sent_gap(s));
	assert_false(sent_left_some(s));
	assert_counted(0, 0, 0, 0);
	assert_true(sent_send(s, &m));	/* and one has no answer at the end */
}

static void
what_it_did_not_take_is_a_gap_since_then(void **state)
{
	struct sent_message m = message();

	(void)state;
	assert_true(sent_send(s, &m));
	now_ms += 5000;
	answer(NO);
	assert_string_equal(said, "refused:/n:r ");
	assert_gap(GAP_ROOM, "r", 1000000);
	assert_false(sent_left_some(s));	/* it is known */
	assert_counted(1, 1, 0, 0);
	sent_drop_gap(s);
	/* nobody knows, or it was not even given */
	assert_true(sent_send(s, &m));
	answer(NEVER);
	assert_true(sent_left_some(s));
	assert_false(sent_left_some(s));
	assert_gap(GAP_ROOM, "r", 1005000);
	sent_drop_gap(s);
	down = true;
	assert_false(sent_send(s, &m));
	assert_gap(GAP_ROOM, "r", 1005000);
	assert_counted(3, 3, 0, 0);
	assert_string_equal(said, "refused:/n:r ");
}

static void
whom_it_was_for_is_told_as_narrowly_as_can_be(void **state)
{
	static const struct {
		enum gap_kind	 kind, told;
		const char	*name, *tells;
	} rows[] = {
		{ GAP_ROOM, GAP_ROOM, "r", "r" },
		{ GAP_USER, GAP_USER, "u", "u" },
		{ GAP_SID, GAP_SID, "s", "s" },
		{ GAP_NAMESPACE, GAP_NAMESPACE, "", "" },
	};
	struct sent_message m = message();
	char name[SENT_NAME_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		m.kind = rows[i].kind;
		m.name = slice_str(rows[i].name);
		assert_true(sent_send(s, &m));
		answer(NEVER);
		assert_gap(rows[i].told, rows[i].tells, now_ms);
		sent_drop_gap(s);
	}
	/* a name that is not kept */
	memset(name, 'x', sizeof name);
	m.kind = GAP_ROOM;
	m.name = slice_of(name, SENT_NAME_MAX);
	assert_true(sent_send(s, &m));
	m.name.n++;
	assert_true(sent_send(s, &m));
	answer(NEVER);
	assert_int_equal(sent_gap(s)->name.n, SENT_NAME_MAX);
	sent_drop_gap(s);
	answer(NEVER);
	assert_gap(GAP_NAMESPACE, "", now_ms);
}

static void
volatile_events_are_not_missed(void **state)
{
	struct sent_message m = message();

	(void)state;
	m.is_volatile = true;
	assert_true(sent_send(s, &m));
	answer(NO);
	sent_lost(s, &m);
	assert_null(sent_gap(s));
	assert_counted(0, 0, 0, 0);
}

static void
a_gap_that_is_refused_is_kept_and_pauses(void **state)
{
	static const unsigned pauses[] = { 1, 2, 4, 8, 16, 32, 32 };
	struct sent_message m = message();
	unsigned i, k;

	(void)state;
	assert_true(sent_send(s, &m));
	answer(NO);
	now_ms += 10000;
	for (i = 0; i < nitems(pauses); i++) {
		assert_false(sent_pauses(s));
		assert_true(tell());
		assert_null(sent_gap(s));
		answer(NO);
		assert_gap(GAP_ROOM, "r", 1000000);
		for (k = 0; k < pauses[i]; k++)
			assert_true(sent_pauses(s));
	}
	assert_counted(1, 1, 0, 0);	/* lost once, told never */
	assert_false(sent_pauses(s));
	assert_true(tell());
	answer(YES);
	assert_null(sent_gap(s));
	assert_false(sent_pauses(s));
	assert_counted(1, 1, 1, 0);
	/* the next one begins anew */
	assert_true(sent_send(s, &m));
	answer(NO);
	assert_true(tell());
	answer(NO);
	assert_true(sent_pauses(s));
	assert_false(sent_pauses(s));
}

static void
one_refused_of_several_pauses_all(void **state)
{
	struct sent_message m = message();

	(void)state;
	assert_true(sent_send(s, &m));
	m.name = SLICE("other");
	assert_true(sent_send(s, &m));
	answer(NEVER);
	answer(NEVER);
	assert_true(tell());
	assert_true(tell());
	answer(NO);
	assert_false(sent_pauses(s));	/* not all have answers */
	answer(YES);
	assert_true(sent_pauses(s));
	assert_false(sent_pauses(s));
	assert_gap(GAP_ROOM, "r", 1000000);
	/* a connection that is lost is no refusal */
	assert_true(tell());
	answer(NEVER);
	assert_false(sent_pauses(s));
	assert_gap(GAP_ROOM, "r", 1000000);
	down = true;
	assert_false(tell());
	assert_gap(GAP_ROOM, "r", 1000000);
	assert_counted(2, 2, 1, 0);
}

static void
who_hears_an_inquiry_is_reported(void **state)
{
	struct sent_message m = message();

	(void)state;
	m.is_order = true;
	m.inquiry = 77;
	assert_true(sent_send(s, &m));
	assert_string_equal(said, "");
	answer(YES);
	assert_string_equal(said, "asked:77:3:all ");
	assert_counted(0, 0, 0, 0);
	assert_null(sent_gap(s));
}

static void
an_inquiry_that_is_not_taken_is_partly_known(void **state)
{
	static const enum answer answers[] = { NO, NEVER };
	struct sent_message m = message();
	unsigned i;

	(void)state;
	m.is_order = true;
	for (i = 0; i < nitems(answers); i++) {
		said[0] = '\0';
		m.inquiry = 5 + i;
		assert_true(sent_send(s, &m));
		answer(answers[i]);
		assert_non_null(strstr(said, ":0:partly "));
	}
	said[0] = '\0';
	down = true;
	assert_false(sent_send(s, &m));
	assert_string_equal(said, "asked:6:0:partly ");
	/* nobody is told of a gap */
	assert_null(sent_gap(s));
	assert_counted(0, 0, 0, 3);
	/* one that waits at the end is nobody's */
	down = false;
	assert_true(sent_send(s, &m));
}

static void
what_a_process_took_along_is_told_to_all(void **state)
{
	(void)state;
	sent_gap_all(s, 990000);
	assert_gap(GAP_NAMESPACE, "", 990000);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(what_redis_has_taken_is_forgotten),
		T(what_it_did_not_take_is_a_gap_since_then),
		T(whom_it_was_for_is_told_as_narrowly_as_can_be),
		T(volatile_events_are_not_missed),
		T(a_gap_that_is_refused_is_kept_and_pauses),
		T(one_refused_of_several_pauses_all),
		T(who_hears_an_inquiry_is_reported),
		T(an_inquiry_that_is_not_taken_is_partly_known),
		T(what_a_process_took_along_is_told_to_all),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
