/* Questions of the relay: workers that answer, die, are silent or too late. */
#include "relay/bridge/questions.h"

#include "base/slotset.h"
#include "proto/bus.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

static struct questions *q;
static struct mono now;
static uint64_t there[2];	/* workers */
static bool full;
static uint32_t ref;		/* of the last question */
static unsigned sent;
static enum bus_kind kind;	/* of what is asked */
static bool quick;		/* one answers before all have been asked */
static char told[256];		/* the calls, in order */
static struct question_end ended;	/* by the last of them */

static struct mono
the_time(void *arg)
{
	assert_ptr_equal(arg, &now);
	return (now);
}

static void answer_to(uint32_t, unsigned, uint16_t, uint32_t, const char *);

static bool
on_send(void *arg, uint64_t slots[2], uint32_t r, struct bus_envelope *e)
{
	assert_ptr_equal(arg, &now);
	slots[0] &= there[0];
	slots[1] &= there[1];
	if (full)
		return (false);
	ref = r;
	sent += !slotset_empty(slots);
	assert_int_equal(e->kind, kind);
	if (quick)
		answer_to(r, 1, 0, 4, "quick");
	return (true);
}

static void
tell(void *arg, const char *what, size_t n)
{
	assert_ptr_equal(arg, told);
	(void)snprintf(told + strlen(told), sizeof told - strlen(told),
	    "%.*s ", (int)n, what);
}

static void
on_answers(void *arg, struct slice elements)
{
	tell(arg, (const char *)elements.p, elements.n);
}

static void
on_counted(void *arg, uint32_t n)
{
	char text[32];

	(void)snprintf(text, sizeof text, "of%u", n);
	tell(arg, text, strlen(text));
}

static void
on_done(void *arg, const struct question_end *end)
{
	ended = *end;
	tell(arg, end->partly ? "partly" : "done", end->partly ? 6 : 4);
}

static const struct question_calls calls = { on_answers, on_counted, on_done };

static int
set_up(void **state)
{
	struct questions_params p = { .arg = &now, .now = the_time,
		.send = on_send };

	(void)state;
	now.us = 5000000;
	there[0] = 7;		/* 1, 2 and 3 */
	there[1] = 1;		/* 65 */
	full = false;
	sent = 0;
	kind = BUS_MEMBERS;
	quick = false;
	told[0] = '\0';
	q = questions_new(&p);
	assert_non_null(q);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	questions_free(&q);
	assert_int_equal(counter_get(COUNTER_questions_open), 0);
	return (0);
}

static void
ask(uint64_t low, uint64_t high, uint64_t ms)
{
	struct bus_envelope e;
	uint64_t slots[2] = { low, high };

	if (kind == BUS_MEMBERS)
		(void)bus_members(&e, BUS_MEMBERS_SIDS);
	else
		(void)bus_publish(&e);
	questions_ask(q, &e, slots, ms, &calls, told);
}

static void
answer_to(uint32_t r, unsigned from, uint16_t flags, uint32_t asked,
    const char *elements)
{
	struct bus_envelope e;
	struct buf b;

	buf_init(&b);
	bus_answers(&e)->asked = asked;
	e.answers.elements = slice_str(elements);
	e.flags = flags | BUS_RELAY;
	slotset_clear(e.slots);
	e.from = (uint16_t)from;
	e.generation = 1;
	e.ref = r;
	assert_true(bus_encode(&b, &e));
	questions_answer(q, buf_unread(&b));
	buf_fini(&b);
}

static void
answer(unsigned from, uint16_t flags, uint32_t asked, const char *elements)
{
	answer_to(ref, from, flags, asked, elements);
}

static void
assert_told(const char *want)
{
	assert_string_equal(told, want);
}

