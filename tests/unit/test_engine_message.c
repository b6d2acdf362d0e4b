/* Engine.IO without Socket.IO on top, and the rule for a session's begin. */
#include "check.h"
#include "fake_host.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/queue/out.h"
#include "hub/recover/recover_int.h"
#include "proto/eio.h"

#define CONF								\
	"recovery { window = 10s }\n"					\
	"namespace \"/\" { auth = none "				\
	"  event \"message\" { to = sender meta = off } }\n"		\
	"namespace \"/talk\" { auth = none room \"{r}\" { join = open } " \
	"  event \"message\" { to = namespace meta = off self = true } " \
	"  event \"*\" { to = namespace meta = off } "			\
	"  event \"connect\" { to = sender as = \"auth\" meta = off } }\n" \
	"namespace \"/who\" { auth = none "				\
	"  event \"connect\" { to = sender as = \"you\" } }\n"		\
	"route \"/e\" { namespace = \"/\" format = engine }\n"		\
	"route \"/talk/{r}\" { namespace = \"/talk\" join = \"{r}\" "	\
	"  format = engine }\n"						\
	"route \"/bare\" { namespace = \"/talk\" format = bare }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f;
};

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	fake_world_free(&x->w);
	free(x);
	return (0);
}

/* All that c got, as it went out. */
static void
got(struct fixture *x, struct fake_conn *c, struct slice want)
{
	struct slice have;

	fake_turn(x->w);
	have = buf_unread(&c->got);
	assert_row(slice_eq(have, want), have);
	buf_reset(&c->got);
}
#define GOT(x, c, lit) got(x, c, SLICE(lit))

static struct fake_conn *
opened(struct fixture *x, const char *path, bool b64, bool polling)
{
	struct fake_conn *c = fake_engine_route(x->f, path, b64, polling);

	fake_turn(x->w);
	assert_non_null(memmem(buf_unread(&c->got).p, buf_unread(&c->got).n,
	    "0{\"sid\":\"", 9));
	buf_reset(&c->got);
	return (c);
}

static void
binary(struct fake_conn *c, const char *data)
{
	uint8_t copy[16];
	size_t n = strlen(data);

	memcpy(copy, data, n);
	client_binary(c->client, copy, n);
}

static void
text_and_binary_come_back_unchanged(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", false, false);

	fake_text(x->f, c, "4he said \"\\n\"\n");
	GOT(x, c, "\x81\x0e" "4he said \"\\n\"\n");
	fake_text(x->f, c, "4");
	GOT(x, c, "\x81\x01" "4");
	binary(c, "\x01\x02");
	GOT(x, c, "\x82\x02\x01\x02");
	fake_text(x->f, c, "bAQI=");
	GOT(x, c, "\x82\x02\x01\x02");
	assert_int_equal(-1, c->closed);
}

static void
who_cannot_take_binary_gets_base64(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", true, false);

	fake_text(x->f, c, "bAQI=");
	GOT(x, c, "\x81\x05" "bAQI=");
}

static void
payload(struct fake_conn *c, uint8_t *body, size_t n)
{
	struct eio_payload it = { .rest = slice_of(body, n) };

	assert_true(engine_payload(c->client, &it));
}

static void
a_payload_is_answered_in_packets(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", false, true);
	uint8_t body[] = "4a\x1e" "bAQI=\x1e" "4b";

	payload(c, body, sizeof body - 1);
	GOT(x, c, "4a\x1e" "bAQI=\x1e" "4b\x1e");
}

static void
polled_text_must_be_utf8(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", false, true);
	uint8_t body[] = "4a\x1e" "4\xff\x1e" "4b";

	payload(c, body, sizeof body - 1);
	GOT(x, c, "4a\x1e");
	assert_int_equal(REASON_eio_parse, c->closed);
}

