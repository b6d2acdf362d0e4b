/* Publications that ask: answers of clients here and on another worker, and
 * all the ways in which some do not come. */
#include "check.h"
#include "fake_host.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/publish/gone.h"
#include "proto/bus.h"
#include "shm/counters.h"
#include "shm/slots.h"

#define CONF \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open } }\n" \
	"namespace \"/m\" { auth = none }\n" \
	"route \"/bare\" { namespace = \"/n\" format = bare join = \"r\" }\n" \
	"route \"/plain\" { namespace = \"/n\" join = \"r\" }\n" \
	"jwt { secret = \"" FAKE_SECRET "\" }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f, *g;
	struct fake_conn *a, *b, *c;	/* a, b here, c on the other worker */
	char	 sid[3][21];
	struct buf out;
	struct ask *later;
};

static struct fake_conn *
join(struct fake_host *f, char sid[21], const char *token)
{
	struct fake_conn *c = fake_engine(f, token);

	fake_text(f, c, "40/n,");
	fake_text(f, c, "42/n,[\"room:join\",\"r\"]");
	fake_turn(f->world);
	(void)fake_next(c);
	memcpy(sid, fake_next(c) + strlen("40/n,{\"sid\":\""), 20);
	return (c);
}

static int
start(void **state, const char *conf)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = fake_world_new(conf);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	x->a = join(x->f, x->sid[0], fake_token("{\"sub\":\"ann\"}"));
	x->b = join(x->f, x->sid[1], NULL);
	x->c = join(x->g, x->sid[2], NULL);
	buf_init(&x->out);
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
	buf_fini(&x->out);
	fake_world_free(&x->w);
	free(x);
	return (0);
}

/* Publish to the room, asking; 0: the answer comes later. */
static void
ask(struct fixture *x, int status, const char *more)
{
	uint64_t published = counter_get(COUNTER_publications);
	char body[256];

	(void)snprintf(body, sizeof body, "{\"namespace\":\"n\",\"event\":"
	    "\"q\",\"data\":1,\"meta\":false,\"ack\":true%s}", more);
	buf_reset(&x->out);
	assert_int_equal(status, api_publish(x->f->hub, slice_str(body), x,
	    &x->out, &x->later));
	if (status == 0)	/* a publication like any other */
		assert_int_equal(published + 1,
		    counter_get(COUNTER_publications));
	fake_turn(x->w);
}

/* The id that the question has for this client; UINT64_MAX: none came. */
static uint64_t
asked(struct fake_conn *c, const char *end)
{
	const char *t = fake_next(c), *p;
	uint64_t id = 0;

	if (strncmp(t, "42/n,", 5) != 0)
		return (UINT64_MAX);
	for (p = t + 5; *p >= '0' && *p <= '9'; p++)
		id = id * 10 + (uint64_t)(*p - '0');
	assert_string_equal(p, end);
	return (id);
}

#define Q "[\"q\",1]"

static void
reply(struct fake_host *f, struct fake_conn *c, uint64_t id, const char *args)
{
	char text[256];

	(void)snprintf(text, sizeof text, "43/n,%llu%s",
	    (unsigned long long)id, args);
	fake_text(f, c, text);
	fake_turn(f->world);
}

/* What the back end was told has this; and nothing when part is NULL. */
static void
told(struct fixture *x, const char *part)
{
	buf_byte(&x->f->answers, '\0');
	if (part == NULL) {
		assert_string_equal((char *)x->f->answers.data, "");
	} else {
		if (strstr((char *)x->f->answers.data, part) == NULL)
			assert_string_equal(part,
			    (char *)x->f->answers.data);
		assert_ptr_equal(x->f->asker, x);
	}
	x->f->answers.wpos--;
}

static void
answers_of_all_workers_are_one_response(void **state)
{
	struct fixture *x = *state;
	char part[256];

	ask(x, 0, ",\"room\":\"r\"");
	assert_non_null(x->later);
	reply(x->f, x->a, asked(x->a, Q), "[\"yes\",{\"n\":1.50}]");
	reply(x->g, x->c, asked(x->c, Q), "[]");
	told(x, NULL);
	reply(x->f, x->b, asked(x->b, Q), "[2]");
	(void)snprintf(part, sizeof part, "{\"sid\":\"%s\",\"user\":\"ann\","
	    "\"args\":[\"yes\",{\"n\":1.50}]}", x->sid[0]);
	told(x, part);
	(void)snprintf(part, sizeof part,
	    "{\"sid\":\"%s\",\"user\":null,\"args\":[]}", x->sid[2]);
	told(x, part);
	told(x, "],\"asked\":3,\"answered\":3,\"complete\":true}\n");
}

