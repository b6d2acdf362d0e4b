/*
 * Owned, growable bytes with a read and a write position:
 *
 *	data      rpos          wpos          cap
 *	 | read    | unread      | room        |
 *
 * Encoders append; a failed allocation is remembered (oom) instead of being
 * returned by each call, so that an encoder checks once, at its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bug.h"
#include "base/slice.h"

struct buf {
	unsigned	 magic;
#define BUF_MAGIC	0xb0f0b0f1
	bool		 oom;	/* an append failed; contents are cut */
	uint8_t		*data;	/* heap, NULL while cap is 0 */
	size_t		 rpos;	/* rpos <= wpos <= cap */
	size_t		 wpos;
	size_t		 cap;	/* bytes allocated */
};

void	buf_init(struct buf *);
void	buf_fini(struct buf *);			/* frees, clears magic */
void	buf_check(const struct buf *);
void	buf_reset(struct buf *);		/* empties, keeps memory */
/* Room for n more bytes: false and oom set when there is no memory. */
bool	buf_reserve(struct buf *, size_t n);
void	buf_append(struct buf *, const void *p, size_t n);
void	buf_slice(struct buf *, struct slice);	/* append */
void	buf_str(struct buf *, const char *);	/* append */
void	buf_byte(struct buf *, uint8_t);	/* append */
void	buf_u64(struct buf *, uint64_t);	/* append as decimal */
void	buf_printf(struct buf *, const char *, ...) PRINTF_LIKE(2, 3);
void	buf_consume(struct buf *, size_t n);	/* n <= unread */

static inline struct slice
buf_unread(const struct buf *b)
{
	return (slice_from(slice_of(b->data, b->wpos), b->rpos));
}

#endif
