/*
 * What waits for users, against a Redis that answers when the test wants: when it
 * goes, when others may have it, and when it is looked for again.
 */
#include "relay/stream/inbox.h"

#include "proto/bus.h"
#include "relay/local/exchange.h"
#include "relay/stream/inbox_script.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/redis_asked.h"

static struct conf *conf;
static struct exchange x;
static struct segment *segment;
static struct inbox *b;
static char redis_place;
#define REDIS	((struct redis *)&redis_place)

static char said[512];		/* "ref:frames " each; + there is more */
static bool nobody;		/* ... takes an answer */

static bool
on_answer(void *arg, const struct asker *to, unsigned result,
    struct slice frames, bool more)
{
	size_t n = strlen(said);

	assert_ptr_equal(arg, &x);
	(void)snprintf(said + n, sizeof said - n, "%u:%s%.*s%s ",
	    (unsigned)to->ref, result == BUS_STORE_OK ? "" :
	    result == BUS_STORE_UNAVAILABLE ? "no" : "?", (int)frames.n,
	    frames.n == 0 ? "" : (const char *)frames.p, more ? "+" : "");
	return (!nobody);
}

static int
set_up(void **state)
{
	struct segment_params sp = { .max_workers = 3, .presence_max = 64,
		.interest_max = 64, .rate_ways = 8, .max_ns = 4 };
	struct inboxes_params p = { .exchange = &x, .node_id = 0xabc,
		.arg = &x, .answer = on_answer };

	(void)state;
	redis_begin();
	said[0] = '\0';
	nobody = false;
	conf = conf_text("redis { url = \"redis://h\" }\n"
	    "jwt { secret = \"${SECRET}\" }\n"
	    "namespace \"/n\" { auth = required\n"
	    " event \"m\" { to = user:to  offline = queue }\n}\n"
	    "namespace \"/n:u\" { auth = required\n"
	    " event \"m\" { to = user:to  offline = queue }\n}\n");
	exchange_init(&x, conf);
	x.mono_ms = 1000;
	segment = segment_create(&sp);
	assert_non_null(segment);
	atomic_store(&segment_slot(segment, 0)->state, SLOT_ASSIGNED);
	slot_live(segment, 0, 1);
	p.conf = conf;
	p.segment = segment;
	b = inboxes_new(&p);
	assert_non_null(b);
	inboxes_redis(b, REDIS, "p:", true, true);
	assert_int_equal(redis_nlistened, 1);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	inboxes_free(&b);
	exchange_fini(&x);
	segment_free(&segment);
	conf_free(&conf);
	return (0);
}

static void
turn(uint64_t ms)
{
	x.mono_ms += ms;
	inboxes_redis(b, REDIS, "p:", false, false);
}

/* A worker says that of the user. */
static void
say_of(const char *nsp, const char *user, unsigned slot, uint32_t ref,
    uint64_t what)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_inbox(&e);

	p->nsp = slice_str(nsp);
	p->kept = what;
	p->to.users[p->to.nusers++] = slice_str(user);
	e.from = (uint16_t)slot;
	e.generation = 1;
	e.ref = ref;
	inboxes_take(b, &e);
}

static void
say(unsigned slot, uint32_t ref, uint64_t what)
{
	say_of("/n", "u", slot, ref, what);
}

/* The next question is answered: so many are behind, from first to last. */
static void
answer_page(int64_t behind, int64_t first, int64_t last, const char *frame)
{
	struct reply parts[5] = { { .type = REPLY_INTEGER },
		{ .type = REPLY_INTEGER, .integer = behind },
		{ .type = REPLY_INTEGER, .integer = first },
		{ .type = REPLY_INTEGER, .integer = last },
		{ .type = REPLY_STRING } };
	struct reply *v[] = { &parts[0], &parts[1], &parts[2], &parts[3],
		&parts[4] };
	struct reply o = { .type = REPLY_ARRAY, .elements = v,
		.n = frame == NULL ? 4 : 5 };

	if (frame != NULL)
		parts[4].text = slice_str(frame);
	redis_answer(&o);
}

