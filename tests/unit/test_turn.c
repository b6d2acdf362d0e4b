/*
 * A whole daemon, of master, relay and workers (that do nothing), that is told
 * to reload and to resize, while calls of the host fail: it does, or nothing
 * has changed, and the next time it does.
 */
#include "master/master.h"

#include <sys/wait.h>

#include <bsd/unistd.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "master/read/edition.h"
#include "shm/slots.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/refuse.h"

#define PATIENCE_MS	20000

static char dir[64], path[80];
static struct edition_source source = { .file = path };
static struct master_params mp;
static pid_t daemon_pid;
static int daemon_out;
static char said[1 << 20];
static size_t nsaid;

/* A worker that has no clients, and nothing to give; the third child fails when
 * it is to write to another log. */
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
		if (r == -2 || (r == 1 && (m.type == CONTROL_STOP ||
		    m.type == CONTROL_HEIR)))
			return (EX_OK);
		if (r == 1 && m.type == CONTROL_LOG && h->generation == 3)
			return (EX_SOFTWARE);
		if (r == 1 && m.fd != -1)
			(void)close(m.fd);
		if (r == 0)
			(void)poll(&p, 1, 1000);
	}
}

/* Those of the first generation start; no others do. */
static int
first_only(const struct heritage *h)
{
	return (h->generation > 3 ? EX_TEMPFAIL : idle(h));
}

/* ... or never say that they have. */
static int
silent(const struct heritage *h)
{
	while (h->generation > 3)
		(void)pause();
	return (idle(h));
}

/* The others are ready by then. */
static int
late(const struct heritage *h)
{
	(void)poll(NULL, 0, 500);
	return (idle(h));
}

static const struct role role_idle = { "worker", SLOT_WORKER, idle };
static const struct role role_first = { "worker", SLOT_WORKER, first_only };
static const struct role role_silent = { "worker", SLOT_WORKER, silent };
static const struct role role_quiet = { "relay", SLOT_RELAY, idle };
static const struct role role_late = { "relay", SLOT_RELAY, late };

static void
configure(const char *more)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	(void)fprintf(f, "workers = 2\nstop_time = 2s\ndrain_time = 1s\n"
	    "worker_timeout = 10m\n"	/* their hearts do not beat */
	    "listen \"unix:%s/sock\" {}\nlisten \"*:0\" {}\n"
	    "shm { users = 64 rooms = 64 rates = 64 publish_ids = 64 }\n"
	    "namespace \"/\" { auth = none }\n%s", dir, more);
	assert_int_equal(fclose(f), 0);
}

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-turn-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	(void)snprintf(path, sizeof path, "%s/conf", dir);
	configure("");
	mp = (struct master_params){ .source = &source, .relay = &role_quiet,
		.worker = &role_idle, .version = "1", .file = path,
		.foreground = true };
	refuse(NULL, 0, 0, 0);
	return (0);
}

static int
tear_down(void **state)
{
	char name[128];

	(void)state;
	if (daemon_pid > 0) {	/* of a test that failed */
		(void)kill(daemon_pid, SIGKILL);
		(void)waitpid(daemon_pid, NULL, 0);
		(void)close(daemon_out);
		daemon_pid = 0;
	}
	(void)unlink(path);
	(void)snprintf(name, sizeof name, "%s/sock", dir);
	(void)unlink(name);
	return (rmdir(dir));
}

/* --- the daemon ------------------------------------------------------------*/

static void daemon_run(int out) NORETURN;
static void
daemon_run(int out)
{
	struct conf_errors errors;

	if (dup2(out, STDERR_FILENO) == -1)
		_exit(99);
	(void)signal(SIGSEGV, SIG_DFL);		/* the test's */
	(void)close(out);
	log_open(LOG_TARGET_STDERR);
	log_init("master", -1, LOG_LEVEL_INFO);
	conf_errors_init(&errors);
	mp.edition = edition_read(&source, NULL, EDITION_FILES, &errors);
	if (mp.edition == NULL)
		_exit(98);
	conf_errors_fini(&errors);
	/* whoever arms another process means this one */
	refuse("nothing", REFUSE_ALWAYS, 1, ENOSYS);
	exit(master_run(&mp));
}

/* What is said from here on, up to the words; where they end. */
static size_t
await(size_t from, const char *words)
{
	struct pollfd p = { .fd = daemon_out, .events = POLLIN };
	ssize_t n;

	while (strstr(said + from, words) == NULL) {
		if (nsaid > sizeof said - 4096 || poll(&p, 1,
		    PATIENCE_MS) != 1)
			fail_msg("%s: no \"%s\": %s", refuse_last(), words,
			    said + from);
		n = read(daemon_out, said + nsaid, 4096);
		if (n <= 0)
			fail_msg("%s: it ended: %s", refuse_last(),
			    said + from);
		nsaid += (size_t)n;
		said[nsaid] = '\0';
	}
	return ((size_t)(strstr(said + from, words) - said) + strlen(words));
}

