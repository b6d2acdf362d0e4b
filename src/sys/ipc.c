/*
 * Messages between the master and its children: a type, a few fields, and at
 * most one descriptor, in one packet each.  The contract is ipc.h.
 *
 *	0 u16 type   2 u16 len   4 ... fields, in host order (same host)
 */
#include "sys/ipc.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define IPC_HEAD	4
#define IPC_FDS_MAX	4	/* room for more than we send, to refuse it */

union ipc_control {
	struct cmsghdr	 align;
	char		 bytes[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))];
};

int
ipc_pair(int fds[2])
{
	return (socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
}

void
ipc_init(struct ipc_msg *m, uint16_t type)
{
	m->type = type;
	m->len = 0;
	m->pos = 0;
	m->bad = false;
	m->fd = -1;
	m->fd_lost = false;
}

static void
ipc_put(struct ipc_msg *m, const void *p, size_t n)
{
	if (m->bad || n > (size_t)(IPC_MAX - m->len)) {
		m->bad = true;
		return;
	}
	if (n > 0)
		memcpy(m->data + m->len, p, n);
	m->len = (uint16_t)(m->len + n);
}

static const uint8_t *
ipc_get(struct ipc_msg *m, size_t n)
{
	const uint8_t *p;

	if (m->bad || n > (size_t)(m->len - m->pos)) {
		m->bad = true;
		return (NULL);
	}
	p = m->data + m->pos;
	m->pos = (uint16_t)(m->pos + n);
	return (p);
}

void
ipc_put_u32(struct ipc_msg *m, uint32_t v)
{
	ipc_put(m, &v, sizeof v);
}

void
ipc_put_u64(struct ipc_msg *m, uint64_t v)
{
	ipc_put(m, &v, sizeof v);
}

void
ipc_put_slice(struct ipc_msg *m, struct slice s)
{
	if (s.n > IPC_MAX) {
		m->bad = true;
		return;
	}
	ipc_put_u32(m, (uint32_t)s.n);
	ipc_put(m, s.p, s.n);
}

uint32_t
ipc_get_u32(struct ipc_msg *m)
{
	const uint8_t *p;
	uint32_t v = 0;

	p = ipc_get(m, sizeof v);
	if (p != NULL)
		memcpy(&v, p, sizeof v);
	return (v);
}

uint64_t
ipc_get_u64(struct ipc_msg *m)
{
	const uint8_t *p;
	uint64_t v = 0;

	p = ipc_get(m, sizeof v);
	if (p != NULL)
		memcpy(&v, p, sizeof v);
	return (v);
}

struct slice
ipc_get_slice(struct ipc_msg *m)
{
	const uint8_t *p;
	uint32_t n;

	n = ipc_get_u32(m);
	p = ipc_get(m, n);
	return (slice_of(p, p == NULL ? 0 : n));
}

bool
ipc_end(const struct ipc_msg *m)
{
	return (!m->bad && m->pos == m->len);
}

int
ipc_send(int sock, const struct ipc_msg *m)
{
	uint8_t packet[IPC_HEAD + IPC_MAX];
	union ipc_control control;
	struct cmsghdr *c;
	struct iovec iov;
	struct msghdr mh;
	ssize_t n;

	if (m->bad) {
		errno = EMSGSIZE;
		return (-1);
	}
	memcpy(packet, &m->type, 2);
	memcpy(packet + 2, &m->len, 2);
	memcpy(packet + IPC_HEAD, m->data, m->len);
	iov.iov_base = packet;
	iov.iov_len = (size_t)IPC_HEAD + m->len;
	memset(&mh, 0, sizeof mh);
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (m->fd != -1) {
		memset(&control, 0, sizeof control);
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	do
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return (errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1);
	return (1);
}

/*
 * Take the descriptors out of what came; false when there is not 0 or 1.  With
 * a full table the kernel drops what it cannot give us and delivers the rest
 * of the message.
 */
static bool
ipc_take_fds(struct msghdr *mh, int *fd, bool *lost)
{
	struct cmsghdr *c;
	size_t i, n;
	bool ok = true;
	int got;

	*fd = -1;
	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&got, CMSG_DATA(c) + i * sizeof got, sizeof got);
			if (*fd == -1) {
				*fd = got;
				continue;
			}
			(void)close(got);
			ok = false;
		}
	}
	*lost = (mh->msg_flags & MSG_CTRUNC) != 0;
	return (ok && !(*lost && *fd != -1)); /* then there were several */
}

int
ipc_recv(int sock, struct ipc_msg *m)
{
	uint8_t packet[IPC_HEAD + IPC_MAX];
	union ipc_control control;
	struct iovec iov = { packet, sizeof packet };
	struct msghdr mh;
	ssize_t n;

	ipc_init(m, 0);
	memset(&mh, 0, sizeof mh);
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	mh.msg_control = control.bytes;
	mh.msg_controllen = sizeof control.bytes;
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return (0);
	if (n == 0 || (n == -1 && errno == ECONNRESET))
		return (-2);
	if (n == -1)
		return (-1);
	if (!ipc_take_fds(&mh, &m->fd, &m->fd_lost) ||
	    (mh.msg_flags & MSG_TRUNC) || n < IPC_HEAD)
		goto bad;
	memcpy(&m->type, packet, 2);
	memcpy(&m->len, packet + 2, 2);
	if ((size_t)n - IPC_HEAD != m->len)
		goto bad;
	memcpy(m->data, packet + IPC_HEAD, m->len);
	return (1);
bad:
	if (m->fd != -1)
		(void)close(m->fd);
	ipc_init(m, 0);
	errno = EBADMSG;
	return (-1);
}
