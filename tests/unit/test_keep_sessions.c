/*
 * Sessions in the store, and the journals from which they are recovered: what
 * workers tell, who may have one, and what of it is told to whom.
 */
#include "relay/store/keep.h"

#include <unistd.h>

#include "base/state.h"
#include "proto/bus.h"
#include "relay/local/feed.h"
#include "relay/store/keep_int.h"
#include "relay/store/keep_sessions.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/slots.h"
#include "sys/timer.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/slot_peer.h"

#define LIMIT	(1u << 20)
#define PID	"KZGaJiYwfs_kqvmBAAB"	/* and a letter */

static struct conf *conf;
static struct wheel wheel;
static struct loop *loop;
static struct exchange x;
static struct segment *segment;
static struct keep *k;
static struct buf said;
static struct interest *interest[4];
static struct peer *peers[4];
static int far_end[4];
static uint64_t counted[COUNTER__MAX];

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)
#define assert_gauge(name, n) \
	assert_int_equal(counter_get(COUNTER_##name), n)

static void
connect_slot(unsigned slot)
{
	peers[slot] = slot_peer_new(loop, &x, slot, LIMIT, &far_end[slot]);
}

static void
disconnect_slot(unsigned slot)
{
	exchange_remove(&x, peers[slot]);
	peer_free(&peers[slot]);
	(void)close(far_end[slot]);
}

static void
join(unsigned slot, enum interest_kind kind, const char *name)
{
	char key[INTEREST_KEY_MAX];

	interest_join(interest[slot], 0, interest_key(key, kind,
	    slice_str(name)));
}

static void
keep_begin(void)
{
	struct keep_params p = { .exchange = &x, .wheel = &wheel,
		.conf = conf, .segment = segment };

	k = keep_new(&p);
	assert_non_null(k);
}

static int
set_up(void **state)
{
	struct segment_params sp = { .max_workers = 3, .presence_max = 64,
		.interest_max = 64, .rate_ways = 8, .max_ns = 4 };
	unsigned i;

	(void)state;
	conf = conf_text("namespace \"/n\" { auth = none recovery = store\n"
	    " room \"kept:{a}\" { history = 3 }\n room \"plain\" { }\n}\n"
	    "namespace \"/m\" { auth = none }\n"
	    "recovery { window = 10s sessions = 3 sessions_bytes = 64KB\n"
	    " journal_events = 4 }\n");
	buf_init(&said);
	loop = loop_new();
	wheel_init(&wheel, (struct mono){ 0 });
	exchange_init(&x, conf);
	x.mono_ms = 1;
	segment = segment_create(&sp);
	assert_non_null(segment);
	for (i = 0; i <= 3; i++) {
		atomic_store(&segment_slot(segment, i)->state, SLOT_ASSIGNED);
		slot_live(segment, i, 1);
		if (i == 0)
			continue;
		interest[i] = interest_open(segment, i);
		assert_non_null(interest[i]);
		connect_slot(i);
	}
	keep_begin();
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	keep_free(&k);
	buf_fini(&said);
	for (i = 1; i <= 3; i++) {
		interest_close(&interest[i]);
		if (peers[i] != NULL)
			disconnect_slot(i);
	}
	exchange_fini(&x);
	segment_free(&segment);
	loop_free(&loop);
	conf_free(&conf);
	return (0);
}

/* --- workers --------------------------------------------------------------*/

static void
say(struct bus_envelope *e, unsigned from)
{
	struct slice frame;

	e->slots[0] = e->slots[1] = 0;
	e->from = e->generation = (uint16_t)from;
	buf_reset(&said);
	assert_true(bus_encode(&said, e));
	frame = buf_unread(&said);
	assert_int_equal(exchange_feed(&x, frame), frame.n);
}

/* What a worker was given last of that kind; false: nothing. */
static bool
given(unsigned slot, enum bus_kind kind, struct bus_envelope *e)
{
	static uint8_t bytes[4][1 << 16];
	uint64_t slots[2];
	uint16_t flags;
	struct slice in;
	bool any = false;
	ssize_t n;

	assert_int_equal(peer_flush(peers[slot]), PEER_OK);
	n = read(far_end[slot], bytes[slot], sizeof bytes[slot]);
	in = slice_of(bytes[slot], n < 0 ? 0 : (size_t)n);
	while ((n = bus_frame(in, slots, &flags)) > 0) {
		if (bus_frame_kind(slice_of(in.p, (size_t)n)) == kind) {
			assert_int_equal(bus_decode(slice_of(in.p, (size_t)n),
			    e), n);
			any = true;
		}
		in = slice_from(in, (size_t)n);
	}
	return (any);
}

static const char *
pid_of(char which)
{
	static char pid[21];

	(void)snprintf(pid, sizeof pid, "%s%c", PID, which);
	return (pid);
}

static void
tell_more(unsigned slot, char which, enum bus_session_is is, uint64_t since,
    const char *offset, struct slice records)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION, is);

	b->nsp = SLICE("/n");
	b->pid = slice_str(pid_of(which));
	b->since = since;
	b->offset = slice_str(offset);
	b->records = records;
	if (is == BUS_SESSION_BEGUN) {
		b->sid = SLICE("sidsidsidsidsidsidsi");
		b->has_user = true;
		b->user = SLICE("ann");
	}
	e.ref = 0;
	say(&e, slot);
}

