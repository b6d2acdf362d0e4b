/*
 * A log line as an object of JSON, for who reads it with a program: what
 * stands before a message, then its event and its keys as they are.
 */
#ifndef SYS_LOG_JSON_H
#define SYS_LOG_JSON_H

#include <stddef.h>

#include "base/slice.h"

struct log_json_head {
	const char	*time;		/* RFC 3339; "": the reader has it */
	const char	*level;
	const char	*process;	/* "worker/1" */
	int		 pid;
};

/*
 * "event key=value key="more words"" becomes {"time":..,"level":..,
 * "process":..,"process_id":..,"event":..,"key":..}.  Whole numbers that are
 * not in quotes are numbers; words that have no key stand in "message"; bytes
 * that are no UTF-8 are taken for Latin-1.  It always is an object: what has no
 * room is left out, and "cut" is true.  Returns its length, without a newline;
 * cap is 512 or more.
 */
size_t	log_json(char *out, size_t cap, const struct log_json_head *,
	    struct slice message);

#endif
