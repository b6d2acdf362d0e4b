/* What exactly is missed: by namespace, by size and form, by room, by time. */
#include "recovery.h"

#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/hub_int.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 500 bytes = 1MB }\n" \
	"limits { message_bytes = 100KB }\n" \
	"namespace \"/\" { auth = none room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off } }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"q\" { to = sender meta = off } }\n" \
	"namespace \"/nn\" { auth = none room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off } }\n"

static int
setup(void **state)
{
	return (recovery_setup(state, CONF));
}

static int
teardown(void **state)
{
	(void)recovery_teardown(state);
	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_memberships));
	return (0);
}

/* --- namespaces ----------------------------------------------------------- */

#define NAMES 3
static const char *const names[NAMES] = { "", "/n,", "/nn," };

struct client_of_all {
	struct fake_conn *c;
	char	 sid[NAMES][21], pid[NAMES][21], offset[NAMES][64];
};

/* CONNECT's reply for namespace i; false: it is an event. */
static bool
is_reply(const char *got, size_t i, char sid[21], char pid[21])
{
	char want[32];

	(void)snprintf(want, sizeof want, "40%s{\"sid\":\"", names[i]);
	if (strncmp(got, want, strlen(want)) != 0)
		return (false);
	memcpy(sid, got + strlen(want), 20);
	memcpy(pid, strstr(got, "\"pid\":\"") + 7, 20);
	sid[20] = pid[20] = '\0';
	return (true);
}

static void
come(struct recovery *x, struct client_of_all *a)
{
	char text[64];
	size_t i;

	a->c = fake_engine(x->f, NULL);
	hub_turn_end(x->f->hub);
	(void)fake_next(a->c);
	for (i = 0; i < NAMES; i++) {
		(void)snprintf(text, sizeof text, "40%s", names[i]);
		fake_say(x->f, a->c, text);
		assert_true(is_reply(fake_next(a->c), i, a->sid[i],
		    a->pid[i]));
		(void)snprintf(text, sizeof text,
		    "42%s[\"room:join\",\"all\"]", names[i]);
		fake_say(x->f, a->c, text);
	}
}

/* Event number n of namespace i, from somebody in all of them. */
static void
tell(struct fake_host *f, struct client_of_all *by, size_t i, int n)
{
	char text[96];

	(void)snprintf(text, sizeof text,
	    "42%s[\"m\",{\"room\":\"all\",\"n\":%d}]", names[i], n);
	fake_say(f, by->c, text);
}

static void
hears_of(struct client_of_all *a, struct fake_conn *c, size_t i, int n)
{
	char want[96];
	const char *got = fake_next(c);

	(void)snprintf(want, sizeof want,
	    "42%s[\"m\",{\"room\":\"all\",\"n\":%d},\"", names[i], n);
	if (strncmp(got, want, strlen(want)) != 0)
		assert_string_equal(want, got);
	got += strlen(want);
	(void)snprintf(a->offset[i], sizeof a->offset[i], "%.*s",
	    (int)strcspn(got, "\""), got);
}

