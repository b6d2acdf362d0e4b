/* Presence: who is online, with what status, and how many. */
#include "check.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"
#include "shm/why.h"
#include "verify.h"

static struct segment *seg;
static struct presence *one, *far;	/* slots 1 and 128 */
static const struct wall noon = { 1700000000000 };

static void
live(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
}

static int
open_world(uint32_t max)
{
	struct segment_params p = { .max_workers = 64, .presence_max = max,
		.interest_max = 10, .rate_ways = 8, .max_ns = 4,
		.status_text = true };

	seg = segment_create(&p);
	if (seg == NULL)
		return (-1);
	live(1);
	live(128);
	one = presence_open(seg, 1);
	far = presence_open(seg, 128);
	return (one == NULL || far == NULL ? -1 : 0);
}

static int
setup(void **state)
{
	(void)state;
	return (open_world(50000));
}

static int
setup_small(void **state)
{
	(void)state;
	return (open_world(10));
}

static int
teardown(void **state)
{
	(void)state;
	presence_close(&one);
	presence_close(&far);
	segment_free(&seg);
	return (0);
}

static void
connections_are_summed_over_workers(void **state)
{
	struct presence_info i;
	uint32_t n;

	(void)state;
	assert_false(presence_get(far, 1, SLICE("ann"), &i));
	assert_false(i.online);
	n = presence_join(one, 1, SLICE("ann"));
	assert_int_equal(presence_join(one, 1, SLICE("ann")), n);
	assert_int_equal(presence_join(far, 1, SLICE("ann")), n);
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_true(i.online && i.local && i.tracked);
	assert_int_equal(i.connections, 3);
	assert_true(i.last_seen_ms > noon.ms);
	assert_false(presence_get(far, 2, SLICE("ann"), &i));
	presence_leave(one, n, 1, SLICE("ann"), 0);
	presence_leave(one, n, 1, SLICE("ann"), 0);
	presence_leave(far, n, 1, SLICE("ann"), 0);
	assert_true(presence_get(one, 1, SLICE("ann"), &i));
	assert_false(i.online);
	assert_int_equal(i.connections, 0);
	assert_true(i.last_seen_ms > noon.ms);
	assert_int_equal(verify_segment(seg), 0);
}

static void
a_status_with_text_is_seen_by_others(void **state)
{
	struct presence_info i;
	uint64_t before;
	uint32_t n;

	(void)state;
	n = presence_join(one, 1, SLICE("ann"));
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(i.status, 0);
	assert_string_equal(i.text, "");
	before = i.version;
	presence_set_status(one, n, 1, SLICE("ann"), 2, SLICE("in class"),
	    noon);
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(i.status, 2);
	assert_string_equal(i.text, "in class");
	assert_int_equal(i.set_at_s, 1700000000);
	assert_true(i.version > before);
	presence_set_status(one, n, 1, SLICE("ann"), 1, SLICE(""), noon);
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_string_equal(i.text, "");
	assert_int_equal(verify_segment(seg), 0);
}

static void
a_long_text_is_cut_between_characters(void **state)
{
	struct presence_info i;
	char text[80];
	uint32_t n;

	(void)state;
	memset(text, 'a', 55);
	memcpy(text + 55, "\xc3\xa4\xc3\xa4", 5);
	n = presence_join(one, 1, SLICE("ann"));
	presence_set_status(one, n, 1, SLICE("ann"), 1, slice_str(text),
	    noon);
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(strlen(i.text), 55);
	memset(text, 'b', 79);
	presence_set_status(one, n, 1, SLICE("ann"), 1, slice_of(text, 79),
	    noon);
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(strlen(i.text), 56);
}

static void
last_seen_moves_by_seconds(void **state)
{
	struct presence_info i;
	uint64_t base;
	uint32_t n;

	(void)state;
	n = presence_join(one, 1, SLICE("ann"));
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	base = i.last_seen_ms;
	presence_seen(one, n, (struct wall){ base + 999 });
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(i.last_seen_ms, base);
	presence_seen(one, n, (struct wall){ base + 1000 });
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(i.last_seen_ms, base + 1000);
}

static uint8_t
why(const char *user)
{
	struct presence_info i;

	assert_true(presence_get(far, 1, slice_str(user), &i));
	assert_true(i.last_seen_ms < UINT64_C(1) << 50);
	return (i.why);
}

