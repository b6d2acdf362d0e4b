/*
 * What the operations cost, beside what they may cost (nothing is asserted:
 * a machine that does other things as well says little).
 *
 *	bench_shm [THOUSANDS of users, default 200]
 */
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/bucket.h"
#include "shm/counters.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"

static struct segment *seg;
static struct table *t;
static uint32_t users;
static char (*keys)[16];
static uint32_t *order;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

static void
row(const char *what, uint64_t begin, uint64_t n, const char *unit,
    double scale, double target)
{
	double each = (double)(now_ns() - begin) / (double)n / scale;

	printf("%-44s %9.1f %s  (target %g)\n", what, each, unit, target);
	fflush(stdout);
}

static struct slice
key(uint32_t i)
{
	return (slice_str(keys[i]));
}

static void
shuffle(void)
{
	uint64_t rng = 88172645463325252u;
	uint32_t i, j, x;

	for (i = users - 1; i > 0; i--) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		j = (uint32_t)(rng % (i + 1));
		x = order[i];
		order[i] = order[j];
		order[j] = x;
	}
}

static uint32_t
must(uint32_t n)
{
	if (n == 0)
		abort();
	return (n);
}

static void
bench_table(void)
{
	uint64_t begin, sum = 0;
	uint32_t i, n, hot = 1000 < users ? 1000 : users;

	begin = now_ns();
	for (i = 0; i < users; i++)
		(void)must(table_join(t, 1, key(order[i])));
	row("insert", begin, users, "ns", 1, 450);
	begin = now_ns();
	for (i = 0; i < users; i++)
		sum += table_find(t, 1, key(order[users - 1 - i]));
	row("look-up, cold", begin, users, "ns", 1, 450);
	begin = now_ns();
	for (i = 0; i < users; i++)
		sum += table_find(t, 2, key(order[i]));
	row("look-up that misses, cold", begin, users, "ns", 1, 300);
	begin = now_ns();
	for (i = 0; i < 2000000; i++)
		sum += table_find(t, 1, key(i % hot));
	row("look-up, hot", begin, 2000000, "ns", 1, 60);
	n = table_find(t, 1, key(0));
	begin = now_ns();
	for (i = 0; i < 5000000; i++)
		table_add(t, n, 1), table_leave(t, n);
	row("second connection and back, by node", begin, 10000000, "ns", 1,
	    15);
	if (sum == 0)
		abort();
}

static void
bench_edges(void)
{
	struct table *other = table_open(seg, TABLE_PRESENCE, 70);
	uint64_t begin;
	uint32_t i, n;

	if (other == NULL)
		abort();
	begin = now_ns();
	for (i = 0; i < 2000000; i++) {
		n = table_join(other, 1, key(i % 1000));
		table_leave(other, must(n));
	}
	row("join and leave, no edge, hot", begin, 2000000, "ns", 1, 100);
	for (i = 0; i < 1000; i++)
		table_leave(t, table_find(t, 1, key(i)));
	begin = now_ns();
	for (i = 0; i < 2000000; i++) {
		n = table_join(other, 1, key(i % 1000));
		table_leave(other, must(n));
	}
	row("join and leave, two edges, hot", begin, 2000000, "ns", 1, 150);
	table_close(&other);
}

static void
loop_joins(unsigned slot, uint32_t n)
{
	struct table *own = table_open(seg, TABLE_PRESENCE, slot);
	uint32_t i;

	if (own == NULL)
		abort();
	for (i = 0; i < n; i++)
		table_leave(own, must(table_join(own, 1, key(0))));
	table_close(&own);
}

static void
bench_two(void)
{
	uint64_t begin = now_ns();
	pid_t pid = fork();

	if (pid == 0) {
		loop_joins(3, 1000000);
		_exit(0);
	}
	loop_joins(4, 1000000);
	(void)waitpid(pid, NULL, 0);
	row("two processes on one user", begin, 1000000, "ns", 1, 250);
}

