/* Lists of rooms: an audience, and the workers that have some of it. */
#include "relay/bridge/whom.h"

#include "base/slotset.h"
#include "shm/interest.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "tests/lib/check.h"

#define SID	"0123456789abcdefXY_-"	/* of 20 characters */

static struct segment *seg;
static struct interest *one, *far, *relay;	/* slots 1, 128 and 0 */
static struct whom_joins *joins;
static struct bus_audience to;
static struct whom w;

static void
live(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
}

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 64, .presence_max = 10,
		.interest_max = 200, .rate_ways = 8, .max_ns = 4 };

	(void)state;
	seg = segment_create(&p);
	if (seg == NULL)
		return (-1);
	live(0);
	live(1);
	live(128);
	one = interest_open(seg, 1);
	far = interest_open(seg, 128);
	relay = interest_open(seg, 0);
	joins = whom_joins_new();
	w = (struct whom){ .interest = relay, .joins = joins, .ns = 2,
		.now = { 1000000 }, .to = &to };
	return (one == NULL || far == NULL || relay == NULL ||
	    joins == NULL ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	whom_joins_free(&joins);
	assert_null(joins);
	interest_close(&one);
	interest_close(&far);
	interest_close(&relay);
	segment_free(&seg);
	return (0);
}

static void
join(struct interest *worker, uint16_t ns, enum interest_kind kind,
    const char *name)
{
	char key[INTEREST_KEY_MAX];

	(void)interest_join(worker, ns, interest_key(key, kind,
	    slice_str(name)));
}

#define ONE	UINT64_C(1)
#define FAR	(UINT64_C(1) << 63)

static void
assert_end(enum whom_result want, uint64_t low, uint64_t high)
{
	assert_int_equal(whom_end(&w), want);
	if (want == WHOM_MANY)
		return;
	assert_true(w.slots[0] == low);
	assert_true(w.slots[1] == high);
}

static void
nobody_named_is_everybody_of_the_namespace(void **state)
{
	(void)state;
	whom_begin(&w);
	assert_end(WHOM_NOBODY, 0, 0);
	join(far, 2, INTEREST_NAMESPACE, "");
	join(one, 3, INTEREST_NAMESPACE, "");	/* of another */
	whom_begin(&w);
	assert_end(WHOM_SOME, 0, FAR);
	assert_int_equal(to.nrooms + to.nsids + to.nexcept, 0);
}

static void
rooms_that_nobody_here_is_in_are_left_out(void **state)
{
	(void)state;
	join(one, 2, INTEREST_NAMESPACE, "");
	join(one, 2, INTEREST_ROOM, "a");
	join(far, 2, INTEREST_ROOM, "b");
	join(one, 3, INTEREST_ROOM, "c");
	join(one, 2, INTEREST_USER, "d");
	whom_begin(&w);
	whom_room(&w, SLICE("none"));
	whom_room(&w, SLICE("c"));
	whom_room(&w, SLICE("d"));
	whom_room(&w, slice_of(NULL, 0));	/* was no name */
	assert_end(WHOM_NOBODY, 0, 0);
	whom_begin(&w);
	whom_room(&w, SLICE("a"));
	whom_room(&w, SLICE("none"));
	assert_end(WHOM_SOME, ONE, 0);
	assert_int_equal(to.nrooms, 1);
	assert_slice(to.rooms[0], "a");
	whom_begin(&w);
	whom_room(&w, SLICE("a"));
	whom_room(&w, SLICE("b"));
	assert_end(WHOM_SOME, ONE, FAR);
	assert_int_equal(to.nrooms, 2);
}

static void
a_name_like_a_sid_may_be_on_any_worker(void **state)
{
	static const struct slice none[] = {
		SLICE("0123456789abcdefXY_"), SLICE(SID "x"),
		SLICE("0123456789abcdefXY_+"), SLICE("0123456789abcdefXY_\0"),
	};
	size_t i;

	(void)state;
	join(one, 2, INTEREST_NAMESPACE, "");
	join(far, 2, INTEREST_NAMESPACE, "");
	whom_begin(&w);
	whom_room(&w, SLICE(SID));
	assert_end(WHOM_SOME, ONE, FAR);
	assert_int_equal(to.nrooms, 0);
	assert_int_equal(to.nsids, 1);
	assert_slice(to.sids[0], SID);
	assert_true(whom_has(&w, SLICE(SID)));
	/* or a room as well */
	join(one, 2, INTEREST_ROOM, SID);
	whom_begin(&w);
	whom_room(&w, SLICE(SID));
	assert_end(WHOM_SOME, ONE, FAR);
	assert_int_equal(to.nrooms, 1);
	assert_int_equal(to.nsids, 1);
	for (i = 0; i < nitems(none); i++) {
		whom_begin(&w);
		whom_room(&w, none[i]);
		assert_row(whom_end(&w) == WHOM_NOBODY, none[i]);
		assert_row(!whom_has(&w, none[i]), none[i]);
	}
}

