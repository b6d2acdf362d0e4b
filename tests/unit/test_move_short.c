/*
 * Short of memory while a client, or parked ones, go to another worker: each
 * allocation of saving and loading fails once, or all from there on.  The heir
 * has all or nothing, the giver has it still; with memory again it goes.
 */
#include "moving.h"
#include "pair.h"
#include "short_memory.h"

#include "hub/hub_int.h"
#include "hub/recover/recover.h"
#include "shm/counters.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m }\n" \
	"limits { per_user = 20 }\n" \
	"namespace \"/n\" { auth = optional presence = rooms\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"e\" { to = sender meta = off ack = echo } }\n" \
	"namespace \"/o\" { auth = none }\n"

struct fixture {
	PAIR;
	uint64_t	 column[COUNTERS_CELLS];
};

/* --- the scenario --------------------------------------------------------- */

static int
setup(void **state)
{
	*state = pair_new(sizeof(struct fixture), CONF);
	return (0);
}

static int
teardown(void **state)
{
	int r = pair_free(state);

	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_rooms));
	assert_int_equal(0, counter_get(COUNTER_memberships));
	assert_int_equal(0, counter_get(COUNTER_eio_sessions));
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
	return (r);
}

/* In two namespaces and many rooms, with a log, a queue and an attachment to
 * come; a message that both have. */
static void
everything(struct fixture *x, struct fake_conn *c[2])
{
	char text[64];
	int i, k;

	for (k = 0; k < 2; k++) {
		c[k] = fake_enter(x->f, "/n", fake_token("{\"sub\":\"ann\"}"));
		fake_say(x->f, c[k], "40/o,");
		for (i = 0; i < 20; i++) {
			(void)snprintf(text, sizeof text,
			    "42/n,[\"room:join\",\"r%d\"]", i);
			fake_say(x->f, c[k], text);
		}
	}
	c[0]->window = 5;
	for (i = 0; i < 20; i++)
		fake_say(x->f, c[1], "42/n,[\"m\",{\"room\":\"r1\"}]");
	fake_say(x->f, c[0],
	    "452-/n,[\"e\",{\"_placeholder\":true,\"num\":0},"
	    "{\"_placeholder\":true,\"num\":1}]");
	client_binary(c[0]->client, (uint8_t *)(uintptr_t)"abc", 3);
	fake_turn(x->w);
	memcpy(x->column, counters_column, sizeof x->column);
}

static void
the_same_gauges(const struct fixture *x)
{
	struct counters_row row;
	unsigned i;

	for (i = 0; counters_row(i, &row); i++)
		if (row.type == COUNTERS_GAUGE &&
		    row.cell != COUNTER_recovery_held_bytes &&
		    row.cell < COUNTERS_CELLS)
			assert_int_equal(x->column[row.cell],
			    counters_column[row.cell]);
}

/* true: it went all the way there, and is let go again. */
static bool
tries(struct fixture *x, struct fake_conn *c, struct moving *m)
{
	struct fake_conn *d = &x->g->conns[FAKE_CONNS - 1];
	struct client *got = NULL;
	struct state_in in;
	enum reason why;
	bool ok;

	memset(d, 0, sizeof *d);
	buf_reset(&m->state);
	ok = client_save(m->out, c->client, &m->state);
	if (ok) {
		in = state_in(buf_unread(&m->state));
		got = client_load(m->in, &in, &d->out, &why);
	}
	armed = false;
	m->state.oom = false;
	hub_move_failed(m->out);
	if (got != NULL)
		client_unload(&got);
	hub_turn_end(x->g->hub);
	hub_turn_end(x->f->hub);
	the_same_gauges(x);
	return (ok && nfailed == 0);
}

static void
a_client_is_there_whole_or_not_at_all(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c[2];
	struct moving m;
	long i;
	int good;

	everything(x, c);
	moving_open(&m, x->f, x->g);
	for (good = 0; good < 2; good++) {
		for (i = 0;; i++) {
			arm(i, good);
			if (tries(x, c[0], &m))
				break;
			arm(i, good);
			(void)tries(x, c[1], &m);
		}
		assert_true(i > 5);
	}
	c[0] = moving(&m, c[0]);
	c[1] = moving(&m, c[1]);
	moving_close(&m);
	fake_say(x->g, c[1], "42/n,[\"m\",{\"room\":\"r2\"}]");
}

static bool
tries_parked(struct fixture *x, struct moving *m)
{
	struct recover *first = parked_first(x->f->hub), *r = NULL;
	struct state_in in;
	bool ok, none = false;

	assert_int_equal(2, hub_parked(x->f->hub));
	buf_reset(&m->state);
	ok = parked_save(m->out, first, &m->state);
	if (ok) {
		in = state_in(buf_unread(&m->state));
		r = parked_load(m->in, &in, &none);
	}
	armed = false;
	assert_false(none);
	m->state.oom = false;
	hub_move_failed(m->out);
	if (r != NULL)
		parked_unload(&r);
	parked_thaw(first);
	hub_turn_end(x->g->hub);
	assert_int_equal(0, hub_parked(x->g->hub));
	the_same_gauges(x);
	return (ok && nfailed == 0);
}

static void
so_are_those_that_wait(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c[2];
	struct moving m;
	long i;
	int good;

	everything(x, c);
	fake_gone(x->f, c[0]);
	assert_int_equal(2, hub_parked(x->f->hub));
	fake_turn(x->w);
	assert_int_equal(2, hub_parked(x->f->hub));
	fake_say(x->f, c[1], "42/n,[\"m\",{\"room\":\"r1\"}]");
	memcpy(x->column, counters_column, sizeof x->column);
	moving_open(&m, x->f, x->g);
	for (good = 0; good < 2; good++) {
		for (i = 0;; i++) {
			arm(i, good);
			if (tries_parked(x, &m))
				break;
		}
		assert_true(i > 5);
	}
	moving_close(&m);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_client_is_there_whole_or_not_at_all),
		TEST(so_are_those_that_wait),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