static void
all_get_the_same_id_from_one_worker_and_an_answer_counts_once(void **state)
{
	struct fixture *x = *state;
	uint64_t a, b, unknown = counter_get(COUNTER_acks_unknown);

	ask(x, 0, ",\"room\":\"r\"");
	a = asked(x->a, Q);
	b = asked(x->b, Q);
	assert_int_equal(a, b);
	reply(x->f, x->a, a, "[1]");
	reply(x->f, x->a, a, "[1]");
	reply(x->f, x->a, a + 1, "[1]");
	assert_int_equal(counter_get(COUNTER_acks_unknown), unknown + 2);
	reply(x->g, x->c, asked(x->c, Q), "[1]");
	told(x, NULL);
	reply(x->f, x->b, b, "[1]");
	told(x, "\"asked\":3,\"answered\":3,\"complete\":true}\n");
}

static void
with_nobody_there_the_answer_comes_at_once(void **state)
{
	struct fixture *x = *state;

	ask(x, 200, ",\"user\":\"nobody\"");
	assert_null(x->later);
	buf_byte(&x->out, '\0');
	assert_non_null(strstr((char *)x->out.data, "\"answers\":[],"
	    "\"asked\":0,\"answered\":0,\"complete\":true}"));
	told(x, NULL);
}

static void
one_session_of_another_worker_is_asked(void **state)
{
	struct fixture *x = *state;
	char more[64];

	(void)snprintf(more, sizeof more, ",\"sid\":\"%s\"", x->sid[2]);
	ask(x, 0, more);
	assert_int_equal(asked(x->a, Q), UINT64_MAX);
	reply(x->g, x->c, asked(x->c, Q), "[\"far\"]");
	told(x, "\"args\":[\"far\"]}],\"asked\":1,\"answered\":1,");
}

static void
who_does_not_answer_is_not_waited_for(void **state)
{
	struct fixture *x = *state;
	uint64_t late = counter_get(COUNTER_acks_timed_out), b;

	ask(x, 0, ",\"room\":\"r\",\"timeout\":800");
	reply(x->f, x->a, asked(x->a, Q), "[1]");
	b = asked(x->b, Q);
	fake_advance(x->w, 700);
	told(x, NULL);
	fake_advance(x->w, 200);
	told(x, "\"asked\":3,\"answered\":1,\"complete\":false}\n");
	assert_int_equal(counter_get(COUNTER_acks_timed_out), late + 2);
	reply(x->f, x->b, b, "[1]");	/* too late: harmless */
}

static void
who_leaves_is_not_waited_for(void **state)
{
	struct fixture *x = *state;

	ask(x, 0, ",\"room\":\"r\"");
	reply(x->f, x->a, asked(x->a, Q), "[1]");
	fake_gone(x->g, x->c);
	fake_turn(x->w);
	told(x, NULL);
	fake_text(x->f, x->b, "41/n,");
	fake_turn(x->w);
	told(x, "\"asked\":3,\"answered\":1,\"complete\":false}\n");
}

static void
an_asker_that_goes_leaves_nothing(void **state)
{
	struct fixture *x = *state;
	uint64_t id;

	ask(x, 0, ",\"room\":\"r\"");
	ask_forget(&x->later);
	assert_null(x->later);
	fake_turn(x->w);
	/* neither here nor there */
	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	id = asked(x->a, Q);
	reply(x->f, x->a, id, "[1]");
	fake_gone(x->f, x->b);
	reply(x->g, x->c, asked(x->c, Q), "[1]");
	told(x, NULL);
}

static void
without_a_relay_only_this_worker_is_asked(void **state)
{
	struct fixture *x = *state;

	x->f->bus_down = true;
	ask(x, 0, ",\"room\":\"r\"");
	x->f->bus_down = false;
	reply(x->f, x->a, asked(x->a, Q), "[1]");
	reply(x->f, x->b, asked(x->b, Q), "[1]");
	told(x, "\"asked\":2,\"answered\":2,\"complete\":false}\n");
}

static void
a_relay_that_dies_meanwhile_ends_the_wait_for_others(void **state)
{
	struct fixture *x = *state;

	ask(x, 0, ",\"room\":\"r\"");
	reply(x->f, x->a, asked(x->a, Q), "[1]");
	hub_bus_lost(x->f->hub);
	told(x, NULL);
	reply(x->f, x->b, asked(x->b, Q), "[1]");
	told(x, "\"asked\":2,\"answered\":2,\"complete\":false}\n");
	fake_gone(x->g, x->c);
	fake_turn(x->w);
}

