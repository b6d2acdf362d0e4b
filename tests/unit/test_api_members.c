#include "check.h"
#include "fake_host.h"
#include "hub/backend/ask.h"
#include "proto/bus.h"
#include "shm/counters.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"limits { rooms_per_session = 3 }\n" \
	"namespace \"/n\" { auth = optional presence = rooms\n" \
	"  room \"{r}\" { join = open } event \"q\" { to = sender } }\n" \
	"namespace \"/\" { auth = optional }\n" \
	"route \"/bare\" { namespace = \"/n\" format = bare }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f, *g;
	struct fake_conn *a, *b, *c;	/* ann on both workers, bob on f */
	char	 sid[3][21], pid[3][21];
	struct buf out;
	struct ask *later;
};

/* In /n and in a room of it. */
static struct fake_conn *
join(struct fixture *x, struct fake_host *f, const char *claims, unsigned i,
    const char *room)
{
	struct fake_conn *c = fake_engine(f, fake_token(claims));
	char text[64];
	const char *got;

	fake_say(f, c, "40/n,");
	(void)fake_next(c);
	got = fake_next(c);
	memcpy(x->sid[i], got + strlen("40/n,{\"sid\":\""), 20);
	memcpy(x->pid[i], got + strlen("40/n,{\"sid\":\"\",\"pid\":\"") + 20,
	    20);
	(void)snprintf(text, sizeof text, "42/n,[\"room:join\",\"%s\"]", room);
	fake_say(f, c, text);
	fake_hears(c, "");
	return (c);
}

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	x->a = join(x, x->f, "{\"sub\":\"ann\"}", 0, "r1");
	x->b = join(x, x->f, "{\"sub\":\"bob\"}", 1, "r2");
	x->c = join(x, x->g, "{\"sub\":\"ann\"}", 2, "r1");
	buf_init(&x->out);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	buf_fini(&x->out);
	fake_world_free(&x->w);
	free(x);
	return (0);
}

typedef int order(struct hub *, struct slice user, struct slice body,
    void *asker, struct buf *out, struct ask **later);

/* On f.  Not answered yet when another worker is asked. */
static void
put(struct fixture *x, order *what, const char *user, const char *body)
{
	int status;

	buf_reset(&x->out);
	buf_reset(&x->f->answers);
	status = what(x->f->hub, slice_str(user), slice_str(body), x,
	    &x->out, &x->later);
	assert_int_equal(x->later == NULL ? 200 : 0, status);
}

/* The back end has this answer; NULL: it still waits. */
static void
told(struct fixture *x, const char *answer)
{
	struct buf *b = x->later == NULL ? &x->out : &x->f->answers;
	struct slice got = buf_unread(b);

	if (answer == NULL) {
		assert_non_null(x->later);
		assert_int_equal(0, got.n);
		return;
	}
	assert_int_equal(strlen(answer), x->later == NULL ? got.n : got.n - 1);
	assert_memory_equal(answer, got.p, strlen(answer));
	if (x->later != NULL)
		assert_ptr_equal(x, x->f->asker);
}

static void
post(struct fixture *x, order *what, const char *user, const char *body,
    const char *answer)
{
	put(x, what, user, body);
	fake_turn(x->w);
	told(x, answer);
}

static void
publish(struct fixture *x, const char *room)
{
	struct ask *later;
	struct buf out;
	char body[128];

	buf_init(&out);
	(void)snprintf(body, sizeof body, "{\"namespace\":\"n\","
	    "\"event\":\"e\",\"room\":\"%s\"}", room);
	assert_int_equal(200, api_publish(x->f->hub, slice_str(body), NULL,
	    &out, &later));
	fake_turn(x->w);
	buf_fini(&out);
}

static bool
hears(struct fake_conn *c)
{
	return (strncmp(fake_next(c), "42/n,[\"e\"", 9) == 0);
}

/* --- disconnect ----------------------------------------------------------- */

