/*
 * Between the files of rules: what an event may do (rule.c), and how it is sent
 * on (rule_send.c).
 */
#ifndef HUB_RULE_RULE_INT_H
#define HUB_RULE_RULE_INT_H

#include "hub/hub_int.h"
#include "hub/rule/written.h"
#include "proto/bus.h"
#include "proto/json.h"

/* A rule's way through one event. */
struct passage {
	struct session	*s;
	const struct inbound *in;
	const struct conf_event *rule;
	unsigned	 nargs;		/* counted where they have a limit */
	struct written	 out;		/* what goes on; first: empty until
					 * needed */
	struct slice	 raw;		/* the target's name as raw JSON; of
					 * JOINED: if it is one room */
	struct slice	 name;		/* unescaped */
	size_t		 nrooms;	/* JOINED */
	struct slice	 rooms[BUS_LIST_MAX];
	uint8_t		 name_bytes[ROOM_NAME_MAX];
	struct publication p;
	struct slice	 id;		/* of the publication */
	bool		 asked;		/* the hook lets it pass, */
	struct slice	 answer;	/* ... and has this for the sender */
	bool		 besides;	/* what follows from another, which is
					 * counted and answered */
};

/* The first argument, if it has not been looked for yet. */
static inline void
rule_look_first(struct passage *w)
{
	if (w->out.first.n == 0 && w->out.args.n != 0)
		MUST(json_value(w->out.args, &w->out.first) > 0);
}

/* rule_send.c: what goes out, in w.p; false: no memory. */
bool	rule_publication(struct passage *) MUST_USE;
/* To whom the rule says, and the sender is answered. */
void	rule_pass(struct passage *);

#endif
