/*
 * A segment follows another one: what is passed comes over whole, slots are
 * known in both, and what is published reaches both.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/state.h"
#include "check.h"
#include "shm/bucket.h"
#include "shm/interest.h"
#include "shm/once.h"
#include "shm/presence.h"
#include "shm/slots_before.h"
#include "shm/slots_heirs.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"
#include "shm/why.h"
#include "verify.h"

static const struct segment_params made = { .max_workers = 3,
	.presence_max = 50, .interest_max = 50, .rate_ways = 8, .max_ns = 4 };
static struct segment *old, *seg;
static struct buf passed;
static uint32_t users, lost;

static unsigned
birth(struct segment *in, uint32_t generation, uint32_t pid)
{
	int s = slot_assign(in, SLOT_WORKER, generation);

	assert_true(s > 0);
	slot_live(in, (unsigned)s, pid);
	return ((unsigned)s);
}

/* A relay and two workers, which live on. */
static int
setup(void **state)
{
	(void)state;
	old = segment_create(&made);
	seg = segment_create(&made);
	if (old == NULL || seg == NULL)
		return (-1);
	assert_int_equal(slot_assign(old, SLOT_RELAY, 1), 0);
	slot_live(old, 0, 100);
	assert_int_equal(birth(old, 2, 101), 1);
	assert_int_equal(birth(old, 3, 102), 2);
	buf_init(&passed);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&passed);
	slots_before_close(seg);
	segment_free(&seg);
	segment_free(&old);
	return (0);
}

static void
save(void)
{
	buf_reset(&passed);
	segment_save(old, &passed);
	heirs_save(old, &passed);
	presence_save(old, &passed, &users);
	assert_false(passed.oom);
}

static int
load(struct segment *into, struct slice bytes)
{
	struct state_in in = state_in(bytes);
	uint32_t n;

	if (!segment_load(into, &in) || !heirs_load(into, &in) ||
	    presence_load(into, &in, &n, &lost) == -1)
		return (-1);
	return (state_end(&in) ? (int)n : -1);
}

static void
follow(void)
{
	struct slots_rows rows;
	unsigned s;

	slots_rows(old, &rows);
	assert_true(slots_rows_known(&rows, &made));
	assert_int_equal(slots_before_open(seg, segment_fd(old), &rows), 0);
	for (s = 0; s < 3; s++)
		slots_before_take(seg, s);
	save();
	assert_int_equal(load(seg, buf_unread(&passed)), users);
	assert_int_equal(lost, 0);
}

static void
a_slot_has_one_owner(void **state)
{
	char note[128];
	unsigned s;

	(void)state;
	slot_heartbeat(old, 1, 777);
	follow();
	assert_true(slots_before(seg) && slots_before_any(seg));
	for (s = 0; s < 3; s++) {
		assert_true(slots_before_has(seg, s));
		assert_int_equal(slot_state(seg, s), SLOT_LIVE);
		assert_int_equal(slot_pid(seg, s), 100 + s);
		assert_int_equal(slot_generation(seg, s), 1 + s);
	}
	assert_int_equal(slot_heartbeat_us(seg, 1), 777);
	/* ours is another, and seen there */
	assert_int_equal(birth(seg, 9, 200), 3);
	assert_int_equal(slot_state(old, 3), SLOT_LIVE);
	assert_int_equal(slot_pid(old, 3), 200);
	assert_int_equal(slot_generation(old, 3), 9);
	/* each tells of itself */
	slot_heartbeat(old, 1, 888);
	slot_heartbeat(seg, 3, 999);
	slot_panic_note(old, 2, "its last words");
	slots_before_meet(seg);
	assert_int_equal(slot_heartbeat_us(seg, 1), 888);
	assert_int_equal(slot_heartbeat_us(old, 3), 999);
	assert_true(slot_panic(seg, 2, note));
	assert_string_equal(note, "its last words");
	slot_leave(seg, 1);
	assert_true(slot_leaves(old, 1));
	/* who has ended is so there, until its master cleans up */
	slot_dead(seg, 2);
	assert_int_equal(slot_state(old, 2), SLOT_DEAD);
	assert_false(slots_before_has(seg, 2));
	slot_dead(seg, 3);
	assert_int_equal(slot_state(old, 3), SLOT_DEAD);
	slot_dead(seg, 1);
	slot_dead(seg, 0);
	assert_false(slots_before_any(seg));
}

static void
what_is_published_in_one_is_heard_in_the_other(void **state)
{
	struct interest *here, *there;
	struct sweep *sweep = sweep_new(seg);
	uint64_t bits[2];

	(void)state;
	assert_non_null(sweep);
	follow();
	there = interest_open(old, 1);
	assert_int_equal(birth(seg, 9, 200), 3);
	here = interest_open(seg, 3);
	assert_true(here != NULL && there != NULL);
	interest_who(here, 1, SLICE("room"), bits);
	assert_int_equal(bits[0], 3);		/* theirs: 1 and 2 */
	interest_who(there, 1, SLICE("room"), bits);
	assert_int_equal(bits[0], 4);		/* ours: 3 */
	slot_dead(seg, 3);
	interest_who(there, 1, SLICE("room"), bits);
	assert_int_equal(bits[0], 0);
	slot_dead(seg, 2);
	sweep_reclaim(sweep, 2);
	interest_who(here, 1, SLICE("room"), bits);
	assert_int_equal(bits[0], 1);
	interest_close(&here);
	interest_close(&there);
	sweep_free(&sweep);
}

