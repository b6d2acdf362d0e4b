/* Broadcasts of Socket.IO's servers: what reaches clients, and what is refused
 * and how it is counted. */
#include "relay/bridge/socketio.h"

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/bridge/home.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/msgpack.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "tests/lib/check.h"

static char name_root[] = "/", name_n[] = "/n", prefix[] = "roost:",
    socketio_prefix[] = "p";
static struct conf_namespace spaces[] = {
	{ .name = name_root, .name_len = 1, .index = 0 },
	{ .name = name_n, .name_len = 2, .index = 1 },
};
static struct conf conf = { .namespaces = spaces, .nnamespaces = 2,
	.ns_room = 2,
	.message_bytes = 1000, .redis = { .prefix = prefix,
	    .socketio_prefix = socketio_prefix, .socketio = CONF_SOCKETIO_ALL,
	    .socketio_adapter = CONF_ADAPTER_CLASSIC } };
static struct segment *seg;
static struct interest *worker;		/* slot 1 */
static struct home home;
static struct ledger ledger;
static struct socketio *s;
static struct listener {
	subscriptions_cb *cb;
	void		*arg;
} patterns[2];				/* of the namespaces */
static struct buf message, got;
static struct bus_envelope last;	/* borrows from got */
static unsigned ngot;

/* --- instead of Redis -----------------------------------------------------*/

bool
redis_psubscribe_classic(struct redis *r, struct slice pattern,
    subscriptions_cb *cb, void *arg)
{
	size_t i = slice_eq(pattern, SLICE("p#/n#*"));

	assert_null(r);
	assert_true(i == 1 || slice_eq(pattern, SLICE("p#/#*")));
	patterns[i] = (struct listener){ cb, arg };
	return (true);
}

void
redis_punsubscribe_classic(struct redis *r, struct slice pattern)
{
	assert_null(r);
	patterns[slice_eq(pattern, SLICE("p#/n#*"))].cb = NULL;
}

bool
redis_subscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	assert_true(r == NULL && cb != NULL && arg != NULL && channel.n != 0);
	return (true);
}

void
redis_unsubscribe_classic(struct redis *r, struct slice channel)
{
	assert_true(r == NULL && channel.n != 0);
}

bool
redis_publish_classic(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	assert_true(r == NULL && channel.n + payload.n != 0 && cb == NULL &&
	    arg == NULL);
	return (true);
}

/* --- instead of workers ---------------------------------------------------*/

static struct mono
the_time(void *arg)
{
	assert_ptr_equal(arg, &home);
	return ((struct mono){ 1000000 });
}

static void
to_workers(void *arg, const uint64_t slots[2], struct bus_envelope *e)
{
	assert_ptr_equal(arg, &home);
	e->slots[0] = slots[0];
	e->slots[1] = slots[1];
	e->from = e->generation = 0;
	e->ref = 0;
	buf_reset(&got);
	assert_true(bus_encode(&got, e));
	assert_true(bus_decode(buf_unread(&got), &last) > 0);
	ngot++;
}

static void
on_ask(void *arg, const struct socketio_question *q)
{
	(void)arg;
	(void)q;
	fail();
}

/* --- around each test -----------------------------------------------------*/

static void
join(uint16_t ns, enum interest_kind kind, const char *name)
{
	char key[INTEREST_KEY_MAX];

	(void)interest_join(worker, ns, interest_key(key, kind,
	    slice_str(name)));
}

static void
live(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
}

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 4, .presence_max = 10,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	struct socketio_params sp = { .home = &home, .arg = &home,
		.ask = on_ask };

	(void)state;
	buf_init(&message);
	buf_init(&got);
	ngot = 0;
	seg = segment_create(&p);
	if (seg == NULL)
		return (-1);
	live(0);
	live(1);
	worker = interest_open(seg, 1);
	home = (struct home){ .conf = &conf, .segment = seg, .arg = &home,
		.ledger = &ledger,
		.now = the_time, .to_workers = to_workers };
	s = socketio_new(&sp);
	if (s == NULL || worker == NULL)
		return (-1);
	join(0, INTEREST_NAMESPACE, "");
	join(1, INTEREST_NAMESPACE, "");
	join(1, INTEREST_ROOM, "r");
	join(1, INTEREST_ROOM, "42");
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	socketio_free(&s);
	assert_null(patterns[0].cb);
	assert_null(patterns[1].cb);
	interest_close(&worker);
	segment_free(&seg);
	buf_fini(&message);
	buf_fini(&got);
	return (0);
}

/* --- messages -------------------------------------------------------------*/

static void
str(const char *text)
{
	msgpack_put_str(&message, slice_str(text));
}

/* [uid, {type, data: [event, ...], nsp}, {...}]; n: elements of data, which
 * follow, as does the end. */
static void
begin(const char *uid, unsigned type, const char *nsp, size_t n)
{
	buf_reset(&message);
	msgpack_put_array(&message, 3);
	str(uid);
	msgpack_put_map(&message, nsp == NULL ? 2 : 3);
	str("type");
	msgpack_put_uint(&message, type);
	if (nsp != NULL) {
		str("nsp");
		str(nsp);
	}
	str("data");
	msgpack_put_array(&message, n);
}

