/*
 * Announcements and the queues they go to: what a worker has no room for is
 * told later, to all who are to hear of it, once; nothing is lost.
 */
#include "relay/local/announce.h"

#include <sys/socket.h>

#include <unistd.h>

#include "proto/bus.h"
#include "relay/local/peer.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/table_relay.h"
#include "tests/lib/conf_text.h"

#define LIMIT	65536u
#define USERS	2000u

static struct conf *conf;
static struct loop *loop;
static struct exchange x;
static struct heritage h;
static struct announce *a;
static struct table_relay *relay;
static struct interest *interest[3];	/* of slots 1 and 2 */
static struct presence *presence[3];
static struct peer *peers[3];
static int far_end[3];
static uint32_t node[USERS];

static void
on_event(struct loop_fd *f, unsigned events)
{
	(void)f;
	(void)events;
}

static void
connect_slot(unsigned slot)
{
	int fds[2], bytes = 65536;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes,
	    sizeof bytes), 0);
	far_end[slot] = fds[1];
	peers[slot] = peer_new(loop, slot, slot, fds[0], LIMIT, on_event);
	assert_non_null(peers[slot]);
	exchange_add(&x, peers[slot]);
}

static void
disconnect_slot(unsigned slot)
{
	exchange_remove(&x, peers[slot]);
	peer_free(&peers[slot]);
	(void)close(far_end[slot]);
}

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = USERS,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4 };
	unsigned i;

	(void)state;
	conf = conf_text("presence { leave_grace = 300ms }\n"
	    "namespace \"/all\" { auth = none"
	    " presence = namespace }\n"
	    "namespace \"/query\" { auth = none presence = query }\n");
	loop = loop_new();
	exchange_init(&x, conf);
	h.conf = conf;
	h.segment = segment_create(&p);
	assert_non_null(h.segment);
	for (i = 0; i <= 2; i++) {
		atomic_store(&segment_slot(h.segment, i)->state,
		    SLOT_ASSIGNED);
		slot_live(h.segment, i, 1);
		if (i == 0)
			continue;
		interest[i] = interest_open(h.segment, i);
		presence[i] = presence_open(h.segment, i);
		assert_true(interest[i] != NULL && presence[i] != NULL);
		connect_slot(i);
	}
	a = announce_new(&h, &x);
	relay = table_relay_open(h.segment, TABLE_PRESENCE, 0);
	assert_true(a != NULL && relay != NULL);
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	announce_free(&a);
	table_relay_close(&relay);
	for (i = 1; i <= 2; i++) {
		interest_close(&interest[i]);
		presence_close(&presence[i]);
		if (peers[i] != NULL)
			disconnect_slot(i);
	}
	segment_free(&h.segment);
	loop_free(&loop);
	conf_free(&conf);
	return (0);
}

static struct slice
name_of(unsigned user, char name[16])
{
	snprintf(name, 16, "user%u", user);
	return (slice_str(name));
}

/* Namespace 0 is /all, 1 is /query. */
static void
everybody_joins(unsigned slot, uint16_t ns)
{
	char name[16];
	unsigned u;

	for (u = 0; u < USERS; u++)
		node[u] = presence_join(presence[slot], ns,
		    name_of(u, name));
}

static void
everybody_leaves(unsigned slot, uint16_t ns)
{
	char name[16];
	unsigned u;

	for (u = 0; u < USERS; u++)
		presence_leave(presence[slot], node[u], ns,
		    name_of(u, name), 0);
}

/* A turn of the relay: some are announced, then it writes. */
static void
turn(void)
{
	struct peer *p;

	(void)table_announce(relay, mono_now(), announce_presence, a);
	if (table_held(relay) > 0 && (announce_relieved(a) ||
	    announce_due(a) <= mono_now().us)) {
		announce_again(a);
		table_announce_held(relay, mono_now(), announce_presence, a);
	}
	while ((p = exchange_next_dirty(&x)) != NULL)
		assert_int_equal(peer_flush(p), PEER_OK);
}

/* What a worker reads: how often it hears of each user, and what. */
struct heard {
	struct buf	 in;
	unsigned	 all, online[USERS], offline[USERS];
};