static void
what_polling_had_not_taken_is_reframed(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = fake_engine_route(x->f, "/e", false, true);
	struct fake_conn *ws = opened(x, "/e", false, false);
	struct client *own = ws->client;
	uint8_t body[] = "4text\x1e" "bAQI=";

	fake_turn(x->w);
	buf_reset(&c->got);
	c->window = 0;		/* no GET */
	payload(c, body, sizeof body - 1);
	client_gone(&own, REASON_client_gone);
	ws->client = c->client;
	c->client = NULL;
	assert_true(engine_upgrade(ws->client, &ws->out,
	    DEFLATE_NONE));
	fake_text(x->f, ws, "4on");
	GOT(x, ws, "\x81\x05" "4text" "\x82\x02\x01\x02" "\x81\x03" "4on");
}

static void
pings_are_engine_ios_and_must_be_answered(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", false, false);

	fake_advance(x->w, 25000);
	GOT(x, c, "\x81\x01" "2");
	fake_text(x->f, c, "3");
	fake_advance(x->w, 25000);
	GOT(x, c, "\x81\x01" "2");
	fake_advance(x->w, 20000);
	assert_int_equal(REASON_ping_timeout, c->closed);
}

static void
a_late_ping_does_not_lengthen_the_whole(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", false, true);

	fake_advance(x->w, 25012);
	GOT(x, c, "2\x1e");
	fake_advance(x->w, 19987);
	assert_int_equal(-1, c->closed);
	fake_advance(x->w, 1);
	assert_int_equal(REASON_ping_timeout, c->closed);
}

static void
no_connect_is_waited_for(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/e", false, false);
	unsigned i;

	for (i = 0; i < 4; i++) {	/* connect_timeout passes */
		fake_advance(x->w, 25000);
		fake_text(x->f, c, "3");
	}
	assert_int_equal(-1, c->closed);
}

static void
recovery_keeps_nothing_of_them(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = opened(x, "/talk/a", false, false);
	struct fake_conn *p = opened(x, "/e", false, true);

	assert_null(c->out.log);
	assert_null(p->out.log);
	assert_null(c->client->sessions->recover);
	c->closed = p->closed = REASON_client_gone;
	fake_gone(x->f, c);
	fake_gone(x->f, p);
	fake_turn(x->w);
	assert_int_equal(0, x->f->hub->recover->pids.count);
	assert_int_equal(0, sid_count(x->f->hub));
	assert_int_equal(0, room_count(x->f->hub));
}

/* A Socket.IO client in /talk, having said auth. */
static struct fake_conn *
talker(struct fixture *x, const char *packet)
{
	struct fake_conn *c = fake_engine(x->f, NULL);

	fake_turn(x->w);
	(void)fake_next(c);
	fake_text(x->f, c, packet);
	fake_turn(x->w);
	assert_int_equal(0, strncmp("40/", fake_next(c), 3));
	return (c);
}

/* The next text is this, less an offset for recovery at its end. */
static void
hears(struct fake_conn *c, const char *want)
{
	const char *text = fake_next(c);

	assert_int_equal(0, strncmp(text, want, strlen(want)));
}

static void
the_auth_object_is_sent_back_when_a_session_begins(void **state)
{
	struct fixture *x = *state;

	hears(talker(x, "40/talk,"), "42/talk,[\"auth\",{},\"");
	hears(talker(x, "40/talk,{\"token\" : [1]}"),
	    "42/talk,[\"auth\",{\"token\" : [1]},\"");
	hears(talker(x, "40/who,{\"a\":1}"),
	    "42/who,[\"you\",{\"a\":1},{\"id\":\"");
}

static void
clients_without_connect_have_an_empty_object(void **state)
{
	struct fixture *x = *state;
	struct refusal refusal;
	struct fake_conn *c = fake_engine_route(x->f, "/talk/a", false, false);

	fake_turn(x->w);
	assert_int_equal('0', fake_next(c)[0]);
	assert_string_equal("4{}", fake_next(c));
	c = fake_plain(x->f, "/talk", NULL, &refusal);
	fake_turn(x->w);
	assert_string_equal("{\"event\":\"auth\",\"data\":{}}", fake_next(c));
	c = fake_plain(x->f, "/bare", NULL, &refusal);
	fake_turn(x->w);
	assert_string_equal("{}", fake_next(c));
}

/* A client that comes back to the other worker with this pid and offset: what
 * it is answered, less its sid. */
