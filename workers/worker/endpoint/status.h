/*
 * Health, probes and metrics: what the shared segment and the stats file say
 * about the whole daemon, told by whichever worker is asked.
 */
#ifndef WORKER_ENDPOINT_STATUS_H
#define WORKER_ENDPOINT_STATUS_H

struct request;

/* Of routes: serve. */
void	status_health(struct request *);
void	status_probe(struct request *);		/* livez, readyz, healthz */
void	status_metrics(struct request *);

#endif
