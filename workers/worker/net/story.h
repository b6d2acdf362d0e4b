/*
 * What is told of a session over HTTP: as of one connection, though it has had
 * many; see net/record.h.
 */
#ifndef WORKER_NET_STORY_H
#define WORKER_NET_STORY_H

#include "worker/net/record.h"

struct buf;
struct outq;
struct state_in;

struct story {
	uint64_t	 in, out;	/* bytes of packets */
	uint32_t	 in_at, out_at;	/* the last of them, record_time() */
	uint32_t	 opened;	/* the same */
	uint32_t	 number;
	uint8_t		 address[16];	/* who opened it */
	uint16_t	 port;
};

/* Of whom it is told. */
struct story_of {
	struct worker	*w;
	const struct client *client;
	enum record_kind kind;
	const struct outq *queue;
	enum reason	 reason;	/* of its end */
};

/* It was opened by this one. */
void	story_begin(struct story *, const struct story_of *,
	    const uint8_t address[16], uint16_t port);
/* So many bytes of packets came, or go out. */
void	story_in(struct story *, const struct worker *, size_t n);
void	story_out(struct story *, const struct worker *, size_t n);
/* Something happened to its client. */
void	story_note(const struct story *, const struct story_of *,
	    const struct client_noted *);
/* It ends, with its client or without. */
void	story_end(const struct story *, const struct story_of *);

void	story_save(const struct story *, struct buf *);
void	story_load(struct story *, struct state_in *);

#endif
