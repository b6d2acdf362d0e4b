/*
 * Rooms with a history, as the workers know them: what they publish there
 * (BUS_KEEP) is kept, gets its place, and goes to all workers with members, that
 * of the publisher too, in the order of the places; what they ask for
 * (BUS_HISTORY) is read.  The bounds are those of the configuration.  Called by
 * relay.c and, for those two kinds of frames, by the exchange.
 */
#ifndef STORE_KEEP_H
#define STORE_KEEP_H

#include <stdbool.h>

#include "base/bug.h"
#include "base/slice.h"

struct buf;
struct conf;
struct exchange;
struct keep;
struct redis;
struct remote_link;
struct segment;
struct table_event;
struct wheel;

struct keep_params {
	const struct conf *conf;
	struct segment	*segment;	/* where interest in rooms stands */
	struct exchange	*exchange;
	struct wheel	*wheel;
};

/* NULL + errno. */
struct keep *keep_new(const struct keep_params *) MUST_USE;
void	keep_free(struct keep **);
/* Another configuration. */
void	keep_conf(struct keep *, const struct conf *);
/* The stream of this worker, or itself, is gone. */
void	keep_worker_gone(struct keep *, unsigned slot);
/* The end of a turn, before what is queued is written; busy: the next is not to
 * wait. */
void	keep_turn(struct keep *);
bool	keep_busy(const struct keep *);
/* All questions are answered. */
bool	keep_is_settled(const struct keep *);
/*
 * Where there is a Redis, and rooms are kept there: another link to it serves
 * (NULL: none); one is about to be freed, and makes no calls; something may not
 * have been heard, in this room or (no namespace) in any; what came on a channel
 * of rooms (false: it makes no sense); of the interest table.
 */
void	keep_serve(struct keep *, const struct remote_link *);
void	keep_forget(struct keep *, const struct redis *);
void	keep_missed(struct keep *, struct slice nsp, struct slice room);
bool	keep_hear(struct keep *, struct slice payload) MUST_USE;
/* The same, on that of the journal of a namespace. */
bool	keep_hear_journal(struct keep *, struct slice nsp, struct slice payload)
	    MUST_USE;
void	keep_interest(struct keep *, const struct table_event *);
/*
 * What is kept goes on in another relay: as a file of sys/sealed.h, which it
 * takes before it is asked anything.  -1: there is nothing, or (logged) it could
 * not be written: then, as when it makes no sense (logged), rooms begin anew.
 * What others leave stands before it in the file: so many bytes.
 */
int	keep_save(struct keep *, struct slice before);
void	keep_load(struct keep *, int fd, size_t before);	/* closes */
/* What goes along in that file, behind that: see boxes_save(), boxes_load(). */
void	keep_along(struct keep *, void (*save)(void *arg, struct buf *),
	    bool (*load)(void *arg, struct slice saved, struct slice *rest),
	    void *arg);

#endif
