/*
 * The plain WebSocket protocol, subprotocol roost.v1.  Either side may ask
 * the other to acknowledge an event, by an id of its own:
 *
 *	in   {"event":NAME,"data":ANY,"id"?:INT|STRING}
 *	     {"ack":INT,"data":ANY}
 *	out  {"event":NAME,"data":ANY,"args"?:[...],"meta"?:{...},"id"?:INT}
 *	     {"ack":ID,"data":ANY,"args"?:[...]} or {"ack":ID,"error":{"code","message"}}
 *
 * "args" is there only when the event or answer has more than one argument (data is the
 * first).  In the bare format only data itself travels.  Pure.
 */
#ifndef PROTO_RAW_H
#define PROTO_RAW_H

#include "proto/codec.h"

struct raw_message {
	bool		 is_ack;	/* an answer to the event ack */
	uint64_t	 ack;
	struct slice	 event;		/* raw JSON string, quotes included */
	struct slice	 data;		/* raw JSON; empty: absent */
	struct slice	 id;		/* raw JSON number, string or empty;
					 * also of what is bad, to answer by */
	const char	*why;		/* CODEC_BAD */
};
/* The whole of in is one envelope.  Unknown members are ignored; event must
 * be a non-empty string; id a string of <= 64 bytes (unescaped) or an integer
 * written in as many; ack, when there is no event, an integer that is not negative. */
ssize_t	raw_decode(struct slice in, struct raw_message *) MUST_USE;

struct raw_event {
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* elements, no brackets, or empty */
	struct slice	 first;		/* the first of them, or empty */
	struct slice	 meta;		/* raw JSON object, or empty */
	bool		 has_id;	/* to be acknowledged */
	uint64_t	 id;
};
size_t	raw_event_size(const struct raw_event *);
uint8_t *raw_event_put(uint8_t *out, const struct raw_event *);	/* end */
/* The sum of what `of` says of its parts, one behind the other all of its text
 * but for the digits of the id. */
size_t	raw_event_sum(const struct raw_event *, size_t (*of)(struct slice));

/* args: elements, no brackets, or empty, which is null; first: of them */
void	raw_encode_ack(struct buf *, struct slice id, struct slice args,
	    struct slice first);
/* data: any JSON value, or empty: the member is left out; more: members of the error
 * besides, each with its comma before it */
void	raw_encode_ack_error(struct buf *, struct slice id, const char *code,
	    struct slice message, struct slice data, struct slice more);

#endif
