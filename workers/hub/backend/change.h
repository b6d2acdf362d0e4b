/*
 * What is kept of a room is changed, or its data taken away, and its members are
 * told.  What is kept is read first, for what stays of it: its event, its audience
 * and its meta.  Then it goes back, with what tells of the change, as one
 * publication (BUS_EDIT): the store does both, or, if it is not there any more,
 * neither.
 */
#ifndef HUB_BACKEND_CHANGE_H
#define HUB_BACKEND_CHANGE_H

#include "base/bug.h"
#include "hub/store/since.h"

struct conf_api_key;
struct conf_namespace;
struct hub;

struct change_order {
	const struct conf_namespace *ns;
	const struct conf_api_key *key;	/* whose it is; NULL: everything is
					 * allowed */
	struct slice	 room;		/* that keeps a history */
	struct since	 at;		/* which event; offset 0: by */
	struct slice	 id;		/* ... the one in its meta, of at most
					 * ASK_ID_BYTES */
	struct slice	 args;		/* from now on, or: */
	bool		 redact;	/* none any more */
};

/* The question ref (ask_store()) is told what became of it.  false: it cannot be
 * looked for, and is told nothing. */
bool	change_begin(struct hub *, const struct change_order *, uint32_t ref)
	    MUST_USE;

#endif
