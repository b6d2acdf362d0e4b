/*
 * Rooms that keep a history, with a relay that is written out here: who joins,
 * who asks, what is healed, and who goes to another worker meanwhile.
 */
#include "base/slotset.h"
#include "hub/hub_int.h"
#include "moving.h"
#include "pair.h"
#include "proto/bus.h"
#include "shm/counters.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m }\n" \
	"namespace \"/n\" { auth = optional\n" \
	"  room \"{r}\" { join = open history = 100 }\n" \
	"  room \"c:{r}\" { join = claim:rooms history = 100 }\n" \
	"  event \"m\" { to = room:room meta = off } }\n"
#define JOIN(room, since) \
	"42/n,0[\"room:join\",{\"room\":\"" room "\"" since "}]"
#define SINCE(offset) ",\"since\":{\"epoch\":\"e1\",\"offset\":" #offset "}"
#define STANDS(room, offset, all) \
	"43/n,0[{\"room\":\"" room "\",\"epoch\":\"e1\",\"offset\":" #offset \
	",\"recovered\":" all "}]"

struct fixture {
	PAIR;
	struct bus_envelope asked;	/* of the relay, the last one */
	struct buf	 text;		/* its frame */
	uint64_t	 whole, partly;
};

static int
setup(void **state)
{
	struct fixture *x = *state = pair_new(sizeof *x, CONF);

	buf_init(&x->text);
	x->whole = counter_get(COUNTER_history_replays);
	x->partly = counter_get(COUNTER_history_replays_partial);
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	buf_fini(&x->text);
	return (pair_free(state));
}

/* --- the relay ------------------------------------------------------------ */

/* The next question of this worker, which is for r's history. */
static void
asks(struct fixture *x, struct fake_host *f, enum bus_history_from from,
    uint64_t since)
{
	struct slice in;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	fake_turn(x->w);
	in = buf_unread(&f->relay);
	assert_true(in.n > 0);
	n = bus_frame(in, slots, &flags);
	assert_true(n > 0);
	buf_reset(&x->text);
	buf_slice(&x->text, slice_of(in.p, (size_t)n));
	buf_consume(&f->relay, (size_t)n);
	assert_true(bus_decode(buf_unread(&x->text), &x->asked) == n);
	assert_int_equal(x->asked.kind, BUS_HISTORY);
	assert_int_equal(x->asked.history.from, from);
	assert_int_equal(x->asked.history.since, since);
}

static void
asks_nothing(struct fixture *x, struct fake_host *f)
{
	fake_turn(x->w);
	assert_int_equal(buf_unread(&f->relay).n, 0);
}

static void
says(struct fixture *x, struct fake_host *f, struct bus_envelope *e)
{
	struct buf b;

	e->from = e->generation = 0;
	slotset_only(e->slots, f->slot);
	buf_init(&b);
	assert_true(bus_encode(&b, e));
	hub_bus_frame(f->hub, buf_unread(&b));
	buf_fini(&b);
	fake_turn(x->w);
}

/* An event whose text is its place. */
static void
event(struct bus_envelope *e, const char *room, uint64_t place, char text[24])
{
	struct bus_publish *p = bus_publish(e);
	int n = snprintf(text, 24, "%llu", (unsigned long long)place);

	e->flags = BUS_NUMBERED;
	e->ref = 0;
	p->nsp = SLICE("/n");
	p->event = SLICE("\"m\"");
	p->args = slice_of(text, (size_t)n);
	p->epoch = SLICE("e1");
	p->kept = place;
	p->to.rooms[p->to.nrooms++] = slice_str(room);
}

static void
comes(struct fixture *x, struct fake_host *f, const char *room, uint64_t place)
{
	struct bus_envelope e;
	char text[24];

	event(&e, room, place, text);
	says(x, f, &e);
}

