/* Answers to servers of Socket.IO: what stands around them, what is too much,
 * and a Redis that takes nothing. */
#include "relay/bridge/members.h"

#include "base/slotset.h"
#include "relay/bridge/questions.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

static struct questions *q;
static struct members *m;
static struct mono now;
static uint32_t ref;
static bool down;
static struct buf told;		/* channel and payload, a line each */
static struct bus_envelope asked;

/* --- instead of Redis -----------------------------------------------------*/

static bool
published(const char *how, struct slice channel, struct slice payload)
{
	if (down)
		return (false);
	buf_str(&told, how);
	buf_slice(&told, channel);
	buf_byte(&told, ' ');
	buf_slice(&told, payload);
	buf_byte(&told, '\n');
	return (true);
}

bool
redis_publish_classic(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	assert_true(r == NULL && cb == NULL && arg == NULL);
	return (published("", channel, payload));
}

bool
redis_spublish_raw(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	assert_true(r == NULL && cb == NULL && arg == NULL);
	return (published("s:", channel, payload));
}

/* --- instead of workers ---------------------------------------------------*/

static struct mono
the_time(void *arg)
{
	(void)arg;
	return (now);
}

static bool
on_send(void *arg, uint64_t slots[2], uint32_t r, struct bus_envelope *e)
{
	(void)arg;
	(void)slots;
	ref = r;
	asked.flags = e->flags;
	if (e->kind == BUS_PUBLISH)
		asked.publish.timeout_ms = e->publish.timeout_ms;
	return (true);
}

static void
answer(uint16_t flags, uint32_t n, struct slice elements)
{
	struct bus_envelope e;
	struct buf b;

	buf_init(&b);
	bus_answers(&e)->asked = n;
	e.answers.elements = elements;
	e.flags = flags | BUS_RELAY;
	slotset_clear(e.slots);
	e.from = e.generation = 1;
	e.ref = ref;
	assert_true(bus_encode(&b, &e));
	questions_answer(q, buf_unread(&b));
	buf_fini(&b);
}

/* --- frame ----------------------------------------------------------------*/

static const struct members_asker who = {
	.channel = { (const uint8_t *)"ch", 2 },
	.list = { { (const uint8_t *)"{\"l\":[", 6 },
	    { (const uint8_t *)"]}", 2 } },
	.count = { { (const uint8_t *)"{\"n\":", 5 },
	    { (const uint8_t *)"}", 1 } },
	.ack = { { (const uint8_t *)"{\"a\":", 5 },
	    { (const uint8_t *)"}", 1 } },
};
static const uint64_t one[2] = { 1, 0 };

static int
set_up(void **state)
{
	struct questions_params p = { .now = the_time, .send = on_send };

	(void)state;
	now.us = 1000000;
	down = false;
	buf_init(&told);
	q = questions_new(&p);
	m = members_new(&(struct members_params){ .questions = q });
	assert_true(q != NULL && m != NULL);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	members_free(&m);
	questions_free(&q);
	buf_fini(&told);
	return (0);
}

static void
list(const struct members_asker *w)
{
	struct bus_envelope e;

	(void)bus_members(&e, BUS_MEMBERS_SIDS);
	members_list(m, w, &e, one);
}

static void
ask(uint64_t wait_ms)
{
	struct bus_envelope e;

	(void)bus_publish(&e);
	members_ask(m, &who, &e, one, wait_ms);
}

#define assert_told(want) assert_slices(buf_unread(&told), slice_str(want))

/* --- tests ----------------------------------------------------------------*/

static void
pieces_become_one_list(void **state)
{
	struct members_asker sharded = who;

	(void)state;
	list(&who);
	answer(BUS_MORE, 2, SLICE("1,2"));
	answer(BUS_MORE, 0, SLICE(""));
	assert_told("");
	answer(0, 1, SLICE("3"));
	assert_told("ch {\"l\":[1,2,3]}\n");
	buf_reset(&told);
	sharded.sharded = true;
	list(&sharded);
	answer(0, 0, SLICE(""));
	assert_told("s:ch {\"l\":[]}\n");
}

static void
what_is_too_much_is_left_out_and_counted(void **state)
{
	uint64_t partly = counter_get(COUNTER_member_answers_partly);
	size_t n = 3u << 20;
	uint8_t *big = malloc(n);

	(void)state;
	assert_non_null(big);
	memset(big, '7', n);
	list(&who);
	answer(BUS_MORE, 1, slice_of(big, n));
	answer(BUS_MORE, 1, slice_of(big, n));
	answer(BUS_MORE, 1, slice_of(big, n));
	answer(0, 1, SLICE("8"));
	assert_int_equal(told.wpos, 2 * n + 1 + strlen("ch {\"l\":[,8]}\n"));
	assert_int_equal(counter_get(COUNTER_member_answers_partly),
	    partly + 1);
	free(big);
}

static void
who_is_asked_is_counted_and_the_first_argument_is_told(void **state)
{
	(void)state;
	ask(700);
	assert_int_equal(asked.flags, BUS_WANT_ANSWERS);
	assert_int_equal(asked.publish.timeout_ms, 700);
	answer(BUS_MORE, 3, SLICE(""));
	assert_told("ch {\"n\":3}\n");
	buf_reset(&told);
	answer(BUS_MORE, 0, SLICE("{\"sid\":\"a\",\"user\":null,\"args\":[]},"
	    "{\"sid\":\"b\",\"user\":null,\"args\":[{\"x\":1},2]}"));
	assert_told("ch {\"a\":null}\nch {\"a\":{\"x\":1}}\n");
	buf_reset(&told);
	/* binary is MessagePack */
	answer(0, 0, SLICE("{\"sid\":\"c\",\"args\":[{\"_placeholder\":true,"
	    "\"num\":0}],\"attachments\":[\"AQI=\"]}"));
	assert_told("ch \x81\xa1" "a\xc4\x02\x01\x02\n");
	ask(0);
	assert_int_equal(asked.publish.timeout_ms, MEMBERS_ACK_MS);
	ask(UINT64_MAX);
	assert_int_equal(asked.publish.timeout_ms, MEMBERS_ACK_MS);
}

static void
answers_that_find_no_way_are_counted(void **state)
{
	uint64_t sent = counter_get(COUNTER_member_answers),
	    lost = counter_get(COUNTER_member_answers_lost);

	(void)state;
	members_say(m, &who, SLICE("{}"));
	assert_told("ch {}\n");
	assert_int_equal(counter_get(COUNTER_member_answers), sent + 1);
	down = true;
	members_say(m, &who, SLICE("{}"));
	list(&who);
	answer(0, 0, SLICE(""));
	assert_int_equal(counter_get(COUNTER_member_answers_lost), lost + 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(pieces_become_one_list),
		T(what_is_too_much_is_left_out_and_counted),
		T(who_is_asked_is_counted_and_the_first_argument_is_told),
		T(answers_that_find_no_way_are_counted),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
