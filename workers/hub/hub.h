/*
 * The hub of one worker: sessions, rooms, rules, fan-out.  Memory only: it
 * gets bytes, times and frames as arguments, and asks its host (ports.h) for
 * what needs the world.  This header is what the host calls; beside it are
 * client.h (one connection's view), api.h (back ends), work.h (shares of a
 * turn) and queue/out.h (queues).
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "base/clock.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "hub/ports.h"
#include "hub/queue/out.h"

struct interest;
struct count;
struct presence;
struct segment;
struct token_keys;
struct work;
struct hub;

struct hub_params {
	const struct conf *conf;
	const struct token_keys *keys;	/* NULL: no jwt configured */
	struct interest	*interest;	/* shm/interest.h, this slot's handle */
	struct presence	*presence;	/* shm/presence.h, likewise */
	struct segment	*segment;	/* rate buckets */
	struct count	*count;		/* shm/count.h; NULL: per_user is 0 */
	struct hash_key	 hash_key;	/* of the segment */
	uint16_t	 slot;
	uint16_t	 generation;
	uint64_t	 node_id;
	struct hub_ports ports;
};

struct hub *hub_new(const struct hub_params *) MUST_USE; /* NULL: no memory */
/* All clients must be gone. */
void	hub_free(struct hub **);

/* At the start of each turn. */
void	hub_time(struct hub *, struct mono, struct wall);
/* About ten times a second: questions that wait too long, overflow lists. */
void	hub_tick(struct hub *);
/* At the end of each turn: ports.flush for each queue with something new. */
void	hub_turn_end(struct hub *);
/* ... and when it is written, for delivery_us. */
void	hub_written(struct hub *, struct mono now);
/* One whole frame from the relay (bus.h). */
void	hub_bus_frame(struct hub *, struct slice frame);
/* There is work for the next turn, which needs no event to begin. */
bool	hub_busy(const struct hub *);
/* This worker goes: whoever waits for answers is told those that are there. */
void	hub_leave(struct hub *);
/* The stream to the relay broke: questions to other workers are settled. */
void	hub_bus_lost(struct hub *);
/* There is another: clients are told what they may have missed. */
void	hub_bus_back(struct hub *);

struct out *hub_out(struct hub *);
/* What is done in this turn, and for whom. */
struct work *hub_work(struct hub *);

#endif
