/*
 * The HTTP API's door: key, media type and body limits.  What a body means is
 * the hub's (hub/api.h).
 */
#ifndef WORKER_ENDPOINT_API_H
#define WORKER_ENDPOINT_API_H

#include "base/slice.h"

struct conn;
struct request;

/* Of the routes that have a body. */
void	api_head(struct request *);
void	api_body(struct request *, struct slice body);
void	api_presence_get(struct request *);
void	api_history_serve(struct request *);
void	api_rooms_get(struct request *);
void	api_user_get(struct request *);
/* The same of notifications: serve, and body. */
void	api_inbox_serve(struct request *);
void	api_inbox_body(struct request *, struct slice body);
void	api_stats_get(struct request *);
void	api_hooks_get(struct request *);
/* documents: any method; the body of one. */
void	api_documents_serve(struct request *);
void	api_documents_body(struct request *, struct slice body);

/* hub_ports.answered; the connection that waits for it is closing. */
void	api_answered(void *worker, void *conn, int status,
	    struct slice body);
/* A hand (conn.h): it goes itself. */
void	api_parting(struct conn *);

#endif
