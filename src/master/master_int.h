/*
 * What the files of master.h share: master.c, the supervisor; master_open.c,
 * what must be there before it can begin; master_turn.c, other workers than
 * those that serve; master_reload.c, by another configuration; master_report.c,
 * what becomes of all that; master_manager.c, what the service manager is told;
 * master_former.c, shared memory that is not ours.
 */
#ifndef MASTER_MASTER_INT_H
#define MASTER_MASTER_INT_H

#include "master/master.h"
#include "sys/board.h"
#include "sys/loop.h"
#include "sys/plat.h"

struct children_plan;
struct edition;
struct former;
struct pidfile;
struct record;
struct trial;

enum master_state { MASTER_STARTING, MASTER_SERVING, MASTER_LEAVING,
	MASTER_DRAINING, MASTER_STOPPING };

enum master_turn {
	TURN_NONE,
	TURN_COMING,		/* others are started, */
	TURN_GOING		/*   and serve: those before leave */
};

struct master {
	const struct master_params *p;
	enum master_state state;
	struct edition	*edition;	/* in force */
	unsigned	 workers;	/* to be there */
	/* master_turn.c */
	enum master_turn turn;
	struct edition	*next;		/* not in force yet; NULL: the same */
	struct listen_set *next_listens;
	unsigned	 next_workers;
	struct mono	 turn_begun;
	struct mono	 turn_over;	/* COMING */
	bool		 reloaded;	/* GOING: from one configuration to
					 * another */
	unsigned	 asked_workers;	/* by the configuration in force */
	bool		 reload_due;	/* when TURN_NONE is reached */
	bool		 even_due;	/* after it */
	int		 resize_due;	/* workers more or less, then */
	uint64_t	 away;		/* newcomers are led past these workers,
					 * as logged; */
	bool		 unled;		/*   or could not be */
	/* master_upgrade.c */
	bool		 upgrade_due;	/* when TURN_NONE is reached */
	struct trial	*trial;		/* of another binary; NULL: none */
	int		 exe_fd;	/* this one; -1: not opened yet */
	struct record	*adopted;	/* with descriptors that became ours;
					 * NULL once they are */
	bool		 upgrading;	/* this one is not found good yet, */
	const char	*back_why;	/*   and was not; NULL: not so far */
	bool		 relay_due;	/* the relay is to be replaced */
	int		 code;		/* to exit with */
	int		 release_fd;	/* daemon_release(); -1: done, or -f */
	struct pidfile	*pidfile;
	struct plat_user user;
	bool		 become;	/* children become user */
	struct listen_set *listens;
	struct handovers *handovers;
	struct segment	*segment;
	struct former	*former;	/* that of the program before is followed
					 * by it; NULL: it is that */
	struct sweep	*sweep;
	struct stats	*stats;
	struct loop	*loop;
	struct children	*children;
	uint64_t	 node_id;	/* as messages name this daemon */
	struct mono	 started;	/* the daemon, by whatever binary */
	unsigned	 room;		/* for workers, in shared memory */
	struct board	*board;		/* NULL: no memory for it */
	enum board_task	 task;		/* at work; BOARD_NOTHING: none */
	bool		 even_asked;	/* even_due: by a signal */
	int		 signals_fd;
	struct loop_fd	 signals;
	struct loop_fd	 ring;		/* the segment asks for a sweep */
	struct timer	 tick;
	struct mono	 last_turn;
	struct mono	 next_second;
	struct mono	 next_watchdog;
	struct mono	 over;		/* the last state ends, at the latest */
	struct mono	 until;		/* LEAVING, DRAINING end */
	bool		 ready_due;	/* to the service manager: not taken yet */
	bool		 starves;	/* its watchdog, as logged */
	char		 trouble[160];	/* of the last reload or upgrade, for
					 * it; "": none */
	bool		 counts_keys;	/* there is memory for it */
	bool		 stats_lost;	/* the file can't be written, as logged */
};

/* In order; EX_OK, or what to exit with, having said why. */
int	master_open(struct master *);
/* What is too small for the configuration in force is logged. */
void	master_check_host(const struct master *);
/* In place of all that, for what another program has left, m->p->pass: up to
 * the first turn of the loop. */