static void
a_user_is_disconnected_on_every_worker(void **state)
{
	struct fixture *x = *state;
	uint64_t sessions = counter_get(COUNTER_sessions);
	uint64_t ended = counter_get(COUNTER_api_disconnects);

	post(x, api_disconnect, "", "{\"namespace\":\"n\",\"user\":\"ann\"}",
	    "{\"disconnected\":2,\"complete\":true}");
	fake_hears(x->a, "41/n,");
	fake_hears(x->c, "41/n,");
	fake_hears(x->b, "");
	assert_int_equal(-1, x->a->closed);
	assert_int_equal(sessions - 2, counter_get(COUNTER_sessions));
	assert_int_equal(ended + 2, counter_get(COUNTER_api_disconnects));
	publish(x, "r1");
	fake_hears(x->a, "");
	/* the connection lives, and may join again */
	fake_say(x->f, x->a, "40/n,");
	assert_int_equal(0, strncmp(fake_next(x->a), "40/n,{\"sid\":", 12));
}

static void
the_path_names_a_user_in_all_namespaces(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->a, "40");
	(void)fake_next(x->a);
	post(x, api_disconnect, "ann", "",
	    "{\"disconnected\":3,\"complete\":true}");
	fake_hears(x->a, "41/n,");
	fake_hears(x->a, "41");
	fake_hears(x->c, "41/n,");
	fake_hears(x->b, "");
}

static void
a_reason_is_told_before(void **state)
{
	struct fixture *x = *state;

	post(x, api_disconnect, "bob",
	    "{\"namespace\":\"n\",\"reason\":\"be \\\"nice\\\"\"}",
	    "{\"disconnected\":1,\"complete\":true}");
	assert_int_equal(0, strncmp(fake_next(x->b), "42/n,[\"roost:disconnect"
	    "\",{\"reason\":\"be \\\"nice\\\"\"},", 48));
	fake_hears(x->b, "41/n,");
}

static void
close_ends_the_connection_after_each_namespace(void **state)
{
	struct fixture *x = *state;
	char body[128];

	fake_say(x->f, x->a, "40");
	(void)fake_next(x->a);
	(void)snprintf(body, sizeof body,
	    "{\"namespace\":\"n\",\"sid\":\"%s\",\"close\":true}", x->sid[0]);
	post(x, api_disconnect, "", body,
	    "{\"disconnected\":2,\"complete\":true}");
	fake_hears(x->a, "41/n,");
	fake_hears(x->a, "41");
	assert_int_equal(REASON_kicked, x->a->closed);
	fake_hears(x->c, "");
}

static void
reconnect_says_nothing_and_keeps_what_can_be_recovered(void **state)
{
	struct fixture *x = *state;
	uint64_t recovered = counter_get(COUNTER_recovered);
	struct fake_conn *back;
	char text[128];

	post(x, api_disconnect, "", "{\"namespace\":\"n\",\"all\":true,"
	    "\"except\":[\"r2\"],\"reconnect\":true}",
	    "{\"disconnected\":2,\"complete\":true}");
	fake_hears(x->a, "");
	assert_int_equal(REASON_reconnect, x->a->closed);
	assert_int_equal(REASON_reconnect, x->c->closed);
	assert_int_equal(-1, x->b->closed);
	fake_gone(x->f, x->a);
	back = fake_engine(x->f, fake_token("{\"sub\":\"ann\"}"));
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid[0]);
	fake_say(x->f, back, text);
	assert_int_equal(recovered + 1, counter_get(COUNTER_recovered));
}

static void
who_was_disconnected_is_not_recovered(void **state)
{
	struct fixture *x = *state;
	uint64_t failed = counter_get(COUNTER_recovery_failed);
	struct fake_conn *back;
	char text[128];
	unsigned i;

	/* one by its open connection, one while it is parked */
	fake_gone(x->g, x->c);
	post(x, api_disconnect, "ann", "{\"namespace\":\"n\"}",
	    "{\"disconnected\":2,\"complete\":true}");
	fake_gone(x->f, x->a);
	for (i = 0; i < 2; i++) {
		back = fake_engine(i == 0 ? x->f : x->g,
		    fake_token("{\"sub\":\"ann\"}"));
		(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}",
		    x->pid[i * 2]);
		fake_say(i == 0 ? x->f : x->g, back, text);
		(void)fake_next(back);
		assert_int_equal(0, strncmp(fake_next(back),
		    "40/n,{\"sid\":", 12));
		assert_int_equal(failed + i + 1,
		    counter_get(COUNTER_recovery_failed));
	}
}

