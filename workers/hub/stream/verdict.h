/*
 * What a hook answers when it is asked about an event:
 *
 *	{"allow":true,"ack":[ARGUMENT,...]}
 *	{"allow":false,"message":"words for the client"}
 *
 * No text at all allows.  Other members are not looked at.  Pure.
 */
#ifndef HUB_STREAM_VERDICT_H
#define HUB_STREAM_VERDICT_H

#include "base/bug.h"
#include "base/slice.h"

struct verdict {		/* slices point into the text */
	bool		 allow;
	struct slice	 ack;		/* elements without brackets; or empty */
	struct slice	 message;	/* raw JSON string, or empty */
};

/* False: it is no verdict. */
bool	verdict_decode(struct slice text, struct verdict *) MUST_USE;

#endif
