/*
 * The storm: 60,000 sessions of 20,000 users, and a worker is killed again
 * and again.  After each kill everything stands still for a moment, and what
 * the daemon says must be what the clients hold:
 *
 *	- GET /api/v1/presence, user by user, in both namespaces,
 *	- presence:get, asked by clients, user by user,
 *	- the gauges of /metrics, and that every connection that was accepted
 *	  is open or was closed for a reason,
 *	- what the watchers were told: no leave twice, none untrue, none missing.
 *
 * First each worker is killed once with everybody there, then one a second
 * for a minute while all come back as fast as they can.
 *
 * usage: storm [--users N] [--workers N] [--crowds N] [--seconds N]
 *	[--rounds N] [--limit MS] [--keep] ROOSTD
 * Everything is on loopback; it ends by itself, and by alarm at the latest.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <openssl/evp.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storm.h"

#define GRACE_MS	300
#define TALLY_MS	1000	/* how often users are counted */
#define ALARM_S		900
#define WORKERS_MAX	16

struct storm {
	struct board	*b;
	struct asker	 asker;
	const char	*roostd;
	unsigned	 workers, rounds, seconds;
	uint64_t	 limit_ms;	/* from a kill to the truth */
	bool		 keep;
	bool		 moving;	/* ns_users, counted once a second,
					 * need not be true yet */
	pid_t		 daemon;
	pid_t		 child[CROWDS_MAX + 1];
	unsigned	 nchildren;
	char		 dir[64];
	uint16_t	*listed;	/* GET presence: connections */
	unsigned	 checks, failed;
};

static struct storm *the;	/* for die() */

uint64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}

static void
end_all(struct storm *s)
{
	unsigned i;

	for (i = 0; i < s->nchildren; i++)
		(void)kill(s->child[i], SIGKILL);
	if (s->daemon > 0)
		(void)kill(s->daemon, SIGKILL);
}

