/* Sessions that can be recovered, at another worker: cut there, or waiting
 * for their client when they go. */
#include "recovery.h"
#include "moving.h"

#include "hub/recover/recover_int.h"
#include "proto/bus.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"q\" { to = sender meta = off } }\n" \
	"namespace \"/o\" { auth = none\n" \
	"  event \"m\" { to = sender meta = off } }\n"

static int
setup(void **state)
{
	return (recovery_setup(state, CONF));
}

static int
teardown(void **state)
{
	int r = recovery_teardown(state);

	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_rooms));
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
	assert_int_equal(0, counter_get(COUNTER_recovery_held_bytes));
	return (r);
}

/* a is cut at g, and comes back to the host. */
static void
cut_and_back(struct recovery *x, struct fake_host *host)
{
	struct fake_conn *c;

	publish(x, 3);
	fake_gone(x->g, x->a);
	fake_turn(x->w);
	publish(x, 4);
	c = back(x, host, x->offset);
	hears(x, c, 2);
	hears(x, c, 3);
	hears(x, c, 4);
	is_same(x, c);
	publish(x, 5);
	hears(x, c, 5);
}

static void
a_client_that_moved_comes_back_there(void **state)
{
	struct recovery *x = *state;

	publish(x, 1);
	hears(x, x->a, 1);
	publish(x, 2);
	x->a = moved_same(x->f, x->g, x->a);
	cut_and_back(x, x->g);
}

static void
a_client_that_moved_comes_back_to_where_it_was(void **state)
{
	struct recovery *x = *state;

	publish(x, 1);
	hears(x, x->a, 1);
	publish(x, 2);
	x->a = moved_same(x->f, x->g, x->a);
	cut_and_back(x, x->f);
}

/* All that the giver sent is proven, and dropped; the offset is the giver's. */
static void
what_the_giver_has_proven_is_proven(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	publish(x, 1);
	hears(x, x->a, 1);
	fake_advance(x->w, 25000);
	fake_hears(x->a, "2");
	x->a = moved_same(x->f, x->g, x->a);	/* the pong comes there */
	fake_say(x->g, x->a, "3");
	fake_gone(x->g, x->a);
	fake_turn(x->w);
	c = back(x, x->g, x->offset);
	is_same(x, c);
}

static void
in_the_middle_of_a_frame(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	publish(x, 1);
	hears(x, x->a, 1);
	x->a->window = 5;
	publish(x, 2);
	publish(x, 3);
	x->a = moved_same(x->f, x->g, x->a);
	x->a->window = 60;		/* the rest of 2, and a part of 3 */
	assert_true(outq_touch(hub_out(x->g->hub), &x->a->out));
	fake_turn(x->w);
	fake_gone(x->g, x->a);
	fake_turn(x->w);
	c = back(x, x->g, x->offset);
	hears(x, c, 2);
	hears(x, c, 3);
	is_same(x, c);
}

/* --- parked --------------------------------------------------------------- */

/* All families of one host at the other; what was saved of each is what is
 * saved of it there.  Returns how many. */
static unsigned
parked_go(struct fake_host *from, struct fake_host *to)
{
	struct recover *r, *d;
	struct moving m, back;
	struct state_in in;
	unsigned n = 0;
	bool none;

	fake_turn(from->world);
	moving_open(&m, from, to);
	moving_open(&back, to, from);
	while ((r = parked_first(from->hub)) != NULL) {
		n++;
		buf_reset(&m.state);
		assert_true(parked_save(m.out, r, &m.state));
		in = state_in(buf_unread(&m.state));
		d = parked_load(m.in, &in, &none);
		assert_non_null(d);
		assert_false(none);
		assert_true(state_end(&in));
		parked_moved(&r);
		assert_true(parked_save(back.out, d, &back.state));
		assert_true(slice_eq(buf_unread(&m.state),
		    buf_unread(&back.state)));
		buf_reset(&back.state);
		parked_activate(d);
	}
	moving_close(&back);
	moving_close(&m);
	fake_turn(from->world);
	return (n);
}

static void
parked_comes_back(struct recovery *x, struct fake_host *host)
{
	struct fake_conn *c;

	publish(x, 1);
	hears(x, x->a, 1);
	publish(x, 2);			/* in the log, not heard of */
	cut(x);
	publish(x, 3);			/* waits */
	assert_int_equal(1, parked_go(x->f, x->g));
	publish(x, 4);			/* waits there */
	assert_int_equal(0, hub_parked(x->f->hub));
	assert_int_equal(1, hub_parked(x->g->hub));
	assert_int_equal(1, counter_get(COUNTER_recovery_parked));
	c = back(x, host, x->offset);
	hears(x, c, 2);
	hears(x, c, 3);
	hears(x, c, 4);
	is_same(x, c);
	publish(x, 5);
	hears(x, c, 5);
	assert_int_equal(x->failed, counter_get(COUNTER_recovery_failed));
}

