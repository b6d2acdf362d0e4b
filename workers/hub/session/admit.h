/*
 * Who may come in: tokens are verified, and held against the namespace and the
 * route.  What the host asks at the handshake is in client.h.
 */
#ifndef HUB_SESSION_ADMIT_H
#define HUB_SESSION_ADMIT_H

#include "conf/conf.h"
#include "hub/session/principal.h"
#include "proto/token.h"

struct hub;

/* A token was refused, or is missing: counted, and told to the host. */
void	admit_failed(struct hub *, enum authfail);
/* A token was tried, and is none, or not this user's: the same, and it is held
 * against the address. */
void	admit_token_failed(struct hub *, uint64_t address, enum authfail);
/* Verifies a token.  AUTH_OK: *who is a new reference.  Failures are counted,
 * and held against the address. */
enum authfail admit_verify(struct hub *, uint64_t address,
	    struct slice token, struct principal **who);
/* Returns why this identity may not use the namespace, or NULL; sets *code to
 * the stable name of the refusal. */
const char *admit_may(const struct conf_namespace *, char *const *roles,
	    size_t nroles, const struct principal *, const char **code);

#endif