void
die(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("storm: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	if (the != NULL && getpid() != the->daemon)
		end_all(the);
	_exit(1);
}

static void
pause_ms(unsigned ms)
{
	const struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/* --- the daemon ----------------------------------------------------------- */

static void
write_conf(struct storm *s, const char *path)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned i, n;
	FILE *f = fopen(path, "w");

	if (f == NULL || EVP_Digest(API_KEY, sizeof API_KEY - 1, sum, &n,
	    EVP_sha256(), NULL) != 1)
		die("%s: %s", path, strerror(errno));
	(void)fprintf(f, "listen \"127.0.0.1:0\" {}\n"
	    "stats { file = \"%s/stats\" }\n"
	    "jwt { algorithms = {\"HS256\"} secret = \"" SECRET "\" }\n"
	    "shm { users = %u rooms = %u }\n"
	    "presence { leave_grace = %dms }\n"
	    "api { key \"storm\" { allow = {\"presence\"} sha256 = \"",
	    s->dir, 3 * s->b->users + 1000, 2 * s->b->users + 1000, GRACE_MS);
	for (i = 0; i < n; i++)
		(void)fprintf(f, "%02x", sum[i]);
	(void)fprintf(f, "\" } }\n"
	    "namespace \"/storm\" { auth = required presence = query }\n"
	    "namespace \"/side\" { auth = required presence = query }\n");
	if (fclose(f) == EOF)
		die("%s: %s", path, strerror(errno));
}

/* What the log says behind `word', or NULL. */
static char *
log_find(struct storm *s, const char *word)
{
	static char *text;
	char path[96];
	size_t n = 0, cap = 8 << 20;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/log", s->dir);
	if (text == NULL)
		text = malloc(cap);
	f = fopen(path, "r");
	if (f == NULL || text == NULL)
		die("%s: %s", path, strerror(errno));
	n = fread(text, 1, cap - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	return (strstr(text, word));
}

static void
daemon_start(struct storm *s)
{
	char conf[96], log[96], workers[16], *p;
	uint64_t end = now_ms() + 20000;
	int fd;

	(void)snprintf(conf, sizeof conf, "%s/conf", s->dir);
	(void)snprintf(log, sizeof log, "%s/log", s->dir);
	(void)snprintf(workers, sizeof workers, "%u", s->workers);
	write_conf(s, conf);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		die("%s: %s", log, strerror(errno));
	s->daemon = fork();
	if (s->daemon == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
		(void)execl(s->roostd, s->roostd, "-f", "-c", conf, "-w",
		    workers, (char *)NULL);
		_exit(127);
	}
	(void)close(fd);
	while (log_find(s, "ready workers=") == NULL) {
		if (now_ms() > end || waitpid(s->daemon, NULL, WNOHANG) != 0)
			die("roostd does not start:\n%s", log_find(s, ""));
		pause_ms(20);
	}
	p = log_find(s, "listening addr=127.0.0.1:");
	if (p == NULL)
		die("no port in the log");
	s->b->port = (uint16_t)strtoul(p + 25, NULL, 10);
	s->asker.port = s->b->port;
	s->asker.fd = -1;
}

/* The workers that run, by slot. */
static unsigned
daemon_workers(struct storm *s, pid_t pid[WORKERS_MAX])
{
	char path[64], title[64], *p;
	unsigned n = 0;
	long child;
	FILE *f, *g;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children",
	    (int)s->daemon, (int)s->daemon);
	f = fopen(path, "r");
	while (f != NULL && n < WORKERS_MAX && fscanf(f, "%ld", &child) == 1) {
		(void)snprintf(path, sizeof path, "/proc/%ld/cmdline", child);
		g = fopen(path, "r");
		if (g == NULL)
			continue;
		title[fread(title, 1, sizeof title - 1, g)] = '\0';
		(void)fclose(g);
		p = strstr(title, "worker");
		if (p != NULL)
			pid[n++] = (pid_t)child;
	}
	if (f != NULL)
		(void)fclose(f);
	return (n);
}

static void
daemon_stop(struct storm *s)
{
	uint64_t begun = now_ms();
	int status = 0;

	(void)kill(s->daemon, SIGTERM);
	while (waitpid(s->daemon, &status, WNOHANG) == 0) {
		if (now_ms() > begun + 15000)
			die("roostd does not end");
		pause_ms(20);
	}
	s->daemon = 0;
	s->checks++;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		s->failed++;
		printf("FAILED: roostd ended with status %x\n", status);
	}
}

/* --- the clients ---------------------------------------------------------- */

static void *
shared(size_t n, size_t size)
{
	void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return (p);
}

static void
clients_start(struct storm *s)
{
	struct board *b = s->b;
	unsigned i;
	pid_t pid;

	for (i = 0; i <= b->ncrowds; i++) {
		pid = fork();
		if (pid == -1)
			die("fork: %s", strerror(errno));
		if (pid == 0) {
			the = NULL;
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)alarm(ALARM_S);
			if (i < b->ncrowds)
				crowd_run(b, i);
			watch_run(b);
		}
		s->child[s->nchildren++] = pid;
	}
}

static void
clients_alive(struct storm *s)
{
	unsigned i;

	for (i = 0; i < s->nchildren; i++)
		if (waitpid(s->child[i], NULL, WNOHANG) != 0)
			die("a process of clients has ended");
}

static void
gate_open(struct storm *s)
{
	if (atomic_load(&s->b->gate) % 2 == 0)
		atomic_fetch_add(&s->b->gate, 1);
}

static void
gate_close(struct storm *s)
{
	if (atomic_load(&s->b->gate) % 2 == 1)
		atomic_fetch_add(&s->b->gate, 1);
}

static bool
settled(struct storm *s)
{
	uint32_t gate = atomic_load(&s->b->gate);
	unsigned i;

	for (i = 0; i < s->b->ncrowds; i++)
		if (atomic_load(&s->b->crowd[i].settled) != gate)
			return (false);
	return (atomic_load(&s->b->watching.settled) == gate);
}