static void
the_last_end_says_why(void **state)
{
	struct sweep *sweep = sweep_new(seg);
	uint32_t n, m;

	(void)state;
	assert_non_null(sweep);
	n = presence_join(one, 1, SLICE("ann"));
	assert_int_equal(why("ann"), 0);
	assert_int_equal(presence_join(one, 1, SLICE("ann")), n);
	assert_int_equal(presence_join(far, 1, SLICE("ann")), n);
	presence_leave(one, n, 1, SLICE("ann"), why_of(REASON_kicked));
	assert_int_equal(why("ann"), why_of(REASON_kicked));
	presence_leave(far, n, 1, SLICE("ann"), why_of(REASON_client_gone));
	/* being seen does not change it, nor does who comes */
	presence_seen(one, n, (struct wall){ wall_now().ms + 5000 });
	assert_int_equal(presence_join(far, 1, SLICE("ann")), n);
	assert_int_equal(why("ann"), why_of(REASON_client_gone));
	/* nor does who goes on at another worker */
	presence_leave_unseen(far, n, 1, SLICE("ann"));
	presence_leave(one, n, 1, SLICE("ann"), why_of(REASON_ping_timeout));
	assert_int_equal(why("ann"), why_of(REASON_ping_timeout));
	assert_int_equal(presence_ended(far, n), why("ann"));
	assert_string_equal(why_name(why("ann")), "ping_timeout");
	/* who left without a word, of what it was held by */
	assert_int_equal(presence_join(one, 1, SLICE("ann")), n);
	m = presence_join(far, 1, SLICE("bob"));
	assert_int_equal(presence_join(one, 1, SLICE("bob")), m);
	slot_dead(seg, 1);
	sweep_reclaim(sweep, 1);
	assert_int_equal(why("ann"), why_of(REASON_worker_died));
	presence_leave(far, m, 1, SLICE("bob"), why_of(REASON_revoked));
	assert_int_equal(why("bob"), why_of(REASON_revoked));
	/* that it says nothing is said, too; and no number is no name */
	assert_int_equal(presence_join(far, 1, SLICE("ann")), n);
	presence_leave(far, n, 1, SLICE("ann"), 0);
	assert_int_equal(why("ann"), 0);
	assert_null(why_name(0));
	assert_null(why_name(REASON__MAX + 1));
	assert_int_equal(verify_table(seg, TABLE_PRESENCE), 0);
	sweep_free(&sweep);
}

/* Another host may say anything; the byte above is not its. */
static void
a_time_that_cannot_be_is_cut(void **state)
{
	struct presence *relay;
	struct table_relay *r;
	struct presence_info i;
	uint32_t n;

	(void)state;
	live(0);
	r = table_relay_open(seg, TABLE_PRESENCE, 0);
	relay = presence_open(seg, 0);
	assert_true(r != NULL && relay != NULL);
	n = presence_join(one, 1, SLICE("ann"));
	assert_int_equal(table_mirror_add(r, 1, SLICE("ann"), 0), n);
	presence_leave(one, n, 1, SLICE("ann"), why_of(REASON_kicked));
	presence_seen_there(relay, n, (struct wall){ UINT64_MAX - 2000 });
	assert_true(presence_get(far, 1, SLICE("ann"), &i));
	assert_int_equal(i.why, why_of(REASON_kicked));
	assert_true(i.last_seen_ms == (UINT64_C(1) << 56) - 1);
	table_relay_close(&r);
	presence_close(&relay);
}

#define MANY 30000u

static void
a_list_names_everybody_once(void **state)
{
	struct presence_entry e[100];
	static uint8_t times[MANY];
	uint32_t cursor = 0, calls = 0;
	char user[16];
	unsigned i, got, u;

	(void)state;
	for (i = 0; i < MANY; i++) {
		snprintf(user, sizeof user, "u%u", i);
		assert_int_not_equal(presence_join(one, i % 2 == 0 ? 1 : 2,
		    slice_str(user)), 0);
	}
	do {
		got = presence_list(far, 2, &cursor, e, nitems(e));
		for (i = 0; i < got; i++) {
			memcpy(user, e[i].user.p, e[i].user.n);
			user[e[i].user.n] = '\0';
			u = (unsigned)strtoul(user + 1, NULL, 10);
			assert_true(u < MANY && u % 2 == 1 && e[i].whole);
			assert_int_equal(e[i].info.connections, 1);
			times[u]++;
		}
		assert_true(++calls < 1000);
	} while (cursor != 0);
	for (i = 1; i < MANY; i += 2)
		assert_int_equal(times[i], 1);
}

static void
users_are_counted_per_namespace(void **state)
{
	uint32_t users[4];
	uint32_t n;

	(void)state;
	n = presence_join(one, 1, SLICE("ann"));
	(void)presence_join(far, 1, SLICE("ann"));
	(void)presence_join(far, 1, SLICE("bob"));
	(void)presence_join(far, 3, SLICE("ann"));
	assert_int_equal(presence_count(seg, 1), 2);
	assert_int_equal(presence_count(seg, 0), 0);
	presence_tally(seg, users, 4);
	assert_int_equal(users[0], 0);
	assert_int_equal(users[1], 2);
	assert_int_equal(users[3], 1);
	presence_leave(one, n, 1, SLICE("ann"), 0);
	assert_int_equal(presence_count(seg, 1), 2);
	slot_dead(seg, 128);
	reclaim_anew(seg, 128);
	assert_int_equal(presence_count(seg, 1), 0);
	assert_int_equal(verify_segment(seg), 0);
}

