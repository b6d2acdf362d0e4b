/*
 * Rooms that keep a history, as a worker sees them, with a relay that is
 * written out here: places, holes, joins that wait, and what becomes of each
 * when no answer comes.
 */
#include "hub/hub_int.h"
#include "hub/store/store.h"
#include "hub/store/store_int.h"
#include "proto/bus.h"

#include "fake_host.h"
#include "tests/lib/check.h"

#define CONF \
	"store { room_bytes = 4KB }\n" \
	"limits { rooms_per_session = 3 }\n" \
	"namespace \"/n\" { auth = none\n" \
	"  room \"k:{r}\" { join = open history = 10 }\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off ack = accepted }\n" \
	"  event \"d\" { to = room:room meta = off ack = delivered }\n" \
	"  event \"e\" { to = room:room meta = off } }\n"
#define JOIN(ack, more) "42/n," ack "[\"room:join\",{\"room\":\"k:1\"" more "}]"
#define SINCE(o) ",\"since\":{\"epoch\":\"e1\",\"offset\":" o "}"

struct fixture {
	struct fake_world *w;
	struct fake_host *f;
	struct fake_conn *a;
	struct bus_envelope asked;	/* of the relay, the last one */
	struct buf	 text;		/* its frame */
};

static int
setup_of(void **state, const char *conf)
{
	struct fixture *x = *state = calloc(1, sizeof *x);

	x->w = fake_world_new(conf);
	x->f = fake_host_new(x->w, 1);
	x->a = fake_enter(x->f, "/n", NULL);
	buf_init(&x->text);
	return (0);
}

static int
setup(void **state)
{
	return (setup_of(state, CONF));
}

static int
setup_recovery(void **state)
{
	return (setup_of(state, "recovery { window = 30s }\n" CONF));
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	fake_world_free(&x->w);
	buf_fini(&x->text);
	free(x);
	return (0);
}

/* --- the relay ------------------------------------------------------------- */

/* The next frame that the worker has for it; 0: none. */
static enum bus_kind
asked(struct fixture *x)
{
	struct slice in;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	fake_turn(x->w);
	in = buf_unread(&x->f->relay);
	if (in.n == 0)
		return (0);
	n = bus_frame(in, slots, &flags);
	assert_true(n > 0 && (flags & BUS_RELAY) != 0);
	buf_reset(&x->text);
	buf_slice(&x->text, slice_of(in.p, (size_t)n));
	buf_consume(&x->f->relay, (size_t)n);
	assert_true(bus_decode(buf_unread(&x->text), &x->asked) == n);
	return (x->asked.kind);
}

static void
says(struct fixture *x, struct bus_envelope *e)
{
	struct buf b;

	buf_init(&b);
	assert_true(bus_encode(&b, e));
	hub_bus_frame(x->f->hub, buf_unread(&b));
	buf_fini(&b);
	fake_turn(x->w);
}

/* A numbered event; its text is its number. */
static void
event(struct bus_envelope *e, const char *epoch, uint64_t kept, char text[24])
{
	struct bus_publish *p = bus_publish(e);

	(void)snprintf(text, 24, "%llu", (unsigned long long)kept);
	e->flags = BUS_NUMBERED;
	e->from = e->generation = 0;
	e->ref = 0;
	slotset_only(e->slots, 1);
	p->nsp = SLICE("/n");
	p->event = SLICE("\"m\"");
	p->args = slice_str(text);
	p->epoch = slice_str(epoch);
	p->kept = kept;
	p->to.rooms[p->to.nrooms++] = SLICE("k:1");
}

static void
comes(struct fixture *x, const char *epoch, uint64_t kept)
{
	struct bus_envelope e;
	char text[24];

	event(&e, epoch, kept, text);
	says(x, &e);
}