static void
tell(unsigned slot, char which, enum bus_session_is is)
{
	tell_more(slot, which, is, 0, "", SLICE(""));
}

static void
tell_room(unsigned slot, char which, char kind, const char *room,
    const char *offset)
{
	struct buf b;

	buf_init(&b);
	state_put_u8(&b, (uint8_t)kind);
	state_put_slice(&b, slice_str(offset));
	state_put_slice(&b, slice_str(room));
	tell_more(slot, which, BUS_SESSION_ROOMS, 0, "", buf_unread(&b));
	buf_fini(&b);
}

static void
take(unsigned slot, char which, const char *user, const char *offset)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION_TAKE,
	    BUS_SESSION_HERE);

	b->nsp = SLICE("/n");
	b->pid = slice_str(pid_of(which));
	b->offset = slice_str(offset);
	b->has_user = true;
	b->user = slice_str(user);
	e.ref = 7;
	say(&e, slot);
}

/* The answer: the session, or nobody's. */
static bool
taken(unsigned slot, struct bus_envelope *e)
{
	assert_true(given(slot, BUS_SESSION_TAKEN, e));
	assert_int_equal(e->ref, 7);
	return (e->session.is == BUS_SESSION_YOURS);
}

/* Its place, as clients see it: valid until the next one. */
static const char *
publish(unsigned slot, unsigned to, const char *room)
{
	static char offset[64];
	struct bus_envelope e;
	struct bus_publish *p = bus_journal(&e);
	struct slice o;

	p->nsp = SLICE("/n");
	p->event = SLICE("\"e\"");
	p->args = SLICE("1");
	p->to.rooms[p->to.nrooms++] = slice_str(room);
	e.ref = 0;
	say(&e, slot);
	if (to == 0)
		return ("");
	assert_true(given(to, BUS_PUBLISH, &e));
	assert_true((e.flags & BUS_NUMBERED) != 0);
	o = e.publish.offset;
	assert_true(o.n > 2 && o.n < sizeof offset);
	memcpy(offset, o.p, o.n);
	offset[o.n] = '\0';
	return (offset);
}

/* --- tests ----------------------------------------------------------------*/

/* It goes to who has some of the audience, and says where it is. */
static void
what_is_published_has_a_place(void **state)
{
	char first[64];
	struct bus_envelope e;

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	(void)snprintf(first, sizeof first, "%s", publish(2, 1, "plain"));
	assert_string_not_equal(first, publish(2, 1, "plain"));
	assert_false(given(3, BUS_PUBLISH, &e));
	assert_counted(journal_appends, 2);
}

/* One that keeps a history has its place there as well. */
static void
a_kept_room_has_both_places(void **state)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_journal(&e);

	(void)state;
	join(1, INTEREST_ROOM, "kept:a");
	p->nsp = SLICE("/n");
	p->event = SLICE("\"e\"");
	p->meta = SLICE("{}");
	p->to.rooms[p->to.nrooms++] = SLICE("kept:a");
	e.ref = 9;
	say(&e, 2);
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_int_equal(e.publish.kept, 1);
	assert_true(e.publish.offset.n > 2);
	assert_non_null(memmem(e.publish.meta.p, e.publish.meta.n,
	    "\"offset\":1", 10));
	assert_true(given(2, BUS_KEPT, &e));
	assert_int_equal(e.kept.kept, 1);
	assert_counted(store_appends, 1);
}

