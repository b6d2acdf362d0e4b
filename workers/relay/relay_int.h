/*
 * The relay's inside, between relay.c (its loop) and relay_peers.c (the streams
 * of the workers).
 */
#ifndef RELAY_RELAY_INT_H
#define RELAY_RELAY_INT_H

#include "relay/box/boxes.h"
#include "relay/hooks/hooks.h"
#include "relay/links.h"
#include "relay/local/announce.h"
#include "relay/local/feed.h"
#include "relay/relay.h"
#include "relay/store/keep.h"
#include "relay/stream/stream.h"
#include "shm/table_relay.h"
#include "sys/ipc.h"
#include "sys/loop.h"

#define RELAY_CONFS	5	/* links are three at most */

struct relay {
	const struct heritage *h;
	const struct conf *conf;	/* now */
	struct conf	*taken[RELAY_CONFS]; /* owned: that one, and those that
					 * links have; NULL: none */
	struct loop	*loop;
	struct exchange	 exchange;
	struct loop_fd	 control;
	struct loop_fd	 ring;		/* marks in shared memory */
	struct table_relay *tables[2];	/* enum table_id */
	struct announce	*announce;
	struct keep	*keep;		/* rooms with a history */
	struct stream	*stream;	/* what back ends read */
	struct boxes	*boxes;		/* users' notifications */
	struct hooks	*hooks;		/* ... or are told, over HTTP */
	uint64_t	 boxes_serial;	/* of the link that these have */
	struct links	*links;		/* to other hosts */
	struct timer	 beat;
	struct timer	 leave;		/* the next that is told late */
	bool		 ending;	/* another relay is to come */
	bool		 store_left;	/* ... and has what was kept */
	struct timer	 end_over;
	int		 code;		/* to exit with */
	bool		 marked;	/* announcements wait: do not sleep */
	uint32_t	 lost[ROLE_SLOTS_MAX]; /* generations whose stream is
					 * lost and the master does not know;
					 * 0: none */
};

/* relay_left.c: the last that is said to the master; the store and the hooks, with
 * what the relay before has left. */
void	relay_leave_store(struct relay *);
void	relay_open_left(struct relay *, struct stream_params *);

/* relay_peers.c */
/* One from the fork; fd is taken. */
void	relay_add_peer(struct relay *, unsigned slot, uint32_t generation,
	    int fd);
void	relay_drop_peer(struct relay *, struct peer *, enum peer_result why);
/* The same for one whose worker may live: the master is told. */
void	relay_lost_peer(struct relay *, struct peer *, enum peer_result why);
/* What could not be told then. */
void	relay_tell_again(struct relay *);
/* Of the master: a stream; a worker that is no more.  false: it makes no
 * sense. */
bool	relay_bus(struct relay *, struct ipc_msg *);
bool	relay_bus_gone(struct relay *, struct ipc_msg *);
/* So long what a process held may have been there when it died. */
uint64_t relay_unsure_ms(const struct relay *);

#endif