static void
a_closing_connection_is_not_recovered_either(void **state)
{
	struct fixture *x = *state;

	post(x, api_disconnect, "bob", "{\"namespace\":\"n\","
	    "\"reconnect\":true}",
	    "{\"disconnected\":1,\"complete\":true}");
	post(x, api_disconnect, "bob", "{\"namespace\":\"n\","
	    "\"reconnect\":true}",
	    "{\"disconnected\":0,\"complete\":true}");
	post(x, api_disconnect, "bob", "{\"namespace\":\"n\"}",
	    "{\"disconnected\":1,\"complete\":true}");
	fake_hears(x->b, "");
	fake_gone(x->f, x->b);
	post(x, api_disconnect, "bob", "{\"namespace\":\"n\"}",
	    "{\"disconnected\":0,\"complete\":true}");
}

static void
a_plain_client_gets_a_close(void **state)
{
	struct fixture *x = *state;
	struct refusal r;
	struct fake_conn *p = fake_plain(x->f, "/n",
	    fake_token("{\"sub\":\"eve\"}"), &r);
	struct fake_conn *q = fake_plain(x->f, "/bare",
	    fake_token("{\"sub\":\"eve\"}"), &r);

	post(x, api_disconnect, "eve", "{\"reason\":\"no\"}",
	    "{\"disconnected\":2,\"complete\":true}");
	fake_hears(p, "{\"event\":\"roost:disconnect\","
	    "\"data\":{\"reason\":\"no\"}}");
	fake_hears(q, "");
	assert_int_equal(REASON_kicked, p->closed);
	assert_int_equal(REASON_kicked, q->closed);
}

static void
a_session_that_is_being_moved_goes_too(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *back;
	char text[128];
	struct slice in, frame;
	uint64_t slots[2];
	uint16_t flags;
	int i;

	/* bob comes back on g; f has told its state, and not yet "done" */
	fake_gone(x->f, x->b);
	fake_turn(x->w);
	back = fake_engine(x->g, fake_token("{\"sub\":\"bob\"}"));
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid[1]);
	fake_text(x->g, back, text);
	for (i = 0; i < 2; i++) {	/* ask, state */
		struct fake_host *from = i == 0 ? x->g : x->f;
		struct fake_host *to = i == 0 ? x->f : x->g;

		in = buf_unread(&from->bus);
		assert_true(bus_frame(in, slots, &flags) == (ssize_t)in.n);
		frame = in;
		hub_bus_frame(to->hub, frame);
		buf_reset(&from->bus);
	}
	put(x, api_disconnect, "bob", "{}");
	fake_turn(x->w);
	fake_advance(x->w, 2100);
	(void)fake_next(back);
	assert_int_equal(0, strncmp(fake_next(back), "40/n,{\"sid\":", 12));
	fake_hears(back, "");
	publish(x, "r2");	/* a new session: in no room */
	fake_hears(back, "");
}

/* --- rooms ---------------------------------------------------------------- */

static void
a_user_joins_and_leaves_on_every_worker(void **state)
{
	struct fixture *x = *state;
	uint64_t changed = counter_get(COUNTER_api_room_changes);

	post(x, api_rooms, "ann", "{\"namespace\":\"n\",\"join\":[\"x\"],"
	    "\"leave\":\"r1\"}", "{\"sessions\":2,\"complete\":true}");
	assert_int_equal(changed + 2, counter_get(COUNTER_api_room_changes));
	/* who had asked for it */
	fake_starts(x->a, "42/n,[\"room:left\",{\"room\":\"r1\"");
	fake_starts(x->c, "42/n,[\"room:left\",{\"room\":\"r1\"");
	publish(x, "r1");
	fake_hears(x->a, "");
	fake_hears(x->c, "");
	publish(x, "x");
	assert_true(hears(x->a));
	assert_true(hears(x->c));
	fake_hears(x->b, "");
}

