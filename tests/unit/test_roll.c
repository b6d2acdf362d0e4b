/* What a worker tells the relay: who is in an audience, which rooms there are,
 * and what clients answer to an event of another host. */
#include "base/slotset.h"
#include "check.h"
#include "fake_host.h"
#include "hub/audience/sids.h"
#include "hub/backend/census.h"
#include "hub/backend/roll.h"
#include "hub/hub_int.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "shm/counters.h"

#define CONF \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open } }\n" \
	"limits { rooms_per_session = 1000 }\n" \
	"namespace \"/m\" { auth = none room \"{r}\" { join = open } }\n" \
	"jwt { secret = \"" FAKE_SECRET "\" }\n"
#define REF	77u

struct fixture {
	struct fake_world *w;
	struct fake_host *f;
	struct fake_conn *a, *b;
	char	 sid[2][21];
	struct bus_envelope e;		/* the question */
	/* what the relay was told, all pieces */
	struct buf told;
	unsigned pieces, asked, answered;
	uint16_t flags;			/* of the last */
};

static struct fake_conn *
join(struct fake_host *f, char sid[21], const char *token)
{
	struct fake_conn *c = fake_engine(f, token);

	fake_text(f, c, "40/n,");
	fake_say(f, c, "42/n,[\"room:join\",\"r \\\"1\\\"\"]");
	(void)fake_next(c);
	memcpy(sid, fake_next(c) + strlen("40/n,{\"sid\":\""), 20);
	buf_reset(&c->got);
	return (c);
}

static int
start(void **state, const char *conf)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = fake_world_new(conf);
	x->f = fake_host_new(x->w, 1);
	x->a = join(x->f, x->sid[0],
	    fake_token("{\"sub\":\"ann\",\"roles\":[\"x\",\"y\"]}"));
	x->b = join(x->f, x->sid[1], NULL);
	buf_init(&x->told);
	*state = x;
	return (0);
}

static int
setup(void **state)
{
	return (start(state, CONF));
}

static int
setup_recovery(void **state)
{
	return (start(state, CONF "recovery { window = 1m }\n"));
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	buf_fini(&x->told);
	fake_world_free(&x->w);
	free(x);
	return (0);
}

/* What has come for the relay since, in pieces. */
static void
read_answers(struct fixture *x)
{
	struct bus_envelope e;
	struct slice in = buf_unread(&x->f->relay);
	ssize_t n;

	while (in.n > 0) {
		n = bus_decode(in, &e);
		assert_true(n > 0);
		assert_int_equal(e.kind, BUS_ANSWERS);
		assert_int_equal(e.ref, REF);
		assert_int_equal(e.from, 1);
		assert_true((e.flags & BUS_RELAY) != 0);
		assert_true(slotset_empty(e.slots));
		x->pieces++;
		x->asked += e.answers.asked;
		x->answered += e.answers.answered;
		x->flags = e.flags & (BUS_MORE | BUS_TRUNCATED);
		if (x->told.wpos > 0 && e.answers.elements.n > 0)
			buf_byte(&x->told, ',');
		buf_slice(&x->told, e.answers.elements);
		in = slice_from(in, (size_t)n);
	}
	buf_reset(&x->f->relay);
}

static void
forget_answers(struct fixture *x)
{
	buf_reset(&x->told);
	x->pieces = x->asked = x->answered = 0;
	x->flags = BUS_MORE;
}

/* The relay asks what stands in x->e. */
static void
send_question(struct fixture *x)
{
	struct buf b;

	forget_answers(x);
	x->e.from = 0;
	x->e.generation = 1;
	x->e.ref = REF;
	slotset_only(x->e.slots, 1);
	buf_init(&b);
	assert_true(bus_encode(&b, &x->e));
	hub_bus_frame(x->f->hub, buf_unread(&b));
	buf_fini(&b);
}

static struct bus_members *
question(struct fixture *x, enum bus_members_what what, const char *nsp)
{
	struct bus_members *m = bus_members(&x->e, what);

	m->nsp = slice_str(nsp);
	return (m);
}