/* Cut in all of them: each gets its own, from where it had been. */
static void
cut_in_all(struct recovery *x, struct fake_host *to)
{
	struct client_of_all a, b;
	char text[256], sid[21], pid[21];
	struct fake_conn *c;
	size_t i;
	int n;

	come(x, &a);
	come(x, &b);
	for (n = 0; n < 4; n++)
		for (i = 0; i < NAMES; i++)
			tell(x->f, &b, i, n);
	/* the client has read more of one than of the other */
	for (n = 0; n < 4; n++)
		for (i = 0; i < NAMES; i++) {
			struct client_of_all seen = a;

			hears_of(&seen, a.c, i, n);
			if (n <= (int)i)
				memcpy(a.offset[i], seen.offset[i],
				    sizeof a.offset[i]);
		}
	fake_gone(x->f, a.c);
	for (; n < 7; n++)
		for (i = NAMES; i-- > 0;)
			tell(x->f, &b, i, n);
	c = fake_engine(to, NULL);
	hub_turn_end(to->hub);
	(void)fake_next(c);
	for (i = 0; i < NAMES; i++) {
		(void)snprintf(text, sizeof text,
		    "40%s{\"pid\":\"%s\",\"offset\":\"%s\"}", names[i],
		    a.pid[i], a.offset[i]);
		fake_say(to, c, text);
		for (n = (int)i + 1; n < 7; n++)
			hears_of(&a, c, i, n);
		assert_true(is_reply(fake_next(c), i, sid, pid));
		assert_string_equal(a.sid[i], sid);
		assert_string_equal(a.pid[i], pid);
	}
	assert_string_equal("", fake_next(c));
	tell(x->f, &b, 0, 7);
	hears_of(&a, c, 0, 7);
	assert_string_equal("", fake_next(c));
	fake_gone(to, c);
	fake_gone(x->f, b.c);
}

static void
each_namespace_gets_what_it_missed(void **state)
{
	struct recovery *x = *state;

	cut_in_all(x, x->f);
	cut_in_all(x, x->g);
}

/* --- many ----------------------------------------------------------------- */

#define MANY 140

static void
many_are_cut(struct recovery *x, struct fake_host *to)
{
	static struct recovery each[MANY];
	struct fake_conn *c[MANY];
	size_t i;

	for (i = 0; i < MANY; i++) {
		each[i] = *x;
		each[i].a = fake_engine(x->f, NULL);
		fake_say(x->f, each[i].a, "40/n,");
		(void)fake_next(each[i].a);
		assert_true(connected(each[i].a, each[i].sid, each[i].pid));
		fake_say(x->f, each[i].a, "42/n,[\"room:join\",\"r\"]");
	}
	publish(x, 1);
	for (i = 0; i < MANY; i++)
		hears(&each[i], each[i].a, 1);
	for (i = 0; i < MANY; i++)
		fake_gone(x->f, each[i].a);
	publish(x, 2);
	assert_int_equal(MANY, counter_get(COUNTER_recovery_parked));
	/* in another order than they went, all in one turn */
	for (i = 0; i < MANY; i++)
		c[i * 37 % MANY] = asks(&each[i * 37 % MANY], to,
		    each[i * 37 % MANY].offset);
	publish(x, 3);
	fake_turn(x->w);
	for (i = 0; i < MANY; i++) {
		(void)fake_next(c[i]);
		hears(&each[i], c[i], 2);
		if (to != x->f)
			hears(&each[i], c[i], 3);
		is_same(&each[i], c[i]);
		if (to == x->f)
			hears(&each[i], c[i], 3);
		assert_string_equal("", fake_next(c[i]));
		fake_say(to, c[i], "41/n,");
		fake_gone(to, c[i]);
	}
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
}

static void
a_hundred_and_forty_come_back(void **state)
{
	many_are_cut(*state, ((struct recovery *)*state)->f);
}

static void
a_hundred_and_forty_move(void **state)
{
	many_are_cut(*state, ((struct recovery *)*state)->g);
}

/* --- sizes and forms ------------------------------------------------------ */

