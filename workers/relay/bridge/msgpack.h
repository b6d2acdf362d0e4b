/*
 * MessagePack, as the packages of Socket.IO for Node write and read it, and
 * the JSON that it becomes for clients and comes from.  Called by those who
 * speak to such servers; what a message means is theirs.  Pure: no recursion,
 * no trust in a length; memory only where a buf is given.
 *
 * Source: the MessagePack specification; notepack.io 3.0, whose types of its
 * own (older dates, undefined, ArrayBuffer) are read as well.
 */
#ifndef RELAY_BRIDGE_MSGPACK_H
#define RELAY_BRIDGE_MSGPACK_H

#include "proto/codec.h"

#define MSGPACK_DEPTH_MAX	68	/* arrays and maps inside each other:
					 * what JSON may have, and a message
					 * around it */
#define MSGPACK_ATTACHMENTS_MAX	10	/* as in one packet of Socket.IO */

/* --- reading --------------------------------------------------------------*/

enum msgpack_type {
	MSGPACK_NIL, MSGPACK_BOOL, MSGPACK_UINT, MSGPACK_INT, MSGPACK_FLOAT,
	MSGPACK_STR, MSGPACK_BIN, MSGPACK_EXT, MSGPACK_ARRAY, MSGPACK_MAP
};

struct msgpack_value {
	enum msgpack_type type;
	int8_t		 ext;		/* EXT: which */
	uint32_t	 count;		/* ARRAY: elements; MAP: pairs */
	struct slice	 raw;		/* all of it; borrowed */
	struct slice	 bytes;		/* STR, BIN, EXT: what they hold;
					 * ARRAY, MAP: what is inside */
	union {
		bool	 yes;		/* BOOL */
		uint64_t uint;		/* UINT: not negative */
		int64_t	 sint;		/* INT: negative */
		double	 real;		/* FLOAT */
	};
};

/*
 * One value at the start of in, checked completely (lengths, depth, no byte
 * that means nothing).  Returns the bytes it takes, or CODEC_BAD; never
 * CODEC_MORE.
 */
ssize_t	msgpack_value(struct slice in, struct msgpack_value *) MUST_USE;

/* The functions below take values that were checked. */

struct msgpack_iter {
	struct slice	 rest;
	uint32_t	 left;
	bool		 map;
};
/* false: value is no array and no map */
bool	msgpack_enter(const struct msgpack_value *, struct msgpack_iter *)
	    MUST_USE;
/* Array: key is left alone (may be NULL).  false: no more. */
bool	msgpack_next(struct msgpack_iter *, struct msgpack_value *key,
	    struct msgpack_value *value) MUST_USE;
/* Of a map by a key that is a string; of several the last.  false: there is
 * none, or this is no map. */
bool	msgpack_get(const struct msgpack_value *map, struct slice name,
	    struct msgpack_value *) MUST_USE;
/* A string, or a number in digits as JavaScript has them, in out when it is
 * not borrowed; false: it is neither, or is no valid UTF-8. */
#define MSGPACK_NAME_MAX	32
bool	msgpack_name(const struct msgpack_value *, char out[MSGPACK_NAME_MAX],
	    struct slice *name) MUST_USE;

/* --- to JSON --------------------------------------------------------------*/

enum msgpack_result {
	MSGPACK_OK,
	MSGPACK_NO_JSON,	/* a key that is none; too deep */
	MSGPACK_LARGE,		/* more than max bytes of text */
	MSGPACK_MANY		/* more attachments than fit a packet */
};

/* What one packet's values become, one after the other. */
struct msgpack_text {
	struct buf	*out;		/* text is appended; may be oom */
	size_t		 max;		/* bytes that out may hold */
	unsigned	 strange;	/* extensions nobody knows: null */
	unsigned	 nattach;
	struct slice	 attachments[MSGPACK_ATTACHMENTS_MAX]; /* borrowed */
};
/*
 * One checked value as JSON text: what JSON.stringify() makes of what Node
 * reads.  Binary becomes {"_placeholder":true,"num":N} and one more
 * attachment; a timestamp the string of its time; NaN, infinities, what is
 * undefined or unknown null; bytes that are no UTF-8 U+FFFD.
 */
enum msgpack_result msgpack_text(struct msgpack_text *,
	    const struct msgpack_value *) MUST_USE;

/* --- writing: the smallest form of each ----------------------------------- */

void	msgpack_put_nil(struct buf *);
void	msgpack_put_bool(struct buf *, bool);
void	msgpack_put_uint(struct buf *, uint64_t);
void	msgpack_put_number(struct buf *, double); /* integers as such */
void	msgpack_put_str(struct buf *, struct slice);
void	msgpack_put_bin(struct buf *, struct slice);
/* What is inside follows: n elements; n pairs of a key and a value. */
void	msgpack_put_array(struct buf *, size_t n);
void	msgpack_put_map(struct buf *, size_t n);

/*
 * JSON text that was found valid (json_value): elements as they stand between
 * the brackets of an array, without those; one value is one element.  Objects
 * that are placeholders become binary when their number is that of an
 * attachment.  Returns how many elements there are, each appended.
 */
size_t	msgpack_put_elements(struct buf *, struct slice elements,
	    const struct slice *attachments, size_t nattach);
/* How many that would be. */
size_t	msgpack_count_elements(struct slice elements);

#endif
