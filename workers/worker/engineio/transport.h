/*
 * The door of Engine.IO: which transport a request is for, and which worker;
 * what browsers are told about other origins.
 */
#ifndef WORKER_ENGINEIO_TRANSPORT_H
#define WORKER_ENGINEIO_TRANSPORT_H

struct request;

/* A route's serve. */
void	transport_serve(struct request *);

#endif