static void
the_members_of_a_room_are_moved(void **state)
{
	struct fixture *x = *state;

	post(x, api_rooms, "", "{\"namespace\":\"n\",\"room\":[\"r1\",\"r2\"],"
	    "\"except\":\"r2\",\"join\":[\"x\",\"y\"],\"leave\":[]}",
	    "{\"sessions\":2,\"complete\":true}");
	publish(x, "y");
	assert_true(hears(x->a));
	assert_true(hears(x->c));
	fake_hears(x->b, "");
	/* all that are left of two rooms: one more would be too many */
	post(x, api_rooms, "", "{\"namespace\":\"n\",\"all\":true,"
	    "\"join\":\"z\"}", "{\"sessions\":1,\"complete\":true}");
	publish(x, "z");
	fake_hears(x->a, "");
	assert_true(hears(x->b));
}

/* rooms_per_session = 3 */
static void
what_counts_is_how_many_rooms_it_is_in_at_the_end(void **state)
{
	static const struct {
		const char	*order;
		bool		 ok;
	} rows[] = {
		{ "\"join\":[\"a\",\"b\",\"c\"]", true },
		{ "\"join\":\"d\"", false },
		{ "\"join\":\"d\",\"leave\":\"e\"", false },
		{ "\"join\":[\"d\",\"e\"],\"leave\":\"a\"", false },
		{ "\"join\":\"d\",\"leave\":[\"a\"]", true },
		{ "\"join\":\"e\",\"leave\":[\"a\",\"x\",\"x\"]", false },
		{ "\"join\":\"e\",\"leave\":\"e\"", true },
		{ "\"join\":[\"b\",\"d\"]", true },
		{ "\"leave\":\"d\"", true },
		{ "\"join\":[\"e\",\"e\",\"b\",\"e\"]", true },
		{ "\"join\":[\"f\",\"g\"],\"leave\":[\"b\",\"b\"]", false },
		{ "\"join\":[\"f\",\"g\"],\"leave\":[\"b\",\"c\"]", true },
	};
	struct fixture *x = *state;
	char body[128];
	unsigned i;

	post(x, api_rooms, "bob", "{\"namespace\":\"n\","
	    "\"leave\":[\"r1\",\"r2\"]}", "{\"sessions\":1,\"complete\":true}");
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(body, sizeof body, "{\"namespace\":\"n\",%s}",
		    rows[i].order);
		post(x, api_rooms, "bob", body, rows[i].ok ?
		    "{\"sessions\":1,\"complete\":true}" :
		    "{\"sessions\":0,\"complete\":true}");
	}
}

static void
presence_in_rooms_follows(void **state)
{
	struct fixture *x = *state;
	struct buf out;
	struct api_presence q = { .ns = SLICE("n"), .room = SLICE("x"),
		.limit = 10 };
	static const char *const want[] = { "\"user\":\"bob\"", NULL,
		"\"user\":\"bob\"", NULL };
	unsigned i;

	buf_init(&out);
	for (i = 0; i < nitems(want); i++) {
		if (i < 3)
			post(x, api_rooms, "bob", i == 1 ?
			    "{\"namespace\":\"n\",\"leave\":[\"x\"]}" :
			    "{\"namespace\":\"n\",\"join\":[\"x\"]}",
			    "{\"sessions\":1,\"complete\":true}");
		else
			post(x, api_disconnect, "bob", "{}",
			    "{\"disconnected\":1,\"complete\":true}");
		buf_reset(&out);
		assert_int_equal(200, api_presence(x->f->hub, &q, &out));
		buf_byte(&out, '\0');
		assert_true((strstr((char *)out.data, "\"bob\"") != NULL) ==
		    (want[i] != NULL));
	}
	buf_fini(&out);
}

static void
a_parked_session_is_in_its_new_room_when_it_is_back(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *back;
	char text[128];
	unsigned i;

	/* once on its own worker, once on the other */
	for (i = 0; i < 2; i++) {
		fake_gone(x->f, i == 0 ? x->a : x->b);
		post(x, api_rooms, i == 0 ? "ann" : "bob",
		    "{\"namespace\":\"n\",\"join\":\"x\"}", i == 0 ?
		    "{\"sessions\":2,\"complete\":true}" :
		    "{\"sessions\":1,\"complete\":true}");
		back = fake_engine(i == 0 ? x->f : x->g, fake_token(i == 0 ?
		    "{\"sub\":\"ann\"}" : "{\"sub\":\"bob\"}"));
		(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}",
		    x->pid[i]);
		fake_say(i == 0 ? x->f : x->g, back, text);
		(void)fake_next(back);
		(void)snprintf(text, sizeof text,
		    "40/n,{\"sid\":\"%.20s\",\"pid\":\"%.20s\"}", x->sid[i],
		    x->pid[i]);
		fake_hears(back, text);
		publish(x, "x");
		assert_true(hears(back));
	}
}

