/*
 * Documents of Yjs, with a relay that is written out here: what who comes is told
 * and in which order, when it cannot be told, and awareness as time goes.
 */
#include "base/slotset.h"
#include "hub/hub_int.h"
#include "pair.h"
#include "proto/bus.h"
#include "proto/yjs/yjs.h"
#include "shm/counters.h"

#define CONF \
	"namespace \"/n\" { auth = none\n" \
	"  room \"d:{doc*}\" { history = 40 yjs = true } }\n" \
	"route \"/d/{doc*}\" { namespace = \"/n\" join = \"d:{doc}\"\n" \
	"  format = yjs compact = 10 }\n"
#define BYTES(...) slice_of((const uint8_t[]){ __VA_ARGS__ }, \
	    sizeof (const uint8_t[]){ __VA_ARGS__ })
#define STEP1(...)	BYTES(0, 0, __VA_ARGS__)

struct fixture {
	PAIR;
	struct bus_envelope e;		/* the last one for the relay */
	struct buf	 text;		/* its frame */
	struct buf	 frames;	/* of a page */
	uint64_t	 was;		/* a counter */
};

static int
setup(void **state)
{
	struct fixture *x = *state = pair_new(sizeof *x, CONF);

	buf_init(&x->text);
	buf_init(&x->frames);
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	buf_fini(&x->text);
	buf_fini(&x->frames);
	return (pair_free(state));
}

/* --- clients --------------------------------------------------------------- */

static struct fake_conn *
opens(struct fixture *x)
{
	struct refusal why;
	struct fake_conn *c = fake_plain(x->f, "/d/a/b", NULL, &why);

	assert_non_null(c);
	fake_turn(x->w);
	return (c);
}

static void
sends(struct fixture *x, struct fake_conn *c, struct slice message)
{
	uint8_t copy[256];

	assert_true(message.n <= sizeof copy);
	memcpy(copy, message.p, message.n);
	client_binary(c->client, copy, message.n);
	fake_turn(x->w);
}

/* Its next message, in a short frame; pings are not looked at. */
static void
hears(struct fake_conn *c, struct slice want)
{
	struct slice in = buf_unread(&c->got), got;

	while (in.n > 1 && in.p[0] == 0x89) {
		buf_consume(&c->got, 2);
		in = buf_unread(&c->got);
	}
	assert_true(in.n >= 2 && in.p[0] == 0x82 && in.p[1] < 126);
	got = slice_of(in.p + 2, in.p[1]);
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
	buf_consume(&c->got, 2 + got.n);
}

static void
hears_nothing(const struct fake_conn *c)
{
	assert_int_equal(buf_unread(&c->got).n, 0);
}

/* --- the relay ------------------------------------------------------------- */

static void
asks(struct fixture *x, enum bus_kind kind)
{
	struct slice in;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	fake_turn(x->w);
	in = buf_unread(&x->f->relay);
	n = in.n == 0 ? 0 : bus_frame(in, slots, &flags);
	assert_true(n > 0);
	buf_reset(&x->text);
	buf_slice(&x->text, slice_of(in.p, (size_t)n));
	buf_consume(&x->f->relay, (size_t)n);
	assert_true(bus_decode(buf_unread(&x->text), &x->e) == n);
	assert_int_equal(x->e.kind, kind);
}

static void
says(struct fixture *x, struct bus_envelope *e)
{
	struct buf b;

	e->from = e->generation = 0;
	slotset_only(e->slots, x->f->slot);
	buf_init(&b);
	assert_true(bus_encode(&b, e));
	hub_bus_frame(x->f->hub, buf_unread(&b));
	buf_fini(&b);
	fake_turn(x->w);
}

/* An update of one byte, with or without a note. */
static void
entry(struct bus_envelope *e, const char *epoch, uint64_t place,
    const struct slice *message, struct slice note)
{
	struct bus_publish *p = bus_publish(e);

	e->flags = BUS_NUMBERED;
	e->from = e->generation = 0;
	e->ref = 0;
	slotset_clear(e->slots);
	p->nsp = SLICE("/n");
	p->event = SLICE("\"yjs\"");
	p->args = SLICE("{\"_placeholder\":true,\"num\":0}");
	p->attachments[p->nattach++] = *message;
	if (note.n != 0)
		p->attachments[p->nattach++] = note;
	p->epoch = slice_str(epoch);
	p->kept = place;
	p->to.rooms[p->to.nrooms++] = SLICE("d:a/b");
}

static void
adds(struct fixture *x, const char *epoch, uint64_t place,
    struct slice message, struct slice note)
{
	static struct bus_envelope e;

	entry(&e, epoch, place, &message, note);
	assert_true(bus_encode(&x->frames, &e));
}

static void
page(struct fixture *x, const char *epoch, uint64_t top, bool more)
{
	static struct bus_envelope e;
	uint32_t ref = x->e.ref;
	struct bus_page *p = bus_page(&e, BUS_STORE_OK);

	e.flags = more ? BUS_MORE : 0;
	e.ref = ref;
	p->epoch = slice_str(epoch);
	p->top = top;
	p->first = top > 0;
	p->frames = buf_unread(&x->frames);
	says(x, &e);
	buf_reset(&x->frames);
}

