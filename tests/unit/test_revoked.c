/* What is revoked: by one, by several at once, killed at every step. */
#include "shm/table_revoked.h"

#include <sys/wait.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/state.h"
#include "check.h"
#include "shm/counters.h"
#include "shm/layout.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "verify.h"

#define NOW	1000000u
#define ROOM	64u

static int steps_left = -1;	/* in a child: hooks until it dies */
static void (*rival)(void);	/* another process, at each hook */
static struct segment *seg;
static struct revoked_pass pass;

void
shm_hook(void)
{
	void (*f)(void) = rival;

	if (steps_left > 0 && --steps_left == 0)
		_exit(1);
	rival = NULL;	/* it is not interrupted itself */
	if (f != NULL)
		f();
	rival = f;
}

static struct segment *
make(uint32_t room)
{
	const struct segment_params p = { .max_workers = 4, .presence_max = 8,
		.interest_max = 8, .rate_ways = 8, .max_ns = 1,
		.revoked_max = room };
	struct segment *s = segment_create(&p);

	assert_non_null(s);
	return (s);
}

static int
setup(void **state)
{
	(void)state;
	seg = make(ROOM);
	memset(&pass, 0, sizeof pass);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	rival = NULL;
	segment_free(&seg);
	return (0);
}

static enum revoked_put
put(enum revoked_kind kind, const char *name, uint32_t moment, uint32_t until)
{
	struct revocation r = { kind, slice_str(name), moment, until };

	return (revoked_put(seg, 1, &r, NOW));
}

static enum revoked_put
put_user(const char *name, uint32_t moment, uint32_t until)
{
	return (put(REVOKED_USER, name, moment, until));
}

static bool
user_is(const char *name, int64_t iat, uint64_t now)
{
	return (revoked_is(seg, revoked_id(seg, REVOKED_USER, slice_str(name)),
	    iat, now));
}

static bool
token_is(const char *name, uint64_t now)
{
	return (revoked_is(seg, revoked_id(seg, REVOKED_TOKEN,
	    slice_str(name)), 0, now));
}

static void
sweep_all(uint64_t now)
{
	revoked_sweep(seg, &pass, 2 * revoked_room(seg), now);
}

static uint64_t
used(void)
{
	return (atomic_load(&segment_header(seg)->revoked_used));
}

static unsigned
count(uint64_t now)
{
	struct revoked_entry e;
	uint32_t at = 0;
	unsigned n = 0;

	while (revoked_next(seg, &at, now, &e))
		n++;
	return (n);
}

/* --- what it means --------------------------------------------------------- */

static void
a_user_is_refused_with_what_was_issued_before(void **state)
{
	(void)state;
	assert_false(revoked_any(seg));
	assert_int_equal(put_user("ann", NOW, NOW + 10), REVOKED_NEW);
	assert_true(revoked_any(seg));
	assert_true(user_is("ann", NOW - 1, NOW));
	assert_true(user_is("ann", NOW, NOW));
	assert_true(user_is("ann", REVOKED_NO_IAT, NOW));
	assert_false(user_is("ann", NOW + 1, NOW));
	assert_false(user_is("anna", NOW, NOW));
	assert_false(token_is("ann", NOW));
	assert_true(user_is("ann", NOW, NOW + 10));
	assert_false(user_is("ann", NOW, NOW + 11));
	assert_int_equal(put(REVOKED_TOKEN, "t", 0, NOW + 5), REVOKED_NEW);
	assert_true(token_is("t", NOW + 5));
	assert_false(token_is("t", NOW + 6));
	assert_false(user_is("t", 0, NOW));
}

static void
two_orders_are_merged_in_either_order(void **state)
{
	struct revocation r = { REVOKED_USER, SLICE("ann"), NOW - 5,
		NOW + 100 };

	(void)state;
	assert_int_equal(put_user("ann", NOW, NOW + 10), REVOKED_NEW);
	assert_int_equal(revoked_put(seg, 2, &r, NOW), REVOKED_NEW);
	assert_int_equal(r.moment, NOW);
	assert_int_equal(r.until, NOW + 100);
	assert_int_equal(put_user("ann", NOW - 5, NOW + 100), REVOKED_KNOWN);
	assert_int_equal(put_user("ann", NOW, NOW + 10), REVOKED_KNOWN);
	assert_int_equal(count(NOW), 1);
	assert_int_equal(used(), 1);
	assert_true(user_is("ann", NOW, NOW + 100));
	/* what is over says nothing any more */
	r = (struct revocation){ REVOKED_USER, SLICE("ann"), NOW - 9,
		NOW + 200 };
	assert_int_equal(revoked_put(seg, 2, &r, NOW + 150), REVOKED_NEW);
	assert_int_equal(r.moment, NOW - 9);
	assert_false(user_is("ann", NOW, NOW + 150));
}

