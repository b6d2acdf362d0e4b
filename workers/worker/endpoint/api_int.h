/*
 * Between api.c, which lets back ends in, api_get.c, what they read, and
 * api_documents.c, what they read and change there.
 */
#ifndef WORKER_ENDPOINT_API_INT_H
#define WORKER_ENDPOINT_API_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "worker/endpoint/api.h"

struct ask;
struct http_request;

/* A key that allows this; false: answered, with these words if it does not. */
bool	api_admit(struct request *, uint32_t right, const char *words)
	    MUST_USE;
/* NAME of /api/v1/hooks/NAME/..., decoded to `to`; empty: of /api/v1/hooks. */
bool	api_hook_name(struct request *, uint8_t *to, struct slice *name)
	    MUST_USE;
/* What comes is JSON, as far as it says: no Content-Type, or application/json with
 * any parameters. */
bool	api_json(const struct http_request *) MUST_USE;
/* An error of the API. */
void	api_refuse(struct request *, int status, const char *code,
	    const char *message);
/* The room whose history an order changes, decoded; false: the path is no good. */
struct api_edit;
bool	api_history_order(struct request *, struct api_edit *) MUST_USE;
/* A number of the query string within its bounds; *v stays when absent. */
bool	api_number(struct request *, const char *name, uint64_t max,
	    uint64_t *v) MUST_USE;
/* What stands in the worker's `body`, now, or (later) when others have
 * answered: clients, workers, hosts, the relay. */
void	api_reply(struct request *, int status, struct ask *later);

#endif
