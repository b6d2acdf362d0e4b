/*
 * The inside of yjs.h: yjs.c (clients, and what they say), yjs_doc.c (documents
 * that are open here, and what is known of their logs), yjs_open.c (all of the
 * log, to who comes), yjs_keep.c (what is to be kept), yjs_aware.c (awareness),
 * yjs_compact.c (snapshots), yjs_save.c (to another worker).
 */
#ifndef HUB_YJS_YJS_INT_H
#define HUB_YJS_YJS_INT_H

#include <sys/queue.h>

#include "base/hashtab.h"
#include "hub/hub_int.h"
#include "hub/yjs/yjs.h"
#include "hub/store/history.h"
#include "hub/store/since.h"
#include "proto/yjs/yjs.h"

#define YJS_EVENT	SLICE(WIRE_YJS_EVENT)	/* what clients are sent */
#define YJS_QUERY_EVENT	SLICE("\"yjs:query\"")	/* worker to worker */
#define YJS_CLAIM_EVENT	SLICE("\"yjs:claim\"")
#define YJS_VECTOR_MAX	(256u << 10)	/* bytes of one that is remembered */
#define YJS_ANSWERS	8u	/* of clients, whose digests are remembered */
#define YJS_DIGEST	20u

struct ydoc;

/* What our last step 1 was, which is not answered yet. */
enum yjs_asked { YJS_ASKED_NOTHING, YJS_ASKED_REST, YJS_ASKED_ALL };

/* How large a log is, as far as it was seen. */
struct ylog {
	uint64_t	 entries, bytes;
	/* of the last snapshot in it, and since then */
	uint64_t	 snapshot_bytes, since, since_bytes;
};

struct yjs {			/* a client */
	struct client	 client;
	struct ydoc	*doc;		/* NULL: it has gone from it */
	TAILQ_ENTRY(yjs) link;		/* of its document's */
	TAILQ_ENTRY(yjs) slow;		/* yjs_table.slow */
	bool		 live;		/* it has all, and gets what comes */
	bool		 writer;
	bool		 stepped;	/* its step 1 has come */
	bool		 asking;
	bool		 is_slow;
	bool		 starts;	/* slow: it has not begun to read */
	bool		 lost;		/* slow: it does not have what others have */
	bool		 was_asked;
	enum yjs_asked	 asked;
	uint64_t	 until_us;	/* it has all of it by then */
	struct history_ask ask;
	struct since	 since;		/* it has all up to there */
	struct ylog	 log;		/* ... which is so much */
	/* what our step 1 was made of: of this epoch */
	uint8_t		 epoch_n;
	char		 epoch[EPOCH_MAX];
	/* its own vector, as it came */
	uint8_t		*vector;
	uint32_t	 vector_n;
};
TAILQ_HEAD(yjs_list, yjs);

/* What one of its users shows of himself. */
struct ystate {
	TAILQ_ENTRY(ystate) link;
	uint64_t	 id, clock;	/* of Yjs */
	struct yjs	*owner;		/* NULL: it is at another worker */
	uint64_t	 heard_us;
	uint32_t	 n;
	bool		 gone;
	uint8_t		 json[];
};

enum ycompact_state {
	YCOMPACT_NONE,
	YCOMPACT_ASKED,		/* a client, for all it has */
	YCOMPACT_KEEPING,	/* that is on its way into the log */
	YCOMPACT_HELD		/* it is in it, and so is what it covers */
};

struct ycompact {
	enum ycompact_state state;
	const struct yjs *who;		/* compared, not followed */
	uint64_t	 place;		/* it covers all up to there, */
	struct ylog	 log;		/* which was so much */
	uint8_t		 epoch_n;
	char		 epoch[EPOCH_MAX];
	uint64_t	 until_us;
	uint64_t	 next_us;	/* none begins before */
	/* one that was much smaller than it should be, and whose */
	uint64_t	 small;
	char		 small_sid[SESSION_SID_LEN];
};

struct ydoc {
	unsigned	 magic;
#define YDOC_MAGIC	0x1d0c1d0c
	struct hashtab_link link;	/* yjs_table.docs */
	TAILQ_ENTRY(ydoc) all;
	struct hub	*hub;
	const struct conf_namespace *ns;
	const struct conf_room *conf;
	struct room	*room;		/* held */
	struct yjs_list	 clients;
	uint32_t	 holds;		/* clients, and updates on their way */
	unsigned	 compact;	/* conf_route.compact */
	/* known: this is where its log stands */
	bool		 known;
	uint8_t		 epoch_n;
	char		 epoch[EPOCH_MAX];
	uint64_t	 last;
	struct ylog	 log;
	struct buf	 low;		/* a vector that the log covers; or empty */
	uint8_t		 answers[YJS_ANSWERS][YJS_DIGEST];
	unsigned	 nanswers;	/* ever */
	/* it may not stand there any more: the relay is asked */
	bool		 doubt, asking;
	uint64_t	 ask_us;	/* not before */
	struct history_ask ask;
	TAILQ_HEAD(, ystate) states;
	uint32_t	 nstates;
	uint64_t	 state_bytes;
	bool		 tells;		/* other workers want those that are ours */
	struct ycompact	 snapshot;
};

struct yjs_table {
	struct hashtab	 docs;		/* by room */
	TAILQ_HEAD(, ydoc) all;
	uint32_t	 ndocs;
	struct yjs_list	 slow;
	uint64_t	 swept_us;
};

