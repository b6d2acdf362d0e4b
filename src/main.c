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
#include "host/check.h"
#include "master/confine/confine.h"
#include "master/master.h"
#include "master/read/edition.h"
#include "master/read/plan.h"
#include "master/trial.h"
#include "master/upgrade/binary.h"
#include "master/upgrade/leap.h"
#include "master/upgrade/pass.h"
#include "master/upgrade/record.h"
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

/* Parse, check and load; exits unless all is well. */
static struct edition *
main_read(const struct main_options *o, const struct edition_source *from)
{
	enum edition_depth depth = o->test ? EDITION_CHECK : o->print ?
	    EDITION_CONF : EDITION_FILES;
	struct conf_errors errors;
	struct edition *e;

	conf_errors_init(&errors);
	e = edition_read(from, NULL, depth, &errors);
	if (e == NULL && from->packet.n > 0)
		(void)fprintf(stderr, "the configuration in force is refused: "
		    "correct it and reload, then upgrade:\n");
	if (e == NULL && errors.count == 0) {
		(void)fprintf(stderr, "roostd: %s: %s%s\n", o->file,
		    strerror(errno), errno == ENOENT ? "; -c names another "
		    "file, examples are in " ROOST_EXAMPLES : "");
		exit(o->test ? 1 : EX_NOINPUT);
	}
	if (e == NULL) {
		(void)fwrite(errors.text.data, 1, errors.text.wpos, stderr);
		exit(o->test ? 1 : EX_CONFIG);
	}
	conf_errors_fini(&errors);
	return (e);
}

/* It is right, but this host may be too small for it.  A service has what its
 * unit says, not what whoever asks has. */
static void
main_valid(const struct main_options *o, const struct edition *e)
{
	struct host_finding found[HOST_FINDINGS];
	struct host_facts facts;
	struct host_needs needs;
	uint64_t unit;
	size_t i, n;

	(void)fprintf(stderr, "roostd: %s is valid\n", o->file);
	(void)plat_raise_nofile();
	plan_needs(e->conf, edition_workers(e), &needs);
	host_look(&facts, "", 0);
	unit = host_unit_files("");
	if (facts.files != HOST_UNKNOWN && facts.files < unit)
		facts.files = unit;
	n = host_check(&needs, &facts, true, found);
	for (i = 0; i < n; i++)
		if (found[i].less)
			(void)fprintf(stderr, "roostd: this host has too "
			    "little: %s %s, needed: %s: %s\n", found[i].what,
			    found[i].found, found[i].needed, found[i].mend);
}

static int
main_run(const struct main_options *o, const struct edition_source *from,
    struct edition *e, const char *file, const struct pass *pass,
    const char *named)
{
	char *binary = pass->record == NULL ? binary_path(named) :
	    strndup((const char *)pass->record->binary.p,
	    pass->record->binary.n);
	const struct master_params mp = {
		.edition = e, .source = from, .relay = &role_relay,
		.worker = &role_worker, .confine = &confine, .version = PACKAGE_VERSION,
		.file = file, .binary = binary,
		.pass = pass->record == NULL ? NULL : pass,
		.foreground = o->foreground,
	};
	const char *why;
	bool layout;
	int code;

	if (pass->way == PASS_TRIAL) {
		why = master_try(&mp, &layout);
		trial_answer(why, layout);
	}
	/* in the background we keep no directory busy */
	if (from->directory != NULL && chdir("/") == -1)
		fatal("chdir path=/");
	code = master_run(&mp);
	free(binary);
	return (code);
}

/* Are we to go on for another program, or for a later one that did not do? */
static void
main_pass(struct pass *pass, char **argv)
{
	pass_take(pass);
	leap_remember(argv, environ);
	switch (pass->way) {
	case PASS_NONE:
	case PASS_TRIAL:
	case PASS_BACK:
		return;
	case PASS_ON:
		leap_guard(pass->record, pass->fd);
		return;
	case PASS_BAD:
		break;
	}
	if (pass->asked == PASS_TRIAL && pass->stranger)
		trial_answer(pass->why, false);
	(void)fprintf(stderr, "roostd: %s: %s\n", PASS_VARIABLE, pass->why);
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	struct main_options o;
	struct edition_source from, first;
	struct edition *e;
	static struct pass pass;	/* the record stays as long as we do */
	char *directory = NULL, *file;
	int code = EX_OK, level;

	if (plat_std_files() == -1)
		return (EX_OSERR); /* nobody to tell */
	main_pass(&pass, argv);
	setproctitle_init(argc, argv, environ);
	main_options(argc, argv, &o);
	log_open(LOG_TARGET_STDERR);
	if (!o.foreground && !o.print && !o.test &&
	    (directory = getcwd(NULL, 0)) == NULL)
		fatal("working_directory");
	from = (struct edition_source){ .file = o.file,
		.directory = directory, .overrides = o.overrides,
		.noverrides = o.noverrides };
	first = from;
	if (pass.record != NULL)
		first.packet = pass.record->conf;
	file = realpath(o.file, NULL);	/* as long as we are there */
	e = main_read(&o, &first);
	level = log_level_from(e->conf->log_level);
	log_init("master", -1, level < 0 ? LOG_LEVEL_INFO :
	    (enum log_level)level);
	log_set_format((enum log_format)e->conf->log_format);
	if (o.print)
		main_print(e->conf);
	else if (o.test)
		main_valid(&o, e);
	else {
		code = main_run(&o, &from, e, file != NULL ? file : o.file,
		    &pass, argv[0]);
		e = NULL;	/* the master's */
	}
	edition_free(&e);
	free(directory);
	free(file);
	return (code);
}