static void
ask(struct fixture *x)
{
	unsigned i;

	send_question(x);
	for (i = 0; i < 1000 && (i == 0 || hub_busy(x->f->hub)); i++) {
		fake_turn(x->w);
		read_answers(x);
	}
	fake_turn(x->w);
	read_answers(x);
}

#define assert_told(x, want) \
	assert_slices(buf_unread(&(x)->told), slice_str(want))

static void
who_is_there_is_told_as_servers_tell_each_other(void **state)
{
	struct fixture *x = *state;
	struct bus_members *m = question(x, BUS_MEMBERS_WHOLE, "/n");
	char want[512];

	ask(x);
	(void)snprintf(want, sizeof want, "{\"id\":\"%s\",\"handshake\":"
	    "{\"headers\":{},\"query\":{},\"auth\":{}},\"rooms\":[\"%s\","
	    "\"r \\\"1\\\"\"],\"data\":{\"user\":\"ann\","
	    "\"roles\":[\"x\",\"y\"]}},{\"id\":\"%s\",\"handshake\":"
	    "{\"headers\":{},\"query\":{},\"auth\":{}},\"rooms\":[\"%s\","
	    "\"r \\\"1\\\"\"],\"data\":{}}",
	    x->sid[0], x->sid[0], x->sid[1], x->sid[1]);
	assert_told(x, want);
	assert_int_equal(x->pieces, 1);
	assert_int_equal(x->asked, 2);
	assert_int_equal(x->flags, 0);
	/* an audience like any other */
	m->what = BUS_MEMBERS_SIDS;
	m->to.rooms[m->to.nrooms++] = SLICE("r \"1\"");
	m->to.except[m->to.nexcept++] = slice_str(x->sid[0]);
	ask(x);
	(void)snprintf(want, sizeof want, "\"%s\"", x->sid[1]);
	assert_told(x, want);
	m->to.nexcept = m->to.nrooms = 0;
	m->to.sids[m->to.nsids++] = slice_str(x->sid[0]);
	ask(x);
	(void)snprintf(want, sizeof want, "\"%s\"", x->sid[0]);
	assert_told(x, want);
}

static void
rooms_are_those_of_the_namespace_and_the_sids(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = fake_enter(x->f, "/m", NULL);
	char want[128];

	fake_say(x->f, c, "42/m,[\"room:join\",\"other\"]");
	(void)question(x, BUS_MEMBERS_ROOMS, "/n");
	ask(x);
	(void)snprintf(want, sizeof want, "\"%s\",\"%s\",\"r \\\"1\\\"\"",
	    x->sid[0], x->sid[1]);
	assert_told(x, want);
	assert_int_equal(x->flags, 0);
}

static void
nobody_and_nothing_is_an_answer_too(void **state)
{
	struct fixture *x = *state;
	unsigned what;

	for (what = BUS_MEMBERS_WHOLE; what <= BUS_MEMBERS_ROOMS; what++) {
		(void)question(x, (enum bus_members_what)what, "/m");
		ask(x);
		assert_told(x, "");
		assert_int_equal(x->pieces, 1);
		assert_int_equal(x->flags, 0);
	}
	(void)question(x, BUS_MEMBERS_WHOLE, "/unknown");
	ask(x);
	assert_int_equal(x->pieces, 1);
	assert_int_equal(x->flags, BUS_TRUNCATED);
	(void)question(x, (enum bus_members_what)9, "/n");
	ask(x);
	assert_int_equal(x->pieces, 1);
	assert_int_equal(x->flags, BUS_TRUNCATED);
}