static void
who_comes_back_gets_it_once(void **state)
{
	struct bus_envelope e;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	assert_gauge(sessions_stored, 1);
	tell(1, 'a', BUS_SESSION_AWAY);
	assert_gauge(sessions_away, 1);
	assert_true(counter_get(COUNTER_sessions_bytes) > 0);
	take(2, 'a', "ann", "");
	assert_true(taken(2, &e));
	assert_true(slice_eq(e.session.sid, SLICE("sidsidsidsidsidsidsi")));
	assert_gauge(sessions_away, 0);
	assert_counted(sessions_taken, 1);
	/* another one: who has it is asked to let it go */
	take(3, 'a', "ann", "");
	assert_false(given(3, BUS_SESSION_TAKEN, &e));
	assert_true(given(2, BUS_SESSION_OVER, &e));
	assert_true(slice_eq(e.session.pid, slice_str(pid_of('a'))));
	/* one is enough */
	take(1, 'a', "ann", "");
	assert_false(taken(1, &e));
	tell(2, 'a', BUS_SESSION_AWAY);
	assert_true(taken(3, &e));
	tell(3, 'a', BUS_SESSION_ENDED);
	assert_gauge(sessions_stored, 0);
	take(1, 'a', "ann", "");
	assert_false(taken(1, &e));
}

static void
nobody_else_gets_it(void **state)
{
	struct bus_envelope e;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	take(2, 'a', "bob", "");
	assert_false(taken(2, &e));
	take(2, 'b', "ann", "");
	assert_false(taken(2, &e));
	/* nor may another worker say what becomes of it */
	tell(2, 'a', BUS_SESSION_ENDED);
	tell(2, 'a', BUS_SESSION_AWAY);
	assert_gauge(sessions_stored, 1);
	assert_gauge(sessions_away, 0);
}

/* A worker was killed: all that it had may be taken; also by who waits. */
static void
a_killed_worker_lets_go(void **state)
{
	struct bus_envelope e;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell(1, 'b', BUS_SESSION_BEGUN);
	take(2, 'a', "ann", "");
	disconnect_slot(1);
	keep_worker_gone(k, 1);
	assert_true(taken(2, &e));
	assert_gauge(sessions_away, 1);
	take(2, 'b', "ann", "");
	assert_true(taken(2, &e));
}

/* What was published while nobody was in that slot is not for who comes there. */
static void
nothing_is_on_its_way_to_the_dead(void **state)
{
	struct bus_envelope e;
	struct state_in in;

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	disconnect_slot(1);
	keep_worker_gone(k, 1);
	(void)publish(2, 0, "plain");
	(void)publish(2, 0, "plain");
	connect_slot(1);
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell_room(1, 'a', SESSION_ROOM, "plain", "");
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", "");
	assert_true(taken(2, &e));
	assert_int_equal(e.session.since, 2);
	in = state_in(e.session.records);
	assert_int_equal(state_get_u8(&in), SESSION_ROOM);
	assert_int_equal(state_get_u64(&in), 2);
}

/* Rooms are told with the places between which it was in them. */
static void
rooms_are_told_with_their_places(void **state)
{
	struct bus_envelope e;
	struct state_in in;
	char offset[64];

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	(void)publish(2, 1, "plain");		/* 1 */
	(void)snprintf(offset, sizeof offset, "%s", publish(2, 1, "plain"));
	tell_room(1, 'a', SESSION_ASKED, "r", offset);
	tell_room(1, 'a', SESSION_ROOM, "s", offset);
	(void)snprintf(offset, sizeof offset, "%s", publish(2, 1, "plain"));
	tell_room(1, 'a', SESSION_LEFT, "s", offset);
	tell_room(1, 'a', SESSION_WATCH, "w", offset);
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", offset);
	assert_true(taken(2, &e));
	assert_int_equal(e.session.since, 3);
	in = state_in(e.session.records);
	assert_int_equal(state_get_u8(&in), SESSION_ASKED);
	assert_int_equal(state_get_u64(&in), 2);
	assert_int_equal(state_get_u64(&in), 0);
	assert_true(slice_eq(state_get_slice(&in), SLICE("r")));
	assert_int_equal(state_get_u8(&in), SESSION_ROOM);
	assert_int_equal(state_get_u64(&in), 2);
	assert_int_equal(state_get_u64(&in), 3);
	assert_true(slice_eq(state_get_slice(&in), SLICE("s")));
	assert_int_equal(state_get_u8(&in), SESSION_WATCH);
}

