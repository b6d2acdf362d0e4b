/*
 * Needs against facts; see check.h.  Each row is a function.
 */
#include "host/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "role.h"

/*
 * What an idle connection takes, measured: ours, with session and client, and
 * the kernel's for a socket of TCP; and what OpenSSL keeps beside it.
 */
#define CHECK_OURS	UINT64_C(1000)
#define CHECK_KERNEL	UINT64_C(4100)
#define CHECK_TLS	UINT64_C(15000)
/* of a worker, without clients; of master and relay */
#define CHECK_WORKER	(UINT64_C(8) << 20)
#define CHECK_OTHERS	(UINT64_C(16) << 20)
#define CHECK_HOST_FILES 1024	/* of other programs, at least */

struct check {
	const struct host_needs *n;
	const struct host_facts *f;
	uint64_t	 connections;	/* that are to be borne */
	struct host_finding *to;
};

/* --- words ----------------------------------------------------------------*/

static void
check_bytes(char out[64], uint64_t v)
{
	if (v == HOST_UNKNOWN)
		(void)snprintf(out, 64, "unlimited");
	else if (v >= UINT64_C(10) << 30)
		(void)snprintf(out, 64, "%" PRIu64 " GB", v >> 30);
	else
		(void)snprintf(out, 64, "%" PRIu64 " MB",
		    (v + (1 << 20) - 1) >> 20);
}

static void
check_count(char out[64], uint64_t v)
{
	if (v == HOST_UNKNOWN)
		(void)snprintf(out, 64, "unknown");
	else
		(void)snprintf(out, 64, "%" PRIu64, v);
}

static void check_mend(struct check *, const char *, ...) PRINTF_LIKE(2, 3);
static void
check_mend(struct check *c, const char *fmt, ...)
{
	va_list ap;

	c->to->less = true;
	va_start(ap, fmt);
	(void)vsnprintf(c->to->mend, sizeof c->to->mend, fmt, ap);
	va_end(ap);
}

/* found and needed are counts; is it less? */
static bool
check_counts(struct check *c, const char *what, uint64_t found,
    uint64_t needed)
{
	c->to->what = what;
	check_count(c->to->found, found);
	check_count(c->to->needed, needed);
	return (found != HOST_UNKNOWN && found < needed);
}

/* ... bytes */
static bool
check_sizes(struct check *c, const char *what, uint64_t found,
    uint64_t needed)
{
	c->to->what = what;
	check_bytes(c->to->found, found);
	check_bytes(c->to->needed, needed);
	return (found != HOST_UNKNOWN && found < needed);
}

/* --- descriptors ----------------------------------------------------------*/

/* Clients that a worker with so many descriptors can have. */
static uint64_t
check_clients(const struct host_needs *n, uint64_t files)
{
	uint64_t own = n->own_files + role_kept_files(files);

	return (files > own ? files - own : 0);
}

/* The least number of descriptors for the worker's part of the clients. */
static uint64_t
check_files(const struct check *c)
{
	uint64_t each = (c->connections + c->n->workers - 1) / c->n->workers;
	uint64_t files = each + c->n->own_files;

	/* what is kept grows with it, slower */
	while (check_clients(c->n, files) < each)
		files += each - check_clients(c->n, files);
	return (files);
}

static bool
check_descriptors(struct check *c)
{
	uint64_t needed = check_files(c);

	if (check_counts(c, "descriptors", c->f->files, needed))
		check_mend(c, "LimitNOFILE=%" PRIu64 " in the unit, or ulimit -n"
		    " %" PRIu64, needed, needed);
	return (true);
}

static bool
check_nr_open(struct check *c)
{
	uint64_t needed = check_files(c);

	if (check_counts(c, "nr_open", c->f->files_most, needed))
		check_mend(c, "sysctl -w fs.nr_open=%" PRIu64, needed);
	return (true);
}

