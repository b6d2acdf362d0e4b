/*
 * Numbers of the kernel, each a short file; see facts.h.
 */
#include "host/facts.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/plat.h"

#define FACTS_UNIT	"roostd.service"

struct facts_from {
	const char	*root;
	char		 process[32];	/* "self", "123" */
};

/* The file's beginning; false: it cannot be read. */
static bool
facts_read(const struct facts_from *from, const char *name, char *out,
    size_t cap)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/%s", from->root, name);

	return (n > 0 && (size_t)n < sizeof path &&
	    plat_read_file(path, out, cap));
}

/* The nth number in it, from 0. */
static uint64_t
facts_number(const struct facts_from *from, const char *name, unsigned nth)
{
	char text[256], *end;
	const char *p = text;
	uint64_t v = HOST_UNKNOWN;
	unsigned i;

	if (!facts_read(from, name, text, sizeof text))
		return (HOST_UNKNOWN);
	for (i = 0; i <= nth; i++) {
		v = strtoull(p, &end, 10);
		if (end == p)
			return (HOST_UNKNOWN);
		p = end;
	}
	return (v);
}

/* "Name:   123 kB", in bytes; or as it is, without a unit. */
static uint64_t
facts_of_line(const char *text, const char *name)
{
	const char *p = text;
	size_t n = strlen(name);
	unsigned long long v;
	char unit[4] = "";

	for (; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, n) != 0)
			continue;
		if (sscanf(p + n, " %llu %3s", &v, unit) < 1)
			return (HOST_UNKNOWN);
		return (strcmp(unit, "kB") == 0 ? v * 1024 : v);
	}
	return (HOST_UNKNOWN);
}

/* Of "cpus_allowed", a mask in groups of hexadecimal digits. */
static unsigned
facts_mask(const char *text)
{
	static const char name[] = "Cpus_allowed:";
	const char *p = strstr(text, name);
	unsigned n = 0, digit;

	if (p == NULL)
		return (0);
	for (p += sizeof name - 1; *p != '\0' && *p != '\n'; p++) {
		if (sscanf((const char[]){ *p, '\0' }, "%x", &digit) == 1)
			n += (unsigned)__builtin_popcount(digit);
	}
	return (n);
}

/* --- of the process -------------------------------------------------------*/

static bool
facts_process(const struct facts_from *from, const char *name, char *out,
    size_t cap)
{
	char path[64];

	(void)snprintf(path, sizeof path, "proc/%s/%s", from->process, name);
	return (facts_read(from, path, out, cap));
}

/* Its groups, and where they are mounted. */
static void
facts_groups(const struct facts_from *from, char self[PATH_MAX],
    char mount[PATH_MAX])
{
	(void)snprintf(self, PATH_MAX, "%s/proc/%s/cgroup", from->root,
	    from->process);
	(void)snprintf(mount, PATH_MAX, "%s/sys/fs/cgroup", from->root);
}

static void
facts_look_process(struct host_facts *f, const struct facts_from *from)
{
	char text[4096], self[PATH_MAX], mount[PATH_MAX];
	unsigned quota;
	uint64_t group;

	if (facts_process(from, "limits", text, sizeof text)) {
		f->files = facts_of_line(text, "Max open files");
		f->file_bytes = facts_of_line(text, "Max file size");
	}
	if (facts_process(from, "status", text, sizeof text))
		f->cpus = facts_mask(text);
	facts_groups(from, self, mount);
	quota = plat_cgroup_cpus(self, mount);
	if (quota != 0 && (f->cpus == 0 || quota < f->cpus))
		f->cpus = quota;
	group = plat_cgroup_memory(self, mount);
	if (group != 0 && group < f->memory) {
		f->memory = group;
		f->grouped = true;
	}
}

/* --- of the host ----------------------------------------------------------*/

static void
facts_look_memory(struct host_facts *f, const struct facts_from *from)
{
	char text[4096];
	uint64_t most, promised;

	f->strict = facts_number(from, "proc/sys/vm/overcommit_memory", 0) == 2;
	if (!facts_read(from, "proc/meminfo", text, sizeof text))
		return;
	f->memory = facts_of_line(text, "MemTotal:");
	most = facts_of_line(text, "CommitLimit:");
	promised = facts_of_line(text, "Committed_AS:");
	if (most != HOST_UNKNOWN && promised != HOST_UNKNOWN)
		f->commit_left = most > promised ? most - promised : 0;
}