/* Frames whose length takes one byte, three or nine. */
static void
events_of_any_size_are_told_again(void **state)
{
	static const size_t sizes[] = { 0, 60, 61, 62, 63, 64, 65, 66, 67, 68,
		200, 65300, 65450 };
	struct recovery *x = *state;
	struct fake_host *at[2] = { x->f, x->g };
	char *text = malloc(70000), sid[21], pid[21];
	struct fake_conn *c;
	const char *got;
	size_t i, j, len;

	for (j = 0; j < 2; j++) {
		x->a = fake_engine(x->f, NULL);
		fake_say(x->f, x->a, "40/n,");
		(void)fake_next(x->a);
		assert_true(connected(x->a, x->sid, x->pid));
		for (i = 0; i < nitems(sizes); i++) {
			len = (size_t)snprintf(text, 32, "42/n,[\"q\",\"%zu:",
			    sizes[i]);
			memset(text + len, 'x', sizes[i]);
			memcpy(text + len + sizes[i], "\"]", 3);
			fake_say(x->f, x->a, text);
		}
		fake_gone(x->f, x->a);
		c = back(x, at[j], "");
		for (i = 0; i < nitems(sizes); i++) {
			len = (size_t)snprintf(text, 32, "42/n,[\"q\",\"%zu:",
			    sizes[i]);
			got = fake_next(c);
			assert_memory_equal(text, got, len);
			assert_int_equal(sizes[i], strspn(got + len, "x"));
		}
		assert_true(connected(c, sid, pid));
		assert_string_equal(x->sid, sid);
		fake_say(at[j], c, "41/n,");
		fake_gone(at[j], c);
	}
	free(text);
}

static struct fake_conn *
engine_b64(struct fake_host *f)
{
	struct fake_conn *c = fake_engine(f, NULL);
	struct client_request q = { .address = 0 };
	struct admission a;

	/* a connection that cannot take binary, in its place */
	fake_gone(f, c);
	hub_turn_end(f->hub);
	buf_reset(&c->got);
	memset(&c->out, 0, sizeof c->out);
	engine_admit(f->hub, &q, &a);
	c->client = engine_open(f->hub, &a, true, &c->out);
	assert_non_null(c->client);
	hub_turn_end(f->hub);
	(void)fake_next(c);
	return (c);
}

/* Kept as base64 or as bytes, told as the new connection takes them. */
static void
attachments_change_their_form(void **state)
{
	struct recovery *x = *state;
	uint8_t bytes[4] = "\x01\x02\x03\xff";
	struct fake_conn *c;
	char text[160];
	unsigned i;

	for (i = 0; i < 4; i++) {
		bool was = (i & 1) != 0, is = (i & 2) != 0;

		x->a = was ? engine_b64(x->f) : fake_engine(x->f, NULL);
		if (!was) {
			hub_turn_end(x->f->hub);
			(void)fake_next(x->a);
		}
		fake_say(x->f, x->a, "40/n,");
		assert_true(connected(x->a, x->sid, x->pid));
		fake_say(x->f, x->a, "42/n,[\"room:join\",\"r\"]");
		fake_text(x->f, x->b, "452-/n,[\"m\",{\"room\":\"r\","
		    "\"a\":{\"_placeholder\":true,\"num\":0},"
		    "\"b\":{\"_placeholder\":true,\"num\":1}}]");
		client_binary(x->b->client, bytes, 4);
		client_binary(x->b->client, bytes, 0);
		fake_turn(x->w);
		fake_gone(x->f, x->a);
		c = is ? engine_b64(x->g) : fake_engine(x->g, NULL);
		if (!is) {
			hub_turn_end(x->g->hub);
			(void)fake_next(c);
		}
		(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}",
		    x->pid);
		fake_say(x->g, c, text);
		assert_int_equal(0, strncmp(fake_next(c), "452-/n,[\"m\"",
		    11));
		if (is) {
			fake_hears(c, "bAQID/w==");
			fake_hears(c, "b");
		} else {
			assert_true(slice_starts(buf_unread(&c->got),
			    SLICE("\x82\x04\x01\x02\x03\xff\x82\x00")));
			buf_consume(&c->got, 8);
		}
		is_same(x, c);
		fake_say(x->g, c, "41/n,");
		fake_gone(x->g, c);
	}
}

/* --- rooms ---------------------------------------------------------------- */

static void
order(struct fake_host *at, const char *sid, const char *what)
{
	struct ask *later;
	struct buf out;
	char body[160];

	(void)snprintf(body, sizeof body, "{\"namespace\":\"/n\",\"sid\":"
	    "\"%s\",%s}", sid, what);
	buf_init(&out);
	assert_true(api_rooms(at->hub, slice_of(NULL, 0), slice_str(body), at,
	    &out, &later) == 200 || later != NULL);
	buf_fini(&out);
}