/* Options: with these rooms. */
static void
end(const char *const *rooms, size_t n)
{
	size_t i;

	msgpack_put_map(&message, 1);
	str("rooms");
	msgpack_put_array(&message, n);
	for (i = 0; i < n; i++)
		str(rooms[i]);
}

static void
give_on(unsigned ns, const char *channel)
{
	struct listener *l = &patterns[ns];

	assert_false(message.oom);
	l->cb(l->arg, slice_str(channel), buf_unread(&message));
}

static void
give(void)
{
	give_on(1, "p#/n#");
}

static const char *const to_r[] = { "r" };

static void
say(const char *event)
{
	begin("other", 2, "/n", 2);
	str(event);
	msgpack_put_uint(&message, 7);
	end(to_r, 1);
}

/* Given once more, this counter grows by 1, and nothing else happens. */
static void
assert_refused(enum counter c)
{
	uint64_t before = counter_get(c);
	unsigned n = ngot;

	give();
	assert_int_equal(counter_get(c), before + 1);
	assert_int_equal(ngot, n);
}

/* --- tests ----------------------------------------------------------------*/

static void
an_event_reaches_those_it_is_for(void **state)
{
	uint64_t before = counter_get(COUNTER_socketio_broadcasts);

	(void)state;
	say("news");
	give();
	assert_int_equal(ngot, 1);
	assert_int_equal(last.kind, BUS_PUBLISH);
	assert_int_equal(last.flags, 0);
	assert_slice(last.publish.nsp, "/n");
	assert_slice(last.publish.event, "\"news\"");
	assert_slice(last.publish.args, "7");
	assert_int_equal(last.publish.to.nrooms, 1);
	assert_slice(last.publish.to.rooms[0], "r");
	assert_true(last.slots[0] == 1 && last.slots[1] == 0);
	assert_int_equal(counter_get(COUNTER_socketio_broadcasts), before + 1);
	/* to all, without arguments, and of no namespace: of the main one */
	begin("other", 2, NULL, 1);
	str("all");
	msgpack_put_map(&message, 0);
	give_on(0, "p#/#");
	assert_int_equal(ngot, 2);
	assert_slice(last.publish.nsp, "/");
	assert_slice(last.publish.args, "");
	assert_int_equal(last.publish.to.nrooms, 0);
}

static void
options_are_understood(void **state)
{
	(void)state;
	begin("other", 2, "/n", 1);
	str("e");
	msgpack_put_map(&message, 4);
	str("rooms");
	msgpack_put_array(&message, 3);
	msgpack_put_uint(&message, 42);		/* a room may be a number */
	msgpack_put_nil(&message);		/* nobody's */
	str("nobody-is-here");
	str("except");
	msgpack_put_array(&message, 1);
	str("r");
	str("flags");
	msgpack_put_map(&message, 1);
	str("volatile");
	msgpack_put_bool(&message, true);
	str("more");
	msgpack_put_nil(&message);
	give();
	assert_int_equal(ngot, 1);
	assert_int_equal(last.flags, BUS_VOLATILE);
	assert_int_equal(last.publish.to.nrooms, 1);
	assert_slice(last.publish.to.rooms[0], "42");
	assert_int_equal(last.publish.to.nexcept, 1);
	/* a list may be null, but nothing else that is none */
	begin("other", 2, "/n", 1);
	str("e");
	msgpack_put_map(&message, 2);
	str("rooms");
	msgpack_put_nil(&message);
	str("except");
	msgpack_put_nil(&message);
	give();
	assert_int_equal(ngot, 2);
	begin("other", 2, "/n", 1);
	str("e");
	msgpack_put_map(&message, 1);
	str("rooms");
	str("r");
	assert_refused(COUNTER_socketio_refused_malformed);
}

static void
binary_becomes_attachments(void **state)
{
	unsigned i;

	(void)state;
	begin("other", 5, "/n", 2);
	str("blob");
	msgpack_put_bin(&message, SLICE("\1\2\3"));
	end(to_r, 1);
	give();
	assert_int_equal(ngot, 1);
	assert_slice(last.publish.args,
	    "{\"_placeholder\":true,\"num\":0}");
	assert_int_equal(last.publish.nattach, 1);
	assert_slice(last.publish.attachments[0], "\1\2\3");
	/* more than fit one packet */
	begin("other", 5, "/n", 1 + MSGPACK_ATTACHMENTS_MAX + 1);
	str("blob");
	for (i = 0; i <= MSGPACK_ATTACHMENTS_MAX; i++)
		msgpack_put_bin(&message, SLICE("x"));
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_many);
	/* what only looks like one */
	begin("other", 5, "/n", 3);
	str("blob");
	msgpack_put_bin(&message, SLICE("x"));
	msgpack_put_map(&message, 2);
	str("_placeholder");
	msgpack_put_bool(&message, true);
	str("num");
	msgpack_put_uint(&message, 5);
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_malformed);
}

