/*
 * The seats of the children: one for the relay, and two for each worker (its
 * number means its listening sockets), so that the next one can sit down before
 * the last one has left.  The process in a seat comes and goes, and with each
 * process a slot of shared memory.
 *
 *	EMPTY ──spawn──► STARTING ──CONTROL_READY──► READY
 *	  ▲                  └──────────waitpid─────────┘
 *	  └──────────── reclaim, back off ──────────────┘
 *
 * What is to become of it:
 *
 *	SPARE ──► COMING ──all of them READY──► SERVING ──► LEAVING ──► SPARE
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
struct edition;
struct listen_set;

enum seat_state { SEAT_EMPTY, SEAT_STARTING, SEAT_READY };

enum seat_standing {
	SEAT_SPARE,		/* nobody is to be in it */
	SEAT_SERVING,		/* who dies is replaced */
	SEAT_COMING,		/* will serve, when all are there that come */
	SEAT_LEAVING		/* gives all away, ends, is not replaced */
};

struct seat {
	struct seats	*all;
	const struct role *role;
	unsigned	 worker;	/* number among the workers, 0... */
	enum seat_standing standing;
	enum seat_state	 state;
	/* who sits down is born with these */
	const struct edition *edition;
	const struct listen_set *listens;
	unsigned	 issue;		/* generation of workers that it is of */
	pid_t		 pid;		/* the rest is valid unless EMPTY */
	unsigned	 slot;
	uint32_t	 generation;
	struct loop_fd	 control;	/* our end */
	struct says	 says;
	struct mono	 started;
	struct mono	 killed;	/* 0: no SIGKILL sent */
	/* children_turn.c, LEAVING */
	struct mono	 hold;		/* not before */
	struct mono	 over;		/* told to end now; */
	struct mono	 kill_at;	/*   killed */
	bool		 spreads;	/* to several, the last of them gets all */
	bool		 last_heir;	/* it was told of that one */
	bool		 hurried;	/* told to end */
	/* pairs.c: whom it was told to give to, as it was then */
	struct seat	*heir;
	uint32_t	 heir_generation;
	bool		 gives;		/* has not said that it has */
	unsigned	 shares;	/* so many times, */
	uint64_t	 amount;	/*   connections now, about */
	bool		 log_due;	/* CONTROL_LOG is still to be sent */
	bool		 stop_due;	/* CONTROL_STOP is still to be sent */
	/* children_relay.c: another relay is to come */
	bool		 ending;	/* relay: reads all, and ends */
	bool		 end_due;	/* is still to be told so */
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
	bool		 stuck;		/* it was suspect, and has not turned */
	/* children_away.c, also EMPTY */
	struct mono	 gone;		/* who served ended then; 0: it serves */
	bool		 away;		/* newcomers are led to others */
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
	struct seat	 seat[];	/* they stay where they are */
};

/* What is going on, for the log and the service manager.  Ready workers that
 * leave are not counted as such. */
struct seats_count {
	unsigned	 workers, workers_ready;
	unsigned	 relays, relays_ready;
	unsigned	 coming, leaving; /* of the workers */
	unsigned	 generations;	/* that workers are of */
};

/* For so many workers at most, nobody in them yet; all but the relay's are
 * SPARE.  NULL + errno. */
struct seats *seats_new(struct loop *, const struct role *relay,
	    const struct role *worker, unsigned max_workers) MUST_USE;
void	seats_free(struct seats **);	/* all must be empty */
struct seat *seats_relay(struct seats *);
/* The one of that standing for this worker, or NULL. */
struct seat *seats_find(struct seats *, unsigned worker, enum seat_standing);
unsigned seats_max_workers(const struct seats *);
/* How many seats are of that standing. */
unsigned seats_standing(const struct seats *, enum seat_standing);
struct seats_count seats_count(const struct seats *);
/* Workers' seats, whoever is in them. */
#define SEATS_FOREACH_WORKER(s, all)					\
	for ((s) = (all)->seat + 1; (s) < (all)->seat + (all)->n; (s)++)

/* Send to the child in a seat: true when it went out. */
bool	seat_tell(struct seat *, const struct ipc_msg *);
/* Close our end of its control socket, if it is open. */
void	seat_hang_up(struct seat *);

#endif
