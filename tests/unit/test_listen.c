/*
 * Listening sockets where the host refuses: nothing is left open or behind, a
 * section does with one kind of address where the other lacks, and what stands
 * in a socket file's place is looked at before it is removed.
 */
#include "master/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sysexits.h>
#include <unistd.h>

#include "master/upgrade/record.h"
#include "sys/log.h"
#include "sys/plat.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/refuse.h"

#define WORKERS	3

static char dir[64], path[96], why[512];
static struct conf *conf;
static struct listen_set *set;

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-listen-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	(void)snprintf(path, sizeof path, "%s/s", dir);
	log_init("master", -1, LOG_LEVEL_ERROR);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)refuse_end();
	listen_close(&set);
	if (conf != NULL)
		conf_free(&conf);
	(void)unlink(path);
	return (rmdir(dir));
}

static void
configure(const char *listens)
{
	char text[512];

	if (conf != NULL)
		conf_free(&conf);
	(void)snprintf(text, sizeof text,
	    "%s\nnamespace \"/\" { auth = none }\n", listens);
	conf = conf_text(text);
}

static void
configure_unix(void)
{
	char text[256];

	(void)snprintf(text, sizeof text,
	    "listen \"unix:%s\" { mode = 0660 }", path);
	configure(text);
}

static int
open_all(void)
{
	listen_close(&set);
	why[0] = '\0';
	return (listen_open(conf, WORKERS, NULL, &set, why, sizeof why));
}

static unsigned
entries(const char *of)
{
	unsigned n = 0;
	DIR *d = opendir(of);

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return (n);
}

static sa_family_t
family(int fd, in_port_t *port)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	*port = ss.ss_family == AF_INET6 ?
	    ((const struct sockaddr_in6 *)&ss)->sin6_port :
	    ((const struct sockaddr_in *)&ss)->sin_port;
	return (ss.ss_family);
}

/* Each call in turn fails: all is open, or nothing. */
static void
each_call_fails(int error, int want)
{
	struct heritage_listener l[ROLE_SOCKETS_MAX];
	unsigned before, n, failed = 0;
	int code;

	listen_close(&set);
	before = entries("/proc/self/fd");
	for (n = 1; n < 1000; n++) {
		refuse(NULL, n, 1, error);
		code = open_all();
		if (refuse_end() == 0)
			break;
		if (code == EX_OK) {
			assert_in_range(listen_column(set, 0, l), 1, 4);
			listen_close(&set);
		} else {
			assert_int_equal(code, want);
			assert_non_null(strstr(why, "listen '"));
			assert_non_null(strstr(why, strerror(error)));
			failed++;
		}
		assert_int_equal(entries("/proc/self/fd"), before);
		if (strcmp(refuse_last(), "lstat") == 0)
			(void)unlink(path);	/* may be another's */
		assert_int_equal(entries(dir), 2);
	}
	assert_int_equal(code, EX_OK);
	assert_in_range(failed, 3, 999);
}

static void
nothing_is_left_where_a_call_fails(void **state)
{
	(void)state;
	configure("listen \"*:0\" {}\nlisten \"127.0.0.1:0\" {}");
	each_call_fails(EMFILE, EX_OSERR);
	each_call_fails(EACCES, EX_NOPERM);
	configure_unix();
	each_call_fails(ENFILE, EX_OSERR);
	each_call_fails(EPERM, EX_NOPERM);
}

static void
no_memory(void **state)
{
	unsigned n;

	(void)state;
	configure("listen \"127.0.0.1:0\" {}");
	for (n = 1; n <= 2; n++) {
		refuse("memory", n, 1, ENOMEM);
		assert_int_equal(open_all(), EX_OSERR);
		assert_int_equal(refuse_end(), 1);
		assert_non_null(strstr(why, strerror(ENOMEM)));
		assert_null(set);
	}
}

