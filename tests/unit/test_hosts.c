/* Two hosts and a Redis between them: what is said, heard once, and what is
 * nobody's, a recording or too late. */
#include "relay/bridge/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/bus.h"
#include "base/slotset.h"
#include "relay/bridge/home.h"
#include "relay/bridge/hosts_inquiries.h"
#include "relay/bridge/questions.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/seal.h"
#include "relay/bridge/seen.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/once.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "shm/table_relay.h"
#include "tests/lib/conf_text.h"

#define KEYS	8

#define CONF	"redis { url = 'redis://h' }\n"				\
	"namespace '/n' { auth = none }\nnamespace '/m:r' { auth = none }\n"
static struct conf *conf;
static char file[] = "/tmp/test_hosts.XXXXXX", none[] = "";
static struct segment *seg;
static struct interest *worker;		/* slot 1, of either host */

struct redis {			/* one's connection */
	unsigned	 id;
};
static struct side {
	struct redis	 redis;
	struct ledger	 ledger;
	struct home	 home;
	struct seal	*seal;
	struct questions *questions;
	struct inquiries *inquiries;
	struct hosts	*hosts;
	enum bus_kind	 asked;		/* the workers, last */
	struct buf	 channels[KEYS];	/* listened to */
	size_t		 n;
	subscriptions_cb *cbs[KEYS];
	void		*args[KEYS];
	unsigned	 delivered, gaps, troubles;
	struct buf	 event;		/* of the last */
	enum home_trouble trouble;
} sides[2];
static struct buf recorded, where;	/* the last that was published */
static unsigned npublished;
static enum { TAKEN, REFUSED, LOST } fate;
static char answered[256];
static bool silent;		/* the workers */
static struct mono now;
static unsigned nothers;	/* hosts that are known */

/* --- instead of Redis -----------------------------------------------------*/

static void
give(struct side *s, struct slice channel, struct slice payload)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (slice_eq(buf_unread(&s->channels[i]), channel))
			s->cbs[i](s->args[i], channel, payload);
}

/* How many listen. */
static int64_t
hearers(struct slice channel)
{
	int64_t n = 0;
	size_t i, k;

	for (i = 0; i < 2; i++)
		for (k = 0; k < sides[i].n; k++)
			n += slice_eq(buf_unread(&sides[i].channels[k]),
			    channel);
	return (n);
}

bool
redis_publish(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	static struct reply yes = { .type = REPLY_INTEGER },
	    no = { .type = REPLY_ERROR };
	struct buf copy;

	assert_true(r->id < 2);
	npublished++;
	buf_reset(&recorded);
	buf_slice(&recorded, payload);
	buf_reset(&where);
	buf_slice(&where, channel);
	buf_init(&copy);
	buf_slice(&copy, payload);
	if (fate == TAKEN) {
		give(&sides[0], channel, buf_unread(&copy));
		give(&sides[1], channel, buf_unread(&copy));
	}
	buf_fini(&copy);
	yes.integer = hearers(channel);
	if (cb != NULL)
		cb(arg, fate == TAKEN ? &yes : fate == REFUSED ? &no : NULL);
	return (true);
}

bool
redis_subscribe(struct redis *r, struct slice channel, subscriptions_cb *cb,
    void *arg)
{
	struct side *s = &sides[r->id];

	assert_true(s->n < KEYS);
	buf_reset(&s->channels[s->n]);
	buf_slice(&s->channels[s->n], channel);
	s->cbs[s->n] = cb;
	s->args[s->n++] = arg;
	return (true);
}

bool
redis_publish_for_all(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	return (redis_publish(r, channel, payload, cb, arg));
}

bool
redis_subscribe_for_all(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	return (redis_subscribe(r, channel, cb, arg));
}

void
redis_unsubscribe(struct redis *r, struct slice channel)
{
	(void)r;
	(void)channel;
	fail();
}


bool
redis_can_publish(const struct redis *r)
{
	assert_true(r->id < 2);
	return (true);
}

/* --- instead of the rest of a relay ---------------------------------------*/

static struct mono
the_time(void *arg)
{
	(void)arg;
	return (now);
}

static uint64_t
the_date(void *arg)
{
	(void)arg;
	return (1000000);
}

