/*
 * Who keeps notifications: the same is asked of the one in memory and of the one in
 * Redis, if there is a redis-server here, and both must say and tell the same.
 */
#include "proto/bus_box.h"

#include <inttypes.h>
#include <time.h>

#include "base/state.h"
#include "relay/box/memory.h"
#include "relay/box/remote.h"
#include "shm/counters.h"
#include "tests/lib/redis_real.h"

static struct box_memory *memory;
static struct box_remote *far;
static uint64_t now;			/* of the one in memory */
static bool stale;
static bool any_user;			/* told of whom: not looked at */
static unsigned user;			/* another one in each test */
static char name[32];
static const struct box_bounds bounds = { 10, 4096, 3600000 };

/* The last answer, and what was told since. */
static enum bus_store result;
static struct box_reply reply;
static char text[8192], news[8192];
static uint64_t version;		/* of all that was said: it only grows */

static uint64_t
real_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return ((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

static uint64_t
on_now(void *arg)
{
	(void)arg;
	return (now);
}

static void
on_answer(void *arg, const struct box_asker *to, enum bus_store r,
    const struct box_reply *b)
{
	(void)arg;
	assert_int_equal(to->ref, 7);
	result = r;
	if (b == NULL)
		return;
	reply = *b;
	assert_true(b->text.n < sizeof text);
	if (b->text.n != 0)
		memcpy(text, b->text.p, b->text.n);
	text[b->text.n] = '\0';
	assert_true(b->version >= version);
}

/* "KIND COUNT TEXT;" each */
static void
on_news(void *arg, const struct box_news *n)
{
	size_t at = strlen(news);

	(void)arg;
	assert_slice(n->nsp, "/n");
	if (any_user)
		return;
	assert_true(slice_eq(n->user, slice_str(name)));
	assert_true(n->version > version);
	version = n->version;
	(void)snprintf(news + at, sizeof news - at, "%c%" PRIu64 " %.*s;",
	    (char)n->kind, n->count, (int)n->text.n,
	    n->text.n == 0 ? "" : (const char *)n->text.p);
}

static void
on_stale(void *arg)
{
	(void)arg;
	stale = true;
}

static const struct box_calls calls = { .answer = on_answer,
	.news = on_news, .now_ms = on_now };

static void
next_user(void)
{
	(void)snprintf(name, sizeof name, "u%u", ++user);
	news[0] = text[0] = '\0';
	version = 0;
}

static int
with_memory(void **state)
{
	(void)state;
	far = NULL;
	now = real_now();
	memory = box_memory_new(&calls, 1u << 20);
	assert_non_null(memory);
	next_user();
	return (0);
}

static int
without_memory(void **state)
{
	(void)state;
	box_memory_free(&memory);
	return (0);
}

static int
with_redis(void **state)
{
	(void)state;
	memory = NULL;
	assert_true(real_pid > 0);	/* there is a redis-server */
	far = box_remote_new(&calls, on_stale);
	assert_non_null(far);
	stale = false;
	box_remote_serve(far, REDIS_REAL, "p:", true, true);
	assert_true(stale);
	next_user();
	return (0);
}

static int
without_redis(void **state)
{
	(void)state;
	box_remote_free(&far);
	return (0);
}

/* --- asking -------------------------------------------------------------------- */

static struct box_question
question(enum box_op op)
{
	return ((struct box_question){ .asker = { .ref = 7 }, .op = op,
		.nsp = SLICE("/n"), .user = slice_str(name),
		.bounds = bounds });
}

static void
ask(const struct box_question *q)
{
	news[0] = '\0';
	result = BUS_STORE_EPOCH;
	if (memory != NULL)
		box_memory_engine.ask(memory, q);
	else
		box_remote_engine.ask(far, q);
	assert_int_equal(result, BUS_STORE_OK);
}

static void
pass(unsigned ms)
{
	const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	if (memory != NULL)
		now += ms;
	else
		(void)nanosleep(&t, NULL);
}

static uint64_t
current(void)
{
	return (memory != NULL ? now : real_now());
}

static void
create_of(const char *id, const char *category, const char *collapse,
    uint8_t rank, uint64_t expires_ms, const struct box_bounds *b)
{
	struct box_question q = question(BOX_CREATE);
	char json[128];

	(void)snprintf(json, sizeof json, "\"id\":\"%s\"", id);
	q.bounds = *b;
	q.item = (struct box_item){ .id = slice_str(id),
		.category = slice_str(category),
		.collapse = slice_str(collapse), .rank = rank, .ts_ms = 1,
		.expires_ms = expires_ms, .json = slice_str(json) };
	ask(&q);
}

static void
create(const char *id)
{
	create_of(id, "", "", BOX_NORMAL, 0, &bounds);
}

static void
count_is(uint64_t n)
{
	struct box_question q = question(BOX_COUNT);

	ask(&q);
	assert_int_equal(reply.count, n);
}

static void
list(uint64_t cursor, uint32_t limit, bool unread, const char *category)
{
	struct box_question q = question(BOX_LIST);

	q.look = (struct box_look){ cursor, limit, unread,
		slice_str(category) };
	ask(&q);
}

static void
pick_one(enum box_op op, const char *id)
{
	struct box_question q = question(op);

	q.pick = (struct box_pick){ .n = 1 };
	q.pick.ids[0] = slice_str(id);
	ask(&q);
}

static void
pick_all(enum box_op op, const char *category)
{
	struct box_question q = question(op);

	q.pick = (struct box_pick){ .all = true,
		.category = slice_str(category) };
	ask(&q);
}

/* --- tests --------------------------------------------------------------------- */

static void
one_is_made_counted_read_and_deleted(void **state)
{
	(void)state;
	count_is(0);
	assert_string_equal(news, "");
	create("a");
	assert_int_equal(reply.did, BOX_MADE | BOX_COUNTED);
	assert_int_equal(reply.count, 1);
	assert_string_equal(text, "{\"id\":\"a\",\"read\":false}");
	assert_string_equal(news, "n1 {\"id\":\"a\",\"read\":false};");
	create("b");
	create("a");
	assert_int_equal(reply.did, 0);
	assert_int_equal(reply.count, 2);
	assert_string_equal(news, "");
	pick_one(BOX_READ, "a");
	assert_string_equal(text, "\"a\"");
	assert_string_equal(news, "r1 \"a\";");
	pick_one(BOX_READ, "a");
	assert_string_equal(text, "");
	assert_string_equal(news, "");
	pick_one(BOX_READ, "none");
	assert_string_equal(news, "");
	list(0, 10, false, "");
	assert_string_equal(text, "{\"id\":\"b\",\"read\":false},"
	    "{\"id\":\"a\",\"read\":true}");
	list(0, 10, true, "");
	assert_string_equal(text, "{\"id\":\"b\",\"read\":false}");
	pick_one(BOX_DELETE, "b");
	assert_string_equal(news, "d0 \"b\";");
	pick_one(BOX_DELETE, "a");
	assert_string_equal(news, "d0 \"a\";");
	count_is(0);
	list(0, 10, false, "");
	assert_string_equal(text, "");
}

static void
pages_follow_each_other(void **state)
{
	static const char *const ids[] = { "0", "1", "2", "3", "4" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(ids); i++)
		create_of(ids[i], i % 2 ? "odd" : "even", "", BOX_LOW, 0,
		    &bounds);
	list(0, 2, false, "");
	assert_string_equal(text, "{\"id\":\"4\",\"read\":false},"
	    "{\"id\":\"3\",\"read\":false}");
	assert_int_not_equal(reply.next, 0);
	list(reply.next, 2, false, "even");
	assert_string_equal(text, "{\"id\":\"2\",\"read\":false},"
	    "{\"id\":\"0\",\"read\":false}");
	assert_int_equal(reply.next, 0);
	list(0, 3, false, "even");
	assert_int_equal(reply.next, 0);
	pick_all(BOX_READ, "even");
	assert_int_equal(reply.count, 2);
	pick_all(BOX_READ, "");
	assert_int_equal(reply.count, 0);
	pick_all(BOX_DELETE, "odd");
	list(0, 10, false, "");
	assert_string_equal(text, "{\"id\":\"4\",\"read\":true},"
	    "{\"id\":\"2\",\"read\":true},{\"id\":\"0\",\"read\":true}");
}

static void
a_newer_one_takes_the_place_of_an_older(void **state)
{
	(void)state;
	create_of("a", "", "k", BOX_NORMAL, 0, &bounds);
	create("b");
	pick_one(BOX_READ, "a");
	create_of("c", "", "k", BOX_NORMAL, 0, &bounds);
	assert_int_equal(reply.count, 2);
	create_of("d", "", "k", BOX_NORMAL, 0, &bounds);
	assert_int_equal(reply.count, 2);
	list(0, 10, false, "");
	assert_string_equal(text, "{\"id\":\"d\",\"read\":false},"
	    "{\"id\":\"b\",\"read\":false}");
	/* its key is free again */
	pick_one(BOX_DELETE, "d");
	create_of("e", "", "k", BOX_NORMAL, 0, &bounds);
	assert_int_equal(reply.count, 2);
}

static void
above_its_bounds_the_oldest_that_is_read_goes(void **state)
{
	const struct box_bounds few = { 3, 1u << 20, 3600000 };
	const struct box_bounds small = { 100, 1000, 3600000 };
	unsigned i;
	char id[8];

	(void)state;
	create("a");
	create("b");
	create("c");
	pick_one(BOX_READ, "b");
	create_of("d", "", "", BOX_NORMAL, 0, &few);
	list(0, 10, false, "");
	assert_string_equal(text, "{\"id\":\"d\",\"read\":false},"
	    "{\"id\":\"c\",\"read\":false},{\"id\":\"a\",\"read\":false}");
	create_of("e", "", "", BOX_NORMAL, 0, &few);
	assert_int_equal(reply.count, 3);
	pick_one(BOX_READ, "a");
	assert_string_equal(text, "");
	for (i = 0; i < 20; i++) {
		(void)snprintf(id, sizeof id, "i%u", i);
		create_of(id, "", "", BOX_NORMAL, 0, &small);
	}
	assert_in_range(reply.count, 1, 12);
	/* one that is larger than all stays alone */
	create_of("big", "", "", BOX_NORMAL, 0, &(struct box_bounds){ 5, 10,
		3600000 });
	assert_int_equal(reply.count, 1);
}

static void
what_is_too_old_goes_by_itself(void **state)
{
	const struct box_bounds brief = { 10, 4096, 400 };
	struct box_question q = question(BOX_COUNT);
	uint64_t at = current();

	(void)state;
	create_of("a", "", "", BOX_NORMAL, at + 150, &bounds);
	assert_in_range(reply.due_ms, at + 150, at + 150);
	create_of("b", "", "", BOX_NORMAL, at + 100000, &bounds);
	assert_in_range(reply.due_ms, at + 150, at + 150);
	create("c");
	pass(200);
	count_is(2);
	assert_string_equal(news, "c2 ;");
	assert_in_range(reply.due_ms, at + 100000, at + 100000);
	pass(300);
	q.bounds = brief;
	ask(&q);
	assert_int_equal(reply.count, 0);
	assert_string_equal(news, "c0 ;");
	assert_int_equal(reply.due_ms, 0);
}

static void
set_prefs(struct box_prefs *p)
{
	struct box_question q = question(BOX_PREFS);
	struct buf b;

	buf_init(&b);
	p->json = SLICE("{\"p\":1}");
	box_put_prefs(&b, p);
	q.prefs = buf_unread(&b);
	ask(&q);
	buf_fini(&b);
	assert_string_equal(text, "{\"p\":1}");
}

static void
what_is_muted_is_listed_and_not_counted(void **state)
{
	struct box_prefs p = { .least = BOX_NORMAL, .nmuted = 2,
		.muted = { SLICE("ads"), SLICE("x y") } };
	struct box_question q = question(BOX_PREFS);

	(void)state;
	ask(&q);
	assert_string_equal(text, "");
	set_prefs(&p);
	assert_string_equal(news, "p0 {\"p\":1};");
	create_of("a", "ads", "", BOX_URGENT, 0, &bounds);
	assert_int_equal(reply.did, BOX_MADE);
	assert_string_equal(news, "c0 ;");
	create_of("b", "x y", "", BOX_NORMAL, 0, &bounds);
	create_of("c", "", "", BOX_LOW, 0, &bounds);
	create_of("d", "ad", "", BOX_NORMAL, 0, &bounds);
	assert_int_equal(reply.count, 1);
	assert_string_equal(news, "n1 {\"id\":\"d\",\"read\":false};");
	list(0, 10, true, "");
	assert_string_equal(text, "{\"id\":\"d\",\"read\":false},"
	    "{\"id\":\"c\",\"read\":false},{\"id\":\"b\",\"read\":false},"
	    "{\"id\":\"a\",\"read\":false}");
	pick_one(BOX_READ, "a");
	assert_int_equal(reply.count, 1);
	pick_one(BOX_DELETE, "c");
	assert_int_equal(reply.count, 1);
	/* what was muted once is not counted later */
	p = (struct box_prefs){ .least = BOX_LOW };
	set_prefs(&p);
	count_is(1);
	/* they stay though nothing else is there */
	pick_all(BOX_DELETE, "");
	ask(&q);
	assert_string_equal(text, "{\"p\":1}");
}

static void
in_quiet_hours_it_is_silent_or_only_counted(void **state)
{
	uint16_t m = (uint16_t)(current() / 60000 % BOX_DAY);
	struct box_prefs p = { .quiet = true,
		.from = (uint16_t)((m + BOX_DAY - 5) % BOX_DAY),
		.to = (uint16_t)((m + 5) % BOX_DAY) };

	(void)state;
	set_prefs(&p);
	create("a");
	assert_int_equal(reply.did, BOX_MADE | BOX_COUNTED | BOX_SILENT);
	assert_string_equal(news,
	    "n1 {\"id\":\"a\",\"read\":false,\"silent\":true};");
	p.count_only = true;
	set_prefs(&p);
	create("b");
	assert_int_equal(reply.did, BOX_MADE | BOX_COUNTED | BOX_SILENT |
	    BOX_HELD);
	assert_string_equal(news, "c2 ;");
	p.offset = -600;
	set_prefs(&p);
	create("c");
	assert_int_equal(reply.did, BOX_MADE | BOX_COUNTED);
	p.from = p.to = 0;	/* always */
	set_prefs(&p);
	create("d");
	assert_int_equal(reply.did & BOX_HELD, BOX_HELD);
}

/* --- memory alone --------------------------------------------------------------- */

static void
what_is_saved_is_loaded(void **state)
{
	struct box_prefs p = { .least = BOX_NORMAL };
	struct state_in in;
	struct buf b, again;
	size_t i;

	(void)state;
	set_prefs(&p);
	create_of("a", "c", "k", BOX_HIGH, current() + 1000, &bounds);
	create("b");
	pick_one(BOX_READ, "b");
	create_of("low", "", "", BOX_LOW, 0, &bounds);
	buf_init(&b);
	buf_init(&again);
	box_memory_save(memory, &b);
	assert_true(box_memory_is_saved(buf_unread(&b)));
	box_memory_free(&memory);
	memory = box_memory_new(&calls, 1u << 20);
	in = state_in(buf_unread(&b));
	assert_true(box_memory_load(memory, &in));
	assert_true(in.p == in.end);
	box_memory_save(memory, &again);
	assert_true(slice_eq(buf_unread(&again), buf_unread(&b)));
	count_is(1);
	list(0, 10, false, "");
	assert_string_equal(text, "{\"id\":\"low\",\"read\":false},"
	    "{\"id\":\"b\",\"read\":true},{\"id\":\"a\",\"read\":false}");
	create_of("d", "", "k", BOX_NORMAL, 0, &bounds);
	assert_int_equal(reply.count, 1);
	/* cut anywhere it is refused, and nothing falls over */
	for (i = 0; i < b.wpos; i++) {
		box_memory_free(&memory);
		memory = box_memory_new(&calls, 1u << 20);
		in = state_in(slice_of(b.data, i));
		assert_false(box_memory_load(memory, &in));
	}
	buf_fini(&b);
	buf_fini(&again);
}

/* What was taken of it serves, and goes over to the next one. */
static void
whatever_is_loaded_serves_and_is_saved(void **state)
{
	static const uint8_t flips[] = { 1, 0x80, 0xff };
	struct box_prefs p = { .least = BOX_NORMAL };
	struct state_in in;
	struct buf b, again;
	size_t i, taken = 0;

	(void)state;
	set_prefs(&p);
	create_of("a", "c", "k", BOX_HIGH, current() + 1000, &bounds);
	create("b");
	pick_one(BOX_READ, "b");
	buf_init(&b);
	buf_init(&again);
	box_memory_save(memory, &b);
	for (i = 0; i < b.wpos * nitems(flips); i++) {
		box_memory_free(&memory);
		memory = box_memory_new(&calls, 1u << 20);
		version = 0;
		b.data[i / nitems(flips)] ^= flips[i % nitems(flips)];
		in = state_in(buf_unread(&b));
		taken += box_memory_load(memory, &in);
		b.data[i / nitems(flips)] ^= flips[i % nitems(flips)];
		create("new");
		list(0, 10, false, "");
		pick_one(BOX_DELETE, "new");
		create("newer");
		buf_reset(&again);
		box_memory_save(memory, &again);
		box_memory_free(&memory);
		memory = box_memory_new(&calls, 1u << 20);
		in = state_in(buf_unread(&again));
		assert_true(box_memory_load(memory, &in));
	}
	assert_in_range(taken, 1, b.wpos * nitems(flips) - 1);
	buf_fini(&b);
	buf_fini(&again);
}

static void
above_the_bound_of_all_who_was_asked_least_lately_loses(void **state)
{
	unsigned i, k;
	char id[8];

	(void)state;
	for (i = 0; i < 30; i++) {
		next_user();
		for (k = 0; k < 10; k++) {
			(void)snprintf(id, sizeof id, "i%u", k);
			create(id);
		}
	}
	(void)snprintf(name, sizeof name, "u%u", user - 29);
	pick_one(BOX_READ, "i5");
	count_is(9);
	box_memory_bound(memory, 20000);
	any_user = true;
	for (i = 0; box_memory_turn(memory); i++)
		assert_true(i < 10);
	any_user = false;
	assert_in_range(counter_get(COUNTER_notices_bytes), 1, 20000);
	assert_in_range(counter_get(COUNTER_notices_users), 1, 29);
	/* who was asked about last has all; who was not, nothing */
	version = 0;
	count_is(9);
	(void)snprintf(name, sizeof name, "u%u", user - 28);
	count_is(0);
}

static void
what_was_done_is_counted(void **state)
{
	(void)state;
	assert_in_range(counter_get(COUNTER_notices_created), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_duplicates), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_collapsed), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_displaced), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_evicted), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_expired), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_read), 1, UINT32_MAX);
	assert_in_range(counter_get(COUNTER_notices_deleted), 1, UINT32_MAX);
}

