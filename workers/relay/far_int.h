/*
 * Between the files of far.h: far.c; far_conf.c, what the configuration may
 * change while they run; far_part.c, how one takes the place of another;
 * far_door.c.
 */
#ifndef RELAY_FAR_INT_H
#define RELAY_FAR_INT_H

#include "base/buf.h"
#include "conf/conf.h"
#include "relay/bridge/home.h"
#include "relay/far.h"
#include "relay/redis/redis.h"
#include "role.h"
#include "sys/loop.h"

struct far {
	unsigned	 magic;
#define FAR_MAGIC	0xfa41b05e
	const struct heritage *h;
	struct loop	*loop;
	struct exchange	*exchange;
	struct keep	*keep;
	enum far_part {
		FAR_COMES, FAR_SERVES, FAR_GOES, FAR_LEAVES
	}		 part;
	bool		 ready;		/* Redis is */
	bool		 quiet;		/* see far_quiet() */
	/* The section redis is that of conf; the rest is followed: the one that
	 * is in force, and the one before. */
	const struct conf *section;
	struct conf	 confs[2];
	unsigned	 force;
	uint64_t	 keep_ms;	/* see far_charge() */
	enum far_place	 place;
	char		 name[CONF_REDIS_PREFIX_MAX + 48]; /* channel that only
					 * this one has: see far_place() */
	struct home	 home;
	struct redis	*redis;
	struct bridge	*bridge;
	struct seal	*seal;
	bool		 secret_bad;	/* it is said, and tried again */
	struct hosts	*hosts;
	struct wide	*wide;
	struct revokes	*revokes;
	struct questions *questions;
	struct inquiries *inquiries;
	struct members	*members;
	struct socketio	*socketio;
	struct requests	*requests;
	struct sharded	*sharded;	/* NULL: the classic adapter */
	struct timer	 poll;		/* of the stream */
	struct people	*people;	/* NULL: presence was off everywhere */
	struct table_relay *presence;	/* NULL: not yet */
	struct timer	 tick;		/* of questions */
	struct redis_watch watch;
	bool		*journals;	/* by namespace: it is listened to */
	struct buf	 journal;	/* scratch: its channel */
	bool		 heard;		/* the other hosts, once at least */
	bool		 conf_due;	/* not all of it could be taken */
	uint64_t	 opened_ms;	/* unix */
	struct buf	 frame;		/* of what came through Redis */
	/* far_door.c */
	unsigned	 door;		/* slot; 0: none */
	bool		 asked;		/* whether it has done with all of it */
	struct buf	 waits;		/* bodies, for the next */
};

/* On the way that all frames take; e->ref is the caller's. */
bool	far_inject(struct far *, const uint64_t slots[2],
	    struct bus_envelope *);

/* far_door.c: what back ends have published, to a worker. */
bool	far_to_worker(void *far, struct bus_envelope *);
bool	far_has_room(void *far);

/* The configuration from now on, but for the section redis. */
void	far_take_conf(struct far *, const struct conf *);
/* What is there only while it serves. */
bool	far_make_rest(struct far *);
/* far_door.c: who is asked will not answer. */
void	far_door_open(struct far *);

/* far_keep.c: journals of namespaces are listened to.  false: no memory. */
bool	far_make_journals(struct far *);
/* The channel of a journal, in b; is this one, and of which namespace? */
struct slice far_journal_channel(const struct far *, struct buf *,
	    struct slice nsp);
bool	far_is_journal(const struct far *, struct slice channel,
	    struct slice *nsp);

/* If somebody is to be told who is there: false: no memory. */
bool	far_make_people(struct far *);
/* What there was no memory for. */
void	far_try_again(struct far *);

#endif
