/*
 * Joining a room that keeps a history: first where it stands is found out, and
 * what the client has missed since then is told to it; then it is a member.
 *
 *	hold the room ─► BUS_HISTORY ─► BUS_PAGE ─┬─ more ─► replay, ask on
 *	(from now on its			  └─ all ──► replay, join, ack
 *	events come here)
 *
 * What is before the last page in the stream is in it, what is behind is for
 * members: nothing is lost, and nothing comes twice.  When there is no answer
 * the client joins all the same, and is told that it was not recovered.
 *
 * An event stream, which asks for nothing by an ack, hears the same by events:
 * roost:joined with an id, and roost:gap before what is behind the gap.  So does
 * a session that was put in the room.
 */
#ifndef HUB_STORE_ENTER_H
#define HUB_STORE_ENTER_H

#include "hub/session/refuse.h"
#include "hub/store/since.h"

/*
 * The session may join this room, is not in it, and has asked to.  name, and
 * raw as it was written.  may: asked again when it is time.  false: refused, and
 * it knows.
 */
struct enter_ask {
	struct slice	 name, raw;
	struct since	 since;
	bool		 lost;		/* it has seen something, but nobody
					 * knows what */
	bool		 opens;		/* a document: what is kept of its keys comes
					 * as doc:snapshot, and the ack says doc and
					 * rev */
	bool		 appointed;	/* it is put in the room: no right is the
					 * token's, and no ack waits */
	enum refused	 (*may)(const struct session *, struct slice room);
};
bool	enter_room(struct session *, const struct inbound *,
	    const struct enter_ask *) MUST_USE;
/* It was about to join this room, and does not: its ack says why.  false: it was
 * not. */
bool	enter_leave(struct session *, struct slice name, const char *why);
/* It is in it already: where that stands. */
void	enter_again(struct session *, const struct inbound *,
	    const struct enter_ask *);

#endif
