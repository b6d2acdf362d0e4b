#include "check.h"
#include "fake_host.h"
#include "hub/work.h"
#include "proto/eio.h"
#include "shm/counters.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"limits { namespaces_per_connection = 3 }\n" \
	"namespace \"/\" { auth = none " \
	"  event \"hi\" { to = sender ack = echo meta = off as = \"echo\" } }\n" \
	"namespace \"/chat\" { auth = required room \"{r}\" { join = open } " \
	"  event \"m\" { to = room:room } }\n" \
	"namespace \"/staff\" { auth = required roles = {\"teacher\"} }\n" \
	"namespace \"/extra\" { auth = optional }\n"

struct fixture {
	struct fake_world *w;
	struct fake_host *f;
	struct fake_conn *c;
};

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->c = fake_engine(x->f, NULL);
	fake_turn(x->w);
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

static void
say(struct fixture *x, const char *text)
{
	fake_text(x->f, x->c, text);
	fake_turn(x->w);
}

static void
hears(struct fixture *x, const char *want)
{
	assert_string_equal(want, fake_next(x->c));
}

static void
hears_start(struct fixture *x, const char *want)
{
	const char *got = fake_next(x->c);

	if (strncmp(got, want, strlen(want)) != 0)
		assert_string_equal(want, got);
}

static void
opens_with_the_handshake(void **state)
{
	struct fixture *x = *state;
	const char *open = fake_next(x->c);

	assert_int_equal(0, strncmp(open, "0{\"sid\":\"", 9));
	assert_string_equal("\",\"upgrades\":[],\"pingInterval\":25000,"
	    "\"pingTimeout\":20000,\"maxPayload\":1000000}",
	    open + 9 + EIO_SID_LEN);
}

static void
connects_and_echoes(void **state)
{
	struct fixture *x = *state;

	(void)fake_next(x->c);
	say(x, "40");
	hears_start(x, "40{\"sid\":\"");
	say(x, "42[\"hi\",1e+21,\"\\ud800\"]");
	hears(x, "42[\"echo\",1e+21,\"\\ufffd\"]");
	say(x, "427[\"hi\",{\"a\" : 1}]");
	hears(x, "42[\"echo\",{\"a\" : 1}]");
	hears(x, "437[{\"a\" : 1}]");
	assert_int_equal(-1, x->c->closed);
}

static void
unknown_namespaces_leave_the_session_open(void **state)
{
	struct fixture *x = *state;

	(void)fake_next(x->c);
	say(x, "40/nope,");
	hears(x, "44/nope,{\"message\":\"Invalid namespace\"}");
	say(x, "40");
	hears_start(x, "40{");
}

static void
a_namespace_that_requires_a_token_says_so(void **state)
{
	struct fixture *x = *state;

	(void)fake_next(x->c);
	say(x, "40/chat,");
	hears(x, "44/chat,{\"message\":\"authentication required\","
	    "\"data\":{\"code\":\"unauthorized\",\"reason\":\"missing\"}}");
	say(x, "40/chat,{\"token\":\"a.b.c\"}");
	hears_start(x, "44/chat,{\"message\":\"not a JSON Web Token\"");
}

static void
a_role_admits(void **state)
{
	struct fixture *x = *state;
	char text[1024];

	(void)fake_next(x->c);
	(void)snprintf(text, sizeof text, "40/staff,{\"token\":\"%s\"}",
	    fake_token("{\"sub\":\"s\",\"roles\":[\"student\"]}"));
	say(x, text);
	hears(x, "44/staff,{\"message\":\"your role is not admitted here\","
	    "\"data\":{\"code\":\"forbidden\"}}");
	(void)snprintf(text, sizeof text, "40/staff,{\"token\":\"%s\"}",
	    fake_token("{\"sub\":\"t\",\"roles\":[\"teacher\"]}"));
	say(x, text);
	hears_start(x, "40/staff,{\"sid\":\"");
}

