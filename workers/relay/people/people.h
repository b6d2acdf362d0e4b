/*
 * Who is where, when several hosts share a Redis: this folder's roof.  It
 * joins what each host says of itself (nodes), what it keeps of its own users
 * in Redis (truth), what it mirrors of the others' (mirror), and what is left
 * of those that are gone (remains).  The relay's far.c opens it, hands it what
 * the presence table tells, and gives it the end of each turn.
 */
#ifndef RELAY_PEOPLE_PEOPLE_H
#define RELAY_PEOPLE_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct conf;
struct loop;
struct people;
struct redis;
struct segment;
struct table_event;
struct table_relay;

struct people_params {
	const struct conf *conf;
	struct redis	*redis;
	struct loop	*loop;
	struct segment	*segment;
	uint64_t	 node_id;
	uint64_t	 keep_ms;	/* see mirror.h */
	void		*arg;		/* of both: */
	/* Append the seal of that name; take it off, false: it is wrong. */
	bool		(*seal)(void *arg, struct slice name, struct buf *);
	bool		(*unseal)(void *arg, struct slice name,
			    struct slice *message);
};

/* NULL: no memory.  To be freed before redis, which says good bye to the
 * others if it is flushed in between. */
struct people *people_new(const struct people_params *) MUST_USE;
void	people_free(struct people **);
/* The presence table; before anything of it is told. */
void	people_table(struct people *, struct table_relay *);
/*
 * Another one takes its place.  First it mirrors others no more, and goes on to
 * say who is here.  Then this host leaves: it says good bye and clears away
 * what it has in Redis, until it has left (or cannot).  Or it ends without a
 * word, if the other one is at the same place.
 */
void	people_step_back(struct people *);
void	people_leave(struct people *);
bool	people_left(const struct people *);
void	people_hush(struct people *);
/* Another configuration, the one before is there yet. */
void	people_conf(struct people *, const struct conf *);
/* What of it the workers are being told. */
void	people_event(struct people *, const struct table_event *);
/* How many other hosts are there, as far as is known. */
unsigned people_others(const struct people *);
/* The end of a turn, before redis is flushed. */
void	people_turn(struct people *);
/* The next turn is not to wait. */
bool	people_busy(const struct people *);

#endif
