/*
 * How many CPUs there are for us: our affinity, and the quota of our control
 * group, version 2 or 1; see plat.h.  Linux.
 */
#include "sys/plat.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Whole CPUs of a quota in each period, rounded up; 0: no limit. */
static unsigned
cpus_of_quota(long long quota, long long period)
{
	long long n;

	if (quota <= 0 || period <= 0)
		return (0);
	n = quota / period + (quota % period != 0);
	return (n > INT_MAX ? INT_MAX : (unsigned)n);
}

/* "QUOTA PERIOD"; "max 100000" is no limit. */
static unsigned
cpus_of_v2(const char *dir)
{
	char path[PATH_MAX + 32], text[64];
	long long quota, period;

	(void)snprintf(path, sizeof path, "%s/cpu.max", dir);
	if (!plat_read_file(path, text, sizeof text) ||
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return (0);
	return (cpus_of_quota(quota, period));
}

/* Two files; a quota of -1 is no limit. */
static unsigned
cpus_of_v1(const char *dir)
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
	return (cpus_of_quota(quota, period));
}

/*
 * The tightest from a group up to the root, as we see it: in a container the
 * name is often the host's, and only the root is there.
 */
static unsigned
cpus_up_from(const char *mount, const char *controller, const char *group,
    unsigned (*look)(const char *dir))
{
	char dir[PATH_MAX];
	size_t root;
	unsigned best = 0, n;
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
cpus_controlled(const char *controllers)
{
	const char *p;
	size_t n;

	for (p = controllers; *p != '\0'; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if (n == 3 && memcmp(p, "cpu", 3) == 0)
			return (true);
	}
	return (false);
}

/* "HIERARCHY:CONTROLLERS:GROUP"; 0 and none are version 2's. */
static unsigned
cpus_of_line(char *line, const char *mount)
{
	char *controllers, *group;
	unsigned n;

	controllers = strchr(line, ':');
	group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
	if (group == NULL || group[1] != '/')
		return (0);
	controllers++;
	*group++ = '\0';
	if (controllers[0] == '\0')
		return (cpus_up_from(mount, "", group, cpus_of_v2));
	if (!cpus_controlled(controllers))
		return (0);
	/* mounted under its full name, or under "cpu" */
	n = cpus_up_from(mount, controllers, group, cpus_of_v1);
	return (n != 0 ? n : cpus_up_from(mount, "cpu", group, cpus_of_v1));
}

unsigned
plat_cgroup_cpus(const char *self, const char *mount)
{
	char text[8192], *line, *rest;
	unsigned best = 0, n;

	if (!plat_read_file(self, text, sizeof text))
		return (0);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		n = cpus_of_line(line, mount);
		if (n != 0 && (best == 0 || n < best))
			best = n;
	}
	return (best);
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
