/*
 * The daemons that share a Redis: each says that it is there, in a key of its
 * own that ends by itself, in a message every other second, and in a list of
 * all that ever were.  Who is not heard any more is asked for in Redis, and
 * gone when the key is; while Redis is away nobody goes.
 *
 *	PREFIXnode:ID		{"id","epoch","ready","started"}, for 7.5 s
 *	PREFIXnodes		hash, ID to the same; and the channel
 */
#ifndef RELAY_PEOPLE_NODES_H
#define RELAY_PEOPLE_NODES_H

#include "base/clock.h"
#include "relay/people/news.h"

struct conf;
struct nodes;
struct redis;

#define NODES_MAX	63u	/* others; a bit each in shared memory */
#define NODES_TTL_MS	7500u
#define NODES_NAME	17u	/* 16 hexadecimal digits, NUL */

struct node {
	struct nodes	*all;		/* NULL: this place is free */
	uint64_t	 id;
	unsigned	 host;		/* its place, and its bit */
	uint64_t	 epoch, number;	/* as last heard; epoch 0: not yet */
	bool		 ready;		/* its epoch is whole in Redis */
	bool		 heard_now;	/* since we are connected */
	struct mono	 heard;
	uint64_t	 asked;		/* whose key we asked for; 0: none */
	/* the mirror's: */
	bool		 wanted;	/* what we have is not what it has */
	bool		 loaded;	/* we had it all once */
	bool		 partial;	/* some of it found no room, */
	bool		 told;		/* as a line in the log says */
	bool		 gone;		/* its users go, then it is forgotten */
	bool		 lapsed;	/* and nobody waits for them */
};

enum nodes_end {
	NODES_SAID_BYE,
	NODES_SILENT,
};

struct nodes_params {
	const struct conf *conf;
	struct redis	*redis;
	uint64_t	 node_id;
	void		*arg;		/* of all: */
	/* See people.h. */
	bool		(*seal)(void *arg, struct slice name, struct buf *);
	bool		(*unseal)(void *arg, struct slice name, struct slice *);
	/* What we have in Redis is not there any more. */
	void		(*emptied)(void *arg);
	/* Changes of a node, whose messages come in order. */
	void		(*changes)(void *arg, struct node *,
			    const struct news *);
	void		(*gone)(void *arg, struct node *, enum nodes_end);
	/* One that is in the list and not there; called again and again until
	 * it is not in the list. */
	void		(*remains)(void *arg, uint64_t id);
};

struct nodes *nodes_new(const struct nodes_params *) MUST_USE;
/* Says good bye, if it can. */
void	nodes_free(struct nodes **);
/* How many there are another one says from now on. */
void	nodes_quiet(struct nodes *);
/* We are not here from now on: says good bye, if it can. */
void	nodes_leave(struct nodes *);
/* The same without a word: the next one goes on in our place. */
void	nodes_hush(struct nodes *);
/* Another configuration. */
void	nodes_conf(struct nodes *, const struct conf *);
/* Redis is there, first or again; is lost. */
void	nodes_ready(struct nodes *);
void	nodes_lost(struct nodes *);
/* Messages of this channel, or of any (empty), have not reached us. */
void	nodes_gap(struct nodes *, struct slice channel);
void	nodes_beat(struct nodes *, struct mono now);	/* each second */

/* What this node says from now on. */
void	nodes_epoch(struct nodes *, uint64_t epoch, bool ready);
/* Changes of this node: entries of a namespace.  Whoever does not get them
 * will know. */
void	nodes_tell(struct nodes *, struct slice ns, struct slice entries);

/* The i-th place of those that are used; NULL: free. */
/* How many others are there, as far as is known. */
unsigned nodes_known(const struct nodes *);
unsigned nodes_used(const struct nodes *);
struct node *nodes_at(struct nodes *, unsigned i);
void	nodes_forget(struct node *);
/* All of the list have been asked for since we are connected. */
bool	nodes_listed(const struct nodes *);
/* More than there are places for. */
bool	nodes_crowded(const struct nodes *);
/* Another daemon has our id: a machine was copied while it ran. */
bool	nodes_twin(const struct nodes *);
/* How many of the others have a smaller id: who is to do what one must do. */
unsigned nodes_rank(const struct nodes *);

void	nodes_name(char out[NODES_NAME], uint64_t id);
/* The other way; false: it is no such name. */
bool	nodes_id(struct slice name, uint64_t *id);
/* PREFIXnode:ID, replacing what is in b. */
struct slice nodes_key(struct buf *b, const struct conf *, uint64_t id);

#endif