/* The answer to what was asked last: from..to, none if from is 0. */
static void
page(struct fixture *x, struct fake_host *f, uint64_t from, uint64_t to,
    uint64_t first, bool more)
{
	static struct bus_envelope e;
	char room[64], text[24];
	struct buf frames;

	(void)snprintf(room, sizeof room, "%.*s", (int)x->asked.history.room.n,
	    (const char *)x->asked.history.room.p);
	buf_init(&frames);
	for (; from > 0 && from <= to; from++) {
		event(&e, room, from, text);
		e.from = e.generation = 0;
		slotset_clear(e.slots);
		assert_true(bus_encode(&frames, &e));
	}
	bus_page(&e, BUS_STORE_OK);
	e.ref = x->asked.ref;
	e.flags = more ? BUS_MORE : 0;
	e.page.epoch = SLICE("e1");
	e.page.top = to;
	e.page.first = first;
	e.page.frames = buf_unread(&frames);
	says(x, f, &e);
	buf_fini(&frames);
}

/* Those who are in this room, or (NULL) all of the namespace, leave one. */
static void
leaves_of(struct fixture *x, struct fake_host *f, const char *whose,
    const char *room)
{
	struct bus_envelope e;
	struct bus_rooms *b = bus_rooms(&e);

	e.ref = 0;
	b->nsp = SLICE("/n");
	b->leave[b->nleave++] = slice_str(room);
	if (whose != NULL)
		b->to.rooms[b->to.nrooms++] = slice_str(whose);
	says(x, f, &e);
}

static void
leaves(struct fixture *x, struct fake_host *f, const char *room)
{
	leaves_of(x, f, room, room);
}

/* A member of r, which stands at 3. */
static struct fake_conn *
member(struct fixture *x, struct fake_host *f)
{
	struct fake_conn *c = fake_enter(f, "/n", NULL);

	fake_say(f, c, JOIN("r", ""));
	if (buf_unread(&f->relay).n > 0) {
		asks(x, f, BUS_HISTORY_TOP, 0);
		page(x, f, 0, 3, 1, false);
	}
	fake_hears(c, STANDS("r", 3, "false"));
	return (c);
}

/* It is in r, and has missed 4 and 5. */
static void
has_a_hole(struct fixture *x, struct fake_host *f)
{
	comes(x, f, "r", 6);
	asks(x, f, BUS_HISTORY_AFTER, 3);
}

static void
hears(struct fake_conn *c, uint64_t from, uint64_t to)
{
	char text[32];

	for (; from <= to; from++) {
		(void)snprintf(text, sizeof text, "42/n,[\"m\",%llu",
		    (unsigned long long)from);
		fake_starts(c, text);
	}
	fake_hears(c, "");
}

/* --- joins, pages --------------------------------------------------------- */

static void
who_joins_is_told_page_by_page(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n", NULL);

	fake_say(x->f, a, JOIN("r", SINCE(2)));
	asks(x, x->f, BUS_HISTORY_AFTER, 2);
	page(x, x->f, 3, 4, 1, true);
	asks(x, x->f, BUS_HISTORY_AFTER, 4);
	page(x, x->f, 5, 6, 1, false);
	fake_starts(a, "42/n,[\"m\",3");
	fake_starts(a, "42/n,[\"m\",4");
	fake_starts(a, "42/n,[\"m\",5");
	fake_starts(a, "42/n,[\"m\",6");
	fake_hears(a, STANDS("r", 6, "true"));
	comes(x, x->f, "r", 7);
	hears(a, 7, 7);
	assert_int_equal(counter_get(COUNTER_history_replays), x->whole + 1);
}

/* From before the first on, but nothing is kept any more. */
static void
all_of_it_gone_is_a_gap(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n", NULL);

	fake_say(x->f, a, JOIN("r", ",\"since\":{\"offset\":0}"));
	asks(x, x->f, BUS_HISTORY_FIRST, 0);
	page(x, x->f, 0, 3, 0, false);
	fake_hears(a, STANDS("r", 3, "false"));
	fake_say(x->f, a, "42/n,1[\"history:get\",{\"room\":\"r\",\"since\":"
	    "{\"offset\":0}}]");
	asks(x, x->f, BUS_HISTORY_FIRST, 0);
	page(x, x->f, 0, 3, 0, false);
	fake_hears(a, "43/n,1[{\"room\":\"r\",\"epoch\":\"e1\",\"offset\":3,"
	    "\"events\":[],\"more\":false,\"gap\":true}]");
	/* nothing has ever happened */
	fake_say(x->f, a, JOIN("q", ",\"since\":{\"offset\":0}"));
	asks(x, x->f, BUS_HISTORY_FIRST, 0);
	page(x, x->f, 0, 0, 0, false);
	fake_hears(a, STANDS("q", 0, "true"));
	assert_int_equal(counter_get(COUNTER_history_replays_partial),
	    x->partly + 1);
}

