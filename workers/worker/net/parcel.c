/*
 * Connections passed from worker to worker; see parcel.h.  A message is a
 * head, the bytes read so far, and the socket (SCM_RIGHTS).  The receiver
 * may be another process than the one meant, if that has died: it looks up
 * what they ask for, and if it has it not, who does.
 */
#include "worker/net/parcel.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub/session/limit.h"
#include "shm/slots.h"
#include "sys/log.h"
#include "worker/net/accept.h"
#include "worker/net/conn.h"
#include "worker/net/counted.h"
#include "worker/net/tls.h"
#include "worker/net/tunnel.h"
#include "worker/worker.h"

#define PARCEL_WAITING		64	/* parcels to one slot, */
#define PARCEL_BYTES		(1u << 20) /* ... and bytes in them */
#define PARCEL_SLOW_MS		500	/* not heard of: what it is sent waits
					 * here, not in the kernel, where the
					 * room for descriptors is everybody's */
#define PARCEL_SILENT_MS	2000	/* it is sent nothing more */
#define PARCEL_AWAY_MS		400	/* without a tick: it was us, and so
					 * perhaps all, that did not run */
#define PARCEL_BUDGET		64	/* taken in a turn */

/* The first bytes of a message; both ends are the same program. */
struct parcel_head {
	uint32_t	 magic;
#define PARCEL_HEAD	0x4a9d0001
	uint16_t	 flags;
#define PARCEL_SECURE	1		/* a tunnel: TLS, and counted, elsewhere */
#define PARCEL_NO_STATUS 2		/* as in struct conn */
#define PARCEL_INHERITED 4		/* from one who had it before */
#define PARCEL_LAST	8		/* as in struct conn */
#define PARCEL_NO_CLIENTS 32
#define PARCEL_NO_API	64
#define PARCEL_VOUCHED	16		/* its TLS has a client's certificate */
#define PARCEL_FAR_TLS	128
#define PARCEL_NO_DEFLATE 256	/* its listener has none */
	uint16_t	 port;
	uint8_t		 address[16];
	uint32_t	 n;		/* bytes that follow */
	uint32_t	 since_us;	/* of the sender's accept, low bits */
};

struct parcel {
	STAILQ_ENTRY(parcel) link;
	int		 fd;
	struct parcel_head head;
	uint8_t		 data[];
};

struct parcel_way {		/* to one slot */
	struct loop_fd	 io;	/* watched while something waits */
	struct parcels	*all;
	unsigned	 slot;
	unsigned	 nwaiting;
	size_t		 waiting_bytes;
	STAILQ_HEAD(, parcel) waiting;
};

struct parcels {
	unsigned	 magic;
#define PARCELS_MAGIC	0x4a9d04e6
	struct worker	*w;
	struct loop_fd	 in;
	unsigned	 nwaiting;	/* to all slots */
	struct conn	*inherited;	/* what is being taken, if it is so */
	struct mono	 ticked;	/* last */
	struct mono	 excused;	/* silence counts from here */
	struct parcel_way ways[ROLE_SLOTS_MAX];
};

/* --- out ----------------------------------------------------------------- */

/* 1 sent; 0 not now; -1 never. */
static int
parcel_send(int sock, const struct parcel_head *head, const uint8_t *data,
    int fd)
{
	union {
		struct cmsghdr	 align;
		char		 bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)head, sizeof *head },
		{ (void *)(uintptr_t)data, head->n },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(cm), &fd, sizeof fd);
	if (sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
		return (1);
	return (errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
	    errno == ENOMEM || errno == ETOOMANYREFS ? 0 : -1);
}

static bool
parcel_slow(const struct parcel_way *way, uint64_t ms)
{
	const struct parcels *all = way->all;
	const struct worker *w = all->w;

	return (w->now.us < mono_add_ms(all->ticked, PARCEL_AWAY_MS).us &&
	    w->now.us >= mono_add_ms(all->excused, ms).us &&
	    slot_silent(w->h->segment, way->slot, w->now, ms));
}

static void
parcel_free(struct parcel_way *way, struct parcel *p)
{
	way->all->nwaiting--;
	way->nwaiting--;
	way->waiting_bytes -= p->head.n;
	(void)close(p->fd);
	free(p);
}

/* Send what waits for this slot. */
static void
parcel_drain(struct parcel_way *way)
{
	struct parcel *p;
	int r;

	if (parcel_slow(way, PARCEL_SLOW_MS)) {
		loop_del(way->all->w->loop, &way->io);
		return;		/* the tick tries again */
	}
	while ((p = STAILQ_FIRST(&way->waiting)) != NULL) {
		r = parcel_send(way->io.fd, &p->head, p->data, p->fd);
		if (r == 0)
			break;
		if (r == -1)
			log_warn("parcel");
		STAILQ_REMOVE_HEAD(&way->waiting, link);
		parcel_free(way, p);
	}
	if (p == NULL || errno != EAGAIN) /* else the tick tries again */
		loop_del(way->all->w->loop, &way->io);
}

