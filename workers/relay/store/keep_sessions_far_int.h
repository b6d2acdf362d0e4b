/*
 * The inside of keep_sessions_far.h: keep_sessions_far.c (what is to be written, and
 * when), keep_sessions_write.c (a batch of it),
 * keep_sessions_fetch.c (what is taken, and what hosts say of that),
 * keep_sessions_script.c (what Redis does at once).
 */
#ifndef STORE_KEEP_SESSIONS_FAR_INT_H
#define STORE_KEEP_SESSIONS_FAR_INT_H

#include "relay/store/keep_sessions_far.h"
#include "sys/timer.h"

#define FAR_BATCH	32u		/* sessions written by one script, */
#define FAR_BATCH_BYTES	(256u << 10)
#define FAR_BATCHES	8u		/* on their way */
#define FAR_RECORD_MAX	(128u << 10)	/* of one session */
#define FAR_ENDED	65536u		/* that Redis does not know yet */
#define FAR_TAKES	65536u		/* questions on their way */
#define FAR_TICK_MS	50
#define FAR_PAUSE_MS	500		/* behind an error */
#define FAR_LEASE_MS	60000u		/* so long a session outlives its host, at
					 * least, beside the window */
#define FAR_WANT_MS	400		/* for the host that has it */
#define FAR_TAKE_MS	900		/* for all of it: its worker waits longer */

enum far_script { FAR_WRITE, FAR_TAKE, FAR_SCRIPTS };

struct far_batch {
	TAILQ_ENTRY(far_batch) next;
	struct keep	*k;
	struct redis	*redis;
	bool		 whole;		/* the script's text went along */
	unsigned	 n;
	struct {
		bool	 ended;
		char	 pid[STORED_PID];
	}		 v[FAR_BATCH];
	uint16_t	 nsp_n;
	char		 nsp[];
};

struct far_end {			/* to be told to Redis */
	STAILQ_ENTRY(far_end) next;
	char		 pid[STORED_PID];
	uint16_t	 nsp_n;
	char		 nsp[];
};

struct far_take {
	TAILQ_ENTRY(far_take) next;
	struct hashtab_link link;
	struct keep	*k;
	struct redis	*redis;
	struct store_asker asker;
	uint64_t	 at_ms, waits_ms;	/* waits: since then; 0: it does
						 * not */
	bool		 asked;		/* an answer is to come */
	bool		 early;		/* Redis is not known yet */
	bool		 whole, force;
	bool		 has_user;
	uint8_t		 offset_n;
	uint16_t	 nsp_n, user_n;
	char		 pid[STORED_PID];
	char		 offset[STORED_OFFSET];
	char		 text[];	/* nsp, user */
};

struct sessions_far {
	struct keep	*k;
	struct stored_list due, lease;	/* by stored.far */
	STAILQ_HEAD(, far_end) ended;
	TAILQ_HEAD(, far_batch) batches;
	TAILQ_HEAD(, far_take) takes;
	struct hashtab	 pids;		/* of takes */
	unsigned	 nended, nbatches, ntakes, nasked;
	bool		 was_ready;	/* Redis was there since this relay began */
	uint64_t	 missed_ms;	/* Redis may be another one since then */
	uint64_t	 pause_ms;	/* nothing is written before then */
	uint64_t	 looked_ms;	/* at takes */
	struct timer	 tick;		/* the loop is not to wait longer */
	char		 sha[FAR_SCRIPTS][40];
	struct buf	 channel, name, message, other, record, data, verb;
	struct buf	 keys[FAR_BATCH];
};

static inline struct slice
far_take_nsp(const struct far_take *t)
{
	return (slice_of(t->text, t->nsp_n));
}

static inline struct slice
far_take_user(const struct far_take *t)
{
	return (slice_of(t->text + t->nsp_n, t->user_n));
}

/* --- keep_sessions_far.c --------------------------------------------------*/

/* There is a Redis that takes commands. */
bool	far_is_up(const struct keep *);
/* Where the sessions of that namespace are, in far.channel; false: nowhere. */
bool	far_at(struct keep *, struct slice nsp) MUST_USE;
/* The key of a session there, in b. */
struct slice far_key(struct keep *, struct buf *b, struct slice nsp,
	    const char pid[STORED_PID]);
/* As keys say who has a session. */
void	far_node(const struct keep *, char node[17]);
/* What Redis is to compare, at the end of b: whose it is. */
void	far_put_user(struct buf *b, bool has_user, struct slice user);
/* Some buffer has had no memory. */
bool	far_oom(struct sessions_far *);
/* Its last state is to be written; is written, or as good as that. */
void	far_set_due(struct sessions_far *, struct stored *);
void	far_set_written(struct sessions_far *, struct stored *);
/* Redis is to be told that it has ended. */
void	far_add_end(struct sessions_far *, struct slice nsp,
	    const char pid[STORED_PID]);
/* It is another host's: it ends here, and nobody is told. */
void	far_lose(struct keep *, struct stored *);

/* --- keep_sessions_write.c ------------------------------------------------*/

/* A batch goes; false: none does now. */
bool	far_write_some(struct keep *);
/* It was not written: all of it is due again. */
void	far_again(struct far_batch *);
void	far_free_batch(struct far_batch *);

/* --- keep_sessions_fetch.c ------------------------------------------------*/

/* A message of this host in b. */
void	far_message(struct keep *, struct buf *b, char kind,
	    struct slice what);
uint64_t far_hash_of(const void *keep, const struct hashtab_link *);
void	far_takes_turn(struct keep *);
void	far_takes_end(struct sessions_far *, const struct redis *);

/* --- keep_sessions_script.c -----------------------------------------------*/

struct slice far_script_text(enum far_script);
void	far_scripts_init(char sha[FAR_SCRIPTS][40]);

#endif
