/*
 * The hub's inside, shared by its parts and by nobody else: what is used at
 * every turn, or is nobody's, by value; what belongs to a part is a pointer to
 * a struct that only its own file completes.
 */
#ifndef HUB_HUB_INT_H
#define HUB_HUB_INT_H

#include "base/slab.h"
#include "base/slotset.h"
#include "hub/events.h"
#include "hub/hub.h"
#include "hub/model.h"
#include "hub/work.h"
#include "hub/queue/latency.h"
#include "proto/offset.h"
#include "shm/counters.h"

/* When clients are pinged, and how long for a pong is waited.  Those that came
 * from another worker may have been told something else than those of now. */
#define BEATS_MAX	128u		/* client.beat */
struct beat {
	uint64_t	 interval_ms, timeout_ms;
};

struct hub {
	unsigned	 magic;
#define HUB_MAGIC	0x4b064b06
	const struct hub_events *events;	/* hub.c */
	const struct conf *conf;
	const struct conf_api_key *api_key;	/* see api_asks() */
	const struct token_keys *keys;
	struct interest	*interest;
	struct presence	*presence;
	struct segment	*segment;
	struct count	*count;
	struct hash_key	 key;
	uint64_t	 node_id;	/* names this host among others */
	uint16_t	 slot, generation;
	uint16_t	 heir;		/* slot of who is given clients; 0 */
	/* each part's own; audience/, session/, publish/, store/, stream/,
	 * recover/, backend/ */
	struct room_table *rooms;
	struct sid_table *sids;
	struct limits	*limits;
	struct tokens	*tokens;
	struct handshakes *handshakes;
	struct pending_table *pending;
	struct lost_table *lost;
	struct recover_table *recover;
	struct ask_table *asks;
	struct roll_table *rolls;
	struct census_table *censuses;
	struct store_table *store;
	struct streams_table *stream;
	struct notices_table *notices;	/* service/ */
	struct longpoll_table *longpolls;	/* dialect/ */
	struct connectings *connectings;	/* ... */
	uint32_t	 nconnecting;	/* so many are in there */
	struct yjs_table *yjs;
	struct journal_mark *marks;	/* by namespace */
	struct hub_ports ports;
	struct out	 out;
	struct work	 work;		/* of this turn */
	struct slab	 clients[4];	/* enum client_slab */
	struct slab	 sessions, ships;
	struct mono	 now;		/* of this turn */
	struct wall	 wall;
	struct beat	 beats[BEATS_MAX];	/* the first: of now */
	uint32_t	 nbeats;
	uint32_t	 turn;		/* batches of other turns are dead */
	bool		 recovers;	/* clients may come back: what they
					 * get has an offset */
	uint8_t		 ending;	/* why the session that ends just now does,
					 * shm/why.h; 0: none */
	struct latency	 latency;	/* of what this turn has queued */
	uint64_t	 mono_tick_us;	/* interest_retry last ran */
	uint64_t	 nclients;	/* made so far */
	uint64_t	 volatile_bytes; /* queued: no more volatile events */
	uint64_t	 kept_bytes;	/* queued: what rooms keep is read from the
					 * store */
	uint32_t	 nlags;		/* memberships of which that is so */
	uint64_t	 seq;		/* publications made here */
	uint32_t	 stamp;		/* see fanout.c */
	struct buf	 meta;		/* scratch for one publication's meta */
	struct buf	 text;		/* scratch for one reply */
	struct buf	 message;	/* scratch, see messages.c */
	struct buf	 answer;	/* scratch of ask.c */
	struct buf	 args;		/* scratch for filled up arguments */
	struct buf	 written;	/* ... and for what rules write */
	uint8_t		 offset[OFFSET_MAX];	/* scratch, see fanout.c */
	struct offset_origin origin;	/* of our ids and offsets */
};

#endif