static void
to_workers(void *arg, const uint64_t slots[2], struct bus_envelope *e)
{
	struct side *s = arg;

	assert_true(slots[0] == 1 && slots[1] == 0);
	buf_reset(&s->event);
	if (e->kind == BUS_PUBLISH)
		buf_slice(&s->event, e->publish.event);
	s->delivered++;
}

static void
on_trouble(void *arg, enum home_trouble what, struct slice words)
{
	struct side *s = arg;

	assert_true(words.n > 0);
	s->trouble = what;
	s->troubles++;
}

static void
on_gap(void *arg, struct slice nsp, const struct bus_audience *to)
{
	struct side *s = arg;

	assert_slice(nsp, "/n");
	assert_int_equal(to->nrooms, 1);
	s->gaps++;
}

static void
on_refused(void *arg, struct slice nsp, struct slice name,
    const struct reply *o)
{
	(void)arg;
	(void)name;
	assert_true(nsp.n > 0 && o != NULL);
}

static unsigned
the_others(void *arg)
{
	(void)arg;
	return (nothers);
}

/* Of an inquiry, to the worker that has asked. */
static void
on_answer(void *arg, unsigned slot, uint32_t ref, struct bus_envelope *e)
{
	size_t at = strlen(answered);

	(void)arg;
	assert_int_equal(e->kind, BUS_ANSWERS);
	(void)snprintf(answered + at, sizeof answered - at, "%u:%u:%u/%u:%.*s%s%s ",
	    slot, (unsigned)ref, (unsigned)e->answers.answered,
	    (unsigned)e->answers.asked, (int)e->answers.elements.n,
	    (const char *)e->answers.elements.p,
	    e->flags & BUS_MORE ? "+" : "",
	    e->flags & BUS_TRUNCATED ? "!" : "");
}

/* Workers are asked: they answer at once, or (silent) never. */
static bool
on_ask(void *arg, uint64_t slots[2], uint32_t ref, struct bus_envelope *e)
{
	static struct bus_envelope a;
	struct side *s = arg;
	struct buf b;

	assert_true(slots[0] == 1 && slots[1] == 0);
	s->delivered++;
	s->asked = e->kind;
	if (silent)
		return (true);
	buf_init(&b);
	bus_answers(&a)->asked = 2;
	a.answers.answered = 1;
	a.answers.elements = SLICE("{\"sid\":1}");
	a.flags = BUS_RELAY;
	slotset_clear(a.slots);
	a.from = 1;
	a.ref = ref;
	assert_true(bus_encode(&b, &a));
	questions_answer(s->questions, buf_unread(&b));
	buf_fini(&b);
	return (true);
}

/* --- around each test -----------------------------------------------------*/

static void
open_side(unsigned i, const char *secret)
{
	struct side *s = &sides[i];
	struct hosts_params p = { .home = &s->home, .arg = s,
		.now_ms = the_date, .refused = on_refused,
		.gap = on_gap };
	struct questions_params q = { .arg = s, .now = the_time,
		.send = on_ask };
	struct inquiries_params inq = { .home = &s->home, .arg = s,
		.others = the_others, .answer = on_answer };
	FILE *f;
	size_t k;

	memset(s, 0, sizeof *s);
	buf_init(&s->event);
	for (k = 0; k < KEYS; k++)
		buf_init(&s->channels[k]);
	s->redis.id = i;
	s->seal = seal_new(secret == NULL ? none : file);
	assert_non_null(s->seal);
	if (secret != NULL) {
		f = fopen(file, "w");
		assert_non_null(f);
		assert_true(fputs(secret, f) >= 0 && fclose(f) == 0);
	}
	assert_null(seal_read(s->seal));
	s->home = (struct home){ .conf = conf, .segment = seg,
		.redis = &s->redis, .node_id = 100 + i, .generation = 1,
		.ledger = &s->ledger, .arg = s, .now = the_time,
		.to_workers = to_workers, .trouble = on_trouble };
	assert_int_equal(ledger_init(&s->ledger, s->home.generation), 0);
	p.seal = inq.seal = s->seal;
	s->questions = inq.questions = questions_new(&q);
	assert_non_null(s->questions);
	s->inquiries = p.inquiries = inquiries_new(&inq);
	assert_non_null(s->inquiries);
	s->hosts = hosts_new(&p);
	assert_non_null(s->hosts);
}

