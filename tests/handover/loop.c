/* Sockets and timers of one process of the fleet; see fleet.h. */
#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "fleet.h"

#define TICK_US		2000
#define SLOTS		16384	/* half a minute; those later go round */

static struct timer *slots[SLOTS];
static uint64_t ticked;		/* tick that was done last */
static int epfd;

uint64_t
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

unsigned
any(unsigned below)
{
	return ((unsigned)random() % (below == 0 ? 1 : below));
}

void
timer_stop(struct timer *t)
{
	if (t->prev == NULL)
		return;
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->prev = NULL;
}

static void
timer_put(struct timer *t)
{
	uint64_t tick = t->at_us / TICK_US;
	struct timer **slot;

	if (tick <= ticked)
		tick = ticked + 1;
	slot = &slots[tick % SLOTS];
	t->next = *slot;
	t->prev = slot;
	if (t->next != NULL)
		t->next->prev = &t->next;
	*slot = t;
}

void
timer_set(struct timer *t, uint64_t ms, void (*fn)(void *), void *arg)
{
	timer_stop(t);
	t->fn = fn;
	t->arg = arg;
	t->at_us = now_us() + ms * 1000;
	timer_put(t);
}

static void
timers_run(void)
{
	uint64_t now = now_us(), upto = now / TICK_US;
	struct timer *list, *t;

	while (ticked < upto) {
		ticked++;
		list = slots[ticked % SLOTS];
		slots[ticked % SLOTS] = NULL;
		if (list != NULL)
			list->prev = &list;
		while ((t = list) != NULL) {
			timer_stop(t);
			if (t->at_us / TICK_US > ticked)
				timer_put(t);
			else
				t->fn(t->arg);
		}
	}
}

void
loop_init(void)
{
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd == -1)
		die("epoll_create1");
	ticked = now_us() / TICK_US;
}

void
loop_watch(int fd, struct watch *w, uint32_t events, bool is_new)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(epfd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
	    &ev) == -1)
		die("epoll_ctl");
}

void
loop_turn(void)
{
	struct epoll_event ev[64];
	struct watch *w;
	int i, n;

	n = epoll_wait(epfd, ev, 64, TICK_US / 1000);
	if (n == -1 && errno != EINTR)
		die("epoll_wait");
	for (i = 0; i < n; i++) {
		w = ev[i].data.ptr;
		w->fn(w, ev[i].events);
	}
	timers_run();
}