static void
a_moved_session_is_present_once(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *back;
	struct buf out;
	struct api_presence q = { .ns = SLICE("n"), .room = SLICE("r2"),
		.limit = 10 };
	char text[128];

	fake_gone(x->f, x->b);
	back = fake_engine(x->g, fake_token("{\"sub\":\"bob\"}"));
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid[1]);
	fake_say(x->g, back, text);
	post(x, api_disconnect, "bob", "{}",
	    "{\"disconnected\":1,\"complete\":true}");
	buf_init(&out);
	assert_int_equal(200, api_presence(x->f->hub, &q, &out));
	buf_byte(&out, '\0');
	assert_null(strstr((char *)out.data, "\"bob\""));
	buf_fini(&out);
}

/* --- the whole host ------------------------------------------------------- */

#define ANN	"{\"namespace\":\"n\",\"user\":\"ann\"}"

static void
the_answer_waits_for_the_other_workers_and_for_nobody_else(void **state)
{
	struct fixture *x = *state;

	put(x, api_disconnect, "", ANN);
	told(x, NULL);
	fake_turn(x->w);
	told(x, "{\"disconnected\":2,\"complete\":true}");
	/* bob has never been on g */
	put(x, api_disconnect, "bob", "{}");
	assert_null(x->later);
	told(x, "{\"disconnected\":1,\"complete\":true}");
	/* nobody is */
	put(x, api_rooms, "ann", "{\"namespace\":\"n\",\"join\":\"x\"}");
	assert_null(x->later);
	told(x, "{\"sessions\":0,\"complete\":true}");
}

static void
two_orders_that_cross_are_counted_each_for_itself(void **state)
{
	struct fixture *x = *state;
	struct buf first;

	put(x, api_rooms, "", "{\"namespace\":\"n\",\"all\":true,"
	    "\"join\":\"x\"}");
	buf_init(&first);
	assert_int_equal(0, api_disconnect(x->g->hub, slice_str("ann"),
	    SLICE("{}"), x, &first, &x->later));
	assert_int_equal(0, buf_unread(&first).n);
	fake_turn(x->w);
	/* c was gone when the order came to g; a was not on f yet */
	told(x, "{\"sessions\":2,\"complete\":true}");
	buf_byte(&x->g->answers, '\0');
	assert_string_equal("{\"disconnected\":2,\"complete\":true}\n",
	    (char *)x->g->answers.data);
	buf_fini(&first);
}

static void
without_a_relay_the_answer_says_that_it_is_not_complete(void **state)
{
	struct fixture *x = *state;
	uint64_t incomplete = counter_get(COUNTER_asks_incomplete);

	x->f->bus_down = true;
	put(x, api_disconnect, "", ANN);
	assert_null(x->later);
	told(x, "{\"disconnected\":1,\"complete\":false}");
	put(x, api_rooms, "", "{\"namespace\":\"n\",\"all\":true,"
	    "\"join\":\"x\"}");
	told(x, "{\"sessions\":1,\"complete\":false}");
	x->f->bus_down = false;
	assert_int_equal(incomplete + 2,
	    counter_get(COUNTER_asks_incomplete));
	fake_turn(x->w);
	fake_hears(x->c, "");
}

static void
a_relay_that_dies_meanwhile_ends_the_wait(void **state)
{
	struct fixture *x = *state;

	put(x, api_disconnect, "", ANN);
	hub_bus_lost(x->f->hub);
	told(x, "{\"disconnected\":1,\"complete\":false}");
	fake_turn(x->w);	/* what comes now is nobody's */
	told(x, "{\"disconnected\":1,\"complete\":false}");
}