/* What the clients hold. */
struct truth {
	uint64_t	 connections, sessions, storm, side, users, eio;
};

static unsigned
holds_storm(const struct board *b, unsigned u)
{
	return ((b->held[2 * u] & HOLDS_STORM) +
	    (b->held[2 * u + 1] & HOLDS_STORM));
}

static unsigned
holds_side(const struct board *b, unsigned u)
{
	return (b->held[2 * u + 1] / HOLDS_SIDE);
}

static struct truth
truth_now(const struct board *b)
{
	struct truth t = { 0 };
	unsigned u;

	for (u = 0; u < b->users; u++) {
		t.storm += holds_storm(b, u);
		t.side += holds_side(b, u);
		t.users += holds_storm(b, u) != 0;
		t.connections += (uint64_t)(b->held[2 * u] != 0) +
		    (uint64_t)(b->held[2 * u + 1] != 0);
		t.eio += b->held[2 * u + 1] != 0;
	}
	t.sessions = t.storm + t.side;
	return (t);
}

static uint64_t
total(struct storm *s, size_t field)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < s->b->ncrowds; i++)
		sum += atomic_load((_Atomic uint64_t *)(void *)
		    ((char *)&s->b->crowd[i] + field));
	return (sum);
}
#define TOTAL(s, field) total((s), offsetof(struct crowd, field))

/* --- comparisons: false, and why ------------------------------------------ */

static char why[512];

static bool
differ(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return (false);
}

/* Read all pages of a namespace into s->listed. */
static bool
list(struct storm *s, const char *ns)
{
	char path[96], *p;
	unsigned long cursor = 0, user;
	int status;

	memset(s->listed, 0, s->b->users * sizeof *s->listed);
	do {
		(void)snprintf(path, sizeof path,
		    "/api/v1/presence/%s?cursor=%lu&limit=1000", ns, cursor);
		status = asker_get(&s->asker, path);
		if (status != 200)
			return (differ("GET %s: %d %.100s", path, status,
			    status == -1 ? "" : s->asker.body));
		for (p = s->asker.body;
		    (p = strstr(p, "{\"user\":\"")) != NULL; p++) {
			if (p[9] != 'u')
				continue;	/* a watcher */
			user = strtoul(p + 10, &p, 10);
			p = strstr(p, "\"connections\":");
			if (user >= s->b->users || p == NULL ||
			    s->listed[user] != 0)
				return (differ("%s: u%05lu is listed twice, "
				    "or wrong", ns, user));
			s->listed[user] = (uint16_t)strtoul(p + 14, &p, 10);
			if (s->listed[user] == 0)
				return (differ("%s: u%05lu is listed with no "
				    "connection", ns, user));
		}
		p = strstr(s->asker.body, "],\"next\":");
		cursor = p == NULL ? 0 : strtoul(p + 9 + (p[9] == '"'), NULL,
		    10);
	} while (cursor != 0);
	return (true);
}

static bool
same_list(struct storm *s)
{
	unsigned u;

	if (!list(s, "storm"))
		return (false);
	for (u = 0; u < s->b->users; u++)
		if (s->listed[u] != holds_storm(s->b, u))
			return (differ("/storm u%05u: listed %u, holds %u", u,
			    s->listed[u], holds_storm(s->b, u)));
	if (!list(s, "side"))
		return (false);
	for (u = 0; u < s->b->users; u++)
		if (s->listed[u] != holds_side(s->b, u))
			return (differ("/side u%05u: listed %u, holds %u", u,
			    s->listed[u], holds_side(s->b, u)));
	return (true);
}

