/*
 * roostctl(8): tells a running roostd what to do, by signals, and waits for
 * what becomes of it; or asks its HTTP API.  Whatever it does can be done
 * without it.
 */
#include <bsd/stdlib.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/plat.h"
#include "tools/roostctl/check.h"
#include "tools/roostctl/remote.h"
#include "tools/roostctl/find.h"
#include "tools/roostctl/mint.h"
#include "tools/roostctl/resize.h"
#include "tools/roostctl/summary.h"
#include "tools/roostctl/wait.h"
#include "tools/roostctl/why.h"

#define ROOSTCTL_SECONDS	60
#define ROOSTCTL_ANSWER_S	10	/* of the API */
#define ROOSTCTL_ROLES		32
#define ROOSTCTL_SECRET		4096	/* bytes, of a file */

struct options {
	const char	*config;	/* -c */
	const char	*pid;		/* -p */
	const char	*address;	/* -u */
	const char	*key_file;	/* -k */
	unsigned	 seconds;	/* -t; 0: as it is usual */
};

struct command {
	const char	*name;
	const char	*arguments;	/* for the usage */
	const char	*what;
	int		(*run)(const struct options *, int argc, char **argv);
	/* or what it asks the HTTP API for */
	int		(*ask)(const struct remote_options *, int argc,
			    char **argv);
};

static bool
roostctl_alone(int argc, char **argv)
{
	if (argc != 1)
		(void)fprintf(stderr, "roostctl: %s takes no arguments\n",
		    argv[0]);
	return (argc == 1);
}

/* --- of the daemon --------------------------------------------------------*/

static unsigned
roostctl_seconds(const struct options *o)
{
	return (o->seconds != 0 ? o->seconds : ROOSTCTL_SECONDS);
}

static bool
roostctl_find(const struct options *o, struct daemon *d, int *code)
{
	*code = find_daemon(d, o->pid, o->config);
	if (*code != EX_OK)
		(void)fprintf(stderr, "roostctl: %s\n", d->why);
	return (*code == EX_OK);
}

static int
roostctl_task(const struct options *o, int argc, char **argv, int sig,
    enum board_task task)
{
	struct daemon d;
	int code;

	if (!roostctl_alone(argc, argv))
		return (EX_USAGE);
	if (!roostctl_find(o, &d, &code))
		return (code);
	code = wait_task(&d, sig, task, roostctl_seconds(o));
	find_close(&d);
	return (code);
}

static int
roostctl_status(const struct options *o, int argc, char **argv)
{
	struct daemon d;
	int code;

	if (!roostctl_alone(argc, argv))
		return (EX_USAGE);
	if (!roostctl_find(o, &d, &code))
		return (code);
	code = summary_print(&d);
	find_close(&d);
	return (code);
}

static int
roostctl_reload(const struct options *o, int argc, char **argv)
{
	return (roostctl_task(o, argc, argv, SIGHUP, BOARD_RELOAD));
}

static int
roostctl_upgrade(const struct options *o, int argc, char **argv)
{
	return (roostctl_task(o, argc, argv, SIGUSR2, BOARD_UPGRADE));
}

static int
roostctl_reopen(const struct options *o, int argc, char **argv)
{
	return (roostctl_task(o, argc, argv, SIGUSR1, BOARD_REOPEN));
}

static int
roostctl_rebalance(const struct options *o, int argc, char **argv)
{
	return (roostctl_task(o, argc, argv, SIGWINCH, BOARD_REBALANCE));
}

static int
roostctl_workers(const struct options *o, int argc, char **argv)
{
	struct daemon d;
	int code;

	if (argc != 2) {
		(void)fprintf(stderr, "roostctl: workers: how many?\n");
		return (EX_USAGE);
	}
	if (!roostctl_find(o, &d, &code))
		return (code);
	code = resize_workers(&d, argv[1], roostctl_seconds(o));
	find_close(&d);
	return (code);
}

static int
roostctl_check_usage(void)
{
	(void)fprintf(stderr, "usage: roostctl check [-j] [-r root]\n");
	return (EX_USAGE);
}

static int
roostctl_check(const struct options *o, int argc, char **argv)
{
	const char *root = "";
	struct daemon d;
	bool json = false;
	int c, code;

	optind = 1;
	while ((c = getopt(argc, argv, "+jr:")) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'r')
			root = optarg;
		else
			return (roostctl_check_usage());
	}
	if (optind != argc)
		return (roostctl_check_usage());
	if (!roostctl_find(o, &d, &code)) {
		(void)fprintf(stderr, "roostctl: before a start, roostd -t says "
		    "what is too small\n");
		return (code);
	}
	code = check_print(&d, root, json);
	find_close(&d);
	return (code);
}

