/*
 * The states of Redis in words; see redis_state.h.
 */
#include "conf/redis_state.h"

#include <stddef.h>

static const char *const redis_troubles[REDIS_STATE__MAX] = {
	[REDIS_CONNECTING] = "Redis is being connected",
	[REDIS_UNRESOLVED] = "the name of Redis cannot be resolved",
	[REDIS_UNREACHABLE] = "Redis cannot be reached",
	[REDIS_INSECURE] = "TLS with Redis fails",
	[REDIS_NO_PASSWORD] = "the password file of Redis cannot be read",
	[REDIS_REFUSED] = "Redis refuses our user or password",
	[REDIS_DENIED] = "Redis denies us commands or channels",
	[REDIS_ERRORS] = "Redis answers with errors",
	[REDIS_SILENT] = "Redis does not answer",
	[REDIS_LOST] = "Redis closed the connection",
	[REDIS_NONSENSE] = "Redis does not speak its protocol",
	[REDIS_SHORT] = "Redis is not connected: out of memory or descriptors",
	[REDIS_NO_MASTER] = "no Sentinel names a master",
	[REDIS_SWITCHED] = "Redis has another master, to be connected",
	[REDIS_RENEWED] = "Redis is connected again, with another password",
	[REDIS_READONLY] = "Redis is a replica, not a master",
	[REDIS_UNSERVED] = "slots of the Redis Cluster have no node",
};

const char *
redis_state_trouble(unsigned state)
{
	return (state < REDIS_STATE__MAX ? redis_troubles[state] :
	    "Redis is not connected");
}