/* What is on its way to the worker comes to who has joined: it is not before. */
static void
what_is_on_its_way_is_not_before(void **state)
{
	struct bus_envelope e;
	struct state_in in;
	char offset[64];

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	(void)snprintf(offset, sizeof offset, "%s", publish(2, 1, "plain"));
	(void)publish(2, 1, "plain");		/* not read yet, it says */
	tell_room(1, 'a', SESSION_ROOM, "r", offset);
	/* of what does not go there it may have seen nothing for long */
	(void)publish(2, 0, "other");
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", "");
	assert_true(taken(2, &e));
	in = state_in(e.session.records);
	assert_int_equal(state_get_u8(&in), SESSION_ROOM);
	assert_int_equal(state_get_u64(&in), 1);
}

/* An offset that cannot be, or what is missing is not known any more. */
static void
who_has_missed_what_is_not_known_is_told_so(void **state)
{
	struct bus_envelope e;
	char offset[64], late[80];

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	(void)snprintf(offset, sizeof offset, "%s", publish(2, 1, "plain"));
	(void)snprintf(late, sizeof late, "%.*s99\"", (int)strlen(offset) - 1,
	    offset);
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", late);
	assert_false(taken(2, &e));
	assert_counted(sessions_lost, 1);
	/* the store had lost it: what was before it was told again */
	tell_more(1, 'b', BUS_SESSION_BEGUN, BUS_SESSION_LOST, offset,
	    SLICE(""));
	(void)publish(2, 1, "plain");
	tell(1, 'b', BUS_SESSION_AWAY);
	take(2, 'b', "ann", "");
	assert_false(taken(2, &e));
}

/* A client that was quiet for long has got what was before a ping. */
static void
what_is_proven_need_not_be_told(void **state)
{
	struct bus_envelope e;
	char offset[64];
	unsigned i;

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	for (i = 0; i < 3; i++)
		(void)snprintf(offset, sizeof offset, "%s",
		    publish(2, 1, "plain"));
	for (i = 0; i < 3; i++)
		tell_more(1, 'a', BUS_SESSION_PROVEN, 0, offset, SLICE(""));
	tell_more(1, 'b', BUS_SESSION_BEGUN, BUS_SESSION_NEW, offset,
	    SLICE(""));
	tell_more(1, 'a', BUS_SESSION_PROVEN, 0, publish(2, 1, "plain"),
	    SLICE(""));
	tell(1, 'a', BUS_SESSION_AWAY);
	tell(1, 'b', BUS_SESSION_AWAY);
	take(2, 'a', "ann", "");
	assert_true(taken(2, &e));
	assert_int_equal(e.session.since, 4);
	/* of who has come since that is not known */
	take(2, 'b', "ann", "");
	assert_true(taken(2, &e));
	assert_int_equal(e.session.since, 3);
}

/* More than the queue of worker 1 takes, the last of which is lost: so many. */
static unsigned
overflow(void)
{
	static char text[60 << 10];
	uint64_t lost = counter_get(COUNTER_bus_dropped);
	struct bus_envelope e;
	struct bus_publish *p;
	unsigned n = 0;

	memset(text, '1', sizeof text);
	for (; counter_get(COUNTER_bus_dropped) == lost; n++) {
		p = bus_journal(&e);
		p->nsp = SLICE("/n");
		p->event = SLICE("\"e\"");
		p->args = slice_of(text, sizeof text);
		p->to.rooms[p->to.nrooms++] = SLICE("plain");
		e.ref = 0;
		say(&e, 2);
	}
	while (buf_unread(&peers[1]->out).n > 0) {
		assert_int_equal(peer_writable(peers[1]), PEER_OK);
		while (read(far_end[1], text, sizeof text) > 0)
			;
	}
	return (n);
}

