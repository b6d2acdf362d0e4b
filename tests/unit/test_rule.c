#include "hub/model.h"
#include "pair.h"
#include "shm/counters.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"limits { rooms_per_session = 3 }\n" \
	"route \"/t/{track}\" { namespace = \"/bare\" join = \"track:{track}\"" \
	"  format = bare }\n" \
	"namespace \"/bare\" { auth = none\n" \
	"  event \"message\" { to = namespace } }\n" \
	"namespace \"/c\" { auth = optional\n" \
	"  room \"open:{x}\" { join = open }\n" \
	"  room \"course:{id}\" { join = claim:courses }\n" \
	"  room \"dm:{a}:{b}\" { join = \"self:a,b\" }\n" \
	"  room \"news\" { join = server }\n" \
	"  event \"m\" { to = room:room check = {\"text?: string 1..5\"," \
	"    \"n?: integer 0..9\"} ack = delivered args = 2 }\n" \
	"  event \"all\" { to = namespace self = true ack = accepted }\n" \
	"  event \"any\" { to = room:room member = off meta = off }\n" \
	"  event \"dm\" { to = user:to as = \"dm_in\" confirm = \"dm_sent\" }\n" \
	"  event \"typing\" { to = room:room volatile = true meta = off }\n" \
	"  event \"small\" { to = sender max_bytes = 10 meta = off }\n" \
	"  event \"null\" { to = sender meta = off check = {" \
	"    \"a?: number|null 1..\", \"b?: any\", \"c?: string\"} }\n" \
	"  event \"boss\" { to = sender roles = {\"boss\"} }\n" \
	"  event \"signed\" { to = room:room args = 2 ack = echo set = {" \
	"    \"author: claim:name.first\", \"by: user\", \"sid: sid\"," \
	"    \"role: text:st\\\"ff\", \"n: [1]\"} }\n" \
	"  event \"course\" { to = room:room member = off self = on" \
	"    meta = off set = {\"room: text:open:1\"} }\n" \
	"  event \"fixed\" { to = sender ack = echo meta = off" \
	"    data = {\"{\\\"a\\\": 1}\", \"2\"} set = {\"by: user\"} }\n" \
	"  event \"near\" { to = joined ack = delivered meta_sid = true }\n" \
	"  event \"lone\" { to = joined member = off ack = delivered }\n" \
	"  event \"order\" { to = room:room ack = accepted confirm = \"got\"" \
	"    then \"thanks\" { to = sender data = \"\\\"you\\\"\" meta = off }" \
	"    then \"cook\" { to = user:cook meta = off" \
	"      set = {\"by: user\"} }" \
	"    then \"more\" { as = \"thanks\" to = sender data = 2 } }\n" \
	"  event \"*\" { to = nowhere error = \"no such thing\" } }\n"

struct fixture {
	PAIR;
};

static int
setup(void **state)
{
	*state = pair_new(sizeof(struct fixture), CONF);
	return (0);
}

/* Meta holds an id and a time: compare around them. */
static void
hears_between(struct fake_conn *c, const char *start, const char *middle)
{
	const char *got = fake_next(c);

	if (strncmp(got, start, strlen(start)) != 0)
		assert_string_equal(start, got);
	if (strstr(got, middle) == NULL)
		assert_string_equal(middle, got);
}

static struct fake_conn *
sio(struct fake_host *f, const char *user)
{
	char claims[256];

	(void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\","
	    "\"courses\":[\"math\",7],\"roles\":\"student\"}", user);
	return (fake_enter(f, "/c", user[0] == '\0' ? NULL :
	    fake_token(claims)));
}