/* presence:get of the watchers. */
static bool
same_told(struct storm *s)
{
	struct board *b = s->b;
	uint64_t end = now_ms() + 500;
	unsigned u;

	atomic_store(&b->watching.answered, 0);
	for (u = 0; u < b->users; u++)
		atomic_store(&b->told[u], UINT16_MAX);
	atomic_fetch_add(&b->asked, 1);
	while (atomic_load(&b->watching.answered) < b->users) {
		if (now_ms() > end)
			return (differ("presence:get: %u users answered",
			    atomic_load(&b->watching.answered)));
		pause_ms(1);
	}
	for (u = 0; u < b->users; u++)
		if (atomic_load(&b->told[u]) != holds_storm(b, u))
			return (differ("presence:get u%05u: told %u, holds %u",
			    u, atomic_load(&b->told[u]), holds_storm(b, u)));
	return (true);
}

static bool
gauge(struct storm *s, const char *name, const char *label, uint64_t want)
{
	uint64_t is;

	if (!metric_sum(s->asker.body, name, label, &is))
		return (differ("no %s in /metrics", name));
	if (is != want)
		return (differ("%s%s%s is %llu, not %llu", name,
		    label != NULL ? " " : "", label != NULL ? label : "",
		    (unsigned long long)is, (unsigned long long)want));
	return (true);
}

static bool
same_gauges(struct storm *s, const struct truth *t)
{
	uint64_t watchers = atomic_load(&s->b->watching.up);
	uint64_t accepted, closed, open;

	if (asker_get(&s->asker, "/metrics") != 200)
		return (differ("no /metrics"));
	if (!metric_sum(s->asker.body, "roost_connections_accepted_total",
	    NULL, &accepted) || !metric_sum(s->asker.body,
	    "roost_connections_closed_total", NULL, &closed) ||
	    !metric_sum(s->asker.body, "roost_connections_open", NULL, &open))
		return (differ("no connections in /metrics"));
	if (accepted != open + closed)
		return (differ("accepted %llu, open %llu, closed %llu",
		    (unsigned long long)accepted, (unsigned long long)open,
		    (unsigned long long)closed));
	if (!s->moving && !(gauge(s, "roost_ns_users", "ns=\"/storm\"",
	    t->users + (watchers != 0)) &&
	    gauge(s, "roost_ns_users", "ns=\"/side\"", t->side)))
		return (false);
	return (gauge(s, "roost_connections_open", NULL,
	    t->connections + watchers + 1) &&	/* and who asks this */
	    gauge(s, "roost_ws_open", NULL, t->connections + watchers) &&
	    gauge(s, "roost_eio_sessions", NULL, t->eio) &&
	    gauge(s, "roost_sessions", NULL, t->sessions + watchers) &&
	    gauge(s, "roost_ns_sockets", "ns=\"/storm\"", t->storm +
	    watchers) &&
	    gauge(s, "roost_ns_sockets", "ns=\"/side\"", t->side));
}

static bool
same_belief(struct storm *s)
{
	struct board *b = s->b;
	unsigned r, u;

	for (r = 0; r < REPLICAS; r++)
		for (u = 0; u < b->users; u++)
			if (atomic_load(&b->belief[r * b->users + u]) !=
			    (holds_storm(b, u) != 0))
				return (differ("watcher %u of u%05u thinks %s",
				    r, u, b->belief[r * b->users + u] ?
				    "online" : "offline"));
	return (true);
}

/* --- a look while everything stands still --------------------------------- */

struct look {
	uint64_t	 settled, list, told, gauges, belief;	/* ms after */
	struct truth	 truth;
};

static void
fail(struct storm *s, const char *what)
{
	s->failed++;
	printf("FAILED: %s: %s\n", what, why);
	(void)fflush(stdout);
}

/* Wait until f is true, `by' at the latest; the time since `from'. */
#define WAIT(s, f, what, from, by, at) do { \
	bool ok_; \
	(s)->checks++; \
	while (!(ok_ = (f)) && now_ms() < (by)) \
		pause_ms(2); \
	(at) = now_ms() - (from); \
	if (!ok_) \
		fail((s), (what)); \
} while (0)

