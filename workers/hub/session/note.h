/*
 * What becomes of a client, told to the host for who asks later (hub/ports.h).
 */
#ifndef HUB_SESSION_NOTE_H
#define HUB_SESSION_NOTE_H

#include "base/slice.h"

struct client;
struct session;

/* It has a session. */
void	note_joined(struct session *);
/* It may not be in this namespace. */
void	note_refused(struct client *, struct slice ns, const char *what);
/* s: NULL, it was no event of a session. */
void	note_rate_limited(struct client *, const struct session *);

#endif
