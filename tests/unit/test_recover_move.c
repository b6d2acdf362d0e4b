/* Sessions that move between workers, step by step, and what disturbs it. */
#include "recovery.h"

#include "hub/recover/recover_int.h"
#include "proto/bus.h"
#include "shm/slots.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"q\" { to = sender meta = off } }\n" \
	"namespace \"/\" { auth = none room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off } }\n"

struct fixture {
	struct recovery	 r;		/* f and g of it */
	struct fake_host *k;		/* a third */
	unsigned	 seen;		/* envelopes of a kind, see tamper() */
};

static int
open_slots(void **state, unsigned workers, unsigned f, unsigned g,
    unsigned k)
{
	struct fixture *x = calloc(1, sizeof *x);

	recovery_open(&x->r, fake_world_of(CONF, workers), f, g);
	x->k = fake_host_new(x->r.w, k);
	*state = x;
	return (0);
}

static int
setup(void **state)
{
	return (open_slots(state, 2, 1, 2, 3));
}

static int
setup_high(void **state)
{
	return (open_slots(state, 64, 64, 65, 128));
}

static int
setup_far(void **state)
{
	return (open_slots(state, 64, 128, 1, 65));
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	recovery_close(&x->r);
	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_rooms));
	free(x);
	return (0);
}

/* What host has on the bus, less the envelopes of one kind. */
static unsigned
without(struct fake_host *host, enum bus_kind kind)
{
	struct buf kept;
	struct slice in = buf_unread(&host->bus);
	struct bus_envelope e;
	uint64_t slots[2];
	uint16_t flags;
	unsigned left_out = 0;
	ssize_t n;

	buf_init(&kept);
	while (in.n > 0) {
		n = bus_frame(in, slots, &flags);
		assert_true(n > 0);
		assert_true(bus_decode(slice_of(in.p, (size_t)n), &e) > 0);
		if (e.kind == kind)
			left_out++;
		else
			buf_slice(&kept, slice_of(in.p, (size_t)n));
		in = slice_from(in, (size_t)n);
	}
	buf_fini(&host->bus);
	host->bus = kept;
	return (left_out);
}

/* The bus, less envelopes of one kind from host, until nothing moves. */
static unsigned
turn_without(struct recovery *x, struct fake_host *host, enum bus_kind kind)
{
	unsigned left_out = 0;
	bool moved = true;
	size_t i;

	while (moved) {
		moved = false;
		left_out += without(host, kind);
		for (i = 0; i < x->w->nhosts; i++) {
			if (x->w->hosts[i] == host)
				left_out += without(host, kind);
			moved |= fake_carry(x->w->hosts[i]);
		}
		for (i = 0; i < x->w->nhosts; i++)
			hub_turn_end(x->w->hosts[i]->hub);
	}
	return (left_out);
}

/* A new one was asked for and is there, with its open packet read before. */
static void
no_reply_yet(struct fake_conn *c)
{
	if (buf_unread(&c->got).n != 0)
		(void)fake_next(c);		/* Engine.IO's open packet */
	assert_string_equal("", fake_next(c));
}

/* --- who may have it ------------------------------------------------------ */

static void
one_that_is_not_whole_yet_is_nobody_elses(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c, *d, *e;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	c = asks(x, x->g, x->offset);
	assert_true(fake_carry(x->g));		/* ASK */
	assert_true(fake_carry(x->f));		/* STATE: made on g */
	d = asks(x, x->g, x->offset);		/* of the same worker */
	e = asks(x, fx->k, x->offset);		/* of another one */
	fake_turn(x->w);
	(void)fake_next(c);
	(void)fake_next(d);
	(void)fake_next(e);
	is_same(x, c);
	is_new(x, d);
	is_new(x, e);
	publish(x, 2);
	hears(x, c, 2);
	assert_int_equal(x->recovered + 1, counter_get(COUNTER_recovered));
	assert_int_equal(x->failed + 2, counter_get(COUNTER_recovery_failed));
}

