/*
 * Sessions that a worker takes from the store, with a relay that is written out
 * here: what it tells, what it asks, and what becomes of each answer.
 */
#include "base/state.h"
#include "hub/hub_int.h"
#include "proto/bus.h"
#include "shm/counters.h"

#include "fake_host.h"
#include "tests/lib/check.h"

#define CONF \
	"recovery { window = 30s packets = 3 }\n" \
	"namespace \"/n\" { auth = none recovery = store\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off }\n" \
	"  event \"v\" { to = sender meta = off volatile = true } }\n"
#define PID	"pidpidpidpidpidpidpi"
#define SID	"sidsidsidsidsidsidsi"
#define CONNECT(offset) "40/n,{\"pid\":\"" PID "\"" offset "}"
#define BACK	"40/n,{\"sid\":\"" SID "\",\"pid\":\"" PID "\"}"

struct fixture {
	struct fake_world *w;
	struct fake_host *f;
	struct fake_conn *a;
	struct bus_envelope asked;	/* of the relay, the last one */
	struct buf	 text;		/* its frame */
	uint64_t	 recovered, failed;
};

static int
setup(void **state)
{
	struct fixture *x = *state = calloc(1, sizeof *x);

	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->a = fake_engine(x->f, NULL);
	fake_turn(x->w);
	(void)fake_next(x->a);
	buf_init(&x->text);
	x->recovered = counter_get(COUNTER_recovered);
	x->failed = counter_get(COUNTER_recovery_failed);
	return (0);
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

/* --- the relay ------------------------------------------------------------ */

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
	assert_true(n > 0);
	buf_reset(&x->text);
	buf_slice(&x->text, slice_of(in.p, (size_t)n));
	buf_consume(&x->f->relay, (size_t)n);
	assert_true(bus_decode(buf_unread(&x->text), &x->asked) == n);
	return (x->asked.kind);
}

/* It tells this of a session. */
static void
tells(struct fixture *x, enum bus_session_is is)
{
	assert_int_equal(asked(x), BUS_SESSION);
	assert_int_equal(x->asked.session.is, is);
}

static void
says(struct fixture *x, struct bus_envelope *e)
{
	struct buf b;

	e->from = e->generation = 0;
	slotset_only(e->slots, 1);
	buf_init(&b);
	assert_true(bus_encode(&b, e));
	hub_bus_frame(x->f->hub, buf_unread(&b));
	buf_fini(&b);
	fake_turn(x->w);
}

/* An event of the journal, for a room; its text is its place. */
static void
event(struct bus_envelope *e, uint64_t place, const char *room, char text[64])
{
	struct bus_publish *p = bus_publish(e);
	int n = snprintf(text, 64, "\"e1:%llu\"", (unsigned long long)place);

	e->flags = BUS_NUMBERED;
	e->ref = 0;
	p->nsp = SLICE("/n");
	p->event = SLICE("\"m\"");
	p->args = slice_of(text + 4, (size_t)n - 5);
	p->offset = slice_of(text, (size_t)n);
	p->to.rooms[p->to.nrooms++] = slice_str(room);
}

static void
comes(struct fixture *x, uint64_t place, const char *room)
{
	struct bus_envelope e;
	char text[64];

	event(&e, place, room, text);
	says(x, &e);
}

/* What it has missed: from..to, those that are even of room q. */
static void
page(struct fixture *x, enum bus_store result, uint64_t from, uint64_t to,
    bool more)
{
	static struct bus_envelope e;
	struct buf frames;
	char text[64];
	uint32_t ref = x->asked.ref;

	buf_init(&frames);
	for (; from <= to; from++) {
		event(&e, from, from % 2 == 0 ? "q" : "r", text);
		e.from = e.generation = 0;
		slotset_clear(e.slots);
		assert_true(bus_encode(&frames, &e));
	}
	bus_page(&e, result);
	e.ref = ref;
	e.flags = more ? BUS_MORE : 0;
	e.page.epoch = SLICE("e1");
	e.page.top = to;
	e.page.first = 1;
	e.page.frames = buf_unread(&frames);
	says(x, &e);
	buf_fini(&frames);
}

static void
put_room(struct buf *b, char kind, uint64_t from, uint64_t to,
    const char *name)
{
	state_put_u8(b, (uint8_t)kind);
	state_put_u64(b, from);
	state_put_u64(b, to);
	state_put_slice(b, slice_str(name));
}

/* It is in r, for which it has asked, and was in q up to place 6. */
static void
taken(struct fixture *x, enum bus_session_is is, uint64_t since)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION_TAKEN, is);
	struct buf records;

	buf_init(&records);
	put_room(&records, 'a', 0, 0, "r");
	put_room(&records, 'r', 0, 6, "q");
	e.ref = x->asked.ref;
	b->nsp = SLICE("/n");
	b->pid = SLICE(PID);
	b->sid = SLICE(SID);
	b->offset = SLICE("\"e1:9\"");
	b->since = since;
	b->records = buf_unread(&records);
	says(x, &e);
	buf_fini(&records);
}

