/*
 * What a hook answers when it is asked whether something may be:
 *
 *	{"allow":true,"ack":[ARGUMENT,...],			an event
 *	 "user":"ann","roles":["editor"],"rooms":["r:1"],	a client that comes
 *	 "event":"hello","data":VALUE,
 *	 "cache":SECONDS}
 *	{"allow":false,"code":"no_seat","message":"words for the client",
 *	 "data":VALUE,"status":403,"cache":SECONDS}
 *
 * No text at all allows.  Other members are not looked at.  Pure.
 */
#ifndef PROTO_JSON_VERDICT_H
#define PROTO_JSON_VERDICT_H

#include "base/bug.h"
#include "base/slice.h"

#define VERDICT_CODE_MAX	64	/* bytes of a code */
#define VERDICT_WORDS_MAX	200	/* ... of a message; longer: none */
#define VERDICT_USER_MAX	255	/* ... of a user's id, or a role */
#define VERDICT_ROLES_MAX	32
#define VERDICT_ROOMS_MAX	64

struct verdict {		/* slices point into the text */
	bool		 allow;
	struct slice	 ack;		/* elements without brackets; or empty */
	struct slice	 code;		/* plain, or empty */
	struct slice	 message;	/* raw JSON string, or empty */
	struct slice	 data;		/* any value, or empty */
	struct slice	 user;		/* raw JSON string, or empty */
	struct slice	 roles, rooms;	/* arrays of strings, or empty */
	struct slice	 event;		/* raw JSON string, or empty */
	unsigned	 status;	/* 400..499; 0: it does not say */
	uint64_t	 cache_s;	/* it holds for so long; 0: once */
};

/* False: it is no verdict. */
bool	verdict_decode(struct slice text, struct verdict *) MUST_USE;
/* Its words in out, or, where it has none, "the back end refuses it". */
void	verdict_words(const struct verdict *, char out[VERDICT_WORDS_MAX + 1]);

#endif
