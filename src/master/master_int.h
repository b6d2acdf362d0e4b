/*
 * What the files of master.h share: master.c, the supervisor, and
 * master_open.c, what must be there before it can begin.
 */
#ifndef MASTER_MASTER_INT_H
#define MASTER_MASTER_INT_H

#include "master/master.h"
#include "sys/loop.h"
#include "sys/plat.h"

struct pidfile;

enum master_state { MASTER_STARTING, MASTER_SERVING, MASTER_LEAVING,
	MASTER_DRAINING, MASTER_STOPPING };

struct master {
	const struct master_params *p;
	enum master_state state;
	int		 code;		/* to exit with */
	int		 release_fd;	/* daemon_release(); -1: done, or -f */
	struct pidfile	*pidfile;
	struct plat_user user;
	bool		 become;	/* children become user */
	struct listen_set *listens;
	struct handovers *handovers;
	struct segment	*segment;
	struct sweep	*sweep;
	struct stats	*stats;
	struct loop	*loop;
	struct children	*children;
	uint64_t	 node_id;	/* as messages name this daemon */
	int		 signals_fd;
	struct loop_fd	 signals;
	struct loop_fd	 ring;		/* the segment asks for a sweep */
	struct timer	 tick;
	struct mono	 last_turn;
	struct mono	 next_second;
	struct mono	 next_watchdog;
	struct mono	 over;		/* the last state ends, at the latest */
	struct mono	 until;		/* LEAVING, DRAINING end */
	bool		 ready_due;	/* to the service manager */
	bool		 stats_lost;	/* the file can't be written, as logged */
};

/* In order; EX_OK, or what to exit with, having said why. */
int	master_open(struct master *);
/* What was opened, whether or not the rest followed. */
void	master_close(struct master *);
/* The children's group may look at a new stats file. */
void	master_give_stats(const struct master *);

#endif