static void
a_worker_that_says_nothing_is_waited_for_two_seconds(void **state)
{
	struct fixture *x = *state;
	uint64_t late = counter_get(COUNTER_acks_timed_out);

	put(x, api_disconnect, "", ANN);
	buf_reset(&x->f->bus);	/* it died with what it was sent */
	fake_advance(x->w, 1900);
	told(x, NULL);
	fake_advance(x->w, 100);
	told(x, "{\"disconnected\":1,\"complete\":false}");
	assert_int_equal(late, counter_get(COUNTER_acks_timed_out));
	fake_hears(x->c, "");
}

static void
a_worker_that_leaves_tells_what_it_knows(void **state)
{
	struct fixture *x = *state;

	put(x, api_disconnect, "", ANN);
	hub_leave(x->f->hub);
	told(x, "{\"disconnected\":1,\"complete\":false}");
	fake_turn(x->w);
	fake_hears(x->c, "41/n,");
}

static void
an_asker_that_goes_leaves_nothing_and_the_order_is_done(void **state)
{
	struct fixture *x = *state;

	put(x, api_disconnect, "", ANN);
	ask_forget(&x->later);
	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	fake_turn(x->w);
	assert_int_equal(0, buf_unread(&x->f->answers).n);
	fake_hears(x->a, "41/n,");
	fake_hears(x->c, "41/n,");
}

static void
orders_are_done_when_too_many_questions_are_open(void **state)
{
	struct fixture *x = *state;
	struct ask *open[ASK_MAX];
	unsigned i;

	for (i = 0; i < ASK_MAX; i++) {
		open[i] = ask_count(x->f->hub, NULL, "n");
		assert_non_null(open[i]);
	}
	put(x, api_rooms, "bob", "{\"namespace\":\"n\",\"join\":\"x\"}");
	told(x, "{\"sessions\":1,\"complete\":true}");
	put(x, api_disconnect, "", ANN);
	assert_null(x->later);
	told(x, "{\"disconnected\":1,\"complete\":false}");
	fake_turn(x->w);
	fake_hears(x->c, "41/n,");
	for (i = 0; i < ASK_MAX; i++)
		ask_forget(&open[i]);
}

/* --- other hosts ---------------------------------------------------------- */

/* What the relay has to say to the last order of f. */
static void
relay_reports(struct fixture *x, uint16_t flags)
{
	struct bus_envelope e;
	struct buf b;

	(void)bus_answers(&e);
	e.flags = flags;
	e.from = 0;
	e.generation = 1;
	e.ref = ask_ref(x->later);
	e.slots[0] = 1;
	e.slots[1] = 0;
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	hub_bus_frame(x->f->hub, buf_unread(&b));
	buf_fini(&b);
}

static void
with_other_hosts(void **state, void (*f)(struct fixture *))
{
	struct fixture *x = *state;
	static char url[] = "redis://somewhere";

	x->w->conf->redis.url.text = url;
	f(x);
	x->w->conf->redis.url.text = NULL;
}

static void
far_order(struct fixture *x)
{
	static const char bob[] = "{\"namespace\":\"n\",\"user\":\"bob\"}",
	    all[] = "{\"namespace\":\"n\",\"all\":true,\"join\":\"x\"}";

	/* nobody here but f itself is asked: the relay is */
	put(x, api_disconnect, "", bob);
	fake_turn(x->w);
	told(x, NULL);
	relay_reports(x, 0);
	told(x, "{\"disconnected\":1,\"complete\":true}");
	/* Redis was away, and the other worker's part is there or not yet */
	put(x, api_rooms, "", all);
	relay_reports(x, BUS_TRUNCATED);
	told(x, NULL);
	fake_turn(x->w);
	told(x, "{\"sessions\":2,\"complete\":false}");
	put(x, api_rooms, "", "{\"namespace\":\"n\",\"all\":true,"
	    "\"leave\":\"x\"}");
	fake_turn(x->w);
	told(x, NULL);
	relay_reports(x, 0);
	told(x, "{\"sessions\":2,\"complete\":true}");
	/* it says nothing, or dies */
	put(x, api_rooms, "", all);
	fake_turn(x->w);
	fake_advance(x->w, 2000);
	told(x, "{\"sessions\":2,\"complete\":false}");
	put(x, api_disconnect, "", ANN);
	fake_turn(x->w);
	hub_bus_lost(x->f->hub);
	told(x, "{\"disconnected\":2,\"complete\":false}");
}