/* 300 sessions in 20 rooms of long names each: about 1.6 MB. */
static void
many_rooms(struct fixture *x, unsigned n)
{
	char text[512], name[201];
	struct fake_conn *c;
	unsigned i, j;

	memset(name, 'l', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	for (i = 0; i < n; i++) {
		c = fake_enter(x->f, "/n", NULL);
		for (j = 0; j < 20; j++) {
			(void)snprintf(text, sizeof text,
			    "42/n,[\"room:join\",\"%s-%u-%u\"]", name, i, j);
			fake_text(x->f, c, text);
		}
		fake_turn(x->w);
		buf_reset(&c->got);
	}
}

static void
many_are_told_in_pieces_one_a_turn(void **state)
{
	struct fixture *x = *state;
	unsigned turns;

	many_rooms(x, 300);
	(void)question(x, BUS_MEMBERS_WHOLE, "/n");
	send_question(x);
	assert_int_equal(x->f->relay.wpos, 0);
	for (turns = 0; x->flags & BUS_MORE; turns++) {
		assert_true(hub_busy(x->f->hub));
		hub_turn_end(x->f->hub);
		(void)fake_carry(x->f);
		assert_in_range(x->f->relay.wpos, 1, ROLL_PIECE + 8192);
		read_answers(x);
		assert_true(x->pieces == turns + 1);
	}
	assert_false(hub_busy(x->f->hub));
	assert_true(turns > 15);
	assert_int_equal(x->asked, 302);
	assert_int_equal(x->flags, 0);
	(void)question(x, BUS_MEMBERS_ROOMS, "/n");
	ask(x);
	assert_int_equal(x->asked, 302 + 300 * 20 + 1);
	assert_true(x->pieces > 10);
	assert_int_equal(x->flags, 0);
}

static void
who_goes_meanwhile_is_not_told(void **state)
{
	struct fixture *x = *state;

	many_rooms(x, 300);
	(void)question(x, BUS_MEMBERS_SIDS, "/n");
	send_question(x);
	fake_gone(x->f, x->a);
	fake_turn(x->w);
	fake_turn(x->w);
	read_answers(x);
	assert_int_equal(x->asked, 301);
	assert_null(memmem(x->told.data, x->told.wpos, x->sid[0], 20));
}

static void
behind_nothing_is_told_and_nobody_is_busy(void **state)
{
	struct fixture *x = *state;

	x->f->bus_behind = true;
	(void)question(x, BUS_MEMBERS_SIDS, "/n");
	send_question(x);
	fake_turn(x->w);
	read_answers(x);
	assert_int_equal(x->pieces, 0);
	assert_false(hub_busy(x->f->hub));
	x->f->bus_behind = false;
	assert_true(hub_busy(x->f->hub));
	fake_turn(x->w);
	fake_turn(x->w);
	read_answers(x);
	assert_int_equal(x->asked, 2);
}

static void
too_many_questions_are_answered_with_nothing(void **state)
{
	struct fixture *x = *state;
	uint64_t cut = counter_get(COUNTER_rolls_cut);
	unsigned i;

	(void)question(x, BUS_MEMBERS_SIDS, "/n");
	for (i = 0; i < ROLL_MAX; i++)
		send_question(x);
	assert_int_equal(x->f->bus_sent, 0);
	send_question(x);
	assert_int_equal(x->f->bus_sent, 1);
	(void)fake_carry(x->f);
	read_answers(x);
	assert_int_equal(x->flags, BUS_TRUNCATED);
	assert_int_equal(counter_get(COUNTER_rolls_cut), cut + 1);
	/* a relay that is no more is told nothing */
	hub_bus_lost(x->f->hub);
	assert_false(hub_busy(x->f->hub));
	fake_turn(x->w);
	read_answers(x);
	assert_int_equal(x->pieces, 1);
}

static void
what_is_too_much_is_cut_and_that_is_said(void **state)
{
	struct fixture *x = *state;
	uint64_t cut = counter_get(COUNTER_rolls_cut);
	unsigned i;

	/* 8 MiB are passed by 300 * 140 names */
	many_rooms(x, 300);
	for (i = 2; i < 302; i++) {
		char text[512];
		unsigned j;

		for (j = 20; j < 160; j++) {
			(void)snprintf(text, sizeof text,
			    "42/n,[\"room:join\",\"%0240u-%u\"]", j, i);
			fake_text(x->f, &x->f->conns[i], text);
			if (j % 16 == 0) {
				fake_turn(x->w);
				buf_reset(&x->f->conns[i].got);
			}
		}
	}
	fake_turn(x->w);
	(void)question(x, BUS_MEMBERS_WHOLE, "/n");
	ask(x);
	assert_int_equal(x->flags, BUS_TRUNCATED);
	assert_in_range(x->told.wpos, ROLL_BYTES_MAX - ROLL_PIECE - 65536,
	    ROLL_BYTES_MAX);
	assert_true(x->asked > 100 && x->asked < 302);
	assert_int_equal(counter_get(COUNTER_rolls_cut), cut + 1);
}

static void
who_is_parked_is_not_here(void **state)
{
	struct fixture *x = *state;
	char want[32];

	fake_gone(x->f, x->a);
	(void)question(x, BUS_MEMBERS_SIDS, "/n");
	ask(x);
	(void)snprintf(want, sizeof want, "\"%s\"", x->sid[1]);
	assert_told(x, want);
}

/* --- pages ----------------------------------------------------------------- */

static struct bus_members *
page(struct fixture *x, enum bus_members_what what, const char *after,
    unsigned limit)
{
	struct bus_members *m = question(x, what, "/n");

	m->after = slice_str(after);
	m->limit = limit;
	if (what == BUS_MEMBERS_PAGE_ROOM)
		m->to.rooms[m->to.nrooms++] = SLICE("r \"1\"");
	if (what == BUS_MEMBERS_PAGE_USER) {
		m->nsp = slice_of(NULL, 0);
		m->to.users[m->to.nusers++] = SLICE("ann");
	}
	ask(x);
	return (m);
}

static void
rooms_come_in_pages_in_the_order_of_their_names(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "42/n,[\"room:join\",\"r\"]");
	fake_say(x->f, x->a, "42/n,[\"room:join\",\"a\"]");
	(void)page(x, BUS_MEMBERS_PAGE_ROOMS, "", 2);
	assert_told(x, "{\"room\":\"a\",\"sessions\":1},"
	    "{\"room\":\"r\",\"sessions\":1}");
	assert_int_equal(x->asked, 2);
	assert_int_equal(x->flags, 0);
	(void)page(x, BUS_MEMBERS_PAGE_ROOMS, "r", 2);
	assert_told(x, "{\"room\":\"r \\\"1\\\"\",\"sessions\":2}");
	(void)page(x, BUS_MEMBERS_PAGE_ROOMS, "s", 2);
	assert_told(x, "");
	assert_int_equal(x->pieces, 1);
}