/* Who comes behind it was not to get it. */
static void
what_was_lost_is_not_on_its_way(void **state)
{
	struct bus_envelope e;
	char mark[64];
	unsigned n;

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	(void)snprintf(mark, sizeof mark, "%s", publish(2, 1, "plain"));
	n = overflow();		/* 2, 3, ... */
	(void)snprintf(strchr(mark, ':'), 16, ":%u\"", n);
	tell_more(1, 'a', BUS_SESSION_BEGUN, BUS_SESSION_NEW, mark, SLICE(""));
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", "");
	assert_true(taken(2, &e));
	assert_int_equal(e.session.since, n + 1);
}

/* Its worker has not got something, and has said so later, or never. */
static void
who_is_beyond_what_was_lost_was_told_or_is_another(void **state)
{
	struct bus_envelope e;
	char before[64], behind[64];

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell(1, 'b', BUS_SESSION_BEGUN);
	tell(1, 'c', BUS_SESSION_BEGUN);
	(void)snprintf(before, sizeof before, "%s", publish(2, 1, "plain"));
	(void)overflow();
	(void)snprintf(behind, sizeof behind, "%s", publish(2, 1, "plain"));
	/* rooms keep something here: it may have been told some of it later */
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", before);
	assert_false(taken(2, &e));
	/* nobody could tell it that it has */
	tell(1, 'b', BUS_SESSION_AWAY);
	take(2, 'b', "ann", behind);
	assert_false(taken(2, &e));
	/* this one was told, before it got the last */
	exchange_tell_gaps(&x);
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_slice(e.publish.event, "\"roost:gap\"");
	(void)snprintf(behind, sizeof behind, "%s", publish(2, 1, "plain"));
	tell(1, 'c', BUS_SESSION_AWAY);
	take(2, 'c', "ann", behind);
	assert_true(taken(2, &e));
}

/* What it was given away with comes behind that, and makes nothing go but
 * others. */
static void
who_is_told_of_is_not_put_out_for_it(void **state)
{
	struct bus_envelope e;
	struct bus_rooms *r;
	char room[256];
	unsigned i;

	(void)state;
	memset(room, 'r', sizeof room - 1);
	room[sizeof room - 1] = '\0';
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell_more(2, 'a', BUS_SESSION_HERE, 1, "", SLICE(""));
	tell(2, 'a', BUS_SESSION_AWAY);
	for (i = 0; i < 300; i++) {
		(void)snprintf(room, 4, "%03u", i);
		room[3] = 'r';
		tell_room(1, 'a', SESSION_ROOM, room, "");
	}
	assert_gauge(sessions_stored, 0);
	assert_counted(sessions_refused, 1);
	assert_counted(sessions_evicted, 0);
	/* nor do orders make it take more */
	tell(1, 'b', BUS_SESSION_BEGUN);
	tell(1, 'b', BUS_SESSION_AWAY);
	for (i = 0; i < 300; i++) {
		(void)snprintf(room, 4, "%03u", i);
		room[3] = 'r';
		r = bus_rooms(&e);
		r->nsp = SLICE("/n");
		r->join[r->njoin++] = slice_str(room);
		e.ref = 0;
		say(&e, 2);
		assert_true(counter_get(COUNTER_sessions_bytes) <= 65536);
	}
	assert_gauge(sessions_stored, 0);
}

/* It is not with a worker that was not told that it has it. */
static void
who_cannot_be_given_stays_away(void **state)
{
	struct bus_envelope e;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell(1, 'a', BUS_SESSION_AWAY);
	join(1, INTEREST_ROOM, "plain");
	while (!exchange_crowded(&x, 1))
		(void)publish(2, 0, "plain");
	while (peer_queue(peers[1], SLICE("0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdef"), false))
		;
	take(1, 'a', "ann", "");
	assert_gauge(sessions_away, 1);
	take(3, 'a', "ann", "");
	assert_true(taken(3, &e));
}