static void
workers_have_sockets_of_their_own_at_one_port(void **state)
{
	struct heritage_listener a[ROLE_SOCKETS_MAX], b[ROLE_SOCKETS_MAX];
	in_port_t port[4];

	(void)state;
	configure("listen \"*:0\" {}");
	assert_int_equal(open_all(), EX_OK);
	assert_int_equal(listen_column(set, 0, a), 2);
	assert_int_equal(listen_column(set, WORKERS - 1, b), 2);
	assert_true(a[0].fd != b[0].fd && a[1].fd != b[1].fd);
	assert_true(family(a[0].fd, &port[0]) == family(b[0].fd, &port[1]));
	assert_true(family(a[1].fd, &port[2]) == family(b[1].fd, &port[3]));
	assert_true(port[0] != 0);
	assert_true(port[0] == port[1] && port[1] == port[2] &&
	    port[2] == port[3]);
	assert_int_equal(a[0].index, 0);
	assert_int_equal(a[1].index, 0);
}

/* --- another set of them --------------------------------------------------- */

#define COMERS	90

/* So many connect; how many each of the workers has got. */
static void
come(const struct listen_set *s, unsigned workers, unsigned got[WORKERS])
{
	struct sockaddr_storage at;
	struct heritage_listener l[ROLE_SOCKETS_MAX];
	socklen_t n = sizeof at;
	int comer[COMERS], fd;
	unsigned i, all = 0;

	assert_int_equal(listen_column(s, 0, l), 1);
	assert_int_equal(getsockname(l[0].fd, (struct sockaddr *)&at, &n), 0);
	for (i = 0; i < COMERS; i++) {
		comer[i] = socket(at.ss_family, SOCK_STREAM, 0);
		assert_int_equal(connect(comer[i], (struct sockaddr *)&at, n),
		    0);
		/* none is accepted without a byte */
		assert_int_equal(send(comer[i], "x", 1, 0), 1);
	}
	memset(got, 0, WORKERS * sizeof *got);
	while (all < COMERS)
		for (i = 0; i < workers; i++) {
			(void)listen_column(s, i, l);
			fd = accept(l[0].fd, NULL, NULL);
			if (fd == -1)
				continue;
			(void)close(fd);
			got[i]++;
			all++;
		}
	for (i = 0; i < COMERS; i++)
		(void)close(comer[i]);
}

