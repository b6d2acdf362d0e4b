/*
 * Bytes on their way to many receivers: reference-counted, encoded once.
 * While open, bytes may be appended behind those that are there; bytes
 * written once never change, so a reference is (msg, from, to).  The data
 * may move while the msg is open: take pointers only to use them at once.
 * One process, one thread.
 */
#ifndef BASE_MSG_H
#define BASE_MSG_H

#include "base/bug.h"
#include "base/slice.h"

struct msg {
	unsigned	 magic;
#define MSG_MAGIC	0x3e55a6e1
	uint32_t	 refs;	/* freed by the unref that makes it 0 */
	uint32_t	 len;	/* bytes valid; grows only */
	uint32_t	 cap;
	uint8_t		*data;
	uint32_t	 kept;	/* of refs: for clients that are away; the
				 * owner of those accounts for them */
};

/* One reference, room for cap bytes; NULL + errno when memory is short. */
struct msg *msg_new(size_t cap) MUST_USE;
/* The same, holding a copy of s and no spare room. */
struct msg *msg_copy(struct slice s) MUST_USE;
/* Room for n more bytes; returns where to write them (then add to len). */
uint8_t	*msg_room(struct msg *, size_t n) MUST_USE;
/* It will wait for somebody slow: give spare room back. */
void	msg_shrink(struct msg *);
static inline void
msg_ref(struct msg *m, uint32_t n)
{
	m->refs += n;
}
void	msg_unref(struct msg **);	/* clears the caller's pointer */
/* Messages taken from the heap since start (not from the free list): shows
 * that deliveries allocate nothing. */
uint64_t msg_allocated(void);

#endif