static int
roostctl_why(const struct options *o, int argc, char **argv)
{
	struct daemon d;
	int code;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: roostctl why user:ID | sid:ID | "
		    "address:IP[:PORT]\n");
		return (EX_USAGE);
	}
	if (!roostctl_find(o, &d, &code))
		return (code);
	code = why_print(&d, argv[1]);
	find_close(&d);
	return (code);
}

/* As long as the daemon takes, and a little more. */
static unsigned
roostctl_stop_seconds(const struct options *o, struct daemon *d,
    const char *fact)
{
	static struct board_copy c;	/* large; one at a time */
	struct slice v;
	char text[32];

	if (o->seconds != 0 || find_board(d, &c) == -1 ||
	    !board_fact(&c, fact, &v) || v.n >= sizeof text)
		return (roostctl_seconds(o));
	(void)snprintf(text, sizeof text, "%.*s", (int)v.n,
	    (const char *)v.p);
	return ((unsigned)(strtoull(text, NULL, 10) / 1000 + 10));
}

static int
roostctl_stop(const struct options *o, int argc, char **argv)
{
	bool drain = argc == 2 && strcmp(argv[1], "-d") == 0;
	struct daemon d;
	int code;

	if (argc != 1 && !drain) {
		(void)fprintf(stderr, "usage: roostctl stop [-d]\n");
		return (EX_USAGE);
	}
	if (!roostctl_find(o, &d, &code))
		return (code);
	code = wait_end(&d, drain ? SIGQUIT : SIGTERM,
	    roostctl_stop_seconds(o, &d, drain ? "drain_ms" : "stop_ms"));
	find_close(&d);
	return (code);
}

/* --- of the API -----------------------------------------------------------*/

/* One line; false: said why. */
static bool
roostctl_read_file(const char *path, const char *what,
    char out[ROOSTCTL_SECRET])
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t n;

	if (f == NULL) {
		(void)fprintf(stderr, "roostctl: %s: %s\n", path,
		    strerror(errno));
		return (false);
	}
	n = fread(out, 1, ROOSTCTL_SECRET - 1, f);
	if (f != stdin)
		(void)fclose(f);
	out[n] = '\0';
	n = strcspn(out, "\r\n");
	out[n] = '\0';
	if (n == 0)
		(void)fprintf(stderr, "roostctl: %s: no %s in it\n", path,
		    what);
	return (n != 0);
}

/* Of a file, or the environment; NULL: said why. */
static const char *
roostctl_secret(const char *path, const char *variable, const char *what,
    const char *option)
{
	static char text[ROOSTCTL_SECRET];
	const char *value = getenv(variable);

	if (path != NULL)
		return (roostctl_read_file(path, what, text) ? text : NULL);
	if (value != NULL && value[0] != '\0')
		return (value);
	(void)fprintf(stderr, "roostctl: %s is needed: set %s, or name a file "
	    "by %s\n", what, variable, option);
	return (NULL);
}

/* Where the daemon of this host listens without TLS. */
static bool
roostctl_address(const struct options *o, struct remote_options *a,
    char address[512], char host[512], int *code)
{
	static struct board_copy c;	/* large; one at a time */
	struct slice v;
	struct daemon d;

	if (!roostctl_find(o, &d, code))
		return (false);
	*code = EX_UNAVAILABLE;
	if (find_board(&d, &c) == -1 || !board_fact(&c, "api", &v) ||
	    v.n >= 512) {
		(void)fprintf(stderr, "roostctl: roostd, process %d, listens "
		    "with TLS only: name an address without it by -u\n",
		    (int)d.pid);
		find_close(&d);
		return (false);
	}
	(void)snprintf(address, 512, "%.*s", (int)v.n, (const char *)v.p);
	a->address = address;
	if (board_fact(&c, "host", &v) && v.n < 512) {
		(void)snprintf(host, 512, "%.*s", (int)v.n,
		    (const char *)v.p);
		a->host = host;
	}
	find_close(&d);
	return (true);
}

static int
roostctl_api(const struct options *o, int argc, char **argv,
    int (*ask)(const struct remote_options *, int, char **))
{
	struct remote_options a = { .address = o->address, .host = "localhost",
		.seconds = o->seconds != 0 ? o->seconds : ROOSTCTL_ANSWER_S };
	char address[512], host[512];
	int code = EX_OK;

	a.key = roostctl_secret(o->key_file, "ROOST_API_KEY",
	    "a key of the API", "-k");
	if (a.key == NULL)
		return (EX_NOPERM);
	if (a.address == NULL && !roostctl_address(o, &a, address, host,
	    &code))
		return (code);
	return (ask(&a, argc, argv));
}