static void
bench_buckets(void)
{
	struct bucket_rate r;
	uint64_t begin;
	uint32_t i;

	if (!bucket_rate_init(&r, 0, 100, 1000000, 50))
		abort();
	begin = now_ns();
	for (i = 0; i < 5000000; i++)
		(void)bucket_check(seg, &r, key(i % 100), 1,
		    (struct mono){ 1000000 + i }, NULL);
	row("rate check, hot", begin, 5000000, "ns", 1, 20);
	begin = now_ns();
	for (i = 0; i < users; i++)
		(void)bucket_check(seg, &r, key(i), 1,
		    (struct mono){ 9000000 }, NULL);
	row("rate check, cold", begin, users, "ns", 1, 60);
}

static void
bench_counters(void)
{
	uint64_t begin = now_ns();
	uint32_t i;

	for (i = 0; i < 100000000; i++) {
		counter_add(COUNTER_bytes_in, i);
		__asm__ volatile("" ::: "memory");
	}
	row("counter", begin, 100000000, "ns", 1, 1);
	begin = now_ns();
	for (i = 0; i < 20000000; i++)
		histogram_add(HISTOGRAM_rtt_us, i & 0xfffff);
	row("histogram", begin, 20000000, "ns", 1, 5);
}

static bool
quiet(void *arg, const struct table_event *e)
{
	*(uint64_t *)arg += e->node;
	return (true);
}

static void
bench_relay(void)
{
	struct table_relay *relay = table_relay_open(seg, TABLE_PRESENCE, 0);
	uint64_t begin, sum = 0;
	uint32_t i;

	if (relay == NULL)
		abort();
	begin = now_ns();
	(void)table_announce(relay, mono_now(), quiet, &sum);
	row("announce all users", begin, 1, "ms", 1e6, 0);
	begin = now_ns();
	table_announce_all(relay, mono_now(), quiet, &sum);
	row("relay's scan at start", begin, 1, "ms", 1e6, 20);
	begin = now_ns();
	for (i = 0; i < 100000; i++)
		(void)table_announce(relay, mono_now(), quiet, &sum);
	row("empty relay poll", begin, 100000, "us", 1e3, 1);
	table_relay_close(&relay);
}

static void
live(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
}

static void
bench_reclaim(void)
{
	struct sweep *master = sweep_new(seg);
	uint64_t begin;
	unsigned i;

	if (master == NULL)
		abort();
	slot_dead(seg, 2);
	begin = now_ns();
	sweep_reclaim(master, 2);
	row("reclaim of nothing", begin, 1, "ms", 1e6, 3);
	slot_dead(seg, 1);
	begin = now_ns();
	sweep_reclaim(master, 1);
	row("reclaim of all users", begin, 1, "ms", 1e6, 100);
	sweep_round(master, mono_now());
	begin = now_ns();
	for (i = 0; i < 10; i++)
		sweep_round(master, mono_now());
	row("sweep, ten times a second", begin, 10, "ms", 1e6, 3);
	sweep_free(&master);
}

int
main(int argc, char **argv)
{
	struct segment_params p = { .max_workers = 64, .interest_max = 8,
		.rate_ways = 1 << 20, .max_ns = 4, .presence_key_max = 64 };
	uint32_t i;

	users = (argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200) *
	    1000;
	if (users < 2000)
		return (64);
	p.presence_max = users;
	seg = segment_create(&p);
	keys = calloc(users, sizeof *keys);
	order = calloc(users, sizeof *order);
	if (seg == NULL || keys == NULL || order == NULL)
		return (71);
	for (i = 0; i < users; i++) {
		(void)snprintf(keys[i], sizeof keys[i], "user-%u", i);
		order[i] = i;
	}
	shuffle();
	live(1);
	live(2);
	t = table_open(seg, TABLE_PRESENCE, 1);
	if (t == NULL)
		return (71);
	printf("%u users\n", users);
	bench_table();
	bench_edges();
	bench_two();
	bench_buckets();
	bench_counters();
	bench_relay();
	bench_reclaim();
	table_close(&t);
	segment_free(&seg);
	free(keys);
	free(order);
	return (0);
}
