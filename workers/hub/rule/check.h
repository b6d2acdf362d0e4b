/*
 * What a rule asks of the members of an event's first argument: their types,
 * lengths and values.
 */
#ifndef HUB_RULE_CHECK_H
#define HUB_RULE_CHECK_H

#include "conf/conf.h"

/* The first check that does not hold, or NULL. */
const struct conf_check *check_failed(const struct conf_event *,
	    struct slice first);

#endif