/* --- forms ---------------------------------------------------------------------- */

static void
forms_are_read_as_they_were_written(void **state)
{
	struct box_pick pick = { .n = 2, .ids = { SLICE("a"), SLICE("b") } }, p;
	struct box_look look = { 7, 100, true, SLICE("c") }, l;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	box_put_pick(&b, &pick);
	assert_true(box_get_pick(buf_unread(&b), &p));
	assert_int_equal(p.n, 2);
	assert_slice(p.ids[1], "b");
	for (i = 0; i < b.wpos; i++)
		assert_false(box_get_pick(slice_of(b.data, i), &p));
	buf_reset(&b);
	pick.n = 0;
	box_put_pick(&b, &pick);
	assert_false(box_get_pick(buf_unread(&b), &p));
	buf_reset(&b);
	box_put_look(&b, &look);
	assert_true(box_get_look(buf_unread(&b), &l));
	assert_int_equal(l.cursor, 7);
	assert_slice(l.category, "c");
	buf_reset(&b);
	look.limit = 101;
	box_put_look(&b, &look);
	assert_false(box_get_look(buf_unread(&b), &l));
	buf_fini(&b);
}

static void
news_that_make_no_sense_are_refused(void **state)
{
	static const struct slice bad[] = { SLICE(""), SLICE("/n"),
		SLICE("/n\0"), SLICE("/n\0u"), SLICE("/n\0u\0"),
		SLICE("\0u\0c 1 1\n"), SLICE("/n\0\0c 1 1\n"),
		SLICE("/n\0u\0z 1 1 0\n"), SLICE("/n\0u\0c 1 1 0"), SLICE("/n\0u\0c 1 1\n"),
		SLICE("/n\0u\0c 1 1 0\nx"), SLICE("/n\0u\0n 1 1 0\n"),
		SLICE("/n\0u\0c x 1 0\n"), SLICE("/n\0u\0c 1  1 0\n"),
		SLICE("/n\0u\0c 99999999999999999999999 1 0\n") };
	struct box_news n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_false(box_news_decode(bad[i], &n));
	assert_true(box_news_decode(SLICE("/n\0u\0n 12 3 9\n{}"), &n));
	assert_int_equal(n.version, 12);
	assert_int_equal(n.count, 3);
	assert_int_equal(n.due_ms, 9);
	assert_slice(n.text, "{}");
	assert_true(box_news_decode(SLICE("/n\0u\0c 12 3 0\n"), &n));
}

#define BOTH(f)	{ #f " (memory)", f, with_memory, without_memory, NULL },	\
		{ #f " (redis)", f, with_redis, without_redis, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(one_is_made_counted_read_and_deleted),
		BOTH(pages_follow_each_other),
		BOTH(a_newer_one_takes_the_place_of_an_older),
		BOTH(above_its_bounds_the_oldest_that_is_read_goes),
		BOTH(what_is_too_old_goes_by_itself),
		BOTH(what_is_muted_is_listed_and_not_counted),
		BOTH(in_quiet_hours_it_is_silent_or_only_counted),
		cmocka_unit_test_setup_teardown(what_is_saved_is_loaded,
		    with_memory, without_memory),
		cmocka_unit_test_setup_teardown(
		    whatever_is_loaded_serves_and_is_saved, with_memory,
		    without_memory),
		cmocka_unit_test_setup_teardown(
		    above_the_bound_of_all_who_was_asked_least_lately_loses,
		    with_memory, without_memory),
		cmocka_unit_test(what_was_done_is_counted),
		cmocka_unit_test(forms_are_read_as_they_were_written),
		cmocka_unit_test(news_that_make_no_sense_are_refused),
	};
	int failed;

	(void)real_begin();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	real_end();
	return (failed);
}