static void
heirs_are_found_on_both_sides(void **state)
{
	struct heirs_name name = { .slot = 2, .generation = 200 }, heir;

	(void)state;
	heirs_set(old, 2, 200, 1, 2);	/* of a reload, before */
	follow();
	assert_true(heirs_living(seg, name, &heir));
	assert_int_equal(heir.slot, 1);
	assert_int_equal(birth(seg, 9, 200), 3);
	heirs_set(seg, 1, 2, 3, 9);
	/* the giver itself looks there */
	assert_true(heirs_find(old, (struct heirs_name){ 1, 2 }, &heir));
	assert_int_equal(heir.slot, 3);
	assert_true(heirs_lives(old, heir));
	slot_dead(seg, 1);
	assert_true(heirs_living(seg, name, &heir));
	assert_int_equal(heir.slot, 3);
}

static unsigned announced;
static bool
on_announce(void *arg, const struct table_event *e)
{
	(void)arg;
	(void)e;
	announced++;
	return (true);
}

static unsigned
announce(struct table_relay *r)
{
	announced = 0;
	table_announce_all(r, (struct mono){ UINT64_MAX / 4 }, on_announce,
	    NULL);
	(void)table_announce(r, (struct mono){ UINT64_MAX / 2 }, on_announce,
	    NULL);
	return (announced);
}

static void
who_is_online_is_so_in_both(void **state)
{
	struct presence *one = presence_open(old, 1), *ours;
	struct presence *two = presence_open(old, 2);
	struct table_relay *r = table_relay_open(old, TABLE_PRESENCE, 0);
	struct sweep *sweep = sweep_new(seg);
	struct presence_info info;
	struct wall now = wall_now();
	uint32_t n;

	(void)state;
	assert_true(one != NULL && two != NULL && r != NULL && sweep != NULL);
	n = presence_join(one, 1, SLICE("ann"));
	(void)presence_join(one, 1, SLICE("ann"));
	(void)presence_join(two, 1, SLICE("ann"));
	presence_set_status(one, n, 1, SLICE("ann"), 3, SLICE(""), now);
	(void)presence_join(two, 2, SLICE("bob"));
	n = presence_join(two, 1, SLICE("gone"));
	assert_true(table_mirror(r, 1, SLICE("far"), 1) != 0);
	assert_int_equal(announce(r), 4);
	/* nobody was told */
	presence_leave(two, n, 1, SLICE("gone"), why_of(REASON_kicked));
	(void)presence_join(two, 2, SLICE("new")); /* this neither */
	table_relay_close(&r);
	presence_close(&one);
	presence_close(&two);
	follow();
	assert_int_equal(users, 5);
	assert_int_equal(verify_segment(seg), 0);

	assert_int_equal(birth(seg, 9, 200), 3);
	ours = presence_open(seg, 3);
	assert_non_null(ours);
	assert_true(presence_get(ours, 1, SLICE("ann"), &info));
	assert_true(info.online && info.local && info.told);
	assert_int_equal(info.connections, 3);
	assert_int_equal(info.status, 3);
	assert_int_equal(info.set_ms, now.ms);
	assert_true(presence_get(ours, 1, SLICE("far"), &info));
	assert_true(info.online && !info.local);
	assert_true(presence_get(ours, 1, SLICE("gone"), &info));
	assert_true(!info.online && info.told);
	assert_int_equal(info.why, why_of(REASON_kicked));
	assert_true(info.last_seen_ms + 60000 > wall_now().ms);
	assert_true(presence_get(ours, 2, SLICE("new"), &info));
	assert_true(info.online && !info.told);
	/* the relay of this one tells what that one has not told, no more */
	r = table_relay_open(seg, TABLE_PRESENCE, 0);
	assert_non_null(r);
	assert_int_equal(announce(r), 2);
	/* given to ours, one is here all the time */
	n = presence_join(ours, 1, SLICE("ann"));
	assert_int_not_equal(n, 0);
	slot_dead(seg, 1);
	sweep_reclaim(sweep, 1);
	slot_leave(seg, 2);
	slot_dead(seg, 2);
	sweep_reclaim(sweep, 2);
	assert_true(presence_get(ours, 1, SLICE("ann"), &info));
	assert_true(info.online);
	assert_int_equal(info.connections, 1);
	/* and those whom nobody took have left */
	assert_true(presence_get(ours, 2, SLICE("bob"), &info));
	assert_false(info.online);
	assert_int_equal(info.why, why_of(REASON_restart));
	/* of ann something was said: who of her holders has said it? */
	assert_int_equal(announce(r), 3);
	table_relay_close(&r);
	presence_close(&ours);
	sweep_free(&sweep);
}

