/* A stats file whose daemon ends, falls silent, starts anew, is replaced. */
#include "tools/rooststat/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/lib/check.h"

#define NOW	((struct wall){ 1700000000000u })

struct files {
	char		 dir[64];
	char		 path[96];
	struct stats	*daemon;
	struct feed	 feed;
};

static struct wall
later(uint64_t ms)
{
	return ((struct wall){ NOW.ms + ms });
}

static void
beat(struct files *f, struct wall at)
{
	stats_heartbeat(f->daemon, stats_master(f->daemon), at);
	assert_int_not_equal(stats_publish(f->daemon, (struct mono){
	    at.ms * 1000 }), -1);
}

/* A daemon that is this very process. */
static void
daemon_start(struct files *f)
{
	const struct stats_params p = { 1, "1" };

	f->daemon = stats_create(f->path, &p);
	assert_non_null(f->daemon);
	beat(f, NOW);
}

static void
daemon_lost(struct files *f)
{
	stats_close(&f->daemon);
}

static int
setup(void **state)
{
	struct files *f = calloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/roost-feed-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof f->path, "%s/stats", f->dir);
	daemon_start(f);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct files *f = *state;

	feed_close(&f->feed);
	if (f->daemon != NULL)
		stats_close(&f->daemon);
	(void)unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return (0);
}

static void
sample(struct files *f, uint64_t ms)
{
	assert_int_equal(feed_sample(&f->feed, (struct mono){ ms * 1000 },
	    later(ms)), 0);
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void
samples_follow_each_other(void **state)
{
	struct files *f = *state;

	assert_int_equal(feed_open(&f->feed, f->path), 0);
	sample(f, 0);
	assert_false(f->feed.prev.full);
	assert_int_equal(feed_elapsed_us(&f->feed), 0);
	assert_int_equal(f->feed.source.daemon, DAEMON_LIVE);
	sample(f, 1500);
	assert_true(f->feed.prev.full);
	assert_int_equal(feed_elapsed_us(&f->feed), 1500000);
	assert_int_not_equal(f->feed.source.process, '\0');
}

static void
five_seconds_without_a_heartbeat_are_silence(void **state)
{
	struct files *f = *state;

	assert_int_equal(feed_open(&f->feed, f->path), 0);
	sample(f, 0);
	sample(f, 5000);
	assert_int_equal(f->feed.source.daemon, DAEMON_LIVE);
	sample(f, 5001);
	assert_int_equal(f->feed.source.daemon, DAEMON_SILENT);
	assert_int_equal(f->feed.source.silent_ms, 5001);
	beat(f, later(6000));
	sample(f, 6001);
	assert_int_equal(f->feed.source.daemon, DAEMON_LIVE);
	assert_int_equal(f->feed.restarts, 0);
	assert_true(f->feed.prev.full);
}

static void
the_numbers_of_a_daemon_that_ended_stay(void **state)
{
	struct files *f = *state;

	assert_int_equal(feed_open(&f->feed, f->path), 0);
	sample(f, 0);
	stats_end(f->daemon);
	daemon_lost(f);
	assert_int_equal(unlink(f->path), 0);
	sample(f, 1000);
	assert_int_equal(f->feed.source.daemon, DAEMON_ENDED);
	assert_true(f->feed.source.unlinked);
	assert_true(f->feed.cur.snap.nmetrics > 0);
}

static void
another_start_begins_anew(void **state)
{
	struct files *f = *state;

	assert_int_equal(feed_open(&f->feed, f->path), 0);
	sample(f, 0);
	sample(f, 1000);
	daemon_lost(f);
	daemon_start(f);
	sample(f, 2000);
	assert_int_equal(f->feed.restarts, 1);
	assert_false(f->feed.prev.full);
	assert_int_equal(f->feed.source.daemon, DAEMON_LIVE);
	sample(f, 3000);
	assert_int_equal(f->feed.restarts, 1);
	assert_true(f->feed.prev.full);
	assert_true(f->feed.source.restarted);
	assert_int_equal(f->feed.source.restarted_ms, 1000);
}

static void
a_file_that_vanishes_is_told_while_the_daemon_lives(void **state)
{
	struct files *f = *state;

	assert_int_equal(feed_open(&f->feed, f->path), 0);
	sample(f, 0);
	assert_int_equal(unlink(f->path), 0);
	sample(f, 1000);
	assert_int_equal(f->feed.source.daemon, DAEMON_LIVE);
	assert_true(f->feed.source.unlinked);
	write_file(f->path, "something else");
	sample(f, 2000);
	assert_false(f->feed.source.unlinked);
	assert_int_equal(f->feed.source.error, EPROTO);
	assert_int_equal(f->feed.restarts, 0);
}

static void
a_file_made_again_by_the_same_daemon_is_followed(void **state)
{
	struct files *f = *state;

	assert_int_equal(feed_open(&f->feed, f->path), 0);
	sample(f, 0);
	assert_int_equal(unlink(f->path), 0);
	sample(f, 500);
	assert_true(f->feed.source.unlinked);
	beat(f, later(1000));
	sample(f, 1000);
	assert_false(f->feed.source.unlinked);
	assert_int_equal(f->feed.restarts, 0);
	beat(f, later(9000));
	sample(f, 9000);
	assert_int_equal(f->feed.source.daemon, DAEMON_LIVE);
	assert_int_equal(f->feed.source.silent_ms, 0);
}

static void
what_is_not_ours_is_refused(void **state)
{
	struct files *f = *state;
	char other[128];

	(void)snprintf(other, sizeof other, "%s/other", f->dir);
	assert_int_equal(feed_open(&f->feed, other), -1);
	assert_int_equal(errno, ENOENT);
	write_file(other, "short");
	assert_int_equal(feed_open(&f->feed, other), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(feed_open(&f->feed, f->dir), -1);
	assert_int_equal(unlink(other), 0);
}

int
main(void)
{
#define ON_FILES(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON_FILES(samples_follow_each_other),
		ON_FILES(five_seconds_without_a_heartbeat_are_silence),
		ON_FILES(the_numbers_of_a_daemon_that_ended_stay),
		ON_FILES(another_start_begins_anew),
		ON_FILES(a_file_that_vanishes_is_told_while_the_daemon_lives),
		ON_FILES(a_file_made_again_by_the_same_daemon_is_followed),
		ON_FILES(what_is_not_ours_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
