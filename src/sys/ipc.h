/*
 * Typed messages with at most one descriptor each over AF_UNIX SEQPACKET:
 * the master's link with each child.  Fields are added and read in order,
 * every read is bounds-checked, and nothing may be left over.
 */
#ifndef SYS_IPC_H
#define SYS_IPC_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

#define IPC_MAX	4096

struct ipc_msg {
	uint16_t	 type;
	uint16_t	 len;		/* bytes of data */
	uint16_t	 pos;		/* read so far */
	bool		 bad;		/* a read went beyond the end */
	int		 fd;		/* -1: none; the receiver owns it */
	bool		 fd_lost;	/* one was sent and could not be taken:
					 * too many are open here */
	uint8_t		 data[IPC_MAX];
};

int	ipc_pair(int fds[2]) MUST_USE;	/* SEQPACKET, CLOEXEC, non-blocking */
void	ipc_init(struct ipc_msg *, uint16_t type);
void	ipc_put_u32(struct ipc_msg *, uint32_t);
void	ipc_put_u64(struct ipc_msg *, uint64_t);
void	ipc_put_slice(struct ipc_msg *, struct slice);
uint32_t ipc_get_u32(struct ipc_msg *);
uint64_t ipc_get_u64(struct ipc_msg *);
struct slice ipc_get_slice(struct ipc_msg *);	/* into data */
bool	ipc_end(const struct ipc_msg *);	/* all read, none missing */
/* 1 sent; 0 would block; -1 + errno. msg->fd is passed along, not closed. */
int	ipc_send(int sock, const struct ipc_msg *) MUST_USE;
/*
 * 1 got one; 0 nothing now; -2 the other end is gone.  -1 + errno: something
 * malformed was thrown away (EBADMSG), or memory is short for now; only -2 is
 * the end.
 */
int	ipc_recv(int sock, struct ipc_msg *) MUST_USE;

#endif
