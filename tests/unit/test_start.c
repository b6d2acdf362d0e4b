/*
 * A whole start, of master, relay and workers (that do nothing), in which one
 * call of the host fails: each in turn.  However it goes, the daemon serves,
 * or ends soon with a code that says so; then nothing of it is left.
 */
#include "master/master.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bsd/unistd.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "master/read/edition.h"
#include "master/read/load.h"
#include "shm/slots.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/refuse.h"

#define CALLS_MAX	2000
#define PATIENCE_MS	60000

static char dir[64];
static struct conf *conf;
static struct edition edition;
static struct {
	const char	*name;
	unsigned	 nth;
	int		 error;
} want;			/* of refuse() */
static struct master_params mp;

/* A worker that has no clients. */
static int
idle(const struct heritage *h)
{
	struct pollfd p = { .fd = h->control_fd, .events = POLLIN };
	struct ipc_msg m;
	int r;

	ipc_init(&m, CONTROL_READY);
	if (ipc_send(h->control_fd, &m) != 1)
		return (EX_OSERR);
	for (;;) {
		r = ipc_recv(h->control_fd, &m);
		if (r == -2 || (r == 1 && m.type == CONTROL_STOP))
			return (EX_OK);
		if (r == 1 && m.fd != -1)
			(void)close(m.fd);
		if (r == 0)
			(void)poll(&p, 1, 1000);
	}
}

/* The first of them is killed as soon as it is ready. */
static int
killed(const struct heritage *h)
{
	struct ipc_msg m;

	ipc_init(&m, CONTROL_READY);
	if (h->generation == 2 && ipc_send(h->control_fd, &m) == 1)
		(void)raise(SIGKILL);
	return (idle(h));
}

/* The others are ready by then. */
static int
late(const struct heritage *h)
{
	(void)poll(NULL, 0, 300);
	return (idle(h));
}

static int
unwilling(const struct heritage *h)
{
	(void)h;
	return (EX_TEMPFAIL);
}

static const struct role role_killed = { "worker", SLOT_WORKER, killed };
static const struct role role_unwilling = { "worker", SLOT_WORKER, unwilling };
static const struct role role_late = { "relay", SLOT_RELAY, late };
static const struct role role_idle = { "worker", SLOT_WORKER, idle };

static int
set_up(void **state)
{
	struct conf_errors errors;
	char text[512];

	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-start-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	(void)snprintf(text, sizeof text, "pidfile = \"%s/pid\"\nworkers = 2\n"
	    "stats { file = \"%s/stats\" }\nlisten \"unix:%s/sock\" {}\n"
	    "listen \"*:0\" {}\nstop_time = 2s\n"
	    "shm { users = 64 rooms = 64 rates = 64 publish_ids = 64 }\n"
	    "namespace \"/\" { auth = none }\n", dir, dir, dir);
	conf = conf_text(text);
	conf_errors_init(&errors);
	edition = (struct edition){ .magic = EDITION_MAGIC, .conf = conf,
		.load = load_all(conf, "t", &errors) };
	buf_init(&edition.text);
	assert_non_null(edition.load);
	conf_errors_fini(&errors);
	mp = (struct master_params){ .relay = &role_relay, .worker = &role_idle, .version = "1",
		.file = "t", .foreground = true };
	want.nth = 0;
	refuse(NULL, 0, 0, 0);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(conf->stats_file);
	(void)unlink(conf->listens[0].text + strlen("unix:"));
	load_free(&edition.load);
	conf_free(&conf);
	return (rmdir(dir));
}

static void daemon_run(int out) NORETURN;
static void
daemon_run(int out)
{
	if (dup2(out, STDERR_FILENO) == -1)
		_exit(99);
	(void)signal(SIGSEGV, SIG_DFL);		/* the test's */
	(void)close(out);
	log_open(LOG_TARGET_STDERR);
	log_init("master", -1, LOG_LEVEL_INFO);
	/* it frees this one */
	mp.edition = malloc(sizeof edition);
	assert_non_null(mp.edition);
	*mp.edition = edition;
	refuse(want.name, want.nth, 1, want.error);
	exit(master_run(&mp));
}

/* What is said up to the words, or to the end; false: neither came in time. */
static bool
listen_for(int in, const char *words, char *said, size_t cap)
{
	struct pollfd p = { .fd = in, .events = POLLIN };
	size_t n = strlen(said);
	ssize_t r;

	while (words == NULL || strstr(said, words) == NULL) {
		if (poll(&p, 1, PATIENCE_MS) != 1)
			return (false);
		r = read(in, said + n, cap - 1 - n);
		if (r <= 0)
			return (true);
		n += (size_t)r;
		said[n] = '\0';
	}
	return (true);
}

/* The statistics stay: rooststat shows how it ended.  A socket that can't be
 * looked at, or not be removed, stays too. */
static unsigned
files_left(void)
{
	struct dirent *e;
	unsigned n = 0;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "stats") == 0)
			continue;
		if ((strcmp(e->d_name, "sock") == 0 ||
		    strcmp(e->d_name, "pid") == 0) &&
		    (strcmp(refuse_last(), "lstat") == 0 ||
		    strcmp(refuse_last(), "unlink") == 0))
			continue;
		fprintf(stderr, "left: %s\n", e->d_name);
		n++;
	}
	(void)closedir(d);
	return (n);
}