static int
own(int fd, void *arg)
{
	(void)arg;
	return (fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static struct listen_set *
follow(unsigned workers)
{
	struct listen_set *next = NULL;

	assert_int_equal(listen_follow(conf, workers, NULL, set, &next, why,
	    sizeof why), EX_OK);
	return (next);
}

static void
another_worker_is_connected_to_when_it_is_there(void **state)
{
	struct listen_set *two;
	unsigned got[WORKERS], before;

	(void)state;
	configure("listen \"127.0.0.1:0\" {}");
	assert_int_equal(listen_open(conf, 2, NULL, &set, why, sizeof why),
	    EX_OK);
	before = entries("/proc/self/fd");
	two = set;
	set = follow(3);
	come(set, 3, got);
	assert_int_equal(got[2], 0);
	assert_true(got[0] > 0 && got[1] > 0);
	/* it does not come after all, and nobody notices */
	listen_close(&set);
	listen_narrow(two);
	assert_int_equal(entries("/proc/self/fd"), before);
	come(two, 2, got);
	/* it does */
	set = two;
	two = follow(3);
	listen_close(&set);
	set = two;
	listen_steer(set);
	come(set, 3, got);
	assert_true(got[0] > 0 && got[1] > 0 && got[2] > 0);
	/* and goes: it is not connected to, and then has no socket */
	two = follow(2);
	listen_close(&set);
	set = two;
	listen_steer(set);
	come(set, 2, got);
	assert_true(listen_idle(set));
	listen_narrow(set);
	assert_int_equal(entries("/proc/self/fd"), before);
	come(set, 2, got);
	assert_true(got[0] > 0 && got[1] > 0);
}

/* --- workers who are not there --------------------------------------------- */

#define W(i)	(UINT64_C(1) << (i))

static void
open_two(void)
{
	configure("listen \"127.0.0.1:0\" {}");
	assert_int_equal(listen_open(conf, 2, NULL, &set, why, sizeof why),
	    EX_OK);
}

static void
newcomers_are_led_to_those_who_are_there(void **state)
{
	unsigned got[WORKERS];
	uint64_t gone;
	unsigned i;

	(void)state;
	configure("listen \"127.0.0.1:0\" {}");
	assert_int_equal(open_all(), EX_OK);
	/* 7, 15: none is, and somebody will be */
	for (gone = 15; gone-- > 0;) {
		assert_true(listen_without(set, gone));
		come(set, WORKERS, got);
		for (i = 0; i < WORKERS; i++)
			assert_true((got[i] > 0) ==
			    ((gone & 7) == 7 || (gone & W(i)) == 0));
	}
}

/* It is not there while another one comes, and another one goes. */
static void
and_while_there_will_be_more_or_fewer(void **state)
{
	struct listen_set *next;
	unsigned got[WORKERS];

	(void)state;
	open_two();
	assert_true(listen_without(set, W(0)));
	next = follow(3);
	come(next, 3, got);
	assert_true(got[0] == 0 && got[1] == COMERS && got[2] == 0);
	/* it does not come after all */
	listen_close(&next);
	listen_narrow(set);
	come(set, 2, got);
	assert_true(got[0] == 0 && got[1] == COMERS);
	/* it does; who was not there is back meanwhile, and gone again */
	next = follow(3);
	assert_true(listen_without(set, 0));
	come(next, 3, got);
	assert_true(got[0] > 0 && got[1] > 0 && got[2] == 0);
	assert_true(listen_without(set, W(0)));
	listen_close(&set);
	set = next;
	listen_steer(set);
	come(set, 3, got);
	assert_true(got[0] == 0 && got[1] > 0 && got[2] > 0);
	/* and goes */
	next = follow(2);
	listen_close(&set);
	set = next;
	listen_steer(set);
	come(set, 3, got);
	assert_true(got[0] == 0 && got[1] == COMERS && got[2] == 0);
	listen_narrow(set);
	come(set, 2, got);
	assert_true(got[0] == 0 && got[1] == COMERS);
	assert_true(listen_without(set, 0));
	come(set, 2, got);
	assert_true(got[0] > 0 && got[1] > 0);
}

static void
who_is_in_the_queue_stays_there(void **state)
{
	struct heritage_listener l[ROLE_SOCKETS_MAX];
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	unsigned got[WORKERS];
	int fd;

	(void)state;
	open_two();
	(void)listen_column(set, 0, l);
	assert_int_equal(getsockname(l[0].fd, (struct sockaddr *)&at, &n), 0);
	assert_true(listen_without(set, W(1)));	/* so that it comes here */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_true(listen_without(set, W(0)));
	come(set, 2, got);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], COMERS - 1);	/* it counts all it finds */
	(void)close(fd);
}

/* What is known there of who is not here, is not known. */
static void
another_program_leads_them_anew(void **state)
{
	static struct record r;
	struct listen_set *before;
	unsigned got[WORKERS];
	uint64_t gone;

	(void)state;
	for (gone = 0; gone < 4; gone++) {
		open_two();
		assert_true(listen_without(set, W(0)));
		listen_keep(set, &r);
		/* one that knows nothing of it undoes it, once it has turned */
		assert_int_equal(r.listens[0].steered, r.listens[0].nfds);
		r.nworkers = 2;
		record_change_fds(&r, own, NULL);
		before = set;
		set = listen_adopt(&r);
		assert_non_null(set);
		assert_true(listen_without(set, gone));
		come(set, 2, got);
		assert_true((got[0] > 0) == ((gone & W(0)) == 0 || gone == 3));
		assert_true((got[1] > 0) == ((gone & W(1)) == 0 || gone == 3));
		listen_close(&before);
		listen_close(&set);
	}
	/* or it comes to more of them */
	open_two();
	assert_true(listen_without(set, W(0)));
	listen_keep(set, &r);
	r.nworkers = 2;
	record_change_fds(&r, own, NULL);
	before = set;
	set = listen_adopt(&r);	/* its texts are the other one's */
	assert_non_null(set);
	listen_close(&before);
	before = set;
	set = follow(3);
	listen_steer(set);
	come(set, 3, got);
	assert_true(got[0] > 0 && got[1] > 0 && got[2] > 0);
	listen_close(&before);
}

