/*
 * Shared memory and its handles where a call or memory fails: they are there,
 * or there is nothing, with errno and no descriptor left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "shm/count.h"
#include "shm/interest.h"
#include "shm/layout.h"
#include "shm/presence.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "shm/table_relay.h"
#include "tests/lib/check.h"
#include "tests/lib/refuse.h"

static const struct segment_params usual = { .max_workers = 2,
	.presence_max = 64, .interest_max = 64, .rate_ways = 64, .max_ns = 2,
	.once_ways = 64, .count_max = 64 };

static struct segment *seg;
static char path[64];

static int
set_up(void **state)
{
	(void)state;
	seg = segment_create(&usual);
	assert_non_null(seg);
	(void)snprintf(path, sizeof path, "/tmp/roost-stats-%ld",
	    (long)getpid());
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)refuse_end();
	segment_free(&seg);
	(void)unlink(path);
	return (0);
}

static unsigned
open_files(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return (n);
}

/* Makes something and unmakes it; false: it could not. */
typedef bool make(void);

/* Each call by that name in turn; at least so many are to matter. */
static void
each_fails(make *f, const char *name, unsigned least)
{
	unsigned before = open_files(), n, failed = 0;
	bool ok;

	for (n = 1; n < 500; n++) {
		refuse(name, n, 1, ENOMEM);
		errno = 0;
		ok = f();
		if (!ok)
			assert_int_equal(errno, ENOMEM);
		failed += !ok;
		assert_int_equal(open_files(), before);
		if (refuse_end() == 0)
			break;
	}
	assert_true(ok);
	assert_in_range(failed, least, n - 1);
}

static bool
make_segment(void)
{
	struct segment *s = segment_create(&usual);
	bool ok = s != NULL;

	segment_free(&s);
	return (ok);
}

static bool
attach(void)
{
	struct segment *s;
	int error, fds[3];
	size_t i;

	fds[0] = fcntl(segment_fd(seg), F_DUPFD_CLOEXEC, 0);
	fds[1] = fcntl(segment_relay_fd(seg), F_DUPFD_CLOEXEC, 0);
	fds[2] = fcntl(segment_master_fd(seg), F_DUPFD_CLOEXEC, 0);
	s = segment_attach(fds[0], fds[1], fds[2], &usual);
	if (s != NULL) {
		segment_free(&s);
		return (true);
	}
	error = errno;
	for (i = 0; i < 3; i++)		/* they are still ours */
		assert_int_equal(close(fds[i]), 0);
	errno = error;
	return (false);
}

static bool
make_presence(void)
{
	struct presence *p = presence_open(seg, 1);

	if (p == NULL)
		return (false);
	presence_close(&p);
	return (true);
}

static bool
make_interest(void)
{
	struct interest *i = interest_open(seg, 1);

	if (i == NULL)
		return (false);
	interest_close(&i);
	return (true);
}

static bool
make_count(void)
{
	struct count *c = count_open(seg, 1);

	if (c == NULL)
		return (false);
	count_close(&c);
	return (true);
}

static bool
make_relay(void)
{
	struct table_relay *r = table_relay_open(seg, TABLE_PRESENCE, 1000);

	if (r == NULL)
		return (false);
	table_relay_close(&r);
	return (true);
}

static bool
make_stats(void)
{
	const struct stats_params p = { 3, "1" };
	struct stats *s = stats_create(path, &p);

	if (s == NULL)
		return (false);
	stats_close(&s);
	return (true);
}

static bool
read_stats(void)
{
	struct stats_snapshot snap;
	struct stats *s = stats_open(path);
	int error;
	bool ok;

	if (s == NULL)
		return (false);
	ok = stats_snapshot(s, true, &snap);
	error = errno;
	if (ok)
		stats_snapshot_free(&snap);
	stats_close(&s);
	errno = error;
	return (ok);
}