static void
hear(struct heard *w, const struct bus_envelope *e)
{
	char text[512];
	const char *at;
	unsigned u;

	assert_true(e->publish.args.n < sizeof text);
	memcpy(text, e->publish.args.p, e->publish.args.n);
	text[e->publish.args.n] = '\0';
	at = strstr(text, "user\":\"user");
	assert_non_null(at);
	u = (unsigned)strtoul(at + 11, NULL, 10);
	assert_true(u < USERS);
	w->all++;
	if (strstr(text, "offline") != NULL)
		w->offline[u]++;
	else
		w->online[u]++;
}

static void
worker_reads(struct heard *w, unsigned slot)
{
	static uint8_t bytes[1 << 20];
	struct bus_envelope e;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	while ((n = read(far_end[slot], bytes, sizeof bytes)) > 0)
		buf_append(&w->in, bytes, (size_t)n);
	while ((n = bus_frame(buf_unread(&w->in), slots, &flags)) > 0) {
		assert_int_equal(bus_decode(slice_of(buf_unread(&w->in).p,
		    (size_t)n), &e), n);
		hear(w, &e);
		buf_consume(&w->in, (size_t)n);
	}
	if (peers[slot]->stuck)
		assert_int_equal(peer_writable(peers[slot]), PEER_OK);
}

static void
assert_each_once(const unsigned *count)
{
	unsigned u;

	for (u = 0; u < USERS; u++)
		assert_int_equal(count[u], 1);
}

/* As at the death of a worker: all its users go at once. */
static void
each_of_many_leaves_is_told_though_the_queue_is_short(void **state)
{
	static struct heard w;
	unsigned turns;

	(void)state;
	memset(&w, 0, sizeof w);
	buf_init(&w.in);
	(void)interest_join(interest[1], 0, SLICE("n"));
	everybody_joins(2, 0);
	for (turns = 0; turns < 1000 && w.all < USERS; turns++) {
		turn();
		worker_reads(&w, 1);
	}
	assert_each_once(w.online);
	everybody_leaves(2, 0);
	for (turns = 0; turns < 1000 && w.all < 2 * USERS; turns++) {
		turn();
		assert_true(buf_unread(&peers[1]->out).n <= LIMIT);
		worker_reads(&w, 1);
	}
	assert_each_once(w.offline);
	assert_int_equal(table_held(relay), 0);
	assert_int_equal(counter_get(COUNTER_bus_dropped), 0);
	buf_fini(&w.in);
}

/* Nobody reads, for many turns; what changes again meanwhile is told once. */
static void
who_comes_and_goes_while_there_is_no_room_is_told_as_he_is(void **state)
{
	static struct heard w;
	unsigned i;

	(void)state;
	memset(&w, 0, sizeof w);
	buf_init(&w.in);
	(void)interest_join(interest[1], 0, SLICE("n"));
	for (i = 0; i < 20; i++) {
		everybody_joins(2, 0);
		turn();
		turn();
		everybody_leaves(2, 0);
		turn();
	}
	everybody_joins(2, 0);
	for (i = 0; i < 1000; i++) {
		turn();
		worker_reads(&w, 1);
	}
	for (i = 0; i < USERS; i++)
		assert_int_equal(w.online[i], w.offline[i] + 1);
	assert_int_equal(counter_get(COUNTER_bus_dropped), 0);
	buf_fini(&w.in);
}

static void
one_that_does_not_read_holds_up_only_what_it_is_to_hear(void **state)
{
	static struct heard w;
	unsigned i;
	char name[16];

	(void)state;
	memset(&w, 0, sizeof w);
	buf_init(&w.in);
	/* worker 2 reads nothing; 1 watches the last few users */
	(void)interest_join(interest[2], 0, SLICE("n"));
	everybody_joins(1, 0);
	for (i = 0; i < 10; i++)
		turn();
	assert_true(table_held(relay) > 0);
	assert_true(exchange_crowded(&x, 2));
	(void)interest_join(interest[1], 1, SLICE("wuser7"));
	(void)presence_join(presence[1], 1, name_of(7, name));
	turn();
	worker_reads(&w, 1);
	assert_int_equal(w.online[7], 1);
	assert_int_equal(w.all, 1);
	/* no work without hope */
	assert_false(announce_relieved(a));
	/* its worker dies: nothing more is to be told it */
	disconnect_slot(2);
	assert_false(announce_relieved(a));	/* a stream may come */
	slot_dead(h.segment, 2);
	assert_true(announce_relieved(a));
	for (i = 0; i < 3 * USERS / 1024 + 2; i++)
		turn();
	assert_int_equal(table_held(relay), 0);
	buf_fini(&w.in);
}

