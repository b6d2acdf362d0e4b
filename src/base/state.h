/*
 * Live state as bytes, from one process to its successor on the same host:
 * numbers little-endian and without padding, slices with their length before
 * them, in sections that carry a tag and a version.
 *
 *	section   u16 tag   u16 version   u32 length   body
 *
 * Called by who saves and loads a part, which has a tag and versions of its own.
 * What is read may be anything: each read is bounds-checked, and one that failed
 * fails all that follow, so that a reader may look at the end.
 */
#ifndef BASE_STATE_H
#define BASE_STATE_H

#include <assert.h>

#include "base/buf.h"
#include "base/slice.h"

/* Beside what saves a struct: fails when it has another field. */
#define STATE_FIELDS(name, bytes)					\
	static_assert(sizeof(void *) != 8 ||				\
	    sizeof(struct name) == (bytes), "save what is new in " #name)

/* --- writing: appends; no memory is seen by the buffer's oom ------------- */

void	state_put_u8(struct buf *, uint8_t);
void	state_put_u16(struct buf *, uint16_t);
void	state_put_u32(struct buf *, uint32_t);
void	state_put_u64(struct buf *, uint64_t);
void	state_put_bool(struct buf *, bool);
void	state_put_slice(struct buf *, struct slice);	/* below 4 GiB */

/* A section: what is written between open and close is its body.  at is what
 * open has returned. */
size_t	state_open(struct buf *, uint16_t tag, uint16_t version) MUST_USE;
void	state_close(struct buf *, size_t at);

/* --- reading -------------------------------------------------------------- */

struct state_in {
	const uint8_t	*p, *end;	/* not read yet */
	bool		 bad;		/* too short, or not what is expected;
					 * sticks */
};

struct state_in state_in(struct slice) MUST_USE;

/* 0, false or empty once it is bad. */
uint8_t	state_get_u8(struct state_in *) MUST_USE;
uint16_t state_get_u16(struct state_in *) MUST_USE;
uint32_t state_get_u32(struct state_in *) MUST_USE;
uint64_t state_get_u64(struct state_in *) MUST_USE;
bool	state_get_bool(struct state_in *) MUST_USE;	/* 0 or 1 */
/* Points into what is read. */
struct slice state_get_slice(struct state_in *) MUST_USE;
/* So many bytes, copied: a field of fixed size.  Zeroed once it is bad. */
void	state_get_bytes(struct state_in *, void *to, size_t n);
void	state_put_bytes(struct buf *, const void *, size_t n);

/* A number that must be below n; 0 and bad when it is not. */
uint32_t state_get_below(struct state_in *, uint32_t n) MUST_USE;

/*
 * The next section, which must have this tag: its body, to be read by itself.
 * false: it is not there (in is bad).  Whether the version is known is the
 * caller's to say.
 */
bool	state_section(struct state_in *, uint16_t tag, uint16_t *version,
	    struct state_in *body) MUST_USE;
/* Bytes of the section with this tag that this begins with; 0: it does not. */
size_t	state_behind(struct slice, uint16_t tag) MUST_USE;
/* All was read, and was good. */
bool	state_end(const struct state_in *) MUST_USE;
/* It is not what it must be. */
static inline void
state_bad(struct state_in *in)
{
	in->bad = true;
}

#endif