static void
six_at_once_are_one_and_five(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_host *at[3] = { x->f, x->g, fx->k };
	struct fake_conn *c[6];
	char sid[21], pid[21];
	unsigned i, start, same;

	/* on the bus the order of the hosts matters: each is first once */
	for (start = 1; start < 4; start++) {
		for (i = 0; i < 6; i++)
			c[i] = NULL;
		fake_gone(x->f, x->a);
		for (i = 0; i < 6; i++)
			c[i] = asks(x, at[(start + i) % 3], "");
		fake_turn(x->w);
		fake_advance(x->w, 1000);
		for (same = 0, i = 0; i < 6; i++) {
			(void)fake_next(c[i]);
			assert_true(connected(c[i], sid, pid));
			same += strcmp(sid, x->sid) == 0;
		}
		/* it is taken over by the next in turn, or is the first's */
		assert_true(same >= 1);
		for (i = 0; i < 6; i++)
			fake_gone(at[(start + i) % 3], c[i]);
		fake_turn(x->w);
		/* for the next round */
		x->a = fake_engine(x->f, NULL);
		fake_say(x->f, x->a, "40/n,");
		(void)fake_next(x->a);
		assert_true(connected(x->a, x->sid, x->pid));
	}
}

/* A back end ends it while there are two of it: neither is left. */
static void
who_is_ended_while_moving_is_gone(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct ask *later;
	struct fake_conn *c;
	struct buf out;
	char body[64];

	cut(x);
	c = asks(x, x->g, "");
	assert_true(fake_carry(x->g));
	assert_true(fake_carry(x->f));
	(void)snprintf(body, sizeof body, "{\"namespace\":\"/n\",\"sid\":"
	    "\"%s\"}", x->sid);
	buf_init(&out);
	assert_true(api_disconnect(x->g->hub, slice_of(NULL, 0),
	    slice_str(body), x, &out, &later) == 0 || later == NULL);
	buf_fini(&out);
	fake_turn(x->w);
	fake_advance(x->w, 2000);
	(void)fake_next(c);
	is_new(x, c);
}

/* --- asked twice ---------------------------------------------------------- */

static void
who_asks_again_while_the_first_waits_gets_it_once(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c, *d;

	publish(x, 1);
	cut(x);
	publish(x, 2);
	/* both before anybody answered */
	c = asks(x, x->g, "");
	d = asks(x, x->g, "");
	fake_turn(x->w);
	(void)fake_next(c);
	(void)fake_next(d);
	hears(x, c, 1);
	hears(x, c, 2);
	is_same(x, c);
	is_new(x, d);
	/* while the first is open: it is taken over, once more complete */
	c = back(x, fx->k, x->offset);
	is_same(x, c);
	publish(x, 3);
	hears(x, c, 3);
	c = back(x, fx->k, "");
	hears(x, c, 3);		/* who says nothing may not have had it */
	is_same(x, c);
}

static void
one_connection_does_not_ask_twice_for_a_namespace(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c;
	char text[64];

	cut(x);
	c = asks(x, x->g, "");
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_text(x->g, c, text);
	assert_int_equal(REASON_sio_parse, c->closed);
	fake_gone(x->g, c);
	fake_turn(x->w);
	fake_advance(x->w, 2000);
	is_new(x, back(x, x->f, ""));
}

/* The connection that asked is itself given up for a new one. */
static void
who_takes_over_ends_what_the_old_one_asked_for(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c, *d;
	char text[128], sid[21], pid[21], root[21];
	const char *got;

	/* b's session of "/" on g, and there it asks for a's of /n */
	c = fake_engine(x->g, NULL);
	fake_say(x->g, c, "40");
	(void)fake_next(c);
	got = fake_next(c);
	assert_int_equal(0, strncmp(got, "40{\"sid\":\"", 10));
	memcpy(root, strstr(got, "\"pid\":\"") + 7, 20);
	root[20] = '\0';
	cut(x);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_text(x->g, c, text);
	assert_true(fake_carry(x->g));
	assert_true(fake_carry(x->f));		/* made, for c */
	d = fake_engine(x->g, NULL);
	(void)snprintf(text, sizeof text, "40{\"pid\":\"%s\"}", root);
	fake_text(x->g, d, text);
	assert_int_equal(REASON_taken_over, c->closed);
	fake_turn(x->w);			/* DONE: to nobody */
	(void)fake_next(d);
	got = fake_next(d);
	assert_non_null(strstr(got, root));
	publish(x, 1);				/* c could not hear this */
	fake_gone(x->g, c);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_say(x->g, d, text);
	assert_true(connected(d, sid, pid));
	assert_string_not_equal(x->sid, sid);
}