static void
close_side(struct side *s)
{
	size_t i;

	hosts_free(&s->hosts);
	inquiries_free(&s->inquiries);
	questions_free(&s->questions);
	ledger_fini(&s->ledger);
	seal_free(&s->seal);
	for (i = 0; i < KEYS; i++)
		buf_fini(&s->channels[i]);
	buf_fini(&s->event);
}

static void
with_secrets(const char *a, const char *b)
{
	close_side(&sides[0]);
	close_side(&sides[1]);
	open_side(0, a);
	open_side(1, b);
}

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 4, .presence_max = 10,
		.interest_max = 100, .rate_ways = 8, .max_ns = 4,
		.once_ways = 64 };
	int fd = mkstemp(file);

	(void)state;
	conf = conf_text(CONF);
	if (fd == -1 || close(fd) == -1 || (seg = segment_create(&p)) == NULL)
		return (-1);
	atomic_store(&segment_slot(seg, 1)->state, SLOT_ASSIGNED);
	slot_live(seg, 1, 1);
	worker = interest_open(seg, 1);
	buf_init(&recorded);
	buf_init(&where);
	fate = TAKEN;
	npublished = 0;
	answered[0] = '\0';
	silent = false;
	now.us = 1000000;
	open_side(0, NULL);
	open_side(1, NULL);
	return (worker == NULL ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	close_side(&sides[0]);
	close_side(&sides[1]);
	interest_close(&worker);
	segment_free(&seg);
	conf_free(&conf);
	buf_fini(&recorded);
	buf_fini(&where);
	(void)unlink(file);
	memcpy(file + sizeof file - 7, "XXXXXX", 6);
	return (0);
}

/* A worker of this host has members of it from now on. */
static void
member(struct side *s, uint16_t ns, const char *key)
{
	struct table_event e = { .ns = ns, .key = slice_str(key),
		.whole = true, .is = ANN_L };

	(void)interest_join(worker, ns, slice_str(key));
	hosts_interest(s->hosts, &e);
}

static void
say(struct side *s, const char *room, const char *another)
{
	static struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);

	e.flags = BUS_FAR;
	p->nsp = SLICE("/n");
	p->event = SLICE("\"news\"");
	p->args = SLICE("1");
	p->to.rooms[p->to.nrooms++] = slice_str(room);
	if (another != NULL)
		p->to.rooms[p->to.nrooms++] = slice_str(another);
	hosts_publish(s->hosts, &e);
}

/* --- tests ----------------------------------------------------------------*/

static void
what_one_says_the_other_delivers_once(void **state)
{
	uint64_t copies = counter_get(COUNTER_far_copies);

	(void)state;
	member(&sides[1], 0, "rr");
	member(&sides[1], 0, "rq");
	member(&sides[0], 0, "rr");
	say(&sides[0], "r", NULL);
	assert_slice(buf_unread(&where), "roost:to:2:/n:rr");
	assert_int_equal(sides[1].delivered, 1);
	assert_slice(buf_unread(&sides[1].event), "\"news\"");
	assert_int_equal(sides[0].delivered, 0);	/* its own echo */
	say(&sides[1], "r", NULL);
	assert_int_equal(sides[0].delivered, 1);
	/* by two channels */
	say(&sides[0], "r", "q");
	assert_int_equal(npublished, 4);
	assert_int_equal(sides[1].delivered, 2);
	assert_int_equal(counter_get(COUNTER_far_copies), copies + 1);
	say(&sides[0], "nobody", NULL);
	assert_int_equal(sides[1].delivered, 2);
	assert_int_equal(sides[0].troubles + sides[1].troubles, 0);
}

