/*
 * What a hook is sent: entries as JSON, and the signature of it.  Pure.
 *
 *	{"namespace":"/chat","source":"…","epoch":"…","entries":[
 *	 {"seq":1,"type":"event","ts":1700000000123,"id":"…","user":"…",
 *	  "sid":"…","room":"…","event":"…","data":[…],"attachments":["…"]}]}
 */
#ifndef RELAY_HOOKS_BODY_H
#define RELAY_HOOKS_BODY_H

#include "relay/stream/entry.h"

struct body_source {
	const char	*source, *epoch;
	struct slice	 nsp;		/* with its slash */
};

/* Append a body of n entries, from e on; b->oom: no memory. */
void	body_put(struct buf *b, const struct body_source *,
	    const struct entry *e, unsigned n);

/* The same of a question about one event: its members, without seq, beside
 * namespace. */
void	body_put_question(struct buf *b, struct slice nsp,
	    const struct entry *e);

/* One entry, {"seq",...}; whole false: without what it says. */
void	body_put_entry(struct buf *b, const struct entry *e, bool whole);

/* "t=SECONDS,v1=HEX": the HMAC-SHA256 of "SECONDS.BODY". */
#define BODY_SIGNATURE	100u
void	body_sign(char out[BODY_SIGNATURE], struct slice secret,
	    uint64_t unix_s, struct slice body);

#endif