static bool
is_settled(struct storm *s)
{
	return (settled(s) || differ("clients under way"));
}

/* The gate is closed.  from: the kill, or now. */
static void
look(struct storm *s, uint64_t from, struct look *l)
{
	uint64_t by = from + s->limit_ms;

	memset(l, 0, sizeof *l);
	WAIT(s, is_settled(s), "settling", from, by, l->settled);
	WAIT(s, same_list(s), "GET presence", from, by, l->list);
	WAIT(s, same_told(s), "presence:get", from, by, l->told);
	l->truth = truth_now(s->b);
	WAIT(s, same_gauges(s, &l->truth), "gauges", from, by +
	    (s->moving ? 0 : TALLY_MS), l->gauges);
	WAIT(s, same_belief(s), "watchers", from, by + GRACE_MS, l->belief);
}

/* Until so many of all are there (the churn always has some away). */
static void
gather(struct storm *s, unsigned percent)
{
	uint64_t want = 2 * (uint64_t)s->b->users * percent / 100;
	uint64_t end = now_ms() + 120000;
	uint64_t up;
	unsigned i;

	gate_open(s);
	do {
		clients_alive(s);
		pause_ms(10);
		for (i = 0, up = 0; i < s->b->ncrowds; i++)
			up += atomic_load(&s->b->crowd[i].up);
		if (now_ms() > end)
			die("only %llu of %llu connections after 120 s: %s",
			    (unsigned long long)up, (unsigned long long)want,
			    s->b->crowd[0].why);
	} while (up < want);
}

static void
say(const char *what, const struct look *l)
{
	printf("%s: connections=%llu sessions=%llu users=%llu; equal after "
	    "ms: settled=%llu list=%llu get=%llu gauges=%llu watchers=%llu\n",
	    what, (unsigned long long)l->truth.connections,
	    (unsigned long long)l->truth.sessions,
	    (unsigned long long)l->truth.users,
	    (unsigned long long)l->settled, (unsigned long long)l->list,
	    (unsigned long long)l->told, (unsigned long long)l->gauges,
	    (unsigned long long)l->belief);
	(void)fflush(stdout);
}

/* --- the parts ------------------------------------------------------------ */

static void
quiet_look(struct storm *s, const char *what)
{
	struct look l;

	gate_close(s);
	look(s, now_ms(), &l);
	say(what, &l);
}

/* Kill worker k; when waitpid() of its master is over. */
static bool
kill_worker(struct storm *s, unsigned k, uint64_t *at)
{
	pid_t pid[WORKERS_MAX], victim;
	unsigned n = daemon_workers(s, pid);

	if (n == 0)
		return (false);
	victim = pid[k % n];
	*at = now_ms();
	(void)kill(victim, SIGKILL);
	gate_close(s);
	while (kill(victim, 0) == 0) {
		if (now_ms() > *at + 5000)
			die("killed worker %d is not reaped", (int)victim);
		pause_ms(1);
	}
	return (true);
}

static void
full_kills(struct storm *s)
{
	struct look l;
	char what[64];
	unsigned k;
	uint64_t at;

	for (k = 0; k < s->rounds; k++) {
		gather(s, 97);
		/* the one that lives longest is the first of the list */
		if (!kill_worker(s, 0, &at))
			die("no worker");
		look(s, at, &l);
		(void)snprintf(what, sizeof what, "full kill %u", k + 1);
		say(what, &l);
	}
}

struct series {
	uint64_t	 n, sum, max;
};

static void
series_add(struct series *x, uint64_t v)
{
	x->n++;
	x->sum += v;
	x->max = v > x->max ? v : x->max;
}

static void
series_say(const char *what, const struct series *x)
{
	printf("    %-28s mean %llu ms, worst %llu ms\n", what,
	    (unsigned long long)(x->n ? x->sum / x->n : 0),
	    (unsigned long long)x->max);
}