static void
a_recording_is_not_taken_again(void **state)
{
	uint64_t copies = counter_get(COUNTER_far_copies);
	struct buf first;
	unsigned i;

	(void)state;
	with_secrets("0123456789abcdef", "0123456789abcdef");
	member(&sides[1], 0, "rr");
	say(&sides[0], "r", NULL);
	assert_int_equal(sides[1].delivered, 1);
	buf_init(&first);
	buf_slice(&first, buf_unread(&recorded));
	give(&sides[1], SLICE("roost:to:2:/n:rr"), buf_unread(&first));
	assert_int_equal(sides[1].delivered, 1);
	assert_int_equal(counter_get(COUNTER_far_copies), copies + 1);
	/* so old that nobody knows: told, as if it had been lost */
	for (i = 0; i < SEEN_WINDOW; i++)
		say(&sides[0], "r", NULL);
	give(&sides[1], SLICE("roost:to:2:/n:rr"), buf_unread(&first));
	assert_int_equal(sides[1].delivered, 1 + SEEN_WINDOW);
	assert_int_equal(sides[1].gaps, 1);
	buf_fini(&first);
}

static void
only_who_knows_the_secret_is_heard(void **state)
{
	uint64_t unsealed = counter_get(COUNTER_redis_unsealed);

	(void)state;
	with_secrets("0123456789abcdef", "fedcba9876543210");
	member(&sides[1], 0, "rr");
	say(&sides[0], "r", NULL);
	assert_int_equal(sides[1].delivered, 0);
	assert_int_equal(sides[1].troubles, 1);
	assert_int_equal(sides[1].trouble, HOME_UNSEALED);
	assert_int_equal(counter_get(COUNTER_redis_unsealed), unsealed + 1);
	/* one that has none, and one that is asked for none */
	with_secrets(NULL, "fedcba9876543210");
	member(&sides[0], 0, "rr");
	member(&sides[1], 0, "rr");
	say(&sides[0], "r", NULL);
	assert_int_equal(sides[1].trouble, HOME_UNSEALED);
	say(&sides[1], "r", NULL);
	assert_int_equal(sides[0].trouble, HOME_BAD);
	assert_int_equal(sides[0].delivered + sides[1].delivered, 0);
}

static void
what_comes_behind_the_next_connection_is_told(void **state)
{
	struct buf old;

	(void)state;
	member(&sides[1], 0, "rr");
	fate = LOST;			/* ... in Redis, for a while */
	say(&sides[0], "r", NULL);
	fate = TAKEN;
	buf_init(&old);
	buf_slice(&old, buf_unread(&recorded));
	say(&sides[0], "r", NULL);
	assert_int_equal(sides[1].delivered, 1);
	give(&sides[1], SLICE("roost:to:2:/n:rr"), buf_unread(&old));
	assert_int_equal(sides[1].delivered, 1);
	assert_int_equal(sides[1].gaps, 1);
	/* and its sender tells as well */
	hosts_tell_gaps(sides[0].hosts);
	assert_slice(buf_unread(&sides[1].event), "\"roost:gap\"");
	buf_fini(&old);
}

static void
order(struct side *s, const char *nsp, unsigned slot, uint32_t ref)
{
	static struct bus_envelope e;
	struct bus_disconnect *d = bus_disconnect(&e);

	d->nsp = slice_str(nsp);
	d->to.users[d->to.nusers++] = SLICE("ann");
	e.flags = BUS_FAR | BUS_WANT_COUNT;
	e.from = (uint16_t)slot;
	e.ref = ref;
	answered[0] = '\0';
	hosts_publish(s->hosts, &e);
}

static void
an_order_is_counted_on_all_hosts(void **state)
{
	uint64_t asks = counter_get(COUNTER_far_asks),
	    heard = counter_get(COUNTER_far_asks_heard);

	(void)state;
	member(&sides[1], 1, "uann");
	order(&sides[0], "", 3, 77);		/* in all namespaces */
	assert_int_equal(counter_get(COUNTER_far_asks), asks + 1);
	assert_int_equal(counter_get(COUNTER_far_asks_heard), heard + 1);
	assert_int_equal(sides[1].delivered, 1);
	assert_int_equal(sides[1].asked, BUS_DISCONNECT);
	assert_string_equal(answered, "3:77:0/0:{\"sid\":1}+ 3:77:1/2:+ "
	    "3:77:0/0: ");
	/* nobody is meant anywhere */
	order(&sides[1], "/n", 2, 5);
	assert_int_equal(sides[0].delivered, 0);
	assert_string_equal(answered, "2:5:0/0: ");
	assert_int_equal(counter_get(COUNTER_far_asks_open), 0);
}

