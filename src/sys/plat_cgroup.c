/*
 * What our control group leaves of this host, version 2 or 1, and how many CPUs
 * there are for us: its quota, and our affinity; see plat.h.  Linux.
 */
#include "sys/plat.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* One kind of limit: what a folder of a group says; 0: nothing. */
struct cgroup_kind {
	const char	*controller;	/* of version 1 */
	uint64_t	(*v1)(const char *dir);
	uint64_t	(*v2)(const char *dir);
};

/* --- CPUs -----------------------------------------------------------------*/

/* Whole CPUs of a quota in each period, rounded up; 0: no limit. */
static uint64_t
cgroup_quota(long long quota, long long period)
{
	long long n;

	if (quota <= 0 || period <= 0)
		return (0);
	n = quota / period + (quota % period != 0);
	return (n > INT_MAX ? INT_MAX : (uint64_t)n);
}

/* "QUOTA PERIOD"; "max 100000" is no limit. */
static uint64_t
cgroup_cpus_v2(const char *dir)
{
	char path[PATH_MAX + 32], text[64];
	long long quota, period;

	(void)snprintf(path, sizeof path, "%s/cpu.max", dir);
	if (!plat_read_file(path, text, sizeof text) ||
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return (0);
	return (cgroup_quota(quota, period));
}

/* Two files; a quota of -1 is no limit. */
static uint64_t
cgroup_cpus_v1(const char *dir)
{
	char path[PATH_MAX + 32], text[64];
	long long quota, period;

	(void)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
	if (!plat_read_file(path, text, sizeof text) ||
	    sscanf(text, "%lld", &quota) != 1)
		return (0);
	(void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
	if (!plat_read_file(path, text, sizeof text) ||
	    sscanf(text, "%lld", &period) != 1)
		return (0);
	return (cgroup_quota(quota, period));
}

/* --- memory ---------------------------------------------------------------*/

/* A number; "max", or in version 1 one that no machine has, is no limit. */
static uint64_t
cgroup_bytes(const char *dir, const char *name)
{
	char path[PATH_MAX + 32], text[64];
	uint64_t v;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	if (!plat_read_file(path, text, sizeof text) ||
	    sscanf(text, "%" SCNu64, &v) != 1 || v >= UINT64_C(1) << 60)
		return (0);
	return (v == 0 ? 1 : v);
}

/* Above "high" it is slowed down until it stands. */
static uint64_t
cgroup_memory_v2(const char *dir)
{
	uint64_t most = cgroup_bytes(dir, "memory.max");
	uint64_t high = cgroup_bytes(dir, "memory.high");

	return (most == 0 || (high != 0 && high < most) ? high : most);
}

static uint64_t
cgroup_memory_v1(const char *dir)
{
	return (cgroup_bytes(dir, "memory.limit_in_bytes"));
}

/* --- groups ---------------------------------------------------------------*/

/*
 * The tightest from a group up to the root, as we see it: in a container the
 * name is often the host's, and only the root is there.
 */
static uint64_t
cgroup_up_from(const char *mount, const char *controller, const char *group,
    uint64_t (*look)(const char *dir))
{
	char dir[PATH_MAX];
	size_t root;
	uint64_t best = 0, n;
	int len;

	len = snprintf(dir, sizeof dir, "%s%s%s%s", mount,
	    controller[0] != '\0' ? "/" : "", controller, group);
	if (len < 0 || (size_t)len >= sizeof dir)
		return (0);
	root = (size_t)len - strlen(group);
	for (;;) {
		n = look(dir);
		if (n != 0 && (best == 0 || n < best))
			best = n;
		if (strlen(dir) <= root)
			return (best);
		*strrchr(dir, '/') = '\0';
	}
}

static bool
cgroup_controlled(const char *controllers, const char *one)
{
	const char *p;
	size_t n;

	for (p = controllers; *p != '\0'; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if (n == strlen(one) && memcmp(p, one, n) == 0)
			return (true);
	}
	return (false);
}

/* "HIERARCHY:CONTROLLERS:GROUP"; 0 and none are version 2's. */
static uint64_t
cgroup_of_line(char *line, const char *mount, const struct cgroup_kind *k)
{
	char *controllers, *group;
	uint64_t n;

	controllers = strchr(line, ':');
	group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
	if (group == NULL || group[1] != '/')
		return (0);
	controllers++;
	*group++ = '\0';
	if (controllers[0] == '\0')
		return (cgroup_up_from(mount, "", group, k->v2));
	if (!cgroup_controlled(controllers, k->controller))
		return (0);
	/* mounted under its full name, or, as "cpu,cpuacct", under one */
	n = cgroup_up_from(mount, controllers, group, k->v1);
	return (n != 0 ? n : cgroup_up_from(mount, k->controller, group,
	    k->v1));
}

static uint64_t
cgroup_least(const char *self, const char *mount, const struct cgroup_kind *k)
{
	char text[8192], *line, *rest;
	uint64_t best = 0, n;

	if (!plat_read_file(self, text, sizeof text))
		return (0);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		n = cgroup_of_line(line, mount, k);
		if (n != 0 && (best == 0 || n < best))
			best = n;
	}
	return (best);
}

unsigned
plat_cgroup_cpus(const char *self, const char *mount)
{
	static const struct cgroup_kind cpus = { "cpu", cgroup_cpus_v1,
		cgroup_cpus_v2 };

	return ((unsigned)cgroup_least(self, mount, &cpus));
}

uint64_t
plat_cgroup_memory(const char *self, const char *mount)
{
	static const struct cgroup_kind memory = { "memory", cgroup_memory_v1,
		cgroup_memory_v2 };

	return (cgroup_least(self, mount, &memory));
}

unsigned
plat_cpus(void)
{
	cpu_set_t *set;
	size_t size;
	unsigned n = 1, quota;
	int ncpus;

	/* the kernel's mask may be wider than cpu_set_t */
	for (ncpus = CPU_SETSIZE; ncpus <= 1 << 16; ncpus *= 2) {
		set = CPU_ALLOC((size_t)ncpus);
		if (set == NULL)
			break;
		size = CPU_ALLOC_SIZE((size_t)ncpus);
		if (sched_getaffinity(0, size, set) == 0) {
			n = (unsigned)CPU_COUNT_S(size, set);
			CPU_FREE(set);
			break;
		}
		CPU_FREE(set);
		if (errno != EINVAL)
			break;
	}
	quota = plat_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
	if (quota != 0 && quota < n)
		n = quota;
	return (n == 0 ? 1 : n);
}