static void
the_answer_waits_until_other_hosts_were_told(void **state)
{
	with_other_hosts(state, far_order);
}

static void
far_order_unasked(struct fixture *x)
{
	struct ask *open[ASK_MAX];
	unsigned i;

	for (i = 0; i < ASK_MAX; i++)
		open[i] = ask_count(x->f->hub, NULL, "n");
	put(x, api_disconnect, "", "{\"namespace\":\"n\",\"user\":\"bob\"}");
	told(x, "{\"disconnected\":1,\"complete\":false}");
	for (i = 0; i < ASK_MAX; i++)
		ask_forget(&open[i]);
	/* and no relay that could tell them */
	x->f->bus_down = true;
	put(x, api_rooms, "", "{\"namespace\":\"n\",\"room\":\"none\","
	    "\"join\":\"x\"}");
	told(x, "{\"sessions\":0,\"complete\":false}");
	x->f->bus_down = false;
}

static void
whether_other_hosts_were_told_nobody_can_say(void **state)
{
	with_other_hosts(state, far_order_unasked);
}

/* --- bad bodies ----------------------------------------------------------- */

static void
bad_orders_are_refused_and_change_nothing(void **state)
{
	static const struct {
		order *what;
		const char *user, *body;
		int status;
	} cases[] = {
		{ api_disconnect, "", "", 400 },
		{ api_disconnect, "", "[]", 400 },
		{ api_disconnect, "", "{", 400 },
		{ api_disconnect, "", "{\"namespace\":\"n\"}", 400 },
		{ api_disconnect, "", "{\"user\":\"ann\"}", 400 },
		{ api_disconnect, "", "{\"namespace\":\"n\",\"all\":false}",
		    400 },
		{ api_disconnect, "", "{\"namespace\":\"n\",\"all\":1}", 400 },
		{ api_disconnect, "", "{\"namespace\":\"n\",\"all\":true,"
		    "\"user\":\"ann\"}", 400 },
		{ api_disconnect, "", "{\"namespace\":\"n\",\"user\":[]}",
		    400 },
		{ api_disconnect, "", "{\"namespace\":\"n\",\"usr\":\"ann\","
		    "\"all\":true}", 400 },
		{ api_disconnect, "", "{\"namespace\":\"zzz\",\"all\":true}",
		    404 },
		{ api_disconnect, "ann", "{\"namespace\":\"zzz\"}", 404 },
		{ api_disconnect, "ann", "{\"user\":\"bob\"}", 400 },
		{ api_disconnect, "ann", "{\"close\":true,\"reconnect\":true}",
		    400 },
		{ api_disconnect, "ann", "{\"close\":\"yes\"}", 400 },
		{ api_disconnect, "ann", "{\"reason\":7}", 400 },
		{ api_rooms, "ann", "{\"namespace\":\"n\"}", 400 },
		{ api_rooms, "ann", "{\"join\":\"x\"}", 400 },
		{ api_rooms, "ann", "{\"namespace\":\"n\",\"join\":[]}", 400 },
		{ api_rooms, "ann", "{\"namespace\":\"n\",\"join\":[1]}",
		    400 },
		{ api_rooms, "", "{\"namespace\":\"n\",\"join\":\"x\"}", 400 },
		{ api_rooms, "ann", "{\"namespace\":\"n\",\"join\":\"x\","
		    "\"close\":true}", 400 },
	};
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		buf_reset(&x->out);
		assert_int_equal(cases[i].status, cases[i].what(x->f->hub,
		    slice_str(cases[i].user), slice_str(cases[i].body), x,
		    &x->out, &x->later));
		assert_null(x->later);
		assert_true(slice_starts(buf_unread(&x->out),
		    SLICE("{\"error\":{\"code\":\"")));
		fake_turn(x->w);
	}
	fake_hears(x->a, "");
	fake_hears(x->c, "");
	publish(x, "r1");
	assert_true(hears(x->a));
	assert_true(hears(x->c));
}

/* --- who is there ---------------------------------------------------------- */

static int
ask_rooms(struct hub *h, struct slice cursor, struct slice limit, void *asker,
    struct buf *out, struct ask **later)
{
	struct api_survey q = { .what = API_SURVEY_ROOMS, .ns = SLICE("n"),
		.cursor = cursor, .limit = limit.n == 1 ? 1 : 100 };