static void
there_are_not_more_than_may_be(void **state)
{
	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell(1, 'b', BUS_SESSION_BEGUN);
	tell(1, 'c', BUS_SESSION_BEGUN);
	tell(1, 'd', BUS_SESSION_BEGUN);
	assert_counted(sessions_refused, 1);
	tell(1, 'a', BUS_SESSION_AWAY);
	tell(1, 'e', BUS_SESSION_BEGUN);
	assert_counted(sessions_evicted, 1);
	assert_gauge(sessions_stored, 3);
	/* and not for longer */
	tell(1, 'b', BUS_SESSION_AWAY);
	x.mono_ms += 9999;
	keep_turn(k);
	assert_counted(sessions_expired, 0);
	x.mono_ms += 2;
	keep_turn(k);
	assert_counted(sessions_expired, 1);
	assert_gauge(sessions_stored, 2);
}

/* By a hand-over, from the slot that it says; or its client is elsewhere. */
static void
it_goes_where_its_client_was_given(void **state)
{
	struct bus_envelope e;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell_more(2, 'a', BUS_SESSION_HERE, 1, "", SLICE(""));
	assert_false(given(2, BUS_SESSION_OVER, &e));
	tell(1, 'a', BUS_SESSION_ENDED);	/* no more */
	assert_gauge(sessions_stored, 1);
	tell_room(1, 'a', SESSION_ROOM, "r", "");	/* said before */
	tell(2, 'a', BUS_SESSION_AWAY);
	take(3, 'a', "ann", "");
	assert_true(taken(3, &e));
	assert_true(e.session.records.n != 0);
	tell_more(1, 'a', BUS_SESSION_HERE, 2, "", SLICE(""));
	assert_true(given(1, BUS_SESSION_OVER, &e));
}

static void
orders_reach_those_that_are_away(void **state)
{
	struct bus_envelope e;
	struct bus_disconnect *d;
	struct bus_rooms *r;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell(1, 'b', BUS_SESSION_BEGUN);
	tell_room(1, 'a', SESSION_ROOM, "r", "");
	tell(1, 'a', BUS_SESSION_AWAY);
	tell(1, 'b', BUS_SESSION_AWAY);
	r = bus_rooms(&e);
	r->nsp = SLICE("/n");
	r->to.rooms[r->to.nrooms++] = SLICE("r");
	r->join[r->njoin++] = SLICE("q");
	r->leave[r->nleave++] = SLICE("r");
	e.ref = 0;
	say(&e, 2);
	d = bus_disconnect(&e);
	d->to.rooms[d->to.nrooms++] = SLICE("q");
	e.flags = BUS_RECONNECT;	/* for those who are here */
	e.ref = 0;
	say(&e, 2);
	assert_gauge(sessions_away, 2);
	e.flags = 0;
	say(&e, 2);
	assert_gauge(sessions_away, 1);
	take(3, 'b', "ann", "");
	assert_true(taken(3, &e));
}

/* Another relay takes its place: all are there, and are away until their workers
 * say that they are not. */
static void
another_relay_goes_on(void **state)
{
	struct bus_envelope e;
	char offset[64];
	int fd;

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	tell_room(1, 'a', SESSION_ROOM, "r", "");
	tell(1, 'b', BUS_SESSION_BEGUN);
	tell(1, 'b', BUS_SESSION_AWAY);
	(void)snprintf(offset, sizeof offset, "%s", publish(2, 1, "plain"));
	fd = keep_save(k, slice_of(NULL, 0));
	assert_true(fd >= 0);
	keep_free(&k);
	keep_begin();
	keep_load(k, fd, 0);
	assert_gauge(sessions_stored, 2);
	tell_more(1, 'a', BUS_SESSION_BEGUN, BUS_SESSION_KNOWN, "", SLICE(""));
	assert_gauge(sessions_away, 1);
	take(2, 'b', "ann", offset);
	assert_true(taken(2, &e));
	assert_int_equal(e.session.since, 1);
	tell(1, 'a', BUS_SESSION_AWAY);
	take(2, 'a', "ann", offset);
	assert_true(taken(2, &e));
	assert_true(e.session.records.n != 0);
}