static void
what_is_no_event_is_refused(void **state)
{
	static const char *const reserved[] = { "connect", "connect_error",
		"disconnect", "disconnecting" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(reserved); i++) {
		say(reserved[i]);
		assert_refused(COUNTER_socketio_refused_event);
	}
	begin("other", 2, "/n", 1);
	msgpack_put_nil(&message);
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_event);
	begin("other", 2, "/n", 0);
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_malformed);
	begin("other", 3, "/n", 1);		/* an acknowledgement */
	str("e");
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_malformed);
	begin("other", 2, "/", 1);		/* by another's channel */
	str("e");
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_malformed);
	begin("other", 2, NULL, 1);
	str("e");
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_malformed);
	/* a number is a name, as for Node */
	begin("other", 2, "/n", 1);
	msgpack_put_uint(&message, 5);
	end(to_r, 1);
	give();
	assert_slice(last.publish.event, "5");
}

static void
nonsense_is_refused_at_every_byte(void **state)
{
	uint64_t before;
	struct listener *l = &patterns[1];
	size_t n;

	(void)state;
	say("news");
	before = counter_get(COUNTER_socketio_refused_malformed);
	for (n = 0; n < message.wpos; n++)
		l->cb(l->arg, SLICE("p#/n#"), slice_of(message.data, n));
	assert_int_equal(counter_get(COUNTER_socketio_refused_malformed),
	    before + n);
	assert_int_equal(ngot, 0);
	buf_byte(&message, 0xc0);		/* and one too many */
	assert_refused(COUNTER_socketio_refused_malformed);
	buf_reset(&message);
	msgpack_put_array(&message, 3);
	str("uid");
	str("no map");
	msgpack_put_map(&message, 0);
	assert_refused(COUNTER_socketio_refused_malformed);
}

static void
what_is_too_large_is_refused(void **state)
{
	char text[1001];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	begin("other", 2, "/n", 2);
	str("e");
	str(text);
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_size);
	/* small as it comes, and large as text */
	memset(text, 1, 300);
	text[300] = '\0';
	begin("other", 2, "/n", 2);
	str("e");
	str(text);
	end(to_r, 1);
	assert_refused(COUNTER_socketio_refused_size);
}

static void
what_nobody_here_gets_is_not_read(void **state)
{
	static const char *const elsewhere[] = { "elsewhere" };
	uint64_t before = counter_get(COUNTER_socketio_elsewhere);

	(void)state;
	begin("other", 2, "/n", 1);
	str("connect");				/* nobody sees that */
	end(elsewhere, 1);
	give();
	/* a room's channel says so before */
	say("e");
	give_on(1, "p#/n#elsewhere#");
	assert_int_equal(counter_get(COUNTER_socketio_elsewhere), before + 2);
	assert_int_equal(ngot, 0);
	give_on(1, "p#/n#r#");
	assert_int_equal(ngot, 1);
	/* a channel that the pattern does not mean */
	before = counter_get(COUNTER_socketio_refused_malformed);
	give_on(1, "p#/n#r");
	assert_int_equal(counter_get(COUNTER_socketio_refused_malformed),
	    before + 1);
}

static void
what_we_have_said_ourselves_is_passed_by(void **state)
{
	uint64_t before = counter_get(COUNTER_socketio_own);
	char sibling[64];
	struct slice uid = socketio_uid(s);

	(void)state;
	(void)snprintf(sibling, sizeof sibling, "%.*s", (int)uid.n,
	    (const char *)uid.p);
	begin(sibling, 2, "/n", 1);
	str("e");
	end(to_r, 1);
	give();
	/* of another daemon of this configuration */
	memset(sibling + uid.n - 8, '7', 8);
	begin(sibling, 2, "/n", 1);
	str("e");
	end(to_r, 1);
	give();
	/* by another link of this host, which has another prefix */
	(void)snprintf(sibling, sizeof sibling, "%.*s", (int)uid.n,
	    (const char *)uid.p);
	memset(sibling + strlen("roost-"), '7', 8);
	begin(sibling, 2, "/n", 1);
	str("e");
	end(to_r, 1);
	give();
	assert_int_equal(counter_get(COUNTER_socketio_own), before + 3);
	assert_int_equal(ngot, 0);
	/* ... and of a strange one */
	memset(sibling + uid.n - 8, '7', 8);
	memset(sibling + strlen("roost-"), '7', 8);
	begin(sibling, 2, "/n", 1);
	str("e");
	end(to_r, 1);
	give();
	assert_int_equal(ngot, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_event_reaches_those_it_is_for),
		T(options_are_understood),
		T(binary_becomes_attachments),
		T(what_is_no_event_is_refused),
		T(nonsense_is_refused_at_every_byte),
		T(what_is_too_large_is_refused),
		T(what_nobody_here_gets_is_not_read),
		T(what_we_have_said_ourselves_is_passed_by),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