static void
a_host_without_that_namespace_has_nothing_to_say(void **state)
{
	static struct bus_envelope e;
	uint64_t bad = counter_get(COUNTER_far_bad);
	struct bus_members *m = bus_members(&e, BUS_MEMBERS_PAGE_ROOMS);

	(void)state;
	member(&sides[1], 1, "n");
	order(&sides[0], "/elsewhere", 3, 7);
	assert_string_equal(answered, "3:7:0/0: ");
	assert_int_equal(counter_get(COUNTER_far_bad), bad);
	/* what cannot be asked is nobody's */
	m->nsp = SLICE("/m:r");
	m->limit = BUS_PAGE_MAX + 1;
	e.flags = BUS_FAR;
	answered[0] = '\0';
	hosts_publish(sides[0].hosts, &e);
	assert_string_equal(answered, "");
	assert_int_equal(counter_get(COUNTER_far_bad), bad + 1);
	assert_int_equal(sides[1].troubles, 1);
	assert_int_equal(sides[1].delivered, 0);
}

/* A frame of some kind, as another host says it. */
static void
hear(struct side *s, const char *channel, const struct bus_envelope *e)
{
	uint8_t head[32] = "ROOST1\0";
	struct buf b;

	head[8] = 200;		/* node */
	head[16] = 1;		/* epoch */
	buf_init(&b);
	buf_append(&b, head, sizeof head);
	assert_true(bus_encode(&b, e));
	give(s, slice_str(channel), buf_unread(&b));
	buf_fini(&b);
}

static void
other_kinds_of_frames_are_nobodys(void **state)
{
	static struct bus_envelope e;
	uint64_t bad = counter_get(COUNTER_far_bad);
	uint32_t ref;

	(void)state;
	member(&sides[1], 1, "n");
	for (ref = 0; ref < 2; ref++) {
		bus_count(&e, 7);
		slotset_clear(e.slots);
		e.from = 0;
		e.ref = ref;
		hear(&sides[1], "roost:asks", &e);
		bus_answers(&e)->elements = SLICE("[");
		slotset_clear(e.slots);
		e.from = 0;
		e.ref = ref;
		hear(&sides[1], "roost:asks", &e);
		/* a question that wants no answer, and the other way round */
		bus_rooms(&e)->nsp = SLICE("/m:r");
		slotset_clear(e.slots);
		e.from = 0;
		e.flags = ref == 0 ? BUS_WANT_COUNT : 0;
		e.ref = ref;
		hear(&sides[1], "roost:asks", &e);
	}
	assert_int_equal(counter_get(COUNTER_far_bad), bad + 6);
	assert_int_equal(sides[1].delivered, 0);
}

static void
what_redis_does_not_take_is_not_waited_for(void **state)
{
	unsigned i;

	(void)state;
	member(&sides[1], 1, "uann");
	for (i = 0; i < 2; i++) {
		fate = i == 0 ? REFUSED : LOST;
		order(&sides[0], "/m:r", 4, 78);
		assert_string_equal(answered, "4:78:0/0:! ");
	}
	assert_int_equal(sides[1].delivered, 0);
	assert_int_equal(counter_get(COUNTER_far_asks_open), 0);
}

static void
who_does_not_answer_in_time_is_missing(void **state)
{
	(void)state;
	member(&sides[1], 1, "uann");
	silent = true;
	order(&sides[0], "/m:r", 4, 78);
	assert_string_equal(answered, "");
	/* the host says what its workers have not */
	now.us = 1000000 + INQUIRIES_THERE_MS * 1000;
	questions_tick(sides[1].questions);
	assert_string_equal(answered, "4:78:0/0:! ");
	/* or says nothing itself */
	order(&sides[0], "/m:r", 4, 79);
	questions_forget(sides[1].questions);
	inquiries_forget(sides[1].inquiries);
	now.us += INQUIRIES_MS * 1000 - 1;
	inquiries_tick(sides[0].inquiries);
	assert_string_equal(answered, "");
	assert_true(inquiries_due_us(sides[0].inquiries) == now.us + 1);
	now.us++;
	inquiries_tick(sides[0].inquiries);
	assert_string_equal(answered, "4:79:0/0:! ");
}