/* Whose it is is not known: who comes back meanwhile is not given it twice, and
 * if it ends at one of them, that one does not mind. */
static void
in_doubt(struct recovery *x, bool stays, bool ends)
{
	struct fake_host *host = stays ? x->f : x->g;
	struct recover *r, *d;
	struct fake_conn *c;
	struct moving m;
	struct state_in in;
	bool none;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	publish(x, 2);
	moving_open(&m, x->f, x->g);
	r = parked_first(x->f->hub);
	assert_true(parked_save(m.out, r, &m.state));
	in = state_in(buf_unread(&m.state));
	d = parked_load(m.in, &in, &none);
	assert_non_null(d);
	assert_null(parked_first(x->f->hub));	/* not once more */
	assert_null(parked_first(x->g->hub));
	if (ends)
		fake_advance(x->w, 121000);	/* its time is over */
	publish(x, 3);
	if (stays) {
		parked_unload(&d);
		parked_thaw(r);
	} else {
		parked_moved(&r);
		parked_activate(d);
	}
	moving_close(&m);
	fake_turn(x->w);
	assert_int_equal(ends ? 0 : 1, hub_parked(host->hub));
	assert_int_equal(0, hub_parked((stays ? x->g : x->f)->hub));
	if (ends)
		return;
	c = back(x, host, x->offset);
	hears(x, c, 2);
	hears(x, c, 3);
	is_same(x, c);
}

static void
a_session_in_doubt_stays(void **state)
{
	in_doubt(*state, true, false);
}

static void
a_session_in_doubt_goes(void **state)
{
	in_doubt(*state, false, false);
}

static void
a_session_in_doubt_ends_and_stays(void **state)
{
	in_doubt(*state, true, true);
}

static void
a_session_in_doubt_ends_and_goes(void **state)
{
	in_doubt(*state, false, true);
}

/* Not at the one, not at the other; but it is where it was. */
static void
nobody_comes_back_while_it_is_in_doubt(void **state)
{
	struct recovery *x = *state;
	struct recover *r, *d;
	struct moving m;
	struct state_in in;
	bool none;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	moving_open(&m, x->f, x->g);
	r = parked_first(x->f->hub);
	assert_true(parked_save(m.out, r, &m.state));
	in = state_in(buf_unread(&m.state));
	d = parked_load(m.in, &in, &none);
	assert_non_null(d);
	is_new(x, back(x, x->f, x->offset));
	assert_int_equal(1, hub_parked(x->f->hub));
	assert_int_equal(1, hub_parked(x->g->hub));
	parked_moved(&r);
	parked_activate(d);
	moving_close(&m);
	fake_turn(x->w);
	assert_int_equal(1, hub_parked(x->g->hub));
}

static void
a_parked_session_that_moved_comes_back_there(void **state)
{
	struct recovery *x = *state;

	parked_comes_back(x, x->g);
}

static void
a_parked_session_that_moved_comes_back_here(void **state)
{
	struct recovery *x = *state;

	parked_comes_back(x, x->f);
}

/* Two sessions of one client share its log, there too, and one place. */
static void
sessions_of_one_client_go_together(void **state)
{
	struct recovery *x = *state;
	struct recover *r;
	struct sentlog *log;

	fake_say(x->f, x->a, "40/o,");
	fake_gone(x->f, x->b);
	cut(x);
	assert_int_equal(3, hub_parked(x->f->hub));
	assert_int_equal(2, parked_go(x->f, x->g));
	assert_int_equal(3, hub_parked(x->g->hub));
	r = parked_next(parked_first(x->g->hub));
	log = r->log;
	assert_int_equal(2, log->refs);
	assert_ptr_equal(log, TAILQ_NEXT(r, link)->log);
	assert_int_equal(r->charge->family,
	    TAILQ_NEXT(r, link)->charge->family);
	assert_null(parked_next(r));
}

static void
its_time_goes_on(void **state)
{
	struct recovery *x = *state;

	cut(x);
	fake_advance(x->w, 100000);
	assert_int_equal(1, parked_go(x->f, x->g));
	fake_advance(x->w, 19000);
	assert_int_equal(1, hub_parked(x->g->hub));
	fake_advance(x->w, 1001);
	assert_int_equal(0, hub_parked(x->g->hub));
}

