/*
 * What a rule asks of an event's first argument: what its lines of check say, and
 * its file of JSON Schema.
 */
#ifndef HUB_RULE_CHECK_H
#define HUB_RULE_CHECK_H

#include "conf/conf.h"
#include "conf/schema/schema.h"

/* It is what it must be.  first: empty where there is none; args is looked at
 * for it. */
bool	check_holds(const struct conf_event *, struct slice args,
	    struct slice *first, struct conf_fault *) MUST_USE;

#endif