static void
over(struct fixture *x)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION_OVER,
	    BUS_SESSION_AWAY);

	e.ref = 0;
	b->nsp = SLICE("/n");
	b->pid = SLICE(PID);
	says(x, &e);
}

/* It asks for the session, and is given it behind place 4. */
static void
takes(struct fixture *x)
{
	fake_say(x->f, x->a, CONNECT(",\"offset\":\"e1:4\""));
	assert_int_equal(asked(x), BUS_SESSION_TAKE);
	assert_true(slice_eq(x->asked.session.pid, SLICE(PID)));
	assert_true(slice_eq(x->asked.session.offset, SLICE("\"e1:4\"")));
	taken(x, BUS_SESSION_YOURS, 4);
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 4);
	assert_true(slice_eq(x->asked.history.epoch, SLICE("e1")));
}

static void
comes_back(struct fixture *x)
{
	takes(x);
	page(x, BUS_STORE_OK, 5, 5, false);
	fake_hears(x->a, BACK);
	fake_hears(x->a, "42/n,[\"m\",5,\"e1:5\"]");
	fake_hears(x->a, "");
	assert_int_equal(counter_get(COUNTER_recovered) - x->recovered, 1);
}

/* A new session, and the store hears of it; told: what before. */
static void
is_another(struct fixture *x, bool ended)
{
	const char *got = fake_next(x->a);

	assert_int_equal(0, strncmp(got, "40/n,{\"sid\":\"", 13));
	assert_null(strstr(got, PID));
	fake_hears(x->a, "");
	if (ended)
		tells(x, BUS_SESSION_ENDED);
	tells(x, BUS_SESSION_BEGUN);
	assert_int_equal(asked(x), 0);
	assert_int_equal(counter_get(COUNTER_recovery_failed) - x->failed, 1);
}

/* --- tests ---------------------------------------------------------------- */

static void
the_store_is_told_what_changes(void **state)
{
	struct fixture *x = *state;
	struct state_in in;

	fake_say(x->f, x->a, "40/n,");
	(void)fake_next(x->a);
	tells(x, BUS_SESSION_BEGUN);
	assert_int_equal(x->asked.session.sid.n, 20);
	fake_say(x->f, x->a, "42/n,0[\"room:join\",{\"room\":\"r\"}]");
	tells(x, BUS_SESSION_ROOMS);
	in = state_in(x->asked.session.records);
	assert_int_equal(state_get_u8(&in), 'a');
	assert_int_equal(state_get_slice(&in).n, 0);
	assert_true(slice_eq(state_get_slice(&in), SLICE("r")));
	comes(x, 3, "r");
	assert_int_equal(asked(x), 0);	/* not for what it is sent */
	fake_say(x->f, x->a, "42/n,0[\"room:leave\",{\"room\":\"r\"}]");
	tells(x, BUS_SESSION_ROOMS);
	in = state_in(x->asked.session.records);
	assert_int_equal(state_get_u8(&in), 'l');
	assert_true(slice_eq(state_get_slice(&in), SLICE("\"e1:3\"")));
	fake_gone(x->f, x->a);
	tells(x, BUS_SESSION_AWAY);
	assert_int_equal(asked(x), 0);
}

/* Whoever leaves does not come back. */
static void
who_leaves_is_over(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "40/n,");
	tells(x, BUS_SESSION_BEGUN);
	fake_say(x->f, x->a, "42/n,0[\"room:join\",{\"room\":\"r\"}]");
	tells(x, BUS_SESSION_ROOMS);
	fake_say(x->f, x->a, "41/n,");
	tells(x, BUS_SESSION_ENDED);
	assert_int_equal(asked(x), 0);
}

/* What has no place says where the journal stands. */
static void
what_has_no_place_names_the_last(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "40/n,");
	(void)fake_next(x->a);
	fake_say(x->f, x->a, "42/n,[\"v\",1]");
	fake_hears(x->a, "42/n,[\"v\",1,\":0\"]");
	comes(x, 7, "nobody's");
	fake_say(x->f, x->a, "42/n,[\"v\",2]");
	fake_hears(x->a, "42/n,[\"v\",2,\"e1:7\"]");
}