static void
a_worker_whose_stream_is_still_to_come_is_waited_for(void **state)
{
	static struct heard w;
	uint64_t unroutable = counter_get(COUNTER_bus_unroutable);
	char name[16];
	unsigned i;

	(void)state;
	memset(&w, 0, sizeof w);
	buf_init(&w.in);
	disconnect_slot(1);
	(void)interest_join(interest[1], 0, SLICE("n"));
	(void)presence_join(presence[2], 0, name_of(3, name));
	turn();
	assert_int_equal(table_held(relay), 1);
	connect_slot(1);
	for (i = 0; i < 3; i++)
		turn();
	worker_reads(&w, 1);
	assert_int_equal(w.online[3], 1);
	assert_int_equal(counter_get(COUNTER_bus_unroutable), unroutable);
	buf_fini(&w.in);
}

/* Who is here, then elsewhere as well, then only there, is online throughout. */
static void
who_goes_to_another_host_is_no_news(void **state)
{
	static struct heard w;
	uint32_t n;
	char name[16];

	(void)state;
	memset(&w, 0, sizeof w);
	buf_init(&w.in);
	(void)interest_join(interest[1], 0, SLICE("n"));
	n = presence_join(presence[2], 0, name_of(3, name));
	turn();
	assert_int_equal(table_mirror_add(relay, 0, name_of(3, name), 0), n);
	turn();
	presence_leave(presence[2], n, 0, name_of(3, name), 0);
	turn();
	assert_int_equal(table_mirror_add(relay, 0, name_of(3, name), 1), n);
	table_mirror_drop(relay, 0, name_of(3, name), 0, true);
	turn();
	worker_reads(&w, 1);
	assert_int_equal(w.online[3], 1);
	assert_int_equal(w.offline[3], 0);
	table_mirror_drop(relay, 0, name_of(3, name), 1, true);
	turn();
	worker_reads(&w, 1);
	assert_int_equal(w.all, 2);
	assert_int_equal(w.offline[3], 1);
	buf_fini(&w.in);
}

/* --- status ----------------------------------------------------------------- */

static bool
on_presence(void *arg, const struct table_event *e)
{
	struct table_event user;

	if (!announce_is_mark(a, e))
		return (announce_presence(arg, e));
	return (!announce_of_mark(a, e, &user) ||
	    announce_presence(arg, &user));
}

static void
status_turn(void)
{
	struct peer *p;

	(void)table_announce(relay, mono_now(), on_presence, a);
	if (table_held(relay) > 0 && announce_due(a) <= mono_now().us) {
		announce_again(a);
		table_announce_held(relay, mono_now(), on_presence, a);
	}
	while ((p = exchange_next_dirty(&x)) != NULL)
		assert_int_equal(peer_flush(p), PEER_OK);
}

/* What worker 1 hears of user3, or "". */
static const char *
status_heard(void)
{
	static const char *const words[] = { "\"online\"", "\"away\"",
		"\"busy\"", "\"dnd\"", "\"offline\"" };
	static struct buf heard;
	static uint8_t bytes[1 << 16];
	struct bus_envelope e;
	struct buf in;
	ssize_t n;
	unsigned i;

	buf_init(&in);
	if (heard.magic == 0)
		buf_init(&heard);
	buf_reset(&heard);
	while ((n = read(far_end[1], bytes, sizeof bytes)) > 0)
		buf_append(&in, bytes, (size_t)n);
	while ((n = bus_decode(buf_unread(&in), &e)) > 0) {
		for (i = 0; i < nitems(words); i++)
			if (memmem(e.publish.args.p, e.publish.args.n,
			    words[i], strlen(words[i])) != NULL)
				buf_str(&heard, words[i]);
		buf_consume(&in, (size_t)n);
	}
	buf_fini(&in);
	buf_byte(&heard, '\0');
	return ((const char *)heard.data);
}

static const char *
status_told(void)
{
	status_turn();
	return (status_heard());
}

/* Within seconds. */
static const char *
status_told_later(void)
{
	const char *heard = "";
	unsigned i;

	assert_true(announce_due(a) != UINT64_MAX);
	for (i = 0; i < 500 && *heard == '\0'; i++) {
		(void)usleep(10000);
		heard = status_told();
	}
	return (heard);
}

static struct presence_user
three(void)
{
	return ((struct presence_user){ .ns = 1, .user = SLICE("user3"),
		.stride = (uint16_t)conf->ns_room });
}

