/*
 * What the files of truth know of each other and nobody else does: truth.c,
 * which writes, and truth_conf.c, when it is told what is to be written.
 */
#ifndef RELAY_PEOPLE_TRUTH_INT_H
#define RELAY_PEOPLE_TRUTH_INT_H

#include "conf/conf.h"
#include "relay/people/keys.h"
#include "relay/people/truth.h"

struct presence;

enum truth_state {
	TRUTH_OFF,
	TRUTH_WRITING,		/* what the table has */
	TRUTH_SWEEPING,		/* what only Redis has */
	TRUTH_READY,
};

/* Where the next renewal of a namespace goes on. */
struct truth_walk {
	struct truth	*truth;
	char		 at[KEYS_CURSORS];
};

struct truth {
	unsigned	 magic;
#define TRUTH_MAGIC	0x74a7ba5e
	struct truth_params p;
	const struct table_relay *table;
	struct presence	*presence;
	bool		 up;
	bool		 again;		/* to be begun as soon as may be */
	bool		 told;		/* a line says that it goes wrong */
	enum truth_state state;
	uint64_t	 epoch;
	unsigned	 flight;	/* replies that will come */
	struct mono	 renewed;
	struct mono	 begun;
	uint64_t	 patience_ms;	/* between one attempt and the next */
	/* all of it, by namespace, users and then rooms */
	size_t		 ns;
	uint32_t	 at;
	struct batch	*whole;
	char		 cursor[24];
	bool		 sweeping;	/* a reply is awaited */
	/* by namespace: changes since the last turn, NULL: none; batches of
	 * this epoch */
	struct batch	**changes;
	uint64_t	*numbers;
	struct truth_walk *walks;
	bool		 changed;
	struct batch_list flying, spare;
	unsigned	 nspare;
	/* by namespace: copies of those whose users are told no more and have
	 * to go from Redis; NULL: none */
	struct conf_namespace **leaving;
};

/* Its users are kept. */
static inline bool
truth_keeps(const struct truth *t, const struct conf_namespace *ns)
{
	return (ns != NULL && (t->p.tells ? ns->tells != 0 :
	    ns->presence != CONF_PRESENCE_OFF));
}

/* NULL: nobody is told who is there. */
static inline const struct conf_namespace *
truth_namespace(const struct truth *t, size_t ns)
{
	const struct conf_namespace *n = conf_namespace_at(t->p.conf, ns);

	return (truth_keeps(t, n) ? n : NULL);
}

/* What Redis has of it is compared: it is told, or it was. */
static inline const struct conf_namespace *
truth_sweeps(const struct truth *t, size_t ns)
{
	return (t->leaving[ns] != NULL ? t->leaving[ns] :
	    truth_namespace(t, ns));
}

static inline struct keys
truth_keys(const struct truth *t, const struct conf_namespace *ns)
{
	return ((struct keys){ .conf = t->p.conf, .redis = t->p.redis,
		.ns = ns, .node = t->p.node_id, .epoch = t->epoch,
		.tells = t->p.tells });
}

/* They are part of what is written anew. */
void	truth_drop_changes(struct truth *);
/* No reply, or an error: all is written anew. */
bool	truth_failed(struct truth *, const struct reply *);
/* truth_conf.c: nothing in Redis is of this epoch but what is told: the rest of
 * one that leaves goes. */
void	truth_left(struct truth *, size_t ns);
/* Nobody leaves: all copies are freed. */
void	truth_stay(struct truth *);

#endif
