/*
 * What is where, for people who open the address in a browser.
 */
#ifndef WORKER_ENDPOINT_INDEX_H
#define WORKER_ENDPOINT_INDEX_H

struct request;

/* A route's serve. */
void	index_serve(struct request *);

#endif
