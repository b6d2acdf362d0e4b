/*
 * This host as a member among servers of Socket.IO: what one of them asks is
 * asked of the workers, and what they say goes back to where it waits for it.
 * How a question is written and how an answer is, the adapters know
 * (requests.h, sharded.h): they give the JSON that stands around it.
 *
 * A member that does not answer holds up every question of all the others for
 * seconds.  So something is always answered, in time: without the part of a
 * worker that is silent or dead, and without what is too much.
 */
#ifndef RELAY_BRIDGE_MEMBERS_H
#define RELAY_BRIDGE_MEMBERS_H

#include "proto/bus.h"

struct members;
struct questions;
struct redis;

#define MEMBERS_LIST_MS		3000	/* for workers to tell who is there;
					 * servers wait 5 s for all */
#define MEMBERS_ACK_MS		60000	/* for clients, at most */
#define MEMBERS_BYTES_MAX	(8u << 20)	/* of one list */
#define MEMBERS_BYTES_ALL	(64u << 20)	/* ... and of all being made */

struct members_params {
	struct redis	*redis;
	struct questions *questions;
};

/* JSON before and after what is answered. */
struct members_frame {
	struct slice	 head, tail;
};

/* Who asks, and how they are answered; copied. */
struct members_asker {
	struct slice	 channel;
	bool		 sharded;	/* a channel of SPUBLISH */
	struct members_frame list;	/* around elements */
	struct members_frame count;	/* around how many clients are asked */
	struct members_frame ack;	/* around what one of them says */
};

/* NULL: no memory.  To be freed before redis and before questions. */
struct members *members_new(const struct members_params *) MUST_USE;
void	members_free(struct members **);

/* An answer that needs nobody: all of it, JSON. */
void	members_say(struct members *, const struct members_asker *,
	    struct slice json);
/* What these workers say to BUS_MEMBERS: one list. */
void	members_list(struct members *, const struct members_asker *,
	    struct bus_envelope *, const uint64_t slots[2]);
/* A publication whose receivers are asked: their number, at once, and then
 * each answer's first argument; wait: for clients, 0: as long as may be. */
void	members_ask(struct members *, const struct members_asker *,
	    struct bus_envelope *, const uint64_t slots[2], uint64_t wait_ms);

#endif