/* The answer to the question that was read last: events from..to of e1. */
static void
page(struct fixture *x, enum bus_store result, uint64_t from, uint64_t to,
    uint64_t top, bool more)
{
	struct bus_envelope e;
	struct buf frames;
	char text[24];
	uint32_t ref = x->asked.ref;

	buf_init(&frames);
	for (; from <= to; from++) {
		event(&e, "e1", from, text);
		assert_true(bus_encode(&frames, &e));
	}
	bus_page(&e, result);
	e.from = e.generation = 0;
	slotset_only(e.slots, 1);
	e.ref = ref;
	e.flags = more ? BUS_MORE : 0;
	e.page.epoch = SLICE("e1");
	e.page.top = top;
	e.page.first = top == 0 ? 0 : 1;
	e.page.frames = buf_unread(&frames);
	says(x, &e);
	buf_fini(&frames);
}

static void
kept(struct fixture *x, enum bus_store result, uint64_t at, unsigned slot)
{
	struct bus_envelope e;
	uint32_t ref = x->asked.ref;

	bus_kept(&e, result);
	e.from = e.generation = 0;
	slotset_only(e.slots, 1);
	e.ref = ref;
	e.kept.epoch = SLICE("e1");
	e.kept.kept = at;
	if (slot != 0)
		slotset_only(e.kept.slots, slot);
	says(x, &e);
}

/* --- joins ----------------------------------------------------------------- */

/* a is in k:1, which stands at `at` of e1. */
static void
enter(struct fixture *x, uint64_t at)
{
	char want[96];

	fake_say(x->f, x->a, JOIN("1", ""));
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.from, BUS_HISTORY_TOP);
	fake_hears(x->a, "");
	page(x, BUS_STORE_OK, 1, 0, at, false);
	(void)snprintf(want, sizeof want, "43/n,1[{\"room\":\"k:1\",\"epoch\":"
	    "\"e1\",\"offset\":%llu,\"recovered\":false}]",
	    (unsigned long long)at);
	fake_hears(x->a, want);
}

static void
a_join_waits_for_what_was_missed(void **state)
{
	struct fixture *x = *state;
	uint64_t asks = counter_get(COUNTER_history_asks);
	uint64_t replays = counter_get(COUNTER_history_replays);

	fake_say(x->f, x->a, JOIN("1", SINCE("3")));
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.from, BUS_HISTORY_AFTER);
	assert_int_equal(x->asked.history.since, 3);
	/* what comes before the answer is in it */
	comes(x, "e1", 5);
	fake_hears(x->a, "");
	page(x, BUS_STORE_OK, 4, 4, 5, true);
	fake_hears(x->a, "42/n,[\"m\",4]");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 4);
	page(x, BUS_STORE_OK, 5, 5, 5, false);
	fake_hears(x->a, "42/n,[\"m\",5]");
	fake_hears(x->a, "43/n,1[{\"room\":\"k:1\",\"epoch\":\"e1\","
	    "\"offset\":5,\"recovered\":true}]");
	comes(x, "e1", 6);
	fake_hears(x->a, "42/n,[\"m\",6]");
	assert_int_equal(counter_get(COUNTER_history_asks) - asks, 2);
	assert_int_equal(counter_get(COUNTER_history_replays) - replays, 1);
	assert_false(store_any(x->f->hub));
}

static void
where_it_stands_is_known_by_those_who_are_there(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = fake_enter(x->f, "/n", NULL);

	enter(x, 7);
	fake_say(x->f, b, JOIN("1", ""));
	fake_hears(b, "43/n,1[{\"room\":\"k:1\",\"epoch\":\"e1\",\"offset\":7,"
	    "\"recovered\":false}]");
	fake_say(x->f, b, JOIN("2", SINCE("7")));
	fake_hears(b, "43/n,2[{\"room\":\"k:1\",\"epoch\":\"e1\",\"offset\":7,"
	    "\"recovered\":true}]");
	assert_int_equal(asked(x), 0);
}

/* Whoever joins behind the last event is told that it is one, without a word to
 * the relay; until the room has begun anew. */