static void
a_connection_has_so_many_namespaces(void **state)
{
	struct fixture *x = *state;

	(void)fake_next(x->c);
	fake_gone(x->f, x->c);
	x->c = fake_engine(x->f, fake_token(
	    "{\"sub\":\"t\",\"roles\":[\"teacher\"]}"));
	say(x, "40");
	say(x, "40/chat,");
	say(x, "40/staff,");
	say(x, "40/extra,");
	(void)fake_next(x->c);
	hears_start(x, "40{");
	hears_start(x, "40/chat,{");
	hears_start(x, "40/staff,{");
	hears_start(x, "44/extra,{\"message\":\"too many namespaces\"");
	/* whoever leaves one may enter another */
	say(x, "41/staff,");
	say(x, "40/extra,");
	hears_start(x, "40/extra,{");
	say(x, "40/staff,");
	hears_start(x, "44/staff,{\"message\":\"too many namespaces\"");
}

static void
closed_by(struct fixture *x, const char *text, enum reason want)
{
	struct fake_conn *c = fake_engine(x->f, NULL);

	fake_text(x->f, c, "40");
	fake_text(x->f, c, text);
	if (c->closed != (int)want)
		print_message("case %s\n", text);
	assert_int_equal(want, c->closed);
	fake_text(x->f, c, "42[\"hi\"]"); /* is ignored by now */
	fake_turn(x->w);
	fake_gone(x->f, c);
	fake_turn(x->w);
}

static void
what_is_not_valid_closes(void **state)
{
	static const char *const cases[] = {
		"47", "4", "42{}", "42[", "42[]", "42[{}]", "42[null]",
		"42[\"connect\"]", "42[\"disconnecting\"]", "43{}",
		"40", "40[]", "41[]", "44{\"message\":\"x\"}",
		"42/chat,[\"x\"]", "41/chat,", "43/chat,1[]",
		"45[\"x\"]", "451-[\"x\",{\"_placeholder\":true,\"num\":1}]",
		"4518446744073709551616-[\"x\"]",
	};
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		closed_by(x, cases[i], REASON_sio_parse);
	closed_by(x, "9", REASON_eio_parse);
	closed_by(x, "", REASON_eio_parse);
	closed_by(x, "2", REASON_eio_parse);
	closed_by(x, "1", REASON_client_close);
}

static void
what_is_harmless_is_ignored(void **state)
{
	static const char *const cases[] = { "3", "3x", "0{}", "5", "6", "42",
		"43", "439[]" };
	struct fixture *x = *state;
	size_t i;

	(void)fake_next(x->c);
	say(x, "40");
	(void)fake_next(x->c);
	for (i = 0; i < nitems(cases); i++)
		say(x, cases[i]);
	assert_int_equal(-1, x->c->closed);
	hears(x, "");
}

static void
the_heart_beats(void **state)
{
	struct fixture *x = *state;
	uint64_t missed = counter_get(COUNTER_heartbeats_missed);

	say(x, "40");
	(void)fake_next(x->c);
	(void)fake_next(x->c);
	fake_advance(x->w, 24999);
	hears(x, "");
	fake_advance(x->w, 1);
	hears(x, "2");
	say(x, "3");
	fake_advance(x->w, 24999);
	hears(x, "");
	fake_advance(x->w, 1);
	hears(x, "2");
	fake_advance(x->w, 19999);
	assert_int_equal(missed, counter_get(COUNTER_heartbeats_missed));
	fake_advance(x->w, 1);
	assert_int_equal(REASON_ping_timeout, x->c->closed);
	assert_int_equal(missed + 1, counter_get(COUNTER_heartbeats_missed));
}

static void
other_packets_extend_the_wait_once(void **state)
{
	struct fixture *x = *state;

	say(x, "40");
	fake_advance(x->w, 25000);
	fake_advance(x->w, 15000);
	say(x, "42[\"hi\"]");
	fake_advance(x->w, 15000);
	assert_int_equal(-1, x->c->closed);
	say(x, "42[\"hi\"]");
	fake_advance(x->w, 5000);
	assert_int_equal(REASON_ping_timeout, x->c->closed);
}