static void
each_of_many_rooms_is_on_one_page(void **state)
{
	struct fixture *x = *state;
	char after[256] = "", name[256];
	struct slice rest, v, raw;
	unsigned n = 0, pages = 0;
	ssize_t len;

	many_rooms(x, 40);
	do {
		(void)page(x, BUS_MEMBERS_PAGE_ROOMS, after, 100);
		assert_int_equal(x->flags, 0);
		for (rest = buf_unread(&x->told); rest.n > 0; n++) {
			len = json_value(rest, &v);
			assert_true(len > 0 && json_get(v, SLICE("room"), &raw));
			rest = slice_from(rest, (size_t)len);
			if (rest.n > 0)
				rest = slice_from(rest, 1);
			len = json_unescape(raw, (uint8_t *)name);
			assert_in_range(len, 1, sizeof name - 1);
			name[len] = '\0';
			assert_true(strcmp(name, after) > 0);
			memcpy(after, name, sizeof after);
		}
		pages++;
	} while (x->asked == 100);
	assert_int_equal(n, 40 * 20 + 1);
	assert_int_equal(pages, 9);
	/* more than a piece holds */
	(void)page(x, BUS_MEMBERS_PAGE_ROOMS, "", BUS_PAGE_MAX);
	assert_int_equal(x->asked, 40 * 20 + 1);
	assert_true(x->pieces > 1);
}

