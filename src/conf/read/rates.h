/*
 * Rate limits, as they are read.  Called by parse.c.
 */
#ifndef CONF_READ_RATES_H
#define CONF_READ_RATES_H

#include "conf/read/section.h"

void	conf_rates_read(struct conf_reading *);

#endif