static void
the_end_of_a_room_is_told(void **state)
{
#define END(ack, recovered) "43/n," ack "[{\"room\":\"k:1\",\"epoch\":\"e1\"," \
	    "\"offset\":8,\"finished\":true,\"recovered\":" recovered "}]"
	struct fixture *x = *state;
	struct fake_conn *b = fake_enter(x->f, "/n", NULL);
	struct bus_envelope e;
	char text[24];

	enter(x, 7);
	event(&e, "e1", 8, text);
	e.flags |= BUS_FINISH;
	says(x, &e);
	fake_hears(x->a, "42/n,[\"m\",8]");
	fake_say(x->f, b, JOIN("1", ""));
	fake_hears(b, END("1", "false"));
	fake_say(x->f, b, JOIN("2", SINCE("8")));
	fake_hears(b, END("2", "true"));
	/* as the relay says again where it stands */
	bus_publish(&e)->kept = 8;
	e.flags = BUS_NUMBERED;
	e.from = e.generation = 0;
	e.ref = 0;
	slotset_only(e.slots, 1);
	e.publish.nsp = SLICE("/n");
	e.publish.epoch = SLICE("e1");
	e.publish.to.rooms[e.publish.to.nrooms++] = SLICE("k:1");
	says(x, &e);
	fake_say(x->f, b, JOIN("3", ""));
	fake_hears(b, END("3", "false"));
	assert_int_equal(asked(x), 0);
	comes(x, "e2", 1);
	fake_hears(x->a, "42/n,[\"m\",1]");
	fake_hears(b, "42/n,[\"m\",1]");
	fake_say(x->f, b, JOIN("4", ""));
	fake_hears(b, "43/n,4[{\"room\":\"k:1\",\"epoch\":\"e2\",\"offset\":1,"
	    "\"recovered\":false}]");
#undef END
}

static void
joins_without_an_answer(void **state)
{
	struct fixture *x = *state;
	uint64_t unheard = counter_get(COUNTER_history_joins_unheard);
	uint64_t late = counter_get(COUNTER_history_asks_timed_out);
	uint64_t partial = counter_get(COUNTER_history_replays_partial);
	const char *none = "43/n,1[{\"room\":\"k:1\",\"recovered\":false}]";

	fake_say(x->f, x->a, JOIN("1", SINCE("3")));
	assert_int_equal(asked(x), BUS_HISTORY);
	fake_advance(x->w, STORE_TIMEOUT_MS);
	fake_turn(x->w);
	fake_hears(x->a, none);
	page(x, BUS_STORE_OK, 4, 4, 4, false);	/* too late */
	fake_hears(x->a, "");
	assert_int_equal(counter_get(COUNTER_history_asks_timed_out) - late, 1);
	fake_say(x->f, x->a, "42/n,[\"room:leave\",{\"room\":\"k:1\"}]");
	/* there is no relay */
	x->f->bus_down = true;
	fake_say(x->f, x->a, JOIN("1", SINCE("3")));
	fake_hears(x->a, none);
	x->f->bus_down = false;
	fake_say(x->f, x->a, "42/n,[\"room:leave\",{\"room\":\"k:1\"}]");
	/* it goes */
	fake_say(x->f, x->a, JOIN("1", SINCE("3")));
	assert_int_equal(asked(x), BUS_HISTORY);
	hub_bus_lost(x->f->hub);
	fake_turn(x->w);
	fake_hears(x->a, none);
	assert_int_equal(counter_get(COUNTER_history_joins_unheard) - unheard,
	    3);
	assert_int_equal(counter_get(COUNTER_history_replays_partial) -
	    partial, 3);
	/* it is in the room all the same */
	comes(x, "e2", 9);
	fake_hears(x->a, "42/n,[\"m\",9]");
}

static void
who_is_gone_holds_no_room(void **state)
{
	struct fixture *x = *state;
	uint64_t rooms = counter_get(COUNTER_rooms);

	fake_say(x->f, x->a, JOIN("1", ""));
	fake_say(x->f, x->a, JOIN("2", ""));
	fake_starts(x->a, "43/n,2[{\"error\":{\"code\":\"limit\"");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(counter_get(COUNTER_rooms) - rooms, 1);
	assert_true(store_waits(x->a->client));
	fake_gone(x->f, x->a);
	page(x, BUS_STORE_OK, 1, 2, 2, false);
	assert_int_equal(counter_get(COUNTER_rooms) - rooms, 0);
	assert_false(store_any(x->f->hub));
}

