/* Messages between master and children. */
#include "sys/ipc.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/lib/check.h"

static int pair[2];

static int
set_up(void **state)
{
	(void)state;
	return (ipc_pair(pair));
}

static int
tear_down(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return (0);
}

static void
fields_come_out_as_they_went_in(void **state)
{
	struct ipc_msg in, out;
	struct slice s;

	(void)state;
	ipc_init(&in, 7);
	ipc_put_u32(&in, 0xdeadbeef);
	ipc_put_slice(&in, SLICE("a\0b"));
	ipc_put_u64(&in, UINT64_MAX - 1);
	ipc_put_slice(&in, slice_of(NULL, 0));
	assert_int_equal(ipc_send(pair[0], &in), 1);
	assert_int_equal(ipc_recv(pair[1], &out), 1);
	assert_int_equal(out.type, 7);
	assert_int_equal(out.fd, -1);
	assert_int_equal(ipc_get_u32(&out), 0xdeadbeef);
	s = ipc_get_slice(&out);
	assert_slice(s, "a\0b");
	assert_false(ipc_end(&out));
	assert_true(ipc_get_u64(&out) == UINT64_MAX - 1);
	s = ipc_get_slice(&out);
	assert_int_equal(s.n, 0);
	assert_true(ipc_end(&out));
}

static void
reading_beyond_the_end_is_noticed(void **state)
{
	struct ipc_msg m;

	(void)state;
	ipc_init(&m, 1);
	ipc_put_u32(&m, 5);
	assert_true(ipc_get_u64(&m) == 0);
	assert_false(ipc_end(&m));
	/* and stays so, even if a smaller field would fit */
	assert_int_equal(ipc_get_u32(&m), 0);
	assert_false(ipc_end(&m));
}

static void
a_slice_longer_than_the_message_is_noticed(void **state)
{
	struct ipc_msg m;

	(void)state;
	ipc_init(&m, 1);
	ipc_put_u32(&m, UINT32_MAX); /* a length */
	ipc_put_u32(&m, 0);
	assert_int_equal(ipc_get_slice(&m).n, 0);
	assert_false(ipc_end(&m));
}

static void
what_is_left_over_is_noticed(void **state)
{
	struct ipc_msg m;

	(void)state;
	ipc_init(&m, 1);
	ipc_put_u32(&m, 1);
	ipc_put_u32(&m, 2);
	(void)ipc_get_u32(&m);
	assert_false(ipc_end(&m));
}

static void
a_message_may_be_full_but_not_fuller(void **state)
{
	static uint8_t bytes[IPC_MAX];
	struct ipc_msg m, got;

	(void)state;
	ipc_init(&m, 1);
	ipc_put_slice(&m, slice_of(bytes, IPC_MAX - 4));
	assert_false(m.bad);
	assert_int_equal(ipc_send(pair[0], &m), 1);
	assert_int_equal(ipc_recv(pair[1], &got), 1);
	assert_int_equal(ipc_get_slice(&got).n, IPC_MAX - 4);
	assert_true(ipc_end(&got));

	ipc_put_u32(&m, 1);
	assert_true(m.bad);
	assert_int_equal(ipc_send(pair[0], &m), -1);
	assert_int_equal(errno, EMSGSIZE);

	ipc_init(&m, 1);
	ipc_put_slice(&m, slice_of(bytes, SIZE_MAX));
	assert_true(m.bad);
}

