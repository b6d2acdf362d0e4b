/*
 * What the files of SockJS share.  Private to sockjs*.c.
 */
#ifndef WORKER_SOCKJS_SOCKJS_INT_H
#define WORKER_SOCKJS_SOCKJS_INT_H

#include <sys/queue.h>

#include <assert.h>

#include "base/hashtab.h"
#include "base/slab.h"
#include "proto/json_sockjs.h"
#include "sys/loop.h"
#include "worker/net/later.h"
#include "worker/net/story.h"
#include "worker/sockjs/sockjs.h"
#include "worker/sockjs/sockjs_text.h"

struct client;

#define SOCKJS_KEY	16	/* bytes of what a session is found by */

enum sockjs_state {
	SOCKJS_OPEN,
	SOCKJS_CLOSED	/* all there is to say: why */
};

struct sockjs {
	unsigned	 magic;
	uint8_t		 state;		/* enum sockjs_state */
	uint8_t		 reason;	/* enum reason, once parting is set */
	uint8_t		 transport;	/* of recv, or the last one */
	bool		 parting;	/* closes at the end of this turn */
	struct outq	 outq;		/* strings, a comma behind each */
	struct sockjs_all *all;
	struct client	*client;	/* OPEN */
	struct conn	*recv;		/* by which it receives */
	struct conn	*post;		/* brought what is left of messages */
	struct hashtab_link by_key;
	TAILQ_ENTRY(sockjs) link;	/* all->list */
	struct sockjs	*next;		/* parting or doomed */
	char		*lines;		/* of recv's response head; heap */
	char		*post_lines;	/* of post's */
	struct sockjs_messages rest;	/* still to do */
	uint8_t		*rest_bytes;	/* ... stands here; heap, NULL: none */
	struct later	 later;		/* in all->busy, if so: */
	bool		 queued;
	bool		 is_busy;	/* goes on in the next turn */
	bool		 listed;	/* in table and list */
	bool		 frozen;	/* may be another's: see sockjs_save.h */
	bool		 unwanted;	/* taken over, but may not be here */
	bool		 alone;		/* nobody received for too long */
	uint64_t	 sent;		/* bytes of the stream, messages alone */
	struct timer	 timer;		/* the nearest of: */
	struct mono	 old_at;	/*   OPEN: its age is over */
	struct mono	 gone_at;	/*   nobody receives: the end */
	struct mono	 beat_at;	/*   recv: a heartbeat */
	struct story	 story;
	uint64_t	 address_key;	/* of its address; 0: none */
	uint32_t	 address_node;	/* ... counted (COUNT_POLLING); 0 */
	uint32_t	 key_node;	/* it is ours (COUNT_SOCKJS) */
	uint8_t		 key[SOCKJS_KEY];
};

static_assert(offsetof(struct sockjs, magic) == offsetof(struct host, magic) &&
    offsetof(struct sockjs, outq) == offsetof(struct host, outq), "a host");

/* A request whose session went away, or is about to, before all of its body had
 * come: it is asked once more, as a whole. */
struct sockjs_again {
	STAILQ_ENTRY(sockjs_again) link;
	struct conn	*c;		/* AWAITS, of no session */
	struct buf	 request;
};

struct sockjs_all {
	unsigned	 magic;
#define SOCKJS_ALL_MAGIC 0x50c4150b
	struct worker	*w;
	struct hash_key	 hash;
	struct hashtab	 table;		/* by key */
	TAILQ_HEAD(, sockjs) list;	/* the same; those that came last first */
	struct slab	 slab;
	struct later_queue *busy;
	STAILQ_HEAD(, sockjs_again) again;
	struct sockjs	*parting;
	struct sockjs	*doomed;
};

/* --- sockjs_session.c ------------------------------------------------------ */

void	sockjs_check(const struct sockjs *);
struct sockjs *sockjs_find(const struct sockjs_all *,
	    const uint8_t key[SOCKJS_KEY]) MUST_USE;