/* All processes together. */
static bool
check_file_max(struct check *c)
{
	uint64_t needed = c->connections + (uint64_t)c->n->workers *
	    c->n->own_files + CHECK_HOST_FILES;

	if (check_counts(c, "file_max", c->f->host_files, needed))
		check_mend(c, "sysctl -w fs.file-max=%" PRIu64, 2 * needed);
	return (true);
}

/* --- network --------------------------------------------------------------*/

static bool
check_backlog(struct check *c)
{
	if (c->n->backlog == 0)
		return (false);
	if (check_counts(c, "backlog", c->f->backlog, c->n->backlog))
		check_mend(c, "sysctl -w net.core.somaxconn=%u",
		    c->n->backlog);
	return (true);
}

/* One address of a proxy has a port for each connection to one of ours. */
static bool
check_ports(struct check *c)
{
	uint64_t most = c->f->ports, needed = c->connections;

	if (c->n->doors == 0)
		return (false);
	if (most != HOST_UNKNOWN)
		most *= c->n->doors;
	if (!check_counts(c, "ports", most, needed))
		return (true);
	if (c->f->ports < 64000)
		check_mend(c, "sysctl -w net.ipv4.ip_local_port_range='1024 "
		    "65535', and %" PRIu64 " listen sections for the proxy, or "
		    "one of unix:", (needed + 64511) / 64512);
	else
		check_mend(c, "%" PRIu64 " listen sections for the proxy, or "
		    "one of unix:", (needed + c->f->ports - 1) / c->f->ports);
	return (true);
}

static bool
check_tcp_memory(struct check *c)
{
	/* what waits to be read, or to be acknowledged: a page of each */
	uint64_t pages = c->connections;

	if (!c->n->tcp)
		return (false);
	if (check_sizes(c, "tcp_memory", c->f->tcp_bytes, pages * c->f->page))
		check_mend(c, "sysctl -w net.ipv4.tcp_mem='%" PRIu64 " %" PRIu64
		    " %" PRIu64 "' (pages of %" PRIu64 " KB)", pages / 2,
		    pages * 3 / 4, pages, c->f->page >> 10);
	return (true);
}

static bool
check_tracked(struct check *c)
{
	/* it is not there, or looks at nothing */
	if (!c->n->tcp || c->f->tracked_most == HOST_UNKNOWN ||
	    c->f->tracked == 0)
		return (false);
	if (check_counts(c, "conntrack", c->f->tracked_most, c->connections))
		check_mend(c, "sysctl -w net.netfilter.nf_conntrack_max=%"
		    PRIu64 ", or no tracking of these ports (notrack)",
		    2 * c->connections);
	return (true);
}

/* --- memory, processors ---------------------------------------------------*/

static uint64_t
check_each(const struct host_needs *n)
{
	return (CHECK_OURS + CHECK_KERNEL + (n->tls ? CHECK_TLS : 0));
}

static uint64_t
check_beside(const struct host_needs *n)
{
	return (n->shared + n->workers * CHECK_WORKER + CHECK_OTHERS);
}

static uint64_t
check_memory_needed(const struct check *c)
{
	return (check_beside(c->n) + c->connections * check_each(c->n));
}

static bool
check_memory(struct check *c)
{
	uint64_t has = c->f->memory, beside = check_beside(c->n);

	if (!check_sizes(c, "memory", has, check_memory_needed(c)))
		return (true);
	check_mend(c, "limits { connections = %" PRIu64 " }, or %s",
	    has > beside ? (has - beside) / check_each(c->n) : 1,
	    c->f->grouped ? "a higher MemoryMax or MemoryHigh of its control group" :
	    "more memory");
	return (true);
}

/* It is a file in memory: no file system has to hold it, a limit does. */
static bool
check_shared(struct check *c)
{
	if (check_sizes(c, "shared_memory", c->f->file_bytes, c->n->shared))
		check_mend(c, "LimitFSIZE=infinity in the unit, or ulimit -f "
		    "unlimited");
	return (true);
}