/* What is said of a page: that it goes, or (last below first) stays. */
static void
check_done(unsigned ask, unsigned of, const char *first, const char *last)
{
	assert_slice(redis_key(ask, 0), "p:inbox:n#u");
	assert_true(slice_eq(redis_arg(ask, 0), redis_arg(of, 3)));
	assert_true(slice_eq(redis_arg(ask, 1), slice_str(first)));
	assert_true(slice_eq(redis_arg(ask, 2), slice_str(last)));
}

static void
a_page_goes_when_the_worker_says_so(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	assert_int_equal(redis_nasked, 1);
	assert_slice(redis_key(0, 0), "p:inbox:n#u");
	assert_false(inboxes_is_settled(b));
	answer_page(0, 3, 5, "F");
	assert_string_equal(said, "7:F ");
	turn(10);
	assert_int_equal(redis_nasked, 1);
	assert_false(inboxes_is_settled(b));
	/* others' words are not its own */
	say(2, 7, INBOX_TAKEN);
	say(1, 8, INBOX_TAKEN);
	assert_int_equal(redis_nasked, 1);
	say(1, 7, INBOX_TAKEN);
	check_done(1, 0, "3", "5");
	redis_answer_integer(0);
	assert_true(inboxes_is_settled(b));
	assert_int_equal(redis_npublished, 0);
	say(1, 7, INBOX_TAKEN);
	assert_int_equal(redis_nasked, 2);
}

static void
what_came_meanwhile_is_told_of_unless_it_is_asked_for(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	answer_page(0, 1, 1, "F");
	say(1, 7, INBOX_TAKEN);
	redis_answer_integer(2);
	assert_int_equal(redis_npublished, 1);
	say(1, 8, INBOX_TAKE);
	answer_page(9, 2, 3, "G");
	assert_string_equal(said, "7:F 8:G+ ");
	say(1, 8, INBOX_TAKEN);
	redis_answer_integer(9);
	assert_int_equal(redis_npublished, 1);
	/* ... by one who has left since */
	say(1, 0, INBOX_LEFT);
	assert_int_equal(redis_npublished, 2);
}

static void
what_nobody_reads_waits_and_is_told_of(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	answer_page(4, 3, 5, "F");
	say(1, 7, INBOX_BACK);
	check_done(1, 0, "3", "2");
	redis_answer_integer(7);
	assert_int_equal(redis_npublished, 1);
	/* nobody is there any more to be given it */
	nobody = true;
	say(1, 8, INBOX_TAKE);
	answer_page(0, 3, 9, "F");
	check_done(3, 2, "3", "2");
	redis_answer_integer(7);
	assert_int_equal(redis_npublished, 2);
	assert_true(inboxes_is_settled(b));
}

static void
a_worker_that_is_gone_or_silent_keeps_nothing(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	say(2, 7, INBOX_TAKE);
	answer_page(0, 1, 1, "F");
	answer_page(0, 2, 2, "G");
	inboxes_worker_gone(b, 3);
	assert_int_equal(redis_nasked, 2);
	inboxes_worker_gone(b, 1);
	check_done(2, 0, "1", "0");
	redis_answer_integer(1);
	assert_int_equal(redis_npublished, 1);
	turn(INBOX_LEASE_MS - 1);
	assert_int_equal(redis_nasked, 3);
	turn(1);
	check_done(3, 1, "2", "1");
	redis_answer_integer(1);
	assert_int_equal(redis_npublished, 2);
	say(2, 7, INBOX_TAKEN);
	assert_int_equal(redis_nasked, 4);
}

