/*
 * What Redis says, as objects of ours: hiredis reads the protocol, but what
 * it may build is bounded here, in depth, elements and bytes.  A server that
 * asks for more is not a Redis of ours.  RESP2 and RESP3, in which a push, a
 * set or a map is an array.  Memory only; any process.
 */
#ifndef RELAY_REDIS_REPLY_H
#define RELAY_REDIS_REPLY_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

enum reply_type {
	REPLY_STRING, REPLY_STATUS, REPLY_ERROR, REPLY_INTEGER, REPLY_NIL,
	REPLY_ARRAY
};

struct reply {
	enum reply_type	 type;
	unsigned	 depth;		/* 0: not in an array */
	int64_t		 integer;	/* REPLY_INTEGER */
	struct slice	 text;		/* STRING, STATUS, ERROR; owned by the
					 * outermost */
	struct reply	**elements;	/* REPLY_ARRAY; likewise */
	size_t		 n;
	struct reply_block *blocks;	/* of reply.c; outermost only */
};

struct reply_limits {
	unsigned	 depth;		/* arrays within arrays */
	size_t		 elements;	/* of one reply, all arrays together */
	size_t		 bytes;		/* of one reply */
};

struct reply_reader;

/* NULL: no memory. */
struct reply_reader *reply_reader_new(const struct reply_limits *) MUST_USE;
void	reply_reader_free(struct reply_reader **);
/* Others, for the replies that follow; between two of them. */
void	reply_reader_limit(struct reply_reader *, const struct reply_limits *);

/*
 * Bytes as they came, at any split; they must stay until reply_next(), which is
 * to follow, has no more.  CODEC_BAD: as below.
 */
int	reply_feed(struct reply_reader *, struct slice in) MUST_USE;
/*
 * The next whole reply, to be freed by reply_free() before the next call: 1; it
 * stays though the reader goes meanwhile, as long as the bytes do;
 * CODEC_MORE: none yet;
 * CODEC_BAD: nonsense, above a limit or no memory: reply_why() has words, and
 * nothing that follows makes sense.
 */
int	reply_next(struct reply_reader *, struct reply **) MUST_USE;
const char *reply_why(const struct reply_reader *);
/* With all that is in it; NULL is fine. */
void	reply_free(struct reply **);

/* An error that starts with this word, as in "NOAUTH Authentication ...". */
bool	reply_is_error(const struct reply *, struct slice word);

/* What an error says, cut to fit, such that it may stand between quotes in a
 * line of the log. */
#define REPLY_WORDS	120
void	reply_words(const struct reply *, char out[REPLY_WORDS]);

#endif