static void
who_has_left_is_given_no_page(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = member(x, x->f);

	fake_say(x->f, a, "42/n,1[\"history:get\",{\"room\":\"r\"}]");
	asks(x, x->f, BUS_HISTORY_LAST, 0);
	leaves(x, x->f, "r");
	fake_starts(a, "42/n,[\"room:left\"");
	page(x, x->f, 1, 3, 1, false);
	fake_starts(a, "43/n,1[{\"error\":{\"code\":\"not_member\"");
	fake_hears(a, "");
}

/* The right goes while the page is on its way, or between two. */
static void
who_may_not_join_any_more_is_told_nothing(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token("{\"sub\":\"u\",\"rooms\":[\"1\"]}"));
	char text[1024];

	fake_say(x->f, a, JOIN("c:1", SINCE(2)));
	asks(x, x->f, BUS_HISTORY_AFTER, 2);
	page(x, x->f, 3, 4, 1, true);
	asks(x, x->f, BUS_HISTORY_AFTER, 4);
	hears(a, 3, 4);
	(void)snprintf(text, sizeof text,
	    "42/n,1[\"auth:refresh\",{\"token\":\"%s\"}]",
	    fake_token("{\"sub\":\"u\",\"rooms\":[\"2\"]}"));
	fake_say(x->f, a, text);
	fake_starts(a, "43/n,1[{\"exp\"");
	page(x, x->f, 5, 6, 1, false);
	fake_starts(a, "43/n,0[{\"error\":{\"code\":\"forbidden\"");
	fake_hears(a, "");
	assert_int_equal(counter_get(COUNTER_history_replays), x->whole);
	assert_int_equal(counter_get(COUNTER_history_replays_partial),
	    x->partly);
}

/* A back end, or the client itself, was faster than what the room has kept. */
static void
who_leaves_before_it_is_in_does_not_come_in(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token("{\"sub\":\"u\",\"rooms\":[\"1\"]}"));

	fake_say(x->f, a, JOIN("c:1", SINCE(2)));
	asks(x, x->f, BUS_HISTORY_AFTER, 2);
	leaves_of(x, x->f, NULL, "c:1");
	fake_starts(a, "43/n,0[{\"error\":{\"code\":\"not_member\"");
	page(x, x->f, 3, 4, 1, false);
	fake_hears(a, "");
	fake_say(x->f, a, JOIN("c:1", SINCE(2)));
	asks(x, x->f, BUS_HISTORY_AFTER, 2);
	fake_say(x->f, a, "42/n,1[\"room:leave\",{\"room\":\"c:1\"}]");
	fake_starts(a, "43/n,0[{\"error\":{\"code\":\"not_member\"");
	fake_starts(a, "43/n,1[{\"room\":\"c:1\"}]");
	page(x, x->f, 3, 4, 1, false);
	fake_hears(a, "");
}

/* --- holes ---------------------------------------------------------------- */

static void
a_hole_is_healed_for_all_members(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = member(x, x->f), *b = member(x, x->f);

	has_a_hole(x, x->f);
	comes(x, x->f, "r", 7);		/* it is in the answer, too */
	hears(a, 1, 0);
	page(x, x->f, 4, 7, 1, false);
	hears(a, 4, 7);
	hears(b, 4, 7);
	comes(x, x->f, "r", 7);
	comes(x, x->f, "r", 8);
	hears(a, 8, 8);
	asks_nothing(x, x->f);
}

/* --- from one worker to another ------------------------------------------- */

/* Those who come have what is missing there. */
static void
nobody_comes_into_a_room_that_is_healed(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = member(x, x->f), *b = member(x, x->g);
	enum reason why;
	struct moving m;

	comes(x, x->f, "r", 4);
	comes(x, x->f, "r", 5);
	comes(x, x->f, "r", 6);
	hears(a, 4, 6);
	has_a_hole(x, x->g);
	moving_open(&m, x->f, x->g);
	moving_save(&m, a);
	assert_null(moving_load(&m, &why));
	hub_move_failed(m.out);
	page(x, x->g, 4, 6, 1, false);
	hears(b, 4, 6);
	a = moving(&m, a);
	moving_close(&m);
	comes(x, x->g, "r", 7);
	hears(a, 7, 7);
	hears(b, 7, 7);
}

