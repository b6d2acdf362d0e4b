/*
 * Sockets that listen: several at one address, which of them is connected to, and
 * who waits there; and what the kernel holds for a socket.
 */
#include "sys/plat.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string.h>

int
plat_reuseport(int fd)
{
	int on = 1;

	return (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
}

/* Which of them the k-th is, in the accumulator: as many more as lack up to it,
 * counted upwards.  The code's length. */
static unsigned short
plat_reuseport_skip(struct sock_filter *code, unsigned n, uint64_t without)
{
	unsigned short len = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		if ((without >> i & 1) == 0)
			continue;
		code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE |
		    BPF_K, i, 0, 1);
		code[len++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD |
		    BPF_K, 1);
	}
	return (len);
}

int
plat_reuseport_some(int fd, unsigned n, uint64_t without)
{
	struct sock_filter code[2 + 2 * PLAT_REUSEPORT_MAX + 1];
	struct sock_fprog program = { 0, code };
	unsigned i, left = 0;

	MUST(n <= PLAT_REUSEPORT_MAX);
	for (i = 0; i < n; i++)
		left += (without >> i & 1) == 0;
	MUST(left > 0);
	/* a random number each: what else a SYN has may be nothing, on the
	 * way from this host */
	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
	code[1] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, left);
	program.len = (unsigned short)(2 +
	    plat_reuseport_skip(code + 2, n, without));
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	return (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
	    sizeof program));
}

int
plat_reuseport_all(int fd)
{
	int on = 1;

	return (setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &on,
	    sizeof on));
}

int
plat_listen_waiting(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof info;

	memset(&info, 0, sizeof info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == -1)
		return (-1);
	/* of a socket that listens: how many are in its queue */
	return ((int)info.tcpi_unacked);
}

void
plat_accept_with_data(int fd)
{
	int seconds = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
	    sizeof seconds);
}

void
plat_socket_buffers(int fd, int bytes)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	/* beyond net.core.*mem_max only with CAP_NET_ADMIN */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
}
