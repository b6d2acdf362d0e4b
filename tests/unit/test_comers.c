/*
 * Who has just come, where events wait for those who are away: until it is known
 * what waits, they go there; where nobody knows, they come at once.
 */
#include "pair.h"
#include "hub/hub_int.h"
#include "proto/bus.h"

#define CONF \
	"redis { url = \"redis://h\" }\n" \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"namespace \"/n\" { auth = required\n" \
	"  event \"m\" { to = user:to meta = off offline = queue\n" \
	"    ack = accepted } }\n"

struct fixture {
	PAIR;
	struct bus_envelope e;		/* the last one for the relay */
};

static int
setup(void **state)
{
	struct fixture *x = pair_new(sizeof *x, CONF);

	*state = x;
	return (0);
}

/* What this host has for the relay next, 0: nothing. */
static unsigned
asks(struct fixture *x, struct fake_host *f)
{
	struct slice in = buf_unread(&f->relay);
	ssize_t n;

	if (in.n == 0)
		return (0);
	n = bus_decode(in, &x->e);
	assert_true(n > 0);
	buf_consume(&f->relay, (size_t)n);
	return (x->e.kind);
}

/* The relay's answer to that: there is nothing, or (unavailable) nobody knows. */
static void
answers(struct fixture *x, struct fake_host *f, enum bus_store result)
{
	uint32_t ref = x->e.ref;
	struct buf frame;

	(void)bus_streamed(&x->e, result);
	slotset_only(x->e.slots, f->slot);
	x->e.from = x->e.generation = 0;
	x->e.ref = ref;
	buf_init(&frame);
	assert_true(bus_encode(&frame, &x->e));
	hub_bus_frame(f->hub, buf_unread(&frame));
	buf_fini(&frame);
	fake_turn(x->w);
}

static struct fake_conn *
come(struct fake_host *f, const char *claims)
{
	return (fake_enter(f, "/n", fake_token(claims)));
}

static void
send_to_bob(struct fake_host *f, struct fake_conn *c)
{
	fake_say(f, c, "42/n,1[\"m\",{\"to\":\"bob\"}]");
}

#define ACCEPTED	"43/n,1[{\"id\":"
#define HEARD		"42/n,[\"m\",{\"to\":\"bob\"}]"

static void
what_waits_comes_first(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *ann = come(x->f, "{\"sub\":\"ann\"}"), *bob;

	assert_int_equal(asks(x, x->f), BUS_INBOX);
	answers(x, x->f, BUS_STORE_OK);
	bob = come(x->f, "{\"sub\":\"bob\"}");
	/* it waits behind what waits for him, in Redis */
	send_to_bob(x->f, ann);
	fake_hears(bob, "");
	fake_hears(ann, "");
	assert_int_equal(asks(x, x->f), BUS_INBOX);
	answers(x, x->f, BUS_STORE_OK);
	assert_int_equal(asks(x, x->f), BUS_QUEUE);
	answers(x, x->f, BUS_STORE_OK);
	fake_starts(ann, ACCEPTED);
	/* from now on it comes at once */
	send_to_bob(x->f, ann);
	fake_hears(bob, HEARD);
	fake_starts(ann, ACCEPTED);
}

static void
where_redis_is_away_nobody_waits_for_it(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *ann, *bob, *two;

	x->f->redis_away = x->g->redis_away = true;
	ann = come(x->f, "{\"sub\":\"ann\"}");
	bob = come(x->f, "{\"sub\":\"bob\"}");
	two = come(x->g, "{\"sub\":\"cid\"}");
	assert_int_equal(asks(x, x->f), 0);
	assert_int_equal(asks(x, x->g), 0);
	send_to_bob(x->f, ann);
	fake_hears(bob, HEARD);
	fake_starts(ann, ACCEPTED);
	send_to_bob(x->g, two);
	fake_hears(bob, HEARD);
	fake_starts(two, ACCEPTED);
	/* who is nowhere: the relay says so, to who asks it */
	fake_gone(x->f, bob);
	send_to_bob(x->f, ann);
	assert_int_equal(asks(x, x->f), BUS_QUEUE);
	answers(x, x->f, BUS_STORE_UNAVAILABLE);
	fake_starts(ann, "43/n,1[{\"error\":{\"code\":\"unavailable\"");
}

/* Who came meanwhile asks later, again and again, and is served as it is back. */
static void
what_waits_is_asked_for_when_redis_is_back(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *bob;
	unsigned i;

	x->f->redis_away = true;
	bob = come(x->f, "{\"sub\":\"bob\"}");
	for (i = 0; i < 20; i++) {
		fake_advance(x->w, 100);
		assert_int_equal(asks(x, x->f), 0);
	}
	x->f->redis_away = false;
	for (i = 0; i < 40 && asks(x, x->f) == 0; i++)
		fake_advance(x->w, 100);
	assert_int_equal(x->e.kind, BUS_INBOX);
	assert_in_range(i, 1, 39);
	answers(x, x->f, BUS_STORE_OK);
	assert_int_equal(asks(x, x->f), 0);
	fake_gone(x->f, bob);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_free)
		T(what_waits_comes_first),
		T(where_redis_is_away_nobody_waits_for_it),
		T(what_waits_is_asked_for_when_redis_is_back),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
