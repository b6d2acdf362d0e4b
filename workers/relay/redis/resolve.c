/*
 * Names to addresses by a thread; see resolve.h.  A thread that hangs in a
 * name server's silence is left to itself: its answer goes nowhere.  There
 * are not more than a few at a time; other questions wait for their turn.
 */
#include "relay/redis/resolve.h"

#include <sys/queue.h>

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESOLVE_THREADS	4
#define RESOLVE_PORT	8		/* decimal, with its NUL */

struct resolve_job {
	int		 fd;		/* the answer goes here */
	char		*host;
	char		 port[RESOLVE_PORT];
};

static atomic_uint resolve_threads;	/* that run now */
/* Those for which there is no thread yet; of the one loop. */
static TAILQ_HEAD(, resolve) resolve_queue =
    TAILQ_HEAD_INITIALIZER(resolve_queue);

/* What getaddrinfo() says in words that outlive it. */
static void
resolve_ask(const char *host, const char *port, int flags, struct resolved *r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = flags }, *list = NULL, *a;
	int error = getaddrinfo(host, port, &hints, &list);

	memset(r, 0, sizeof *r);
	if (error != 0) {
		r->why = error == EAI_SYSTEM ? "the system cannot look it up" :
		    gai_strerror(error);
		return;
	}
	for (a = list; a != NULL && r->n < RESOLVE_MAX; a = a->ai_next) {
		if (a->ai_addrlen > sizeof r->addrs[0].sa)
			continue;
		memcpy(&r->addrs[r->n].sa, a->ai_addr, a->ai_addrlen);
		r->addrs[r->n++].len = a->ai_addrlen;
	}
	freeaddrinfo(list);
	if (r->n == 0)
		r->why = "it has no address";
}

static void *
resolve_thread(void *arg)
{
	struct resolve_job *job = arg;
	struct resolved r;

	resolve_ask(job->host, job->port, 0, &r);
	atomic_fetch_sub(&resolve_threads, 1);	/* whoever is told, may go on */
	/* one record, which fits; who asked may be gone */
	(void)send(job->fd, &r, sizeof r, MSG_NOSIGNAL);
	(void)close(job->fd);
	free(job->host);
	free(job);
	return (NULL);
}

/* Detached, and no signal is ever handled by it. */
static int
resolve_thread_start(struct resolve_job *job)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int error;

	error = pthread_attr_init(&attr);
	if (error != 0)
		return (error);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGSYS);	/* it could only be killed by it */
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_fetch_add(&resolve_threads, 1);
	error = pthread_create(&thread, &attr, resolve_thread, job);
	if (error != 0)
		atomic_fetch_sub(&resolve_threads, 1);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return (error);
}

/* --- the loop's side ------------------------------------------------------*/

void
resolve_init(struct resolve *v, struct loop *loop,
    void (*done)(struct resolve *, const struct resolved *))
{
	memset(v, 0, sizeof *v);
	v->loop = loop;
	v->io.fd = -1;
	v->done = done;
}

static void
resolve_job_free(struct resolve_job *job)
{
	if (job == NULL)
		return;
	free(job->host);
	free(job);
}

bool
resolve_is_host(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!isalnum(s.p[i]) && (s.p[i] == '\0' ||
		    strchr(".-_:%", s.p[i]) == NULL))
			return (false);
	return (s.n > 0);
}

void
resolve_stop(struct resolve *v)
{
	if (v->job != NULL) {
		TAILQ_REMOVE(&resolve_queue, v, next);
		resolve_job_free(v->job);
		v->job = NULL;
	}
	if (v->io.fd == -1)
		return;
	loop_del(v->loop, &v->io);
	(void)close(v->io.fd);
	v->io.fd = -1;
}

static void
resolve_fail(struct resolve *v, const char *why)
{
	struct resolved r = { .why = why };

	v->done(v, &r);
}

static void	resolve_go_on(void);

static void
resolve_on_answer(struct loop_fd *f, unsigned events)
{
	struct resolve *v = container_of(f, struct resolve, io);
	struct resolved r;
	ssize_t n;

	(void)events;
	n = recv(f->fd, &r, sizeof r, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	resolve_stop(v);
	if (n == (ssize_t)sizeof r)
		v->done(v, &r);
	else
		resolve_fail(v, "the answer got lost");
	resolve_go_on();
}

static bool
resolve_open(struct resolve *v, struct resolve_job *job)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return (false);
	if (loop_add(v->loop, &v->io, fds[0], LOOP_IN, resolve_on_answer) ==
	    -1) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return (false);
	}
	job->fd = fds[1];
	return (true);
}

/* NULL, or why it cannot be. */
static const char *
resolve_run(struct resolve *v, struct resolve_job *job)
{
	if (!resolve_open(v, job)) {
		resolve_job_free(job);
		return ("out of memory or descriptors");
	}
	if (resolve_thread_start(job) == 0)
		return (NULL);
	(void)close(job->fd);
	resolve_job_free(job);
	resolve_stop(v);
	return ("no thread can be started");
}

/*
 * As many of those that wait as may be.  A thread whose asker has gone ends
 * unnoticed: then it is the next question that finds its place free.
 */
static void
resolve_go_on(void)
{
	struct resolve_job *job;
	struct resolve *v;
	const char *why;

	while ((v = TAILQ_FIRST(&resolve_queue)) != NULL &&
	    atomic_load(&resolve_threads) < RESOLVE_THREADS) {
		TAILQ_REMOVE(&resolve_queue, v, next);
		job = v->job;
		v->job = NULL;
		why = resolve_run(v, job);
		if (why != NULL)
			resolve_fail(v, why);
	}
}

static void
resolve_name(struct resolve *v, const char *host, const char *port)
{
	struct resolve_job *job = calloc(1, sizeof *job);

	if (job != NULL)
		job->host = strdup(host);
	if (job == NULL || job->host == NULL) {
		resolve_job_free(job);
		resolve_fail(v, "out of memory");
		return;
	}
	(void)snprintf(job->port, sizeof job->port, "%s", port);
	v->job = job;
	TAILQ_INSERT_TAIL(&resolve_queue, v, next);
	resolve_go_on();
}

void
resolve_start(struct resolve *v, const char *host, unsigned port)
{
	char text[RESOLVE_PORT];
	struct resolved r;

	MUST(v->io.fd == -1 && v->job == NULL && port <= 65535);
	(void)snprintf(text, sizeof text, "%u", port);
	resolve_ask(host, text, AI_NUMERICHOST, &r);
	if (r.n > 0)
		v->done(v, &r);
	else
		resolve_name(v, host, text);
}
