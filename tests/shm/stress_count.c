/*
 * Kill stress of shm/count.h: workers that let in as many connections as they
 * can, of the host and of a few users, killed between any two shared accesses
 * while a master reclaims and sweeps.  Whoever is let in is counted a second
 * time by the test, in one atomic word, which must never be above the limit.
 * After each round all are dead: nothing may be left.
 *
 *	stress_count [--seconds N]		exit 0: nothing was wrong
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/count.h"
#include "shm/layout.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "shm/table.h"

#define WORKERS		4
#define USERS		6
#define HOST_LIMIT	5
#define USER_LIMIT	3
#define ROUND_US	150000u

struct shared {
	_Atomic int	 wrong;
	_Atomic int	 in[1 + USERS];	/* let in now: [0] the host */
	_Atomic uint64_t entered, refused;
	/* the share of each worker; at least, when it was killed */
	_Atomic int	 share[WORKERS][1 + USERS];
};

static struct shared *shared;
static struct segment *seg;
static struct sweep *master;
static pid_t pid_of[WORKERS];
static unsigned slot_of[WORKERS];
static uint64_t rng = 88172645463325252u;
static unsigned kill_one_in;
static uint64_t kills;

static uint32_t
roll(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return ((uint32_t)(rng >> 20) % n);
}

void
shm_hook(void)
{
	if (kill_one_in == 0)
		return;
	if (roll(kill_one_in) == 0)
		(void)raise(SIGKILL);
	if (roll(8) == 0)
		(void)sched_yield();
}

static void
let_in(unsigned me, unsigned what, int limit)
{
	/* the share first: who dies here is taken off once too often, which
	 * hides something at most */
	atomic_fetch_add(&shared->share[me][what], 1);
	if (atomic_fetch_add(&shared->in[what], 1) >= limit) {
		fprintf(stderr, "more than %d of %u\n", limit, what);
		atomic_store(&shared->wrong, 1);
	}
	atomic_fetch_add_explicit(&shared->entered, 1, memory_order_relaxed);
}

static void
let_go(unsigned me, unsigned what)
{
	atomic_fetch_sub(&shared->in[what], 1);
	atomic_fetch_sub(&shared->share[me][what], 1);
}

static void
worker_op(struct count *c, unsigned me, unsigned held[], uint32_t node[])
{
	unsigned what = roll(1 + USERS);
	char name[8];
	uint32_t n;
	bool ok;

	if (held[what] > 0 && roll(2) == 0) {
		let_go(me, what);
		if (what == 0)
			count_leave(c);
		else
			count_leave_key(c, node[what]);
		held[what]--;
		return;
	}
	snprintf(name, sizeof name, "u%u", what);
	n = 1;
	ok = what == 0 ? count_enter(c, HOST_LIMIT) :
	    count_enter_key(c, COUNT_USER, slice_str(name), USER_LIMIT, &n);
	if (!ok)
		atomic_fetch_add_explicit(&shared->refused, 1,
		    memory_order_relaxed);
	if (!ok || n == 0)	/* 0: not counted, so not limited either */
		return;
	let_in(me, what, what == 0 ? HOST_LIMIT : USER_LIMIT);
	node[what] = n;
	held[what]++;
}

static void
worker_main(unsigned me)
{
	struct count *c = count_open(seg, slot_of[me]);
	unsigned held[1 + USERS] = { 0 }, i;
	uint32_t node[1 + USERS] = { 0 };

	if (c == NULL)
		_exit(2);
	rng += (uint64_t)getpid() * 7919;
	kill_one_in = 3000;
	for (;;) {
		slots_quiesce_leave(seg, slot_of[me]);
		for (i = roll(12); i > 0; i--)
			worker_op(c, me, held, node);
		slots_quiesce_enter(seg, slot_of[me]);
	}
}

static void
start(unsigned i)
{
	int s = slot_assign(seg, SLOT_WORKER, 1);

	if (s < 0)
		abort();
	slot_of[i] = (unsigned)s;
	slot_live(seg, (unsigned)s, 1);
	rng += 13;
	pid_of[i] = fork();
	if (pid_of[i] == -1)
		abort();
	if (pid_of[i] == 0)
		worker_main(i);
}

static void
bury(unsigned i)
{
	unsigned what;
	int share;

	for (what = 0; what <= USERS; what++) {
		share = atomic_exchange(&shared->share[i][what], 0);
		atomic_fetch_sub(&shared->in[what], share);
	}
	slot_dead(seg, slot_of[i]);
	sweep_reclaim(master, slot_of[i]);
	pid_of[i] = 0;
	kills++;
}

static void
reap(bool again)
{
	unsigned i;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (i = 0; i < WORKERS; i++)
			if (pid_of[i] == pid) {
				bury(i);
				if (again)
					start(i);
			}
}

/* All are dead: the table and the words say so. */
static void
check_empty(void)
{
	struct table *t = table_open(seg, TABLE_COUNT, SLOT_NONE);
	unsigned s, bad = 0;
	uint32_t n;

	if (t == NULL)
		abort();
	bad += count_total(seg) != 0;
	for (n = 1; n < t->cap; n++) {
		for (s = 0; s < seg->hdr->nslots; s++)
			bad += atomic_load(&table_col(t, s)[n]) != 0;
		if (atomic_load(&t->map[n]) == MAP_LINKED)
			bad += table_level(t, n) != 0;
		else
			bad += atomic_load(&t->map[n]) != MAP_FREE &&
			    atomic_load(&t->map[n]) != MAP_LIMBO;
	}
	table_close(&t);
	for (n = 0; n <= USERS; n++)
		atomic_store(&shared->in[n], 0);
	if (bad != 0) {
		fprintf(stderr, "%u things were left behind\n", bad);
		atomic_store(&shared->wrong, 1);
	}
}

static void
one_round(void)
{
	uint64_t end = mono_now().us + ROUND_US, ahead = 0;
	struct mono now;
	unsigned i;

	for (i = 0; i < WORKERS; i++)
		start(i);
	while ((now = mono_now()).us < end && !atomic_load(&shared->wrong)) {
		reap(true);
		/* as if they had been idle for long */
		ahead += 20000;
		sweep_round(master, mono_add_ms(now, ahead));
		usleep(300);
	}
	for (i = 0; i < WORKERS; i++)
		(void)kill(pid_of[i], SIGKILL);
	for (i = 0; i < WORKERS; i++) {
		(void)waitpid(pid_of[i], NULL, 0);
		bury(i);
	}
	check_empty();
}

int
main(int argc, char **argv)
{
	const struct segment_params p = { .max_workers = WORKERS,
		.presence_max = 8, .interest_max = 8, .rate_ways = 8,
		.max_ns = 1, .count_max = USERS };
	uint64_t seconds = argc == 3 ? strtoull(argv[2], NULL, 10) : 2, end;

	seg = segment_create(&p);
	master = seg == NULL ? NULL : sweep_new(seg);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (master == NULL || shared == MAP_FAILED)
		abort();
	end = mono_now().us + seconds * 1000000;
	while (mono_now().us < end && !atomic_load(&shared->wrong))
		one_round();
	printf("kills %llu, let in %llu, refused %llu, %s\n",
	    (unsigned long long)kills,
	    (unsigned long long)atomic_load(&shared->entered),
	    (unsigned long long)atomic_load(&shared->refused),
	    atomic_load(&shared->wrong) ? "WRONG" : "all right");
	segment_free(&seg);
	return (atomic_load(&shared->wrong) ? 1 : 0);
}
