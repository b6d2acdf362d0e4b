/*
 * What Redis does for a room at once, as scripts: append, which gives places,
 * keeps and publishes; and read, which answers with a part of what is kept.
 * remote_script.c has them, and says what they are given.  Called by the other
 * files of the engine.
 */
#ifndef STORE_REMOTE_SCRIPT_H
#define STORE_REMOTE_SCRIPT_H

#include "base/slice.h"

enum remote_script {
	REMOTE_APPEND, REMOTE_READ, REMOTE_TRIM,
	/* the same of rooms that keep the newest of each key: remote_keyed.c */
	REMOTE_KEYED_APPEND, REMOTE_KEYED_READ,
	REMOTE_SCRIPTS
};

#define REMOTE_SHA	40	/* of its text, in hex */

struct remote_scripts {
	char		 sha[REMOTE_SCRIPTS][REMOTE_SHA];
};

void	remote_scripts_init(struct remote_scripts *);
struct slice remote_script_text(enum remote_script);
/* What follows those beginnings, of which appends, or (false) reads. */
struct slice remote_script_keyed(bool append);

/* Beside the bytes of an entry, what is counted for it. */
#define REMOTE_ENTRY_COST	64

/* A batch on the room's channel:
 *
 *	"ROOSTK1 " TOKEN " " EPOCH " " PLACE "\n" ENTRY ...
 *
 * PLACE of the first; each entry begins with its length, u32 little-endian.  Of one
 * that another room keeps as well the highest bit of that is set, and "EPOCH PLACE\n"
 * there, not in the length, is next. */
#define REMOTE_TWICE	(UINT32_C(1) << 31)
#define REMOTE_MARK	"ROOSTK1 "

#endif