/* A part of an answer of some host, to that inquiry of the first side. */
static void
hear_answer(uint32_t number, const char *elements, uint16_t flags)
{
	struct bus_envelope e;
	struct buf b;
	unsigned i;

	bus_answers(&e)->elements = slice_str(elements);
	e.flags = flags;
	slotset_clear(e.slots);
	e.from = e.generation = 0;
	e.ref = number;
	buf_init(&b);
	buf_append(&b, "ROOSTA1", 8);
	for (i = 0; i < 8; i++)
		buf_byte(&b, 9);
	assert_true(bus_encode(&b, &e));
	give(&sides[0], SLICE("roost:answers:0000000000000064"),
	    buf_unread(&b));
	buf_fini(&b);
}

static void
who_is_there_and_does_not_hear_it_is_missing(void **state)
{
	(void)state;
	member(&sides[1], 1, "uann");
	nothers = 1;
	order(&sides[0], "/m:r", 4, 78);
	assert_null(strchr(answered, '!'));
	answered[0] = '\0';
	nothers = 2;
	order(&sides[0], "/m:r", 4, 79);
	assert_non_null(strstr(answered, "4:79:0/0:! "));
	assert_int_equal(counter_get(COUNTER_far_asks_open), 0);
	nothers = 0;
}

static void
answers_that_make_no_sense_are_none(void **state)
{
	static const char *const bad[] = { "1", "{},", ",{}", "{}{}", "[]",
		"{\"a\":1", "{}],\"complete\":true,\"x\":[{}", "{} x",
		"\xff", "{\"\xff\":1}" };
	uint64_t n = counter_get(COUNTER_far_bad);
	struct bus_envelope e;
	uint32_t number;
	size_t i;

	(void)state;
	bus_rooms(&e)->nsp = SLICE("/m:r");
	slotset_clear(e.slots);
	e.flags = BUS_WANT_COUNT;
	e.from = 4;
	e.ref = 78;
	number = inquiries_open(sides[0].inquiries, &e);
	inquiries_heard(sides[0].inquiries, number, 2, false);
	for (i = 0; i < nitems(bad); i++)
		hear_answer(number, bad[i], 0);
	hear_answer(number, "{}", BUS_WANT_COUNT);
	hear_answer(number, "{\"a\":[1]},{}", BUS_MORE);
	/* a head with nothing behind it is not the one before */
	give(&sides[0], SLICE("roost:answers:0000000000000064"),
	    slice_of("ROOSTA1\0" "12345678", 16));
	assert_int_equal(counter_get(COUNTER_far_bad), n + nitems(bad) + 2);
	assert_string_equal(answered, "4:78:0/0:{\"a\":[1]},{}+ ");
	hear_answer(number, "", 0);
	hear_answer(number + 1, "", 0);
	hear_answer(number, "", 0);
	assert_int_equal(counter_get(COUNTER_far_asks_open), 0);
	assert_int_equal(counter_get(COUNTER_far_bad), n + nitems(bad) + 2);
}

static void
inquiries_are_bounded_and_the_order_goes_out(void **state)
{
	unsigned i;

	(void)state;
	member(&sides[1], 1, "uann");
	silent = true;
	for (i = 0; i < INQUIRIES_MAX; i++) {
		order(&sides[0], "/m:r", 1, i + 1);
		/* too many for the other host, which says so */
		if (answered[0] != '\0')
			break;
	}
	questions_forget(sides[1].questions);
	inquiries_forget(sides[1].inquiries);
	assert_int_equal(i, QUESTIONS_MAX);
	for (; counter_get(COUNTER_far_asks_open) < INQUIRIES_MAX; i++) {
		order(&sides[0], "/m:r", 1, i + 1);
		questions_forget(sides[1].questions);
		inquiries_forget(sides[1].inquiries);
	}
	i = sides[1].delivered;
	order(&sides[0], "/m:r", 9, 9);
	assert_string_equal(answered, "9:9:0/0:! ");
	assert_int_equal(sides[1].delivered, i + 1);
	assert_slice(buf_unread(&where), "roost:to:4:/m:r:uann");
}

