/*
 * The seats of the children: one for the relay and one for each worker.  A
 * seat is for ever (its listening sockets are); the process in it comes and
 * goes, and with each process a slot of shared memory.
 *
 *	EMPTY ──spawn──► STARTING ──CONTROL_READY──► READY
 *	  ▲                  └──────────waitpid─────────┘
 *	  └──────────── reclaim, back off ──────────────┘
 *
 * Who sits down and gets up is the affair of children.h.  Runs in the master
 * only.
 */
#ifndef MASTER_SEAT_H
#define MASTER_SEAT_H

#include "base/bug.h"
#include "master/says.h"
#include "role.h"
#include "sys/ipc.h"
#include "sys/loop.h"

struct children;

enum seat_state { SEAT_EMPTY, SEAT_STARTING, SEAT_READY };

struct seat {
	struct seats	*all;
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
	bool		 log_due;	/* CONTROL_LOG is still to be sent */
	bool		 stop_due;	/* CONTROL_STOP is still to be sent */
	/* buses.c */
	bool		 bus_due;	/* worker: needs a new stream */
	bool		 bus_held;	/* it died with envelopes for the relay */
	struct mono	 bus_made;	/* the last one */
	/* children_watch.c */
	uint64_t	 turns;		/* of its loop, as last seen, */
	unsigned	 looks;		/*   and looks since that saw the same */
	bool		 suspect;	/* half of its time is over */
	bool		 traced;	/* as logged */
	int64_t		 cpu_us;	/* used, when it became suspect */
	struct mono	 watched;	/* what was before is forgiven */
	/* EMPTY */
	struct mono	 retry_at;
	uint64_t	 delay_ms;	/* before the next start but one */
};

struct seats {
	unsigned	 magic;
#define SEATS_MAGIC	0x5ea75ea7
	struct loop	*loop;
	struct children	*children;	/* whose they are */
	unsigned	 n;		/* the relay's is the first */
	struct seat	 seat[];
};

/* What is going on, for the log and the service manager. */
struct seats_count {
	unsigned	 workers, workers_ready;
	unsigned	 relays, relays_ready;
};

/* For all, nobody in them yet.  NULL + errno. */
struct seats *seats_new(struct loop *, const struct role *relay,
	    const struct role *worker, unsigned nworkers) MUST_USE;
void	seats_free(struct seats **);	/* all must be empty */
struct seat *seats_relay(struct seats *);
struct seat *seats_worker(struct seats *, unsigned worker);
unsigned seats_nworkers(const struct seats *);
struct seats_count seats_count(const struct seats *);

/* Send to the child in a seat: true when it went out. */
bool	seat_tell(struct seat *, const struct ipc_msg *);
/* Close our end of its control socket, if it is open. */
void	seat_hang_up(struct seat *);

#endif