static void
a_worker_that_leaves_tells_what_it_has(void **state)
{
	struct fixture *x = *state;

	ask(x, 0, ",\"room\":\"r\"");
	reply(x->f, x->a, asked(x->a, Q), "[1]");
	hub_leave(x->f->hub);
	told(x, "\"answered\":1,\"complete\":false}\n");
	hub_leave(x->g->hub);
	fake_turn(x->w);
}

/* Before anybody has looked who is there: what it had is not known. */
static void
a_worker_that_is_killed_is_waited_for_no_more(void **state)
{
	struct fixture *x = *state;

	ask(x, 0, ",\"room\":\"r\",\"timeout\":60000");
	reply(x->f, x->a, asked(x->a, Q), "[1]");
	reply(x->f, x->b, asked(x->b, Q), "[1]");
	slot_dead(x->w->segment, 2);
	fake_advance(x->w, 100);
	fake_advance(x->w, GONE_MS - 1);
	told(x, NULL);
	fake_advance(x->w, 1);
	told(x, "\"asked\":2,\"answered\":2,\"complete\":false}\n");
	fake_gone(x->g, x->c);
	fake_turn(x->w);
}

static void
plain_clients_answer_by_envelope_and_bare_ones_are_not_asked(void **state)
{
	struct fixture *x = *state;
	struct refusal r;
	struct fake_conn *p = fake_plain(x->f, "/plain", NULL, &r),
	    *bare = fake_plain(x->f, "/bare", NULL, &r);
	char text[96];
	uint64_t id;

	fake_text(x->f, x->b, "41/n,");
	fake_gone(x->g, x->c);
	fake_turn(x->w);
	ask(x, 0, ",\"room\":\"r\"");
	id = asked(x->a, Q);
	(void)snprintf(text, sizeof text,
	    "{\"event\":\"q\",\"data\":1,\"id\":%llu}",
	    (unsigned long long)id);
	assert_string_equal(text, fake_next(p));
	assert_string_equal("1", fake_next(bare));
	reply(x->f, x->a, id, "[1]");
	(void)snprintf(text, sizeof text,
	    "{\"ack\":%llu,\"data\":{\"ok\":true}}", (unsigned long long)id);
	fake_text(x->f, p, text);
	fake_turn(x->w);
	told(x, "\"args\":[{\"ok\":true}]}");
	told(x, "\"asked\":2,\"answered\":2,\"complete\":true}\n");
}

static void
binary_answers_are_base64(void **state)
{
	struct fixture *x = *state;
	char text[96], more[64];
	uint8_t bytes[] = { 0, 255, 1 };

	(void)snprintf(more, sizeof more, ",\"sid\":\"%s\"", x->sid[1]);
	ask(x, 0, more);
	(void)snprintf(text, sizeof text,
	    "461-/n,%llu[{\"_placeholder\":true,\"num\":0}]",
	    (unsigned long long)asked(x->b, Q));
	fake_text(x->f, x->b, text);
	client_binary(x->b->client, bytes, sizeof bytes);
	fake_turn(x->w);
	told(x, "\"args\":[{\"_placeholder\":true,\"num\":0}],"
	    "\"attachments\":[\"AP8B\"]}]");
}

static void
another_client_cannot_answer_for_it(void **state)
{
	struct fixture *x = *state;
	char more[64];
	uint64_t id;

	(void)snprintf(more, sizeof more, ",\"sid\":\"%s\"", x->sid[0]);
	ask(x, 0, more);
	id = asked(x->a, Q);
	reply(x->f, x->b, id, "[\"forged\"]");
	reply(x->g, x->c, id, "[\"forged\"]");
	fake_text(x->f, x->a, "40/m,");
	(void)snprintf(more, sizeof more, "43/m,%llu[\"forged\"]",
	    (unsigned long long)id);
	fake_text(x->f, x->a, more);
	fake_turn(x->w);
	told(x, NULL);
	reply(x->f, x->a, id, "[\"mine\"]");
	told(x, "\"args\":[\"mine\"]}],\"asked\":1,\"answered\":1,");
}