/* --- two at once ---------------------------------------------------------- */

static void
two_move_to_one_worker_at_once(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r, y;
	struct fake_conn *c, *d, *speaker = x->b;
	struct fake_host *f = x->f;

	/* y: another one like a */
	y = *x;
	y.a = fake_engine(x->f, NULL);
	fake_say(x->f, y.a, "40/n,");
	(void)fake_next(y.a);
	assert_true(connected(y.a, y.sid, y.pid));
	fake_say(x->f, y.a, "42/n,0[\"room:join\",\"r\"]");
	(void)fake_next(y.a);
	publish(x, 1);
	hears(x, x->a, 1);
	hears(&y, y.a, 1);
	fake_gone(x->f, x->a);
	cut(&y);
	publish(x, 2);
	c = asks(x, x->g, x->offset);
	d = asks(&y, x->g, y.offset);
	assert_true(fake_carry(x->g));
	assert_true(fake_carry(x->f));		/* both made */
	fake_text(f, speaker, "42/n,[\"m\",{\"room\":\"r\",\"i\":3}]");
	fake_turn(x->w);
	(void)fake_next(c);
	(void)fake_next(d);
	hears(x, c, 2);
	hears(x, c, 3);
	is_same(x, c);
	hears(&y, d, 2);
	hears(&y, d, 3);
	is_same(&y, d);
	publish(x, 4);
	hears(x, c, 4);
	hears(&y, d, 4);
	assert_string_equal("", fake_next(c));
	assert_string_equal("", fake_next(d));
}

/* --- what gets lost on the way -------------------------------------------- */

/* Events after each step, from the three workers. */
static void
events_between_any_two_steps_come_once_and_in_order(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_host *at[3] = { x->f, x->g, fx->k };
	struct fake_conn *say[3], *c;
	int next[3] = { 0, 0, 0 }, got[3] = { 0, 0, 0 }, i, from, n, step;
	const char *text;
	char line[80];

	say[0] = x->b;
	for (i = 1; i < 3; i++) {
		say[i] = fake_engine(at[i], NULL);
		fake_say(at[i], say[i], "40/n,");
		fake_say(at[i], say[i], "42/n,[\"room:join\",\"r\"]");
	}
	cut(x);
	c = asks(x, x->g, "");
	for (step = 0; step < 12; step++) {
		for (i = 0; i < 3; i++) {
			(void)snprintf(line, sizeof line, "42/n,[\"m\","
			    "{\"room\":\"r\",\"f\":%d,\"i\":%d}]", i,
			    next[i]++);
			fake_text(at[i], say[i], line);
		}
		(void)fake_carry(at[step % 3]);
		if (step % 2 == 0)
			hub_turn_end(at[step / 2 % 3]->hub);
	}
	fake_turn(x->w);
	(void)fake_next(c);
	for (n = 0; *(text = fake_next(c)) != '\0';) {

		if (strncmp(text, "40/n,", 5) == 0) {
			assert_non_null(strstr(text, x->sid));
			n++;
			continue;
		}
		assert_int_equal(2, sscanf(text, "42/n,[\"m\",{\"room\":"
		    "\"r\",\"f\":%d,\"i\":%d}", &from, &i));
		assert_int_equal(got[from]++, i);
	}
	assert_int_equal(1, n);
	for (i = 0; i < 3; i++)
		assert_int_equal(next[i], got[i]);
}

