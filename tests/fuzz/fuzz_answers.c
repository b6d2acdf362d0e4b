/*
 * Any bytes as what another host answers to an inquiry (hosts_inquiries.h): as a
 * message, behind the head of one, and as the elements of a good one.  What goes
 * on to the worker can stand in an array; all that is open ends once.
 */
#include "relay/bridge/hosts_inquiries.h"

#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/home.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/questions.h"
#include "relay/bridge/seal.h"
#include "relay/redis/redis.h"

#define OPEN	3u

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static subscriptions_cb *hear;
static void *hear_arg;
static struct mono now;
static unsigned nlast[OPEN + 1];	/* by ref */

/* --- instead of Redis and the rest of a relay ----------------------------- */

bool
redis_subscribe_for_all(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	(void)r;
	(void)channel;
	hear = cb;
	hear_arg = arg;
	return (true);
}

bool
redis_publish_for_all(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	(void)r;
	(void)channel;
	(void)payload;
	(void)cb;
	(void)arg;
	return (true);
}

bool
redis_can_publish(const struct redis *r)
{
	return (r == NULL);
}

static struct mono
fake_now(void *arg)
{
	(void)arg;
	return (now);
}

static bool
fake_send(void *arg, uint64_t slots[2], uint32_t ref, struct bus_envelope *e)
{
	(void)arg;
	(void)ref;
	(void)e;
	slotset_clear(slots);
	return (false);
}

static void
fake_trouble(void *arg, enum home_trouble what, struct slice words)
{
	(void)arg;
	MUST(what == HOME_BAD && words.n > 0);
}

static unsigned
fake_others(void *arg)
{
	(void)arg;
	return (0);
}

static void
fake_answer(void *arg, unsigned slot, uint32_t ref, struct bus_envelope *e)
{
	struct slice v;
	struct buf b;

	(void)arg;
	MUST(slot == 1 && ref >= 1 && ref <= OPEN && e->kind == BUS_ANSWERS);
	MUST(nlast[ref] == 0);
	nlast[ref] += (e->flags & BUS_MORE) == 0;
	buf_init(&b);
	buf_byte(&b, '[');
	buf_slice(&b, e->answers.elements);
	buf_byte(&b, ']');
	MUST(json_value(buf_unread(&b), &v) == (ssize_t)b.wpos &&
	    json_type(v) == JSON_ARRAY);
	buf_fini(&b);
}

/* --- inquiries ------------------------------------------------------------- */

static uint32_t
open_one(struct inquiries *q, unsigned ref)
{
	struct bus_envelope e;
	uint32_t number;

	if (ref == 1)
		(void)bus_members(&e, BUS_MEMBERS_PAGE_ROOMS);
	else if (ref == 2) {
		bus_publish(&e)->timeout_ms = 1000;
		e.flags |= BUS_WANT_ANSWERS;
	} else {
		(void)bus_rooms(&e);
		e.flags |= BUS_WANT_COUNT;
	}
	slotset_clear(e.slots);
	e.from = 1;
	e.generation = 1;
	e.ref = ref;
	MUST(inquiries_is_one(&e));
	number = inquiries_open(q, &e);
	MUST(number != 0);
	return (number);
}

static void
say(const void *head, size_t n, struct slice rest)
{
	struct buf b;

	buf_init(&b);
	buf_append(&b, head, n);
	buf_slice(&b, rest);
	hear(hear_arg, SLICE("p:answers:1"), buf_unread(&b));
	buf_fini(&b);
}

static void
say_elements(uint32_t number, struct slice elements, uint16_t flags)
{
	struct bus_envelope e;
	struct buf b;

	bus_answers(&e)->elements = elements;
	e.answers.asked = 1;
	e.flags = flags;
	slotset_clear(e.slots);
	e.from = e.generation = 0;
	e.ref = number;
	buf_init(&b);
	MUST(bus_encode(&b, &e));
	say("ROOSTA1\0nodenode", 16, buf_unread(&b));
	buf_fini(&b);
}

/* The last four bytes of a header are the number: chance does not find it. */
static void
say_to(uint32_t number, struct slice in)
{
	struct bus_envelope e;
	struct buf b;

	buf_init(&b);
	if (bus_decode(in, &e) > 0) {
		e.ref = number;
		MUST(bus_encode(&b, &e));
		say("ROOSTA1\0nodenode", 16, buf_unread(&b));
	}
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf conf;
	static char prefix[] = "p:";
	static struct seal *seal;
	static struct ledger ledger;
	struct home home = { .conf = &conf, .node_id = 1, .generation = 1,
		.ledger = &ledger, .now = fake_now, .trouble = fake_trouble };
	const struct questions_params qp = { .now = fake_now,
		.send = fake_send };
	struct inquiries_params p = { .home = &home, .others = fake_others,
		.answer = fake_answer };
	struct slice in = slice_of(data, n);
	struct inquiries *q;
	uint32_t number[OPEN + 1];
	unsigned i;

	if (seal == NULL) {
		conf.redis.prefix = prefix;
		seal = seal_new("");
		MUST(seal != NULL);
	}
	p.seal = seal;
	p.questions = questions_new(&qp);
	q = inquiries_new(&p);
	MUST(p.questions != NULL && q != NULL);
	for (i = 1; i <= OPEN; i++) {
		nlast[i] = 0;
		number[i] = open_one(q, i);
	}
	say("", 0, in);
	say("ROOSTA1\0nodenode", 16, in);
	for (i = 1; i <= OPEN; i++) {
		say_to(number[i], in);
		say_elements(number[i], in, BUS_MORE);
		say_elements(number[i], in, i == 1 ? BUS_TRUNCATED : 0);
		inquiries_heard(q, number[i], 2, false);
	}
	now.us += UINT64_C(3600) * 1000000;
	inquiries_tick(q);
	for (i = 1; i <= OPEN; i++)
		MUST(nlast[i] == 1);
	MUST(inquiries_due_us(q) == UINT64_MAX);
	inquiries_free(&q);
	questions_free(&p.questions);
	return (0);
}
