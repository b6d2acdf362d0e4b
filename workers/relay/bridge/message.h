/*
 * What a server of Socket.IO says to others, as JSON text with attachments,
 * whether it came as JSON or, because it holds binary, as MessagePack; and
 * what all kinds of adapters have in common in such messages: for whom
 * something is, and an event.  Pure.
 */
#ifndef RELAY_BRIDGE_MESSAGE_H
#define RELAY_BRIDGE_MESSAGE_H

#include "proto/bus.h"

struct conf_namespace;
struct whom;

struct message {
	struct slice	 json;		/* one object, found valid; borrowed */
	struct slice	 attachments[BUS_ATTACHMENTS_MAX]; /* likewise */
	size_t		 nattach;
};

/* text: scratch, from which the message borrows, as from payload.  false: no
 * object, or larger than max as text. */
bool	message_read(struct message *, struct buf *text, struct slice payload,
	    size_t max) MUST_USE;

/* Of what is published here: it is for clients of other servers as well.
 * Users are known here alone. */
bool	message_is_for_servers(const struct bus_envelope *);

/* A member that is a number; false: it is none, or absent. */
bool	message_number(struct slice json, struct slice name, int64_t *)
	    MUST_USE;

/*
 * {"rooms":[...],"except":[...]} for an audience that was begun: that member
 * of json (absent: everybody), or json itself when no member is named.  Names
 * are numbers sometimes.  They lie in names, which is emptied.  False: no
 * lists, or no memory.
 */
bool	message_whom(struct slice json, struct slice member, struct buf *names,
	    struct whom *) MUST_USE;

/*
 * {"packet":{"type":2,"data":[event, ...]},"opts":{"flags"}} of a message as
 * the envelope of a publication, which borrows from it; for whom it is comes
 * later.  *wait_ms: how long answers are waited for; 0: nothing is said.
 * False: it is none.
 */
bool	message_publish(const struct message *, struct slice json,
	    const struct conf_namespace *, struct bus_envelope *,
	    uint64_t *wait_ms) MUST_USE;

#endif
