/* Commands of a Cluster: sent again, in order, or answered.  The nodes are two
 * numbers, and what they are sent is a list. */
#include "relay/redis/cluster_route.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "tests/lib/check.h"

#define SENT_MAX	64

struct site {
	bool	down;
};
static struct site a, b;
static struct sent {
	const struct site *to;
	char		 text[32];	/* the last argument */
	commands_cb	*cb;
	void		*arg;
	bool		 answered;
} sent[SENT_MAX];
static size_t nsent;
static struct site *owner;	/* of all slots */
static unsigned refusals;
static struct loop *loop;
static struct route *r;
static char answers[256];	/* of all callers, in order */

/* --- what stands below ----------------------------------------------------*/

bool
site_send(struct site *s, const struct slice *argv, size_t n, commands_cb *cb,
    void *arg)
{
	struct sent *at = &sent[nsent];

	if (s->down)
		return (false);
	assert_true(nsent < SENT_MAX);
	*at = (struct sent){ .to = s, .cb = cb, .arg = arg };
	(void)snprintf(at->text, sizeof at->text, "%.*s",
	    (int)argv[n - 1].n, (const char *)argv[n - 1].p);
	nsent++;
	return (true);
}

bool
site_up(const struct site *s)
{
	return (!s->down);
}

static struct site *
place(void *arg, unsigned slot)
{
	(void)arg;
	(void)slot;
	return (owner);
}

static struct site *
moved(void *arg, struct site *said, const struct slotmap_redirect *to)
{
	(void)arg;
	(void)said;
	if (!to->ask)
		owner = to->port == 1 ? &a : &b;
	return (to->port == 1 ? &a : &b);
}

static void
refused(void *arg, struct site *said)
{
	(void)arg;
	(void)said;
	refusals++;
}

/* --- what is done ---------------------------------------------------------*/