static void
where_they_cannot_be_led_it_is_tried_again(void **state)
{
	unsigned got[WORKERS];

	(void)state;
	open_two();
	refuse("setsockopt", 1, 1, ENOMEM);
	assert_false(listen_without(set, W(0)));
	assert_int_equal(refuse_end(), 1);
	come(set, 2, got);
	assert_true(got[0] > 0 && got[1] > 0);
	assert_true(listen_without(set, W(0)));
	refuse("setsockopt", 1, 1, ENOMEM);
	assert_true(listen_without(set, W(0)));	/* nothing is to be done */
	assert_int_equal(refuse_end(), 0);
	refuse("setsockopt", 1, 1, ENOMEM);
	assert_false(listen_without(set, 0));
	assert_int_equal(refuse_end(), 1);
	come(set, 2, got);
	assert_int_equal(got[0], 0);
	assert_true(listen_without(set, 0));
	come(set, 2, got);
	assert_true(got[0] > 0 && got[1] > 0);
}

/* All workers share them. */
static void
unix_sockets_lead_nobody(void **state)
{
	(void)state;
	configure_unix();
	assert_int_equal(open_all(), EX_OK);
	refuse("setsockopt", 1, REFUSE_ALWAYS, ENOMEM);
	assert_true(listen_without(set, W(0)));
	assert_int_equal(refuse_end(), 0);
}

static void
who_waits_at_a_socket_that_is_to_go_is_seen(void **state)
{
	struct heritage_listener l[ROLE_SOCKETS_MAX];
	struct sockaddr_storage at;
	struct listen_set *one;
	socklen_t n = sizeof at;
	int fd[64], got;
	unsigned i;

	(void)state;
	configure("listen \"127.0.0.1:0\" {}");
	assert_int_equal(listen_open(conf, 2, NULL, &set, why, sizeof why),
	    EX_OK);
	(void)listen_column(set, 1, l);
	assert_int_equal(getsockname(l[0].fd, (struct sockaddr *)&at, &n), 0);
	for (i = 0; i < nitems(fd); i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fd[i], (struct sockaddr *)&at, n), 0);
		assert_int_equal(send(fd[i], "x", 1, 0), 1);
	}
	one = follow(1);
	listen_steer(one);
	assert_false(listen_idle(one));
	while ((got = accept(l[0].fd, NULL, NULL)) != -1)
		(void)close(got);
	assert_true(listen_idle(one));
	for (i = 0; i < nitems(fd); i++)
		(void)close(fd[i]);
	listen_close(&set);
	set = one;
	listen_narrow(set);
}

/* A kernel without IPv6, or without IPv4; with neither there is no section. */
static void
one_kind_of_address_may_lack(void **state)
{
	static const int errors[] = { EAFNOSUPPORT, EADDRNOTAVAIL,
		EPROTONOSUPPORT };
	struct heritage_listener l[ROLE_SOCKETS_MAX];
	in_port_t port;
	size_t i;

	(void)state;
	configure("listen \"*:0\" {}");
	for (i = 0; i < nitems(errors); i++) {
		refuse("socket", 1, 1, errors[i]);	/* of the first */
		assert_int_equal(open_all(), EX_OK);
		assert_int_equal(listen_column(set, 0, l), 1);
		assert_true(family(l[0].fd, &port) == AF_INET6);
		refuse("socket", 1 + WORKERS, 1, errors[i]);
		assert_int_equal(open_all(), EX_OK);
		assert_int_equal(refuse_end(), 1);
		assert_int_equal(listen_column(set, 0, l), 1);
		assert_true(family(l[0].fd, &port) == AF_INET);
		refuse("socket", 1, REFUSE_ALWAYS, errors[i]);
		assert_int_equal(open_all(), EX_OSERR);
		assert_int_equal(refuse_end(), 2);
		assert_non_null(strstr(why, strerror(errors[i])));
	}
}

/* What is free for one kind may be taken for the other: another is tried,
 * but not for ever. */
static void
a_port_that_is_free_for_both(void **state)
{
	struct heritage_listener l[ROLE_SOCKETS_MAX];

	(void)state;
	configure("listen \"*:0\" {}");
	refuse("bind", 1 + WORKERS, 1, EADDRINUSE);
	assert_int_equal(open_all(), EX_OK);
	assert_int_equal(refuse_end(), 1);
	assert_int_equal(listen_column(set, 0, l), 2);
	refuse("bind", 1, REFUSE_ALWAYS, EADDRINUSE);
	assert_int_equal(open_all(), EX_UNAVAILABLE);
	assert_int_equal(refuse_end(), 16);
}