static void
a_descriptor_travels_with_its_message(void **state)
{
	struct ipc_msg m, got;
	int fds[2];
	char c;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	ipc_init(&m, 3);
	m.fd = fds[1];
	assert_int_equal(ipc_send(pair[0], &m), 1);
	(void)close(fds[1]); /* not closed by the sending */
	assert_int_equal(ipc_recv(pair[1], &got), 1);
	assert_int_not_equal(got.fd, -1);
	assert_int_equal(fcntl(got.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(got.fd, "x", 1), 1);
	assert_int_equal(read(fds[0], &c, 1), 1);
	(void)close(got.fd);
	(void)close(fds[0]);
}

/* A packet as a stranger might send it. */
static void
send_raw(const void *p, size_t n, const int *fds, size_t nfds)
{
	char bytes[64];
	struct iovec iov = { bytes, n };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	assert_true(n <= sizeof bytes);
	memcpy(bytes, p, n);
	memset(&control, 0, sizeof control);
	if (nfds > 0) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	assert_int_equal(sendmsg(pair[0], &mh, 0), (ssize_t)n);
}

static void
malformed_packets_are_refused(void **state)
{
	static const uint8_t whole[] = { 1, 0, 2, 0, 'a', 'b' };
	struct ipc_msg m;
	size_t n;

	(void)state;
	for (n = 1; n < sizeof whole; n++) {
		send_raw(whole, n, NULL, 0);
		assert_int_equal(ipc_recv(pair[1], &m), -1);
		assert_int_equal(errno, EBADMSG);
	}
	send_raw(whole, sizeof whole, NULL, 0);
	assert_int_equal(ipc_recv(pair[1], &m), 1);
}

static unsigned
count_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return (n);
}

static void
descriptors_of_refused_packets_do_not_leak(void **state)
{
	static const uint8_t good[] = { 1, 0, 0, 0 }, bad[] = { 1, 0, 9, 0 };
	const int fds[8] = { 0, 1, 2, 0, 1, 2, 0, 1 };
	struct ipc_msg m;
	unsigned before;

	(void)state;
	before = count_fds();
	send_raw(bad, sizeof bad, fds, 1);
	assert_int_equal(ipc_recv(pair[1], &m), -1);
	send_raw(good, sizeof good, fds, 2); /* one too many */
	assert_int_equal(ipc_recv(pair[1], &m), -1);
	send_raw(good, sizeof good, fds, 8); /* more than there is room for */
	assert_int_equal(ipc_recv(pair[1], &m), -1);
	assert_int_equal(m.fd, -1);
	assert_int_equal(count_fds(), before);
}

/* The table is full: the message comes all the same, and is not the end. */
static void
a_descriptor_that_finds_no_room_is_told(void **state)
{
	struct rlimit old, none;
	struct ipc_msg m, got;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	ipc_init(&m, 3);
	ipc_put_u32(&m, 77);
	m.fd = fds[1];
	assert_int_equal(ipc_send(pair[0], &m), 1);
	m.fd = -1;
	assert_int_equal(ipc_send(pair[0], &m), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(ipc_recv(pair[1], &got), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(got.fd, -1);
	assert_true(got.fd_lost);
	assert_int_equal(got.type, 3);
	assert_int_equal(ipc_get_u32(&got), 77);
	assert_true(ipc_end(&got));
	/* and what follows is as ever */
	assert_int_equal(ipc_recv(pair[1], &got), 1);
	assert_false(got.fd_lost);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
the_end_and_emptiness_are_told_apart(void **state)
{
	struct ipc_msg m;

	(void)state;
	assert_int_equal(ipc_recv(pair[1], &m), 0);
	(void)close(pair[0]);
	assert_int_equal(ipc_recv(pair[1], &m), -2);
	ipc_init(&m, 1);
	assert_int_equal(ipc_send(pair[1], &m), -1); /* no SIGPIPE */
	assert_int_equal(errno, EPIPE);
	pair[0] = -1;
}

static void
a_full_socket_would_block(void **state)
{
	struct ipc_msg m;
	int r;

	(void)state;
	ipc_init(&m, 1);
	ipc_put_u64(&m, 1);
	while ((r = ipc_send(pair[0], &m)) == 1)
		continue;
	assert_int_equal(r, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(fields_come_out_as_they_went_in),
		T(reading_beyond_the_end_is_noticed),
		T(a_slice_longer_than_the_message_is_noticed),
		T(what_is_left_over_is_noticed),
		T(a_message_may_be_full_but_not_fuller),
		T(a_descriptor_travels_with_its_message),
		T(malformed_packets_are_refused),
		T(descriptors_of_refused_packets_do_not_leak),
		T(a_descriptor_that_finds_no_room_is_told),
		T(the_end_and_emptiness_are_told_apart),
		T(a_full_socket_would_block),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