static void
kept(struct fixture *x, enum bus_store result, const char *epoch,
    uint64_t place)
{
	static struct bus_envelope e;
	uint32_t ref = x->e.ref;
	struct bus_kept *k = bus_kept(&e, result);

	e.ref = ref;
	k->epoch = slice_str(epoch);
	k->kept = place;
	says(x, &e);
}

/* To who is here, as another host's. */
static void
comes(struct fixture *x, const char *epoch, uint64_t place,
    struct slice message)
{
	static struct bus_envelope e;

	entry(&e, epoch, place, &message, slice_of(NULL, 0));
	says(x, &e);
}

/* With nothing in the log. */
static struct fake_conn *
edits(struct fixture *x)
{
	struct fake_conn *c = opens(x);

	asks(x, BUS_HISTORY);
	page(x, "", 0, false);
	sends(x, c, STEP1(1, 0));
	hears(c, BYTES(0, 1, 2, 0, 0));
	return (c);
}

/* --- opening --------------------------------------------------------------- */

static void
the_log_comes_before_the_steps(void **state)
{
	struct fixture *x = *state;
	struct yjs_note note = { SLICE("e1"), 0, BYTES(1, 5, 7) };
	struct fake_conn *c = opens(x);
	struct buf b;

	asks(x, BUS_HISTORY);
	assert_int_equal(x->e.history.from, BUS_HISTORY_FIRST);
	assert_slice(x->e.history.room, "d:a/b");
	sends(x, c, STEP1(3, 1, 5, 9));
	hears_nothing(c);
	buf_init(&b);
	yjs_note_put(&b, &note);
	adds(x, "e1", 1, BYTES(0, 2, 1, 'a'), slice_of(NULL, 0));
	page(x, "e1", 2, true);
	hears(c, BYTES(0, 2, 1, 'a'));
	hears_nothing(c);
	asks(x, BUS_HISTORY);
	assert_int_equal(x->e.history.since, 1);
	adds(x, "e1", 2, BYTES(0, 2, 1, 'b'), buf_unread(&b));
	page(x, "e1", 2, false);
	hears(c, BYTES(0, 2, 1, 'b'));
	hears(c, BYTES(0, 1, 2, 0, 0));
	hears(c, STEP1(3, 1, 5, 7));	/* what the log is known to have */
	comes(x, "e1", 3, BYTES(0, 2, 1, 'c'));
	hears(c, BYTES(0, 2, 1, 'c'));
	buf_fini(&b);
}

static void
what_is_known_of_another_epoch_is_nothing(void **state)
{
	struct fixture *x = *state;
	struct yjs_note note = { SLICE("e0"), 0, BYTES(1, 5, 7) };
	struct fake_conn *c = opens(x);
	struct buf b;

	buf_init(&b);
	yjs_note_put(&b, &note);
	asks(x, BUS_HISTORY);
	adds(x, "e1", 1, BYTES(0, 2, 1, 'a'), buf_unread(&b));
	page(x, "e1", 1, false);
	hears(c, BYTES(0, 2, 1, 'a'));
	sends(x, c, STEP1(3, 1, 5, 9));
	hears(c, BYTES(0, 1, 2, 0, 0));
	hears(c, STEP1(1, 0));
	buf_fini(&b);
}

static void
who_cannot_be_told_is_closed(void **state)
{
	static struct bus_envelope e;
	struct fixture *x = *state;
	struct fake_conn *c = opens(x);

	asks(x, BUS_HISTORY);
	(void)bus_page(&e, BUS_STORE_UNAVAILABLE);
	e.ref = x->e.ref;
	says(x, &e);
	assert_int_equal(c->closed, REASON_document_unavailable);
	c = opens(x);
	fake_advance(x->w, 2100);
	assert_int_equal(c->closed, REASON_document_unavailable);
}

/* --- the log goes on ----------------------------------------------------------- */

static void
who_has_what_the_log_lacks_comes_again(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = edits(x);

	comes(x, "e1", 1, BYTES(0, 2, 1, 'a'));
	hears(c, BYTES(0, 2, 1, 'a'));
	comes(x, "e1", 2, BYTES(0, 2, 1, 'b'));
	hears(c, BYTES(0, 2, 1, 'b'));
	/* from the start, in another one */
	comes(x, "e2", 1, BYTES(0, 2, 1, 'c'));
	assert_int_equal(c->closed, REASON_document_anew);
}

static void
what_cannot_be_kept_closes_who_has_it(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = edits(x), *o;

	sends(x, c, BYTES(0, 2, 1, 'a'));
	asks(x, BUS_KEEP);
	assert_int_equal(x->e.publish.to.nexcept, 1);
	kept(x, BUS_STORE_OK, "e1", 1);
	assert_int_equal(c->closed, -1);
	comes(x, "e1", 1, BYTES(0, 2, 1, 'a'));
	sends(x, c, BYTES(0, 2, 1, 'b'));
	asks(x, BUS_KEEP);
	kept(x, BUS_STORE_UNAVAILABLE, "", 0);
	assert_int_equal(c->closed, REASON_document_unavailable);
	o = opens(x);
	asks(x, BUS_HISTORY);
	adds(x, "e1", 1, BYTES(0, 2, 1, 'a'), slice_of(NULL, 0));
	page(x, "e1", 1, false);
	sends(x, o, BYTES(0, 2, 1, 'c'));
	asks(x, BUS_KEEP);
	kept(x, BUS_STORE_TOO_LARGE, "", 0);
	assert_int_equal(o->closed, REASON_document_full);
}