static void
sessions_of_a_room_and_of_a_user(void **state)
{
	struct fixture *x = *state;
	bool a = strcmp(x->sid[0], x->sid[1]) < 0;
	char want[512], host[32];

	(void)snprintf(host, sizeof host, "%016llx",
	    (unsigned long long)x->f->hub->node_id);
	(void)page(x, BUS_MEMBERS_PAGE_ROOM, "", 1);
	(void)snprintf(want, sizeof want, "{\"sid\":\"%s\",\"user\":%s,"
	    "\"host\":\"%s\"}", x->sid[!a], a ? "\"ann\"" : "null", host);
	assert_told(x, want);
	(void)page(x, BUS_MEMBERS_PAGE_ROOM, x->sid[!a], 9);
	(void)snprintf(want, sizeof want, "{\"sid\":\"%s\",\"user\":%s,"
	    "\"host\":\"%s\"}", x->sid[a], a ? "null" : "\"ann\"", host);
	assert_told(x, want);
	(void)page(x, BUS_MEMBERS_PAGE_USER, "", 9);
	(void)snprintf(want, sizeof want, "{\"sid\":\"%s\","
	    "\"namespace\":\"/n\",\"host\":\"%s\","
	    "\"rooms\":[\"r \\\"1\\\"\"]}", x->sid[0], host);
	assert_told(x, want);
}

static void
who_may_come_back_is_away(void **state)
{
	struct fixture *x = *state;
	static const char away[] = ",\"away\":true}";

	fake_gone(x->f, x->a);
	(void)page(x, BUS_MEMBERS_PAGE_USER, "", 9);
	assert_int_equal(x->asked, 1);
	assert_non_null(memmem(x->told.data, x->told.wpos, away,
	    sizeof away - 1));
}

static void
pages_that_cannot_be_are_answered_with_nothing(void **state)
{
	struct fixture *x = *state;
	uint64_t cut = counter_get(COUNTER_rolls_cut);
	unsigned i;

	(void)page(x, BUS_MEMBERS_PAGE_ROOMS, "", 0);
	assert_int_equal(x->flags, BUS_TRUNCATED);
	(void)page(x, BUS_MEMBERS_PAGE_ROOMS, "", BUS_PAGE_MAX + 1);
	assert_int_equal(x->flags, BUS_TRUNCATED);
	assert_int_equal(counter_get(COUNTER_rolls_cut), cut + 2);
	question(x, BUS_MEMBERS_PAGE_ROOMS, "/n")->limit = 1;
	x->f->bus_sent = 0;
	for (i = 0; i < CENSUS_MAX; i++)
		send_question(x);
	assert_int_equal(x->f->bus_sent, 0);
	send_question(x);
	assert_int_equal(x->f->bus_sent, 1);
	(void)fake_carry(x->f);
	read_answers(x);
	assert_int_equal(x->flags, BUS_TRUNCATED);
	/* nobody moves to another worker meanwhile */
	assert_true(census_any(x->f->hub));
	hub_bus_lost(x->f->hub);
	assert_false(census_any(x->f->hub));
	assert_false(hub_busy(x->f->hub));
}

/* --- events that ask ------------------------------------------------------ */

static void
publish(struct fixture *x, uint64_t timeout_ms, const char *nsp)
{
	struct bus_publish *p = bus_publish(&x->e);

	x->e.flags = BUS_WANT_ANSWERS;
	p->nsp = slice_str(nsp);
	p->event = SLICE("\"q\"");
	p->args = SLICE("1");
	p->timeout_ms = timeout_ms;
	send_question(x);
	fake_turn(x->w);
	read_answers(x);
}

static void
reply(struct fixture *x, struct fake_conn *c, const char *args)
{
	const char *t = fake_next(c);
	char text[128];

	assert_memory_equal(t, "42/n,", 5);
	(void)snprintf(text, sizeof text, "43/n,%.*s%s",
	    (int)strspn(t + 5, "0123456789"), t + 5, args);
	fake_say(x->f, c, text);
	read_answers(x);
}