/* It may come back, but what it asked is not known to it any more. */
static void
who_waits_for_recovery_has_not_joined(void **state)
{
	struct fixture *x = *state;
	struct client **c = &x->a->client;
	uint64_t rooms = counter_get(COUNTER_rooms);

	fake_say(x->f, x->a, JOIN("1", SINCE("0")));
	fake_say(x->f, x->a, "42/n,3[\"m\",{\"room\":\"k:1\"}]");
	fake_next(x->a);	/* not a member */
	assert_int_equal(asked(x), BUS_HISTORY);
	client_gone(c, REASON_client_gone);
	fake_turn(x->w);
	page(x, BUS_STORE_OK, 1, 2, 2, false);
	assert_int_equal(counter_get(COUNTER_rooms) - rooms, 0);
	comes(x, "e1", 3);
	assert_false(store_any(x->f->hub));
}

static void
joins_that_wait_count_as_rooms(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"p\"}]");
	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"k:2\"}]");
	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"k:3\"}]");
	fake_say(x->f, x->a, JOIN("4", ""));
	fake_starts(x->a, "43/n,4[{\"error\":{\"code\":\"limit\"");
}

/* --- holes ----------------------------------------------------------------- */

static void
a_hole_is_asked_for_once_and_healed_in_order(void **state)
{
	struct fixture *x = *state;
	uint64_t holes = counter_get(COUNTER_history_holes);
	uint64_t healed = counter_get(COUNTER_history_healed);
	uint64_t again = counter_get(COUNTER_history_repeated);
	struct fake_conn *b = fake_enter(x->f, "/n", NULL);

	enter(x, 2);
	comes(x, "e1", 3);
	comes(x, "e1", 3);
	fake_hears(x->a, "42/n,[\"m\",3]");
	fake_hears(x->a, "");
	assert_int_equal(counter_get(COUNTER_history_repeated) - again, 1);
	comes(x, "e1", 6);
	comes(x, "e1", 7);
	fake_hears(x->a, "");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 3);
	assert_true(store_waits(x->a->client));
	/* who joins meanwhile waits for it, and has nothing twice */
	fake_say(x->f, b, JOIN("1", SINCE("5")));
	page(x, BUS_STORE_OK, 4, 7, 7, false);
	fake_hears(x->a, "42/n,[\"m\",4]");
	fake_hears(x->a, "42/n,[\"m\",5]");
	fake_hears(x->a, "42/n,[\"m\",6]");
	fake_hears(x->a, "42/n,[\"m\",7]");
	fake_hears(x->a, "");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 5);
	page(x, BUS_STORE_OK, 6, 7, 7, false);
	fake_hears(b, "42/n,[\"m\",6]");
	fake_hears(b, "42/n,[\"m\",7]");
	fake_starts(b, "43/n,1[{\"room\":\"k:1\",\"epoch\":\"e1\",\"offset\":7");
	comes(x, "e1", 8);
	fake_hears(x->a, "42/n,[\"m\",8]");
	fake_hears(b, "42/n,[\"m\",8]");
	fake_hears(b, "");
	assert_int_equal(counter_get(COUNTER_history_holes) - holes, 1);
	assert_int_equal(counter_get(COUNTER_history_healed) - healed, 1);
	assert_int_equal(asked(x), 0);
}

/* It may be the very next one; the rest of the answer has it. */
static void
an_event_between_two_pages_of_what_is_missing(void **state)
{
	struct fixture *x = *state;

	enter(x, 2);
	comes(x, "e1", 6);
	assert_int_equal(asked(x), BUS_HISTORY);
	page(x, BUS_STORE_OK, 3, 4, 6, true);
	fake_hears(x->a, "42/n,[\"m\",3]");
	fake_hears(x->a, "42/n,[\"m\",4]");
	comes(x, "e1", 5);
	comes(x, "e1", 7);
	fake_hears(x->a, "");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 4);
	page(x, BUS_STORE_OK, 5, 7, 7, false);
	fake_hears(x->a, "42/n,[\"m\",5]");
	fake_hears(x->a, "42/n,[\"m\",6]");
	fake_hears(x->a, "42/n,[\"m\",7]");
	comes(x, "e1", 8);
	fake_hears(x->a, "42/n,[\"m\",8]");
	fake_hears(x->a, "");
	assert_int_equal(asked(x), 0);
}

