/*
 * Quantities as people write them: "1m30s", "1MB", "64KiB", "100k".  Text to
 * number and number to the shortest text that reads back the same.
 */
#ifndef CONF_VALUE_UNIT_H
#define CONF_VALUE_UNIT_H

#include <stdint.h>

#include "base/buf.h"

enum conf_unit {
	CONF_UNIT_COUNT,	/* k = 1000, M = 1000000 */
	CONF_UNIT_SIZE,		/* B; KB MB GB: powers of 1000; KiB MiB GiB:
				 * of 1024; result in bytes */
	CONF_UNIT_DURATION,	/* ms s m h d, also in a row: 1m30s; result in
				 * milliseconds */
	CONF_UNIT_OCTAL		/* 0660 */
};

/*
 * Whole text or false: an unknown unit, no digits, a fraction, overflow.  A
 * duration other than 0 needs a unit; a count or size may do without.
 */
bool	conf_unit_parse(enum conf_unit, struct slice text, uint64_t *) MUST_USE;
void	conf_unit_print(enum conf_unit, uint64_t, struct buf *);
/* How the unit is written, for messages: "a duration (ms, s, m, h, d)". */
const char *conf_unit_help(enum conf_unit);

#endif