static void
minute(struct storm *s)
{
	struct series list = { 0 }, told = { 0 }, gauges = { 0 };
	struct series belief = { 0 };
	uint64_t begun = now_ms(), at, next, held, least = UINT64_MAX;
	uint64_t most = 0, made = TOTAL(s, made);
	struct look l;
	unsigned k, done = 0;
	char what[64];

	for (k = 0; k < s->seconds; k++) {
		next = begun + 1000 * (uint64_t)k;
		while (now_ms() < next)
			pause_ms(1);
		clients_alive(s);
		held = truth_now(s->b).sessions;
		least = held < least ? held : least;
		most = held > most ? held : most;
		if (!kill_worker(s, 0, &at))
			continue;
		done++;
		look(s, at, &l);
		(void)snprintf(what, sizeof what, "kill %u of %llu", k + 1,
		    (unsigned long long)held);
		say(what, &l);
		gate_open(s);
		series_add(&list, l.list);
		series_add(&told, l.told);
		series_add(&gauges, l.gauges);
		series_add(&belief, l.belief);
	}
	printf("minute: %u kills in %llu ms; %llu to %llu sessions at the "
	    "kill; %llu connections made\n", done,
	    (unsigned long long)(now_ms() - begun), (unsigned long long)least,
	    (unsigned long long)most,
	    (unsigned long long)(TOTAL(s, made) - made));
	series_say("the list is true after", &list);
	series_say("presence:get is true after", &told);
	series_say("gauges are true after", &gauges);
	series_say("watchers know after", &belief);
}

/* Slowest reclaim that the log tells of. */
static void
reclaims(struct storm *s)
{
	struct series x = { 0 };
	char *p = log_find(s, "reclaimed ");

	for (; p != NULL; p = strstr(p + 1, "reclaimed ")) {
		char *ms = strstr(p, " ms=");

		if (ms != NULL)
			series_add(&x, strtoull(ms + 4, NULL, 10));
	}
	s->checks++;
	if (x.n == 0 || x.max >= 1000) {
		(void)differ("%llu reclaims, worst %llu ms",
		    (unsigned long long)x.n, (unsigned long long)x.max);
		fail(s, "reclaim");
	}
	printf("    %llu reclaims:\n", (unsigned long long)x.n);
	series_say("reclaimed in", &x);
}

/* Nobody is there: nothing is left. */
static void
nobody(struct storm *s)
{
	struct look l;
	uint64_t from = now_ms(), at;

	atomic_store(&s->b->leave, true);
	gate_open(s);
	gate_close(s);
	memset(&l, 0, sizeof l);
	WAIT(s, is_settled(s), "leaving", from, from + 20000, l.settled);
	from = now_ms();
	WAIT(s, same_list(s), "nobody is listed", from, from + 2000, l.list);
	l.truth = truth_now(s->b);
	WAIT(s, same_gauges(s, &l.truth), "gauges are back", from,
	    from + 2000, at);
	l.gauges = at;
	say("all gone", &l);
}

static void
verdict_of_watchers(struct storm *s)
{
	struct watching *w = &s->b->watching;

	s->checks++;
	printf("watchers: leaves=%llu joins=%llu twice=%llu untrue=%llu\n",
	    (unsigned long long)w->leaves, (unsigned long long)w->joins,
	    (unsigned long long)w->twice, (unsigned long long)w->untrue);
	if (w->twice + w->untrue + w->refused != 0) {
		(void)differ("refused=%llu %.200s",
		    (unsigned long long)w->refused, w->why);
		fail(s, "watchers");
	}
	s->checks++;
	printf("clients: made=%llu churned=%llu cut=%llu refused=%llu\n",
	    (unsigned long long)TOTAL(s, made),
	    (unsigned long long)TOTAL(s, churned),
	    (unsigned long long)TOTAL(s, cut),
	    (unsigned long long)TOTAL(s, refused));
	if (TOTAL(s, refused) != 0) {
		(void)differ("%.200s", s->b->crowd[0].why);
		fail(s, "clients were refused");
	}
}

