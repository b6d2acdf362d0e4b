/*
 * What is on its way to other hosts, until Redis has answered.  A publication
 * whose answer never comes, or is an error, or that Redis could not be given
 * at all, is lost, as far as anybody knows, and never sent twice: it becomes a
 * gap, and those whom it was for are told when Redis is back.  Where Redis
 * refuses that as well it is tried again, ever more seldom.
 */
#ifndef RELAY_BRIDGE_SENT_H
#define RELAY_BRIDGE_SENT_H

#include "base/slice.h"
#include "gaps/gaps.h"

struct conf;
struct redis;
struct reply;
struct sent;

/* Names are kept as far as there are channels for them. */
#define SENT_NAME_MAX	128

struct sent_params {
	const struct conf *conf;
	struct redis	*redis;
	void		*arg;
	uint64_t	 (*now_ms)(void *arg);	/* unix */
	/* Redis has refused something for them; no name: for all of them. */
	void		 (*refused)(void *arg, struct slice nsp,
			    struct slice name, const struct reply *);
	/* Redis has all of this inquiry, and so many hear it; or (partly)
	 * not. */
	void		 (*inquired)(void *arg, uint32_t number,
			    uint64_t hearers, bool partly);
};

/* What one channel is given, and whom it is for: what a gap says of it. */
struct sent_message {
	struct slice	 channel, payload;
	enum gap_kind	 kind;
	struct slice	 nsp, name;
	uint64_t	 from_ms;	/* begin of the gap that it tells of; 0: of
					 * none */
	bool		 is_volatile;	/* not missed */
	bool		 is_order;	/* counted, if lost; nobody is told */
	uint32_t	 inquiry;	/* its number; 0: it is none */
};

struct sent *sent_new(const struct sent_params *) MUST_USE; /* NULL: no memory */
/* Before redis is freed; its calls must not come any more. */
void	sent_free(struct sent **);
void	sent_conf(struct sent *, const struct conf *);
/* A connection was lost with messages that had no answer, since it was asked
 * last: what comes of them comes late. */
bool	sent_left_some(struct sent *);
/* All that was sent has its answer. */
bool	sent_is_settled(const struct sent *);
/* False: lost at once, and noted. */
bool	sent_send(struct sent *, const struct sent_message *);
/* One that could not even be encoded: noted, or counted. */
void	sent_lost(struct sent *, const struct sent_message *);
/* All namespaces have a gap since then: what a process had, it took along. */
void	sent_gap_all(struct sent *, uint64_t from_ms);
/* About once a second, before gaps are told: not now, Redis has refused it. */
bool	sent_pauses(struct sent *);
/* What is to be told now: a gap, until NULL.  Given to Redis it is dropped; it
 * comes back if Redis does not take it. */
const struct gap *sent_gap(struct sent *);
void	sent_drop_gap(struct sent *);
/* Where it goes is away: others first. */
void	sent_put_off_gap(struct sent *);

#endif
