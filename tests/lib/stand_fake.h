/*
 * A worker that stands still, without a worker: a clock that only waiting
 * moves, a relay that marks at once, or not, and another worker that is a
 * function of the test, called whenever this one waits.
 */
#ifndef TESTS_LIB_STAND_FAKE_H
#define TESTS_LIB_STAND_FAKE_H

#include <dirent.h>
#include <poll.h>

#include "tests/lib/check.h"
#include "worker/handover/stand.h"
#include "worker/handover/wire.h"

struct stand_fake {
	struct stand	 stand;
	struct mono	 now;
	bool		 no_relay;	/* no cut is taken */
	bool		 relay_dies;	/* ... it is, and then it is lost */
	enum stand_mark	 mark;		/* what becomes of a cut, */
	unsigned	 mark_after;	/*   after so many looks */
	unsigned	 looks;
	unsigned	 cuts, ends, turns;
	void		(*other)(void *arg);
	void		*arg;
};

static inline struct mono
stand_fake_now(void *arg)
{
	return (((struct stand_fake *)arg)->now);
}

static inline bool
stand_fake_cut(void *arg, unsigned giver, unsigned heir, uint64_t batch)
{
	struct stand_fake *f = arg;

	assert_int_equal(giver, 1);
	assert_int_equal(heir, 2);
	assert_true(batch != 0);
	f->cuts++;
	f->looks = 0;
	return (!f->no_relay);
}

static inline enum stand_mark
stand_fake_marked(void *arg)
{
	struct stand_fake *f = arg;

	return (f->looks++ < f->mark_after ? STAND_UNMARKED : f->mark);
}

static inline enum stand_pump
stand_fake_pump(void *arg, bool bus, int sock, struct mono until)
{
	struct stand_fake *f = arg;
	struct pollfd p = { .fd = sock, .events = POLLIN };

	if (bus && f->relay_dies)
		return (PUMP_LOST);
	if (f->other != NULL)
		f->other(f->arg);
	if (sock != -1 && poll(&p, 1, 0) == 1)
		return (PUMP_SOCK);
	if (!bus || f->mark == STAND_UNMARKED)
		f->now = until;
	return (PUMP_ON);
}

static inline void
stand_fake_turn_end(void *arg)
{
	((struct stand_fake *)arg)->turns++;
}

static inline void
stand_fake_release(void *arg)
{
	((struct stand_fake *)arg)->ends++;
}

static inline void
stand_fake_init(struct stand_fake *f)
{
	static struct stand_calls up = { .now = stand_fake_now,
		.cut = stand_fake_cut, .marked = stand_fake_marked,
		.pump = stand_fake_pump, .turn_end = stand_fake_turn_end,
		.release = stand_fake_release };

	memset(f, 0, sizeof *f);
	up.arg = f;
	f->now.us = 1000000;
	f->mark = STAND_MARKED;
	stand_init(&f->stand, &up);
}

/* Descriptors of this process. */
static inline unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return (n);
}

#endif
