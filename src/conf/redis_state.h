/*
 * How it stands with Redis, as a number that fits a gauge: the relay sets it,
 * /health and rooststat say it in words.  Pure.
 */
#ifndef CONF_REDIS_STATE_H
#define CONF_REDIS_STATE_H

enum redis_state {
	REDIS_OFF,		/* not configured */
	REDIS_CONNECTED,
	REDIS_CONNECTING,	/* nothing has gone wrong yet */
	REDIS_UNRESOLVED,	/* its name */
	REDIS_UNREACHABLE,
	REDIS_INSECURE,		/* no TLS with it */
	REDIS_NO_PASSWORD,	/* password_file cannot be read */
	REDIS_REFUSED,		/* user, password */
	REDIS_DENIED,		/* commands or channels that we need */
	REDIS_ERRORS,		/* loading, no such database, ... */
	REDIS_SILENT,
	REDIS_LOST,		/* it closed the connection */
	REDIS_NONSENSE,
	REDIS_SHORT,		/* memory, descriptors: ours */
	REDIS_NO_MASTER,	/* no Sentinel names one */
	REDIS_SWITCHED,		/* another server has its part now */
	REDIS_RENEWED,		/* made again, for another password */
	REDIS_READONLY,		/* a replica, where a master should be */
	REDIS_UNSERVED,		/* slots of a Cluster have no node */
	REDIS_STATE__MAX
};

/* Of one that is connected. */
#define REDIS_REFUSES	"Redis refuses commands for the time being"
#define REDIS_SECRET_BAD	"secret_file of Redis cannot be used"

/* "Redis cannot be reached"; NULL: no trouble. */
const char *redis_state_trouble(unsigned state);

#endif