static void
names_are_kept_whole(void **state)
{
	char name[REVOKED_NAME_MAX + 1];
	struct revoked_entry e;
	uint32_t at;
	size_t n;

	(void)state;
	memset(name, 'x', sizeof name);
	for (n = 1; n <= REVOKED_NAME_MAX; n += 127) {
		struct revocation r = { REVOKED_TOKEN, slice_of(name, n), 0,
			NOW + 9 };

		assert_int_equal(revoked_put(seg, 1, &r, NOW), REVOKED_NEW);
	}
	for (at = 0, n = 0; revoked_next(seg, &at, NOW, &e); n++) {
		assert_int_equal(e.r.kind, REVOKED_TOKEN);
		assert_int_equal((e.r.name.n - 1) % 127, 0);
		assert_memory_equal(e.r.name.p, name, e.r.name.n);
		assert_false(e.told);
	}
	assert_int_equal(n, 3);
	assert_false(revoked_next(seg, &at, NOW, &e));
}

static void
what_is_told_is_known_until_it_changes(void **state)
{
	struct revoked_entry e;
	uint32_t at = 0;

	(void)state;
	assert_int_equal(put_user("ann", NOW, NOW + 10), REVOKED_NEW);
	assert_true(revoked_next(seg, &at, NOW, &e));
	assert_false(e.told);
	revoked_tell(seg, &e.r);
	at = 0;
	assert_true(revoked_next(seg, &at, NOW, &e));
	assert_true(e.told);
	assert_int_equal(put_user("ann", NOW, NOW + 11), REVOKED_NEW);
	at = 0;
	assert_true(revoked_next(seg, &at, NOW, &e));
	assert_false(e.told);
	revoked_tell(seg, &e.r);
	revoked_untell(seg);
	at = 0;
	assert_true(revoked_next(seg, &at, NOW, &e));
	assert_false(e.told);
}

/* --- full ------------------------------------------------------------------ */

static void
fill(unsigned n, uint32_t until)
{
	char name[16];
	unsigned i;

	for (i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "u%u", i);
		assert_int_equal(put_user(name, NOW, until), REVOKED_NEW);
	}
}

static void
a_full_table_forgets_nothing_and_says_so(void **state)
{
	uint64_t refused = counter_get(COUNTER_revocations_refused);
	char name[16];
	unsigned i;

	(void)state;
	assert_int_equal(revoked_room(seg), ROOM);
	fill(ROOM, NOW + 10);
	assert_int_equal(put_user("late", NOW, NOW + 10), REVOKED_FULL);
	assert_int_equal(counter_get(COUNTER_revocations_refused),
	    refused + 1);
	assert_false(user_is("late", NOW, NOW));
	/* one that is there can be longer */
	assert_int_equal(put_user("u7", NOW, NOW + 20), REVOKED_NEW);
	for (i = 0; i < ROOM; i++) {
		(void)snprintf(name, sizeof name, "u%u", i);
		assert_true(user_is(name, NOW, NOW));
	}
	sweep_all(NOW);
	assert_int_equal(counter_get(COUNTER_revocations), ROOM);
	assert_int_equal(counter_get(COUNTER_revocations_full), 1);
	sweep_all(NOW + 11);
	assert_int_equal(counter_get(COUNTER_revocations), 1);
	assert_int_equal(counter_get(COUNTER_revocations_full), 0);
	assert_int_equal(used(), 1);
	assert_int_equal(put_user("late", NOW, NOW + 20), REVOKED_NEW);
	assert_true(user_is("u7", NOW, NOW + 11));
}

