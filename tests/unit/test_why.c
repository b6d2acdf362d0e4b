/*
 * roostctl why, of a segment that this process has: who is told of, in which
 * order, and what became of him.
 */
#include "tools/roostctl/why.h"

#include <sys/mman.h>

#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/reason.h"
#include "shm/segment.h"
#include "shm/slots_trail.h"
#include "tests/lib/check.h"

#define WORKERS	16

static struct segment *seg;
static char *told;

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = WORKERS, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .max_ns = 1 };

	(void)state;
	seg = segment_create(&p);
	return (seg == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	free(told);
	told = NULL;
	segment_free(&seg);
	return (0);
}

/* What it prints goes to `told`. */
static int
why(const char *whom)
{
	const struct daemon d = { .pid = getpid(), .board_fd = -1 };
	int code, fd = memfd_create("told", 0), out;
	off_t n;

	(void)fflush(stdout);
	out = dup(STDOUT_FILENO);
	assert_true(fd != -1 && out != -1);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	code = why_print(&d, whom);
	(void)fflush(stdout);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	(void)close(out);
	n = lseek(fd, 0, SEEK_END);
	free(told);
	told = calloc(1, (size_t)n + 1);
	assert_non_null(told);
	assert_int_equal(pread(fd, told, (size_t)n, 0), n);
	(void)close(fd);
	return (code);
}

static void
put(struct trail *t, enum trail_event event, uint64_t at_ms, uint32_t client,
    struct slice user)
{
	struct trail_record *r = trail_begin(t, event, at_ms);

	r->client = client;
	r->reason = REASON_kicked;
	r->address[10] = r->address[11] = 0xff;
	r->address[12] = 127;
	trail_user(t, r, user);
	trail_end(t, r);
}

static unsigned
times(const char *what)
{
	const size_t len = strlen(what);
	const char *at, *end = told + strlen(told);
	unsigned n = 0;

	/* strstr(3) under a sanitizer looks at all that follows, each time */
	for (at = told; at + len <= end; at++)
		if (at[0] == what[0] && memcmp(at, what, len) == 0)
			n++;
	return (n);
}

static void
what_has_closed_is_not_connected_though_the_clock_was_set_back(void **state)
{
	struct trail t;

	(void)state;
	trail_open(&t, seg, 1, 7);
	put(&t, TRAIL_OPENED, 7200000, 1, SLICE("a"));
	put(&t, TRAIL_CLOSED, 3600000, 1, SLICE("a"));
	trail_worker_gave(seg, 1, 7, 2, 8, 7200000);
	trail_worker_died(seg, 1, 7, 3600000);
	assert_int_equal(why("user:a"), EX_OK);
	assert_int_equal(times("\n"), 2);
	assert_int_equal(times("closed by roostd: kicked"), 1);
	/* and what the master wrote last is what happened last */
	put(&t, TRAIL_OPENED, 7200000, 2, SLICE("b"));
	assert_int_equal(why("user:b"), EX_OK);
	assert_int_equal(times("ended with worker 1, which died"), 1);
}

/* So many workers' trails are full of them: the CPU time that it takes. */
static clock_t
many(unsigned workers)
{
	uint32_t client = 0;
	struct trail t;
	unsigned slot, i;
	clock_t before;

	for (slot = 1; slot <= workers; slot++) {
		trail_open(&t, seg, slot, slot);
		for (i = 0; i < TRAIL_RECORDS; i++)
			put(&t, TRAIL_OPENED, slot, ++client, SLICE("a"));
	}
	before = clock();
	assert_int_equal(why("address:127.0.0.0"), EX_OK);
	before = clock() - before;
	assert_int_equal(times("opened"), workers * TRAIL_RECORDS);
	assert_int_equal(times("was handed over"), workers * TRAIL_RECORDS);
	return (before);
}

/* If each were compared with all others it would be 256 times as long. */
static void
many_of_one_address_are_told_at_once(void **state)
{
	clock_t one;

	(void)state;
	one = many(1);
	assert_true(many(WORKERS) < 4 * WORKERS * one);
}

static void
nothing_that_steers_a_terminal_is_printed(void **state)
{
	struct trail t;

	(void)state;
	trail_open(&t, seg, 1, 1);
	put(&t, TRAIL_OPENED, 1, 1, SLICE("a\033[2J\xc2\x9b" "2J\x7f\n\xc3\x9b"));
	assert_int_equal(why("address:127.0.0.0"), EX_OK);
	assert_int_equal(times(" as a?[2J?2J??\xc3\x9b from 127.0.0.0 "), 1);
}

static void
who_is_not_here_is_unknown(void **state)
{
	struct trail t;

	(void)state;
	assert_int_equal(why("user:a"), EX_NOUSER);
	trail_open(&t, seg, 1, 1);
	put(&t, TRAIL_REFUSED, 1, 0, SLICE("a"));	/* at the door */
	assert_int_equal(why("user:a"), EX_OK);
	assert_int_equal(times("\n"), 1);
	assert_int_equal(why("user:"), EX_USAGE);
}

static void
an_address_is_spelled_as_by_proxies(void **state)
{
	static const char *const it[] = { "127.0.0.0", "127.0.0.0:80",
		"[::ffff:127.0.0.0]:80", "[::ffff:127.0.0.0]",
		"::ffff:127.0.0.0" };
	static const char *const bad[] = { "", "127.0.0", "127.0.0.0:",
		"127.0.0.0:65536", "[127.0.0.0]", "[::1", "[::1]80", "[]:80" };
	struct trail_record *r;
	char whom[64];
	struct trail t;
	size_t i;

	(void)state;
	trail_open(&t, seg, 1, 1);
	put(&t, TRAIL_OPENED, 1, 1, SLICE("a"));
	r = trail_begin(&t, TRAIL_CLOSED, 2);
	r->client = 1;
	r->address[10] = r->address[11] = 0xff;
	r->address[12] = 127;
	r->port = 80;
	trail_end(&t, r);
	for (i = 0; i < nitems(it); i++) {
		(void)snprintf(whom, sizeof whom, "address:%s", it[i]);
		assert_int_equal(why(whom), EX_OK);
		assert_int_equal(times("\n"), 2);
	}
	assert_int_equal(why("address:127.0.0.0:81"), EX_NOUSER);
	for (i = 0; i < nitems(bad); i++) {
		(void)snprintf(whom, sizeof whom, "address:%s", bad[i]);
		assert_int_equal(why(whom), EX_USAGE);
	}
}

int
main(void)
{
#define WHY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WHY_TEST(what_has_closed_is_not_connected_though_the_clock_was_set_back),
		WHY_TEST(many_of_one_address_are_told_at_once),
		WHY_TEST(nothing_that_steers_a_terminal_is_printed),
		WHY_TEST(who_is_not_here_is_unknown),
		WHY_TEST(an_address_is_spelled_as_by_proxies),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