static void
twice_as_many_users_as_nodes_are_served(void **state)
{
	struct presence_info info;
	uint32_t nodes[64];
	char user[16];
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(nodes); i++) {
		snprintf(user, sizeof user, "u%u", i);
		nodes[i] = presence_join(one, 1, slice_str(user));
	}
	assert_true(presence_untracked(one) > 30);
	assert_int_equal(counter_get(COUNTER_presence_untracked),
	    presence_untracked(one));
	for (i = 0; i < nitems(nodes); i++) {
		snprintf(user, sizeof user, "u%u", i);
		assert_true(presence_get(one, 1, slice_str(user), &info));
		assert_true(info.online);
		assert_int_equal(info.connections, 1);
		if (nodes[i] == 0)
			presence_set_status(one, 0, 1, slice_str(user), 3,
			    SLICE("x"), noon);
	}
	for (i = 0; i < nitems(nodes); i++) {
		snprintf(user, sizeof user, "u%u", i);
		presence_leave(one, nodes[i], 1, slice_str(user), 0);
	}
	assert_int_equal(presence_untracked(one), 0);
	assert_int_equal(counter_get(COUNTER_presence_untracked), 0);
	assert_int_equal(atomic_load(&segment_header(seg)->overflow[0][0]),
	    0);
	assert_int_equal(verify_segment(seg), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Whatever their clocks say, the one set last counts on every host. */
static void
the_last_status_counts_across_hosts(void **state)
{
	struct presence *here = one, *relay;
	struct presence_info i;
	struct table_relay *r;
	uint32_t n;

	(void)state;
	live(0);
	relay = presence_open(seg, 0);
	r = table_relay_open(seg, TABLE_PRESENCE, 0);
	assert_true(relay && r);
	n = presence_join(here, 1, SLICE("ann"));
	/* who is not mirrored is not the relay's */
	assert_false(presence_take_status(relay, n, 3, 5000));
	assert_int_equal(table_mirror_add(r, 1, SLICE("ann"), 0), n);
	presence_set_status(here, n, 1, SLICE("ann"), 2, SLICE(""),
	    (struct wall){ 7123 });
	assert_true(presence_get(here, 1, SLICE("ann"), &i));
	assert_int_equal(i.set_ms, 7123);
	assert_false(presence_take_status(relay, n, 3, 7122));
	assert_false(presence_take_status(relay, n, 2, 7123));
	assert_false(presence_take_status(relay, n, 1, 7123));
	assert_true(presence_take_status(relay, n, 3, 7123));
	assert_true(presence_take_status(relay, n, 1, 99999));
	/* the other clock is ahead: what is set here is newer all the same */
	presence_set_status(here, n, 1, SLICE("ann"), 4, SLICE(""),
	    (struct wall){ 7124 });
	assert_true(presence_get(here, 1, SLICE("ann"), &i));
	assert_int_equal(i.status, 4);
	assert_int_equal(i.set_ms, 100000);
	/* when it was seen elsewhere counts if it is nowhere here */
	presence_seen_there(relay, n, (struct wall){ UINT64_C(1) << 50 });
	assert_true(presence_get(here, 1, SLICE("ann"), &i));
	assert_true(i.last_seen_ms < UINT64_C(1) << 50);
	presence_leave(here, n, 1, SLICE("ann"), 0);
	presence_seen_there(relay, n, (struct wall){ UINT64_C(1) << 50 });
	assert_true(presence_get(here, 1, SLICE("ann"), &i));
	assert_true(i.last_seen_ms == UINT64_C(1) << 50);
	assert_int_equal(presence_find(relay, 1, SLICE("ann")), n);
	assert_int_equal(verify_table(seg, TABLE_PRESENCE), 0);
	table_relay_close(&r);
	presence_close(&relay);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_last_status_counts_across_hosts),
		T(connections_are_summed_over_workers),
		T(a_status_with_text_is_seen_by_others),
		T(a_long_text_is_cut_between_characters),
		T(last_seen_moves_by_seconds),
		T(the_last_end_says_why),
		T(a_time_that_cannot_be_is_cut),
		T(a_list_names_everybody_once),
		T(users_are_counted_per_namespace),
		cmocka_unit_test_setup_teardown(
		    twice_as_many_users_as_nodes_are_served, setup_small,
		    teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