static void
all_bounds_of_a_journal_are_said(void **state)
{
	const struct store_key key = { SLICE("/n"), JOURNAL_ROOM };
	struct store_bounds b;

	(void)state;
	memset(&b, 0xff, sizeof b);
	assert_true(keep_judge(k, &key, &b));
	assert_int_equal(b.events, 4);
	assert_int_equal(b.keys + b.keys_bytes, 0);
	assert_false(b.stays);
}

/* --- what goes along ---------------------------------------------------------- */

#define ALONG_TAG	0x4258

static unsigned along_left;	/* times that some of it was found */

static void
along_is_there(void *arg, struct buf *b)
{
	(void)arg;
	state_close(b, state_open(b, ALONG_TAG, 1));
}

/* Memory ends in the middle of what it writes. */
static void
along_is_short(void *arg, struct buf *b)
{
	along_is_there(arg, b);
	state_put_u64(b, 7);
	b->oom = true;
}

static bool
along_is_read(void *arg, struct slice saved, struct slice *rest)
{
	size_t n = state_behind(saved, ALONG_TAG);

	(void)arg;
	along_left += n != 0;
	*rest = slice_from(saved, n);
	return (true);
}

static void
what_goes_along_without_memory_costs_the_rest_nothing(void **state)
{
	const uint64_t failures = counter_get(COUNTER_memory_failures);
	struct bus_envelope e;
	char offset[64];
	int fd;

	(void)state;
	join(1, INTEREST_ROOM, "plain");
	tell(1, 'a', BUS_SESSION_BEGUN);
	(void)snprintf(offset, sizeof offset, "%s", publish(2, 1, "plain"));
	keep_along(k, along_is_short, along_is_read, NULL);
	fd = keep_save(k, SLICE("before"));
	assert_true(fd >= 0);
	assert_int_equal(counter_get(COUNTER_memory_failures), failures + 1);
	keep_free(&k);
	keep_begin();
	along_left = 0;
	keep_along(k, along_is_short, along_is_read, NULL);
	keep_load(k, fd, strlen("before"));
	assert_int_equal(along_left, 0);
	assert_gauge(sessions_stored, 1);
	take(2, 'a', "ann", offset);
	assert_true(taken(2, &e));
}

static int
rooms_are_short(void *engine, struct slice begin, bool *bad)
{
	(void)engine;
	(void)begin;
	*bad = true;
	return (-1);
}

static void
rooms_that_cannot_be_saved_cost_the_rest_nothing(void **state)
{
	struct store_engine short_of = *k->store->does;
	int fd;

	(void)state;
	tell(1, 'a', BUS_SESSION_BEGUN);
	short_of.save = rooms_are_short;
	k->store->does = &short_of;
	keep_along(k, along_is_there, along_is_read, NULL);
	fd = keep_save(k, SLICE("before"));
	assert_true(fd >= 0);
	keep_free(&k);
	keep_begin();
	along_left = 0;
	keep_along(k, along_is_there, along_is_read, NULL);
	keep_load(k, fd, strlen("before"));
	assert_int_equal(along_left, 1);
	assert_gauge(sessions_stored, 1);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(what_is_published_has_a_place),
		T(a_kept_room_has_both_places),
		T(who_comes_back_gets_it_once),
		T(nobody_else_gets_it),
		T(a_killed_worker_lets_go),
		T(nothing_is_on_its_way_to_the_dead),
		T(rooms_are_told_with_their_places),
		T(what_is_on_its_way_is_not_before),
		T(who_has_missed_what_is_not_known_is_told_so),
		T(what_is_proven_need_not_be_told),
		T(what_was_lost_is_not_on_its_way),
		T(who_is_beyond_what_was_lost_was_told_or_is_another),
		T(who_is_told_of_is_not_put_out_for_it),
		T(who_cannot_be_given_stays_away),
		T(there_are_not_more_than_may_be),
		T(it_goes_where_its_client_was_given),
		T(orders_reach_those_that_are_away),
		T(another_relay_goes_on),
		T(all_bounds_of_a_journal_are_said),
		T(what_goes_along_without_memory_costs_the_rest_nothing),
		T(rooms_that_cannot_be_saved_cost_the_rest_nothing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