/* A join finds out that the others miss something: they are told first. */
static void
a_join_finds_a_hole(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = fake_enter(x->f, "/n", NULL);

	enter(x, 2);
	fake_say(x->f, b, JOIN("1", SINCE("1")));
	assert_int_equal(asked(x), BUS_HISTORY);
	page(x, BUS_STORE_OK, 2, 4, 4, false);
	fake_hears(b, "");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 2);
	page(x, BUS_STORE_OK, 3, 4, 4, false);
	fake_hears(x->a, "42/n,[\"m\",3]");
	fake_hears(x->a, "42/n,[\"m\",4]");
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 1);
	page(x, BUS_STORE_OK, 2, 4, 4, false);
	fake_hears(b, "42/n,[\"m\",2]");
	fake_hears(b, "42/n,[\"m\",3]");
	fake_hears(b, "42/n,[\"m\",4]");
	fake_starts(b, "43/n,1[{\"room\":\"k:1\",\"epoch\":\"e1\",\"offset\":4");
	fake_hears(x->a, "");
}

static void
what_cannot_be_healed_is_told(void **state)
{
	struct fixture *x = *state;
	uint64_t unhealed = counter_get(COUNTER_history_unhealed);

	enter(x, 2);
	comes(x, "e1", 6);		/* no answer */
	assert_int_equal(asked(x), BUS_HISTORY);
	fake_advance(x->w, STORE_TIMEOUT_MS);
	fake_turn(x->w);
	fake_starts(x->a, "42/n,[\"roost:gap\",{\"room\":\"k:1\"");
	comes(x, "e1", 7);
	fake_hears(x->a, "42/n,[\"m\",7]");
	comes(x, "e1", 20);		/* not all is there any more */
	assert_int_equal(asked(x), BUS_HISTORY);
	page(x, BUS_STORE_GAP, 15, 20, 20, false);
	fake_starts(x->a, "42/n,[\"roost:gap\",{\"room\":\"k:1\"");
	fake_hears(x->a, "42/n,[\"m\",15]");
	for (int i = 16; i <= 20; i++)
		fake_starts(x->a, "42/n,[\"m\",");
	comes(x, "e1", 30);		/* it goes */
	assert_int_equal(asked(x), BUS_HISTORY);
	hub_bus_lost(x->f->hub);
	fake_turn(x->w);
	fake_starts(x->a, "42/n,[\"roost:gap\",{\"room\":\"k:1\"");
	assert_int_equal(counter_get(COUNTER_history_unhealed) - unhealed, 3);
}

/* The relay had no room for something: not all can know that by a number. */
static void
a_gap_of_the_relay_is_healed(void **state)
{
	struct fixture *x = *state;
	struct bus_envelope e;
	struct bus_publish *p;

	enter(x, 2);
	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"q\"}]");
	for (int i = 0; i < 2; i++) {
		p = bus_publish(&e);
		e.flags = BUS_NAMED;
		e.from = e.generation = 0;
		e.ref = 0;
		slotset_only(e.slots, 1);
		p->nsp = SLICE("/n");
		p->event = SLICE("\"roost:gap\"");
		p->args = SLICE("{}");
		p->to.rooms[p->to.nrooms++] = i == 0 ? SLICE("k:1") :
		    SLICE("q");
		says(x, &e);
	}
	fake_hears(x->a, "42/n,[\"roost:gap\",{}]");
	assert_int_equal(asked(x), BUS_HISTORY);
	page(x, BUS_STORE_OK, 3, 3, 3, false);
	fake_hears(x->a, "42/n,[\"m\",3]");
	fake_hears(x->a, "");
}

