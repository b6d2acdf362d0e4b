/*
 * Health, probes and metrics: what the shared segment and the stats file say
 * about the whole daemon, told by whichever worker is asked.
 */
#ifndef WORKER_ENDPOINT_STATUS_H
#define WORKER_ENDPOINT_STATUS_H

#include <stdbool.h>

struct request;
struct worker;

/* Of routes: serve. */
void	status_health(struct request *);
void	status_probe(struct request *);		/* livez, readyz, healthz */
void	status_metrics(struct request *);
/* Who is on other hosts is what was known some time ago. */
bool	status_presence_stale(const struct worker *);

#endif