static void
parcel_writable(struct loop_fd *f, unsigned events)
{
	(void)events;
	parcel_drain(container_of(f, struct parcel_way, io));
}

void
parcel_tick(struct parcels *all)
{
	struct mono now = all->w->now;
	unsigned i;

	if (now.us >= mono_add_ms(all->ticked, PARCEL_AWAY_MS).us)
		all->excused = now;
	all->ticked = now;
	if (all->nwaiting == 0)
		return;
	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		if (!STAILQ_EMPTY(&all->ways[i].waiting))
			parcel_drain(&all->ways[i]);
}

unsigned
parcel_waiting(const struct parcels *all)
{
	CHECK_MAGIC(all, PARCELS_MAGIC);
	return (all->nwaiting);
}

/* Not now: keep it.  false: no memory. */
static bool
parcel_wait(struct parcel_way *way, const struct parcel_head *head,
    const uint8_t *data, int fd)
{
	struct parcels *all = way->all;
	struct parcel *p;

	p = malloc(sizeof *p + head->n);
	if (p == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	p->fd = fd;
	p->head = *head;
	memcpy(p->data, data, head->n);
	STAILQ_INSERT_TAIL(&way->waiting, p, link);
	all->nwaiting++;
	way->nwaiting++;
	way->waiting_bytes += head->n;
	if (way->io.on_event == NULL && loop_add(all->w->loop, &way->io,
	    way->io.fd, LOOP_OUT, parcel_writable) == -1)
		log_debug("parcel_put_off");
	return (true);
}

bool
parcel_reaches(const struct worker *w, unsigned slot)
{
	return (slot < nitems(w->parcels->ways) &&
	    w->parcels->ways[slot].io.fd != -1);
}

/* What waits for one is no burden to the others. */
bool
parcel_fits(const struct worker *w, unsigned slot, size_t n)
{
	const struct parcel_way *way = &w->parcels->ways[slot];

	if (!parcel_slow(way, PARCEL_SILENT_MS) && (way->nwaiting == 0 ||
	    (way->nwaiting < PARCEL_WAITING &&
	    way->waiting_bytes + n <= PARCEL_BYTES)))
		return (true);
	counter_add(COUNTER_handovers_refused, 1);
	return (false);
}

bool
parcel_pass(struct conn *c, unsigned slot, struct slice bytes, bool inherited)
{
	struct parcel_way *way = &c->w->parcels->ways[slot];
	struct parcel_head head = { .magic = PARCEL_HEAD,
		.flags = (uint16_t)((c->secure ? PARCEL_SECURE : 0) |
		(c->no_status ? PARCEL_NO_STATUS : 0) |
		(c->no_clients ? PARCEL_NO_CLIENTS : 0) |
		(c->no_api ? PARCEL_NO_API : 0) |
		(c->far_tls ? PARCEL_FAR_TLS : 0) |
		(c->deflate == CONN_NO_DEFLATE ? PARCEL_NO_DEFLATE : 0) |
		(inherited ? PARCEL_INHERITED : 0) |
		(c->tls != NULL && tls_has_client(c->tls) ?
		PARCEL_VOUCHED : 0) |
		(c->secure && conn_is_last(c) ? PARCEL_LAST : 0)), .port = c->port,
		.n = (uint32_t)bytes.n, .since_us = c->since_us };
	int fd, r = 0;

	CHECK_MAGIC(way->all, PARCELS_MAGIC);
	memcpy(head.address, c->address, sizeof head.address);
	counted_idle(c);	/* whose it is, the other finds out */
	fd = c->tls != NULL ? tunnel_open(c) : conn_release(c);
	if (fd == -1)
		return (false);
	if (c->state != CONN_TUNNEL && !c->passage)
		counter_add(COUNTER_connections_handed_out, 1);
	if (STAILQ_EMPTY(&way->waiting) && !parcel_slow(way, PARCEL_SLOW_MS))
		r = parcel_send(way->io.fd, &head, bytes.p, fd);
	if (r == 0 && parcel_wait(way, &head, bytes.p, fd))
		return (true);
	if (r == -1)
		log_warn("parcel");
	(void)close(fd);	/* the client, or our end, sees that */
	return (true);
}

/* --- in ------------------------------------------------------------------ */

static int
parcel_fd(struct msghdr *mh)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(mh);
	int fd = -1;

	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_RIGHTS && cm->cmsg_len >= CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(cm), sizeof fd);
	return (fd);
}