static int
set_up(void **state)
{
	struct route_params p = { .bytes = 1000, .place = place,
		.moved = moved, .refused = refused };

	(void)state;
	a.down = b.down = false;
	owner = &a;
	nsent = refusals = 0;
	answers[0] = '\0';
	p.loop = loop = loop_new();
	r = route_new(&p);
	return (r == NULL ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	route_free(&r);
	loop_free(&loop);
	return (0);
}

static void
on_answer(void *arg, const struct reply *o)
{
	size_t n = strlen(answers);

	(void)snprintf(answers + n, sizeof answers - n, "%s%s ",
	    (const char *)arg, o == NULL ? "?" :
	    o->type == REPLY_ERROR ? "!" : "");
}

static bool
say(unsigned slot, const char *text)
{
	const struct slice argv[] = { SLICE("SPUBLISH"), SLICE("c"),
		slice_str(text) };

	return (route_send(r, slot, argv, nitems(argv), on_answer,
	    (void *)(uintptr_t)text));
}

/* The node answers the i-th. */
static void
reply(size_t i, const char *bytes)
{
	static const struct reply_limits limits = { 8, 1000, 1u << 20 };
	struct reply_reader *reader = reply_reader_new(&limits);
	struct reply *o = NULL;

	assert_non_null(reader);
	assert_true(i < nsent && !sent[i].answered);
	sent[i].answered = true;
	assert_int_equal(reply_feed(reader, slice_str(bytes)), 0);
	assert_int_equal(reply_next(reader, &o), 1);
	if (sent[i].cb != NULL)
		sent[i].cb(sent[i].arg, o);
	reply_free(&o);
	reply_reader_free(&reader);
}

/* The connection is lost before that. */
static void
lose(size_t i)
{
	assert_true(i < nsent && !sent[i].answered);
	sent[i].answered = true;
	sent[i].cb(sent[i].arg, NULL);
}

/* Timers, as of so much later. */
static void
wait_ms(unsigned ms)
{
	static uint64_t later;

	later += ms;
	wheel_advance(loop_wheel(loop), (struct mono){ loop_now(loop).us +
	    later * 1000 });
}

static void
is_sent(size_t i, const struct site *to, const char *text)
{
	assert_true(i < nsent);
	assert_ptr_equal(sent[i].to, to);
	assert_string_equal(sent[i].text, text);
}

/* --- tests ----------------------------------------------------------------*/

static void
what_is_answered_is_done(void **state)
{
	(void)state;
	assert_true(say(7, "one"));
	assert_true(say(7, "two"));
	is_sent(0, &a, "one");
	is_sent(1, &a, "two");
	reply(0, ":1\r\n");
	reply(1, "-NOPERM no\r\n");
	assert_string_equal(answers, "one two! ");
}

/* Two are on their way when the slot moves, and one is said behind them. */
static void
what_moved_is_sent_again_in_order(void **state)
{
	(void)state;
	assert_true(say(7, "one"));
	assert_true(say(7, "two"));
	assert_true(say(8, "other"));
	reply(0, "-MOVED 7 h:2\r\n");
	assert_true(say(7, "three"));
	assert_int_equal(nsent, 3);
	wait_ms(1000);		/* the second may come back yet */
	assert_int_equal(nsent, 3);
	reply(1, "-MOVED 7 h:2\r\n");
	reply(2, ":1\r\n");
	wait_ms(1000);
	assert_int_equal(nsent, 6);
	is_sent(3, &b, "one");
	is_sent(4, &b, "two");
	is_sent(5, &b, "three");
	assert_true(say(7, "four"));
	is_sent(6, &b, "four");
	reply(3, ":1\r\n");
	reply(4, ":1\r\n");
	reply(5, ":1\r\n");
	assert_string_equal(answers, "other one two three ");
}

/* A node that is not connected yet has them a moment later. */
static void
what_moved_waits_for_its_node(void **state)
{
	(void)state;
	b.down = true;
	assert_true(say(7, "one"));
	reply(0, "-MOVED 7 h:2\r\n");
	wait_ms(200);
	assert_int_equal(nsent, 1);
	b.down = false;
	wait_ms(200);
	is_sent(1, &b, "one");
}

/* Told by others than those whom it was sent to: what is on its way stays in
 * front, and who listens has a moment. */
static void
a_slot_that_moved_waits(void **state)
{
	(void)state;
	assert_true(say(7, "one"));
	owner = &b;
	route_moved(r, 7);
	assert_true(say(7, "two"));
	assert_true(say(8, "other"));
	assert_int_equal(nsent, 2);
	reply(0, "-MOVED 7 h:2\r\n");
	wait_ms(300);
	is_sent(2, &b, "one");
	is_sent(3, &b, "two");
}

static void
one_that_is_asked_elsewhere_goes_there_alone(void **state)
{
	(void)state;
	assert_true(say(7, "one"));
	reply(0, "-ASK 7 h:2\r\n");
	is_sent(1, &b, "ASKING");
	is_sent(2, &b, "one");
	assert_true(say(7, "two"));
	is_sent(3, &a, "two");
	reply(1, "+OK\r\n");
	reply(2, ":1\r\n");
	assert_string_equal(answers, "one ");
}

static void
what_is_not_served_is_tried_again(void **state)
{
	size_t i;

	(void)state;
	assert_true(say(7, "one"));
	for (i = 0; i < 4; i++) {
		reply(i, i == 2 ? "-TRYAGAIN x\r\n" : "-CLUSTERDOWN x\r\n");
		assert_string_equal(answers, "");
		wait_ms(1000);
		is_sent(i + 1, &a, "one");
	}
	assert_int_equal(refusals, 4);
	reply(4, ":1\r\n");
	assert_string_equal(answers, "one ");
}

/* Whether it was done nobody knows. */
static void
what_was_lost_is_not_sent_twice(void **state)
{
	(void)state;
	assert_true(say(7, "one"));
	assert_true(say(7, "two"));
	reply(0, "-MOVED 7 h:2\r\n");
	lose(1);
	assert_string_equal(answers, "two? ");
	wait_ms(1000);
	assert_int_equal(nsent, 3);
	is_sent(2, &b, "one");
}

static void
where_nobody_is_nothing_is_sent(void **state)
{
	(void)state;
	owner = NULL;
	assert_false(say(7, "one"));
	owner = &a;
	a.down = true;
	assert_false(say(7, "one"));
	assert_string_equal(answers, "");
}

/* What is kept has a limit, and is given up as a whole. */
static void
what_is_kept_is_bounded(void **state)
{
	char big[900];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_true(say(7, "one"));
	assert_true(say(7, big));
	assert_false(say(7, big));
	reply(0, "-MOVED 7 h:2\r\n");
	route_give_up(r);
	assert_string_equal(answers, "one? ");
	wait_ms(1000);
	assert_int_equal(nsent, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_is_answered_is_done),
		TEST(what_moved_is_sent_again_in_order),
		TEST(what_moved_waits_for_its_node),
		TEST(a_slot_that_moved_waits),
		TEST(one_that_is_asked_elsewhere_goes_there_alone),
		TEST(what_is_not_served_is_tried_again),
		TEST(what_was_lost_is_not_sent_twice),
		TEST(where_nobody_is_nothing_is_sent),
		TEST(what_is_kept_is_bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