static struct fake_conn *
plain(struct fake_host *f, const char *user)
{
	char claims[64];
	struct refusal r;

	(void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", user);
	return (fake_plain(f, "/c", fake_token(claims), &r));
}

static void
a_room_event_reaches_members_but_not_its_sender(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob"),
	    *c = plain(x->g, "cy"), *d = sio(x->g, "dan");

	fake_say(x->f, a, "42/c,0[\"room:join\",{\"room\":\"open:1\"}]");
	fake_hears(a, "43/c,0[{\"room\":\"open:1\"}]");
	fake_say(x->f, b, "42/c,0[\"room:join\",\"open:1\"]");
	fake_hears(b, "43/c,0[{\"room\":\"open:1\"}]");
	fake_say(x->g, c, "{\"event\":\"room:join\",\"data\":"
	    "{\"room\":\"open:1\"},\"id\":\"j\"}");
	fake_hears(c, "{\"ack\":\"j\",\"data\":{\"room\":\"open:1\"}}");
	fake_say(x->f, a, "42/c,[\"m\",{\"room\":\"open:1\"},2]");
	hears_between(b, "42/c,[\"m\",{\"room\":\"open:1\"},2,{\"id\":"
	    "\"23456789.1.1.", "\"from\":\"ann\",\"room\":\"open:1\",\"ts\":");
	hears_between(c, "{\"event\":\"m\",\"data\":{\"room\":\"open:1\"},"
	    "\"args\":[{\"room\":\"open:1\"},2],\"meta\":{\"id\":",
	    "\"from\":\"ann\"");
	fake_hears(a, "");
	fake_hears(d, "");
}

static void
delivered_counts_all_workers(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob"),
	    *c = sio(x->g, "cy");

	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, b, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->g, c, "42/c,[\"room:join\",\"open:1\"]");
	fake_text(x->f, a, "42/c,5[\"m\",{\"room\":\"open:1\"}]");
	hub_turn_end(x->f->hub);
	fake_hears(a, "");		/* the other worker was asked */
	fake_turn(x->w);
	hears_between(a, "43/c,5[{\"id\":\"23456789.1.1.",
	    "\"delivered\":2}]");
	/* the other worker never answers: what is known, after a while */
	fake_say(x->f, a, "42/c,5[\"room:leave\",\"open:1\"]");
	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	(void)fake_next(a);
	fake_text(x->f, a, "42/c,6[\"m\",{\"room\":\"open:1\"}]");
	buf_reset(&x->f->bus);
	fake_advance(x->w, 1999);
	fake_hears(a, "");
	fake_advance(x->w, 1);
	hears_between(a, "43/c,6[", "\"delivered\":1}]");
	/* no relay: at once */
	x->f->bus_down = true;
	fake_say(x->f, a, "42/c,7[\"m\",{\"room\":\"open:1\"}]");
	hears_between(a, "43/c,7[", "\"delivered\":1}]");
}

static void
a_local_room_costs_no_envelope(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob");

	(void)sio(x->g, "cy");
	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, b, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, a, "42/c,[\"m\",{\"room\":\"open:1\"}]");
	assert_int_equal(0, x->f->bus_sent);
	fake_say(x->f, a, "42/c,[\"all\"]");
	assert_int_equal(1, x->f->bus_sent);
}

static void
one_encoding_whatever_the_number_of_receivers(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann");
	uint64_t enc, del;
	int i;

	for (i = 0; i < 50; i++)
		(void)sio(x->f, "bob");
	enc = counter_get(COUNTER_encodings);
	del = counter_get(COUNTER_deliveries);
	fake_say(x->f, a, "42/c,[\"all\",1]");
	assert_int_equal(1, counter_get(COUNTER_encodings) - enc);
	assert_int_equal(51, counter_get(COUNTER_deliveries) - del);
}

static void
joins_follow_their_rules(void **state)
{
	static const struct {
		const char *room, *want;
	} cases[] = {
		{ "open:a", "43/c,0[{\"room\":\"open:a\"}]" },
		{ "course:math", "43/c,0[{\"room\":\"course:math\"}]" },
		{ "course:7", "43/c,0[{\"room\":\"course:7\"}]" },
		{ "course:art", "43/c,0[{\"error\":{\"code\":\"forbidden\"" },
		{ "dm:bob:ann", "43/c,0[{\"error\":{\"code\":\"limit\"" },
		{ "dm:bob:cy", "43/c,0[{\"error\":{\"code\":\"forbidden\"" },
		{ "news", "43/c,0[{\"error\":{\"code\":\"forbidden\"" },
		{ "other", "43/c,0[{\"error\":{\"code\":\"forbidden\"" },
		{ "", "43/c,0[{\"error\":{\"code\":\"bad_request\"" },
	};
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann");
	char text[128];
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		(void)snprintf(text, sizeof text,
		    "42/c,0[\"room:join\",{\"room\":\"%s\"}]", cases[i].room);
		fake_say(x->f, a, text);
		hears_between(a, cases[i].want, "");
	}
	fake_say(x->f, a, "42/c,0[\"room:leave\",\"open:a\"]");
	(void)fake_next(a);
	fake_say(x->f, a, "42/c,0[\"room:join\",\"dm:bob:ann\"]");
	fake_hears(a, "43/c,0[{\"room\":\"dm:bob:ann\"}]");
	assert_int_equal(3, counter_get(COUNTER_memberships));
}

