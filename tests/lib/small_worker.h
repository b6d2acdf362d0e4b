/*
 * A whole worker in the test's own process: worker.c is compiled into it, so
 * that each part is the real one; but there is no master, no relay, and no
 * listener: connections are socket pairs, and a turn is made when the test
 * says so.  Several of them share a segment, in slots of their own.
 */
#ifndef TESTS_LIB_SMALL_WORKER_H
#define TESTS_LIB_SMALL_WORKER_H

#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <poll.h>

#include <stdio.h>

#include "../../workers/worker/worker.c"

#include "conf/read/free.h"
#include "conf/read/parse.h"
#include "shm/segment.h"
#include "worker/engineio/polling_save.h"

struct small_world {
	struct conf	*conf;
	struct segment	*segment;
	uint32_t	 generation;	/* of the last one */
};

struct small_worker {
	struct worker	*w;
	struct heritage	 h;
	int		 handover[2];
	struct loop_hooks hooks;
	bool		 turning;
};

static inline const char *
small_no_env(const char *name)
{
	(void)name;
	return (NULL);
}

static inline struct conf *
small_conf(const char *text)
{
	struct conf_errors errors;
	struct conf_source src = { .file = "test.conf",
		.text = slice_str(text), .env = small_no_env };
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	if (conf == NULL)
		fprintf(stderr, "%.*s", (int)buf_unread(&errors.text).n,
		    (const char *)buf_unread(&errors.text).p);
	MUST(conf != NULL);
	conf_errors_fini(&errors);
	return (conf);
}

static inline void
small_world_init(struct small_world *world, const char *text)
{
	const struct segment_params p = { .max_workers = 4,
		.presence_max = 1000, .interest_max = 1000, .rate_ways = 64,
		.max_ns = 16, .count_max = 64 };

	world->conf = small_conf(text);
	world->segment = segment_create(&p);
	world->generation = 0;
	MUST(world->segment != NULL);
}

static inline void
small_world_fini(struct small_world *world)
{
	segment_free(&world->segment);
	conf_free(&world->conf);
}

static inline void
small_before_wait(void *arg)
{
	struct small_worker *s = arg;

	s->hooks.before_wait(s->w);
	if (!s->turning)
		loop_stop(s->w->loop);
	s->turning = false;
}

static inline void
small_after_wait(void *arg)
{
	struct small_worker *s = arg;

	s->hooks.after_wait(s->w);
}

static inline bool
small_busy(void *arg)
{
	(void)arg;
	return (true);		/* it never sleeps */
}

/* In the next free slot; conf: another one than the world's, or NULL. */
static inline struct small_worker *
small_worker_new(struct small_world *world, const struct conf *conf)
{
	struct small_worker *s = calloc(1, sizeof *s);
	struct loop_hooks hooks = { .before_wait = small_before_wait,
		.after_wait = small_after_wait, .busy = small_busy, .arg = s };
	struct worker *w = calloc(1, sizeof *w);
	unsigned i;

	MUST(s != NULL && w != NULL);
	s->w = w;
	s->h.conf = conf != NULL ? conf : world->conf;
	s->h.segment = world->segment;
	s->h.generation = ++world->generation;
	s->h.slot = slot_assign(world->segment, SLOT_WORKER, s->h.generation);
	MUST(s->h.slot > 0);
	slot_live(world->segment, (unsigned)s->h.slot, 1);
	s->h.node_id = 1;
	s->h.control_fd = -1;
	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		s->h.handover_out[i] = s->h.bus_fds[i] = -1;
	MUST(ipc_pair(s->handover) == 0);
	s->h.handover_in = s->handover[0];
	w->magic = WORKER_MAGIC;
	w->h = &s->h;
	w->row = segment_slot(world->segment, (unsigned)s->h.slot);
	trail_open(&w->trail, world->segment, (unsigned)s->h.slot,
	    s->h.generation);
	w->conf = s->h.conf;
	w->hands = worker_hands;
	w->bodies = &worker_bodies;
	w->routes = worker_routes;
	w->reserve_fd = -1;
	w->control.fd = -1;
	w->loop = loop_new();
	w->wheel = loop_wheel(w->loop);
	w->now = loop_now(w->loop);
	w->wall = loop_wall(w->loop);
	worker_open_shm(w);
	worker_open_conns(w);
	worker_open_hub(w);
	s->hooks = worker_hooks(w);
	w->fd_clients = w->fd_passed = w->fd_status = 1024;
	loop_hooks(w->loop, &hooks);
	return (s);
}

/* --- turns --------------------------------------------------------------- */

/* What has come is read, and what follows from it is written. */
static inline void
small_turn(struct small_worker *s)
{
	s->turning = true;
	loop_run(s->w->loop);
}

/* ... until nothing is left to do. */
static inline void
small_turns(struct small_worker *s)
{
	unsigned i;

	for (i = 0; i < 8 || (s->hooks.busy(s->w) && i < 10000); i++)
		small_turn(s);
}

static inline void
small_worker_free(struct small_worker **sp)
{
	struct small_worker *s = *sp;
	struct worker *w = s->w;
	unsigned slot = (unsigned)s->h.slot;
	struct segment *seg = s->h.segment;
	struct conn *c;

	*sp = NULL;
	polling_close_all(w->polling, REASON_client_gone);
	TAILQ_FOREACH(c, &w->conns, link)
		conn_abort(c, REASON_client_gone);
	small_turns(s);
	MUST(TAILQ_EMPTY(&w->conns) && polling_first(w->polling) == NULL);
	worker_free(w);
	(void)close(s->handover[0]);
	(void)close(s->handover[1]);
	atomic_store(&segment_slot(seg, slot)->state, SLOT_FREE);
	free(s);
}

/* --- clients ------------------------------------------------------------- */

/* The far end of a connection that this worker has accepted. */
static inline int
small_connect(struct small_worker *s)
{
	struct sockaddr_storage ss = { .ss_family = AF_INET };
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&ss;
	int fds[2];

	in->sin_port = htons(4711);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, fds) == 0);
	/* soon full */
	MUST(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 },
	    sizeof(int)) == 0);
	MUST(conn_new(s->w, fds[1], NULL, &ss) != NULL);
	return (fds[0]);
}

static inline void
small_send(int fd, const char *text)
{
	size_t n = strlen(text);

	MUST(send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* All that has come; "" when nothing has, or with "EOF" behind it.  Zero bytes
 * are shown as '~'.  Valid until the next call but three. */
static inline const char *
small_read(int fd)
{
	static char text[4][1u << 18];
	static unsigned next;
	char *to = text[next++ % nitems(text)];
	size_t n = 0, i;
	ssize_t r;

	while (n < sizeof text[0] - 8) {
		r = recv(fd, to + n, sizeof text[0] - 8 - n, MSG_DONTWAIT);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	for (i = 0; i < n; i++)
		if (to[i] == '\0')
			to[i] = '~';
	memcpy(to + n, r == 0 ? "EOF" : "", r == 0 ? 4 : 1);
	return (to);
}

#endif