	return (api_survey(h, &q, asker, out, later));
}

static int
ask_user(struct hub *h, struct slice user, struct slice unused, void *asker,
    struct buf *out, struct ask **later)
{
	struct api_survey q = { .what = API_SURVEY_USER, .name = user,
		.limit = 100 };

	(void)unused;
	return (api_survey(h, &q, asker, out, later));
}

static void
wait_turns(struct fixture *x)
{
	unsigned i;

	for (i = 0; i < 100 && (i < 3 || hub_busy(x->f->hub) ||
	    hub_busy(x->g->hub)); i++)
		fake_turn(x->w);
}

static void
rooms_of_all_workers_are_put_together(void **state)
{
	struct fixture *x = *state;

	put(x, ask_rooms, "", "");
	wait_turns(x);
	told(x, "{\"rooms\":[{\"room\":\"r1\",\"sessions\":2},"
	    "{\"room\":\"r2\",\"sessions\":1}],\"complete\":true}");
	put(x, ask_rooms, "", "1");
	wait_turns(x);
	told(x, "{\"rooms\":[{\"room\":\"r1\",\"sessions\":2}],"
	    "\"next\":\"r1\",\"complete\":true}");
	put(x, ask_rooms, "r1", "1");
	wait_turns(x);
	told(x, "{\"rooms\":[{\"room\":\"r2\",\"sessions\":1}],"
	    "\"complete\":true}");
	put(x, ask_user, "nobody", "");
	wait_turns(x);
	told(x, "{\"user\":\"nobody\",\"hosts\":[],\"sessions\":[],"
	    "\"complete\":true}");
}

static void
who_is_missing_makes_it_incomplete(void **state)
{
	static const char incomplete[] = "{\"rooms\":[{\"room\":\"r1\","
	    "\"sessions\":1},{\"room\":\"r2\",\"sessions\":1}],"
	    "\"complete\":false}";
	struct fixture *x = *state;

	/* the other worker says nothing */
	put(x, ask_rooms, "", "");
	buf_reset(&x->f->bus);	/* it died with what it was sent */
	wait_turns(x);
	told(x, NULL);
	fake_advance(x->w, 1900);
	told(x, NULL);
	fake_advance(x->w, 100);
	told(x, incomplete);
	/* there is no relay */
	x->f->bus_down = true;
	put(x, ask_rooms, "", "");
	wait_turns(x);
	told(x, incomplete);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_user_is_disconnected_on_every_worker),
		T(the_path_names_a_user_in_all_namespaces),
		T(a_reason_is_told_before),
		T(close_ends_the_connection_after_each_namespace),
		T(reconnect_says_nothing_and_keeps_what_can_be_recovered),
		T(who_was_disconnected_is_not_recovered),
		T(a_closing_connection_is_not_recovered_either),
		T(a_plain_client_gets_a_close),
		T(a_session_that_is_being_moved_goes_too),
		T(a_user_joins_and_leaves_on_every_worker),
		T(the_members_of_a_room_are_moved),
		T(what_counts_is_how_many_rooms_it_is_in_at_the_end),
		T(presence_in_rooms_follows),
		T(a_parked_session_is_in_its_new_room_when_it_is_back),
		T(a_moved_session_is_present_once),
		T(the_answer_waits_for_the_other_workers_and_for_nobody_else),
		T(two_orders_that_cross_are_counted_each_for_itself),
		T(without_a_relay_the_answer_says_that_it_is_not_complete),
		T(a_relay_that_dies_meanwhile_ends_the_wait),
		T(a_worker_that_says_nothing_is_waited_for_two_seconds),
		T(a_worker_that_leaves_tells_what_it_knows),
		T(an_asker_that_goes_leaves_nothing_and_the_order_is_done),
		T(orders_are_done_when_too_many_questions_are_open),
		T(the_answer_waits_until_other_hosts_were_told),
		T(whether_other_hosts_were_told_nobody_can_say),
		T(bad_orders_are_refused_and_change_nothing),
		T(rooms_of_all_workers_are_put_together),
		T(who_is_missing_makes_it_incomplete),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