static void
who_is_not_a_member_may_not_send(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->g, "bob");

	fake_say(x->g, b, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, a, "42/c,[\"m\",{\"room\":\"open:1\"}]");
	fake_hears(a, "42/c,[\"error\",{\"code\":\"not_member\",\"message\":"
	    "\"you are not in this room\",\"event\":\"m\"}]");
	fake_hears(b, "");
	fake_say(x->f, a, "42/c,[\"any\",{\"room\":\"open:1\"}]");
	fake_hears(b, "42/c,[\"any\",{\"room\":\"open:1\"}]");
}

static void
refusals_have_stable_codes(void **state)
{
	static const struct {
		const char *event, *code;
	} cases[] = {
		{ "[\"nope\"]", "unknown_event\",\"message\":\"no such thing" },
		{ "[5]", "unknown_event" },
		{ "[\"roost:secret\"]", "unknown_event" },
		{ "[\"presence:get\"]", "unknown_event" },
		{ "[\"m\"]", "invalid" },
		{ "[\"m\",{\"room\":7}]", "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"text\":\"\"}]", "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"text\":\"sixsix\"}]",
		    "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"n\":1.5}]", "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"n\":10}]", "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"n\":null}]", "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"text\":null}]", "invalid" },
		{ "[\"m\",{\"room\":\"open:1\",\"n\":9}]", "not_member" },
		{ "[\"null\",{\"c\":null}]", "invalid" },
		{ "[\"null\",{\"a\":0}]", "invalid" },
		{ "[\"null\",{\"a\":\"null\"}]", "invalid" },
		{ "[\"small\",\"0123456789\"]", "too_large" },
		{ "[\"boss\"]", "forbidden" },
		{ "[\"room:leave\",\"open:1\"]", "not_member" },
		{ "[\"room:join\",[1]]", "bad_request" },
	};
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann");
	char text[256], want[128];
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		(void)snprintf(text, sizeof text, "42/c,3%s", cases[i].event);
		(void)snprintf(want, sizeof want,
		    "43/c,3[{\"error\":{\"code\":\"%s", cases[i].code);
		fake_say(x->f, a, text);
		hears_between(a, want, "");
	}
	fake_say(x->f, a, "42/c,[\"sm\\u0061ll\",1]");
	fake_hears(a, "42/c,[\"small\",1]");	/* as the rule has it */
	fake_say(x->f, a, "42/c,[\"null\",{\"a\":null,\"b\":null}]");
	fake_hears(a, "42/c,[\"null\",{\"a\":null,\"b\":null}]");
}

static void
a_user_is_reached_on_every_connection(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob"),
	    *b2 = sio(x->g, "bob"), *b3 = plain(x->g, "bob");

	fake_say(x->f, a, "42/c,[\"dm\",{\"to\":\"bob\"}]");
	hears_between(a, "42/c,[\"dm_sent\",{\"to\":\"bob\"},{\"id\"",
	    "\"from\":\"ann\"");
	hears_between(b, "42/c,[\"dm_in\",{\"to\":\"bob\"},{\"id\"",
	    "\"from\":\"ann\"");
	hears_between(b2, "42/c,[\"dm_in\",", "\"from\":\"ann\"");
	hears_between(b3, "{\"event\":\"dm_in\",\"data\":{\"to\":\"bob\"},"
	    "\"meta\"", "\"from\":\"ann\"");
	fake_say(x->f, a, "42/c,[\"dm\",{\"to\":\"nobody\"}]");
	hears_between(a, "42/c,[\"dm_sent\"", "");
	fake_hears(b, "");
}