static void
secrets_are_the_same(void **state)
{
	(void)state;
	assert_true(segment_key(seg).k0 != segment_key(old).k0);
	follow();
	assert_true(segment_key(seg).k0 == segment_key(old).k0);
	assert_true(segment_key(seg).k1 == segment_key(old).k1);
	assert_true(segment_start_ms(seg) == segment_start_ms(old));
}

static void
what_counts_against_limits_goes_on(void **state)
{
	const struct mono now = { 1000000 };
	struct bucket_rate one;

	(void)state;
	assert_true(bucket_rate_init(&one, 3, 1, 60000000, 1));
	assert_int_equal(bucket_check(old, &one, SLICE("ann"), 1, now, NULL),
	    BUCKET_ALLOW);
	assert_int_equal(once_claim(old, SLICE("id"), now), ONCE_FIRST);
	follow();
	assert_int_equal(bucket_check(seg, &one, SLICE("ann"), 1, now, NULL),
	    BUCKET_DENY);
	assert_int_equal(bucket_check(seg, &one, SLICE("bob"), 1, now, NULL),
	    BUCKET_ALLOW);
	assert_int_equal(once_claim(seg, SLICE("id"), now), ONCE_AGAIN);
	assert_int_equal(once_claim(seg, SLICE("other"), now), ONCE_FIRST);
}

static void
what_is_cut_or_changed_is_refused_or_harmless(void **state)
{
	struct presence *one = presence_open(old, 1);
	struct segment *other;
	struct slots_rows rows;
	size_t i, n;

	(void)state;
	assert_non_null(one);
	(void)presence_join(one, 1, SLICE("ann"));
	(void)presence_join(one, 3, SLICE("bob"));
	presence_close(&one);
	heirs_set(old, 2, 200, 1, 2);
	follow();
	slots_rows(old, &rows);
	n = buf_unread(&passed).n;
	for (i = 0; i < 2 * n; i++) {
		other = segment_create(&made);
		assert_non_null(other);
		assert_int_equal(slots_before_open(other, segment_fd(old),
		    &rows), 0);
		slots_before_take(other, 1);
		if (i < n)
			assert_int_equal(load(other, slice_of(passed.data, i)),
			    -1);
		else {
			passed.data[i - n] ^= 0xff;
			(void)load(other, buf_unread(&passed));
			passed.data[i - n] ^= 0xff;
		}
		slots_before_close(other);
		segment_free(&other);
	}
}

static void
more_than_fit_are_counted(void **state)
{
	struct segment_params few = made;
	struct presence *one = presence_open(old, 1);
	struct slots_rows rows;
	char name[16];
	unsigned i;

	(void)state;
	assert_non_null(one);
	for (i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof name, "u%u", i);
		(void)presence_join(one, 1, slice_str(name));
	}
	presence_close(&one);
	save();
	assert_int_equal(users, 40);
	segment_free(&seg);
	few.presence_max = 10;
	seg = segment_create(&few);
	assert_non_null(seg);
	slots_rows(old, &rows);
	assert_int_equal(slots_before_open(seg, segment_fd(old), &rows), 0);
	slots_before_take(seg, 1);
	i = (unsigned)load(seg, buf_unread(&passed));
	assert_true(i >= 10 && i < 40);
	assert_int_equal(i + lost, 40);
}

static void
rows_that_are_no_rows_are_refused(void **state)
{
	struct slots_rows rows, bad;

	(void)state;
	slots_rows(old, &rows);
	bad = rows;
	bad.row_bytes = 512;
	assert_false(slots_rows_known(&bad, &made));
	assert_int_equal(slots_before_open(seg, segment_fd(old), &bad), -1);
	bad = rows;
	bad.nslots = 9;
	assert_false(slots_rows_known(&bad, &made));
	assert_int_equal(slots_before_open(seg, segment_fd(old), &bad), -1);
	bad = rows;
	bad.heirs = UINT64_MAX - 7;
	assert_false(slots_rows_known(&bad, &made));
	bad = rows;
	bad.overflow = 3;
	assert_false(slots_rows_known(&bad, &made));
	bad = rows;
	bad.rows = (uint64_t)1 << 39;	/* beyond its end */
	assert_true(slots_rows_known(&bad, &made));
	assert_int_equal(slots_before_open(seg, segment_fd(old), &bad), -1);
	assert_false(slots_before(seg));
	assert_false(slots_before_any(seg));
	slots_before_meet(seg);
	slots_before_close(seg);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_slot_has_one_owner),
		T(what_is_published_in_one_is_heard_in_the_other),
		T(heirs_are_found_on_both_sides),
		T(who_is_online_is_so_in_both),
		T(secrets_are_the_same),
		T(what_counts_against_limits_goes_on),
		T(what_is_cut_or_changed_is_refused_or_harmless),
		T(more_than_fit_are_counted),
		T(rows_that_are_no_rows_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
