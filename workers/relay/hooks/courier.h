/*
 * What takes the entries of one namespace to its hook: in order, one request at
 * a time, again until it was taken or is too old.
 *
 *	2xx			taken
 *	410			not taken, and not sent again
 *	other 3xx and 4xx	not taken; a third time: its entries go one by
 *				one, and what is alone is not sent again
 *	408, 425, 429, 5xx,	sent again, after a while that grows, or that
 *	no answer		Retry-After says
 */
#ifndef RELAY_HOOKS_COURIER_H
#define RELAY_HOOKS_COURIER_H

#include "relay/hooks/post.h"
#include "relay/hooks/queue.h"

struct conf_hook;
struct courier;

#define COURIER_WHY	128u		/* bytes */

struct courier_calls {
	void		*arg;
	/* Somebody waits for it: the back end has it, or (false) it will not. */
	void		(*done)(void *arg, const struct asker *, bool taken);
	/* It is given up, and whose who is called. */
	void		(*dead)(void *arg, const struct courier *,
			    struct entry *, const char *why);
};

/* As it is in this turn. */
struct courier_way {
	const struct conf_hook *hook;
	struct target	*target;
	const char	*source;
	uint64_t	 now_ms;	/* monotonic */
	uint64_t	 wall_ms;	/* unix */
};

struct courier {
	const struct courier_calls *calls;
	char		*nsp;		/* NULL: there is none yet */
	char		*hook;		/* its name; NULL: it had none yet */
	uint64_t	 retry_ms;	/* as its hook has it, */
	uint64_t	 now_ms;	/* ... and as it is in this turn */
	uint64_t	 good_ms;	/* unix: something was taken; 0: not yet */
	uint64_t	 bad_ms;	/* unix: something was not; 0: not yet, */
	char		 why[COURIER_WHY];	/* ... and why */
	struct hook_queue queue;
	struct post	 post;
	struct buf	 body;		/* of the next request, or the last */
	unsigned	 sealed;	/* entries in it; 0: there is none */
	unsigned	 alone;		/* so many of the first go one by one */
	unsigned	 failures;	/* in a row */
	unsigned	 refusals;	/* of this body */
	uint64_t	 again_ms;	/* not before; 0: it is not refused */
	bool		 told;		/* a line says that it fails */
};

/* nsp: copied.  False: no memory. */
bool	courier_init(struct courier *, const char *nsp,
	    const struct courier_calls *) MUST_USE;
void	courier_fini(struct courier *);
/* It takes the entry, which has the next number. */
void	courier_add(struct courier *, struct entry *, uint64_t now_ms);
/* Send what may be sent. */
void	courier_turn(struct courier *, const struct courier_way *);
/* What is under way is not any more, as its target goes; it is sent again. */
void	courier_stop(struct courier *);
/* There is no hook any more: nobody gets what waits. */
void	courier_drop(struct courier *);
/* Its hook is called so; false: no memory, it has the name that it had. */
bool	courier_name(struct courier *, const char *hook);
/* When it has something to send, monotonic; UINT64_MAX: not before an answer,
 * or something new. */
uint64_t courier_due(const struct courier *, const struct conf_hook *);
/* The back end takes what it gets, as far as is known. */
bool	courier_is_well(const struct courier *);

#endif