static void
volatile_passes_by_who_is_behind(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob"),
	    *c = sio(x->f, "cy");

	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, b, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, c, "42/c,[\"room:join\",\"open:1\"]");
	b->window = 5;
	fake_say(x->f, a, "42/c,[\"any\",{\"room\":\"open:1\"}]");
	fake_say(x->f, a, "42/c,[\"typing\",{\"room\":\"open:1\"}]");
	fake_say(x->f, a, "42/c,[\"any\",{\"room\":\"open:1\"},2]");
	b->window = SIZE_MAX;
	fake_say(x->f, a, "42/c,[\"any\",{\"room\":\"open:1\"},3]");
	fake_hears(b, "42/c,[\"any\",{\"room\":\"open:1\"}]");
	fake_hears(b, "42/c,[\"any\",{\"room\":\"open:1\"},2]");
	fake_hears(b, "42/c,[\"any\",{\"room\":\"open:1\"},3]");
	fake_hears(c, "42/c,[\"any\",{\"room\":\"open:1\"}]");
	fake_hears(c, "42/c,[\"typing\",{\"room\":\"open:1\"}]");
	fake_hears(c, "42/c,[\"any\",{\"room\":\"open:1\"},2]");
	assert_int_equal(1, counter_get(COUNTER_dropped_volatile));
}

static void
a_route_joins_its_room_and_speaks_bare(void **state)
{
	struct fixture *x = *state;
	struct refusal r;
	struct fake_conn *a = fake_plain(x->f, "/t/42", NULL, &r),
	    *b = fake_plain(x->f, "/t/43", NULL, &r);
	struct ask *later;
	struct buf out;

	buf_init(&out);
	assert_int_equal(200, api_publish(x->g->hub, SLICE("{\"namespace\":"
	    "\"bare\",\"event\":\"comment\",\"room\":\"track:42\","
	    "\"data\":{\"id\": 1}}"), NULL, &out, &later));
	buf_fini(&out);
	fake_turn(x->w);
	fake_hears(a, "{\"id\": 1}");
	fake_hears(b, "");
	fake_say(x->f, a, " [1, 2] ");
	fake_hears(b, "[1, 2]");
	fake_text(x->f, a, "{");
	assert_int_equal(REASON_raw_parse, a->closed);
}

static void
bad_envelopes_are_answered(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = plain(x->f, "ann");

	fake_say(x->f, a, "not json");
	hears_between(a, "{\"event\":\"error\",\"data\":{\"code\":"
	    "\"bad_request\"", "");
	fake_say(x->f, a, "{\"event\":1,\"id\":2}");
	fake_hears(a, "{\"ack\":2,\"error\":{\"code\":\"bad_request\","
	    "\"message\":\"event is not a name\"}}");
	fake_say(x->f, a, "{\"event\":\"nope\",\"id\":3}");
	fake_hears(a, "{\"ack\":3,\"error\":{\"code\":\"unknown_event\","
	    "\"message\":\"no such thing\"}}");
	assert_int_equal(-1, a->closed);
}

static void
many_joins_leaves_and_sends_stay_consistent(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c[20], *a = sio(x->f, "ann");
	bool in[20] = { false };
	unsigned seed = 1, i, k, want[20] = { 0 }, got;
	char text[64];

	for (i = 0; i < 20; i++)
		c[i] = sio(x->f, "bob");
	for (k = 0; k < 3000; k++) {
		seed = seed * 1103515245 + 12345;
		i = seed >> 16 & 31;
		if (i >= 20) {
			fake_text(x->f, a, "42/c,[\"any\",{\"room\":"
			    "\"open:1\"}]");
			for (i = 0; i < 20; i++)
				want[i] += in[i];
		} else {
			(void)snprintf(text, sizeof text,
			    "42/c,[\"room:%s\",\"open:1\"]",
			    in[i] ? "leave" : "join");
			fake_text(x->f, c[i], text);
			in[i] = !in[i];
		}
		if ((seed >> 24) % 5 == 0)
			fake_turn(x->w);
	}
	fake_turn(x->w);
	for (i = 0; i < 20; i++) {
		for (got = 0; fake_next(c[i])[0] != '\0';)
			got++;
		assert_int_equal(want[i], got);
	}
}

/* A turn with more volatile events than a client may have queued: it gets some
 * and stays below its limit. */