static void
what_is_forwarded_and_lost_is_a_new_session(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c;

	cut(x);
	c = asks(x, x->g, "");
	assert_true(fake_carry(x->g));
	assert_true(fake_carry(x->f));
	fake_text(x->f, x->b, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}]");
	hub_turn_end(x->f->hub);
	assert_true(turn_without(x, x->f, BUS_RECOVER_LATE) >= 1);
	(void)fake_next(c);
	is_new(x, c);
	assert_int_equal(x->recovered, counter_get(COUNTER_recovered));
}

static void
what_cannot_be_forwarded_is_a_new_session(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c;

	cut(x);
	c = asks(x, x->g, "");
	assert_true(fake_carry(x->g));
	assert_true(fake_carry(x->f));
	x->f->bus_down = true;
	fake_text(x->f, x->b, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}]");
	hub_turn_end(x->f->hub);
	x->f->bus_down = false;
	fake_turn(x->w);
	no_reply_yet(c);
	fake_advance(x->w, 1999);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, 1);
	is_new(x, c);
}

/* a is cut and comes back on g; one envelope of that kind from host is lost. */
static struct fake_conn *
moves_without(struct recovery *x, struct fake_host *host, enum bus_kind kind)
{
	struct fake_conn *c;

	cut(x);
	c = asks(x, x->g, "");
	assert_int_equal(1, turn_without(x, host, kind));
	no_reply_yet(c);
	return (c);
}

/* A says nothing to a B that may have joined too late. */
static void
who_has_not_joined_in_time_gets_a_new_session(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c = moves_without(x, x->g, BUS_RECOVER_JOINED);

	fake_advance(x->w, RECOVER_ASK_MS - 1);
	publish(x, 1);		/* still forwarded */
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, 1);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, RECOVER_MOVE_MS - RECOVER_ASK_MS - 1);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, 1);
	is_new(x, c);
	assert_int_equal(x->failed + 1, counter_get(COUNTER_recovery_failed));
}

static void
a_slow_worker_may_have_more_to_tell(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c = moves_without(x, fx->k, BUS_RECOVER_PASSED);

	fake_advance(x->w, RECOVER_ASK_MS);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, RECOVER_MOVE_MS - RECOVER_ASK_MS);
	is_new(x, c);
}

static void
a_dead_worker_has_nothing_more_to_tell(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c = moves_without(x, fx->k, BUS_RECOVER_PASSED);

	slot_dead(x->w->segment, fx->k->slot);
	fake_advance(x->w, RECOVER_ASK_MS - 1);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, 1);
	is_same(x, c);
}

/* Moves of one turn after another: none waits for those that came later. */
static void
the_oldest_move_ends_first(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c, *d;

	cut(x);
	c = asks(x, x->g, "");
	(void)turn_without(x, fx->k, BUS_RECOVER_PASSED);
	no_reply_yet(c);
	slot_dead(x->w->segment, fx->k->slot);
	fake_advance(x->w, 500);
	/* another move begins */
	d = fake_engine(x->f, NULL);
	fake_say(x->f, d, "40/n,");
	(void)fake_next(d);
	{
		struct recovery y = *x;

		assert_true(connected(d, y.sid, y.pid));
		fake_gone(x->f, d);
		d = asks(&y, x->g, "");
		(void)turn_without(x, x->g, BUS_RECOVER_JOINED);
	}
	fake_advance(x->w, RECOVER_ASK_MS - 500);
	is_same(x, c);
	no_reply_yet(d);
}

/* --- slots ---------------------------------------------------------------- */

static void
any_slot_moves_to_any(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_host *at[3] = { x->g, fx->k, x->f };
	struct fake_host *on = x->f;
	struct fake_conn *c = x->a;
	int i, n = 0;

	publish(x, n);
	hears(x, c, n);
	for (i = 0; i < 6; i++) {
		fake_gone(on, c);
		publish(x, ++n);
		on = i < 3 ? at[i] : at[(7 - i) % 3];
		c = back(x, on, x->offset);
		hears(x, c, n);
		is_same(x, c);
		publish(x, ++n);
		hears(x, c, n);
		assert_string_equal("", fake_next(c));
	}
	assert_int_equal(x->recovered + 6, counter_get(COUNTER_recovered));
	assert_int_equal(x->failed, counter_get(COUNTER_recovery_failed));
}