static void
a_port_that_is_taken(void **state)
{
	struct heritage_listener l[ROLE_SOCKETS_MAX];
	struct listen_set *first;
	struct conf *before;
	char text[128];
	in_port_t port;

	(void)state;
	configure("listen \"127.0.0.1:0\" {}");
	assert_int_equal(open_all(), EX_OK);
	assert_int_equal(listen_column(set, 0, l), 1);
	(void)family(l[0].fd, &port);
	first = set;
	set = NULL;
	(void)snprintf(text, sizeof text, "listen \"127.0.0.1:%u\" {}",
	    ntohs(port));
	before = conf;	/* the first set points into it */
	conf = NULL;
	configure(text);
	assert_int_equal(open_all(), EX_UNAVAILABLE);
	assert_non_null(strstr(why, strerror(EADDRINUSE)));
	listen_close(&first);
	conf_free(&before);
}

/* --- unix ----------------------------------------------------------------*/

/* A socket bound to the path; listening or dead. */
static int
another(int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof sun),
	    0);
	return (fd);
}

static void
a_socket_file_that_is_left_is_replaced(void **state)
{
	struct stat st;

	(void)state;
	configure_unix();
	(void)close(another(SOCK_STREAM));
	assert_int_equal(open_all(), EX_OK);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0660);
	listen_close(&set);
	assert_int_equal(lstat(path, &st), -1);
}

static void
a_socket_in_use_is_not(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	configure_unix();
	fd = another(SOCK_STREAM);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(open_all(), EX_UNAVAILABLE);
	/* its queue is full by now */
	refuse("connect", 1, 1, EAGAIN);
	assert_int_equal(open_all(), EX_UNAVAILABLE);
	assert_int_equal(refuse_end(), 1);
	(void)close(fd);
	(void)unlink(path);
	/* another kind of socket: who knows whose */
	fd = another(SOCK_DGRAM);
	assert_int_equal(open_all(), EX_OSERR);
	assert_non_null(strstr(why, strerror(EPROTOTYPE)));
	assert_int_equal(lstat(path, &st), 0);
	(void)close(fd);
}

static void
what_is_no_socket_stays(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	configure_unix();
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	(void)close(fd);
	assert_int_equal(open_all(), EX_OSERR);
	assert_non_null(strstr(why, strerror(EEXIST)));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* Somebody else's by now, at the end: it stays. */
static void
only_our_own_file_is_removed(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	configure_unix();
	assert_int_equal(open_all(), EX_OK);
	(void)unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	(void)close(fd);
	listen_close(&set);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void
it_belongs_to_whom_it_shall(void **state)
{
	struct plat_user u = { .uid = geteuid(), .gid = getegid() };

	(void)state;
	configure_unix();
	assert_int_equal(listen_open(conf, WORKERS, &u, &set, why, sizeof why),
	    EX_OK);
	listen_close(&set);
	refuse("fchownat", 1, 1, EPERM);
	assert_int_equal(listen_open(conf, WORKERS, &u, &set, why, sizeof why),
	    EX_NOPERM);
	assert_int_equal(refuse_end(), 1);
	assert_int_equal(entries(dir), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(nothing_is_left_where_a_call_fails),
		T(no_memory),
		T(workers_have_sockets_of_their_own_at_one_port),
		T(another_worker_is_connected_to_when_it_is_there),
		T(newcomers_are_led_to_those_who_are_there),
		T(and_while_there_will_be_more_or_fewer),
		T(who_is_in_the_queue_stays_there),
		T(another_program_leads_them_anew),
		T(where_they_cannot_be_led_it_is_tried_again),
		T(unix_sockets_lead_nobody),
		T(who_waits_at_a_socket_that_is_to_go_is_seen),
		T(one_kind_of_address_may_lack),
		T(a_port_that_is_free_for_both),
		T(a_port_that_is_taken),
		T(a_socket_file_that_is_left_is_replaced),
		T(a_socket_in_use_is_not),
		T(what_is_no_socket_stays),
		T(only_our_own_file_is_removed),
		T(it_belongs_to_whom_it_shall),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
