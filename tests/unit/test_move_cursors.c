/* Clients that read a kept room on in the store, at another worker: they go on
 * there, or, where as many read as may, are told that something is missing. */
#include "moving.h"

#include "hub/audience/room.h"
#include "hub/hub_int.h"
#include "hub/store/lag.h"
#include "hub/store/since.h"
#include "shm/counters.h"

#define CONF \
	"namespace \"/n\" { auth = none\n" \
	"  room \"{r}\" { join = open history = 10 } }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f, *g;
	struct fake_conn *c;
};

static struct membership *
ship(struct fake_conn *c)
{
	return (room_membership(c->client->sessions, ROOM_NAMED, SLICE("r")));
}

/* One that is behind. */
static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	struct publication p = { .epoch = SLICE("e1"), .kept = 7 };

	assert_non_null(x);
	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	x->c = fake_enter(x->f, "/n", NULL);
	assert_true(room_join(x->f->hub, x->c->client->sessions, ROOM_NAMED,
	    SLICE("r")));
	assert_true(lag_begin(ship(x->c), &p));
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	fake_world_free(&x->w);
	assert_int_equal(counter_get(COUNTER_cursors_open), 0);
	free(x);
	return (0);
}

static void
it_goes_on_where_it_was(void **state)
{
	struct fixture *x = *state;

	x->c = moved(x->f, x->g, x->c);
	assert_true(ship(x->c)->lags);
	assert_int_equal(lag_place(ship(x->c))->offset, 6);
	assert_int_equal(x->f->hub->nlags, 0);
}

static void
it_is_told_where_there_is_no_room_for_it(void **state)
{
	struct fixture *x = *state;
	uint32_t many = 1u << 20;

	x->g->hub->nlags = many;
	x->c = moved(x->f, x->g, x->c);
	assert_false(ship(x->c)->lags);
	fake_turn(x->w);
	assert_non_null(strstr(fake_next(x->c), "roost:gap"));
	x->g->hub->nlags -= many;
	assert_int_equal(x->g->hub->nlags, 0);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_goes_on_where_it_was),
		T(it_is_told_where_there_is_no_room_for_it),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