static void
start(const char *words)
{
	int fds[2];

	nsaid = 0;
	said[0] = '\0';
	assert_int_equal(pipe(fds), 0);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		(void)close(fds[0]);
		daemon_run(fds[1]);
	}
	assert_true(daemon_pid > 0);
	(void)close(fds[1]);
	daemon_out = fds[0];
	(void)await(0, words);
}

static void
stop(void)
{
	int status;

	assert_int_equal(kill(daemon_pid, SIGTERM), 0);
	(void)await(0, "ended exit=0");
	(void)close(daemon_out);
	assert_int_equal(waitpid(daemon_pid, &status, 0), daemon_pid);
	daemon_pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK)
		fail_msg("status %#x: %s", (unsigned)status, said);
}

/* Another process than this, which reads on. */
static void
arm(const char *name, unsigned nth, int error)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		refuse(name, nth, 1, error);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static unsigned
descriptors(void)
{
	char name[64];
	unsigned n = 0;
	DIR *d;

	(void)snprintf(name, sizeof name, "/proc/%d/fd", (int)daemon_pid);
	d = opendir(name);
	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return (n);
}

/* Told by this signal, it does. */
static void
turn(int sig, const char *words)
{
	size_t from = nsaid;

	assert_int_equal(kill(daemon_pid, sig), 0);
	(void)await(await(from, words), " turned ");
}

/* It says that it does, or that nothing has changed. */
static void
turn_somehow(int sig)
{
	size_t from = nsaid;
	char *at;

	assert_int_equal(kill(daemon_pid, sig), 0);
	if (sig == SIGHUP) {
		(void)await(from, " reload");
		at = said + from;
		while (strstr(at, " reloaded ") == NULL &&
		    strstr(at, " reload_failed ") == NULL)
			(void)await(nsaid, "\n");
	}
	if (strstr(said + from, " reload_failed ") == NULL ||
	    strstr(said + from, " turned_back ") != NULL)
		(void)await(from, sig == SIGHUP ? " turned " : "resiz");
}

/* --- tests ----------------------------------------------------------------*/

static void
each_fails(const char *name, int error)
{
	unsigned n, before;

	start("ready workers=2");
	configure("# first\n");
	turn(SIGHUP, " reloaded ");
	before = descriptors();
	for (n = 1; n < 1000; n++) {
		configure(n % 2 == 0 ? "# even\n" : "# odd\n");
		arm(name, n, error);
		turn_somehow(SIGHUP);
		if (refuse_end() == 0)
			break;
		/* the next one does */
		turn(SIGHUP, " reloaded ");
		if (descriptors() != before)
			fail_msg("%s %u: %u descriptors became %u: %s",
			    refuse_last(), n, before, descriptors(), said);
	}
	assert_in_range(n, 2, 999);
	stop();
}

static void
a_reload_takes_effect_or_changes_nothing(void **state)
{
	static const char *const names[] = { "fork", "socketpair", "epoll_ctl",
		"memfd_create" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(names); i++)
		each_fails(names[i], EMFILE);
}

/* What it says first of these, from here on. */
static bool
says_first(size_t from, const char *words, const char *others)
{
	struct pollfd p = { .fd = daemon_out, .events = POLLIN };
	ssize_t n;

	while (strstr(said + from, words) == NULL &&
	    strstr(said + from, others) == NULL) {
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		n = read(daemon_out, said + nsaid, 4096);
		assert_true(n > 0);
		nsaid += (size_t)n;
		said[nsaid] = '\0';
	}
	return (strstr(said + from, words) != NULL);
}

/* The first that is asked for: for the text, and for what is made of it.  It may
 * be somebody else's, who does without: then the reload is as any other. */
static void
memory_may_be_short(void **state)
{
	unsigned n, tries;
	size_t from;

	(void)state;
	start("ready workers=2");
	for (n = 1; n <= 3; n++) {
		for (tries = 0; tries < 20; tries++) {
			from = nsaid;
			arm(n < 3 ? "memory" : "mmap", n < 3 ? n : 1, ENOMEM);
			assert_int_equal(kill(daemon_pid, SIGHUP), 0);
			if (says_first(from, " reload_failed ", " turned "))
				break;
			(void)refuse_end();
		}
		assert_true(tries < 20);
		from = await(from, " config_bad what=");
		(void)await(from, "Cannot allocate memory");
		assert_int_equal(refuse_end(), 1);
	}
	turn(SIGHUP, " reloaded ");
	stop();
}

