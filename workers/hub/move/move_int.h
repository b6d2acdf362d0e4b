/*
 * The inside of a move, between its files: move.c (the two that give and take,
 * queues), move_client.c (clients).
 */
#ifndef HUB_MOVE_MOVE_INT_H
#define HUB_MOVE_MOVE_INT_H

#include "hub/hub_int.h"
#include "hub/move.h"
#include "hub/queue/book.h"

struct hub_move {
	unsigned	 magic;
#define HUB_MOVE_MAGIC	0x4b06307e
	bool		 giving;
	uint16_t	 peer;		/* slot of the other */
	struct hub	*hub;
	struct book	*book;
	const char	*part;		/* in a word: what is being loaded, or could
					 * not be */
#define MOVE_HOSTS	"connection"	/* all but its client */
};

#endif
