/*
 * What the files of a session over polling share.  Private to polling*.c and
 * sids.c.
 */
#ifndef WORKER_ENGINEIO_POLLING_INT_H
#define WORKER_ENGINEIO_POLLING_INT_H

#include <sys/queue.h>

#include <assert.h>

#include "base/slab.h"
#include "proto/eio.h"
#include "sys/loop.h"
#include "worker/engineio/polling.h"
#include "worker/engineio/repeat.h"
#include "worker/engineio/sids.h"
#include "worker/http/coded.h"
#include "worker/net/later.h"
#include "worker/net/story.h"

struct buf;
struct client;
struct state_in;

#define POLLING_NO_STORE  "Cache-Control: no-store\r\n"

enum poller_state {
	POLLER_POLLING,
	POLLER_UPGRADED,	/* all there is to say: error 3 */
	POLLER_LAST		/* closed; its last word is queued */
};

struct poller {
	unsigned	 magic;
	uint8_t		 state;		/* enum poller_state */
	uint8_t		 reason;	/* enum reason, once parting is set */
	bool		 parting;	/* closes at the end of this turn */
	bool		 probed;	/* the candidate has been answered */
	struct outq	 outq;		/* packets, a separator behind each */
	struct polling	*all;
	const struct conf_route *route;	/* its endpoint; NULL: Socket.IO's */
	struct client	*client;	/* POLLING */
	struct conn	*get;		/* held until there are packets */
	struct conn	*post;		/* its body is on its way; or held, as
					 * it brought the client's close, or
					 * is not all done */
	struct conn	*told;		/* writes the answer to a GET, */
	struct conn	*oked;		/* ... to a POST; see repeat.h */
	struct conn	*ws;		/* candidate; UPGRADED: its WebSocket */
	struct hashtab_link by_sid;	/* see sids.h */
	TAILQ_ENTRY(poller) link;	/* all->list */
	struct poller	*next;		/* parting or doomed */
	char		*lines;		/* of get's response head; heap, NULL */
	struct coded_wish wish;		/* of get's client */
	char		*post_lines;	/* of a held post's */
	struct eio_payload rest;	/* still to do, see polling_rest.c */
	uint8_t		*rest_bytes;	/* ... stands here; heap, NULL: none */
	struct later	 later;		/* in all->busy, if so: */
	bool		 queued;
	bool		 is_busy;	/* goes on in the next turn */
	struct repeat	 repeat;
	struct timer	 timer;		/* the nearest of: */
	struct mono	 deadline;	/*   POLLING: its age is over; LAST: of
					 *   the whole */
	struct mono	 noop_at;	/*   0: no noop is to release get */
	struct story	 story;
	uint64_t	 address_key;	/* of its address; 0: none */
	uint32_t	 address_node;	/* ... counted (COUNT_POLLING); 0 */
	char		 sid[EIO_SID_LEN + 1];
	bool		 owing;		/* LAST: its last word has a response
					 * of its own, behind what is queued */
	bool		 over;		/* LAST: said, or nobody came for it */
	bool		 listed;	/* in sids and list */
	bool		 unwanted;	/* taken over, but may not be here */
	bool		 released;	/* its GET went, so that it may move */
	bool		 frozen;	/* may be another's: see polling_save.h */
};

static_assert(offsetof(struct poller, magic) == offsetof(struct host, magic) &&
    offsetof(struct poller, outq) == offsetof(struct host, outq), "a host");

struct polling {
	unsigned	 magic;
#define POLLING_MAGIC	0x9011e202
	struct worker	*w;
	struct sids	 sids;		/* all sessions */
	TAILQ_HEAD(, poller) list;	/* the same; those that came last first */
	struct slab	 slab;		/* of struct poller */
	size_t		 nupgraded;
	struct later_queue *busy;
	unsigned	 releases;	/* GETs answered so that sessions may
					 * move, */
	struct mono	 releases_from;	/*   since then */
	struct poller	*parting;
	struct poller	*doomed;
};

void	poller_check(const struct poller *);
/* One of get, post, told, oked, ws is none of its connections any more. */
void	poller_let_go(struct poller *, struct conn **);
/* told or oked: this connection writes a response to one of its requests. */
void	poller_answers(struct poller *, struct conn **, struct conn *);
/* ... does it still, now that it was tried once more?  For a request that came
 * over another connection. */
bool	poller_writes(struct conn *const *);

/* polling_story.c */
/* It was opened by this client. */
void	poller_story_begin(struct poller *, const struct from *);
/* It ends, with its client or without. */
void	poller_story_end(const struct poller *);

/* polling_out.c */
/* The GET waits for packets from now on. */
void	poller_hold(struct poller *, struct request *);
/* All that is queued, which is something, to the GET that waits. */
void	poller_answer(struct poller *);
/* The head lines of a response that comes later; *lines: heap, or NULL.
 * false: no memory. */
bool	poller_lines(const struct request *, char **lines) MUST_USE;
/* This request cannot be answered as it should: 503, the session ends. */
void	poller_no_memory(struct poller *, struct request *);
/* Nothing to say, but get shall not wait any longer. */
void	poller_noop(struct poller *);
void	poller_get(struct poller *, struct request *,
	    const struct engineio *);

/* polling_in.c */
void	poller_post(struct poller *, struct request *,
	    const struct engineio *);
/* The POST has come and is answered later. */
bool	poller_post_held(const struct poller *);
/* ... it gets its answer. */
void	poller_answer_post(struct poller *);
/* An empty response that ends the connection. */
void	poller_refuse(struct request *, int status);

/* polling_rest.c */
/* The packets of this body, now or turn by turn. */
void	poller_take(struct poller *, struct slice body);
/* Not all of it is done, so it is not answered yet. */
bool	poller_post_waits(const struct poller *);
/* What was queued is taken: go on, if there is anything left. */
void	poller_resume(struct poller *);
void	poller_forget_rest(struct poller *);

/* Is its WebSocket read, or does it wait for what is left? */
void	poller_ws_waits(struct poller *);

/* polling_ws.c: a WebSocket asks to take over. */
void	poller_candidate(struct poller *, struct request *);

/* polling.c: of no session yet; NULL: no memory, counted. */
struct poller *poller_new(struct polling *) MUST_USE;
/* From now on it is found by its sid, until it is removed. */
void	poller_insert(struct poller *);
void	poller_remove(struct poller *);
/* It is no session over polling any more. */
void	poller_uncount(struct poller *);

/* polling_end.c */
/* This connection ends; harmless when it has no session. */
void	polling_conn_gone(struct conn *);
/* The client of a session that is parting learns of it with its next GET; else
 * error 1 has to do.  How long that GET is waited for (ms, 0: not at all). */
uint64_t poller_tells(const struct poller *);
/* It is parting: at the end of this turn, unless it is frozen. */
void	poller_list(struct poller *);
/* Its last word has been said, or has waited long enough. */
void	poller_over(struct poller *);
/* Forget the session, of which nothing hangs on any more. */
void	poller_drop(struct poller *);
/* The same for one that did not become any. */
void	poller_bury(struct poller *);

#endif