static void
the_relay_is_told_how_many_are_asked_and_then_each_answer(void **state)
{
	struct fixture *x = *state;
	char want[256];

	publish(x, 1000, "/n");
	assert_int_equal(x->asked, 2);
	assert_int_equal(x->answered, 0);
	assert_int_equal(x->pieces, 1);
	assert_int_equal(x->flags, BUS_MORE);
	reply(x, x->a, "[\"yes\",2]");
	assert_int_equal(x->answered, 1);
	assert_int_equal(x->flags, BUS_MORE);
	(void)snprintf(want, sizeof want, "{\"sid\":\"%s\",\"user\":\"ann\","
	    "\"args\":[\"yes\",2]}", x->sid[0]);
	assert_told(x, want);
	reply(x, x->b, "[]");
	assert_int_equal(x->asked, 2);
	assert_int_equal(x->answered, 2);
	assert_int_equal(x->pieces, 3);
	assert_int_equal(x->flags, 0);
}

static void
who_never_answers_is_not_told_and_the_end_comes(void **state)
{
	struct fixture *x = *state;

	publish(x, 1000, "/n");
	reply(x, x->a, "[1]");
	fake_advance(x->w, 1100);
	read_answers(x);
	assert_int_equal(x->answered, 1);
	assert_int_equal(x->flags, 0);
}

static void
nobody_to_be_asked_is_told_at_once(void **state)
{
	struct fixture *x = *state;

	publish(x, 1000, "/m");
	assert_int_equal(x->pieces, 1);
	assert_int_equal(x->asked, 0);
	assert_int_equal(x->flags, 0);
	publish(x, 1000, "/unknown");
	assert_int_equal(x->pieces, 1);
	assert_int_equal(x->flags, BUS_TRUNCATED);
}

static void
a_relay_that_is_gone_waits_for_nobody(void **state)
{
	struct fixture *x = *state;

	publish(x, 60000, "/n");
	hub_bus_lost(x->f->hub);
	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	reply(x, x->a, "[1]");		/* harmless */
	assert_int_equal(x->pieces, 1);
	publish(x, 60000, "/n");
	(void)fake_next(x->a);
	bus_answers_end(&x->e);
	send_question(x);
	assert_int_equal(counter_get(COUNTER_asks_open), 0);
}

static void
orders_are_answered_with_how_many(void **state)
{
	struct fixture *x = *state;
	struct bus_rooms *r = bus_rooms(&x->e);

	x->e.flags = BUS_WANT_COUNT;
	r->nsp = SLICE("/n");
	r->join[r->njoin++] = SLICE("new");
	ask(x);
	assert_int_equal(x->asked, 2);
	assert_int_equal(x->flags, 0);
	(void)bus_disconnect(&x->e);
	x->e.disconnect.nsp = SLICE("/n");
	ask(x);			/* no answer is wanted */
	assert_int_equal(x->pieces, 0);
	assert_int_equal(sid_count(x->f->hub), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(who_is_there_is_told_as_servers_tell_each_other),
		T(rooms_are_those_of_the_namespace_and_the_sids),
		T(nobody_and_nothing_is_an_answer_too),
		T(many_are_told_in_pieces_one_a_turn),
		T(who_goes_meanwhile_is_not_told),
		T(behind_nothing_is_told_and_nobody_is_busy),
		T(too_many_questions_are_answered_with_nothing),
		T(what_is_too_much_is_cut_and_that_is_said),
		cmocka_unit_test_setup_teardown(who_is_parked_is_not_here,
		    setup_recovery, teardown),
		T(rooms_come_in_pages_in_the_order_of_their_names),
		T(each_of_many_rooms_is_on_one_page),
		T(sessions_of_a_room_and_of_a_user),
		cmocka_unit_test_setup_teardown(who_may_come_back_is_away,
		    setup_recovery, teardown),
		T(pages_that_cannot_be_are_answered_with_nothing),
		T(the_relay_is_told_how_many_are_asked_and_then_each_answer),
		T(who_never_answers_is_not_told_and_the_end_comes),
		T(nobody_to_be_asked_is_told_at_once),
		T(a_relay_that_is_gone_waits_for_nobody),
		T(orders_are_answered_with_how_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
