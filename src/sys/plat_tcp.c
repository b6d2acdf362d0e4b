/*
 * A connection as the kernel's TCP has known it (tcp(7), TCP_INFO), which costs
 * nobody anything until it is asked.  Apart from plat_linux.c: the kernel's
 * header, which has it all, does not go with the C library's.
 */
#include "sys/plat.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string.h>

bool
plat_tcp(int fd, struct plat_tcp *t)
{
	struct tcp_info ti;
	socklen_t n = sizeof ti;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n) == -1)
		return (false);
	if (n < sizeof ti)		/* an older kernel knows less */
		memset((uint8_t *)&ti + n, 0, sizeof ti - n);
	t->in = ti.tcpi_bytes_received;
	t->out = ti.tcpi_bytes_sent - ti.tcpi_bytes_retrans;
	/* its FIN is acknowledged as one byte more */
	t->unacked = t->out > ti.tcpi_bytes_acked ?
	    t->out - ti.tcpi_bytes_acked : 0;
	t->unacked += ti.tcpi_notsent_bytes;
	t->rtt_us = ti.tcpi_rtt;
	t->in_ms = ti.tcpi_last_data_recv;
	t->out_ms = ti.tcpi_last_data_sent;
	return (true);
}