static void
a_session_must_connect_in_time(void **state)
{
	struct fixture *x = *state;

	fake_advance(x->w, 25000);
	say(x, "3");
	say(x, "40/nope,");
	fake_advance(x->w, 20000);
	assert_int_equal(REASON_connect_timeout, x->c->closed);
}

static void
disconnect_leaves_one_namespace_and_reconnects(void **state)
{
	struct fixture *x = *state;
	char first[64];

	(void)fake_next(x->c);
	say(x, "40");
	(void)snprintf(first, sizeof first, "%s", fake_next(x->c));
	say(x, "41");
	say(x, "40");
	assert_string_not_equal(first, fake_next(x->c));
	assert_int_equal(1, counter_get(COUNTER_sessions));
	say(x, "41");
	say(x, "42[\"hi\"]");
	assert_int_equal(REASON_sio_parse, x->c->closed);
	assert_int_equal(0, counter_get(COUNTER_sessions));
}

static void
connect_chat(struct fixture *x, uint64_t exp)
{
	char claims[128], text[1024];

	(void)snprintf(claims, sizeof claims, "{\"sub\":\"u\",\"exp\":%llu}",
	    (unsigned long long)exp);
	(void)snprintf(text, sizeof text, "40/chat,{\"token\":\"%s\"}",
	    fake_token(claims));
	(void)fake_next(x->c);
	say(x, text);
	hears_start(x, "40/chat,");
}

static void
pong(struct fixture *x, const char *want)
{
	const char *got;

	while (strcmp(got = fake_next(x->c), "2") == 0)
		say(x, "3");
	assert_string_equal(want, got);
}

/* The pings between are answered. */
static void
pass(struct fixture *x, unsigned seconds)
{
	while (seconds-- > 0) {
		fake_advance(x->w, 1000);
		if (buf_unread(&x->c->got).n == 3) {
			hears(x, "2");
			say(x, "3");
		}
	}
}

static void
an_expiring_token_is_announced_and_then_over(void **state)
{
	struct fixture *x = *state;

	connect_chat(x, x->w->wall.ms / 1000 + 300);
	pass(x, 239);
	hears(x, "");
	pass(x, 2);
	pong(x, "42/chat,[\"auth:expiring\",{\"in\":60}]");
	pass(x, 60);
	hears(x, "");		/* leeway */
	pass(x, 5);
	pong(x, "41/chat,");
	assert_int_equal(REASON_auth_expired, x->c->closed);
}

static void
a_refreshed_token_goes_on(void **state)
{
	struct fixture *x = *state;
	uint64_t exp = x->w->wall.ms / 1000 + 100;
	char claims[128], text[1024];

	connect_chat(x, exp);
	pass(x, 41);
	pong(x, "42/chat,[\"auth:expiring\",{\"in\":60}]");
	(void)snprintf(claims, sizeof claims,
	    "{\"sub\":\"somebody else\",\"exp\":%llu}",
	    (unsigned long long)exp + 1000);
	(void)snprintf(text, sizeof text,
	    "42/chat,1[\"auth:refresh\",{\"token\":\"%s\"}]",
	    fake_token(claims));
	say(x, text);
	pong(x, "43/chat,1[{\"error\":{\"code\":\"unauthorized\","
	    "\"message\":\"token of another user\"}}]");
	(void)snprintf(claims, sizeof claims, "{\"sub\":\"u\",\"exp\":%llu}",
	    (unsigned long long)exp + 1000);
	(void)snprintf(text, sizeof text,
	    "42/chat,2[\"auth:refresh\",{\"token\":\"%s\"}]",
	    fake_token(claims));
	say(x, text);
	(void)snprintf(text, sizeof text, "43/chat,2[{\"exp\":%llu}]",
	    (unsigned long long)exp + 1000);
	pong(x, text);
	pass(x, 200);
	assert_int_equal(-1, x->c->closed);
	pass(x, 800);
	pong(x, "42/chat,[\"auth:expiring\",{\"in\":60}]");
	pass(x, 70);
	assert_int_equal(REASON_auth_expired, x->c->closed);
}

