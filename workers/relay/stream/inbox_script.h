/*
 * The scripts of inbox.h, which says what the keys hold; what each takes and
 * answers stands above it.
 */
#ifndef RELAY_STREAM_INBOX_SCRIPT_H
#define RELAY_STREAM_INBOX_SCRIPT_H

/* So long nobody else gets what somebody has taken: longer than workers wait for
 * an answer. */
#define INBOX_LEASE_MS	5000

extern const char inbox_script_add[];	/* one more */
extern const char inbox_script_take[];	/* some of it */
extern const char inbox_script_done[];	/* ... goes, or stays */

#endif