static uint32_t
says(unsigned slot, uint32_t n, unsigned mark)
{
	(void)presence_mark_set(presence[slot], three(), mark);
	if (n == 0)
		n = presence_join(presence[slot], 1, SLICE("user3"));
	presence_set_status(presence[slot], n, 1, SLICE("user3"), 1,
	    SLICE(""), wall_now());
	return (n);
}

static void
many_statuses_in_a_moment_are_told_once(void **state)
{
	uint32_t n;
	unsigned i;

	(void)state;
	(void)interest_join(interest[1], 1, SLICE("wuser3"));
	n = says(2, 0, PRESENCE_MARKS);
	assert_string_equal(status_told(), "\"online\"");
	assert_string_equal(status_told(), "");
	(void)says(2, n, 1);
	assert_string_equal(status_told(), "\"busy\"");
	for (i = 0; i < 9; i++) {
		(void)says(2, n, i % PRESENCE_MARKS);
		assert_string_equal(status_told(), "");
	}
	(void)says(2, n, 2);
	assert_string_equal(status_told(), "");
	assert_string_equal(status_told_later(), "\"dnd\"");
	/* what is the same again is no news */
	(void)says(2, n, 2);
	for (i = 0; i < 20; i++) {
		(void)usleep(10000);
		assert_string_equal(status_told(), "");
	}
	assert_int_equal(table_held(relay), 0);
}

static void
what_ends_with_a_connection_is_told_after_the_grace(void **state)
{
	uint32_t n;

	(void)state;
	(void)interest_join(interest[1], 1, SLICE("wuser3"));
	n = says(2, 0, 2);
	(void)says(1, 0, PRESENCE_MARKS);
	assert_string_equal(status_told(), "\"dnd\"");
	presence_leave(presence[2], n, 1, SLICE("user3"), 0);
	(void)presence_mark_set(presence[2], three(), PRESENCE_MARKS);
	presence_set_left(presence[2], n, 4, wall_now());
	assert_string_equal(status_told(), "");
	assert_string_equal(status_told_later(), "\"online\"");
	assert_int_equal(table_held(relay), 0);
}

/* What one relay has told the next one does not repeat, nor forget. */
static void
a_successor_knows_what_was_told(void **state)
{
	uint32_t n;

	(void)state;
	(void)interest_join(interest[1], 1, SLICE("wuser3"));
	n = says(2, 0, 2);
	(void)says(1, 0, 2);
	assert_string_equal(status_told(), "\"dnd\"");
	announce_free(&a);
	a = announce_new(&h, &x);
	assert_non_null(a);
	announce_learn(a);
	presence_touch(presence[2], n);
	assert_string_equal(status_told(), "");
	(void)says(2, n, PRESENCE_MARKS);
	(void)says(1, n, 1);
	announce_free(&a);
	a = announce_new(&h, &x);
	announce_learn(a);
	assert_string_equal(status_told(), "\"busy\"");
}

static void
who_is_invisible_is_offline_and_goes_unheard(void **state)
{
	uint32_t n;

	(void)state;
	(void)interest_join(interest[1], 1, SLICE("wuser3"));
	n = says(2, 0, PRESENCE_MARKS);
	assert_string_equal(status_told(), "\"online\"");
	(void)says(2, n, 3);
	assert_string_equal(status_told(), "\"offline\"");
	presence_leave(presence[2], n, 1, SLICE("user3"), 0);
	(void)presence_mark_set(presence[2], three(), PRESENCE_MARKS);
	assert_string_equal(status_told(), "");
	/* comes so, and then does not want to be any more */
	n = says(2, 0, 3);
	assert_string_equal(status_told(), "");
	(void)says(2, n, PRESENCE_MARKS);
	assert_string_equal(status_told(), "\"online\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(each_of_many_leaves_is_told_though_the_queue_is_short),
		T(who_comes_and_goes_while_there_is_no_room_is_told_as_he_is),
		T(one_that_does_not_read_holds_up_only_what_it_is_to_hear),
		T(a_worker_whose_stream_is_still_to_come_is_waited_for),
		T(who_goes_to_another_host_is_no_news),
		T(many_statuses_in_a_moment_are_told_once),
		T(what_ends_with_a_connection_is_told_after_the_grace),
		T(a_successor_knows_what_was_told),
		T(who_is_invisible_is_offline_and_goes_unheard),
#undef T
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
