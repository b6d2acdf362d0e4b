/* The sockets between workers, which outlive these, and the master's program. */
#include "master/handovers.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/ipc.h"
#include "tests/lib/check.h"

static void
duplicate(struct handovers_kept *kept)
{
	unsigned i;

	for (i = 1; i < kept->nslots; i++) {
		kept->in[i] = fcntl(kept->in[i], F_DUPFD_CLOEXEC, 3);
		kept->out[i] = fcntl(kept->out[i], F_DUPFD_CLOEXEC, 3);
	}
}

static void
what_was_on_its_way_comes_to_the_successor(void **state)
{
	struct handovers *h = handovers_open(4), *next;
	struct handovers_kept kept;
	struct heritage to;
	struct ipc_msg m;

	(void)state;
	assert_non_null(h);
	handovers_column(h, 1, &to);
	ipc_init(&m, 7);
	ipc_put_u32(&m, 42);
	assert_int_equal(ipc_send(to.handover_out[3], &m), 1);
	handovers_keep(h, &kept);
	assert_int_equal(kept.nslots, 4);
	duplicate(&kept);
	handovers_close(&h);
	next = handovers_adopt(&kept);
	assert_non_null(next);
	handovers_column(next, 3, &to);
	assert_int_equal(ipc_recv(to.handover_in, &m), 1);
	assert_int_equal(ipc_get_u32(&m), 42);
	assert_int_equal(to.handover_out[3], -1);
	assert_true(to.handover_out[2] != -1);
	handovers_close(&next);
	assert_null(next);
}

static void
half_of_them_are_none(void **state)
{
	struct handovers *h = handovers_open(3);
	struct handovers_kept kept;

	(void)state;
	assert_non_null(h);
	handovers_keep(h, &kept);
	duplicate(&kept);
	(void)close(kept.out[2]);
	kept.out[2] = -1;
	assert_null(handovers_adopt(&kept));
	assert_int_equal(errno, EBADF);
	assert_int_equal(fcntl(kept.in[1], F_GETFD), -1);
	handovers_close(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_on_its_way_comes_to_the_successor),
		cmocka_unit_test(half_of_them_are_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
