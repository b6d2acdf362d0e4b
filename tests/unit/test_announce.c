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
	conf = conf_text("namespace \"/all\" { auth = none"
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
	if (table_held(relay) > 0 && announce_relieved(a)) {
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
#undef T
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
