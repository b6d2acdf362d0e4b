/* Hosts of paper: what they have is written into a folder, and judged. */
#include "host/check.h"

#include <sys/stat.h>

#include <errno.h>
#include <ftw.h>
#include <unistd.h>

#include "tests/lib/check.h"

#define PID 77

static char dir[64];
static struct host_needs needs;
static struct host_facts facts;
static struct host_finding found[HOST_FINDINGS];
static size_t nfound;

/* dir/NAME holds text; folders are made. */
static void
put(const char *name, const char *text)
{
	char path[256], *p;
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

/* A host that is large enough, and a daemon on it. */
static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/test_host_check.XXXXXX");
	assert_non_null(mkdtemp(dir));
	put("proc/77/limits", "Limit                     Soft Limit           "
	    "Hard Limit           Units     \n"
	    "Max file size             unlimited            unlimited  bytes\n"
	    "Max open files            60000                60000      files\n");
	put("proc/77/status", "Name:\troostd\nCpus_allowed:\tf,ffffffff\n");
	put("proc/77/cgroup", "0::/system.slice/roostd.service\n");
	put("proc/sys/fs/nr_open", "1048576\n");
	put("proc/sys/fs/file-max", "9223372036854775807\n");
	put("proc/sys/net/core/somaxconn", "4096\n");
	put("proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n");
	put("proc/sys/net/ipv4/tcp_mem", "100000\t150000\t200000\n");
	put("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
	put("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
	put("proc/sys/vm/overcommit_memory", "0\n");
	put("proc/meminfo", "MemTotal:       16000000 kB\n"
	    "MemFree:         1000000 kB\nCommitLimit:     8000000 kB\n"
	    "Committed_AS:    2000000 kB\n");
	put("sys/kernel/mm/transparent_hugepage/enabled",
	    "always [madvise] never\n");
	put("sys/fs/cgroup/system.slice/roostd.service/memory.max", "max\n");
	needs = (struct host_needs){ .connections = 100000, .workers = 2,
		.own_files = 30, .shared = 100 << 20, .backlog = 4096,
		.tcp = true, .doors = 2 };
	return (0);
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

static void
look(bool reachable)
{
	host_look(&facts, dir, PID);
	nfound = host_check(&needs, &facts, reachable, found);
}

/* The line of that name; NULL: there is none. */
static const struct host_finding *
line(const char *what)
{
	size_t i;

	for (i = 0; i < nfound; i++)
		if (strcmp(found[i].what, what) == 0)
			return (&found[i]);
	return (NULL);
}

/* How many are too small; the only one is to be this. */
static void
only(const char *what, const char *has, const char *needed, const char *mend)
{
	const struct host_finding *f;
	size_t i;

	look(false);
	f = line(what);
	assert_non_null(f);
	for (i = 0; i < nfound; i++)
		assert_true(found[i].less == (&found[i] == f));
	assert_string_equal(f->found, has);
	assert_string_equal(f->needed, needed);
	assert_string_equal(f->mend, mend);
}

static void
a_host_that_is_large_enough(void **state)
{
	size_t i;

	(void)state;
	look(false);
	assert_int_equal(nfound, 12);
	for (i = 0; i < nfound; i++) {
		assert_false(found[i].less);
		assert_string_equal(found[i].mend, "");
		assert_true(found[i].found[0] != '\0');
	}
	assert_string_equal(line("descriptors")->needed, "50286");
	assert_string_equal(line("cpus")->found, "36");
}

static void
each_that_is_too_small(void **state)
{
	(void)state;
	put("proc/77/limits", "Max open files            1024     60000  files\n");
	only("descriptors", "1024", "50286",
	    "LimitNOFILE=50286 in the unit, or ulimit -n 50286");
	put("proc/77/limits", "Max open files            60000    60000  files\n");
	put("proc/sys/fs/nr_open", "50000\n");
	only("nr_open", "50000", "50286", "sysctl -w fs.nr_open=50286");
	put("proc/sys/fs/nr_open", "60000\n");
	put("proc/sys/fs/file-max", "101083\n");
	only("file_max", "101083", "101084", "sysctl -w fs.file-max=202168");
	put("proc/sys/fs/file-max", "101084\n");
	put("proc/sys/net/core/somaxconn", "128\n");
	only("backlog", "128", "4096", "sysctl -w net.core.somaxconn=4096");
	put("proc/sys/net/core/somaxconn", "4096\n");
	put("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
	only("ports", "56464", "100000", "sysctl -w "
	    "net.ipv4.ip_local_port_range='1024 65535', and 2 listen sections "
	    "for the proxy, or one of unix:");
	put("proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n");
	put("proc/sys/net/ipv4/tcp_mem", "10\t20\t30000\n");
	only("tcp_memory", "118 MB", "391 MB",
	    "sysctl -w net.ipv4.tcp_mem='50000 75000 100000' (pages of 4 KB)");
	put("proc/sys/net/ipv4/tcp_mem", "10\t20\t200000\n");
	put("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
	only("conntrack", "65536", "100000", "sysctl -w "
	    "net.netfilter.nf_conntrack_max=200000, or no tracking of these "
	    "ports (notrack)");
	put("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
}

/* What the kernel takes as no limit, or as one that no host reaches. */
static void
numbers_that_are_no_limit(void **state)
{
	size_t i;

	(void)state;
	put("proc/sys/net/netfilter/nf_conntrack_max", "0\n");
	put("proc/sys/net/ipv4/tcp_mem", "1\t2\t4503599627370496\n");
	put("sys/fs/cgroup/system.slice/roostd.service/memory.high", "max\n");
	look(false);
	for (i = 0; i < nfound; i++)
		assert_false(found[i].less);
	assert_null(line("conntrack"));
	assert_string_equal(line("tcp_memory")->found, "unlimited");
}

static void
memory_and_processors(void **state)
{
	(void)state;
	put("proc/meminfo", "MemTotal:       500000 kB\n");
	only("memory", "489 MB", "619 MB",
	    "limits { connections = 73252 }, or more memory");
	put("proc/meminfo", "MemTotal:       16000000 kB\n"
	    "CommitLimit:     8000000 kB\nCommitted_AS:    7900000 kB\n");
	put("sys/fs/cgroup/system.slice/memory.max", "536870912\n");
	only("memory", "512 MB", "619 MB", "limits { connections = 78129 }, "
	    "or a higher MemoryMax or MemoryHigh of its control group");
	put("sys/fs/cgroup/system.slice/memory.max", "max\n");
	put("sys/fs/cgroup/system.slice/memory.high", "536870912\n");
	only("memory", "512 MB", "619 MB", "limits { connections = 78129 }, "
	    "or a higher MemoryMax or MemoryHigh of its control group");
	put("sys/fs/cgroup/system.slice/memory.high", "max\n");
	put("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
	look(false);
	assert_false(line("memory")->less);
	/* it is tight enough for huge pages to matter */
	put("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise\n");
	only("huge_pages", "always", "not always",
	    "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
	put("sys/fs/cgroup/system.slice/memory.max", "max\n");
	look(false);
	assert_false(line("huge_pages")->less);
	put("proc/sys/vm/overcommit_memory", "2\n");
	only("overcommit", "98 MB", "619 MB", "sysctl -w "
	    "vm.overcommit_memory=0, or a higher vm.overcommit_ratio");
	put("proc/sys/vm/overcommit_memory", "1\n");
	put("proc/77/limits", "Max file size             1048576   1  bytes\n"
	    "Max open files            60000    60000  files\n");
	only("shared_memory", "1 MB", "100 MB",
	    "LimitFSIZE=infinity in the unit, or ulimit -f unlimited");
	put("proc/77/limits", "Max open files            60000    60000  files\n");
	put("sys/fs/cgroup/cpu.max", "100000 100000\n");
	only("cpus", "1", "2",
	    "workers = 1, or a higher CPUQuota of its control group");
	put("sys/fs/cgroup/cpu.max", "max 100000\n");
	put("proc/77/status", "Cpus_allowed:\t1\n");
	look(false);
	assert_true(line("cpus")->less);
}

/* What does not matter for this configuration, or here, is not told. */
static void
what_does_not_matter(void **state)
{
	(void)state;
	put("proc/sys/net/netfilter/nf_conntrack_count", "0\n");
	put("proc/sys/net/netfilter/nf_conntrack_max", "1\n");
	look(false);
	assert_null(line("conntrack"));
	needs.doors = 0;
	needs.tcp = false;
	look(false);
	assert_null(line("ports"));
	assert_null(line("tcp_memory"));
	needs.tls = true;
	needs.tcp = true;
	look(false);
	assert_string_equal(line("memory")->needed, "2049 MB");
}

/* At the start, one thing that is short hides what is so only for more. */
static void
what_can_be_reached(void **state)
{
	size_t i;

	(void)state;
	needs.connections = 10000000;
	look(true);
	for (i = 0; i < nfound; i++)
		assert_true(found[i].less == (i == 0));
	assert_string_equal(found[0].what, "descriptors");
	look(false);
	assert_true(line("memory")->less);
	assert_true(line("nr_open")->less);
	put("proc/77/limits", "Max open files            10       10  files\n");
	look(true);
	assert_true(line("descriptors")->less);
}

/* A container without /proc, and files that are no numbers. */
static void
nothing_is_known(void **state)
{
	size_t i;

	(void)state;
	host_look(&facts, "/tmp/there/is/none", 0);
	nfound = host_check(&needs, &facts, true, found);
	for (i = 0; i < nfound; i++)
		assert_false(found[i].less);
	assert_string_equal(line("descriptors")->found, "unknown");
	put("proc/77/limits", "Max open files\n");
	put("proc/sys/net/core/somaxconn", "many\n");
	put("proc/sys/net/ipv4/ip_local_port_range", "7\n");
	put("proc/meminfo", "MemTotal:\n");
	look(true);
	for (i = 0; i < nfound; i++)
		assert_false(found[i].less);
	/* of this process, on the real host */
	host_look(&facts, "", 0);
	assert_true(facts.cpus >= 1);
	assert_true(facts.memory > 1 << 20);
}

static void
the_unit_and_its_dropins(void **state)
{
	(void)state;
	assert_int_equal(host_unit_files(dir), 0);
	put("lib/systemd/system/roostd.service", "[Service]\nLimitNOFILE=5\n");
	assert_int_equal(host_unit_files(dir), 5);
	put("run/systemd/system/roostd.service.d/a.conf",
	    "LimitNOFILE = 4\nLimitNOFILESoft=9\n");
	assert_int_equal(host_unit_files(dir), 4);
	put("run/systemd/system/roostd.service.d/a.conf", "[Service]\n");
	put("etc/systemd/system/roostd.service", "[Unit]\n[Service]\n"
	    "LimitNOFILE=6\nLimitNOFILE=7:9\n");
	assert_int_equal(host_unit_files(dir), 7);
	put("etc/systemd/system/roostd.service.d/b.conf", "LimitNOFILE=20\n");
	put("etc/systemd/system/roostd.service.d/a.conf", "LimitNOFILE=10\n");
	put("etc/systemd/system/roostd.service.d/c.conf", "Nice=1\n");
	assert_int_equal(host_unit_files(dir), 20);
	put("etc/systemd/system/roostd.service.d/d.conf",
	    "LimitNOFILE=infinity\n");
	assert_true(host_unit_files(dir) == HOST_UNKNOWN);
}

static void
needs_are_told(void **state)
{
	struct host_needs back;
	struct buf b;

	(void)state;
	needs.tls = true;
	buf_init(&b);
	host_needs_print(&needs, &b);
	assert_true(host_needs_parse(&back, buf_unread(&b)));
	assert_memory_equal(&back, &needs, sizeof needs);
	buf_fini(&b);
	assert_false(host_needs_parse(&back, slice_str("")));
	assert_false(host_needs_parse(&back, slice_str("1 0 1 1 1 1 1 1")));
	assert_false(host_needs_parse(&back, slice_str("1 2 3 4 5 6 7")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_host_that_is_large_enough),
		T(each_that_is_too_small),
		T(numbers_that_are_no_limit),
		T(memory_and_processors),
		T(what_does_not_matter),
		T(what_can_be_reached),
		T(nothing_is_known),
		T(the_unit_and_its_dropins),
		T(needs_are_told),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
