/*
 * Gaps: audiences for which something was lost on its way, kept until they are
 * told by the event roost:gap.  A bounded set; what is more is noted for the
 * whole namespace.  Kept by each who may have to drop what others shall get:
 * a worker whose stream to the relay is full, the relay for a worker that does
 * not read, and for other hosts.  Who is told, and when, is theirs.
 */
#ifndef GAPS_GAPS_H
#define GAPS_GAPS_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/hashtab.h"

struct bus_audience;
struct bus_envelope;
struct conf;

#define GAPS_MAX	1024	/* rooms, users and sids in one set */

enum gap_kind { GAP_NAMESPACE, GAP_ROOM, GAP_USER, GAP_SID };

struct gap {
	struct hashtab_link link;
	TAILQ_ENTRY(gap) order;
	uint64_t	 hash;
	enum gap_kind	 kind;
	uint64_t	 from_ms, to_ms;	/* unix: when that was, about */
	struct slice	 nsp;		/* with its slash; point into text */
	struct slice	 name;		/* of a namespace: empty */
	uint8_t		 text[];
};

struct gaps {
	unsigned	 magic;
#define GAPS_MAGIC	0x9a9509a9
	const struct conf *conf;
	struct hashtab	 table;
	TAILQ_HEAD(gaps_list, gap) list;	/* in the order of their begin */
	unsigned	 names;		/* of them, no namespaces */
	/* there was no memory to say whom it was for */
	bool		 everywhere;
	uint64_t	 from_ms, to_ms;	/* of that */
};

/* The set must stay where it is; conf has the namespaces. */
void	gaps_init(struct gaps *, const struct conf *);
void	gaps_fini(struct gaps *);
/* Another one; what was noted in namespaces that are gone stays. */
void	gaps_conf(struct gaps *, const struct conf *);

/* Something for this audience (NULL: the whole namespace) was lost. */
void	gaps_note(struct gaps *, struct slice nsp, const struct bus_audience *,
	    uint64_t from_ms, uint64_t to_ms);
/* In every namespace. */
void	gaps_note_all(struct gaps *, uint64_t from_ms, uint64_t to_ms);
/* Its loss is told: a publication, not volatile, and no announcement, which is
 * made again. */
bool	gaps_are_told_of(const struct bus_envelope *);
/* This one was lost; counted. */
void	gaps_note_lost(struct gaps *, const struct bus_envelope *,
	    uint64_t now_ms);
/* What is to be told next; NULL: nothing. */
const struct gap *gaps_first(struct gaps *);
void	gaps_drop_first(struct gaps *);
/* It cannot be told yet: the others first. */
void	gaps_put_off_first(struct gaps *);

/*
 * roost:gap as a publication to those concerned.  Slices point into the gap,
 * and into args, which is written anew.  False: no memory.
 */
bool	gaps_publication(const struct gap *, struct buf *args,
	    struct bus_envelope *) MUST_USE;

#endif