static void
too_many_questions_are_refused_and_nothing_is_sent(void **state)
{
	struct fixture *x = *state;
	uint64_t refused = counter_get(COUNTER_asks_refused);
	unsigned i;

	for (i = 0; i < ASK_MAX; i++)
		ask(x, 0, ",\"user\":\"ann\"");
	ask(x, 503, ",\"user\":\"ann\",\"id\":\"once\"");
	assert_int_equal(counter_get(COUNTER_asks_refused), refused + 1);
	for (i = 0; i < ASK_MAX; i++)
		assert_true(asked(x->a, Q) != UINT64_MAX);
	assert_string_equal("", fake_next(x->a));
	fake_advance(x->w, 6000);
	told(x, "\"asked\":1,\"answered\":0,\"complete\":false}\n");
	/* the refused one was not claimed */
	ask(x, 0, ",\"user\":\"ann\",\"id\":\"once\"");
	reply(x->f, x->a, asked(x->a, Q), "[]");
}

/* An answer of so many bytes. */
static void
reply_long(struct fixture *x, struct fake_host *f, struct fake_conn *c,
    uint64_t id, size_t n)
{
	char *text = malloc(n + 64);
	int head;

	assert_non_null(text);
	head = snprintf(text, 64, "43/n,%llu[\"", (unsigned long long)id);
	memset(text + head, 'x', n);
	memcpy(text + (size_t)head + n, "\"]", 3);
	fake_text(f, c, text);
	fake_turn(x->w);
	free(text);
}

/* What is too much is left out, counted, and said; the numbers stay right. */
static void
answers_that_are_too_much_are_left_out_and_that_is_said(void **state)
{
	struct fixture *x = *state;
	uint64_t dropped = counter_get(COUNTER_ask_answers_dropped);

	ask(x, 0, ",\"room\":\"r\"");
	reply_long(x, x->f, x->a, asked(x->a, Q), 5u << 20);
	reply_long(x, x->f, x->b, asked(x->b, Q), 5u << 20);
	assert_int_equal(counter_get(COUNTER_ask_answers_dropped),
	    dropped + 1);
	reply(x->g, x->c, asked(x->c, Q), "[\"small\"]");
	told(x, "\"args\":[\"small\"]}],\"asked\":3,\"answered\":3,"
	    "\"complete\":true,\"truncated\":true}\n");
	told(x, x->sid[0]);
	assert_null(strstr((char *)x->f->answers.data, x->sid[1]));
	/* and the next question has all its room again */
	buf_reset(&x->f->answers);
	ask(x, 0, ",\"user\":\"ann\"");
	reply_long(x, x->f, x->a, asked(x->a, Q), 5u << 20);
	told(x, "\"asked\":1,\"answered\":1,\"complete\":true}\n");
}

static void
reply_deep(struct fake_host *f, struct fake_conn *c, uint64_t id, int depth)
{
	char text[160];
	int i;

	assert_true(2 * depth < (int)sizeof text);
	for (i = 0; i < depth; i++) {
		text[i] = '[';
		text[depth + i] = ']';
	}
	text[2 * depth] = '\0';
	reply(f, c, id, text);
}

/* As deep as a client's message may be: with what stands around it nobody who
 * reads as we do could read the answers beside it. */
static void
an_answer_that_is_too_deep_is_left_out_and_that_is_said(void **state)
{
	struct fixture *x = *state;
	uint64_t dropped = counter_get(COUNTER_ask_answers_dropped);

	ask(x, 0, ",\"room\":\"r\"");
	reply_deep(x->f, x->a, asked(x->a, Q), 63);
	assert_int_equal(counter_get(COUNTER_ask_answers_dropped), dropped);
	reply_deep(x->f, x->b, asked(x->b, Q), 64);
	assert_int_equal(counter_get(COUNTER_ask_answers_dropped),
	    dropped + 1);
	reply(x->g, x->c, asked(x->c, Q), "[\"flat\"]");
	told(x, "\"args\":[\"flat\"]}],\"asked\":3,\"answered\":3,"
	    "\"complete\":true,\"truncated\":true}\n");
}

/* A relay whose queue is full takes small frames only. */
static bool
takes_small_ones(void *host, const struct bus_envelope *e)
{
	struct fake_host *f = host;

	if (e->kind == BUS_ANSWERS && e->answers.elements.n > 100)
		return (false);
	assert_true(bus_encode(&f->bus, e));
	return (true);
}

