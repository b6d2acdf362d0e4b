/*
 * roostd(8): reads its arguments and the configuration, and hands over to the
 * master.  The only file that names the roles.
 */
#include <bsd/stdlib.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/read/dump.h"
#include "conf/read/free.h"
#include "conf/read/parse.h"
#include "master/load.h"
#include "master/master.h"
#include "role.h"
#include "shm/layout.h"
#include "sys/log.h"
#include "sys/plat.h"

#define MAIN_OVERRIDES_MAX	256

extern char **environ;

struct main_options {
	const char	*file;
	bool		 foreground;
	bool		 print;
	bool		 test;
	const char	*overrides[MAIN_OVERRIDES_MAX];
	size_t		 noverrides;
	char		 workers[32];	/* "workers=N", from -w */
};

static void main_usage(int code) NORETURN;
static void
main_usage(int code)
{
	(void)fprintf(code == EX_OK ? stdout : stderr,
	    "usage: roostd [-fhntV] [-c file] [-w workers]"
	    " [-o name=value] ...\n%s", code != EX_OK ? "" :
	    "  -c  read this configuration (" ROOST_CONF ")\n"
	    "  -f  stay in the foreground and log to standard error\n"
	    "  -h  print this\n"
	    "  -n  print the configuration with all defaults\n"
	    "  -o  set one directive, such as limits.connections=1000\n"
	    "  -t  check the configuration\n"
	    "  -V  print the version\n"
	    "  -w  number of workers, or auto\n"
	    "See roostd(8) and roost.conf(5); examples are in " ROOST_EXAMPLES
	    ".\n");
	exit(code);
}

static void
main_override(struct main_options *o, const char *text)
{
	if (strchr(text, '=') == NULL) {
		(void)fprintf(stderr, "roostd: -o %s: not NAME=VALUE\n", text);
		exit(EX_USAGE);
	}
	if (o->noverrides == MAIN_OVERRIDES_MAX) {
		(void)fprintf(stderr, "roostd: more than %d -o options\n",
		    MAIN_OVERRIDES_MAX);
		exit(EX_USAGE);
	}
	o->overrides[o->noverrides++] = text;
}

static void
main_workers(struct main_options *o, const char *text)
{
	const char *bad;
	long long n;

	n = strtonum(text, 1, SHM_WORKERS_MAX, &bad);
	if (bad != NULL && strcmp(text, "auto") != 0) {
		(void)fprintf(stderr, "roostd: -w %s: %s (1 to %d, or auto)\n",
		    text, bad, SHM_WORKERS_MAX);
		exit(EX_USAGE);
	}
	if (bad != NULL)
		(void)snprintf(o->workers, sizeof o->workers, "workers=auto");
	else
		(void)snprintf(o->workers, sizeof o->workers, "workers=%lld",
		    n);
	main_override(o, o->workers);
}

static void
main_options(int argc, char **argv, struct main_options *o)
{
	int c;

	memset(o, 0, sizeof *o);
	o->file = ROOST_CONF;
	while ((c = getopt(argc, argv, "c:fhno:tVw:")) != -1) {
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 'h':
			main_usage(EX_OK);
		case 'n':
			o->print = true;
			break;
		case 'o':
			main_override(o, optarg);
			break;
		case 't':
			o->test = true;
			break;
		case 'V':
			(void)printf("roostd %s\n", PACKAGE_VERSION);
			exit(EX_OK);
		case 'w':
			main_workers(o, optarg);
			break;
		default:
			main_usage(EX_USAGE);
		}
	}
	if (optind != argc)
		main_usage(EX_USAGE);
}

static const char *
main_getenv(const char *name)
{
	return (getenv(name));
}

/* The configuration; NULL: see errors.  Exits when there is no such file. */
static struct conf *
main_conf(const struct main_options *o, struct conf_errors *errors)
{
	struct conf_source source;
	struct buf text;
	struct conf *conf;

	buf_init(&text);
	if (load_text(o->file, &text) == -1) {
		(void)fprintf(stderr, "roostd: %s: %s%s\n", o->file,
		    strerror(errno), errno == ENOENT ? "; -c names another "
		    "file, examples are in " ROOST_EXAMPLES : "");
		exit(o->test ? 1 : EX_NOINPUT);
	}
	memset(&source, 0, sizeof source);
	source.file = o->file;
	source.text = buf_unread(&text);
	source.overrides = o->overrides;
	source.noverrides = o->noverrides;
	source.env = main_getenv;
	conf = conf_parse(&source, errors);
	buf_fini(&text);
	return (conf);
}

