/*
 * Commands that the HTTP API carries out: publish, presence, rooms, user,
 * history, join and leave (change), disconnect, revoke.
 */
#ifndef ROOSTCTL_REMOTE_H
#define ROOSTCTL_REMOTE_H

#include "base/bug.h"

struct remote_options {
	const char	*address;	/* see http.h */
	const char	*host;
	const char	*key;
	unsigned	 seconds;
};

/* argv: the command and what follows; what to exit with. */
int	remote_publish(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_presence(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_rooms(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_user(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_change(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_revoke(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_hooks(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_history(const struct remote_options *, int argc, char **argv)
	    MUST_USE;
int	remote_disconnect(const struct remote_options *, int argc, char **argv)
	    MUST_USE;

#endif