/* Of no key yet; NULL: no memory, counted. */
struct sockjs *sockjs_session_new(struct sockjs_all *) MUST_USE;
/* From now on it is found, until it is removed. */
void	sockjs_insert(struct sockjs *);
void	sockjs_remove(struct sockjs *);
/* Nothing hangs on it any more: it is freed when the turn is over. */
void	sockjs_bury(struct sockjs *);
/* Nobody receives for it from now on. */
void	sockjs_alone(struct sockjs *);

/* --- sockjs_owner.c -------------------------------------------------------- */

/* Who asks for which session at which endpoint: what it is found by. */
void	sockjs_owner_key(struct request *, struct slice base, struct slice id,
	    uint8_t key[SOCKJS_KEY]);
/* It is passed to the worker that has that session; false: nobody has it. */
bool	sockjs_owner_pass(struct request *, const uint8_t key[SOCKJS_KEY])
	    MUST_USE;
/* Its slot, which can be reached; 0: nobody else has it. */
unsigned sockjs_owner(const struct worker *, const uint8_t key[SOCKJS_KEY]);
/* It is to be this worker's alone.  false: it is another's, or cannot be
 * known, and the request is answered, or asks again. */
bool	sockjs_owner_claim(struct request *, const uint8_t key[SOCKJS_KEY],
	    uint32_t *node) MUST_USE;

/* --- sockjs_receive.c ------------------------------------------------------ */

/* The request of a client that wants to receive so; callback: of HTMLFILE. */
void	sockjs_receive(struct request *, enum sockjs_transport,
	    const uint8_t key[SOCKJS_KEY], struct slice callback);
/* The lines of a response that comes later; *lines: heap, or NULL.  false: no
 * memory. */
bool	sockjs_lines(const struct request *, char **lines) MUST_USE;

/* --- sockjs_out.c ---------------------------------------------------------- */

/* recv gets all that is queued, which is something, */
void	sockjs_deliver(struct sockjs *);
/* ... a frame, */
void	sockjs_say(struct sockjs *, struct slice frame);
/* ... and its end; then it is no receiver any more. */
void	sockjs_let_go(struct sockjs *);
/* The frame that says why it was closed. */
void	sockjs_put_close(struct buf *, const struct sockjs *);
/* What is queued as a frame, of which nothing is left then. */
void	sockjs_put_queue(struct buf *, struct sockjs *);

/* --- sockjs_in.c ----------------------------------------------------------- */

void	sockjs_send(struct request *, const uint8_t key[SOCKJS_KEY]);
/* What was queued is taken: go on, if there is anything left. */
void	sockjs_resume(struct sockjs *);
void	sockjs_forget_rest(struct sockjs *);
/* It gets its answer. */
void	sockjs_answer_post(struct sockjs *);

/* --- sockjs_again.c -------------------------------------------------------- */

/* What a body is remembered by: of which session it is for, and its head. */
struct slice sockjs_again_name(const struct request *,
	    const uint8_t key[SOCKJS_KEY]);
/* Its session is not here, or not to be asked now: the request is asked again
 * in the next turn.  false: it is not one that can be. */
bool	sockjs_again(struct request *, struct slice name, struct slice body)
	    MUST_USE;
void	sockjs_again_all(struct sockjs_all *);
/* This one ends before. */
void	sockjs_again_gone(struct sockjs_all *, const struct conn *);

/* --- sockjs_end.c ---------------------------------------------------------- */

/* It is parting: at the end of this turn, unless it is frozen. */
void	sockjs_list(struct sockjs *);
struct story_of sockjs_story(const struct sockjs *);

/* --- sockjs_page.c --------------------------------------------------------- */

void	sockjs_page_greeting(struct request *);
void	sockjs_page_info(struct request *);
void	sockjs_page_iframe(struct request *);
/* To a preflight; allow: methods. */
void	sockjs_page_options(struct request *, const char *allow);
/* A few words, and the connection stays. */
void	sockjs_page_words(struct request *, int status, const char *words);

#endif
