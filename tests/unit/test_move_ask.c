/* Clients that owe an answer to a question of a back end, and go on at
 * another worker: it is told as if they had stayed. */
#include "moving.h"

#include "hub/api.h"
#include "hub/backend/ask_int.h"
#include "proto/bus.h"
#include "shm/counters.h"

#define CONF \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open } }\n" \
	"namespace \"/m\" { auth = none room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off ack = delivered } }\n" \
	"jwt { secret = \"" FAKE_SECRET "\" }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f, *g, *k;	/* f is asked by the back end */
	struct fake_conn *a, *b, *c;	/* a, b on f, c on g */
	struct buf	 out;
	struct ask	*later;
};

static struct fake_conn *
join(struct fake_host *f)
{
	struct fake_conn *c = fake_enter(f, "/n", NULL);

	fake_say(f, c, "42/n,[\"room:join\",\"r\"]");
	buf_reset(&c->got);
	return (c);
}

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	assert_non_null(x);
	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	x->k = fake_host_new(x->w, 3);
	/* each has numbers of its own */
	waits_pass(&x->g->hub->asks->waits, 100);
	waits_pass(&x->k->hub->asks->waits, 200);
	x->a = join(x->f);
	x->b = join(x->f);
	x->c = join(x->g);
	buf_init(&x->out);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	assert_false(hub_has_questions(x->f->hub));
	assert_false(hub_has_questions(x->g->hub));
	buf_fini(&x->out);
	fake_world_free(&x->w);
	assert_int_equal(counter_get(COUNTER_sessions), 0);
	free(x);
	return (0);
}

static void
ask(struct fixture *x, const char *more)
{
	char body[256];

	(void)snprintf(body, sizeof body, "{\"namespace\":\"n\",\"event\":"
	    "\"q\",\"data\":1,\"meta\":false,\"room\":\"r\",\"ack\":true%s}",
	    more);
	buf_reset(&x->out);
	assert_int_equal(0, api_publish(x->f->hub, slice_str(body), x,
	    &x->out, &x->later));
	fake_turn(x->w);
}

static uint64_t
asked(struct fake_conn *c)
{
	const char *t = fake_next(c), *p;
	uint64_t id = 0;

	assert_int_equal(0, strncmp(t, "42/n,", 5));
	for (p = t + 5; *p >= '0' && *p <= '9'; p++)
		id = id * 10 + (uint64_t)(*p - '0');
	assert_string_equal(p, "[\"q\",1]");
	return (id);
}

static void
reply(struct fake_host *f, struct fake_conn *c, uint64_t id, const char *args)
{
	char text[256];

	(void)snprintf(text, sizeof text, "43/n,%llu%s",
	    (unsigned long long)id, args);
	fake_say(f, c, text);
}

static void
told(struct fixture *x, const char *part)
{
	buf_byte(&x->f->answers, '\0');
	if (part == NULL)
		assert_string_equal((char *)x->f->answers.data, "");
	else if (strstr((char *)x->f->answers.data, part) == NULL)
		assert_string_equal(part, (char *)x->f->answers.data);
	x->f->answers.wpos--;
}

static void
a_client_of_the_asker_answers_there(void **state)
{
	struct fixture *x = *state;
	uint64_t id;

	ask(x, "");
	id = asked(x->a);
	x->a = moved(x->f, x->g, x->a);
	assert_true(hub_has_questions(x->f->hub));
	reply(x->f, x->b, asked(x->b), "[2]");
	reply(x->g, x->c, asked(x->c), "[3]");
	told(x, NULL);
	reply(x->g, x->a, id, "[1]");
	told(x, "\"args\":[1]}");
	told(x, "],\"asked\":3,\"answered\":3,\"complete\":true}\n");
	reply(x->g, x->a, id, "[1]");	/* once */
}

static void
a_client_of_a_branch_answers_there(void **state)
{
	struct fixture *x = *state;
	uint64_t id;

	ask(x, "");
	id = asked(x->c);
	x->c = moved(x->g, x->k, x->c);
	reply(x->f, x->b, asked(x->b), "[2]");
	reply(x->f, x->a, asked(x->a), "[3]");
	told(x, NULL);
	reply(x->k, x->c, id, "[1]");
	told(x, "],\"asked\":3,\"answered\":3,\"complete\":true}\n");
}

static void
it_may_go_on_and_back(void **state)
{
	struct fixture *x = *state;
	uint64_t id;

	ask(x, "");
	id = asked(x->a);
	x->a = moved(x->f, x->g, x->a);
	x->a = moved(x->g, x->k, x->a);
	x->a = moved(x->k, x->f, x->a);
	reply(x->f, x->b, asked(x->b), "[2]");
	reply(x->g, x->c, asked(x->c), "[3]");
	told(x, NULL);
	reply(x->f, x->a, id, "[1]");
	told(x, "],\"asked\":3,\"answered\":3,\"complete\":true}\n");
}