static void
run(struct storm *s)
{
	uint64_t begun = now_ms();
	struct look l;

	daemon_start(s);
	clients_start(s);
	gather(s, 100);
	printf("filled in %llu ms\n", (unsigned long long)(now_ms() - begun));
	quiet_look(s, "full");
	atomic_store(&s->b->jitter_ms, 500);
	atomic_store(&s->b->churn, s->b->users / 100);
	gate_open(s);
	pause_ms(5000);
	quiet_look(s, "after churn");
	full_kills(s);
	gather(s, 97);
	s->moving = true;
	minute(s);
	s->moving = false;
	atomic_store(&s->b->churn, 0);
	gather(s, 100);
	gate_close(s);
	look(s, now_ms(), &l);
	say("all back", &l);
	nobody(s);
	verdict_of_watchers(s);
	daemon_stop(s);
	reclaims(s);
}

/* --- start ---------------------------------------------------------------- */

static unsigned
number(const char *text, unsigned least, unsigned most)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end != '\0' || v < least || v > most)
		errx(64, "%s: not a number from %u to %u", text, least, most);
	return ((unsigned)v);
}

static void
options(struct storm *s, int argc, char **argv)
{
	static const struct option known[] = {
		{ "users", required_argument, NULL, 'u' },
		{ "workers", required_argument, NULL, 'w' },
		{ "crowds", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "limit", required_argument, NULL, 'l' },
		{ "keep", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'u': s->b->users = number(optarg, 1, 99999); break;
		case 'w': s->workers = number(optarg, 2, WORKERS_MAX); break;
		case 'c': s->b->ncrowds = number(optarg, 1, CROWDS_MAX); break;
		case 's': s->seconds = number(optarg, 0, 3600); break;
		case 'r': s->rounds = number(optarg, 0, 100); break;
		case 'l': s->limit_ms = number(optarg, 1, 60000); break;
		case 'k': s->keep = true; break;
		default: exit(64);
		}
	}
	if (optind + 1 != argc)
		errx(64, "usage: storm [options] ROOSTD");
	s->roostd = argv[optind];
}

static void
clean_up(struct storm *s)
{
	static const char *const files[] = { "conf", "log", "stats" };
	char path[96];
	unsigned i;

	end_all(s);
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (s->keep || s->failed != 0) {
		printf("kept: %s\n", s->dir);
		return;
	}
	for (i = 0; i < sizeof files / sizeof files[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", s->dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(s->dir);
}

int
main(int argc, char **argv)
{
	static struct storm s = { .workers = 4, .rounds = 8, .seconds = 60,
		.limit_ms = 1000 };
	struct rlimit files;

	s.b = shared(1, sizeof *s.b);
	s.b->users = 20000;
	s.b->ncrowds = 4;
	s.b->grace_ms = GRACE_MS;
	options(&s, argc, argv);
	s.b->nblocks = (s.b->users + BLOCK - 1) / BLOCK;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	s.b->held = shared(2 * s.b->users, sizeof *s.b->held);
	s.b->up_ms = shared(2 * s.b->users, sizeof *s.b->up_ms);
	s.b->told = shared(s.b->users, sizeof *s.b->told);
	s.b->belief = shared(REPLICAS * s.b->users, sizeof *s.b->belief);
	s.listed = calloc(s.b->users, sizeof *s.listed);
	(void)snprintf(s.dir, sizeof s.dir, "%s/storm.XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	if (s.listed == NULL || mkdtemp(s.dir) == NULL)
		err(1, "%s", s.dir);
	the = &s;
	(void)alarm(ALARM_S);
	run(&s);
	clean_up(&s);
	printf("storm: %u checks, %u failed\n", s.checks, s.failed);
	return (s.failed == 0 ? 0 : 1);
}