static void
another_epoch_begins_at_its_first(void **state)
{
	struct fixture *x = *state;

	enter(x, 5);
	comes(x, "e2", 1);
	fake_hears(x->a, "42/n,[\"m\",1]");
	comes(x, "e3", 1);
	fake_hears(x->a, "42/n,[\"m\",1]");
	comes(x, "e1", 3);		/* and its first ones are missing */
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 0);
	/* no more than members have room for */
	assert_int_equal(x->asked.history.bytes, 1000000 / 4);
	assert_true(slice_eq(x->asked.history.epoch, SLICE("e1")));
	page(x, BUS_STORE_OK, 1, 3, 3, false);
	fake_hears(x->a, "42/n,[\"m\",1]");
	fake_hears(x->a, "42/n,[\"m\",2]");
	fake_hears(x->a, "42/n,[\"m\",3]");
	fake_hears(x->a, "");
}

static void
an_epoch_that_is_back_goes_on(void **state)
{
	struct fixture *x = *state;

	enter(x, 5);
	comes(x, "e2", 1);
	fake_hears(x->a, "42/n,[\"m\",1]");
	comes(x, "e1", 7);
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 5);
	assert_true(slice_eq(x->asked.history.epoch, SLICE("e1")));
	page(x, BUS_STORE_OK, 6, 7, 7, false);
	fake_hears(x->a, "42/n,[\"m\",6]");
	fake_hears(x->a, "42/n,[\"m\",7]");
	fake_hears(x->a, "");
}

/* --- publications ---------------------------------------------------------- */

static void
an_ack_waits_for_its_place(void **state)
{
	struct fixture *x = *state;
	uint64_t keeps = counter_get(COUNTER_keeps);

	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"q\"}]");
	enter(x, 0);
	fake_say(x->f, x->a, "42/n,3[\"m\",{\"room\":\"k:1\"}]");
	assert_int_equal(asked(x), BUS_KEEP);
	assert_int_equal(x->asked.publish.to.nexcept, 1);
	fake_hears(x->a, "");
	kept(x, BUS_STORE_OK, 4, 0);
	fake_starts(x->a, "43/n,3[{\"id\":\"");
	/* without an ack nobody is asked */
	fake_say(x->f, x->a, "42/n,[\"e\",{\"room\":\"k:1\"}]");
	assert_int_equal(asked(x), BUS_KEEP);
	assert_int_equal(x->asked.ref, 0);
	/* as before: not a word to the relay */
	fake_say(x->f, x->a, "42/n,4[\"m\",{\"room\":\"q\"}]");
	fake_starts(x->a, "43/n,4[{\"id\":\"");
	assert_int_equal(asked(x), 0);
	assert_int_equal(counter_get(COUNTER_keeps) - keeps, 2);
}

static void
who_got_it_is_counted(void **state)
{
	struct fixture *x = *state;
	struct bus_envelope e;

	enter(x, 0);
	fake_say(x->f, x->a, "42/n,3[\"d\",{\"room\":\"k:1\"}]");
	assert_int_equal(asked(x), BUS_KEEP);
	assert_true((x->asked.flags & BUS_WANT_COUNT) != 0);
	kept(x, BUS_STORE_OK, 1, 2);
	fake_hears(x->a, "");
	bus_count(&e, 5);
	e.flags = BUS_NUMBERED;
	e.from = 2;
	e.generation = 1;
	e.ref = x->asked.ref;
	slotset_only(e.slots, 1);
	says(x, &e);
	assert_non_null(strstr(fake_next(x->a),
	    "\"delivered\":5,\"epoch\":\"e1\",\"offset\":1}]"));
}

