/*
 * Rules of events, with what each causes besides.
 */
#ifndef CONF_READ_EVENT_H
#define CONF_READ_EVENT_H

#include "conf/read/section.h"

/* One more of the namespace, which has room for it. */
void	conf_event_read(struct conf_reading *, const struct conf_tree *,
	    struct conf_namespace *);

#endif
