/*
 * Health, probes and metrics: what the shared segment and the stats file say
 * about the whole daemon, told by whichever worker is asked.
 */
#ifndef WORKER_ENDPOINT_STATUS_H
#define WORKER_ENDPOINT_STATUS_H

#include <stdbool.h>

#include "base/bug.h"

struct buf;
struct request;
struct worker;

/* Of routes: serve. */
void	status_health(struct request *);
void	status_probe(struct request *);		/* livez, readyz, healthz */
void	status_metrics(struct request *);
/* Of this host, as JSON: {"host","health","stats"}.  false: not now. */
bool	status_stats(struct worker *, struct buf *) MUST_USE;
/* Who is on other hosts is what was known some time ago. */
bool	status_presence_stale(const struct worker *);
/* The relay knows of no Redis that answers; not while it tries for the first
 * time, nor where others of several nodes are there. */
bool	status_redis_is_away(struct worker *);

#endif