static void
what_is_not_kept_is_refused(void **state)
{
	static const struct {
		enum bus_store	 result;
		const char	*code;
	} t[] = {
		{ BUS_STORE_TOO_LARGE, "too_large" },
		{ BUS_STORE_FINISHED, "finished" },
		{ BUS_STORE_UNAVAILABLE, "unavailable" },
	};
	struct fixture *x = *state;
	uint64_t failed = counter_get(COUNTER_keeps_failed);
	uint64_t refused = counter_get(COUNTER_keeps_refused);
	char want[80];
	size_t i;

	enter(x, 0);
	for (i = 0; i < nitems(t); i++) {
		fake_say(x->f, x->a, "42/n,3[\"m\",{\"room\":\"k:1\"}]");
		assert_int_equal(asked(x), BUS_KEEP);
		kept(x, t[i].result, 0, 0);
		(void)snprintf(want, sizeof want,
		    "43/n,3[{\"error\":{\"code\":\"%s\"", t[i].code);
		fake_starts(x->a, want);
	}
	fake_say(x->f, x->a, "42/n,3[\"m\",{\"room\":\"k:1\"}]");
	fake_advance(x->w, STORE_TIMEOUT_MS);
	fake_turn(x->w);
	fake_starts(x->a, "43/n,3[{\"error\":{\"code\":\"unavailable\"");
	assert_int_equal(counter_get(COUNTER_keeps_failed) - failed, 3);
	x->f->bus_down = true;
	fake_say(x->f, x->a, "42/n,3[\"m\",{\"room\":\"k:1\"}]");
	fake_starts(x->a, "43/n,3[{\"error\":{\"code\":\"unavailable\"");
	fake_say(x->f, x->a, "42/n,[\"e\",{\"room\":\"k:1\"}]");
	fake_starts(x->a, "42/n,[\"error\",{\"code\":\"unavailable\"");
	x->f->bus_down = false;
	assert_int_equal(counter_get(COUNTER_keeps_refused) - refused, 2);
}

/* --- bounds ---------------------------------------------------------------- */

static void
no_more_questions_than_there_is_room_for(void **state)
{
	struct fixture *x = *state;
	uint64_t refused = counter_get(COUNTER_history_asks_refused);
	uint64_t keeps = counter_get(COUNTER_keeps_refused);
	unsigned i;

	enter(x, 0);
	for (i = 0; i < STORE_ASKS_MAX; i++)
		fake_text(x->f, x->a,
		    "42/n,1[\"history:get\",{\"room\":\"k:1\"}]");
	fake_turn(x->w);
	fake_hears(x->a, "");
	fake_say(x->f, x->a, "42/n,1[\"history:get\",{\"room\":\"k:1\"}]");
	fake_starts(x->a, "43/n,1[{\"error\":{\"code\":\"unavailable\"");
	fake_say(x->f, x->a, "42/n,2[\"room:join\",{\"room\":\"k:2\"}]");
	fake_hears(x->a, "43/n,2[{\"room\":\"k:2\",\"recovered\":false}]");
	assert_int_equal(counter_get(COUNTER_history_asks_refused) - refused,
	    2);
	for (i = 0; i < STORE_KEEPS_MAX; i++)
		fake_text(x->f, x->a, "42/n,1[\"m\",{\"room\":\"k:1\"}]");
	fake_say(x->f, x->a, "42/n,1[\"m\",{\"room\":\"k:1\"}]");
	fake_starts(x->a, "43/n,1[{\"error\":{\"code\":\"unavailable\"");
	assert_int_equal(counter_get(COUNTER_keeps_refused) - keeps, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_join_waits_for_what_was_missed),
		TEST(where_it_stands_is_known_by_those_who_are_there),
		TEST(the_end_of_a_room_is_told),
		TEST(joins_without_an_answer),
		TEST(who_is_gone_holds_no_room),
		cmocka_unit_test_setup_teardown(
		    who_waits_for_recovery_has_not_joined, setup_recovery,
		    teardown),
		TEST(joins_that_wait_count_as_rooms),
		TEST(a_hole_is_asked_for_once_and_healed_in_order),
		TEST(an_event_between_two_pages_of_what_is_missing),
		TEST(a_join_finds_a_hole),
		TEST(what_cannot_be_healed_is_told),
		TEST(a_gap_of_the_relay_is_healed),
		TEST(another_epoch_begins_at_its_first),
		TEST(an_epoch_that_is_back_goes_on),
		TEST(an_ack_waits_for_its_place),
		TEST(who_got_it_is_counted),
		TEST(what_is_not_kept_is_refused),
		TEST(no_more_questions_than_there_is_room_for),
	};
#undef TEST

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
