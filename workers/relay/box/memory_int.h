/*
 * The inside of memory.h, between memory.c (what is asked), memory_box.c (one
 * user's) and memory_save.c.
 */
#ifndef RELAY_BOX_MEMORY_INT_H
#define RELAY_BOX_MEMORY_INT_H

#include <sys/queue.h>

#include "base/hash.h"
#include "base/hashtab.h"
#include "relay/box/memory.h"
#include "shm/counters.h"

struct notice {
	TAILQ_ENTRY(notice) link;
	uint64_t	 serial;	/* in its box; later ones are greater */
	uint64_t	 hash;		/* of its id */
	uint64_t	 at_ms;		/* unix: it came */
	uint64_t	 expires_ms;	/* unix; 0: never */
	bool		 read;
	bool		 counted;	/* while it is unread */
	uint8_t		 id_n, category_n, collapse_n;
	uint32_t	 json_n;
	uint8_t		 bytes[];	/* those, in this order */
};
TAILQ_HEAD(notices, notice);

struct box {
	struct hashtab_link link;
	TAILQ_ENTRY(box) used;		/* in box_memory.boxes */
	uint64_t	 hash;
	struct notices	 notices;	/* the newest first */
	uint32_t	 n;
	uint32_t	 count;		/* unread and counted */
	uint64_t	 bytes;		/* of notices, with their cost */
	uint64_t	 serial;	/* the last one given */
	uint64_t	 expires_ms;	/* the first that expires; 0: none */
	uint64_t	 keep_ms;	/* as it was asked about last */
	uint8_t		*prefs;		/* as of box_put_prefs(), or NULL */
	uint32_t	 prefs_n;
	uint16_t	 nsp_n, user_n;
	uint8_t		 text[];	/* nsp, user */
};
TAILQ_HEAD(boxes_list, box);

struct box_memory {
	unsigned	 magic;
#define BOX_MEMORY_MAGIC	0xb0c53e30
	struct box_calls calls;
	struct hash_key	 key;
	struct hashtab	 table;
	struct boxes_list boxes;	/* used least lately first */
	uint64_t	 max_bytes, bytes;	/* of all */
	uint64_t	 version;	/* the last one given */
	struct buf	 text, told;	/* scratch */
};

static inline struct slice
box_nsp(const struct box *x)
{
	return (slice_of(x->text, x->nsp_n));
}

static inline struct slice
box_user(const struct box *x)
{
	return (slice_of(x->text + x->nsp_n, x->user_n));
}

static inline struct slice
notice_id(const struct notice *i)
{
	return (slice_of(i->bytes, i->id_n));
}

static inline struct slice
notice_category(const struct notice *i)
{
	return (slice_of(i->bytes + i->id_n, i->category_n));
}

static inline struct slice
notice_collapse(const struct notice *i)
{
	return (slice_of(i->bytes + i->id_n + i->category_n, i->collapse_n));
}

static inline struct slice
notice_json(const struct notice *i)
{
	return (slice_of(i->bytes + i->id_n + i->category_n + i->collapse_n,
	    i->json_n));
}

/* --- memory_box.c --------------------------------------------------------- */

/* NULL: there is none; make: or no memory.  It was used just now. */
struct box *box_find(struct box_memory *, struct slice nsp, struct slice user);
struct box *box_make(struct box_memory *, struct slice nsp, struct slice user);
/* With all that is in it. */
void	box_drop(struct box_memory *, struct box *);
/* If nothing is in it. */
void	box_drop_empty(struct box_memory *, struct box *);
struct notice *box_notice(const struct box_memory *, const struct box *,
	    struct slice id);
struct notice *box_collapsed(const struct box *, struct slice collapse);
/* The newest from now on.  NULL: no memory. */
struct notice *box_add(struct box_memory *, struct box *,
	    const struct box_item *, uint64_t at_ms, bool counted);
void	box_remove(struct box_memory *, struct box *, struct notice *);
void	box_set_read(struct box *, struct notice *);
/* The oldest that is read, or else the oldest; NULL: it is empty. */
struct notice *box_oldest(const struct box *);
/* What is too old goes. */
void	box_purge(struct box_memory *, struct box *,
	    const struct box_bounds *, uint64_t now_ms);
bool	box_set_prefs(struct box_memory *, struct box *, struct slice) MUST_USE;
bool	box_prefs(const struct box *, struct box_prefs *) MUST_USE;
void	box_show(const struct box_memory *);

#endif