/* The second one goes when the first has answered there; and when not. */
static void
several_go_one_after_the_other(void **state)
{
	struct fixture *x = *state;
	uint64_t id;
	int first;

	for (first = 0; first < 2; first++) {
		ask(x, "");
		id = asked(x->a);
		(void)asked(x->b);
		reply(x->g, x->c, asked(x->c), "[3]");
		x->a = moved(x->f, x->k, x->a);
		if (first)
			reply(x->k, x->a, id, "[1]");
		x->b = moved(x->f, x->k, x->b);
		if (!first)
			reply(x->k, x->a, id, "[1]");
		told(x, NULL);
		reply(x->k, x->b, id, "[2]");
		told(x, "],\"asked\":3,\"answered\":3,\"complete\":true}\n");
		buf_reset(&x->f->answers);
		x->a = moved(x->k, x->f, x->a);
		x->b = moved(x->k, x->f, x->b);
	}
}

static void
who_leaves_there_is_not_waited_for(void **state)
{
	struct fixture *x = *state;

	ask(x, "");
	(void)asked(x->a);
	x->a = moved(x->f, x->g, x->a);
	reply(x->f, x->b, asked(x->b), "[2]");
	reply(x->g, x->c, asked(x->c), "[3]");
	told(x, NULL);
	fake_say(x->g, x->a, "41/n,");
	told(x, "],\"asked\":3,\"answered\":2,\"complete\":false}\n");
}

static void
who_does_not_answer_there_is_not_waited_for(void **state)
{
	struct fixture *x = *state;
	uint64_t late = counter_get(COUNTER_acks_timed_out);

	ask(x, ",\"timeout\":800");
	reply(x->f, x->b, asked(x->b), "[2]");
	reply(x->g, x->c, asked(x->c), "[3]");
	fake_advance(x->w, 300);
	x->a = moved(x->f, x->g, x->a);
	fake_advance(x->w, 400);
	told(x, NULL);
	fake_advance(x->w, 200);
	told(x, "],\"asked\":3,\"answered\":2,\"complete\":false}\n");
	assert_int_equal(late + 1, counter_get(COUNTER_acks_timed_out));
}

static void
an_asker_that_goes_calls_them_off(void **state)
{
	struct fixture *x = *state;

	ask(x, "");
	(void)asked(x->c);
	x->c = moved(x->g, x->k, x->c);
	x->a = moved(x->f, x->g, x->a);
	assert_true(hub_has_questions(x->k->hub));
	ask_forget(&x->later);
	fake_turn(x->w);
	assert_false(hub_has_questions(x->k->hub));
	assert_null(x->a->client->asked);
	told(x, NULL);
}

static void
an_heir_that_lets_go_owes_nothing(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *d;
	enum reason why;
	struct moving m;
	uint64_t id;

	ask(x, "");
	id = asked(x->a);
	moving_open(&m, x->f, x->g);
	moving_save(&m, x->a);
	d = moving_load(&m, &why);
	assert_non_null(d);
	client_unload(&d->client);
	moving_close(&m);
	fake_turn(x->w);
	reply(x->f, x->b, asked(x->b), "[2]");
	reply(x->g, x->c, asked(x->c), "[3]");
	told(x, NULL);
	reply(x->f, x->a, id, "[1]");
	told(x, "],\"asked\":3,\"answered\":3,\"complete\":true}\n");
}

/* Questions of the heir's own have other numbers. */
static void
two_questions_are_told_apart(void **state)
{
	struct fixture *x = *state;
	struct fake_host *f = x->f;
	uint64_t id, own;

	ask(x, "");
	id = asked(x->a);
	(void)asked(x->b);
	(void)asked(x->c);
	x->a = moved(x->f, x->k, x->a);
	x->f = x->k;
	ask(x, "");
	x->f = f;
	own = asked(x->a);
	assert_true(own != id);
	fake_gone(x->f, x->b);
	fake_gone(x->g, x->c);
	fake_turn(x->w);
	reply(x->k, x->a, own, "[\"own\"]");
	told(x, NULL);
	assert_non_null(memmem(x->k->answers.data, x->k->answers.wpos,
	    "[\"own\"]", 7));
	reply(x->k, x->a, id, "[1]");
	told(x, "],\"asked\":3,\"answered\":1,\"complete\":false}\n");
}

/* --- what was on its way to the giver ------------------------------------- */

/* x->a goes from f to g, behind what others have for f already. */
static void
goes_behind(struct fixture *x)
{
	hub_turn_end(x->f->hub);
	hub_turn_end(x->g->hub);
	x->a = moved(x->f, x->g, x->a);
	x->w->giver = 1;
	x->w->heir = 2;
	fake_turn(x->w);
}