static bool
is_in(struct fake_host *f, const char *sid, const char *room)
{
	struct session *s = sid_find(f->hub, slice_str(sid));

	return (s != NULL && room_membership(s, ROOM_NAMED,
	    slice_str(room)) != NULL);
}

/* A back end joins it to x and takes it out of r after so many steps. */
static void
changed_after(struct recovery *x, unsigned step, unsigned by)
{
	struct fake_host *at[2] = { x->f, x->g };
	struct fake_conn *c, *d;
	const char *next;
	char text[80];
	unsigned i;

	/* somebody on the new worker speaks in x and r */
	d = fake_engine(x->g, NULL);
	fake_say(x->g, d, "40/n,");
	fake_say(x->g, d, "42/n,[\"room:join\",\"x\"]");
	fake_say(x->g, d, "42/n,[\"room:join\",\"r\"]");
	x->a = fake_engine(x->f, NULL);
	fake_say(x->f, x->a, "40/n,");
	(void)fake_next(x->a);
	assert_true(connected(x->a, x->sid, x->pid));
	fake_say(x->f, x->a, "42/n,[\"room:join\",\"r\"]");
	fake_gone(x->f, x->a);
	c = asks(x, x->g, "");
	for (i = 0; i < step; i++)
		(void)fake_carry(at[(i + 1) % 2]);
	order(at[by], x->sid, "\"join\":[\"x\",\"y\"],\"leave\":[\"r\",\"y\"]");
	/* the order has come everywhere before the next event is sent */
	fake_turn(x->w);
	for (i = 0; i < 2; i++) {
		(void)snprintf(text, sizeof text,
		    "42/n,[\"m\",{\"room\":\"%s\",\"i\":%u}]",
		    i == 0 ? "r" : "x", i);
		fake_say(x->g, d, text);
	}
	(void)fake_next(c);
	is_same(x, c);
	/* who is back by then is told */
	next = fake_next(c);
	if (strncmp(next, "42/n,[\"room:left\",{\"room\":\"r\"", 29) == 0)
		next = fake_next(c);
	assert_int_equal(0, strncmp(next,
	    "42/n,[\"m\",{\"room\":\"x\",\"i\":1}", 27));
	assert_string_equal("", fake_next(c));
	assert_true(is_in(x->g, x->sid, "x"));
	assert_false(is_in(x->g, x->sid, "r"));
	assert_false(is_in(x->g, x->sid, "y"));
	fake_say(x->g, c, "41/n,");
	fake_gone(x->g, c);
	fake_gone(x->g, d);
}

static void
a_back_end_changes_rooms_while_it_moves(void **state)
{
	struct recovery *x = *state;
	unsigned step, by;

	for (step = 0; step < 6; step++)
		for (by = 0; by < 2; by++)
			changed_after(x, step, by);
}

/* --- time ----------------------------------------------------------------- */

static void
the_window_ends_at_its_end(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	cut(x);
	fake_advance(x->w, 119999);
	assert_int_equal(1, counter_get(COUNTER_recovery_parked));
	c = back(x, x->f, "");
	is_same(x, c);
	fake_gone(x->f, c);
	fake_advance(x->w, 119999);
	assert_int_equal(1, counter_get(COUNTER_recovery_parked));
	c = back(x, x->g, "");
	is_same(x, c);
	fake_gone(x->g, c);
	fake_advance(x->w, 119999);
	fake_advance(x->w, 1);
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
	is_new(x, back(x, x->g, ""));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_namespace_gets_what_it_missed),
		T(a_hundred_and_forty_come_back),
		T(a_hundred_and_forty_move),
		T(events_of_any_size_are_told_again),
		T(attachments_change_their_form),
		T(a_back_end_changes_rooms_while_it_moves),
		T(the_window_ends_at_its_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