static void
all_that_are_allowed_find_a_place(void **state)
{
	unsigned i, j;
	char name[16];

	(void)state;
	for (i = 0; i < 20; i++) {
		segment_free(&seg);
		seg = make(4096);
		for (j = 0; j < 4096; j++) {
			(void)snprintf(name, sizeof name, "%u", j);
			assert_int_equal(put_user(name, NOW, NOW + 9),
			    REVOKED_NEW);
		}
	}
}

/* --- killed ---------------------------------------------------------------- */

static void
op_new(void)
{
	(void)(put_user("ann", NOW, NOW + 10) == REVOKED_NEW);
}

/* Was it killed? */
static bool
run_killed(void (*op)(void), int steps)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		steps_left = steps;
		op();
		_exit(0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	return (WEXITSTATUS(status) == 1);
}

static void
whoever_is_killed_loses_nothing(void **state)
{
	int step;
	bool again = true;

	(void)state;
	for (step = 1; again; step++) {
		segment_free(&seg);
		seg = make(ROOM);
		memset(&pass, 0, sizeof pass);
		assert_int_equal(put_user("bob", NOW, NOW + 10), REVOKED_NEW);
		again = run_killed(op_new, step);
		/* whole, or not at all */
		assert_true(count(NOW) >= 1 && count(NOW) <= 2);
		assert_int_equal(user_is("ann", NOW, NOW), count(NOW) == 2);
		assert_true(used() >= count(NOW));
		revoked_reclaim(seg, 1);
		sweep_all(NOW);
		assert_int_equal(used(), count(NOW));
		assert_int_equal(counter_get(COUNTER_revocations), count(NOW));
		assert_true(user_is("bob", NOW, NOW));
		op_new();
		assert_true(user_is("ann", NOW, NOW));
		assert_int_equal(count(NOW), 2);
		sweep_all(NOW + 11);
		assert_int_equal(used(), 0);
		assert_false(revoked_any(seg));
	}
	assert_true(step > 6);
}

static void
op_sweep(void)
{
	sweep_all(NOW + 11);
}

static void
a_sweep_that_is_interrupted_is_finished_by_the_next(void **state)
{
	bool again = true;
	int step;

	(void)state;
	for (step = 1; again; step++) {
		segment_free(&seg);
		seg = make(ROOM);
		memset(&pass, 0, sizeof pass);
		fill(3, NOW + 10);
		assert_int_equal(put_user("bob", NOW, NOW + 99), REVOKED_NEW);
		again = run_killed(op_sweep, step);
		assert_true(user_is("bob", NOW, NOW + 11));
		sweep_all(NOW + 11);
		sweep_all(NOW + 11);
		assert_int_equal(used(), 1);
		assert_int_equal(count(NOW + 11), 1);
	}
	assert_true(step > 3);
}

/* --- at once --------------------------------------------------------------- */

static void
rival_longer(void)
{
	struct revocation r = { REVOKED_USER, SLICE("ann"), NOW - 3,
		NOW + 50 };

	(void)(revoked_put(seg, 2, &r, NOW) == REVOKED_NEW);
}

static void
two_who_revoke_the_same_at_once_agree(void **state)
{
	(void)state;
	rival = rival_longer;
	op_new();
	rival = NULL;
	assert_true(user_is("ann", NOW, NOW));
	assert_true(user_is("ann", NOW - 3, NOW + 50));
	op_new();
	rival_longer();
	assert_true(user_is("ann", NOW, NOW + 50));
	sweep_all(NOW);
	assert_int_equal(used(), count(NOW));
}

static void
rival_sweep(void)
{
	sweep_all(NOW + 11);
}

/* It is over, and the master about to free it, when it begins anew. */
static void
what_begins_anew_is_not_swept_away(void **state)
{
	struct revocation r = { REVOKED_USER, SLICE("u0"), NOW + 11,
		NOW + 99 };

	(void)state;
	fill(3, NOW + 10);
	rival = rival_sweep;
	assert_true(revoked_put(seg, 1, &r, NOW + 11) == REVOKED_NEW);
	rival = NULL;
	assert_true(user_is("u0", NOW + 11, NOW + 11));
	sweep_all(NOW + 11);
	assert_true(user_is("u0", NOW + 11, NOW + 11));
	assert_int_equal(used(), 1);
}

#define PROCESSES	6
#define EACH		200

