/*
 * A client that waits for the store's answer to one of its events.  It may
 * leave meanwhile, or be back on another connection, whose own acks may have
 * the same numbers: then there is nobody to be told.
 */
#ifndef HUB_STORE_WAITER_H
#define HUB_STORE_WAITER_H

#include "base/hashtab.h"
#include "hub/session/session.h"

enum waiter_kind { WAITER_KEEP, WAITER_ENTER, WAITER_READ, WAITER_STREAM,
	WAITER_CONSULT, WAITER_AWAIT, WAITER_YJS, WAITER_DOCUMENT };

struct waiter {			/* embed */
	enum waiter_kind kind;	/* whose it is */
	struct hashtab_link by_client;
	uint32_t	 serial;	/* of the client */
	char		 sid[SESSION_SID_LEN];
	struct ack	 ack;		/* raw points to the owner's memory */
};

void	waiter_table_init(struct hashtab *);
/* raw: room for what the ack's raw has. */
void	waiter_begin(struct waiter *, enum waiter_kind,
	    const struct session *, const struct ack *, uint8_t *raw);
void	waiter_end(struct hub *, struct waiter *);
/* NULL: it has left. */
struct session *waiter_session(struct hub *, const struct waiter *);
bool	waiter_any(const struct hub *, uint32_t serial);
/* The first of this client's, or the next one of the same; NULL: no more. */
struct waiter *waiter_of(const struct hub *, uint32_t serial,
	    const struct waiter *before);

#endif