static void
give(struct fake_host *f, struct bus_envelope *e)
{
	struct buf b;

	buf_init(&b);
	assert_true(bus_encode(&b, e));
	hub_bus_frame(f->hub, buf_unread(&b));
	buf_fini(&b);
}

static void
slots_that_cannot_be_are_counted(void **state)
{
	static const enum bus_kind kinds[] = { BUS_RECOVER_ASK,
		BUS_RECOVER_NONE, BUS_RECOVER_STATE, BUS_RECOVER_JOINED,
		BUS_RECOVER_BARRIER, BUS_RECOVER_PASSED, BUS_RECOVER_LATE,
		BUS_RECOVER_DONE };
	static const uint16_t bad[] = { 0, 129, 65535 };
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	uint64_t before = counter_get(COUNTER_bus_bad);
	struct fake_conn *c;
	unsigned sent;
	size_t i, j;

	cut(x);
	c = asks(x, x->g, "");
	for (i = 0; i < nitems(kinds); i++)
		for (j = 0; j < nitems(bad); j++)
			give(x->f, &(struct bus_envelope){ .kind = kinds[i],
			    .from = bad[j], .slots = { 1, 0 } });
	assert_int_equal(before + nitems(kinds) * nitems(bad),
	    counter_get(COUNTER_bus_bad));
	sent = fx->k->bus_sent;
	for (j = 0; j < nitems(bad); j++) {
		give(fx->k, &(struct bus_envelope){
		    .kind = BUS_RECOVER_BARRIER, .from = (uint16_t)x->g->slot,
		    .recover_barrier.holder = bad[j], .slots = { 1, 0 } });
		give(x->f, &(struct bus_envelope){
		    .kind = BUS_RECOVER_PASSED, .from = (uint16_t)fx->k->slot,
		    .recover_passed.asker = bad[j], .slots = { 1, 0 } });
	}
	assert_int_equal(before + (nitems(kinds) + 2) * nitems(bad),
	    counter_get(COUNTER_bus_bad));
	assert_int_equal(sent, fx->k->bus_sent);
	fake_turn(x->w);
	(void)fake_next(c);
	is_same(x, c);
}

/* An answer to a predecessor in this slot is not for us. */
static void
refs_of_another_generation_are_not_ours(void **state)
{
	struct fixture *fx = *state;
	struct recovery *x = &fx->r;
	struct fake_conn *c;

	cut(x);
	c = asks(x, x->g, "");
	give(x->g, &(struct bus_envelope){ .kind = BUS_RECOVER_STATE,
	    .from = (uint16_t)fx->k->slot, .ref = 1, .slots = { 2, 0 },
	    .recover_state.records = SLICE("s\x14\0\0\0" "AAAABBBBCCCCDDDDEEEE") });
	fake_turn(x->w);
	(void)fake_next(c);
	is_same(x, c);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_that_is_not_whole_yet_is_nobody_elses),
		T(six_at_once_are_one_and_five),
		T(who_is_ended_while_moving_is_gone),
		T(who_asks_again_while_the_first_waits_gets_it_once),
		T(one_connection_does_not_ask_twice_for_a_namespace),
		T(who_takes_over_ends_what_the_old_one_asked_for),
		T(two_move_to_one_worker_at_once),
		T(events_between_any_two_steps_come_once_and_in_order),
		T(what_is_forwarded_and_lost_is_a_new_session),
		T(what_cannot_be_forwarded_is_a_new_session),
		T(who_has_not_joined_in_time_gets_a_new_session),
		T(a_slow_worker_may_have_more_to_tell),
		T(a_dead_worker_has_nothing_more_to_tell),
		T(the_oldest_move_ends_first),
		T(any_slot_moves_to_any),
		cmocka_unit_test_setup_teardown(any_slot_moves_to_any,
		    setup_high, teardown),
		cmocka_unit_test_setup_teardown(any_slot_moves_to_any,
		    setup_far, teardown),
		T(slots_that_cannot_be_are_counted),
		T(refs_of_another_generation_are_not_ours),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
