/*
 * What the daemon includes of its configuration: the struct, and the questions
 * that one may ask of it in any process.  Text becomes that struct in
 * conf/read, for the master.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/errors.h"
#include "conf/find.h"
#include "conf/model.h"
#include "conf/name.h"
#include "conf/origin.h"
#include "conf/pattern.h"

#endif