static void
binary(struct fixture *x, const char *bytes)
{
	uint8_t b[64];

	memcpy(b, bytes, strlen(bytes));
	client_binary(x->c->client, b, strlen(bytes));
	fake_turn(x->w);
}

static void
attachments_follow_their_event(void **state)
{
	struct fixture *x = *state;
	uint64_t messages = counter_get(COUNTER_messages_in);
	struct slice got;

	(void)fake_next(x->c);
	say(x, "40");
	(void)fake_next(x->c);
	assert_int_equal(messages + 1, counter_get(COUNTER_messages_in));
	say(x, "452-3[\"hi\",{\"_placeholder\":true,\"num\":1},"
	    "{\"_placeholder\":true,\"num\":0}]");
	hears(x, "");
	binary(x, "one");
	say(x, "3");		/* a pong may come between */
	binary(x, "");
	assert_int_equal(messages + 5, counter_get(COUNTER_messages_in));
	hears(x, "452-[\"echo\",{\"_placeholder\":true,\"num\":1},"
	    "{\"_placeholder\":true,\"num\":0}]");
	got = buf_unread(&x->c->got);
	assert_true(slice_starts(got, SLICE("\x82\x03one\x82\x00\x81")));
	buf_consume(&x->c->got, 7);
	hears(x, "462-3[{\"_placeholder\":true,\"num\":1},"
	    "{\"_placeholder\":true,\"num\":0}]");
	buf_reset(&x->c->got);
	assert_int_equal(-1, x->c->closed);
	say(x, "451-[\"hi\",{\"_placeholder\":true,\"num\":0}]");
	say(x, "42[\"hi\"]");	/* before its attachment */
	assert_int_equal(REASON_sio_parse, x->c->closed);
}

static void
an_unannounced_attachment_closes(void **state)
{
	struct fixture *x = *state;

	say(x, "40");
	binary(x, "x");
	assert_int_equal(REASON_sio_parse, x->c->closed);
}

static void
attachments_that_never_come_close(void **state)
{
	struct fixture *x = *state;

	say(x, "40");
	say(x, "451-[\"hi\",{\"_placeholder\":true,\"num\":0}]");
	fake_advance(x->w, 20000);
	assert_int_equal(REASON_sio_parse, x->c->closed);
}

/* What is queued for polling, as one payload; it is taken. */
static const char *
poll(struct fixture *x, struct outq *q)
{
	static char text[4096];
	struct slice s;
	size_t n = 0;

	fake_turn(x->w);
	while (outq_peek(q, &s)) {
		assert_true(n + s.n < sizeof text);
		memcpy(text + n, s.p, s.n);
		n += s.n;
		outq_sent(hub_out(x->f->hub), q, s.n);
	}
	text[n == 0 ? 0 : n - 1] = '\0';
	return (text);
}

static void
post(struct client *c, const char *body)
{
	uint8_t copy[512];
	struct eio_payload it = { .rest = slice_of(copy, strlen(body)) };

	memcpy(copy, body, strlen(body));
	assert_true(engine_payload(c, &it));
}

