/*
 * The children: who sits in each seat (seat.h), from fork(2) to waitpid(2),
 * and the replacement of those who die.  Runs in the master only.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include "base/bug.h"
#include "master/seat.h"

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

/* Seats for all, nobody in them yet.  NULL + errno. */
struct children *children_new(const struct children_params *) MUST_USE;
void	children_free(struct children **);	/* all must be dead */
/* After SIGCHLD: collect the dead, clean up, think of replacements. */
void	children_reap(struct children *, struct mono now);
/* About ten times a second: fill empty seats, kill the hung, retry. */
void	children_tick(struct children *, struct mono now);
/* After the master itself was stopped for a while: nobody has hung. */
void	children_excuse(struct children *, struct mono now);
/* Files that children read while they run may have changed: they are told. */
void	children_reread(struct children *);
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
struct seats_count children_count(const struct children *);
bool	children_all_ready(const struct children *);
/* Exit code of the first that ended unasked, 0: none did. */
int	children_failed(const struct children *);

#endif
