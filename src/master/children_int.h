/*
 * What the files of children.h share: children.c (who is there, and what they
 * say), children_birth.c and children_end.c.
 */
#ifndef MASTER_CHILDREN_INT_H
#define MASTER_CHILDREN_INT_H

#include "master/children.h"
#include "master/conf_send.h"

struct children {
	unsigned	 magic;
#define CHILDREN_MAGIC	0xc417d4e1
	struct children_params p;
	struct children_plan now;	/* who serves */
	struct children_plan next;	/* who is to come */
	unsigned	 issue;		/* generation of workers; theirs is the
					 * next, where all come anew */
	bool		 even;		/* connections are given for it, */
	struct mono	 even_over;	/*   until then */
	bool		 coming_failed;	/* one of them ended, or did not begin */
	uint32_t	 generation;	/* last one given */
	int		 failed;	/* exit code of the first failure */
	struct mono	 excused;	/* heartbeats count from here */
	bool		 stopping;
	bool		 soon;		/* workers know that they will have to */
	enum control_stop how;		/* stopping or soon */
	uint64_t	 stop_ms;
	struct mono	 kill_at;
	bool		 log_file;	/* log_due: with our stderr */
	struct conf_send conf_send;
	bool		 reread_due;	/* the relay is still to be told */
	int		 store_fd;	/* of the relay before, or -1 */
	struct seats	*seats;		/* owned */
};

/* The seats of those who serve, as c->now has it. */
void	children_seat_all(struct children *);
/* The gauges, for who says so otherwise. */
void	children_recount(struct children *);
/* Somebody became ready, or is gone: say so. */
void	children_changed(struct children *);
/* Read what the child in a seat says; the seat's control socket. */
void	children_control(struct loop_fd *, unsigned events);

/* A new child for an empty seat; what fails is tried again later. */
void	children_spawn(struct seat *, struct mono now);
/* When the next try is due: at once, then later and later. */
void	children_back_off(struct seat *, struct mono now);

/* They have not been told yet: do it. */
void	children_tell_due(struct children *);
/* Is the relay's seat to be filled though the others are leaving? */
bool	children_need_relay(const struct children *);
/* children_watch.c: does it still turn?  About ten times a second. */
void	children_watch(struct seat *, struct mono now);
void	children_kill_one(struct seat *, struct mono now);
/* A seat that is for nobody now. */
void	children_left(struct seat *);
/* Somebody who is to leave: what is to be done now. */
void	children_leave_step(struct seat *, struct mono now);
void	children_even_step(struct children *, struct mono now);
/* children_relay.c: what is to be said now; it says that it will end; it has
 * ended, with all given out or not. */
void	children_relay_step(struct children *, struct mono now);
void	children_relay_heard(struct children *);
void	children_relay_ended(struct children *, bool all, struct mono now);
/* It leaves this to the next one; there is none any more. */
void	children_relay_saved(struct children *, struct ipc_msg *);
void	children_relay_forget(struct children *);
/* The relay carries the workers' last words: it goes when they are gone. */
void	children_stop_step(struct children *, struct mono now);

#endif
