/*
 * The demo page: served as it stands, under a policy that allows its own
 * inline script and style by their digests and nothing else.
 */
#ifndef WORKER_ENDPOINT_DEMO_H
#define WORKER_ENDPOINT_DEMO_H

#include "base/buf.h"

struct request;

/*
 * The Content-Security-Policy line (with CRLF) for a page: each
 * <script>...</script> and <style>...</style> without attributes is allowed by
 * its SHA-256 (CSP level 3, section 8.2); connections go to the page's own
 * host only.  Pure.
 */
void	demo_policy(struct buf *, struct slice page);

/* A route's serve. */
void	demo_serve(struct request *);

#endif