static void
volatile_bursts_of_one_turn_end_nobody(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob");
	uint64_t before = counter_get(COUNTER_dropped_volatile);
	static char text[20100];
	unsigned i;

	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, b, "42/c,[\"room:join\",\"open:1\"]");
	(void)snprintf(text, sizeof text,
	    "42/c,[\"typing\",{\"room\":\"open:1\",\"x\":\"%020000d\"}]", 0);
	for (i = 0; i < 200; i++)
		fake_text(x->f, a, text);
	assert_true(outq_bytes(&b->out) > 100000);
	assert_true(outq_bytes(&b->out) < 700000);
	assert_true(counter_get(COUNTER_dropped_volatile) - before > 100);
	fake_turn(x->w);
}

/* Whatever a client says of these members, receivers see the server's. */
static void
members_that_a_rule_writes_cannot_be_forged(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/c", fake_token("{\"sub\":"
	    "\"ann\",\"name\":{\"first\":\"A\"}}")), *b = sio(x->g, "bob"),
	    *c = sio(x->f, "cy");
	char sid[64], want[256];

	(void)snprintf(sid, sizeof sid, "%.20s",
	    a->client->sessions->sid);
	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->g, b, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, c, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, a, "42/c,[\"signed\",{\"by\":\"eve\",\"room\":"
	    "\"open:1\" , \"t\":[2],\"\\u0062y\":{},\"sid\":1, \"z\":0 } , 5]");
	(void)snprintf(want, sizeof want, "42/c,[\"signed\",{\"author\":\"A\","
	    "\"by\":\"ann\",\"sid\":\"%s\",\"role\":\"st\\\"ff\",\"n\":[1],"
	    "\"room\":\"open:1\" , \"t\":[2],\"z\":0} , 5,{\"id\":", sid);
	hears_between(b, want, "\"from\":\"ann\",\"room\":\"open:1\"");
	hears_between(c, want, "\"from\":\"ann\"");
	/* without the claim, and with nothing of its own */
	fake_say(x->f, c, "42/c,7[\"signed\",{\"room\":\"open:1\"}]");
	(void)snprintf(sid, sizeof sid, "%.20s",
	    c->client->sessions->sid);
	(void)snprintf(want, sizeof want, "43/c,7[{\"author\":null,"
	    "\"by\":\"cy\",\"sid\":\"%s\",\"role\":\"st\\\"ff\",\"n\":[1],"
	    "\"room\":\"open:1\"}]", sid);
	fake_hears(c, want);
}

static void
members_need_an_object_to_be_written_to(void **state)
{
	static const char *const args[] = { "", ",5", ",\"x\"", ",[{}]",
		",null" };
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann");
	uint8_t bytes[] = "abc";
	char text[64];
	size_t i;

	for (i = 0; i < nitems(args); i++) {
		(void)snprintf(text, sizeof text, "42/c,1[\"course\"%s]",
		    args[i]);
		fake_say(x->f, a, text);
		fake_hears(a, "43/c,1[{\"error\":{\"code\":\"invalid\","
		    "\"message\":\"the first argument must be an object\"}}]");
	}
	/* an attachment would take its place */
	fake_text(x->f, a, "451-/c,1[\"course\",{\"_placeholder\":true,"
	    "\"num\":0}]");
	client_binary(a->client, bytes, sizeof bytes);
	fake_turn(x->w);
	fake_hears(a, "43/c,1[{\"error\":{\"code\":\"invalid\","
	    "\"message\":\"the first argument must be an object\"}}]");
}

static void
a_rule_may_choose_the_room_and_the_arguments(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob");

	fake_say(x->f, b, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, a, "42/c,[\"course\",{\"room\":\"open:2\",\"t\":1}]");
	fake_hears(b, "42/c,[\"course\",{\"room\":\"open:1\",\"t\":1}]");
	fake_say(x->f, a, "42/c,3[\"fixed\",\"mine\",8,9]");
	fake_hears(a, "42/c,[\"fixed\",{\"by\":\"ann\",\"a\": 1},2]");
	fake_hears(a, "43/c,3[{\"by\":\"ann\",\"a\": 1},2]");
}

