/*
 * The service inbox: users' notifications (namespace { inbox }), which the relay
 * keeps (workers/relay/box).  Clients ask by events, and all connections of a user
 * are told of what has changed; what the relay tells of is published as any event.
 *
 * Here, too: how many are unread is told to each session that begins, and again
 * to all of a user who may have missed it (notices_count.c).  A count has a
 * version; of two the one with the greater version counts.
 */
#ifndef HUB_SERVICE_NOTICES_H
#define HUB_SERVICE_NOTICES_H

#include "hub/session/refuse.h"

struct bus_envelope;
struct notices_table;

/* service.c.  false: refused */
bool	notices_do_list(struct session *, const struct inbound *);
bool	notices_do_count(struct session *, const struct inbound *);
bool	notices_do_read(struct session *, const struct inbound *);
bool	notices_do_read_all(struct session *, const struct inbound *);
bool	notices_do_delete(struct session *, const struct inbound *);
bool	notices_do_prefs(struct session *, const struct inbound *);

/* --- notices_count.c ------------------------------------------------------------ */

struct notices_table *notices_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	notices_table_free(struct hub *);
/* events.h; and as sessions move: they are not told anew, but for what they may
 * have missed on their way. */
void	notices_session_begin(struct session *);
void	notices_session_end(struct session *);
void	notices_session_take(struct session *);
/* BUS_BOX, of the relay: some news may not have come; the stream broke, and there
 * is another one. */
void	notices_bus(struct hub *, const struct bus_envelope *);
void	notices_back(struct hub *);
void	notices_tick(struct hub *);
/* Has this user a connection here? */
bool	notices_is_here(const struct hub *, const struct conf_namespace *,
	    struct slice user);

#endif