static void
a_channel_says_whom_it_concerns(void **state)
{
	static const struct {
		struct slice	 channel;
		const char	*nsp;		/* NULL: nobody */
		const char	*room, *user;
	} rows[] = {
		{ SLICE(""), "", NULL, NULL },
		{ SLICE("roost:publish"), "", NULL, NULL },
		{ SLICE("roost:asks"), "", NULL, NULL },
		{ SLICE("roost:to:2:/n:n"), "/n", NULL, NULL },
		{ SLICE("roost:to:2:/n:rr"), "/n", "r", NULL },
		{ SLICE("roost:to:2:/n:ra:b"), "/n", "a:b", NULL },
		{ SLICE("roost:to:4:/m:r:rx"), "/m:r", "x", NULL },
		{ SLICE("roost:to:2:/n:uann"), "/n", NULL, "ann" },
		{ SLICE("roost:pulse:1"), NULL, NULL, NULL },
		{ SLICE("roost:publish:at"), NULL, NULL, NULL },
		{ SLICE("other:to:2:/n:n"), NULL, NULL, NULL },
		{ SLICE("roost:to:"), NULL, NULL, NULL },
		{ SLICE("roost:to:2:/n:"), NULL, NULL, NULL },
		{ SLICE("roost:to:99999999999999999999:/n:n"), NULL, NULL,
		    NULL },
		{ SLICE("roost:to:3:/n:n"), NULL, NULL, NULL },
	};
	static struct bus_audience to;
	struct slice nsp;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		memset(&to, 0, sizeof to);
		assert_row(hosts_concerns(sides[0].hosts, rows[i].channel,
		    &nsp, &to) == (rows[i].nsp != NULL), rows[i].channel);
		if (rows[i].nsp == NULL)
			continue;
		assert_text(nsp, rows[i].nsp);
		assert_int_equal(to.nrooms, rows[i].room != NULL);
		assert_int_equal(to.nusers, rows[i].user != NULL);
		if (rows[i].room != NULL)
			assert_text(to.rooms[0], rows[i].room);
		if (rows[i].user != NULL)
			assert_text(to.users[0], rows[i].user);
	}
}

/* --- two links ------------------------------------------------------------*/

#define RELAY	(UINT64_C(1) << 32)	/* of node 200: its epochs */

/* By the new link, which serves, or by the old one: an event of its number. */
static void
comes(struct side *s, bool new, uint64_t epoch, uint64_t number)
{
	static struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);
	uint8_t head[32] = "ROOST1\0";
	char name[16];
	struct buf b;
	unsigned i;

	(void)snprintf(name, sizeof name, "\"%u\"", (unsigned)number);
	head[8] = 200;
	for (i = 0; i < 8; i++) {
		head[16 + i] = (uint8_t)(epoch >> 8 * i);
		head[24 + i] = (uint8_t)(number >> 8 * i);
	}
	p->nsp = SLICE("/n");
	p->event = slice_str(name);
	p->args = SLICE("1");
	p->to.rooms[p->to.nrooms++] = SLICE("r");
	slotset_clear(e.slots);
	e.from = e.flags = 0;
	e.ref = 0;
	s->home.meets = new;
	buf_init(&b);
	buf_append(&b, head, sizeof head);
	assert_true(bus_encode(&b, &e));
	give(s, SLICE("roost:to:2:/n:rr"), buf_unread(&b));
	buf_fini(&b);
	s->home.meets = true;
}

static void
is(const struct side *s, unsigned delivered, const char *last)
{
	assert_int_equal(s->delivered, delivered);
	assert_true(slice_eq(buf_unread(&s->event), slice_str(last)));
}