static bool
check_overcommit(struct check *c)
{
	if (!c->f->strict) {
		c->to->what = "overcommit";
		(void)snprintf(c->to->found, 64, "not strict");
		(void)snprintf(c->to->needed, 64, "not strict");
		return (true);
	}
	if (check_sizes(c, "overcommit", c->f->commit_left,
	    check_memory_needed(c)))
		check_mend(c, "sysctl -w vm.overcommit_memory=0, or a higher "
		    "vm.overcommit_ratio");
	return (true);
}

static bool
check_cpus(struct check *c)
{
	uint64_t cpus = c->f->cpus != 0 ? c->f->cpus : HOST_UNKNOWN;

	if (check_counts(c, "cpus", cpus, c->n->workers))
		check_mend(c, "workers = %u, or a higher CPUQuota of its control "
		    "group", c->f->cpus);
	return (true);
}

/* A process grows by 2 MB where a page would do; that matters only where
 * memory is no more than twice of what is needed. */
static bool
check_huge_pages(struct check *c)
{
	bool tight = c->f->memory != HOST_UNKNOWN &&
	    c->f->memory / 2 < check_memory_needed(c);

	c->to->what = "huge_pages";
	(void)snprintf(c->to->found, 64, c->f->huge_pages ? "always" :
	    "not always");
	(void)snprintf(c->to->needed, 64, tight ? "not always" : "any");
	if (tight && c->f->huge_pages)
		check_mend(c, "echo madvise >/sys/kernel/mm/"
		    "transparent_hugepage/enabled");
	return (true);
}

/* --- all ------------------------------------------------------------------*/

static uint64_t
check_reach(const struct host_needs *n, const struct host_facts *f)
{
	uint64_t each, sum;

	if (f->files == HOST_UNKNOWN)
		return (n->connections);
	each = check_clients(n, f->files);
	sum = each > UINT64_MAX / n->workers ? UINT64_MAX : each * n->workers;
	return (sum < n->connections ? sum : n->connections);
}

size_t
host_check(const struct host_needs *n, const struct host_facts *f,
    bool reachable, struct host_finding out[HOST_FINDINGS])
{
	/* false: it does not matter here */
	static bool (*const rows[])(struct check *) = {
		check_descriptors, check_nr_open, check_file_max,
		check_backlog, check_ports, check_tcp_memory, check_tracked,
		check_memory, check_shared, check_overcommit, check_cpus,
		check_huge_pages,
	};
	struct check c = { .n = n, .f = f, .connections = n->connections };
	size_t i, nout = 0;

	MUST(n->workers > 0 && nitems(rows) <= HOST_FINDINGS);
	for (i = 0; i < nitems(rows); i++) {
		c.to = &out[nout];
		memset(c.to, 0, sizeof *c.to);
		nout += rows[i](&c) ? 1 : 0;
		if (i == 0 && reachable)
			c.connections = check_reach(n, f);
	}
	return (nout);
}

/* --- needs as text --------------------------------------------------------*/

void
host_needs_print(const struct host_needs *n, struct buf *b)
{
	buf_printf(b, "%" PRIu64 " %u %u %" PRIu64 " %u %d %d %u",
	    n->connections, n->workers, n->own_files, n->shared, n->backlog,
	    n->tcp, n->tls, n->doors);
}

bool
host_needs_parse(struct host_needs *n, struct slice text)
{
	char copy[256];
	int tcp, tls;

	if (text.n >= sizeof copy)
		return (false);
	(void)snprintf(copy, sizeof copy, "%.*s", (int)text.n,
	    (const char *)text.p);
	memset(n, 0, sizeof *n);
	if (sscanf(copy, "%" SCNu64 " %u %u %" SCNu64 " %u %d %d %u",
	    &n->connections, &n->workers, &n->own_files, &n->shared,
	    &n->backlog, &tcp, &tls, &n->doors) != 8 || n->workers == 0)
		return (false);
	n->tcp = tcp != 0;
	n->tls = tls != 0;
	return (true);
}
