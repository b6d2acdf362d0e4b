/*
 * What notifications in Redis are asked and changed by; see remote.h.  KEYS: meta,
 * items, order, read.  ARGV: verb and channel of news, namespace and user as these
 * begin with, most items, most bytes, ms; then what is of each.  Answers an array:
 * "COUNT VERSION DUE NEXT DID EXPIRED DISPLACED COLLAPSED ", then texts.
 */
#ifndef RELAY_BOX_REMOTE_SCRIPT_H
#define RELAY_BOX_REMOTE_SCRIPT_H

/* Nothing more. */
extern const char box_script_count[];
/* id, category, collapse key, rank, expires, json. */
extern const char box_script_create[];
/* cursor, limit, y: unread alone, category. */
extern const char box_script_list[];
/* y: they go, y: all, category, ids ... */
extern const char box_script_pick[];
/* nothing; or json, muted, least, quiet: "\nNAME\n...", a rank, and "FROM TO OFFSET
 * 1: nothing is delivered" or nothing. */
extern const char box_script_prefs[];

#endif