static void
of_answers_that_find_no_way_the_numbers_do(void **state)
{
	struct fixture *x = *state;
	uint64_t dropped = counter_get(COUNTER_ask_answers_dropped);

	ask(x, 0, ",\"room\":\"r\"");
	x->g->hub->ports.bus_send = takes_small_ones;
	reply_long(x, x->g, x->c, asked(x->c, Q), 200);
	assert_int_equal(counter_get(COUNTER_ask_answers_dropped),
	    dropped + 1);
	reply(x->f, x->a, asked(x->a, Q), "[]");
	reply(x->f, x->b, asked(x->b, Q), "[]");
	told(x, "],\"asked\":3,\"answered\":3,\"complete\":true,"
	    "\"truncated\":true}\n");
	assert_null(strstr((char *)x->f->answers.data, x->sid[2]));
}

static void
a_repeated_id_is_not_asked_again(void **state)
{
	struct fixture *x = *state;

	ask(x, 0, ",\"user\":\"ann\",\"id\":\"order-7\"");
	reply(x->f, x->a, asked(x->a, Q), "[]");
	told(x, "{\"id\":\"order-7\",\"answers\":[");
	ask(x, 200, ",\"user\":\"ann\",\"id\":\"order-7\"");
	buf_byte(&x->out, '\0');
	assert_string_equal((char *)x->out.data,
	    "{\"id\":\"order-7\",\"duplicate\":true}");
	assert_string_equal("", fake_next(x->a));
}

static void
bad_questions_are_refused(void **state)
{
	struct fixture *x = *state;

	ask(x, 400, ",\"timeout\":0");
	ask(x, 400, ",\"timeout\":60001");
	ask(x, 400, ",\"timeout\":\"5\"");
	ask(x, 400, ",\"timeout\":1.5");
	ask(x, 400, ",\"id\":\"\"");
	ask(x, 400, ",\"id\":7");
	ask(x, 400, ",\"id\":\"a b\"");
	ask(x, 400, ",\"id\":\"a\\u0022\"");
	ask(x, 400, ",\"volatile\":1");
	assert_string_equal("", fake_next(x->a));
}

/* A question carries no offset; who is cut off is not waited for, and is not
 * asked again when it comes back. */
static void
recovery_does_not_repeat_questions(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c;
	char pid[21], text[128];
	const char *reply_text;

	c = fake_engine(x->f, NULL);
	fake_text(x->f, c, "40/n,");
	fake_text(x->f, c, "42/n,[\"room:join\",\"r\"]");
	fake_turn(x->w);
	(void)fake_next(c);
	reply_text = strstr(fake_next(c), "\"pid\":\"");
	memcpy(pid, reply_text + 7, 20);
	pid[20] = '\0';
	ask(x, 0, ",\"room\":\"r\"");
	(void)asked(c, Q);
	fake_gone(x->f, c);
	ask(x, 0, ",\"room\":\"r\"");
	fake_advance(x->w, 5100);
	told(x, "\"asked\":4,\"answered\":0,\"complete\":false}\n");
	told(x, "\"asked\":3,\"answered\":0,\"complete\":false}\n");
	c = fake_engine(x->f, NULL);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	fake_text(x->f, c, text);
	fake_turn(x->w);
	(void)fake_next(c);	/* open */
	/* the reply comes first: there was no event to tell again */
	assert_non_null(strstr(fake_next(c), pid));
	assert_string_equal("", fake_next(c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(answers_of_all_workers_are_one_response),
		T(all_get_the_same_id_from_one_worker_and_an_answer_counts_once),
		T(with_nobody_there_the_answer_comes_at_once),
		T(one_session_of_another_worker_is_asked),
		T(who_does_not_answer_is_not_waited_for),
		T(who_leaves_is_not_waited_for),
		T(an_asker_that_goes_leaves_nothing),
		T(without_a_relay_only_this_worker_is_asked),
		T(a_relay_that_dies_meanwhile_ends_the_wait_for_others),
		T(a_worker_that_leaves_tells_what_it_has),
		T(a_worker_that_is_killed_is_waited_for_no_more),
		T(plain_clients_answer_by_envelope_and_bare_ones_are_not_asked),
		T(binary_answers_are_base64),
		T(another_client_cannot_answer_for_it),
		T(too_many_questions_are_refused_and_nothing_is_sent),
		T(answers_that_are_too_much_are_left_out_and_that_is_said),
		T(an_answer_that_is_too_deep_is_left_out_and_that_is_said),
		T(of_answers_that_find_no_way_the_numbers_do),
		T(a_repeated_id_is_not_asked_again),
		T(bad_questions_are_refused),
		cmocka_unit_test_setup_teardown(
		    recovery_does_not_repeat_questions, setup_recovery,
		    teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
