/*
 * The children: one seat for the relay and one for each worker.  A seat is
 * for ever (its listening sockets are); the process in it comes and goes, and
 * with each process a slot of shared memory.
 *
 *	EMPTY ──spawn──► STARTING ──CONTROL_READY──► READY
 *	  ▲                  └──────────waitpid─────────┘
 *	  └──────────── reclaim, back off ──────────────┘
 *
 * Runs in the master only.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include "base/bug.h"
#include "master/says.h"
#include "role.h"
#include "sys/ipc.h"
#include "sys/loop.h"

struct children;
struct handovers;
struct listen_set;
struct load;
struct plat_user;
struct sweep;

struct children_params {
	struct loop	*loop;
	const struct conf *conf;
	const struct load *load;
	const struct listen_set *listens;
	const struct handovers *handovers;
	struct segment	*segment;
	struct sweep	*sweep;
	struct stats	*stats;
	const struct role *relay;
	const struct role *worker;
	unsigned	 nworkers;
	const struct plat_user *user;	/* children become it; NULL: stay */
	uint64_t	 node_id;
	struct mono	 started;	/* of the daemon */
	bool		 background;	/* children log to syslog */
	void		(*on_change)(void *arg); /* a child is ready, or gone */
	void		*arg;
};

enum seat_state { SEAT_EMPTY, SEAT_STARTING, SEAT_READY };

struct seat {
	struct children	*all;
	const struct role *role;
	unsigned	 worker;	/* number among the workers, 0... */
	enum seat_state	 state;
	pid_t		 pid;		/* the rest is valid unless EMPTY */
	unsigned	 slot;
	uint32_t	 generation;
	struct loop_fd	 control;	/* our end */
	struct says	 says;
	struct mono	 started;
	struct mono	 killed;	/* 0: no SIGKILL sent */
	bool		 stop_due;	/* CONTROL_STOP is still to be sent */
	/* buses.c */
	bool		 bus_due;	/* worker: needs a new stream */
	struct mono	 bus_made;	/* the last one */
	/* EMPTY */
	struct mono	 retry_at;
	uint64_t	 delay_ms;	/* before the next start but one */
};

/* What is going on, for the log and the service manager. */
struct children_count {
	unsigned	 workers, workers_ready;
	unsigned	 relays, relays_ready;
};

/* Seats for all, nobody in them yet.  NULL + errno. */
struct children *children_new(const struct children_params *) MUST_USE;
void	children_free(struct children **);	/* all must be dead */
/* After SIGCHLD: collect the dead, clean up, think of replacements. */
void	children_reap(struct children *, struct mono now);
/* About ten times a second: fill empty seats, kill the hung, retry. */
void	children_tick(struct children *, struct mono now);
/* After the master itself was stopped for a while: nobody has hung. */
void	children_excuse(struct children *, struct mono now);
/*
 * No more replacements.  Workers are told to stop (drain: spread over ms),
 * then the relay; who is left at kill_at is killed.
 */
void	children_stop(struct children *, bool drain, uint64_t ms,
	    struct mono kill_at);
void	children_kill(struct children *, struct mono now);
struct children_count children_count(const struct children *);
bool	children_all_ready(const struct children *);
/* Exit code of the first that ended unasked, 0: none did. */
int	children_failed(const struct children *);

/* --- for buses.c --------------------------------------------------------- */

struct seat *children_relay(struct children *);
struct seat *children_worker(struct children *, unsigned worker);
unsigned children_nworkers(const struct children *);
/* Send to the child in a seat: true when it went out. */
bool	children_tell(struct seat *, const struct ipc_msg *);

#endif
