/*
 * What the files of the decoder share: the context that is lent to a connection
 * in the middle of a fragmented message or a long frame.  Private to ws*.c.
 */
#ifndef PROTO_WS_INT_H
#define PROTO_WS_INT_H

#include "base/buf.h"
#include "base/press_message.h"
#include "proto/ws.h"

struct wslay_event_context;

struct ws_frame {
	bool		 fin;
	bool		 packed;	/* RSV1: of a compressed message */
	uint8_t		 opcode;
	unsigned	 header;	/* bytes, mask key included */
	uint64_t	 length;	/* payload bytes */
};

struct ws_slow {
	unsigned	 magic;
#define WS_SLOW_MAGIC	0x5107c0de
	struct wslay_event_context *wslay;
	const uint8_t	*in;		/* fed and not yet read by wslay */
	size_t		 n;
	uint64_t	 frame_left;	/* bytes of this frame not yet fed,
					 * header included */
	uint64_t	 length;	/* of its payload */
	uint8_t		 key[4];	/* of its mask */
	uint8_t		 opcode;	/* of this frame: wslay judges it when
					 * it has read more than the header */
	bool		 fin;		/* it ends the message */
	bool		 text;		/* by the opcode of the first, */
	bool		 packed;	/* and its RSV1 */
	uint32_t	 frames;	/* of this message so far */
	uint64_t	 announced;	/* payload bytes of those frames */
	struct buf	 message;
	uint8_t		 close[8];	/* begin of the Close it would send */
	size_t		 close_n;
	struct ws_slow	*next;		/* in the pool */
};

struct ws_pool {
	unsigned	 magic;
#define WS_POOL_MAGIC	0x3b9001aa
	struct ws_slow	*idle;		/* POOL_MAX at most */
	unsigned	 nidle;
	unsigned	 nlent;
	struct ws_slow	*last;		/* holds the message given out last, */
	struct buf	 plain;		/* or this, what it is inflated */
	struct inflater	*inflater;	/* NULL: not needed yet */
};

static inline ssize_t
ws_bad(struct ws_event *ev, enum reason reason)
{
	ev->type = WS_NONE;
	ev->reason = reason;
	return (CODEC_BAD);
}

/*
 * ws_inflate.c: a whole message that came compressed, into the event, whose
 * type is known.  `used`, or CODEC_BAD.
 */
ssize_t	ws_inflate(struct ws_pool *, const struct ws_limits *, struct slice,
	    ssize_t used, struct ws_event *);
/* Of the inflater's memory what is much. */
void	ws_inflate_recycle(struct ws_pool *);
void	ws_inflate_fini(struct ws_pool *);

/* Bytes that a message may have on its way.  One that is compressed may be
 * larger so, by a little. */
static inline uint64_t
ws_limit(const struct ws_limits *lim, bool packed)
{
	uint64_t n = lim->message_bytes;

	return (packed ? n + n / 8 + 64 : n);
}

/* ws_slow.c: a data frame that is not whole, or not alone, begins at in. */
ssize_t	ws_slow_decode(struct ws *, struct ws_pool *, const struct ws_limits *,
	    const struct ws_frame *, uint8_t *in, size_t n, struct ws_event *);
/* ... or goes on. */
ssize_t	ws_slow_feed(struct ws *, struct ws_pool *, const struct ws_limits *,
	    const uint8_t *in, size_t n, struct ws_event *);
/* The message given out last is no longer needed. */
void	ws_pool_recycle(struct ws_pool *);

#endif
