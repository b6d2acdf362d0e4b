/*
 * Names that are given once: to a publication (its id), and to the place of an
 * event in what a client has seen (its offset).
 *
 *	id	NODE.SLOT.GENERATION.N		N counts, in hexadecimal digits
 *	offset	"NODE.SLOT.GENERATION.oN"	a JSON string
 *	ref	HOST.SID.ID			of an event whose sender waits for
 *						what a back end replies: where it is
 *
 * The relay, slot 0, gives no ids: its offsets have no o.  A client takes the
 * last string of any event for an offset; whether one may be of this daemon
 * is told by its node.  Pure.
 */
#ifndef PROTO_OFFSET_H
#define PROTO_OFFSET_H

#include <stdbool.h>

#include "base/bug.h"
#include "base/slice.h"

#define OFFSET_MAX	64	/* bytes of an id or an offset, at most */

struct offset_origin {		/* of what one process gives */
	char		 text[OFFSET_MAX / 2];	/* NODE.SLOT.GENERATION. */
	size_t		 n;
	bool		 marks;		/* o in its offsets */
};

/* Of node_id the lower 32 bits. */
void	offset_origin(struct offset_origin *, uint64_t node_id, unsigned slot,
	    unsigned generation);
/* Id n, written to out, which has room for OFFSET_MAX; the end. */
uint8_t *offset_id_put(uint8_t *out, const struct offset_origin *, uint64_t n);
/* Offset n, in out. */
struct slice offset_make(uint8_t out[OFFSET_MAX],
	    const struct offset_origin *, uint64_t n);
/* A raw JSON string: may it be an offset of this daemon? */
bool	offset_is_ours(struct slice raw, const struct offset_origin *);

/* --- references ------------------------------------------------------------ */

#define OFFSET_REF_MAX	128u	/* bytes, no NUL */
#define OFFSET_REF_HOST	16u	/* hexadecimal digits: a whole node_id */
#define OFFSET_REF_SID	20u
#define OFFSET_REF_ID	64u	/* at most */

struct offset_ref {
	struct slice	 host, sid, id;	/* of what was read */
};

/* Its bytes; 0: one of these is none. */
size_t	offset_ref_put(char out[OFFSET_REF_MAX], struct slice host,
	    struct slice sid, struct slice id) MUST_USE;
/* false: it is none. */
bool	offset_ref_read(struct slice, struct offset_ref *) MUST_USE;

#endif
