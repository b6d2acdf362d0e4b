/*
 * The children: who sits in each seat (seat.h), from fork(2) to waitpid(2),
 * and the replacement of those who die.  Runs in the master only.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include "base/bug.h"
#include "master/seat.h"

struct children;
struct conf;
struct conf_source;
struct edition;
struct handovers;
struct listen_set;
struct plat_user;
struct record;
struct sweep;

/* Which workers there shall be.  All of it outlives the plan. */
struct children_plan {
	const struct edition *edition;	/* that they run by */
	const struct listen_set *listens; /* and accept at */
	unsigned	 nworkers;
	bool		 renew;		/* all anew; else who serves stays */
};

struct children_params {
	struct loop	*loop;
	struct children_plan first;
	const struct handovers *handovers;
	struct segment	*segment;
	struct sweep	*sweep;
	struct stats	*stats;
	const struct role *relay;
	const struct role *worker;
	const struct heritage_confine *confine;	/* NULL: none */
	const struct plat_user *user;	/* children become it; NULL: stay */
	uint64_t	 node_id;
	struct mono	 started;	/* of the daemon */
	bool		 background;	/* children log to syslog */
	bool		 to_file;	/* or to a file, which is our stderr */
	void		(*on_change)(void *arg); /* a child is ready, or gone */
	/* one that sits nowhere has ended */
	void		(*on_other)(void *arg, pid_t, int status);
	void		*arg;
};

/* Seats for all, nobody in them yet.  NULL + errno. */
struct children *children_new(const struct children_params *) MUST_USE;
void	children_free(struct children **);	/* all must be dead */
/* After SIGCHLD: collect the dead, clean up, think of replacements. */
void	children_reap(struct children *, struct mono now);
/* About ten times a second: fill empty seats, kill the hung, retry. */
void	children_tick(struct children *, struct mono now);
/* Each of those who are to serve does, and its heartbeat is no older than half
 * of what is taken for hung; false: this one is not.  Who is spared as held by a
 * debugger, or without a CPU, is alive. */
bool	children_beat(const struct children *, struct mono now,
	    const char **role, unsigned *slot) MUST_USE;
/* After the master itself was stopped for a while: nobody has hung. */
void	children_excuse(struct children *, struct mono now);
/* They go on when the master becomes another program: what that is told; */
void	children_keep(const struct children *, struct record *);
/*   and there, before the first tick, they sit where they sat.  Who is not
 * named is ended, and what nobody sits in any more is cleaned up.  Takes the
 * descriptors. */
void	children_adopt(struct children *, const struct record *);
/* Files that children read while they run may have changed: they are told. */
void	children_reread(struct children *);
/* The relay gets another configuration, parsed from that, which is that of
 * those who come, or serve.  -1 + errno: not now. */
int	children_send_conf(struct children *, const struct conf_source *,
	    const struct conf *) MUST_USE;
/* Workers are told that they will have to leave in ms, and say so to those who
 * ask; everything else goes on. */
void	children_leave_soon(struct children *, uint64_t ms);
/* Messages go to a file made anew, which is our stderr (file), or what they go
 * to is opened again: they are told. */
void	children_reopen_log(struct children *, bool file);
/*
 * No more replacements, but for a relay while workers drain: they need it until
 * the last client has gone.  Workers are told to stop (drain: spread over ms),
 * then the relay; who is left at kill_at is killed.
 */
void	children_stop(struct children *, bool drain, uint64_t ms,
	    struct mono kill_at);
void	children_kill(struct children *, struct mono now);

/* --- other workers than those that serve: children_turn.c ------------------ */

enum children_coming { COMING_NOT_YET, COMING_READY, COMING_FAILED };

/*
 * Those whom the plan has anew, or more, are started beside those who serve.
 * Only where nobody leaves any more.
 */
void	children_come(struct children *, const struct children_plan *,
	    struct mono now);
enum children_coming children_coming(const struct children *);
/*
 * READY: from now on they serve.  Those in whose place they are, or who are too
 * many, leave: what they have is their heirs', or drains over drain_ms; who
 * is left stop_ms after that is killed.
 */
void	children_turn(struct children *, uint64_t drain_ms, uint64_t stop_ms,
	    struct mono now);
/* NOT_YET, FAILED: they are not to serve after all, and leave themselves. */
void	children_turn_back(struct children *, uint64_t drain_ms,
	    uint64_t stop_ms, struct mono now);
/*
 * Another relay takes the place of the one there is, which gives out all that
 * the workers have sent to it first: children_relay.c.
 */
void	children_renew_relay(struct children *, struct mono now);
bool	children_relay_leaves(const struct children *);
/* It works by shared memory of another layout, that of the program before; so
 * nobody of that time gives anything away before the next one is there. */
bool	children_relay_is_former(const struct children *);
/* Nobody leaves. */
bool	children_turned(const struct children *);

/* --- as many connections for each: children_even.c ------------------------- */

/* Who has more than others gives to them.  Only where nobody leaves. */
void	children_even(struct children *, struct mono now);
/* Somebody does. */
bool	children_evens(const struct children *);

/* --- where nobody accepts: children_away.c --------------------------------- */

/*
 * Workers that newcomers are to be spared: they have died and are not replaced
 * for more than an instant, or stand still.  Asked whenever a child changed, and
 * at each tick.
 */
struct children_away {
	uint64_t	 workers;	/* those; the first is bit 0 */
	unsigned	 n;		/* how many these are, */
	unsigned	 stuck;		/*   of them, not dead, */
	unsigned	 of;		/*   of how many */
};
void	children_away(struct children *, struct mono now,
	    struct children_away *);

struct seats_count children_count(const struct children *);
bool	children_all_ready(const struct children *);
/* Exit code of the first that ended unasked, 0: none did. */
int	children_failed(const struct children *);

#endif
