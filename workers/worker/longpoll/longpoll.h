/*
 * Long polls: /poll/NAMESPACE?room=...&since=...&wait=..., one response each, now
 * or later.  What is in it is the hub's.
 */
#ifndef WORKER_LONGPOLL_LONGPOLL_H
#define WORKER_LONGPOLL_LONGPOLL_H

struct conn;
struct longpoll_answer;
struct request;

/* A route's serve. */
void	longpoll_serve(struct request *);
/* hub_ports.polled */
void	longpoll_answered(void *worker, void *asker,
	    const struct longpoll_answer *);
/* A hand (conn.h) of a connection whose poll waits. */
void	longpoll_parting(struct conn *);

#endif
