/* Between two workers: marks at one instant, and who gets what behind them. */
#include "relay/local/exchange.h"

#include <sys/socket.h>

#include <unistd.h>

#include "conf/conf.h"
#include "relay/local/peer.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

#define LIMIT	2000u

/* Slots 1, the giver; 2, the heir; 3, another; 4, another heir. */
#define NPEERS	5

static struct loop *loop;
static struct exchange x;
static struct conf conf;		/* without namespaces */
static struct peer *peers[NPEERS];	/* by slot */
static int far_end[NPEERS];
static struct buf in;
static uint64_t counted[COUNTER__MAX];

static void
on_event(struct loop_fd *f, unsigned events)
{
	(void)f;
	(void)events;
}

static void
join(unsigned slot, uint32_t generation)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
	far_end[slot] = fds[1];
	peers[slot] = peer_new(loop, slot, generation, fds[0], LIMIT,
	    on_event);
	assert_non_null(peers[slot]);
	exchange_add(&x, peers[slot]);
}

static void
leave(unsigned slot)
{
	exchange_remove(&x, peers[slot]);
	peer_free(&peers[slot]);
	(void)close(far_end[slot]);
}

static int
set_up(void **state)
{
	unsigned i;

	(void)state;
	loop = loop_new();
	exchange_init(&x, &conf);
	x.mono_ms = 5000;
	for (i = 1; i < NPEERS; i++)
		join(i, i);
	buf_init(&in);
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	for (i = 1; i < NPEERS; i++)
		if (peers[i] != NULL)
			leave(i);
	exchange_fini(&x);
	loop_free(&loop);
	buf_fini(&in);
	return (0);
}

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

static void
got_slots(struct buf *got, const uint64_t slots[2])
{
	unsigned slot;

	buf_byte(got, '(');
	for (slot = 1; slot < NPEERS; slot++)
		if (slotset_has(slots, slot))
			buf_u64(got, slot);
	buf_byte(got, ')');
}

/* Its number and, when it went to heirs as well, who got it. */
static void
got_publication(struct buf *got, const struct bus_envelope *e)
{
	buf_printf(got, "p%u", e->ref);
	if (e->flags & BUS_SHADOW)
		got_slots(got, e->slots);
}

/* What the fed frames left in a slot's queue, in short, taken away: p and the
 * number of a publication, = and the worker that answers, with who got the
 * question if that is said, other kinds, | a mark, ! a refusal. */
static void
assert_got(unsigned slot, const char *want)
{
	static struct bus_envelope e;
	struct buf got;
	uint64_t slots[2];
	uint16_t flags;
	struct slice s;
	ssize_t n;

	buf_init(&got);
	while (s = buf_unread(&peers[slot]->out),
	    (n = bus_frame(s, slots, &flags)) > 0) {
		assert_int_equal(bus_decode(slice_of(s.p, (size_t)n), &e), n);
		if (e.kind == BUS_MARK)
			buf_printf(&got, e.mark.refused ? "!%u" : "|%u",
			    (unsigned)e.mark.batch);
		else if (e.kind == BUS_PUBLISH)
			got_publication(&got, &e);
		else if ((e.kind == BUS_COUNT || e.kind == BUS_ANSWERS) &&
		    !slotset_empty(e.had)) {
			buf_printf(&got, "=%u", e.from);
			got_slots(&got, e.had);
		} else
			buf_printf(&got, "%u ", (unsigned)e.kind);
		buf_consume(&peers[slot]->out, (size_t)n);
	}
	buf_byte(&got, '\0');
	assert_string_equal((char *)got.data, want);
	buf_fini(&got);
}

static void
feed(struct bus_envelope *e, unsigned from)
{
	e->from = (uint16_t)from;
	e->generation = 0;
	buf_reset(&in);
	assert_true(bus_encode(&in, e));
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
}

static void
says_cut(unsigned from, unsigned giver, unsigned heir, uint64_t batch)
{
	static struct bus_envelope e;

	bus_cut(&e, giver, heir, batch);
	slotset_clear(e.slots);
	e.ref = 0;
	feed(&e, from);
}

static void
cut(unsigned giver, unsigned heir, uint64_t batch)
{
	says_cut(giver, giver, heir, batch);
	says_cut(heir, giver, heir, batch);
}

/* A publication with this number, to slots by bit: 1 << slot. */
static void
publishes(unsigned from, uint64_t bits, unsigned number)
{
	static struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);

	e.slots[0] = bits >> 1;
	e.slots[1] = 0;
	e.ref = number;
	p->nsp = SLICE("/");
	p->event = SLICE("\"x\"");
	feed(&e, from);
}

