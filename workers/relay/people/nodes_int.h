/*
 * What the files of nodes know of each other and nobody else does.
 */
#ifndef RELAY_PEOPLE_NODES_INT_H
#define RELAY_PEOPLE_NODES_INT_H

#include "conf/conf.h"
#include "relay/people/nodes.h"
#include "relay/redis/commands.h"

#define NODES_UNKNOWN	64u	/* of the list, asked for at a time */

/* One that is in the list and that we do not know. */
struct nodes_unknown {
	struct nodes	*all;
	uint64_t	 id;		/* 0: free */
};

struct nodes {
	unsigned	 magic;
#define NODES_MAGIC	0x40de5a11
	struct nodes_params p;
	bool		 up;
	bool		 quiet;		/* others are counted by another one */
	bool		 left;		/* we are not here any more */
	struct mono	 since;		/* up */
	struct mono	 beaten, listed_at;
	bool		 listed;	/* the list was read since then */
	unsigned	 asking;	/* unknown ones of it */
	bool		 crowded;
	uint64_t	 epoch, number;	/* ours */
	uint64_t	 epoch_before;
	bool		 ready;
	/* another one with our id, heard first and last; 0: none */
	struct mono	 twin_since, twin_heard;
	bool		 twin;		/* a line in the log says so */
	uint64_t	 started_ms;
	struct node	 list[NODES_MAX];
	unsigned	 used;		/* behind the last that is not free */
	unsigned	 known;		/* that are there */
	struct nodes_unknown unknown[NODES_UNKNOWN];
	char		 channel[CONF_REDIS_PREFIX_MAX + 16];
	struct buf	 key, value, message;
};

/* A message about ourselves, without changes. */
void	nodes_say(struct nodes *, enum news_kind);
/* The key, and our place in the list. */
void	nodes_write(struct nodes *);
/* We are still here. */
void	nodes_renew(struct nodes *);
/* Names in s->key and s->value. */
bool	nodes_command(struct nodes *, struct slice key, const struct slice *argv,
	    size_t n, commands_cb *, void *arg);

#endif