static void
facts_look_network(struct host_facts *f, const struct facts_from *from)
{
	static const char range[] = "proc/sys/net/ipv4/ip_local_port_range";
	static const char tracked[] = "proc/sys/net/netfilter/nf_conntrack_";
	uint64_t low = facts_number(from, range, 0);
	uint64_t high = facts_number(from, range, 1), pages;
	char path[80];

	f->backlog = facts_number(from, "proc/sys/net/core/somaxconn", 0);
	if (low != HOST_UNKNOWN && high != HOST_UNKNOWN && high >= low)
		f->ports = high - low + 1;
	pages = facts_number(from, "proc/sys/net/ipv4/tcp_mem", 2);
	f->page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (pages < HOST_UNKNOWN / f->page)
		f->tcp_bytes = pages * f->page;
	(void)snprintf(path, sizeof path, "%smax", tracked);
	f->tracked_most = facts_number(from, path, 0);
	if (f->tracked_most == 0)	/* as the kernel takes it */
		f->tracked_most = HOST_UNKNOWN;
	(void)snprintf(path, sizeof path, "%scount", tracked);
	f->tracked = facts_number(from, path, 0);
}

void
host_look(struct host_facts *f, const char *root, pid_t pid)
{
	struct facts_from from = { .root = root, .process = "self" };
	char text[128];

	if (pid != 0)
		(void)snprintf(from.process, sizeof from.process, "%ld",
		    (long)pid);
	*f = (struct host_facts){ .files = HOST_UNKNOWN,
		.file_bytes = HOST_UNKNOWN, .memory = HOST_UNKNOWN,
		.files_most = HOST_UNKNOWN, .host_files = HOST_UNKNOWN,
		.backlog = HOST_UNKNOWN, .ports = HOST_UNKNOWN,
		.tcp_bytes = HOST_UNKNOWN, .tracked_most = HOST_UNKNOWN,
		.tracked = HOST_UNKNOWN, .commit_left = HOST_UNKNOWN };
	f->files_most = facts_number(&from, "proc/sys/fs/nr_open", 0);
	f->host_files = facts_number(&from, "proc/sys/fs/file-max", 0);
	facts_look_memory(f, &from);
	facts_look_network(f, &from);
	facts_look_process(f, &from);	/* its groups may have less */
	f->huge_pages = facts_read(&from,
	    "sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) &&
	    strstr(text, "[always]") != NULL;
}

/* --- the unit -------------------------------------------------------------*/

/* What a file of the unit says last; 0: nothing. */
static uint64_t
facts_unit_file(const char *path)
{
	static const char name[] = "\nLimitNOFILE";
	char text[8192] = "\n";
	const char *p = text;
	uint64_t v = 0;

	if (!plat_read_file(path, text + 1, sizeof text - 1))
		return (0);
	while ((p = strstr(p, name)) != NULL) {
		p += sizeof name - 1;
		p += strspn(p, " \t");
		if (*p != '=')
			continue;
		p++;
		p += strspn(p, " \t");
		v = strncmp(p, "infinity", 8) == 0 ? HOST_UNKNOWN :
		    strtoull(p, NULL, 10);
	}
	return (v);
}

static uint64_t
facts_unit_dropins(const char *folder, uint64_t is)
{
	char path[2 * PATH_MAX];
	struct dirent **names;
	uint64_t v;
	int i, n = scandir(folder, &names, NULL, alphasort);

	for (i = 0; i < n; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder,
		    names[i]->d_name);
		v = names[i]->d_name[0] == '.' ? 0 : facts_unit_file(path);
		is = v != 0 ? v : is;
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return (is);
}

uint64_t
host_unit_files(const char *root)
{
	static const char *const places[] = { "usr/lib/systemd/system",
		"lib/systemd/system", "usr/local/lib/systemd/system",
		"run/systemd/system", "etc/systemd/system" };
	char path[PATH_MAX];
	uint64_t v = 0, one;
	size_t i;

	for (i = 0; i < nitems(places); i++) {
		(void)snprintf(path, sizeof path, "%s/%s/" FACTS_UNIT, root,
		    places[i]);
		one = facts_unit_file(path);
		v = one != 0 ? one : v;
	}
	for (i = 0; i < nitems(places); i++) {
		(void)snprintf(path, sizeof path, "%s/%s/" FACTS_UNIT ".d",
		    root, places[i]);
		v = facts_unit_dropins(path, v);
	}
	return (v);
}