/* ... and those who go have not what was missing here. */
static void
nobody_leaves_a_room_that_is_healed(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = member(x, x->f);

	has_a_hole(x, x->f);
	assert_false(client_may_move(a->client));
	page(x, x->f, 4, 6, 1, false);
	hears(a, 4, 6);
	assert_true(client_may_move(a->client));
}

/* The same of those who wait for their client. */
static void
nor_do_those_who_are_parked(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = member(x, x->f), *b = member(x, x->g);
	struct recover *r, *there;
	struct state_in in;
	struct moving m;
	bool none;

	fake_gone(x->f, a);
	fake_turn(x->w);
	r = parked_first(x->f->hub);
	assert_non_null(r);
	has_a_hole(x, x->f);
	assert_null(parked_first(x->f->hub));
	page(x, x->f, 4, 6, 1, false);
	assert_ptr_equal(parked_first(x->f->hub), r);
	has_a_hole(x, x->g);
	moving_open(&m, x->f, x->g);
	assert_true(parked_save(m.out, r, &m.state));
	in = state_in(buf_unread(&m.state));
	assert_null(parked_load(m.in, &in, &none));
	assert_false(none);
	parked_thaw(r);
	hub_move_failed(m.out);
	page(x, x->g, 4, 6, 1, false);
	hears(b, 4, 6);
	buf_reset(&m.state);
	assert_true(parked_save(m.out, r, &m.state));
	in = state_in(buf_unread(&m.state));
	there = parked_load(m.in, &in, &none);
	assert_non_null(there);
	parked_moved(&r);
	parked_activate(there);
	moving_close(&m);
}

/* --- who reads slowly ----------------------------------------------------- */

/* It has got 4 and not read it, and is not given 5. */
static struct fake_conn *
slow(struct fixture *x)
{
	struct fake_conn *a = member(x, x->f);

	x->f->hub->kept_bytes = 16;
	a->window = 0;
	comes(x, x->f, "r", 4);
	comes(x, x->f, "r", 5);
	x->f->hub->kept_bytes = 65536;	/* once is enough */
	return (a);
}

static void
who_reads_slowly_reads_on_in_the_store(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = member(x, x->f), *a = slow(x);
	uint64_t done = counter_get(COUNTER_cursors_done);

	comes(x, x->f, "r", 6);
	hears(b, 4, 6);
	assert_int_equal(x->f->hub->nlags, 1);
	assert_int_equal(counter_get(COUNTER_cursors_open), 1);
	fake_advance(x->w, 200);
	asks(x, x->f, BUS_HISTORY_AFTER, 4);
	comes(x, x->f, "r", 7);		/* before the answer, and in it */
	page(x, x->f, 5, 5, 1, true);
	asks(x, x->f, BUS_HISTORY_AFTER, 5);
	page(x, x->f, 6, 7, 1, false);
	assert_int_equal(x->f->hub->nlags, 0);
	a->window = SIZE_MAX;
	comes(x, x->f, "r", 8);
	hears(a, 4, 8);
	hears(b, 7, 8);
	asks_nothing(x, x->f);
	assert_int_equal(counter_get(COUNTER_cursors_done), done + 1);
}

/* In the stream the answer is behind what the others miss. */
static void
it_does_not_pass_by_a_room_that_is_healed(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = member(x, x->f), *a = slow(x);
	struct bus_envelope heal, own;

	fake_advance(x->w, 200);
	asks(x, x->f, BUS_HISTORY_AFTER, 4);
	own = x->asked;
	comes(x, x->f, "r", 8);		/* 6 and 7 are missing */
	asks(x, x->f, BUS_HISTORY_AFTER, 5);
	heal = x->asked;
	x->asked.ref = own.ref;
	page(x, x->f, 5, 8, 1, false);
	assert_int_equal(x->f->hub->nlags, 1);
	x->asked.ref = heal.ref;
	page(x, x->f, 6, 9, 1, false);
	hears(b, 4, 9);
	fake_advance(x->w, 600);
	asks(x, x->f, BUS_HISTORY_AFTER, 8);
	page(x, x->f, 9, 9, 1, false);
	a->window = SIZE_MAX;
	comes(x, x->f, "r", 10);
	hears(a, 4, 10);
	hears(b, 10, 10);
}

