/*
 * Who comes and goes, for hooks, where there is no Redis: as the table of users
 * tells it (shm/table_relay.h), each change once.  Who is there already when a
 * namespace's hook begins to be told has come then, as fast as the queue has
 * room.
 */
#ifndef RELAY_HOOKS_GUESTS_H
#define RELAY_HOOKS_GUESTS_H

#include "relay/hooks/present.h"
#include "relay/stream/entry.h"

struct conf;
struct conf_namespace;
struct presence;
struct table_event;
struct table_relay;

struct guests_calls {
	void	*arg;
	/* Another entry of the namespace. */
	void	(*tell)(void *arg, const struct conf_namespace *,
		    struct entry_parts *);
	/* Nobody is there, as far as later entries go. */
	void	(*begin)(void *arg, const struct conf_namespace *);
	/* Its queue is half full. */
	bool	(*crowded)(void *arg, const struct conf_namespace *);
};

struct guests {
	struct guests_calls calls;
	const struct conf *conf;
	const struct presence *presence; /* why who is gone is gone */
	uint8_t		 why;		/* shm/why.h: of whom the table tells now */
	struct present	 present;
	struct guests_walk {
		bool	 on;		/* it is told */
		unsigned part;		/* 0: the namespace, 1: its rooms, 2: all
					 * is told that was there */
		uint32_t at;
	}		*walks;		/* by namespace */
	unsigned	 nwalks;
	bool		 walking;	/* one of them is not at its end */
	struct entry_parts parts;	/* scratch */
	uint64_t	 now_ms;	/* unix */
};

/* False: no memory. */
bool	guests_init(struct guests *, const struct conf *,
	    const struct presence *, const struct guests_calls *) MUST_USE;
void	guests_fini(struct guests *);
void	guests_conf(struct guests *, const struct conf *);
/* The table tells of somebody. */
void	guests_event(struct guests *, const struct table_event *);
/* Some of those who were there already; true: there are more to be told of at
 * once. */
bool	guests_turn(struct guests *, const struct table_relay *,
	    uint64_t now_ms);

#endif