static void
what_a_new_link_brings_waits_for_the_old_one(void **state)
{
	uint64_t waited = counter_get(COUNTER_far_waited);
	uint64_t stale = counter_get(COUNTER_far_stale);
	struct side *s = &sides[1];
	unsigned i;

	(void)state;
	member(s, 0, "rr");
	/* while it comes nothing of it is taken */
	comes(s, false, RELAY, 10);
	s->home.comes = true;
	comes(s, true, RELAY, 11);
	comes(s, true, RELAY, 12);
	s->home.comes = false;
	is(s, 1, "\"10\"");
	assert_false(seen_is_level(s->ledger.seen));
	/* it serves: what it brings is behind that */
	s->ledger.holds = true;
	comes(s, true, RELAY, 13);
	comes(s, true, RELAY, 14);
	is(s, 1, "\"10\"");
	assert_int_equal(counter_get(COUNTER_far_waited), waited + 2);
	for (i = 11; i <= 13; i++)
		comes(s, false, RELAY, i);
	is(s, 4, "\"13\"");
	assert_true(seen_is_level(s->ledger.seen));
	s->ledger.holds = false;
	hosts_release(s->hosts, true);
	is(s, 5, "\"14\"");
	/* who comes to that link itself says there what is behind the rest of
	 * what he has said by the old one */
	comes(s, true, RELAY | 1, 16);
	assert_true(s->ledger.holds && s->ledger.marks);
	comes(s, true, RELAY | 1, 17);
	is(s, 5, "\"14\"");
	comes(s, false, RELAY, 15);
	is(s, 6, "\"15\"");
	s->ledger.holds = false;
	hosts_release(s->hosts, true);
	is(s, 8, "\"17\"");
	assert_false(s->ledger.holds);
	assert_int_equal(counter_get(COUNTER_far_stale), stale);
}

/* Not for ever: what comes then is told as a gap, and never out of order. */
static void
what_is_not_waited_for_any_more_is_stale(void **state)
{
	uint64_t stale = counter_get(COUNTER_far_stale);
	struct side *s = &sides[1];

	(void)state;
	member(s, 0, "rr");
	comes(s, false, RELAY, 10);
	s->home.comes = true;
	comes(s, true, RELAY, 11);
	s->home.comes = false;
	s->ledger.holds = true;
	comes(s, true, RELAY, 12);
	s->ledger.holds = false;
	seen_cut(s->ledger.seen);
	hosts_release(s->hosts, false);
	is(s, 2, "\"12\"");
	comes(s, false, RELAY, 11);
	is(s, 2, "\"12\"");
	assert_int_equal(s->gaps, 1);
	assert_int_equal(counter_get(COUNTER_far_stale), stale + 1);
	comes(s, false, RELAY, 12);
	comes(s, true, RELAY, 13);
	is(s, 3, "\"13\"");
	assert_int_equal(s->gaps, 1);
}

static void
so_much_waits_and_no_more(void **state)
{
	uint64_t waited = counter_get(COUNTER_far_waited);
	uint64_t n, stale = counter_get(COUNTER_far_stale);
	struct side *s = &sides[1];

	(void)state;
	member(s, 0, "rr");
	comes(s, false, RELAY, 1);
	s->ledger.holds = true;
	for (n = 2; !s->ledger.full; n++)
		comes(s, true, RELAY, n);
	waited = counter_get(COUNTER_far_waited) - waited;
	assert_int_equal(waited, n - 2);
	assert_in_range(waited, conf->bus_queue_bytes / 200,
	    conf->bus_queue_bytes / 50);
	/* all of it had come by the old one as well, long ago */
	comes(s, false, RELAY, n);
	s->ledger.holds = s->ledger.full = false;
	hosts_release(s->hosts, true);
	assert_int_equal(s->delivered, 2 + SEEN_WINDOW - 1);
	assert_int_equal(counter_get(COUNTER_far_stale), stale);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(what_one_says_the_other_delivers_once),
		T(a_recording_is_not_taken_again),
		T(only_who_knows_the_secret_is_heard),
		T(what_comes_behind_the_next_connection_is_told),
		T(an_order_is_counted_on_all_hosts),
		T(a_host_without_that_namespace_has_nothing_to_say),
		T(other_kinds_of_frames_are_nobodys),
		T(what_redis_does_not_take_is_not_waited_for),
		T(who_does_not_answer_in_time_is_missing),
		T(who_is_there_and_does_not_hear_it_is_missing),
		T(answers_that_make_no_sense_are_none),
		T(inquiries_are_bounded_and_the_order_goes_out),
		T(a_channel_says_whom_it_concerns),
		T(what_a_new_link_brings_waits_for_the_old_one),
		T(what_is_not_waited_for_any_more_is_stale),
		T(so_much_waits_and_no_more),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