static void
who_is_not_answered_asks_again(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = slow(x);

	fake_advance(x->w, 200);
	asks(x, x->f, BUS_HISTORY_AFTER, 4);
	fake_advance(x->w, 2500);
	asks_nothing(x, x->f);
	fake_advance(x->w, 600);
	asks(x, x->f, BUS_HISTORY_AFTER, 4);
	leaves(x, x->f, "r");
	assert_int_equal(x->f->hub->nlags, 0);
	page(x, x->f, 5, 5, 1, false);
	a->window = SIZE_MAX;
	fake_say(x->f, a, "42/n,1[\"history:get\",{\"room\":\"r\"}]");
	fake_starts(a, "42/n,[\"m\",4");
	fake_starts(a, "42/n,[\"room:left\"");
	fake_starts(a, "43/n,1[{\"error\":{\"code\":\"not_member\"");
	fake_hears(a, "");
}

/* There are too many of them: as if rooms kept nothing. */
static void
one_of_too_many_is_queued_for(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = member(x, x->f);
	uint64_t refused = counter_get(COUNTER_cursors_refused);

	x->f->hub->kept_bytes = 16;
	a->window = 0;
	comes(x, x->f, "r", 4);
	x->f->hub->nlags = UINT32_MAX / 2;
	comes(x, x->f, "r", 5);
	comes(x, x->f, "r", 6);
	x->f->hub->nlags = 0;
	assert_int_equal(counter_get(COUNTER_cursors_refused), refused + 2);
	a->window = SIZE_MAX;
	x->f->hub->kept_bytes = 4096;
	comes(x, x->f, "r", 7);
	hears(a, 4, 7);
}

static void
its_place_goes_with_it_to_another_worker(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = member(x, x->g), *a = slow(x);
	struct moving m;

	comes(x, x->g, "r", 4);
	comes(x, x->g, "r", 5);
	moving_open(&m, x->f, x->g);
	a = moving(&m, a);
	moving_close(&m);
	assert_int_equal(x->f->hub->nlags, 0);
	assert_int_equal(x->g->hub->nlags, 1);
	comes(x, x->g, "r", 6);
	hears(b, 4, 6);
	fake_advance(x->w, 200);
	asks(x, x->g, BUS_HISTORY_AFTER, 4);
	page(x, x->g, 5, 6, 1, false);
	a->window = SIZE_MAX;
	comes(x, x->g, "r", 7);
	hears(a, 4, 7);
	hears(b, 7, 7);
}

/* What it has not read on to would be missing when it came back. */
static void
nor_is_it_kept_for_its_client(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = slow(x);

	fake_gone(x->f, a);
	fake_turn(x->w);
	assert_null(parked_first(x->f->hub));
	assert_int_equal(x->f->hub->nlags, 0);
	assert_int_equal(counter_get(COUNTER_cursors_open), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define KEPT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		KEPT_TEST(who_joins_is_told_page_by_page),
		KEPT_TEST(all_of_it_gone_is_a_gap),
		KEPT_TEST(who_has_left_is_given_no_page),
		KEPT_TEST(who_may_not_join_any_more_is_told_nothing),
		KEPT_TEST(who_leaves_before_it_is_in_does_not_come_in),
		KEPT_TEST(a_hole_is_healed_for_all_members),
		KEPT_TEST(nobody_comes_into_a_room_that_is_healed),
		KEPT_TEST(nobody_leaves_a_room_that_is_healed),
		KEPT_TEST(nor_do_those_who_are_parked),
		KEPT_TEST(who_reads_slowly_reads_on_in_the_store),
		KEPT_TEST(it_does_not_pass_by_a_room_that_is_healed),
		KEPT_TEST(who_is_not_answered_asks_again),
		KEPT_TEST(one_of_too_many_is_queued_for),
		KEPT_TEST(its_place_goes_with_it_to_another_worker),
		KEPT_TEST(nor_is_it_kept_for_its_client),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
