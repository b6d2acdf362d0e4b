/*
 * The event loop over epoll(7); the contract is loop.h.  Each role runs one.
 * Descriptors belong to their owners: the loop only watches them.
 */
#include "sys/loop.h"

#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/log.h"

#define LOOP_BATCH	1024	/* events fetched at once */
#define LOOP_ENOUGH	16	/* handled between two looks at the turn */

struct loop {
	unsigned	 magic;
#define LOOP_MAGIC	0x100b1003
	int		 epfd;
	bool		 stop;
	struct mono	 now;
	struct wall	 wall;
	struct loop_hooks hooks;
	bool		(*enough)(void *arg);	/* NULL: never */
	size_t		 nfetched;	/* events in batch; 0: all are handled */
	size_t		 next;		/* the first one that is not */
	struct epoll_event batch[LOOP_BATCH];
	struct wheel	 wheel;
};

static void
loop_take_time(struct loop *l)
{
	l->now = mono_now();
	l->wall = wall_now();
}

struct loop *
loop_new(void)
{
	struct loop *l;

	l = calloc(1, sizeof *l);
	if (l == NULL)
		fatal("loop");
	l->magic = LOOP_MAGIC;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd == -1)
		fatal("epoll_create1");
	loop_take_time(l);
	wheel_init(&l->wheel, l->now);
	return (l);
}

void
loop_free(struct loop **lp)
{
	struct loop *l;

	l = *lp;
	if (l == NULL)
		return;
	*lp = NULL;
	CHECK_MAGIC(l, LOOP_MAGIC);
	(void)close(l->epfd);
	l->magic = 0;
	free(l);
}

static uint32_t
loop_to_epoll(unsigned events)
{
	return (((events & LOOP_IN) ? EPOLLIN : 0u) |
	    ((events & LOOP_OUT) ? EPOLLOUT : 0u) |
	    ((events & LOOP_HUP) ? EPOLLRDHUP : 0u) |
	    ((events & LOOP_EDGE) ? EPOLLET : 0u));
}

static unsigned
loop_from_epoll(uint32_t got, unsigned wanted)
{
	unsigned events;

	events = ((got & EPOLLIN) ? (unsigned)LOOP_IN : 0u) |
	    ((got & EPOLLOUT) ? (unsigned)LOOP_OUT : 0u);
	events &= wanted; /* loop_mod() may have come since the fetch */
	if (got & (EPOLLHUP | EPOLLERR))
		events |= LOOP_HUP | (wanted & (LOOP_IN | LOOP_OUT));
	if ((got & EPOLLRDHUP) && (wanted & LOOP_HUP))
		events |= LOOP_HUP;
	return (events);
}

int
loop_add(struct loop *l, struct loop_fd *f, int fd, unsigned events,
    loop_cb *cb)
{
	struct epoll_event ev = { .events = loop_to_epoll(events) };

	CHECK_MAGIC(l, LOOP_MAGIC);
	MUST(cb != NULL && f->on_event == NULL);
	ev.data.ptr = f;
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) == -1)
		return (-1);
	f->fd = fd;
	f->events = events;
	f->on_event = cb;
	f->pending = 0;
	return (0);
}

int
loop_mod(struct loop *l, struct loop_fd *f, unsigned events)
{
	struct epoll_event ev = { .events = loop_to_epoll(events) };

	CHECK_MAGIC(l, LOOP_MAGIC);
	MUST(f->on_event != NULL);
	if (f->events == events)
		return (0);
	ev.data.ptr = f;
	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, f->fd, &ev) == -1)
		return (-1);
	f->events = events;
	return (0);
}

void
loop_del(struct loop *l, struct loop_fd *f)
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	if (f->on_event == NULL)
		return;
	if (f->pending != 0) {
		MUST(f->pending <= l->nfetched &&
		    l->batch[f->pending - 1].data.ptr == f);
		l->batch[f->pending - 1].data.ptr = NULL;
	}
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, f->fd, NULL);
	f->on_event = NULL;
	f->events = 0;
	f->pending = 0;
}

struct wheel *
loop_wheel(struct loop *l)
{
	return (&l->wheel);
}

struct mono
loop_now(const struct loop *l)
{
	return (l->now);
}

struct wall
loop_wall(const struct loop *l)
{
	return (l->wall);
}

void
loop_hooks(struct loop *l, const struct loop_hooks *hooks)
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	l->hooks = *hooks;
}

void
loop_enough(struct loop *l, bool (*enough)(void *arg))
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	l->enough = enough;
}

/* Sleep until something happens; notes in each struct where its event is. */
static void
loop_wait(struct loop *l)
{
	struct loop_fd *f;
	int n, timeout;
	size_t i;

	if (l->nfetched > 0) {	/* the turn before had enough */
		loop_take_time(l);
		return;
	}
	timeout = 0;
	if (l->hooks.busy == NULL || !l->hooks.busy(l->hooks.arg))
		timeout = wheel_wait_ms(&l->wheel, mono_now(), LOOP_WAIT_MS);
	n = epoll_wait(l->epfd, l->batch, LOOP_BATCH, timeout);
	if (n == -1 && errno != EINTR)
		fatal("epoll_wait");
	l->nfetched = n > 0 ? (size_t)n : 0;
	for (i = 0; i < l->nfetched; i++) {
		f = l->batch[i].data.ptr;
		f->pending = (uint32_t)i + 1;
	}
	loop_take_time(l);
}

/* The turn has lasted, or has left to be done at its end, so much that what is
 * left of the batch is the next one's. */
static bool
loop_has_enough(const struct loop *l)
{
	return (l->enough != NULL && l->enough(l->hooks.arg));
}

static void
loop_dispatch(struct loop *l)
{
	struct loop_fd *f;
	unsigned events, n = 0;
	size_t i;

	while (l->next < l->nfetched) {
		i = l->next++;
		f = l->batch[i].data.ptr;
		if (f == NULL)
			continue; /* removed by a callback before */
		f->pending = 0;
		events = loop_from_epoll(l->batch[i].events, f->events);
		if (events != 0)
			f->on_event(f, events); /* may free f */
		if (++n % LOOP_ENOUGH == 0 && loop_has_enough(l))
			return;
	}
	l->nfetched = l->next = 0;
}

void
loop_run(struct loop *l)
{
	CHECK_MAGIC(l, LOOP_MAGIC);
	l->stop = false;
	for (;;) {
		if (l->hooks.before_wait != NULL)
			l->hooks.before_wait(l->hooks.arg);
		if (l->stop)
			return;
		loop_wait(l);
		if (l->hooks.after_wait != NULL)
			l->hooks.after_wait(l->hooks.arg);
		loop_dispatch(l);
		/* not while a byte that came in time waits in the batch */
		if (l->nfetched == 0)
			wheel_advance(&l->wheel, l->now);
	}
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}