/* Start, stop as soon as it serves; its code. */
static int
start_and_stop(char *said, size_t cap)
{
	int fds[2], status;
	bool ended;
	pid_t pid;

	said[0] = '\0';
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		daemon_run(fds[1]);
	}
	assert_true(pid > 0);
	(void)close(fds[1]);
	ended = listen_for(fds[0], "ready workers=2 relay=1", said, cap);
	if (!ended)
		(void)kill(pid, SIGKILL);
	else
		(void)kill(pid, SIGTERM);
	/* the pipe ends with the last of its processes */
	ended = ended && listen_for(fds[0], NULL, said, cap);
	if (!ended)
		(void)kill(pid, SIGKILL);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!ended)
		fail_msg("%s: it neither serves nor ends: %s", refuse_last(),
		    said);
	if (!WIFEXITED(status))
		fail_msg("status %#x: %s", (unsigned)status, said);
	return (WEXITSTATUS(status));
}

/* Into the background, and out of it as soon as it serves; the code that its
 * starter was given. */
static int
start_in_background(char *said, size_t cap)
{
	int fds[2], life[2], status, last;
	pid_t pid, master = 0;
	bool ended;
	FILE *f;

	said[0] = '\0';
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(life), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		(void)close(life[0]);	/* the other end ends with it */
		daemon_run(fds[1]);
	}
	assert_true(pid > 0);
	(void)close(fds[1]);
	(void)close(life[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	/* nobody has waited for it, so the number is still its own */
	f = fopen(conf->pidfile, "r");
	if (f != NULL) {
		if (fscanf(f, "%d", &master) == 1 && master > 1)
			(void)kill(master, SIGTERM);
		(void)fclose(f);
	}
	ended = listen_for(life[0], NULL, said, cap);
	if (!ended && master > 1)
		(void)kill(master, SIGKILL);
	(void)listen_for(fds[0], NULL, said, cap);
	(void)close(fds[0]);
	(void)close(life[0]);
	while (waitpid(-1, &last, 0) > 0)
		if (!WIFEXITED(last))
			fail_msg("%s: status %#x: %s", refuse_last(),
			    (unsigned)last, said);
	if (!ended)
		fail_msg("%s: it does not end: %s", refuse_last(), said);
	return (WEXITSTATUS(status));
}

static void
each_fails(const char *name, int error)
{
	static char said[65536];
	unsigned n;
	int code;

	for (n = 1; n < CALLS_MAX; n++) {
		want.name = name;
		want.nth = n;
		want.error = error;
		refuse(NULL, 0, 0, 0);
		code = mp.foreground ? start_and_stop(said, sizeof said) :
		    start_in_background(said, sizeof said);
		if (refuse_end() == 0) {
			assert_int_equal(code, EX_OK);
			break;
		}
		if (code != EX_OK && (code < EX__BASE || code > EX__MAX))
			fail_msg("%s %u: code %d: %s", refuse_last(), n, code,
			    said);
		/* whoever gives up says why */
		if (code != EX_OK && strstr(said, " error: ") == NULL)
			fail_msg("%s %u: no word: %s", refuse_last(), n, said);
		if (files_left() != 0)
			fail_msg("%s %u: code %d: %s", refuse_last(), n, code,
			    said);
	}
	assert_in_range(n, 2, CALLS_MAX - 1);
}

static void
any_call_may_fail(void **state)
{
	(void)state;
	each_fails(NULL, EMFILE);
}

static void
memory_may_fail(void **state)
{
	(void)state;
	each_fails("memory", ENOMEM);
}

/* Those that are made otherwise there. */
static void
calls_may_fail_in_the_background(void **state)
{
	static const char *const names[] = { "fork", "pipe2", "dup2", "open",
		"epoll_ctl" };
	size_t i;

	(void)state;
	/* whom its starter leaves behind comes to us */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	mp.foreground = false;
	for (i = 0; i < nitems(names); i++)
		each_fails(names[i], ENFILE);
}

/* Memory is short, perhaps; but that worker had started. */
static void
who_was_ready_has_not_failed_to_start(void **state)
{
	static char said[65536];

	(void)state;
	mp.worker = &role_killed;
	mp.relay = &role_late;
	assert_int_equal(start_and_stop(said, sizeof said), EX_OK);
	assert_non_null(strstr(said, "child_died role=worker"));
	assert_non_null(strstr(said, "ready workers=2 relay=1"));
}

static void
who_does_not_get_ready_ends_the_start(void **state)
{
	static char said[65536];

	(void)state;
	mp.worker = &role_unwilling;
	assert_int_equal(start_and_stop(said, sizeof said), EX_TEMPFAIL);
	assert_non_null(strstr(said, "start_failed exit=75"));
	assert_null(strstr(said, "ready workers"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(who_was_ready_has_not_failed_to_start),
		T(who_does_not_get_ready_ends_the_start),
		T(any_call_may_fail),
		T(calls_may_fail_in_the_background),
		T(memory_may_fail),
	};

	setproctitle_init(argc, argv, environ);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
