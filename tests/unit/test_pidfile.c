#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "master/pidfile.h"
#include "tests/lib/check.h"

static char dir[64], path[96], other_path[96];

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-pidfile-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	(void)snprintf(path, sizeof path, "%s/pid", dir);
	(void)snprintf(other_path, sizeof other_path, "%s/other", dir);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(other_path);
	return (rmdir(dir));
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
assert_holds(const char *name, const char *text)
{
	char got[64] = "";
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	assert_true(fread(got, 1, sizeof got - 1, f) > 0);
	(void)fclose(f);
	assert_string_equal(got, text);
}

static void
assert_refused(int error)
{
	pid_t other;

	errno = 0;
	assert_null(pidfile_claim(path, &other));
	assert_int_equal(errno, error);
	assert_int_equal(other, 0);
}

static void
it_has_our_number_and_goes_with_us(void **state)
{
	struct pidfile *f;
	char text[32];
	pid_t other;

	(void)state;
	write_file(path, "123456789 of an earlier one");
	f = pidfile_claim(path, &other);
	assert_non_null(f);
	(void)snprintf(text, sizeof text, "%ld", (long)getpid());
	assert_holds(path, text);
	pidfile_drop(&f);
	assert_null(f);
	assert_int_equal(access(path, F_OK), -1);
	pidfile_drop(&f);
}

static void
the_second_is_told_of_the_first(void **state)
{
	struct pidfile *f, *second;
	pid_t other = 0;

	(void)state;
	f = pidfile_claim(path, &other);
	assert_non_null(f);
	second = pidfile_claim(path, &other);
	assert_null(second);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(other, getpid());
	assert_int_equal(truncate(path, 0), 0);
	assert_refused(EEXIST);
	pidfile_drop(&f);
}

static void
what_has_another_name_is_not_written(void **state)
{
	struct pidfile *f;
	pid_t other;

	(void)state;
	write_file(other_path, "precious");
	assert_int_equal(symlink(other_path, path), 0);
	assert_refused(EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(link(other_path, path), 0);
	assert_refused(EPERM);
	assert_holds(other_path, "precious");
	assert_int_equal(unlink(other_path), 0);
	f = pidfile_claim(path, &other);
	assert_non_null(f);
	pidfile_drop(&f);
}

static void
what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(EISDIR);
	assert_int_equal(rmdir(path), 0);
	(void)snprintf(path, sizeof path, "%s/no/pid", dir);
	assert_refused(ENOENT);
}

/* Somebody has put another file there: it stays. */
static void
only_our_own_is_removed(void **state)
{
	struct pidfile *f;
	pid_t other;

	(void)state;
	f = pidfile_claim(path, &other);
	assert_non_null(f);
	assert_int_equal(unlink(path), 0);
	write_file(path, "another");
	pidfile_drop(&f);
	assert_holds(path, "another");
}

/* Another program of this process goes on with it: the lock has no gap. */
static void
a_successor_has_the_same_lock(void **state)
{
	struct pidfile *f, *next;
	pid_t other;
	int fd;

	(void)state;
	f = pidfile_claim(path, &other);
	assert_non_null(f);
	fd = dup(pidfile_fd(f));
	assert_true(fd != -1);
	next = pidfile_adopt(path, fd);
	assert_non_null(next);
	assert_null(pidfile_claim(path, &other));
	assert_int_equal(errno, EEXIST);
	assert_int_equal(other, getpid());
	pidfile_drop(&next);
	assert_int_equal(access(path, F_OK), -1);
	pidfile_drop(&f);
	assert_null(pidfile_adopt(path, fd));
	assert_int_equal(errno, EBADF);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_has_our_number_and_goes_with_us),
		T(the_second_is_told_of_the_first),
		T(what_has_another_name_is_not_written),
		T(what_is_no_file_is_refused),
		T(only_our_own_is_removed),
		T(a_successor_has_the_same_lock),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