static void
what_others_have_is_looked_for_when_they_may_no_longer(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	say(1, 8, INBOX_TAKE);
	answer_page(-3000, 0, 0, NULL);
	answer_page(-500, 0, 0, NULL);
	assert_string_equal(said, "7: 8: ");
	turn(500);
	assert_int_equal(redis_npublished, 0);
	turn(1);
	assert_int_equal(redis_npublished, 1);
	turn(2499);
	assert_int_equal(redis_npublished, 1);
	redis_up = false;
	turn(1);
	assert_int_equal(redis_npublished, 1);
	redis_up = true;
	turn(0);
	assert_int_equal(redis_npublished, 2);
	assert_int_equal(redis_nasked, 2);
}

static void
what_could_not_be_said_is_looked_for(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	answer_page(0, 1, 1, "F");
	say(1, 7, INBOX_TAKEN);
	redis_answer(NULL);
	assert_int_equal(redis_npublished, 0);
	turn(INBOX_LEASE_MS);
	assert_int_equal(redis_npublished, 1);
	say(1, 8, INBOX_TAKE);
	answer_page(0, 1, 1, "F");
	redis_up = false;
	say(1, 8, INBOX_TAKEN);
	redis_up = true;
	turn(INBOX_LEASE_MS);
	assert_int_equal(redis_npublished, 2);
}

static void
another_redis_says_nothing_of_what_the_last_was_asked(void **state)
{
	(void)state;
	say(1, 7, INBOX_TAKE);
	say(1, 8, INBOX_TAKE);
	inboxes_redis(b, REDIS, "q:", true, false);
	assert_int_equal(redis_nlistened, 1);
	answer_page(0, 1, 1, "F");
	assert_string_equal(said, "");
	say(1, 9, INBOX_TAKE);
	assert_slice(redis_key(2, 0), "q:inbox:n#u");
	/* the other one went with its link, and never answers */
	inboxes_redis(b, REDIS, "q:", false, true);
}

static void
nonsense_is_no_page(void **state)
{
	struct reply text = { .type = REPLY_STRING, .text = SLICE("1") };
	struct reply *three[] = { &text, &text, &text, &text };
	struct reply o = { .type = REPLY_ARRAY, .elements = three, .n = 4 };

	(void)state;
	say(1, 1, INBOX_TAKE);
	redis_answer(&o);
	o.n = 0;
	say(1, 2, INBOX_TAKE);
	redis_answer(&o);
	say(1, 3, INBOX_TAKE);
	redis_answer_integer(1);
	say(1, 4, INBOX_TAKE);
	redis_answer_error("no");
	say(1, 5, INBOX_TAKE);
	redis_answer(NULL);
	redis_up = false;
	say(1, 6, INBOX_TAKE);
	redis_up = true;
	redis_refuses = true;
	say(1, 7, INBOX_TAKE);
	redis_refuses = false;
	say_of("/other", "u", 1, 8, INBOX_TAKE);
	assert_string_equal(said, "1:no 2:no 3:no 4:no 5:no 6:no 7:no 8:no ");
	assert_true(inboxes_is_settled(b));
}

static void
names_with_colons_have_keys_of_their_own(void **state)
{
	(void)state;
	say_of("/n", "u:v", 1, 1, INBOX_TAKE);
	say_of("/n:u", "v", 1, 2, INBOX_TAKE);
	assert_slice(redis_key(0, 0), "p:inbox:n#u:v");
	assert_slice(redis_key(1, 0), "p:inbox:n:u#v");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_page_goes_when_the_worker_says_so),
		T(what_came_meanwhile_is_told_of_unless_it_is_asked_for),
		T(what_nobody_reads_waits_and_is_told_of),
		T(a_worker_that_is_gone_or_silent_keeps_nothing),
		T(what_others_have_is_looked_for_when_they_may_no_longer),
		T(what_could_not_be_said_is_looked_for),
		T(another_redis_says_nothing_of_what_the_last_was_asked),
		T(nonsense_is_no_page),
		T(names_with_colons_have_keys_of_their_own),
#undef T
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	redis_end();
	return (failed);
}
