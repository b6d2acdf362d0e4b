/*
 * Notifications between the workers and who keeps them: questions are answered, and
 * whoever has the user is told of what changes, or told that it was not.
 */
#include "relay/box/boxes.h"

#include <unistd.h>

#include "base/slotset.h"
#include "proto/bus.h"
#include "proto/bus_box.h"
#include "relay/local/feed.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/slots.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/slot_peer.h"

#define LIMIT	4096u

static struct conf *conf;
static struct loop *loop;
static struct exchange x;
static struct segment *segment;
static struct boxes *b;
static struct buf said, body;
static struct interest *interest[3];	/* of slots 1 and 2 */
static struct peer *peers[3];
static int far_end[3];
static uint64_t counted[COUNTER__MAX];	/* at the start of the test */

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

static void
connect_slot(unsigned slot)
{
	peers[slot] = slot_peer_new(loop, &x, slot, LIMIT, &far_end[slot]);
}

static int
set_up(void **state)
{
	struct segment_params sp = { .max_workers = 2, .presence_max = 64,
		.interest_max = 64, .rate_ways = 8, .max_ns = 4 };
	struct boxes_params p = { .exchange = &x };
	unsigned i;

	(void)state;
	conf = conf_text("jwt { secret = \"${SECRET}\" }\n"
	    "namespace \"/n\" { auth = required  inbox = true\n"
	    " inbox_items = 5  inbox_bytes = 4KB }\n"
	    "namespace \"/off\" { auth = required }\n");
	buf_init(&said);
	buf_init(&body);
	loop = loop_new();
	exchange_init(&x, conf);
	x.now_ms = 1700000000000;
	segment = segment_create(&sp);
	assert_non_null(segment);
	for (i = 0; i <= 2; i++) {
		atomic_store(&segment_slot(segment, i)->state, SLOT_ASSIGNED);
		slot_live(segment, i, 1);
		if (i == 0)
			continue;
		interest[i] = interest_open(segment, i);
		assert_non_null(interest[i]);
		connect_slot(i);
	}
	p.conf = conf;
	p.segment = segment;
	b = boxes_new(&p);
	assert_non_null(b);
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	boxes_free(&b);
	buf_fini(&said);
	buf_fini(&body);
	for (i = 1; i <= 2; i++) {
		interest_close(&interest[i]);
		exchange_remove(&x, peers[i]);
		peer_free(&peers[i]);
		(void)close(far_end[i]);
	}
	exchange_fini(&x);
	segment_free(&segment);
	loop_free(&loop);
	conf_free(&conf);
	return (0);
}

/* --- workers ------------------------------------------------------------------- */

static void
has(unsigned slot, const char *user)
{
	char key[INTEREST_KEY_MAX];

	interest_join(interest[slot], 0, interest_key(key, INTEREST_USER,
	    slice_str(user)));
}

static void
ask_in(const char *nsp, unsigned from, const char *user, uint64_t op)
{
	struct bus_envelope e;
	struct bus_box *q = bus_box(&e, op);

	slotset_clear(e.slots);
	e.flags = BUS_RELAY;
	e.from = e.generation = (uint16_t)from;
	e.ref = 9;
	q->nsp = slice_str(nsp);
	q->user = slice_str(user);
	q->body = buf_unread(&body);
	buf_reset(&said);
	assert_true(bus_encode(&said, &e));
	assert_int_equal(exchange_feed(&x, buf_unread(&said)), said.wpos);
}

static void
ask(unsigned from, const char *user, uint64_t op)
{
	ask_in("/n", from, user, op);
}

static void
create(unsigned from, const char *user, const char *id, size_t n,
    uint64_t expires_ms)
{
	static char json[8192];
	const struct box_item i = { .id = slice_str(id), .rank = BOX_NORMAL,
		.ts_ms = 1, .expires_ms = expires_ms,
		.json = slice_of(json, n) };

	memset(json, ' ', sizeof json);
	memcpy(json, "\"id\":1", 6);
	buf_reset(&body);
	box_put_item(&body, &i);
	ask(from, user, BOX_CREATE);
	buf_reset(&body);
}

static void
next(unsigned slot, struct bus_envelope *e)
{
	static uint8_t copy[LIMIT];
	struct buf *out = &peers[slot]->out;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n = bus_frame(buf_unread(out), slots, &flags);

	assert_true(n > 0);
	memcpy(copy, buf_unread(out).p, (size_t)n);
	buf_consume(out, (size_t)n);
	assert_int_equal(bus_decode(slice_of(copy, (size_t)n), e), n);
}

#define assert_nothing(slot) \
	assert_int_equal(buf_unread(&peers[slot]->out).n, 0)

/* An answer; NULL: there is none. */
static void
answered(unsigned slot, enum bus_store result, struct box_reply *r)
{
	static struct bus_envelope e;

	next(slot, &e);
	assert_int_equal(e.kind, BUS_BOXED);
	assert_int_equal(e.ref, 9);
	assert_int_equal(e.box.what, result);
	if (r != NULL)
		assert_true(box_get_reply(e.box.body, r));
	else
		assert_int_equal(e.box.body.n, 0);
}