static inline struct yjs *
yjs_of(const struct client *c)
{
	return (container_of((struct client *)(uintptr_t)c, struct yjs,
	    client));
}

static inline struct slice
ydoc_epoch(const struct ydoc *d)
{
	return (slice_of(d->epoch, d->epoch_n));
}

static inline struct slice
ydoc_name(const struct ydoc *d)
{
	return (room_name(d->room));
}

/* --- yjs_save.c ----------------------------------------------------------------*/

void	yjs_save(const struct client *, struct book *, struct buf *);
bool	yjs_load(struct client *, struct book *, struct state_in *) MUST_USE;

/* --- yjs.c -----------------------------------------------------------------*/

/* A message of our own to one client. */
void	yjs_say(struct yjs *, enum yjs_kind, struct slice body);
/* It has all of its document: its step 1 is answered, if it came. */
void	yjs_answer(struct yjs *);
/* Our step 1, for what is not in the log, or for all. */
void	yjs_ask(struct yjs *, enum yjs_asked);
/* As the publication of a message, whose audience is the document's. */
struct publication yjs_publication(const struct ydoc *, struct slice event,
	    const struct slice *attachments, unsigned n);

/* --- yjs_doc.c ---------------------------------------------------------------*/

/* The one of this room, or a new one.  NULL: no memory, or too many. */
struct ydoc *ydoc_open(struct hub *, const struct conf_namespace *,
	    struct slice name) MUST_USE;
struct ydoc *ydoc_find(struct hub *, const struct room *);
struct ydoc *ydoc_ref(struct ydoc *);
void	ydoc_unref(struct ydoc **);
/* Its log is in this epoch: what is known of another one is nothing now. */
void	ydoc_begin(struct ydoc *, struct slice epoch);
/* known: that is its epoch; one in which nothing was yet has begun with it. */
bool	ydoc_is_in(struct ydoc *, struct slice epoch, uint64_t place);
/* An entry of the log was seen; news: for the first time here. */
void	ydoc_see(struct ydoc *, struct ylog *, const struct bus_publish *,
	    bool news);
/* What it has may not be what the log has: those who have it all come back. */
void	ydoc_anew(struct ydoc *);
/* Is this all that there may be? */
bool	ydoc_is_full(const struct ydoc *, size_t more);
/* An answer that is in the log already. */
bool	ydoc_has_answer(const struct ydoc *, const uint8_t digest[YJS_DIGEST]);
void	ydoc_tick(struct ydoc *);

/* --- yjs_open.c --------------------------------------------------------------*/

void	yjs_open_begin(struct yjs *);
void	yjs_open_later(struct yjs *);	/* it comes from another worker */
void	yjs_open_tick(struct hub *);
void	yjs_open_end(struct yjs *);	/* it reads no more */

/* --- yjs_keep.c ----------------------------------------------------------------*/

/* What is beside an update: notes its place in the log; snapshot: of all up to
 * this place. */
struct yjs_keep {
	struct slice	 update;
	struct slice	 epoch, vector;	/* with it the log covers that, in that
					 * epoch; or empty */
	uint64_t	 covers;
	bool		 answer;	/* it may come again, byte for byte */
};
void	yjs_keep(struct yjs *, const struct yjs_keep *);

/* --- yjs_aware.c ---------------------------------------------------------------*/

/* A list of a client here; of another worker (NULL).  true: it says something
 * new. */
bool	yaware_take(struct ydoc *, struct yjs *, struct slice list);
/* The same, and all who are there get it. */
void	yaware_say(struct yjs *, struct slice list);
/* All that are there, to one. */
void	yaware_give(struct yjs *);
/* It goes, and so do its states; it goes to another worker. */
void	yaware_leave(struct yjs *);
void	yaware_forget(struct yjs *);
/* Other workers that want them (tells) are told those that are here; and asked for
 * theirs. */
void	yaware_tell(struct ydoc *);
void	yaware_query(struct ydoc *);
/* Those who were not heard for long. */
void	yaware_sweep(struct ydoc *);
void	yaware_free(struct ydoc *);
/* Those of this client, as a list; and from another worker, with it. */
unsigned yaware_own(const struct yjs *, struct buf *);
void	yaware_load(struct yjs *, struct slice list);

/* --- yjs_compact.c --------------------------------------------------------------*/

/* A snapshot is due, and this client may be asked for it; or another is. */
bool	ycompact_is_due(const struct ydoc *) MUST_USE;
bool	ycompact_ask(struct yjs *);
void	ycompact_look(struct ydoc *);
/* true: what was asked for is taken as a snapshot. */
bool	ycompact_answer(struct yjs *, struct slice update) MUST_USE;
/* It is in the log; or it is not. */
void	ycompact_kept(struct ydoc *, struct slice epoch, bool good);
/* Another worker's is in the log. */
void	ycompact_heard(struct ydoc *, uint64_t covers);
/* Another client has all of the log; this one leaves. */
void	ycompact_seen(struct ydoc *, const struct yjs *);
void	ycompact_left(struct ydoc *, const struct yjs *);
void	ycompact_claimed(struct ydoc *);
/* It is over, whatever became of it; last: the document may go with it. */
void	ycompact_drop(struct ydoc *);
void	ycompact_tick(struct ydoc *);

#endif