static void
new_addresses_may_fail(void **state)
{
	static const char *const names[] = { "socket", "bind", "listen",
		"setsockopt" };
	size_t i, from;
	unsigned before;
	char more[128];

	(void)state;
	(void)snprintf(more, sizeof more,
	    "listen \"unix:%s/more\" {}\nlisten \"localhost:0\" {}\n", dir);
	start("ready workers=2");
	configure("# first\n");
	turn(SIGHUP, " reloaded ");
	before = descriptors();
	for (i = 0; i < nitems(names); i++) {
		configure(more);
		arm(names[i], 2, ENOBUFS);
		from = nsaid;
		assert_int_equal(kill(daemon_pid, SIGHUP), 0);
		(void)await(from, " not_listening ");
		(void)await(from, " reload_failed ");
		assert_int_equal(refuse_end(), 1);
		assert_int_equal(descriptors(), before);
	}
	turn(SIGHUP, " reloaded ");
	configure("");
	turn(SIGHUP, " listening_no_more ");
	assert_int_equal(descriptors(), before);
	stop();
}

static void
workers_that_end_are_turned_back(void **state)
{
	(void)state;
	mp.worker = &role_first;
	start("ready workers=2");
	turn(SIGHUP, " turned_back ");
	assert_non_null(strstr(said, " reload_failed "));
	assert_null(strstr(said, " reloaded "));
	turn(SIGTTIN, " turned_back ");
	assert_null(strstr(said, " resized "));
	turn(SIGTTOU, " resized workers=1 before=2");
	stop();
}

static void
workers_that_say_nothing_are_turned_back(void **state)
{
	(void)state;
	mp.worker = &role_silent;
	start("ready workers=2");
	turn(SIGHUP, " turned_back why=\"not ready in time\"");
	stop();
}

/* It has no delay yet. */
static void
a_worker_whose_next_is_not_ready_is_led_past(void **state)
{
	size_t from;

	(void)state;
	mp.worker = &role_silent;
	start("ready workers=2");
	assert_null(strstr(said, " newcomers_led "));
	assert_int_equal(kill(daemon_pid, SIGUSR1), 0);
	from = await(0, " child_died role=worker");
	from = await(from, " newcomers_led workers=1 of=2 gone=1 stuck=0");
	/* those who come by a reload are not ready either: it stays so */
	turn(SIGHUP, " turned_back ");
	assert_null(strstr(said + from, " newcomers_led "));
	stop();
}

static void
a_worker_whose_next_cannot_be_started_is_led_past(void **state)
{
	size_t from;

	(void)state;
	start("ready workers=2");
	refuse("fork", 1, 4, EAGAIN);
	assert_int_equal(kill(daemon_pid, SIGUSR1), 0);
	from = await(0, " child_not_started role=worker");
	from = await(from, " newcomers_led workers=1 of=2 gone=1 stuck=0");
	from = await(from, " newcomers_led workers=2 of=2\n");
	assert_int_equal(refuse_end(), 4);
	stop();
}

/* The kernel does not take it at once. */
static void
newcomers_are_led_when_it_is_possible(void **state)
{
	size_t from;

	(void)state;
	mp.worker = &role_silent;
	start("ready workers=2");
	refuse("setsockopt", 1, REFUSE_ALWAYS, ENOMEM);
	assert_int_equal(kill(daemon_pid, SIGUSR1), 0);
	from = await(0, " newcomers_not_led");
	assert_null(strstr(said, " newcomers_led "));
	assert_in_range(refuse_end(), 1, REFUSE_ALWAYS);
	from = await(from, " newcomers_led workers=1 of=2");
	assert_null(strstr(strstr(said, " newcomers_not_led") + 1,
	    " newcomers_not_led"));
	stop();
}

static void
told_while_it_starts(void **state)
{
	(void)state;
	mp.relay = &role_late;
	start(" listening ");
	assert_int_equal(kill(daemon_pid, SIGHUP), 0);
	assert_int_equal(kill(daemon_pid, SIGTTIN), 0);
	(void)await(0, " ready workers=2");
	(void)await(0, " reloaded ");
	(void)await(0, " resized workers=3 before=2");
	stop();
}

static void
told_often(void **state)
{
	unsigned i, before, n = 0;
	const char *at;

	(void)state;
	start("ready workers=2");
	turn(SIGHUP, " reloaded ");
	before = descriptors();
	for (i = 0; i < 50; i++) {
		assert_int_equal(kill(daemon_pid, SIGHUP), 0);
		(void)poll(NULL, 0, 20);
	}
	turn(SIGTTIN, " resized workers=3");
	turn(SIGTTOU, " resized workers=2");
	for (at = said; (at = strstr(at, " reloaded ")) != NULL; at++)
		n++;
	assert_in_range(n, 3, 51);
	assert_int_equal(descriptors(), before);
	stop();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_worker_whose_next_is_not_ready_is_led_past),
		T(a_worker_whose_next_cannot_be_started_is_led_past),
		T(newcomers_are_led_when_it_is_possible),
		T(told_while_it_starts),
		T(told_often),
		T(workers_that_end_are_turned_back),
		T(workers_that_say_nothing_are_turned_back),
		T(a_reload_takes_effect_or_changes_nothing),
		T(new_addresses_may_fail),
		T(memory_may_be_short),
	};

	setproctitle_init(argc, argv, environ);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