static void
exceptions_are_those_that_concern_somebody_here(void **state)
{
	(void)state;
	join(one, 2, INTEREST_NAMESPACE, "");
	join(one, 2, INTEREST_ROOM, "a");
	whom_begin(&w);
	whom_except(&w, SLICE("none"));
	whom_except(&w, SLICE("a"));
	whom_except(&w, SLICE(SID));
	whom_except(&w, slice_of(NULL, 0));
	assert_end(WHOM_SOME, ONE, 0);	/* still all of the namespace */
	assert_int_equal(to.nexcept, 2);
	assert_slice(to.except[0], "a");
	assert_slice(to.except[1], SID);
}

static void
too_long_a_name_is_nobodys(void **state)
{
	static char name[INTEREST_NAME_MAX + 1];

	(void)state;
	memset(name, 'x', sizeof name);
	whom_begin(&w);
	whom_room(&w, slice_of(name, sizeof name));
	assert_end(WHOM_NOBODY, 0, 0);
	assert_false(whom_has(&w, slice_of(name, sizeof name)));
}

static void
what_an_envelope_does_not_hold_is_said(void **state)
{
	char names[BUS_LIST_MAX + 1][8];
	unsigned i;

	(void)state;
	join(one, 2, INTEREST_NAMESPACE, "");
	for (i = 0; i <= BUS_LIST_MAX; i++) {
		(void)snprintf(names[i], sizeof names[i], "r%u", i);
		join(one, 2, INTEREST_ROOM, names[i]);
	}
	/* thousands that nobody is in are no trouble */
	whom_begin(&w);
	for (i = 0; i < 3000; i++)
		whom_room(&w, SLICE("none"));
	for (i = 0; i < BUS_LIST_MAX; i++)
		whom_room(&w, slice_str(names[i]));
	assert_end(WHOM_SOME, ONE, 0);
	assert_int_equal(to.nrooms, BUS_LIST_MAX);
	whom_room(&w, slice_str(names[BUS_LIST_MAX]));
	assert_end(WHOM_MANY, 0, 0);
	whom_begin(&w);
	for (i = 0; i <= BUS_LIST_MAX; i++)
		whom_except(&w, slice_str(names[i]));
	assert_end(WHOM_MANY, 0, 0);
	/* and forgotten with the next */
	whom_begin(&w);
	assert_end(WHOM_SOME, ONE, 0);
}

/* A worker was told to put a client there, and the directory does not know. */
static void
rooms_about_to_have_members_have_some(void **state)
{
	uint64_t slots[2] = { 0, FAR };

	(void)state;
	whom_joins_add(joins, 2, SLICE("soon"), slots, w.now);
	whom_begin(&w);
	whom_room(&w, SLICE("soon"));
	assert_end(WHOM_SOME, 0, FAR);
	assert_slice(to.rooms[0], "soon");
	w.ns = 3;			/* of that namespace alone */
	whom_begin(&w);
	whom_room(&w, SLICE("soon"));
	assert_end(WHOM_NOBODY, 0, 0);
	w.ns = 2;
	w.now.us += 4999999;
	assert_true(whom_has(&w, SLICE("soon")));
	w.now.us += 1;			/* it has, by now, or will not */
	assert_false(whom_has(&w, SLICE("soon")));
	/* without such a list nothing is looked up */
	whom_joins_add(joins, 2, SLICE("soon"), slots, w.now);
	w.joins = NULL;
	assert_false(whom_has(&w, SLICE("soon")));
}

static void
more_joins_than_are_remembered_may_be_anywhere(void **state)
{
	uint64_t slots[2] = { ONE, 0 };
	unsigned i;

	(void)state;
	join(far, 2, INTEREST_NAMESPACE, "");
	for (i = 0; i < 256; i++)
		whom_joins_add(joins, 2, SLICE("x"), slots, w.now);
	assert_false(whom_has(&w, SLICE("lost")));
	w.now.us += 1000000;
	whom_joins_add(joins, 2, SLICE("lost"), slots, w.now);
	whom_begin(&w);
	whom_room(&w, SLICE("lost"));
	assert_end(WHOM_SOME, 0, FAR);	/* all of the namespace */
	w.now.us += 5000000;
	assert_false(whom_has(&w, SLICE("lost")));
	assert_false(whom_has(&w, SLICE("x")));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(nobody_named_is_everybody_of_the_namespace),
		T(rooms_that_nobody_here_is_in_are_left_out),
		T(a_name_like_a_sid_may_be_on_any_worker),
		T(exceptions_are_those_that_concern_somebody_here),
		T(too_long_a_name_is_nobodys),
		T(what_an_envelope_does_not_hold_is_said),
		T(rooms_about_to_have_members_have_some),
		T(more_joins_than_are_remembered_may_be_anywhere),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