static void
both_are_marked_at_one_instant(void **state)
{
	(void)state;
	publishes(3, 1 << 1 | 1 << 2, 1);
	says_cut(1, 1, 2, 7);
	publishes(3, 1 << 1 | 1 << 2, 2);
	assert_got(1, "p1p2");
	assert_got(2, "p1p2");
	says_cut(2, 1, 2, 7);
	publishes(3, 1 << 1 | 1 << 2, 3);
	assert_got(1, "|7p3");
	assert_got(2, "|7p3");
	assert_got(3, "");
	assert_counted(cuts, 1);
	assert_counted(cuts_put_off, 0);
	assert_counted(cut_timeouts, 0);
	/* the next one, the other way round */
	says_cut(2, 1, 2, 8);
	says_cut(1, 1, 2, 8);
	assert_got(1, "|8");
	assert_got(2, "|8");
	assert_counted(bus_shadowed, 0);
}

static void
what_was_for_the_giver_alone_goes_to_the_heir_too(void **state)
{
	static struct bus_envelope e;

	(void)state;
	publishes(3, 1 << 1, 1);
	says_cut(1, 1, 2, 7);
	publishes(3, 1 << 1, 2);		/* not yet: before the cut */
	says_cut(2, 1, 2, 7);
	publishes(3, 1 << 1, 3);
	publishes(3, 1 << 1 | 1 << 2, 4);	/* once */
	publishes(3, 1 << 3, 5);		/* another's */
	publishes(2, 1 << 1, 6);		/* its own: it has them */
	assert_got(1, "p1p2|7p3(12)p4p6");
	assert_got(2, "|7p3(12)p4");
	assert_got(3, "p5");
	assert_counted(bus_shadowed, 1);
	/* what the relay itself has for workers */
	(void)bus_publish(&e);
	e.publish.nsp = SLICE("/");
	slotset_only(e.slots, 1);
	e.ref = 7;
	feed(&e, 0);
	assert_got(2, "p7(12)");
	/* orders and questions to an audience; not what is between two */
	bus_disconnect(&e)->nsp = SLICE("/");
	feed(&e, 3);
	bus_rooms(&e)->nsp = SLICE("/");
	feed(&e, 3);
	bus_members(&e, BUS_MEMBERS_SIDS)->nsp = SLICE("/");
	feed(&e, 0);
	bus_count(&e, 1);
	feed(&e, 3);
	(void)bus_recover_ask(&e);
	feed(&e, 3);
	bus_publish_body(&e, SLICE("{}"));
	feed(&e, 0);
	assert_got(1, "p7(12)3 12 16 2 4 15 ");
	assert_got(2, "3 12 16 ");
}

/* All up to the mark; then nobody is told that it got something. */
static void
who_leaves_gets_nothing_more(void **state)
{
	static struct bus_envelope e;

	(void)state;
	cut(1, 2, 7);
	publishes(3, 1 << 1, 1);
	bus_leave(&e);
	slotset_clear(e.slots);
	e.ref = 0;
	feed(&e, 1);
	publishes(3, 1 << 1, 2);
	publishes(3, 1 << 1 | 1 << 4, 3);
	/* the heir itself has nobody but the one who has left to ask */
	(void)bus_publish(&e);
	e.publish.nsp = SLICE("/");
	slotset_only(e.slots, 1);
	e.flags = BUS_WANT_COUNT;
	e.ref = 6;
	feed(&e, 2);
	assert_got(1, "|7p1(12)|0");
	assert_got(2, "|7p1(12)p2(2)p3(24)2 ");
	assert_got(3, "");
	assert_got(4, "p3(24)");
	/* nor as an heir of long ago */
	cut(4, 1, 8);
	assert_got(1, "");
	assert_got(4, "!8");
	/* nor when it is given another stream as it ends */
	leave(1);
	join(1, 1);
	publishes(3, 1 << 1, 4);
	assert_got(1, "");
	assert_got(2, "p4(2)");
	/* another one in its place does */
	leave(1);
	join(1, 9);
	publishes(3, 1 << 1, 4);
	assert_got(1, "p4(12)");
}

/* The relay answers for those who have left: who asks has not heard all then, if
 * the heirs got it. */