/* --- without a daemon -----------------------------------------------------*/

static int
roostctl_put(struct buf *b)
{
	int code = EX_OK;

	buf_byte(b, '\n');
	if (b->oom)
		code = EX_OSERR;
	else
		(void)fwrite(b->data, 1, b->wpos, stdout);
	buf_fini(b);
	return (code);
}

static int
roostctl_token_usage(void)
{
	(void)fprintf(stderr, "usage: roostctl token [-e seconds] [-r role] "
	    "... [-s file] user [claims]\n");
	return (EX_USAGE);
}

static int
roostctl_token(const struct options *o, int argc, char **argv)
{
	struct mint_token t = { .seconds = 3600,
		.now_s = wall_now().ms / 1000 };
	char *roles[ROOSTCTL_ROLES];
	const char *bad, *file = NULL, *secret;
	struct buf out;
	int c;

	(void)o;
	optind = 1;
	while ((c = getopt(argc, argv, "+e:r:s:")) != -1) {
		if (c == 'e') {
			t.seconds = (uint64_t)strtonum(optarg, 1, 1000000000,
			    &bad);
			if (bad != NULL)
				return (roostctl_token_usage());
		} else if (c == 'r' && t.nroles < ROOSTCTL_ROLES)
			roles[t.nroles++] = optarg;
		else if (c == 's')
			file = optarg;
		else
			return (roostctl_token_usage());
	}
	if (argc - optind < 1 || argc - optind > 2)
		return (roostctl_token_usage());
	secret = roostctl_secret(file, "JWT_SECRET", "the secret of jwt", "-s");
	if (secret == NULL)
		return (EX_NOINPUT);
	t.secret = slice_str(secret);
	t.user = argv[optind];
	t.roles = roles;
	t.claims = slice_str(argv[optind + 1]);
	buf_init(&out);
	if (mint_token(&out, &t))
		return (roostctl_put(&out));
	buf_fini(&out);
	(void)fprintf(stderr, "roostctl: the claims are no object of JSON\n");
	return (EX_DATAERR);
}

/* From standard input: arguments are for all to see.  -g: a new one. */
static int
roostctl_hash_key(const struct options *o, int argc, char **argv)
{
	bool make = argc == 2 && strcmp(argv[1], "-g") == 0;
	char key[ROOSTCTL_SECRET];
	struct buf out;

	(void)o;
	if (argc != 1 && !make) {
		(void)fprintf(stderr, "usage: roostctl hash-key [-g]\n");
		return (EX_USAGE);
	}
	buf_init(&out);
	if (make) {
		if (!mint_key(&out))
			return (EX_OSERR);
		(void)printf("key     %.*s\n", (int)out.wpos,
		    (const char *)out.data);
		(void)snprintf(key, sizeof key, "%.*s", (int)out.wpos,
		    (const char *)out.data);
		buf_reset(&out);
		buf_str(&out, "sha256  ");
	} else {
		if (isatty(STDIN_FILENO))
			(void)fprintf(stderr, "key: ");
		if (!roostctl_read_file("-", "key", key))
			return (EX_DATAERR);
	}
	mint_hash(&out, slice_str(key));
	return (roostctl_put(&out));
}

/* --- all ------------------------------------------------------------------*/

/* What was told has to have arrived, too. */
static int
roostctl_told(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return (code);
	(void)fprintf(stderr, "roostctl: the output cannot be written\n");
	return (code == EX_OK ? EX_IOERR : code);
}

