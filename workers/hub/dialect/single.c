/*
 * A client with one session; see single.h.  Called by plain.c and messages.c.
 */
#include "hub/dialect/single.h"

#include "hub/hub_int.h"
#include "hub/audience/room.h"
#include "hub/rule/appoint.h"
#include "hub/rule/door.h"
#include "hub/rule/rule.h"

bool
single_begin(struct client *c, struct admission *a)
{
	struct hub *h = c->hub;
	struct session *s;

	s = session_new(h, c, c->out, (enum wire)c->wire, a->ns, c->who,
	    slice_of(a->sid, a->has_sid ? sizeof a->sid : 0));
	if (s == NULL)
		return (false);
	s->counted = (struct limit_nodes){ a->user_node, a->ns_node };
	a->user_node = a->ns_node = 0;
	client_link(c, s);
	if (a->room != NULL && !room_join(h, s, ROOM_NAMED,
	    slice_of(a->room, a->room_len)))
		return (false);
	/* a stream names its own */
	if (c->wire != WIRE_SSE)
		appoint(s, a->since);
	door_welcome(s, a->granted);
	rule_connect(s, slice_of(NULL, 0));
	return (true);
}

void
single_kick(struct client *c, struct session *s, enum reason reason)
{
	client_close(c, reason);	/* first: who it is, is told */
	client_unlink(c, s);
	session_over(&s, reason);
}

void
single_expire(struct client *c, struct session *s, enum reason reason)
{
	(void)s;
	client_close(c, reason);
}