static void
what_all_say_comes_as_it_comes_and_then_the_end(void **state)
{
	(void)state;
	ask(3, 1, 1000);
	answer(1, BUS_MORE, 2, "a");
	answer(2, 0, 1, "");
	assert_told("a ");
	answer(65, BUS_MORE, 0, "");
	assert_told("a of3 ");
	answer(65, 0, 5, "b");		/* counted is counted */
	answer(1, 0, 0, "c");
	assert_told("a of3 b c done ");
	assert_int_equal(questions_due_us(q), UINT64_MAX);
}

static void
only_who_is_asked_is_heard(void **state)
{
	(void)state;
	ask(1, 0, 1000);
	answer(2, 0, 1, "x");
	answer_to(ref + 1, 1, 0, 1, "x");
	assert_told("");
	answer(1, 0, 0, "");
	assert_told("of0 done ");
	answer(1, 0, 1, "x");
	assert_told("of0 done ");
}

/* An answer that says who got the question. */
static void
answer_had(unsigned from, uint64_t had, uint32_t asked, const char *elements)
{
	const uint64_t slots[2] = { had, 0 };
	struct bus_envelope e;
	struct buf b;

	buf_init(&b);
	bus_answers(&e)->asked = asked;
	e.answers.elements = slice_str(elements);
	bus_had(&e, slots);
	slotset_clear(e.slots);
	e.from = (uint16_t)from;
	e.generation = 1;
	e.ref = ref;
	assert_true(bus_encode(&b, &e));
	questions_answer(q, buf_unread(&b));
	buf_fini(&b);
}

/* 1, 2 and 3 were asked; 2 is gone, 4 is its heir and 5 that of 1. */
static void
heirs_are_waited_for_too(void **state)
{
	(void)state;
	ask(7, 0, 1000);
	answer_had(5, 1 | 4 | 8 | 16, 1, "e");
	answer_had(1, 1 | 4 | 8 | 16, 0, "");
	answer_had(2, 1 | 4 | 8 | 16, 9, "x");	/* who is not asked */
	answer_had(3, 1 | 4 | 8 | 16, 1, "c");
	assert_told("e c ");
	answer_had(4, 1 | 4 | 8 | 16, 2, "d");
	assert_told("e c d of4 done ");
}

static void
with_nobody_to_ask_it_ends_at_once(void **state)
{
	(void)state;
	ask(0, 0, 1000);
	assert_told("of0 done ");
	told[0] = '\0';
	ask(8, 0, 1000);		/* has gone */
	assert_told("of0 done ");
	assert_int_equal(sent, 0);
	assert_int_equal(questions_due_us(q), UINT64_MAX);
}

static void
a_worker_that_dies_is_not_waited_for(void **state)
{
	uint64_t partly = counter_get(COUNTER_questions_partly);

	(void)state;
	ask(3, 0, 1000);
	answer(1, BUS_MORE, 2, "a");
	questions_gone(q, 2);
	assert_told("a of2 ");
	questions_gone(q, 3);		/* was not asked */
	questions_gone(q, 1);
	assert_told("a of2 partly ");
	assert_int_equal(counter_get(COUNTER_questions_partly), partly + 1);
	ask(1, 0, 1000);
	answer(1, 0, 1, "b");
	questions_gone(q, 1);
	assert_told("a of2 partly b of1 done ");
}

static void
a_silent_worker_is_waited_for_so_long(void **state)
{
	(void)state;
	ask(3, 0, 3000);
	answer(1, 0, 2, "a");
	assert_int_equal(questions_due_us(q), now.us + 1000000);
	now.us += 999999;
	questions_tick(q);
	assert_told("a ");
	now.us += 1;
	questions_tick(q);
	assert_told("a of2 ");		/* who waits is told in time */
	assert_int_equal(questions_due_us(q), now.us + 2000000);
	now.us += 1000000;
	answer(2, BUS_MORE, 7, "b");
	now.us += 1000000;
	questions_tick(q);
	assert_told("a of2 b partly ");
	answer(2, 0, 0, "c");
	assert_told("a of2 b partly ");
}