static struct fake_conn *
comes_back(struct fixture *x, const char *pid, const char *offset)
{
	struct fake_conn *c = fake_engine(x->w->hosts[1], NULL);
	char text[256];

	fake_turn(x->w);
	(void)fake_next(c);
	(void)snprintf(text, sizeof text,
	    "40/talk,{\"pid\":\"%.20s\",\"offset\":\"%s}", pid, offset);
	fake_text(x->w->hosts[1], c, text);
	fake_turn(x->w);
	return (c);
}

static void
a_session_that_is_recovered_begins_no_second_time(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = fake_engine(x->f, NULL);
	char pid[21], offset[64], sid[21];
	const char *got;

	(void)fake_host_new(x->w, 2);
	fake_turn(x->w);
	(void)fake_next(c);
	fake_text(x->f, c, "40/talk,{\"a\":1}");
	fake_turn(x->w);
	got = fake_next(c);	/* 40/talk,{"sid":"...","pid":"..."} */
	(void)snprintf(sid, sizeof sid, "%.20s", got + 16);
	(void)snprintf(pid, sizeof pid, "%.20s", got + 45);
	got = fake_next(c) + strlen("42/talk,[\"auth\",{\"a\":1},\"");
	(void)snprintf(offset, sizeof offset, "%.*s",
	    (int)strcspn(got, "]"), got);
	fake_gone(x->f, c);
	c = comes_back(x, pid, offset);
	got = fake_next(c);
	assert_int_equal(0, strncmp("40/talk,{\"sid\":\"", got, 16));
	assert_int_equal(0, strncmp(sid, got + 16, 20));
	assert_string_equal("", fake_next(c));
}

static void
what_is_not_recovered_begins_with_its_auth_object(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c;

	(void)fake_host_new(x->w, 2);
	c = comes_back(x, "aaaaaaaaaaaaaaaaaaaa", "o\"");
	assert_int_equal(0, strncmp("40/talk,{\"sid\":\"", fake_next(c), 16));
	hears(c, "42/talk,[\"auth\",{\"pid\":\"aaaaaaaaaaaaaaaaaaaa\","
	    "\"offset\":\"o\"},\"");
}

/* Clients of Socket.IO break when they are sent one of these. */
static void
no_client_sends_what_socketio_keeps_for_itself(void **state)
{
	static const char *const names[] = { "connect", "connect_error",
		"disconnect", "disconnecting", "newListener",
		"removeListener" };
	struct fixture *x = *state;
	struct fake_conn *s = talker(x, "40/talk,");
	struct refusal refusal;
	struct fake_conn *c = fake_plain(x->f, "/talk", NULL, &refusal);
	char text[64];
	size_t i;

	hears(s, "42/talk,[\"auth\"");
	fake_turn(x->w);
	(void)fake_next(c);
	for (i = 0; i < nitems(names); i++) {
		(void)snprintf(text, sizeof text,
		    "{\"event\":\"%s\",\"data\":1,\"id\":2}", names[i]);
		fake_text(x->f, c, text);
		fake_turn(x->w);
		assert_string_equal("{\"ack\":2,\"error\":{\"code\":"
		    "\"unknown_event\",\"message\":\"unknown event\"}}",
		    fake_next(c));
		assert_string_equal("", fake_next(s));
	}
	fake_text(x->f, s, "42/talk,[\"connect\"]");
	assert_int_equal(REASON_sio_parse, s->closed);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(text_and_binary_come_back_unchanged),
		TEST(who_cannot_take_binary_gets_base64),
		TEST(a_payload_is_answered_in_packets),
		TEST(polled_text_must_be_utf8),
		TEST(what_polling_had_not_taken_is_reframed),
		TEST(pings_are_engine_ios_and_must_be_answered),
		TEST(a_late_ping_does_not_lengthen_the_whole),
		TEST(no_connect_is_waited_for),
		TEST(recovery_keeps_nothing_of_them),
		TEST(the_auth_object_is_sent_back_when_a_session_begins),
		TEST(clients_without_connect_have_an_empty_object),
		TEST(a_session_that_is_recovered_begins_no_second_time),
		TEST(what_is_not_recovered_begins_with_its_auth_object),
		TEST(no_client_sends_what_socketio_keeps_for_itself),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