static void
those_in_the_same_rooms_hear_it_once(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, ""), *b = sio(x->f, "bob"),
	    *c = sio(x->g, "cy"), *d = sio(x->g, "dan");
	const char *got;
	char sid[40];
	int i;

	fake_say(x->f, a, "42/c,1[\"near\",5]");
	fake_hears(a, "43/c,1[{\"error\":{\"code\":\"not_member\",\"message\":"
	    "\"you are in no room\"}}]");
	fake_say(x->f, a, "42/c,2[\"lone\",5]");
	hears_between(a, "43/c,2[{\"id\":", "\"delivered\":0}]");
	fake_hears(d, "");
	for (i = 1; i <= 2; i++) {
		(void)snprintf(sid, sizeof sid,
		    "42/c,[\"room:join\",\"open:%d\"]", i);
		fake_say(x->f, a, sid);
		fake_say(x->f, b, sid);
		fake_say(x->g, c, sid);
		if (i != 1)
			break;
		/* one room: it is named */
		fake_say(x->f, a, "42/c,3[\"near\",5]");
		hears_between(b, "42/c,[\"near\",5,{\"id\":",
		    "\"room\":\"open:1\"");
		(void)fake_next(c);
		(void)fake_next(a);
	}
	fake_text(x->f, a, "42/c,4[\"near\",6]");
	hub_turn_end(x->f->hub);
	fake_hears(a, "");		/* the other worker was asked */
	fake_turn(x->w);
	(void)snprintf(sid, sizeof sid, "\"sid\":\"%.20s\"",
	    a->client->sessions->sid);
	got = fake_next(b);
	assert_ptr_equal(got, strstr(got, "42/c,[\"near\",6,{\"id\":"));
	assert_non_null(strstr(got, sid));
	assert_null(strstr(got, "\"room\""));
	fake_hears(b, "");
	hears_between(c, "42/c,[\"near\",6,{\"id\":", "\"from\":null,\"sid\":");
	fake_hears(c, "");
	hears_between(a, "43/c,4[{\"id\":", "\"delivered\":2}]");
	fake_hears(a, "");
	fake_hears(d, "");
}

static void
one_event_causes_several_in_order(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b = sio(x->f, "bob"),
	    *c = sio(x->g, "cy");
	uint64_t before;

	fake_say(x->f, a, "42/c,[\"room:join\",\"open:1\"]");
	fake_say(x->f, b, "42/c,[\"room:join\",\"open:1\"]");
	before = counter_get(COUNTER_events_accepted);
	fake_say(x->f, a, "42/c,1[\"order\",{\"room\":\"open:1\","
	    "\"cook\":\"cy\",\"by\":0}]");
	hears_between(b, "42/c,[\"order\",{\"room\":\"open:1\",\"cook\":"
	    "\"cy\",\"by\":0},{\"id\":", "\"from\":\"ann\"");
	hears_between(a, "42/c,[\"got\",{\"room\"", "");
	hears_between(a, "43/c,1[{\"id\":", "\"ts\"");
	fake_hears(a, "42/c,[\"thanks\",\"you\"]");
	hears_between(a, "42/c,[\"thanks\",2,{\"id\":", "\"from\":\"ann\"");
	fake_hears(c, "42/c,[\"cook\",{\"by\":\"ann\",\"room\":\"open:1\","
	    "\"cook\":\"cy\"}]");
	assert_int_equal(1, counter_get(COUNTER_events_accepted) - before);
	/* one that cannot be: none is */
	fake_say(x->f, a, "42/c,2[\"order\",{\"room\":\"open:1\"}]");
	fake_hears(a, "43/c,2[{\"error\":{\"code\":\"invalid\",\"message\":"
	    "\"\\\"cook\\\" must be a string that names the user\"}}]");
	fake_hears(b, "");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, pair_free)
	const struct CMUnitTest tests[] = {
		T(a_room_event_reaches_members_but_not_its_sender),
		T(delivered_counts_all_workers),
		T(a_local_room_costs_no_envelope),
		T(one_encoding_whatever_the_number_of_receivers),
		T(joins_follow_their_rules),
		T(who_is_not_a_member_may_not_send),
		T(refusals_have_stable_codes),
		T(a_user_is_reached_on_every_connection),
		T(members_that_a_rule_writes_cannot_be_forged),
		T(members_need_an_object_to_be_written_to),
		T(a_rule_may_choose_the_room_and_the_arguments),
		T(those_in_the_same_rooms_hear_it_once),
		T(one_event_causes_several_in_order),
		T(volatile_passes_by_who_is_behind),
		T(volatile_bursts_of_one_turn_end_nobody),
		T(a_route_joins_its_room_and_speaks_bare),
		T(bad_envelopes_are_answered),
		T(many_joins_leaves_and_sends_stay_consistent),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
