/*
 * From text to one immutable struct, or errors with file and line.  Opens no
 * files: paths stay paths, the master reads them.  Called at start and reload.
 */
#ifndef CONF_READ_PARSE_H
#define CONF_READ_PARSE_H

#include "conf/errors.h"
#include "conf/model.h"

/* NULL: see errors.  A syntax error is reported alone, errors of meaning all
 * together. */
struct conf *conf_parse(const struct conf_source *, struct conf_errors *)
	    MUST_USE;

#endif
