/* What the kernel says, from files as it writes them. */
#include "sys/plat.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/check.h"

static char dir[64];

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-plat-XXXXXX");
	return (mkdtemp(dir) == NULL ? -1 : 0);
}

static int
drop(const char *path, const struct stat *st, int flag, struct FTW *w)
{
	(void)st;
	(void)flag;
	(void)w;
	return (remove(path));
}

static int
tear_down(void **state)
{
	(void)state;
	return (nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS));
}

/* A file below dir, with the folders above it. */
static void
put(const char *name, const char *text)
{
	char path[512], *p;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	for (p = path + strlen(dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*p = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static unsigned
cpus(void)
{
	char self[128];

	(void)snprintf(self, sizeof self, "%s/self", dir);
	return (plat_cgroup_cpus(self, dir));
}

static void
the_tightest_quota_of_version_2_counts(void **state)
{
	(void)state;
	assert_int_equal(cpus(), 0);
	put("self", "0::/a/b\n");
	assert_int_equal(cpus(), 0);
	put("a/b/cpu.max", "max 100000\n");
	assert_int_equal(cpus(), 0);
	put("a/cpu.max", "250000 100000\n");
	assert_int_equal(cpus(), 3);
	put("a/b/cpu.max", "350000 100000\n");
	assert_int_equal(cpus(), 3);
	put("cpu.max", "100000 100000\n");
	assert_int_equal(cpus(), 1);
	put("a/b/cpu.max", "1000 100000\n");
	assert_int_equal(cpus(), 1);
}

static void
quotas_of_version_1_count(void **state)
{
	static const char self[] = "12:pids:/x\n5:cpu,cpuacct:/a/b\n"
	    "4:cpuset:/y\n1:name=systemd:/z\n";

	(void)state;
	put("self", self);
	assert_int_equal(cpus(), 0);
	put("cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	put("cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpus(), 0);
	put("cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n");
	put("cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
	assert_int_equal(cpus(), 3);
	put("cpu,cpuacct/a/b/cpu.cfs_quota_us", "110000\n");
	assert_int_equal(cpus(), 2);
	/* no other controller's */
	put("cpuset/y/cpu.cfs_quota_us", "1000\n");
	put("cpuset/y/cpu.cfs_period_us", "1000\n");
	assert_int_equal(cpus(), 2);
}

/* In a container the name is the host's, the root is the container's. */
static void
a_container_sees_its_quota_at_the_root(void **state)
{
	(void)state;
	put("self", "6:cpu,cpuacct:/docker/0123\n0::/docker/0123\n");
	put("cpu/cpu.cfs_quota_us", "200000\n");
	put("cpu/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpus(), 2);
	/* both versions at once: the tighter one */
	put("cpu.max", "100000 100000\n");
	assert_int_equal(cpus(), 1);
}

static void
nonsense_is_no_quota(void **state)
{
	static const char *const texts[] = { "", "\n", "0::", "0:", "x",
		"0::a/b\n", "3:cpu:\n", "::::\n" };
	size_t i;

	(void)state;
	put("cpu.max", "99999999999999999999 0\n");
	put("cpu/cpu.cfs_quota_us", "a lot\n");
	put("cpu/cpu.cfs_period_us", "\n");
	for (i = 0; i < nitems(texts); i++) {
		put("self", texts[i]);
		assert_int_equal(cpus(), 0);
	}
	put("self", "0::/\n2:cpu:/\n");
	assert_int_equal(cpus(), 0);
	assert_true(plat_cpus() >= 1);
}

static uint64_t
memory(void)
{
	char self[128];

	(void)snprintf(self, sizeof self, "%s/self", dir);
	return (plat_cgroup_memory(self, dir));
}

static void
the_least_memory_of_the_groups_counts(void **state)
{
	(void)state;
	assert_int_equal(memory(), 0);
	put("self", "7:memory:/a/b\n5:cpu,cpuacct:/a\n");
	put("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(memory(), 0);
	put("memory/a/memory.limit_in_bytes", "2000000\n");
	assert_int_equal(memory(), 2000000);
	put("self", "0::/a/b\n");
	assert_int_equal(memory(), 0);
	put("a/b/memory.max", "max\n");
	put("memory.max", "5000000\n");
	assert_int_equal(memory(), 5000000);
	put("a/b/memory.max", "4000000\n");
	assert_int_equal(memory(), 4000000);
	put("a/b/memory.max", "0\n");
	assert_int_equal(memory(), 1);
}

/* --- who is led where ------------------------------------------------------*/

#define SOCKETS	PLAT_REUSEPORT_MAX

static int listens[SOCKETS];
static struct sockaddr_in at;

static void
listen_at_all(void)
{
	socklen_t n = sizeof at;
	unsigned i;

	memset(&at, 0, sizeof at);
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < SOCKETS; i++) {
		listens[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_int_equal(plat_reuseport(listens[i]), 0);
		assert_int_equal(bind(listens[i], (struct sockaddr *)&at, n),
		    0);
		assert_int_equal(listen(listens[i], 16), 0);
		assert_int_equal(getsockname(listens[i],
		    (struct sockaddr *)&at, &n), 0);
	}
}

/* One more connects: the socket that has it. */
static unsigned
led_to(void)
{
	struct pollfd p[SOCKETS];
	unsigned i;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	for (i = 0; i < SOCKETS; i++)
		p[i] = (struct pollfd){ .fd = listens[i], .events = POLLIN };
	assert_int_equal(poll(p, SOCKETS, 10000), 1);
	(void)close(fd);
	for (i = 0; p[i].revents == 0; i++)
		continue;
	fd = accept(listens[i], NULL, NULL);
	assert_true(fd != -1);
	(void)close(fd);
	return (i);
}

/* Each of them gets somebody, and nobody else does. */
static void
leads_to(uint64_t those)
{
	uint64_t left = those;
	unsigned i, tries;

	for (tries = 0; left != 0; tries++) {
		assert_in_range(tries, 0, 100 * SOCKETS);
		i = led_to();
		assert_true((those >> i & 1) != 0);
		left &= ~(UINT64_C(1) << i);
	}
}

static void
who_connects_comes_to_some_of_the_sockets(void **state)
{
	const uint64_t all = UINT64_MAX, odd = 0xaaaaaaaaaaaaaaaa;
	const uint64_t without[] = { 0, 1, all << 1, all >> 1, odd, ~odd,
		UINT64_C(1) << 63, UINT64_C(0x00ffff00ff00f0a5) };
	uint64_t few;
	size_t i;

	(void)state;
	listen_at_all();
	leads_to(all);
	for (few = 0; few < 31; few++) {
		assert_int_equal(plat_reuseport_some(listens[3], 5, few), 0);
		leads_to(31 & ~few);
	}
	for (i = 0; i < nitems(without); i++) {
		assert_int_equal(plat_reuseport_some(listens[0], SOCKETS,
		    without[i]), 0);
		leads_to(~without[i]);
	}
	/* who is not among the first is not looked at */
	assert_int_equal(plat_reuseport_some(listens[0], 2, ~UINT64_C(2)), 0);
	leads_to(2);
	assert_int_equal(plat_reuseport_all(listens[63]), 0);
	leads_to(all);
	for (i = 0; i < SOCKETS; i++)
		(void)close(listens[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(the_tightest_quota_of_version_2_counts),
		T(quotas_of_version_1_count),
		T(a_container_sees_its_quota_at_the_root),
		T(nonsense_is_no_quota),
		T(the_least_memory_of_the_groups_counts),
		T(who_connects_comes_to_some_of_the_sockets),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
