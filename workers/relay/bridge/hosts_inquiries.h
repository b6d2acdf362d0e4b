/*
 * What a worker of one host asks all hosts: an order of a back end that is
 * counted, a publication whose receivers are asked, who is there.  hosts.c says
 * it where all hosts listen; each of them asks its workers (questions.h), and
 * answers where the one that asked listens.
 *
 *	channel		PREFIX "asks": the messages of hosts.h, ref is the
 *			number of the inquiry
 *	channel		PREFIX "answers:" NODE
 *	message		"ROOSTA1" 0, u64 node, a frame: BUS_ANSWERS, ref as above
 *
 * Redis says how many hear the question, this host among them; as many last
 * answers are waited for, until its time is over: who has not answered by then
 * is missing, and that is told.  So each link that hears one answers it, be it
 * with nothing, and a host that does not know of inquiries makes all of them
 * incomplete.  So do hosts that are there, but do not hear it: fewer listen than
 * are known.  With a secret each answer is sealed.  Bounded in number.
 */
#ifndef RELAY_BRIDGE_HOSTS_INQUIRIES_H
#define RELAY_BRIDGE_HOSTS_INQUIRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct bus_envelope;
struct home;
struct inquiries;
struct questions;
struct seal;

/* Open at once, of each kind: publications, whose clients take their time, do
 * not keep others from asking. */
#define INQUIRIES_MAX		1024
#define INQUIRIES_MS		1800	/* but for publications; workers wait
					 * for 2 s */
#define INQUIRIES_THERE_MS	1500	/* so long a host asks its workers */
#define INQUIRIES_GRACE_MS	250	/* publications: behind what the clients
					 * have, there; twice that here */

struct inquiries_params {
	struct home	*home;
	const struct seal *seal;
	struct questions *questions;
	void		*arg;
	/* How many other hosts are there, as far as is known. */
	unsigned	 (*others)(void *arg);
	/* BUS_ANSWERS to that worker's question; BUS_MORE: not the last. */
	void		(*answer)(void *arg, unsigned slot, uint32_t ref,
			    struct bus_envelope *);
};

/* NULL: no memory.  To be freed before redis and questions. */
struct inquiries *inquiries_new(const struct inquiries_params *) MUST_USE;
void	inquiries_free(struct inquiries **);
/* The questions that were asked for other hosts are forgotten (questions.h). */
void	inquiries_forget(struct inquiries *);

/* It asks: an order with BUS_WANT_COUNT, a publication with BUS_WANT_ANSWERS,
 * BUS_MEMBERS. */
bool	inquiries_is_one(const struct bus_envelope *) MUST_USE;

/* --- here ------------------------------------------------------------------*/

/* A worker asks; the number, or 0: too many are open, no memory: it has been
 * answered that the others are missing. */
uint32_t inquiries_open(struct inquiries *, const struct bus_envelope *)
	    MUST_USE;
/* So many have heard it; or (partly) perhaps not all of it was taken. */
void	inquiries_heard(struct inquiries *, uint32_t number, uint64_t hearers,
	    bool partly);
/* We have heard it ourselves. */
void	inquiries_echo(struct inquiries *, uint32_t number);

/* --- there -----------------------------------------------------------------*/

/* What that node asks goes to these workers; publications have an offset. */
void	inquiries_take(struct inquiries *, uint64_t node,
	    struct bus_envelope *, const uint64_t slots[2]);
/* There is nothing to say to it, or (partly) nobody knows. */
void	inquiries_nothing(struct inquiries *, uint64_t node, uint32_t number,
	    bool partly);

/* The clock; when it is wanted, UINT64_MAX: nothing waits. */
void	inquiries_tick(struct inquiries *);
uint64_t inquiries_due_us(const struct inquiries *);

#endif
