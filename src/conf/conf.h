/*
 * What the daemon includes of its configuration: the struct and the questions
 * one may ask of it.  Text becomes that struct in conf/read, on whose floors
 * nobody stands but the master, who reads the file.
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