static void
an_heir_lets_go_of_parked_ones(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	struct recover *r, *d;
	struct moving m;
	struct state_in in;
	bool none;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	publish(x, 2);
	moving_open(&m, x->f, x->g);
	r = parked_first(x->f->hub);
	assert_true(parked_save(m.out, r, &m.state));
	in = state_in(buf_unread(&m.state));
	d = parked_load(m.in, &in, &none);
	assert_non_null(d);
	parked_unload(&d);
	parked_thaw(r);
	assert_int_equal(0, hub_parked(x->g->hub));
	moving_close(&m);
	fake_turn(x->w);
	c = back(x, x->f, x->offset);
	hears(x, c, 2);
	is_same(x, c);
}

static void
where_nobody_comes_back_they_end(void **state)
{
	struct recovery *x = *state;
	struct fake_host *k;
	struct moving m;
	struct state_in in;
	bool none;

	x->w->other = fake_conf("namespace \"/n\" { auth = none }\n");
	k = fake_host_of(x->w, 3, x->w->other);
	publish(x, 1);
	cut(x);
	publish(x, 2);
	moving_open(&m, x->f, k);
	assert_true(parked_save(m.out, parked_first(x->f->hub), &m.state));
	in = state_in(buf_unread(&m.state));
	assert_null(parked_load(m.in, &in, &none));
	assert_true(none);
	assert_int_equal(0, hub_parked(k->hub));
	moving_close(&m);
}

/* One that goes to its client is not there to be given. */
static void
who_is_being_recovered_stays(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	c = asks(x, x->g, x->offset);
	assert_true(fake_carry(x->g));
	assert_null(parked_first(x->f->hub));
	assert_true(fake_carry(x->f));
	assert_null(parked_first(x->g->hub));	/* not whole yet */
	assert_int_equal(0, hub_parked(x->g->hub));
	assert_false(client_may_move(c->client));
	fake_turn(x->w);
	(void)fake_next(c);
	is_same(x, c);
	assert_true(client_may_move(c->client));
}

static void
tries(struct recovery *x, struct moving *m, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct state_in in;
	struct recover *d;
	bool none;

	assert_non_null(copy);
	memcpy(copy, m->state.data, n);
	in = state_in(slice_of(copy, n));
	d = parked_load(m->in, &in, &none);
	assert_true(d != NULL || none || hub_parked(x->g->hub) == 0);
	assert_true(n == m->state.wpos || (d == NULL && !none));
	if (d != NULL)
		parked_unload(&d);
	free(copy);
	hub_turn_end(x->g->hub);
	assert_int_equal(0, hub_parked(x->g->hub));
	assert_int_equal(2, counter_get(COUNTER_recovery_parked));
}

static void
what_is_no_family_is_refused(void **state)
{
	struct recovery *x = *state;
	struct moving m;
	size_t i;

	fake_say(x->f, x->a, "40/o,");
	publish(x, 1);
	cut(x);
	publish(x, 2);
	moving_open(&m, x->f, x->g);
	assert_true(parked_save(m.out, parked_first(x->f->hub), &m.state));
	for (i = 0; i < m.state.wpos; i++) {
		tries(x, &m, i);
		m.state.data[i] ^= 0xff;
		hub_move_free(&m.in);
		m.in = hub_move_new(x->g->hub, false, 1);
		tries(x, &m, m.state.wpos);
		m.state.data[i] ^= 0xff;
	}
	moving_close(&m);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_client_that_moved_comes_back_there),
		TEST(a_client_that_moved_comes_back_to_where_it_was),
		TEST(what_the_giver_has_proven_is_proven),
		TEST(in_the_middle_of_a_frame),
		TEST(a_parked_session_that_moved_comes_back_there),
		TEST(a_parked_session_that_moved_comes_back_here),
		TEST(a_session_in_doubt_stays),
		TEST(a_session_in_doubt_goes),
		TEST(a_session_in_doubt_ends_and_stays),
		TEST(a_session_in_doubt_ends_and_goes),
		TEST(nobody_comes_back_while_it_is_in_doubt),
		TEST(sessions_of_one_client_go_together),
		TEST(its_time_goes_on),
		TEST(an_heir_lets_go_of_parked_ones),
		TEST(where_nobody_comes_back_they_end),
		TEST(who_is_being_recovered_stays),
		TEST(what_is_no_family_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
