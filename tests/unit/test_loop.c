/* The event loop, over pipes and socket pairs. */
#include "sys/loop.h"

#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "tests/lib/check.h"

static struct loop *loop;

static struct watch *survivor;	/* the last that removed another */

struct watch {
	struct loop_fd	 io;
	int		 other;		/* the end that is not watched */
	unsigned	 calls;
	unsigned	 events;	/* of the last call */
	struct watch	*removes;	/* and frees, when called */
	struct watch	*pauses;	/* wants nothing of it any more */
	bool		 reads;
};

static struct watch *
watch_new(unsigned events, loop_cb *cb)
{
	struct watch *w = calloc(1, sizeof *w);
	int fds[2];

	assert_non_null(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
	w->io.fd = -1;
	w->other = fds[1];
	assert_int_equal(loop_add(loop, &w->io, fds[0], events, cb), 0);
	return (w);
}

static void
watch_free(struct watch *w)
{
	loop_del(loop, &w->io);
	loop_del(loop, &w->io); /* harmless */
	(void)close(w->io.fd);
	if (w->other != -1)
		(void)close(w->other);
	free(w);
}

static void
on_event(struct loop_fd *f, unsigned events)
{
	struct watch *w = container_of(f, struct watch, io);
	char bytes[64];

	w->calls++;
	w->events = events;
	if (w->reads)
		assert_true(read(f->fd, bytes, sizeof bytes) > 0);
	if (w->removes != NULL) {
		survivor = w->removes == w ? NULL : w;
		watch_free(w->removes);
		if (survivor == NULL)
			return; /* w is gone */
		w->removes = NULL;
	}
	if (w->pauses != NULL)
		assert_int_equal(loop_mod(loop, &w->pauses->io, 0), 0);
}

static void
say(struct watch *w, const char *text)
{
	assert_int_equal(write(w->other, text, strlen(text)),
	    (ssize_t)strlen(text));
}

/* --- hooks ---------------------------------------------------------------*/

static unsigned turns, before, after, turns_wanted;

static void
before_wait(void *arg)
{
	(void)arg;
	assert_int_equal(before, after);
	before++;
	if (turns++ == turns_wanted)
		loop_stop(loop);
}

static void
after_wait(void *arg)
{
	(void)arg;
	after++;
}

static bool
busy(void *arg)
{
	(void)arg;
	return (true); /* never sleep */
}

/* Run n turns that do not wait. */
static void
run(unsigned n)
{
	const struct loop_hooks hooks = { before_wait, after_wait, busy, NULL };

	turns = before = after = 0;
	turns_wanted = n;
	loop_hooks(loop, &hooks);
	loop_run(loop);
}

static int
set_up(void **state)
{
	(void)state;
	loop = loop_new();
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	loop_free(&loop);
	assert_null(loop);
	return (0);
}

/* --- tests ---------------------------------------------------------------*/

static void
hooks_run_around_each_wait(void **state)
{
	(void)state;
	run(3);
	assert_int_equal(before, 4); /* the last one stopped it */
	assert_int_equal(after, 3);
}

static void
only_wanted_events_are_reported(void **state)
{
	struct watch *w = watch_new(LOOP_IN, on_event);

	(void)state;
	run(1);
	assert_int_equal(w->calls, 0);
	say(w, "x");
	run(1);
	assert_int_equal(w->calls, 1);
	assert_int_equal(w->events, LOOP_IN);
	assert_int_equal(loop_mod(loop, &w->io, LOOP_OUT), 0);
	run(1);
	assert_int_equal(w->events, LOOP_OUT);
	assert_int_equal(loop_mod(loop, &w->io, 0), 0);
	run(1);
	assert_int_equal(w->calls, 2);
	watch_free(w);
}

static void
level_triggered_repeats_and_edge_triggered_does_not(void **state)
{
	struct watch *level = watch_new(LOOP_IN, on_event);
	struct watch *edge = watch_new(LOOP_IN | LOOP_EDGE, on_event);

	(void)state;
	say(level, "x");
	say(edge, "x");
	run(3);
	assert_int_equal(level->calls, 3);
	assert_int_equal(edge->calls, 1);
	watch_free(level);
	watch_free(edge);
}

static void
a_lost_connection_is_reported_even_if_nothing_is_wanted(void **state)
{
	struct watch *w = watch_new(0, on_event);

	(void)state;
	(void)close(w->other);
	w->other = -1;
	run(1);
	assert_int_equal(w->events, LOOP_HUP);
	watch_free(w);
}

static void
a_half_closed_peer_is_reported_when_wanted(void **state)
{
	struct watch *w = watch_new(LOOP_HUP, on_event);
	struct watch *v = watch_new(0, on_event);

	(void)state;
	assert_int_equal(shutdown(w->other, SHUT_WR), 0);
	assert_int_equal(shutdown(v->other, SHUT_WR), 0);
	run(1);
	assert_int_equal(w->events, LOOP_HUP);
	assert_int_equal(v->calls, 0);
	watch_free(w);
	watch_free(v);
}

/* Whichever comes first in the batch frees the other: no late event. */
static void
events_of_a_freed_descriptor_are_dropped(void **state)
{
	struct watch *a = watch_new(LOOP_IN, on_event);
	struct watch *b = watch_new(LOOP_IN, on_event);

	(void)state;
	a->removes = b;
	b->removes = a;
	say(a, "x");
	say(b, "x");
	run(2);
	assert_non_null(survivor);
	assert_int_equal(survivor->calls, 2);
	watch_free(survivor);
}

static void
events_no_longer_wanted_are_dropped(void **state)
{
	struct watch *a = watch_new(LOOP_IN, on_event);
	struct watch *b = watch_new(LOOP_IN, on_event);

	(void)state;
	a->pauses = b;
	b->pauses = a;
	say(a, "x");
	say(b, "x");
	run(2);
	assert_int_equal(a->calls + b->calls, 2);
	assert_true(a->calls == 0 || b->calls == 0);
	watch_free(a);
	watch_free(b);
}

static void
a_callback_may_free_itself(void **state)
{
	struct watch *w = watch_new(LOOP_IN, on_event);

	(void)state;
	w->removes = w;
	say(w, "x");
	run(1);
}

static void
a_descriptor_that_cannot_be_watched_is_an_error(void **state)
{
	struct loop_fd f = { .fd = -1 };

	(void)state;
	assert_int_equal(loop_add(loop, &f, 1 << 20, LOOP_IN, on_event), -1);
	assert_int_equal(errno, EBADF);
	assert_null(f.on_event);
	loop_del(loop, &f);
}

static struct timer timer;
static bool event_came;

static void
on_timer(struct timer *t, struct mono now)
{
	(void)t;
	assert_true(now.us >= timer_at(t).us);
	assert_true(event_came);
	loop_stop(loop);
}

static void
on_late_event(struct loop_fd *f, unsigned events)
{
	char c;

	(void)events;
	assert_int_equal(read(f->fd, &c, 1), 1);
	event_came = true;
}

/* A pong that came in time counts, even if the turn took too long. */
static void
events_come_before_timers_of_the_same_turn(void **state)
{
	struct watch *w = watch_new(LOOP_IN, on_late_event);
	const struct loop_hooks none = { NULL, NULL, NULL, NULL };

	(void)state;
	say(w, "x");
	loop_hooks(loop, &none);
	timer_start(loop_wheel(loop), &timer, loop_now(loop), on_timer);
	loop_run(loop); /* ends in on_timer */
	watch_free(w);
}

/* --- turns that have enough ---------------------------------------------- */

#define CROWD	50

static bool
ever_enough(void *arg)
{
	(void)arg;
	return (true);
}

/* Sixteen of fifty are handled, or a few more: the turn ends, its hooks run, and
 * the rest come in the next ones, each once, in order. */
static void
a_turn_that_has_enough_leaves_the_rest_to_the_next(void **state)
{
	struct watch *w[CROWD];
	unsigned i, n, calls, had = 0;

	(void)state;
	for (i = 0; i < CROWD; i++) {
		w[i] = watch_new(LOOP_IN | LOOP_EDGE, on_event);
		say(w[i], "x");
	}
	loop_enough(loop, ever_enough);
	for (n = 0; had < CROWD; n++) {
		run(1);
		for (calls = i = 0; i < CROWD; i++)
			calls += w[i]->calls;
		assert_in_range(calls - had, 1, 16);
		had = calls;
	}
	assert_int_equal(n, 4);
	run(2);
	for (i = 0; i < CROWD; i++)
		assert_int_equal(w[i]->calls, 1);
	/* who is removed meanwhile is not called, also if it was fetched */
	for (i = 0; i < CROWD; i++)
		say(w[i], "x");
	w[0]->removes = w[CROWD - 1];
	run(5);
	for (i = 0; i < CROWD - 1; i++)
		assert_int_equal(w[i]->calls, 2);
	for (i = 0; i < CROWD - 1; i++)
		watch_free(w[i]);
}

static bool
enough_after_a_while(void *arg)
{
	(void)arg;
	(void)usleep(30000);
	return (true);
}

/* ... also one that came in time and had to wait for its turn. */
static void
timers_wait_for_all_events_that_came_before(void **state)
{
	struct watch *w[CROWD], *late;
	const struct loop_hooks none = { NULL, NULL, NULL, NULL };
	unsigned i;

	(void)state;
	for (i = 0; i < CROWD; i++) {
		w[i] = watch_new(LOOP_IN | LOOP_EDGE, on_event);
		say(w[i], "x");
	}
	late = watch_new(LOOP_IN, on_late_event);
	event_came = false;
	say(late, "x");
	loop_hooks(loop, &none);
	loop_enough(loop, enough_after_a_while);
	timer_start(loop_wheel(loop), &timer, loop_now(loop), on_timer);
	loop_run(loop); /* ends in on_timer */
	for (i = 0; i < CROWD; i++)
		watch_free(w[i]);
	watch_free(late);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(hooks_run_around_each_wait),
		T(only_wanted_events_are_reported),
		T(level_triggered_repeats_and_edge_triggered_does_not),
		T(a_lost_connection_is_reported_even_if_nothing_is_wanted),
		T(a_half_closed_peer_is_reported_when_wanted),
		T(events_of_a_freed_descriptor_are_dropped),
		T(events_no_longer_wanted_are_dropped),
		T(a_callback_may_free_itself),
		T(a_descriptor_that_cannot_be_watched_is_an_error),
		T(events_come_before_timers_of_the_same_turn),
		T(a_turn_that_has_enough_leaves_the_rest_to_the_next),
		T(timers_wait_for_all_events_that_came_before),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