static void
who_has_left_does_not_answer_for_heirs(void **state)
{
	static struct bus_envelope e;
	unsigned i;

	(void)state;
	cut(1, 2, 7);
	cut(1, 4, 8);
	bus_leave(&e);
	slotset_clear(e.slots);
	feed(&e, 1);
	for (i = 0; i < 2; i++) {
		(void)bus_publish(&e);
		e.publish.nsp = SLICE("/");
		slotset_only(e.slots, 1);
		e.flags = i == 0 ? BUS_WANT_COUNT : BUS_WANT_ANSWERS;
		e.ref = 5 + i;
		feed(&e, 3);
	}
	bus_rooms(&e)->nsp = SLICE("/");
	slotset_only(e.slots, 1);
	e.flags = BUS_WANT_ANSWERS;
	feed(&e, 3);
	assert_got(2, "|7p5(24)p6(24)12 ");
	assert_got(4, "|8p5(24)p6(24)12 ");
	assert_got(3, "=1(24)=1(24)=1(24)");
}

/* The giver may be gone when what was for it comes; its slot may have another
 * worker.  Heirs of heirs, and several of one. */
static void
heirs_are_found_for_a_while(void **state)
{
	(void)state;
	cut(1, 2, 1);
	cut(1, 4, 2);
	assert_got(2, "|1");
	assert_got(4, "|2");
	leave(1);
	publishes(3, 1 << 1, 1);
	assert_got(2, "p1(24)");
	assert_got(4, "p1(24)");
	cut(2, 3, 3);
	assert_got(2, "|3");
	assert_got(3, "|3");
	publishes(4, 1 << 1, 2);
	assert_got(2, "p2(23)");
	assert_got(3, "p2(23)");
	assert_got(4, "");
	/* another worker there is nobody's heir */
	leave(4);
	join(4, 9);
	publishes(2, 1 << 1, 3);
	assert_got(3, "p3(3)");
	assert_got(4, "");
	/* the same one, with another stream, is */
	leave(3);
	join(3, 3);
	publishes(2, 1 << 1, 4);
	assert_got(3, "p4(3)");
	join(1, 8);
	publishes(2, 1 << 1, 5);
	assert_got(1, "p5(13)");
	assert_got(3, "p5(13)");
	x.mono_ms += SHADOW_MS - 1;
	publishes(2, 1 << 1, 6);
	assert_got(3, "p6(13)");
	x.mono_ms++;
	publishes(2, 1 << 1, 7);
	assert_got(1, "p6(13)p7");
	assert_got(3, "");
}

static void
who_is_alone_is_forgotten(void **state)
{
	(void)state;
	says_cut(1, 1, 2, 7);
	x.mono_ms += CUT_ALONE_MS;
	says_cut(2, 1, 2, 7);			/* too late */
	assert_got(1, "");
	assert_got(2, "");
	exchange_tick(&x);
	assert_counted(cut_timeouts, 1);
	x.mono_ms += CUT_ALONE_MS;
	exchange_tick(&x);
	exchange_tick(&x);
	assert_counted(cut_timeouts, 2);
	/* given up for another */
	says_cut(1, 1, 2, 8);
	says_cut(1, 1, 4, 9);
	says_cut(2, 1, 2, 8);
	assert_got(1, "");
	assert_got(2, "");
	says_cut(4, 1, 4, 9);
	assert_got(1, "|9");
	assert_got(4, "|9");
	/* of a stream that is no more */
	says_cut(1, 1, 3, 10);
	leave(1);
	join(1, 1);
	says_cut(3, 1, 3, 10);
	assert_got(1, "");
	assert_got(3, "");
}

/* Not those who are far behind, or have lost something of which their clients
 * are to be told while they are there. */
static void
who_is_behind_is_refused(void **state)
{
	static uint8_t bytes[LIMIT / 2 + 1];

	(void)state;
	assert_true(peer_queue(peers[2], slice_of(bytes, sizeof bytes),
	    false));
	cut(1, 2, 7);
	assert_got(1, "!7");
	buf_consume(&peers[2]->out, sizeof bytes);
	assert_got(2, "!7");
	assert_counted(cuts_put_off, 1);
	assert_counted(cuts, 0);
	publishes(3, 1 << 1, 1);
	assert_got(1, "p1");
	assert_got(2, "");
	slotset_add(x.gapped, 1);
	cut(1, 2, 8);
	slotset_drop(x.gapped, 1);
	assert_got(1, "!8");
	assert_got(2, "!8");
	cut(1, 2, 9);
	assert_got(1, "|9");
	assert_got(2, "|9");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(both_are_marked_at_one_instant),
		T(what_was_for_the_giver_alone_goes_to_the_heir_too),
		T(who_leaves_gets_nothing_more),
		T(who_has_left_does_not_answer_for_heirs),
		T(heirs_are_found_for_a_while),
		T(who_is_alone_is_forgotten),
		T(who_is_behind_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