static void
who_went_meanwhile_is_counted(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *d = fake_enter(x->k, "/m", NULL);

	fake_gone(x->f, x->a);
	fake_gone(x->f, x->b);
	x->a = fake_enter(x->f, "/m", NULL);
	x->b = fake_enter(x->f, "/m", NULL);
	fake_say(x->f, x->a, "42/m,[\"room:join\",\"r\"]");
	fake_say(x->f, x->b, "42/m,[\"room:join\",\"r\"]");
	fake_say(x->k, d, "42/m,[\"room:join\",\"r\"]");
	fake_text(x->k, d, "42/m,1[\"m\",{\"room\":\"r\"}]");
	assert_true(hub_pending_acks(x->k->hub));
	goes_behind(x);
	fake_hears(x->a, "42/m,[\"m\",{\"room\":\"r\"}]");
	fake_hears(x->b, "42/m,[\"m\",{\"room\":\"r\"}]");
	assert_non_null(strstr(fake_next(d), "\"delivered\":2}"));
	assert_false(hub_pending_acks(x->k->hub));
}

static void
who_went_meanwhile_is_asked(void **state)
{
	struct fixture *x = *state;
	struct fake_host *f = x->f;
	char body[] = "{\"namespace\":\"n\",\"event\":\"q\",\"data\":1,"
	    "\"meta\":false,\"room\":\"r\",\"ack\":true}";

	fake_gone(x->g, x->c);
	fake_turn(x->w);
	assert_int_equal(0, api_publish(x->k->hub, slice_str(body), x,
	    &x->out, &x->later));
	goes_behind(x);
	x->f = x->k;
	reply(f, x->b, asked(x->b), "[2]");
	told(x, NULL);
	reply(x->g, x->a, asked(x->a), "[1]");
	told(x, "],\"asked\":2,\"answered\":2,\"complete\":true}\n");
	x->f = f;
}

static void
who_went_meanwhile_obeys(void **state)
{
	struct fixture *x = *state;
	char body[] = "{\"namespace\":\"n\",\"room\":\"r\","
	    "\"join\":[\"s\"]}";

	fake_gone(x->g, x->c);
	fake_turn(x->w);
	assert_int_equal(0, api_rooms(x->k->hub, slice_str(""),
	    slice_str(body), x, &x->out,
	    &x->later));
	goes_behind(x);
	assert_int_equal(2, x->a->client->sessions->nrooms);
	assert_int_equal(2, x->b->client->sessions->nrooms);
	assert_non_null(memmem(x->k->answers.data, x->k->answers.wpos,
	    ":2,\"complete\":true}", 19));
}

/* --- other hosts ask ------------------------------------------------------ */

static void
relay_asks(struct fixture *x)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);
	struct buf b;

	e.flags = BUS_WANT_ANSWERS;
	e.from = 0;
	e.ref = 77;
	slotset_only(e.slots, 1);
	p->nsp = SLICE("/n");
	p->event = SLICE("\"q\"");
	p->args = SLICE("1");
	p->timeout_ms = 5000;
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	hub_bus_frame(x->f->hub, buf_unread(&b));
	buf_fini(&b);
	fake_turn(x->w);
}

/* The next frame to the relay says so. */
static void
relay_hears(struct fixture *x, unsigned asked, unsigned answered, bool more)
{
	struct bus_envelope e;
	ssize_t n = bus_decode(buf_unread(&x->f->relay), &e);

	assert_true(n > 0);
	assert_int_equal(BUS_ANSWERS, e.kind);
	assert_int_equal(77, e.ref);
	assert_int_equal(asked, e.answers.asked);
	assert_int_equal(answered, e.answers.answered);
	assert_int_equal(more, (e.flags & BUS_MORE) != 0);
	buf_consume(&x->f->relay, (size_t)n);
}

static void
the_relay_hears_of_each_as_it_answers(void **state)
{
	struct fixture *x = *state;
	uint64_t id;

	relay_asks(x);
	id = asked(x->a);
	(void)asked(x->b);
	relay_hears(x, 2, 0, true);
	x->a = moved(x->f, x->g, x->a);
	x->b = moved(x->f, x->g, x->b);
	x->b = moved(x->g, x->k, x->b);
	assert_int_equal(0, buf_unread(&x->f->relay).n);
	reply(x->g, x->a, id, "[1]");
	relay_hears(x, 0, 1, true);
	reply(x->k, x->b, id, "[1]");
	relay_hears(x, 0, 1, false);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_client_of_the_asker_answers_there),
		TEST(a_client_of_a_branch_answers_there),
		TEST(it_may_go_on_and_back),
		TEST(several_go_one_after_the_other),
		TEST(who_leaves_there_is_not_waited_for),
		TEST(who_does_not_answer_there_is_not_waited_for),
		TEST(an_asker_that_goes_calls_them_off),
		TEST(an_heir_that_lets_go_owes_nothing),
		TEST(two_questions_are_told_apart),
		TEST(who_went_meanwhile_is_counted),
		TEST(who_went_meanwhile_is_asked),
		TEST(who_went_meanwhile_obeys),
		TEST(the_relay_hears_of_each_as_it_answers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