static void
a_short_question_is_counted_when_it_ends(void **state)
{
	(void)state;
	ask(1, 0, 300);
	now.us += 300000;
	questions_tick(q);
	assert_told("of0 partly ");
}

static void
what_is_cut_there_is_told_here(void **state)
{
	(void)state;
	ask(3, 0, 1000);
	answer(1, BUS_TRUNCATED, 2, "a");
	answer(2, 0, 1, "b");
	assert_told("a b of3 partly ");
}

static void
too_many_are_answered_with_nothing(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < QUESTIONS_MAX; i++)
		ask(1, 0, 1000);
	assert_told("");
	ask(1, 0, 1000);
	assert_told("of0 partly ");
	assert_int_equal(sent, QUESTIONS_MAX);
	assert_int_equal(counter_get(COUNTER_questions_open), QUESTIONS_MAX);
	answer(1, 0, 0, "");
	full = true;			/* no memory for the envelope */
	told[0] = '\0';
	ask(1, 0, 1000);
	assert_told("of0 partly ");
}

/* fetchSockets is answered while clients leave broadcasts unanswered. */
static void
one_kind_leaves_room_for_the_other(void **state)
{
	unsigned i;

	(void)state;
	kind = BUS_PUBLISH;
	for (i = 0; i < QUESTIONS_MAX; i++)
		ask(1, 0, 1000);
	ask(1, 0, 1000);
	assert_told("of0 partly ");
	told[0] = '\0';
	kind = BUS_MEMBERS;
	ask(1, 0, 1000);
	answer(1, 0, 0, "a");
	assert_told("a of0 done ");
	assert_int_equal(counter_get(COUNTER_questions_open), QUESTIONS_MAX);
	for (i = 0; i < QUESTIONS_MAX; i++)
		ask(1, 0, 1000);
	kind = BUS_PUBLISH;
	questions_gone(q, 1);
	assert_int_equal(counter_get(COUNTER_questions_open), 0);
	told[0] = '\0';
	ask(1, 0, 1000);
	answer(1, 0, 0, "b");
	assert_told("b of0 done ");
}

static void
an_answer_may_come_while_it_is_asked(void **state)
{
	(void)state;
	quick = true;
	ask(1, 0, 1000);
	assert_told("quick of4 done ");
	told[0] = '\0';
	ask(3, 0, 1000);
	assert_told("quick ");
	answer(2, 0, 1, "b");
	assert_told("quick b of5 done ");
	/* who is not there is not waited for */
	told[0] = '\0';
	ask(1 | 8, 0, 1000);
	assert_told("quick of4 done ");
	assert_int_equal(questions_due_us(q), UINT64_MAX);
}

static void
nonsense_is_counted(void **state)
{
	uint64_t bad = counter_get(COUNTER_bus_bad);
	struct bus_envelope e;
	struct buf b;

	(void)state;
	ask(1, 0, 1000);
	buf_init(&b);
	bus_count(&e, 7);
	slotset_clear(e.slots);
	e.from = 1;
	e.generation = 1;
	e.ref = ref;
	assert_true(bus_encode(&b, &e));
	questions_answer(q, buf_unread(&b));
	questions_answer(q, slice_of(b.data, b.wpos - 1));
	assert_int_equal(counter_get(COUNTER_bus_bad), bad + 2);
	assert_told("");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_all_say_comes_as_it_comes_and_then_the_end),
		T(only_who_is_asked_is_heard),
		T(heirs_are_waited_for_too),
		T(with_nobody_to_ask_it_ends_at_once),
		T(a_worker_that_dies_is_not_waited_for),
		T(a_silent_worker_is_waited_for_so_long),
		T(a_short_question_is_counted_when_it_ends),
		T(what_is_cut_there_is_told_here),
		T(too_many_are_answered_with_nothing),
		T(one_kind_leaves_room_for_the_other),
		T(an_answer_may_come_while_it_is_asked),
		T(nonsense_is_counted),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