static unsigned
main_nworkers(const struct conf *conf)
{
	unsigned n;

	n = conf->workers != 0 ? conf->workers : plat_cpus();
	return (n > SHM_WORKERS_MAX ? SHM_WORKERS_MAX : n);
}

static void
main_print(const struct conf *conf)
{
	struct buf out;

	buf_init(&out);
	conf_dump(conf, &out);
	if (out.oom || fwrite(out.data, 1, out.wpos, stdout) != out.wpos ||
	    fflush(stdout) != 0) {
		(void)fprintf(stderr, "roostd: cannot print: %s\n",
		    strerror(errno));
		exit(EX_IOERR);
	}
	buf_fini(&out);
}

/* A start has a message and an exit code of its own for that. */
static void
main_check_user(const struct main_options *o, const struct conf *conf,
    struct conf_errors *errors)
{
	struct plat_user user;

	if (conf->user[0] != '\0' && plat_user_find(conf->user, &user) == -1)
		conf_error(errors, o->file, 0, "user \"%s\": %s", conf->user,
		    errno == 0 ? "no such user" : strerror(errno));
}

/* Parse, check and load; exits unless all is well. */
static struct conf *
main_read(const struct main_options *o, struct load **load)
{
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = main_conf(o, &errors);
	*load = NULL;
	if (conf != NULL && conf->workers > SHM_WORKERS_MAX)
		conf_error(&errors, o->file, 0, "workers = %u: more than %d",
		    conf->workers, SHM_WORKERS_MAX);
	if (conf != NULL && !(o->print && !o->test))
		*load = load_all(conf, o->file, &errors);
	if (conf != NULL && o->test) {
		main_check_user(o, conf, &errors);
		load_check_redis(conf, o->file, &errors);
	}
	if (errors.count > 0 || conf == NULL) {
		(void)fwrite(errors.text.data, 1, errors.text.wpos, stderr);
		exit(o->test ? 1 : EX_CONFIG);
	}
	conf_errors_fini(&errors);
	return (conf);
}

/* Relative to where we were started, from wherever we are then. */
static void
main_absolute(char **path, const char *from)
{
	char *whole;

	if ((*path)[0] == '\0' || (*path)[0] == '/')
		return;
	if (asprintf(&whole, "%s/%s", from, *path) == -1)
		fatal("memory_short");
	free(*path);
	*path = whole;
}

/* In the background we keep no directory busy: what is still to be opened or
 * removed is named from the root. */
static void
main_leave_directory(struct conf *conf)
{
	char *from = getcwd(NULL, 0);

	if (from == NULL)
		fatal("working_directory");
	main_absolute(&conf->pidfile, from);
	main_absolute(&conf->stats_file, from);
	main_absolute(&conf->redis.password_file, from);
	main_absolute(&conf->redis.sentinel_password_file, from);
	main_absolute(&conf->redis.secret_file, from);
	main_absolute(&conf->redis.ca, from);
	main_absolute(&conf->redis.certificate, from);
	main_absolute(&conf->redis.key, from);
	free(from);
	if (chdir("/") == -1)
		fatal("chdir path=/");
}

int
main(int argc, char **argv)
{
	struct main_options o;
	struct master_params mp;
	struct conf *conf;
	struct load *load;
	char *file;
	int code = EX_OK, level;

	if (plat_std_files() == -1)
		return (EX_OSERR); /* nobody to tell */
	setproctitle_init(argc, argv, environ);
	main_options(argc, argv, &o);
	log_open(LOG_TARGET_STDERR);
	conf = main_read(&o, &load);
	level = log_level_from(conf->log_level);
	log_init("master", -1, level < 0 ? LOG_LEVEL_INFO :
	    (enum log_level)level);
	if (o.print)
		main_print(conf);
	else if (o.test)
		(void)fprintf(stderr, "roostd: %s is valid\n", o.file);
	else {
		memset(&mp, 0, sizeof mp);
		mp.conf = conf;
		mp.load = load;
		mp.relay = &role_relay;
		mp.worker = &role_worker;
		mp.version = PACKAGE_VERSION;
		file = realpath(o.file, NULL);
		mp.file = file != NULL ? file : o.file;
		mp.workers = main_nworkers(conf);
		mp.foreground = o.foreground;
		if (!o.foreground)
			main_leave_directory(conf);
		code = master_run(&mp);
		free(file);
	}
	load_free(&load);
	conf_free(&conf);
	return (code);
}
