/*
 * What stands behind the colon of a rule's word: "claim:courses".
 */
#ifndef CONF_RULE_ARGUMENT_H
#define CONF_RULE_ARGUMENT_H

#include <stddef.h>

/* "prefix:REST" with something behind the colon: REST; else NULL. */
const char *conf_argument(const char *text, const char *prefix);

#endif
