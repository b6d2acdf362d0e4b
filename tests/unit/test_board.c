/*
 * The board: what is written is read, whole, by whoever has the descriptor; and
 * what is no board is none.
 */
#include "sys/board.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sys/sealed.h"
#include "tests/lib/check.h"

static struct board_copy c;

/* As another process finds it. */
static int
board_descriptor(void)
{
	char link[64], path[64];
	ssize_t n;
	int fd;

	for (fd = 3; fd < 64; fd++) {
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, link, sizeof link - 1);
		link[n < 0 ? 0 : n] = '\0';
		if (strcmp(link, "/memfd:" BOARD_NAME " (deleted)") == 0)
			return (open(path, O_RDONLY | O_CLOEXEC));
	}
	return (-1);
}

static void
it_says_what_became_of_a_task(void **state)
{
	struct board *b = board_new();
	struct wall now = { 5000 };
	int fd = board_descriptor();

	(void)state;
	assert_non_null(b);
	assert_true(fd != -1);
	assert_int_equal(board_read(fd, &c), 0);
	assert_int_equal(c.number, 0);
	assert_int_equal(c.task, BOARD_NOTHING);
	board_begin(b, BOARD_RELOAD, now);
	board_line(b, 'e', SLICE("config_bad what=\"x\""));
	assert_int_equal(board_read(fd, &c), 0);
	assert_int_equal(c.number, 5000);
	assert_int_equal(c.state, BOARD_AT_WORK);
	assert_int_equal(c.last[BOARD_RELOAD], 0);
	now.ms = 5001;
	board_end(b, false, now);
	/* another one in the same moment has another number */
	board_begin(b, BOARD_RESIZE, (struct wall){ 5000 });
	assert_int_equal(board_read(fd, &c), 0);
	assert_int_equal(c.number, 5001);
	assert_int_equal(c.text_n, 0);
	assert_int_equal(c.last[BOARD_RELOAD], 5000);
	assert_int_equal(c.how[BOARD_RELOAD], BOARD_FAILED);
	board_note(b, BOARD_REOPEN, true, (struct wall){ 1 });
	assert_int_equal(board_read(fd, &c), 0);
	assert_int_equal(c.number, 5001);
	assert_int_equal(c.state, BOARD_AT_WORK);
	assert_int_equal(c.task, BOARD_RESIZE);
	assert_int_equal(c.last[BOARD_REOPEN], 5002);
	assert_int_equal(c.how[BOARD_REOPEN], BOARD_DONE);
	board_line(b, 'i', SLICE("resized"));
	board_end(b, true, now);
	assert_int_equal(board_read(fd, &c), 0);
	assert_slices(slice_of(c.text, c.text_n), SLICE("i resized\n"));
	assert_int_equal(c.state, BOARD_DONE);
	assert_int_equal(c.last[BOARD_RESIZE], 5001);
	assert_int_equal(c.how[BOARD_RESIZE], BOARD_DONE);
	/* so has one after a note */
	board_begin(b, BOARD_REOPEN, (struct wall){ 5000 });
	assert_int_equal(board_read(fd, &c), 0);
	assert_int_equal(c.number, 5003);
	board_free(&b);
	/* who still has it sees the last */
	assert_int_equal(board_read(fd, &c), 0);
	(void)close(fd);
}

static void
facts_are_lines(void **state)
{
	static char much[2 * BOARD_FACTS];
	struct board *b = board_new();
	struct slice v;
	int fd = board_descriptor();

	(void)state;
	board_facts(b, SLICE("workers=4\nconfig=/etc/a b\nempty=\n"));
	assert_int_equal(board_read(fd, &c), 0);
	assert_true(board_fact(&c, "config", &v));
	assert_slices(v, SLICE("/etc/a b"));
	assert_true(board_fact(&c, "workers", &v));
	assert_slices(v, SLICE("4"));
	assert_false(board_fact(&c, "worker", &v));
	assert_false(board_fact(&c, "onfig", &v));
	memset(much, 'x', sizeof much);
	memcpy(much, "a=1\n", 4);
	board_facts(b, slice_of(much, sizeof much));
	assert_int_equal(board_read(fd, &c), 0);
	assert_slices(slice_of(c.facts, c.facts_n), SLICE("a=1\n"));
	board_free(&b);
	(void)close(fd);
}

static void
what_finds_no_room_is_counted(void **state)
{
	static const char line[1000];
	struct board *b = board_new();
	int fd = board_descriptor();
	unsigned i;

	(void)state;
	board_begin(b, BOARD_RELOAD, (struct wall){ 1 });
	for (i = 0; i < 100; i++)
		board_line(b, 'e', slice_of(line, sizeof line));
	assert_int_equal(board_read(fd, &c), 0);
	assert_int_equal(c.text_n, BOARD_TEXT / 1003 * 1003);
	assert_int_equal(c.cut, 100 - BOARD_TEXT / 1003);
	board_free(&b);
	(void)close(fd);
}

static void
other_memory_is_no_board(void **state)
{
	static char zeros[65536];
	int fd;

	(void)state;
	fd = sealed_new("x", slice_of(zeros, 100));
	assert_int_equal(board_read(fd, &c), -1);
	assert_int_equal(errno, EPROTO);
	(void)close(fd);
	fd = sealed_new("x", slice_of(zeros, sizeof zeros));
	assert_int_equal(board_read(fd, &c), -1);
	assert_int_equal(errno, EPROTO);
	memcpy(zeros, "ROOSTBD1", 8);
	zeros[8] = 1;		/* being written, for ever */
	(void)close(fd);
	fd = sealed_new("x", slice_of(zeros, sizeof zeros));
	assert_int_equal(board_read(fd, &c), -1);
	assert_int_equal(errno, EAGAIN);
	(void)close(fd);
	fd = memfd_create("x", MFD_ALLOW_SEALING);	/* it may be cut */
	assert_int_equal(ftruncate(fd, sizeof zeros), 0);
	assert_int_equal(board_read(fd, &c), -1);
	assert_int_equal(errno, EPROTO);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_what_became_of_a_task),
		cmocka_unit_test(facts_are_lines),
		cmocka_unit_test(what_finds_no_room_is_counted),
		cmocka_unit_test(other_memory_is_no_board),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