static void
who_comes_back_is_told_what_was_his(void **state)
{
	struct fixture *x = *state;

	takes(x);
	comes(x, 10, "r");	/* it is in the journal, too */
	fake_hears(x->a, "");
	page(x, BUS_STORE_OK, 5, 7, true);
	assert_int_equal(asked(x), BUS_HISTORY);
	assert_int_equal(x->asked.history.since, 7);
	page(x, BUS_STORE_OK, 8, 8, false);
	fake_hears(x->a, BACK);
	fake_hears(x->a, "42/n,[\"m\",5,\"e1:5\"]");
	fake_hears(x->a, "42/n,[\"m\",6,\"e1:6\"]");
	fake_hears(x->a, "42/n,[\"m\",7,\"e1:7\"]");
	fake_hears(x->a, "");
	comes(x, 11, "r");
	fake_hears(x->a, "42/n,[\"m\",11,\"e1:11\"]");
	comes(x, 12, "q");
	fake_hears(x->a, "");
	/* the store knows all that */
	assert_int_equal(asked(x), 0);
	fake_gone(x->f, x->a);
	tells(x, BUS_SESSION_AWAY);
}

static void
nobodys_is_another(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, CONNECT(""));
	assert_int_equal(asked(x), BUS_SESSION_TAKE);
	taken(x, BUS_SESSION_NOBODYS, 0);
	is_another(x, false);
}

static void
what_is_not_known_any_more_is_told(void **state)
{
	struct fixture *x = *state;

	takes(x);
	page(x, BUS_STORE_GAP, 6, 8, false);
	is_another(x, true);
}

/* More than recovery { packets }. */
static void
too_much_is_told(void **state)
{
	struct fixture *x = *state;

	takes(x);
	page(x, BUS_STORE_OK, 5, 11, false);
	is_another(x, true);
}

static void
no_answer_is_another(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, CONNECT(""));
	assert_int_equal(asked(x), BUS_SESSION_TAKE);
	fake_advance(x->w, 1500);
	is_another(x, false);
	/* it comes yet: he may come back with it, not with both */
	taken(x, BUS_SESSION_YOURS, 4);
	tells(x, BUS_SESSION_AWAY);
	assert_true(slice_eq(x->asked.session.pid, SLICE(PID)));
}

/* Gone before it was his: he may come once more. */
static void
who_goes_again_leaves_it(void **state)
{
	struct fixture *x = *state;

	takes(x);
	fake_gone(x->f, x->a);
	tells(x, BUS_SESSION_AWAY);
	assert_true(slice_eq(x->asked.session.pid, SLICE(PID)));
	assert_int_equal(asked(x), 0);
}

static void
who_is_elsewhere_is_closed_here(void **state)
{
	struct fixture *x = *state;

	comes_back(x);
	over(x);
	tells(x, BUS_SESSION_AWAY);
	assert_int_equal(asked(x), 0);
	over(x);		/* it is not here */
	tells(x, BUS_SESSION_AWAY);
}

static void
who_is_elsewhere_is_not_waited_for(void **state)
{
	struct fixture *x = *state;

	takes(x);
	over(x);
	tells(x, BUS_SESSION_AWAY);
	is_another(x, false);
}

/* The relay may be another one. */
static void
another_relay_is_told_again(void **state)
{
	struct fixture *x = *state;

	comes_back(x);
	hub_bus_lost(x->f->hub);
	hub_bus_back(x->f->hub);
	fake_advance(x->w, 2000);
	tells(x, BUS_SESSION_BEGUN);
	assert_int_equal(x->asked.session.since, BUS_SESSION_KNOWN);
	assert_true(slice_eq(x->asked.session.sid, SLICE(SID)));
	tells(x, BUS_SESSION_ROOMS);
}

/* What was there so long ago that each client has answered a ping since. */
static void
what_all_have_got_is_told_now_and_then(void **state)
{
	struct fixture *x = *state;
	unsigned i;

	fake_advance(x->w, 1000);
	comes(x, 7, "nobody's");
	for (i = 0; i < 3; i++) {
		fake_advance(x->w, 80000);
		if (asked(x) != 0)
			break;
		comes(x, 8 + i, "nobody's");
	}
	assert_true(i == 1 || i == 2);
	assert_int_equal(x->asked.kind, BUS_SESSION);
	assert_int_equal(x->asked.session.is, BUS_SESSION_PROVEN);
	assert_true(slice_eq(x->asked.session.nsp, SLICE("/n")));
	assert_true(slice_eq(x->asked.session.offset, SLICE("\"e1:7\"")));
	assert_int_equal(asked(x), 0);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_store_is_told_what_changes),
		T(who_leaves_is_over),
		T(what_has_no_place_names_the_last),
		T(who_comes_back_is_told_what_was_his),
		T(nobodys_is_another),
		T(what_is_not_known_any_more_is_told),
		T(too_much_is_told),
		T(no_answer_is_another),
		T(who_goes_again_leaves_it),
		T(who_is_elsewhere_is_closed_here),
		T(who_is_elsewhere_is_not_waited_for),
		T(another_relay_is_told_again),
		T(what_all_have_got_is_told_now_and_then),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