static const struct command roostctl_commands[] = {
	{ "status", "", "how it is, in a few lines", .run = roostctl_status },
	{ "reload", "", "read the configuration again",
	    .run = roostctl_reload },
	{ "stop", "[-d]", "end it; -d: let clients go over drain_time",
	    .run = roostctl_stop },
	{ "upgrade", "", "become the program that is installed now",
	    .run = roostctl_upgrade },
	{ "workers", "number", "have so many workers",
	    .run = roostctl_workers },
	{ "rebalance", "", "spread connections over the workers",
	    .run = roostctl_rebalance },
	{ "reopen", "", "open the log file again", .run = roostctl_reopen },
	{ "check", "[-j] [-r root]", "what in this host is too small for it",
	    .run = roostctl_check },
	{ "why", "user:ID | sid:ID | address:IP[:PORT]",
	    "what happened to a client lately", .run = roostctl_why },
	{ "publish", "[-fv] [-r room] [-U user] [-s sid] namespace event [data]",
	    "send an event to clients", .ask = remote_publish },
	{ "presence", "[-r room] namespace [user]", "who is there",
	    .ask = remote_presence },
	{ "rooms", "[-c cursor] [-l limit] namespace [room]",
	    "which rooms there are, or who is in one", .ask = remote_rooms },
	{ "user", "[-c cursor] [-l limit] user",
	    "sessions, rooms and hosts of a user", .ask = remote_user },
	{ "history", "[-l limit] [-s epoch:offset] namespace room",
	    "what is kept of a room", .ask = remote_history },
	{ "hooks", "[-f | -r] [-c cursor] [-l limit] [hook [id ...]]",
	    "how hooks stand, and what they did not take; -r: send it again; "
	    "-f: forget it", .ask = remote_hooks },
	{ "join", "[-a] [-r room] [-U user] [-s sid] namespace room ...",
	    "have clients join rooms", .ask = remote_change },
	{ "leave", "[-a] [-r room] [-U user] [-s sid] namespace room ...",
	    "have clients leave rooms", .ask = remote_change },
	{ "disconnect", "[-n namespace] [-a] [-r room] [-U user] [-s sid] "
	    "[reason]", "end sessions of clients", .ask = remote_disconnect },
	{ "revoke", "[--for time | --until seconds] [--grace time] user:ID | "
	    "jti:ID [reason]",
	    "end all sessions of a user or a token, and refuse it",
	    .ask = remote_revoke },
	{ "token", "[-e seconds] [-r role] ... [-s file] user [claims]",
	    "make a token for development", .run = roostctl_token },
	{ "hash-key", "[-g]", "the sha256 of an API key; -g: of a new one",
	    .run = roostctl_hash_key },
};

static void roostctl_usage(int code) NORETURN;
static void
roostctl_usage(int code)
{
	FILE *f = code == EX_OK ? stdout : stderr;
	size_t i;

	(void)fprintf(f, "usage: roostctl [-hV] [-c config] [-k file] "
	    "[-p pid] [-t seconds] [-u address]\n"
	    "                command [argument ...]\n");
	for (i = 0; code == EX_OK && i < nitems(roostctl_commands); i++)
		(void)fprintf(f, "  %s %s\n      %s\n",
		    roostctl_commands[i].name, roostctl_commands[i].arguments,
		    roostctl_commands[i].what);
	(void)fprintf(f, "See roostctl(8)%s.\n", code == EX_OK ? "" :
	    ", or roostctl -h");
	exit(roostctl_told(code));
}

static void
roostctl_options(int argc, char **argv, struct options *o)
{
	const char *bad;
	int c;

	*o = (struct options){ .seconds = 0 };
	while ((c = getopt(argc, argv, "+c:hk:p:t:u:V")) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'h':
			roostctl_usage(EX_OK);
		case 'k':
			o->key_file = optarg;
			break;
		case 'p':
			o->pid = optarg;
			break;
		case 't':
			o->seconds = (unsigned)strtonum(optarg, 1, 86400, &bad);
			if (bad == NULL)
				break;
			(void)fprintf(stderr, "roostctl: -t %s: %s (1 to "
			    "86400 seconds)\n", optarg, bad);
			exit(EX_USAGE);
		case 'u':
			o->address = optarg;
			break;
		case 'V':
			(void)printf("roostctl %s\n", PACKAGE_VERSION);
			exit(roostctl_told(EX_OK));
		default:
			roostctl_usage(EX_USAGE);
		}
	}
}

int
main(int argc, char **argv)
{
	struct options o;
	const struct command *c;
	const char *name;
	size_t i;

	if (plat_std_files() == -1)
		return (EX_OSERR);
	(void)signal(SIGPIPE, SIG_IGN);
	roostctl_options(argc, argv, &o);
	argc -= optind;
	argv += optind;
	if (argc == 0)
		roostctl_usage(EX_USAGE);
	name = argv[0];
	for (i = 0; i < nitems(roostctl_commands); i++) {
		c = &roostctl_commands[i];
		if (strcmp(name, c->name) == 0)
			return (roostctl_told(c->ask == NULL ?
			    c->run(&o, argc, argv) :
			    roostctl_api(&o, argc, argv, c->ask)));
	}
	(void)fprintf(stderr, "roostctl: no command \"%s\"\n", name);
	roostctl_usage(EX_USAGE);
}
