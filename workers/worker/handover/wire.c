/*
 * The packets between giver and heir; see wire.h.
 *
 *	0 u32 magic   4 u32 type   8 u64 batch   16 u64 bits
 *	24 u32 items  28 u32 bytes 32 u32 nfds   36 u32 0
 *
 * in host order: it is the same host.  Longer ones are of a later version.
 */
#include "worker/handover/wire.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WIRE_MAGIC	0x726f4831u
#define WIRE_PACKET	40u
#define WIRE_LONGEST	256u

union wire_control {
	struct cmsghdr	 align;
	char		 bytes[CMSG_SPACE((1 + WIRE_FDS_MAX) * sizeof(int))];
};

void
wire_init(struct wire_msg *m, enum wire_type type, uint64_t batch)
{
	m->type = type;
	m->batch = batch;
	m->bits = 0;
	m->items = m->bytes = m->nfds = 0;
	m->got = 0;
}

void
wire_close(struct wire_msg *m)
{
	while (m->got > 0)
		(void)close(m->fds[--m->got]);
}

static void
wire_put(uint8_t packet[WIRE_PACKET], const struct wire_msg *m)
{
	const uint32_t words[] = { WIRE_MAGIC, (uint32_t)m->type };
	const uint32_t counts[] = { m->items, m->bytes, m->nfds, 0 };

	memcpy(packet, words, sizeof words);
	memcpy(packet + 8, &m->batch, sizeof m->batch);
	memcpy(packet + 16, &m->bits, sizeof m->bits);
	memcpy(packet + 24, counts, sizeof counts);
}

static bool
wire_get(const uint8_t *packet, size_t n, struct wire_msg *m)
{
	uint32_t words[2], counts[3];

	if (n < WIRE_PACKET)
		return (false);
	memcpy(words, packet, sizeof words);
	memcpy(&m->batch, packet + 8, sizeof m->batch);
	memcpy(&m->bits, packet + 16, sizeof m->bits);
	memcpy(counts, packet + 24, sizeof counts);
	m->type = (enum wire_type)words[1];
	m->items = counts[0];
	m->bytes = counts[1];
	m->nfds = counts[2];
	return (words[0] == WIRE_MAGIC && m->items <= WIRE_ITEMS_MAX &&
	    m->bytes <= WIRE_STATE_MAX && m->nfds <= 1 + WIRE_FDS_MAX &&
	    m->got <= m->nfds);
}

int
wire_send(int sock, const struct wire_msg *m)
{
	uint8_t packet[WIRE_PACKET];
	union wire_control control;
	struct iovec iov = { packet, sizeof packet };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t n = m->nfds * sizeof(int);
	struct cmsghdr *c;
	ssize_t r;

	wire_put(packet, m);
	if (n > 0) {
		memset(&control, 0, sizeof control);
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(n);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n);
		memcpy(CMSG_DATA(c), m->fds, n);
	}
	do
		r = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r == -1 && errno == EINTR);
	if (r == -1)
		return (errno == EAGAIN || errno == ENOBUFS ||
		    errno == ENOMEM ? 0 : -1);
	return (1);
}

/* With a full table the kernel gives us those for which there is room. */
static void
wire_take_fds(struct msghdr *mh, struct wire_msg *m)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (m->got < 1 + WIRE_FDS_MAX)
				m->fds[m->got++] = fd;
			else
				(void)close(fd);
		}
	}
}

int
wire_recv(int sock, struct wire_msg *m)
{
	uint8_t packet[WIRE_LONGEST];
	union wire_control control;
	struct iovec iov = { packet, sizeof packet };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	ssize_t n;

	wire_init(m, 0, 0);
	do
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return (0);
	if (n == -1 && (errno == ENOBUFS || errno == ENOMEM))
		return (-1);
	if (n <= 0)
		return (-2);
	wire_take_fds(&mh, m);
	if (!(mh.msg_flags & MSG_TRUNC) && wire_get(packet, (size_t)n, m))
		return (1);
	wire_close(m);
	return (-2);
}

/* --- the state ------------------------------------------------------------ */

int
wire_state_put(struct slice s)
{
	int fd, error;
	ssize_t n;

	fd = memfd_create("roostd-move", MFD_CLOEXEC);
	if (fd == -1)
		return (-1);
	while (s.n > 0) {
		n = write(fd, s.p, s.n);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n == 0 ? EIO : errno;
			(void)close(fd);
			errno = error;
			return (-1);
		}
		s = slice_from(s, (size_t)n);
	}
	return (fd);
}

bool
wire_state_get(int fd, uint32_t bytes, struct buf *b)
{
	struct stat st;
	size_t left = bytes;
	ssize_t n;
	off_t at = 0;

	if (fstat(fd, &st) == -1 || st.st_size != (off_t)bytes)
		return (false);
	if (!buf_reserve(b, bytes)) {
		b->oom = false;
		return (false);
	}
	while (left > 0) {
		n = pread(fd, b->data + b->wpos, left, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (false);
		b->wpos += (size_t)n;
		at += n;
		left -= (size_t)n;
	}
	return (true);
}