static void
processes_write_at_once(void **state)
{
	pid_t pid[PROCESSES];
	char name[16];
	unsigned i, j;
	int status;

	(void)state;
	segment_free(&seg);
	seg = make(4096);
	memset(&pass, 0, sizeof pass);
	for (i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		for (j = 0; pid[i] == 0 && j < EACH; j++) {
			struct revocation r = { REVOKED_USER, { NULL, 0 }, NOW,
				NOW + 10 + i };

			/* a half of them everybody's */
			(void)snprintf(name, sizeof name, "%u", j % 2 == 0 ?
			    j : (i + 1) * 1000 + j);
			r.name = slice_str(name);
			if (revoked_put(seg, i + 1, &r, NOW) == REVOKED_FULL)
				_exit(1);
		}
		if (pid[i] == 0)
			_exit(0);
	}
	for (i = 0; i < PROCESSES; i++) {
		assert_int_equal(pid[i], waitpid(pid[i], &status, 0));
		assert_int_equal(0, status);
	}
	for (i = 0; i < PROCESSES; i++)
		for (j = 0; j < EACH; j++) {
			(void)snprintf(name, sizeof name, "%u", j % 2 == 0 ?
			    j : (i + 1) * 1000 + j);
			assert_true(user_is(name, NOW, NOW));
		}
	for (j = 0; j < EACH; j += 2) {	/* the longest */
		(void)snprintf(name, sizeof name, "%u", j);
		assert_true(user_is(name, NOW, NOW + 10 + PROCESSES - 1));
	}
	sweep_all(NOW);
	assert_int_equal(used(), count(NOW));
	sweep_all(NOW + 99);
	assert_int_equal(used(), 0);
}

/* --- the master, a segment that follows ------------------------------------ */

static void
a_dead_slot_is_reclaimed_with_the_rest(void **state)
{
	struct sweep *w = sweep_new(seg);
	int s = slot_assign(seg, SLOT_WORKER, 1);

	(void)state;
	assert_non_null(w);
	assert_int_equal(s, 1);
	slot_live(seg, 1, 1);
	assert_true(run_killed(op_new, 2));
	assert_int_equal(put_user("bob", NOW, UINT32_MAX), REVOKED_NEW);
	slot_dead(seg, 1);
	sweep_reclaim(w, 1);
	assert_int_equal(slot_state(seg, 1), SLOT_FREE);
	for (s = 0; s < 100; s++)
		sweep_round(w, (struct mono){ 1 });
	assert_int_equal(counter_get(COUNTER_revocations), 1);
	assert_int_equal(used(), 1);
	sweep_free(&w);
}

static void
a_segment_that_follows_has_them_all(void **state)
{
	struct segment *other = make(256);
	struct state_in in;
	uint32_t lost;
	struct buf b;

	(void)state;
	fill(ROOM - 1, NOW + 10);
	assert_int_equal(put(REVOKED_TOKEN, "t", 0, NOW + 3), REVOKED_NEW);
	buf_init(&b);
	revoked_save(seg, NOW + 5, &b);
	segment_free(&seg);
	seg = other;
	in = state_in(buf_unread(&b));
	assert_int_equal(0, revoked_load(seg, NOW + 5, &in, &lost));
	assert_int_equal(0, lost);
	assert_int_equal(ROOM - 1, count(NOW + 5));
	assert_true(user_is("u0", NOW, NOW + 5));
	assert_false(token_is("t", NOW + 3));
	/* of a version that knew none */
	in = state_in(slice_of(NULL, 0));
	assert_int_equal(0, revoked_load(seg, NOW, &in, &lost));
	in = state_in(slice_of(b.data, 20));
	assert_int_equal(-1, revoked_load(seg, NOW, &in, &lost));
	/* into one that is too small, with what it has */
	segment_free(&seg);
	seg = make(ROOM);
	assert_int_equal(put_user("a", NOW, NOW + 10), REVOKED_NEW);
	assert_int_equal(put_user("b", NOW, NOW + 10), REVOKED_NEW);
	in = state_in(buf_unread(&b));
	assert_int_equal(0, revoked_load(seg, NOW + 5, &in, &lost));
	assert_int_equal(1, lost);
	buf_fini(&b);
}

