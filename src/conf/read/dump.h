/*
 * The configuration as text: `roostd -n`.
 */
#ifndef CONF_READ_DUMP_H
#define CONF_READ_DUMP_H

#include "base/buf.h"
#include "conf/model.h"

/* The effective configuration with every default, in the file's own syntax
 * (secrets as "..." ); what it prints parses again. */
void	conf_dump(const struct conf *, struct buf *);

#endif
