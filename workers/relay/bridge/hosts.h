/*
 * Publications between daemons, through Redis: what a worker here publishes
 * goes to a channel of its room, user or namespace; what others publish there
 * goes to the workers here that have members.  A host listens to just those
 * channels for which it has members.
 *
 *	channel		PREFIX "to:" LENGTH ":" NAMESPACE ":" KEY
 *			LENGTH of NAMESPACE; KEY as in shm/interest.h
 *	message		"ROOST1" 0 0, u64 node, u64 epoch, u64 number, a frame
 *			(proto/bus.h)
 *
 * One whose audience needs several channels has a number of its relay, else 0:
 * what comes a second time is a copy; epoch: see seen.h.  What a node says
 * itself it ignores.  With a secret each is sealed (seal.h), and each has a
 * number, so that none is taken twice.  Orders of back ends (disconnect, rooms)
 * go the same way; or, as do publications whose receivers are asked, by the one
 * channel PREFIX "asks" to which every host listens (hosts_inquiries.h).
 */
#ifndef RELAY_BRIDGE_HOSTS_H
#define RELAY_BRIDGE_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct bus_audience;
struct bus_envelope;
struct home;
struct hosts;
struct inquiries;
struct reply;
struct seal;
struct table_event;

struct hosts_params {
	struct home	*home;
	const struct seal *seal;
	struct inquiries *inquiries;
	void		*arg;		/* of all: */
	uint64_t	 (*now_ms)(void *arg);	/* unix */
	/* See sent.h. */
	void		 (*refused)(void *arg, struct slice nsp,
			    struct slice name, const struct reply *);
	/* What the store of another host has kept, and tells in a channel of a
	 * room.  false: it makes no sense. */
	bool		 (*kept)(void *arg, struct slice payload);
	/* From now on back something for them was not taken. */
	void		 (*gap)(void *arg, struct slice nsp,
			    const struct bus_audience *);
};

/* NULL: no memory.  To be freed before redis. */
struct hosts *hosts_new(const struct hosts_params *) MUST_USE;
void	hosts_free(struct hosts **);
/* home has another configuration. */
void	hosts_conf(struct hosts *);
/* All that was published has its answer. */
bool	hosts_is_settled(const struct hosts *);
/* All that was published here since then may not have reached the others. */
void	hosts_gap_all(struct hosts *, uint64_t from_ms);
/* Now and then: what did not reach other hosts they are told, if they can be. */
void	hosts_tell_gaps(struct hosts *);
/* What a worker here has published, ordered or asked, and said BUS_FAR; what
 * only this host understands is taken out of it.  An inquiry is answered
 * (hosts_inquiries.h). */
void	hosts_publish(struct hosts *, struct bus_envelope *);
/* Of the interest table: this host has members of it, or none any more. */
void	hosts_interest(struct hosts *, const struct table_event *);

/* What begins so is of the store. */
#define HOSTS_KEPT	"ROOSTK1 "
/* What others publish in a channel of theirs: a subscriptions_cb. */
void	hosts_hear(void *hosts, struct slice channel, struct slice payload);
/* What has waited (ledger.h) is taken; whole: what was before it has come. */
void	hosts_release(struct hosts *, bool whole);
/* Of whom a channel is that was not listened to for a while: no namespace: of
 * anybody; no names: of all in it.  False: no channel of publications. */
bool	hosts_concerns(const struct hosts *, struct slice channel,
	    struct slice *nsp, struct bus_audience *) MUST_USE;
/* A longer name is reached through its namespace. */
bool	hosts_has_channel(struct slice name);
/* An entry of the store is one that workers can be given. */
bool	hosts_fits(const struct bus_envelope *);
/* The channel of a key in a namespace; it replaces what is in b. */
struct slice hosts_channel(struct buf *b, struct slice prefix,
	    struct slice nsp, struct slice key);

#endif
