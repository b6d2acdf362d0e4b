/*
 * Two workers that have nothing but connections: a giver and its heir, with a
 * loop each, clients that are a queue and a deadline, and bodies that are a
 * number.  What a connection reads are lines; half a line is kept.
 */
#ifndef TESTS_LIB_CONN_WORLD_H
#define TESTS_LIB_CONN_WORLD_H

#include "hub/move.h"
#include "worker/net/conn.h"
#include "worker/net/conn_save.h"

struct client {
	struct out	*out;
	struct outq	*q;
	struct mono	 due;
	bool		 busy;		/* may not move now */
	bool		 waits;		/* for other workers: likewise */
};

struct http_body {
	uint64_t	 left;
};

extern struct conn_world {
	struct conf	 conf;
	struct segment	*segment;
	struct worker	*w[2];		/* giver, heir */
	struct buf	 read[2];	/* of all of their connections */
	unsigned	 due[2];	/* deadlines that came */
	unsigned	 nclients, nbodies;
	enum reason	 why;		/* client_load() tells */
	uint64_t	 open, ws_open, queued;	/* gauges before */
} world;

void	world_init(void);
/* All that was counted is counted no more. */
void	world_fini(void);
/* What there is to do, without a wait. */
void	world_turn(struct worker *);
/* All of its connections end. */
void	world_end_all(struct worker *);

extern const uint8_t world_address[16];	/* of all peers */
/* A connection of the giver in this state; its client's end. */
struct conn *world_conn(enum conn_state, int *peer);
struct http_body *world_body(uint64_t left);
/* As hub/session/limit.h has it, which would bring the hub's own clients. */
uint64_t limit_address(const uint8_t address[16]);
/* Another descriptor of the same. */
int	world_copy(int fd);

#endif