/* --- snapshots ----------------------------------------------------------------- */

static void
a_snapshot_is_kept_and_then_the_log_is_trimmed(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = edits(x);
	struct yjs_note note;
	uint64_t i;

	for (i = 1; i <= 12; i++) {
		comes(x, "e1", i, BYTES(0, 2, 1, 'a'));
		hears(c, BYTES(0, 2, 1, 'a'));
	}
	fake_advance(x->w, 200);
	hears(c, STEP1(1, 0));
	sends(x, c, BYTES(0, 1, 3, 'a', 'l', 'l'));
	asks(x, BUS_KEEP);
	assert_true(yjs_note_read(x->e.publish.attachments[1], &note));
	assert_int_equal(note.covers, 12);
	kept(x, BUS_STORE_OK, "e1", 13);
	fake_advance(x->w, 1000);
	assert_int_equal(buf_unread(&x->f->relay).n, 0);
	fake_advance(x->w, 5000);
	asks(x, BUS_TRIM);
	assert_slice(x->e.publish.epoch, "e1");
	assert_int_equal(x->e.publish.kept, 12);
}

static void
a_snapshot_of_another_worker_trims_here_too(void **state)
{
	static struct bus_envelope e;
	struct fixture *x = *state;
	struct yjs_note note = { SLICE("e1"), 2, BYTES(0) };
	struct slice all = BYTES(0, 2, 1, 'z');
	struct fake_conn *c = edits(x);
	struct buf b;

	comes(x, "e1", 1, BYTES(0, 2, 1, 'a'));
	comes(x, "e1", 2, BYTES(0, 2, 1, 'b'));
	buf_init(&b);
	yjs_note_put(&b, &note);
	entry(&e, "e1", 3, &all, buf_unread(&b));
	says(x, &e);
	hears(c, BYTES(0, 2, 1, 'a'));
	fake_gone(x->f, c);
	fake_advance(x->w, 6000);
	assert_int_equal(buf_unread(&x->f->relay).n, 0);
	fake_advance(x->w, 6000);
	asks(x, BUS_TRIM);
	assert_int_equal(x->e.publish.kept, 2);
	buf_fini(&b);
}

/* --- awareness ------------------------------------------------------------------- */

#define SHOWS(clock)	BYTES(1, 7, 1, 9, clock, 3, '"', 'x', '"')
#define GONE(clock)	BYTES(1, 8, 1, 9, clock, 4, 'n', 'u', 'l', 'l')

static void
who_is_not_heard_any_more_is_gone(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = edits(x), *o;
	uint64_t was = counter_get(COUNTER_yjs_expired);

	sends(x, c, SHOWS(1));
	hears(c, SHOWS(1));
	sends(x, c, SHOWS(1));		/* an echo */
	hears_nothing(c);
	fake_advance(x->w, 20000);
	sends(x, c, SHOWS(2));
	hears(c, SHOWS(2));
	o = opens(x);
	asks(x, BUS_HISTORY);
	page(x, "", 0, false);
	hears(o, SHOWS(2));
	buf_reset(&o->got);
	buf_reset(&c->got);
	fake_advance(x->w, 20000);
	assert_int_equal(counter_get(COUNTER_yjs_expired) - was, 0);
	buf_reset(&o->got);
	fake_advance(x->w, 20000);
	assert_int_equal(counter_get(COUNTER_yjs_expired) - was, 1);
}

static void
who_leaves_takes_his_state_along(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = edits(x), *o = opens(x);

	asks(x, BUS_HISTORY);
	page(x, "", 0, false);
	sends(x, c, SHOWS(1));
	hears(o, SHOWS(1));
	fake_gone(x->f, c);
	fake_turn(x->w);
	hears(o, GONE(1));
	/* back, with the clock that he had */
	c = opens(x);
	asks(x, BUS_HISTORY);
	page(x, "", 0, false);
	sends(x, c, SHOWS(1));
	hears(o, SHOWS(1));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define DOCS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		DOCS_TEST(the_log_comes_before_the_steps),
		DOCS_TEST(what_is_known_of_another_epoch_is_nothing),
		DOCS_TEST(who_cannot_be_told_is_closed),
		DOCS_TEST(who_has_what_the_log_lacks_comes_again),
		DOCS_TEST(what_cannot_be_kept_closes_who_has_it),
		DOCS_TEST(a_snapshot_is_kept_and_then_the_log_is_trimmed),
		DOCS_TEST(a_snapshot_of_another_worker_trims_here_too),
		DOCS_TEST(who_is_not_heard_any_more_is_gone),
		DOCS_TEST(who_leaves_takes_his_state_along),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