static void
a_payload_takes_its_share_of_the_turn(void **state)
{
	static struct fake_conn p;	/* stands for the polling session */
	struct admission a = { .who = NULL };
	struct fixture *x = *state;
	uint8_t body[3 * WORK_SHARE];
	struct eio_payload it = { .rest = slice_of(body, sizeof body) };
	struct work *w = hub_work(x->f->hub);
	struct client *c;
	size_t i;

	memset(&p, 0, sizeof p);
	c = engine_open_polling(x->f->hub, &a, false, &p.out);
	assert_non_null(c);
	for (i = 0; i < sizeof body; i++)
		body[i] = i % 2 == 0 ? '6' : 0x1e;
	body[sizeof body - 1] = '6';
	work_begin(w);
	assert_false(engine_payload(c, &it));
	assert_int_equal(it.rest.n, WORK_SHARE);
	/* its share is had; one packet is done for each call */
	assert_false(engine_payload(c, &it));
	assert_int_equal(it.rest.n, WORK_SHARE - 2);
	work_begin(w);
	assert_true(engine_payload(c, &it));
	assert_int_equal(it.rest.n, 0);
	fake_turn(x->w);
	outq_sent(hub_out(x->f->hub), &p.out, outq_bytes(&p.out));
	client_gone(&c, REASON_client_gone);
	outq_kill(hub_out(x->f->hub), &p.out);
}

static void
polling_collects_packets_and_upgrades(void **state)
{
	static struct fake_conn p;	/* stands for the polling session */
	struct fixture *x = *state;
	struct admission a = { .who = NULL };
	const char *got;

	memset(&p, 0, sizeof p);
	p.closed = -1;
	p.window = 0;			/* nothing leaves by itself */
	buf_init(&p.got);
	p.client = engine_open_polling(x->f->hub, &a, false, &p.out);
	assert_non_null(p.client);
	got = poll(x, &p.out);
	assert_int_equal(0, strncmp(got, "0{\"sid\":\"", 9));
	assert_non_null(strstr(got, "\"upgrades\":[\"websocket\"]"));
	assert_int_equal(0, strncmp(got + 9, engine_sid(p.client),
	    EIO_SID_LEN));
	post(p.client, "40\x1e" "42[\"hi\",1]\x1e"
	    "451-[\"hi\",{\"_placeholder\":true,\"num\":0}]\x1e" "bAQID");
	got = poll(x, &p.out);
	assert_non_null(strstr(got, "\x1e" "42[\"echo\",1]\x1e"
	    "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1e"
	    "bAQID"));
	/* what is queued when the WebSocket takes over goes there, in order */
	post(p.client, "42[\"hi\",2]\x1e"
	    "451-[\"hi\",{\"_placeholder\":true,\"num\":0}]\x1e" "bAQID");
	fake_gone(x->f, x->c);
	x->c->closed = -1;
	x->c->out.dead = false;
	buf_reset(&x->c->got);
	assert_true(engine_upgrade(p.client, &x->c->out,
	    DEFLATE_NONE));
	x->c->client = p.client;
	outq_unblock(hub_out(x->f->hub), &p.out);
	say(x, "42[\"hi\",3]");
	hears(x, "42[\"echo\",2]");
	hears(x, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
	assert_true(slice_starts(buf_unread(&x->c->got),
	    SLICE("\x82\x03\x01\x02\x03")));
	buf_consume(&x->c->got, 5);
	hears(x, "42[\"echo\",3]");
	outq_kill(hub_out(x->f->hub), &p.out);
	fake_turn(x->w);
	buf_fini(&p.got);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(opens_with_the_handshake),
		T(connects_and_echoes),
		T(unknown_namespaces_leave_the_session_open),
		T(a_namespace_that_requires_a_token_says_so),
		T(a_role_admits),
		T(a_connection_has_so_many_namespaces),
		T(what_is_not_valid_closes),
		T(what_is_harmless_is_ignored),
		T(the_heart_beats),
		T(other_packets_extend_the_wait_once),
		T(a_session_must_connect_in_time),
		T(disconnect_leaves_one_namespace_and_reconnects),
		T(an_expiring_token_is_announced_and_then_over),
		T(a_refreshed_token_goes_on),
		T(attachments_follow_their_event),
		T(an_unannounced_attachment_closes),
		T(attachments_that_never_come_close),
		T(a_payload_takes_its_share_of_the_turn),
		T(polling_collects_packets_and_upgrades),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