/* A connection that another worker accepted; its bytes stand in rbuf. */
static void
parcel_take(struct worker *w, const struct parcel_head *head, int fd)
{
	static const struct sockaddr_storage none = { .ss_family = AF_UNSPEC };
	struct conn *c;

	if (accept_turned_away(w, fd))
		return;
	c = conn_new(w, fd, NULL, &none);
	if (c == NULL)
		return;
	memcpy(c->address, head->address, sizeof c->address);
	c->port = head->port;
	c->since_us = head->since_us;
	*conn_opened(c) -= ((uint32_t)w->now.us - head->since_us) /
	    RECORD_UNIT_US;
	c->secure = (head->flags & PARCEL_SECURE) != 0;
	c->no_status = (head->flags & PARCEL_NO_STATUS) != 0;
	c->no_clients = (head->flags & PARCEL_NO_CLIENTS) != 0;
	c->no_api = (head->flags & PARCEL_NO_API) != 0;
	c->far_tls = (head->flags & PARCEL_FAR_TLS) != 0;
	c->deflate = head->flags & PARCEL_NO_DEFLATE ? CONN_NO_DEFLATE :
	    DEFLATE_NONE;
	c->last = (head->flags & PARCEL_LAST) != 0;
	if (c->secure) {
		conn_is_passage(c);
		c->vouched = (head->flags & PARCEL_VOUCHED) != 0;
	} else
		counted_passed(c, conn_is_proxied(c) ? 0 :
		    limit_address(c->address));
	if (head->flags & PARCEL_INHERITED)
		w->parcels->inherited = c;
	conn_given(c, head->n);
	w->parcels->inherited = NULL;	/* another request is another's */
}

bool
parcel_is_inherited(struct conn *c)
{
	struct parcels *all = c->w->parcels;
	bool is = all->inherited == c;

	if (is)
		all->inherited = NULL;
	return (is);
}

/* 1 took one; 0 nothing now. */
static int
parcel_recv(struct parcels *all, int sock)
{
	struct worker *w = all->w;
	union {
		struct cmsghdr	 align;
		char		 bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct parcel_head head;
	struct iovec iov[2] = { { &head, sizeof head },
		{ w->rbuf, WORKER_RBUF } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	static struct log_rate rate;
	uint64_t held;
	ssize_t n;
	int fd;

	n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 && errno != EAGAIN && errno != EINTR &&
	    log_rate(&rate, w->now, &held))
		log_warn("parcel held=%llu", (unsigned long long)held);
	if (n <= 0)
		return (0);
	fd = parcel_fd(&mh);
	if (fd == -1) {	/* the client sees it end */
		counter_add(COUNTER_files_lost, 1);
		accept_yield(w);
	} else if ((size_t)n < sizeof head || head.magic != PARCEL_HEAD ||
	    head.n != (size_t)n - sizeof head) {
		log_warnx("parcel_unknown bytes=%zd", n);
		(void)close(fd);
	} else
		parcel_take(w, &head, fd);
	return (1);
}

static void
parcel_readable(struct loop_fd *f, unsigned events)
{
	struct parcels *all = container_of(f, struct parcels, in);
	unsigned i;

	(void)events;
	for (i = 0; i < PARCEL_BUDGET; i++)
		if (parcel_recv(all, f->fd) == 0)
			break;
}

/* What is more than a turn's share the master gives once more. */
void
parcel_left_over(struct parcels *all, int fd)
{
	unsigned i;

	CHECK_MAGIC(all, PARCELS_MAGIC);
	for (i = 0; i < PARCEL_BUDGET; i++)
		if (parcel_recv(all, fd) == 0)
			break;
}

/* --- all ----------------------------------------------------------------- */

struct parcels *
parcels_new(struct worker *w)
{
	struct parcels *all;
	unsigned i;

	all = calloc(1, sizeof *all);
	if (all == NULL)
		return (NULL);
	all->magic = PARCELS_MAGIC;
	all->w = w;
	all->in.fd = -1;
	for (i = 0; i < ROLE_SLOTS_MAX; i++) {
		all->ways[i].io.fd = w->h->handover_out[i];
		all->ways[i].all = all;
		all->ways[i].slot = i;
		STAILQ_INIT(&all->ways[i].waiting);
	}
	if (loop_add(w->loop, &all->in, w->h->handover_in, LOOP_IN,
	    parcel_readable) == -1) {
		free(all);
		return (NULL);
	}
	return (all);
}

void
parcels_free(struct parcels **allp)
{
	struct parcels *all = *allp;
	struct parcel *p;
	unsigned i;

	if (all == NULL)
		return;
	*allp = NULL;
	CHECK_MAGIC(all, PARCELS_MAGIC);
	loop_del(all->w->loop, &all->in);
	for (i = 0; i < ROLE_SLOTS_MAX; i++) {
		loop_del(all->w->loop, &all->ways[i].io);
		while ((p = STAILQ_FIRST(&all->ways[i].waiting)) != NULL) {
			STAILQ_REMOVE_HEAD(&all->ways[i].waiting, link);
			parcel_free(&all->ways[i], p);
		}
	}
	all->magic = 0;
	free(all);
}
