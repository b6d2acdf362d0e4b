/*
 * What the relay asks the workers: an envelope that wants an answer goes to
 * some of them, and their answers come in pieces.  A worker that dies, or does
 * not answer in time, is not waited for: its part is missing, and that is
 * told.  Bounded in number; memory only.  What is asked, and for whom, is the
 * caller's; far.c brings envelopes there and back, and tells the time.
 */
#ifndef RELAY_BRIDGE_QUESTIONS_H
#define RELAY_BRIDGE_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/clock.h"
#include "base/slice.h"

struct bus_envelope;
struct questions;

/* Open at once, of each kind: publications, whose clients take their time, do
 * not keep others from asking who is there. */
#define QUESTIONS_MAX		256
/* Publications: how many clients are asked must be known by then. */
#define QUESTIONS_COUNT_MS	1000

struct questions_params {
	void		*arg;
	struct mono	(*now)(void *arg);
	/* To these workers, as the question ref; those that are not there are
	 * taken out of slots.  False: to none, no memory. */
	bool		(*send)(void *arg, uint64_t slots[2], uint32_t ref,
			    struct bus_envelope *);
};

struct question_end {
	bool		 partly;	/* some part is missing */
	uint32_t	 asked, answered;	/* as in bus_answers, of all */
};

/* Of one question; arg is the asker's. */
struct question_calls {
	/* Elements as in bus_answers, as they come. */
	void	(*answers)(void *arg, struct slice elements);
	/* BUS_PUBLISH: so many clients are asked; once, after which there may
	 * still be answers, as there may be before.  May be NULL. */
	void	(*counted)(void *arg, uint32_t n);
	/* The last call. */
	void	(*done)(void *arg, const struct question_end *);
};

/* NULL: no memory. */
struct questions *questions_new(const struct questions_params *) MUST_USE;
/* Without any call: of all that are open, whose askers are gone; the same, and
 * the end. */
void	questions_forget(struct questions *);
void	questions_free(struct questions **);

/*
 * Ask these workers and wait so long.  With nobody to ask, or too many
 * questions open, the calls come before this returns.
 */
void	questions_ask(struct questions *, struct bus_envelope *,
	    const uint64_t slots[2], uint64_t timeout_ms,
	    const struct question_calls *, void *arg);

/* A whole frame for the relay (BUS_RELAY). */
void	questions_answer(struct questions *, struct slice frame);
/* This worker is no more. */
void	questions_gone(struct questions *, unsigned slot);
/* The clock: what is over ends. */
void	questions_tick(struct questions *);
/* When that is wanted; UINT64_MAX: nothing waits. */
uint64_t questions_due_us(const struct questions *);

#endif
