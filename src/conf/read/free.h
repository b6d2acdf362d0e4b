/*
 * The end of a configuration.
 */
#ifndef CONF_READ_FREE_H
#define CONF_READ_FREE_H

#include "conf/model.h"

void	conf_free(struct conf **);

#endif