static void
a_segment_is_whole_or_not_there(void **state)
{
	(void)state;
	each_fails(make_segment, NULL, 4);
	each_fails(make_segment, "memory", 1);
	each_fails(attach, NULL, 1);
	each_fails(attach, "memory", 1);
}

static void
handles_are_whole_or_not_there(void **state)
{
	(void)state;
	each_fails(make_presence, "memory", 2);
	each_fails(make_interest, "memory", 2);
	each_fails(make_count, "memory", 1);
	each_fails(make_relay, "memory", 3);
}

static void
statistics_are_whole_or_not_there(void **state)
{
	(void)state;
	each_fails(make_stats, NULL, 2);
	each_fails(make_stats, "memory", 1);
	assert_true(make_stats());
	each_fails(read_stats, NULL, 2);
	each_fails(read_stats, "memory", 3);
}

/* Each parameter at its bounds and beyond. */
static void
parameters_have_bounds(void **state)
{
#define P(name)	offsetof(struct segment_params, name)
	static const struct {
		size_t	 at;		/* all of four bytes */
		uint32_t v;
		bool	 ok;
	} rows[] = {
		{ P(count_max), 0, true },
		{ P(max_workers), 1, true },
		{ P(max_workers), 0, false },
		{ P(max_workers), SHM_WORKERS_MAX, true },
		{ P(max_workers), SHM_WORKERS_MAX + 1, false },
		{ P(presence_max), 1, true },
		{ P(presence_max), 0, false },
		{ P(presence_max), UINT32_MAX, false },
		{ P(interest_max), 1, true },
		{ P(interest_max), 0, false },
		{ P(interest_max), UINT32_MAX, false },
		{ P(rate_ways), 1, true },
		{ P(rate_ways), 0, false },
		{ P(rate_ways), (1u << 28) + 1, false },
		{ P(once_ways), (1u << 28) + 1, false },
		{ P(max_ns), 1, true },
		{ P(max_ns), 0, false },
		{ P(max_ns), 65535, true },
		{ P(max_ns), 65536, false },
		{ P(count_max), UINT32_MAX, false },
		{ P(page), 65536, true },
		{ P(page), 65536 + 4096, false },
		{ P(page), 2048, false },
		{ P(page), 1u << 25, false },
		{ P(presence_key_max), 64, true },
		{ P(presence_key_max), 256, true },
		{ P(presence_key_max), 100, false },
		{ P(interest_key_max), 128, true },
		{ P(interest_key_max), 512, false },
	};
	struct segment_params p;
	struct segment *s;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		p = usual;
		memcpy((uint8_t *)&p + rows[i].at, &rows[i].v,
		    sizeof rows[i].v);
		errno = 0;
		s = segment_create(&p);
		if ((s != NULL) != rows[i].ok)
			fail_msg("row %zu", i);
		if (s == NULL)
			assert_int_equal(errno, EINVAL);
		segment_free(&s);
	}
}

/* Of another daemon, version or size: it is not taken. */
static void
another_layout_is_not_attached(void **state)
{
	struct segment_params p = usual;
	struct segment *s;

	(void)state;
	p.presence_max = 128;
	s = segment_attach(segment_fd(seg), segment_relay_fd(seg),
	    segment_master_fd(seg), &p);
	assert_null(s);
	assert_int_equal(errno, EPROTO);
	p.max_workers = 0;
	s = segment_attach(segment_fd(seg), segment_relay_fd(seg),
	    segment_master_fd(seg), &p);
	assert_null(s);
	assert_int_equal(errno, EINVAL);
	s = segment_attach(segment_relay_fd(seg), segment_relay_fd(seg),
	    segment_master_fd(seg), &usual);
	assert_null(s);
	assert_int_equal(errno, EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_segment_is_whole_or_not_there),
		T(handles_are_whole_or_not_there),
		T(statistics_are_whole_or_not_there),
		T(parameters_have_bounds),
		T(another_layout_is_not_attached),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
