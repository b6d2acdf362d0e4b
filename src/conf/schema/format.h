/*
 * What strings may be besides long: the formats of JSON Schema.
 */
#ifndef CONF_SCHEMA_FORMAT_H
#define CONF_SCHEMA_FORMAT_H

#include "base/bug.h"
#include "base/slice.h"

#define CONF_FORMATS \
	"date-time | date | time | email | uuid | uri | ipv4 | ipv6"

enum conf_format_of { CONF_FORMAT_DATE_TIME, CONF_FORMAT_DATE,
	CONF_FORMAT_TIME, CONF_FORMAT_EMAIL, CONF_FORMAT_UUID, CONF_FORMAT_URI,
	CONF_FORMAT_IPV4, CONF_FORMAT_IPV6, CONF_FORMAT__NONE };

/* Of a text without its quotes and escapes. */
bool	conf_format_holds(enum conf_format_of, struct slice) MUST_USE;

#endif