static void
told(unsigned slot, const char *event, const char *args)
{
	struct bus_envelope e;

	next(slot, &e);
	assert_int_equal(e.kind, BUS_PUBLISH);
	assert_text(e.publish.event, event);
	assert_slice(e.publish.nsp, "/n");
	assert_int_equal(e.publish.to.nusers, 1);
	assert_int_equal(e.flags & BUS_NAMED, strstr(event, ":new") != NULL ?
	    0 : BUS_NAMED);
	if (args != NULL)
		assert_true(slice_starts(e.publish.args, slice_str(args)));
}

static void
turn(void)
{
	boxes_redis(b, NULL, "", false, true);
}

/* --- tests --------------------------------------------------------------------- */

static void
who_has_the_user_is_told_and_who_asks_is_answered(void **state)
{
	struct box_reply r;

	(void)state;
	has(2, "ann");
	create(1, "ann", "a", 6, 0);
	answered(1, BUS_STORE_OK, &r);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.did, BOX_MADE | BOX_COUNTED);
	assert_nothing(1);
	told(2, "\"notification:new\"", "{\"id\":1,\"read\":false}");
	told(2, "\"notification:unread_count\"", "{\"count\":1,\"version\":");
	assert_nothing(2);
	/* nobody has that one */
	create(1, "bob", "a", 6, 0);
	answered(1, BUS_STORE_OK, &r);
	assert_nothing(2);
	ask(2, "ann", BOX_COUNT);
	answered(2, BUS_STORE_OK, &r);
	assert_int_equal(r.count, 1);
	assert_counted(notices_created, 2);
	assert_counted(notices_refused, 0);
}

static void
what_is_due_soon_is_said(void **state)
{
	struct bus_envelope e;
	uint64_t due;

	(void)state;
	has(2, "ann");
	create(1, "ann", "a", 6, x.now_ms + 5000);
	told(2, "\"notification:new\"", NULL);
	told(2, "\"notification:unread_count\"", NULL);
	next(2, &e);
	assert_int_equal(e.kind, BUS_BOX);
	assert_int_equal(e.box.what, BOX_DUE);
	assert_slice(e.box.user, "ann");
	assert_true(box_get_due(e.box.body, &due));
	assert_int_equal(due, x.now_ms + 5000);
}

static void
who_was_not_told_is_told_so_when_it_can_be(void **state)
{
	struct bus_envelope e;
	unsigned i;
	char id[8];

	(void)state;
	has(2, "ann");
	for (i = 0; i < 40; i++) {
		(void)snprintf(id, sizeof id, "i%u", i);
		create(1, "ann", id, 1000, 0);
		buf_consume(&peers[1]->out, buf_unread(&peers[1]->out).n);
	}
	/* it reads nothing, and there is no room for more */
	turn();
	assert_counted(notices_stale, 0);
	buf_consume(&peers[2]->out, buf_unread(&peers[2]->out).n);
	turn();
	next(2, &e);
	assert_int_equal(e.kind, BUS_BOX);
	assert_int_equal(e.box.what, BOX_STALE);
	assert_nothing(1);
	assert_counted(notices_stale, 1);
	turn();
	assert_nothing(2);
}

static void
what_makes_no_sense_is_refused(void **state)
{
	uint64_t op;

	(void)state;
	buf_str(&body, "?");
	for (op = 0; op < 12; op++) {
		ask(1, "ann", op);
		answered(1, BUS_STORE_UNAVAILABLE, NULL);
	}
	buf_reset(&body);
	ask_in("/none", 1, "ann", BOX_COUNT);
	answered(1, BUS_STORE_UNAVAILABLE, NULL);
	ask_in("/off", 1, "ann", BOX_COUNT);
	answered(1, BUS_STORE_UNAVAILABLE, NULL);
	ask(1, "", BOX_COUNT);
	answered(1, BUS_STORE_UNAVAILABLE, NULL);
	create(1, "ann", "a", 2049, 0);
	answered(1, BUS_STORE_TOO_LARGE, NULL);
	assert_counted(notices_refused, 16);
	assert_nothing(1);
}

static void
another_relay_goes_on(void **state)
{
	struct boxes_params p = { .conf = conf, .exchange = &x,
		.segment = segment };
	struct buf saved;
	struct slice rest;
	struct box_reply r;

	(void)state;
	create(1, "ann", "a", 6, 0);
	answered(1, BUS_STORE_OK, &r);
	buf_init(&saved);
	boxes_save(b, &saved);
	buf_str(&saved, "rest");
	boxes_free(&b);
	b = boxes_new(&p);
	assert_true(boxes_load(b, buf_unread(&saved), &rest));
	assert_slice(rest, "rest");
	ask(1, "ann", BOX_COUNT);
	answered(1, BUS_STORE_OK, &r);
	assert_int_equal(r.count, 1);
	/* what another version has kept, without any */
	assert_true(boxes_load(b, SLICE("rest"), &rest));
	assert_slice(rest, "rest");
	assert_true(boxes_load(b, SLICE(""), &rest));
	buf_fini(&saved);
	assert_true(boxes_is_settled(b));
	assert_false(boxes_busy(b));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_has_the_user_is_told_and_who_asks_is_answered),
		TEST(what_is_due_soon_is_said),
		TEST(who_was_not_told_is_told_so_when_it_can_be),
		TEST(what_makes_no_sense_is_refused),
		TEST(another_relay_goes_on),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