int	master_continue(struct master *);
/* With what was opened: the children, and who is listened to. */
int	master_gather(struct master *);
/* Steps of both: who children become; m->stats is there. */
int	master_open_user(struct master *);
void	master_attach_stats(struct master *);
/* What was opened, whether or not the rest followed. */
void	master_close(struct master *);
/* Namespaces have counters. */
void	master_name_namespaces(const struct master *, const struct conf *);

/* --- master_turn.c --------------------------------------------------------*/

/*
 * Other workers, by m->next (taken, also when it fails) or as now; false: with
 * nothing changed, and logged.  Only in TURN_NONE.
 */
bool	master_turn_begin(struct master *, unsigned workers, bool renew)
	    MUST_USE;
/* Asked whenever a child changed, and at each tick. */
void	master_turn_step(struct master *, struct mono now);
/* Newcomers are led to workers who accept: asked after that. */
void	master_lead(struct master *, struct mono now);
/* Who was to come will not; those who leave go on leaving. */
void	master_turn_back(struct master *);
/* The relay, which stays, has another configuration from now on; false: no
 * memory, logged. */
bool	master_tell_relay(const struct master *, const struct edition *);
/* HUP, TTIN, TTOU, WINCH: now, or when it is possible. */
void	master_want_reload(struct master *);
void	master_want_workers(struct master *, int more);
void	master_want_even(struct master *);
/* Something is due: now, or when it is possible. */
void	master_want(struct master *);

/* --- master_reload.c ------------------------------------------------------*/

/* The configuration read again, and compared with the one in force; NULL: it
 * cannot be, as logged. */
struct edition *master_reload_next(struct master *) MUST_USE;
/* That, and begun. */
void	master_reload(struct master *);
/* m->next is in force. */
void	master_reloaded(struct master *);
void	master_reload_failed(struct master *);

/* --- master_upgrade.c -----------------------------------------------------*/

/* All that another program has left is ours: go on, and see how it goes. */
void	master_adopted(struct master *);

/* USR2: now, or when it is possible. */
void	master_want_upgrade(struct master *);
/* Another binary is tried, and becomes this process. */
void	master_upgrade(struct master *);
/* We are that binary, and our workers serve. */
void	master_upgraded(struct master *);
/* They do not, and have gone: become the one before. */
void	master_upgrade_back(struct master *);
/* There is no next and no former one: we end. */
void	master_upgrade_forget(struct master *);

/* --- master_manager.c: to the service manager -----------------------------*/

/* A signal asks for another configuration or program. */
void	master_notify_begins(struct master *);
/* We serve; as long as something of that kind is not over, no more than how it
 * goes.  It is said until it is taken. */
void	master_notify_ready(struct master *);
void	master_notify_status(const struct master *);
/* What failed and why, the first time: in each status until the next try. */
void	master_trouble(struct master *, const char *what, const char *why);
/* Whoever takes longer than it was told is killed, unless it says in time that
 * it is to be waited for: each second. */
void	master_need_time(const struct master *, struct mono now);
/* So long it waits, when it is asked for ms. */
uint64_t master_extended_ms(uint64_t ms);
/* As long as all of us are there and turn. */
void	master_feed_watchdog(struct master *, struct mono now);

/* --- master_former.c: shared memory of another layout ----------------------*/

/* For who has another one: what is in ours, as a descriptor; -1 + errno. */
int	master_former_pass(const struct master *) MUST_USE;
/* That there is one, m->segment becomes ours, which follows it: EX_OK, or what to
 * exit with.  Its descriptors are taken. */
int	master_former_open(struct master *, const struct record *);
/* For the way back, it is what there is. */
void	master_former_keep(const struct master *, struct record *);
/* About ten times a second: both are as one, until nobody is in it. */
void	master_former_step(struct master *);
void	master_former_close(struct master *);

/* --- master_report.c: to who sends signals --------------------------------*/

void	master_open_board(struct master *);
void	master_close_board(struct master *);
/* Facts have changed. */
void	master_tell(struct master *);
/* Which system calls children have, in a word. */
const char *master_seccomp(const struct master *);
/* What was asked for is begun: what is logged until it is over is about it.
 * False: something else is at work, and that is what the log is about. */
bool	master_begins(struct master *, enum board_task);
void	master_ends(struct master *, enum board_task, bool done);

/* The children's group may look at a new stats file. */
void	master_give_stats(const struct master *);

#endif