/* The other one, as its master has it: what was saved of it, and its file. */
static struct revoked_before *
follow(struct segment *other, const struct buf *b, size_t n)
{
	struct state_in in = state_in(slice_of(b->data, n));
	struct revoked_before *before;
	uint32_t lost;

	assert_int_equal(0, revoked_load(seg, NOW, &in, &lost));
	assert_int_equal(0, revoked_before_open(segment_fd(other), &in,
	    &before));
	return (before);
}

static void
what_is_ordered_there_later_is_in_force_here(void **state)
{
	struct segment *other = seg, *ours = make(256);
	struct revoked_before *before;
	struct buf b;
	uint64_t looks;

	(void)state;
	assert_int_equal(put_user("a", NOW, NOW + 10), REVOKED_NEW);
	buf_init(&b);
	revoked_save(other, NOW, &b);
	assert_int_equal(put_user("b", NOW, NOW + 10), REVOKED_NEW);
	assert_int_equal(put_user("a", NOW + 1, NOW + 10), REVOKED_NEW);
	seg = ours;
	before = follow(other, &b, b.wpos);
	assert_non_null(before);
	assert_true(user_is("a", NOW, NOW));
	assert_false(user_is("b", NOW, NOW));
	looks = revoked_looks(seg);
	assert_int_equal(2, revoked_before_meet(seg, before, NOW));
	assert_true(user_is("a", NOW + 1, NOW));
	assert_true(user_is("b", NOW, NOW));
	assert_int_equal(looks + 1, revoked_looks(seg));
	/* once */
	assert_int_equal(0, revoked_before_meet(seg, before, NOW));
	assert_int_equal(looks + 1, revoked_looks(seg));
	/* what is over there is not taken */
	seg = other;
	assert_int_equal(put_user("c", NOW, NOW + 1), REVOKED_NEW);
	seg = ours;
	assert_int_equal(0, revoked_before_meet(seg, before, NOW + 2));
	revoked_before_close(&before);
	buf_fini(&b);
	segment_free(&other);
}

static void
a_former_table_that_is_none_is_not_followed(void **state)
{
	struct segment *other = make(256), *ours = seg;
	struct revoked_before *before;
	struct state_in in, body;
	uint16_t version;
	uint32_t lost;
	struct buf b;
	size_t i, at;

	(void)state;
	seg = other;
	buf_init(&b);
	revoked_save(seg, NOW, &b);
	seg = ours;
	/* of a version that does not say where it is */
	in = state_in(buf_unread(&b));
	assert_int_equal(0, revoked_load(seg, NOW, &in, &lost));
	at = b.wpos - (size_t)(in.end - in.p);
	assert_null(follow(other, &b, at));
	assert_int_equal(0, revoked_before_meet(seg, NULL, NOW));
	/* the four words, each of them no place */
	assert_true(state_section(&in, 6, &version, &body));
	assert_int_equal(32, body.end - body.p);
	for (i = 0; i < 4; i++) {
		in = state_in(buf_unread(&b));
		assert_int_equal(0, revoked_load(seg, NOW, &in, &lost));
		b.data[b.wpos - 32 + 8 * i + 6] ^= 0xff;
		assert_int_equal(-1, revoked_before_open(segment_fd(other),
		    &in, &before));
		assert_null(before);
		b.data[b.wpos - 32 + 8 * i + 6] ^= 0xff;
	}
	/* of a version to come, which has another one */
	b.data[at + 2] = 2;
	assert_null(follow(other, &b, b.wpos));
	buf_fini(&b);
	segment_free(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_user_is_refused_with_what_was_issued_before),
		T(two_orders_are_merged_in_either_order),
		T(names_are_kept_whole),
		T(what_is_told_is_known_until_it_changes),
		T(a_full_table_forgets_nothing_and_says_so),
		T(all_that_are_allowed_find_a_place),
		T(whoever_is_killed_loses_nothing),
		T(a_sweep_that_is_interrupted_is_finished_by_the_next),
		T(two_who_revoke_the_same_at_once_agree),
		T(what_begins_anew_is_not_swept_away),
		T(processes_write_at_once),
		T(a_dead_slot_is_reclaimed_with_the_rest),
		T(a_segment_that_follows_has_them_all),
		T(what_is_ordered_there_later_is_in_force_here),
		T(a_former_table_that_is_none_is_not_followed),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
